"""Rounding goes to the nearest level, hooks round every activation and leave nothing, the recorded sweep is true."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lib import data, models, training, weights
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.experiments.low_precision import folding, quantization, rounding_sweep

nn = paddle.nn


@pytest.fixture(scope="module")
def images():
    return data.load("fashion_mnist", "test").sample(20)


def _model(activation="relu"):
    training.seed_everything(0)
    return models.build("mobilenet_v1", width_multiplier=0.1, resolution=32, activation=activation)


def _hooks(model):
    return [hook for layer in model.sublayers(include_self=True) for hook in layer._forward_post_hooks]


@given(st.floats(-50, 50), st.integers(1, 12), st.floats(0.1, 30))
def test_every_value_goes_to_the_nearest_level(value, bits, largest):
    levels = np.linspace(0, largest, 2**bits)
    rounded = quantization.quantise(value, bits, largest)
    assert np.isclose(levels, rounded, atol=1e-9).any(), "not a level"
    assert abs(rounded - value) == pytest.approx(np.abs(levels - value).min(), abs=1e-9)


def test_rounding_by_hand():
    assert quantization.quantise(1.37, 4, 6.0) == pytest.approx(1.2)
    assert quantization.quantise(1.37, 4, 24.0) == pytest.approx(1.6)
    np.testing.assert_allclose(quantization.quantise(np.array([-2, 0.7, 7]), 4, 6.0), [0, 0.8, 6], atol=1e-9)


@given(st.floats(-50, 50), st.integers(2, 8), st.floats(0.1, 30))
def test_the_exercise_asks_for_what_the_library_does(value, bits, largest):
    wanted = quantization.quantise(value, bits, largest)
    assert EXERCISES["quantise"].reference(value, bits, largest) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize(
    ("bits", "largest", "said"),
    [
        *((4, largest, "largest must be a number above zero") for largest in (0, -1, float("inf"), float("nan"))),
        *((bits, 6.0, "bits must be a whole number") for bits in (0, -1, 2.5, True)),
    ],
)
def test_bits_and_ranges_that_are_none_are_refused(bits, largest, said):
    with pytest.raises(ValueError, match=said):
        quantization.quantise(1.0, bits, largest)


def test_weights_of_a_small_channel_survive_only_with_a_range_of_their_own():
    kernels = np.array([[100.0, -50.0], [0.1, 0.05]])[:, None, None, :]
    together = quantization.quantise_weights(kernels, 8, per_channel=False)
    apart = quantization.quantise_weights(kernels, 8, per_channel=True)
    assert not together[1].any()
    np.testing.assert_allclose(apart[1], kernels[1], atol=0.1 / 127 / 2)
    assert together.min() >= -100


def test_weights_have_levels_on_both_sides_of_zero():
    rounded = quantization.quantise_weights(np.linspace(-1, 1, 500)[:, None], 3, per_channel=False)
    np.testing.assert_allclose(np.unique(rounded), np.arange(-3, 4) / 3)


def test_a_channel_of_zeros_stays_zero():
    rounded = quantization.quantise_weights(np.zeros((2, 1, 3, 3)), 8, per_channel=True)
    np.testing.assert_array_equal(rounded, 0)


def test_one_bit_is_too_few_for_weights():
    with pytest.raises(ValueError, match="at least 2"):
        quantization.quantise_weights(np.ones((1, 1)), 1, per_channel=False)


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_every_activation_layer_is_found(activation, images):
    found = quantization.activations(_model(activation), images)
    assert len(found) == 27
    assert all(len(values) == len(images) for values in found.values())


def test_ranges_are_those_of_the_outputs(images):
    model = _model()
    outputs = quantization.activations(model, images)
    largest = quantization.activation_ranges(model, images)
    trimmed = quantization.activation_ranges(model, images, percentile=90)
    for name, values in outputs.items():
        assert largest[name] == (values.max() or 1.0)
        assert (values > trimmed[name]).mean() <= 0.1
    assert any(trimmed[name] < largest[name] for name in outputs)


def test_a_silent_layer_gets_a_range_all_the_same(images):
    dead = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10), nn.ReLU())
    dead[1].weight.set_value(np.zeros((3 * 32 * 32, 10), "float32"))
    assert list(quantization.activation_ranges(dead, images).values()) == [1.0]


@pytest.mark.parametrize("percentile", [0, -1, 101])
def test_an_impossible_percentile_is_refused(percentile, images):
    with pytest.raises(ValueError, match="percentile must be"):
        quantization.activation_ranges(_model(), images, percentile)


def test_outputs_are_rounded_inside_and_as_before_outside(images):
    model = _model()
    before = quantization.activations(model, images)
    largest = quantization.activation_ranges(model, images)
    with quantization.rounded_activations(model, 2, largest):
        inside = quantization.activations(model, images)
    after = quantization.activations(model, images)
    for name in before:
        assert len(np.unique(before[name])) > 4
        assert len(np.unique(inside[name])) <= 4
        np.testing.assert_array_equal(after[name], before[name])


def test_rounding_goes_through_the_whole_network(images):
    """Each layer gets the rounded output of the one before: with one level but zero, the last outputs change."""
    model = _model()
    before = training.evaluate(model, images).loss
    with quantization.rounded_activations(model, 8, 6.0):
        fine = training.evaluate(model, images).loss
    with quantization.rounded_activations(model, 1, 6.0):
        coarse = training.evaluate(model, images).loss
    assert 0 < abs(fine - before) < abs(coarse - before)


def test_hooks_are_taken_away_after_an_error():
    model = _model()
    seen = []

    def fails_inside():
        with quantization.rounded_activations(model, 8, 6.0):
            seen.append(len(_hooks(model)))
            raise RuntimeError("in between")

    with pytest.raises(RuntimeError, match="in between"):
        fails_inside()
    assert seen == [27]
    assert _hooks(model) == []


def test_a_model_without_activation_layers_is_refused():
    with pytest.raises(ValueError, match="no ReLU or ReLU6"), quantization.rounded_activations(nn.Linear(2, 2), 8, 6.0):
        pass


def test_the_sweep_has_every_setting_once():
    frame = pd.DataFrame(rounding_sweep.record()["rows"])
    settings = sum(len(names) for names in rounding_sweep.RANGES.values())
    assert len(frame) == 3 * (2 + settings * len(rounding_sweep.BITS) + 2 * len(rounding_sweep.FORMS))
    assert not frame.duplicated(["activation", "seed", "rounded", "range", "bits"]).any()
    assert set(frame["total"]) == {2000}
    assert frame["correct"].between(0, 2000).all()


@pytest.mark.parametrize("activation", ["relu", "relu6"])
def test_the_sweep_begins_at_the_accuracy_of_the_recorded_runs(activation):
    from mobilenet_lib import runs

    runs = [runs.recorded(f"fashion_v1_{activation}_seed{seed}") for seed in (0, 1, 2)]
    assert rounding_sweep.correct_in_float(activation) == [run.test["correct"] for run in runs]


@pytest.mark.parametrize(("range_name", "bits"), [("0 to 6", 8), ("largest measured", 3)])
def test_a_row_of_the_sweep_can_be_measured_again(range_name, bits):
    """On 500 of the 2,000 images: as near as the choice of images allows."""
    model = weights.recorded("fashion_v1_relu6_seed0")
    calibration = data.load("fashion_mnist", "train").sample(rounding_sweep.CALIBRATION)
    how = rounding_sweep.RANGES["relu6"][range_name]
    largest = how.get("largest") or quantization.activation_ranges(model, calibration)
    with quantization.rounded_activations(model, bits, largest):
        again = training.evaluate(model, data.load("fashion_mnist", "test").sample(500)).accuracy
    assert again == pytest.approx(rounding_sweep.correct("relu6", range_name, bits)[0] / 2000, abs=0.07)


def test_only_networks_with_dead_channels_are_broken_by_folding_and_the_repair_mends_them():
    """The lesson's explanation, on all six networks."""
    table = rounding_sweep.weights_table()
    broken = table["folded, per tensor"] < table["as trained, per tensor"] - 10
    assert broken.any(), "nothing to repair: lesson 10 needs networks with dead channels"
    for activation, seed in table.index[broken]:
        assert folding.dead_channels(weights.recorded(f"fashion_v1_{activation.lower()}_{seed.replace(' ', '')}"))
    assert (table["repaired and folded, per tensor"] > table["as trained, per tensor"] - 2).all()


def test_differences_are_those_of_the_seeds():
    gains, low, high = rounding_sweep.differences(("relu6", "99.9 % measured"), ("relu", "99.9 % measured")).loc[4]
    pair = (rounding_sweep.percent(one, "99.9 % measured", 4) for one in ("relu6", "relu"))
    assert gains == pytest.approx(np.subtract(*pair))
    assert low < np.mean(gains) < high
    shown = rounding_sweep.accuracy_table().loc["ReLU, 0 to 24", "4 bits"]
    values = rounding_sweep.percent("relu", "0 to 24", 4)
    assert shown == f"{np.mean(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def test_a_setting_that_was_not_measured_is_refused():
    with pytest.raises(ValueError, match="no row with"):
        rounding_sweep.correct("relu", "0 to 6", 4)


def test_rounding_depthwise_weights_leaves_the_rest_and_the_model_alone():
    model = _model()
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    rounded = rounding_sweep.round_depthwise_weights(model, 3, per_channel=False)
    changed = {name for name, value in rounded.state_dict().items() if not np.array_equal(value.numpy(), before[name])}
    assert changed == {f"features.separable{n}.depthwise.0.weight" for n in range(1, 14)}
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
