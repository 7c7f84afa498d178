"""Training learns, repeats itself bit for bit, survives stops and full disks, and refuses what cannot work."""

from __future__ import annotations

import itertools
import math
import os
import re
import signal
from dataclasses import fields, replace

import numpy as np
import pytest

from mobilenet_lib import data, training
from mobilenet_lib._support import environment
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.data import ImageSet
from mobilenet_lib.runs import Run
from mobilenet_lib.training import checkpoints, inputs

# pytest drops the filter that mobilenet_lib._support.paddle sets.
pytestmark = pytest.mark.filterwarnings("ignore:When training, we now always track")

nn = paddle.nn
TIMINGS = {"seconds", "images_per_second"}


def stripes(count: int = 96, seed: int = 0, size: int = 12) -> ImageSet:
    """Easy images in four classes: horizontal or vertical stripes, in red or blue, under noise."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 4
    pattern = np.where(np.arange(size) % 4 < 2, 120, 0)
    images = rng.integers(0, 100, (count, 3, size, size))
    for image, label in zip(images, labels, strict=True):
        image[0 if label < 2 else 2] += pattern[:, None] if label % 2 else pattern[None, :]
    return ImageSet("stripes", "train", images.astype(np.uint8), labels, ("a", "b", "c", "d"), "made in the test")


def small_net(seed: int = 0, classes: int = 4) -> nn.Layer:
    """Convolutions, batch norm, a depthwise layer and dropout: everything that keeps a state or draws numbers."""
    training.seed_everything(seed)
    return nn.Sequential(
        *(nn.Conv2D(3, 16, 3, padding=1, bias_attr=False), nn.BatchNorm2D(16), nn.ReLU()),
        *(nn.Conv2D(16, 16, 3, padding=1, groups=16, bias_attr=False), nn.BatchNorm2D(16), nn.ReLU()),
        *(nn.AdaptiveAvgPool2D(1), nn.Flatten(), nn.Dropout(0.1), nn.Linear(16, classes)),
    )


def fit(model: nn.Layer, images: ImageSet | None = None, **changes) -> Run:
    """`training.fit` for a moment; `changes` are arguments of it, or fields of `Options`."""
    settings = {"validation": 0.25, "epochs": 2, "batch_size": 16, "learning_rate": 0.05}
    rare = {field.name for field in fields(training.Options)} & changes.keys()
    options = training.Options(**{name: changes.pop(name) for name in rare})
    images = stripes() if images is None else images
    return training.fit(model, images, options=options, **{**settings, **changes})


def weights(model: nn.Layer) -> dict[str, bytes]:
    return {name: value.numpy().tobytes() for name, value in model.state_dict().items()}


def curves(history: Run) -> list[dict]:
    return [{key: epoch[key] for key in epoch.keys() - TIMINGS} for epoch in history.epochs]


def in_pass(number: int, layer: nn.Layer, action) -> None:
    """Do `action` in the layer's `number`-th pass in train mode; what it returns replaces the outputs."""
    passes = itertools.count(1)

    def hook(layer: nn.Layer, inputs: tuple, outputs: paddle.Tensor) -> paddle.Tensor | None:
        return action(outputs) if layer.training and next(passes) == number else outputs

    layer.register_forward_post_hook(hook)


def saved(path) -> dict[str, bytes]:
    """The weights in a checkpoint, as `weights` gives those of a model."""
    with np.load(path) as arrays:
        return {name[6:]: arrays[name].tobytes() for name in arrays.files if name.startswith("model/")}


def interrupt_in_pass(model: nn.Layer, number: int) -> nn.Layer:
    in_pass(number, model.sublayers()[0], lambda outputs: signal.raise_signal(signal.SIGINT))
    return model


def nan_like(outputs: paddle.Tensor) -> paddle.Tensor:
    return paddle.full_like(outputs, math.nan)


# --- learning
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_easy_images_are_learned(optimizer):
    model = small_net()
    learning_rate = {"sgd": 0.1, "adam": 0.02}[optimizer]
    history = fit(model, stripes(320), epochs=6, optimizer=optimizer, learning_rate=learning_rate)
    assert history.epochs[-1]["validation_accuracy"] > 0.85
    assert history.epochs[-1]["train_loss"] < history.epochs[0]["train_loss"]
    assert training.evaluate(model, stripes(100, seed=5)).accuracy > 0.85


def test_shuffled_labels_are_not():
    """The same training without anything to find stays near chance, .25: the test above is no accident."""
    images = stripes(320)
    shuffled = replace(images, labels=np.random.default_rng(3).permutation(images.labels))
    history = fit(small_net(), shuffled, epochs=6, learning_rate=0.1)
    assert history.epochs[-1]["validation_accuracy"] < 0.45


def test_the_last_validation_figures_are_those_of_the_model_handed_back():
    model = small_net()
    images = stripes()
    _, part = images.split(0.25, seed=0)
    history = fit(model, images)
    again = training.evaluate(model, part, batch_size=16)
    last = history.epochs[-1]
    assert (last["validation_loss"], last["validation_accuracy"]) == (again.loss, again.accuracy)
    assert not any(layer.training for layer in model.sublayers(include_self=True))


def test_the_history_says_what_was_done(tmp_path):
    other = replace(stripes(40, seed=9), part="test")
    history = fit(small_net(), validation=other, epochs=3, run_name="net", notes="a note", mode="quick", seed=4)
    assert (history.name, history.notes, history.mode, history.seed) == ("net", "a note", "quick", 4)
    assert {"source": "made in the test", "train_size": 96, "validation_size": 40}.items() <= history.data.items()
    done = {"validation": "stripes test", "weight_decay": 5e-4, "learning_rate": 0.05}
    assert done.items() <= history.settings.items()
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2, 3]
    for epoch in history.epochs:
        assert epoch["images_per_second"] * epoch["seconds"] == pytest.approx(96)
    assert history.versions["paddlepaddle"].startswith("3.")
    history.test = training.evaluate(small_net(), other).as_dict()
    history.save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json") == history


def test_without_validation_there_are_no_validation_figures():
    history = fit(small_net(), validation=None)
    assert history.data["train_size"] == 96
    assert history.epochs[0]["validation_loss"] is None
    assert history.epochs[0]["validation_accuracy"] is None


# --- the same numbers again
def test_the_same_seed_gives_the_same_numbers_and_another_does_not():
    first, second, third = small_net(), small_net(), small_net()
    a, b = fit(first), fit(second)
    c = fit(third, seed=1)
    assert curves(a) == curves(b)
    assert weights(first) == weights(second)
    assert curves(a) != curves(c)
    assert weights(first) != weights(third)


def test_gradients_left_in_the_model_do_not_count():
    """After a backward() by hand in a lesson, or an interrupt between gradients and update."""
    fresh, used = small_net(), small_net()
    used.eval()
    used(paddle.to_tensor(data.normalise(stripes(8).images))).sum().backward()
    fit(fresh)
    fit(used)
    assert weights(used) == weights(fresh)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_stopped_and_resumed_equals_never_stopped(tmp_path, optimizer):
    """Weights, batch norm's statistics, optimizer and history, with augmentation and dropout, bit for bit."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    straight = small_net()
    expected = fit(straight, epochs=4, optimizer=optimizer, checkpoint=whole)

    stopped = fit(interrupt_in_pass(small_net(), 11), epochs=4, optimizer=optimizer, checkpoint=parts)
    assert stopped.interrupted
    assert len(stopped.epochs) == 2  # four batches an epoch, stopped in the third epoch
    # As after a restart: other first weights, other names of Paddle's own.
    later = small_net(seed=99)
    history = fit(later, epochs=4, optimizer=optimizer, checkpoint=parts)

    assert curves(history) == curves(expected)
    assert not history.interrupted
    assert weights(later) == weights(straight)
    with np.load(whole) as one, np.load(parts) as other:
        assert sum(name.startswith("optimizer/") for name in one.files) >= 8
        for name in set(one.files) - {"run"}:
            assert one[name].tobytes() == other[name].tobytes(), name


def test_a_stop_in_the_first_epoch_resumes_from_the_same_first_weights(tmp_path):
    straight = small_net()
    fit(straight)
    fit(interrupt_in_pass(small_net(), 2), checkpoint=tmp_path / "c")
    later = small_net(seed=99)
    fit(later, checkpoint=tmp_path / "c")
    assert weights(later) == weights(straight)


def test_a_finished_checkpoint_is_loaded_instead_of_trained(tmp_path):
    model = small_net()
    path = tmp_path / "c"
    history = fit(model, checkpoint=path)
    arrays = checkpoints.read(path)
    long_ago = "2001-01-01T00:00:00+00:00"
    older = {"run": np.array(str(arrays["run"]).replace(history.started, long_ago))}
    with path.open("wb") as file:
        np.savez(file, **arrays | older)
    other = interrupt_in_pass(small_net(seed=5), 1)  # training it would stop at once
    again = fit(other, checkpoint=path)
    assert again.epochs == history.epochs
    assert again.started == long_ago
    assert not again.interrupted
    assert weights(other) == weights(model)


# --- stops
def test_until_stops_after_the_epoch_that_reaches_it(tmp_path):
    """The epochs before the stop are those of the whole run, and a second call trains no further."""
    settings = {"images": stripes(320), "epochs": 6, "learning_rate": 0.1}
    whole = fit(small_net(), **settings)
    accuracies = [epoch["validation_accuracy"] for epoch in whole.epochs]
    until = max(accuracies)
    wanted = accuracies.index(until) + 1
    model = small_net()
    for _ in range(2):
        history = fit(model, until=until, checkpoint=tmp_path / "c", **settings)
        assert curves(history) == curves(whole)[:wanted]
        assert history.settings["until"] == until
        assert not history.interrupted


def test_an_interrupt_leaves_history_and_model_of_the_finished_epochs(tmp_path, capsys):
    model = interrupt_in_pass(small_net(), 7)
    history = fit(model, epochs=3, checkpoint=tmp_path / "c")
    assert history.interrupted
    assert [epoch["epoch"] for epoch in history.epochs] == [1]
    assert weights(model) == saved(tmp_path / "c")
    assert not model.training
    assert capsys.readouterr().out == (
        "Interrupted in epoch 2 of 3. The model has the weights from the end of epoch 1. "
        "Run the same call again to continue.\n"
    )
    history.save(tmp_path / "run.json")
    assert Run.load(tmp_path / "run.json").interrupted


def test_an_interrupt_in_the_first_epoch_puts_the_first_weights_back(capsys):
    model = small_net()
    before = weights(model)
    history = fit(interrupt_in_pass(model, 3))
    assert history.epochs == []
    assert weights(model) == before
    assert capsys.readouterr().out == "Interrupted in epoch 1 of 2. The model has its first weights.\n"


def test_a_nan_loss_stops_with_the_place_and_the_finished_epochs(tmp_path):
    model = small_net()
    in_pass(6, model[9], nan_like)
    said = r"loss became nan in epoch 2, batch 2, .*such as 0\.005"
    with pytest.raises(training.TrainingDiverged, match=said) as stop:
        fit(model, epochs=3, checkpoint=tmp_path / "c")
    assert isinstance(stop.value, RuntimeError)
    assert (stop.value.epoch, stop.value.batch) == (2, 2)
    assert 0 < stop.value.learning_rate <= 0.05
    assert [epoch["epoch"] for epoch in stop.value.history.epochs] == [1]
    assert weights(model) == saved(tmp_path / "c")


def test_a_learning_rate_far_too_high_diverges():
    model = nn.Sequential(nn.Flatten(), *(nn.Linear(*size) for size in ((432, 64), (64, 64), (64, 4))))
    before = weights(model)
    with pytest.raises(training.TrainingDiverged, match="first weights"):
        fit(model, learning_rate=1000, schedule="constant", batch_size=8)
    assert weights(model) == before


def test_weights_that_break_in_the_last_step_are_noticed():
    """ReLU turns NaN into 0, so the loss stays finite; the gradients do not, and there is no next loss to show it."""
    model = small_net()
    in_pass(1, model[0], nan_like)
    with pytest.raises(training.TrainingDiverged, match=r"weights .* became NaN or infinite in epoch 1, at"):
        fit(model, validation=None, batch_size=96)


# --- checkpoints on disk
@pytest.fixture(scope="module")
def half_done(tmp_path_factory):
    """The bytes of a checkpoint after one of two epochs."""
    path = tmp_path_factory.mktemp("half") / "c"
    fit(interrupt_in_pass(small_net(), 6), checkpoint=path)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 3}, "epochs = 2, this call has 3"),
        ({"seed": 1}, "seed = 0, this call has 1"),
        ({"batch_size": 8}, "batch_size = 16, this call has 8"),
        ({"learning_rate": 0.1}, r"learning_rate = 0\.05, this call has 0\.1"),
        ({"optimizer": "adam"}, "optimizer = 'sgd', this call has 'adam'"),
        ({"schedule": "constant"}, "schedule = 'one_cycle', this call has 'constant'"),
        ({"augment": True}, "augment = False, this call has True"),
        ({"max_shift": 0}, "max_shift = 4, this call has 0"),
        ({"until": 0.9}, r"until = None, this call has 0\.9"),
        ({"validation": 0.5}, r"validation = 0\.25, this call has 0\.5"),
        ({"validation": None}, r"validation = 0\.25, this call has None"),
        ({"images": stripes(seed=1)}, "checksum = '"),
        ({"images": stripes(100)}, "checksum = '"),
    ],
)
def test_resuming_under_other_conditions_is_refused(tmp_path, half_done, change, message):
    path = tmp_path / "c"
    path.write_bytes(half_done)
    with pytest.raises(ValueError, match=f"{message}.*resume=False"):
        fit(small_net(), checkpoint=path, **change)
    assert path.read_bytes() == half_done


def test_resuming_another_model_is_refused(tmp_path, half_done):
    path = tmp_path / "c"
    path.write_bytes(half_done)
    larger = nn.Sequential(nn.Flatten(), nn.Linear(432, 4))
    with pytest.raises(ValueError, match="trainable_params = 708, this call has 1732"):
        fit(larger, checkpoint=path)
    # As many parameters, in other places.
    moved = nn.Sequential(nn.Identity(), *small_net())
    with pytest.raises(ValueError, match=r"another model: 0\.weight has the shape \(16, 3, 3, 3\) there, and None"):
        fit(moved, checkpoint=path)
    assert path.read_bytes() == half_done


def test_an_optimizers_part_that_does_not_fit_is_refused(tmp_path, half_done):
    """As many numbers to train, but of other parameters; an array of another shape; one that nobody knows."""
    frozen, path = tmp_path / "frozen", tmp_path / "c"
    path.write_bytes(half_done)
    arrays, model, other = checkpoints.read(path), small_net(), small_net()
    model[4].weight.stop_gradient = other[1].weight.stop_gradient = True
    fit(interrupt_in_pass(model, 6), checkpoint=frozen)
    wrong = {"1.weight/velocity": other, "9.bias/velocity": small_net(), "9.bias/momentum": small_net()}
    for name, net in wrong.items():
        file = frozen if net is other else path
        if file == path:
            with path.open("wb") as written:
                np.savez(written, **arrays | {f"optimizer/{name}": np.ones(3)})
        before, content = weights(net), file.read_bytes()
        with pytest.raises(ValueError, match=rf"optimizer's part of the checkpoint .*{name}.*resume=False"):
            fit(net, checkpoint=file)
        assert (weights(net), file.read_bytes()) == (before, content)


def test_what_is_advised_after_a_run_that_diverged_is_accepted(tmp_path):
    path = tmp_path / "c"
    for rate in (1000, 0.5):
        model = small_net()
        in_pass(6, model[9], nan_like)
        with pytest.raises(training.TrainingDiverged, match=r"options=training\.Options\(resume=False\)") as stop:
            fit(model, learning_rate=rate, schedule="constant", checkpoint=path, resume=False)
        advised = float(re.search(r"such as ([\d.e-]+),", str(stop.value)).group(1))
        assert advised == min(rate / 10, 0.08)
        history = fit(small_net(), learning_rate=advised, checkpoint=path, resume=False)
        assert len(history.epochs) == 2


def test_a_home_folder_is_found(home):
    fit(small_net(), checkpoint="~/c", epochs=1)
    assert [file.name for file in home.iterdir()] == ["c"]


def test_a_run_continued_with_other_threads_says_so(tmp_path, monkeypatch):
    fit(interrupt_in_pass(small_net(), 6), checkpoint=tmp_path / "c")
    here = environment.machine()
    monkeypatch.setattr(training.fitting, "Run", lambda **given: Run(**given, machine={**here, "threads": 99}))
    history = fit(small_net(), checkpoint=tmp_path / "c", notes="Noted.")
    assert history.notes == f"Noted. The first 1 epoch(s) with threads = {here['threads']}."


def damaged(content: bytes) -> dict[str, bytes]:
    middle = len(content) // 2
    flipped = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 64]) + content[middle + 64 :]
    short = {"empty": b"", "cut": content[:middle], "one byte short": content[:-1]}
    return {**short, "flipped": flipped, "text": b"not a checkpoint"}


@pytest.mark.parametrize("kind", damaged(b""))
def test_a_broken_checkpoint_is_refused_and_left_alone(tmp_path, half_done, kind):
    path = tmp_path / "checkpoint"
    broken = damaged(half_done)[kind]
    path.write_bytes(broken)
    model = small_net()
    before = weights(model)
    with pytest.raises(ValueError, match=r"checkpoint is not a whole checkpoint .*resume=False"):
        fit(model, checkpoint=path)
    assert path.read_bytes() == broken
    assert weights(model) == before
    fit(model, checkpoint=path, resume=False)
    assert weights(model) == saved(path)


def test_other_arrays_are_no_checkpoint(tmp_path):
    np.savez(tmp_path / "c.npz", weights=np.ones(3))
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        fit(small_net(), checkpoint=tmp_path / "c.npz")


class Trap:
    """Unpickling it makes a folder."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.mkdir, (self.path,)


def test_a_checkpoint_from_a_stranger_runs_no_code(tmp_path, half_done):
    (tmp_path / "c").write_bytes(half_done)
    arrays = checkpoints.read(tmp_path / "c")
    np.savez(tmp_path / "c.npz", **arrays | {"optimizer/x": np.array([Trap(str(tmp_path / "sprung"))])})
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        fit(small_net(), checkpoint=tmp_path / "c.npz")
    assert not (tmp_path / "sprung").exists()


def test_a_path_that_cannot_be_written_fails_before_the_first_epoch(tmp_path):
    (tmp_path / "file").write_text("")
    model = interrupt_in_pass(small_net(), 1)
    with pytest.raises(training.CheckpointNotSaved, match="could not be written"):
        fit(model, checkpoint=tmp_path / "file" / "c")


def test_a_full_disk_keeps_the_last_good_checkpoint_and_the_history(tmp_path, monkeypatch):
    """The second epoch's checkpoint does not fit: that of the first stays, and can be resumed."""
    path = tmp_path / "c"
    calls = []

    def fsync(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == 3:  # before the first epoch, after the first, after the second
            raise OSError(28, "No space left on device")

    model = small_net()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(training.CheckpointNotSaved, match=r"No space left on device.*Free some space") as stop:
            fit(model, epochs=3, checkpoint=path)
    assert isinstance(stop.value, OSError)
    assert stop.value.errno == 28
    assert len(stop.value.history.epochs) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["c"]
    assert len(checkpoints.read(path)["run"].item()) > 0
    straight = small_net()
    assert curves(fit(model, epochs=3, checkpoint=path)) == curves(fit(straight, epochs=3))
    assert weights(model) == weights(straight)


# --- batches, steps and rates
def shown(monkeypatch) -> list[np.ndarray]:
    """The batches of images that go into the network from now on."""
    batches = []

    def normalise(images: np.ndarray, original=data.normalise) -> np.ndarray:
        batches.append(images)
        return original(images)

    monkeypatch.setattr(data, "normalise", normalise)
    return batches


def test_batches_are_full_and_show_no_image_twice(monkeypatch):
    """33 images in batches of 16: a last batch of one image would ruin batch norm."""
    images = stripes(33)
    batches = shown(monkeypatch)
    fit(small_net(), images, validation=None, augment=False, epochs=2)
    sizes = [len(batch) for batch in batches]
    assert sizes == [2] + [16] * 4  # the first two images only test the model's outputs
    epochs = [np.concatenate(batches[1:3]), np.concatenate(batches[3:5])]
    for epoch in epochs:
        assert len({image.tobytes() for image in epoch}) == 32
    assert epochs[0].tobytes() != epochs[1].tobytes()


def test_a_set_smaller_than_a_batch_is_one_batch(monkeypatch):
    batches = shown(monkeypatch)
    history = fit(small_net(), stripes(10), validation=None, batch_size=64)
    assert [len(batch) for batch in batches] == [2, 10, 10]
    assert len(history.epochs) == 2


def test_augmentation_changes_training_images_only(monkeypatch):
    images = stripes(64)
    originals = {image.tobytes() for image in images.images}
    batches = shown(monkeypatch)
    fit(small_net(), images, validation=0.25, epochs=1, augment=True)
    trained, validated = np.concatenate(batches[1:4]), np.concatenate(batches[4:])
    assert sum(image.tobytes() in originals for image in trained) < 24
    assert all(image.tobytes() in originals for image in validated)


def test_without_a_shift_augmentation_mirrors_only(monkeypatch):
    images = stripes(64)
    originals = {image.tobytes() for image in images.images}
    mirrored = {image[:, :, ::-1].tobytes() for image in images.images}
    batches = shown(monkeypatch)
    history = fit(small_net(), images, validation=None, epochs=1, augment=True, max_shift=0)
    assert history.settings["max_shift"] == 0
    seen = [image.tobytes() for image in np.concatenate(batches[1:])]
    assert all(image in originals | mirrored for image in seen)
    assert any(image not in originals for image in seen)


def test_sgd_is_nesterov_momentum_with_decay_on_dense_weights_only():
    """Two steps recomputed from the gradients: v = .9 v + g + decay · w, w -= rate · (g + decay · w + .9 v)."""
    step = training.DynamicStep(small_net(), "sgd")
    model = step.model
    model.train()
    model[8].eval()  # dropout would draw anew for each of the two passes
    images, labels = data.normalise(stripes(16).images), stripes(16).labels
    names = {"0.weight": 5e-4, "1.weight": 0, "3.weight": 0, "9.weight": 5e-4, "9.bias": 0}
    values = {name: p.numpy() for name, p in model.named_parameters() if name in names}
    velocity = dict.fromkeys(names, 0)
    for rate in (0.1, 0.03):
        logits = model(paddle.to_tensor(images))
        nn.functional.cross_entropy(logits, paddle.to_tensor(labels)).backward()
        gradients = {name: p.grad.numpy() for name, p in model.named_parameters() if name in names}
        model.clear_gradients()
        step.step(images, labels, rate)
        for name, decay in names.items():
            slope = gradients[name] + decay * values[name]
            velocity[name] = 0.9 * velocity[name] + slope
            values[name] = values[name] - rate * (slope + 0.9 * velocity[name])
        for name, p in model.named_parameters():
            if name in names:
                np.testing.assert_allclose(p.numpy(), values[name], rtol=1e-5, atol=1e-6, err_msg=name)


def test_one_cycle_rises_to_its_peak_and_falls_to_nothing():
    rates = training.learning_rates("one_cycle", 0.5, 100)
    assert rates.shape == (100,)
    assert rates[0] == pytest.approx(0.5 / 25)
    assert rates.max() == rates[30] == 0.5
    assert (np.diff(rates[:31]) > 0).all()
    assert (np.diff(rates[30:]) < 0).all()
    assert 0 < rates[-1] < 0.001
    assert training.learning_rates("constant", 0.5, 3).tolist() == [0.5] * 3
    assert training.learning_rates("one_cycle", 0.5, 1) > 0
    with pytest.raises(ValueError, match="schedule must be one of one_cycle, constant, not 'cosine'"):
        training.learning_rates("cosine", 0.5, 3)


# --- evaluate
def test_evaluate_agrees_with_the_definition():
    images = stripes(10)
    model = small_net()
    result = training.evaluate(model, images, batch_size=4)  # batches of 4, 4 and 2
    model.eval()
    logits = model(paddle.to_tensor(data.normalise(images.images))).numpy().astype(np.float64)
    fractions = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert result.loss == pytest.approx(-np.log(fractions[np.arange(10), images.labels]).mean(), rel=1e-5)
    assert result.predictions.tolist() == logits.argmax(axis=1).tolist()
    assert result.accuracy == np.mean(logits.argmax(axis=1) == images.labels)
    right = int((logits.argmax(axis=1) == images.labels).sum())
    assert result.as_dict() == {"loss": result.loss, "accuracy": result.accuracy, "correct": right, "total": 10}


def test_evaluate_leaves_the_model_as_it_was():
    model = small_net()
    model.train()
    model[1].eval()  # a frozen batch norm
    before = weights(model)
    training.evaluate(model, stripes(8))
    assert weights(model) == before
    assert [layer.training for layer in model][:3] == [True, False, True]
    assert model.training


# --- what is refused
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 2, not 0"),
        ({"batch_size": 1}, "batch_size must be a whole number of at least 2, not 1"),
        ({"seed": -1}, "seed must be a whole number of at least 0, not -1"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0 and at most 1000, not 0"),
        ({"learning_rate": math.nan}, "learning_rate must be a number above 0 and at most 1000, not nan"),
        ({"optimizer": "lion"}, "optimizer must be one of sgd, adam, not 'lion'"),
        ({"schedule": "cosine"}, "schedule must be one of one_cycle, constant, not 'cosine'"),
        ({"mode": "fast"}, "mode must be one of quick, recorded, full, not 'fast'"),
        ({"validation": 0}, "validation must be an ImageSet, a fraction between 0 and 1"),
        ({"validation": 1.0}, "validation must be an ImageSet, a fraction between 0 and 1"),
        ({"validation": True}, "validation must be an ImageSet, a fraction between 0 and 1"),
        ({"validation": stripes(8, size=8)}, r"validation must have the image shape of train, \(3, 12, 12\), not"),
        ({"max_shift": -1}, "max_shift must be a whole number of at least 0"),
        ({"until": 0}, "until must be an accuracy above 0 and at most 1, not 0"),
        ({"until": 75}, "until must be an accuracy above 0 and at most 1, not 75"),
        ({"until": 0.5, "validation": None}, "until needs a validation set"),
        ({"validation": replace(stripes(8), classes=tuple("abce"))}, "validation must have the classes of train"),
        ({"images": stripes(2), "validation": 0.5}, r"training needs at least 2 image\(s\), and has 1 left"),
        ({"images": stripes(1), "validation": None}, "one class only, 'a'"),
        ({"images": stripes().head(3), "seed": 2**64}, "seed must be a whole number of at most 64 bits"),
        ({"learning_rate": 1e9}, r"learning_rate must be .* at most 1000, not 1000000000\.0\. Try 0\.08"),
        ({"learning_rate": "fast"}, "learning_rate must be .*not 'fast'"),
        ({"step": "fast"}, "step must be one of auto, dynamic, static, not 'fast'"),
    ],
)
def test_fit_refuses(change, message):
    model = interrupt_in_pass(small_net(), 1)
    with pytest.raises(ValueError, match=message):
        fit(model, **change)


def broken_set(**fields) -> ImageSet:
    """An image set with wrong fields, also where the class itself would refuse them."""
    images = stripes(8)
    for name, value in fields.items():
        object.__setattr__(images, name, value)
    return images


GOOD = stripes(8)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"images": GOOD.images / np.float32(255)}, "must be uint8 .*not float32"),
        ({"images": GOOD.images.transpose(0, 2, 3, 1)}, r"not uint8 of shape \[8, 12, 12, 3\]"),
        ({"images": GOOD.images[:, :1]}, r"not uint8 of shape \[8, 1, 12, 12\]"),
        ({"images": GOOD.images[0]}, r"not uint8 of shape \[3, 12, 12\]"),
        ({"labels": GOOD.labels[:5]}, r"labels must be int64 of shape \[8\].*shape \[5\]"),
        ({"labels": GOOD.labels.astype(np.float32)}, "labels must be int64 .*not float32"),
        ({"images": GOOD.images * np.float32("nan")}, "must be uint8 .*not float32"),
        ({"labels": GOOD.labels + 1}, "between 0 and 3 for 4 classes, but 2 do not, the first is 4"),
        ({"labels": GOOD.labels - 1}, "between 0 and 3 for 4 classes, but 2 do not, the first is -1"),
        ({"images": GOOD.images[:0], "labels": GOOD.labels[:0]}, "is empty"),
    ],
)
def test_wrong_image_sets_are_refused(fields, message):
    with pytest.raises(ValueError, match=f"^train.*{message}"):
        fit(small_net(), broken_set(**fields))
    with pytest.raises(ValueError, match=f"^images.*{message}"):
        training.evaluate(small_net(), broken_set(**fields))


def test_models_that_do_not_fit_are_refused():
    outputs = r"output of shape \[2, 4\] for 2 images of 4 classes, and gave \[2, 10\]. Build it with num_classes=4"
    with pytest.raises(ValueError, match=outputs):
        fit(small_net(classes=10))
    with pytest.raises(ValueError, match="Build it with num_classes=4"):
        training.evaluate(small_net(classes=10), stripes(8))
    with pytest.raises(ValueError, match=r"must be a paddle\.nn\.Layer, not Model"):
        fit(paddle.Model(small_net()))
    frozen = small_net()
    for parameter in frozen.parameters():
        parameter.stop_gradient = True
    with pytest.raises(ValueError, match="no trainable parameters"):
        fit(frozen)


def test_a_model_with_several_outputs_is_refused():
    class Two(nn.Layer):
        def __init__(self, train_only: bool) -> None:
            super().__init__()
            self.net, self.train_only = small_net(), train_only

        def forward(self, images):
            logits = self.net(images)
            return logits if self.train_only and not self.training else (logits, logits)

    for model in (Two(False), Two(True)):
        with pytest.raises(ValueError, match=r"Two must give one tensor \[N, classes\], and gave a tuple"):
            fit(model)
    for measure in (training.evaluate, training.scores):
        with pytest.raises(ValueError, match="Two must give one tensor"):
            measure(Two(False), stripes(8))


def test_a_batch_beyond_memory_is_refused_before_it_is_made(monkeypatch):
    """The two convolutions and batch norms keep 3 + 16 + 16 + 16 feature maps of 12×12, the classifier 16 numbers."""
    kept = 4 * 16 * (51 * 144 + 16)
    free = type("Memory", (), {"available": kept - 1, "total": kept})
    monkeypatch.setattr(inputs.psutil, "virtual_memory", lambda: free)
    with pytest.raises(ValueError, match=r"a batch of 16 images needs 0\.0 GB .*smaller batch_size"):
        fit(small_net())
    free.available = kept
    fit(small_net(), epochs=1)


def test_a_step_handed_in_trains_and_must_be_that_of_the_model():
    model, straight = small_net(), small_net()
    history = fit(model, step=training.DynamicStep(model, "sgd"))
    assert curves(history) == curves(fit(straight))
    for other in (training.DynamicStep(small_net(), "sgd"), training.DynamicStep(model, "adam")):
        with pytest.raises(ValueError, match="step must have been made for this model and 'sgd'"):
            fit(model, step=other)


# --- what is printed
def test_outside_a_live_notebook_nothing_is_printed(tmp_path, capfd, monkeypatch):
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "0")
    fit(small_net(), checkpoint=tmp_path / "c")
    fit(small_net(), checkpoint=tmp_path / "c")
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")


@pytest.mark.usefixtures("live")
def test_the_bar_counts_the_batches_of_the_whole_run(tmp_path, capsys):
    fit(interrupt_in_pass(small_net(), 6), epochs=3, checkpoint=tmp_path / "c", run_name="net")
    first = capsys.readouterr().err
    assert "| 0/12 batches" in first
    fit(small_net(), epochs=3, checkpoint=tmp_path / "c", run_name="net")
    resumed = capsys.readouterr().err
    for part in ("| 4/12 batches", "net 100%", "| 12/12 batches", "left, epoch 3/3, loss ", "accuracy 0."):
        assert part in resumed
    fit(small_net(), progress=False)
    assert capsys.readouterr().err == ""
