"""Pieces of the layers that learners build wrongly, and what is said where several exercises know the same mistake.

In the papers' letters: m channels in, n out, kernel size k, stride s, expansion t. Paddle is imported when a layer is
built, not with this module.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

BIAS_KEPT = (
    "Your convolutions have a bias. The batch norm behind each of them shifts anyway, so MobileNet leaves the bias out."
)
PADDING_FORGOTTEN = "Your feature map shrinks at its edges. Which padding keeps its size at stride 1?"
PADDING_SAME = (
    "Your padding is 'SAME'. At stride 2 and an even size, that pads right and below only, and the kernel stops at "
    "other positions than the known layer's. A number pads all sides alike: which one keeps the size at stride 1?"
)
GROUPS_FORGOTTEN = (
    "Your 3×3 is a standard convolution: every output channel sees all channels. A depthwise one has a kernel for each "
    "channel; which argument of Conv2D keeps the channels apart?"
)
STRIDE_FORGOTTEN = "Your layer ignores `stride`: at stride 2 the feature map must be halved."
RELU6_USED = "Your activation is ReLU6, which also cuts off above 6. V1's paper has ReLU."
RELU_USED = "Your activation is ReLU. V2 has ReLU6, which also cuts off above 6."
ACTIVATION_ON_THE_PROJECTION = (
    "An activation stands behind your projection. That feature map is thin: what a ReLU takes from it, no other "
    "channel carries."
)
# Ways to end a network wrongly, as `head` builds them.
HEAD_MESSAGES = {
    "softmax_included": "Your network ends in a softmax. Scores are asked for: Paddle's loss contains the softmax.",
    "scores_bent": "Your network ends in a ReLU. A score may be negative.",
    "pool_forgotten": "The pool is missing: the classifier would see every position of every channel.",
    "flatten_forgotten": "The axes of length 1 that the pool leaves must go before the classifier.",
    "largest_not_mean": "Your pool takes the largest value of each channel. MobileNet takes the mean.",
    "classifier_without_bias": "Your classifier has no bias. No batch norm stands behind it, so it needs its own.",
    "classifier_as_convolution": "Your classifier is a 1×1 convolution. It does the same sums, but its weights should "
    "be the matrix of a fully connected layer.",
}


def of_paddle(path: str) -> Any:
    """What stands at that path in Paddle, such as "nn.Linear"."""
    from mobilenet_lib._support.paddle import paddle

    return attrgetter(path)(paddle)


def brick(
    m: int,
    n: int,
    k: int = 1,
    stride: int = 1,
    groups: int = 1,
    order: str = "conv norm relu",
    bias: bool = False,
    padding: int | str | None = None,
) -> Any:
    """A k × k convolution from m to n channels and what stands around it, in that order."""
    nn, words = of_paddle("nn"), order.split()
    padding = k // 2 if padding is None else padding
    before = "conv" in words and "norm" in words and words.index("norm") < words.index("conv")
    parts = {
        "conv": lambda: nn.Conv2D(m, n, k, stride, padding, groups=groups, bias_attr=None if bias else False),
        "norm": lambda: nn.BatchNorm2D(m if before else n),
        "relu": nn.ReLU,
        "relu6": nn.ReLU6,
    }
    return nn.Sequential(*[parts[word]() for word in words])


def layers(*parts: Any, forward: Callable[[Any], Any] | None = None) -> Any:
    """The parts one after the other, or with a `forward` of their own."""
    whole = of_paddle("nn").Sequential(*parts)
    if forward is not None:
        whole.forward = forward
    return whole


def added(block: Any, joined: bool, behind: str = "") -> Any:
    """The block plus its input, where `joined`; behind: an activation of the sum."""
    bend = of_paddle(f"nn.functional.{behind}") if behind else lambda x: x
    return layers(block, forward=lambda x: bend(x + block(x)) if joined else block(x))


def pair(
    m: int,
    n: int,
    s: int,
    *,
    groups: int | None = None,
    last_stride: int = 1,
    first: str = "conv norm relu",
    last: str = "conv norm relu",
    bias: bool = False,
    padding: int | str = 1,
) -> Any:
    """V1's block; first, last: the order in its depthwise and its pointwise brick."""
    depthwise = brick(m, m, 3, s, m if groups is None else groups, first, bias, padding)
    return layers(depthwise, brick(m, n, 1, last_stride, order=last, bias=bias))


def bottleneck(
    m: int,
    n: int,
    s: int,
    t: int,
    *,
    first: str = "conv norm relu6",
    middle: str = "conv norm relu6",
    last: str = "conv norm",
    depthwise: bool = True,
    strides: tuple[int, int, int] = (1, 2, 1),
    wide_from: str = "in",
    bias: bool = False,
    padding: int | str = 1,
) -> Any:
    """V2's three steps; strides: those of the steps where the block's stride is 2."""
    hidden = t * (m if wide_from == "in" else n)
    steps = strides if s == 2 else (1, 1, 1)
    return layers(
        brick(m, hidden, 1, steps[0], order=first, bias=bias),
        brick(hidden, hidden, 3, steps[1], hidden if depthwise else 1, middle, bias, padding),
        brick(hidden, n, 1, steps[2], order=last, bias=bias),
    )


def inverted(*numbers: int, **how: Any) -> Any:
    """The library's block."""
    from mobilenet_lib.layers import InvertedResidual

    return InvertedResidual(*numbers, **how)


def head(kind: str, channels: int, num_classes: int) -> list[Any]:
    """What stands behind the last feature map: "right", or wrong as in `HEAD_MESSAGES`."""
    nn = of_paddle("nn")
    pool, flat = nn.AdaptiveAvgPool2D(1), nn.Flatten()
    scores = nn.Linear(channels, num_classes, bias_attr=False if kind == "classifier_without_bias" else None)
    return {
        "softmax_included": [pool, flat, scores, nn.Softmax()],
        "scores_bent": [pool, flat, scores, nn.ReLU()],
        "pool_forgotten": [flat, scores],
        "flatten_forgotten": [pool, scores],
        "largest_not_mean": [nn.AdaptiveMaxPool2D(1), flat, scores],
        "classifier_as_convolution": [pool, nn.Conv2D(channels, num_classes, 1), flat],
    }.get(kind, [pool, flat, scores])
