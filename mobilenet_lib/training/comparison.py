"""Does the static step do what the dynamic one does? One of each, from the same weights on the same batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training.dynamic import DynamicStep
from mobilenet_lib.training.static import StaticStep

# Two steps add the same numbers in another order. That alone changes the last digits of float32, and where a change
# moves an activation across zero, a gradient by much more: how much, depends on the network. So the measure is the
# dynamic step itself: how far does it move when its weights get relative noise of `NOISE`? Another step may
# be `TIMES` as far away, or within `FLOOR`, but never beyond `MOST`: some networks amplify so much that the measure
# alone would let a wrong learning rate pass.
NOISE, TIMES = 1e-5, 10
FLOOR = {"loss": 2e-3, "update": 0.02, "mean": 1e-3, "variance": 5e-3, "logits": 1e-3}
MOST = {"loss": 0.01, "update": 0.5, "mean": 0.01, "variance": 0.05, "logits": 0.02}


@dataclass(frozen=True)
class Comparison:
    """How far another step is from the dynamic one.

    errors: "loss" and "logits" relative to the largest, "update" the root mean square difference of all weight
    changes relative to that of the changes, "mean" in standard deviations, "variance" relative. "logits" are those of
    an evaluation with the same weights. allowed: the tolerance of each.
    """

    errors: dict[str, float]
    allowed: dict[str, float]

    @property
    def problem(self) -> str | None:
        """What disagrees, in words; None where everything is within the tolerances."""
        for name, most in self.allowed.items():
            if not self.errors[name] <= most:  # NaN is a disagreement too
                return f"its {name} is off by {self.errors[name]:.1e}, {most:.1e} is allowed"
        return None


@dataclass(frozen=True)
class _Step:
    """A step's outcome: the loss before it, the state after it, and the logits in eval mode from a given state."""

    loss: float
    state: dict[str, np.ndarray]
    logits: np.ndarray


def compare(
    model: paddle.nn.Layer,
    other: StaticStep,
    optimizer: str,
    images: np.ndarray,
    labels: np.ndarray,
    learning_rate: float,
) -> Comparison:
    """Take a step with `other` and one with the dynamic one. Both are put back to where they were.

    images: a normalised float32 batch [N, 3, H, W]; labels: int64 [N].
    """
    before = {name: value.numpy() for name, value in model.state_dict().items()}
    memory = other.optimizer_state()
    batch = (images, labels, learning_rate)
    random_state = paddle.get_rng_state()
    try:
        reference = DynamicStep(model, optimizer)
        expected = _step(reference, before, None, batch)
        found = _step(other, before, expected.state, batch)
        noisy = _step(DynamicStep(model, optimizer), _with_noise(before), _with_noise(expected.state), batch)
    finally:
        model.set_state_dict(before)
        other.load_model_state(before)
        other.load_optimizer_state(memory)
        model.clear_gradients()
        model.eval()
        paddle.set_rng_state(random_state)
    natural = _errors(before, expected, noisy)
    allowed = {name: min(max(floor, TIMES * natural[name]), MOST[name]) for name, floor in FLOOR.items()}
    return Comparison(_errors(before, expected, found), allowed)


def _step(
    taken: DynamicStep | StaticStep,
    before: dict[str, np.ndarray],
    evaluated: dict[str, np.ndarray] | None,
    batch: tuple[np.ndarray, np.ndarray, float],
) -> _Step:
    """A step from the state `before`; the logits are those of the state `evaluated`, or of the one after the step."""
    taken.load_model_state(before)
    taken.model.train()
    paddle.seed(0)  # what dropout leaves out
    loss, _ = taken.step(*batch)
    state = taken.model_state()
    taken.load_model_state(evaluated or state)
    return _Step(loss, state, taken.logits(batch[0]))


def _with_noise(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {
        name: (value * (1 + NOISE * generator.standard_normal(value.shape))).astype(value.dtype)
        for name, value in state.items()
    }


def _errors(before: dict[str, np.ndarray], expected: _Step, found: _Step) -> dict[str, float]:
    apart = np.abs(found.logits - expected.logits).max()
    return {
        "loss": abs(found.loss - expected.loss) / max(1.0, abs(expected.loss)),
        "logits": float(apart / max(1.0, np.abs(expected.logits).max())),
        **_state_errors(before, expected.state, found.state),
    }


def _state_errors(
    before: dict[str, np.ndarray], stepped: dict[str, np.ndarray], other: dict[str, np.ndarray]
) -> dict[str, float]:
    difference = change = 0.0
    mean = variance = 0.0
    for name, value in stepped.items():
        apart = np.abs(other[name].astype(np.float64) - value)
        if name.endswith("._mean"):
            deviation = np.sqrt(stepped[name.removesuffix("_mean") + "_variance"]) + 1e-6
            mean = max(mean, float((apart / deviation).max()))
        elif name.endswith("._variance"):
            variance = max(variance, float((apart / (np.abs(value) + 1e-6)).max()))
        else:
            difference += float((apart**2).sum())
            change += float(((value.astype(np.float64) - before[name]) ** 2).sum())
    return {"update": float(np.sqrt(difference / max(change, 1e-30))), "mean": mean, "variance": variance}
