"""Blocks of a network as drawings made from their tables: layer under layer, with shapes, weights and MACs.

Introduced in lesson 03.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilenet_lib.plots import look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mobilenet_lib.architectures import Block, Row

_KINDS = {"conv": "convolution", "depthwise": "depthwise", "pointwise": "pointwise"}
_COLOURS = {"conv": 0, "depthwise": 2, "pointwise": 4}  # places in the palette; all else is white
_ACTIVATIONS = {"relu": "ReLU", "relu6": "ReLU6"}

# The figure's own unit is the distance from one box to the next.
_HEIGHT, _WIDTH = 0.56, 1.9
_GAP = 1 - _HEIGHT


@dataclass(frozen=True)
class _Box:
    """`text` stands in the box, `beside` right of it, `below` at the arrow that leaves it; `kind` gives its colour."""

    text: str
    beside: tuple[str, ...] = ()
    below: str = ""
    kind: str = ""


def blocks(columns: Sequence[tuple[str, Block]]) -> tuple[Figure, str]:
    """Blocks of `architectures` side by side, each under its title: a box per convolution, batch norm and activation.

    Beside every convolution stand its weights and MACs, at the arrow that leaves it the shape (channels × height ×
    width), all read from the block's rows. Returns the figure and its alternative text, for `look.show`. Raises
    ValueError for a block that has other layers than convolutions, or a shortcut.
    """
    chains = [_chain(block) for _, block in columns]
    longest = max(len(chain) for chain in chains)
    fig, all_axes = look.figure(1, len(columns), width=4.6 * len(columns), height=0.62 * (longest + 1), squeeze=False)
    told = []
    for axes, (title, block), chain in zip(all_axes[0], columns, chains, strict=True):
        axes.set(xlim=(-1.15, 2.6), ylim=(-longest - 0.3, 0.45), title=title)
        axes.axis("off")
        _draw(axes, _shape(block.input_shape), chain)
        told.append(_told(title, block, chain))
    return fig, f"{len(columns)} columns of boxes joined by arrows. {' '.join(told)}"


def shortcuts(designs: Mapping[str, Sequence[int]], layers: Mapping[str, Sequence[str]]) -> tuple[Figure, str]:
    """Blocks with a shortcut side by side: feature maps as bars as high as their channels, an arrow from first to last.

    designs: the channels of the feature maps, from input to output; layers: what stands between two of them.
    """
    fig, panels = look.figure(1, len(designs), width=10, height=3.4, sharey=True, squeeze=False)
    top = max(max(channels) for channels in designs.values())
    for axes, (name, channels) in zip(panels[0], designs.items(), strict=True):
        drawn = axes.bar(range(len(channels)), channels, 0.3, color=look.PALETTE[0], edgecolor="black")
        axes.bar_label(drawn, padding=2)
        for place, layer in enumerate(layers[name]):
            axes.text(place + 0.5, -0.06 * top, layer, ha="center", va="top", fontsize=10)
        over = {"color": look.PALETTE[1], "linewidth": 2, "linestyle": "-"}
        start, end, height, last = channels[0] + 0.16 * top, channels[-1] + 0.16 * top, 1.28 * top, len(channels) - 1
        axes.plot((0, 0, last), (start, height, height), marker="", **over)
        axes.annotate("", (last, end), (last, height), arrowprops={"arrowstyle": "-|>", **over})
        axes.text(last / 2, 1.31 * top, "shortcut", ha="center", color=look.PALETTE[1])
        axes.set(title=f"{name}: {channels[0]} channels are added to {channels[-1]}")
        axes.set(xticks=(), ylim=(0, 1.48 * top), xlim=(-0.4, last + 0.4))
        axes.grid(False)
    panels[0, 0].set_ylabel("channels")
    told = "; ".join(f"{name}: {', '.join(map(str, channels))} channels" for name, channels in designs.items())
    return fig, f"Feature maps of {len(designs)} blocks as bars, with an arrow from the first to the last. {told}."


def _chain(block: Block) -> list[_Box]:
    """The boxes of a block from top to bottom."""
    if block.shortcut != "none":
        raise ValueError(f"the block {block.name} has a shortcut; only blocks without one can be drawn")
    chain = []
    for row in block.rows:
        if row.kind not in _KINDS:
            raise ValueError(
                f"the block {block.name} has a layer of kind {row.kind!r}; only blocks of convolutions can be drawn"
            )
        cost = f"{row.params:,} weights", f"{row.macs:,} MACs"
        chain.append(_Box(_convolution(block, row), cost, _shape(row.output_shape), row.kind))
        if row.batch_norm:
            chain.append(_Box("batch norm", (f"{2 * row.output_shape[0]:,} parameters",)))
        if row.activation != "none":
            chain.append(_Box(_ACTIVATIONS[row.activation]))
    return chain


def _convolution(block: Block, row: Row) -> str:
    size = 1 if row.kind == "pointwise" else block.kernel_size
    return f"{size}×{size} {_KINDS[row.kind]}" + (f", stride {row.stride}" if row.stride > 1 else "")


def _draw(axes: Axes, input_shape: str, chain: list[_Box]) -> None:
    from matplotlib.patches import FancyBboxPatch

    _arrow(axes, 0.3, input_shape)
    for place, box in enumerate(chain):
        middle = 0.3 - _GAP - _HEIGHT / 2 - place
        weight, colour = "normal", {"facecolor": "white", "edgecolor": "#555555"}
        if box.kind:
            weight, colour = "bold", {"facecolor": look.PALETTE[_COLOURS[box.kind]], "alpha": 0.35}
        corner = (-_WIDTH / 2, middle - _HEIGHT / 2)
        axes.add_patch(FancyBboxPatch(corner, _WIDTH, _HEIGHT, boxstyle="round,pad=0.02", **colour))
        axes.text(0, middle, box.text, ha="center", va="center", fontsize=11, weight=weight)
        axes.text(_WIDTH / 2 + 0.12, middle, "\n".join(box.beside), va="center", fontsize=9)
        _arrow(axes, middle - _HEIGHT / 2, box.below)


def _arrow(axes: Axes, top: float, shape: str) -> None:
    """From `top` to the next box, with the shape that passes there."""
    style = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 2}
    axes.annotate("", (0, top - _GAP), (0, top), arrowprops=style)
    axes.text(0.1, top - _GAP / 2, shape, va="center", fontsize=9)


def _told(title: str, block: Block, chain: list[_Box]) -> str:
    """A column in words."""
    layers = "; ".join(", ".join((box.text, *box.beside)) for box in chain)
    weights, macs = (sum(getattr(row, name) for row in block.rows) for name in ("params", "macs"))
    return (
        f"{title}: {_shape(block.input_shape)} goes in; {layers}; {_shape(block.output_shape)} comes out. "
        f"Together {weights:,} weights and {macs:,} MACs."
    )


def _shape(shape: tuple[int, ...]) -> str:
    return " × ".join(str(number) for number in shape)
