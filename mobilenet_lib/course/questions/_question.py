"""What a question is, and how an answer to it is judged and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Answer = int | float | str

SMALLEST, LARGEST = 1e-30, 1e30  # of a guess, so that its ratio to the truth is a number too
TOLERANCE = 0.005  # of that ratio
# Of fractions, and of things of which there may be none. A layer without MACs or a network without weights is no guess.
_MAY_BE_ZERO = frozenset({"%", "percentage", "bits", "blocks", "designs", "images", "networks"})


@dataclass(frozen=True)
class Question:
    """Something to guess: a number in `unit`, or one of `choices`.

    id: the lesson's number, a dot and a name. truth: computes the answer. default: the guess that a run without a
    learner takes. why: the reason for the truth, in a sentence. clues: patterns of other words that give the
    truth away, which no lesson may use before its guess.
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

    @property
    def zero(self) -> bool:
        """Can 0 be an answer? It depends on the unit alone, so that it tells nothing about the truth."""
        return self.unit.split(" ")[0] in _MAY_BE_ZERO

    def accepts(self, guess: object) -> bool:
        """Can `guess` be an answer: one of the choices, or a number above zero (or 0), not beyond all bounds?"""
        if self.choices:
            return guess in self.choices
        is_number = isinstance(guess, (int, float)) and not isinstance(guess, bool)
        return is_number and (SMALLEST < guess < LARGEST or (self.zero and guess == 0))

    def factor(self, guess: Answer) -> float | None:
        """How many times the truth the guess is: below 1 is too low. None for choices, and where one of both is 0."""
        return None if self.choices or not guess or not self.truth() else guess / self.truth()

    def right(self, guess: Answer) -> bool:
        """Is the guess the truth, or a number within 0.5 % of it?"""
        factor = self.factor(guess)
        return guess == self.truth() if factor is None else abs(factor - 1) <= TOLERANCE

    def verdict(self, guess: Answer) -> str:
        """How good the guess is, as the end of a sentence: "right", "3.4 times too low"."""
        if guess == self.truth():
            return "exactly right"
        if self.choices:
            return "not right"
        if self.right(guess):
            return "right, to within 0.5 %"
        factor = self.factor(guess)
        return times_off(factor) if factor else "too low" if guess < self.truth() else "too high"

    def answer(self, guess: Answer, who: str) -> tuple[str, str]:
        """The truth, how good the guess is, and why, in two paragraphs; `who`: "Your guess", "That guess"."""
        return (f"Truth: {self.written(self.truth())}. {who} is {self.verdict(guess)}.", f"Why: {self.why}")

    def written(self, answer: Answer) -> str:
        """An answer with its unit, for reading."""
        if self.choices:
            return str(answer)
        return f"{number_text(answer)} {self.unit}".strip()


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
