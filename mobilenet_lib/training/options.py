"""What a training run may be given beside the arguments of `fit` that every run has, and the schedule of its rate.

Nothing here imports Paddle, so that a command can refuse at once what it was given.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobilenet_lib import data
from mobilenet_lib._support.arguments import one_of, whole_number
from mobilenet_lib.data import ImageSet
from mobilenet_lib.runs import Run, check_mode

STEPS = ("auto", "dynamic", "static")
SCHEDULES = ("one_cycle", "constant")

# What an optimizer is given beside the learning rate. The decay spares batch norm and biases, as is usual, and
# depthwise filters, as the V1 paper advises at the end of its section 3.2. The rate of SGD is the peak of one cycle for
# 64 images a batch, chosen in `experiments.recorded.recipe`.
RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.08, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
    "adam": {"learning_rate": 1e-3, "weight_decay": 0.0},
}

ANEW = "options=training.Options(resume=False)"  # what an advice says; the command has a word of its own

# Settings that are kept in the history only where they are others than these.
ORDINARY = {"max_shift": data.MAX_SHIFT, "processes": 1, "until": None}

TRAINING_IMAGES_TESTED = 5000  # of a planned run: shown to the finished network again, as it is shown the test images
DRAWN_BY_DEFAULT = {"depthwise filters": "drawn as Paddle does by default"}  # a setting of a plan with `default_init`

# Far above what any network learns from, and where a step still gives finite numbers now and then.
_LARGEST_RATE = 1000
_LARGEST_SEED = 2**64 - 1  # Paddle's generator takes 64 bits


@dataclass(frozen=True)
class Options:
    """The rarer choices of a run, shared by `fit`, the command line and the recorded runs.

    Attributes:
        optimizer: "sgd" (momentum .9, Nesterov, weight decay 5e-4) or "adam", see `RECIPES`.
        schedule: "one_cycle" or "constant", see `learning_rates`.
        augment: show each image shifted, by up to `max_shift` pixels either way, and mirrored at random. Off: within a
            few epochs it takes more than it gives.
        max_shift: in pixels; 0 mirrors only.
        until: stop after the epoch in which the validation accuracy reaches this fraction; the schedule is still that
            of all epochs.
        resume: continue from the checkpoint where there is one; False trains anew and replaces it.
        run_name: what tables and plots call the run; None takes the model's class.
        notes, mode: kept in the history; mode is "quick", "recorded" or "full".
        on_start: called with the history before the first epoch to train, when it holds those of a resumed run.
        on_epoch_end: called with the history after each epoch, when the model has that epoch's weights.
    """

    optimizer: str = "sgd"
    schedule: str = "one_cycle"
    augment: bool = False
    max_shift: int = data.MAX_SHIFT
    until: float | None = None
    resume: bool = True
    run_name: str | None = None
    notes: str = ""
    mode: str = "full"
    on_start: Callable[[Run], None] | None = None
    on_epoch_end: Callable[[Run], None] | None = None

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, RECIPES)
        one_of("schedule", self.schedule, SCHEDULES)
        check_mode(self.mode)
        whole_number("max_shift", self.max_shift, minimum=0)
        until = self.until
        if until is not None and (isinstance(until, bool) or not isinstance(until, int | float) or not 0 < until <= 1):
            raise ValueError(f"until must be an accuracy above 0 and at most 1, not {until!r}")

    def rate(self, learning_rate: float | None) -> float:
        """The peak rate: the one given, or the optimizer's for None. ValueError for one that can teach nothing."""
        usual = RECIPES[self.optimizer]["learning_rate"]
        peak = usual if learning_rate is None else learning_rate
        if isinstance(peak, bool) or not isinstance(peak, int | float) or not 0 < peak <= _LARGEST_RATE:
            raise ValueError(
                f"learning_rate must be a number above 0 and at most {_LARGEST_RATE}, not {learning_rate!r}. "
                f"Try {usual}, the usual one of {self.optimizer}."
            )
        return float(peak)


def describe_settings(
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    options: Options,
    validation: ImageSet | float | None,
    processes: int = 1,
) -> dict[str, Any]:
    """The arguments that a run's figures depend on, checked, with the optimizer's constants beside them."""
    settings = {
        "epochs": whole_number("epochs", epochs),
        # One image has no spread for batch norm to divide by.
        "batch_size": whole_number("batch_size", batch_size, minimum=2),
        "optimizer": options.optimizer,
        **RECIPES[options.optimizer],
        "learning_rate": options.rate(learning_rate),
        "schedule": options.schedule,
        "augment": bool(options.augment),
    }
    if options.until is not None and validation is None:
        raise ValueError("until needs a validation set, whose accuracy it is compared with")
    rare = {"max_shift": options.max_shift, "processes": processes, "until": options.until}
    return settings | {name: value for name, value in rare.items() if value != ORDINARY[name]}


def check_seed(seed: int) -> int:
    """`seed`, where it is a whole number of at most 64 bits. ValueError for anything else."""
    if whole_number("seed", seed, minimum=0) > _LARGEST_SEED:
        raise ValueError(f"seed must be a whole number of at most 64 bits, {_LARGEST_SEED}, not {seed}")
    return int(seed)


def learning_rates(schedule: str, peak: float, steps: int) -> np.ndarray:
    """The learning rate of each step, float64 [steps].

    "constant" stays at `peak`. "one_cycle" rises in a line from a 25th of `peak` over the first 30 % of the steps, then
    falls to 0 along half a cosine (after L. N. Smith and N. Topin, arXiv 1708.07120).
    """
    steps = whole_number("steps", steps)
    if one_of("schedule", schedule, SCHEDULES) == "constant":
        return np.full(steps, float(peak))
    progress = np.arange(steps) / steps
    rise = 1 / 25 + (1 - 1 / 25) * progress / 0.3
    fall = (1 + np.cos(math.pi * (progress - 0.3) / 0.7)) / 2
    return peak * np.where(progress < 0.3, rise, fall)
