"""Questions of lesson 02: depthwise separable convolution."""

from __future__ import annotations

import numpy as np

from mobilenet_lib import cost
from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.course.questions.lesson01 import ARTICLE_LAYER

_SETTINGS = {
    "3×3, from 256 to 1 channel": (256, 1, 3),
    "3×3, from 256 to 512 channels": (256, 512, 3),
    "5×5, from 256 to 64 channels": (256, 64, 5),
}


def _costs_more_when_separable() -> str:
    (setting,) = (
        name
        for name, layer in _SETTINGS.items()
        if cost.depthwise_separable(*layer, input_size=14).macs > cost.conv2d(*layer, input_size=14).macs
    )
    return setting


def _pointwise_fraction() -> float:
    layer = cost.depthwise_separable(512, 512, 3, 14)
    return 100 * layer.pointwise.macs / layer.macs


def _separable_rank() -> str:
    generator = np.random.default_rng(0)
    one_kernel, mixing = generator.normal(size=9), generator.normal(size=64)
    return str(np.linalg.matrix_rank(np.outer(mixing, one_kernel)))


QUESTIONS = (
    Question(
        "02.depthwise_only",
        "A depthwise convolution on a 12×12×3 input: one 5×5 kernel for each channel, no padding. How many MACs?",
        lambda: cost.depthwise_separable(**ARTICLE_LAYER).depthwise.macs,
        default=1_600,
        unit="MACs",
        why="Each of the 8 × 8 × 3 outputs sums 5 × 5 products of its own channel only.",
    ),
    Question(
        "02.separable_total",
        "Now the 1×1 convolution to 256 channels is added. How many times fewer MACs does the pair take than 256 "
        "standard kernels of 5×5×3?",
        lambda: cost.conv2d(**ARTICLE_LAYER).macs / cost.depthwise_separable(**ARTICLE_LAYER).macs,
        default=9,
        unit="times fewer",
        why="The ratio of the two costs is 1/256 + 1/25, and almost all of it is the kernel's 1/25.",
    ),
    Question(
        "02.article_layer_ratio",
        "A 3×3 layer takes a 112×112 feature map from 64 to 128 channels. Which fraction of the standard layer's MACs "
        "does the separable layer need? (A number below 1.)",
        lambda: cost.depthwise_separable(64, 128, 3, 112).macs / cost.conv2d(64, 128, 3, 112).macs,
        default=0.5,
        unit="of the standard MACs",
        why="The fraction is 1/N + 1/k², here with N = 128 output channels and k = 3.",
    ),
    Question(
        "02.never_cheaper",
        "For which of these layers does the separable form cost more MACs than the standard one?",
        _costs_more_when_separable,
        default="5×5, from 256 to 64 channels",
        choices=tuple(_SETTINGS),
        why="The depthwise part is paid once and shared by all output channels, and with a single one the fraction 1/N "
        "+ 1/k² is above 1.",
    ),
    Question(
        "02.grouped_shape",
        "What is the shape of the weights of `Conv2D(6, 12, kernel_size=3, groups=3)`?",
        lambda: f"[12, {cost.conv2d(6, 12, 3, 8, groups=3).params // (12 * 3 * 3)}, 3, 3]",
        default="[12, 6, 3, 3]",
        choices=("[12, 6, 3, 3]", "[12, 2, 3, 3]", "[4, 2, 3, 3]"),
        why="There is still one kernel for each of the 12 outputs, but it sees only its group's third of the inputs.",
    ),
    Question(
        "02.where_the_macs_are",
        "A separable 3×3 layer from 512 to 512 channels. Which fraction of its MACs is in the 1×1 part?",
        _pointwise_fraction,
        default=50,
        unit="%",
        why="At every position, a channel costs 9 MACs in the depthwise part and 512 in the 1×1 part.",
    ),
    Question(
        "02.rank_of_separable",
        "One input channel goes to 64 output channels. Write the 64 kernels of 3×3 as the rows of a 64×9 matrix. What "
        "is the largest rank that this matrix can have when the layer is separable?",
        _separable_rank,
        default="9",
        choices=("1", "9", "64"),
        why="All 64 rows are multiples of the channel's one depthwise kernel.",
    ),
)
