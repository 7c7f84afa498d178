"""Measured costs of any Paddle model: run it once and count the multiply-accumulates that really happen.

The tables in `architectures` say what a network should cost. Here three things watch what its forward pass does:

1. **Hooks** on every layer know which layer is at work, and give each count its name.
2. **The operations themselves** (`_COUNTED`) are replaced, for the length of the pass, by versions that also count.
   A hook on `Conv2D` alone would miss a subclass, `x @ y`, a layer called through `layer.forward`, and functional calls
   such as `F.conv2d` between the layers. All of them end in the same few functions of `paddle._C_ops`, where the real
   shapes are known; each goes to the innermost layer at work, or to the model itself, the row "(model)".
3. **Paddle's own list of launched kernels** is the witness. What was launched outside a counted operation and is not
   free by convention (`free_kernels.txt`) is named in `Count.uncounted`, so nothing is left out silently.

Convention of both MobileNet papers: MACs of convolutions, fully connected layers and matrix products. Additions of
a bias, batch norm, activations, pooling, element-wise and reducing operations are free. 1 MAC = 2 FLOPs.
Introduced in lesson 01.
"""

from __future__ import annotations

import math
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle

if TYPE_CHECKING:
    import pandas as pd

    Input = tuple[int, ...] | paddle.Tensor

_CUSTOM = "_run_custom_op"  # Paddle's entrance to operations that users wrote in C++
_LAUNCHES = "FLAGS_low_precision_op_list"  # on: Paddle counts each kernel it launches, by name and precision

# Kernels without multiply-accumulates by the papers' convention, under the names of Paddle's list (less a final "_v2").
_FREE = frozenset(Path(__file__).with_name("free_kernels.txt").read_text(encoding="utf-8").split())
_FREE_FAMILIES = ("elementwise_", "logical_", "bitwise_", "less_", "greater_", "reduce_")


class ForwardError(ValueError):
    """The model's own forward pass raised; the original error is the cause."""


@dataclass(frozen=True)
class CountedLayer:
    """One call of one layer, or what the model computes outside its layers.

    name: path of the layer, such as "features.3.conv". layer: its class. op: operations counted in this call, without
    those of its sub-layers; empty where all is free. output_shape: with the batch. params: trainable ones the layer
    holds itself, at its first call. activations: numbers written by the counted operations.
    """

    name: str
    layer: str
    op: str
    output_shape: tuple[int, ...]
    macs: int
    params: int
    activations: int


@dataclass(frozen=True)
class Count:
    """What one forward pass cost, for the whole batch.

    macs: multiply-accumulates. params: trainable numbers of the model, each once, whether the pass used them or not.
    activations: numbers written by the counted operations. layers: rows in the order in which the calls began; their
    macs and activations add up to the totals. A layer of several names has the first, and several rows when it is
    called several times. uncounted: Paddle's name of an operation that is neither counted nor known to be free →
    number of calls; whatever it computes is missing in macs.
    """

    macs: int
    params: int
    activations: int
    layers: tuple[CountedLayer, ...] = field(repr=False)
    uncounted: dict[str, int]

    @property
    def flops(self) -> int:
        """Floating-point operations: a multiplication and an addition per MAC."""
        return 2 * self.macs

    def to_frame(self) -> pd.DataFrame:
        """The rows as a pandas table."""
        import pandas as pd

        return pd.DataFrame([vars(row) for row in self.layers], columns=list(CountedLayer.__dataclass_fields__))


def count(model: paddle.nn.Layer, input_shape: Input | tuple[Input, ...], dtype: str = "float32") -> Count:
    """Run `model` once on zeros, in eval mode and without gradients, and count.

    The model comes back as it was, even when its forward raises; Python attributes that a forward sets itself are not
    undone. Paddle is changed for all threads while this runs: do not use it from several threads at once. It does not
    see arithmetic done outside Paddle (NumPy), nor a product spelled out as a multiplication and a sum.

    Args:
        model: any Layer, also one with several outputs.
        input_shape: (channels, height, width) for one image; any other number of sizes is taken with its batch. A
            tensor is the input itself, as for word numbers. Several inputs are a tuple of shapes or tensors.
        dtype: of the zeros.

    Raises:
        ValueError: a model that is no Layer, or a shape that is not positive whole numbers.
        ForwardError: the forward pass raised; with the name of the layer, and the original error as its cause.
    """
    # Each change registers its own undoing; all of them run, the last change first.
    with ExitStack() as undo:
        inputs = _ready(undo, model, input_shape, dtype)
        recorder = _Recorder(model)
        _prepare(undo, model, recorder)
        before = _launches()
        try:
            output = model(*inputs)
        except Exception as error:
            call, shapes = recorder.open[-1], ", ".join(str(tuple(given.shape)) for given in inputs)
            where = f"layer {call.name} ({type(call.target).__name__}) for an input of {shapes}"
            told = f"the forward pass failed in {where}: {type(error).__name__}: {str(error).strip()}"
            raise ForwardError(told) from error
        recorder.leave(model, None, output)
        return recorder.result(_launches() - before + recorder.unlisted)


def launches(model: paddle.nn.Layer, input_shape: Input | tuple[Input, ...]) -> dict[str, int]:
    """Run `model` once, as `count` does, and list the kernels that Paddle launched: its name for a kernel → how often.

    A kernel is one task that the framework hands to the device, such as a convolution or the addition of its bias. It
    is Paddle's own list, in the dynamic graph: a library may split such a task further. Its ValueErrors are `count`'s.
    """
    with ExitStack() as undo:
        inputs = _ready(undo, model, input_shape, "float32")
        before = _launches()
        model(*inputs)
        return dict((_launches() - before).most_common())


@dataclass
class _Call:
    """A layer at work, and what was counted in it so far."""

    name: str
    target: paddle.nn.Layer
    ops: list[str] = field(default_factory=list)
    macs: int = 0
    activations: int = 0
    output_shape: tuple[int, ...] = ()

    def has_row(self) -> bool:
        """Was anything counted in it, or does it hold weights, or no other layers?"""
        return bool(self.ops or self.target.parameters(include_sublayers=False) or not self.target.sublayers())

    def row(self, seen: set[int]) -> CountedLayer:
        op = " + ".join(op if n == 1 else f"{op} ×{n}" for op, n in Counter(self.ops).items())
        params = _trainable(self.target.parameters(include_sublayers=False), seen)
        return CountedLayer(
            self.name, type(self.target).__name__, op, self.output_shape, self.macs, params, self.activations
        )


class _Recorder:
    """Which layers are open, innermost last, and every call so far."""

    def __init__(self, model: paddle.nn.Layer) -> None:
        self.model = model
        self.names = {id(layer): name for name, layer in model.named_sublayers()}
        self.open: list[_Call] = []
        self.calls: list[_Call] = []
        self.unlisted: Counter[str] = Counter()
        # By hand, not by a hook: a hook of the model's own may compute before ours.
        self.enter(model, None)

    def enter(self, layer: paddle.nn.Layer, _inputs: Any) -> None:
        self.open.append(_Call(self.names.get(id(layer), "(model)"), layer))
        self.calls.append(self.open[-1])

    def leave(self, layer: paddle.nn.Layer, _inputs: Any, outputs: Any) -> None:
        # A call that raised, and whose error the model caught, never left: drop it too.
        while (call := self.open.pop()).target is not layer:
            pass
        shapes = (tuple(one.shape) for one in paddle.utils.flatten(outputs) if isinstance(one, paddle.Tensor))
        call.output_shape = next(shapes, ())  # that of the first, where there are several

    def counting(self, name: str, operation: Callable[..., Any], macs: Callable[..., int]) -> Callable[..., Any]:
        """`operation`, but counted into the innermost open layer."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            # The witness looks away: what is launched here is counted.
            paddle.set_flags({_LAUNCHES: 0})
            try:
                output = operation(*args, **kwargs)
            finally:
                paddle.set_flags({_LAUNCHES: 1})
            written = output if isinstance(output, paddle.Tensor) else output[0]
            call = self.open[-1]
            call.ops.append(name)
            call.macs += macs(written, args, kwargs)
            call.activations += math.prod(written.shape)
            return output

        return counted

    def listing(self, name: str, operation: Callable[..., Any]) -> Callable[..., Any]:
        """`operation`, but listed by hand: Paddle's list leaves out custom and old-style operations."""

        def listed(*args: Any, **kwargs: Any) -> Any:
            self.unlisted[f"custom {args[0]}" if name == _CUSTOM else name] += 1
            return operation(*args, **kwargs)

        return listed

    def result(self, launched: Counter[str]) -> Count:
        seen: set[int] = set()
        rows = tuple(call.row(seen) for call in self.calls if call.has_row())
        free = {name for name in launched if name.startswith(_FREE_FAMILIES) or name.removesuffix("_v2") in _FREE}
        return Count(
            macs=sum(row.macs for row in rows),
            params=_trainable(self.model.parameters(), set()),
            activations=sum(row.activations for row in rows),
            layers=rows,
            uncounted={name: launched[name] for name in sorted(launched.keys() - free)},
        )


def _convolution(output: paddle.Tensor, args: tuple, _kwargs: dict) -> int:
    """Every output value is a sum over one filter; taps on the padding count, because the loops perform them."""
    return math.prod(output.shape) * math.prod(args[1].shape[1:])  # [out, in / groups, kernel...]


def _transposed_convolution(_output: paddle.Tensor, args: tuple, _kwargs: dict) -> int:
    """Every input value is spread over one filter; taps on the cropped border count, as padding does above."""
    return math.prod(args[0].shape) * math.prod(args[1].shape[1:])  # [in, out / groups, kernel...]


def _product(position: int) -> Callable[..., int]:
    """Each value sums over the last axis of the left operand, at `position`; over the last but one if transposed."""

    def macs(output: paddle.Tensor, args: tuple, kwargs: dict) -> int:
        left = args[position] if len(args) > position else kwargs.get("x", kwargs.get("input"))
        flag = args[2] if len(args) > 2 else kwargs.get("transpose_x")
        return math.prod(output.shape) * left.shape[-2 if flag is True and len(left.shape) > 1 else -1]

    return macs


def _einsum(_output: paddle.Tensor, args: tuple, _kwargs: dict) -> int:
    """One MAC per combination of the indices; sums over an index of one operand alone are free.

    Paddle splits a product of three or more operands into pairs before it comes here.
    """
    *terms, result = args[1].replace("->", ",").split(",")
    if len(terms) == 1:
        return 0
    sizes = Counter()
    for term, operand in zip(terms, args[0], strict=True):
        for index, size in zip(term, operand.shape, strict=True):
            sizes[index] = max(sizes[index], size)  # a size of 1 is stretched
    return math.prod(size for index, size in sizes.items() if index in result or all(index in t for t in terms))


# Functions of paddle._C_ops, which layers, functionals and tensor methods share, and what each costs. Conv1D comes to
# conv2d too, with a height of 1.
_COSTS = {
    _convolution: "conv2d conv3d depthwise_conv2d depthwise_conv2d_bias depthwise_conv3d_bias",
    _transposed_convolution: "conv2d_transpose conv2d_transpose_bias conv3d_transpose depthwise_conv2d_transpose",
    _product(0): "linear linear_v2 matmul bmm mv dot",
    _product(1): "addmm addmm_ baddbmm baddbmm_",
    _einsum: "einsum",
}
_COUNTED = {name: macs for macs, names in _COSTS.items() for name in names.split()}


def _ready(undo: ExitStack, model: paddle.nn.Layer, given: Any, dtype: str) -> tuple[paddle.Tensor, ...]:
    """The inputs; the model in eval mode, without gradients, its state kept; launches listed. Undone with `undo`."""
    undo.enter_context(eval_mode(model))
    undo.enter_context(paddle.no_grad())
    undo.callback(paddle.set_rng_state, paddle.get_rng_state())
    undo.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002 (the generator that models share)
    undo.callback(random.setstate, random.getstate())
    _keep_buffers(undo, model)
    several = isinstance(given, (tuple, list)) and any(isinstance(one, (tuple, list, paddle.Tensor)) for one in given)
    undo.callback(paddle.set_flags, paddle.get_flags(_LAUNCHES))
    paddle.set_flags({_LAUNCHES: 1})
    return tuple(_input(one, dtype) for one in (given if several else [given]))


def _prepare(undo: ExitStack, model: paddle.nn.Layer, recorder: _Recorder) -> None:
    """Hooks and counting operations; all registered with `undo`."""
    for layer in model.sublayers():
        undo.callback(layer.register_forward_pre_hook(recorder.enter).remove)
        undo.callback(layer.register_forward_post_hook(recorder.leave).remove)
    operations = {name: getattr(paddle._C_ops, name) for name in _COUNTED}
    counted = {id(one): recorder.counting(name, one, _COUNTED[name]) for name, one in operations.items()}
    # Everywhere: `from paddle._C_ops import matmul`, as in paddle.tensor, keeps the function under a name of its own.
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in counted:
                _replace(undo, module, name, counted[id(value)])
    # `@` is bound to C++ and passes by all of these. In __rmatmul__(right, left) the left operand comes second.
    for name, macs in (("__matmul__", _product(0)), ("__rmatmul__", _product(1))):
        _replace(undo, paddle.Tensor, name, recorder.counting("matmul", getattr(paddle.Tensor, name), macs))
    old_style = [(paddle._legacy_C_ops, name) for name in paddle._legacy_C_ops.__all__ if not name.startswith("_")]
    for module, name in [(paddle._C_ops, _CUSTOM), *old_style]:
        _replace(undo, module, name, recorder.listing(name, getattr(module, name)))
    # A model under paddle.jit.to_static runs as the Python it was written in.
    translator = paddle.jit.dy2static.program_translator.ProgramTranslator()
    _replace(undo, translator, "enable_to_static", False)


def _replace(undo: ExitStack, owner: Any, name: str, value: Any) -> None:
    undo.callback(setattr, owner, name, getattr(owner, name))
    setattr(owner, name, value)


def _keep_buffers(undo: ExitStack, model: paddle.nn.Layer) -> None:
    """Put buffers and batch-norm statistics back, which BatchNorm(use_global_stats=False) changes even in eval mode."""
    for layer in model.sublayers(include_self=True):
        undo.callback(layer._buffers.update, dict(layer._buffers))  # a forward may assign another tensor
    # Paddle keeps the running statistics among the parameters, as ones that are not trained.
    for tensor in [*model.buffers(), *(p for p in model.parameters() if p.stop_gradient)]:
        if tensor._is_initialized():  # an LSTM has a buffer without memory
            undo.callback(paddle.assign, tensor.clone(), tensor)


def _launches() -> Counter[str]:
    """Kernels launched so far while the flag was on. Paddle gives "half, bfloat16, single, other precision" calls."""
    listed = paddle.base.core.get_low_precision_op_list()
    return Counter({name: sum(map(int, calls.split(","))) for name, calls in listed.items()})


def _input(input_shape: tuple[int, ...] | paddle.Tensor, dtype: str) -> paddle.Tensor:
    if isinstance(input_shape, paddle.Tensor):
        return input_shape.clone()  # a forward may write into its input
    if not isinstance(input_shape, (tuple, list)) or not input_shape:
        raise ValueError(f"input_shape must be (channels, height, width), not {input_shape!r}")
    sizes = [whole_number(f"each size in input_shape {tuple(input_shape)}", size) for size in input_shape]
    return paddle.zeros([1, *sizes] if len(sizes) == 3 else sizes, dtype)


def _trainable(parameters: list[paddle.Tensor], seen: set[int]) -> int:
    """How many trainable numbers, without those of parameters already `seen`; notes the new ones there."""
    fresh = {id(p): math.prod(p.shape) for p in parameters if not p.stop_gradient and id(p) not in seen}
    seen.update(fresh)
    return sum(fresh.values())
