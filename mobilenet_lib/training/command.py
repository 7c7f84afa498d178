"""Train a network from a terminal: `uv run mobilenet-train --model mobilenet_v2 --data cifar10 --epochs 20`.

It describes the run to `plans.carry_out`, which calls `training.fit` as the notebooks do. After every epoch it writes a
checkpoint, so that the same command continues after Ctrl-C, a crash or a power cut, and at the end run and weights.
See `parallel` for several processes, and CONTRIBUTING.md for several machines.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import inspect
import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mobilenet_lib import architectures, baselines, data, training
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.runs import Run
from mobilenet_lib.training import options

INTERRUPTED = 130  # the exit code that shells give a program stopped by Ctrl-C


_EXAMPLE = "example: mobilenet-train --model mobilenet_v2 --width 0.5 --data cifar10 --epochs 20 --output runs/mine"

# What a message for whoever calls a function says, and what it is here.
_WORDS = {options.ANEW: "--restart", "give another path": "give another --output"}
_WORDS |= {"this call": "this command", "same call": "same command"}


def train(arguments: argparse.Namespace) -> Run:
    """Train as the arguments of the command say. Raises what `plans.carry_out` raises."""
    _check(arguments)
    if os.environ.get("PADDLE_TRAINER_ID", "0") == "0":  # of several processes the first one
        print(f"{arguments.model} on {arguments.data}: starting", flush=True)
    from mobilenet_lib.training import parallel
    from mobilenet_lib.training.plans import Plan, carry_out

    output = _output(arguments)
    report = {"on_start": _start, "on_epoch_end": _report(arguments.epochs)}
    rare = options.Options(run_name=arguments.model, **report, **_given(arguments, options.Options))
    network = {"name": arguments.model, "width_multiplier": arguments.width}
    plan = Plan(network=network, options=rare, **_given(arguments, Plan))
    with _ended_like_interrupted():  # once Paddle is imported, which takes SIGTERM for itself
        run = carry_out(plan, output, f"{output}.checkpoint.npz")
    if run.interrupted and parallel.is_first():
        run.save(f"{output}.json")
    return run


def _check(given: argparse.Namespace) -> None:
    """ValueError for what can be refused before Paddle is imported, which takes seconds."""
    rare = options.Options(**_given(given, options.Options))
    options.describe_settings(given.epochs, given.batch_size, given.learning_rate, rare, validation=1)
    options.check_seed(given.seed)
    for name, least in (("images", 2), ("test_images", 1)):
        if getattr(given, name) is not None:
            whole_number(name, getattr(given, name), least)
    architectures.check(given.width, resolution=32, num_classes=10)
    if given.width != 1 and "width_multiplier" not in inspect.signature(baselines.TABLES[given.model]).parameters:
        raise ValueError(f"{given.model} has no width_multiplier: leave it out")
    if given.data == "folder" and given.path is None:
        raise ValueError("--data folder needs --path, the folder of images")
    if given.path is not None and not files.expanded(given.path).exists():
        raise ValueError(f"--path names {given.path}, and there is no such file or folder")


def _given(arguments: argparse.Namespace, kind: type) -> dict[str, Any]:
    """The arguments that are fields of the dataclass `kind`: the command calls them by the same names."""
    names = vars(arguments).keys() & {field.name for field in dataclasses.fields(kind)}
    return {name: getattr(arguments, name) for name in names}


def _start(history: Run) -> None:
    """Say what begins, or goes on."""
    done, epochs = len(history.epochs), history.settings["epochs"]
    images, step = history.data["train_size"], history.settings["step"]
    begun = f"continues after epoch {done} of {epochs}, from its checkpoint" if done else f"epoch 1 of {epochs} begins"
    print(f"{images:,} images, {step} step: {begun}", flush=True)


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
        prog="mobilenet-train",
        description="Train a network of the course; the same command continues it.",
        epilog=_EXAMPLE,
    )
    add, default = parser.add_argument, "(default: %(default)s)"
    add("--model", default="mobilenet_v1", choices=baselines.TABLES, help=default)
    add("--width", type=float, default=1.0, help=f"width multiplier α of V1 and V2 {default}")
    add("--data", default="fashion_mnist", choices=data.NAMES, help=f"fashion_mnist is bundled {default}")
    add("--path", help="the archive of cifar10, or the folder with images")
    add("--label", help="what to call the data where it is not the official archive")
    add("--images", type=int, help="train on the first so many images only (default: all)")
    add("--test-images", type=int, help="test on the first so many images only (default: all)")
    add("--epochs", type=int, default=10, help=f"how often every image is shown {default}")
    add("--seed", type=int, default=0, help=f"of first weights, order and augmentation {default}")
    add("--batch-size", type=int, default=64, help=f"images in a step {default}")
    peaks = ", ".join(f"{recipe['learning_rate']:g} for {name}" for name, recipe in options.RECIPES.items())
    add("--learning-rate", type=float, help=f"the peak (default: {peaks})")
    add("--optimizer", default="sgd", choices=sorted(options.RECIPES), help=default)
    add("--schedule", default="one_cycle", choices=options.SCHEDULES, help=default)
    add("--augment", action="store_true", help="show each image shifted and mirrored at random, for long training")
    moves = f"how far the augmentation moves an image; with 0 it only mirrors {default}"
    add("--max-shift", type=int, default=data.MAX_SHIFT, metavar="PIXELS", help=moves)
    add("--step", default="auto", choices=options.STEPS, help=f"which graph computes the training step {default}")
    stops = "stop after the epoch in which the test accuracy reaches this fraction, such as 0.75"
    add("--until", type=float, metavar="ACCURACY", help=stops)
    add("--output", help="where to write, without an ending (default: runs/DATA_MODEL_…)")
    add("--restart", dest="resume", action="store_false", help="begin anew, even where there is a checkpoint")
    return parser


def _in_options(text: str) -> str:
    """A message with the options of the command in place of a function's arguments."""
    for word, option in _WORDS.items():
        text = text.replace(word, option)
    names = {one.dest: one.option_strings[-1] for one in _parser()._actions} | {"width_multiplier": "--width"}
    # "images" and "step" are English words too: arguments where something is said of them.
    word = "|".join(name if "_" in name else rf"{name}(?= must| = | needs)" for name in names)
    return re.sub(rf"(?<![\w-])({word})\b", lambda found: names[found[1]], text)


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
        run = train(given)
    except (ValueError, OSError) as problem:
        return _fail(problem)
    except KeyboardInterrupt:  # outside `fit`
        print("Interrupted. What was finished is kept: the same command continues.")
        return INTERRUPTED
    except training.TrainingDiverged as problem:
        return _fail(problem)
    from mobilenet_lib.training import parallel

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


def _fail(problem: Exception) -> int:
    print(f"mobilenet-train: {_in_options(str(problem))}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
