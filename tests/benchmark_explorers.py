"""How long Python's part of an explorer's update takes; run by hand, not by pytest.

    uv run python tests/benchmark_explorers.py

An update is what a moved slider costs the kernel: the new settings are set, and the table computed anew.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

from mobilenet_lib import widgets
from mobilenet_lib._support import environment

ROUNDS = 300


def milliseconds(update: Callable[[int], object]) -> tuple[float, float]:
    """Median and longest of many updates, after a few that nobody counts."""
    for number in range(10):
        update(number)
    times = []
    for number in range(ROUNDS):
        start = time.perf_counter()
        update(number)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times), max(times)


def main() -> None:
    costs, groups = widgets.cost_explorer(), widgets.groups_explorer()
    stepper = widgets.convolution_stepper()

    def move_costs(number: int) -> None:
        costs.out_channels = 32 + number % 2 * 32
        costs.cost, costs.frame()

    def move_groups(number: int) -> None:
        groups.groups = 1 + number % 3
        groups.frame()

    def move_stepper(number: int) -> None:
        stepper.position = 1 + number % 9
        stepper.frame()

    architecture = widgets.architecture_explorer()

    def move_architecture(number: int) -> None:
        architecture.resolution = 192 + number % 2 * 32
        architecture.frame()

    print(environment.machine())
    for explorer, update in (
        ("cost", move_costs),
        ("groups", move_groups),
        ("stepper", move_stepper),
        ("architecture", move_architecture),
    ):
        median, longest = milliseconds(update)
        print(f"{explorer:12} median {median:6.2f} ms, longest {longest:6.2f} ms")


if __name__ == "__main__":
    main()
