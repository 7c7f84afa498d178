"""The recorded speeds of lesson 07, which `measuring` makes again.

Seven networks at 224×224 in three runtimes with all threads, four of them with one thread too; V1 and V2 in the steps
between the dynamic graph and the runtime, and in batches; single layers; single launches; the limits of the machine.
All were measured in turns, round by round, with one thread and with all. Every sample is kept, with the settings, the
versions, the machine, the date, and how busy other programs kept the machine. A file that lacks any of them is refused.
Reading needs no Paddle; measuring does.

Introduced in lesson 07.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenet_lib import baselines, statistics
from mobilenet_lib._support import files, schema
from mobilenet_lib.experiments import recorded
from mobilenet_lib.experiments.speed import steps
from mobilenet_lib.experiments.speed.roofline import Limits
from mobilenet_lib.experiments.speed.spread import percentile_interval, spread

if TYPE_CHECKING:
    import pandas as pd

PATH = files.RECORDED / "speed" / "speed.json"  # not beside the runs, which have another form
RUNTIMES = ("dynamic", "paddle.inference", "onnxruntime")
TITLES = {name: baselines.TITLES[name] for name in baselines.ARTICLE}
NETWORKS = tuple(TITLES)
# Measured with one thread, too; all networks are measured with all threads.
WITH_ONE_THREAD = ("mobilenet_v1", "mobilenet_v2", "resnet50", "vgg16")
# Compared closely: these two in all steps and batches, with many calls a round.
CLOSELY = ("mobilenet_v1", "mobilenet_v2")
LAYERS = ((64, 112), (128, 56), (512, 14))  # (channels, size of the feature map), three of V1's
IDLE = 0.1  # cores that others may use in a measurement that counts as undisturbed
SETTINGS = {
    **{"image_shape": [3, 224, 224], "batch_sizes": [1, 8], "num_classes": 1000, "mode": "eval", "warm_up": 2},
    # Seconds that the rounds may take, and a pause before each turn; calls in a row that a network has in each: of
    # eight images, and of one, which is 1 where nothing else is said.
    **{"rounds": 8, "limit": 900.0, "pause": 0.25, "calls": 3},
    "more_calls": {"mobilenet_v1": 15, "mobilenet_v2": 15, "article_mobilenet_v2": 3, "resnet50": 3},
    "layers": {"warm_up": 2, "repeats": 9, "limit": 1.5},
    "layer_times": {"warm_up": 2, "repeats": 15},
    "launch_costs": {"warm_up": 2, "repeats": 21},
    "limits": {"seconds": 2.0},
}

_fields, _OBJECT = partial(schema.fields, True), schema.ANY_OBJECT
_NUMBER, _COUNT, _LIST = schema.NUMBER, schema.WHOLE, schema.rows({})
_TEXT = {**schema.TEXT, "minLength": 1}


def _rows(**fields: schema.Schema) -> schema.Schema:
    return {**schema.rows(_fields(**fields)), "minItems": 1}


_MEASURED = {"threads": _COUNT, "others": _NUMBER}
_ROUND = {"type": "array", "minItems": 1, "items": {"type": "number", "exclusiveMinimum": 0, "maximum": 3600}}
_ROUNDS = {"type": "array", "minItems": 3, "items": _ROUND}
_PACKAGES = ("python", "paddlepaddle", "numpy", "onnxruntime", "paddle2onnx")
SCHEMA = _fields(
    started=_TEXT,
    command=_TEXT,
    settings=_fields(
        **{"image_shape": _LIST, "batch_sizes": _LIST, "num_classes": _COUNT, "mode": _TEXT, "warm_up": _COUNT},
        **{"rounds": _COUNT, "limit": _NUMBER, "pause": _NUMBER, "calls": _COUNT, "more_calls": _OBJECT},
        **dict.fromkeys(("layers", "layer_times", "launch_costs", "limits"), _OBJECT),
    ),
    versions=_fields(**{name: {**_TEXT, "not": {"const": "not installed"}} for name in _PACKAGES}),
    machine=_fields(processor=_TEXT, cores=_COUNT, memory_gb=_NUMBER, system=_TEXT),
    limits=_fields(gmacs_per_second=_NUMBER, gigabytes_per_second=_NUMBER, threads=_COUNT),
    networks=_rows(network=_TEXT, macs=_COUNT, params=_COUNT, launches=_OBJECT, peak_bytes=_COUNT),
    timings=_rows(network=_TEXT, runtime=_TEXT, batch_size=_COUNT, **_MEASURED, warm_up=_LIST, seconds=_ROUNDS),
    layers=_rows(
        **{"kind": _TEXT, "channels": _COUNT, "size": _COUNT, "runtime": _TEXT, **_MEASURED, "ms": _NUMBER},
        **{"low": _NUMBER, "high": _NUMBER, "macs": _COUNT, "intensity": _NUMBER, "gmacs_per_second": _NUMBER},
    ),
    layer_times=_rows(network=_TEXT, name=_TEXT, kind=_TEXT, **_MEASURED, ms=_NUMBER),
    launch_costs=_rows(operation=_TEXT, **_MEASURED, us=_NUMBER, low=_NUMBER, high=_NUMBER),
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
        if len({len(calls) for calls in row["seconds"]}) > 1:
            raise ValueError(f"{where}, timings[{index}]: its rounds have unequal numbers of calls. Measure again.")


def networks() -> pd.DataFrame:
    """A row per network, runtime and number of threads, at batch 1, with the columns of `spread.spread`.

    kernels: launched by the dynamic graph. others: cores that other programs used meanwhile. peak_mb: the dynamic
    graph's memory beyond weights and input.
    """
    import pandas as pd

    about = {row["network"]: row for row in record()["networks"]}
    rows = []
    for row in record()["timings"]:
        if row["runtime"] in RUNTIMES and row["batch_size"] == 1:
            network, times = about[row["network"]], spread(_milliseconds(row))
            one = {name: row[name] for name in ("network", "runtime", "threads", "others")} | times
            one |= {name: network[name] for name in ("macs", "params")} | {"kernels": sum(network["launches"].values())}
            one |= {"gmacs_per_second": network["macs"] / times["ms"] / 1e6, "peak_mb": network["peak_bytes"] / 1e6}
            rows.append(one)
    return pd.DataFrame(rows)


def ablation(network: str, threads: int | None = None) -> pd.DataFrame:
    """What each step from the dynamic graph to paddle.inference is worth, as `steps.factors`; errors as `rounds`."""
    return steps.factors({step: rounds(network, step, threads) for step in steps.TITLES})


def scenarios() -> pd.DataFrame:
    """V1 and V2 with all threads in two of MLPerf's scenarios, a row per network and runtime.

    single_stream: the next image is given when the last one is done, p90 of the milliseconds. offline: all images are
    there at once, images per second at that of the measured batch sizes (batch) which gives most, from the median of
    the calls. Each has its 95 % confidence interval (columns …_low, …_high).
    Source: V. J. Reddi and others, MLPerf Inference Benchmark, arXiv 1911.02549, section III, part C.
    """
    import pandas as pd

    rows = []
    for network in CLOSELY:
        for runtime in RUNTIMES:
            sizes = record()["settings"]["batch_sizes"]
            by_batch = {n: spread(rounds(network, runtime, batch_size=n)) for n in sizes}
            best = max(sizes, key=lambda n: n / by_batch[n]["ms"])
            row: dict[str, Any] = {"network": TITLES[network], "runtime": runtime}
            found = percentile_interval(rounds(network, runtime), 90)
            row |= zip(("single_stream", "single_stream_low", "single_stream_high"), found, strict=True)
            found = [1000 * best / by_batch[best][name] for name in ("ms", "high", "low")]
            row |= zip(("offline", "offline_low", "offline_high"), found, strict=True)
            rows.append({**row, "batch": best})
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


def launch_costs() -> pd.DataFrame:
    """What one launch costs in the dynamic graph: the columns of `ablation.launch_costs`, threads, others."""
    return _frame("launch_costs")


def rounds(network: str, runtime: str, threads: int | None = None, batch_size: int = 1) -> list[list[float]]:
    """Recorded milliseconds, [rounds, calls]; all were measured in the same rounds.

    runtime: of `RUNTIMES`, or a step of `steps.TITLES`. threads: default all of the machine's. ValueError where there
    are none.
    """
    threads = record()["machine"]["cores"] if threads is None else threads
    wanted = (network, runtime, threads, batch_size)
    for row in record()["timings"]:
        if (row["network"], row["runtime"], row["threads"], row["batch_size"]) == wanted:
            return _milliseconds(row)
    what = f"{network!r} in {runtime!r} with {threads} threads at batch {batch_size}"
    raise ValueError(f"nothing is recorded for {what}")


def _milliseconds(row: dict[str, Any]) -> list[list[float]]:
    return [[1000 * seconds for seconds in calls] for calls in row["seconds"]]


def milliseconds(network: str, runtime: str, threads: int | None = None) -> float:
    """The recorded median of a network at batch 1; arguments as `rounds`."""
    return statistics.median_interval(rounds(network, runtime, threads))[0]


def ratio(first: tuple[str, str], second: tuple[str, str], threads: int | None = None) -> dict[str, float]:
    """How many times as long the first takes as the second, each (network, runtime), at batch 1; threads as `rounds`.

    `ratio` of the medians, and `low` to `high`: its 95 % confidence interval, paired by round.
    """
    return _named(statistics.ratio_of_medians(rounds(*first, threads), rounds(*second, threads)))


def gains_of_threads(networks: Sequence[str] = WITH_ONE_THREAD, runtimes: Sequence[str] = RUNTIMES) -> pd.DataFrame:
    """How many times as fast all threads are as one: a row per network and runtime, columns as `ratio`.

    runtimes: as `rounds` takes them. Both were measured in the same rounds.
    """
    import pandas as pd

    pairs = [(network, runtime) for network in networks for runtime in runtimes]
    found = [statistics.ratio_of_medians(rounds(*pair, threads=1), rounds(*pair)) for pair in pairs]
    names = [f"{TITLES[network]}, {runtime}" for network, runtime in pairs]
    return pd.DataFrame([_named(one) for one in found], index=names)


def _named(found: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip(("ratio", "low", "high"), found, strict=True))


def conditions(threads: str = "", of: str = "") -> str:
    """How it was measured, in one line for a figure; other programs are named where they took part of the machine.

    threads: what to say of them; nothing stands for all. of: what was timed, where it is no whole network.
    """
    found = record()
    versions, machine, settings = found["versions"], found["machine"], found["settings"]
    of = of or "{}×{}, batch 1, {}".format(*settings["image_shape"][1:], settings["mode"])
    busy = max(row["others"] for row in found["timings"])
    threads = threads or f"{machine['cores']} threads"
    return (
        f"recorded {found['started'][:10]} · {machine['processor']}, {threads}"
        f" · {of}"
        f" · Paddle {versions['paddlepaddle']}, ONNX Runtime {versions['onnxruntime']}"
        + (f" · other programs used {busy:.1f} cores" if busy > IDLE else "")
    )
