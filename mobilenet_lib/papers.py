"""Published figures beside ours.

`papers.toml` holds each figure as printed, with its source and the way to compute it; this module reads it and puts
"paper / ours / difference / why" into a table.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from mobilenet_lib import baselines, cost
from mobilenet_lib._support.arguments import one_of
from mobilenet_lib.architectures import Table

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    import pandas as pd

# How many of what we count make one of what the source prints.
UNITS = {
    "M MACs": 1e6,
    "MACs": 1,
    "M parameters": 1e6,
    "% of MACs": 1,
    "% of parameters": 1,
    "% ImageNet accuracy": 1,
    "% CIFAR-10 test accuracy": 1,
    "% CIFAR-10 training accuracy": 1,
    "minutes an epoch": 1,
    "kB at 16 bit": 1,
    "ms on a Pixel 1": 1,
    "ms on a Pixel 3": 1,
    "s on the article's GPU": 1,
    "layers": 1,
    "pixels": 1,
    "stride": 1,
}


@dataclass(frozen=True)
class Figure:
    """One number of one table. `printed` keeps the source's characters; see `papers.toml` for the other fields."""

    source: str
    table: str
    row: str
    unit: str
    printed: str
    computed: dict[str, Any] | None = None
    tolerance: float | None = None
    reproduces: bool = True
    note: str = ""

    @property
    def value(self) -> float:
        """The printed number, in `unit`; 1:40 is minutes and seconds."""
        whole, _, seconds = self.printed.partition(":")
        return float(whole) + float(seconds or 0) / 60

    @property
    def ours(self) -> float | None:
        """Our cost table's number, in `unit`; None where the figure can only be quoted."""
        if self.computed is None:
            return None
        return float(_compute(**self.computed)) / UNITS[self.unit]

    @property
    def allowed(self) -> float:
        """How far `ours` may be from `value`: the stated tolerance, or one unit of the last printed digit."""
        if self.tolerance is not None:
            return self.tolerance
        decimals = len(self.printed.partition(".")[2])
        return 10.0**-decimals

    @property
    def agrees(self) -> bool | None:
        """Whether `ours` is within `allowed` of the source; None where there is nothing to compare."""
        ours = self.ours
        return None if ours is None else bool(abs(ours - self.value) <= self.allowed)


@cache
def figures(paper: str | None = None, table: str | int | None = None) -> tuple[Figure, ...]:
    """All figures of a paper ("v1", "v2", "article", and the lists "v1_models" …), or of one of its tables.

    Raises ValueError for a paper or a table that is not there.
    """
    data = _read()
    if paper is not None:
        one_of("paper", paper, data)
    found = tuple(
        Figure(source=content["source"], **entry)
        for name, content in data.items()
        if paper in (None, name)
        for entry in content["figures"]
        if table is None or entry["table"] == str(table)
    )
    if not found:
        raise ValueError(f"no figures of table {table!r} of paper {paper!r}")
    return found


def compare(paper: str, table: str | int) -> pd.DataFrame:
    """The figures of one table: what the paper prints, what our cost table gives, the difference, and why.

    Columns: row, unit, paper, ours, difference, verdict ("agrees", "differs" or "quoted"), why.
    """
    import pandas as pd

    rows = []
    for figure in figures(paper, table):
        ours = figure.ours
        rows.append(
            {
                "row": figure.row,
                "unit": figure.unit,
                "paper": figure.value,
                "ours": None if ours is None else round(ours, 3),
                "difference": None if ours is None else round(ours - figure.value, 3),
                "verdict": {True: "agrees", False: "differs", None: "quoted"}[figure.agrees],
                "why": figure.note,
            }
        )
    return pd.DataFrame(rows)


@cache
def _read() -> dict[str, dict[str, Any]]:
    return tomllib.loads(resources.files("mobilenet_lib").joinpath("papers.toml").read_text(encoding="utf-8"))


def _compute(
    quantity: str,
    *,
    network: str | None = None,
    layer: str | None = None,
    kind: str | None = None,
    size: int | None = None,
    layer_name: str | None = None,
    **arguments: Any,
) -> float:
    """One quantity of a network or of a layer of `cost`."""
    if layer is not None:
        price = getattr(cost, layer)(**arguments)
        return price.output_shape[1] if quantity == "output_height" else getattr(price, quantity)
    table = baselines.TABLES[network](**arguments)
    if quantity == "stride":
        return next(row.stride for row in table.rows if row.name == layer_name)
    if quantity == "blocks":
        return sum(block.kind == kind for block in table.blocks)
    if quantity == "largest_map_kb":
        return _largest_map_kb(table, size)
    if kind is not None:
        return table.by_kind().loc[kind, quantity]
    return getattr(table, quantity)


def _largest_map_kb(table: Table, size: int | None) -> float:
    """The largest output of a block, in thousands of bytes with 2 bytes per number (V2 paper, Table 3).

    size: only outputs of size × size; None for all. The stem is left out, as the paper does.
    """
    outputs = [block.output_shape for block in table.blocks[1:-1]]
    return max(2 * c * h * w / 1000 for c, h, w in outputs if size in (None, h))
