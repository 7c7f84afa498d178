"""Questions of lesson 03: the V1 block."""

from __future__ import annotations

import numpy as np

from mobilenet_lib import architectures
from mobilenet_lib.course.questions._question import Question

QUESTIONS = (
    Question(
        "03.norm_parameters",
        "MobileNet V1 has 4,209,088 weights. How many parameters do its 27 batch norms learn besides, a scale and a "
        "shift for each channel?",
        lambda: sum(2 * row.output_shape[0] for row in architectures.mobilenet_v1().rows if row.batch_norm),
        default=200_000,
        unit="parameters",
        why="The convolutions have 10,944 output channels in all, and each of them has two numbers.",
    ),
    Question(
        "03.running_mean",
        "The running mean of a new batch norm is 0. After it has seen one batch with the mean 3 in train mode, what is "
        "it?",
        lambda: f"{0.9 * 0 + (1 - 0.9) * np.mean([1, 1, 5, 5]):.1f}",  # Paddle: 0.9 · old + 0.1 · mean of the batch
        default="3.0",
        choices=("0.0", "0.3", "3.0"),
        why="Paddle keeps nine tenths of the old value and takes one tenth of the new one, so that a single odd batch "
        "changes little.",
    ),
)
