"""How a network is trained on the bundled images, chosen on a part of the training images: never on test images.

    uv run python -m mobilenet_lib.experiments.recorded.recipe        try what is not in the table yet (an hour in all)

`TRIALS` lists what was tried: SGD with one cycle (see `training.Options`), other batches and rates, with and without
mirrored images. Of the 6,000 training images 1,000 are held out, other ones for each seed; `table` holds the accuracy
on them, and `rate` is what came of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mobilenet_lib import data, training
from mobilenet_lib._support import environment, files

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT = 1 / 6
SEEDS = (0, 1)
_FILE = files.RECORDED / "recipe.csv"

_BASELINES = ("linear_softmax", "perceptron")


def rate(network: str) -> float:
    """The peak learning rate of a network, by its name in `models.NAMES`, with 64 images a batch.

    Both networks are good at 0.08; at 0.16 V2 loses 20 points. Half the batch wants half the rate, is no better, and
    takes longer. Mirroring, too, is no better within so few epochs.
    """
    return 0.01 if network in _BASELINES else training.RECIPES["sgd"]["learning_rate"]


@dataclass(frozen=True)
class Trial:
    """A row of the table but for its results. mirrored: show every second image mirrored, at random."""

    network: str
    epochs: int
    batch_size: int
    learning_rate: float
    mirrored: bool
    seed: int


def _trials() -> Iterator[Trial]:
    """Everything tried, V1 and V2 at width 0.25. V2 takes twice as long, and was tried with less."""
    both = [(64, 0.08, False), (64, 0.16, False), (32, 0.04, False), (32, 0.08, False), (128, 0.16, False)]
    for name, epochs, tried in (
        ("mobilenet_v1", 3, [*both, (64, 0.04, False), (32, 0.02, False), (32, 0.04, True)]),
        ("mobilenet_v2", 3, both),
        ("mobilenet_v1", 8, [(64, 0.08, False), (64, 0.16, False), (64, 0.08, True)]),
        ("mobilenet_v2", 8, [(64, 0.08, False)]),
        *((baseline, 8, [(64, rate, False) for rate in (0.001, 0.003, 0.01, 0.03)]) for baseline in _BASELINES),
    ):
        for how, seed in itertools.product(tried, SEEDS):
            yield Trial(name, epochs, *how, seed)


TRIALS = tuple(_trials())


def table() -> pd.DataFrame:
    """A row per trial that was made: the fields of `Trial`, `validation_accuracy` (of 1,000 images), `threads`."""
    import pandas as pd

    return pd.read_csv(_FILE)


def _made(trial: Trial, train: data.ImageSet) -> dict[str, object]:
    from mobilenet_lib import models

    training.seed_everything(trial.seed)
    width = {} if trial.network in _BASELINES else {"width_multiplier": 0.25}
    model = models.build(trial.network, len(train.classes), resolution=train.images.shape[-1], **width)
    run = training.fit(
        model,
        train,
        epochs=trial.epochs,
        seed=trial.seed,
        batch_size=trial.batch_size,
        learning_rate=trial.learning_rate,
        validation=HELD_OUT,
        step="static",
        options=training.Options(augment=trial.mirrored, max_shift=0),
    )
    accuracy = round(run.epochs[-1]["validation_accuracy"], 4)
    return {**asdict(trial), "validation_accuracy": accuracy, "threads": run.machine["threads"]}


def main() -> None:
    """Make the trials that are missing, one thread each, and add a row to the table after each of them."""
    import pandas as pd

    environment.print_anywhere()
    train = data.load("fashion_mnist", "train")
    rows = table().to_dict("records") if _FILE.exists() else []
    done = [{name: row[name] for name in Trial.__dataclass_fields__} for row in rows]
    for trial in TRIALS:
        if asdict(trial) not in done:
            with environment.computing_threads(1):
                rows.append(_made(trial, train))
            print(rows[-1], flush=True)
            with files.atomic_write(_FILE) as file:
                file.write(pd.DataFrame(rows).to_csv(index=False).encode())


if __name__ == "__main__":
    main()
