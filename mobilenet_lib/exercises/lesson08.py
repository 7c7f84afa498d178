"""Exercises of lesson 08: an accuracy from scores, and whether a difference is luck."""

from __future__ import annotations

import math

import numpy as np

from mobilenet_lib.exercises._exercise import Arguments, Exercise, Misconception


def accuracy(scores, labels):
    """Share of pictures, from 0 to 1, whose highest score is at the right class."""
    answers = scores.argmax(axis=1)
    return float((answers == labels).mean())


def z_score(correct_a, correct_b, total):
    """The difference of two networks' correct answers, in units of what luck alone spreads it."""
    p = (correct_a + correct_b) / (2 * total)
    spread = (2 * total * p * (1 - p)) ** 0.5
    return (correct_a - correct_b) / spread


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


ACCURACY = Exercise(
    lesson="08",
    prompt="Write the accuracy of a network from its scores and the right classes.",
    reference=accuracy,
    returns="number",
    cases=(_scores(1, 12, 3), _scores(2, 40, 10)),
    random_case=_random_scores,
    hints=(
        "Each row of `scores` is a picture. Which column holds its highest score? numpy finds that for all rows at once.",
        "`argmax` along the classes gives one answer per picture. Compare the answers with the labels; the mean of "
        "True and False is the share of True.",
    ),
    misconceptions=(
        Misconception(
            "count_instead_of_share",
            lambda scores, labels: int((scores.argmax(axis=1) == labels).sum()),
            "You counted the right answers. A share is that count out of all pictures.",
        ),
        Misconception(
            "error_rate",
            lambda scores, labels: float((scores.argmax(axis=1) != labels).mean()),
            "This is the share of wrong answers.",
        ),
        Misconception(
            "lowest_score",
            lambda scores, labels: float((scores.argmin(axis=1) == labels).mean()),
            "You took the class with the lowest score.",
        ),
        Misconception(
            "divided_by_classes",
            lambda scores, labels: float((scores.argmax(axis=1) == labels).sum() / scores.shape[1]),
            "You divided by the number of classes. The share is out of the pictures.",
        ),
        Misconception(
            "percent",
            lambda scores, labels: float(100 * (scores.argmax(axis=1) == labels).mean()),
            "Your values are percentages. The function gives a share from 0 to 1.",
        ),
    ),
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
    misconceptions=(
        Misconception(
            "no_square_root",
            lambda correct_a, correct_b, total: (
                (correct_a - correct_b)
                / (
                    2
                    * total
                    * (correct_a + correct_b)
                    / (2 * total)
                    * (1 - (correct_a + correct_b) / (2 * total))
                )
            ),
            "You divided by the square of the spread. The spread itself is its root.",
        ),
        Misconception(
            "spread_of_one_network",
            lambda correct_a, correct_b, total: (
                (correct_a - correct_b)
                / math.sqrt(
                    total
                    * (correct_a + correct_b)
                    / (2 * total)
                    * (1 - (correct_a + correct_b) / (2 * total))
                )
            ),
            "This is the spread of one network's count. In a difference, both counts vary.",
        ),
        Misconception(
            "second_minus_first",
            lambda correct_a, correct_b, total: -z_score(correct_a, correct_b, total),
            "The size is right and the sign is not: take the first network minus the second.",
        ),
        Misconception(
            "share_of_first_only",
            lambda correct_a, correct_b, total: (
                (correct_a - correct_b)
                / math.sqrt(2 * total * correct_a / total * (1 - correct_a / total))
            ),
            "You took p from the first network only. If there were no difference, both would be samples of one p.",
        ),
        Misconception(
            "difference_only",
            lambda correct_a, correct_b, total: (correct_a - correct_b) / total,
            "This is the difference of the shares. Whether it is large depends on how far luck alone would spread it.",
        ),
    ),
)

EXERCISES = (ACCURACY, Z_SCORE)
