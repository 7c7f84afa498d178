"""Runs on disk keep everything and are refused when broken."""

from __future__ import annotations

import json
import math

import pytest

from mobilenet_lib import runs
from mobilenet_lib._support import files
from mobilenet_lib.runs import Run


def epoch(number: int, accuracy: float = 0.6, seconds: float = 2.0) -> dict:
    train, validation = {"train_loss": 1.25, "train_accuracy": 0.5}, {"validation_loss": 1.5}
    speed = {"seconds": seconds, "images_per_second": 90 / seconds, "learning_rate": 0.1}
    return {"epoch": number, **train, **validation, "validation_accuracy": accuracy, **speed}


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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        *((lambda r, field=field: r.pop(field), f"'{field}' is missing") for field in runs.SCHEMA["required"]),
        (lambda r: r["epochs"][1].pop("train_loss"), r"epochs\[1\].*'train_loss' is missing"),
        (lambda r: r["epochs"][1].update(epoch=5), r"epochs\[1\].*epoch should be 2, not 5"),
        (lambda r: r["epochs"][0].update(seconds="2 s"), r"'seconds' should be a finite number or null, not '2 s'"),
        (lambda r: r["epochs"][0].update(train_loss=None), "'train_loss' should be a finite number, not None"),
        (lambda r: r["epochs"][0].update(train_loss=True), "'train_loss' should be a finite number, not True"),
        (lambda r: r["data"].pop("source"), "data: the field 'source' is missing"),
        (lambda r: r.update(test={"loss": 1.0, "accuracy": 0.5, "total": 4}), "test: the field 'correct' is missing"),
        (lambda r: r.update(mode="fast"), "'mode' should be one of quick, recorded, full, not 'fast'"),
        (lambda r: r.update(sede=3), "'sede' is unknown"),
        (lambda r: r.update(seed=1.0), "'seed' should be a whole number, not 1.0"),
        (lambda r: r["machine"].pop("threads"), "machine: the field 'threads' is missing"),
        (lambda r: r["versions"].pop("numpy"), "versions: the field 'numpy' is missing"),
        (lambda r: r.update(epochs={}), "'epochs' should be a list"),
        (lambda r: r["epochs"].append(7), r"epochs\[2\] should be a record of named fields, not 7"),
    ],
)
def test_a_wrong_or_missing_field_is_named_with_the_file(tmp_path, change, message):
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
    for setting in (bad, object()):
        with pytest.raises(ValueError, match="JSON has no form for"):
            run(settings={"learning_rate": setting}).save(path)
    assert path.read_bytes() == before


def test_a_home_folder_is_found(home):
    run().save("~/kept/run.json")
    assert (home / "kept" / "run.json").exists()
    assert Run.load("~/kept/run.json").name == "v1"


def test_a_full_disk_keeps_the_older_run(tmp_path, monkeypatch):
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    older = run()
    older.save(tmp_path / "run.json")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        run(seed=1).save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json") == older
    assert list(tmp_path.iterdir()) == [tmp_path / "run.json"]


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


def test_recorded_runs_are_found_by_how_their_names_begin():
    found = runs.recorded_all("fashion_v1_relu_")
    assert [(found_run.seed, found_run.mode) for found_run in found] == [(n, "recorded") for n in range(len(found))]
    assert len(found) >= 3
    with pytest.raises(FileNotFoundError, match="begins with 'imagenet_'"):
        runs.recorded_all("imagenet_")


def test_an_unknown_mode_is_refused():
    assert runs.check_mode("quick") == "quick"
    with pytest.raises(ValueError, match="one of quick, recorded, full, not 'fast'"):
        runs.check_mode("fast")
