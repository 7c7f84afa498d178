"""A chart draws the table that it was given, and its words hold the same numbers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mobilenet_lib import plots, statistics

TABLE = pd.DataFrame({"M MACs": [300.5, 1.25], "M weights": [4.0, 2.0]}, index=["V1", "V2"])


def test_bars_have_a_panel_for_each_column_and_say_every_number():
    fig, alt = plots.bar_chart(TABLE, form="{:.2f}", mark=(3, "the limit"))
    assert [axes.get_xlabel() for axes in fig.axes] == list(TABLE)
    for axes, (_, values) in zip(fig.axes, TABLE.items(), strict=True):
        assert [bar.get_width() for bar in axes.patches] == list(values)
        assert [line.get_xdata()[0] for line in axes.lines] == [3]
    assert "M MACs: V1 300.50, V2 1.25; M weights: V1 4.00, V2 2.00." in alt
    assert "line at 3.00: the limit" in alt


def test_a_series_is_one_panel_named_after_it():
    fig, alt = plots.bar_chart(TABLE["M MACs"])
    assert [axes.get_xlabel() for axes in fig.axes] == ["M MACs"]
    assert "V2 1.25" in alt
    assert {text.get_text() for text in fig.axes[0].texts} == {"300.5", "1.25"}


@pytest.mark.parametrize("stacked", [False, True])
def test_columns_stand_beside_each_other_or_stacked(stacked):
    fig, alt = plots.column_chart(TABLE.rename_axis("network"), "millions", stacked=stacked, form="{:.1f}")
    (axes,) = fig.axes
    first, second = axes.containers
    assert [bar.get_height() for bar in (*first, *second)] == [*TABLE["M MACs"], *TABLE["M weights"]]
    assert [bar.get_y() for bar in second] == (list(TABLE["M MACs"]) if stacked else [0, 0])
    assert axes.get_xlabel() == "network"
    assert "V1: M MACs 300.5, M weights 4.0" in alt
    assert len({bars[0].get_hatch() for bars in (first, second)}) == 2, "bars that differ in colour alone"


def test_rows_of_zeros_are_not_listed():
    quiet = pd.DataFrame({"silent": [0, 3, 0]}, index=["a", "b", "c"])
    assert plots.column_chart(quiet, "channels")[1].endswith("b: silent 3.")
    assert plots.column_chart(quiet * 0, "channels")[1].endswith("all 0.")


def test_lines_leave_gaps_out_and_put_measured_points_on_them():
    lines = pd.DataFrame({"one": [1.0, np.nan, 3.0], "two": [4.0, 5.0, 6.0]}, index=[1, 2, 3])
    fig, alt = plots.line_chart(lines, "n", "error", points=lines.iloc[[0]], level=2, ticks=(1, 3))
    (axes,) = fig.axes
    assert [list(line.get_xdata()) for line in axes.lines[:4]] == [[1, 3], [1], [1, 2, 3], [1]]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "3"]
    assert "one: 1 at 1, 3 at 3; two: 4 at 1, 5 at 2, 6 at 3." in alt
    assert "A line marks 2. Measured: one: 1 at 1; two: 4 at 1." in alt


def test_a_long_line_says_its_ends_and_extremes():
    line = pd.DataFrame({"memory": [5.0, *range(20), 7.0]})
    alt = plots.line_chart(line, "layer", "numbers")[1]
    assert "memory: 5 at 0, 10 at 11, 7 at 21, highest 19 at 20, lowest 0 at 1" in alt


def test_panels_share_one_legend_and_keep_their_titles():
    fig, alt = plots.column_chart({"left": TABLE, "right": 2 * TABLE}, "millions")
    assert [axes.get_title() for axes in fig.axes] == ["left", "right"]
    assert len(fig.legends) == 1
    assert "left: V1" in alt
    assert "right: V1: M MACs 601" in alt


def test_points_in_the_plane_are_counted_in_words():
    groups = {"kept": np.array([[3.0, 4.0], [0, 1]]), "lost": np.zeros((0, 2))}
    fig, alt = plots.planes({"before": groups, "after": {"kept": np.ones((1, 2))}}, axes_shown=True)
    assert "before: 2 points “kept”, at most 5 from zero, 0 points “lost”" in alt
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["kept", "lost"]
    np.testing.assert_array_equal(fig.axes[0].lines[0].get_xydata(), groups["kept"])
    assert plots.planes({"a": groups}, joined=True)[0].axes[0].lines[0].get_linestyle() == "-"


def test_a_row_for_each_column_with_a_point_per_seed_and_students_interval():
    table = pd.DataFrame({"better": [1.0, 2.0, 4.0], "unknown": [-1.0, 0.0, 2.0]})
    fig, alt = plots.by_seed(table, "points", "made up", mark=0)
    (axes,) = fig.axes
    means = statistics.mean_effects(table)
    for container, (name, row) in zip(axes.containers, means.iterrows(), strict=True):
        assert container.lines[2][0].get_segments()[0][:, 0] == pytest.approx([row["low"], row["high"]])
        assert f"{name} {row['mean']:.1f} ({row['low']:.1f} to {row['high']:.1f})" in alt
    assert [list(line.get_xdata()) for line in axes.lines if len(line.get_xdata()) == 3] == [[1, 2, 4], [-1, 0, 2]]
    assert "Conditions: made up." in alt
