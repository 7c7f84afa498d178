"""Runs on disk keep everything and are refused when broken; intervals are those of the textbooks."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from statistics import NormalDist

import pytest

from mobilenet_lib import runs, statistics
from mobilenet_lib._support import files
from mobilenet_lib.runs import Run


def epoch(number: int, accuracy: float = 0.6, seconds: float = 2.0) -> dict:
    return {
        "epoch": number,
        "train_loss": 1.25,
        "train_accuracy": 0.5,
        "validation_loss": 1.5,
        "validation_accuracy": accuracy,
        "seconds": seconds,
        "images_per_second": 90 / seconds,
        "learning_rate": 0.1,
    }


DATA = {"name": "toy", "source": "made here", "train_size": 90, "validation_size": 10}


def run(name: str = "v1", seed: int = 0, accuracy: float = 0.6, finished: int = 2, **others) -> Run:
    fields = {"settings": {"epochs": 2, "batch_size": 8}, "data": DATA}
    fields["epochs"] = [epoch(number, accuracy) for number in range(1, finished + 1)]
    return Run(name, seed=seed, **{**fields, **others})


def test_a_saved_run_comes_back_equal(tmp_path):
    first = run(notes="α = 0.5", test={"loss": 1.0, "accuracy": 1 / 3, "correct": 3, "total": 9})
    path = tmp_path / "new folder" / "run.json"
    first.save(path)
    assert Run.load(path) == first
    assert Run.load(path).test["accuracy"] == 1 / 3  # not rounded on the way
    assert [file.name for file in path.parent.iterdir()] == ["run.json"]


def test_a_run_says_where_and_when_it_was_made():
    made = run()
    assert made.versions["python"].count(".") == 2
    assert made.machine["cores"] >= 1
    assert made.started[:2] == "20"
    assert made.started[10] == "T"


def test_the_frame_has_a_row_per_epoch_and_nan_without_validation():
    frame = run(finished=3).to_frame()
    assert list(frame["epoch"]) == [1, 2, 3]
    assert frame["validation_accuracy"].tolist() == [0.6] * 3

    without = run()
    for record in without.epochs:
        record |= {"validation_loss": None, "validation_accuracy": None}
    assert without.to_frame()["validation_loss"].isna().all()
    assert without.to_frame()["validation_loss"].dtype == "float64"
    assert len(run(finished=0).to_frame()) == 0


@pytest.mark.parametrize("field", [*runs._RUN_FIELDS])
def test_a_missing_field_is_named_with_the_file(tmp_path, field):
    path = tmp_path / "run.json"
    record = json.loads(run().to_json())
    del record[field]
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"run\.json.*'{field}' is missing"):
        Run.load(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r["epochs"][1].pop("train_loss"), r"epochs\[1\].*'train_loss' is missing"),
        (lambda r: r["epochs"][1].update(epoch=5), r"epochs\[1\].*epoch should be 2, not 5"),
        (
            lambda r: r["epochs"][0].update(seconds="2 s"),
            r"'seconds' should be int or float, not '2 s'",
        ),
        (
            lambda r: r["epochs"][0].update(train_loss=None),
            "'train_loss' should be int or float, not None",
        ),
        (
            lambda r: r["epochs"][0].update(train_loss=True),
            "'train_loss' should be int or float, not True",
        ),
        (lambda r: r["data"].pop("source"), "data: the field 'source' is missing"),
        (
            lambda r: r.update(test={"loss": 1.0, "accuracy": 0.5, "total": 4}),
            "test: the field 'correct' is missing",
        ),
        (
            lambda r: r.update(mode="fast"),
            "mode should be one of quick, recorded, full, not 'fast'",
        ),
        (lambda r: r.update(sede=3), "'sede' is unknown"),
        (lambda r: r.update(epochs={}), "'epochs' should be list"),
        (lambda r: r["epochs"].append(7), r"epochs\[2\] should hold the fields epoch, train_loss"),
    ],
)
def test_a_wrong_field_is_named_with_the_file(tmp_path, change, message):
    path = tmp_path / "run.json"
    record = json.loads(run().to_json())
    change(record)
    path.write_text(json.dumps(record))
    with pytest.raises(ValueError, match=rf"run\.json.*{message}"):
        Run.load(path)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"null", b"\xff\xfe\x00", b'{"name": NaN}'])
def test_a_broken_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"broken\.json"):
        Run.load(path)


def test_a_file_cut_anywhere_is_refused(tmp_path):
    text = run().to_json()
    path = tmp_path / "run.json"
    for length in range(0, len(text) - 2, 97):
        path.write_text(text[:length])
        with pytest.raises(ValueError, match=r"run\.json is not a whole JSON file"):
            Run.load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no run at .*nowhere\.json"):
        Run.load(tmp_path / "nowhere.json")


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_nan_never_reaches_a_file(tmp_path, bad):
    path = tmp_path / "run.json"
    run().save(path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="'train_loss' should be a finite number"):
        run(epochs=[epoch(1) | {"train_loss": bad}]).save(path)
    with pytest.raises(ValueError, match="JSON has no form for"):
        run(settings={"learning_rate": bad}).save(path)
    with pytest.raises(ValueError, match="JSON has no form for"):
        run(settings={"learning_rate": object()}).save(path)
    assert path.read_bytes() == before


def test_a_failed_write_keeps_the_older_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"good")

    def interrupted() -> None:
        with files.atomic_write(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"good"
    assert list(tmp_path.iterdir()) == [path]


LIMITED = """
import resource, sys
from mobilenet_lib.runs import Run
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # no file may grow past 100 bytes, as on a full disk
run = Run.load(sys.argv[1])
try:
    run.save(sys.argv[1])
except OSError as problem:
    print("refused", problem.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot limit the size of a file")
def test_a_full_disk_keeps_the_older_run(tmp_path):
    path = tmp_path / "run.json"
    run().save(path)
    child = subprocess.run([sys.executable, "-c", LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert child.stdout.startswith("refused")
    assert Run.load(path) == run(started=Run.load(path).started)
    assert list(tmp_path.iterdir()) == [path]


def test_recorded_runs_are_found_by_name_and_marked(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "RECORDED", tmp_path)
    assert runs.recorded_names() == []
    run(mode="full").save(tmp_path / "b.json")
    run(mode="full").save(tmp_path / "a.json")
    assert runs.recorded_names() == ["a", "b"]
    assert runs.recorded("a").mode == "recorded"
    for name in ("c", "../a", ""):
        with pytest.raises(FileNotFoundError, match=r"Choose one of: a, b\."):
            runs.recorded(name)


def test_every_run_that_comes_with_the_course_loads():
    for name in runs.recorded_names():
        assert runs.recorded(name).epochs, name


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857, Table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_textbooks(correct, total, low, high):
    assert statistics.wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)
    # Counting the wrong answers instead mirrors it.
    assert statistics.wilson_interval(total - correct, total) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_wilson_interval_ends_where_the_score_test_rejects():
    """Its definition: at both ends the observed share lies z standard errors of that end away."""
    z = NormalDist().inv_cdf(0.95)
    for end in statistics.wilson_interval(37, 50, confidence=0.9):
        assert abs(37 / 50 - end) == pytest.approx(z * math.sqrt(end * (1 - end) / 50))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 0), "total must be a whole number of at least 1, not 0"),
        ((6, 5), "correct must be at most total = 5, not 6"),
        ((-1, 5), "correct must be a whole number of at least 0, not -1"),
        ((0.5, 5), "correct must be a whole number"),
        ((2, 5, 95), "confidence must lie between 0 and 1, not 95"),
    ],
)
def test_wilson_interval_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        statistics.wilson_interval(*arguments)


@pytest.mark.parametrize(
    ("confidence", "degrees", "quantile"),
    [
        (0.95, 1, 12.706),
        (0.95, 2, 4.303),
        (0.95, 9, 2.262),
        (0.95, 30, 2.042),
        (0.90, 5, 2.015),
        (0.99, 60, 2.660),
    ],
)
def test_student_quantiles_are_those_of_the_printed_tables(confidence, degrees, quantile):
    assert statistics.student_t(degrees + 1, confidence) == pytest.approx(quantile, abs=5.1e-4)


def test_student_interval_of_a_worked_example():
    # Mean 10, s = 2, n = 4: half width 3.182 · 2 / 2.
    values = [10 - math.sqrt(6), 10, 10, 10 + math.sqrt(6)]
    assert statistics.student_interval(values) == pytest.approx((10 - 3.1824, 10 + 3.1824), abs=1e-4)
    with pytest.raises(ValueError, match="at least two"):
        statistics.student_interval([0.7])


def test_summary_has_a_row_per_model_with_students_interval_over_seeds():
    runs = [run("v1", 0, 0.60), run("v2", 0, 0.5), run("v1", 1, 0.70), run("v1", 2, 0.65)]
    frame = statistics.summary(runs)
    assert frame["name"].tolist() == ["v1", "v2"]
    assert frame["runs"].tolist() == [3, 1]
    row = frame.iloc[0]
    assert row["accuracy"] == pytest.approx(0.65)
    assert row["high"] - row["accuracy"] == pytest.approx(4.303 * 0.05 / math.sqrt(3), rel=1e-3)
    assert row["interval"] == "Student t, 3 seeds"
    assert (row["measured_on"], row["seconds"], row["images_per_second"]) == (
        "validation",
        4.0,
        45.0,
    )
    single = frame.iloc[1]
    assert (single["low"], single["high"]) == pytest.approx(statistics.wilson_interval(5, 10))
    assert single["interval"] == "Wilson, 10 pictures of one run"


def test_summary_prefers_the_test_set_and_keeps_modes_and_data_apart():
    tested = run(test={"loss": 1.0, "accuracy": 0.25, "correct": 25, "total": 100})
    other = run(data=DATA | {"name": "other"})
    frame = statistics.summary([tested, run(mode="quick"), other])
    assert frame["measured_on"].tolist() == ["test", "validation", "validation"]
    assert frame["accuracy"].tolist() == [0.25, 0.6, 0.6]
    assert (frame["low"][0], frame["high"][0]) == pytest.approx(statistics.wilson_interval(25, 100))


def test_summary_without_any_measured_accuracy_says_so():
    bare = run()
    for record in bare.epochs:
        record |= {"validation_loss": None, "validation_accuracy": None}
    row = statistics.summary([bare]).iloc[0]
    assert math.isnan(row["accuracy"])
    assert row["measured_on"] == "nothing"


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "at least one run"),
        ([run(finished=0)], "no finished epoch"),
        ([run(), run()], "2 runs named 'v1' have the seed 0"),
        (
            [run(), run(seed=1, settings={"epochs": 2, "batch_size": 16})],
            "differ in batch_size: 8 and 16",
        ),
        ([run(), run(seed=1, data=DATA | {"train_size": 80})], "differ in train_size: 90 and 80"),
        ([run(), run(seed=1, finished=1)], "differ in finished epochs: 2 and 1"),
    ],
)
def test_summary_refuses_to_average_what_does_not_belong_together(runs, message):
    with pytest.raises(ValueError, match=message):
        statistics.summary(runs)


def test_results_does_not_import_paddle():
    code = "import sys, mobilenet_lib.runs; sys.exit('paddle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_confusion_counts_true_classes_in_rows():
    counted = statistics.confusion([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 0, 2], classes=4)
    assert counted.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "answers", "words"),
    [
        ([0, 1], [0], "equal length"),
        ([0, 3], [0, 1], "from 0 to 2"),
        ([0, 1], [-1, 1], "from 0 to 2"),
    ],
)
def test_confusion_refuses_what_it_cannot_count(labels, answers, words):
    with pytest.raises(ValueError, match=words):
        statistics.confusion(labels, answers, classes=3)


def answered(right: str, source: str = "made here", **others) -> Run:
    test = {
        "loss": 1.0,
        "accuracy": 0.5,
        "correct": right.count("1"),
        "total": len(right),
        "right": right,
    }
    return run(test=test, data={**DATA, "test_source": source}, **others)


def test_paired_runs_are_counted_picture_by_picture():
    counted = statistics.paired(answered("110010"), answered("101011"))
    assert counted == {"both": 2, "only_first": 1, "only_second": 2, "neither": 1}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (run(seed=3), "does not say which test pictures were right"),
        (answered("11"), "different pictures"),
        (answered("110011", source="elsewhere"), "different pictures"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(second, words):
    with pytest.raises(ValueError, match=words):
        statistics.paired(answered("110010"), second)


def test_student_t_is_that_of_the_tables():
    assert [round(statistics.student_t(n), 3) for n in (2, 3, 10)] == [12.706, 4.303, 2.262]
    with pytest.raises(ValueError, match="number"):
        statistics.student_t(1)


def test_recorded_runs_are_found_by_how_their_names_begin():
    found = runs.recorded_all("fashion_v1_relu_")
    assert [(found_run.seed, found_run.mode) for found_run in found] == [(n, "recorded") for n in (0, 1, 2)]
    with pytest.raises(FileNotFoundError, match="begins with 'imagenet_'"):
        runs.recorded_all("imagenet_")


def test_an_unknown_mode_is_refused():
    assert runs.check_mode("quick") == "quick"
    with pytest.raises(ValueError, match="one of quick, recorded, full, not 'fast'"):
        runs.check_mode("fast")


def test_what_was_counted_afterwards_does_not_part_runs():
    settings = {"epochs": 2, "batch_size": 8}
    both = [
        run(settings=settings),
        run(seed=1, settings={**settings, "macs": 7, "engine": "static"}),
    ]
    assert statistics.summary(both)["runs"].tolist() == [2]
