"""Designs, budgets, the Pareto front, the recorded trainings, the card, and the explorer without a browser."""

from __future__ import annotations

import dataclasses
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

from mobilenet_lib import architectures, models, runs, widgets
from mobilenet_lib.counting import count
from mobilenet_lib.course.exercises import EXERCISES
from mobilenet_lib.experiments import design
from mobilenet_lib.experiments.design import COSTS, Budget, Design, pareto_front


def a_run(accuracy: float = 0.5) -> runs.Run:
    """A recorded run with another result on 2,000 images."""
    test = {"loss": 1.0, "accuracy": accuracy, "correct": round(2000 * accuracy), "total": 2000}
    return dataclasses.replace(runs.recorded("fashion_v2_paper_seed0"), test=test)


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
    frame = made_up()
    fig, alt = design.trade_off(frame, "params", own=frame.iloc[[0]])
    for name in design.front(frame, "params"):
        assert f"{name} {100 * frame.loc[name, 'accuracy']:.1f} %" in alt
    assert alt.endswith(f"A star marks {frame.index[0]}.")
    labels = [text.get_text() for text in fig.legends[0].get_texts()]
    assert {"V1", "V2", "front", *design.front(frame, "params")} <= set(labels)


# --- The recorded trainings ---
@pytest.mark.parametrize("training", design.TRAININGS)
def test_all_designs_were_trained_in_the_same_way(training):
    how, checksums = design.TRAININGS[training], set()
    settings = ("epochs", "batch_size", "learning_rate")
    for name, run_names in design.run_names(training).items():
        for seed, run_name in zip(how["seeds"], run_names, strict=True):
            run = runs.recorded(run_name)
            assert run.settings["network"] == design.TRAINED[name].network
            assert (run.name, run.seed) == (design.TRAINED[name].title, seed)
            assert [run.settings[key] for key in settings] == [how[key] for key in settings]
            assert (run.data["train_size"], run.test["total"]) == (how["images"], 2000)
            assert not run.interrupted
            if design.TRAINED[name].resolution == 32:
                checksums.add(run.data["checksum"])
    assert len(checksums) == 1


def test_a_row_has_the_costs_of_its_table_and_the_mean_of_its_seeds():
    frame = design.recorded("longer")
    for name, made in design.TRAINED.items():
        row = frame.loc[made.title]
        names = design.run_names("longer")[name]
        reached = [runs.recorded(run_name).test["accuracy"] for run_name in names]
        assert [row[cost] for cost in COSTS] == [getattr(made.table, cost) for cost in COSTS]
        assert row["by_seed"] == tuple(reached)
        assert row["accuracy"] == pytest.approx(sum(reached) / len(reached))
        assert row["low"] < row["accuracy"] < row["high"]
    with pytest.raises(ValueError, match="training must be one of longer, quick"):
        design.recorded("long")
    with pytest.raises(ValueError, match="cost must be one of macs"):
        design.front(frame, "MACs")


def test_the_lesson_says_what_the_record_shows():
    """The sentences of lesson 09 on the recorded runs; trained anew, one that no longer holds must be written anew."""
    frame, quick = design.recorded("longer"), design.recorded("quick")["accuracy"]
    titles = {made.title: name for name, made in design.TRAINED.items()}
    frame, quick = frame.rename(index=titles), quick.rename(index=titles)
    right, macs = 100 * frame["accuracy"], frame["macs"]
    fronts = {cost: set(design.front(frame, cost)) for cost in COSTS}
    on_front = ["v1_010", "v2_025_t1", "v1_015_late", "v2_010_late", "v1_050"]
    assert design.front(frame) == on_front
    assert macs["v1_050"] / macs["v1_010"] == pytest.approx(19, abs=0.5)
    assert [f"{right[name]:.1f}" for name in ("v1_010", "v1_050")] == ["70.8", "78.2"]
    assert right["v2_025_t1"] > max(right["v2_025_t3"], right["v2_025"])
    assert [f"{right[name]:.1f}" for name in ("v2_010", "v2_010_late")] == ["72.9", "78.0"]
    assert macs["v2_010_late"] / macs["v2_010"] == pytest.approx(3, abs=0.2)
    assert [f"{right[name]:.1f}" for name in ("v1_025_16px", "v1_025_stem2")] == ["60.8", "70.0"]
    assert right.idxmin() == "v1_025_16px"

    by_seed = pd.DataFrame((100 * pd.DataFrame(frame["by_seed"].tolist())).to_numpy(), frame.index)
    assert list(by_seed.loc["v1_025"].round(2)) == [74.9, 73.5]
    distance, small = (by_seed[0] - by_seed[1]).abs(), frame.index.str.contains("stem2|16px")
    line, without_small = (2 * ((of_them**2).mean() / 2) ** 0.5 for of_them in (distance, distance[~small]))
    gain = right[on_front].diff().iloc[1:]
    assert (gain < line).all(), "no step is more than noise"
    assert right["v1_050"] - right["v1_010"] == pytest.approx(7.4, abs=0.05)
    assert line < 7.4
    assert (small.sum(), (gain > without_small).sum()) == (4, 2)
    assert distance[small].mean() > 2 * distance[~small].mean(), "swing most"

    first, second = (set(design.front(frame.assign(accuracy=by_seed[seed]))) for seed in (0, 1))
    change = by_seed[1] - by_seed[0]
    lost, won = change[list(first)].mean(), change.drop(list(first))
    assert (len(first), len(first & second)) == (6, 3)
    assert [f"{lost:.1f}", f"{won.mean():.1f}"] == ["-0.4", "2.2"]
    assert "v2_025_t3" in first
    assert f"{change['v2_025_t3']:.1f}" == "-4.7"
    assert f"{change['v2_050_stem2']:.1f}" == "11.6"
    assert won["v2_050_stem2"] > won.sum() / 2

    assert fronts["macs"] & fronts["params"] & fronts["peak_activations"] == {"v1_010", "v1_050"}
    late, early = {"v1_015_late", "v2_010_late"}, {"v1_025_stem2", "v1_050_stem2"}
    assert late <= fronts["params"]
    assert not late & fronts["peak_activations"]
    assert early <= fronts["peak_activations"]

    assert right.rank(ascending=False)[quick.idxmax()] == 3
    assert quick.idxmin() == "v1_015_late"
    ranks, short = by_seed.rank(), quick.rank()
    of_quick = max(short.corr(ranks[seed]) for seed in (0, 1))
    assert (f"{ranks[0].corr(ranks[1]):.2f}", f"{of_quick:.2f}") == ("0.64", "0.34")


# --- The card ---
def test_the_card_says_all_that_one_needs_to_judge(tmp_path):
    made, frame = design.TRAINED["v2_025_t3"], made_up()
    paths = design.write_card(made, a_run(0.6), frame, Budget(macs=1_000_000), tmp_path / "cards", 12.344)
    assert [path.name for path in paths] == [f"v2_a025_t3_recorded_seed0.{kind}" for kind in ("html", "csv")]
    page = paths[0].read_text(encoding="utf-8")
    rows = pd.read_csv(paths[1], index_col="what")["value"]
    for text in (*rows, *rows.index):
        assert str(text) in page or "&" in page
    assert rows["MACs"] == f"{made.table.macs:,}"
    assert rows["budget: MACs"] == "186 % of 1,000,000: too much"
    assert rows["milliseconds, one image"] == "12.34"
    assert "6,000 training images, 6 epochs · seed 0" in rows["training"]
    assert "paddlepaddle" in rows["versions"]
    assert re.search('<img alt="[^"]{40,}', page)
    better = frame[(frame.macs <= made.table.macs) & (frame.accuracy >= 0.6)]
    assert all(name in rows["no more MACs, no worse"] for name in better.index)


def test_a_card_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    arguments = (design.TRAINED["v2_025_t3"], a_run(), made_up(), Budget(macs=1))
    path, _ = design.write_card(*arguments, tmp_path)
    before = path.read_bytes()
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        design.write_card(*arguments, tmp_path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    with pytest.raises(NotADirectoryError, match="is a file: give another name"):
        design.write_card(*arguments, path)


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


def test_the_explorer_works_without_trained_designs_and_refuses_milliseconds():
    assert "No budget is set" in widgets.design_explorer().figure()[1]
    with pytest.raises(ValueError, match="counts and does not measure"):
        widgets.design_explorer(budget=Budget(milliseconds=1))
