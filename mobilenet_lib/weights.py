"""Trained weights on disk: save and load those of any model, and get the trained networks that come with the course.

A file holds the arrays of `model.state_dict()` (weights and running statistics) under their names, as NumPy's `.npz`.
It is read without pickle, so that a file from elsewhere can hold wrong numbers but no program.

Introduced in lesson 03.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mobilenet_lib import models, runs
from mobilenet_lib._support import files, npz
from mobilenet_lib._support.paddle import paddle


def save(model: paddle.nn.Layer, path: str | Path) -> None:
    """Write weights and running statistics to `path`; an older file stays whole if anything fails on the way."""
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    npz.write(path, state, np.savez_compressed)


def load(model: paddle.nn.Layer, path: str | Path) -> None:
    """Put the weights that `save` wrote into `model`, and the model into eval mode.

    FileNotFoundError without a file; ValueError, with the model as it was, for a broken file or one of another model.
    """
    path = files.expanded(path)
    if not path.exists():
        raise FileNotFoundError(f"there are no weights at {path}. Check the path.")
    state = npz.read(path, "file of weights", "Take a good copy of it.")
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if wrong := npz.misfit(state, shapes):
        raise ValueError(
            f"{path} holds the weights of another model: {wrong}. Build the model that they were trained in."
        )
    model.set_state_dict(state)
    model.eval()


def recorded_names() -> list[str]:
    """The trained networks that come with the course, in alphabetical order."""
    return sorted(path.stem for path in files.RECORDED.glob("*.npz"))


def recorded(name: str) -> paddle.nn.Layer:
    """A trained network that comes with the course, in eval mode. `runs.recorded(name)` says how it was trained.

    FileNotFoundError lists the names there are.
    """
    if name not in recorded_names():
        there_are = ", ".join(recorded_names()) or "none"
        raise FileNotFoundError(f"there are no recorded weights {name!r}. Choose one of: {there_are}.")
    model = models.build(**runs.recorded(name).settings["network"])
    load(model, files.RECORDED / f"{name}.npz")
    return model
