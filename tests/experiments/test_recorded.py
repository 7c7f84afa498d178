"""The recorded runs that ship with the course can be made again, and say where they come from."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from mobilenet_lib import architectures, data, runs, training, weights
from mobilenet_lib._support import files
from mobilenet_lib.experiments.recorded import __main__ as record


@pytest.mark.parametrize("name", runs.recorded_names())
def test_a_recorded_run_is_one_that_the_command_makes(name):
    run, plan = runs.recorded(name), record.RUNS[name]
    assert run.mode == "recorded"
    assert not run.interrupted
    assert run.name == plan.options.run_name
    assert run.settings["schedule"] == plan.options.schedule
    assert run.settings["learning_rate"] == plan.options.rate(plan.learning_rate)
    assert run.settings["batch_size"] == plan.batch_size
    assert run.seed == plan.seed
    assert run.settings["epochs"] == plan.epochs
    until = run.settings.get("until")
    assert until == plan.options.until
    reached = [number for number, epoch in enumerate(run.epochs, 1) if until and epoch["validation_accuracy"] >= until]
    assert len(run.epochs) == (reached[0] if reached else plan.epochs)
    assert run.test is not None
    assert run.data["name"] == plan.data
    assert run.data["source"].startswith({"cifar10": "CIFAR-10", "fashion_mnist": "Fashion-MNIST"}[plan.data])


@pytest.mark.parametrize("name", runs.recorded_names())
def test_a_recorded_run_says_where_it_comes_from(name):
    """In the file itself, which `runs.recorded` marks as recorded whatever it says."""
    run = runs.Run.load(files.RECORDED / f"{name}.json")
    assert run.mode == "recorded"
    assert run.data["source"].strip()
    assert {"python", "paddlepaddle", "numpy"} <= run.versions.keys()
    assert {"processor", "cores", "threads"} <= run.machine.keys()
    assert run.machine["processor"].strip()
    assert datetime.fromisoformat(run.started).tzinfo is not None
    assert run.test["correct"] == round(run.test["accuracy"] * run.test["total"])


@pytest.mark.parametrize("name", [name for name in runs.recorded_names() if "right" in runs.recorded(name).test])
def test_a_recorded_runs_predictions_agree_with_its_accuracy(name):
    run = runs.recorded(name)
    confusion = np.array(run.test["confusion"])
    assert confusion.shape == (len(run.data["classes"]),) * 2
    assert confusion.sum() == run.test["total"] == len(run.test["right"])
    assert confusion.trace() == run.test["correct"] == run.test["right"].count("1")


@pytest.mark.parametrize("name", runs.recorded_names())
def test_weights_are_there_where_the_plan_keeps_them(name):
    assert (name in weights.recorded_names()) == record.RUNS[name].keep_weights


@pytest.mark.parametrize("name", weights.recorded_names())
def test_recorded_weights_give_the_recorded_accuracy(name):
    run, model = runs.recorded(name), weights.recorded(name)
    measured = training.evaluate(model, data.load(run.data["name"], "test"))
    # Another processor may round one image in a hundred to the other side.
    assert abs(measured.accuracy - run.test["accuracy"]) < 0.01


@pytest.mark.parametrize("name", runs.recorded_names())
def test_a_recorded_run_learned(name):
    epochs = runs.recorded(name).epochs
    assert epochs[-1]["train_loss"] < epochs[0]["train_loss"]
    # Lesson 05 shows that these may stay at chance; the article's three epochs may leave a network there as well.
    if not any(word in name for word in ("neither", "article_")):
        assert epochs[-1]["validation_accuracy"] > epochs[0]["validation_accuracy"]


def test_contributing_says_what_the_runs_until_three_quarters_recorded():
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    names = [name for name in runs.recorded_names() if "until75" in name]
    assert len(names) == 3
    all_seconds = []
    for run in map(runs.recorded, names):
        assert run.test["accuracy"] >= run.settings["until"] == 0.75
        assert run.settings["step"] == "static"
        seconds = sum(epoch["seconds"] for epoch in run.epochs)
        speed, reached = np.median([epoch["images_per_second"] for epoch in run.epochs]), 100 * run.test["accuracy"]
        assert f"| {run.seed} | {len(run.epochs)} | {seconds:.0f} | {speed:.0f} | {reached:.1f} % |" in text
        assert run.epochs[-2]["validation_accuracy"] < 0.75  # "before the last epoch"
        all_seconds.append(seconds)
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert f"about {round(np.mean(all_seconds), -1):.0f}, in six epochs" in readme


def test_there_are_recorded_runs_of_both_networks():
    names = {runs.recorded(name).settings["network"]["name"] for name in runs.recorded_names()}
    assert names >= {"mobilenet_v1", "mobilenet_v2"}


def test_lesson_08_estimates_hours_from_the_speeds_that_contributing_lists():
    root = Path(__file__).parents[2]
    code = "".join(
        "".join(cell["source"])
        for cell in json.loads((root / "notebooks" / "08_train_and_compare.ipynb").read_text(encoding="utf-8"))["cells"]
        if cell["cell_type"] == "code"
    )
    speeds = ast.literal_eval(re.search(r"^SPEED = ({.*?})", code, re.MULTILINE)[1])
    listed = (root / "CONTRIBUTING.md").read_text(encoding="utf-8").lower()
    for name, speed in speeds.items():
        assert re.search(rf"\| {name} \| \d+ \| {speed} \|", listed), f"{name}: {speed} images/s"


@pytest.mark.parametrize("checkpoint", [True, False])
def test_recording_saves_a_labelled_run(tmp_path, monkeypatch, checkpoint):
    images = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    classes = tuple(f"class {number}" for number in range(10))
    few = data.ImageSet("cifar10", "train", images, np.arange(40) % 10, classes, "elsewhere")
    monkeypatch.setattr(data, "load", lambda name, split, path: dataclasses.replace(few, part=split))
    monkeypatch.setattr(files, "RECORDED", tmp_path / "recorded")
    kept = {"keep_weights": True, "keep_checkpoint": checkpoint}
    network = {"name": "mobilenet_v1", "width_multiplier": 0.1}
    made = record._plans("tiny", "tiny", "cifar10", network, (0,), epochs=1, images=30, test_images=20, **kept)
    monkeypatch.setitem(record.RUNS, "tiny", made["tiny_seed0"])
    (tmp_path / "recorded").mkdir()
    monkeypatch.chdir(tmp_path)
    record.record("tiny", label="CIFAR-10 (ours)")
    run = runs.Run.load(tmp_path / "recorded" / "tiny.json")
    assert run.settings["macs"] == architectures.mobilenet_v1(0.1, 32, 10, stem_stride=1).macs
    assert run.data["source"] == "CIFAR-10 (ours); the first 30"
    assert run.data["test_source"] == "CIFAR-10 (ours); the first 20"
    assert (run.data["train_size"], run.data["validation_size"], run.test["total"]) == (30, 20, 20)
    assert (tmp_path / "runs" / "tiny.npz").exists() == checkpoint

    model = weights.recorded("tiny")
    again = training.evaluate(model, few.head(20))
    assert again.accuracy == run.test["accuracy"]
    assert training.evaluate(model, few.head(30)).loss == run.test["train"]["loss"]
    assert [digit == "1" for digit in run.test["right"]] == (again.predictions == few.labels[:20]).tolist()
    confusion = np.array(run.test["confusion"])
    assert confusion.sum(axis=1).tolist() == [2] * 10
    assert confusion.trace() == run.test["correct"]


def test_an_unknown_run_is_refused():
    with pytest.raises(ValueError, match="run_name must be one of cifar10_mobilenet_v1_seed0"):
        record.record("imagenet")
