"""Questions of lesson 01: what a convolution costs."""

from __future__ import annotations

from mobilenet_lib import cost
from mobilenet_lib.course.questions._question import Question

ARTICLE_LAYER = {"in_channels": 3, "out_channels": 256, "kernel_size": 5, "input_size": 12, "padding": "valid"}


def _outputs_per_weight() -> float:
    first = cost.conv2d(3, 64, 3, 224)
    return first.activations / first.params


def _spatially_separable() -> float:
    two_steps = cost.conv2d(1, 1, (5, 1), 32).macs + cost.conv2d(1, 1, (1, 5), 32).macs
    return cost.conv2d(1, 1, 5, 32).macs / two_steps


QUESTIONS = (
    Question(
        "01.macs_of_4x4",
        "A 4×4 input with one channel meets one 3×3 kernel, without padding. How many MACs does that take?",
        lambda: cost.conv2d(1, 1, 3, 4, padding="valid").macs,
        default=16,
        unit="MACs",
        why="The kernel fits at 2 × 2 positions, and at each of them every one of its 9 weights is used once.",
    ),
    Question(
        "01.article_standard",
        "A 12×12×3 input, 256 kernels of 5×5×3, no padding. How many MACs?",
        lambda: cost.conv2d(**ARTICLE_LAYER).macs,
        default=409_600,
        unit="MACs",
        why="Each of the 8 × 8 × 256 outputs is a sum over 5 × 5 positions in all 3 input channels.",
    ),
    Question(
        "01.stride_two",
        'A layer with "same" padding meets a 56×56 feature map. Its stride goes from 1 to 2. What is left of its MACs?',
        lambda: {1: "the same", 2: "half", 4: "a quarter"}[
            cost.conv2d(64, 128, 3, 56).macs // cost.conv2d(64, 128, 3, 56, stride=2).macs
        ],
        default="half",
        choices=("half", "a quarter", "the same"),
        why="The kernel now stops at every second row and at every second column, so both sides of the output halve.",
    ),
    Question(
        "01.double_channels",
        "A layer gets twice as many input channels and twice as many output channels. Its MACs grow by which factor?",
        lambda: cost.conv2d(32, 64, 3, 28).macs // cost.conv2d(16, 32, 3, 28).macs,
        default=2,
        unit="times",
        why="Every output channel sees every input channel, so the two channel counts multiply.",
    ),
    Question(
        "01.weights_or_activations",
        'First layer of a network: a 224×224×3 image, 3×3 kernels, 64 output channels, "same" padding, no bias. How '
        "many output values are there for each weight?",
        _outputs_per_weight,
        default=10,
        unit="output values per weight",
        why="A weight is used at all 224 × 224 positions, and each use feeds one output value that must be kept, so "
        "early layers fill memory with activations, not with weights.",
    ),
    Question(
        "01.flops_of_layer",
        "A 1×1 convolution takes a 7×7 feature map from 64 to 64 channels. How many FLOPs is that? (FLOPs, not MACs.)",
        lambda: cost.conv2d(64, 64, 1, 7).flops,
        default=200_704,
        unit="FLOPs",
        why="Each of the 7 × 7 × 64 outputs sums 64 products, and every MAC is two operations: a multiplication and an "
        "addition.",
    ),
    Question(
        "01.spatially_separable",
        "On one channel, a 5×5 kernel is replaced by a 5×1 kernel followed by a 1×5 kernel, the feature map keeps its "
        "size. How many times fewer MACs is that?",
        _spatially_separable,
        default=5,
        unit="times fewer",
        why="Two thin kernels have 5 + 5 weights instead of 5 × 5.",
    ),
)
