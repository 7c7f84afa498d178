"""Interrupt every cell that runs for a second, run it again, and go on: `uv run python tests/interrupt_long_cells.py [00 01 …]`.

A row per interrupted cell: how it ended, how long that took, and whether it shows what is stored when it is run again.
As long as the lessons themselves, so it is no part of the tests; HARD_USE.md has what came of it.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty

import refresh_notebooks
from isolation import isolated_environment
from test_hard_use import Kernel, code_cells, texts

AFTER = 1.0  # seconds
FAILURE = "NOT as stored"


def interrupt_long_cells(path: Path) -> list[str]:
    """The rows of one lesson."""
    rows = []
    kernel = Kernel()
    try:
        for place, cell in enumerate(code_cells(path)):
            ended = _interrupted(kernel, cell.source)
            if ended:
                again = texts(kernel.run(cell.source)) == texts(cell.outputs)
                compared = "nbval-ignore-output" not in cell.metadata.get("tags", ())
                state = ("as stored" if again else FAILURE) if compared else "not compared"
                first = cell.source.splitlines()[0][:50]
                rows.append(f"{path.name[:2]} cell {place} `{first}`: {ended}; again: {state}")
    finally:
        kernel.stop()
    return rows


def _interrupted(kernel: Kernel, source: str) -> str:
    """How the cell ended after an interrupt; "" where it was done before."""
    request = kernel.begin(source)
    try:
        kernel.outputs(request, seconds=AFTER)
        return ""
    except Empty:
        begin = time.monotonic()
        kernel.manager.interrupt_kernel()
    outputs = kernel.outputs(request, seconds=100)
    last = outputs[-1] if outputs else {}
    how = last.get("ename") or (texts([last]).splitlines() or ["finished"])[0][:60]
    return f"{how} after {time.monotonic() - begin:.1f} s"


def main() -> int:
    """1 when a cell shows something else afterwards."""
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(isolated_environment(Path(folder)))
        for path in refresh_notebooks.lessons(sys.argv[1:]):
            for row in interrupt_long_cells(path):
                print(row, flush=True)
                failed |= FAILURE in row
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
