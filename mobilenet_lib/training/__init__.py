"""Training that can be repeated, watched, stopped and continued, with a history of what happened.

`fit` trains and returns a `mobilenet_lib.runs.Run`; `evaluate` measures a model on images. Two classes compute a step:
`DynamicStep` is Paddle as the lessons use it; it trains any model and is the reference. `StaticStep` trains networks
that were built from a table, several times faster on a CPU. It relies on a path of Paddle that is still experimental:
`choose` takes it only for a model that is just what its table says, and after a trial on this machine.

Introduced in lesson 08.
"""

from mobilenet_lib.training.checkpoints import CheckpointNotSaved
from mobilenet_lib.training.choice import STEPS, choose
from mobilenet_lib.training.comparison import compare
from mobilenet_lib.training.dynamic import RECIPES, DynamicStep
from mobilenet_lib.training.evaluation import evaluate, scores
from mobilenet_lib.training.fitting import TrainingDiverged, fit, seed_everything
from mobilenet_lib.training.options import SCHEDULES, Options, learning_rates
from mobilenet_lib.training.static import StaticStep
from mobilenet_lib.training.structure import NotSupported

__all__ = [
    "RECIPES",
    "SCHEDULES",
    "STEPS",
    "CheckpointNotSaved",
    "DynamicStep",
    "NotSupported",
    "Options",
    "StaticStep",
    "TrainingDiverged",
    "choose",
    "compare",
    "evaluate",
    "fit",
    "learning_rates",
    "scores",
    "seed_everything",
]
