"""A photo from anywhere, classified by a network that was trained on Fashion-MNIST.

    image = photos.prepare("my_shoe.jpg")       bytes, as the network was trained on them
    prediction = photos.classify(runtime, image, classes)
    plots.show(*photos.prediction_figure([prediction]))

Introduced in lesson 11.
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
_WHOLE = 256  # pixels of a photo's longer side in which the object is looked for
_LEAST_CONTRAST = 16  # of 255, between the lightest pixel and the darkest: below it there is nothing to see


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


def prepare(
    source: str | Path | bytes, name: str = "the image", *, invert: bool = False, cut: bool = True
) -> np.ndarray:
    """A photo as the network was trained on images: uint8 [3, 32, 32], grey in all three colours, a black border.

    Turned upright as its EXIF says; the object cut out, centred and made as large as the square, its ground black. Any
    size and colours, transparent on white.

    Args:
        source: a path, or the bytes of a file.
        name: what to call it in an error, where `source` is bytes.
        invert: for a photo whose ground is lighter than its object (see `light_ground`); that of the training images is
            darker.
        cut: False leaves the object where it is, and shrinks the whole photo.

    Raises FileNotFoundError without the file, ImageError for what is no image, is damaged, has too many pixels, or
    shows nothing: all its pixels are alike.
    """
    grey = _grey(source, name)
    square = _object(255 - grey if invert else grey, cut)
    side = SIZE - 2 * BORDER
    small = Image.fromarray(square).resize((side, side), Image.Resampling.BICUBIC) if len(square) != side else square
    return bordered(np.asarray(small)[np.newaxis])[0]


def light_ground(source: str | Path | bytes, name: str = "the image") -> bool:
    """Whether a photo's ground is lighter than its object: then `prepare` needs `invert=True`. Raises as it does."""
    return _contrast(_grey(source, name)) < 0


def _grey(source: str | Path | bytes, name: str) -> np.ndarray:
    """The whole photo, grey, uint8 [h, w]; with an object in it, or ImageError."""
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
    colours = folders.decode(file, _WHOLE, name, whole=True)  # [3, h, w]
    grey = np.asarray(Image.fromarray(colours.transpose(1, 2, 0)).convert("L"))  # [h, w]
    if np.ptp(grey) < _LEAST_CONTRAST:
        what = f"{grey.shape[1]}×{grey.shape[0]} pixels, all (nearly) alike"
        raise ImageError(f"{name} shows nothing: {what}. Take a photo with an object on a plain ground.")
    return grey


def _ground(grey: np.ndarray) -> float:
    """The shade of the ground: the median along the four edges."""
    return float(np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])))


def _outline(grey: np.ndarray) -> np.ndarray:
    """Where the object is, [h, w]: what differs from the ground by more than a quarter of what differs most."""
    off = np.abs(grey - _ground(grey))
    return off > off.max() / 4


def _contrast(grey: np.ndarray) -> float:
    """How much lighter than its ground the object of a photo is, on average, of 255; below 0 it is darker."""
    return float(grey[_outline(grey)].mean() - _ground(grey))


def _object(grey: np.ndarray, cut_out: bool) -> np.ndarray:
    """The object of a photo in the middle of a square that it fills, uint8 [side, side], a darker ground made black.

    Specks are cut off: each side of the object's box leaves a 200th of it outside.
    """
    ground, inside = _ground(grey), _outline(grey) | (not cut_out)
    ends = (np.percentile(found, (0.5, 99.5)).astype(int) for found in np.nonzero(inside))
    cut = grey[tuple(slice(first, last + 1) for first, last in ends)].astype(float)
    if _contrast(grey) > 0:  # as in training, from black to white
        cut = np.clip(cut - ground, 0, None)
        cut, ground = cut * (255 / max(cut.max(), 1)), 0
    space = max(cut.shape) - np.array(cut.shape)
    around = [(one // 2, one - one // 2) for one in space]
    return np.pad(cut, around, constant_values=ground).astype(np.uint8)


def careless(images: np.ndarray, seed: int = 0, *, light: bool = True) -> list[bytes]:
    """Test images, uint8 [N, 3, 32, 32], as a hasty photographer would send them: PNG files of 400×300 pixels.

    The object is small, somewhere in the photo, and there is noise. light: it is darker than its ground, else lighter.
    """
    rng = np.random.default_rng(seed)
    return [_careless(image[0, BORDER:-BORDER, BORDER:-BORDER], rng, light) for image in images]


def _careless(grey: np.ndarray, rng: np.random.Generator, light: bool) -> bytes:
    side = int(rng.integers(3, 6)) * len(grey)
    top, left = rng.integers(0, 300 - side), rng.integers(0, 400 - side)
    photo = np.zeros((300, 400))
    photo[top : top + side, left : left + side] = Image.fromarray(grey).resize((side, side), Image.Resampling.BICUBIC)
    photo = (235 - 0.8 * photo if light else 20 + 0.8 * photo) + rng.normal(0, 4, photo.shape)
    file = io.BytesIO()
    Image.fromarray(np.clip(photo, 0, 255).astype(np.uint8)).save(file, "PNG")
    return file.getvalue()


def preparation_figure(files: Sequence[bytes]) -> tuple[Figure, str]:
    """Each photo above what `prepare` makes of it, as it is and with light and dark swapped."""
    rows = {
        "photo": [_grey(file, "the photo") for file in files],
        "prepared": [prepare(file)[0] for file in files],
        "swapped": [prepare(file, invert=True)[0] for file in files],
    }
    fig, axes = plots.figure(3, len(files), width=1.8 * len(files), height=5, squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for one, image in zip(line, images, strict=True):
            one.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            one.set(xticks=[], yticks=[])
            one.grid(False)
        line[0].set_ylabel(name)
    light = sum(light_ground(file) for file in files)
    what = f"{len(files)} photos, {light} of them with a light ground; below each what the network is given."
    return fig, f"{what} Prepared: the object cut out and as large as the square. Swapped: light and dark exchanged."


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


# Files that no network can classify, by a name that somebody might give them.
UNUSABLE = {
    "notes.jpg": b"Dear diary, today",
    "empty.png": b"",
    "IMG_0042.HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "blank.pgm": b"P5 1 1 255 \xff",  # one white pixel
    "huge.pgm": b"P5 15000 10000 255 ",  # says that 150 million pixels follow
}

OUTSIDE = (
    "The network must choose among its ten classes of clothing, whatever it is shown, and its probabilities always add "
    "up to 100 %. It was trained on small grey product photographs on a black ground; a photograph from elsewhere lies "
    "outside of them, and a high number is then no sign of being right."
)
