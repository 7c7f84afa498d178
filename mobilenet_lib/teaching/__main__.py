"""The instructor's commands: `uv run python -m mobilenet_lib.teaching COMMAND`; `--help` lists them.

What a command needs takes seconds to import, so that each imports it, once it is known to be wanted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from mobilenet_lib._support import environment
from mobilenet_lib._support.files import expanded
from mobilenet_lib.course import handout


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 when it is done, 1 with a line on stderr after an error."""
    environment.print_anywhere()
    given = _parser().parse_args(arguments)
    try:
        if "out" in given:
            _refuse_what_is_full(given)
        print("Working; it takes some seconds.", file=sys.stderr, flush=True)
        for written in given.run(given):
            print(written, flush=True)
    except (OSError, ValueError, RuntimeError) as problem:
        print(f"teaching: {problem}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mobilenet_lib.teaching", description="For whoever teaches.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, run: Callable[[argparse.Namespace], Iterable[object]], told: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=told, description=told)
        command.set_defaults(run=run)
        return command

    copy = add("copy", _copy, "notebooks with every answer, and one page with all of them")
    students = add("handout", _handout, "notebooks for students, without answers and with solutions closed")
    opened = add("open", partial(_set, handout.OPEN), "open the solutions of a hand-out")
    closed = add("close", partial(_set, handout.CLOSED), "close the solutions of a hand-out again")
    report = add("report", _class_report, "a class report from the files that students exported")
    guide = add("guide", _instructors_guide, "for each lesson minutes, cut points, slow cells and speaker notes")
    slides = add("slides", _pages_and_pdf, "the slides as pages and PDF that need no network")
    timing = add("timing", _timed, "run the lessons and record the seconds of each cell")
    for command in (copy, students, report, guide, slides):
        command.add_argument("out", type=expanded, metavar="OUT", help="the folder to write, new or empty")
        command.add_argument("--replace", action="store_true", help="write into a folder that is not empty")
    for command in (copy, students, guide, slides, timing):
        command.add_argument("--lessons", nargs="+", metavar="NN", help="only these, such as 01 05")
    for command in (opened, closed):
        command.add_argument(
            "folder", type=expanded, metavar="FOLDER", help="the hand-out, or a folder of its notebooks"
        )
    students.add_argument("--keep-outputs", action="store_true", help="keep what cells have shown")
    report.add_argument("files", nargs="+", type=expanded, metavar="FILE", help="exports, or folders of them")
    slides.add_argument("--no-pdf", action="store_true", help="pages only")
    return parser


def _copy(given: argparse.Namespace) -> Iterable[Path]:
    from mobilenet_lib.teaching import _copies, _notebooks

    return _copies.write_copy(given.out, _notebooks.lessons(given.lessons))


def _instructors_guide(given: argparse.Namespace) -> Iterable[Path]:
    from mobilenet_lib.teaching import _guide, _notebooks

    return _guide.write(given.out, _notebooks.lessons(given.lessons))


def _handout(given: argparse.Namespace) -> Iterable[object]:
    from mobilenet_lib.teaching import _copies, _notebooks

    yield from _copies.write_handout(given.out, _notebooks.lessons(given.lessons), given.keep_outputs)
    yield f"To open the solutions: python -m mobilenet_lib.teaching open {given.out}"


def _set(state: str, given: argparse.Namespace) -> Iterable[object]:
    from mobilenet_lib.teaching import _copies

    setting, *more = _copies.set_handout(given.folder, state)
    yield from (setting, *more)
    yield f"Only this folder is {state} now. Students with a copy of it need this {setting.name} in place of theirs."


def _class_report(given: argparse.Namespace) -> Iterable[Path]:
    from mobilenet_lib.teaching import _report

    found = _report.read(given.files)
    for line in found.messages:
        print(line, file=sys.stderr)
    return _report.write(given.out, found)


def _pages_and_pdf(given: argparse.Namespace) -> Iterable[Path]:
    from mobilenet_lib.teaching import _notebooks, _slides

    written, problem = _slides.write(given.out, _notebooks.lessons(given.lessons), not given.no_pdf)
    if problem:
        print(problem, file=sys.stderr)
    return written


def _timed(given: argparse.Namespace) -> Iterable[str]:
    """A line for each lesson. RuntimeError at the end names those that could not be run."""
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    from mobilenet_lib.teaching import _measured, _notebooks

    failed = []
    for lesson in _notebooks.lessons(given.lessons):
        try:
            times = _measured.measure(lesson.lesson)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
            print(f"{lesson.title}: not measured\n{problem}", file=sys.stderr)
            failed.append(lesson.lesson.number)
            continue
        _measured.save(lesson.lesson, times)
        slow = ", ".join(f"{name} {taken:.1f}" for name, taken in times.slow.items())
        yield f"{lesson.title}: {times.total:.1f} s; slow: {slow or 'none'}"
    if failed:
        raise RuntimeError(f"not measured: {', '.join(failed)}")


def _refuse_what_is_full(given: argparse.Namespace) -> None:
    """FileExistsError where the folder to write holds something already; it is made with its first file."""
    folder, advice = given.out, "name a new one, or say --replace to overwrite what is written anew"
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not given.replace:
        raise FileExistsError(f"{folder} is not empty: {advice}")


if __name__ == "__main__":
    sys.exit(main())
