"""What an exercise is: its task, its cases, the known mistakes, two hints and a reference solution.

The functions at the top of a lesson's module are the reference solutions as learners see them, so they carry no types.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

import numpy as np

Arguments = tuple[Any, ...]

# The random cases come from a fixed seed, so that every learner, and every run, meets the same ones.
SEED = 20170417


class Misconception(NamedTuple):
    """A mistake that learners make: recognised when the learner's function equals `function` on all cases."""

    name: str
    function: Callable[..., Any]
    message: str


@dataclass(frozen=True)
class Exercise:
    """A function for the learner to write.

    reference: a solution, whose source `solution` shows, and whose name, parameters and docstring make the stub.
    returns: "whole number", "number", "shape" (a list of whole numbers) or "array". cases: fixed arguments.
    random_case: draws one more from a generator; numpy's numbers in it become Python's. first_hint, second_hint: a
    gentle one, then a plain one. mistakes: those that learners make, by name, as the small wrong functions that they
    amount to. These take the arguments in their order and are formulas, in the papers' letters: m channels in, n out,
    kernel size k. messages: what is said to each, by the same names: the mistake and how to think, never the answer.
    minutes: that it takes most learners. difficulty: 1, 2 or 3.
    """

    RANDOM_CASES: ClassVar[int] = 4
    TIME_LIMIT: ClassVar[float] = 20.0  # seconds for all cases; a network takes one, and far more on a busy machine

    prompt: str
    reference: Callable[..., Any]
    returns: str
    cases: tuple[Arguments, ...]
    random_case: Callable[[np.random.Generator], Arguments]
    first_hint: str
    second_hint: str
    mistakes: dict[str, Callable[..., Any]]
    messages: dict[str, str]
    minutes: int
    difficulty: int
    points: int = 10

    def __post_init__(self) -> None:
        if list(self.mistakes) != list(self.messages):
            raise ValueError(f"{self.name}: each mistake needs its message, in the same order")

    @property
    def name(self) -> str:
        return self.reference.__name__

    @property
    def lesson(self) -> str:
        """The number of the lesson, as in the name of the module that defines it."""
        return self.reference.__module__.rpartition("lesson")[2]

    @property
    def hints(self) -> tuple[str, str]:
        return self.first_hint, self.second_hint

    @cached_property
    def misconceptions(self) -> tuple[Misconception, ...]:
        """The mistakes with their messages; the first that fits is named."""
        return tuple(Misconception(name, wrong, self.messages[name]) for name, wrong in self.mistakes.items())

    @property
    def exact(self) -> bool:
        """Are the results counts, of which each one matters? Others are compared as float32 allows."""
        return self.returns in ("whole number", "shape")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the arguments, in order."""
        return tuple(inspect.signature(self.reference).parameters)

    @property
    def starter(self) -> str:
        """The stub that stands in the lesson."""
        head = f"def {self.name}({', '.join(self.parameters)}):"
        return f'{head}\n    """{inspect.getdoc(self.reference)}"""\n    ...'

    @property
    def solution(self) -> str:
        """The source of the reference solution."""
        return inspect.getsource(self.reference).rstrip()

    def earned(self, record: dict[str, Any] | None) -> int:
        """Points for what is recorded: all where it was solved, half where the solution had been opened before."""
        if not record or not record["solved"]:
            return 0
        seen_first = record["solution_seen"] and record["solution_seen"] <= record["solved"]
        return self.points // 2 if seen_first else self.points

    @cached_property
    def all_cases(self) -> tuple[Arguments, ...]:
        """The fixed cases, then the random ones."""
        generator = np.random.default_rng(SEED)
        return (*self.cases, *(_plain(self.random_case(generator)) for _ in range(self.RANDOM_CASES)))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value
