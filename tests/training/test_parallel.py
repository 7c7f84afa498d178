"""Two processes train as one would, one of them writes, and none is left waiting for a dead one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import parallel_job
import psutil
import pytest
from patience import patience

from mobilenet_lib import data
from mobilenet_lib.runs import Run
from mobilenet_lib.training import checkpoints, command, parallel

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="Paddle has no gloo on Windows"),
    pytest.mark.filterwarnings("ignore:When training, we now always track"),
]
HERE = Path(__file__).resolve().parent


def launched(folder: Path, *command: str) -> subprocess.Popen:
    """Paddle's launcher with two processes of one thread each; PATH as `uv run` sets it."""
    scripts = Path(sys.executable).parent
    path = f"{scripts}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": path, "PYTHONPATH": str(HERE)}
    launcher = [sys.executable, "-m", "paddle.distributed.launch", "--nproc_per_node", "2"]
    command = (*launcher, "--log_dir", str(folder / "log"), *command)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **pipes)


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """The folder with what two processes found, see `parallel_job`."""
    folder = tmp_path_factory.mktemp("together")
    with launched(folder, str(HERE / "parallel_job.py"), str(folder)) as job:
        said, _ = job.communicate(timeout=patience())
    assert job.returncode == 0, said
    return folder


def found(folder: Path, rank: int) -> dict:
    return json.loads((folder / f"found{rank}.json").read_text(encoding="utf-8"))


def test_two_processes_agree_with_one_on_the_same_batches(together):
    """Without batch norm, to rounding: the same order, augmentation, gradients and figures."""
    alone = parallel_job.plain_net()
    first = {name: value.numpy() for name, value in alone.state_dict().items()}
    curves = parallel_job.train_plain(alone)
    for rank in (0, 1):
        with np.load(together / f"plain{rank}.npz") as state:
            for name, value in alone.state_dict().items():
                np.testing.assert_allclose(state[name], value.numpy(), rtol=1e-4, atol=1e-6)
                assert np.abs(value.numpy() - first[name]).max() > 1e-4, "nothing was learned"
        for epoch, expected in zip(found(together, rank)["plain"], curves, strict=True):
            assert epoch == pytest.approx(expected, rel=1e-5)


def test_with_batch_norm_both_end_with_the_same_weights_and_statistics(together):
    with np.load(together / "whole0.npz") as one, np.load(together / "whole1.npz") as other:
        assert "1._mean" in one.files
        for name in one.files:
            np.testing.assert_array_equal(one[name], other[name])
    assert found(together, 0)["curves"] == found(together, 1)["curves"]


def test_a_stopped_run_of_two_continues_bit_for_bit(together):
    """The second process has no checkpoint: it follows the first."""
    for rank in (0, 1):
        assert found(together, rank)["again"]
        assert found(together, rank)["same"]


def test_one_process_writes_and_reports(together):
    assert (together / "checkpoint0").exists()
    assert not (together / "checkpoint1").exists()
    assert [found(together, rank)["heard"] for rank in (0, 1)] == [[1, 2, 3], []]
    settings = found(together, 0)["settings"]
    assert (settings["processes"], settings["step"]) == (2, "dynamic")


def test_the_first_loads_the_data_before_the_other(together):
    assert [found(together, rank)["loaded"] for rank in (0, 1)] == [True, True]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can bind Paddle's port to loopback later")
def test_on_one_machine_no_other_can_reach_them(together):
    """Paddle's store listens on 0.0.0.0; bound to the loopback device, it refuses whatever comes from a network."""
    assert found(together, 0)["networks"] == [["0.0.0.0", "lo"]]
    assert found(together, 1)["networks"] == []


def test_what_two_processes_cannot_do_is_refused_in_both(together):
    for rank in (0, 1):
        report = found(together, rank)
        assert "15 images cannot be shared evenly by 2 processes" in report["uneven"]
        assert "step must be auto or dynamic, not 'static'" in report["static"]
        assert "process 1 has seed = 1, process 0 has 0" in report["seeds"]


def test_a_dead_process_ends_the_job_and_leaves_the_checkpoint(tmp_path, capsys):
    """The command under the launcher; one of its two processes is killed."""
    small = ["--width", "0.1", "--images", "256", "--test-images", "64"]
    small += ["--output", str(tmp_path / "run")]
    checkpoint = tmp_path / "run.checkpoint.npz"
    with launched(tmp_path, "mobilenet-train", *small, "--epochs", "1000") as job:
        try:
            _wait_for_epoch(checkpoint, job)
            for child in psutil.Process(job.pid).children():
                if child.environ().get("PADDLE_TRAINER_ID") == "1":
                    child.kill()
            said, _ = job.communicate(timeout=patience())
        finally:
            job.kill()
    assert job.returncode != 0
    assert "status failed" in said  # of the killed one, or of the other, which noticed first
    assert "epoch 1/1000" in said
    assert "epoch 1/1000" not in (tmp_path / "log" / "workerlog.1").read_text(encoding="utf-8")
    run = Run.from_json(checkpoints.read(checkpoint)["run"].item(), "it")
    assert run.settings["processes"] == 2
    assert len(run.epochs) >= 1
    assert sorted(path.name for path in tmp_path.glob("run*")) == [checkpoint.name]

    assert command.main([*small, "--epochs", "1000"]) == 1
    assert "was made with processes = 2, this command has 1" in capsys.readouterr().err


def _wait_for_epoch(checkpoint: Path, job: subprocess.Popen) -> None:
    """Until the checkpoint holds a finished epoch; with the optimizer's memory, it is larger than the first one."""
    deadline = time.monotonic() + 900
    sizes = set()
    while len(sizes) < 2:
        assert job.poll() is None, job.communicate()[0]
        assert time.monotonic() < deadline, "no epoch in a quarter of an hour"
        if checkpoint.exists():
            sizes.add(checkpoint.stat().st_size)
        time.sleep(0.1)


def test_without_the_launcher_there_is_one_process_and_nothing_to_share():
    assert (parallel.processes(), parallel.rank(), parallel.is_first()) == (1, 0, True)
    assert parallel.part(7) == slice(0, 7)
    assert parallel.total([0.1, 3]) == [0.1, 3]


@pytest.mark.parametrize(("count", "processes"), [(16, 2), (7, 3), (2, 3)])
def test_parts_cover_everything_once(monkeypatch, count, processes):
    monkeypatch.setattr(parallel, "processes", lambda: processes)
    parts = []
    for rank in range(processes):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        parts.extend(range(count)[parallel.part(count)])
    assert parts == list(range(count))


def test_a_part_is_augmented_as_it_is_among_all():
    images = np.random.default_rng(0).integers(0, 256, (10, 3, 8, 8), dtype=np.uint8)
    whole, part = (data.augment(images, np.random.default_rng(5), part=part) for part in (slice(None), slice(4, 7)))
    np.testing.assert_array_equal(whole[4:7], part)


def test_a_broken_connection_is_told_from_other_errors():
    with pytest.raises(parallel.ProcessLost, match="lost another one"), parallel._told():
        raise RuntimeError("[/paddle/third_party/gloo/gloo/transport/tcp/pair.cc:584] TIMEOUT")
    with pytest.raises(RuntimeError, match="out of memory"), parallel._told():
        raise RuntimeError("out of memory")
