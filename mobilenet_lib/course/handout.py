"""The setting of a hand-out: whether `solution` shows anything yet.

`python -m mobilenet_lib.teaching handout` writes `handout.json` beside the students' notebooks:
{"solutions": "closed"}. While it says so, `solution` shows nothing, and `predict` without a learner leaves the truth
out. `python -m mobilenet_lib.teaching open FOLDER` opens them for a folder, and for a copy of it with its new
`handout.json`; the file that MOBILENET_LOCK names does so for a whole room. This keeps solutions from being met by
accident. It is no safe: the library's source holds them all.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from mobilenet_lib._support import files
from mobilenet_lib._support.messages import Message

SETTING = "handout.json"
OPEN, CLOSED = "open", "closed"


def locked() -> bool:
    """Are solutions closed here? A setting that is damaged, or missing where MOBILENET_LOCK names it, is closed."""
    setting = _setting()
    return setting is not None and _state(setting) != OPEN


def why_locked() -> Message:
    """What to show in place of a solution."""
    setting, blocks = _setting(), ["Your instructor opens the solutions, for the whole class. `hint` helps until then."]
    if setting is not None and _state(setting) is None:
        blocks.append(f"`{setting.name}` is missing or damaged: ask your instructor for a new copy of it.")
    return Message("note", "Closed for now", tuple(blocks))


def write(folder: Path, state: str) -> Path:
    """Set a folder of notebooks to OPEN or CLOSED; returns the setting's path. OSError where it cannot be written."""
    path = folder / SETTING
    files.write_json(path, {"solutions": state})
    return path


def _setting() -> Path | None:
    """The file that MOBILENET_LOCK names, or the one in the notebook's folder; None where neither is."""
    named = os.environ.get("MOBILENET_LOCK")
    if named:
        return files.expanded(named)
    here = Path.cwd() / SETTING
    return here if here.exists() else None


def _state(setting: Path) -> str | None:
    """OPEN or CLOSED; None for a file that says neither."""
    try:
        state = json.loads(setting.read_text(encoding="utf-8"))["solutions"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return state if state in (OPEN, CLOSED) else None
