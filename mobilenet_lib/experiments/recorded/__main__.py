"""Make the recorded runs that lessons load, each with one command.

    uv run python -m mobilenet_lib.experiments.recorded --list
    uv run python -m mobilenet_lib.experiments.recorded fashion_v1_relu_seed0
    uv run python -m mobilenet_lib.experiments.recorded cifar10_mobilenet_v1_seed0 --archive cifar-10-python.tar.gz

A run is saved beside this file with its settings, seed, versions and machine; those that a lesson looks into also with
their weights. It keeps a checkpoint in `runs/` after every epoch, so the same command continues after an interrupt.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobilenet_lib._support import environment, files
from mobilenet_lib.experiments import design
from mobilenet_lib.runs import Run
from mobilenet_lib.training import Options
from mobilenet_lib.training.plans import Plan, carry_out

_NOTES = "Times are those of a machine that may have done other work as well; they are no benchmark."


def _plans(
    stem: str, run_name: str, data: str, network: dict[str, Any], seeds: Sequence[int], **others: Any
) -> dict[str, Plan]:
    """A plan per seed by its name, `stem`_seedN. others: `options` beside its `run_name`, and fields of `Plan`."""
    options = Options(run_name=run_name, mode="recorded", notes=_NOTES, **others.pop("options", {}))
    fields = {"options": options, "keep_weights": False, **others}
    return {f"{stem}_seed{seed}": Plan(data, network, seed=seed, **fields) for seed in seeds}


def _compared() -> Iterator[dict[str, Plan]]:
    """Full CIFAR-10, four epochs. Both networks cost about the same at width 0.25: 3.3 M MACs (V1), 2.9 M (V2)."""
    for name in ("mobilenet_v1", "mobilenet_v2"):
        network = {"name": name, "width_multiplier": 0.25}
        yield _plans(f"cifar10_{name}", name, "cifar10", network, (0, 1, 2), epochs=4)


def _until() -> Iterator[dict[str, Plan]]:
    """How long until three of four test images are classified correctly? The article's best got there on a GPU."""
    network = {"name": "mobilenet_v1", "width_multiplier": 0.5}
    # Only mirrored: so few epochs cannot fit the training images too closely, and shifted ones are harder.
    options = {"until": 0.75, "max_shift": 0}
    yield _plans("cifar10_until75", "mobilenet_v1", "cifar10", network, (0, 1, 2), epochs=6, options=options)


def _article() -> Iterator[dict[str, Plan]]:
    """Lesson 08: the article's protocol as far as two cores allow, without checkpoints: one of a VGG is 1.6 GB.

    It took all 50,000 training images, scaled to 224×224, and tested on all 10,000.
    """
    how = {"epochs": 3, "batch_size": 100, "learning_rate": 1e-3, "images": 2000, "test_images": 1000}
    for name in ("mobilenet_v1", "mobilenet_v2", "resnet50", "resnet152", "vgg16", "vgg19"):
        seeds = (0, 1, 2) if name.startswith("mobilenet") else (0,)
        options = {"optimizer": "adam", "schedule": "constant", "augment": False}
        yield _plans(
            f"article_{name}", name, "cifar10", {"name": name}, seeds, **how, options=options, keep_checkpoint=False
        )


def _activations() -> Iterator[dict[str, Plan]]:
    """Lesson 03: V1 with either activation, on the bundled images, with the weights to look into."""
    for activation in ("relu", "relu6"):
        network = {"name": "mobilenet_v1", "width_multiplier": 0.25, "activation": activation}
        kept = {"epochs": 8, "keep_weights": True}
        yield _plans(f"fashion_v1_{activation}", f"V1, {activation}", "fashion_mnist", network, (0, 1, 2), **kept)


def _ablations() -> Iterator[dict[str, Plan]]:
    """Lesson 05: V2 with and without linear projections and shortcuts, on the bundled images."""
    for variant, title, options in (
        ("paper", "as in the paper", {}),
        ("relu6_projections", "ReLU6 projections", {"linear": False}),
        ("no_shortcuts", "no shortcuts", {"shortcuts": False}),
        ("neither", "neither", {"linear": False, "shortcuts": False}),
    ):
        network = {"name": "mobilenet_v2", "width_multiplier": 0.25, **options}
        yield _plans(f"fashion_v2_{variant}", f"V2, {title}", "fashion_mnist", network, range(4), epochs=6)


def _designs() -> Iterator[dict[str, Plan]]:
    """Lesson 09: fifteen designs of both families, twice in a longer training, once as in the lesson."""
    for (training, how), (name, one) in itertools.product(design.TRAININGS.items(), design.TRAINED.items()):
        yield _plans(f"design_{training}_{name}", one.title, "fashion_mnist", one.network, **how)


_GROUPS = (_compared, _until, _article, _activations, _ablations, _designs)
RUNS = {name: plan for group in _GROUPS for plans in group() for name, plan in plans.items()}


def record(run_name: str, archive: str | None = None, label: str | None = None) -> Run:
    """Train one of `RUNS` from scratch (or from its checkpoint), test it, and save it among the recorded runs.

    archive: the CIFAR-10 archive, by default as `data.load` finds it. label: what to call the data where the archive is
    not the official one. ValueError for an unknown run, and what `plans.carry_out` raises.
    """
    if run_name not in RUNS:
        raise ValueError(f"run_name must be one of {', '.join(RUNS)}, not {run_name!r}")
    plan = RUNS[run_name]
    if plan.data == "cifar10":
        plan = replace(plan, path=archive, label=label)
    return carry_out(plan, files.RECORDED / run_name, Path("runs") / f"{run_name}.npz")


def main() -> None:
    """The command: make the runs that are named, or list them."""
    environment.print_anywhere()
    parser = argparse.ArgumentParser(description="Make recorded runs of the course.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which runs; see --list")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--archive", help="the CIFAR-10 archive (default: as data.load finds it)")
    parser.add_argument("--label", help="what to call the data where the archive is not the official one")
    arguments = parser.parse_args()
    if arguments.list or not arguments.names:
        print("\n".join(RUNS))
        return
    for name in arguments.names:
        print(record(name, arguments.archive, arguments.label).to_frame().to_string(index=False))


if __name__ == "__main__":
    main()
