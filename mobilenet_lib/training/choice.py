"""Which engine trains: the fast one where it can be trusted, else the dynamic graph."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mobilenet_lib._support import environment
from mobilenet_lib._support.files import atomic_write
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training.comparison import compare
from mobilenet_lib.training.dynamic import DynamicGraph as DynamicStep
from mobilenet_lib.training.static import NotSupported, StaticStep, check_supported

ENGINES = ("auto", "dynamic", "static")
Engine = DynamicStep | StaticStep
Batch = tuple[np.ndarray, np.ndarray]  # normalised float32 [N, 3, H, W], int64 [N]

SHORT_RUN = 60  # steps; the checks would take longer than such a run can save
_PROBE_SECONDS = 180


def choose(
    wanted: str,
    model: paddle.nn.Layer,
    optimizer: str,
    example: Callable[[], Batch],
    learning_rate: float,
    steps: int,
) -> Engine:
    """The engine for a run of `steps` steps on batches like the one that `example()` makes: images and labels.

    "dynamic" is the dynamic graph. "static" is the static graph if it can be trusted with this model on this machine:
    a first step in another process must not crash it, and a step here must agree with the dynamic graph's. If not,
    one line says why, and the dynamic graph trains. "auto" is "static", but the dynamic graph for runs of fewer than
    `SHORT_RUN` steps, for models that have no table, and where the static graph is not faster. ValueError for
    another name.
    """
    if wanted not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, not {wanted!r}")
    if wanted == "dynamic" or (wanted == "auto" and (steps < SHORT_RUN or not _has_form(model))):
        return DynamicStep(model, optimizer)
    try:
        engine, faster = _trusted(model, optimizer, example(), learning_rate)
    except NotTrusted as problem:
        _say(f"Training in the dynamic graph, as the fast engine is not trusted here: {problem}.")
        return DynamicStep(model, optimizer)
    return engine if faster or wanted == "static" else DynamicStep(model, optimizer)


def _say(text: str) -> None:
    """Print it, but not in a notebook that runs without a reader: there an output must be the same on every machine."""
    if environment.interactive() or not environment.in_notebook():
        print(text)


class NotTrusted(Exception):
    """Why the fast engine is not taken, in words that follow a colon."""


def _trusted(
    model: paddle.nn.Layer,
    optimizer: str,
    batch: Batch,
    learning_rate: float,
) -> tuple[StaticStep, bool]:
    """The static graph after both checks, and whether it is faster. Raises NotTrusted."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise NotTrusted(f"it needs an x86-64 processor, this is {platform.machine()}")
    images, labels = batch
    try:
        check_supported(model)
        probe(model, optimizer, len(images), images.shape[1:])
        engine = StaticStep(model, optimizer, len(images), images.shape[1:])
        comparison = compare(model, engine, optimizer, images, labels, learning_rate)
    except NotSupported as problem:
        raise NotTrusted(str(problem)) from problem
    except (RuntimeError, ValueError, TypeError, AttributeError) as problem:  # Paddle raises each
        raise NotTrusted(f"it failed ({_first_line(problem)})") from problem
    if comparison.problem:
        raise NotTrusted(comparison.problem)
    dynamic, static = comparison.seconds
    return engine, static < dynamic


def probe(model: paddle.nn.Layer, optimizer: str, batch_size: int, image_shape: tuple[int, ...]) -> None:
    """Let another process take a step first: a crash there harms nobody. Raises NotTrusted.

    What passed once is not tried again on this machine with these versions.
    """
    task = (model.table, optimizer, batch_size, tuple(image_shape))
    passed, key = _passed(), _key(task)
    if key in passed:
        return
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mobilenet_lib.training.probe"],
            input=pickle.dumps(task),
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise NotTrusted(f"its trial did not finish ({_first_line(problem)})") from problem
    if done.returncode < 0 or done.returncode > 1:
        raise NotTrusted(f"its trial in another process crashed (exit code {done.returncode})")
    if done.returncode == 1:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise NotTrusted(f"its trial failed ({lines[-1] if lines else 'without a message'})")
    _remember([*passed, key])


def _has_form(model: paddle.nn.Layer) -> bool:
    try:
        check_supported(model)
    except NotSupported:
        return False
    return True


def _key(task: tuple) -> str:
    """One text for everything that the outcome of a trial can depend on."""
    where = [environment.versions(), environment.machine()]
    return hashlib.sha256(repr((task, where)).encode()).hexdigest()


def _cache_file() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "mobilenet-course" / "trusted_engines.json"


def _passed() -> list[str]:
    try:
        passed = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # no home folder is a RuntimeError
        return []
    return passed if isinstance(passed, list) else []


def _remember(passed: list[str]) -> None:
    try:
        with atomic_write(_cache_file()) as file:
            file.write(json.dumps(passed[-200:]).encode())
    except (OSError, RuntimeError):
        pass  # then the next run tries again


def _first_line(problem: BaseException) -> str:
    """The line of Paddle's long messages that says something."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "rror:" in line]
    return (told or lines or [type(problem).__name__])[0][:200]
