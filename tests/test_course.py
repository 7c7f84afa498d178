"""The list of lessons is in order. That it fits the notebooks is one of the rules in `notebook_rules.py`."""

from __future__ import annotations

import pytest

from mobilenet_lib import course
from mobilenet_lib.course import LESSONS


def test_lessons_build_on_earlier_ones():
    numbers = [lesson.number for lesson in LESSONS]
    assert numbers == sorted(set(numbers))
    for place, lesson in enumerate(LESSONS):
        assert set(lesson.prerequisites) <= set(numbers[:place]), (
            f"{lesson.number} needs a lesson that comes later"
        )
        assert lesson.question.endswith("?")
        assert lesson.minutes > 0


def test_lesson_is_found_by_number():
    assert course.lesson("02").title == "Depthwise separable convolution"
    with pytest.raises(ValueError, match=r"'77'.*00, 01, 02"):
        course.lesson("77")
