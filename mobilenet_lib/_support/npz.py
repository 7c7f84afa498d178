"""Named arrays in NumPy's `.npz`: written, read without pickle, and compared with those of a model."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mobilenet_lib._support.files import atomic_write


def write(path: Path | str, arrays: Mapping[str, np.ndarray], savez: Callable[..., None] = np.savez) -> None:
    """Write the arrays to `path`, or leave what is there. savez: NumPy's function, the compressing one or not."""
    # Not into the file: on a full disk older Pythons print a second error, of zipfile's.
    packed = io.BytesIO()
    savez(packed, **arrays)
    with atomic_write(path) as file:
        file.write(packed.getbuffer())


def read(path: Path, what: str, advice: str, needed: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of a file by name. ValueError with `advice` where it is no whole `what`, or lacks a `needed` name."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        for name in needed:
            arrays[name]  # a KeyError here: some other file of arrays
    except Exception as problem:  # numpy, zipfile and zlib each raise several kinds
        raise ValueError(f"{path} is not a whole {what} ({type(problem).__name__}: {problem}). {advice}") from problem
    return arrays


def misfit(arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> str:
    """The first name whose array is missing, or of another shape than the model's, in words; "" where all fit.

    shapes: those of the model's weights and running statistics, by their names.
    """
    for name in sorted(shapes.keys() | arrays.keys()):
        found = arrays[name].shape if name in arrays else None
        if found is None or found != shapes.get(name):
            return f"{name} has the shape {found} there, and {shapes.get(name)} in this one"
    return ""
