"""Measures all recorded speeds of lesson 07, in about ten minutes on two cores that do nothing else:

    uv run python -m mobilenet_lib.experiments.speed.measuring

Each number of threads has a process of its own, because a runtime that is built with one thread leaves Paddle's matrix
products one in its whole process; the processes take turns, and wait without using the processor.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timezone
from functools import partial
from multiprocessing import get_context
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
_Key = tuple[str, str, int, int]  # network, runtime or step, batch size, threads
_Round = tuple[dict[_Key, list[float]], float]  # seconds of each call, and how many cores other programs used


def measure(names: Sequence[str], rounds: int) -> dict[str, Any]:
    """A new record. All timings first, in turns; then, with all threads, what is measured on its own."""
    machine = environment.machine()
    del machine["threads"]  # each timing says its own
    made: dict[str, Any] = {
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": "python -m mobilenet_lib.experiments.speed.measuring",
        "settings": measured.SETTINGS | {"rounds": rounds},
        "versions": environment.versions("onnxruntime", "paddle2onnx"),
        "machine": machine,
    }
    cores = machine["cores"]
    with ExitStack() as processes:
        workers = {threads: processes.enter_context(_process(threads)) for threads in sorted({1, cores})}
        warm_up = {}
        for threads, worker in workers.items():
            chosen = [name for name in names if threads == cores or name in measured.WITH_ONE_THREAD]
            warm_up |= worker.submit(_prepare, chosen, threads).result()
        print(f"{len(warm_up)} runners are ready", flush=True)
        taken = in_rounds([lambda back, one=one: one.submit(_round, back).result() for one in workers.values()], rounds)
        made |= workers[cores].submit(_alone, cores).result()
    busiest = max(others for _, others in taken)
    made["timings"] = [
        {**dict(zip(("network", "runtime", "batch_size", "threads"), key, strict=True)), "others": busiest}
        | {"warm_up": first, "seconds": [found[key] for found, _ in taken]}
        for key, first in warm_up.items()
    ]
    return made


def _process(threads: int) -> ProcessPoolExecutor:
    """A process that computes with so many threads: Paddle reads the variable when it starts."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    pool = ProcessPoolExecutor(1, get_context("spawn"))
    pool.submit(os.getpid).result()
    return pool


def in_rounds(workers: Sequence[Callable[[bool], _Round]], rounds: int) -> list[_Round]:
    """Measure in turns, and leave out the rounds in which other programs took most of the machine.

    Rounds are measured until `rounds` of them were undisturbed (`measured.IDLE`), or until the limit of the settings is
    over, but at least three. workers: what measures a round of its own, forwards or backwards (True); they too come in
    the other order in every second round. Returns the least disturbed rounds in their order: all that the workers gave,
    and the most cores that others used meanwhile. Times play no part in the choice.
    """
    taken: list[_Round] = []
    end = time.perf_counter() + measured.SETTINGS["limit"]
    while len(taken) < timing.LEAST_REPEATS or (
        sum(others <= measured.IDLE for _, others in taken) < rounds and time.perf_counter() < end
    ):
        backwards = len(taken) % 2 == 1
        found = [worker(backwards) for worker in list(workers)[:: -1 if backwards else 1]]
        times = {key: seconds for turns, _ in found for key, seconds in turns.items()}
        taken.append((times, max(others for _, others in found)))
        print(f"round {len(taken)}: other programs used {taken[-1][1]:.2f} cores", flush=True)
    limit = sorted(others for _, others in taken)[min(rounds, len(taken)) - 1]
    return [one for one in taken if one[1] <= limit]


# --- In the process that measures ---

_networks: dict[str, paddle.nn.Layer] = {}
_turns: dict[_Key, Callable[[], list[float]]] = {}
_modes = ExitStack()  # keeps the networks in eval mode and without gradients until the process ends


def _prepare(names: Sequence[str], threads: int) -> dict[_Key, list[float]]:
    """Build what is to be timed, and give the seconds of the first calls."""
    _networks.update((name, _built(name)) for name in names)
    runs = {key: run for name, network in _networks.items() for key, run in _runs(name, network, threads).items()}
    functions = _modes.enter_context(timing.callables(runs))
    more = measured.SETTINGS["more_calls"]
    for key, function in functions.items():
        calls = more.get(key[0], 1) if key[2] == 1 else measured.SETTINGS["calls"]
        _turns[key] = partial(_turn, function, calls)
    return {key: _turn(function, measured.SETTINGS["warm_up"] - 1, first=True) for key, function in functions.items()}


def _round(backwards: bool) -> _Round:
    order = list(_turns)[:: -1 if backwards else 1]
    return _others(lambda: {key: _turns[key]() for key in order})


def _alone(threads: int) -> dict[str, Any]:
    """The parts of a record that are measured one after the other."""
    made: dict[str, Any] = {"networks": [_about(name, network) for name, network in _networks.items()]}
    made |= {"layers": [], "layer_times": []}
    for name in measured.CLOSELY:
        if name in _networks:
            by_layer = partial(layer_speed.by_layer, _networks[name], _SHAPE, **measured.SETTINGS["layer_times"])
            made["layer_times"] += [{"network": name, **row} for row in _rows(by_layer, threads)]
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


def _runs(name: str, network: paddle.nn.Layer, threads: int) -> dict[_Key, tuple[Any, paddle.Tensor]]:
    """What is timed of one network: a runner and its images for each key."""
    if name in measured.CLOSELY:
        runners = ablation.runners(network, _SHAPE, threads)
    else:
        runners = {"dynamic": network, "paddle.inference": inference.predictor(network, _SHAPE, threads=threads)}
    runners["onnxruntime"] = inference.onnx_predictor(network, _SHAPE, threads=threads)
    every_size = measured.SETTINGS["batch_sizes"] if name in measured.CLOSELY and threads > 1 else [1]
    return {
        (name, runtime, batch, threads): (runner, timing.random_images(_SHAPE, batch))
        for runtime, runner in runners.items()
        for batch in (every_size if runtime in measured.RUNTIMES else [1])
    }


def _turn(function: Callable[[], Any], calls: int, first: bool = False) -> list[float]:
    """Seconds of each of `calls` calls in a row, behind one that counts only as the `first`.

    Before them a pause: idle threads of one library stay awake for a while and would keep a core from the next one's.
    """
    time.sleep(measured.SETTINGS["pause"])
    timing.take_threads()
    seconds = []
    for _ in range(calls + 1):
        begin = time.perf_counter()
        function()
        seconds.append(round(time.perf_counter() - begin, 7))
    return seconds if first else seconds[1:]


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


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description="Measure the speeds of lesson 07 again, on a machine that does nothing else."
    )
    parser.add_argument("--output", type=Path, default=measured.PATH, help="the file to write")
    parser.add_argument("--networks", nargs="+", choices=measured.NETWORKS, default=measured.NETWORKS)
    parser.add_argument(
        "--rounds", type=int, default=measured.SETTINGS["rounds"], help="how many are to be undisturbed"
    )
    options = parser.parse_args(arguments)
    made = measure(options.networks, options.rounds)
    measured.check(made, "the new record")
    files.write_json(options.output, made)
    print(f"{options.output} written")


if __name__ == "__main__":
    main()
