"""The lock of a hand-out: solutions and answers stay closed until the instructor gives out a code.

    from mobilenet_lib.course.handout import answers, unlock

    unlock("the code")
    answers("05")

`python -m mobilenet_lib.teaching handout` puts a file `locked.json` beside the notebooks. While it is there,
`exercises.solution` shows nothing, and the answers to the closing questions, which are cut out of the notebooks, lie
encrypted in it. The lock keeps answers from being met by accident. It is no safe: whoever deletes the file, or reads the
source of this library, finds the reference solutions, because the checks need them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from pathlib import Path
from typing import Any

from mobilenet_lib._support.messages import Message

LOCK = "locked.json"
OPENED = "unlocked.json"  # beside the lock, so that the next kernel need not ask again
ROUNDS = 200_000  # of the key derivation; about a tenth of a second for each code that is tried
SHORTEST_CODE = 6

LOCKED = Message(
    "note",
    "Locked for now",
    (
        "Your instructor opens solutions and answers with a code, for the whole class. `hint` helps until then.",
        'With the code: `from mobilenet_lib.course.handout import unlock`, then `unlock("the code")`.',
    ),
)

_keys: dict[Path, bytes] = {}  # of the locks that this kernel has opened


def locked() -> bool:
    """Is there a lock that has not been opened? One that cannot be read counts as closed."""
    lock = _lock()
    return lock is not None and _content(lock) is None


def unlock(code: str) -> None:
    """Open solutions and answers with the instructor's code; a wrong code changes nothing, and says so."""
    lock = _lock()
    if lock is None:
        text = "There is no lock in this folder: solutions and answers are open."
        Message("note", "Nothing to unlock", (text,)).show()
        return
    sealed = _read(lock)
    if sealed is None:
        text = f"{lock.name} is missing or damaged. Ask your instructor for a new copy of it."
        Message("wrong", "The lock cannot be read", (text,)).show()
        return
    key = _key(code, bytes.fromhex(sealed["salt"]), sealed["rounds"])
    if _opened(sealed, key) is None:
        text = "Nothing was opened. Capital letters and blanks at the ends do not matter."
        Message("wrong", "This is not the code", (text,)).show()
        return
    _keys[lock] = key
    told = ["`solution(…)` works now, and `answers(…)` shows the answers to the closing questions."]
    try:
        (lock.parent / OPENED).write_text(json.dumps({"key": key.hex()}), encoding="utf-8")
    except OSError:
        told.append("The folder cannot be written, so this holds until the kernel stops. Give the code again then.")
    Message("right", "Unlocked", tuple(told)).show()


def answers(lesson: str) -> None:
    """Show the answers to the closing questions of a lesson, such as "05", once the lock is open."""
    lock = _lock()
    if lock is None:
        text = "The answers stand below the questions, folded: this folder is no hand-out."
        Message("note", "No lock here", (text,)).show()
        return
    content = _content(lock)
    if content is None:
        LOCKED.show()
        return
    if lesson not in content["answers"]:
        there_are = ", ".join(sorted(content["answers"]))
        Message("wrong", f"No answers for lesson {lesson}", (f"There are: {there_are}.",)).show()
        return
    from IPython.display import Markdown, display

    text = "\n\n".join(f"{one['question']}\n\n**Answer:** {one['answer']}" for one in content["answers"][lesson])
    display(Markdown(text))


def seal(content: dict[str, Any], code: str) -> str:
    """The content of a lock file: `content` as JSON, encrypted with a key derived from `code`.

    PBKDF2 makes the key; the text is combined with HMAC-SHA256 of a counter, and authenticated by another HMAC.
    ValueError for a code that is too short.
    """
    if len(_plain(code)) < SHORTEST_CODE:
        raise ValueError(f"the code {code!r} is too short: take {SHORTEST_CODE} characters or more, better a few words")
    salt = secrets.token_bytes(16)
    key = _key(code, salt, ROUNDS)
    text = _combined(json.dumps(content, ensure_ascii=False).encode(), key)
    made = {
        "about": "Answers of the course, locked: see mobilenet_lib.course.handout.",
        "version": 1,
        "salt": salt.hex(),
        "rounds": ROUNDS,
        "sealed": base64.b64encode(text).decode(),
        "tag": _tag(text, key),
    }
    return json.dumps(made, indent=1) + "\n"


def _lock() -> Path | None:
    """The file that MOBILENET_LOCK names, or the lock in the notebook's folder; None where neither is."""
    named = os.environ.get("MOBILENET_LOCK")
    if named:
        return Path(named).expanduser().resolve()
    here = Path.cwd() / LOCK
    return here if here.exists() else None


def _content(lock: Path) -> dict[str, Any] | None:
    """What is sealed in the lock, if this kernel or an earlier one has opened it."""
    sealed = _read(lock)
    if sealed is None:
        return None
    key = _keys.get(lock) or _kept_key(lock)
    return None if key is None else _opened(sealed, key)


def _read(lock: Path) -> dict[str, Any] | None:
    """The lock file, None where it is missing or damaged."""
    kinds = {"salt": str, "rounds": int, "sealed": str, "tag": str}
    try:
        sealed = json.loads(lock.read_text(encoding="utf-8"))
        if not all(isinstance(sealed[name], kind) for name, kind in kinds.items()):
            return None
        bytes.fromhex(sealed["salt"])
        base64.b64decode(sealed["sealed"], validate=True)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return sealed if 0 < sealed["rounds"] <= 100 * ROUNDS else None


def _kept_key(lock: Path) -> bytes | None:
    try:
        kept = json.loads((lock.parent / OPENED).read_text(encoding="utf-8"))
        return bytes.fromhex(kept["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _opened(sealed: dict[str, Any], key: bytes) -> dict[str, Any] | None:
    text = base64.b64decode(sealed["sealed"])
    if not hmac.compare_digest(_tag(text, key), sealed["tag"]):
        return None
    return json.loads(_combined(text, key))


def _plain(code: str) -> str:
    """A code as it is compared: it is typed from a screen at the front of a room."""
    return " ".join(str(code).split()).casefold()


def _key(code: str, salt: bytes, rounds: int) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", _plain(code).encode(), salt, rounds)


def _tag(text: bytes, key: bytes) -> str:
    return hmac.new(key, b"tag" + text, "sha256").hexdigest()


def _combined(text: bytes, key: bytes) -> bytes:
    """`text` XOR a stream that only the key gives; the same call encrypts and decrypts. The salt makes each key single-use."""
    blocks = (
        hmac.new(key, b"stream" + place.to_bytes(8, "big"), "sha256").digest() for place in range(-(-len(text) // 32))
    )
    return bytes(a ^ b for a, b in zip(text, b"".join(blocks), strict=False))
