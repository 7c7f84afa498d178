"""What a learner sees who opens a lesson and runs it."""

from __future__ import annotations

import nbformat
from refresh_notebooks import NOTEBOOK_METADATA

_IMAGES = """
() => Array.from(document.querySelectorAll(".jp-OutputArea-output img"))
  .map((image) => ({ alt: image.alt, width: image.naturalWidth }))
"""


def test_the_first_lesson_runs_and_shows_its_figures(open_next):
    lesson = open_next("00")
    lesson.run_all()
    assert not lesson.errors()

    code = [cell for cell in lesson.cells() if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))

    figures = sum("image/png" in output.get("data", {}) for output in lesson.outputs())
    assert figures
    images = lesson.page.evaluate(_IMAGES)
    assert len(images) >= figures
    assert all(image["width"] > 100 and len(image["alt"]) >= 20 for image in images)


def test_an_error_in_a_lesson_is_seen(open_next, notebooks):
    """Without this, the test above could pass because it looks in the wrong place."""
    broken = nbformat.v4.new_notebook(metadata=NOTEBOOK_METADATA)
    broken.cells = [nbformat.v4.new_code_cell("1 / 0"), nbformat.v4.new_code_cell("print('not reached')")]
    nbformat.write(broken, notebooks / "99_broken.ipynb")
    lesson = open_next("99")
    lesson.run_all()
    assert lesson.errors() == ["cell 0: ZeroDivisionError: division by zero"]
    assert lesson.cells()[1]["execution_count"] is None
