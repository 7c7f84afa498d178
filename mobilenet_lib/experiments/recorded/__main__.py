"""Make the recorded runs that lessons load, each with one command.

    uv run python -m mobilenet_lib.experiments.recorded --list
    uv run python -m mobilenet_lib.experiments.recorded fashion_v1_relu_seed0
    uv run python -m mobilenet_lib.experiments.recorded --missing "fashion_*" "design_*"
    uv run python -m mobilenet_lib.experiments.recorded "article_*" --archive cifar-10-python.tar.gz

A run is saved beside this file with its settings, seed, versions and machine; those that a lesson looks into also with
their weights. It keeps a checkpoint in `runs/` after every epoch, so the same command continues after an interrupt.

One thread computes each run of the bundled images: its digits then depend on no number of cores, and as many runs as
there are cores can be made side by side. How they are trained was chosen on training images alone, see `recipe`.
"""

from __future__ import annotations

import argparse
import fnmatch
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mobilenet_lib import baselines
from mobilenet_lib._support import environment, files
from mobilenet_lib._support.arguments import one_of
from mobilenet_lib.experiments import design
from mobilenet_lib.experiments.recorded import recipe
from mobilenet_lib.runs import Run
from mobilenet_lib.training import Options
from mobilenet_lib.training.plans import Plan, carry_out

SMALL = {"width_multiplier": 0.25}


def _plans(
    stem: str, run_name: str, data: str, network: dict[str, Any], seeds: Sequence[int], **others: Any
) -> dict[str, Plan]:
    """A plan per seed by its name, `stem`_seedN. others: `options` beside its `run_name`, and fields of `Plan`."""
    options = Options(**{"run_name": run_name, "mode": "recorded", "augment": False, **others.pop("options", {})})
    fields = {"options": options, "keep_weights": False, "timed": False, "step": "static", **others}
    return {f"{stem}_seed{seed}": Plan(data, network, seed=seed, **fields) for seed in seeds}


def _fashion(stem: str, run_name: str, network: dict[str, Any], seeds: Sequence[int], **how: Any) -> dict[str, Plan]:
    """Plans for the bundled images: all 6,000, eight epochs, one thread."""
    chosen = {"batch_size": 64, "learning_rate": recipe.rate(network["name"]), "threads": 1}
    return _plans(stem, run_name, "fashion_mnist", network, seeds, **{"epochs": 8, **chosen, **how})


def _until() -> Iterator[dict[str, Plan]]:
    """How long until three of four test images are classified correctly? The article's best got there on a GPU."""
    network = {"name": "mobilenet_v1", "width_multiplier": 0.5}
    # Only mirrored: so few epochs cannot fit the training images too closely, and shifted ones are harder.
    how = {"epochs": 6, "learning_rate": 0.1, "step": "auto", "timed": True}
    options = {"until": 0.75, "max_shift": 0, "augment": True}
    yield _plans("cifar10_until75", "V1, α = 0.5", "cifar10", network, (0, 1, 2), **how, options=options)


def _article() -> Iterator[dict[str, Plan]]:
    """Lesson 08: the article's protocol on all of CIFAR-10, at 32×32 where the article scaled the images to 224×224.

    From about 12 minutes (V1) to more than two hours (VGG19) a run, on one core. V1 and V2 keep the papers' stems of
    stride 2; the article's V2 has its own of stride 1, and ends in one pool over the whole feature map: its two pools
    need larger images.
    """
    how = {"epochs": 3, "batch_size": 100, "learning_rate": 1e-3, "threads": 1}
    options = {"optimizer": "adam", "schedule": "constant"}
    own = {"deviations": [name for name in baselines.ARTICLE_DEVIATIONS if name != "two_pools"]}
    stem = {"stem_stride": 2}
    special = {"article_mobilenet_v2": own, "mobilenet_v1": stem, "mobilenet_v2": stem}
    for name, seeds in (
        ("linear_softmax", range(5)),
        ("mobilenet_v1", range(5)),
        ("mobilenet_v2", range(5)),
        ("article_mobilenet_v2", range(5)),
        ("resnet50", range(2)),
        ("resnet152", range(1)),
        ("vgg16", range(1)),
        ("vgg19", range(1)),
    ):
        network = {"name": name, **special.get(name, {})}
        yield _plans(f"article_{name}", baselines.TITLES[name], "cifar10", network, seeds, **how, options=options)
    # Why at 32×32 so little? With a stem of stride 1 the last feature maps are 2×2 in place of 1×1.
    network = {"name": "mobilenet_v1", "stem_stride": 1}
    yield _plans("cifar10_stem1", "V1, stem stride 1", "cifar10", network, range(3), **how, options=options)
    # And the article's V1 and V2 begin with other depthwise filters than ours.
    default = {"name": "mobilenet_v1", **stem}
    yield _plans(
        "cifar10_default_init",
        "V1, Paddle's filters",
        "cifar10",
        default,
        range(3),
        **how,
        options=options,
        default_init=True,
    )


def _baselines() -> Iterator[dict[str, Plan]]:
    """What a network has to beat, on the same images: a linear softmax and a small perceptron."""
    for name in ("linear_softmax", "perceptron"):
        yield _fashion(f"fashion_{name}", baselines.TITLES[name], {"name": name}, range(10))


def _trained() -> Iterator[dict[str, Plan]]:
    """V1 and V2 on the bundled images, ten seeds, the first ones with the weights that lessons look into."""
    yield _fashion("fashion_v1_relu", "V1", {"name": "mobilenet_v1", **SMALL}, range(3), keep_weights=True)
    yield _fashion("fashion_v1_relu", "V1", {"name": "mobilenet_v1", **SMALL}, range(3, 10))
    relu6 = {"name": "mobilenet_v1", **SMALL, "activation": "relu6"}
    yield _fashion("fashion_v1_relu6", "V1, ReLU6", relu6, range(3), keep_weights=True)
    yield _fashion("fashion_v2", "V2", {"name": "mobilenet_v2", **SMALL}, range(1), keep_weights=True)
    yield _fashion("fashion_v2", "V2", {"name": "mobilenet_v2", **SMALL}, range(1, 10))


def _ablations() -> Iterator[dict[str, Plan]]:
    """Lesson 05: V2 with and without linear projections and shortcuts, a 2×2 design of twelve seeds a cell."""
    for variant, title, options in (
        ("paper", "as in the paper", {}),
        ("relu6_projections", "ReLU6 projections", {"linear": False}),
        ("no_shortcuts", "no shortcuts", {"shortcuts": False}),
        ("neither", "neither", {"linear": False, "shortcuts": False}),
    ):
        network = {"name": "mobilenet_v2", **SMALL, **options}
        yield _fashion(f"fashion_v2_{variant}", f"V2, {title}", network, range(12), epochs=3)


def _designs() -> Iterator[dict[str, Plan]]:
    """Lesson 09: fifteen designs of both families and the baseline, trained as the lesson trains the learner's own."""
    for name, one in {**design.TRAINED, "linear_softmax": design.Baseline()}.items():
        yield _fashion(f"design_{name}", one.title, one.network, design.SEEDS, epochs=design.EPOCHS)


_GROUPS = (_until, _article, _baselines, _trained, _ablations, _designs)
RUNS = {name: plan for group in _GROUPS for plans in group() for name, plan in plans.items()}


def record(run_name: str, archive: str | None = None, label: str | None = None) -> Run:
    """Train one of `RUNS` from scratch (or from its checkpoint), test it, and save it among the recorded runs.

    archive: the CIFAR-10 archive, by default as `data.load` finds it. label: what to call the data where the archive is
    not the official one. ValueError for an unknown run, and what `plans.carry_out` raises.
    """
    plan = RUNS[one_of("run_name", run_name, RUNS)]
    if plan.data == "cifar10":
        plan = replace(plan, path=archive, label=label)
    return carry_out(plan, files.RECORDED / run_name, Path("runs") / f"{run_name}.npz")


def main() -> None:
    """The command: make the runs that are named, or list them."""
    environment.print_anywhere()
    parser = argparse.ArgumentParser(description="Make recorded runs of the course.")
    parser.add_argument("names", nargs="*", metavar="NAME", help='which runs, also as a pattern such as "fashion_*"')
    parser.add_argument("--list", action="store_true", help="print the names and stop")
    parser.add_argument("--missing", action="store_true", help="make only those that are not recorded yet")
    parser.add_argument("--archive", help="the CIFAR-10 archive (default: as data.load finds it)")
    parser.add_argument("--label", help="what to call the data where the archive is not the official one")
    arguments = parser.parse_args()
    if arguments.list or not arguments.names:
        print("\n".join(RUNS))
        return
    for name in _wanted(arguments.names):
        if not (arguments.missing and (files.RECORDED / f"{name}.json").exists()):
            print(record(name, arguments.archive, arguments.label).to_frame().to_string(index=False), flush=True)


def _wanted(patterns: Sequence[str]) -> Iterator[str]:
    """The runs that the patterns mean, each pattern's in the order of the list; a pattern without one is an error."""
    for pattern in patterns:
        names = fnmatch.filter(RUNS, pattern)
        if not names:
            raise SystemExit(f"no recorded run is called {pattern!r}; --list shows their names")
        yield from names


if __name__ == "__main__":
    main()
