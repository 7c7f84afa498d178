"""A photo from anywhere, classified by a network that was trained on Fashion-MNIST.

    image = photos.prepare("my_shoe.jpg")       bytes, as the network was trained on them
    prediction = photos.classify(runtime, image, classes)
    plots.show(*photos.prediction_figure([prediction]))

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
from mobilenet_lib._support.files import expanded
from mobilenet_lib.data import ImageError, folders
from mobilenet_lib.data.image_sets import BORDER, bordered

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SIZE = 32  # pixels, the side of what the network takes
MOST_BYTES = 100_000_000  # of a file


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says of one image, uint8 [3, h, w], as it sees it: all classes, the most probable first.

    title: a few words for the figure.
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

    Turned upright as its EXIF says, and its centre cut out as a square; any size and colours, transparent on white.

    Args:
        source: a path, or the bytes of a file.
        name: what to call it in an error, where `source` is bytes.
        invert: for a photo with a light ground, because the training images have a dark one.

    Raises FileNotFoundError without the file, ImageError for what is no image, is damaged, or has too many pixels.
    """
    if isinstance(source, bytes):
        file, size = io.BytesIO(source), len(source)
    else:
        file = expanded(source)
        if not file.is_file():
            raise FileNotFoundError(f"there is no file {file}. Check the path.")
        name, size = file.name, file.stat().st_size
    if size == 0:
        raise ImageError(f"{name} is empty: it has no bytes. Take another one.")
    if size > MOST_BYTES:
        limit = f"{MOST_BYTES / 1e6:.0f} MB"
        raise ImageError(f"{name} has {size / 1e6:.0f} MB; the limit is {limit}. Make the image smaller.")
    colours = folders.decode(file, SIZE - 2 * BORDER, name)  # [3, 28, 28]
    grey = np.asarray(Image.fromarray(colours.transpose(1, 2, 0)).convert("L"))  # [28, 28]
    return bordered((255 - grey if invert else grey)[np.newaxis])[0]


def classify(
    runtime: Callable[[np.ndarray], np.ndarray], image: np.ndarray, classes: Sequence[str], title: str = ""
) -> Prediction:
    """Classify one prepared image, uint8 [3, h, w].

    runtime: turns normalised images into scores. classes: what these stand for, in order. title: see `Prediction`.
    """
    from scipy.special import softmax

    scores = runtime(data.normalise(image[np.newaxis]))[0].astype(np.float64)  # [classes]
    order = np.argsort(-scores, kind="stable")
    return Prediction(title, image, tuple(classes[index] for index in order), softmax(scores)[order])


def prediction_figure(predictions: Sequence[Prediction]) -> tuple[Figure, str]:
    """Each image as the network sees it, beside bars of its three most probable classes, and that in words."""
    rows, settings = len(predictions), {"width_ratios": [1, 3]}
    fig, axes = plots.figure(rows, 2, width=8, height=0.6 + 1.05 * rows, squeeze=False, gridspec_kw=settings)
    for (left, right), prediction in zip(axes, predictions, strict=True):
        left.imshow(prediction.image.transpose(1, 2, 0), interpolation="nearest")
        left.set_title(plots.readable(prediction.title), fontsize=10, weight="normal")
        left.axis("off")
        names, percent = prediction.classes[:3], 100 * prediction.probabilities[:3]
        plots.bars(right, names, percent, unit="probability (%)", texts=[f"{value:.0f} %" for value in percent])
        right.set(xlim=(0, 115), xticks=range(0, 101, 20))
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
