"""Questions of lesson 09: design your own."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean

from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.experiments import design
from mobilenet_lib.experiments.design import Design

_CHEAPER = ("the stem of stride 2", "the 16×16 image", "both cost the same")


def _cheaper_small_map() -> str:
    stem, image = Design(stem_stride=2).table.macs, Design(resolution=16).table.macs
    return _CHEAPER[2 if stem == image else 0 if stem < image else 1]


def _also_on_the_front_of_weights() -> int:
    frame = design.candidates()
    return len(set(design.front(frame, "macs")) & set(design.front(frame, "params")))


def _between_seeds() -> float:
    """Percentage points between two seeds of a design, the mean over all pairs and designs."""
    by_seed = design.recorded()["by_seed"]
    return 100 * fmean(abs(one - other) for of in by_seed for one, other in combinations(of.values(), 2))


def _above_the_baseline() -> int:
    softmax, *others = design.candidates()["accuracy"]
    return sum(accuracy > softmax for accuracy in others)


QUESTIONS = (
    Question(
        "09.half_width",
        "V1 with α = 0.5 for 32×32 images is made half as wide, α = 0.25. Which fraction of the MACs is left?",
        lambda: 100 * Design("v1", 0.25).table.macs / Design("v1", 0.5).table.macs,
        default=50,
        unit="%",
        why="The 1×1 layers keep a quarter, the depthwise layers, the stem and the classifier a half.",
    ),
    Question(
        "09.stem_or_image",
        "V1 with α = 0.25. Its feature maps get half as large on each side, either by a stem of stride 2 on 32×32 "
        "images, or by 16×16 images and a stem of stride 1. Which takes fewer MACs?",
        _cheaper_small_map,
        default=_CHEAPER[1],
        choices=_CHEAPER,
        why="The stem outputs a 16×16 feature map in both cases, and a convolution is paid by the positions of its "
        "output.",
    ),
    Question(
        "09.half_expansion_weights",
        "V2 with α = 0.25 gets t = 3 instead of 6. Which fraction of its weights is left?",
        lambda: 100 * Design("v2", expansion=3).table.params / Design("v2").table.params,
        default=50,
        unit="%",
        why="The blocks halve, but nearly half of the weights of so thin a network stand in its last 1×1 layer to 1280 "
        "channels and in the classifier, which t does not touch.",
    ),
    Question(
        "09.front_size",
        "Fifteen designs and the linear softmax are sixteen networks. How many of them does no other one beat, in MACs "
        "and accuracy?",
        lambda: len(design.front(design.candidates())),
        default=16,
        unit="networks",
        why="This is what the recorded runs gave on these images; no formula says it. The cheapest network is always "
        "among them.",
    ),
    Question(
        "09.above_the_baseline",
        "A linear softmax, one layer on all pixels, got the same images and epochs. How many of the fifteen designs "
        "are more accurate, on average over three seeds?",
        _above_the_baseline,
        default=15,
        unit="designs",
        why="This is what the recorded runs gave after three epochs, by their means. Which of them are shown to be "
        "better the pairs of equal seed say, further down; there, too, what eight epochs give.",
    ),
    Question(
        "09.between_seeds",
        "Each design was trained three times, with seeds 0, 1 and 2 and all else equal. How many percentage points do "
        "two of them differ by, on average over all pairs?",
        _between_seeds,
        default=0.1,
        unit="percentage points",
        why="The first weights and the order of the images come from the seed. This is what the recorded runs gave.",
    ),
    Question(
        "09.other_front",
        "The front is drawn again, over weights instead of MACs. How many of the sixteen networks are on both fronts?",
        _also_on_the_front_of_weights,
        default=16,
        unit="networks",
        why="The stride and the size of the image change MACs and leave the weights alone; α changes both.",
    ),
)
