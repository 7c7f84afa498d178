"""What the tests of every explorer ask: what a cell shows, what its script asks for, how fast Python answers."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable
from statistics import median

import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from patience import patience

from mobilenet_lib import statistics
from mobilenet_lib.architectures import V2_BOTTLENECKS
from mobilenet_lib.experiments import design
from mobilenet_lib.experiments.design import COSTS
from mobilenet_lib.widgets import Explorer

# V2's bottlenecks with t = 3, and one stride of 2, in the last stage.
NARROW_V2 = [(1, 16, 1, 1), *((3, c, n, 1) for _, c, n, _ in V2_BOTTLENECKS[1:-1]), (3, 320, 1, 2)]
ROUNDS = 30
SECONDS = 0.05  # for an answer that feels immediate, on a machine that does nothing else

_REQUEST = re.compile(r"^\s*import\b|\bimport\(|\bfetch\(|\bXMLHttpRequest\b", re.MULTILINE)
_ADDRESS = re.compile(r"https?://[^\"'\s]+")


def displayed(explorer: Explorer, monkeypatch: pytest.MonkeyPatch, interactive: bool) -> list[tuple[dict, dict]]:
    """(data, metadata) of each output that a cell ending with the explorer has, with or without a learner."""
    outputs = []

    def publish(data, metadata=None, **_):
        outputs.append((data, metadata or {}))

    monkeypatch.setenv("MOBILENET_INTERACTIVE", str(int(interactive)))
    monkeypatch.setattr("IPython.display.publish_display_data", publish)
    monkeypatch.setattr("IPython.display.display", lambda data, metadata=None, raw=False: publish(data, metadata))
    # Nothing is left for Jupyter to display after the explorer has displayed itself.
    assert DisplayFormatter().format(explorer) == ({}, {})
    return outputs


def asked_for(script: str) -> list[str]:
    """Imports and requests of a script, and the addresses in it but the one that is the name of a format."""
    addresses = set(_ADDRESS.findall(script)) - {"http://www.w3.org/2000/svg"}
    return _REQUEST.findall(script) + sorted(addresses)


def assert_immediate(update: Callable[[int], object]) -> None:
    """The median of many updates, each given its number, takes less than SECONDS; `pytest -rP` shows it."""
    seconds = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        update(number)
        seconds.append(time.perf_counter() - start)
    print(f"median {1000 * median(seconds):.2f} ms, longest {1000 * max(seconds):.2f} ms")
    assert median(seconds) < patience(SECONDS), seconds


def made_up() -> pd.DataFrame:
    """A frame like those of `design.trained`, for every trained design, with accuracies that nobody measured."""
    rng, rows = random.Random(0), []
    for made in design.TRAINED.values():
        correct = round(900 + 150 * math.log10(made.table.macs) / 2 + rng.uniform(-60, 60))
        low, high = statistics.wilson_interval(correct, 2000)
        costs = {cost: getattr(made.table, cost) for cost in COSTS}
        found = {"accuracy": correct / 2000, "low": low, "high": high, "by_seed": {0: correct / 2000}}
        found["conditions"] = {"threads": "1"}
        rows.append({"design": made.title, "family": made.family, **costs, **found})
    return pd.DataFrame(rows).set_index("design")
