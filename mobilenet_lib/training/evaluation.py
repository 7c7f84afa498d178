"""How a model does on images: loss, accuracy, predictions and scores, in eval mode and without augmentation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mobilenet_lib import data
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data import ImageSet
from mobilenet_lib.training import inputs
from mobilenet_lib.training.choice import Step
from mobilenet_lib.training.dynamic import DynamicStep, cross_entropy


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model does on images.

    loss: mean cross entropy in nats. accuracy: fraction of images classified correctly. predictions: the class with the
    highest score for each image, int64 [N].
    """

    loss: float
    accuracy: float
    predictions: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """The figures without the predictions, in the form that `Run.test` holds."""
        total = len(self.predictions)
        return {"loss": self.loss, "accuracy": self.accuracy, "correct": round(self.accuracy * total), "total": total}


def evaluate(model: paddle.nn.Layer, images: ImageSet, batch_size: int = 64) -> Evaluation:
    """Loss, accuracy and predictions of `model` on all `images`.

    Each layer's mode is put back afterwards. ValueError where the model's outputs are not one per class.
    """
    return evaluate_step(DynamicStep(model, optimizer=None), images, batch_size)


def scores(model: paddle.nn.Layer, images: ImageSet, batch_size: int = 64) -> np.ndarray:
    """What `model` outputs for all `images`: a score (logit) per image and class, float32 [N, classes].

    With the errors of `evaluate`.
    """
    return np.concatenate(list(_scored(DynamicStep(model, optimizer=None), images, batch_size)))


def evaluate_step(step: Step, images: ImageSet, batch_size: int) -> Evaluation:
    """`evaluate`, with the outputs that a training step gives."""
    loss, found = 0.0, []
    for logits in _scored(step, images, batch_size):
        labels = images.labels[len(found) :][: len(logits)]
        loss += float(cross_entropy(paddle.to_tensor(logits), labels, "sum"))
        found.extend(logits.argmax(axis=1))
    predictions = np.array(found, np.int64)
    return Evaluation(loss / len(images), float(np.mean(predictions == images.labels)), predictions)


def _scored(step: Step, images: ImageSet, batch_size: int) -> Iterator[np.ndarray]:
    """The scores [batch, classes], batch after batch."""
    batch_size = whole_number("batch_size", batch_size)
    inputs.check_images("images", images)
    for start in range(0, len(images), batch_size):
        batch = images.images[start : start + batch_size]
        logits = step.logits(data.normalise(batch))
        inputs.check_logits(step.model, logits, len(batch), images)
        yield logits
