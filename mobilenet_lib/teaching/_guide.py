"""The instructor's guide: for each lesson a page with its minutes, waits, cut points, stand-ins and speaker notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat

from mobilenet_lib import course
from mobilenet_lib.course.exercises import Exercise
from mobilenet_lib.teaching import _measured, _notebooks, _pages
from mobilenet_lib.teaching._notebooks import Notebook, Section
from mobilenet_lib.teaching._pages import counted, plain

INDEX = "index.html"
SESSIONS = (45, 90)  # minutes
MACHINES = (4, 8, 16, 32, 64)  # GB of memory

_NEVER = ("What you have learned", "Recap", "questions", "References")
_RUN_THEM = """Run their cells all the same, later ones may use their names: *Run → Run All Cells* before the class,
then skip their slides."""
_HEADS = {
    "lesson": "lesson",
    "kernel_peak_mb": "kernel at its largest, MB",
    "kernel_left_mb": "after the last cell, MB",
    "cpu_seconds": "CPU seconds",
}


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
    exercises = [one for section in lesson.sections for one in section.exercises]
    minutes = lesson.lesson.minutes + sum(map(lesson.minutes_for, exercises))
    homework, left_out = [], []
    while minutes > available and exercises:
        homework.insert(0, exercises.pop())
        minutes -= lesson.minutes_for(homework[0])
    for section in _first_to_go(lesson):
        if minutes <= available:
            break
        left_out.append(section)
        minutes -= section.minutes
    left_out.sort(key=lesson.sections.index)
    # Minutes are a plan, not a measurement: a thousandth is rounding of floating point.
    return Plan(round(minutes, 3), tuple(left_out), tuple(homework))


def _first_to_go(lesson: Notebook) -> list[Section]:
    by_id = {section.id: section for section in lesson.sections}
    named = [by_id[name] for name in course.CUTS.get(lesson.lesson.number, ()) if name in by_id]
    rest = [one for one in reversed(lesson.sections[1:]) if not any(word in one.title for word in _NEVER)]
    return named + [one for one in rest if one not in named]


def write(folder: Path, lessons: list[Notebook]) -> list[Path]:
    """A page per lesson and an index."""
    made = {f"{one.lesson.stem}.html": _notebooks.linked(guide(one), lessons) for one in lessons}
    pages = [_pages.write(folder / name, page) for name, page in made.items()]
    return [_pages.write(folder / INDEX, index(lessons)), *pages]


def index(lessons: list[Notebook]) -> str:
    """The course at a glance: minutes, waits, and what fits into a session."""
    import pandas as pd

    table = _pages.table(pd.DataFrame(map(_index_row, lessons)), {"seconds of computing": "{:.0f}".format})
    slow = f"A cell is slow from {_measured.SLOW:g} s on."
    note = f"Minutes are planned, seconds are measured; each page says on what. {slow}"
    return _pages.page("Instructor's guide", ["# Instructor's guide", table, note, _scale()])


def _index_row(lesson: Notebook) -> dict[str, object]:
    times = _measured.times(lesson.lesson)
    return {
        "lesson": f"[{lesson.title}]({lesson.lesson.file_name})",
        "minutes to teach": lesson.lesson.minutes,
        "for exercises": lesson.exercise_minutes,
        "seconds of computing": times.total if times else None,
        "slow cells": str(len(times.slow)) if times else None,
        **{f"in {minutes} minutes": _in_short(plan(lesson, minutes)) for minutes in SESSIONS},
    }


def _scale() -> str:
    """How much a student needs of a shared machine, and how many fit."""
    import pandas as pd

    title, room = "## How many fit on one machine", _measured.room()
    if room is None:
        return f"{title}\n\nNot measured yet: run `{_measured.ROOM_COMMAND}`."
    taken = pd.DataFrame(room.lessons)[[*_HEADS]].rename(columns=_HEADS)
    numbers = ", ".join(one["lesson"][:2] for one in room.lessons)
    each = (room.one_lesson_mb, room.all_open_mb)
    fit = pd.DataFrame({f"students, {mb} MB each": [room.students(gb, mb) for gb in MACHINES] for mb in each})
    fit.insert(0, "memory, GB", MACHINES)
    machine, server = room.machine, room.server_mb
    return f"""{title}

Measured {room.started[:10]} on {plain(machine["processor"])} with {counted(machine["cores"], "core")} and
{machine["memory_gb"]:.0f} GB. {plain(room.conditions)} The server itself: {server["started"]} MB after its start,
{server["at_the_end"]} MB at the end.

{_pages.table(taken, {"CPU seconds": "{:.0f}".format})}

A student with one lesson open needs at most {each[0]} MB, one who leaves lessons {numbers} open {each[1]} MB. With
{_measured.FOR_THE_SYSTEM:g} GB for the system, that gives room for:

{_pages.table(fit)}

Memory sets the limit while people read and guess. When a room trains at once (lesson 08), processors do: a cell takes
as many times longer as there are students to a core. Give each student a limit above the second figure, and let idle
kernels be stopped.
"""


def guide(lesson: Notebook) -> str:
    """The page of one lesson."""
    cells = [
        f"# {lesson.title}\n\n**The question:** {lesson.lesson.question}",
        _minutes(lesson),
        *(_session(plan(lesson, minutes), minutes) for minutes in SESSIONS),
        "## Speaker notes",
        *(f"### {where}\n\n{text}" for where, text in lesson.notes),
        *_waits(lesson),
    ]
    return _pages.page(f"Guide to {lesson.title}", cells)


def _minutes(lesson: Notebook) -> str:
    import pandas as pd

    rows = [(one.title, one.minutes or None, _exercises(lesson, one)) for one in lesson.sections]
    frame = pd.DataFrame(rows, columns=["section", "minutes", "exercises"])
    table = _pages.table(frame.astype({"minutes": float}), {"minutes": "{:.0f}".format})
    apart = f", and {lesson.exercise_minutes} for the exercises" if lesson.exercise_minutes else ""
    return f"""**{counted(lesson.lesson.minutes, "minute")} to teach**{apart}. The lesson states these; they are spread
over its sections by their slides and fragments.

{table}"""


def _exercises(lesson: Notebook, section: Section) -> str:
    minutes = [f" ({counted(lesson.minutes_for(one), 'minute')})" for one in section.exercises]
    told = minutes if lesson.exercise_minutes else [""] * len(minutes)
    return ", ".join(f"`{one.name}`{time}" for one, time in zip(section.exercises, told, strict=True))


def _session(made: Plan, available: int) -> str:
    said = [f"## In {available} minutes", f"Planned: {counted(made.minutes, 'minute')}."]
    if made.homework:
        said.append(f"Exercises to do at home: {', '.join(f'`{one.name}`' for one in made.homework)}.")
    if made.left_out:
        items = (f"- {one.title} (cell `{one.id}`, {counted(one.minutes, 'minute')})" for one in made.left_out)
        said += ["Leave out:", "\n".join(items), _RUN_THEM]
    if not made.homework and not made.left_out:
        said.append("Everything fits, exercises too.")
    return "\n\n".join(said)


def _in_short(made: Plan) -> str:
    parts = [f"without {counted(len(made.left_out), 'section')}"] if made.left_out else []
    parts += [f"{counted(len(made.homework), 'exercise')} at home"] if made.homework else []
    return ", ".join(parts) or "all of it"


def _waits(lesson: Notebook) -> Iterator[str | nbformat.NotebookNode]:
    """Seconds per cell, and each slow cell with what it shows, for a room that would wait."""
    import pandas as pd

    yield "## Seconds per cell"
    times = _measured.times(lesson.lesson)
    if times is None:
        yield f"Not measured yet: run `{_measured.TIMES_COMMAND}`."
        return
    known = {cell.id: cell for cell in lesson.cells if cell.cell_type == "code"}
    yield f"{times.total:.1f} s in all, {plain(times.source)}. {plain(times.conditions)}"
    if set(times.seconds) != set(known):
        yield "**The lesson has changed since.** Cells without a time were not there."
    slow = {name: taken for name, taken in times.slow.items() if name in known}
    if not slow:
        yield f"No cell takes {_measured.SLOW:g} seconds."
    for name, taken in slow.items():
        instead = "If it makes the room wait, show this" if known[name].outputs else "It shows nothing"
        yield f"### Slow: `{name}`, {taken:.1f} s. {instead}"
        yield known[name]
    rows = [(f"`{name}`", taken) for name, taken in times.seconds.items() if name in known]
    frame = pd.DataFrame(rows, columns=["cell", "seconds"])
    yield f"### All cells\n\n{_pages.table(frame, {'seconds': '{:.2f}'.format})}"
