"""The closed forms of `cost` against brute force, worked examples, and bad input."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lib import cost


@st.composite
def small_layers(draw):
    """Arguments of a convolution small enough to count by loops."""
    groups = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    padding = draw(st.one_of(st.just("same"), st.integers(0, 2), st.tuples(st.integers(0, 2), st.integers(0, 2))))
    if padding != "same":
        pads = padding if isinstance(padding, tuple) else (padding, padding)
        size = tuple(max(s, k - 2 * p) for s, k, p in zip(size, kernel, pads, strict=True))
    return {
        "in_channels": groups * draw(st.integers(1, 3)),
        "out_channels": groups * draw(st.integers(1, 3)),
        "kernel_size": kernel,
        "input_size": size,
        "stride": draw(st.tuples(st.integers(1, 3), st.integers(1, 3))),
        "padding": padding,
        "groups": groups,
        "bias": draw(st.booleans()),
    }


@given(small_layers())
def test_closed_form_equals_the_counted_loops(layer):
    assert cost.conv2d(**layer) == cost.brute_force(**layer)


@given(size=st.integers(1, 60), kernel=st.integers(1, 9), stride=st.integers(1, 5))
def test_same_padding_gives_input_over_stride_rounded_up(size, kernel, stride):
    assert cost.conv2d(1, 1, kernel, size, stride).output_shape == (1, -(-size // stride), -(-size // stride))


@given(small_layers(), st.integers(1, 4))
def test_separable_is_the_sum_of_its_two_layers(layer, out_channels):
    layer = {**layer, "out_channels": out_channels}
    del layer["groups"]
    whole = cost.depthwise_separable(**layer)
    channels = layer["in_channels"]
    first = cost.brute_force(**{**layer, "out_channels": channels, "groups": channels})
    second = cost.brute_force(channels, out_channels, 1, first.output_shape[1:], bias=layer["bias"])
    assert (whole.depthwise, whole.pointwise) == (first, second)
    assert whole.macs == first.macs + second.macs
    assert whole.params == first.params + second.params
    assert whole.activations == first.activations + second.activations
    assert whole.flops == 2 * whole.macs
    assert whole.output_shape == second.output_shape


@given(
    channels=st.integers(1, 512), out_channels=st.integers(1, 512), kernel=st.integers(1, 7), size=st.integers(1, 64)
)
def test_ratio_follows_the_law_of_the_paper(channels, out_channels, kernel, size):
    """V1 paper, section 3.1: separable / standard = 1/N + 1/k²; stated without fractions, so exact."""
    standard = cost.conv2d(channels, out_channels, kernel, size).macs
    separable = cost.depthwise_separable(channels, out_channels, kernel, size).macs
    assert separable * out_channels * kernel**2 == standard * (kernel**2 + out_channels)


def test_worked_examples():
    """The article's 12×12×3 → 8×8×256 example and its 64→128 layer; first as loops, by hand."""
    standard = cost.conv2d(3, 256, 5, 12, padding="valid")
    assert standard.output_shape == (256, 8, 8)
    assert standard.macs == 8 * 8 * 256 * 5 * 5 * 3 == 1_228_800
    assert standard.params == 19_200
    separable = cost.depthwise_separable(3, 256, 5, 12, padding="valid")
    assert (separable.depthwise.macs, separable.pointwise.macs) == (4_800, 49_152)
    assert cost.depthwise_separable(64, 128, 3, 112).macs == 109_985_792
    assert cost.conv2d(64, 128, 3, 112).macs == 924_844_032


def test_padding_comes_on_both_sides_of_its_own_direction():
    """By hand, because formula and loops share the padded size: (5 + 2·1 − 3) + 1 high, (5 + 2·2 − 3) + 1 wide."""
    assert cost.conv2d(1, 1, 3, 5, padding=(1, 2)).output_shape == (1, 5, 7)


def test_flops_are_two_per_mac_and_bias_is_a_parameter_but_no_mac():
    without, with_bias = cost.conv2d(3, 8, 3, 6), cost.conv2d(3, 8, 3, 6, bias=True)
    assert without.flops == 2 * without.macs
    assert with_bias.macs == without.macs
    assert with_bias.params == without.params + 8


def test_linear_equals_a_1x1_convolution_on_one_pixel():
    assert cost.linear(1024, 10) == cost.conv2d(1024, 10, 1, 1, bias=True)
    assert cost.linear(7, 3, bias=False).params == 21


def test_costs_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        cost.conv2d(1, 1, 1, 1).macs = 0


@pytest.mark.parametrize("count", [cost.conv2d, cost.brute_force])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"in_channels": 0}, "in_channels must be a whole number of at least 1, not 0"),
        ({"out_channels": -4}, "out_channels .* not -4"),
        ({"out_channels": 2.5}, "out_channels .* not 2.5"),
        ({"out_channels": True}, "out_channels .* not True"),
        ({"groups": 3}, "groups=3 must divide both in_channels=4 and out_channels=4"),
        ({"groups": 2, "in_channels": 3}, "groups=2 must divide both in_channels=3"),
        ({"groups": 2, "out_channels": 3}, "groups=2 must divide .* out_channels=3"),
        ({"kernel_size": 9, "padding": "valid"}, r"kernel_size=\(9, 9\) must fit into the padded input \(8, 8\)"),
        ({"kernel_size": (3, 0)}, "kernel_size .* at least 1, not 0"),
        ({"kernel_size": (3, 3, 3)}, "kernel_size must be one number or a pair"),
        ({"kernel_size": "3"}, "kernel_size .* not '3'"),
        ({"stride": 0}, "stride .* not 0"),
        ({"padding": -1}, "padding .* at least 0, not -1"),
        ({"padding": "full"}, 'padding must be a number, a pair, "same" or "valid"'),
        ({"input_size": None}, "input_size .* not None"),
    ],
)
def test_wrong_arguments_name_value_and_rule(count, wrong, says):
    arguments = {"in_channels": 4, "out_channels": 4, "kernel_size": 3, "input_size": 8, **wrong}
    with pytest.raises(ValueError, match=says):
        count(**arguments)


def test_linear_refuses_nothing_to_connect():
    with pytest.raises(ValueError, match=r"in_features .* not 0"):
        cost.linear(0, 10)
