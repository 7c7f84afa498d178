"""Points in the plane, and points for seeds, with the words that say what they show. Introduced in lesson 05."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mobilenet_lib.plots.look import LINE_STYLES, MARKERS, PALETTE, figure
from mobilenet_lib.statistics import mean_effects

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def planes(
    panels: Mapping[str, Mapping[str, np.ndarray]], *, columns: int = 3, axes_shown: bool = False, joined: bool = False
) -> tuple[Figure, str]:
    """Points in the plane, a panel per title: groups of points [points, 2] by their names, each with its own mark.

    axes_shown: panels share their axes, which have numbers; else each has its own scale, and none. joined: each group
    is a line through its points.
    """
    rows, columns = -(-len(panels) // columns), min(columns, len(panels))
    fig, grid = figure(
        rows,
        columns,
        width=min(9, 3.2 * columns + 2),
        height=2.3 * rows + 0.6,
        squeeze=False,
        sharex=axes_shown,
        sharey=axes_shown,
    )
    names = list(dict.fromkeys(name for groups in panels.values() for name in groups))
    for axes, (title, groups) in zip(grid.flat, panels.items(), strict=False):
        for name, points in groups.items():
            number = names.index(name)
            shape = (
                {"marker": "", "linestyle": LINE_STYLES[number]}
                if joined
                else {"marker": MARKERS[number], "linestyle": ""}
            )
            axes.plot(*points.T, color=PALETTE[number], markersize=5, label=name, **shape)
        axes.set(title=title, aspect="equal", adjustable="box" if axes_shown else "datalim")
        if not axes_shown:
            axes.set(xticks=(), yticks=())
    if axes_shown:
        fig.supxlabel("first number")
        fig.supylabel("second number")
    handles = {
        label: handle for axes in grid.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    fig.legend(handles.values(), handles.keys(), loc="outside right")
    told = [f"{title}: {', '.join(map(_told, groups, groups.values()))}" for title, groups in panels.items()]
    return fig, f"Points in the plane. {'. '.join(told)}."


def _told(name: str, points: np.ndarray) -> str:
    far = f", at most {(points**2).sum(axis=1).max() ** 0.5:.2g} from zero" if len(points) else ""
    return f"{len(points)} points “{name}”{far}"


def by_seed(
    table: pd.DataFrame, xlabel: str, told: str = "", *, mark: float | None = None, form: str = "{:.1f}"
) -> tuple[Figure, str]:
    """A row of points for each column of a table, one per seed (its index), with their mean and Student's 95 %.

    told: the conditions, for the title. mark: where to draw a line, such as 0 for differences.
    """
    means, said = mean_effects(table), []
    fig, axes = figure(width=9, height=1.2 + 0.55 * len(means))
    for place, (name, row) in enumerate(means.iterrows()):
        look = {"color": PALETTE[place % len(PALETTE)], "marker": MARKERS[place % len(MARKERS)], "linestyle": ""}
        axes.plot(table[name], [place - 0.2] * len(table), alpha=0.5, markersize=5, **look)
        ends = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
        axes.errorbar(row["mean"], place + 0.12, xerr=ends, capsize=6, **look)
        said.append(f"{name} {form} ({form} to {form})".format(row["mean"], row["low"], row["high"]))
    if mark is not None:
        axes.axvline(mark, color="black", linewidth=1.2)
    axes.set_yticks(range(len(means)), list(means.index))
    shown = "a point per seed; below, mean and 95 % confidence interval"
    axes.set(ylim=(len(means) - 0.5, -0.5), xlabel=f"{xlabel}: {shown}")
    axes.set_title(textwrap.fill(told, 100), fontsize=9, weight="normal")
    what = f"{len(table)} points, one per seed, with their mean and its 95 % confidence interval, of {xlabel}"
    line = "" if mark is None else f" A line at {form.format(mark)}."
    return fig, f"{what}: {'; '.join(said)}.{line}{f' Conditions: {told}.' if told else ''}"


def scatter(
    groups: Mapping[str, np.ndarray],
    xlabel: str,
    ylabel: str,
    *,
    title: str = "",
    level: tuple[float, str] | None = None,
    front: np.ndarray | None = None,
    diagonal: bool = False,
    ticks: Sequence[float] = (),
) -> tuple[Figure, str]:
    """Points [points, 2] of groups by their names, each with its own mark, and their ranges in words.

    level: a height and what it is called, as a dashed line. front: points that a staircase joins. diagonal: draw the
    line of equal numbers. ticks: the numbers on the horizontal axis, which is then logarithmic.
    """
    fig, axes = figure(width=5 if diagonal else 8, height=3.6)
    for place, (name, points) in enumerate(groups.items()):
        axes.plot(*points.T, MARKERS[place], color=PALETTE[place], linestyle="", label=name)
    if front is not None:
        axes.plot(*front.T, "k--", marker="", drawstyle="steps-post", label="front")
    if level:
        axes.axhline(level[0], color="black", linestyle="--", label=level[1])
    if diagonal:
        middle = float(np.mean([points.mean() for points in groups.values()]))
        axes.axline((middle, middle), slope=1, color="grey", linewidth=1, marker="")
    axes.set(xlabel=f"{xlabel} (log scale)" if len(ticks) else xlabel, ylabel=ylabel)
    axes.set_title(textwrap.fill(title, 100), fontsize=9, weight="normal")
    if len(ticks):
        axes.set(xscale="log")
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    fig.legend(loc="outside right upper")
    words = "; ".join(f"{len(points)} of {name}, {_span(points)}" for name, points in groups.items())
    extra = [f"a dashed line at {level[0]:.1f}: {level[1]}"] if level else []
    extra += ["the line of equal numbers"] if diagonal else []
    extra += [f"a front of {len(front)}, {_span(front)}"] if front is not None else []
    what = f"Points of {ylabel} over {xlabel}{', log scale' if len(ticks) else ''}: {words}"
    return fig, f"{'; with '.join([what, *extra])}.{f' Conditions: {title}.' if title else ''}"


def _span(points: np.ndarray) -> str:
    low, high = points.min(0), points.max(0)
    return f"{low[1]:.4g} to {high[1]:.4g} over {low[0]:,.4g} to {high[0]:,.4g}"
