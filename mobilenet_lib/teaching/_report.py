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
from typing import TYPE_CHECKING, NamedTuple

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

_SHOWN = 10  # students in need, misconceptions and questions; the tables beside the page have all
_LONGEST = 100  # letters of a student's name
_KINDS = {"prediction": QUESTIONS, "exercise": EXERCISES}
_LATEST = "latest_time"  # files of earlier versions of the course lack it
_TIMES = ["first_time", "done_time", _LATEST]  # in ISO 8601, which sorts as text
_TIME_FORMATS = ("ISO8601", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S")  # the others are spreadsheets'
_FLAGS = ["done", "solution_seen"]
_NUMBERS = ["factor_off", "attempts", "hints_used", "points"]
# Spreadsheets write truth in the language of their user.
_TRUE = {*("true", "1", "wahr", "vrai", "verdadero", "verdadeiro", "vero", "waar", "sant", "sann", "sand", "prawda")}
_FALSE = {*("false", "0", "falsch", "faux", "falso", "onwaar", "falskt", "falsk", "usann", "fałsz")}
# Moodle's folder, or file, of a student, with a number of their own.
_MOODLE = re.compile(r"(.+?)_(\d+)_assignsubmission_")
_AGAIN = re.compile(r"\s*\(\d+\)$")  # how a browser names a second download
_NOBODY = {"progress", "your_name", "your name"}  # the hand-out's own words


class _File(NamedTuple):
    """An export that could be read. mark: what tells apart two students of one name; "" for nothing."""

    path: Path
    name: str
    mark: str
    rows: pd.DataFrame

    @property
    def activity(self) -> tuple[str, float]:
        """The latest time in it, and how much was done: both only grow."""
        counts = self.rows[["done", "attempts", "hints_used", "solution_seen"]]
        return self.rows[_TIMES].fillna("").max(axis=None), float(counts.astype(float).sum(axis=None))


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
        frame = lessons.join(rows.groupby("student").agg(how)).astype(dict.fromkeys(counts, int)).reset_index()
        return frame.sort_values("student", key=lambda names: names.map(_alphabetical), ignore_index=True)

    def lessons(self) -> pd.DataFrame:
        """A row per lesson that somebody has begun: how many students have, and how many finished it."""
        of_student = self.rows.assign(begun=_begun(self.rows)).groupby(["lesson", "student"])
        counts = of_student.agg(begun=("begun", "any"), finished=("done", "all")).groupby("lesson").sum()
        titles = {one.number: f"{one.number} {one.title}" for one in course.LESSONS}
        return counts[counts["begun"] > 0].rename(titles).reset_index()

    def in_need(self) -> pd.DataFrame:
        """A row per student who solved no exercise alone, or left one unsolved; who solved fewest comes first.

        solved: exercises, without those whose solution was read first. unsolved: the exercises that were tried and not
        solved, or why there are none. checks: made on them. hints, solutions: read on all exercises.
        """
        rows = self.rows[self.rows["kind"] == "exercise"]
        read_first = rows["solution_seen"] & (rows["points"] < rows["points_possible"])
        tried = ~rows["done"] & (rows["attempts"] > 0)
        rows = rows.assign(
            solved=rows["done"] & ~read_first, unsolved=rows["id"].where(tried), checks=rows["attempts"].where(tried, 0)
        ).rename(columns={"hints_used": "hints", "solution_seen": "solutions"})
        students = rows.groupby("student")
        frame = students[["solved", "checks", "hints", "solutions"]].sum().astype(int)
        frame.insert(1, "unsolved", students["unsolved"].agg(lambda names: ", ".join(names.dropna())))
        nothing = ~_begun(self.rows).groupby(self.rows["student"]).any()
        for said, who in (
            ("nothing done yet", nothing),
            ("no exercise tried", students["attempts"].sum() == 0),
            ("every solution read first", frame["solved"] == 0),
        ):
            frame["unsolved"] = frame["unsolved"].mask(who & (frame["unsolved"] == ""), said)
        frame = frame.assign(count=students["unsolved"].count(), idle=lambda one: one["count"] == 0)
        frame = frame[(frame["solved"] == 0) | ~frame["idle"]]
        order = {"solved": True, "idle": False, "count": False, "checks": False}
        frame = frame.sort_values(list(order), ascending=list(order.values()))
        return frame.drop(columns=["count", "idle"]).reset_index()

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
        truths = {name: str(QUESTIONS[name].truth()) for name in rows["id"][choice].unique()}  # some take a while
        chosen = rows["first_answer"] == rows["id"].map(truths)
        too_low = (rows["factor_off"] < 1).astype(float).mask(choice)
        rows = rows.assign(question=rows["id"], right=chosen.where(choice, off <= 1.005), off=off, too_low=too_low)
        means = {"right": ("right", "mean"), "median_off": ("off", "median"), "too_low": ("too_low", "mean")}
        frame = rows.groupby("question", as_index=False, sort=False).agg(answered=("student", "size"), **means)
        return frame.sort_values(["right", "median_off"], ascending=[True, False], ignore_index=True)


def read(paths: Iterable[Path]) -> Class:
    """Read exports; folders give all `.csv` files inside. What cannot be read is skipped, with a line that names it.

    A student's name is that of the column `student`, else that of Moodle's folder, else the file's name; the folder's
    where several files have the same, or the hand-out's. Different numbers of Moodle are different students. Of two
    files of one student the one with the latest entry counts; where that is the same, the one with more in it.
    """
    import pandas as pd

    kept: dict[str, _File] = {}
    messages: list[str] = []
    for file in _told_apart(_readable(_files(paths, messages), messages)):
        twins = [other for other in kept.values() if _same(file.rows, other.rows)]
        older, newer = sorted((kept.get(file.name, file), file), key=lambda one: one.activity)
        if file.name in kept:
            since = _since(older.activity, newer.activity)
            messages.append(f"{older.path}: skipped, {newer.path} is of the same student ({file.name}) and {since}")
        elif twins:
            messages.append(f"{file.path}: counted, but every answer and time in it is that of {twins[0].name}")
        kept[file.name] = newer
    rows = [one.rows.assign(student=one.name)[["student", *COLUMNS]] for one in kept.values()]
    return Class(pd.concat(rows) if rows else pd.DataFrame(columns=["student", *COLUMNS]), tuple(messages))


def write(folder: Path, read_class: Class) -> list[Path]:
    """The report as a page, and its four tables as CSV. ValueError without a single student."""
    if read_class.rows.empty:
        raise ValueError("no file could be read, so there is nothing to report")
    written = [_pages.write(folder / PAGE, page(read_class))]
    for name in ("students", "in_need", "misconceptions", "questions"):
        written.append(_pages.write(folder / f"{name}.csv", for_spreadsheet(getattr(read_class, name)())))
    return written


def page(read_class: Class) -> str:
    """The report as a page."""
    students, met, asked = read_class.students(), read_class.misconceptions(), read_class.questions()
    there_are = counted(len(students), "student")
    parts = [f"# Class report\n\n{there_are}. It shows what their exported files say, which they could have changed."]
    skipped = sum(": skipped, " in line for line in read_class.messages)
    parts += [f"{counted(skipped, 'file')} skipped: see *About the files* below."] if skipped else []
    lessons = read_class.lessons()
    parts += ["## How many finished what", "Nobody has begun yet." if lessons.empty else _pages.table(lessons)]
    parts += ["## Who needs help", _in_need(read_class.in_need())]
    if read_class.messages:
        parts += ["## About the files", "\n".join(f"- {plain(line)}" for line in read_class.messages)]
    parts.append("## Commonest misconceptions")
    parts += ["None was met."] if met.empty else [_misconceptions_figure(met, len(students)), _misconceptions(met)]
    parts += ["## Who finished what", "Guesses and exercises done, in percent of each lesson."]
    parts.append(_finished(students, lessons))
    parts.append("## How good the guesses were")
    parts += [_guesses_figure(read_class.rows, asked)] if asked["median_off"].notna().any() else []
    parts.append("Nobody has guessed yet." if asked.empty else _questions(asked))
    return _pages.page("Class report", parts, sortable=True)


def _files(paths: Iterable[Path], messages: list[str]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        inside = [path]
        if path.is_dir():
            there = sorted(one for one in path.rglob("*") if one.name[0] != "." and not one.is_dir())
            inside = [one for one in there if one.suffix.lower() == ".csv"]
            others = [one for one in there if one.suffix.lower() != ".csv"]
            messages += [f"{one}: skipped, it is no .csv file, as progress.export writes" for one in others]
        if not inside:
            messages.append(f"{path}: skipped, there is no .csv file in this folder")
        found += inside
    unique = list({path.resolve(): path for path in found}.values())
    if twice := len(found) - len(unique):
        messages.append(f"{counted(twice, 'file')} named twice and read once")
    return unique


def _readable(files: list[Path], messages: list[str]) -> list[_File]:
    """Those that could be read; `messages` gets a line for each of the others."""
    found = []
    stems = Counter(stem for _, stem in {(path.resolve().parent, _stem(path)) for path in files})
    for path in files:
        try:
            file, notes = _read(path, stems)
        except FileNotFoundError:
            messages.append(f"{path}: skipped, there is no such file or folder")
        except (OSError, ValueError, OverflowError) as problem:
            messages.append(f"{path}: skipped, {problem}")
        else:
            found.append(file)
            messages += [f"{path}: {note}" for note in notes]
    return found


def _told_apart(files: list[_File]) -> list[_File]:
    """The files, with the mark beside the name where there are several of one name."""
    marks = Counter(name for name, mark in {(file.name, file.mark) for file in files} if mark)
    return [one._replace(name=f"{one.name} ({one.mark})") if one.mark and marks[one.name] > 1 else one for one in files]


def _since(older: tuple[str, float], newer: tuple[str, float]) -> str:
    """Why the newer file counts, by the activity in both."""
    if newer[0] > older[0]:
        return "newer"
    return "of the same time with more in it" if newer > older else "no older"


def _stem(path: Path) -> str:
    return _AGAIN.sub("", path.stem)


def _named(path: Path, stems: Counter[str]) -> tuple[str, str]:
    """Whose file it is, by its name or its folder's, as `read` says, and a mark."""
    if moodle := _moodle(path):
        return moodle[1], moodle[2]
    folder, stem = path.resolve().parent.name, _stem(path)
    by_folder = folder and (stems[stem] > 1 or stem.casefold() in _NOBODY)
    return (folder, path.stem) if by_folder else (stem, "")


def _moodle(path: Path) -> re.Match[str] | None:
    return _MOODLE.match(path.resolve().parent.name) or _MOODLE.match(path.name)


def _read(path: Path, stems: Counter[str]) -> tuple[_File, list[str]]:
    """One student's rows for every question and exercise of the course, and what is to be said about them."""
    if path.stat().st_size > LARGEST:
        raise ValueError(f"it is larger than {LARGEST / 1e6:.0f} MB, which no export is")
    rows = _table(path.read_bytes())
    if missing := [name for name in COLUMNS if name not in rows and name != _LATEST]:
        more = " and more" if len(missing) > 4 else ""
        raise ValueError(f"it is no export of progress: it lacks the columns {', '.join(missing[:4])}{more}")
    name, mark = _student(rows, path, stems)
    rows, notes = _checked(rows.reindex(columns=[*COLUMNS]))
    known = rows[[one.id in _KINDS[one.kind] for one in rows.itertuples()]]
    other = len(rows) - len(known)
    notes += [f"{counted(other, 'row')} of another version of the course left out"] if other else []
    known, left_out = _known_misconceptions(known)
    notes += [f"left out of its misconceptions: {_few(left_out)}"] if left_out else []
    return _File(path, name, mark, _completed(known)), notes


def _few(texts: list[str]) -> str:
    texts = list(dict.fromkeys(texts))
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return ", ".join(repr(one[:40]) for one in texts[:3]) + more


def _table(content: bytes) -> pd.DataFrame:
    """The texts of a CSV file, also as a spreadsheet saves it anew: semicolons or tabs, UTF-16, marks, empty rows."""
    import pandas as pd

    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError("it is not text in UTF-8 or UTF-16: ask for the file as progress.export wrote it") from None
    if not text.strip():
        raise ValueError("it is empty")
    if text[:4].lower() == "sep=":  # which tells Excel the separator
        text = text.partition("\n")[2]
    separator = max(",;\t", key=text.partition("\n")[0].count)
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


def _student(rows: pd.DataFrame, path: Path, stems: Counter[str]) -> tuple[str, str]:
    """The name in the column `student`, or else `_named`, with a mark. ValueError for several, or for a long text."""
    written = {_one_form(one) for one in (rows["student"].dropna() if "student" in rows else [])}
    names = [name for name in written if name and name.casefold() not in _NOBODY]
    if len(names) > 1:
        raise ValueError(f"it holds {len(names)} students, and must hold one")
    name, mark = _named(path, stems)
    if names:
        moodle = _moodle(path)
        name, mark = names[0], moodle[2] if moodle else ""
    name = _one_form(name)
    if len(name) > _LONGEST:
        raise ValueError(f"its student's name has {len(name):,} letters, and may have {_LONGEST}")
    return name, mark


def _one_form(name: str) -> str:
    """A name in one of the ways to write its letters; the sign that kept a spreadsheet from computing it goes."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    return name[1:] if name[:1] == "'" and name[1:2] in FORMULA else name


def _alphabetical(name: str) -> str:
    """By which names sort: without accents, and whatever their case."""
    return "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one)).casefold()


def _known_misconceptions(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows with the misconceptions that their exercises know, and the texts that are none of them."""
    kept, left_out = [], []
    for exercise, text in zip(rows["id"], rows["misconceptions"], strict=True):
        known = {one.name for one in EXERCISES[exercise].misconceptions} if exercise in EXERCISES else set()
        met = text.split("; ") if isinstance(text, str) else []
        kept.append("; ".join(one for one in met if one in known) or None)
        left_out += [one for one in met if one not in known]
    return rows.assign(misconceptions=kept), left_out


def _checked(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows with numbers as numbers, and notes on their times. ValueError says what no export contains."""
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
    times, notes = _times(rows)
    return rows.assign(**numbers, **flags.isin(_TRUE), **times), notes


def _times(rows: pd.DataFrame) -> tuple[dict[str, pd.Series], list[str]]:
    """The columns of times, as UTC, and what is to be said about them. Those in the future do not count."""
    import pandas as pd

    columns, unread, future = {}, [], []
    for name in _TIMES:
        texts, times = rows[name].astype(object), pd.Series(pd.NaT, rows.index, dtype="datetime64[ns, UTC]")
        for form in _TIME_FORMATS:
            times = times.fillna(pd.to_datetime(texts, errors="coerce", utc=True, format=form))
        late = times > pd.Timestamp.now(tz="UTC") + pd.Timedelta(days=1)
        unread += texts[times.isna()].dropna().tolist()
        future += texts[late].tolist()
        columns[name] = times.mask(late).dt.strftime("%Y-%m-%dT%H:%M:%S+00:00")
    notes = [f"times that cannot be read, and do not count: {_few(unread)}"] if unread else []
    return columns, notes + ([f"times in the future, which do not count: {_few(future)}"] if future else [])


def _completed(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, and one for whatever of the course they lack, as not done."""
    import pandas as pd

    tasks = [("prediction", name, one.lesson, 0) for name, one in QUESTIONS.items()]
    tasks += [("exercise", name, one.lesson, one.points) for name, one in EXERCISES.items()]
    frame = pd.DataFrame(tasks, columns=["kind", "id", "lesson", "points_possible"])
    frame = frame.merge(rows.drop(columns=["lesson", "points_possible"]), on=["kind", "id"], how="left")
    frame[_FLAGS] = frame[_FLAGS].eq(True)
    # No more points, and hints, than there are, whatever the file says.
    frame["points"] = frame["points"].where(frame["done"], 0).fillna(0).clip(upper=frame["points_possible"])
    return frame.assign(attempts=frame["attempts"].fillna(0), hints_used=frame["hints_used"].fillna(0).clip(upper=2))


def _begun(rows: pd.DataFrame) -> pd.Series:
    """Whether anything was tried or read, done or not."""
    return rows["done"] | rows["solution_seen"] | (rows["attempts"] > 0) | (rows["hints_used"] > 0)


def _same(rows: pd.DataFrame, others: pd.DataFrame) -> bool:
    """Do two files hold the same work, and any?"""
    kept = [name for name in COLUMNS if name != "truth"]
    return bool(rows["done"].any()) and rows[kept].equals(others[kept])


def _times_off(rows: pd.DataFrame) -> pd.Series:
    """How many times off the first guess at a number was, in either direction; 1 is exact, NaN for none."""
    factors = rows["factor_off"].astype(float)
    factors = factors.where(rows["done"].astype(bool) & (factors > 0))
    return factors.where(factors >= 1, 1 / factors)


def _off(times: float) -> str:
    return "right" if times <= 1.005 else f"{times:.3g} times"


def _finished(students: pd.DataFrame, lessons: pd.DataFrame) -> str:
    most = {"guesses": len(QUESTIONS), "exercises": len(EXERCISES)}
    most["points"] = sum(one.points for one in EXERCISES.values())
    heads = {name: f"{name} (of {number})" for name, number in most.items()}
    begun = {f"lesson {title[:2]}": title[:2] for title in lessons["lesson"]}
    untouched = [name for name in students if name.startswith("lesson ") and name not in begun]
    heads |= begun
    heads |= {"solutions_seen": "solutions seen", "median_off": "guesses off, median", "latest": "latest entry"}
    frame = students.drop(columns=["hints_used", "within_two", *untouched]).rename(columns=heads)
    formats = {one.number: "{:.0%}".format for one in course.LESSONS}
    return _pages.table(frame, formats | {"student": plain, "guesses off, median": _off})


def _in_need(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "Nobody: every exercise that was tried is solved."
    heads = {"solved": "solved alone", "unsolved": "tried and not solved", "checks": "checks of these"}
    heads |= {"hints": "hints read", "solutions": "solutions read"}
    shown = _pages.table(frame.head(_SHOWN).rename(columns=heads), {"student": plain, heads["unsolved"]: plain})
    return shown + _others(frame, "in_need.csv")


def _misconceptions(met: pd.DataFrame) -> str:
    frame = met.head(_SHOWN).rename(columns={"message": "what the check says"})
    return _pages.table(frame, {"exercise": plain, "misconception": plain}) + _others(met, "misconceptions.csv")


def _questions(questions: pd.DataFrame) -> str:
    frame = questions.head(_SHOWN).rename(columns={"question": "id", "median_off": "off, median", "too_low": "too low"})
    frame.insert(1, "question", [QUESTIONS[name].prompt for name in frame["id"]])
    formats = {"off, median": _off, **dict.fromkeys(("right", "too low"), "{:.0%}".format)}
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
    told = "; ".join(f"{row.question}, {_off(row.median_off)}" for row in worst.itertuples())
    alt = f"A point for each first guess, on a logarithmic axis, for the questions furthest off; medians: {told}."
    return plots.as_data(fig, alt)["text/html"]
