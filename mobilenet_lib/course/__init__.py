"""The course around the lessons: what a lesson asks, checks and keeps.

    from mobilenet_lib.course import check, hint, predict, solution, yours

Importing it prepares what a lesson needs: `import paddle` takes all cores and prints no start-up notes, and in a
notebook a NameError says which cell was left out, and an interrupt which import it broke.
"""

import sys
from importlib import import_module

from mobilenet_lib._support import paddle_import

# Imported when asked for: the launcher must be able to speak on a Python that is too old for the rest.
_HOMES = {
    **dict.fromkeys(("check", "hint", "solution", "yours"), "exercises"),
    **dict.fromkeys(("CUTS", "LESSONS", "Lesson", "lesson"), "lessons"),
    "predict": "guesses",
}

__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


paddle_import.prepare()
if "IPython" in sys.modules:
    from mobilenet_lib.course import error_notes

    error_notes.watch()
