"""The learner's progress: a map of the course, the calibration of the guesses, reset, and export for an instructor.

The records themselves are kept by `records`, in the file that `MOBILENET_PROGRESS` names or else in the user's
data folder. Introduced in lesson 00.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import environment
from mobilenet_lib._support.files import atomic_write, expanded
from mobilenet_lib._support.messages import Message
from mobilenet_lib.course import records
from mobilenet_lib.course.exercises import EXERCISES, Exercise
from mobilenet_lib.course.lessons import LESSONS
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.course.questions._question import Question, times_off

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "kind",
    "lesson",
    "id",
    "done",
    "first_answer",
    "latest_answer",
    "truth",
    "factor_off",
    "attempts",
    "misconceptions",
    "hints_used",
    "solution_seen",
    "points",
    "points_possible",
    "first_time",
    "done_time",
)


def show() -> None:
    """Display the map of the course: what is done in each lesson, and how good the guesses were.

    A run without a learner shows the empty map, so that the page is the same everywhere.
    """
    state = records.state() if environment.interactive() else {"guesses": {}, "exercises": {}}
    _Map(state).show()
    _tell_notes()


def frame() -> pd.DataFrame:
    """A row per prediction and exercise of the course, done or not, in the order of the lessons.

    kind: "prediction" or "exercise". lesson, id: which. done: answered or solved. first_answer, latest_answer: the
    guesses. truth: the answer, only where a guess was made. factor_off: first guess / truth, for numbers. attempts:
    guesses made or checks run. misconceptions: names of those met, in order, joined by "; ". hints_used: 0 to 2.
    solution_seen: whether the solution was opened. points, points_possible: for exercises. first_time, done_time: UTC.
    Empty (NaN or None) where there is nothing to say.
    """
    import pandas as pd

    state = records.state()
    rows = []
    for lesson in LESSONS:
        rows += [_question_row(asked, state) for asked in QUESTIONS.values() if asked.lesson == lesson.number]
        rows += [_exercise_row(task, state) for task in EXERCISES.values() if task.lesson == lesson.number]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def export(path: str | Path, student: str = "") -> Path:
    """Write `frame()` as CSV (UTF-8) for an instructor, with a first column `student` where a name is given.

    Returns the path. FileNotFoundError where its folder does not exist, OSError where it cannot be written; then an
    older file stays as it was.
    """
    path = expanded(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"the folder {path.parent} does not exist: make it, or choose another path")
    table = frame()
    if student:
        table.insert(0, "student", student)
    with atomic_write(path) as file:
        file.write(table.to_csv(index=False).encode())
    return path


def reset(confirm: bool = False) -> None:
    """Begin anew. The old progress is kept beside the file, under a name with the word "backup" and the time.

    Nothing happens without `confirm=True`. OSError where the file cannot be renamed.
    """
    if not confirm:
        Message("note", "Nothing was changed", ("To begin anew, run `progress.reset(confirm=True)`.",)).show()
        return
    kept = records.set_aside()
    where = f"The old progress is kept in {kept}." if kept else "There was no progress to keep."
    Message("right", "You begin anew", (where,)).show()


@dataclass(frozen=True)
class Calibration:
    """How good first guesses at numbers were.

    factors: guess / truth by question id. median_off: the middle of how many times off they were, in either direction,
    1 being exact. within_two: the fraction at most a factor of 2 off.
    """

    factors: dict[str, float]

    @property
    def median_off(self) -> float:
        return median(_times(factor) for factor in self.factors.values())

    @property
    def within_two(self) -> float:
        return sum(_times(factor) <= 2 for factor in self.factors.values()) / len(self.factors)


def calibration() -> Calibration | None:
    """The calibration of the learner's first guesses; None before the first guess at a number."""
    return _calibration(records.state())


def _times(factor: float) -> float:
    return max(factor, 1 / factor)


def _calibration(state: dict[str, Any]) -> Calibration | None:
    factors = {asked.id: asked.factor(entry["first"]) for asked, entry in _answered(state) if not asked.choices}
    return Calibration(factors) if factors else None


def _answered(state: dict[str, Any]) -> list[tuple[Question, dict[str, Any]]]:
    """The questions of the course with a guess, in its order. A guess of another kind than asked for is left out."""
    entries = state["guesses"]
    return [
        (asked, entries[asked.id])
        for asked in QUESTIONS.values()
        if asked.id in entries and asked.accepts(entries[asked.id]["first"])
    ]


def _question_row(asked: Question, state: dict[str, Any]) -> dict[str, Any]:
    row = {"kind": "prediction", "lesson": asked.lesson, "id": asked.id, "done": False, "attempts": 0}
    for found, entry in _answered(state):
        if found is asked:
            row |= {
                "done": True,
                "first_answer": entry["first"],
                "latest_answer": entry["latest"],
                "truth": asked.truth(),
                "factor_off": asked.factor(entry["first"]),
                "attempts": entry["guesses"],
                "first_time": entry["first_time"],
                "done_time": entry["first_time"],
            }
    return row


def _exercise_row(task: Exercise, state: dict[str, Any]) -> dict[str, Any]:
    row = {
        "kind": "exercise",
        "lesson": task.lesson,
        "id": task.name,
        "done": False,
        "attempts": 0,
        "hints_used": 0,
        "solution_seen": False,
        "points": 0,
        "points_possible": task.points,
    }
    entry = state["exercises"].get(task.name)
    if entry:
        attempts = entry["attempts"]
        row |= {
            "done": entry["solved"] is not None,
            "attempts": len(attempts),
            "hints_used": entry["hints"],
            "misconceptions": "; ".join(one["misconception"] for one in attempts if one["misconception"]),
            "solution_seen": entry["solution_seen"] is not None,
            "points": task.earned(entry),
            "first_time": attempts[0]["time"] if attempts else None,
            "done_time": entry["solved"],
        }
    return row


@dataclass(frozen=True)
class _Line:
    """One lesson of the map: what is done of what there is."""

    number: str
    title: str
    file_name: str
    predictions: tuple[int, int]
    exercises: tuple[int, int]
    points: tuple[int, int]

    @property
    def done(self) -> str:
        """In words and with a symbol, for readers who see no colours."""
        there_are = self.predictions[1] + self.exercises[1]
        finished = self.predictions[0] + self.exercises[0]
        if not there_are:
            return "– to read"
        return "✓ done" if finished == there_are else "◐ begun" if finished else "○ to do"


class _Map:
    """The map of the course for one state of the records, as text and as a page."""

    def __init__(self, state: dict[str, Any]) -> None:
        self.lines = [_line(lesson, state) for lesson in LESSONS]
        self.calibration = _calibration(state)

    def show(self) -> None:
        from IPython.display import display

        display(self)

    def __repr__(self) -> str:
        wide = max(len(line.title) for line in self.lines)
        rows = [self._summary(), f"{'lesson':{wide + 3}}  state    guesses  exercises  points"]
        for line in self.lines:
            counts = [_of(line.predictions), _of(line.exercises), _of(line.points)]
            rows.append(
                f"{line.number} {line.title:{wide}}  {line.done:9}{counts[0]:>7}  {counts[1]:>9}  {counts[2]:>6}"
            )
        rows += [self._calibrated()]
        if self.calibration:
            rows += [f"{name}: {_off(factor)}" for name, factor in self.calibration.factors.items()]
        return "\n".join(rows)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._page()}

    def _summary(self) -> str:
        totals = [
            (sum(getattr(line, part)[0] for line in self.lines), sum(getattr(line, part)[1] for line in self.lines))
            for part in ("predictions", "exercises", "points")
        ]
        return f"Your progress: {_of(totals[0])} guesses, {_of(totals[1])} exercises, {_of(totals[2])} points"

    def _calibrated(self) -> str:
        if self.calibration is None:
            return "Your guesses: none at a number yet."
        found = self.calibration
        return (
            f"Your guesses: the median of {len(found.factors)} first guesses is {found.median_off:.3g} times off; "
            f"{found.within_two:.0%} are within a factor of 2."
        )

    def _page(self) -> str:
        columns = [("Lesson", "left"), ("State", "left")]
        columns += [(name, "right") for name in ("Guesses", "Exercises", "Points")]
        head = "".join(
            f'<th scope="col" style="text-align: {align}; padding: 4px 14px">{name}</th>' for name, align in columns
        )
        body = "".join(_table_row(line) for line in self.lines)
        chart = _chart(self.calibration) if self.calibration else ""
        return (
            f'<div style="font-size: 110%; line-height: 1.5"><p><b>{self._summary()}</b></p>'
            f'<table style="font-size: inherit"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
            f"<p>{self._calibrated()}</p>{chart}</div>"
        )


def _line(lesson, state: dict[str, Any]) -> _Line:
    questions = [asked for asked in QUESTIONS.values() if asked.lesson == lesson.number]
    answered = [asked for asked, _ in _answered(state) if asked.lesson == lesson.number]
    tasks = [task for task in EXERCISES.values() if task.lesson == lesson.number]
    entries = state["exercises"]
    solved = [task for task in tasks if task.name in entries and entries[task.name]["solved"]]
    points = sum(task.earned(entries.get(task.name)) for task in tasks)
    return _Line(
        lesson.number,
        lesson.title,
        lesson.file_name,
        (len(answered), len(questions)),
        (len(solved), len(tasks)),
        (points, sum(task.points for task in tasks)),
    )


def _of(count: tuple[int, int]) -> str:
    return f"{count[0]} of {count[1]}" if count[1] else "–"


def _off(factor: float) -> str:
    return "right" if abs(factor - 1) <= 0.005 else times_off(factor)


def _table_row(line: _Line) -> str:
    link = f'<a href="{line.file_name}">{line.number} · {html.escape(line.title)}</a>'
    cells = [("left", line.done)] + [("right", _of(count)) for count in (line.predictions, line.exercises, line.points)]
    rest = "".join(f'<td style="text-align: {align}; padding: 4px 14px">{text}</td>' for align, text in cells)
    return f'<tr><th scope="row" style="text-align: left; padding: 4px 14px">{link}</th>{rest}</tr>'


_LARGEST = 100  # times off; longer bars are cut there, their text is not


def _chart(found: Calibration) -> str:
    """A bar per guess, to the left of the middle where too low, to the right where too high, on a logarithmic scale."""
    rows = "".join(_bar(name, factor) for name, factor in found.factors.items())
    columns = (("Guess", "left"), ("too low", "right"), ("too high", "left"), ("How far off", "left"))
    head = "".join(f'<th scope="col" style="text-align: {align}">{name}</th>' for name, align in columns)
    return f'<table style="font-size: inherit"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'


def _bar(name: str, factor: float) -> str:
    fraction = min(1.0, abs(math.log(factor)) / math.log(_LARGEST))
    length = round(140 * fraction)
    colour = "#0072B2" if factor < 1 else "#D55E00"
    bar = f'<span style="display: inline-block; height: 14px; width: {length}px; background: {colour}"></span>'
    low, high = (bar, "") if factor < 1 else ("", bar)
    side = "width: 140px; min-width: 140px; padding: 4px 0"
    return (
        f'<tr><th scope="row" style="text-align: left; padding: 4px 14px 4px 0">{html.escape(name)}</th>'
        f'<td style="text-align: right; {side}; border-right: 2px solid">{low}</td>'
        f'<td style="text-align: left; {side}">{high}</td>'
        f'<td style="text-align: left; padding: 4px 14px">{_off(factor)}</td></tr>'
    )


def _tell_notes() -> None:
    for note in records.take_notes():
        Message("note", "About your progress", (note,)).show()
