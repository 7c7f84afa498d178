"""Fixed-point rounding: what is left of a number, of a network's activations, and of its weights, with few bits.

The rounding is simulated: a value is moved to the nearest level that an integer could stand for, and stays a float.
So the accuracy is that of the integers; time and memory are not.

Introduced in lesson 10.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib._support.arguments import whole_number

if TYPE_CHECKING:
    import paddle

    from mobilenet_lib.data.image_sets import ImageSet


def quantise(values: np.ndarray | float, bits: int, largest: float) -> np.ndarray:
    """Each value moved to the nearest of 2^bits evenly spaced levels from 0 to `largest`.

    What lies outside goes to the nearer end. The levels are `step` = largest / (2^bits − 1) apart, so a value in range
    moves by half a step at most. ValueError for bits that are no positive whole number, or a `largest` not above zero.
    """
    top = 2 ** whole_number("bits", bits) - 1  # the largest integer that `bits` bits can hold
    if not 0 < largest < float("inf"):
        raise ValueError(f"largest must be a number above zero, not {largest!r}")
    step = largest / top
    return np.clip(np.rint(np.asarray(values) / step), 0, top) * step


def quantise_weights(weights: np.ndarray, bits: int, per_channel: bool) -> np.ndarray:
    """Weights [out, …] moved to the nearest of 2^bits − 1 levels, evenly spaced from −largest to +largest.

    largest: that of the whole tensor, or, with per_channel, of each output channel by itself. ValueError for fewer than
    two bits, which leave no level but zero.
    """
    top = 2 ** (whole_number("bits", bits, minimum=2) - 1) - 1
    axes = tuple(range(1, weights.ndim)) if per_channel else None
    step = np.abs(weights).max(axis=axes, keepdims=True) / top
    step = np.where(step > 0, step, 1)  # a channel of zeros has no range and stays as it is
    return np.rint(weights / step) * step


def activation_ranges(model: paddle.nn.Layer, images: ImageSet, percentile: float = 100.0) -> dict[str, float]:
    """The largest output of every ReLU and ReLU6 of `model` on `images` (a calibration), by the layer's name.

    percentile: 100 is the largest; 99.9, above 0 and at most 100 (else ValueError), leaves a layer's largest thousandth
    out. A layer that is silent on all images gets 1, since zero is exact in any range.
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be above 0 and at most 100, not {percentile!r}")
    found = activations(model, images)
    return {name: float(np.percentile(values, percentile)) or 1.0 for name, values in found.items()}


def activations(model: paddle.nn.Layer, images: ImageSet) -> dict[str, np.ndarray]:
    """The outputs of every ReLU and ReLU6 of `model` on `images`, by the layer's name: [N, channels, height, width].

    All are kept at once: give some hundred images, not a whole data set.
    """
    from mobilenet_lib import training

    seen: dict[str, list[np.ndarray]] = defaultdict(list)
    with _after_activations(model, lambda name, output: seen[name].append(output.numpy())):
        training.evaluate(model, images)
    return {name: np.concatenate(batches) for name, batches in seen.items()}


@contextmanager
def rounded_activations(model: paddle.nn.Layer, bits: int, largest: float | Mapping[str, float]) -> Iterator[None]:
    """Within this context, the output of every ReLU and ReLU6 of `model` is rounded by `quantise`.

    largest: the range of all layers, or of each by its name, as `activation_ranges` gives them. Everything else stays
    in floating point. The hooks that do it are taken away at the end, also after an error.
    """
    from mobilenet_lib._support.paddle import paddle

    def rounded(name: str, output: paddle.Tensor) -> paddle.Tensor:
        its_largest = largest[name] if isinstance(largest, Mapping) else largest
        return paddle.to_tensor(quantise(output.numpy(), bits, its_largest).astype("float32"))

    with _after_activations(model, rounded):
        yield


@contextmanager
def _after_activations(model: paddle.nn.Layer, function: Callable[[str, paddle.Tensor], Any]) -> Iterator[None]:
    """Call function(name, output) after every ReLU and ReLU6; what it returns, if anything, replaces the output."""
    from mobilenet_lib._support.paddle import paddle

    kinds = (paddle.nn.ReLU, paddle.nn.ReLU6)
    found = [(name, layer) for name, layer in model.named_sublayers() if isinstance(layer, kinds)]
    if not found:
        raise ValueError(
            "the model has no ReLU or ReLU6 layer. Activations called as functions (nn.functional.relu) cannot be "
            "found; build the model with layers."
        )
    with ExitStack() as undo:
        for name, layer in found:
            hook = layer.register_forward_post_hook(lambda _, __, output, name=name: function(name, output))
            undo.callback(hook.remove)
        yield
