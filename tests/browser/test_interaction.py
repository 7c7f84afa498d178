"""A learner guesses and then sees, writes a function wrongly and then rightly, and finds it in the progress."""

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


def test_a_guess_is_answered_and_not_before(open_next):
    lesson = open_next("01")
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
    guess.fill("1.2k")
    guess.press("Enter")
    form = page.locator(".mobilenet-guess", has_text="A 4×4 input")
    expect(form).to_contain_text("1,200 MACs. It counts once you see the truth")
    form.get_by_role("button", name="Change my guess").click()
    guess.fill("12")
    guess.press("Enter")
    expect(form).to_contain_text("12 MACs. It counts")
    expect(form).not_to_contain_text("36")
    page.keyboard.press("Enter")  # the focus is on "See the truth"
    expect(form).to_contain_text("36 MACs")
    expect(form).to_contain_text("3 times too low")

    # The guess outlives the kernel; the form does not, and says so.
    page.evaluate("window.jupyterapp.shell.currentWidget.context.sessionContext.restartKernel()")
    expect(form).to_contain_text("The kernel was restarted")
    expect(form).to_contain_text("Shift + Enter")
    run_cell(lesson, "imports")
    run_cell(lesson, "predict-4x4")
    expect(page.get_by_text("Your guess: 12 MACs.")).to_be_visible()
    expect(page.get_by_text("The kernel was restarted")).to_be_hidden()


def test_a_fraction_is_asked_back_where_per_cent_is_the_unit(open_next):
    lesson = open_next("02")
    run_cell(lesson, "imports")
    run_cell(lesson, "predict-where")
    form = lesson.page.locator(".mobilenet-guess")
    form.get_by_role("textbox", name="Your guess").fill("1/2")
    form.get_by_role("textbox", name="Your guess").press("Enter")
    form.get_by_role("button", name="0.5 %").wait_for()
    form.get_by_role("button", name="50 %", exact=True).click()
    form.get_by_role("button", name="See the truth").click()
    expect(form).to_contain_text("1.97 times too low")


SEEN = """
(id) => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets.find((one) => one.model.id === id);
  return Array.from(cell.node.querySelectorAll(".jp-OutputArea-output")).some((one) => one.checkVisibility());
}
"""
_SHOW_CELL = """
async (id) => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  await notebook.scrollToItem(notebook.widgets.findIndex((one) => one.model.id === id), "start", 0);
}
"""


def test_what_reveals_a_truth_is_collapsed_until_it_is_run(open_next):
    lesson = open_next("02")
    page = lesson.page
    hidden = [cell["id"] for cell in lesson.cells() if cell["metadata"].get("jupyter", {}).get("outputs_hidden")]
    assert "law-see" in hidden
    for name in hidden:
        page.evaluate(_SHOW_CELL, name)
        assert not page.evaluate(SEEN, name), name
    page.evaluate(_SHOW_CELL, "motivation-cost")
    page.wait_for_function(SEEN, arg="motivation-cost")
    # The stored answer of a form, from a run without a learner, is folded as well.
    page.evaluate(_SHOW_CELL, "predict-ratio")
    page.wait_for_function(SEEN, arg="predict-ratio")
    expect(page.get_by_text("Truth: 0.1189 of the standard MACs")).to_be_hidden()

    run_cell(lesson, "imports")
    run_cell(lesson, "law-see")
    page.wait_for_function(SEEN, arg="law-see")
    expect(page.get_by_text("1/128 + 1/9 = 0.1189")).to_be_visible()


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
