"""The questions that the lessons ask before they tell, with their truths computed from the cost table.

They live here and not in the notebooks, so that no truth lies where the question is asked. `guesses.predict`
asks them. A module per lesson, found by its name.
"""

from __future__ import annotations

from mobilenet_lib.course.lesson_modules import lesson_modules
from mobilenet_lib.course.questions._question import Question

__all__ = ["QUESTIONS", "question"]

QUESTIONS: dict[str, Question] = {
    question.id: question for lesson in lesson_modules(__name__) for question in lesson.QUESTIONS
}


def question(question_id: str) -> Question:
    """The question with this id. ValueError names the ones of its lesson, or all."""
    if question_id in QUESTIONS:
        return QUESTIONS[question_id]
    lesson = str(question_id).split(".")[0]
    near = [known for known in QUESTIONS if known.startswith(lesson + ".")] or list(QUESTIONS)
    raise ValueError(f"there is no question {question_id!r}. Choose one of: {', '.join(near)}.")
