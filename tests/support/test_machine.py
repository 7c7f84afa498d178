"""What the machine allows, files written whole, modes put back, and Paddle's import."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from jupyter_client.manager import run_kernel
from patience import patience

from mobilenet_lib import runs
from mobilenet_lib._support import environment, files, modes
from mobilenet_lib._support.paddle import paddle

nn = paddle.nn


def in_another_process(program: str, **variables: str | None) -> subprocess.CompletedProcess:
    settings = {name: value for name, value in {**os.environ, **variables}.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", program], env=settings, capture_output=True, text=True, timeout=patience()
    )


@pytest.mark.parametrize(
    ("variable", "threads"), [("3", 3), ("4,2", 4), (" 2 ", 2), ("", 7), ("0", 7), ("many", 7), (None, 7)]
)
def test_threads_are_those_of_the_variable_or_all_allowed_cores(variable, threads, monkeypatch):
    monkeypatch.setattr(environment, "allowed_cores", lambda: 7)
    monkeypatch.delenv("OMP_NUM_THREADS")
    if variable is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", variable)
    assert environment.machine()["threads"] == threads
    assert environment.machine()["cores"] == 7


def test_threads_inside_are_those_asked_for_and_afterwards_as_before(monkeypatch):
    """The bits of a training step say so: on one thread they are those of a process that has only one."""
    program = (
        "import contextlib, sys, numpy as np\nfrom mobilenet_lib import models, training\n"
        "from mobilenet_lib._support import environment\nfrom mobilenet_lib.training.static import StaticStep\n"
        "with {inside}:\n    training.seed_everything(0)\n"
        "    step = StaticStep(models.build('mobilenet_v1', 10, 0.25, 32), 'sgd', 16, (3, 32, 32))\n"
        "    images = np.random.default_rng(0).standard_normal((16, 3, 32, 32), dtype='float32')\n"
        "    print(environment.threads(), [step.step(images, np.arange(16) % 10, 0.1)[0].hex() for _ in range(3)])\n"
        "print(environment.threads())"
    )
    limited = program.format(inside="environment.computing_threads(1)")
    one = in_another_process(program.format(inside="contextlib.nullcontext()"), OMP_NUM_THREADS="1")
    inside = in_another_process(limited, OMP_NUM_THREADS="2")
    assert inside.stdout.splitlines()[0] == one.stdout.splitlines()[0], inside.stderr
    assert inside.stdout.splitlines()[1] == "2"


@pytest.mark.parametrize("count", [0, -1, 1.5, True])
def test_no_number_of_threads_is_refused(count):
    refused = pytest.raises(ValueError, match="count must be a whole number of at least 1")
    with refused, environment.computing_threads(count):
        pass


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_cores_are_those_that_the_process_may_run_on():
    program = (
        "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from mobilenet_lib._support import environment\nprint(environment.machine())"
    )
    said = in_another_process(program, OMP_NUM_THREADS=None).stdout
    assert "'cores': 1, 'threads': 1" in said


@pytest.mark.parametrize(
    ("groups", "limits", "cores"),
    [
        ("0::/a/b", {"a/b/cpu.max": "250000 100000"}, 2.5),
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "50000 100000"}, 0.5),
        ("0::/not/shown/in/the/container", {"cpu.max": "300000 100000"}, 3),
        (
            "5:memory:/x\n3:cpu,cpuacct:/x",
            {"cpu/x/cpu.cfs_quota_us": "200000", "cpu/x/cpu.cfs_period_us": "100000", "cpu/cpu.cfs_quota_us": "-1"},
            2,
        ),
        ("0::/a", {}, float("inf")),
        (None, {}, float("inf")),
    ],
)
def test_the_quota_of_a_container_is_read(groups, limits, cores, tmp_path, monkeypatch):
    """Both versions of Linux's control groups; a group is held by those around it."""
    if groups is not None:
        (tmp_path / "groups").write_text(groups + "\n")
    for name, limit in limits.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(limit + "\n")
    found = environment._quota(tmp_path / "groups", tmp_path / "fs")
    assert found == cores
    monkeypatch.setattr(environment, "_quota", lambda: found)
    assert environment.allowed_cores() >= 1
    assert environment.allowed_cores() <= max(1, found)


def test_memory_is_there():
    assert 0.5 < environment.machine()["memory_gb"] < 10_000


PREPARED = "import mobilenet_lib.course, os, sys\nassert 'paddle' not in sys.modules\n"


@pytest.mark.parametrize("variable", [None, "", "2", "4,2"])
def test_a_plain_import_of_paddle_is_quiet_and_takes_the_threads(variable):
    program = (
        "from mobilenet_lib._support import environment\nexpected = environment.machine()['threads']\n"
        "import importlib.util\nimportlib.util.find_spec('paddle')\nimport paddle\n"
        "print(os.environ['OMP_NUM_THREADS'] == str(expected) == str(environment.machine()['threads']))"
    )
    done = in_another_process(PREPARED + program, OMP_NUM_THREADS=variable, GLOG_minloglevel=None)
    # OpenMP itself complains of an empty variable before any Python runs.
    complaint = "\nlibgomp: Invalid value for environment variable OMP_NUM_THREADS\n"
    assert (done.stdout, done.stderr.replace(complaint, "")) == ("True\n", "")


def test_without_the_course_paddle_writes_to_stderr():
    """So that the test above would see it."""
    assert "OMP_NUM_THREADS" in in_another_process("import paddle", OMP_NUM_THREADS="2").stderr


def test_a_missing_paddle_is_an_ordinary_error():
    hide = "sys.path[:] = [path for path in sys.path if 'site-packages' not in path]\n"
    done = in_another_process(PREPARED + hide + "import paddle")
    assert "No module named 'paddle'" in done.stderr


def test_writers_of_one_path_at_once_all_end_well(tmp_path):
    """The file is one of theirs, whole, and nothing else is left."""
    path, contents = tmp_path / "folder" / "one", [bytes([n]) * 200_000 for n in range(4)]
    problems = []

    def write(content: bytes) -> None:
        try:
            for _ in range(20):
                with files.atomic_write(path) as file:
                    file.write(content)
        except OSError as problem:
            problems.append(problem)

    threads = [threading.Thread(target=write, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert path.read_bytes() in contents
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_older_file_and_no_other(tmp_path):
    path = tmp_path / "kept"
    path.write_text("older")
    with suppress(KeyboardInterrupt), files.atomic_write(path) as file:
        file.write(b"half")
        raise KeyboardInterrupt
    assert [(found.name, found.read_text()) for found in tmp_path.iterdir()] == [("kept", "older")]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_permissions_follow_the_umask_and_then_stay(tmp_path):
    program = "import os\nos.umask(0o027)\nfrom mobilenet_lib._support import files\n"
    assert in_another_process(f"{program}files.write_json({str(tmp_path / 'x')!r}, 1)").returncode == 0
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
    (tmp_path / "x").chmod(0o604)
    files.write_json(tmp_path / "x", 2)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o604
    assert (tmp_path / "x").read_text() == "2\n"


def test_the_home_folder_is_found(home):
    files.write_json("~/a/b.json", [])
    assert (home / "a" / "b.json").exists()
    assert files.expanded("~nobody-of-this-name/x") == Path("~nobody-of-this-name/x")


class Own(nn.Layer):
    """A layer that does more than set a flag, as re-parametrised ones do."""

    def __init__(self, *parts: nn.Layer) -> None:
        super().__init__()
        self.parts, self.calls = nn.LayerList(parts), []

    def eval(self) -> None:
        super().eval()
        self.calls.append("eval")

    def train(self) -> None:
        super().train()
        self.calls.append("train")


def test_a_layers_own_eval_and_train_are_called():
    inner, frozen = Own(nn.Dropout()), Own()
    model = Own(nn.Sequential(inner), frozen)
    frozen.training = inner.parts[0].training = False
    with modes.eval_mode(model):
        assert not any(layer.training for layer in model.sublayers(include_self=True))
        assert (model.calls, inner.calls, frozen.calls) == (["eval"], ["eval"], [])
    assert (model.calls, inner.calls, frozen.calls) == (["eval", "train"], ["eval", "train"], [])
    assert [layer.training for layer in (model, inner, frozen, inner.parts[0])] == [True, True, False, False]


def test_a_loaded_program_changes_its_mode(tmp_path):
    spec = [paddle.static.InputSpec([None, 4])]
    paddle.jit.save(nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), str(tmp_path / "net"), input_spec=spec)
    loaded = paddle.jit.load(str(tmp_path / "net"))
    loaded.train()
    with modes.eval_mode(loaded):
        assert loaded._is_test
    assert not loaded._is_test
    assert loaded.training


def test_a_home_that_nobody_has_is_a_missing_file_and_no_crash():
    with pytest.raises(FileNotFoundError, match="there is no run at ~nobody-has-this-name"):
        runs.Run.load("~nobody-has-this-name/run.json")


def test_the_half_file_of_a_dead_writer_goes_and_that_of_a_living_one_stays(tmp_path):
    dead, alive = (tmp_path / f"c.{platform.node()}.{process}.0a1b2c3d.partial" for process in (2**22 + 1, os.getpid()))
    for path in (dead, alive):
        path.write_bytes(b"half")
    files.write_json(tmp_path / "c", 1)
    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "c", alive])


@pytest.mark.parametrize(
    ("variables", "names", "there"),
    [
        ({"JPY_SESSION_NAME": "01.ipynb"}, {}, True),
        ({}, {"__vsc_ipynb_file__": "01.ipynb"}, True),  # VS Code, wherever its kernel runs
        ({"JPY_PARENT_PID": "", "VSCODE_CWD": "/home/me"}, {}, True),  # it starts kernels itself: SSH, WSL, container
        ({}, {}, False),
        ({"VSCODE_CWD": "/home/me", "VSCODE_PID": "1"}, {}, False),  # nbconvert in a terminal of VS Code
    ],
)
def test_a_learner_is_known_by_what_the_front_end_says(variables, names, there, monkeypatch):
    for name in ("MOBILENET_INTERACTIVE", "JPY_SESSION_NAME", "VSCODE_PID", "VSCODE_CWD"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"JPY_PARENT_PID": str(os.getppid())} | variables).items():
        monkeypatch.setenv(name, value)
    assert not environment.interactive()  # there is no kernel
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=True, user_ns=names))
    assert environment.interactive() == there


def test_what_a_live_kernel_starts_has_no_learner(tmp_path, monkeypatch):
    """A script, and nbconvert with a kernel of its own."""
    monkeypatch.delenv("MOBILENET_INTERACTIVE")
    monkeypatch.setenv("VSCODE_CWD", "/home/me")
    ask = "from mobilenet_lib._support import environment\nopen('said', 'a').write(f'{environment.interactive()} ')"
    cells = [nbformat.v4.new_code_cell(ask)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "inner.ipynb")
    convert = [*("-m", "nbconvert", "--execute", "--to", "notebook", "--inplace"), str(tmp_path / "inner.ipynb")]
    live = os.environ | {"JPY_SESSION_NAME": "inner.ipynb"}
    with run_kernel(startup_timeout=patience(), cwd=str(tmp_path), env=live) as client:
        for arguments in (["-c", ask], convert):
            run = f"{ask}\nimport subprocess, sys\nsubprocess.run([sys.executable, *{arguments}], check=True)"
            assert client.execute_interactive(run, timeout=patience(), output_hook=print)["content"]["status"] == "ok"
    assert (tmp_path / "said").read_text() == "True False True False "
