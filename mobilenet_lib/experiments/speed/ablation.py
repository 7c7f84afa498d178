"""From the dynamic graph to an inference runtime in four steps, each with its own number; and what a launch costs.

Introduced in lesson 07.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.low_precision.folding import fold
from mobilenet_lib.experiments.speed import timing
from mobilenet_lib.experiments.speed.spread import spread

if TYPE_CHECKING:
    import pandas as pd

nn = paddle.nn

LAUNCHES = 100  # of an operation in a row, so that reading the clock weighs little


def runners(
    network: paddle.nn.Layer, image_shape: tuple[int, int, int] = (3, 224, 224), threads: int | None = None
) -> dict[str, paddle.nn.Layer | inference.Predictor]:
    """The same network in five forms with the same outputs, each with one thing more than the one before.

    "dynamic": Python calls a kernel for each layer. "folded": batch norms are in the convolutions' weights and biases.
    "no_python": the folded network saved, and run by `paddle.inference` with the same kernels and nothing rewritten.
    "onednn": the same with oneDNN's kernels, layer by layer. "paddle.inference": the network as it was, with all that
    the runtime does by itself. `steps.TITLES` has their titles. Arguments and errors as `inference.predictor`.
    """
    folded = fold(network)
    step = {"image_shape": image_shape, "threads": threads}
    return {
        "dynamic": network,
        "folded": folded,
        "no_python": inference.predictor(folded, onednn=False, passes=(), **step),
        "onednn": inference.predictor(folded, passes=("onednn_placement_pass",), **step),
        "paddle.inference": inference.predictor(network, **step),
    }


def launch_costs(**options: Any) -> pd.DataFrame:
    """Microseconds of single operations of the dynamic graph with next to nothing to compute: one spatial position.

    Columns: operation (as `counting.launches` names it), us (median), low, high (its 95 % confidence interval).
    options: warm_up, repeats, limit, as `timing.measure_in_turns`; a call there is `LAUNCHES` launches.
    """
    import pandas as pd

    layers, image = _smallest(), paddle.ones([1, 2, 1, 1])
    with paddle.no_grad():
        timings = timing.measure_in_turns({name: _often(layer, image) for name, layer in layers.items()}, **options)
    per_launch = {name: [1000 * ms / LAUNCHES for ms in one.rounds] for name, one in timings.items()}
    rows = [{"operation": name, **spread(microseconds)} for name, microseconds in per_launch.items()]
    return pd.DataFrame(rows).rename(columns={"ms": "us"})[["operation", "us", "low", "high"]]


def _smallest() -> dict[str, Any]:
    """A layer for each operation of V1 and V2, as they are and folded, for two channels and one spatial position."""
    layers = {
        "conv2d": nn.Conv2D(2, 2, 1, bias_attr=False),
        "depthwise_conv2d": nn.Conv2D(2, 2, 1, groups=2, bias_attr=False),
        "batch_norm": nn.BatchNorm2D(2),
        "relu": nn.ReLU(),
        "relu6": nn.ReLU6(),
        "pool2d": nn.AdaptiveAvgPool2D(1),
        "flatten_contiguous_range": nn.Flatten(),
    }
    for layer in layers.values():
        layer.eval()
    square = paddle.ones([2, 2])
    return {
        **layers,
        "elementwise_add": lambda image: image + image,
        "reshape": lambda image: image.reshape([1, 2, 1, 1]),
        "matmul_v2": lambda _: paddle.matmul(square, square),
    }


def _often(layer: Any, image: paddle.Tensor) -> Any:
    def run() -> None:
        for _ in itertools.repeat(None, LAUNCHES):
            layer(image)

    return run
