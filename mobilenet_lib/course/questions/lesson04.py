"""Questions of lesson 04: build MobileNet V1."""

from __future__ import annotations

import numpy as np

from mobilenet_lib import architectures, cost
from mobilenet_lib._support import files
from mobilenet_lib.course.questions._question import Question


def _printed_last_map() -> int:
    """Side of the last feature map of V1 with the stride 2 that Table 1 prints in its last depthwise row."""
    before = architectures.mobilenet_v1().blocks[-3].input_size
    return cost.conv2d(1024, 1024, 3, before, stride=2, groups=1024).output_shape[1]


def _macs_with_stride_1(pair: int) -> int:
    """MACs of V1 as Table 1 prints it, but with stride 1 in one pair (counted from 1)."""
    strides = [stride for stride, _ in architectures.V1_SEPARABLE[:-1]] + [2]
    strides[pair - 1] = 1
    stem = cost.conv2d(3, 32, 3, 224, stride=2)
    macs, (channels, size, _) = stem.macs, stem.output_shape
    for stride, (_, out_channels) in zip(strides, architectures.V1_SEPARABLE, strict=True):
        block = cost.depthwise_separable(channels, out_channels, 3, size, stride)
        macs, (channels, size, _) = macs + block.macs, block.output_shape
    return macs + cost.linear(channels, 1000).macs


_STRIDES_OF_2 = {
    "pair 2, to 128 channels": 2,
    "pair 4, to 256 channels": 4,
    "pair 6, to 512 channels": 6,
    "pair 12, to 1024 channels": 12,
    "pair 13, the last": 13,
}


def _misprinted_pair() -> str:
    (wrong,) = (name for name, pair in _STRIDES_OF_2.items() if abs(_macs_with_stride_1(pair) / 1e6 - 569) < 1)
    return wrong


def _params_at_128() -> str:
    large, small = architectures.mobilenet_v1(), architectures.mobilenet_v1(resolution=128)
    return {1: "all", 2: "about a half", 3: "about a third"}[round(large.params / small.params)]


# The choices, and up to which fraction each holds; from the smallest on.
_FRACTIONS = {"none": 0, "up to 5 %": 0.05, "5 to 20 %": 0.2, "more than 20 %": 1}


def _fraction_near_zero() -> str:
    """Of the depthwise kernels of the recorded V1 networks: largest weight below 1 % of its layer's largest."""
    layers = [row for row in architectures.mobilenet_v1(0.25).rows if row.kind == "depthwise"]
    near_zero = total = 0
    for path in files.RECORDED.glob("fashion_v1_relu_seed*.npz"):
        with np.load(path, allow_pickle=False) as file:
            for row in layers:
                sizes = np.abs(file[f"features.{row.name}.0.weight"]).max(axis=(1, 2, 3))
                near_zero += int((sizes < 0.01 * sizes.max()).sum())
                total += row.output_shape[0]
    return next(text for text, most in _FRACTIONS.items() if near_zero <= most * total)


QUESTIONS = (
    Question(
        "04.last_map",
        "An image of 224×224 goes through the stem (stride 2) and the thirteen pairs as they are printed above. How "
        "many pixels wide is the last feature map?",
        _printed_last_map,
        default=7,
        unit="pixels",
        why="Six strides of 2, the stem's and five in the table: 112, 56, 28, 14, 7, and half of 7 is rounded up.",
    ),
    Question(
        "04.misprint",
        "In which pair should the stride be 1, so that the network has 569 million MACs?",
        _misprinted_pair,
        default="pair 12, to 1024 channels",
        choices=tuple(_STRIDES_OF_2),
        why="Halving the last feature map, from 7×7 to 4×4, leaves 533.8 of 568.7 million MACs. Any earlier change "
        "makes more feature maps larger and adds more than is missing.",
    ),
    Question(
        "04.fully_connected_params",
        "The classifier of V1 takes 0.18 % of the MACs. Which fraction of the weights does it hold?",
        lambda: float(architectures.mobilenet_v1().by_kind().loc["linear", "params_percent"]),
        default=0.18,
        unit="%",
        clues=(r"a quarter of the weights",),
        why="It has 1024 · 1000 of 4.2 million weights, and uses each once; a convolution uses it at every position.",
    ),
    Question(
        "04.half_width",
        "Every layer of V1 gets half of its channels (α = 0.5). What is left of the MACs?",
        lambda: 100 * architectures.mobilenet_v1(0.5).macs / architectures.mobilenet_v1().macs,
        default=50,
        unit="%",
        why="In the 1×1 layers, which hold 95 % of the MACs, half of the inputs meet half of the outputs: a quarter.",
    ),
    Question(
        "04.params_at_128",
        "V1 gets images of 128×128 pixels instead of 224×224. What is left of its weights?",
        _params_at_128,
        default="about a third",
        choices=("all", "about a half", "about a third"),
        why="The same kernels move over smaller feature maps. A third is what is left of the MACs: (128 / 224)².",
    ),
    Question(
        "04.receptive_field",
        "How wide is the square of the 224×224 image on which one number of V1's last 7×7 feature map, before the "
        "pool, can depend?",
        lambda: architectures.mobilenet_v1().receptive_fields[
            -3
        ],  # of the last convolution; pool and classifier follow
        default=224,
        unit="pixels",
        why="Each 3×3 window adds two steps, and a step is as long as all strides before it multiplied: 2 pixels after "
        "the stem, 32 in the last pair.",
    ),
    Question(
        "04.near_zero_kernels",
        "Which fraction of the depthwise kernels of the trained networks is near zero: largest weight below 1 % of the "
        "largest in its layer?",
        _fraction_near_zero,
        default="5 to 20 %",
        choices=tuple(_FRACTIONS),
        clues=(r"^None\.",),
        why="They begin far from zero, and eight epochs are short: even under weight decay they would keep 0.86 of "
        "their size, as a cell below computes.",
    ),
)
