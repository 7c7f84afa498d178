"""The recorded speeds are complete, agree with the networks, and a file without provenance is refused."""

from __future__ import annotations

import copy
import json
import math

import pytest

from mobilenet_lib import architectures, counting, models
from mobilenet_lib.experiments.speed import measured

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
    with pytest.raises(ValueError, match=f"'{path[-1]}' is a required property"):
        measured.load(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.update(started="yesterday"), "ISO date"),
        (lambda r: r.update(timings=[]), "timings: .* should be non-empty"),
        (lambda r: r["versions"].update(onnxruntime="not installed"), "onnxruntime: 'not installed' should not be"),
        (lambda r: r["machine"].update(processor=""), "machine.processor: '' should be non-empty"),
        (lambda r: r["machine"].update(cores=True), "machine.cores: True is not of type 'integer'"),
        (lambda r: r["timings"][0].update(seconds=[0.1, 0.1]), r"timings\[0\].seconds: .* is too short"),
        (lambda r: r["timings"][0].update(seconds=[0.1, -0.1, 0.1]), r"seconds\[1\]: -0.1 is less than"),
        (lambda r: r["timings"][0].update(seconds=[0.1, math.inf, 0.1]), r"seconds\[1\]: inf is greater than"),
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
    assert (frame["calls"] >= 3).all()
    assert (frame["low"] <= frame["ms"]).all()
    one = frame.iloc[0]
    assert measured.milliseconds(one.network, one.runtime, one.threads) == pytest.approx(one.ms)


def test_the_recorded_macs_are_those_of_the_tables():
    macs = measured.networks().set_index("network")["macs"]
    assert set(macs["mobilenet_v1"]) == {architectures.mobilenet_v1().macs}
    assert set(macs["mobilenet_v2"]) == {architectures.mobilenet_v2().macs}
    assert set(macs["article_mobilenet_v2"]) == {architectures.article_mobilenet_v2(num_classes=1000).macs}
    assert set(macs["vgg16"]) == {architectures.vgg16().macs}


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_the_recorded_kernels_are_counted_again(name):
    recorded = {row["network"]: row["launches"] for row in measured.record()["networks"]}
    assert counting.launches(models.build(name, 1000), (3, 224, 224)) == recorded[name]


def test_conditions_name_date_machine_and_versions():
    found = measured.record()
    words = measured.conditions()
    told = (found["started"][:10], found["machine"]["processor"], f"Paddle {found['versions']['paddlepaddle']}")
    assert all(part in words for part in (*told, "224×224, batch 1, eval"))


def test_frames_are_tables_that_can_be_saved():
    for frame in (measured.networks(), measured.layers(), measured.layer_times()):
        assert len(frame.to_csv(index=False).splitlines()) == len(frame) + 1


def test_what_is_not_recorded_is_named():
    with pytest.raises(ValueError, match=r"nothing is recorded for 'alexnet'"):
        measured.milliseconds("alexnet", "dynamic")


def test_the_lesson_says_what_the_record_shows():
    """The sentences of lesson 07 on the recorded speeds; once measured anew, one that no longer holds must change."""
    frame = measured.networks()
    ours = frame[frame["threads"] == frame["threads"].max()].set_index(["network", "runtime"])
    for runtime in measured.RUNTIMES:
        rates = ours.xs(runtime, level="runtime")["gmacs_per_second"].sort_values()
        assert set(rates.index[:2]) == {"mobilenet_v2", "article_mobilenet_v2"}, "V2s have the lowest rates"
    ms = ours["ms"].unstack()
    assert (ms["dynamic"] > 2 * ms["paddle.inference"]).all(), "far from both runtimes"
    between_runtimes = ms["paddle.inference"] / ms["onnxruntime"]
    assert between_runtimes.between(1 / 2, 2).all(), "within a factor of two"

    v1_to_v2 = ms.loc["mobilenet_v1"] / ms.loc["mobilenet_v2"]
    assert v1_to_v2["dynamic"] < 1.1, "nearly nothing in one program"
    assert 1.2 < v1_to_v2["onnxruntime"] < 1.89, "a part of it in another"
    gain = ms.loc["mobilenet_v2", "dynamic"] / ms.loc["mobilenet_v2", "paddle.inference"]
    assert gain > 1.89, "more than V2 gains by its MACs"

    by_threads = frame.pivot_table(index=["network", "runtime"], columns="threads", values="ms")
    gains = (by_threads[1] / by_threads[by_threads.columns.max()]).dropna()
    assert gains.min() < 1.7, "a part is not divided"
    assert gains.max() > 2, "some rows gain more than two"

    dynamic = ours.xs("dynamic", level="runtime")
    rate = dynamic["gmacs_per_second"]
    assert rate["mobilenet_v2"] < rate["vgg16"] / 2
    assert dynamic["kernels"].idxmin() == "vgg16", "the fewest kernels"
    assert set(dynamic["ms"].nlargest(2).index) == {"vgg16", "vgg19"}, "and nearly the slowest"

    times = measured.layer_times()
    v2 = times[times["network"] == "mobilenet_v2"].groupby("kind")["ms"].sum()
    macs = architectures.mobilenet_v2().by_kind()["macs_percent"]
    assert 100 * v2["depthwise"] / v2.sum() > 3 * macs["depthwise"], "several times their part"

    layers = measured.layers().set_index(["kind", "size", "runtime"])
    ridge = measured.limits().ridge
    assert layers["intensity"]["depthwise"].max() < ridge < layers["intensity"]["pointwise"].min()
    by_runtime = layers["ms"].unstack().loc[["conv", "pointwise"]]
    assert (by_runtime["dynamic"] > 3 * by_runtime["paddle.inference"]).all()
