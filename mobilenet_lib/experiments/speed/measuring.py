"""Measures all recorded speeds of lesson 07, in about nine minutes on two cores that do nothing else:

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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from mobilenet_lib import counting, models
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.speed import ablation, layer_speed, measured, roofline, timing

_SHAPE = tuple(measured.SETTINGS["image_shape"])
_TRIES = 3  # for an undisturbed measurement
_PATIENCE = 5.0  # seconds of waiting before each
_Key = tuple[str, str, int]  # network, runtime or step, batch size


def _measured_here(names: Sequence[str], threads: int, rounds: int) -> dict[str, Any]:
    """The parts of a record that are measured; with fewer threads than cores, the timings alone."""
    full = threads == environment.allowed_cores()
    networks = {name: _built(name) for name in names}
    made: dict[str, Any] = {"timings": _timings(networks, threads, rounds)}
    if not full:
        return made
    made |= {part: [] for part in ("networks", "layers", "layer_times")}
    for name, network in networks.items():
        made["networks"].append(_about(name, network))
        if name in measured.CLOSELY:
            by_layer = partial(layer_speed.by_layer, network, _SHAPE, **measured.SETTINGS["layer_times"])
            rows = _rows(by_layer, threads)
            made["layer_times"] += [{"network": name, **row} for row in rows]
    for shape in measured.LAYERS:
        single = partial(layer_speed.measure_layers, [shape], **measured.SETTINGS["layers"])
        made["layers"] += _rows(single, threads)
    made["launch_costs"] = _rows(partial(ablation.launch_costs, **measured.SETTINGS["launch_costs"]), threads)
    limits, _ = _undisturbed(partial(roofline.measure_limits, **measured.SETTINGS["limits"]))
    return {"limits": asdict(limits), **made}


def _built(name: str) -> paddle.nn.Layer:
    paddle.seed(0)
    return models.build(name, num_classes=measured.SETTINGS["num_classes"])


def _about(name: str, network: paddle.nn.Layer) -> dict[str, Any]:
    counted = counting.count(network, _SHAPE)
    about = {"network": name, "macs": counted.macs, "params": counted.params}
    return about | {"launches": counting.launches(network, _SHAPE), "peak_bytes": timing.peak_memory(network, _SHAPE)}


def _rows(measure: Callable[[], Any], threads: int) -> list[dict[str, Any]]:
    """The rows of a frame that was measured undisturbed."""
    frame, others = _undisturbed(measure)
    return [{"threads": threads, "others": others, **row} for row in frame.to_dict("records")]


def _timings(networks: Mapping[str, paddle.nn.Layer], threads: int, rounds: int) -> list[dict[str, Any]]:
    """All networks in all runtimes, steps and batches, a turn of each per round."""
    runs = {key: run for name, network in networks.items() for key, run in _runs(name, network, threads).items()}
    more = measured.SETTINGS["more_calls"]
    # In a batch of eight a call is long enough.
    calls = {key: more.get(key[0], 1) if key[2] == 1 else 1 for key in runs}
    with timing.callables(runs) as functions:
        warm_up = {key: _turn(function, measured.SETTINGS["warm_up"], 0) for key, function in functions.items()}
        # Idle threads of one library stay awake for a while and would keep a core from the next one's.
        pause = measured.SETTINGS["pause"] if threads > 1 else 0
        print(f"{threads} threads: {len(runs)} runners are ready", flush=True)
        taken = in_rounds(functions, calls, rounds, pause)
    return [
        {"network": network, "runtime": runtime, "batch_size": batch, "threads": threads}
        | {"others": max(others for _, others in taken), "warm_up": warm_up[network, runtime, batch]}
        | {"seconds": [turns[network, runtime, batch] for turns, _ in taken]}
        for network, runtime, batch in runs
    ]


def _runs(name: str, network: paddle.nn.Layer, threads: int) -> dict[_Key, tuple[Any, paddle.Tensor]]:
    """What is timed of one network: (network, runtime or step, batch size) → a runner and its images."""
    if name in measured.CLOSELY:
        runners = ablation.runners(network, _SHAPE, threads)
    else:
        runners = {"dynamic": network, "paddle.inference": inference.predictor(network, _SHAPE, threads=threads)}
    runners["onnxruntime"] = inference.onnx_predictor(network, _SHAPE, threads=threads)
    every_size = measured.SETTINGS["batch_sizes"] if name in measured.CLOSELY and threads > 1 else [1]
    return {
        (name, runtime, batch): (runner, timing.random_images(_SHAPE, batch))
        for runtime, runner in runners.items()
        for batch in (every_size if runtime in measured.RUNTIMES else [1])
    }


def in_rounds(
    functions: Mapping[Any, Callable[[], Any]], calls: Mapping[Any, int], rounds: int, pause: float = 0.0
) -> list[tuple[dict[Any, list[float]], float]]:
    """Time functions in turns, and leave out the rounds in which other programs took most of the machine.

    Rounds are measured until `rounds` of them were undisturbed (`measured.IDLE`), or until the limit of the settings is
    over, but at least three; every second one goes through the functions backwards. calls: of each function, in a row,
    behind one that does not count. Returns the least disturbed rounds in their order: seconds of each function's calls,
    and how many cores others used meanwhile. Times play no part in the choice.
    """
    taken: list[tuple[dict[Any, list[float]], float]] = []
    end = time.perf_counter() + measured.SETTINGS["limit"]
    while len(taken) < timing.LEAST_REPEATS or (
        sum(others <= measured.IDLE for _, others in taken) < rounds and time.perf_counter() < end
    ):
        order = list(functions)[:: -1 if len(taken) % 2 else 1]
        taken.append(_others(lambda o=order: {key: _turn(functions[key], calls[key], pause) for key in o}))
        print(f"round {len(taken)}: other programs used {taken[-1][1]:.2f} cores", flush=True)
    limit = sorted(others for _, others in taken)[min(rounds, len(taken)) - 1]
    return [one for one in taken if one[1] <= limit]


def _turn(function: Callable[[], Any], calls: int, pause: float) -> list[float]:
    """Seconds of each of `calls` calls in a row."""
    time.sleep(pause)
    function()
    seconds = []
    for _ in range(calls):
        begin = time.perf_counter()
        function()
        seconds.append(round(time.perf_counter() - begin, 7))
    return seconds


def _undisturbed(measure: Callable[[], Any]) -> tuple[Any, float]:
    """What `measure` gives while other programs use least of the processor, and how many cores they used.

    Of up to `_TRIES` tries. Before each it waits for an idle machine, `_PATIENCE` seconds at most.
    """
    tried = []
    for _ in range(_TRIES):
        end = time.perf_counter() + _PATIENCE
        while _others(lambda: time.sleep(0.5))[1] > measured.IDLE and time.perf_counter() < end:
            pass
        tried.append(_others(measure))
        if tried[-1][1] <= measured.IDLE:
            break
    return min(tried, key=lambda found: found[1])


def _others(function: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `function`, and how many cores other programs used meanwhile."""
    psutil.cpu_percent()  # counts from here on
    begin, own = time.perf_counter(), time.process_time()
    result = function()
    own = (time.process_time() - own) / (time.perf_counter() - begin)
    return result, max(0.0, psutil.cpu_percent() / 100 * psutil.cpu_count() - own)


def measure(names: Sequence[str], rounds: int) -> dict[str, Any]:
    """A new record; each number of threads has its process."""
    machine = environment.machine()
    del machine["threads"]  # each timing says its own
    made: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": "python -m mobilenet_lib.experiments.speed.measuring",
        "settings": measured.SETTINGS | {"rounds": rounds},
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
            command = [*made["command"].split()[1:], "--threads", str(threads), "--output", str(part)]
            command += ["--rounds", str(rounds), "--networks"]
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
    parser.add_argument(
        "--rounds", type=int, default=measured.SETTINGS["rounds"], help="how many are to be undisturbed"
    )
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)  # the process that measures
    options = parser.parse_args(arguments)
    if options.threads:
        parts = _measured_here(options.networks, options.threads, options.rounds)
        options.output.write_text(json.dumps(parts), encoding="utf-8")
        return
    made = measure(options.networks, options.rounds)
    measured.check(made, "the new record")
    files.write_json(options.output, made)
    print(f"{options.output} written")


if __name__ == "__main__":
    main()
