"""Run lessons anew and store their outputs: `uv run python tests/refresh_notebooks.py [00 01 …]` (all without a name).

A lesson is written only when every cell ran. Run twice, it gives the same bytes, so a difference in version control is
a difference in what the lesson shows.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from isolation import isolated_environment
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from patience import patience
from revealing import collapsed

from mobilenet_lib._support.files import atomic_write

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
# Slides are read from the back of a room: text of at least 3.5 % of the slide's height, code and tables of 2.5 %, on
# every screen. A figure takes the width that there is and leaves room for its sentence; what draws is out of sight.
_DECK = {
    "": {"--jp-content-font-size1": "3.5vh", "--jp-content-line-height": 1.35},
    ".jp-Cell": {"--jp-code-font-size": "2.5vh", "--jp-ui-font-size1": "2.5vh"},
    ".jp-OutputArea .jp-RenderedHTMLCommon": {"font-size": "3.2vh"},  # messages make it 110 %
    ".jp-Cell :is(.mnx, pre, .jp-Placeholder-content)": {"font-size": "2.5vh"},
    ".mobilenet-guess form": {"font-size": "1em"},
    ".jp-OutputArea img": {"width": "100%", "max-height": "55vh", "object-fit": "contain", "object-position": "left"},
    ".jp-Cell:has(.jp-OutputArea :is(img, .mnx, .mobilenet-guess, .mobilenet-photo)) .jp-Cell-inputWrapper": {
        "display": "none"
    },
    ".jp-OutputArea:has(.jp-OutputArea-child ~ .jp-OutputArea-child) img": {"max-height": "45vh"},
    ".jp-RenderedHTMLCommon :is(th, td)": {"font-size": "2.5vh", "padding": "0.2em 0.6em"},
    ".jp-Cell:has(.jp-OutputArea-child) .jp-InputPlaceholder": {"display": "none"},
    ".mnx table:has(caption)": {"display": "none"},  # its numbers stand at the bars
}
NOTEBOOK_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "@deathbeds/jupyterlab-fonts": {
        "styles": {"": {f"body[data-jp-deck-mode='presenting'] & {at}".strip(): how for at, how in _DECK.items()}}
    },
}
CELL_METADATA = frozenset({"jupyter", "slideshow", "tags"})
# Lessons about times have all of the machine, as a learner has; the others one thread, so that their digits stay.
TIMES = ("07",)
SECONDS_PER_CELL = 300  # on a slow machine too; below that of the tests (pyproject.toml)


def lessons(names: list[str] | None = None) -> list[Path]:
    """The lessons in teaching order; with names, those whose file name begins with one of them.

    Raises ValueError for a name that fits none.
    """
    found = sorted(NOTEBOOKS.glob("*.ipynb"))
    if not names:
        return found
    for name in names:
        if not any(path.name.startswith(name) for path in found):
            known = ", ".join(path.stem for path in found) or "none"
            raise ValueError(f"no lesson begins with {name!r}; there are {known}")
    return [path for path in found if path.name.startswith(tuple(names))]


def run(path: Path) -> nbformat.NotebookNode:
    """The lesson with the outputs of a new kernel, nothing written. Raises nbclient's errors."""
    notebook = nbformat.read(path, as_version=4)
    how = {"timeout": round(patience(SECONDS_PER_CELL)), "record_timing": False, "coalesce_streams": True}
    how |= {"extra_arguments": ["--log-level=ERROR"], "resources": {"metadata": {"path": str(path.parent)}}}
    alone = {"OMP_NUM_THREADS"} if path.name.startswith(TIMES) else set()
    surroundings = {name: value for name, value in os.environ.items() if name not in alone}
    NotebookClient(notebook, kernel_name="python3", **how).execute(env=surroundings)
    return normalise(notebook)


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Drop in place what says when and where a lesson ran, not what it shows, and collapse what reveals a truth.

    Cell ids stay. JupyterLab opens a collapsed output when its cell is run.
    """
    notebook.metadata = nbformat.from_dict(NOTEBOOK_METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for cell in notebook.cells:
        for key in cell.metadata.keys() - CELL_METADATA:
            del cell.metadata[key]
    hidden = collapsed(notebook.cells)
    for cell in notebook.cells:
        settings = {key: value for key, value in cell.metadata.pop("jupyter", {}).items() if key != "outputs_hidden"}
        if settings := settings | ({"outputs_hidden": True} if cell.id in hidden else {}):
            cell.metadata["jupyter"] = nbformat.from_dict(settings)
    return notebook


def refresh(path: Path) -> bool:
    """Run one lesson and store it. Prints what happened; False, with the file untouched, when a cell failed."""
    begin = time.perf_counter()
    try:
        notebook = run(path)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
        print(f"{path.name}: NOT refreshed\n{problem}", file=sys.stderr)
        return False
    text = nbformat.writes(notebook).rstrip("\n") + "\n"
    changed = text != path.read_text(encoding="utf-8")
    if changed:
        with atomic_write(path) as file:
            file.write(text.encode())
    print(f"{path.name}: {'refreshed' if changed else 'unchanged'} in {time.perf_counter() - begin:.1f} s")
    return True


def main(arguments: list[str] | None = None) -> int:
    """Refresh the named lessons; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description="Run lessons anew and store their outputs.")
    parser.add_argument("names", nargs="*", help="how their file names begin, such as 01; all without a name")
    try:
        paths = lessons(parser.parse_args(arguments).names)
    except ValueError as problem:
        parser.error(str(problem))
    with tempfile.TemporaryDirectory() as folder:
        os.environ.update(isolated_environment(Path(folder)))
        failed = [path for path in paths if not refresh(path)]
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
