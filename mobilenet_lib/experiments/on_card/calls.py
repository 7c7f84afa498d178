"""The article's speed test on a graphics card, without waiting for the card and with it.

A card works through a queue: a call returns when its kernels are queued, not when they are done. The article reads the
clock then, in train mode, after one call that warms up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn

from mobilenet_lib import baselines
from mobilenet_lib._support import environment
from mobilenet_lib.experiments.on_card import networks
from mobilenet_lib.experiments.on_card.graph import captured, wait

RESOLUTION = 224
Ways = dict[str, dict[str, Callable[[], object]]]
TRAIN = ("not waiting", "waiting")  # measured in train mode


def measure(rounds: int = 8, calls: int = 10, card: str = "cuda") -> dict[str, Any]:
    """All networks of the article on one random image, in turns, round by round.

    `ms` maps each network to each way of measuring, to milliseconds [rounds, calls]. The ways: "not waiting" (train
    mode, the clock read as the call returns; the queue is empty before), "waiting" (the same until the card is done),
    "eval" (eval mode, no gradients, waiting) and "graph" (the kernels of the eval call, queued by one command: a CUDA
    graph, waiting). `kernels` counts what a call queues in either mode, `macs` are the table's. In float32,
    convolutions as PyTorch computes them by default: by products in TF32.
    """
    device = torch.device(card)
    torch.manual_seed(0)
    tables = {name: baselines.TABLES[name](resolution=RESOLUTION, num_classes=10) for name in baselines.ARTICLE}
    image = torch.rand(1, 3, RESOLUTION, RESOLUTION, device=device)
    models = {name: networks.build(table).to(device) for name, table in tables.items()}
    ways = {name: _ways(model, image) for name, model in models.items()}
    ms: dict[str, dict[str, list[list[float]]]] = {name: {way: [] for way in ways[name]} for name in ways}
    for number in range(rounds + 1):  # the first warms up
        for name, way, call in _in_turn(ways, backwards=bool(number % 2)):
            models[name].train(way in TRAIN)
            found = [_timed(call, device, waiting=way != "not waiting") for _ in range(calls)]
            if number:
                ms[name][way].append(found)
    return {
        "ms": ms,
        "kernels": {
            name: {mode: _kernels(model.train(mode == "train"), image) for mode in ("train", "eval")}
            for name, model in models.items()
        },
        "macs": {name: table.macs for name, table in tables.items()},
        "resolution": RESOLUTION,
        "machine": environment.machine()
        | {"card": torch.cuda.get_device_name(device) if device.type == "cuda" else "none"},
        "versions": environment.versions("torch"),
    }


def _in_turn(ways: Ways, *, backwards: bool) -> Iterator[tuple[str, str, Callable[[], object]]]:
    """Every way of every network; every second round backwards, so that its place favours no way."""
    for name, calls in ways.items():
        for way, call in reversed(calls.items()) if backwards else calls.items():
            yield name, way, call


def _ways(model: nn.Module, image: torch.Tensor) -> dict[str, Callable[[], object]]:
    """The calls by name, each in the mode that `measure` sets; on a card also as a graph."""

    @torch.no_grad()
    def forward() -> torch.Tensor:
        return model(image)

    ways: dict[str, Callable[[], object]] = dict.fromkeys(TRAIN, lambda: model(image)) | {"eval": forward}
    model.eval()
    return ways | ({"graph": captured(forward).replay} if image.is_cuda else {})


def _timed(call: Callable[[], object], device: torch.device, waiting: bool) -> float:
    """Milliseconds of one call, from an empty queue."""
    wait(device)
    started = time.perf_counter()
    call()
    if waiting:
        wait(device)
    seconds = time.perf_counter() - started
    wait(device)
    return round(1000 * seconds, 4)


def _kernels(model: nn.Module, image: torch.Tensor) -> int:
    """How many kernels one call queues in the model's mode; on no card, how many operations it runs."""
    activity, kind = torch.profiler.ProfilerActivity, torch.autograd.DeviceType
    activities = [activity.CUDA if image.is_cuda else activity.CPU]
    with torch.set_grad_enabled(model.training), torch.profiler.profile(activities=activities) as profile:
        model(image)
        wait(image.device)
    wanted = kind.CUDA if image.is_cuda else kind.CPU
    return sum(event.device_type == wanted and "Mem" not in event.name for event in profile.events())
