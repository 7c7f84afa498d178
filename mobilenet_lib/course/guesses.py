"""Predict, then see: ask for a guess, and only then show the truth, how far off the guess was, and why.

    predict("01.macs_of_4x4")

The questions and their truths are in `questions/`. Introduced in lesson 01.
"""

from __future__ import annotations

from mobilenet_lib._support import environment
from mobilenet_lib._support.messages import Folded, Message
from mobilenet_lib.course import handout
from mobilenet_lib.course.questions import question
from mobilenet_lib.course.questions._question import Question


def predict(question_id: str) -> None:
    """Ask the question, take a guess, then show the truth and how far off the guess was.

    In a live notebook this is a form: type a number ("36", "1,228,800", "1.2e6", "1.2 million", "25 %", "1/128 + 1/9")
    or choose, and press Enter. The form says how the guess was read; it can be changed until you see the truth, and
    then the first guess counts for the calibration in `progress.show()`. A run without a learner takes the question's
    default guess, keeps nothing, and folds the truth away, or leaves it out in a closed hand-out. ValueError for an
    unknown question.
    """
    asked = question(question_id)
    if environment.interactive():
        from mobilenet_lib.course.guess_form import GuessForm

        GuessForm(asked).show()
    else:
        _without_learner(asked).show()


def _without_learner(asked: Question) -> Message:
    """The question with its default guess, for pages and tests; on a page, the truth is folded away."""
    taken = f"A guess: {asked.written(asked.default)}."
    if asked.choices:
        taken = f"Choose: {' · '.join(asked.choices)}. {taken}"
    folded = Folded("The answer", tuple(asked.answer(asked.default, "That guess")))
    blocks = (asked.prompt, taken) if handout.locked() else (asked.prompt, taken, folded)
    return Message("question", "Predict, then see", blocks)
