"""Make the recorded runs that lessons load, each with one command.

    uv run python -m mobilenet_lib.experiments.recorded --list
    uv run python -m mobilenet_lib.experiments.recorded fashion_v1_relu_seed0
    uv run python -m mobilenet_lib.experiments.recorded cifar10_mobilenet_v1_seed0 --archive cifar-10-python.tar.gz

A run is saved beside this file with its settings, seed, versions and machine; those that a lesson looks into also with
their weights. It keeps a checkpoint in `runs/` after every epoch, so the same command continues after an interrupt.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobilenet_lib._support import environment, files
from mobilenet_lib.experiments import design
from mobilenet_lib.runs import Run
from mobilenet_lib.training import Options
from mobilenet_lib.training.plans import Plan, carry_out

_NOTES = "Times are those of a machine that may have done other work as well; they are no benchmark."


def _plan(run_name: str, data: str, network: dict[str, Any], options: Any = (), **others: Any) -> Plan:
    """A plan whose weights are not kept, with the `options` beside its name; `others` are fields of `Plan`."""
    recorded = Options(run_name=run_name, mode="recorded", notes=_NOTES, **dict(options))
    return Plan(data, network, options=recorded, **{"keep_weights": False, **others})


# Full CIFAR-10, four epochs. Both networks at width 0.25, where they cost about the same: 3.3 M MACs (V1), 2.9 M (V2).
_COMPARED = {
    f"cifar10_{name}_seed{seed}": _plan(name, "cifar10", {"name": name, "width_multiplier": 0.25}, epochs=4, seed=seed)
    for seed in (0, 1, 2)
    for name in ("mobilenet_v1", "mobilenet_v2")
}

# Lesson 03: V1 with either activation, on the bundled images, with the weights to look into.
_ACTIVATIONS = {
    f"fashion_v1_{activation}_seed{seed}": _plan(
        f"V1, {activation}",
        "fashion_mnist",
        {"name": "mobilenet_v1", "width_multiplier": 0.25, "activation": activation},
        epochs=8,
        seed=seed,
        keep_weights=True,
    )
    for seed in (0, 1, 2)
    for activation in ("relu", "relu6")
}

# Lesson 05: V2 with and without linear projections and shortcuts, on the bundled images.
_ABLATIONS = {
    f"fashion_v2_{variant}_seed{seed}": _plan(
        f"V2, {title}",
        "fashion_mnist",
        {"name": "mobilenet_v2", "width_multiplier": 0.25, **options},
        epochs=6,
        seed=seed,
    )
    for seed in (0, 1, 2, 3)
    for variant, title, options in (
        ("paper", "as in the paper", {}),
        ("relu6_projections", "ReLU6 projections", {"linear": False}),
        ("no_shortcuts", "no shortcuts", {"shortcuts": False}),
        ("neither", "neither", {"linear": False, "shortcuts": False}),
    )
}

# Lesson 08: the article's protocol as far as two cores allow. It took all 50,000 training images, scaled to 224×224,
# and tested on all 10,000. A checkpoint of a VGG is 1.6 GB, so none is kept; such a run takes minutes.
_ARTICLE = {
    f"article_{name}_seed{seed}": _plan(
        name,
        "cifar10",
        {"name": name},
        epochs=3,
        seed=seed,
        options={"optimizer": "adam", "schedule": "constant", "augment": False},
        batch_size=100,
        learning_rate=1e-3,
        images=2000,
        test_images=1000,
        keep_checkpoint=False,
    )
    for name, seeds in (
        ("mobilenet_v1", (0, 1, 2)),
        ("mobilenet_v2", (0, 1, 2)),
        ("resnet50", (0,)),
        ("resnet152", (0,)),
        ("vgg16", (0,)),
        ("vgg19", (0,)),
    )
    for seed in seeds
}

# Lesson 09: fifteen designs of both families on the bundled images, twice in a longer training, once as in the lesson.
_DESIGNS = {
    run_name: _plan(
        design.TRAINED[name].title,
        "fashion_mnist",
        design.TRAINED[name].network,
        epochs=how["epochs"],
        seed=seed,
        batch_size=how["batch_size"],
        learning_rate=how["learning_rate"],
        images=how["images"],
    )
    for training_name, how in design.TRAININGS.items()
    for name, run_names in design.run_names(training_name).items()
    for seed, run_name in zip(how["seeds"], run_names, strict=True)
}

# How long until three of four test images are classified correctly? The article's best network got there on a GPU.
# Augmentation only mirrors: so few epochs cannot fit the training images too closely, and shifted ones are harder.
_UNTIL = {
    f"cifar10_until75_seed{seed}": _plan(
        "mobilenet_v1",
        "cifar10",
        {"name": "mobilenet_v1", "width_multiplier": 0.5},
        epochs=6,
        seed=seed,
        options={"until": 0.75, "max_shift": 0},
    )
    for seed in (0, 1, 2)
}

RUNS = _COMPARED | _UNTIL | _ARTICLE | _ACTIVATIONS | _ABLATIONS | _DESIGNS


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
