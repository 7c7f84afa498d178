"""The live manifold explorer in a real browser: its numbers against Python's, its controls, and narrow pages."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from playwright.sync_api import expect

from browser.test_widgets import mount  # the page that holds an explorer without Python
from mobilenet_lib import widgets
from mobilenet_lib.experiments import manifold
from mobilenet_lib.widgets._manifold import random_rows

__all__ = ["mount"]


def test_javascript_runs_the_experiment_as_python_does(mount, page):
    """Every matrix of every seed: the same weights, the same active channels, the same points, errors and scale."""
    mount(widgets.manifold_explorer())
    spiral = manifold.spiral()
    for channels, seed in itertools.product((2, 3, 4, 5, 8, 15, 30), range(1, 31)):
        matrix = random_rows(channels, seed)
        drawn = page.evaluate("([n, seed]) => window.module.randomRows(n, seed)", [channels, seed])
        np.testing.assert_allclose(drawn, matrix, rtol=1e-12)
        found = page.evaluate(
            "(settings) => window.module.experiment(settings)", {"channels": channels, "seed": seed, "scaled": False}
        )
        activated, recovered = manifold.round_trip(spiral, matrix)
        scale = manifold.best_scale(spiral, recovered)
        active = (activated > 0).sum(axis=1)
        assert found["active"] == active.tolist()
        assert found["lost"] == (active < 2).sum()
        np.testing.assert_allclose(found["recovered"], recovered, atol=1e-8)
        assert found["scale"] == pytest.approx(scale)
        assert found["rawError"] == pytest.approx(manifold.relative_error(spiral, recovered))
        assert found["bestError"] == pytest.approx(manifold.relative_error(spiral, scale * recovered))


def test_sliders_and_buttons_redraw_the_spiral(mount, page):
    explorer = widgets.manifold_explorer(3, 1)
    view = mount(explorer)
    for channels in (3, 4):
        lost = widgets.manifold_explorer(channels, 1).frame().loc[channels, "points lost"]
        said = f"With {channels} channels, {lost} of 300 points are lost."
        expect(view.locator(".mnx-verdict")).to_have_text(said)
        expect(view.locator("path")).to_have_count(lost)
        expect(view.locator("circle")).to_have_count(300 - lost)
        page.get_by_label("Channels n").focus()
        page.keyboard.press("ArrowRight")
    before = view.locator("circle").last.get_attribute("cx")
    button = view.get_by_role("button", name="at the best scale")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    assert view.locator("circle").last.get_attribute("cx") != before
    assert page.evaluate("() => window.model.get('scaled')") is True
    page.get_by_label("Random matrix").focus()
    page.keyboard.press("ArrowRight")
    lost = widgets.manifold_explorer(5, 2).frame().loc[5, "points lost"]
    expect(view.locator(".mnx-verdict")).to_have_text(f"With 5 channels, {lost} of 300 points are lost.")
