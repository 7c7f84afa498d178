"""The class report in a real browser: sorted by a click, reached by the keyboard, printed whole."""

from __future__ import annotations

import re

import pytest

from mobilenet_lib.course import progress, records
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.teaching import _report

STUDENTS = 30


@pytest.fixture
def report(page, tmp_path, monkeypatch):
    """The report of a class in which student n solved n exercises, in a window."""
    paths = []
    names = ["N" * 100] + [f"Student {number:02} Müller-Lüdenscheidt" for number in range(1, STUDENTS)]
    for number, name in enumerate(names):
        monkeypatch.setenv("MOBILENET_PROGRESS", str(tmp_path / f"{number}.sqlite"))
        for task in list(EXERCISES)[:number]:
            records.record_attempt(task, "wrong", EXERCISES[task].misconceptions[0].name)
            records.record_attempt(task, "correct")
        paths.append(progress.export(tmp_path / f"{number}.csv", student=name))
    page.goto(_report.write(tmp_path / "report", _report.read(paths))[0].as_uri())
    return page


def test_a_click_sorts_and_every_scroll_box_is_reached_by_the_keyboard(report):
    points = "() => [...document.querySelectorAll('th')].find((head) => head.innerText.startsWith('points'))"
    column = f"() => {{ const head = ({points})(); return [...head.closest('table').tBodies[0].rows].map((row) => "
    column += "+row.cells[head.cellIndex].innerText); }"
    button = report.evaluate_handle(points).as_element().query_selector("button")
    button.click()
    assert report.evaluate(column) == sorted(report.evaluate(column))
    button.press("Enter")
    shown = report.evaluate(column)
    assert shown == sorted(shown, reverse=True) != sorted(shown)
    unreachable = "() => [...document.querySelectorAll('main *')].filter((one) => one.scrollWidth > one.clientWidth + 1"
    unreachable += " && ['auto', 'scroll'].includes(getComputedStyle(one).overflowX) && one.tabIndex < 0).length"
    report.set_viewport_size({"width": 400, "height": 800})
    assert report.evaluate(unreachable) == 0


def test_a_long_name_leaves_room_for_the_columns(report):
    report.set_viewport_size({"width": 1280, "height": 800})
    hidden = "() => [...document.querySelectorAll('.scroll')].map((one) => one.scrollWidth - one.clientWidth)"
    assert max(report.evaluate(hidden)) <= 1


def test_it_prints_on_a_few_sheets_with_every_column(report):
    sheets = re.findall(rb"/Type\s*/Page\b", report.pdf(prefer_css_page_size=True))
    assert len(sheets) <= 6
    report.emulate_media(media="print")
    report.set_viewport_size({"width": 1046, "height": 718})  # A4 on its side, without its margins, at 96 dpi
    wide = "() => [...document.querySelectorAll('table')].map((one) => one.getBoundingClientRect().right)"
    assert max(report.evaluate(wide)) <= 1047
