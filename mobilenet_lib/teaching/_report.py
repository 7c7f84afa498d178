"""A class report from the files that students exported with `progress.export`."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenet_lib import course, plots
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.progress import COLUMNS
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.teaching import _pages

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

LARGEST = 5_000_000  # bytes; an export of the whole course has about 20,000
PAGE = "report.html"

_STYLE = "body { max-width: 80rem; } th, td { padding: 3px 8px; } td:last-child { min-width: 5rem; }"
_SHOWN = 10  # misconceptions and questions in the figures
_KINDS = {"prediction": QUESTIONS, "exercise": EXERCISES}


@dataclass(frozen=True)
class Class:
    """What was read. rows: those of `progress.frame`, with `student` in front. messages: a line per file with something to say."""

    rows: pd.DataFrame
    messages: tuple[str, ...]

    def students(self) -> pd.DataFrame:
        """A row per student: done of each lesson (share from 0 to 1), counts, points, and how good the first guesses were."""
        import pandas as pd

        return pd.DataFrame([_student(name, rows) for name, rows in self.rows.groupby("student", sort=True)])

    def misconceptions(self) -> pd.DataFrame:
        """A row per exercise and misconception: how many students met it, and how often; the commonest first."""
        import pandas as pd

        met = self.rows.loc[self.rows["misconceptions"].notna(), ["student", "id", "misconceptions"]]
        met = met.assign(misconception=met["misconceptions"].str.split("; ")).explode("misconception")
        counted = met.groupby(["id", "misconception"])["student"].agg(["nunique", "size"])
        frame = counted.reset_index().set_axis(["exercise", "misconception", "students", "times"], axis=1)
        told = [_told(row.exercise, row.misconception) for row in frame.itertuples()]
        return (
            frame.assign(message=pd.Series(told, dtype=object))
            .sort_values(["students", "times", "exercise"], ascending=[False, False, True])
            .reset_index(drop=True)
        )

    def questions(self) -> pd.DataFrame:
        """A row per prediction that somebody answered, worst first.

        answered: students. right: share of them that chose rightly or guessed within 0.5 %. median_off: the middle of how
        many times off their first guesses at a number were; NaN for choices. too_low: share of guesses below the truth.
        """
        import pandas as pd

        asked = self.rows[(self.rows["kind"] == "prediction") & self.rows["done"]]
        frame = pd.DataFrame(
            [_question(name, rows) for name, rows in asked.groupby("id", sort=False)],
            columns=["question", "answered", "right", "median_off", "too_low"],
        )
        return frame.sort_values(["right", "median_off"], ascending=[True, False]).reset_index(drop=True)


def read(paths: Iterable[Path]) -> Class:
    """Read exports; folders give their `.csv` files. What cannot be read is skipped, with a line that names it.

    A student's name is that of the column `student`, else the file's name (the folder's for a file `progress.csv`). Of
    two files of one student the one with the latest entry counts.
    """
    import pandas as pd

    kept: dict[str, tuple[Path, pd.DataFrame]] = {}
    messages = []
    for path in _files(paths, messages):
        try:
            rows, notes = _read(path)
        except (OSError, ValueError) as problem:
            messages.append(f"{path}: skipped, {problem}")
            continue
        messages += [f"{path}: {note}" for note in notes]
        name = rows["student"].iat[0]
        if name in kept:
            older, newer = sorted((kept[name], (path, rows)), key=lambda one: _latest(one[1]))
            messages.append(f"{older[0]}: skipped, {newer[0]} is of the same student ({name}) and not older")
            kept[name] = newer
            continue
        twin = next((other for other, (_, of_other) in kept.items() if _same(rows, of_other)), None)
        if twin is not None:
            messages.append(f"{path}: counted, but every answer and time in it is that of {twin}")
        kept[name] = (path, rows)
    empty = pd.DataFrame(columns=["student", *COLUMNS])
    return Class(pd.concat([rows for _, rows in kept.values()]) if kept else empty, tuple(messages))


def write(folder: Path, read_class: Class) -> list[Path]:
    """The report as a page, and its three tables as CSV. ValueError without a single student."""
    if read_class.rows.empty:
        raise ValueError("no file could be read, so there is nothing to report")
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / PAGE]
    written[0].write_text(page(read_class), encoding="utf-8")
    for name in ("students", "misconceptions", "questions"):
        frame = getattr(read_class, name)()
        # A spreadsheet would take a name that begins like this for a formula.
        safe = frame.map(lambda one: f"'{one}" if isinstance(one, str) and one[:1] in "=+-@" and one else one)
        safe.to_csv(folder / f"{name}.csv", index=False, encoding="utf-8")
        written.append(folder / f"{name}.csv")
    return written


def page(read_class: Class) -> str:
    """The report as a page."""
    students, misconceptions = read_class.students(), read_class.misconceptions()
    questions = read_class.questions()
    parts = [
        "<h1>Class report</h1>",
        f"<p>{len(students)} students. It shows what their exported files say, which they could have changed.</p>",
    ]
    if read_class.messages:
        told = "".join(f"<li>{html.escape(line)}</li>" for line in read_class.messages)
        parts.append(f"<h2>About the files</h2><ul>{told}</ul>")
    parts.append("<h2>Who finished what</h2><p>Predictions and exercises done, in percent of each lesson.</p>")
    parts.append(_finished(students))
    parts.append("<h2>Commonest misconceptions</h2>")
    if misconceptions.empty:
        parts.append("<p>None was met.</p>")
    else:
        parts.append(plots.as_data(*_misconceptions_figure(misconceptions, len(students)))["text/html"])
        parts.append(_misconceptions_table(misconceptions))
    parts.append("<h2>How good the guesses were</h2>")
    if questions.empty:
        parts.append("<p>Nobody has guessed yet.</p>")
    else:
        if questions["median_off"].notna().any():
            parts.append(plots.as_data(*_guesses_figure(read_class.rows, questions))["text/html"])
        parts.append(_questions_table(questions))
    return _pages.page("Class report", "".join(parts), _STYLE)


def _files(paths: Iterable[Path], messages: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.glob("*.csv")) if path.is_dir() else [path]
        if not inside:
            messages.append(f"{path}: skipped, there is no .csv file in this folder")
        found += inside
    unique = list({path.resolve(): path for path in found}.values())
    if len(unique) < len(found):
        messages.append(f"{len(found) - len(unique)} of the files were named twice and are read once")
    return unique


def _read(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """One student's rows for every prediction and exercise of the course, and what is to be said about them."""
    import pandas as pd

    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST / 1e6:.0f} MB, which no export is")
    try:
        # A spreadsheet that saved the file anew may have put a mark in front; utf-8-sig reads both.
        rows = pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8: ask for the file as progress.export wrote it") from None
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as problem:
        raise ValueError(f"it is no table ({str(problem).strip()})") from None
    missing = [name for name in COLUMNS if name not in rows]
    if missing:
        raise ValueError(
            f"it is no export of progress: it lacks the columns {', '.join(missing[:4])}"
            + (" and more" if len(missing) > 4 else "")
        )
    name = _name(rows, path)
    _check(rows)
    known = rows[[one.id in _KINDS[one.kind] for one in rows.itertuples()]]
    notes = []
    if len(known) < len(rows):
        notes.append(f"{len(rows) - len(known)} rows are of another version of the course and left out")
    return _completed(known, name), notes


def _name(rows: pd.DataFrame, path: Path) -> str:
    """Of the student: from the rows, the file or its folder, as `read` says. ValueError for more than one."""
    names = rows["student"].dropna().str.strip().unique() if "student" in rows else []
    if len(names) > 1:
        raise ValueError(f"it holds {len(names)} students, and must hold one")
    if len(names) and names[0]:
        return names[0]
    folder = path.resolve().parent.name if path.stem == "progress" else ""
    return folder or path.stem


def _check(rows: pd.DataFrame) -> None:
    """ValueError says what no export contains."""
    if rows.empty:
        raise ValueError("it has no rows")
    if not rows["kind"].isin(list(_KINDS)).all():
        raise ValueError("its column kind holds something else than prediction and exercise")
    if not rows["done"].isin(["True", "False"]).all():
        raise ValueError("its column done holds something else than True and False")
    if rows[["kind", "id"]].isna().any(axis=None) or rows.duplicated(["kind", "id"]).any():
        raise ValueError("an exercise or a prediction is without a name or stands in it twice")
    for name in ("factor_off", "attempts", "hints_used", "points"):
        given = rows[name].dropna()
        try:
            numbers = given.astype(float)
        except ValueError:
            raise ValueError(f"its column {name} holds something that is no number") from None
        # NaN and inf are numbers to Python; neither is one to a class report.
        if not ((numbers >= 0) & (numbers < 1e60)).all():
            raise ValueError(f"its column {name} holds a number that cannot be")


def _completed(rows: pd.DataFrame, student: str) -> pd.DataFrame:
    """The rows with numbers as numbers, and a row for whatever of the course they lack, as not done."""
    import pandas as pd

    plan = [
        {
            "kind": kind,
            "id": name,
            "lesson": one.lesson,
            "points_possible": getattr(one, "points", 0),
        }
        for kind, ones in _KINDS.items()
        for name, one in ones.items()
    ]
    wanted = [name for name in COLUMNS if name not in ("lesson", "points_possible")]
    frame = pd.DataFrame(plan).merge(rows[wanted], on=["kind", "id"], how="left")
    for name in ("factor_off", "attempts", "hints_used", "points"):
        frame[name] = frame[name].astype(float)
    frame["done"] = frame["done"] == "True"
    frame["solution_seen"] = frame["solution_seen"] == "True"
    # No more points than there are, whatever the file says.
    frame["points"] = frame["points"].fillna(0).clip(upper=frame["points_possible"])
    frame.insert(0, "student", student)
    return frame[["student", *COLUMNS]]


def _latest(rows: pd.DataFrame) -> str:
    """The latest time in the rows; ISO times sort as text."""
    return max((*rows["first_time"].dropna(), *rows["done_time"].dropna()), default="")


def _same(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Do two files hold the same work, and any?"""
    kept = [name for name in COLUMNS if name != "truth"]
    return bool(rows["done"].any()) and rows[kept].reset_index(drop=True).equals(others[kept].reset_index(drop=True))


def _student(name: str, rows: pd.DataFrame) -> dict[str, object]:
    exercises, predictions = (rows[rows["kind"] == kind] for kind in ("exercise", "prediction"))
    off = _times_off(predictions)
    return {
        "student": name,
        **{f"lesson {one.number}": _share(rows[rows["lesson"] == one.number]) for one in course.LESSONS},
        "predictions": int(predictions["done"].sum()),
        "exercises": int(exercises["done"].sum()),
        "points": int(exercises["points"].sum()),
        "solutions_seen": int(exercises["solution_seen"].sum()),
        "hints_used": int(exercises["hints_used"].sum()),
        "median_off": off.median(),
        "within_two": (off <= 2).mean() if len(off) else float("nan"),
        "latest": _latest(rows)[:10],
    }  # fmt: skip


def _share(rows: pd.DataFrame) -> float:
    return float(rows["done"].mean()) if len(rows) else float("nan")


def _times_off(predictions: pd.DataFrame) -> pd.Series:
    """How many times off the first guesses at numbers were, in either direction; 1 is exact."""
    factors = predictions["factor_off"][predictions["done"]].dropna()
    factors = factors[factors > 0]
    return factors.where(factors >= 1, 1 / factors)


def _question(name: str, rows: pd.DataFrame) -> dict[str, object]:
    off, chosen = _times_off(rows), bool(QUESTIONS[name].choices)
    right = rows["first_answer"] == QUESTIONS[name].truth() if chosen else off <= 1.005
    return {
        "question": name,
        "answered": len(rows),
        "right": float(right.mean()),
        "median_off": float("nan") if chosen else off.median(),
        "too_low": float("nan") if chosen else float((rows["factor_off"] < 1).mean()),
    }


def _told(exercise: str, misconception: str) -> str:
    known = EXERCISES[exercise].misconceptions
    return next((one.message for one in known if one.name == misconception), "")


def _finished(students: pd.DataFrame) -> str:
    columns = [name for name in students if name.startswith("lesson ")]
    there_are = (len(QUESTIONS), len(EXERCISES), sum(one.points for one in EXERCISES.values()))
    head = ["student", *(name.removeprefix("lesson ") for name in columns)]
    head += [
        f"{name} (of {most})" for name, most in zip(("predictions", "exercises", "points"), there_are, strict=True)
    ]
    head += ["solutions seen", "guesses off, median", "latest entry"]
    rows = [
        [row["student"], *(_percent(row[name]) for name in columns), row["predictions"], row["exercises"], row["points"],
         row["solutions_seen"], _off(row["median_off"]), row["latest"]]
        for row in students.to_dict("records")
    ]  # fmt: skip
    return _pages.table(head, rows, numbers=range(1, len(head)))


def _misconceptions_table(frame: pd.DataFrame) -> str:
    rows = [
        [row.exercise, row.misconception, row.students, row.times, _pages.inline(row.message)]
        for row in frame.itertuples()
    ]
    head = ["exercise", "misconception", "students", "times", "what the check says"]
    return _pages.table(head, rows, numbers=(2, 3))


def _questions_table(questions: pd.DataFrame) -> str:
    rows = [
        [row["question"], QUESTIONS[row["question"]].prompt, row["answered"], _percent(row["right"]),
         _off(row["median_off"]), _percent(row["too_low"])]
        for row in questions.to_dict("records")
    ]  # fmt: skip
    head = ["prediction", "question", "answered", "right", "off, median", "too low"]
    return _pages.table(head, rows, numbers=(2, 3, 4, 5))


def _percent(share: float) -> str:
    return "–" if share != share else f"{share:.0%}"


def _off(times: float) -> str:
    return "–" if times != times else f"{times:.3g} times"


def _misconceptions_figure(frame: pd.DataFrame, students: int) -> tuple[Figure, str]:
    shown = frame.head(_SHOWN)
    labels = [f"{row.exercise}: {row.misconception}" for row in shown.itertuples()]
    counts = shown["students"].tolist()
    fig, axes = plots.figure(width=9, height=1 + 0.4 * len(shown))
    plots.bars(axes, labels, counts, unit=f"students, of {students}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    told = "; ".join(f"{label}, {count}" for label, count in zip(labels, counts, strict=True))
    return fig, f"Bars: how many of {students} students met each misconception. {told}."


def _guesses_figure(rows: pd.DataFrame, questions: pd.DataFrame) -> tuple[Figure, str]:
    worst = questions.dropna(subset="median_off").nlargest(_SHOWN, "median_off")
    fig, axes = plots.figure(width=9, height=1.2 + 0.4 * len(worst))
    for place, name in enumerate(worst["question"]):
        factors = rows.loc[(rows["id"] == name) & rows["done"], "factor_off"].dropna()
        axes.plot(
            factors,
            [place] * len(factors),
            linestyle="",
            marker="o",
            alpha=0.6,
            color=plots.PALETTE[0],
        )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(worst)), worst["question"])
    axes.set_ylim(len(worst) - 0.5, -0.5)
    axes.set_xlabel("first guess / truth (1 is right)")
    told = "; ".join(f"{row.question}, median {row.median_off:.3g} times off" for row in worst.itertuples())
    return (
        fig,
        f"A point for each first guess, on a logarithmic axis, for the predictions that were furthest off. {told}.",
    )
