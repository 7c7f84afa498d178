"""Interrupt every cell that runs for a second, run it again, go on: `uv run python tests/interrupt_long_cells.py [00]`.

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
RESTART = "restarted"


def interrupt_long_cells(path: Path) -> list[str]:
    """The rows of one lesson."""
    rows = []
    kernel = Kernel()
    cells = code_cells(path)
    try:
        for place, cell in enumerate(cells):
            ended = _interrupted(kernel, cell.source)
            if ended:
                if RESTART in ended:  # as a learner is told to
                    kernel.restart()
                    for above in cells[:place]:
                        kernel.run(above.source)
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
    try:
        outputs = kernel.outputs(request, seconds=100)
    except Empty:  # the signal came into code of Jupyter's kernel, between two cells
        return f"no answer for {time.monotonic() - begin:.0f} s, {RESTART}"
    how = (texts(outputs[-1:]).splitlines() or ["finished"])[0][:60]
    names = [output["ename"] for output in outputs if output["kind"] == "error"]
    if "Interrupted in an import" in texts(outputs):
        names.append(f"in an import, {RESTART}")
    return f"{' '.join(names) or how} after {time.monotonic() - begin:.1f} s"


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
