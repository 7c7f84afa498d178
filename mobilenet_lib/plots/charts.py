"""Plain charts of a frame: bars and lines, with the words that say what they show. Introduced in lesson 00."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mobilenet_lib.plots.look import bars, figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def bar_chart(frame: pd.DataFrame, units: Sequence[str] | None = None, *, title: str = "") -> tuple[Figure, str]:
    """A panel for each column of `frame`, in it a horizontal bar for each row, with its number at the end.

    units: labels of the panels' axes; by default the names of the columns. Large numbers are written in millions.
    """
    units = list(frame.columns) if units is None else list(units)
    fig, axes = figure(
        1, len(units), width=9 if len(units) > 1 else 8, height=0.9 + 0.45 * len(frame), sharey=True, squeeze=False
    )
    for ax, column, unit in zip(axes[0], frame, units, strict=True):
        bars(ax, list(frame.index), list(frame[column]), unit=unit, texts=[_written(value) for value in frame[column]])
    if title:
        fig.suptitle(title)
    words = "; ".join(
        f"{unit}: {', '.join(f'{name} {value:,}' for name, value in frame[column].items())}"
        for column, unit in zip(frame, units, strict=True)
    )
    return fig, f"{f'{title}. ' if title else ''}Bars. {words}."


def line_chart(
    frame: pd.DataFrame, xlabel: str, ylabel: str, *, title: str = "", log: str = "", level: float | None = None
) -> tuple[Figure, str]:
    """A line for each column of `frame` over its index, which may be words.

    log: the axes that are logarithmic: "x", "y" or "xy". level: a height to mark with a thin black line.
    """
    fig, axes = figure(width=8.5, height=3.6)
    for column in frame:
        axes.plot(frame.index, frame[column], label=str(column))
    for axis in log:
        axes.set(**{f"{axis}scale": "log"})
    if level is not None:
        axes.axhline(level, color="black", linewidth=1)
    axes.set(xlabel=xlabel, ylabel=f"{ylabel} (log scale)" if "y" in log else ylabel, title=title)
    if frame.index.dtype == object or str(frame.index.dtype).startswith("str"):
        axes.tick_params(axis="x", rotation=60)
    axes.legend(ncols=2)
    words = "; ".join(f"{column}: {_course(frame[column])}" for column in frame)
    marked = "" if level is None else f" A line marks {level:g}."
    scale = f", logarithmic in {' and '.join(log)}" if log else ""
    what = f"{len(frame.columns)} lines of {ylabel} against {xlabel or 'the rows of the table'}{scale}"
    return fig, f"{f'{title}. ' if title else ''}{what}. {words}.{marked}"


def _written(value: float) -> str:
    return f"{value / 1e6:,.1f} M" if abs(value) >= 1e7 else f"{value:,}"


def _course(line: pd.Series) -> str:
    """How a line runs: where it begins and ends, and its extremes where those lie between."""
    ends = (line.iloc[0], line.iloc[-1])
    said = f"from {ends[0]:,.3g} at {line.index[0]} to {ends[1]:,.3g} at {line.index[-1]}"
    for word, place in (("highest", line.idxmax()), ("lowest", line.idxmin())):
        if line[place] not in ends:
            said += f", {word} {line[place]:,.3g} at {place}"
    return said
