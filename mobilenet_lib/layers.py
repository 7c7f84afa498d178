"""The building blocks of MobileNet V1 and V2, and of the networks beside them, as Paddle layers.

Shapes in comments are [batch, channels, height, width]. Introduced in lesson 04 (V1) and lesson 06 (V2).
"""

from __future__ import annotations

from mobilenet_lib._support.paddle import paddle

nn = paddle.nn

_ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6}


class ConvBNReLU(nn.Sequential):
    """Convolution → batch norm → activation; the activation is left out where it is "none".

    groups = in_channels makes the convolution depthwise. The padding keeps the size at stride 1, so kernel_size must be
    odd. Raises ValueError for an even kernel, an unknown activation, or groups that do not divide the channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        activation: str = "relu",
        bias: bool = False,
        batch_norm: bool = True,
    ) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, so that the padding is equal on both sides, not {kernel_size}")
        if activation != "none" and activation not in _ACTIVATIONS:
            raise ValueError(f'activation must be "relu", "relu6" or "none", not {activation!r}')
        if in_channels % groups or out_channels % groups:
            raise ValueError(f"groups={groups} must divide in_channels={in_channels} and out_channels={out_channels}")
        layers = [
            nn.Conv2D(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding=kernel_size // 2,
                groups=groups,
                # Paddle's default initialiser ignores groups and leaves a depthwise layer's output near zero; this one
                # draws from the number of inputs that really feed an output.
                weight_attr=nn.initializer.KaimingNormal(),
                bias_attr=None if bias else False,  # None is Paddle's word for an ordinary bias
            )
        ]
        if batch_norm:
            layers.append(nn.BatchNorm2D(out_channels))
        if activation != "none":
            layers.append(_ACTIVATIONS[activation]())
        super().__init__(*layers)


class DepthwiseSeparable(nn.Layer):
    """MobileNet V1's block: a depthwise 3×3, then a pointwise 1×1, each with batch norm and ReLU (V1 paper, figure 3).

    kernel_size: of the depthwise part.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3, activation: str = "relu"
    ) -> None:
        super().__init__()
        self.depthwise = ConvBNReLU(
            in_channels, in_channels, kernel_size, stride, groups=in_channels, activation=activation
        )
        self.pointwise = ConvBNReLU(in_channels, out_channels, 1, activation=activation)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        x = self.depthwise(x)  # [batch, in_channels, height / stride, width / stride]
        return self.pointwise(x)  # [batch, out_channels, height / stride, width / stride]


class InvertedResidual(nn.Layer):
    """MobileNet V2's block: expand 1×1, filter depthwise 3×3, project 1×1 without activation (V2 paper, Table 1).

    expand: whether the 1×1 expansion is there; the paper leaves it out where expansion is 1. shortcut: "identity" adds
    the input to the output, which needs stride 1 and equal channels; "projection" sends it through a 1×1 convolution
    first (not in the paper); "none". By default both follow the paper's rules. linear=False puts the activation behind
    the projection too, before the sum. Raises ValueError for a shortcut between unequal shapes.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        expansion: int = 6,
        expand: bool | None = None,
        shortcut: str | None = None,
        kernel_size: int = 3,
        activation: str = "relu6",
        bias: bool = False,
        linear: bool = True,
    ) -> None:
        super().__init__()
        same_shape = stride == 1 and in_channels == out_channels
        expand = expansion != 1 if expand is None else expand
        shortcut = ("identity" if same_shape else "none") if shortcut is None else shortcut
        if shortcut == "identity" and not same_shape:
            raise ValueError(
                f"a shortcut adds input to output, so both need one shape: stride={stride} must be 1 and "
                f"in_channels={in_channels} must equal out_channels={out_channels}"
            )
        if shortcut == "projection" and stride != 1:
            raise ValueError(f"a projection shortcut is built for stride 1 only, not stride={stride}")
        hidden = in_channels * expansion
        self.expand = ConvBNReLU(in_channels, hidden, 1, activation=activation, bias=bias) if expand else None
        self.depthwise = ConvBNReLU(
            hidden, hidden, kernel_size, stride, groups=hidden, activation=activation, bias=bias
        )
        self.project = ConvBNReLU(hidden, out_channels, 1, activation="none" if linear else activation, bias=bias)
        self.shortcut = shortcut
        if shortcut == "projection":
            self.shortcut_projection = ConvBNReLU(in_channels, out_channels, 1, activation="none", bias=bias)

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        # [batch, expansion · in_channels, height, width]
        out = x if self.expand is None else self.expand(x)
        # [batch, expansion · in_channels, height / stride, width / stride]
        out = self.depthwise(out)
        # [batch, out_channels, height / stride, width / stride]
        out = self.project(out)
        if self.shortcut == "identity":
            return x + out
        if self.shortcut == "projection":
            return self.shortcut_projection(x) + out
        return out


class ResidualBottleneck(nn.Layer):
    """ResNet's block: reduce 1×1, 3×3, expand 1×1, add the input, ReLU (arXiv 1512.03385, figure 5, right).

    shortcut: "identity" adds the input as it is, "projection" after a 1×1 convolution with the block's stride. The 3×3
    convolution is the one that strides, as in `paddle.vision`.
    """

    def __init__(
        self, in_channels: int, hidden_channels: int, out_channels: int, stride: int = 1, shortcut: str = "identity"
    ) -> None:
        super().__init__()
        self.reduce = ConvBNReLU(in_channels, hidden_channels, 1)
        self.conv = ConvBNReLU(hidden_channels, hidden_channels, 3, stride)
        self.expand = ConvBNReLU(hidden_channels, out_channels, 1, activation="none")
        self.shortcut = shortcut
        if shortcut == "projection":
            self.shortcut_projection = ConvBNReLU(in_channels, out_channels, 1, stride, activation="none")
        self.relu = nn.ReLU()

    def forward(self, x: paddle.Tensor) -> paddle.Tensor:
        out = self.conv(self.reduce(x))  # [batch, hidden_channels, height / stride, width / stride]
        out = self.expand(out)  # [batch, out_channels, height / stride, width / stride]
        return self.relu(out + (self.shortcut_projection(x) if self.shortcut == "projection" else x))


class FullyConnected(nn.Sequential):
    """VGG's hidden layers: flatten → fully connected → ReLU → dropout, which zeroes that fraction in training."""

    def __init__(self, in_features: int, out_features: int, dropout: float) -> None:
        super().__init__(nn.Flatten(), nn.Linear(in_features, out_features), nn.ReLU(), nn.Dropout(dropout))
