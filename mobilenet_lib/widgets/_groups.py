"""The groups explorer: which channels feed which, and what that does to the weights."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, ClassVar

from mobilenet_lib import cost, plots
from mobilenet_lib.widgets._explorer import LayerExplorer, module, sliders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


class GroupsExplorer(LayerExplorer):
    """Made by `groups_explorer`. Sliders are attributes: `in_channels`, `out_channels`, `groups`, …"""

    name = "groups_explorer"
    limits: ClassVar = {
        **{"in_channels": (1, 12), "out_channels": (1, 12), "groups": (1, 12)},
        **{"kernel_size": (1, 15), "input_size": (1, 512)},
    }
    _esm = module(name)

    vars().update(sliders(limits))

    @property
    def cost(self) -> cost.Cost:
        """The cost of the layer as it stands."""
        return cost.conv2d(**self.settings)

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """(out, in per kernel, k, k), as Paddle stores the weights."""
        return self._shape(self.groups)

    def frame(self) -> pd.DataFrame:
        """A row per number of groups up to the larger channel count; where it is impossible, why."""
        import pandas as pd

        rows = []
        numbers = range(1, max(self.in_channels, self.out_channels) + 1)
        for groups in numbers:
            why_not = _why_not(groups, self.in_channels, self.out_channels)
            if why_not:
                rows.append(("", "", "", why_not))
                continue
            layer = cost.conv2d(**{**self.settings, "groups": groups})
            rows.append((list(self._shape(groups)), layer.params, layer.macs, ""))
        columns = ["weight shape", "parameters", "MACs", "impossible because"]
        return pd.DataFrame(rows, index=pd.Index(numbers, name="groups"), columns=columns)

    def figure(self) -> tuple[Figure, str]:
        inputs, outputs = self.in_channels // self.groups, self.out_channels // self.groups
        height = 1.2 + 0.35 * max(self.in_channels, self.out_channels)
        fig, (lines, blocks) = plots.figure(1, 2, width=9, height=max(height, 2.5))
        for group in range(self.groups):
            sources = range(group * inputs, (group + 1) * inputs)
            targets = range(group * outputs, (group + 1) * outputs)
            self._draw_lines(lines, group, sources, targets)
            self._draw_blocks(blocks, group, sources, targets)
        lines.set(title="Who feeds whom", xticks=(0, 1), xticklabels=("input", "output"), yticks=())
        lines.set(xlim=(-0.7, 1.2), ylim=(1.02, -0.02))
        lines.spines[:].set_visible(False)
        lines.grid(False)
        blocks.set(title=f"A {self.kernel_size}×{self.kernel_size} kernel for each pair")
        blocks.set(xlabel="input channel", xticks=range(self.in_channels), xlim=(-0.5, self.in_channels - 0.5))
        blocks.set(ylabel="output channel", yticks=range(self.out_channels), ylim=(self.out_channels - 0.5, -0.5))
        blocks.grid(False)
        return fig, (
            f"Two drawings of a convolution from {self.in_channels} to {self.out_channels} channels "
            f"with groups={self.groups}. Left, lines from input to output channels: each output "
            f"channel is fed by {inputs} of {self.in_channels} input channels. Right, a grid of output "
            f"by input channels, filled where they are connected: {self.groups} blocks of {outputs} by "
            f"{inputs} along the diagonal. Weight shape {list(self.weight_shape)}: "
            f"{self.cost.params:,} parameters; {self.cost.macs:,} MACs."
        )

    def _shape(self, groups: int) -> tuple[int, int, int, int]:
        return self.out_channels, self.in_channels // groups, self.kernel_size, self.kernel_size

    def _draw_lines(self, axes, group: int, sources: range, targets: range) -> None:
        colour = plots.PALETTE[group % len(plots.PALETTE)]
        style = plots.LINE_STYLES[group % len(plots.LINE_STYLES)]
        inputs = {channel: (channel + 0.5) / self.in_channels for channel in sources}
        outputs = {channel: (channel + 0.5) / self.out_channels for channel in targets}
        for ends in itertools.product(inputs.values(), outputs.values()):
            axes.plot((0, 1), ends, color=colour, linestyle=style, marker="")
        circle = {"boxstyle": "circle", "facecolor": "white", "edgecolor": colour, "linewidth": 2}
        for x, nodes in ((0, inputs), (1, outputs)):
            for channel, y in nodes.items():
                axes.text(x, y, channel, ha="center", va="center", bbox=circle, fontsize=10)
        middle = sum(inputs.values()) / len(inputs)
        axes.text(-0.2, middle, f"group {group}", ha="right", va="center")

    def _draw_blocks(self, axes, group: int, sources: range, targets: range) -> None:
        from matplotlib.patches import Rectangle

        colour = plots.PALETTE[group % len(plots.PALETTE)]
        hatch = plots.HATCHES[group % len(plots.HATCHES)]
        look = {"facecolor": colour, "alpha": 0.5, "edgecolor": "black", "hatch": hatch}
        for out, source in itertools.product(targets, sources):
            axes.add_patch(Rectangle((source - 0.5, out - 0.5), 1, 1, **look))


def groups_explorer(
    in_channels: int = 6, out_channels: int = 6, groups: int = 1, kernel_size: int = 3, input_size: int = 8
) -> GroupsExplorer:
    """Which channels feed which for a number of groups, the weights that are left, and their cost.

    Padding "same", stride 1, no bias. `explorer.cost`, `explorer.weight_shape` and `explorer.frame()` follow the
    sliders. Raises ValueError for groups that do not divide both channel counts, as `cost.conv2d` does, and for numbers
    larger than `GroupsExplorer.limits` (12 channels: more cannot be told apart in the drawing).
    """
    return GroupsExplorer(**locals())


def _why_not(groups: int, in_channels: int, out_channels: int) -> str:
    """Why so many groups are impossible, or "" where they are possible."""
    return ", ".join(
        f"{channels} {side} channels ÷ {groups} = {channels // groups} remainder {channels % groups}"
        for side, channels in (("input", in_channels), ("output", out_channels))
        if channels % groups
    )
