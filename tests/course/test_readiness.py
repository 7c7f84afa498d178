"""The readiness check: every failure is found, named and given advice, and a ready machine always reads the same."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from mobilenet_lib.course import readiness
from mobilenet_lib.course.readiness import Check

FINE = Check("Python", True, "Python 3.11.7 of <this> machine")
BAD = Check("Disk", False, "0.1 GB free", "Make room.")


def test_this_machine_runs_paddle_and_convolves():
    version, numbers = readiness.check_paddle()
    assert (version.ok, version.advice) == (True, "")
    assert (numbers.ok, numbers.advice) == (True, "")


@pytest.mark.parametrize(
    ("version", "last", "fine"), [("2.6.0", 90, (False, True)), (readiness.PADDLE_VERSION, 0.0, (True, False))]
)
def test_another_paddle_and_wrong_numbers_are_found_out(monkeypatch, version, last, fine):
    answer = {"version": version, "sums": [45, 54, 81, last]}
    monkeypatch.setattr(readiness, "_run", lambda _: (answer, ""))
    checks = readiness.check_paddle()
    assert tuple(check.ok for check in checks) == fine
    assert version in checks[0].detail
    assert all(check.ok or check.advice for check in checks)


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("raise ImportError('libgomp.so.1: cannot open')", "libgomp.so.1"),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGILL)",
            "signal 4",
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signals"),
        ),
    ],
)
def test_a_paddle_that_does_not_start_is_a_message_and_not_an_end(monkeypatch, program, words):
    monkeypatch.setattr(readiness, "_TINY_CONVOLUTION", program)
    checks = readiness.check_paddle()
    assert not any(check.ok for check in checks)
    assert words in checks[0].detail
    assert "Lessons 01 and 02 work without it" in checks[0].advice


def test_a_paddle_that_hangs_is_a_message(monkeypatch):
    def hang(command, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    assert "two minutes" in readiness.check_paddle()[0].detail


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (({"V1": None, "V2": None}, ""), "static graph"),
        (({"V1": None, "V2": "it crashed"}, ""), "the static one failed (V2: it crashed)"),
        (({}, "did not start within two minutes"), "the static one failed (did not start within two minutes)"),
    ],
)
def test_a_machine_without_the_fast_training_step_is_ready_and_says_so(monkeypatch, answer, detail):
    monkeypatch.setattr(readiness, "_run", lambda _: answer)
    check = readiness.check_training()
    assert check.ok
    assert detail in check.detail


def test_the_readiness_check_tries_the_training_step(monkeypatch, tmp_path):
    """Once for all: what it found is where `choose` looks."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert readiness.check_training().detail == "static graph"
    assert list((tmp_path / "mobilenet-course").glob("static-step-*.json"))


def test_a_missing_paddle_is_a_message(monkeypatch):
    monkeypatch.setattr(readiness, "paddle_installed", lambda: False)
    checks = readiness.check_paddle()
    assert not any(check.ok for check in checks)
    assert checks[0].detail == "not installed"


def test_a_full_disk_is_found(monkeypatch, tmp_path):
    assert readiness.check_disk(tmp_path).ok
    monkeypatch.setattr(readiness, "FREE_DISK_BYTES", 10**18)
    assert not readiness.check_disk(tmp_path).ok


def test_lessons_must_be_there_and_writable(monkeypatch, tmp_path):
    monkeypatch.setattr(readiness, "course_folder", lambda: None)
    assert "mobilenet-course new" in readiness.check_notebooks().advice
    assert not readiness.check_notebooks(tmp_path).ok
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "05_what_relu_destroys.ipynb").touch()
    assert readiness.check_notebooks(tmp_path).ok
    assert len(list((tmp_path / "notebooks").iterdir())) == 1


def test_lessons_are_found_where_one_stands_and_else_in_the_checkout(monkeypatch, tmp_path):
    checkout = tmp_path / "checkout"
    monkeypatch.setattr(readiness, "_PACKAGE", checkout / "mobilenet_lib")
    monkeypatch.chdir(tmp_path)
    for folder in (checkout, tmp_path):
        (folder / "notebooks").mkdir(parents=True)
        (folder / "notebooks" / "00_of_another_project.ipynb").touch()
        assert readiness.course_folder() == (None if folder == checkout else checkout)
        (folder / "notebooks" / "00_start_here.ipynb").touch()
        assert readiness.course_folder() == folder
    monkeypatch.chdir(tmp_path / "notebooks")
    assert readiness.course_folder() == tmp_path / "notebooks"
    assert readiness.check_notebooks().detail == str(tmp_path / "notebooks")
    assert readiness.originals() == checkout / "notebooks"
    shutil.rmtree(checkout / "notebooks")
    assert readiness.originals() == checkout / "mobilenet_lib" / "notebooks"


def test_a_ready_machine_always_reads_the_same():
    other = Check("Python", True, "Python 3.13.0 elsewhere")
    assert readiness.as_text([FINE]) == readiness.as_text([other])
    assert readiness.as_text([FINE], details=True) != readiness.as_text([other], details=True)
    assert "ready for the whole course" in readiness.as_text([FINE])


def test_what_failed_is_shown_with_its_advice():
    checks = [FINE, BAD]
    for text in (readiness.as_text(checks), readiness.as_text(checks, details=True), readiness.as_html(checks)):
        for part in ("0.1 GB free", "Make room.", "1 of 2 checks failed"):
            assert part in text
        assert "ready for the whole course" not in text


def test_the_table_escapes_what_it_shows():
    assert "&lt;this&gt;" in readiness.as_html([FINE])
    assert "<this>" not in readiness.as_html([FINE])


def test_lesson_00_prints_plain_lines_where_nobody_watches(monkeypatch, capsys):
    monkeypatch.setattr(readiness, "readiness", lambda: [FINE])
    monkeypatch.setenv("MOBILENET_INTERACTIVE", "0")
    readiness.show_readiness()
    assert capsys.readouterr().out.splitlines()[0] == "ready    Python"
