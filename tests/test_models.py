"""The Paddle networks against their tables and against `paddle.vision`'s."""

import numpy as np
import pytest

from mobilenet_lib import baselines, models
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.layers import ConvBNReLU, DepthwiseSeparable, InvertedResidual


def trainable(model):
    return sum(parameter.size for parameter in model.parameters() if not parameter.stop_gradient)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
@pytest.mark.parametrize("width", [1.0, 0.5, 0.25])
def test_same_weights_give_the_same_output_as_paddle_vision(name, width):
    paddle.seed(0)
    ours = models.build(name, 10, width, resolution=64, stem_stride=2)
    theirs = getattr(paddle.vision.models, name)(scale=width, num_classes=10)
    # Both list their layers in the order an image passes through them, so the weights pair up by position.
    state, names = ours.state_dict(), list(theirs.state_dict())
    assert len(state) == len(names)
    theirs.set_state_dict(dict(zip(names, state.values(), strict=True)))
    ours.eval(), theirs.eval()
    images = paddle.to_tensor(np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype("float32"))
    scores = ours(images).numpy()
    assert np.abs(scores).max() > 1e-3, "an output near zero would prove nothing"
    np.testing.assert_allclose(scores, theirs(images).numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
@pytest.mark.parametrize(("width", "stem_stride"), [(1.0, 2), (0.35, 1), (1.4, 1)])
def test_trainable_parameters_equal_the_tables(name, width, stem_stride):
    model = models.build(name, 7, width, resolution=32, stem_stride=stem_stride)
    assert trainable(model) == model.table.trainable_params


def test_the_articles_v2_has_its_parameters_and_trains():
    model = models.build("article_mobilenet_v2", 10)
    assert trainable(model) == 2_314_010
    small = models.ArticleMobileNetV2(resolution=192)
    loss = small(paddle.rand([2, 3, 192, 192])).sum()
    loss.backward()
    assert all(p.grad is not None for p in small.parameters() if not p.stop_gradient)


def test_small_images_get_a_stem_of_stride_1():
    assert models.build("mobilenet_v1", 10, 0.25, resolution=32).table.blocks[0].stride == 1
    assert models.build("mobilenet_v1", 10, 0.25, resolution=224).table.blocks[0].stride == 2


def test_an_untrained_network_tells_images_apart():
    """Paddle's default initialiser leaves V1's outputs near 1e-16; ours keeps a signal."""
    paddle.seed(0)
    model = models.build("mobilenet_v1", 10, 0.25, resolution=32)
    model.eval()
    assert model(paddle.randn([4, 3, 32, 32])).std(axis=0).max().item() > 1e-4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "mobilenet_v3"}, "name must be one of mobilenet_v1"),
        ({"name": "mobilenet_v1", "num_classes": 0}, "num_classes .* not 0"),
        ({"name": "mobilenet_v1", "width_multiplier": -1}, "width_multiplier must be a number above 0"),
        ({"name": "vgg16", "width_multiplier": 0.5}, "vgg16 has neither width_multiplier nor stem_stride"),
        ({"name": "resnet50", "stem_stride": 1}, "resnet50 has neither"),
        ({"name": "resnet50", "deviations": []}, "resnet50 has neither"),
        ({"name": "article_mobilenet_v2", "linear": False}, "article_mobilenet_v2 has neither"),
        ({"name": "article_mobilenet_v2", "resolution": 32}, "resolution=32 leaves a 2×2 map"),
    ],
)
def test_impossible_networks_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        models.build(**arguments)


@pytest.mark.parametrize("shape", [[3, 32, 32], [1, 1, 32, 32], [1, 32, 32, 3]])
def test_images_of_a_wrong_shape_are_refused(shape):
    model = models.build("mobilenet_v1", 10, 0.25, resolution=32)
    with pytest.raises(ValueError, match=r"expected images of shape \[batch, 3, height, width\]"):
        model(paddle.zeros(shape))


def test_blocks_do_what_their_names_say():
    paddle.seed(0)
    x = paddle.randn([1, 8, 6, 6])
    assert DepthwiseSeparable(8, 16, stride=2)(x).shape == [1, 16, 3, 3]
    block = InvertedResidual(8, 8)
    block.eval()
    # With the last batch norm scaled to zero nothing is left but the shortcut.
    block.project[1].weight.set_value(paddle.zeros([8]))
    np.testing.assert_allclose(block(x).numpy(), x.numpy())
    assert InvertedResidual(8, 8, stride=2).shortcut == "none"
    assert InvertedResidual(8, 12).shortcut == "none"
    # The projection is linear: it may output negative numbers, a ReLU6 may not.
    assert InvertedResidual(8, 12)(x).min().item() < 0
    clipped = ConvBNReLU(8, 8, activation="relu6")(100 * x)
    assert clipped.min().item() >= 0
    assert clipped.max().item() <= 6


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: ConvBNReLU(8, 8, 4), "kernel_size must be odd"),
        (lambda: ConvBNReLU(8, 8, activation="swish"), "activation must be"),
        (lambda: ConvBNReLU(8, 9, groups=8), "groups=8 must divide"),
        (lambda: InvertedResidual(8, 12, shortcut="identity"), "a shortcut adds input to output"),
        (lambda: InvertedResidual(8, 8, stride=2, shortcut="identity"), "stride=2 must be 1"),
        (lambda: InvertedResidual(8, 12, stride=2, shortcut="projection"), "stride 1 only"),
    ],
)
def test_impossible_layers_are_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


@pytest.mark.parametrize("name", baselines.TABLES)
def test_every_network_is_built_from_its_table(name):
    model = models.build(name, 10)
    assert type(model) is models.NETWORKS[name]
    assert model.table == baselines.TABLES[name](num_classes=10)
    assert trainable(model) == model.table.trainable_params
