"""A limit of the tests grows with what else the machine does."""

from __future__ import annotations

import os

import patience
import pytest


@pytest.mark.skipif(not hasattr(os, "getloadavg"), reason="this system does not say how busy it is")
@pytest.mark.parametrize(("load", "times"), [(0.0, 1), (2.0, 1), (14.0, 7)])
def test_a_busy_machine_gets_more_time(monkeypatch, load, times):
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert patience.patience(300) == 300 * times
