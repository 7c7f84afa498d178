"""Two sets of notebooks made from the lessons: the instructor's with every answer, the students' with none."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import nbformat

from mobilenet_lib.course import handout
from mobilenet_lib.course.exercises import Exercise
from mobilenet_lib.course.questions._question import Question
from mobilenet_lib.teaching import _notebooks, _pages
from mobilenet_lib.teaching._notebooks import Notebook

ANSWERS_PAGE = "answers.html"

_READ_ME = f"""# The lessons, for students

To start: run `mobilenet-course` in this folder, where the course is installed by pip. With a copy of the course and uv,
run `uv run --no-dev mobilenet-course FOLDER` in that copy, FOLDER being the path of this folder. JupyterLab opens the
first lesson. Keep `{handout.SETTING}` beside the notebooks.

Guesses, exercises and hints work as always. `solution(...)` shows a solution once your instructor has opened them. The
answers to the closing questions are left out: your instructor has them. In a copy of your own, put the new
`{handout.SETTING}` that you are then given in place of the old one.

To hand in your progress: `from mobilenet_lib.course import progress`, then
`progress.export("your_name.csv", student="Your Name")`, with your own name in both places.

The setting keeps solutions from being met by accident, no more. The library checks your functions against its own, so
its source holds the solutions, and whoever wants to look can find them.
"""
_CLOSING = "*The answers are left out here. Write down your own first; your instructor has them.*"
_INTRO = """# Every answer of the course

For the instructor. Closing questions, questions to guess at with the truth as the library computes it, and one solution
of each exercise with the mistakes that the checks know by name.
"""


def write_copy(folder: Path, lessons: list[Notebook]) -> list[Path]:
    """The instructor's copy: notebooks with solutions and truths filled in, and one page with every answer."""
    written = [_write_notebook(folder / "notebooks", one, with_answers(one), lessons) for one in lessons]
    page = answers_page(lessons, lesson_link="notebooks/{}.ipynb")
    return [*written, _pages.write(folder / ANSWERS_PAGE, page)]


def with_answers(lesson: Notebook) -> nbformat.NotebookNode:
    """The lesson with a notes cell below each guess, its truth, and a solved cell below each exercise."""
    node = copy.deepcopy(lesson.node)
    node.cells = list(chain(*map(_with_answers, node.cells)))
    return node


def _with_answers(cell: nbformat.NotebookNode) -> Iterator[nbformat.NotebookNode]:
    yield cell
    for asked in _notebooks.predicted(cell):
        text = f"<details><summary>Speaker notes: the truth</summary>\n\n{_truth(asked)}\n\n</details>"
        yield nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-truth"[:64], metadata=_slide("notes"))
    for exercise in _notebooks.exercises_of(cell):
        source = f"# One way to write it\n{_notebooks.solved(exercise)}"
        yield nbformat.v4.new_code_cell(source, id=f"{cell.id}-solution"[:64], metadata=_slide("skip"))


def _slide(slide_type: str) -> dict[str, dict[str, str]]:
    return {"slideshow": {"slide_type": slide_type}}


def answers_page(lessons: list[Notebook], lesson_link: str = "{}.ipynb") -> str:
    """One page: for each lesson the closing questions, the questions to guess at and the exercises, with answers."""
    contents = "\n".join(f"- [{one.title}](#lesson{one.lesson.number})" for one in lessons)
    parts = [_INTRO, contents, *(_notebooks.linked(part, lessons) for one in lessons for part in _answers_of(one))]
    return _pages.page("Every answer of the course", parts, lesson_link=lesson_link)


def write_handout(folder: Path, lessons: list[Notebook], outputs: bool) -> list[Path]:
    """The students' set: notebooks without answers and notes, and the setting that keeps solutions closed."""
    notebooks = folder / "notebooks"
    written = [_write_notebook(notebooks, one, without_answers(one, outputs), lessons) for one in lessons]
    read_me = _pages.write(folder / "READ_ME.md", _READ_ME)
    return [*written, handout.write(notebooks, handout.CLOSED), read_me]


def without_answers(lesson: Notebook, outputs: bool = False) -> nbformat.NotebookNode:
    """The lesson without speaker notes and folded answers; a line stands where the answers were.

    outputs: keep the stored outputs. Those of `predict` go in any case, because they fold the truth.
    """
    node = copy.deepcopy(lesson.node)
    node.cells = [cell for cell in node.cells if not _notebooks.is_notes(cell)]
    for cell in node.cells:
        if cell.cell_type == "markdown":
            closing = f"\n\n{_CLOSING}" if _notebooks.folded_answers(cell) else ""
            cell.source = _notebooks.without_folds(cell).source + closing
        elif cell.cell_type == "code" and (not outputs or _notebooks.predicted(cell)):
            cell.outputs, cell.execution_count = [], None
    return node


def set_handout(folder: Path, state: str) -> list[Path]:
    """Open or close the solutions of a hand-out, or of a folder of its notebooks. ValueError where it is none.

    An open one also gets the page with every answer of its lessons; closed again, it loses it.
    """
    inside = next((one for one in (folder, folder / "notebooks") if (one / handout.SETTING).exists()), None)
    if inside is None:
        raise ValueError(f"{folder} holds no {handout.SETTING}: name the folder that the command handout has written")
    page = inside / ANSWERS_PAGE
    setting = handout.write(inside, state)
    if state == handout.CLOSED:
        page.unlink(missing_ok=True)
        return [setting]
    lessons = [one for one in _notebooks.lessons() if (inside / one.lesson.file_name).exists()]
    return [setting, _pages.write(page, answers_page(lessons))]


def _write_notebook(folder: Path, lesson: Notebook, node: nbformat.NotebookNode, lessons: list[Notebook]) -> Path:
    """Write it with links to `lessons` only."""
    for cell in node.cells:
        if cell.cell_type == "markdown":
            cell.source = _notebooks.linked(cell.source, lessons)
        for output in cell.get("outputs", []):
            if "text/html" in output.get("data", {}):
                output.data["text/html"] = _notebooks.linked(output.data["text/html"], lessons)
    nbformat.validate(node)
    return _pages.write(folder / lesson.lesson.file_name, nbformat.writes(node) + "\n")


def _truth(asked: Question) -> str:
    return f"**Truth:** {asked.written(asked.truth())}. {asked.why}"


def _answers_of(lesson: Notebook) -> Iterator[str]:
    """The lesson's part of the page, as Markdown."""
    yield f'<h2 id="lesson{lesson.lesson.number}">{lesson.title}</h2>'
    if lesson.answers:
        yield "### Closing questions"
    for found in lesson.answers:
        yield f"{found.question}\n\n{_pages.answer(found.answer)}"
    if lesson.questions:
        yield "### Guesses"
    for asked in lesson.questions:
        choices = f" ({' · '.join(asked.choices)})" if asked.choices else ""
        yield f"`{asked.id}` {asked.prompt}{choices}\n\n{_pages.answer(_truth(asked))}"
    tasks = [one for cell in lesson.cells for one in _notebooks.exercises_of(cell)]
    if tasks:
        yield "### Exercises"
    yield from map(_task, tasks)


def _task(task: Exercise) -> str:
    known = "\n".join(f"- `{one.name}`: {one.message}" for one in task.misconceptions)
    solved = f"```python\n{task.solution}\n```\n\nMistakes with a name:\n\n{known}"
    return f"`{task.name}` {task.prompt}\n\n{_pages.answer(solved)}"
