"""Questions of lesson 08: train and compare."""

from __future__ import annotations

from mobilenet_lib import architectures, papers, results
from mobilenet_lib.questions._question import Question

_SMALL = {"width_multiplier": 0.25, "resolution": 32, "num_classes": 10, "stem_stride": 1}


def _dearer_small_network() -> str:
    v1, v2 = architectures.mobilenet_v1(**_SMALL), architectures.mobilenet_v2(**_SMALL)
    return "V1" if v1.macs > v2.macs else "V2"


def _interval_half_width() -> float:
    low, high = results.wilson_interval(7500, 10_000)
    return 100 * (high - low) / 2


def _pictures_apart() -> int:
    accuracy = {figure.row: figure.value for figure in papers.figures("seed", "accuracy")}
    return round(10_000 * (accuracy["mobilenet_v1"] - accuracy["mobilenet_v2"]) / 100)


QUESTIONS = (
    Question(
        "08.which_costs_more",
        "MobileNet V1 and V2 at a quarter of the width, on 32×32 pictures in ten classes: which takes more MACs?",
        _dearer_small_network,
        default="V2",
        choices=("V1", "V2"),
        why="V2 has more layers, but thin ones: between its wide depthwise layers the maps have few channels.",
    ),
    Question(
        "08.chance",
        "An untrained network names pictures of ten classes, of which there are equally many. Which share will be right?",
        lambda: 100 / 10,
        default=1,
        unit="%",
        why="Whatever it answers, a tenth of the pictures is of that class.",
    ),
    Question(
        "08.interval_width",
        "7,500 of 10,000 test pictures are right. How many percentage points must be allowed to either side, to be right 95 "
        "times out of 100?",
        _interval_half_width,
        default=3,
        unit="percentage points",
        why="The spread of a share p of n pictures is the root of p(1 − p)/n, and 95 % lie within about twice that.",
    ),
    Question(
        "08.seed_pictures_apart",
        "Test accuracy .7497 for V1 and .7486 for V2, each on the same 10,000 pictures. How many pictures lie between them?",
        _pictures_apart,
        default=110,
        unit="pictures",
        why="A difference of .0011 is eleven of ten thousand.",
    ),
)
