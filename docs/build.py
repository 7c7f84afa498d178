"""Build the site from the executed notebooks: `uv run python docs/build.py [FOLDER]`.

Needs no network. The result is plain files: open `docs/_build/html/index.html`, or give the folder to any static host.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

import pages
from pages import HERE, ROOT
from sphinx.cmd.build import main as sphinx
from sphinx.ext.autodoc.mock import mock

from mobilenet_lib import course, widgets
from mobilenet_lib.course.guess_form import GuessForm

STATIC = ("site.css", "site.js", "search.js", "mount.js", "favicon.svg")
OWN_FILES = ("conf.py", *(f"_static/{name}" for name in STATIC))
ROOT_PAGES = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
NOT_IMPORTED = ["paddle", "paddle2onnx", "onnxruntime"]

_LINK_TO_FILE = re.compile(r"\]\(([^)#:]+)\)")
# Of the theme's files: maps to its sources, and an icon font with a script of 1.5 MB for the dozen icons in `site.css`.
_UNUSED = ("*.map", "fontawesome.js", "*.woff2", "*.woff", "*.ttf")
# What the theme and MyST-NB write, and what a page needs instead.
_MENDED = {
    r'<script defer src="[^"]*/fontawesome\.js[^"]*"></script>': "",
    # Only the page of search results searches.
    r'<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>': "",
    # Without JavaScript "auto" is no theme, and without a theme there are the light colours.
    r"(<html [^>]*) data-theme=\"auto\"": r"\1",
    # These name a control otherwise than the words on it.
    r' aria-label="Toggle hidden content"': "",
    r'(<button class="btn search-button-field[^>]*) aria-label="Search"': r"\1",
    # The name of the course and the search field stand in no landmark else.
    r'<div id="pst-primary-sidebar"(?! role)': '<div id="pst-primary-sidebar" role="navigation" aria-label="Course"',
    # The corner of a table heads nothing.
    r"<th(?: [^>]*)?>(?:<p></p>)?</th>": "<td></td>",
    # The lines of a long signature are no list of definitions.
    r"\n<dl>\n((?:<dd>.*</dd>\n)+)</dl>\n": lambda found: f'<span class="sig-lines">{_lines(found[1])}</span>',
}
_RULE = re.compile(r"([^{}]*)\{([^{}]*)\}")
_NAME = re.compile(r"(?<!\\)[.#](-?[A-Za-z_][\w-]*)")
_OPTIONAL = re.compile(r":(?:not|is|where|has)\([^()]*(?:\([^()]*\)[^()]*)*\)")  # one of several, or none


def build(target: Path = HERE / "_build" / "html") -> Path:
    """Build into `target`, a folder, and return it. Pages that have not changed since the last build are kept.

    Raises RuntimeError where Sphinx warns, of a link to nowhere for instance; Sphinx has then printed about what.
    """
    target = target.expanduser().resolve()
    sources, memory = (target.parent / f"{target.name}-{part}" for part in ("pages", "doctrees"))
    _write(sources, staged())
    # Sphinx copies these again, and warns where they differ from what it copies.
    shutil.rmtree(target / "_static", ignore_errors=True)
    options = ["-b", "html", "-q", "-W", "--keep-going", "-d", str(memory)]
    # Nothing of the course's networks runs here, so Paddle need not be there, nor take its seconds.
    with mock(NOT_IMPORTED):
        failed = sphinx([*options, str(sources), str(target)])
    if failed:
        # Else the next build would keep the page at fault, and not warn again.
        shutil.rmtree(memory)
        raise RuntimeError("the site was not built: see the warnings above")
    _mend(target)
    return target


def staged() -> dict[str, bytes]:
    """Every file that Sphinx reads, by its path: lessons, explorers, and what the repository says of itself."""
    files = {name: (HERE / name).read_bytes() for name in OWN_FILES}
    files |= {name: (ROOT / name).read_bytes() for name in (*ROOT_PAGES, *linked_files())}
    files |= pages.landing_figures() | {"_static/course.png": (HERE / "course.png").read_bytes()}
    for lesson in course.LESSONS:
        files[f"notebooks/{lesson.file_name}"] = pages.lesson_page(lesson).encode()
    texts = {
        "index.md": pages.landing_page(),
        "explorers.md": pages.explorers_page(),
        "library.md": pages.library_page(),
        **pages.explorer_scripts(),
        "_static/explorers.css": widgets.Explorer._css,
        "_static/guess.js": pages.guess_script(),
        "_static/guess.css": GuessForm._css,
    }
    return files | {name: text.encode() for name, text in texts.items()}


def linked_files() -> list[str]:
    """The files of the repository that its pages link to, such as the licence."""
    texts = [(ROOT / name).read_text(encoding="utf-8") for name in ROOT_PAGES]
    links = {link for text in texts for link in _LINK_TO_FILE.findall(text)} - {*ROOT_PAGES}
    return sorted(link for link in links if not link.endswith(".ipynb") and (ROOT / link).is_file())


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Make the folder hold these files and no other. An equal file keeps its time, which Sphinx goes by."""
    for path in folder.rglob("*"):
        if path.is_file() and path.relative_to(folder).as_posix() not in files:
            path.unlink()
    for name, content in files.items():
        path = folder / name
        if not path.exists() or path.read_bytes() != content:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


# --- What the theme brings ---


def _mend(site: Path) -> None:
    """Mend the pages (twice is as good as once), and leave out what none of them uses."""
    for pattern in _UNUSED:
        for path in site.rglob(pattern):
            path.unlink()
    for path in _pages(site):
        text = mended(path.read_text(encoding="utf-8"), searches=path.name == "search.html")
        path.write_text(text, encoding="utf-8")
    words, own = _words(site), {"site.css", "explorers.css", "guess.css"}
    for path in [path for path in (site / "_static").rglob("*.css") if path.name not in own]:
        path.write_text(used_styles(path.read_text(encoding="utf-8"), words), encoding="utf-8")


def _pages(site: Path) -> list[Path]:
    return [path for path in site.rglob("*.html") if "_static" not in path.parts]


def mended(page: str, searches: bool = False) -> str:
    """A page of the theme as it should be. searches: it keeps the scripts of the search."""
    for found, put in _MENDED.items():
        if not (searches and "searchindex" in found):
            page = re.sub(found, put, page)
    return page


def _lines(parameters: str) -> str:
    return parameters.replace("<dd>", "<span>").replace("</dd>", "</span>")


def _words(site: Path) -> set[str]:
    """Every word of the pages and scripts: what is no word there is no class and no id of an element."""
    sources = [*_pages(site), *(site / "_static").rglob("*.js")]
    return {word for path in sources for word in re.findall(r"[\w-]+", path.read_text(encoding="utf-8"))}


def used_styles(styles: str, words: set[str]) -> str:
    """Style rules without those whose classes or ids are none of `words`, and without icon fonts."""

    def kept(rule: re.Match[str]) -> str:
        before, _, selectors = rule[1].rpartition(";")
        if "Font Awesome" in rule[2] or "@font-face" in selectors:
            return before
        used = [one for one in _selectors(selectors) if words.issuperset(_NAME.findall(_OPTIONAL.sub("", one)))]
        return f"{before};{','.join(used)}{{{rule[2]}}}".removeprefix(";") if used else before

    styles = _RULE.sub(kept, re.sub(r"/\*.*?\*/", "", styles, flags=re.DOTALL))
    return re.sub(r"@(?:media|supports)[^{}]*\{\s*\}", "", styles)


def _selectors(text: str) -> list[str]:
    """The selectors of a rule: parted by commas, but for those within brackets."""
    return re.split(r",(?![^(]*\))", text)


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the site from the executed notebooks, without a network.")
    parser.add_argument("folder", nargs="?", type=Path, default=HERE / "_build" / "html", help="where (%(default)s)")
    try:
        target = build(parser.parse_args().folder)
    except RuntimeError as problem:
        sys.exit(str(problem))
    print(f"open {target / 'index.html'}")


if __name__ == "__main__":
    main()
