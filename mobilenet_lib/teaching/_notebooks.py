"""The lessons' notebooks as an instructor needs them: sections, slides, minutes, questions, answers, exercises.

Everything here reads; nothing changes a lesson.
"""

from __future__ import annotations

import ast
import copy
import inspect
import re
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain
from pathlib import Path
from typing import NamedTuple

import nbformat

from mobilenet_lib import course
from mobilenet_lib.course import readiness
from mobilenet_lib.course.exercises import EXERCISES, Exercise
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.course.questions._question import Question

_LINK = re.compile(r'\[([^\]]*)\]\((\d\d_\w+)\.ipynb[^)]*\)|<a href="(\d\d_\w+)\.(?:ipynb|html)">(.*?)</a>')
_FOLDED = re.compile(r"<details><summary>(.*?)</summary>(.*?)</details>", re.DOTALL)


@dataclass(frozen=True)
class Section:
    """A heading of a lesson and what stands below it. `id` is the cell id of the heading.

    minutes: to teach it. exercises: those that are checked in it.
    """

    id: str
    title: str
    minutes: int
    exercises: tuple[Exercise, ...]


class Answered(NamedTuple):
    """A closing question and its answer, as markdown."""

    question: str
    answer: str


@dataclass
class Notebook:
    """A lesson of the course and its notebook."""

    lesson: course.Lesson
    node: nbformat.NotebookNode = field(repr=False)

    @property
    def title(self) -> str:
        return f"{self.lesson.number} · {self.lesson.title}"

    @property
    def cells(self) -> list[nbformat.NotebookNode]:
        return self.node.cells

    @cached_property
    def sections(self) -> list[Section]:
        """What comes before the first heading, then a section for each heading, in order.

        The lesson's minutes are spread over its steps, which are slides and fragments; the steps of exercises do not
        count, because the time for exercises is given apart. In whole minutes: each section ends at the nearest one.
        """
        parts: list[list[nbformat.NotebookNode]] = [[]]
        for cell in self.cells:
            if _is_heading(cell):
                parts.append([])
            parts[-1].append(cell)
        steps = list(accumulate(sum(map(_is_step, part)) for part in parts))
        ends = [round(self.lesson.minutes * step / max(1, steps[-1])) for step in steps]
        return [
            Section(part[0].id, _heading(part[0]), end - begin, tuple(chain(*map(exercises_of, part))))
            for part, begin, end in zip(parts, [0, *ends], ends, strict=False)
            if part
        ]

    @cached_property
    def exercise_minutes(self) -> int:
        """Minutes for the exercises, as the lesson's opening states them; 0 where it counts them with the rest."""
        stated = re.search(r"(\d+) minutes for the exercises", self.cells[0].source)
        return int(stated.group(1)) if stated else 0

    def minutes_for(self, exercise: Exercise) -> float:
        """The exercise's minutes; 0 where the lesson's opening counts them with the rest."""
        return exercise.minutes if self.exercise_minutes else 0

    @property
    def questions(self) -> list[Question]:
        return [one for one in QUESTIONS.values() if one.lesson == self.lesson.number]

    @property
    def answers(self) -> list[Answered]:
        """The closing questions with their answers."""
        return [answered for cell in self.cells if not is_notes(cell) for answered in folded_answers(cell)]

    @property
    def notes(self) -> list[tuple[str, str]]:
        """Speaker notes in order: the title of the section they stand in, and the text without its fold."""
        found, title = [], "Opening"
        for cell in self.cells:
            title = _heading(cell) if _is_heading(cell) else title
            if is_notes(cell):
                found.append((title, _FOLDED.sub(r"\2", cell.source).strip()))
        return found


def lessons(numbers: list[str] | None = None) -> list[Notebook]:
    """The course's lessons, or those with these numbers ("5" or "05"), with their notebooks.

    ValueError for an unknown number, FileNotFoundError where the notebooks are not at hand.
    """
    wanted = [course.lesson(number.zfill(2)) for number in numbers or []] or list(course.LESSONS)
    return [Notebook(lesson, nbformat.read(path(lesson), as_version=4)) for lesson in wanted]


def path(lesson: course.Lesson) -> Path:
    """The lesson's notebook. FileNotFoundError says what to do where it is missing."""
    found = readiness.originals() / lesson.file_name
    if not found.is_file():
        raise FileNotFoundError(f"{found} is missing: take a whole copy of the course")
    return found


def linked(text: str, lessons: list[Notebook]) -> str:
    """Markdown or HTML with links to none but these lessons: of the others their words stay."""
    there = {one.lesson.stem for one in lessons}
    return _LINK.sub(lambda found: found[0] if (found[2] or found[3]) in there else found[1] or found[4], text)


def slide_type(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def is_notes(cell: nbformat.NotebookNode) -> bool:
    return slide_type(cell) == "notes"


def _is_heading(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "markdown" and cell.source.startswith("## ")


def _heading(cell: nbformat.NotebookNode) -> str:
    return cell.source.split("\n")[0].lstrip("# ").strip()


def folded_answers(cell: nbformat.NotebookNode) -> list[Answered]:
    """The questions of a markdown cell whose answers are folded below them."""
    # Text, summary, answer, text, summary, answer, …; headings are no part of a question.
    parts = _FOLDED.split(cell.source) if cell.cell_type == "markdown" else [""]
    questions = [re.sub(r"^#.*$", "", above, flags=re.MULTILINE).strip() for above in parts[:-1:3]]
    return [Answered(question, answer.strip()) for question, answer in zip(questions, parts[2::3], strict=True)]


def without_folds(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cell without what its Markdown or its outputs fold away."""
    cell = copy.deepcopy(cell)
    if cell.cell_type == "markdown":
        cell.source = re.sub(r"\n{3,}", "\n\n", _unfolded(cell.source)).strip()
    for output in cell.get("outputs", []):
        if "text/html" in output.get("data", {}):
            output.data["text/html"] = _unfolded(output.data["text/html"])
    return cell


def _unfolded(text: str) -> str:
    return re.sub(r"<details\b.*?</details>", "", text, flags=re.DOTALL)


def predicted(cell: nbformat.NotebookNode) -> list[Question]:
    """The questions that a cell asks by `predict`."""
    return [QUESTIONS[name] for name in _given(cell, "predict") if name in QUESTIONS]


def exercises_of(cell: nbformat.NotebookNode) -> list[Exercise]:
    """The exercises that a cell checks."""
    return [EXERCISES[name] for name in _given(cell, "check") if name in EXERCISES]


def solved(exercise: Exercise) -> str:
    """Code for a notebook: the reference solution with the imports it needs, then the check."""
    parts = (_imports(exercise.reference), exercise.solution, f"check({exercise.name})")
    return "\n\n\n".join(filter(None, parts))


def _imports(function: Callable) -> str:
    """Import lines, or sources, for the names of its module that a function uses."""
    lines, sources = [], []
    for name in function.__code__.co_names:
        value = function.__globals__.get(name)
        if isinstance(value, types.ModuleType):
            package, _, last = value.__name__.rpartition(".")
            plain = f"from {package} import {last}" if package else f"import {last}"
            lines.append(plain if name == last else f"import {value.__name__} as {name}")
        elif inspect.isfunction(value) and value.__module__ == function.__module__:
            sources.append(inspect.getsource(value).rstrip())
    return "\n\n\n".join(["\n".join(lines), *sources] if lines else sources)


def _is_step(cell: nbformat.NotebookNode) -> bool:
    """Does the cell take teaching time of its own? Exercises, notes and what stands on the slide before it do not."""
    if slide_type(cell) not in ("slide", "subslide", "fragment"):
        return False
    if cell.cell_type == "markdown":
        return not cell.source.startswith("## Exercise") and "`hint(" not in cell.source
    defined = {node.name for node in _nodes(cell, ast.FunctionDef)}
    return not defined & set(EXERCISES) and not exercises_of(cell)


def _given(cell: nbformat.NotebookNode, function: str) -> list[str]:
    """The first argument of each call of `function` in a code cell: the string or the name that stands there."""
    calls = [call for call in _nodes(cell, ast.Call) if ast.unparse(call.func) == function and call.args]
    return [ast.unparse(call.args[0]).strip("'") for call in calls]


def _nodes(cell: nbformat.NotebookNode, kind: type[ast.AST]) -> Iterator[ast.AST]:
    if cell.cell_type == "code":
        with suppress(SyntaxError):
            yield from (node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kind))
