"""The exercise of lesson 00, which shows how exercises work."""

from __future__ import annotations

import numpy as np

from mobilenet_lib.exercises._exercise import Arguments, Exercise, Misconception


def macs_to_flops(macs):
    """FLOPs of that many MACs."""
    return 2 * macs


def _random_macs(generator: np.random.Generator) -> Arguments:
    return (int(generator.integers(3, 10**6)),)


MACS_TO_FLOPS = Exercise(
    lesson="00",
    prompt="Write how many FLOPs (floating-point operations) a number of MACs is.",
    reference=macs_to_flops,
    returns="whole number",
    cases=((1,), (36,), (568_740_352,)),
    random_case=_random_macs,
    hints=(
        "A MAC is one multiplication and one addition. How many operations are that?",
        "Every MAC counts for the same number of FLOPs, so one multiplication by a small whole number is enough.",
    ),
    misconceptions=(
        Misconception(
            "the_same",
            lambda macs: macs,
            "You counted a MAC as one operation. It multiplies, and then it adds.",
        ),
        Misconception(
            "half",
            lambda macs: macs // 2,
            "You went the other way. There are more operations than MACs.",
        ),
        Misconception(
            "squared",
            lambda macs: macs**2,
            "You squared the number. Each MAC has its own operations, and MACs do not multiply each other.",
        ),
    ),
    points=4,
)

EXERCISES = (MACS_TO_FLOPS,)
