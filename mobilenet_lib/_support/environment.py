"""Where the course runs: a live notebook or a test, which versions, which machine."""

from __future__ import annotations

import math
import os
import platform
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

from mobilenet_lib._support.arguments import whole_number

_PACKAGES = ("paddlepaddle", "numpy", "pandas", "matplotlib", "ipywidgets", "jupyterlab")


def interactive() -> bool:
    """Is somebody there to move a slider or type a guess?

    True in a kernel that JupyterLab, Jupyter Notebook or VS Code shows: on this machine, over SSH, in WSL or in a
    container. False under nbval, nbconvert, pytest and in a plain interpreter, also where such a kernel started them.
    `MOBILENET_INTERACTIVE=0` or `=1` decides when set, for a front end that we do not know.
    """
    forced = os.environ.get("MOBILENET_INTERACTIVE", "")
    if forced in {"0", "1"}:
        return forced == "1"
    return in_notebook() and (_in_vscode() or _named_by_server())


def _in_vscode() -> bool:
    """VS Code names the notebook inside the kernel, and itself in the environment, which a run from there inherits."""
    if "__vsc_ipynb_file__" in sys.modules["IPython"].get_ipython().user_ns:
        return True
    # Over SSH and in WSL there is no VSCODE_PID. Whoever starts a kernel by jupyter_client, as nbconvert does, says so.
    by_jupyter = os.environ.get("JPY_PARENT_PID") in {str(process.pid) for process in _parents()}
    return not by_jupyter and not os.environ.keys().isdisjoint({"VSCODE_PID", "VSCODE_CWD"})


def _named_by_server() -> bool:
    """Has Jupyter's server named the open notebook, for this kernel and not for one around it?"""
    name = os.environ.get("JPY_SESSION_NAME")
    for process in _parents():
        found = process.environ()
        # Windows and conda put a process between a kernel and whoever started it, with the kernel's own variables.
        if found.get("JPY_PARENT_PID") != os.environ.get("JPY_PARENT_PID"):
            return name is not None and name != found.get("JPY_SESSION_NAME")
    return name is not None


def _parents() -> list[psutil.Process]:
    """The processes around this one that may be looked at, from the inside."""
    import psutil

    found = []
    with suppress(psutil.Error, OSError):  # somebody else's
        for process in psutil.Process().parents():
            process.environ()
            found.append(process)
    return found


def in_notebook() -> bool:
    """Does this process answer a notebook, live or in a run without a reader? Not in a terminal, nor under pytest."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


def print_anywhere() -> None:
    """Let a program print to a terminal or file that has no letters such as α or × (Windows, LC_ALL=C): as "?"."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a test may have put something else there
            stream.reconfigure(errors="replace")


def versions(*others: str) -> dict[str, str]:
    """Version of Python and of each package that can change a figure; "not installed" where one is missing.

    others: further packages to name.
    """
    found = {"python": platform.python_version()} | dict.fromkeys((*_PACKAGES, *others), "not installed")
    for package in (*_PACKAGES, *others):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def machine() -> dict[str, str | int | float]:
    """What a timing depends on: processor, cores that may be used, threads of the kernels, memory in GB, system."""
    import psutil

    return {
        "processor": _processor(),
        "cores": allowed_cores(),
        "threads": threads(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def threads() -> int:
    """With how many threads Paddle computes: OMP_NUM_THREADS, where it begins with a number, else all allowed cores."""
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else allowed_cores()


@contextmanager
def computing_threads(count: int) -> Iterator[None]:
    """Let Paddle compute with `count` threads inside, as a run recorded on another machine did; then as before.

    The last bits of sums depend on it, and after some hundred steps of training all digits do.
    """
    from threadpoolctl import threadpool_limits

    from mobilenet_lib._support.paddle import paddle  # noqa: F401 - its libraries must be loaded to be limited

    whole_number("count", count)
    before = os.environ.get("OMP_NUM_THREADS")
    with threadpool_limits(count):
        os.environ["OMP_NUM_THREADS"] = str(count)  # what `threads` reads
        try:
            yield
        finally:
            os.environ.pop("OMP_NUM_THREADS") if before is None else os.environ.update(OMP_NUM_THREADS=before)


def allowed_cores() -> int:
    """How many cores this process may use: those it may run on, no more than its container's quota, rounded down."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.floor(min(cores, _quota())))


def _quota(groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> float:
    """Cores' worth of time that Linux's control groups leave this process; infinite where they do not limit it."""
    limits = [math.inf]
    with suppress(OSError):
        for line in groups.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)  # version 2 names no controllers
            if not controllers or "cpu" in controllers.split(","):
                root = mounted / "cpu" if controllers else mounted
                # A group is held by the limits of all groups around it.
                inner = root / path.lstrip("/")
                limits += [_limit(folder) for folder in (inner, *inner.parents) if folder.is_relative_to(root)]
    return min(limits)


def _limit(group: Path) -> float:
    """Microseconds of work in a period / length of the period: of version 2, else of version 1."""
    with suppress(OSError, ValueError):  # no such file; "max"
        quota, period = (group / "cpu.max").read_text(encoding="utf-8").split()
        return int(quota) / int(period)
    with suppress(OSError, ValueError):
        quota, period = ((group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
        return int(quota) / int(period) if int(quota) > 0 else math.inf  # -1: none
    return math.inf


def _processor() -> str:
    named = None
    with suppress(OSError):  # not Linux
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return named[1].strip() if named else platform.processor() or "unknown"
