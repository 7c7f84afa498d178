"""The refresh command stores facts only, and nothing at all where a cell fails."""

from __future__ import annotations

import nbformat
import pytest
import refresh_notebooks

TIMING = {"execution": {"iopub.status.busy": "2026-01-01T00:00:00Z"}, "tags": ["kept"]}


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    """A lesson that prints in two steps and shows a figure, with what JupyterLab leaves in a notebook it saved."""
    monkeypatch.setattr(refresh_notebooks, "NOTEBOOKS", tmp_path)
    notebook = nbformat.v4.new_notebook(
        metadata={"widgets": {}, "kernelspec": {"name": "mine", "display_name": "Mine"}}
    )
    notebook.cells = [
        nbformat.v4.new_markdown_cell("# A lesson", id="title"),
        nbformat.v4.new_code_cell("print(1, flush=True); print(2)\n{'b': 1, 'a': 2}", id="kept-id", metadata=TIMING),
        nbformat.v4.new_code_cell("import os; os.environ['MOBILENET_INTERACTIVE']", id="mode", execution_count=7),
    ]
    path = tmp_path / "01_lesson.ipynb"
    nbformat.write(notebook, path)
    return path


def test_twice_gives_the_same_bytes_and_drops_when_and_where(lesson, capsys):
    assert refresh_notebooks.refresh(lesson)
    first = lesson.read_bytes()
    assert refresh_notebooks.refresh(lesson)
    assert lesson.read_bytes() == first
    assert "refreshed" in capsys.readouterr().out.splitlines()[0]

    notebook = nbformat.read(lesson, as_version=4)
    assert notebook.metadata == refresh_notebooks.NOTEBOOK_METADATA
    assert [cell.id for cell in notebook.cells] == ["title", "kept-id", "mode"]
    printed, shown = notebook.cells[1].outputs
    assert (printed.text, shown.data["text/plain"]) == ("1\n2\n", "{'b': 1, 'a': 2}")
    assert notebook.cells[1].metadata == {"tags": ["kept"]}
    assert notebook.cells[2].outputs[0].data["text/plain"] == "'0'"
    assert [path.name for path in lesson.parent.iterdir()] == [lesson.name]


def test_a_failing_cell_is_shown_and_the_file_stays(lesson, capsys):
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells[2].source = "1 / 0"
    nbformat.write(notebook, lesson)
    before = lesson.read_bytes()
    assert not refresh_notebooks.refresh(lesson)
    said = capsys.readouterr().err
    assert "1 / 0" in said
    assert "ZeroDivisionError" in said
    assert lesson.read_bytes() == before


def test_lessons_are_chosen_by_the_start_of_their_names(lesson):
    assert refresh_notebooks.lessons() == refresh_notebooks.lessons(["01"]) == [lesson]
    with pytest.raises(ValueError, match="no lesson begins with '07'; there are 01_lesson"):
        refresh_notebooks.lessons(["01", "07"])


@pytest.mark.parametrize(("name", "threads"), [("07_times.ipynb", "None"), ("08_digits.ipynb", "'1'")])
def test_a_lesson_about_times_has_all_threads(lesson, monkeypatch, name, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(lesson, as_version=4)
    notebook.cells = [nbformat.v4.new_code_cell("import os; print(repr(os.environ.get('OMP_NUM_THREADS')))", id="ask")]
    nbformat.write(notebook, lesson.with_name(name))
    assert refresh_notebooks.run(lesson.with_name(name)).cells[0].outputs[0].text.strip() == threads
