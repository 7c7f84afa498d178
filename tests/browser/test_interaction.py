"""A learner guesses, writes a function wrongly and then rightly, and finds it in the progress."""

from __future__ import annotations

from playwright.sync_api import expect

# Changes a cell's text as typing would, and runs that cell only.
_RUN_CELL = """
async ([id, source]) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  notebook.activeCellIndex = notebook.widgets.findIndex(w => w.model.id === id);
  if (source !== null) notebook.activeCell.model.sharedModel.setSource(source);
  await window.jupyterapp.commands.execute("notebook:run-cell");
}
"""


def run_cell(lesson, cell_id: str, source: str | None = None) -> str:
    """Run one cell, with another text where one is given; what it shows as text."""
    lesson.page.evaluate(_RUN_CELL, [cell_id, source])
    (cell,) = (cell for cell in lesson.cells() if cell["id"] == cell_id)
    return "\n".join(
        "".join(output.get("text", "")) + "".join(output.get("data", {}).get("text/plain", ""))
        for output in cell["outputs"]
    )


def test_a_guess_is_answered_and_not_before(open_lesson):
    lesson = open_lesson("01")
    run_cell(lesson, "imports")
    stored = run_cell(lesson, "predict-4x4")
    assert "36" not in stored, "the truth is in the page before the guess"

    page = lesson.page
    guess = page.get_by_role("textbox", name="Your guess").first
    guess.scroll_into_view_if_needed()
    expect(guess).to_be_visible()
    guess.fill("many")
    guess.press("Enter")
    expect(page.get_by_text("No guess taken yet")).to_be_visible()
    guess.fill("12")
    guess.press("Enter")
    form = page.locator(".jp-Cell", has=page.get_by_text("Your guess: 12 MACs."))
    expect(form).to_contain_text("36 MACs")
    expect(form).to_contain_text("3 times too low")

    # The guess outlives the kernel.
    page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.restartKernel()")
    page.wait_for_timeout(1500)
    run_cell(lesson, "imports")
    run_cell(lesson, "predict-4x4")
    expect(page.get_by_text("Your guess: 12 MACs.")).to_be_visible()


def test_an_exercise_wrong_then_right(open_lesson):
    lesson = open_lesson("02")
    run_cell(lesson, "imports")
    run_cell(lesson, "macs-stub")
    assert "not attempted yet" in run_cell(lesson, "macs-check")

    head = "def separable_macs(in_channels, out_channels, kernel_size, height, width):\n    places = height * width\n"
    wrong = head + ("    return places * kernel_size**2 * (in_channels + in_channels * out_channels)")
    run_cell(lesson, "macs-stub", wrong)
    told = run_cell(lesson, "macs-check")
    assert "Correct" not in told
    assert "1×1" in told, f"the message should name the pointwise kernel counted as k×k: {told}"

    run_cell(lesson, "macs-stub", head + "    return 1 / 0")
    told = run_cell(lesson, "macs-check")
    assert "ZeroDivisionError" in told
    assert "Traceback" not in told

    right = head + "    return places * in_channels * (kernel_size**2 + out_channels)"
    run_cell(lesson, "macs-stub", right)
    assert "Correct" in run_cell(lesson, "macs-check")

    start = open_lesson("00")
    shown = run_cell(start, "progress")
    assert "1 of 6" in shown, f"lesson 02 has one of six exercises solved: {shown}"
