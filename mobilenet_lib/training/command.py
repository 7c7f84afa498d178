"""Train a network from a terminal: `uv run mobilenet-train --model mobilenet_v2 --data cifar10 --epochs 20`.

It describes the run to `plans.carry_out`, which calls `training.fit` as the notebooks do. After every epoch it writes a
checkpoint, so that the same command continues after Ctrl-C, a crash or a power cut, and at the end run and weights.
See `parallel` for several processes, and CONTRIBUTING.md for several machines.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mobilenet_lib import data, models, training
from mobilenet_lib._support import environment, files
from mobilenet_lib.runs import Run
from mobilenet_lib.training import checkpoints, parallel
from mobilenet_lib.training.plans import Plan, carry_out

INTERRUPTED = 130  # the exit code that shells give a program stopped by Ctrl-C


def train(arguments: argparse.Namespace) -> Run:
    """Train as the arguments of the command say. Raises what `plans.carry_out` raises."""
    rare, output = _given(arguments, training.Options), _output(arguments)
    options = training.Options(run_name=arguments.model, on_epoch_end=_report(arguments.epochs), **rare)
    network = {"name": arguments.model, "width_multiplier": arguments.width}
    plan = Plan(network=network, options=options, **_given(arguments, Plan))
    run = carry_out(plan, output, f"{output}.checkpoint.npz")
    if run.interrupted and parallel.is_first():
        run.save(f"{output}.json")
    return run


def _given(arguments: argparse.Namespace, kind: type) -> dict[str, Any]:
    """The arguments that are fields of the dataclass `kind`: the command calls them by the same names."""
    names = vars(arguments).keys() & {field.name for field in dataclasses.fields(kind)}
    return {name: getattr(arguments, name) for name in names}


def _report(epochs: int) -> Callable[[Run], None]:
    """What prints a line per epoch, with the time that is left."""
    started, trained = time.perf_counter(), itertools.count(1)  # not the epochs of a resumed run

    def report(history: Run) -> None:
        done, last = len(history.epochs), history.epochs[-1]
        seconds = (time.perf_counter() - started) / next(trained) * (epochs - done)
        minutes, seconds = divmod(round(seconds), 60)
        print(
            f"epoch {done}/{epochs}: loss {last['train_loss']:.3f}, train accuracy {last['train_accuracy']:.3f}, "
            f"test accuracy {last['validation_accuracy']:.3f}, {last['images_per_second']:.0f} images/s, "
            f"{f'{minutes} min ' if minutes else ''}{seconds} s left",
            flush=True,
        )

    return report


def _output(arguments: argparse.Namespace) -> Path:
    """Where the files go, without their endings."""
    name = f"{arguments.data}_{arguments.model}_width{arguments.width:g}_seed{arguments.seed}"
    return files.expanded(arguments.output or Path("runs") / name)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mobilenet-train", description="Train a network of the course; the same command continues it."
    )
    add = parser.add_argument
    add("--model", default="mobilenet_v1", choices=models.NAMES)
    add("--width", type=float, default=1.0, help="width multiplier α of V1 and V2 (default: 1)")
    add("--data", default="fashion_mnist", choices=data.NAMES, help="default: the bundled images")
    add("--path", help="the archive of cifar10, or the folder with images")
    add("--label", help="what to call the data where it is not the official archive")
    add("--images", type=int, help="train on the first so many images only")
    add("--test-images", type=int, help="test on the first so many images only")
    add("--epochs", type=int, default=10)
    add("--seed", type=int, default=0)
    add("--batch-size", type=int, default=64)
    add("--learning-rate", type=float, help="the peak (default: the optimizer's)")
    add("--optimizer", default="sgd", choices=sorted(training.RECIPES))
    add("--schedule", default="one_cycle", choices=training.SCHEDULES)
    add("--augment", action="store_true", help="show each image shifted and mirrored at random, for long training")
    moves = "how far the augmentation moves an image; with 0 it only mirrors (default: %(default)s)"
    add("--max-shift", type=int, default=data.MAX_SHIFT, metavar="PIXELS", help=moves)
    add("--step", default="auto", choices=training.STEPS, help="which graph computes the training step")
    stops = "stop after the epoch in which the test accuracy reaches this fraction, such as 0.75"
    add("--until", type=float, metavar="ACCURACY", help=stops)
    add("--output", help="where to write, without an ending (default: runs/DATA_MODEL_…)")
    add("--restart", dest="resume", action="store_false", help="begin anew, even where there is a checkpoint")
    return parser


@contextlib.contextmanager
def _ended_like_interrupted() -> Iterator[None]:
    """Take SIGTERM, with which Paddle's launcher and schedulers of clusters end a process, for Ctrl-C."""
    with contextlib.ExitStack() as undo:
        if threading.current_thread() is threading.main_thread():
            before = signal.signal(signal.SIGTERM, signal.default_int_handler)
            undo.callback(signal.signal, signal.SIGTERM, before or signal.SIG_DFL)  # None: set outside Python
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when the run is complete, 130 after Ctrl-C, 1 with a line on stderr after an error."""
    environment.print_anywhere()
    given = _parser().parse_args(arguments)
    try:
        with _ended_like_interrupted():
            run = train(given)
    except (ValueError, OSError, training.TrainingDiverged) as problem:
        print(f"mobilenet-train: {str(problem).replace(checkpoints.ANEW, '--restart')}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # outside `fit`
        print("Interrupted. What was finished is kept: the same command continues.")
        return INTERRUPTED
    if run.interrupted or not parallel.is_first():
        return INTERRUPTED if run.interrupted else 0
    if given.until is not None:
        reached = "reached" if run.epochs[-1]["validation_accuracy"] >= given.until else "did not reach"
        print(f"{reached} {given.until:g} after {sum(epoch['seconds'] for epoch in run.epochs):.0f} s of training")
    print(
        f"test accuracy {run.test['accuracy']:.4f} ({run.test['correct']} of {run.test['total']}), "
        f"{run.settings['step']} step; written to {_output(given)}.json and {_output(given).name}.npz"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
