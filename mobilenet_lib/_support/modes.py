"""Train and eval mode of a model, put back as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from mobilenet_lib._support.paddle import paddle


@contextlib.contextmanager
def eval_mode(model: paddle.nn.Layer) -> Iterator[paddle.nn.Layer]:
    """`model` in eval mode; afterwards every layer is again in the mode that it had, also after an error.

    A layer with own methods `eval` and `train` changes by them: a program loaded by `paddle.jit.load` has such.
    Raises ValueError for what is no Layer.
    """
    if not isinstance(model, paddle.nn.Layer):
        raise ValueError(f"model must be a paddle.nn.Layer, not {type(model).__name__}: pass the network itself")
    # Not model.train() alone at the end: it could not tell which layers had been frozen before.
    modes = [(layer, layer.training) for layer in model.sublayers(include_self=True)]
    trained = [layer for layer, training in modes if training]
    try:
        _call_own(trained, "eval")
        for layer, _ in modes:
            layer.training = False
        yield model
    finally:
        _call_own(trained, "train")
        for layer, training in modes:
            layer.training = training


def _call_own(layers: list[paddle.nn.Layer], name: str) -> None:
    """Call the method of this name of each layer that does not have Paddle's, the outer layers first."""
    for layer in layers:
        method = getattr(layer, name)
        if getattr(method, "__func__", method) is not getattr(paddle.nn.Layer, name):
            method()
