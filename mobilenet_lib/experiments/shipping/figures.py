"""The figures of lesson 11, each with its words: every function returns what `plots.show` takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from mobilenet_lib import plots
from mobilenet_lib.experiments.shipping import shipped

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def latencies(frame: pd.DataFrame, conditions: str) -> tuple[Figure, str]:
    """Bars of the milliseconds of each runtime with their interval, a plot per batch; frame: of `shipped.latencies`."""
    batches, words = list(frame.groupby("batch")), []
    fig, axes = plots.figure(1, len(batches), width=11, height=2.4, squeeze=False)
    for one, (batch, rows) in zip(axes[0], batches, strict=True):
        unit, blank = "ms (median, 95 % confidence interval)", [""] * len(rows)
        plots.bars(one, list(rows["runtime"]), list(rows["ms"]), unit=unit, texts=blank)
        errors = (rows["ms"] - rows["low"], rows["high"] - rows["ms"])
        one.errorbar(rows["ms"], range(len(rows)), xerr=errors, color="black", linestyle="", marker="", capsize=4)
        for place, row in enumerate(rows.itertuples()):
            told = f"{row.ms:.3g} ({row.low:.3g} to {row.high:.3g})"
            one.annotate(told, (row.high, place), (7, 0), textcoords="offset points", va="center")
            words.append(f"{row.runtime}, {batch}: {told}")
        one.margins(x=0.7)
        one.set_title(f"{batch} image{'s' if batch > 1 else ''}", fontsize=11)
    what = "Bars of the latency of runtimes by the number of images, ms with the 95 % confidence interval."
    return fig, f"{what} {'; '.join(words)}. {conditions}."


def preparations(
    runtime: Callable[[np.ndarray], np.ndarray], image: np.ndarray, classes: Sequence[str]
) -> tuple[Figure, str]:
    """One image, uint8 [3, h, w], as the network sees it after each of `shipped.PREPARATIONS`, and what it predicts."""
    fig, axes = plots.figure(1, len(shipped.PREPARATIONS), width=10, height=2.3)
    words = []
    for one, (name, prepare) in zip(axes, shipped.PREPARATIONS.items(), strict=True):
        given = prepare(image[np.newaxis])
        says = classes[runtime(given)[0].argmax()]
        one.imshow(given[0].transpose(1, 2, 0).clip(-1, 1) / 2 + 0.5)  # -1 black, 1 white
        one.set_title(f"{name.split(':')[0]}\n→ {says}", fontsize=10, weight="normal")
        one.axis("off")
        words.append(f"{name}: {says}")
    what = f"One image as the network sees it after {len(words)} preparations, and what it predicts."
    return fig, f"{what} {'; '.join(words)}."
