"""The manifold explorer: a spiral through n random channels and a ReLU, and back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import traitlets

from mobilenet_lib import plots
from mobilenet_lib.experiments import manifold
from mobilenet_lib.widgets._explorer import Explorer, module, sliders

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.figure import Figure

_COMPARED = (2, 3, 5, 15, 30)  # the channels of the V2 paper's figure 1


class ManifoldExplorer(Explorer):
    """Made by `manifold_explorer`. Settings are attributes: `channels`, `seed`, `scaled`."""

    name = "manifold_explorer"
    limits: ClassVar = {"channels": (2, 30), "seed": (1, 30)}
    _esm = module(name)

    scaled = traitlets.Bool().tag(sync=True)

    vars().update(sliders(limits))

    @property
    def settings(self) -> dict[str, Any]:
        return {**super().settings, "scaled": self.scaled}

    @property
    def matrix(self) -> np.ndarray:
        """The random matrix [channels, 2] of the present settings."""
        return random_rows(self.channels, self.seed)

    def frame(self) -> pd.DataFrame:
        """A row for each number of channels in the paper's figure 1, and for the present one, with the same seed."""
        import pandas as pd

        rows = {}
        spiral = manifold.spiral()
        for channels in sorted({*_COMPARED, self.channels}):
            activated, recovered = manifold.round_trip(spiral, random_rows(channels, self.seed))
            scaled = manifold.best_scale(spiral, recovered) * recovered
            rows[channels] = {
                "points lost": int((_active(activated) < 2).sum()),
                "lost, %": f"{100 * (_active(activated) < 2).mean():.1f}",
                "(n + 1) / 2ⁿ, %": f"{100 * manifold.fraction_lost(channels):.2g}",
                "error as read back": f"{manifold.relative_error(spiral, recovered):.2f}",
                "error at the best scale": f"{manifold.relative_error(spiral, scaled):.2f}",
            }
        return pd.DataFrame(rows).T.rename_axis("channels n")

    def figure(self) -> tuple[Figure, str]:
        spiral = manifold.spiral()
        activated, recovered = manifold.round_trip(spiral, self.matrix)
        if self.scaled:
            recovered = manifold.best_scale(spiral, recovered) * recovered
        active = _active(activated)
        lost = active < 2
        fig, (plane, along) = plots.figure(1, 2, width=9, height=3.6)
        plane.plot(*spiral.T, color="#777777", linestyle="--", marker="", label="the spiral")
        plane.plot(*recovered[~lost].T, "o", color=plots.PALETTE[0], markersize=3, label="read back")
        plane.plot(*recovered[lost].T, "x", color=plots.PALETTE[1], markersize=5, label="lost")
        size = "at the best scale" if self.scaled else "as read back"
        plane.set(title=f"n = {self.channels}, {size}", aspect="equal", adjustable="datalim")
        plane.legend(fontsize=9)
        along.plot(range(1, len(active) + 1), active, color=plots.PALETTE[0], marker="")
        along.axhline(2, color=plots.PALETTE[1], linestyle="--", linewidth=1.5)
        along.set(title="active channels", xlabel="point, from the inside out")
        along.set(ylim=(0, self.channels + 0.5))
        along.yaxis.get_major_locator().set_params(integer=True)
        several = f"between {int(active.min())} and {int(active.max())}"
        return fig, (
            f"Left, a spiral and what is read back of it from {self.channels} random channels behind a ReLU, {size}. "
            f"{int(lost.sum())} of {len(lost)} points are lost, drawn as crosses. Right, a line of the number of "
            f"active channels along the spiral: {several}, with a dashed line at the 2 that are needed."
        )

    @classmethod
    def _checked(cls, settings: dict[str, Any]) -> dict[str, Any]:
        checked = super()._checked(settings)
        if not isinstance(checked["scaled"], bool):
            raise ValueError(f"scaled must be True or False, not {checked['scaled']!r}")
        return checked


def manifold_explorer(channels: int = 3, seed: int = 1, scaled: bool = False) -> ManifoldExplorer:
    """A spiral through a random matrix of some channels and a ReLU, and back by the pseudo-inverse.

    seed: which of 30 random matrices; more channels add rows to the same matrix. scaled: show what is read back at the
    scale that fits best, and not in its own size. `explorer.matrix` and `explorer.frame()` follow the sliders. Raises
    ValueError for numbers beyond `ManifoldExplorer.limits`.
    """
    return ManifoldExplorer(channels=channels, seed=seed, scaled=scaled)


def random_rows(channels: int, seed: int) -> np.ndarray:
    """A matrix [channels, 2] of normal numbers, the same ones that the browser draws for this seed.

    A linear congruential generator modulo 2³², whose pairs of numbers become pairs of normal numbers by the transform
    of Box and Muller (Ann. Math. Stat. 29, 1958, 610).
    """
    import numpy as np

    state = seed * 2654435761 % 2**32

    def uniform() -> float:
        nonlocal state
        state = (1664525 * state + 1013904223) % 2**32
        return (state + 1) / (2**32 + 1)

    for _ in range(8):  # the first ones still resemble those of the next seed
        uniform()
    rows = []
    for _ in range(channels):
        radius, angle = math.sqrt(-2 * math.log(uniform())), 2 * math.pi * uniform()
        rows.append((radius * math.cos(angle), radius * math.sin(angle)))
    return np.array(rows)


def _active(activated: np.ndarray) -> np.ndarray:
    """How many channels of each point are above zero."""
    return (activated > 0).sum(axis=1)
