"""What is trained and timed on a graphics card, and what came of it. Nothing here needs PyTorch, Paddle or a card."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mobilenet_lib import baselines, statistics
from mobilenet_lib._support import files
from mobilenet_lib.architectures import Table
from mobilenet_lib.experiments import recorded

if TYPE_CHECKING:
    import pandas as pd

COMMAND = "python -m mobilenet_lib.experiments.on_card"
CALLS = files.RECORDED / "speed" / "card_calls.json"
RECIPE = files.RECORDED / "card_recipe.csv"

# Peak rates that were tried for the grid, at half the width, with 5,000 training images held out (other ones per seed).
PEAKS, TRIED_WIDTH, TRIED_SEEDS, HELD_OUT = (0.1, 0.2, 0.4), 0.5, (0,), 0.1
WIDTHS, NETWORKS = (0.25, 0.5, 1.0), {"v1": "mobilenet_v1", "v2": "mobilenet_v2"}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the fields are those of `training.fit` and its `Options`."""

    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    schedule: str
    augment: bool


@dataclass(frozen=True)
class Plan:
    """A run on all of CIFAR-10.

    network: a name of `baselines.TABLES` and the other arguments of its table. default_init: see `training.plans`.
    """

    title: str
    network: dict[str, Any]
    resolution: int
    recipe: Recipe
    seed: int
    default_init: bool = False

    @property
    def table(self) -> Table:
        arguments = {"resolution": self.resolution, "num_classes": 10} | self.network
        return baselines.TABLES[arguments.pop("name")](**arguments)


def _article() -> Iterator[tuple[str, Plan]]:
    """Lesson 08: the article's protocol at its own size; V1 and V2 also with the first filters of its own."""
    recipe = Recipe(3, 100, 1e-3, "adam", "constant", augment=False)
    for name, seed in itertools.product(("linear_softmax", *baselines.ARTICLE), range(3)):
        yield f"card_article_{name}_seed{seed}", Plan(baselines.TITLES[name], {"name": name}, 224, recipe, seed)
    for name, seed in itertools.product(NETWORKS.values(), range(3)):
        title = f"{baselines.TITLES[name]}, Paddle's filters"
        yield f"card_default_init_{name}_seed{seed}", Plan(title, {"name": name}, 224, recipe, seed, default_init=True)


def grid(network: str, width: float, seed: int, peak: float) -> Plan:
    """Lesson 08: V1 or V2 at 32×32 with a stem of stride 1, by a recipe that takes its time."""
    title = f"{baselines.TITLES[network]}, α = {width:g}"
    how = {"name": network, "width_multiplier": width, "stem_stride": 1}
    return Plan(title, how, 32, Recipe(12, 250, peak, "sgd", "one_cycle", augment=True), seed)


# Name of each run of the grid → network, width, seed.
_GRID = {
    f"card_grid_{short}_{round(100 * width):03}_seed{seed}": (network, width, seed)
    for seed, width, (short, network) in itertools.product(range(3), WIDTHS, NETWORKS.items())
}


def trials() -> Iterator[Plan]:
    """The runs that choose the grid's peak rates."""
    for name, rate, seed in itertools.product(NETWORKS.values(), PEAKS, TRIED_SEEDS):
        yield grid(name, TRIED_WIDTH, seed, rate)


def tried() -> pd.DataFrame:
    """A row per trial: `network`, `learning_rate`, `seed`, `validation_accuracy` on the images held out."""
    import pandas as pd

    if not RECIPE.is_file():
        raise FileNotFoundError(f"there is no record at {RECIPE}. `{COMMAND} recipe` makes it.")
    return pd.read_csv(RECIPE)


def peak(network: str) -> float:
    """The peak rate whose mean accuracy on held-out training images was highest."""
    found = tried().query("network == @network").groupby("learning_rate")["validation_accuracy"].mean()
    return float(found.idxmax())


def names() -> list[str]:
    """Every run that there is to make."""
    return [*dict(_article()), *_GRID]


def plans() -> dict[str, Plan]:
    """Every run by its name; those of the grid once the peak rates are chosen."""
    chosen = {network: peak(network) for network, *_ in _GRID.values()} if RECIPE.is_file() else {}
    return dict(_article()) | {name: grid(*one, chosen[one[0]]) for name, one in _GRID.items() if chosen}


def calls() -> dict[str, Any]:
    """The article's speed test on a card, as `on_card.calls.measure` returns it."""
    return recorded.load(CALLS, f"{COMMAND} calls")


def call_times() -> pd.DataFrame:
    """A row per network and way of `calls`: `ms` (the median), `low`, `high` (its 95 % confidence interval)."""
    import pandas as pd

    rows = {
        (name, way): statistics.median_interval(rounds)
        for name, ways in calls()["ms"].items()
        for way, rounds in ways.items()
    }
    return pd.DataFrame(rows, index=["ms", "low", "high"]).T.rename_axis(["network", "way"])
