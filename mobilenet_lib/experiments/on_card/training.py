"""Training by PyTorch on a graphics card, for records: images stay on the card, a step is captured once and replayed.

Forward and backward pass run in bfloat16 where PyTorch's autocast says so, weights and updates in float32. The recipes
are those of `mobilenet_lib.training.options`. The same seed does not give the same digits twice: kernels are chosen by
their speed, and some add up in no fixed order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from mobilenet_lib import data, statistics
from mobilenet_lib._support import environment
from mobilenet_lib.experiments.on_card import networks
from mobilenet_lib.experiments.on_card.graph import captured, wait
from mobilenet_lib.experiments.on_card.plans import Plan, Recipe
from mobilenet_lib.runs import Run
from mobilenet_lib.training import options as of_training

_TESTED_AT_ONCE = 250
_LAYOUT = torch.channels_last  # in which tensor cores take images


class Images:
    """An `ImageSet` on the card, scaled up to `resolution` where a network takes them so (bilinear)."""

    def __init__(self, images: data.ImageSet, resolution: int, device: torch.device) -> None:
        self.pixels = torch.from_numpy(images.images).to(device)  # uint8 [N, 3, height, width]
        self.labels = torch.from_numpy(images.labels).to(device)
        self.resolution, self.source = resolution, images

    def __len__(self) -> int:
        return len(self.labels)

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """Bytes as float32 from -1 to 1 (see `data.normalise`), [N, 3, resolution, resolution]."""
        values = (pixels.float() - 127.5) / 127.5
        if values.shape[-1] != self.resolution:
            values = F.interpolate(values, size=self.resolution, mode="bilinear", align_corners=False)
        return values.contiguous(memory_format=_LAYOUT)


class Step:
    """Forward, backward, update of one batch; on a card the first two are captured once and then replayed."""

    def __init__(self, model: nn.Module, train: Images, recipe: Recipe) -> None:
        device = train.labels.device
        self.model, self.train = model.to(device, memory_format=_LAYOUT).train(), train
        self.pixels = train.pixels[: recipe.batch_size].clone()
        self.labels = train.labels[: recipe.batch_size].clone()
        self.loss, self.hits = torch.zeros((), device=device), torch.zeros((), dtype=torch.long, device=device)
        self._graph = self._captured() if device.type == "cuda" else None
        self.optimizer = _optimizer(model, recipe.optimizer)

    def __call__(self, pixels: torch.Tensor, labels: torch.Tensor, rate: float) -> None:
        """Learn from a batch: uint8 [batch, 3, height, width], int64 [batch]. `loss` and `hits` add up."""
        self.pixels.copy_(pixels)
        self.labels.copy_(labels)
        if self._graph is None:
            self._forward_and_backward()
        else:
            self._graph.replay()  # writes the gradients anew
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()

    def _forward_and_backward(self) -> None:
        self.model.zero_grad()
        images = self.train.prepare(self.pixels)
        with torch.autocast(images.device.type, torch.bfloat16, cache_enabled=False):
            scores = self.model(images)
        loss = F.cross_entropy(scores.float(), self.labels)
        loss.backward()
        self.loss += loss.detach()
        self.hits += (scores.argmax(1) == self.labels).sum()

    def _captured(self) -> torch.cuda.CUDAGraph:
        """The pass as a graph. Warming up moves no weight, but the running statistics: these are put back."""
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        torch.backends.cudnn.benchmark = True  # what is captured is what turned out the fastest
        graph = captured(self._forward_and_backward)
        torch.backends.cudnn.benchmark = False
        self.model.load_state_dict(before)
        self.loss.zero_()
        self.hits.zero_()
        return graph


def _optimizer(model: nn.Module, name: str) -> torch.optim.Optimizer:
    """Weight decay spares batch norms, biases and depthwise filters, as in `training`."""
    kept = {id(module.weight) for module in model.modules() if isinstance(module, nn.Conv2d) and module.groups > 1}
    decayed = [p for p in model.parameters() if p.ndim > 1 and id(p) not in kept]
    others = [p for p in model.parameters() if p.ndim <= 1 or id(p) in kept]
    settings = of_training.RECIPES[name]
    groups = [{"params": decayed, "weight_decay": settings["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    if name == "adam":
        return torch.optim.Adam(groups, lr=0.0, fused=True)
    return torch.optim.SGD(groups, lr=0.0, momentum=settings["momentum"], nesterov=settings["nesterov"])


def fit(
    plan: Plan,
    train: data.ImageSet,
    test: data.ImageSet,
    card: str = "cuda",
    progress: Callable[[Run], None] | None = None,
) -> Run:
    """A new network, trained and tested as planned, as a `Run`. The validation figures are those of the test images.

    card: a device of PyTorch; "cpu" computes the same, slowly, without a graph. Every epoch leaves out what does not
    fill its last batch. progress: called with the run after each epoch.
    """
    table, recipe = plan.table, plan.recipe
    device = torch.device(card)
    torch.manual_seed(plan.seed)
    model = networks.build(table, plan.default_init)
    seen, unseen = Images(train, table.resolution, device), Images(test, table.resolution, device)
    step = Step(model, seen, recipe)
    run = _described(plan, train, test, device)
    order = torch.Generator(device).manual_seed(plan.seed)
    each = len(train) // recipe.batch_size
    rates = of_training.learning_rates(recipe.schedule, recipe.learning_rate, each * recipe.epochs)
    for epoch, epoch_rates in enumerate(rates.reshape(recipe.epochs, each), start=1):
        wait(device)
        started = time.perf_counter()
        model.train()
        step.loss.zero_()
        step.hits.zero_()
        for (pixels, labels), rate in zip(_batches(seen, recipe, order), epoch_rates, strict=True):
            step(pixels, labels, float(rate))
        wait(device)
        seconds = time.perf_counter() - started
        predictions, loss = _tested(model, unseen)
        run.epochs.append(
            {
                "epoch": epoch,
                "train_loss": float(step.loss) / each,
                "train_accuracy": int(step.hits) / (each * recipe.batch_size),
                "validation_loss": loss,
                "validation_accuracy": float((predictions == test.labels).mean()),
                "seconds": round(seconds, 3),
                "images_per_second": round(each * recipe.batch_size / seconds, 1),
                "learning_rate": float(epoch_rates.mean()),
            }
        )
        if progress:
            progress(run)
    again = train.head(min(len(train), of_training.TRAINING_IMAGES_TESTED))
    run.test = {
        **_outcome(predictions, loss, test),
        **statistics.by_image(test.labels, predictions, len(test.classes)),
        "train": _outcome(*_tested(model, Images(again, table.resolution, device)), again),
    }
    return run


def _described(plan: Plan, train: data.ImageSet, test: data.ImageSet, device: torch.device) -> Run:
    table, recipe = plan.table, plan.recipe
    side = "" if table.resolution == train.images.shape[-1] else f", scaled to {table.resolution}×{table.resolution}"
    options = of_training.Options(optimizer=recipe.optimizer, schedule=recipe.schedule, augment=recipe.augment)
    settings = of_training.describe_settings(recipe.epochs, recipe.batch_size, recipe.learning_rate, options, test)
    settings |= {
        "model": table.name,
        "trainable_params": table.trainable_params,
        "macs": table.macs,
        "network": {**plan.network, "num_classes": table.num_classes, "resolution": table.resolution},
        "step": "PyTorch, bfloat16",
    }
    if plan.default_init:
        settings |= of_training.DRAWN_BY_DEFAULT
    described = {
        "name": train.name,
        "source": train.source + side,
        "test_source": test.source + side,
        "image_shape": [3, table.resolution, table.resolution],
        "classes": list(train.classes),
        "checksum": data.checksum(train, test),
        "train_size": len(train),
        "validation_size": len(test),
    }
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "none"
    machine, versions = environment.machine() | {"card": card}, environment.versions("torch")
    return Run(plan.title, settings, described, plan.seed, mode="recorded", machine=machine, versions=versions)


def _batches(train: Images, recipe: Recipe, order: torch.Generator) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    device = train.labels.device
    shuffled = torch.randperm(len(train), generator=order, device=device)
    for chosen in shuffled.split(recipe.batch_size):
        if len(chosen) == recipe.batch_size:
            pixels = train.pixels[chosen]
            yield _augmented(pixels, order) if recipe.augment else pixels, train.labels[chosen]


def _augmented(pixels: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Each image moved by up to 4 pixels either way, and every second one mirrored, as `data.augment` does."""
    count, channels, height, width = pixels.shape
    most, device = data.MAX_SHIFT, pixels.device
    shift = torch.randint(0, 2 * most + 1, (2, count, 1), generator=generator, device=device)
    mirrored = torch.rand((count, 1), generator=generator, device=device) < 0.5
    rows = shift[0] + torch.arange(height, device=device)  # [N, height]
    ahead = torch.arange(width, device=device)
    columns = shift[1] + torch.where(mirrored, width - 1 - ahead, ahead)  # [N, width]
    image = torch.arange(count, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[None, :, None, None]
    padded = F.pad(pixels, (most, most, most, most))
    return padded[image, channel, rows[:, None, :, None], columns[:, None, None, :]]


@torch.no_grad()
def _tested(model: nn.Module, images: Images) -> tuple[np.ndarray, float]:
    """The class of each image as the model sees it in eval mode, int64 [N], and the mean cross entropy."""
    model.eval()
    scores = []
    for pixels in images.pixels.split(_TESTED_AT_ONCE):
        with torch.autocast(pixels.device.type, torch.bfloat16, cache_enabled=False):
            scores.append(model(images.prepare(pixels)).float())
    found = torch.cat(scores)
    return found.argmax(1).cpu().numpy(), float(F.cross_entropy(found, images.labels))


def _outcome(predictions: np.ndarray, loss: float, images: data.ImageSet) -> dict[str, Any]:
    correct = int((predictions == images.labels).sum())
    return {"loss": loss, "accuracy": correct / len(images), "correct": correct, "total": len(images)}
