"""Right functions pass, each known mistake is named, and no function can hurt the notebook that checks it."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import itertools
import linecache
import sys
import textwrap
import threading
import time
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenet_lib import architectures, cost, training
from mobilenet_lib.course import LESSONS, exercises, records
from mobilenet_lib.course.exercises import EXERCISES, _checking, check, hint, solution
from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._checking import examine
from mobilenet_lib.course.exercises._exercise import Exercise
from mobilenet_lib.course.exercises._values import same
from mobilenet_lib.experiments.speed import roofline, timing

OUTPUT_SIZE = EXERCISES["output_size"]
NAMES = "input_size, kernel_size, stride, padding"
MISTAKES = [
    pytest.param(task, known, id=f"{task.name}-{known.name}")
    for task in EXERCISES.values()
    for known in task.misconceptions
]
LIMITS = {task.TIME_LIMIT for task in EXERCISES.values()}
COUNTS = [task for task in EXERCISES.values() if not isinstance(task, Building)]
each_exercise = pytest.mark.parametrize("task", EXERCISES.values(), ids=lambda task: task.name)
each_count = pytest.mark.parametrize("task", COUNTS, ids=lambda task: task.name)
FEW = settings(max_examples=25)  # of each exercise: an example checks a function in all its cases
_cells = itertools.count()


def cell(source: str, name: str = "output_size"):
    """The function `name` after running `source` as a notebook cell: with its source at hand for tracebacks."""
    source = textwrap.dedent(source).strip() + "\n"
    file_name = f"<test-cell-{next(_cells)}>"
    linecache.cache[file_name] = (len(source), None, source.splitlines(keepends=True), file_name)
    namespace = {"np": np, "__name__": "__main__"}
    exec(compile(source, file_name, "exec"), namespace)
    return namespace[name]


def answer(body: str, name: str = "output_size"):
    """The learner's function of that name with this body."""
    parameters = ", ".join(EXERCISES[name].parameters)
    return cell(f"def {name}({parameters}):\n{textwrap.indent(body, '    ')}", name)


def judged(body: str, name: str = "output_size"):
    """What the check makes of `answer`."""
    return examine(EXERCISES[name], answer(body, name))


def told(outcome: str, body: str) -> str:
    """What is said of an `output_size`; its outcome must be the one named."""
    report = judged(body)
    assert report.outcome == outcome
    return report.message.text


@pytest.fixture
def short_limit(monkeypatch):
    monkeypatch.setattr(Exercise, "TIME_LIMIT", 0.3)


@pytest.fixture(autouse=True)
def progress_file(tmp_path, monkeypatch):
    path = tmp_path / "progress.sqlite"
    monkeypatch.setenv("MOBILENET_PROGRESS", str(path))
    monkeypatch.setattr(Exercise, "TIME_LIMIT", 600)  # room for a machine that has other work to do
    monkeypatch.setattr(_checking, "_PATIENCE", 60)
    monkeypatch.setattr(exercises, "_last_checked", None)
    monkeypatch.setattr(exercises, "_hints_given", {})
    return path


@pytest.fixture
def said(capsys):
    """What was shown since the last call, as text."""
    return lambda: capsys.readouterr().out


# The exercises themselves
@each_exercise
def test_exercise_is_complete(task: Exercise):
    assert task.lesson in {lesson.number for lesson in LESSONS}
    assert len(task.misconceptions) >= 3
    assert len(task.hints) == 2
    assert len(task.cases) >= 2
    assert len(task.all_cases) == len(task.cases) + task.RANDOM_CASES
    assert len({known.name for known in task.misconceptions}) == len(task.misconceptions)
    assert task.points % 2 == 0, "half of them must be a whole number"
    assert task.minutes in range(2, 21)
    assert task.difficulty in (1, 2, 3)
    assert inspect.getdoc(task.reference).count("\n") == 0, "the starter's docstring is one line"


@given(st.integers(1, 90), st.integers(1, 9), st.integers(1, 5), st.integers(0, 6))
def test_output_size_is_that_of_the_cost_table(size, kernel, stride, padding):
    if kernel <= size + 2 * padding:
        expected = cost.conv2d(1, 1, kernel, size, stride, padding).output_shape[1]
        assert OUTPUT_SIZE.reference(size, kernel, stride, padding) == expected


@given(st.integers(1, 99), st.integers(1, 99), st.integers(1, 9), st.integers(1, 30), st.integers(1, 30), st.booleans())
def test_costs_are_those_of_the_cost_table(in_channels, out_channels, kernel, height, width, bias):
    standard = cost.conv2d(in_channels, out_channels, kernel, (height, width), bias=bias)
    separable = cost.depthwise_separable(in_channels, out_channels, kernel, (height, width))
    channels_and_kernel = in_channels, out_channels, kernel
    assert EXERCISES["conv_params"].reference(*channels_and_kernel, bias) == standard.params
    assert EXERCISES["conv_macs"].reference(*channels_and_kernel, height, width) == standard.macs
    assert EXERCISES["separable_macs"].reference(*channels_and_kernel, height, width) == separable.macs
    ratio = EXERCISES["cost_ratio"].reference(out_channels, kernel)
    assert ratio == pytest.approx(separable.macs / standard.macs)


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from([1, 3]), st.integers(3, 9), st.integers(1, 5))
def test_intensity_is_that_of_the_library(channels_in, channels_out, kernel, size, batch_size):
    price = cost.conv2d(channels_in, channels_out, kernel, size)
    row = architectures.Row("layer", "conv", (channels_in, size, size), 1, price)
    inputs = channels_in * size * size
    found = EXERCISES["arithmetic_intensity"].reference(price.macs, inputs, price.activations, price.params, batch_size)
    assert found == pytest.approx(roofline.intensity(row, batch_size))


@given(st.lists(st.floats(1e-4, 1.0), min_size=1, max_size=9), st.integers(0, 2))
def test_the_median_is_that_of_the_library(seconds, warm_up):
    found = EXERCISES["median_ms"].reference([1.0] * warm_up + seconds, warm_up)
    assert found == pytest.approx(timing.Timing(tuple(seconds)).median)


def test_the_training_loop_is_the_step_of_the_library():
    task = EXERCISES["train_loop"]
    for make_model, images, labels, rate in task.all_cases:
        step = training.DynamicStep(make_model(), "adam")
        losses = [step.step(*batch, rate)[0] for batch in zip(images, labels, strict=True)]
        np.testing.assert_allclose(task.reference(make_model, images, labels, rate), losses, rtol=1e-6)


@given(*[st.integers(1, 10**6)] * 4)
def test_the_shortest_time_is_that_under_the_librarys_roof(macs, moved, peak, bandwidth):
    limits = roofline.Limits(peak, bandwidth, threads=1)
    seconds = macs / (1e9 * limits.attainable(macs / moved))
    solution = EXERCISES["shortest_time"].reference
    assert solution(macs, moved, 1e9 * peak, 1e9 * bandwidth) == pytest.approx(seconds)


@given(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8), st.integers(1, 7))
def test_grouped_weights_are_as_many_as_the_cost_table_counts(groups, inputs, outputs, kernel):
    shape = EXERCISES["grouped_weight_shape"].reference(groups * inputs, groups * outputs, kernel, groups)
    layer = cost.conv2d(groups * inputs, groups * outputs, kernel, 9, groups=groups)
    assert np.prod(shape) == layer.params
    assert shape[0] == groups * outputs


def convolved(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """[in, h, w] with [out, in, k, k], no padding, by the definition."""
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape[2:], axis=(1, 2))
    return np.einsum("iyxkl,oikl->oyx", windows, kernel)


@pytest.mark.parametrize("case", EXERCISES["separable_kernel"].all_cases)
def test_separable_kernel_does_the_same_as_both_layers(case):
    depthwise, pointwise = case
    image = np.random.default_rng(1).normal(size=(len(depthwise), 7, 8))
    spatial = np.concatenate([convolved(image[[channel]], depthwise[[channel]]) for channel in range(len(depthwise))])
    both = convolved(spatial, pointwise)
    kernel = EXERCISES["separable_kernel"].reference(depthwise, pointwise)
    np.testing.assert_allclose(convolved(image, kernel), both)


@pytest.mark.parametrize(("task", "known"), MISTAKES)
def test_mistake_triggers_its_own_message(task: Exercise, known):
    report = examine(task, known.function)
    assert (report.outcome, report.misconception) == ("misconception", known.name)
    assert known.message in report.message.text
    others = [other.message for other in task.misconceptions if other is not known]
    assert not any(other in report.message.text for other in others)


def formulas(task: Exercise) -> set[str]:
    """The reference's calculations and comparisons, whole and in parts, without blanks."""
    kinds = (ast.BinOp, ast.Compare, ast.Subscript, *([ast.keyword] if isinstance(task, Building) else []))
    parts = [node for node in ast.walk(ast.parse(task.solution)) if isinstance(node, kinds)]
    return {ast.unparse(part).replace(" ", "") for part in parts}


@each_exercise
def test_no_hint_and_no_message_holds_a_part_of_the_solution(task: Exercise):
    assert formulas(task) or isinstance(task, Building)
    for text in (*task.hints, task.prompt, *(known.message for known in task.misconceptions)):
        bare = "".join(text.split())
        assert not [formula for formula in formulas(task) if formula in bare], text


@each_count
@FEW
@given(data=st.data())
def test_a_wrong_value_in_one_case_fails(task: Exercise, data):
    place = data.draw(st.integers(0, len(task.all_cases) - 1))
    change = data.draw(st.integers(-1000, 1000).filter(bool))
    calls = itertools.count()

    def wrong(*arguments):
        value = task.reference(*arguments)
        if next(calls) != place:
            return value
        if isinstance(value, list):
            return [*value[:-1], (value[-1] if value else 0) + change]
        return value + change * max(1, np.abs(value).max() / 1000 if not task.exact else 1)

    wrong.__name__ = task.name
    assert examine(task, wrong).outcome in {"wrong", "misconception"}


@each_count
@FEW
@given(constant=st.integers(-(10**6), 10**6) | st.floats() | st.lists(st.integers(1, 9), min_size=4, max_size=4))
def test_a_constant_fails(task: Exercise, constant):
    assert examine(task, lambda *_: constant).outcome in {"wrong", "type", "misconception"}


@each_exercise
def test_shown_solution_runs_alone_and_passes(task: Exercise):
    report = examine(task, cell(task.solution, task.name))
    assert report.outcome == "correct"
    cases = len(task.all_cases)
    assert f"Correct: {cases} of {cases} cases" in report.message.title


# Stubs
@each_exercise
def test_starter_is_not_attempted(task: Exercise):
    report = examine(task, cell(task.starter, task.name))
    assert report.outcome == "not attempted"
    assert "not attempted yet" in report.message.text
    assert task.prompt in report.message.text


@pytest.mark.parametrize(
    "body",
    [
        *("...", "pass", "# a comment\n...", '"""Docstring."""', '"""Docstring."""\npass'),
        *("raise NotImplementedError", "raise NotImplementedError('no')", "if stride:\n    raise NotImplementedError"),
    ],
)
def test_empty_bodies_are_not_attempted(body):
    told("not attempted", body)


# Functions that misbehave
def test_error_is_shown_with_its_line_and_without_traceback():
    text = told("raised", "padded = input_size + padding\nreturn padded / (stride - stride)")
    for part in ("ZeroDivisionError", "line 3", "return padded / (stride - stride)"):
        assert part in text
    assert "Traceback" not in text
    assert "threading" not in text
    assert len(text.splitlines()) < 10


@pytest.mark.parametrize(
    ("before", "line", "error"),
    [
        ("pass", "return np.zeros(3)[input_size]", "IndexError"),
        ("import statistics", "return statistics.mean([])", "StatisticsError"),  # in Python code of a library
    ],
)
def test_error_in_a_function_called_by_the_learners_names_the_learners_line(before, line, error):
    text = told("raised", f"{before}\n{line}")
    assert error in text
    assert f"line 3 of its cell:\n    {line}" in text


@pytest.mark.parametrize(
    "body", ["raise SystemExit", "raise KeyboardInterrupt", "exit()", "return output_size(1, 1, 1, 1)", "1 / 0"]
)
def test_every_exception_is_caught(body):
    assert len(told("raised", body)) < 600


def test_exception_with_a_broken_text_is_reported():
    function = cell(
        """
        class Bad(Exception):
            def __str__(self):
                raise ValueError
        def output_size(input_size, kernel_size, stride, padding):
            raise Bad
        """
    )
    assert "Bad" in examine(OUTPUT_SIZE, function).message.text


@pytest.mark.usefixtures("short_limit")
@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "while True: print('again')",
        "while True:\n    try:\n        1 / 0\n    except Exception:\n        pass",
        "for _ in iter(int, 1): time = 0",
        "while True: np.zeros(10).sum()",
    ],
)
def test_endless_loop_is_stopped(body):
    before = threading.active_count(), sys.stdout, sys.stderr
    begin = time.monotonic()
    text = told("stopped", body)
    assert "never ends" in text
    assert time.monotonic() - begin < 60  # of 0.3 s, on a machine that may be busy
    assert (threading.active_count(), sys.stdout, sys.stderr) == before
    assert len(text) < 2500


@pytest.mark.usefixtures("short_limit")
def test_loop_in_a_later_case_names_that_case():
    assert "stride=2" in told("stopped", "while stride == 2: pass\nreturn 3")


@pytest.mark.usefixtures("short_limit")
def test_loop_that_cannot_be_stopped_is_left_behind_and_silent(monkeypatch, capsys):
    monkeypatch.setattr(_checking, "_PATIENCE", 0.2)
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # the gates stay behind; take them away after the test
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    stubborn = cell(
        """
        ended = []
        def output_size(input_size, kernel_size, stride, padding):
            while not ended:
                try:
                    while not ended:
                        try:
                            print("flood")
                        except:
                            pass
                except:
                    pass
        """
    )
    report = examine(OUTPUT_SIZE, stubborn)
    assert report.outcome == "stopped"
    assert "Restart the kernel" in report.message.text
    capsys.readouterr()
    time.sleep(0.1)
    print("mine")
    assert capsys.readouterr().out == "mine\n"
    stubborn.__globals__["ended"].append(True)
    for thread in threading.enumerate():
        if isinstance(thread, _checking._Runner):
            thread.join(120)  # before the streams it prints to are taken away


def test_interrupting_the_check_stops_the_function(monkeypatch):
    def interrupted(self, timeout=None):
        monkeypatch.undo()
        raise KeyboardInterrupt

    before = threading.active_count(), sys.stdout
    monkeypatch.setattr(_checking._Runner, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        judged("while True: pass")
    assert (threading.active_count(), sys.stdout) == before


def test_prints_are_shown_up_to_a_length_and_only_the_functions():
    text = told("wrong", "print('x' * 100000)\nreturn 3")
    assert "Your function printed:" in text
    assert "(cut)" in text
    assert len(text) < 2000
    assert "printed" not in told("wrong", "return 3")
    text = told("wrong", "print('y')\nreturn 3")  # once for each case
    assert (text.count("\n    y"), "(cut)" in text) == (len(OUTPUT_SIZE.all_cases), False)
    text = told("wrong", "print('z\\n' * 8 + 'z')\nreturn 3")
    assert (text.count("\n    z"), "(cut)" in text) == (12, True)


def test_a_function_without_a_source_is_judged_by_its_values():
    made: dict = {}
    exec("def output_size(input_size, kernel_size, stride, padding): return None", made)
    assert examine(OUTPUT_SIZE, made["output_size"]).outcome == "type"
    assert examine(OUTPUT_SIZE, max).outcome != "not attempted"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return None", "Does it end with `return`"),
        ("size = input_size", "Does it end with `return`"),
        ("return '3'", "'3' (str)"),
        ("return (3, 3)", "Return a whole number"),
        ("return True", "Return a whole number"),
        ("return 3 + 0j", "(complex)"),
        ("return output_size", "(function)"),
        ("return np.ones(3)", "an array of shape [3]"),
    ],
)
def test_wrong_type_is_explained(body, words):
    assert words in told("type", body)


@pytest.mark.parametrize(
    "kind", ["float(size)", "np.int64(size)", "np.float32(size)", "np.array(size)", "np.floor(size / 1)"]
)
def test_numbers_of_other_types_count(kind):
    body = f"size = (input_size + 2 * padding - kernel_size) // stride + 1\nreturn {kind}"
    assert ("floats" in told("correct", body)) == ("float" in kind or "floor" in kind)


@pytest.mark.parametrize("returned", ["shape", "tuple(shape)", "np.array(shape)"])
def test_shapes_of_other_types_count(returned):
    body = f"shape = [out_channels, in_channels // groups, kernel_size, kernel_size]\nreturn {returned}"
    assert judged(body, "grouped_weight_shape").outcome == "correct"


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "10**5000", "-(10**400)", "1e308 * 10"])
def test_extreme_numbers_are_only_wrong(value):
    told("wrong", f"return {value}")


SHAPES = ["[]", "[1, 2]", "['a', 'b', 'c', 'd']", "[None] * 4", "12", "{1, 2, 3, 4}", "'abcd'", "np.array(12)"]
ARRAYS = ["depthwise", "[[1.0]]", "np.array(['a'])", "np.array(None)", "np.zeros(0)", "pointwise * np.nan"]


@pytest.mark.parametrize(
    ("name", "value"),
    [*(("grouped_weight_shape", value) for value in SHAPES), *(("separable_kernel", value) for value in ARRAYS)],
)
def test_wrong_shapes_and_arrays_are_only_wrong(name, value):
    assert judged(f"return {value}", name).outcome in {"wrong", "type"}


def test_an_array_is_compared_with_a_list_or_a_number():
    assert same(np.array([1.0, 2.0]), [1, 2])
    assert same([1, 2], np.array([1.0, 2.0]))
    assert same(np.array(3.0), 3)
    assert not same(np.array([1.0, 2.0]), [1, 3])
    assert not same(np.array([1.0, 2.0]), 1)


def test_numbers_are_the_same_to_what_float32_can_reach():
    assert same(100_000.5, 100_000)
    assert same(np.array([100_000.5, 5e-7]), np.array([100_000, 0]))
    assert same(5e-7, 0)
    assert not same(100_002.0, 100_000)
    assert not same(np.array([100_002.0]), np.array([100_000.0]))
    assert not same(2e-6, 0.0)


def test_counts_are_the_same_when_each_one_is():
    assert same(100_000.0, 100_000, exact=True)
    assert not same(100_000.5, 100_000, exact=True)
    assert not same(100_001, 100_000, exact=True)
    assert not same([1, 100_001], [1, 100_000], exact=True)


@pytest.mark.parametrize("edit", ["depthwise *= 2", "pointwise[:] = 0", "depthwise.sort()"])
def test_editing_an_argument_is_explained(edit):
    assert judged(f"{edit}\nreturn pointwise * depthwise[:, 0]", "separable_kernel").outcome == "edited"


@pytest.mark.parametrize("edit", ["table.append('x')", "table[0] = None", "table.clear()", "table[0] = 'same'"])
def test_editing_a_list_is_explained_whatever_it_becomes(edit):
    def first(table):
        """The first number."""
        return table[0]

    given = {"cases": (([1, 2.5, "same"],),), "random_case": lambda generator: ([1, "same"],)}
    task = dataclasses.replace(OUTPUT_SIZE, reference=first, mistakes={}, messages={}, **given)
    assert examine(task, first).outcome == "correct"
    assert examine(task, cell(f"def first(table):\n    {edit}\n    return 1", "first")).outcome == "edited"


def test_a_result_that_is_changed_later_is_judged_as_it_was_returned():
    source = """
        kept = [0, 0, 0, 0]
        def grouped_weight_shape(in_channels, out_channels, kernel_size, groups):
            kept[:] = [out_channels, in_channels // groups, kernel_size, kernel_size]
            return kept
        """
    assert examine(EXERCISES["grouped_weight_shape"], cell(source, "grouped_weight_shape")).outcome == "correct"


@pytest.mark.parametrize("parameters", ["", "input_size", "a, b, c, d, e", "*, size"])
def test_wrong_signature_is_explained(parameters):
    report = examine(OUTPUT_SIZE, cell(f"def output_size({parameters}): return 3"))
    assert report.outcome == "signature"
    assert f"output_size({NAMES})" in report.message.text


@pytest.mark.parametrize(
    ("parameters", "values"),
    [
        ("stride, padding, input_size, kernel_size", NAMES),
        ("input_size, kernel_size, stride=1, padding=0", NAMES),
        ("**given", f"map(given.get, {NAMES.split(', ')})"),
        ("*given", "given"),
        ("n, k, s, p", "n, k, s, p"),
    ],
)
def test_arguments_arrive_by_name_or_else_by_place(parameters, values):
    source = f"def output_size({parameters}):\n    {NAMES} = {values}\n"
    source += "    return (input_size + 2 * padding - kernel_size) // stride + 1"
    assert examine(OUTPUT_SIZE, cell(source)).outcome == "correct"


def test_wrong_values_show_one_case_to_work_out_by_hand():
    text = told("wrong", "return 3")
    for part in ("2 of 9 cases are right", "input_size=8, kernel_size=3, stride=2, padding=1", "right is 4"):
        assert part in text


# check, hint and solution as a lesson calls them
def test_check_records_attempts_and_points(said):
    check(answer("return (input_size - kernel_size) // stride + 1"))
    assert "without padding" in said()
    check(OUTPUT_SIZE.reference)
    assert "10 of 10 points." in said()
    record = records.state()["exercises"]["output_size"]
    assert [one["misconception"] for one in record["attempts"]] == ["padding_ignored", None]
    assert [one["outcome"] for one in record["attempts"]] == ["misconception", "correct"]
    assert record["solved"]


def test_untouched_stub_is_not_recorded(said, progress_file):
    check(answer("..."))
    assert "output_size: not attempted yet" in said()
    assert not progress_file.exists()


def test_solution_opened_first_halves_the_points(said):
    solution("output_size")
    assert OUTPUT_SIZE.solution.splitlines()[-1].strip() in said()
    check(OUTPUT_SIZE.reference)
    assert "5 of 10 points, as the solution was opened first." in said()


def test_solution_opened_after_solving_costs_nothing(monkeypatch, said):
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-01T10:00:00+00:00")
    check(OUTPUT_SIZE.reference)
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-01T10:00:01+00:00")
    solution("output_size")
    assert OUTPUT_SIZE.earned(records.state()["exercises"]["output_size"]) == 10


def test_solution_is_folded_on_a_page(monkeypatch, shown):
    solution("output_size")
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "1")
    solution("output_size")
    pages = [message.page for message in shown]
    assert ["<details" in page for page in pages] == [True, False]
    assert all("return (padded" in page for page in pages)


def test_hints_come_in_order_then_end(said):
    first, second, third, fourth = [(hint("output_size"), said())[1] for _ in range(4)]
    assert OUTPUT_SIZE.hints[0] in first
    assert OUTPUT_SIZE.hints[1] not in first
    assert OUTPUT_SIZE.hints[1] in second
    assert "no more hints" in third
    assert "solution(output_size)" in third
    assert third == fourth
    assert records.state()["exercises"]["output_size"]["hints"] == 2


def test_without_argument_the_last_checked_exercise_is_meant(said, monkeypatch):
    for function in (check, hint, solution):
        function()
        assert "Which exercise?" in said()
    check(answer("..."))
    said()
    hint()
    assert "output_size: hint 1 of 2" in said()
    solution()
    assert "def output_size" in said()
    check()
    assert "output_size: no such function yet" in said()
    monkeypatch.setattr(sys.modules["__main__"], "output_size", OUTPUT_SIZE.reference, raising=False)
    check()
    assert "Correct" in said()
    check("output_size")
    assert "Correct" in said()


@pytest.mark.parametrize("function", [check, hint, solution])
def test_unknown_exercise_lists_the_known_ones(function, said):
    function("outputsize")
    text = said()
    assert "There is no exercise outputsize" in text
    assert "Did you mean `output_size`?" in text
    assert all(name in text for name in EXERCISES)
    function(lambda x: x)
    assert "There is no exercise <lambda>" in said()


def test_a_value_in_place_of_a_function_is_explained(said):
    check(3)
    assert "without calling it" in said()


@each_exercise
def test_output_is_the_same_in_every_run(task: Exercise, said):
    texts = [(check(cell(task.starter, task.name)), said())[1] for _ in range(2)]
    assert texts[0] == texts[1]


# Right answers in other forms, and wrong ones that come close
@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("accuracy", "return (scores.argmax(1) == labels).astype(np.float32).mean()"),
        ("network_input", "return data.normalise(image.transpose(2, 0, 1)[None])"),
        (
            "arithmetic_intensity",
            "return batch_size * np.float32(macs) / (4 * (batch_size * (inputs + outputs) + weights))",
        ),
        ("arithmetic_intensity", "return Fraction(batch_size * macs, 4 * (batch_size * (inputs + outputs) + weights))"),
        ("macs_at_width", "return np.float32(width) ** 2 * pointwise + np.float32(width) * rest"),
        ("times_fewer", "return Decimal(macs_before) / Decimal(macs_after)"),
        ("separable_kernel", "return paddle.to_tensor(pointwise) * paddle.to_tensor(depthwise[:, 0])"),
        ("separable_kernel", "return (pointwise * depthwise[:, 0]).tolist()"),
        (
            "grouped_weight_shape",
            "return paddle.to_tensor([out_channels, in_channels // groups, kernel_size, kernel_size])",
        ),
        (
            "bottleneck_macs",
            "block = InvertedResidual(in_channels, out_channels, stride, expansion)\n"
            "return count(block, (in_channels, size, size)).macs",
        ),
        ("macs_to_flops", "return Fraction(2 * macs)"),
        ("macs_to_flops", "return Decimal(2 * macs)"),
        ("half_width", "return np.float32(t * np.std(accuracies, ddof=1) / len(accuracies) ** 0.5)"),
        ("fraction_lost", "return sum(sum(on) < 2 for on in itertools.product((0, 1), repeat=channels)) / 2**channels"),
        ("separable_kernel", "return (pointwise * depthwise[:, 0]).astype('float32')"),
    ],
)
def test_right_answers_in_other_forms_are_right(name, source):
    head = (
        "import itertools\nfrom decimal import Decimal\nfrom fractions import Fraction\nimport paddle\n"
        "from mobilenet_lib import data\nfrom mobilenet_lib.counting import count\n"
        "from mobilenet_lib.layers import InvertedResidual"
    )
    report = judged(f"{head}\n{source}", name)
    assert report.outcome == "correct", report.message.text


def test_every_check_waits_for_a_busy_machine():
    assert min(LIMITS) >= 20


# Of `rounded_channels`: the nearest multiple of 8, and one more where it is too small.
NEAREST, WITHIN = "max(8, int(channels + 4) // 8 * 8)", "return n + 8 if n < 0.9 * channels else n"


def test_a_search_for_the_best_scale_is_enough():
    def best_scale(original, recovered):
        low, high = -10.0, 10.0
        for _ in range(100):
            third = (high - low) / 3
            errors = [((original - s * recovered) ** 2).sum() for s in (low + third, high - third)]
            low, high = (low, high - third) if errors[0] < errors[1] else (low + third, high)
        return low

    assert examine(EXERCISES["best_scale"], best_scale).outcome == "correct"


def test_thirty_bisections_are_enough():
    def widest(pointwise, rest, budget):
        low, high = 0.0, 10.0
        for _ in range(30):
            middle = (low + high) / 2
            fits = middle**2 * pointwise + middle * rest <= budget
            low, high = (middle, high) if fits else (low, middle)
        return low

    assert examine(EXERCISES["widest"], widest).outcome == "correct"


@pytest.mark.parametrize(
    ("name", "body", "mistake"),
    [
        (
            "output_size",
            "x = input_size + 2 * padding - kernel_size\nreturn round(x / stride) + 1",
            "rounded_to_the_nearest",
        ),
        ("peak_memory", "return sum(sorted(channels)[-3:]) * size**2", "three_largest"),
        (
            "probabilities",
            "p = np.exp(scores - scores.mean(1)[:, None])\nreturn p / p.sum(1)[:, None]",
            "mean_subtracted",
        ),
        ("median_ms", "return 1000 * float(np.median(sorted(seconds)[:len(seconds) - warm_up]))", "slowest_dropped"),
        (
            "dominating",
            "c, a = point\nreturn sum(x <= c and y >= a for x, y in set(others) - {point})",
            "alike_counted_once",
        ),
        ("rounded_channels", f"n = {NEAREST}\nreturn n + 8 if n < 0.95 * channels else n", "95_percent"),
        ("rounded_channels", f"channels = round(channels)\nn = {NEAREST}\n{WITHIN}", "rounded_first"),
        ("rounded_channels", f"channels = int(channels)\nn = {NEAREST}\n{WITHIN}", "cut_first"),
        ("rounded_channels", f"n = max(8, -int(-(channels - 4) // 8) * 8)\n{WITHIN}", "middle_down"),
        ("probabilities", "p = np.exp(scores - scores.max())\nreturn p / p.sum(1)[:, None]", "largest_of_all"),
        (
            "arithmetic_intensity",
            "return batch_size * macs / (2 * (batch_size * (inputs + outputs) + weights))",
            "doubled",
        ),
    ],
)
def test_wrong_answers_that_come_close_are_named(name, body, mistake):
    with np.errstate(all="ignore"):
        assert judged(body, name).misconception == mistake


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (
            "bottleneck_macs",
            "o = -(-size // stride)\nif expansion == 1:\n"
            "    return size**2 * in_channels * (9 + out_channels)\nw = expansion * in_channels\n"
            "return size**2 * in_channels * w + o**2 * w * (9 + out_channels)",
        ),
        ("dominating", "return sum(c <= point[0] and a >= point[1] for c, a in others) - (point in others)"),
        ("stored_bytes", "return (weights + biases + 4 * norm_channels) * (bits // 8)"),
        ("probabilities", "p = np.exp(scores - scores[:, :1])\nreturn p / p.sum(1, keepdims=True)"),
        ("probabilities", "p = np.exp(scores - abs(scores).max(1, keepdims=True))\nreturn p / p.sum(1, keepdims=True)"),
        (
            "widest",
            "lo, hi = 0, 2\nfor _ in range(60):\n    a = (lo + hi) / 2\n"
            "    lo, hi = (a, hi) if a * a * pointwise + a * rest <= budget else (lo, a)\nreturn lo",
        ),
        (
            "median_ms",
            "import statistics\nfirst = seconds[:warm_up]\n"
            "return 1000 * statistics.median(s for s in seconds if s not in first)",
        ),
        ("median_ms", "return 1000 * float(np.median(list(set(seconds[warm_up:]))))"),
        ("median_ms", "s = np.array(seconds[warm_up:])\nreturn 1000 * np.median(s[s <= s.mean() + 3 * s.std()])"),
        (
            "front_indices",
            "order = sorted(range(len(points)), key=lambda i: points[i][0])\nreturn [i for n, i in enumerate(order)"
            " if all(points[j][1] < points[i][1] for j in order[max(0, n - 4):n])]",
        ),
        (
            "front_indices",
            "found, best = [], 10\nfor i in sorted(range(len(points)), key=lambda i: points[i][0]):\n"
            "    if points[i][1] > best:\n        found, best = [*found, i], points[i][1]\nreturn found",
        ),
    ],
)
def test_what_is_right_for_some_cases_only_is_refused(name, body):
    with np.errstate(all="ignore"):
        assert judged(body, name).outcome in {"wrong", "misconception", "raised"}


def test_accuracy_has_no_tie_and_a_fraction_just_below_a_whole_number_is_not_cut():
    assert judged("return (scores.argsort(1)[:, -1] == labels).mean()", "accuracy").outcome == "correct"
    exact = "import statistics\nfrom fractions import Fraction\n"
    exact += "return Fraction(statistics.median(map(Fraction, seconds[warm_up:]))) * 1000"
    assert judged(exact, "median_ms").outcome == "correct"


def test_a_shortcut_needs_no_expansion():
    source = EXERCISES["shortcut_blocks"].solution.replace("for _,", "for t,")
    source = source.replace("stride == 1 and", "t > 1 and stride == 1 and")
    assert "t > 1" in source
    report = examine(EXERCISES["shortcut_blocks"], cell(source, "shortcut_blocks"))
    assert report.misconception == "expansion_wanted"


def test_a_rounded_number_is_said_to_be_rounded():
    report = judged("return round(1 / out_channels + 1 / kernel_size**2, 4)", "cost_ratio")
    assert report.outcome == "wrong"
    assert "too coarse" in report.message.text


def test_a_search_in_large_steps_is_said_to_be_coarse():
    body = "grid = np.arange(-10, 10, 0.01)\nreturn min(grid, key=lambda s: ((original - s * recovered) ** 2).sum())"
    assert "a search in large steps" in judged(body, "best_scale").message.text


@pytest.mark.parametrize("least", ["0.92", "0.91", "1 / 1.1", "0.89", "0.88", "0.85"])
def test_ninety_per_cent_are_ninety(least):
    body = f"n = {NEAREST}\nreturn n + 8 if n < {least} * channels else n"
    assert judged(body, "rounded_channels").outcome == "wrong"


# Messages
@pytest.mark.parametrize(
    ("name", "source", "words"),
    [
        ("cost_ratio", "return np.float64(0.5)", "returns 0.5; right is 0.1189"),
        ("cost_ratio", "return np.float32(0.1)", "returns 0.1; right"),
        (
            "grouped_weight_shape",
            "return [np.int64(6), 2, 3, 3]",
            "[6, 2, 3, 3]; right is [12, 2, 3, 3]. The first difference is at index 0: yours is 6, right is 12.",
        ),
        ("folded_bias", "return shift * 3", "an array of shape [1]: ["),
        (
            "separable_kernel",
            "return pointwise * depthwise[:, 0] + (np.arange(depthwise.size // len(depthwise)) == 1)"
            ".reshape(depthwise.shape[2:])",
            "The first difference is at index [0, 0, 0, 1]: yours is ",
        ),
        (
            "joined_gradient",
            "return gradients.max(axis=0)",
            "gradients=an array of shape [2, 2]: [[1, 2], [4, -1]], counts=an array of shape [2]: [3, 1]",
        ),
    ],
)
def test_messages_show_values_and_where_they_differ(name, source, words):
    text = judged(source, name).message.text
    assert words in text
    assert "np." not in text
    assert "layers" not in text


@each_exercise
def test_no_message_shows_numpys_names(task: Exercise):
    for constant in (np.float64(0.25), np.array([0.25, 1]), [np.int64(3)] * 4):
        assert "np." not in examine(task, lambda *_, constant=constant: constant).message.text.replace("`np.", "")


def test_an_error_points_to_the_hint():
    text = judged("return weight * np.ones(7)", "folded_weight").message.text
    assert "broadcast" in text
    assert "`hint(folded_weight)`" in text


def test_asking_for_input_is_named():
    assert "Your function calls `input()`" in told("raised", "return int(input('Size? '))")


@pytest.mark.parametrize("word", ["exit", "quit"])
def test_leaving_reaches_neither_the_shell_nor_the_input(monkeypatch, word):
    from IPython.core.autocall import ZMQExitAutocall

    ended = []

    class Shell:
        def ask_exit(self):
            ended.append(word)

    shell = Shell()
    leave = ZMQExitAutocall(ip=shell)
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    for own in ({}, {word: leave}):  # Python's, and the one that IPython puts into a notebook's names
        function = answer(f"{word}()")
        function.__globals__.update(own)
        assert examine(OUTPUT_SIZE, function).outcome == "raised"
    assert not ended
    assert not sys.stdin.closed
    shell.ask_exit()
    assert ended, "afterwards it works as before"


SLOW_MODULE = """
import threading, time
thread = threading.current_thread()
time.sleep(0.5)
whole = True
"""


@pytest.fixture
def slow_module(tmp_path, monkeypatch):
    """The name of a module that takes a while to import, in a package of its own."""
    name = f"slow{next(_cells)}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    (tmp_path / name / "inside.py").write_text(SLOW_MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.usefixtures("short_limit")
def test_an_import_is_not_stopped_half_way(slow_module):
    text = told("stopped", f"import importlib\nimportlib.import_module('{slow_module}.inside')")
    assert f"still importing `{slow_module}`" in text
    assert sys.modules[f"{slow_module}.inside"].whole


@pytest.mark.usefixtures("short_limit")
@pytest.mark.parametrize("line", ["import {}.inside", "from {} import inside", "from {}.inside import whole"])
@pytest.mark.parametrize(
    "helper", ["", "def helper():\n    {}\n", "class helper:\n    def __init__(self):\n        {}\n"]
)
def test_what_the_code_imports_is_imported_before_and_in_the_main_thread(slow_module, line, helper):
    line = line.format(slow_module)
    body = "helper()" if helper else line
    source = f"{helper.format(line)}def output_size({NAMES}):\n    {body}\n    return 3"
    assert examine(OUTPUT_SIZE, cell(source)).outcome == "wrong"
    assert sys.modules[f"{slow_module}.inside"].thread is threading.main_thread()


@pytest.mark.parametrize("line", ["import module_that_is_not_there", "from statistics import nothing"])
def test_an_import_that_fails_is_the_functions_own_error(line):
    assert "in line 2 of its cell" in told("raised", line)


def test_after_a_syntax_error_the_older_definition_is_named(said, monkeypatch):
    class Shell:
        user_ns: ClassVar = {"In": ["", "def output_size(n, k, s, p):\n    return 3", "check(output_size)"]}

    monkeypatch.setattr("IPython.get_ipython", Shell)
    check(answer("return 3"))
    assert "older" not in said()
    for newer in ("def output_size(n, k, s, p):\n    return (n - k // s", "output_size = lambda n, k, s, p: (\n    3"):
        Shell.user_ns["In"][2:2] = [newer]
        check(answer("return 3"))
        assert "This judges an older definition: Python could not read line " in said()
        del Shell.user_ns["In"][2]


# What a learner calls a function
def test_a_function_is_known_by_the_name_that_the_learner_gave_it(said, monkeypatch):
    def wrapped(*arguments, **named):
        return OUTPUT_SIZE.reference(*arguments, **named)

    nameless = lambda n, k, s, p: (n + 2 * p - k) // s + 1  # noqa: E731
    partial = functools.partial(lambda n, k, s, p, one: (n + 2 * p - k) // s + one, one=1)
    for function in (wrapped, nameless, partial):
        monkeypatch.setattr(sys.modules["__main__"], "output_size", function, raising=False)
        check(function)
        assert "Correct: 9 of 9 cases (output_size)" in said()
