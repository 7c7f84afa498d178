"""Exercises of lesson 10: fixed-point rounding, and folding a batch norm into a convolution."""

from __future__ import annotations

import math

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


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
        (5.038, 2, 6.0),
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

EXERCISES = (QUANTISE, FOLDED_WEIGHT, FOLDED_BIAS)
