"""Designs, budgets, the Pareto front, the recorded trainings, the card, and the explorer without a browser."""

from __future__ import annotations

import dataclasses
import html
import json
import math
import random
import re

import pandas as pd
import pytest
import traitlets
from explorers import NARROW_V2, made_up
from hypothesis import given
from hypothesis import strategies as st

from mobilenet_lib import architectures, models, papers, runs, statistics, widgets
from mobilenet_lib.counting import count
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.experiments import design, design_card
from mobilenet_lib.experiments.design import COSTS, Budget, Design, pareto_front
from mobilenet_lib.experiments.recorded import __main__ as record
from mobilenet_lib.training import plans


def a_run(accuracy: float = 0.5, seed: int = 0, threads: int = 1) -> runs.Run:
    """A recorded run with another result on 2,000 images."""
    run = runs.recorded("design_linear_softmax_seed0")
    test = {"loss": 1.0, "accuracy": accuracy, "correct": round(2000 * accuracy), "total": 2000}
    return dataclasses.replace(run, test=test, seed=seed, machine={**run.machine, "threads": threads})


def a_row(*accuracies: float, threads: int = 1) -> pd.DataFrame:
    """The row of a design whose seeds 0, 1, … reached these accuracies."""
    of_design = [a_run(accuracy, seed, threads) for seed, accuracy in enumerate(accuracies)]
    return design.trained([(Design("v1", 0.1), of_design)])


# --- Designs ---
@pytest.mark.parametrize(
    ("made", "table"),
    [
        (Design("v1", 0.5, 224, stem_stride=2, num_classes=1000), architectures.mobilenet_v1(0.5)),
        (Design("v2", 1.0, 224, stem_stride=2, num_classes=1000), architectures.mobilenet_v2()),
        (Design("v1", 0.25, expansion=3), architectures.mobilenet_v1(0.25, 32, 10, 1)),
        (
            Design("v2", 0.25, 24, 3, strides=(1, 1, 1, 1, 1, 1, 2)),
            architectures.mobilenet_v2(0.25, 24, 10, 1, bottlenecks=NARROW_V2),
        ),
    ],
    ids=lambda one: getattr(one, "title", ""),
)
def test_a_design_is_a_network_of_the_tables(made, table):
    assert made.table.blocks == table.blocks


@pytest.mark.parametrize("name", ["v1_025_16px", "v1_015_late", "v2_025_t1", "v2_050_stem2"])
def test_the_network_that_is_built_is_the_table_that_was_counted(name):
    made = design.TRAINED[name]
    measured = count(models.build(**made.network), (3, made.resolution, made.resolution))
    assert (measured.macs, measured.params) == (made.table.macs, made.table.trainable_params)
    assert json.loads(json.dumps(made.network)) == made.network


def test_equal_choices_are_equal_designs_with_one_title():
    papers = tuple(stride for stride, _ in architectures.V1_SEPARABLE)
    assert Design("v1", strides=papers, expansion=4) == Design("v1") == Design("v1", strides=[])
    titles = [one.title for one in design.TRAINED.values()]
    assert len(set(titles)) == len(titles) >= 12
    assert Design("v2", 0.25, 24, 3, 2).title == "V2 α=0.25 t=3 24 px stem stride 2"
    assert Design("v2", strides=(1, 1, 2, 2, 1, 2, 1)).title == "V2 α=0.25 t=6 stride 2 at 3/4/6"
    assert Design("v2", strides=(1,) * 7).title == "V2 α=0.25 t=6 stride 2 at none"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"family": "v3"}, 'family must be "v1" or "v2"'),
        ({"family": "v2", "expansion": 0}, "expansion must be a whole number of at least 1"),
        ({"width_multiplier": 0.01}, "leaves none of 32 channels"),
        ({"resolution": 0}, "resolution must be a whole number"),
        ({"stem_stride": 3}, "stem_stride must be 1 or 2"),
        ({"strides": (1, 2)}, "strides must be 13 numbers for v1"),
        ({"strides": (3,) * 13}, "strides must be 1 or 2 for each pair"),
    ],
    ids=str,
)
def test_choices_that_make_no_network_are_refused(wrong, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        Design(**wrong)


# --- Budgets ---
def test_a_budget_is_kept_up_to_its_limit_and_not_beyond():
    macs = Design().table.macs
    assert Budget(macs=macs).fits(Design())
    assert not Budget(macs=macs - 1).fits(Design())
    report = Budget(macs=2 * macs, params=1).report(Design())
    assert report.loc["MACs", "% of limit"] == 50
    assert list(report["verdict"]) == ["fits", "too much"]
    assert not Budget(macs=2 * macs, params=1).fits(Design())


def test_a_limit_of_time_needs_a_measurement():
    budget = Budget(milliseconds=5)
    with pytest.raises(ValueError, match="measure them"):
        budget.fits(Design())
    assert (budget.fits(Design(), 5.0), budget.fits(Design(), 5.1)) == (True, False)


@pytest.mark.parametrize("wrong", [{}, *({"macs": one} for one in (0, -1, math.nan, "2M", True)), {"params": -1}])
def test_a_budget_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match=r"at least one limit|must be a number above 0"):
        Budget(**wrong)


# --- The front ---

# Few, so that equal costs, equal accuracies and equal points are common.
_NUMBERS = st.integers(0, 12)


def _beats(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one[0] <= other[0] and one[1] >= other[1] and one != other


@given(st.lists(st.tuples(_NUMBERS, _NUMBERS), min_size=1, max_size=20))
def test_the_front_is_that_of_all_pairs(points):
    front = pareto_front(points)
    undominated = [place for place, point in enumerate(points) if not any(_beats(other, point) for other in points)]
    assert sorted(front) == undominated
    assert [points[place] for place in front] == sorted(points[place] for place in front)
    dominating = EXERCISES["dominating"].reference
    assert [dominating(points[place], points) for place in front] == [0] * len(front)


@given(st.lists(_NUMBERS, min_size=1, max_size=12, unique=True), st.randoms())
def test_the_exercise_finds_the_librarys_front(costs, rng: random.Random):
    accuracies = rng.sample(range(1, 50), len(costs))
    points = list(zip(costs, accuracies, strict=True))
    assert EXERCISES["front_indices"].reference(points) == pareto_front(points)


@pytest.mark.parametrize(("wrong", "said"), [([], "at least one"), ([(1.0, math.nan)], "NaN")])
def test_points_that_have_no_front_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        pareto_front(wrong)


@given(st.floats(0.1, 1.5))
def test_the_law_of_the_width_and_its_inverse(width):
    """Exact where α leaves whole channels; and `widest` spends what `macs_at_width` counts."""
    parts = Design("v1", 1.0).table.by_kind()["macs"]
    pointwise, rest = int(parts["pointwise"]), int(parts.sum() - parts["pointwise"])
    at = EXERCISES["macs_at_width"].reference
    assert at(pointwise, rest, 0.25) == Design("v1", 0.25).table.macs
    widest = EXERCISES["widest"].reference(pointwise, rest, at(pointwise, rest, width))
    assert widest == pytest.approx(width)


# --- What was trained ---
def test_a_run_that_was_tested_on_nothing_has_no_row():
    run = a_run()
    epochs = [{**epoch, "validation_accuracy": None} for epoch in run.epochs]
    for untested in (dataclasses.replace(run, test=None, epochs=some) for some in (epochs, [])):
        with pytest.raises(ValueError, match="was tested on no images"):
            design.trained([(Design("v1", 0.1), [untested])])


def test_the_figure_names_the_front_and_keeps_quiet_about_the_star():
    frame = design.candidates()
    fig, alt = design.trade_off(frame, "params", own=a_row(0.8))
    for name in design.front(frame, "params"):
        assert f"{name} {100 * frame.loc[name, 'accuracy']:.1f} %" in alt
    assert alt.endswith("A star marks V1 α=0.1.")
    labels = [text.get_text() for text in fig.legends[0].get_texts()]
    own = "yours: V1 α=0.1, one seed"
    assert {"V1", "V2", "baseline", "front", own, *design.front(frame, "params")} <= set(labels)
    assert [line.get_markerfacecolor() for line in fig.axes[0].lines if line.get_marker() == "*"] == ["white"]


def test_one_seed_has_no_interval_and_several_have_one_over_seeds():
    (one,), (three,) = a_row(0.8).itertuples(), a_row(0.79, 0.8, 0.81).itertuples()
    assert [math.isnan(end) for end in (one.low, one.high)] == [True, True]
    assert (three.low, three.high) == statistics.student_interval([0.79, 0.8, 0.81])
    assert three.by_seed == {0: 0.79, 1: 0.8, 2: 0.81}


@pytest.mark.parametrize(
    ("own", "verdict"),
    [
        (a_row(0.80, 0.82, 0.81), "better"),
        (a_row(0.60, 0.62, 0.61), "worse"),
        (a_row(0.72, 0.70, 0.74), "open: the interval holds 0"),
        (a_row(0.99), "no claim: one seed shows no spread, train more"),
        (a_row(0.99, 0.98, 0.99, threads=2), "no claim: other threads"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_claim_needs_seeds_that_carry_it_and_equal_conditions(own, verdict):
    frame = a_row(0.70, 0.72, 0.71)
    (name,) = frame.index
    found = design.against(own, frame, name)
    assert found["verdict"] == verdict
    assert math.isnan(found["low"]) == verdict.startswith("no claim")
    assert design.unlike(own, frame, name) == ({"threads": ("2", "1")} if "threads" in verdict else {})


def test_the_interval_is_that_of_pairs_of_equal_seed():
    """Apart, the seeds spread widely; the differences hardly do."""
    own, frame = a_row(0.61, 0.71, 0.8105), a_row(0.60, 0.70, 0.80)
    found = design.against(own, frame, frame.index[0])
    assert (found["low"], found["high"]) == pytest.approx(statistics.student_interval([1, 1, 1.05]))
    assert found["verdict"] == "better"


def test_the_rival_is_the_best_other_one_that_costs_no_more():
    frame = design.candidates()
    for one in design.TRAINED.values():
        affordable = frame[frame.macs <= one.table.macs].drop(one.title)
        assert design.rival(one, frame) == affordable.accuracy.idxmax()
    assert design.rival(Design("v1", 0.05), made_up()) == made_up().macs.idxmin()
    wide = frame.loc[["V2 α=0.5 t=6"]]  # the baseline's own rate keeps nobody from being compared with it
    assert design.against(wide, frame, "linear softmax")["verdict"] == "better"
    assert design.against(frame.iloc[:1], frame, wide.index[0])["verdict"] == "worse"


# --- The recorded trainings ---
@pytest.mark.parametrize("name", design.TRAINED)
def test_a_design_was_recorded_with_every_seed(name):
    for seed in design.SEEDS:
        run = runs.recorded(f"design_{name}_seed{seed}")
        assert run.settings["network"] == design.TRAINED[name].network
        assert (run.seed, run.settings["epochs"], run.interrupted) == (seed, design.EPOCHS, False)
        assert (run.data["train_size"], run.test["total"]) == (6000, 2000)


def test_all_recorded_designs_can_be_compared():
    frame = design.recorded()
    assert frame["conditions"].map(str).nunique() == 1
    row = frame.loc["V1 α=0.25"]
    assert [row[cost] for cost in COSTS] == [getattr(Design().table, cost) for cost in COSTS]
    assert row["accuracy"] == pytest.approx(sum(row["by_seed"].values()) / len(design.SEEDS))
    with pytest.raises(ValueError, match="cost must be one of macs"):
        design.front(frame, "MACs")


def test_the_learners_design_is_trained_as_the_recorded_ones_are(monkeypatch):
    planned = []
    monkeypatch.setattr(plans, "carry_out", lambda plan, *_: planned.append(plan))
    for one, name in ((design.TRAINED["v2_025_t3"], "v2_025_t3"), (design.Baseline(), "linear_softmax")):
        design.train(one, seed=2)
        own, theirs = planned.pop(), record.RUNS[f"design_{name}_seed2"]
        assert own.options.rate(own.learning_rate) == theirs.options.rate(theirs.learning_rate)
        named = dataclasses.replace(theirs.options, mode=own.options.mode)
        like = {"learning_rate": own.learning_rate, "keep_checkpoint": False, "timed": True, "options": named}
        assert own == dataclasses.replace(theirs, **like)


def test_on_the_front_of_the_authors_networks_stands_no_v1():
    """Lesson 09 says so, and that the V1 of 160 pixels, which V2 with α = 1 does not dominate, another V2 does."""
    lists = pd.concat([papers.compare(name, "list") for name in ("v1_models", "v2_models")])
    wide = lists.pivot(index="row", columns="unit", values=["ours", "paper"])
    points = list(zip(wide["ours", "M MACs"], wide["paper", "% ImageNet accuracy"], strict=True))
    at = dict(zip(wide.index, points, strict=True))
    assert len(at) == 38
    assert all("V2" in wide.index[place] for place in pareto_front(points))
    v1, wide_v2 = at["1.00 MobileNet-160"], at["1.00 MobileNetV2-224"]
    assert not _beats(wide_v2, v1)
    assert _beats(at["0.75 MobileNetV2-224"], v1)


# --- The card ---
def test_the_card_says_all_that_one_needs_to_judge(tmp_path):
    made, frame = design.TRAINED["v2_025_t3"], made_up()
    of_design = [a_run(0.6 + seed / 100, seed) for seed in (0, 1)]
    paths = design_card.write(made, of_design, frame, Budget(macs=1_000_000), tmp_path / "cards", 12.344)
    assert [path.name for path in paths] == [f"v2_a025_t3_recorded_seed0-1.{kind}" for kind in ("html", "csv")]
    page = paths[0].read_text(encoding="utf-8")
    rows = pd.read_csv(paths[1], index_col="what")["value"]
    for text in (*rows, *rows.index):
        assert html.escape(str(text), quote=False).replace("'", "") in page.replace("&#x27;", "").replace("'", "")
    assert rows["MACs"] == f"{made.table.macs:,}"
    assert rows["budget: MACs"] == "186 % of 1,000,000: too much"
    assert rows["milliseconds, one image"] == "12.34"
    for told in (
        "6,000 training images, 3 epochs, batch 64",
        "sgd at most 0.01",
        "static step, 1 thread",
        "seeds 0, 1",
    ):
        assert told in rows["training"]
    assert rows["by seed"] == "0: 60.0 %, 1: 61.0 %"
    assert rows["verdict"].startswith("no claim: other epochs")
    assert rows["rival, the best that costs no more MACs"].startswith(design.rival(made, frame))
    assert re.search('<img alt="[^"]{40,}', page)


def test_the_card_of_a_design_with_strides_of_its_own_has_a_name_that_files_may_have(tmp_path):
    made = design.TRAINED["v1_015_late"]
    path, _ = design_card.write(made, [a_run()], made_up(), Budget(macs=1), tmp_path)
    assert path.name == "v1_a015_stride_2_at_4-6-12_recorded_seed0.html"
    assert "none: one seed" in path.read_text(encoding="utf-8")


def test_a_card_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    arguments = (design.TRAINED["v2_025_t3"], [a_run()], made_up(), Budget(macs=1))
    path, _ = design_card.write(*arguments, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        design_card.write(*arguments, tmp_path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    with pytest.raises(NotADirectoryError, match="is a file: give another name"):
        design_card.write(*arguments, path)


# --- The explorer ---
def test_the_explorer_starts_and_counts_as_it_is_told():
    frame, start = made_up(), Design("v2", 0.25, expansion=2)
    budget = Budget(macs=2_000_000, params=100_000)
    explorer = widgets.design_explorer(start, budget, frame)
    assert (explorer.design, explorer.budget) == (start, budget)
    table = explorer.frame()
    assert list(table["used"]) == [getattr(start.table, cost) for cost in COSTS]
    assert list(table["verdict"]) == ["fits", "too much", ""]
    alt = explorer.figure()[1]
    assert f"A line marks {start.title} at {start.table.macs:,} MACs" in alt
    assert "weights 157 % of the limit, too much" in alt
    explorer.set_state({"family": "v1", "max_macs": 0, "max_params": 0, "cost": "params"})
    assert (explorer.design.family, explorer.budget) == ("v1", None)
    assert "against weights, logarithmic" in explorer.figure()[1]
    with pytest.raises(traitlets.TraitError, match="max_macs must be a whole number of at least 0"):
        explorer.max_macs = -1
    of_one_seed = widgets.design_explorer(trained=a_row(0.8))
    assert (of_one_seed.points[0]["low"], "V1 α=0.1 80.0 %" in of_one_seed.figure()[1]) == (None, True)


def test_the_explorer_works_without_trained_designs_and_refuses_milliseconds():
    assert "No budget is set" in widgets.design_explorer().figure()[1]
    with pytest.raises(ValueError, match="counts and does not measure"):
        widgets.design_explorer(budget=Budget(milliseconds=1))
