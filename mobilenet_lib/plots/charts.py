"""Bars, columns, lines and points in the plane from pandas' own tables: a figure costs a lesson one line.

Each function returns a figure and its alternative text, made from the same numbers, for `look.show`. Where several
panels are wanted, give a dictionary of tables by their titles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mobilenet_lib.plots.look import HATCHES, LINE_STYLES, MARKERS, PALETTE, bars, figure
from mobilenet_lib.statistics import mean_effects

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_SAID = 8  # values of a line that its text lists; of a longer one it says the ends and the extremes


def bar_chart(
    table: pd.Series | pd.DataFrame,
    *,
    form: str = "{:,.1f}",
    mark: tuple[float, str] | None = None,
    width: float = 8,
    height: float | None = None,
) -> tuple[Figure, str]:
    """Horizontal bars, one per row; a panel for each column, whose name is the quantity with its unit.

    form: of the numbers written at the bars. mark: a value and what it is called, drawn as a dashed line.
    """
    frame = table.to_frame() if table.ndim == 1 else table
    fig, panels = figure(1, len(frame.columns), width=width, height=height or 1 + 0.36 * len(frame), squeeze=False)
    labels, said = [str(label) for label in frame.index], []
    for place, (axes, (name, values)) in enumerate(zip(panels[0], frame.items(), strict=True)):
        texts = [form.format(value) for value in values]
        bars(axes, labels if place == 0 else [""] * len(labels), list(values), unit=str(name), texts=texts)
        axes.xaxis.set_major_formatter("{x:,.10g}")  # the column's name has the unit, so no "2 k" of it
        if mark:
            axes.axvline(mark[0], color="black", linestyle="--", linewidth=1.5, label=mark[1])
            axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1))
        said.append(f"{name}: {_pairs(labels, texts)}")
    line = f" A dashed line at {form.format(mark[0])}: {mark[1]}." if mark else ""
    return fig, f"Horizontal bars. {'. '.join(said)}.{line}"


def column_chart(
    table: pd.DataFrame | Mapping[str, pd.DataFrame],
    ylabel: str,
    *,
    form: str = "{:,.0f}",
    stacked: bool = False,
    log: bool = False,
    width: float = 9,
    height: float = 3,
) -> tuple[Figure, str]:
    """Upright bars: a group for each row, in it a bar for each column, beside each other or stacked.

    The name of the index labels the horizontal axis. form: of the numbers over the bars ("" writes none).
    """
    fig, panels = _panels(table, width, height)
    for axes, (title, frame) in panels.items():
        bottom, bar = 0, 0.8 if stacked else 0.8 / len(frame.columns)
        for number, (name, values) in enumerate(frame.items()):
            at = [
                place + (0 if stacked else bar * (number - (len(frame.columns) - 1) / 2)) for place in range(len(frame))
            ]
            look = {"color": PALETTE[number], "hatch": HATCHES[number], "edgecolor": "black", "linewidth": 0.6}
            drawn = axes.bar(at, values, bar, bottom=bottom, label=str(name), **look)
            bottom = bottom + values.to_numpy() if stacked else 0
            if form and not stacked:
                axes.bar_label(drawn, [form.format(value) for value in values], padding=2, fontsize=8)
        long = sum(len(str(label)) + 2 for label in frame.index) > 10 * width / len(panels)
        axes.set_xticks(range(len(frame)), list(frame.index), rotation=90 if long else 0, fontsize=10)
        axes.set(title=title, xlabel=frame.index.name or "", yscale="log" if log else "linear")
        axes.margins(y=0.12)
    _finish(fig, panels, ylabel)
    rows = {title: _told_rows(frame, form or "{:,.0f}") for title, frame in panels.values()}
    return fig, f"{'Stacked bars' if stacked else 'Groups of bars'} of {ylabel}. {_joined(rows)}"


def line_chart(
    table: pd.DataFrame | Mapping[str, pd.DataFrame],
    ylabel: str,
    *,
    points: pd.DataFrame | None = None,
    form: str = "{:.3g}",
    scale: str = "",
    mark: tuple[float, str] | None = None,
    ticks: tuple[float, ...] = (),
    width: float = 8,
    height: float = 3,
) -> tuple[Figure, str]:
    """A line for each column over the index, whose name labels the horizontal axis; gaps (NaN) are left out.

    points: a table like it of measured values, drawn as marks in the colour of their line. scale: which axes are
    logarithmic, "x", "y" or "xy". mark: a height and what it is called, drawn as a dashed line. ticks: where the
    horizontal axis has its numbers. form: of the values in the text.
    """
    fig, panels = _panels(table, width, height)
    for axes, (title, frame) in panels.items():
        for number, (name, values) in enumerate(frame.items()):
            values = values.dropna()
            look = {"color": PALETTE[number], "linestyle": LINE_STYLES[number % len(LINE_STYLES)]}
            own = MARKERS[number] if points is None and len(values) <= 3 * _MOST_SAID else ""
            axes.plot(values.index, values, label=str(name), marker=own, **look)
            if points is not None:
                axes.plot(points[name], MARKERS[number], color=PALETTE[number], label=f"{name}, measured")
        if mark:
            axes.axhline(mark[0], color="black", linestyle="--", linewidth=1.2, label=mark[1])
        axes.set(title=title, xlabel=frame.index.name or "")
        axes.set(xscale="log" if "x" in scale else "linear", yscale="log" if "y" in scale else "linear")
        if "x" not in scale:
            axes.locator_params("x", integer=True)
        if ticks:
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
        if "y" in scale:
            _log_numbers(axes, frame)
    _finish(fig, panels, ylabel)
    logs = {"": "", "x": ", the horizontal axis logarithmic", "y": ", the vertical axis logarithmic"}
    told = _joined(
        {title: "; ".join(_told_line(*item, form) for item in frame.items()) for title, frame in panels.values()}
    )
    measured = f" Measured: {_told_rows(points, form)}." if points is not None else ""
    line = f" A dashed line at {form.format(mark[0])}: {mark[1]}." if mark else ""
    axis = f" over {frame.index.name}" if frame.index.name else ""
    return fig, f"Lines of {ylabel}{axis}{logs.get(scale, ', both axes logarithmic')}. {told}{measured}{line}"


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
    told = {title: ", ".join(map(_told_points, groups, groups.values())) for title, groups in panels.items()}
    return fig, f"Points in the plane. {_joined(told)}"


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
    axes.set(ylim=(len(means) - 0.5, -0.5), xlabel=f"{xlabel}: a point per seed; below, mean and 95 % interval")
    axes.set_title(told, fontsize=9, weight="normal")
    what = f"{len(table)} points, one per seed, with their mean and its 95 % confidence interval, of {xlabel}"
    return fig, f"{what}: {'; '.join(said)}.{f' Conditions: {told}.' if told else ''}"


# Panels, and their words.


def _log_numbers(axes: Axes, frame: pd.DataFrame) -> None:
    """0.1, 0.2, 0.5 on a vertical axis of a decade or two, where matplotlib would write a single power of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    if frame.max().max() < 100 * frame.min().min():
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _panels(table: Any, width: float, height: float) -> tuple[Figure, dict[Axes, tuple[str, pd.DataFrame]]]:
    """A figure, and for each of its panels the title and the table."""
    tables = dict(table) if isinstance(table, dict) else {"": table}
    fig, grid = figure(1, len(tables), width=width, height=height, squeeze=False, sharey=True)
    return fig, dict(zip(grid[0], tables.items(), strict=True))


def _finish(fig: Figure, panels: Mapping[Axes, Any], ylabel: str) -> None:
    first = next(iter(panels))
    first.set_ylabel(ylabel)
    handles, labels = first.get_legend_handles_labels()
    if len(labels) > 1:
        fig.legend(handles, labels, loc="outside right upper", fontsize=10)


def _pairs(labels: Any, texts: Any) -> str:
    return ", ".join(f"{label} {text}" for label, text in zip(labels, texts, strict=True))


def _told_rows(frame: pd.DataFrame, form: str) -> str:
    """Every row of a small table in words; of columns that are 0 throughout a row, nothing."""
    rows = {str(label): row for label, row in frame.iterrows() if row.any()}
    return (
        "; ".join(f"{label}: {_pairs(frame, [form.format(v) for v in row])}" for label, row in rows.items()) or "all 0"
    )


def _told_line(name: str, values: pd.Series, form: str) -> str:
    values = values.dropna()
    if len(values) <= _MOST_SAID:
        return f"{name}: " + ", ".join(f"{form.format(value)} at {place:.4g}" for place, value in values.items())
    said: dict[str, Callable[[], Any]] = {"highest": values.idxmax, "lowest": values.idxmin}
    ends = f"from {form.format(values.iloc[0])} to {form.format(values.iloc[-1])}"
    return f"{name}: {ends}, " + ", ".join(
        f"{what} {form.format(values[at()])} at {at():g}" for what, at in said.items()
    )


def _told_points(name: str, points: np.ndarray) -> str:
    far = f", at most {(points**2).sum(axis=1).max() ** 0.5:.2g} from zero" if len(points) else ""
    return f"{len(points)} points “{name}”{far}"


def _joined(told: Mapping[str, str]) -> str:
    return ". ".join(f"{title}: {text}" if title else text for title, text in told.items()) + "."
