"""A lesson as slides for a room, in the JupyterLab that the course starts."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from refresh_notebooks import lessons

from browser.test_interaction import SEEN, run_cell

SIZES = ({"width": 1280, "height": 720}, {"width": 1920, "height": 1080})
# What can be read from the back of a room, in % of a slide's height. Explorers have the size of code.
LEAST_TEXT, LEAST_CODE, ROUNDED = 3.5, 2.5, 0.01

# Opens the deck at the first cell and goes forward to cell `last`. Each step says which cells can be seen. Within one
# call, so that no step waits to be painted, which takes far longer on a machine without a graphics processor.
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
  const seen = () => Array.from(notebook.node.querySelectorAll(".jp-Cell"))
    .map((cell, place) => [place, cell.getBoundingClientRect()])
    .filter(([, box]) => box.width > 5 && box.height > 5)
    .map(([place]) => place);
  notebook.activeCellIndex = 0;
  await commands.execute("deck:start", {});
  await until(() => mode() === "presenting", "the deck opens");
  await new Promise((done) => setTimeout(done, 500));  // and is laid out
  const steps = [];
  while (steps.length < most) {
    steps.push({ cells: seen(), mode: mode() });
    const before = notebook.activeCellIndex;
    if (before === last) break;
    await commands.execute("deck:go", { direction: "forward" });
    await until(() => notebook.activeCellIndex !== before, "a step from cell " + before);
  }
  return steps;
}
"""
# Of each cell its height and its smallest text and code, in % of the window's, and what stands in it.
_MEASURE = """
async () => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  await new Promise((done) => setTimeout(done, 500));  // a new size of the window is laid out
  const cells = Array.from(notebook.node.querySelectorAll(".jp-Cell"));
  const away = cells.filter((cell) => !cell.classList.contains("jp-deck-mod-onscreen"));
  const percent = (pixels) => (100 * pixels) / window.innerHeight;
  const smallest = (cell, wanted) => {
    const found = [[Infinity, ""]];
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { data, parentElement: at } = texts.currentNode;
      if (!data.trim() || !at.checkVisibility() || at.closest("mjx-container, script, style, .mnx")) continue;
      if (Boolean(at.closest("pre, code, table, .cm-editor, .jp-Placeholder")) !== (wanted === "code")) continue;
      found.push([percent(parseFloat(getComputedStyle(at).fontSize)), data.trim().slice(0, 40)]);
    }
    return found.reduce((one, other) => (other[0] < one[0] ? other : one));
  };
  away.forEach((cell) => cell.classList.add("jp-deck-mod-onscreen"));
  const measured = cells.map((cell) => ({
    height: percent(cell.getBoundingClientRect().height), explorer: Boolean(cell.querySelector(".mnx")),
    text: smallest(cell, "text"), code: smallest(cell, "code"),
    draws: Boolean(cell.querySelector(".jp-OutputArea img")),
    source: Boolean(cell.querySelector(".cm-editor")?.checkVisibility()),
  }));
  away.forEach((cell) => cell.classList.remove("jp-deck-mod-onscreen"));
  return measured;
}
"""
# JupyterLab renders the cells further down when it finds the time.
_RENDERED = "() => window.jupyterapp.shell.currentWidget.content.widgets.every((cell) => !cell.isPlaceholder())"
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
# Runs some cells, in the order of the notebook, and waits for the last.
_RUN = """
async (places) => {
  const { commands, shell } = window.jupyterapp;
  const notebook = shell.currentWidget.content;
  notebook.deselectAll();
  notebook.activeCellIndex = places[0];
  places.forEach((place) => notebook.select(notebook.widgets[place]));
  await commands.execute("notebook:run-cell");
}
"""
_IS_KEPT = """
async () => {
  const kept = await (await fetch("/lab/api/settings/jupyterlab-slideshow:plugin")).json();
  return kept.settings.active === true;
}
"""
MOST_STEPS = 200
HIDDEN = ("notes", "skip")
WALKED = (
    "00",
    "03",
)  # step by step, from the first cell to the last; which cells a slide holds is a rule of every lesson


def slide_type(cell: dict) -> str:
    return cell["metadata"].get("slideshow", {}).get("slide_type", "")


def _explorers(cells: list[dict]) -> list[int]:
    """The cells that show an explorer, and before them those that give what they use.

    What is stored in an explorer's place is its static form, figure and table, which is for a page.
    """
    wanted, used = [], set()
    for place, cell in reversed(list(enumerate(cells))):
        if cell["cell_type"] == "code":
            names = [node for node in ast.walk(ast.parse(cell["source"])) if isinstance(node, ast.Name | ast.alias)]
            given = {node.asname or node.name for node in names if isinstance(node, ast.alias)}
            given |= {node.id for node in names if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
            if given & used or any(call in cell["source"] for call in ("_explorer(", "_stepper(", ".try_your_own(")):
                wanted.append(place)
                used |= {node.id for node in names if isinstance(node, ast.Name)}
    return wanted[::-1]


@pytest.fixture
def deck(open_next):
    """Opens a lesson in the size of a projector, its explorers live and no output folded; ends its deck afterwards."""
    opened = []

    def ready(name: str) -> tuple[Page, list[dict]]:
        page = (lesson := open_next(name)).page
        opened.append(page)
        page.set_viewport_size(SIZES[0])
        if live := _explorers(cells := lesson.cells()):
            page.evaluate(_RUN, live)
            assert not lesson.errors()
        page.evaluate(_OPEN_OUTPUTS)  # those that stay collapsed until they are run must fit too
        page.wait_for_function(_RENDERED)
        return page, cells

    yield ready
    for page in opened:  # JupyterLab keeps the deck open over a reload, and the next test would begin in it.
        page.evaluate(_END)
        page.wait_for_timeout(500)  # JupyterLab saves that the deck is closed


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


@pytest.mark.parametrize("name", WALKED)
def test_a_presenter_gets_to_every_cell_and_no_notes_are_on_the_wall(deck, name):
    page, cells = deck(name)
    kinds = [slide_type(cell) for cell in cells]
    last = max(place for place, kind in enumerate(kinds) if kind in ("slide", "fragment"))
    steps = page.evaluate(_WALK, [last, MOST_STEPS])
    assert len(steps) < MOST_STEPS
    assert all(step["mode"] == "presenting" for step in steps)
    hidden = {place for place, kind in enumerate(kinds) if kind in HIDDEN}
    assert {place for step in steps for place in step["cells"]} == set(range(len(cells))) - hidden


@pytest.mark.parametrize("path", lessons(), ids=lambda path: path.stem)
def test_every_slide_is_readable_from_the_back_and_whole(deck, path):
    page, cells = deck(path.name[:2])
    page.evaluate(_BEGIN, cells[0]["id"])
    page.wait_for_function(_PRESENTING)
    kinds = [slide_type(cell) for cell in cells]
    for size in SIZES:
        page.set_viewport_size(size)
        measured = page.evaluate(_MEASURE)
        seen = [cell for cell, kind in zip(measured, kinds, strict=True) if kind not in HIDDEN]
        assert min(cell["text"] for cell in seen)[0] >= LEAST_TEXT - ROUNDED, size
        assert min(cell["code"] for cell in seen)[0] >= LEAST_CODE - ROUNDED, size
        assert not [cell for cell in seen if cell["draws"] and cell["source"]], f"{size}: code that draws"
        assert not (high := list(_too_high(measured, kinds))), f"{size}: higher than the window: {high}"


def _too_high(measured: list[dict], kinds: list[str]) -> Iterator[tuple[list[int], int]]:
    """The slides that would scroll, as cells and % of the window's height. An explorer may, alone on its slide."""
    slides = []
    for place, kind in enumerate(kinds):
        slides += [[]] if kind == "slide" else []
        slides[-1] += [place] if kind not in HIDDEN else []
    for slide in slides:
        height = sum(measured[place]["height"] for place in slide)
        if height > 100 and not (len(slide) == 1 and measured[slide[0]]["explorer"]):
            yield slide, round(height)


def test_who_closed_the_tab_inside_a_deck_begins_outside_of_it(page, server, open_lesson):
    tab = page.context.new_page()
    tab.goto(f"{server.url}/lab/tree/notebooks/00_start_here.ipynb?token={server.token}")
    tab.locator(".jp-Notebook .jp-Cell").first.wait_for()
    tab.evaluate("() => window.jupyterapp.restored.then(() => {})")
    tab.evaluate(_BEGIN, "title")
    tab.wait_for_function(_IS_KEPT)  # JupyterLab saves that the deck is open
    tab.close()

    page = open_lesson("00").page
    page.wait_for_timeout(2000)  # a deck that is kept opens by then
    assert not page.evaluate(_PRESENTING)
    assert not page.evaluate(_IS_KEPT)
