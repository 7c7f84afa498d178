"""The static step does what the dynamic one does, and is not taken where it does not."""

from __future__ import annotations

import json
import re
import subprocess
from itertools import product

import numpy as np
import pytest

from mobilenet_lib import architectures, baselines, data, models, training
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training import choice, probe
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
    """Adam on an untrained V2 turns noise of 1e-5 into changes of the update by a fifth; ten times that allows
    anything."""
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
    with pytest.raises(ValueError, match="built for 16 images at a time, not 7"):
        training.StaticStep(_model(), "sgd", 16, SHAPE).step(*_batch(7), 0.1)


def test_fewer_images_than_a_batch_are_evaluated_alone():
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


@pytest.fixture
def tried(no_cache):
    """A machine on which every trial went well."""
    choice._remember(dict.fromkeys(probe.trials()))


def test_the_trial_is_made_once_and_covers_every_table(no_cache, capsys, monkeypatch):
    """Of the course, that is: every network, width and variant; another's forms are refused by name."""
    assert training.choice.prepare() == dict.fromkeys(probe.trials())
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("tried again"))
    assert training.choice.prepare() == dict.fromkeys(probe.trials())
    variants = [
        dict(zip(("activation", "separable"), v, strict=True)) for v in product(("relu", "relu6"), (True, False))
    ]
    tables = [architectures.mobilenet_v1(0.25, 32, 10, stem, **v) for stem in (1, 2) for v in variants]
    variants = [dict(zip(("linear", "shortcuts"), v, strict=True)) for v in product((True, False), (True, False))]
    tables += [architectures.mobilenet_v2(0.25, 32, 10, stem, **v) for stem in (1, 2) for v in variants]
    tables += [baselines.TABLES[name](224, 10) for name in list(baselines.ARTICLE)[2:]]
    tables += [baselines.TABLES[name](32, 10) for name in list(baselines.TABLES)[3:]]
    for table in tables:
        choice._check_forms(table, "sgd")
        choice._check_forms(table, "adam")
    block = architectures.Block("wide", "separable", 3, 8, 32, kernel_size=5)
    with pytest.raises(choice.NotTrusted, match="no trial has the form of the block 'wide'"):
        choice._check_forms(architectures.Table("other", 32, (block,)), "sgd")
    assert _chosen("static", _model()).name == "static"
    assert not capsys.readouterr().out


def test_a_crash_of_the_trial_takes_what_was_not_tried_before(no_cache, capsys, monkeypatch):
    done = json.dumps({"trial": "V1", "problem": None}).encode()
    crashed = subprocess.CompletedProcess([], returncode=-11, stdout=done, stderr=b"")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: crashed)
    assert _chosen("static", _model("mobilenet_v2")).name == "dynamic"
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert "crashed (exit code -11)" in told
    assert choice._remembered() is None, "it is tried again the next time"


def test_two_processes_may_try_at_once(tried):
    """Each key has its own file, and every writer of it writes the same."""
    (file,) = choice._cache_file().parent.iterdir()
    choice._remember(dict.fromkeys(probe.trials()))
    assert [file] == list(choice._cache_file().parent.iterdir())
    file.write_text("half a fi")
    assert choice._remembered() is None


def test_other_outputs_are_said_and_the_dynamic_step_taken(tried, capsys, monkeypatch):
    right = training.StaticStep.logits
    monkeypatch.setattr(training.StaticStep, "logits", lambda self, images: right(self, images) * 1.01)
    assert _chosen("auto", _model()).name == "dynamic"
    assert "its outputs are off by" in capsys.readouterr().out


def test_another_processor_gets_the_dynamic_step(capsys, monkeypatch):
    monkeypatch.setattr(choice.platform, "machine", lambda: "arm64")
    assert _chosen("static", _model()).name == "dynamic"
    assert "needs an x86-64 processor, this is arm64" in capsys.readouterr().out


def test_a_model_without_a_table_is_trained_dynamically(capsys):
    plain = paddle.nn.Sequential(paddle.nn.Flatten(), paddle.nn.Linear(768, 10))
    assert _chosen("auto", plain).name == "dynamic"
    assert not capsys.readouterr().out  # nobody asked for another
    assert _chosen("static", plain).name == "dynamic"
    assert "was not built from a table" in capsys.readouterr().out


class OwnForward(models.MobileNetV1):
    def forward(self, images):
        return super().forward(paddle.nn.functional.dropout(images, 0.1, training=self.training))


class OwnTrain(models.MobileNetV1):
    def train(self):
        super().train()
        self.features.stem.eval()


class OwnBuild(models.MobileNetV1):
    """Built otherwise, but computing the same way: nothing to refuse."""

    def __init__(self):
        super().__init__(0.1, 16, 10, 1)
        self.note = "ours"


def _of(network):
    training.seed_everything(0)
    return network(0.1, 16, 10, 1)


def _frozen(part):
    model = _model()
    chosen = [weight for name, weight in model.named_parameters() if part in name and not weight.stop_gradient]
    assert chosen
    for weight in chosen:
        weight.stop_gradient = True
    return model


def _changed(change):
    model = _model()
    change(model)
    return model


def _with_dropout(model):
    model.classifier = paddle.nn.Sequential(paddle.nn.Dropout(0.2), model.classifier)


def _without_bias(model):
    model.classifier = paddle.nn.Linear(model.classifier.weight.shape[0], 10, bias_attr=False)


def _shared(model):
    model.features.separable8.depthwise[0].weight = model.features.separable9.depthwise[0].weight


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: _frozen("depthwise"), r"depthwise\.0\.weight' is frozen"),
        (lambda: _frozen(".1."), r"\.1\.(weight|bias)' is frozen"),
        (lambda: _frozen("classifier.bias"), "'classifier.bias' is frozen"),
        (lambda: _of(OwnForward), "OwnForward has a forward of its own"),
        (lambda: _of(OwnTrain), "OwnTrain has a train of its own"),
        (lambda: _changed(_with_dropout), "'classifier.0' is not in its table"),
        (lambda: _changed(_without_bias), "'classifier' has bias_attr False, not None"),
        (lambda: _changed(_shared), "a weight stands at two places"),
        (lambda: _changed(lambda m: setattr(m.features.stem[1], "_momentum", 0.99)), "has momentum 0.99, not 0.9"),
        (lambda: _changed(lambda m: setattr(m.features.stem[1], "_epsilon", 1e-3)), "has epsilon 0.001, not 1e-05"),
        (lambda: _changed(lambda m: setattr(m.features.stem[0], "_stride", [2, 2])), "stride"),
        (lambda: _changed(lambda m: m.features.stem.__setitem__("2", paddle.nn.ReLU6())), "is a ReLU6, not a ReLU"),
        (lambda: _changed(lambda m: m.features.stem.register_forward_post_hook(lambda *_: None)), "has a hook"),
        (lambda: _changed(lambda m: m.features.stem.register_forward_pre_hook(lambda *_: None)), "has a hook"),
        (
            lambda: _changed(lambda m: setattr(m, "forward", lambda images: images)),
            "the model has a forward of its own",
        ),
        (lambda: _changed(lambda m: m.features.stem.eval()), "is not in the mode of the others"),
        (lambda: _changed(lambda m: m.add_sublayer("more", paddle.nn.ReLU())), "'more' is not in its table"),
        (lambda: _changed(lambda m: m.classifier.bias.optimize_attr.update(learning_rate=0.1)), "a setting of its own"),
        (lambda: models.build("mobilenet_v1", 10, 0.1, resolution=32), "its table is for images of 32×32"),
    ],
)
@pytest.mark.parametrize("wanted", ["static", "auto"])
def test_a_model_that_is_not_its_tables_is_trained_as_it_is(make, why, wanted, tried, capsys):
    assert _chosen(wanted, make()).name == "dynamic"
    told = capsys.readouterr().out
    assert told.count("\n") == 1
    assert re.search(why, told), told


def test_what_changes_nothing_is_no_reason(tried, capsys):
    assert _chosen("static", OwnBuild()).name == "static"
    evaluated = _model()
    evaluated(paddle.to_tensor(_batch()[0])).sum().backward()
    evaluated.eval()
    assert _chosen("static", evaluated).name == "static"
    assert not capsys.readouterr().out


def test_dropout_leaves_out_the_same_in_both_steps():
    """With equal seeds. A run with other seeds leaves out other numbers."""
    table = probe.trials()["VGG at 32 pixels"][0]
    model = models.TableNetwork(table)
    generator = np.random.default_rng(0)
    batch = generator.standard_normal((16, 3, 2, 2), dtype=np.float32), generator.integers(0, 10, 16)
    losses = {}
    for seed in (0, 1):
        for step in (training.StaticStep(model, "sgd", 16, (3, 2, 2)), training.DynamicStep(model, "sgd")):
            model.train()
            paddle.seed(seed)
            losses[seed, step.name] = [step.step(*batch, 0.0)[0] for _ in range(2)]
    for seed in (0, 1):
        assert losses[seed, "static"] == pytest.approx(losses[seed, "dynamic"], rel=1e-5)
    assert losses[0, "static"] != losses[1, "static"]


def test_comparing_takes_no_random_numbers():
    model = _model()
    step = training.StaticStep(model, "sgd", 16, SHAPE)
    paddle.seed(3)
    expected = paddle.rand([4]).numpy()
    paddle.seed(3)
    training.compare(model, step, "sgd", *_batch(), 0.1)
    np.testing.assert_array_equal(paddle.rand([4]).numpy(), expected)


def test_short_runs_are_not_worth_a_trial(monkeypatch):
    monkeypatch.setattr(choice, "prepare", lambda: pytest.fail("tried"))
    assert _chosen("auto", _model(), steps=10).name == "dynamic"
    assert _chosen("dynamic", _model()).name == "dynamic"


def test_an_unknown_step_is_refused():
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
        model,
        _few(),
        validation=None,
        epochs=epochs,
        step=engine,
        checkpoint=checkpoint,
        learning_rate=0.05,
        options=training.Options(on_epoch_end=stop),
    )
    return model, history


def test_a_whole_run_agrees_in_accuracy_and_keeps_the_model():
    """In tries with three seeds the engines were at most 0.025 apart, and seeds of one engine 0.08."""
    images, accuracies = _few(1920), {}
    for engine in ("dynamic", "static"):
        training.seed_everything(0)
        model = models.build("mobilenet_v1", 10, 0.1, resolution=32, shallow=True)
        run = training.fit(
            model,
            images,
            validation=0.2,
            epochs=3,
            step=engine,
            learning_rate=3e-3,
            batch_size=32,
            options=training.Options(augment=False, optimizer="adam"),
        )
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
