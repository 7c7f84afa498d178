"""Images and feature maps beside each other. Introduced in lesson 01."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib.plots.look import figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _TITLE = 9.0, 2.8, 0.4  # inches: the widest figure, the tallest image, and the title above it


def image_grid(
    shown: Mapping[str, np.ndarray], *, columns: int | None = None, one_scale: bool = False, numbers: bool = False
) -> tuple[Figure, str]:
    """Images or feature maps in rows, each under its name, and what they show in words.

    Args:
        shown: maps a name to an image: [height, width], [1, height, width], or [3, height, width] in colour (bytes, or
            0 to 1). Grey values are drawn from black to white: bytes from 0 to 255, other numbers from 0 to their
            largest, and where some are negative, from minus to plus the largest size, so that 0 is the middle grey.
        columns: how many stand in a row; by default all.
        one_scale: the largest size is that of all images together, so that their greys can be compared.
        numbers: write each number into its cell, for kernels and other small ones.

    Raises ValueError where there is nothing to show, or for an array of another shape.
    """
    planes = {name: _plane(name, np.asarray(image)) for name, image in shown.items()}
    if not planes:
        raise ValueError("there is no image to show: give one or more, as {name: array}")
    columns = columns or len(planes)
    rows = -(-len(planes) // columns)
    widest = max(plane.shape[1] / plane.shape[0] for plane in planes.values())
    tall = min(_HEIGHT, _WIDTH / columns / widest)
    size = {"width": columns * tall * widest, "height": rows * (tall + _TITLE)}
    fig, axes = figure(rows, columns, **size, squeeze=False)
    limits = [_limits(np.concatenate([plane.ravel() for plane in planes.values()]))] * len(planes)
    if not one_scale:
        limits = [_limits(plane) for plane in planes.values()]
    for ax, (name, plane), ends in zip(axes.flat, planes.items(), limits, strict=False):
        _draw(ax, name, plane, ends, numbers)
    for ax in axes.flat:
        ax.axis("off")
    words = "; ".join(f"{name}: {_described(plane)}" for name, plane in planes.items())
    return fig, f"{len(planes)} {'image' if len(planes) == 1 else 'images'}. {words}."


def _plane(name: str, image: np.ndarray) -> np.ndarray:
    """[height, width], or [height, width, 3], as matplotlib wants it."""
    if image.ndim == 2:
        return image
    if image.ndim == 3 and image.shape[0] in (1, 3):
        return image[0] if image.shape[0] == 1 else image.transpose(1, 2, 0)
    expected = "[height, width], [1, height, width] or [3, height, width]"
    raise ValueError(f"{name!r} has the shape {list(image.shape)}; expected {expected}")


def _limits(plane: np.ndarray) -> tuple[float, float]:
    """What is black and what is white."""
    if plane.dtype == np.uint8:
        return 0, 255
    most = float(np.abs(plane).max()) or 1.0
    return (-most if plane.min() < 0 else 0.0), most


def _draw(axes: Any, name: str, plane: np.ndarray, limits: tuple[float, float], numbers: bool) -> None:
    least, most = limits
    axes.imshow(plane, cmap="gray", vmin=least, vmax=most, interpolation="nearest")
    axes.set_title(name, fontsize=11, weight="normal")
    if numbers:
        for (row, column), value in np.ndenumerate(plane):
            ink = "black" if (value - least) / (most - least) > 0.45 else "white"
            axes.text(column, row, _number(value), ha="center", va="center", fontsize=10, color=ink)


def _number(value: float) -> str:
    """Two decimals where there are any, and no −0."""
    return f"{round(float(value), 2) + 0:g}".replace("-", "−")


def _described(plane: np.ndarray) -> str:
    """Small ones number by number. Else size and range, and the mean, or where some are negative, as in the output of
    an edge filter, how much is strong: above a quarter of the largest size.
    """
    height, width = plane.shape[:2]
    if plane.size <= 25:
        return " / ".join(" ".join(map(_number, row)) for row in plane.tolist())
    said = f"{height}×{width}{' in colour' if plane.ndim == 3 else ''}, from {_number(plane.min())} to "
    said += _number(plane.max())
    if plane.min() >= 0:
        return f"{said}, {_number(plane.mean())} on average"
    strong = (np.abs(plane) > np.abs(plane).max() / 4).mean()
    return f"{said}, strong at {100 * strong:.0f} % of its positions"
