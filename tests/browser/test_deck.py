"""A lesson as slides for a room, in the JupyterLab that the course starts."""

from __future__ import annotations

import pytest
from refresh_notebooks import lessons

_BACK_TO_TOP = "() => { window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0; }"
_COMMAND = "([name, options]) => window.jupyterapp.commands.execute(name, options)"
# Which cells can be seen, and how high the slide is, in pixels.
_SLIDE = """
() => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const seen = Array.from(notebook.node.querySelectorAll(".jp-Cell"))
    .map((cell, place) => [place, cell.getBoundingClientRect()])
    .filter(([, box]) => box.width > 5 && box.height > 5);
  return {
    active: notebook.activeCellIndex,
    cells: seen.map(([place]) => place),
    height: Math.max(...seen.map(([, box]) => box.bottom)) - Math.min(...seen.map(([, box]) => box.top)),
    mode: document.body.dataset.jpDeckMode,
  };
}
"""
_MOVED = "(before) => window.jupyterapp.shell.currentWidget.content.activeCellIndex !== before"
MOST_STEPS = 200
# Walked live: what is stored in an explorer's place is its static form, figure and table, which is for a page.
WITH_EXPLORERS = frozenset({"00", "01", "02", "04", "05", "06"})


def slide_type(cell: dict) -> str:
    return cell["metadata"].get("slideshow", {}).get("slide_type", "")


@pytest.fixture
def walk(open_lesson):
    """Opens a lesson's deck and goes forward to the end; returns the cells and what each step showed.

    live: run the lesson first, so that explorers and forms stand where the stored outputs did.
    """

    def walked(name: str, live: bool) -> tuple[list[dict], list[dict]]:
        lesson = open_lesson(name)
        if live:
            lesson.run_all()
        lesson.page.evaluate(_BACK_TO_TOP)
        lesson.page.evaluate(_COMMAND, ["deck:start", {}])
        lesson.page.wait_for_function("() => document.body.dataset.jpDeckMode === 'presenting'")
        cells, steps = lesson.cells(), []
        last = max(
            place for place, cell in enumerate(cells) if slide_type(cell) in ("slide", "fragment")
        )
        while len(steps) < MOST_STEPS:
            lesson.page.wait_for_timeout(40)  # the slide is laid out
            steps.append(lesson.page.evaluate(_SLIDE))
            if steps[-1]["active"] == last:
                break
            lesson.page.evaluate(_COMMAND, ["deck:go", {"direction": "forward"}])
            lesson.page.wait_for_function(_MOVED, arg=steps[-1]["active"])
        # JupyterLab keeps the deck open over a reload, and the next test would begin in it.
        lesson.page.evaluate(_COMMAND, ["deck:stop", {}])
        lesson.page.wait_for_function("() => document.body.dataset.jpDeckMode !== 'presenting'")
        lesson.page.wait_for_timeout(500)
        return cells, steps

    return walked


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_the_deck_shows_every_slide_without_scrolling(walk, path):
    number = path.name[:2]
    cells, steps = walk(number, live=number in WITH_EXPLORERS)
    assert len(steps) < MOST_STEPS
    assert all(step["mode"] == "presenting" for step in steps)

    shown = {place for step in steps for place in step["cells"]}
    kinds = [slide_type(cell) for cell in cells]
    hidden = {place for place, kind in enumerate(kinds) if kind in ("notes", "skip")}
    assert shown == set(range(len(cells))) - hidden, (
        "cells that a presenter never gets to, or notes on the wall"
    )

    too_high = [(step["cells"], round(step["height"])) for step in steps if step["height"] > 1000]
    assert not too_high, f"slides of more than the window's 1000 pixels: {too_high}"
