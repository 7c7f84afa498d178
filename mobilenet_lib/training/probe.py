"""The trial of the static graph in a process of its own: `choose.probe` starts it and looks at the exit code.

The task comes pickled over standard input, from the process that started this one and from nobody else.
"""

from __future__ import annotations

import pickle
import sys

import numpy as np

from mobilenet_lib import models
from mobilenet_lib.training.static import StaticStep


def main() -> None:
    table, optimizer, batch_size, image_shape = pickle.loads(sys.stdin.buffer.read())
    engine = StaticStep(models.TableNetwork(table), optimizer, batch_size, image_shape)
    generator = np.random.default_rng(0)
    images = generator.standard_normal((batch_size, *image_shape), dtype=np.float32)
    labels = generator.integers(0, table.num_classes, batch_size)
    for _ in range(2):
        engine.step(images, labels, 0.01)
    engine.logits(images[:1])


if __name__ == "__main__":
    main()
