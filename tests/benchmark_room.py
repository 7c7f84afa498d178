"""Measure what one student needs of a shared machine: `uv run python tests/benchmark_room.py [01 04 …]` (some minutes).

Starts the course's own JupyterLab, opens lessons in it as a browser would (a session, then every cell from top to
bottom), leaves them open, and watches the memory of the server and all its kernels. The result, with what it was
measured on, goes to `mobilenet_lib/experiments/recorded/room/memory.json`, which the instructor's guide reads.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nbformat
import psutil
import servers
from isolation import isolated_environment
from jupyter_client.blocking import BlockingKernelClient

from mobilenet_lib import course
from mobilenet_lib._support import environment
from mobilenet_lib._support.files import write_json
from mobilenet_lib.teaching import _measured, _notebooks

LESSONS = ("01", "04", "08")
SECONDS_BETWEEN_LOOKS = 0.1
SECONDS_PER_CELL = 600

CONDITIONS = (
    "JupyterLab as mobilenet-course starts it, no browser attached; lessons run live (forms and sliders are widgets) "
    "from top to bottom one after the other, their kernels left open; training in mode quick, no CIFAR-10, no trial of "
    "the static step remembered. Resident memory (RSS) of the process and its children, looked at ten times a second; "
    "pages that processes share count in each."
)


def main(numbers: Sequence[str]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        variables = isolated_environment(folder) | {
            "MOBILENET_INTERACTIVE": "",
            "XDG_CACHE_HOME": str(folder / "cache"),
        }
        command = [servers.script("mobilenet-course"), "--no-browser", "--port", str(servers.free_port())]
        with servers.running(command, folder, **variables) as server:
            process = psutil.Process(server.process.pid)
            alone = process.memory_info().rss
            with Watch(process) as total:
                rows = [_run(server, number, folder / "jupyter-runtime") for number in numbers]
            server_after = process.memory_info().rss
    made = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "conditions": CONDITIONS,
        "server_mb": {"started": _mb(alone), "at_the_end": _mb(server_after)},
        "lessons": rows,
        "all_open_mb": _mb(total.peak),
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    write_json(_measured.ROOM, made)
    print(json.dumps(made, indent=1))


class Watch:
    """The largest memory, in bytes, of a process and its children while the block runs."""

    def __init__(self, process: psutil.Process) -> None:
        self.peak, self._process, self._stop = 0, process, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(SECONDS_BETWEEN_LOOKS):
            with suppress(psutil.NoSuchProcess):  # one ended meanwhile
                family = [self._process, *self._process.children(recursive=True)]
                self.peak = max(self.peak, sum(process.memory_info().rss for process in family))


def _run(server: servers.Server, number: str, runtime: Path) -> dict[str, Any]:
    """Open a lesson, run it, and return what its kernel took. RuntimeError where a cell fails."""
    lesson = course.lesson(number)
    notebook = {"path": f"notebooks/{lesson.file_name}", "name": lesson.file_name, "type": "notebook"}
    body = json.dumps(notebook | {"kernel": {"name": "python3"}}).encode()
    headers = {"Authorization": f"token {server.token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{server.url}/api/sessions", body, headers, method="POST")
    with urllib.request.urlopen(request, timeout=60) as answer:
        kernel = json.load(answer)["kernel"]["id"]
    client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{kernel}.json"))
    client.load_connection_file()
    # Without the heartbeat, which takes a kernel that is slow to start on a busy machine for dead.
    client.start_channels(hb=False)
    try:
        client.wait_for_ready(timeout=300)
        process = _kernel_process(server.process.pid, kernel)
        begin = time.perf_counter()
        with Watch(process) as watch:
            for cell in nbformat.read(_notebooks.path(lesson), as_version=4).cells:
                if cell.cell_type == "code":
                    reply = client.execute_interactive(
                        cell.source, timeout=SECONDS_PER_CELL, output_hook=lambda message: None
                    )
                    if reply["content"]["status"] != "ok":
                        raise RuntimeError(f"{lesson.stem}, cell {cell.id}: {reply['content']}")
            times = process.cpu_times()
            left = process.memory_info().rss
    finally:
        client.stop_channels()
    return {
        "lesson": lesson.stem,
        "kernel_peak_mb": _mb(max(watch.peak, left)),
        "kernel_left_mb": _mb(left),
        "cpu_seconds": round(times.user + times.system + times.children_user + times.children_system, 1),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def _kernel_process(server: int, kernel: str) -> psutil.Process:
    for process in psutil.Process(server).children(recursive=True):
        if any(kernel in argument for argument in process.cmdline()):
            return process
    raise RuntimeError(f"kernel {kernel} has no process")


def _mb(size: int) -> int:
    return round(size / 1e6)


if __name__ == "__main__":
    main(sys.argv[1:] or LESSONS)
