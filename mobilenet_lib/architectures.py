"""MobileNet V1 and V2 as tables: blocks, rows, and what every row costs.

A network is data first. Its `blocks` are the rows of the paper's table; each block unfolds into the `rows` of the
ledger, one per convolution, pooling or fully connected layer. `mobilenet_lib.models` builds Paddle layers from the
same blocks. Nothing here imports Paddle.

Introduced in lesson 04 (V1) and lesson 06 (V2).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING

from mobilenet_lib import cost
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.cost import Cost, Shape

if TYPE_CHECKING:
    import pandas as pd

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

# What the seed article's V2 does differently from the paper's, in the order of its code.
ARTICLE_DEVIATIONS = ("stem of stride 1", "expansion at t = 1", "1×1 on the shortcut", "biases", "two pools")

KINDS = {
    "conv": "standard convolution",
    "depthwise": "depthwise convolution",
    "pointwise": "1×1 convolution",
    "linear": "fully connected",
    "pool": "pooling",
}


@dataclass(frozen=True)
class Row:
    """One layer of the ledger.

    name: block and part, such as "separable3.depthwise". kind: a key of `KINDS`. input_shape and output_shape:
    (channels, height, width). batch_norm: whether a batch norm follows. activation: "relu", "relu6" or "none".
    held: numbers that must be kept in memory for a shortcut while this layer works, beside its input and output.
    kernel_size: side of the window; for a fully connected layer, which sees all of its input, the input's side.
    """

    name: str
    kind: str
    input_shape: Shape
    stride: int
    cost: Cost
    batch_norm: bool = False
    bias: bool = False
    activation: str = "none"
    held: int = 0
    kernel_size: int = 1

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
        """Numbers in memory while this layer works: input, output, and what a shortcut holds."""
        return math.prod(self.input_shape) + math.prod(self.output_shape) + self.held


@dataclass(frozen=True)
class Block:
    """One line of a paper's table.

    kind: "conv" (k×k, batch norm, activation), "separable" (V1: depthwise, pointwise), "bottleneck" (V2: expand,
    depthwise, project), "pool" (over the map, or over windows one after another) or "linear" (fully connected).
    expand: whether a bottleneck has its 1×1 expansion; the paper leaves it out where expansion is 1. linear: whether its
    projection has no activation, as in the paper.
    shortcut: "none", "identity" (input added to output), or "projection" (input through a 1×1 convolution first).
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
    windows: tuple[int, ...] = ()  # of a pool; empty means the whole map

    @property
    def hidden_channels(self) -> int:
        """Channels between the expansion and the projection of a bottleneck: t · input channels."""
        return self.expansion * self.in_channels

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
    """A whole network as blocks, with its totals for one picture."""

    name: str
    resolution: int
    blocks: tuple[Block, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every layer, in the order a picture passes through them."""
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
        """The most numbers in memory at once when layers run one by one: input + output + held shortcut.

        Batch norm and activation are taken to work in place. The V2 paper's Table 3 counts otherwise.
        """
        return max(row.live_activations for row in self.rows)

    @property
    def receptive_fields(self) -> tuple[int, ...]:
        """For each row, the side in pixels of the square of the picture on which one number of its output depends.

        Each window adds (k − 1) steps of the map it moves on, and each stride makes the steps longer. The picture's
        border is not looked at, so deep in the network the square is larger than the picture; what lies outside is padding.
        """
        side, step, sides = 1, 1, []
        for row in self.rows:
            side += (row.kernel_size - 1) * step
            step *= row.stride
            sides.append(side)
        return tuple(sides)

    @property
    def num_classes(self) -> int:
        return self.blocks[-1].out_channels

    def to_frame(self) -> pd.DataFrame:
        """The ledger as a pandas frame, a row per layer."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "name": row.name,
                    "kind": row.kind,
                    "input": row.input_shape,
                    "output": row.output_shape,
                    "stride": row.stride,
                    "macs": row.macs,
                    "params": row.params,
                    "trainable_params": row.trainable_params,
                    "activation": row.activation,
                    "live_activations": row.live_activations,
                }
                for row in self.rows
            ]
        )

    def by_kind(self) -> pd.DataFrame:
        """MACs and params of each kind of layer with their shares in percent (V1 paper, Table 2)."""
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
    input in pixels. stem_stride: 2 in the paper; 1 keeps 32×32 pictures from shrinking to a single 1×1 map.
    separable=False has a standard 3×3 convolution in place of each separable one (Table 4); shallow=True leaves out the
    five layers of 14×14×512 (Table 5). activation: "relu" in the paper; its authors' code has "relu6". pairs: the
    (stride, channels) of the separable layers, for a network that is not the paper's. Raises ValueError for an unknown
    activation and for numbers that make no network: a width that leaves a layer without channels, a resolution or class
    count below 1, a stem stride other than 1 and 2.
    """
    _check(width_multiplier, resolution, num_classes, stem_stride)
    if activation not in ("relu", "relu6"):
        raise ValueError(f'activation must be "relu" or "relu6", not {activation!r}')

    def width(channels: int) -> int:
        return _at_least_one(int(channels * width_multiplier), channels, width_multiplier)

    builder = _Builder(resolution)
    builder.add("stem", "conv", width(32), stride=stem_stride, activation=activation)
    layers = [*pairs[:6], *pairs[11:]] if shallow else pairs
    kind = "separable" if separable else "conv"
    for number, (stride, channels) in enumerate(layers, start=1):
        builder.add(f"{kind}{number}", kind, width(channels), stride=stride, activation=activation)
    builder.add("pool", "pool", builder.channels)
    builder.add("classifier", "linear", num_classes, bias=True)
    form = ("" if separable else ", full convolutions") + (", shallow" if shallow else "")
    form += "" if activation == "relu" else f", {activation}"
    return Table(_title("MobileNet V1", width_multiplier, resolution) + form, resolution, tuple(builder.blocks))


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
    stem_stride: 2 in the paper; 1 keeps 32×32 pictures from shrinking to a single 1×1 map. linear=False puts a ReLU6
    behind every projection, shortcuts=False leaves all shortcuts out: the comparisons of the paper's figure 6.
    bottlenecks: the (t, c, n, s) of the stages, for a network that is not the paper's. Raises ValueError for numbers that
    make no network, as `mobilenet_v1` does, and for stages that are not four whole numbers of at least 1.
    """
    _check(width_multiplier, resolution, num_classes, stem_stride)
    _check_bottlenecks(bottlenecks)

    def width(channels: int) -> int:
        return make_divisible(channels * width_multiplier)

    builder = _Builder(resolution)
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
    builder.add("head", "conv", make_divisible(1280 * max(1.0, width_multiplier)), kernel_size=1, activation="relu6")
    builder.add("pool", "pool", builder.channels)
    builder.add("classifier", "linear", num_classes, bias=True)
    form = ("" if linear else ", ReLU6 projections") + ("" if shortcuts else ", no shortcuts")
    return Table(_title("MobileNet V2", width_multiplier, resolution) + form, resolution, tuple(builder.blocks))


def article_mobilenet_v2(
    resolution: int = 224, num_classes: int = 10, *, deviations: Collection[str] = ARTICLE_DEVIATIONS
) -> Table:
    """The MobileNet V2 of the article this course started from, which is not the paper's.

    deviations: which of `ARTICLE_DEVIATIONS` to apply; with none of them it is the paper's V2, layer by layer. With all, its
    stem has stride 1, its first bottleneck keeps an expansion, a 1×1 convolution stands on the shortcut where only the
    channels differ, every convolution has a bias, and two average pools (4, then 3) end it. Raises ValueError for an
    unknown deviation, and for a last map so small that nothing is left for those pools.
    """
    unknown = sorted(set(deviations) - set(ARTICLE_DEVIATIONS))
    if unknown:
        raise ValueError(f"deviations must be among {', '.join(ARTICLE_DEVIATIONS)}, not {', '.join(unknown)}")
    _check(1.0, resolution, num_classes, 1)
    bias = "biases" in deviations
    builder = _Builder(resolution)
    stem_stride = 1 if "stem of stride 1" in deviations else 2
    builder.add("stem", "conv", 32, stride=stem_stride, activation="relu6", bias=bias)
    number = 0
    for expansion, channels, repeats, first_stride in V2_BOTTLENECKS:
        for repeat in range(repeats):
            number += 1
            stride = first_stride if repeat == 0 else 1
            shortcut = "none"
            if stride == 1 and builder.channels == channels:
                shortcut = "identity"
            elif stride == 1 and "1×1 on the shortcut" in deviations:
                shortcut = "projection"
            builder.add(
                f"bottleneck{number}",
                "bottleneck",
                channels,
                stride=stride,
                activation="relu6",
                expansion=expansion,
                expand=expansion != 1 or "expansion at t = 1" in deviations,
                shortcut=shortcut,
                bias=bias,
            )
    builder.add("head", "conv", 1280, kernel_size=1, activation="relu6", bias=bias)
    windows = (4, 3) if "two pools" in deviations else ()
    if windows and builder.size < 12:
        raise ValueError(
            f"resolution={resolution} leaves a {builder.size}×{builder.size} map for pools of 4 and then 3, which need 12: "
            f"use {176 * stem_stride + 1} pixels or more"
        )
    builder.add("pool", "pool", 1280, windows=windows)
    builder.add("classifier", "linear", num_classes, bias=True)
    return Table("MobileNet V2 of the seed article", resolution, tuple(builder.blocks))


def vgg16(resolution: int = 224, num_classes: int = 1000) -> Table:
    """VGG16 (arXiv 1409.1556, Table 1, column D), the large network both papers compare with.

    Raises ValueError where the resolution is not a multiple of 32: five pools of 2 must divide it.
    """
    _check(1.0, resolution, num_classes, 1)
    if resolution % 32:
        raise ValueError(f"resolution must be a multiple of 32 for VGG16's five pools, not {resolution}")
    builder = _Builder(resolution)
    for stage, (repeats, channels) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), start=1):
        for repeat in range(1, repeats + 1):
            builder.add(f"conv{stage}_{repeat}", "conv", channels, batch_norm=False, bias=True)
        builder.add(f"pool{stage}", "pool", channels, windows=(2,))
    builder.add("fc1", "linear", 4096, bias=True)
    builder.add("fc2", "linear", 4096, bias=True)
    builder.add("classifier", "linear", num_classes, bias=True)
    return Table(f"VGG16, {resolution}×{resolution}", resolution, tuple(builder.blocks))


def make_divisible(channels: float, divisor: int = 8) -> int:
    """The multiple of `divisor` nearest to `channels`, at least one of them, and never below 90 % of `channels`.

    The rounding of the MobileNet V2 authors' own code: hardware likes multiples of 8, and the 90 % rule keeps small
    widths from losing too much.
    """
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class _Builder:
    """Chains blocks: each begins with the channels and the map size that the one before leaves."""

    def __init__(self, resolution: int) -> None:
        self.blocks: list[Block] = []
        self.channels, self.size = 3, resolution

    def add(self, name: str, kind: str, out_channels: int, **options) -> None:
        block = Block(name, kind, self.channels, out_channels, self.size, **options)
        self.blocks.append(block)
        self.channels, self.size = block.output_shape[0], block.output_shape[1]


def _conv_rows(block: Block) -> Iterator[Row]:
    kind = "pointwise" if block.kernel_size == 1 else "conv"
    yield _row(block, "", kind, block.input_shape, block.out_channels, stride=block.stride)


def _separable_rows(block: Block) -> Iterator[Row]:
    depthwise = _row(block, ".depthwise", "depthwise", block.input_shape, block.in_channels, stride=block.stride)
    yield depthwise
    yield _row(block, ".pointwise", "pointwise", depthwise.output_shape, block.out_channels)


def _bottleneck_rows(block: Block) -> Iterator[Row]:
    shape = block.input_shape
    kept = 0 if block.shortcut == "none" else math.prod(shape)
    held = 0  # while the first layer works, the shortcut's tensor is that layer's own input
    if block.expand:
        expand = _row(block, ".expand", "pointwise", shape, block.hidden_channels)
        yield expand
        shape, held = expand.output_shape, kept
    depthwise = _row(block, ".depthwise", "depthwise", shape, block.hidden_channels, stride=block.stride, held=held)
    yield depthwise
    project = _row(
        block,
        ".project",
        "pointwise",
        depthwise.output_shape,
        block.out_channels,
        activation="none" if block.linear else block.activation,
        held=kept,
    )
    yield project
    if block.shortcut == "projection":
        yield _row(
            block,
            ".shortcut",
            "pointwise",
            block.input_shape,
            block.out_channels,
            activation="none",
            held=math.prod(project.output_shape),
        )


def _pool_rows(block: Block) -> Iterator[Row]:
    shape = block.input_shape
    for number, window in enumerate(block.windows or (block.input_size,), start=1):
        suffix = str(number) if len(block.windows) > 1 else ""
        size = shape[1] // window
        out = Cost(0, 0, (shape[0], size, size), shape[0] * size * size)
        yield Row(block.name + suffix, "pool", shape, window, out, kernel_size=window)
        shape = out.output_shape


def _linear_rows(block: Block) -> Iterator[Row]:
    price = cost.linear(math.prod(block.input_shape), block.out_channels, bias=block.bias)
    side = block.input_size
    yield Row(block.name, "linear", block.input_shape, 1, price, bias=block.bias, kernel_size=side)


_UNFOLD = {
    "conv": _conv_rows,
    "separable": _separable_rows,
    "bottleneck": _bottleneck_rows,
    "pool": _pool_rows,
    "linear": _linear_rows,
}


def _row(
    block: Block,
    part: str,
    kind: str,
    input_shape: Shape,
    out_channels: int,
    stride: int = 1,
    activation: str | None = None,
    held: int = 0,
) -> Row:
    """A convolution followed by a batch norm, as one row of the ledger."""
    kernel_size = 1 if kind == "pointwise" else block.kernel_size
    price = cost.conv2d(
        input_shape[0],
        out_channels,
        kernel_size,
        input_shape[1:],
        stride,
        groups=input_shape[0] if kind == "depthwise" else 1,
        bias=block.bias,
    )
    return Row(
        block.name + part,
        kind,
        input_shape,
        stride,
        price,
        block.batch_norm,
        block.bias,
        activation or block.activation,
        held,
        kernel_size,
    )


def _check(width_multiplier: float, resolution: int, num_classes: int, stem_stride: int) -> None:
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
            f"bottlenecks must be stages of four numbers (t, c, n, s), such as {V2_BOTTLENECKS[:2]}, not {bottlenecks!r}"
        ) from None
    for stage in stages:
        for name, value in zip(("t", "c", "n", "s"), stage, strict=True):
            whole_number(f"{name} of a bottleneck", value)


def _at_least_one(channels: int, of: int, width_multiplier: float) -> int:
    if channels < 1:
        raise ValueError(f"width_multiplier={width_multiplier} leaves none of {of} channels: use at least {1 / of:.3f}")
    return channels


def _title(name: str, width_multiplier: float, resolution: int) -> str:
    return f"{name}, α = {width_multiplier:g}, {resolution}×{resolution}"
