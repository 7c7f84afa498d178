"""What trainings reached, drawn: curves over the epochs, accuracies with their intervals, trade-offs, confusion.

Each function returns a figure and its alternative text, for `show`. The text is made from the same data. It gives
figures of recorded runs only: those of a run that was just trained differ from machine to machine, and a test compares
the text.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import environment
from mobilenet_lib.plots.look import LINE_STYLES, MARKERS, PALETTE, as_data, figure, log_axis, readable
from mobilenet_lib.statistics import computed

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mobilenet_lib.runs import Run


def learning_curves(runs: Sequence[Run]) -> tuple[Figure, str]:
    """Training loss and validation accuracy over the epochs, a line per run, with the conditions in the title.

    Runs of one name, which differ in their seed, share a colour. Losses that differ by powers of ten get a logarithmic
    axis. Raises ValueError where no run has a finished epoch.
    """
    _need_epochs(runs)
    fig, (loss, accuracy) = figure(1, 2, width=9, height=3.6)
    for run, look, label in _looks(runs):
        frame = run.to_frame()
        loss.plot(frame["epoch"], frame["train_loss"], label=label, **look)
        accuracy.plot(frame["epoch"], 100 * frame["validation_accuracy"], label=label, **look)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.locator_params("x", integer=True)
    loss.set(title="training loss", ylabel="cross entropy (nats)")
    _log_where_wide(loss, [epoch["train_loss"] for run in runs for epoch in run.epochs])
    accuracy.set(title="accuracy on images not trained on", ylabel="accuracy (%)")
    loss.legend()
    told = _titled(fig, runs)
    what = (
        f"Two line plots over {max(len(run.epochs) for run in runs)} epochs for {_names(runs)}: "
        "training loss, and accuracy on images not trained on"
    )
    return fig, _alt(what, told, _ends(runs, "loss {train_loss:.2f} and {validation_percent:.1f} %"))


def growing_curves(beside: Sequence[Run] = ()) -> Callable[[Run], None]:
    """A callback for `training.Options(on_epoch_end=…)`: `learning_curves` of the run and of those `beside` it, redrawn
    in place after each epoch. It draws in a live notebook only, as the progress bar does.
    """
    shown: list[Any] = []

    def draw(run: Run) -> None:
        if not environment.interactive():
            return
        from IPython.display import display

        data = as_data(*learning_curves([*beside, run]))
        if shown:
            shown[0].update(data, raw=True)
        else:
            shown.append(display(data, raw=True, display_id=True))

    return draw


def train_and_test(runs: Sequence[Run]) -> tuple[Figure, str]:
    """Accuracy on training images (dashed) and on others (solid) over the epochs, a panel per run.

    Raises ValueError where no run has a finished epoch.
    """
    _need_epochs(runs)
    fig, panels = figure(1, len(runs), width=9, height=3.4, sharey=True, squeeze=False)
    labels = {"train_accuracy": "training images, while training", "validation_accuracy": "images not trained on"}
    for axes, run in zip(panels[0], runs, strict=True):
        frame = run.to_frame()
        for place, (column, label) in zip((1, 0), labels.items(), strict=True):
            # Markers on every epoch would hide a long curve.
            look = {**_look(place), "markevery": max(1, len(frame) // 8)}
            axes.plot(frame["epoch"], 100 * frame[column], label=label, **look)
        axes.set(title=readable(run.name), xlabel="epoch", ylim=(0, 103))
        axes.locator_params("x", integer=True)
    panels[0, 0].set_ylabel("accuracy (%)")
    panels[0, -1].legend(loc="lower right", fontsize=10)
    told = _titled(fig, runs)
    what = f"Accuracy on training images and on others over the epochs, a panel each for {_names(runs)}"
    each = "{train_percent:.1f} % on training images and {validation_percent:.1f} % on others"
    return fig, _alt(what, told, _ends(runs, each))


def conditions(runs: Sequence[Run]) -> str:
    """Mode, data and seeds of the runs in a line, for captions."""
    modes, sources, seeds = (
        {run.mode for run in runs},
        {run.data["source"] for run in runs},
        {run.seed for run in runs},
    )
    seeds = ", ".join(map(str, sorted(seeds)))
    on_card = f" · {computed(runs)}" if any("card" in run.machine for run in runs) else ""
    return f"mode: {', '.join(sorted(modes))} · {'; '.join(sorted(sources))} · seed {seeds}{on_card}"


def accuracies(summary: pd.DataFrame, published: Mapping[str, float] | None = None) -> tuple[Figure, str]:
    """The accuracies of a frame of `statistics.summary`, a row per network, with Student's 95 % confidence interval.

    A network with one seed has a hollow point and no interval: an interval over test images answers another question,
    and is not drawn on the same axis. Where several seeds have no interval, each has its hollow point. Rows that share
    a `series`, if there is such a column, share colour and marker, and the legend names them. published: figures of
    others in per cent, by network, each marked by a cross.
    """
    rows, published = summary.to_dict("records"), published or {}
    series = [row.get("series", "") for row in rows]
    names = list(dict.fromkeys([*published, *(row["name"] for row in rows)]))
    fig, axes = figure(width=8, height=1.3 + 0.5 * len(names))
    kinds = list(dict.fromkeys(series))
    for row, kind in zip(rows, series, strict=True):
        place = kinds.index(kind)
        above = 0.24 * (place - (len(kinds) - 1) / 2)
        _draw_accuracy(axes, row, names.index(row["name"]) + above, _look(place) | {"linestyle": ""}, kind)
    for name, value in published.items():
        look = {"marker": "X", "color": "black", "linestyle": ""}
        axes.plot(value, names.index(name), label="published, one seed", **look)
    axes.set_yticks(range(len(names)), list(map(readable, names)))
    axes.set(ylim=(len(names) - 0.5, -0.5), xlabel="accuracy (%) with its 95 % confidence interval over seeds")
    parts = [f"mode: {row['mode']} · {row['data']}" for row in rows] + [row["recipe"] for row in rows]
    parts += [row["computed"] for row in rows if row["mode"] == "recorded"]
    told = "; ".join(dict.fromkeys(parts))
    axes.set_title(readable(textwrap.fill(told, 90), None), fontsize=8, weight="normal")
    signs = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    columns = len(signs) if len(kinds) == 1 else len(kinds)
    fig.legend(signs.values(), signs.keys(), loc="outside lower right", fontsize=9, ncols=columns)
    recorded = all(row["mode"] == "recorded" for row in rows)
    ends = [_told_accuracy(row) for row in rows] if recorded else []
    ends += [f"published: {name} {value:.1f} %" for name, value in published.items()]
    return fig, _alt(f"A point for {' and '.join(names)}, with its 95 % confidence interval over seeds", told, ends)


def _draw_accuracy(axes: Axes, row: dict[str, Any], place: float, look: dict[str, Any], series: str) -> None:
    """Mean and interval, or a hollow point for each seed where there is none."""
    before = f"{series}: " if series else ""
    if _without_interval(row):
        each, label = [100 * one for one in row["by_seed"]], f"{before}single seeds, no interval"
        axes.plot(each, [place] * len(each), markerfacecolor="white", label=label, **look)
    else:
        label = f"{before}mean of the seeds"
        axes.errorbar(100 * row["accuracy"], place, xerr=_spread([row]), capsize=6, label=label, **look)


def _told_accuracy(row: dict[str, Any]) -> str:
    accuracy, low, high = (100 * row[key] for key in ("accuracy", "low", "high"))
    reached, told = f"{accuracy:.1f}", f"{low:.1f} to {high:.1f}, {row['runs']} seeds"
    if _without_interval(row):
        reached = ", ".join(f"{100 * one:.1f}" for one in row["by_seed"])
        told = "one seed" if row["runs"] == 1 else f"{row['runs']} seeds, no interval"
    return f"{row['name']}{', ' * ('series' in row)}{row.get('series', '')} {reached} % ({told})"


def _without_interval(row: dict[str, Any]) -> bool:
    return row["runs"] == 1 or row["low"] != row["low"]  # NaN


def trade_offs(
    frame: pd.DataFrame, costs: dict[str, str], told: str, *, front: Sequence[str] = (), own: pd.DataFrame | None = None
) -> tuple[Figure, str]:
    """The accuracy of each network, with its 95 % confidence interval, against its costs: a panel with a log axis each.

    Args:
        frame: columns `name`, `accuracy`, `low`, `high` (fractions) as `statistics.summary` gives them, and those of
            `costs`; the networks of a `series`, if there is such a column, share colour, `marker` and label.
        costs: maps a column to the label of its axis, with the unit.
        told: the conditions, for the title.
        front: names of the networks on the Pareto front, from cheap to expensive: numbered, and joined by a staircase.
        own: one more row, drawn as a star. The text gives no accuracy of it, which differs between machines.

    The text gives the front's accuracies, or those of all where there is none. Raises ValueError for a column that is
    not there.
    """
    missing = [column for column in ("name", "accuracy", "low", "high", *costs) if column not in frame]
    if missing:
        raise ValueError(f"frame has no column {missing[0]!r}; it has {', '.join(frame)}")
    columns, rows = min(2, len(costs)), -(-len(costs) // 2)
    fig, panels = figure(rows, columns, width=9, height=2.7 * rows + 1.9 * bool(front), sharey=True, squeeze=False)
    best = frame.set_index("name").loc[list(front)].reset_index()
    for axes in panels.flat[len(costs) :]:
        axes.set_axis_off()
    for axes, (column, label) in zip(panels.flat, costs.items(), strict=False):
        _draw_points(axes, frame, column)
        _draw_front(axes, best, column)
        for row in [] if own is None else own.to_dict("records"):
            star = {"marker": "*", "markersize": 16, "markeredgecolor": "black", "linestyle": "", "capsize": 4}
            hollow = {"markerfacecolor": "white"} if row["low"] != row["low"] else {}  # NaN: one seed
            star |= {"color": PALETTE[3], "label": f"yours: {row['name']}{', one seed' * bool(hollow)}", **hollow}
            axes.errorbar(row[column], 100 * row["accuracy"], _spread([row]), **star)
        log_axis(axes, label, frame[column])
    for axes in panels[:, 0]:
        axes.set_ylabel("accuracy (%)")
    fig.legend(*_signs(panels[0, 0], front), loc="outside right upper", fontsize=9 if front else None)
    fig.suptitle(textwrap.fill(readable(told, None), 95), fontsize=8, x=0.02, ha="left")  # the legend is at the right
    return fig, _told_trade_offs(frame, costs, told, best, own)


def _draw_points(axes: Axes, frame: pd.DataFrame, column: str) -> None:
    """A point with its interval for each row; the rows of a series alike."""
    series = frame["series"] if "series" in frame else frame["name"]
    for place, (name, rows) in enumerate(frame.groupby(series, sort=False)):
        mark = {"marker": rows["marker"].iloc[0]} if "marker" in rows else {}
        look = {**_look(place), **mark, "linestyle": "", "capsize": 4, "elinewidth": 1.5}
        axes.errorbar(
            rows[column], 100 * rows["accuracy"], _spread(rows.to_dict("records")), label=readable(name), **look
        )


def _draw_front(axes: Axes, best: pd.DataFrame, column: str) -> None:
    """A staircase through the front, and its numbers."""
    if best.empty:
        return
    steps = {"drawstyle": "steps-post", "marker": "", "linestyle": "--", "color": "black", "linewidth": 1.2}
    axes.plot(best[column], 100 * best["accuracy"], **steps, label="front")
    for number, row in enumerate(best.to_dict("records"), start=1):
        where = (row[column], 100 * max(row["accuracy"], row["high"]))  # NaN of one seed
        axes.annotate(str(number), where, (0, 4), textcoords="offset points", ha="center", fontsize=10)
        axes.plot([], [], marker=f"${number}$", color="black", linestyle="", label=readable(row["name"]))
    axes.margins(x=0.1, y=0.12)


def _signs(axes: Axes, front: Sequence[str]) -> tuple[Sequence[Any], Sequence[str]]:
    """Handles and labels for the legend, the front's numbers last."""
    pairs = sorted(zip(*axes.get_legend_handles_labels(), strict=True), key=lambda pair: pair[1] in front)
    return tuple(zip(*pairs, strict=True))


def _told_trade_offs(
    frame: pd.DataFrame, costs: dict[str, str], told: str, best: pd.DataFrame, own: pd.DataFrame | None
) -> str:
    axes = f"{', '.join(costs.values())}, logarithmic axes"
    what = f"Accuracy of {len(frame)} networks with its 95 % confidence interval against {axes}"
    rows = (frame if best.empty else best).to_dict("records")
    reached = [f"{row['name']} {100 * row['accuracy']:.1f} %" for row in rows]
    if best.empty:
        spent = [", ".join(f"{row[column]:,.3g} {label}" for column, label in costs.items()) for row in rows]
        return _alt(what, told, [f"{one} at {cost}" for one, cost in zip(reached, spent, strict=True)])
    star = "" if own is None else f" A star marks {own['name'].iloc[0]}."
    return f"{_alt(what, told)} The front, from cheap to expensive: {'; '.join(reached)}.{star}"


def confusion(matrix: np.ndarray, classes: Sequence[str], told: str) -> tuple[Figure, str]:
    """A confusion matrix [true class, prediction] of counts in colours, each number the percentage of its row.

    told: the conditions, for the title. The text names the three pairs most often taken for another. Raises ValueError
    where matrix and classes do not fit.
    """
    import numpy as np

    matrix = np.asarray(matrix)
    if matrix.shape != (len(classes), len(classes)):
        raise ValueError(f"matrix must be {[len(classes)] * 2} for {len(classes)} classes, not {list(matrix.shape)}")
    percent = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    fig, axes = figure(width=7.5, height=4.3)
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), value in np.ndenumerate(percent):
        ink = "white" if value > 55 else "black"
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=9, color=ink)
    places, names = range(len(classes)), [readable(name, 24) for name in classes]
    axes.set_xticks(places, names, rotation=45, ha="right")
    axes.set(xlabel="prediction", ylabel="true class (each row: 100 %)", yticks=places, yticklabels=names)
    axes.grid(False)
    axes.set_title(textwrap.fill(readable(told, None), 80), fontsize=8, weight="normal")
    right = np.diag(percent)
    what = (
        f"A table of {len(classes)} true classes against {len(classes)} predictions, darker where more frequent. "
        f"Correct predictions lie on the diagonal, between {right.min():.0f} and {right.max():.0f} %. "
        f"Most frequent mistakes: {_mistakes(percent, classes)}"
    )
    return fig, _alt(what, told)


def _mistakes(percent: np.ndarray, classes: Sequence[str]) -> str:
    """The three pairs of classes most often taken for another."""
    import numpy as np

    wrong = np.where(np.eye(len(classes), dtype=bool), -1, percent)
    pairs = (np.unravel_index(place, wrong.shape) for place in np.argsort(-wrong, axis=None, kind="stable")[:3])
    return "; ".join(f"{classes[true]} taken for {classes[said]}: {wrong[true, said]:.0f} %" for true, said in pairs)


# Helpers of all figures, and of their alternative texts.


def _need_epochs(runs: Sequence[Run]) -> None:
    if not any(run.epochs for run in runs):
        raise ValueError("none of the runs has a finished epoch: there is nothing to draw")


def _log_where_wide(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic y axis with plain numbers, where the values differ by powers of ten."""
    if min(values) > 0 and max(values) > 30 * min(values):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter("{x:g}")


def _look(place: int) -> dict[str, Any]:
    """Colour, marker and line style of a series."""
    cycles = {"color": PALETTE, "marker": MARKERS, "linestyle": LINE_STYLES}
    return {name: cycle[place % len(cycle)] for name, cycle in cycles.items()}


def _looks(runs: Sequence[Run]) -> Iterator[tuple[Run, dict[str, Any], str | None]]:
    """Each run with the look of its name, and its label where it is the first of that name."""
    names = list(dict.fromkeys(run.name for run in runs))
    labelled: set[str] = set()
    for run in runs:
        yield run, _look(names.index(run.name)), None if run.name in labelled else readable(run.name)
        labelled.add(run.name)


def _spread(rows: Sequence[dict[str, Any]]) -> list[list[float]]:
    """Lengths of the error bars in percent, below and above."""
    pairs = [(row["accuracy"] - row["low"], row["high"] - row["accuracy"]) for row in rows]
    return [[100 * length for length in side] for side in zip(*pairs, strict=True)]


def _titled(fig: Figure, runs: Sequence[Run]) -> str:
    """The conditions of the runs, which become the figure's title."""
    told = conditions(runs)
    fig.suptitle(textwrap.fill(readable(told, None), 130), fontsize=8)
    return told


def _alt(what: str, told: str, findings: Iterable[str] = ()) -> str:
    """An alternative text: what is plotted, under which conditions, and what was found."""
    said = [what, f"Conditions: {told}" if told else "", "; ".join(findings)]
    return " ".join(f"{part}." for part in said if part)


def _ends(runs: Sequence[Run], pattern: str) -> list[str]:
    """What each run reached in its last epoch, by a pattern of an epoch's fields; nothing unless all are recorded."""
    if not all(run.mode == "recorded" for run in runs):
        return []
    ends = []
    for run in runs:
        last = run.epochs[-1]
        percent = {f"{split}_percent": 100 * last[f"{split}_accuracy"] for split in ("train", "validation")}
        ends.append(f"{_with_seed(run, runs)} ends at {pattern.format(**last, **percent)}")
    return ends


def _names(runs: Sequence[Run]) -> str:
    return " and ".join(dict.fromkeys(run.name for run in runs))


def _with_seed(run: Run, runs: Sequence[Run]) -> str:
    several = sum(other.name == run.name for other in runs) > 1
    return f"{run.name}, seed {run.seed}," if several else run.name
