"""Exercises of lesson 08: an accuracy from scores, whether a difference is luck, seeds, and the cost of a training.

The functions at the top level are the reference solutions as learners see them, so they carry no types.
"""

from __future__ import annotations

import math

import numpy as np

from mobilenet_lib import statistics
from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


def accuracy(scores, labels):
    """Share of pictures, from 0 to 1, whose highest score is at the right class."""
    answers = scores.argmax(axis=1)
    return float((answers == labels).mean())


def z_score(correct_a, correct_b, total):
    """The difference of two networks' correct answers, in units of what luck alone spreads it."""
    p = (correct_a + correct_b) / (2 * total)
    spread = (2 * total * p * (1 - p)) ** 0.5
    return (correct_a - correct_b) / spread


def paired_z(right_a, right_b):
    """The z-score from the pictures that exactly one of the networks got right; both are arrays of True and False."""
    only_a = (right_a & ~right_b).sum()
    only_b = (right_b & ~right_a).sum()
    return float((only_a - only_b) / (only_a + only_b) ** 0.5)


def half_width(accuracies, t):
    """How far the mean over a few seeds may be off: t standard errors of it."""
    return float(t * np.std(accuracies, ddof=1) / len(accuracies) ** 0.5)


def train_cost(macs, pictures, epochs):
    """MACs of a whole training, if a picture forwards takes `macs`, and backwards twice as much."""
    return 3 * macs * pictures * epochs


def _scores(seed: int, pictures: int, classes: int) -> Arguments:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, pictures)
    scores = generator.normal(size=(pictures, classes)).round(2)
    scores[np.arange(pictures), labels] += 1.5  # a network that has learned something
    return scores, labels


def _random_scores(generator: np.random.Generator) -> Arguments:
    return _scores(
        int(generator.integers(10**6)),
        int(generator.integers(20, 60)),
        int(generator.integers(3, 8)),
    )


def _random_counts(generator: np.random.Generator) -> Arguments:
    total = int(generator.integers(200, 20_000))
    first, second = (int(total * share) for share in generator.uniform(0.3, 0.9, 2))
    return first, second, total


def _answers(seed: int, pictures: int, first: float, second: float) -> Arguments:
    """Which pictures two networks get right: mostly the same ones, as the pictures differ in difficulty."""
    difficulty = np.random.default_rng(seed).random((3, pictures))
    right_a = 0.7 * difficulty[0] + 0.3 * difficulty[1] < first
    right_b = 0.7 * difficulty[0] + 0.3 * difficulty[2] < second
    return right_a, right_b


def _random_answers(generator: np.random.Generator) -> Arguments:
    first, second = generator.uniform(0.5, 0.7, 2)
    return _answers(int(generator.integers(10**6)), int(generator.integers(300, 900)), first, second)


def _random_seeds(generator: np.random.Generator) -> Arguments:
    number = int(generator.integers(3, 8))
    accuracies = generator.normal(0.7, 0.02, number).round(4).tolist()
    return accuracies, round(statistics.student_t(number), 3)


def _random_training(generator: np.random.Generator) -> Arguments:
    return tuple(int(generator.integers(2, most)) for most in (10**8, 10**5, 50))


ACCURACY = Exercise(
    lesson="08",
    prompt="Write the accuracy of a network from its scores and the right classes.",
    reference=accuracy,
    returns="number",
    cases=(_scores(1, 12, 3), _scores(2, 40, 10)),
    random_case=_random_scores,
    hints=(
        "Each row of `scores` is a picture. Which column holds its highest score? numpy finds that for all rows at "
        "once.",
        "`argmax` along the classes gives one answer per picture. Compare the answers with the labels; the mean of "
        "True and False is the share of True.",
    ),
    mistakes={
        "count_instead_of_share": lambda scores, labels: int((scores.argmax(axis=1) == labels).sum()),
        "error_rate": lambda scores, labels: float((scores.argmax(axis=1) != labels).mean()),
        "lowest_score": lambda scores, labels: float((scores.argmin(axis=1) == labels).mean()),
        "divided_by_classes": lambda scores, labels: float((scores.argmax(axis=1) == labels).sum() / scores.shape[1]),
        "percent": lambda scores, labels: float(100 * (scores.argmax(axis=1) == labels).mean()),
    },
    messages={
        "count_instead_of_share": "You counted the right answers. A share is that count out of all pictures.",
        "error_rate": "This is the share of wrong answers.",
        "lowest_score": "You took the class with the lowest score.",
        "divided_by_classes": "You divided by the number of classes. The share is out of the pictures.",
        "percent": "Your values are percentages. The function gives a share from 0 to 1.",
    },
)

Z_SCORE = Exercise(
    lesson="08",
    prompt="Write the z-score of the difference between two networks that were tested on equally many pictures.",
    reference=z_score,
    returns="number",
    cases=((7497, 7486, 10_000), (80, 70, 100), (1500, 1600, 2000)),
    random_case=_random_counts,
    hints=(
        "First p, the share that both networks together get right. Out of how many answers is that, if each network "
        "answered once for every picture?",
        "Three lines: p from both counts and 2 · total; the spread, a square root, as the text above has it; and the "
        "difference, first minus second, over the spread.",
    ),
    mistakes={
        "no_square_root": lambda correct_a, correct_b, total: (
            (correct_a - correct_b)
            / (2 * total * (correct_a + correct_b) / (2 * total) * (1 - (correct_a + correct_b) / (2 * total)))
        ),
        "spread_of_one_network": lambda correct_a, correct_b, total: (
            (correct_a - correct_b)
            / math.sqrt(total * (correct_a + correct_b) / (2 * total) * (1 - (correct_a + correct_b) / (2 * total)))
        ),
        "second_minus_first": lambda correct_a, correct_b, total: -z_score(correct_a, correct_b, total),
        "share_of_first_only": lambda correct_a, correct_b, total: (
            (correct_a - correct_b) / math.sqrt(2 * total * correct_a / total * (1 - correct_a / total))
        ),
        "difference_only": lambda correct_a, correct_b, total: (correct_a - correct_b) / total,
    },
    messages={
        "no_square_root": "You divided by the square of the spread. The spread itself is its root.",
        "spread_of_one_network": "This is the spread of one network's count. In a difference, both counts vary.",
        "second_minus_first": "The size is right and the sign is not: take the first network minus the second.",
        "share_of_first_only": "You took p from the first network only. If there were no difference, both would be "
        "samples of one p.",
        "difference_only": "This is the difference of the shares. Whether it is large depends on how far luck alone "
        "would spread it.",
    },
)

PAIRED_Z = Exercise(
    lesson="08",
    prompt="Write the z-score of two networks that were tested on the same pictures, from the pictures on which they "
    "differ.",
    reference=paired_z,
    returns="number",
    cases=(_answers(1, 400, 0.55, 0.6), _answers(2, 500, 0.7, 0.5)),
    random_case=_random_answers,
    hints=(
        "A picture that both get right, or both wrong, says nothing about which is better. Count the others, for each "
        "network apart. `&` is and, `~` is not, for whole arrays.",
        "If there were no difference, each such picture would be a toss of a coin between the two. With b tosses for "
        "the first and c for the second, luck spreads b − c by the root of b + c.",
    ),
    mistakes={
        "as_if_other_pictures": lambda right_a, right_b: z_score(int(right_a.sum()), int(right_b.sum()), len(right_a)),
        "all_pictures": lambda right_a, right_b: float((int(right_a.sum()) - int(right_b.sum())) / len(right_a) ** 0.5),
        "no_square_root": lambda right_a, right_b: float(
            (int(right_a.sum()) - int(right_b.sum())) / (right_a ^ right_b).sum()
        ),
        "second_minus_first": lambda right_a, right_b: -paired_z(right_a, right_b),
        "agreement": lambda right_a, right_b: float(
            (int(right_a.sum()) - int(right_b.sum())) / (right_a == right_b).sum() ** 0.5
        ),
    },
    messages={
        "as_if_other_pictures": "This is the z-score of two networks on different pictures. It throws away that the "
        "pictures are the same ones.",
        "all_pictures": "You divided by the root of all pictures. Those on which the networks agree cannot spread the "
        "difference.",
        "no_square_root": "You divided by the number of pictures on which they differ. Luck spreads it by the root of "
        "that.",
        "second_minus_first": "The size is right and the sign is not: take the first network minus the second.",
        "agreement": "You divided by the root of the pictures on which the networks agree. Which pictures can go "
        "either way?",
    },
    points=20,
)

HALF_WIDTH = Exercise(
    lesson="08",
    prompt="Write half of the width of the interval over seeds: t · s / √n, with s the spread of the accuracies.",
    reference=half_width,
    returns="number",
    cases=(
        ([0.70, 0.72, 0.77], 4.303),
        ([0.5, 0.6], 12.706),
        ([0.71, 0.73, 0.74, 0.70, 0.72], 2.776),
    ),
    random_case=_random_seeds,
    hints=(
        "Three parts: the spread s of single runs, the root of their number, and t. For s, `np.std` has an argument "
        "that you need.",
        "`np.std(accuracies, ddof=1)` divides by n − 1, because the mean was itself taken from these few values. "
        "Multiply it by t and divide by √n.",
    ),
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
)

TRAIN_COST = Exercise(
    lesson="08",
    prompt="Write how many MACs a whole training takes, with three times the forward pass for each picture that is "
    "seen.",
    reference=train_cost,
    returns="whole number",
    cases=((568_740_352, 50_000, 3), (1000, 10, 2), (3_331_072, 6000, 8)),
    random_case=_random_training,
    hints=(
        "How many pictures pass through the network in all epochs together? And what does each of them cost, there and "
        "back?",
        "A picture costs one forward pass, and backwards two: once for the gradient of the weights, once for that of "
        "the input. Multiply by the pictures and by the epochs.",
    ),
    mistakes={
        "forward_only": lambda macs, pictures, epochs: macs * pictures * epochs,
        "backward_as_forward": lambda macs, pictures, epochs: 2 * macs * pictures * epochs,
        "flops": lambda macs, pictures, epochs: 6 * macs * pictures * epochs,
        "one_epoch": lambda macs, pictures, epochs: 3 * macs * pictures,
        "one_picture": lambda macs, pictures, epochs: 3 * macs * epochs,
    },
    messages={
        "forward_only": "You counted the forward pass. Learning takes the way back as well.",
        "backward_as_forward": "You took the way back to cost as much as the way there. It makes two gradients, of the "
        "weights and of the input.",
        "flops": "These are FLOPs, two for each MAC. The question asks for MACs.",
        "one_epoch": "This is one epoch.",
        "one_picture": "This is a single picture, shown in every epoch.",
    },
)

EXERCISES = (ACCURACY, HALF_WIDTH, Z_SCORE, PAIRED_Z, TRAIN_COST)
