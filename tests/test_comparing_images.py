"""A lesson whose stored number or image is wrong turns the run red; what another processor changes does not."""

from __future__ import annotations

import base64
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import comparing_images as images
import nbformat
import numpy as np
import pytest
from patience import patience
from PIL import Image

from mobilenet_lib import plots

TESTS = Path(__file__).parent

BARS = """from mobilenet_lib import plots
fig, axes = plots.figure(width=6, height=2)
plots.bars(axes, ["standard", "separable"], [{length}, 2], unit="MACs", texts=["nine", "two"])
axes.set_xlim(0, 12)
plots.show(fig, alt="Two bars, the upper one longer.")"""


def bars(length: float) -> bytes:
    """The image that BARS draws."""
    fig, axes = plots.figure(width=6, height=2)
    plots.bars(axes, ["standard", "separable"], [length, 2], unit="MACs", texts=["nine", "two"])
    axes.set_xlim(0, 12)
    return plots.png(fig)


def repainted(png: bytes, change) -> bytes:
    """The image with `change` applied to its pixels, uint8 [height, width, 3]."""
    pixels = np.array(Image.open(io.BytesIO(png)).convert("RGB"))
    return _png(change(pixels))


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def a_pixel_lower(pixels: np.ndarray) -> np.ndarray:
    return np.roll(pixels, 1, axis=0)


def softer_edges(pixels: np.ndarray) -> np.ndarray:
    """Each pixel mixed with its right neighbour, as antialiasing half a pixel further would."""
    return ((pixels.astype(int) + np.roll(pixels, 1, axis=1)) // 2).astype(np.uint8)


def a_column_more(pixels: np.ndarray) -> np.ndarray:
    return np.pad(pixels, ((0, 0), (0, 1), (0, 0)), constant_values=255)


@pytest.mark.parametrize("change", [a_pixel_lower, softer_edges, a_column_more])
def test_what_another_machine_draws_passes(change):
    old = bars(9)
    assert images.difference(old, repainted(old, change))[0] < images.LIMIT / 2


@pytest.mark.parametrize("length", [8, 8.9, 9.1])
def test_a_bar_of_another_length_is_found_where_it_ends(length):
    old = bars(9)
    worst, (right, _) = images.difference(old, bars(length))
    assert worst > 2 * images.LIMIT
    width = Image.open(io.BytesIO(old)).width
    assert 0.5 * width < right < 0.9 * width


def test_a_small_mark_in_another_colour_is_found():
    white = np.full((300, 300, 3), 255, np.uint8)
    one, other = white.copy(), white.copy()
    one[100:112, 100:112] = (0, 114, 178)
    other[100:112, 100:112] = (213, 94, 0)
    assert images.difference(_png(one), _png(other))[0] > images.LIMIT


def test_an_image_too_few_is_found():
    assert "1 are stored, 0 were drawn" in images.compare([bars(9)], [])


def _cell(source: str, *outputs, **metadata):
    return nbformat.v4.new_code_cell(source, execution_count=1, outputs=list(outputs), metadata=metadata)


def _figure(png: bytes, length: float, **metadata):
    text, encoded = "Two bars, the upper one longer.", base64.b64encode(png).decode()
    page = f'<img alt="{text}" style="max-width: 100%; background: white" src="data:image/png;base64,{encoded}">'
    data = {"image/png": encoded, "text/plain": text, "text/html": page}
    return _cell(BARS.format(length=length), nbformat.v4.new_output("display_data", data), **metadata)


def test_a_run_is_red_for_a_changed_number_and_a_changed_image(tmp_path):
    def printed(text):
        return nbformat.v4.new_output("stream", name="stdout", text=text)

    right = bars(9)
    cells = [
        (_cell("print(9 * 64, 'MACs')", printed("576 MACs\n")), "PASSED"),
        (_cell("print(9 * 64, 'MACs')", printed("577 MACs\n")), "FAILED"),
        (_figure(right, 9), "PASSED"),
        (_figure(repainted(right, a_pixel_lower), 9), "PASSED"),
        (_figure(right, 8), "FAILED"),
        (_figure(right, 8, tags=[images.LIVE]), "PASSED"),
        (_figure(right, 8, tags=["nbval-ignore-output"]), "PASSED"),
    ]
    lesson = tmp_path / "lesson.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell for cell, _ in cells]), lesson)
    command = [sys.executable, "-m", "pytest", "-c", str(TESTS.parent / "pyproject.toml"), "-v", "--color=no"]
    command += ["--rootdir", str(TESTS.parent), "--nbval-sanitize-with", str(TESTS / "sanitize.cfg")]
    command += ["-p", "comparing_images", "-p", "no:cacheprovider", "--numprocesses=0", str(lesson)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=patience(), check=False)
    outcomes = re.findall(r"::Cell \d+ (\w+)", done.stdout)[: len(cells)]  # then come the failures, at length
    assert outcomes == [outcome for _, outcome in cells], done.stdout
    assert done.returncode == 1
    assert "Cell images differ: image 1 is" in done.stdout
