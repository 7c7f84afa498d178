"""A lesson as slides for a room, in the JupyterLab that the course starts."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from refresh_notebooks import lessons

from browser.test_interaction import SEEN, run_cell

# Opens the deck at the first cell and goes forward to cell `last`. Each step says which cells can be seen, and how high
# the slide is, in pixels: asking for a box lays the page out. Within one call, so that no step waits to be painted,
# which takes far longer on a machine without a graphics processor.
_WALK = """
async ([last, most]) => {
  const { commands, shell } = window.jupyterapp;
  const notebook = shell.currentWidget.content;
  const mode = () => document.body.dataset.jpDeckMode;
  const moment = () => new Promise((done) => setTimeout(done, 10));
  const until = async (met, what) => {
    const end = Date.now() + 300000;
    while (!met()) {
      if (Date.now() > end) throw new Error("waited in vain: " + what);
      await moment();
    }
  };
  const slide = () => {
    const seen = Array.from(notebook.node.querySelectorAll(".jp-Cell"))
      .map((cell, place) => [place, cell.getBoundingClientRect()])
      .filter(([, box]) => box.width > 5 && box.height > 5);
    return {
      cells: seen.map(([place]) => place),
      height: Math.max(...seen.map(([, box]) => box.bottom)) - Math.min(...seen.map(([, box]) => box.top)),
      mode: mode(),
    };
  };
  // JupyterLab renders the cells further down when it finds the time.
  await until(() => notebook.widgets.every((cell) => !cell.isPlaceholder()), "every cell is rendered");
  notebook.activeCellIndex = 0;
  await commands.execute("deck:start", {});
  await until(() => mode() === "presenting", "the deck opens");
  await new Promise((done) => setTimeout(done, 500));  // and is laid out
  const steps = [];
  while (steps.length < most) {
    steps.push(slide());
    const before = notebook.activeCellIndex;
    if (before === last) break;
    await commands.execute("deck:go", { direction: "forward" });
    await until(() => notebook.activeCellIndex !== before, "a step from cell " + before);
  }
  // JupyterLab keeps the deck open over a reload, and the next test would begin in it.
  await commands.execute("deck:stop", {});
  await until(() => mode() !== "presenting", "the deck closes");
  return steps;
}
"""
_OPEN_OUTPUTS = "() => window.jupyterapp.commands.execute('notebook:show-all-cell-outputs').then(() => {})"
# Begins the deck at a cell.
_BEGIN = """
async (id) => {
  const { commands, shell } = window.jupyterapp;
  const notebook = shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.findIndex((one) => one.model.id === id);
  await commands.execute("deck:start", {});
}
"""
_END = "() => window.jupyterapp.commands.execute('deck:stop', {}).then(() => {})"
_PRESENTING = "() => document.body.dataset.jpDeckMode === 'presenting'"
MOST_STEPS = 200
# Walked live: what is stored in an explorer's place is its static form, figure and table, which is for a page.
WITH_EXPLORERS = frozenset({"00", "01", "02", "04", "05", "06"})


def slide_type(cell: dict) -> str:
    return cell["metadata"].get("slideshow", {}).get("slide_type", "")


@pytest.fixture
def walk(open_next):
    """Opens a lesson's deck and goes forward to the end; returns the cells and what each step showed.

    live: run the lesson first, so that explorers and forms stand where the stored outputs did.
    """

    def walked(name: str, live: bool) -> tuple[list[dict], list[dict]]:
        lesson = open_next(name)
        if live:
            lesson.run_all()
        lesson.page.evaluate(_OPEN_OUTPUTS)  # those that stay collapsed until they are run must fit too
        cells = lesson.cells()
        last = max(place for place, cell in enumerate(cells) if slide_type(cell) in ("slide", "fragment"))
        steps = lesson.page.evaluate(_WALK, [last, MOST_STEPS])
        lesson.page.wait_for_timeout(500)  # JupyterLab saves that the deck is closed
        return cells, steps

    return walked


# First in the file: a lesson that was run is saved with its outputs open.
def test_the_truth_is_out_of_sight_in_class_until_its_cell_is_run(open_next):
    page = (lesson := open_next("06")).page
    page.evaluate(_BEGIN, "place-see")
    page.wait_for_function(_PRESENTING)
    page.locator(".jp-Cell", has_text="MACs at one spatial position").first.wait_for()  # it is on the wall
    assert not page.evaluate(SEEN, "place-see")
    run_cell(lesson, "place-see")
    page.wait_for_function(SEEN, arg="place-see")
    expect(page.get_by_text("3456 + 1296 + 3456 = 8208 MACs")).to_be_visible()
    page.evaluate(_END)
    page.wait_for_timeout(500)  # JupyterLab saves that the deck is closed


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_the_deck_shows_every_slide_without_scrolling(walk, path):
    number = path.name[:2]
    cells, steps = walk(number, live=number in WITH_EXPLORERS)
    assert len(steps) < MOST_STEPS
    assert all(step["mode"] == "presenting" for step in steps)

    shown = {place for step in steps for place in step["cells"]}
    kinds = [slide_type(cell) for cell in cells]
    hidden = {place for place, kind in enumerate(kinds) if kind in ("notes", "skip")}
    assert shown == set(range(len(cells))) - hidden, "cells that a presenter never gets to, or notes on the wall"

    too_high = [(step["cells"], round(step["height"])) for step in steps if step["height"] > 1000]
    assert not too_high, f"slides of more than the window's 1000 pixels: {too_high}"
