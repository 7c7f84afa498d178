"""The list of lessons is that of the notebooks, and each notebook asks exactly what the library holds for it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import nbformat
import pytest

from mobilenet_lib import course
from mobilenet_lib.course import LESSONS, Lesson
from mobilenet_lib.exercises import EXERCISES
from mobilenet_lib.questions import QUESTIONS

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def notebook(lesson: Lesson) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / lesson.file_name, as_version=4)


def trees(lesson: Lesson) -> list[ast.Module]:
    return [ast.parse(cell.source) for cell in notebook(lesson).cells if cell.cell_type == "code"]


def first_arguments(lesson: Lesson, function: str) -> list[str]:
    """The first argument of each call of `function`, in order, as text."""
    calls = [
        node for tree in trees(lesson) for node in ast.walk(tree) if isinstance(node, ast.Call)
    ]
    found = [
        call.args[0] for call in calls if getattr(call.func, "id", "") == function and call.args
    ]
    return [node.value if isinstance(node, ast.Constant) else ast.unparse(node) for node in found]


def test_lessons_are_the_notebooks():
    assert [lesson.file_name for lesson in LESSONS] == sorted(
        path.name for path in NOTEBOOKS.glob("*.ipynb")
    )


def test_lessons_build_on_earlier_ones():
    numbers = [lesson.number for lesson in LESSONS]
    assert numbers == sorted(set(numbers))
    for place, lesson in enumerate(LESSONS):
        assert set(lesson.prerequisites) <= set(numbers[:place]), (
            f"{lesson.number} needs a lesson that comes later"
        )
        assert lesson.question.endswith("?")
        assert lesson.minutes > 0


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_opening_of_the_notebook_says_the_same(lesson: Lesson):
    cells = notebook(lesson).cells
    assert cells[0].source.splitlines()[0] == f"# {lesson.number} · {lesson.title}"
    opening = "\n".join(cell.source for cell in cells[:4] if cell.cell_type == "markdown")
    assert re.search(rf"\b{lesson.minutes} minutes", opening), (
        f"course.py says {lesson.minutes} minutes"
    )


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_notebook_asks_every_question_of_its_lesson_once(lesson: Lesson):
    of_lesson = [asked.id for asked in QUESTIONS.values() if asked.lesson == lesson.number]
    assert sorted(first_arguments(lesson, "predict")) == sorted(of_lesson)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.number)
def test_notebook_holds_every_exercise_of_its_lesson_as_a_stub(lesson: Lesson):
    of_lesson = [task for task in EXERCISES.values() if task.lesson == lesson.number]
    assert sorted(first_arguments(lesson, "check")) == sorted(task.name for task in of_lesson)
    stubs = {
        node.name: ast.unparse(node)
        for tree in trees(lesson)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in EXERCISES
    }
    for task in of_lesson:
        assert stubs[task.name] == ast.unparse(ast.parse(task.starter)), (
            f"put its starter back:\n{task.starter}"
        )


def test_lesson_is_found_by_number():
    assert course.lesson("02").title == "Depthwise separable convolution"
    with pytest.raises(ValueError, match=r"'03'.*00, 01, 02"):
        course.lesson("03")
