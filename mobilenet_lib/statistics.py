"""How sure a figure is: confidence intervals, paired comparisons, and tables over several runs.

Nothing here imports Paddle. Introduced in lesson 08.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Any

import numpy as np

from mobilenet_lib._support.arguments import whole_number
from mobilenet_lib.runs import Run

if TYPE_CHECKING:
    import pandas as pd

# Of settings and data, what two runs need not share to be averaged: step and threads change last digits, which training
# amplifies like another seed, and are named beside the figures (`computed`); the others were noted afterwards.
_NO_CONDITIONS = frozenset({"seed", "step", "macs", "test_source"})


def wilson_interval(correct: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Where the true accuracy lies after `correct` of `total` images: Wilson's score interval, (low, high).

    It answers for the choice of images only, not for the seed of the training.
    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209; its formula, without continuity correction.
    """
    from scipy import stats

    total = whole_number("total", total)
    correct = whole_number("correct", correct, minimum=0)
    if correct > total:
        raise ValueError(f"correct must be at most total = {total}, not {correct}")
    low, high = stats.binomtest(correct, total).proportion_ci(_confidence(confidence), method="wilson")
    return float(low), float(high)


def student_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where the mean over all seeds lies, from a few of them: mean ± t · s / √n, (low, high).

    ValueError for fewer than two values: one run does not show how much runs differ.
    """
    if len(values) < 2:
        raise ValueError(f"values must be at least two to show a spread, not {len(values)}. Run more seeds.")
    half = student_t(len(values), confidence) * stdev(values) / math.sqrt(len(values))
    return fmean(values) - half, fmean(values) + half


def spread_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Where the standard deviation over all seeds lies, from a few normally distributed values: (low, high).

    ValueError for fewer than two values. Source: (n − 1) s² / σ² is distributed as χ² with n − 1 degrees of freedom.
    """
    from scipy import stats

    number, spread = whole_number("the number of values", len(values), minimum=2), float(np.std(values, ddof=1))
    tails = (1 + _confidence(confidence)) / 2, (1 - confidence) / 2
    low, high = (spread * math.sqrt((number - 1) / stats.chi2.ppf(tail, number - 1)) for tail in tails)
    return low, high


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's rank correlation of pairs and its 95 % confidence interval: (correlation, low, high).

    1 is the same order, -1 the opposite one, 0 none. The interval is the percentile bootstrap's: 2,000 draws of as many
    pairs with replacement, always the same ones. ValueError for fewer than four pairs or lists of unequal length.
    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    from scipy import stats

    pairs = np.array([*zip(first, second, strict=True)], float)
    if len(pairs) < 4:
        raise ValueError(f"first and second must hold at least four pairs to be drawn from, not {len(pairs)}")
    rng = np.random.default_rng(0)
    draws = pairs[rng.integers(len(pairs), size=(2000, len(pairs)))]
    ranks = stats.rankdata(np.moveaxis(draws, 2, 0), axis=2)  # [2, draws, pairs]
    centred = ranks - ranks.mean(axis=2, keepdims=True)
    with np.errstate(invalid="ignore"):  # a draw of one pair alone has no order
        found = (centred[0] * centred[1]).sum(1) / np.sqrt((centred**2).sum(2).prod(0))
    low, high = np.nanpercentile(found, (2.5, 97.5))
    return float(stats.spearmanr(*pairs.T).statistic), float(low), float(high)


def median_interval(rounds: Sequence[Any]) -> tuple[float, float, float]:
    """The median of what was measured in rounds, and its 95 % confidence interval: (median, low, high), in its unit.

    rounds: one number for each round, or [rounds, calls]. The interval is the percentile bootstrap's: whole rounds are
    drawn, because the calls of a round share what the machine did meanwhile. ValueError for fewer than three rounds.
    Source: B. Efron, R. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
    """
    values = _in_rounds(rounds)
    return _with_interval(*(_median(values[drawn]) for drawn in _draws(len(values))))


def ratio_of_medians(first: Sequence[Any], second: Sequence[Any], *, paired: bool = True) -> tuple[float, float, float]:
    """How many times the median of `second` goes into that of `first`, and the 95 % confidence interval of this ratio.

    Args: as `median_interval`; paired: both were measured in the same rounds, which are then drawn together, so that
        what slowed a whole round down falls out. False draws the rounds of each for itself.

    ValueError for fewer than three rounds, and for pairs of unequal number.
    """
    one, other = _in_rounds(first), _in_rounds(second)
    if paired and len(one) != len(other):
        raise ValueError(f"first and second must have as many rounds to be paired, not {len(one)} and {len(other)}")
    draws = _draws(len(one)), _draws(len(other), seed=0 if paired else 1)
    return _with_interval(*(_median(one[a]) / _median(other[b]) for a, b in zip(*draws, strict=True)))


def _in_rounds(values: Sequence[Any]) -> np.ndarray:
    found = np.array(values, float)
    if found.ndim not in (1, 2) or len(found) < 3:
        raise ValueError(
            f"an interval needs three rounds or more, [rounds] or [rounds, calls], not {list(found.shape)}"
        )
    return found.reshape(len(found), -1)


def _draws(number: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """The rounds themselves, and 2,000 draws of as many with replacement, always the same ones."""
    return np.arange(number)[None], np.random.default_rng(seed).integers(number, size=(2000, number))


def _median(drawn: np.ndarray) -> np.ndarray:
    return np.median(drawn, axis=(1, 2))


def _with_interval(found: np.ndarray, drawn: np.ndarray) -> tuple[float, float, float]:
    low, high = np.percentile(drawn, (2.5, 97.5))
    return float(found[0]), float(low), float(high)


def _confidence(value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"confidence must lie between 0 and 1, not {value!r}")
    return value


def student_t(number: int, confidence: float = 0.95) -> float:
    """How many standard errors to allow on either side of a mean of `number` values, at least two."""
    from scipy import stats

    degrees = whole_number("number", number, minimum=2) - 1
    return float(stats.t.ppf((1 + _confidence(confidence)) / 2, degrees))


def factorial(outcomes: pd.DataFrame, factors: Mapping[str, tuple[str, str]]) -> pd.DataFrame:
    """The effects of two factors in a 2×2 design, seed by seed: a row per seed, a column per effect.

    Args:
        outcomes: a row per seed, a column for each of the four cells of the design.
        factors: maps the name of each of the two factors to the two columns in which it is on.

    A factor's main effect is what it adds on average over both states of the other one; "…, with …" and "…, without …"
    are what it adds in each state; the interaction is the difference of these two. Seeds that miss in a cell are left
    out. Raises ValueError for a design that is not 2×2, and where fewer than two seeds are in all four cells.
    """
    import pandas as pd

    (first, of_first), (second, of_second) = _two_factors(outcomes, factors)
    (both,) = of_first & of_second
    (only_first,), (only_second,) = of_first - of_second, of_second - of_first
    (neither,) = set(outcomes) - of_first - of_second
    outcomes = outcomes.dropna()
    if len(outcomes) < 2:
        raise ValueError(f"outcomes must hold two seeds or more that are in all four cells, not {len(outcomes)}")
    effects = {}
    for factor, other, on, alone in (
        (first, second, only_second, only_first),
        (second, first, only_first, only_second),
    ):
        with_other, without = outcomes[both] - outcomes[on], outcomes[alone] - outcomes[neither]
        effects[factor] = (with_other + without) / 2
        effects |= {f"{factor}, with {other}": with_other, f"{factor}, without {other}": without}
    return pd.DataFrame(effects | {"interaction": with_other - without})


def _two_factors(outcomes: pd.DataFrame, factors: Mapping[str, tuple[str, str]]) -> list[tuple[str, set[str]]]:
    """Each factor with the columns in which it is on. ValueError where they do not make a 2×2 design."""
    found = [(name, set(columns)) for name, columns in factors.items()]
    known = all(columns <= set(outcomes) for _, columns in found)
    fits = known and [len(columns) for _, columns in found] == [2, 2]
    if not fits or len(outcomes.columns) != 4 or len(found[0][1] & found[1][1]) != 1:
        raise ValueError(
            "a 2×2 design has four columns and two factors, each on in two columns, both on in one; not "
            f"the columns {list(outcomes)} and the factors {dict(factors)}"
        )
    return found


def mean_effects(effects: pd.DataFrame, confidence: float = 0.95) -> pd.DataFrame:
    """For each column of differences (a row per seed): their mean over the seeds, and what can be said of it.

    `low` to `high` is Student's confidence interval of the mean. `above 0` and `below 0` count seeds; gaps (NaN) do not
    count. `verdict` is "positive" or "negative" where the interval leaves out 0, else "open". Raises ValueError for
    fewer than two seeds.
    """
    import pandas as pd

    rows = {}
    for name, column in effects.items():
        values = column.dropna()
        found = mean_difference(list(values), confidence)
        if found["seeds"] < 2:
            raise ValueError(f"{name!r} must hold the differences of at least two seeds, not {found['seeds']}")
        verdict = "positive" if found["low"] > 0 else "negative" if found["high"] < 0 else "open"
        counts = {"above 0": int((values > 0).sum()), "below 0": int((values < 0).sum()), "verdict": verdict}
        rows[name] = {end: found[end] for end in ("mean", "low", "high")} | counts
    return pd.DataFrame(rows).T.infer_objects()


def mean_difference(differences: Sequence[float], confidence: float = 0.95) -> dict[str, float]:
    """What a few differences say of their mean, such as "V2 − V1" seed by seed, in the unit of the differences.

    `seeds` counts them; `mean`; `standard error` s / √n; `low` to `high` is Student's confidence interval; `p` is the
    p-value of the paired t-test: how often chance alone would give a mean at least as far from 0 if the true one were
    0. Of fewer than two differences only `seeds` and `mean` are known, the rest is NaN; of none, only `seeds`.
    """
    from scipy import stats

    number, mean = len(differences), fmean(differences) if differences else math.nan
    if number < 2:
        return {"seeds": number, "mean": mean} | dict.fromkeys(("standard error", "low", "high", "p"), math.nan)
    error = stdev(differences) / math.sqrt(number)
    low, high = student_interval(differences, confidence)
    p = 2 * float(stats.t.sf(abs(mean) / error, number - 1)) if error else float(mean == 0)
    return {"seeds": number, "mean": mean, "standard error": error, "low": low, "high": high, "p": p}


def seeds_needed(difference: float, spread: float, power: float = 0.8, confidence: float = 0.95) -> int:
    """How many seeds, each with both networks, it takes to see a difference between them.

    Args:
        difference: the true one that is to be seen, and `spread`: the standard deviation of the differences between
            seeds, in the same unit. Both above 0.
        power: how often Student's interval is to leave out 0, as a fraction.

    ValueError for arguments outside these limits. Source: the power of the paired t-test, by the noncentral t
    distribution; J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd edition, 1988, chapter 2.
    """
    from scipy import stats

    if not (0 < difference < math.inf and 0 < spread < math.inf):
        raise ValueError(f"difference and spread must be above 0, not {difference!r} and {spread!r}")
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, not {power!r}")
    effect = difference / spread
    # With a known spread fewer would do: there the search begins.
    known = (stats.norm.ppf((1 + _confidence(confidence)) / 2) + stats.norm.ppf(power)) / effect
    number = max(2, math.floor(known**2))
    while stats.nct.sf(student_t(number, confidence), number - 1, effect * math.sqrt(number)) < power:
        number += 1
    return number


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """How often images of class [row] were classified as class [column], int64 [classes, classes].

    labels, predictions: int64 [N], each from 0 to classes - 1. ValueError where they differ in length or lie outside.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape or labels.ndim != 1:
        raise ValueError(
            f"labels and predictions must be two lists of equal length, not of shape {list(labels.shape)} and "
            f"{list(predictions.shape)}"
        )
    both = np.concatenate([labels, predictions])
    if both.size and (both.min() < 0 or both.max() >= classes):
        raise ValueError(
            f"labels and predictions must lie from 0 to {classes - 1}, not from {both.min()} to {both.max()}"
        )
    return np.bincount(labels * classes + predictions, minlength=classes**2).reshape(classes, classes)


def by_image(labels: np.ndarray, predictions: np.ndarray, classes: int) -> dict[str, Any]:
    """What `Run.test` keeps of single predictions: `confusion`, whose arguments these are, as lists; `right`, a digit
    per image, 1 where it was classified correctly, so that two networks can be compared image by image."""
    right = "".join("01"[hit] for hit in (predictions == labels).astype(int))
    return {"confusion": confusion(labels, predictions, classes).tolist(), "right": right}


def computed(runs: Sequence[Run]) -> str:
    """By which training step the runs were computed, with how many threads or on which card: "static step, 2 threads".

    More than one of either is named, "dynamic or static step, 1 or 2 threads": then even the same seed gives others.
    """
    steps = sorted({str(run.settings.get("step", "unknown")) for run in runs})
    if cards := sorted({str(run.machine["card"]) for run in runs if "card" in run.machine}):
        return f"{' or '.join(steps)}, {' or '.join(cards)}"
    threads = sorted({str(run.machine.get("threads", "unknown")) for run in runs})
    return f"{' or '.join(steps)} step, {' or '.join(threads)} thread{'s' * (threads != ['1'])}"


def recipe(runs: Sequence[Run]) -> str:
    """How the runs were trained: "sgd one_cycle 0.08, batch 64, 8 epochs", with the rate; other ways after a "/"."""
    return " / ".join(dict.fromkeys(_recipe(run) for run in runs))


def _recipe(run: Run) -> str:
    settings = {"optimizer": "?", "schedule": "?", "learning_rate": math.nan, "batch_size": "?"} | run.settings
    rest = f"{len(run.epochs)} epochs{', augmented' * bool(settings.get('augment'))}"
    return "{optimizer} {schedule} {learning_rate:g}, batch {batch_size}, ".format(**settings) + rest


def paired(first: Run, second: Run) -> dict[str, int | str]:
    """Two runs on the same test images: how many `both` classified correctly, `only_first`, `only_second`, `neither`.

    Where step or threads differ, `computed` names them: the difference is then not that of the networks alone.
    ValueError where a run does not say which images were classified correctly, or both were tested on different ones.
    """
    for run in (first, second):
        if not run.test or "right" not in run.test:
            raise ValueError(
                f"the run {run.name!r} with seed {run.seed} does not say which test images were classified correctly. "
                "Record it again."
            )
    one, other = (
        (run.data["name"], run.data.get("test_source"), run.data.get("checksum"), run.test["total"])
        for run in (first, second)
    )
    if one != other:
        raise ValueError(f"the runs were tested on different images, {one} and {other}: they cannot be paired")
    pairs = Counter(zip(first.test["right"], second.test["right"], strict=True))
    names = {"both": ("1", "1"), "only_first": ("1", "0"), "only_second": ("0", "1"), "neither": ("0", "0")}
    found = {name: pairs[pair] for name, pair in names.items()}
    alike = computed([first]) == computed([second])
    return found if alike else found | {"computed": computed([first, second])}


def summary(runs: Sequence[Run]) -> pd.DataFrame:
    """A row per model: runs that share name, data and mode are averaged over their seeds, at their last epoch.

    `accuracy` is the mean on the test set where every run has one, else on the validation part (`measured_on`), and
    `by_seed` holds those of its runs. `low` and `high` are its 95 % confidence interval and `interval` says which:
    Student's t over the seeds where there are several, Wilson's over the images where there is one. Where Student's
    leaves 0 to 1 (few seeds that lie far apart, or near an end), there is none (NaN). `seconds` is a run's training
    time. `computed` names training step and threads: rows that differ in it, or name several, do not compare networks
    alone; `recipe` says how they were trained.
    ValueError for no runs, a run without a finished epoch, and under the same name a repeated seed, other settings or
    another number of finished epochs.
    """
    import pandas as pd

    if not runs:
        raise ValueError("runs must hold at least one run, not none. Train one, or load recorded ones.")
    groups: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.name, run.data["name"], run.mode), []).append(run)
    return pd.DataFrame([_summary_row(group) for group in groups.values()])


def _summary_row(runs: list[Run]) -> dict[str, Any]:
    _check_comparable(runs)
    return {
        "name": runs[0].name,
        "data": runs[0].data["source"],
        "mode": runs[0].mode,
        "runs": len(runs),
        "epochs": len(runs[0].epochs),
        "train_accuracy": fmean(run.epochs[-1]["train_accuracy"] for run in runs),
        **_accuracy(runs),
        "seconds": fmean(sum(_time(epoch, "seconds") for epoch in run.epochs) for run in runs),
        "images_per_second": fmean(_time(epoch, "images_per_second") for run in runs for epoch in run.epochs),
        "computed": computed(runs),
        "recipe": recipe(runs),
    }


def _time(epoch: dict[str, Any], name: str) -> float:
    return math.nan if epoch[name] is None else epoch[name]


def _accuracy(runs: list[Run]) -> dict[str, Any]:
    """The mean accuracy, what it was measured on, and how sure it is."""
    tests = [run.test for run in runs if run.test is not None]
    measured_on, accuracies, total = "test", [test["accuracy"] for test in tests], tests and tests[0]["total"]
    if len(tests) < len(runs):
        accuracies = [run.epochs[-1]["validation_accuracy"] for run in runs]
        measured_on, total = "validation", runs[0].data["validation_size"]
    if None in accuracies:
        measured_on, mean, (low, high), interval = "nothing", math.nan, (math.nan, math.nan), "none"
    elif len(accuracies) == 1:
        mean, (low, high) = accuracies[0], wilson_interval(round(accuracies[0] * total), total)
        interval = f"Wilson, {total} images of one run"
    else:
        mean, (low, high) = fmean(accuracies), student_interval(accuracies)
        interval = f"Student t, {len(accuracies)} seeds"
        if low < 0 or high > 1:
            low, high, interval = math.nan, math.nan, "none: Student t leaves 0 to 100 %"
    told = {"accuracy": mean, "measured_on": measured_on, "low": low, "high": high, "interval": interval}
    return told | {"by_seed": tuple(math.nan if one is None else one for one in accuracies)}


def _check_comparable(runs: list[Run]) -> None:
    """Averaging needs finished epochs, different seeds, and the same of everything else."""
    name = runs[0].name
    for run in runs:
        if not run.epochs:
            raise ValueError(f"a run named {name!r} has no finished epoch (seed {run.seed}). Leave it out.")
    seed, times = Counter(run.seed for run in runs).most_common(1)[0]
    if times > 1:
        raise ValueError(
            f"{times} runs named {name!r} have the seed {seed}. A mean over seeds needs a different seed in each: "
            "leave the repeats out, or give them other names."
        )
    first, *others = ({**run.conditions, "finished epochs": len(run.epochs)} for run in runs)
    for other in others:
        for key in sorted((first.keys() | other.keys()) - _NO_CONDITIONS):
            if first.get(key) != other.get(key):
                raise ValueError(
                    f"runs named {name!r} differ in {key}: {first.get(key)!r} and {other.get(key)!r}. "
                    "A mean over seeds needs the rest to be the same: give them other names."
                )
