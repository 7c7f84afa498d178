"""The stop button of a notebook, in a real kernel: what was finished is kept, and the next cell can use it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows interrupts kernels in another way")

TRAIN = """
import sys
sys.path.insert(0, {tests!r})
from test_training import fit, small_net, stripes, weights
from mobilenet_lib import training
from mobilenet_lib.runs import Run

model = small_net()
report = lambda run: print("finished", len(run.epochs), flush=True)
history = fit(model, epochs=100_000, checkpoint="c", on_epoch_end=report)
print("interrupted:", history.interrupted)
"""

LOOK = """
_, part = stripes().split(0.25, seed=0)
measured = training.evaluate(model, part, batch_size=16)
last = history.epochs[-1]
print(measured.accuracy == last["validation_accuracy"], measured.loss == last["validation_loss"])
history.save("run.json")
print(Run.load("run.json").interrupted, len(history.epochs) >= 2, model.training)
"""


def run_cell(client, code: str, at=None) -> list[tuple[str, str]]:
    """What the cell printed, as (stream, text); `at` is called with all text so far, at each output."""
    printed = []

    def hear(message: dict) -> None:
        if message["msg_type"] == "stream":
            printed.append((message["content"]["name"], message["content"]["text"]))
            if at:
                at("".join(text for _, text in printed))
        elif message["msg_type"] == "error":
            printed.append(("error", "\n".join(message["content"]["traceback"])))

    client.execute_interactive(code, timeout=600, output_hook=hear)
    return printed


def test_the_stop_button_leaves_a_usable_history_and_model(tmp_path):
    manager, client = start_new_kernel(cwd=str(tmp_path), startup_timeout=600)
    pressed = []

    def press(text: str) -> None:
        if "finished 2" in text and not pressed:
            pressed.append(time.monotonic())
            manager.interrupt_kernel()

    try:
        printed = run_cell(client, TRAIN.format(tests=str(Path(__file__).parent)), at=press)
        assert pressed, printed
        assert {stream for stream, _ in printed} == {"stdout"}, printed  # no traceback
        last = "".join(text for _, text in printed).splitlines()[-2:]
        assert last[0].startswith("Interrupted in epoch ")
        assert "The model has the weights from the end of epoch " in last[0]
        assert last[0].endswith("Run the same call again to continue.")
        assert last[1] == "interrupted: True"
        assert time.monotonic() - pressed[0] < 120
        assert run_cell(client, LOOK) == [("stdout", "True True\nTrue True False\n")]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
