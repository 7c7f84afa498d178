"""Where the course runs: a live notebook or a test, which versions, which machine."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

_PACKAGES = ("paddlepaddle", "numpy", "pandas", "matplotlib", "ipywidgets", "jupyterlab")


def interactive() -> bool:
    """Is somebody there to move a slider or type a guess?

    True in JupyterLab, Jupyter Notebook and VS Code; False under nbval, nbconvert, pytest and in a plain interpreter.
    `MOBILENET_INTERACTIVE=0` or `=1` decides when set: Jupyter's server names the open notebook in
    `JPY_SESSION_NAME`, but a front end that we do not know may not.
    """
    forced = os.environ.get("MOBILENET_INTERACTIVE", "")
    if forced in {"0", "1"}:
        return forced == "1"
    return "JPY_SESSION_NAME" in os.environ or "VSCODE_PID" in os.environ


def in_notebook() -> bool:
    """Does this process answer a notebook, live or in a run without a reader? Not in a terminal, nor under pytest."""
    if "IPython" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
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
    found = {"python": platform.python_version()}
    for package in (*_PACKAGES, *others):
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def machine() -> dict[str, str | int | float]:
    """What a timing depends on: processor, cores, threads used by the kernels, memory in GB, system."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": int(os.environ.get("OMP_NUM_THREADS", "1")),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _memory_gb() -> float:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1)
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 0.0
