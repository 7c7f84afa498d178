"""Run the lessons and the tests apart from the settings and files of whoever runs them."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import no_network
import pytest
from isolation import isolated_environment
from patience import patience

pytest_plugins = ["comparing_images"]  # nbval compares texts only


def pytest_configure(config: pytest.Config) -> None:
    """Kernels and servers started by tests inherit this environment."""
    folder = Path(tempfile.mkdtemp(prefix="mobilenet-course-tests-"))
    # At the very end: IPython writes into it when the process ends.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    no_network.refuse()
    # A shell starts what it puts into the background with Ctrl-C ignored, and the tests of an interrupt would wait in
    # vain. execnet runs the tests in a worker's main thread; elsewhere Python refuses to set it.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(isolated_environment(folder))
    if not hasattr(config, "workerinput"):  # a worker gets the one of the process that started it
        config.option.nbval_cell_timeout = patience(float(config.option.nbval_cell_timeout))
    # So that pytest can be started in any folder of the course.
    config.option.nbval_sanitize_with = str(config.rootpath / config.option.nbval_sanitize_with)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest first, so that no process is left alone with one of them at the end."""

    def rank(item: pytest.Item) -> int:
        if "browser" in item.path.parts:
            return 0 if item.path.name == "test_deck.py" else 2
        return 1 if item.path.suffix == ".ipynb" else 3

    items.sort(key=rank)  # a stable sort: within a file the order stays


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let matplotlib list the fonts once, here: in a lesson it may write to stderr while it does so."""
    if any(item.path.suffix == ".ipynb" for item in session.items) and not session.config.option.collectonly:
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=True, capture_output=True)
