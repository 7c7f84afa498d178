"""Recorded runs and measurements; `python -m mobilenet_lib.experiments.recorded --list` names what makes them again."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from mobilenet_lib._support import schema


@cache
def load(path: Path, command: str) -> dict[str, Any]:
    """What a file of measurements holds; it is read once. command: what makes it again, for the errors.

    Raises FileNotFoundError without the file, ValueError where it is damaged.
    """
    again = f"`{command}` makes it again"
    if not path.is_file():
        raise FileNotFoundError(f"there is no record at {path}. {again}, or take a whole copy of the course.")
    return schema.parse(path.read_text(encoding="utf-8"), schema.ANY_OBJECT, str(path), f"{again}.")
