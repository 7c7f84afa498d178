"""The fast engine does what the dynamic graph does, and is not taken where it does not."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest

from mobilenet_lib import data, models, training
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training import choice
from mobilenet_lib.training import comparison as comparing

SHAPE = (3, 16, 16)
# Every kind of block in a quarter of the layers: a graph takes the longer to build and compile, the more layers it has.
SHORT = {
    "mobilenet_v1": {"pairs": ((1, 64), (2, 128), (1, 128), (2, 256))},
    "mobilenet_v2": {"bottlenecks": ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 1, 1))},
}


def _model(name="mobilenet_v1", seed=0, **options):
    training.seed_everything(seed)
    options = {"width_multiplier": 0.1 if name == "mobilenet_v1" else 0.25, **options}
    return models.build(name, num_classes=10, resolution=16, **options)


def _batch(size=16, seed=0):
    generator = np.random.default_rng(seed)
    return (generator.standard_normal((size, *SHAPE), dtype=np.float32), generator.integers(0, 10, size))


def _compared(model, optimizer="sgd", change=None):
    engine = training.StaticStep(model, optimizer, 16, SHAPE)
    if change:
        change(engine)
    rate = training.RECIPES[optimizer]["learning_rate"]
    return training.compare(model, engine, optimizer, *_batch(), rate)


@pytest.mark.parametrize(
    ("name", "options", "optimizer"),
    [
        ("mobilenet_v1", {}, "sgd"),
        ("mobilenet_v2", {}, "sgd"),
        ("mobilenet_v1", SHORT["mobilenet_v1"], "adam"),
        ("mobilenet_v2", SHORT["mobilenet_v2"], "adam"),
        *(
            (name, SHORT[name] | variant, optimizer)
            for name, variant in (
                ("mobilenet_v1", {"activation": "relu6", "separable": False}),
                ("mobilenet_v2", {"linear": False, "shortcuts": False}),
            )
            for optimizer in ("sgd", "adam")
        ),
    ],
)
def test_a_step_agrees_with_the_dynamic_graph(name, options, optimizer):
    comparison = _compared(_model(name, **options), optimizer)
    assert comparison.problem is None
    # The evaluation has no gradient to amplify anything: the same weights, the same answers.
    assert comparison.errors["logits"] < 1e-3


def test_comparing_leaves_model_and_engine_as_they_were():
    model = _model()
    engine = training.StaticStep(model, "sgd", 16, SHAPE)
    before, memory = engine.model_state(), engine.optimizer_state()
    training.compare(model, engine, "sgd", *_batch(), 0.1)
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
        np.testing.assert_array_equal(engine.model_state()[name], before[name])
    for key, value in engine.optimizer_state().items():
        np.testing.assert_array_equal(value, memory[key])
    assert memory.keys() == {f"{name}/velocity" for name, p in model.named_parameters() if not p.stop_gradient}


def _wrong_rate(engine):
    step = engine.step
    engine.step = lambda images, labels, rate: step(images, labels, rate / 3)


def _wrong_loss(engine):
    step = engine.step
    engine.step = lambda *batch: (step(*batch)[0] * 1.01, 0)


def _frozen_statistics(engine):
    state, first = engine.model_state, engine.model_state()
    engine.model_state = lambda: {
        name: first[name] if name.endswith("_mean") else value for name, value in state().items()
    }


def _wrong_evaluation(engine):
    logits = engine.logits
    engine.logits = lambda images: logits(images)[::-1]


def _not_a_number(engine):
    engine.logits = lambda images: np.full((len(images), 10), np.nan, np.float32)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_wrong_rate, "update"),
        (_wrong_loss, "loss"),
        (_frozen_statistics, "mean"),
        (_wrong_evaluation, "logits"),
        (_not_a_number, "logits"),
    ],
)
def test_the_comparison_finds_what_is_wrong(change, named):
    problem = _compared(_model(seed=1), change=change).problem
    assert problem is not None
    assert f"its {named} is off by" in problem


def test_a_network_that_amplifies_noise_gets_no_free_pass():
    """Adam on an untrained V2 turns noise of 1e-5 into changes of the update by a fifth; ten times that would allow anything."""
    comparison = _compared(_model("mobilenet_v2"), "adam", change=_wrong_rate)
    assert comparison.allowed["update"] == comparing.MOST["update"]
    assert "its update is off by" in comparison.problem


def test_weight_decay_acts_on_the_same_weights():
    """Seen in the optimizer's memory, which holds the sum of gradient + decay · weight over the steps."""
    model = _model()
    dynamic, static = (training.DynamicStep(model, "sgd"), training.StaticStep(model, "sgd", 16, SHAPE))
    images, labels = _batch()
    before = dynamic.model_state()
    model.train()
    for engine in (dynamic, static):
        for _ in range(2):
            engine.step(images, labels, 1e-12)
    memory = {engine.name: engine.optimizer_state() for engine in (dynamic, static)}
    # The gradients of the two engines agree to a few percent; a missing decay would move the slope by 1.
    name = "features.separable13.pointwise.0.weight"
    change = [memory[engine][f"{name}/velocity"].ravel() for engine in ("dynamic", "static")]
    decay = 1.9 * 5e-4 * before[name].ravel()
    slopes = [np.dot(one, decay) / np.dot(decay, decay) for one in change]
    assert slopes[0] == pytest.approx(slopes[1], abs=0.5)


def test_state_goes_both_ways():
    model, other = (_model("mobilenet_v2", seed, **SHORT["mobilenet_v2"]) for seed in (0, 1))
    static, dynamic = (training.StaticStep(model, "adam", 16, SHAPE), training.DynamicStep(other, "adam"))
    static.step(*_batch(), 1e-3)
    dynamic.load_model_state(static.model_state())
    dynamic.load_optimizer_state(static.optimizer_state())
    again = training.StaticStep(other, "adam", 16, SHAPE)
    again.load_optimizer_state(static.optimizer_state())
    assert again.optimizer_state().keys() == static.optimizer_state().keys()
    for engine in (static, again):
        engine.step(*_batch(seed=1), 1e-3)
    for name, value in static.model_state().items():
        np.testing.assert_array_equal(again.model_state()[name], value)
    other.train()
    dynamic.step(*_batch(seed=1), 1e-3)
    assert dynamic.optimizer_state().keys() == static.optimizer_state().keys()


def test_notebooks_are_in_the_dynamic_graph_afterwards():
    model = _model()
    engine = training.StaticStep(model, "sgd", 16, SHAPE)
    images, labels = _batch()
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever Paddle raises for a wrong shape
        engine.step(images[:, :, :8], labels, 0.1)
    assert paddle.in_dynamic_mode()
    assert not paddle.get_flags("FLAGS_use_onednn")["FLAGS_use_onednn"]


def test_a_batch_of_another_size_is_refused():
    with pytest.raises(ValueError, match="built for 16 pictures at a time, not 7"):
        training.StaticStep(_model(), "sgd", 16, SHAPE).step(*_batch(7), 0.1)


def test_fewer_pictures_than_a_batch_are_evaluated_alone():
    model = _model()
    static, dynamic = (training.StaticStep(model, "sgd", 16, SHAPE), training.DynamicStep(model, None))
    images, _ = _batch(5)
    np.testing.assert_allclose(static.logits(images), dynamic.logits(images), atol=1e-4)


def _chosen(wanted, model, steps=1000):
    return training.choose(wanted, model, "sgd", _batch, 0.1, steps)


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


def test_the_static_engine_is_taken_after_a_trial_and_the_trial_is_remembered(no_cache, capsys, monkeypatch):
    assert _chosen("static", _model()).name == "static"
    assert not capsys.readouterr().out
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("tried again"))
    assert _chosen("static", _model()).name == "static"


def test_a_crash_of_the_trial_is_survived_and_said(no_cache, capsys, monkeypatch):
    crashed = subprocess.CompletedProcess([], returncode=-11, stdout=b"", stderr=b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: crashed)
    assert _chosen("static", _model()).name == "dynamic"
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "crashed (exit code -11)" in told
    assert not choice._passed()


def test_a_disagreement_is_said_and_the_dynamic_graph_taken(no_cache, capsys, monkeypatch):
    monkeypatch.setattr(choice, "probe", lambda *_: None)
    right = training.StaticStep.step
    monkeypatch.setattr(training.StaticStep, "step", lambda self, *batch: (right(self, *batch)[0] + 0.1, 0))
    assert _chosen("auto", _model()).name == "dynamic"
    assert "not trusted here: its loss is off by" in capsys.readouterr().out


def test_another_processor_gets_the_dynamic_graph(capsys, monkeypatch):
    monkeypatch.setattr(choice.platform, "machine", lambda: "arm64")
    assert _chosen("static", _model()).name == "dynamic"
    assert "needs an x86-64 processor, this is arm64" in capsys.readouterr().out


def test_a_model_without_a_table_is_trained_dynamically(capsys):
    plain = paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(768, 10))
    assert _chosen("auto", plain).name == "dynamic"
    assert not capsys.readouterr().out  # nobody asked for another
    assert _chosen("static", plain).name == "dynamic"
    assert "was not built from a table" in capsys.readouterr().out


def test_short_runs_are_not_worth_a_trial(monkeypatch):
    monkeypatch.setattr(choice, "probe", lambda *_: pytest.fail("tried"))
    assert _chosen("auto", _model(), steps=10).name == "dynamic"
    assert _chosen("dynamic", _model()).name == "dynamic"


def test_an_unknown_engine_is_refused():
    with pytest.raises(ValueError, match="step must be one of auto, dynamic, static, not 'fast'"):
        _chosen("fast", _model())


def _few(count=320):
    return data.load("fashion_mnist", "train").head(count)


def _run(engine, checkpoint, epochs, stop_after):
    """A run that is interrupted after so many epochs (or not, if there are fewer): its model and its history."""
    training.seed_everything(0)
    model = models.build("mobilenet_v1", num_classes=10, width_multiplier=0.1, resolution=32)

    def stop(history):
        if len(history.epochs) == stop_after:
            raise KeyboardInterrupt

    history = training.fit(
        model, _few(), validation=None, epochs=epochs, step=engine, checkpoint=checkpoint,
        learning_rate=0.05, options=training.Options(on_epoch_end=stop),
    )  # fmt: skip
    return model, history


def test_a_whole_run_agrees_in_accuracy_and_keeps_the_model():
    """In tries with three seeds the engines were at most 0.025 apart, and seeds of one engine 0.08."""
    images, accuracies = _few(1920), {}
    for engine in ("dynamic", "static"):
        training.seed_everything(0)
        model = models.build("mobilenet_v1", 10, 0.1, resolution=32, shallow=True)
        run = training.fit(
            model, images, validation=0.2, epochs=3, step=engine,
            learning_rate=3e-3, batch_size=32, options=training.Options(augment=False, optimizer="adam"),
        )  # fmt: skip
        assert run.settings["step"] == engine
        # What the history says is what the dynamic model now does.
        measured = training.evaluate(model, images.split(0.2, 0)[1]).accuracy
        assert measured == pytest.approx(run.epochs[-1]["validation_accuracy"], abs=0.01)
        accuracies[engine] = run.epochs[-1]["train_accuracy"]
    assert accuracies["static"] > 0.45
    assert accuracies["static"] == pytest.approx(accuracies["dynamic"], abs=0.08)


def test_static_runs_repeat_and_resume_bit_for_bit(tmp_path):
    whole, _ = _run("static", tmp_path / "whole", epochs=3, stop_after=99)
    _, stopped = _run("static", tmp_path / "parts", epochs=3, stop_after=1)
    assert stopped.interrupted
    parts, history = _run("static", tmp_path / "parts", epochs=3, stop_after=99)
    assert len(history.epochs) == 3
    for name, value in whole.state_dict().items():
        np.testing.assert_array_equal(parts.state_dict()[name].numpy(), value.numpy())


def test_a_run_can_be_continued_by_the_other_engine_and_says_so(tmp_path):
    _, stopped = _run("static", tmp_path / "c", epochs=2, stop_after=1)
    assert stopped.interrupted
    _, history = _run("dynamic", tmp_path / "c", epochs=2, stop_after=99)
    assert history.settings["step"] == "static, then dynamic"
