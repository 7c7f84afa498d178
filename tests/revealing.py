"""What in the lessons gives away the truth of a question before its guess is made, found by its value.

Outputs below a form are stored, but must not be seen before they are run: `collapsed` names their cells,
`refresh_notebooks.py` marks them, and a rule of `notebook_rules.py` asks for the mark. What a learner reads or has run
before the guess cannot be collapsed, so the truth must not stand there: `given_away`.

A number counts as the truth where it equals it as far as it is printed. Small numbers stand everywhere by chance, so
the fewer digits a number has, the nearer it must be, and its unit must follow:

- Every output of the form's section is collapsed, with or without a number: it is there to answer, and choices and
  drawings answer without one. Where the section shows nothing, the next slide with outputs answers.
- Further down in the lesson, outputs with the truth in three digits or more, or with a shorter one before its unit.
- Above the form, in earlier lessons too: four digits, or two before their unit. Prose below the form, to the second
  heading: also three digits, small numbers in words, and the choice that is right without the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import NamedTuple

import nbformat

from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.course.questions._question import Answer, Question, number_text

Cells = list[nbformat.NotebookNode]

# Numbers that are equal by chance, of other layers: lesson, cell, question.
CHANCE = {("00", "touch", "01.flops_of_layer"), ("02", "nothing-see", "06.first_expansion")}

_PREDICT = re.compile(r"\bpredict\(\s*[\"']([\w.]+)")
_FOLDED = re.compile(r"<details\b.*?</details>", re.DOTALL)
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_NUMBER = re.compile(rf"(?<![\w.,])(?:(?:\d{{1,3}}(?:,\d{{3}})+|\d+)(?:\.\d+)?(?!\d|\.\d)|(?i:{'|'.join(_WORDS)})\b)")
# What else a truth may be printed as: millions as ones, per cent as a fraction.
_SCALES = {"million": (1, 1e6), "MB": (1, 1e6), "kB": (1, 1e3), "%": (1, 0.01)}


class Number(NamedTuple):
    """A number in a text, how many digits and decimals it has there, and the text behind it."""

    value: float
    digits: int
    decimals: int
    behind: str


def collapsed(cells: Cells) -> set[str]:
    """The ids of the code cells of a lesson whose stored outputs must be out of sight until they are run."""
    shown = [place for place, cell in enumerate(cells) if _shows(cell)]
    found = {cell.id for cell in cells if "answer" in cell.metadata.get("tags", ())}  # to what the prose asks
    for form, asked in _forms(cells):
        below = [place for place in shown if place > form]
        end = _heading(cells, form)
        if below and below[0] >= end:
            end = _next_text(cells, below[0]) if below[0] < _heading(cells, form, 2) else end
        near = _heading(cells, form, 2)
        found |= {
            cells[place].id for place in below if place < end or _reveals(asked, _shown(cells[place]), place < near)
        }
    return found


def given_away(number: str, lessons: dict[str, Cells]) -> Iterator[str]:
    """What gives away the truth of a question of lesson `number`, in it or in an earlier one of `lessons`."""
    for form, asked in _forms(lessons[number]):
        for name in sorted(one for one in lessons if one <= number):
            cells = lessons[name]
            above = cells[:form] if name == number else cells
            texts = [(cell, f"{_prose(cell)}\n{settled(cell)}", _known_above) for cell in above]
            if name == number:
                texts += [(cell, _prose(cell), _known_below) for cell in cells[form : _heading(cells, form, 2)]]
            for cell, text, known in texts:
                if (name, cell.id, asked.id) not in CHANCE and (words := known(asked, text) or _clue(asked, text)):
                    yield f"cell {cell.id} of lesson {name} gives away {asked.id}: {words!r}"


def _reveals(asked: Question, text: str, near: bool) -> bool:
    """Does an output further down show the truth? near: a unit anywhere in the output is enough, as in a table."""
    if asked.choices:
        return len(_truth(asked.id)) > 8 and _truth(asked.id) in text
    unit = near and _unit(asked) in text
    return bool(_clue(asked, text)) or any(
        one.digits >= 3 or unit or _has_unit(asked, one) for one in _truths(asked, text)
    )


def _known_above(asked: Question, text: str) -> str:
    found = (one for one in _truths(asked, text) if one.digits >= 4 or (one.digits >= 2 and _has_unit(asked, one)))
    return next((_written(one) for one in found), "")


def _known_below(asked: Question, text: str) -> str:
    if asked.choices:
        said = [one for one in asked.choices if len(one) > 4 and re.search(rf"(?i)\b{re.escape(one)}", text)]
        return _truth(asked.id) if said == [_truth(asked.id)] else ""
    found = (one for one in _truths(asked, text) if one.digits >= 3 or _has_unit(asked, one, words=3))
    return next((_written(one) for one in found), "")


def _clue(asked: Question, text: str) -> str:
    return next((found[0] for clue in asked.clues if (found := re.search(clue, text))), "")


def _written(one: Number) -> str:
    return f"{one.value:g}{one.behind}"


def _truths(asked: Question, text: str) -> Iterator[Number]:
    """The numbers of a text that are the truth, as far as they are printed."""
    if asked.choices:
        return
    truth = _truth(asked.id)
    scales = _SCALES.get(asked.unit.split(" ")[0], (1,))
    for one in _numbers(text):
        if one.value == truth and _digits(number_text(truth)) < 3:
            yield one._replace(digits=min(one.digits, 2))  # 10.0 says no more than 10
        elif one.digits >= 3 and any(
            abs(one.value - scale * truth) <= 0.5000001 / 10**one.decimals for scale in scales
        ):
            yield one


@cache
def _truth(question_id: str) -> Answer:
    return QUESTIONS[question_id].truth()


@cache
def _numbers(text: str) -> list[Number]:
    found = []
    for one in _NUMBER.finditer(text):
        written = str(_WORDS.index(one[0].lower())) if one[0].lower() in _WORDS else one[0].replace(",", "")
        decimals = len(written.partition(".")[2])
        found.append(Number(float(written), _digits(written), decimals, text[one.end() : one.end() + 30]))
    return found


def _digits(written: str) -> int:
    return len(re.sub(r"[.,]", "", written).lstrip("0"))


def _has_unit(asked: Question, one: Number, words: int = 0) -> bool:
    """Does the unit's first word follow, in singular or plural, after at most so many other words?"""
    return bool(re.match(rf"(?:[\s*]+\w+){{0,{words}}}?[\s*]+{re.escape(_unit(asked))}", one.behind))


def _unit(asked: Question) -> str:
    return asked.unit.split(" ")[0].removesuffix("s")


def _forms(cells: Cells) -> list[tuple[int, Question]]:
    asked = [(place, name) for place, cell in enumerate(cells) for name in _asked(cell)]
    return [(place, QUESTIONS[name]) for place, name in asked if name in QUESTIONS]


def _asked(cell: nbformat.NotebookNode) -> list[str]:
    return _PREDICT.findall(cell.source) if cell.cell_type == "code" else []


def _shows(cell: nbformat.NotebookNode) -> bool:
    """Has it an output? Those of forms and of checks say nothing."""
    return bool(cell.get("outputs")) and not _asked(cell) and not cell.source.startswith("check(")


def _heading(cells: Cells, place: int, which: int = 1) -> int:
    """Where the heading behind `place` stands, or the second one."""
    headings = (at for at in range(place + 1, len(cells)) if cells[at].source.startswith("## "))
    return next(islice(headings, which - 1, None), len(cells))


def _next_text(cells: Cells, place: int) -> int:
    """Where the next slide that begins with text stands."""
    slides = (at for at in range(place + 1, len(cells)) if _kind(cells[at]) in ("slide", "subslide"))
    return next((at for at in slides if cells[at].cell_type == "markdown"), len(cells))


def _kind(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("slideshow", {}).get("slide_type", "-")


def _prose(cell: nbformat.NotebookNode) -> str:
    """Markdown as it is read, without folds, addresses and the speaker's notes."""
    if cell.cell_type != "markdown" or _kind(cell) == "notes":
        return ""
    return re.sub(r"\]\([^)]*\)|arXiv \d+\.\d+", "", _FOLDED.sub("", cell.source))


def settled(cell: nbformat.NotebookNode) -> str:
    """The outputs that are the same in every run: any number may be among times."""
    return "" if "nbval-ignore-output" in cell.metadata.get("tags", ()) else _shown(cell)


def _shown(cell: nbformat.NotebookNode) -> str:
    """The outputs as text: a figure by its alternative text, a form without its folded answer."""
    texts = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        page = re.sub(r"<[^>]*>", " ", _FOLDED.sub("", data.get("text/html", "")))
        texts.append(output.get("text", "") or (page if _asked(cell) else data.get("text/plain", page)))
    return "\n".join(texts)
