"""Runs on disk: what was trained on what, how, where, and how it went.

A `Run` is the history that `mobilenet_lib.training.fit` fills while it trains, and the JSON file that a lesson loads
instead of training. Nothing here imports Paddle. Introduced in lesson 08.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mobilenet_lib._support import environment, files, schema
from mobilenet_lib._support.arguments import one_of

if TYPE_CHECKING:
    import pandas as pd

MODES = ("quick", "recorded", "full")

# The form of a run's file. Settings, data, versions and machine may hold more than is named here.
_EPOCH = schema.fields(
    epoch=schema.WHOLE,
    train_loss=schema.NUMBER,
    train_accuracy=schema.NUMBER,
    validation_loss=schema.or_null(schema.NUMBER),
    validation_accuracy=schema.or_null(schema.NUMBER),
    seconds=schema.or_null(schema.NUMBER),
    images_per_second=schema.or_null(schema.NUMBER),
    learning_rate=schema.NUMBER,
)
_DATA = schema.fields(True, name=schema.TEXT, source=schema.TEXT, train_size=schema.WHOLE, validation_size=schema.WHOLE)
_TEST = schema.fields(True, loss=schema.NUMBER, accuracy=schema.NUMBER, correct=schema.WHOLE, total=schema.WHOLE)
SCHEMA = schema.fields(
    name=schema.TEXT,
    settings=schema.ANY_OBJECT,
    data=_DATA,
    seed=schema.WHOLE,
    epochs=schema.rows(_EPOCH),
    test=schema.or_null(_TEST),
    versions=schema.fields(True, python=schema.TEXT, paddlepaddle=schema.TEXT, numpy=schema.TEXT),
    machine=schema.fields(True, processor=schema.TEXT, threads=schema.WHOLE),
    mode={"enum": list(MODES)},
    started=schema.TEXT,
    notes=schema.TEXT,
    interrupted=schema.FLAG,
)
_ADVICE = "Take a good copy of it, or train again."


@dataclass
class Run:
    """One training run with everything needed to judge it.

    Attributes:
        name: what tables and plots call it.
        settings: what was asked for, by argument name, and the training `step` that computed it.
        data: where the images came from, with `name`, `source`, `train_size` and `validation_size`.
        seed: of the order, the augmentation and the dropout.
        epochs: a dictionary per finished epoch, with `epoch` (from 1), `train_loss`, `train_accuracy`,
            `validation_loss`, `validation_accuracy` (these two None without validation), `seconds` and
            `images_per_second` (of the training part; None where the machine was not idle), `learning_rate` (mean over
            the epoch's steps). Losses are mean cross entropies in nats, accuracies fractions from 0 to 1.
        test: None, or `loss`, `accuracy`, `correct`, `total` on images never trained on.
        versions, machine: what else the last digits depend on: Paddle, NumPy, processor, threads.
        mode: "quick" (a short first run), "recorded" (loaded with the course) or "full".
        started: ISO date and time.
        notes: one line for the reader.
        interrupted: whether somebody stopped it; the finished epochs are kept.
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
    started: str = field(default_factory=lambda: datetime.now(timezone.utc).isoformat(timespec="seconds"))
    notes: str = ""
    interrupted: bool = False

    @property
    def conditions(self) -> dict[str, Any]:
        """Settings, data and seed: what a run that continues this one, or shares its batches, must have too."""
        return {**self.settings, **self.data, "seed": self.seed}

    def to_frame(self) -> pd.DataFrame:
        """The curves as a pandas frame, a row per epoch; NaN where there was no validation."""
        import pandas as pd

        frame = pd.DataFrame(self.epochs, columns=list(_EPOCH["properties"]))
        return frame.astype({column: "int64" if column == "epoch" else "float64" for column in frame})

    def to_json(self) -> str:
        """The run as JSON text. ValueError where a field is missing, of a wrong type, NaN or infinite."""
        record = asdict(self)
        _check(record, f"the run {self.name!r}")
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
        record = schema.parse(text, SCHEMA, where, _ADVICE)
        _check(record, where)
        return cls(**record)

    def save(self, path: str | Path) -> None:
        """Write the run to `path` as JSON; an older file stays whole if anything fails on the way.

        ValueError where the run cannot be written as JSON, OSError where the disk refuses.
        """
        content = self.to_json().encode()
        with files.atomic_write(path) as file:
            file.write(content)

    @classmethod
    def load(cls, path: str | Path) -> Run:
        """The run that `save` wrote. FileNotFoundError without a file, ValueError for a broken or incomplete one."""
        path = files.expanded(path)
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
    """The recorded runs whose names begin with `prefix`, in alphabetical order. FileNotFoundError without any."""
    names = [name for name in recorded_names() if name.startswith(prefix)]
    if not names:
        there_are = ", ".join(recorded_names()) or "none"
        raise FileNotFoundError(f"there is no recorded run whose name begins with {prefix!r}. There are: {there_are}.")
    return [recorded(name) for name in names]


def check_mode(mode: str) -> str:
    """`mode`, where it is one. ValueError for another word."""
    return one_of("mode", mode, MODES)


def _check(record: dict[str, Any], where: str) -> None:
    schema.check(record, SCHEMA, where, _ADVICE)
    for index, found in enumerate(epoch["epoch"] for epoch in record["epochs"]):
        if found != index + 1:
            raise ValueError(f"{where}, epochs[{index}]: epoch should be {index + 1}, not {found}. {_ADVICE}")
