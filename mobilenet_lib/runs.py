"""Runs on disk: what was trained on what, how, where, and how it went.

A `Run` is the history that `mobilenet_lib.training.fit` fills while it trains, and the JSON file that a lesson loads
instead of training. Nothing here imports Paddle.

Introduced in lesson 08.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mobilenet_lib._support import environment, files
from mobilenet_lib._support.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd

MODES = ("quick", "recorded", "full")

# What a run must hold, and of which type. A field that is missing or of another type is refused by name.
_NUMBER = (int, float)
_NOTHING = type(None)
_RUN_FIELDS = {
    "name": (str,),
    "settings": (dict,),
    "data": (dict,),
    "seed": (int,),
    "epochs": (list,),
    "test": (dict, _NOTHING),
    "versions": (dict,),
    "machine": (dict,),
    "mode": (str,),
    "started": (str,),
    "notes": (str,),
    "interrupted": (bool,),
}
_DATA_FIELDS = {"name": (str,), "source": (str,), "train_size": (int,), "validation_size": (int,)}
_EPOCH_FIELDS = {
    "epoch": (int,),
    "train_loss": _NUMBER,
    "train_accuracy": _NUMBER,
    "validation_loss": (*_NUMBER, _NOTHING),
    "validation_accuracy": (*_NUMBER, _NOTHING),
    "seconds": _NUMBER,
    "images_per_second": _NUMBER,
    "learning_rate": _NUMBER,
}
_TEST_FIELDS = {"loss": _NUMBER, "accuracy": _NUMBER, "correct": (int,), "total": (int,)}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


@dataclass
class Run:
    """One training run with everything needed to judge it.

    settings: what was asked for, by argument name. data: where the images came from, with `name`, `source`,
    `train_size` and `validation_size`. epochs: a dictionary per finished epoch, with `epoch` (from 1), `train_loss`,
    `train_accuracy`, `validation_loss`, `validation_accuracy` (the last two None without validation), `seconds` and
    `images_per_second` (of the training part), `learning_rate` (mean over the epoch's steps). Losses are mean cross
    entropies in nats, accuracies shares from 0 to 1. test: None, or `loss`, `accuracy`, `correct`, `total` on
    pictures never trained on. mode: "quick" (a short first run), "recorded" (loaded with the course) or "full".
    started: ISO date and time. interrupted: whether somebody stopped it; the finished epochs are kept.
    """

    name: str
    settings: dict[str, Any]
    data: dict[str, Any]
    seed: int
    epochs: list[dict[str, Any]] = field(default_factory=list)
    test: dict[str, Any] | None = None
    versions: dict[str, str] = field(default_factory=environment.versions)
    machine: dict[str, Any] = field(default_factory=environment.machine)
    mode: str = "full"
    started: str = field(default_factory=_now)
    notes: str = ""
    interrupted: bool = False

    def to_frame(self) -> pd.DataFrame:
        """The curves as a pandas frame, a row per epoch; NaN where there was no validation."""
        import pandas as pd

        frame = pd.DataFrame(self.epochs, columns=list(_EPOCH_FIELDS))
        return frame.astype({column: "int64" if column == "epoch" else "float64" for column in frame})

    def to_json(self) -> str:
        """The run as JSON text. ValueError where a field is missing, of a wrong type, NaN or infinite."""
        record = asdict(self)
        _check_run(record, f"the run {self.name!r}")
        try:
            return json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        except (TypeError, ValueError) as problem:
            raise ValueError(
                f"the run {self.name!r} holds a value that JSON has no form for ({problem}). "
                "Put plain finite numbers, texts, lists and dictionaries into settings, data, versions and machine."
            ) from problem

    @classmethod
    def from_json(cls, text: str, where: str) -> Run:
        """The run in a JSON text. ValueError, beginning with `where`, says what is broken or missing."""
        try:
            record = json.loads(text, parse_constant=_refuse_constant)
        except ValueError as problem:
            raise ValueError(
                f"{where} is not a whole JSON file ({problem}). Take a good copy of it, or train again."
            ) from problem
        _check_run(record, where)
        return cls(**record)

    def save(self, path: str | Path) -> None:
        """Write the run to `path` as JSON; an older file stays whole if anything fails on the way.

        ValueError where the run cannot be written as JSON, OSError where the disk refuses.
        """
        text = self.to_json()
        with atomic_write(path) as file:
            file.write(text.encode())

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """The run that `save` wrote. FileNotFoundError without a file, ValueError for a broken or incomplete one."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as problem:
            raise FileNotFoundError(
                f"there is no run at {path}. Check the path, or train and save(...) there."
            ) from problem
        except UnicodeDecodeError as problem:
            raise ValueError(
                f"{path} is not a JSON file in UTF-8 ({problem}). Give the path of a file that Run.save wrote."
            ) from problem
        return cls.from_json(text, str(path))


def recorded_names() -> list[str]:
    """The runs that come with the course, in alphabetical order."""
    return sorted(path.stem for path in files.RECORDED.glob("*.json"))


def recorded(name: str) -> Run:
    """A run that comes with the course, marked as "recorded". FileNotFoundError lists the names there are."""
    if name not in recorded_names():
        there_are = ", ".join(recorded_names()) or "none"
        raise FileNotFoundError(f"there is no recorded run {name!r}. Choose one of: {there_are}.")
    return replace(Run.load(files.RECORDED / f"{name}.json"), mode="recorded")


def recorded_all(prefix: str) -> list[Run]:
    """The recorded runs whose names begin with `prefix`, in alphabetical order. FileNotFoundError where there is none."""
    names = [name for name in recorded_names() if name.startswith(prefix)]
    if not names:
        raise FileNotFoundError(
            f"there is no recorded run whose name begins with {prefix!r}. There are: {', '.join(recorded_names()) or 'none'}."
        )
    return [recorded(name) for name in names]


def check_mode(mode: str) -> str:
    """`mode`, where it is one. ValueError for another word."""
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    return mode


def _check_run(record: object, where: str) -> None:
    run = _check_fields(record, _RUN_FIELDS, where)
    _check_fields(run["data"], _DATA_FIELDS, f"{where}, data", others=True)
    if run["test"] is not None:
        _check_fields(run["test"], _TEST_FIELDS, f"{where}, test", others=True)
    for number, epoch in enumerate(run["epochs"], start=1):
        _check_fields(epoch, _EPOCH_FIELDS, f"{where}, epochs[{number - 1}]")
        if epoch["epoch"] != number:
            raise ValueError(f"{where}, epochs[{number - 1}]: epoch should be {number}, not {epoch['epoch']}")
    if run["mode"] not in MODES:
        raise ValueError(f"{where}: mode should be one of {', '.join(MODES)}, not {run['mode']!r}")


def _check_fields(
    record: object, expected: dict[str, tuple[type, ...]], where: str, others: bool = False
) -> dict[str, Any]:
    """`record` as a dictionary with the expected fields; `others` allows fields beside them."""
    if not isinstance(record, dict):
        raise ValueError(f"{where} should hold the fields {', '.join(expected)}, not {record!r:.60}")
    for name, types in expected.items():
        if name not in record:
            raise ValueError(f"{where}: the field {name!r} is missing. Take a good copy of it, or train again.")
        value = record[name]
        # A bool is an int in Python, but never a count or a loss.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join("nothing" if kind is _NOTHING else kind.__name__ for kind in types)
            raise ValueError(f"{where}: the field {name!r} should be {names}, not {value!r:.60}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where}: the field {name!r} should be a finite number, not {value}")
    unknown = sorted(record.keys() - expected.keys())
    if unknown and not others:
        raise ValueError(f"{where}: the field {unknown[0]!r} is unknown. Expected: {', '.join(expected)}.")
    return record


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
