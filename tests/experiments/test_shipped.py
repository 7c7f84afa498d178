"""Two runtimes are compared honestly, and the record of lesson 11 is what the shipped network does."""

from __future__ import annotations

import numpy as np
import pytest

from mobilenet_lib import data, weights
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.experiments import inference
from mobilenet_lib.experiments.shipping import figures, shipped


@pytest.fixture(scope="module")
def network():
    return weights.recorded(shipped.NETWORK)


@pytest.fixture(scope="module")
def images():
    return data.normalise(data.load("fashion_mnist", "test").images[:8])


@pytest.fixture(scope="module")
def scores(network, images):
    return shipped.dynamic(network)(images)


def test_agreement_counts_differences_and_classes():
    found = shipped.agreement(np.array([[1.0, 2.0], [-5.0, 3.0]]), np.array([[1.5, 1.0], [-5.0, 3.0]]))
    assert found == shipped.Agreement(largest_difference=1.0, largest_score=5.0, same_class=1, images=2)
    assert [shipped.Agreement(off, 5.0, 2, 2).below for off in (0, 3e-7, 3e-3, 1)] == [1e-4, 1e-4, 1e-2, 1]
    with pytest.raises(ValueError, match=r"\[2, 2\] and \[1, 2\] cannot be compared"):
        shipped.agreement(np.zeros((2, 2)), np.zeros((1, 2)))


def test_the_dynamic_runtime_leaves_the_network_in_its_mode(network, images, scores):
    network.train()
    try:
        np.testing.assert_array_equal(shipped.dynamic(network)(images), scores)
        assert network.training
    finally:
        network.eval()


def test_paddles_runtime_gives_the_networks_scores(network, images, scores):
    runtime = inference.predictor(network, shipped.IMAGE_SHAPE)
    assert shipped.agreement(scores, runtime(images)).largest_difference < 1e-3


def test_the_runtime_folds_every_batch_norm_and_fuses_every_relu(network, tmp_path):
    graph = inference.save(network, shipped.IMAGE_SHAPE, tmp_path / "network")
    saved = {"conv2d": 14, "depthwise_conv2d": 13, "batch_norm": 27, "relu": 27}
    assert shipped.layer_kinds(graph) == saved
    fused = inference.load_predictor(graph, shipped.IMAGE_SHAPE).fused
    assert shipped.layer_kinds(shipped.rewritten(graph)) == ({"fused_conv2d": 27} if fused else saved)


def test_the_onnx_file_of_the_course_gives_the_networks_scores(images, scores, tmp_path):
    """On every Python, with the converter or without."""
    file = shipped.recorded_onnx(tmp_path / "new")
    runtime = inference.load_onnx(file, shipped.IMAGE_SHAPE)
    assert shipped.agreement(scores, runtime(images)).largest_difference < 1e-3
    assert 1 <= file.stat().st_size / (4 * 221_114) < 1.05


def test_a_change_of_the_weights_shows_in_the_comparison(network, images, scores):
    """Else the comparisons above could pass on anything."""
    bias = network.classifier.bias
    before = bias.numpy()
    try:
        bias.set_value(before + np.eye(1, 10, 3, dtype="float32")[0])
        found = shipped.agreement(scores, shipped.dynamic(network)(images))
        assert found.largest_difference == pytest.approx(1, rel=1e-4)
    finally:
        bias.set_value(before)


def test_only_the_trained_preparation_is_the_librarys():
    images = data.load("fashion_mnist", "test").images[:4]
    (right, *wrong) = [prepare(images) for prepare in shipped.PREPARATIONS.values()]
    np.testing.assert_allclose(right, data.normalise(images), atol=1e-6)
    for given in wrong:
        assert given.shape == right.shape
        assert given.dtype == np.float32
        assert np.abs(given - right).max() > 0.5


def test_the_record_says_how_it_was_made_and_holds_again(network):
    """Measured figures within what another processor may change; times are not measured here."""
    made = shipped.record()
    assert made["mode"] == "recorded"
    assert {"paddlepaddle", "onnxruntime", "paddle2onnx", "numpy"} <= made["versions"].keys()
    assert {"processor", "threads", "system"} <= made["machine"].keys()
    assert made["agreement"]["onnxruntime"]["largest_difference"] < 1e-3
    test = data.load("fashion_mnist", "test")
    images, labels = test.images[: shipped.IMAGES], test.labels[: shipped.IMAGES]
    runtime = inference.predictor(network, shipped.IMAGE_SHAPE)
    for name, prepare in shipped.PREPARATIONS.items():
        right = (runtime(prepare(images)).argmax(axis=1) == labels).sum()
        assert right == pytest.approx(made["preparations"][name]["correct"], abs=2), name
    noise = np.median(shipped.confidence(runtime(shipped.noise(shipped.IMAGES))))
    assert noise == pytest.approx(made["noise"]["median_confidence"], abs=0.01)


def test_times_taken_here_and_recorded_ones_are_a_frame_each(network, tmp_path):
    graph = inference.save(network, shipped.IMAGE_SHAPE, tmp_path / "network")
    here = shipped.time_in_turns(network, graph, shipped.recorded_onnx(tmp_path), threads=1, repeats=3)
    assert here.keys() == shipped.recorded_rounds().keys()
    for rounds, calls in ((here, 3), (shipped.recorded_rounds(), shipped.ROUNDS)):
        frame = shipped.latencies(rounds)
        assert (frame["low"] <= frame["ms"]).all()
        assert (frame["ms"] <= frame["high"]).all()
        assert set(frame["calls"]) == {calls}


def test_questions_and_exercises_fit_the_network(network):
    numbers = sum(int(value.size) for value in network.state_dict().values())
    assert QUESTIONS["11.weights_file"].truth() == pytest.approx(4 * numbers / 1e3)
    assert EXERCISES["stored_bytes"].reference(210_160, 10, 2_736, 32) == 4 * numbers
    image = data.load("fashion_mnist", "test").images[0]
    np.testing.assert_allclose(
        EXERCISES["network_input"].reference(image.transpose(1, 2, 0)), data.normalise(image[np.newaxis]), atol=1e-6
    )
    some = np.random.default_rng(0).normal(scale=5, size=(4, 10))
    np.testing.assert_allclose(EXERCISES["probabilities"].reference(some).max(axis=1), shipped.confidence(some))


def test_the_gradients_of_unequal_parts_join_to_that_of_all():
    """Least squares in NumPy, with another formula than the exercise's."""
    generator = np.random.default_rng(0)
    x, target, w = generator.normal(size=(9, 4)), generator.normal(size=9), generator.normal(size=4)

    def gradient(part):
        return 2 * x[part].T @ (x[part] @ w - target[part]) / len(target[part])

    parts = [slice(0, 2), slice(2, 5), slice(5, 9)]
    joined = EXERCISES["joined_gradient"].reference(np.stack([gradient(part) for part in parts]), np.array([2, 3, 4]))
    np.testing.assert_allclose(joined, gradient(slice(None)))


def test_how_many_times_faster_is_a_ratio_with_its_interval():
    rounds = {("dynamic graph", 1): [18, 20, 24], ("other", 1): [4, 4, 4], ("other", 64): [2, 2, 2]}
    rounds |= {("dynamic graph", 64): [2, 2, 2]}
    table = shipped.speed_up(rounds)
    assert table.loc[("other", 1)].tolist() == [5, 4.5, 6]
    assert table.loc[("other", 64)].tolist() == [1, 1, 1]
    recorded = shipped.speed_up(shipped.recorded_rounds())
    assert (recorded["low"] < recorded["times"]).all()
    assert (recorded["times"] < recorded["high"]).all()


def test_the_figures_say_what_they_drew():
    _, alt = figures.latencies(shipped.latencies(shipped.recorded_rounds()), "a machine")
    row = shipped.latencies(shipped.recorded_rounds()).iloc[0]
    assert f"{row['runtime']}, {row['batch']}: {row['ms']:.3g} ({row['low']:.3g} to {row['high']:.3g})" in alt
    assert alt.endswith("a machine.")
    light = np.full((3, 4, 4), 255, np.uint8)
    _, alt = figures.preparations(lambda images: np.array([[images.max(), 1.5]]), light, ["beyond", "within"])
    assert "0 to 255: beyond; light ground: within" in alt
