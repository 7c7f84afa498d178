"""Measures the recorded speeds of lesson 07, in about six minutes:

    uv run python -m mobilenet_lib.experiments.speed.measuring

Each number of threads has a process of its own, because Paddle reads it once, at its start.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import psutil

from mobilenet_lib import counting, models
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.speed import layer_speed, measured, roofline, timing

_OPTIONS = {name: measured.SETTINGS[name] for name in ("warm_up", "repeats", "limit")}
_SHAPE = tuple(measured.SETTINGS["image_shape"])
_IDLE = 0.1  # cores that others may use in a measurement that counts as undisturbed
_TRIES = 3  # for an undisturbed measurement
_PATIENCE = 20.0  # seconds of waiting before each


def _measured_here(names: Sequence[str], threads: int) -> dict[str, Any]:
    """The parts of a record that are measured; with fewer threads than cores, the timings alone."""
    networks = [_network(name, threads) for name in names]
    made = {part: [row for one in networks for row in one[part]] for part in networks[0]}
    if threads < environment.allowed_cores():
        return {"timings": made["timings"]}
    settings = measured.SETTINGS
    limits, _ = _undisturbed(lambda: roofline.measure_limits(**settings["limits"]))
    layers = []
    for shape in measured.LAYERS:
        frame, others = _undisturbed(lambda s=shape: layer_speed.measure_layers([s], **settings["layers"]))
        layers += [{**row, "others": others} for row in frame.to_dict("records")]
    return {"limits": asdict(limits), "layers": layers, **made}


def _network(name: str, threads: int) -> dict[str, list[dict[str, Any]]]:
    """One network's rows of networks, timings and layer_times."""
    begin = time.perf_counter()
    paddle.seed(0)
    network = models.build(name, num_classes=measured.SETTINGS["num_classes"])
    counted = counting.count(network, _SHAPE)
    about = {"network": name, "macs": counted.macs, "params": counted.params}
    about |= {"launches": counting.launches(network, _SHAPE), "peak_bytes": timing.peak_memory(network, _SHAPE)}
    layer_times = []
    if name in ("mobilenet_v1", "mobilenet_v2"):
        options = measured.SETTINGS["layer_times"]
        frame, others = _undisturbed(lambda: layer_speed.by_layer(network, _SHAPE, **options))
        measurement = {"network": name, "threads": threads, "others": others}
        layer_times = [{**measurement, **row} for row in frame.to_dict("records")]
    made = {"networks": [about], "timings": _timings(name, network, threads), "layer_times": layer_times}
    print(f"{threads} threads, {name}: {time.perf_counter() - begin:.0f} s", flush=True)
    return made


def _timings(name: str, network: paddle.nn.Layer, threads: int) -> list[dict[str, Any]]:
    """One runtime after the other, not in turns: idle threads of one would wait busily while the next is measured."""
    runtimes = {
        "dynamic": network,
        "paddle.inference": inference.predictor(network, _SHAPE, threads=threads),
        "onnxruntime": inference.onnx_predictor(network, _SHAPE, threads=threads),
    }
    rows = []
    for runtime, runner in runtimes.items():
        timed, others = _undisturbed(lambda r=runner: timing.latency(r, _SHAPE, **_OPTIONS))
        samples = {"warm_up": list(timed.warm_up), "seconds": list(timed.seconds)}
        rows.append({"network": name, "runtime": runtime, "threads": threads, "others": others, **samples})
    return rows


def _undisturbed(measure: Callable[[], Any]) -> tuple[Any, float]:
    """What `measure` gives while other programs use least of the processor, and how many cores they used.

    Of up to `_TRIES` tries. Before each it waits for an idle machine, `_PATIENCE` seconds at most.
    """
    tried = []
    for _ in range(_TRIES):
        end = time.perf_counter() + _PATIENCE
        while _others(lambda: time.sleep(0.5))[1] > _IDLE and time.perf_counter() < end:
            pass
        tried.append(_others(measure))
        if tried[-1][1] <= _IDLE:
            break
    return min(tried, key=lambda found: found[1])


def _others(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `function`, and how many cores other programs used meanwhile."""
    psutil.cpu_percent()  # counts from here on
    begin, own = time.perf_counter(), time.process_time()
    result = function()
    own = (time.process_time() - own) / (time.perf_counter() - begin)
    return result, max(0.0, psutil.cpu_percent() / 100 * psutil.cpu_count() - own)


def measure(names: Sequence[str]) -> dict[str, Any]:
    """A new record; each number of threads has its process."""
    machine = environment.machine()
    del machine["threads"]  # each timing says its own
    made: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": "python -m mobilenet_lib.experiments.speed.measuring",
        "settings": measured.SETTINGS,
        "versions": environment.versions("onnxruntime", "paddle2onnx"),
        "machine": machine,
        "timings": [],
    }
    for threads in sorted({1, machine["cores"]}):
        full = threads == machine["cores"]
        chosen = [name for name in names if full or name in measured.WITH_ONE_THREAD]
        if not chosen:
            continue
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            part = Path(folder, "part.json")
            command = [*made["command"].split()[1:], "--threads", str(threads), "--output", str(part), "--networks"]
            surroundings = {**os.environ, "OMP_NUM_THREADS": str(threads)}
            subprocess.run([sys.executable, *command, *chosen], env=surroundings, check=True)
            found = json.loads(part.read_text(encoding="utf-8"))
        made["timings"] += found.pop("timings")
        made.update(found)  # the rest was measured with all threads alone
    return made


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Measure the speeds of lesson 07 again, on a machine that does nothing else."
    )
    parser.add_argument("--output", type=Path, default=measured.PATH, help="the file to write")
    parser.add_argument("--networks", nargs="+", choices=measured.NETWORKS, default=measured.NETWORKS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)  # the process that measures
    options = parser.parse_args(arguments)
    if options.threads:
        parts = _measured_here(options.networks, options.threads)
        options.output.write_text(json.dumps(parts), encoding="utf-8")
        return
    made = measure(options.networks)
    measured.check(made, "the new record")
    files.write_json(options.output, made)
    print(f"{options.output} written")


if __name__ == "__main__":
    main()
