"""The design explorer: choices, a budget, and the front of the designs that were trained."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from mobilenet_lib import plots
from mobilenet_lib.experiments import design as designs
from mobilenet_lib.experiments.design import COSTS, Budget, Design
from mobilenet_lib.widgets._architecture import ArchitectureExplorer
from mobilenet_lib.widgets._explorer import module, sliders

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

_MOST = 10**9
_NUMBERS = ("accuracy", "low", "high")  # fractions in Python, percent in the browser


class DesignExplorer(ArchitectureExplorer):
    """Made by `design_explorer`. Its choices are attributes, `max_macs` and its like the budget (0 is no limit)."""

    name = "design_explorer"
    budgets: ClassVar = {f"max_{name}": (0, _MOST) for name in COSTS}
    limits: ClassVar = {**ArchitectureExplorer.limits, **budgets}
    _esm = module(name)

    cost = traitlets.Enum(list(COSTS), "macs").tag(sync=True)
    points = traitlets.List().tag(sync=True)
    vars().update(sliders(budgets))

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {name: getattr(self, name) for name in (*self.budgets, "cost", "points")}

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
        frame[list(_NUMBERS)] = frame[list(_NUMBERS)].astype(float) / 100
        fig, alt = designs.trade_off(frame, self.cost)
        (axes,) = fig.axes
        axes.axvline(used, color="black", linewidth=2, label="this design")
        if limit := getattr(self, f"max_{self.cost}"):
            axes.axvline(limit, color="black", linestyle=":", linewidth=2, label="limit")
        axes.legend(handles=axes.lines[-2 if limit else -1 :], loc="lower right", fontsize=10)
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

    design: where the sliders begin. budget: its limits of MACs, weights and activation memory, whole numbers. trained:
    a frame such as `design.candidates`, drawn with its front. The explorer's `design` and `budget` are the choices as
    they stand. Raises ValueError for a budget of milliseconds, which no table knows.
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
    points = []
    for name, row in trained.iterrows():
        point = {"name": name, "family": row.family, **{cost: int(row[cost]) for cost in COSTS}}
        known = {number: round(100 * float(row[number]), 2) for number in _NUMBERS if row[number] == row[number]}
        points.append(point | dict.fromkeys(_NUMBERS) | known)  # JSON has no NaN
    return points
