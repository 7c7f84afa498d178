"""What fits into a session: a lesson's sections and exercises for so many minutes."""

from __future__ import annotations

from dataclasses import dataclass

from mobilenet_lib import course
from mobilenet_lib.course.exercises import Exercise
from mobilenet_lib.teaching._notebooks import Notebook, Section

SESSIONS = (45, 90)  # minutes

_NEVER = ("What you have learned", "Recap", "questions", "References")


@dataclass(frozen=True)
class Plan:
    """A lesson in a session. left_out: sections, in the lesson's order. homework: exercises for later."""

    minutes: float
    left_out: tuple[Section, ...]
    homework: tuple[Exercise, ...]


def plan(lesson: Notebook, available: int) -> Plan:
    """Make exercises homework, the last one first, until the lesson fits; if it still does not, leave out sections.

    `course.CUTS` says which sections go first; after them, and in a lesson without an entry, the last go first. The
    opening, the recap, the questions and the references always stay.
    """
    minutes = lesson.lesson.minutes
    exercises = [one for section in lesson.sections for one in section.exercises]
    minutes += sum(map(lesson.minutes_for, exercises))
    homework, left_out = [], []
    while minutes > available and exercises:
        homework.insert(0, exercises.pop())
        minutes -= lesson.minutes_for(homework[0])
    for section in _order(lesson):
        if minutes <= available:
            break
        left_out.append(section)
        minutes -= section.minutes
    kept_order = sorted(left_out, key=lesson.sections.index)
    # Minutes are a plan, not a measurement: a thousandth is rounding of floating point.
    return Plan(round(minutes, 3), tuple(kept_order), tuple(homework))


def _order(lesson: Notebook) -> list[Section]:
    by_id = {section.id: section for section in lesson.sections}
    first = [by_id[name] for name in course.CUTS.get(lesson.lesson.number, ()) if name in by_id]
    rest = [
        section
        for section in reversed(lesson.sections[1:])
        if section not in first and not any(word in section.title for word in _NEVER)
    ]
    return first + rest
