"""The networks of the course in PyTorch, block by block from their tables.

Shapes in comments are [batch, channels, height, width]. First weights are drawn as `mobilenet_lib.models` draws them:
He's normal distribution for convolutions, from the inputs that really feed an output, Glorot's uniform one for fully
connected layers, biases of 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import nn

from mobilenet_lib.architectures import Block, Table

_ACTIVATIONS = {"relu": nn.ReLU, "relu6": nn.ReLU6}


def build(table: Table, default_init: bool = False) -> nn.Sequential:
    """The network of a table, with first weights from PyTorch's generator; input [N, 3, resolution, resolution].

    default_init: depthwise filters as Paddle draws them by default, see `training.plans`.
    """
    model = nn.Sequential(*[_layer_of(block) for block in table.blocks])
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if default_init and module.groups > 1:
                module.weight.data /= math.sqrt(module.groups)
        elif isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return model


class _Sum(nn.Module):
    """A block beside its shortcut."""

    def __init__(self, parts: nn.Module, shortcut: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.parts, self.shortcut, self.last = parts, shortcut, last

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.parts(x) + self.shortcut(x))


def _layer_of(block: Block) -> nn.Module:
    if block.kind == "conv":
        return _conv(block, block.in_channels, block.out_channels, block.kernel_size, block.stride)
    if block.kind in ("separable", "bottleneck", "residual"):
        return _with_shortcut(block, nn.Sequential(*_parts(block)))
    if block.kind == "max_pool":
        return nn.MaxPool2d(block.kernel_size, block.stride, (block.kernel_size - 1) // 2)
    if block.kind == "pool":
        pools = [nn.AvgPool2d(window) for window in block.windows] or [nn.AdaptiveAvgPool2d(block.grid)]
        return nn.Sequential(*pools)
    linear = nn.Linear(block.in_channels * block.input_size**2, block.out_channels)
    hidden = () if block.activation == "none" else (nn.ReLU(inplace=True), nn.Dropout(block.dropout))
    return nn.Sequential(nn.Flatten(), linear, *hidden)


def _parts(block: Block) -> Iterator[nn.Module]:
    """The convolutions of a block one after another, without its shortcut."""
    inputs, hidden, outputs = block.in_channels, block.hidden_channels, block.out_channels
    last = "none" if block.linear else block.activation
    if block.kind == "separable":
        yield _conv(block, inputs, inputs, block.kernel_size, block.stride, groups=inputs)
        yield _conv(block, inputs, outputs)
    elif block.kind == "bottleneck":
        if block.expand:
            yield _conv(block, inputs, hidden)
        yield _conv(block, hidden, hidden, block.kernel_size, block.stride, groups=hidden)
        yield _conv(block, hidden, outputs, activation=last)
    else:
        yield _conv(block, inputs, hidden)
        yield _conv(block, hidden, hidden, block.kernel_size, block.stride)
        yield _conv(block, hidden, outputs, activation="none")


def _with_shortcut(block: Block, parts: nn.Module) -> nn.Module:
    if block.shortcut == "none":
        return parts
    shortcut = nn.Identity()
    if block.shortcut == "projection":
        shortcut = _conv(block, block.in_channels, block.out_channels, 1, block.stride, activation="none")
    return _Sum(parts, shortcut, nn.ReLU(inplace=True) if block.kind == "residual" else nn.Identity())


def _conv(
    block: Block,
    inputs: int,
    outputs: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: str | None = None,
) -> nn.Sequential:
    """Convolution, batch norm and activation, as far as the block has them."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=block.bias)]
    if block.batch_norm:
        layers.append(nn.BatchNorm2d(outputs))
    kind = _ACTIVATIONS.get(activation or block.activation)
    return nn.Sequential(*layers, *([kind(inplace=True)] if kind else []))
