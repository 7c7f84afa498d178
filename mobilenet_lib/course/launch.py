"""The `mobilenet-course` command: open the lessons in JupyterLab, write them into a folder, or say what is missing.

Parses on Python 3.8 and later, so that an unsupported Python gets a message and not a traceback.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import urllib.parse
from pathlib import Path

from mobilenet_lib._support import environment
from mobilenet_lib.course import readiness
from mobilenet_lib.course.lessons import LESSONS

# A Jupyter configuration folder: it switches off JupyterLab's questions about news and updates. Its kernel_startup.py
# lets kernels say which cell was left out.
_CONFIGURATION = Path(__file__).resolve().parent / "jupyter"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code (0: fine, 1: something is missing, 2: wrong arguments)."""
    environment.print_anywhere()
    options = _options(arguments)
    if options.check:
        return _check()
    try:
        return _new(options.folder) if options.new else _open(options)
    except OSError as problem:
        return _fail(str(problem))
    except KeyboardInterrupt:  # before the server took it over
        return 130


def _check() -> int:
    """Print each check as it ends: some take seconds."""
    checks = []
    for check in readiness.each():
        checks.append(check)
        print("\n".join(readiness.lines(check, details=True)), flush=True)
    print(f"\n{readiness.verdict(checks)}")
    return int(not all(check.ok for check in checks))


def _new(folder: Path) -> int:
    """Write the lessons into a folder, new or empty."""
    if folder.exists() and (folder.is_file() or any(folder.iterdir())):
        return _fail(f"{folder} is not empty. Name a new folder for the lessons.")
    notebooks = folder / "notebooks"
    try:
        notebooks.mkdir(parents=True)
        for lesson in LESSONS:
            shutil.copyfile(str(readiness.originals() / lesson.file_name), str(notebooks / lesson.file_name))
    except OSError:  # a full disk: half a course is none
        shutil.rmtree(str(notebooks), ignore_errors=True)
        raise
    print(f'The lessons are in {folder}. To open them: mobilenet-course "{folder}"')
    return 0


def _open(options: argparse.Namespace) -> int:
    """Serve the folder that was given, or the one to be found from here."""
    if options.folder is not None and not options.folder.is_dir():
        return _fail(_no_folder(options.folder.resolve()))
    print("Starting the course; it takes some seconds.", flush=True)
    for check in (readiness.check_python(), readiness.check_packages(), readiness.check_home()):
        if not check.ok:
            return _fail(f"{check.detail}.\n{check.advice}")
    folder = readiness.course_folder() if options.folder is None else options.folder.resolve()
    lessons = readiness.check_notebooks(folder)
    if folder is None or readiness.first_lesson(folder) is None:
        return _fail(lessons.advice if folder is None else f"{lessons.detail}.\n{lessons.advice}")
    if not lessons.ok:
        print(f"mobilenet-course: nothing can be saved here, {lessons.detail}.\n{lessons.advice}\n", file=sys.stderr)
    if not readiness.paddle_installed():
        _warn_about_paddle()
    serve(folder, port=options.port, browser=options.browser)
    return 0


def _no_folder(path: Path) -> str:
    if not path.exists():
        return f"{path} does not exist. Name a folder with lessons, or make one: mobilenet-course new FOLDER"
    kind = "notebook" if path.suffix == ".ipynb" else "file"
    return f"{path} is a {kind}: name its folder, {path.parent}"


def serve(folder: Path, port: int | None = None, browser: bool = True) -> None:
    """Run JupyterLab on the first lesson of `folder` until it is stopped.

    folder: holds `notebooks/`, or lessons. port: the port to use, or None for 8888 or the next free one. browser: open
    one.
    """
    os.environ.update(jupyter_settings())
    for name in ("JUPYTER_PORT", "JUPYTER_PORT_RETRIES"):
        if not os.environ.get(name, "0").isdecimal():  # Kubernetes puts an address there for a service of that name
            print(f"mobilenet-course: {name} is no number and is not used.", file=sys.stderr)
            del os.environ[name]

    from jupyterlab.labapp import LabApp

    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    server = LabApp.initialize_server(server_arguments(folder, token, port, browser))
    address = f"{server.local_url.split('?')[0]}?token={urllib.parse.quote(token, safe='')}"
    # The server begins to listen when its loop starts. An address printed before that may refuse the first visit.
    server.io_loop.add_callback(print, f"The course is open at\n\n    {address}\n\nStop it with Ctrl+C.", flush=True)
    server.start()


def jupyter_settings() -> dict[str, str]:
    """The environment variables that make a Jupyter server the course's, also without this command: JupyterLab asks
    about no news, and kernels explain two puzzling errors. What is set here already stays.
    """
    path = os.environ.get("JUPYTER_CONFIG_PATH")
    startup = os.environ.get("PYTHONSTARTUP", str(_CONFIGURATION / "kernel_startup.py"))
    folders = os.pathsep.join([str(_CONFIGURATION)] + ([path] if path else []))
    return {"JUPYTER_CONFIG_PATH": folders, "PYTHONSTARTUP": startup}


def server_arguments(folder: Path, token: str, port: int | None, browser: bool) -> list[str]:
    """JupyterLab's arguments. They overrule a reader's own configuration, which could open the server to all."""
    import zmq

    lesson = readiness.first_lesson(folder)
    arguments = [
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.default_url=/lab/tree/{lesson.relative_to(folder).as_posix()}",
        "--ServerApp.ip=127.0.0.1",
        f"--PasswordIdentityProvider.token={token}",
        f"--ServerApp.open_browser={browser}",
        "--ServerApp.answer_yes=True",  # Ctrl+C stops the server without asking again
        "--ServerApp.log_level=ERROR",  # so that the address is not lost among thirty lines
        "--LabApp.log_level=ERROR",
    ]
    if port is not None:
        # The port that was asked for, or none: a silent move to the next one would confuse whoever asked.
        arguments += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if zmq.has("curve"):
        arguments.append("--KernelManager.transport_encryption=auto")  # else each kernel warns that it has none
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--ServerApp.allow_root=True")  # in a container everybody is root
    return arguments


def _options(arguments: list[str] | None) -> argparse.Namespace:
    told = "Open the MobileNet course in JupyterLab, on this machine only, at its first lesson."
    usage = "mobilenet-course [--port PORT] [--no-browser] [FOLDER]\n       mobilenet-course new FOLDER | --check"
    parser = argparse.ArgumentParser(prog="mobilenet-course", description=told, usage=usage)
    where = "the lessons to open, such as a hand-out (default: those here, else the course's own); after `new`, the "
    parser.add_argument("words", nargs="*", metavar="FOLDER", help=f"{where}folder to write them into")
    only = "only say whether this machine is ready, and what it lacks"
    parser.add_argument("--check", action="store_true", help=only)
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="print the address, open no browser")
    parser.add_argument("--port", type=_port, help="port to use (default: 8888, or the next free one)")
    options = parser.parse_args(arguments)
    options.new = options.words[:1] == ["new"]
    folders = [Path(os.path.expanduser(word)) for word in options.words[options.new :]]
    if len(folders) > 1 or (options.new and not folders):
        parser.error("name one folder")
    options.folder = folders[0] if folders else None
    return options


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: take a number from 1 to 65535, or leave it out")
    return int(text)


def _warn_about_paddle() -> None:
    wheel = readiness.check_wheel()
    problem = readiness.check_paddle()[0] if wheel.ok else wheel
    print(f"mobilenet-course: PaddlePaddle is missing ({problem.detail}).\n{problem.advice}\n", file=sys.stderr)


def _fail(message: str) -> int:
    print(f"mobilenet-course: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
