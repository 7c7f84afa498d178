"""What the site's pages are made of: the lessons as notebooks for Sphinx, and pages and scripts from what they show."""

from __future__ import annotations

import ast
import base64
import html
import inspect
import io
import json
import re
from pathlib import Path

import nbformat
from PIL import Image

from mobilenet_lib import course, widgets
from mobilenet_lib._support.messages import Message
from mobilenet_lib.course.guess_form import GuessForm
from mobilenet_lib.course.questions import _reading, question
from mobilenet_lib.course.questions._question import LARGEST, SMALLEST, TOLERANCE
from mobilenet_lib.widgets._explorer import module

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
# The figure that stands for a lesson on the front page, by the id of its cell.
FIGURES = {
    "00": "cupphoto",
    "01": "sobelsee",
    "02": "photodp2",
    "03": "block-drawing",
    "04": "journey3",
    "05": "spirals-plot",
    "06": "widths-plot",
    "07": "layers-record",
    "08": "mistakes-plot",
    "09": "recorded-plot",
    "10": "imgbits8",
    "11": "carefigs",
}
_FIGURE_SIZE = (560, 320)  # pixels at most, for screens with two of them to a point

_EXPLORER = re.compile(r'<div data-explorer="(\w+)"')
_LINK_IN_OUTPUT = re.compile(r'(href=\\"\d\d_\w+)\.ipynb')
_PREDICT = re.compile(r'^predict\("([\w.]+)"\)$', re.MULTILINE)
# What JupyterLab keeps collapsed, and the tags with which MyST-NB folds it.
_FOLDED = {"outputs_hidden": "hide-output", "source_hidden": "hide-input"}
_EXPORT = re.compile(r"^export (default )?", re.MULTILINE)


def notebook(lesson: course.Lesson) -> nbformat.NotebookNode:
    """The lesson as it was executed and tested."""
    return nbformat.read(ROOT / "notebooks" / lesson.file_name, as_version=4)


# --- Lessons ---


def lesson_page(lesson: course.Lesson) -> str:
    """The notebook for Sphinx: what is collapsed in JupyterLab is folded, and so is code that only draws.

    Questions become forms that need no kernel. Speaker notes are left out; the instructor's guide has them.
    """
    page = notebook(lesson)
    page.cells = [cell for cell in page.cells if cell.metadata.get("slideshow", {}).get("slide_type") != "notes"]
    for cell in page.cells:
        tags = [tag for key, tag in _FOLDED.items() if cell.metadata.get("jupyter", {}).get(key)]
        if asked := cell.cell_type == "code" and _PREDICT.search(cell.source):
            cell.outputs = [nbformat.v4.new_output("display_data", {"text/html": guess_place(asked[1])})]
            tags = ["remove-input"] if asked[0] == cell.source.strip() else []
        elif cell.cell_type == "code" and only_draws(cell.source):
            tags = list(dict.fromkeys([*tags, "hide-input"]))
        if tags:
            cell.metadata["tags"] = [*cell.metadata.get("tags", []), *tags]
    # Links in outputs, such as the map of the course, which Sphinx leaves as they are.
    return _LINK_IN_OUTPUT.sub(r"\1.html", nbformat.writes(page))


def only_draws(source: str) -> bool:
    """Is this code there for its figure alone: drawn by hand, or nothing but calls that show one?"""
    if "plots.figure(" in source:
        return True
    try:
        lines = ast.parse(source).body
    except SyntaxError:  # a magic command
        return False
    return bool(lines) and all(ast.unparse(line).startswith("plots.show(") for line in lines)


def guess_place(question_id: str) -> str:
    """The question as a page without JavaScript shows it, and out of sight all that its form needs, with the truth."""
    asked = question(question_id)
    known = {
        "prompt": Message("question", "Predict, then see", (asked.prompt,)).page,
        **{"unit": asked.unit, "choices": asked.choices, "zero": asked.zero, "truth": asked.truth()},
        **{"written": asked.written(asked.truth()), "why": asked.why},
    }
    hidden = base64.b64encode(json.dumps(known).encode()).decode()
    choices = [f"Choose: {' · '.join(asked.choices)}."] if asked.choices else []
    shown = (asked.prompt, *choices, "The form for your guess needs JavaScript.")
    return f'<div data-guess="{hidden}">{Message("question", "Predict, then see", shown).page}</div>'


def guess_script() -> str:
    """The lessons' own form, and what answers it on a page: the rules and sentences of Python, as data."""
    boxes = {kind: Message(kind, "TITLE", ("BODY",)).page for kind in ("note", "wrong", "right", "compare")}
    parts = [
        '"use strict";',
        f"const READING = {json.dumps(_reading_rules())};",
        f"const BOXES = {json.dumps(boxes)};",
        re.sub(r"^export default .*$", "", GuessForm._esm, flags=re.MULTILINE),
        (HERE / "_static" / "guess.js").read_text(encoding="utf-8"),
    ]
    return "\n".join(parts)


def _reading_rules() -> dict[str, object]:
    """How numbers are read, for a browser: the tables and patterns of `_reading`, and its sentences."""
    in_browser = {"(?P<": "(?<", "(?P=mark)": r"\k<mark>", r"[^\W\d_]": r"\p{L}"}
    token = _reading._TOKEN.pattern
    for here, there in in_browser.items():
        token = token.replace(here, there)
    return {
        "token": token,
        "about": _reading._ABOUT.pattern,
        "said": [[form, meant] for form, meant in _reading._SAID],
        "said_in": {unit: [form, meant.replace("\\", "$")] for unit, (form, meant) in _reading._SAID_IN.items()},
        "range": _reading._RANGE.pattern,
        "signs": {chr(sign): plain for sign, plain in _reading._SIGNS.items()},
        "superscripts": {chr(sign): chr(plain) for sign, plain in _reading._SUPERSCRIPTS.items()},
        **{"scales": _reading._SCALES, "bytes": _reading._BYTES, "per_cent": sorted(_reading._PER_CENT)},
        **{"fillers": sorted(_reading._FILLERS), "longest": _reading._LONGEST},
        **{"smallest": SMALLEST, "largest": LARGEST, "tolerance": TOLERANCE},
        "messages": _messages(),
    }


def _messages() -> dict[str, str]:
    """What is said of a text that is no guess, with @typed@ for the text and @first@ and @second@ for its readings."""
    examples = {"empty": ("", False), "unreadable": ("none", False), "range": ("1-2", False)}
    examples |= {"least": ("-1", False), "least_zero": ("-1", True)}
    said = {"two": str(_reading.SeveralReadings("@typed@", ("@first@", "@second@"))), "choose": GuessForm.CHOOSE}
    for name, (typed, zero) in examples.items():
        try:
            _reading.read_number(typed, zero=zero)
        except ValueError as problem:
            said[name] = str(problem).replace(f"“{typed}”", "“@typed@”")
    return said


# --- Front page ---


def landing_page() -> str:
    """The front page, with a live stepper and every lesson by its question and a figure of its own."""
    text = (HERE / "landing.md").read_text(encoding="utf-8")
    lessons = "\n".join(map(_lesson_card, course.LESSONS))
    _, page = static_forms()["convolution_stepper"]
    image = re.sub('src="[^"]*"', 'src="_static/lessons/stepper.webp" loading="lazy"', page[0], count=1)
    stepper = "\n".join(f'<div class="output">{one}</div>' for one in (image, *page[1:]))
    text = text.replace("<!-- lessons -->", f'```{{raw}} html\n<ol class="lessons">\n{lessons}\n</ol>\n```')
    return text.replace("<!-- stepper -->", f'```{{raw}} html\n<div class="cell_output">\n{stepper}\n</div>\n```')


def landing_figures() -> dict[str, bytes]:
    """The figures of the front page by path, small, each from the stored output of its lesson."""
    named = {f"{number}.webp": (number, cell) for number, cell in FIGURES.items()} | {"stepper.webp": ("02", "stepper")}
    return {f"_static/lessons/{name}": _small(_figure(*where)["image/png"]) for name, where in named.items()}


def _lesson_card(lesson: course.Lesson) -> str:
    words = _figure(lesson.number, FIGURES[lesson.number])["text/plain"]
    image = f'<img src="_static/lessons/{lesson.number}.webp" alt="{html.escape(words)}" loading="lazy">'
    link = f'<a href="notebooks/{lesson.stem}.html">{lesson.number} · {html.escape(lesson.title)}</a>'
    return f"<li>{image}<h3>{link}</h3><p>{html.escape(lesson.question)}</p><p>{lesson.minutes} minutes</p></li>"


def _figure(number: str, cell_id: str) -> dict[str, str]:
    """The stored figure of a cell by MIME type. ValueError where the lesson has no such figure any more."""
    cells = (cell for cell in notebook(course.lesson(number)).cells if cell.id == cell_id)
    found = (output.data for cell in cells for output in cell.outputs if "image/png" in output.get("data", {}))
    if figure := next(found, None):
        return figure
    raise ValueError(f"lesson {number} has no figure in a cell {cell_id!r}: name another in FIGURES (docs/pages.py)")


def _small(png: str) -> bytes:
    """A PNG, as a notebook holds it, as a small file for the front page."""
    image, written = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB"), io.BytesIO()
    image.thumbnail(_FIGURE_SIZE, Image.Resampling.LANCZOS)
    image.save(written, "WEBP", quality=70, method=6)
    return written.getvalue()


# --- Explorers ---


def _outputs(page: nbformat.NotebookNode) -> list[list[str]]:
    """The outputs of every code cell, as HTML."""
    return [[one.get("data", {}).get("text/html", "") for one in cell.get("outputs", [])] for cell in page.cells]


def static_forms() -> dict[str, tuple[course.Lesson, list[str]]]:
    """The explorers of the lessons by name: the last lesson that shows it, and its outputs there as HTML."""
    found = {}
    for lesson in course.LESSONS:
        for pages in _outputs(notebook(lesson)):
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


def explorer_scripts() -> dict[str, str]:
    """A script for each explorer, by path; `mount.js` puts them over their static forms.

    Not ES modules: a browser would not load those from a page that was opened as a file.
    """
    return {f"_static/{name}.js": _explorer_script(name) for name in static_forms()}


def _explorer_script(name: str) -> str:
    code = _EXPORT.sub(lambda found: "explorer = " if found[1] else "", module(name))
    lines = ["(globalThis.EXPLORERS ??= {})." + name + " = () => {", "let explorer;", code]
    return "\n".join([*lines, "return { ...explorer, plainModel };", "};", ""])


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
