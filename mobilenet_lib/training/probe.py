"""The trial of the static step in a process of its own: `choice.prepare` starts it and reads what it prints.

A step of each of a few small networks is compared with the dynamic step. Together they have every form that a block of
the course's tables takes, so that a table of any size is known by the forms of its blocks. What a trial cannot show is
a fault that needs particular sizes: therefore `choice` compares the outputs of the model itself, too.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from mobilenet_lib import architectures, baselines, models
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Block, Builder, Table
from mobilenet_lib.training.comparison import compare
from mobilenet_lib.training.options import RECIPES
from mobilenet_lib.training.static import StaticStep

_BATCH, _SIZE = 16, 16


def form(block: Block) -> str:
    """What decides which operations a block becomes: everything but its name, its channels and its size."""
    filters = (block.kernel_size, block.stride, block.batch_norm, block.bias, block.dropout)
    pool = (block.windows, block.grid, block.grid > 1 and block.input_size == 1)
    return repr((block.kind, block.activation, block.expand, block.linear, block.shortcut, *filters, *pool))


def trials() -> dict[str, tuple[Table, str]]:
    """The small networks by name, each with the name of its optimizer."""
    pairs = ((1, 64), (2, 128))
    stages = ((1, 16, 1, 1), (1, 64, 1, 1), (1, 96, 2, 2), (6, 96, 1, 1), (6, 128, 1, 2), (6, 96, 1, 1))
    tables = {
        "V1": architectures.mobilenet_v1(0.25, _SIZE, 10, pairs=pairs),
        "V1 with ReLU6": architectures.mobilenet_v1(0.25, _SIZE, 10, pairs=pairs, activation="relu6"),
        "full convolutions": architectures.mobilenet_v1(0.25, _SIZE, 10, pairs=pairs, separable=False),
        "full convolutions with ReLU6": architectures.mobilenet_v1(
            0.25, _SIZE, 10, pairs=pairs, separable=False, activation="relu6"
        ),
        "V2": architectures.mobilenet_v2(0.25, _SIZE, 10, stem_stride=1, bottlenecks=stages),
        "V2 with ReLU6 projections": architectures.mobilenet_v2(0.25, _SIZE, 10, linear=False, bottlenecks=stages),
        "the article's V2": _articles(),
        "ResNet": _resnet(),
        "VGG at 32 pixels": _vgg(2),
        "VGG at 224 pixels": _vgg(14),
        "perceptron": baselines.perceptron(_SIZE),
    }
    return {name: (table, "sgd") for name, table in tables.items()} | {"Adam": (tables["V1"], "adam")}


def _articles() -> Table:
    builder, options = Builder(24), {"activation": "relu6", "bias": True}
    builder.add("stem", "conv", 8, **options)
    shapes = ((8, 1, "identity"), (16, 1, "projection"), (16, 2, "none"))
    for number, (channels, stride, shortcut) in enumerate(shapes, start=1):
        block = {"stride": stride, "shortcut": shortcut, "expand": True, "expansion": 2, **options}
        builder.add(f"bottleneck{number}", "bottleneck", channels, **block)
    builder.add("head", "conv", 16, kernel_size=1, **options)
    builder.add("pool", "pool", 16, windows=(4, 3))
    return _classified(builder)


def _resnet() -> Table:
    builder = Builder(24)
    builder.add("stem", "conv", 8, kernel_size=7, stride=2)
    builder.add("stem_pool", "max_pool", 8, stride=2)
    shapes = ((32, 1, "projection"), (32, 1, "identity"), (64, 2, "projection"))
    for number, (channels, stride, shortcut) in enumerate(shapes, start=1):
        builder.add(f"block{number}", "residual", channels, stride=stride, expansion=4, shortcut=shortcut)
    builder.add("pool", "pool", 64)
    return _classified(builder)


def _vgg(resolution: int) -> Table:
    builder = Builder(resolution)
    builder.add("conv1", "conv", 16, batch_norm=False, bias=True)
    builder.add("pool1", "max_pool", 16, kernel_size=2, stride=2)
    builder.add("pool", "pool", 16, grid=7)
    builder.add("fc1", "linear", 32, bias=True, dropout=0.5)
    return _classified(builder)


def _classified(builder: Builder) -> Table:
    builder.add("classifier", "linear", 10, bias=True, activation="none")
    return builder.table("trial")


def problem(table: Table, optimizer: str) -> str | None:
    """What disagrees after a step of a network, in words, or None."""
    paddle.seed(0)
    shape = (3, table.resolution, table.resolution)
    model = models.TableNetwork(table)
    generator = np.random.default_rng(0)
    batch = generator.standard_normal((_BATCH, *shape), dtype=np.float32), generator.integers(0, 10, _BATCH)
    step = StaticStep(model, optimizer, _BATCH, shape)
    return compare(model, step, optimizer, *batch, RECIPES[optimizer]["learning_rate"]).problem


def main() -> None:
    for name, trial in trials().items():
        result: dict[str, Any] = {"trial": name, "problem": problem(*trial)}
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
