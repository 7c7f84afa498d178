"""The instructor's commands: what they write holds the answers, or none of them, and says what it should."""

from __future__ import annotations

import json
import os
import re

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from mobilenet_lib import course
from mobilenet_lib.course import exercises, handout, progress, readiness, records
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.guesses import predict
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.teaching import (
    _copies,
    _guide,
    _notebooks,
    _pages,
    _plan,
    _report,
    _room,
    _slides,
    _timing,
)
from mobilenet_lib.teaching.__main__ import main

CODE = "thin ends"


@pytest.fixture(scope="module")
def lessons():
    return _notebooks.lessons()


@pytest.fixture(scope="module")
def student_set(lessons, tmp_path_factory):
    folder = tmp_path_factory.mktemp("handout")
    _copies.write_handout(folder, lessons, CODE, outputs=True)
    return folder / "notebooks"


@pytest.fixture
def locked(student_set, monkeypatch):
    """The hand-out's folder as working directory, not opened yet."""
    monkeypatch.chdir(student_set)
    monkeypatch.setattr(handout, "_keys", {})
    yield student_set
    (student_set / handout.OPENED).unlink(missing_ok=True)


# Reading the lessons


def test_minutes_of_the_sections_are_those_of_the_lesson(lessons):
    for lesson in lessons:
        assert sum(one.minutes for one in lesson.sections) == pytest.approx(lesson.lesson.minutes)


def test_every_exercise_and_question_is_met_once(lessons):
    cells = [cell for lesson in lessons for cell in lesson.cells]
    checked = [one.name for cell in cells for one in _notebooks.exercises_of(cell)]
    asked = [one.id for cell in cells for one in _notebooks.predicted(cell)]
    assert sorted(checked) == sorted(EXERCISES)
    assert sorted(asked) == sorted(QUESTIONS)


def test_every_lesson_has_three_answers_and_its_notes(lessons):
    for lesson in lessons:
        assert len(lesson.answers) >= 3
        assert all(one.question and one.answer for one in lesson.answers)
        assert all("<details>" not in text for _, text in lesson.notes)
        assert lesson.notes


def test_an_unknown_lesson_is_named(capsys, tmp_path):
    assert main(["copy", str(tmp_path / "new"), "--lessons", "77"]) == 1
    assert "there is no lesson '77'" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["copy", str(tmp_path), "--lessons", "00"]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# The instructor's copy


def test_copy_holds_every_answer(lessons, tmp_path):
    *_, page = _copies.write_copy(tmp_path, lessons)
    text = page.read_text(encoding="utf-8")
    for lesson in lessons:
        node = nbformat.read(tmp_path / "notebooks" / lesson.lesson.file_name, as_version=4)
        nbformat.validate(node)
        sources = "\n".join(cell.source for cell in node.cells)
        for task in (one for one in EXERCISES.values() if one.lesson == lesson.lesson.number):
            assert task.solution in sources
            assert f">{task.name}</code>" in text
        for asked in lesson.questions:
            truth = f"**Truth:** {asked.written(asked.truth())}."
            assert truth in sources
            assert _pages.markdown(f"{truth} {asked.why}") in text
        for found in lesson.answers:
            assert _pages.markdown(found.answer) in text


def test_every_filled_in_solution_runs_alone():
    for task in EXERCISES.values():
        namespace = {"check": lambda function: None}
        exec(_notebooks.solved(task), namespace)
        arguments = task.all_cases[0]
        assert str(namespace[task.name](*arguments)) == str(task.reference(*arguments))


def test_copy_of_lesson_00_runs_and_is_right(tmp_path):
    (lesson,) = _notebooks.lessons(["00"])
    node = _copies.with_answers(lesson)
    # The look at the machine takes most of the time, and test_readiness.py tests it.
    node.cells = [cell for cell in node.cells if cell.id != "readiness"]
    NotebookClient(node, timeout=60, resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = [cell.outputs[0].data["text/plain"] for cell in node.cells if cell.id.endswith("-solution")]
    assert len(said) == 3
    assert all("✓" in text for text in said)


# The hand-out


def test_handout_holds_no_answer(lessons, student_set):
    for lesson in lessons:
        text = (student_set / lesson.lesson.file_name).read_text(encoding="utf-8")
        node = nbformat.reads(text, as_version=4)
        nbformat.validate(node)
        sources = "\n".join(cell.source for cell in node.cells)
        assert not any(_notebooks.is_notes(cell) for cell in node.cells)
        assert "<details" not in text
        for found in lesson.answers:
            assert found.question in sources
            assert found.answer not in sources
        for task in (one for one in EXERCISES.values() if one.lesson == lesson.lesson.number):
            assert task.solution not in sources
            assert f"def {task.name}(" in sources
        assert f'answers("{lesson.lesson.number}")' in sources
    lock = (student_set / handout.LOCK).read_text(encoding="utf-8")
    assert lessons[0].answers[0].answer not in lock
    assert CODE not in lock


def test_outputs_are_kept_only_on_request(lessons):
    def shown(node):
        return sum(bool(cell.get("outputs")) for cell in node.cells)

    kept = _copies.without_answers(lessons[1], outputs=True)
    predictions = len(lessons[1].questions)
    assert shown(kept) == shown(lessons[1].node) - predictions
    assert shown(_copies.without_answers(lessons[1])) == 0


def test_only_the_code_opens_the_solutions(locked, capsys):
    exercises.solution("conv_macs")
    predict("01.macs_of_4x4")
    handout.answers("01")
    handout.unlock("thick ends")
    closed = capsys.readouterr().out
    assert closed.count("Locked for now") == 2
    assert "This is not the code" in closed
    assert EXERCISES["conv_macs"].solution.splitlines()[-1].strip() not in closed
    assert "36 MACs" not in closed
    assert not (locked / handout.OPENED).exists()

    handout.unlock("  Thin  ENDS ")
    exercises.solution("conv_macs")
    opened = capsys.readouterr().out
    assert EXERCISES["conv_macs"].solution.splitlines()[-1].strip() in opened
    # A new kernel has forgotten the key; the folder has not.
    handout._keys.clear()
    assert not handout.locked()


def test_answers_come_back_as_they_were(locked, lessons, monkeypatch):
    handout.unlock(CODE)
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda one: shown.append(one.data))
    handout.answers("02")
    (text,) = shown
    for found in lessons[2].answers:
        assert found.question in text
        assert found.answer in text


def test_a_folder_that_cannot_be_written_opens_for_this_kernel(locked, capsys, monkeypatch):
    (locked / handout.OPENED).mkdir()
    handout.unlock(CODE)
    (locked / handout.OPENED).rmdir()
    assert "until the kernel stops" in capsys.readouterr().out
    assert not handout.locked()


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"salt": "zz", "rounds": 1}'])
def test_a_damaged_lock_stays_closed_and_says_so(tmp_path, monkeypatch, capsys, damage):
    lock = tmp_path / "lock.json"
    lock.write_text(damage)
    monkeypatch.setenv("MOBILENET_LOCK", str(lock))
    assert handout.locked()
    handout.unlock(CODE)
    assert "cannot be read" in capsys.readouterr().out


def test_a_changed_lock_does_not_open(tmp_path, monkeypatch, capsys):
    made = json.loads(handout.seal({"answers": {}}, CODE))
    made["sealed"] = made["sealed"][:-4] + ("AAAA" if made["sealed"][-4:] != "AAAA" else "BBBB")
    (tmp_path / handout.LOCK).write_text(json.dumps(made))
    monkeypatch.chdir(tmp_path)
    handout.unlock(CODE)
    assert "not the code" in capsys.readouterr().out
    assert handout.locked()


def test_outside_a_handout_nothing_is_locked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MOBILENET_LOCK", raising=False)
    assert not handout.locked()


def test_a_short_code_is_refused(tmp_path, capsys):
    assert main(["handout", str(tmp_path / "new"), "--lessons", "00", "--code", "abc"]) == 1
    assert "too short" in capsys.readouterr().err
    assert not list((tmp_path / "new").iterdir())


# The class report


@pytest.fixture
def export(tmp_path, monkeypatch):
    """Makes the export of a student who did what a function does."""

    def make(name, work=lambda: None, student=""):
        monkeypatch.setenv("MOBILENET_PROGRESS", str(tmp_path / f"progress-of-{len(student)}{name}.json"))
        work()
        folder = tmp_path / "exports"
        folder.mkdir(exist_ok=True)
        return progress.export(folder / name, student)

    return make


def ada():
    records.record_guess("01.macs_of_4x4", 18)
    records.record_guess("01.stride_two", "a quarter")
    records.record_attempt("conv_macs", "wrong", "depthwise")
    records.record_attempt("conv_macs", "wrong", "made_up")
    records.record_attempt("conv_macs", "correct")


def ben():
    records.record_guess("01.macs_of_4x4", 72)
    records.record_guess("01.stride_two", "half")
    records.record_attempt("conv_macs", "wrong", "depthwise")
    records.record_solution("conv_macs")
    records.record_attempt("conv_macs", "correct")


def test_report_counts_what_was_done(export, tmp_path):
    export("a.csv", ada, student="Ada")
    export("ben.csv", ben)
    found = _report.read([tmp_path / "exports"])
    assert found.messages == ()
    students = found.students().set_index("student")
    assert list(students.index) == ["Ada", "ben"]
    assert students["predictions"].tolist() == [2, 2]
    assert students["points"].tolist() == [
        EXERCISES["conv_macs"].points,
        EXERCISES["conv_macs"].points // 2,
    ]
    assert students["median_off"].tolist() == [2, 2]
    of_lesson = sum(one.lesson == "01" for one in (*QUESTIONS.values(), *EXERCISES.values()))
    assert students["lesson 01"].tolist() == pytest.approx([3 / of_lesson] * 2)
    assert found.misconceptions()[["misconception", "students", "times"]].to_numpy().tolist() == [
        ["depthwise", 2, 2],
        ["made_up", 1, 1],
    ]
    questions = found.questions().set_index("question")
    assert questions.loc["01.stride_two", "right"] == 0.5
    assert questions.loc["01.macs_of_4x4", ["answered", "right", "median_off", "too_low"]].tolist() == [2, 0, 2, 0.5]  # fmt: skip


def test_report_skips_what_is_no_export_and_names_it(export, tmp_path, capsys):
    good = export("ada.csv", ada, student="Ada <b>")
    folder = good.parent
    (folder / "empty.csv").write_bytes(b"")
    (folder / "foreign.csv").write_text("name,mark\nEve,1\n")
    (folder / "latin.csv").write_bytes("kind,Zoë\n".encode("latin-1"))
    (folder / "cut.csv").write_bytes(good.read_bytes()[:150])
    (folder / "picture.csv").write_bytes(b"\x89PNG\r\n\x00\x00")
    table = pd.read_csv(good)
    table.assign(student=["Ada", "Eve"] * (len(table) // 2) + ["Eve"] * (len(table) % 2)).to_csv(folder / "two.csv", index=False)  # fmt: skip
    table.assign(student="Inf", factor_off="inf").to_csv(folder / "inf.csv", index=False)
    table.assign(student="Yes", done="yes").to_csv(folder / "yes.csv", index=False)
    pd.concat([table, table]).assign(student="Twice").to_csv(folder / "rows_twice.csv", index=False)
    out = tmp_path / "out"
    missing = str(folder / "nobody.csv")
    assert main(["report", str(out), str(folder), str(good), missing]) == 0
    told = capsys.readouterr().err
    for name in ("empty", "foreign", "latin", "cut", "picture", "two", "inf", "yes", "rows_twice", "nobody"):  # fmt: skip
        assert re.search(rf"{name}\.csv: skipped, \S", told), name
    assert "named twice" in told
    students = pd.read_csv(out / "students.csv")
    assert students["student"].tolist() == ["Ada <b>"]
    page = (out / _report.PAGE).read_text(encoding="utf-8")
    assert "Ada &lt;b&gt;" in page
    assert "<b>" not in page.replace("<b>None", "")
    assert "foreign.csv: skipped" in page


def test_report_counts_a_student_once_and_the_newer_file(export, monkeypatch):
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-01T10:00:00+00:00")
    old = export("old.csv", ada, student="Ada")
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-02T10:00:00+00:00")
    new = export("new.csv", ben, student="Ada")
    for order in ([old, new], [new, old]):
        found = _report.read(order)
        assert len(found.messages) == 1
        assert found.messages[0].startswith(f"{old}: skipped")
        assert found.students()["solutions_seen"].tolist() == [1]


def test_report_points_at_two_names_on_the_same_work(export):
    first = export("ada.csv", ada)
    second = first.with_name("eve.csv")
    second.write_bytes(first.read_bytes())
    (message,) = _report.read([first, second]).messages
    assert "every answer and time in it is that of ada" in message


def test_report_of_a_class_that_did_nothing(export):
    page = _report.page(_report.read([export("idle.csv")]))
    assert "None was met" in page
    assert "Nobody has guessed yet" in page


def test_report_keeps_formulas_out_of_spreadsheets(export, tmp_path):
    found = _report.read([export("x.csv", ada, student="=1+1")])
    _report.write(tmp_path / "out", found)
    assert pd.read_csv(tmp_path / "out" / "students.csv")["student"].tolist() == ["'=1+1"]


def test_report_leaves_out_rows_of_another_version(export):
    path = export("ada.csv", ada)
    table = pd.read_csv(path)
    table.loc[0, "id"] = "00.gone"
    table.to_csv(path, index=False)
    found = _report.read([path])
    assert "1 rows are of another version" in found.messages[0]
    assert len(found.rows) == len(QUESTIONS) + len(EXERCISES)


# Timing and guide


def test_cut_points_are_sections_of_their_lessons(lessons):
    by_number = {lesson.lesson.number: lesson for lesson in lessons}
    for number, cuts in course.CUTS.items():
        sections = {section.id for section in by_number[number].sections}
        assert set(cuts) <= sections, f"CUTS of lesson {number}: {set(cuts) - sections} is no heading"


def test_every_lesson_fits_its_sessions(lessons):
    for lesson in lessons:
        for available in _plan.SESSIONS:
            made = _plan.plan(lesson, available)
            assert made.fits
            all_minutes = lesson.lesson.minutes + sum(
                map(lesson.minutes_for, (one for part in lesson.sections for one in part.exercises))
            )
            less = sum(one.minutes for one in made.left_out)
            less += sum(map(lesson.minutes_for, made.homework))
            assert made.minutes == pytest.approx(all_minutes - less, abs=0.01)
            assert not {"title", "recap", "questions"} & {one.id for one in made.left_out}
            # Nothing is left out that would have fitted.
            if made.left_out:
                assert made.minutes + min(one.minutes for one in made.left_out) > 0.9 * available


def test_sections_named_as_cuts_are_enough_for_45_minutes(lessons):
    for lesson in lessons:
        if lesson.lesson.number in course.CUTS:
            left_out = {one.id for one in _plan.plan(lesson, 45).left_out}
            assert left_out <= set(course.CUTS[lesson.lesson.number])


def test_a_lesson_without_cut_points_gives_up_its_last_sections(lessons, monkeypatch):
    monkeypatch.setattr("mobilenet_lib.course.lessons.CUTS", {})
    made = _plan.plan(lessons[2], 45)
    assert made.fits
    assert made.left_out[-1].id == lessons[2].sections[-4].id


def test_measured_times_are_those_of_the_cells(tmp_path, monkeypatch):
    node = nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_code_cell("import time; time.sleep(0.3)", id="waits"),
            nbformat.v4.new_markdown_cell("text", id="text"),
            nbformat.v4.new_code_cell("1", id="quick"),
        ]
    )
    lesson = course.Lesson("98_timed", "Timed", "How long?", minutes=1)
    nbformat.write(node, tmp_path / lesson.file_name)
    monkeypatch.setattr(_notebooks, "path", lambda one: tmp_path / one.file_name)
    monkeypatch.setattr(_timing, "FOLDER", tmp_path / "times")
    assert _timing.recorded(lesson) is None
    times = _timing.measure(lesson)
    _timing.save(lesson, times)
    assert _timing.recorded(lesson) == times
    assert list(times.seconds) == ["waits", "quick"]
    assert times.seconds["waits"] >= 0.3
    assert times.versions["python"] in times.source


def test_guide_shows_a_slow_cell_with_what_it_showed(lessons, monkeypatch):
    lesson = lessons[1]
    times = _timing.Times(
        {"count-4x4": 7.0, "gone": 1.0}, "2026-01-01", 0.5, {"python": "3", "paddlepaddle": "3"},
        {"processor": "P", "cores": 2}, "by hand",
    )  # fmt: skip
    monkeypatch.setattr(_timing, "recorded", lambda one: times)
    text = _guide.guide(lesson)
    assert "Slow: <code>count-4x4</code>, 7.0 s" in text
    assert _pages.outputs(lesson.cell("count-4x4")) in text
    assert "The lesson has changed since" in text
    assert lesson.notes[0][1][:40] in text


def test_recorded_times_say_where_they_come_from():
    measured = [one for one in map(_timing.recorded, course.LESSONS) if one]
    assert measured
    for times in measured:
        assert times.total > 0
        assert times.machine["cores"] >= 1
        assert times.conditions


# A room


def test_students_per_machine_are_a_division():
    room = _room.Room("2026-01-01", "", {"started": 100, "at_the_end": 120}, [{"kernel_peak_mb": 380}, {"kernel_peak_mb": 300}], 900, {}, {})  # fmt: skip
    assert room.one_lesson_mb == 500
    assert room.students(16, each_mb=500) == 30
    assert room.students(0.5, each_mb=500) == 0


def test_guide_says_how_many_fit(lessons, monkeypatch):
    lesson = {"lesson": "01_x", "kernel_peak_mb": 380, "kernel_left_mb": 300, "cpu_seconds": 9.0}
    machine = {"processor": "P", "cores": 2, "memory_gb": 24.0}
    room = _room.Room("2026-01-01", "Made up.", {"started": 100, "at_the_end": 120}, [lesson], 900, {}, machine)  # fmt: skip
    monkeypatch.setattr(_room, "recorded", lambda: room)
    page = _guide.index(lessons)
    assert "at most 500 MB" in page
    assert "Made up." in page
    assert '<td class="number">16</td><td class="number">30</td><td class="number">16</td>' in page
    for lesson in lessons:
        assert f'href="{lesson.lesson.stem}.html"' in page


def test_readme_says_what_was_measured():
    room = _room.recorded()
    assert room.conditions
    assert room.machine["cores"] >= 1
    readme = (readiness.course_folder() / "README.md").read_text(encoding="utf-8")
    for each_mb in (room.one_lesson_mb, room.all_open_mb):
        assert f"{each_mb / 1000:.1f} GB" in readme
        assert f" {room.students(16, each_mb)} " in readme


# Slides


def test_slides_need_no_network_and_give_no_answer(lessons):
    for lesson in lessons:
        page = _slides.slides(lesson)
        assert page.count("<section>") == len(lesson.slides)
        assert not re.search(r"<(?:script|link|iframe|object)\b|@import|url\(", page)
        assert not re.findall(r"(?:src|srcset|data)=[\"'](?!data:)", page)
        assert not re.search(r'href="(?!https?:|#|\d\d_\w+\.html)', page)
        assert "<details" not in page
        assert all(_pages.markdown(text) not in page for _, text in lesson.notes)
        assert all(re.search(r'\balt="[^"]', img) for img in re.findall(r"<img\b[^>]*>", page))
        for found in lesson.answers:
            assert _pages.markdown(found.answer).removeprefix("<p>")[:60] not in page


def test_every_formula_of_the_lessons_can_be_drawn(lessons):
    text = "".join(
        _pages.markdown(cell.source)
        for lesson in lessons
        for cell in lesson.cells
        if cell.cell_type == "markdown" and "$" in cell.source
    )
    assert "<code>\\" not in text
    assert 'class="formula"' in text
    assert _pages.formula(r"\nonsense{x") == r"<code>\nonsense{x</code>"


def test_without_a_browser_the_pages_are_there_and_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MOBILENET_CHROMIUM", raising=False)
    written, told = _slides.write(tmp_path, _notebooks.lessons(["00"]))
    assert [path.suffix for path in written] == [".html"]
    assert "no browser found" in told


def test_pdf_is_written_where_there_is_a_browser(tmp_path):
    browser = _slides.find_browser()
    if browser is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_slides.NO_BROWSER)
    page = tmp_path / "page.html"
    page.write_text(_pages.page("One", "<section>one</section><section>two</section>"))
    assert _slides.to_pdf(page, browser).read_bytes().startswith(b"%PDF")
