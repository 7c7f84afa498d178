"""What the course says to a learner, once as plain text and once as a page, from the same words.

A message never depends on colour: its title carries a symbol and says in words how things stand.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from typing import NamedTuple

# Of the palette of Okabe and Ito, as in plots (which is not imported here because nothing is drawn).
_COLOURS = {"question": "#0072B2", "right": "#009E73", "wrong": "#D55E00", "compare": "#E69F00", "note": "#767676"}
_SYMBOLS = {"question": "?", "right": "✓", "wrong": "✗", "compare": "→", "note": "○"}


class Code(NamedTuple):
    """A block of program text inside a message."""

    text: str


class Folded(NamedTuple):
    """Blocks that a page shows only after a click on `summary`; plain text shows them in full."""

    summary: str
    blocks: tuple[str | Code, ...]


Block = str | Code | Folded


@dataclass(frozen=True)
class Message:
    """A titled box of paragraphs. `kind` is "question", "right", "wrong", "compare" or "note".

    In a paragraph, `words between backticks` are program text. As the last value of a cell, or given to
    IPython's `display`, it shows itself.
    """

    kind: str
    title: str
    blocks: tuple[Block, ...] = ()

    @property
    def text(self) -> str:
        """The message as plain text."""
        return "\n".join([self._titled(), *(_text(block) for block in self.blocks)])

    @property
    def page(self) -> str:
        """The message as HTML; every word of it is escaped."""
        # Only the edge is coloured, so that the words keep the page's own contrast, on light and dark themes.
        style = (
            f"border-left: 6px solid {_COLOURS[self.kind]}; padding: 2px 16px; margin: 6px 0; "
            "font-size: 110%; line-height: 1.5; max-width: 60em"
        )
        body = "".join(map(_page, self.blocks))
        return f'<div style="{style}"><p style="margin: 4px 0"><b>{_inline(self._titled())}</b></p>{body}</div>'

    def show(self) -> None:
        """Display the message; outside IPython, print its text."""
        from IPython.display import display

        display(self)

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, include=None, exclude=None) -> dict[str, str]:
        return {"text/plain": self.text, "text/html": self.page}

    def _titled(self) -> str:
        return f"{_SYMBOLS[self.kind]} {self.title}"


def _text(block: Block) -> str:
    if isinstance(block, Code):
        return "\n".join("    " + line for line in block.text.splitlines())
    if isinstance(block, Folded):
        return "\n".join([f"{block.summary}:", *(_text(inner) for inner in block.blocks)])
    return block


def _page(block: Block) -> str:
    if isinstance(block, Code):
        return f'<pre style="margin: 6px 0; padding: 6px 12px">{html.escape(block.text)}</pre>'
    if isinstance(block, Folded):
        summary, inner = _inline(block.summary), "".join(map(_page, block.blocks))
        return f'<details style="margin: 4px 0"><summary style="cursor: pointer">{summary}</summary>{inner}</details>'
    return f'<p style="margin: 4px 0">{_inline(block)}</p>'


def _inline(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text)).replace("\n", "<br>")
