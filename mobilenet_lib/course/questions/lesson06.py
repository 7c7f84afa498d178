"""Questions of lesson 06: build MobileNet V2."""

from __future__ import annotations

from mobilenet_lib import architectures, baselines, cost
from mobilenet_lib.course.questions._question import Question


def _bottlenecks(shortcut: tuple[str, ...] = ("none", "identity")) -> int:
    blocks = architectures.mobilenet_v2().blocks
    return sum(block.kind == "bottleneck" and block.shortcut in shortcut for block in blocks)


def _fraction_at_half_expansion() -> float:
    halved = [(min(t, 3), c, n, s) for t, c, n, s in architectures.V2_BOTTLENECKS]
    smaller = architectures.mobilenet_v2(bottlenecks=halved)
    return 100 * smaller.macs / architectures.mobilenet_v2().macs


def _higher_peak() -> str:
    peaks = {"V1": architectures.mobilenet_v1(), "V2": architectures.mobilenet_v2()}
    return max(peaks, key=lambda name: peaks[name].peak_activations)


QUESTIONS = (
    Question(
        "06.macs_at_one_position",
        "A block of V2 at stride 1: expand from 24 to 144 channels, filter 3×3 depthwise, project back to 24. How many "
        "MACs are that at one position of the feature map?",
        lambda: sum(row.macs for row in architectures.mobilenet_v2().blocks[3].rows) // 56**2,
        default=3456,
        unit="MACs",
        why="24 · 144 to expand, 9 · 144 to filter, 144 · 24 to project.",
    ),
    Question(
        "06.bottlenecks",
        "How many bottleneck blocks does Table 2 describe?",
        _bottlenecks,
        default=7,
        unit="blocks",
        clues=(r"\b17\b.{0,12}(?:bottleneck|block|thin)", r"adds up to 17"),
        why="A row is a stage of n blocks: 1 + 2 + 3 + 4 + 3 + 3 + 1.",
    ),
    Question(
        "06.half_expansion",
        "All stages with t = 6 get t = 3 instead. What is left of V2's MACs?",
        _fraction_at_half_expansion,
        default=25,
        unit="%",
        why="Each of these blocks costs t times something, so it is halved; stem, first block, last 1×1 convolution "
        "and classifier stay.",
    ),
    Question(
        "06.shortcuts",
        "How many blocks of Table 2 add their input to their output?",
        lambda: _bottlenecks(("identity",)),
        default=13,
        unit="blocks",
        why="Only the repeats of a stage keep channels and size: 0 + 1 + 2 + 3 + 2 + 2 + 0. The first block of every "
        "stage changes the channels.",
    ),
    Question(
        "06.first_expansion",
        "How many MACs would an expansion at t = 1 add: a 1×1 convolution from 32 to 32 channels on the 112×112 "
        "feature map?",
        lambda: cost.conv2d(32, 32, 1, 112).macs,
        default=401_408,
        unit="MACs",
        why="At each of the 112 · 112 positions, 32 inputs meet 32 outputs.",
    ),
    Question(
        "06.peak_memory",
        "The layers run one after the other, and each needs its input and its output in memory. Which network needs "
        "more memory at its peak, for a 224×224 image?",
        _higher_peak,
        default="V1",
        choices=("V1", "V2"),
        why="V2's second block expands to 96 channels while the feature map is still 112×112; V1 has at most 64 "
        "channels there.",
    ),
    Question(
        "06.article_times",
        "How many times the MACs of the paper's V2 does the article's V2 take? (10 classes, 224×224 pixels.)",
        lambda: baselines.article_mobilenet_v2().macs / architectures.mobilenet_v2(num_classes=10).macs,
        default=1.1,
        unit="times",
        why="Every feature map of the network is twice as large on both sides, which alone makes four times the MACs; "
        "the layers that the paper does not have add the rest.",
    ),
)
