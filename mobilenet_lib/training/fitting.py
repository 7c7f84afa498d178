"""`fit`: the bookkeeping around the training step, which Paddle computes in `dynamic` or `static`."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mobilenet_lib import data
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data import ImageSet
from mobilenet_lib.runs import Run
from mobilenet_lib.training import checkpoints, inputs, parallel
from mobilenet_lib.training.choice import Step, choose
from mobilenet_lib.training.evaluation import evaluate_step
from mobilenet_lib.training.options import RECIPES, Options, check_seed, describe_settings, learning_rates

_USUAL = Options()


class TrainingDiverged(RuntimeError):
    """The loss, or a weight, became NaN or infinite.

    `epoch`, `batch` (both from 1; `batch` is None where the end of the epoch showed it) and `learning_rate` say where,
    `history` is the `Run` with the epochs finished before.
    """

    def __init__(self, what: str, history: Run, epoch: int, learning_rate: float, batch: int | None = None) -> None:
        self.epoch, self.batch, self.learning_rate, self.history = epoch, batch, learning_rate, history
        where = f"epoch {epoch}" if batch is None else f"epoch {epoch}, batch {batch}"
        usual = RECIPES[history.settings["optimizer"]]["learning_rate"]
        super().__init__(
            f"{what} in {where}, at learning rate {learning_rate:.3g}. Try a smaller learning_rate, such as "
            f"{min(history.settings['learning_rate'] / 10, usual):.3g}, with {checkpoints.ANEW} where there is a "
            f"checkpoint; if it fails in the first batch, look at the model instead. {_where_the_model_is(history)}"
        )


def seed_everything(seed: int) -> None:
    """Seed the three global generators that a Paddle program draws from: Paddle's, NumPy's and Python's.

    Call it before building a model, so that its first weights can be repeated.
    """
    seed = check_seed(seed)
    paddle.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - layers and libraries that draw from the old global generator
    random.seed(seed)


def fit(
    model: paddle.nn.Layer,
    train: ImageSet,
    *,
    epochs: int = 1,
    seed: int = 0,
    batch_size: int = 64,
    learning_rate: float | None = None,
    validation: ImageSet | float | None = 0.1,
    progress: bool = True,
    checkpoint: str | Path | None = None,
    step: str | Step = "auto",
    options: Options = _USUAL,
) -> Run:
    """Train `model` on `train`.

    Train loss and accuracy are running figures: means over the epoch's batches in train mode, while the weights change
    and on augmented images. Validation loss and accuracy are measured in eval mode at the end of the epoch.

    The same seed, first weights, settings, step and number of threads give the same figures on one machine, bit for
    bit, also over a stop and a resume. The global generators are seeded anew in every epoch.

    Afterwards the model is in eval mode with the weights of the last finished epoch: also after an interrupt, which
    prints a line and returns the history with `interrupted` set, and after `TrainingDiverged`.

    Started by Paddle's launcher, several processes train together, `batch_size` images a step in all, see `parallel`.

    Args:
        model: any layer from normalised images [N, 3, H, W] to one output per class [N, classes].
        train: images of at least two classes.
        epochs: each leaves out the images that do not fill a last batch, other ones each time: batch norm cannot learn
            from a handful.
        seed: of order, augmentation and dropout, at most 64 bits.
        batch_size: at least 2. A set smaller than a batch is one batch.
        learning_rate: the peak; None takes the optimizer's in `RECIPES`.
        validation: other images, or the fraction of `train` to split off, or None for no validation.
        progress: show a bar, in a live notebook or a terminal; elsewhere nothing is printed.
        checkpoint: a file written before the first epoch and after each one, and continued where there is one.
        step: "dynamic", "static" (several times faster on a CPU, where it can be trusted) or "auto", see `choose`; or a
            step object made for this model and optimizer. The history's settings say which one it was.
        options: the rarer choices.

    Returns:
        The history, a `Run` with a record per epoch.

    Raises:
        ValueError: arguments, model, images or checkpoint that do not fit each other, or a broken checkpoint.
        TrainingDiverged: a loss, or weights, that are not finite.
        CheckpointNotSaved, ProcessLost: both OSError; a full disk, another process that ended.
    """
    parallel.start()
    settings = describe_settings(epochs, batch_size, learning_rate, options, validation, parallel.processes())
    history = Run(
        name=options.run_name or type(model).__name__,
        settings=settings | inputs.describe_model(model) | {"validation": inputs.describe_validation(validation)},
        data=inputs.describe_data(train, validation),
        seed=check_seed(seed),
        mode=options.mode,
        notes=options.notes,
    )
    train, validation = inputs.split(train, validation, seed)
    history.data |= {"train_size": len(train), "validation_size": len(validation) if validation else 0}
    batch = min(batch_size, len(train))
    inputs.check_outputs(model, train, batch)
    parallel.check(history, batch)
    steps = len(train) // batch
    rates = learning_rates(options.schedule, settings["learning_rate"], epochs * steps)
    path = None if checkpoint is None or not parallel.is_first() else files.expanded(checkpoint)
    example = lambda: (data.normalise(train.images[:batch]), train.labels[:batch])  # noqa: E731 - made where needed
    try:
        step = _step(step, model, options.optimizer, example, settings["learning_rate"], len(rates))
    except KeyboardInterrupt:
        model.eval()
        history.settings["step"] = "none"
        return _interrupted(history, resumes=path is not None)
    history.settings["step"] = step.name
    if path is not None and options.resume and path.exists():
        checkpoints.resume(path, step, history)
    elif path is not None:
        # Shows now, not after an hour, that it can be written.
        checkpoints.save(path, step, history)
    parallel.follow_first(step, history)
    if options.on_start is not None and parallel.is_first():
        options.on_start(history)
    return _train(step, train, validation, history, rates.reshape(epochs, steps), path, options, progress)


def _train(
    step: Step,
    train: ImageSet,
    validation: ImageSet | None,
    history: Run,
    rates: np.ndarray,
    path: Path | None,
    options: Options,
    progress: bool,
) -> Run:
    """The epochs that `history` does not hold yet, with the `rates` [epochs, steps]."""
    model, kept = step.model, step.model_state()
    until = history.settings.get("until", math.inf)
    try:
        with _bar(history, rates.shape[1], progress) as bar:
            for epoch in range(len(history.epochs) + 1, len(rates) + 1):
                if history.epochs and (history.epochs[-1]["validation_accuracy"] or 0) >= until:
                    break
                record = _train_epoch(step, train, history, epoch, rates[epoch - 1], bar)
                parallel.average_statistics(model)
                _validate(step, validation, history, record)
                kept = _finite_state(step, history, record)
                history.epochs.append(record)
                if path is not None:
                    checkpoints.save(path, step, history)
                if options.on_epoch_end is not None and parallel.is_first():
                    model.set_state_dict(kept)
                    options.on_epoch_end(history)
    except KeyboardInterrupt:
        _interrupted(history, resumes=path is not None)
    finally:
        # Half an epoch is in no history: the model goes back to where the history says it is.
        model.set_state_dict(kept)
        model.eval()
    return history


def _interrupted(history: Run, resumes: bool) -> Run:
    """The history of a run that was interrupted, after a line that says where it stands."""
    history.interrupted, epochs = True, history.settings["epochs"]
    # The last epoch is finished already while its checkpoint is written.
    epoch = min(len(history.epochs) + 1, epochs)
    again = " Run the same call again to continue." if resumes else ""
    if parallel.is_first():
        print(f"Interrupted in epoch {epoch} of {epochs}. {_where_the_model_is(history)}{again}")
    return history


def _step(wanted: str | Step, model: paddle.nn.Layer, optimizer: str, *run: Any) -> Step:
    """The step handed in, or what `choose` takes for the run; the dynamic graph where several processes train."""
    if not isinstance(wanted, str):
        if wanted.model is not model or getattr(wanted, "optimizer_name", optimizer) != optimizer:
            raise ValueError(f"step must have been made for this model and {optimizer!r}. Make one, or pass its name.")
        return wanted
    if parallel.processes() == 1:
        return choose(wanted, model, optimizer, *run)
    if wanted not in ("auto", "dynamic"):
        raise ValueError(f"several processes need the dynamic graph: step must be auto or dynamic, not {wanted!r}")
    return parallel.SharedStep(model, optimizer)


def _train_epoch(step: Step, train: ImageSet, history: Run, epoch: int, rates: np.ndarray, bar: tqdm) -> dict[str, Any]:
    """Train for one epoch, a step per learning rate, and return its record, still without validation."""
    batch_size = history.settings["batch_size"]
    # Generators of the epoch's own: an epoch comes out the same whether the ones before it ran just now or yesterday.
    order = np.random.default_rng([history.seed, epoch, 0]).permutation(len(train))
    augmentation = _augmentation(history, np.random.default_rng([history.seed, epoch, 1]))
    own_seed = np.random.SeedSequence([history.seed, epoch, parallel.rank()])
    seed_everything(int(own_seed.generate_state(1)[0]))
    step.model.train()
    loss_sum, correct, seen = 0.0, 0, 0
    started = time.perf_counter()
    chosen = (order[number * batch_size :][:batch_size] for number in range(len(rates)))
    with closing(_batches(train, chosen, augmentation)) as batches:
        for batch, (rate, (images, labels)) in enumerate(zip(rates, batches, strict=True), start=1):
            loss, right = step.step(images, labels, rate)
            if not math.isfinite(loss):
                raise TrainingDiverged(f"the loss became {loss}", history, epoch, rate, batch)
            count = len(labels) * parallel.processes()
            loss_sum, correct, seen = loss_sum + loss * count, correct + right, seen + count
            told = (
                f"epoch {epoch}/{history.settings['epochs']}, loss {loss_sum / seen:.3f}, accuracy {correct / seen:.3f}"
            )
            bar.set_postfix_str(told, refresh=False)
            bar.update()
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
    """What becomes of a batch of images: a function of the batch and of the part of it that is wanted."""
    if not history.settings["augment"]:
        return lambda images, part: images[part]
    max_shift = history.settings.get("max_shift", data.MAX_SHIFT)
    return lambda images, part: data.augment(images, generator, max_shift=max_shift, part=part)


def _batches(
    train: ImageSet, chosen: Iterator[np.ndarray], augmentation: Callable[[np.ndarray, slice], np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Normalised images and labels, batch after batch; a thread prepares one while the step before it runs.

    Of several processes each gets its part, from the same order and the same augmentation of the whole batch.
    """

    def prepared(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        part = parallel.part(len(rows))
        images = augmentation(train.images[rows], part)
        return data.normalise(images), train.labels[rows[part]]

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as worker:
        waiting = worker.submit(prepared, next(chosen))
        for rows in chosen:
            ready, waiting = waiting, worker.submit(prepared, rows)
            yield ready.result()
        yield waiting.result()


def _validate(step: Step, validation: ImageSet | None, history: Run, record: dict[str, Any]) -> None:
    """Fill in the validation figures, in the batches that training has shown to fit into memory."""
    if validation is None:
        return
    part = parallel.part(len(validation))
    mine = replace(validation, images=validation.images[part], labels=validation.labels[part])
    result = evaluate_step(step, mine, min(history.settings["batch_size"], history.data["train_size"]))
    weight = len(mine) / len(validation)  # 1 in a process that trains alone
    loss, accuracy = parallel.total([result.loss * weight, result.accuracy * weight])
    if not math.isfinite(loss):
        raise TrainingDiverged(f"the validation loss became {loss}", history, record["epoch"], record["learning_rate"])
    record |= {"validation_loss": loss, "validation_accuracy": accuracy}


def _finite_state(step: Step, history: Run, record: dict[str, Any]) -> dict[str, np.ndarray]:
    """The model's state, checked, so that no checkpoint ever holds a NaN: the last step's comes after its loss."""
    state = step.model_state()
    if broken := [name for name, values in state.items() if not np.isfinite(values).all()]:
        what = f"the weights {broken[0]} became NaN or infinite"
        raise TrainingDiverged(what, history, record["epoch"], record["learning_rate"])
    return state


def _bar(history: Run, steps: int, wanted: bool) -> tqdm:
    """Progress over the batches of the whole run, so that the time left is that of all epochs."""
    return tqdm(
        desc=history.name,
        initial=len(history.epochs) * steps,
        total=history.settings["epochs"] * steps,
        disable=not (wanted and parallel.is_first() and (environment.interactive() or sys.stderr.isatty())),
        smoothing=0,  # the mean since the start, which spreads the time of validation evenly
        bar_format="{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} batches, {elapsed} so far, {remaining} left"
        "{postfix}",
    )


def _where_the_model_is(history: Run) -> str:
    done = len(history.epochs)
    return f"The model has the weights from the end of epoch {done}." if done else "The model has its first weights."
