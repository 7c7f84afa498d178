"""What ReLU loses: the closed forms against every pattern and against random matrices, and the spiral's way back."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lib import architectures, models
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.questions import question
from mobilenet_lib.course.questions.lesson05 import RESNET_BLOCK, V2_BLOCK
from mobilenet_lib.experiments import manifold


@pytest.mark.parametrize("dimensions", [1, 2, 3, 5])
@pytest.mark.parametrize("channels", [1, 2, 3, 7, 10])
def test_fractions_are_those_of_all_patterns_counted_one_by_one(channels, dimensions):
    patterns = list(itertools.product((0, 1), repeat=channels))
    lost = sum(sum(pattern) < dimensions for pattern in patterns)
    assert manifold.fraction_lost(channels, dimensions) == lost / len(patterns)
    assert manifold.fraction_lost(channels, 1) == 1 / len(patterns)


@given(st.integers(1, 60))
def test_two_numbers_give_the_formula_of_the_lesson(channels):
    assert manifold.fraction_lost(channels) == pytest.approx((channels + 1) / 2**channels)
    assert manifold.fraction_lost(channels) == EXERCISES["fraction_lost"].reference(channels)


@pytest.mark.parametrize(("channels", "dimensions"), [(3, 2), (5, 2), (6, 3)])
def test_fractions_are_those_of_random_matrices(channels, dimensions):
    """One point, a new matrix each time; five standard deviations are allowed."""
    trials = 40_000
    rng = np.random.default_rng(1)
    point = rng.normal(size=dimensions)
    active = (rng.normal(size=(trials, channels, dimensions)) @ point > 0).sum(axis=1)
    for fraction, expected in (
        ((active < dimensions).mean(), manifold.fraction_lost(channels, dimensions)),
        ((active == 0).mean(), manifold.fraction_lost(channels, 1)),
    ):
        assert abs(fraction - expected) < 5 * (expected * (1 - expected) / trials) ** 0.5


@given(st.integers(0, 10**6), st.integers(3, 12))
def test_a_point_is_computed_exactly_where_two_channels_are_active_and_only_there(seed, channels):
    rng = np.random.default_rng(seed)
    matrix, point = rng.normal(size=(channels, 2)), rng.normal(size=2)
    activated = np.maximum(matrix @ point, 0)
    active = matrix[activated > 0]
    if len(active) >= 2 and np.linalg.cond(active) < 1000:
        solved = EXERCISES["solved_point"].reference(matrix, activated)
        np.testing.assert_allclose(solved, point, rtol=1e-6, atol=1e-9)
    if len(active) == 1:
        # A step along the one active row's line, small enough that no other channel wakes up, changes nothing.
        along = np.array([-active[0][1], active[0][0]])
        slack = [-(row @ point) / abs(row @ along) for row in matrix if row @ point <= 0]
        moved = point + 0.5 * min(slack) * along
        assert not np.allclose(moved, point, atol=1e-12)
        np.testing.assert_allclose(np.maximum(matrix @ moved, 0), activated, atol=1e-12)


def test_the_spiral_winds_around_zero_and_grows():
    spiral = manifold.spiral(points=200, turns=3)
    radius = np.linalg.norm(spiral, axis=1)
    assert spiral.shape == (200, 2)
    assert radius[0] > 0
    assert radius[-1] == pytest.approx(1)
    assert (np.diff(radius) > 0).all()
    angle = np.unwrap(np.arctan2(spiral[:, 1], spiral[:, 0]))
    assert angle[-1] == pytest.approx(3 * 2 * np.pi)


def test_the_way_back_undoes_the_matrix_where_relu_does_nothing():
    points = np.abs(manifold.spiral())
    matrix = np.abs(np.random.default_rng(0).normal(size=(6, 2)))  # positive sums: all are active
    activated, recovered = manifold.round_trip(points, matrix)
    assert activated.shape == (300, 6)
    np.testing.assert_allclose(recovered, points, atol=1e-12)


def test_read_back_the_spiral_is_half_as_large_and_at_its_best_scale_it_is_nearly_right():
    spiral = manifold.spiral()
    matrix = np.random.default_rng(0).normal(size=(20_000, 2))
    _, recovered = manifold.round_trip(spiral, matrix)
    assert manifold.relative_error(spiral, recovered) == pytest.approx(0.5, abs=0.02)
    assert manifold.best_scale(spiral, recovered) == pytest.approx(2, abs=0.05)
    scaled = manifold.best_scale(spiral, recovered) * recovered
    assert manifold.relative_error(spiral, scaled) < 0.05


@given(st.integers(0, 10**6), st.floats(-3, 3))
def test_no_other_scale_is_better(seed, other):
    rng = np.random.default_rng(seed)
    original, recovered = rng.normal(size=(2, 5, 2))
    best = manifold.best_scale(original, recovered)
    assert best == pytest.approx(EXERCISES["best_scale"].reference(original, recovered))
    error = manifold.relative_error(original, best * recovered)
    assert error <= manifold.relative_error(original, other * recovered) + 1e-12


def test_nothing_recovered_has_no_scale():
    with pytest.raises(ValueError, match="no scale brings it nearer"):
        manifold.best_scale(np.ones((3, 2)), np.zeros((3, 2)))


@pytest.mark.parametrize("channels", [0, -1, 1.5, True])
def test_channels_must_be_a_whole_number(channels):
    with pytest.raises(ValueError, match="channels must be a whole number"):
        manifold.fraction_lost(channels)
    with pytest.raises(ValueError, match="channels must be a whole number"):
        manifold.fraction_lost(channels, 1)


@given(st.integers(1, 8), st.integers(0, 10))
def test_what_is_lost_is_theorem_1_of_the_paper(numbers, more):
    """1 − N(m, n) / 2ᵐ with N = Σ C(m, k) over k = 0 … m − n, k the channels that are off."""
    channels = numbers + more
    kept = sum(math.comb(channels, off) for off in range(channels - numbers + 1))
    assert manifold.fraction_lost(channels, numbers) == pytest.approx(1 - kept / 2**channels)


def test_positive_channels_are_those_behind_each_expansion():
    paddle.seed(0)
    model = models.build("mobilenet_v2", width_multiplier=0.25, resolution=32)
    model.eval()
    model.features[2].expand[1].bias.set_value(paddle.full([48], -1.0))  # so that few are positive, and some too few
    images = paddle.randn([2, 3, 32, 32])
    seen = []
    for block in model.features[2:18]:
        block.expand.register_forward_post_hook(lambda _, inputs, output: seen.append(output.numpy() > 0))
    frame = manifold.positive_channels(model, images)
    assert list(frame.index) == [f"bottleneck{number}" for number in range(2, 18)]  # the first does not expand
    for counts, (_, row) in zip((one.sum(axis=1) for one in seen[::2]), frame.iterrows(), strict=True):
        assert (row["fewest"], row["most"]) == (counts.min(), counts.max())
        assert (row["mean"], row["std"]) == pytest.approx((counts.mean(), counts.std()))
        assert row["below"] == pytest.approx((counts < row["needed"]).mean())
    assert 0 < frame["below"]["bottleneck2"] < (seen[0].sum(axis=1) <= 8).mean() < 1
    assert (frame["channels"] == 6 * frame["needed"]).all()
    assert frame.loc["bottleneck2", ["needed", "channels"]].tolist() == [8, 48]


def test_a_network_without_expansions_has_no_figure_7():
    model = models.build("mobilenet_v1", width_multiplier=0.25, resolution=32)
    model.eval()
    with pytest.raises(ValueError, match="has no block with an expansion: give a MobileNet V2"):
        manifold.positive_channels(model, paddle.zeros([1, 3, 32, 32]))


SHORTCUTS = [block for block in architectures.mobilenet_v2().blocks if block.shortcut == "identity"]


@pytest.mark.parametrize("block", SHORTCUTS, ids=lambda block: block.name)
def test_peak_memory_is_that_of_the_cost_table(block):
    maps = [block.in_channels, block.hidden_channels, block.hidden_channels, block.out_channels]
    expected = max(row.live_activations for row in block.rows)
    assert EXERCISES["peak_memory"].reference(maps, block.input_size) == expected


def test_the_two_designs_of_the_lesson_cost_the_same_and_hold_what_the_questions_say():
    (wide, thin, _, _), (end, hidden, _, _) = RESNET_BLOCK, V2_BLOCK
    resnet = 2 * wide * thin + 9 * thin * thin
    v2 = 2 * end * hidden + 9 * hidden
    assert v2 == pytest.approx(resnet, rel=0.002)
    assert question("05.kept").truth() == pytest.approx(wide / end)
    peak, blocks = EXERCISES["peak_memory"].reference, {"ResNet's": RESNET_BLOCK, "V2's": V2_BLOCK}
    peaks = {name: peak(list(block), 56) for name, block in blocks.items()}
    assert question("05.peak").truth() == max(peaks, key=peaks.get)
