"""Exercises of lesson 03: the block in Paddle, and ReLU6."""

from __future__ import annotations

from functools import partial

import numpy as np

from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._wrong_layers import (
    BIAS_KEPT,
    GROUPS_FORGOTTEN,
    PADDING_FORGOTTEN,
    PADDING_SAME,
    RELU6_USED,
    STRIDE_FORGOTTEN,
    added,
    brick,
    layers,
    of_paddle,
    pair,
)


def relu6(value):
    """ReLU6 of one number: zero below 0, the number itself up to 6, and 6 above."""
    if value < 0:
        return 0
    return 6 if value > 6 else value


def conv_bn_relu(in_channels, out_channels, kernel_size, stride, groups):
    """A Paddle layer: convolution without bias, batch norm, ReLU; at stride 1 the feature map keeps its size."""
    from paddle import nn

    padding = kernel_size // 2
    return nn.Sequential(
        nn.Conv2D(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias_attr=False),
        nn.BatchNorm2D(out_channels),
        nn.ReLU(),
    )


def separable_block(in_channels, out_channels, stride):
    """V1's block as a Paddle layer: depthwise 3×3 with the stride, batch norm, ReLU; pointwise, batch norm, ReLU."""
    from paddle import nn

    from mobilenet_lib.layers import ConvBNReLU

    depthwise = ConvBNReLU(in_channels, in_channels, 3, stride, groups=in_channels)
    pointwise = ConvBNReLU(in_channels, out_channels, 1)
    return nn.Sequential(depthwise, pointwise)


def _random_brick(rng: np.random.Generator) -> Arguments:
    groups, kernel_size = rng.integers(1, 4), 2 * rng.integers(0, 3) + 1
    return *(groups * rng.integers(1, 4, size=2)), kernel_size, rng.integers(1, 3), groups


RELU6 = Exercise(
    prompt="Write ReLU6 for one number.",
    reference=relu6,
    returns="number",
    cases=((-1.5,), (0,), (3.5,), (6,), (7.2,), (100,), (-30,)),
    random_case=lambda rng: (round(rng.normal(scale=6), 2),),
    first_hint="There are three cases: below zero, from 0 to 6, above 6. What comes out in each?",
    second_hint="Two comparisons do it, one with the floor and one with the ceiling. Python's max and min do it as "
    "well: which of them sets a floor?",
    mistakes={
        "no_ceiling": lambda value: max(value, 0),
        "no_floor": lambda value: min(value, 6),
        "zero_above_six": lambda value: value if 0 <= value <= 6 else 0,
        "floor_at_minus_six": lambda value: min(max(value, -6), 6),
        "ceiling_at_one": lambda value: min(max(value, 0), 6) / 6,
        "min_and_max_swapped": lambda value: max(min(value, 0), 6),
    },
    messages={
        "no_ceiling": "This is ReLU: it grows without end. What does the 6 in the name do?",
        "no_floor": "Your function has a ceiling and no floor. What happens to numbers below zero?",
        "zero_above_six": "Your function returns 0 for everything above 6. A large input should stay large: it is held "
        "at the ceiling.",
        "floor_at_minus_six": "You cut off at −6 and at 6. A ReLU has its floor at zero.",
        "ceiling_at_one": "You divided by 6. The numbers from 0 to 6 stay as they are.",
        "min_and_max_swapped": "Your function always returns 6: min and max are swapped. Which of the two sets a "
        "floor?",
    },
    minutes=4,
    difficulty=1,
)

CONV_BN_RELU = Building(
    prompt="Build the brick of which MobileNet consists: convolution, batch norm, ReLU, for any kernel size, stride "
    "and number of groups.",
    reference=conv_bn_relu,
    known=lambda m, n, k, s, groups: of_paddle("vision.ops.ConvNormActivation")(m, n, k, s, groups=groups),
    image=lambda in_channels, *_: (in_channels, 9, 8),
    cases=((3, 8, 3, 2, 1), (6, 6, 3, 1, 6), (6, 10, 1, 1, 1), (4, 4, 5, 2, 4)),
    random_case=_random_brick,
    first_hint="`standard_block` above is such a brick for 3×3 kernels. Which of its numbers must become arguments, "
    "and which one follows from the kernel size?",
    second_hint="The padding is half the kernel, cut to a whole number: 1 for 3×3, 0 for 1×1. The batch norm counts "
    "the channels that the convolution outputs.",
    mistakes={
        "bias_kept": partial(brick, bias=True),
        "padding_forgotten": partial(brick, padding=0),
        "padding_always_1": partial(brick, padding=1),
        "padding_same": partial(brick, padding="SAME"),
        "standard_block": lambda m, n, k, s, groups: brick(m, n, 3, s),
        "groups_forgotten": lambda m, n, k, s, groups: brick(m, n, k, s),
        "stride_forgotten": lambda m, n, k, s, groups: brick(m, n, k, 1, groups),
        "norm_first": partial(brick, order="norm conv relu"),
        "norm_last": partial(brick, order="conv relu norm"),
        "norm_forgotten": partial(brick, order="conv relu"),
        "activation_forgotten": partial(brick, order="conv norm"),
        "relu6": partial(brick, order="conv norm relu6"),
    },
    messages={
        "bias_kept": BIAS_KEPT,
        "padding_forgotten": PADDING_FORGOTTEN,
        "padding_always_1": "A padding of 1 keeps the size for a 3×3 kernel only. Which padding does it for 1×1, and "
        "for 5×5?",
        "padding_same": PADDING_SAME,
        "standard_block": "Your brick is `standard_block` as it stands above: always 3×3, and never depthwise. What "
        "are `kernel_size` and `groups` for?",
        "groups_forgotten": "Your convolution ignores `groups`, so that it is never depthwise.",
        "stride_forgotten": STRIDE_FORGOTTEN,
        "norm_first": "Your batch norm stands before the convolution. It normalises what the convolution outputs.",
        "norm_last": "Your batch norm stands behind the ReLU. The ReLU comes last, so that it cuts off what is below "
        "zero after normalising.",
        "norm_forgotten": "The batch norm is missing.",
        "activation_forgotten": "The ReLU is missing. Without it, a row of such bricks is one large linear function.",
        "relu6": RELU6_USED,
    },
    minutes=8,
    difficulty=1,
)

SEPARABLE_BLOCK = Building(
    prompt="Build V1's block: depthwise 3×3, batch norm, ReLU, then pointwise 1×1, batch norm, ReLU.",
    reference=separable_block,
    known=lambda m, n, s: of_paddle("vision.models.mobilenetv1.DepthwiseSeparable")(m, m, n, m, s, 1.0),
    image=lambda in_channels, *_: (in_channels, 9, 8),
    cases=((4, 8, 1), (6, 6, 2), (8, 4, 2), (6, 6, 1)),
    random_case=lambda rng: (*rng.integers(2, 9, size=2), rng.integers(1, 3)),
    first_hint="Two of the bricks of the exercise before. Which channels, which kernel, how many groups has each, and "
    "to which of them does the stride belong?",
    second_hint="The depthwise brick goes from the input channels to as many, and takes the stride, because it is the "
    "one that filters spatially. The pointwise brick goes on to the output channels, at stride 1.",
    mistakes={
        "groups_forgotten": lambda m, n, s: pair(m, n, s, groups=1),
        "stride_forgotten": lambda m, n, s: pair(m, n, 1),
        "stride_in_the_pointwise": lambda m, n, s: pair(m, n, 1, last_stride=s),
        "stride_in_both": lambda m, n, s: pair(m, n, s, last_stride=s),
        "bias_kept": partial(pair, bias=True),
        "padding_forgotten": partial(pair, padding=0),
        "padding_same": partial(pair, padding="SAME"),
        "shortcut_added": lambda m, n, s: added(pair(m, n, s), s == 1 and m == n),
        "nothing_between": partial(pair, first="conv"),
        "norm_forgotten_between": partial(pair, first="conv relu"),
        "relu_forgotten_between": partial(pair, first="conv norm"),
        "relu_forgotten_at_the_end": partial(pair, last="conv norm"),
        "norm_before_each": partial(pair, first="norm conv relu", last="norm conv relu"),
        "pointwise_first": lambda m, n, s: layers(brick(m, n), brick(n, n, 3, s, n)),
        "relu6": partial(pair, first="conv norm relu6", last="conv norm relu6"),
    },
    messages={
        "groups_forgotten": GROUPS_FORGOTTEN,
        "stride_forgotten": STRIDE_FORGOTTEN,
        "stride_in_the_pointwise": "Your stride is in the pointwise part: it skips three of four positions that the "
        "depthwise part has computed. Which part filters spatially, and can skip positions before it computes them?",
        "stride_in_both": "Both of your parts have the stride, so the feature map is quartered.",
        "bias_kept": BIAS_KEPT,
        "padding_forgotten": PADDING_FORGOTTEN,
        "padding_same": PADDING_SAME,
        "shortcut_added": "Where the channels stay, you add the input, as ResNet does. V1's block has no shortcut.",
        "nothing_between": "Nothing stands between your two convolutions. In V1 each of them has its batch norm and "
        "its ReLU.",
        "norm_forgotten_between": "The batch norm behind the depthwise convolution is missing.",
        "relu_forgotten_between": "The ReLU behind the depthwise convolution is missing.",
        "relu_forgotten_at_the_end": "The ReLU behind the pointwise convolution is missing. (V2 leaves it out, with a "
        "reason that comes in lesson 05. V1 has it.)",
        "norm_before_each": "Your batch norms stand before the convolutions. They normalise what these output.",
        "pointwise_first": "You mix the channels first and filter spatially afterwards. V1 does it the other way "
        "round.",
        "relu6": RELU6_USED,
    },
    minutes=8,
    difficulty=2,
)

EXERCISES = (RELU6, CONV_BN_RELU, SEPARABLE_BLOCK)
