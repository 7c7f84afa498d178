"""The instructor's commands: what they write holds the answers, or none of them, and says what it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import nbformat
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbclient import NotebookClient
from patience import patience

from mobilenet_lib import course
from mobilenet_lib.course import exercises, handout, progress, readiness, records
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.guesses import predict
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.teaching import _copies, _guide, _measured, _notebooks, _pages, _report, _slides
from mobilenet_lib.teaching.__main__ import main


def words(page):
    """The text of a page as a reader meets it."""
    return " ".join(BeautifulSoup(page, "html.parser").get_text(" ").split())


def said(markdown):
    return words(_pages.markdown(markdown))


@pytest.fixture(scope="module")
def lessons():
    return _notebooks.lessons()


@pytest.fixture(scope="module")
def student_set(lessons, tmp_path_factory):
    folder = tmp_path_factory.mktemp("handout")
    _copies.write_handout(folder, lessons, outputs=True)
    return folder / "notebooks"


@pytest.fixture(autouse=True)
def no_setting_of_the_room(monkeypatch):
    monkeypatch.delenv("MOBILENET_LOCK", raising=False)


# Reading the lessons
def test_minutes_of_the_sections_are_those_of_the_lesson(lessons):
    for lesson in lessons:
        minutes = [one.minutes for one in lesson.sections]
        assert sum(minutes) == lesson.lesson.minutes
        assert all(one == int(one) for one in minutes), "what a page writes adds up too"


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


def test_a_lesson_is_named_by_its_number(capsys, tmp_path):
    assert [one.lesson.number for one in _notebooks.lessons(["5", "05"])] == ["05", "05"]
    assert main(["copy", str(tmp_path / "new"), "--lessons", "77"]) == 1
    assert "there is no lesson '77'" in capsys.readouterr().err


def test_a_folder_with_something_in_it_is_left_alone(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    assert main(["copy", str(tmp_path), "--lessons", "00"]) == 1
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_refusal_comes_before_what_takes_seconds(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    program = "import sys\nfrom mobilenet_lib.teaching.__main__ import main\ncode = main(sys.argv[1:])\n"
    program += "print(code, *{'nbconvert', 'nbformat', 'pandas', 'matplotlib'} & {*sys.modules})"
    command = [sys.executable, "-c", program, "copy", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=patience(), check=True)
    assert done.stdout == "1\n"
    assert "is not empty" in done.stderr
    assert main(["report", str(tmp_path / "new"), "nobody.csv"]) == 1
    assert capsys.readouterr().err.startswith("Working")


@pytest.mark.parametrize("command", ["copy", "handout", "guide", "slides", "report"])
def test_a_command_that_fails_leaves_no_folder(command, tmp_path):
    what = ["nobody.csv"] if command == "report" else ["--lessons", "77"]
    assert main([command, str(tmp_path / "new"), *what]) == 1
    assert not list(tmp_path.iterdir())


def test_a_tilde_is_the_home_folder(home):
    assert main(["handout", "~/new", "--lessons", "0"]) == 0
    assert main(["open", "~/new"]) == 0
    assert main(["report", "~/report", "~/nobody.csv"]) == 1
    assert [path.name for path in home.iterdir()] == ["new"]


@pytest.mark.parametrize(("number", "text"), [(0.4, "0 minutes"), (1.2, "1 minute"), (2, "2 minutes")])
def test_one_is_said_as_one(number, text):
    assert _pages.counted(number, "minute") == text


# The instructor's copy
def test_copy_holds_every_answer(lessons, tmp_path):
    *_, page = _copies.write_copy(tmp_path, lessons)
    page = page.read_text(encoding="utf-8")
    text, code = words(page), BeautifulSoup(page, "html.parser").get_text()
    for lesson in lessons:
        node = nbformat.read(tmp_path / "notebooks" / lesson.lesson.file_name, as_version=4)
        nbformat.validate(node)
        sources = "\n".join(cell.source for cell in node.cells)
        for task in (one for one in EXERCISES.values() if one.lesson == lesson.lesson.number):
            assert task.solution in sources
            assert f">{task.name}</code>" in page
            assert task.solution in code
        for asked in lesson.questions:
            truth = f"**Truth:** {asked.written(asked.truth())}."
            assert truth in sources
            assert said(f"{truth} {asked.why}") in text
        for found in lesson.answers:
            assert said(found.answer) in text


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
    waits = {"timeout": round(patience()), "startup_timeout": round(patience())}
    NotebookClient(node, **waits, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [cell.outputs[0].data["text/plain"] for cell in node.cells if cell.id.endswith("-solution")]
    assert len(shown) == 3
    assert all("✓" in text for text in shown)


def test_a_part_of_the_course_links_only_to_itself(lessons, tmp_path):
    part, link = lessons[:2], r'(?:\]\(|href=\\?")(?:notebooks/)?(\d\d_\w+)\.(?:ipynb|html)'
    _guide.write(tmp_path / "guide", part)
    _copies.write_copy(tmp_path / "copy", part)
    _copies.write_handout(tmp_path / "handout", part, outputs=True)
    pages = [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.*") if path.suffix in (".ipynb", ".html")]
    assert len(pages) == 8
    assert {name for page in pages for name in re.findall(link, page)} == {one.lesson.stem for one in part}


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
        assert "your instructor has them" in sources


def test_outputs_are_kept_only_on_request(lessons):
    def shown(node):
        return sum(bool(cell.get("outputs")) for cell in node.cells)

    kept = _copies.without_answers(lessons[1], outputs=True)
    predictions = len(lessons[1].questions)
    assert shown(kept) == shown(lessons[1].node) - predictions
    assert shown(_copies.without_answers(lessons[1])) == 0


def test_only_the_teacher_opens_the_solutions(lessons, tmp_path, monkeypatch, capsys):
    _copies.write_handout(tmp_path, lessons[1:3], outputs=False)
    folder, solved = tmp_path / "notebooks", EXERCISES["conv_macs"].solution.splitlines()[-1].strip()
    monkeypatch.chdir(folder)

    def shown():
        exercises.solution("conv_macs")
        predict("01.macs_of_4x4")
        return capsys.readouterr().out

    closed = shown()
    assert "Closed for now" in closed
    assert not [answer for answer in (solved, "36 MACs") if answer in closed]

    assert main(["open", str(tmp_path)]) == 0
    opened = shown()
    assert [answer for answer in (solved, "36 MACs") if answer in opened] == [solved, "36 MACs"]
    assert "Students with a copy of it need this handout.json" in opened
    assert "that you are then given in place of the old one" in words((tmp_path / "READ_ME.md").read_text())
    # The answers to the closing questions come back too, of these lessons only.
    page = words((folder / _copies.ANSWERS_PAGE).read_text(encoding="utf-8"))
    assert all(said(one.question) in page and said(one.answer) in page for one in lessons[2].answers)
    assert said(lessons[3].answers[0].answer) not in page

    assert main(["close", str(folder)]) == 0
    assert solved not in shown()
    assert not (folder / _copies.ANSWERS_PAGE).exists()


@pytest.mark.parametrize("damage", ["", "{", "[]", '"open"', '{"solutions": true}', '{"solutions": "oepn"}', None])
def test_a_damaged_or_missing_setting_is_closed_and_says_so(tmp_path, monkeypatch, capsys, damage):
    setting = tmp_path / "handout.json"
    if damage is not None:
        setting.write_text(damage)
    monkeypatch.setenv("MOBILENET_LOCK", str(setting))
    assert handout.locked()
    exercises.solution("conv_macs")
    assert "missing or damaged" in capsys.readouterr().out


def test_one_file_opens_a_whole_room(student_set, home, monkeypatch):
    monkeypatch.chdir(student_set)
    handout.write(home, handout.OPEN)
    monkeypatch.setenv("MOBILENET_LOCK", f"~/{handout.SETTING}")
    assert not handout.locked()
    handout.write(home, handout.CLOSED)
    assert handout.locked()


@pytest.mark.parametrize("unset", [None, ""])
def test_outside_a_handout_nothing_is_locked(tmp_path, monkeypatch, capsys, unset):
    monkeypatch.chdir(tmp_path)
    if unset is not None:
        monkeypatch.setenv("MOBILENET_LOCK", unset)
    assert not handout.locked()
    assert main(["open", str(tmp_path)]) == 1
    assert "holds no handout.json" in capsys.readouterr().err


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
    records.record_attempt("conv_macs", "wrong", "weights_only")
    records.record_attempt("conv_macs", "wrong", "flops")
    records.record_attempt("conv_macs", "correct")


def ben():
    records.record_guess("01.macs_of_4x4", 72)
    records.record_guess("01.stride_two", "half")
    records.record_attempt("conv_macs", "wrong", "weights_only")
    records.record_solution("conv_macs")
    records.record_attempt("conv_macs", "correct")


def test_report_counts_what_was_done(export, tmp_path):
    export("a.csv", ada, student="Ada")
    export("ben.csv", ben)
    found = _report.read([tmp_path / "exports"])
    assert found.messages == ()
    points, students = EXERCISES["conv_macs"].points, found.students()
    assert students[["student", "guesses", "points", "median_off"]].to_numpy().tolist() == [
        ["Ada", 2, points, 2],
        ["ben", 2, points // 2, 2],
    ]
    of_lesson = sum(one.lesson == "01" for one in (*QUESTIONS.values(), *EXERCISES.values()))
    assert students["lesson 01"].tolist() == pytest.approx([3 / of_lesson] * 2)
    assert found.misconceptions()[["misconception", "students", "times"]].to_numpy().tolist() == [
        ["weights_only", 2, 2],
        ["flops", 1, 1],
    ]
    questions = found.questions().set_index("question")
    assert questions.loc["01.stride_two", "right"] == 0.5
    columns = ["answered", "right", "median_off", "too_low"]
    assert questions.loc["01.macs_of_4x4", columns].tolist() == [2, 0, 2, 0.5]


def test_report_skips_what_is_no_export_and_names_it(export, tmp_path, capsys):
    good = export("ada.csv", ada, student="Ada <b>")
    folder = good.parent
    (folder / "empty.csv").write_bytes(b"")
    (folder / "foreign.csv").write_text("name,mark\nEve,1\n")
    (folder / "latin.csv").write_bytes("kind,Zoë\n".encode("latin-1"))
    (folder / "cut.csv").write_bytes(good.read_bytes()[:150])
    (folder / "image.csv").write_bytes(b"\x89PNG\r\n\x00\x00")
    table = pd.read_csv(good)
    two_names = ["Ada"] + ["Eve"] * (len(table) - 1)
    table.assign(student=two_names).to_csv(folder / "two.csv", index=False)
    table.assign(student="Inf", factor_off="inf").to_csv(folder / "inf.csv", index=False)
    table.assign(student="Less", attempts="-1").to_csv(folder / "less.csv", index=False)
    table.assign(student="Yes", done="yes").to_csv(folder / "yes.csv", index=False)
    pd.concat([table, table]).assign(student="Twice").to_csv(folder / "rows_twice.csv", index=False)
    (folder / "Carl.xlsx").write_bytes(b"PK")
    (folder / "Dora.csv.txt").write_bytes(good.read_bytes())
    out = tmp_path / "out"
    missing = str(folder / "nobody.csv")
    assert main(["report", str(out), str(folder), str(good), missing]) == 0
    told = capsys.readouterr().err
    names = [path.name for path in folder.iterdir() if path != good] + ["nobody.csv"]
    assert len(names) == 13
    for name in names:
        assert re.search(rf"{re.escape(name)}: skipped, \S", told), name
    assert "empty.csv: skipped, it is empty" in told
    assert "nobody.csv: skipped, there is no such file" in told
    assert "1 file named twice and read once" in told
    students = pd.read_csv(out / "students.csv")
    assert students["student"].tolist() == ["Ada <b>"]
    page = (out / _report.PAGE).read_text(encoding="utf-8")
    assert "Ada &lt;b&gt;" in page
    assert "<b>" not in page.replace("<b>None", "")
    assert "foreign.csv: skipped" in page
    assert "13 files skipped: see About the files below." in words(page)
    assert page.index("Who needs help") < page.index("About the files</h2>") < page.index("Commonest")


def test_report_counts_a_student_once_and_the_newer_file(export, monkeypatch):
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-01T10:00:00+00:00")
    old = export("old.csv", ada, student="Ada")
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-02T10:00:00+00:00")
    new = export("new.csv", ben, student="Ada")
    for order in ([old, new], [new, old]):
        found = _report.read(order)
        assert len(found.messages) == 1
        assert found.messages[0].startswith(f"{old}: skipped")
        assert found.messages[0].endswith("and newer")
        assert found.students()["solutions_seen"].tolist() == [1]


def test_the_newer_file_is_known_by_later_or_by_more_work(export, monkeypatch):
    """Failed checks and hints too; files of an earlier version of the course lack the latest time."""

    def at(day):
        monkeypatch.setattr(records, "now_text", lambda: f"2026-01-{day}T10:00:00+00:00")

    def more():
        ada()
        at("02")
        records.record_attempt("conv_macs", "wrong")
        records.record_hint("conv_macs", 2)

    at("01")
    old, new = export("b.csv", ada, student="Ada"), export("a.csv", more, student="Ada")
    for why in ("newer", "of the same time with more in it"):
        (message,) = _report.read([new, old]).messages
        assert message == f"{old}: skipped, {new} is of the same student (Ada) and {why}"
        for path in (old, new):
            pd.read_csv(path).drop(columns="latest_time", errors="ignore").to_csv(path, index=False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("25.01.2026 09:05", ""),
        ("1/25/2026 9:05 AM", "times that cannot be read, and do not count"),
        ("2099-01-25T09:05:00+00:00", "times in the future, which do not count"),
    ],
)
def test_times_of_a_spreadsheet_are_read_and_what_does_not_count_is_said(export, monkeypatch, text, said):
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-20T10:00:00+00:00")
    old, new = export("old.csv", ada, student="Ada"), export("new.csv", ben, student="Ada")
    table = pd.read_csv(new, dtype=str)
    times = ["first_time", "done_time", "latest_time"]
    table[times] = table[times].where(table[times].isna(), text)
    table.to_csv(new, index=False)
    found = _report.read([old, new])
    assert found.students()["solutions_seen"].tolist() == [0 if said else 1]
    assert len(found.messages) == 1 + bool(said)
    assert f"{said}: {text!r}" in found.messages[0] if said else True


def test_report_counts_no_more_than_there_is(export):
    path = export("ada.csv", ada, student="Ada")
    table = pd.read_csv(path)
    table.loc[table["id"] == "conv_macs", "misconceptions"] = "weights_only; made_up; padding_ignored"
    table.assign(points=9999, hints_used=9999).to_csv(path, index=False)
    found = _report.read([path])
    (message,) = found.messages
    assert message.endswith("left out of its misconceptions: 'made_up', 'padding_ignored'")
    assert found.misconceptions()["misconception"].tolist() == ["weights_only"]
    assert found.students()["points"].tolist() == [EXERCISES["conv_macs"].points]
    assert found.rows["hints_used"].max() == 2


def test_report_says_what_the_check_says(export):
    known = EXERCISES["output_size"].misconceptions[0]
    path = export("a.csv", lambda: records.record_attempt("output_size", "wrong", known.name))
    (row,) = _report.read([path]).misconceptions().to_dict("records")
    assert row["message"] == known.message
    assert said(known.message) in words(_report.page(_report.read([path])))


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
    assert "Nobody has begun yet" in page


def test_report_shows_names_in_order_and_what_was_touched(export):
    rows = _report.read([export("a.csv", lambda: records.record_guess("01.macs_of_4x4", 36))]).rows
    found = _report.Class(pd.concat(rows.assign(student=name) for name in ("Zoe", "anna", "Örjan", "Bob")), ())
    assert found.students()["student"].tolist() == ["anna", "Bob", "Örjan", "Zoe"]
    page = BeautifulSoup(_report.page(found), "html.parser")
    heads = [head.get_text() for head in page.find_all("th")]
    assert [head for head in heads if re.match(r"\d\d", head)] == ["01"]
    assert found.lessons()["lesson"].tolist() == ["01 What a convolution costs"]
    assert not re.search(r"\b1 times", str(page))


@pytest.mark.parametrize(
    ("saved", "encoding"),
    [
        (lambda text: re.sub(r"([^,\n]*; [^,\n]*)", r'"\1"', text).replace(",", ";"), "utf-8-sig"),
        (lambda text: text.replace(",", "\t"), "utf-16"),
        (lambda text: "sep=,\r\n" + text.replace("True", "TRUE").replace("False", "FALSE"), "utf-8"),
        (lambda text: text + "," * 16 + "\r\n" + "," * 16 + "\r\n", "utf-8-sig"),
        (lambda text: text.replace("\n", ",,\r\n"), "utf-16-le"),
    ],
)
def test_report_reads_what_a_spreadsheet_saved_again(export, saved, encoding):
    path = export("ada.csv", ada, student="Ada")
    before = _report.read([path])
    text = saved(path.read_text(encoding="utf-8-sig"))
    path.with_name("ADA.CSV").write_bytes((b"\xff\xfe" if encoding == "utf-16-le" else b"") + text.encode(encoding))
    path.unlink()
    found = _report.read([path.parent])
    assert found.messages == ()
    pd.testing.assert_frame_equal(found.rows, before.rows)


@pytest.mark.parametrize(("true", "false"), [("WAHR", "FALSCH"), ("SANN", "USANN"), ("SAND", "FALSK")])
def test_report_reads_numbers_and_truth_in_another_language(export, true, false):
    path = export("ada.csv", ada, student="Ada")
    before = _report.read([path])
    table = pd.read_csv(path, dtype=str).replace({"True": true, "False": false})
    table["factor_off"] = table["factor_off"].str.replace(".", ",")
    table.to_csv(path, index=False, sep=";")
    pd.testing.assert_frame_equal(_report.read([path]).rows, before.rows)


def test_report_knows_students_by_the_column_by_moodle_and_by_the_file(export):
    source = export("source.csv", ada, student="Your Name")  # copied as the hand-out has it
    names = {"Zoë Weiß_1234_assignsubmission_file_/progress.csv": "Zoë Weiß", "one/same.csv": "one"}
    names |= {"Li Wei_77_assignsubmission_file_mine.csv": "Li Wei (77)", "two/same.csv": "two", "mine.csv": "mine"}
    names |= {"Li Wei_78_assignsubmission_file_/your_name.csv": "Li Wei (78)", "cy/Your_Name (1).csv": "cy"}
    names |= {"di (2).csv": "di", "ed/progress.csv": "ed (progress)", "ed/progress (1).csv": "ed (progress (1))"}
    for name in names:
        path = source.parent / "class" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source.read_bytes())
    (source.parent / "class" / "._mine.csv").write_bytes(b"of a Mac")
    assert set(_report.read([source.parent / "class"]).students()["student"]) == set(names.values())
    called = ["NA", "None", "null", "nan", "Zoë", "Zoe\u0308"]
    found = _report.read([export(f"{number}.csv", ada, student=name) for number, name in enumerate(called)])
    assert set(found.students()["student"]) == set(called[:5])
    assert sum("is of the same student (Zoë)" in message for message in found.messages) == 1


@pytest.mark.parametrize("text", ["a$_$", "x" * 60_000, "Sie sagt: „nein“"])
def test_a_text_where_none_belongs_is_left_out_and_named(export, tmp_path, text):
    good = export("ben.csv", ben, student="Ben")
    for column in ("misconceptions", "first_answer", "student", "first_time", "done"):
        table = pd.read_csv(export(f"{column}.csv", ada, student=column), dtype=str)
        table.loc[1:, "student"] = None if column == "student" else column
        table.loc[0, column] = text
        table.to_csv(good.with_name(f"{column}.csv"), index=False)
    assert main(["report", str(tmp_path / "out"), str(good.parent)]) == 0
    found = _report.read([good.parent])
    assert {"Ben", "misconceptions", "first_answer", "first_time"} <= set(found.students()["student"])
    assert found.misconceptions()["misconception"].tolist() == ["weights_only", "flops"]
    assert any(f"misconceptions.csv: left out of its misconceptions: {text[:40]!r}" in one for one in found.messages)
    assert any("done.csv: skipped" in one for one in found.messages)
    assert any("60,000 letters" in one for one in found.messages) == (len(text) > 100)


def test_report_says_first_who_needs_help(export):
    def stuck():
        for task in ("conv_macs", "output_size"):
            records.record_attempt(task, "wrong")
        records.record_hint("conv_macs", 2)

    def looked():
        records.record_hint("conv_macs", 2)
        records.record_solution("conv_macs")

    paths = [
        export("ada.csv", ada, student="Ada"),
        export("cy.csv", stuck, student="Cy"),
        export("di.csv", student="Di"),
        export("ed.csv", lambda: records.record_guess("01.macs_of_4x4", 36), student="Ed"),
        export("fay.csv", looked, student="Fay"),
        export("gus.csv", ben, student="Gus"),
    ]
    found = _report.read(paths)
    assert found.in_need().to_numpy().tolist() == [
        ["Di", 0, "nothing done yet", 0, 0, 0],
        ["Ed", 0, "no exercise tried", 0, 0, 0],
        ["Fay", 0, "no exercise tried", 0, 2, 1],
        ["Gus", 0, "every solution read first", 0, 0, 1],
        ["Cy", 0, "output_size, conv_macs", 2, 2, 0],
    ]
    lesson = found.lessons().set_index("lesson").loc["01 What a convolution costs"]
    assert lesson.tolist() == [5, 0]
    page = BeautifulSoup(_report.page(found), "html.parser")
    heads = [head.get_text() for head in page.main.find_all("h2")]
    assert heads[:3] == ["How many finished what", "Who needs help", "Commonest misconceptions"]
    assert all(table.parent["tabindex"] == "0" for table in page.find_all("table"))


def test_the_page_keeps_to_ten_and_the_files_have_all(export, tmp_path):
    def many():
        for task in list(EXERCISES.values())[:6]:
            for one in task.misconceptions[:2]:
                records.record_attempt(task.name, "wrong", one.name)

    rows = _report.read([export("a.csv", many)]).rows
    found = _report.Class(pd.concat(rows.assign(student=str(number)) for number in range(12)), ())
    page = BeautifulSoup(_report.page(found), "html.parser")
    rows = page.find(string="Commonest misconceptions").find_parent().find_next("table").find_all("tr")
    assert len(rows) == 1 + 10
    for name in ("misconceptions", "in_need"):
        assert f"And 2 more, in {name}.csv." in page.get_text()
    _report.write(tmp_path / "out", found)
    for name in ("students", "in_need", "misconceptions", "questions"):
        assert (tmp_path / "out" / f"{name}.csv").read_bytes().startswith(b"\xef\xbb\xbf")  # or Excel breaks Zoë
    assert len(pd.read_csv(tmp_path / "out" / "misconceptions.csv")) == 12


def test_report_keeps_formulas_out_of_spreadsheets(export, tmp_path):
    path = export("x.csv", ada, student="=1+1")
    assert pd.read_csv(path)["student"].iat[0] == "'=1+1"
    found = _report.read([path])
    assert found.students()["student"].tolist() == ["=1+1"]
    _report.write(tmp_path / "out", found)
    assert pd.read_csv(tmp_path / "out" / "students.csv")["student"].tolist() == ["'=1+1"]


def test_report_leaves_out_rows_of_another_version(export):
    path = export("ada.csv", ada)
    table = pd.read_csv(path)
    table.loc[0, "id"] = "00.gone"
    table.to_csv(path, index=False)
    found = _report.read([path])
    assert "1 row of another version of the course left out" in found.messages[0]
    assert len(found.rows) == len(QUESTIONS) + len(EXERCISES)


# Timing and guide
def test_cut_points_are_sections_of_their_lessons(lessons):
    by_number = {lesson.lesson.number: lesson for lesson in lessons}
    for number, cuts in course.CUTS.items():
        sections = {section.id for section in by_number[number].sections}
        assert set(cuts) <= sections, f"CUTS of lesson {number}: {set(cuts) - sections} is no heading"


def test_every_lesson_fits_its_sessions(lessons):
    for lesson in lessons:
        for available in _guide.SESSIONS:
            made = _guide.plan(lesson, available)
            assert made.minutes <= available
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
            left_out = {one.id for one in _guide.plan(lesson, 45).left_out}
            assert left_out <= set(course.CUTS[lesson.lesson.number])


def test_a_lesson_without_cut_points_gives_up_its_last_sections(lessons, monkeypatch):
    monkeypatch.setattr("mobilenet_lib.course.lessons.CUTS", {})
    made = _guide.plan(lessons[2], 45)
    assert made.minutes <= 45
    assert made.left_out[-1].id == lessons[2].sections[-4].id


def test_measured_times_are_those_of_the_cells(tmp_path, monkeypatch):
    code = {"waits": "import time; time.sleep(0.3)", "quick": "1"}
    cells = [nbformat.v4.new_code_cell(source, id=name) for name, source in code.items()]
    node = nbformat.v4.new_notebook(cells=[*cells, nbformat.v4.new_markdown_cell("text", id="text")])
    lesson = course.Lesson("98_timed", "Timed", "How long?", minutes=1)
    nbformat.write(node, tmp_path / lesson.file_name)
    monkeypatch.setattr(_notebooks, "path", lambda one: tmp_path / one.file_name)
    monkeypatch.setattr(_measured, "TIMES", tmp_path / "times")
    assert _measured.times(lesson) is None
    times = _measured.measure(lesson)
    _measured.save(lesson, times)
    assert _measured.times(lesson) == times
    assert list(times.seconds) == ["waits", "quick"]
    assert times.seconds["waits"] >= 0.3
    assert times.versions["python"] in times.source


def test_guide_shows_a_slow_cell_with_what_it_showed(lessons, monkeypatch):
    lesson = lessons[1]
    silent = next(cell.id for cell in lesson.cells if cell.cell_type == "code" and not cell.outputs)
    seconds, versions = {"count-4x4": 7.0, "gone": 1.0, silent: 8.0}, {"python": "3", "paddlepaddle": "3"}
    machine = {"processor": "P", "cores": 1}
    times = _measured.Times(seconds, "2026-01-01", 0.5, versions, machine, "by hand")
    monkeypatch.setattr(_measured, "times", lambda one: times)
    text = _guide.guide(lesson)
    assert "Slow: <code>count-4x4</code>, 7.0 s. If it makes the room wait, show this" in text
    assert f"Slow: <code>{silent}</code>, 8.0 s. It shows nothing" in text
    assert "<details" not in text, "whoever teaches sees what is collapsed for students"
    text, cell = words(text), next(one for one in lesson.cells if one.id == "count-4x4")
    assert " ".join(cell.outputs[0].text.split()) in text
    assert "P with 1 core, of which" in text
    assert "The lesson has changed since" in text
    assert said(lesson.notes[0][1]) in text


def test_recorded_times_say_where_they_come_from():
    measured = [one for one in map(_measured.times, course.LESSONS) if one]
    assert measured
    for times in measured:
        assert times.total > 0
        assert times.machine["cores"] >= 1
        assert times.conditions


# A room
def test_students_per_machine_are_a_division():
    lessons = [{"kernel_peak_mb": 380}, {"kernel_peak_mb": 300}]
    room = _measured.Room("2026-01-01", "", {"started": 100, "at_the_end": 120}, lessons, 900, {}, {})
    assert room.one_lesson_mb == 500
    assert room.students(16, each_mb=500) == 30
    assert room.students(0.5, each_mb=500) == 0


def test_a_damaged_measurement_says_how_to_make_it_again(tmp_path, monkeypatch):
    (tmp_path / "memory.json").write_text("{")
    monkeypatch.setattr(_measured, "ROOM", tmp_path / "memory.json")
    with pytest.raises(ValueError, match=r"not a whole JSON file .*`python tests/benchmark_room\.py` makes it again"):
        _measured.room()


def test_guide_says_how_many_fit(lessons, monkeypatch):
    lesson = {"lesson": "01_x", "kernel_peak_mb": 380, "kernel_left_mb": 300, "cpu_seconds": 9.0}
    machine = {"processor": "P", "cores": 2, "memory_gb": 24.0}
    room = _measured.Room("2026-01-01", "Made up.", {"started": 100, "at_the_end": 120}, [lesson], 900, {}, machine)
    monkeypatch.setattr(_measured, "room", lambda: room)
    page = _guide.index(lessons)
    assert "at most 500 MB" in page
    assert "Made up." in page
    assert "4 6 3 8 14 7 16 30 16" in words(page)
    for lesson in lessons:
        assert f'href="{lesson.lesson.stem}.html"' in page


def test_readme_says_what_was_measured():
    room = _measured.room()
    assert room.conditions
    assert room.machine["cores"] >= 1
    readme = (readiness.originals().parent / "README.md").read_text(encoding="utf-8")
    for each_mb in (room.one_lesson_mb, room.all_open_mb):
        assert f"{each_mb / 1000:.1f} GB" in readme
        assert f" {room.students(16, each_mb)} " in readme


# Slides
def test_slides_need_no_network_and_give_no_answer(lessons):
    for lesson in lessons:
        page, script = _slides.slides(lesson).split("<script>", 1)
        assert not re.search("<script src", script)
        begins = [_notebooks.slide_type(cell) in ("slide", "subslide") for cell in lesson.cells]
        assert page.count("<section>") == page.count("</section>") == sum(begins)
        assert not re.search(r"<(?:link|iframe|object)\b|@import|url\((?!data:)", page)
        assert not re.findall(r"(?:src|srcset|data)=[\"'](?!data:)", page)
        assert not re.search(r'href="(?!https?:|#|\d\d_\w+\.html)', page)
        # What reveals a truth comes with a step of its own; folds are left out.
        hidden = [cell.metadata.get("jupyter", {}).get("outputs_hidden") for cell in lesson.cells]
        kept = [_notebooks.slide_type(cell) not in ("notes", "skip") for cell in lesson.cells]
        truths = sum(hide and keep for hide, keep in zip(map(bool, hidden), kept, strict=True))
        assert page.count('<div class="fragment truth">') == truths
        assert "<details" not in page
        assert all(re.search(r'\balt="[^"]', img) for img in re.findall(r"<img\b[^>]*>", page))
        text = words(page)
        assert all(said(note) not in text for _, note in lesson.notes)
        assert all(said(found.answer)[:60] not in text for found in lesson.answers)


def test_code_and_errors_of_a_slide_are_set_as_such():
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="a < b", traceback=["long"])
    page = _pages.page("One & two", [nbformat.v4.new_code_cell("def one(): pass", outputs=[error])], deck=True)
    assert "<title>One &amp; two</title>" in page
    assert '<span class="k">def</span>' in page
    assert ".highlight .k {" in page
    assert "ValueError: a &lt; b" in page
    assert "long" not in words(page)


def test_every_formula_of_the_lessons_can_be_set(lessons):
    sources = [cell.source for lesson in lessons for cell in lesson.cells if cell.cell_type == "markdown"]
    text = "".join(_pages.markdown(source) for source in sources if "$" in source)
    assert "<code>\\" not in text
    assert text.count("<math") >= 10
    assert "$" not in words(text)
    assert _pages.markdown(r"$\nonsense{x$") == "<p><code>\\nonsense{x</code></p>\n"


@pytest.mark.parametrize("name", ["<b>Ada</b>", "a|b", "*x*", "$y$", "_z_", "[a](b)", "`c`", "\\", "&amp;"])
def test_a_name_in_a_table_is_only_a_name(name):
    frame = pd.DataFrame({"student": [name, "Eve"], "points": [1.0, None]})
    table = _pages.markdown(_pages.table(frame, {"student": _pages.plain, "points": "{:.0f}".format}))
    assert words(table) == f"student points {name} 1 Eve –"
    assert table.count("text-align:right") == 3


def test_without_a_browser_the_pages_are_there_and_it_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("MOBILENET_CHROMIUM", raising=False)
    written, told = _slides.write(tmp_path, _notebooks.lessons(["00"]))
    assert [path.suffix for path in written] == [".html"]
    assert "no browser found" in told
    assert "01_what_a_convolution_costs" not in written[0].read_text(encoding="utf-8"), (
        "a link to a lesson that is not there"
    )


def test_each_slide_is_a_sheet_of_the_pdf_where_there_is_a_browser(tmp_path):
    browser = _slides.find_browser()
    if browser is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(_slides.NO_BROWSER)
    page = tmp_path / "page.html"
    how = {"slideshow": {"slide_type": "slide"}}
    page.write_text(_pages.page("One", [nbformat.v4.new_markdown_cell(text, metadata=how) for text in "12"], deck=True))
    assert re.findall(rb"/MediaBox \[(.*?)\]", _slides.to_pdf(page, browser).read_bytes()) == 2 * [b"0 0 960 540"]
