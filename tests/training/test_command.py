"""The training command: progress, errors in a line, and a run that survives Ctrl-C and kill -9."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from patience import patience

from mobilenet_lib import data, models, statistics, training, weights
from mobilenet_lib.runs import Run
from mobilenet_lib.training import checkpoints, command, plans

SMALL = ["--width", "0.1", "--images", "192", "--test-images", "64", "--epochs", "3", "--step", "dynamic"]


def test_a_run_reports_every_epoch_and_writes_history_and_weights(home, capsys):
    assert command.main([*SMALL, "--output", "out/small"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["mobilenet_v1 on fashion_mnist: starting", "192 images, dynamic step: epoch 1 of 3 begins"]
    assert [line.split(":")[0] for line in lines[2:5]] == ["epoch 1/3", "epoch 2/3", "epoch 3/3"]
    assert lines[2].endswith(" s left")
    assert lines[4].endswith(", 0 s left")
    run = Run.load(home / "out" / "small.json")
    assert f"test accuracy {run.test['accuracy']:.4f}" in lines[5]
    model = models.build(**run.settings["network"])
    weights.load(model, home / "out" / "small.npz")
    test = data.load("fashion_mnist", "test").head(64)
    assert training.evaluate(model, test).accuracy == run.test["accuracy"]
    assert run.test["total"] == 64


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--width", "0"], "--width must be a number above 0"),
        (["--images", "1"], "--images must be a whole number of at least 2, not 1"),
        (["--test-images", "0"], "--test-images must be a whole number of at least 1, not 0"),
        (["--seed", str(2**64)], "--seed must be a whole number of at most 64 bits"),
        (["--batch-size", "1"], "--batch-size must be"),
        (["--learning-rate", "1e9"], "--learning-rate must be a number above 0 and at most 1000, not 1000000000.0"),
        (["--learning-rate", "-1"], "--learning-rate must be"),
        (["--until", "75"], "--until must be an accuracy above 0 and at most 1, not 75.0"),
        (["--max-shift", "-1"], "--max-shift must be"),
        (["--data", "folder"], "--data folder needs --path"),
        (["--data", "cifar10", "--path", "nowhere"], "--path names nowhere"),
        (["--model", "vgg16", "--width", "0.5"], "vgg16 has no --width"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line_before_anything_begins(home, capsys, monkeypatch, wrong, message):
    monkeypatch.setattr(plans, "carry_out", lambda *_: pytest.fail("Paddle was imported for that"))
    assert command.main([*SMALL, *wrong]) == 1
    said = capsys.readouterr()
    assert said.err.startswith(f"mobilenet-train: {message}")
    assert (said.out, len(said.err.splitlines())) == ("", 1)


def test_help_and_refusals_import_no_paddle(home):
    program = "import sys; sys.modules['paddle'] = None\nfrom mobilenet_lib.training import command\ncommand.main()"
    done = subprocess.run([sys.executable, "-c", program, "--help"], capture_output=True, text=True, check=True)
    helped = " ".join(done.stdout.split())
    assert "example: mobilenet-train --model" in helped
    for option, default in [("EPOCHS", 10), ("BATCH_SIZE", 64), ("WIDTH", 1.0), ("SEED", 0), ("PIXELS", 4)]:
        assert re.search(rf"{option} [^-]*\(default: {default}\)", helped), option


def test_other_settings_do_not_continue_a_run(home, capsys):
    assert command.main([*SMALL, "--epochs", "1", "--output", "run"]) == 0
    assert command.main([*SMALL, "--epochs", "1", "--output", "run", "--learning-rate", ".01"]) == 1
    told = capsys.readouterr().err
    assert "was made with --learning-rate = 0.08, this command has 0.01" in told
    assert "give another --output, or pass --restart to replace it" in told
    assert command.main([*SMALL, "--epochs", "2", "--output", "run", "--restart"]) == 0


def test_a_run_that_diverges_is_a_line_too(home, capsys):
    assert command.main([*SMALL, "--learning-rate", "1000", "--output", "run"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("mobilenet-train: ")
    assert "Try a smaller --learning-rate" in told
    assert "with --restart where there is a checkpoint" in told


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The weights at the end of a run that nothing stopped."""
    path = tmp_path_factory.mktemp("whole") / "run"
    assert command.main([*SMALL, "--output", str(path)]) == 0
    with np.load(path.with_suffix(".npz")) as state:
        return dict(state)


def _same(path, whole) -> None:
    with np.load(path) as state:
        assert sorted(state.files) == sorted(whole)
        for name, value in whole.items():
            np.testing.assert_array_equal(state[name], value)


def _epochs(path) -> int:
    return len(Run.from_json(checkpoints.read(path)["run"].item(), "it").epochs)


# Ends itself with kill -9 when half of the third checkpoint is in its file; there is one before the first epoch.
KILLED_IN_A_SAVE = """
import os, signal, sys
from contextlib import contextmanager
from mobilenet_lib._support import npz
from mobilenet_lib.training import command

atomic_write, saves = npz.atomic_write, []

class Killed:
    def __init__(self, file):
        self.file = file

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        self.file.flush()
        os.kill(os.getpid(), signal.SIGKILL)

@contextmanager
def killed(path):
    saves.append(path)
    with atomic_write(path) as file:
        yield file if len(saves) < 3 else Killed(file)

npz.atomic_write = killed
sys.exit(command.main(sys.argv[1:]))
"""


def _started(home, *program) -> subprocess.Popen:
    program = [sys.executable, *program, *SMALL, "--output", "run"]
    return subprocess.Popen(program, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_run_continues_bit_for_bit(home, capsys, whole, stop):
    with _started(home, "-m", "mobilenet_lib.training.command") as process:
        assert [process.stdout.readline() for _ in range(3)][2].startswith("epoch 1/3")
        process.send_signal(stop)  # in the second epoch, or on the way there
        out, err = process.communicate(timeout=patience())
    if stop == signal.SIGKILL:
        assert process.returncode == -stop
    else:
        assert process.returncode == command.INTERRUPTED, err
        assert "Interrupted in epoch 2 of 3" in out
        assert "Traceback" not in err
    assert _epochs("run.checkpoint.npz") == 1
    assert command.main([*SMALL, "--output", "run"]) == 0
    said = capsys.readouterr().out
    assert "192 images, dynamic step: continues after epoch 1 of 3, from its checkpoint" in said
    assert "epoch 1/3" not in said
    _same("run.npz", whole)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no kill -9")
def test_a_run_killed_in_the_middle_of_a_save_continues_bit_for_bit(home, capsys, whole):
    with _started(home, "-c", KILLED_IN_A_SAVE) as process:
        out, err = process.communicate(timeout=patience())
    assert process.returncode == -signal.SIGKILL, err
    assert "epoch 1/3" in out
    assert "epoch 2/3" not in out  # it was trained, and is reported after its save
    checkpoint = home / "run.checkpoint.npz"
    (half,) = home.glob("run.checkpoint.npz.*.partial")
    assert 0 < half.stat().st_size < checkpoint.stat().st_size
    assert _epochs(checkpoint) == 1
    assert command.main([*SMALL, "--output", "run"]) == 0
    assert capsys.readouterr().out.splitlines()[2].startswith("epoch 2/3")
    _same("run.npz", whole)
    assert not half.exists()


def _mounted(folder, size: int) -> bool:
    """Is a disk of `size` bytes mounted there now? Only root may, and not in every container."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        return subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs a small disk, or a limit on files")
def test_a_full_disk_is_an_error_in_a_line_and_the_last_good_checkpoint_stays(home, whole):
    """A real small disk where it can be mounted; else the same with a limit on the size of a file."""
    finished = home / "elsewhere"
    assert command.main([*SMALL, "--epochs", "1", "--output", str(finished / "run")]) == 0
    size = (finished / "run.checkpoint.npz").stat().st_size
    (home / "disk").mkdir()
    # Room for the checkpoint before the first epoch and the next beside it, but not for two with optimizer's memory.
    mounted = _mounted(home / "disk", size * 7 // 4)
    limit = "" if mounted else f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size - 999}, -1));"
    program = f"import resource, sys; {limit} from mobilenet_lib.training import command; sys.exit(command.main())"
    limited = [sys.executable, "-c", program, *SMALL, "--output", "disk/run"]
    try:
        done = subprocess.run(limited, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith("mobilenet-train: [Errno "), done.stderr
        assert len(done.stderr.splitlines()) == 1
        reason = "No space left on device" if mounted else "File too large"
        assert f"the checkpoint could not be written ({reason})" in done.stderr
        assert _epochs("disk/run.checkpoint.npz") == (1 if mounted else 0)
        assert os.listdir("disk") == ["run.checkpoint.npz"]
        if mounted:
            subprocess.run(["mount", "-o", f"remount,size={9 * size}", "disk"], check=True)
        assert command.main([*SMALL, "--output", "disk/run"]) == 0
        _same("disk/run.npz", whole)
    finally:
        if mounted:
            subprocess.run(["umount", "disk"], check=True)


def test_until_ends_after_the_epoch_that_reached_it(home, capsys):
    assert command.main([*SMALL, "--until", "0.101", "--output", "until"]) == 0
    lines = capsys.readouterr().out.splitlines()
    run = Run.load("until.json")
    accuracies = [epoch["validation_accuracy"] for epoch in run.epochs]
    assert run.settings["until"] == 0.101
    assert accuracies[-1] >= 0.101 or len(accuracies) == 3
    assert all(accuracy < 0.101 for accuracy in accuracies[:-1])
    seconds = sum(epoch["seconds"] for epoch in run.epochs)
    assert f"reach{'ed' if accuracies[-1] >= 0.101 else ''} 0.101 after {seconds:.0f} s of training" in lines[-2]
    assert command.main([*SMALL, "--until", "0.101", "--output", "until"]) == 0  # trains no further
    assert len(Run.load("until.json").epochs) == len(run.epochs)
    assert command.main([*SMALL, "--output", "until"]) == 1
    assert "was made with --until = 0.101, this command has None" in capsys.readouterr().err


def test_a_home_folder_is_found(home):
    assert command.main([*SMALL, "--epochs", "1", "--output=~/out/run"]) == 0
    assert sorted(path.name for path in home.rglob("*")) == ["out", "run.checkpoint.npz", "run.json", "run.npz"]


def test_a_run_of_the_command_can_be_paired_with_another(home):
    """It is tested as the recorded runs are: image by image, and on training images too."""
    assert command.main([*SMALL, "--epochs", "1", "--output", "run"]) == 0
    run = Run.load("run.json")
    assert statistics.paired(run, run)["both"] == run.test["correct"]
    assert run.test["train"]["total"] == 192
    assert run.settings["macs"] == models.architectures.mobilenet_v1(0.1, 32, 10, stem_stride=1).macs
