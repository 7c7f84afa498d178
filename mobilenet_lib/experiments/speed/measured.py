"""The recorded speeds of lesson 07, which `measuring` makes again.

Seven networks at 224×224 in three runtimes with all threads, four of them with one thread too; single layers; the
limits of the machine. Every sample is kept, with the settings, the versions, the machine, the date, and how busy other
programs kept the machine. A file that lacks any of them is refused. Reading needs no Paddle; measuring does.

Introduced in lesson 07.
"""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import files, schema
from mobilenet_lib.experiments import recorded
from mobilenet_lib.experiments.speed.roofline import Limits

if TYPE_CHECKING:
    import pandas as pd

PATH = files.RECORDED / "speed" / "speed.json"  # not beside the runs, which have another form
RUNTIMES = ("dynamic", "paddle.inference", "onnxruntime")
TITLES = {
    "mobilenet_v1": "V1",
    "mobilenet_v2": "V2",
    "article_mobilenet_v2": "article's V2",
    "resnet50": "ResNet50",
    "resnet152": "ResNet152",
    "vgg16": "VGG16",
    "vgg19": "VGG19",
}
NETWORKS = tuple(TITLES)
# Measured with one thread, too; all networks are measured with all threads.
WITH_ONE_THREAD = ("mobilenet_v1", "mobilenet_v2", "resnet50", "vgg16")
LAYERS = ((64, 112), (128, 56), (512, 14))  # (channels, size of the feature map), three of V1's
SETTINGS = {
    **{"image_shape": [3, 224, 224], "batch_size": 1, "num_classes": 1000, "mode": "eval"},
    **{"warm_up": 2, "repeats": 21, "limit": 6.0},
    "layers": {"warm_up": 2, "repeats": 9, "limit": 1.5},
    "layer_times": {"warm_up": 2, "repeats": 15},
    "limits": {"seconds": 2.0},
}

_fields, _OBJECT = partial(schema.fields, True), schema.ANY_OBJECT
_NUMBER, _COUNT, _LIST = schema.NUMBER, schema.WHOLE, schema.rows({})
_TEXT = {**schema.TEXT, "minLength": 1}


def _rows(**fields: schema.Schema) -> schema.Schema:
    return {**schema.rows(_fields(**fields)), "minItems": 1}


_MEASURED = {"threads": _COUNT, "others": _NUMBER}
_SECONDS = {"type": "array", "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600}}
_PACKAGES = ("python", "paddlepaddle", "numpy", "onnxruntime", "paddle2onnx")
SCHEMA = _fields(
    started=_TEXT,
    command=_TEXT,
    settings=_fields(
        **{"image_shape": _LIST, "batch_size": _COUNT, "num_classes": _COUNT, "mode": _TEXT, "warm_up": _COUNT},
        **{"repeats": _COUNT, "limit": _NUMBER, "layers": _OBJECT, "layer_times": _OBJECT, "limits": _OBJECT},
    ),
    versions=_fields(**{name: {**_TEXT, "not": {"const": "not installed"}} for name in _PACKAGES}),
    machine=_fields(processor=_TEXT, cores=_COUNT, memory_gb=_NUMBER, system=_TEXT),
    limits=_fields(gmacs_per_second=_NUMBER, gigabytes_per_second=_NUMBER, threads=_COUNT),
    networks=_rows(network=_TEXT, macs=_COUNT, params=_COUNT, launches=_OBJECT, peak_bytes=_COUNT),
    timings=_rows(network=_TEXT, runtime=_TEXT, **_MEASURED, warm_up=_LIST, seconds={**_SECONDS, "minItems": 3}),
    layers=_rows(
        **{"kind": _TEXT, "channels": _COUNT, "size": _COUNT, "runtime": _TEXT, **_MEASURED, "ms": _NUMBER},
        **{"macs": _COUNT, "intensity": _NUMBER, "gmacs_per_second": _NUMBER},
    ),
    layer_times=_rows(network=_TEXT, name=_TEXT, kind=_TEXT, **_MEASURED, ms=_NUMBER),
)


def record() -> dict[str, Any]:
    """The record that comes with the course, checked."""
    return load(PATH)


@cache
def load(path: Path) -> dict[str, Any]:
    """A record from its file. FileNotFoundError without one; ValueError names what is broken or missing in it."""
    found = recorded.load(path, "python -m mobilenet_lib.experiments.speed.measuring")
    check(found, str(path))
    return found


def check(found: Any, where: str) -> None:
    """ValueError, beginning with `where`, for a record without provenance or with numbers that are no measurement."""
    schema.check(found, SCHEMA, where, "Measure again.")
    try:
        datetime.fromisoformat(found["started"])
    except ValueError as problem:
        raise ValueError(f"{where}: started should be an ISO date and time, not {found['started']!r}") from problem
    known = {row["network"] for row in found["networks"]}
    for index, row in enumerate(found["timings"]):
        if row["network"] not in known:
            raise ValueError(f"{where}, timings[{index}]: the network {row['network']!r} is not among networks")


def networks() -> pd.DataFrame:
    """A row per network, runtime and number of threads.

    kernels: launched by the dynamic graph. ms, low, high: median and quartiles. others: cores that other programs used
    meanwhile; -1 for unknown. peak_mb: the dynamic graph's memory beyond weights and input.
    """
    import pandas as pd

    found = record()
    about = {row["network"]: row for row in found["networks"]}
    rows = []
    for row in found["timings"]:
        network, ms = about[row["network"]], pd.Series(row["seconds"]) * 1000
        one = {name: row[name] for name in ("network", "runtime", "threads")}
        one |= {"macs": network["macs"], "params": network["params"], "kernels": sum(network["launches"].values())}
        one |= {"ms": ms.median(), "low": ms.quantile(0.25), "high": ms.quantile(0.75), "calls": len(ms)}
        one |= {"others": row["others"], "gmacs_per_second": network["macs"] / ms.median() / 1e6}
        rows.append({**one, "peak_mb": network["peak_bytes"] / 1e6})
    return pd.DataFrame(rows)


def layers() -> pd.DataFrame:
    """The layers that were timed on their own, with the columns of `layer_speed.measure_layers`."""
    return _frame("layers")


def layer_times() -> pd.DataFrame:
    """Each layer inside V1 and V2 in the dynamic graph: network, name, kind, threads, ms."""
    return _frame("layer_times")


def _frame(part: str) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(record()[part])


def limits() -> Limits:
    """The limits of the machine of the record."""
    return Limits(**record()["limits"])


def milliseconds(network: str, runtime: str, threads: int | None = None) -> float:
    """The recorded median of a network. threads: default all of the machine's. ValueError where there is none."""
    threads = record()["machine"]["cores"] if threads is None else threads
    for row in record()["timings"]:
        if (row["network"], row["runtime"], row["threads"]) == (network, runtime, threads):
            return 1000 * median(row["seconds"])
    raise ValueError(f"nothing is recorded for {network!r} in {runtime!r} with {threads} threads")


def conditions() -> str:
    """How it was measured, in one line for a figure."""
    found = record()
    versions, machine, settings = found["versions"], found["machine"], found["settings"]
    height, width = settings["image_shape"][1:]
    return (
        f"recorded {found['started'][:10]} · {machine['processor']}, {machine['cores']} cores"
        f" · {height}×{width}, batch {settings['batch_size']}, {settings['mode']}"
        f" · Paddle {versions['paddlepaddle']}, ONNX Runtime {versions['onnxruntime']}"
    )
