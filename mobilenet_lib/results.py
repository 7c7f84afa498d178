"""Runs on disk: what was trained on what, how, where, and how it went; and tables over several runs.

A `Run` is the history that `mobilenet_lib.training.fit` fills while it trains, and the JSON file that a lesson loads
instead of training. Nothing here imports Paddle.

Introduced in lesson 08.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import numpy as np

from mobilenet_lib import environment
from mobilenet_lib.cost import whole_number

if TYPE_CHECKING:
    import pandas as pd

RECORDED = Path(__file__).parent / "recorded"
MODES = ("smoke", "recorded", "full")

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

# Of settings and data, what two runs need not share to be compared: the engine decides how fast the same steps are taken,
# the others were counted and noted afterwards.
_NO_CONDITIONS = frozenset({"engine", "macs", "test_source"})


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
    pictures never trained on. mode: "smoke" (a short first run), "recorded" (loaded with the course) or "full".
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
        return frame.astype(
            {column: "int64" if column == "epoch" else "float64" for column in frame}
        )

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


@contextmanager
def atomic_write(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file to write, which takes the name `path` only when it is complete and on the disk.

    A full disk, an interrupt or a killed process leaves the older file as it was. Folders are made as needed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())  # otherwise the new name can reach the disk before the content
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_json(path: str | Path, content: Any) -> None:
    """Write something measured as JSON that people can read too, by `atomic_write`."""
    with atomic_write(path) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


def recorded_names() -> list[str]:
    """The runs that come with the course, in alphabetical order."""
    return sorted(path.stem for path in RECORDED.glob("*.json"))


def recorded(name: str) -> Run:
    """A run that comes with the course, marked as "recorded". FileNotFoundError lists the names there are."""
    if name not in recorded_names():
        there_are = ", ".join(recorded_names()) or "none"
        raise FileNotFoundError(f"there is no recorded run {name!r}. Choose one of: {there_are}.")
    return replace(Run.load(RECORDED / f"{name}.json"), mode="recorded")


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


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Where the true accuracy lies after `correct` of `total` pictures: Wilson's score interval, (low, high).

    It answers for the choice of pictures only, not for the seed of the training.
    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; its formula, without continuity correction.
    """
    total = whole_number("total", total)
    correct = whole_number("correct", correct, minimum=0)
    if correct > total:
        raise ValueError(f"correct must be at most total = {total}, not {correct}")
    z = NormalDist().inv_cdf((1 + _share("confidence", confidence)) / 2)
    share = correct / total
    scale = 1 + z**2 / total
    centre = (share + z**2 / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    # At 0 and at `total` the formula gives 0 and 1 exactly, but for rounding.
    return (0.0 if correct == 0 else centre - half, 1.0 if correct == total else centre + half)


def student_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where the mean over all seeds lies, from a few of them: mean ± t · s / √n, (low, high).

    ValueError for fewer than two values: one run does not show how much runs differ.
    """
    if len(values) < 2:
        raise ValueError(
            f"values must be at least two to show a spread, not {len(values)}. Run more seeds."
        )
    half = student_t(len(values), confidence) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def student_t(number: int, confidence: float = 0.95) -> float:
    """How many standard errors to allow on either side of a mean of `number` values, at least two."""
    return _student_t(
        _share("confidence", confidence), whole_number("number", number, minimum=2) - 1
    )


def confusion(labels: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """How often pictures of class [row] were answered with class [column], int64 [classes, classes].

    labels, answers: int64 [N], each from 0 to classes - 1. ValueError where they differ in length or lie outside.
    """
    labels, answers = np.asarray(labels), np.asarray(answers)
    if labels.shape != answers.shape or labels.ndim != 1:
        raise ValueError(
            f"labels and answers must be two lists of equal length, not of shape {list(labels.shape)} and "
            f"{list(answers.shape)}"
        )
    both = np.concatenate([labels, answers])
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ValueError(
            f"labels and answers must lie from 0 to {classes - 1}, not from {both.min()} to {both.max()}"
        )
    return np.bincount(labels * classes + answers, minlength=classes**2).reshape(classes, classes)


def paired(first: Run, second: Run) -> dict[str, int]:
    """Two runs on the same test pictures: how many `both` got right, `only_first`, `only_second`, and `neither`.

    ValueError where a run does not say which pictures were right, or where they were tested on different ones.
    """
    for run in (first, second):
        if not run.test or "right" not in run.test:
            raise ValueError(
                f"the run {run.name!r} with seed {run.seed} does not say which test pictures were right. Record it again."
            )
    tested = [
        (run.data["name"], run.data.get("test_source"), run.data.get("checksum"), run.test["total"])
        for run in (first, second)
    ]
    if tested[0] != tested[1]:
        raise ValueError(
            f"the runs were tested on different pictures, {tested[0]} and {tested[1]}: they cannot be paired"
        )
    pairs = list(zip(first.test["right"], second.test["right"], strict=True))
    return {
        "both": pairs.count(("1", "1")),
        "only_first": pairs.count(("1", "0")),
        "only_second": pairs.count(("0", "1")),
        "neither": pairs.count(("0", "0")),
    }


def summary(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per model: runs that share name, data and mode are averaged over their seeds, at their last epoch.

    `accuracy` is the mean on the test set where every run has one, else on the validation part (`measured_on`).
    `low` and `high` are its 95 % interval and `interval` says which: Student's t over the seeds where there are
    several, Wilson's over the pictures where there is one. `seconds` is a run's whole training time.
    ValueError for no runs, a run without a finished epoch, and under the same name a repeated seed, other settings or
    another number of finished epochs.
    """
    import pandas as pd

    if not runs:
        raise ValueError(
            "runs must hold at least one run, not none. Train one, or load recorded ones."
        )
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.name, run.data["name"], run.mode), []).append(run)
    return pd.DataFrame([_summary_row(group) for group in groups.values()])


def _summary_row(runs: list[Run]) -> dict[str, Any]:
    _check_comparable(runs)
    last = [run.epochs[-1] for run in runs]
    measured_on, accuracies, totals = _accuracies(runs)
    low, high, interval = _interval(accuracies, totals)
    return {
        "name": runs[0].name,
        "data": runs[0].data["source"],
        "mode": runs[0].mode,
        "runs": len(runs),
        "epochs": len(runs[0].epochs),
        "train_accuracy": fmean(epoch["train_accuracy"] for epoch in last),
        "accuracy": fmean(accuracies) if accuracies else math.nan,
        "measured_on": measured_on,
        "low": low,
        "high": high,
        "interval": interval,
        "seconds": fmean(sum(epoch["seconds"] for epoch in run.epochs) for run in runs),
        "images_per_second": fmean(
            epoch["images_per_second"] for run in runs for epoch in run.epochs
        ),
    }


def _accuracies(runs: list[Run]) -> tuple[str, list[float], list[int]]:
    """What the accuracy was measured on, each run's accuracy, and over how many pictures."""
    tests = [run.test for run in runs if run.test is not None]
    if len(tests) == len(runs):
        return "test", [test["accuracy"] for test in tests], [test["total"] for test in tests]
    accuracies = [run.epochs[-1]["validation_accuracy"] for run in runs]
    if None in accuracies:
        return "nothing", [], []
    return "validation", accuracies, [run.data["validation_size"] for run in runs]


def _interval(accuracies: list[float], totals: list[int]) -> tuple[float, float, str]:
    if not accuracies:
        return math.nan, math.nan, "none"
    if len(accuracies) == 1:
        low, high = wilson_interval(round(accuracies[0] * totals[0]), totals[0])
        return low, high, f"Wilson, {totals[0]} pictures of one run"
    low, high = student_interval(accuracies)
    return low, high, f"Student t, {len(accuracies)} seeds"


def _check_comparable(runs: list[Run]) -> None:
    """Averaging needs finished epochs, different seeds, and the same of everything else."""
    name = runs[0].name
    for run in runs:
        if not run.epochs:
            raise ValueError(
                f"a run named {name!r} has no finished epoch (seed {run.seed}). Leave it out."
            )
    seeds = [run.seed for run in runs]
    for seed in seeds:
        if seeds.count(seed) > 1:
            raise ValueError(
                f"{seeds.count(seed)} runs named {name!r} have the seed {seed}. A mean over seeds needs a different seed "
                "in each: leave the repeats out, or give them other names."
            )
    first = _conditions(runs[0])
    for conditions in map(_conditions, runs[1:]):
        for key in sorted(first.keys() | conditions.keys()):
            if first.get(key) != conditions.get(key):
                raise ValueError(
                    f"runs named {name!r} differ in {key}: {first.get(key)!r} and {conditions.get(key)!r}. "
                    "A mean over seeds needs the rest to be the same: give them other names."
                )


def _conditions(run: Run) -> dict[str, Any]:
    """What runs must share to be averaged or compared."""
    told = {**run.settings, **run.data, "finished epochs": len(run.epochs)}
    return {name: value for name, value in told.items() if name not in _NO_CONDITIONS}


def _student_t(confidence: float, degrees: int) -> float:
    """The t that |T| stays below with this probability, by halving the angle θ = atan(t / √degrees)."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if _student_share(middle, degrees) < confidence else (low, middle)
        )
    return math.sqrt(degrees) * math.tan(low)


def _student_share(angle: float, degrees: int) -> float:
    """P(|T| < √degrees · tan(angle)) for Student's T: Abramowitz and Stegun (1964), 26.7.3 and 26.7.4."""
    odd = degrees % 2
    term, total = math.cos(angle) if odd else 1.0, 0.0
    for k in range(2 + odd, degrees + 1, 2):
        total += term
        term *= math.cos(angle) ** 2 * (k - 1) / k
    return 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total


def _share(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name} must lie between 0 and 1, not {value!r}")
    return value


def _check_run(record: object, where: str) -> None:
    run = _check_fields(record, _RUN_FIELDS, where)
    _check_fields(run["data"], _DATA_FIELDS, f"{where}, data", others=True)
    if run["test"] is not None:
        _check_fields(run["test"], _TEST_FIELDS, f"{where}, test", others=True)
    for number, epoch in enumerate(run["epochs"], start=1):
        _check_fields(epoch, _EPOCH_FIELDS, f"{where}, epochs[{number - 1}]")
        if epoch["epoch"] != number:
            raise ValueError(
                f"{where}, epochs[{number - 1}]: epoch should be {number}, not {epoch['epoch']}"
            )
    if run["mode"] not in MODES:
        raise ValueError(f"{where}: mode should be one of {', '.join(MODES)}, not {run['mode']!r}")


def _check_fields(
    record: object, expected: dict[str, tuple[type, ...]], where: str, others: bool = False
) -> dict[str, Any]:
    """`record` as a dictionary with the expected fields; `others` allows fields beside them."""
    if not isinstance(record, dict):
        raise ValueError(
            f"{where} should hold the fields {', '.join(expected)}, not {record!r:.60}"
        )
    for name, types in expected.items():
        if name not in record:
            raise ValueError(
                f"{where}: the field {name!r} is missing. Take a good copy of it, or train again."
            )
        value = record[name]
        # A bool is an int in Python, but never a count or a loss.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            names = " or ".join("nothing" if kind is _NOTHING else kind.__name__ for kind in types)
            raise ValueError(f"{where}: the field {name!r} should be {names}, not {value!r:.60}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{where}: the field {name!r} should be a finite number, not {value}")
    unknown = sorted(record.keys() - expected.keys())
    if unknown and not others:
        raise ValueError(
            f"{where}: the field {unknown[0]!r} is unknown. Expected: {', '.join(expected)}."
        )
    return record


def _refuse_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")
