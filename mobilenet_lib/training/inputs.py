"""What `training.fit` is given: refused with a clear message where it cannot be, and described for the history."""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any

import numpy as np
import psutil

from mobilenet_lib import data
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data.image_sets import ImageSet
from mobilenet_lib.training.dynamic import DynamicStep


def describe_model(model: paddle.nn.Layer) -> dict[str, Any]:
    """Its class and the number of its trainable parameters. ValueError for what is no Layer, or has none to train."""
    if not isinstance(model, paddle.nn.Layer):
        raise ValueError(
            f"model must be a paddle.nn.Layer, not {type(model).__name__}. Build one with models.build(…)."
        )
    trainable = sum(math.prod(p.shape) for p in model.parameters() if not p.stop_gradient)
    if trainable == 0:
        raise ValueError("model has no trainable parameters. Set stop_gradient = False where it should learn.")
    return {"model": type(model).__name__, "trainable_params": trainable}


def describe_validation(validation: ImageSet | float | None) -> str | float | None:
    """The name and split of the images, or the fraction of the training images. ValueError for anything else."""
    if validation is None:
        return None
    if isinstance(validation, ImageSet):
        return f"{validation.name} {validation.part}"
    if isinstance(validation, bool) or not isinstance(validation, int | float) or not 0 < validation < 1:
        raise ValueError(
            f"validation must be an ImageSet, a fraction between 0 and 1, or None for none, not {validation!r}"
        )
    return float(validation)


def describe_data(train: ImageSet, validation: ImageSet | float | None) -> dict[str, Any]:
    """Where the images come from, with a checksum that tells one set from another of the same size.

    ValueError for images that cannot be trained on, or validated on together with those of `train`.
    """
    check_images("train", train)
    found = np.unique(train.labels)
    if len(found) == 1:
        raise ValueError(
            f"train holds images of one class only, {train.classes[found[0]]!r}: there is nothing to tell apart. "
            "Give images of at least two classes."
        )
    if isinstance(validation, ImageSet):
        check_images("validation", validation)
        shapes = (images.images.shape[1:] for images in (train, validation))
        for what, *both in (("classes", train.classes, validation.classes), ("image shape", *shapes)):
            if both[0] != both[1]:
                raise ValueError(
                    f"validation must have the {what} of train, {both[0]}, not {both[1]}. Load both with the same name."
                )
    sets = (train, validation) if isinstance(validation, ImageSet) else (train,)
    return {
        "name": train.name,
        "source": train.source,
        "image_shape": list(train.images.shape[1:]),
        "classes": list(train.classes),
        "checksum": data.checksum(*sets),
    }


def split(train: ImageSet, validation: ImageSet | float | None, seed: int) -> tuple[ImageSet, ImageSet | None]:
    """Training and validation images; a fraction is split off by `seed`. ValueError where either has too few."""
    if isinstance(validation, float):
        train, validation = train.split(validation, seed)
    for name, images, least in (("training", train, 2), ("validation", validation, 1)):
        if images is not None and len(images) < least:
            raise ValueError(f"{name} needs at least {least} image(s), and has {len(images)} left. Take more images.")
    return train, validation


def check_images(name: str, images: ImageSet) -> None:
    """Refuse what the model would choke on, or silently learn nonsense from."""
    pixels, labels = images.images, images.labels
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(
            f"{name}.images must be uint8 of shape [N, 3, height, width], not {pixels.dtype} of shape "
            f"{list(pixels.shape)}. Give pixels from 0 to 255, colours first; fit normalises them itself."
        )
    if labels.shape != (len(pixels),) or labels.dtype != np.int64:
        raise ValueError(
            f"{name}.labels must be int64 of shape [{len(pixels)}], one per image, not {labels.dtype} of shape "
            f"{list(labels.shape)}."
        )
    if len(pixels) == 0:
        raise ValueError(f"{name} must hold images, and is empty.")
    classes = len(images.classes)
    if len(wrong := labels[(labels < 0) | (labels >= classes)]):
        raise ValueError(
            f"{name}.labels must lie between 0 and {classes - 1} for {classes} classes, but {len(wrong)} do not, the "
            f"first is {wrong[0]}. Check labels and classes."
        )


def check_outputs(model: paddle.nn.Layer, train: ImageSet, batch_size: int) -> None:
    """Run two images through the model, so that a wrong size shows before the first epoch, as a ValueError.

    So does a batch that cannot fit into memory: for the backward pass each layer with weights keeps its inputs.
    """
    kept = []  # numbers per image

    def count(layer: paddle.nn.Layer, given: tuple[Any, ...]) -> None:
        kept.extend(math.prod(one.shape) / 2 for one in given if isinstance(one, paddle.Tensor))

    with ExitStack() as undo:
        for layer in model.sublayers(include_self=True):
            if layer.parameters(include_sublayers=False):
                undo.callback(layer.register_forward_pre_hook(count).remove)
        logits = DynamicStep(model, optimizer=None).logits(data.normalise(train.images[:2]))
    check_logits(model, logits, 2, train)
    needed, free = 4 * sum(kept) * batch_size, psutil.virtual_memory().available
    if paddle.device.get_device() == "cpu" and needed > free:  # on a GPU Paddle says so itself
        raise ValueError(
            f"a batch of {batch_size:,} images needs {needed / 1e9:.1f} GB of memory or more, and {free / 1e9:.1f} GB "
            "are free. Take a smaller batch_size."
        )


def check_logits(model: paddle.nn.Layer, logits: np.ndarray, count: int, images: ImageSet) -> None:
    """ValueError where `logits`, the outputs for `count` of the images, are not [count, classes]."""
    classes = len(images.classes)
    if list(logits.shape) != [count, classes]:
        raise ValueError(
            f"{type(model).__name__} must give an output of shape {[count, classes]} for {count} images of {classes} "
            f"classes, and gave {list(logits.shape)}. Build it with num_classes={classes}."
        )
