"""What tests in several folders start from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

# An example may take as long as it takes, on a machine that may be busy; everything else as it is, in CI too.
settings.register_profile("patient", settings(), deadline=None)
settings.load_profile("patient")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """The home folder, and the working directory: an empty folder."""
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def live(monkeypatch) -> None:
    """Somebody sits before the notebook."""
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "1")


@pytest.fixture
def shown(monkeypatch) -> list:
    """What is given to IPython's display from now on."""
    found: list = []
    monkeypatch.setattr("IPython.display.display", lambda *things, **_: found.extend(things))
    return found
