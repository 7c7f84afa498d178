"""The live form of one question. The truth reaches the page with the first guess, not before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anywidget
import traitlets

from mobilenet_lib._support.messages import Message
from mobilenet_lib.course import records
from mobilenet_lib.course.questions._question import Answer, Question, read_number

_HERE = Path(__file__).parent


class GuessForm(anywidget.AnyWidget):
    """A text field or a group of choices, and what Python says to the guess.

    A guess arrives as one message with its text. (The fields of ipywidgets send their value and the press of Enter
    apart, and after fast typing Enter comes first.)
    """

    _esm = (_HERE / "guess_form.js").read_text(encoding="utf-8")
    _css = (_HERE / "guess_form.css").read_text(encoding="utf-8")

    prompt = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode().tag(sync=True)
    choices = traitlets.List(traitlets.Unicode()).tag(sync=True)
    said = traitlets.Unicode().tag(sync=True)
    asking = traitlets.Bool(True).tag(sync=True)
    answers = traitlets.Int(0).tag(sync=True)  # how often Python has answered

    def __init__(self, asked: Question) -> None:
        prompt = Message("question", "Predict, then see", (asked.prompt,)).page
        super().__init__(prompt=prompt, unit=asked.unit, choices=list(asked.choices))
        self._question = asked
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
        if content.get("again"):
            self._answer("", asking=True)
            return
        try:
            guess = self._read(str(content.get("guess", "")))
        except ValueError as problem:
            self._answer(Message("wrong", "No guess taken yet", (str(problem),)).page, asking=True)
            return
        earlier = self._earlier()
        # What was kept for a question that has changed since is no answer to this one.
        records.record_guess(self._question.id, guess, anew=earlier is None)
        self._reveal(earlier["first"] if earlier else guess, guess)

    def _read(self, text: str) -> Answer:
        if not self._question.choices:
            return read_number(text, self._question.unit)
        if text not in self._question.choices:
            raise ValueError("Choose one of the answers first, with the mouse or the arrow keys.")
        return text

    def _reveal(self, first: Answer, latest: Answer) -> None:
        """Show the guesses beside the truth."""
        asked = self._question
        counts = f"Your first guess, which counts: {asked.written(first)}, {asked.verdict(first)}."
        said = [f"Your guess: {asked.written(latest)}.", *([counts] if first != latest else [])]
        said += asked.answer(latest, "Your guess")
        kind, title = ("right", "Right") if asked.right(latest) else ("compare", "Now compare")
        self._answer(Message(kind, title, tuple(said)).page, asking=False)

    def _answer(self, page: str, asking: bool) -> None:
        notes = [Message("note", "About your progress", (note,)).page for note in records.take_notes()]
        with self.hold_sync():
            self.said = page + "".join(notes)
            self.asking = asking
            self.answers += 1

    def _earlier(self) -> dict[str, Any] | None:
        """The kept guesses, where they are answers to the question as it stands."""
        kept = records.guess(self._question.id)
        fits = kept and self._question.accepts(kept["first"]) and self._question.accepts(kept["latest"])
        return kept if fits else None
