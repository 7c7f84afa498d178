"""MACs per byte against a count of the numbers one by one, and the roof."""

from __future__ import annotations

import itertools

import pytest

from mobilenet_lib import architectures, cost
from mobilenet_lib.architectures import Row
from mobilenet_lib.experiments.speed import roofline
from mobilenet_lib.experiments.speed.roofline import Limits


def touched(channels_in, channels_out, kernel, size, stride, groups):
    """Inputs, weights and outputs that the loops of a convolution touch (no padding), and how often they multiply."""
    pad, out_size = kernel // 2, -(-size // stride)
    inputs, weights, outputs, macs = set(), set(), set(), 0
    share_in, share_out = channels_in // groups, channels_out // groups
    for out, row, column in itertools.product(range(channels_out), range(out_size), range(out_size)):
        outputs.add((out, row, column))
        for inner, i, j in itertools.product(range(share_in), range(kernel), range(kernel)):
            channel = out // share_out * share_in + inner
            y, x = row * stride + i - pad, column * stride + j - pad
            macs += 1
            weights.add((out, inner, i, j))
            if 0 <= y < size and 0 <= x < size:
                inputs.add((channel, y, x))
    return len(inputs) + len(weights) + len(outputs), macs


@pytest.mark.parametrize(
    ("channels_in", "channels_out", "kernel", "stride", "groups"),
    [(3, 5, 3, 1, 1), (4, 4, 3, 2, 4), (4, 4, 3, 1, 4), (6, 2, 1, 1, 1)],
)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_intensity_is_that_of_the_loops(channels_in, channels_out, kernel, stride, groups, batch_size):
    price = cost.conv2d(channels_in, channels_out, kernel, 6, stride, groups=groups)
    row = Row("layer", "conv", (channels_in, 6, 6), stride, price, kernel_size=kernel)
    numbers, macs = touched(channels_in, channels_out, kernel, 6, stride, groups)
    numbers += (batch_size - 1) * (numbers - price.params)  # further images share the weights
    assert roofline.bytes_moved(row, batch_size) == 4 * numbers
    assert roofline.intensity(row, batch_size) == pytest.approx(batch_size * macs / 4 / numbers)


def test_frames_add_up_to_the_table():
    table = architectures.mobilenet_v2()
    frame, kinds = roofline.to_frame(table, 2), roofline.by_kind(table)
    assert frame["macs"].sum() == 2 * table.macs
    assert len(frame) == len(table.rows)
    assert kinds["macs_percent"].sum() == pytest.approx(100)
    assert kinds["bytes_percent"].sum() == pytest.approx(100)


def test_a_larger_batch_raises_the_intensity_of_layers_with_weights():
    one = roofline.to_frame(architectures.mobilenet_v1())
    many = roofline.to_frame(architectures.mobilenet_v1(), 8)
    with_macs = one["macs"] > 0
    assert (many["intensity"] > one["intensity"])[with_macs].all()


def test_the_roof_has_two_parts():
    limits = Limits(gmacs_per_second=40, gigabytes_per_second=20, threads=2)
    assert limits.ridge == 2
    assert [limits.attainable(x) for x in (0.5, 1, 2, 3)] == [10, 20, 40, 40]


def test_measured_limits_are_positive_and_name_their_threads():
    limits = roofline.measure_limits(0.01)
    assert limits.gmacs_per_second > 0
    assert limits.gigabytes_per_second > 0
    assert limits.threads >= 1


def test_bad_numbers_are_refused():
    row = architectures.mobilenet_v1().rows[0]
    with pytest.raises(ValueError, match="batch_size must be a whole number"):
        roofline.intensity(row, 0)
    with pytest.raises(ValueError, match="seconds must be above 0"):
        roofline.measure_limits(0)
