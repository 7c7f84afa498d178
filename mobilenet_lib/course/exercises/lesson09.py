"""Exercises of lesson 09: MACs over the width, the widest network of a budget, domination and the Pareto front."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from mobilenet_lib.course.exercises._exercise import Arguments, Exercise


def macs_at_width(pointwise, rest, width):
    """MACs at a width multiplier; pointwise and rest are the MACs of the two kinds of layers at width 1."""
    return width**2 * pointwise + width * rest


def widest(pointwise, rest, budget):
    """The largest width multiplier whose MACs are within the budget, as an exact number, also above 1."""
    return ((rest**2 + 4 * pointwise * budget) ** 0.5 - rest) / (2 * pointwise)


def dominating(point, others):
    """How many of the others dominate the point; each is (cost, accuracy)."""
    cost, accuracy = point
    count = 0
    for other_cost, other_accuracy in others:
        no_worse = other_cost <= cost and other_accuracy >= accuracy
        if no_worse and (other_cost, other_accuracy) != (cost, accuracy):
            count += 1
    return count


def front_indices(points):
    """Indices, from 0, of the (cost, accuracy) points on the Pareto front, the cheapest first, as a list."""
    order = sorted(range(len(points)), key=lambda index: points[index][0])
    indices, best = [], 0
    for index in order:  # cheap ones first: a more expensive one must be better than all before it
        if points[index][1] > best:
            indices.append(index)
            best = points[index][1]
    return indices


def _random_network(rng: np.random.Generator) -> tuple[int, int]:
    pointwise = 1000 * int(rng.integers(500, 50_000))
    return pointwise, int(pointwise * rng.uniform(0.05, 0.3))


def _random_budget(rng: np.random.Generator) -> Arguments:
    pointwise, rest = _random_network(rng)
    return pointwise, rest, int(rng.uniform(0.05, 2) * pointwise)


def _points(rng: np.random.Generator, count: int) -> list[tuple[int, float]]:
    """Points of different costs and different accuracies."""
    costs, accuracies = rng.permutation(40)[:count] + 1, rng.permutation(60)[:count] + 30.0
    return [*zip(costs, accuracies, strict=True)]


def _random_point(rng: np.random.Generator) -> Arguments:
    point, *others = _points(rng, 9)
    same_cost, same_accuracy = (point[0], point[1] + 1.0), (point[0] + 2, point[1])
    return point, [*others, point, same_cost, same_accuracy]


def _counted(better: Callable[[float, float, float, float], bool]) -> Callable[..., int]:
    """How many of the others are `better(cost, accuracy, cost of the point, accuracy of the point)`."""
    return lambda point, others: sum(better(*other, *point) for other in others)


def _record_breakers(points, order) -> list[int]:
    """Indices of the points that are better than all that come before them in this order."""
    indices, best = [], 0
    for index in order:
        if points[index][1] > best:
            indices.append(index)
            best = points[index][1]
    return indices


def _by_cost(points) -> list[int]:
    return sorted(range(len(points)), key=lambda index: points[index][0])


MACS_AT_WIDTH = Exercise(
    prompt="Write the MACs of a network at width multiplier α, from those of its 1×1 layers and of the rest at α = 1.",
    reference=macs_at_width,
    returns="number",
    cases=((540_000_000, 28_000_000, 0.5), (1000, 100, 0.25), (1000, 100, 1.4), (500, 500, 0.75)),
    random_case=lambda rng: (*_random_network(rng), round(rng.uniform(0.1, 1.5), 2)),
    first_hint="A 1×1 layer costs input channels times output channels at every position. How many of the two does α "
    "change? And in a depthwise layer, where each channel meets only itself?",
    second_hint="The 1×1 layers shrink with α · α, everything else with α. Add the two parts.",
    mistakes={
        "all_squared": lambda pointwise, rest, w: w**2 * (pointwise + rest),
        "all_linear": lambda pointwise, rest, w: w * (pointwise + rest),
        "swapped": lambda pointwise, rest, w: w * pointwise + w**2 * rest,
        "rest_unchanged": lambda pointwise, rest, w: w**2 * pointwise + rest,
        "flops": lambda pointwise, rest, w: 2 * (w**2 * pointwise + w * rest),
    },
    messages={
        "all_squared": "You squared α for all layers. In a depthwise layer, the stem (always three colours in) and the "
        "classifier (always as many classes out) only one of the two channel counts changes.",
        "all_linear": "You took α once for all layers. A 1×1 layer has fewer channels at both ends: α times α.",
        "swapped": "The square stands at the wrong part. Which layers lose channels at both ends?",
        "rest_unchanged": "You left the rest as it is. A depthwise layer with half of the channels needs half of the "
        "MACs.",
        "flops": "These are FLOPs, the question asks for MACs. A multiplication and its addition are one MAC.",
    },
    minutes=6,
    difficulty=1,
)

WIDEST = Exercise(
    prompt="Write the largest α whose MACs stay within a budget: the exact number, before any rounding of channels.",
    reference=widest,
    returns="number",
    cases=((540_000_000, 28_000_000, 150_000_000), (1000, 100, 1100), (1000, 100, 50), (500, 500, 6000)),
    random_case=_random_budget,
    first_hint="At the largest α the MACs are exactly the budget. Write that as an equation for α; what kind of "
    "equation is it?",
    second_hint="pointwise · α² + rest · α − budget = 0 is quadratic. Of its two solutions one is negative; take the "
    "other.",
    mistakes={
        "root_of_the_fraction": lambda pointwise, rest, budget: (budget / (pointwise + rest)) ** 0.5,
        "fraction": lambda pointwise, rest, budget: budget / (pointwise + rest),
        "pointwise_only": lambda pointwise, rest, budget: (budget / pointwise) ** 0.5,
        "rest_at_full_width": lambda pointwise, rest, budget: (max(budget - rest, 0) / pointwise) ** 0.5,
        "at_most_1": lambda pointwise, rest, budget: min(1.0, widest(pointwise, rest, budget)),
    },
    messages={
        "root_of_the_fraction": "You took the root of the budget's fraction of the whole. That is the law for the 1×1 "
        "layers alone; the rest shrinks more slowly, so this α is a little too wide.",
        "fraction": "You took the budget's fraction of the whole as α. Half of the width leaves about a quarter of the "
        "MACs, so α may be larger.",
        "pointwise_only": "You spent the whole budget on the 1×1 layers. The others need their part.",
        "rest_at_full_width": "You set the rest aside at full width. It shrinks with α as well, so there is more left.",
        "at_most_1": "You stopped at 1. α may be larger: V2's table has a network with α = 1.4.",
    },
    minutes=10,
    difficulty=3,
    points=20,
)

DOMINATING = Exercise(
    prompt="Count the designs that dominate one: no more expensive and no worse, and not the same in both.",
    reference=dominating,
    returns="whole number",
    cases=(
        ((300, 72.0), [(569, 70.6), (325, 68.4), (149, 63.7)]),
        ((569, 70.6), [(300, 72.0), (569, 70.6), (585, 74.7)]),
        ((5, 50.0), [(5, 60.0), (4, 50.0), (5, 50.0), (6, 70.0), (4, 40.0)]),
        ((9, 30.0), [(1, 31.0), (2, 90.0), (9, 30.0), (9, 29.0)]),
        ((9, 30.0), [(1, 31.0), (1, 31.0), (9, 30.0), (9, 30.0)]),
    ),
    random_case=_random_point,
    first_hint="Two conditions must hold together, one for the cost and one for the accuracy. What about a design with "
    "the same cost and a higher accuracy?",
    second_hint="Allow equality in both comparisons, then leave out the design that is equal in both.",
    mistakes={
        "strictly_better_in_both": _counted(lambda c, a, c0, a0: c < c0 and a > a0),
        "itself_too": _counted(lambda c, a, c0, a0: c <= c0 and a >= a0),
        "alike_counted_once": lambda point, others: dominating(point, set(others)),
        "one_is_enough": _counted(lambda c, a, c0, a0: (c <= c0 or a >= a0) and (c, a) != (c0, a0)),
        "more_accurate_only": _counted(lambda c, a, c0, a0: a > a0),
        "wrong_way_round": _counted(lambda c, a, c0, a0: c >= c0 and a <= a0 and (c, a) != (c0, a0)),
    },
    messages={
        "strictly_better_in_both": "You ask for better in both. A design of the same cost and a higher accuracy "
        "dominates as well.",
        "itself_too": "You also count a design that is equal in both. Then every design on the list would dominate "
        "itself.",
        "alike_counted_once": "You count designs with equal numbers once. They are different designs, and each of them "
        "dominates.",
        "one_is_enough": "One of the two is enough for you. Cheaper but worse is another choice, not a better one.",
        "more_accurate_only": "You looked at the accuracy alone. A design that is better and more expensive dominates "
        "nothing.",
        "wrong_way_round": "You counted the designs that this one dominates. The question goes the other way.",
    },
    minutes=7,
    difficulty=2,
)

FRONT_INDICES = Exercise(
    prompt="Write the Pareto front: the indices of all designs that no other dominates, from cheap to expensive. All "
    "costs and all accuracies are different, and every accuracy is above zero.",
    reference=front_indices,
    returns="shape",
    cases=(
        ([(569, 70.6), (300, 72.0), (149, 63.7), (41, 50.6)],),
        ([(3, 50.0), (1, 60.0), (2, 70.0)],),
        ([(5, 90.0), (4, 80.0), (3, 85.0), (2, 10.0), (1, 20.0)],),
        ([(2, 5.0), (1, 0.5), (3, 4.0)],),
        ([(1, 90.0), (2, 50.0), (3, 51.0), (4, 52.0), (5, 53.0), (6, 54.0), (7, 95.0)],),
    ),
    random_case=lambda rng: (_points(rng, rng.integers(6, 12)),),
    first_hint="You could compare every design with every other one. Or walk from the cheapest to the most expensive: "
    "what must a more expensive design have to be worth its cost?",
    second_hint="Sort the indices by cost. Keep a design only if it is better than the best so far, and remember that "
    "one.",
    mistakes={
        "in_the_order_given": lambda points: sorted(front_indices(points)),
        "not_sorted_first": lambda points: _record_breakers(points, range(len(points))),
        "better_than_the_one_before": lambda points: [
            index
            for before, index in pairwise([None, *_by_cost(points)])
            if before is None or points[index][1] > points[before][1]
        ],
        "sorted_by_cost": _by_cost,
        "expensive_first": lambda points: front_indices(points)[::-1],
        "best_only": lambda points: [max(range(len(points)), key=lambda index: points[index][1])],
    },
    messages={
        "in_the_order_given": "These are the right indices, but in the order of the list. Give them from the cheapest "
        "to the most expensive.",
        "not_sorted_first": "You walked through the list as it stands. Whoever comes later may be cheaper: sort by "
        "cost first.",
        "better_than_the_one_before": "You compared each design with the next cheaper one. It must be better than the "
        "best of all that are cheaper.",
        "sorted_by_cost": "You sorted the designs by cost. Some of them cost more than a better one: leave these out.",
        "expensive_first": "These are the right indices, from expensive to cheap. Turn the list round.",
        "best_only": "You kept the most accurate design alone. Cheaper ones are worth having, too, where nothing beats "
        "them at their cost.",
    },
    minutes=12,
    difficulty=3,
    points=20,
)

EXERCISES = (MACS_AT_WIDTH, WIDEST, DOMINATING, FRONT_INDICES)
