"""Make the recorded runs that lessons load, each with one command.

    uv run python -m mobilenet_lib.record --list
    uv run python -m mobilenet_lib.record fashion_v1_relu_seed0
    uv run python -m mobilenet_lib.record cifar10_mobilenet_v1_seed0 --archive cifar-10-python.tar.gz

A run is saved in `mobilenet_lib/recorded/` with its settings, seed, versions and machine; those that a lesson looks into
also with their weights. It keeps a checkpoint in `runs/` after every epoch, so the same command continues after an
interrupt.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilenet_lib import data, models, results, training, weights


@dataclass(frozen=True)
class Recipe:
    """One recorded run: `network` holds the arguments of `models.build`, `fit` those of `training.fit`."""

    name: str
    data: str
    network: dict[str, Any]
    epochs: int
    seed: int
    fit: dict[str, Any] = field(default_factory=dict)
    keep_weights: bool = False


# Full CIFAR-10, four epochs. Both networks at width 0.25, where they cost about the same: 3.3 M MACs (V1), 2.9 M (V2).
_COMPARED = {
    f"cifar10_{name}_seed{seed}": Recipe(
        name, "cifar10", {"name": name, "width_multiplier": 0.25}, epochs=4, seed=seed
    )
    for seed in (0, 1, 2)
    for name in ("mobilenet_v1", "mobilenet_v2")
}

# Lesson 03: V1 with either activation, on the bundled pictures, with the weights to look into.
_ACTIVATIONS = {
    f"fashion_v1_{activation}_seed{seed}": Recipe(
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

# Lesson 05: V2 with and without linear projections and shortcuts, on the bundled pictures.
_ABLATIONS = {
    f"fashion_v2_{variant}_seed{seed}": Recipe(
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

RUNS = _COMPARED | _ACTIVATIONS | _ABLATIONS


def record(run_name: str, archive: str | None = None, label: str | None = None) -> results.Run:
    """Train one of `RUNS` from scratch (or from its checkpoint), test it, and save it among the recorded runs.

    The validation figures of each epoch are measured on the test images; nothing is chosen by them. archive: the
    CIFAR-10 archive, by default as `data.load` finds it. label: what to call the data where the archive is not the
    official one. Raises ValueError for an unknown run.
    """
    if run_name not in RUNS:
        raise ValueError(f"run_name must be one of {', '.join(RUNS)}, not {run_name!r}")
    recipe = RUNS[run_name]
    path = archive if recipe.data == "cifar10" else None
    train, test = (data.load(recipe.data, split, path=path) for split in ("train", "test"))
    if label and recipe.data == "cifar10":
        train, test = (dataclasses.replace(images, source=label) for images in (train, test))

    network = {
        **recipe.network,
        "num_classes": len(train.classes),
        "resolution": train.images.shape[-1],
    }
    training.seed_everything(recipe.seed)
    model = models.build(**network)
    checkpoint = Path("runs") / f"{run_name}.npz"
    checkpoint.parent.mkdir(exist_ok=True)
    run = training.fit(
        model,
        train,
        validation=test,
        epochs=recipe.epochs,
        seed=recipe.seed,
        checkpoint=checkpoint,
        run_name=recipe.name,
        mode="recorded",
        notes="Times are those of a machine that may have done other work as well; they are no benchmark.",
        **recipe.fit,
    )
    if not run.interrupted:
        run.settings["network"] = network
        run.test = training.evaluate(model, test).as_dict()
        if recipe.keep_weights:
            weights.save(model, results.RECORDED / f"{run_name}.npz")
        run.save(results.RECORDED / f"{run_name}.json")
    return run


def main() -> None:
    parser = argparse.ArgumentParser(description="Make recorded runs of the course.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="which runs; see --list")
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--archive", help="the CIFAR-10 archive (default: as data.load finds it)")
    parser.add_argument(
        "--label", help="what to call the data where the archive is not the official one"
    )
    arguments = parser.parse_args()
    if arguments.list or not arguments.names:
        print("\n".join(RUNS))
        return
    for name in arguments.names:
        print(record(name, arguments.archive, arguments.label).to_frame().to_string(index=False))


if __name__ == "__main__":
    main()
