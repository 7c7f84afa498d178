"""Is this machine ready for the course? What is missing, and what to do about it.

Nothing here needs an installed package, and it runs on older Pythons than the course does (3.8 and later), so that it
can say what is wrong where nothing else would start. Paddle is tried in a process of its own: where a processor lacks
the instructions it was built for, importing it ends the process.
"""

from __future__ import annotations

import html
import importlib.util
import json
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mobilenet_lib.course.lessons import LESSONS

# Repeated from pyproject.toml, which cannot be read where the course is not installed; a test compares them.
OLDEST_PYTHON, NEWEST_PYTHON = (3, 10), (3, 13)
PADDLE_VERSION = "3.3.1"
PADDLE_WHEELS = (("Linux", "x86_64"), ("Darwin", "arm64"), ("Windows", "AMD64"))

_PACKAGE = Path(__file__).resolve().parents[1]

# For CIFAR-10 (archive and decoded images) and the checkpoints of a few training runs.
FREE_DISK_BYTES = 1_000_000_000

_NOTEBOOK_PACKAGES = ("jupyterlab", "ipywidgets", "anywidget", "numpy", "pandas", "matplotlib")
_USE_UV = "In the course's folder, run `uv run --no-dev mobilenet-course`: it installs what is missing."

HOW_TO_GET_THE_LESSONS = (
    "There are no lessons in this folder. `mobilenet-course new my-course` writes them into a new one, and "
    "`mobilenet-course my-course` opens it."
)

_TINY_CONVOLUTION = """
import json
from mobilenet_lib._support.paddle import paddle
image = paddle.arange(16, dtype="float32").reshape([1, 1, 4, 4])
kernel = paddle.ones([1, 1, 3, 3])
sums = paddle.nn.functional.conv2d(image, kernel)
print(json.dumps({"version": paddle.__version__, "sums": sums.flatten().tolist()}))
"""
_TINY_CONVOLUTION_RESULT = [45.0, 54.0, 81.0, 90.0]  # each the sum of a 3×3 window of 0, 1, …, 15


@dataclass(frozen=True)
class Check:
    """One thing the course needs.

    name: what was looked at, the same words on every machine. detail: what was found. advice: what to do, empty where
    all is well.
    """

    name: str
    ok: bool
    detail: str
    advice: str = ""


def readiness() -> list[Check]:
    """Look at everything the course needs. About three seconds, nearly all of them Paddle's import; the first time on
    a machine six more, see `check_training`.
    """
    return list(each())


def each() -> Iterator[Check]:
    """The checks of `readiness`, one by one as they end."""
    yield from (check() for check in (check_python, check_packages, check_wheel, check_home))
    yield from check_paddle()
    yield from (check() for check in (check_training, check_disk, check_notebooks))


def check_python(version: tuple[int, ...] = sys.version_info[:3]) -> Check:
    """Does the course run on this Python?"""
    oldest, newest, found = (".".join(map(str, one)) for one in (OLDEST_PYTHON, NEWEST_PYTHON, version))
    newer = f" is newer than PaddlePaddle {PADDLE_VERSION} supports" if version[:2] > NEWEST_PYTHON else ""
    problem = " is too old" if version[:2] < OLDEST_PYTHON else newer
    return _check(
        f"Python {oldest} to {newest}",
        not problem,
        f"Python {found}{problem}",
        "Run `uv run --no-dev --python 3.12 mobilenet-course`: uv fetches that Python if you do not have it. "
        "Without uv: `pip install uv`, or `pipx install uv` where the system's Python refuses.",
    )


def check_packages() -> Check:
    """Are JupyterLab and the libraries of the lessons installed?"""
    missing = [name for name in _NOTEBOOK_PACKAGES if importlib.util.find_spec(name) is None]
    found = "not installed: " + ", ".join(missing) if missing else "all installed"
    return _check("JupyterLab and the libraries", not missing, found, _USE_UV)


def check_wheel(system: str = platform.system(), machine: str = platform.machine()) -> Check:
    """Does PaddlePaddle publish a wheel for this system and processor?"""
    there_is = (system, machine) in PADDLE_WHEELS
    return _check(
        "A system that PaddlePaddle supports",
        there_is,
        f"{system} on {machine}" + ("" if there_is else f": PaddlePaddle {PADDLE_VERSION} has no wheel for it"),
        "Lessons 01 and 02 work without Paddle. For the others use Linux on x86-64, Windows on x86-64, macOS on Apple "
        "silicon, or Binder.",
    )


def paddle_installed() -> bool:
    """Can Paddle be found? Does not import it."""
    return importlib.util.find_spec("paddle") is not None


def check_paddle() -> list[Check]:
    """Does Paddle start, in the version that the lessons were made with, and convolve correctly?"""
    names = f"PaddlePaddle {PADDLE_VERSION}", "A 3×3 convolution gives the right numbers"
    advice = _USE_UV + " Lessons 01 and 02 work without it."
    found, problem = {}, "not installed"
    if paddle_installed():
        advice = "Lessons 01 and 02 work without it. Reinstall it with `uv sync --reinstall-package paddlepaddle`."
        found, problem = _run(_TINY_CONVOLUTION)
    if problem:
        without = Check(names[1], False, "needs PaddlePaddle", "See the line before.")
        return [Check(names[0], False, problem, advice), without]
    version, sums = found["version"], found["sums"]
    use_that = "Run `uv sync`: the figures in the lessons were checked with that version."
    reinstall = "Do not trust this installation: `uv sync --reinstall-package paddlepaddle`."
    right, said = sums == _TINY_CONVOLUTION_RESULT, f"{sums}, expected {_TINY_CONVOLUTION_RESULT}"
    return [
        _check(names[0], version == PADDLE_VERSION, f"version {version}", use_that),
        _check(names[1], right, said, reinstall),
    ]


def check_training() -> Check:
    """Can the fast training step be trusted here? Where not, the slow one trains: nothing is missing, only time.

    The first time it takes about six seconds, in a process of its own, and is remembered.
    """
    name = "A training step that was tried"
    if not paddle_installed():
        return Check(name, False, "needs PaddlePaddle", "See the line before.")
    command = "import json; from mobilenet_lib.training import choice; print(json.dumps(choice.prepare()))"
    outcome, problem = _run(command)
    problems = [problem] if problem else [f"{trial}: {told}" for trial, told in outcome.items() if told]
    if not problems:
        return Check(name, True, "static graph")
    return Check(name, True, f"dynamic graph, several times slower, as the static one failed ({problems[0]})")


def check_disk(folder: Path | None = None) -> Check:
    """Is there room for CIFAR-10 and some checkpoints?"""
    free = shutil.disk_usage(folder or course_folder() or Path.cwd()).free
    name, found = f"{FREE_DISK_BYTES / 1e9:.0f} GB of free disk", f"{free / 1e9:.1f} GB free"
    advice = "Make room, or stay with the bundled images, which need none."
    return _check(name, free >= FREE_DISK_BYTES, found, advice)


def check_home() -> Check:
    """Can JupyterLab keep its settings and what runs, Paddle its cache, and the course the progress?"""
    name = "A home folder that can be written"
    for folder in _home_folders():
        if problem := _unwritable(folder):
            advice = "Set HOME (USERPROFILE on Windows) to a folder of your own before you start."
            return Check(name, False, f"cannot write into {folder}: {problem}", advice)
    return Check(name, True, str(Path("~").expanduser()))


def _home_folders() -> list[Path]:
    """Where JupyterLab writes, as its own variables may say, Paddle and the course."""
    home = Path("~").expanduser()
    if not all(map(importlib.util.find_spec, ("jupyter_core", "platformdirs"))):
        return [home]
    import platformdirs
    from jupyter_core import paths

    kept = platformdirs.user_data_path("mobilenet-course", appauthor=False)
    jupyter = (paths.jupyter_runtime_dir(), paths.jupyter_data_dir(), paths.jupyter_config_dir())
    return [home / ".cache", kept, *map(Path, jupyter)]


def check_notebooks(folder: Path | None = None) -> Check:
    """Are the lessons there, and can they be saved?"""
    name = "Lessons that can be saved"
    folder = folder or course_folder()
    lesson = folder and first_lesson(folder)
    if lesson is None:
        return Check(name, False, f"no lessons in {folder or Path.cwd()}", HOW_TO_GET_THE_LESSONS)
    if problem := _unwritable(lesson.parent):
        advice = f"Copy {folder} to a place of your own and start the copy."
        return Check(name, False, f"cannot write into {lesson.parent}: {problem}", advice)
    return Check(name, True, str(lesson.parent))


def _unwritable(folder: Path) -> str:
    """Why no file can be written there, once the folder is made where it is missing; "" where one can."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    try:
        with tempfile.TemporaryFile(dir=str(there)):
            return ""
    except OSError as problem:
        return problem.strerror or str(problem)


def _check(name: str, ok: bool, detail: str, advice: str) -> Check:
    """A check with its advice only where it failed."""
    return Check(name, ok, detail, "" if ok else advice)


def course_folder() -> Path | None:
    """The folder with the lessons to open: the working directory, else the checkout this package lies in, else None."""
    return next((folder for folder in (Path.cwd(), _PACKAGE.parent) if first_lesson(folder) is not None), None)


def first_lesson(folder: Path) -> Path | None:
    """The first lesson in this folder's `notebooks/`, or in the folder itself, or None; a hand-out has some of them."""
    places = (inside / lesson.file_name for inside in (folder / "notebooks", folder) for lesson in LESSONS)
    return next((path for path in places if path.is_file()), None)


def originals() -> Path:
    """The folder of the lessons as they come with the course: those of the checkout, or those inside the package."""
    beside = _PACKAGE.parent / "notebooks"
    return beside if first_lesson(beside) else _PACKAGE / "notebooks"


def as_text(checks: list[Check], details: bool = False) -> str:
    """A line per check, with the advice below those that failed.

    Without details a ready machine gives the same text as every other ready machine.
    """
    return "\n".join([line for check in checks for line in lines(check, details)] + ["", verdict(checks)])


def lines(check: Check, details: bool) -> list[str]:
    """A check as `as_text` writes it."""
    told = f": {check.detail}" if details else ""
    advice = [] if check.ok else ([] if details else [check.detail]) + [check.advice]
    return [f"{'ready   ' if check.ok else 'NOT YET '} {check.name}{told}", *(f"         {one}" for one in advice)]


def as_html(checks: list[Check]) -> str:
    """The same as a table, with details, for lesson 00."""
    left = "style='text-align: left'"  # JupyterLab aligns cells to the right
    rows = []
    for check in checks:
        name, detail, advice = map(html.escape, (check.name, check.detail, check.advice))
        state = "✓ ready" if check.ok else "✗ <b>not yet</b>"
        told = detail + (f"<br><b>{advice}</b>" if advice else "")
        rows.append(f"<tr><td {left}>{state}</td><th scope='row' {left}>{name}</th><td {left}>{told}</td></tr>")
    heads = "".join(f"<th scope='col' {left}>{head}</th>" for head in ("state", "needed", "found here"))
    return (
        f"<table><caption {left}>{html.escape(verdict(checks))}</caption>"
        f"<thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
    )


def show_readiness() -> None:
    """Lesson 00's check: a table with details for a reader; for a test plain lines, equal on every ready machine."""
    from mobilenet_lib._support.environment import interactive

    checks = readiness()
    if interactive():
        from IPython.display import HTML, display

        display(HTML(as_html(checks)))
    else:
        print(as_text(checks))


def verdict(checks: list[Check]) -> str:
    """Is the machine ready? In a sentence."""
    failed = sum(not check.ok for check in checks)
    if failed:
        return f"{failed} of {len(checks)} checks failed: what to do stands beside each."
    return "This machine is ready for the whole course."


def _run(program: str) -> tuple[dict, str]:
    """The record that a Python program prints last, and an empty string; or nothing, and what went wrong."""
    command = [sys.executable, "-c", program]
    text = {"encoding": "utf-8", "errors": "replace"}
    try:
        done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, timeout=120, **text)
    except subprocess.TimeoutExpired:
        return {}, "did not start within two minutes"
    if done.returncode < 0:
        ended = f"its import was ended by signal {-done.returncode}"
        return {}, f"{ended}: this processor may lack instructions it needs (AVX)"
    if done.returncode:
        return {}, "cannot be used: " + (done.stderr.strip().splitlines() or ["no message"])[-1]
    return json.loads(done.stdout.splitlines()[-1]), ""
