"""CIFAR-10 (Krizhevsky 2009): the official archive, or another copy as a `.npz` of plain arrays.

The archive holds Python pickles, and a pickle can run any code when it is read. So the official archive is recognised
by its MD5 before anything in it is unpickled, and `read` unpickles no other. A command writes the images of another
copy to a `.npz` once; it has to be told to trust that copy:

    python -m mobilenet_lib.data.cifar10 ARCHIVE OUTPUT.npz --trust
"""

from __future__ import annotations

import hashlib
import operator
import os
from pathlib import Path

import numpy as np

from mobilenet_lib._support.files import expanded

ARCHIVE = "cifar-10-python.tar.gz"
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
COMMAND = "python -m mobilenet_lib.data.cifar10"
MOST_BYTES = 1_000_000_000  # of an array; the 50,000 images have 154 MB
OFFICIAL_MD5 = "c58f30108f718f92721af3b95e74349a"
SOURCE = "CIFAR-10"


class ArchiveError(ValueError):
    """A data file that is damaged, incomplete, or not what its name says. The text names the file."""


def read(split: str, path: str | os.PathLike[str] | None) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], str]:
    """One split: images uint8 [N, 3, 32, 32], labels int64 [N], classes, source; the rules are `data.load`'s."""
    file = _given_file(path) or _cached_archive()
    if file.suffix.lower() == ".npz":
        images, labels, source = _read_npz(file, split)
        return images, labels, CLASSES, source
    if (checksum := md5(file)) != OFFICIAL_MD5:
        raise not_official(file, checksum)
    return (*unpickle(file, split), CLASSES, SOURCE)


def md5(path: Path) -> str:
    """MD5 of a file as 32 hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def not_official(archive: Path, checksum: str) -> ArchiveError:
    """What to raise for an archive with this MD5, before anything in it is read."""
    return ArchiveError(
        f"{archive} is not the official CIFAR-10 archive: its MD5 is {checksum}, not {OFFICIAL_MD5}. It is damaged or "
        "another copy. Nothing in it was read: it holds Python pickles, and to unpickle them can run any code that "
        "their maker put there. Download it again from https://www.cs.toronto.edu/~kriz/cifar.html. Or, if you made "
        f"this copy or trust whoever did, use a .npz of it: `{COMMAND} {archive} cifar10.npz --trust` makes one."
    )


def unpickle(archive: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and labels of an archive, by Paddle. This runs what its pickles say: check or trust the archive first."""
    from mobilenet_lib._support.paddle import paddle

    samples = paddle.vision.datasets.Cifar10(data_file=str(archive), mode=split).data
    images = np.empty((len(samples), 3, 32, 32), np.uint8)
    labels = np.empty(len(samples), np.int64)
    while samples:  # from the end, so that each batch's memory is freed on the way
        pixels, label = samples.pop()
        np.copyto(images[len(samples)], pixels.reshape(3, 32, 32), casting="equiv")
        labels[len(samples)] = operator.index(label)
    return images, labels


def check(where: str, images: np.ndarray, labels: np.ndarray) -> None:
    """Raise ArchiveError, whose text begins with `where`, for arrays that cannot be a split of CIFAR-10."""
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (3, 32, 32):
        found = f"{images.dtype} {list(images.shape)}"
        raise ArchiveError(f"{where}: the images are {found}; expected uint8 [N, 3, 32, 32], 0 to 255.")
    if labels.dtype.kind not in "iu" or labels.shape != images.shape[:1] or not labels.size:
        wanted = f"whole numbers, one for each of the {len(images)} images, and at least one"
        raise ArchiveError(f"{where}: the labels are {labels.dtype} {list(labels.shape)}; expected {wanted}.")
    if (wrong := (labels < 0) | (labels >= len(CLASSES))).any():
        raise ArchiveError(f"{where}: there is a label {labels[wrong][0]}; expected 0 to {len(CLASSES) - 1}.")


def _read_npz(path: Path, split: str) -> tuple[np.ndarray, np.ndarray, str]:
    try:
        with np.load(path, allow_pickle=False) as file:
            if max((entry.file_size for entry in file.zip.infolist()), default=0) > MOST_BYTES:
                raise ValueError(f"an array in it has more than {MOST_BYTES / 1e9:.0f} GB")
            images, labels = file[f"{split}_images"], file[f"{split}_labels"]
            source = file["source"] if "source" in file else np.array("")
    except Exception as problem:  # NumPy, zipfile and zlib raise a dozen kinds for damaged input
        raise ArchiveError(
            f"{path} cannot be read as a .npz of CIFAR-10 ({type(problem).__name__}: {problem}). Expected the arrays "
            f"train_images, train_labels, test_images and test_labels. `{COMMAND}` makes one of an archive."
        ) from problem
    check(f"{path}, {split}", images, labels)
    if source.dtype.kind != "U" or source.shape:
        raise ArchiveError(f"{path}: `source` is {source.dtype} {list(source.shape)}; expected one string, or none.")
    said = " ".join(str(source).split())
    return images, labels.astype(np.int64), said or f"CIFAR-10 ({path.name}, which does not name its source)"


def _given_file(path: str | os.PathLike[str] | None) -> Path | None:
    """The file that `path` or MOBILENET_DATA names; None where neither is given."""
    how = "MOBILENET_DATA" if path is None else "path"
    given = os.environ.get(how) or None if path is None else path
    if given is None:
        return None
    file = expanded(given)
    if file.is_dir():
        file /= ARCHIVE
    if not file.is_file():
        raise FileNotFoundError(
            f"{how} is {str(given)!r}, and there is no file {file}. Give the archive {ARCHIVE} itself, not unpacked, "
            f"the folder it lies in, or a .npz that `{COMMAND}` made."
        )
    return file


def _cached_archive() -> Path:
    """The official archive in Paddle's cache, downloaded by Paddle if it is not there whole.

    Paddle writes an interrupted download under the final name, so only the MD5 tells whether the file is whole.
    """
    import httpx  # Paddle's own way to the network

    from mobilenet_lib._support.paddle import paddle

    cifar, download = paddle.vision.datasets.cifar, paddle.dataset.common
    cached = Path(download.DATA_HOME, "cifar", ARCHIVE)
    if cached.is_file() and md5(cached) == OFFICIAL_MD5:
        return cached
    state = "is incomplete or altered" if cached.is_file() else "is not there"
    try:
        # Paddle waits without end for a server that does not answer, and hides the cause: ask first.
        with httpx.stream("GET", cifar.CIFAR10_URL, timeout=15, follow_redirects=True) as answer:
            answer.raise_for_status()
        return Path(download.download(cifar.CIFAR10_URL, "cifar", OFFICIAL_MD5))
    except (httpx.HTTPError, RuntimeError, OSError) as problem:
        raise FileNotFoundError(
            "CIFAR-10 was not found. Tried: path (not given); MOBILENET_DATA (not set); "
            f"Paddle's cache ({cached} {state}); download from {cifar.CIFAR10_URL} ({problem}). "
            f"Where you have the archive {ARCHIVE}, give it: load('cifar10', path='…/{ARCHIVE}'), or "
            "set MOBILENET_DATA to it. Without it, load('fashion_mnist') needs no network."
        ) from problem
