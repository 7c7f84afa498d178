"""Write the arrays of a CIFAR-10 archive to a `.npz`, which `mobilenet_lib.data.load` reads without unpickling."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mobilenet_lib._support import environment, files
from mobilenet_lib.data import cifar10

COUNTS = {"train": 50_000, "test": 10_000}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command; exits with a sentence where the archive cannot be used."""
    environment.print_anywhere()
    parser = argparse.ArgumentParser(prog=cifar10.COMMAND, description=__doc__)
    parser.add_argument("archive", help=f"{cifar10.ARCHIVE}, or a copy of CIFAR-10 in the same form")
    parser.add_argument("output", help="the file to write; its name ends in .npz")
    trust = "unpickle an archive that is not the official one as it is; that can run any code its maker put into it"
    parser.add_argument("--trust", action="store_true", help=trust)
    parser.add_argument("--label", help="what to call the data in every figure; by default it says what it is")
    given = parser.parse_args(arguments)
    archive, output = files.expanded(given.archive), files.expanded(given.output)
    try:
        convert(archive, output, trust=given.trust, label=given.label)
    except (OSError, ValueError) as problem:
        sys.exit(str(problem))
    print(f"{output}: {output.stat().st_size / 1e6:.0f} MB. Use it with load('cifar10', path=…) or MOBILENET_DATA.")


def convert(archive: Path, output: Path, *, trust: bool = False, label: str | None = None) -> None:
    """Write both splits and their source to `output`; arguments as of the command.

    The name must end in ".npz", by which `data.load` tells it from an archive. Raises ArchiveError for another name, an
    archive neither official nor trusted, and one without CIFAR-10 in it.
    """
    if output.suffix.lower() != ".npz":
        raise cifar10.ArchiveError(f"The output {output} needs a name that ends in .npz.")
    checksum, source = cifar10.md5(archive), cifar10.SOURCE
    if checksum != cifar10.OFFICIAL_MD5:
        source = f"{source} (archive with MD5 {checksum[:8]}, not the official one)"
        if not trust:
            raise cifar10.not_official(archive, checksum)
    arrays = {"source": np.array(label or source)}
    for split, count in COUNTS.items():
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = _unpickle(archive, split, count)
    with files.atomic_write(output) as file:
        np.savez(file, **arrays)


def _unpickle(archive: Path, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    try:
        images, labels = cifar10.unpickle(archive, split)
    except Exception as problem:  # tarfile, gzip and pickle raise a dozen kinds for damaged input
        raise cifar10.ArchiveError(
            f"{archive} cannot be read as CIFAR-10, {split}: it is truncated, damaged or not such an archive "
            f"({type(problem).__name__}: {problem})."
        ) from problem
    if len(images) != count:  # Paddle passes over a missing batch, and images without a label
        raise cifar10.ArchiveError(f"{archive} has {len(images):,} {split} images with labels; expected {count:,}.")
    cifar10.check(f"{archive}, {split}", images, labels)
    return images, labels


if __name__ == "__main__":
    main()
