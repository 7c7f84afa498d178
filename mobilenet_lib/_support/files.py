"""Files: written whole or not at all, and the folder of what was recorded."""

from __future__ import annotations

import glob
import json
import os
import platform
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import psutil

RECORDED = Path(__file__).parents[1] / "experiments" / "recorded"


def expanded(path: str | Path) -> Path:
    """`path` with `~` as the home folder; as it is where there is no such home."""
    return Path(os.path.expanduser(path))


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file to write, which takes the name `path` only when it is complete and on the disk.

    A full disk, an interrupt or a killed process leaves the older file as it was; of several writers at once, the last
    one's file stays, whole. Folders are made as needed, `~` is the home folder, and an older file's permissions stay.
    """
    path = expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    ours = f"{path.name}.{platform.node()}"
    _remove_dead(path.parent, ours)
    # Not by `tempfile`, whose files only their owner may read, whatever the umask says.
    partial = path.with_name(f"{ours}.{os.getpid()}.{secrets.token_hex(4)}.partial")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise the new name can reach the disk before the content
        with suppress(OSError):  # no older file, or somebody else's
            shutil.copymode(path, partial)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _remove_dead(folder: Path, ours: str) -> None:
    """Remove what writers on this machine left that were killed: a checkpoint can have a gigabyte."""
    for path in folder.glob(f"{glob.escape(ours)}.*.*.partial"):
        process = path.name.split(".")[-3]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            with suppress(OSError):  # somebody else's; it does not keep this writer from its own file
                path.unlink()


def write_json(path: str | Path, content: Any) -> None:
    """Write something measured as JSON that people can read too, by `atomic_write`."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
