"""Progress survives restarts, crashes, broken files and several notebooks at once, and is counted rightly."""

from __future__ import annotations

import csv
import json
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from patience import patience

from mobilenet_lib.course import LESSONS, progress, records
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.course.questions import QUESTIONS

PATIENCE = patience()
QUESTION, SECOND, CHOICE = "01.macs_of_4x4", "02.depthwise_only", "01.stride_two"


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "folder" / "progress.sqlite"
    monkeypatch.setenv("MOBILENET_PROGRESS", str(path))
    records.take_notes()
    return path


def content(file: Path) -> dict:
    """What the file itself holds."""
    with closing(records._connection(file)) as database:
        return records._content(database)


def in_another_process(program: str, *arguments: str, **options) -> subprocess.Popen:
    program = f"import sys\nfrom mobilenet_lib.course import records\nrecords.SECONDS_FOR_LOCK = {PATIENCE}\n{program}"
    return subprocess.Popen([sys.executable, "-c", program, *arguments], **options)


def in_four_processes(program: str) -> None:
    """At once, each with its number as its argument."""
    writers = [in_another_process(program, str(number)) for number in range(4)]
    assert [writer.wait(PATIENCE) for writer in writers] == [0, 0, 0, 0]


# The file
def test_first_and_latest_guess_are_kept_with_their_times(file, monkeypatch):
    for number, when in ((16, "2026-01-01T10:00:00+00:00"), (30, "2026-01-02T10:00:00+00:00")):
        monkeypatch.setattr(records, "now_text", lambda when=when: when)
        records.record_guess(QUESTION, number)
    assert content(file)["guesses"][QUESTION] == {
        "first": 16,
        "first_time": "2026-01-01T10:00:00+00:00",
        "latest": 30,
        "latest_time": "2026-01-02T10:00:00+00:00",
        "guesses": 2,
    }


def test_progress_survives_a_restart(file):
    program = f"records.record_guess({QUESTION!r}, 16); records.record_attempt('output_size', 'correct')"
    assert in_another_process(program).wait(PATIENCE) == 0
    assert records.guess(QUESTION)["first"] == 16
    assert records.state()["exercises"]["output_size"]["solved"]


def test_notebooks_writing_at_once_lose_nothing(file):
    in_four_processes(
        "for number in range(15):\n"
        "    records.record_guess(f'{sys.argv[1]}.{number}', number + 1)\n"
        "    records.record_attempt('shared', 'wrong')\n"
        "assert not records.take_notes()"
    )
    written = content(file)
    assert len(written["guesses"]) == 4 * 15
    assert len(written["exercises"]["shared"]["attempts"]) == 4 * 15


HOLDER = """
records.path().parent.mkdir()
with records._opened(records.path()) as file, records._transaction(file):
    file.execute("INSERT INTO exercises (name) VALUES ('half done')")
    print("in", flush=True)
    input()
"""


@pytest.fixture
def holder():
    """Another process in the middle of a change."""
    held = in_another_process(HOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert held.stdout.readline() == "in\n"
    yield held
    held.kill()
    held.communicate()


def test_what_a_killed_process_began_is_undone_and_its_lock_ends(file, holder):
    holder.kill()
    holder.wait()
    records.record_guess(QUESTION, 16)
    assert records.take_notes() == []
    assert content(file) == records.state()
    assert content(file)["guesses"].keys() == {QUESTION}
    assert content(file)["exercises"] == {}


def test_processes_killed_at_any_moment_leave_a_whole_file(file):
    program = "while True:\n    records.record_attempt('shared', 'wrong')\n    print(flush=True)"
    for _ in range(3):
        writer = in_another_process(program, stdout=subprocess.PIPE)
        for _ in range(4):
            writer.stdout.readline()
        writer.kill()
        writer.communicate()
    records.record_guess(QUESTION, 16)
    assert len(content(file)["exercises"]["shared"]["attempts"]) >= 3 * 4
    assert records.take_notes() == []


def test_a_file_that_is_held_keeps_the_guess_for_the_next_write(file, holder, monkeypatch):
    monkeypatch.setattr(records, "SECONDS_FOR_LOCK", 0.1)
    records.record_guess(QUESTION, 16)
    assert content(file)["guesses"] == {}
    assert records.guess(QUESTION)["first"] == 16
    (note,) = records.take_notes()
    assert "cannot be written" in note
    assert "locked" in note
    holder.communicate("\n", timeout=PATIENCE)
    records.record_guess(SECOND, 4_800)
    assert content(file)["guesses"].keys() == {QUESTION, SECOND}


def test_a_network_drive_without_locks_is_said_in_one_line(file, monkeypatch):
    def refused(database):
        raise sqlite3.OperationalError("disk I/O error")  # what SQLite makes of ENOLCK

    monkeypatch.setattr(records, "_transaction", refused)
    for number in (16, 17):
        records.record_guess(QUESTION, number)
    assert records.guess(QUESTION)["latest"] == 17
    (note,) = records.take_notes()
    assert "disk I/O error" in note
    assert list(file.parent.glob("*unreadable*")) == []


GOOD = {"first": 16, "first_time": "t", "latest": 16, "latest_time": "t", "guesses": 1}
TRIED = {"hints": 1, "solution_seen": None, "solved": "t", "attempts": []}
ATTEMPT = {"time": "t", "outcome": "correct", "misconception": None}


def older(guesses: object, exercises: object, version: int = 1) -> bytes:
    """A file as version 0.1 wrote it."""
    return json.dumps({"version": version, "predictions": guesses, "exercises": exercises}).encode()


def database(*statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(";".join(statements))
        # Python 3.10 has no serialize().
        with tempfile.TemporaryDirectory() as folder:
            made.execute("VACUUM INTO ?", (f"{folder}/made",))
            return Path(folder, "made").read_bytes()


WHOLE = database(*records._TABLES)
NO_JSON = [
    *(b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000),
    *(older({}, {}, version=2), older([], {}), older({"01.a": 3}, {}), older({}, {"a": {"attempts": [1]}})),
    *(older({"a": GOOD | {"first": wrong}}, {}) for wrong in (float("nan"), None, [1])),
    older({"a": GOOD | {"guesses": "x"}}, {}),
]
NO_DATABASE = [
    *(b"{", b"\xff\xfe", older({}, {}), b"[" * 100_000),
    *(database("CREATE TABLE other (x)"), database(*sorted(records._TABLES)[:2])),
    *(WHOLE[:-5000], WHOLE[:4096] + bytes(range(256)) * 16 + WHOLE[8192:]),
]


@pytest.mark.parametrize(
    ("suffix", "broken"), [(".json", broken) for broken in NO_JSON] + [(".sqlite", broken) for broken in NO_DATABASE]
)
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_broken_file_is_set_aside_whole_and_told(file, suffix, broken, first):
    file.parent.mkdir()
    file.with_suffix(suffix).write_bytes(broken)
    if first == "read":
        assert records.state()["guesses"] == {}
    records.record_guess(QUESTION, 16)
    assert content(file)["guesses"].keys() == {QUESTION}
    (kept,) = file.parent.glob(f"progress-unreadable-*{suffix}")
    assert kept.read_bytes() == broken
    (note,) = records.take_notes()
    assert str(kept) in note
    assert records.take_notes() == [], "it is told once"


def test_notebooks_that_meet_a_broken_file_at_once_lose_nothing(file):
    file.parent.mkdir()
    file.write_bytes(b"broken" * 1000)
    in_four_processes("records.record_guess(sys.argv[1], 1)")
    assert content(file)["guesses"].keys() == {"0", "1", "2", "3"}
    assert len(list(file.parent.glob("*unreadable*.sqlite"))) == 1


def test_two_broken_files_in_one_second_are_both_kept(file, monkeypatch):
    monkeypatch.setattr(records, "now_text", lambda: "2026-01-01T10:00:00+00:00")
    file.parent.mkdir()
    for broken in ("one", "two"):
        file.write_text(broken)
        records.state()
    assert {path.read_text() for path in file.parent.glob("progress-unreadable-*")} == {"one", "two"}


def test_a_whole_file_is_not_set_aside(file):
    records.record_guess(QUESTION, 16)
    records._pending.clear()
    assert records.guess(QUESTION)["first"] == 16
    assert list(file.parent.glob("*unreadable*")) == []


@pytest.mark.parametrize("first", ["read", "write"])
def test_a_json_file_of_version_01_is_moved_over_once_and_kept(file, first, monkeypatch):
    old, exercise = file.with_suffix(".json"), TRIED | {"attempts": [ATTEMPT, ATTEMPT]}
    file.parent.mkdir()
    guesses = {QUESTION: GOOD, CHOICE: GOOD | {"first": "half", "latest": 0.5}}
    old.write_bytes(older(guesses, {"output_size": exercise}))
    before = old.read_bytes()
    monkeypatch.setenv("MOBILENET_PROGRESS", str(old))  # it still names the old file
    if first == "read":
        assert records.guess(CHOICE)["latest"] == 0.5
    records.record_guess(QUESTION, 36)
    assert GOOD.items() - records.guess(QUESTION).items() == {("latest", 16), ("guesses", 1), ("latest_time", "t")}
    moved = records.state()["exercises"]["output_size"]
    assert (moved["hints"], moved["solved"], moved["solution_seen"], len(moved["attempts"])) == (1, "t", None, 2)
    assert ATTEMPT.items() <= moved["attempts"][0].items()
    (kept,) = file.parent.glob("progress-moved-*.json")
    assert kept.read_bytes() == before
    assert not old.exists()
    (note,) = records.take_notes()
    assert str(kept) in note


@pytest.mark.parametrize(
    ("mark", "text"), [(b"\xef\xbb\xbf", "half"), (b"", "half \ud83d"), (b"", "\udcff")], ids=["mark", "half", "lone"]
)
def test_a_json_file_with_a_mark_or_half_a_letter_is_moved_over_too(file, mark, text):
    file.parent.mkdir()
    file.with_suffix(".json").write_bytes(mark + older({CHOICE: GOOD | {"first": text}}, {}))
    assert records.guess(CHOICE)["first"] == text.encode("utf-8", "replace").decode()
    records.record_guess(QUESTION, 36)
    assert list(file.parent.glob("*unreadable*")) == []
    assert "Zoë ?" in progress.export(file.with_name("out.csv"), student="Zoë \ud83d").read_text(encoding="utf-8-sig")


def test_where_nothing_can_be_written_progress_stays_in_memory(tmp_path, monkeypatch, capsys):
    (tmp_path / "a_file").write_text("")
    monkeypatch.setenv("MOBILENET_PROGRESS", str(tmp_path / "a_file" / "progress.sqlite"))
    records.record_guess(QUESTION, 16)
    records.record_guess(QUESTION, 36)
    assert records.guess(QUESTION)["first"] == 16
    (note,) = records.take_notes()
    assert "cannot be written" in note
    assert "MOBILENET_PROGRESS" in note


@pytest.mark.parametrize("old", [False, True])
def test_a_file_that_cannot_be_written_is_read_and_completed_in_memory(file, old, monkeypatch):
    """tests/test_hard_use.py does so in a folder that is really read-only."""
    records.record_guess(QUESTION, 16)
    if old:
        file.unlink()
        file.with_suffix(".json").write_bytes(older({QUESTION: GOOD}, {}))
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}

    def refused(*_):
        raise sqlite3.OperationalError("attempt to write a readonly database")

    monkeypatch.setattr(records, "_transaction", refused)
    monkeypatch.setattr(records, "_write", refused)
    records.record_guess(SECOND, 4_800)
    assert records.state()["guesses"].keys() == {QUESTION, SECOND}
    assert {name: (file.parent / name).read_bytes() for name in before} == before


def test_a_run_without_a_learner_writes_only_where_it_was_told(tmp_path, monkeypatch):
    monkeypatch.delenv("MOBILENET_PROGRESS")
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path / "home")
    records.record_guess(QUESTION, 16)
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "1")
    records.record_guess(QUESTION, 16)
    assert (tmp_path / "home" / "progress.sqlite").exists()
    records._pending.clear()


def test_empty_variables_mean_unset(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_data_path", lambda *_, **__: tmp_path)
    monkeypatch.setenv("MOBILENET_PROGRESS", "")
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "")
    records.record_guess(QUESTION, 16)
    assert records.path() == tmp_path / "progress.sqlite"
    assert list(tmp_path.iterdir()) == []


def test_the_home_folder_is_found(monkeypatch):
    monkeypatch.setenv("MOBILENET_PROGRESS", "~/mine.sqlite")
    assert records.path() == Path.home() / "mine.sqlite"


# Reset and export
def test_reset_asks_first_and_keeps_a_backup(file, capsys):
    learn()
    before = content(file)
    progress.reset()
    assert "reset(confirm=True)" in capsys.readouterr().out
    assert content(file) == before
    progress.reset(confirm=True)
    (kept,) = file.parent.glob("progress-backup-*.sqlite")
    assert kept.name in capsys.readouterr().out
    assert content(kept) == before
    assert records.state() == {"guesses": {}, "exercises": {}}


def test_a_reset_that_cannot_keep_a_backup_changes_nothing(file, holder, monkeypatch):
    monkeypatch.setattr(records, "SECONDS_FOR_LOCK", 0.1)
    with pytest.raises(OSError, match="could not be set aside"):
        progress.reset(confirm=True)
    holder.communicate("\n", timeout=PATIENCE)
    assert content(file)["exercises"].keys() == {"half done"}


def test_reset_without_progress_says_so(capsys):
    progress.reset(confirm=True)
    assert "no progress" in capsys.readouterr().out


def learn() -> None:
    """A learner's evening: two guesses, one choice, one exercise after a mistake, another by its solution."""
    records.record_guess(QUESTION, 18)
    records.record_guess(QUESTION, 36)
    records.record_guess(SECOND, 48_000)
    records.record_guess(CHOICE, "half")
    records.record_hint("output_size", 1)
    records.record_attempt("output_size", "misconception", "padding_ignored")
    records.record_attempt("output_size", "correct")
    records.record_solution("conv_params")
    records.record_attempt("conv_params", "correct")


def test_frame_has_a_row_for_everything_and_no_truth_before_a_guess():
    learn()
    table = progress.frame().set_index("id")
    assert set(table.index) == QUESTIONS.keys() | EXERCISES.keys()
    assert list(table["lesson"]) == sorted(table["lesson"])
    assert list(progress.frame().columns) == list(progress.COLUMNS)
    assert table["done"].sum() == 5
    first = table.loc[QUESTION]
    assert tuple(first[["first_answer", "latest_answer", "truth", "factor_off"]]) == (18, 36, 36, 0.5)
    assert first["attempts"] == 2
    assert table.loc[CHOICE, "truth"] == "a quarter"
    assert table.loc["output_size", "misconceptions"] == "padding_ignored"
    assert table.loc["output_size", "hints_used"] == 1
    assert table.loc["conv_params", "solution_seen"]
    assert table["points"][["output_size", "conv_params"]].tolist() == [10, 5]
    assert table.loc["01.article_standard"][["first_answer", "truth", "factor_off"]].isna().all()


def test_every_column_is_documented():
    for column in progress.COLUMNS:
        assert column in progress.frame.__doc__


def test_export_is_a_csv_for_an_instructor(tmp_path):
    learn()
    path = progress.export(tmp_path / "me.csv", student="Ada Łovelace, B.")
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == len(QUESTIONS) + len(EXERCISES)
    assert {row["student"] for row in rows} == {"Ada Łovelace, B."}
    assert next(row for row in rows if row["id"] == QUESTION)["factor_off"] == "0.5"
    with progress.export(tmp_path / "nameless.csv").open(encoding="utf-8-sig") as stream:
        assert stream.readline().startswith("kind,lesson,id,done")


def test_export_into_a_missing_folder_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="make it, or choose another path"):
        progress.export(tmp_path / "missing" / "me.csv")


# The map
def test_calibration_is_that_of_first_guesses_at_numbers():
    assert progress.calibration() is None
    learn()
    found = progress.calibration()
    assert found.factors == {QUESTION: 0.5, SECOND: 10.0}
    assert found.median_off == 6
    assert found.within_two == 0.5


@pytest.mark.usefixtures("live")
def test_map_counts_what_is_done(capsys):
    learn()
    progress.show()
    text = capsys.readouterr().out
    points = sum(task.points for task in EXERCISES.values())
    expected = f"3 of {len(QUESTIONS)} guesses, 2 of {len(EXERCISES)} exercises, 15 of {points} points"
    assert expected in text
    line = next(line for line in text.splitlines() if line.startswith("01 "))
    questions = sum(asked.lesson == "01" for asked in QUESTIONS.values())
    tasks = [task for task in EXERCISES.values() if task.lesson == "01"]
    possible = sum(task.points for task in tasks)
    for part in ("begun", f"2 of {questions}", f"2 of {len(tasks)}", f"15 of {possible}"):
        assert part in line
    assert "6 times off; 50% are within a factor of 2" in text
    assert f"{QUESTION}: 2 times too low" in text
    assert f"{SECOND}: 10 times too high" in text


@pytest.mark.usefixtures("live")
def test_a_failed_check_or_a_hint_begins_a_lesson(capsys):
    records.record_attempt("relu6", "wrong")
    records.record_hint("map_sizes", 1)
    progress.show()
    assert [line[:2] for line in capsys.readouterr().out.splitlines() if "begun" in line] == ["03", "04"]


@pytest.mark.usefixtures("live")
def test_map_marks_a_finished_lesson(capsys):
    for asked in QUESTIONS.values():
        records.record_guess(asked.id, asked.truth())
    for name in EXERCISES:
        records.record_attempt(name, "correct")
    progress.show()
    text = capsys.readouterr().out
    with_tasks = {one.lesson for one in (*QUESTIONS.values(), *EXERCISES.values())}
    assert text.count("✓ done") == len(with_tasks)
    assert "100% are within a factor of 2" in text


@pytest.mark.usefixtures("live")
def test_page_says_the_same_and_links_the_lessons(shown):
    learn()
    progress.show()
    page = shown[0]._repr_mimebundle_()["text/html"]
    for lesson in LESSONS:
        assert f'href="{lesson.file_name}"' in page
        assert lesson.title in page
    for words in ("◐ begun", "2 times too low", "10 times too high", 'scope="row"', 'scope="col"'):
        assert words in page
    assert "<img" not in page, "bars are drawn beside their words, so no image needs a text of its own"


@pytest.mark.usefixtures("live")
def test_stored_answers_that_no_longer_fit_do_not_break_the_map(capsys):
    records.record_guess(QUESTION, "a quarter")
    records.record_guess(CHOICE, 7)
    records.record_guess("01.no_longer_asked", 7)
    records.record_attempt("no_longer_there", "correct")
    progress.show()
    assert f"0 of {len(QUESTIONS)} guesses, 0 of {len(EXERCISES)} exercises" in capsys.readouterr().out
    assert len(progress.frame()) == len(QUESTIONS) + len(EXERCISES)


def test_map_of_a_run_without_a_learner_is_empty_whatever_the_file_holds(capsys):
    progress.show()
    empty = capsys.readouterr().out
    learn()
    progress.show()
    assert capsys.readouterr().out == empty
    assert f"0 of {len(QUESTIONS)} guesses" in empty


@pytest.mark.usefixtures("live")
def test_map_tells_of_a_broken_file(file, capsys):
    file.parent.mkdir()
    file.write_text("broken")
    progress.show()
    assert "could not be understood" in capsys.readouterr().out
