"""The training command: progress, errors in a line, and a run that survives Ctrl-C and kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mobilenet_lib import models, train, training, weights
from mobilenet_lib.results import Run

SMALL = [
    "--width", "0.1", "--pictures", "384", "--epochs", "3", "--learning-rate", "0.05", "--engine", "dynamic"
]  # fmt: skip


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_reports_every_epoch_and_writes_history_and_weights(here, capsys):
    assert train.main([*SMALL, "--output", "out/small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:3]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert lines[0].endswith(" s left")
    assert lines[2].endswith(", 0 s left")
    run = Run.load(here / "out" / "small.json")
    assert f"test accuracy {run.test['accuracy']:.4f}" in lines[3]
    model = models.build(**run.settings["network"])
    weights.load(model, here / "out" / "small.npz")
    test = train.data.load("fashion_mnist", "test")
    assert training.evaluate(model, test).accuracy == run.test["accuracy"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--width", "0"], "width_multiplier must be a number above 0"),
        (["--pictures", "1"], "--pictures must be"),
        (["--data", "folder", "--path", "nowhere"], "nowhere"),
        (["--model", "vgg16", "--width", "0.5"], "vgg16 has neither"),
        (["--learning-rate", "-1"], "learning_rate must be"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(here, capsys, wrong, message):
    assert train.main([*SMALL, *wrong]) == 1
    told = capsys.readouterr().err
    assert told.startswith("mobilenet-train: ")
    assert message in told
    assert "Traceback" not in told


def test_other_settings_do_not_continue_a_run(here, capsys):
    assert train.main([*SMALL, "--epochs", "1"]) == 0
    assert train.main([*SMALL, "--epochs", "2"]) == 1
    assert "was made with epochs = 1, this call has 2" in capsys.readouterr().err
    assert train.main([*SMALL, "--epochs", "2", "--restart"]) == 0


def _started(here):
    return subprocess.Popen(
        [sys.executable, "-m", "mobilenet_lib.train", *SMALL, "--output", "run"],
        cwd=here, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_continues_bit_for_bit(here, capsys, stop):
    with _started(here) as process:
        assert process.stdout.readline().startswith("epoch 1/3")
        time.sleep(0.2)  # into the second epoch
        process.send_signal(stop)
        process.wait(timeout=60)
    assert process.returncode == (train.INTERRUPTED if stop == signal.SIGINT else -stop)
    assert train.main([*SMALL, "--output", "run"]) == 0
    assert "epoch 1/3" not in capsys.readouterr().out
    assert train.main([*SMALL, "--output", "whole"]) == 0
    with np.load("run.npz") as parts, np.load("whole.npz") as whole:
        for name in whole.files:
            np.testing.assert_array_equal(parts[name], whole[name])
