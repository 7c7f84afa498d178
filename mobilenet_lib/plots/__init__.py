"""Figures with one look: what a figure shows is also said in words, computed from the same data."""

from mobilenet_lib.plots.curves import (
    accuracies,
    conditions,
    confusion,
    growing_curves,
    learning_curves,
    trade_offs,
    train_and_test,
)
from mobilenet_lib.plots.drawings import blocks
from mobilenet_lib.plots.look import HATCHES, LINE_STYLES, MARKERS, PALETTE, as_data, bars, figure, png, show

__all__ = ["HATCHES", "LINE_STYLES", "MARKERS", "PALETTE", "as_data", "bars", "figure", "png", "show"]
__all__ += ["accuracies", "blocks", "conditions", "confusion", "growing_curves", "learning_curves"]
__all__ += ["trade_offs", "train_and_test"]
