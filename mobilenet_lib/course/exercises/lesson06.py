"""Exercises of lesson 06: the MACs of an inverted residual block, the shortcut rule, and the rounding of channels."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


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


_V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))

BOTTLENECK_MACS = Exercise(
    prompt="Write the MACs of an inverted residual block: expand, depthwise 3×3, project. Mind the stride, and that "
    "expansion 1 means no expand step.",
    reference=bottleneck_macs,
    returns="whole number",
    cases=((24, 24, 56, 1, 6), (24, 32, 56, 2, 6), (32, 16, 112, 1, 1), (16, 24, 15, 2, 4)),
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
    points=20,
)

ROUNDED_CHANNELS = Exercise(
    prompt="Write the rounding of channels: the nearest multiple of 8 (up from the middle), at least 8, and 8 more "
    "where that would be below 90 %.",
    reference=rounded_channels,
    returns="whole number",
    cases=((33.6,), (8.4,), (11.2,), (3,), (52,), (24,), (18.9,), (44,), (17.2,), (17.9,), (51.6,)),
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
)

EXERCISES = (BOTTLENECK_MACS, SHORTCUT_BLOCKS, ROUNDED_CHANNELS)
