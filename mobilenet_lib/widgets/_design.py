"""The design explorer: choices, a budget, and the front of the designs that were trained."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from mobilenet_lib import plots
from mobilenet_lib.experiments import design as designs
from mobilenet_lib.experiments.design import COSTS, Budget, Design
from mobilenet_lib.widgets._architecture import ArchitectureExplorer
from mobilenet_lib.widgets._explorer import Explorer, module

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MOST = 10**9
_NUMBERS = ("accuracy", "low", "high")  # fractions in Python, percent in the browser


class DesignExplorer(ArchitectureExplorer):
    """Made by `design_explorer`. Its choices are attributes, `max_macs` and its like the budget (0 is no limit)."""

    name = "design_explorer"
    limits: ClassVar = {**ArchitectureExplorer.limits, **{f"max_{name}": (0, _MOST) for name in COSTS}}
    _esm = module(name)

    max_macs = traitlets.Int().tag(sync=True)
    max_params = traitlets.Int().tag(sync=True)
    max_peak_activations = traitlets.Int().tag(sync=True)
    cost = traitlets.Enum(list(COSTS), "macs").tag(sync=True)
    points = traitlets.List().tag(sync=True)

    _possible_limits = traitlets.validate(*(f"max_{name}" for name in COSTS))(Explorer._accept)

    @property
    def settings(self) -> dict[str, Any]:
        more = {name: getattr(self, name) for name in (*(f"max_{cost}" for cost in COSTS), "cost", "points")}
        return super().settings | more

    @property
    def budget(self) -> Budget | None:
        """The limits as they stand now; None where there is none."""
        limits = {name: getattr(self, f"max_{name}") or None for name in COSTS}
        return Budget(**limits) if any(limits.values()) else None

    def frame(self) -> pd.DataFrame:
        """A row per cost: what this design uses, the limit, how much of it in percent, and whether it fits."""
        import pandas as pd

        report = self.budget.report(self.design) if self.budget else pd.DataFrame()
        rows = {}
        for name, label in COSTS.items():
            row = {"used": getattr(self.table, name), "limit": "none", "% of limit": "", "verdict": ""}
            if label in report.index:
                limit, percent, verdict = report.loc[label, ["limit", "% of limit", "verdict"]]
                row |= {"limit": f"{limit:,.0f}", "% of limit": f"{percent:.0f}", "verdict": verdict}
            rows[label] = row
        return pd.DataFrame.from_dict(rows, orient="index")

    def figure(self) -> tuple[Figure, str]:
        import pandas as pd

        used = getattr(self.table, self.cost)
        verdict = self._verdict()
        if not self.points:
            fig, axes = plots.figure(width=8, height=2.4)
            used = [getattr(self.table, name) for name in COSTS]
            plots.bars(axes, list(COSTS.values()), used, unit="for one image", log=True)
            return fig, f"Bars of what {self.design.title} costs: {verdict}"
        frame = pd.DataFrame(self.points).set_index("name")
        frame[list(_NUMBERS)] /= 100
        fig, alt = designs.trade_off(frame, self.cost)
        (axes,) = fig.axes
        axes.axvline(used, color="black", linewidth=2, label="this design")
        limit = getattr(self, f"max_{self.cost}")
        if limit:
            axes.axvline(limit, color="black", linestyle=":", linewidth=2, label="limit")
        lines = axes.lines[-2:] if limit else axes.lines[-1:]
        axes.legend(handles=lines, loc="lower right", fontsize=10)
        fig.suptitle(f"{self.design.title}: {used:,} {COSTS[self.cost]}", weight="bold")
        return fig, f"{alt} A line marks {self.design.title} at {used:,} {COSTS[self.cost]}. {verdict}"

    def _verdict(self) -> str:
        if self.budget is None:
            return "No budget is set."
        lines = self.budget.report(self.design)
        told = (f"{name} {line['% of limit']:.0f} % of the limit, {line['verdict']}" for name, line in lines.iterrows())
        return f"Budget: {'; '.join(told)}."


def design_explorer(
    design: Design | None = None, budget: Budget | None = None, trained: pd.DataFrame | None = None
) -> DesignExplorer:
    """Sliders for a design and for its budget, and its place among designs that were trained.

    Args:
        design: where the sliders begin.
        budget: its limits of MACs, weights and activation memory, which are whole numbers.
        trained: a frame of `design.trained` or `design.recorded`, drawn with its front.

    Returns:
        The explorer; `design` and `budget` are the choices as they stand.

    Raises:
        ValueError: a budget of milliseconds, which no table knows.
    """
    limits = budget.limits if budget else {}
    if "milliseconds" in limits:
        raise ValueError(
            "the explorer counts and does not measure: leave milliseconds out of its budget, and check them later"
        )
    choices = dataclasses.asdict(design or Design())
    choices["strides"] = list(choices["strides"])
    most = {f"max_{name}": limits.get(name, 0) for name in COSTS}
    return DesignExplorer(**choices, **most, cost="macs", points=[] if trained is None else _points(trained))


def _points(trained: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a frame of `design.trained` as plain JSON, accuracies in percent."""
    return [
        {
            "name": name,
            "family": row.family,
            **{cost: int(row[cost]) for cost in COSTS},
            **{number: round(100 * float(row[number]), 2) for number in _NUMBERS},
        }
        for name, row in trained.iterrows()
    ]
