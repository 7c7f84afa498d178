"""Build the site from the executed notebooks: `uv run python docs/build.py [FOLDER]`.

Needs no network. The result is plain files: open `docs/_build/html/index.html`, or give the folder to any static host.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import re
import shutil
import sys
from pathlib import Path

import nbformat
from sphinx.cmd.build import main as sphinx
from sphinx.ext.autodoc.mock import mock

from mobilenet_lib import course, widgets
from mobilenet_lib.widgets._explorer import module

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OWN_FILES = ("conf.py", "_static/site.css")
ROOT_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
NOT_IMPORTED = ["paddle", "paddle2onnx", "onnxruntime"]

_EXPLORER = re.compile(r'<div data-explorer="(\w+)"')
_LINK_TO_FILE = re.compile(r"\]\(([^)#:]+)\)")
_LINK_IN_OUTPUT = re.compile(r'(href=\\"\d\d_\w+)\.ipynb')
# What JupyterLab keeps collapsed, and the tags with which MyST-NB folds it.
_FOLDED = {"outputs_hidden": "hide-output", "source_hidden": "hide-input"}
_EXPORT = re.compile(r"^export (default )?", re.MULTILINE)


def build(target: Path = HERE / "_build" / "html") -> Path:
    """Build into `target`, a folder, and return it. Pages that have not changed since the last build are kept.

    Raises RuntimeError where Sphinx warns, of a link to nowhere for instance; Sphinx has then printed about what.
    """
    target = target.expanduser().resolve()
    pages, memory = (target.parent / f"{target.name}-{part}" for part in ("pages", "doctrees"))
    _write(pages, staged())
    options = ["-b", "html", "-q", "-W", "--keep-going", "-d", str(memory)]
    # Nothing of the course's networks runs here, so Paddle need not be there, nor take its seconds.
    with mock(NOT_IMPORTED):
        failed = sphinx([*options, str(pages), str(target)])
    if failed:
        # Else the next build would keep the page at fault, and not warn again.
        shutil.rmtree(memory)
        raise RuntimeError("the site was not built: see the warnings above")
    return target


def staged() -> dict[str, bytes]:
    """Every file that Sphinx reads, by its path: lessons, explorers, and what the repository says of itself."""
    files = {name: (HERE / name).read_bytes() for name in OWN_FILES}
    files |= {name: (ROOT / name).read_bytes() for name in (*ROOT_PAGES, *linked_files())}
    for lesson in course.LESSONS:
        files[f"notebooks/{lesson.file_name}"] = lesson_page(ROOT / "notebooks" / lesson.file_name).encode()
    texts = {
        "explorers.md": explorers_page(),
        "_static/explorers.js": explorers_script(),
        "_static/explorers.css": widgets.Explorer._css,
        "library.md": library_page(),
        # The toctrees come last: they make the side bar.
        "index.md": (ROOT / "README.md").read_text(encoding="utf-8")
        + (HERE / "contents.md").read_text(encoding="utf-8"),
    }
    return files | {name: text.encode() for name, text in texts.items()}


def lesson_page(path: Path) -> str:
    """The notebook for Sphinx: what is collapsed in JupyterLab is folded."""
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        tags = [tag for key, tag in _FOLDED.items() if cell.metadata.get("jupyter", {}).get(key)]
        if tags:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), *tags]
    # Links in outputs, such as the map of the course, which Sphinx leaves as they are.
    return _LINK_IN_OUTPUT.sub(r"\1.html", nbformat.writes(notebook))


def linked_files() -> list[str]:
    """The files of the repository that its pages link to, such as the licence."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ("README.md", *ROOT_PAGES)]
    links = {link for text in texts for link in _LINK_TO_FILE.findall(text)}
    return sorted(link for link in links if not link.endswith(".ipynb") and (ROOT / link).is_file())


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold these files and no other. An equal file keeps its time, which Sphinx goes by."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


# --- Explorers ---


def static_forms() -> dict[str, tuple[course.Lesson, list[str]]]:
    """The explorers of the lessons by name: the last lesson that shows it, and its outputs there as HTML."""
    found = {}
    for lesson in course.LESSONS:
        notebook = nbformat.read(ROOT / "notebooks" / lesson.file_name, as_version=4)
        for cell in notebook.cells:
            pages = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
            for name in _EXPLORER.findall("".join(pages)):
                found[name] = (lesson, pages)
    return found


def explorers_page() -> str:
    """A page with every explorer of the lessons; on paper and without JavaScript, with their figures and tables."""
    parts = [
        "# Explorers",
        "Move a slider and see what it costs. Everything is computed in this page, by the same rules as the library's "
        "cost tables; nothing is sent anywhere. On paper, and in a browser without JavaScript, figures and tables "
        "stand here instead.",
    ]
    for name, (lesson, pages) in static_forms().items():
        what = inspect.getdoc(getattr(widgets, name)).split("\n\n")[0]
        outputs = "\n".join(f'<div class="output">{page}</div>' for page in pages)
        parts += [
            f"## {name.replace('_', ' ').capitalize()}",
            f"{what} It belongs to lesson [{lesson.number} · {lesson.title}](notebooks/{lesson.file_name}).",
            f'```{{raw}} html\n<div class="cell_output">\n{outputs}\n</div>\n```',
        ]
    return "\n\n".join(parts) + "\n"


def explorers_script() -> str:
    """One script with all explorers, which puts them over their static forms.

    Not ES modules: a browser would not load those from a page that was opened as a file.
    """
    lines = ['"use strict";', "const EXPLORERS = {"]
    for name in static_forms():
        code = _EXPORT.sub(lambda found: "explorer = " if found[1] else "", module(name))
        lines += [f"{name}: () => {{", "let explorer;", code, "return { ...explorer, plainModel };", "},"]
    return "\n".join([*lines, "};", (HERE / "_static" / "mount.js").read_text(encoding="utf-8")])


# --- Library ---


def library_page() -> str:
    """Every public module of the library on one page, from the docstrings."""
    package = ROOT / "mobilenet_lib"
    rooms = ("data", "training", "plots", "experiments", "widgets")
    sources = list(package.glob("[!_]*.py"))
    for room in rooms:
        sources += _public_modules(package / room)
    sources.sort(key=_module_name)
    parts = [
        "# Library",
        "What the lessons share, from the docstrings, module by module. Read `cost` first; the others follow it. Only "
        "modules that train or measure import Paddle.",
    ]
    for path in sources:
        text = path.read_text(encoding="utf-8")
        if not ast.get_docstring(ast.parse(text)):
            continue
        # What `__all__` lists may come from private modules.
        imported = ["   :imported-members:"] if re.search("^__all__", text, re.MULTILINE) else []
        name = _module_name(path)
        module_lines = ["```{eval-rst}", f".. automodule:: mobilenet_lib.{name}", *imported, "```"]
        parts.append("\n".join([f"## {name}", "", *module_lines]))
    return "\n\n".join(parts) + "\n"


def _public_modules(folder: Path) -> list[Path]:
    """The package alone where it says what is public in it, else its modules, and so on downwards."""
    package = folder / "__init__.py"
    if "__all__" in package.read_text(encoding="utf-8"):
        return [package]
    inner = [one for path in folder.glob("[!_]*/__init__.py") for one in _public_modules(path.parent)]
    return [package, *folder.glob("[!_]*.py"), *inner]


def _module_name(path: Path) -> str:
    """Below `mobilenet_lib`, with dots."""
    parts = path.relative_to(ROOT / "mobilenet_lib").with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the site from the executed notebooks, without a network.")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "_build" / "html", help="where (%(default)s)")
    try:
        target = build(parser.parse_args().folder)
    except RuntimeError as problem:
        sys.exit(str(problem))
    print(f"open {target / 'index.html'}")


if __name__ == "__main__":
    main()
