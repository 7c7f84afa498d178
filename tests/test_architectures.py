"""The tables of V1 and V2: structure against the papers' tables, totals against known counts."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mobilenet_lib import architectures, cost
from mobilenet_lib.architectures import make_divisible, mobilenet_v1, mobilenet_v2
from mobilenet_lib.baselines import TABLES, article_mobilenet_v2

# V1 paper, Table 1, the "Input Size" column from the first convolution to the classifier, as (channels, size).
V1_INPUTS = [(3, 224), (32, 112), (32, 112), (64, 112), (64, 56), *[(128, 56)] * 3, (128, 28), *[(256, 28)] * 3]
V1_INPUTS += [(256, 14), *[(512, 14)] * 11, (512, 7), *[(1024, 7)] * 3, (1024, 1)]
# V2 paper, Table 2, the "Input" column, a bottleneck stage per entry, then head, pool and classifier.
V2_STAGE_INPUTS = [(32, 112), (16, 112), (24, 56), (32, 28), (64, 14), (96, 14), (160, 7)]


def test_v1_has_the_input_sizes_of_table_1():
    assert [row.input_shape[:2] for row in mobilenet_v1().rows] == V1_INPUTS


def test_v1_has_28_layers_of_which_13_depthwise():
    kinds = [row.kind for row in mobilenet_v1().rows if row.kind != "pool"]
    assert len(kinds) == 28
    assert kinds.count("depthwise") == 13


def test_v2_has_the_stages_of_table_2():
    table = mobilenet_v2()
    bottlenecks = [block for block in table.blocks if block.kind == "bottleneck"]
    repeats = [n for _, _, n, _ in architectures.V2_BOTTLENECKS]
    firsts = [sum(repeats[:stage]) for stage in range(len(repeats))]
    assert len(bottlenecks) == sum(repeats) == 17
    assert [bottlenecks[first].input_shape[:2] for first in firsts] == V2_STAGE_INPUTS
    assert table.blocks[-3].output_shape == (1280, 7, 7)


def test_v2_adds_a_shortcut_only_between_equal_shapes():
    for block in mobilenet_v2().blocks:
        if block.kind == "bottleneck":
            assert (block.shortcut == "identity") == (block.input_shape == block.output_shape)


@pytest.mark.parametrize(
    ("table", "macs", "params", "trainable"),
    [
        (mobilenet_v1(), 568_740_352, 4_209_088, 4_231_976),
        (mobilenet_v1(num_classes=10), 567_726_592, 3_195_328, 3_217_226),
        (mobilenet_v2(), 300_774_272, 3_469_760, 3_504_872),
        (mobilenet_v2(num_classes=10), 299_507_072, 2_202_560, 2_236_682),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_known_totals(table, macs, params, trainable):
    assert (table.macs, table.params, table.trainable_params) == (macs, params, trainable)
    assert table.flops == 2 * macs


def test_the_misprinted_stride_would_cost_533_8_million_macs():
    last = mobilenet_v1().blocks[-3]
    with_stride_2 = cost.depthwise_separable(1024, 1024, 3, 7, stride=2)
    assert round((mobilenet_v1().macs - sum(row.macs for row in last.rows) + with_stride_2.macs) / 1e6, 1) == 533.8


def test_the_t_1_block_with_an_expansion_would_cost_313_6_million_macs():
    extra = cost.conv2d(32, 32, 1, 112)
    assert round((mobilenet_v2().macs + extra.macs) / 1e6, 1) == 313.6


def test_small_images_keep_their_maps():
    """With the papers' stem a 32×32 image ends in a 1×1 map; stem_stride=1 leaves 2×2 before the pool."""
    for network in (mobilenet_v1, mobilenet_v2):
        assert network(resolution=32).blocks[-2].input_shape[1:] == (1, 1)
        assert network(resolution=32, stem_stride=1).blocks[-2].input_shape[1:] == (2, 2)


def test_peak_activations_by_hand():
    """V1: the first pointwise layer reads 32 maps of 112×112 and writes 64. V2: the first depthwise layer
    of stride 2 reads 96 maps of 112×112 and writes 96 of 56×56."""
    assert mobilenet_v1().peak_activations == (32 + 64) * 112 * 112
    assert mobilenet_v2().peak_activations == 96 * 112 * 112 + 96 * 56 * 56
    # While a block with a shortcut filters, its input is kept beside the depthwise layer's input and output.
    row = next(row for row in mobilenet_v2().rows if row.name == "bottleneck3.depthwise")
    assert row.live_activations == (24 + 144 + 144) * 56 * 56


def test_receptive_fields_of_the_papers_networks():
    """315 and 491 pixels, as A. Araujo and others list them ("Computing Receptive Fields", Distill 2019)."""
    for network, expected in ((mobilenet_v1(), 315), (mobilenet_v2(), 491)):
        convolutions = [
            side
            for row, side in zip(network.rows, network.receptive_fields, strict=True)
            if row.kind not in ("pool", "linear")
        ]
        assert convolutions[0] == 3
        assert convolutions[-1] == expected


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from([mobilenet_v1(0.25, 288), mobilenet_v2(0.35, 288), *(TABLES[n](288) for n in ("vgg16", "vgg19"))]),
    st.integers(0, 200),
)
def test_receptive_fields_are_what_one_output_number_reaches_back_to(table, place):
    """From one number back to the image, layer by layer: window (first to last) · stride. Borders do not count."""
    place %= len(table.rows)
    first = last = 0
    for row in reversed(table.rows[: place + 1]):  # none of these networks has a layer beside others
        first, last = first * row.stride, last * row.stride + row.kernel_size - 1
    assert table.receptive_fields[place] == last - first + 1


def test_frame_has_a_row_per_layer_and_the_same_totals():
    table = mobilenet_v2(0.5, 96, 10)
    frame = table.to_frame()
    assert list(frame.columns[:7]) == ["name", "kind", "input", "output", "stride", "macs", "params"]
    assert len(frame) == len(table.rows)
    assert frame["macs"].sum() == table.macs
    assert frame["params"].sum() == table.params
    assert frame["name"].is_unique


def test_by_kind_adds_up():
    shares = mobilenet_v1().by_kind()
    assert shares["macs"].sum() == mobilenet_v1().macs
    assert shares["macs_percent"].sum() == pytest.approx(100)
    assert shares["params_percent"].sum() == pytest.approx(100)


networks = st.sampled_from([mobilenet_v1, mobilenet_v2])


@settings(max_examples=40, deadline=None)
@given(networks, st.sampled_from([0.25, 0.35, 0.5, 0.75, 1.0, 1.4]), st.integers(1, 256), st.sampled_from([1, 2]))
def test_every_layer_begins_where_the_one_before_ends(network, width, resolution, stem_stride):
    table = network(width, resolution, 10, stem_stride)
    rows = table.rows
    assert rows[0].input_shape == (3, resolution, resolution)
    for before, after in itertools.pairwise(rows):
        assert after.input_shape == before.output_shape
    assert rows[-1].output_shape == (10, 1, 1)


@given(st.floats(1, 5000, allow_nan=False), st.sampled_from([4, 8, 16]))
def test_make_divisible(channels, divisor):
    rounded = make_divisible(channels, divisor)
    assert rounded % divisor == 0
    assert rounded >= max(divisor, 0.9 * channels)
    assert rounded - channels <= divisor


@pytest.mark.parametrize(("channels", "rounded"), [(16 * 0.75, 16), (24 * 0.75, 24), (32 * 0.35, 16), (24 * 1.4, 32)])
def test_make_divisible_examples(channels, rounded):
    """12 → 16 (8 would lose a third), 18 → 24 (16 would lose 11 %), 11.2 → 16, 33.6 → 32."""
    assert make_divisible(channels) == rounded


@pytest.mark.parametrize("network", [mobilenet_v1, mobilenet_v2])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"width_multiplier": 0}, "width_multiplier must be a number above 0"),
        ({"width_multiplier": math.nan}, "width_multiplier must be a number above 0"),
        ({"width_multiplier": "1"}, "width_multiplier must be a number above 0"),
        ({"width_multiplier": Decimal("0.5")}, "width_multiplier must be a number above 0"),
        ({"resolution": 0}, "resolution .* not 0"),
        ({"resolution": 22.5}, "resolution .* not 22.5"),
        ({"num_classes": 0}, "num_classes .* not 0"),
        ({"stem_stride": 3}, "stem_stride must be 1 or 2, not 3"),
    ],
)
def test_impossible_networks_are_refused(network, wrong, says):
    with pytest.raises(ValueError, match=says):
        network(**wrong)


@pytest.mark.parametrize("network", [mobilenet_v1, mobilenet_v2])
@pytest.mark.parametrize("half", [Fraction(1, 2), np.float32(0.5)])
def test_any_kind_of_real_number_is_a_width(network, half):
    assert network(half) == network(0.5)


def test_a_width_that_leaves_no_channels_says_what_would():
    with pytest.raises(ValueError, match=r"leaves none of 32 channels: use at least 0\.031"):
        mobilenet_v1(0.01)


def test_pools_are_numbered_only_where_there_are_several_and_count_what_they_write():
    pools = [row for row in article_mobilenet_v2(num_classes=10).rows if row.kind == "pool"]
    assert [row.name for row in pools] == ["pool1", "pool2"]
    assert [row.cost.activations for row in pools] == [1280 * 3 * 3, 1280]
    (pool,) = (row for row in mobilenet_v1().rows if row.kind == "pool")
    assert (pool.name, pool.cost.activations) == ("pool", 1024)


def test_classes_are_those_of_the_last_layer_and_one_channel_is_enough():
    assert mobilenet_v1(num_classes=7).num_classes == 7
    assert mobilenet_v1(1 / 32).blocks[0].out_channels == 1
    assert mobilenet_v1(0.3, num_classes=10).rows[-1].params == 307 * 10  # without the bias


def test_without_an_expansion_the_shortcut_is_the_depthwise_layers_own_input():
    rows = mobilenet_v2(bottlenecks=((1, 32, 1, 1),)).rows
    kept = {row.name: row.kept for row in rows if row.name.startswith("bottleneck")}
    assert kept == {"bottleneck1.depthwise": 0, "bottleneck1.project": 32 * 112 * 112}


@pytest.mark.parametrize("number_type", [float, np.float32, np.float64, Fraction])
def test_rounding_goes_by_the_number_as_it_is_written(number_type):
    """100 · 0.29 is 29, though in floating point it is a little less."""
    width = Fraction(29, 100) if number_type is Fraction else number_type(0.29)
    assert mobilenet_v1(width, 32, 10, pairs=[(1, 100)]).blocks[1].out_channels == 29
    # 0.9 · 10 · 8 = 72 is not below 90 %; 4 beyond a multiple of 8 rounds up.
    assert [make_divisible(channels) for channels in (80, 12, Fraction(12), 11.99)] == [80, 16, 16, 16]
