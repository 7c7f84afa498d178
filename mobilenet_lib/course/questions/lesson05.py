"""Questions of lesson 05: what ReLU destroys."""

from __future__ import annotations

import itertools
from statistics import median

import numpy as np

from mobilenet_lib import architectures, cost, runs, statistics
from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.experiments import manifold

# Channels of the feature maps of one block at 56×56; the two designs take nearly the same MACs.
RESNET_BLOCK = (256, 64, 64, 256)
V2_BLOCK = (74, 444, 444, 74)


def _raw_error_of_many_channels() -> str:
    rng, spiral = np.random.default_rng(0), manifold.spiral()
    errors = [
        manifold.relative_error(spiral, manifold.round_trip(spiral, rng.normal(size=(1000, 2)))[1]) for _ in range(9)
    ]
    return {0: "0", 1: "a half", 2: "1"}[round(2 * median(errors))]


def _kept(block: tuple[int, ...]) -> int:
    """Numbers that are kept for the shortcut of the block: its input."""
    return cost.conv2d(1, block[0], 1, 56).activations


def _peak(block: tuple[int, ...]) -> int:
    """Channels in memory at the layer that needs most: its input, its output, and what is kept for the shortcut."""
    later = [block[0] + before + after for before, after in itertools.pairwise(block[1:])]
    return max(block[0] + block[1], *later)


def _higher_peak() -> str:
    peaks = {"ResNet's": _peak(RESNET_BLOCK), "V2's": _peak(V2_BLOCK)}
    return max(peaks, key=lambda name: peaks[name])


def _thin_blocks() -> int:
    blocks = architectures.mobilenet_v2(0.25, 32, 10, stem_stride=1).blocks
    return sum(block.kind == "bottleneck" and block.out_channels == 8 for block in blocks)


_OUTCOMES = (
    "fewer images classified correctly",
    "no difference that so few seeds can show",
    "more images classified correctly",
)


def _outcome(variant: str) -> str:
    """What the recorded runs say of a variant beside the paper's network: a difference for each seed."""
    changed, papers = (
        {run.seed: run.test["accuracy"] for run in runs.recorded_all(f"fashion_v2_{name}_seed")}
        for name in (variant, "paper")
    )
    low, high = statistics.student_interval([changed[seed] - papers[seed] for seed in changed.keys() & papers.keys()])
    return _OUTCOMES[0 if high < 0 else 2 if low > 0 else 1]


QUESTIONS = (
    Question(
        "05.untouched",
        "Points with two numbers lie evenly all around zero. For which fraction of them does ReLU leave both numbers "
        "as they were?",
        lambda: 100 * (1 - manifold.fraction_lost(2)),
        default=50,
        unit="%",
        why="Both numbers must be positive, which holds in one of the four quarters of the plane.",
    ),
    Question(
        "05.all_zero",
        "A point is turned into 5 channels by random weights. How often does ReLU set all five to zero?",
        lambda: 100 * manifold.fraction_lost(5, 1),
        default=20,
        unit="%",
        clues=(r"\(n ?\+ ?1\) ?/ ?2",),
        why="Each channel is negative half of the time, whatever the others are: ½ five times over.",
    ),
    Question(
        "05.channels_needed",
        "How many channels are needed so that fewer than 1 % of the points are lost?",
        lambda: next(n for n in range(2, 100) if manifold.fraction_lost(n) < 0.01),
        default=100,
        unit="channels",
        why="Each further channel nearly halves the fraction: 11 of 1024 points are lost with 10 channels, 12 of 2048 "
        "with 11.",
    ),
    Question(
        "05.raw_error",
        "The number of channels n grows and grows. Towards which value goes the error of the points that are read "
        "back?",
        _raw_error_of_many_channels,
        default="0",
        choices=("0", "a half", "1"),
        clues=(r"[Hh]alf, not zero", r"the half comes from"),
        why="The spiral comes back in the right shape and in half of its size, so that every point is half of its way "
        "off.",
    ),
    Question(
        "05.twice_as_many",
        "A point has 24 numbers and is expanded to 48 channels (t = 2) with random weights. How often are fewer than "
        "24 of them active?",
        lambda: 100 * manifold.fraction_lost(48, dimensions=24),
        default=1,
        unit="%",
        why="Half of the channels are active on average, which is 24: so it is nearly as often too few as enough.",
    ),
    Question(
        "05.kept",
        "Both shortcuts must keep the block's input until the sum. How many times as many numbers does ResNet's block "
        "keep as V2's?",
        lambda: _kept(RESNET_BLOCK) / _kept(V2_BLOCK),
        default=1,
        unit="times",
        why="The feature maps are of one size, so the numbers stand as the channels of the ends: 256 to 74.",
    ),
    Question(
        "05.peak",
        "The layers run one after the other, and each needs its input, its output and the input kept for the shortcut "
        "in memory. Which block needs more numbers at its worst layer?",
        _higher_peak,
        default="ResNet's",
        choices=("ResNet's", "V2's"),
        why="At V2's depthwise layer two feature maps of 444 channels lie in memory; no layer of ResNet's block sees "
        "more than 576.",
    ),
    Question(
        "05.thin_ends",
        "V2 at a quarter of its width (α = 0.25), with channels rounded to multiples of 8. How many of its "
        "bottlenecks output only 8 channels?",
        _thin_blocks,
        default=1,
        unit="blocks",
        why="The first three stages want 4, 6 and 8 channels and all get 8: 1 + 2 + 3 blocks.",
    ),
    Question(
        "05.relu6_projections",
        "A ReLU6 is put behind every projection. Beside the paper's V2, with the same seeds: what do you expect?",
        lambda: _outcome("relu6_projections"),
        default=_OUTCOMES[1],
        choices=_OUTCOMES,
        why="This is what the recorded runs gave on these images, seed by seed; no formula says it.",
    ),
    Question(
        "05.no_shortcuts",
        "All shortcuts are left out, and the projections stay linear. Beside the paper's V2, with the same seeds: what "
        "do you expect?",
        lambda: _outcome("no_shortcuts"),
        default=_OUTCOMES[1],
        choices=_OUTCOMES,
        why="This is what the recorded runs gave on these images, seed by seed, by the effect's own 95 % confidence "
        "interval; no formula says it. The verdict further down asks for all effects together.",
    ),
)
