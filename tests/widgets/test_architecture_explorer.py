"""The architecture explorer without a browser: its table, its points, refusals, and the static twin."""

from __future__ import annotations

import json
import re

import pytest
from explorers import NARROW_V2

from mobilenet_lib import architectures, papers, widgets
from mobilenet_lib.widgets._architecture import paper_points

# V1's strides as its table prints them.
MISPRINT = [*(stride for stride, _ in architectures.V1_SEPARABLE[:-1]), 2]


@pytest.mark.parametrize(
    ("settings", "table"),
    [
        ({}, architectures.mobilenet_v1()),
        ({"width_multiplier": 0.5, "resolution": 160, "num_classes": 10}, architectures.mobilenet_v1(0.5, 160, 10)),
        ({"strides": MISPRINT}, architectures.mobilenet_v1(pairs=[*architectures.V1_SEPARABLE[:-1], (2, 1024)])),
        ({"resolution": 32, "stem_stride": 1}, architectures.mobilenet_v1(resolution=32, stem_stride=1)),
        ({"family": "v2"}, architectures.mobilenet_v2()),
        ({"family": "v2", "width_multiplier": 1.4}, architectures.mobilenet_v2(1.4)),
        (
            {"family": "v2", "expansion": 3, "strides": [1, 1, 1, 1, 1, 1, 2]},
            architectures.mobilenet_v2(bottlenecks=NARROW_V2),
        ),
    ],
    ids=str,
)
def test_its_table_is_that_of_architectures(settings, table):
    explorer = widgets.architecture_explorer(**settings)
    assert explorer.table.blocks == table.blocks
    frame = explorer.frame()
    assert frame.loc["total", "MACs"] == table.macs == sum(frame["MACs"][:-1])
    assert frame.loc["total", "weights"] == table.params == sum(frame["weights"][:-1])
    assert frame.loc["total", "activation memory"] == table.peak_activations
    assert max(frame["activation memory"][:-1]) == table.peak_activations
    assert list(frame.index[:-1]) == [block.name for block in table.blocks]
    assert frame["receptive field"].iloc[-2] == table.receptive_fields[-1]


def test_the_papers_strides_are_the_same_as_none():
    named = widgets.architecture_explorer(strides=[stride for stride, _ in architectures.V1_SEPARABLE])
    assert named.settings == widgets.architecture_explorer().settings


def test_the_attributes_change_the_table():
    explorer = widgets.architecture_explorer()
    explorer.set_state({"family": "v2", "width_multiplier": 1, "expansion": 4})
    assert explorer.table.blocks[3].hidden_channels == 4 * 24
    explorer.width_multiplier = 0.35
    assert explorer.table.macs < architectures.mobilenet_v2(0.35).macs


def test_the_points_are_the_papers():
    """Each mark is a printed pair of MACs and accuracy, and its network is the one that the figure is computed with."""
    points = paper_points()
    assert len(points) == 4 + 3 + 2 + 2
    for point in points:
        figures = papers.figures(point["family"], point["table"])
        printed = {figure.unit: figure.value for figure in figures if figure.row == point["row"]}
        assert (point["macs"], point["accuracy"]) == (printed["M MACs"], printed["% ImageNet accuracy"])
        if point["network"] is not None:
            explorer = widgets.architecture_explorer(point["family"], **point["network"])
            assert explorer.table.macs / 1e6 == pytest.approx(point["macs"], rel=0.01)
            assert f"prints {point['macs']:g} M MACs" in explorer.figure()[1]
    names = [json.dumps([point["family"], point["network"]]) for point in points]
    assert len(set(names)) == len(names)


def test_a_network_that_the_paper_does_not_have_has_no_figures():
    strides = {"strides": MISPRINT}
    for changed in ({"stem_stride": 1}, {"num_classes": 10}, strides, {"width_multiplier": 0.7}):
        assert "The paper prints no figures" in widgets.architecture_explorer(**changed).figure()[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"family": "v3"}, 'family must be "v1" or "v2", not \'v3\''),
        ({"width_multiplier": 0}, "width_multiplier must be a number above 0"),
        ({"width_multiplier": "1"}, "width_multiplier must be a number above 0"),
        ({"width_multiplier": float("nan")}, "width_multiplier must be a number above 0"),
        ({"width_multiplier": 0.01}, "width_multiplier=0.01 leaves none of 32 channels: use at least 0.031"),
        ({"width_multiplier": 5}, "width_multiplier can be at most 4"),
        ({"resolution": 0}, "resolution must be a whole number of at least 1"),
        ({"resolution": 224.5}, "resolution must be a whole number"),
        ({"resolution": 4096}, "resolution can be at most 512"),
        ({"expansion": 0}, "expansion must be a whole number of at least 1"),
        ({"stem_stride": 3}, "stem_stride can be at most 2"),
        ({"num_classes": 0}, "num_classes must be a whole number of at least 1"),
        ({"strides": [2, 1]}, "strides must be 13 numbers for v1, one for each pair"),
        ({"family": "v2", "strides": [1] * 13}, "strides must be 7 numbers for v2"),
        ({"strides": [3] * 13}, "strides must be 1 or 2 for each pair"),
        ({"strides": [1.5] * 13}, "each stride must be a whole number"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_with_a_reason(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        widgets.architecture_explorer(**wrong)


def test_another_family_comes_with_its_own_strides():
    explorer = widgets.architecture_explorer(strides=MISPRINT)
    explorer.set_state({"family": "v2", "strides": []})  # what the browser sends: both at once
    assert explorer.table.name.startswith("MobileNet V2")


@pytest.mark.parametrize(
    "settings", [{}, {"family": "v2", "width_multiplier": 0.35}, {"strides": [1] * 13, "stem_stride": 1}], ids=str
)
def test_the_words_of_the_figure_say_the_totals_and_where_the_peak_is(settings):
    explorer = widgets.architecture_explorer(**settings)
    table = explorer.table
    figure, alt = explorer.figure()
    assert len(figure.axes) == 6
    assert f"{table.macs:,} in all" in alt
    peak = max(table.rows, key=lambda row: row.live_activations)
    assert f"at most {table.peak_activations:,} numbers, in {peak.name}" in alt
    fields = [bar.get_height() for bars in figure.axes[4].containers for bar in bars if bar.get_height()]
    assert max(fields) == explorer.frame()["receptive field"].iloc[-2], "figure and table disagree"
    assert f"{max(fields):.0f} behind the pool" in alt
    low, high = figure.axes[-1].get_xlim()
    assert low < table.macs / 1e6 < high
