"""Make the recorded runs that lesson 08 loads, each with one command.

    uv run python -m mobilenet_lib.record --list
    uv run python -m mobilenet_lib.record cifar10_mobilenet_v1_seed0 --archive cifar-10-python.tar.gz

A run is saved in `mobilenet_lib/recorded/` with its settings, seed, versions and machine. It keeps a checkpoint in
`runs/` after every epoch, so the same command continues after an interrupt.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

from mobilenet_lib import data, models, results, training

# Full CIFAR-10, four epochs. Both networks at width 0.25, where they cost about the same: 3.3 M MACs (V1), 2.9 M (V2).
RUNS = {
    f"cifar10_{name}_seed{seed}": {
        "network": name,
        "width_multiplier": 0.25,
        "epochs": 4,
        "seed": seed,
    }
    for seed in (0, 1, 2)
    for name in ("mobilenet_v1", "mobilenet_v2")
}


def record(run_name: str, archive: str | None = None, label: str | None = None) -> results.Run:
    """Train one of `RUNS` from scratch (or from its checkpoint), test it, and save it among the recorded runs.

    The validation figures of each epoch are measured on the test images; nothing is chosen by them. archive: the
    CIFAR-10 archive, by default as `data.load` finds it. label: what to call the data where the archive is not the
    official one. Raises ValueError for an unknown run.
    """
    if run_name not in RUNS:
        raise ValueError(f"run_name must be one of {', '.join(RUNS)}, not {run_name!r}")
    recipe = RUNS[run_name]
    train, test = (data.load("cifar10", split, path=archive) for split in ("train", "test"))
    if label:
        train, test = (dataclasses.replace(images, source=label) for images in (train, test))

    training.seed_everything(recipe["seed"])
    model = models.build(
        recipe["network"],
        len(train.classes),
        recipe["width_multiplier"],
        resolution=train.images.shape[-1],
    )
    checkpoint = Path("runs") / f"{run_name}.npz"
    checkpoint.parent.mkdir(exist_ok=True)
    run = training.fit(
        model,
        train,
        validation=test,
        epochs=recipe["epochs"],
        seed=recipe["seed"],
        checkpoint=checkpoint,
        run_name=recipe["network"],
        mode="recorded",
        notes="Times are those of a machine that may have done other work as well; they are no benchmark.",
    )
    if not run.interrupted:
        run.test = training.evaluate(model, test).as_dict()
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
