"""The cost explorer: sliders for one layer; its cost as standard, grouped and separable layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mobilenet_lib import cost, plots
from mobilenet_lib.widgets._explorer import LayerExplorer, module, sliders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class CostExplorer(LayerExplorer):
    """Made by `cost_explorer`. Sliders are attributes: `in_channels`, `out_channels`, `input_size`, …"""

    name = "cost_explorer"
    # Up to here JavaScript's numbers are exact.
    limits: ClassVar = {
        **{"in_channels": (1, 4096), "out_channels": (1, 4096), "input_size": (1, 512)},
        **{"kernel_size": (1, 15), "stride": (1, 16), "groups": (1, 4096)},
    }
    _esm = module(name)

    vars().update(sliders(limits))

    @property
    def cost(self) -> cost.Cost:
        """The cost of the convolution as the sliders stand, with its groups."""
        return cost.conv2d(**self.settings)

    @property
    def separable(self) -> cost.SeparableCost:
        """The cost of the depthwise separable layer that could replace it."""
        return cost.depthwise_separable(**_without_groups(self.settings))

    def frame(self) -> pd.DataFrame:
        """A row per kind of layer: its output shape and costs; activations also in KB of 1000 bytes."""
        import pandas as pd

        layers = self._layers()
        names = {"output_shape": "output", "macs": "MACs", "flops": "FLOPs", "params": "parameters"}
        names["activations"] = "activations"
        rows = [[getattr(one, name) for name in names] for one in layers.values()]
        frame = pd.DataFrame(rows, index=list(layers), columns=list(names.values()))
        return frame.assign(**{"KB (float32)": [round(4 * one.activations / 1000, 1) for one in layers.values()]})

    def figure(self) -> tuple[Figure, str]:
        layers = self._layers()
        fig, axes = plots.figure(3, 1, width=8, height=7)
        for one, title in zip(axes, ("MACs", "Parameters", "Activations"), strict=True):
            name = {"Parameters": "params"}.get(title, title.lower())
            plots.bars(one, list(layers), [getattr(layer, name) for layer in layers.values()], unit="")
            one.set_title(title)
            one.xaxis.set_visible(False)  # each bar has its number
        channels = f"{self.in_channels} to {self.out_channels} channels"
        k, size = self.kernel_size, self.input_size
        layer = f"{channels}, {k}×{k} kernel, stride {self.stride}, input {size}×{size}"
        fig.suptitle(layer)
        ratio = self.separable.macs / layers["standard"].macs
        macs = "; ".join(f"{name}: {layer.macs:,}" for name, layer in layers.items())
        return fig, (
            f"Bars of the MACs, parameters and activations of one layer: {layer}, padding same. "
            f"MACs: {macs}. Separable over standard is {ratio:.4f}, as the law says: "
            f"1/{self.out_channels} + 1/{k**2}. The table has all numbers."
        )

    def _layers(self) -> dict[str, cost.Cost | cost.SeparableCost]:
        separable = self.separable
        grouped = {f"grouped, groups={self.groups}": self.cost} if self.groups > 1 else {}  # one is the standard layer
        return {
            "standard": cost.conv2d(**_without_groups(self.settings)),
            **grouped,
            "depthwise separable": separable,
            "· depthwise part": separable.depthwise,
            "· pointwise part": separable.pointwise,
        }


def cost_explorer(
    in_channels: int = 64,
    out_channels: int = 128,
    input_size: int = 112,
    kernel_size: int = 3,
    stride: int = 1,
    groups: int = 1,
) -> CostExplorer:
    """Sliders for one convolution with padding "same" and without bias; see what each of them costs.

    `explorer.cost` and `explorer.frame()` give the costs for the sliders as they stand. Raises ValueError for numbers
    that no layer can have, as `cost.conv2d` does, or that are larger than `CostExplorer.limits`.
    """
    return CostExplorer(**locals())


def _without_groups(settings: dict[str, int]) -> dict[str, int]:
    return {name: value for name, value in settings.items() if name != "groups"}
