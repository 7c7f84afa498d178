"""A truth is found by its value where it gives a guess away, and chance is not taken for it."""

from __future__ import annotations

import nbformat
import pytest
from refresh_notebooks import normalise
from revealing import collapsed, given_away

from mobilenet_lib.course.questions import QUESTIONS

SLIDE = {"slideshow": {"slide_type": "slide"}}


def text(source: str, name: str = "text") -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(source, id=name, metadata=SLIDE)


def code(name: str, output: str, source: str = "see()") -> nbformat.NotebookNode:
    stream = nbformat.v4.new_output("stream", name="stdout", text=output)
    return nbformat.v4.new_code_cell(source, id=name, outputs=[stream] if output else [])


def form(question: str) -> nbformat.NotebookNode:
    return code("form", f"? {QUESTIONS[question].prompt}", f'predict("{question}")')


def test_what_stands_in_the_section_of_a_form_is_collapsed_and_no_form_nor_check():
    cells = [
        code("before", "1"),
        text("## Ask"),
        form("01.stride_two"),
        code("see", "57,802,752"),
        text("So."),
        code("b", "x"),
    ]
    cells += [code("check", "not attempted", "check(f)"), text("## Next", "next"), code("next-one", "2")]
    assert collapsed(cells) == {"see", "b"}


def test_a_cell_that_is_tagged_answers_a_question_of_the_prose():
    cells = [text("What will it be?"), code("see", "1"), code("after", "2")]
    cells[1].metadata["tags"] = ["answer"]
    assert collapsed(cells) == {"see"}


def test_a_section_without_an_output_is_answered_by_the_next_slide():
    cells = [
        text("## Ask"),
        form("01.stride_two"),
        text("## See"),
        code("see", "1"),
        code("plot", "2"),
        text("More"),
        code("c", "3"),
    ]
    assert collapsed(cells) == {"see", "plot"}
    assert collapsed([*cells[:2], text("## An exercise"), text("## See"), code("see", "1")]) == set()


@pytest.mark.parametrize(
    ("question", "output", "found"),
    [
        *(("01.article_standard", output, True) for output in ("1228800", "1,228,800 MACs", "macs=1228800,")),
        *(("01.article_standard", output, False) for output in ("1,228,900", "12288", "11,228,800", "v1228800")),
        *(("02.article_layer_ratio", output, True) for output in ("= 0.1189", "0.119", "0.11892", "(0.1189)")),
        *(("02.article_layer_ratio", output, False) for output in ("0.12", "0.1188", "0.1190", "10.1189")),
        *(("00.macs_of_v1", output, True) for output in ("568.7", "569", "568,740,352")),
        *(("00.macs_of_v1", output, False) for output in ("57", "568.8")),
        *(("02.where_the_macs_are", output, True) for output in ("98.3 %", "0.983")),
        *(
            ("01.macs_of_4x4", output, found)
            for output, found in (("36 MACs", True), ("36", False), ("36 of 40 MACs", False))
        ),
        *(("06.bottlenecks", output, found) for output, found in (("17 bottlenecks", True), ("17", False))),
        *(
            ("09.stem_or_image", output, found)
            for output, found in (("both cost the same", True), ("the 16×16 image", False))
        ),
    ],
)
def test_further_down_an_output_is_collapsed_where_it_has_the_truth(question, output, found):
    cells = [text("## Ask"), form(question), code("see", "see"), text("## Two"), text("## Three"), code("far", output)]
    assert ("far" in collapsed(cells)) is found


def test_in_the_next_section_a_table_with_the_unit_is_enough():
    cells = [text("## Ask"), form("01.macs_of_4x4"), code("see", ""), text("## Two"), code("first", "1"), text("")]
    cells += [code("table", "kind  MACs\none     36"), code("other", "kind  rows\none     36")]
    assert collapsed(cells) == {"first", "table"}


def told(question: str, prose: str, above: bool = False) -> bool:
    cells = [text("## Ask"), form(question), text(prose, "prose"), text("## Next", "next")]
    return any("prose" in one for one in given_away("50", {"50": [*cells[2:], *cells[:2]] if above else cells}))


@pytest.mark.parametrize(
    ("question", "prose", "found"),
    [
        *(("01.macs_of_4x4", prose, True) for prose in ("That makes **36 MACs**.", "36 of these MACs", "36\nMACs")),
        *(
            ("01.macs_of_4x4", prose, False)
            for prose in ("36 rows", "136 MACs", "4×9 MACs", "lesson 36, and then MACs")
        ),
        *(
            ("10.broken_by_folding", prose, found)
            for prose, found in (("Three of six networks fall", True), ("three", False))
        ),
        ("01.stride_two", "A quarter is left.", True),
        ("01.stride_two", "Is it half, a quarter or the same?", False),
        ("02.article_layer_ratio", "It is 0.119 here.", True),
        ("02.article_layer_ratio", "See arXiv 1704.0119, [a page](https://0.119/).", False),
        ("05.raw_error", "<details><summary>Answer</summary>a half</details>", False),
        ("06.bottlenecks", "a network of 17 thin blocks", True),
    ],
)
def test_prose_below_a_form_must_not_tell(question, prose, found):
    assert told(question, prose) is found


def test_above_a_form_a_number_must_be_plainer():
    assert told("02.article_layer_ratio", "It is 0.1189.", above=True)
    assert not told("02.article_layer_ratio", "It is 0.119.", above=True)
    assert told("01.macs_of_4x4", "36 MACs", above=True)
    assert not told("10.broken_by_folding", "4 networks", above=True)


def test_an_earlier_lesson_must_not_show_the_truth_and_a_later_one_may():
    lessons = {"01": [code("early", "0.1189")], "02": [form("02.article_layer_ratio")], "03": [code("late", "0.1189")]}
    (found,) = given_away("02", lessons)
    assert "cell early of lesson 01 gives away 02.article_layer_ratio" in found


def test_a_time_that_happens_to_be_a_truth_gives_nothing_away():
    early = code("early", "0.1189")
    early.metadata["tags"] = ["nbval-ignore-output"]
    assert not list(given_away("02", {"01": [early], "02": [form("02.article_layer_ratio")]}))


def test_a_refreshed_lesson_collapses_them_and_nothing_else():
    cells = [text("## Ask"), form("01.stride_two"), code("see", "1"), text("## Next", "next"), code("plain", "2")]
    cells[2].metadata["jupyter"] = nbformat.from_dict({"source_hidden": True})
    cells[4].metadata["jupyter"] = nbformat.from_dict({"outputs_hidden": True})
    normalise(nbformat.v4.new_notebook(cells=cells))
    assert cells[2].metadata == {"jupyter": {"source_hidden": True, "outputs_hidden": True}}
    assert cells[4].metadata == {}
