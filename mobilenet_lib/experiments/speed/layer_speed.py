"""How long single layers take: each layer inside a network, and a layer on its own beside the roofline.

Introduced in lesson 07.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib import cost
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Row
from mobilenet_lib.experiments.inference import predictor
from mobilenet_lib.experiments.speed import roofline
from mobilenet_lib.experiments.speed.timing import latencies, random_images

if TYPE_CHECKING:
    import pandas as pd

nn = paddle.nn

CHAINED = ("conv", "pointwise", "depthwise")
COPIES = 8  # of a layer in a row, so that giving the pictures and fetching the result weigh little


def by_layer(
    model: paddle.nn.Layer,
    image_shape: tuple[int, int, int] = (3, 224, 224),
    *,
    warm_up: int = 2,
    repeats: int = 5,
) -> pd.DataFrame:
    """Milliseconds of each layer without sub-layers in the dynamic graph on a CPU: its median over `repeats` calls.

    Columns: name, kind ("depthwise", "pointwise", "conv", "batch norm", "activation", "linear", "pool", "other"), ms. Hooks
    read the clock before and after each layer. They cost some microseconds, and sums outside layers (shortcuts) have no row.
    On a GPU this would measure launches only, because there a layer returns before its work is done.
    """
    import pandas as pd

    whole_number("repeats", repeats)
    images = random_images(image_shape, 1)
    leaves = [(name, layer) for name, layer in model.named_sublayers() if not layer.sublayers()]
    seconds: dict[str, list[float]] = {name: [] for name, _ in leaves}
    with ExitStack() as undo:
        undo.enter_context(eval_mode(model))
        undo.enter_context(paddle.no_grad())
        for name, layer in leaves:
            begin, end = _stopwatch(seconds[name])
            undo.callback(layer.register_forward_pre_hook(begin).remove)
            undo.callback(layer.register_forward_post_hook(end).remove)
        for _ in range(warm_up + repeats):
            model(images)
    return pd.DataFrame(
        [
            {"name": name, "kind": _kind(layer), "ms": 1000 * float(np.median(taken))}
            for name, layer in leaves
            if (taken := seconds[name][-repeats:])
        ]
    )


def chain(kind: str, channels: int, copies: int = COPIES) -> nn.Sequential:
    """`copies` equal convolutions in a row, without batch norm and activation, from `channels` to `channels` at stride 1.

    kind: "conv" (3×3), "pointwise" (1×1) or "depthwise" (3×3). Raises ValueError for another kind.
    """
    if kind not in CHAINED:
        raise ValueError(f"kind must be one of {', '.join(CHAINED)}, not {kind!r}")
    whole_number("channels", channels)
    whole_number("copies", copies)
    kernel_size = 1 if kind == "pointwise" else 3
    return nn.Sequential(
        *[
            nn.Conv2D(
                channels,
                channels,
                kernel_size,
                padding=kernel_size // 2,
                groups=channels if kind == "depthwise" else 1,
                weight_attr=nn.initializer.KaimingNormal(),
                bias_attr=False,
            )
            for _ in range(copies)
        ]
    )


def row_of(kind: str, channels: int, size: int) -> Row:
    """The ledger's row of one layer of `chain` on a map of size × size."""
    kernel_size = 1 if kind == "pointwise" else 3
    groups = channels if kind == "depthwise" else 1
    price = cost.conv2d(channels, channels, kernel_size, size, groups=groups)
    return Row(kind, kind, (channels, size, size), 1, price, kernel_size=kernel_size)


def measure_layers(
    shapes: Sequence[tuple[int, int]],
    engines: Sequence[str] = ("dynamic", "paddle.inference"),
    kinds: Sequence[str] = CHAINED,
    **options: Any,
) -> pd.DataFrame:
    """Time layers on their own, a row per shape, kind and engine.

    shapes: pairs (channels, size of the map). A layer's time is an eighth of that of a chain of eight. Columns: kind, channels,
    size, engine, threads, ms (median), macs, intensity (MACs per byte), gmacs_per_second. options: warm_up, repeats, limit, as
    `timing.measure_in_turns`. Raises ValueError for an unknown engine or kind.
    """
    import pandas as pd

    rows = []
    for channels, size in shapes:
        for kind in kinds:
            row, network = row_of(kind, channels, size), chain(kind, channels)
            runners = {engine: _runner(engine, network, row.input_shape) for engine in engines}
            for engine, timing in latencies(runners, row.input_shape, **options).items():
                seconds = timing.median / 1000 / COPIES
                rows.append(
                    {
                        "kind": kind,
                        "channels": channels,
                        "size": size,
                        "engine": engine,
                        "threads": timing.threads,
                        "ms": 1000 * seconds,
                        "macs": row.macs,
                        "intensity": roofline.intensity(row),
                        "gmacs_per_second": row.macs / seconds / 1e9,
                    }
                )
    return pd.DataFrame(rows)


def _runner(engine: str, network: nn.Layer, shape: tuple[int, int, int]) -> Any:
    if engine == "dynamic":
        return network
    if engine == "paddle.inference":
        return predictor(network, shape)
    raise ValueError(f'engine must be "dynamic" or "paddle.inference", not {engine!r}')


def _stopwatch(seconds: list[float]) -> tuple[Callable[..., None], Callable[..., None]]:
    begun = []

    def begin(*_: Any) -> None:
        begun.append(time.perf_counter())

    def end(*_: Any) -> None:
        seconds.append(time.perf_counter() - begun.pop())

    return begin, end


def _kind(layer: paddle.nn.Layer) -> str:
    if isinstance(layer, nn.Conv2D):
        if layer._groups > 1:
            return "depthwise"
        return "pointwise" if tuple(layer._kernel_size) == (1, 1) else "conv"
    for kind, classes in {
        "batch norm": (nn.BatchNorm2D, nn.BatchNorm),
        "activation": (nn.ReLU, nn.ReLU6),
        "linear": (nn.Linear,),
        "pool": (nn.AdaptiveAvgPool2D, nn.AvgPool2D, nn.MaxPool2D),
    }.items():
        if isinstance(layer, classes):
            return kind
    return "other"
