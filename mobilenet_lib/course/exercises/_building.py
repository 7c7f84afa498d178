"""Exercises whose answer is a Paddle layer, and how a learner's layer is compared with one that is known to be right.

Both are given the same weights, and then the same images. Which tensor is which is found without names: by shape, by
what it holds at the start (ones in a batch norm's scale, zeros in its shift, …) and, among equals, by the order in
which an image meets the layers. So a learner may name, nest and write the parts as they like. Compared are the tensors
that the layer holds, its output in train mode, then in eval mode with the running statistics of that step, and MACs.
Paddle is imported when a layer is built, not with this module.
"""

from __future__ import annotations

import contextlib
import io
import math
import sys
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np

from mobilenet_lib.course.exercises._exercise import SEED, Exercise
from mobilenet_lib.course.exercises._values import said, short_repr

_BATCH = 4  # images: enough for a batch norm in train mode
_LARGEST_ERROR = 1e-4  # of the largest output: what float32 leaves of sums in another order, layer after layer
_ROLES = {"weights": "weights", "scale": "scale of a batch norm", "shift": "shift of a batch norm or a bias"}
_ROLES |= {"mean": "running mean", "variance": "running variance"}


@dataclass(frozen=True, kw_only=True)
class Building(Exercise):
    """A function that builds a Paddle layer.

    image: the shape [channels, height, width] of the images for a case. known: what the learner's layer must agree
    with, where that is another than the reference, such as a layer of `paddle.vision`; it takes the same arguments.
    `mistakes` build the wrong layers that learners build; one that raises stands for all that raise in the same case.
    """

    RANDOM_CASES: ClassVar[int] = 2

    returns: str = "layer"
    image: Callable[..., tuple[int, int, int]]
    known: Callable[..., Any] | None = None

    @cached_property
    def right(self) -> list[Seen]:
        """What is right in each case."""
        return [self._seen(self.known or self.reference, case) for case in self.all_cases]

    def watched(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, but for a layer it returns what is `Seen` of it; anything else passes as it is."""
        nn = _paddle().nn

        def call(*arguments: Any, **named: Any) -> Any:
            layer, image = function(*arguments, **named), self.image(*arguments, *named.values())
            if not isinstance(layer, nn.Layer):
                return layer
            seen = see(layer, image)
            if any(map(_has_bias, layer.sublayers(include_self=True))):
                again = function(*arguments, **named)
                for part in filter(_has_bias, again.sublayers(include_self=True)):
                    part.bias = None
                seen.without_bias = see(again, image)
            return seen

        return call

    def makes_mistake(self, wrong: Callable[..., Any], seen: list[Any], problem: BaseException | None) -> bool:
        """Do the layers that `wrong` builds look like those `seen`, and raise the same problem in the next case?"""
        for case, mine in zip(self.all_cases, seen, strict=False):
            try:
                theirs = self._seen(wrong, case)
            except Exception:
                return False
            if unlike(mine, theirs):
                return False
        if problem is None:
            return True
        try:
            self._seen(wrong, self.all_cases[len(seen)])
        except Exception as theirs:
            return said(theirs) == said(problem)
        return False

    def _seen(self, build: Callable[..., Any], case: tuple) -> Seen:
        return see(build(*case), self.image(*case))


@dataclass
class Seen:
    """What is compared of a layer. held: role and shape of its tensors. train, eval: outputs in these modes.

    without_bias: the same layer without the biases of its convolutions, where it has any: that most common mistake must
    not hide another one.
    """

    layer: Any = field(repr=False)
    image: tuple[int, int, int]
    held: list[tuple[str, tuple[int, ...]]]
    train: np.ndarray
    eval: np.ndarray
    without_bias: Seen | None = None

    @cached_property
    def macs(self) -> int:
        """MACs for one image; not to be asked for in another thread, because counting changes Paddle meanwhile."""
        from mobilenet_lib.counting import count

        with contextlib.redirect_stdout(io.StringIO()):  # the learner's prints have been seen
            return count(self.layer, self.image).macs

    @property
    def params(self) -> int:
        return sum(math.prod(shape) for role, shape in self.held if role not in ("mean", "variance"))


def see(layer: Any, image: tuple[int, int, int]) -> Seen:
    """Give the layer the known weights and run it. What its `forward` raises is raised."""
    paddle = _paddle()
    images = paddle.to_tensor(_drawn("images", (_BATCH, *image), 0))
    with paddle.no_grad():
        layer.eval()
        held: list[tuple[str, tuple[int, ...]]] = []
        for role, tensor in _tensors(layer, images[:1]):
            key = role, tuple(tensor.shape)
            tensor.set_value(_drawn(*key, held.count(key)))
            held.append(key)
        with patch.object(paddle.nn.functional, "dropout", partial(_without_chance, layer)):  # `nn.Dropout` calls it
            layer.train()
            train = _output(layer, images)
            layer.eval()
            return Seen(layer, image, held, train, _output(layer, images))


def _without_chance(
    layer: Any, x: Any, p: float = 0.5, axis: Any = None, training: bool = True, *_: Any, **__: Any
) -> Any:
    """`F.dropout` that drops nothing: what it drops is chance."""
    if training and not layer.training:
        raise ValueError("`F.dropout` drops numbers in eval mode too, unless it is told `training=self.training`")
    if math.prod(x.shape[2:]) > 1:
        raise ValueError("a dropout of yours works on a feature map: at most, one belongs before the classifier")
    return x


def unlike(mine: Seen, theirs: Seen) -> str:
    """How the learner's layer differs from another, as a sentence; "" where it does not."""
    if Counter(mine.held) != Counter(theirs.held):
        return _other_tensors(mine, theirs)
    for mode in ("train", "eval"):
        got, right = getattr(mine, mode), getattr(theirs, mode)
        if got.shape != right.shape:
            return f"it outputs {list(got.shape)}; right is {list(right.shape)}."
        wrong = ~(np.abs(got - right) <= _LARGEST_ERROR * np.abs(right).max())
        if wrong.any():
            index = tuple(int(place) for place in np.argwhere(wrong)[0])
            values = [short_repr(float(output[index])) for output in (got, right)]
            return (
                "its tensors and the shape of its output are right, but with equal weights its output differs in "
                f"{mode} mode: the first difference is at index {list(index)}, where yours is {values[0]} and right "
                f"is {values[1]}."
            )
    if mine.macs != theirs.macs:
        return f"its output is right, but it takes {mine.macs:,} MACs; right is {theirs.macs:,}."
    return ""


def _other_tensors(mine: Seen, theirs: Seen) -> str:
    if not mine.held:
        return (
            "Paddle finds no weights in it. It sees layers that are attributes of a layer or stand in `nn.Sequential` "
            "or `nn.LayerList`, not those in a plain list."
        )
    counts = Counter(mine.held), Counter(theirs.held)
    parts = [f"it holds {_listed(counts[0] - counts[1])} too much"] if counts[0] - counts[1] else []
    parts += [f"{_listed(counts[1] - counts[0])} is missing"] if counts[1] - counts[0] else []
    return f"{'; '.join(parts)}. That is {mine.params:,} trained numbers; right are {theirs.params:,}."


def _listed(tensors: Counter) -> str:
    told = [f"{n} × " * (n > 1) + f"{_ROLES[role]} {list(shape)}" for (role, shape), n in tensors.items()]
    return ", ".join(told[:4]) + (f" and {len(told) - 4} more" if len(told) > 4 else "")


def _tensors(layer: Any, images: Any) -> list[tuple[str, Any]]:
    """Parameters and running statistics with their roles, in the order in which images meet their layers."""
    everything = layer.sublayers(include_self=True)
    roles = {id(tensor): _role(tensor) for one in everything for tensor in _own(one)}  # before a step changes them
    met: list[Any] = []

    hooks = [one.register_forward_pre_hook(lambda one, _: met.append(one)) for one in everything]
    try:
        with patch.object(_paddle().nn.functional.conv, "_C_ops", _Careful()):  # of `nn.Conv2D` and of `F.conv2d`
            _output(layer, images)
    finally:
        for hook in hooks:
            hook.remove()
    found = {id(tensor): tensor for one in (*met, *everything) for tensor in _own(one)}
    return [(roles[key], tensor) for key, tensor in found.items() if key in roles]


class _Careful:
    """Paddle's operations, of which convolutions refuse what crashes it."""

    def __getattr__(self, name: str) -> Any:
        run = getattr(_paddle()._C_ops, name)
        return partial(_convolved, run, name.startswith("depthwise")) if name.endswith("conv2d") else run


def _convolved(
    run: Callable[..., Any], depthwise: bool, x: Any, kernel: Any, stride: Any, padding: Any, kind: str, *more: Any
) -> Any:
    """Raise ValueError for a dilation, which no exercise wants, and for a kernel beyond the edge: Paddle crashes."""
    if max(more[depthwise]) > 1:
        raise ValueError(
            f"a convolution of yours has dilation {more[depthwise][0]}: your sixth argument is the dilation. Where you "
            "mean the groups, write groups= before the number"
        )
    size, sides = list(x.shape[2:]), list(kernel.shape[2:])
    around = np.add(padding[::2], padding[1::2]) if len(padding) == 4 else 2 * np.array(padding)
    if kind != "SAME" and (size + around < sides).any():
        shrunk = f"the feature map has shrunk to {size}, less than a kernel of {sides}"
        raise ValueError(f"{shrunk}: which padding keeps its size?")
    return run(x, kernel, stride, padding, kind, *more)


def _has_bias(part: Any) -> bool:
    return isinstance(part, _paddle().nn.Conv2D) and part.bias is not None


def _own(layer: Any) -> list[Any]:
    """Tensors of real numbers that the layer itself holds."""
    tensors = (*layer._parameters.values(), *layer._buffers.values())
    return [tensor for tensor in tensors if tensor is not None and "float" in str(tensor.dtype)]


def _role(tensor: Any) -> str:
    if tensor.ndim != 1:
        return "weights"
    is_one = bool((tensor == 1).all())
    if tensor.stop_gradient:
        return "variance" if is_one else "mean"
    return "scale" if is_one else "shift"


def _drawn(role: str, shape: tuple[int, ...], number: int) -> np.ndarray:
    """The known values of the `number`-th tensor of this role and shape; large enough that ReLU6 cuts some outputs."""
    rng = np.random.default_rng([SEED, zlib.crc32(role.encode()), *shape, number])
    if role in ("scale", "variance"):
        return rng.uniform(*((1, 3) if role == "scale" else (0.5, 2)), size=shape).astype("float32")
    inputs = math.prod(shape[1:]) if len(shape) == 4 else shape[0]
    spread = {"weights": (2 / inputs) ** 0.5, "shift": 2, "mean": 0.5, "images": 1}[role]
    return rng.normal(scale=spread, size=shape).astype("float32")


def _output(layer: Any, images: Any) -> np.ndarray:
    try:
        output = layer(images)
    except NotImplementedError:
        raise TypeError("a layer of yours has no `forward`: `nn.Sequential` has one, `nn.LayerList` has none") from None
    if not isinstance(output, _paddle().Tensor):
        raise TypeError(f"the layer's forward must return one tensor, not {short_repr(output)}")
    return output.numpy()


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Paddle's generator, its names for layers and its modes are afterwards as they were."""
    with contextlib.ExitStack() as undo:
        if "paddle" in sys.modules:
            paddle = _paddle()
            undo.callback(paddle.set_rng_state, paddle.get_rng_state())
            undo.callback(paddle.set_default_dtype, paddle.get_default_dtype())
            undo.callback(paddle.set_grad_enabled, paddle.is_grad_enabled())
            undo.enter_context(paddle.utils.unique_name.guard())
        # Whoever imports Paddle in a thread leaves all others in static mode.
        undo.callback(lambda: "paddle" in sys.modules and _paddle().disable_static())
        yield


def _paddle() -> Any:
    from mobilenet_lib._support.paddle import paddle

    return paddle
