"""Exercises beside the lesson: write the function, then `check` it; `hint` and `solution` help on request.

    from mobilenet_lib.course.exercises import check, hint, solution

    check(output_size)
    hint(output_size)
    solution(output_size)
    layer = yours(depthwise_layer)(3, 5, 1)

Each takes the learner's function or its name; without an argument, the last exercise that was checked.
Introduced in lesson 01.
"""

from __future__ import annotations

import ast
import difflib
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mobilenet_lib._support import environment
from mobilenet_lib._support.messages import Code, Folded, Message
from mobilenet_lib.course import handout, records
from mobilenet_lib.course.exercises._checking import Report, examine
from mobilenet_lib.course.exercises._exercise import Exercise
from mobilenet_lib.course.exercises._values import short_repr
from mobilenet_lib.course.lesson_modules import lesson_modules

__all__ = ["EXERCISES", "check", "hint", "solution", "yours"]

EXERCISES: dict[str, Exercise] = {
    exercise.name: exercise for lesson in lesson_modules(__name__) for exercise in lesson.EXERCISES
}

_last_checked: str | None = None
_hints_given: dict[str, int] = {}
_passed: dict[str, Callable[..., Any]] = {}


def check(function: Callable[..., Any] | str | None = None) -> None:
    """Try the function on fixed and random cases, and say what is right or which mistake it makes.

    It runs for at most twenty seconds in all, on copies of the arguments. Its outcome is recorded in the progress.
    """
    global _last_checked
    exercise = _found(function)
    if exercise is None:
        return
    _last_checked = exercise.name
    if not callable(function):
        function = _of_learner(exercise.name)
        if function is None:
            text = "Run the cell that defines it first, then check again."
            _show(Message("wrong", f"{exercise.name}: no such function yet", (text,)))
            return
    report = examine(exercise, function)
    _passed.pop(exercise.name, None)
    if report.outcome == "correct":
        _passed[exercise.name] = function
    if report.outcome != "not attempted":
        records.record_attempt(exercise.name, report.outcome, report.misconception)
    blocks = (*report.message.blocks, *_points(exercise, report), *_older_definition(exercise.name))
    _show(replace(report.message, blocks=blocks))


def hint(function: Callable[..., Any] | str | None = None) -> None:
    """Show the next hint: a gentle one, then a plain one."""
    exercise = _found(function)
    if exercise is None:
        return
    number = _hints_given.get(exercise.name, 0) + 1
    if number > len(exercise.hints):
        blocks = tuple(f"Hint {order}: {text}" for order, text in enumerate(exercise.hints, 1))
        last = f"`solution({exercise.name})` shows one way to write it."
        _show(Message("note", f"{exercise.name}: there are no more hints", (*blocks, last)))
        return
    _hints_given[exercise.name] = number
    records.record_hint(exercise.name, number)
    title = f"{exercise.name}: hint {number} of {len(exercise.hints)}"
    _show(Message("note", title, (exercise.hints[number - 1],)))


def solution(function: Callable[..., Any] | str | None = None) -> None:
    """Show one way to write the function. Seen before the exercise is solved, it halves the points.

    In a hand-out it shows nothing before the instructor has opened the solutions (see `handout`).
    """
    exercise = _found(function)
    if exercise is None:
        return
    if handout.locked():
        _show(handout.why_locked())
        return
    records.record_solution(exercise.name)
    shown: Code | Folded = Code(exercise.solution)
    if not environment.interactive():
        # On a page, a reader must be able to try first.
        shown = Folded("Open to see it", (shown,))
    _show(Message("note", f"{exercise.name}: one way to write it", (shown,)))


def yours(function: Callable[..., Any]) -> Callable[..., Any]:
    """The learner's function where the last check of it, in this kernel, found it right; else the reference solution.

    KeyError for a function that belongs to no exercise.
    """
    name = _name_of(function)
    return function if _passed.get(name) is function else EXERCISES[name].reference


def _points(exercise: Exercise, report: Report) -> tuple[str, ...]:
    if report.outcome != "correct":
        return ()
    points = exercise.earned(records.state()["exercises"][exercise.name])
    reason = "" if points == exercise.points else ", as the solution was opened first"
    return (f"{points} of {exercise.points} points{reason}.",)


def _older_definition(name: str) -> tuple[str, ...]:
    """In a notebook, a sentence where Python could not read the newest cell that defines the function."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    cells = shell.user_ns.get("In", ()) if shell is not None else ()
    newest = next(
        (cell for cell in reversed(cells) if re.search(rf"^\s*((def|class) {name}\b|{name} *=)", cell, re.MULTILINE)),
        "",
    )
    try:
        ast.parse(newest)
    except SyntaxError as problem:
        where = f"line {problem.lineno} of its newest cell ({problem.msg})"
        return (f"This judges an older definition: Python could not read {where}. Mend that, and run the cell again.",)
    return ()


def _found(function: Callable[..., Any] | str | None) -> Exercise | None:
    """The exercise that is meant; where none can be, says so and returns None."""
    if function is None:
        if _last_checked is None:
            known = ", ".join(EXERCISES)
            text = f"Give its function, for example `check(output_size)`. There are: {known}."
            _show(Message("wrong", "Which exercise?", (text,)))
            return None
        return EXERCISES[_last_checked]
    if not isinstance(function, str) and not callable(function):
        given = f"You gave `{short_repr(function)}`."
        rule = "Give the function itself, without calling it: `check(output_size)`."
        _show(Message("wrong", "This is no function", (f"{given} {rule}",)))
        return None
    name = function if isinstance(function, str) else _name_of(function)
    if name in EXERCISES:
        return EXERCISES[name]
    close = difflib.get_close_matches(name, EXERCISES, n=1)
    meant = f"Did you mean `{close[0]}`? " if close else ""
    known = ", ".join(EXERCISES)
    _show(Message("wrong", f"There is no exercise {name}", (f"{meant}There are: {known}.",)))
    return None


def _name_of(function: Callable[..., Any]) -> str:
    """The name that the learner gave it, where a lambda, a partial or a wrapper has none of an exercise itself."""
    name = getattr(function, "__name__", type(function).__name__)
    given = (known for known in EXERCISES if _of_learner(known) is function)
    return name if name in EXERCISES else next(given, name)


def _of_learner(name: str) -> Callable[..., Any] | None:
    """The learner's function of this name: in the notebook, or in the program that was started."""
    import __main__

    found = getattr(__main__, name, None)
    return found if callable(found) else None


def _show(message: Message) -> None:
    message.show()
    for note in records.take_notes():
        Message("note", "About your progress", (note,)).show()
