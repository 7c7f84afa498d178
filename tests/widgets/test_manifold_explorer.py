"""The manifold explorer without a browser: its random matrices, its table, refusals, the static twin."""

from __future__ import annotations

import re
import statistics

import numpy as np
import pytest

from mobilenet_lib import widgets
from mobilenet_lib.experiments import manifold
from mobilenet_lib.widgets._manifold import random_rows

SEEDS = range(1, 31)


def test_more_channels_add_rows_to_the_same_matrix_and_seeds_differ():
    for seed in SEEDS:
        assert np.array_equal(random_rows(5, seed), random_rows(30, seed)[:5])
    assert len({random_rows(2, seed).tobytes() for seed in SEEDS}) == len(SEEDS)


def test_the_rows_are_normal_numbers_and_point_everywhere():
    """All 900 rows that it can draw: mean 0, deviation 1, uncorrelated, each quarter of the plane equally often."""
    rows = np.concatenate([random_rows(30, seed) for seed in SEEDS])
    assert abs(rows.mean(axis=0)).max() < 0.15
    assert rows.std(axis=0) == pytest.approx([1, 1], abs=0.1)
    assert abs(np.corrcoef(rows.T)[0, 1]) < 0.15
    quarters = np.unique((rows > 0) @ [1, 2], return_counts=True)[1] / len(rows)
    assert quarters == pytest.approx([0.25] * 4, abs=0.06)


def test_over_all_seeds_about_as_many_points_are_lost_as_the_formula_says():
    for channels in (2, 3, 5):
        frames = [widgets.manifold_explorer(channels, seed).frame() for seed in SEEDS]
        lost = statistics.mean(frame.loc[channels, "points lost"] for frame in frames) / 300
        assert lost == pytest.approx(manifold.fraction_lost(channels), abs=0.1)


def test_the_table_is_that_of_the_experiment():
    explorer = widgets.manifold_explorer(channels=7, seed=4)
    frame = explorer.frame()
    assert list(frame.index) == [2, 3, 5, 7, 15, 30]
    spiral = manifold.spiral()
    activated, recovered = manifold.round_trip(spiral, explorer.matrix)
    scaled = manifold.best_scale(spiral, recovered) * recovered
    lost = ((activated > 0).sum(axis=1) < 2).sum()
    assert list(frame.loc[7]) == [
        lost,
        f"{lost / 3:.1f}",
        "6.2",  # 8 of 128
        f"{manifold.relative_error(spiral, recovered):.2f}",
        f"{manifold.relative_error(spiral, scaled):.2f}",
    ]


def test_the_figure_follows_the_scale():
    """Many channels: as read back the spiral has half of its size, at the best scale all of it."""
    reach = {}
    for scaled in (False, True):
        figure, alt = widgets.manifold_explorer(30, 2, scaled).figure()
        plane = figure.axes[0]
        back = np.abs(plane.lines[1].get_xydata()).max()
        reach[scaled] = back / np.abs(plane.lines[0].get_xydata()).max()
        assert ("at the best scale" in alt) is scaled
    assert reach[False] < 0.75
    assert reach[True] == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"channels": 1}, "channels must be a whole number of at least 2"),
        ({"channels": 31}, "channels can be at most 30"),
        ({"channels": 2.5}, "channels must be a whole number"),
        ({"seed": 0}, "seed must be a whole number of at least 1"),
        ({"seed": 31}, "seed can be at most 30"),
        ({"scaled": 1}, "scaled must be True or False, not 1"),
        ({"scaled": "yes"}, "scaled must be True or False"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_with_a_reason(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        widgets.manifold_explorer(**wrong)


def test_the_words_of_the_figure_say_what_is_lost():
    explorer = widgets.manifold_explorer(3, 1)
    alt = explorer.figure()[1]
    lost = explorer.frame().loc[3, "points lost"]
    assert f"{lost} of 300 points are lost" in alt
    assert 0 < lost < 300
