"""Fold a batch norm into the convolution before it: one layer less, the same outputs in eval mode.

In eval mode a batch norm multiplies each channel by a number and adds another (Ioffe and Szegedy, arXiv 1502.03167,
algorithm 2, step 11). A convolution is linear, so its weights and its bias can do both.

Introduced in lesson 10.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import paddle


def fold_batch_norm(
    weight: np.ndarray, mean: np.ndarray, variance: np.ndarray, scale: np.ndarray, shift: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """Weight and bias of the one convolution that equals a convolution without bias and the batch norm behind it.

    weight: [out, in / groups, k, k]. mean, variance: the running statistics, [out]. scale, shift: what the batch norm
    has learned (γ and β of its paper), [out]. epsilon: what it adds to the variance. Returns arrays of the shapes of
    `weight` and `mean`.
    """
    factor = scale / np.sqrt(variance + epsilon)  # [out]
    return weight * factor[:, None, None, None], shift - mean * factor


def fold(model: paddle.nn.Layer) -> paddle.nn.Layer:
    """A copy of `model` in eval mode in which every batch norm directly behind a convolution is folded into it.

    Looks into every `nn.Sequential` of the model. The copy gives the same outputs up to rounding; it is for use, not
    for training on. The model itself stays as it was. ValueError where nothing can be folded.
    """
    from mobilenet_lib._support.paddle import paddle

    nn = paddle.nn
    folded = copy.deepcopy(model)
    folded.eval()
    before = len(folded.sublayers())
    for sequence in folded.sublayers(include_self=True):
        children = list(sequence.named_children()) if isinstance(sequence, nn.Sequential) else []
        for (_, conv), (name, norm) in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2D) and isinstance(norm, nn.BatchNorm2D):
                _fold_pair(conv, norm)
                del sequence._sub_layers[name]
    if len(folded.sublayers()) == before:
        raise ValueError(
            "the model has no batch norm directly behind a convolution in an nn.Sequential: there is nothing to fold"
        )
    return folded


def dead_channels(model: paddle.nn.Layer) -> dict[str, np.ndarray]:
    """The channels that never change, by the name of their depthwise block: where ε outweighs the running variance.

    A depthwise channel whose input is always 0 has a variance of 0. Only blocks with such channels are listed.
    """
    found = {name: _dead(norm) for name, norm in _depthwise_norms(model)}
    return {name: dead for name, dead in found.items() if dead.size}


def repair(model: paddle.nn.Layer) -> paddle.nn.Layer:
    """A copy in which every dead channel has the mean variance of its layer's living ones, so that it folds harmlessly.

    Its input is 0 and its mean is 0, so no output changes. Source: T. Sheng and others, arXiv 1803.08607.
    """
    repaired = copy.deepcopy(model)
    for _, norm in _depthwise_norms(repaired):
        variance, dead = norm._variance.numpy(), _dead(norm)
        if 0 < dead.size < variance.size:
            variance[dead] = np.delete(variance, dead).mean()
            norm._variance.set_value(variance)
    return repaired


def _dead(norm: paddle.nn.BatchNorm2D) -> np.ndarray:
    return np.flatnonzero(norm._variance.numpy() < norm._epsilon)


def _depthwise_norms(model: paddle.nn.Layer) -> Iterator[tuple[str, paddle.nn.BatchNorm2D]]:
    """Each batch norm directly behind a depthwise convolution in an `nn.Sequential`, by the name of the latter."""
    from mobilenet_lib._support.paddle import paddle

    nn = paddle.nn
    for name, sequence in model.named_sublayers():
        children = sequence.children() if isinstance(sequence, nn.Sequential) else ()
        for conv, norm in itertools.pairwise(children):
            if isinstance(conv, nn.Conv2D) and isinstance(norm, nn.BatchNorm2D) and conv._groups > 1:
                yield name, norm


def _fold_pair(conv: paddle.nn.Conv2D, norm: paddle.nn.BatchNorm2D) -> None:
    """Give `conv` the weights and the bias that make `norm` superfluous."""
    channels = conv.weight.shape[0]
    scale = np.ones(channels, "float32") if norm.weight is None else norm.weight.numpy()
    shift = np.zeros(channels, "float32") if norm.bias is None else norm.bias.numpy()
    mean = norm._mean.numpy()
    if conv.bias is None:
        conv.bias = conv.create_parameter([channels], is_bias=True)
    else:
        mean = mean - conv.bias.numpy()  # (x + bias) − mean = x − (mean − bias)
    weight, bias = fold_batch_norm(conv.weight.numpy(), mean, norm._variance.numpy(), scale, shift, norm._epsilon)
    conv.weight.set_value(weight.astype("float32"))
    conv.bias.set_value(bias.astype("float32"))
