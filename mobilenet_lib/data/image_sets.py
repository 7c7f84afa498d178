"""An `ImageSet` of bytes, [N, 3, height, width]; `normalise` turns a batch of it into what the networks are fed.

Only the archive of CIFAR-10 needs Paddle, which is imported when it is loaded.
"""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from PIL import Image

from mobilenet_lib._support import files
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.data import cifar10, folders
from mobilenet_lib.data.cifar10 import ArchiveError

NAMES = ("cifar10", "fashion_mnist", "folder")
SPLITS = ("train", "test")

# How far augmentation moves an image, in pixels: the 4 of He et al., arXiv 1512.03385, section 4.2.
MAX_SHIFT = 4

BORDER = 2  # black pixels on each side of Fashion-MNIST's images, to make 32×32 of 28×28
_FASHION_MNIST = Path(__file__).with_name("bundled") / "fashion-mnist-part.npz"
_FASHION_MNIST_SHA256 = "9af7deca0db6f3f108bbebb8f36d3e7f242b00eefde0b54fd069817266cc0cd1"
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_FASHION_MNIST_SOURCE = "Fashion-MNIST, a part: 6,000 training and 2,000 test images"


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images with their labels, and where they come from.

    images: uint8 [N, 3, height, width], values 0…255. labels: int64 [N], each an index into `classes`.
    part: "train" or "test". source: one line for captions.
    """

    name: str
    part: str
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def sample(self, n: int, seed: int = 0) -> ImageSet:
        """`n` images in random order, equally many of each class as far as they reach; the same seed takes the same.

        Raises ValueError if `n` is not between 1 and the number of images.
        """
        self._check_count(n)
        order = np.random.default_rng(whole_number("seed", seed, minimum=0)).permutation(len(self))
        # One of each class, then the next of each class, and so on.
        chosen = order[np.argsort(_turns(self.labels[order]), kind="stable")[:n]]
        return self._select(chosen, f"{n:,} of them taken with seed {seed}")

    def head(self, n: int) -> ImageSet:
        """The first `n` images, in their order. Raises ValueError if `n` is not between 1 and their number."""
        self._check_count(n)
        return self if n == len(self) else self._select(np.arange(n), f"the first {n:,}")

    def split(self, fraction: float, seed: int = 0) -> tuple[ImageSet, ImageSet]:
        """Divide into (rest, part): `part` has this fraction of the images, and of each class.

        Neither is empty, none is in both, and each keeps the order. Raises ValueError if `fraction` is not between
        0 and 1, or for fewer than two images.
        """
        if not isinstance(fraction, Real) or not 0 < fraction < 1:
            raise ValueError(f"fraction is {fraction!r}; it must lie between 0 and 1, for example 0.1.")
        if len(self) < 2:
            raise ValueError(f"Cannot divide {len(self)} image(s); it takes two or more.")
        order = np.random.default_rng(whole_number("seed", seed, minimum=0)).permutation(len(self))
        labels = self.labels[order]
        # How far through its class an image comes, from 0 to 1.
        progress = (_turns(labels) + 0.5) / np.bincount(labels)[labels]
        count = min(max(round(fraction * len(self)), 1), len(self) - 1)
        ranked = order[np.argsort(progress, kind="stable")]
        note = f"{count:,} split off with seed {seed}"
        rest = self._select(np.sort(ranked[count:]), f"{len(self) - count:,} left, {note}")
        return rest, self._select(np.sort(ranked[:count]), note)

    def resize(self, size: int) -> ImageSet:
        """The same images, square, with sides of `size` pixels (bicubic). Raises ValueError for an unusable size."""
        if self.images.shape[2:] == (folders.checked_size(size),) * 2:
            return self
        images = folders.allocate(len(self), size)
        for index, pixels in enumerate(self.images):
            image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
            images[index] = np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)).transpose(2, 0, 1)
        height, width = self.images.shape[2:]
        return replace(self, images=images, source=f"{self.source}; {width}×{height} resized to {size}×{size}")

    def _check_count(self, n: int) -> None:
        if isinstance(n, bool) or not isinstance(n, Integral) or not 1 <= n <= len(self):
            raise ValueError(f"Cannot take {n!r} of {len(self)} images. Take from 1 to {len(self)}.")

    def _select(self, indices: np.ndarray, note: str) -> ImageSet:
        source = f"{self.source}; {note}"
        return replace(self, images=self.images[indices], labels=self.labels[indices], source=source)


def load(
    name: str, split: str = "train", path: str | os.PathLike[str] | None = None, size: int | None = None
) -> ImageSet:
    """Load one split of a data set as bytes.

    "fashion_mnist": the part that ships with the course, 6,000 training and 2,000 test images of ten kinds of clothing
    (Xiao, Rasul and Vollgraf, arXiv 1708.07747), grey, as `bordered` makes them of 28×28. Needs no network.

    "cifar10": 50,000 training and 10,000 test images, 32×32. The file is looked for in this order: `path`, the
    environment variable MOBILENET_DATA, Paddle's cache; then Paddle downloads the archive (170 MB). It is the official
    archive, the folder that holds it, or a `.npz` that `python -m mobilenet_lib.data.cifar10` made of another copy
    (train_images, train_labels, test_images, test_labels and perhaps `source`, a string).

    "folder": any images on disk. `path` holds one sub-folder a class. With sub-folders train/ and test/, each of
    which holds the class folders, these are the split; else 20 % of each class, chosen with a fixed seed, are the
    test. Turned upright by their EXIF note, in RGB on white, scaled to cover `size`×`size` pixels, centre kept. By
    their names, hidden files, Thumbs.db, desktop.ini and files without an image's ending (.jpg, .png and so on) are
    skipped; a file with such an ending that cannot be read is an error.

    Args:
        name, split: of `NAMES` and `SPLITS`.
        path: the file or folder, as said above; `~` is the home folder.
        size: the side of the images in pixels, to resize to; None leaves 32.

    Raises:
        ValueError: for an unknown name, split or size.
        FileNotFoundError: where a file is missing and cannot be downloaded.
        ArchiveError, FolderError: where one is damaged or laid out wrongly. Both are ValueErrors.
    """
    if name not in NAMES:
        raise ValueError(f"There is no data set {name!r}. Choose one of {', '.join(map(repr, NAMES))}.")
    if split not in SPLITS:
        raise ValueError(f"There is no split {split!r}. Choose 'train' or 'test'.")
    if size is not None:
        folders.checked_size(size)
    if name == "folder":
        if path is None:
            raise ValueError("A folder of images needs `path`, for example load('folder', path='pets').")
        content = folders.read(files.expanded(path), split, 32 if size is None else size)
        return ImageSet(name, split, *content)
    if name == "fashion_mnist" and path is not None:
        raise ValueError(f"{name} ships with the course and takes no `path`. Use the names 'cifar10' or 'folder'.")
    content = cifar10.read(split, path) if name == "cifar10" else _read_fashion_mnist(split)
    images = ImageSet(name, split, *content)
    return images if size is None else images.resize(size)


def normalise(images: np.ndarray) -> np.ndarray:
    """Bytes uint8 [N, 3, H, W] as float32 of the same shape, from -1 (black) to 1 (white).

    The same for every data set and colour, so that a figure on one set can be compared with a figure on another;
    TensorFlow-Slim prepares its MobileNets' input in the same way. Raises ValueError for anything but bytes, so that
    nothing is normalised twice.
    """
    if getattr(images, "dtype", None) != np.uint8:
        found = getattr(images, "dtype", type(images).__name__)
        raise ValueError(f"normalise takes bytes (uint8, 0 to 255), not {found}. Give it ImageSet.images.")
    values = images.astype(np.float32)
    values -= 127.5
    values /= 127.5
    return values


def checksum(*sets: ImageSet) -> str:
    """Eight hexadecimal digits that tell these images and labels from others of the same number."""
    found = 0
    for images in sets:
        found = zlib.crc32(np.ascontiguousarray(images.images), zlib.crc32(images.labels.tobytes(), found))
    return f"{found:08x}"


def augment(
    images: np.ndarray, generator: np.random.Generator, *, max_shift: int = MAX_SHIFT, part: slice = slice(None)
) -> np.ndarray:
    """Each image moved by up to `max_shift` pixels either way, and half of them mirrored.

    The usual augmentation for CIFAR-10 (He et al., arXiv 1512.03385, section 4.2).

    Args:
        images: uint8 [N, 3, H, W].
        generator: where all chance comes from.
        part: return these images only, as they come out when all are augmented; for work that is shared.

    Returns:
        Images of the same shape and type, black where nothing moved in.
    """
    count, _, height, width = images.shape
    down, right = generator.integers(0, 2 * max_shift + 1, size=(2, count))[:, part]
    mirrored = (generator.random(count) < 0.5)[part]
    edge = (max_shift, max_shift)
    padded = np.pad(images[part], ((0, 0), (0, 0), edge, edge))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(2, 3))
    moved = windows[np.arange(len(down)), :, down, right]  # [N, 3, H, W]
    moved[mirrored] = moved[mirrored, :, :, ::-1]
    return moved


def _turns(labels: np.ndarray) -> np.ndarray:
    """For each label, how many equal ones stand before it: [3, 3, 5, 3] gives [0, 1, 0, 2]."""
    turns = np.empty(len(labels), np.int64)
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label)
        turns[indices] = np.arange(len(indices))
    return turns


def _read_fashion_mnist(split: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    try:
        content = _FASHION_MNIST.read_bytes()
    except OSError as problem:
        found = f"The bundled {_FASHION_MNIST} cannot be read ({problem})"
        raise FileNotFoundError(f"{found}. Install the course again.") from problem
    if hashlib.sha256(content).hexdigest() != _FASHION_MNIST_SHA256:
        raise ArchiveError(
            f"The bundled {_FASHION_MNIST} has changed: its SHA-256 is not {_FASHION_MNIST_SHA256}. "
            "Restore it from the course's repository, or install the course again."
        )
    with np.load(io.BytesIO(content), allow_pickle=False) as part:
        grey = part[f"{split}_images"]  # uint8 [N, 28, 28]
        labels = part[f"{split}_labels"].astype(np.int64)
    return bordered(grey), labels, _CLOTHES, _FASHION_MNIST_SOURCE


def bordered(grey: np.ndarray) -> np.ndarray:
    """Grey images [N, 28, 28] with two black pixels on each side, in all three colours: [N, 3, 32, 32]."""
    padded = np.pad(grey, ((0, 0), (BORDER, BORDER), (BORDER, BORDER)))
    return np.repeat(padded[:, np.newaxis], 3, axis=1)
