"""Training that can be repeated, watched, stopped and continued, with a history of what happened.

`fit` trains and returns a `mobilenet_lib.runs.Run`; `evaluate` measures a model on images. The step itself, the
part that Paddle computes, is in `dynamic` and `static`; everything around it is bookkeeping. Checkpoints are
in `mobilenet_lib.checkpoints`.

Introduced in lesson 08.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mobilenet_lib import data
from mobilenet_lib._support import environment
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data import ImageSet
from mobilenet_lib.runs import Run, check_mode
from mobilenet_lib.training import checkpoints, inputs, parallel
from mobilenet_lib.training.choice import Engine, choose
from mobilenet_lib.training.dynamic import RECIPES, DynamicGraph, cross_entropy

SCHEDULES = ("one_cycle", "constant")


class TrainingDiverged(RuntimeError):
    """The loss, or a weight, became NaN or infinite.

    `epoch`, `batch` (both from 1; `batch` is None where the end of the epoch showed it) and `learning_rate` say where,
    `history` is the `Run` with the epochs finished before.
    """

    def __init__(self, what: str, epoch: int, batch: int | None, learning_rate: float, history: Run) -> None:
        self.epoch, self.batch, self.learning_rate, self.history = (
            epoch,
            batch,
            learning_rate,
            history,
        )
        place = f"epoch {epoch}" if batch is None else f"epoch {epoch}, batch {batch}"
        super().__init__(
            f"{what} in {place}, at learning rate {learning_rate:.3g}. Try a smaller learning_rate, such as "
            f"{history.settings['learning_rate'] / 10:.3g}; if it fails in the first batch, look at the model instead. "
            f"{_where_the_model_is(history)}"
        )


@dataclass(frozen=True, eq=False)
class Evaluation:
    """How a model does on images: mean cross entropy in nats, share of correct answers, and the answers, int64 [N]."""

    loss: float
    accuracy: float
    predictions: np.ndarray

    def as_dict(self) -> dict[str, Any]:
        """The figures without the answers, in the form that `Run.test` holds."""
        total = len(self.predictions)
        correct = round(self.accuracy * total)
        return {"loss": self.loss, "accuracy": self.accuracy, "correct": correct, "total": total}


def seed_everything(seed: int) -> None:
    """Seed the three global generators that a Paddle program draws from: Paddle's, NumPy's and Python's.

    Call it before building a model, so that its first weights can be repeated.
    """
    seed = whole_number("seed", seed, minimum=0)
    paddle.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - layers and libraries that draw from the old global generator
    random.seed(seed)


def learning_rates(schedule: str, peak: float, steps: int) -> np.ndarray:
    """The learning rate of each step, float64 [steps].

    "constant" stays at `peak`. "one_cycle" rises in a line from a 25th of `peak` over the first 30 % of the steps, then
    falls to 0 along half a cosine (after L. N. Smith and N. Topin, arXiv 1708.07120).
    """
    steps = whole_number("steps", steps)
    if schedule == "constant":
        return np.full(steps, float(peak))
    if schedule != "one_cycle":
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {schedule!r}")
    progress = np.arange(steps) / steps
    rise = 1 / 25 + (1 - 1 / 25) * progress / 0.3
    fall = (1 + np.cos(np.pi * (progress - 0.3) / 0.7)) / 2
    return peak * np.where(progress < 0.3, rise, fall)


def fit(
    model: paddle.nn.Layer,
    train: ImageSet,
    *,
    validation: ImageSet | float | None = 0.1,
    epochs: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    learning_rate: float | None = None,
    optimizer: str = "sgd",
    schedule: str = "one_cycle",
    augment: bool = True,
    max_shift: int = data.MAX_SHIFT,
    checkpoint: str | Path | None = None,
    resume: bool = True,
    progress: bool = True,
    run_name: str | None = None,
    notes: str = "",
    mode: str = "full",
    engine: str = "auto",
    amp: bool = False,
    until: float | None = None,
    on_epoch_end: Callable[[Run], None] | None = None,
) -> Run:
    """Train `model` on `train` and return the history, a `Run` with a record per epoch.

    model: any layer from normalised images [N, 3, H, W] to one output per class [N, classes].
    validation: other images, or the share of `train` to split off, or None for no validation.
    epochs, batch_size: at least 1 and 2. Every epoch leaves out the pictures that do not fill a last batch, other ones
    each time: batch norm cannot learn from a handful. A set smaller than a batch is one batch.
    learning_rate: the peak; None takes the optimizer's in `RECIPES`. optimizer: "sgd" (momentum .9, Nesterov, weight
    decay 5e-4) or "adam". schedule: "one_cycle" or "constant", see `learning_rates`.
    augment: show each picture shifted, by up to `max_shift` pixels either way, and mirrored at random.
    checkpoint: a file written before the first epoch and after each one; resume: continue from it where it exists.
    progress: show a bar, in a live notebook or a terminal; elsewhere nothing is printed.
    run_name (default: the model's class), notes, mode ("quick", "recorded" or "full") are kept in the history.
    engine: "dynamic" is Paddle's dynamic graph; "static" its static graph with oneDNN, several times faster on a CPU, but
    taken only where it agrees with the dynamic graph, see `choose`; "auto" takes the faster one for runs that
    are not very short. The history says in its settings which one it was.
    amp: mixed precision, on a GPU only and in the dynamic graph.
    until: stop after the epoch in which the validation accuracy reaches this share; the schedule is still that of `epochs`.
    on_epoch_end: called with the history after each epoch, when the model has that epoch's weights.

    Train loss and accuracy are running figures: means over the epoch's batches in train mode, while the weights change
    and on augmented pictures. Validation loss and accuracy are measured in eval mode at the end of the epoch.
    `seconds` and `images_per_second` are those of the training part.

    The same seed, first weights, settings and number of threads give the same figures, bit for bit, also over a stop and
    a resume. The global generators are seeded anew in every epoch.

    Started by Paddle's launcher, several processes train together in the dynamic graph, `batch_size` pictures a step in
    all, see `parallel`. Then one of them prints, writes the checkpoints and calls `on_epoch_end`.

    Afterwards the model is in eval mode with the weights of the last finished epoch. So it is after an interrupt, which
    prints a line and returns the history with `interrupted` set, and after `TrainingDiverged`.

    Raises ValueError for arguments that do not fit each other, a checkpoint that is broken, of another model, of other
    settings or data; TrainingDiverged for a loss that is not finite; CheckpointNotSaved, an OSError, for a full disk;
    ProcessLost, an OSError, where several processes train and another one ended.
    """
    parallel.start()
    settings = _settings(epochs, batch_size, learning_rate, optimizer, schedule, augment)
    settings |= _rare_settings(amp, until, validation, max_shift)
    settings |= inputs.describe_model(model)
    settings["validation"] = inputs.describe_validation(validation)
    history = Run(
        name=run_name or type(model).__name__,
        settings=settings,
        data=inputs.describe_data(train, validation),
        seed=whole_number("seed", seed, minimum=0),
        mode=check_mode(mode),
        notes=notes,
    )
    train, validation_set = inputs.split(train, validation, seed)
    history.data |= {
        "train_size": len(train),
        "validation_size": len(validation_set) if validation_set else 0,
    }
    inputs.check_outputs(model, train)

    parallel.check(history, min(batch_size, len(train)))
    steps = max(1, len(train) // batch_size)
    rates = learning_rates(schedule, settings["learning_rate"], epochs * steps)
    path = None if checkpoint is None or not parallel.is_first() else Path(checkpoint)
    try:
        engine = _engine(
            engine,
            amp,
            model,
            optimizer,
            lambda: (data.normalise(train.images[:batch_size]), train.labels[:batch_size]),
            settings["learning_rate"],
            len(rates),
        )
    except KeyboardInterrupt:
        model.eval()
        history.settings["engine"] = "none"
        return _interrupted(history, resumes=path is not None)
    history.settings["engine"] = engine.name
    if path is not None and resume and path.exists():
        checkpoints.resume(path, engine, history)
    elif path is not None:
        # Shows now, not after an hour, that it can be written.
        checkpoints.save(path, engine, history)
    parallel.follow_first(engine, history)

    kept = engine.model_state()
    try:
        with _Bar(history, steps, progress) as bar:
            for epoch in range(len(history.epochs) + 1, epochs + 1):
                if _reached(history):
                    break
                epoch_rates = rates[(epoch - 1) * steps : epoch * steps]
                record = _train_epoch(engine, train, history, epoch, epoch_rates, bar)
                parallel.average_statistics(model)
                _validate(engine, validation_set, history, record)
                kept = _finite_state(engine, history, record)
                history.epochs.append(record)
                if path is not None:
                    checkpoints.save(path, engine, history)
                if on_epoch_end is not None and parallel.is_first():
                    model.set_state_dict(kept)
                    on_epoch_end(history)
    except KeyboardInterrupt:
        _interrupted(history, resumes=path is not None)
    finally:
        # Half an epoch is in no history: the model goes back to where the history says it is.
        model.set_state_dict(kept)
        model.eval()
    return history


def _interrupted(history: Run, resumes: bool) -> Run:
    """The history of a run that was interrupted, after a line that says where it stands."""
    history.interrupted = True
    epochs = history.settings["epochs"]
    # The last epoch is finished already while its checkpoint is written.
    place = f"Interrupted in epoch {min(len(history.epochs) + 1, epochs)} of {epochs}."
    again = " Run the same call again to continue." if resumes else ""
    if parallel.is_first():
        print(f"{place} {_where_the_model_is(history)}{again}")
    return history


def _engine(wanted: str, amp: bool, model: paddle.nn.Layer, optimizer: str, *run: Any) -> Engine:
    """What `choose` takes for the run, or the dynamic graph where nothing else can do it."""
    if not amp and parallel.processes() == 1:
        return choose(wanted, model, optimizer, *run)
    if wanted not in ("auto", "dynamic"):
        raise ValueError(
            "several processes, and mixed precision, need the dynamic graph: engine must be auto or dynamic, "
            f"not {wanted!r}"
        )
    graph = DynamicGraph if parallel.processes() == 1 else parallel.SharedGraph
    return graph(model, optimizer, mixed=amp)


def _reached(history: Run) -> bool:
    """Has the last epoch the accuracy at which the run shall stop?"""
    until = history.settings.get("until")
    if until is None or not history.epochs:
        return False
    return history.epochs[-1]["validation_accuracy"] >= until


def evaluate(model: paddle.nn.Layer, images: ImageSet, batch_size: int = 64) -> Evaluation:
    """Loss, accuracy and predictions of `model` on all `images`, in eval mode and without augmentation.

    Each layer's mode is put back afterwards. ValueError where the model's outputs are not one per class.
    """
    return _evaluate(DynamicGraph(model, optimizer=None), images, batch_size)


def scores(model: paddle.nn.Layer, images: ImageSet, batch_size: int = 64) -> np.ndarray:
    """What `model` puts out for all `images`: a score (logit) per picture and class, float32 [N, classes].

    In eval mode and without augmentation, as in `evaluate`, and with its errors.
    """
    return np.concatenate(list(_scored(DynamicGraph(model, optimizer=None), images, batch_size)))


def _scored(engine: Engine, images: ImageSet, batch_size: int) -> Iterator[np.ndarray]:
    """The scores [batch, classes], batch after batch."""
    batch_size = whole_number("batch_size", batch_size)
    inputs.check_images("images", images)
    for start in range(0, len(images), batch_size):
        pictures = images.images[start : start + batch_size]
        logits = engine.logits(data.normalise(pictures))
        if list(logits.shape) != [len(pictures), len(images.classes)]:
            raise ValueError(inputs.wrong_outputs(engine.model, logits, len(pictures), images))
        yield logits


def _evaluate(engine: Engine, images: ImageSet, batch_size: int) -> Evaluation:
    loss, predictions = 0.0, []
    for logits in _scored(engine, images, batch_size):
        labels = images.labels[len(predictions) :][: len(logits)]
        loss += float(cross_entropy(paddle.to_tensor(logits), labels, "sum"))
        predictions.extend(logits.argmax(axis=1))
    answers = np.array(predictions, np.int64)
    return Evaluation(loss / len(images), float(np.mean(answers == images.labels)), answers)


def _train_epoch(
    engine: Engine, train: ImageSet, history: Run, epoch: int, rates: np.ndarray, bar: _Bar
) -> dict[str, Any]:
    """Train for one epoch, a step per learning rate, and return its record, still without validation."""
    batch_size = history.settings["batch_size"]
    # Generators of the epoch's own: an epoch comes out the same whether the ones before it ran just now or yesterday.
    order = np.random.default_rng([history.seed, epoch, 0]).permutation(len(train))
    augmentation = _augmentation(history, np.random.default_rng([history.seed, epoch, 1]))
    own_seed = np.random.SeedSequence([history.seed, epoch, parallel.place()])
    seed_everything(int(own_seed.generate_state(1)[0]))
    engine.model.train()
    loss_sum, correct, seen = 0.0, 0, 0
    started = time.perf_counter()
    chosen = (order[place * batch_size :][:batch_size] for place in range(len(rates)))
    with closing(_batches(train, chosen, augmentation)) as batches:
        for batch, (rate, (images, labels)) in enumerate(zip(rates, batches, strict=True), start=1):
            loss, right = engine.step(images, labels, rate)
            if not math.isfinite(loss):
                raise TrainingDiverged(f"the loss became {loss}", epoch, batch, rate, history)
            count = len(labels) * parallel.processes()
            loss_sum, correct, seen = loss_sum + loss * count, correct + right, seen + count
            bar.step(epoch, loss_sum / seen, correct / seen)
    seconds = time.perf_counter() - started
    return {
        "epoch": epoch,
        "train_loss": loss_sum / seen,
        "train_accuracy": correct / seen,
        "validation_loss": None,
        "validation_accuracy": None,
        "seconds": seconds,
        "images_per_second": seen / seconds,
        "learning_rate": float(rates.mean()),
    }


def _augmentation(history: Run, generator: np.random.Generator) -> Callable[[np.ndarray, slice], np.ndarray]:
    """What becomes of a batch of pictures: a function of the batch and of the part of it that is wanted."""
    if not history.settings["augment"]:
        return lambda images, part: images[part]
    max_shift = history.settings.get("max_shift", data.MAX_SHIFT)
    return lambda images, part: data.augment(images, generator, max_shift=max_shift, part=part)


def _batches(
    train: ImageSet,
    chosen: Iterator[np.ndarray],
    augmentation: Callable[[np.ndarray, slice], np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Normalised pictures and labels, batch after batch; a thread prepares one while the step before it runs.

    Of several processes each gets its share, from the same order and the same augmentation of the whole batch.
    """

    def prepared(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        part = parallel.share(len(rows))
        images = augmentation(train.images[rows], part)
        return data.normalise(images), train.labels[rows[part]]

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as worker:
        waiting = worker.submit(prepared, next(chosen))
        for rows in chosen:
            ready, waiting = waiting, worker.submit(prepared, rows)
            yield ready.result()
        yield waiting.result()


def _validate(engine: Engine, validation: ImageSet | None, history: Run, record: dict[str, Any]) -> None:
    """Fill in the validation figures, in the batches that training has shown to fit into memory."""
    if validation is None:
        return
    part = parallel.share(len(validation))
    mine = replace(validation, images=validation.images[part], labels=validation.labels[part])
    result = _evaluate(engine, mine, history.settings["batch_size"])
    weight = len(mine) / len(validation)  # 1 in a process that trains alone
    loss, accuracy = parallel.total([result.loss * weight, result.accuracy * weight])
    if not math.isfinite(loss):
        what = f"the validation loss became {loss}"
        raise TrainingDiverged(what, record["epoch"], None, record["learning_rate"], history)
    record |= {"validation_loss": loss, "validation_accuracy": accuracy}


def _finite_state(engine: Engine, history: Run, record: dict[str, Any]) -> dict[str, np.ndarray]:
    """The model's state, checked, so that no checkpoint ever holds a NaN: the last step's comes after its loss."""
    state = engine.model_state()
    for name, values in state.items():
        if not np.isfinite(values).all():
            what = f"the weights {name} became NaN or infinite"
            raise TrainingDiverged(what, record["epoch"], None, record["learning_rate"], history)
    return state


class _Bar:
    """Progress over the batches of the whole run, so that the time left is that of all epochs."""

    FORMAT = (
        "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} batches, {elapsed} so far, {remaining} left{postfix}"
    )

    def __init__(self, history: Run, steps: int, wanted: bool) -> None:
        self._epochs = history.settings["epochs"]
        self._bar = tqdm(
            desc=history.name,
            initial=len(history.epochs) * steps,
            total=self._epochs * steps,
            disable=not (wanted and parallel.is_first() and (environment.interactive() or sys.stderr.isatty())),
            smoothing=0,  # the mean since the start, which spreads the time of validation evenly
            bar_format=self.FORMAT,
        )

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *problem: object) -> None:
        self._bar.close()

    def step(self, epoch: int, loss: float, accuracy: float) -> None:
        text = f"epoch {epoch}/{self._epochs}, loss {loss:.3f}, accuracy {accuracy:.3f}"
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.update()


def _settings(
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    optimizer: str,
    schedule: str,
    augment: bool,
) -> dict[str, Any]:
    """The arguments that a run's figures depend on, checked, with the recipe's constants beside them."""
    if optimizer not in RECIPES:
        raise ValueError(f"optimizer must be one of {', '.join(RECIPES)}, not {optimizer!r}")
    if schedule not in SCHEDULES:
        raise ValueError(f"schedule must be one of {', '.join(SCHEDULES)}, not {schedule!r}")
    peak = RECIPES[optimizer]["learning_rate"] if learning_rate is None else learning_rate
    if not (0 < peak < math.inf):
        raise ValueError(f"learning_rate must be a finite number above 0, not {learning_rate!r}")
    return {
        "epochs": whole_number("epochs", epochs),
        # One picture has no spread for batch norm to divide by.
        "batch_size": whole_number("batch_size", batch_size, minimum=2),
        "optimizer": optimizer,
        **RECIPES[optimizer],
        "learning_rate": float(peak),
        "schedule": schedule,
        "augment": bool(augment),
    }


def _rare_settings(
    amp: bool, until: float | None, validation: ImageSet | float | None, max_shift: int
) -> dict[str, Any]:
    """The settings that only some runs have."""
    rare: dict[str, Any] = {}
    max_shift = whole_number("max_shift", max_shift, minimum=0)
    if max_shift != data.MAX_SHIFT:
        rare["max_shift"] = max_shift
    if amp:
        rare["amp"] = True
    if parallel.processes() > 1:
        rare["processes"] = parallel.processes()
    if until is not None:
        if validation is None:
            raise ValueError("until needs a validation set, whose accuracy it is compared with")
        if isinstance(until, bool) or not isinstance(until, int | float) or not 0 < until <= 1:
            raise ValueError(f"until must be an accuracy above 0 and at most 1, not {until!r}")
        rare["until"] = float(until)
    return rare


def _where_the_model_is(history: Run) -> str:
    done = len(history.epochs)
    return f"The model has the weights from the end of epoch {done}." if done else "The model has its first weights."
