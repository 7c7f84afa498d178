"""How many pictures a second each way of training takes in; run by hand, not by pytest.

    uv run python tests/benchmark_training.py [--rounds 3] [--python OTHER]
    uv run python tests/benchmark_training.py --inputs [--rounds 3]

One step is forward, backward and update on 64 pictures of 32×32. Each figure is the median over rounds of the median step
of a process of its own; the ways take turns in every round, so that other work on the machine hits all of them. Ways:

- plain: the dynamic graph with Paddle's default of one thread, which is how a first program trains;
- dynamic: the same with all cores, as `training.fit(step="dynamic")`;
- static: `training.fit(step="static")`;
- torch: PyTorch with channels_last, the same network from the same table; where PyTorch is not installed beside the course,
  `--python` names an interpreter that has it.

With --inputs it measures instead how much of a step goes to reading, augmenting and normalising the pictures, which
`training.fit` does in a thread: steps on one batch that lies ready take turns with steps on batches as `fit` makes them.

The limit is what the network's MACs (three times those of a forward pass) would take at the speed of a 1024×1024 matrix product in NumPy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

NETWORKS = (("mobilenet_v1", 1.0), ("mobilenet_v1", 0.5), ("mobilenet_v1", 0.25), ("mobilenet_v2", 1.0))
WAYS = ("plain", "dynamic", "static", "torch")
BATCH, WARM_UP, STEPS = 64, 3, 8


def one(way: str, name: str, width: float) -> float:
    """Images a second of one way, measured in this process."""
    import numpy as np

    generator = np.random.default_rng(0)
    images = generator.standard_normal((BATCH, 3, 32, 32), dtype=np.float32)
    labels = generator.integers(0, 10, BATCH)
    step = _torch_step(name, width) if way == "torch" else _paddle_step(way, name, width)
    times = []
    for _ in range(WARM_UP + STEPS):
        started = time.perf_counter()
        step(images, labels)
        times.append(time.perf_counter() - started)
    return BATCH / statistics.median(times[WARM_UP:])


def _paddle_step(way, name, width):
    from mobilenet_lib import models, training

    training.seed_everything(0)
    model = models.build(name, 10, width, resolution=32)
    if way == "static":
        engine = training.StaticStep(model, "sgd", BATCH, (3, 32, 32))
    else:
        engine = training.DynamicStep(model, "sgd")
    model.train()
    return lambda images, labels: engine.step(images, labels, 0.05)


def _torch_step(name, width):
    import torch

    from mobilenet_lib import architectures
    from mobilenet_lib._support import environment

    torch.set_num_threads(environment.threads())
    table = getattr(architectures, name)(width, 32, 10, 1)
    model = torch.nn.Sequential(*[_torch_layer(torch.nn, block) for block in table.blocks])
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)

    def step(images, labels):
        x = torch.from_numpy(images).to(memory_format=torch.channels_last)
        loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def _torch_layer(nn, block):
    def conv(inputs, outputs, kernel, stride=1, groups=1, activation=block.activation):
        layers = [
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs),
        ]
        last = {"relu": nn.ReLU, "relu6": nn.ReLU6}.get(activation)
        return nn.Sequential(*layers, *([last(inplace=True)] if last else []))

    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    inputs, outputs, hidden = block.in_channels, block.out_channels, block.hidden_channels
    if block.kind == "conv":
        return conv(inputs, outputs, block.kernel_size, block.stride)
    if block.kind == "separable":
        return nn.Sequential(conv(inputs, inputs, 3, block.stride, inputs), conv(inputs, outputs, 1))
    if block.kind == "bottleneck":
        parts = [conv(inputs, hidden, 1)] if block.expand else []
        parts.append(conv(hidden, hidden, 3, block.stride, hidden))
        parts.append(conv(hidden, outputs, 1, activation="none"))
        return (Residual if block.shortcut == "identity" else nn.Sequential)(*parts)
    if block.kind == "pool":
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Linear(inputs, outputs)


def matmul_speed() -> float:
    """Billion MACs a second of a matrix product, with all cores, as lesson 07 measures it.

    In NumPy: Paddle's own product is several times slower on some processors, so it is no limit.
    """
    from mobilenet_lib.experiments.speed import roofline

    return roofline.measure_limits().gmacs_per_second


def inputs(name: str, width: float, rounds: int) -> dict[str, float]:
    """Milliseconds (medians): to prepare a batch with nothing else to do, of a step on a ready batch, of a step on batches
    prepared in the thread, and of that step the part in which it waited for its batch."""
    import itertools

    import numpy as np

    from mobilenet_lib import data, training

    generator = np.random.default_rng(0)
    pictures = generator.integers(0, 256, (50 * BATCH, 3, 32, 32), np.uint8)
    labels = generator.integers(0, 10, len(pictures))
    train = data.ImageSet("noise", "train", pictures, labels, tuple("0123456789"), "made here")
    step = _paddle_step("static", name, width)
    ready = data.normalise(pictures[:BATCH]), labels[:BATCH]
    orders = (generator.permutation(len(train))[:BATCH] for _ in itertools.count())
    times: dict[str, list[float]] = {"prepare": [], "ready": [], "fed": [], "waited": []}
    for number in range(rounds + 1):  # the first warms up
        measured = {key: [] for key in times}
        for _ in range(STEPS):
            started = time.perf_counter()
            data.normalise(data.augment(pictures[next(orders)], generator))
            measured["prepare"].append(time.perf_counter() - started)
        for _ in range(STEPS):
            started = time.perf_counter()
            step(*ready)
            measured["ready"].append(time.perf_counter() - started)
        batches = training.fitting._batches(
            train, itertools.islice(orders, STEPS + 1), lambda images, part: data.augment(images, generator, part=part)
        )
        next(batches)
        for _ in range(STEPS):
            started = time.perf_counter()
            batch = next(batches)
            measured["waited"].append(time.perf_counter() - started)
            step(*batch)
            measured["fed"].append(time.perf_counter() - started)
        batches.close()
        if number:
            for key, values in measured.items():
                times[key] += values
    return {key: 1000 * statistics.median(values) for key, values in times.items()}


def print_inputs(rounds: int) -> None:
    import pandas as pd

    from mobilenet_lib._support import environment

    rows = []
    for name, width in NETWORKS:
        took = inputs(name, width, rounds)
        rows.append(
            {"network": name, "α": width}
            | {f"{key}, ms": round(value, 2) for key, value in took.items()}
            | {"prepare / ready, %": round(100 * took["prepare"] / took["ready"], 1)}
            | {"fed / ready - 1, %": round(100 * (took["fed"] / took["ready"] - 1), 1)}
            | {"waited / fed, %": round(100 * took["waited"] / took["fed"], 2)}
        )
    print(environment.machine(), environment.versions())
    print(f"batch {BATCH}, 32×32, engine static, medians of {rounds * STEPS} steps")
    print(pd.DataFrame(rows).to_string(index=False))


def _child(python: str, *arguments: str, threads: int) -> float | None:
    env = {**os.environ, "OMP_NUM_THREADS": str(threads), "GLOG_minloglevel": "2"}
    env["PYTHONPATH"] = str(Path(__file__).resolve().parent.parent)
    done = subprocess.run([python, __file__, *arguments], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        return None
    return float(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has PyTorch")
    parser.add_argument("--inputs", action="store_true", help="the share of preparing batches instead")
    parser.add_argument("--one", nargs=3, metavar=("WAY", "NETWORK", "WIDTH"), help=argparse.SUPPRESS)
    parser.add_argument("--matmul", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        way, name, width = arguments.one
        print(one(way, name, float(width)))
        return
    if arguments.matmul:
        print(matmul_speed())
        return
    if arguments.inputs:
        print_inputs(arguments.rounds)
        return

    import pandas as pd

    from mobilenet_lib import architectures
    from mobilenet_lib._support import environment

    cores = environment.allowed_cores()
    measured: dict[tuple[str, float, str], list[float]] = {}
    limits = []
    for number in range(arguments.rounds):
        for name, width in NETWORKS:
            for way in WAYS:
                python = arguments.python if way == "torch" else sys.executable
                speed = _child(python, "--one", way, name, str(width), threads=1 if way == "plain" else cores)
                if speed is not None:
                    measured.setdefault((name, width, way), []).append(speed)
        limits.append(_child(sys.executable, "--matmul", threads=cores))
        print(f"round {number + 1} of {arguments.rounds} done", file=sys.stderr)
    limit = statistics.median(limits)
    rows = []
    for name, width in NETWORKS:
        speeds = {way: statistics.median(measured[name, width, way]) for way in WAYS if (name, width, way) in measured}
        macs = getattr(architectures, name)(width, 32, 10, 1).macs
        rows.append(
            {"network": name, "α": width}
            | {way: round(speed) for way, speed in speeds.items()}
            | {"static / plain": round(speeds["static"] / speeds["plain"], 1)}
            | ({"static / torch": round(speeds["static"] / speeds["torch"], 2)} if "torch" in speeds else {})
            | {"limit": round(limit * 1e9 / (3 * macs))}
        )
    print(environment.machine() | {"threads": cores}, environment.versions())
    print(f"images/s, batch {BATCH}, 32×32, medians of {arguments.rounds} rounds; matmul {limit:.0f} GMAC/s")
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
