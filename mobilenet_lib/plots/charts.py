"""Plain charts of a frame: bars and lines, with the words that say what they show. Introduced in lesson 00."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mobilenet_lib.plots.look import bars, figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def bar_chart(frame: pd.DataFrame) -> tuple[Figure, str]:
    """A panel for each column of `frame`, in it a horizontal bar for each row, with its number at the end.

    The columns' names become the labels of the axes, so they should name the unit. Where a column has large numbers,
    they are written in millions.
    """
    panels, height = len(frame.columns), 0.9 + 0.45 * len(frame)
    fig, axes = figure(1, panels, width=9 if panels > 1 else 8, height=height, squeeze=False)
    for ax, (unit, numbers) in zip(axes[0], frame.items(), strict=True):
        bars(ax, list(frame.index), list(numbers), unit=unit, texts=_written(numbers))
        ax.locator_params("x", nbins=5)
        ax.tick_params(labelleft=ax is axes[0, 0])
    words = [
        f"{unit}: {', '.join(f'{name} {number:,}' for name, number in numbers.items())}"
        for unit, numbers in frame.items()
    ]
    return fig, f"Bars. {'; '.join(words)}."


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
    fig.legend(loc="outside lower center", ncols=4)  # not "best", which searches, and warns on a busy machine
    words = "; ".join(f"{column}: {_course(frame[column])}" for column in frame)
    marked = "" if level is None else f" A line marks {level:g}."
    scale = f", logarithmic in {' and '.join(log)}" if log else ""
    what = f"{len(frame.columns)} lines of {ylabel} against {xlabel or 'the rows of the table'}{scale}"
    return fig, f"{f'{title}. ' if title else ''}{what}. {words}.{marked}"


def _written(numbers: pd.Series) -> list[str]:
    """What stands at the ends of a panel's bars: all in millions where one is large."""
    if numbers.max() >= 1e7:
        return [f"{number / 1e6:,.1f} M" for number in numbers]
    return [f"{number:,}" for number in numbers]


def _course(line: pd.Series) -> str:
    """How a line runs: its beginning, middle and end, and its extremes where those are others."""
    places = [line.index[0], line.index[len(line) // 2], line.index[-1]]
    told = [f"{_short(line[place])} at {place}" for place in places]
    for word, place in (("highest", line.idxmax()), ("lowest", line.idxmin())):
        if place not in places:
            told.append(f"{word} {_short(line[place])} at {place}")
    return ", ".join(told)


def _short(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
