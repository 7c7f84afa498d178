"""Networks as Paddle layers, each built from its table, and `build`, which finds one by name.

A network is its table (`architectures.mobilenet_v1`, `architectures.mobilenet_v2`, others in `baselines`) with every
block turned into a layer of `layers` by `layer_of`; V2's block is `layers.InvertedResidual`.

Introduced in lesson 04 (V1) and lesson 06 (V2).
"""

from __future__ import annotations

import inspect
import math
from typing import Any

from mobilenet_lib import architectures, baselines
from mobilenet_lib._support.arguments import one_of, whole_number
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Block, Table
from mobilenet_lib.layers import ConvBNReLU, DepthwiseSeparable, FullyConnected, InvertedResidual, ResidualBottleneck

nn = paddle.nn

MOST_PARAMS = 500_000_000  # 2 GB; the largest network of the course, VGG19, has 144 million


class TableNetwork(nn.Layer):
    """A network built block by block from a table of `architectures` or `baselines`.

    Input [batch, 3, height, width]; output [batch, num_classes], one score (logit) per class. The last block of the
    table is the classifier. Raises ValueError for an input of another shape, and for more than MOST_PARAMS weights.
    """

    def __init__(self, table: Table) -> None:
        super().__init__()
        if table.params > MOST_PARAMS:
            raise ValueError(
                f"{table.name} has {table.params:,} weights, {table.params * 4 / 1e9:,.0f} GB; at most {MOST_PARAMS:,} "
                "are built. Its table gives shapes and costs without building anything; to build it, choose a smaller "
                "width"
            )
        self.table = table
        *blocks, classifier = table.blocks
        self.features = nn.Sequential(*[(block.name, layer_of(block)) for block in blocks])
        self.classifier = layer_of(classifier)

    def forward(self, images: paddle.Tensor) -> paddle.Tensor:
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"expected images of shape [batch, 3, height, width], not {list(images.shape)}: "
                "add a batch dimension to a single image, and give grey images three equal channels"
            )
        x = self.features(images)  # [batch, channels, 1, 1], or [batch, features] behind a fully connected layer
        x = paddle.flatten(x, start_axis=1)  # [batch, features]
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
    """The article's own MobileNet V2, which is not the paper's. Arguments as `baselines.article_mobilenet_v2`."""

    def __init__(self, *arguments: int, **named: Any) -> None:
        super().__init__(baselines.article_mobilenet_v2(*arguments, **named))


class ResNet50(TableNetwork):
    """ResNet50. Arguments as `baselines.resnet50`."""

    def __init__(self, *arguments: int, **named: int) -> None:
        super().__init__(baselines.resnet50(*arguments, **named))


class ResNet152(TableNetwork):
    """ResNet152. Arguments as `baselines.resnet152`."""

    def __init__(self, *arguments: int, **named: int) -> None:
        super().__init__(baselines.resnet152(*arguments, **named))


class VGG16(TableNetwork):
    """VGG16. Arguments as `baselines.vgg16`."""

    def __init__(self, *arguments: int, **named: int) -> None:
        super().__init__(baselines.vgg16(*arguments, **named))


class VGG19(TableNetwork):
    """VGG19. Arguments as `baselines.vgg19`."""

    def __init__(self, *arguments: int, **named: int) -> None:
        super().__init__(baselines.vgg19(*arguments, **named))


class LinearSoftmax(TableNetwork):
    """One fully connected layer. Arguments as `baselines.linear_softmax`."""

    def __init__(self, *arguments: int, **named: int) -> None:
        super().__init__(baselines.linear_softmax(*arguments, **named))


class Perceptron(TableNetwork):
    """One hidden layer. Arguments as `baselines.perceptron`."""

    def __init__(self, *arguments: int, **named: int) -> None:
        super().__init__(baselines.perceptron(*arguments, **named))


def layer_of(block: Block) -> nn.Layer:
    """The Paddle layer of one block of a table."""
    channels = block.in_channels, block.out_channels
    if block.kind == "conv":
        return ConvBNReLU(
            *channels,
            block.kernel_size,
            block.stride,
            activation=block.activation,
            bias=block.bias,
            batch_norm=block.batch_norm,
        )
    if block.kind == "separable":
        return DepthwiseSeparable(*channels, block.stride, block.kernel_size, block.activation)
    if block.kind == "bottleneck":
        return InvertedResidual(
            *channels,
            block.stride,
            block.expansion,
            block.expand,
            block.shortcut,
            block.kernel_size,
            block.activation,
            block.bias,
            block.linear,
        )
    if block.kind == "residual":
        return ResidualBottleneck(
            block.in_channels, block.hidden_channels, block.out_channels, block.stride, block.shortcut
        )
    if block.kind == "pool" and not block.windows:
        return nn.AdaptiveAvgPool2D(block.grid)  # the whole map, whatever its size
    if block.kind == "pool":
        return nn.Sequential(*[nn.AvgPool2D(window) for window in block.windows])
    if block.kind == "max_pool":
        return nn.MaxPool2D(block.kernel_size, block.stride, padding=(block.kernel_size - 1) // 2)
    if block.kind == "linear" and block.activation == "none":
        return nn.Linear(math.prod(block.input_shape), block.out_channels)
    if block.kind == "linear":
        return FullyConnected(math.prod(block.input_shape), block.out_channels, block.dropout)
    raise ValueError(f"no layer for a block of kind {block.kind!r}")


NETWORKS: dict[str, type[TableNetwork]] = {
    "mobilenet_v1": MobileNetV1,
    "mobilenet_v2": MobileNetV2,
    "article_mobilenet_v2": ArticleMobileNetV2,
    "resnet50": ResNet50,
    "resnet152": ResNet152,
    "vgg16": VGG16,
    "vgg19": VGG19,
    "linear_softmax": LinearSoftmax,
    "perceptron": Perceptron,
}
NAMES = tuple(NETWORKS)


def build(
    name: str,
    num_classes: int = 10,
    width_multiplier: float = 1.0,
    resolution: int = 224,
    stem_stride: int | None = None,
    **variant: Any,
) -> TableNetwork:
    """A network of the course by name, untrained, built from its table.

    Args:
        name: one of `NAMES`.
        num_classes: outputs of the network.
        width_multiplier: α of mobilenet_v1 and mobilenet_v2; the other networks have none.
        resolution: height and width of the images in pixels.
        stem_stride: of the same two; default 2, or 1 for images of at most 64 pixels, which a stride of 2 would shrink
            to a single 1×1 feature map.
        variant: other arguments of the network's table, such as activation="relu6" or linear=False; of the article's V2
            its `deviations`.

    Raises:
        ValueError: for an unknown name, and for a width, a stem stride or a variant given to a network that has none.
    """
    whole_number("num_classes", num_classes)
    whole_number("resolution", resolution)
    one_of("name", name, NAMES)
    numbers = {"resolution": resolution, "num_classes": num_classes}
    if "stem_stride" in inspect.signature(NETWORKS[name]).parameters:
        numbers["stem_stride"] = stem_stride or (1 if resolution <= 64 else 2)
        return NETWORKS[name](width_multiplier, **numbers, **variant)
    unknown = variant.keys() - ({"deviations"} if name == "article_mobilenet_v2" else set())
    if width_multiplier != 1.0 or stem_stride is not None or unknown:
        raise ValueError(f"{name} has neither width_multiplier nor stem_stride nor variants: leave them out")
    return NETWORKS[name](**numbers, **variant)
