"""Exercises of lesson 06: the cost of a block, the shortcut rule, rounding channels, and the network in Paddle."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from mobilenet_lib import architectures
from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._wrong_layers import (
    ACTIVATION_ON_THE_PROJECTION,
    HEAD_MESSAGES,
    RELU_USED,
    added,
    brick,
    head,
    inverted,
    layers,
    of_paddle,
)


def bottleneck_macs(in_channels, out_channels, size, stride, expansion):
    """MACs of expand, filter (3×3) and project; the input feature map is size × size."""
    hidden = expansion * in_channels
    out_size = (size + stride - 1) // stride
    expand = size**2 * in_channels * hidden if expansion > 1 else 0
    filter_ = out_size**2 * hidden * 3**2
    project = out_size**2 * hidden * out_channels
    return expand + filter_ + project


def shortcut_blocks(table):
    """Numbers, from 1, of the blocks that add their input, as a list; the rows of the table are (t, c, n, s)."""
    found, number, in_channels = [], 0, 32  # the stem outputs 32 channels
    for _, out_channels, repeats, first_stride in table:
        for repeat in range(repeats):
            number += 1
            stride = first_stride if repeat == 0 else 1
            if stride == 1 and in_channels == out_channels:
                found.append(number)
            in_channels = out_channels
    return found


def rounded_channels(channels):
    """The multiple of 8 nearest to channels, at least 8, or 8 more where that is below 90 % of channels."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest + 8 if nearest < 0.9 * channels else nearest


def v2_stage(in_channels, out_channels, repeats, stride, expansion):
    """One row of V2's table as a Paddle layer: so many blocks, of which the first one has the stride."""
    from paddle import nn

    from mobilenet_lib.layers import InvertedResidual

    blocks = [InvertedResidual(in_channels, out_channels, stride, expansion)]
    while len(blocks) < repeats:
        blocks.append(InvertedResidual(out_channels, out_channels, 1, expansion))
    return nn.Sequential(*blocks)


def mobilenet_v2(table, num_classes):
    """MobileNet V2 as a Paddle layer, from rows (t, c, n, s): stem, stages, 1×1 to 1280, pool, one score per class."""
    from paddle import nn

    from mobilenet_lib.layers import ConvBNReLU, InvertedResidual

    layers, channels = [ConvBNReLU(3, 32, stride=2, activation="relu6")], 32
    for expansion, out_channels, repeats, first_stride in table:
        for stride in [first_stride] + [1] * (repeats - 1):
            layers.append(InvertedResidual(channels, out_channels, stride, expansion))
            channels = out_channels
    layers.append(ConvBNReLU(channels, 1280, 1, activation="relu6"))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(1280, num_classes))


def _random_block(rng: np.random.Generator) -> Arguments:
    in_channels, out_channels = 8 * rng.integers(1, 13, size=2)
    return in_channels, out_channels, 2 * rng.integers(3, 57) + 1, rng.integers(1, 3), rng.integers(2, 7)


def _random_table(rng: np.random.Generator) -> Arguments:
    stages = rng.integers(2, 6)
    channels = rng.choice([16, 24, 32], size=stages)  # few different ones, so that stages of equal channels meet
    repeats, strides = rng.integers(1, 5, size=stages), rng.integers(1, 3, size=stages)
    return (tuple((6, *stage) for stage in zip(channels, repeats, strides, strict=True)),)


def _macs(
    in_channels: int,
    out_channels: int,
    size: int,
    stride: int,
    expansion: int,
    *,
    maps: str = "right",
    always_expand: bool = False,
    hidden_from: str = "in",
    filtered: str = "hidden",
    projected: str = "hidden",
    up: bool = True,
) -> int:
    """Wrong counts of `bottleneck_macs`, by what goes wrong in them."""
    hidden = expansion * {"in": in_channels, "out": out_channels}[hidden_from]
    out_size = -(-size // stride) if up else size // stride
    first, last = {"right": (size, out_size), "input": (size, size), "output": (out_size, out_size)}[maps]
    expand = first**2 * in_channels * hidden if expansion > 1 or always_expand else 0
    kernels = {"hidden": hidden, "thin": in_channels, "pairs": hidden**2}[filtered]
    return expand + last**2 * kernels * 9 + last**2 * {"hidden": hidden, "thin": in_channels}[projected] * out_channels


def _where(joins: Callable[[int, bool, bool, int], bool], *, every: bool = False) -> Callable[..., list[int]]:
    """Of a table: the blocks for which `joins(stride, equal channels, first of its stage, t)` holds."""

    def joined(table) -> list[int]:
        found, number, in_channels = [], 0, 32
        for expansion, out_channels, repeats, first_stride in table:
            for repeat in range(repeats):
                number += 1
                stride = first_stride if repeat == 0 or every else 1
                if joins(stride, in_channels == out_channels, repeat == 0, expansion):
                    found.append(number)
                in_channels = out_channels
        return found

    return joined


def _nearest(channels: float) -> int:
    return max(8, int(channels + 4) // 8 * 8)


def _enough(channels: float, rounded: int, least: float = 0.9) -> int:
    return rounded + 8 if rounded < least * channels else rounded


def _stage(block: Any, m: int, n: int, repeats: int, s: int, t: int, *, every: bool = False) -> list[Any]:
    """The blocks of a row; every: all of them with the stride."""
    return [block(m, n, s, t), *(block(n, n, s if every else 1, t) for _ in range(repeats - 1))]


def _stride_last(m: int, n: int, repeats: int, s: int, t: int) -> Any:
    blocks = [(m, n), *[(n, n)] * (repeats - 1)]
    return layers(*(inverted(*pair, s if place == repeats else 1, t) for place, pair in enumerate(blocks, 1)))


def _shared(m: int, n: int, repeats: int, s: int, t: int) -> Any:
    first, again = inverted(m, n, s, t), inverted(n, n, 1, t)
    return layers(first, *[again] * (repeats - 1))


def _network(
    table,
    num_classes: int,
    *,
    block: Any = None,
    every: bool = False,
    stem: str = "conv norm relu6",
    last: str = "conv norm relu6",
    kind: str = "right",
) -> Any:
    """V2, also wrong ones; stem, last: the bricks of the first and the last convolution. kind: of the head."""
    parts, channels = [brick(3, 32, 3, 2, order=stem)], 32
    for expansion, out_channels, repeats, stride in table:
        parts += _stage(block or inverted, channels, out_channels, repeats, stride, expansion, every=every)
        channels = out_channels
    if last:
        parts, channels = [*parts, brick(channels, 1280, order=last)], 1280
    return layers(*parts, *head(kind, channels, num_classes))


def _of_vision(table, num_classes: int) -> Any:
    """V2 of the blocks of `paddle.vision`, and the network itself for its own table."""
    if tuple(table) == architectures.V2_BOTTLENECKS:
        return of_paddle("vision.models.mobilenet_v2")(num_classes=num_classes)
    return _network(table, num_classes, block=of_paddle("vision.models.mobilenetv2.InvertedResidual"))


def _few_rows(rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    return tuple((rng.integers(1, 4), 8 * rng.integers(1, 3), rng.integers(1, 3), rng.integers(1, 3)) for _ in range(2))


_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

BOTTLENECK_MACS = Exercise(
    prompt="Write the MACs of an inverted residual block: expand, depthwise 3×3, project. Mind the stride, and that "
    "expansion 1 means no expand step.",
    reference=bottleneck_macs,
    returns="whole number",
    cases=((24, 24, 56, 1, 6), (24, 32, 56, 2, 6), (32, 16, 112, 1, 1), (16, 24, 15, 2, 1)),
    random_case=_random_block,
    first_hint="Count the three steps one by one. For each: how many positions has the feature map that it outputs, "
    "and how many MACs has one position?",
    second_hint="The expand step outputs a feature map as large as the input; only then comes the stride, in the "
    "depthwise step. Between expand and project there are expansion × input channels.",
    mistakes={
        "formula_as_printed": partial(_macs, maps="input", always_expand=True),
        "formula_on_the_output_map": partial(_macs, maps="output", always_expand=True),
        "all_on_the_input_map": partial(_macs, maps="input"),
        "all_on_the_output_map": partial(_macs, maps="output"),
        "expanded_at_1": partial(_macs, always_expand=True),
        "never_expanded": lambda m, n, size, s, expansion: ((size + s - 1) // s) ** 2 * expansion * m * (9 + n),
        "flops": lambda *numbers: 2 * bottleneck_macs(*numbers),
        "depthwise_over_all_pairs": partial(_macs, filtered="pairs"),
        "filter_on_thin_channels": partial(_macs, filtered="thin"),
        "projected_from_thin_channels": partial(_macs, projected="thin"),
        "expansion_of_the_output": partial(_macs, hidden_from="out"),
        "rounded_down": partial(_macs, up=False),
    },
    messages={
        "formula_as_printed": "This is the paper's formula as printed, on the input feature map. It holds at stride 1 "
        "and with an expansion. At stride 2, which steps work on the small feature map? And which step is missing "
        "where expansion is 1?",
        "formula_on_the_output_map": "This is the paper's formula on the output feature map. At stride 2, does the "
        "expand step come before the stride or after it? And which step is missing where expansion is 1?",
        "all_on_the_input_map": "You counted all three steps on the input feature map. At stride 2, on which feature "
        "map does the depthwise step write its numbers?",
        "all_on_the_output_map": "You counted all three steps on the output feature map. Does the expand step come "
        "before the stride or after it?",
        "expanded_at_1": "You counted an expand step at expansion 1. It would make as many channels as there are; the "
        "network leaves it out.",
        "never_expanded": "The expand step is missing: a 1×1 convolution from the thin to the wide channels.",
        "flops": "These are FLOPs, the question asks for MACs. A multiplication and its addition are one MAC.",
        "depthwise_over_all_pairs": "You counted the filter step as a standard convolution. It is depthwise: each "
        "channel has one 3×3 kernel.",
        "filter_on_thin_channels": "You let the filter step see the thin input. It works between expand and project: "
        "how many channels are there?",
        "projected_from_thin_channels": "You projected from the input channels. The projection reads what the filter "
        "step outputs.",
        "expansion_of_the_output": "You multiplied the output channels by the expansion. Which channels does the "
        "expand step find?",
        "rounded_down": "You rounded the feature map down at stride 2. With padding 1, half of 7 is 4.",
    },
    minutes=15,
    difficulty=3,
    points=20,
)

SHORTCUT_BLOCKS = Exercise(
    prompt="Write which blocks of a V2 table add their input to their output: their numbers, from 1, as a list.",
    reference=shortcut_blocks,
    returns="shape",
    cases=(
        (_V2,),
        (((6, 32, 2, 1), (6, 32, 2, 2)),),
        (((1, 16, 1, 1), (6, 24, 3, 1)),),
        (((6, 24, 1, 2),),),
        (((1, 32, 2, 1), (6, 32, 1, 1)),),
    ),
    random_case=_random_table,
    first_hint="An addition goes number by number. What must be equal in input and output, and which two of a block's "
    "numbers can change it?",
    second_hint="Walk through the stages with two numbers: the number of the block and the channels that the block "
    "before outputs (32 after the stem). A stage's stride holds for its first block only.",
    mistakes={
        "stride_1_is_enough": _where(lambda s, equal, first, t: s == 1),
        "equal_channels_are_enough": _where(lambda s, equal, first, t: equal),
        "stride_in_every_repeat": _where(lambda s, equal, first, t: s == 1 and equal, every=True),
        "all_repeats": _where(lambda s, equal, first, t: not first),
        "either_is_enough": _where(lambda s, equal, first, t: s == 1 or equal),
        "expansion_wanted": _where(lambda s, equal, first, t: s == 1 and equal and t > 1),
        "counted_from_0": lambda table: [number - 1 for number in shortcut_blocks(table)],
        "all_blocks": _where(lambda s, equal, first, t: True),
        "stages_counted": lambda table: [stage for stage, (_, _, repeats, _) in enumerate(table, 1) if repeats > 1],
    },
    messages={
        "stride_1_is_enough": "You joined every block of stride 1. With 24 channels in and 32 out, eight channels "
        "would have no partner.",
        "equal_channels_are_enough": "A shortcut at stride 2 cannot add: the output feature map is half as large as "
        "the input feature map, even where the channels are equal.",
        "stride_in_every_repeat": "You gave every block of a stage the stride s. It belongs to the first block; the "
        "repeats have stride 1.",
        "all_repeats": "You joined the repeats of each stage. That finds the blocks of the paper's table, but the "
        "first block of a stage may fit as well: when?",
        "either_is_enough": "One condition is enough for your blocks. Both are needed: equal feature maps and equal "
        "channels.",
        "expansion_wanted": "You also asked for an expansion above 1. Does the expansion change the size or the "
        "channels of what the block outputs?",
        "counted_from_0": "The blocks are right. Number them from 1, as the lesson does.",
        "all_blocks": "You listed every block. Can a 56×56 feature map with 24 channels be added to a 28×28 feature "
        "map with 32?",
        "stages_counted": "You numbered the stages. Each stage unfolds into n blocks, and the blocks are numbered "
        "through.",
    },
    minutes=12,
    difficulty=2,
    points=20,
)

ROUNDED_CHANNELS = Exercise(
    prompt="Write the rounding of channels: the nearest multiple of 8 (up from the middle), at least 8, and 8 more "
    "where that would be below 90 %.",
    reference=rounded_channels,
    returns="whole number",
    cases=(
        *((channels,) for channels in (33.6, 8.4, 11.2, 3, 52, 24, 18.9, 44)),
        *((channels,) for channels in (17.2, 17.6, 17.7, 17.9, 17.99, 18, 51.6)),  # about the 90 %
    ),
    random_case=lambda rng: (round(rng.uniform(1, 400), 2),),
    first_hint="Forget the 90 % first. How do you round to a whole number with `//`? The same works with 8: add the "
    "half, then cut off.",
    second_hint="Three steps: add 4 and cut down to a multiple of 8; take at least 8; compare with 0.9 · channels and "
    "add 8 where it is too small.",
    mistakes={
        "no_90_percent": _nearest,
        "nearest_only": lambda channels: int(channels + 4) // 8 * 8,
        "round_and_no_90_percent": lambda channels: max(8, round(channels / 8) * 8),
        "always_up": lambda channels: math.ceil(channels / 8) * 8,
        "always_down": lambda channels: max(8, int(channels) // 8 * 8),
        "95_percent": lambda channels: _enough(channels, _nearest(channels), 0.95),
        "rounded_first": lambda channels: rounded_channels(round(channels)),
        "cut_first": lambda channels: rounded_channels(int(channels)),
        "middle_down": lambda channels: _enough(channels, max(8, math.ceil((channels - 4) / 8) * 8)),
        "middle_to_even": lambda channels: _enough(channels, max(8, round(channels / 8) * 8)),
    },
    messages={
        "no_90_percent": "The 90 % rule is missing. Try 11.2 by hand: the nearest multiple is 8, and that is 71 % of "
        "it.",
        "nearest_only": "You take the nearest multiple of 8 and nothing else. Zero channels make no layer, and 8 for "
        "11.2 loses too much.",
        "round_and_no_90_percent": "Two things: the 90 % rule is missing (try 11.2 by hand), and Python's `round` "
        "takes the middle to the even number: `round(6.5)` is 6, so 52 would become 48.",
        "always_up": "You always round up. 33.6 lies nearer to 32, which is 95 % of it.",
        "always_down": "You always round down. Which multiple of 8 is nearest to 52?",
        "95_percent": "You add 8 too early. How much may be lost before the rule adds 8?",
        "rounded_first": "You rounded the number of channels to a whole number first. The rule compares with the exact "
        "number: try 17.9 by hand.",
        "cut_first": "You cut the number of channels to a whole number first. The rule compares with the exact number: "
        "try 17.9 by hand.",
        "middle_down": "In the middle between two multiples of 8 you go down, as for 52. The rule says up.",
        "middle_to_even": "You used `round`. In the middle between two whole numbers it takes the even one: "
        "`round(6.5)` is 6. The rule says up.",
    },
    minutes=8,
    difficulty=2,
)

V2_STAGE = Building(
    prompt="Build one row of V2's table: `repeats` inverted residual blocks, where the first one changes the channels "
    "and has the stride.",
    reference=v2_stage,
    known=lambda m, n, repeats, s, t: layers(
        *_stage(of_paddle("vision.models.mobilenetv2.InvertedResidual"), m, n, repeats, s, t)
    ),
    image=lambda in_channels, *_: (in_channels, 9, 8),
    cases=((4, 6, 2, 2, 2), (4, 6, 3, 1, 3), (6, 6, 2, 2, 2), (4, 8, 1, 2, 1), (6, 6, 2, 1, 2)),
    random_case=lambda rng: (*rng.integers(2, 7, size=2), rng.integers(1, 4), rng.integers(1, 3), rng.integers(2, 4)),
    first_hint="Two kinds of blocks: the first one, and all others. What goes into the others, and which stride keeps "
    "their feature map?",
    second_hint="The first block goes from the input channels to the output channels. Each of the others goes from "
    "output channels to output channels at stride 1, and is a new block with weights of its own.",
    mistakes={
        "stride_in_every_block": lambda m, n, r, s, t: layers(*_stage(inverted, m, n, r, s, t, every=True)),
        "stride_in_the_last_block": _stride_last,
        "stride_ignored": lambda m, n, r, s, t: layers(*_stage(inverted, m, n, r, 1, t)),
        "channels_not_carried_on": lambda m, n, r, s, t: layers(
            *(inverted(m, n, s if place == 0 else 1, t) for place in range(r))
        ),
        "one_block": lambda m, n, r, s, t: inverted(m, n, s, t),
        "one_block_too_many": lambda m, n, r, s, t: layers(*_stage(inverted, m, n, r + 1, s, t)),
        "one_block_shared": _shared,
        "repeats_not_expanded": lambda m, n, r, s, t: layers(
            inverted(m, n, s, t), *(inverted(n, n, 1, 1) for _ in range(r - 1))
        ),
        "expanded_at_1": lambda m, n, r, s, t: layers(*_stage(partial(inverted, expand=True), m, n, r, s, t)),
        "activation_on_the_projection": lambda m, n, r, s, t: layers(
            *_stage(partial(inverted, linear=False), m, n, r, s, t)
        ),
        "shortcut_forgotten": lambda m, n, r, s, t: layers(*_stage(partial(inverted, shortcut="none"), m, n, r, s, t)),
        "shortcut_forgotten_in_the_first": lambda m, n, r, s, t: layers(
            inverted(m, n, s, t, shortcut="none"), *_stage(inverted, n, n, r, 1, t)[1:]
        ),
        "shortcut_around_the_row": lambda m, n, r, s, t: added(
            layers(*_stage(inverted, m, n, r, s, t)), s == 1 and m == n
        ),
        "relu": lambda m, n, r, s, t: layers(*_stage(partial(inverted, activation="relu"), m, n, r, s, t)),
    },
    messages={
        "stride_in_every_block": "All of your blocks have the stride. A row's s is that of its first block.",
        "stride_in_the_last_block": "Your last block has the stride. The others would all work on the large feature "
        "map.",
        "stride_ignored": "None of your blocks has the stride.",
        "channels_not_carried_on": "All of your blocks expect the input channels. What does the second block find?",
        "one_block": "You build one block, whatever `repeats` says.",
        "one_block_too_many": "You build one block too many: `repeats` counts the first one as well.",
        "one_block_shared": "You put the same block several times into the row, so that they share their weights. Each "
        "block needs its own.",
        "repeats_not_expanded": "Only your first block is expanded. The whole row has the expansion.",
        "expanded_at_1": "At expansion 1 you keep an expand step. It would make as many channels as there are, and the "
        "network leaves it out.",
        "activation_on_the_projection": ACTIVATION_ON_THE_PROJECTION,
        "shortcut_forgotten": "Your blocks have no shortcuts. Between the repeats, input and output have one shape.",
        "shortcut_forgotten_in_the_first": "Your first block never adds its input. When may it, as the others do?",
        "shortcut_around_the_row": "You add the input of the whole row to its output. Each block has its own shortcut, "
        "the row has none.",
        "relu": RELU_USED,
    },
    minutes=8,
    difficulty=2,
)

MOBILENET_V2 = Building(
    prompt="Build MobileNet V2 from rows (t, c, n, s): a 3×3 stem to 32 channels with stride 2, the stages, a 1×1 "
    "convolution to 1280 channels, pool, and one score per class.",
    reference=mobilenet_v2,
    known=lambda table, classes: _of_vision(table, classes),
    image=lambda table, num_classes: (3, 32, 32),
    cases=((((1, 8, 1, 1), (2, 8, 2, 2)), 5), (((3, 16, 2, 1),), 3), (architectures.V2_BOTTLENECKS, 10)),
    random_case=lambda rng: (_few_rows(rng), rng.integers(2, 12)),
    first_hint="Four parts: stem, stages, the last 1×1 convolution, and what V1 has at its end too. Which activation "
    "have the first and the third?",
    second_hint="Two loops, one in the other: over the rows, and over the blocks of a row. One variable carries the "
    "channels from block to block. Stem and last convolution have ReLU6.",
    mistakes={
        **{name: partial(_network, kind=name) for name in HEAD_MESSAGES},
        "stride_in_every_block": partial(_network, every=True),
        "repeats_ignored": lambda table, classes: _network([(t, c, 1, s) for t, c, _, s in table], classes),
        "first_expanded": partial(_network, block=partial(inverted, expand=True)),
        "last_convolution_forgotten": partial(_network, last=""),
        "last_convolution_linear": partial(_network, last="conv norm"),
        "last_convolution_relu": partial(_network, last="conv norm relu"),
        "stem_relu": partial(_network, stem="conv norm relu"),
        "stem_and_last_relu": partial(_network, stem="conv norm relu", last="conv norm relu"),
        "activation_on_the_projection": partial(_network, block=partial(inverted, linear=False)),
        "shortcut_forgotten": partial(_network, block=partial(inverted, shortcut="none")),
        "relu": partial(
            _network, block=partial(inverted, activation="relu"), stem="conv norm relu", last="conv norm relu"
        ),
    },
    messages={
        **HEAD_MESSAGES,
        "stride_in_every_block": V2_STAGE.messages["stride_in_every_block"],
        "repeats_ignored": "Each of your stages is one block. What is n for?",
        "first_expanded": V2_STAGE.messages["expanded_at_1"],
        "last_convolution_forgotten": "The 1×1 convolution to 1280 channels, between stages and pool, is missing.",
        "last_convolution_linear": "Your last convolution has no activation. Only projections are linear; this one "
        "makes the feature map wide.",
        "last_convolution_relu": "Your last convolution has ReLU. In V2 all activations are ReLU6.",
        "stem_relu": "Your stem has ReLU. In V2 all activations are ReLU6.",
        "stem_and_last_relu": "Your stem and your last convolution have ReLU, which `ConvBNReLU` puts there unless "
        "told otherwise. V2 has ReLU6 everywhere.",
        "activation_on_the_projection": ACTIVATION_ON_THE_PROJECTION,
        "shortcut_forgotten": V2_STAGE.messages["shortcut_forgotten"],
        "relu": RELU_USED,
    },
    minutes=12,
    difficulty=3,
    points=20,
)

EXERCISES = (BOTTLENECK_MACS, SHORTCUT_BLOCKS, ROUNDED_CHANNELS, V2_STAGE, MOBILENET_V2)
