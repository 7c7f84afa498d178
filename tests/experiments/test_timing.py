"""Times are taken as said, and the network comes back as it was. No test says how long anything takes."""

from __future__ import annotations

import time

import numpy as np
import pytest

from mobilenet_lib import architectures, counting, models
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.speed import layer_speed, timing
from mobilenet_lib.experiments.speed.timing import Timing

nn = paddle.nn
SHAPE = (3, 32, 32)
QUICK = {"warm_up": 1, "repeats": 3}


@pytest.fixture(scope="module")
def model():
    made = models.build("mobilenet_v2", width_multiplier=0.25, resolution=32)
    made.train()
    next(layer for layer in made.sublayers() if isinstance(layer, nn.BatchNorm2D)).eval()  # frozen
    return made


def state(model: nn.Layer) -> tuple[list[bool], list[np.ndarray]]:
    """Modes, and everything that a forward pass in train mode would change."""
    modes = [layer.training for layer in model.sublayers(include_self=True)]
    return modes, [tensor.numpy() for tensor in model.state_dict().values()]


@pytest.fixture
def unchanged(model):
    """The model must be the same after the test as before, the random generator too."""
    modes, numbers = state(model)
    generator = paddle.get_rng_state()[0].current_seed()
    yield
    after, later = state(model)
    assert after == modes
    assert all(np.array_equal(one, other) for one, other in zip(numbers, later, strict=True))
    assert paddle.get_rng_state()[0].current_seed() == generator


def test_median_and_quartiles():
    measured = Timing((0.004, 0.001, 0.002, 0.003, 0.010), warm_up=(9.0,), batch_size=2, threads=3)
    assert (measured.low, measured.median, measured.high) == pytest.approx((2, 3, 4))
    assert measured.images_per_second == pytest.approx(2 / 0.003)
    figures = {name: getattr(measured, name) for name in ("low", "high", "images_per_second")}
    assert measured.row() == {"batch_size": 2, "ms": measured.median, "calls": 5, "threads": 3, **figures}


def test_functions_are_called_in_turns_and_warm_up_is_kept_apart():
    called = []
    functions = {name: lambda name=name: called.append(name) for name in "ab"}
    measured = timing.measure_in_turns(functions, warm_up=2, repeats=3, batch_size=4, threads=7)
    assert called == ["a", "b"] * 5
    for one in measured.values():
        assert (len(one.warm_up), len(one.seconds)) == (2, 3)
        assert (one.batch_size, one.threads) == (4, 7)


def test_a_limit_ends_the_rounds_but_leaves_three():
    measured = timing.measure(lambda: time.sleep(0.01), warm_up=0, repeats=1000, limit=0.001)
    assert len(measured.seconds) == 3
    assert min(measured.seconds) >= 0.009


@pytest.mark.usefixtures("unchanged")
def test_latency_runs_in_eval_mode_without_gradients(model):
    seen = []
    hook = model.register_forward_post_hook(
        lambda layer, inputs, output: seen.append((layer.training, output.stop_gradient, inputs[0].shape))
    )
    measured = timing.latency(model, SHAPE, batch_size=2, **QUICK)
    hook.remove()
    assert seen == [(False, True, [2, *SHAPE])] * 4
    assert measured.batch_size == 2
    assert len(measured.seconds) == 3


@pytest.mark.usefixtures("unchanged")
def test_modes_come_back_when_the_network_fails(model):
    with pytest.raises(ValueError, match=r"\[32, 3, 3, 3\]|channel|shape"):
        timing.latency(model, (5, 32, 32))


def test_runtimes_are_timed_beside_the_dynamic_graph(model):
    runtime = inference.predictor(model, SHAPE, threads=1)
    measured = timing.latencies({"dynamic": model, "runtime": runtime}, SHAPE, **QUICK)
    assert list(measured) == ["dynamic", "runtime"]
    assert measured["runtime"].threads == 1


@pytest.mark.usefixtures("unchanged")
def test_batch_sweep_has_a_row_per_size(model):
    sweep = timing.batch_sweep(model, SHAPE, (1, 3), **QUICK)
    assert list(sweep["batch_size"]) == [1, 3]
    assert (sweep["low"] <= sweep["ms"]).all()
    assert (sweep["ms"] <= sweep["high"]).all()
    assert "batch_size,ms" in sweep.to_csv(index=False)


def test_peak_memory_is_that_of_the_tensors():
    # Output of the convolution and of the ReLU, 8·32·32 numbers each, live together; the input is not counted.
    network = nn.Sequential(nn.Conv2D(3, 8, 1, bias_attr=False), nn.ReLU())
    one_map = 4 * 8 * 32 * 32
    assert 2 * one_map <= timing.peak_memory(network, SHAPE) < 3 * one_map
    deep = nn.Sequential(*[nn.ReLU() for _ in range(10)])
    kept = 4 * 3 * 32 * 32
    assert timing.peak_memory(deep, SHAPE) < 4 * kept
    first = nn.Conv2D(3, 3, 1, bias_attr=False)  # without a weight nothing would be kept
    assert timing.peak_memory(nn.Sequential(first, deep), SHAPE, train=True) >= 10 * kept


@pytest.mark.usefixtures("unchanged")
def test_by_layer_has_every_layer_once(model):
    times = layer_speed.by_layer(model, SHAPE, warm_up=0, repeats=2)
    counts = times["kind"].value_counts()
    rows = [row.kind for row in architectures.mobilenet_v2(0.25, 32, 10, stem_stride=1).rows]
    for kind in ("depthwise", "pointwise", "conv", "pool", "linear"):
        assert counts[kind] == rows.count(kind)
    assert times["name"].is_unique
    assert (times["ms"] > 0).all()
    assert not any(layer._forward_pre_hooks or layer._forward_post_hooks for layer in model.sublayers())


@pytest.mark.parametrize("kind", layer_speed.CHAINED)
def test_a_chain_has_the_macs_of_its_row(kind):
    row = layer_speed.row_of(kind, 8, 6)
    measured = counting.count(layer_speed.chain(kind, 8, copies=3), (8, 6, 6))
    assert measured.macs == 3 * row.macs
    assert measured.params == 3 * row.params


def test_single_layers_are_measured_in_both_runtimes():
    frame = layer_speed.measure_layers([(8, 6)], kinds=("depthwise",), **QUICK)
    assert list(frame["runtime"]) == ["dynamic", "paddle.inference"]
    assert (frame["gmacs_per_second"] > 0).all()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda m: timing.measure_in_turns({}), "at least one function"),
        (lambda m: timing.measure(print, repeats=2), "repeats must be a whole number of at least 3"),
        (lambda m: timing.measure(print, warm_up=-1), "warm_up must be a whole number"),
        (lambda m: timing.measure(print, limit=0), "limit must be seconds above 0"),
        (lambda m: timing.latency("v1"), "Layer, not str"),
        (lambda m: timing.latency(m, (3, 32)), "channels, height, width"),
        (lambda m: timing.latency(m, SHAPE, batch_size=0), "batch_size must be a whole number"),
        (lambda m: timing.batch_sweep(m, SHAPE, (1.5,)), "batch_size must be a whole number"),
        (lambda m: layer_speed.by_layer(m, SHAPE, repeats=0), "repeats must be a whole number"),
        (lambda m: layer_speed.chain("pool", 8), "kind must be one of conv, pointwise, depthwise"),
        (lambda m: layer_speed.measure_layers([(8, 6)], runtimes=("fast",)), "runtime must be"),
    ],
)
def test_what_makes_no_measurement_is_refused(model, call, words):
    with pytest.raises(ValueError, match=words):
        call(model)
