"""A real browser on a real JupyterLab, with a copy of the lessons.

A test takes `open_lesson` and gets a `Lesson`: what a learner sees and does, in a few words.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from isolation import isolated_environment
from patience import patience
from playwright.sync_api import Browser, Page, expect, sync_playwright
from servers import Server, running

NOTEBOOKS = Path(__file__).resolve().parent.parent.parent / "notebooks"
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
# A busy machine answers late; only a missing answer is a failure. In milliseconds.
PATIENCE = 1000 * patience()
expect.set_options(timeout=PATIENCE / 10)

# The same function that `mobilenet-course` ends in, on a copy of the lessons.
_SERVE = """
import sys, pathlib
from mobilenet_lib.course.launch import serve
serve(pathlib.Path(sys.argv[1]), browser=False)
"""
_TEST_SETTINGS = {"LabApp": {"expose_app_in_browser": True, "extension_manager": "readonly"}}

_KERNEL_IS_IDLE = """
() => {
  const session = window.jupyterapp?.shell.currentWidget?.context?.sessionContext;
  return session?.isReady && session.session?.kernel?.status === "idle";
}
"""
_RUN_ALL = """
(milliseconds) => Promise.race([
  window.jupyterapp.commands.execute("notebook:run-all-cells"),
  new Promise((_, stop) => setTimeout(
    () => stop(new Error("cells still run after " + milliseconds + " ms")), milliseconds)),
])
"""
_OPEN = "(path) => window.jupyterapp.commands.execute('docmanager:open', { path }).then(() => {})"
# A document that is disposed of asks nothing; one that is closed would ask whether to save.
_CLOSE_ALL = "() => Array.from(window.jupyterapp.shell.widgets('main')).forEach((widget) => widget.dispose())"
_CELLS = "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"


@dataclass(frozen=True)
class Lesson:
    """An open lesson. `page` is Playwright's, for everything that has no method here."""

    page: Page

    def run_all(self) -> None:
        """Run every cell and wait for the last; raises playwright's Error after ten minutes."""
        self.page.evaluate(_RUN_ALL, 1000 * patience())

    def cells(self) -> list[dict]:
        """The notebook as JupyterLab would save it now, cell by cell."""
        return self.page.evaluate(_CELLS)

    def outputs(self) -> list[dict]:
        """Every output of every code cell, in order."""
        return [output for cell in self.cells() for output in cell.get("outputs", [])]

    def errors(self) -> list[str]:
        """Each error output, as "cell 3: ValueError: what it says"."""
        found = [(number, one) for number, cell in enumerate(self.cells()) for one in cell.get("outputs", [])]
        errors = [(number, one) for number, one in found if one["output_type"] == "error"]
        return [f"cell {number}: {error['ename']}: {error['evalue']}" for number, error in errors]


@pytest.fixture(scope="package")
def chromium() -> str:
    """The browser's path. Without one: skip on a reader's machine, fail where CI should have it."""
    for name in (os.environ.get("MOBILENET_CHROMIUM"), *CHROMIUM_NAMES):
        path = shutil.which(name) if name else None
        if path:
            return path
    advice = (
        "no browser found: `apt-get install chromium`, or set MOBILENET_CHROMIUM to the path of a Chromium-based one"
    )
    (pytest.fail if os.environ.get("CI") else pytest.skip)(advice)


# For this package only: while Playwright runs, no other test of the process could start an event loop of its own.
@pytest.fixture(scope="package")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="package")
def notebooks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the copy of the lessons that the server shows."""
    copy = tmp_path_factory.mktemp("course") / "notebooks"
    shutil.copytree(NOTEBOOKS, copy, ignore=shutil.ignore_patterns(".*"))
    return copy


@pytest.fixture(scope="package")
def server(notebooks: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """JupyterLab on the copy, started as the course starts it, with no settings but its own."""
    environment = isolated_environment(tmp_path_factory.mktemp("home"))
    del environment["MOBILENET_INTERACTIVE"]  # here somebody is there
    settings = Path(environment["JUPYTER_CONFIG_DIR"])
    settings.mkdir()
    (settings / "jupyter_server_config.json").write_text(json.dumps(_TEST_SETTINGS))
    folder = notebooks.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MOBILENET_INTERACTIVE", raising=False)
        with running([sys.executable, "-c", _SERVE, str(folder)], folder, **environment) as started:
            yield started


@contextlib.contextmanager
def _photographed(page: Page, request: pytest.FixtureRequest, folder: Path) -> Iterator[None]:
    """Where the test fails, a screenshot of the page stays in its folder."""
    failed = request.session.testsfailed
    yield
    if request.session.testsfailed > failed:
        page.screenshot(path=folder / "failed.png")
        print(f"the page as it was: {folder / 'failed.png'}")


@contextlib.contextmanager
def _window(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A new window. Where the test fails, a screenshot of it stays in the test's folder."""
    with _window(browser) as page, _photographed(page, request, tmp_path):
        yield page


@pytest.fixture
def open_lesson(page: Page, server: Server, notebooks: Path) -> Iterator[Callable[[str], Lesson]]:
    """Opens the lesson whose file name begins as given, with an idle kernel; kernels end with the test."""

    def opened(name: str) -> Lesson:
        (path,) = notebooks.glob(f"{name}*.ipynb")
        page.goto(f"{server.url}/lab/tree/notebooks/{path.name}?reset&token={server.token}")
        return _ready(page)

    yield opened
    _end_kernels(server)


@pytest.fixture(scope="module")
def _shared_window(browser: Browser, server: Server) -> Iterator[Page]:
    with _window(browser) as page:
        page.goto(f"{server.url}/lab?reset&token={server.token}")
        page.wait_for_function("() => window.jupyterapp?.restored", timeout=PATIENCE)
        page.evaluate("() => window.jupyterapp.restored.then(() => {})")
        yield page


@pytest.fixture
def open_next(
    _shared_window: Page, server: Server, notebooks: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[str], Lesson]]:
    """As `open_lesson`, but in a window for all tests of a file: JupyterLab's start takes longer than most tests."""

    def opened(name: str) -> Lesson:
        (path,) = notebooks.glob(f"{name}*.ipynb")
        _shared_window.evaluate(_OPEN, f"notebooks/{path.name}")
        return _ready(_shared_window)

    with _photographed(_shared_window, request, tmp_path):
        yield opened
    _shared_window.evaluate(_CLOSE_ALL)
    _end_kernels(server)


def _ready(page: Page) -> Lesson:
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=PATIENCE)
    page.wait_for_function(_KERNEL_IS_IDLE, timeout=PATIENCE)
    return Lesson(page)


def _end_kernels(server: Server) -> None:
    for session in json.loads(_ask(server, "GET", "sessions")):
        _ask(server, "DELETE", f"sessions/{session['id']}")


def _ask(server: Server, method: str, what: str) -> str:
    address = f"{server.url}/api/{what}"
    request = urllib.request.Request(address, method=method, headers={"Authorization": f"token {server.token}"})
    with urllib.request.urlopen(request, timeout=patience()) as answer:
        return answer.read().decode()
