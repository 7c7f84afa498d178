"""The HTML slides that the teaching command writes, on screens of two sizes and on paper, without a network."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from browser.test_deck import LEAST_CODE, LEAST_TEXT, ROUNDED, SIZES
from mobilenet_lib import course
from mobilenet_lib.teaching import _notebooks, _pages, _slides

# The smallest text and code in % of a slide's height, what is higher or wider than its slide, and code that draws.
_MEASURE = """
() => {
  const slides = Array.from(document.querySelectorAll(".slides > section"));
  slides.forEach((slide) => slide.style.setProperty("display", "block", "important"));
  const found = { text: [Infinity], code: [Infinity], high: [], sources: 0 };
  const height = 720;
  for (const slide of slides) {
    const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      const { data, parentElement: at } = texts.currentNode;
      if (!data.trim() || at.closest("math")) continue;
      const size = [(100 * parseFloat(getComputedStyle(at).fontSize)) / height, data.trim().slice(0, 40)];
      const kind = at.closest("pre, code, table") ? "code" : "text";
      if (size[0] < found[kind][0]) found[kind] = size;
    }
    if (Math.max(slide.scrollHeight, slide.offsetHeight) > height + 1) found.high.push(slide.innerText.slice(0, 40));
    if (slide.scrollWidth > slide.offsetWidth + 1) found.high.push("wide: " + slide.innerText.slice(0, 40));
  }
  // How large a slide is on the screen, of the height that there is.
  found.scale = slides[0].getBoundingClientRect().height / window.innerHeight;
  found.drawing = Array.from(document.querySelectorAll(".code_cell")).filter(
    (cell) => cell.querySelector(".output img") && cell.querySelector(".input_area")).map((cell) => cell.id);
  return found;
}
"""


@pytest.fixture
def slides(page: Page, tmp_path):
    """Opens a lesson's slides as they are written; a request to anything else is an error."""

    def opened(number: str, **size: int) -> Page:
        (lesson,) = _notebooks.lessons([number])
        path = _pages.write(tmp_path / "slides.html", _slides.slides(lesson))
        page.set_viewport_size(size or SIZES[0])
        page.on("request", lambda asked: pytest.fail(asked.url) if not re.match("file:|data:", asked.url) else None)
        page.goto(path.as_uri())
        return page

    return opened


@pytest.mark.parametrize("lesson", course.LESSONS, ids=lambda lesson: lesson.number)
def test_slides_can_be_read_from_the_back_and_fit(slides, lesson):
    page = slides(lesson.number)
    for size in SIZES:
        page.set_viewport_size(size)
        page.wait_for_timeout(200)
        _check(page.evaluate(_MEASURE), 1)
    page.emulate_media(media="print")  # a sheet is a slide, as `_slides.to_pdf` prints it
    _check(page.evaluate(_MEASURE), 720 / SIZES[-1]["height"])


def _check(found: dict, scale: float) -> None:
    assert found["scale"] == pytest.approx(scale, abs=0.01)
    assert found["text"][0] >= LEAST_TEXT - ROUNDED, found["text"]
    assert found["code"][0] >= LEAST_CODE - ROUNDED, found["code"]
    assert not found["high"]
    assert not found["drawing"], "code that draws"


def test_arrows_lead_from_slide_to_slide_and_each_has_its_number(slides):
    page = slides("01")
    number = page.locator(".slide-number")
    assert re.fullmatch(r"1 / \d+", number.inner_text())
    page.keyboard.press("ArrowRight")
    assert number.inner_text().startswith("2 / ")
    page.keyboard.press("ArrowLeft")
    assert number.inner_text().startswith("1 / ")
    page.get_by_role("button", name="next slide").click()
    assert number.inner_text().startswith("2 / ")


def test_a_truth_comes_with_a_step_of_its_own(slides):
    page = slides("01")
    truth = page.locator(".truth").first
    page.evaluate("() => Reveal.slide(Reveal.getIndices(document.querySelector('.truth').closest('section')).h)")
    assert truth.evaluate("(found) => getComputedStyle(found).visibility") == "hidden"
    while page.evaluate("() => Reveal.availableFragments().next"):
        page.keyboard.press("ArrowRight")
    expect(truth).to_have_css("visibility", "visible")  # it fades in
