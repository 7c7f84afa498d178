"""Checks of arguments, each with a sentence that says what was wrong and what was expected."""

from __future__ import annotations

import operator
from collections.abc import Collection


def whole_number(name: str, value: int, minimum: int = 1) -> int:
    """`value` as an int; ValueError that names the argument where it is not a whole number, or too small."""
    # True and False are ints in Python, but never what somebody meant as a channel count.
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < minimum:
        raise ValueError(f"{name} must be a whole number of at least {minimum}, not {value!r}")
    return operator.index(value)


def one_of(name: str, value: str, choices: Collection[str]) -> str:
    """`value`, where it is one of `choices`. ValueError that names the argument and the choices for another."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value


def checked_shape(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """`image_shape`, where it is (channels, height, width) of one image. Raises ValueError for anything else."""
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
        raise ValueError(f"image_shape must be (channels, height, width) of one image, not {image_shape!r}")
    channels, height, width = (whole_number("each size in image_shape", n) for n in image_shape)
    return channels, height, width
