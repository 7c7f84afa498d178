"""What a network must still do outside the notebook: predict the same, in less time, from well-prepared images.

How far two runtimes agree, what careless preparation costs, and what was measured of one shipped network, made again by

    uv run python -m mobilenet_lib.experiments.shipping.shipped

in a minute and a half on two idle cores, with the ONNX file for machines without a converter. Introduced in lesson 11.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib._support import environment, files
from mobilenet_lib.experiments import recorded
from mobilenet_lib.experiments.speed.spread import spread
from mobilenet_lib.statistics import ratio_of_medians

if TYPE_CHECKING:
    import paddle
    import pandas as pd

Runtime = Callable[[np.ndarray], np.ndarray]  # float32 [N, 3, h, w] to scores [N, classes]
# Milliseconds of each call, [calls] or in blocks [blocks, calls], by runtime and images in a batch.
Rounds = Mapping[tuple[str, int], Sequence[Any] | np.ndarray]

NETWORK = "fashion_v1_relu_seed0"
IMAGE_SHAPE = (3, 32, 32)
IMAGES = 200  # test images, the first ones
BATCHES = (1, 64)
ROUNDS = 40

_FOLDER = files.RECORDED / "shipping"  # not beside the runs, which have another form
PATH = _FOLDER / "measured.json"


@dataclass(frozen=True)
class Agreement:
    """The largest difference of two runtimes' scores, the largest score, and how many images they classify alike."""

    largest_difference: float
    largest_score: float
    same_class: int
    images: int

    @property
    def below(self) -> float:
        """A power of ten that no difference exceeds, 0.0001 or more: the digits themselves are each machine's own."""
        return 10.0 ** max(-4, math.ceil(math.log10(self.largest_difference or 1e-4)))


def agreement(scores: np.ndarray, others: np.ndarray) -> Agreement:
    """Compare the scores [N, classes] of two runtimes. ValueError where their shapes differ."""
    if scores.shape != others.shape:
        shapes = f"{[*scores.shape]} and {[*others.shape]}"
        raise ValueError(f"scores of shape {shapes} cannot be compared: give both runtimes the same images")
    same = scores.argmax(axis=1) == others.argmax(axis=1)
    return Agreement(float(np.abs(scores - others).max()), float(np.abs(scores).max()), int(same.sum()), len(scores))


def dynamic(model: paddle.nn.Layer) -> Runtime:
    """`model` as it is in the notebook, with the manners of a runtime: arrays in, arrays out, in eval mode."""
    from mobilenet_lib._support.modes import eval_mode
    from mobilenet_lib._support.paddle import paddle

    def run(images: np.ndarray) -> np.ndarray:
        with eval_mode(model), paddle.no_grad():
            return model(paddle.to_tensor(images)).numpy()

    return run


def confidence(scores: np.ndarray) -> np.ndarray:
    """The probability that each row of scores [N, classes] gives to the class it predicts, by softmax: [N]."""
    from scipy.special import softmax

    return softmax(scores, axis=1).max(axis=1)


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Images of nothing: every number drawn evenly from -1 to 1, float32 [count, 3, 32, 32]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, *IMAGE_SHAPE)).astype(np.float32)


# Ways from bytes, uint8 [N, 3, 32, 32], to what a network is given; it was trained with the first one alone.
PREPARATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as in training: −1 to 1": lambda images: images / np.float32(127.5) - 1,
    "0 to 1": lambda images: images / np.float32(255),
    "0 to 255": lambda images: images.astype(np.float32),
    "light ground": lambda images: 1 - images / np.float32(127.5),
    "on its side": lambda images: np.rot90(images, axes=(2, 3)) / np.float32(127.5) - 1,
}

# Of a saved program, the kinds of operation that folding and fusing change.
_KINDS = ("conv2d", "depthwise_conv2d", "fused_conv2d", "batch_norm", "relu")


def layer_kinds(graph: str | Path) -> dict[str, int]:
    """How many layers of each kind that folding and fusing change a saved program has. graph: its .json."""
    from mobilenet_lib.experiments import inference

    names = Counter(inference.operations(graph))
    return {kind: names[kind] for kind in _KINDS if names[kind]}


def rewritten(graph: str | Path) -> Path:
    """The program that `paddle.inference` makes of a saved one, for `layer_kinds`; the same without oneDNN (no x86)."""
    from mobilenet_lib._support.paddle import paddle
    from mobilenet_lib.experiments import inference

    folder = Path(graph).with_name("rewritten")
    folder.mkdir(exist_ok=True)
    config = inference.cpu_config(Path(graph))
    config.set_optim_cache_dir(str(folder))
    config.enable_save_optim_model(True)
    paddle.inference.create_predictor(config)
    return folder / "_optimized.json"


def recorded_onnx(folder: str | Path) -> Path:
    """A copy in `folder` of `NETWORK` as ONNX, made by paddle2onnx for the record: for machines without paddle2onnx."""
    folder = files.expanded(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(_FOLDER / f"{NETWORK}.onnx", folder / f"{NETWORK}.onnx"))


def record() -> dict[str, Any]:
    """What was measured ("bytes", "agreement", "preparations", "noise", "latency"), and how ("data", "machine", …)."""
    return recorded.load(PATH, "python -m mobilenet_lib.experiments.shipping.shipped")


def recorded_rounds() -> Rounds:
    """The recorded milliseconds of a whole batch, in blocks of five calls, which share what the machine did."""
    return {(row["runtime"], row["batch"]): np.reshape(row["rounds"], (-1, 5)) for row in record()["latency"]}


def latencies(rounds: Rounds) -> pd.DataFrame:
    """A row per runtime and batch: ms (median), low and high (its 95 % confidence interval), quartiles, calls."""
    import pandas as pd

    rows = [{"runtime": name, "batch": batch, **spread(taken)} for (name, batch), taken in rounds.items()]
    return pd.DataFrame(rows)[["runtime", "batch", "ms", "low", "high", "q25", "q75", "calls"]]


def speed_up(rounds: Rounds) -> pd.DataFrame:
    """How many times faster than the dynamic graph, a row per other runtime and batch, with 95 % confidence interval.

    Columns: times (of the medians), low, high. The runtimes are measured in turns, so in pairs.
    """
    import pandas as pd

    found = {
        (name, batch): ratio_of_medians(rounds["dynamic graph", batch], taken)
        for (name, batch), taken in rounds.items()
        if name != "dynamic graph"
    }
    return pd.DataFrame(found, ["times", "low", "high"]).T.rename_axis(["runtime", "batch"])


def time_in_turns(
    model: paddle.nn.Layer, graph: str | Path, onnx: str | Path, threads: int, repeats: int = ROUNDS
) -> Rounds:
    """Milliseconds of each call of `model` and of both files made of it, with so many threads, in turns with pauses."""
    from mobilenet_lib.experiments import inference
    from mobilenet_lib.experiments.speed import timing

    how, found = {"warm_up": 1, "repeats": repeats, "pause": 0.25}, {}
    with environment.computing_threads(threads):
        loaded = inference.load_predictor(graph, IMAGE_SHAPE), inference.load_onnx(onnx, IMAGE_SHAPE)
        timed = {"dynamic graph": model} | {one.runtime: one for one in loaded}
        for batch in BATCHES:
            taken = timing.latencies(timed, IMAGE_SHAPE, batch_size=batch, **how)
            found |= {(name, batch): [round(ms, 4) for ms in one.rounds] for name, one in taken.items()}
    return found


def measure() -> dict[str, Any]:
    """Everything of the record, anew on this machine; the ONNX file is written beside the record."""
    from mobilenet_lib import data, weights
    from mobilenet_lib.experiments import inference

    model, test = weights.recorded(NETWORK), data.load("fashion_mnist", "test").head(IMAGES)
    with tempfile.TemporaryDirectory() as folder:
        graph = inference.save(model, IMAGE_SHAPE, Path(folder, "network"))
        onnx = inference.export_onnx(model, IMAGE_SHAPE, _FOLDER / f"{NETWORK}.onnx")
        sizes = {file.name: file.stat().st_size for file in (*graph.parent.iterdir(), onnx)}
        runtime = inference.load_predictor(graph, IMAGE_SHAPE)
        rounds = time_in_turns(model, graph, onnx, environment.threads())
    runtimes = {"paddle.inference": runtime, "onnxruntime": inference.load_onnx(onnx, IMAGE_SHAPE)}
    normalised = data.normalise(test.images)
    expected = dynamic(model)(normalised)
    scores = {"dynamic graph": expected, **{name: one(normalised) for name, one in runtimes.items()}}
    return {
        "network": f"{NETWORK}: see runs.recorded",
        "mode": "recorded",
        "data": f"{test.source} test images",
        "versions": environment.versions("onnxruntime", "paddle2onnx"),
        "machine": environment.machine(),
        "bytes": dict(sorted(sizes.items())),
        "agreement": {name: asdict(agreement(expected, others)) for name, others in scores.items()},
        "preparations": {name: _judged(runtime(made(test.images)), test.labels) for name, made in PREPARATIONS.items()},
        "noise": {"median_confidence": float(np.median(confidence(runtime(noise(IMAGES)))))},
        "latency": [{"runtime": name, "batch": batch, "rounds": ms} for (name, batch), ms in rounds.items()],
    }


def _judged(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    correct = int((scores.argmax(axis=1) == labels).sum())
    return {"correct": correct, "total": len(labels), "median_confidence": float(np.median(confidence(scores)))}


if __name__ == "__main__":
    files.write_json(PATH, measure())
    print(PATH.read_text(encoding="utf-8"), end="")
