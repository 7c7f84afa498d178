"""Checkpoints of a training run: model, optimizer and history in one file, whole or not there at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mobilenet_lib._support import npz
from mobilenet_lib.runs import Run
from mobilenet_lib.training.choice import Step
from mobilenet_lib.training.options import ANEW, ORDINARY

# What an optimizer remembers of each parameter: as many numbers as the parameter has, or one.
_MEMORY = {
    "sgd": {"velocity": True},
    "adam": {"moment1": True, "moment2": True, "beta1_pow_acc": False, "beta2_pow_acc": False},
}


class CheckpointNotSaved(OSError):
    """The disk refused a checkpoint. The model keeps its weights, `history` the epochs finished so far."""

    def __init__(self, problem: OSError, path: Path, history: Run) -> None:
        self.history = history
        super().__init__(
            problem.errno,
            f"the checkpoint could not be written ({problem.strerror or problem}); an older one there is still whole. "
            "Free some space or give another path, then run the same call again",
            str(path),
        )


def save(path: Path, step: Step, history: Run) -> None:
    """Write all three as arrays in one zip file; its checksums show later damage."""
    arrays = {f"model/{name}": value for name, value in step.model_state().items()}
    arrays |= {f"optimizer/{name}": value for name, value in step.optimizer_state().items()}
    try:
        npz.write(path, {"run": np.array(history.to_json()), **arrays})
    except OSError as problem:
        raise CheckpointNotSaved(problem, path, history) from problem


def resume(path: Path, step: Step, history: Run) -> None:
    """Put model, optimizer and history to where the checkpoint was saved. ValueError where it does not fit."""
    arrays = read(path)
    saved = Run.from_json(str(arrays.pop("run")), f"the history in the checkpoint {path}")
    _check_same(path, saved, history)
    state = _part("model/", arrays)
    shapes = {name: value.shape for name, value in step.model_state().items()}
    if wrong := npz.misfit(state, shapes):
        advice = "Build the model that it was made with, or give another path."
        raise ValueError(f"{path} is the checkpoint of another model: {wrong}. {advice}")
    memory = _part("optimizer/", arrays)
    expected = _memory_shapes(step, history.settings["optimizer"], memory)
    if (memory or saved.epochs) and (wrong := npz.misfit(memory, expected)):
        raise ValueError(
            f"the optimizer's part of the checkpoint {path} does not fit the model: {wrong}. Freeze the same "
            f"parameters as when it was made; to train anew, give another path, or pass {ANEW} to replace it."
        )
    step.load_model_state(state)
    step.load_optimizer_state(memory)
    history.epochs, history.started = saved.epochs, saved.started
    done = str(saved.settings.get("step", step.name))
    if not done.endswith(step.name):  # the rest is computed with other last digits
        history.settings["step"] = f"{done}, then {step.name}"
    threads = saved.machine["threads"]
    if saved.epochs and threads != history.machine["threads"]:
        history.notes = f"{history.notes} The first {len(saved.epochs)} epoch(s) with threads = {threads}.".strip()


def _memory_shapes(step: Step, optimizer: str, memory: dict[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    """What the memory of the model's trained parameters must look like; one that got no gradient has none."""
    remembered = {key.rsplit("/", 1)[0] for key in memory}
    return {
        f"{name}/{quantity}": tuple(parameter.shape) if each else (1,)
        for name, parameter in step.model.named_parameters()
        if not parameter.stop_gradient and (name in remembered or not remembered)
        for quantity, each in _MEMORY[optimizer].items()
    }


def read(path: Path) -> dict[str, np.ndarray]:
    """The arrays that `save` wrote: "run" (the history as JSON), "model/…", "optimizer/…". ValueError for others."""
    advice = f"It was left as it is. Give another path, or pass {ANEW} to train from the start and replace it."
    return npz.read(path, "checkpoint", advice, needed=["run"])


def _part(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose names begin with `prefix`, by the rest of their names."""
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}


def _check_same(path: Path, saved: Run, history: Run) -> None:
    """Refuse to continue a run under other conditions: its figures would belong to neither."""
    before, now = saved.conditions, history.conditions
    for key in now | before:
        then, today = (one.get(key, ORDINARY.get(key)) for one in (before, now))
        if key != "step" and then != today:
            raise ValueError(
                f"the checkpoint {path} was made with {key} = {then!r}, this call has {today!r}. To continue it, use "
                f"what it was made with; to train anew, give another path, or pass {ANEW} to replace it."
            )
