"""Weights come back as they went to the disk, and nothing but whole files of the same model is taken."""

from __future__ import annotations

import numpy as np
import pytest

from mobilenet_lib import data, models, training, weights


def _model(seed=0, **options):
    training.seed_everything(seed)
    return models.build("mobilenet_v1", width_multiplier=0.1, resolution=32, **options)


def _state(model):
    return {name: value.numpy() for name, value in model.state_dict().items()}


def test_another_model_gives_the_same_outputs_after_loading(home):
    first, second = _model(0), _model(1)
    images = data.normalise(data.load("fashion_mnist", "test").images[:4])
    weights.save(first, "~/first.npz")
    assert (home / "first.npz").exists()
    weights.load(second, "~/first.npz")
    first.eval()
    x = models.paddle.to_tensor(images)
    np.testing.assert_array_equal(first(x).numpy(), second(x).numpy())
    assert not second.training


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no weights at .*nowhere\.npz"):
        weights.load(_model(), tmp_path / "nowhere.npz")


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
def test_a_broken_file_is_refused_and_the_model_kept(tmp_path, damage):
    path, model = tmp_path / "weights.npz", _model(1)
    weights.save(_model(0), path)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"no weights", "empty": b""}[damage])
    before = _state(model)
    with pytest.raises(ValueError, match="not a whole file of weights"):
        weights.load(model, path)
    for name, value in _state(model).items():
        np.testing.assert_array_equal(value, before[name])


def test_weights_of_another_model_are_refused(tmp_path):
    weights.save(_model(num_classes=7), tmp_path / "seven.npz")
    with pytest.raises(ValueError, match=r"another model: classifier.bias has the shape \(7,\) there"):
        weights.load(_model(), tmp_path / "seven.npz")


def test_pickled_data_is_not_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (pytest.fail, ("the file was unpickled",))

    np.savez(tmp_path / "bomb.npz", weight=np.array(Bomb(), dtype=object))
    with pytest.raises(ValueError, match="not a whole file of weights"):
        weights.load(_model(), tmp_path / "bomb.npz")


def test_an_unknown_recorded_network_is_refused_with_the_names():
    with pytest.raises(FileNotFoundError, match="no recorded weights 'nothing'"):
        weights.recorded("nothing")
