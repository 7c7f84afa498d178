"""The architecture explorer: V1 and V2 drawn from their tables, with what every layer costs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from mobilenet_lib import architectures, papers, plots
from mobilenet_lib.architectures import KINDS, Table
from mobilenet_lib.experiments.design import Design
from mobilenet_lib.widgets._explorer import Explorer, module, sliders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DESIGN = tuple(choice.name for choice in dataclasses.fields(Design))
_WIDEST = 4.0  # width multiplier: up to here JavaScript's numbers are exact at every resolution
# Of the axis of the totals, in M MACs.
_TICKS = (1, 3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000)
_PAPERS = {"width_multiplier": 1.0, "resolution": 224, "expansion": 6, "stem_stride": 2, "strides": []}
_PAPERS |= {"num_classes": 1000}
# The published points: paper, table, and the name and the mark of their series.
_SERIES = (
    ("v1", "6", "V1, α (Table 6)", "o"),
    ("v1", "7", "V1, ρ (Table 7)", "s"),
    ("v1", "5", "V1, others (Tables 5 and 9)", "D"),
    ("v1", "9", "V1, others (Tables 5 and 9)", "D"),
    ("v2", "4", "V2 (Table 4)", "^"),
)


class ArchitectureExplorer(Explorer):
    """Made by `architecture_explorer`. Its settings are attributes: `family`, `width_multiplier`, `strides`, …"""

    name = "architecture_explorer"
    limits: ClassVar = {"resolution": (1, 512), "expansion": (1, 12), "stem_stride": (1, 2), "num_classes": (1, 10_000)}
    _esm = module(name)

    family = traitlets.Unicode().tag(sync=True)
    width_multiplier = traitlets.Float().tag(sync=True)
    strides = traitlets.List().tag(sync=True)

    vars().update(sliders(limits, "family", "width_multiplier", "strides"))

    @property
    def settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in _DESIGN}

    @property
    def design(self) -> Design:
        """The choices as they stand now."""
        return Design(**{name: getattr(self, name) for name in _DESIGN})

    @property
    def table(self) -> Table:
        """The network as a table with its costs, for the settings as they stand."""
        return self.design.table

    def frame(self) -> pd.DataFrame:
        """A row per block of the table, and their total: MACs, weights, activation memory, receptive field."""
        import pandas as pd

        table, rows = self.table, []
        fields = iter(table.receptive_fields)
        for block in table.blocks:
            *_, field = itertools.islice(fields, len(block.rows))
            sums = (sum(row.macs for row in block.rows), sum(row.params for row in block.rows))
            rows.append((block.name, block.output_shape, *sums, _peak(block.rows).live_activations, field))
        rows.append(("total", "", table.macs, table.params, table.peak_activations, ""))
        columns = ["block", "output", "MACs", "weights", "activation memory", "receptive field"]
        return pd.DataFrame(rows, columns=columns).set_index("block").rename_axis(None)

    def figure(self) -> tuple[Figure, str]:
        table = self.table
        fig, lanes = plots.figure(6, 1, width=9, height=8.6, gridspec_kw={"height_ratios": [1.2, 1, 1.2, 1.2, 1, 2.2]})
        *lanes, totals = lanes
        fields = zip(table.rows, table.receptive_fields, strict=True)
        rows, fields = zip(*((row, side) for row, side in fields if row.kind != "pool"), strict=True)
        values = {
            "side of the\nfeature map": [row.output_shape[1] for row in rows],
            "channels": [row.output_shape[0] for row in rows],
            "M MACs": [row.macs / 1e6 for row in rows],
            "activation\nmemory (M)": [row.live_activations / 1e6 for row in rows],
            "receptive\nfield (px)": list(fields),
        }
        for axes, (label, heights) in zip(lanes, values.items(), strict=True):
            _draw_lane(axes, rows, heights)
            axes.set_ylabel(label, fontsize=9)
            axes.tick_params(labelsize=9, labelbottom=axes is lanes[-1])
        lanes[0].legend(loc="upper right", ncols=2, fontsize=9)
        lanes[-1].axhline(self.resolution, color="black", linestyle="--", linewidth=1)
        lanes[-1].set_xlabel("layer with weights", fontsize=9)
        self._draw_totals(totals)
        fig.suptitle(f"{self._title()}: {table.macs / 1e6:,.1f} M MACs", weight="bold")
        return fig, self._told(rows)

    def _told(self, rows: Sequence[architectures.Row]) -> str:
        """The figure in words. rows: the layers with weights."""
        groups = itertools.groupby(rows, lambda row: row.output_shape[1])
        most = [(size, max(row.output_shape[0] for row in group)) for size, group in groups]
        maps = ", ".join(f"{size}×{size} with up to {channels} channels" for size, channels in most)
        peak = _peak(self.table.rows)
        return (
            f"{self._title()}, drawn layer by layer from its table: {len(rows)} layers with weights; feature maps of "
            f"{maps}. Bars of the MACs of each layer, {self.table.macs:,} in all; of the activation memory while it "
            f"works, at most {peak.live_activations:,} numbers, in {peak.name}; and of its receptive field, "
            f"{_last_field(self.table)} pixels after the last convolution and {self.table.receptive_fields[-1]} behind "
            "the pool. Below, the total beside the papers' points, ImageNet accuracy over MACs. "
            f"{self._beside_the_paper()}"
        )

    def _title(self) -> str:
        family = {"v1": "MobileNet V1", "v2": "MobileNet V2"}[self.family]
        expansion = f", t = {self.expansion}" if self.family == "v2" else ""
        changed = self.strides or self.stem_stride != 2
        return (
            f"{family}, α = {self.width_multiplier:g}, {self.resolution}×{self.resolution}{expansion}"
            f"{', other strides' if changed else ''}, {self.num_classes} classes"
        )

    def _beside_the_paper(self) -> str:
        """What the paper prints for this very network, if anything."""
        for point in paper_points():
            network = point["network"]
            if network is not None and {**_PAPERS, **network, "family": point["family"]} == self.settings:
                printed = f"Table {point['table']} prints {point['macs']:g} M MACs and {point['accuracy']} %"
                return f"{printed} for this network; the table counts {self.table.macs / 1e6:,.1f} M."
        return "The paper prints no figures for this network."

    def _draw_totals(self, axes: Axes) -> None:
        points = paper_points()
        for number, (series, mark) in enumerate(dict.fromkeys((name, mark) for *_, name, mark in _SERIES)):
            those = [(one["macs"], one["accuracy"]) for one in points if one["series"] == series]
            axes.plot(*zip(*those, strict=True), mark, color=plots.PALETTE[number], label=series)
        total = self.table.macs / 1e6
        axes.axvline(total, color="black", linewidth=2, label="this network")
        axes.set(xscale="log", xlabel="M MACs (log scale)", ylabel="ImageNet\naccuracy (%)")
        axes.set_xlim(min(10, total / 1.5), max(1000, total * 1.5))
        axes.set_ylim(top=78)
        ticks = [tick for tick in _TICKS if axes.get_xlim()[0] <= tick <= axes.get_xlim()[1]]
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.minorticks_off()
        axes.tick_params(labelsize=9)
        axes.legend(fontsize=9, loc="upper left")

    @classmethod
    def _checked(cls, settings: dict[str, Any]) -> dict[str, Any]:
        """Also a ValueError for a family, a width or strides that make no network."""
        settings = super()._checked(settings)
        width = settings["width_multiplier"]
        if isinstance(width, Real) and not isinstance(width, bool) and width > _WIDEST:
            raise ValueError(f"width_multiplier can be at most {_WIDEST:g} in {cls.name}, not {width}")
        design = Design(**{name: settings[name] for name in _DESIGN})  # refuses what is left
        return {**settings, "width_multiplier": float(width), "strides": list(design.strides)}


def architecture_explorer(
    family: str = "v1",
    width_multiplier: float = 1.0,
    resolution: int = 224,
    expansion: int = 6,
    stem_stride: int = 2,
    strides: Sequence[int] = (),
    num_classes: int = 1000,
) -> ArchitectureExplorer:
    """A whole network drawn from its table, layer by layer, and its total beside the paper's.

    Arguments as of `design.Design`; the resolution is 224 · ρ. Of the explorer, `table` is the network as
    `architectures.Table`, `frame()` has a row per block. Raises ValueError for settings that make no network, or are
    larger than `ArchitectureExplorer.limits`.
    """
    return ArchitectureExplorer(**{**locals(), "strides": list(strides)})


def paper_points() -> list[dict[str, Any]]:
    """The published points that the explorer shows: MACs and ImageNet accuracy as the papers print them.

    Each with its family ("v1", "v2"), table, row, series, macs (millions) and accuracy (%); `network` holds the
    arguments of `architecture_explorer` that make it, and is None where none do. A network that stands in two tables is
    shown once.
    """
    points: list[dict[str, Any]] = []
    for family, table, series, _ in _SERIES:
        figures = {(figure.row, figure.unit): figure for figure in papers.figures(family, table)}
        for (row, unit), figure in figures.items():
            if unit != "M MACs" or (figure.computed or {}).get("network") != f"mobilenet_{family}":
                continue
            network = {name: value for name, value in figure.computed.items() if name not in ("network", "quantity")}
            if any((one["family"], one["network"]) == (family, network) for one in points):
                continue
            where = {"family": family, "table": table, "row": row, "series": series, "macs": figure.value}
            accuracy = figures[row, "% ImageNet accuracy"].value
            points.append({**where, "accuracy": accuracy, "network": None if "shallow" in network else network})
    return points


def _peak(rows: Sequence[architectures.Row]) -> architectures.Row:
    """The row that needs most activation memory."""
    return max(rows, key=lambda row: row.live_activations)


def _last_field(table: Table) -> int:
    """Receptive field of the last convolution."""
    fields = zip(table.rows, table.receptive_fields, strict=True)
    return max(side for row, side in fields if row.kind not in ("pool", "linear"))


def _draw_lane(axes: Axes, rows: Sequence[architectures.Row], heights: Sequence[float]) -> None:
    """Bars over the layers, with a colour and a hatch for each kind of layer."""
    for number, kind in enumerate(("conv", "depthwise", "pointwise", "linear")):
        of_kind = [height if row.kind == kind else 0 for row, height in zip(rows, heights, strict=True)]
        look = {"color": plots.PALETTE[number], "hatch": plots.HATCHES[number], "edgecolor": "black", "linewidth": 0.4}
        axes.bar(range(1, len(rows) + 1), of_kind, width=0.85, label=KINDS[kind], **look)
    axes.grid(False, axis="x")
    axes.set_xlim(0.3, len(rows) + 0.7)
    axes.set_ylim(0, 1.1 * max(heights))
