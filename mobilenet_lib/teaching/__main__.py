"""The instructor's commands: `uv run python -m mobilenet_lib.teaching COMMAND`; `--help` lists them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from mobilenet_lib.course import handout
from mobilenet_lib.teaching import _notebooks, _timing


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command: 0 when it is done, 1 with a line on stderr after an error."""
    given = _parser().parse_args(arguments)
    try:
        return given.run(given) or 0
    except (OSError, ValueError) as problem:
        print(f"teaching: {problem}", file=sys.stderr)
        return 1


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mobilenet_lib.teaching", description="For whoever teaches the course."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        run: Callable[[argparse.Namespace], int | None],
        help_text: str,
        out: bool = True,
        lessons: bool = True,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help_text, description=help_text)
        command.set_defaults(run=run)
        if out:
            command.add_argument("out", type=_path, metavar="OUT", help="the folder to write, new or empty")
            command.add_argument("--replace", action="store_true", help="write into a folder that is not empty")
        if lessons:
            command.add_argument("--lessons", nargs="+", metavar="NN", help="only these, such as 01 05")
        return command

    add("copy", _run_copy, "notebooks with every answer, and one page with all of them")
    command = add("handout", _run_handout, "notebooks for students, without answers and with solutions closed")
    command.add_argument("--keep-outputs", action="store_true", help="keep what cells have shown")
    for state, help_text in ((handout.OPEN, "open the solutions of a hand-out"), ("close", "close them again")):
        command = add(state, _run_open_or_close, help_text, out=False, lessons=False)
        command.set_defaults(state=handout.CLOSED if state == "close" else state)
        command.add_argument("folder", type=_path, metavar="FOLDER", help="the hand-out, or a folder of its notebooks")
    command = add("report", _run_report, "a class report from the files that students exported", lessons=False)
    command.add_argument("files", nargs="+", type=_path, metavar="FILE", help="exports, or folders of them")
    add("guide", _run_guide, "for each lesson minutes, cut points, slow cells and speaker notes")
    command = add("slides", _run_slides, "the slides as pages and PDF that need no network")
    command.add_argument("--no-pdf", action="store_true", help="pages only")
    add("timing", _run_timing, "run the lessons and record the seconds of each cell", out=False)
    return parser


def _run_copy(given: argparse.Namespace) -> None:
    from mobilenet_lib.teaching import _copies

    _print(_copies.write_copy(_folder(given), _notebooks.lessons(given.lessons)))


def _run_handout(given: argparse.Namespace) -> None:
    from mobilenet_lib.teaching import _copies

    lessons = _notebooks.lessons(given.lessons)
    _print(_copies.write_handout(_folder(given), lessons, outputs=given.keep_outputs))
    print(f"To open the solutions: python -m mobilenet_lib.teaching open {given.out}")


def _run_open_or_close(given: argparse.Namespace) -> None:
    from mobilenet_lib.teaching import _copies

    _print(_copies.set_handout(given.folder, given.state))


def _run_report(given: argparse.Namespace) -> None:
    from mobilenet_lib.teaching import _report

    found = _report.read(given.files)
    for line in found.messages:
        print(line, file=sys.stderr)
    _print(_report.write(_folder(given), found))


def _run_guide(given: argparse.Namespace) -> None:
    from mobilenet_lib.teaching import _guide

    _print(_guide.write(_folder(given), _notebooks.lessons(given.lessons)))


def _run_slides(given: argparse.Namespace) -> None:
    from mobilenet_lib.teaching import _slides

    written, problem = _slides.write(_folder(given), _notebooks.lessons(given.lessons), not given.no_pdf)
    _print(written)
    if problem:
        print(problem, file=sys.stderr)


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
    """The folder to write; it is made with its first file. FileExistsError where it holds something already."""
    folder = given.out
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file: name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not given.replace:
        raise FileExistsError(
            f"{folder} is not empty: name a new folder, or say --replace to overwrite what is written anew"
        )
    return folder


def _print(paths: list[Path]) -> None:
    for path in paths:
        print(path)


if __name__ == "__main__":
    sys.exit(main())
