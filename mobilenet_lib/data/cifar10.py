"""Is a CIFAR-10 archive whole, and are its pickles only data?

CIFAR-10 comes as a tar file of Python pickles, and a pickle may call any function when it is read. So an archive
that is not the official one is read here first, with an unpickler that knows five names and builds nothing but
empty shapes. What passes is safe to hand to Paddle, which unpickles without a check. Nothing is written to disk.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import tarfile
from pathlib import Path, PurePosixPath

OFFICIAL_MD5 = "c58f30108f718f92721af3b95e74349a"
# What Paddle looks for: it reads every member whose name contains this, wherever it lies in the archive.
_MARKS = {"train": "data_batch", "test": "test_batch"}

_MEMBERS = {
    "train": [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)],
    "test": ["cifar-10-batches-py/test_batch"],
}
_LARGEST_BATCH = 64 * 1024**2  # bytes; the official ones have 31 MB
_VALUES = 3 * 32 * 32
_CLASSES = 10
_ADVICE = (
    "Expected the `cifar-10-python.tar.gz` of https://www.cs.toronto.edu/~kriz/cifar.html "
    f"(MD5 {OFFICIAL_MD5}). Download it again, or give another copy."
)


class ArchiveError(ValueError):
    """A data file that is damaged, incomplete, or not what its name says. The text names the file."""


def md5(path: Path) -> str:
    """MD5 of a file as 32 hexadecimal digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check(path: Path, split: str) -> None:
    """Read every batch of `split` ("train" or "test") without running anything in it.

    Raises ArchiveError for a file that is truncated or not a tar, for missing, doubled or unexpected members, for a
    pickle that asks for a name a batch does not need, and for pictures or labels of the wrong shape.
    """
    try:
        with tarfile.open(path) as archive:
            _check_members(archive, split)
    except Exception as problem:  # tarfile, gzip and pickle raise a dozen kinds for damaged input
        raise ArchiveError(f"{path} cannot be used as CIFAR-10: {_reason(problem)}. {_ADVICE}") from problem


def _check_members(archive: tarfile.TarFile, split: str) -> None:
    missing = set(_MEMBERS[split])
    for member in archive:
        if _MARKS[split] not in member.name:
            continue
        name = str(PurePosixPath(member.name))  # without a leading "./"
        if name not in missing:
            raise ArchiveError(f"its member {member.name!r} is doubled or does not belong there")
        if not member.isreg() or member.size > _LARGEST_BATCH:
            raise ArchiveError(f"its member {member.name!r} is a link or too large, not a batch of pictures")
        missing.remove(name)
        _check_batch(name, archive.extractfile(member).read())
    if missing:
        raise ArchiveError(f"it has no {', '.join(sorted(missing))}")


def _check_batch(name: str, content: bytes) -> None:
    batch = _DataUnpickler(io.BytesIO(content), encoding="bytes").load()
    pictures, labels = (batch.get(b"data"), batch.get(b"labels")) if type(batch) is dict else (None, None)
    if not isinstance(pictures, _Array) or len(pictures.shape) != 2 or pictures.shape[1] != _VALUES:
        raise ArchiveError(f"the pictures in {name} are not an array of N × {_VALUES} bytes")
    if type(labels) is not list or len(labels) != pictures.shape[0] or not labels:
        raise ArchiveError(f"{name} needs one label for each of its {pictures.shape[0]} pictures, in a list")
    if not all(type(label) is int and 0 <= label < _CLASSES for label in labels):
        raise ArchiveError(f"{name} has a label that is not a whole number from 0 to {_CLASSES - 1}")


def _reason(problem: Exception) -> str:
    if isinstance(problem, (ArchiveError, _Refused)):
        return str(problem)
    return f"it is truncated, damaged or not a tar file ({type(problem).__name__}: {problem})"


# --- what a batch may be made of -------------------------------------------------------------------------------
#
# NumPy's own functions would not do here: a pickle may call them with arguments that forge an array of Python
# objects from raw bytes. These stand-ins accept what an array of bytes needs, and keep only its shape.


class _Refused(pickle.UnpicklingError):
    """The pickle asks for more than pictures and labels."""


class _Dtype:
    """Stands for `numpy.dtype("uint8")`."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        if state not in (
            (3, "|", None, None, None, -1, -1, 0),
            (3, b"|", None, None, None, -1, -1, 0),
        ):
            raise _Refused("its pickle holds an array that is not made of bytes")


class _Array:
    """Stands for a `numpy.ndarray` of bytes; `shape` is what the pickle says it is."""

    __slots__ = ("shape",)

    def __init__(self) -> None:
        self.shape: tuple[int, ...] = ()

    def __setstate__(self, state: tuple) -> None:
        version, shape, dtype, fortran_order, content = state
        is_array = (
            version == 1
            and isinstance(dtype, _Dtype)
            and type(fortran_order) in (bool, int)
            and type(shape) is tuple
            and all(type(length) is int and length >= 0 for length in shape)
            and type(content) is bytes
            and len(content) == math.prod(shape)
        )
        if not is_array:
            raise _Refused("its pickle holds an array that does not fit its shape, or is not made of bytes")
        self.shape = shape


_NDARRAY = object()


# Objects without attributes rather than functions, because a pickle can set attributes on what it is given.
class _Reconstruct:
    """Stands for `_reconstruct(numpy.ndarray, (0,), b"b")`, which makes an array to be filled."""

    __slots__ = ()

    def __call__(self, kind: object, shape: object, code: object) -> _Array:
        if kind is not _NDARRAY or shape != (0,) or code not in ("b", b"b"):
            raise _Refused("its pickle builds an array in an unusual way")
        return _Array()


class _MakeDtype:
    """Stands for `numpy.dtype("u1", False, True)`."""

    __slots__ = ()

    def __call__(self, code: object, align: object, copy: object) -> _Dtype:
        if code not in ("u1", b"u1") or align not in (0, 1) or copy not in (0, 1):
            raise _Refused("its pickle holds an array that is not made of bytes")
        return _Dtype()


class _Encode:
    """Stands for `_codecs.encode`: Python 3 writes bytes that way in the protocol that Python 2 can read."""

    __slots__ = ()

    def __call__(self, text: str, encoding: object) -> bytes:
        if encoding not in ("latin1", b"latin1") or type(text) is not str:
            raise _Refused("its pickle encodes text in an unusual way")
        return text.encode("latin-1")


class _EmptyBytes:
    """Stands for `bytes()`, which Python 3 writes for b"" in the same protocol."""

    __slots__ = ()

    def __call__(self) -> bytes:
        return b""


_ALLOWED = {
    "numpy.ndarray": _NDARRAY,
    "numpy.dtype": _MakeDtype(),
    "numpy.core.multiarray._reconstruct": _Reconstruct(),
    "numpy._core.multiarray._reconstruct": _Reconstruct(),
    "_codecs.encode": _Encode(),
    "__builtin__.bytes": _EmptyBytes(),
}


class _DataUnpickler(pickle.Unpickler):
    """Reads the pickles that NumPy and Python write for bytes, numbers, lists and dictionaries; refuses the rest."""

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[f"{module}.{name}"]
        except KeyError:
            raise _Refused(
                f"its pickle asks for {module}.{name}, which pictures and labels do not need and which could run code"
            ) from None
