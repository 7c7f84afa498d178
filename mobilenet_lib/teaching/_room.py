"""How many students fit on a shared machine: the recorded memory of one, and the division."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from mobilenet_lib._support import files

PATH = files.RECORDED / "room" / "memory.json"  # made by tests/benchmark_room.py
MACHINES = (4, 8, 16, 32, 64)  # GB
FOR_THE_SYSTEM = 1.0  # GB: the system and the hub


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


def recorded() -> Room | None:
    """The recorded measurement; None where there is none."""
    if not PATH.exists():
        return None
    return Room(**json.loads(PATH.read_text(encoding="utf-8")))
