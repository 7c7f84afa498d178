"""The list of lessons is in order. That it fits the notebooks is one of the rules in `notebook_rules.py`."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

from mobilenet_lib import course
from mobilenet_lib.course import LESSONS

ROOT = Path(__file__).resolve().parents[2]


def test_lessons_build_on_earlier_ones():
    numbers = [lesson.number for lesson in LESSONS]
    assert numbers[0] == "00"
    assert numbers == sorted(set(numbers)), "two lessons have the same number, or they stand out of order"
    for place, lesson in enumerate(LESSONS):
        assert set(lesson.prerequisites) <= set(numbers[:place]), f"{lesson.number} needs a lesson that comes later"
        assert lesson.question.endswith("?")
        assert lesson.minutes > 0


def test_lesson_is_found_by_number():
    assert course.lesson("02").title == "Depthwise separable convolution"
    with pytest.raises(ValueError, match=r"'77'.*00, 01, 02"):
        course.lesson("77")


def _links(text: str) -> list[str]:
    return re.findall(r"\]\((?:notebooks/)?(\d\d_\w+)\.ipynb\)", text)


def test_the_readme_and_lesson_00_name_every_lesson_in_order():
    stems = [lesson.stem for lesson in LESSONS]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert list(dict.fromkeys(_links(readme))) == stems
    assert _links(_cell(LESSONS[0], "way")) == stems[1:]


def test_every_lesson_ends_with_the_next_one():
    for lesson, following in zip(LESSONS, (*LESSONS[1:], LESSONS[0]), strict=True):
        assert _links(_cell(lesson, "references"))[-1:] == [following.stem]


def _cell(lesson: course.Lesson, name: str) -> str:
    notebook = nbformat.read(ROOT / "notebooks" / lesson.file_name, as_version=4)
    return next(cell.source for cell in notebook.cells if cell.id == name)
