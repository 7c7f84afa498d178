"""A folded network gives the same outputs with fewer layers, and the one it was made from stays as it was."""

from __future__ import annotations

import numpy as np
import pytest

from mobilenet_lib import counting, data, models, training, weights
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.experiments.low_precision import folding

nn = paddle.nn


def _trained_norms(model):
    """Statistics, scales and shifts that are not those of a new layer, so that folding has something to do."""
    generator = np.random.default_rng(0)
    for layer in model.sublayers():
        if isinstance(layer, nn.BatchNorm2D):
            channels = layer._mean.shape[0]
            layer._mean.set_value(generator.normal(size=channels).astype("float32"))
            layer._variance.set_value(generator.uniform(0.5, 2, channels).astype("float32"))
            if layer.weight is not None:
                layer.weight.set_value(generator.uniform(0.5, 2, channels).astype("float32"))
                layer.bias.set_value(generator.normal(size=channels).astype("float32"))
    model.eval()
    return model


def _input(channels=3, size=32):
    return paddle.to_tensor(np.random.default_rng(1).normal(size=(2, channels, size, size)).astype("float32"))


def test_one_channel_by_hand():
    """Weight 3, mean 2, variance 4, scale 4, shift 1: ((3x − 2) / 2) · 4 + 1 = 6x − 3."""
    one = np.ones(1)
    weight, bias = folding.fold_batch_norm(3 * np.ones((1, 1, 1, 1)), 2 * one, 4 * one, 4 * one, one, 0.0)
    assert (weight.item(), bias.item()) == (6, -3)


def test_the_exercises_ask_for_what_the_library_does():
    generator = np.random.default_rng(0)
    weight = generator.normal(size=(4, 3, 3, 3))
    mean, shift = generator.normal(size=(2, 4))
    variance, scale = generator.uniform(0.5, 2, size=(2, 4))
    folded_weight, folded_bias = folding.fold_batch_norm(weight, mean, variance, scale, shift, 0.3)
    wanted_weight = EXERCISES["folded_weight"].reference(weight, variance, scale, 0.3)
    wanted_bias = EXERCISES["folded_bias"].reference(mean, variance, scale, shift, 0.3)
    np.testing.assert_allclose(folded_weight, wanted_weight)
    np.testing.assert_allclose(folded_bias, wanted_bias)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_folded_network_gives_the_same_outputs(name):
    training.seed_everything(0)
    model = _trained_norms(models.build(name, width_multiplier=0.1, resolution=32))
    before = model(_input()).numpy()
    folded = folding.fold(model)
    after = folded(_input()).numpy()
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3 * np.abs(before).max())
    assert not any(isinstance(layer, nn.BatchNorm2D) for layer in folded.sublayers())
    np.testing.assert_array_equal(model(_input()).numpy(), before)
    assert any(isinstance(layer, nn.BatchNorm2D) for layer in model.sublayers())


@pytest.mark.parametrize(("norm", "bias"), [({}, None), ({"weight_attr": False, "bias_attr": False}, False)])
def test_a_convolution_with_a_bias_and_a_norm_without_scale_are_folded_too(norm, bias):
    model = nn.Sequential(nn.Conv2D(3, 4, 3, bias_attr=bias), nn.BatchNorm2D(4, **norm))
    _trained_norms(model)
    if bias is None:
        model[0].bias.set_value(np.arange(4, dtype="float32"))
    np.testing.assert_allclose(folding.fold(model)(_input()).numpy(), model(_input()).numpy(), atol=1e-4)


def test_the_trained_network_of_lesson_03_folds_to_the_same_predictions():
    model = weights.recorded("fashion_v1_relu_seed0")
    images = data.load("fashion_mnist", "test").sample(50)
    folded = folding.fold(model)
    one, other = (training.evaluate(network, images).predictions for network in (folded, model))
    np.testing.assert_array_equal(one, other)
    assert counting.count(folded, (3, 32, 32)).macs == counting.count(model, (3, 32, 32)).macs


def test_a_norm_that_stands_elsewhere_is_left():
    """Behind an activation it cannot be folded into the convolution, and must not be lost."""
    model = nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4), nn.ReLU(), nn.BatchNorm2D(4), nn.Conv2D(4, 2, 1))
    folded = folding.fold(_trained_norms(model))
    assert [type(layer).__name__ for layer in folded] == ["Conv2D", "ReLU", "BatchNorm2D", "Conv2D"]
    np.testing.assert_allclose(folded(_input()).numpy(), model(_input()).numpy(), atol=1e-4)


def test_a_model_with_nothing_to_fold_is_refused():
    with pytest.raises(ValueError, match="nothing to fold"):
        folding.fold(nn.Sequential(nn.Conv2D(3, 4, 3), nn.ReLU()))


def _with_dead_channels():
    """An untrained V1 whose stem keeps silent in two channels, after enough batches for the running statistics."""
    training.seed_everything(0)
    model = _trained_norms(models.build("mobilenet_v1", width_multiplier=0.25, resolution=32))
    stem = model.features.stem[1]
    shift, scale = stem.bias.numpy(), stem.weight.numpy()
    shift[[1, 4]], scale[[1, 4]] = -1, 0  # below zero everywhere
    stem.bias.set_value(shift)
    stem.weight.set_value(scale)
    norm = model.features.separable1.depthwise[1]
    for name, at_rest in (("_mean", 0.0), ("_variance", 1e-30)):
        statistics = getattr(norm, name).numpy()
        statistics[[1, 4]] = at_rest
        getattr(norm, name).set_value(statistics)
    return model


def test_dead_channels_are_found_and_no_others():
    found = folding.dead_channels(_with_dead_channels())
    assert {layer: channels.tolist() for layer, channels in found.items()} == {"features.separable1.depthwise": [1, 4]}
    healthy = _trained_norms(models.build("mobilenet_v1", width_multiplier=0.25, resolution=32))
    assert folding.dead_channels(healthy) == {}


def test_a_repair_changes_no_output_and_tames_the_folded_weights():
    model = _with_dead_channels()
    before = model(_input()).numpy()
    repaired = folding.repair(model)
    np.testing.assert_allclose(repaired(_input()).numpy(), before, atol=1e-5)
    assert folding.dead_channels(repaired) == {}
    assert folding.dead_channels(model), "the model itself stays as it was"
    largest = [
        np.abs(folding.fold(one).features.separable1.depthwise[0].weight.numpy()).max(axis=(1, 2, 3))
        for one in (model, repaired)
    ]
    assert largest[0][[1, 4]].min() > 20 * np.delete(largest[0], [1, 4]).max() > largest[1].max()
