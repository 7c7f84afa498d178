"""The recorded speeds are complete, agree with the networks, and a file without provenance is refused."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pytest
from scipy import stats

from mobilenet_lib import architectures, baselines, counting, models, statistics
from mobilenet_lib.course.questions import QUESTIONS
from mobilenet_lib.experiments.on_card import plans
from mobilenet_lib.experiments.speed import measured, steps

FIELDS = [
    path
    for name, part in measured.SCHEMA["properties"].items()
    for path in (
        (name,),
        *((name, field) for field in part.get("properties", ())),
        *((name, 0, field) for field in part.get("items", {}).get("properties", ())),
    )
]


@pytest.fixture
def record():
    return copy.deepcopy(measured.load(measured.PATH))


@pytest.mark.parametrize("path", FIELDS, ids=str)
def test_a_record_without_a_field_is_refused(record, tmp_path, path):
    holder = record
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    file = tmp_path / "speed.json"
    file.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match=f"the field '{path[-1]}' is missing"):
        measured.load(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.update(started="yesterday"), "ISO date"),
        (lambda r: r.update(timings=[]), "'timings' does not fit: .* should be non-empty"),
        (lambda r: r["versions"].update(onnxruntime="not installed"), "'onnxruntime' .* 'not installed' should not be"),
        (lambda r: r["machine"].update(processor=""), "machine: the field 'processor' .* '' should be non-empty"),
        (lambda r: r["machine"].update(cores=True), "'cores' should be a whole number, not True"),
        (
            lambda r: r["timings"][0].update(seconds=[[0.1], [0.1]]),
            r"timings\[0\]: the field 'seconds' .* is too short",
        ),
        (lambda r: r["timings"][0]["seconds"].append([-0.1]), r"seconds\[\d+\]\[0\] does not fit: -0.1 is less than"),
        (
            lambda r: r["timings"][0]["seconds"][1].append(math.inf),
            r"seconds\[1\]\[\d+\] .*be a finite number, not inf",
        ),
        (
            lambda r: r["timings"][0]["seconds"][1].append(0.1),
            r"timings\[0\]: its rounds have unequal numbers of calls",
        ),
        (lambda r: r["timings"][0].update(network="alexnet"), "is not among networks"),
    ],
)
def test_what_is_no_measurement_is_refused(record, change, words):
    change(record)
    with pytest.raises(ValueError, match=words):
        measured.check(record, "the record")


def test_broken_and_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no record at"):
        measured.load(tmp_path / "none.json")
    broken = tmp_path / "speed.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="not a whole JSON file"):
        measured.load(broken)


def test_every_network_is_there_in_every_runtime():
    frame = measured.networks()
    cores = measured.record()["machine"]["cores"]
    with_all = frame[frame["threads"] == cores]
    assert {*zip(with_all["network"], with_all["runtime"], strict=True)} == {
        (network, runtime) for network in measured.NETWORKS for runtime in measured.RUNTIMES
    }
    assert set(frame.loc[frame["threads"] == 1, "network"]) >= set(measured.WITH_ONE_THREAD)
    assert (frame["rounds"] >= 3).all()
    assert (frame["low"] <= frame["ms"]).all()
    assert (frame["ms"] <= frame["high"]).all()
    one = frame.iloc[0]
    assert measured.milliseconds(one.network, one.runtime, one.threads) == pytest.approx(one.ms)


def test_the_machine_did_nothing_else():
    """A record made beside other programs is shown with a note, but the lesson's sentences need a quiet one."""
    found = measured.record()
    parts = ("timings", "layers", "layer_times", "launch_costs")
    busy = max(row["others"] for part in parts for row in found[part])
    assert busy < 0.3, "measure again on an idle machine: python -m mobilenet_lib.experiments.speed.measuring"


def test_all_were_measured_in_the_same_rounds():
    assert len({len(row["seconds"]) for row in measured.record()["timings"]}) == 1


@pytest.mark.parametrize("network", measured.CLOSELY)
def test_both_networks_are_taken_apart_with_every_number_of_threads(network):
    for threads in (1, measured.record()["machine"]["cores"]):
        table = measured.ablation(network, threads)
        assert table["times"].drop(steps.ALL).prod() == pytest.approx(table.loc[steps.ALL, "times"])
    whole = measured.ratio((network, "dynamic"), (network, "paddle.inference"))
    assert list(whole.values()) == pytest.approx(list(table.loc[steps.ALL, ["times", "low", "high"]]))


def test_scenarios_take_the_best_batch_and_a_high_percentile():
    frame = measured.scenarios().set_index(["network", "runtime"])
    assert len(frame) == len(measured.CLOSELY) * len(measured.RUNTIMES)
    by_batch = [
        1000 * n / statistics.median_interval(measured.rounds("mobilenet_v2", "dynamic", batch_size=n))[0]
        for n in measured.record()["settings"]["batch_sizes"]
    ]
    assert frame.loc[("V2", "dynamic"), "offline"] == pytest.approx(max(by_batch))
    assert frame.loc[("V2", "dynamic"), "single_stream"] >= measured.milliseconds("mobilenet_v2", "dynamic")
    for scenario in ("single_stream", "offline"):
        assert (frame[f"{scenario}_low"] <= frame[scenario]).all()
        assert (frame[scenario] <= frame[f"{scenario}_high"]).all()


def test_the_recorded_macs_are_those_of_the_tables():
    macs = measured.networks().set_index("network")["macs"]
    assert set(macs["mobilenet_v1"]) == {architectures.mobilenet_v1().macs}
    assert set(macs["mobilenet_v2"]) == {architectures.mobilenet_v2().macs}
    assert set(macs["article_mobilenet_v2"]) == {baselines.article_mobilenet_v2(num_classes=1000).macs}
    assert set(macs["vgg16"]) == {baselines.vgg16().macs}


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_the_recorded_kernels_are_counted_again(name):
    recorded = {row["network"]: row["launches"] for row in measured.record()["networks"]}
    assert counting.launches(models.build(name, 1000), (3, 224, 224)) == recorded[name]


def test_conditions_name_date_machine_and_versions():
    found = measured.record()
    words = measured.conditions()
    told = (found["started"][:10], found["machine"]["processor"], f"Paddle {found['versions']['paddlepaddle']}")
    assert all(part in words for part in (*told, "224×224, batch 1, eval"))


@pytest.mark.parametrize(("others", "said"), [(0.05, False), (1.4, True)])
def test_conditions_name_other_programs_where_they_disturbed(record, monkeypatch, others, said):
    for row in record["timings"]:
        row["others"] = others
    monkeypatch.setattr(measured, "record", lambda: record)
    assert ("other programs used 1.4 cores" in measured.conditions()) is said


def test_frames_are_tables_that_can_be_saved():
    frames = (measured.networks(), measured.layers(), measured.layer_times(), measured.launch_costs())
    for frame in (*frames, measured.scenarios(), measured.gains_of_threads()):
        assert len(frame.to_csv(index=False).splitlines()) == len(frame) + 1


def test_what_is_not_recorded_is_named():
    with pytest.raises(ValueError, match=r"nothing is recorded for 'alexnet'"):
        measured.milliseconds("alexnet", "dynamic")
    with pytest.raises(ValueError, match=r"'vgg16' in 'folded' with 2 threads at batch 4"):
        measured.rounds("vgg16", "folded", 2, 4)


def test_the_lesson_says_what_the_record_shows():
    """The sentences of lesson 07 on the recorded speeds; once measured anew, one that no longer holds must change."""
    frame = measured.networks()
    cores = measured.record()["machine"]["cores"]
    assert cores == 2, "the question says so"
    ours = frame[frame["threads"] == cores].set_index(["network", "runtime"])
    for runtime in measured.RUNTIMES:
        rows = ours.xs(runtime, level="runtime")
        rates = rows["gmacs_per_second"].sort_values()
        assert set(rates.index[:2]) == {"mobilenet_v2", "article_mobilenet_v2"}, "V2s have the lowest rates"
        line = stats.linregress(*np.log(rows[["macs", "ms"]].to_numpy(float)).T)
        steepest = line.slope + statistics.student_t(len(rows) - 1) * line.stderr
        assert 0 < line.slope < steepest < 1, "each slope lies below 1, and so does its interval"
    ms = ours["ms"].unstack()
    assert (ms["dynamic"] > 1.2 * ms[["paddle.inference", "onnxruntime"]].max(axis=1)).all(), "the slowest in every row"
    article = measured.ratio(("article_mobilenet_v2", "dynamic"), ("resnet50", "dynamic"))
    assert article["low"] > 1, "the article's V2 takes longer than ResNet50"
    two = [measured.ratio((name, "paddle.inference"), (name, "onnxruntime")) for name in ("vgg19", "mobilenet_v2")]
    assert "{ratio:.2f} ({low:.2f} to {high:.2f})".format(**two[0]) == "1.08 (1.04 to 1.14)"
    assert 1.8 <= two[1]["low"] < two[1]["ratio"] < 2, "on V2 nearly twice as long"

    first, second, third = (measured.ratio(*((name, run) for name in measured.CLOSELY)) for run in measured.RUNTIMES)
    assert first["high"] < 1 < third["low"] < third["high"] < by_macs(), "V2 slower, faster, and nowhere by 1.89"
    assert second["low"] < 1 < second["high"], "in paddle.inference not told apart"
    gain = measured.ratio(("mobilenet_v2", "dynamic"), ("mobilenet_v2", "paddle.inference"))
    assert gain["low"] > by_macs(), "more than V2 gains by its MACs"

    gains = measured.gains_of_threads()["ratio"]
    of_dynamic = gains.index.str.endswith("dynamic")
    assert gains[~of_dynamic].between(1.5, 2.1).all(), "one and a half to two times as fast in both runtimes"
    assert gains[of_dynamic].max() < gains[~of_dynamic].min(), "in the dynamic graph less"
    assert f"{gains['V1, dynamic']:.2f}" == "1.14", "V1 gains 1.14 times"

    dynamic = ours.xs("dynamic", level="runtime")
    assert dynamic["kernels"].idxmin() == "vgg16", "the fewest kernels"
    assert set(dynamic["ms"].nlargest(2).index) == {"vgg16", "vgg19"}, "and nearly the slowest"

    times = measured.layer_times()
    v2 = times[times["network"] == "mobilenet_v2"].groupby("kind")["ms"].sum()
    macs = architectures.mobilenet_v2().by_kind()["macs_percent"]
    assert 100 * v2["depthwise"] / v2.sum() > 3 * macs["depthwise"], "several times their part"

    layers = measured.layers().set_index(["kind", "size", "runtime"])
    limits = measured.limits()
    assert layers["intensity"]["depthwise"].max() < limits.ridge < layers["intensity"]["pointwise"].min()
    by_ends = layers[["low", "high"]].unstack()
    assert (by_ends["low"]["dynamic"]["conv"] > by_ends["high"]["paddle.inference"]["conv"]).all(), "less time"
    slower = by_ends["low"]["paddle.inference"]["pointwise"] > by_ends["high"]["dynamic"]["pointwise"]
    assert slower.sum() == 1, "of the three pointwise ones one takes longer"
    assert (by_ends["low"]["dynamic"]["pointwise"] < by_ends["high"]["paddle.inference"]["pointwise"]).all(), "overlap"
    depthwise = layers.loc["depthwise"]
    roof = depthwise["intensity"].map(limits.attainable)
    assert (depthwise["gmacs_per_second"] < roof / 2).all(), "below their own low roof, by half or more"
    launch = measured.launch_costs().set_index("operation")["us"]["depthwise_conv2d"] / 1000
    assert launch / depthwise["ms"].xs("dynamic", level="runtime").min() < 0.02, "2 % of them or less"


def by_macs() -> float:
    return architectures.mobilenet_v1().macs / architectures.mobilenet_v2().macs


def test_the_lesson_says_what_the_steps_show():
    """Its sentences on launches and on the runtime taken apart."""
    times = measured.layer_times()
    v2 = times[times["network"] == "mobilenet_v2"].groupby("kind")["ms"].sum()
    free = v2[["batch norm", "activation", "pool"]].sum() / v2.sum()
    for network in measured.CLOSELY:
        table = measured.ablation(network)
        single = table["times"].drop(steps.ALL).dropna()
        assert single.idxmax() == steps.TITLES["onednn"], "oneDNN's kernels are the largest step"
        others = table["high"].drop([steps.ALL, single.idxmax()]).max()
        assert table["low"][single.idxmax()] > others, "and its interval lies above the next one's"
        alone = measured.ablation(network, 1)
        for folding in (alone.iloc[1], table.iloc[1]):
            assert folding["low"] < 1 < folding["high"], "folding shows no gain: all its intervals hold 1"
        last = steps.TITLES["paddle.inference"]
        assert alone.loc[last, "low"] > alone["high"].drop([steps.ALL, last]).max(), "the largest with one thread"
        second = (alone["ms"] / table["ms"]).round(1)
        assert [*second[:3].between(1.1, 1.2), *second[3:5].between(1.7, 1.9)] == [True] * 5, "with a second core"
        assert single.max() < table.loc[steps.ALL, "times"] / 1.1, "no single step makes the whole"
    assert measured.ablation("mobilenet_v2")["low"].iloc[1] < steps.most_from_leaving_out(free), (
        "no more than the bound"
    )

    launched = next(row["launches"] for row in measured.record()["networks"] if row["network"] == "mobilenet_v2")
    launching = steps.launching(launched, measured.launch_costs())
    assert 0.01 < launching / measured.milliseconds("mobilenet_v2", "dynamic") < 0.5, "a part, but not most of it"
    assert {*launched, "reshape"} <= set(measured.launch_costs()["operation"]), "none is guessed"
    assert (measured.launch_costs()["us"] < 1000).all(), "microseconds"


def test_reasons_name_the_interval_of_their_truth():
    """They are sentences, so the numbers stand there as text."""
    v1, v2 = (plans.calls()["ms"]["mobilenet_v1"], measured.CLOSELY[1])
    intervals = {
        "07.v1_to_v2": statistics.ratio_of_medians(*(measured.rounds(name, "dynamic") for name in measured.CLOSELY)),
        "07.inference_runtime": statistics.ratio_of_medians(
            *(measured.rounds(v2, run) for run in ("dynamic", "paddle.inference"))
        ),
        "07.card_waiting": statistics.ratio_of_medians(v1["waiting"], v1["not waiting"]),
    }
    for name, (ratio, low, high) in intervals.items():
        digits = 3 if name == "07.card_waiting" else 2  # as its table has them
        assert f"{low:.{digits}f} to {high:.{digits}f}" in QUESTIONS[name].why
        assert QUESTIONS[name].truth() == pytest.approx(ratio)
