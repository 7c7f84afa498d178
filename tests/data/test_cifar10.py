"""CIFAR-10: what is loaded is what was stored, nothing runs from an unknown archive, every refusal names the file."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import pickle
import subprocess
import sys
import tarfile
import threading
import zipfile

import numpy as np
import pytest

from mobilenet_lib import data
from mobilenet_lib.data import cifar10
from mobilenet_lib.data.cifar10 import __main__ as command

TRAIN_BATCHES = [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)]
TEST_BATCH = "cifar-10-batches-py/test_batch"


@pytest.fixture
def batches():
    """Six batches of four images, as the members of an archive."""
    generator = np.random.default_rng(0)
    found = {}
    for name in [*TRAIN_BATCHES, TEST_BATCH]:
        images = generator.integers(0, 256, (4, 3072), dtype=np.uint8)
        found[name] = {b"data": images, b"labels": generator.integers(0, 10, 4).tolist()}
    return found


@pytest.fixture(autouse=True)
def no_file_by_accident(home, monkeypatch):
    monkeypatch.delenv("MOBILENET_DATA", raising=False)


@pytest.fixture
def npz(tmp_path):
    """Where a .npz of CIFAR-10 is to lie."""
    return tmp_path / "cifar10.npz"


def write_archive(path, members, mode="w:gz"):
    """Write members: batches are pickled, bytes stored as they are."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            payload = content if isinstance(content, bytes) else pickle.dumps(content, protocol=2)
            member = tarfile.TarInfo(name)
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
    return path


@pytest.fixture
def official(tmp_path, batches, monkeypatch):
    """An archive that stands for the official one."""
    path = write_archive(tmp_path / "cifar-10-python.tar.gz", batches)
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", cifar10.md5(path))
    return path


def check_loaded(batches, **where):
    """Both splits, against what the batches hold."""
    train, test = data.load("cifar10", "train", **where), data.load("cifar10", "test", **where)
    expected = np.concatenate([batches[name][b"data"] for name in TRAIN_BATCHES]).reshape(20, 3, 32, 32)
    assert (train.images == expected).all()
    assert train.images.dtype == np.uint8
    assert train.labels.tolist() == [label for name in TRAIN_BATCHES for label in batches[name][b"labels"]]
    assert train.labels.dtype == np.int64
    assert (test.images.reshape(4, 3072) == batches[TEST_BATCH][b"data"]).all()
    assert test.labels.tolist() == batches[TEST_BATCH][b"labels"]
    assert (test.part, len(test), test.classes[3], len(test.classes)) == ("test", 4, "cat", 10)
    assert train.source == test.source
    return train.source


# --- the official archive --------------------------------------------------------------------------------------
def test_the_official_archive_gives_back_what_was_stored(official, batches):
    assert check_loaded(batches, path=official) == "CIFAR-10"


def test_the_official_checksum_is_paddles():
    from mobilenet_lib._support.paddle import paddle

    assert paddle.vision.datasets.cifar.CIFAR10_MD5 == cifar10.OFFICIAL_MD5


def test_where_the_file_may_be_named(official, batches, home, monkeypatch):
    np.savez(home / "other.npz", **arrays(images=np.zeros((4, 3, 32, 32), np.uint8)))
    for given in (home, home / official.name, "~", "~/cifar-10-python.tar.gz"):
        check_loaded(batches, path=given)
        monkeypatch.setenv("MOBILENET_DATA", str(given))
        check_loaded(batches)
    # path goes before MOBILENET_DATA
    assert not data.load("cifar10", "test", path="~/other.npz").images.any()


def test_a_named_file_that_is_not_there(tmp_path, home, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"path is '.*gone\.tar'.*there is no file"):
        data.load("cifar10", path=tmp_path / "gone.tar")
    with pytest.raises(FileNotFoundError, match=r"path is '~nobody-of-this-name/x\.npz'"):
        data.load("cifar10", path="~nobody-of-this-name/x.npz")
    monkeypatch.setenv("MOBILENET_DATA", str(home))
    with pytest.raises(FileNotFoundError, match=r"MOBILENET_DATA is .*no file .*cifar-10-python\.tar\.gz"):
        data.load("cifar10")


# --- other archives run nothing --------------------------------------------------------------------------------
class Runs:
    """Unpickled, this makes a folder."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def attack(tmp_path, batches):
    """An archive that leaves a marker when it is unpickled, and the marker."""
    marker = tmp_path / "marker"
    members = {**batches, TRAIN_BATCHES[0]: {**batches[TRAIN_BATCHES[0]], b"extra": Runs(marker)}}
    return write_archive(tmp_path / "attack.tar.gz", members), marker


def refused(path, match, split="train"):
    with pytest.raises(data.ArchiveError, match=match) as caught:
        data.load("cifar10", split, path=path)
    assert str(path) in str(caught.value)
    assert "python -m mobilenet_lib.data.cifar10" in str(caught.value)


@pytest.fixture
def nothing_is_unpickled(monkeypatch):
    """Red where a file is so much as opened as an archive."""
    for module, names in ((pickle, ("load", "loads")), (tarfile, ("open",))):
        for name in names:
            monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("something was read as a pickle"))


def test_the_attack_is_real(attack, monkeypatch):
    """The pickle used below does run where its archive is trusted: a marker that stays away proves something."""
    archive, marker = attack
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", cifar10.md5(archive))
    data.load("cifar10", path=archive)
    assert marker.exists()


def test_a_pickle_in_another_archive_is_never_loaded(attack, tmp_path):
    archive, marker = attack
    output = tmp_path / "out.npz"
    refused(archive, "not the official CIFAR-10 archive.*Nothing in it was read.*--trust")
    with pytest.raises(SystemExit, match="Nothing in it was read"):
        command.main([str(archive), str(output)])
    archive.rename(tmp_path / cifar10.ARCHIVE)  # as a folder holds it
    refused(tmp_path, "not the official CIFAR-10 archive")
    assert not marker.exists()
    assert not output.exists()


@pytest.mark.parametrize("place", [0, 0.1, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("damage", ["changed", "cut"])
def test_damage_is_noticed_before_anything_is_unpickled(official, nothing_is_unpickled, place, damage):
    content = official.read_bytes()
    at = int(place * len(content))
    rest = bytes([content[at] ^ 64]) + content[at + 1 :] if damage == "changed" else b""
    official.write_bytes(content[:at] + rest)
    for split in data.SPLITS:
        refused(official, "its MD5 is .*damaged or another copy", split)


def test_nothing_is_unpacked(official, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    data.load("cifar10", path=official)
    assert sorted(tmp_path.rglob("*")) == before


# --- a .npz of arrays ------------------------------------------------------------------------------------------
def arrays(split="test", images=None, labels=None, **others):
    """What such a file holds of one split."""
    images = np.arange(4 * 3072).astype(np.uint8).reshape(4, 3, 32, 32) if images is None else images
    labels = np.array([3, 0, 9, 1], np.uint8) if labels is None else labels
    return {f"{split}_images": images, f"{split}_labels": labels, **others}


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.uint64])
def test_a_npz_gives_back_what_was_stored(tmp_path, save, dtype):
    path = tmp_path / "Copy.NPZ"
    with path.open("wb") as file:
        save(file, **arrays(labels=np.array([3, 0, 9, 1], dtype), source="a copy\n of CIFAR-10"))
    test = data.load("cifar10", "test", path=path)
    assert (test.images == arrays()["test_images"]).all()
    assert (test.labels.tolist(), test.labels.dtype) == ([3, 0, 9, 1], np.int64)
    assert (test.source, test.classes, test.part) == ("a copy of CIFAR-10", cifar10.CLASSES, "test")
    assert data.load("cifar10", "test", path=path, size=8).images.shape == (4, 3, 8, 8)


def test_a_npz_without_a_source_says_so(tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays())
    said = data.load("cifar10", "test", path=tmp_path / "mine.npz").source
    assert said == "CIFAR-10 (mine.npz, which does not name its source)"


IMAGES = arrays()["test_images"]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (arrays("train"), "KeyError: .*test_images.*Expected the arrays train_images"),
        ({"test_images": IMAGES}, "test_labels"),
        (arrays(images=IMAGES.reshape(4, 3072)), r"the images are uint8 \[4, 3072\]; expected uint8 \[N, 3, 32, 32\]"),
        (arrays(images=IMAGES.transpose(0, 2, 3, 1)), r"\[4, 32, 32, 3\]; expected uint8"),
        (arrays(images=IMAGES / np.float32(255)), "the images are float32"),
        (arrays(images=IMAGES.astype(np.int8)), "the images are int8"),
        (arrays(labels=np.array([1, 2, 3])), r"the labels are int64 \[3\]; .* each of the 4 images"),
        (arrays(labels=np.eye(4, dtype=int)), r"the labels are int64 \[4, 4\]"),
        (arrays(labels=np.array([1.0, 2, 3, 4])), "the labels are float64"),
        (arrays(labels=np.array([True] * 4)), "the labels are bool"),
        (arrays(labels=np.array(["cat"] * 4)), "the labels are <U3"),
        (arrays(labels=np.array([1, 2, 3, 10])), "there is a label 10; expected 0 to 9"),
        (arrays(labels=np.array([1, -1, 3, 9])), "there is a label -1"),
        (arrays(labels=np.array([2**63, 1, 3, 9], np.uint64)), "there is a label 9223372036854775808"),
        (arrays(images=IMAGES[:0], labels=np.zeros(0, int)), "at least one"),
        (arrays(source=np.array(["a", "b"])), r"`source` is <U1 \[2\]; expected one string"),
        (arrays(source=b"bytes"), "`source` is .S5"),
    ],
)
def test_a_npz_with_other_arrays_is_refused(npz, content, match):
    np.savez(npz, **content)
    with pytest.raises(data.ArchiveError, match=match) as caught:
        data.load("cifar10", "test", path=npz)
    assert str(npz) in str(caught.value)


@pytest.mark.parametrize("name", ["test_images", "test_labels", "source"])
def test_objects_in_a_npz_are_not_unpickled(tmp_path, npz, name):
    marker = tmp_path / "marker"
    np.savez(npz, **{**arrays(), name: np.array([Runs(marker)], dtype=object)})
    refused(npz, "Object arrays cannot be loaded", "test")
    assert not marker.exists()


def array_file(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"PK\x05\x06" + bytes(18), pickle.dumps(7), array_file(np.zeros(3))],
    ids=["empty", "page", "empty zip", "pickle", "npy"],
)
def test_what_is_no_npz_is_refused(npz, content):
    npz.write_bytes(content)
    refused(npz, "cannot be read as a .npz of CIFAR-10")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("part", [0.01, 0.5, 0.99])
def test_a_truncated_or_changed_npz_is_refused(npz, save, part):
    save(npz, **arrays())
    content = npz.read_bytes()
    at = content.index(b"NUMPY") + 200 if save is np.savez else 100
    changed = content[:at] + bytes([content[at] ^ 64]) + content[at + 1 :]
    for damaged in (content[: int(part * len(content))], changed):
        npz.write_bytes(damaged)
        refused(npz, "cannot be read as a .npz of CIFAR-10", "test")


def test_an_array_that_would_fill_the_memory_is_refused_unread(npz, monkeypatch):
    np.savez_compressed(npz, **arrays(images=np.zeros((100, 3, 32, 32), np.uint8)))
    monkeypatch.setattr(cifar10, "MOST_BYTES", 100_000)
    refused(npz, "more than 0 GB", "test")


def test_an_array_that_claims_to_be_huge_is_refused(npz):
    header = array_file(IMAGES).replace(b"(4, 3, 32, 32), }     ", b"(4000000, 3, 32, 32), }")
    assert b"4000000" in header
    with zipfile.ZipFile(npz, "w") as archive:
        archive.writestr("test_images.npy", header)
        archive.writestr("test_labels.npy", array_file(np.zeros(4, int)))
    refused(npz, "cannot be read as a .npz", "test")


# --- the command that makes one --------------------------------------------------------------------------------
@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(command, "COUNTS", {"train": 20, "test": 4})


def test_the_command_refuses_another_archive_unless_it_is_told_to_trust_it(tmp_path, batches):
    """As a reader would call it; and nothing but the sentence is written to the terminal."""
    path = write_archive(tmp_path / "copy.tar", batches, "w")
    call = [sys.executable, "-m", "mobilenet_lib.data.cifar10", str(path), str(tmp_path / "out.npz")]
    done = subprocess.run(call, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    assert done.stderr == str(cifar10.not_official(path, cifar10.md5(path))) + "\n"
    assert done.stdout == ""
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
@pytest.mark.parametrize("label", [None, "CIFAR-10 (a copy)"])
def test_a_trusted_archive_becomes_a_npz(home, batches, small, capsys, mode, label):
    path = write_archive(home / "copy.tar", batches, mode)
    checksum = hashlib.md5(path.read_bytes()).hexdigest()
    command.main(["~/copy.tar", "~/new/out.npz", "--trust", *(["--label", label] if label else [])])
    assert str(home / "new" / "out.npz") in capsys.readouterr().out
    source = check_loaded(batches, path="~/new/out.npz")
    assert source == (label or f"CIFAR-10 (archive with MD5 {checksum[:8]}, not the official one)")


def test_the_official_archive_needs_no_trust(official, batches, small, tmp_path):
    command.main([str(official), str(tmp_path / "out.npz")])
    assert check_loaded(batches, path=tmp_path / "out.npz") == "CIFAR-10"


UNREADABLE = [
    *({b"data": np.zeros((4, 3071), np.uint8)}, {b"data": [[0] * 3072] * 4}, {b"labels": [1, 2, 3, 4.0]}),
    *({b"data": np.zeros((4, 3072), kind)} for kind in (np.float32, np.int8)),
    *({TEST_BATCH: [1, 2]}, {TEST_BATCH: b"no pickle"}),
]


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({TRAIN_BATCHES[2]: None}, "has 16 train images with labels; expected 20"),
        ({TEST_BATCH: None}, "has 0 test images"),
        ({"elsewhere/data_batch_7": {b"data": np.zeros((1, 3072), np.uint8), b"labels": [1]}}, "has 21 train images"),
        ({b"labels": [1, 2, 3]}, "has 3 test images with labels; expected 4"),
        ({b"labels": [1, 2, 3, 10]}, "test: there is a label 10"),
        ({b"labels": [1, 2, 3, -1]}, "test: there is a label -1"),
        *((change, "cannot be read as CIFAR-10, test") for change in UNREADABLE),
    ],
)
def test_a_trusted_archive_without_cifar10_in_it_is_refused(tmp_path, batches, small, change, match):
    if all(isinstance(key, bytes) for key in change):
        change = {TEST_BATCH: {**batches[TEST_BATCH], **change}}
    members = {name: content for name, content in {**batches, **change}.items() if content is not None}
    path, output = write_archive(tmp_path / "copy.tar", members, "w"), tmp_path / "out.npz"
    with pytest.raises(SystemExit, match=match) as caught:
        command.main([str(path), str(output), "--trust"])
    assert str(path) in str(caught.value)
    assert not output.exists()


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x1f\x8b cut"])
def test_a_trusted_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "copy.tar"
    path.write_bytes(content)
    with pytest.raises(SystemExit, match=r"copy\.tar cannot be read as CIFAR-10, train"):
        command.main([str(path), str(tmp_path / "out.npz"), "--trust"])


def test_paths_that_cannot_be_meant(official, small, tmp_path):
    with pytest.raises(SystemExit, match=r"out\.zip needs a name that ends in \.npz"):
        command.main([str(official), str(tmp_path / "out.zip")])
    with pytest.raises(SystemExit, match=r"No such file.*gone\.tar"):
        command.main([str(tmp_path / "gone.tar"), str(tmp_path / "out.npz")])


def test_a_full_disk_leaves_an_older_file_as_it_was(official, small, tmp_path, monkeypatch):
    def full(file, **_):
        file.write(b"half")
        raise OSError("No space left on device")

    output = tmp_path / "out.npz"
    output.write_bytes(b"older")
    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(SystemExit, match="No space left on device"):
        command.main([str(official), str(output)])
    assert output.read_bytes() == b"older"


# --- Paddle's cache and download -----------------------------------------------------------------------------
@pytest.fixture
def server(tmp_path, monkeypatch, batches):
    """A server on this machine in the place of Paddle's, and an empty cache."""
    from mobilenet_lib._support.paddle import paddle

    content = write_archive(tmp_path / "served.tar.gz", batches).read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            state.requests += 1
            self.send_response(state.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: state.sends])

        def log_message(self, *_):
            pass

    state = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.requests, state.status, state.sends = 0, 200, len(content)
    state.cached = tmp_path / "cache" / "cifar" / "cifar-10-python.tar.gz"
    cifar = paddle.vision.datasets.cifar
    monkeypatch.setattr(cifar, "CIFAR10_URL", f"http://127.0.0.1:{state.server_port}/cifar-10-python.tar.gz")
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(paddle.dataset.common, "DATA_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=state.serve_forever, daemon=True)
    thread.start()
    yield state
    state.shutdown()
    state.server_close()
    thread.join()


@pytest.mark.parametrize("empty", [False, True], ids=["unset", "empty"])
def test_paddle_downloads_once(server, batches, monkeypatch, empty):
    if empty:
        monkeypatch.setenv("MOBILENET_DATA", "")
    images = data.load("cifar10", "test")
    assert (images.images.reshape(4, 3072) == batches[TEST_BATCH][b"data"]).all()
    assert images.source == "CIFAR-10"
    assert server.cached.is_file()
    requests = server.requests
    data.load("cifar10", "test")
    assert server.requests == requests


def test_half_a_download_is_never_taken_for_the_whole(server):
    server.sends //= 2
    with pytest.raises(FileNotFoundError, match=r"is not there.*download from http://127"):
        data.load("cifar10")
    assert server.cached.is_file()  # Paddle leaves it under the final name
    with pytest.raises(FileNotFoundError, match="incomplete or altered"):
        data.load("cifar10")
    server.sends = len(server.cached.read_bytes()) * 10
    assert len(data.load("cifar10")) == 20


def test_a_server_that_has_not_got_the_archive(server):
    server.status = 404
    with pytest.raises(FileNotFoundError, match="404"):
        data.load("cifar10")
    assert not server.cached.exists()


def test_without_network_the_error_says_what_was_tried_and_what_to_do(server):
    server.shutdown()
    server.server_close()
    with pytest.raises(FileNotFoundError) as caught:
        data.load("cifar10")
    text = str(caught.value)
    tried = ("path (not given)", "MOBILENET_DATA (not set)", str(server.cached), "http://127.0.0.1:")
    for part in (*tried, "load('cifar10', path=", "load('fashion_mnist')"):
        assert part in text
