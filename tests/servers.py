"""Start the course's JupyterLab as a process of its own, know its address, and always stop it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from patience import patience

_ADDRESS = re.compile(r"(http://[\w.:]+)(/\S*)\?token=(\S+)")


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: `url` without path, such as http://127.0.0.1:8888, and the path it opens first."""

    url: str
    first_page: str
    token: str
    process: subprocess.Popen
    log: Path


@contextmanager
def running(command: list[str], folder: Path, **environment: str) -> Iterator[Server]:
    """Start `command`, which prints an address with a token, and stop it at the end.

    folder: for its log and as working directory. environment: variables besides those of this process.
    Raises RuntimeError, with what the command printed, where it ends or stays silent for minutes.
    """
    log = folder / "server.log"
    with log.open("w", encoding="utf-8") as output:
        streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, **streams)
    try:
        url, first_page, token = _await_address(process, log)
        yield Server(url, first_page, token, process, log)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(patience())
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_address(process: subprocess.Popen, log: Path) -> tuple[str, ...]:
    started = time.monotonic()
    while time.monotonic() < started + patience():
        found = _ADDRESS.search(log.read_text(encoding="utf-8"))
        if found:
            return found.groups()
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(f"{process.args} printed no address; its output:\n{log.read_text(encoding='utf-8')}")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def script(name: str) -> str:
    """The path of a console script installed for this Python.

    Raises FileNotFoundError where it is not installed.
    """
    suffix = ".exe" if sys.platform == "win32" else ""
    path = Path(sys.executable).parent / (name + suffix)
    if not path.exists():
        raise FileNotFoundError(f"{name} is not installed beside this Python: run `uv sync`")
    return str(path)
