"""Design your own: a network as a handful of choices, its budget, and the Pareto front.

    small = Design("v2", width_multiplier=0.25, expansion=3)
    Budget(macs=2_000_000).report(small)          what it uses of every limit
    pareto_front([(macs, accuracy), …])           the designs worth having
    candidates()                                  those that come with the course, trained, and the baseline
    train(small, seed=0)                          yours, under the same conditions
    against(own, frame, rival(small, frame))      whether its seeds carry a claim

Importing it imports neither Paddle nor matplotlib; `models.build(**design.network)` builds the layers. Introduced in
lesson 09.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Real
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mobilenet_lib import architectures, baselines, runs, statistics
from mobilenet_lib._support.arguments import one_of, whole_number
from mobilenet_lib.architectures import V1_SEPARABLE, V2_BOTTLENECKS, Table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from mobilenet_lib.runs import Run

PAPERS_STRIDES = {
    "v1": tuple(stride for stride, _ in V1_SEPARABLE),
    "v2": tuple(stride for *_, stride in V2_BOTTLENECKS),
}
_STAGE = {"v1": "pair", "v2": "stage"}

# What a design costs, by the name of the attribute of `Table` that counts it. Activation memory counts numbers.
COSTS = {"macs": "MACs", "params": "weights", "peak_activations": "activation memory"}


@dataclass(frozen=True)
class Design:
    """One network of the family, by its choices. Raises ValueError that says which of them makes no network.

    Args:
        family: "v1" or "v2".
        width_multiplier: α.
        resolution: height and width of the images in pixels.
        expansion: t of all V2 stages but the first, whose t is 1. V1 has none: whatever is given, it is 1.
        stem_stride, strides: 1 or 2, and that for each of V1's 13 pairs or V2's 7 stages; empty, in the attribute too,
            for the paper's.
        num_classes: of the classifier.
    """

    family: str = "v1"
    width_multiplier: float = 0.25
    resolution: int = 32
    expansion: int = 6
    stem_stride: int = 1
    strides: tuple[int, ...] = ()
    num_classes: int = 10

    def __post_init__(self) -> None:
        if self.family not in PAPERS_STRIDES:
            raise ValueError(f'family must be "v1" or "v2", not {self.family!r}')
        expansion = whole_number("expansion", self.expansion) if self.family == "v2" else 1
        object.__setattr__(self, "expansion", expansion)
        object.__setattr__(self, "strides", _checked_strides(self.strides, self.family))
        _ = self.table  # refuses what is left: a width, a resolution, a stem that make no network

    @property
    def network(self) -> dict[str, Any]:
        """The arguments of `models.build` for this design, as plain JSON holds them."""
        chosen = ("width_multiplier", "resolution", "stem_stride", "num_classes")
        arguments = {"name": f"mobilenet_{self.family}", **{name: getattr(self, name) for name in chosen}}
        layers, papers = self._layers, {"v1": V1_SEPARABLE, "v2": V2_BOTTLENECKS}[self.family]
        if layers != papers:
            arguments[{"v1": "pairs", "v2": "bottlenecks"}[self.family]] = [list(line) for line in layers]
        return arguments

    @cached_property
    def table(self) -> Table:
        """The network as a table with its costs."""
        arguments = self.network
        return getattr(architectures, arguments.pop("name"))(**arguments)

    @property
    def _layers(self) -> tuple[tuple[int, ...], ...]:
        strides = self.strides or PAPERS_STRIDES[self.family]
        if self.family == "v1":
            return tuple((stride, channels) for stride, (_, channels) in zip(strides, V1_SEPARABLE, strict=True))
        return tuple(
            (1 if t == 1 else self.expansion, channels, repeats, stride)
            for stride, (t, channels, repeats, _) in zip(strides, V2_BOTTLENECKS, strict=True)
        )

    @property
    def title(self) -> str:
        """The choices in a line, but those that are as in the lesson: 32 pixels, stem stride 1, the paper's strides.

        Other strides are named by their places: "stride 2 at 4/6/12" halves the feature map in the 4th pair or stage.
        """
        parts = [self.family.upper(), f"α={self.width_multiplier:g}"]
        parts += [f"t={self.expansion}"] if self.family == "v2" else []
        parts += [f"{self.resolution} px"] if self.resolution != 32 else []
        parts += [f"stem stride {self.stem_stride}"] if self.stem_stride != 1 else []
        halving = "/".join(str(place) for place, stride in enumerate(self.strides, start=1) if stride == 2)
        parts += [f"stride 2 at {halving or 'none'}"] if self.strides else []
        return " ".join(parts)


def _checked_strides(strides: Sequence[int], family: str) -> tuple[int, ...]:
    """The strides as plain numbers; empty where they are the paper's. ValueError for any that make no network."""
    stage, papers = _STAGE[family], PAPERS_STRIDES[family]
    checked = tuple(whole_number("each stride", stride) for stride in strides)
    if any(stride > 2 for stride in checked):
        raise ValueError(f"strides must be 1 or 2 for each {stage}, not {list(checked)}")
    if len(checked) not in (0, len(papers)):
        wanted = f"{len(papers)} numbers for {family}, one for each {stage}, or none for the paper's"
        raise ValueError(f"strides must be {wanted}; not {len(checked)}")
    return () if checked == papers else checked


@dataclass(frozen=True)
class Budget:
    """Limits of a design; None is no limit.

    macs: for one image. params: weights, as the papers count. peak_activations: the most numbers in memory at once.
    milliseconds: for one image, as measured. ValueError for a limit that is no number above zero, and for none at all.
    """

    macs: float | None = None
    params: float | None = None
    peak_activations: float | None = None
    milliseconds: float | None = None

    def __post_init__(self) -> None:
        for name, limit in self.limits.items():
            number = isinstance(limit, Real) and not isinstance(limit, bool)
            if not number or not 0 < limit < math.inf:
                raise ValueError(f"{name} must be a number above 0, or None for no limit, not {limit!r}")
        if not self.limits:
            raise ValueError("a budget needs at least one limit, for example Budget(macs=2_000_000)")

    @property
    def limits(self) -> dict[str, float]:
        """The limits that there are, by name."""
        return {name: limit for name, limit in vars(self).items() if limit is not None}

    def used(self, design: Design, milliseconds: float | None = None) -> dict[str, float]:
        """For each limit, what the design uses of it. ValueError where a time is limited and none was measured."""
        if self.milliseconds is not None and milliseconds is None:
            advice = "measure them with timing.latency(model).median and give them"
            raise ValueError(f"this budget limits milliseconds, which no table knows: {advice}")
        costs = {**{name: getattr(design.table, name) for name in COSTS}, "milliseconds": milliseconds}
        return {name: costs[name] for name in self.limits}

    def fits(self, design: Design, milliseconds: float | None = None) -> bool:
        """Does the design keep every limit? Exactly at a limit is within it."""
        return bool((self.report(design, milliseconds)["verdict"] == "fits").all())

    def report(self, design: Design, milliseconds: float | None = None) -> pd.DataFrame:
        """A row per limit: used, limit, what is used in percent of it, and "fits" or "too much"."""
        import pandas as pd

        rows = {}
        for name, used in self.used(design, milliseconds).items():
            limit = self.limits[name]
            row = {"used": used, "limit": limit, "% of limit": 100 * used / limit}
            rows[COSTS.get(name, name)] = {**row, "verdict": "fits" if used <= limit else "too much"}
        return pd.DataFrame.from_dict(rows, orient="index")


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the (cost, quality) points that no other point dominates, from the cheapest to the most expensive.

    A point is dominated where another costs no more and is no worse, and is better in one of the two. Points that are
    equal do not dominate each other. ValueError for no points, and for NaN, which cannot be compared.
    """
    if not points:
        raise ValueError("points must hold at least one (cost, quality) pair, not none")
    if any(math.isnan(number) for point in points for number in point):
        raise ValueError("points must be numbers, and one of them is NaN: leave out what was not measured")
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    front: list[int] = []
    for index in order:  # from cheap to expensive: whatever is to stay must be better than all that are cheaper
        if not front or points[index][1] > points[front[-1]][1] or points[index] == points[front[-1]]:
            front.append(index)
    return front


# --- The designs that were trained and recorded ---

# Feature maps stay large longer: the strides of 2 come later. And the images are small, 32×32.
_LATE_V1 = (1, 1, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1)
_LATE_V2 = (1, 1, 2, 2, 1, 2, 1)

TRAINED: dict[str, Design] = {
    "v1_010": Design("v1", 0.1),
    "v1_025": Design("v1", 0.25),
    "v1_035": Design("v1", 0.35),
    "v1_050": Design("v1", 0.5),
    "v1_025_stem2": Design("v1", 0.25, stem_stride=2),
    "v1_050_stem2": Design("v1", 0.5, stem_stride=2),
    "v1_025_16px": Design("v1", 0.25, resolution=16),
    "v1_015_late": Design("v1", 0.15, strides=_LATE_V1),
    "v2_010": Design("v2", 0.1),
    "v2_025": Design("v2", 0.25),
    "v2_050": Design("v2", 0.5),
    "v2_025_t3": Design("v2", 0.25, expansion=3),
    "v2_025_t1": Design("v2", 0.25, expansion=1),
    "v2_050_stem2": Design("v2", 0.5, stem_stride=2),
    "v2_010_late": Design("v2", 0.1, strides=_LATE_V2),
}


@dataclass(frozen=True)
class Baseline:
    """What every design has to beat on the same images: one fully connected layer."""

    title: str = baselines.TITLES["linear_softmax"]
    family: str = "baseline"

    @property
    def network(self) -> dict[str, Any]:
        """As for `Design`."""
        return {"name": "linear_softmax"}

    @property
    def table(self) -> Table:
        """As for `Design`."""
        return baselines.linear_softmax(32)


# How they were trained, each with every seed, and how `train` trains another.
EPOCHS, SEEDS = 3, (0, 1, 2)

_RESIZED = re.compile(r"; \d+×\d+ resized to \d+×\d+")

_OWN = "its own"  # a condition that belongs to the network, as the size of the images does: the baseline's rate

# What two runs must share to be compared, by the field of a run.
_SHARED = {
    "settings": ("epochs", "batch_size", "learning_rate", "optimizer", "schedule", "augment", "step"),
    "data": ("source", "train_size"),
    "machine": ("threads", "processor"),
    "versions": ("paddlepaddle", "numpy"),
}


def train(one: Design | Baseline, seed: int = 0) -> Run:
    """Train a design as the recorded ones were: all 6,000 images, `EPOCHS` epochs, one thread; about 40 seconds.

    Returns the run with its test; an interrupted one has none. Where the static step cannot be trusted, one line says
    why and the dynamic step trains: `against` then claims nothing. Raises what `training.fit` raises.
    """
    from mobilenet_lib.training import Options
    from mobilenet_lib.training.plans import Plan, carry_out

    how = {"step": "static", "threads": 1, "options": Options(run_name=one.title)}
    if isinstance(one, Baseline):
        how["learning_rate"] = _recorded("linear_softmax")[0].settings["learning_rate"]
    plan = Plan("fashion_mnist", one.network, EPOCHS, seed, keep_weights=False, keep_checkpoint=False, **how)
    with TemporaryDirectory() as folder:
        return carry_out(plan, Path(folder) / "run", Path(folder) / "checkpoint.npz")


def trained(designs: Sequence[tuple[Design | Baseline, Sequence[Run]]]) -> pd.DataFrame:
    """A row per design with what it costs and what its runs reached, as the figures and the card take it.

    Each with a run per seed. `accuracy` is their mean on images that none was trained on, `by_seed` has the single
    ones. `low` and `high` are Student's 95 % confidence interval over the seeds, NaN where there is one. `conditions`
    is what two rows must share to be compared. ValueError for a run without a finished epoch or images to test on.
    """
    import pandas as pd

    rows = []
    for design, of_design in designs:
        row = {"design": design.title, "family": design.family, **{name: getattr(design.table, name) for name in COSTS}}
        conditions = _conditions(of_design) | ({"learning_rate": _OWN} if isinstance(design, Baseline) else {})
        rows.append({**row, **_reached(of_design), "conditions": conditions})
    return pd.DataFrame(rows).set_index("design").rename_axis(None)


def recorded() -> pd.DataFrame:
    """`trained` of the designs that come with the course."""
    return trained([(one, _recorded(name)) for name, one in TRAINED.items()])


def candidates() -> pd.DataFrame:
    """All that may be chosen: the linear softmax on the same images, with a learning rate of its own; `recorded`."""
    import pandas as pd

    return pd.concat([trained([(Baseline(), _recorded("linear_softmax"))]), recorded()])


@cache
def _recorded(name: str) -> tuple[Run, ...]:
    return tuple(runs.recorded(f"design_{name}_seed{seed}") for seed in SEEDS)


def _reached(of_design: Sequence[Run]) -> dict[str, Any]:
    by_seed = {run.seed: _tested(run) for run in of_design}
    reached = list(by_seed.values())
    low, high = statistics.student_interval(reached) if len(reached) > 1 else (math.nan, math.nan)
    return {"accuracy": fmean(reached), "low": low, "high": high, "by_seed": by_seed}


def _conditions(of_design: Sequence[Run]) -> dict[str, str]:
    """What the runs were made with, by name; several values where they differ.

    The size that the images were resized to belongs to the design.
    """
    return {
        name: " or ".join(sorted({_RESIZED.sub("", f"{getattr(run, of).get(name, 'unknown')}") for run in of_design}))
        for of, names in _SHARED.items()
        for name in names
    }


def _tested(run: Run) -> float:
    """A run's accuracy on images that it was not trained on."""
    if run.test is not None:
        return run.test["accuracy"]
    accuracy = run.epochs[-1]["validation_accuracy"] if run.epochs else None
    if accuracy is None:
        advice = "train at least one epoch, with validation=test"
        raise ValueError(f"the run {run.name!r} was tested on no images: {advice}")
    return accuracy


def front(frame: pd.DataFrame, cost: str = "macs") -> list[str]:
    """The designs of a frame of `trained` that no other beats in accuracy and this cost, from the cheapest on."""
    one_of("cost", cost, COSTS)
    return list(frame.index[pareto_front(list(zip(frame[cost], frame["accuracy"], strict=True)))])


# --- A design among others ---


def rival(one: Design, frame: pd.DataFrame) -> str:
    """Whom to compare a design with, named before it is trained: the best other one of `frame` for no more MACs.

    By the mean accuracy; the cheapest of all where none costs so little. frame: such as `candidates`.
    """
    affordable = frame[(frame["macs"] <= one.table.macs) & (frame.index != one.title)]
    return str(affordable["accuracy"].idxmax() if len(affordable) else frame["macs"].idxmin())


def unlike(own: pd.DataFrame, frame: pd.DataFrame, name: str) -> dict[str, tuple[str, str]]:
    """The conditions in which the one row of `own` differs from a row of `frame`, by name: (own, the other's)."""
    mine, theirs = own["conditions"].iloc[0], frame.loc[name, "conditions"]
    both = {what: (mine[what], theirs.get(what, "unknown")) for what in mine}
    return {what: pair for what, pair in both.items() if pair[0] != pair[1] and _OWN not in pair}


def against(own: pd.DataFrame, frame: pd.DataFrame, name: str) -> dict[str, Any]:
    """The one row of `own` against one of `frame`, both from `trained`: is the difference more than noise?

    `difference` is own minus other in percentage points, the mean over the seeds that both have; `low` and `high` are
    Student's 95 % confidence interval for pairs of equal seed, NaN where there is none. `verdict` claims "better" or
    "worse" only where the interval leaves out 0, and nothing for one seed or under other conditions.
    """
    mine, theirs = own["by_seed"].iloc[0], frame.loc[name, "by_seed"]
    pairs = [100 * (mine[seed] - theirs[seed]) for seed in mine if seed in theirs]
    paired = statistics.mean_difference(pairs)
    found = {"difference": paired["mean"], "low": paired["low"], "high": paired["high"]}
    if other := unlike(own, frame, name):
        return {**found, "low": math.nan, "high": math.nan, "verdict": f"no claim: other {', '.join(other)}"}
    if len(pairs) < 2:
        return {**found, "verdict": "no claim: one seed shows no spread, train more"}
    verdict = "better" if found["low"] > 0 else "worse" if found["high"] < 0 else "open: the interval holds 0"
    return {**found, "verdict": verdict}


def trade_off(
    frame: pd.DataFrame, cost: str = "macs", own: pd.DataFrame | None = None, title: str = ""
) -> tuple[Figure, str]:
    """`plots.trade_offs` for the rows of `trained`: accuracy over a cost, a series per family, the front numbered.

    own: a frame with one more design, drawn as a star; it takes no part in the front. Returns the figure and its
    alternative text, for `plots.show`. Raises ValueError for a cost that is not in `COSTS`.
    """
    from mobilenet_lib import plots

    best = front(frame, cost)
    named, own = (_named(one) if one is not None else None for one in (frame, own))
    return plots.trade_offs(named, {cost: COSTS[cost]}, title, front=best, own=own)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    """With the columns that `plots.trade_offs` asks for; the signs are those of the live explorer."""
    family, signs = frame["family"], {"v1": "o", "v2": "^", "baseline": "D"}
    named = frame.assign(series=family.replace({"v1": "V1", "v2": "V2"}), marker=family.map(signs))
    named = named.sort_values("family", key=lambda names: names == "baseline", kind="stable")  # it comes last
    return named.rename_axis("name").reset_index()
