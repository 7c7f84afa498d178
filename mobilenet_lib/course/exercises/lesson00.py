"""Exercises of lesson 00: small ones, which show how exercises work."""

from __future__ import annotations

from mobilenet_lib.course.exercises._exercise import Exercise


def macs_to_flops(macs):
    """FLOPs of that many MACs."""
    return 2 * macs


def times_fewer(macs_before, macs_after):
    """How many times fewer MACs `macs_after` is than `macs_before`."""
    return macs_before / macs_after


def megabytes(params):
    """Megabytes (millions of bytes) of that many parameters, as numbers of 32 bits."""
    return params * 4 / 1_000_000


MACS_TO_FLOPS = Exercise(
    prompt="Write how many FLOPs (floating-point operations) a number of MACs is.",
    reference=macs_to_flops,
    returns="whole number",
    cases=((1,), (36,), (568_740_352,)),
    random_case=lambda rng: (rng.integers(3, 10**6),),
    first_hint="A MAC is one multiplication and one addition. How many operations are that?",
    second_hint="Every MAC counts for the same number of FLOPs, so one multiplication by a small whole number is "
    "enough.",
    mistakes={"the_same": lambda macs: macs, "half": lambda macs: macs // 2, "squared": lambda macs: macs**2},
    messages={
        "the_same": "You counted a MAC as one operation. It multiplies, and then it adds.",
        "half": "You went the other way. There are more operations than MACs.",
        "squared": "You squared the number. Each MAC has its own operations, and MACs do not multiply each other.",
    },
    minutes=2,
    difficulty=1,
    points=4,
)

TIMES_FEWER = Exercise(
    prompt="Write how many times fewer MACs a network takes after a change than before it.",
    reference=times_fewer,
    returns="number",
    cases=((10, 5), (15_470_264_320, 568_740_352), (7, 2)),
    random_case=lambda rng: tuple(rng.integers(2, (999, 99))),
    first_hint="From 10 to 5 is 2 times fewer. Which of the four operations gives 2?",
    second_hint="A ratio: the larger number is divided by the smaller one.",
    mistakes={
        "upside_down": lambda macs_before, macs_after: macs_after / macs_before,
        "difference": lambda macs_before, macs_after: macs_before - macs_after,
        "fraction_saved": lambda macs_before, macs_after: 1 - macs_after / macs_before,
        "whole_times": lambda macs_before, macs_after: macs_before // macs_after,
    },
    messages={
        "upside_down": "You divided the other way round: this is the fraction that is left.",
        "difference": "You took the difference, which says how many fewer. How many *times* fewer is a ratio.",
        "fraction_saved": "This is the fraction that is saved.",
        "whole_times": "You cut off what stands behind the point.",
    },
    minutes=2,
    difficulty=1,
    points=4,
)

MEGABYTES = Exercise(
    prompt="Write how many megabytes the parameters of a network take on disk, with 32 bits for each.",
    reference=megabytes,
    returns="number",
    cases=((1_000_000,), (4_231_976,), (250,)),
    random_case=lambda rng: (rng.integers(3, 10**6),),
    first_hint="How many bytes are 32 bits? And how many bytes are a megabyte?",
    second_hint="First the bytes of all parameters together, then how many millions that is.",
    mistakes={
        "bits": lambda params: params * 32 / 1_000_000,
        "a_byte_each": lambda params: params / 1_000_000,
        "mebibytes": lambda params: params * 4 / 2**20,
        "bytes": lambda params: params * 4,
    },
    messages={
        "bits": "You counted bits. A byte has 8 of them.",
        "a_byte_each": "You gave each parameter one byte. 32 bits are more.",
        "mebibytes": "You divided by 1024 · 1024, which gives mebibytes (MiB). A megabyte is a million bytes.",
        "bytes": "These are bytes. How many of them make a megabyte?",
    },
    minutes=2,
    difficulty=1,
    points=4,
)

EXERCISES = (MACS_TO_FLOPS, TIMES_FEWER, MEGABYTES)
