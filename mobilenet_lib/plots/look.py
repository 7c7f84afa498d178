"""Figures with one look, and with words for readers who cannot see them.

The palette is that of Okabe and Ito ("Color universal design", 2008), which stays distinct for the common forms of
colour blindness. Series also differ in marker and line style, so that no figure depends on colour.
"""

from __future__ import annotations

import base64
import html
import io
import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.ft2font import FT2Font

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINE_STYLES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "..", "xx", "\\\\", "++", "oo")

# Asked after matplotlib's own font for letters that it has not; each is one that a system comes with.
_OTHER_FONTS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "WenQuanYi Zen Hei", "Droid Sans Fallback"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic"),
    *("Arial Unicode MS", "Nirmala UI", "Noto Sans Devanagari", "Noto Sans Arabic"),
    *("Noto Emoji", "Segoe UI Emoji", "Segoe UI Symbol"),
)
_LONGEST = 60  # letters of a name in a figure

_STYLE = {
    "figure.figsize": (8, 4),
    "figure.dpi": 100,
    "savefig.dpi": 144,
    "savefig.bbox": "tight",
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#d9d9d9",
    "lines.linewidth": 2,
    "lines.markersize": 7,
    "legend.frameon": False,
}


def figure(
    rows: int = 1, columns: int = 1, *, width: float = 8, height: float = 4, **options: Any
) -> tuple[Figure, Any]:
    """A figure and its axes in the course's look; `options` go to `Figure.subplots`.

    width, height: in inches. The axes are one `Axes`, or an array of them where there are several rows or columns.
    The figure is not registered with pyplot, so a notebook shows it once, where `show` is called.
    """
    import matplotlib
    from cycler import cycler
    from matplotlib.figure import Figure

    cycle = cycler(color=PALETTE) + cycler(marker=MARKERS) + cycler(linestyle=(LINE_STYLES * 2)[: len(PALETTE)])
    matplotlib.rcParams.update({**_STYLE, "axes.prop_cycle": cycle, "font.family": list(_fonts())})
    made = Figure(figsize=(width, height), layout="constrained")
    return made, made.subplots(rows, columns, **options)


def show(fig: Figure, alt: str) -> None:
    """Display `fig` with its alternative text.

    `alt` says in words what the figure shows: the kind of plot, the axes, and the finding. It becomes the `alt` of the
    <img> on the page, the image's metadata, and the plain-text form of the output, which the notebook tests compare.
    Raises ValueError where `alt` is missing or too short to say anything.
    """
    from IPython.display import publish_display_data

    data = as_data(fig, alt)
    publish_display_data(data, metadata={"image/png": {"alt": data["text/plain"]}})


def as_data(fig: Figure, alt: str) -> dict[str, str]:
    """What `show` displays, by MIME type: "image/png" (base64), "text/html" (an <img>), "text/plain" (the words)."""
    alt = " ".join(alt.split())
    if len(alt) < 20:
        wanted = "say what is plotted, on which axes, and what can be seen, in 20 characters or more"
        raise ValueError(f"alt={alt!r} is too short: {wanted}")
    # JupyterLab's own image output has no alternative text, so the page gets an <img> of ours; the bare image is there
    # for exports that need one (PDF, slides).
    drawn, style = base64.b64encode(png(fig)).decode(), "max-width: 100%; background: white"
    page = f'<img alt="{html.escape(alt)}" style="{style}" src="data:image/png;base64,{drawn}">'
    return {"image/png": drawn, "text/html": page, "text/plain": alt}


def png(fig: Figure) -> bytes:
    """The figure as PNG, without date and software version: the same figure gives the same bytes.

    A palette of 256 colours is enough for a plot, and makes a notebook a third as large.
    """
    from PIL import Image

    drawn, small = io.BytesIO(), io.BytesIO()
    fig.savefig(drawn, format="png")
    with_all_colours = Image.open(drawn).convert("RGB")
    with_all_colours.quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


def bars(
    axes: Axes,
    labels: Sequence[str],
    values: Sequence[float],
    *,
    unit: str,
    texts: Sequence[str] | None = None,
    log: bool = False,
) -> None:
    """Horizontal bars in reading order, each with its number written at its end.

    labels: a name per bar, `readable`. values: their lengths, in `unit`, which labels the axis. texts: what to write at
    the ends (default: the values with thousands separators).
    """
    texts = texts or [f"{value:,}" for value in values]
    look = {"height": 0.65, "edgecolor": "black", "linewidth": 0.6}
    for name, cycle in (("color", PALETTE), ("hatch", HATCHES)):
        look[name] = [cycle[index % len(cycle)] for index in range(len(labels))]
    drawn = axes.barh(range(len(labels)), values, **look)
    axes.set_yticks(range(len(labels)), map(readable, labels))
    axes.invert_yaxis()
    axes.bar_label(drawn, labels=texts, padding=5)
    axes.set_xlabel(unit)
    axes.grid(False, axis="y")
    if log:
        axes.set_xscale("log")
    _plain_numbers(axes)
    axes.margins(x=0.25)


def readable(text: str, longest: int | None = _LONGEST) -> str:
    """What somebody gave, as a figure can show it: no formula, no box for a letter that no font has.

    A letter that cannot be drawn becomes its number, such as U+732B; a text longer than `longest` loses its middle.
    """
    letters = "".join(map(_drawn, unicodedata.normalize("NFC", text)))
    if longest is not None and len(letters) > longest:
        letters = f"{letters[: longest // 2]}…{letters[1 - longest // 2 :]}"
    return letters.replace("$", r"\$")


def _drawn(letter: str) -> str:
    if letter == "\n":
        return letter
    if letter.isspace() or unicodedata.category(letter) == "Cc":
        return " "
    if any(font.get_char_index(ord(letter)) for font in _fonts().values()):
        return letter
    marks = unicodedata.category(letter) in ("Mn", "Cf")  # they change the letter before them
    return "" if marks else f"U+{ord(letter):04X}"


@cache
def _fonts() -> dict[str, FT2Font]:
    """By their names: the font that ships with matplotlib, so that every machine draws the same, then what is there."""
    from matplotlib import font_manager

    there = {font.name for font in font_manager.fontManager.ttflist}
    names = ("DejaVu Sans", *(name for name in _OTHER_FONTS if name in there))
    return {name: font_manager.get_font(font_manager.findfont(name)) for name in names}


def log_axis(axes: Axes, label: str, costs: Sequence[float]) -> None:
    """A logarithmic x axis for `costs`, with plain numbers: 1 M, 3 M, 10 M."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    axes.set(xscale="log", xlabel=f"{label} (log scale)")
    # The wider the axis, the fewer numbers in a decade.
    reach = max(costs) / min(costs)
    subs = next((subs for most, subs in ((10, (1, 2, 5)), (1000, (1, 3))) if reach < most), (1,))
    axes.xaxis.set_major_locator(MaxNLocator(4) if reach < 4 else LogLocator(subs=subs))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _plain_numbers(axes)


def _plain_numbers(axes: Axes) -> None:
    """200 M, where matplotlib would print 2.0 and a far 1e8."""
    from matplotlib.ticker import EngFormatter

    axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
