"""What a list of times says: how sure their median is, and, apart from that, how far single calls spread.

Nothing here imports Paddle. Introduced in lesson 07.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib.statistics import median_interval

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PERCENTILES = (90, 95, 99)


def spread(rounds: Sequence[Any]) -> dict[str, float]:
    """Times of one thing, in rounds, as a row of a table.

    rounds: milliseconds, one for each round or [rounds, calls]. `ms` is the median (p50), `low` to `high` its 95 %
    confidence interval (`statistics.median_interval`): it shrinks with more rounds. `q25` and `q75` are the quartiles
    of the calls, `p90`, `p95` and `p99` their high percentiles: they do not shrink, they become better known. A
    percentile is NaN where fewer than ten calls lie beyond it. ValueError for fewer than three rounds.
    """
    values = np.array(rounds, float)
    ms, low, high = median_interval(rounds)
    q25, q75 = np.quantile(values, (0.25, 0.75))
    row = {"ms": ms, "low": low, "high": high, "q25": float(q25), "q75": float(q75)}
    row |= {f"p{percent}": _percentile(values, percent) for percent in PERCENTILES}
    return row | {"calls": values.size, "rounds": len(values)}


def _percentile(values: np.ndarray, percent: int) -> float:
    return float(np.percentile(values, percent)) if values.size * (100 - percent) >= 1000 else math.nan


def percentile_interval(rounds: Sequence[Sequence[float]], percent: float) -> tuple[float, float, float]:
    """A percentile of the calls, [rounds, calls], and its 95 % confidence interval, by the bootstrap over rounds."""
    values = np.array(rounds, float)
    drawn = values[np.random.default_rng(0).integers(len(values), size=(2000, len(values)))]
    low, high = np.percentile(np.percentile(drawn, percent, axis=(1, 2)), (2.5, 97.5))
    return float(np.percentile(values, percent)), float(low), float(high)


def draw(rows: pd.DataFrame, title: str) -> tuple[Figure, str]:
    """A line for each row: quartiles as a bar, the median with its confidence interval, known percentiles as marks.

    rows: columns as `spread` gives them, the index says what was timed. Returns the figure and what it shows in words.
    """
    from mobilenet_lib import plots

    fig, axes = plots.figure(width=9, height=1.7 + 0.42 * len(rows))
    places = range(len(rows))
    axes.barh(places, rows["q75"] - rows["q25"], left=rows["q25"], color="lightgrey", label="half of the calls")
    errors = (rows["ms"] - rows["low"], rows["high"] - rows["ms"])
    look = {"color": "black", "capsize": 4, "linestyle": "", "marker": "|", "markersize": 10}
    axes.errorbar(rows["ms"], places, xerr=errors, label="median, 95 % confidence interval", **look)
    known = [name for name in (f"p{percent}" for percent in PERCENTILES) if rows[name].notna().any()]
    for number, name in enumerate(known):
        look = {"color": plots.PALETTE[number], "marker": plots.MARKERS[number], "linestyle": ""}
        axes.plot(rows[name], places, label=name, **look)
    axes.set_yticks(places, list(rows.index))
    axes.invert_yaxis()
    axes.set(xlabel="ms for one image", xlim=(0, None))
    fig.suptitle(title, fontsize=8)
    fig.legend(loc="outside lower center", ncols=5, fontsize=9)
    told = "; ".join(
        f"{name}: median {row.ms:.1f} ({row.low:.1f} to {row.high:.1f})"
        + "".join(f", {one} {row[one]:.1f}" for one in known if not math.isnan(row[one]))
        for name, row in rows.iterrows()
    )
    return fig, f"Milliseconds for one image, of the calls and of their median. {told}. {title}."


def draw_ratios(rows: pd.DataFrame, xlabel: str, title: str, marks: Mapping[str, float]) -> tuple[Figure, str]:
    """A point for each ratio with its confidence interval, beside dashed lines.

    rows: columns ratio, low, high (`statistics.ratio_of_medians`), the index says of what. marks: name → where a line
    is; none need be. Returns the figure and what it shows in words.
    """
    from mobilenet_lib import plots

    fig, axes = plots.figure(width=9, height=1.7 + 0.3 * len(rows))
    errors = (rows["ratio"] - rows["low"], rows["high"] - rows["ratio"])
    look = {"color": "black", "capsize": 4, "linestyle": "", "marker": "o"}
    axes.errorbar(rows["ratio"], range(len(rows)), xerr=errors, label="95 % confidence interval", **look)
    for number, (name, value) in enumerate(marks.items()):
        axes.axvline(value, color=plots.PALETTE[number], linestyle="--", label=name)
    axes.set_yticks(range(len(rows)), list(rows.index))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(xlabel)
    fig.suptitle(title, fontsize=8)
    fig.legend(loc="outside lower center", ncols=4, fontsize=9)
    told = "; ".join(f"{name} {row.ratio:.2f} ({row.low:.2f} to {row.high:.2f})" for name, row in rows.iterrows())
    lines = "".join(f" Dashed line: {name} at {value:.2f}." for name, value in marks.items())
    return fig, f"Points with 95 % confidence intervals: {xlabel}. {told}.{lines} {title}."
