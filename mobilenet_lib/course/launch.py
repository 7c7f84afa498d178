"""The `mobilenet-course` command: open JupyterLab on lesson 00, or say what this machine lacks.

Parses on Python 3.8 and later, so that an unsupported Python gets a message and not a traceback.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
from pathlib import Path

from mobilenet_lib._support import environment
from mobilenet_lib.course import readiness

# A Jupyter configuration folder: it switches off JupyterLab's questions about news and updates. Its kernel_startup.py
# lets kernels say which cell was left out.
_CONFIGURATION = Path(__file__).resolve().parent / "jupyter"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code (0: fine, 1: something is missing, 2: wrong arguments)."""
    environment.print_anywhere()
    options = _parser().parse_args(arguments)
    if options.check:
        checks = readiness.readiness()
        print(readiness.as_text(checks, details=True))
        return int(not all(check.ok for check in checks))

    folder = readiness.course_folder()
    for check in (readiness.check_python(), readiness.check_packages()):
        if not check.ok:
            return _fail(f"{check.detail}.\n{check.advice}")
    if folder is None:
        return _fail(readiness.HOW_TO_GET_THE_LESSONS)
    if not readiness.paddle_installed():
        _warn_about_paddle()
    serve(folder, port=options.port, browser=options.browser)
    return 0


def serve(folder: Path, port: int | None = None, browser: bool = True) -> None:
    """Run JupyterLab on lesson 00 of `folder` until it is stopped.

    folder: holds `notebooks/`. port: the port to use, or None for 8888 or the next free one. browser: open one.
    """
    path = os.environ.get("JUPYTER_CONFIG_PATH")
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join([str(_CONFIGURATION)] + ([path] if path else []))
    os.environ.setdefault("PYTHONSTARTUP", str(_CONFIGURATION / "kernel_startup.py"))

    from jupyterlab.labapp import LabApp

    token = os.environ.get("JUPYTER_TOKEN") or secrets.token_hex(24)
    server = LabApp.initialize_server(server_arguments(folder, token, port, browser))
    address = f"{server.local_url.split('?')[0]}?token={token}"
    # The server begins to listen when its loop starts. An address printed before that may refuse the first visit.
    server.io_loop.add_callback(print, f"The course is open at\n\n    {address}\n\nStop it with Ctrl+C.", flush=True)
    server.start()


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


def _parser() -> argparse.ArgumentParser:
    told = "Open the MobileNet course in JupyterLab, on this machine only, at lesson 00."
    parser = argparse.ArgumentParser(prog="mobilenet-course", description=told)
    only = "only say whether this machine is ready, and what it lacks"
    parser.add_argument("--check", action="store_true", help=only)
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="print the address, open no browser")
    parser.add_argument("--port", type=int, help="port to use (default: 8888, or the next free one)")
    return parser


def _warn_about_paddle() -> None:
    wheel = readiness.check_wheel()
    problem = readiness.check_paddle()[0] if wheel.ok else wheel
    print(f"mobilenet-course: PaddlePaddle is missing ({problem.detail}).\n{problem.advice}\n", file=sys.stderr)


def _fail(message: str) -> int:
    print(f"mobilenet-course: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
