"""The learner's progress: a map of the course, the calibration of the guesses, reset, and export for an instructor.

The records themselves are kept by `records`, in the file that `MOBILENET_PROGRESS` names or else in the user's
data folder. Introduced in lesson 00.
"""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import environment
from mobilenet_lib._support.files import atomic_write, expanded
from mobilenet_lib._support.messages import Message
from mobilenet_lib.course import records
from mobilenet_lib.course.exercises import EXERCISES, Exercise
from mobilenet_lib.course.lessons import LESSONS, Lesson
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.course.questions._question import Question, times_off

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    *("kind", "lesson", "id", "done", "first_answer", "latest_answer", "truth", "factor_off", "attempts"),
    *("misconceptions", "hints_used", "solution_seen", "points", "points_possible"),
    *("first_time", "done_time", "latest_time"),
)
FORMULA = "=+-@\t\r"  # with which a formula begins in a spreadsheet
Row = dict[str, Any]  # of `frame`: what stands in its columns

_UNTOUCHED = {"attempts": [], "hints": 0, "solution_seen": None, "solved": None}
_LARGEST = 100  # times off; longer bars of the map are cut there, their text is not


def show() -> None:
    """Display the map of the course: what is done in each lesson, and how good the guesses were.

    A run without a learner shows the empty map, so that the page is the same everywhere.
    """
    from IPython.display import display

    state = records.state() if environment.interactive() else {"guesses": {}, "exercises": {}}
    display(_Map(state))
    for note in records.take_notes():
        Message("note", "About your progress", (note,)).show()


def frame() -> pd.DataFrame:
    """A row per prediction and exercise of the course, done or not, in the order of the lessons.

    kind: "prediction" or "exercise". lesson, id: which. done: answered or solved. first_answer, latest_answer: the
    guesses. truth: the answer, only where a guess was made. factor_off: first guess / truth, for numbers. attempts:
    guesses made or checks run. misconceptions: names of those met, in order, joined by "; ". hints_used: 0 to 2.
    solution_seen: whether the solution was opened. points, points_possible: for exercises. first_time, done_time,
    latest_time: UTC; the last is that of the latest guess, check or first look at the solution. Empty (NaN or None)
    where there is nothing to say.
    """
    import pandas as pd

    return pd.DataFrame(_rows(records.state()), columns=list(COLUMNS))


def export(path: str | Path, student: str = "") -> Path:
    """Write `frame()` as CSV for an instructor, with a first column `student` where a name is given.

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
        file.write(for_spreadsheet(table))
    return path


def for_spreadsheet(table: pd.DataFrame) -> bytes:
    """A table as CSV in UTF-8, with the mark by which Excel knows it; what it would take for a formula stays text."""
    safe = table.map(lambda one: f"'{one}" if isinstance(one, str) and one[:1] in FORMULA and one else one)
    return safe.to_csv(index=False).encode("utf-8-sig", errors="replace")


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
    median_off: float
    within_two: float


def calibration() -> Calibration | None:
    """The calibration of the learner's first guesses; None before the first guess at a number."""
    return _calibration(_rows(records.state()))


def _calibration(rows: list[Row]) -> Calibration | None:
    factors = {row["id"]: row["factor_off"] for row in rows if row.get("factor_off") is not None}
    off = [max(factor, 1 / factor) for factor in factors.values()]
    return Calibration(factors, median(off), fmean(times <= 2 for times in off)) if off else None


def _rows(state: records.State) -> list[Row]:
    """The rows of `frame` for one state of the records: of each lesson first the questions, then the exercises."""
    rows = [_question_row(asked, state["guesses"].get(asked.id)) for asked in QUESTIONS.values()]
    rows += [_exercise_row(task, state["exercises"].get(task.name, _UNTOUCHED)) for task in EXERCISES.values()]
    return sorted(rows, key=lambda row: row["lesson"])


def _question_row(asked: Question, entry: dict[str, Any] | None) -> Row:
    row = {"kind": "prediction", "lesson": asked.lesson, "id": asked.id, "done": False, "attempts": 0}
    # A guess of another kind than the question asks for was made before the question changed.
    if entry is None or not asked.accepts(entry["first"]):
        return row
    return row | {
        "done": True,
        "first_answer": entry["first"],
        "latest_answer": entry["latest"],
        "truth": asked.truth(),
        "factor_off": asked.factor(entry["first"]),
        "attempts": entry["guesses"],
        "first_time": entry["first_time"],
        "done_time": entry["first_time"],
        "latest_time": entry["latest_time"],
    }


def _exercise_row(task: Exercise, entry: dict[str, Any]) -> Row:
    attempts = entry["attempts"]
    times = [one["time"] for one in attempts] + [entry["solution_seen"] or ""]
    return {
        "kind": "exercise",
        "lesson": task.lesson,
        "id": task.name,
        "done": entry["solved"] is not None,
        "attempts": len(attempts),
        "misconceptions": "; ".join(one["misconception"] for one in attempts if one["misconception"]) or None,
        "hints_used": entry["hints"],
        "solution_seen": entry["solution_seen"] is not None,
        "points": task.earned(entry),
        "points_possible": task.points,
        "first_time": attempts[0]["time"] if attempts else None,
        "done_time": entry["solved"],
        "latest_time": max(times) or None,
    }


class _Map:
    """The map of the course for one state of the records, as text and as a page."""

    def __init__(self, state: records.State) -> None:
        rows = _rows(state)
        self.calibration = _calibration(rows)
        self.summary = "Your progress: {} guesses, {} exercises, {} points".format(*_counts(rows))
        of_lesson = {one.number: [row for row in rows if row["lesson"] == one.number] for one in LESSONS}
        self.lines = [(one, _done(of_lesson[one.number]), _counts(of_lesson[one.number])) for one in LESSONS]

    def __repr__(self) -> str:
        wide = max(len(lesson.title) for lesson in LESSONS)
        rows = [self.summary, f"{'lesson':{wide + 3}}  state    guesses  exercises  points"]
        for lesson, done, (guesses, exercises, points) in self.lines:
            rows.append(f"{lesson.number} {lesson.title:{wide}}  {done:9}{guesses:>7}  {exercises:>9}  {points:>6}")
        rows.append(self._calibrated())
        if self.calibration:
            rows += [f"{name}: {_off(factor)}" for name, factor in self.calibration.factors.items()]
        return "\n".join(rows)

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._page()}

    def _calibrated(self) -> str:
        found = self.calibration
        if found is None:
            return "Your guesses: none at a number yet."
        return (
            f"Your guesses: the median of {len(found.factors)} first guesses is {found.median_off:.3g} times off; "
            f"{found.within_two:.0%} are within a factor of 2."
        )

    def _page(self) -> str:
        columns = {"Lesson": "left", "State": "left", "Guesses": "right", "Exercises": "right", "Points": "right"}
        table = _table(columns, [_lesson_cells(*line) for line in self.lines], padding="; padding: 4px 14px")
        # A bar per guess, left of the middle where it was too low, right where too high, on a logarithmic scale.
        columns = {"Guess": "left", "too low": "right", "too high": "left", "How far off": "left"}
        factors = self.calibration.factors if self.calibration else {}
        bars = _table(columns, [_bar_cells(*guess) for guess in factors.items()]) if factors else ""
        return (
            f'<div style="font-size: 110%; line-height: 1.5"><p><b>{self.summary}</b></p>{table}'
            f"<p>{self._calibrated()}</p>{bars}</div>"
        )


def _counts(rows: list[Row]) -> list[str]:
    """Guesses, exercises and points of the rows, each like "2 of 7", or a dash where there are none to have."""
    done = [[row["done"] for row in rows if row["kind"] == kind] for kind in ("prediction", "exercise")]
    points, possible = (sum(row.get(name, 0) for row in rows) for name in ("points", "points_possible"))
    pairs = [*((sum(kind), len(kind)) for kind in done), (points, possible)]
    return [f"{part} of {whole}" if whole else "–" for part, whole in pairs]


def _done(rows: list[Row]) -> str:
    """How far a lesson with these rows is, in words and with a symbol, for readers who see no colours."""
    if not rows:
        return "– to read"
    begun = any(row["attempts"] or row.get("hints_used") or row.get("solution_seen") for row in rows)
    return "✓ done" if all(row["done"] for row in rows) else "◐ begun" if begun else "○ to do"


def _off(factor: float) -> str:
    return "right" if abs(factor - 1) <= 0.005 else times_off(factor)


def _table(columns: dict[str, str], rows: list[str], padding: str = "") -> str:
    """A table of HTML. columns: how each is aligned, by its heading. rows: their cells, as HTML."""
    head = "".join(f'<th scope="col" style="text-align: {side}{padding}">{name}</th>' for name, side in columns.items())
    body = "".join(f"<tr>{cells}</tr>" for cells in rows)
    return f'<table style="font-size: inherit"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _lesson_cells(lesson: Lesson, done: str, counts: list[str]) -> str:
    link = f'<a href="{lesson.file_name}">{lesson.number} · {html.escape(lesson.title)}</a>'
    cells = [("left", done), *(("right", count) for count in counts)]
    rest = "".join(f'<td style="text-align: {side}; padding: 4px 14px">{text}</td>' for side, text in cells)
    return f'<th scope="row" style="text-align: left; padding: 4px 14px">{link}</th>{rest}'


def _bar_cells(name: str, factor: float) -> str:
    length = round(140 * min(1.0, abs(math.log(factor)) / math.log(_LARGEST)))
    colour = "#0072B2" if factor < 1 else "#D55E00"
    bar = f'<span style="display: inline-block; height: 14px; width: {length}px; background: {colour}"></span>'
    low, high = (bar, "") if factor < 1 else ("", bar)
    side = "width: 140px; min-width: 140px; padding: 4px 0"
    return (
        f'<th scope="row" style="text-align: left; padding: 4px 14px 4px 0">{html.escape(name)}</th>'
        f'<td style="text-align: right; {side}; border-right: 2px solid">{low}</td>'
        f'<td style="text-align: left; {side}">{high}</td>'
        f'<td style="text-align: left; padding: 4px 14px">{_off(factor)}</td>'
    )
