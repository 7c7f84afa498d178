"""How long single layers take: each layer inside a network, and a layer on its own beside the roofline.

Introduced in lesson 07.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib import cost
from mobilenet_lib._support.arguments import one_of, whole_number
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Row
from mobilenet_lib.experiments.inference import check_one_input, one_tensor, predictor
from mobilenet_lib.experiments.speed import roofline
from mobilenet_lib.experiments.speed.timing import latencies, random_images, take_threads

if TYPE_CHECKING:
    import pandas as pd

nn = paddle.nn

_OTHER_KINDS = {
    (nn.BatchNorm2D, nn.BatchNorm): "batch norm",
    (nn.ReLU, nn.ReLU6): "activation",
    (nn.Linear,): "linear",
    (nn.AdaptiveAvgPool2D, nn.AvgPool2D, nn.MaxPool2D): "pool",
}
CHAINED = ("conv", "pointwise", "depthwise")
RUNNERS = ("dynamic", "paddle.inference")  # the dynamic graph, and a runtime
COPIES = 8  # of a layer in a row, so that giving the images and fetching the result weigh little


def by_layer(
    model: paddle.nn.Layer, image_shape: tuple[int, int, int] = (3, 224, 224), *, warm_up: int = 2, repeats: int = 5
) -> pd.DataFrame:
    """Milliseconds of each layer without sub-layers in the dynamic graph on a CPU: its median over `repeats` calls.

    Columns: name, kind ("depthwise", "pointwise", "conv", "batch norm", "activation", "linear", "pool", "other"), ms.
    Hooks read the clock before and after each layer. They cost some microseconds, and sums outside layers (shortcuts)
    have no row. On a GPU this would measure launches only, because there a layer returns before its work is done.
    Raises ValueError as `timing.latency` does.
    """
    import pandas as pd

    whole_number("repeats", repeats)
    images = random_images(image_shape, 1)
    check_one_input(model)
    leaves = {name: (layer, []) for name, layer in model.named_sublayers() if not layer.sublayers()}
    with ExitStack() as undo:
        undo.enter_context(eval_mode(model))
        undo.enter_context(paddle.no_grad())
        for layer, seconds in leaves.values():
            begin, end = _stopwatch(seconds)
            undo.callback(layer.register_forward_pre_hook(begin).remove)
            undo.callback(layer.register_forward_post_hook(end).remove)
        take_threads()
        for _ in range(warm_up + repeats):
            one_tensor(model(images))
    rows = [
        {"name": name, "kind": _kind(layer), "ms": 1000 * float(np.median(seconds[-repeats:]))}
        for name, (layer, seconds) in leaves.items()
        if seconds
    ]
    return pd.DataFrame(rows)


def chain(kind: str, channels: int, copies: int = COPIES) -> nn.Sequential:
    """`copies` equal convolutions in a row, from `channels` to `channels` at stride 1, no batch norm, no activation.

    kind: "conv" (3×3), "pointwise" (1×1) or "depthwise" (3×3). Raises ValueError for another kind.
    """
    one_of("kind", kind, CHAINED)
    whole_number("channels", channels)
    whole_number("copies", copies)
    row = row_of(kind, channels, 1)
    form = {"padding": row.kernel_size // 2, "groups": channels if kind == "depthwise" else 1}
    start = {"weight_attr": nn.initializer.KaimingNormal(), "bias_attr": False}
    return nn.Sequential(*[nn.Conv2D(channels, channels, row.kernel_size, **form, **start) for _ in range(copies)])


def row_of(kind: str, channels: int, size: int) -> Row:
    """One layer of `chain` on a feature map of size × size, as a row of the cost table."""
    kernel_size = 1 if kind == "pointwise" else 3
    price = cost.conv2d(channels, channels, kernel_size, size, groups=channels if kind == "depthwise" else 1)
    return Row(kind, kind, (channels, size, size), 1, price, kernel_size=kernel_size)


def measure_layers(
    shapes: Sequence[tuple[int, int]], runtimes: Sequence[str] = RUNNERS, kinds: Sequence[str] = CHAINED, **options: Any
) -> pd.DataFrame:
    """Time layers on their own, a row per shape, kind and runtime.

    A layer's time is an eighth of that of a chain of eight.

    Args:
        shapes: pairs (channels, size of the feature map).
        runtimes, kinds: of `RUNNERS` and of `CHAINED`. options: as `timing.measure_in_turns`.

    Returns a frame with kind, channels, size, runtime, threads, ms (median), low and high (its 95 % confidence
    interval), macs, intensity (MACs per byte), gmacs_per_second. Raises ValueError for an unknown runtime or kind.
    """
    import pandas as pd

    rows = []
    for (channels, size), kind in itertools.product(shapes, kinds):
        network, row = chain(kind, channels), row_of(kind, channels, size)
        runners = {runtime: _runner(runtime, network, row.input_shape) for runtime in runtimes}
        for runtime, timing in latencies(runners, row.input_shape, **options).items():
            layer = {"kind": kind, "channels": channels, "size": size, "runtime": runtime, "threads": timing.threads}
            layer |= {name: timing.row()[name] / COPIES for name in ("ms", "low", "high")}
            layer |= {"macs": row.macs, "intensity": roofline.intensity(row)}
            rows.append({**layer, "gmacs_per_second": row.macs / layer["ms"] / 1e6})
    return pd.DataFrame(rows)


def _runner(runtime: str, network: nn.Layer, shape: tuple[int, int, int]) -> Any:
    if runtime not in RUNNERS:
        raise ValueError(f'runtime must be "dynamic" or "paddle.inference", not {runtime!r}')
    return network if runtime == "dynamic" else predictor(network, shape)


def _stopwatch(seconds: list[float]) -> tuple[Callable[..., None], Callable[..., None]]:
    """Hooks for before and after a layer, which add its seconds."""
    begun: list[float] = []
    now = time.perf_counter
    return lambda *_: begun.append(now()), lambda *_: seconds.append(now() - begun.pop())


def _kind(layer: paddle.nn.Layer) -> str:
    if isinstance(layer, nn.Conv2D):
        if layer._groups > 1:
            return "depthwise"
        return "pointwise" if tuple(layer._kernel_size) == (1, 1) else "conv"
    return next((kind for classes, kind in _OTHER_KINDS.items() if isinstance(layer, classes)), "other")
