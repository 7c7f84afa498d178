"""What ReLU does to points of few numbers that are spread over many channels: figure 1 of the MobileNet V2 paper.

Points are [points, dimensions], a matrix is [channels, dimensions], what ReLU leaves is [points, channels]. The
fractions are those of a random matrix whose entries are drawn from a normal distribution: every channel of a point is
then positive or negative with equal chance, whatever the others are.

Introduced in lesson 05.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from mobilenet_lib._support.arguments import whole_number

if TYPE_CHECKING:
    import numpy as np


def spiral(points: int = 300, turns: float = 2) -> np.ndarray:
    """Points [points, 2] on a spiral around zero, from the inside out; the last one lies 1 from zero."""
    import numpy as np

    fraction = np.arange(1, whole_number("points", points) + 1) / points
    angle = 2 * np.pi * turns * fraction
    return np.stack([fraction * np.cos(angle), fraction * np.sin(angle)], axis=1)


def round_trip(points: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ReLU of the points' channels [points, channels], and the points that the pseudo-inverse reads from it."""
    import numpy as np

    activated = np.maximum(points @ matrix.T, 0)
    return activated, activated @ np.linalg.pinv(matrix).T


def relative_error(original: np.ndarray, recovered: np.ndarray) -> float:
    """How far the recovered points are off: root of the squared differences, in units of the original's own size."""
    return math.sqrt(((original - recovered) ** 2).sum() / (original**2).sum())


def best_scale(original: np.ndarray, recovered: np.ndarray) -> float:
    """The one number by which to multiply `recovered` so that it comes nearest to `original`, by least squares.

    Raises ValueError where every recovered point is zero, which no number can mend.
    """
    size = float((recovered**2).sum())
    if size == 0:
        raise ValueError("every recovered point is zero, so no scale brings it nearer: use a matrix with more channels")
    return float((original * recovered).sum()) / size


def fraction_zeroed(channels: int) -> float:
    """How often all channels of a point are set to zero: 2⁻ⁿ."""
    return 0.5 ** whole_number("channels", channels)


def fraction_lost(channels: int, dimensions: int = 2) -> float:
    """How often fewer channels stay active than the point has numbers: (n + 1) / 2ⁿ for two of them.

    Each active channel is one equation for the point's numbers; as many are needed, and enough (V2 paper, appendix A).
    """
    whole_number("channels", channels)
    few = range(whole_number("dimensions", dimensions))
    return sum(math.comb(channels, active) for active in few) / 2**channels
