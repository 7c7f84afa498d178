"""The recorded speeds of lesson 07, which `measuring` makes again.

Seven networks at 224×224 in three engines with all threads, four of them with one thread too; single layers; the limits of the
machine. Every sample is kept, with the settings, the versions, the machine, the date, and how busy other programs kept the
machine. A file that lacks any of them is refused. Reading needs no Paddle; measuring does.

Introduced in lesson 07.
"""

from __future__ import annotations

import json
import math
from datetime import datetime
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import files
from mobilenet_lib.experiments.speed.roofline import Limits

if TYPE_CHECKING:
    import pandas as pd

PATH = files.RECORDED / "speed" / "speed.json"  # not beside the runs, which have another form
ENGINES = ("dynamic", "paddle.inference", "onnxruntime")
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
LAYERS = ((64, 112), (128, 56), (512, 14))  # (channels, size of the map), three of V1's
SETTINGS = {
    "image_shape": [3, 224, 224],
    "batch_size": 1,
    "num_classes": 1000,
    "mode": "eval",
    "warm_up": 2,
    "repeats": 21,
    "limit": 6.0,
    "layers": {"warm_up": 2, "repeats": 9, "limit": 1.5},
    "layer_times": {"warm_up": 2, "repeats": 15},
    "limits": {"seconds": 2.0},
}

# What a record must hold, and of which type; a field that is missing or of another type is refused by name.
_NUMBER = (int, float)
_RECORD = {
    "started": str,
    "command": str,
    "settings": dict,
    "versions": dict,
    "machine": dict,
    "limits": dict,
    "networks": list,
    "timings": list,
    "layers": list,
    "layer_times": list,
}
_PARTS = {
    "settings": {
        "image_shape": list,
        "batch_size": int,
        "num_classes": int,
        "mode": str,
        "warm_up": int,
        "repeats": int,
        "limit": _NUMBER,
        "layers": dict,
        "layer_times": dict,
        "limits": dict,
    },
    "versions": dict.fromkeys(("python", "paddlepaddle", "numpy", "onnxruntime", "paddle2onnx"), str),
    "machine": {"processor": str, "cores": int, "memory_gb": _NUMBER, "system": str},
    "limits": {"gmacs_per_second": _NUMBER, "gigabytes_per_second": _NUMBER, "threads": int},
}
_ROWS = {
    "networks": {"network": str, "macs": int, "params": int, "launches": dict, "peak_bytes": int},
    "timings": {
        "network": str,
        "engine": str,
        "threads": int,
        "others": _NUMBER,
        "warm_up": list,
        "seconds": list,
    },
    "layers": {
        "kind": str,
        "channels": int,
        "size": int,
        "engine": str,
        "threads": int,
        "others": _NUMBER,
        "ms": _NUMBER,
        "macs": int,
        "intensity": _NUMBER,
        "gmacs_per_second": _NUMBER,
    },
    "layer_times": {
        "network": str,
        "name": str,
        "kind": str,
        "threads": int,
        "others": _NUMBER,
        "ms": _NUMBER,
    },
}


@cache
def record() -> dict[str, Any]:
    """The record that comes with the course, checked."""
    return load(PATH)


def load(path: str | Path) -> dict[str, Any]:
    """A record from its file. FileNotFoundError without one; ValueError names what is broken or missing in it."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no record at {path}. `python -m mobilenet_lib.experiments.speed.measuring --output …` makes one."
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise ValueError(f"{path} is not a whole JSON file ({problem}). Measure again.") from problem
    check(found, str(path))
    return found


def check(found: Any, where: str) -> None:
    """ValueError, beginning with `where`, for a record without full provenance or with numbers that are no measurement."""
    _fields(found, _RECORD, where)
    for part, expected in _PARTS.items():
        _fields(found[part], expected, f"{where}, {part}")
    for part, expected in _ROWS.items():
        if not found[part]:
            raise ValueError(f"{where}: {part} is empty. Measure again.")
        for place, row in enumerate(found[part]):
            _fields(row, expected, f"{where}, {part}[{place}]")
    try:
        datetime.fromisoformat(found["started"])
    except ValueError as problem:
        raise ValueError(f"{where}: started should be an ISO date and time, not {found['started']!r}") from problem
    known = {row["network"] for row in found["networks"]}
    for place, row in enumerate(found["timings"]):
        here = f"{where}, timings[{place}]"
        if row["network"] not in known:
            raise ValueError(f"{here}: the network {row['network']!r} is not among networks")
        seconds = row["seconds"]
        if len(seconds) < 3 or not all(isinstance(s, _NUMBER) and 0 < s < math.inf for s in seconds):
            raise ValueError(f"{here}: seconds should be three or more times above 0, not {seconds!r:.60}")


def networks() -> pd.DataFrame:
    """A row per network, engine and number of threads.

    Columns: network, engine, threads, macs, params, kernels (launched by the dynamic graph), ms (median), low and high (quartiles),
    calls, others (cores that other programs used meanwhile; -1 for unknown), gmacs_per_second (achieved), peak_mb (the dynamic graph's memory beyond weights and input).
    """
    import pandas as pd

    found = record()
    about = {row["network"]: row for row in found["networks"]}
    rows = []
    for row in found["timings"]:
        network, ms = about[row["network"]], pd.Series(row["seconds"]) * 1000
        rows.append(
            {
                "network": row["network"],
                "engine": row["engine"],
                "threads": row["threads"],
                "macs": network["macs"],
                "params": network["params"],
                "kernels": sum(network["launches"].values()),
                "ms": ms.median(),
                "low": ms.quantile(0.25),
                "high": ms.quantile(0.75),
                "calls": len(ms),
                "others": row["others"],
                "gmacs_per_second": network["macs"] / ms.median() / 1e6,
                "peak_mb": network["peak_bytes"] / 1e6,
            }
        )
    return pd.DataFrame(rows)


def layers() -> pd.DataFrame:
    """The layers that were timed on their own, with the columns of `layer_speed.measure_layers`."""
    import pandas as pd

    return pd.DataFrame(record()["layers"])


def layer_times() -> pd.DataFrame:
    """Each layer inside V1 and V2 in the dynamic graph: network, name, kind, threads, ms."""
    import pandas as pd

    return pd.DataFrame(record()["layer_times"])


def limits() -> Limits:
    """The limits of the machine of the record."""
    return Limits(**record()["limits"])


def milliseconds(network: str, engine: str, threads: int | None = None) -> float:
    """The recorded median of a network. threads: default all of the machine's. ValueError where there is none."""
    threads = record()["machine"]["cores"] if threads is None else threads
    for row in record()["timings"]:
        if (row["network"], row["engine"], row["threads"]) == (network, engine, threads):
            return 1000 * median(row["seconds"])
    raise ValueError(f"nothing is recorded for {network!r} in {engine!r} with {threads} threads")


def conditions() -> str:
    """How it was measured, in one line for a figure."""
    found = record()
    versions, machine, settings = found["versions"], found["machine"], found["settings"]
    height, width = settings["image_shape"][1:]
    return (
        f"recorded {found['started'][:10]} · {machine['processor']}, {machine['cores']} cores · {height}×{width}, batch "
        f"{settings['batch_size']}, {settings['mode']} · Paddle {versions['paddlepaddle']}, ONNX Runtime {versions['onnxruntime']}"
    )


def _fields(found: Any, expected: dict[str, Any], where: str) -> None:
    if not isinstance(found, dict):
        raise ValueError(f"{where} should hold the fields {', '.join(expected)}, not {found!r:.60}")
    for name, kind in expected.items():
        if name not in found:
            raise ValueError(f"{where}: the field {name!r} is missing. Measure again.")
        value = found[name]
        if not isinstance(value, kind) or isinstance(value, bool) or value in ("", "not installed"):
            raise ValueError(f"{where}: the field {name!r} should be {kind}, not {value!r:.60}")
