"""What a learner guessed and solved, kept in one SQLite file that several notebooks may write at once.

Every change is a few SQL statements, done in one transaction. Where the file cannot be written, the changes wait in
memory and go along with the next one that can. There is no write-ahead log, which network drives do not support.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timezone
from itertools import chain, count
from pathlib import Path
from typing import Any

from mobilenet_lib._support import environment
from mobilenet_lib._support.files import expanded

State = dict[str, Any]
Change = tuple[str, dict[str, Any]]  # a statement and its values

SECONDS_FOR_LOCK = 10.0
_SMALLEST = 512  # bytes of a database: SQLite takes a shorter file for an empty one

# SQLite keeps these texts, and so a file is known as ours, and of this version, by them.
_TABLES = {
    "CREATE TABLE guesses (question TEXT PRIMARY KEY, first NOT NULL, first_time TEXT NOT NULL, latest NOT NULL, "
    "latest_time TEXT NOT NULL, guesses INTEGER NOT NULL CHECK (typeof(guesses) = 'integer'))",
    "CREATE TABLE exercises (name TEXT PRIMARY KEY, "
    "hints INTEGER NOT NULL DEFAULT 0 CHECK (typeof(hints) = 'integer'), solution_seen TEXT, solved TEXT)",
    "CREATE TABLE attempts (exercise TEXT NOT NULL, time TEXT NOT NULL, outcome TEXT NOT NULL, misconception TEXT)",
}
_NEW_GUESS = "INSERT INTO guesses VALUES (:question, :first, :first_time, :latest, :latest_time, :guesses)"
_NEW_EXERCISE = "INSERT INTO exercises VALUES (:name, :hints, :solution_seen, :solved)"
_KNOWN = "INSERT OR IGNORE INTO exercises (name) VALUES (:name)"
_NEW_ATTEMPT = "INSERT INTO attempts VALUES (:name, :time, :outcome, :misconception)"


def path() -> Path:
    """Where the progress is kept: the file that MOBILENET_PROGRESS names, or one in the user's data folder.

    A name that ends in .json, as those of version 0.1 did, means the .sqlite beside it.
    """
    named = os.environ.get("MOBILENET_PROGRESS")
    if not named:
        import platformdirs

        return platformdirs.user_data_path("mobilenet-course", appauthor=False) / "progress.sqlite"
    file = expanded(named)
    return file.with_suffix(".sqlite") if file.suffix == ".json" else file


def state() -> State:
    """Everything recorded so far: {"guesses": {question id: …}, "exercises": {name: …}}. A copy."""
    file = _file()
    with closing(_connection(":memory:")) as memory:
        _read(file, memory)
        for statement, values in _pending.get(file, ()):
            memory.execute(statement, values)
        return _content(memory)


def guess(question_id: str) -> dict[str, Any] | None:
    """The guesses at a question: first, first_time, latest, latest_time, guesses (how many). None without any."""
    return state()["guesses"].get(question_id)


def record_guess(question_id: str, answer: float | str, anew: bool = False) -> None:
    """Keep a guess. The first one stays for the calibration; later ones replace the latest.

    anew: forget what was kept before.
    """
    forget = ["DELETE FROM guesses WHERE question = :question"] if anew else []
    again = "UPDATE SET latest = :latest, latest_time = :latest_time, guesses = guesses.guesses + 1"
    kept = {"first": answer, "first_time": now_text(), "latest": answer, "latest_time": now_text(), "guesses": 1}
    _update(*forget, f"{_NEW_GUESS} ON CONFLICT (question) DO {again}", question=question_id, **kept)


def record_attempt(exercise: str, outcome: str, misconception: str | None = None) -> None:
    """Keep the outcome of a check; "correct" marks the exercise as solved, once and for all."""
    solved = "UPDATE exercises SET solved = coalesce(solved, :time) WHERE name = :name AND :outcome = 'correct'"
    values = {"time": now_text(), "outcome": outcome, "misconception": misconception}
    _update(_KNOWN, _NEW_ATTEMPT, solved, name=exercise, **values)


def record_hint(exercise: str, number: int) -> None:
    """Keep that the learner has read hints up to this number."""
    higher = "UPDATE exercises SET hints = max(hints, :number) WHERE name = :name"
    _update(_KNOWN, higher, name=exercise, number=number)


def record_solution(exercise: str) -> None:
    """Keep when the learner first read the solution."""
    seen = "UPDATE exercises SET solution_seen = coalesce(solution_seen, :time) WHERE name = :name"
    _update(_KNOWN, seen, name=exercise, time=now_text())


def set_aside() -> Path | None:
    """Begin anew: copy the file to one whose name says "backup" and when, empty it, and return the copy.

    None without a file; OSError where that cannot be done.
    """
    place = _file()
    _pending.pop(place, None)
    if not _exists(place):
        return None
    kept = _free_name(place, "backup")
    try:
        with closing(_opened(place)) as file, closing(_connection(kept)) as copy, _transaction(file):
            _copy(file, copy)
            for table in ("guesses", "exercises", "attempts"):
                file.execute(f"DELETE FROM {table}")
    except sqlite3.Error as problem:
        raise OSError(f"the progress in {place} could not be set aside: {problem}") from problem
    return kept


def take_notes() -> list[str]:
    """What the learner should know about the file and has not been told; each is given out once."""
    notes = list(_notes)
    _notes.clear()
    return notes


def now_text() -> str:
    """The time as UTC in ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


_notes: list[str] = []
_pending: dict[Path | None, list[Change]] = {}  # for each file, the changes that it does not hold yet
_warned: set[Path] = set()


def _file() -> Path | None:
    """The current file; None without a learner and a named file: then everything stays in memory."""
    return path() if environment.interactive() or os.environ.get("MOBILENET_PROGRESS") else None


def _exists(file: Path | None) -> bool:
    return file is not None and (file.exists() or _older(file).exists())


def _update(*statements: str, **values: Any) -> None:
    """Make a change in the file, or keep it for the next change that can be written."""
    file = _file()
    changes = _pending.setdefault(file, [])
    changes += [(statement, values) for statement in statements]
    if file is None:
        return
    try:
        _write(file, changes)
        changes.clear()
    except (OSError, sqlite3.Error) as problem:
        if file not in _warned:
            reason = getattr(problem, "strerror", None) or problem
            _notes.append(
                f"Your progress cannot be written to {file} ({reason}). It is kept until this kernel stops. "
                "Set MOBILENET_PROGRESS to a file that you can write, and start again."
            )
        _warned.add(file)


def _write(file: Path, changes: list[Change]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.open("ab").close()  # says why it cannot be written, which SQLite does not
    with closing(_opened(file)) as database, _transaction(database):
        for statement, values in changes:
            database.execute(statement, values)


def _read(file: Path | None, memory: sqlite3.Connection) -> None:
    """Copy what is kept, also from a folder that cannot be written."""
    older = None
    if _exists(file):
        with suppress(OSError, sqlite3.Error), closing(_opened(file)) as database:
            _copy(database, memory)
            return
        with suppress(OSError):
            older = _parsed(_older(file))
    _fill(memory, older)


def _connection(file: Path | str) -> sqlite3.Connection:
    """An open database; every statement is done at once, but for those in a `_transaction`."""
    made = sqlite3.connect(file, timeout=SECONDS_FOR_LOCK, isolation_level=None)
    made.row_factory = sqlite3.Row
    return made


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing, and no other writer beside it; OperationalError where one stays too long."""
    database.execute("BEGIN IMMEDIATE")
    with database:  # commits, or rolls back after an error
        yield


def _copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    # Not by `backup`, which waits for a held file without an end.
    target.executescript("\n".join(source.iterdump()))


def _opened(file: Path) -> sqlite3.Connection:
    """The database in `file`, made where there is none. What cannot be understood is renamed, never overwritten."""
    if _broken(file):
        # Another notebook that sees it too must not rename the new file. The lock ends with its process.
        with closing(_connection(file.with_name(file.name + ".lock"))) as lock, _transaction(lock):
            if _broken(file):
                _rename_unreadable(file)
    database = _connection(file)
    try:
        if not _known(database):
            _begin(database, _older(file))
    except BaseException:
        database.close()
        raise
    return database


def _broken(file: Path) -> bool:
    """Is there something that is no whole database of the course's?"""
    size = file.stat().st_size if file.exists() else 0
    if size < _SMALLEST:
        return size > 0
    with closing(_connection(file)) as database:
        try:
            whole = database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            return not whole or not _known(database) or _content(database) is None
        except sqlite3.OperationalError:  # held, or unreachable: it may be sound
            raise
        except (sqlite3.DatabaseError, KeyError):
            return True


def _known(database: sqlite3.Connection) -> bool:
    found = {row["sql"] for row in database.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
    return found == _TABLES


def _begin(database: sqlite3.Connection, older: Path) -> None:
    """Make the tables, with what the JSON file of version 0.1 holds; that file is renamed."""
    content = _parsed(older)
    with _transaction(database):
        if _known(database):  # another notebook was faster
            return
        _fill(database, content)
    if content is not None:
        kept = older.rename(_free_name(older, "moved"))
        _notes.append(f"Your progress is kept in another kind of file now. The older one was kept as {kept}.")
    elif older.exists():
        _rename_unreadable(older)


def _fill(database: sqlite3.Connection, content: State | None) -> None:
    """Make the tables and put in the content of an older file. sqlite3.Error where an entry lacks something."""
    for table in sorted(_TABLES):
        database.execute(table)
    older = content or {"predictions": {}, "exercises": {}}
    for question, entry in older["predictions"].items():
        database.execute(_NEW_GUESS, {"question": question, **entry})
    for name, entry in older["exercises"].items():
        database.execute(_NEW_EXERCISE, {"name": name, **entry})
        database.executemany(_NEW_ATTEMPT, [{"name": name, **attempt} for attempt in entry["attempts"]])


def _parsed(older: Path) -> State | None:
    """The content of a JSON file of version 0.1, None where there is none or it is not whole."""
    try:
        content = json.loads(older.read_text(encoding="utf-8-sig"))
        # Half of a letter, which JSON can hold and SQLite cannot, becomes a question mark.
        content = json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))
        with closing(_connection(":memory:")) as trial:
            _fill(trial, content)
        return content if content["version"] == 1 else None
    except FileNotFoundError:
        return None
    # UnicodeDecodeError and JSONDecodeError are ValueErrors; the others come from content of another form.
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError, sqlite3.Error):
        return None


def _content(database: sqlite3.Connection) -> State:
    guesses = {row["question"]: dict(row) for row in database.execute("SELECT * FROM guesses")}
    for entry in guesses.values():
        del entry["question"]
    exercises = {row["name"]: {"attempts": [], **dict(row)} for row in database.execute("SELECT * FROM exercises")}
    for row in database.execute("SELECT * FROM attempts ORDER BY rowid"):
        exercises[row["exercise"]]["attempts"].append(dict(row))
    return {"guesses": guesses, "exercises": exercises}


def _older(file: Path) -> Path:
    return file.with_suffix(".json")


def _rename_unreadable(file: Path) -> None:
    kept = file.rename(_free_name(file, "unreadable"))
    _notes.append(f"Your progress file could not be understood. It was kept as {kept}, and a new one begins.")


def _free_name(file: Path, reason: str) -> Path:
    """A name beside `file` that says why and when, and is free."""
    stamp = now_text()[:19].replace(":", "").replace("-", "")
    names = (f"{file.stem}-{reason}-{stamp}{number}{file.suffix}" for number in chain([""], count(-2, step=-1)))
    return next(kept for kept in map(file.with_name, names) if not kept.exists())
