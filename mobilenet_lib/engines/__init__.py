"""Engines: who computes a training step. Everything around the step is the same in `training.fit`.

- `DynamicGraph` is Paddle as the lessons use it. It trains any model, and is the reference.
- `StaticGraph` trains networks that were built from a table, several times faster on a CPU. It relies on a path of
  Paddle that is still experimental, so `choose` takes it only after a comparison with the reference.

Introduced in lesson 08.
"""

from mobilenet_lib.engines._choose import ENGINES, Engine, choose
from mobilenet_lib.engines._compare import Comparison, compare
from mobilenet_lib.engines._dynamic import RECIPES, DynamicGraph, cross_entropy
from mobilenet_lib.engines._static import NotSupported, StaticGraph

__all__ = [
    "ENGINES",
    "RECIPES",
    "Comparison",
    "DynamicGraph",
    "Engine",
    "NotSupported",
    "StaticGraph",
    "choose",
    "compare",
    "cross_entropy",
]
