"""The card of a design: one page with everything that somebody needs to judge it. Introduced in lesson 09."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenet_lib import baselines, statistics
from mobilenet_lib._support import files
from mobilenet_lib.experiments import design
from mobilenet_lib.experiments.design import COSTS, Budget, Design

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mobilenet_lib.runs import Run

_CHOICES = {  # what the card calls the arguments of `models.build`
    "name": "network",
    "width_multiplier": "width multiplier α",
    "resolution": "pixels of an image's side",
    "stem_stride": "stride of the stem",
    "num_classes": "classes",
    "pairs": "pairs (stride, channels)",
    "bottlenecks": "bottlenecks (t, c, n, s)",
}
_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; background: #f4f6f8; margin: 0 }
main { max-width: 60em; margin: 1.5em auto; padding: 1.5em 2em; background: #fff; border-top: 6px solid #0072b2 }
h1 { margin: 0 0 .6em; font-size: 1.6em }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(12em, 1fr)); gap: .8em; margin: 0 0 1.2em }
dl div { padding: .6em .9em; background: #eef4f9; border-radius: 6px }
dt { font-size: .85em; color: #444 }
dd { margin: 0; font-size: 1.15em; font-weight: 600 }
table { border-collapse: collapse; width: 100%; font-size: .95em }
th, td { padding: .35em .6em; text-align: left; vertical-align: top; border-bottom: 1px solid #dde3e8 }
th { width: 32%; font-weight: 600 }
"""


def write(
    made: Design,
    of_design: Sequence[Run],
    frame: pd.DataFrame,
    budget: Budget,
    folder: str | Path,
    milliseconds: float | None = None,
) -> list[Path]:
    """Write the design's card into `folder`: one page with figure and table (HTML), and the table alone (CSV).

    A card of the same design, mode and seeds is replaced, and stays whole if writing fails.

    Args:
        made, of_design: what was designed, and its runs, one per seed.
        frame: what to stand beside, such as `design.candidates`; its best for no more MACs is the rival.
        budget: its limits; milliseconds, for one image, where it limits them.
        folder: made as needed.

    Returns the two paths. Raises ValueError where a run has no result, OSError where the folder cannot be written.
    """
    import pandas as pd

    folder, own = files.expanded(folder), design.trained([(made, of_design)])
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"folder must name a folder, and {folder} is a file: give another name")
    rows = pd.Series(_rows(made, of_design, own, frame, budget, milliseconds), name="value")
    drawn = design.trade_off(frame, "macs", own, rows["training"])
    seeds = "-".join(str(run.seed) for run in of_design)
    name = f"{_file_name(made.title)}_{of_design[0].mode}_seed{seeds}"
    paths = [folder / f"{name}.html", folder / f"{name}.csv"]
    for path, text in zip(paths, (_page(made.title, rows, drawn), rows.rename_axis("what").to_csv()), strict=True):
        with files.atomic_write(path) as file:
            file.write(text.encode())
    return paths


def _page(title: str, rows: pd.Series, drawn: tuple[Figure, str]) -> str:
    """The card in HTML: the figures that matter most as tiles, the rest as a table below the figure."""
    from mobilenet_lib import plots

    first = ["accuracy", "verdict", *COSTS.values(), *(name for name in rows.index if name.startswith("budget"))]
    tiles = "".join(f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(rows[name])}</dd></div>" for name in first)
    table, title = rows.drop(first).to_frame().to_html(header=False, border=0), html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
        f"<main><h1>{title}</h1><dl>{tiles}</dl>{plots.as_data(*drawn)['text/html']}{table}</main></html>\n"
    )


def _rows(
    made: Design,
    of_design: Sequence[Run],
    own: pd.DataFrame,
    frame: pd.DataFrame,
    budget: Budget,
    milliseconds: float | None,
) -> dict[str, str]:
    rows = {_CHOICES[name]: str(value) for name, value in made.network.items()}
    rows["network"] = baselines.TITLES[made.network["name"]]
    rows |= {label: f"{own[name].item():,}" for name, label in COSTS.items()}
    if milliseconds is not None:
        rows["milliseconds, one image"] = f"{milliseconds:.2f}"
    for what, line in budget.report(made, milliseconds).iterrows():
        rows[f"budget: {what}"] = f"{line['% of limit']:.0f} % of {line['limit']:,.10g}: {line['verdict']}"
    run = of_design[0]
    return (
        rows
        | _judged(made, own, frame)
        | {
            "training": _told(of_design),
            "started": run.started,
            "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
            "machine": ", ".join(f"{name} {value}" for name, value in run.machine.items()),
        }
    )


def _judged(made: Design, own: pd.DataFrame, frame: pd.DataFrame) -> dict[str, str]:
    """What was reached, and what can be said about it."""
    (row,), softmax, name = own.itertuples(), design.candidates().iloc[0], design.rival(made, frame)
    found, unlike = design.against(own, frame, name), design.unlike(own, frame, name)
    ends = "none: one seed" if math.isnan(row.low) else f"{100 * row.low:.1f} to {100 * row.high:.1f} %"
    sure = "" if math.isnan(found["low"]) else f", 95 % confidence {found['low']:+.1f} to {found['high']:+.1f}"
    return {
        "accuracy": f"{100 * row.accuracy:.1f} %",
        "Student's 95 % confidence interval over the seeds": ends,
        "by seed": ", ".join(f"{seed}: {100 * accuracy:.1f} %" for seed, accuracy in row.by_seed.items()),
        "baseline": f"{softmax.name}, recorded on the same images: {100 * softmax.accuracy:.1f} %",
        "rival, the best that costs no more MACs": f"{name}, {100 * frame.loc[name, 'accuracy']:.1f} %",
        "own minus rival in points, pairs of equal seed": f"{found['difference']:+.1f}{sure}",
        "verdict": found["verdict"],
        "conditions unlike the rival's": "; ".join(f"{what}: {a}, not {b}" for what, (a, b) in unlike.items())
        or "none",
    }


def _told(of_design: Sequence[Run]) -> str:
    """The conditions of a design's runs in a line: data, images, epochs, batch, rate, step, threads, seeds."""
    run, seeds = of_design[0], ", ".join(str(run.seed) for run in of_design)
    size, rate = run.settings["batch_size"], f"{run.settings['optimizer']} at most {run.settings['learning_rate']:g}"
    images = f"{run.data['train_size']:,} training images, {len(run.epochs)} epochs, batch {size}, {rate}"
    computed = f"{statistics.computed(of_design)} · seed{'s' * (len(of_design) > 1)} {seeds}"
    return f"mode: {run.mode} · {run.data['source']} · {images} · {computed}"


def _file_name(title: str) -> str:
    plain = title.lower().replace("α=", "a").replace("=", "").replace(".", "").replace("/", "-")
    return "_".join(plain.split())
