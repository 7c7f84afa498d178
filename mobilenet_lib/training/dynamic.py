"""Training steps in Paddle's dynamic graph: what the static ones must agree with."""

from __future__ import annotations

import numpy as np

from mobilenet_lib._support.modes import eval_mode
from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.training.options import RECIPES


class DynamicStep:
    """One optimisation step in Paddle's dynamic graph, and the optimizer's memory: all that a step has to do."""

    name = "dynamic"

    def __init__(self, model: paddle.nn.Layer, optimizer: str | None) -> None:
        """optimizer: a name in `RECIPES`, or None for a step that only evaluates."""
        self.model = self._network = model
        self.optimizer_name = optimizer
        if optimizer is None:
            return
        # Paddle counts batch norm's running statistics among the parameters; they have no gradient.
        self._parameters = {name: p for name, p in model.named_parameters() if not p.stop_gradient}
        self._optimizer = _make_optimizer(optimizer, list(self._parameters.values()))
        model.clear_gradients()  # left from a backward() by hand, or a step that was interrupted

    def step(self, images: np.ndarray, labels: np.ndarray, learning_rate: float) -> tuple[float, int]:
        """Learn from a batch: normalised float32 [N, 3, H, W], int64 [N]. Mean loss and number classified correctly,
        both with the weights before the step.
        """
        logits = self._outputs(self._network, images)
        loss = cross_entropy(logits, labels, "mean")
        loss.backward()
        self._optimizer.set_lr(float(learning_rate))
        # The first step names the optimizer's memory from a global counter. In a guard it counts from 0, so that
        # `load_optimizer_state` knows the names beforehand.
        with paddle.utils.unique_name.guard():
            self._optimizer.step()
        self._optimizer.clear_grad()
        return float(loss), int((logits.numpy().argmax(axis=1) == labels).sum())

    def logits(self, images: np.ndarray) -> np.ndarray:
        """The model's outputs [N, classes] for normalised images, in eval mode; afterwards the modes are as before."""
        with eval_mode(self.model), paddle.no_grad():
            return self._outputs(self.model, images).numpy()

    def _outputs(self, network: paddle.nn.Layer, images: np.ndarray) -> paddle.Tensor:
        """What the network outputs; ValueError where those are several tensors, as of networks with side outputs."""
        outputs = network(paddle.to_tensor(images))
        if not isinstance(outputs, paddle.Tensor):
            raise ValueError(
                f"{type(self.model).__name__} must give one tensor [N, classes], and gave a {type(outputs).__name__}. "
                "Wrap it in a layer whose forward returns the one to train."
            )
        return outputs

    def model_state(self) -> dict[str, np.ndarray]:
        """A copy of weights and running statistics, by their names in the model."""
        return {name: value.numpy() for name, value in self.model.state_dict().items()}

    def load_model_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `model_state` gave."""
        self.model.set_state_dict(state)

    def optimizer_state(self) -> dict[str, np.ndarray]:
        """A copy of the optimizer's memory as "parameter/quantity", such as "0.weight/velocity"; empty at first.

        Paddle's own names hold a count of all layers built so far, and would not fit the same model built again.
        """
        return {
            f"{name}/{key.removeprefix(f'{p.name}_').removesuffix('_0')}": value.numpy()
            for key, value in self._optimizer.state_dict().items()
            for name, p in self._parameters.items()
            if key.startswith(f"{p.name}_")
        }

    def load_optimizer_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over what `optimizer_state` gave, before the first step."""
        split = [(*key.rsplit("/", 1), value) for key, value in state.items()]
        self._optimizer.set_state_dict(
            {f"{self._parameters[name].name}_{quantity}_0": paddle.to_tensor(value) for name, quantity, value in split}
        )


def _make_optimizer(name: str, parameters: list[paddle.Tensor]) -> paddle.optimizer.Optimizer:
    recipe = RECIPES[name]
    if name == "adam":
        return paddle.optimizer.Adam(recipe["learning_rate"], parameters=parameters)
    groups = [
        {"params": group, "weight_decay": decay}
        for decays, decay in ((True, recipe["weight_decay"]), (False, 0.0))
        if (group := [p for p in parameters if is_decayed(p) == decays])
    ]
    return paddle.optimizer.Momentum(
        recipe["learning_rate"], recipe["momentum"], parameters=groups, use_nesterov=recipe["nesterov"]
    )


def is_decayed(parameter: paddle.Tensor) -> bool:
    """Does weight decay act on it? Not on batch norm, biases and depthwise filters."""
    depthwise = parameter.ndim == 4 and parameter.shape[1] == 1  # each filter sees one channel
    return parameter.ndim > 1 and not depthwise


def cross_entropy(logits: paddle.Tensor, labels: np.ndarray, reduction: str) -> paddle.Tensor:
    """Cross entropy in nats of logits [N, classes] and labels int64 [N]; reduction is "mean" or "sum"."""
    return paddle.nn.functional.cross_entropy(logits, paddle.to_tensor(labels), reduction=reduction)
