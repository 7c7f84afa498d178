"""Interrupts that wait until Paddle is at a place where it can be interrupted.

While Paddle builds or saves a graph, its C++ code calls Python. A KeyboardInterrupt that is raised there gets lost,
comes out as another error, or leaves the process hanging.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def held() -> Iterator[None]:
    """Let an interrupt (Ctrl-C, the square in JupyterLab) take effect at the end of the block, and not inside."""
    before = signal.getsignal(signal.SIGINT)
    # Other threads never get signals; a handler set outside Python (None), or none (an int), cannot be called later.
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    came = []
    signal.signal(signal.SIGINT, lambda *arguments: came.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        before(*came[0])
