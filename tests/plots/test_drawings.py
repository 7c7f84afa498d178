"""A drawn block says what its table says, in the drawing and in words."""

from __future__ import annotations

import pytest

from mobilenet_lib import architectures, plots

V1 = architectures.mobilenet_v1()


def _texts(fig, column=0):
    return [text.get_text() for text in fig.axes[column].texts if text.get_text()]


def test_the_drawing_holds_every_layer_with_its_shape_and_cost():
    block = V1.blocks[2]  # stride 2, 64 → 128 channels
    fig, alt = plots.blocks([("second", block)])
    depthwise, pointwise = block.rows
    texts = "\n".join(_texts(fig))
    for row in (depthwise, pointwise):
        assert f"{row.params:,} weights\n{row.macs:,} MACs" in texts
        assert f"{row.params:,} weights, {row.macs:,} MACs" in alt
    layers = [t for t in _texts(fig) if t.startswith(("3×3", "1×1", "batch", "ReLU"))]
    assert layers == ["3×3 depthwise, stride 2", "batch norm", "ReLU", "1×1 pointwise", "batch norm", "ReLU"]
    assert [t for t in _texts(fig) if " × " in t] == ["64 × 112 × 112", "64 × 56 × 56", "128 × 56 × 56"]
    assert "64 × 112 × 112 goes in" in alt
    assert "128 × 56 × 56 comes out" in alt
    assert f"{sum(row.macs for row in block.rows):,} MACs." in alt


def test_columns_stand_side_by_side_with_their_titles():
    standard = architectures.mobilenet_v1(separable=False).blocks[7]
    fig, alt = plots.blocks([("Standard", standard), ("V1", V1.blocks[7])])
    assert [axes.get_title() for axes in fig.axes] == ["Standard", "V1"]
    assert alt.startswith("2 columns")
    assert len(_texts(fig, 0)) < len(_texts(fig, 1))


def test_relu6_is_written_where_the_block_has_it():
    fig, _ = plots.blocks([("", architectures.mobilenet_v1(activation="relu6").blocks[1])])
    assert "ReLU6" in _texts(fig)


def test_blocks_that_cannot_be_drawn_are_refused():
    with pytest.raises(ValueError, match="of kind 'linear'"):
        plots.blocks([("", V1.blocks[-1])])
    with pytest.raises(ValueError, match="has a shortcut"):
        plots.blocks([("", architectures.mobilenet_v2().blocks[3])])


def test_a_shortcut_joins_the_first_and_the_last_feature_map():
    fig, alt = plots.shortcuts({"ResNet": (256, 64, 256)}, {"ResNet": ("1×1", "3×3")})
    (axes,) = fig.axes
    assert [bar.get_height() for bar in axes.patches[:3]] == [256, 64, 256]
    assert {"256", "64", "1×1", "3×3", "shortcut"} <= set(_texts(fig))
    (arrow,) = axes.lines
    assert list(arrow.get_xdata()) == [0, 0, 2]
    assert "ResNet: 256, 64, 256 channels" in alt
