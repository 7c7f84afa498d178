"""One step of the convolution stepper as a figure: window, kernels, products, output feature maps."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mobilenet_lib import plots
from mobilenet_lib.widgets._passes import Pass

_WIDTH = 9.0  # inches
_DRAWING_WIDTH = 7.0  # of these; the names of the bars take the rest
_POINTS = 72  # per inch
_LINE = 1.6  # cells: a title and a gap


class StepFigure:
    """Draws a pass at one output number. The unit of the drawing is a cell of a plane."""

    def __init__(self, layer: Pass, out: int, row: int, column: int) -> None:
        self.layer, self.out, self.row, self.column = layer, out, row, column
        _, height, width = layer.padded.shape
        maps, map_height, map_width = layer.cost.output_shape
        *_, kernel_height, kernel_width = layer.weights.shape
        self.kernel_left = width + 1.2
        self.products_left = self.kernel_left + kernel_width + 1
        self.maps_left = self.products_left + 2.8 * kernel_width + 1
        self.maps_in_line = min(maps, 2 if maps <= 6 else 4)
        self.maps_bottom = -(-maps // self.maps_in_line) * (map_height + _LINE)
        self.map_step = max(map_width + 1, 4)  # from one to the next: its title is as wide as four numbers
        self.right = self.maps_left + max(self.maps_in_line * self.map_step, 10)
        self.bottom = max(len(self._channels()) * (max(height, kernel_height + 2) + _LINE), self.maps_bottom + 1.5)
        self.font_size = min(10, 0.46 * _POINTS * _DRAWING_WIDTH / self.right)

    def draw(self, title: str, kinds: Sequence[str], macs: Sequence[int]):
        """The figure, with bars of the MACs of all kinds below."""
        height = _DRAWING_WIDTH * (self.bottom + _LINE) / self.right
        fig, (self.axes, bars) = plots.figure(
            2, 1, width=_WIDTH, height=height + 2.4, gridspec_kw={"height_ratios": [height, 2]}
        )
        self.axes.set(xlim=(0, self.right), ylim=(self.bottom, -_LINE), aspect="equal")
        self.axes.set_title(title)
        self.axes.axis("off")
        self._draw_maps(self._draw_inputs())
        plots.bars(bars, kinds, macs, unit="MACs for the same sizes")
        return fig

    def _channels(self) -> Sequence[int]:
        """The input channels to draw: all while they are few, else those that are read."""
        channels = len(self.layer.inputs)
        return range(channels) if channels <= 4 else self.layer.sources[self.out]

    def _draw_inputs(self) -> list[int]:
        """A line per input channel; returns the sum of the products of each channel that is read."""
        layer, sums = self.layer, []
        *_, kernel_height, kernel_width = layer.weights.shape
        down, right = self.row * layer.stride[0], self.column * layer.stride[1]
        top = 0.0
        for channel in self._channels():
            self._plane(0, top, layer.padded[channel], f"channel {channel}", layer.padding)
            if channel in layer.sources[self.out]:
                weights = layer.weights[self.out, layer.sources[self.out].index(channel)]
                window = layer.padded[channel, down:, right:][:kernel_height, :kernel_width]
                sums.append(int((window * weights).sum()))
                self._plane(self.kernel_left, top + 1, weights, "kernel")
                size = (kernel_width, kernel_height)
                self._frame(right, top + down, *size, plots.PALETTE[1])
                self._frame(self.kernel_left, top + 1, *size, plots.PALETTE[0])
                written = f"{_products(window, weights)}\n= {_signed(sums[-1])}"
                self._text(self.products_left, top + 1, written, va="top")
            top += max(len(layer.padded[channel]), kernel_height + 2) + _LINE
        return sums

    def _draw_maps(self, sums: list[int]) -> None:
        """The output feature maps with all their numbers, the present one framed, and how it is made."""
        height = self.layer.cost.output_shape[1]
        for index, values in enumerate(self.layer.outputs):
            line, place = divmod(index, self.maps_in_line)
            left, top = self.maps_left + place * self.map_step, line * (height + _LINE)
            self._plane(left, top, values, f"feature map {index}")
            if index == self.out:
                self._frame(left + self.column, top + self.row, 1, 1, plots.PALETTE[2])
        added = f"{' + '.join(map(_factor, sums))} = " if len(sums) > 1 else ""
        place = f"feature map {self.out}, row {self.row}, column {self.column}"
        written = f"{added}{_signed(sum(sums))} → {place}"
        self._text(self.maps_left, self.maps_bottom, written, va="top")

    def _plane(self, left: float, top: float, values: np.ndarray, title: str, border: tuple[int, int] = (0, 0)) -> None:
        """A grid of numbers; those in the border, the zeros of a padding, are grey and dotted."""
        height, width = values.shape
        rows = range(border[0], height - border[0])
        columns = range(border[1], width - border[1])
        for (row, column), value in np.ndenumerate(values):
            inside = row in rows and column in columns
            x, y = left + column, top + row
            style, ink = ("-", "black") if inside else (":", "#666666")
            self._box(x, y, 1, 1, color="#888888", linewidth=0.6, linestyle=style)
            middle = {"ha": "center", "va": "center_baseline", "color": ink}
            self._text(x + 0.5, y + 0.5, _signed(value), **middle)
        self._text(left, top - 0.3, title, color="#444444")

    def _frame(self, left: float, top: float, width: float, height: float, colour: str) -> None:
        self._box(left, top, width, height, color=colour, linewidth=3, linestyle="-")

    def _box(self, left: float, top: float, width: float, height: float, **style) -> None:
        right, bottom = left + width, top + height
        self.axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], marker="", **style)

    def _text(self, x: float, y: float, text: str, **style) -> None:
        self.axes.text(x, y, text, fontsize=self.font_size, **style)


def _products(window: np.ndarray, weights: np.ndarray) -> str:
    """The products of two planes, a line per row: "0·1 + 3·(−1) + …"."""
    rows = zip(window, weights, strict=True)
    return "\n+ ".join(" + ".join(f"{_factor(a)}·{_factor(b)}" for a, b in zip(*row, strict=True)) for row in rows)


def _signed(number: int) -> str:
    return f"−{-number}" if number < 0 else str(number)


def _factor(number: int) -> str:
    return f"({_signed(number)})" if number < 0 else str(number)
