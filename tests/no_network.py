"""Refuse every connection beyond this machine, in the tests and in the kernels that run the lessons.

`kernel_startup.py` calls it in each kernel before the first cell, `conftest.py` in the process of the tests. An audit
hook sees all of Python's connections, whatever library makes them, and cannot be taken off.
"""

import sys


def refuse() -> None:
    """From now on, a connection to another machine is an error that names it."""
    sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple) -> None:
    if event not in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        return
    address = arguments[1]
    if isinstance(address, tuple) and isinstance(address[0], str) and not _here(address[0]):
        raise ConnectionRefusedError(f"the tests refuse a connection to {address[0]}")


def _here(host: str) -> bool:
    return host in ("localhost", "::1", "", "0.0.0.0") or host.startswith("127.")
