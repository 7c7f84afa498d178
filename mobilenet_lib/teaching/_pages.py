"""Pages that need no network: one frame, markdown with its formulas as pictures, and the cells of a notebook."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from mobilenet_lib.teaching import _notebooks

if TYPE_CHECKING:
    import nbformat

_STYLE = """
:root { color-scheme: light; }
body { font: 17px/1.5 system-ui, "DejaVu Sans", sans-serif; color: #1a1a1a; background: white; margin: 0 auto; max-width: 62rem;
  padding: 1rem 1.25rem 3rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2em; border-bottom: 2px solid #0072B2; }
a { color: #00527f; }
table { border-collapse: collapse; margin: 0.6em 0; }
th, td { padding: 3px 12px; border-bottom: 1px solid #c8c8c8; text-align: left; vertical-align: top; }
td.number, th.number, table.dataframe td { text-align: right; font-variant-numeric: tabular-nums; }
td.number { white-space: nowrap; }
pre, code { font-family: "DejaVu Sans Mono", ui-monospace, monospace; font-size: 0.86em; }
pre { background: #f4f4f4; padding: 8px 12px; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.5em 0; }
pre.output { background: white; border-left: 3px solid #8a8a8a; }
img { max-width: 100%; }
img.formula { max-width: none; }
.wide { overflow-x: auto; }
.answer { border-left: 5px solid #009E73; padding-left: 0.8em; margin: 0.5em 0; }
.note { color: #4a4a4a; }
"""

_BRACES = {r"\underbrace": ("_", r"\underset"), r"\overbrace": ("^", r"\overset")}


def page(title: str, body: str, style: str = "") -> str:
    """A whole page with one heading, `title` (text); body: HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{style}</style></head>\n'
        f"<body>\n{body}\n</body></html>\n"
    )


def table(head: Iterable[str], rows: Iterable[Iterable[object]], numbers: Iterable[int] = ()) -> str:
    """A table with column headings; `numbers` are the places of columns to align right. Cells that are `Html` stay as they are."""
    right, kind = set(numbers), ' class="number"'

    def row(cells: Iterable[object], tag: str) -> str:
        return "".join(
            f"<{tag}{kind if place in right else ''}>{_escaped(cell)}</{tag}>" for place, cell in enumerate(cells)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f'<div class="wide"><table><thead><tr>{row(head, "th")}</tr></thead><tbody>{body}</tbody></table></div>'


class Html(str):
    """Text that is HTML already."""


def _escaped(cell: object) -> str:
    return cell if isinstance(cell, Html) else html.escape(str(cell))


def markdown(text: str) -> str:
    """Markdown as HTML. Formulas become pictures whose alternative text is their TeX source."""
    return _renderer()(text)


def inline(text: str) -> Html:
    """One paragraph of markdown as HTML without the paragraph, for a table."""
    return Html(markdown(text).strip().removeprefix("<p>").removesuffix("</p>"))


@cache
def _renderer() -> Callable[[str], str]:
    import mistune

    class Renderer(mistune.HTMLRenderer):
        def inline_math(self, text: str) -> str:
            return formula(text)

        def block_math(self, text: str) -> str:
            in_full_size = text.replace(r"\frac", r"\dfrac")
            return f"<p>{formula(in_full_size)}</p>\n"

    return mistune.create_markdown(renderer=Renderer(escape=False), plugins=["table", "math", "strikethrough"])


def formula(tex: str) -> str:
    """A formula as a picture that scales with the text; one that matplotlib cannot set stays as TeX in a <code>."""
    tex = " ".join(tex.split())
    drawn = _drawn(_without_braces(tex))
    if drawn is None:
        return f"<code>{html.escape(tex)}</code>"
    picture, height, depth = drawn
    source = base64.b64encode(picture).decode()
    return (
        f'<img class="formula" alt="{html.escape(tex)}" style="height: {height:.2f}em; vertical-align: {-depth:.2f}em" '
        f'src="data:image/svg+xml;base64,{source}">'
    )


def _drawn(tex: str) -> tuple[bytes, float, float] | None:
    """The formula as SVG, its height and how far it reaches below the line, in em."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser, math_to_image

    size = 12.0
    font, picture = FontProperties(size=size, family="DejaVu Sans"), io.BytesIO()
    try:
        _, height, depth, *_ = MathTextParser("path").parse(f"${tex}$", dpi=72, prop=font)
        math_to_image(f"${tex}$", picture, prop=font, dpi=72, format="svg")
    except ValueError:
        return None
    return picture.getvalue(), height / size, depth / size


def _without_braces(tex: str) -> str:
    r"""`\underbrace{a}_{b}` as `\underset{b}{a}`: the words stay, the brace, which matplotlib cannot draw, goes."""
    for command, (mark, instead) in _BRACES.items():
        while command in tex:
            before, _, rest = tex.partition(command)
            body, rest = _group(rest)
            label, rest = _group(rest[1:]) if rest.startswith(mark) else ("{}", rest)
            tex = f"{before}{instead}{label}{body}{rest}"
    return tex


def _group(tex: str) -> tuple[str, str]:
    """The {…} that `tex` begins with, and what follows it."""
    depth = 0
    for place, letter in enumerate(tex):
        depth += (letter == "{") - (letter == "}")
        if depth == 0:
            return tex[: place + 1], tex[place + 1 :]
    return tex, ""


def cell(node: nbformat.NotebookNode, folded: bool = True) -> str:
    """A cell with its stored outputs as HTML; without `folded`, what it folds away (answers) is left out."""
    if node.cell_type == "markdown":
        source = node.source if folded else _notebooks.without_folds(node.source)
        return markdown(source)
    return f"{code(node.source)}{outputs(node, folded)}" if node.cell_type == "code" else ""


def code(source: str) -> str:
    """Python source; keywords are bold, which a black-and-white printer shows as well."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    marked = highlight(source, PythonLexer(), HtmlFormatter(style="bw", noclasses=True, nowrap=True))
    return f"<pre>{marked}</pre>"


def outputs(node: nbformat.NotebookNode, folded: bool = True) -> str:
    """The stored outputs of a code cell."""
    parts = []
    for output in node.get("outputs", []):
        data = output.get("data", {})
        if output.output_type == "stream":
            parts.append(f'<pre class="output">{html.escape(output.text)}</pre>')
        elif output.output_type == "error":
            told = f"{output.ename}: {output.evalue}"
            parts.append(f'<pre class="output">{html.escape(told)}</pre>')
        elif "text/html" in data:
            page = data["text/html"] if folded else _notebooks.without_folds(data["text/html"])
            parts.append(f'<div class="wide">{page}</div>')
        elif "text/plain" in data:
            parts.append(f'<pre class="output">{html.escape(data["text/plain"])}</pre>')
    return "".join(parts)


def linked(text: str, ending: str = ".html") -> str:
    """HTML whose links to other lessons lead to pages with this ending instead of notebooks."""
    return re.sub(r'href="(\d\d_\w+)\.ipynb"', rf'href="\1{ending}"', text)
