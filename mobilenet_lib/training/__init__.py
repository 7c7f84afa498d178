"""Training that can be repeated, watched, stopped and continued, with a history of what happened.

`fit` trains and returns a `mobilenet_lib.runs.Run`; `evaluate` measures a model on images. Two classes compute a step:
`DynamicStep` is Paddle as the lessons use it; it trains any model and is the reference. `StaticStep` trains networks
that were built from a table, several times faster on a CPU. It relies on a path of Paddle that is still experimental:
`choose` takes it only for a model that is just what its table says, and after a trial on this machine.

Introduced in lesson 08.
"""

from importlib import import_module

# Imported when asked for, because nearly all of it imports Paddle, and a command must be able to refuse at once.
_HOMES = {
    "CheckpointNotSaved": "checkpoints",
    "choose": "choice",
    "compare": "comparison",
    "DynamicStep": "dynamic",
    **dict.fromkeys(("evaluate", "scores"), "evaluation"),
    **dict.fromkeys(("TrainingDiverged", "fit", "seed_everything"), "fitting"),
    **dict.fromkeys(("RECIPES", "SCHEDULES", "STEPS", "Options", "learning_rates"), "options"),
    "StaticStep": "static",
    "NotSupported": "structure",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """What there is, for completion and for the documentation, also before it was asked for."""
    return sorted({*globals(), *__all__})
