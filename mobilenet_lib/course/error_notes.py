"""Below two errors of a lesson that puzzle, what to do about them. The errors stay as they are.

Cells run out of order, or in a kernel that was restarted, end in `NameError: name 'macs' is not defined`: the
notebook's file knows which cell makes the name. Nothing is said where it knows nothing.

An interrupt while a large library is being imported leaves parts of it behind. The next attempt ends in errors like
`module 'matplotlib' has no attribute 'get_data_path'`, and only another kernel helps.
"""

from __future__ import annotations

import ast
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from traceback import walk_tb
from types import FrameType, TracebackType
from typing import Any

from mobilenet_lib._support import environment
from mobilenet_lib._support.messages import Code, Message


def watch() -> None:
    """In a notebook's kernel, explain these errors from now on. A handler that somebody else has set is left alone."""
    if environment.in_notebook():
        shell = sys.modules["IPython"].get_ipython()
        if not shell.custom_exceptions:
            shell.set_custom_exc((NameError, KeyboardInterrupt), _explain)


def _explain(
    shell: Any, kind: type[BaseException], error: BaseException, traceback: TracebackType, tb_offset: int | None = None
) -> None:
    shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
    with suppress(Exception):  # whatever lies on the disk, the error itself was shown
        message = _message_for(shell, error, traceback)
        if message:
            message.show()


def _message_for(shell: Any, error: BaseException, traceback: TracebackType) -> Message | None:
    frames = [frame for frame, _ in walk_tb(traceback)]
    if isinstance(error, KeyboardInterrupt):
        return half_imported(frames)
    # Is it code of the notebook, in a cell or in a function from one, that misses the name?
    if type(error) is NameError and frames[-1].f_globals is shell.user_ns:
        return explanation(error.name, shell.user_ns["In"][-1], _notebooks(shell.user_ns))
    return None


def half_imported(frames: list[FrameType]) -> Message | None:
    """Which library the frames, outermost first, were importing; None where none or only the course's own modules."""
    # A module's own code runs only while it is imported; a cell's is the module __main__.
    modules = [frame.f_globals.get("__name__", "") for frame in frames if frame.f_code.co_name == "<module>"]
    libraries = [name.partition(".")[0] for name in modules]
    library = next((name for name in libraries if name not in ("", "__main__", "mobilenet_lib")), None)
    if library is None:
        return None
    found = (
        f"The interrupt came while Python was importing `{library}`. Half of it is loaded now, and cells that "
        "need it may fail with puzzling errors."
    )
    advice = "Begin with another kernel: menu Run → Restart Kernel and Run up to Selected Cell…"
    return Message("note", "Interrupted in an import", (found, advice))


def explanation(name: str, running: str, notebooks: list[Path]) -> Message | None:
    """Which cell makes `name`, in the first of the notebooks that has the cell `running`; None where no cell does."""
    cells = next((cells for cells in map(_code_cells, notebooks) if running.strip() in cells), [])
    makers = [index for index, source in enumerate(cells) if name in _made_by(source)]
    if not makers:
        return None
    before = [index for index in makers if index < cells.index(running.strip())]
    if before:
        maker, found = before[-1], "further up, by a cell that has not run since the kernel started"
        advice = (
            "Run the cells above first: select this cell, then menu Run → Run All Above Selected Cell, then run it."
        )
    else:
        maker, found = makers[0], "further down, by a cell that comes after this one"
        advice = "Go through the lesson from the top: menu Run → Restart Kernel and Run All Cells…"
    lines = cells[maker].splitlines()
    shown = Code("\n".join(lines[:3] + ["…"] * (len(lines) > 3)))
    return Message("note", "A cell was left out", (f"`{name}` is made {found}:", shown, advice))


def _notebooks(namespace: dict[str, Any]) -> list[Path]:
    """The notebook that Jupyter or VS Code says is open; where neither does, those in the working folder."""
    named = namespace.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    if named.endswith(".ipynb") and Path(named).is_file():
        return [Path(named)]
    return sorted(Path().glob("*.ipynb"))


def _code_cells(notebook: Path) -> list[str]:
    content = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]).strip() for cell in content["cells"] if cell["cell_type"] == "code"]


def _made_by(source: str) -> set[str]:
    """The names that a cell binds outside of functions and classes."""
    try:
        statements = list(ast.parse(source).body)
    except SyntaxError:
        return set()
    names = set()
    while statements:
        node = statements.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif not isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            statements += ast.iter_child_nodes(node)
    return names
