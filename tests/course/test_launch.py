"""The command a newcomer runs: what it says where something is missing, and whom it lets in."""

from __future__ import annotations

import ast
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import psutil
import pytest
from patience import patience
from servers import free_port, running, script

from mobilenet_lib.course import launch, readiness
from mobilenet_lib.course.lessons import LESSONS

PACKAGE = Path(launch.__file__).parents[1]


@pytest.fixture
def served(monkeypatch):
    """Instead of starting JupyterLab, note what would be served."""
    calls = []
    monkeypatch.setattr(launch, "serve", lambda folder, port, browser: calls.append((folder, port, browser)))
    return calls


@pytest.fixture
def course(tmp_path):
    """A folder with an empty lesson 00 and a file beside it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "00_start_here.ipynb").write_text("{}")
    (tmp_path / "notebooks" / "01_what_a_convolution_costs.ipynb").write_text("{}")
    return tmp_path


@pytest.fixture
def elsewhere(monkeypatch, tmp_path_factory):
    """The package as pip installs it, with the lessons inside; the working directory is an empty folder."""
    package = tmp_path_factory.mktemp("site-packages") / "mobilenet_lib"
    shutil.copytree(PACKAGE.parent / "notebooks", package / "notebooks", ignore=shutil.ignore_patterns(".*", "*.toml"))
    monkeypatch.setattr(readiness, "_PACKAGE", package)
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


MODULES = ["course/launch", "course/readiness", "course/lessons", "_support/environment", "_support/paddle_import"]


@pytest.mark.parametrize("name", ["__init__", "course/__init__", "_support/__init__", *MODULES])
def test_what_an_old_python_must_read_parses_as_python_3_8(name):
    ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"), feature_version=(3, 8))


@pytest.mark.parametrize(
    ("version", "words"), [((3, 8, 18), "too old"), ((3, 9, 0), "too old"), ((3, 14, 1), "newer than PaddlePaddle")]
)
def test_an_unsupported_python_is_named_with_a_way_out(monkeypatch, capsys, served, version, words):
    check = readiness.check_python(version)
    monkeypatch.setattr(readiness, "check_python", lambda: check)
    assert launch.main(["--no-browser"]) == 1
    said = capsys.readouterr().err
    for part in (".".join(map(str, version)), words, "uv run --no-dev --python 3.12 mobilenet-course"):
        assert part in said
    assert not served


@pytest.mark.parametrize("version", [(3, 10, 0), (3, 11, 7), (3, 13, 9)])
def test_a_supported_python_passes(version):
    assert readiness.check_python(version).ok


def test_missing_libraries_are_named(monkeypatch, capsys, served):
    monkeypatch.setattr(readiness, "_NOTEBOOK_PACKAGES", ("json", "a_library_nobody_has"))
    assert launch.main([]) == 1
    said = capsys.readouterr().err
    assert "not installed: a_library_nobody_has." in said
    assert "uv run --no-dev mobilenet-course" in said
    assert not served


def test_without_lessons_it_says_how_to_get_them(capsys, served, elsewhere):
    assert launch.main([]) == 1
    said = capsys.readouterr()
    assert said.out.startswith("Starting")  # at once: what follows takes seconds
    assert "`mobilenet-course new my-course` writes them" in said.err
    assert launch.main(["nowhere"]) == 1
    assert f"{Path.cwd() / 'nowhere'} does not exist" in capsys.readouterr().err
    assert launch.main(["."]) == 1
    assert f"no lessons in {Path.cwd()}" in capsys.readouterr().err
    Path("01_mine.ipynb").write_text("{}")
    assert launch.main(["01_mine.ipynb"]) == 1
    assert f"is a notebook: name its folder, {Path.cwd()}" in capsys.readouterr().err
    assert not served


def test_whoever_installed_with_pip_gets_the_lessons(capsys, served, elsewhere):
    assert launch.main(["new", "my course"]) == 0
    assert capsys.readouterr().out == 'The lessons are in my course. To open them: mobilenet-course "my course"\n'
    for lesson in LESSONS:
        copied, ours = (folder / lesson.file_name for folder in (Path("my course/notebooks"), readiness.originals()))
        assert copied.read_bytes() == ours.read_bytes()
    assert launch.main(["new", "my course"]) == 1
    assert "my course is not empty" in capsys.readouterr().err
    assert launch.main(["my course"]) == 0
    assert served == [(Path.cwd() / "my course", None, True)]


def test_the_wheel_carries_the_lessons(tmp_path):
    """Built as `uv build` does, and used without the checkout."""
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=PACKAGE.parent, check=True, capture_output=True, timeout=patience())
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    program = "import sys\nfrom mobilenet_lib.course import launch\nsys.exit(launch.main(['new', 'mine']))"
    apart = {**os.environ, "PYTHONPATH": str(installed)}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=apart, check=True, timeout=patience())
    for lesson in LESSONS:
        ours = PACKAGE.parent / "notebooks" / lesson.file_name
        assert (tmp_path / "mine" / "notebooks" / lesson.file_name).read_bytes() == ours.read_bytes()


def test_a_folder_that_cannot_be_made_is_a_line_and_half_a_course_is_none(capsys, elsewhere):
    (readiness.originals() / LESSONS[-1].file_name).unlink()
    assert launch.main(["new", "mine"]) == 1
    assert LESSONS[-1].file_name in capsys.readouterr().err
    assert not list(Path("mine").iterdir())


@pytest.mark.parametrize("inside", [".", "notebooks"])
def test_it_opens_the_lessons_where_it_stands(course, monkeypatch, served, inside):
    """A hand-out, an instructor's copy: not the lessons of the checkout, answers included."""
    (course / "notebooks" / "00_start_here.ipynb").unlink()  # a hand-out of some lessons
    monkeypatch.chdir(course / inside)
    assert launch.main([]) == 0
    assert served == [(course / inside, None, True)]
    monkeypatch.chdir(PACKAGE)
    assert launch.main([]) == 0
    assert served[1] == (PACKAGE.parent, None, True)
    arguments = launch.server_arguments(course / inside, "secret", port=None, browser=True)
    lesson = f"{'' if inside == 'notebooks' else 'notebooks/'}01_what_a_convolution_costs.ipynb"
    assert f"--LabApp.default_url=/lab/tree/{lesson}" in arguments


def test_without_paddle_it_warns_and_starts(monkeypatch, capsys, served, course):
    monkeypatch.setattr(readiness, "paddle_installed", lambda: False)
    assert launch.main(["--port", "8001", "--no-browser", str(course)]) == 0
    said = capsys.readouterr().err
    assert "PaddlePaddle is missing" in said
    assert "Lessons 01 and 02 work without it" in said
    assert served == [(course, 8001, False)]


def test_a_folder_that_cannot_be_written_is_told_and_opened(monkeypatch, capsys, served, course):
    monkeypatch.setattr(readiness, "_unwritable", lambda folder: "no" if course in (folder, *folder.parents) else "")
    assert launch.main([str(course)]) == 0
    said = capsys.readouterr().err
    assert f"nothing can be saved here, cannot write into {course / 'notebooks'}: no" in said
    assert f"Copy {course} to a place of your own" in said
    assert served


def test_a_home_that_cannot_be_written_is_told_in_place_of_a_traceback(monkeypatch, capsys, served, course):
    monkeypatch.setattr(readiness, "_home_folders", lambda: [course / "notebooks" / "00_start_here.ipynb" / "data"])
    assert launch.main([str(course)]) == 1
    said = capsys.readouterr().err
    assert "cannot write into" in said
    assert "Set HOME" in said
    assert not served
    assert not readiness.check_home().ok


def test_a_platform_without_a_wheel_is_named():
    check = readiness.check_wheel("Linux", "aarch64")
    assert not check.ok
    assert "Linux on aarch64" in check.detail
    assert "Lessons 01 and 02 work without Paddle" in check.advice


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--ServerApp.token="], ["--ip", "0.0.0.0"], ["new"], ["new", "a", "b"], ["a", "b"]),
        *(["--port", port] for port in ("x", "-1", "0", "70000", "99999", "1.5")),
    ],
)
def test_it_takes_no_other_arguments(arguments, served):
    with pytest.raises(SystemExit) as stop:
        launch.main(arguments)
    assert stop.value.code == 2
    assert not served


def test_the_first_lesson_is_opened_on_this_machine_only_with_a_token(course):
    assert {
        "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
        "--ServerApp.ip=127.0.0.1",
        "--PasswordIdentityProvider.token=secret",
    } <= set(launch.server_arguments(course, "secret", port=None, browser=True))


def test_the_settings_can_be_had_without_the_command(monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "theirs")
    monkeypatch.delenv("PYTHONSTARTUP")
    settings = launch.jupyter_settings()
    ours, theirs = settings["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert (Path(ours) / "labconfig").is_dir()
    assert theirs == "theirs"
    assert Path(settings["PYTHONSTARTUP"]).is_file()
    monkeypatch.setenv("PYTHONSTARTUP", "mine.py")
    assert launch.jupyter_settings()["PYTHONSTARTUP"] == "mine.py"


def test_check_reports_and_returns_the_state(monkeypatch, capsys, served):
    fine, bad = readiness.Check("A", True, "found a"), readiness.Check("B", False, "no b", "get b")
    monkeypatch.setattr(readiness, "each", lambda: [fine])
    assert launch.main(["--check"]) == 0

    def one_by_one():
        yield fine
        assert "ready    A: found a" in capsys.readouterr().out  # some take seconds
        yield bad

    monkeypatch.setattr(readiness, "each", one_by_one)
    assert launch.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "NOT YET  B: no b\n         get b" in said
    assert not served


def test_the_command_serves_only_its_own_user(tmp_path):
    """Even where a reader's own Jupyter settings open the server to everybody."""
    no_token = {name: {"token": ""} for name in ("IdentityProvider", "PasswordIdentityProvider")}
    wide_open = {"ServerApp": {"ip": "0.0.0.0", "token": "", "password": "", "port": 1}, **no_token}
    (tmp_path / "jupyter_server_config.json").write_text(json.dumps(wide_open))
    port = free_port()
    command = [script("mobilenet-course"), "--no-browser", "--port", str(port), str(PACKAGE.parent)]
    odd = {"JUPYTER_PORT": "tcp://10.0.0.1:80", "JUPYTER_TOKEN": "a&b#c+d%e"}
    with running(command, tmp_path, JUPYTER_CONFIG_DIR=str(tmp_path), **odd) as server:
        assert server.token == "a%26b%23c%2Bd%25e"
        assert "JUPYTER_PORT is no number and is not used" in server.log.read_text(encoding="utf-8")
        assert server.url == f"http://127.0.0.1:{port}"
        assert server.first_page.startswith("/lab/tree/notebooks/00_")

        with_token = _get(f"{server.url}{server.first_page}?token={server.token}")
        assert (with_token.status, "jupyter-config-data" in with_token.text) == (200, True)
        without = _get(f"{server.url}{server.first_page}")
        assert "/login?" in without.url
        assert "jupyter-config-data" not in without.text
        assert _get(f"{server.url}/api/contents").status == 403
        assert _get(f"{server.url}/api/contents?token=wrong").status == 403

        lessons = json.loads(_get(f"{server.url}/api/contents/notebooks?token={server.token}").text)["content"]
        assert server.first_page.rsplit("/")[-1] in {lesson["name"] for lesson in lessons}
        settings = f"{server.url}/lab/api/settings/@jupyterlab/apputils-extension:notification?token={server.token}"
        defaults = json.loads(_get(settings).text)["schema"]["properties"]
        assert (defaults["fetchNews"]["default"], defaults["checkForUpdates"]["default"]) == ("false", False)

        connections = psutil.Process(server.process.pid).net_connections(kind="inet")
        assert {one.laddr.ip for one in connections if one.status == psutil.CONN_LISTEN} == {"127.0.0.1"}

        server.process.send_signal(signal.SIGINT)  # Ctrl+C
        assert server.process.wait(patience()) == 0
        assert "Traceback" not in server.log.read_text(encoding="utf-8")


def test_a_port_in_use_is_an_error_and_not_another_port(tmp_path):
    with running([sys.executable, "-c", _LISTEN], tmp_path) as other:
        port = other.url.rsplit(":", 1)[1]
        command = [script("mobilenet-course"), "--no-browser", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience(), stdin=subprocess.DEVNULL)
    assert done.returncode == 1
    assert port in done.stderr
    assert "not available" in done.stderr


_LISTEN = """
import socket, time
probe = socket.socket()
probe.bind(("127.0.0.1", 0))
probe.listen()
print(f"http://127.0.0.1:{probe.getsockname()[1]}/?token=none", flush=True)
time.sleep(600)
"""


class _Answer:
    def __init__(self, answer) -> None:
        self.status, self.url, self.text = answer.status, answer.url, answer.read().decode()


def _get(url: str) -> _Answer:
    try:
        with urllib.request.urlopen(url, timeout=patience()) as answer:
            return _Answer(answer)
    except urllib.error.HTTPError as answer:
        return _Answer(answer)
