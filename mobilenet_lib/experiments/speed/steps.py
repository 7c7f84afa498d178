"""What each step from the dynamic graph to an inference runtime is worth: factors that multiply up to the whole.

Nothing here imports Paddle; `ablation` builds what is timed. Introduced in lesson 07.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobilenet_lib.statistics import median_interval, ratio_of_medians

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TITLES = {
    "dynamic": "dynamic graph",
    "folded": "+ batch norms folded",
    "no_python": "+ without Python",
    "onednn": "+ oneDNN's kernels",
    "paddle.inference": "+ the runtime's other passes",
}
ALL = "all together"


def factors(rounds: Mapping[str, Sequence[Any]]) -> pd.DataFrame:
    """A row for each step, and one for all together.

    rounds: a step of `TITLES` → its milliseconds, [rounds] or [rounds, calls], measured in turns. Columns: ms, the
    median; saved_ms, than the step before: they add up to the last row's; times, as fast as the step before: they
    multiply up to the last row's; low, high: its 95 % confidence interval, paired by round.
    """
    import pandas as pd

    rows = {TITLES["dynamic"]: {"ms": median_interval(rounds["dynamic"])[0]}}
    for before, step in itertools.pairwise(TITLES):
        rows[TITLES[step]] = _gain(rounds[before], rounds[step])
    rows[ALL] = _gain(rounds["dynamic"], rounds["paddle.inference"])
    return pd.DataFrame(rows).T[["ms", "saved_ms", "times", "low", "high"]]


def _gain(before: Sequence[Any], after: Sequence[Any]) -> dict[str, float]:
    ms, saved = median_interval(after)[0], median_interval(before)[0] - median_interval(after)[0]
    times, low, high = ratio_of_medians(before, after)
    return {"ms": ms, "saved_ms": saved, "times": times, "low": low, "high": high}


def launching(launched: Mapping[str, int], costs: pd.DataFrame) -> float:
    """Milliseconds that launching takes of one call of a network in the dynamic graph.

    launched: how often each operation is launched (`counting.launches`). costs: columns operation and us, microseconds
    of one launch (`ablation.launch_costs`); an operation that it lacks counts with the mean of the others.
    """
    each = costs.set_index("operation")["us"]
    return sum(number * each.get(name, each.mean()) for name, number in launched.items()) / 1000


def most_from_leaving_out(fraction: float) -> float:
    """How many times as fast a program becomes at most when what takes this fraction of its time costs nothing.

    ValueError unless 0 ≤ fraction < 1. Source: G. M. Amdahl, AFIPS Conference Proceedings 30 (1967) 483.
    """
    if not 0 <= fraction < 1:
        raise ValueError(f"fraction must be a part of the time, from 0 to below 1, not {fraction!r}")
    return 1 / (1 - fraction)


def draw(tables: Mapping[str, pd.DataFrame], title: str) -> tuple[Figure, str]:
    """A panel for each network of `tables` (frames of `factors`): a bar for the milliseconds after each step, beside it
    the factor of the step with its interval. Returns the figure and what it shows in words.
    """
    from mobilenet_lib import plots

    fig, panels = plots.figure(1, len(tables), width=10, height=3.4, squeeze=False)
    for axes, (network, frame) in zip(panels[0], tables.items(), strict=True):
        steps = frame.drop(index=ALL)
        axes.barh(range(len(steps)), steps["ms"], color=plots.PALETTE[0], edgecolor="black")
        for place, row in enumerate(steps.itertuples()):
            axes.annotate(_factor(row), (row.ms, place), (4, 0), textcoords="offset points", va="center", fontsize=9)
        labels = list(steps.index) if axes is panels[0, 0] else [""] * len(steps)
        axes.set_yticks(range(len(steps)), labels)
        axes.set(title=network, xlabel="ms for one image", xlim=(0, 1.8 * steps["ms"].max()))
        axes.invert_yaxis()
    fig.suptitle(title, fontsize=8)
    told = (
        f"{network}: {'; '.join(_told(name, row) for name, row in frame.drop(index=ALL).iterrows())}"
        for network, frame in tables.items()
    )
    return fig, f"Bars of milliseconds for one image after each step. {'. '.join(told)}. {title}."


def _factor(row: Any) -> str:
    return "" if row.times != row.times else f"{row.times:.2f}× ({row.low:.2f} to {row.high:.2f})"


def _told(name: str, row: Any) -> str:
    return f"{name} {row.ms:.1f} ms {_factor(row)}".strip()
