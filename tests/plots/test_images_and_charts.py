"""What images and plain charts draw, and that their words come from the same numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mobilenet_lib import plots

KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
RAMP = np.linspace(0, 1, 100).reshape(10, 10)


def limits(fig):
    return [axes.images[0].get_clim() for axes in fig.axes if axes.images]


def test_grey_images_are_drawn_from_black_to_white_and_signed_ones_around_grey():
    photo = np.full((3, 4, 6), 200, np.uint8)
    fig, alt = plots.image_grid({"photo": photo, "grey": photo[:1], "ramp": RAMP, "edges": RAMP * 3 - 1})
    assert limits(fig)[1:] == [(0, 255), (0, 1), (-2, 2)]
    assert fig.axes[0].images[0].get_array().shape == (4, 6, 3)
    assert [axes.get_title() for axes in fig.axes] == ["photo", "grey", "ramp", "edges"]
    assert "photo: 4×6 in colour, from 200 to 200, 200 on average" in alt
    assert "ramp: 10×10, from 0 to 1, 0.5 on average" in alt
    strong = 100 * (np.abs(RAMP * 3 - 1) > 0.5).mean()
    assert f"edges: 10×10, from −1 to 2, strong at {strong:.0f} % of its positions" in alt


def test_on_one_scale_a_weak_image_looks_weak():
    fig, _ = plots.image_grid({"weak": RAMP, "strong": 4 * RAMP - 1, "nothing": 0 * RAMP}, one_scale=True)
    assert limits(fig) == [(-3, 3)] * 3


def test_a_kernel_shows_its_numbers_and_no_minus_zero():
    fig, alt = plots.image_grid({"kernel": KERNEL, "nearly": KERNEL - 1e-9}, numbers=True)
    for axes in fig.axes:
        assert [text.get_text() for text in axes.texts] == ["1", "0", "−1", "2", "0", "−2", "1", "0", "−1"]
    assert "kernel: 1 0 −1 / 2 0 −2 / 1 0 −1" in alt


def test_images_go_on_in_the_next_row():
    fig, alt = plots.image_grid({str(place): RAMP for place in range(5)}, columns=3)
    assert len(fig.axes) == 6
    assert sum(bool(axes.images) for axes in fig.axes) == 5
    assert alt.startswith("5 images.")


@pytest.mark.parametrize(
    ("shown", "said"),
    [({}, "no image to show"), ({"batch": np.zeros((2, 4, 4))}, r"'batch' has the shape \[2, 4, 4\]")],
)
def test_what_is_no_image_is_refused(shown, said):
    with pytest.raises(ValueError, match=said):
        plots.image_grid(shown)


def test_bars_have_a_panel_for_each_column_in_the_order_of_the_rows():
    frame = pd.DataFrame({"MACs": [15_470_264_320, 568_740_352], "layers": [16, 28]}, index=["VGG16", "V1"])
    fig, alt = plots.bar_chart(frame)
    macs, layers = fig.axes
    assert [text.get_text() for text in macs.texts] == ["15,470.3 M", "568.7 M"]
    assert [text.get_text() for text in layers.texts] == ["16", "28"]
    assert [axes.get_xlabel() for axes in fig.axes] == ["MACs", "layers"]
    assert macs.yaxis_inverted()
    assert "MACs: VGG16 15,470,264,320, V1 568,740,352; layers: VGG16 16, V1 28" in alt


def test_lines_say_where_they_begin_end_and_turn():
    """And short ones every value."""
    weights, maps = [1, 500, 2, 3, 30, 4, 5, 6, 2_000], [9, 6, 8, 7, 4, 3, 3, 2, 1]
    frame = pd.DataFrame({"weights": weights, "maps": maps}, index=list("abcdefghi"))
    fig, alt = plots.line_chart(frame, "layer", "numbers", title="A network", log="y", level=10)
    (axes,) = fig.axes
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert axes.get_ylabel() == "numbers (log scale)"
    assert [list(line.get_ydata()) for line in axes.lines[:2]] == [weights, maps]
    assert alt.startswith("A network. 2 lines of numbers against layer, logarithmic in y.")
    assert "weights: 1 at a, 30 at e, 2,000 at i; maps: 9 at a, 4 at e, 1 at i. A line marks 10." in alt
    turning = pd.DataFrame({"x": [1, 9, *[2] * 6, 3]}, index=list("abcdefghi"))
    assert "highest 9 at b" in plots.line_chart(turning, "", "y")[1]
    assert "x: 1 at a, 9 at b, 2 at c." in plots.line_chart(turning[:3], "", "y")[1]
