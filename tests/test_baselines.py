"""The article's other networks: their tables against known counts, and their layers against `paddle.vision`'s."""

from __future__ import annotations

import re

import numpy as np
import pytest

from mobilenet_lib import architectures, baselines, counting, models
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.baselines import ARTICLE_DEVIATIONS, article_mobilenet_v2, resnet50, vgg16

OF_PADDLE = ("resnet50", "resnet152", "vgg16", "vgg19")


@pytest.mark.parametrize(
    ("table", "macs", "params", "trainable"),
    [
        (article_mobilenet_v2(), 1_289_912_320, 2_261_440, 2_314_010),
        (resnet50(), 4_089_184_256, 25_502_912, 25_557_032),
        (baselines.resnet152(num_classes=10), 11_511_599_104, 58_012_864, 58_164_298),
        (vgg16(), 15_470_264_320, 138_344_128, 138_357_544),
        (vgg16(32, 10), 432_775_168, 134_289_088, 134_301_514),
        (baselines.vgg19(num_classes=10), 19_628_007_424, 139_597_504, 139_611_210),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_known_totals(table, macs, params, trainable):
    assert (table.macs, table.params, table.trainable_params) == (macs, params, trainable)


def test_the_deviations_lead_from_the_papers_v2_to_the_articles():
    assert article_mobilenet_v2(deviations=()).blocks == architectures.mobilenet_v2(num_classes=10).blocks
    names = list(ARTICLE_DEVIATIONS)
    steps = [article_mobilenet_v2(deviations=names[:count]) for count in range(len(names) + 1)]
    assert [(table.macs, table.trainable_params) for table in steps] == [
        (299_507_072, 2_236_682),
        (1_197_989_888, 2_236_682),
        (1_249_370_112, 2_237_770),
        (1_289_912_320, 2_296_490),
        (1_289_912_320, 2_314_010),
        (1_289_912_320, 2_314_010),
    ]
    assert steps[-1] == article_mobilenet_v2()
    assert [table.blocks[-2].windows for table in steps] == [()] * 5 + [(4, 3)]


def test_an_unknown_deviation_is_refused():
    with pytest.raises(ValueError, match=r"deviations must be among stem_stride, .*, not biasses"):
        article_mobilenet_v2(deviations=("biasses",))
    with pytest.raises(ValueError, match="353 pixels or more"):
        article_mobilenet_v2(352, deviations=("two_pools",))


def test_images_too_small_for_the_pools_are_refused():
    with pytest.raises(ValueError, match="177 pixels or more"):
        article_mobilenet_v2(176)
    assert article_mobilenet_v2(177).rows[-1].output_shape == (10, 1, 1)
    with pytest.raises(ValueError, match="at least 32 for VGG16's five pools, not 31"):
        vgg16(31)
    assert vgg16(32).rows[-1].output_shape == (1000, 1, 1)


def test_peak_activations_by_hand():
    """VGG: the second convolution reads and writes 64 maps of 224×224. ResNet: the first block's expansion reads 64
    maps
    of 56×56, writes 256 and keeps 64 for the projection, which reads these and writes 256 beside the 256 to be
    added."""
    assert vgg16().peak_activations == 2 * 64 * 224 * 224
    rows = {row.name: row for row in resnet50().rows}
    assert rows["stage1_1.reduce"].kept == 0
    assert rows["stage1_1.expand"].live_activations == (64 + 256 + 64) * 56 * 56
    assert rows["stage1_1.shortcut"].live_activations == (64 + 256 + 256) * 56 * 56


def test_receptive_fields():
    """212 pixels before VGG16's classifier (A. Araujo and others, "Computing Receptive Fields", Distill 2019). ResNet50
    by
    hand: 7, then 11 behind the pool, and a 3×3 layer adds 2 steps of 4, 8, 16 or 32 pixels (half that where it
    strides)."""
    fields = {
        table.name: dict(zip(_names(table), table.receptive_fields, strict=True)) for table in (resnet50(), vgg16())
    }
    assert fields["VGG16, 224×224"]["pool5"] == 212
    resnet = fields["ResNet50, 224×224"]
    assert resnet["stage4_3.expand"] == 11 + 3 * 8 + (8 + 3 * 16) + (16 + 5 * 32) + (32 + 2 * 64) == 427
    assert resnet["stage2_1.shortcut"] == resnet["stage1_3.expand"] == 35, "it sees what its block begins with"


def test_a_map_repeated_to_7_by_7_shows_the_classifier_no_more():
    assert dict(zip(_names(vgg16(32)), vgg16(32).receptive_fields, strict=True))["classifier"] == 212
    assert vgg16().receptive_fields[-1] == 212 + 6 * 32


def _names(table):
    return [row.name for row in table.rows]


def _paddles(name: str) -> str:
    """The name in `paddle.vision.models` of a weight of ours.

    features.stem.0 → conv1, .1 → bn1; features.stage2_3 → layer2.2; reduce, conv, expand → conv1/bn1, conv2/bn2,
    conv3/bn3; shortcut_projection → downsample; classifier → fc. The VGGs' by position: both list them in one order.
    """
    stage = re.match(r"features\.stage(\d)_(\d+)\.(\w+)\.([01])\.(.*)", name)
    if stage is None:
        return re.sub(r"^features\.stem\.1", "bn1", re.sub(r"^features\.stem\.0", "conv1", name)).replace(
            "classifier", "fc"
        )
    number, repeat, part, which, rest = stage.groups()
    layer = f"layer{number}.{int(repeat) - 1}"
    if part == "shortcut_projection":
        return f"{layer}.downsample.{which}.{rest}"
    place = ("reduce", "conv", "expand").index(part) + 1
    return f"{layer}.{'bn' if which == '1' else 'conv'}{place}.{rest}"


def _pair(name: str):
    """Our network and Paddle's with our weights."""
    paddle.seed(0)
    ours, theirs = models.build(name, 10, resolution=32), getattr(paddle.vision.models, name)(num_classes=10)
    state, names = ours.state_dict(), theirs.state_dict()
    mapped = dict(zip(names, state, strict=True)) if "vgg" in name else {_paddles(one): one for one in state}
    assert mapped.keys() == names.keys()
    theirs.set_state_dict({one: state[own] for one, own in mapped.items()})
    return ours, theirs


def _images(resolution: int, count: int):
    values = np.random.default_rng(0).standard_normal((count, 3, resolution, resolution), dtype=np.float32)
    return paddle.to_tensor(values)


def _same(found: paddle.Tensor, expected: paddle.Tensor) -> None:
    found, expected = found.numpy(), expected.numpy()
    assert np.abs(expected).max() > 1e-3, "an output near zero would prove nothing"
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", OF_PADDLE)
def test_same_weights_give_the_same_outputs_as_paddle_vision(name):
    """In eval mode, and in train mode with the same seed before each pass, which decides what dropout leaves out.

    At 32 pixels, where the article's protocol needs it, and at 224. The weights are the same: no shape depends on it.
    """
    ours, theirs = _pair(name)
    for resolution, count in ((32, 4), (224, 1)) if name in ("resnet50", "vgg16") else ((32, 4),):
        images = _images(resolution, count)
        with eval_mode(ours), eval_mode(theirs), paddle.no_grad():
            _same(ours(images), theirs(images))
        with paddle.no_grad():
            _same(*(_trained_mode(model, images) for model in (ours, theirs)))
    for own, other in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        np.testing.assert_allclose(own.numpy(), other.numpy(), rtol=1e-4, atol=1e-5)


def _trained_mode(model, images):
    model.train()
    paddle.seed(1)
    return model(images)


@pytest.mark.parametrize("name", OF_PADDLE)
def test_hooks_count_the_tables_macs_on_our_layers_and_on_paddles(name):
    table = baselines.TABLES[name](32, 10)
    for model in (models.TableNetwork(table), getattr(paddle.vision.models, name)(num_classes=10)):
        counted = counting.count(model, (3, 32, 32))
        assert (counted.macs, counted.params) == (table.macs, table.trainable_params)


def test_the_baselines_by_hand():
    softmax, perceptron = baselines.linear_softmax(32), baselines.perceptron(32)
    assert softmax.params == softmax.macs == 3 * 32 * 32 * 10
    assert perceptron.params == perceptron.macs == 3 * 32 * 32 * 64 + 64 * 10
    assert perceptron.trainable_params == perceptron.params + 64 + 10
    assert [row.kind for row in softmax.rows + perceptron.rows] == ["linear"] * 3


def test_the_linear_softmax_is_one_matrix_product():
    model = models.build("linear_softmax", 10, resolution=32)
    images = paddle.rand([4, 3, 32, 32])
    weight, bias = model.classifier.weight.numpy(), model.classifier.bias.numpy()
    expected = images.numpy().reshape(4, -1) @ weight + bias
    np.testing.assert_allclose(model(images).numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_articles_v2_is_built_with_fewer_deviations():
    names = [name for name in ARTICLE_DEVIATIONS if name != "two_pools"]
    model = models.build("article_mobilenet_v2", 10, resolution=32, deviations=names)
    assert model.table == article_mobilenet_v2(32, 10, deviations=names)


@pytest.mark.parametrize("name", baselines.TABLES)
def test_every_intermediate_shape_is_the_tables(name):
    resolution = 192 if name == "article_mobilenet_v2" else 32
    model = models.build(name, 10, resolution=resolution)
    x = paddle.rand([1, 3, resolution, resolution])
    with eval_mode(model), paddle.no_grad():
        for block, layer in zip(model.table.blocks, model.features.children(), strict=False):
            x = layer(x)
            assert tuple(x.shape[1:]) == (block.output_shape if x.ndim == 4 else block.output_shape[:1]), block.name
