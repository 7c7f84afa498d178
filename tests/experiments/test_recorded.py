"""The recorded runs that ship with the course can be made again, and say where they come from."""

from __future__ import annotations

import dataclasses
import inspect
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from mobilenet_lib import architectures, data, models, runs, training, weights
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments.on_card import plans
from mobilenet_lib.experiments.recorded import __main__ as record
from mobilenet_lib.experiments.recorded import recipe
from mobilenet_lib.training.plans import _drawn_by_default as drawn_by_default

ON_CPU = [name for name in runs.recorded_names() if name in record.RUNS]  # others: test_on_card


def test_every_recorded_run_is_one_that_a_command_makes():
    assert set(runs.recorded_names()) <= record.RUNS.keys() | plans.plans().keys()


@pytest.mark.parametrize("name", ON_CPU)
def test_a_recorded_run_is_one_that_the_command_makes(name):
    run, plan = runs.recorded(name), record.RUNS[name]
    assert run.mode == "recorded"
    assert not run.interrupted
    assert run.name == plan.options.run_name
    assert plan.network.items() <= run.settings["network"].items()
    assert run.settings["schedule"] == plan.options.schedule
    assert run.settings["learning_rate"] == plan.options.rate(plan.learning_rate)
    assert run.settings["batch_size"] == plan.batch_size
    assert run.seed == plan.seed
    assert ("depthwise filters" in run.settings) == plan.default_init
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


@pytest.mark.parametrize("name", ON_CPU)
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
    # Three epochs of a linear model, or of a network without what holds it together, may leave it at chance.
    if not any(word in name for word in ("neither", "vgg", "linear_softmax")):
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


@pytest.mark.parametrize("name", [name for name in ON_CPU if not record.RUNS[name].timed])
def test_only_an_idle_machines_times_are_kept(name):
    for epoch in runs.recorded(name).epochs:
        assert (epoch["seconds"], epoch["images_per_second"]) == (None, None)


@pytest.mark.parametrize("name", [name for name in ON_CPU if record.RUNS[name].threads])
def test_runs_that_are_compared_were_computed_alike(name):
    run = runs.recorded(name)
    assert (run.machine["threads"], run.settings["step"]) == (record.RUNS[name].threads, "static")


def test_default_filters_are_spread_as_paddle_spreads_them():
    training.seed_everything(0)
    model = models.build("mobilenet_v1", num_classes=10, resolution=32)
    drawn_by_default(model)
    depthwise = model.features[12].depthwise[0].weight  # [512, 1, 3, 3]
    usual = paddle.nn.Conv2D(512, 512, 3, groups=512).weight
    assert float(depthwise.std()) == pytest.approx(float(usual.std()), rel=0.1)


def test_every_trial_of_the_recipe_is_in_its_table():
    table = recipe.table()
    made = table.drop(columns=["validation_accuracy", "threads"]).to_dict("records")
    assert sorted(map(str, made)) == sorted(str(dataclasses.asdict(trial)) for trial in recipe.TRIALS)
    assert table["validation_accuracy"].between(0, 1).all()


@pytest.mark.parametrize("names", [("mobilenet_v1", "mobilenet_v2"), ("linear_softmax", "perceptron")])
def test_the_recipe_is_as_good_as_any_that_was_tried(names):
    """To half a point, which 1,000 images and two seeds cannot tell apart, on average over both networks."""
    table = recipe.table()
    tried = table[table["network"].isin(names) & (table["epochs"] == 8)]
    by_recipe = tried.groupby(["batch_size", "learning_rate", "mirrored"])["validation_accuracy"].mean()
    assert by_recipe[(64, recipe.rate(names[0]), False)] >= by_recipe.max() - 0.005


def test_the_usual_arguments_of_fit_are_the_recipe():
    fitted = inspect.signature(training.fit).parameters
    assert fitted["batch_size"].default == 64
    assert training.Options().rate(None) == recipe.rate("mobilenet_v1")
    assert training.Options().augment is False


def test_a_trial_sees_no_test_image(monkeypatch):
    train = data.load("fashion_mnist", "train").head(120)
    monkeypatch.setattr(data, "load", lambda *_: pytest.fail("it loads images"))
    made = recipe._made(recipe.Trial("linear_softmax", 1, 64, 0.01, False, seed=0), train)
    assert (made["network"], made["threads"]) == ("linear_softmax", environment.threads())
    assert made["validation_accuracy"] * 20 == pytest.approx(round(made["validation_accuracy"] * 20))  # of 20 held out


def test_patterns_name_runs(capsys):
    assert list(record._wanted(["fashion_v2_seed[01]"])) == ["fashion_v2_seed0", "fashion_v2_seed1"]
    with pytest.raises(SystemExit, match="no recorded run is called 'imagenet\\*'"):
        list(record._wanted(["imagenet*"]))


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
    with pytest.raises(ValueError, match="run_name must be one of cifar10_until75_seed0"):
        record.record("imagenet")
