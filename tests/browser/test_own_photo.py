"""A learner gives the form of lesson 11 an image, a file that is none, and one that is too large."""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image
from playwright.sync_api import expect

from browser.test_interaction import run_cell
from mobilenet_lib import data

# What the lesson has by then, without its inference runtimes.
_FORM = """
from mobilenet_lib import data, weights, widgets
from mobilenet_lib.experiments.shipping import shipped
test = data.load("fashion_mnist", "test")
widgets.try_your_own(shipped.dynamic(weights.recorded(shipped.NETWORK)), test.classes, test)
"""


def _trouser(light: bool = False) -> bytes:
    test = data.load("fashion_mnist", "test")
    image = test.images[int(np.flatnonzero(test.labels == 1)[0])][0, 2:-2, 2:-2]
    if light:
        image = 255 - np.pad(image, 40)
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_a_photo_is_classified_and_other_files_are_refused(open_lesson):
    lesson = open_lesson("11")
    stored = run_cell(lesson, "own-try", _FORM)
    assert stored == "A form for your own photo. (Run this cell to use it.)"

    page = lesson.page
    form = page.locator(".mobilenet-photo")
    field = page.get_by_label("Your photo")
    field.scroll_into_view_if_needed()

    def give(name: str, content: bytes) -> None:
        field.set_input_files({"name": name, "mimeType": "image/png", "buffer": content})

    give("my trousers.png", _trouser())
    expect(form).to_contain_text("Trouser, says the network (100 %)")
    expect(form.get_by_role("img")).to_have_attribute("alt", re.compile(r"my trousers.png: Trouser"))

    give("diary.png", b"Dear diary, today")
    expect(form).to_contain_text("diary.png is not an image that can be read here")
    expect(form.get_by_role("img")).to_have_count(0)

    give("poster.png", bytes(9_500_000))
    expect(form).to_contain_text("poster.png has 9.5 MB; the way from this page to Python takes")

    give("my trousers on paper.png", _trouser(light=True))
    expect(form).to_contain_text("lighter than its object")
    swap = form.get_by_role("button", name="Swap light and dark")
    swap.click()
    expect(form).to_contain_text("Trouser, says the network")
    expect(swap).to_have_count(0)
    expect(page.get_by_label("its ground is lighter")).to_be_checked()
