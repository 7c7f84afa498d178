"""Train and eval mode of a model, put back as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mobilenet_lib._support.paddle import paddle


@contextlib.contextmanager
def eval_mode(model: paddle.nn.Layer) -> Iterator[paddle.nn.Layer]:
    """`model` in eval mode; afterwards every layer is again in the mode that it had, also after an error.

    Raises ValueError for what is no Layer.
    """
    if not isinstance(model, paddle.nn.Layer):
        raise ValueError(f"model must be a paddle.nn.Layer, not {type(model).__name__}: pass the network itself")
    # Not model.train() at the end: it could not tell which layers had been frozen before.
    modes = [(layer, layer.training) for layer in model.sublayers(include_self=True)]
    try:
        for layer, _ in modes:
            layer.training = False
        yield model
    finally:
        for layer, training in modes:
            layer.training = training
