"""Make the records that take a graphics card, each with one command, by an interpreter that has PyTorch for CUDA:

    python -m mobilenet_lib.experiments.on_card --list
    python -m mobilenet_lib.experiments.on_card calls
    python -m mobilenet_lib.experiments.on_card --archive cifar10.npz "card_article_*"
    python -m mobilenet_lib.experiments.on_card --archive cifar10.npz recipe "card_grid_*"

"calls" is the article's speed test, "recipe" the choice of the grid's peak rates on training images that are held out;
every other name is a training run, saved beside the other recorded ones with its settings, seed, versions and card.
"""

from __future__ import annotations

import argparse
import fnmatch
import time
from dataclasses import replace
from importlib.util import find_spec

from mobilenet_lib import data
from mobilenet_lib._support import environment, files
from mobilenet_lib.experiments.on_card import plans
from mobilenet_lib.experiments.on_card.plans import Plan
from mobilenet_lib.runs import Run


def main() -> None:
    """The command."""
    environment.print_anywhere()
    parser = argparse.ArgumentParser(description="Make the records that take a graphics card.")
    parser.add_argument("names", nargs="*", metavar="NAME", help='which, also as a pattern such as "card_article_*"')
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--archive", help="the CIFAR-10 archive (default: as data.load finds it)")
    parser.add_argument("--missing", action="store_true", help="make only those that are not recorded yet")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin nothing more after so many seconds")
    parser.add_argument("--card", default="cuda", help="a device of PyTorch (default: cuda)")
    arguments = parser.parse_args()
    if not arguments.card.startswith("cuda"):
        parser.error("records are made on a card; to compute on a processor call on_card.training.fit")
    if arguments.list or not arguments.names:
        print("\n".join(["calls", "recipe", *plans.names()]))
        return
    for pattern in arguments.names:
        if not fnmatch.filter(["calls", "recipe", *plans.names()], pattern):
            parser.error(f"no record is called {pattern!r}; --list shows their names")
    if find_spec("torch") is None:
        parser.error("this takes an interpreter that has PyTorch for CUDA; CONTRIBUTING.md says how")
    end = time.monotonic() + arguments.seconds
    for pattern in arguments.names:
        whole = {"calls": plans.CALLS, "recipe": plans.RECIPE}.get(pattern)
        if whole and ((arguments.missing and whole.exists()) or time.monotonic() > end):
            continue
        if pattern == "calls":
            _time_calls(arguments.card)
        elif pattern == "recipe":
            _choose_peaks(arguments.archive, arguments.card)
        else:
            _train(pattern, end, arguments)


def _time_calls(card: str) -> None:
    from mobilenet_lib.experiments.on_card import calls

    files.write_json(plans.CALLS, calls.measure(card=card))


def _train(pattern: str, end: float, arguments: argparse.Namespace) -> None:
    found = plans.plans()
    names = fnmatch.filter(found, pattern)
    if not names:
        raise SystemExit(f'{pattern!r} waits for its peak rates: make "recipe" first')
    train, test = (data.load("cifar10", part, path=arguments.archive) for part in data.SPLITS)
    for name in names:
        target = files.RECORDED / f"{name}.json"
        if arguments.missing and target.exists():
            continue
        if time.monotonic() > end:
            print(f"no time left for {name}", flush=True)
            continue
        _carried_out(found[name], train, test, arguments.card).save(target)


def _choose_peaks(archive: str | None, card: str) -> None:
    """Train with each peak on a part of the training images, test on the rest, and keep the table."""
    import pandas as pd

    train, rows = data.load("cifar10", "train", path=archive), []
    for plan in plans.trials():
        kept, held_out = train.split(plans.HELD_OUT, plan.seed)
        run = _carried_out(plan, kept, replace(held_out, part="held out"), card)
        rows.append(
            {
                "network": plan.network["name"],
                "learning_rate": plan.recipe.learning_rate,
                "seed": plan.seed,
                "validation_accuracy": run.epochs[-1]["validation_accuracy"],
            }
        )
    with files.atomic_write(plans.RECIPE) as file:
        file.write(pd.DataFrame(rows).to_csv(index=False).encode())


def _carried_out(plan: Plan, train: data.ImageSet, test: data.ImageSet, card: str) -> Run:
    from mobilenet_lib.experiments.on_card.training import fit

    def told(run: Run) -> None:
        print(f"{plan.title}, {plan.recipe.learning_rate:g}, seed {plan.seed}:", run.epochs[-1], flush=True)

    return fit(plan, train, test, card, told)


if __name__ == "__main__":
    main()
