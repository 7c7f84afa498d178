"""MobileNet V1 and V2 as tables: blocks, rows, and what every row costs.

A network is data first. Its `blocks` are the rows of the paper's table; each block unfolds into the `rows` of the cost
table, one per convolution, pooling or fully connected layer. `mobilenet_lib.models` builds Paddle layers from the same
blocks, and `mobilenet_lib.baselines` holds the other networks of the course. Nothing here imports Paddle.

Introduced in lesson 04 (V1) and lesson 06 (V2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from numbers import Real
from typing import TYPE_CHECKING, Any

from mobilenet_lib import cost
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.cost import Cost, Shape

if TYPE_CHECKING:
    import pandas as pd

_Part = tuple[str, str, int, int]  # of a block: end of the name, kind, output channels, stride

# MobileNet V1 paper, Table 1: (stride of the depthwise part, output channels of the pointwise part). The paper prints
# stride 2 in the last row; its own 569 M MACs need stride 1 there.
V1_SEPARABLE = ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512), *[(1, 512)] * 5, (2, 1024), (1, 1024))

# MobileNet V2 paper, Table 2: t (expansion), c (output channels), n (repeats), s (stride of the first repeat).
V2_BOTTLENECKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

KINDS = {
    "conv": "standard convolution",
    "depthwise": "depthwise convolution",
    "pointwise": "1×1 convolution",
    "linear": "fully connected",
    "pool": "pooling",
}


@dataclass(frozen=True)
class Row:
    """One layer of the cost table.

    name: block and part, such as "separable3.depthwise". kind: a key of `KINDS`. input_shape and output_shape:
    (channels, height, width). batch_norm: whether a batch norm follows. activation: "relu", "relu6" or "none".
    kept: numbers kept in memory for the shortcut while this layer works, beside its input and output.
    kernel_size: side of the window; for a fully connected layer, which sees all of its input, the input's side.
    on_shortcut: whether it stands beside the block's other layers, on the block's own input.
    """

    name: str
    kind: str
    input_shape: Shape
    stride: int
    cost: Cost
    batch_norm: bool = False
    bias: bool = False
    activation: str = "none"
    kept: int = 0
    kernel_size: int = 1
    on_shortcut: bool = False

    @property
    def output_shape(self) -> Shape:
        return self.cost.output_shape

    @property
    def macs(self) -> int:
        return self.cost.macs

    @property
    def params(self) -> int:
        """Weights only, as both papers count."""
        return self.cost.params - (self.output_shape[0] if self.bias else 0)

    @property
    def trainable_params(self) -> int:
        """Weights, bias, and the scale and shift of the batch norm: what an optimiser changes."""
        return self.cost.params + (2 * self.output_shape[0] if self.batch_norm else 0)

    @property
    def live_activations(self) -> int:
        """Activation memory while this layer works: input, output, and what is kept for the shortcut."""
        return math.prod(self.input_shape) + math.prod(self.output_shape) + self.kept


@dataclass(frozen=True)
class Block:
    """One line of a paper's table.

    kind: "conv" (k×k, batch norm, activation), "separable" (V1: depthwise, pointwise), "bottleneck" (V2: expand,
    depthwise, project), "residual" (ResNet: reduce, k×k, expand; its last activation stands behind the sum), "pool"
    (averages: over `windows` one after another, or to a grid of `grid` × `grid`), "max_pool" or "linear".
    expand: whether a bottleneck has its 1×1 expansion; the paper leaves it out where expansion is 1. linear: whether
    its projection has no activation, as in the paper.
    shortcut: "none", "identity" (input added to output), or "projection" (input through a 1×1 convolution first).
    dropout: the probability with which a fully connected layer's outputs become 0 in training.
    """

    name: str
    kind: str
    in_channels: int
    out_channels: int
    input_size: int
    kernel_size: int = 3
    stride: int = 1
    activation: str = "relu"
    expansion: int = 1
    expand: bool = False
    linear: bool = True
    shortcut: str = "none"
    batch_norm: bool = True
    bias: bool = False
    windows: tuple[int, ...] = ()
    grid: int = 1
    dropout: float = 0.0

    @property
    def hidden_channels(self) -> int:
        """Channels inside a block: t · input channels of a bottleneck; a t-th of a residual block's output channels."""
        return self.out_channels // self.expansion if self.kind == "residual" else self.expansion * self.in_channels

    @property
    def input_shape(self) -> Shape:
        return (self.in_channels, self.input_size, self.input_size)

    @property
    def rows(self) -> tuple[Row, ...]:
        return tuple(_UNFOLD[self.kind](self))

    @property
    def output_shape(self) -> Shape:
        return self.rows[-1].output_shape


@dataclass(frozen=True)
class Table:
    """A whole network as blocks, with its totals for one image."""

    name: str
    resolution: int
    blocks: tuple[Block, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every layer, in the order an image passes through them."""
        return tuple(row for block in self.blocks for row in block.rows)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of convolutions and classifier."""
        return sum(row.macs for row in self.rows)

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def params(self) -> int:
        """Weights only, the convention under which both papers' figures reproduce."""
        return sum(row.params for row in self.rows)

    @property
    def trainable_params(self) -> int:
        """Weights, biases, and batch norm's scales and shifts: what Paddle trains."""
        return sum(row.trainable_params for row in self.rows)

    @property
    def peak_activations(self) -> int:
        """The most activation memory, in numbers, when layers run one by one: input + output + what a shortcut keeps.

        Batch norm and activation are taken to work in place. The V2 paper's Table 3 counts otherwise.
        """
        return max(row.live_activations for row in self.rows)

    @property
    def receptive_fields(self) -> tuple[int, ...]:
        """For each row, the side in pixels of the square of the image on which one number of its output depends.

        Each window adds (k − 1) steps of the feature map it moves on, and each stride makes the steps longer. Borders
        do not count, so deep in the network the square is larger than the image; what lies outside is padding.
        """
        side, step, sides = 1, 1, []
        for block in self.blocks:
            begin = side
            for row in block.rows:
                if row.on_shortcut:  # a 1×1 convolution on what the block begins with
                    sides.append(begin)
                    continue
                side += (row.kernel_size - 1) * step
                step *= row.stride
                sides.append(side)
        return tuple(sides)

    @property
    def num_classes(self) -> int:
        return self.blocks[-1].out_channels

    def to_frame(self) -> pd.DataFrame:
        """The cost table as a pandas frame, a row per layer."""
        import pandas as pd

        columns = ("name", "kind", "input_shape", "output_shape", "stride", "macs", "params", "trainable_params")
        columns += ("activation", "live_activations")
        frame = pd.DataFrame([[getattr(row, column) for column in columns] for row in self.rows], columns=columns)
        return frame.rename(columns={"input_shape": "input", "output_shape": "output"})

    def by_kind(self) -> pd.DataFrame:
        """MACs and params of each kind of layer with their fractions in percent (V1 paper, Table 2)."""
        sums = self.to_frame().groupby("kind", sort=False)[["macs", "params"]].sum()
        sums["macs_percent"] = 100 * sums["macs"] / self.macs
        sums["params_percent"] = 100 * sums["params"] / self.params
        return sums.sort_values("macs", ascending=False)


def mobilenet_v1(
    width_multiplier: float = 1.0,
    resolution: int = 224,
    num_classes: int = 1000,
    stem_stride: int = 2,
    *,
    separable: bool = True,
    shallow: bool = False,
    activation: str = "relu",
    pairs: Sequence[tuple[int, int]] = V1_SEPARABLE,
) -> Table:
    """MobileNet V1 (arXiv 1704.04861, Table 1).

    width_multiplier: the paper's α; every channel count becomes int(α · channels). resolution: height and width of the
    input in pixels. stem_stride: 2 in the paper; 1 keeps 32×32 images from shrinking to a single 1×1 feature map.
    separable=False has a standard 3×3 convolution in place of each separable one (Table 4); shallow=True leaves out the
    five layers of 14×14×512 (Table 5). activation: "relu" in the paper; its authors' code has "relu6". pairs: the
    (stride, channels) of the separable layers, for a network that is not the paper's. Raises ValueError for an unknown
    activation and for numbers that make no network: a width that leaves a layer without channels, a resolution or class
    count below 1, a stem stride other than 1 and 2.
    """
    check(width_multiplier, resolution, num_classes, stem_stride)
    if activation not in ("relu", "relu6"):
        raise ValueError(f'activation must be "relu" or "relu6", not {activation!r}')

    def width(channels: int) -> int:
        return _at_least_one(int(channels * exact(width_multiplier)), channels, width_multiplier)

    builder = Builder(resolution)
    builder.add("stem", "conv", width(32), stride=stem_stride, activation=activation)
    layers = [*pairs[:6], *pairs[11:]] if shallow else pairs
    kind = "separable" if separable else "conv"
    for number, (stride, channels) in enumerate(layers, start=1):
        builder.add(f"{kind}{number}", kind, width(channels), stride=stride, activation=activation)
    builder.add("pool", "pool", builder.channels)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    form = ("" if separable else ", full convolutions") + (", shallow" if shallow else "")
    form += "" if activation == "relu" else f", {activation}"
    return builder.table(_title("MobileNet V1", width_multiplier, resolution) + form)


def mobilenet_v2(
    width_multiplier: float = 1.0,
    resolution: int = 224,
    num_classes: int = 1000,
    stem_stride: int = 2,
    *,
    linear: bool = True,
    shortcuts: bool = True,
    bottlenecks: Sequence[tuple[int, int, int, int]] = V2_BOTTLENECKS,
) -> Table:
    """MobileNet V2 (arXiv 1801.04381, Table 2).

    width_multiplier: channel counts are α · channels rounded by `make_divisible`; below α = 1 the last convolution
    keeps its 1280 channels. The paper's 300 M MACs need the first bottleneck (t = 1) without an expansion.
    stem_stride: 2 in the paper; 1 keeps 32×32 images from shrinking to a single 1×1 map. linear=False puts a ReLU6
    behind every projection, shortcuts=False leaves all shortcuts out: the comparisons of the paper's figure 6.
    bottlenecks: the (t, c, n, s) of the stages, for a network that is not the paper's. Raises ValueError for numbers
    that make no network, as `mobilenet_v1` does, and for stages that are not four whole numbers of at least 1.
    """
    check(width_multiplier, resolution, num_classes, stem_stride)
    _check_bottlenecks(bottlenecks)

    def width(channels: int) -> int:
        return make_divisible(channels * exact(width_multiplier))

    builder = Builder(resolution)
    builder.add("stem", "conv", width(32), stride=stem_stride, activation="relu6")
    number = 0
    for expansion, channels, repeats, first_stride in bottlenecks:
        for repeat in range(repeats):
            number += 1
            stride = first_stride if repeat == 0 else 1
            same_shape = stride == 1 and builder.channels == width(channels)
            builder.add(
                f"bottleneck{number}",
                "bottleneck",
                width(channels),
                stride=stride,
                activation="relu6",
                expansion=expansion,
                expand=expansion != 1,
                linear=linear,
                shortcut="identity" if shortcuts and same_shape else "none",
            )
    head = make_divisible(1280 * max(1, exact(width_multiplier)))
    builder.add("head", "conv", head, kernel_size=1, activation="relu6")
    builder.add("pool", "pool", builder.channels)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    form = ("" if linear else ", ReLU6 projections") + ("" if shortcuts else ", no shortcuts")
    return builder.table(_title("MobileNet V2", width_multiplier, resolution) + form)


def exact(number: Real) -> Fraction:
    """The number as it is written, because rounding decides: in floating point 100 · 0.29 is 28.999999999999996."""
    return Fraction(str(number))


def make_divisible(channels: float | Fraction, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least one of them, and never below 90 % of `channels`.

    The rounding of the MobileNet V2 authors' own code: hardware likes multiples of 8, and the 90 % rule keeps small
    widths from losing too much.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if 10 * rounded < 9 * channels else rounded


class Builder:
    """Chains blocks: each begins with the channels and the size of the feature map that the one before leaves."""

    def __init__(self, resolution: int) -> None:
        self.blocks: list[Block] = []
        self.channels, self.size, self.resolution = 3, resolution, resolution

    def add(self, name: str, kind: str, out_channels: int, **options: Any) -> None:
        block = Block(name, kind, self.channels, out_channels, self.size, **options)
        self.blocks.append(block)
        self.channels, self.size = block.output_shape[0], block.output_shape[1]

    def table(self, name: str) -> Table:
        return Table(name, self.resolution, tuple(self.blocks))


def _conv_rows(block: Block) -> Iterator[Row]:
    kind = "pointwise" if block.kernel_size == 1 else "conv"
    yield from _convolutions(block, ("", kind, block.out_channels, block.stride))


def _separable_rows(block: Block) -> Iterator[Row]:
    depthwise = (".depthwise", "depthwise", block.in_channels, block.stride)
    yield from _convolutions(block, depthwise, (".pointwise", "pointwise", block.out_channels, 1))


def _bottleneck_rows(block: Block) -> Iterator[Row]:
    expand = [(".expand", "pointwise", block.hidden_channels, 1)] if block.expand else []
    depthwise = (".depthwise", "depthwise", block.hidden_channels, block.stride)
    project = (".project", "pointwise", block.out_channels, 1)
    yield from _with_shortcut(block, "none" if block.linear else block.activation, *expand, depthwise, project)


def _residual_rows(block: Block) -> Iterator[Row]:
    reduce = (".reduce", "pointwise", block.hidden_channels, 1)
    conv = (".conv", "conv", block.hidden_channels, block.stride)
    yield from _with_shortcut(block, "none", reduce, conv, (".expand", "pointwise", block.out_channels, 1))


def _with_shortcut(block: Block, last_activation: str, *parts: _Part) -> Iterator[Row]:
    """Convolutions around which the block's input goes, and the 1×1 convolution on that shortcut if there is one."""
    kept = 0 if block.shortcut == "none" else math.prod(block.input_shape)
    *rows, last = _convolutions(block, *parts, kept=kept)
    yield from rows
    yield replace(last, activation=last_activation)
    if block.shortcut == "projection":
        (row,) = _convolutions(block, (".shortcut", "pointwise", block.out_channels, block.stride))
        yield replace(row, activation="none", kept=math.prod(last.output_shape), on_shortcut=True)


def _convolutions(block: Block, *parts: _Part, kept: int = 0) -> Iterator[Row]:
    """Convolutions one after another, each with the block's batch norm and activation.

    kept: numbers kept for the shortcut from the second one on; while the first works, they are its own input.
    """
    shape = block.input_shape
    for number, (part, kind, out_channels, stride) in enumerate(parts):
        size, groups = 1 if kind == "pointwise" else block.kernel_size, shape[0] if kind == "depthwise" else 1
        price = cost.conv2d(shape[0], out_channels, size, shape[1:], stride, groups=groups, bias=block.bias)
        options = (block.batch_norm, block.bias, block.activation, kept if number else 0, size)
        yield Row(block.name + part, kind, shape, stride, price, *options)
        shape = price.output_shape


def _pool_rows(block: Block) -> Iterator[Row]:
    if not block.windows:
        # Windows at whole steps cover the input; to fill a larger grid from 1×1 they don't move (stride 0).
        stride = block.input_size // block.grid
        yield _pool_row(block, "", block.input_shape, block.grid, block.input_size - (block.grid - 1) * stride, stride)
    shape = block.input_shape
    for number, window in enumerate(block.windows, start=1):
        suffix = str(number) if len(block.windows) > 1 else ""
        yield (row := _pool_row(block, suffix, shape, shape[1] // window, window, window))
        shape = row.output_shape


def _max_pool_rows(block: Block) -> Iterator[Row]:
    padding = (block.kernel_size - 1) // 2  # as a convolution's; none for 2×2
    size = (block.input_size + 2 * padding - block.kernel_size) // block.stride + 1
    yield _pool_row(block, "", block.input_shape, size, block.kernel_size, block.stride)


def _pool_row(block: Block, part: str, shape: Shape, size: int, kernel_size: int, stride: int) -> Row:
    price = Cost(0, 0, (shape[0], size, size), shape[0] * size * size)
    return Row(block.name + part, "pool", shape, stride, price, kernel_size=kernel_size)


def _linear_rows(block: Block) -> Iterator[Row]:
    price = cost.linear(math.prod(block.input_shape), block.out_channels, bias=block.bias)
    options = {"bias": block.bias, "activation": block.activation, "kernel_size": block.input_size}
    yield Row(block.name, "linear", block.input_shape, 1, price, **options)


_UNFOLD = {
    "conv": _conv_rows,
    "separable": _separable_rows,
    "bottleneck": _bottleneck_rows,
    "residual": _residual_rows,
    "pool": _pool_rows,
    "max_pool": _max_pool_rows,
    "linear": _linear_rows,
}


def check(width_multiplier: float, resolution: int, num_classes: int, stem_stride: int = 2) -> None:
    """ValueError with a sentence for numbers that make no network."""
    number = isinstance(width_multiplier, Real) and not isinstance(width_multiplier, bool)
    if not number or not 0 < width_multiplier < math.inf:
        raise ValueError(f"width_multiplier must be a number above 0, such as 0.5, not {width_multiplier!r}")
    whole_number("resolution", resolution)
    whole_number("num_classes", num_classes)
    if stem_stride not in (1, 2):
        raise ValueError(f"stem_stride must be 1 or 2, not {stem_stride!r}")


def _check_bottlenecks(bottlenecks: Sequence[tuple[int, int, int, int]]) -> None:
    try:
        stages = [(t, c, n, s) for t, c, n, s in bottlenecks]
    except (TypeError, ValueError):
        raise ValueError(
            f"bottlenecks must be stages of four numbers (t, c, n, s), such as {V2_BOTTLENECKS[:2]}, "
            f"not {bottlenecks!r}"
        ) from None
    for stage in stages:
        for name, value in zip(("t", "c", "n", "s"), stage, strict=True):
            whole_number(f"{name} of a bottleneck", value)


def _at_least_one(channels: int, of: int, width_multiplier: float) -> int:
    if channels < 1:
        raise ValueError(f"width_multiplier={width_multiplier} leaves none of {of} channels: use at least {1 / of:.3f}")
    return channels


def _title(name: str, width_multiplier: float, resolution: int) -> str:
    return f"{name}, α = {float(width_multiplier):g}, {resolution}×{resolution}"
