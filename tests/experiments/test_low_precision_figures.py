"""The figures of low precision say in words what they drew, from the same numbers."""

from __future__ import annotations

import numpy as np

from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.experiments.low_precision import figures, rounding_sweep


def _titles(fig):
    return [axes.get_title() for axes in fig.axes]


def test_rounded_images_name_bits_levels_and_error():
    values = np.linspace(0, 6, 64).reshape(8, 8)
    fig, alt = figures.rounded(values, (4, 1), 6.0, "A ramp.")
    assert _titles(fig) == ["as it is\n", "4 bits\n16 levels used", "1 bit\n2 levels used"]
    assert alt.startswith("A ramp. 3 images: as it is, 4 bits 16 levels used")
    assert "1 bit 28." in alt, "a ramp on two levels is off by a quarter of the range at most, 1/√12 on average"


def test_the_sweep_and_the_differences_tell_the_recorded_numbers():
    _, alt = figures.sweep()
    four = np.mean(rounding_sweep.percent("relu", "0 to 24", 4))
    assert (
        f"ReLU, 0 to 24: {np.mean(rounding_sweep.percent('relu', '0 to 24', 8)):.0f} % at 8 bits, {four:.0f} %" in alt
    )
    frame = rounding_sweep.differences(("relu6", "largest measured"), ("relu", "largest measured"))
    _, alt = figures.differences({"the range": frame}, "ReLU6 minus ReLU")
    gains = frame["by seed"][8]
    assert f"8 bits, the range: from {min(gains):.1f} to {max(gains):.1f}" in alt


def test_kernels_of_dead_channels_are_told_apart():
    kernels = np.ones((4, 1, 3, 3)) * np.array([1, 2, 300, 4])[:, None, None, None]
    fig, alt = figures.kernel_sizes({"folded": kernels}, [2])
    assert "folded: living 1, 2, 4; dead 300" in alt
    hatched = [bar for bar in fig.axes[0].patches if bar.get_hatch()]
    assert [round(bar.get_x() + bar.get_width() / 2) for bar in hatched] == [2]
    _, alt = figures.levels({"folded": kernels}, 8, np.array([True, True, False, True]))
    assert "27 weights on 3 levels, 33% on 0" in alt


def test_an_image_through_layers_shows_the_channel_that_varies_most():
    nn = paddle.nn
    convolution = nn.Conv2D(1, 2, 1, bias_attr=False)
    convolution.weight.set_value(np.array([-1.0, 3.0], "float32").reshape(2, 1, 1, 1))
    shown = figures.through([convolution, nn.ReLU()], paddle.to_tensor(np.array([[[[-1.0, 2.0]]]], "float32")))
    assert {title: image.tolist() for title, image in shown.items()} == {
        "1 Conv2D\n−3.0 to 6.0": [[-3, 6]],
        "2 ReLU\n0.0 to 6.0": [[0, 6]],
    }
