"""What a network makes of an image: its feature maps, its depthwise kernels, its positive channels.

Each function returns a figure and its alternative text, made from the same numbers, for `look.show`. Values below zero
are orange, those above are blue, and zero is white, in every panel.

Introduced in lesson 04.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mobilenet_lib.plots.look import PALETTE, figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def feature_maps(
    maps: Mapping[str, np.ndarray], *, most: int = 8, image: np.ndarray | None = None
) -> tuple[Figure, str]:
    """Feature maps of one image, a row per layer: the `most` channels in which it does most, strongest first.

    maps: [channels, height, width] by the layer's name. image: [3, height, width] from 0 to 255, shown in the first
    column. Each row has its own scale. Raises ValueError for arrays of another shape, such as a whole batch.
    """
    rows, said = [], []
    for name, values in maps.items():
        values = np.asarray(values)
        if values.ndim != 3:
            raise ValueError(
                f"{name} must be [channels, height, width] of one image, not of shape {list(values.shape)}"
            )
        strongest = np.argsort(-np.abs(values).mean(axis=(1, 2)), kind="stable")[:most]
        rows.append((f"{name}\n{_size(values)}", values[strongest]))
        silent = int((values == 0).all(axis=(1, 2)).sum())
        said.append(
            f"{name}, {_size(values)}: {np.mean(values > 0):.0%} of the numbers above zero, {np.mean(values < 0):.0%} "
            f"below, {silent} channels zero everywhere"
        )
    fig = _grid(rows, most, image)
    return fig, f"Feature maps of one image, the {most} strongest channels of each layer. {'; '.join(said)}."


def kernels(layers: Mapping[str, np.ndarray], *, most: int = 12) -> tuple[Figure, str]:
    """Depthwise kernels, a row per layer: the first `most` of each, every kernel in its own scale.

    layers: weights [channels, 1, k, k] or [channels, k, k] by the layer's name. Each kernel has its own scale because a
    batch norm follows, which takes it out. The text says how many have weights of both signs, as an edge filter has.
    """
    rows, said = [], []
    for name, values in layers.items():
        values = np.asarray(values)
        values = values.reshape(len(values), *values.shape[-2:])
        largest = np.abs(values).max(axis=(1, 2), keepdims=True)
        rows.append((f"{name}\n{len(values)} kernels", (values / np.where(largest > 0, largest, 1))[:most]))
        one_sign = int(((values >= 0).all(axis=(1, 2)) | (values <= 0).all(axis=(1, 2))).sum())
        said.append(f"{name}: {len(values) - one_sign} of {len(values)} kernels have weights of both signs")
    fig = _grid(rows, most, None)
    return fig, f"The first {most} depthwise kernels of each layer, each in its own scale. {'; '.join(said)}."


def positive_channels(panels: Mapping[str, pd.DataFrame]) -> tuple[Figure, str]:
    """How many channels are positive behind each expansion, in % of its channels: a panel for each network.

    panels: tables of `manifold.positive_channels` by their titles. A line for the mean, a band from the fewest to the
    most over all positions and images, and the number that the V2 paper's Theorem 1 asks for (its figure 7).
    """
    fig, grid = figure(1, len(panels), width=9.5, height=3.6, sharey=True, squeeze=False)
    said = []
    for axes, (title, frame) in zip(grid[0], panels.items(), strict=True):
        percent = frame[["fewest", "mean", "most", "needed"]].div(frame["channels"], axis="index") * 100
        place = range(len(frame))
        axes.fill_between(
            place, percent["fewest"], percent["most"], color=PALETTE[5], alpha=0.4, label="fewest to most"
        )
        axes.plot(place, percent["mean"], color=PALETTE[0], marker="o", linestyle="-", label="mean")
        axes.plot(place, percent["needed"], color=PALETTE[1], marker="", linestyle="--", label="needed")
        axes.set_xticks(place, [str(name).removeprefix("bottleneck") for name in frame.index])
        axes.set(title=title, xlabel="bottleneck", ylim=(0, 100))
        low, high = percent["mean"].min(), percent["mean"].max()
        spread = f"{(frame['std'] / frame['channels']).mean():.0%}"
        below = [str(name) for name, row in frame.iterrows() if row["fewest"] < row["needed"]]
        said.append(
            f"{title}: mean between {low:.0f} and {high:.0f} %, standard deviation {spread} on average; at some "
            f"position fewer than needed in {len(below)} of {len(frame)} layers"
        )
    grid[0, 0].set_ylabel("positive channels (%)")
    grid[0, -1].legend(loc="upper right", fontsize=10)
    return fig, f"Lines with bands of the positive channels behind each expansion, in %. {'. '.join(said)}."


def _size(values: np.ndarray) -> str:
    return " × ".join(str(number) for number in values.shape)


def _grid(rows: Sequence[tuple[str, np.ndarray]], most: int, image: np.ndarray | None) -> Figure:
    """Small images in rows, each row with its label on the left, behind the image if there is one."""
    before = int(image is not None)
    fig, grid = figure(len(rows), most + before, width=9, height=0.82 * len(rows) + 0.1, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=(), yticks=())
        axes.grid(False)
        axes.spines[:].set_visible(False)
    for line, (label, values) in zip(grid, rows, strict=True):
        line[before].set_ylabel(label, rotation=0, ha="right", va="center", fontsize=9)
        for axes, one in zip(line[before:], values, strict=False):
            _shade(axes, one, float(np.abs(values).max()))
    if image is not None:
        grid[0, 0].imshow(np.asarray(image).transpose(1, 2, 0))
    return fig


def _shade(axes: Axes, values: np.ndarray, largest: float) -> None:
    """One small image: zero is white, the strongest number of its row has the full colour."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("signed", [PALETTE[1], "white", PALETTE[0]])
    axes.imshow(values, cmap=colours, vmin=-(largest or 1), vmax=largest or 1, interpolation="nearest")
    axes.spines[:].set(visible=True, color="#bbbbbb")
