"""Feature maps, kernels and positive channels: what is drawn is what was given, and the words count it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mobilenet_lib import plots


def _images(fig):
    return [np.asarray(axes.images[0].get_array()) for axes in fig.axes if axes.images]


def test_the_strongest_channels_come_first_and_a_row_has_one_scale():
    maps = np.stack([np.full((2, 2), value) for value in (1.0, -3.0, 0.0)])
    fig, alt = plots.feature_maps({"end": maps}, most=2)
    drawn = _images(fig)
    assert [float(one[0, 0]) for one in drawn] == [-3, 1]
    assert {axes.images[0].get_clim() for axes in fig.axes if axes.images} == {(-3, 3)}
    assert "end, 3 × 2 × 2: 33% of the numbers above zero, 33% below, 1 channels zero everywhere" in alt


def test_the_image_stands_before_its_feature_maps():
    image = np.random.default_rng(0).integers(0, 256, (3, 4, 4)).astype("uint8")
    fig, _ = plots.feature_maps({"stem": np.ones((1, 4, 4))}, image=image)
    np.testing.assert_array_equal(_images(fig)[0], image.transpose(1, 2, 0))


def test_a_batch_of_feature_maps_is_refused():
    with pytest.raises(ValueError, match=r"stem must be \[channels, height, width\] of one image, not of shape"):
        plots.feature_maps({"stem": np.zeros((1, 2, 3, 3))})


def test_each_kernel_has_its_own_scale_and_signs_are_counted():
    weights = np.array([[[[0.5, 1]], [[-2, 1]], [[0, 0]]]]).reshape(3, 1, 1, 2)
    fig, alt = plots.kernels({"pair 1": weights}, most=3)
    np.testing.assert_allclose(_images(fig), [[[0.5, 1]], [[-1, 0.5]], [[0, 0]]])
    assert "pair 1: 1 of 3 kernels have weights of both signs" in alt


def test_positive_channels_are_drawn_in_percent_with_what_is_needed():
    columns = {"channels": [48, 96], "needed": [8, 16], "fewest": [4, 24], "mean": [24, 48], "most": [36, 72]}
    frame = pd.DataFrame({**columns, "std": [4.8, 9.6]}, index=["bottleneck2", "bottleneck7"])
    fig, alt = plots.positive_channels({"after": frame})
    mean, needed = fig.axes[0].lines
    assert list(mean.get_ydata()) == [50, 50]
    assert needed.get_ydata() == pytest.approx([100 / 6, 100 / 6])
    assert [text.get_text() for text in fig.axes[0].get_xticklabels()] == ["2", "7"]
    assert "after: mean between 50 and 50 %, standard deviation 10% on average" in alt
    assert "fewer than needed in 1 of 2 layers" in alt
