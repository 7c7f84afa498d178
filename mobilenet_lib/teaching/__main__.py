"""The instructor's commands: `uv run python -m mobilenet_lib.teaching COMMAND`; `--help` lists them."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mobilenet_lib.teaching import _notebooks, _timing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 when it is done, 1 with a line on stderr after an error."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given)
    except (OSError, ValueError) as problem:
        print(f"instructor: {problem}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mobilenet_lib.teaching", description="For whoever teaches the course."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        run: Callable[[argparse.Namespace], int],
        help_text: str,
        folder: bool = True,
        lessons: bool = True,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(run=run)
        if folder:
            command.add_argument("out", type=Path, metavar="OUT", help="the folder to write, new or empty")
            command.add_argument("--replace", action="store_true", help="write into a folder that is not empty")
        if lessons:
            command.add_argument("--lessons", nargs="+", metavar="NN", help="only these, such as 01 05")
        return command

    add("copy", _run_copy, "notebooks with every answer, and one page with all of them")
    command = add("handout", _run_handout, "notebooks for students, with solutions and answers locked")
    command.add_argument("--code", help="what unlocks them (default: one is made and printed)")
    command.add_argument("--keep-outputs", action="store_true", help="keep what cells have shown")
    command = add("report", _run_report, "a class report from the files that students exported", lessons=False)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="exports, or folders of them")
    add("guide", _run_guide, "for each lesson minutes, cut points, slow cells and speaker notes")
    command = add("slides", _run_slides, "the slides as pages and PDF that need no network")
    command.add_argument("--no-pdf", action="store_true", help="pages only")
    add("timing", _run_timing, "run the lessons and record the seconds of each cell", folder=False)
    return parser


def _run_copy(given: argparse.Namespace) -> int:
    from mobilenet_lib.teaching import _copies

    _report_written(_copies.write_copy(_folder(given), _notebooks.lessons(given.lessons)))
    return 0


def _run_handout(given: argparse.Namespace) -> int:
    from mobilenet_lib.teaching import _copies

    code = secrets.token_hex(4) if given.code is None else given.code
    lessons = _notebooks.lessons(given.lessons)
    _report_written(_copies.write_handout(_folder(given), lessons, code, outputs=given.keep_outputs))
    print(f"The code that opens it, for you to keep: {code}")
    return 0


def _run_report(given: argparse.Namespace) -> int:
    from mobilenet_lib.teaching import _report

    found = _report.read(given.files)
    for line in found.messages:
        print(line, file=sys.stderr)
    _report_written(_report.write(_folder(given), found))
    return 0


def _run_guide(given: argparse.Namespace) -> int:
    from mobilenet_lib.teaching import _guide

    _report_written(_guide.write(_folder(given), _notebooks.lessons(given.lessons)))
    return 0


def _run_slides(given: argparse.Namespace) -> int:
    from mobilenet_lib.teaching import _slides

    written, problem = _slides.write(_folder(given), _notebooks.lessons(given.lessons), not given.no_pdf)
    _report_written(written)
    if problem:
        print(problem, file=sys.stderr)
    return 0


def _run_timing(given: argparse.Namespace) -> int:
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    failed = False
    for lesson in _notebooks.lessons(given.lessons):
        try:
            times = _timing.measure(lesson.lesson)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as problem:
            print(f"{lesson.lesson.stem}: not measured\n{problem}", file=sys.stderr)
            failed = True
            continue
        _timing.save(lesson.lesson, times)
        slow = ", ".join(f"{name} {taken:.1f}" for name, taken in times.slow.items())
        print(f"{lesson.lesson.stem}: {times.total:.1f} s; slow: {slow or 'none'}", flush=True)
    return int(failed)


def _folder(given: argparse.Namespace) -> Path:
    """The folder to write, made if need be. FileExistsError where it holds something already."""
    folder = given.out
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not given.replace:
        raise FileExistsError(
            f"{folder} is not empty: name a new folder, or say --replace to overwrite what is written anew"
        )
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _report_written(paths: list[Path]) -> None:
    for path in paths:
        print(path)


if __name__ == "__main__":
    sys.exit(main())
