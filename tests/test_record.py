"""The recorded runs that ship with the course can be made again, and say where they come from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from mobilenet_lib import data, record, results


@pytest.mark.parametrize("name", results.recorded_names())
def test_a_recorded_run_is_one_that_the_command_makes(name):
    run, recipe = results.recorded(name), record.RUNS[name]
    assert run.mode == "recorded"
    assert not run.interrupted
    assert run.name == recipe["network"]
    assert run.seed == recipe["seed"]
    assert len(run.epochs) == run.settings["epochs"] == recipe["epochs"]
    assert run.test is not None
    assert run.data["source"].startswith("CIFAR-10")


@pytest.mark.parametrize("name", results.recorded_names())
def test_a_recorded_run_learned(name):
    epochs = results.recorded(name).epochs
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    assert epochs[-1]["validation_accuracy"] > epochs[0]["validation_accuracy"]


def test_there_are_recorded_runs_of_both_networks():
    assert {results.recorded(name).name for name in results.recorded_names()} == {
        "mobilenet_v1",
        "mobilenet_v2",
    }


def test_recording_saves_a_labelled_run(tmp_path, monkeypatch):
    pictures = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    classes = tuple(f"class {number}" for number in range(10))
    few = data.ImageSet("cifar10", "train", pictures, np.arange(40) % 10, classes, "elsewhere")
    monkeypatch.setattr(
        data, "load", lambda name, split, path: dataclasses.replace(few, split=split)
    )
    monkeypatch.setattr(results, "RECORDED", tmp_path / "recorded")
    monkeypatch.setitem(
        record.RUNS,
        "tiny",
        {"network": "mobilenet_v1", "width_multiplier": 0.1, "epochs": 1, "seed": 0},
    )
    (tmp_path / "recorded").mkdir()
    monkeypatch.chdir(tmp_path)
    record.record("tiny", label="CIFAR-10 (ours)")
    run = results.Run.load(tmp_path / "recorded" / "tiny.json")
    assert run.data["source"] == "CIFAR-10 (ours)"
    assert run.test["total"] == 40
    assert (tmp_path / "runs" / "tiny.npz").exists()


def test_an_unknown_run_is_refused():
    with pytest.raises(ValueError, match="run_name must be one of cifar10_mobilenet_v1_seed0"):
        record.record("imagenet")
