"""A picture from anywhere, seen and named by a network that was trained on Fashion-MNIST.

    picture = photos.prepare("my_shoe.jpg")       bytes, as the network was trained on them
    answer = photos.name_it(engine, picture, classes)
    plots.show(*photos.answer_figure([answer]))

Introduced in lesson 10.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mobilenet_lib import data, plots
from mobilenet_lib.data import folders

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 32  # pixels, the side of what the network takes
BORDER = 2  # pixels of black on each side, as `data.load("fashion_mnist")` has them
MOST_BYTES = 100_000_000  # of a file

_WHAT_TO_DO = "Open it in a picture viewer and save it again as JPEG or PNG, or take another one."


class PictureError(ValueError):
    """A file that is not a picture, or not one that can be read. The text says what is wrong and what to do."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network says to one picture.

    title: a few words for the figure. picture: as the network sees it, uint8 [3, h, w]. classes, probabilities: all of
    them, the most probable first.
    """

    title: str
    picture: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The `count` most probable classes with their probabilities."""
        return [
            (name, float(share)) for name, share in list(zip(self.classes, self.probabilities, strict=True))[:count]
        ]

    @property
    def text(self) -> str:
        """The three most probable classes, in words."""
        return ", ".join(f"{name} {100 * share:.0f} %" for name, share in self.top())


def prepare(source: str | Path | bytes, name: str = "the picture", *, invert: bool = False) -> np.ndarray:
    """A picture as the network was trained on them: uint8 [3, 32, 32], grey in all three colours, a black border.

    source: a path, or the bytes of a file. Any size, any of Pillow's modes (colour, grey, 16 bits, palette, CMYK,
    transparent: on a white ground), turned upright as its EXIF says; the centre is cut out as a square. name: what to call it in
    an error, where `source` is bytes. invert: for a picture with a light ground, because the training pictures have a dark one.

    FileNotFoundError without the file; PictureError for what is no picture, is damaged, or has too many pixels.
    """
    if isinstance(source, (str, Path)):
        path = Path(source).expanduser()
        name = path.name
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}. Check the path.")
        _check_size(name, path.stat().st_size)
        source = path.read_bytes()
    _check_size(name, len(source))
    inside = SIZE - 2 * BORDER
    try:
        colours = folders.decode(io.BytesIO(source), inside)  # [3, 28, 28]
    except Image.DecompressionBombError as problem:
        raise PictureError(
            f"{name} has too many pixels ({problem}): the limit is {folders.MOST_PIXELS / 1e6:.0f} million, because a "
            "small file can unpack to more than the memory holds. Make it smaller."
        ) from problem
    except Image.UnidentifiedImageError as problem:
        raise PictureError(
            f"{name} is not a picture that can be read here. JPEG, PNG, GIF, WebP, BMP and TIFF can. {_WHAT_TO_DO}"
        ) from problem
    except MemoryError as problem:
        raise PictureError(f"{name} needs more memory than there is. Make it smaller.") from problem
    except Exception as problem:  # a damaged file makes Pillow raise many kinds
        raise PictureError(
            f"{name} is damaged or unusual ({type(problem).__name__}: {problem}). {_WHAT_TO_DO}"
        ) from problem
    grey = np.asarray(Image.fromarray(colours.transpose(1, 2, 0)).convert("L"))  # [28, 28]
    if invert:
        grey = 255 - grey
    return np.repeat(np.pad(grey, BORDER)[np.newaxis], 3, axis=0)


def _check_size(name: str, size: int) -> None:
    """Refuse a file of `size` bytes that is empty or too large."""
    if size == 0:
        raise PictureError(f"{name} is empty: it has no bytes. {_WHAT_TO_DO}")
    if size > MOST_BYTES:
        raise PictureError(
            f"{name} has {size / 1e6:.0f} MB; the limit is {MOST_BYTES / 1e6:.0f} MB. Make the picture smaller."
        )


def name_it(
    engine: Callable[[np.ndarray], np.ndarray],
    picture: np.ndarray,
    classes: Sequence[str],
    title: str = "",
) -> Answer:
    """Ask an engine, which turns normalised pictures into scores, for one prepared picture, uint8 [3, h, w].

    classes: what the scores stand for, in their order. title: see `Answer`.
    """
    scores = engine(data.normalise(picture[np.newaxis]))[0].astype(np.float64)  # [classes]
    powers = np.exp(scores - scores.max())
    order = np.argsort(-scores, kind="stable")
    return Answer(title, picture, tuple(classes[place] for place in order), (powers / powers.sum())[order])


def answer_figure(answers: Sequence[Answer]) -> tuple[Figure, str]:
    """Each picture as the network sees it, beside the bars of its three most probable classes; with words, for `plots.show`."""
    fig, axes = plots.figure(
        len(answers), 2, width=8, height=0.6 + 1.05 * len(answers), squeeze=False,
        gridspec_kw={"width_ratios": [1, 3]},
    )  # fmt: skip
    for (left, right), answer in zip(axes, answers, strict=True):
        left.imshow(answer.picture.transpose(1, 2, 0), interpolation="nearest")
        left.set_title(answer.title, fontsize=10, weight="normal")
        left.axis("off")
        names, shares = zip(*answer.top(), strict=True)
        plots.bars(
            right, names, [100 * share for share in shares],
            unit="probability (%)", texts=[f"{100 * share:.0f} %" for share in shares],
        )  # fmt: skip
        right.set_xlim(0, 115)
        right.set_xticks(range(0, 101, 20))
    for axes_above in axes[:-1, 1]:
        axes_above.set_xlabel("")
        axes_above.tick_params(labelbottom=False)  # the lowest row names the numbers for all
    words = "; ".join(f"{answer.title or 'your picture'}: {answer.text}" for answer in answers)
    return (
        fig,
        f"Pictures of {SIZE}×{SIZE} as the network sees them, each beside bars of its three most probable classes. {words}.",
    )


OUTSIDE = (
    "The network must choose among its ten classes of clothing, whatever it is shown, and its probabilities always add up to "
    "100 %. It was trained on small grey product photographs on a black ground; a photograph from elsewhere lies outside of "
    "them, and a high number is then no sign of being right."
)
