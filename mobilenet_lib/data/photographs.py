"""Two photographs to filter. They are in the public domain; bundled/README.md says who made them.

    photo = data.photograph("coffee")       uint8 [3, 160, 240]
    grey = data.photograph("camera")        uint8 [1, 200, 200]

Introduced in lesson 00.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

PHOTOGRAPHS = {path.stem: path for path in sorted((Path(__file__).parent / "bundled").glob("*.jpg"))}


def photograph(name: str) -> np.ndarray:
    """A bundled photograph, uint8 [channels, height, width]: one channel where it is grey, else red, green and blue.

    Raises ValueError for a name that is not in `PHOTOGRAPHS`.
    """
    if name not in PHOTOGRAPHS:
        raise ValueError(f"there is no photograph {name!r}. Choose one of: {', '.join(PHOTOGRAPHS)}.")
    with Image.open(PHOTOGRAPHS[name]) as image:
        pixels = np.array(image)  # [height, width], or [height, width, 3]
    return np.atleast_3d(pixels).transpose(2, 0, 1).copy()
