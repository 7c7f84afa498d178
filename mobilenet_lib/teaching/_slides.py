"""The slides as pages to hand out: one self-contained page for each lesson, and a PDF where there is a browser."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from mobilenet_lib.teaching import _pages
from mobilenet_lib.teaching._notebooks import Notebook

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "msedge",
    "chrome",
)
NO_BROWSER = (
    "no browser found, so there is no PDF: install Chromium or Google Chrome, or set MOBILENET_CHROMIUM to its program. "
    "Any browser prints the pages as well."
)
SECONDS_TO_PRINT = 120

_STYLE = """
@page { size: 11in 8.25in; margin: 0.45in; }
section { border-bottom: 1px solid #c8c8c8; padding: 1.2em 0; }
section h1, section h2 { margin-top: 0; }
section img { max-height: 5in; }
@media print {
  body { max-width: none; padding: 0; font-size: 15px; }
  section { break-after: page; border: 0; padding: 0; }
  section:last-of-type { break-after: auto; }
  pre, table, img { break-inside: avoid; }
}
"""


def write(folder: Path, lessons: list[Notebook], pdf: bool = True) -> tuple[list[Path], str]:
    """Write a page per lesson, and its PDF. Returns the paths, and what the instructor should know ("" for nothing).

    Answers are left out, as the slides are for students.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for lesson in lessons:
        path = folder / f"{lesson.lesson.stem}.html"
        path.write_text(slides(lesson), encoding="utf-8")
        written.append(path)
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
    """The lesson's slides as one page; printed, each begins a new sheet."""
    body = "\n".join(
        f"<section>{''.join(_pages.cell(cell, folded=False) for cell in cells)}</section>" for cells in lesson.slides
    )
    title = f"{lesson.lesson.number} · {lesson.lesson.title}"
    return _pages.page(title, _pages.linked(body), _STYLE)


def find_browser() -> str | None:
    """The program of a Chromium-based browser: the one MOBILENET_CHROMIUM names, or a usual one on the path."""
    for name in (os.environ.get("MOBILENET_CHROMIUM"), *BROWSERS):
        found = shutil.which(name) if name else None
        if found:
            return found
    return None


def to_pdf(page: Path, browser: str) -> Path:
    """Print a page beside itself. RuntimeError where the browser wrote nothing."""
    target = page.with_suffix(".pdf")
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            f"--user-data-dir={profile}", "--no-pdf-header-footer", f"--print-to-pdf={target.resolve()}",
            page.resolve().as_uri(),
        ]  # fmt: skip
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # Chromium's sandbox refuses to work for root
        done = subprocess.run(command, capture_output=True, timeout=SECONDS_TO_PRINT, check=False)
    if done.returncode or not target.exists():
        told = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise RuntimeError(f"the browser ended with code {done.returncode} {' '.join(told)}".strip())
    return target
