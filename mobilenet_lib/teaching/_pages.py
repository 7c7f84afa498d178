"""Pages that need no network, by nbconvert: Markdown and cells of notebooks, with formulas as MathML."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat

from mobilenet_lib.teaching._formulas import mathml

if TYPE_CHECKING:
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

_TEMPLATES = Path(__file__).parent / "templates"
_LINK_TO_LESSON = re.compile(r'href="(\d\d_\w+)\.ipynb"')


def page(
    title: str,
    cells: Iterable[str | nbformat.NotebookNode],
    deck: bool = False,
    lesson_link: str = "{}.html",
) -> str:
    """A whole page: Markdown texts, and cells with their stored outputs.

    Args:
        title: of the window; the page's heading is for the cells to give.
        cells: from top to bottom.
        deck: set each slide apart; printed, it begins a new sheet.
        lesson_link: where links to lessons lead, {} being a notebook's name without its ending.
    """
    made = [nbformat.v4.new_markdown_cell(one) if isinstance(one, str) else one for one in cells]
    node = nbformat.v4.new_notebook(cells=made, metadata={"title": title})
    text, _ = _exporter().from_notebook_node(node, {"deck": deck})
    return _LINK_TO_LESSON.sub(lambda found: f'href="{lesson_link.format(found[1])}"', text)


def write(path: Path, text: str) -> Path:
    """Write a file, and make its folder, which is not there before there is something to put into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def table(head: Sequence[str], rows: Iterable[Iterable[object]], numbers: Iterable[int] = ()) -> str:
    """A table in Markdown; `numbers` are the indices of columns to align right. Cells are Markdown."""
    right = set(numbers)
    marks = ["--:" if index in right else ":--" for index in range(len(head))]
    lines = [[" ".join(str(cell).replace("|", r"\|").split()) for cell in row] for row in (head, marks, *rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plain(text: object) -> str:
    """Text as Markdown in which every sign is itself."""
    return re.sub(r"[^\w\s]|_", lambda found: f"&#{ord(found[0])};", str(text))


def counted(number: float, thing: str) -> str:
    """Such as "1 minute" or "2 minutes", in whole numbers."""
    return f"{number:.0f} {thing}{'' if round(number) == 1 else 's'}"


def answer(text: str) -> str:
    """Markdown that is marked as an answer."""
    return f'<div class="answer">\n\n{text}\n\n</div>'


def markdown(text: str) -> str:
    """Markdown as HTML, as `page` writes it. A formula that cannot be set stays as TeX in a <code>."""
    return _parser()(text)


@cache
def _exporter() -> HTMLExporter:
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    return HTMLExporter(
        # Figures and tables of the course have HTML, with words for whoever cannot see them, and without scripts.
        config=Config({"NbConvertBase": {"display_data_priority": ["text/html", "text/plain"]}}),
        template_name="course",
        extra_template_basedirs=[str(_TEMPLATES)],
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        filters={"markdown2html": markdown},
    )


@cache
def _parser() -> MarkdownWithMath:
    from docutils.utils.math import MathError
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body: str) -> str:
            return self.block_math(body, block=False)

        def block_math(self, body: str, block: bool = True) -> str:
            try:
                return mathml(body, block)
            except MathError:
                return f"<code>{html.escape(body)}</code>"

    return MarkdownWithMath(Renderer(escape=False, exclude_anchor_links=True))
