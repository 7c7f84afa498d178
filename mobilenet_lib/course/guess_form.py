"""The live form of one question. The truth reaches the page when the learner asks for it, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from mobilenet_lib._support.messages import Message
from mobilenet_lib.course import records
from mobilenet_lib.course.questions._question import Answer, Question
from mobilenet_lib.course.questions._reading import SeveralReadings, read_number

_HERE = Path(__file__).parent


class GuessForm(anywidget.AnyWidget):
    """A text field or a group of choices, and what Python says to the guess.

    A guess is read first and said back; it counts when the learner asks for the truth, and can be changed until then,
    so that no misreading spoils it. Everything arrives as one message with its text. (The fields of ipywidgets send
    their value and the press of Enter apart, and after fast typing Enter comes first.)
    """

    _esm = (_HERE / "guess_form.js").read_text(encoding="utf-8")
    _css = (_HERE / "guess_form.css").read_text(encoding="utf-8")
    CHOOSE = "Choose one of the answers first, with the mouse or the arrow keys."

    prompt = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    stage = traitlets.Enum(["asking", "guessed", "shown"], "asking").tag(sync=True)
    readings = traitlets.List(traitlets.Unicode()).tag(sync=True)  # how to write what can be read in two ways
    answers = traitlets.Int(0).tag(sync=True)  # how often Python has answered

    def __init__(self, asked: Question) -> None:
        prompt = Message("question", "Predict, then see", (asked.prompt,)).page
        super().__init__(prompt=prompt, unit=asked.unit, choices=list(asked.choices))
        self._question = asked
        self._guess: Answer | None = None  # read, but not kept yet
        self.on_msg(lambda _, content, __: self._receive(content))
        earlier = self._earlier()
        if earlier:
            self._reveal(earlier["first"], earlier["latest"])

    def show(self) -> None:
        """Display the form. A saved notebook keeps the question as text, never the truth."""
        from IPython.display import display

        data, *_ = self._repr_mimebundle_()
        display(data | {"text/plain": f"? {self._question.prompt} (Run this cell to answer.)"}, raw=True)

    def _receive(self, content: dict[str, Any]) -> None:
        if content.get("show") and self._guess is not None:
            self._keep(self._guess)
        elif "guess" in content:
            self._take(str(content["guess"]))
        else:
            self._guess = None
            self._answer("", "asking")

    def _take(self, text: str) -> None:
        """Read a guess and say it back."""
        try:
            self._guess = self._read(text)
        except SeveralReadings as problem:
            self._answer(Message("note", "Which of the two?", (str(problem),)).page, "asking", problem.readings)
        except ValueError as problem:
            self._answer(Message("wrong", "No guess taken yet", (str(problem),)).page, "asking")
        else:
            said = f"{self._question.written(self._guess)}. It counts once you see the truth; you can still change it."
            self._answer(Message("note", "Your guess", (said,)).page, "guessed")

    def _read(self, text: str) -> Answer:
        if not self._question.choices:
            return read_number(text, self._question.unit, self._question.zero)
        if text not in self._question.choices:
            raise ValueError(self.CHOOSE)
        return text

    def _keep(self, guess: Answer) -> None:
        """Keep a guess and show the truth."""
        earlier = self._earlier()
        # What was kept for a question that has changed since is no answer to this one.
        records.record_guess(self._question.id, guess, anew=earlier is None)
        self._guess = None
        self._reveal(earlier["first"] if earlier else guess, guess)

    def _reveal(self, first: Answer, latest: Answer) -> None:
        """Show the guesses beside the truth."""
        asked = self._question
        counts = f"Your first guess, which counts: {asked.written(first)}, {asked.verdict(first)}."
        said = [f"Your guess: {asked.written(latest)}.", *([counts] if first != latest else [])]
        said += asked.answer(latest, "Your guess")
        kind, title = ("right", "Right") if asked.right(latest) else ("compare", "Now compare")
        self._answer(Message(kind, title, tuple(said)).page, "shown")

    def _answer(self, page: str, stage: str, readings: tuple[str, ...] = ()) -> None:
        notes = [Message("note", "About your progress", (note,)).page for note in records.take_notes()]
        with self.hold_sync():
            self.said = page + "".join(notes)
            self.stage, self.readings = stage, list(readings)
            self.answers += 1

    def _earlier(self) -> dict[str, Any] | None:
        """The kept guesses, where they are answers to the question as it stands."""
        kept = records.guess(self._question.id)
        fits = kept and self._question.accepts(kept["first"]) and self._question.accepts(kept["latest"])
        return kept if fits else None
