"""Exercises of lesson 05: what ReLU loses and how to read the rest back, V2's block, and the memory that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from mobilenet_lib.course.exercises._building import Building
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise
from mobilenet_lib.course.exercises._wrong_layers import (
    ACTIVATION_ON_THE_PROJECTION,
    BIAS_KEPT,
    GROUPS_FORGOTTEN,
    PADDING_FORGOTTEN,
    PADDING_SAME,
    RELU_USED,
    STRIDE_FORGOTTEN,
    added,
    bottleneck,
    brick,
    layers,
    of_paddle,
)


def solved_point(matrix, activated):
    """The point [2] exactly, from activated = ReLU(matrix @ point), of which two or more channels are active."""
    active = activated > 0
    return np.linalg.pinv(matrix[active]) @ activated[active]


def fraction_lost(channels):
    """How often fewer than two of the channels are active; each is on or off with equal chance."""
    return (channels + 1) / 2**channels


def best_scale(original, recovered):
    """The number s for which s · recovered is nearest to original; both are [points, 2]."""
    return (original * recovered).sum() / (recovered**2).sum()


def peak_memory(channels, size):
    """The largest activation memory; channels lists the block's feature maps from input to output, each size × size."""
    most = channels[0] + channels[1]
    for layer in range(1, len(channels) - 1):
        most = max(most, channels[0] + channels[layer] + channels[layer + 1])
    return most * size**2


def linear_bottleneck(in_channels, out_channels, stride, expansion):
    """A Paddle layer: expand 1×1, ReLU6; filter depthwise 3×3 with the stride, ReLU6; project 1×1; each with norm."""
    from paddle import nn

    from mobilenet_lib.layers import ConvBNReLU

    hidden = expansion * in_channels
    return nn.Sequential(
        ConvBNReLU(in_channels, hidden, 1, activation="relu6"),
        ConvBNReLU(hidden, hidden, 3, stride, groups=hidden, activation="relu6"),
        ConvBNReLU(hidden, out_channels, 1, activation="none"),
    )


def inverted_residual(in_channels, out_channels, stride, expansion):
    """V2's block as a Paddle layer: a linear bottleneck, plus its input where stride and channels allow it."""
    from paddle import nn

    from mobilenet_lib.layers import ConvBNReLU

    class Block(nn.Layer):
        def __init__(self):
            super().__init__()
            hidden = expansion * in_channels
            self.bottleneck = nn.Sequential(
                ConvBNReLU(in_channels, hidden, 1, activation="relu6"),
                ConvBNReLU(hidden, hidden, 3, stride, groups=hidden, activation="relu6"),
                ConvBNReLU(hidden, out_channels, 1, activation="none"),
            )

        def forward(self, x):
            out = self.bottleneck(x)
            return x + out if stride == 1 and in_channels == out_channels else out

    return Block()


def _embedded(matrix: np.ndarray, point: np.ndarray) -> Arguments:
    return matrix, np.maximum(matrix @ point, 0)


def _random_embedded(rng: np.random.Generator) -> Arguments:
    while True:
        matrix = rng.normal(size=(rng.integers(3, 9), 2))
        case = _embedded(matrix, rng.normal(size=2))
        # Nearly parallel rows would make the right answer a matter of the last digits.
        active = matrix[case[1] > 0]
        if len(active) >= 2 and np.linalg.cond(active) < 20:
            return case


def _random_points(rng: np.random.Generator) -> Arguments:
    original = rng.normal(size=(rng.integers(3, 9), 2))
    return original, rng.uniform(0.2, 0.9) * original + 0.2 * rng.normal(size=original.shape)


def _random_maps(rng: np.random.Generator) -> Arguments:
    end, inside, behind = 8 * rng.integers(1, 50, size=3)
    return [end, inside, behind, end], rng.integers(5, 60)


def _peak(channels: Sequence[int], size: int, *, kept_from: int = 1, released: int = 0, power: int = 2) -> int:
    """Wrong peaks, by the layer from which the input is kept and by how many layers too early it is let go."""
    layers = len(channels) - 1
    kept = [kept_from <= layer < layers - released for layer in range(layers)]
    most = max(channels[layer] + channels[layer + 1] + kept[layer] * channels[0] for layer in range(layers))
    return most * size**power


def _random_block(rng: np.random.Generator) -> Arguments:
    return *rng.integers(2, 7, size=2), rng.integers(1, 3), rng.integers(2, 5)


def _with_shortcut(steps: Any, m: int, n: int, s: int, t: int) -> Any:
    return added(steps(m, n, s, t), s == 1 and m == n)


def _projected(m: int, n: int, s: int, t: int) -> Any:
    """The article's shortcut: through a 1×1 convolution where the channels differ."""
    if s == 2 or m == n:
        return _with_shortcut(bottleneck, m, n, s, t)
    block, way = bottleneck(m, n, s, t), brick(m, n, order="conv norm")
    return layers(block, way, forward=lambda x: way(x) + block(x))


# Mistakes inside the three steps, with the shortcut as without.
_IN_BOTH = ("activation_on_the_projection", "relu", "groups_forgotten", "stride_in_the_expansion")
_IN_BOTH += ("expansion_of_the_output", "norm_forgotten_at_the_end", "bias_kept", "padding_forgotten")
_IN_BOTH += ("padding_same", "relu_on_the_projection", "relu_everywhere")


SOLVED_POINT = Exercise(
    prompt="Write the exact way back: from what ReLU left of the channels, and the matrix that made them, to the "
    "point.",
    reference=solved_point,
    returns="array",
    cases=(
        _embedded(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]), np.array([1.0, -2.0])),
        _embedded(np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([2.0, 1.0])),
        _embedded(np.array([[-1.0, 1.0], [2.0, 1.0], [1.0, -3.0], [0.5, 1.0]]), np.array([1.0, 2.0])),
        # At first two channels that are off: the first two rows say nothing.
        _embedded(np.array([[-1.0, 0.0], [-2.0, 1.0], [1.0, 1.0], [2.0, -1.0]]), np.array([3.0, 1.0])),
    ),
    random_case=_random_embedded,
    first_hint="An active channel says exactly what its weighted sum was. What does a channel say that is zero?",
    second_hint="Keep the rows of the matrix, and the numbers, of the active channels only; a comparison with zero "
    "makes a mask. What is left is a system of equations without any ReLU, and the pseudo-inverse of the rows that are "
    "left solves it.",
    mistakes={
        "zeros_taken_as_measured": lambda matrix, activated: np.linalg.pinv(matrix) @ activated,
        "doubled": lambda matrix, activated: 2 * np.linalg.pinv(matrix) @ activated,
        "first_two_rows": lambda matrix, activated: np.linalg.pinv(matrix[:2]) @ activated[:2],
        "silent_channels": lambda matrix, activated: np.linalg.pinv(matrix[activated == 0]) @ activated[activated == 0],
        "transposed": lambda matrix, activated: matrix.T @ activated,
    },
    messages={
        "zeros_taken_as_measured": "You used all channels. A zero says only that the sum was not positive; taken as an "
        "equation, it says that the sum was exactly zero, which is wrong.",
        "doubled": "You read all channels back and doubled the result. That is right on average over many matrices, "
        "not for this point.",
        "first_two_rows": "You solved with the first two channels. Are they the ones that are active?",
        "silent_channels": "You solved with the channels that are zero. Those are the ones that tell you least.",
        "transposed": "You multiplied by the transposed matrix. That undoes a rotation, but not any other matrix.",
    },
    minutes=12,
    difficulty=3,
    points=20,
)

FRACTION_LOST = Exercise(
    prompt="Write how often fewer than two of n channels are active, as a number between 0 and 1.",
    reference=fraction_lost,
    returns="number",
    cases=((2,), (3,), (5,), (10,)),
    random_case=lambda rng: (rng.integers(4, 14),),  # few enough to count all patterns one by one
    first_hint="Count patterns of on and off, as in the list for three channels. How many are there with n channels, "
    "and how many of them have no channel on, or exactly one?",
    second_hint="There are two possibilities for each channel, so the number of patterns doubles with each. One "
    "pattern has all off. For exactly one on, you can choose which channel it is.",
    mistakes={
        "zeroed_only": lambda channels: 1 / 2**channels,
        "exactly_one": lambda channels: channels / 2**channels,
        "one_pattern_with_one": lambda channels: 2 / 2**channels,
        "any_channel_off": lambda channels: 1 - 1 / 2**channels,
        "at_most_two": lambda channels: (1 + channels + channels * (channels - 1) / 2) / 2**channels,
        "fraction_kept": lambda channels: 1 - (channels + 1) / 2**channels,
        "patterns_counted_as_2n": lambda channels: (channels + 1) / (2 * channels),
        "percent": lambda channels: 100 * (channels + 1) / 2**channels,
    },
    messages={
        "zeroed_only": "You counted the one pattern in which all channels are off. With a single active channel, is "
        "one equation enough for two numbers?",
        "exactly_one": "You counted the patterns with exactly one active channel. Is a point with none of them saved?",
        "one_pattern_with_one": "You counted one pattern with a single active channel. Any of the channels can be that "
        "one.",
        "any_channel_off": "This is how often at least one channel is off. A point survives that, as long as two "
        "others are on.",
        "at_most_two": "You counted the patterns with exactly two active channels as well. Two equations are enough "
        "for two numbers.",
        "fraction_kept": "This is the fraction of points that can be computed. The question asks for the others.",
        "patterns_counted_as_2n": "You took two patterns for each channel and added them. Each further channel doubles "
        "the number of patterns.",
        "percent": "This is in per cent. The question asks for a number between 0 and 1.",
    },
    minutes=8,
    difficulty=2,
)

BEST_SCALE = Exercise(
    prompt="Write the one number by which all recovered points are multiplied so that the sum of the squared distances "
    "to the original points is smallest; six digits of it are enough.",
    reference=best_scale,
    returns="number",
    cases=(
        (np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[0.5, 1.0], [1.5, -0.5]])),
        (np.array([[2.0, 0.5], [0.2, 1.0], [-1.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 0.5], [-0.2, 0.8]])),
        (np.array([[3.0, 4.0]]), np.array([[4.0, 2.0]])),
    ),
    random_case=_random_points,
    first_hint="Write the sum of squared distances with s in it and multiply it out. It is a parabola in s: where is "
    "its lowest point?",
    second_hint="The derivative by s has two terms: one with the products of original and recovered numbers, one with "
    "s and the squares of the recovered ones. Set it to zero and solve for s.",
    mistakes={
        "ratio_of_sizes": lambda true, found: np.linalg.norm(true) / np.linalg.norm(found),
        "ratio_of_sums": lambda true, found: true.sum() / found.sum(),
        "divided_by_the_original": lambda true, found: best_scale(found, true),
        "inverted": lambda true, found: 1 / best_scale(true, found),
        "mean_of_ratios": lambda true, found: (true / found).mean(),
        "always_two": lambda true, found: 2.0,
        "cosine": lambda true, found: (true * found).sum() / np.linalg.norm(true) / np.linalg.norm(found),
    },
    messages={
        "ratio_of_sizes": "You made both sets of points equally large. Where the recovered points lie in a wrong "
        "direction, stretching them makes the distance larger, not smaller.",
        "ratio_of_sums": "You divided the sums, or the means. Positive and negative numbers cancel in them, and around "
        "zero nothing is left.",
        "divided_by_the_original": "You divided by the squares of the original. That is the best scale for the other "
        "way round, from original to recovered.",
        "inverted": "Your number is one divided by the right one. Which of the two sets of points is it that gets "
        "multiplied?",
        "mean_of_ratios": "You averaged the ratios number by number. A recovered number near zero then has a huge say.",
        "always_two": "Two is what the scale tends to with very many channels. It is not the best one for these "
        "points.",
        "cosine": "This says how well the directions agree, and is never above 1. The scale must make a small set of "
        "points larger.",
    },
    minutes=7,
    difficulty=2,
)

PEAK_MEMORY = Exercise(
    prompt="Write how many numbers of activation memory the worst layer takes of a block with a shortcut: the layer's "
    "input, its output, and the block's input, which waits for the sum.",
    reference=peak_memory,
    returns="whole number",
    cases=(
        ([256, 64, 64, 256], 56),
        ([74, 444, 444, 74], 56),
        ([256, 64, 32, 256], 14),
        ([24, 100, 24], 7),
        ([8, 16, 400, 8], 10),
        ([8, 100, 4, 100, 8], 6),
    ),
    random_case=_random_maps,
    first_hint="Go through the layers one by one. A layer reads one feature map of the list and writes the next. What "
    "else lies in memory meanwhile?",
    second_hint="While the first layer works, the feature map that waits for the sum is the one that it reads: count "
    "it once. For each later layer, three feature maps count. Take the layer that needs most, and do not forget the "
    "positions of the feature map.",
    mistakes={
        "shortcut_forgotten": partial(_peak, kept_from=99),
        "input_counted_twice": partial(_peak, kept_from=0),
        "released_too_early": partial(_peak, released=1),
        "largest_map": lambda channels, size: max(channels) * size**2,
        "three_largest": lambda channels, size: sum(sorted(channels)[-3:]) * size**2,
        "all_maps": lambda channels, size: sum(channels) * size**2,
        "ends_only": lambda channels, size: (channels[0] + channels[-1]) * size**2,
        "size_not_squared": partial(_peak, power=1),
        "channels_only": partial(_peak, power=0),
    },
    messages={
        "shortcut_forgotten": "You counted each layer's input and output. The block's own input must wait in memory "
        "for the sum.",
        "input_counted_twice": "In the first layer you counted the block's input twice. The layer only reads it, so "
        "one copy serves both.",
        "released_too_early": "You let go of the block's input before the last layer. The sum comes after that layer.",
        "largest_map": "This is the largest single feature map. While a layer works, more than one feature map lies in "
        "memory.",
        "three_largest": "You added the three largest feature maps. They need not lie in memory at the same time: only "
        "neighbours in the list do, with the block's input.",
        "all_maps": "You added up all feature maps of the block. A feature map can go as soon as the next layer has "
        "read it, except one.",
        "ends_only": "You counted the two ends. Layer by layer, the feature maps inside the block lie in memory as "
        "well.",
        "size_not_squared": "You multiplied by one side of the feature map. A channel has height times width "
        "positions.",
        "channels_only": "These are channels. Each of them has a number at every position of the feature map.",
    },
    minutes=8,
    difficulty=2,
)

LINEAR_BOTTLENECK = Building(
    prompt="Build the three steps of V2's block in a row: expand to `expansion` times the channels, filter depthwise "
    "3×3, project. Each has its batch norm; ReLU6 stands where lesson and paper put it.",
    reference=linear_bottleneck,
    known=lambda *numbers: of_paddle("vision.models.mobilenetv2.InvertedResidual")(*numbers).conv,
    image=lambda in_channels, *_: (in_channels, 9, 8),
    cases=((4, 6, 1, 2), (4, 4, 1, 3), (6, 4, 2, 3)),
    random_case=_random_block,
    first_hint='Three bricks. `ConvBNReLU(…, activation=…)` takes "relu6" and "none". How many channels go into each '
    "brick, and which of them has the stride?",
    second_hint="The first goes from thin to wide, 1×1. The second stays wide, with as many groups as it has channels, "
    "and has the stride. The third goes from wide to the output channels, 1×1, and bends nothing.",
    mistakes={
        "activation_on_the_projection": partial(bottleneck, last="conv norm relu6"),
        "relu_on_the_projection": partial(bottleneck, last="conv norm relu"),
        "relu_everywhere": partial(bottleneck, **dict.fromkeys(("first", "middle", "last"), "conv norm relu")),
        "relu": partial(bottleneck, first="conv norm relu", middle="conv norm relu"),
        "linear_everywhere": partial(bottleneck, first="conv norm", middle="conv norm"),
        "expansion_without_activation": partial(bottleneck, first="conv norm"),
        "filter_without_activation": partial(bottleneck, middle="conv norm"),
        "groups_forgotten": partial(bottleneck, depthwise=False),
        "stride_in_the_expansion": partial(bottleneck, strides=(2, 1, 1)),
        "stride_in_the_projection": partial(bottleneck, strides=(1, 1, 2)),
        "stride_forgotten": partial(bottleneck, strides=(1, 1, 1)),
        "expansion_of_the_output": partial(bottleneck, wide_from="out"),
        "not_expanded": lambda m, n, s, t: bottleneck(m, n, s, 1),
        "expansion_left_out": lambda m, n, s, t: layers(
            brick(m, m, 3, s, m, "conv norm relu6"), brick(m, n, order="conv norm")
        ),
        "norm_forgotten_at_the_end": partial(bottleneck, last="conv"),
        "bias_kept": partial(bottleneck, bias=True),
        "padding_forgotten": partial(bottleneck, padding=0),
        "padding_same": partial(bottleneck, padding="SAME"),
        "shortcut_added": lambda m, n, s, t: added(bottleneck(m, n, s, t), s == 1 and m == n),
    },
    messages={
        "activation_on_the_projection": ACTIVATION_ON_THE_PROJECTION,
        "relu_on_the_projection": "A ReLU stands behind your projection: `ConvBNReLU` puts one there unless it is told "
        "otherwise. That feature map is thin: what a ReLU takes from it, no other channel carries.",
        "relu_everywhere": "Behind each of your three steps stands a ReLU: `ConvBNReLU` puts one there unless told "
        "otherwise. Which of the steps bends, and with which activation does V2?",
        "relu": RELU_USED,
        "linear_everywhere": "None of your steps has an activation. Which of the three feature maps are wide enough to "
        "bend?",
        "expansion_without_activation": "Your expand step has no activation. It is wide behind it: bend there.",
        "filter_without_activation": "Your filter step has no activation. It is wide there: bend.",
        "groups_forgotten": GROUPS_FORGOTTEN,
        "stride_in_the_expansion": "Your stride is in the expand step, a 1×1 convolution, which skips three of four "
        "positions without ever looking at them. Which step looks at neighbours?",
        "stride_in_the_projection": "Your stride is in the projection: it skips three of four positions that the "
        "filter step has computed.",
        "stride_forgotten": STRIDE_FORGOTTEN,
        "expansion_of_the_output": "You expand to a multiple of the output channels. Which channels does the expand "
        "step find?",
        "not_expanded": "Your middle is as thin as the input: `expansion` plays no part.",
        "expansion_left_out": "Your block has no expand step: it filters the thin channels.",
        "norm_forgotten_at_the_end": "The batch norm behind the projection is missing. Linear means without "
        "activation; the batch norm stays.",
        "bias_kept": BIAS_KEPT,
        "padding_forgotten": PADDING_FORGOTTEN,
        "padding_same": PADDING_SAME,
        "shortcut_added": "The steps are right, and you add the input as well. That comes in the next exercise.",
    },
    minutes=8,
    difficulty=2,
)

INVERTED_RESIDUAL = Building(
    prompt="Build V2's block: expand, filter, project, and add the input where that is possible at all.",
    reference=inverted_residual,
    known=lambda *numbers: of_paddle("vision.models.mobilenetv2.InvertedResidual")(*numbers),
    image=lambda in_channels, *_: (in_channels, 9, 8),
    cases=((4, 4, 1, 2), (4, 6, 1, 3), (6, 6, 2, 2), (6, 4, 2, 3)),
    random_case=_random_block,
    first_hint="An addition goes number by number. Which two of the four numbers can make input and output differ in "
    "shape? Where they don't, what is added to what?",
    second_hint="Write a class with `__init__` and `forward`: the bottleneck is made in the one and used in the other. "
    "In `forward`, return the sum with the input where stride is 1 and the channels stay, else the output alone. "
    "Nothing stands behind the sum.",
    mistakes={
        "shortcut_forgotten": bottleneck,
        "shortcut_to_other_channels": lambda m, n, s, t: added(bottleneck(m, n, s, t), s == 1),
        "shortcut_at_stride_2": lambda m, n, s, t: added(bottleneck(m, n, s, t), m == n),
        "shortcut_through_a_convolution": _projected,
        "activation_behind_the_sum": lambda m, n, s, t: added(bottleneck(m, n, s, t), s == 1 and m == n, "relu6"),
        "relu_behind_the_sum": lambda m, n, s, t: added(bottleneck(m, n, s, t), s == 1 and m == n, "relu"),
        "relu_behind_the_block": lambda m, n, s, t: layers(
            _with_shortcut(bottleneck, m, n, s, t), of_paddle("nn.ReLU")()
        ),
        "activation_behind_the_block": lambda m, n, s, t: layers(
            added(bottleneck(m, n, s, t), s == 1 and m == n), of_paddle("nn.ReLU6")()
        ),
        **{name: partial(_with_shortcut, LINEAR_BOTTLENECK.mistakes[name]) for name in _IN_BOTH},
    },
    messages={
        "shortcut_forgotten": "The three steps are right. The shortcut is missing: what does the block do with its "
        "input at the end?",
        "shortcut_to_other_channels": "You add the input also where the channels change. With 4 channels in and 6 "
        "out, two channels have no partner.",
        "shortcut_at_stride_2": "You add the input wherever the channels are equal. At stride 2 the output is half as "
        "high and wide: there is nothing to add it to.",
        "shortcut_through_a_convolution": "Where the channels differ, you send the input through a 1×1 convolution, as "
        "the article does. The paper leaves the shortcut out there.",
        "activation_behind_the_sum": "You put an activation behind the sum, as ResNet does. V2 leaves the thin ends "
        "alone.",
        "relu_behind_the_sum": "You put a ReLU behind the sum, as ResNet does. V2 leaves the thin ends alone.",
        "relu_behind_the_block": "You put a ReLU behind the block. V2 leaves the thin ends alone.",
        "activation_behind_the_block": "You put an activation behind the block. V2 leaves the thin ends alone.",
        **{name: LINEAR_BOTTLENECK.messages[name] for name in _IN_BOTH},
    },
    minutes=10,
    difficulty=2,
    points=20,
)

EXERCISES = (SOLVED_POINT, FRACTION_LOST, BEST_SCALE, PEAK_MEMORY, LINEAR_BOTTLENECK, INVERTED_RESIDUAL)
