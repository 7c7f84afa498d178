"""What V1 and V2 are compared with, as tables: the article's other networks, and two models without a convolution.

The article this course started from has a V2 of its own, two ResNets and two VGGs. With V1 and V2 of
`mobilenet_lib.architectures` they are the seven of `ARTICLE`. A linear softmax and a small multilayer perceptron are
what any network has to beat. Nothing here imports Paddle.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from mobilenet_lib import architectures
from mobilenet_lib.architectures import V2_BOTTLENECKS, Builder, Table, check

# What the article's V2 does differently from the paper's, in the order of its code: a short name, and what to call it.
ARTICLE_DEVIATIONS = {
    "stem_stride": "stem of stride 1",
    "expand_all": "expansion at t = 1",
    "shortcut_projection": "1×1 on the shortcut",
    "biases": "biases",
    "two_pools": "two pools",
}

# ResNet paper (arXiv 1512.03385), Table 1: residual blocks of each stage.
RESNET_STAGES = {50: (3, 4, 6, 3), 152: (3, 8, 36, 3)}

# VGG paper (arXiv 1409.1556), Table 1, columns D and E: convolutions of each stage.
VGG_STAGES = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def article_mobilenet_v2(
    resolution: int = 224, num_classes: int = 10, *, deviations: Collection[str] = tuple(ARTICLE_DEVIATIONS)
) -> Table:
    """The MobileNet V2 of the article this course started from, which is not the paper's.

    deviations: which of `ARTICLE_DEVIATIONS` to apply; with none of them it is the paper's V2, layer by layer. With
    all, its stem has stride 1, its first bottleneck keeps an expansion, a 1×1 convolution stands on the shortcut where
    only the channels differ, every convolution has a bias, and two average pools (4, then 3) end it. Raises ValueError
    for an unknown deviation, and for a last feature map so small that nothing is left for those pools.
    """
    unknown = sorted(set(deviations) - set(ARTICLE_DEVIATIONS))
    if unknown:
        raise ValueError(f"deviations must be among {', '.join(ARTICLE_DEVIATIONS)}, not {', '.join(unknown)}")
    check(1.0, resolution, num_classes)
    bias = "biases" in deviations
    builder = Builder(resolution)
    stem_stride = 1 if "stem_stride" in deviations else 2
    builder.add("stem", "conv", 32, stride=stem_stride, activation="relu6", bias=bias)
    number = 0
    for expansion, channels, repeats, first_stride in V2_BOTTLENECKS:
        for repeat in range(repeats):
            number += 1
            stride = first_stride if repeat == 0 else 1
            shortcut = "none"
            if stride == 1 and builder.channels == channels:
                shortcut = "identity"
            elif stride == 1 and "shortcut_projection" in deviations:
                shortcut = "projection"
            builder.add(
                f"bottleneck{number}",
                "bottleneck",
                channels,
                stride=stride,
                activation="relu6",
                expansion=expansion,
                expand=expansion != 1 or "expand_all" in deviations,
                shortcut=shortcut,
                bias=bias,
            )
    builder.add("head", "conv", 1280, kernel_size=1, activation="relu6", bias=bias)
    windows = (4, 3) if "two_pools" in deviations else ()
    if windows and builder.size < 12:
        raise ValueError(
            f"resolution={resolution} leaves a {builder.size}×{builder.size} map for pools of 4 and then 3, "
            f"which need 12: use {176 * stem_stride + 1} pixels or more"
        )
    builder.add("pool", "pool", 1280, windows=windows)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    return builder.table("MobileNet V2 of the article")


def resnet50(resolution: int = 224, num_classes: int = 1000) -> Table:
    """ResNet50 (arXiv 1512.03385, Table 1). As in `paddle.vision`, it is 3×3 convolutions that have stride 2."""
    return _resnet(50, resolution, num_classes)


def resnet152(resolution: int = 224, num_classes: int = 1000) -> Table:
    """ResNet152 (arXiv 1512.03385, Table 1), `resnet50` with more blocks."""
    return _resnet(152, resolution, num_classes)


def vgg16(resolution: int = 224, num_classes: int = 1000) -> Table:
    """VGG16 (arXiv 1409.1556, Table 1, column D), the large network both papers compare with.

    As in `paddle.vision`, the last feature map is pooled to 7×7 whatever the resolution, which from 1×1 repeats it, so
    that the classifier always has 25,088 inputs. Raises ValueError below 32 pixels, of which five pools leave nothing.
    """
    return _vgg(16, resolution, num_classes)


def vgg19(resolution: int = 224, num_classes: int = 1000) -> Table:
    """VGG19 (arXiv 1409.1556, Table 1, column E), `vgg16` with three more convolutions."""
    return _vgg(19, resolution, num_classes)


def linear_softmax(resolution: int = 224, num_classes: int = 10) -> Table:
    """The dumbest model that learns: one fully connected layer on all pixels, trained by softmax and cross-entropy."""
    check(1.0, resolution, num_classes)
    builder = Builder(resolution)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    return builder.table(f"Linear softmax, {resolution}×{resolution}")


def perceptron(resolution: int = 224, num_classes: int = 10) -> Table:
    """A multilayer perceptron: all pixels, a hidden layer of 64 with ReLU, the classifier."""
    check(1.0, resolution, num_classes)
    builder = Builder(resolution)
    builder.add("hidden", "linear", 64, bias=True)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    return builder.table(f"Perceptron, {resolution}×{resolution}")


def _resnet(depth: int, resolution: int, num_classes: int) -> Table:
    check(1.0, resolution, num_classes)
    builder = Builder(resolution)
    builder.add("stem", "conv", 64, kernel_size=7, stride=2)
    builder.add("stem_pool", "max_pool", 64, stride=2)
    for stage, repeats in enumerate(RESNET_STAGES[depth], start=1):
        for repeat in range(1, repeats + 1):
            builder.add(
                f"stage{stage}_{repeat}",
                "residual",
                256 * 2 ** (stage - 1),
                stride=2 if stage > 1 and repeat == 1 else 1,
                expansion=4,
                shortcut="projection" if repeat == 1 else "identity",
            )
    builder.add("pool", "pool", builder.channels)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    return builder.table(f"ResNet{depth}, {resolution}×{resolution}")


def _vgg(depth: int, resolution: int, num_classes: int) -> Table:
    check(1.0, resolution, num_classes)
    if resolution < 32:
        raise ValueError(f"resolution must be at least 32 for VGG{depth}'s five pools, not {resolution}")
    builder = Builder(resolution)
    for stage, (repeats, channels) in enumerate(zip(VGG_STAGES[depth], (64, 128, 256, 512, 512), strict=True), start=1):
        for repeat in range(1, repeats + 1):
            builder.add(f"conv{stage}_{repeat}", "conv", channels, batch_norm=False, bias=True)
        builder.add(f"pool{stage}", "max_pool", channels, kernel_size=2, stride=2)
    builder.add("pool", "pool", 512, grid=7)
    builder.add("fc1", "linear", 4096, bias=True, dropout=0.5)
    builder.add("fc2", "linear", 4096, bias=True, dropout=0.5)
    builder.add("classifier", "linear", num_classes, bias=True, activation="none")
    return builder.table(f"VGG{depth}, {resolution}×{resolution}")


ARTICLE: dict[str, Callable[..., Table]] = {
    "mobilenet_v1": architectures.mobilenet_v1,
    "mobilenet_v2": architectures.mobilenet_v2,
    "article_mobilenet_v2": article_mobilenet_v2,
    "resnet50": resnet50,
    "resnet152": resnet152,
    "vgg16": vgg16,
    "vgg19": vgg19,
}
# What figures and tables call a network.
TITLES = {
    **{"mobilenet_v1": "V1", "mobilenet_v2": "V2", "article_mobilenet_v2": "article's V2"},
    **{"resnet50": "ResNet50", "resnet152": "ResNet152", "vgg16": "VGG16", "vgg19": "VGG19"},
    **{"linear_softmax": "linear softmax", "perceptron": "perceptron"},
}
TABLES: dict[str, Callable[..., Table]] = {**ARTICLE, "linear_softmax": linear_softmax, "perceptron": perceptron}
