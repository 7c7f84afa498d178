"""The recorded speeds are complete, agree with the networks, and a file without provenance is refused."""

from __future__ import annotations

import copy
import json

import pytest

from mobilenet_lib import architectures, counting, models, speed_record

FIELDS = [
    *((name,) for name in speed_record._RECORD),
    *((part, name) for part, fields in speed_record._PARTS.items() for name in fields),
    *((part, 0, name) for part, fields in speed_record._ROWS.items() for name in fields),
]


@pytest.fixture
def record():
    return copy.deepcopy(speed_record.load(speed_record.PATH))


@pytest.mark.parametrize("path", FIELDS, ids=str)
def test_a_record_without_a_field_is_refused(record, tmp_path, path):
    holder = record
    for step in path[:-1]:
        holder = holder[step]
    del holder[path[-1]]
    file = tmp_path / "speed.json"
    file.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(ValueError, match=f"'{path[-1]}' is missing"):
        speed_record.load(file)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda r: r.update(started="yesterday"), "ISO date"),
        (lambda r: r.update(timings=[]), "timings is empty"),
        (lambda r: r["versions"].update(onnxruntime="not installed"), "'onnxruntime' should be"),
        (lambda r: r["machine"].update(processor=""), "'processor' should be"),
        (lambda r: r["machine"].update(cores=True), "'cores' should be"),
        (lambda r: r["timings"][0].update(seconds=[0.1, 0.1]), "three or more times above 0"),
        (lambda r: r["timings"][0].update(seconds=[0.1, -0.1, 0.1]), "three or more times above 0"),
        (lambda r: r["timings"][0].update(network="alexnet"), "is not among networks"),
    ],
)
def test_what_is_no_measurement_is_refused(record, change, words):
    change(record)
    with pytest.raises(ValueError, match=words):
        speed_record.check(record, "the record")


def test_broken_and_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no record at"):
        speed_record.load(tmp_path / "none.json")
    broken = tmp_path / "speed.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(ValueError, match="not a whole JSON file"):
        speed_record.load(broken)


def test_every_network_is_there_in_every_engine():
    frame = speed_record.networks()
    cores = speed_record.record()["machine"]["cores"]
    with_all = frame[frame["threads"] == cores]
    assert {*zip(with_all["network"], with_all["engine"], strict=True)} == {
        (network, engine) for network in speed_record.NETWORKS for engine in speed_record.ENGINES
    }
    assert set(frame.loc[frame["threads"] == 1, "network"]) >= set(speed_record.WITH_ONE_THREAD)
    assert (frame["calls"] >= 3).all()
    assert (frame["low"] <= frame["ms"]).all()
    one = frame.iloc[0]
    assert speed_record.milliseconds(one.network, one.engine, one.threads) == pytest.approx(one.ms)


def test_the_recorded_macs_are_the_ledgers():
    macs = speed_record.networks().set_index("network")["macs"]
    assert set(macs["mobilenet_v1"]) == {architectures.mobilenet_v1().macs}
    assert set(macs["mobilenet_v2"]) == {architectures.mobilenet_v2().macs}
    assert set(macs["seed_mobilenet_v2"]) == {
        architectures.seed_mobilenet_v2(num_classes=1000).macs
    }
    assert set(macs["vgg16"]) == {architectures.vgg16().macs}


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_the_recorded_kernels_are_counted_again(name):
    recorded = {row["network"]: row["launches"] for row in speed_record.record()["networks"]}
    assert counting.launches(models.build(name, 1000), (3, 224, 224)) == recorded[name]


def test_conditions_name_date_machine_and_versions():
    found = speed_record.record()
    words = speed_record.conditions()
    for part in (
        found["started"][:10],
        found["machine"]["processor"],
        f"Paddle {found['versions']['paddlepaddle']}",
        "224×224, batch 1, eval",
    ):
        assert part in words


def test_frames_are_tables_that_can_be_saved():
    for frame in (speed_record.networks(), speed_record.layers(), speed_record.layer_times()):
        assert len(frame.to_csv(index=False).splitlines()) == len(frame) + 1


def test_what_is_not_recorded_is_named():
    with pytest.raises(ValueError, match=r"nothing is recorded for 'alexnet'"):
        speed_record.milliseconds("alexnet", "dynamic")
