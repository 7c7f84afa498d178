"""Questions of lesson 10: low precision."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.experiments.low_precision import rounding_sweep
from mobilenet_lib.experiments.low_precision.quantization import quantise
from mobilenet_lib.statistics import wilson_interval

_LITTLE, _SOME, _MUCH = "less than 1 point", "1 to 10 points", "more than 10 points"
_SEEDS = ("none", "one", "two", "all three")


def _lost(rounded: Callable[[str], list[int]]) -> list[float]:
    """Points of accuracy that each of the six networks loses. rounded: an activation → its seeds' correct images."""
    total = rounding_sweep.record()["rows"][0]["total"]
    return [
        100 * (before - after) / total
        for activation in rounding_sweep.RANGES
        for before, after in zip(rounding_sweep.correct_in_float(activation), rounded(activation), strict=True)
    ]


def _lost_at_eight_bits() -> str:
    """By the seed that loses most, of either activation."""
    lost = max(_lost(lambda activation: rounding_sweep.correct(activation, "largest measured", 8)))
    return _LITTLE if lost < 1 else _SOME if lost <= 10 else _MUCH


def _ahead_at_four_bits() -> str:
    """Seeds whose ReLU6 network has its whole 95 % interval above that of the ReLU network."""
    total = rounding_sweep.record()["rows"][0]["total"]
    relu = rounding_sweep.correct("relu", "largest measured", 4)
    relu6 = rounding_sweep.correct("relu6", "0 to 6", 4)
    return _SEEDS[
        sum(
            wilson_interval(six, total)[0] > wilson_interval(plain, total)[1]
            for plain, six in zip(relu, relu6, strict=True)
        )
    ]


def _broken_by_folding() -> int:
    """Networks that lose more than 10 points when their folded depthwise kernels share one range per layer."""
    rounded = rounding_sweep.correct_with_rounded_weights
    return sum(points > 10 for points in _lost(lambda activation: rounded(activation, "folded, per tensor")))


QUESTIONS = (
    Question(
        "10.step_of_four_bits",
        "With 4 bits, 16 numbers can be written. They are spread evenly from 0 to 6, both ends included. How far apart "
        "are two neighbours?",
        lambda: float(np.diff(np.unique(quantise(np.linspace(0, 6, 1000), bits=4, largest=6.0))).mean()),
        default=0.375,
        unit="from one to the next",
        why="16 levels have 15 gaps between them, and 6/15 is 0.4.",
    ),
    Question(
        "10.bits_of_a_wide_range",
        "A range from 0 to 24 is four times as wide as one from 0 to 6. How many more bits does it need for (nearly) "
        "the same step?",
        lambda: float(np.log2(24.0 / 6.0)),
        default=4,
        unit="bits",
        why="Each bit doubles the number of levels, and 2 × 2 = 4.",
    ),
    Question(
        "10.lost_at_eight_bits",
        "All activations of six trained networks are rounded to 8 bits, each layer in its largest measured range. How "
        "much accuracy does the network lose that loses most?",
        _lost_at_eight_bits,
        default=_SOME,
        choices=(_LITTLE, _SOME, _MUCH),
        why="It loses 0.35 points. In a range from 0 to 24 for every layer, one network loses 1.9.",
    ),
    Question(
        "10.ahead_at_four_bits",
        "At 4 bits, for how many of the three seeds is the ReLU6 network, with its range from 0 to 6, clearly better "
        "than the ReLU network with its measured range? (Clearly: the 95 % confidence intervals do not overlap.)",
        _ahead_at_four_bits,
        default="all three",
        choices=_SEEDS,
        why="Two intervals side by side are a rule of thumb here: both networks saw the same images. And two ways "
        "to choose a range differ, not the activations alone. The fair comparison comes below.",
    ),
    Question(
        "10.broken_by_folding",
        "The batch norms of the six networks are folded, then the depthwise kernels are rounded to 8 bits, with one "
        "range for each layer. How many of the six networks lose more than 10 points?",
        _broken_by_folding,
        default=1,
        unit="networks of six",
        why="The other three lose nothing. What sets them apart is looked for below.",
    ),
)
