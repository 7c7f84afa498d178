"""Plain charts of a frame: bars, columns and lines, with the words that say what they show. Introduced in lesson 00."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from mobilenet_lib.plots.look import HATCHES, MARKERS, PALETTE, bars, figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_SAID = 8  # values of a line that its words list one by one
_MOST_MARKS = 24  # points of a line that are marked


def bar_chart(
    frame: pd.DataFrame | pd.Series, *, form: str | None = None, mark: tuple[float, str] | None = None
) -> tuple[Figure, str]:
    """A panel for each column of `frame`, in it a horizontal bar for each row, with its number at the end.

    The columns' names (or the series' own) become the labels of the axes, so they should name the unit.

    Args:
        form: of the numbers, such as "{:.1f}"; by default in full, or in millions where a column has large ones.
        mark: a value and what it is called, drawn as a dashed line.
    """
    frame = frame.to_frame() if frame.ndim == 1 else frame
    panels, height = len(frame.columns), 0.9 + 0.45 * len(frame)
    fig, axes = figure(1, panels, width=9 if panels > 1 else 8, height=height, squeeze=False)
    for ax, (unit, numbers) in zip(axes[0], frame.items(), strict=True):
        written = [form.format(number) for number in numbers] if form else _written(numbers)
        bars(ax, list(frame.index), list(numbers), unit=unit, texts=written)
        ax.locator_params("x", nbins=5)
        if numbers.max() < 1e5:
            ax.xaxis.set_major_formatter("{x:,.10g}")  # 2,000, not 2 k, where the label says "M MACs"
        ax.tick_params(labelleft=ax is axes[0, 0])
        if mark:
            ax.axvline(mark[0], color="black", linestyle="--", linewidth=1.5, label=mark[1])
            ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1))
    said = (form or "{:,}").format
    words = [f"{unit}: {_pairs(numbers.index, map(said, numbers))}" for unit, numbers in frame.items()]
    line = f" A dashed line at {said(mark[0])}: {mark[1]}." if mark else ""
    return fig, f"Bars. {'; '.join(words)}.{line}"


def line_chart(
    frame: pd.DataFrame,
    xlabel: str,
    ylabel: str,
    *,
    title: str = "",
    log: str = "",
    level: float | None = None,
    points: pd.DataFrame | None = None,
    ticks: Sequence[float] = (),
) -> tuple[Figure, str]:
    """A line for each column of `frame` over its index, which may be words; gaps (NaN) are left out.

    log: the axes that are logarithmic: "x", "y" or "xy". level: a height to mark with a thin black line. points: a
    frame like it of measured values, drawn as marks in the colour of their line. ticks: where the horizontal axis has
    its numbers.
    """
    fig, axes = figure(width=8.5, height=3.6)
    for number, column in enumerate(frame):
        line = frame[column].dropna()
        look = {} if points is None and len(line) <= _MOST_MARKS else {"marker": ""}
        axes.plot(line.index, line, label=str(column), **look)
        if points is not None:
            axes.plot(points[column], MARKERS[number], color=PALETTE[number], label=f"{column}, measured")
    for axis in log:
        axes.set(**{f"{axis}scale": "log"})
    if level is not None:
        axes.axhline(level, color="black", linewidth=1)
    axes.set(xlabel=xlabel, ylabel=f"{ylabel} (log scale)" if "y" in log else ylabel, title=title)
    if frame.index.dtype == object or str(frame.index.dtype).startswith("str"):
        axes.tick_params(axis="x", rotation=60)
    if len(ticks):
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.tick_params(axis="x", which="minor", bottom=False, labelbottom=False)
    if "y" in log and frame.max().max() < 100 * frame.min().min():
        _short_log_axis(axes)
    fig.legend(loc="outside upper center", ncols=4, fontsize=10)  # never on a line
    words = "; ".join(f"{column}: {_course(frame[column].dropna())}" for column in frame)
    marked = "" if level is None else f" A line marks {level:g}."
    if points is not None:
        marked += f" Measured: {'; '.join(f'{column}: {_course(points[column])}' for column in points)}."
    scale = f", logarithmic in {' and '.join(log)}" if log else ""
    kind = "points" if frame.count().max() == 1 else "lines"
    what = f"{len(frame.columns)} {kind} of {ylabel} against {xlabel or 'the rows of the table'}{scale}"
    return fig, f"{f'{title}. ' if title else ''}{what}. {words}.{marked}"


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
    tables = dict(table) if isinstance(table, Mapping) else {"": table}
    fig, grid = figure(1, len(tables), width=width, height=height, squeeze=False, sharey=True)
    for axes, (title, frame) in zip(grid[0], tables.items(), strict=True):
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
        long = sum(len(str(label)) + 2 for label in frame.index) > 10 * width / len(tables)
        axes.set_xticks(range(len(frame)), list(frame.index), rotation=90 if long else 0, fontsize=10)
        axes.set(title=title, xlabel=frame.index.name or "", yscale="log" if log else "linear")
        axes.margins(y=0.12)
    grid[0, 0].set_ylabel(ylabel)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    if len(labels) > 1:
        fig.legend(handles, labels, loc="outside right upper", fontsize=10)
    told = [f"{title}: {_rows(frame, form)}" if title else _rows(frame, form) for title, frame in tables.items()]
    return fig, f"{'Stacked bars' if stacked else 'Groups of bars'} of {ylabel}. {'. '.join(told)}."


def _written(numbers: pd.Series) -> list[str]:
    """What stands at the ends of a panel's bars: all in millions where one is large."""
    if numbers.max() >= 1e7:
        return [f"{number / 1e6:,.1f} M" for number in numbers]
    return [f"{number:,}" for number in numbers]


def _pairs(labels: Iterable[object], texts: Iterable[str]) -> str:
    return ", ".join(f"{label} {text}" for label, text in zip(labels, texts, strict=True))


def _rows(frame: pd.DataFrame, form: str) -> str:
    """Every row of a small table in words; rows of zeros say nothing."""
    rows = [(label, row) for label, row in frame.iterrows() if row.any()]
    said = (form or "{:,.0f}").format
    return "; ".join(f"{label}: {_pairs(frame, map(said, row))}" for label, row in rows) or "all 0"


def _short_log_axis(axes: Axes) -> None:
    """0.1, 0.2, 0.5 on a vertical axis of a decade or two, where matplotlib would write a single power of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _course(line: pd.Series) -> str:
    """How a line runs: each value of a short one; else beginning, middle and end, and the extremes beside them."""
    if len(line) <= _MOST_SAID:
        return ", ".join(f"{_short(value)} at {place}" for place, value in line.items())
    places = [line.index[0], line.index[len(line) // 2], line.index[-1]]
    told = [f"{_short(line[place])} at {place}" for place in places]
    for word, place in (("highest", line.idxmax()), ("lowest", line.idxmin())):
        if place not in places:
            told.append(f"{word} {_short(line[place])} at {place}")
    return ", ".join(told)


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
