"""Make fashion-mnist-part.npz from the full Fashion-MNIST.

    python make_fashion_mnist.py FOLDER [OUTPUT]

FOLDER holds the four files of Fashion-MNIST (train-images-idx3-ubyte.gz and so on), as Debian's package
dataset-fashion-mnist installs them in /usr/share/datasets/fashion-mnist. Takes the same number of images of each
class, chosen with a fixed seed, in their original order. The same folder gives the same bytes again, with the same
versions of NumPy's generator and zlib.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

SEED = 0
PER_CLASS = {"train": ("train", 600), "t10k": ("test", 200)}  # by the split's name in the original files
OUTPUT = Path(__file__).with_name("fashion-mnist-part.npz")
# Of the unpacked files: how they are packed differs from one distributor to another.
SHA256 = {
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
}


def main(folder: Path, output: Path = OUTPUT) -> None:
    arrays = {}
    for name, (split, count) in PER_CLASS.items():
        images = read_idx(folder / f"{name}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)
        labels = read_idx(folder / f"{name}-labels-idx1-ubyte.gz", header=8)
        chosen = choose(labels, count)
        arrays[f"{split}_images"] = images[chosen]  # uint8 [N, 28, 28]
        arrays[f"{split}_labels"] = labels[chosen]  # uint8 [N]
    content = pack(arrays)
    output.write_bytes(content)
    print(f"{output}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")


def read_idx(path: Path, header: int) -> np.ndarray:
    """The values of an IDX file as bytes; raises ValueError if it is not the file the part was made from."""
    content = gzip.decompress(path.read_bytes())
    if hashlib.sha256(content).hexdigest() != SHA256[path.stem]:
        raise ValueError(f"{path} is not the {path.stem} of Fashion-MNIST: its unpacked SHA-256 differs.")
    return np.frombuffer(content, np.uint8, offset=header)


def choose(labels: np.ndarray, per_class: int) -> np.ndarray:
    """Indices of `per_class` images of each class, in ascending order."""
    generator = np.random.default_rng(SEED)
    indices = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.sort(np.concatenate([generator.choice(group, per_class, replace=False) for group in indices]))


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """The arrays as the bytes of an .npz file that depend on nothing else: no time, no operating system."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return file.getvalue()


if __name__ == "__main__":
    if len(sys.argv) not in {2, 3}:
        sys.exit(__doc__)
    main(*(Path(path).expanduser() for path in sys.argv[1:]))
