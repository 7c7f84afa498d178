"""Compare the images that a lesson draws with those it stores, which nbval does not: a pytest plugin.

Another processor moves a line by a hair and another FreeType shifts a letter by a pixel, so bytes cannot be compared.
What counts is how far a pixel lies outside everything within REACH pixels of the same position in the other image: a
thin line one pixel further down is still near, a bar that ends elsewhere is not. Its root mean square over a square of
TILE × TILE pixels must stay below LIMIT; over the whole image, a wrong bar would drown in white paper.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Generator

import numpy as np
import pytest
from nbval.plugin import IPyNbCell
from PIL import Image, ImageFilter

REACH = 2  # pixels, of 144 to an inch
TILE = 24  # pixels
LIMIT = 30.0  # of 255; HARD_USE.md says what was measured

# The tag of a cell whose figure comes from a run or a clock in the lesson, so that it differs from machine to machine.
LIVE = "live-image"

Drawing = Image.Image


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """After nbval has run a cell and compared its text, compare its images."""
    result = yield
    if isinstance(item, IPyNbCell) and item.options["check"]:
        cell = item.cell
        if LIVE not in cell.metadata.get("tags", ()):
            problem = compare(images(cell.outputs), images(item.test_outputs))
            if problem:
                item.raise_cell_error(f"Cell images differ: {problem}")
    return result


def images(outputs: list[dict]) -> list[bytes]:
    """The PNGs among a cell's outputs, in order."""
    found = [output.get("data", {}).get("image/png") for output in outputs]
    return [base64.b64decode(image) for image in found if image is not None]


def compare(stored: list[bytes], drawn: list[bytes]) -> str:
    """What differs, and what to do about it; "" where nothing does."""
    if len(stored) != len(drawn):
        return f"{len(stored)} are stored, {len(drawn)} were drawn; refresh the lesson"
    for number, (old, new) in enumerate(zip(stored, drawn, strict=True), 1):
        worst, place = difference(old, new)
        if worst > LIMIT:
            return (
                f"image {number} is {worst:.0f} of 255 off around x = {place[0]}, y = {place[1]} (allowed: "
                f"{LIMIT:.0f}). If the change is meant, refresh the lesson; if the figure shows what was timed or "
                f"trained in the lesson, tag its cell {LIVE} and count it in LIVE_IMAGES in tests/notebook_rules.py"
            )
    return ""


def difference(old: bytes, new: bytes) -> tuple[float, tuple[int, int]]:
    """The largest root mean square of a square of two PNGs, 0 to 255, and the square's centre (x, y)."""
    if old == new:
        return 0.0, (0, 0)
    one, other = _same_size(_rgb(old), _rgb(new))
    off = np.maximum(_outside(one, other), _outside(other, one)).mean(axis=2)  # [height, width]
    tall, wide = (-(-length // TILE) for length in off.shape)
    padded = np.zeros((tall * TILE, wide * TILE))
    padded[: off.shape[0], : off.shape[1]] = off
    squares = np.sqrt(padded.reshape(tall, TILE, wide, TILE).mean(axis=(1, 3)))
    down, right = np.unravel_index(squares.argmax(), squares.shape)
    centre = int(right) * TILE + TILE // 2, int(down) * TILE + TILE // 2
    return float(squares.max()), centre


def _rgb(png: bytes) -> Drawing:
    return Image.open(io.BytesIO(png)).convert("RGB")


def _same_size(*pair: Drawing) -> list[Drawing]:
    """White added below and to the right: the edge of a figure follows its longest word."""
    size = max(one.width for one in pair), max(one.height for one in pair)
    made = [Image.new("RGB", size, "white") for _ in pair]
    for canvas, image in zip(made, pair, strict=True):
        canvas.paste(image)
    return made


def _outside(one: Drawing, other: Drawing) -> np.ndarray:
    """For each pixel and colour of `one` the squared distance from the values of `other` within REACH."""
    side = 2 * REACH + 1
    lowest, highest = (
        np.asarray(other.filter(kind(side)), np.int32) for kind in (ImageFilter.MinFilter, ImageFilter.MaxFilter)
    )
    values = np.asarray(one, np.int32)
    return np.maximum(np.maximum(values - highest, lowest - values), 0) ** 2
