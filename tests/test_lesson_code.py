"""The blocks that lessons 03, 04, 06 and 10 write out are the library's: same layers, same parameters, same outputs.

The lessons go on with the library after that, and say so; this proves that they may.
"""

from __future__ import annotations

import ast
import math
from typing import Any

import nbformat
import numpy as np
import pytest
from refresh_notebooks import NOTEBOOKS

from mobilenet_lib import architectures, baselines, layers, models
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.counting import count
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.questions import lesson05
from mobilenet_lib.experiments import manifold
from mobilenet_lib.experiments.low_precision import quantization

nn = paddle.nn


def lesson_code(number: str, **names: Any) -> dict[str, Any]:
    """What a lesson defines: its classes, functions and CAPITAL tables, run in the lesson's order, and nothing else.

    names: what the lesson has imported before. Exercises are left out: their stubs stand for the learner's code.
    """
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    defined = {"paddle": paddle, "nn": nn, "np": np, **names}
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.parse(cell.source).body:
            if _is_definition(node):
                exec(compile(ast.Module([node], []), f"{path.name}:{cell.id}", "exec"), defined)
    return defined


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    return isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and node.name not in EXERCISES)


@pytest.fixture(scope="module")
def v1_block() -> dict[str, Any]:
    return lesson_code("03")


@pytest.fixture(scope="module")
def v1() -> dict[str, Any]:
    return lesson_code("04")


@pytest.fixture(scope="module")
def v2() -> dict[str, Any]:
    return lesson_code("06", ConvBNReLU=layers.ConvBNReLU, make_divisible=architectures.make_divisible)


def leaves(model: nn.Layer) -> list[str]:
    """Every layer that holds no other, with its settings, in order: what the network does."""
    return [str(layer) for layer in model.sublayers(include_self=True) if not layer.sublayers()]


def parameters(model: nn.Layer) -> list[tuple[list[int], bool]]:
    """Shape of every parameter, and whether it is trained."""
    return [(list(p.shape), not p.stop_gradient) for p in model.parameters()]


def assert_same(lessons: nn.Layer, librarys: nn.Layer, input_shape: list[int]) -> None:
    """One network written twice: equal layers, equal parameters, and equal outputs once the weights are equal."""
    assert leaves(lessons) == leaves(librarys)
    assert parameters(lessons) == parameters(librarys)
    images = paddle.to_tensor(np.random.default_rng(0).normal(size=input_shape).astype("float32"))
    state = dict(zip(lessons.state_dict(), librarys.state_dict().values(), strict=True))
    for model in (lessons, librarys):
        model.eval()
    assert not np.array_equal(lessons(images).numpy(), librarys(images).numpy()), "equal before: proves nothing"
    lessons.set_state_dict(state)
    np.testing.assert_array_equal(lessons(images).numpy(), librarys(images).numpy())


@pytest.mark.parametrize("stride", [1, 2])
def test_lesson_03_writes_the_librarys_blocks(v1_block, stride):
    shape = [2, 6, 9, 9]
    assert_same(v1_block["standard_block"](6, 10, stride), layers.ConvBNReLU(6, 10, 3, stride), shape)
    assert_same(v1_block["v1_block"](6, 10, stride), layers.DepthwiseSeparable(6, 10, stride), shape)


def test_lesson_03_writes_paddles_batch_norm(v1_block):
    values = np.random.default_rng(0).normal(2, 3, size=(5, 1, 4, 4)).astype("float32")
    norm = nn.BatchNorm2D(1)
    for parameter, number in ((norm.weight, 1.5), (norm.bias, -0.5)):
        parameter.set_value(np.array([number], "float32"))
    for train in (True, False):
        norm.train() if train else norm.eval()
        theirs = norm(paddle.to_tensor(values)).numpy()
        mean, variance = (values.mean(), values.var()) if train else (norm._mean.item(), norm._variance.item())
        ours = v1_block["batch_norm"](values, mean, variance, 1.5, -0.5)
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_lesson_10_writes_the_librarys_rounding_hook():
    hook = lesson_code("10", quantization=quantization)["rounding_hook"](3, 5.0)
    model, values = nn.Sequential(nn.ReLU()), paddle.linspace(-1, 7, 100)
    with quantization.rounded_activations(model, 3, 5.0):
        librarys = model(values).numpy()
    model[0].register_forward_post_hook(hook)
    np.testing.assert_array_equal(model(values).numpy(), librarys)


@pytest.mark.parametrize(
    "arguments",
    [
        {"in_channels": 3, "out_channels": 8, "stride": 2},
        {"in_channels": 6, "out_channels": 6, "groups": 6},
        {"in_channels": 6, "out_channels": 10, "kernel_size": 1},
    ],
)
def test_lesson_04_writes_the_librarys_conv_bn_relu(v1, arguments):
    shape = [2, arguments["in_channels"], 9, 9]
    assert_same(v1["ConvBNReLU"](**arguments), layers.ConvBNReLU(**arguments), shape)


@pytest.mark.parametrize("stride", [1, 2])
def test_lesson_04_writes_the_librarys_separable_block(v1, stride):
    assert v1["DepthwiseSeparable"] is not layers.DepthwiseSeparable
    assert_same(v1["DepthwiseSeparable"](6, 10, stride), layers.DepthwiseSeparable(6, 10, stride), [2, 6, 9, 9])


def test_lesson_04_begins_its_weights_as_the_library_does(v1):
    """Equal seeds give equal first weights, so lesson and library start from the same distribution."""
    drawn = []
    for make in (v1["DepthwiseSeparable"], layers.DepthwiseSeparable):
        paddle.seed(0)
        drawn.append([parameter.numpy() for parameter in make(6, 10).parameters()])
    assert all(np.array_equal(one, other) for one, other in zip(*drawn, strict=True))


def test_lesson_04_prints_the_papers_table_and_mends_it(v1):
    """The lesson assigns TABLE_1 twice: as printed, and with the last stride mended."""
    assert v1["TABLE_1"] == architectures.V1_SEPARABLE


def test_lesson_04_builds_the_librarys_network(v1):
    lessons = v1["MobileNetV1"](v1["TABLE_1"], num_classes=10)
    assert_same(lessons, models.MobileNetV1(num_classes=10), [1, 3, 64, 64])


def test_lesson_05_runs_the_librarys_experiment():
    """Spiral, way back, error and fraction of lost points, as the lesson writes them."""
    lessons = lesson_code("05", math=math)
    spiral = lessons["spiral"](120, 3)
    np.testing.assert_array_equal(spiral, manifold.spiral(120, 3))
    matrix = np.random.default_rng(0).normal(size=(4, 2))
    activated, recovered = lessons["round_trip"](spiral, matrix)
    for ours, theirs in zip((activated, recovered), manifold.round_trip(spiral, matrix), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert activated.shape == (120, 4)
    error = lessons["relative_error"](spiral, recovered)
    assert error == manifold.relative_error(spiral, recovered) > 0
    assert lessons["fraction_lost_of"](3, 7) == manifold.fraction_lost(7, dimensions=3)
    assert lessons["theorem_1"](7, 3) == pytest.approx(manifold.fraction_lost(7, dimensions=3))
    assert tuple(lessons["DESIGNS"].values()) == (lesson05.RESNET_BLOCK, lesson05.V2_BLOCK)


def test_lesson_06_has_the_papers_table(v2):
    assert v2["TABLE_2"] == architectures.V2_BOTTLENECKS


@pytest.mark.parametrize("block", architectures.mobilenet_v2(0.35, 64).blocks[1:18], ids=lambda block: block.name)
def test_lesson_06_writes_the_librarys_inverted_residual(v2, block):
    """All blocks of the table: with and without expansion, stride 1 and 2, with and without a shortcut."""
    arguments = (block.in_channels, block.out_channels, block.stride, block.expansion)
    librarys = layers.InvertedResidual(*arguments)
    assert_same(v2["InvertedResidual"](*arguments), librarys, [2, *block.input_shape])
    assert (librarys.shortcut == "identity") == (block.shortcut == "identity")


@pytest.mark.parametrize("width", [1.0, 0.35, 1.4])
def test_lesson_06_builds_the_librarys_network(v2, width):
    lessons = v2["MobileNetV2"](v2["TABLE_2"], width, num_classes=10)
    assert_same(lessons, models.MobileNetV2(width, num_classes=10), [1, 3, 64, 64])


def test_lesson_06_shows_the_slip_that_hides_parameters(v2):
    assert callable(nn.Linear(2, 2).parameters)
    assert not callable(v2["Tiny"]().parameters)


@pytest.mark.parametrize("steps", range(5))
def test_lesson_06_prices_networks_that_can_be_built(steps):
    """After each deviation, hooks on the built network count what the step's table says. (The pools cost nothing.)"""
    table = baselines.article_mobilenet_v2(64, deviations=list(baselines.ARTICLE_DEVIATIONS)[:steps])
    measured = count(models.TableNetwork(table), (3, 64, 64))
    assert (measured.macs, measured.params) == (table.macs, table.trainable_params)


def test_lesson_04_finds_small_kernels_and_silent_channels(v1):
    """One kernel made tiny and two channels made silent in an untrained network: exactly these are found."""
    model = models.MobileNetV1(0.25, 32, 10, 1)
    model.eval()
    block = model.features[2]
    assert list(v1["near_zero"](block.depthwise[0])) == [0, 16]
    weights = block.depthwise[0].weight.numpy()
    weights[3] *= 1e-4
    block.depthwise[0].weight.set_value(weights)
    assert list(v1["near_zero"](block.depthwise[0])) == [1, 16]

    images = paddle.to_tensor(np.random.default_rng(0).normal(size=(4, 3, 32, 32)).astype("float32"))
    before = v1["silent_channels"](model, images)
    shift = block.pointwise[1].bias.numpy()
    shift[[0, 5]] = -100.0  # behind the batch norm, so below zero everywhere
    block.pointwise[1].bias.set_value(shift)
    after = v1["silent_channels"](model, images)
    assert len(after) == 1 + 2 * 13
    assert after["2 pointwise"] == before["2 pointwise"] + 2
    assert after["2 depthwise"] == before["2 depthwise"]


@pytest.mark.parametrize(
    ("stride", "out_channels", "groups"), [(2, 10, 1), (1, 6, 6)], ids=["stride forgotten", "groups forgotten"]
)
def test_another_layer_is_told_apart(v1, stride, out_channels, groups):
    """The comparison can fail: a layer without the stride, or without the groups, is not the same."""
    wanted = layers.ConvBNReLU(6, out_channels, stride=stride, groups=groups)
    with pytest.raises(AssertionError):
        assert_same(v1["ConvBNReLU"](6, out_channels), wanted, [1, 6, 9, 9])
