"""Make the recorded runs that lessons load, each with one command.

    uv run python -m mobilenet_lib.experiments.recorded --list
    uv run python -m mobilenet_lib.experiments.recorded fashion_v1_relu_seed0
    uv run python -m mobilenet_lib.experiments.recorded cifar10_mobilenet_v1_seed0 --archive cifar-10-python.tar.gz

A run is saved in `mobilenet_lib/experiments/recorded/` with its settings, seed, versions and machine; those that a lesson looks into
also with their weights. It keeps a checkpoint in `runs/` after every epoch, so the same command continues after an
interrupt.
"""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mobilenet_lib import counting, data, models, runs, statistics, training, weights
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data.image_sets import ImageSet
from mobilenet_lib.experiments import design


@dataclass(frozen=True)
class Recipe:
    """One recorded run: `network` holds the arguments of `models.build`, `fit` those of `training.fit`.

    pictures, test_pictures: take so many from the beginning of each split; None takes all. They are resized to
    `network["resolution"]` where there is one. keep_weights: save them beside the run. checkpoint: keep one after every
    epoch, so that an interrupted run goes on.
    """

    name: str
    data: str
    network: dict[str, Any]
    epochs: int
    seed: int
    fit: dict[str, Any] = field(default_factory=dict)
    pictures: int | None = None
    test_pictures: int | None = None
    keep_weights: bool = False
    checkpoint: bool = True


# Full CIFAR-10, four epochs. Both networks at width 0.25, where they cost about the same: 3.3 M MACs (V1), 2.9 M (V2).
_COMPARED = {
    f"cifar10_{name}_seed{seed}": Recipe(name, "cifar10", {"name": name, "width_multiplier": 0.25}, epochs=4, seed=seed)
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

# Lesson 08: the seed article's protocol as far as two cores allow. It took all 50,000 training pictures, scaled to 224×224,
# and tested on all 10,000. A checkpoint of a VGG is 1.6 GB, so none is kept; such a run takes minutes.
_ARTICLE = {
    f"article_{name}_seed{seed}": Recipe(
        name,
        "cifar10",
        {"name": name},
        epochs=3,
        seed=seed,
        fit={
            "batch_size": 100,
            "optimizer": "adam",
            "learning_rate": 1e-3,
            "schedule": "constant",
            "augment": False,
        },
        pictures=2000,
        test_pictures=1000,
        checkpoint=False,
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

# Lesson 09: fifteen designs of both families on the bundled pictures, twice in a longer training, once as the lesson trains.
_DESIGNS = {
    run_name: Recipe(
        design.TRAINED[name].title,
        "fashion_mnist",
        design.TRAINED[name].network,
        epochs=how["epochs"],
        seed=seed,
        fit={"batch_size": how["batch_size"], "learning_rate": how["learning_rate"]},
        pictures=how["images"],
    )
    for training_name, how in design.TRAININGS.items()
    for name, run_names in design.run_names(training_name).items()
    for seed, run_name in zip(how["seeds"], run_names, strict=True)
}

# How long until three of four test pictures are named right? The article's best network got there on a GPU. Augmentation
# only mirrors: so few epochs cannot fit the training pictures too closely, and shifted ones are harder to learn.
_UNTIL = {
    f"cifar10_until75_seed{seed}": Recipe(
        "mobilenet_v1",
        "cifar10",
        {"name": "mobilenet_v1", "width_multiplier": 0.5},
        epochs=6,
        seed=seed,
        fit={"until": 0.75, "max_shift": 0},
    )
    for seed in (0, 1, 2)
}

RUNS = _COMPARED | _UNTIL | _ARTICLE | _ACTIVATIONS | _ABLATIONS | _DESIGNS

# How many training pictures the finished network is shown again, as it is shown the test pictures.
_TRAINING_PICTURES_TESTED = 5000


def record(run_name: str, archive: str | None = None, label: str | None = None) -> runs.Run:
    """Train one of `RUNS` from scratch (or from its checkpoint), test it, and save it among the recorded runs.

    The validation figures of each epoch are measured on the test images; nothing is chosen by them. archive: the
    CIFAR-10 archive, by default as `data.load` finds it. label: what to call the data where the archive is not the
    official one. Raises ValueError for an unknown run.
    """
    if run_name not in RUNS:
        raise ValueError(f"run_name must be one of {', '.join(RUNS)}, not {run_name!r}")
    recipe = RUNS[run_name]
    path = archive if recipe.data == "cifar10" else None
    train, test = (
        _pictures(recipe, split, path, label, number)
        for split, number in (("train", recipe.pictures), ("test", recipe.test_pictures))
    )
    network = {
        **recipe.network,
        "num_classes": len(train.classes),
        "resolution": train.images.shape[-1],
    }
    training.seed_everything(recipe.seed)
    model = models.build(**network)
    checkpoint = None
    if recipe.checkpoint:
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
        run.settings["macs"] = counting.count(model, train.images.shape[1:]).macs  # of one picture
        run.data["test_source"] = test.source
        run.test = _tested(model, train, test)
        if recipe.keep_weights:
            weights.save(model, files.RECORDED / f"{run_name}.npz")
        run.save(files.RECORDED / f"{run_name}.json")
    return run


def _pictures(recipe: Recipe, split: str, path: str | None, label: str | None, number: int | None) -> ImageSet:
    images = data.load(recipe.data, split, path=path)
    if label and recipe.data == "cifar10":
        images = dataclasses.replace(images, source=label)
    images = images if number is None else images.head(number)
    return images.resize(recipe.network.get("resolution", images.images.shape[-1]))


def _tested(model: paddle.nn.Layer, train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """What `Run.test` holds for a recorded run: beside loss and accuracy

    confusion: how often pictures of class [row] were answered with class [column];
    right: a digit per test picture in the order of the set, 1 where the answer was right, so that two networks can be
    compared picture by picture;
    train: loss and accuracy on training pictures, measured like those on the test pictures, when training was over.
    """
    tested = training.evaluate(model, test)
    seen = train.head(min(len(train), _TRAINING_PICTURES_TESTED))
    return {
        **tested.as_dict(),
        "confusion": statistics.confusion(test.labels, tested.predictions, len(test.classes)).tolist(),
        "right": "".join("01"[answer] for answer in (tested.predictions == test.labels).astype(int)),
        "train": training.evaluate(model, seen).as_dict(),
    }


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
