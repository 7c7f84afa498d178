"""What a network must still do once it has left the notebook: the same answers, in less time, from well-prepared pictures.

`inference` turns a network into files and runs them in an engine. Here: how far two engines agree, what careless
preparation costs, and what was measured of one shipped network, made again by

    uv run python -m mobilenet_lib.experiments.shipping.shipped

which takes half a minute on two cores that do nothing else. It also writes the ONNX file for machines without the converter.

Introduced in lesson 10.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib._support import environment, files

if TYPE_CHECKING:
    import paddle
    import pandas as pd

Engine = Callable[[np.ndarray], np.ndarray]  # float32 [N, 3, h, w] to scores [N, classes]

NETWORK = "fashion_v1_relu_seed0"
IMAGE_SHAPE = (3, 32, 32)
PICTURES = 200  # test pictures, the first ones
BATCHES = (1, 64)
WARM_UP, ROUNDS = 5, 40

_FOLDER = files.RECORDED / "shipping"  # not beside the runs, which have another form
PATH = _FOLDER / "measured.json"


@dataclass(frozen=True)
class Agreement:
    """How far two engines agree on the same pictures.

    largest_difference: of any two scores. largest_score: to compare it with. same_class: how many of the `pictures` are
    named alike.
    """

    largest_difference: float
    largest_score: float
    same_class: int
    pictures: int


def agreement(scores: np.ndarray, others: np.ndarray) -> Agreement:
    """Compare the scores [N, classes] of two engines. ValueError where their shapes differ."""
    if scores.shape != others.shape:
        raise ValueError(
            f"scores of shape {list(scores.shape)} and {list(others.shape)} cannot be compared: give both engines the same "
            "pictures"
        )
    return Agreement(
        float(np.abs(scores - others).max()),
        float(np.abs(scores).max()),
        int((scores.argmax(axis=1) == others.argmax(axis=1)).sum()),
        len(scores),
    )


def dynamic(model: paddle.nn.Layer) -> Engine:
    """`model` as it is in the notebook, with the manners of an engine: arrays in, arrays out, in eval mode."""
    from mobilenet_lib._support.modes import eval_mode
    from mobilenet_lib._support.paddle import paddle

    def run(images: np.ndarray) -> np.ndarray:
        with eval_mode(model), paddle.no_grad():
            return model(paddle.to_tensor(images)).numpy()

    return run


def confidence(scores: np.ndarray) -> np.ndarray:
    """The probability that each row of scores [N, classes] gives to the class it names, by softmax: [N]."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return 1 / powers.sum(axis=1)


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Pictures of nothing: every number drawn evenly from -1 to 1, float32 [count, 3, 32, 32]."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, *IMAGE_SHAPE)).astype(np.float32)


# Ways from bytes, uint8 [N, 3, 32, 32], to what a network is given; only the first is the one it was trained with.
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
    """How many layers of each kind a saved program has: those kinds that folding and fusing change. graph: its .json."""
    program = json.loads(Path(graph).read_text(encoding="utf-8"))["program"]
    operations = program["regions"][0]["blocks"][0]["ops"]
    names = Counter(one["#"].split(".")[-1].rstrip("_") for one in operations)
    return {kind: names[kind] for kind in _KINDS if names[kind]}


def rewritten(graph: str | Path) -> Path:
    """The program into which `paddle.inference` with oneDNN turns a saved one, in a new folder beside it; see `layer_kinds`.

    Without oneDNN (not x86-64) it is the program as it was.
    """
    from mobilenet_lib._support.paddle import paddle

    graph = Path(graph)
    folder = graph.with_name("rewritten")
    folder.mkdir(exist_ok=True)
    config = paddle.inference.Config(str(graph), str(graph.with_suffix(".pdiparams")))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_onednn()
    config.set_optim_cache_dir(str(folder))
    config.enable_save_optim_model(True)
    paddle.inference.create_predictor(config)
    return folder / "_optimized.json"


def recorded_onnx(folder: str | Path) -> Path:
    """A copy in `folder` of `NETWORK` as ONNX, as paddle2onnx made it for the record: for machines without paddle2onnx."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(_FOLDER / f"{NETWORK}.onnx", folder / f"{NETWORK}.onnx"))


@cache
def record() -> dict[str, Any]:
    """What was measured ("bytes", "agreement", "preparations", "noise", "latency"), and how ("data", "machine", …)."""
    return json.loads(PATH.read_text(encoding="utf-8"))


def latencies() -> pd.DataFrame:
    """The recorded latencies, a row per engine and batch: ms (median), low and high (quartiles), for the whole batch."""
    import pandas as pd

    return pd.DataFrame(record()["latency"])


def times_faster(engine: str, batch: int) -> float:
    """How many times shorter than the dynamic graph's the recorded median of `engine` is. ValueError for an unknown one."""
    medians = {row["engine"]: row["ms"] for row in record()["latency"] if row["batch"] == batch}
    if engine not in medians:
        raise ValueError(
            f"nothing was recorded for {engine!r} and a batch of {batch}. Engines: {', '.join(medians) or 'none'}; "
            f"batches: {', '.join(map(str, BATCHES))}."
        )
    return medians["dynamic graph"] / medians[engine]


def measure() -> dict[str, Any]:
    """Everything of the record, anew on this machine; the ONNX file is written beside the record."""
    from mobilenet_lib import data, weights
    from mobilenet_lib.experiments import inference

    model, test = weights.recorded(NETWORK), data.load("fashion_mnist", "test")
    some, labels = test.images[:PICTURES], test.labels[:PICTURES]
    with tempfile.TemporaryDirectory() as folder:
        graph = inference.save(model, IMAGE_SHAPE, Path(folder, "network"))
        onnx = inference.export_onnx(model, IMAGE_SHAPE, _FOLDER / f"{NETWORK}.onnx")
        sizes = {file.name: file.stat().st_size for file in (*graph.parent.iterdir(), onnx)}
        engines: dict[str, Engine] = {
            "dynamic graph": dynamic(model),
            "paddle.inference": inference.load_predictor(graph, IMAGE_SHAPE),
            "onnxruntime": inference.load_onnx(onnx, IMAGE_SHAPE),
        }
    scores = {name: engine(data.normalise(some)) for name, engine in engines.items()}
    engine = engines["paddle.inference"]
    return {
        "network": f"{NETWORK}: see runs.recorded",
        "mode": "recorded",
        "data": f"{test.source}; the first {PICTURES} test pictures",
        "versions": environment.versions("onnxruntime", "paddle2onnx"),
        "machine": environment.machine(),
        "bytes": dict(sorted(sizes.items())),
        "agreement": {
            name: asdict(agreement(scores["dynamic graph"], scores[name])) for name in engines
        },
        "preparations": {
            name: _judged(engine(prepared(some)), labels)
            for name, prepared in PREPARATIONS.items()
        },
        "noise": {"median_confidence": float(np.median(confidence(engine(noise(PICTURES)))))},
        "latency": [
            {"engine": name, "batch": batch, **_latency(model if name == "dynamic graph" else engine, batch)}
            for name, engine in engines.items()
            for batch in BATCHES
        ],
    }  # fmt: skip


def _judged(scores: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    return {
        "correct": int((scores.argmax(axis=1) == labels).sum()),
        "total": len(labels),
        "median_confidence": float(np.median(confidence(scores))),
    }


def _latency(engine: Any, batch: int) -> dict[str, float]:
    """One engine after the other, not in turn: the idle threads of one would keep the cores from the next for a while."""
    from mobilenet_lib.experiments.speed import timing

    timed = timing.latency(engine, IMAGE_SHAPE, batch_size=batch, warm_up=WARM_UP, repeats=ROUNDS)
    row = timed.row()
    return {key: row[key] for key in ("ms", "low", "high", "calls")}


def main() -> None:
    """Measure, write the record and print it."""
    files.write_json(PATH, measure())
    print(PATH.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
