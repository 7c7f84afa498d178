"""Times are taken as said, and the network comes back as it was. No test says how long anything takes."""

from __future__ import annotations

import time
from contextlib import ExitStack

import numpy as np
import pandas as pd
import pytest

from mobilenet_lib import architectures, counting, models
from mobilenet_lib._support import environment
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.speed import ablation, layer_speed, measured, measuring, spread, steps, timing
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


def test_a_row_of_times():
    measured = Timing((0.004, 0.001, 0.002, 0.003, 0.010), warm_up=(9.0,), batch_size=2, threads=3)
    assert measured.median == pytest.approx(3)
    assert measured.images_per_second == pytest.approx(2 / 0.003)
    sure = {name: spread.spread([4, 1, 2, 3, 10])[name] for name in ("low", "high")}
    expected = {"batch_size": 2, "ms": 3, "calls": 5, "threads": 3, "images_per_second": 2 / 0.003}
    assert measured.row() == pytest.approx(expected | sure)


def test_functions_are_called_in_turns_and_warm_up_is_kept_apart():
    called = []
    functions = {name: lambda name=name: called.append(name) for name in "ab"}
    measured = timing.measure_in_turns(functions, warm_up=2, repeats=3, batch_size=4, threads=7)
    assert called == ["a", "b"] * 5
    for one in measured.values():
        assert (len(one.warm_up), len(one.seconds)) == (2, 3)
        assert (one.batch_size, one.threads) == (4, 7)


def test_a_turn_may_begin_with_a_pause_and_calls_that_do_not_count(monkeypatch):
    called = []
    monkeypatch.setattr(timing.time, "sleep", called.append)
    measured = timing.measure(lambda: called.append("call"), warm_up=1, repeats=3, pause=0.25, settle=2)
    assert called == [0.25, "call", "call", "call"] * 4
    assert (len(measured.warm_up), len(measured.seconds)) == (1, 3)


def test_a_runtime_takes_no_threads_from_the_dynamic_graph(model, monkeypatch):
    given = []
    monkeypatch.setattr(timing._core, "set_num_threads", given.append)
    with environment.computing_threads(3):
        timing.latency(model, SHAPE, **QUICK)
        layer_speed.by_layer(model, SHAPE, warm_up=0, repeats=1)
    assert given == [3] * 5


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


def test_median_and_spread_are_two_things():
    few, many = (spread.spread(np.random.default_rng(0).random(number)) for number in (100, 1000))
    assert many["high"] - many["low"] < (few["high"] - few["low"]) / 2
    assert many["q75"] - many["q25"] == pytest.approx(0.5, abs=0.1)
    assert (many["p90"], many["p95"], many["p99"]) == pytest.approx((0.9, 0.95, 0.99), abs=0.05)
    assert np.isnan([few["p95"], few["p99"]]).all(), "five calls lie beyond the one, one beyond the other"
    assert not np.isnan(few["p90"])
    assert spread.spread([[1, 2], [3, 4], [5, 9]]) == pytest.approx(
        {"ms": 3.5, "low": 1.5, "high": 7, "q25": 2.25, "q75": 4.75, "calls": 6, "rounds": 3}
        | dict.fromkeys(("p90", "p95", "p99"), np.nan),
        nan_ok=True,
    )


def test_a_percentile_has_an_interval_over_rounds():
    calls = np.random.default_rng(0).random((30, 20))
    value, low, high = spread.percentile_interval(calls, 90)
    assert value == pytest.approx(np.percentile(calls, 90))
    assert low < value < high < low + 0.1
    same = [[1.0, 2.0]] * 5
    assert spread.percentile_interval(same, 90) == pytest.approx((2, 2, 2)), "rounds that are alike leave no doubt"


def test_the_figures_of_spreads_say_what_they_show():
    fast, slow = ({"ms": ms, **spread.spread([ms] * 200)} for ms in (2.0, 8.0))
    fig, words = spread.draw(pd.DataFrame({"fast": fast, "slow": slow}).T, "made up")
    assert "slow: median 8.0 (8.0 to 8.0), p90 8.0, p95 8.0." in words
    assert "nan" not in spread.draw(pd.DataFrame({"few": spread.spread([1, 2, 3])}).T, "made up")[1]
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["fast", "slow"]
    rows = pd.DataFrame({"V1": {"ratio": 1.5, "low": 1.25, "high": 1.75}}).T
    fig, words = spread.draw_ratios(rows, "times as long", "made up", {"MACs": 1.89})
    assert "times as long. V1 1.50 (1.25 to 1.75). Dashed line: MACs at 1.89." in words
    assert len(fig.axes[0].get_lines()) == 2 + 2, "the point, its two ends and the dashed line"


STEPS = dict(zip(steps.TITLES, ([8.0, 9.0, 10.0], [7.0, 8.0, 9.0], [4.0] * 3, [2.0] * 3, [1.0] * 3), strict=True))


def test_factors_multiply_and_milliseconds_add_up_to_the_whole():
    table = steps.factors(STEPS)
    whole, single = table.loc[steps.ALL], table.drop(index=steps.ALL)
    assert single["times"].prod() == pytest.approx(whole["times"])
    assert single["saved_ms"].sum() == pytest.approx(whole["saved_ms"])
    assert (whole["ms"], whole["times"], whole["saved_ms"]) == (1, 9, 8)
    assert (table["low"].dropna() <= table["times"].dropna()).all()
    fig, words = steps.draw({"A": table, "B": table}, "made up")
    assert "+ without Python 4.0 ms 2.00× (1.75 to 2.25)" in words
    assert len(fig.axes) == 2


def test_the_steps_give_the_same_scores_and_fold_every_batch_norm(model):
    images = np.random.default_rng(0).random((1, *SHAPE), dtype=np.float32)
    forms = ablation.runners(model, SHAPE, threads=1)
    assert list(forms) == list(steps.TITLES)
    assert "batch_norm" not in counting.launches(forms["folded"], SHAPE)
    with timing.callables({"": (model, paddle.to_tensor(images))}) as functions:
        scores = functions[""]()
    folded = forms.pop("folded")
    with timing.callables({"": (folded, paddle.to_tensor(images))}) as functions:
        assert np.allclose(functions[""](), scores, rtol=1e-3, atol=1e-4)
    del forms["dynamic"]
    for name, form in forms.items():
        assert np.allclose(form(images), scores, rtol=1e-3, atol=1e-4), name
    assert forms["no_python"].fused is False, "Paddle's own kernels"


def test_launches_cost_microseconds_and_add_up():
    costs = ablation.launch_costs(warm_up=1, repeats=3)
    launched = counting.launches(models.build("mobilenet_v2", width_multiplier=0.25, resolution=32), SHAPE)
    assert {*launched, "relu", "reshape"} == set(costs["operation"]), "none is guessed"
    assert costs["us"].between(0.1, 10_000).all()
    known = pd.DataFrame({"operation": ["conv2d", "relu"], "us": [30.0, 10.0]})
    assert steps.launching({"conv2d": 2, "relu": 1, "unknown": 1}, known) == pytest.approx(0.09)


def test_leaving_a_part_out_gives_at_most_amdahls_factor():
    assert steps.most_from_leaving_out(0.13) == pytest.approx(1.149, abs=0.001)
    assert steps.most_from_leaving_out(0) == 1
    for fraction in (-0.1, 1, 13):
        with pytest.raises(ValueError, match="from 0 to below 1"):
            steps.most_from_leaving_out(fraction)


def test_rounds_alternate_and_the_disturbed_ones_are_left_out():
    called, busy = [], iter([0.0, 0.0, 2.0, 0.01, 0.05, 0.0, 0.0, 0.04])

    def worker(name):
        return lambda backwards: (called.append((name, backwards)) or {name: [len(called)]}, next(busy))

    taken = measuring.in_rounds([worker("a"), worker("b")], rounds=3)
    one, other = [("a", False), ("b", False)], [("b", True), ("a", True)]
    assert called == one + other + one + other
    assert [others for _, others in taken] == [0, 0.05, 0.04], "the busier process counts, whatever the times were"
    assert [times for times, _ in taken] == [{"a": [1], "b": [2]}, {"a": [5], "b": [6]}, {"b": [7], "a": [8]}]


def test_networks_are_in_eval_mode_when_their_turn_comes(model, monkeypatch):
    seen, modes, images = [], ExitStack(), timing.random_images(SHAPE, 1)
    monkeypatch.setitem(measured.SETTINGS, "pause", 0)
    monkeypatch.setattr(measuring, "_modes", modes)
    monkeypatch.setattr(measuring, "_built", lambda name: model)
    monkeypatch.setattr(measuring, "_runs", lambda name, network, threads: {(name, "dynamic", 1, 1): (network, images)})
    hook = model.register_forward_post_hook(
        lambda layer, _, output: seen.append((layer.training, output.stop_gradient))
    )
    with modes:
        measuring._prepare(["mobilenet_v2"], 1)
        measuring._round(backwards=False)
    hook.remove()
    measuring._turns.clear()
    measuring._networks.clear()
    assert set(seen) == {(False, True)}, "eval mode, no gradients"


def test_on_a_busy_machine_the_limit_ends_the_rounds(monkeypatch):
    monkeypatch.setitem(measured.SETTINGS, "limit", 0)
    assert len(measuring.in_rounds([lambda backwards: ({"a": [1.0]}, 1.5)], rounds=10)) == 3


def test_a_turn_has_one_call_that_counts_only_as_the_first(monkeypatch):
    monkeypatch.setitem(measured.SETTINGS, "pause", 0)
    called = []
    assert len(measuring._turn(lambda: called.append(1), calls=2)) == 2
    assert len(called) == 3
    assert len(measuring._turn(int, calls=2, first=True)) == 3


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
