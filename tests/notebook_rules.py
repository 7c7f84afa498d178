"""What every lesson must be, as small rules: each takes a lesson and yields what is wrong and what to do about it.

`test_notebooks.py` applies them to every lesson, and each to a lesson that breaks it.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, wraps
from pathlib import Path
from statistics import median
from urllib.parse import unquote

import nbformat
from comparing_images import LIVE
from refresh_notebooks import CELL_METADATA, NOTEBOOK_METADATA, NOTEBOOKS
from revealing import collapsed, given_away, settled

from mobilenet_lib import course
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.questions import QUESTIONS

REFRESH = "run `uv run python tests/refresh_notebooks.py {number}`"

LONGEST_CELL = 25  # lines
MEDIAN_CELL = 8  # lines: the median lies below
LARGEST_FILE = 2_500_000  # bytes
SHORTEST_ALT = 20  # characters, as in plots.show

# How many cells of a lesson nbval may run without comparing what they show, such as timings. Any other number is a
# fault, a smaller one too, so that this list stays true.
IGNORED_OUTPUTS: dict[str, int] = {
    # Tables of times on this machine, ratios with their intervals, launches, steps, its limits, cores at work, whether
    # ONNX Runtime is there.
    "07": 13,
    # What was trained or evaluated there: accuracies and seconds, ends at three rates, gaps, mistakes, how sure it is.
    "08": 5,
    "09": 3,  # the own design's accuracy beside the recorded ones, its latency, its card
    "10": 2,  # accuracies of networks rounded there: at the edge of a level the last digit decides
    # What oneDNN makes of a network (x86-64 only), where the ONNX file is from (no converter on Python 3.13), and
    # milliseconds (twice).
    "11": 4,
}

# How many cells of a lesson draw what was trained or timed in it: tests/comparing_images.py does not compare them.
LIVE_IMAGES: dict[str, int] = {
    "07": 4,  # times of this machine: the first fault, how calls spread, three networks, the layers under its roof
    "08": 5,  # the curves of runs that are trained there, and the mistakes of a network evaluated there
    "09": 1,  # the own design on the front of the recorded ones
}

FIGURE_LINES = 5

# A cell without one stands on the same slide; the deck never shows one of type "-".
SLIDE_TYPES = frozenset({"slide", "subslide", "fragment", "skip", "notes"})


@dataclass(frozen=True)
class Lesson:
    """A notebook and where it lies."""

    path: Path
    notebook: nbformat.NotebookNode

    @property
    def number(self) -> str:
        """The two digits its file name begins with."""
        return self.path.name[:2]

    def cells(self, kind: str) -> list[tuple[int, nbformat.NotebookNode]]:
        """The cells of a kind ("code", "markdown"), each with its place in the notebook."""
        return [(place, cell) for place, cell in enumerate(self.notebook.cells) if cell.cell_type == kind]

    def outputs(self) -> Iterator[tuple[int, nbformat.NotebookNode, nbformat.NotebookNode]]:
        """Every output, with its cell and the cell's place."""
        for place, cell in self.cells("code"):
            for output in cell.outputs:
                yield place, cell, output


Rule = Callable[[Lesson], list[str]]
RULES: list[Rule] = []


def rule(function: Callable[[Lesson], Iterator[str]]) -> Rule:
    """Add to RULES what lists all that a function finds."""

    @wraps(function)
    def listed(lesson: Lesson) -> list[str]:
        return list(function(lesson))

    RULES.append(listed)
    return listed


def read(path: Path) -> Lesson:
    """The lesson in a file."""
    return Lesson(path, nbformat.read(path, as_version=4))


@rule
def executed_in_order(lesson: Lesson) -> Iterator[str]:
    counts = [cell.execution_count for _, cell in lesson.cells("code")]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}: nbval compares nothing in an unexecuted cell; {_refresh(lesson)}"


@rule
def empty_cells(lesson: Lesson) -> Iterator[str]:
    for place, cell in enumerate(lesson.notebook.cells):
        if not cell.source.strip():
            yield f"cell {place} is empty: remove it"


@rule
def cell_ids(lesson: Lesson) -> Iterator[str]:
    seen = set()
    for place, cell in enumerate(lesson.notebook.cells):
        identity = cell.get("id")
        if not identity:
            yield f"cell {place} has no id: give it a short one that stays, such as 'macs-by-hand'"
        elif identity in seen:
            yield f"cell {place} repeats the id {identity!r}: give it one of its own"
        seen.add(identity)


@rule
def clean_output(lesson: Lesson) -> Iterator[str]:
    for place, cell, output in lesson.outputs():
        if output.output_type == "stream" and output.name == "stderr":
            yield f"cell {place} wrote to stderr ({_short(output.text)}): mend what it warns of; {_refresh(lesson)}"
        if output.output_type == "error" and "raises-exception" not in _tags(cell):
            yield f"cell {place} ended in {output.ename}: mend it, or tag it raises-exception where it is the lesson"


@rule
def plain_python(lesson: Lesson) -> Iterator[str]:
    for place, cell in lesson.cells("code"):
        if re.search(r"^\s*[!%]", cell.source, re.MULTILINE) or "get_ipython(" in cell.source:
            yield f"cell {place} uses a `!` or `%` command: it works in IPython only; write it in Python"
            continue
        try:
            ast.parse(cell.source)
        except SyntaxError as problem:
            yield f"cell {place} is not plain Python: {problem.msg} in line {problem.lineno}"


@rule
def paddle_by_its_own_name(lesson: Lesson) -> Iterator[str]:
    """`mobilenet_lib.course` prepares its import, so it must have come before; no other module hands Paddle on."""
    sources = [(place, cell.source) for place, cell in lesson.cells("code")]
    for place, source in sources:
        if re.search(r"^from mobilenet_lib.* import .*\bpaddle\b", source, re.MULTILINE):
            yield f"cell {place} takes paddle from mobilenet_lib: write `import paddle`"
    imports = [place for place, source in sources if re.search(r"^(import|from) paddle\b", source, re.MULTILINE)]
    before = [place for place, source in sources if "from mobilenet_lib.course import" in source]
    if imports and min(before, default=imports[0]) >= imports[0]:
        yield (
            f"cell {imports[0]} imports paddle before `mobilenet_lib.course` has prepared it: do so in a later cell, "
            "or it takes one thread and writes to stderr"
        )


_ABSOLUTE_PATH = re.compile(r"(?:(?<=^)|(?<=[\s'\"`(=]))/(?:[\w.-]+/)+[\w.-]*|\b[A-Za-z]:\\\w+", re.MULTILINE)


@rule
def no_absolute_paths(lesson: Lesson) -> Iterator[str]:
    texts = [(place, cell.source) for place, cell in enumerate(lesson.notebook.cells)]
    texts += [(place, text) for place, _, output in lesson.outputs() for text in _texts(output)]
    for place, text in texts:
        if found := _ABSOLUTE_PATH.search(text):
            yield f"cell {place} holds the absolute path {found[0]!r}: it exists on one machine; use a relative one"


@rule
def no_widget_state(lesson: Lesson) -> Iterator[str]:
    if "widgets" in lesson.notebook.metadata:
        yield f"the notebook carries saved widget state: {_refresh(lesson)}"
    for place, _, output in lesson.outputs():
        if "application/vnd.jupyter.widget-view+json" in output.get("data", {}):
            yield f"cell {place} stored a live widget, only text on a page: where nobody learns, show a static figure"


@rule
def normal_metadata(lesson: Lesson) -> Iterator[str]:
    if lesson.notebook.metadata != NOTEBOOK_METADATA:
        yield f"the notebook's metadata names one machine's kernel or versions: {_refresh(lesson)}"
    if (lesson.notebook.nbformat, lesson.notebook.nbformat_minor) != (4, 5):
        yield f"the notebook is not in format 4.5, the one with cell ids: {_refresh(lesson)}"
    for place, cell in enumerate(lesson.notebook.cells):
        if extra := sorted(cell.metadata.keys() - CELL_METADATA):
            yield f"cell {place} carries the metadata {', '.join(extra)}: {_refresh(lesson)}"


@rule
def short_cells(lesson: Lesson) -> Iterator[str]:
    lengths = []
    for place, cell in lesson.cells("code"):
        lengths.append(sum(bool(line.strip()) for line in cell.source.splitlines()))
        if lengths[-1] > LONGEST_CELL:
            yield f"cell {place} has {lengths[-1]} lines, more than {LONGEST_CELL}: move the rest into the library"
    if lengths and median(lengths) >= MEDIAN_CELL:
        yield f"the median code cell has {median(lengths):g} lines, not below {MEDIAN_CELL}: split cells, one idea each"


@rule
def figures_cost_few_lines(lesson: Lesson) -> Iterator[str]:
    """A cell that draws says what, and leaves how to the helpers of `plots`; or its source is hidden."""
    for place, cell in lesson.cells("code"):
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            continue
        lines = sum(bool(line.strip()) for line in cell.source.splitlines())
        if "plots.show(" in cell.source and lines > FIGURE_LINES:
            yield f"cell {place} takes {lines} lines to draw, more than {FIGURE_LINES}: give the rest a home in `plots`"


@rule
def compared_by_nbval(lesson: Lesson) -> Iterator[str]:
    ignored, allowed = 0, IGNORED_OUTPUTS.get(lesson.number, 0)
    for place, cell in lesson.cells("code"):
        tags = _tags(cell)
        ignored += "nbval-ignore-output" in tags
        if {"nbval-skip", "skip-execution"} & tags:
            yield f"cell {place} is skipped by the tests: a lesson's every cell must run"
        if re.search(r"#\s*(?:NBVAL|PYTEST_VALIDATE)_", cell.source):
            yield f"cell {place} steers nbval by a comment, which learners see: use a tag"
    if ignored != allowed:
        yield (
            f"{ignored} cells are tagged nbval-ignore-output, {allowed} are expected: print facts where you can; if "
            "not, change IGNORED_OUTPUTS in tests/notebook_rules.py and say why in the commit"
        )


@rule
def images_are_compared(lesson: Lesson) -> Iterator[str]:
    tagged = {place for place, cell in lesson.cells("code") if LIVE in _tags(cell)}
    drawing = {place for place, _, output in lesson.outputs() if "image/png" in output.get("data", {})}
    for place in sorted(tagged - drawing):
        yield f"cell {place} is tagged {LIVE}, but stores no image: remove the tag"
    allowed = LIVE_IMAGES.get(lesson.number, 0)
    if len(tagged) != allowed:
        yield (
            f"{len(tagged)} cells are tagged {LIVE}, {allowed} are expected: draw recorded results where you can; if "
            "not, change LIVE_IMAGES in tests/notebook_rules.py and say why in the commit"
        )


@rule
def figures_have_words(lesson: Lesson) -> Iterator[str]:
    for place, _, output in lesson.outputs():
        data = output.get("data", {})
        for kind in (key for key in data if key.startswith("image/")):
            alt = output.metadata.get(kind, {}).get("alt", "")
            if len(alt) < SHORTEST_ALT:
                yield f"cell {place} shows a figure without alternative text: use plots.show(fig, alt=…)"
            elif data.get("text/plain") != alt:
                yield f"cell {place} shows a figure whose plain text is not its alternative text: use plots.show"
        if any(not _alt(image) for image in re.findall(r"<img\b[^>]*>", data.get("text/html", ""))):
            yield f"cell {place} shows an <img> without alt: say in words what it shows"
    for place, cell in lesson.cells("markdown"):
        images = re.findall(r"<img\b[^>]*>", cell.source)
        if any(not _alt(image) for image in images) or re.search(r"!\[\s*\]\(", cell.source):
            yield f"cell {place} holds an image without alternative text: say in words what it shows"


@rule
def slides(lesson: Lesson) -> Iterator[str]:
    kinds = [cell.metadata.get("slideshow", {}).get("slide_type") for cell in lesson.notebook.cells]
    for place, kind in enumerate(kinds):
        if kind not in (None, *SLIDE_TYPES):
            yield f"cell {place} has the unknown slide type {kind!r}: use one of {', '.join(sorted(SLIDE_TYPES))}"
    if kinds[:1] != ["slide"]:
        yield "the first cell does not begin a slide: set its slide type to slide"
    if "notes" not in kinds:
        yield "no cell has the slide type notes: add speaker notes (pacing, what to ask, where to stop)"


@rule
def opening(lesson: Lesson) -> Iterator[str]:
    """Title, question, objectives, minutes and prerequisites stand before the first code, as lessons.py has them."""
    text = "\n".join(cell.source for cell in _before_code(lesson))
    try:
        planned = course.lesson(lesson.number)
    except ValueError:
        yield "the lesson is not in mobilenet_lib/course/lessons.py: add it there, with its title, question and minutes"
        return
    if text.split("\n")[0] != f"# {lesson.number} · {planned.title}":
        yield f"the first line is not the title that lessons.py has: # {lesson.number} · {planned.title}"
    if _plain(planned.question) not in _plain(text):
        yield f"the opening lacks the question that lessons.py has: {planned.question}"
    if not re.search(r"(?i)able to do|objectives", text):
        yield "the opening lacks the objectives: what you will be able to do"
    if not re.search(rf"(?i)\b{planned.minutes} minutes|minutes:\** {planned.minutes}\b", text):
        yield f"the opening lacks the time that lessons.py has: {planned.minutes} minutes"
    minutes = sum(exercise.minutes for exercise in EXERCISES.values() if exercise.lesson == lesson.number)
    stated = re.search(r"(\d+) minutes for the exercises", text)
    if stated and int(stated[1]) != minutes:
        yield f"the opening gives {stated[1]} minutes for the exercises; those of the lesson take {minutes}"
    if not re.search(r"(?i)prerequisites|before this", text):
        yield "the opening lacks the prerequisites: say what is needed, or that nothing is"
    for number in planned.prerequisites:
        if f"]({course.lesson(number).file_name})" not in text:
            yield f"the opening links to no lesson {number}, which lessons.py has as a prerequisite"


@rule
def closing(lesson: Lesson) -> Iterator[str]:
    """After the last code come a recap, three questions with folded answers, and references, each with a heading."""
    last_code = max((place for place, _ in lesson.cells("code")), default=-1)
    text = "\n".join(cell.source for place, cell in lesson.cells("markdown") if place > last_code)
    headings = [heading.lower() for heading in re.findall(r"^##+ (.+)$", text, re.MULTILINE)]
    for wanted in ("what you have learned", "questions", "references"):
        if not any(wanted in heading for heading in headings):
            yield f"the end lacks a heading that says {wanted!r}"
    if not 3 <= text.count("<details>") == text.count("</details>"):
        yield "the end lacks three questions with folded answers: <details><summary>Answer</summary>…</details>"


@rule
def file_size(lesson: Lesson) -> Iterator[str]:
    size = len(nbformat.writes(lesson.notebook).encode())
    if size >= LARGEST_FILE:
        yield f"{size / 1e6:.1f} MB is more than {LARGEST_FILE / 1e6:.1f} MB: show fewer or smaller figures"


@rule
def links_lead_somewhere(lesson: Lesson) -> Iterator[str]:
    for place, cell in lesson.cells("markdown"):
        links = re.findall(r"\]\(([^)\s]+)[^)]*\)", cell.source)
        links += re.findall(r"(?:href|src)=[\"']([^\"']+)", cell.source)
        for link in links:
            target = unquote(link.split("#")[0])
            elsewhere = not target or re.match(r"[a-z]+:", target)
            if not elsewhere and not (lesson.path.parent / target).exists():
                yield f"cell {place} links to {link!r}, which does not exist beside the lessons"


@rule
def asks_its_questions(lesson: Lesson) -> Iterator[str]:
    """Each question of this lesson is asked once, and no other."""
    asked = _names_given(lesson, "predict")
    known = [name for name, question in QUESTIONS.items() if question.lesson == lesson.number]
    for name in asked:
        if name not in known:
            yield f"predict({name!r}) is no question of lesson {lesson.number}: add it to course/questions"
    for name in known:
        if asked.count(name) != 1:
            yield f"question {name!r} is asked {asked.count(name)} times, not once"


@rule
def truths_out_of_sight(lesson: Lesson) -> Iterator[str]:
    """What reveals the truth of a question stays collapsed until it is run, and nothing tells it beforehand."""
    hidden = {cell.id for _, cell in lesson.cells("code") if cell.metadata.get("jupyter", {}).get("outputs_hidden")}
    wanted = collapsed(lesson.notebook.cells)
    for name in sorted(wanted - hidden):
        yield f"the output of cell {name} reveals a truth and is not collapsed: {_refresh(lesson)}"
    for name in sorted(hidden - wanted):
        yield f"the output of cell {name} reveals no truth and is collapsed: {_refresh(lesson)}"
    for found in given_away(lesson.number, _others() | {lesson.number: lesson.notebook.cells}):
        yield f"{found}: say it after the guess, in other words, or let a collapsed output say it"


@rule
def reasons_are_shown(lesson: Lesson) -> Iterator[str]:
    """A decimal typed into the reason of a truth stands in an output that is the same in every run."""
    shown = "\n".join(settled(cell) for _, cell in lesson.cells("code"))
    for name in (name for name in _names_given(lesson, "predict") if name in QUESTIONS):
        for typed in re.findall(r"\d+\.\d+", QUESTIONS[name].why):
            if not re.search(rf"(?<![\d.]){re.escape(typed)}(?!\d)", shown):
                yield f"the reason of {name} types {typed}, which no output shows: correct it, or show it"


@cache
def _others() -> dict[str, list[nbformat.NotebookNode]]:
    """The cells of every lesson in notebooks/, by its number."""
    return {path.name[:2]: read(path).notebook.cells for path in NOTEBOOKS.glob("*.ipynb")}


@rule
def sets_its_exercises(lesson: Lesson) -> Iterator[str]:
    """Each exercise of this lesson has its untouched stub and a check; nothing is named that does not exist."""
    known = {name: exercise for name, exercise in EXERCISES.items() if exercise.lesson == lesson.number}
    for function, names in ((one, _names_given(lesson, one)) for one in ("check", "hint", "solution")):
        for name in (name for name in names if name not in known):
            yield f"{function}({name}) names no exercise of lesson {lesson.number}: add it to course/exercises"
    stubs = {node.name: ast.unparse(node) for node in _nodes(lesson, ast.FunctionDef)}
    for name, exercise in known.items():
        if stubs.get(name) != ast.unparse(ast.parse(exercise.starter)):
            yield f"the stub of {name} is missing or changed; it reads\n{exercise.starter}"
        if name not in _names_given(lesson, "check"):
            yield f"nothing checks the exercise {name}: add check({name}) below its stub"


def _names_given(lesson: Lesson, function: str) -> list[str]:
    """The first argument of every call of `function`: the name or the string that stands there."""
    found = []
    for call in _nodes(lesson, ast.Call):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if called == function and call.args:
            first = call.args[0]
            found.append(first.value if isinstance(first, ast.Constant) else ast.unparse(first))
    return found


def _nodes(lesson: Lesson, kind: type[ast.AST]) -> Iterator[ast.AST]:
    """Every piece of that kind in the lesson's code, in order; what is not Python is `plain_python`'s to report."""
    for _, cell in lesson.cells("code"):
        with suppress(SyntaxError):
            yield from (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kind))


def _before_code(lesson: Lesson) -> Iterator[nbformat.NotebookNode]:
    for cell in lesson.notebook.cells:
        if cell.cell_type == "code":
            return
        yield cell


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _texts(output: nbformat.NotebookNode) -> list[str]:
    """Everything an output shows as text; an image's bytes are left out."""
    found = [output.get("text", ""), *output.get("traceback", [])]
    for kind, value in output.get("data", {}).items():
        if not kind.startswith("image/"):
            text = value if isinstance(value, str) else json.dumps(value)
            found.append(re.sub(r"data:image/[\w+]+;base64,[\w+/=]+", "", text))
    return found


def _alt(image: str) -> str:
    found = re.search(r"\balt=(?:\"([^\"]*)\"|'([^']*)')", image)
    return (found.group(1) or found.group(2) or "").strip() if found else ""


def _tags(cell: nbformat.NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def _short(text: str) -> str:
    return repr(text.strip().splitlines()[0][:60] if text.strip() else "")


def _refresh(lesson: Lesson) -> str:
    return REFRESH.format(number=lesson.number)
