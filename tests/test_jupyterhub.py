"""The sample configuration: what it does by itself, and in a real JupyterHub with its real proxy and two learners.

Neither is a dependency of the course, so that the test with the hub skips wherever they are not installed, also with
CI=true; a fresh run of `.ci/run` does not have them. Accounts of the system, limits and HTTPS are not tried here: the
users are made up, and their servers are plain processes of whoever runs the test. To run it:

    uv sync && uv pip install jupyterhub jupyterhub-idle-culler && npm install --global configurable-http-proxy
    uv run pytest tests/test_jupyterhub.py
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from patience import patience
from servers import free_port
from traitlets.config.loader import PyFileConfigLoader
from websocket import create_connection

from mobilenet_lib.course import handout
from mobilenet_lib.course.lessons import LESSONS

_MISSING = [name for name in ("jupyterhub", "jupyterhub_idle_culler") if find_spec(name) is None]
_MISSING += [name for name in ("configurable-http-proxy",) if shutil.which(name) is None]
_WITHOUT = f"not installed: {', '.join(_MISSING)} (see this file's head)"
pytestmark = pytest.mark.skipif(os.name == "nt", reason="JupyterHub is not for Windows")

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "jupyterhub_config.py"
FIRST, SECOND = (lesson.file_name for lesson in LESSONS[:2])
# Accounts need a system that knows them, and root is refused by Jupyter where nobody says otherwise.
_TRIAL = """
load_subconfig({sample!r})
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.JupyterHub.hub_port, c.ConfigurableHTTPProxy.api_url = {hub}, "http://127.0.0.1:{api}"
c.JupyterHub.authenticator_class, c.Authenticator.allow_all = "dummy", True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {homes!r}
c.Spawner.args = [*c.Spawner.args, "--allow-root"]
"""


@pytest.fixture
def shared(tmp_path) -> Path:
    """What an admin puts beside the hub: a hand-out of two lessons, and a file in the archive's place."""
    notebooks = tmp_path / "shared" / "for-students" / "notebooks"
    notebooks.mkdir(parents=True)
    for name in (FIRST, SECOND):
        shutil.copy(SAMPLE.parents[1] / "notebooks" / name, notebooks)
    handout.write(notebooks, handout.CLOSED)
    (tmp_path / "shared" / "cifar-10-python.tar.gz").touch()
    return tmp_path / "shared"


@pytest.fixture
def sample(shared, monkeypatch):
    """The configuration as JupyterHub reads it."""
    monkeypatch.setenv("COURSE_SHARED", str(shared))
    return PyFileConfigLoader(str(SAMPLE)).load_config()


def test_a_copy_is_made_once_and_stays_whatever_is_in_it(tmp_path, sample):
    home = tmp_path / "a home"
    notebooks = home / "mobilenet-course" / "notebooks"
    (home / "mobilenet-course" / "notebooks.part").mkdir(parents=True)
    (home / "mobilenet-course" / "notebooks.part" / "half.ipynb").touch()  # of a start that a full disk has ended
    shell = sample.Spawner.cmd[: sample.Spawner.cmd.index("start") + 1]
    variables = {**sample.Spawner.environment, "HOME": str(home), "COURSE_HAND_IN": str(tmp_path)}

    def start() -> set[str]:
        done = subprocess.run(
            [*shell, "echo", "an argument"], env=variables, capture_output=True, text=True, check=True
        )
        assert (done.stdout, done.stderr) == ("an argument\n", "")
        return {path.name for path in notebooks.iterdir()}

    assert start() == {FIRST, SECOND}
    (notebooks / FIRST).write_text("mine")
    (notebooks / SECOND).unlink()
    assert start() == {FIRST}
    assert (notebooks / FIRST).read_text() == "mine"
    assert (home / "hand-in").resolve() == tmp_path
    notebooks.parent.rename(home / "old")
    assert start() == {FIRST, SECOND}


def test_what_is_handed_in_lies_in_a_folder_of_its_own(shared, sample):
    spawner = SimpleNamespace(user=SimpleNamespace(name="nobody-of-that-name"), environment=sample.Spawner.environment)
    sample.Spawner.pre_spawn_hook(spawner)
    folder = Path(spawner.environment["COURSE_HAND_IN"])
    assert folder == shared / "exports" / "nobody-of-that-name"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o2750


@contextmanager
def hub(folder: Path, shared: Path) -> Iterator[str]:
    """JupyterHub in `folder` with the sample's settings; gives its address."""
    port = free_port()
    ports = {"port": port, "hub": free_port(), "api": free_port()}
    text = _TRIAL.format(sample=str(SAMPLE), homes=str(folder / "home" / "{username}"), **ports)
    (folder / "trial.py").write_text(text, encoding="utf-8")
    environment = {**os.environ, "COURSE_SHARED": str(shared)}
    environment.pop("PYTHONSTARTUP")  # the tests' own, which the sample would keep
    with (folder / "hub.log").open("a", encoding="utf-8") as log:
        command = [sys.executable, "-m", "jupyterhub", "-f", "trial.py"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        address = f"http://127.0.0.1:{port}"
        _await(lambda: process.poll() is not None or _answers(f"{address}/hub/health"), "the hub")
        assert process.poll() is None, (folder / "hub.log").read_text(encoding="utf-8")
        yield address
    finally:
        process.terminate()  # it ends its proxy, its services and its users' servers
        process.wait(patience())


class Learner:
    """Somebody with a browser, who logs in and whose server is started."""

    def __init__(self, address: str, name: str) -> None:
        self.browser, self.path = requests.Session(), f"/user/{name}/"
        self.server = f"{address}/user/{name}"
        self.browser.get(f"{address}/hub/login")
        form = {"username": name, "password": "x", "_xsrf": self._xsrf("/hub/")}
        self.browser.post(f"{address}/hub/login", data=form).raise_for_status()
        self.browser.get(f"{address}/hub/spawn")
        _await(self._arrived, f"{name}'s server")

    def _arrived(self) -> bool:
        self.page = self.browser.get(self.server)
        return self.page.ok and self.page.url.startswith(f"{self.server}/lab")

    def _xsrf(self, path: str) -> str:
        return next(one.value for one in self.browser.cookies if (one.name, one.path) == ("_xsrf", path))

    def api(self, method: str, path: str, /, **content) -> dict:
        token = {"X-XSRFToken": self._xsrf(self.path)}
        answer = self.browser.request(method, f"{self.server}/{path}", json=content or None, headers=token)
        answer.raise_for_status()
        return answer.json()

    def run(self, code: str) -> str:
        """What a cell of lesson 00 prints."""
        where = {"path": f"mobilenet-course/notebooks/{FIRST}", "name": FIRST, "type": "notebook"}
        session = self.api("POST", "api/sessions", **where, kernel={"name": "python3"})
        address = f"{self.server.replace('http', 'ws', 1)}/api/kernels/{session['kernel']['id']}/channels"
        cookies = "; ".join(f"{one.name}={one.value}" for one in self.browser.cookies)
        wire, printed = create_connection(address, cookie=cookies, timeout=patience()), []
        header = {"msg_id": "1", "msg_type": "execute_request", "session": "test", "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": {"code": code, "silent": False}}
        wire.send(json.dumps({**message, "channel": "shell"}))
        while True:
            told = json.loads(wire.recv())
            if told["parent_header"].get("msg_id") == "1":
                if told["msg_type"] == "execute_reply":
                    wire.close()
                    return "".join(printed)
                printed += [told["content"].get("text", ""), *told["content"].get("traceback", [])]


def _await(arrived, what: str) -> None:
    limit = time.monotonic() + patience()
    while not arrived():
        assert time.monotonic() < limit, f"{what} did not come"
        time.sleep(0.3)


def _answers(address: str) -> bool:
    try:
        return requests.get(address, timeout=patience()).ok
    except requests.ConnectionError:
        return False


_CELL = """
import os
from mobilenet_lib._support import environment
from mobilenet_lib.course import handout, progress
print(environment.interactive(), handout.locked(), os.environ["MOBILENET_DATA"], os.environ["OMP_NUM_THREADS"])
print(progress.export("~/hand-in/progress.csv", student="Ada"))
print(get_ipython().custom_exceptions)
"""


@pytest.mark.skipif(bool(_MISSING), reason=_WITHOUT)
def test_two_learners_each_get_a_copy_and_keep_it(tmp_path, shared):
    with hub(tmp_path, shared) as address:
        ada, bob = (Learner(address, name) for name in ("ada", "bob"))
        for learner in (ada, bob):
            assert learner.page.url.split("?")[0] == f"{learner.server}/lab/tree/mobilenet-course/notebooks/{FIRST}"
            folder = learner.api("GET", "api/contents/mobilenet-course/notebooks")["content"]
            assert {one["name"] for one in folder} == {FIRST, SECOND}
        assert ada.browser.get(f"{bob.server}/api/contents").status_code == 403
        # As by the launcher: no news, a learner is seen, errors get their word; and what the room shares.
        settings = ada.api("GET", "lab/api/settings/@jupyterlab/apputils-extension:notification")
        assert settings["schema"]["properties"]["fetchNews"]["default"] == "false"
        archive = shared / "cifar-10-python.tar.gz"
        told = ada.run(_CELL)
        assert f"True True {archive} 2\n" in told
        assert "NameError" in told
        assert (shared / "exports" / "ada" / "progress.csv").exists()
        handout.write(shared / "for-students" / "notebooks", handout.OPEN)  # for the whole room, and at once
        assert f"True False {archive} 2\n" in ada.run(_CELL)
        lesson = f"api/contents/mobilenet-course/notebooks/{FIRST}"
        changed = ada.api("GET", lesson)["content"]
        changed["cells"][0]["source"] = "# Mine"
        ada.api("PUT", lesson, type="notebook", format="json", content=changed)

    with hub(tmp_path, shared) as address:
        ada, bob = (Learner(address, name) for name in ("ada", "bob"))
        assert ada.api("GET", lesson)["content"]["cells"][0]["source"] == "# Mine"
        original = json.loads((shared / "for-students" / "notebooks" / FIRST).read_text(encoding="utf-8"))
        assert bob.api("GET", lesson)["content"]["cells"][0]["source"] == "".join(original["cells"][0]["source"])
        # A culler whose settings it cannot read, or that may not ask, would have ended or been refused.
        log = tmp_path / "hub.log"
        _await(lambda: "(idle-culler@127.0.0.1)" in log.read_text(encoding="utf-8"), "the culler")
        assert "200 GET /hub/api/users" in log.read_text(encoding="utf-8")
