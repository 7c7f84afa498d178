"""What the stepper's kinds of convolution are made of, with small numbers to compute by hand.

convolution_stepper.js has the same plans and numbers; a test compares the two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mobilenet_lib import cost

KINDS = ("standard", "depthwise", "pointwise", "depthwise separable", "spatially separable")


@dataclass(frozen=True)
class Pass:
    """One layer of a kind, with its numbers.

    inputs: [in, height, width]. weights: [out, channels read, kernel height, kernel width].
    sources: for each output channel the input channels that it reads.
    """

    name: str
    inputs: np.ndarray
    weights: np.ndarray
    sources: tuple[tuple[int, ...], ...]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    @property
    def cost(self) -> cost.Cost:
        """What the layer costs. Outputs that read r of the c input channels form c / r groups."""
        channels, *size = self.inputs.shape
        out_channels, read, *kernel = self.weights.shape
        groups = channels // read
        return cost.conv2d(channels, out_channels, tuple(kernel), tuple(size), self.stride, self.padding, groups)

    @property
    def padded(self) -> np.ndarray:
        """The inputs with their border of zeros."""
        return np.pad(self.inputs, ((0, 0), *((side, side) for side in self.padding)))

    @property
    def outputs(self) -> np.ndarray:
        """The convolution itself, [out, height, width].

        Each weight is multiplied with the numbers that lie under it at all spatial positions, at once.
        """
        padded, result = self.padded, np.zeros(self.cost.output_shape, dtype=int)
        (height, width), (down, right) = result.shape[1:], self.stride
        for (out, slot, row, column), weight in np.ndenumerate(self.weights):
            plane = padded[self.sources[out][slot], row:, column:]
            result[out] += weight * plane[: height * down : down, : width * right : right]
        return result


def passes(kind: str, settings: dict[str, Any]) -> list[Pass]:
    """The layers of a kind for the stepper's settings: one, or two for the separable kinds."""
    inputs, outputs, k = settings["in_channels"], settings["out_channels"], settings["kernel_size"]
    stride, padding = settings["stride"], settings["padding"]
    strides, paddings = (stride, stride), (padding, padding)
    image = _inputs(settings)
    every_channel = (tuple(range(inputs)),) * outputs
    its_own = tuple((channel,) for channel in range(inputs))

    if kind == "standard":
        weights = _weights(settings, every_channel, k, k)
        return [Pass("standard", image, weights, every_channel, strides, paddings)]
    if kind == "pointwise":
        weights = _weights(settings, every_channel, 1, 1)
        return [Pass("pointwise", image, weights, every_channel, strides)]
    if kind == "spatially separable":
        # A column kernel for every pair of an output and an input channel …
        columns = its_own * outputs
        weights = _weights(settings, columns, k, 1)
        first = Pass("column", image, weights, columns, (stride, 1), (padding, 0))
        # … then a row kernel for each of these feature maps; an output adds up those made for it.
        rows = tuple(tuple(range(out * inputs, (out + 1) * inputs)) for out in range(outputs))
        weights = _weights(settings, rows, 1, k)
        return [first, Pass("row", first.outputs, weights, rows, (1, stride), (0, padding))]
    weights = _weights(settings, its_own, k, k)
    depthwise = Pass("depthwise", image, weights, its_own, strides, paddings)
    if kind == "depthwise":
        return [depthwise]
    weights = _weights(settings, every_channel, 1, 1)
    return [depthwise, Pass("pointwise", depthwise.outputs, weights, every_channel)]


def _inputs(settings: dict[str, Any]) -> np.ndarray:
    """Small, varied numbers from 0 to 3, [channels, size, size].

    Or the lesson's own image, as long as the sizes are its.
    """
    channels, size = settings["in_channels"], settings["input_size"]
    if channels == 1 and len(settings["image"]) == size:
        return np.array([settings["image"]])
    channel, row, column = np.indices((channels, size, size))
    return (2 * row + 3 * column + 7 * channel + 1) ** 2 % 37 % 4


def _weights(settings: dict[str, Any], sources: tuple[tuple[int, ...], ...], height: int, width: int) -> np.ndarray:
    """Small, varied numbers from −1 to 2, [out, channels read, height, width].

    Or the lesson's own kernel, as long as the sizes are its.
    """
    alone = settings["in_channels"] == settings["out_channels"] == 1
    if alone and height == width == len(settings["kernel"]):
        return np.array([[settings["kernel"]]])
    out, slot, row, column = np.indices((len(sources), len(sources[0]), height, width))
    return (5 * row + 3 * column + 11 * out + 17 * slot + 2) ** 2 % 37 % 4 - 1
