"""Intervals are those of the textbooks, and only what belongs together is averaged or compared."""

from __future__ import annotations

import math
import warnings
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_runs import DATA, run

from mobilenet_lib import statistics
from mobilenet_lib.runs import Run


@pytest.mark.parametrize(
    ("correct", "total", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998) 857, Table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_textbooks(correct, total, low, high):
    assert statistics.wilson_interval(correct, total) == pytest.approx((low, high), abs=5e-5)
    # Counting the mistakes instead mirrors it.
    assert statistics.wilson_interval(total - correct, total) == pytest.approx((1 - high, 1 - low), abs=5e-5)


def test_the_spread_has_the_interval_of_the_chi_square_tables():
    values = [0.0, 1.0] * 5  # ten values; any table of χ² has 19.023 and 2.700 for nine degrees of freedom
    spread = float(np.std(values, ddof=1))
    assert statistics.spread_interval(values) == pytest.approx(
        (spread * math.sqrt(9 / 19.023), spread * math.sqrt(9 / 2.700)), rel=1e-4
    )
    with pytest.raises(ValueError, match="number of values must be a whole number of at least 2"):
        statistics.spread_interval([1.0])


def test_times_that_were_not_kept_are_not_averaged():
    untimed = run()
    untimed.epochs[0] |= {"seconds": None, "images_per_second": None}
    assert statistics.summary([untimed])[["seconds", "images_per_second"]].isna().all(axis=None)
    untimed.to_frame()


def test_wilson_interval_ends_where_the_score_test_rejects():
    """Its definition: at both ends the observed fraction lies z standard errors of that end away."""
    z = NormalDist().inv_cdf(0.95)
    for end in statistics.wilson_interval(37, 50, confidence=0.9):
        assert abs(37 / 50 - end) == pytest.approx(z * math.sqrt(end * (1 - end) / 50))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((5, 0), "total must be a whole number of at least 1, not 0"),
        ((6, 5), "correct must be at most total = 5, not 6"),
        ((-1, 5), "correct must be a whole number of at least 0, not -1"),
        ((0.5, 5), "correct must be a whole number"),
        ((2, 5, 95), "confidence must lie between 0 and 1, not 95"),
    ],
)
def test_wilson_interval_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        statistics.wilson_interval(*arguments)


@pytest.mark.parametrize(
    ("confidence", "degrees", "quantile"),
    [(0.95, 1, 12.706), (0.95, 2, 4.303), (0.95, 9, 2.262), (0.95, 30, 2.042), (0.90, 5, 2.015), (0.99, 60, 2.660)],
)
def test_student_quantiles_are_those_of_the_printed_tables(confidence, degrees, quantile):
    assert statistics.student_t(degrees + 1, confidence) == pytest.approx(quantile, abs=5.1e-4)


def test_student_interval_of_a_worked_example():
    # Mean 10, s = 2, n = 4: half width 3.182 · 2 / 2.
    values = [10 - math.sqrt(6), 10, 10, 10 + math.sqrt(6)]
    assert statistics.student_interval(values) == pytest.approx((10 - 3.1824, 10 + 3.1824), abs=1e-4)
    with pytest.raises(ValueError, match="at least two"):
        statistics.student_interval([0.7])
    with pytest.raises(ValueError, match="number"):
        statistics.student_t(1)


# A 2×2 design by hand: A alone adds 4, B alone adds 2, both together 9, and seed 1 lies 10 higher.
DESIGN = pd.DataFrame({"both": [9.0, 19], "only A": [4.0, 14], "only B": [2.0, 12], "neither": [0.0, 10]})
FACTORS = {"A": ("both", "only A"), "B": ("both", "only B")}


def test_factorial_gives_main_effects_simple_effects_and_their_difference():
    effects = statistics.factorial(DESIGN, FACTORS)
    expected = {"A": 5.5, "A, with B": 7, "A, without B": 4, "B": 3.5, "B, with A": 5, "B, without A": 2}
    for seed in DESIGN.index:
        assert effects.loc[seed].to_dict() == {**expected, "interaction": 3}
    mirrored = statistics.factorial(DESIGN, dict(reversed(FACTORS.items())))
    assert mirrored[list(effects)].equals(effects), "the order of the factors matters"


def test_factorial_is_the_textbooks_analysis_of_effects():
    """The same effects from least squares on the effect coding of the design (±½)."""
    rng = np.random.default_rng(0)
    outcomes = pd.DataFrame(rng.normal(size=(12, 4)), columns=list(DESIGN))
    a, b = np.array([1, 1, -1, -1]) / 2, np.array([1, -1, 1, -1]) / 2
    coding = np.column_stack([np.ones(4), a, b, a * b])
    fitted = np.linalg.solve(coding, outcomes.mean().to_numpy())
    means = statistics.factorial(outcomes, FACTORS)[["A", "B", "interaction"]].mean()
    np.testing.assert_allclose(means, fitted[1:])


def test_seeds_that_miss_in_a_cell_are_left_out():
    part = DESIGN.copy()
    part.loc[2] = [1.0, float("nan"), 1.0, 1.0]
    assert list(statistics.factorial(part, FACTORS).index) == [0, 1]
    with pytest.raises(ValueError, match="two seeds or more that are in all four cells, not 1"):
        statistics.factorial(part.drop(0), FACTORS)


@pytest.mark.parametrize(
    "factors",
    [
        {"A": ("both", "only A")},
        {"A": ("both", "only A"), "B": ("both", "elsewhere")},
        {"A": ("both", "only A"), "B": ("only B", "neither")},
        {"A": ("both", "only A"), "B": ("both", "only A")},
        {"A": ("both",), "B": ("both", "only B")},
    ],
    ids=str,
)
def test_what_is_no_two_by_two_design_is_refused(factors):
    with pytest.raises(ValueError, match="a 2×2 design has four columns and two factors"):
        statistics.factorial(DESIGN, factors)


def test_mean_effects_judge_by_students_interval_and_count_seeds():
    effects = pd.DataFrame({"up": [1.0, 2, 3], "down": [-1.0, -2, -3], "open": [-1.0, 2, float("nan")]})
    level = statistics.mean_effects(pd.DataFrame({"level": [0.0, 0, 1]}))  # 0 lies on neither side
    assert tuple(level.loc["level", ["above 0", "below 0"]]) == (1, 0)
    table = statistics.mean_effects(effects)
    assert table["verdict"].to_dict() == {"up": "open", "down": "open", "open": "open"}
    assert tuple(table.loc["up", ["low", "high"]]) == pytest.approx(statistics.student_interval([1, 2, 3]))
    assert tuple(table.loc["open", ["mean", "above 0", "below 0"]]) == (0.5, 1, 1)
    loose = statistics.mean_effects(effects, confidence=0.8)["verdict"]
    assert loose.to_dict() == {"up": "positive", "down": "negative", "open": "open"}


def test_summary_has_a_row_per_model_with_students_interval_over_seeds():
    runs = [run("v1", 0, 0.60), run("v2", 0, 0.5), run("v1", 1, 0.70), run("v1", 2, 0.65)]
    frame = statistics.summary(runs)
    assert frame["name"].tolist() == ["v1", "v2"]
    assert frame["runs"].tolist() == [3, 1]
    row = frame.iloc[0]
    assert row["accuracy"] == pytest.approx(0.65)
    assert row["high"] - row["accuracy"] == pytest.approx(4.303 * 0.05 / math.sqrt(3), rel=1e-3)
    assert row["interval"] == "Student t, 3 seeds"
    assert (row["measured_on"], row["seconds"], row["images_per_second"]) == ("validation", 4.0, 45.0)
    single = frame.iloc[1]
    assert (single["low"], single["high"]) == pytest.approx(statistics.wilson_interval(5, 10))
    assert single["interval"] == "Wilson, 10 images of one run"


def test_summary_has_no_interval_over_seeds_of_which_some_did_not_learn():
    row = statistics.summary([run("vgg", 0, 0.10), run("vgg", 1, 0.69), run("vgg", 2, 0.65)]).iloc[0]
    assert math.isnan(row["low"])
    assert math.isnan(row["high"])
    assert row["interval"] == "none: Student t leaves 0 to 100 %"
    assert row["by_seed"] == (0.10, 0.69, 0.65)


def test_summary_prefers_the_test_set_and_keeps_modes_and_data_apart():
    first = run(test={"loss": 1.0, "accuracy": 0.25, "correct": 25, "total": 100})
    other = run(data=DATA | {"name": "other"})
    frame = statistics.summary([first, run(mode="quick"), other])
    assert frame["measured_on"].tolist() == ["test", "validation", "validation"]
    assert frame["accuracy"].tolist() == [0.25, 0.6, 0.6]
    assert (frame["low"][0], frame["high"][0]) == pytest.approx(statistics.wilson_interval(25, 100))


def test_summary_without_any_measured_accuracy_says_so():
    bare = run()
    for record in bare.epochs:
        record |= {"validation_loss": None, "validation_accuracy": None}
    row = statistics.summary([bare]).iloc[0]
    assert math.isnan(row["accuracy"])
    assert math.isnan(row["by_seed"][0])
    assert row["measured_on"] == "nothing"


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([], "at least one run"),
        ([run(finished=0)], "no finished epoch"),
        ([run(), run()], "2 runs named 'v1' have the seed 0"),
        ([run(), run(seed=1, settings={"epochs": 2, "batch_size": 16})], "differ in batch_size: 8 and 16"),
        ([run(), run(seed=1, data=DATA | {"train_size": 80})], "differ in train_size: 90 and 80"),
        ([run(), run(seed=1, finished=1)], "differ in finished epochs: 2 and 1"),
    ],
)
def test_summary_refuses_to_average_what_does_not_belong_together(runs, message):
    with pytest.raises(ValueError, match=message):
        statistics.summary(runs)


def test_mean_difference_of_a_worked_example():
    # W. S. Gosset's sleep data ("The Probable Error of a Mean", 1908): extra hours of sleep, drug 2 less drug 1.
    gained = [1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]
    found = statistics.mean_difference(gained)
    assert (found["seeds"], found["mean"]) == (10, pytest.approx(1.58))
    assert (found["low"], found["high"]) == (pytest.approx(0.7001, abs=1e-4), pytest.approx(2.4599, abs=1e-4))
    assert found["p"] == pytest.approx(0.002833, abs=1e-6)
    assert found["standard error"] == pytest.approx(1.58 / 4.0621, rel=1e-4)


def test_mean_difference_excludes_zero_exactly_where_p_is_below_five_per_cent():
    for shift in (0.2, 0.5, 0.57, 0.58, 0.6, 1.0):
        found = statistics.mean_difference([shift - 1, shift - 0.3, shift, shift + 0.2, shift + 0.9])
        assert (found["low"] > 0) == (found["p"] < 0.05)
    assert [statistics.mean_difference([same] * 3)["p"] for same in (-0.5, 0.0, 0.5)] == [0, 1, 0]


@pytest.mark.parametrize(("differences", "mean"), [([], math.nan), ([1.5], 1.5)])
def test_mean_difference_of_too_few_says_what_is_known(differences, mean):
    found = statistics.mean_difference(differences)
    assert found["seeds"] == len(differences)
    assert found["mean"] == pytest.approx(mean, nan_ok=True)
    assert all(math.isnan(found[name]) for name in ("standard error", "low", "high", "p"))


@pytest.mark.parametrize(("effect", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15), (1.0, 10)])
def test_seeds_needed_are_those_of_the_printed_tables(effect, pairs):
    """Pairs for a power of 80 % at 5 %, two-sided (J. Cohen's effects, as G*Power 3.1 gives them)."""
    assert statistics.seeds_needed(effect, 1) == statistics.seeds_needed(2 * effect, 2) == pairs


@pytest.mark.parametrize("effect", [0.81, 1.68, 2.1])
def test_one_seed_less_than_needed_would_be_too_few(effect):
    """By integrating over the spread that is estimated, which follows a chi-squared distribution."""

    def power(number: int) -> float:
        limit, free = statistics.student_t(number), number - 1
        shift = effect * math.sqrt(number)
        return stats.chi2(free).expect(lambda squares: stats.norm.cdf(shift - limit * np.sqrt(squares / free)))

    needed = statistics.seeds_needed(effect, 1)
    assert power(needed - 1) < 0.8 <= power(needed)


def test_seeds_needed_see_the_difference_as_often_as_was_asked_for():
    seeds, rng = statistics.seeds_needed(2, 2.5, power=0.7), np.random.default_rng(0)
    seen = [statistics.student_interval(list(rng.normal(2, 2.5, seeds)))[0] > 0 for _ in range(2000)]
    assert 0.68 < np.mean(seen) < 0.78
    assert statistics.seeds_needed(100, 1) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1), "difference and spread must be above 0, not 0 and 1"),
        ((1, -1), "difference and spread"),
        ((1, math.nan), "difference and spread"),
        ((1, 1, 80), "power must lie between 0 and 1, not 80"),
        ((1, 1, 0.8, 95), "confidence must lie between 0 and 1"),
    ],
)
def test_seeds_needed_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        statistics.seeds_needed(*arguments)


def test_the_recipe_is_told_in_a_line():
    how = {"optimizer": "sgd", "schedule": "one_cycle", "learning_rate": 0.08, "batch_size": 64, "augment": True}
    trained = run(settings=how)
    assert statistics.recipe([trained, trained]) == "sgd one_cycle 0.08, batch 64, 2 epochs, augmented"
    other = run(settings=how | {"learning_rate": 0.01, "augment": False})
    assert statistics.recipe([trained, other]).endswith("augmented / sgd one_cycle 0.01, batch 64, 2 epochs")


def test_confusion_counts_true_classes_in_rows():
    counted = statistics.confusion([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 0, 2], classes=4)
    assert counted.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [2, 0, 1, 0], [0, 0, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "predictions", "words"),
    [([0, 1], [0], "equal length"), ([0, 3], [0, 1], "from 0 to 2"), ([0, 1], [-1, 1], "from 0 to 2")],
)
def test_confusion_refuses_what_it_cannot_count(labels, predictions, words):
    with pytest.raises(ValueError, match=words):
        statistics.confusion(labels, predictions, classes=3)


def measured(right: str, source: str = "made here", **others) -> Run:
    test = {"loss": 1.0, "accuracy": 0.5, "correct": right.count("1"), "total": len(right), "right": right}
    return run(test=test, data={**DATA, "test_source": source}, **others)


def test_paired_runs_are_counted_image_by_image():
    counted = statistics.paired(measured("110010"), measured("101011"))
    assert counted == {"both": 2, "only_first": 1, "only_second": 2, "neither": 1}


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (run(seed=3), "does not say which test images were classified correctly"),
        (measured("11"), "different images"),
        (measured("110011", source="elsewhere"), "different images"),
    ],
)
def test_runs_that_cannot_be_paired_are_refused(second, words):
    with pytest.raises(ValueError, match=words):
        statistics.paired(measured("110010"), second)


def test_what_was_counted_afterwards_does_not_part_runs():
    settings = {"epochs": 2, "batch_size": 8}
    both = [run(settings=settings), run(seed=1, settings={**settings, "macs": 7, "step": "static"})]
    assert statistics.summary(both)["runs"].tolist() == [2]


def here(step: str, threads: int, **others) -> Run:
    settings = {"epochs": 2, "batch_size": 8, "step": step}
    return measured("110010", settings=settings, machine={"processor": "one", "threads": threads}, **others)


def test_other_steps_and_threads_are_named():
    slow, fast = here("dynamic", 1), here("static", 2, seed=1)
    assert statistics.computed([slow]) == "dynamic step, 1 thread"
    assert statistics.computed([fast, slow]) == "dynamic or static step, 1 or 2 threads"
    assert statistics.summary([slow, fast])["computed"].tolist() == ["dynamic or static step, 1 or 2 threads"]
    assert statistics.summary([fast])["computed"].tolist() == ["static step, 2 threads"]
    assert statistics.paired(slow, fast)["computed"] == "dynamic or static step, 1 or 2 threads"
    assert statistics.paired(slow, here("dynamic", 2))["computed"] == "dynamic step, 1 or 2 threads"
    assert "computed" not in statistics.paired(slow, here("dynamic", 1))


# --- Rank correlation ---
def test_a_rank_correlation_is_spearmans_and_lies_in_its_interval():
    rng = np.random.default_rng(1)
    first = rng.random(15)
    second = first + 0.3 * rng.random(15)
    r, low, high = statistics.rank_correlation(first, second)
    assert r == pytest.approx(stats.spearmanr(first, second).statistic)
    assert low < r < high <= 1
    assert statistics.rank_correlation(first, np.exp(first))[:2] == pytest.approx((1, 1))
    assert statistics.rank_correlation(first, -first) == pytest.approx((-1, -1, -1))


def test_the_interval_of_a_rank_correlation_is_the_bootstraps():
    """Each draw by SciPy; with ties, and with draws of one pair alone, which have no order."""
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 9, 6), rng.integers(0, 9, 6)
    places = np.random.default_rng(0).integers(6, size=(2000, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        draws = [stats.spearmanr(first[place], second[place]).statistic for place in places]
    assert statistics.rank_correlation(first, second)[1:] == pytest.approx(np.nanpercentile(draws, (2.5, 97.5)))


def test_unrelated_orders_are_told_as_such_and_too_few_refused():
    rng = np.random.default_rng(0)
    _, low, high = statistics.rank_correlation(rng.random(15), rng.random(15))
    assert low < 0 < high
    with pytest.raises(ValueError, match="at least four pairs"):
        statistics.rank_correlation([1, 2, 3], [1, 2, 3])


# --- Medians of rounds ---
def test_the_interval_of_a_median_is_the_bootstraps_over_rounds():
    """Each draw by hand; the calls of a round stay together."""
    rounds = np.random.default_rng(3).random((7, 4))
    places = np.random.default_rng(0).integers(7, size=(2000, 7))
    by_hand = [np.median(np.concatenate([rounds[one] for one in draw])) for draw in places]
    median, low, high = statistics.median_interval(rounds)
    assert median == pytest.approx(np.median(rounds))
    assert (low, high) == pytest.approx(np.percentile(by_hand, (2.5, 97.5)))
    assert statistics.median_interval(rounds[:, 0]) == statistics.median_interval(rounds[:, :1])


def test_more_rounds_make_a_median_surer():
    values = np.random.default_rng(4).random(400)
    widths = [high - low for _, low, high in map(statistics.median_interval, (values[:20], values))]
    assert widths[1] < widths[0] / 2


def test_what_slows_both_in_a_round_falls_out_of_a_paired_ratio():
    load = 1 + np.random.default_rng(5).random(12)
    ratio, low, high = statistics.ratio_of_medians(3 * load, 2 * load)
    assert (ratio, low, high) == pytest.approx((1.5, 1.5, 1.5))
    _, low, high = statistics.ratio_of_medians(3 * load, 2 * load[:9], paired=False)
    assert low < 1.3
    assert high > 1.7


def test_a_ratio_of_noise_holds_one_mostly():
    """95 % intervals: of 200 comparisons of equal programs, a handful may leave out 1."""
    rng = np.random.default_rng(6)
    found = [statistics.ratio_of_medians(*(1 + rng.random((2, 15)))) for _ in range(200)]
    assert sum(low <= 1 <= high for _, low, high in found) >= 180


@pytest.mark.parametrize("rounds", [[1.0, 2.0], [], 3.0, np.ones((3, 2, 2))])
def test_too_few_rounds_show_no_spread(rounds):
    with pytest.raises(ValueError, match="an interval needs three rounds or more"):
        statistics.median_interval(rounds)


def test_unequal_rounds_are_no_pairs():
    with pytest.raises(ValueError, match="as many rounds to be paired, not 4 and 3"):
        statistics.ratio_of_medians([1, 2, 3, 4], [1, 2, 3])
