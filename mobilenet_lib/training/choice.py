"""Which step trains: the static one where it can be trusted, else the dynamic one."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

from mobilenet_lib import architectures, baselines, layers, models
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.arguments import one_of
from mobilenet_lib._support.files import write_json
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training import comparison, dynamic, probe, static
from mobilenet_lib.training.dynamic import DynamicStep
from mobilenet_lib.training.options import STEPS
from mobilenet_lib.training.static import StaticStep
from mobilenet_lib.training.structure import NotSupported, check_supported

Step = DynamicStep | StaticStep
Batch = tuple[np.ndarray, np.ndarray]  # normalised float32 [N, 3, H, W], int64 [N]

SHORT_RUN = 60  # steps; building the static graph would take longer than such a run can save
_TRIAL_SECONDS = 180
_LOGITS = 1e-3  # how far the static step's outputs may be from the model's, relative to the largest


def choose(
    wanted: str, model: paddle.nn.Layer, optimizer: str, example: Callable[[], Batch], learning_rate: float, steps: int
) -> Step:
    """The step for a run of `steps` steps on batches like the one that `example()` makes: images and labels.

    "dynamic" is the dynamic step. "static" is the static step if it trains just this model and can be trusted on this
    machine; if not, one line says why, and the dynamic step trains. "auto" is "static", but dynamic without a word for
    runs of fewer than `SHORT_RUN` steps and for models that have no table.

    What the trust rests on: (1) every sublayer, weight and setting of the model is that of a network newly built from
    its table, see `structure.check_supported`; (2) the table's blocks have forms with which a step of a small network
    agreed with the dynamic step's, see `prepare`; (3) on the model itself, with its weights and an image of the run,
    the two give the same outputs in evaluation. Gradients of the model itself are not compared: they come from the same
    operations as in (2), at other sizes. ValueError for another name.
    """
    one_of("step", wanted, STEPS)
    short = steps < SHORT_RUN or not hasattr(model, "table")
    if wanted == "dynamic" or (wanted == "auto" and short):
        return DynamicStep(model, optimizer)
    try:
        return _trusted(model, optimizer, example())
    except NotTrusted as problem:
        _say(f"Training with the dynamic step, as the static one is not for this run: {problem}.")
        return DynamicStep(model, optimizer)


def prepare() -> dict[str, str | None]:
    """Try the static step in a process of its own, where a crash harms nobody; once per machine and versions.

    The outcome of each trial of `probe.trials` by its name: None, or what went wrong, in words. It takes some ten
    seconds; what passed is remembered in the user's cache folder.
    """
    outcome = _remembered()
    if outcome is None:
        outcome = _try()
        if not any(outcome.values()):
            _remember(outcome)
    return outcome


class NotTrusted(Exception):
    """Why the static step is not taken, in words that follow a colon."""


def _trusted(model: paddle.nn.Layer, optimizer: str, batch: Batch) -> StaticStep:
    """The static step after all checks. Raises NotTrusted."""
    if platform.machine().lower() not in ("x86_64", "amd64"):
        raise NotTrusted(f"it needs an x86-64 processor, this is {platform.machine()}")
    images, _ = batch
    try:
        check_supported(model, images.shape[1:])
        _check_forms(model.table, optimizer)
        step = StaticStep(model, optimizer, len(images), images.shape[1:])
        _check_outputs(model, step, images[:2])
    except NotSupported as problem:
        raise NotTrusted(str(problem)) from problem
    except (RuntimeError, ValueError, TypeError, AttributeError) as problem:  # Paddle raises each
        raise NotTrusted(f"it failed ({_first_line(problem)})") from problem
    return step


def _check_forms(table: architectures.Table, optimizer: str) -> None:
    """NotTrusted unless a trial with each form of the table's blocks, and one with the optimizer, went well."""
    outcome, trials = prepare(), probe.trials()
    wanted = {f"the block {block.name!r}": probe.form(block) for block in table.blocks} | {optimizer: optimizer}
    for what, form in wanted.items():
        names = [name for name, (trial, of) in trials.items() if form in {of, *map(probe.form, trial.blocks)}]
        problems = [outcome.get(name, "it did not finish") for name in names]
        if not names:
            raise NotTrusted(f"no trial has the form of {what}")
        if all(problems):
            raise NotTrusted(f"the trial with the form of {what} failed: {problems[0]}")


def _check_outputs(model: paddle.nn.Layer, step: StaticStep, images: np.ndarray) -> None:
    """NotTrusted where model and static step give different outputs in evaluation."""
    with eval_mode(model), paddle.no_grad():
        expected = model(paddle.to_tensor(images)).numpy()
    apart, largest = np.abs(step.logits(images) - expected).max(), np.abs(expected).max()
    if not apart <= _LOGITS * largest + 1e-6:  # NaN is a disagreement too
        raise NotTrusted(f"its outputs are off by {apart:.1e}, the largest is {largest:.1e}")


def _try() -> dict[str, str | None]:
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mobilenet_lib.training.probe"],
            capture_output=True,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as problem:
        return dict.fromkeys(probe.trials(), f"it did not finish ({_first_line(problem)})")
    ended = f"it crashed (exit code {done.returncode})"
    if done.returncode == 1:
        ended = (done.stderr.decode(errors="replace").strip().splitlines() or ["without a message"])[-1]
    # Each trial prints a line when it is done, so that a crash takes away only the ones from there on.
    results = [json.loads(line) for line in done.stdout.decode().splitlines() if line.startswith('{"trial"')]
    return dict.fromkeys(probe.trials(), ended) | {one["trial"]: one["problem"] for one in results}


@cache
def _key() -> str:
    """One text for everything that the outcome can depend on: versions, machine, and the code that was tried."""
    tried = (architectures, baselines, layers, models, comparison, dynamic, probe, static)
    code = [inspect.getsource(module) for module in tried]
    return hashlib.sha256(repr((environment.versions(), environment.machine(), code)).encode()).hexdigest()


def _cache_file() -> Path:
    """A file for each key: two processes that try at once write the same."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return files.expanded(folder) / "mobilenet-course" / f"static-step-{_key()[:16]}.json"


def _remembered() -> dict[str, str | None] | None:
    try:
        outcome = json.loads(_cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError, RuntimeError):  # no home folder is a RuntimeError
        return None
    return outcome if isinstance(outcome, dict) and outcome.keys() == probe.trials().keys() else None


def _remember(outcome: dict[str, str | None]) -> None:
    with contextlib.suppress(OSError, RuntimeError):  # then the next run tries again
        write_json(_cache_file(), outcome)


def _say(text: str) -> None:
    """Print it, but not in a notebook that runs without a reader: there an output must be the same on every machine."""
    if environment.interactive() or not environment.in_notebook():
        print(text)


def _first_line(problem: BaseException) -> str:
    """The line of Paddle's long messages that says something."""
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    told = [line for line in lines if "Error" in line or "rror:" in line]
    return (told or lines or [type(problem).__name__])[0][:200]
