"""The instructor's guide: for each lesson a page with its minutes, waits, cut points, stand-ins and speaker notes."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from mobilenet_lib.teaching import _pages, _room, _timing
from mobilenet_lib.teaching._notebooks import Notebook, Section
from mobilenet_lib.teaching._plan import SESSIONS, plan

INDEX = "index.html"


def write(folder: Path, lessons: list[Notebook]) -> list[Path]:
    """A page per lesson and an index."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / INDEX]
    written[0].write_text(index(lessons), encoding="utf-8")
    for lesson in lessons:
        path = folder / f"{lesson.lesson.stem}.html"
        path.write_text(guide(lesson), encoding="utf-8")
        written.append(path)
    return written


def index(lessons: list[Notebook]) -> str:
    """The course at a glance: minutes, waits, and what fits into a session."""
    rows = []
    for lesson in lessons:
        times, planned = _timing.recorded(lesson.lesson), lesson.lesson
        link = _pages.Html(f'<a href="{planned.stem}.html">{planned.number} · {html.escape(planned.title)}</a>')
        measured = [f"{times.total:.0f}", len(times.slow)] if times else ["–", "–"]
        rows.append([link, planned.minutes, lesson.exercise_minutes, *measured, *(_in_short(lesson, minutes) for minutes in SESSIONS)])  # fmt: skip
    head = ["lesson", "minutes to teach", "for exercises", "seconds of computing", "slow cells"]
    table = _pages.table(head + [f"in {minutes} minutes" for minutes in SESSIONS], rows, numbers=range(1, 5))
    body = (
        f"<h1>Instructor's guide</h1>{table}<p class='note'>Minutes are planned, seconds are measured; each page says on "
        f"what. A cell is slow from {_timing.SLOW:g} seconds on.</p>"
    )
    return _pages.page("Instructor's guide", body + _scale())


def _scale() -> str:
    """How much a student needs of a shared machine, and how many fit."""
    room = _room.recorded()
    if room is None:
        return (
            "<h2>How many fit on one machine</h2><p>Not measured yet: run "
            "<code>python tests/benchmark_room.py</code>.</p>"
        )
    rows = [
        [one["lesson"], one["kernel_peak_mb"], one["kernel_left_mb"], f"{one['cpu_seconds']:.0f}"]
        for one in room.lessons
    ]
    numbers = ", ".join(one["lesson"][:2] for one in room.lessons)
    one_lesson, all_open = room.one_lesson_mb, room.all_open_mb
    fit = [[memory, room.students(memory, one_lesson), room.students(memory, all_open)] for memory in _room.MACHINES]
    head = ["lesson", "kernel at its largest, MB", "after the last cell, MB", "CPU seconds"]
    fit_head = ["memory, GB", f"students, {one_lesson} MB each", f"students, {all_open} MB each"]
    machine = room.machine
    return (
        "<h2>How many fit on one machine</h2>"
        f"<p>Measured {room.started[:10]} on {html.escape(machine['processor'])} with {machine['cores']} cores and "
        f"{machine['memory_gb']:.0f} GB. {html.escape(room.conditions)} The server itself: {room.server_mb['started']} MB "
        f"after its start, {room.server_mb['at_the_end']} MB at the end.</p>"
        + _pages.table(head, rows, numbers=range(1, 4))
        + f"<p>A student with one lesson open needs at most {one_lesson} MB, one who leaves lessons {numbers} open "
        f"{all_open} MB. With {_room.FOR_THE_SYSTEM:g} GB for the system, that gives room for:</p>"
        + _pages.table(fit_head, fit, numbers=range(3))
        + "<p>Memory sets the limit while people read and guess. When a room trains at once (lesson 08), processors do: "
        "a cell takes as many times longer as there are students to a core. Give each student a limit above the second "
        "figure, and let idle kernels be stopped.</p>"
    )


def guide(lesson: Notebook) -> str:
    """The page of one lesson."""
    title = f"{lesson.lesson.number} · {lesson.lesson.title}"
    question = f"<p><b>The question:</b> {html.escape(lesson.lesson.question)}</p>"
    parts = [
        f"<h1>{html.escape(title)}</h1>{question}{_minutes(lesson)}",
        *(_session(lesson, minutes) for minutes in SESSIONS),
        "<h2>Speaker notes</h2>",
        *(f"<h3>{html.escape(where)}</h3>{_pages.markdown(text)}" for where, text in lesson.notes),
        _waits(lesson),
    ]
    return _pages.page(f"Guide to {title}", _pages.linked("".join(parts)))


def _minutes(lesson: Notebook) -> str:
    rows = [[section.title, f"{section.minutes:.0f}", _exercises(lesson, section)] for section in lesson.sections]
    apart = f", and {lesson.exercise_minutes} for the exercises" if lesson.exercise_minutes else ""
    return (
        f"<p><b>{lesson.lesson.minutes} minutes to teach</b>{apart}. The lesson states these; they are spread over "
        "its sections by their slides and fragments.</p>"
        + _pages.table(["section", "minutes", "exercises"], rows, numbers=(1,))
    )


def _exercises(lesson: Notebook, section: Section) -> str:
    return ", ".join(
        f"{one.name} ({lesson.minutes_for(one):.0f} minutes)" if lesson.exercise_minutes else one.name
        for one in section.exercises
    )


def _session(lesson: Notebook, available: int) -> str:
    made = plan(lesson, available)
    said = [f"<h2>In {available} minutes</h2><p>Planned: {made.minutes:.0f} minutes.</p>"]
    if made.homework:
        names = ", ".join(f"<code>{one.name}</code>" for one in made.homework)
        said.append(f"<p>Exercises to do at home: {names}.</p>")
    if made.left_out:
        items = "".join(
            f"<li>{html.escape(one.title)} (cell <code>{one.id}</code>, {one.minutes:.0f} minutes)</li>"
            for one in made.left_out
        )
        said.append(
            f"<p>Leave out:</p><ul>{items}</ul><p>Run their cells all the same, later ones may use their names: "
            "<i>Run → Run All Cells</i> before the class, then skip their slides.</p>"
        )
    if not made.homework and not made.left_out:
        said.append("<p>Everything fits, exercises too.</p>")
    return "".join(said)


def _in_short(lesson: Notebook, available: int) -> str:
    made = plan(lesson, available)
    parts = [f"without {_counted(made.left_out, 'section')}"] if made.left_out else []
    parts += [f"{_counted(made.homework, 'exercise')} at home"] if made.homework else []
    return ", ".join(parts) or "all of it"


def _counted(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _waits(lesson: Notebook) -> str:
    times = _timing.recorded(lesson.lesson)
    if times is None:
        return "<h2>Seconds per cell</h2><p>Not measured yet: run <code>python -m mobilenet_lib.teaching timing</code>.</p>"
    known = {cell.id: cell for cell in lesson.cells}
    parts = [
        f"<h2>Seconds per cell</h2><p>{times.total:.1f} s in all, {html.escape(times.source)}. "
        f"{html.escape(times.conditions)}</p>"
    ]
    stale = [name for name in times.seconds if name not in known]
    if stale or set(times.seconds) != {cell.id for cell in lesson.cells if cell.cell_type == "code"}:
        parts.append("<p><b>The lesson has changed since.</b> Cells without a time were not there.</p>")
    slow = {name: taken for name, taken in times.slow.items() if name in known}
    if not slow:
        parts.append(f"<p>No cell takes {_timing.SLOW:g} seconds.</p>")
    for name, taken in slow.items():
        parts.append(
            f"<h3>Slow: <code>{name}</code>, {taken:.1f} s. If it makes the room wait, show this</h3>"
            f"{_pages.code(known[name].source)}{_pages.outputs(known[name]) or '<p>(It shows nothing.)</p>'}"
        )
    rows = [[name, f"{taken:.2f}"] for name, taken in times.seconds.items() if name in known]
    parts.append(f"<h3>All cells</h3>{_pages.table(['cell', 'seconds'], rows, numbers=(1,))}")
    return "".join(parts)
