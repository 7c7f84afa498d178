"""The live design explorer in a real browser: counts, titles and front against Python's, controls, narrow pages."""

from __future__ import annotations

import random
from pathlib import Path

import nbformat
import pytest
from explorers import made_up
from playwright.sync_api import expect

from browser.test_widgets import _notebook, _run_until, mount
from mobilenet_lib import widgets
from mobilenet_lib.experiments import design
from mobilenet_lib.experiments.design import COSTS, Budget, Design

__all__ = ["mount"]

START = Design("v2", 0.25, expansion=3)
BUDGET = Budget(macs=2_000_000, params=150_000)


@pytest.fixture
def explorer():
    return widgets.design_explorer(START, BUDGET, made_up())


def test_javascript_counts_names_and_ranks_as_python(explorer, mount, page):
    mount(explorer)
    rng = random.Random(0)
    designs = list(design.TRAINED.values())
    for _ in range(40):
        family = rng.choice(("v1", "v2"))
        strides = [rng.choice((1, 2)) for _ in range({"v1": 13, "v2": 7}[family])]
        width = rng.choice((0.1, 0.35, round(rng.uniform(0.1, 1.4), 2)))
        numbers = (rng.randint(8, 64), rng.randint(1, 6), rng.choice((1, 2)))
        designs.append(Design(family, width, *numbers, tuple(strides)))
    settings = [widgets.design_explorer(one).settings for one in designs]
    count = "(all) => all.map((one) => [window.module.titleOf(one), window.module.costsOf(one)])"
    counted = page.evaluate(count, settings)
    assert counted == [[one.title, {cost: getattr(one.table, cost) for cost in COSTS}] for one in designs]
    frame = made_up()
    for cost in COSTS:
        ranked = "([points, cost]) => window.module.frontOf(points, cost).map(({ name }) => name)"
        found = page.evaluate(ranked, [explorer.points, cost])
        assert found == design.front(frame, cost)


def test_the_budget_is_judged_in_words_and_the_controls_move_it(explorer, mount, page):
    view = mount(explorer)
    verdict = view.locator(".mnx-verdict")
    expect(verdict).to_have_text("V2 α=0.25 t=3: ✗ breaks the budget.")
    expect(view.locator(".mnx-budget")).to_contain_text("✗ too much, 119 % of 150 k")
    expect(view.locator(".mnx-about")).to_contain_text("Recorded for this very design")
    page.get_by_label("Expansion t").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    expect(verdict).to_have_text("V2 α=0.25 t=1: ✓ keeps the budget.")
    page.get_by_label("Compare by").select_option("weights")
    expect(view.locator(".mnx-plot-frame h3")).to_contain_text("over weights")
    marks = view.locator(".mnx-point").all_text_contents()
    assert marks.count("●") == sum(one.family == "v1" for one in design.TRAINED.values())
    page.get_by_label("Network", exact=True).select_option("MobileNet V1")
    expect(view.get_by_label("Expansion t")).to_be_hidden()
    view.get_by_role("button", name="stride of the stem: 1").click()
    expect(verdict).to_have_text("V1 α=0.25 stem stride 2: ✗ breaks the budget.")


def test_python_takes_the_design_over_from_the_sliders(notebooks: Path, open_lesson, page):
    source = "from mobilenet_lib import widgets\nexplorer = widgets.design_explorer()\nexplorer"
    nbformat.write(_notebook(source), notebooks / "design.ipynb")
    open_lesson("design").run_all()
    view = page.locator(".mnx")
    view.get_by_role("button", name="stride of the stem: 1").click()
    width = view.get_by_label("Width multiplier")
    answer = "if explorer.design.title == 'V1 α=0.25 stem stride 2': explorer.width_multiplier = 0.5"
    _run_until(page, answer, width, "0.5")
    expect(view.locator(".mnx-verdict")).to_contain_text("V1 α=0.5 stem stride 2: no budget is set")
