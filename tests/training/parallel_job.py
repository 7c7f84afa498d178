"""What each of the processes in `test_parallel.py` does; they leave what they found as files in the folder given.

Also the networks and images of that test, for the process that trains alone.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
from test_training import curves, fit, interrupt_in_pass, small_net, stripes, weights

from mobilenet_lib import training
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training import parallel


def plain_net() -> paddle.nn.Layer:
    """Neither batch norm nor dropout: what several processes compute is then what one computes."""
    training.seed_everything(0)
    nn = paddle.nn
    return nn.Sequential(
        *(nn.Conv2D(3, 16, 3, padding=1), nn.ReLU()),
        *(nn.Conv2D(16, 16, 3, stride=2, padding=1, groups=16), nn.ReLU()),
        *(nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Linear(16, 4)),
    )


def train_plain(model: paddle.nn.Layer) -> list[dict]:
    """Two epochs of four batches of 16, augmented, with a validation set that two processes cannot halve."""
    return curves(fit(model, validation=replace(stripes(33, seed=3), part="test")))


def refused(**changes) -> str:
    try:
        fit(small_net(), **changes)
    except ValueError as problem:
        return str(problem)
    return "not refused"


def networks() -> list[list[str]]:
    """Of each port on which this process listens: its address, and the network device it is bound to, "" for all."""
    every = []
    for one in psutil.Process().net_connections("inet"):
        if one.status == psutil.CONN_LISTEN:
            with socket.socket(fileno=os.dup(one.fd)) as port:
                device = port.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16)
            every.append([one.laddr.ip, device.decode().rstrip("\0")])
    return every


def main(folder: Path) -> None:
    parallel.start()
    rank = parallel.rank()
    found = {"networks": networks() if sys.platform == "linux" else []}
    with parallel.first_alone():
        if rank == 0:
            (folder / "loaded").touch()
        found["loaded"] = (folder / "loaded").exists()
    found["uneven"] = refused(batch_size=15)
    found["static"] = refused(step="static")
    found["seeds"] = refused(seed=rank)

    model = plain_net()
    found["plain"] = train_plain(model)
    np.savez(folder / f"plain{rank}.npz", **{n: v.numpy() for n, v in model.state_dict().items()})

    heard = []
    whole = small_net(seed=rank)  # other first weights: the first process's count
    history = fit(whole, epochs=3, on_epoch_end=lambda run: heard.append(len(run.epochs)))
    found |= {"heard": heard, "settings": history.settings, "curves": curves(history)}
    np.savez(folder / f"whole{rank}.npz", **{n: v.numpy() for n, v in whole.state_dict().items()})

    # Each process has a path of its own: what is written there later, it wrote itself.
    checkpoint = folder / f"checkpoint{rank}"
    fit(interrupt_in_pass(small_net(), 6), epochs=3, checkpoint=checkpoint)
    parts = small_net(seed=99)
    history = fit(parts, epochs=3, checkpoint=checkpoint)
    found |= {"again": curves(history) == found["curves"], "same": weights(parts) == weights(whole)}
    (folder / f"found{rank}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
