"""A class report from the files that students exported with `progress.export`."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mobilenet_lib import course, plots
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.progress import COLUMNS, FORMULA, for_spreadsheet
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.teaching import _pages
from mobilenet_lib.teaching._pages import counted, plain

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 5_000_000  # bytes; an export of the whole course has about 20,000
PAGE = "report.html"

_OFF = "{:.3g} times".format
_SHOWN = 10  # misconceptions and questions; the tables beside the page have all
_LONGEST = 100  # letters of a student's name
_KINDS = {"prediction": QUESTIONS, "exercise": EXERCISES}
_TIMES = ["first_time", "done_time"]  # in ISO 8601, which sorts as text
_FLAGS = ["done", "solution_seen"]
_NUMBERS = ["factor_off", "attempts", "hints_used", "points"]
_MISCONCEPTION = re.compile(r"[\w-]{1,60}")  # no other text goes into a figure
# Spreadsheets write truth in the language of their user.
_TRUE = {*("true", "1", "wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "sant", "prawda")}
_FALSE = {*("false", "0", "falsch", "faux", "falso", "onwaar", "falskt", "fałsz")}
# Moodle's folder, or file, of a student.
_MOODLE = re.compile(r"(.+?)_\d+_assignsubmission_")


@dataclass(frozen=True)
class Class:
    """What was read. rows: those of `progress.frame`, `student` in front. messages: a line per file that needs one."""

    rows: pd.DataFrame
    messages: tuple[str, ...]

    def students(self) -> pd.DataFrame:
        """A row per student: the fraction done of each lesson, counts, points, and how good the first guesses were."""
        rows, off = self.rows, _times_off(self.rows)
        rows = rows.assign(
            guesses=rows["done"] & (rows["kind"] == "prediction"),
            exercises=rows["done"] & (rows["kind"] == "exercise"),
            median_off=off,
            within_two=(off <= 2).where(off.notna()).astype(float),
            latest=rows[_TIMES].fillna("").max(axis=1).str[:10],
        ).rename(columns={"solution_seen": "solutions_seen"})
        counts = ["guesses", "exercises", "points", "solutions_seen", "hints_used"]
        how = dict.fromkeys(counts, "sum") | {"median_off": "median", "within_two": "mean", "latest": "max"}
        lessons = rows.pivot_table(values="done", index="student", columns="lesson").add_prefix("lesson ")
        return lessons.join(rows.groupby("student").agg(how)).astype(dict.fromkeys(counts, int)).reset_index()

    def lessons(self) -> pd.DataFrame:
        """A row per lesson with something to do: how many students have begun it, and how many finished it."""
        done = self.rows.groupby(["lesson", "student"])["done"].agg(begun="any", finished="all").groupby("lesson").sum()
        titles = {one.number: f"{one.number} {one.title}" for one in course.LESSONS}
        return done.rename(titles).reset_index()

    def in_need(self) -> pd.DataFrame:
        """A row per student who checked an exercise without solving it, or did nothing; those most in need first.

        unsolved: the exercises that were tried, and not solved. checks: made on them. hints: read on them.
        """
        solved, rows = self.rows.groupby("student")["done"].sum(), self.rows
        tried = rows[(rows["kind"] == "exercise") & ~rows["done"].astype(bool) & (rows["attempts"] > 0)]
        how = {"unsolved": ("id", ", ".join), "checks": ("attempts", "sum"), "hints": ("hints_used", "sum")}
        frame = tried.groupby("student").agg(count=("id", "size"), **how)
        idle = solved.index[solved == 0].difference(frame.index)
        frame = frame.reindex([*idle, *frame.sort_values(["count", "checks"], ascending=False).index])
        frame = frame.fillna({"unsolved": "nothing done yet", "checks": 0, "hints": 0})
        return frame.drop(columns="count").astype({"checks": int, "hints": int}).rename_axis("student").reset_index()

    def misconceptions(self) -> pd.DataFrame:
        """A row per exercise and misconception: how many students met it, and how often; the commonest first."""
        met = self.rows.assign(misconception=self.rows["misconceptions"].str.split("; ")).explode("misconception")
        frame = met.rename(columns={"id": "exercise"}).groupby(["exercise", "misconception"], as_index=False)
        frame = frame.agg(students=("student", "nunique"), times=("student", "size"))
        told = {(task.name, one.name): one.message for task in EXERCISES.values() for one in task.misconceptions}
        frame["message"] = [told.get(pair, "") for pair in zip(frame["exercise"], frame["misconception"], strict=True)]
        order = ["students", "times", "exercise"]
        return frame.sort_values(order, ascending=[False, False, True], ignore_index=True)

    def questions(self) -> pd.DataFrame:
        """A row per question that somebody answered, worst first.

        answered: students. right: the fraction of them that chose rightly or guessed within 0.5 %. median_off: the
        median of how many times off their first guesses at a number were; NaN for choices. too_low: the fraction of
        guesses below the truth.
        """
        rows = self.rows[(self.rows["kind"] == "prediction") & self.rows["done"]]
        choice = rows["id"].map(lambda name: bool(QUESTIONS[name].choices)).astype(bool)
        off = _times_off(rows).mask(choice)
        chosen = rows["first_answer"] == rows["id"].map(lambda name: str(QUESTIONS[name].truth()))
        too_low = (rows["factor_off"] < 1).astype(float).mask(choice)
        rows = rows.assign(question=rows["id"], right=chosen.where(choice, off <= 1.005), off=off, too_low=too_low)
        means = {"right": ("right", "mean"), "median_off": ("off", "median"), "too_low": ("too_low", "mean")}
        frame = rows.groupby("question", as_index=False, sort=False).agg(answered=("student", "size"), **means)
        return frame.sort_values(["right", "median_off"], ascending=[True, False], ignore_index=True)


def read(paths: Iterable[Path]) -> Class:
    """Read exports; folders give all `.csv` files inside. What cannot be read is skipped, with a line that names it.

    A student's name is that of the column `student`, else that of Moodle's folder, else the file's name; the folder's
    where several files have the same, or `progress.csv`. Of two files of one student the one with the latest entry
    counts.
    """
    import pandas as pd

    kept: dict[str, tuple[Path, pd.DataFrame]] = {}
    messages = []
    files = _files(paths, messages)
    stems = Counter(path.stem for path in files) + Counter({"progress": 2})
    for path in files:
        try:
            rows, notes = _read(path, _named(path, stems))
        except (OSError, ValueError, OverflowError) as problem:
            messages.append(f"{path}: skipped, {problem}")
            continue
        messages += [f"{path}: {note}" for note in notes]
        name, this = rows["student"].iat[0], (path, rows)
        twins = [other for other, (_, known) in kept.items() if _same(rows, known)]
        older, newer = sorted((kept.get(name, this), this), key=lambda one: one[1][_TIMES].fillna("").max(axis=None))
        if name in kept:
            messages.append(f"{older[0]}: skipped, {newer[0]} is of the same student ({name}) and not older")
        elif twins:
            messages.append(f"{path}: counted, but every answer and time in it is that of {twins[0]}")
        kept[name] = newer
    empty = pd.DataFrame(columns=["student", *COLUMNS])
    return Class(pd.concat([rows for _, rows in kept.values()]) if kept else empty, tuple(messages))


def write(folder: Path, read_class: Class) -> list[Path]:
    """The report as a page, and its three tables as CSV. ValueError without a single student."""
    if read_class.rows.empty:
        raise ValueError("no file could be read, so there is nothing to report")
    written = [_pages.write(folder / PAGE, page(read_class))]
    for name in ("students", "misconceptions", "questions"):
        written.append(_pages.write(folder / f"{name}.csv", for_spreadsheet(getattr(read_class, name)())))
    return written


def page(read_class: Class) -> str:
    """The report as a page."""
    students, met, asked = read_class.students(), read_class.misconceptions(), read_class.questions()
    there_are = counted(len(students), "student")
    parts = [f"# Class report\n\n{there_are}. It shows what their exported files say, which they could have changed."]
    if read_class.messages:
        parts += ["## About the files", "\n".join(f"- {plain(line)}" for line in read_class.messages)]
    parts += ["## How many finished what", _pages.table(read_class.lessons())]
    parts += ["## Who needs help", _in_need(read_class.in_need())]
    parts.append("## Commonest misconceptions")
    parts += ["None was met."] if met.empty else [_misconceptions_figure(met, len(students)), _misconceptions(met)]
    parts += ["## Who finished what", "Guesses and exercises done, in percent of each lesson.", _finished(students)]
    parts.append("## How good the guesses were")
    parts += [_guesses_figure(read_class.rows, asked)] if asked["median_off"].notna().any() else []
    parts.append("Nobody has guessed yet." if asked.empty else _questions(asked))
    return _pages.page("Class report", parts, sortable=True)


def _files(paths: Iterable[Path], messages: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = [path]
        if path.is_dir():
            inside = sorted(one for one in path.rglob("*") if one.suffix.lower() == ".csv" and one.name[0] != ".")
        if not inside:
            messages.append(f"{path}: skipped, there is no .csv file in this folder")
        found += inside
    unique = list({path.resolve(): path for path in found}.values())
    if twice := len(found) - len(unique):
        messages.append(f"{counted(twice, 'file')} named twice and read once")
    return unique


def _named(path: Path, stems: Counter[str]) -> str:
    """Whose file it is, by its name or its folder's, as `read` says."""
    folder = path.resolve().parent.name
    for name in (folder, path.name):
        if found := _MOODLE.match(name):
            return found[1]
    return (stems[path.stem] > 1 and folder) or path.stem


def _read(path: Path, named: str) -> tuple[pd.DataFrame, list[str]]:
    """One student's rows for every question and exercise of the course, and what is to be said about them."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST / 1e6:.0f} MB, which no export is")
    rows = _table(path.read_bytes())
    if missing := [name for name in COLUMNS if name not in rows]:
        more = " and more" if len(missing) > 4 else ""
        raise ValueError(f"it is no export of progress: it lacks the columns {', '.join(missing[:4])}{more}")
    name, rows = _student(rows, named), _checked(rows)
    known = rows[[one.id in _KINDS[one.kind] for one in rows.itertuples()]]
    other = len(rows) - len(known)
    notes = [f"{counted(other, 'row')} of another version of the course left out"] if other else []
    known, left_out = _known_misconceptions(known)
    notes += [f"left out of its misconceptions: {one[:40]!r}" for one in left_out]
    return _completed(known, name), notes


def _table(content: bytes) -> pd.DataFrame:
    """The texts of a CSV file, also as a spreadsheet saves it anew: semicolons or tabs, UTF-16, marks, empty rows."""
    import pandas as pd

    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8 or UTF-16: ask for the file as progress.export wrote it") from None
    head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    try:
        # A student may be called NA or null; only nothing is nothing.
        plain_texts = {"dtype": str, "keep_default_na": False, "na_values": [""]}
        rows = pd.read_csv(io.StringIO(text), sep=separator, quoting=csv.QUOTE_MINIMAL, **plain_texts)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as problem:
        raise ValueError(f"it is no table ({str(problem).strip()})") from None
    rows = rows.rename(columns=lambda name: str(name).strip()).dropna(how="all")
    if separator == ";":  # where a comma stands before the decimals
        decimals = [name for name in _NUMBERS if name in rows]
        rows[decimals] = rows[decimals].apply(lambda texts: texts.str.replace(",", "."))
    return rows


def _student(rows: pd.DataFrame, named: str) -> str:
    """The name in the column `student`, or else `named`. ValueError for several, and for one that is a text."""
    written = rows["student"].dropna() if "student" in rows else []
    names = {_one_form(name) for name in written} - {""} or {_one_form(named)}
    if len(names) > 1:
        raise ValueError(f"it holds {len(names)} students, and must hold one")
    (name,) = names
    if len(name) > _LONGEST:
        raise ValueError(f"its student's name has {len(name):,} letters, and may have {_LONGEST}")
    return name


def _one_form(name: str) -> str:
    """A name in one of the ways to write its letters; the sign that kept a spreadsheet from computing it goes."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    return name[1:] if name[:1] == "'" and name[1:2] in FORMULA else name


def _known_misconceptions(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows with what may be the names of misconceptions, and the texts that cannot be."""
    names = [str(text).split("; ") if isinstance(text, str) else [] for text in rows["misconceptions"]]
    left_out = dict.fromkeys(one for row in names for one in row if not _MISCONCEPTION.fullmatch(one))
    kept = ["; ".join(one for one in row if one not in left_out) or None for row in names]
    return rows.assign(misconceptions=kept), list(left_out)


def _checked(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with numbers as numbers. ValueError says what no export contains."""
    import pandas as pd

    if rows.empty:
        raise ValueError("it has no rows")
    if not rows["kind"].isin(list(_KINDS)).all():
        raise ValueError(f"its column kind holds something else than {' and '.join(_KINDS)}")
    flags = rows[_FLAGS].apply(lambda texts: texts.str.strip().str.lower())
    if not flags["done"].isin(_TRUE | _FALSE).all():
        raise ValueError("its column done holds something else than True and False")
    if rows["id"].isna().any() or rows.duplicated(["kind", "id"]).any():
        raise ValueError("a question or an exercise is without a name or stands in it twice")
    numbers = rows[_NUMBERS].apply(pd.to_numeric, errors="coerce")
    # NaN and inf are numbers to Python; neither is one to a class report.
    wrong = rows[_NUMBERS].notna() & ~((numbers >= 0) & (numbers < 1e60))
    if wrong.any(axis=None):
        raise ValueError(f"its column {wrong.any().idxmax()} holds something else than a number of 0 or more")
    times = {name: pd.to_datetime(rows[name], errors="coerce", utc=True, format="ISO8601") for name in _TIMES}
    texts = {name: column.dt.strftime("%Y-%m-%dT%H:%M:%S+00:00") for name, column in times.items()}
    return rows.assign(**numbers, **flags.isin(_TRUE), **texts)


def _completed(rows: pd.DataFrame, student: str) -> pd.DataFrame:
    """The rows, and one for whatever of the course they lack, as not done."""
    import pandas as pd

    tasks = [("prediction", name, one.lesson, 0) for name, one in QUESTIONS.items()]
    tasks += [("exercise", name, one.lesson, one.points) for name, one in EXERCISES.items()]
    frame = pd.DataFrame(tasks, columns=["kind", "id", "lesson", "points_possible"])
    frame = frame.merge(rows.drop(columns=["lesson", "points_possible"]), on=["kind", "id"], how="left")
    frame[_FLAGS] = frame[_FLAGS].eq(True)
    # No more points than there are, whatever the file says.
    frame["points"] = frame["points"].fillna(0).clip(upper=frame["points_possible"])
    return frame.assign(student=student)[["student", *COLUMNS]]


def _same(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Do two files hold the same work, and any?"""
    kept = [name for name in COLUMNS if name != "truth"]
    return bool(rows["done"].any()) and rows[kept].equals(others[kept])


def _times_off(rows: pd.DataFrame) -> pd.Series:
    """How many times off the first guess at a number was, in either direction; 1 is exact, NaN for none."""
    factors = rows["factor_off"].astype(float)
    factors = factors.where(rows["done"].astype(bool) & (factors > 0))
    return factors.where(factors >= 1, 1 / factors)


def _finished(students: pd.DataFrame) -> str:
    most = {"guesses": len(QUESTIONS), "exercises": len(EXERCISES)}
    most["points"] = sum(one.points for one in EXERCISES.values())
    heads = {name: f"{name} (of {number})" for name, number in most.items()}
    heads |= {name: name.removeprefix("lesson ") for name in students if name.startswith("lesson ")}
    heads |= {"solutions_seen": "solutions seen", "median_off": "guesses off, median", "latest": "latest entry"}
    frame = students.drop(columns=["hints_used", "within_two"]).rename(columns=heads)
    formats = {one.number: "{:.0%}".format for one in course.LESSONS}
    return _pages.table(frame, formats | {"student": plain, "guesses off, median": _OFF})


def _in_need(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "Nobody: every exercise that was tried is solved."
    heads = {"unsolved": "tried and not solved", "checks": "checks of these", "hints": "hints read"}
    return _pages.table(frame.rename(columns=heads), {"student": plain, "tried and not solved": plain})


def _misconceptions(met: pd.DataFrame) -> str:
    frame = met.head(_SHOWN).rename(columns={"message": "what the check says"})
    return _pages.table(frame, {"exercise": plain, "misconception": plain}) + _others(met, "misconceptions.csv")


def _questions(questions: pd.DataFrame) -> str:
    frame = questions.head(_SHOWN).rename(columns={"question": "id", "median_off": "off, median", "too_low": "too low"})
    frame.insert(1, "question", [QUESTIONS[name].prompt for name in frame["id"]])
    formats = {"off, median": _OFF, **dict.fromkeys(("right", "too low"), "{:.0%}".format)}
    return _pages.table(frame, formats) + _others(questions, "questions.csv")


def _others(frame: pd.DataFrame, where: str) -> str:
    """A line that says how many rows a table leaves out, and where they are."""
    more = len(frame) - _SHOWN
    return f"\n\nAnd {more} more, in {where}." if more > 0 else ""


def _misconceptions_figure(frame: pd.DataFrame, students: int) -> str:
    shown = frame.head(_SHOWN)
    labels, counts = (shown["exercise"] + ": " + shown["misconception"]).tolist(), shown["students"].tolist()
    fig, axes = plots.figure(width=9, height=1 + 0.4 * len(shown))
    plots.bars(axes, labels, counts, unit=f"students, of {students}")
    axes.xaxis.get_major_locator().set_params(integer=True)
    told = "; ".join(f"{label}, {count}" for label, count in zip(labels, counts, strict=True))
    alt = f"Bars: how many of {counted(students, 'student')} met each misconception. {told}."
    return plots.as_data(fig, alt)["text/html"]


def _guesses_figure(rows: pd.DataFrame, questions: pd.DataFrame) -> str:
    worst = questions.dropna(subset="median_off").nlargest(_SHOWN, "median_off")
    names = worst["question"].tolist()
    points = rows[rows["id"].isin(names) & rows["done"]].dropna(subset="factor_off")
    fig, axes = plots.figure(width=9, height=1.2 + 0.4 * len(names))
    axes.plot(points["factor_off"], points["id"].map(names.index), "o", alpha=0.6, color=plots.PALETTE[0])
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlabel("first guess / truth (1 is right)")
    told = "; ".join(f"{row.question}, median {row.median_off:.3g} times off" for row in worst.itertuples())
    alt = f"A point for each first guess, on a logarithmic axis, for the questions furthest off. {told}."
    return plots.as_data(fig, alt)["text/html"]
