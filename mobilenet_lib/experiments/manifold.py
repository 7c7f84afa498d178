"""What ReLU does to points of few numbers that are spread over many channels: figures 1 and 7 of the V2 paper.

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
    import paddle
    import pandas as pd

    from mobilenet_lib.models import TableNetwork


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


def fraction_lost(channels: int, dimensions: int = 2) -> float:
    """How often fewer channels stay active than the point has numbers: (n + 1) / 2ⁿ for two of them, 2⁻ⁿ for one.

    Each active channel is one equation for the point's numbers; as many are needed, and enough. Source: V2 paper,
    appendix A, Lemma 2 and Theorem 1, whose N(m, n) / 2ᵐ is what is left.
    """
    whole_number("channels", channels)
    few = range(whole_number("dimensions", dimensions))
    return sum(math.comb(channels, active) for active in few) / 2**channels


def positive_channels(model: TableNetwork, images: paddle.Tensor) -> pd.DataFrame:
    """How many channels are positive behind each expansion of a V2, at every position of every image.

    images: [batch, 3, height, width], normalised. The model is used in the mode in which it is. A row per block that
    expands: `channels`, `needed` (those of the block's input), `fewest`, `mean`, `most`, `std`, and `below`, the
    fraction of positions with fewer than needed. Source: V2 paper, figure 7. ValueError for a network without one.
    """
    import paddle
    import pandas as pd

    rows, x = {}, images
    with paddle.no_grad():
        for name, block in model.features.named_children():
            if getattr(block, "expand", None) is not None:
                expanded = block.expand(x)  # [batch, hidden, height, width]
                positive = (expanded > 0).sum(axis=1).numpy()  # [batch, height, width]
                counts = (expanded.shape[1], x.shape[1], positive.min(), positive.mean(), positive.max())
                rows[name] = (*counts, positive.std(), (positive < x.shape[1]).mean())
            x = block(x)
    if not rows:
        raise ValueError(f"{model.table.name} has no block with an expansion: give a MobileNet V2")
    columns = ["channels", "needed", "fewest", "mean", "most", "std", "below"]
    return pd.DataFrame(rows.values(), columns=columns, index=pd.Index(rows, name="block"))
