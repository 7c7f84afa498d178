"""How many images a second each way of training takes in; run by hand, not by pytest.

    uv run python tests/benchmark_training.py [--rounds 3] [--python OTHER] [--networks vgg16 mobilenet_v1:0.25 …]
    uv run python tests/benchmark_training.py --inputs [--rounds 3]

One step is forward, backward and update on 64 images of 32×32. Each figure is the median over rounds of the median step
of a process of its own; the ways take turns in every round, so that other work on the machine hits all of them. Ways:

- plain: the dynamic graph with Paddle's default of one thread, which is how a first program trains;
- dynamic: the same with all cores, as `training.fit(step="dynamic")`;
- static: `training.fit(step="static")`;
- torch: PyTorch with channels_last, the same network from the same table; where PyTorch is not installed beside the
  course, `--python` names an interpreter that has it.

On a busy machine two threads wait for each other, and no timing of them says much. `--threads 1 --cpu` measures the
processor time of steps on one thread instead, which other programs hardly change.

With --inputs it measures instead how much of a step goes to reading, augmenting and normalising the images, which
`training.fit` does in a thread: steps on one batch that lies ready take turns with steps on batches as `fit` makes
them.

The limit is what the network's MACs (three times those of a forward pass) would take at the speed of a 1024×1024 matrix
product in NumPy.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# All seven at 32×32, but for the article's own V2, whose two pools need at least 177 pixels.
NETWORKS = (
    "mobilenet_v1:1",
    "mobilenet_v1:0.5",
    "mobilenet_v1:0.25",
    "mobilenet_v2:1",
    "mobilenet_v2:0.25",
    "resnet50",
    "vgg16",
    "resnet152",
    "vgg19",
    "article_mobilenet_v2",
)
WAYS = ("plain", "dynamic", "static", "torch")
BATCH, WARM_UP, STEPS = 64, 2, 8
MOST_STEPS, SECONDS = 60, 3


def table_of(network: str):
    """The table of "name" or "name:width", and the batch size: 4 for the article's V2 at 192 pixels."""
    from mobilenet_lib import baselines

    name, _, width = network.partition(":")
    if width:
        return baselines.TABLES[name](float(width), 32, 10, 1), BATCH
    large = name == "article_mobilenet_v2"
    return baselines.TABLES[name](192 if large else 32, 10), 4 if large else BATCH


def one(way: str, network: str, cpu: bool) -> float:
    """Images a second of one way, measured in this process."""
    import numpy as np

    table, batch = table_of(network)
    generator = np.random.default_rng(0)
    images = generator.standard_normal((batch, 3, table.resolution, table.resolution), dtype=np.float32)
    labels = generator.integers(0, 10, batch)
    step = _torch_step(table) if way == "torch" else _paddle_step(way, table, batch)
    clock, times = time.process_time if cpu else time.perf_counter, []
    while len(times) < WARM_UP + MOST_STEPS and (len(times) < WARM_UP + 3 or sum(times[WARM_UP:]) < SECONDS):
        started = clock()
        step(images, labels)
        times.append(clock() - started)
    return batch / statistics.median(times[WARM_UP:])


def _paddle_step(way, table, batch):
    from mobilenet_lib import models, training

    training.seed_everything(0)
    model = models.TableNetwork(table)
    if way == "static":
        step = training.StaticStep(model, "sgd", batch, (3, table.resolution, table.resolution))
    else:
        step = training.DynamicStep(model, "sgd")
    model.train()
    return lambda images, labels: step.step(images, labels, 0.05)


def _torch_step(table):
    import torch

    from mobilenet_lib.experiments.on_card import networks

    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    model = networks.build(table).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, momentum=0.9, nesterov=True)

    def step(images, labels):
        x = torch.from_numpy(images).to(memory_format=torch.channels_last)
        loss = torch.nn.functional.cross_entropy(model(x), torch.from_numpy(labels))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def matmul_speed() -> float:
    """Billion MACs a second of a matrix product, with all cores, as lesson 07 measures it.

    In NumPy: Paddle's own product is several times slower on some processors, so it is no limit.
    """
    from mobilenet_lib.experiments.speed import roofline

    return roofline.measure_limits().gmacs_per_second


def inputs(network: str, rounds: int) -> dict[str, float]:
    """Milliseconds (medians): to prepare a batch with nothing else to do, of a step on a ready batch, of a step on
    batches
    prepared in the thread, and of that step the part in which it waited for its batch."""
    import itertools

    import numpy as np

    from mobilenet_lib import data, training

    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (50 * BATCH, 3, 32, 32), np.uint8)
    labels = generator.integers(0, 10, len(images))
    train = data.ImageSet("noise", "train", images, labels, tuple("0123456789"), "made here")
    step = _paddle_step("static", *table_of(network))
    ready = data.normalise(images[:BATCH]), labels[:BATCH]
    orders = (generator.permutation(len(train))[:BATCH] for _ in itertools.count())
    times: dict[str, list[float]] = {"prepare": [], "ready": [], "fed": [], "waited": []}
    for number in range(rounds + 1):  # the first warms up
        measured = {key: [] for key in times}
        for _ in range(STEPS):
            started = time.perf_counter()
            data.normalise(data.augment(images[next(orders)], generator))
            measured["prepare"].append(time.perf_counter() - started)
        for _ in range(STEPS):
            started = time.perf_counter()
            step(*ready)
            measured["ready"].append(time.perf_counter() - started)
        batches = training._batches(
            train, itertools.islice(orders, STEPS + 1), lambda chosen, part: data.augment(chosen, generator, part=part)
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
    for network in NETWORKS[:5]:
        took = inputs(network, rounds)
        rows.append(
            {"network": network}
            | {f"{key}, ms": round(value, 2) for key, value in took.items()}
            | {"prepare / ready, %": round(100 * took["prepare"] / took["ready"], 1)}
            | {"fed / ready - 1, %": round(100 * (took["fed"] / took["ready"] - 1), 1)}
            | {"waited / fed, %": round(100 * took["waited"] / took["fed"], 2)}
        )
    print(environment.machine(), environment.versions())
    print(f"batch {BATCH}, 32×32, static step, medians of {rounds * STEPS} steps")
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
    parser.add_argument("--networks", nargs="+", default=NETWORKS, help="name or name:width")
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--cpu", action="store_true", help="measure processor time, for a busy machine")
    parser.add_argument("--inputs", action="store_true", help="measure the preparation of batches instead")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "NETWORK"), help=argparse.SUPPRESS)
    parser.add_argument("--matmul", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(one(*arguments.one, arguments.cpu))
    elif arguments.matmul:
        print(matmul_speed())
    elif arguments.inputs:
        print_inputs(arguments.rounds)
    else:
        print_speeds(arguments)


def print_speeds(arguments: argparse.Namespace) -> None:
    """The ways in turns, round by round, and their table."""
    import pandas as pd

    from mobilenet_lib._support import environment

    measured: dict[tuple[str, str], list[float]] = {}
    limits, cpu = [], ["--cpu"] if arguments.cpu else []
    for number in range(arguments.rounds):
        for network in arguments.networks:
            for way in arguments.ways:
                python = arguments.python if way == "torch" else sys.executable
                threads = 1 if way == "plain" else arguments.threads
                speed = _child(python, *cpu, "--one", way, network, threads=threads)
                if speed is not None:
                    measured.setdefault((network, way), []).append(speed)
        limits.append(_child(sys.executable, "--matmul", threads=arguments.threads))
        print(f"round {number + 1} of {arguments.rounds} done", file=sys.stderr)
    limit = statistics.median(limits)
    rows = []
    for network in arguments.networks:
        speeds = {way: statistics.median(measured[network, way]) for way in WAYS if (network, way) in measured}
        ratios = {
            f"static / {way}": round(speeds["static"] / speeds[way], 2) for way in ("plain", "torch") if way in speeds
        }
        table, batch = table_of(network)
        rows.append(
            {"network": network, "batch": batch}
            | {way: round(speed, 1) for way, speed in speeds.items()}
            | ratios
            | {"limit": round(limit * 1e9 / (3 * table.macs))}
        )
    print(environment.machine() | {"threads": arguments.threads}, environment.versions())
    print(f"images/s, medians of {arguments.rounds} rounds; matrix product {limit:.0f} GMAC/s")
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
