"""Exercises of lesson 08: an accuracy, the training loop, chance or a difference, seeds, and the cost of a training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mobilenet_lib import statistics
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


def accuracy(scores, labels):
    """Fraction of images, from 0 to 1, whose highest score is at the right class."""
    predictions = scores.argmax(axis=1)
    return float((predictions == labels).mean())


def train_loop(make_model, images, labels, learning_rate):
    """Losses [batches], each before its step, of a new model trained with Adam on images [batches, N, features]."""
    import paddle

    model = make_model()
    optimizer = paddle.optimizer.Adam(learning_rate, parameters=model.parameters())
    losses = np.zeros(len(images))
    for number in range(len(images)):
        scores = model(paddle.to_tensor(images[number]))  # forward
        loss = paddle.nn.functional.cross_entropy(scores, paddle.to_tensor(labels[number]))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
        losses[number] = float(loss)
    return losses


def z_score(correct_a, correct_b, total):
    """The difference of two networks' correct predictions, in units of what chance alone spreads it."""
    p = (correct_a + correct_b) / (2 * total)
    spread = (2 * total * p * (1 - p)) ** 0.5
    return (correct_a - correct_b) / spread


def paired_z(right_a, right_b):
    """The z-score from the images that exactly one network classified correctly; both are arrays of True and False."""
    only_a = (right_a & ~right_b).sum()
    only_b = (right_b & ~right_a).sum()
    return float((only_a - only_b) / (only_a + only_b) ** 0.5)


def half_width(accuracies, t):
    """How far the mean over a few seeds may be off: t standard errors of it."""
    return float(t * np.std(accuracies, ddof=1) / len(accuracies) ** 0.5)


def train_cost(macs, images, epochs):
    """MACs of a whole training, if an image forwards takes `macs`, and backwards twice as much."""
    return 3 * macs * images * epochs


def _scores(seed: int, images: int, classes: int) -> Arguments:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, images)
    scores = generator.normal(size=(images, classes)).round(4)
    scores[np.arange(images), labels] += 1.5  # a network that has learned something
    return scores, labels


@dataclass(frozen=True)
class MakeLinear:
    """Makes the model that a case of `train_loop` trains: one fully connected layer, always with the same weights."""

    features: int
    classes: int

    def __call__(self) -> Any:
        from mobilenet_lib._support.paddle import paddle

        generators = paddle.get_rng_state()  # the first weights, which are replaced, are drawn from them
        model = paddle.nn.Linear(self.features, self.classes)
        paddle.set_rng_state(generators)
        weights = np.random.default_rng(self.features).normal(scale=0.3, size=(self.features, self.classes))
        model.weight.set_value(weights.astype("float32"))
        return model


def _batches(seed: int, batches: int, size: int, features: int, classes: int, learning_rate: float) -> Arguments:
    generator = np.random.default_rng(seed)
    images = generator.normal(size=(batches, size, features)).astype("float32")
    return MakeLinear(features, classes), images, generator.integers(0, classes, (batches, size)), learning_rate


def _loop(
    make_model: MakeLinear,
    images: np.ndarray,
    labels: np.ndarray,
    learning_rate: float,
    *,
    order: str = "backward step clear",
    fresh: bool = False,
    softmax: bool = False,
    sgd: bool = False,
    reduction: str = "mean",
    loss_afterwards: bool = False,
) -> np.ndarray:
    """Wrong loops of `train_loop`, by what goes wrong in them; order: what follows the forward pass."""
    from mobilenet_lib._support.paddle import paddle

    functional = paddle.nn.functional
    model, losses = make_model(), []
    kind = paddle.optimizer.SGD if sgd else paddle.optimizer.Adam
    optimizer = kind(learning_rate, parameters=model.parameters())

    def loss_of(batch: np.ndarray, right: np.ndarray) -> Any:
        scores = model(paddle.to_tensor(batch))
        scores = functional.softmax(scores) if softmax else scores
        return functional.cross_entropy(scores, paddle.to_tensor(right), reduction=reduction)

    for batch, right in zip(images, labels, strict=True):
        optimizer = kind(learning_rate, parameters=model.parameters()) if fresh else optimizer
        loss = loss_of(batch, right)
        acts = {"backward": loss.backward, "step": optimizer.step, "clear": optimizer.clear_grad}
        for act in order.split():
            acts[act]()
        losses.append(float(loss_of(batch, right) if loss_afterwards else loss))
    return np.array(losses)


def _random_counts(rng: np.random.Generator) -> Arguments:
    total = rng.integers(200, 20_000)
    return *(total * rng.uniform(0.3, 0.9, 2)).astype(int), total


def _compared(seed: int, images: int, first: float, second: float) -> Arguments:
    """Which images two networks classify correctly: mostly the same ones, as the images differ in difficulty."""
    difficulty = np.random.default_rng(seed).random((3, images))
    right_a = 0.7 * difficulty[0] + 0.3 * difficulty[1] < first
    right_b = 0.7 * difficulty[0] + 0.3 * difficulty[2] < second
    return right_a, right_b


def _random_compared(rng: np.random.Generator) -> Arguments:
    first, second = rng.uniform(0.5, 0.7, 2)
    return _compared(rng.integers(10**6), rng.integers(300, 900), first, second)


def _random_seeds(rng: np.random.Generator) -> Arguments:
    number = rng.integers(3, 8)
    return rng.normal(0.7, 0.02, number).round(4).tolist(), round(statistics.student_t(number), 3)


ACCURACY = Exercise(
    prompt="Write the accuracy of a network from its scores and the right classes.",
    reference=accuracy,
    returns="number",
    cases=(_scores(1, 12, 3), _scores(2, 40, 10)),
    random_case=lambda rng: _scores(rng.integers(10**6), rng.integers(20, 60), rng.integers(3, 8)),
    first_hint="Each row of `scores` is an image. Which column holds its highest score? numpy finds that for all rows "
    "at once.",
    second_hint="`argmax` along the classes gives one prediction per image. Compare the predictions with the labels; "
    "the mean of True and False is the fraction of True.",
    mistakes={
        "count": lambda scores, labels: int((scores.argmax(axis=1) == labels).sum()),
        "error_rate": lambda scores, labels: float((scores.argmax(axis=1) != labels).mean()),
        "lowest_score": lambda scores, labels: float((scores.argmin(axis=1) == labels).mean()),
        "divided_by_classes": lambda scores, labels: float((scores.argmax(axis=1) == labels).sum() / scores.shape[1]),
        "percent": lambda scores, labels: float(100 * (scores.argmax(axis=1) == labels).mean()),
    },
    messages={
        "count": "You counted the correct predictions. The accuracy is that count out of all images.",
        "error_rate": "This is the fraction of wrong predictions, the error rate.",
        "lowest_score": "You took the class with the lowest score.",
        "divided_by_classes": "You divided by the number of classes. The accuracy is out of the images.",
        "percent": "Your values are percentages. The function gives a fraction from 0 to 1.",
    },
    minutes=5,
    difficulty=1,
)

TRAIN_LOOP = Exercise(
    prompt="Write the training loop: for each batch forward, loss, backward, step and clear, with Paddle's Adam and "
    "its cross entropy.",
    reference=train_loop,
    returns="array",
    cases=(_batches(1, 3, 6, 5, 3, 0.1), _batches(2, 4, 8, 12, 10, 0.02)),
    random_case=lambda rng: _batches(rng.integers(10**6), 3, 6, rng.integers(4, 9), 4, 0.05),
    first_hint="Before the loop: the model, an optimizer that knows `model.parameters()`, and a place for the losses. "
    "In the loop the five things from the list above, each a line. `paddle.to_tensor` makes tensors of a batch.",
    second_hint="The loss comes from `paddle.nn.functional.cross_entropy`, given scores and labels; `float` makes a "
    "number of it. The gradients come from the loss's own method, the other two are methods of the optimizer.",
    mistakes={
        "gradients_not_cleared": partial(_loop, order="backward step"),
        "no_step": partial(_loop, order="backward clear"),
        "step_before_backward": partial(_loop, order="step backward"),
        "new_optimizer_each_time": partial(_loop, fresh=True),
        "softmax_twice": partial(_loop, softmax=True),
        "plain_sgd": partial(_loop, sgd=True),
        "loss_after_the_step": partial(_loop, loss_afterwards=True),
        "summed": partial(_loop, reduction="sum"),
    },
    messages={
        "gradients_not_cleared": "Your gradients add up from batch to batch. Paddle adds each new gradient to what is "
        "there: who empties it?",
        "no_step": "Your weights never change: every loss is that of the first weights. Who makes the gradients, who "
        "moves the weights by them, and are the gradients still there when that happens? Or is the model new?",
        "step_before_backward": "Your step comes before the gradients of its batch are there, so it takes those of the "
        "batch before.",
        "new_optimizer_each_time": "You make a new optimizer for every batch. Adam keeps means of its gradients, and a "
        "new one has forgotten them.",
        "softmax_twice": "Paddle's cross entropy takes scores and applies softmax itself. Yours is applied twice.",
        "plain_sgd": "This is plain SGD, the gradient times the rate. The task asks for Adam.",
        "loss_after_the_step": "You measured each loss after its step. The loss of the forward pass, which made the "
        "gradients, is wanted.",
        "summed": "You summed the losses of a batch. Their mean does not depend on how many images there are.",
    },
    minutes=15,
    difficulty=2,
    points=20,
)

Z_SCORE = Exercise(
    prompt="Write the z-score of the difference between two networks that were tested on equally many images.",
    reference=z_score,
    returns="number",
    cases=((7497, 7486, 10_000), (80, 70, 100), (1500, 1600, 2000)),
    random_case=_random_counts,
    first_hint="First p, the fraction that both networks together get right. Out of how many predictions is that, if "
    "each network predicted once for every image?",
    second_hint="Three lines: p from both counts and 2 · total; the spread, a square root, as the text above has it; "
    "and the difference, first minus second, over the spread.",
    mistakes={
        "no_square_root": lambda a, b, total: z_score(a, b, total) ** 2 / (a - b),
        "spread_of_one_network": lambda a, b, total: z_score(a, b, total) * 2**0.5,
        "second_minus_first": lambda a, b, total: z_score(b, a, total),
        "fraction_of_first_only": lambda a, b, total: (a - b) / math.sqrt(2 * a * (1 - a / total)),
        "difference_only": lambda a, b, total: (a - b) / total,
    },
    messages={
        "no_square_root": "You divided by the square of the spread. The spread itself is its root.",
        "spread_of_one_network": "This is the spread of one network's count. In a difference, both counts vary.",
        "second_minus_first": "The size is right and the sign is not: take the first network minus the second.",
        "fraction_of_first_only": "You took p from the first network only. If there were no difference, both would be "
        "samples of one p.",
        "difference_only": "This is the difference of the accuracies. Whether it is large depends on how far chance "
        "alone would spread it.",
    },
    minutes=8,
    difficulty=2,
)

PAIRED_Z = Exercise(
    prompt="Write the z-score of two networks that were tested on the same images, from the images on which they "
    "differ.",
    reference=paired_z,
    returns="number",
    cases=(_compared(1, 400, 0.55, 0.6), _compared(2, 500, 0.7, 0.5)),
    random_case=_random_compared,
    first_hint="An image that both get right, or both wrong, says nothing about which is better. Count the others, for "
    "each network apart. `&` is and, `~` is not, for whole arrays.",
    second_hint="If there were no difference, each such image would be a toss of a coin between the two. With b tosses "
    "for the first and c for the second, chance spreads b − c by the root of b + c.",
    mistakes={
        "as_if_other_images": lambda a, b: z_score(a.sum(), b.sum(), len(a)),
        "all_images": lambda a, b: (a.sum() - b.sum()) / len(a) ** 0.5,
        "no_square_root": lambda a, b: (a.sum() - b.sum()) / (a ^ b).sum(),
        "second_minus_first": lambda a, b: paired_z(b, a),
        "agreement": lambda a, b: (a.sum() - b.sum()) / (a == b).sum() ** 0.5,
    },
    messages={
        "as_if_other_images": "This is the z-score of two networks on different images. It throws away that the images "
        "are the same ones.",
        "all_images": "You divided by the root of all images. Those on which the networks agree cannot spread the "
        "difference.",
        "no_square_root": "You divided by the number of images on which they differ. Chance spreads it by the root of "
        "that.",
        "second_minus_first": "The size is right and the sign is not: take the first network minus the second.",
        "agreement": "You divided by the root of the images on which the networks agree. Which images can go either "
        "way?",
    },
    minutes=12,
    difficulty=3,
    points=20,
)

HALF_WIDTH = Exercise(
    prompt="Write half of the width of the confidence interval over seeds: t · s / √n, with s the spread of the "
    "accuracies.",
    reference=half_width,
    returns="number",
    cases=(([0.70, 0.72, 0.77], 4.303), ([0.5, 0.6], 12.706), ([0.71, 0.73, 0.74, 0.70, 0.72], 2.776)),
    random_case=_random_seeds,
    first_hint="Three parts: the spread s of single runs, the root of their number, and t. For s, `np.std` has an "
    "argument that you need.",
    second_hint="`np.std(accuracies, ddof=1)` divides by n − 1, because the mean was itself taken from these few "
    "values. Multiply it by t and divide by √n.",
    mistakes={
        "divided_by_n": lambda accuracies, t: float(t * np.std(accuracies) / math.sqrt(len(accuracies))),
        "spread_of_single_runs": lambda accuracies, t: float(t * np.std(accuracies, ddof=1)),
        "always_two": lambda accuracies, t: float(2 * np.std(accuracies, ddof=1) / math.sqrt(len(accuracies))),
        "whole_width": lambda accuracies, t: 2 * half_width(accuracies, t),
        "variance": lambda accuracies, t: float(t * np.var(accuracies, ddof=1) / math.sqrt(len(accuracies))),
    },
    messages={
        "divided_by_n": "Your spread divides by n. The mean was taken from the same few values, so they lie too near "
        "to it: see `ddof` of `np.std`.",
        "spread_of_single_runs": "This is how far a single run may be from the mean. The mean of several runs is surer "
        "than one of them.",
        "always_two": "You took 2 for t. That is good enough for thirty runs, not for a few, whose own spread is "
        "uncertain.",
        "whole_width": "This is the whole width, from the lower end to the upper one.",
        "variance": "You used the variance, the square of the spread.",
    },
    minutes=9,
    difficulty=2,
)

TRAIN_COST = Exercise(
    prompt="Write how many MACs a whole training takes, with three times the forward pass for each image that is seen.",
    reference=train_cost,
    returns="whole number",
    cases=((568_740_352, 50_000, 3), (1000, 10, 2), (3_331_072, 6000, 8)),
    random_case=lambda rng: tuple(rng.integers(2, most) for most in (10**8, 10**5, 50)),
    first_hint="How many images pass through the network in all epochs together? And what does each of them cost, "
    "there and back?",
    second_hint="An image costs one forward pass, and backwards two: once for the gradient of the weights, once for "
    "that of the input. Multiply by the images and by the epochs.",
    mistakes={
        "forward_only": lambda macs, images, epochs: macs * images * epochs,
        "backward_as_forward": lambda macs, images, epochs: 2 * macs * images * epochs,
        "flops": lambda macs, images, epochs: 6 * macs * images * epochs,
        "one_epoch": lambda macs, images, epochs: 3 * macs * images,
        "one_image": lambda macs, images, epochs: 3 * macs * epochs,
    },
    messages={
        "forward_only": "You counted the forward pass. Learning takes the way back as well.",
        "backward_as_forward": "You took the way back to cost as much as the way there. It makes two gradients, of the "
        "weights and of the input.",
        "flops": "These are FLOPs, two for each MAC. The question asks for MACs.",
        "one_epoch": "This is one epoch.",
        "one_image": "This is a single image, shown in every epoch.",
    },
    minutes=6,
    difficulty=1,
)

EXERCISES = (ACCURACY, TRAIN_LOOP, HALF_WIDTH, Z_SCORE, PAIRED_Z, TRAIN_COST)
