"""Training steps in Paddle's static graph with oneDNN, several times faster than the dynamic graph on a CPU.

Paddle's dynamic graph computes a depthwise convolution channel by channel on one thread. Its static graph can hand
all layers to oneDNN, which is fast as long as no layer falls back to oneDNN's reference code. This engine therefore
builds a network of its own from the blocks of the same table, in a form that stays on the fast path:

- activations are kept as [pictures · height · width, channels], one row per place;
- a 1×1 convolution is then one matrix product, and a batch norm works on columns;
- only the k×k convolutions see [pictures, channels, height, width], between two transposes.

Weights keep the names of the dynamic model and go both ways; 1×1 kernels are transposed on the way.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

from mobilenet_lib._support.interrupts import held
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Block
from mobilenet_lib.training.dynamic import RECIPES, is_decayed

F = paddle.nn.functional

_MOMENTUM, _EPSILON = 0.9, 1e-5  # of batch norm, Paddle's defaults


class NotSupported(ValueError):
    """The static graph cannot be built for this model; the message says why."""


def check_supported(model: paddle.nn.Layer) -> None:
    """NotSupported for a model that no table describes, or whose table has a layer that this form lacks."""
    table = getattr(model, "table", None)
    if table is None:
        raise NotSupported(f"{type(model).__name__} was not built from a table")
    for block in table.blocks:
        if block.kind not in _BLOCKS or block.windows:
            raise NotSupported(f"there is no fast form for the block {block.name!r}")


class StaticStep:
    """The same steps as `DynamicGraph`, on batches of one size: batch_size pictures of image_shape (3, height, width).

    It has weights of its own: `load_model_state` gives it some, `model_state` returns them. NotSupported for a
    model that it cannot build.
    """

    name = "static"

    def __init__(
        self,
        model: paddle.nn.Layer,
        optimizer: str,
        batch_size: int,
        image_shape: tuple[int, int, int],
    ) -> None:
        check_supported(model)
        _keep_freed_memory()
        self.model = model
        self._shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
        self._decayed = [name for name, p in model.named_parameters() if is_decayed(p)]
        self._batch_size, self._image_shape = batch_size, tuple(image_shape)
        self._scope = paddle.static.Scope()
        self._executor = paddle.static.Executor(paddle.CPUPlace())
        with _static_mode(self._scope):
            self._train = self._training_program(optimizer)
        with _static_mode(self._scope):  # between the two, an interrupt takes effect
            self._eval = self._evaluation_program()
        self.load_model_state({name: value.numpy() for name, value in model.state_dict().items()})

    def step(self, images: np.ndarray, labels: np.ndarray, learning_rate: float) -> tuple[float, int]:
        """As `DynamicGraph.step`. ValueError for a batch of another size than the graph was built for."""
        if len(images) != self._batch_size:
            raise ValueError(f"the static graph was built for {self._batch_size} pictures at a time, not {len(images)}")
        program, fetched = self._train
        self._rate.last_lr = float(learning_rate)  # the executor reads it from there
        with _static_mode(self._scope):
            feed = {"images": images, "labels": labels}
            loss, answers = self._executor.run(program, feed=feed, fetch_list=fetched)
        return float(loss), int((answers == labels).sum())

    def logits(self, images: np.ndarray) -> np.ndarray:
        """The outputs [N, classes] for normalised images, in eval mode; N at most the batch size."""
        count = len(images)
        if count < self._batch_size:  # the graph knows one size only: fill up, and drop the answers
            filling = np.zeros((self._batch_size - count, *self._image_shape), images.dtype)
            images = np.concatenate([images, filling])
        program, fetched = self._eval
        with _static_mode(self._scope):
            (logits,) = self._executor.run(program, feed={"images": images}, fetch_list=fetched)
        return logits[:count]

    def model_state(self) -> dict[str, np.ndarray]:
        """A copy of weights and running statistics, by their names in the dynamic model."""
        return {name: self._get(name, shape) for name, shape in self._shapes.items()}

    def load_model_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `model_state` gave, of this engine or of the dynamic one."""
        for name, value in state.items():
            self._set(name, value)

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """As `DynamicGraph.optimizer_state`; zeros at first."""
        found = {}
        for variable in self._scope.local_var_names():
            for name in self._trained:
                if variable.startswith(f"{name}_"):
                    quantity = variable.removeprefix(f"{name}_").removesuffix("_0")
                    found[f"{name}/{quantity}"] = self._get(variable, self._shapes[name])
        return found

    def load_optimizer_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `optimizer_state` gave."""
        for key, value in state.items():
            name, quantity = key.rsplit("/", 1)
            self._set(f"{name}_{quantity}_0", value)

    def _training_program(self, optimizer: str) -> tuple[paddle.static.Program, list]:
        program, start = paddle.static.Program(), paddle.static.Program()
        recipe = RECIPES[optimizer]
        decays = dict.fromkeys(self._decayed, recipe["weight_decay"]) if recipe["weight_decay"] else {}
        with paddle.static.program_guard(program, start), paddle.utils.unique_name.guard():
            network = _Network(self.model.table.blocks, self._shapes, decays, training=True)
            images, labels = self._input("images", "float32"), self._input("labels", "int64")
            logits = network.logits(images)
            # A mean would do, but under oneDNN Paddle prints a line for it.
            loss = F.cross_entropy(logits, labels, reduction="sum") / self._batch_size
            answers = paddle.argmax(logits, axis=1)
            self._trained = network.trained
            self._rate = paddle.optimizer.lr.LambdaDecay(recipe["learning_rate"], lambda _: 1.0)
            if optimizer == "adam":
                update = paddle.optimizer.Adam(self._rate)
            else:
                update = paddle.optimizer.Momentum(self._rate, recipe["momentum"], use_nesterov=recipe["nesterov"])
            update.minimize(loss)
        self._executor.run(start)
        return program, [loss, answers]

    def _evaluation_program(self) -> tuple[paddle.static.Program, list]:
        """A second graph over the same variables: they have the same names in the same scope."""
        program, start = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(program, start), paddle.utils.unique_name.guard():
            network = _Network(self.model.table.blocks, self._shapes, {}, training=False)
            return program, [network.logits(self._input("images", "float32"))]

    def _input(self, name: str, dtype: str) -> paddle.Tensor:
        shape = self._image_shape if name == "images" else ()
        return paddle.static.data(name, [self._batch_size, *shape], dtype)

    def _get(self, variable: str, shape: tuple[int, ...]) -> np.ndarray:
        value = np.array(self._scope.find_var(variable).get_tensor())
        if _is_pointwise(shape) and value.ndim == 2:
            value = value.T[:, :, None, None]
        return np.ascontiguousarray(value)

    def _set(self, variable: str, value: np.ndarray) -> None:
        if _is_pointwise(value.shape):
            value = value[:, :, 0, 0].T
        tensor = self._scope.var(variable).get_tensor()
        tensor.set(np.ascontiguousarray(value), paddle.CPUPlace())


class _Network:
    """The blocks of a table as operations of a static graph.

    shapes: of weights and running statistics in the dynamic model, by name. decays: the weight decay of those that
    have one. `trained` lists the names of what has a gradient.
    """

    def __init__(
        self,
        blocks: tuple[Block, ...],
        shapes: dict[str, tuple[int, ...]],
        decays: dict[str, float],
        training: bool,
    ) -> None:
        self._blocks, self._shapes, self._decays, self._training = blocks, shapes, decays, training
        self.trained: list[str] = []

    def logits(self, images: paddle.Tensor) -> paddle.Tensor:
        """[N, 3, H, W] → [N, classes]."""
        x = images
        for block in self._blocks[:-1]:
            x = _BLOCKS[block.kind](self, x, block, f"features.{block.name}")
        return x @ self._variable("classifier.weight") + self._variable("classifier.bias")

    def _plain(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        return self._conv(x, name, block.input_size, block.stride, 1, block.activation)

    def _separable(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        act, channels = block.activation, block.in_channels
        x = self._conv(x, f"{name}.depthwise", block.input_size, block.stride, channels, act)
        return self._conv(x, f"{name}.pointwise", 0, 1, 1, act)

    def _bottleneck(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        act, hidden, size = block.activation, block.hidden_channels, block.input_size
        out = self._conv(x, f"{name}.expand", size, 1, 1, act) if block.expand else x
        out = self._conv(out, f"{name}.depthwise", size, block.stride, hidden, act)
        out = self._conv(out, f"{name}.project", 0, 1, 1, "none" if block.linear else act)
        if block.shortcut == "identity":
            return x + out
        if block.shortcut == "projection":
            return self._conv(x, f"{name}.shortcut_projection", size, 1, 1, "none") + out
        return out

    def _pool(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        places = block.input_size**2
        return paddle.sum(paddle.reshape(x, [-1, places, block.in_channels]), axis=1) / places

    def _conv(self, x: paddle.Tensor, name: str, size: int, stride: int, groups: int, activation: str) -> paddle.Tensor:
        """Convolution, batch norm, activation: x is [N·size·size, channels], or the pictures themselves."""
        out_channels, per_group, kernel_size, _ = self._shapes[f"{name}.0.weight"]
        weight = self._variable(f"{name}.0.weight")
        if kernel_size == 1:
            x = x @ weight
        else:
            if x.ndim == 2:
                x = paddle.reshape(x, [-1, size, size, per_group * groups])
                x = paddle.transpose(x, [0, 3, 1, 2])  # [N, channels, size, size]
            x = F.conv2d(x, weight, stride=stride, padding=kernel_size // 2, groups=groups)
            x = paddle.reshape(paddle.transpose(x, [0, 2, 3, 1]), [-1, out_channels])
        if f"{name}.0.bias" in self._shapes:
            x = x + self._variable(f"{name}.0.bias")
        if f"{name}.1.weight" in self._shapes:
            x = self._batch_norm(x, f"{name}.1")
        return x if activation == "none" else {"relu": F.relu, "relu6": F.relu6}[activation](x)

    def _batch_norm(self, x: paddle.Tensor, name: str) -> paddle.Tensor:
        mean, variance = (self._variable(f"{name}.{part}") for part in ("_mean", "_variance"))
        scale, shift = (self._variable(f"{name}.{part}") for part in ("weight", "bias"))
        frozen = not self._training
        out, _, _, batch_mean, batch_variance, _ = paddle._C_ops.batch_norm(
            x, mean, variance, scale, shift, frozen, _MOMENTUM, _EPSILON, "NCHW", frozen, False
        )
        if self._training:
            # Under oneDNN the running statistics come back unchanged, so they are moved here.
            for running, seen in ((mean, batch_mean), (variance, batch_variance)):
                paddle.assign(_MOMENTUM * running + (1 - _MOMENTUM) * seen, running)
        return out

    def _variable(self, name: str) -> paddle.Tensor:
        shape, statistic = self._shapes[name], name.endswith(("._mean", "._variance"))
        decay = self._decays.get(name)
        variable = paddle.static.create_parameter(
            [shape[1], shape[0]] if _is_pointwise(shape) else list(shape),
            "float32",
            attr=paddle.ParamAttr(
                name=name,
                trainable=not statistic,
                regularizer=None if decay is None else paddle.regularizer.L2Decay(decay),
                initializer=paddle.nn.initializer.Constant(0.0),
            ),
        )
        variable.stop_gradient = statistic
        if not statistic:
            self.trained.append(name)
        return variable


_BLOCKS = {
    "conv": _Network._plain,
    "separable": _Network._separable,
    "bottleneck": _Network._bottleneck,
    "pool": _Network._pool,
    "linear": None,  # the classifier, which `logits` adds
}


def _is_pointwise(shape: tuple[int, ...]) -> bool:
    """Is this a 1×1 kernel [out, in, 1, 1]? The static graph keeps it as a matrix [in, out]."""
    return len(shape) == 4 and shape[2] == shape[3] == 1


@contextmanager
def _static_mode(scope: paddle.static.Scope) -> Iterator[None]:
    """Static graph and oneDNN inside; afterwards a notebook is in the dynamic graph again, whatever happened.

    An interrupt waits until then.
    """
    with held():
        paddle.set_flags({"FLAGS_use_onednn": True})
        paddle.enable_static()
        try:
            with paddle.static.scope_guard(scope):
                yield
        finally:
            paddle.disable_static()
            paddle.set_flags({"FLAGS_use_onednn": False})


@cache
def _keep_freed_memory() -> None:
    """Let the process keep memory that a step frees, for the next step. Elsewhere than on glibc, do nothing.

    Every layer's output is otherwise taken from the system anew, page by page, which costs a quarter of a step.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    trim_threshold, top_pad, mmap_max, arena_max = -1, -2, -4, -8  # names and numbers of malloc.h
    for option, value in (
        (mmap_max, 0),
        (trim_threshold, 2**31 - 1),
        (top_pad, 64 << 20),
        (arena_max, 1),
    ):
        mallopt(option, value)
