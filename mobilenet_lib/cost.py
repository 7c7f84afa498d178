"""What one layer costs: multiply-accumulates, parameters, shapes and activations, from its numbers alone.

One multiply-accumulate (MAC) is `sum += weight * value`. It is two floating-point operations, so
FLOPs = 2 · MACs. Additions of a bias, batch norm and activation functions are not counted, as in both
MobileNet papers. Shapes are (channels, height, width); the batch is always one image.

Introduced in lesson 01; the separable layer in lesson 02.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from mobilenet_lib._support.arguments import whole_number

Pair = int | tuple[int, int]
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class Cost:
    """The price of one layer for one image.

    macs: multiply-accumulates. params: trainable numbers. output_shape: (channels, height, width).
    activations: how many numbers the layer writes, channels · height · width of its output.
    """

    macs: int
    params: int
    output_shape: Shape
    activations: int

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition per MAC."""
        return 2 * self.macs


@dataclass(frozen=True)
class SeparableCost:
    """The price of a depthwise convolution followed by a pointwise one; the totals are their sums."""

    depthwise: Cost
    pointwise: Cost

    @property
    def macs(self) -> int:
        return self.depthwise.macs + self.pointwise.macs

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def params(self) -> int:
        return self.depthwise.params + self.pointwise.params

    @property
    def activations(self) -> int:
        """Numbers written by both layers: the depthwise output is an activation of its own."""
        return self.depthwise.activations + self.pointwise.activations

    @property
    def output_shape(self) -> Shape:
        return self.pointwise.output_shape


def conv2d(
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair | str = "same",
    groups: int = 1,
    bias: bool = False,
) -> Cost:
    """Cost of a convolution, in closed form.

    MACs = out_height · out_width · out_channels · (in_channels / groups) · kernel_height · kernel_width,
    which with one group is D_F · D_F · N · M · D_K · D_K of the MobileNet V1 paper (section 3.1).

    kernel_size, input_size, stride: an int or a pair (height, width). padding: an int or a pair, added on
    both sides; "valid" (none); or "same" (output = input / stride, rounded up). groups = in_channels with
    as many outputs makes a depthwise convolution.

    Raises ValueError for a number that is not a positive integer, groups that do not divide both
    channel counts, and a kernel larger than the padded input.
    """
    layer = _Layer.checked(in_channels, out_channels, kernel_size, input_size, stride, padding, groups)
    height, width = layer.output_size
    weights = out_channels * (in_channels // groups) * layer.kernel[0] * layer.kernel[1]
    return Cost(
        macs=height * width * weights,
        params=weights + (out_channels if bias else 0),
        output_shape=(out_channels, height, width),
        activations=out_channels * height * width,
    )


def depthwise_separable(
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair | str = "same",
    bias: bool = False,
) -> SeparableCost:
    """Cost of a depthwise convolution (one kernel per channel) and the 1×1 convolution that mixes its channels.

    Equation 5 of the MobileNet V1 paper: D_K · D_K · M · D_F · D_F + M · N · D_F · D_F MACs. The stride and the
    padding belong to the depthwise part. Raises ValueError as `conv2d` does.
    """
    depthwise = conv2d(
        in_channels, in_channels, kernel_size, input_size, stride, padding, groups=in_channels, bias=bias
    )
    pointwise = conv2d(in_channels, out_channels, 1, depthwise.output_shape[1:], bias=bias)
    return SeparableCost(depthwise, pointwise)


def linear(in_features: int, out_features: int, bias: bool = True) -> Cost:
    """Cost of a fully connected layer: every output is a weighted sum of every input.

    Raises ValueError for a number that is not a positive integer.
    """
    weights = whole_number("in_features", in_features) * whole_number("out_features", out_features)
    return Cost(
        macs=weights,
        params=weights + (out_features if bias else 0),
        output_shape=(out_features, 1, 1),
        activations=out_features,
    )


def brute_force(
    in_channels: int,
    out_channels: int,
    kernel_size: Pair,
    input_size: Pair,
    stride: Pair = 1,
    padding: Pair | str = "same",
    groups: int = 1,
    bias: bool = False,
) -> Cost:
    """The same cost, found by walking through the loops of a convolution and counting one by one.

    Uses no formula, so it can prove the formulas of `conv2d`: the window is slid over the padded input until it
    would leave it. Multiplications with padding zeros count, because the loops perform them. Slow on purpose; keep
    the layer small. Raises ValueError as `conv2d` does.
    """
    layer = _Layer.checked(in_channels, out_channels, kernel_size, input_size, stride, padding, groups)
    tops = list(range(0, layer.padded[0] - layer.kernel[0] + 1, layer.stride[0]))
    lefts = list(range(0, layer.padded[1] - layer.kernel[1] + 1, layer.stride[1]))
    group_of_input = [channel * groups // in_channels for channel in range(in_channels)]
    group_of_output = [channel * groups // out_channels for channel in range(out_channels)]

    macs, weights, outputs = 0, set(), set()
    for out_channel, top, left in itertools.product(range(out_channels), tops, lefts):
        outputs.add((out_channel, top, left))
        for in_channel in range(in_channels):
            if group_of_input[in_channel] != group_of_output[out_channel]:
                continue
            for row, column in itertools.product(range(layer.kernel[0]), range(layer.kernel[1])):
                weights.add((out_channel, in_channel, row, column))
                macs += 1
    biases = {out_channel for out_channel, _, _ in outputs} if bias else set()
    return Cost(macs, len(weights) + len(biases), (out_channels, len(tops), len(lefts)), len(outputs))


@dataclass(frozen=True)
class _Layer:
    """A convolution's numbers as (height, width) pairs, checked."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    padded: tuple[int, int]

    @property
    def output_size(self) -> tuple[int, int]:
        """How often the window fits: floor((padded − kernel) / stride) + 1, per side."""
        height, width = (
            (size - kernel) // stride + 1
            for size, kernel, stride in zip(self.padded, self.kernel, self.stride, strict=True)
        )
        return height, width

    @classmethod
    def checked(
        cls,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        input_size: Pair,
        stride: Pair,
        padding: Pair | str,
        groups: int,
    ) -> _Layer:
        for name, value in (("in_channels", in_channels), ("out_channels", out_channels), ("groups", groups)):
            whole_number(name, value)
        if in_channels % groups or out_channels % groups:
            raise ValueError(
                f"groups={groups} must divide both in_channels={in_channels} and out_channels={out_channels}, "
                "because every group gets an equal part of each"
            )
        kernel, size, step = (
            _pair(name, value)
            for name, value in (("kernel_size", kernel_size), ("input_size", input_size), ("stride", stride))
        )
        padded = _padded(size, kernel, step, padding)
        if kernel[0] > padded[0] or kernel[1] > padded[1]:
            raise ValueError(
                f"kernel_size={kernel} must fit into the padded input {padded} "
                f"(input_size={size}, padding={padding!r}): use a smaller kernel, a larger input or more padding"
            )
        return cls(kernel, step, padded)


def _pair(name: str, value: Pair, minimum: int = 1) -> tuple[int, int]:
    """An int or a pair as (height, width), each at least `minimum`."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(values) != 2:
        raise ValueError(f"{name} must be one number or a pair (height, width), not {value!r}")
    return whole_number(name, values[0], minimum), whole_number(name, values[1], minimum)


def _padded(
    size: tuple[int, int], kernel: tuple[int, int], stride: tuple[int, int], padding: Pair | str
) -> tuple[int, int]:
    """Height and width of the input after padding."""
    if padding == "valid":
        return size
    if padding == "same":
        # Just enough that ceil(n / s) windows fit: the last one starts at (ceil(n / s) − 1) · s.
        height, width = (max(n, (-(-n // s) - 1) * s + k) for n, k, s in zip(size, kernel, stride, strict=True))
        return height, width
    if isinstance(padding, str):
        raise ValueError(f'padding must be a number, a pair, "same" or "valid", not {padding!r}')
    vertical, horizontal = _pair("padding", padding, minimum=0)
    return size[0] + 2 * vertical, size[1] + 2 * horizontal
