"""Two sets of notebooks made from the lessons: one with every answer, for the instructor, and one with none, for students."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat

from mobilenet_lib.course import handout
from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.teaching import _notebooks, _pages
from mobilenet_lib.teaching._notebooks import Notebook

ANSWERS_PAGE = "answers.html"

_READ_ME = """# The lessons, for students

Open a notebook of the folder `notebooks` in JupyterLab, in an environment in which the course is installed. Keep
`{lock}` beside the notebooks.

Guesses, exercises and hints work as always. Reference solutions and the answers to the closing questions are locked:
`solution(...)` and `answers(...)` say so. When your instructor gives out the code, run once

    from mobilenet_lib.course.handout import unlock
    unlock("the code")

To hand in your progress: `from mobilenet_lib import progress`, then `progress.export("your_name.csv", student="Your Name")`.

The lock keeps answers from being met by accident, no more. The library checks your functions against its own, so its
source holds the reference solutions, and whoever wants to look can find them.
"""


def write_copy(folder: Path, lessons: list[Notebook]) -> list[Path]:
    """The instructor's copy: notebooks with solutions and truths filled in, and one page with every answer."""
    written = [_write_notebook(folder / "notebooks", lesson, with_answers(lesson)) for lesson in lessons]
    page = folder / ANSWERS_PAGE
    page.write_text(answers_page(lessons), encoding="utf-8")
    return [*written, page]


def with_answers(lesson: Notebook) -> nbformat.NotebookNode:
    """The lesson with a notes cell below each prediction, its truth, and a solved cell below each exercise."""
    node = copy.deepcopy(lesson.node)
    cells = []
    for cell in node.cells:
        cells.append(cell)
        for asked in _notebooks.predicted(cell):
            text = f"<details><summary>Speaker notes: the truth</summary>\n\n{_truth(asked)}\n\n</details>"
            cells.append(_new("markdown", f"{cell.id}-truth", text, "notes"))
        for exercise in _notebooks.exercises_of(cell):
            source = f"# One way to write it\n{_notebooks.solved(exercise)}"
            cells.append(_new("code", f"{cell.id}-solution", source, "skip"))
    node.cells = cells
    return node


def answers_page(lessons: list[Notebook]) -> str:
    """One page: for each lesson the closing questions, the predictions and the exercises, each with its answer."""
    contents = "".join(
        f'<li><a href="#lesson{one.lesson.number}">{one.lesson.number} · {one.lesson.title}</a></li>' for one in lessons
    )
    intro = (
        "<h1>Every answer of the course</h1><p>For the instructor. Closing questions, predictions with the truth as the "
        "library computes it, and one solution of each exercise with the mistakes that the checks know by name.</p>"
    )
    body = "".join(map(_answers_of, lessons))
    return _pages.page("Every answer of the course", f"{intro}<ul>{contents}</ul>{body}")


def write_handout(folder: Path, lessons: list[Notebook], code: str, outputs: bool) -> list[Path]:
    """The students' set: notebooks without answers and notes, and the lock. ValueError for a code that is too short."""
    answers = {
        one.lesson.number: [{"question": found.question, "answer": found.answer} for found in one.answers]
        for one in lessons
    }
    sealed = handout.seal({"answers": answers}, code)
    written = [_write_notebook(folder / "notebooks", one, without_answers(one, outputs)) for one in lessons]
    lock, read_me = folder / "notebooks" / handout.LOCK, folder / "READ_ME.md"
    lock.write_text(sealed, encoding="utf-8")
    read_me.write_text(_READ_ME.format(lock=handout.LOCK), encoding="utf-8")
    return [*written, lock, read_me]


def without_answers(lesson: Notebook, outputs: bool = False) -> nbformat.NotebookNode:
    """The lesson without speaker notes and folded answers; a call of `answers` stands where answers were.

    outputs: keep the stored outputs. Those of predictions go in any case, because they fold the truth.
    """
    node = copy.deepcopy(lesson.node)
    cells = []
    for cell in node.cells:
        if _notebooks.is_notes(cell):
            continue
        had_answers = bool(_notebooks.folded_answers(cell))
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\n{3,}", "\n\n", _notebooks.without_folds(cell.source)).strip()
        elif not outputs or _notebooks.predicted(cell):
            cell.outputs, cell.execution_count = [], None
        cells.append(cell)
        if had_answers:
            source = f'from mobilenet_lib.course.handout import answers, unlock\n\nanswers("{lesson.lesson.number}")'
            cells.append(_new("code", f"{cell.id}-answers", source, "skip"))
    node.cells = cells
    return node


def _write_notebook(folder: Path, lesson: Notebook, node: nbformat.NotebookNode) -> Path:
    nbformat.validate(node)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / lesson.lesson.file_name
    path.write_text(nbformat.writes(node) + "\n", encoding="utf-8")
    return path


def _new(kind: str, cell_id: str, source: str, slide_type: str) -> nbformat.NotebookNode:
    make = {"code": nbformat.v4.new_code_cell, "markdown": nbformat.v4.new_markdown_cell}[kind]
    return make(source, id=cell_id[:64], metadata={"slideshow": {"slide_type": slide_type}})


def _truth(asked: Question) -> str:
    return f"**Truth:** {asked.written(asked.truth())}. {asked.why}"


def _answers_of(lesson: Notebook) -> str:
    number = lesson.lesson.number
    parts = [f'<h2 id="lesson{number}">{number} · {lesson.lesson.title}</h2>']
    if lesson.answers:
        parts.append("<h3>Closing questions</h3>")
    for found in lesson.answers:
        answer = _pages.markdown(found.answer)
        parts.append(f'{_pages.markdown(found.question)}<div class="answer">{answer}</div>')
    if lesson.questions:
        parts.append("<h3>Predictions</h3>")
    for asked in lesson.questions:
        choices = f" ({' · '.join(asked.choices)})" if asked.choices else ""
        parts.append(_pages.markdown(f"`{asked.id}` {asked.prompt}{choices}"))
        parts.append(f'<div class="answer">{_pages.markdown(_truth(asked))}</div>')
    tasks = [one for cell in lesson.cells for one in _notebooks.exercises_of(cell)]
    if tasks:
        parts.append("<h3>Exercises</h3>")
    for task in tasks:
        parts.append(_pages.markdown(f"`{task.name}` {task.prompt}"))
        known = "\n".join(f"- `{one.name}`: {one.message}" for one in task.misconceptions)
        answer = f"{_pages.code(task.solution)}<p>Mistakes with a name:</p>{_pages.markdown(known)}"
        parts.append(f'<div class="answer">{answer}</div>')
    return "".join(parts)
