"""Every lesson keeps the rules, every rule can fail, and pytest runs every cell."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import notebook_rules as rules
import pytest
import refresh_notebooks
from notebook_rules import RULES, Lesson
from patience import patience
from refresh_notebooks import NOTEBOOK_METADATA, NOTEBOOKS

from mobilenet_lib import course

LESSONS = refresh_notebooks.lessons()
COURSE = course.LESSONS

ALT = "Bars of the MACs of three layers; the second is the longest."
# The plan and the opening of a lesson that keeps every rule.
PLANNED = course.Lesson("99_good", "A lesson that keeps every rule", "What does a layer cost?", 20, ("00",))
OPENING = f"""# 99 · A lesson that keeps every rule

**The question:** what does a layer cost?

**What you will be able to do:** count it. **Time:** 20 minutes.

**Prerequisites:** [00 · Start here]({course.lesson("00").file_name})"""
CLOSING = """## Recap: what you have learned

- Counted.

## Three questions

1. Why? <details><summary>Answer</summary>So.</details>
2. How? <details><summary>Answer</summary>So.</details>
3. When? <details><summary>Answer</summary>Then.</details>

## References

- [The paper](https://arxiv.org/abs/1704.04861), table 1"""


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_lesson_keeps_the_rule(path: Path, rule: rules.Rule):
    problems = rule(rules.read(path))
    if problems:
        pytest.fail("\n".join([path.name, *problems]), pytrace=False)


def test_the_lessons_are_those_of_the_course_in_teaching_order():
    assert LESSONS, "there is no lesson in notebooks/"
    assert [path.name for path in LESSONS] == [lesson.file_name for lesson in COURSE]
    assert all(re.fullmatch(r"(0\d|1[01])_[a-z0-9_]+\.ipynb", path.name) for path in LESSONS)


def test_the_count_of_ignored_outputs_names_only_lessons():
    assert rules.IGNORED_OUTPUTS.keys() <= {path.name[:2] for path in LESSONS}


def test_a_plain_pytest_run_meets_every_code_cell(request):
    """Without this, a changed setting could leave the lessons out, and the run would pass."""
    assert "notebooks" in request.config.getini("testpaths")
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "notebooks"]
    done = subprocess.run(command, cwd=NOTEBOOKS.parent, capture_output=True, text=True, timeout=patience())
    for path in LESSONS:
        cells = len(rules.read(path).cells("code"))
        assert done.stdout.count(f"notebooks/{path.name}::Cell ") == cells, f"{path.name}\n{done.stdout}{done.stderr}"


def good_lesson() -> Lesson:
    """A lesson that keeps every rule. Its file, which does not exist, would lie among the real ones."""
    notebook = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
    page = f'<img alt="{ALT}" src="data:image/png;base64,iVB/tmp/a=">'
    data = {"image/png": "iVBORw0KGgo=", "text/html": page, "text/plain": ALT}
    figure = nbformat.v4.new_output("display_data", data=data, metadata={"image/png": {"alt": ALT}})
    stream = nbformat.v4.new_output("stream", name="stdout", text="14,400 MACs\n")
    notebook.cells = [
        nbformat.v4.new_markdown_cell(OPENING, id="title", metadata={"slideshow": {"slide_type": "slide"}}),
        nbformat.v4.new_code_cell("print(14_400, 'MACs')", id="count", execution_count=1, outputs=[stream]),
        nbformat.v4.new_markdown_cell("Ask first.", id="notes", metadata={"slideshow": {"slide_type": "notes"}}),
        nbformat.v4.new_code_cell("show()", id="figure", execution_count=2, outputs=[figure]),
        nbformat.v4.new_markdown_cell(CLOSING, id="end"),
    ]
    return Lesson(NOTEBOOKS / f"{PLANNED.stem}.ipynb", notebook)


TITLE, CODE, NOTES, FIGURE, END = range(5)


def _output(place: int, kind: str, **content) -> Callable:
    def change(cells) -> None:
        cells[place].outputs = [nbformat.v4.new_output(kind, **content)]

    return change


def _stream(name: str, text: str) -> Callable:
    return _output(CODE, "stream", name=name, text=text)


def _set(place: int, **fields) -> Callable:
    return lambda cells: cells[place].update(fields)


def _code(source: str) -> Callable:
    return _set(CODE, source=source)


def _replace(place: int, old: str, new: str) -> Callable:
    def change(cells) -> None:
        assert old in cells[place].source
        cells[place].source = cells[place].source.replace(old, new)

    return change


def _tag(*tags: str) -> Callable:
    return _set(CODE, metadata={"tags": list(tags)})


def _data(place: int, **data) -> Callable:
    return lambda cells: cells[place].outputs[0].data.update(data)


BROKEN: list[tuple[rules.Rule, str, Callable]] = [
    (rules.executed_in_order, "[None, 2]", _set(CODE, execution_count=None)),
    (rules.executed_in_order, "[2, 2]", _set(CODE, execution_count=2)),
    (rules.empty_cells, "cell 3 is empty", _set(FIGURE, source=" \n")),
    (rules.cell_ids, "repeats the id 'title'", _set(END, id="title")),
    (rules.cell_ids, "cell 4 has no id", lambda cells: cells[END].pop("id")),
    (rules.clean_output, "stderr ('UserWarning: old')", _stream("stderr", "UserWarning: old\n")),
    (rules.clean_output, "ended in ValueError", _output(CODE, "error", ename="ValueError", evalue="x", traceback=[])),
    (rules.plain_python, "`!` or `%`", _code("x = 1\n!pip install x")),
    (rules.plain_python, "`!` or `%`", _code("%matplotlib inline")),
    (rules.plain_python, "`!` or `%`", _code("get_ipython().system('ls')")),
    (rules.plain_python, "not plain Python", _code("print?")),
    (rules.paddle_by_its_own_name, "write `import paddle`", _code("from mobilenet_lib.counting import count, paddle")),
    (
        rules.paddle_by_its_own_name,
        "do so in a later cell",
        _code("import paddle\nfrom mobilenet_lib.course import check"),
    ),
    (rules.no_absolute_paths, "'/srv/data/x.npz'", _code("open('/srv/data/x.npz')")),
    (rules.no_absolute_paths, "'/srv/data/x.npz'", _stream("stdout", "saved\n/srv/data/x.npz\n")),
    (rules.no_absolute_paths, "'/opt/x/y.py'", _data(FIGURE, **{"text/html": "<p title='/opt/x/y.py'>"})),
    (rules.no_absolute_paths, "C:", _set(END, source=r"See C:\Users\ann")),
    (rules.no_widget_state, "live widget", _data(FIGURE, **{"application/vnd.jupyter.widget-view+json": {}})),
    (rules.normal_metadata, "metadata execution", _set(CODE, metadata={"execution": {"iopub.status.busy": "now"}})),
    (rules.short_cells, "26 lines", _code("\n".join(["x = 1"] * 26))),
    (
        rules.short_cells,
        "median code cell has 8",
        lambda cells: [cells[i].update(source="x\n" * 8) for i in (CODE, FIGURE)],
    ),
    (rules.figures_cost_few_lines, "takes 6 lines to draw", _code("x = 1\n" * 5 + "plots.show(fig, alt)")),
    (rules.compared_by_nbval, "1 cells are tagged", _tag("nbval-ignore-output")),
    (rules.compared_by_nbval, "skipped", _tag("nbval-skip")),
    (rules.compared_by_nbval, "skipped", _tag("skip-execution")),
    (rules.compared_by_nbval, "comment", _code("# NBVAL_IGNORE_OUTPUT\n1")),
    (rules.images_are_compared, "1 cells are tagged live-image, 0", _tag("live-image")),
    (rules.images_are_compared, "stores no image", _tag("live-image")),
    (rules.figures_have_words, "without alternative", lambda cells: cells[FIGURE].outputs[0].metadata.clear()),
    (rules.figures_have_words, "plain text", _data(FIGURE, **{"text/plain": "<Figure size 640x480>"})),
    (rules.figures_have_words, "<img> without alt", _data(FIGURE, **{"text/html": "<img src='x.png'>"})),
    (rules.figures_have_words, "without alternative text", _set(END, source="![ ](../README.md)")),
    (rules.figures_have_words, "without alternative text", _set(END, source="<img src='../README.md' alt=''>")),
    (rules.slides, "first cell", _set(TITLE, metadata={})),
    (rules.slides, "speaker notes", _set(NOTES, metadata={})),
    (rules.slides, "unknown slide type 'page'", _set(END, metadata={"slideshow": {"slide_type": "page"}})),
    (rules.opening, "title", _replace(TITLE, "# 99", "# 98")),
    (rules.opening, "question", _replace(TITLE, "what does", "why does")),
    (rules.opening, "objectives", _replace(TITLE, "What you will be able to do", "This will")),
    (rules.opening, "minutes", _replace(TITLE, "20 minutes", "30 minutes")),
    (
        rules.opening,
        "5 minutes for the exercises",
        _replace(TITLE, "20 minutes", "20 minutes, 5 minutes for the exercises"),
    ),
    (rules.opening, "no lesson 00", _replace(TITLE, course.lesson("00").file_name, "gone.ipynb")),
    (rules.opening, "prerequisites", _replace(TITLE, "Prerequisites", "Needed")),
    (rules.closing, "'what you have learned'", _replace(END, "what you have learned", "the end")),
    (rules.closing, "'questions'", _replace(END, "## Three questions", "## More")),
    (rules.closing, "'references'", _replace(END, "## References", "References")),
    (rules.closing, "folded answers", _replace(END, "2. How? <details><summary>Answer</summary>So.</details>", "")),
    (rules.asks_its_questions, "predict('99.gone') is no question", _code("predict('99.gone')")),
    (rules.asks_its_questions, "macs_of_4x4') is no question of lesson 99", _code("predict('01.macs_of_4x4')")),
    (rules.truths_out_of_sight, "figure reveals a truth and is not", _code('predict("01.macs_of_4x4")')),
    (
        rules.truths_out_of_sight,
        "figure reveals no truth and is",
        _set(FIGURE, metadata={"jupyter": {"outputs_hidden": True}}),
    ),
    (
        rules.truths_out_of_sight,
        "cell end of lesson 99 gives away 01.macs_of_4x4",
        lambda cells: cells[CODE].update(source='predict("01.macs_of_4x4")') or cells[END].update(source="36 MACs."),
    ),
    (rules.reasons_are_shown, "lost_at_eight_bits types 0.35", _code('predict("10.lost_at_eight_bits")')),
    (rules.sets_its_exercises, "check(gone) names no exercise", _code("exercises.check(gone)")),
    (rules.sets_its_exercises, "hint(gone) names no exercise", _code("hint('gone')")),
    (rules.file_size, "MB is more than", _data(FIGURE, **{"image/png": "A" * 2_500_000})),
    (rules.links_lead_somewhere, "'02_gone.ipynb#top'", _set(END, source="[next](02_gone.ipynb#top)")),
    (rules.links_lead_somewhere, "'figures/gone.png'", _set(END, source="![a figure](figures/gone.png)")),
    (rules.links_lead_somewhere, "'gone.svg'", _set(END, source="<img alt='a figure' src='gone.svg'>")),
]


@pytest.fixture(autouse=True)
def _planned(monkeypatch):
    monkeypatch.setattr("mobilenet_lib.course.lessons.LESSONS", (*COURSE, PLANNED))


def test_a_good_lesson_keeps_every_rule():
    assert [problem for rule in RULES for problem in rule(good_lesson())] == []


@pytest.mark.parametrize(("rule", "words", "change"), BROKEN, ids=lambda value: getattr(value, "__name__", None))
def test_a_broken_lesson_is_found(rule, words, change):
    lesson = good_lesson()
    change(lesson.notebook.cells)
    problems = rule(lesson)
    assert any(words in problem for problem in problems), problems


def test_widget_state_and_foreign_kernels_are_found():
    lesson = good_lesson()
    lesson.notebook.metadata["widgets"] = {}
    assert rules.no_widget_state(lesson)
    assert rules.normal_metadata(lesson)
    older = good_lesson()
    older.notebook.nbformat_minor = 4
    assert rules.normal_metadata(older)


def test_an_expected_number_of_ignored_outputs_must_be_met_exactly(monkeypatch):
    lesson = good_lesson()
    monkeypatch.setitem(rules.IGNORED_OUTPUTS, "99", 1)
    assert rules.compared_by_nbval(lesson)
    lesson.notebook.cells[CODE].metadata["tags"] = ["nbval-ignore-output"]
    assert not rules.compared_by_nbval(lesson)


def test_an_error_may_be_the_lesson():
    lesson = good_lesson()
    _output(CODE, "error", ename="ValueError", evalue="groups", traceback=[])(lesson.notebook.cells)
    _tag("raises-exception")(lesson.notebook.cells)
    assert not rules.clean_output(lesson)


def test_a_question_is_asked_exactly_once(monkeypatch):
    question = SimpleNamespace(lesson="99")
    monkeypatch.setattr(rules, "QUESTIONS", {"99.ratio": question, "98.other": SimpleNamespace(lesson="98")})
    lesson = good_lesson()
    assert "asked 0 times" in rules.asks_its_questions(lesson)[0]
    lesson.notebook.cells[CODE].source = "predict('99.ratio')"
    assert not rules.asks_its_questions(lesson)
    lesson.notebook.cells[FIGURE].source = "predictions.predict('99.ratio')"
    assert "asked 2 times" in rules.asks_its_questions(lesson)[0]


def test_an_exercise_has_its_untouched_stub_and_a_check(monkeypatch):
    starter = 'def twice(x):\n    """Two times x."""\n    ...'
    monkeypatch.setattr(rules, "EXERCISES", {"twice": SimpleNamespace(lesson="99", starter=starter)})
    lesson = good_lesson()
    assert len(rules.sets_its_exercises(lesson)) == 2
    lesson.notebook.cells[CODE].source = starter
    assert ["nothing checks" in problem for problem in rules.sets_its_exercises(lesson)] == [True]
    lesson.notebook.cells[FIGURE].source = "check(twice)"
    assert not rules.sets_its_exercises(lesson)
    lesson.notebook.cells[CODE].source = starter.replace("...", "return 2 * x")
    assert ["stub" in problem for problem in rules.sets_its_exercises(lesson)] == [True]


def test_every_rule_is_shown_to_fail():
    assert set(RULES) == {rule for rule, _, _ in BROKEN}
