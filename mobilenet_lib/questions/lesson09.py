"""Questions of lesson 09: design your own."""

from __future__ import annotations

from mobilenet_lib import results
from mobilenet_lib.design import Design
from mobilenet_lib.questions._question import Question


def _share_at_half_width() -> float:
    return 100 * Design("v1", 0.25).table.macs / Design("v1", 0.5).table.macs


_CHEAPER = ("the stem of stride 2", "the 16×16 picture", "both cost the same")


def _cheaper_small_map() -> str:
    stem, picture = Design(stem_stride=2).table.macs, Design(resolution=16).table.macs
    return _CHEAPER[2 if stem == picture else 0 if stem < picture else 1]


def _share_of_weights_at_half_expansion() -> float:
    return 100 * Design("v2", expansion=3).table.params / Design("v2").table.params


def _points_between_seeds() -> float:
    shares = [
        results.recorded(f"fashion_v2_paper_seed{seed}").test["accuracy"] for seed in range(4)
    ]
    return 100 * (max(shares) - min(shares))


QUESTIONS = (
    Question(
        "09.half_width",
        "V1 with α = 0.5 for 32×32 pictures is made half as wide, α = 0.25. Which share of the MACs is left?",
        _share_at_half_width,
        default=50,
        unit="%",
        why="The 1×1 layers keep a quarter, the depthwise layers, the stem and the classifier a half.",
    ),
    Question(
        "09.stem_or_picture",
        "V1 with α = 0.25. Its maps get half as large on each side, either by a stem of stride 2 on 32×32 pictures, or by 16×16 "
        "pictures and a stem of stride 1. Which takes fewer MACs?",
        _cheaper_small_map,
        default=_CHEAPER[1],
        choices=_CHEAPER,
        why="The stem puts out a 16×16 map in both cases, and a convolution is paid by the places that it puts out.",
    ),
    Question(
        "09.half_expansion_weights",
        "V2 with α = 0.25 gets t = 3 instead of 6. Which share of its weights is left?",
        _share_of_weights_at_half_expansion,
        default=50,
        unit="%",
        why="The blocks halve, but most weights of so thin a network stand in its last 1×1 layer to 1280 channels and in the "
        "classifier, which t does not touch.",
    ),
    Question(
        "09.between_seeds",
        "The same V2 (α = 0.25) was trained four times on the same pictures, each time with another seed. How many percentage points "
        "lie between the best and the worst of the four?",
        _points_between_seeds,
        default=0.1,
        unit="percentage points",
        why="First weights, order and shifts of the pictures all come from the seed. This is what the recorded runs gave.",
    ),
)
