"""Measures what `speed_record` stores, in a process whose number of threads was set before Paddle started."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mobilenet_lib import counting, inference, layer_speed, models, roofline, speed_record, timing
from mobilenet_lib._paddle import paddle

_OPTIONS = {name: speed_record.SETTINGS[name] for name in ("warm_up", "repeats", "limit")}
_SHAPE = tuple(speed_record.SETTINGS["image_shape"])
_IDLE = 0.1  # cores that others may use in a measurement that counts as undisturbed
_TRIES = 3  # for an undisturbed measurement
_PATIENCE = 20.0  # seconds of waiting before each


def measure(names: Sequence[str], threads: int) -> dict[str, Any]:
    """The parts of a record that are measured; with fewer threads than cores, the timings alone."""
    if threads < (os.cpu_count() or 1):
        return {"timings": [row for name in names for row in _network(name, threads)["timings"]]}
    settings = speed_record.SETTINGS
    limits, _ = _undisturbed(lambda: roofline.measure_limits(**settings["limits"]))
    layers = []
    for shape in speed_record.LAYERS:
        frame, others = _undisturbed(
            lambda s=shape: layer_speed.measure_layers([s], **settings["layers"])
        )
        layers += [{**row, "others": others} for row in frame.to_dict("records")]
    made: dict[str, Any] = {
        "limits": asdict(limits),
        "layers": layers,
        "networks": [],
        "timings": [],
        "layer_times": [],
    }
    for name in names:
        for part, rows in _network(name, threads).items():
            made[part] += rows
    return made


def _network(name: str, threads: int) -> dict[str, list[dict[str, Any]]]:
    """One network's rows of networks, timings and layer_times."""
    begin = time.perf_counter()
    paddle.seed(0)
    network = models.build(name, num_classes=speed_record.SETTINGS["num_classes"])
    counted = counting.count(network, _SHAPE)
    about = {
        "network": name,
        "macs": counted.macs,
        "params": counted.params,
        "launches": counting.launches(network, _SHAPE),
        "peak_bytes": timing.peak_memory(network, _SHAPE),
    }
    times, others = [], 0.0
    if name in ("mobilenet_v1", "mobilenet_v2"):
        options = speed_record.SETTINGS["layer_times"]
        frame, others = _undisturbed(lambda: layer_speed.by_layer(network, _SHAPE, **options))
        times = frame.to_dict("records")
    made = {
        "networks": [about],
        "timings": _timings(name, network, threads),
        "layer_times": [
            {"network": name, "threads": threads, "others": others, **row} for row in times
        ],
    }
    print(f"{threads} threads, {name}: {time.perf_counter() - begin:.0f} s", flush=True)
    return made


def _timings(name: str, network: paddle.nn.Layer, threads: int) -> list[dict[str, Any]]:
    """One engine after the other, not in turns: idle threads of one would wait busily while the next is measured."""
    engines = {
        "dynamic": network,
        "paddle.inference": inference.predictor(network, _SHAPE, threads=threads),
        "onnxruntime": inference.onnx_predictor(network, _SHAPE, threads=threads),
    }
    rows = []
    for engine, runner in engines.items():
        measured, others = _undisturbed(lambda r=runner: timing.latency(r, _SHAPE, **_OPTIONS))
        rows.append(
            {
                "network": name,
                "engine": engine,
                "threads": threads,
                "others": others,
                "warm_up": list(measured.warm_up),
                "seconds": list(measured.seconds),
            }
        )
    return rows


def _undisturbed(measure: Callable[[], Any]) -> tuple[Any, float]:
    """What `measure` gives while other programs use least of the processor, of up to `_TRIES` tries; and how many cores they used.

    Before each try it waits for an idle machine, `_PATIENCE` seconds at most. Where the system does not say what others do
    (it is Linux that does), the first try counts, and the answer is -1.
    """
    best: tuple[Any, float] | None = None
    for _ in range(_TRIES):
        end = time.perf_counter() + _PATIENCE
        while _others(lambda: time.sleep(0.5))[1] > _IDLE and time.perf_counter() < end:
            pass
        found = _others(measure)
        if best is None or found[1] < best[1]:
            best = found
        if best[1] <= _IDLE:
            break
    return best


def _others(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `function`, and how many cores other programs used meanwhile; -1 where that cannot be known."""
    begin, own, all_programs = time.perf_counter(), time.process_time(), _processor_seconds()
    result = function()
    elapsed, own = time.perf_counter() - begin, time.process_time() - own
    if all_programs is None:
        return result, -1.0
    return result, max(0.0, (_processor_seconds() - all_programs - own) / elapsed)


def _processor_seconds() -> float | None:
    """Seconds that all cores together have worked since the system started; None where the system does not say."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    except OSError:  # not Linux
        return None
    user, nice, system, _, _, interrupts, soft, stolen = map(int, first[1:9])
    return (user + nice + system + interrupts + soft + stolen) / os.sysconf("SC_CLK_TCK")
