"""Measured seconds per cell of each lesson: made by running it, kept with what it was measured on."""

from __future__ import annotations

import json
import os
import tempfile
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from mobilenet_lib import course
from mobilenet_lib._support import environment, files
from mobilenet_lib.teaching import _notebooks
from mobilenet_lib.teaching._pages import counted

FOLDER = files.RECORDED / "lesson_times"
SLOW = 2.0  # seconds from which a cell makes a room wait
SECONDS_PER_CELL = 600

_CONDITIONS = (
    "One run from top to bottom in a new kernel, without a browser: guesses and explorers show their static form, "
    "training is in mode quick, no CIFAR-10. The first cell that needs a package includes its import."
)


@dataclass(frozen=True)
class Times:
    """Seconds per code cell by cell id, and how they were measured.

    busy: what other programs took of the machine just before, as a fraction of its cores; None where that is not known.
    """

    seconds: dict[str, float]
    started: str
    busy: float | None
    versions: dict[str, str]
    machine: dict[str, Any]
    conditions: str

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def slow(self) -> dict[str, float]:
        """The cells that take SLOW seconds or more, slowest first."""
        slow = {name: taken for name, taken in self.seconds.items() if taken >= SLOW}
        return dict(sorted(slow.items(), key=lambda item: -item[1]))

    @property
    def source(self) -> str:
        """When and on what, in a line."""
        machine = self.machine
        busy = "" if self.busy is None else f", of which other programs kept {self.busy:.0%} busy"
        return (
            f"measured {self.started[:10]} on {machine['processor']} with {counted(machine['cores'], 'core')}{busy}, "
            f"Python {self.versions['python']}, Paddle {self.versions['paddlepaddle']}"
        )


def recorded(lesson: course.Lesson) -> Times | None:
    """The recorded times of a lesson; None where it has not been measured."""
    try:
        made = json.loads((FOLDER / f"{lesson.stem}.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Times(**{name: made[name] for name in Times.__dataclass_fields__})


def measure(lesson: course.Lesson) -> Times:
    """Run the lesson in a new kernel and measure each code cell. Raises nbclient's errors; nothing is written."""
    import nbformat
    import psutil
    from nbclient import NotebookClient

    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    busy = psutil.cpu_percent(interval=1.0) / 100
    path = _notebooks.path(lesson)
    node = nbformat.read(path, as_version=4)
    seconds, begins = {}, {}

    def begin(cell: nbformat.NotebookNode, **_: Any) -> None:
        begins[cell.id] = time.perf_counter()

    def end(cell: nbformat.NotebookNode, **_: Any) -> None:
        seconds[cell.id] = round(time.perf_counter() - begins[cell.id], 3)

    with tempfile.TemporaryDirectory() as folder:
        client = NotebookClient(
            node,
            kernel_name="python3",
            timeout=SECONDS_PER_CELL,
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": str(path.parent)}},
            on_cell_execute=begin,
            on_cell_executed=end,
        )
        client.execute(env=_environment(Path(folder)))
    return Times(seconds, started, busy, environment.versions(), environment.machine(), _CONDITIONS)


def save(lesson: course.Lesson, times: Times) -> Path:
    """Keep the times with the course. OSError where that cannot be written."""
    path = FOLDER / f"{lesson.stem}.json"
    made = {"lesson": lesson.stem, **times.__dict__, "total": round(times.total, 3)}
    files.write_json(path, made)
    return path


def _environment(folder: Path) -> dict[str, str]:
    """This process's variables, with nobody at the keyboard, no progress file of anybody, and no CIFAR-10."""
    kept = {name: value for name, value in os.environ.items() if name != "MOBILENET_DATA"}
    return kept | {"MOBILENET_INTERACTIVE": "0", "MOBILENET_PROGRESS": str(folder / "progress.sqlite")}
