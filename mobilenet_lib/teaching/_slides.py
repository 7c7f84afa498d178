"""The slides to hand out: for each lesson a page that needs no other file, and a PDF where there is a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from nbformat import NotebookNode

from mobilenet_lib.teaching import _notebooks, _pages
from mobilenet_lib.teaching._notebooks import Notebook

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "msedge", "chrome")
NO_BROWSER = (
    "no browser found, so there is no PDF: install Chromium or Google Chrome, or set MOBILENET_CHROMIUM to its "
    "program. Any browser prints the pages as well."
)
SECONDS_TO_PRINT = 120


def write(folder: Path, lessons: list[Notebook], pdf: bool = True) -> tuple[list[Path], str]:
    """Write a page per lesson, and its PDF. Returns the paths, and what the instructor should know ("" for nothing).

    Answers are left out, as the slides are for students.
    """
    pages = {one.lesson.stem: _notebooks.linked(slides(one), lessons) for one in lessons}
    written = [_pages.write(folder / f"{stem}.html", page) for stem, page in pages.items()]
    browser = find_browser() if pdf else None
    if browser is None:
        return written, NO_BROWSER if pdf else ""
    problems = []
    for path in list(written):
        try:
            written.append(to_pdf(path, browser))
        except (OSError, RuntimeError, subprocess.TimeoutExpired) as problem:
            problems.append(f"{path.name} was not printed: {problem}")
    return written, "\n".join(problems)


def slides(lesson: Notebook) -> str:
    """The lesson as slides in a page, without notes, skipped cells and folded answers; printed, each is a sheet."""
    wanted = [cell for cell in lesson.cells if _notebooks.slide_type(cell) not in ("notes", "skip")]
    shown = [cell for cell in wanted if cell.get("outputs") or not _is_collapsed(cell)]
    return _pages.page(lesson.title, map(_on_a_slide, shown), deck=True)


def _is_collapsed(cell: NotebookNode) -> bool:
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def _on_a_slide(cell: NotebookNode) -> NotebookNode:
    """As the deck shows it: what draws or asks, or is collapsed, without its code; of an explorer the figure alone."""
    cell = _notebooks.without_folds(cell)
    found = [str(output.get("data", {}).get("text/html", "")) for output in cell.get("outputs", [])]
    if _is_collapsed(cell) or any("<img" in one for one in found) or _notebooks.predicted(cell):
        cell.metadata["transient"] = NotebookNode(remove_source=True)  # nbconvert's word for it
    if found:
        cell.outputs = [one for one, page in zip(cell.outputs, found, strict=True) if "data-explorer" not in page]
    return cell


def find_browser() -> str | None:
    """The program of a Chromium-based browser: the one MOBILENET_CHROMIUM names, or a usual one on the path."""
    names = (os.path.expanduser(os.environ.get("MOBILENET_CHROMIUM", "")), *BROWSERS)
    return next(filter(None, map(shutil.which, names)), None)


def to_pdf(page: Path, browser: str) -> Path:
    """Print a page beside itself. RuntimeError where the browser wrote nothing."""
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
        options += [f"--user-data-dir={profile}", "--no-pdf-header-footer", f"--print-to-pdf={target.resolve()}"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # Chromium's sandbox refuses to work for root
        command = [browser, *options, page.resolve().as_uri()]
        done = subprocess.run(command, capture_output=True, timeout=SECONDS_TO_PRINT, check=False)
    if done.returncode or not target.exists():
        told = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"the browser ended with code {done.returncode} {' '.join(told)}".strip())
    return target
