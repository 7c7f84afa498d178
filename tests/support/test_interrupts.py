"""An interrupt waits where Paddle's C++ code calls Python, and takes effect right afterwards."""

from __future__ import annotations

import signal
import threading

import pytest

from mobilenet_lib import data, models, training
from mobilenet_lib._support.interrupts import held
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments import inference
from mobilenet_lib.training import StaticStep, probe, static


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def interrupting(function):
    """The function, which is interrupted before its first line."""

    def interrupted(*arguments, **named):
        interrupt()
        return function(*arguments, **named)

    return interrupted


@pytest.mark.parametrize("inside", [0, 1])
def test_the_block_ends_first_and_those_around_it(inside):
    before, done = signal.getsignal(signal.SIGINT), []

    def work(inside):
        with held():
            if inside:
                work(inside - 1)
            else:
                interrupt()
            done.append(inside)

    with pytest.raises(KeyboardInterrupt):
        work(inside)
    assert done == list(range(inside + 1))
    assert signal.getsignal(signal.SIGINT) is before
    with held():
        pass


def test_an_error_in_the_block_is_raised_as_it_is():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ValueError, match="mine"), held():
        raise ValueError("mine")
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_goes_through():
    done = []

    def work():
        with held():
            done.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]


def _small():
    training.seed_everything(0)
    return models.build("mobilenet_v1", 10, width_multiplier=0.1, resolution=16, pairs=((1, 64), (2, 128)))


def test_the_static_graph_is_built_to_its_end(monkeypatch):
    model = _small()
    monkeypatch.setattr(static._Network, "logits", interrupting(static._Network.logits))
    with pytest.raises(KeyboardInterrupt):
        StaticStep(model, "sgd", 8, (3, 16, 16))
    assert paddle.in_dynamic_mode()
    assert not paddle.get_flags("FLAGS_use_onednn")["FLAGS_use_onednn"]
    monkeypatch.undo()
    StaticStep(model, "sgd", 8, (3, 16, 16))


def test_training_that_has_not_begun_ends_as_one_in_its_first_epoch(monkeypatch, capsys, tmp_path):
    model = _small()
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    images = data.load("fashion_mnist").head(32).resize(16)
    monkeypatch.setattr(static._Network, "logits", interrupting(static._Network.logits))
    monkeypatch.setattr("mobilenet_lib.training.choice.prepare", lambda: dict.fromkeys(probe.trials()))
    monkeypatch.setattr("mobilenet_lib.training.choice.platform.machine", lambda: "x86_64")
    how = {"validation": None, "epochs": 2, "batch_size": 8, "checkpoint": tmp_path / "c"}
    run = training.fit(model, images, step="static", **how)
    assert (run.interrupted, run.epochs, run.settings["step"]) == (True, [], "none")
    assert not model.training
    assert all((value.numpy() == before[name]).all() for name, value in model.state_dict().items())
    assert capsys.readouterr().out == (
        "Interrupted in epoch 1 of 2. The model has its first weights. Run the same call again to continue.\n"
    )
    monkeypatch.undo()
    assert len(training.fit(model, images, step="dynamic", **how).epochs) == 2


def test_a_network_is_saved_to_its_end(monkeypatch, tmp_path):
    model = _small().train()
    monkeypatch.setattr(paddle.jit, "save", interrupting(paddle.jit.save))
    with pytest.raises(KeyboardInterrupt):
        inference.save(model, (3, 16, 16), tmp_path / "model")
    assert model.training
    monkeypatch.undo()
    inference.load_predictor(tmp_path / "model.json", (3, 16, 16))
