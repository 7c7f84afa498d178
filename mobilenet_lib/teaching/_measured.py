"""What was measured for whoever teaches: the seconds of each cell of a lesson, and the memory that a student needs."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from mobilenet_lib import course
from mobilenet_lib._support import environment, files
from mobilenet_lib.experiments import recorded
from mobilenet_lib.teaching import _notebooks
from mobilenet_lib.teaching._pages import counted

TIMES = files.RECORDED / "lesson_times"
TIMES_COMMAND = "python -m mobilenet_lib.teaching timing"
ROOM = files.RECORDED / "room" / "memory.json"
ROOM_COMMAND = "python tests/benchmark_room.py"

SLOW = 2.0  # seconds from which a cell makes a room wait
SECONDS_PER_CELL = 600
FOR_THE_SYSTEM = 1.0  # GB of a shared machine: the system and the hub

_CONDITIONS = (
    "One run from top to bottom in a new kernel, without a browser: guesses and explorers show their static form, "
    "training is in mode quick, no CIFAR-10. The first cell that needs a package includes its import."
)
_Record = TypeVar("_Record")


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
        slow = [(name, taken) for name, taken in self.seconds.items() if taken >= SLOW]
        return dict(sorted(slow, key=lambda cell: -cell[1]))

    @property
    def source(self) -> str:
        """When and on what, in a line."""
        machine = self.machine
        busy = "" if self.busy is None else f", of which other programs kept {self.busy:.0%} busy"
        return (
            f"measured {self.started[:10]} on {machine['processor']} with {counted(machine['cores'], 'core')}{busy}, "
            f"Python {self.versions['python']}, Paddle {self.versions['paddlepaddle']}"
        )


@dataclass(frozen=True)
class Room:
    """What one student's server and kernels took, in MB of resident memory, and how it was measured.

    server_mb: "started", "at_the_end". lessons: a dictionary per lesson with "lesson", "kernel_peak_mb",
    "kernel_left_mb", "cpu_seconds", "seconds". all_open_mb: the peak with all these lessons open at once.
    """

    started: str
    conditions: str
    server_mb: dict[str, int]
    lessons: list[dict[str, Any]]
    all_open_mb: int
    versions: dict[str, str]
    machine: dict[str, Any]

    @property
    def one_lesson_mb(self) -> int:
        """The server and the kernel of the lesson that needs most, each at its largest."""
        return max(self.server_mb.values()) + max(one["kernel_peak_mb"] for one in self.lessons)

    def students(self, memory_gb: float, each_mb: int) -> int:
        """How many students of `each_mb` fit into `memory_gb` beside the system."""
        return max(0, int((memory_gb - FOR_THE_SYSTEM) * 1000 // each_mb))


def times(lesson: course.Lesson) -> Times | None:
    """The recorded times of a lesson; None where it has not been measured, ValueError where the file is damaged."""
    return _recorded(Times, TIMES / f"{lesson.stem}.json", TIMES_COMMAND)


def room() -> Room | None:
    """The recorded memory of one student; None where there is none, ValueError where the file is damaged."""
    return _recorded(Room, ROOM, ROOM_COMMAND)


def _recorded(kind: type[_Record], path: Path, command: str) -> _Record | None:
    if not path.exists():
        return None
    made = recorded.load(path, command)
    return kind(**{one.name: made[one.name] for one in fields(kind)})


def measure(lesson: course.Lesson) -> Times:
    """Run the lesson in a new kernel and measure each code cell. Raises nbclient's errors; nothing is written."""
    import nbformat
    import psutil
    from nbclient import NotebookClient

    started = datetime.now(timezone.utc).isoformat(timespec="seconds")
    busy = psutil.cpu_percent(interval=1.0) / 100
    path = _notebooks.path(lesson)
    seconds, begins = {}, {}

    def begin(cell: nbformat.NotebookNode, **_: Any) -> None:
        begins[cell.id] = time.perf_counter()

    def end(cell: nbformat.NotebookNode, **_: Any) -> None:
        seconds[cell.id] = round(time.perf_counter() - begins[cell.id], 3)

    client = NotebookClient(
        nbformat.read(path, as_version=4),
        kernel_name="python3",
        timeout=SECONDS_PER_CELL,
        record_timing=False,
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
        on_cell_execute=begin,
        on_cell_executed=end,
    )
    with tempfile.TemporaryDirectory() as folder:
        # Nobody at the keyboard, no progress file of anybody, and no CIFAR-10.
        nobody = {"MOBILENET_INTERACTIVE": "0", "MOBILENET_PROGRESS": str(Path(folder, "progress.sqlite"))}
        client.execute(env={name: os.environ[name] for name in os.environ if name != "MOBILENET_DATA"} | nobody)
    return Times(seconds, started, busy, environment.versions(), environment.machine(), _CONDITIONS)


def save(lesson: course.Lesson, measured: Times) -> None:
    """Keep the times with the course. OSError where that cannot be written."""
    made = {"lesson": lesson.stem, **asdict(measured), "total": round(measured.total, 3)}
    files.write_json(TIMES / f"{lesson.stem}.json", made)
