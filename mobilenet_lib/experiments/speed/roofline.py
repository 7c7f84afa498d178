"""How fast can a layer be at best? Its MACs per byte, and the two limits of a machine.

A layer must fetch its input and its weights from memory and write its output. Its **arithmetic intensity** is the
number of MACs that it performs for each byte moved. The **roofline** (S. Williams, A. Waterman and D. Patterson,
*Roofline*, Communications of the ACM 52(4), 2009) says: a layer performs at most min(peak MACs/s, intensity · bytes/s).
Left of the ridge memory is the limit, right of it the arithmetic.

Introduced in lesson 07.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mobilenet_lib._support import environment
from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.architectures import KINDS, Row, Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

BYTES_PER_NUMBER = 4  # float32


@dataclass(frozen=True)
class Limits:
    """The two limits of a machine, measured with `threads`: G MACs/s of arithmetic, GB/s of main memory (G = 10⁹)."""

    gmacs_per_second: float
    gigabytes_per_second: float
    threads: int

    @property
    def ridge(self) -> float:
        """MACs per byte above which arithmetic is the limit, and below which memory is."""
        return self.gmacs_per_second / self.gigabytes_per_second

    def attainable(self, intensity: float) -> float:
        """The most G MACs/s that a layer of this many MACs per byte can reach, if all comes from main memory."""
        return min(self.gmacs_per_second, intensity * self.gigabytes_per_second)


def bytes_moved(row: Row, batch_size: int = 1) -> int:
    """Bytes between memory and processor when each number moves once: inputs, outputs, weights (and biases).

    It is the least that a layer run on its own can do. Caches may hold a feature map that the layer before has just
    written; a poor program moves numbers more than once. Raises ValueError for a batch below 1.
    """
    whole_number("batch_size", batch_size)
    maps = math.prod(row.input_shape) + math.prod(row.output_shape)
    return BYTES_PER_NUMBER * (batch_size * maps + row.cost.params)


def intensity(row: Row, batch_size: int = 1) -> float:
    """MACs per byte moved. The weights are fetched once for a whole batch, so a larger batch raises it."""
    return batch_size * row.macs / bytes_moved(row, batch_size)


def to_frame(table: Table, batch_size: int = 1) -> pd.DataFrame:
    """A row per layer of a table: name, kind, macs, bytes (of the batch), intensity (MACs per byte)."""
    import pandas as pd

    rows = [(row.name, row.kind, batch_size * row.macs, bytes_moved(row, batch_size)) for row in table.rows]
    frame = pd.DataFrame(rows, columns=["name", "kind", "macs", "bytes"])
    return frame.assign(intensity=frame["macs"] / frame["bytes"])


def by_kind(table: Table, batch_size: int = 1) -> pd.DataFrame:
    """For each kind of layer its part of the MACs and of the bytes in percent, and its MACs per byte."""
    sums = to_frame(table, batch_size).groupby("kind", sort=False)[["macs", "bytes"]].sum()
    frame = 100 * sums / sums.sum()
    frame.columns = ["macs_percent", "bytes_percent"]
    frame["intensity"] = sums["macs"] / sums["bytes"]
    return frame.rename(index=KINDS).rename_axis(None)


def measure_limits(seconds: float = 1.0) -> Limits:
    """This machine's two limits, in about `seconds` for each, on all threads that Paddle's kernels may use.

    Arithmetic: the fastest of many products of two 1024×1024 matrices in NumPy (float32). Memory: the fastest of many
    copies of 256 MB, far larger than a core's own caches, a thread per core; a byte read and a byte written count as
    two. The fastest, not the median, because a limit is asked for. Needs 0.6 GB for that time. Raises ValueError for no
    time.
    """
    import numpy as np

    from mobilenet_lib.experiments.speed.timing import measure

    if not seconds > 0:
        raise ValueError(f"seconds must be above 0, not {seconds!r}")

    def fastest(function: Callable[[], object]) -> float:
        return min(measure(function, warm_up=1, repeats=10**9, limit=seconds).seconds)

    threads = environment.threads()  # NumPy's rule too
    side = 1024
    left = np.random.default_rng(0).random((side, side), dtype=np.float32)
    right = left.T.copy()
    product = fastest(lambda: left @ right)

    source = np.ones(64 * 2**20, dtype=np.float32)
    # Its zeros are not in memory yet; the first copy, unmeasured, puts them there.
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        copy = fastest(lambda: list(pool.map(lambda part: np.copyto(*part), parts)))
    return Limits(side**3 / product / 1e9, 2 * source.nbytes / copy / 1e9, threads)


def draw(limits: Limits, layers: pd.DataFrame, title: str) -> Figure:
    """The roof of a machine with layers below it, on two logarithmic axes.

    layers: columns kind and runtime (marker and colour), size (of the feature map, written below the layer's points, or
    beside those of a kind whose sizes lie above each other), intensity (MACs per byte) and gmacs_per_second, as
    `layer_speed.measure_layers` gives them.
    """
    import numpy as np

    from mobilenet_lib import plots

    fig, axes = plots.figure(width=8.5, height=4.4)
    least, most = layers["intensity"].min(), layers["intensity"].max()
    reach = np.geomspace(min(0.5, least / 2), max(200.0, 2 * most, 4 * limits.ridge), 200)
    roof = [limits.attainable(x) for x in reach]
    axes.plot(reach, roof, color="black", linestyle="-", marker="", label="roof")
    axes.axvline(limits.ridge, color="black", linewidth=1, linestyle=":", marker="")
    kinds, sizes = list(layers["kind"].unique()), list(layers["size"].unique())
    for place, (runtime, of_runtime) in enumerate(layers.groupby("runtime", sort=False)):
        for kind, members in of_runtime.groupby("kind", sort=False):
            look = {"color": plots.PALETTE[place % len(plots.PALETTE)], "linestyle": ""}
            look["marker"] = plots.MARKERS[kinds.index(kind) % len(plots.MARKERS)]
            axes.plot(members["intensity"], members["gmacs_per_second"], label=f"{KINDS[kind]}, {runtime}", **look)
    for _, members in layers.groupby("kind"):
        above = members["size"].nunique() > 1 and members["intensity"].max() < 1.2 * members["intensity"].min()
        lowest = members if above else members.loc[members.groupby("size")["gmacs_per_second"].idxmin()]
        for layer in lowest.itertuples():
            # Every other size to the left: layers above each other may lie on one point.
            side = ((6, -4), "left") if sizes.index(layer.size) % 2 == 0 else ((-6, -4), "right")
            shift, align = side if above else ((0, -14), "center")
            where = (layer.intensity, layer.gmacs_per_second)
            axes.annotate(f"{layer.size}", where, shift, textcoords="offset points", fontsize=8, ha=align)
    axes.set(xscale="log", yscale="log", xlabel="MACs per byte (log scale)", ylabel="G MACs/s (log scale)")
    axes.set_title(title, fontsize=8, weight="normal")
    look = {"title": "number: size of the feature map", "title_fontsize": 8, "alignment": "left"}
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), **look)
    return fig
