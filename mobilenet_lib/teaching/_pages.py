"""Pages that need no network, by nbconvert: Markdown and cells of notebooks, with formulas as MathML."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import nbformat

if TYPE_CHECKING:
    import pandas as pd
    from nbconvert import HTMLExporter
    from nbconvert.filters.markdown_mistune import MarkdownWithMath

_TEMPLATES = Path(__file__).parent / "templates"
_MATHML = "http://www.w3.org/1998/Math/MathML"
_LINK_TO_LESSON = re.compile(r'href="(\d\d_\w+)\.ipynb"')


def page(
    title: str,
    cells: Iterable[str | nbformat.NotebookNode],
    deck: bool = False,
    lesson_link: str = "{}.html",
    sortable: bool = False,
) -> str:
    """A whole page: Markdown texts, and cells with their stored outputs.

    Args:
        title: of the window; the page's heading is for the cells to give.
        cells: from top to bottom.
        deck: slides by reveal.js; printed, each is a sheet.
        lesson_link: where links to lessons lead, {} being a notebook's name without its ending.
        sortable: a click on the head of a column sorts its table; printed, the page lies on its side.
    """
    made = [nbformat.v4.new_markdown_cell(one) if isinstance(one, str) else one for one in cells]
    node = nbformat.v4.new_notebook(cells=made, metadata={"title": title})
    text, _ = _exporter().from_notebook_node(node, {"deck": deck, "sortable": sortable})
    # What scrolls in a box of its own must be reached by the keyboard too.
    text = text.replace("<table", '<div class="scroll" tabindex="0" role="group" aria-label="table"><table')
    text = text.replace("</table>", "</table></div>")
    return _LINK_TO_LESSON.sub(lambda found: f'href="{lesson_link.format(found[1])}"', text)


def write(path: Path, content: str | bytes) -> Path:
    """Write a file, and make its folder, which is not there before there is something to put into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode(errors="replace"))
    return path


def table(frame: pd.DataFrame, formats: Mapping[str, Callable[[object], str]] = MappingProxyType({})) -> str:
    """A table in Markdown, numbers to the right; formats: how columns are written. A dash stands for no value."""
    import pandas as pd

    marks = ["--:" if kind.kind in "iuf" else ":--" for kind in frame.dtypes]
    written = pd.DataFrame({name: frame[name].map(formats.get(name, str), na_action="ignore") for name in frame})
    rows = [list(frame), marks, *written.astype(object).fillna("–").to_numpy()]
    lines = [[" ".join(cell.replace("|", r"\|").split()) for cell in row] for row in rows]
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


def mathml(tex: str, block: bool) -> str:
    """A formula as MathML; block: on lines of its own.

    Docutils puts the words at a brace beside it, as an index; they belong under or over it. Raises docutils' MathError
    for a command that it does not know.
    """
    from docutils.utils.math.latex2mathml import tex2mathml

    tex = re.sub(r"(?<=\w)'+", lambda found: "^{" + r"\prime" * len(found[0]) + "}", tex)
    ElementTree.register_namespace("", _MATHML)
    root = ElementTree.fromstring(tex2mathml(tex, as_block=block))
    for script, brace in (("msub", "munder"), ("msup", "mover")):
        for element in root.iter(f"{{{_MATHML}}}{script}"):
            if element[0].tag == f"{{{_MATHML}}}{brace}":
                element.tag = f"{{{_MATHML}}}{brace}"
    for element in root.iter():
        element.text = element.text and element.text.strip()
        element.tail = None
    return ElementTree.tostring(root, encoding="unicode")


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
