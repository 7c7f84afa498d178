"""What a question is, how an answer to it is read, judged and written."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

Answer = int | float | str

_FACTORS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "b": 10**9, "%": Decimal("0.01")}
_DIGITS = r"(?:[1-9]\d{0,2}(?:,\d{3})+|\d+)(?:\.\d*)?|\.\d+"  # 36, 1,228,800, 0.1189, .5
_NUMBER = re.compile(rf"(?P<digits>{_DIGITS})(?:e(?P<exponent>[+-]?\d{{1,3}}))?\s*(?P<factor>[kmgb%]?)")

_SMALLEST, _LARGEST = 1e-30, 1e30  # of a guess, so that its ratio to the truth is a number too


@dataclass(frozen=True)
class Question:
    """Something to guess: a number in `unit`, or one of `choices`.

    id: the lesson's number, a dot and a name. truth: computes the answer. default: the guess that a run without a
    learner takes. why: the reason for the truth, in a sentence. clues: patterns of other words that give the truth away,
    which no lesson may use before its guess.
    """

    id: str
    prompt: str
    truth: Callable[[], Answer]
    default: Answer
    why: str
    unit: str = ""
    choices: tuple[str, ...] = ()
    clues: tuple[str, ...] = ()

    @property
    def lesson(self) -> str:
        """The number of the lesson that asks it."""
        return self.id.split(".")[0]

    def accepts(self, guess: object) -> bool:
        """Can `guess` be an answer: one of the choices, or a number above zero, not beyond all bounds?"""
        if self.choices:
            return guess in self.choices
        is_number = isinstance(guess, (int, float)) and not isinstance(guess, bool)
        return is_number and _SMALLEST < guess < _LARGEST

    def factor(self, guess: Answer) -> float | None:
        """How many times the truth the guess is: below 1 is too low. None for a question with choices."""
        return None if self.choices else guess / self.truth()

    def right(self, guess: Answer) -> bool:
        """Is the guess the truth, or a number within 0.5 % of it?"""
        if self.choices:
            return guess == self.truth()
        return abs(self.factor(guess) - 1) <= 0.005

    def verdict(self, guess: Answer) -> str:
        """How good the guess is, as the end of a sentence: "right", "3.4 times too low"."""
        if guess == self.truth():
            return "exactly right"
        if self.choices:
            return "not right"
        if self.right(guess):
            return "right, to within 0.5 %"
        return times_off(self.factor(guess))

    def answer(self, guess: Answer, who: str) -> tuple[str, str]:
        """The truth, how good the guess is, and why, in two paragraphs; `who`: "Your guess", "That guess"."""
        return (f"Truth: {self.written(self.truth())}. {who} is {self.verdict(guess)}.", f"Why: {self.why}")

    def written(self, answer: Answer) -> str:
        """An answer with its unit, for reading."""
        if self.choices:
            return str(answer)
        return f"{number_text(answer)} {self.unit}".strip()


def read_number(text: str, unit: str = "") -> int | float:
    """The number that somebody typed, with thousands separators, an exponent, k/M/G, a fraction or its unit.

    ValueError, whose text is for the learner, where it is no number above zero.
    """
    shortened = re.sub(r"(?<=\d)[ _\u00a0\u202f](?=\d{3})", "", text.strip())[:60]
    if not shortened:
        raise ValueError("The field is empty. Type a number, for example 1500, 1.5k or 1.5e3, then press Enter.")
    bare = shortened
    if unit and bare.lower().endswith(unit.lower()):
        bare = bare[: -len(unit)]
    parts = [_NUMBER.fullmatch(part.strip().lower()) for part in bare.split("/")]
    if len(parts) > 2 or not all(parts):
        raise ValueError(
            f"“{shortened}” is not a number above zero that can be read here. Write it like 750, 1,500, 0.15, 1.5e6, "
            "1.5M or 1/6, with a point before decimals."
        )
    values = [_value(part) for part in parts]
    value = math.inf if 0 in values[1:] else values[0] / values[1] if len(values) == 2 else values[0]
    if not _SMALLEST < value < _LARGEST:
        raise ValueError(
            f"“{shortened}” cannot be the answer: it must be a number above zero, and not beyond all bounds."
        )
    # Whoever is asked for millions and writes 569M or 5.69e8 has counted in ones.
    return value / 10**6 if unit.startswith("million ") and value >= 10**6 else value


def _value(part: re.Match[str]) -> int | float:
    # Decimal, because in binary floating point 1.1M would not be 1,100,000.
    exact = Decimal(f"{part['digits'].replace(',', '')}e{part['exponent'] or 0}") * _FACTORS[part["factor"]]
    return int(exact) if exact < 10**15 and exact == int(exact) else float(exact)


def number_text(value: float) -> str:
    """A number for reading: whole ones in full with separators, others with four digits."""
    if abs(value) >= 1e15:
        return f"{value:.3g}"
    if float(value).is_integer() or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def times_off(factor: float) -> str:
    """A ratio of guess to truth in words: 0.25 is "4 times too low"."""
    size = max(factor, 1 / factor)
    if size < 10:
        times = f"{size:.2f}".rstrip("0").rstrip(".")
    else:
        times = f"{size:,.0f}" if size < 1e6 else "over a million"
    return f"{times} times too {'high' if factor > 1 else 'low'}"
