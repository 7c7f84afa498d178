"""A design among others: the figure of accuracy against cost, and a card to keep. Introduced in lesson 09."""

from __future__ import annotations

import html
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenet_lib._support import files
from mobilenet_lib.experiments.design.designs import COSTS, Budget, Design, front, trained

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mobilenet_lib.runs import Run


def trade_off(
    frame: pd.DataFrame, cost: str = "macs", own: pd.DataFrame | None = None, title: str = ""
) -> tuple[Figure, str]:
    """`plots.trade_offs` for the designs of `trained`: accuracy over a cost, a series per family, the front numbered.

    own: a frame with one more design, drawn as a star; it takes no part in the front. Returns the figure and its
    alternative text, for `plots.show`. Raises ValueError for a cost that is not in `COSTS`.
    """
    from mobilenet_lib import plots

    best = front(frame, cost)
    named, own = (_named(one) if one is not None else None for one in (frame, own))
    return plots.trade_offs(named, {cost: COSTS[cost]}, title, front=best, own=own)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """With the columns that `plots.trade_offs` asks for; the signs are those of the live explorer."""
    family = frame["family"]
    named = frame.assign(series=family.str.upper(), marker=family.map({"v1": "o", "v2": "^"}))
    return named.rename_axis("name").reset_index()


def write_card(
    design: Design, run: Run, frame: pd.DataFrame, budget: Budget, folder: str | Path, milliseconds: float | None = None
) -> list[Path]:
    """Write the design's card into `folder`: one page with figure and table (HTML), and the table alone (CSV).

    A card of the same design, mode and seed is replaced, and stays whole if writing fails.

    Args:
        design, run: what was designed, and its training.
        frame: the designs to stand beside, from `trained` or `recorded`, trained as `run` was.
        budget: its limits; milliseconds, for one image, where it limits them.
        folder: made as needed.

    Returns the two paths. Raises ValueError where the run has no result, OSError where the folder cannot be written.
    """
    import pandas as pd

    from mobilenet_lib import plots

    folder, own = Path(folder).expanduser(), trained([(design, [run])])
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"folder must name a folder, and {folder} is a file: give another name")
    rows = pd.Series(_card_rows(design, run, own, frame, budget, milliseconds), name="value")
    title = html.escape(design.title)
    figure = plots.as_data(*trade_off(frame, "macs", own, _conditions(run)))["text/html"]
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
        '<body style="font-family: sans-serif; max-width: 60em; margin: 1em auto">'
        f"<h1>{title}</h1>{figure}{rows.to_frame().to_html(header=False, border=0)}</body></html>\n"
    )
    name = f"{_file_name(design.title)}_{run.mode}_seed{run.seed}"
    paths = [folder / f"{name}.html", folder / f"{name}.csv"]
    for path, text in zip(paths, (page, rows.rename_axis("what").to_csv()), strict=True):
        with files.atomic_write(path) as file:
            file.write(text.encode())
    return paths


def _card_rows(
    design: Design, run: Run, own: pd.DataFrame, frame: pd.DataFrame, budget: Budget, milliseconds: float | None
) -> dict[str, str]:
    (row,) = own.itertuples()
    rows = {name: str(value) for name, value in design.network.items()}
    rows |= {label: f"{own[name].item():,}" for name, label in COSTS.items()}
    if milliseconds is not None:
        rows["milliseconds, one image"] = f"{milliseconds:.2f}"
    for what, line in budget.report(design, milliseconds).iterrows():
        rows[f"budget: {what}"] = f"{line['% of limit']:.0f} % of {line['limit']:,.10g}: {line['verdict']}"
    better = frame[(frame.macs <= row.macs) & (frame.accuracy >= row.accuracy)]
    clear = better[better.low > row.high]
    return rows | {
        "accuracy": f"{100 * row.accuracy:.1f} %",
        "95 % confidence interval over the images": f"{100 * row.low:.1f} to {100 * row.high:.1f} %",
        "no more MACs, no worse": ", ".join(better.index) or "none of the designs beside it",
        "of these, clearly better": ", ".join(clear.index) or "none: the intervals overlap",
        "training": _conditions(run),
        "started": run.started,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
        "machine": ", ".join(f"{name} {value}" for name, value in run.machine.items()),
    }


def _conditions(run: Run) -> str:
    trained_on = f"{run.data['source']} · {run.data['train_size']:,} training images, {len(run.epochs)} epochs"
    return f"mode: {run.mode} · {trained_on} · seed {run.seed}"


def _file_name(title: str) -> str:
    return "_".join(title.lower().replace("α=", "a").replace("=", "").replace(".", "").split())
