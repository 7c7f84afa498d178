"""Exercises of lesson 03: ReLU6."""

from __future__ import annotations

from mobilenet_lib.course.exercises._exercise import Exercise


def relu6(value):
    """ReLU6 of one number: zero below 0, the number itself up to 6, and 6 above."""
    if value < 0:
        return 0
    return 6 if value > 6 else value


RELU6 = Exercise(
    prompt="Write ReLU6 for one number.",
    reference=relu6,
    returns="number",
    cases=((-1.5,), (0,), (3.5,), (6,), (7.2,), (100,), (-30,)),
    random_case=lambda rng: (round(rng.normal(scale=6), 2),),
    first_hint="There are three cases: below zero, from 0 to 6, above 6. What comes out in each?",
    second_hint="Two comparisons do it, one with the floor and one with the ceiling. Python's max and min do it as "
    "well: which of them sets a floor?",
    mistakes={
        "no_ceiling": lambda value: max(value, 0),
        "no_floor": lambda value: min(value, 6),
        "zero_above_six": lambda value: value if 0 <= value <= 6 else 0,
        "floor_at_minus_six": lambda value: min(max(value, -6), 6),
        "ceiling_at_one": lambda value: min(max(value, 0), 6) / 6,
        "min_and_max_swapped": lambda value: max(min(value, 0), 6),
    },
    messages={
        "no_ceiling": "This is ReLU: it grows without end. What does the 6 in the name do?",
        "no_floor": "Your function has a ceiling and no floor. What happens to numbers below zero?",
        "zero_above_six": "Your function returns 0 for everything above 6. A large input should stay large: it is held "
        "at the ceiling.",
        "floor_at_minus_six": "You cut off at −6 and at 6. A ReLU has its floor at zero.",
        "ceiling_at_one": "You divided by 6. The numbers from 0 to 6 stay as they are.",
        "min_and_max_swapped": "Your function always returns 6: min and max are swapped. Which of the two sets a "
        "floor?",
    },
)

EXERCISES = (RELU6,)
