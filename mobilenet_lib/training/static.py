"""Training steps in Paddle's static graph with oneDNN, several times faster than the dynamic graph on a CPU.

Paddle's dynamic graph computes a depthwise convolution channel by channel on one thread. Its static graph can hand
all layers to oneDNN, which is fast as long as no layer falls back to oneDNN's reference code. `StaticStep` therefore
builds a network of its own from the blocks of the same table, in a form that stays on the fast path:

- activations are kept as [images · height · width, channels], one row per spatial position;
- a 1×1 convolution is then one matrix product, and a batch norm works on columns;
- only the k×k convolutions see [images, channels, height, width], between two transposes;
- max pooling is maxima of rows and of columns;
- the running statistics of all batch norms are one vector, moved by one operation at the end of a step.

Weights keep the names of the dynamic model and go both ways; 1×1 kernels are transposed on the way.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np

from mobilenet_lib._support.interrupts import held
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.architectures import Block, Table
from mobilenet_lib.training.dynamic import is_decayed
from mobilenet_lib.training.options import RECIPES
from mobilenet_lib.training.structure import NotSupported, check_supported

F = paddle.nn.functional

_MOMENTUM, _EPSILON = 0.9, 1e-5  # of batch norm, Paddle's defaults
_STATISTICS = "running statistics"  # a variable, see `_Layout`


class StaticStep:
    """The same steps as `DynamicStep`, on batches of one size: batch_size images of image_shape (3, height, width).

    It has weights of its own: `load_model_state` gives it some, `model_state` returns them. NotSupported for a
    model that it cannot build.
    """

    name = "static"

    def __init__(
        self, model: paddle.nn.Layer, optimizer: str, batch_size: int, image_shape: tuple[int, int, int]
    ) -> None:
        check_supported(model, image_shape)
        _keep_freed_memory()
        self.model = model
        self._layout = _Layout({name: tuple(value.shape) for name, value in model.state_dict().items()})
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
        """As `DynamicStep.step`. ValueError for a batch of another size than the graph was built for."""
        if len(images) != self._batch_size:
            raise ValueError(f"the static graph was built for {self._batch_size} images at a time, not {len(images)}")
        program, fetched = self._train
        self._rate.last_lr = float(learning_rate)  # the executor reads it from there
        with _static_mode(self._scope):
            feed = {"images": images, "labels": labels}
            loss, predictions = self._executor.run(program, feed=feed, fetch_list=fetched)
        return float(loss), int((predictions == labels).sum())

    def logits(self, images: np.ndarray) -> np.ndarray:
        """The outputs [N, classes] for normalised images, in eval mode; N at most the batch size."""
        count = len(images)
        if count < self._batch_size:  # the graph knows one size only: fill up, and drop the outputs
            filling = np.zeros((self._batch_size - count, *self._image_shape), images.dtype)
            images = np.concatenate([images, filling])
        program, fetched = self._eval
        with _static_mode(self._scope):
            (logits,) = self._executor.run(program, feed={"images": images}, fetch_list=fetched)
        return logits[:count]

    def model_state(self) -> dict[str, np.ndarray]:
        """A copy of weights and running statistics, by their names in the dynamic model."""
        return self._layout.state(self._read)

    def load_model_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `model_state` gave, of this step or of the dynamic one."""
        for variable, value in self._layout.variables(state).items():
            self._write(variable, value)

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """As `DynamicStep.optimizer_state`; zeros at first."""
        found = {}
        for variable in self._scope.local_var_names():
            for name in self._trained:
                if variable.startswith(f"{name}_"):
                    quantity = variable.removeprefix(f"{name}_").removesuffix("_0")
                    found[f"{name}/{quantity}"] = self._layout.restored(name, self._read(variable))
        return found

    def load_optimizer_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `optimizer_state` gave."""
        for key, value in state.items():
            name, quantity = key.rsplit("/", 1)
            self._write(f"{name}_{quantity}_0", self._layout.stored(name, value))

    def _training_program(self, optimizer: str) -> tuple[paddle.static.Program, list]:
        program, start = paddle.static.Program(), paddle.static.Program()
        recipe = RECIPES[optimizer]
        decays = dict.fromkeys(self._decayed, recipe["weight_decay"]) if recipe["weight_decay"] else {}
        with paddle.static.program_guard(program, start), paddle.utils.unique_name.guard():
            network = _Network(self.model.table, self._layout, decays, training=True)
            images, labels = self._input("images", "float32"), self._input("labels", "int64")
            logits = network.logits(images)
            # A mean would do, but under oneDNN Paddle prints a line for it.
            loss = F.cross_entropy(logits, labels, reduction="sum") / self._batch_size
            predictions = paddle.argmax(logits, axis=1)
            self._trained = network.trained
            self._rate = paddle.optimizer.lr.LambdaDecay(recipe["learning_rate"], lambda _: 1.0)
            if optimizer == "adam":
                update = paddle.optimizer.Adam(self._rate)
            else:
                update = paddle.optimizer.Momentum(self._rate, recipe["momentum"], use_nesterov=recipe["nesterov"])
            with warnings.catch_warnings():  # Paddle warns of what it does itself on the way back
                warnings.filterwarnings("ignore", message="Tensor do not have 'place' interface")
                update.minimize(loss)
            network.keep_statistics()
        self._executor.run(start)
        return program, [loss, predictions]

    def _evaluation_program(self) -> tuple[paddle.static.Program, list]:
        """A second graph over the same variables: they have the same names in the same scope."""
        program, start = paddle.static.Program(), paddle.static.Program()
        with paddle.static.program_guard(program, start), paddle.utils.unique_name.guard():
            network = _Network(self.model.table, self._layout, {}, training=False)
            return program, [network.logits(self._input("images", "float32"))]

    def _input(self, name: str, dtype: str) -> paddle.Tensor:
        shape = self._image_shape if name == "images" else ()
        return paddle.static.data(name, [self._batch_size, *shape], dtype)

    def _read(self, variable: str) -> np.ndarray:
        return np.array(self._scope.find_var(variable).get_tensor())

    def _write(self, variable: str, value: np.ndarray) -> None:
        self._scope.var(variable).get_tensor().set(np.ascontiguousarray(value), paddle.CPUPlace())


class _Layout:
    """Which variables of the graph hold a model's weights and running statistics, and in which form.

    One vector holds all running statistics: operations for each would cost as much as the arithmetic of a small
    network. A 1×1 kernel [out, in, 1, 1] is a matrix [in, out]. shapes: of the model's state, by name.
    """

    def __init__(self, shapes: dict[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.statistics = [name for name in shapes if name.endswith(("._mean", "._variance"))]
        self.sizes = [shapes[name][0] for name in self.statistics]

    def variables(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The graph's variables for a model's state."""
        found = {name: self.stored(name, state[name]) for name in self.shapes if name not in self.statistics}
        if self.statistics:
            found[_STATISTICS] = np.concatenate([state[name] for name in self.statistics])
        return found

    def state(self, read: Callable[[str], np.ndarray]) -> dict[str, np.ndarray]:
        """A model's state from the graph's variables, which `read` gives by name."""
        parts = np.split(read(_STATISTICS), np.cumsum(self.sizes)[:-1]) if self.statistics else []
        found = {name: part.copy() for name, part in zip(self.statistics, parts, strict=True)}
        return {name: found[name] if name in found else self.restored(name, read(name)) for name in self.shapes}

    def stored(self, name: str, value: np.ndarray) -> np.ndarray:
        return value[:, :, 0, 0].T if self.is_pointwise(name) and value.ndim == 4 else value

    def restored(self, name: str, value: np.ndarray) -> np.ndarray:
        matrix = self.is_pointwise(name) and value.ndim == 2
        return np.ascontiguousarray(value.T[:, :, None, None] if matrix else value)

    def is_pointwise(self, name: str) -> bool:
        return len(self.shapes[name]) == 4 and self.shapes[name][2:] == (1, 1)


class _Network:
    """A table as operations of a static graph. decays: the weight decay of those weights that have one.

    `trained` lists the variables that have a gradient. Feature maps are [images · height · width, channels].
    """

    def __init__(self, table: Table, layout: _Layout, decays: dict[str, float], training: bool) -> None:
        self._table, self._layout, self._decays, self._training = table, layout, decays, training
        self.trained: list[str] = []
        self._seen: list[paddle.Tensor] = []  # the batch's statistics, in the order of the layers
        self._constants: dict[int, paddle.Tensor] = {}
        if layout.statistics and not training:
            parts = paddle.split(self._running(), layout.sizes)
            self._statistics = dict(zip(layout.statistics, parts, strict=True))

    def logits(self, images: paddle.Tensor) -> paddle.Tensor:
        """[N, 3, H, W] → [N, classes]."""
        x = images
        *blocks, _ = self._table.blocks
        for block in blocks:
            x = _BLOCKS[block.kind](self, x, block, f"features.{block.name}")
        return _flat(x) @ self._variable("classifier.weight") + self._variable("classifier.bias")

    def keep_statistics(self) -> None:
        """Move the running statistics towards the batch's. Under oneDNN, batch norm itself leaves them where they
        are."""
        if self._seen:
            running = self._running()
            paddle.assign(_MOMENTUM * running + (1 - _MOMENTUM) * paddle.concat(self._seen), running)

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
        return out if block.shortcut == "none" else out + self._shortcut(x, block, name)

    def _residual(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        out = self._conv(x, f"{name}.reduce", 0, 1, 1, "relu")
        out = self._conv(out, f"{name}.conv", block.input_size, block.stride, 1, "relu")
        out = self._conv(out, f"{name}.expand", 0, 1, 1, "none")
        return F.relu(out + self._shortcut(x, block, name))

    def _shortcut(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        if block.shortcut == "identity":
            return x
        return self._conv(x, f"{name}.shortcut_projection", block.input_size, block.stride, 1, "none")

    def _pool(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        """Averages over windows, or over the whole feature map, or to a grid, which `_linear` reads as [N,
        features]."""
        size, channels = block.input_size, block.in_channels
        for window in block.windows:
            x = paddle.reshape(x, [-1, size, size, channels])
            size //= window
            x = x[:, : size * window, : size * window] if x.shape[1] != size * window else x
            x = paddle.reshape(x, [-1, size, window, size, window, channels])
            x = paddle.reshape(paddle.transpose(x, [0, 1, 3, 2, 4, 5]), [-1, window**2, channels])
            x = paddle.sum(x, axis=1) / window**2  # [N · size · size, channels]
        if block.windows and size == 1:
            return x
        x = paddle.reshape(x, [-1, size * size, channels])
        if block.windows or block.grid == 1:
            return paddle.sum(x, axis=1) / size**2
        if size not in (1, block.grid):
            raise NotSupported(f"there is no fast form for a pool from {size}×{size} to {block.grid}×{block.grid}")
        x = paddle.transpose(x, [0, 2, 1])  # [N, channels, positions], the order in which `nn.Flatten` puts them
        if size == 1:  # its one position stands at each of the grid
            x = paddle.concat([x] * block.grid**2, axis=2)
        return paddle.reshape(x, [-1, channels * block.grid**2])

    def _max_pool(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        """Maxima of every second row and the ones beside it, then of columns: Paddle's own fails under oneDNN.

        It stands behind a ReLU, so a row of zeros is as good as the padding.
        """
        size, channels, half = block.input_size, block.in_channels, block.output_shape[1]
        x = paddle.reshape(x, [-1, size, size, channels])
        for axis in (1, 2):
            x = self._max_of_pairs(x, axis, half, block.kernel_size)
        return paddle.reshape(x, [-1, channels])

    def _max_of_pairs(self, x: paddle.Tensor, axis: int, half: int, kernel_size: int) -> paddle.Tensor:
        shape, size = list(x.shape), x.shape[axis]
        one = paddle.zeros([*shape[:axis], 1, *shape[axis + 1 :]])
        if size > 2 * half:
            x = paddle.slice(x, [axis], [0], [2 * half])
        elif size < 2 * half:
            x = paddle.concat([x, one], axis=axis)
        pairs = paddle.reshape(x, [*shape[:axis], half, 2, *shape[axis + 1 :]])
        even, odd = paddle.split(pairs, 2, axis=axis + 1)
        largest = paddle.maximum(even, odd)
        if kernel_size == 3 and half > 1:
            before = paddle.concat(
                [paddle.unsqueeze(one, axis + 1), paddle.slice(odd, [axis], [0], [half - 1])], axis=axis
            )
            largest = paddle.maximum(largest, before)
        return paddle.reshape(largest, [*shape[:axis], half, *shape[axis + 1 :]])

    def _linear(self, x: paddle.Tensor, block: Block, name: str) -> paddle.Tensor:
        x = F.relu(_flat(x) @ self._variable(f"{name}.1.weight") + self._variable(f"{name}.1.bias"))
        return F.dropout(x, block.dropout, training=self._training) if block.dropout else x

    def _conv(self, x: paddle.Tensor, name: str, size: int, stride: int, groups: int, activation: str) -> paddle.Tensor:
        """Convolution, batch norm, activation: x is [N·size·size, channels], or the images themselves."""
        out_channels, per_group, kernel_size, _ = self._layout.shapes[f"{name}.0.weight"]
        weight = self._variable(f"{name}.0.weight")
        if kernel_size == 1:
            x = self._strided(x, size, stride) @ weight
        else:
            if x.ndim == 2:
                x = paddle.reshape(x, [-1, size, size, per_group * groups])
                x = paddle.transpose(x, [0, 3, 1, 2])  # [N, channels, size, size]
            x = F.conv2d(x, weight, stride=stride, padding=kernel_size // 2, groups=groups)
            x = paddle.reshape(paddle.transpose(x, [0, 2, 3, 1]), [-1, out_channels])
        if f"{name}.0.bias" in self._layout.shapes:
            x = x + self._variable(f"{name}.0.bias")
        if f"{name}.1.weight" in self._layout.shapes:
            x = self._batch_norm(x, f"{name}.1")
        return x if activation == "none" else {"relu": F.relu, "relu6": F.relu6}[activation](x)

    def _strided(self, x: paddle.Tensor, size: int, stride: int) -> paddle.Tensor:
        """The spatial positions that a 1×1 convolution with this stride looks at."""
        if stride == 1:
            return x
        channels = x.shape[1]
        x = paddle.reshape(x, [-1, size, size, channels])
        x = paddle.strided_slice(x, [1, 2], [0, 0], [size, size], [stride, stride])
        return paddle.reshape(x, [-1, channels])

    def _batch_norm(self, x: paddle.Tensor, name: str) -> paddle.Tensor:
        scale, shift = (self._variable(f"{name}.{part}") for part in ("weight", "bias"))
        if self._training:  # then it reads the batch's statistics alone, but asks for others
            mean = variance = self._constant(x.shape[1])
        else:
            mean, variance = (self._statistics[f"{name}.{part}"] for part in ("_mean", "_variance"))
        frozen = not self._training
        out, _, _, batch_mean, batch_variance, _ = paddle._C_ops.batch_norm(
            x, mean, variance, scale, shift, frozen, _MOMENTUM, _EPSILON, "NCHW", frozen, False
        )
        self._seen += [batch_mean, batch_variance]
        return out

    def _constant(self, size: int) -> paddle.Tensor:
        if size not in self._constants:
            self._constants[size] = paddle.ones([size])
        return self._constants[size]

    def _running(self) -> paddle.Tensor:
        return self._parameter(_STATISTICS, [sum(self._layout.sizes)], None, trained=False)

    def _variable(self, name: str) -> paddle.Tensor:
        shape = self._layout.shapes[name]
        form = [shape[1], shape[0]] if self._layout.is_pointwise(name) else list(shape)
        return self._parameter(name, form, self._decays.get(name), trained=True)

    def _parameter(self, name: str, shape: list[int], decay: float | None, trained: bool) -> paddle.Tensor:
        variable = paddle.static.create_parameter(
            shape,
            "float32",
            attr=paddle.ParamAttr(
                name=name,
                trainable=trained,
                regularizer=None if decay is None else paddle.regularizer.L2Decay(decay),
                initializer=paddle.nn.initializer.Constant(0.0),
            ),
        )
        variable.stop_gradient = not trained
        if trained:
            self.trained.append(name)
        return variable


_BLOCKS = {
    "conv": _Network._plain,
    "separable": _Network._separable,
    "bottleneck": _Network._bottleneck,
    "residual": _Network._residual,
    "pool": _Network._pool,
    "max_pool": _Network._max_pool,
    "linear": _Network._linear,
}


def _flat(x: paddle.Tensor) -> paddle.Tensor:
    """[N, features], also of the images themselves, where the table begins with a fully connected layer."""
    if x.ndim == 2:
        return x
    x.stop_gradient = False  # oneDNN's matrix product crashes on the way back where one side wants no gradient
    return paddle.flatten(x, start_axis=1)


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
    for option, value in ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 64 << 20), (arena_max, 1)):
        mallopt(option, value)
