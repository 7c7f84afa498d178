"""A photo from anywhere, classified by a network that was trained on Fashion-MNIST.

    image = photos.prepare("my_shoe.jpg")       bytes, as the network was trained on them
    prediction = photos.classify(runtime, image, classes)
    plots.show(*photos.prediction_figure([prediction]))

Introduced in lesson 10.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from mobilenet_lib import data, plots
from mobilenet_lib.data import ImageError, folders

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 32  # pixels, the side of what the network takes
BORDER = 2  # pixels of black on each side, as `data.load("fashion_mnist")` has them
MOST_BYTES = 100_000_000  # of a file


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of one image.

    title: a few words for the figure. image: as the network sees it, uint8 [3, h, w]. classes, probabilities: all of
    them, the most probable first.
    """

    title: str
    image: np.ndarray
    classes: tuple[str, ...]
    probabilities: np.ndarray

    def top(self, count: int = 3) -> list[tuple[str, float]]:
        """The `count` most probable classes with their probabilities."""
        return list(zip(self.classes[:count], self.probabilities[:count].tolist(), strict=True))

    @property
    def text(self) -> str:
        """The three most probable classes, in words."""
        return ", ".join(f"{name} {100 * probability:.0f} %" for name, probability in self.top())


def prepare(source: str | Path | bytes, name: str = "the image", *, invert: bool = False) -> np.ndarray:
    """A photo as the network was trained on images: uint8 [3, 32, 32], grey in all three colours, a black border.

    Turned upright as its EXIF says, and its centre cut out as a square.

    Args:
        source: a path, or the bytes of a file. Any size, any of Pillow's modes: colour, grey, 16 bits, palette, CMYK,
            transparent (on a white ground).
        name: what to call it in an error, where `source` is bytes.
        invert: for a photo with a light ground, because the training images have a dark one.

    Raises:
        FileNotFoundError: without the file.
        ImageError: for what is no image, is damaged, or has too many pixels.
    """
    if isinstance(source, (str, Path)):
        path = Path(os.path.expanduser(source))
        name = path.name
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}. Check the path.")
        _check_size(name, path.stat().st_size)
        source = path.read_bytes()
    _check_size(name, len(source))
    colours = folders.decode(io.BytesIO(source), SIZE - 2 * BORDER, name)  # [3, 28, 28]
    grey = np.asarray(Image.fromarray(colours.transpose(1, 2, 0)).convert("L"))  # [28, 28]
    if invert:
        grey = 255 - grey
    return np.repeat(np.pad(grey, BORDER)[np.newaxis], 3, axis=0)


def _check_size(name: str, size: int) -> None:
    """Refuse a file of `size` bytes that is empty or too large."""
    if size == 0:
        raise ImageError(f"{name} is empty: it has no bytes. Take another one.")
    if size > MOST_BYTES:
        raise ImageError(
            f"{name} has {size / 1e6:.0f} MB; the limit is {MOST_BYTES / 1e6:.0f} MB. Make the image smaller."
        )


def classify(
    runtime: Callable[[np.ndarray], np.ndarray], image: np.ndarray, classes: Sequence[str], title: str = ""
) -> Prediction:
    """Classify one prepared image.

    Args:
        runtime: an inference runtime, which turns normalised images into scores.
        image: uint8 [3, h, w].
        classes: what the scores stand for, in their order.
        title: see `Prediction`.
    """
    scores = runtime(data.normalise(image[np.newaxis]))[0].astype(np.float64)  # [classes]
    powers = np.exp(scores - scores.max())
    order = np.argsort(-scores, kind="stable")
    return Prediction(title, image, tuple(classes[index] for index in order), (powers / powers.sum())[order])


def prediction_figure(predictions: Sequence[Prediction]) -> tuple[Figure, str]:
    """Each image as the network sees it, beside bars of its three most probable classes, and that in words."""
    rows, settings = len(predictions), {"width_ratios": [1, 3]}
    fig, axes = plots.figure(rows, 2, width=8, height=0.6 + 1.05 * rows, squeeze=False, gridspec_kw=settings)
    for (left, right), prediction in zip(axes, predictions, strict=True):
        left.imshow(prediction.image.transpose(1, 2, 0), interpolation="nearest")
        left.set_title(prediction.title, fontsize=10, weight="normal")
        left.axis("off")
        names, percent = zip(*((name, 100 * probability) for name, probability in prediction.top()), strict=True)
        plots.bars(right, names, percent, unit="probability (%)", texts=[f"{value:.0f} %" for value in percent])
        right.set_xlim(0, 115)
        right.set_xticks(range(0, 101, 20))
    for axes_above in axes[:-1, 1]:
        axes_above.set_xlabel("")
        axes_above.tick_params(labelbottom=False)  # the lowest row names the numbers for all
    what = f"Images of {SIZE}×{SIZE} as the network sees them, each beside bars of its three most probable classes."
    words = "; ".join(f"{prediction.title or 'your photo'}: {prediction.text}" for prediction in predictions)
    return fig, f"{what} {words}."


OUTSIDE = (
    "The network must choose among its ten classes of clothing, whatever it is shown, and its probabilities always add "
    "up to 100 %. It was trained on small grey product photographs on a black ground; a photograph from elsewhere lies "
    "outside of them, and a high number is then no sign of being right."
)
