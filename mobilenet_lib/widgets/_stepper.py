"""The convolution stepper: a window moves over small numbers, every product is written out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import traitlets

from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.widgets._explorer import LayerExplorer, module, sliders
from mobilenet_lib.widgets._passes import KINDS, Pass, passes
from mobilenet_lib.widgets._step_figure import StepFigure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_LARGEST_NUMBER = 99  # that fits into a cell
_SUMMED = ("activations", "macs", "params")  # over a kind's passes


class ConvolutionStepper(LayerExplorer):
    """Made by `convolution_stepper`. Its settings are attributes: `kind`, `position`, `input_size`, …"""

    name = "convolution_stepper"
    # What the drop-downs of the live view offer; larger planes could not be read.
    limits: ClassVar = {
        **{"input_size": (3, 8), "in_channels": (1, 4), "out_channels": (1, 6)},
        **{"kernel_size": (1, 5), "stride": (1, 3), "padding": (0, 2)},
    }
    _esm = module(name)

    kind = traitlets.Unicode().tag(sync=True)
    beside = traitlets.Unicode().tag(sync=True)
    position = traitlets.Int(min=1).tag(sync=True)
    image = traitlets.List().tag(sync=True)
    kernel = traitlets.List().tag(sync=True)

    vars().update(sliders(limits, "kind", "beside"))

    @property
    def settings(self) -> dict[str, Any]:
        names = ("kind", *self.limits, "beside", "position", "image", "kernel")
        return {name: getattr(self, name) for name in names}

    @property
    def passes(self) -> list[Pass]:
        """The layers of the present kind, with the numbers shown."""
        return passes(self.kind, self.settings)

    def frame(self) -> pd.DataFrame:
        """A row per kind for the present sizes: its output, how many numbers, their MACs, parameters."""
        import pandas as pd

        rows = []
        for kind in KINDS:
            costs = [layer.cost for layer in passes(kind, self.settings)]
            numbers, macs, weights = (sum(getattr(one, name) for one in costs) for name in _SUMMED)
            each = " + ".join(f"{one.macs:,}" for one in costs)
            rows.append((costs[-1].output_shape, numbers, macs, each, weights))
        columns = ["output", "numbers computed", "MACs", "MACs of each pass", "parameters"]
        return pd.DataFrame(rows, index=list(KINDS), columns=columns)

    def figure(self) -> tuple[Figure, str]:
        layer, step = self._here()
        index = np.unravel_index(step - 1, layer.cost.output_shape)
        out, row, column = map(int, index)
        top, left = row * layer.stride[0], column * layer.stride[1]
        macs = self.frame()["MACs"]
        steps = sum(one.cost.activations for one in self.passes)
        title = f"{self.kind}, step {min(self.position, steps)} of {steps}"
        fig = StepFigure(layer, out, row, column).draw(title, KINDS, list(macs))
        totals = "; ".join(f"{kind}: {count:,}" for kind, count in macs.items())
        return fig, (
            f"{title}, drawn with its numbers. The window lies over the {layer.name} pass's input "
            f"from row {top} and column {left} on; the products with the kernel are written out, and "
            f"their sum {layer.outputs[index]} is the number in output feature map {out}, row {row}, "
            f"column {column}. It takes {layer.cost.macs // layer.cost.activations} MACs. Below, bars "
            f"of the MACs of every kind for the same sizes. {totals}."
        )

    def _here(self) -> tuple[Pass, int]:
        """The pass at the present position, and how many of its numbers are known there."""
        step = self.position
        for layer in self.passes:
            if step <= layer.cost.activations:
                return layer, step
            step -= layer.cost.activations
        return layer, layer.cost.activations  # behind the end, after a change to smaller sizes

    @classmethod
    def _checked(cls, settings):
        settings = super()._checked(settings)
        for name, choices in (("kind", KINDS), ("beside", ("", *KINDS))):
            if settings[name] not in choices:
                raise ValueError(f"{name} must be one of {', '.join(KINDS)}, not {settings[name]!r}")
        return settings


def convolution_stepper(
    kind: str = "standard",
    input_size: int = 5,
    in_channels: int = 3,
    out_channels: int = 4,
    kernel_size: int = 3,
    stride: int = 1,
    padding: int = 0,
    *,
    beside: str = "",
    position: int = 1,
    image: Sequence[Sequence[int]] | None = None,
    kernel: Sequence[Sequence[int]] | None = None,
) -> ConvolutionStepper:
    """Step through a convolution, number by number.

    Args:
        kind: one of `KINDS`.
        input_size, in_channels, out_channels, kernel_size, stride, padding: as `cost.conv2d`.
        beside: a second kind to step at the same time.
        position: which output number is shown, from 1.
        image, kernel: whole numbers of your own instead of the built-in ones, [input_size, input_size] and
            [kernel_size, kernel_size], for one input and one output channel.

    The explorer's `passes` hold the layers with their inputs, weights and outputs as arrays. Raises ValueError for
    sizes that no layer can have, as `cost.conv2d`, or that are outside `ConvolutionStepper.limits`.
    """
    settings = locals()
    for name, size in (("image", input_size), ("kernel", kernel_size)):
        values = settings[name]
        if values is not None and (in_channels, out_channels) != (1, 1):
            raise ValueError(
                f"a {name} of your own needs in_channels=1 and out_channels=1, not {in_channels} and {out_channels}"
            )
        settings = {**settings, name: [] if values is None else _checked_plane(name, values, size)}
    return ConvolutionStepper(**{**settings, "position": whole_number("position", position)})


def _checked_plane(name: str, values: Sequence[Sequence[int]], size: int) -> list[list[int]]:
    plane = np.asarray(values)
    if plane.shape != (size, size):
        raise ValueError(f"{name} must be {size} rows of {size} numbers, not an array of shape {plane.shape}")
    if plane.dtype.kind not in "iu" or np.abs(plane).max() > _LARGEST_NUMBER:
        raise ValueError(
            f"{name} must hold whole numbers from -{_LARGEST_NUMBER} to {_LARGEST_NUMBER}, "
            "so that they fit into its cells"
        )
    return plane.tolist()
