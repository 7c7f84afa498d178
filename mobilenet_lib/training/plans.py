"""A run from its description, by `mobilenet-train` or the table of recorded runs: load, build, train, test, save."""

from __future__ import annotations

import contextlib
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mobilenet_lib import counting, data, models, statistics, weights
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data import ImageSet
from mobilenet_lib.runs import Run
from mobilenet_lib.training import parallel
from mobilenet_lib.training.evaluation import evaluate
from mobilenet_lib.training.fitting import fit, seed_everything
from mobilenet_lib.training.options import DRAWN_BY_DEFAULT, TRAINING_IMAGES_TESTED, Options

_OF_FIT = ("epochs", "seed", "batch_size", "learning_rate", "step", "options")  # what a plan hands on


@dataclass(frozen=True)
class Plan:
    """The description of a run.

    Attributes:
        data: a name of `data.NAMES`.
        network: arguments of `models.build`, without the number of classes. Images are resized to its `resolution`.
        epochs, seed, batch_size, learning_rate, step, options: as for `fit`.
        images, test_images: take so many from the beginning of each split; None takes all.
        keep_weights: save them beside the run. keep_checkpoint: write one after every epoch, so that it can go on.
        timed: keep how long the epochs took; False where the machine did other work as well.
        threads: that compute; None takes those of the process.
        default_init: draw depthwise filters as Paddle does by default, as the article's V1 and V2 are (see
            `_drawn_by_default`).
        path: the archive or folder of the images; label: what to call them where they are not the official ones.
    """

    data: str
    network: dict[str, Any]
    epochs: int
    seed: int
    batch_size: int = 64
    learning_rate: float | None = None
    step: str = "auto"
    options: Options = field(default_factory=Options)
    images: int | None = None
    test_images: int | None = None
    keep_weights: bool = True
    keep_checkpoint: bool = True
    timed: bool = True
    threads: int | None = None
    default_init: bool = False
    path: str | None = None
    label: str | None = None


def carry_out(plan: Plan, output: str | Path, checkpoint: str | Path) -> Run:
    """Train as planned, or go on from the checkpoint; write `output`.json and `output`.npz when it is finished.

    The validation figures of each epoch are measured on the test images; nothing is chosen by them. An interrupted run
    comes back without a test, and writes nothing but its checkpoint. Of several processes the first one writes.
    Raises what `data.load`, `models.build` and `fit` raise.
    """
    threads = contextlib.nullcontext() if plan.threads is None else environment.computing_threads(plan.threads)
    with threads:
        return _carried_out(plan, files.expanded(output), checkpoint)


def _carried_out(plan: Plan, output: Path, checkpoint: str | Path) -> Run:
    parallel.start()
    with parallel.first_alone():
        train, test = _images(plan, "train", "images", minimum=2), _images(plan, "test", "test_images", minimum=1)
    network = {**plan.network, "num_classes": len(train.classes), "resolution": train.images.shape[-1]}
    seed_everything(plan.seed)
    model = models.build(**network)
    if plan.default_init:
        _drawn_by_default(model)
    arguments = {name: getattr(plan, name) for name in _OF_FIT}
    run = fit(model, train, validation=test, checkpoint=checkpoint if plan.keep_checkpoint else None, **arguments)
    run.settings["network"] = network
    if plan.default_init:
        run.settings |= DRAWN_BY_DEFAULT
    if not plan.timed:
        for epoch in run.epochs:
            epoch |= {"seconds": None, "images_per_second": None}
    if run.interrupted or not parallel.is_first():
        return run
    run.settings["macs"] = counting.count(model, train.images.shape[1:]).macs  # of one image
    run.data["test_source"] = test.source
    run.test = _tested(model, train, test)
    if plan.keep_weights:
        weights.save(model, f"{output}.npz")
    run.save(f"{output}.json")
    return run


def _drawn_by_default(model: paddle.nn.Layer) -> None:
    """Scale new depthwise filters [channels, 1, k, k] from the spread √(2/k²) to √(2/(channels · k²)).

    Paddle's default initialiser counts all channels as inputs of each output, where `layers` counts the one that is.
    """
    for layer in model.sublayers():
        if isinstance(layer, paddle.nn.Conv2D) and layer._groups > 1:
            layer.weight.set_value(layer.weight / math.sqrt(layer.weight.shape[0]))


def _images(plan: Plan, split: str, count: str, minimum: int) -> ImageSet:
    images = data.load(plan.data, split, path=plan.path and files.expanded(plan.path))
    images = replace(images, source=plan.label or images.source)
    if getattr(plan, count) is not None:
        images = images.head(whole_number(count, getattr(plan, count), minimum))
    return images.resize(plan.network.get("resolution", images.images.shape[-1]))


def _tested(model: paddle.nn.Layer, train: ImageSet, test: ImageSet) -> dict[str, Any]:
    """What `Run.test` holds: loss and accuracy, `statistics.by_image`, and `train`, the figures on training images,
    when training was over."""
    tested, seen = evaluate(model, test), train.head(min(len(train), TRAINING_IMAGES_TESTED))
    return {
        **tested.as_dict(),
        **statistics.by_image(test.labels, tested.predictions, len(test.classes)),
        "train": evaluate(model, seen).as_dict(),
    }
