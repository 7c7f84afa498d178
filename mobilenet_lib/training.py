"""Training that can be repeated, watched, stopped and continued, with a history of what happened.

`fit` trains and returns a `mobilenet_lib.results.Run`; `evaluate` measures a model on images. The step itself, the
part that Paddle computes, is the small class `_DynamicGraph`; everything around it is bookkeeping.

Introduced in lesson 08.
"""

from __future__ import annotations

import math
import random
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from mobilenet_lib import data, environment
from mobilenet_lib._paddle import paddle
from mobilenet_lib.cost import whole_number
from mobilenet_lib.data import ImageSet
from mobilenet_lib.results import MODES, Run, atomic_write

# What an optimizer is given beside the learning rate. The decay spares batch norm and biases, as is usual, and
# depthwise filters, as the V1 paper advises at the end of its section 3.2.
RECIPES: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4},
    "adam": {"learning_rate": 1e-3, "weight_decay": 0.0},
}
SCHEDULES = ("one_cycle", "constant")


class TrainingDiverged(RuntimeError):
    """The loss, or a weight, became NaN or infinite.

    `epoch`, `batch` (both from 1; `batch` is None where the end of the epoch showed it) and `learning_rate` say where,
    `history` is the `Run` with the epochs finished before.
    """

    def __init__(
        self, what: str, epoch: int, batch: int | None, learning_rate: float, history: Run
    ) -> None:
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


class CheckpointNotSaved(OSError):
    """The disk refused a checkpoint. The model keeps its weights, `history` the epochs finished so far."""

    def __init__(self, problem: OSError, path: Path, history: Run) -> None:
        self.history = history
        super().__init__(
            problem.errno,
            f"the checkpoint could not be written ({problem.strerror or problem}); an older one there is still whole. "
            "Free some space or give another path, then run the same call again",
            str(path),
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
    checkpoint: str | Path | None = None,
    resume: bool = True,
    progress: bool = True,
    run_name: str | None = None,
    notes: str = "",
    mode: str = "full",
) -> Run:
    """Train `model` on `train` and return the history, a `Run` with a record per epoch.

    model: any layer from normalised images [N, 3, H, W] to one output per class [N, classes].
    validation: other images, or the share of `train` to split off, or None for no validation.
    epochs, batch_size: at least 1 and 2. Every epoch leaves out the pictures that do not fill a last batch, other ones
    each time: batch norm cannot learn from a handful. A set smaller than a batch is one batch.
    learning_rate: the peak; None takes the optimizer's in `RECIPES`. optimizer: "sgd" (momentum .9, Nesterov, weight
    decay 5e-4) or "adam". schedule: "one_cycle" or "constant", see `learning_rates`.
    augment: show each picture shifted and mirrored at random.
    checkpoint: a file written before the first epoch and after each one; resume: continue from it where it exists.
    progress: show a bar, in a live notebook or a terminal; elsewhere nothing is printed.
    run_name (default: the model's class), notes, mode ("smoke", "recorded" or "full") are kept in the history.

    Train loss and accuracy are running figures: means over the epoch's batches in train mode, while the weights change
    and on augmented pictures. Validation loss and accuracy are measured in eval mode at the end of the epoch.
    `seconds` and `images_per_second` are those of the training part.

    The same seed, first weights, settings and number of threads give the same figures, bit for bit, also over a stop and
    a resume. The global generators are seeded anew in every epoch.

    Afterwards the model is in eval mode with the weights of the last finished epoch. So it is after an interrupt, which
    prints a line and returns the history with `interrupted` set, and after `TrainingDiverged`.

    Raises ValueError for arguments that do not fit each other, a checkpoint that is broken, of another model, of other
    settings or data; TrainingDiverged for a loss that is not finite; CheckpointNotSaved, an OSError, for a full disk.
    """
    settings = _settings(epochs, batch_size, learning_rate, optimizer, schedule, augment)
    history = Run(
        name=run_name or type(model).__name__,
        settings={
            **settings,
            **_describe_model(model),
            "validation": _describe_validation(validation),
        },
        data=_describe_data(train, validation),
        seed=whole_number("seed", seed, minimum=0),
        mode=mode,
        notes=notes,
    )
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
    train, validation_set = _split(train, validation, seed)
    history.data |= {
        "train_size": len(train),
        "validation_size": len(validation_set) if validation_set else 0,
    }
    _check_outputs(model, train)

    engine = _DynamicGraph(model, optimizer)
    path = None if checkpoint is None else Path(checkpoint)
    if path is not None and resume and path.exists():
        _resume(path, engine, history)
    elif path is not None:
        _save(path, engine, history)  # shows now, not after an hour, that it can be written
    steps = max(1, len(train) // batch_size)
    rates = learning_rates(schedule, settings["learning_rate"], epochs * steps)

    kept = engine.model_state()
    try:
        with _Bar(history, steps, progress) as bar:
            for epoch in range(len(history.epochs) + 1, epochs + 1):
                epoch_rates = rates[(epoch - 1) * steps : epoch * steps]
                record = _train_epoch(engine, train, history, epoch, epoch_rates, bar)
                _validate(model, validation_set, history, record)
                kept = _finite_state(engine, history, record)
                history.epochs.append(record)
                if path is not None:
                    _save(path, engine, history)
    except (KeyboardInterrupt, TrainingDiverged) as stop:
        # Half an epoch is in no history: put the model back to where the history says it is.
        model.set_state_dict(kept)
        if isinstance(stop, TrainingDiverged):
            raise
        history.interrupted = True
        # The last epoch is finished already while its checkpoint is written.
        place = f"Interrupted in epoch {min(len(history.epochs) + 1, epochs)} of {epochs}."
        again = "" if path is None else " Run the same call again to continue."
        print(f"{place} {_where_the_model_is(history)}{again}")
    finally:
        model.eval()
    return history


def evaluate(model: paddle.nn.Layer, images: ImageSet, batch_size: int = 64) -> Evaluation:
    """Loss, accuracy and predictions of `model` on all `images`, in eval mode and without augmentation.

    Each layer's mode is put back afterwards. ValueError where the model's outputs are not one per class.
    """
    batch_size = whole_number("batch_size", batch_size)
    _check_images("images", images)
    loss, predictions = 0.0, []
    with _eval_mode(model), paddle.no_grad():
        for start in range(0, len(images), batch_size):
            batch = slice(start, start + batch_size)
            logits = model(paddle.to_tensor(data.normalise(images.images[batch])))
            labels = images.labels[batch]
            if list(logits.shape) != [len(labels), len(images.classes)]:
                raise ValueError(_wrong_outputs(model, logits, len(labels), images))
            loss += float(_cross_entropy(logits, labels, "sum"))
            predictions.append(logits.numpy().argmax(axis=1))
    answers = np.concatenate(predictions)
    return Evaluation(loss / len(images), float(np.mean(answers == images.labels)), answers)


class _DynamicGraph:
    """One optimisation step in Paddle's dynamic graph, and the optimizer's memory: all that an engine has to do."""

    def __init__(self, model: paddle.nn.Layer, optimizer: str) -> None:
        self.model = model
        # Paddle counts batch norm's running statistics among the parameters; they have no gradient.
        self._parameters = {name: p for name, p in model.named_parameters() if not p.stop_gradient}
        self._optimizer = _make_optimizer(optimizer, list(self._parameters.values()))
        model.clear_gradients()  # left from a backward() by hand, or a step that was interrupted

    def step(
        self, images: np.ndarray, labels: np.ndarray, learning_rate: float
    ) -> tuple[float, int]:
        """Learn from a batch: normalised float32 [N, 3, H, W], int64 [N]. Mean loss and number of correct answers,
        both of the weights before the step."""
        logits = self.model(paddle.to_tensor(images))
        loss = _cross_entropy(logits, labels, "mean")
        loss.backward()
        self._optimizer.set_lr(float(learning_rate))
        # The first step names the optimizer's memory from a global counter. In a guard it counts from 0, so that
        # `load_optimizer_state` knows the names beforehand.
        with paddle.utils.unique_name.guard():
            self._optimizer.step()
        self._optimizer.clear_grad()
        return float(loss), int((logits.numpy().argmax(axis=1) == labels).sum())

    def model_state(self) -> dict[str, np.ndarray]:
        """A copy of weights and running statistics, by their names in the model."""
        return {name: value.numpy() for name, value in self.model.state_dict().items()}

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """A copy of the optimizer's memory as "parameter/quantity", such as "0.weight/velocity"; empty at first.

        Paddle's own names hold a count of all layers built so far, and would not fit the same model built again.
        """
        return {
            f"{name}/{key.removeprefix(f'{p.name}_').removesuffix('_0')}": value.numpy()
            for key, value in self._optimizer.state_dict().items()
            for name, p in self._parameters.items()
            if key.startswith(f"{p.name}_")
        }

    def load_optimizer_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `optimizer_state` gave, before the first step."""
        split = [(*key.rsplit("/", 1), value) for key, value in state.items()]
        self._optimizer.set_state_dict(
            {
                f"{self._parameters[name].name}_{quantity}_0": paddle.to_tensor(value)
                for name, quantity, value in split
            }
        )


def _make_optimizer(name: str, parameters: list[paddle.Tensor]) -> paddle.optimizer.Optimizer:
    recipe = RECIPES[name]
    if name == "adam":
        return paddle.optimizer.Adam(recipe["learning_rate"], parameters=parameters)
    decayed = [p for p in parameters if _is_decayed(p)]
    spared = [p for p in parameters if not _is_decayed(p)]
    groups = [
        {"params": group, "weight_decay": decay}
        for group, decay in ((decayed, recipe["weight_decay"]), (spared, 0.0))
        if group
    ]
    return paddle.optimizer.Momentum(
        recipe["learning_rate"],
        recipe["momentum"],
        parameters=groups,
        use_nesterov=recipe["nesterov"],
    )


def _is_decayed(parameter: paddle.Tensor) -> bool:
    depthwise = parameter.ndim == 4 and parameter.shape[1] == 1  # each filter sees one channel
    return parameter.ndim > 1 and not depthwise


def _cross_entropy(logits: paddle.Tensor, labels: np.ndarray, reduction: str) -> paddle.Tensor:
    return paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(labels), reduction=reduction)


def _train_epoch(
    engine: _DynamicGraph, train: ImageSet, history: Run, epoch: int, rates: np.ndarray, bar: _Bar
) -> dict[str, Any]:
    """Train for one epoch, a step per learning rate, and return its record, still without validation."""
    batch_size = history.settings["batch_size"]
    # Generators of the epoch's own: an epoch comes out the same whether the ones before it ran just now or yesterday.
    order = np.random.default_rng([history.seed, epoch, 0]).permutation(len(train))
    augmentation = np.random.default_rng([history.seed, epoch, 1])
    seed_everything(int(np.random.SeedSequence([history.seed, epoch]).generate_state(1)[0]))
    engine.model.train()
    loss_sum, correct, seen = 0.0, 0, 0
    started = time.perf_counter()
    for batch, rate in enumerate(rates, start=1):
        chosen = order[seen : seen + batch_size]
        images, labels = train.images[chosen], train.labels[chosen]
        if history.settings["augment"]:
            images = data.augment(images, augmentation)
        loss, right = engine.step(data.normalise(images), labels, rate)
        if not math.isfinite(loss):
            raise TrainingDiverged(f"the loss became {loss}", epoch, batch, rate, history)
        loss_sum, correct, seen = loss_sum + loss * len(chosen), correct + right, seen + len(chosen)
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


def _validate(
    model: paddle.nn.Layer, validation: ImageSet | None, history: Run, record: dict[str, Any]
) -> None:
    """Fill in the validation figures, in the batches that training has shown to fit into memory."""
    if validation is None:
        return
    result = evaluate(model, validation, history.settings["batch_size"])
    if not math.isfinite(result.loss):
        what = f"the validation loss became {result.loss}"
        raise TrainingDiverged(what, record["epoch"], None, record["learning_rate"], history)
    record |= {"validation_loss": result.loss, "validation_accuracy": result.accuracy}


def _finite_state(
    engine: _DynamicGraph, history: Run, record: dict[str, Any]
) -> dict[str, np.ndarray]:
    """The model's state, checked, so that no checkpoint ever holds a NaN: the last step's comes after its loss."""
    state = engine.model_state()
    for name, values in state.items():
        if not np.isfinite(values).all():
            what = f"the weights {name} became NaN or infinite"
            raise TrainingDiverged(what, record["epoch"], None, record["learning_rate"], history)
    return state


class _Bar:
    """Progress over the batches of the whole run, so that the time left is that of all epochs."""

    FORMAT = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} batches, {elapsed} so far, {remaining} left{postfix}"

    def __init__(self, history: Run, steps: int, wanted: bool) -> None:
        self._epochs = history.settings["epochs"]
        self._bar = tqdm(
            desc=history.name,
            initial=len(history.epochs) * steps,
            total=self._epochs * steps,
            disable=not (wanted and (environment.interactive() or sys.stderr.isatty())),
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


def _save(path: Path, engine: _DynamicGraph, history: Run) -> None:
    """Write model, optimizer and history as arrays in one zip file; its checksums show later damage."""
    arrays = {f"model/{name}": value for name, value in engine.model_state().items()}
    arrays |= {f"optimizer/{name}": value for name, value in engine.optimizer_state().items()}
    try:
        with atomic_write(path) as file:
            np.savez(file, run=np.array(history.to_json()), **arrays)
    except OSError as problem:
        raise CheckpointNotSaved(problem, path, history) from problem


def _resume(path: Path, engine: _DynamicGraph, history: Run) -> None:
    """Put model, optimizer and history to where the checkpoint was saved. ValueError where it does not fit."""
    arrays = _read(path)
    saved = Run.from_json(str(arrays.pop("run")), f"the history in the checkpoint {path}")
    _check_same(path, saved, history)
    state = {
        key.removeprefix("model/"): value
        for key, value in arrays.items()
        if key.startswith("model/")
    }
    shapes = {name: value.shape for name, value in engine.model_state().items()}
    for name in sorted(shapes.keys() | state.keys()):
        if name not in state or shapes.get(name) != state[name].shape:
            found = state[name].shape if name in state else None
            raise ValueError(
                f"{path} is the checkpoint of another model: {name} has the shape {found} there, and "
                f"{shapes.get(name)} in this model. Build the model that it was made with, or give another path."
            )
    engine.model.set_state_dict(state)
    engine.load_optimizer_state(
        {
            key.removeprefix("optimizer/"): value
            for key, value in arrays.items()
            if key.startswith("optimizer/")
        }
    )
    history.epochs, history.started = saved.epochs, saved.started


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        arrays["run"]  # a KeyError here: some other file of arrays
    except Exception as problem:  # numpy, zipfile and zlib each raise several kinds
        raise ValueError(
            f"{path} is not a whole checkpoint ({type(problem).__name__}: {problem}), and was left as it is. "
            "Give another path, or pass resume=False to train from the start and replace it."
        ) from problem
    return arrays


def _check_same(path: Path, saved: Run, history: Run) -> None:
    """Refuse to continue a run under other conditions: its figures would belong to neither."""
    before = {**saved.settings, **saved.data, "seed": saved.seed}
    now = {**history.settings, **history.data, "seed": history.seed}
    for key in now:
        if before.get(key) != now[key]:
            raise ValueError(
                f"the checkpoint {path} was made with {key} = {before.get(key)!r}, this call has {now[key]!r}. "
                "To continue it, use what it was made with; to train anew, give another path, or pass resume=False "
                "to replace it."
            )


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


def _describe_model(model: paddle.nn.Layer) -> dict[str, Any]:
    if not isinstance(model, paddle.nn.Layer):
        raise ValueError(
            f"model must be a paddle.nn.Layer, not {type(model).__name__}. Build one with models.build(…)."
        )
    trainable = sum(math.prod(p.shape) for p in model.parameters() if not p.stop_gradient)
    if trainable == 0:
        raise ValueError(
            "model has no trainable parameters. Set stop_gradient = False where it should learn."
        )
    return {"model": type(model).__name__, "trainable_params": trainable}


def _describe_validation(validation: ImageSet | float | None) -> str | float | None:
    if validation is None:
        return None
    if isinstance(validation, ImageSet):
        return f"{validation.name} {validation.split}"
    if (
        isinstance(validation, bool)
        or not isinstance(validation, int | float)
        or not 0 < validation < 1
    ):
        raise ValueError(
            f"validation must be an ImageSet, a share between 0 and 1, or None for none, not {validation!r}"
        )
    return float(validation)


def _describe_data(train: ImageSet, validation: ImageSet | float | None) -> dict[str, Any]:
    """Where the images come from, with a checksum that tells one set from another of the same size."""
    _check_images("train", train)
    given = [train]
    if isinstance(validation, ImageSet):
        _check_images("validation", validation)
        for what in ("classes", "image shape"):
            first, other = (_shared(images)[what] for images in (train, validation))
            if first != other:
                raise ValueError(
                    f"validation must have the {what} of train, {first}, not {other}. Load both with the same name."
                )
        given.append(validation)
    checksum = 0
    for images in given:
        checksum = zlib.crc32(
            np.ascontiguousarray(images.images), zlib.crc32(images.labels.tobytes(), checksum)
        )
    return {
        "name": train.name,
        "source": train.source,
        "image_shape": list(train.images.shape[1:]),
        "classes": list(train.classes),
        "checksum": f"{checksum:08x}",
    }


def _shared(images: ImageSet) -> dict[str, Any]:
    return {"classes": images.classes, "image shape": images.images.shape[1:]}


def _split(
    train: ImageSet, validation: ImageSet | float | None, seed: int
) -> tuple[ImageSet, ImageSet | None]:
    if isinstance(validation, float):
        train, validation = train.split_off(validation, seed)
    for name, images, least in (("training", train, 2), ("validation", validation, 1)):
        if images is not None and len(images) < least:
            raise ValueError(
                f"{name} needs at least {least} image(s), and has {len(images)} left. Take more images."
            )
    return train, validation


def _check_images(name: str, images: ImageSet) -> None:
    """Refuse what the model would choke on, or silently learn nonsense from."""
    pixels, labels = images.images, images.labels
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1] != 3:
        raise ValueError(
            f"{name}.images must be uint8 of shape [N, 3, height, width], not {pixels.dtype} of shape "
            f"{list(pixels.shape)}. Give pixels from 0 to 255, colours first; fit normalises them itself."
        )
    if labels.shape != (len(pixels),) or labels.dtype != np.int64:
        raise ValueError(
            f"{name}.labels must be int64 of shape [{len(pixels)}], one per image, not {labels.dtype} of shape "
            f"{list(labels.shape)}."
        )
    if len(pixels) == 0:
        raise ValueError(f"{name} must hold images, and is empty.")
    wrong = labels[(labels < 0) | (labels >= len(images.classes))]
    if len(wrong):
        raise ValueError(
            f"{name}.labels must lie between 0 and {len(images.classes) - 1} for {len(images.classes)} classes, "
            f"but {len(wrong)} do not, the first is {wrong[0]}. Check labels and classes."
        )


def _check_outputs(model: paddle.nn.Layer, train: ImageSet) -> None:
    """Run two pictures through the model, so that a wrong size shows before the first epoch."""
    with _eval_mode(model), paddle.no_grad():
        logits = model(paddle.to_tensor(data.normalise(train.images[:2])))
    if list(logits.shape) != [2, len(train.classes)]:
        raise ValueError(_wrong_outputs(model, logits, 2, train))


def _wrong_outputs(
    model: paddle.nn.Layer, logits: paddle.Tensor, count: int, images: ImageSet
) -> str:
    classes = len(images.classes)
    return (
        f"{type(model).__name__} must give an output of shape {[count, classes]} for {count} images of {classes} classes, "
        f"and gave {list(logits.shape)}. Build it with num_classes={classes}."
    )


def _where_the_model_is(history: Run) -> str:
    done = len(history.epochs)
    return (
        f"The model has the weights from the end of epoch {done}."
        if done
        else "The model has its first weights."
    )


@contextmanager
def _eval_mode(model: paddle.nn.Layer) -> Iterator[None]:
    """Eval mode inside; afterwards each layer has the mode that it had, which model.train() would not give back."""
    modes = [(layer, layer.training) for layer in model.sublayers(include_self=True)]
    model.eval()
    try:
        yield
    finally:
        for layer, training in modes:
            layer.training = training
