"""What machines, networks and learners do without asking. HARD_USE.md lists everything that was tried, and where."""

from __future__ import annotations

import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from jupyter_client import KernelManager
from nbval.plugin import get_sanitize_patterns
from patience import patience

from mobilenet_lib import architectures, runs
from mobilenet_lib.course import error_notes, launch, progress, readiness, records
from mobilenet_lib.course.questions import QUESTIONS

ROOT = Path(__file__).resolve().parent.parent
LESSON = ROOT / "notebooks" / "02_depthwise_separable_convolution.ipynb"
STARTUP = launch._CONFIGURATION / "kernel_startup.py"
QUESTION = next(iter(QUESTIONS))


# --- a real kernel ---------------------------------------------------------------------------------------------
class Kernel:
    """A kernel as JupyterLab starts it for a lesson, and what its cells show."""

    def __init__(self, startup: Path = STARTUP) -> None:
        self.manager = KernelManager(kernel_name="python3")
        environment = {**os.environ, "PYTHONSTARTUP": str(startup)}
        self.manager.start_kernel(cwd=str(LESSON.parent), env=environment)
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=patience())

    def begin(self, source: str) -> str:
        """Send a cell; the id of the request."""
        return self.client.execute(source, allow_stdin=False)

    def outputs(self, request: str, until: str | None = None) -> list[dict]:
        """What the cell shows until it is done, or until it prints `until`."""
        found: list[dict] = []
        deadline = time.monotonic() + patience()
        while True:
            message = self.client.get_iopub_msg(timeout=max(0.1, deadline - time.monotonic()))
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return found
            if kind in ("stream", "display_data", "execute_result", "error"):
                found.append({"kind": kind, **content})
            if until and kind == "stream" and until in content["text"]:
                return found

    def run(self, source: str) -> list[dict]:
        return self.outputs(self.begin(source))

    def restart(self) -> None:
        self.manager.restart_kernel(now=True)
        self.client.wait_for_ready(timeout=patience())

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel():
    made = Kernel()
    yield made
    made.stop()


def texts(outputs: list[dict]) -> str:
    """Everything that outputs say, stored or new, without what differs between two correct runs."""
    parts = []
    for output in outputs:
        data = output.get("data", {})
        parts.append(output.get("text") or data.get("text/plain") or output.get("evalue", ""))
    text = "".join("".join(part) for part in parts)
    rules = (ROOT / "tests" / "sanitize.cfg").read_text(encoding="utf-8")
    for pattern, replacement in get_sanitize_patterns(rules):
        text = re.sub(pattern, replacement, text)
    return text


def code_cells(path: Path = LESSON) -> list:
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_a_cell_that_was_left_out_is_named_and_the_error_stays(kernel):
    """Right after a restart, before anything of the course was imported."""
    kernel.restart()
    cells = [cell.source for cell in code_cells()]
    output_of = next(place for place, cell in enumerate(cells) if cell.startswith("output, macs = "))
    error, message = kernel.run(cells[output_of])
    assert (error["kind"], error["ename"], error["evalue"]) == ("error", "NameError", "name 'depthwise' is not defined")
    assert error["traceback"]
    said = message["data"]["text/plain"]
    assert "def depthwise(images, kernels):" in said
    assert "Run All Above Selected Cell" in said
    # What no cell makes, and what is missing in another module, is an error like any other.
    assert [output["kind"] for output in kernel.run("nothing_makes_this")] == ["error"]
    inside = "import types\nother = types.ModuleType('m')\nexec('def f(): return depthwise', other.__dict__)\nother.f()"
    assert [output["kind"] for output in kernel.run(inside)] == ["error"]
    # The lesson goes on as soon as the cells above have run.
    for source in cells[:output_of]:
        kernel.run(source)
    assert "not defined" not in texts(kernel.run(cells[output_of]))


def test_startup_leaves_no_name_behind(kernel):
    kernel.restart()
    (printed,) = kernel.run("print(sorted(name for name in dir() if name[0] != '_'))")
    assert printed["text"].strip() == "['In', 'Out', 'exit', 'get_ipython', 'open', 'quit']"


def test_the_launched_server_hands_the_startup_to_its_kernels(monkeypatch):
    from jupyterlab.labapp import LabApp

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.delenv("PYTHONSTARTUP")
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "")
    monkeypatch.setattr(LabApp, "initialize_server", stop)
    with pytest.raises(KeyboardInterrupt):
        launch.serve(ROOT)
    assert os.environ["PYTHONSTARTUP"] == str(STARTUP)
    assert STARTUP.is_file()


def test_a_restart_in_the_middle_then_run_all_shows_what_is_stored(kernel):
    cells = code_cells(LESSON.with_name("00_start_here.ipynb"))
    kernel.restart()
    for cell in cells[: len(cells) // 2]:
        kernel.run(cell.source)
    kernel.restart()
    for place, cell in enumerate(cells):
        assert texts(kernel.run(cell.source)) == texts(cell.outputs), f"cell {place}"


TRAINING = """
from mobilenet_lib import data, models, runs, training
some = data.load("fashion_mnist").sample(128)
v1 = models.build("mobilenet_v1", num_classes=10, width_multiplier=0.25, resolution=32)
report = lambda run: print("finished", len(run.epochs), flush=True)
run = training.fit(
    v1, some, validation=0.25, epochs=500, batch_size=64, step="dynamic", checkpoint={checkpoint!r},
    options=training.Options(run_name="V1", on_epoch_end=report),
)
"""
LOOK = """
measured, last = training.evaluate(v1, some.split(0.25, seed=0)[1], batch_size=64), run.epochs[-1]
print(measured.accuracy == last["validation_accuracy"], measured.loss == last["validation_loss"], v1.training)
run.save({path!r})
print(runs.Run.load({path!r}).interrupted, 2 <= len(run.epochs) < 500)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows interrupts kernels in another way")
def test_an_interrupted_training_cell_leaves_a_usable_run_and_model(kernel, tmp_path):
    request = kernel.begin(TRAINING.format(checkpoint=str(tmp_path / "c")))
    kernel.outputs(request, until="finished 2")
    kernel.manager.interrupt_kernel()
    found = kernel.outputs(request)
    assert {output.get("name") for output in found} == {"stdout"}, found  # no traceback
    last = texts(found).splitlines()[-1]
    assert last.startswith("Interrupted in epoch ")
    assert "The model has the weights from the end of epoch " in last
    assert last.endswith("Run the same call again to continue.")
    assert texts(kernel.run(LOOK.format(path=str(tmp_path / "run.json")))) == "True True False\nTrue True\n"


@pytest.mark.parametrize(
    ("cells", "running", "words"),
    [
        (["macs = 3", "print(macs)"], "print(macs)", ["further up", "macs = 3", "Run All Above"]),
        (["print(macs)", "for macs in ():\n    pass"], "print(macs)", ["further down", "for macs", "Restart"]),
        (["import numpy.linalg as macs", "macs"], "macs", ["further up", "import numpy.linalg"]),
        (["from a import b as c, macs", "macs"], "macs", ["further up"]),
        (["with open('x') as (macs, y):\n    1", "macs"], "macs", ["further up"]),
        (["macs = 1", "macs = 2\n3\n4\n5", "macs"], "macs", ["macs = 2", "…"]),
        (["if (macs := 1):\n    pass", "macs"], "macs", ["further up"]),
        (["def f():\n    macs = 1", "macs"], "macs", None),
        (["[macs for macs in ()]", "macs"], "macs", None),
        (["macs.x = 1", "macs"], "macs", None),
        (["macs = ", "macs"], "macs", None),
        (["macs = 1"], "an edited cell", None),
    ],
)
def test_the_file_knows_which_cell_makes_a_name(cells, running, words, tmp_path):
    path = tmp_path / "lesson.ipynb"
    made = [nbformat.v4.new_code_cell(source) for source in cells]
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    message = error_notes.explanation("macs", running, [path])
    if words is None:
        assert message is None
    else:
        assert all(word in message.text for word in words), message.text


def test_an_interrupt_inside_an_import_is_named(kernel, tmp_path):
    """What is half loaded makes later cells fail with errors that name no cause."""
    kernel.restart()
    (tmp_path / "broken_off.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n[*range(10**7)]")
    kernel.run(f"import sys\nsys.path.insert(0, {str(tmp_path)!r})")
    error, message = kernel.run("import broken_off")
    assert (error["kind"], error["ename"]) == ("error", "KeyboardInterrupt")
    said = message["data"]["text/plain"]
    assert "importing `broken_off`" in said
    assert "Restart Kernel and Run" in said
    # Anywhere else an interrupt does no harm, and nothing is said.
    assert [output["kind"] for output in kernel.run("raise KeyboardInterrupt")] == ["error"]


# --- no network ------------------------------------------------------------------------------------------------
def test_the_tests_refuse_a_connection_to_another_machine():
    with socket.socket() as outside, pytest.raises(ConnectionRefusedError, match=r"192\.0\.2\.1"):
        outside.connect(("192.0.2.1", 80))


def test_every_lesson_runs_in_a_kernel_that_refuses_it_too():
    startup = Path(os.environ["PYTHONSTARTUP"])  # what nbval's kernels inherit
    inside = Kernel(startup)
    try:
        error = inside.run("import socket\nsocket.create_connection(('192.0.2.1', 80), timeout=5)")
        assert error[-1]["evalue"] == "the tests refuse a connection to 192.0.2.1"
        (printed,) = inside.run("print('no_network' in dir())")
        assert printed["text"] == "False\n"
    finally:
        inside.stop()


# --- folders that cannot be written, full disks ----------------------------------------------------------------
@contextmanager
def read_only_folder():
    """A folder that this process may read only, for root too, who otherwise may do everything."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        is_root = os.geteuid() == 0
        folder.chmod(0o755 if is_root else 0o555)
        if is_root:
            os.seteuid(65534)  # nobody
        try:
            yield folder
        finally:
            if is_root:
                os.seteuid(0)
            folder.chmod(0o755)


needs_unix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")


@needs_unix
def test_a_read_only_folder_loses_nothing_and_says_so(monkeypatch):
    """Progress, its export, a run, and a checkpoint whose folder refuses it."""
    from mobilenet_lib import data, models, training

    progress.frame()  # imports what an ordinary user could not read where root installed it
    some = data.load("fashion_mnist").sample(64)
    model = models.build("mobilenet_v1", width_multiplier=0.25, resolution=32)
    run = runs.recorded(runs.recorded_names()[0])
    records.take_notes()
    with read_only_folder() as folder:
        monkeypatch.setenv("MOBILENET_PROGRESS", str(folder / "progress.sqlite"))
        records.record_guess(QUESTION, 16)
        (note,) = records.take_notes()
        assert "cannot be written" in note
        assert "Permission denied" in note
        assert records.guess(QUESTION)["latest"] == 16
        with pytest.raises(PermissionError):
            progress.export(folder / "me.csv")
        with pytest.raises(PermissionError):
            run.save(folder / "run.json")
        failed = pytest.raises(OSError, match="could not be written")
        with failed, pytest.MonkeyPatch.context() as patch:
            patch.setattr(data, "augment", lambda *_, **__: pytest.fail("it must fail before the first epoch"))
            training.fit(model, some, epochs=100, step="dynamic", checkpoint=folder / "v1.npz")
        assert list(folder.iterdir()) == []


FULL = """
import resource, signal, sys
from mobilenet_lib.course import records, progress
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
progress.export(sys.argv[1])
records.record_guess(sys.argv[2], 16)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))  # no file may grow past 100 bytes, as on a full disk
for number in (17, 18):
    records.record_guess(sys.argv[2], number)
print(records.guess(sys.argv[2])["latest"], *records.take_notes())
try:
    progress.export(sys.argv[1])
except OSError as problem:
    print("export refused:", problem.strerror)
"""


@needs_unix
def test_a_full_disk_keeps_the_older_progress_and_the_older_export(tmp_path, monkeypatch):
    file, export = tmp_path / "progress.sqlite", tmp_path / "me.csv"
    command = [sys.executable, "-c", FULL, str(export), QUESTION]
    environment = {**os.environ, "MOBILENET_PROGRESS": str(file)}
    child = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    said = child.stdout.splitlines()
    assert said[0].startswith("18 Your progress cannot be written")
    assert said[1].startswith("export refused:")
    assert list(tmp_path.glob("*unreadable*")) == []
    monkeypatch.setenv("MOBILENET_PROGRESS", str(file))
    kept = records.guess(QUESTION)
    assert kept["latest"] == 16
    assert len(export.read_text(encoding="utf-8").splitlines()) == 1 + len(progress.frame())


# --- other languages, clocks, systems --------------------------------------------------------------------------
EVERYWHERE = """
import locale, time
from datetime import datetime
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass  # named, but not installed here
from mobilenet_lib import architectures, cost, papers
from mobilenet_lib.course import records, progress
from mobilenet_lib.course.questions import QUESTIONS
print(architectures.mobilenet_v2().to_frame().to_csv())
print(papers.compare("v1", 8).to_csv())
for number in (16, 1234.5):
    print(f"{number:,} {number:n}"[:6])
records.record_guess(next(iter(QUESTIONS)), 1234.5)
entry = records.guess(next(iter(QUESTIONS)))
age = time.time() - datetime.fromisoformat(entry["first_time"]).timestamp()
print(entry["first_time"].endswith("+00:00"), abs(age) < 600)
progress.show()
"""


def test_language_and_time_zone_change_nothing(tmp_path):
    said, strict = {}, ["-X", "warn_default_encoding", "-W", "error::EncodingWarning:mobilenet_lib"]
    for language, zone in (("C", "UTC"), ("tr_TR.UTF-8", "Asia/Kathmandu"), ("de_DE", "America/St_Johns")):
        settings = {"LC_ALL": language, "LANG": language, "TZ": zone, "PYTHONUTF8": "0", "PYTHONIOENCODING": "utf-8"}
        settings["MOBILENET_PROGRESS"] = str(tmp_path / zone[:3] / "progress.sqlite")
        command = [sys.executable, *strict, "-c", EVERYWHERE]
        child = subprocess.run(command, env={**os.environ, **settings}, capture_output=True, check=False)
        assert child.returncode == 0, child.stderr.decode()
        said[zone] = child.stdout
    assert len(set(said.values())) == 1, said
    assert b"True True" in said["UTC"]


@pytest.mark.parametrize("command", ["launch", "train", "record"])
def test_commands_print_where_a_letter_is_missing(command, monkeypatch):
    """As a Windows console does, or LC_ALL=C: without × and α."""
    from mobilenet_lib.experiments.recorded import __main__ as record
    from mobilenet_lib.training import command

    monkeypatch.setattr(readiness, "readiness", lambda: [readiness.Check("α × β", True, "✓")])
    monkeypatch.setattr(sys, "argv", ["record", "--list"])
    monkeypatch.setitem(record.RUNS, "α", {})
    poor = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", poor)
    if command == "train":
        with pytest.raises(SystemExit):
            command.main(["--help"])
    elif command == "record":
        record.main()
    else:
        launch.main(["--check"])
    poor.flush()
    assert b"?" in poor.buffer.getvalue()


def test_no_file_has_a_name_that_windows_refuses():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this copy of the course is no git clone")
    names = [name for name in listed.stdout.split("\0") if name]
    reserved = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}
    for name in names:
        parts = name.split("/")
        assert not re.search(r'[<>:"|?*\\]', name), name
        assert all(part == part.rstrip(". ") for part in parts), name
        assert not any(part.split(".")[0].lower() in reserved for part in parts), name
    assert len({name.lower() for name in names}) == len(names)


def test_backup_names_suit_windows_too(tmp_path, monkeypatch):
    monkeypatch.setenv("MOBILENET_PROGRESS", str(tmp_path / "progress.sqlite"))
    records.record_guess(QUESTION, 16)
    assert re.fullmatch(r"[\w.-]+", records.set_aside().name)


def test_a_windows_path_on_another_system_is_named_as_it_was_given(monkeypatch):
    from mobilenet_lib import data

    monkeypatch.delenv("MOBILENET_DATA", raising=False)
    given = r"C:\Users\Ann Müller\cifar-10-python.tar.gz"
    with pytest.raises(FileNotFoundError) as caught:
        data.load("cifar10", path=given)
    assert "Ann Müller" in str(caught.value)
    monkeypatch.setenv("MOBILENET_DATA", given)
    with pytest.raises(FileNotFoundError, match="MOBILENET_DATA is"):
        data.load("cifar10")


# --- numbers that cannot be meant ------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_network_larger_than_memory_is_priced_but_not_built(name):
    from mobilenet_lib import models

    assert getattr(architectures, name)(1000).params > models.MOST_PARAMS
    with pytest.raises(ValueError, match="choose a smaller width"):
        models.build(name, width_multiplier=1000)


@pytest.mark.parametrize("wrong", [(1, 2, 3), [(1, 16, 1)], [(1, 16, 1, 0)], 5, [("t", 16, 1, 1)]])
def test_bottlenecks_that_are_none_are_refused(wrong):
    with pytest.raises(ValueError, match="bottleneck"):
        architectures.mobilenet_v2(bottlenecks=wrong)


def test_nothing_in_the_library_unpickles_or_unpacks():
    """Pickles can run code: of CIFAR-10, only the official archive is unpickled, or one that somebody says to trust."""
    ours = {"probe.py": "pickle.loads("}  # what the parent process wrote into the pipe
    dangerous = re.compile(
        r"pickle\.loads?\(|paddle\.load\(|allow_pickle=True|extract(all)?\(|(?<!\.)\beval\(|shell=True|torch\.load"
    )
    for path in sorted((ROOT / "mobilenet_lib").rglob("*.py")):
        found = dangerous.search(path.read_text(encoding="utf-8"))
        assert not found or ours.get(path.name) == found.group(0), f"{path.name}: {found.group(0)}"
