"""`counting.count`: what it measures equals loops that really compute, and it leaves no trace."""

from __future__ import annotations

import contextlib
import itertools
import random
import types

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenet_lib import architectures, cost, models
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.counting import ForwardError, count, launches

nn, F = paddle.nn, paddle.nn.functional


class Function(nn.Layer):
    """A layer that applies a function, with tensors of its own to work on."""

    def __init__(self, function, *sublayers):
        super().__init__()
        self.function = function
        self.parts = nn.LayerList(sublayers)

    def forward(self, x):
        return self.function(x, *self.parts)


def tensor(*shape):
    return paddle.zeros(shape)


# --- convolutions: loops that compute the convolution itself, and count each multiply-accumulate on the way
def convolve(image, weight, stride, padding, dilation, groups):
    """Convolution of image [C, H, W] with weight [out, in / groups, k, k]; padding (top, bottom, left, right)."""
    top, bottom, left, right = padding
    image = np.pad(image, ((0, 0), (top, bottom), (left, right)))
    out_channels, in_of_group, rows, columns = weight.shape
    height, width = (
        len(range(0, size - dilation * (kernel - 1), stride))
        for size, kernel in zip(image.shape[1:], (rows, columns), strict=True)
    )
    output, macs = np.zeros((out_channels, height, width)), 0
    for o, y, x in np.ndindex(output.shape):
        first = o // (out_channels // groups) * in_of_group
        for i, r, c in np.ndindex(in_of_group, rows, columns):
            row, column = y * stride + r * dilation, x * stride + c * dilation
            output[o, y, x] += weight[o, i, r, c] * image[first + i, row, column]
            macs += 1
    return output, macs


def convolve_transposed(image, weight, stride, padding, dilation, groups):
    """Transposed convolution of image [C, H, W] with weight [in, out / groups, k, k]: spread, then crop the border."""
    in_channels, out_of_group, rows, columns = weight.shape
    full = [
        (size - 1) * stride + dilation * (kernel - 1) + 1
        for size, kernel in zip(image.shape[1:], (rows, columns), strict=True)
    ]
    output, macs = np.zeros((out_of_group * groups, *full)), 0
    for i, y, x in np.ndindex(image.shape):
        first = i // (in_channels // groups) * out_of_group
        for o, r, c in np.ndindex(out_of_group, rows, columns):
            row, column = y * stride + r * dilation, x * stride + c * dilation
            output[first + o, row, column] += weight[i, o, r, c] * image[i, y, x]
            macs += 1
    return output[:, padding : full[0] - padding, padding : full[1] - padding], macs


@st.composite
def convolutions(draw):
    """Arguments of a small convolution that is valid, and its input size."""
    groups = draw(st.integers(1, 3))
    kernel, dilation = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    padding = draw(st.integers(0, 2))
    smallest = max(1, dilation * (kernel - 1) + 1 - 2 * padding)
    return {
        "in_channels": groups * draw(st.integers(1, 2)),
        "out_channels": groups * draw(st.integers(1, 3)),
        "kernel_size": kernel,
        "stride": draw(st.integers(1, 3)),
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
    }, (draw(st.integers(smallest, smallest + 4)), draw(st.integers(smallest, smallest + 4)))


@settings(max_examples=60)
@given(convolutions(), st.booleans())
def test_conv2d_equals_the_loops_and_the_closed_form(arguments_and_size, bias):
    arguments, size = arguments_and_size
    layer = nn.Conv2D(**arguments, bias_attr=None if bias else False)
    image = np.random.default_rng(0).standard_normal((arguments["in_channels"], *size))
    stride, padding, dilation, groups = (arguments[name] for name in ("stride", "padding", "dilation", "groups"))
    output, macs = convolve(image, layer.weight.numpy(), stride, [padding] * 4, dilation, groups)
    counted = count(layer, image.shape)
    # The loops are a convolution (the new layer's bias is zero), so what they count is what a convolution costs.
    np.testing.assert_allclose(layer(paddle.to_tensor(image[None], "float32"))[0].numpy(), output, atol=1e-4)
    assert counted.macs == macs
    assert counted.flops == 2 * macs
    assert counted.activations == output.size
    assert counted.layers[0].output_shape == (1, *output.shape)
    assert counted.uncounted == {}
    if dilation == 1:
        same = {name: value for name, value in arguments.items() if name != "dilation"}
        for closed_form in (cost.conv2d, cost.brute_force):
            expected = closed_form(**same, input_size=size, bias=bias)
            assert (counted.macs, counted.params) == (expected.macs, expected.params)
            assert counted.activations == expected.activations


@settings(max_examples=40)
@given(convolutions())
def test_transposed_conv2d_equals_the_loops(arguments_and_size):
    arguments, (height, width) = arguments_and_size
    image = np.random.default_rng(0).standard_normal((arguments["in_channels"], height + 2, width + 2))
    # So that something is left after the border is cropped.
    arguments["padding"] = min(arguments["padding"], 1)
    layer = nn.Conv2DTranspose(**arguments, bias_attr=False)
    settings = (arguments[name] for name in ("stride", "padding", "dilation", "groups"))
    output, macs = convolve_transposed(image, layer.weight.numpy(), *settings)
    np.testing.assert_allclose(layer(paddle.to_tensor(image[None], "float32"))[0].numpy(), output, atol=1e-4)
    assert count(layer, image.shape).macs == macs


@pytest.mark.parametrize("padding", [(1, 2, 0, 3), (0, 0, 2, 1)])
def test_asymmetric_padding_equals_the_loops(padding):
    layer = nn.Conv2D(2, 3, 3, stride=2, padding=list(padding))
    _, macs = convolve(np.zeros((2, 7, 6)), layer.weight.numpy(), 2, padding, 1, 1)
    assert count(layer, (2, 7, 6)).macs == macs


@pytest.mark.parametrize(
    ("layer", "example", "macs"),
    [
        (nn.Conv1D(4, 6, 3, groups=2), tensor(2, 4, 10), 2 * 8 * 6 * 2 * 3),
        (nn.Conv3D(2, 4, (1, 2, 3)), tensor(1, 2, 3, 4, 5), 3 * 3 * 3 * 4 * 2 * 6),
        (nn.Conv3D(4, 4, 2, groups=4), tensor(1, 4, 3, 3, 3), 2**3 * 4 * 2**3),
        (nn.Conv2D(4, 8, 3, padding="SAME", data_format="NHWC"), tensor(1, 5, 5, 4), 25 * 8 * 4 * 9),
        (nn.Conv2D(4, 4, 3, groups=4), tensor(3, 4, 6, 6), 3 * 16 * 4 * 9),
        (nn.Conv2D(4, 12, 3, groups=4), tensor(1, 4, 6, 6), 16 * 12 * 9),
        (nn.Conv1DTranspose(4, 6, 3, stride=2), tensor(1, 4, 10), 10 * 4 * 6 * 3),
        (nn.Conv2DTranspose(4, 4, 2, stride=2, groups=4), tensor(1, 4, 5, 5), 25 * 4 * 4),
        (nn.Conv3DTranspose(2, 3, 2), tensor(1, 2, 2, 2, 2), 8 * 2 * 3 * 8),
        (nn.Linear(5, 7), tensor(2, 3, 5), 2 * 3 * 5 * 7),
    ],
)
def test_other_layers(layer, example, macs):
    counted = count(layer, example)
    assert counted.macs == macs
    assert counted.uncounted == {}
    assert counted.params == sum(parameter.size for parameter in layer.parameters())
    assert counted.layers[0].output_shape == tuple(layer(example).shape)


# --- functional calls


LEFT, RIGHT, VECTOR = tensor(2, 3, 4), tensor(2, 4, 5), tensor(4)
raw_matmul = paddle._C_ops.matmul
# Each multiplies all of LEFT with RIGHT.
PRODUCTS = [
    *(lambda x: x @ RIGHT, lambda x: x.matmul(RIGHT), lambda x: x.bmm(RIGHT), lambda x: paddle.bmm(x, RIGHT)),
    *(lambda x: paddle.matmul(y=RIGHT, x=x), lambda x: paddle.bmm(y=RIGHT, x=x)),
    *(lambda x: paddle.tensor.matmul(x, RIGHT), lambda x: raw_matmul(x, RIGHT, False, False)),
    *(lambda x: paddle.tensordot(x, tensor(4, 5), axes=1), lambda x: paddle.baddbmm(tensor(2, 3, 5), x, RIGHT)),
    *(lambda x, form=form: paddle.einsum(form, x, RIGHT) for form in ("bij,bjk->bik", "...ij,...jk", "bij,bjk->ik")),
]


@pytest.mark.parametrize(
    ("function", "macs"),
    [
        (lambda x: F.conv2d(tensor(1, 2, 6, 6), tensor(3, 2, 3, 3)), 16 * 3 * 2 * 9),
        (lambda x: F.conv2d(x=tensor(1, 4, 6, 6), weight=tensor(4, 1, 3, 3), groups=4), 16 * 4 * 9),
        (lambda x: F.conv2d_transpose(tensor(1, 2, 4, 4), tensor(2, 3, 2, 2)), 16 * 2 * 3 * 4),
        (lambda x: F.linear(x, tensor(4, 5), tensor(5)), 2 * 3 * 4 * 5),
        (lambda x: np.zeros((5, 2), "float32") @ tensor(2, 3), 30),
        (lambda x: tensor(5, 2) @ np.zeros((2, 3), "float32"), 30),
        *[(function, 120) for function in PRODUCTS],
        (lambda x: paddle.matmul(x, tensor(2, 3, 5), transpose_x=True), 2 * 4 * 3 * 5),
        (lambda x: paddle.matmul(x[0], tensor(3, 5), transpose_x=True), 4 * 3 * 5),
        (lambda x: paddle.matmul(x, tensor(2, 5, 4), transpose_y=True), 120),
        (lambda x: paddle.matmul(x, tensor(7, 1, 4, 5)), 7 * 120),
        (lambda x: paddle.matmul(x, VECTOR), 24),
        (lambda x: paddle.matmul(VECTOR, VECTOR, transpose_x=True), 4),
        (lambda x: paddle.mm(x[0], RIGHT[0]), 60),
        (lambda x: paddle.mv(x[0], VECTOR), 12),
        (lambda x: paddle.dot(VECTOR, VECTOR), 4),
        (lambda x: paddle.inner(x, tensor(5, 4)), 2 * 3 * 4 * 5),
        (lambda x: paddle.addmm(tensor(3, 5), x[0], RIGHT[0]), 60),
        (lambda x: paddle.addmm(tensor(3, 5), x=x[0], y=RIGHT[0]), 60),
        (lambda x: tensor(3, 5).addmm_(x[0], RIGHT[0]), 60),
        # i and k are summed first, for free.
        (lambda x: paddle.einsum("ij,kl->jl", x[0], RIGHT[0]), 4 * 5),
        (lambda x: paddle.einsum("bij->ji", x), 0),
        (lambda x: paddle.einsum("ij,jk,kl->il", tensor(2, 3), tensor(3, 4), tensor(4, 5)), 24 + 40),
        (lambda x: F.scaled_dot_product_attention(*[tensor(1, 3, 2, 4)] * 3), 2 * (2 * 3 * 3 * 4)),
        (lambda x: F.relu(x * 2 + 1).sum(), 0),
    ],
)
def test_functional_calls(function, macs):
    counted = count(Function(function), LEFT)
    assert counted.macs == macs
    assert counted.uncounted == {}


def test_einsum_equals_the_loops():
    """Every combination of the indices of an operand pair is one multiply-accumulate."""
    left, right = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    output, macs = np.zeros((2, 4)), 0
    for i, j, k in itertools.product(range(2), range(3), range(4)):
        output[i, k] += left[i, j] * right[j, k]
        macs += 1
    pair = [paddle.to_tensor(left), paddle.to_tensor(right)]
    np.testing.assert_allclose(paddle.einsum("ij,jk->ik", *pair).numpy(), output)
    assert count(Function(lambda x: paddle.einsum("ij,jk->ik", *pair)), (1, 1)).macs == macs


def test_multi_head_attention():
    batch, words, width = 2, 3, 8
    counted = count(nn.MultiHeadAttention(width, 2), tensor(batch, words, width))
    projections, products = 4 * batch * words * width * width, 2 * batch * words * words * width
    assert counted.macs == projections + products
    assert counted.layers[0].op == "matmul ×2"
    assert counted.uncounted == {}


# --- whose costs they are
def test_a_layer_used_twice_costs_twice_and_weighs_once():
    linear = nn.Linear(4, 4)
    counted = count(Function(lambda x, layer: layer(layer(x)), linear), (1, 4))
    assert (counted.macs, counted.params) == (2 * 16, 20)
    assert [(row.name, row.macs, row.params) for row in counted.layers] == [("parts.0", 16, 20), ("parts.0", 16, 0)]


def test_shared_weights_weigh_once():
    first, second = nn.Linear(4, 4, bias_attr=False), nn.Linear(4, 4, bias_attr=False)
    second.weight = first.weight
    counted = count(nn.Sequential(first, second), (1, 4))
    assert (counted.macs, counted.params) == (32, 16)
    assert [row.params for row in counted.layers] == [16, 0]


def test_params_are_the_trainable_ones():
    model = nn.Sequential(nn.Conv2D(3, 4, 1), nn.BatchNorm2D(4), nn.Linear(5, 2))
    assert count(model, (3, 5, 5)).params == 16 + 8 + 12
    model[0].weight.stop_gradient = True
    assert count(model, (3, 5, 5)).params == 4 + 8 + 12


def test_params_include_a_layer_that_is_never_called():
    counted = count(Function(lambda x, layer: x, nn.Linear(4, 4)), (1, 4))
    assert (counted.macs, counted.params) == (0, 20)
    assert not any(row.name == "parts.0" for row in counted.layers)


class PaddedConv(nn.Conv2D):
    """A subclass, with a parameter and a functional call of its own."""

    def __init__(self):
        super().__init__(2, 4, 3)
        self.mix = self.create_parameter([4, 4])

    def forward(self, x):
        return paddle.einsum("oc,bchw->bohw", self.mix, super().forward(x))


def test_rows_name_layer_and_operations():
    class Model(nn.Layer):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(PaddedConv(), nn.ReLU())
            self.direct = nn.Linear(4, 3)

        def forward(self, x):
            x = self.direct.forward(self.features(x).mean([2, 3]))  # past the hooks
            return {"out": [x @ tensor(3, 3)]}

    counted = count(Model(), (2, 5, 5))
    rows = {row.name: row for row in counted.layers}
    assert list(rows) == ["(model)", "features.0", "features.1"]
    assert (rows["features.0"].layer, rows["features.0"].op) == ("PaddedConv", "conv2d + einsum")
    assert rows["features.0"].macs == 9 * 4 * 2 * 9 + 9 * 4 * 4
    assert rows["features.0"].params == 72 + 4 + 16
    assert (rows["features.1"].op, rows["features.1"].macs) == ("", 0)
    assert rows["features.1"].output_shape == (1, 4, 3, 3)
    assert (rows["(model)"].op, rows["(model)"].macs) == ("linear + matmul", 12 + 9)
    assert rows["(model)"].output_shape == (1, 3)
    assert counted.macs == sum(row.macs for row in counted.layers)


def test_a_caught_error_of_a_layer_does_not_confuse_the_names():
    def fallback(x, bad, good):
        with contextlib.suppress(ValueError):
            bad(x)
        return good(x)

    def attempt(x, block, last):
        return last(block(x)) @ tensor(2, 2)

    block = Function(fallback, nn.Linear(9, 9), nn.Linear(4, 4))
    counted = count(Function(attempt, block, nn.Linear(4, 2)), (1, 4))
    assert [(row.name, row.macs) for row in counted.layers if row.macs] == [
        ("(model)", 4),
        ("parts.0.parts.1", 16),
        ("parts.1", 8),
    ]


def test_frame_and_totals():
    counted = count(paddle.vision.models.mobilenet_v2(scale=0.25, num_classes=10), (3, 32, 32))
    frame = counted.to_frame()
    assert list(frame.columns) == ["name", "layer", "op", "output_shape", "macs", "params", "activations"]
    assert tuple(frame[["macs", "params", "activations"]].sum()) == (counted.macs, counted.params, counted.activations)
    assert list(frame["name"][:3]) == ["features.0.0", "features.0.1", "features.0.2"]
    assert frame["op"].value_counts()["depthwise_conv2d"] == 17


class Several(nn.Layer):
    """Two inputs, two outputs."""

    def __init__(self):
        super().__init__()
        self.conv, self.linear = nn.Conv2D(3, 4, 3), nn.Linear(5, 2)

    def forward(self, image, numbers):
        return self.conv(image), self.linear(numbers)


@pytest.mark.parametrize("given", [((3, 8, 8), (7, 5)), [[3, 8, 8], tensor(7, 5)], (tensor(1, 3, 8, 8), tensor(7, 5))])
def test_several_inputs_and_outputs(given):
    counted = count(Several(), given)
    assert counted.macs == 36 * 4 * 27 + 7 * 10
    assert [row.output_shape for row in counted.layers] == [(1, 4, 6, 6), (7, 2)]
    assert launches(Several(), given)["conv2d"] == 1


def test_a_wrong_number_of_inputs_names_their_shapes():
    with pytest.raises(ForwardError, match=r"in layer \(model\) \(Several\) for an input of \(1, 3, 8, 8\): TypeError"):
        count(Several(), (3, 8, 8))
    with pytest.raises(ValueError, match="input_shape"):
        count(Several(), ((3, 8, 8), (7, 0)))


def test_batch():
    layer = nn.Conv2D(3, 4, 3)
    one, four = count(layer, (3, 8, 8)), count(layer, [4, 3, 8, 8])
    assert one.macs == count(layer, (1, 3, 8, 8)).macs == 36 * 4 * 27
    assert (four.macs, four.params) == (4 * one.macs, one.params)
    rows = count(nn.Linear(4, 5), (7, 4))  # two sizes hold their batch
    assert (rows.macs, rows.layers[0].output_shape) == (7 * 4 * 5, (7, 5))


def test_dtype():
    assert count(nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 2)), (1, 7), dtype="int64").macs == 7 * 8
    assert count(nn.Linear(4, 2).to(dtype="float64"), (1, 4), dtype="float64").macs == 8


@pytest.mark.parametrize(
    ("name", "classes", "macs", "params"),
    [
        ("mobilenet_v1", 1000, 568_740_352, 4_231_976),
        ("mobilenet_v1", 10, 567_726_592, 3_217_226),
        ("mobilenet_v2", 1000, 300_774_272, 3_504_872),
        ("mobilenet_v2", 10, 299_507_072, 2_236_682),
        ("resnet50", 1000, 4_089_184_256, 25_557_032),
        ("vgg16", 1000, 15_470_264_320, 138_357_544),
    ],
)
def test_networks_of_paddle_vision(name, classes, macs, params):
    counted = count(getattr(paddle.vision.models, name)(num_classes=classes), (3, 224, 224))
    assert (counted.macs, counted.params, counted.uncounted) == (macs, params, {})


# --- what it cannot count
def test_uncounted_operations_are_listed_with_their_calls():
    def odd(x, lstm, upsample):
        paddle.fft.fft(x)
        paddle.linalg.svd(x)
        paddle.linalg.multi_dot([x[0], x[0].T, x[0]])
        lstm(lstm(x)[0])
        F.bilinear(x[0], x[0], tensor(5, 4, 4))
        return upsample(x[None])

    counted = count(Function(odd, nn.LSTM(4, 4), nn.Upsample(scale_factor=2, mode="bilinear")), tensor(2, 3, 4))
    once = ("bilinear_interp_v2", "bilinear_tensor_product", "fft_r2c", "multi_dot", "svd")
    assert counted.uncounted == {**dict.fromkeys(once, 1), "rnn": 2}
    assert counted.macs == 0


def test_lstm_cells_are_counted():
    """nn.RNN of cells works step by step with matmul, so it can be counted where the LSTM kernel cannot."""
    counted = count(nn.RNN(nn.LSTMCell(4, 5)), tensor(2, 3, 4))
    assert counted.macs == 2 * 3 * (4 * 20 + 5 * 20)
    assert counted.uncounted == {}


def test_a_matmul_that_escapes_is_listed():
    escaped = types.SimpleNamespace(matmul=paddle._C_ops.matmul)  # bound where no module shows it
    counted = count(Function(lambda x: escaped.matmul(x, RIGHT, False, False)), LEFT)
    assert (counted.macs, counted.uncounted) == (0, {"matmul_v2": 1})


def test_custom_and_old_style_operations_are_listed(monkeypatch):
    monkeypatch.setattr(paddle._C_ops, "_run_custom_op", lambda name, x: x)

    def odd(x):
        paddle._C_ops._run_custom_op("my_convolution", x)
        return paddle._legacy_C_ops.matmul_v2(x, x, "trans_y", True)

    assert count(Function(odd), LEFT).uncounted == {"custom my_convolution": 1, "matmul_v2": 1}


def test_a_loaded_program_is_listed(tmp_path):
    spec = [paddle.static.InputSpec([None, 4])]
    paddle.jit.save(nn.Linear(4, 3), str(tmp_path / "linear"), input_spec=spec)
    counted = count(paddle.jit.load(str(tmp_path / "linear")), (1, 4))
    assert counted.macs == 0
    assert counted.uncounted["pd_op.matmul"] == 1


def test_to_static_is_counted_as_the_python_it_came_from(capfd):
    model = paddle.jit.to_static(nn.Sequential(nn.Linear(4, 3), nn.ReLU()), full_graph=True)
    forward = model.forward
    counted = count(model, (1, 4))
    assert (counted.macs, counted.uncounted) == (12, {})
    assert model.forward is forward
    assert paddle.jit.dy2static.program_translator.ProgramTranslator().enable_to_static
    assert capfd.readouterr() == ("", "")


# --- it leaves no trace
class Troubled(nn.Layer):
    """Everything a count could disturb: frozen layers, statistics, buffers, hooks, random numbers, a way to fail."""

    def __init__(self, fail=False):
        super().__init__()
        self.fail = fail
        self.body = nn.Sequential(
            nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4, use_global_stats=False), nn.Dropout(0.5), nn.ReLU()
        )
        self.frozen = nn.BatchNorm2D(4)
        self.inner = Function(self.end)
        self.lstm = nn.LSTM(2, 2)  # owns a buffer without memory
        self.register_buffer("steps", paddle.zeros([1]))
        self.register_buffer("total", paddle.zeros([2]))
        self.train()
        self.frozen.eval()
        self.body[0].weight.stop_gradient = True
        self.body[0].register_forward_post_hook(lambda layer, inputs, outputs: None)

    def end(self, x):
        np.random.rand()  # noqa: NPY002
        random.random()
        if self.fail:
            raise KeyError("out of luck")
        return x @ x

    def forward(self, x):
        self.steps = self.steps + 1
        self.total.add_(paddle.ones([2]))
        return self.inner(self.frozen(self.body(x + paddle.rand(x.shape))))


def state(model):
    """Everything that must not change."""
    patched = [paddle._C_ops, paddle._legacy_C_ops, paddle.tensor, paddle.tensor.linalg, paddle.linalg]
    return {
        "modes": {name: layer.training for name, layer in model.named_sublayers(include_self=True)},
        "attributes": {name: set(vars(layer)) for name, layer in model.named_sublayers(include_self=True)},
        "hooks": {
            name: (list(layer._forward_pre_hooks), list(layer._forward_post_hooks))
            for name, layer in model.named_sublayers(include_self=True)
        },
        "tensors": {
            name: (id(value), value.stop_gradient, value.numpy().tolist() if value._is_initialized() else None)
            for name, value in [*model.named_parameters(), *model.named_buffers()]
        },
        "generators": (repr(np.random.get_state()), random.getstate()),  # noqa: NPY002
        "operations": [dict(vars(module)) for module in patched],
        "products": [paddle.Tensor.__matmul__, paddle.Tensor.__rmatmul__],
        "flags": paddle.get_flags("FLAGS_low_precision_op_list"),
        "gradients": paddle.is_grad_enabled(),
        "translator": paddle.jit.dy2static.program_translator.ProgramTranslator().enable_to_static,
    }


@contextlib.contextmanager
def unchanged(model):
    """The block leaves everything as it was, and the random numbers that come next."""
    paddle.set_flags({"FLAGS_low_precision_op_list": 0})
    paddle.seed(7)
    before = state(model)
    expected = paddle.rand([3]).tolist()
    paddle.seed(7)
    yield
    after = state(model)
    for what in before:
        assert after[what] == before[what], what
    assert paddle.rand([3]).tolist() == expected


@pytest.mark.parametrize("fail", [False, True])
def test_everything_is_as_before(fail):
    model = Troubled(fail)
    refused = pytest.raises(ForwardError) if fail else contextlib.nullcontext()
    with unchanged(model), refused:
        assert count(model, (3, 8, 8)).macs == 36 * 4 * 27 + 4 * 6**3


def test_the_pass_is_in_eval_mode_and_without_gradients():
    seen = []
    model = Function(lambda x, dropout: seen.append((paddle.is_grad_enabled(), dropout.training)), nn.Dropout())
    count(model, (1, 4))
    assert seen == [(False, False)]


def test_the_given_tensor_is_not_written_to():
    example = paddle.ones([2, 3])
    count(Function(lambda x: x.add_(x)), example)
    assert example.tolist() == [[1.0] * 3] * 2


def test_a_running_collection_of_operators_goes_on():
    """The list of launched kernels is Paddle's own; somebody else's use of it survives."""
    paddle.set_flags({"FLAGS_low_precision_op_list": 1})
    try:
        assert count(nn.Linear(2, 2), (1, 2)).uncounted == {}
        assert paddle.get_flags("FLAGS_low_precision_op_list") == {"FLAGS_low_precision_op_list": 1}
    finally:
        paddle.set_flags({"FLAGS_low_precision_op_list": 0})


@pytest.mark.filterwarnings("error")
def test_it_prints_nothing(capfd):
    count(Troubled(), (3, 8, 8))
    count(paddle.vision.models.mobilenet_v2(scale=0.25), (3, 32, 32))
    assert capfd.readouterr() == ("", "")


# --- the faults of paddle.flops
class Own(nn.Conv2D):
    """A subclass, which paddle.flops takes for free; so it does functional calls."""


@pytest.mark.parametrize(
    "model",
    [
        *(nn.Conv2D(3, 4, 3), nn.Conv2D(3, 4, 3, bias_attr=False), Own(3, 4, 3)),
        nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4), nn.LeakyReLU(), nn.AvgPool2D(2), nn.AdaptiveAvgPool2D(1)),
        Function(lambda x: F.conv2d(x, tensor(4, 3, 3, 3))),
    ],
    ids=["bias", "no bias", "subclass", "batch norm, activation, pools", "function"],
)
def test_only_the_convolution_has_macs(model):
    assert count(model, (3, 8, 8)).macs == 36 * 4 * 27


def test_a_transposed_convolution_is_not_inflated():
    """paddle.flops multiplies by output positions here: stride² times too many."""
    assert count(nn.Conv2DTranspose(3, 4, 2, stride=2), (3, 8, 8)).macs == 64 * 3 * 4 * 4


def test_no_buffers_stay_and_results_are_plain_ints():
    model = nn.Sequential(nn.Conv2D(3, 4, 3), nn.BatchNorm2D(4))
    counted = count(model, (3, 8, 8))  # paddle.flops raises here under numpy 2.4
    assert list(model.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias", "1._mean", "1._variance"]
    assert model.buffers() == []
    assert {type(counted.macs), type(counted.params), type(counted.activations)} == {int}


# --- errors
@pytest.mark.parametrize("shape", [(3, 0, 8), (3, -1, 8), (3, 8.0, 8), (None, 3, 8, 8), (), "3", 3, (True, 8, 8)])
def test_a_wrong_shape_is_named(shape):
    with pytest.raises(ValueError, match="input_shape"):
        count(nn.Conv2D(3, 4, 3), shape)


@pytest.mark.parametrize("model", [None, nn.Conv2D, lambda x: x])
def test_a_model_must_be_a_layer(model):
    with pytest.raises(ValueError, match=r"model must be a paddle\.nn\.Layer"):
        count(model, (3, 8, 8))


def test_an_error_names_the_layer_and_keeps_the_original():
    with pytest.raises(ForwardError, match=r"in layer inner \(Function\) .*\(1, 3, 8, 8\).*KeyError") as caught:
        count(Troubled(fail=True), (3, 8, 8))
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(ForwardError, match=r"in layer 1 \(Conv2D\)"):
        count(nn.Sequential(nn.Conv2D(3, 4, 3), nn.Conv2D(5, 4, 3)), (3, 8, 8))
    with pytest.raises(ForwardError, match=r"in layer \(model\) \(Linear\)"):
        count(nn.Linear(3, 4), (1, 5))


# --- launched kernels
def test_launches_of_a_network_are_those_of_its_table():
    model = models.build("mobilenet_v2", width_multiplier=0.25, resolution=32)
    rows = architectures.mobilenet_v2(0.25, 32, 10, stem_stride=1).rows
    kinds = [row.kind for row in rows]
    for _ in range(2):  # those of an earlier call do not count
        launched = launches(model, (3, 32, 32))
        assert launched["depthwise_conv2d"] == kinds.count("depthwise")
        assert launched["conv2d"] == kinds.count("conv") + kinds.count("pointwise")
        assert launched["batch_norm"] == sum(row.batch_norm for row in rows)
        assert launched["relu6"] == sum(row.activation == "relu6" for row in rows)
    assert list(launched.values()) == sorted(launched.values(), reverse=True)
    with pytest.raises(ValueError, match=r"Layer, not int"):
        launches(3, (3, 32, 32))


def test_counting_launches_leaves_everything_as_before():
    model = Troubled(fail=False)
    with unchanged(model):
        assert launches(model, (3, 8, 8))["conv2d"] > 0
