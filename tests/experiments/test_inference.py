"""A runtime gives the network's own outputs, and the network comes back as it was."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.speed import layer_speed, timing

nn = paddle.nn
SHAPE = (3, 16, 16)
IMAGES = np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")

needs_onnx = pytest.mark.skipif(bool(inference.why_no_onnx()), reason=inference.why_no_onnx() or "ONNX is there")


@pytest.fixture(scope="module")
def model():
    """A small network with everything that differs between the modes, and one layer frozen in eval mode."""
    paddle.seed(0)
    made = nn.Sequential(
        *(nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.ReLU6()),
        *(nn.Conv2D(8, 8, 3, padding=1, groups=8), nn.BatchNorm2D(8)),
        *(nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Dropout(0.5), nn.Linear(8, 5)),
    )
    made(paddle.to_tensor(IMAGES))  # so that the running statistics are not 0 and 1
    made[4].eval()
    return made


@pytest.fixture(scope="module")
def expected(model):
    with eval_mode(model), paddle.no_grad():
        return model(paddle.to_tensor(IMAGES)).numpy()


def modes(model):
    return [layer.training for layer in model.sublayers(include_self=True)]


@pytest.mark.parametrize(
    ("make", "name", "fused"),
    [
        (inference.predictor, "paddle.inference", {True, False}),  # oneDNN is not on every machine
        (partial(inference.predictor, onednn=False), "paddle.inference", {False}),
        pytest.param(inference.onnx_predictor, "onnxruntime", {True}, marks=needs_onnx),
    ],
)
def test_a_runtime_gives_the_same_outputs(model, expected, make, name, fused, capfd):
    before = modes(model)
    runtime = make(model, SHAPE, threads=1)
    assert np.allclose(runtime(IMAGES), expected, atol=1e-4)
    assert np.allclose(runtime(IMAGES[:1]), expected[:1], atol=1e-4), "any batch size"
    assert (runtime.runtime, runtime.threads) == (name, 1)
    assert runtime.fused in fused
    assert modes(model) == before
    assert capfd.readouterr() == ("", ""), "a lesson must not show the runtime's or the converter's notes"


def test_without_the_converter_the_reason_is_told(model, monkeypatch, tmp_path):
    util, found = inference.importlib.util, inference.importlib.util.find_spec
    monkeypatch.setattr(util, "find_spec", lambda name: None if name == "paddle2onnx" else found(name))
    assert "paddle2onnx is not installed" in inference.why_no_onnx()
    with pytest.raises(RuntimeError, match=r"Python 3\.\d+: it has wheels for Python up to 3.12"):
        inference.export_onnx(model, SHAPE, tmp_path / "model.onnx")


@needs_onnx
@pytest.mark.parametrize("operation", ["celu", "channel_shuffle"])
def test_an_operation_that_cannot_be_converted_is_named_and_ends_nothing(operation, tmp_path):
    class Net(nn.Layer):
        def forward(self, images):
            call = getattr(nn.functional, operation)
            return call(images, 3) if operation == "channel_shuffle" else call(images)

    with pytest.raises(ValueError, match=f"Net cannot be converted to ONNX: paddle2onnx does not know {operation}\\."):
        inference.export_onnx(Net(), SHAPE, tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


class TwoOutputs(nn.Layer):
    says = "returns a tuple; one tensor of scores is expected"

    def forward(self, images):
        return images, images


class TwoInputs(nn.Layer):
    says = r"takes 2 inputs \(images, mask\)"

    def forward(self, images, mask):
        return images * mask


@pytest.mark.parametrize("network", [TwoOutputs(), TwoInputs()], ids=["outputs", "inputs"])
@pytest.mark.parametrize("use", [inference.save, timing.latency, timing.peak_memory, layer_speed.by_layer])
def test_a_network_with_several_outputs_or_inputs_is_refused(network, use, tmp_path):
    with pytest.raises(ValueError, match=network.says):
        use(network, SHAPE, *([tmp_path / "model"] if use is inference.save else []))


@pytest.mark.parametrize("write", [inference.save, pytest.param(inference.export_onnx, marks=needs_onnx)])
def test_a_path_may_begin_with_the_home_folder(model, write, home):
    written = write(model, SHAPE, "~/nets/model")
    assert written.parent == home / "nets"
    assert written.is_file()


def test_saved_files_are_loaded_again(model, expected, tmp_path):
    graph = inference.save(model, SHAPE, tmp_path / "new" / "network")
    assert np.allclose(inference.load_predictor(graph, SHAPE)(IMAGES), expected, atol=1e-4)
    graph.with_suffix(".pdiparams").unlink()
    with pytest.raises(FileNotFoundError, match="keep them together"):
        inference.load_predictor(graph, SHAPE)
    with pytest.raises(FileNotFoundError, match="export_onnx"):
        inference.load_onnx(tmp_path / "none.onnx", SHAPE)


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
@pytest.mark.parametrize("file", ["network.json", "network.pdiparams"])
def test_damaged_files_are_named_and_harm_nothing(model, tmp_path, file, damage):
    graph = inference.save(model, SHAPE, tmp_path / "network")
    whole = (tmp_path / file).read_bytes()
    damaged = {"cut": whole[: len(whole) // 2], "text": b"Dear diary, today", "empty": b""}
    (tmp_path / file).write_bytes(damaged[damage])
    with pytest.raises(ValueError, match=r"network\.json in .* is not a whole saved network"):
        inference.load_predictor(graph, SHAPE)


@pytest.mark.parametrize("content", [b"", b"Dear diary, today"], ids=["empty", "text"])
def test_a_damaged_onnx_file_is_named(tmp_path, content):
    (tmp_path / "network.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"network\.onnx in .* is not a whole saved network"):
        inference.load_onnx(tmp_path / "network.onnx", SHAPE)


def test_modes_come_back_after_an_error(model):
    before = modes(model)

    def stopped():
        with eval_mode(model):
            assert not any(modes(model))
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        stopped()
    assert modes(model) == before


def test_bad_input_is_named(model):
    runtime = inference.predictor(model, SHAPE, threads=1)
    for images in (IMAGES[0], IMAGES[:, :, :8], IMAGES[:0]):
        with pytest.raises(ValueError, match=r"shape \('batch', 3, 16, 16\), not"):
            runtime(images)
    with pytest.raises(ValueError, match="Layer, not str: pass the network itself"):
        inference.predictor("mobilenet_v1", SHAPE)
    with pytest.raises(ValueError, match="channels, height, width"):
        inference.predictor(model, (1, 3, 16, 16))
    with pytest.raises(ValueError, match="threads must be a whole number"):
        inference.predictor(model, SHAPE, threads=0)
