"""Networks as Paddle layers, built from the tables of `architectures`, and one registry with the baselines.

Introduced in lesson 04 (V1) and lesson 06 (V2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mobilenet_lib import architectures
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Block, Table
from mobilenet_lib.layers import ConvBNReLU, DepthwiseSeparable, InvertedResidual

nn = paddle.nn

MOST_PARAMS = 500_000_000  # 2 GB; the largest network of the course, VGG19, has 144 million


class TableNetwork(nn.Layer):
    """A network built block by block from a table of `mobilenet_lib.architectures`.

    Input [batch, 3, height, width]; output [batch, num_classes], one score (logit) per class. The last block of the
    table is the classifier. Raises ValueError for an input of another shape, and for more than MOST_PARAMS weights.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        if table.params > MOST_PARAMS:
            raise ValueError(
                f"{table.name} has {table.params:,} weights, {table.params * 4 / 1e9:,.0f} GB; at most {MOST_PARAMS:,} are "
                "built. Its table gives shapes and costs without building anything; to build it, choose a smaller width"
            )
        self.table = table
        *blocks, classifier = table.blocks
        self.features = nn.Sequential(*[(block.name, layer_of(block)) for block in blocks])
        self.classifier = layer_of(classifier)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"expected images of shape [batch, 3, height, width], not {list(images.shape)}: "
                "add a batch dimension to a single picture, and give grey pictures three equal channels"
            )
        x = self.features(images)  # [batch, channels, 1, 1]
        x = paddle.flatten(x, start_axis=1)  # [batch, channels]
        return self.classifier(x)  # [batch, num_classes]


class MobileNetV1(TableNetwork):
    """MobileNet V1 (arXiv 1704.04861, Table 1). Arguments as `architectures.mobilenet_v1`."""

    def __init__(
        self,
        width_multiplier: float = 1.0,
        resolution: int = 224,
        num_classes: int = 1000,
        stem_stride: int = 2,
        **variant: Any,
    ) -> None:
        super().__init__(architectures.mobilenet_v1(width_multiplier, resolution, num_classes, stem_stride, **variant))


class MobileNetV2(TableNetwork):
    """MobileNet V2 (arXiv 1801.04381, Table 2). Arguments as `architectures.mobilenet_v2`."""

    def __init__(
        self,
        width_multiplier: float = 1.0,
        resolution: int = 224,
        num_classes: int = 1000,
        stem_stride: int = 2,
        **variant: Any,
    ) -> None:
        super().__init__(architectures.mobilenet_v2(width_multiplier, resolution, num_classes, stem_stride, **variant))


class ArticleMobileNetV2(TableNetwork):
    """The seed article's own MobileNet V2, which is not the paper's. Arguments as `architectures.article_mobilenet_v2`."""

    def __init__(self, resolution: int = 224, num_classes: int = 10) -> None:
        super().__init__(architectures.article_mobilenet_v2(resolution, num_classes))


def layer_of(block: Block) -> nn.Layer:
    """The Paddle layer of one block of a table."""
    if block.kind == "conv":
        return ConvBNReLU(
            block.in_channels,
            block.out_channels,
            block.kernel_size,
            block.stride,
            activation=block.activation,
            bias=block.bias,
            batch_norm=block.batch_norm,
        )
    if block.kind == "separable":
        return DepthwiseSeparable(
            block.in_channels, block.out_channels, block.stride, block.kernel_size, block.activation
        )
    if block.kind == "bottleneck":
        return InvertedResidual(
            block.in_channels,
            block.out_channels,
            block.stride,
            block.expansion,
            block.expand,
            block.shortcut,
            block.kernel_size,
            block.activation,
            block.bias,
            block.linear,
        )
    if block.kind == "pool" and not block.windows:
        return nn.AdaptiveAvgPool2D(1)  # the whole map, whatever its size
    if block.kind == "pool":
        return nn.Sequential(*[nn.AvgPool2D(window) for window in block.windows])
    if block.kind == "linear":
        return nn.Linear(block.in_channels, block.out_channels)
    raise ValueError(f"no layer for a block of kind {block.kind!r}")


NAMES = ("mobilenet_v1", "mobilenet_v2", "article_mobilenet_v2", "resnet50", "resnet152", "vgg16", "vgg19")


def build(
    name: str,
    num_classes: int = 10,
    width_multiplier: float = 1.0,
    resolution: int = 224,
    stem_stride: int | None = None,
    **variant: Any,
) -> nn.Layer:
    """A network of the course by name, untrained.

    mobilenet_v1 and mobilenet_v2 are ours, built from the papers' tables; article_mobilenet_v2 is the seed article's own
    variant; resnet50, resnet152, vgg16 and vgg19 come from `paddle.vision`. stem_stride: default 2, or 1 for pictures of
    at most 64 pixels, which a stride-2 stem would shrink to a single 1×1 map. variant: other arguments of
    `architectures.mobilenet_v1` and `mobilenet_v2`, such as activation="relu6" or linear=False. Raises ValueError for an
    unknown name, and for a width, a stem stride or a variant given to a network that has none.
    """
    whole_number("num_classes", num_classes)
    whole_number("resolution", resolution)
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, not {name!r}")
    if name in ("mobilenet_v1", "mobilenet_v2"):
        stride = stem_stride or (1 if resolution <= 64 else 2)
        network = MobileNetV1 if name == "mobilenet_v1" else MobileNetV2
        return network(width_multiplier, resolution, num_classes, stride, **variant)
    if width_multiplier != 1.0 or stem_stride is not None or variant:
        raise ValueError(f"{name} has neither width_multiplier nor stem_stride nor variants: leave them out")
    if name == "article_mobilenet_v2":
        return ArticleMobileNetV2(resolution, num_classes)
    baseline: Callable[..., nn.Layer] = getattr(paddle.vision.models, name)
    return baseline(num_classes=num_classes)
