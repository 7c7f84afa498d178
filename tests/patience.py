"""How long a test waits for what should come: the limit is there for what hangs, and grows where a machine is busy."""

from __future__ import annotations

import os

SECONDS = 600.0  # on a machine that does nothing else; nothing waits for them where all is well


def busy() -> float:
    """How many programs want each core now, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)) if hasattr(os, "getloadavg") else 1.0


def patience(seconds: float = SECONDS) -> float:
    """`seconds`, or as many times more as there are programs for each core."""
    return seconds * busy()
