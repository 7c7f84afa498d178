"""Exercises of lesson 03: the block in Paddle, ReLU6, fixed-point rounding, and folding a batch norm."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._wrong_layers import (
    BIAS_KEPT,
    GROUPS_FORGOTTEN,
    PADDING_FORGOTTEN,
    RELU6_USED,
    STRIDE_FORGOTTEN,
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


def quantise(value, bits, largest):
    """The nearest of 2^bits evenly spaced levels from 0 to largest; outside, the nearer end."""
    top = 2**bits - 1
    step = largest / top
    return min(max(round(value / step), 0), top) * step


def folded_weight(weight, variance, scale, epsilon):
    """The weights [out, in, k, k] with the batch norm behind them (variance, scale: [out]) folded in."""
    factor = scale / np.sqrt(variance + epsilon)  # [out]
    return weight * factor[:, None, None, None]


def folded_bias(mean, variance, scale, shift, epsilon):
    """The bias [out] that a convolution without bias gets when the batch norm behind it is folded in."""
    return shift - mean * scale / np.sqrt(variance + epsilon)


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


def _random_rounding(rng: np.random.Generator) -> Arguments:
    bits, largest = rng.integers(2, 9), float(rng.integers(3, 25))
    return round(rng.uniform(0, 1.1 * largest), 3), bits, largest


def _level(value, step, lowest=-math.inf, highest=math.inf, rounded=round):
    """Wrong roundings of `quantise`, by their steps and ends."""
    return min(max(rounded(value / step), lowest), highest) * step


def _norm(channels: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """mean, variance, scale and shift of a batch norm."""
    mean, variance = rng.normal(size=channels), rng.uniform(0.2, 3, size=channels)
    return mean, variance, rng.uniform(0.5, 2, size=channels), rng.normal(size=channels)


def _weight_case(shape: tuple[int, ...], epsilon: float, rng: np.random.Generator) -> Arguments:
    _, variance, scale, _ = _norm(shape[0], rng)
    return rng.normal(size=shape), variance, scale, epsilon


def _scaled(weight: np.ndarray, factor: np.ndarray) -> np.ndarray:
    return weight * factor[:, None, None, None]


def _random_weight(rng: np.random.Generator) -> Arguments:
    channels, size = rng.integers(2, 6), rng.choice((1, 3, 5))
    # As many inputs as outputs, or one: then scaling the wrong axis gives wrong numbers and no error from numpy.
    inputs = rng.choice((1, channels))
    return _weight_case((channels, inputs, size, size), rng.uniform(0.1, 1), rng)


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

QUANTISE = Exercise(
    prompt="Write what is left of a number that is stored with few bits, for a range from 0 to `largest`.",
    reference=quantise,
    returns="number",
    cases=(
        (1.37, 4, 6.0),
        (1.37, 4, 24.0),
        (7.5, 3, 6.0),
        (-2.4, 4, 6.0),
        (0.0, 2, 6.0),
        (5.03, 2, 6.0),
        (11.8, 8, 12.0),
    ),
    random_case=_random_rounding,
    first_hint="Three steps: divide by the distance between two levels, take the nearest whole number, multiply again. "
    "And mind what lies outside the range.",
    second_hint="2 levels have 1 gap between them, 4 levels have 3. The whole number must lie from 0 to the number of "
    "gaps before you multiply.",
    mistakes={
        "gaps_are_levels": lambda value, bits, largest: _level(value, largest / 2**bits, 0, 2**bits - 1),
        "one_level_too_many": lambda value, bits, largest: _level(value, largest / 2**bits, 0, 2**bits),
        "rounded_down": lambda value, bits, largest: _level(value, largest / (2**bits - 1), 0, 2**bits - 1, math.floor),
        "not_scaled_back": lambda value, bits, largest: quantise(value, bits, largest) / (largest / (2**bits - 1)),
        "not_clipped": lambda value, bits, largest: _level(value, largest / (2**bits - 1)),
        "clipped_above_only": lambda value, bits, largest: _level(value, largest / (2**bits - 1), highest=2**bits - 1),
        "bits_are_levels": lambda value, bits, largest: _level(value, largest / (bits - 1), 0, bits - 1),
        "bits_are_decimals": lambda value, bits, largest: round(min(max(value, 0), largest), bits),
    },
    messages={
        "gaps_are_levels": "Your levels stop short of the end of the range: you divided it by the number of levels. "
        "How many gaps lie between them?",
        "one_level_too_many": "You use one level too many. With `bits` bits there are 2^bits whole numbers, and the "
        "first of them is 0.",
        "rounded_down": "You round down. The nearest level may lie above.",
        "not_scaled_back": "This is the whole number that is stored. Which number does it stand for?",
        "not_clipped": "Numbers outside the range come out of your function. There is no level for them: they go to "
        "the nearer end.",
        "clipped_above_only": "A number below zero comes out as one below zero. The lowest level is 0.",
        "bits_are_levels": "You made as many levels as there are bits. Each bit doubles the number of levels.",
        "bits_are_decimals": "You rounded to that many decimals. Bits count levels between 0 and `largest`, and have "
        "nothing to do with decimals.",
    },
    minutes=10,
    difficulty=2,
    points=20,
)

FOLDED_WEIGHT = Exercise(
    prompt="Write the weights that one convolution needs to do the work of a convolution and the batch norm behind it.",
    reference=folded_weight,
    returns="array",
    cases=tuple(
        _weight_case(shape, epsilon, np.random.default_rng(seed))
        for seed, (*shape, epsilon) in enumerate(
            ((1, 1, 1, 1, 0.1), (3, 3, 3, 3, 0.5), (4, 1, 3, 3, 0.2), (2, 2, 1, 1, 1.0))
        )
    ),
    random_case=_random_weight,
    first_hint="The batch norm divides each channel by a root, in which epsilon stands too, and multiplies it by its "
    "scale: one factor for each output channel. Where does that factor go?",
    second_hint="The factors have the shape [out], the weights [out, in, k, k]. Give the factors three more axes of "
    "length 1 (reshape, or None in an index), so that numpy lays one factor over all weights of an output channel.",
    mistakes={
        "epsilon_forgotten": lambda weight, var, scale, eps: _scaled(weight, scale / np.sqrt(var)),
        "divided_by_variance": lambda weight, var, scale, eps: _scaled(weight, scale / (var + eps)),
        "epsilon_outside_the_root": lambda weight, var, scale, eps: _scaled(weight, scale / (np.sqrt(var) + eps)),
        "multiplied_by_the_root": lambda weight, var, scale, eps: _scaled(weight, scale * np.sqrt(var + eps)),
        "scale_forgotten": lambda weight, var, scale, eps: _scaled(weight, 1 / np.sqrt(var + eps)),
        "root_forgotten": lambda weight, var, scale, eps: _scaled(weight, scale),
        "inputs_scaled": lambda weight, var, scale, eps: weight * (scale / np.sqrt(var + eps))[None, :, None, None],
    },
    messages={
        "epsilon_forgotten": "You left epsilon out. It is small in practice, but a dead channel has a variance near "
        "zero, and then it decides.",
        "divided_by_variance": "You divided by the variance. A batch norm divides by the standard deviation.",
        "epsilon_outside_the_root": "You added epsilon to the root. It is added to the variance, before the root is "
        "taken.",
        "multiplied_by_the_root": "You multiplied by the standard deviation. A channel that varies much must become "
        "smaller.",
        "scale_forgotten": "You normalised and left out the scale that the batch norm has learned.",
        "root_forgotten": "You multiplied by the scale and left out the division by the standard deviation.",
        "inputs_scaled": "You scaled the input channels. The batch norm stands behind the convolution: it sees the "
        "output channels, which are the first axis.",
    },
    minutes=10,
    difficulty=3,
    points=20,
)

FOLDED_BIAS = Exercise(
    prompt="Write the bias that goes with the folded weights.",
    reference=folded_bias,
    returns="array",
    cases=tuple(
        (*_norm(channels, np.random.default_rng(seed)), epsilon)
        for seed, (channels, epsilon) in enumerate(((1, 0.1), (3, 0.5), (8, 1.0)))
    ),
    random_case=lambda rng: (*_norm(rng.integers(2, 9), rng), rng.uniform(0.1, 1)),
    first_hint="What comes out of the batch norm where the convolution gives 0?",
    second_hint="With y = scale · (x − mean) / root + shift, put x = 0.",
    mistakes={
        "mean_forgotten": lambda mean, var, scale, shift, eps: shift + 0 * mean,
        "mean_not_scaled": lambda mean, var, scale, shift, eps: shift - mean,
        "mean_added": lambda mean, var, scale, shift, eps: shift + mean * scale / np.sqrt(var + eps),
        "shift_scaled_too": lambda mean, var, scale, shift, eps: (shift - mean) * scale / np.sqrt(var + eps),
        "shift_forgotten": lambda mean, var, scale, shift, eps: -mean * scale / np.sqrt(var + eps),
        "epsilon_forgotten": lambda mean, var, scale, shift, eps: shift - mean * scale / np.sqrt(var),
        "divided_by_variance": lambda mean, var, scale, shift, eps: shift - mean * scale / (var + eps),
        "scale_forgotten": lambda mean, var, scale, shift, eps: shift - mean / np.sqrt(var + eps),
    },
    messages={
        "mean_forgotten": "You kept the shift and lost the mean, which the batch norm subtracts first.",
        "mean_not_scaled": "You subtracted the mean as it is. The batch norm subtracts it first and then scales "
        "everything.",
        "mean_added": "You added the mean. The batch norm subtracts it.",
        "shift_scaled_too": "You scaled the shift as well. It is added last, after the scaling.",
        "shift_forgotten": "The mean is in your bias, the shift is not.",
        "epsilon_forgotten": "You left epsilon out. Weights and bias need the same factor.",
        "divided_by_variance": "You divided by the variance. A batch norm divides by the standard deviation.",
        "scale_forgotten": "You left the learned scale out. Weights and bias need the same factor.",
    },
    minutes=6,
    difficulty=2,
)

CONV_BN_RELU = Building(
    prompt="Build the brick of which MobileNet consists: convolution, batch norm, ReLU, for any kernel size, stride "
    "and number of groups.",
    reference=conv_bn_relu,
    known=lambda m, n, k, s, groups: of_paddle("vision.ops.ConvNormActivation")(m, n, k, s, groups=groups),
    image=lambda in_channels, *_: (in_channels, 9, 9),
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
    image=lambda in_channels, *_: (in_channels, 9, 9),
    cases=((4, 8, 1), (6, 6, 2), (8, 4, 2)),
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

EXERCISES = (RELU6, QUANTISE, FOLDED_WEIGHT, FOLDED_BIAS, CONV_BN_RELU, SEPARABLE_BLOCK)
