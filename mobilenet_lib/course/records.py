"""What a learner guessed and solved, kept in one JSON file that several notebooks may write at once.

Every change is a small function that edits the content. It is applied to what the file holds at that moment, under a
lock, and the new content takes the file's name in one step. Where the file cannot be written, the changes wait in
memory and go along with the next one that can.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from mobilenet_lib._support import environment
from mobilenet_lib._support.files import atomic_write

State = dict[str, Any]
Change = Callable[[State], None]

SECONDS_FOR_LOCK = 10.0

# What an entry must hold, and of which type; a file with anything else is set aside.
_PREDICTION = {
    "first": (int, float, str),
    "first_time": (str,),
    "latest": (int, float, str),
    "latest_time": (str,),
    "guesses": (int,),
}
_EXERCISE = {
    "attempts": (list,),
    "hints": (int,),
    "solution_seen": (str, type(None)),
    "solved": (str, type(None)),
}
_ATTEMPT = {"time": (str,), "outcome": (str,), "misconception": (str, type(None))}


def path() -> Path:
    """Where the progress is kept: the file that MOBILENET_PROGRESS names, or one in the user's data folder."""
    named = os.environ.get("MOBILENET_PROGRESS")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_data_path("mobilenet-course", appauthor=False) / "progress.json"


def state() -> State:
    """Everything recorded so far: {"version", "predictions": {id: …}, "exercises": {name: …}}. A copy."""
    return _store().state()


def guess(question_id: str) -> dict[str, Any] | None:
    """The guesses at a question: first, first_time, latest, latest_time, guesses (how many). None without any."""
    return state()["predictions"].get(question_id)


def record_guess(question_id: str, answer: float | str, anew: bool = False) -> None:
    """Keep a guess. The first one stays for the calibration; later ones replace the latest.

    anew: forget what was kept before.
    """
    now = now_text()

    def change(content: State) -> None:
        if anew:
            content["predictions"].pop(question_id, None)
        entry = content["predictions"].setdefault(question_id, {"first": answer, "first_time": now, "guesses": 0})
        entry.update(latest=answer, latest_time=now, guesses=entry["guesses"] + 1)

    _store().update(change)


def record_attempt(exercise: str, outcome: str, misconception: str | None = None) -> None:
    """Keep the outcome of a check; "correct" marks the exercise as solved, once and for all."""
    now = now_text()

    def change(content: State) -> None:
        entry = _exercise(content, exercise)
        entry["attempts"].append({"time": now, "outcome": outcome, "misconception": misconception})
        if outcome == "correct" and entry["solved"] is None:
            entry["solved"] = now

    _store().update(change)


def record_hint(exercise: str, number: int) -> None:
    """Keep that the learner has read hints up to this number."""

    def change(content: State) -> None:
        entry = _exercise(content, exercise)
        entry["hints"] = max(entry["hints"], number)

    _store().update(change)


def record_solution(exercise: str) -> None:
    """Keep when the learner first read the solution."""
    now = now_text()

    def change(content: State) -> None:
        entry = _exercise(content, exercise)
        entry["solution_seen"] = entry["solution_seen"] or now

    _store().update(change)


def set_aside(reason: str) -> Path | None:
    """Begin anew: rename the file so that its name says why and when, and return the new path; None without a file.

    OSError where the file cannot be renamed.
    """
    store = _store()
    store.pending.clear()
    if store.path is None or not store.path.exists():
        return None
    with _locked(store.path):
        return _rename(store.path, reason)


def take_notes() -> list[str]:
    """What the learner should know about the file and has not been told; each is given out once."""
    notes = list(_notes)
    _notes.clear()
    return notes


def now_text() -> str:
    """The time as UTC in ISO 8601, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def _exercise(content: State, name: str) -> dict[str, Any]:
    return content["exercises"].setdefault(name, {"attempts": [], "hints": 0, "solution_seen": None, "solved": None})


_notes: list[str] = []
_stores: dict[Path | None, _Store] = {}


def _store() -> _Store:
    """The store of the current file; without a learner and a named file, one that stays in memory."""
    keep = environment.interactive() or "MOBILENET_PROGRESS" in os.environ
    place = path() if keep else None
    return _stores.setdefault(place, _Store(place))


class _Store:
    """The file at `path` and the changes that it does not hold yet; with `path` None, the changes only."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.pending: list[Change] = []
        self._warned = False

    def state(self) -> State:
        content = _empty()
        if self.path is not None and self.path.exists():
            try:
                with _locked(self.path):
                    content = _load(self.path)
            except OSError:  # a folder that cannot be written may still be read
                with suppress(OSError):
                    content = _parsed(self.path) or content
        for change in self.pending:
            change(content)
        return content

    def update(self, change: Change) -> None:
        self.pending.append(change)
        if self.path is None:
            return
        try:
            with _locked(self.path):
                content = _load(self.path)
                for waiting in self.pending:
                    waiting(content)
                with atomic_write(self.path) as file:
                    file.write(json.dumps(content, indent=1, ensure_ascii=False).encode())
            self.pending.clear()
        except OSError as problem:
            if not self._warned:
                self._warned = True
                _notes.append(
                    f"Your progress cannot be written to {self.path} ({problem.strerror or problem}). It is kept until "
                    "this kernel stops. Set MOBILENET_PROGRESS to a file that you can write, and start again."
                )


def _empty() -> State:
    return {"version": 1, "predictions": {}, "exercises": {}}


def _load(file: Path) -> State:
    """The content of `file`, empty without one. A file that cannot be understood is renamed, never overwritten."""
    if not file.exists():
        return _empty()
    content = _parsed(file)
    if content is None:
        kept = _rename(file, "unreadable")
        _notes.append(f"Your progress file could not be understood. It was kept as {kept}, and a new one begins.")
        return _empty()
    return content


def _parsed(file: Path) -> State | None:
    """The content of `file` where it is a whole progress file, else None."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return None
    return content if _valid(content) else None


def _valid(content: object) -> bool:
    if not isinstance(content, dict) or content.get("version") != 1:
        return False
    predictions, exercises = content.get("predictions"), content.get("exercises")
    if not isinstance(predictions, dict) or not isinstance(exercises, dict):
        return False
    return all(_has(entry, _PREDICTION) for entry in predictions.values()) and all(
        _has(entry, _EXERCISE) and all(_has(attempt, _ATTEMPT) for attempt in entry["attempts"])
        for entry in exercises.values()
    )


def _has(entry: object, fields: dict[str, tuple[type, ...]]) -> bool:
    return isinstance(entry, dict) and all(
        name in entry and isinstance(entry[name], kinds) for name, kinds in fields.items()
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no answer")


def _rename(file: Path, reason: str) -> Path:
    """Move `file` to a name beside it that is free."""
    stamp = now_text()[:19].replace(":", "").replace("-", "")
    kept = file.with_name(f"{file.stem}-{reason}-{stamp}{file.suffix}")
    number = 2
    while kept.exists():
        kept = file.with_name(f"{file.stem}-{reason}-{stamp}-{number}{file.suffix}")
        number += 1
    return file.rename(kept)


# The system's own file locks end with the process that holds them, so a crash leaves no stale lock behind; the
# empty .lock file may stay.
if os.name == "nt":
    import msvcrt

    def _try_lock(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

    def _unlock(file: BinaryIO) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(file: BinaryIO) -> None:
        fcntl.flock(file, fcntl.LOCK_UN)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process at a time into the block. TimeoutError where another one stays in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(file.name + ".lock").open("ab") as lock:
        deadline = time.monotonic() + SECONDS_FOR_LOCK
        while True:
            try:
                _try_lock(lock)
                break
            # Held by another process; Windows says permission denied.
            except (BlockingIOError, PermissionError):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"another program has held {lock.name} for too long") from None
                time.sleep(0.02)
            except OSError as problem:
                # Some network drives know no locks; a rare lost entry is better than no progress at all.
                if problem.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    raise
                break
        try:
            yield
        finally:
            with suppress(OSError):
                _unlock(lock)
