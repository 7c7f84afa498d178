"""Figures with one look: what a figure shows is also said in words, computed from the same data."""

from mobilenet_lib.plots.charts import bar_chart, column_chart, line_chart
from mobilenet_lib.plots.curves import (
    accuracies,
    conditions,
    confusion,
    growing_curves,
    learning_curves,
    trade_offs,
    train_and_test,
)
from mobilenet_lib.plots.drawings import blocks, shortcuts
from mobilenet_lib.plots.feature_maps import feature_maps, kernels, positive_channels
from mobilenet_lib.plots.images import image_grid
from mobilenet_lib.plots.look import HATCHES, LINE_STYLES, MARKERS, PALETTE, as_data, bars, figure, png, readable, show
from mobilenet_lib.plots.points import by_seed, planes, scatter

__all__ = ["HATCHES", "LINE_STYLES", "MARKERS", "PALETTE", "as_data", "bars", "figure", "png", "readable", "show"]
__all__ += ["accuracies", "blocks", "conditions", "confusion", "learning_curves", "trade_offs", "train_and_test"]
__all__ += ["bar_chart", "by_seed", "column_chart", "feature_maps", "image_grid", "kernels", "line_chart", "planes"]
__all__ += ["growing_curves", "positive_channels", "scatter", "shortcuts"]
