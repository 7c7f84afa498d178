"""Exercises of lesson 04: the sizes of the feature maps, the MACs and the trained numbers of a MobileNet V1 table.

A table is a tuple of pairs (stride, channels), as in the lesson. The stem before it is a 3×3 convolution from 3 to
32 channels with stride 2.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from mobilenet_lib import architectures
from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._wrong_layers import (
    HEAD_MESSAGES,
    PADDING_FORGOTTEN,
    RELU6_USED,
    brick,
    head,
    layers,
    of_paddle,
    pair,
)


def map_sizes(table, resolution):
    """Sides of the feature map after the stem and after each pair (stride, channels), as a list."""
    size = (resolution + 1) // 2  # the stem: half, rounded up
    sizes = [size]
    for stride, _ in table:
        size = (size + stride - 1) // stride
        sizes.append(size)
    return sizes


def table_macs(table, resolution, num_classes):
    """MACs of the stem (3×3, 3 → 32 channels, stride 2), the pairs (stride, channels) and the classifier."""
    channels, size = 32, (resolution + 1) // 2
    macs = size**2 * 3 * 32 * 3**2
    for stride, out_channels in table:
        size = (size + stride - 1) // stride
        macs += size**2 * channels * 3**2  # depthwise
        macs += size**2 * channels * out_channels  # pointwise
        channels = out_channels
    return macs + channels * num_classes


def table_params(table, num_classes):
    """All numbers that are trained: weights, batch norms, and the biases of the classifier."""
    channels = 32
    params = 3 * 32 * 3**2 + 2 * 32  # the stem, and its batch norm
    for _, out_channels in table:
        params += channels * 3**2 + 2 * channels  # depthwise
        params += channels * out_channels + 2 * out_channels  # pointwise
        channels = out_channels
    return params + channels * num_classes + num_classes


def v1_features(table):
    """V1 before its pool, as a Paddle layer: the stem to 32 channels, then a separable block per (stride, channels)."""
    from paddle import nn

    from mobilenet_lib.layers import ConvBNReLU, DepthwiseSeparable

    layers, channels = [ConvBNReLU(3, 32, stride=2)], 32
    for stride, out_channels in table:
        layers.append(DepthwiseSeparable(channels, out_channels, stride))
        channels = out_channels
    return nn.Sequential(*layers)


def mobilenet_v1(table, num_classes):
    """MobileNet V1 as a Paddle layer: stem, a separable block per (stride, channels), pool, one score per class."""
    from paddle import nn

    from mobilenet_lib.layers import ConvBNReLU, DepthwiseSeparable

    layers, channels = [ConvBNReLU(3, 32, stride=2)], 32
    for stride, out_channels in table:
        layers.append(DepthwiseSeparable(channels, out_channels, stride))
        channels = out_channels
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(channels, num_classes))


def _random_table(rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    # Stride 2 comes first and stride 1 last, so that no random table hides what either does.
    strides = [2, *rng.integers(1, 3, size=rng.integers(1, 5)), 1]
    return tuple((stride, 8 * rng.integers(1, 17)) for stride in strides)


def _random_sizes(rng: np.random.Generator) -> Arguments:
    return _random_table(rng), 2 * rng.integers(16, 128) + 1


def _half(resolution: int) -> int:
    return (resolution + 1) // 2


def _sizes(table, size: int, *, up: bool = True) -> list[int]:
    """Sides of the feature maps after each pair, from the output of the stem."""
    found = []
    for stride, _ in table:
        size = -(-size // stride) if up else size // stride
        found.append(size)
    return found


def _macs(
    table,
    resolution: int,
    num_classes: int,
    *,
    stem: bool = True,
    depthwise_map: str = "output",
    pointwise_map: str = "output",
    depthwise_channels: str = "in",
    standard: bool = False,
    up: bool = True,
) -> int:
    """Wrong counts of `table_macs`, by what goes wrong in them."""
    size = (resolution + up) // 2
    channels, macs = 32, size**2 * 3 * 32 * 9 if stem else 0
    for (_, out_channels), out_size in zip(table, _sizes(table, size, up=up), strict=True):
        positions = {"input": size**2, "output": out_size**2}
        if standard:
            macs += out_size**2 * channels * out_channels * 9
        else:
            macs += positions[depthwise_map] * {"in": channels, "out": out_channels}[depthwise_channels] * 9
            macs += positions[pointwise_map] * channels * out_channels
        channels, size = out_channels, out_size
    return macs + channels * num_classes


def _params(table, num_classes: int, *, per_channel: int = 2, depthwise_norm: bool = True, full: bool = False) -> int:
    """Wrong counts of `table_params`; per_channel: how many numbers go with each channel of a convolution."""
    channels, params = 32, 864 + per_channel * 32
    for _, out_channels in table:
        params += 9 * channels * (channels if full else 1) + (per_channel * channels if depthwise_norm else 0)
        params += channels * out_channels + per_channel * out_channels
        channels = out_channels
    return params + channels * num_classes + num_classes


_STEM_WITHOUT_PADDING = "Your stem has no padding: it makes 15×15 of a 32×32 image, and half of that is 16×16."
_BLOCKS_WITHOUT_PADDING = "Your blocks shrink the feature map: which padding keeps its size in their 3×3?"


def _built(table, block=pair, *, stem: int | None = 2, carry: bool = True, padding: int = 1) -> Any:
    """A stem and blocks, also wrong ones; stem, padding: its stride and padding."""
    parts, channels = ([brick(3, 32, 3, stem, padding=padding)], 32) if stem else ([], 3)
    for stride, out_channels in table:
        parts.append(block(channels, out_channels, stride))
        channels = out_channels if carry else channels
    return layers(*parts)


def _with_head(kind: str, table, num_classes: int, block=pair, **how: Any) -> Any:
    return layers(_built(table, block, **how), *head(kind, table[-1][1], num_classes))


def _of_vision(table, num_classes: int = 0) -> Any:
    """V1 of the layers of `paddle.vision`, and the network itself for its own table."""
    if num_classes and tuple(table) == architectures.V1_SEPARABLE:
        return of_paddle("vision.models.mobilenet_v1")(num_classes=num_classes)
    block = of_paddle("vision.models.mobilenetv1.DepthwiseSeparable")
    parts, channels = [of_paddle("vision.ops.ConvNormActivation")(3, 32, 3, 2)], 32
    for stride, out_channels in table:
        parts.append(block(channels, channels, out_channels, channels, stride, 1.0))
        channels = out_channels
    return layers(*parts, *(head("right", channels, num_classes) if num_classes else ()))


def _small_table(rng: np.random.Generator) -> tuple[tuple[int, int], ...]:
    return tuple((rng.integers(1, 3), 8 * rng.integers(1, 4)) for _ in range(3))


_SHORT = ((1, 64), (2, 128), (1, 128))
_V1_BEGIN = ((1, 64), (2, 128), (1, 128), (2, 256), (1, 256), (2, 512))

MAP_SIZES = Exercise(
    prompt="Write the side of the feature map after the stem and after each pair of a V1 table, as a list. At stride 2 "
    "it is halved and rounded up.",
    reference=map_sizes,
    returns="shape",
    cases=((_SHORT, 224), (_V1_BEGIN, 160), (((2, 64), (2, 64), (2, 64)), 100), (((1, 8),), 33)),
    random_case=_random_sizes,
    first_hint="Start with the stem: it has stride 2, and its feature map is the first number of the list. Which "
    "feature map does the first pair see?",
    second_hint="Keep the side in a variable. For each pair, divide it by the stride, round up, and append it to the "
    "list. The channels play no part.",
    mistakes={
        "rounded_down": lambda table, resolution: [resolution // 2, *_sizes(table, resolution // 2, up=False)],
        "stem_keeps_the_size": lambda table, resolution: [resolution, *_sizes(table, resolution)],
        "stem_left_out": lambda table, resolution: _sizes(table, _half(resolution)),
        "image_listed": lambda table, resolution: [resolution, *map_sizes(table, resolution)],
        "not_carried_on": lambda table, resolution: [
            _half(resolution),
            *(-(-_half(resolution) // s) for s, _ in table),
        ],
        "all_halved": lambda table, resolution: map_sizes([(2, 0)] * len(table), resolution),
    },
    messages={
        "rounded_down": "You rounded down. With padding 1, the window still stops over the last pixel of an odd side, "
        "so half of 7 is 4.",
        "stem_keeps_the_size": "Your stem keeps the size of the image. Which stride has it?",
        "stem_left_out": "The sizes are right, but the feature map after the stem is missing at the beginning of the "
        "list.",
        "image_listed": "The sizes are right, but the list begins with the image itself. It should begin with the "
        "feature map after the stem.",
        "not_carried_on": "Each of your pairs starts from the feature map of the stem. A pair sees what the pair "
        "before it outputs.",
        "all_halved": "You halved the feature map at every pair. Only the pairs with stride 2 do that.",
    },
    minutes=8,
    difficulty=1,
)

TABLE_MACS = Exercise(
    prompt="Write the MACs of a whole V1 network from its table: stem, depthwise and pointwise part of each pair, "
    "classifier.",
    reference=table_macs,
    returns="whole number",
    cases=((((1, 64),), 224, 10), (_SHORT, 32, 10), (_V1_BEGIN, 224, 1000), (_V1_BEGIN, 75, 100)),
    random_case=lambda rng: (*_random_sizes(rng), rng.integers(2, 1001)),
    first_hint="Three kinds of terms: one for the stem, two for each pair, one for the classifier. Carry two numbers "
    "from pair to pair: the channels and the side of the feature map.",
    second_hint="In a pair, the stride is taken by the depthwise part, so both parts output the small feature map. The "
    "depthwise part has 9 MACs per input channel and position; the pointwise part has input channels × output channels "
    "per position. The classifier sees one number per channel.",
    mistakes={
        "flops": lambda *numbers: 2 * table_macs(*numbers),
        "stem_forgotten": partial(_macs, stem=False),
        "classifier_forgotten": lambda table, resolution, num_classes: table_macs(table, resolution, 0),
        "classifier_on_the_map": lambda table, resolution, num_classes: (
            table_macs(table, resolution, 0) + table[-1][1] * num_classes * map_sizes(table, resolution)[-1] ** 2
        ),
        "biases_counted": lambda table, resolution, classes: table_macs(table, resolution, classes) + classes,
        "depthwise_before_the_stride": partial(_macs, depthwise_map="input"),
        "pointwise_before_the_stride": partial(_macs, depthwise_map="input", pointwise_map="input"),
        "depthwise_over_output_channels": partial(_macs, depthwise_channels="out"),
        "standard_convolutions": partial(_macs, standard=True),
        "rounded_down": partial(_macs, up=False),
    },
    messages={
        "flops": "These are FLOPs, the question asks for MACs. A multiplication and its addition are one MAC.",
        "stem_forgotten": "The stem is missing. It is a standard 3×3 convolution of its own, before the first pair.",
        "classifier_forgotten": "The classifier is missing: each class is a weighted sum of what the pool leaves of "
        "the channels.",
        "classifier_on_the_map": "Your classifier works at every position of the last feature map. The pool before it "
        "leaves one number per channel.",
        "biases_counted": "You counted the biases of the classifier. Adding one is no multiply-accumulate.",
        "depthwise_before_the_stride": "You counted the depthwise part at every position of its input. It has the "
        "stride: at how many positions does its window stop?",
        "pointwise_before_the_stride": "You counted both parts on the feature map before the stride. The depthwise "
        "part comes first and makes the feature map small.",
        "depthwise_over_output_channels": "You gave the depthwise part the output channels. It runs before the "
        "pointwise part: which channels are there?",
        "standard_convolutions": "This is the network with a standard 3×3 convolution instead of each pair.",
        "rounded_down": "You rounded the feature map down at stride 2. With padding 1, half of 7 is 4.",
    },
    minutes=15,
    difficulty=2,
    points=20,
)

TABLE_PARAMS = Exercise(
    prompt="Write how many numbers are trained in a V1 network: weights, two per channel of every batch norm, and the "
    "classifier's biases.",
    reference=table_params,
    returns="whole number",
    cases=((((1, 64),), 10), (_SHORT, 10), (_V1_BEGIN, 1000), (((2, 8), (1, 24)), 3)),
    random_case=lambda rng: (_random_table(rng), rng.integers(2, 1001)),
    first_hint="The size of the image plays no part. Begin with the stem, whose 928 you have seen in the lesson, and "
    "go from pair to pair.",
    second_hint="A pair has two convolutions, and each is followed by a batch norm with two numbers for each of its "
    "output channels. The depthwise part has 9 weights per channel. The convolutions have no biases, the classifier "
    "has.",
    mistakes={
        "weights_only": lambda table, num_classes: _params(table, num_classes, per_channel=0) - num_classes,
        "norms_forgotten": partial(_params, per_channel=0),
        "classifier_biases_forgotten": lambda table, num_classes: table_params(table, num_classes) - num_classes,
        "statistics_counted": partial(_params, per_channel=4),
        "one_number_per_norm_channel": partial(_params, per_channel=1),
        "convolution_biases_counted": partial(_params, per_channel=3),
        "one_norm_per_pair": partial(_params, depthwise_norm=False),
        "stem_forgotten": lambda table, num_classes: table_params(table, num_classes) - 928,
        "depthwise_over_all_pairs": partial(_params, full=True),
    },
    messages={
        "weights_only": "You counted the weights only, as the papers do. Batch norms and the classifier's biases are "
        "trained as well.",
        "norms_forgotten": "The batch norms are missing: each trains a scale and a shift per channel.",
        "classifier_biases_forgotten": "The classifier has no batch norm after it, so it has a bias for each class.",
        "statistics_counted": "You counted four numbers per channel of a batch norm. Two of them, the running mean and "
        "variance, are measured and not trained.",
        "one_number_per_norm_channel": "You counted one number per channel of a batch norm. It has a scale and a "
        "shift.",
        "convolution_biases_counted": "You gave the convolutions biases. The batch norm after each of them shifts "
        "anyway, so V1 leaves them out.",
        "one_norm_per_pair": "You counted one batch norm per pair. The depthwise part is followed by one too.",
        "stem_forgotten": "The stem is missing, with its batch norm.",
        "depthwise_over_all_pairs": "You gave the depthwise part a kernel for every pair of channels. It has one 3×3 "
        "kernel per channel.",
    },
    minutes=12,
    difficulty=2,
    points=20,
)

V1_FEATURES = Building(
    prompt="Build V1 up to its last feature map from a table of pairs (stride, channels): the stem, a 3×3 convolution "
    "from 3 to 32 channels with stride 2, then a separable block for each pair.",
    reference=v1_features,
    known=lambda table: _of_vision(table),
    image=lambda table: (3, 32, 32),
    cases=((((1, 8),),), (((2, 16), (1, 8)),), (((1, 8), (2, 16), (2, 24), (1, 24)),)),
    random_case=lambda rng: (_small_table(rng),),
    first_hint="Go through the pairs with one variable beside you: how many channels has the feature map now? With how "
    "many does it begin?",
    second_hint="Begin a list with the stem. For each pair, append a block from the channels so far to the pair's "
    "channels, with its stride; then the channels so far are those. At the end, `nn.Sequential(*blocks)`.",
    mistakes={
        "stem_forgotten": lambda table: _built(table, stem=None),
        "stem_stride_1": lambda table: _built(table, stem=1),
        "padding_forgotten": lambda table: _built(table, partial(pair, padding=0), padding=0),
        "padding_forgotten_in_the_stem": partial(_built, padding=0),
        "padding_forgotten_in_the_blocks": partial(_built, block=partial(pair, padding=0)),
        "strides_ignored": lambda table: _built([(1, channels) for _, channels in table]),
        "strides_of_2": lambda table: _built([(2, channels) for _, channels in table]),
        "channels_not_carried_on": lambda table: _built(table, carry=False),
        "stride_in_the_pointwise": lambda table: _built(table, lambda m, n, s: pair(m, n, 1, last_stride=s)),
        "standard_convolutions": lambda table: _built(table, lambda m, n, s: brick(m, n, 3, s)),
        "last_pair_left_out": lambda table: _built(table[:-1]),
        "pool_included": lambda table: layers(_built(table), of_paddle("nn.AdaptiveAvgPool2D")(1)),
        "bias_kept": lambda table: _built(table, partial(pair, bias=True)),
        "relu6": lambda table: _built(table, partial(pair, first="conv norm relu6", last="conv norm relu6")),
    },
    messages={
        "stem_forgotten": "Your first block sees the image itself. Which layer stands before all pairs?",
        "stem_stride_1": "Your stem keeps the size of the image. It has stride 2.",
        "padding_forgotten": PADDING_FORGOTTEN,
        "padding_forgotten_in_the_stem": _STEM_WITHOUT_PADDING,
        "padding_forgotten_in_the_blocks": _BLOCKS_WITHOUT_PADDING,
        "strides_ignored": "All of your blocks have stride 1. What is the first number of a pair for?",
        "strides_of_2": "All of your blocks halve the feature map. What is the first number of a pair for?",
        "channels_not_carried_on": "Your blocks all begin with the channels of the stem. A block sees what the block "
        "before it outputs.",
        "stride_in_the_pointwise": "The stride of your blocks is in their pointwise part. Which part filters "
        "spatially?",
        "standard_convolutions": "Your blocks are standard 3×3 convolutions. A pair is a depthwise and a pointwise "
        "one.",
        "last_pair_left_out": "The last pair of the table is missing.",
        "pool_included": "The layers are right, but you have pooled already: the last feature map is asked for.",
        "bias_kept": "The convolutions of your blocks have a bias. The batch norm behind each of them shifts anyway.",
        "relu6": RELU6_USED,
    },
    minutes=10,
    difficulty=2,
)

MOBILENET_V1 = Building(
    prompt="Build MobileNet V1 from a table of pairs (stride, channels): stem, blocks, the pool over the whole feature "
    "map, and a fully connected layer that gives one score per class.",
    reference=mobilenet_v1,
    known=lambda table, classes: _of_vision(table, classes),
    image=lambda table, num_classes: (3, 32, 32),
    cases=((((1, 8), (2, 16)), 5), (((2, 8),), 3), (architectures.V1_SEPARABLE, 10)),
    random_case=lambda rng: (_small_table(rng), rng.integers(2, 12)),
    first_hint="The blocks of `v1_features`, and three small layers behind them. What is the shape after each, and "
    "which numbers does the classifier see?",
    second_hint="`nn.AdaptiveAvgPool2D` pools to any size you name; `nn.Flatten` drops the two axes of length 1; "
    "`nn.Linear` takes as many numbers as the last pair has channels. Paddle's loss contains the softmax.",
    mistakes={
        **{name: partial(_with_head, name) for name in HEAD_MESSAGES},
        "stem_forgotten": lambda table, classes: _with_head("right", table, classes, stem=None),
        "padding_forgotten": partial(_with_head, "right", block=partial(pair, padding=0), padding=0),
        "padding_forgotten_in_the_stem": partial(_with_head, "right", padding=0),
        "padding_forgotten_in_the_blocks": partial(_with_head, "right", block=partial(pair, padding=0)),
        "strides_ignored": lambda table, classes: _with_head("right", [(1, n) for _, n in table], classes),
        "channels_not_carried_on": lambda table, classes: _with_head("right", table, classes, carry=False),
        "standard_convolutions": lambda table, classes: _with_head(
            "right", table, classes, lambda m, n, s: brick(m, n, 3, s)
        ),
    },
    messages={
        **HEAD_MESSAGES,
        "stem_forgotten": "Your first block sees the image itself. Which layer stands before all pairs?",
        "padding_forgotten": PADDING_FORGOTTEN,
        "padding_forgotten_in_the_stem": _STEM_WITHOUT_PADDING,
        "padding_forgotten_in_the_blocks": _BLOCKS_WITHOUT_PADDING,
        "strides_ignored": "All of your blocks have stride 1. What is the first number of a pair for?",
        "channels_not_carried_on": "Your blocks all begin with the channels of the stem. A block sees what the block "
        "before it outputs.",
        "standard_convolutions": "Your blocks are standard 3×3 convolutions. A pair is a depthwise and a pointwise "
        "one.",
    },
    minutes=10,
    difficulty=2,
    points=20,
)

EXERCISES = (MAP_SIZES, TABLE_MACS, TABLE_PARAMS, V1_FEATURES, MOBILENET_V1)
