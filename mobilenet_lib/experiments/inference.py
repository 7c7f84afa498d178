"""A trained network as a program for an inference runtime: saved once, then run without Python in between.

Paddle's dynamic graph calls one kernel after another, as the Python code says. An inference runtime gets the whole
network beforehand, so it can fuse layers and choose a memory layout. Two are here: `paddle.inference` with oneDNN, and
ONNX Runtime. Each becomes a `Predictor`, which takes a NumPy array and gives one back.

Introduced in lesson 07; lesson 11 ships a network with it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import inspect
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mobilenet_lib._support import environment, files
from mobilenet_lib._support.arguments import checked_shape, whole_number
from mobilenet_lib._support.interrupts import held
from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle

# Opset 13 of ONNX: every ONNX Runtime of the last years reads it. The default optimiser of paddle2onnx installs
# packages by itself; ONNX Runtime folds the same constants when it loads.
_CONVERT = """
import json, sys
import paddle2onnx, paddle2onnx.paddle2onnx_cpp2py_export as converter
graph, weights, onnx, known = sys.argv[1:]
with open(known, "w") as file:
    json.dump(converter.get_all_supported_operators_pir(), file)
paddle2onnx.export(graph, weights, onnx, opset_version=13, optimize_tool="None")
"""
_ANY_NUMBER = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@dataclass(frozen=True)
class Predictor:
    """A network in an inference runtime: call it with images [batch, channels, height, width], get its outputs.

    runtime: "paddle.inference" or "onnxruntime". threads: how many it may use. fused: whether oneDNN is at work in
    paddle.inference; ONNX Runtime always fuses. The call waits for the result: nothing is left to synchronise.
    ValueError for images of another shape than the network was saved with.
    """

    runtime: str
    threads: int
    fused: bool
    image_shape: tuple[int, int, int]
    run: Callable[[np.ndarray], np.ndarray] = field(repr=False)

    def __call__(self, images: np.ndarray) -> np.ndarray:
        images = np.ascontiguousarray(images, dtype=np.float32)
        if images.ndim != 4 or images.shape[1:] != self.image_shape or not len(images):
            form = ("batch", *self.image_shape)
            raise ValueError(
                f"images must be an array of shape {form}, not {images.shape}: the network was saved for it"
            )
        return self.run(images)


def check_one_input(model: paddle.nn.Layer) -> None:
    """Raises ValueError for a model whose `forward` needs more than images, and so cannot run on images alone."""
    if not isinstance(model, paddle.nn.Layer):
        raise ValueError(f"model must be a paddle.nn.Layer, not {type(model).__name__}: pass the network itself")
    parameters = inspect.signature(model.forward).parameters.values()
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in _ANY_NUMBER]
    if len(needed) > 1:
        found = f"{type(model).__name__} takes {len(needed)} inputs ({', '.join(needed)})"
        advice = "a model with one, the images, is expected: wrap it in a layer that makes the others"
        raise ValueError(f"{found}; {advice}")


def one_tensor(output: Any) -> paddle.Tensor:
    """`output` of a model, where it is one tensor. Raises ValueError for a tuple, a list or a dict of them."""
    if not isinstance(output, paddle.Tensor):
        advice = "one tensor of scores is expected: wrap it in a layer that returns that tensor alone"
        raise ValueError(f"the model returns a {type(output).__name__}; {advice}")
    return output


def save(model: paddle.nn.Layer, image_shape: tuple[int, int, int], path: str | Path) -> Path:
    """Save `model` in eval mode as a program for any batch size: `path`.json (its graph), `path`.pdiparams (weights).

    model: comes back as it was, every layer in its own mode. image_shape: (channels, height, width) of one image.
    path: without an ending; folders are made as needed. Returns the path of the graph. ValueError where the model is no
    Layer, has several inputs or outputs, or the shape is none.
    """
    shape = checked_shape(image_shape)
    check_one_input(model)
    path = files.expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with eval_mode(model), paddle.no_grad(), held():
        one_tensor(model(paddle.zeros([1, *shape])))
        spec = paddle.static.InputSpec([None, *shape], "float32", "image")
        paddle.jit.save(model, str(path), input_spec=[spec])
    return path.with_name(path.name + ".json")


def operations(graph: str | Path) -> list[str]:
    """The names of the operations of a saved program, in order: "conv2d", "relu", … graph: its .json."""
    program = json.loads(Path(graph).read_text(encoding="utf-8"))["program"]
    return [one["#"].split(".")[-1].rstrip("_") for one in program["regions"][0]["blocks"][0]["ops"]]


def export_onnx(model: paddle.nn.Layer, image_shape: tuple[int, int, int], path: str | Path) -> Path:
    """Write `model` in eval mode as an ONNX file for any batch size, and return its path; arguments as `save`.

    Raises RuntimeError with the reason where this machine cannot convert (`why_no_onnx`); ValueError as `save` does,
    and for a model with an operation that cannot be converted.
    """
    if reason := why_no_onnx():
        raise RuntimeError(reason)
    path = files.expanded(path)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        graph = save(model, image_shape, Path(folder) / "model")
        made, known = Path(folder, "onnx"), Path(folder, "known")
        # In a process of its own: an operation that paddle2onnx does not know ends the process without an exception.
        # And in a folder of its own, where no file of a learner takes the place of a module.
        command = [sys.executable, "-c", _CONVERT, graph, graph.with_suffix(".pdiparams"), made, known]
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
        if done.returncode or not made.is_file():
            why = _why_not(graph, known, done.stderr)
            raise ValueError(f"{type(model).__name__} cannot be converted to ONNX: {why}")
        with files.atomic_write(path) as file:
            file.write(made.read_bytes())
    return path


def _why_not(graph: Path, known: Path, errors: bytes) -> str:
    """The operations that the converter lacks, as far as its list tells; else the last line that it wrote."""
    if not known.is_file():
        return f"paddle2onnx did not start: … {' '.join(errors.decode(errors='replace').split())[-200:]}"
    supported = json.loads(known.read_text())
    missing = ", ".join(name for name in dict.fromkeys(operations(graph)) if not _supports(supported, name))
    advice = "Replace that layer, or stay with paddle.inference (`predictor`), which runs every operation of Paddle"
    return f"paddle2onnx does not know {missing or 'one of its operations'}. {advice}"


def _supports(supported: list[str], operation: str) -> bool:
    """Is an operation in the converter's list, which holds older names: elementwise_mul for multiply, matmul_v2, …?"""
    bare = operation.replace("_", "")
    return operation in ("data", "fetch", "p") or any(
        name.removeprefix("reduce_").replace("_", "").startswith(bare)
        or (name.startswith("elementwise_") and bare.startswith(name.removeprefix("elementwise_")))
        for name in supported
    )


def why_no_onnx() -> str:
    """Why this machine cannot convert a network to ONNX and run it; "" where it can."""
    hints = {"paddle2onnx": "it has wheels for Python up to 3.12; everything else goes on without"}
    hints["onnxruntime"] = "run `uv sync`"
    missing = next((package for package in hints if importlib.util.find_spec(package) is None), None)
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{missing} is not installed for Python {version}: {hints[missing]}" if missing else ""


def predictor(model: paddle.nn.Layer, image_shape: tuple[int, int, int], **options: Any) -> Predictor:
    """`model` in eval mode in `paddle.inference`. image_shape: (channels, height, width) of one image.

    options: threads, default as many as the dynamic graph uses. onednn=False runs Paddle's own kernels in the same
    runtime, as a Paddle without oneDNN does (not x86-64): `fused` tells. passes: see `cpu_config`.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return load_predictor(save(model, image_shape, Path(folder) / "model"), image_shape, **options)


def load_predictor(
    graph: str | Path, image_shape: tuple[int, int, int], *, threads: int | None = None, **options: Any
) -> Predictor:
    """A network that `save` wrote, in `paddle.inference`; arguments as `predictor`. graph: what `save` returned.

    Raises FileNotFoundError where one of the two files is missing, ValueError where they are damaged.
    """
    shape, threads = checked_shape(image_shape), _threads(threads)
    graph = files.expanded(graph)
    for file in (graph, graph.with_suffix(".pdiparams")):
        if not file.is_file():
            advice = "save(...) writes both files; keep them together."
            raise FileNotFoundError(f"there is no {file.name} in {graph.parent}. {advice}")
    with _whole(graph), file.open("rb") as weights:
        # Version and nesting level, which are 0. Paddle hangs on a file of something else.
        if any(weights.read(12)):
            raise RuntimeError("the file of weights begins otherwise than Paddle's do")
    config = cpu_config(graph, **options)
    config.set_cpu_math_library_num_threads(threads)
    with _whole(graph), held():
        runtime = paddle.inference.create_predictor(config)
    source = runtime.get_input_handle(runtime.get_input_names()[0])
    result = runtime.get_output_names()[0]

    def run(images: np.ndarray) -> np.ndarray:
        source.copy_from_cpu(images)
        runtime.run()
        return runtime.get_output_handle(result).copy_to_cpu()

    return Predictor("paddle.inference", threads, bool(config.onednn_enabled()), shape, run)


def cpu_config(graph: Path, *, onednn: bool = True, passes: Sequence[str] | None = None) -> paddle.inference.Config:
    """How `paddle.inference` is to run a saved program: on the CPU, silently, with oneDNN or without.

    passes: the only rewritings of the program that it may make before it runs, by Paddle's names for them; default all.
    """
    config = paddle.inference.Config(str(graph), str(graph.with_suffix(".pdiparams")))
    config.disable_gpu()
    config.disable_glog_info()
    config.enable_onednn() if onednn else config.disable_onednn()
    if passes is not None:
        config.enable_custom_passes(list(passes), True)
    return config


def onnx_predictor(
    model: paddle.nn.Layer, image_shape: tuple[int, int, int], *, threads: int | None = None
) -> Predictor:
    """`model` in eval mode in ONNX Runtime; arguments as `predictor`. Raises as `export_onnx` does."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return load_onnx(export_onnx(model, image_shape, Path(folder) / "model.onnx"), image_shape, threads=threads)


def load_onnx(path: str | Path, image_shape: tuple[int, int, int], *, threads: int | None = None) -> Predictor:
    """An ONNX file of one image input in ONNX Runtime, on the CPU; arguments as `predictor`.

    Raises FileNotFoundError without the file, ValueError for one that is damaged or something else.
    """
    import onnxruntime

    shape, threads, path = checked_shape(image_shape), _threads(threads), files.expanded(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no ONNX file {path}. export_onnx(...) writes one.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3  # errors only: it warns of constants that nobody uses
    with _whole(path):
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    source = session.get_inputs()[0].name
    return Predictor("onnxruntime", threads, True, shape, lambda images: session.run(None, {source: images})[0])


@contextlib.contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Say of a file that a runtime cannot read that it is damaged; each runtime has errors of its own for it."""
    try:
        yield
    except Exception as problem:
        said = f"{type(problem).__name__}: … {' '.join(str(problem).split())[-120:]}"
        what = f"{path.name} in {path.parent} is not a whole saved network ({said})"
        raise ValueError(f"{what}. Save it again, or take a good copy.") from problem


def _threads(threads: int | None) -> int:
    return environment.threads() if threads is None else whole_number("threads", threads)
