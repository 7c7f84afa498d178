"""Figures with one look, and with words for readers who cannot see them.

The palette is that of Okabe and Ito ("Color universal design", 2008), which stays distinct for the common forms of
colour blindness. Series also differ in marker and line style, so that no figure depends on colour.
"""

from __future__ import annotations

import base64
import html
import io
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mobilenet_lib.runs import Run

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINE_STYLES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")

_STYLE = {
    "figure.figsize": (8, 4),
    "figure.dpi": 100,
    "savefig.dpi": 144,
    "savefig.bbox": "tight",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same letters
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d9d9d9",
    "lines.linewidth": 2,
    "lines.markersize": 7,
    "legend.frameon": False,
}


def use_style() -> None:
    """Give every figure made from now on the course's look. `figure` calls it."""
    import matplotlib
    from cycler import cycler

    cycle = (
        cycler(color=PALETTE)
        + cycler(marker=MARKERS)
        + cycler(linestyle=[LINE_STYLES[i % len(LINE_STYLES)] for i in range(len(PALETTE))])
    )
    matplotlib.rcParams.update({**_STYLE, "axes.prop_cycle": cycle})


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 8, height: float = 4, **options: Any
) -> tuple[Figure, Any]:
    """A figure and its axes in the course's look; `options` go to `Figure.subplots`.

    width, height: in inches. The axes are one `Axes`, or an array of them where there are several rows or columns.
    The figure is not registered with pyplot, so a notebook shows it once, where `show` is called.
    """
    from matplotlib.figure import Figure

    use_style()
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(rows, columns, **options)


def show(fig: Figure, alt: str) -> None:
    """Display `fig` with its alternative text.

    `alt` says in words what the figure shows: the kind of plot, the axes, and the finding. It becomes the `alt` of the
    image on the page, the picture's metadata, and the plain-text form of the output, which the notebook tests compare.
    Raises ValueError where `alt` is missing or too short to say anything.
    """
    from IPython.display import publish_display_data

    data = as_data(fig, alt)
    publish_display_data(data, metadata={"image/png": {"alt": data["text/plain"]}})


def as_data(fig: Figure, alt: str) -> dict[str, str]:
    """What `show` displays, by MIME type: "image/png" (base64), "text/html" (an <img>), "text/plain" (the words)."""
    alt = " ".join(alt.split())
    if len(alt) < 20:
        raise ValueError(
            f"alt={alt!r} is too short: say what is plotted, on which axes, and what can be seen (20 characters or more)"
        )
    picture = base64.b64encode(png(fig)).decode()
    # JupyterLab's own image output has no alternative text, so the page gets an <img> of ours; the bare picture is there
    # for exports that need one (PDF, slides).
    page = f'<img alt="{html.escape(alt)}" style="max-width: 100%; background: white" src="data:image/png;base64,{picture}">'
    return {"image/png": picture, "text/html": page, "text/plain": alt}


def png(fig: Figure) -> bytes:
    """The figure's picture, without date and software version: the same figure gives the same bytes.

    A palette of 256 colours is enough for a plot, and makes a notebook a third as large.
    """
    from PIL import Image

    drawn, picture = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png")
    with_all_colours = Image.open(drawn).convert("RGB")
    with_all_colours.quantize(256, dither=Image.Dither.NONE).save(picture, "PNG", optimize=True)
    return picture.getvalue()


def bars(
    axes: Axes,
    labels: Sequence[str],
    values: Sequence[float],
    *,
    unit: str,
    texts: Sequence[str] | None = None,
    log: bool = False,
) -> None:
    """Horizontal bars in reading order, each with its number written at its end.

    labels: a name per bar. values: their lengths, in `unit`, which labels the axis. texts: what to write at the ends
    (default: the values with thousands separators).
    """
    from matplotlib.ticker import EngFormatter

    texts = texts or [f"{value:,}" for value in values]
    drawn = axes.barh(
        range(len(labels)), values, color=[PALETTE[i % len(PALETTE)] for i in range(len(labels))],
        edgecolor="black", linewidth=0.6, height=0.65,
    )  # fmt: skip
    for index, bar in enumerate(drawn):
        bar.set_hatch(HATCHES[index % len(HATCHES)])
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.bar_label(drawn, labels=texts, padding=5)
    axes.set_xlabel(unit)
    axes.grid(False, axis="y")
    if log:
        axes.set_xscale("log")
    # 200 M, where matplotlib would print 2.0 and a far 1e8.
    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
    axes.margins(x=0.25)


def learning_curves(runs: Sequence[Run]) -> tuple[Figure, str]:
    """Training loss and validation accuracy over the epochs, a line per run, with the conditions in the title.

    Runs of one name, which differ in their seed, share a colour. Returns the figure and its alternative text, for `show`.
    The text gives the last figures of recorded runs only: those of a run that was just trained differ from machine to
    machine, and a test compares the text. Raises ValueError where no run has a finished epoch.
    """
    _need_epochs(runs)
    fig, (loss, accuracy) = figure(1, 2, width=9, height=3.6)
    for run, look, label in _looks(runs):
        frame = run.to_frame()
        loss.plot(frame["epoch"], frame["train_loss"], label=label, **look)
        accuracy.plot(frame["epoch"], 100 * frame["validation_accuracy"], label=label, **look)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    loss.set(title="training loss", ylabel="cross entropy (nats)")
    accuracy.set(title="accuracy on pictures not trained on", ylabel="correct (%)")
    loss.legend()
    told = conditions(runs)
    fig.suptitle(textwrap.fill(told, 130), fontsize=8)

    alt = (
        f"Two line plots over {max(len(run.epochs) for run in runs)} epochs for {_names(runs)}: "
        f"training loss, and accuracy on pictures not trained on. Conditions: {told}."
    )
    if _all_recorded(runs):
        last = (
            f"{_with_seed(run, runs)} ends at loss {run.epochs[-1]['train_loss']:.2f} and "
            f"{100 * run.epochs[-1]['validation_accuracy']:.1f} %"
            for run in runs
        )
        alt += f" {'; '.join(last)}."
    return fig, alt


def train_and_test(runs: Sequence[Run]) -> tuple[Figure, str]:
    """Accuracy on training pictures (dashed) and on others (solid) over the epochs, a panel per run.

    Returns the figure and its alternative text, for `show`, as `learning_curves` does; ValueError as there.
    """
    _need_epochs(runs)
    fig, panels = figure(1, len(runs), width=9, height=3.4, sharey=True, squeeze=False)
    for axes, run in zip(panels[0], runs, strict=True):
        frame = run.to_frame()
        # Markers on every epoch would hide a long curve.
        look = {"markevery": max(1, len(frame) // 8)}
        axes.plot(frame["epoch"], 100 * frame["train_accuracy"], color=PALETTE[1], linestyle="--",
                  marker=MARKERS[1], label="training pictures, while training", **look)  # fmt: skip
        axes.plot(frame["epoch"], 100 * frame["validation_accuracy"], color=PALETTE[0],
                  linestyle="-", marker=MARKERS[0], label="pictures not trained on", **look)  # fmt: skip
        axes.set(title=run.name, xlabel="epoch", ylim=(0, 103))
    panels[0, 0].set_ylabel("correct (%)")
    panels[0, -1].legend(loc="lower right", fontsize=10)
    told = conditions(runs)
    fig.suptitle(textwrap.fill(told, 130), fontsize=8)

    alt = f"Accuracy on training pictures and on others over the epochs, a panel each for {_names(runs)}. Conditions: {told}."
    if _all_recorded(runs):
        last = (
            f"{run.name} ends at {100 * run.epochs[-1]['train_accuracy']:.1f} % on training pictures and "
            f"{100 * run.epochs[-1]['validation_accuracy']:.1f} % on others"
            for run in runs
        )
        alt += f" {'; '.join(last)}."
    return fig, alt


def conditions(runs: Sequence[Run]) -> str:
    """Mode, data and seeds of the runs in a line, for captions."""
    modes, sources = ({run.mode for run in runs}, {run.data["source"] for run in runs})
    seeds = ", ".join(str(seed) for seed in sorted({run.seed for run in runs}))
    return f"mode: {', '.join(sorted(modes))} · {'; '.join(sorted(sources))} · seed {seeds}"


def _need_epochs(runs: Sequence[Run]) -> None:
    if not any(run.epochs for run in runs):
        raise ValueError("none of the runs has a finished epoch: there is nothing to draw")


def _looks(runs: Sequence[Run]) -> Iterator[tuple[Run, dict[str, str], str | None]]:
    """Each run with the look of its name, and its label where it is the first of that name."""
    names = list(dict.fromkeys(run.name for run in runs))
    labelled: set[str] = set()
    for run in runs:
        place = names.index(run.name)
        look = {
            "color": PALETTE[place % len(PALETTE)],
            "marker": MARKERS[place % len(MARKERS)],
            "linestyle": LINE_STYLES[place % len(LINE_STYLES)],
        }
        yield run, look, None if run.name in labelled else run.name
        labelled.add(run.name)


def _names(runs: Sequence[Run]) -> str:
    return " and ".join(dict.fromkeys(run.name for run in runs))


def _with_seed(run: Run, runs: Sequence[Run]) -> str:
    several = sum(other.name == run.name for other in runs) > 1
    return f"{run.name}, seed {run.seed}," if several else run.name


def _all_recorded(runs: Sequence[Run]) -> bool:
    return all(run.mode == "recorded" for run in runs)


def accuracies(summary: pd.DataFrame) -> tuple[Figure, str]:
    """The accuracies of a frame of `results.summary` with their intervals, a row per network.

    Returns the figure and its alternative text, for `show`. The text gives the figures of recorded runs only, as that of
    `learning_curves` does.
    """
    fig, axes = figure(width=7, height=1 + 0.6 * len(summary))
    rows = list(summary.itertuples())
    for place, row in enumerate(rows):
        below, above = row.accuracy - row.low, row.high - row.accuracy
        axes.errorbar(
            100 * row.accuracy, place, xerr=[[100 * below], [100 * above]],
            color=PALETTE[place % len(PALETTE)], marker=MARKERS[place % len(MARKERS)], capsize=6,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel("accuracy (%) with its 95 % interval")
    conditions = "; ".join(sorted({f"mode: {row.mode} · {row.data}" for row in rows}))
    axes.set_title(conditions, fontsize=9, weight="normal")

    alt = f"A point with its 95 % interval for {' and '.join(row.name for row in rows)}. Conditions: {conditions}."
    if all(row.mode == "recorded" for row in rows):
        told = (f"{row.name} {100 * row.accuracy:.1f} % ({100 * row.low:.1f} to {100 * row.high:.1f})" for row in rows)
        alt += f" {'; '.join(told)}."
    return fig, alt


def trade_offs(frame: pd.DataFrame, costs: dict[str, str], told: str) -> tuple[Figure, str]:
    """The accuracy of each network of `frame` against its costs, a panel per cost with a logarithmic axis.

    frame: columns `name`, `accuracy`, `low`, `high` (shares) as `results.summary` gives them, and those named in `costs`,
    which maps a column to the label of its axis, with the unit. told: the conditions, for the title. Returns the figure and
    its alternative text, for `show`. Raises ValueError for a column that is not there.
    """
    from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

    missing = [column for column in ("name", "accuracy", "low", "high", *costs) if column not in frame]
    if missing:
        raise ValueError(f"frame has no column {missing[0]!r}; it has {', '.join(frame)}")
    columns = min(2, len(costs))
    rows = -(-len(costs) // columns)
    fig, panels = figure(rows, columns, width=9, height=2.7 * rows + 0.4, sharey=True, squeeze=False)
    points = list(frame.to_dict("records"))
    for axes, (column, label) in zip(panels.flat, costs.items(), strict=False):
        for place, point in enumerate(points):
            spread = [
                [100 * (point["accuracy"] - point["low"])],
                [100 * (point["high"] - point["accuracy"])],
            ]
            axes.errorbar(
                point[column], 100 * point["accuracy"], yerr=spread, capsize=4, linestyle="",
                color=PALETTE[place % len(PALETTE)], marker=MARKERS[place % len(MARKERS)], label=point["name"],
            )  # fmt: skip
        axes.set(xscale="log", xlabel=label)
        # Within a decade LogLocator would crowd the axis.
        near = frame[column].max() < 10 * frame[column].min()
        axes.xaxis.set_major_locator(MaxNLocator(4) if near else LogLocator(subs=(1, 3)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
        axes.xaxis.set_minor_formatter(NullFormatter())
    for axes in panels[:, 0]:
        axes.set_ylabel("correct (%)")
    fig.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside right upper")
    fig.suptitle(textwrap.fill(told, 120), fontsize=8)
    words = "; ".join(
        f"{point['name']} {100 * point['accuracy']:.1f} % at "
        + ", ".join(f"{point[column]:,.3g} {label}" for column, label in costs.items())
        for point in points
    )
    return (
        fig,
        f"Accuracy with its 95 % interval against {', '.join(costs.values())}, logarithmic axes. {words}. Conditions: {told}.",
    )


def confusion(matrix: np.ndarray, classes: Sequence[str], told: str) -> tuple[Figure, str]:
    """A confusion matrix [true class, answer] of counts as a picture, each number the percentage of its row.

    told: the conditions, for the title. Returns the figure and its alternative text, for `show`, which names the three
    pairs most often taken for another. Raises ValueError where matrix and classes do not fit.
    """
    import numpy as np

    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"matrix must be {[len(classes)] * 2} for {len(classes)} classes, not {list(matrix.shape)}")
    percent = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    fig, axes = figure(width=7.5, height=4.3)
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for row in range(len(classes)):
        for column in range(len(classes)):
            value = percent[row, column]
            axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9,
                      color="white" if value > 55 else "black")  # fmt: skip
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="answer", ylabel="true class (each row: 100 %)")
    axes.grid(False)
    axes.set_title(textwrap.fill(told, 80), fontsize=8, weight="normal")
    wrong = np.where(np.eye(len(classes), dtype=bool), -1, percent)
    pairs = (np.unravel_index(place, wrong.shape) for place in np.argsort(-wrong, axis=None, kind="stable")[:3])
    words = "; ".join(
        f"{classes[true]} taken for {classes[answer]}: {wrong[true, answer]:.0f} %" for true, answer in pairs
    )
    return fig, (
        f"A table of {len(classes)} true classes against {len(classes)} answers, darker where more frequent. Right answers lie on "
        f"the diagonal, between {np.diag(percent).min():.0f} and {np.diag(percent).max():.0f} %. Most frequent mistakes: {words}. "
        f"Conditions: {told}."
    )
