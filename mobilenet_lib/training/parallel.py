"""One training run in several processes, on one machine or on several: each takes its part of every batch.

Paddle's launcher starts the processes and tells each its rank; `training.fit` then does the rest:

    uv run python -m paddle.distributed.launch --nproc_per_node 2 mobilenet-train --model mobilenet_v2 --data cifar10

They talk through gloo on CPUs and NCCL on GPUs; on one machine with Linux, where no other machine can reach them once
all have met. All draw the same order and the same augmentation from the seed, and
average their gradients, so that the weights stay equal. What differs from one process on the same batches:

- Batch norm uses the mean and variance of a process's own part in training, as is usual. The running statistics are
  averaged over the processes at the end of each epoch, before validation.
- Dropout draws other numbers in each process.

A network with neither agrees with one process to rounding. The first process alone writes files, prints, shows progress
and calls `on_epoch_end`.
"""

from __future__ import annotations

import contextlib
import io
import os
import socket
import sys
from collections.abc import Iterator

import numpy as np
import psutil

from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.runs import Run
from mobilenet_lib.training.choice import Step
from mobilenet_lib.training.dynamic import DynamicStep

_dist, _core = paddle.distributed, paddle.base.core
_ARRIVED = "mobilenet/arrived/{}"


class ProcessLost(OSError):
    """Another process of the run does not answer any more: it ended, or its machine cannot be reached."""


def start() -> None:
    """Meet the other processes where Paddle's launcher started several; nothing otherwise, or a second time."""
    if int(os.environ.get("PADDLE_TRAINERS_NUM", "1")) > 1 and not _dist.is_initialized():
        host, _, port = os.environ.get("PADDLE_MASTER", "").rpartition(":")
        all_here = host.startswith("127.") and sys.platform == "linux"
        if all_here:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        with contextlib.redirect_stderr(io.StringIO()):  # a list of flags that nobody set
            _dist.init_parallel_env()
        if all_here:
            _answer_on_loopback_alone(int(port))


def _answer_on_loopback_alone(port: int) -> None:
    """Paddle's store, in which the processes meet, listens on every network and has no setting for that."""
    for one in psutil.Process().net_connections("tcp"):
        if one.status == psutil.CONN_LISTEN and one.laddr.port == port:
            with socket.socket(fileno=os.dup(one.fd)) as store, contextlib.suppress(OSError):  # Linux before 5.7
                store.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")


def processes() -> int:
    """How many processes train together; 1 without the launcher."""
    return _dist.get_world_size() if _dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return _dist.get_rank() if _dist.is_initialized() else 0


def is_first() -> bool:
    """Is this the process that writes and prints?"""
    return rank() == 0


@contextlib.contextmanager
def first_alone() -> Iterator[None]:
    """The first process goes through alone, then the others, and all leave together: one download is enough."""
    if processes() == 1:
        yield
        return
    # gloo gives up a process that is 30 seconds behind the others, which loading data may well be. The store, where
    # the processes met, waits for 15 minutes.
    store = _core.create_or_get_global_tcp_store()
    if not is_first():
        store.wait(_ARRIVED.format(0))
    yield
    store.set(_ARRIVED.format(rank()), b"1")
    for number in range(processes()):
        store.wait(_ARRIVED.format(number))


def part(count: int) -> slice:
    """The part of `count` images that this process works on: all of them for one process."""
    return slice(count * rank() // processes(), count * (rank() + 1) // processes())


def total(values: list[float]) -> list[float]:
    """Each value added up over all processes."""
    if processes() == 1:
        return values
    sums = paddle.to_tensor(np.array(values, np.float64))
    with _told():
        _dist.all_reduce(sums)
    return sums.numpy().tolist()


def check(history: Run, batch_size: int) -> None:
    """ValueError where the processes cannot train together: unequal parts, or other settings or data than the first."""
    if processes() == 1:
        return
    if batch_size % processes():
        raise ValueError(
            f"a batch of {batch_size} images cannot be shared evenly by {processes()} processes. "
            f"Take a batch_size that is a multiple of {processes()}, and at least as many images."
        )
    if 0 < history.data["validation_size"] < processes():
        raise ValueError(f"validation needs an image for each of the {processes()} processes.")
    everywhere: list[dict] = []
    _dist.all_gather_object(everywhere, history.conditions)
    for number, other in enumerate(everywhere):
        for key, value in everywhere[0].items():
            if other.get(key) != value:
                raise ValueError(
                    f"process {number} has {key} = {other.get(key)!r}, process 0 has {value!r}. "
                    "Start all of them with the same command, on the same data."
                )


def follow_first(step: Step, history: Run) -> None:
    """Let all processes go on from where the first one is, which may have read a checkpoint."""
    if processes() == 1:
        return
    sent = [(step.model_state(), step.optimizer_state(), history.to_json()) if is_first() else None]
    _dist.broadcast_object_list(sent, 0)
    if not is_first():
        model_state, optimizer_state, text = sent[0]
        step.load_model_state(model_state)
        step.load_optimizer_state(optimizer_state)
        first = Run.from_json(text, "the history of process 0")
        history.settings, history.epochs, history.started = first.settings, first.epochs, first.started


def average_statistics(model: paddle.nn.Layer) -> None:
    """Set the running mean and variance of each batch norm to the average over the processes."""
    layers = model.sublayers(include_self=True) if processes() > 1 else []
    norms = [layer for layer in layers if isinstance(layer, paddle.nn.layer.norm._BatchNormBase)]
    for statistic in (one for layer in norms for one in (layer._mean, layer._variance)):
        with _told():
            _dist.all_reduce(statistic)
        statistic.set_value(statistic / processes())


class SharedStep(DynamicStep):
    """`DynamicStep` in several processes: `step` learns from this process's part of a batch and from all others'.

    Loss and number classified correctly are those of the whole batch. Construct it in all processes; they begin with
    the first one's weights.
    """

    def __init__(self, model: paddle.nn.Layer, optimizer: str) -> None:
        super().__init__(model, optimizer)
        self._network = paddle.DataParallel(model)  # averages the gradients during backward

    def step(self, images: np.ndarray, labels: np.ndarray, learning_rate: float) -> tuple[float, int]:
        with _told():
            loss, correct = total(list(super().step(images, labels, learning_rate)))
        return loss / processes(), round(correct)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Name a broken connection as what it is; Paddle raises RuntimeError for it as for everything."""
    try:
        yield
    except RuntimeError as problem:
        if not any(word in str(problem).lower() for word in ("gloo", "nccl")):
            raise
        raise ProcessLost(
            f"process {rank()} of {processes()} lost another one, which ended or cannot be reached. See what that one "
            "said last; the last checkpoint is whole, and the same command continues from it"
        ) from problem
