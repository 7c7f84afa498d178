"""How long a network takes, measured so that the number means something.

**Latency** is the time from giving one batch of images, made beforehand, to a network until its scores can be read. The
network is in eval mode and keeps nothing for gradients. Some calls go before, unmeasured, because the first ones also
allocate memory and choose kernels. Of those measured, the median is reported with its confidence interval, and apart
from it how the calls spread: quartiles and high percentiles; and the number of threads.

Introduced in lesson 07.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib._support import environment
from mobilenet_lib._support.arguments import checked_shape, whole_number
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments.inference import Predictor, check_one_input, one_tensor
from mobilenet_lib.experiments.speed.spread import spread

if TYPE_CHECKING:
    import pandas as pd

_core = paddle.base.core

LEAST_REPEATS = 3  # however short the time limit: fewer have no interval


@dataclass(frozen=True)
class Timing:
    """Seconds of each measured call of a function, and of those before (`warm_up`), which count for nothing.

    batch_size: images per call. threads: what the kernels could use.
    """

    seconds: tuple[float, ...]
    warm_up: tuple[float, ...] = ()
    batch_size: int = 1
    threads: int = 1

    @property
    def rounds(self) -> list[float]:
        """Milliseconds of each round: what `spread` and `statistics.ratio_of_medians` take."""
        return [1000 * seconds for seconds in self.seconds]

    @property
    def median(self) -> float:
        """Milliseconds of the middle call."""
        return 1000 * float(np.median(self.seconds))

    @property
    def images_per_second(self) -> float:
        """Throughput: images per second at this batch size, from the median."""
        return 1000 * self.batch_size / self.median

    def row(self) -> dict[str, float | int]:
        """One row of a table: batch_size, ms (median), low and high (its 95 % confidence interval), calls,
        images_per_second, threads. ValueError for fewer than three calls, which have no interval.
        """
        found = {name: value for name, value in spread(self.rounds).items() if name in ("ms", "low", "high", "calls")}
        found |= {"images_per_second": self.images_per_second, "threads": self.threads}
        return {"batch_size": self.batch_size, **found}


def measure_in_turns(
    functions: Mapping[str, Callable[[], Any]],
    *,
    warm_up: int = 3,
    repeats: int = 15,
    limit: float = math.inf,
    pause: float = 0,
    settle: int = 1,
    batch_size: int = 1,
    threads: int | None = None,
) -> dict[str, Timing]:
    """Time several functions in turns, a call of each per round, so that a busy moment of the machine hits all alike.

    Args:
        functions: name → a function without arguments that returns when its result is there.
        warm_up, repeats: rounds before and rounds measured.
        limit: seconds after which no further round begins, but at least `LEAST_REPEATS` are measured.
        pause, settle: seconds before each turn, which then begins with so many calls that do not count: less of what
            another library left behind, such as threads that are still awake, goes into its time.
        batch_size, threads: noted in the `Timing`; threads defaults to those of Paddle's kernels.

    Raises:
        ValueError: there is no function, or a number that makes no measurement.
    """
    if not functions:
        raise ValueError("functions must hold at least one function to time, not none")
    whole_number("warm_up", warm_up, minimum=0)
    whole_number("repeats", repeats, minimum=LEAST_REPEATS)
    whole_number("batch_size", batch_size)
    if not limit > 0:
        raise ValueError(f"limit must be seconds above 0, not {limit!r}")
    threads = environment.threads() if threads is None else threads
    taken: dict[str, list[float]] = {name: [] for name in functions}
    for done in range(-warm_up, repeats):
        if done == 0:
            end = time.perf_counter() + limit
        if done >= LEAST_REPEATS and time.perf_counter() > end:
            break
        for name, function in functions.items():
            take_threads()
            if pause:
                time.sleep(pause)
                for _ in range(settle):
                    function()
            begin = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - begin)
    return {
        name: Timing(tuple(seconds[warm_up:]), tuple(seconds[:warm_up]), batch_size, threads)
        for name, seconds in taken.items()
    }


def measure(function: Callable[[], Any], **options: Any) -> Timing:
    """Time one function; options as `measure_in_turns`."""
    return measure_in_turns({"": function}, **options)[""]


def latency(
    model: paddle.nn.Layer | Predictor, image_shape: tuple[int, int, int] = (3, 224, 224), **options: Any
) -> Timing:
    """Time one network or runtime; arguments as `latencies`."""
    return latencies({"": model}, image_shape, **options)[""]


def latencies(
    models: Mapping[str, paddle.nn.Layer | Predictor],
    image_shape: tuple[int, int, int] = (3, 224, 224),
    *,
    batch_size: int = 1,
    **options: Any,
) -> dict[str, Timing]:
    """Time networks in turns, from images in memory to scores in memory, in eval mode and without gradients.

    The images are random numbers: neither a convolution nor a ReLU takes longer for one number than for another.

    Args:
        models: Paddle networks, which run in the dynamic graph and come back in their modes, or `Predictor` objects.
        image_shape, batch_size: (channels, height, width) of an image, and images per call.
        options: warm_up, repeats, limit, pause, settle, as `measure_in_turns`.

    Raises:
        ValueError: a model that is no Layer, takes other inputs than images, or returns other than one tensor.
    """
    images = random_images(image_shape, batch_size)
    return _timed({name: (model, images) for name, model in models.items()}, **options)


def batch_sweep(
    model: paddle.nn.Layer | Predictor,
    image_shape: tuple[int, int, int] = (3, 224, 224),
    batch_sizes: Sequence[int] = (1, 2, 4, 8),
    **options: Any,
) -> pd.DataFrame:
    """Latency and throughput at several batch sizes, in turns: a row each, as `Timing.row`; options as `latency`."""
    import pandas as pd

    timings = _timed({size: (model, random_images(image_shape, size)) for size in batch_sizes}, **options)
    return pd.DataFrame([timing.row() for timing in timings.values()])


def _timed(runs: Mapping[Any, tuple[paddle.nn.Layer | Predictor, paddle.Tensor]], **options: Any) -> dict[Any, Timing]:
    """Time models on their images, in turns."""
    with callables(runs) as functions:
        timings = measure_in_turns(functions, **options)
    found = {}
    for name, (model, images) in runs.items():
        threads = model.threads if isinstance(model, Predictor) else timings[name].threads
        found[name] = replace(timings[name], batch_size=len(images), threads=threads)
    return found


@contextmanager
def callables(
    runs: Mapping[Any, tuple[paddle.nn.Layer | Predictor, paddle.Tensor]],
) -> Iterator[dict[Any, Callable[[], np.ndarray]]]:
    """Each model with its images as a function without arguments, which returns its scores when they are there.

    Inside, the networks are in eval mode and keep nothing for gradients; afterwards they are in their modes again.
    """
    with ExitStack() as undo:
        undo.enter_context(paddle.no_grad())
        functions: dict[Any, Callable[[], np.ndarray]] = {}
        for name, (model, images) in runs.items():
            if isinstance(model, Predictor):
                functions[name] = partial(model, images.numpy())
            else:
                check_one_input(model)
                undo.enter_context(eval_mode(model))
                functions[name] = partial(_scores, model, images)
        yield functions


def _scores(model: paddle.nn.Layer, images: paddle.Tensor) -> np.ndarray:
    """What the model returns, fetched: that waits for it, whatever the device."""
    return one_tensor(model(images)).numpy()


def take_threads() -> None:
    """Give the dynamic graph its threads, as before each turn: `paddle.inference` leaves the whole process one."""
    _core.set_num_threads(environment.threads())


def peak_memory(
    model: paddle.nn.Layer, image_shape: tuple[int, int, int] = (3, 224, 224), *, train: bool = False
) -> int:
    """Bytes: the most that Paddle's tensors took during one call, beyond the weights and the input.

    Counted by Paddle's allocator on a CPU, in the dynamic graph: the memory of the whole process also holds what the
    allocator keeps for later. Scratch space inside a library is not seen. train=True runs in train mode and keeps what
    gradients would need; nobody undoes its changes of batch-norm statistics and of the random generator, so give it a
    network that is not needed any more. Raises ValueError as `latency` does.
    """
    images = random_images(image_shape, 1)
    check_one_input(model)
    if train:
        model.train()
    with nullcontext() if train else eval_mode(model), paddle.set_grad_enabled(train):
        before = _core.host_memory_stat_current_value("Allocated", 0)
        _core.host_memory_stat_reset_peak_value("Allocated", 0)
        output = one_tensor(model(images))
        peak = _core.host_memory_stat_peak_value("Allocated", 0)
        del output  # it has to live until here: its memory belongs to the call
    return peak - before


def random_images(image_shape: tuple[int, int, int], batch_size: int) -> paddle.Tensor:
    """Images of random numbers from 0 to 1, float32 [batch_size, channels, height, width], the same ones each time.

    image_shape: (channels, height, width). Raises ValueError for numbers that make no image.
    """
    whole_number("batch_size", batch_size)
    # Not paddle.rand: a measurement should not consume the generator that a training draws from.
    shape = (batch_size, *checked_shape(image_shape))
    return paddle.to_tensor(np.random.default_rng(0).random(shape, dtype=np.float32))
