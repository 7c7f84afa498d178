"""Read a folder of images, one sub-folder a class, into arrays."""

from __future__ import annotations

import itertools
import re
import unicodedata
import warnings
from collections.abc import Sequence
from numbers import Integral
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin
from tqdm.auto import tqdm

from mobilenet_lib._support.environment import interactive

TEST_FRACTION = 0.2
SPLIT_SEED = 0
MOST_PIXELS = 100_000_000
MOST_BYTES = 3_000_000_000

_ENDINGS = {".jpg", ".jpeg", ".jfif", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm"}
_ENDINGS |= {".avif", ".heic", ".heif"}
Image.init()  # register every reader, so that those wanted can be named
# Not all that Pillow knows: its EPS reader would start another program. Older Pillows have no AVIF.
_FORMATS = [name for name in ("JPEG", "PNG", "BMP", "GIF", "WEBP", "TIFF", "PPM", "AVIF") if name in Image.OPEN]
_CLUTTER = {"thumbs.db", "desktop.ini", "__macosx"}
_ORIENTATION = 0x0112  # of EXIF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_FEW_BITS = {"L;2": 85, "L;4": 17}  # 255 / 3, 255 / 15
# Pillow stops at 1 MB of unpacked notes or colour profile in one block, and a camera writes more; it stops at 64 MB of
# all together still.
PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY
_WHAT_TO_DO = "Open it in an image viewer and save it again as JPEG or PNG, or take another one."
_FROM_A_PHONE = (
    "On an iPhone: Settings, Camera, Formats, Most Compatible, and take it again; or open it on a computer and save it "
    "as JPEG. Renaming the file does not help."
)
_LAYOUT = (
    "Expected two or more sub-folders, one a class, with images directly in each: pets/cat/1.jpg, pets/dog/2.jpg. "
    "A split of your own goes one level above: pets/train/cat/1.jpg, pets/test/cat/2.jpg."
)


class FolderError(ValueError):
    """A folder that is not laid out as images by class, or an image in it that cannot be read. The text names it."""


class ImageError(ValueError):
    """A file that is not an image, or not one that can be read. The text says what is wrong and what to do."""


def read(root: Path, split: str, size: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """One split: images uint8 [N, 3, size, size], labels int64 [N], classes, source; the rules are `data.load`'s."""
    if not root.is_dir():
        raise FileNotFoundError(f"There is no folder {root}. {_LAYOUT}")
    names = {_name(folder) for folder in _sub_folders(root)}
    own_split = {"train", "test"} <= names
    if own_split:
        if others := ", ".join(sorted(names - {"train", "test"})):
            advice = f"Move them elsewhere. {_LAYOUT}"
            raise FolderError(f"{root} has other folders beside train/ and test/: {others}. {advice}")
        files, skipped = _files_by_class(root / split)
        _check_same_classes(root / "train", root / "test")
    else:
        files, skipped = _files_by_class(root)
        files = {name: _part(root / name, paths, split) for name, paths in files.items()}

    paths = list(itertools.chain(*files.values()))
    images = allocate(len(paths), size)
    for index, path in enumerate(tqdm(paths, desc=f"reading {root.name}", delay=2, disable=not interactive())):
        images[index] = _read_image(path, size)
    labels = np.repeat(np.arange(len(files), dtype=np.int64), [len(group) for group in files.values()])

    by_chance = f"{split} part, {TEST_FRACTION:.0%} of each class for test, seed {SPLIT_SEED}"
    rule = f"{split}/ folder" if own_split else by_chance
    note = f"; {skipped} files that are not images skipped" if skipped else ""
    source = f"folder {root.resolve().name}, {rule}: {len(paths):,} images in {len(files)} classes{note}"
    return images, labels, tuple(files), source


def checked_size(size: int) -> int:
    """`size`, where it can be the side of an image. Raises ValueError for one that cannot."""
    if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
        raise ValueError(f"size is {size!r}; it is the side of an image in pixels, a whole number of 1 or more.")
    return int(size)


def allocate(count: int, size: int) -> np.ndarray:
    """An uninitialised uint8 array [count, 3, size, size]; raises ValueError for a size that cannot be meant."""
    size = checked_size(size)
    if (needed := count * 3 * size * size) > MOST_BYTES:
        raise ValueError(
            f"{count:,} images of {size}×{size} would take {needed / 1e9:.1f} GB of memory; the limit is "
            f"{MOST_BYTES / 1e9:.0f} GB. Take fewer or make them smaller: `images.sample(1000).resize({size})`."
        )
    return np.empty((count, 3, size, size), np.uint8)


def _visible(folder: Path) -> list[Path]:
    """Entries in the order of their names, without hidden ones and what file managers leave behind."""
    entries = sorted(folder.iterdir(), key=lambda entry: (_name(entry), entry.name))
    return [entry for entry in entries if entry.name[0] != "." and entry.name.lower() not in _CLUTTER]


def _name(entry: Path) -> str:
    """The name in one of the two ways to write é: macOS, archives and other systems differ in which they take."""
    return unicodedata.normalize("NFC", entry.name)


def _sub_folders(folder: Path) -> list[Path]:
    return [entry for entry in _visible(folder) if entry.is_dir()]


def _files_by_class(root: Path) -> tuple[dict[str, list[Path]], int]:
    """The images of each class folder in order of name, and how many other files were skipped."""
    folders = _sub_folders(root)
    skipped = len(_visible(root)) - len(folders)
    if len({_name(folder) for folder in folders}) < 2:
        found = f"only the sub-folder {folders[0].name}/" if folders else "no sub-folders"
        raise FolderError(f"{root} has {found}, so there are no classes to tell apart. {_LAYOUT}")
    files: dict[str, list[Path]] = {}
    for folder in folders:
        entries = _visible(folder)
        if inner := [entry.name for entry in entries if entry.is_dir()]:
            raise FolderError(f"The class folder {folder} has a folder inside: {inner[0]}/. {_LAYOUT}")
        images = [entry for entry in entries if entry.suffix.lower() in _ENDINGS]
        skipped += len(entries) - len(images)
        if not images:
            raise FolderError(
                f"The class folder {folder} has no images ({len(entries)} other files). Put some in or remove the "
                f"folder. A file is taken for an image by its ending: {' '.join(sorted(_ENDINGS))}. {_LAYOUT}"
            )
        files.setdefault(_name(folder), []).extend(images)
    return files, skipped


def _check_same_classes(train: Path, test: Path) -> None:
    first, second = ({_name(folder) for folder in _sub_folders(part)} for part in (train, test))
    if only := ", ".join(sorted(first ^ second)):
        raise FolderError(f"{train} and {test} must have the same class folders; only one of them has: {only}.")


def _part(folder: Path, paths: Sequence[Path], split: str) -> list[Path]:
    """The part of a class that belongs to `split`: each class is shuffled by itself, with a fixed seed."""
    if len(paths) < 2:
        advice = "Add images, or make train/ and test/ folders yourself."
        needs = "a class needs two or more, so that one is left for the test"
        raise FolderError(f"The class folder {folder} has one image, {paths[0].name}; {needs}. {advice}")
    order = np.random.default_rng(SPLIT_SEED).permutation(len(paths))
    tests = max(1, round(TEST_FRACTION * len(paths)))
    return [paths[index] for index in sorted(order[:tests] if split == "test" else order[tests:])]


def _read_image(path: Path, size: int) -> np.ndarray:
    try:
        return decode(path, size, str(path))
    except ImageError as problem:
        raise FolderError(f"{problem} Or remove it from the folder.") from problem


def decode(file: Path | BinaryIO, size: int, name: str, *, whole: bool = False) -> np.ndarray:
    """One image as uint8 [3, size, size]: turned upright, in RGB, scaled to cover the square, its centre kept.

    whole: keep all of it instead, [3, h, w] in its own proportions, its longer side shrunk to `size` where it is more.
    name: what to call it in the text of an ImageError, which is raised for whatever cannot be read.
    """
    try:
        return _decode(file, size, whole)
    except Image.DecompressionBombError as problem:
        raise ImageError(
            f"{name} has too many pixels ({problem}): the limit is {MOST_PIXELS / 1e6:.0f} million, because a small "
            "file can unpack to more than the memory holds. Make it smaller."
        ) from problem
    except Image.UnidentifiedImageError as problem:
        if _is_heic(file):
            raise ImageError(f"{name} is a HEIC photo, which cannot be read here. {_FROM_A_PHONE}") from problem
        raise ImageError(
            f"{name} is not an image that can be read here. JPEG, PNG, GIF, WebP, BMP and TIFF can. {_WHAT_TO_DO}"
        ) from problem
    except MemoryError as problem:
        raise ImageError(f"{name} needs more memory than there is. Make it smaller.") from problem
    except Exception as problem:  # a damaged file makes Pillow raise many kinds
        cause = f"{type(problem).__name__}: {problem}"
        raise ImageError(f"{name} is damaged or unusual ({cause}). {_WHAT_TO_DO}") from problem


def _is_heic(file: Path | BinaryIO) -> bool:
    """By the brands in its first box (ISO/IEC 14496-12), whatever the file is called."""
    if isinstance(file, Path):
        with file.open("rb") as opened:
            return _is_heic(opened)
    file.seek(0)
    start = file.read(64)
    return start[4:8] == b"ftyp" and b"avif" not in start and bool(re.search(rb"he[iv][cmsx]|hevc|m[is]f1", start[8:]))


def _decode(file: Path | BinaryIO, size: int, whole: bool) -> np.ndarray:
    with warnings.catch_warnings():
        # Pillow's remarks on odd metadata; the pixel limit is checked below.
        warnings.simplefilter("ignore")
        with Image.open(file, formats=_FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise Image.DecompressionBombError(f"{image.width}×{image.height}")
            # JPEG only: decode no more detail than is needed.
            image.draft(None, (2 * size, 2 * size))
            stored = image.tile[0].args if image.tile else None  # such as "L;2"; forgotten when the pixels are read
            upright = _as_rgb(_upright(image), image.format, _FEW_BITS.get(str(stored), 1))
            if whole:
                upright.thumbnail((size, size), Image.Resampling.BICUBIC)
            else:
                upright = ImageOps.fit(upright, (size, size), Image.Resampling.BICUBIC)
    return np.asarray(upright).transpose(2, 0, 1)


def _upright(image: Image.Image) -> Image.Image:
    """The image turned as its EXIF note says. A note that cannot be read says nothing.

    Not by ImageOps.exif_transpose, which writes the other notes anew and stumbles over one of an unusual type.
    """
    try:
        turn = _TURNS.get(image.getexif().get(_ORIENTATION))
    except Exception:  # a broken note makes Pillow raise many kinds
        turn = None
    return image if turn is None else image.transpose(turn)


def _as_rgb(image: Image.Image, format: str | None, few_bits: int) -> Image.Image:
    """Any mode as 8-bit RGB: deeper grey is scaled, and what is transparent shows a white ground.

    few_bits: by which Pillow multiplied grey of 2 or 4 bits, but not the value that stands for "transparent".
    """
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers of unknown range")
    if image.mode == "L" or image.mode.startswith("I"):
        values, hidden = np.asarray(image), image.info.get("transparency")
        pixels = _in_8_bits(values, image.mode, format)
        if isinstance(hidden, int):
            pixels[values == hidden * few_bits] = 255
        image = Image.fromarray(pixels)
    if image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA"))
    return image.convert("RGB")


def _in_8_bits(values: np.ndarray, mode: str, format: str | None) -> np.ndarray:
    """Grey values as uint8. A TIFF of 32 bits does not say its range: it is the smallest of 8, 16, 31 bits."""
    largest = 255 if mode == "L" else 65535
    if format == "TIFF" and mode == "I":
        if values.min() < 0:  # or 2^31 and more, which Pillow shows so
            raise ValueError("its pixels are 32-bit numbers of unknown range")
        largest = next(2**bits - 1 for bits in (8, 16, 31) if values.max() < 2**bits)
    return np.rint(np.clip(values, 0, largest) * (255 / largest)).astype(np.uint8)
