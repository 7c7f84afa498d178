"""Figures with one look: what a figure shows is also said in words, computed from the same data."""

from mobilenet_lib.plots.drawings import blocks
from mobilenet_lib.plots.figures import (
    HATCHES,
    LINE_STYLES,
    MARKERS,
    PALETTE,
    accuracies,
    as_data,
    bars,
    conditions,
    confusion,
    figure,
    learning_curves,
    png,
    show,
    trade_offs,
    train_and_test,
    use_style,
)

__all__ = [
    "HATCHES",
    "LINE_STYLES",
    "MARKERS",
    "PALETTE",
    "accuracies",
    "as_data",
    "bars",
    "blocks",
    "conditions",
    "confusion",
    "figure",
    "learning_curves",
    "png",
    "show",
    "trade_offs",
    "train_and_test",
    "use_style",
]
