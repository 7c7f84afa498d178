"""Pictures: what is loaded is what was stored, nothing runs from an archive, and every refusal names the file."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobilenet_lib import data
from mobilenet_lib.data import cifar10, folders, image_sets
from mobilenet_lib.data.bundled import make_fashion_mnist

TRAIN_BATCHES = [f"cifar-10-batches-py/data_batch_{number}" for number in range(1, 6)]
TEST_BATCH = "cifar-10-batches-py/test_batch"


def image_set(labels, classes=4):
    """Pictures of 2×2 whose first pixel tells which one it is."""
    labels = np.asarray(labels, np.int64)
    images = np.zeros((len(labels), 3, 2, 2), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return data.ImageSet("made", "train", images, labels, tuple("abcdefgh"[:classes]), "made for a test")


def numbers(images):
    return images.images[:, 0, 0, 0].tolist()


# --- ImageSet --------------------------------------------------------------------------------------------------

label_lists = st.lists(st.integers(0, 3), min_size=2, max_size=60)


@given(labels=label_lists, seed=st.integers(0, 99), share=st.floats(0, 1))
def test_take_gives_each_class_its_turn(labels, seed, share):
    images = image_set(labels)
    n = max(1, round(share * len(labels)))
    taken = images.sample(n, seed)
    assert len(taken) == n == len(set(numbers(taken)))
    assert [labels[number] for number in numbers(taken)] == taken.labels.tolist()
    before, after = np.bincount(labels, minlength=4), np.bincount(taken.labels, minlength=4)
    # A class may be behind the largest by more than one only if all of it was taken.
    assert all(after[c] >= after.max() - 1 or after[c] == before[c] for c in range(4))
    assert numbers(images.sample(n, seed)) == numbers(taken)


def test_take_depends_on_the_seed_and_says_what_it_did():
    images = image_set([0, 1, 2, 3] * 10)
    assert numbers(images.sample(8, seed=0)) != numbers(images.sample(8, seed=1))
    assert images.sample(8, seed=1).source == "made for a test; 8 of them taken with seed 1"


@pytest.mark.parametrize("n", [0, -1, 5])
def test_take_refuses_more_than_there_are(n):
    with pytest.raises(ValueError, match=f"Cannot take {n} of 4 pictures"):
        image_set([0, 1, 2, 3]).sample(n)


def test_first_takes_the_first_in_their_order_and_says_so():
    some = image_set([3, 1, 2, 0])
    few = some.head(3)
    assert few.labels.tolist() == [3, 1, 2]
    assert few.source == f"{some.source}; the first 3"
    assert some.head(4) is some
    for n in (0, 5):
        with pytest.raises(ValueError, match="Take from 1 to 4"):
            some.head(n)


@given(labels=label_lists, seed=st.integers(0, 99), fraction=st.floats(0.01, 0.99))
def test_split_off_divides_each_class_alike_and_loses_nothing(labels, seed, fraction):
    images = image_set(labels)
    rest, part = images.split(fraction, seed)
    assert sorted(numbers(rest) + numbers(part)) == list(range(len(labels)))
    assert numbers(part) == sorted(numbers(part))
    assert numbers(rest) == sorted(numbers(rest))
    assert len(rest) >= 1
    assert len(part) >= 1
    taken = len(part) / len(labels)  # not always `fraction`: neither may be empty
    of_class, in_part = np.bincount(labels, minlength=4), np.bincount(part.labels, minlength=4)
    assert np.abs(in_part - taken * of_class).max() <= 1.5 + 1e-9


def test_split_off_is_seeded():
    images = image_set([0, 1] * 20)
    assert numbers(images.split(0.5, 0)[1]) == numbers(images.split(0.5, 0)[1])
    assert numbers(images.split(0.5, 0)[1]) != numbers(images.split(0.5, 1)[1])


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 10, float("nan")])
def test_split_off_refuses_what_is_not_a_fraction(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        image_set([0, 1, 2, 3]).split(fraction)


def test_split_off_refuses_a_single_picture():
    with pytest.raises(ValueError, match="two or more"):
        image_set([0]).split(0.5)


def test_resize_keeps_a_flat_colour_and_says_so():
    flat = np.broadcast_to(np.array([200, 100, 50], np.uint8).reshape(1, 3, 1, 1), (2, 3, 8, 8))
    images = data.ImageSet("made", "test", flat, np.zeros(2, np.int64), ("a",), "flat")
    larger = images.resize(20)
    assert larger.images.shape == (2, 3, 20, 20)
    assert (larger.images == np.array([200, 100, 50]).reshape(1, 3, 1, 1)).all()
    assert larger.source == "flat; 8×8 resized to 20×20"
    assert images.resize(8) is images


def test_resize_refuses_sizes_that_cannot_be_meant():
    images = image_set([0, 1])
    with pytest.raises(ValueError, match="size is 0"):
        images.resize(0)
    with pytest.raises(ValueError, match=r"3\.8 GB of memory.*limit is 3 GB"):
        images.resize(25_000)


# --- what the networks are fed ---------------------------------------------------------------------------------


def test_normalise_maps_black_to_minus_one_and_white_to_one():
    values = data.normalise(np.array([0, 51, 255], np.uint8).reshape(1, 3, 1, 1))
    assert values.dtype == np.float32
    assert values.ravel().tolist() == [-1.0, np.float32(-0.6), 1.0]


def test_normalise_refuses_to_be_applied_twice():
    values = data.normalise(np.zeros((1, 3, 2, 2), np.uint8))
    with pytest.raises(ValueError, match="not float32"):
        data.normalise(values)


@pytest.mark.parametrize("flip", [False, True])
def test_augment_is_a_shift_and_perhaps_a_mirror_image(flip):
    images = np.random.default_rng(0).integers(1, 256, (40, 3, 8, 8), dtype=np.uint8)
    original = images.copy()
    moved = data.augment(images, np.random.default_rng(1), max_shift=2, flip=flip)
    assert (images == original).all()
    assert moved.dtype == np.uint8
    seen = set()
    for image, result in zip(images, moved, strict=True):
        padded = np.pad(image, ((0, 0), (2, 2), (2, 2)))
        ways = {
            (down, right, mirrored)
            for down in range(5)
            for right in range(5)
            for mirrored in (False, True)
            if (padded[:, down : down + 8, right : right + 8][:, :, :: -1 if mirrored else 1] == result).all()
        }
        assert len(ways) == 1
        seen |= ways
    assert {mirrored for *_, mirrored in seen} == ({False, True} if flip else {False})
    assert {down for down, *_ in seen} == {right for _, right, _ in seen} == {0, 1, 2, 3, 4}


def test_augment_repeats_with_the_same_generator_state():
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 8, 8), dtype=np.uint8)
    first, again, other = (data.augment(images, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


# --- load ------------------------------------------------------------------------------------------------------


def test_load_names_what_it_knows():
    with pytest.raises(ValueError, match=r"no data set 'cifar'.*'cifar10', 'fashion_mnist', 'folder'"):
        data.load("cifar")
    with pytest.raises(ValueError, match="no split 'validation'"):
        data.load("fashion_mnist", "validation")
    with pytest.raises(ValueError, match="needs `path`"):
        data.load("folder")
    with pytest.raises(ValueError, match="takes no `path`"):
        data.load("fashion_mnist", path="somewhere")


def test_only_cifar10_imports_paddle(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        save(tmp_path / name, Image.new("RGB", (4, 4)))
    code = (
        "import sys; from mobilenet_lib import data; data.load('fashion_mnist');"
        f"data.load('folder', path={str(tmp_path)!r}); sys.exit('paddle' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the bundled part of Fashion-MNIST -------------------------------------------------------------------------


@pytest.mark.parametrize(("split", "per_class"), [("train", 600), ("test", 200)])
def test_bundled_pictures_are_balanced_grey_and_framed_in_black(split, per_class):
    images = data.load("fashion_mnist", split)
    assert images.images.shape == (10 * per_class, 3, 32, 32)
    assert images.images.dtype == np.uint8
    assert images.labels.dtype == np.int64
    assert np.bincount(images.labels).tolist() == [per_class] * 10
    assert len(images.classes) == 10
    assert (images.images == images.images[:, :1]).all()
    frame = images.images.copy()
    frame[:, :, 2:30, 2:30] = 0
    assert not frame.any()
    assert images.images.max() == 255
    assert images.source == "Fashion-MNIST, a part: 6,000 training and 2,000 test pictures"


def test_bundled_classes_are_named_in_the_order_of_their_labels():
    images = data.load("fashion_mnist", "train")
    lit = np.array([(images.images[images.labels == label, 0] > 0).mean() for label in range(10)])
    lit = dict(zip(images.classes, lit, strict=True))
    # Coats fill the picture, sandals and trousers leave most of it empty; ankle boots are taller than sneakers.
    assert min(lit, key=lit.get) in {"Sandal", "Trouser"}
    assert max(lit, key=lit.get) in {"Coat", "Pullover", "Shirt"}
    assert lit["Ankle boot"] > 1.3 * lit["Sneaker"]


def test_no_bundled_test_picture_is_in_the_training_part():
    train, test = ({image.tobytes() for image in data.load("fashion_mnist", split).images} for split in data.SPLITS)
    assert not train & test


def test_bundled_pictures_can_be_made_smaller():
    assert data.load("fashion_mnist", "test", size=16).images.shape == (2000, 3, 16, 16)


def test_a_changed_bundle_is_refused(tmp_path, monkeypatch):
    content = bytearray(image_sets._FASHION_MNIST.read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "fashion-mnist-part.npz"
    changed.write_bytes(content)
    monkeypatch.setattr(image_sets, "_FASHION_MNIST", changed)
    with pytest.raises(data.ArchiveError, match=r"fashion-mnist-part\.npz has changed.*SHA-256.*Restore it"):
        data.load("fashion_mnist")
    changed.unlink()
    with pytest.raises(FileNotFoundError, match=r"fashion-mnist-part\.npz cannot be read"):
        data.load("fashion_mnist")


def test_the_bundle_holds_no_time_and_packs_to_the_same_bytes(monkeypatch):
    with zipfile.ZipFile(image_sets._FASHION_MNIST) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    arrays = {
        "train_images": np.arange(1000, dtype=np.uint8),
        "train_labels": np.zeros(3, np.uint8),
    }
    first = make_fashion_mnist.pack(arrays)
    monkeypatch.setattr("time.localtime", lambda *_: pytest.fail("the time of day was asked for"))
    assert make_fashion_mnist.pack(arrays) == first
    with np.load(io.BytesIO(first)) as unpacked:
        assert all((unpacked[name] == array).all() for name, array in arrays.items())


def test_the_maker_refuses_another_file(tmp_path):
    import gzip

    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is not"):
        make_fashion_mnist.read_idx(path, header=16)


def test_the_licence_lies_beside_the_data():
    text = image_sets._FASHION_MNIST.with_name("LICENSE-fashion-mnist").read_text(encoding="utf-8")
    assert "Copyright © 2017 Zalando SE" in text
    assert "Permission is hereby granted, free of charge" in text


# --- CIFAR-10: tiny archives of the right form -----------------------------------------------------------------


@pytest.fixture
def batches():
    """Six batches of four pictures, as the members of an archive."""
    generator = np.random.default_rng(0)
    return {
        name: {
            b"data": generator.integers(0, 256, (4, 3072), dtype=np.uint8),
            b"labels": generator.integers(0, 10, 4).tolist(),
            b"filenames": [b"a.png", b"b.png", b"c.png", b""],
        }
        for name in [*TRAIN_BATCHES, TEST_BATCH]
    }


@pytest.fixture(autouse=True)
def _no_archive_by_accident(monkeypatch):
    monkeypatch.delenv("MOBILENET_DATA", raising=False)


def write_archive(path, members, mode="w:gz", links=()):
    """Write members (a dict, or pairs where a name comes twice): batches are pickled, bytes stored as they are."""
    with tarfile.open(path, mode) as archive:
        for name, content in members.items() if isinstance(members, dict) else members:
            payload = content if isinstance(content, bytes) else pickle.dumps(content, protocol=2)
            member = tarfile.TarInfo(name)
            member.size = len(payload)
            archive.addfile(member, io.BytesIO(payload))
        for name, kind, target in links:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            archive.addfile(member)
    return path


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
def test_cifar10_gives_back_what_was_stored(tmp_path, batches, mode):
    path = write_archive(tmp_path / "cifar-10-python.tar.gz", batches, mode)
    train, test = data.load("cifar10", "train", path=path), data.load("cifar10", "test", path=path)
    expected = np.concatenate([batches[name][b"data"] for name in TRAIN_BATCHES]).reshape(20, 3, 32, 32)
    assert (train.images == expected).all()
    assert train.images.dtype == np.uint8
    assert train.labels.tolist() == [label for name in TRAIN_BATCHES for label in batches[name][b"labels"]]
    assert train.labels.dtype == np.int64
    assert (test.images.reshape(4, 3072) == batches[TEST_BATCH][b"data"]).all()
    assert (test.part, len(test), test.classes[3], len(test.classes)) == ("test", 4, "cat", 10)


def test_cifar10_says_when_the_archive_is_not_the_official_one(tmp_path, batches, monkeypatch):
    path = write_archive(tmp_path / "cifar-10-python.tar.gz", batches)
    checksum = hashlib.md5(path.read_bytes()).hexdigest()
    assert data.load("cifar10", path=path).source == (
        f"CIFAR-10 (archive with MD5 {checksum[:8]}, not the official one)"
    )
    monkeypatch.setattr(cifar10, "OFFICIAL_MD5", checksum)
    assert data.load("cifar10", path=path).source == "CIFAR-10"


def test_the_official_checksum_is_paddles():
    from mobilenet_lib._support.paddle import paddle

    assert paddle.vision.datasets.cifar.CIFAR10_MD5 == cifar10.OFFICIAL_MD5


def test_where_the_archive_may_be_named(tmp_path, batches, monkeypatch):
    path = write_archive(tmp_path / "cifar-10-python.tar.gz", batches)
    other = write_archive(tmp_path / "other.tar", {**batches, TEST_BATCH: batches[TRAIN_BATCHES[0]]})
    first = data.load("cifar10", "test", path=tmp_path).images
    for place in (tmp_path, path):
        monkeypatch.setenv("MOBILENET_DATA", str(place))
        assert (data.load("cifar10", "test").images == first).all()
    assert (data.load("cifar10", "test", path=other).images != first).any()  # path goes before MOBILENET_DATA


def test_a_named_archive_that_is_not_there(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"path is '.*gone\.tar'.*there is no file"):
        data.load("cifar10", path=tmp_path / "gone.tar")
    monkeypatch.setenv("MOBILENET_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"MOBILENET_DATA is .*no file .*cifar-10-python\.tar\.gz"):
        data.load("cifar10")


def python2_batch(pictures, labels):
    """A batch as Python 2 wrote the official ones: byte strings, and NumPy's module under its old name."""
    content = pictures.tobytes()
    return b"".join(
        (
            b"\x80\x02}(U\x06labels](",
            bytes(byte for label in labels for byte in (ord("K"), label)),
            b"eU\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01",
            b"M" + struct.pack("<H", pictures.shape[0]) + b"M" + struct.pack("<H", pictures.shape[1]) + b"\x86",
            b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89",
            b"T" + struct.pack("<I", len(content)) + content + b"tbu.",
        )
    )


def test_batches_that_python_2_wrote_are_read(tmp_path, batches):
    batch = batches[TEST_BATCH]
    payload = python2_batch(batch[b"data"], batch[b"labels"])
    path = write_archive(tmp_path / "repacked.tar.gz", {f"./{TEST_BATCH}": payload})
    test = data.load("cifar10", "test", path=path)
    assert (test.images.reshape(4, 3072) == batch[b"data"]).all()
    assert test.labels.tolist() == batch[b"labels"]


# --- CIFAR-10: damaged archives --------------------------------------------------------------------------------


def refused(path, match, split="train"):
    with pytest.raises(data.ArchiveError, match=match) as caught:
        data.load("cifar10", split, path=path)
    assert str(path) in str(caught.value)
    assert "Download it again" in str(caught.value)


@pytest.mark.parametrize("mode", ["w:gz", "w:xz", "w"])
@pytest.mark.parametrize("share", [0, 0.001, 0.1, 0.5, 0.8])
def test_a_truncated_archive_is_refused(tmp_path, batches, mode, share):
    path = write_archive(tmp_path / "cifar.tar.gz", batches, mode)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path, "truncated, damaged or not a tar file|it has no")
    refused(path, "truncated, damaged or not a tar file|it has no", split="test")


def test_a_flipped_bit_is_noticed(tmp_path, batches):
    path = write_archive(tmp_path / "cifar.tar.gz", batches)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 64
    path.write_bytes(content)
    refused(path, "truncated, damaged or not a tar file")


@pytest.mark.parametrize("content", [b"", b"<html>Please log in</html>", b"PK\x05\x06" + bytes(18)])
def test_what_is_not_a_tar_is_refused(tmp_path, content):
    path = tmp_path / "cifar-10-python.tar.gz"
    path.write_bytes(content)
    refused(path, "not a tar file")


def test_missing_batches_are_named(tmp_path, batches):
    del batches[TRAIN_BATCHES[2]], batches[TEST_BATCH]
    path = write_archive(tmp_path / "cifar.tar", batches)
    refused(path, "it has no cifar-10-batches-py/data_batch_3")
    refused(path, "it has no cifar-10-batches-py/test_batch", split="test")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({b"data": np.zeros((4, 3071), np.uint8)}, "test_batch are not an array of N × 3072 bytes"),
        ({b"data": np.zeros(4 * 3072, np.uint8)}, "not an array of N × 3072 bytes"),
        ({b"data": [[0] * 3072] * 4}, "not an array of N × 3072 bytes"),
        ({b"data": np.zeros((4, 3072), np.float32)}, "not made of bytes"),
        ({b"data": np.zeros((4, 3072), np.int8)}, "not made of bytes"),
        ({b"labels": [1, 2, 3]}, "one label for each of its 4 pictures"),
        ({b"labels": (1, 2, 3, 4)}, "in a list"),
        ({b"labels": [1, 2, 3, 10]}, "from 0 to 9"),
        ({b"labels": [1, 2, 3, -1]}, "from 0 to 9"),
        ({b"labels": [1, 2, 3, 4.0]}, "from 0 to 9"),
        ({b"labels": None}, "one label for each"),
        ({b"data": np.zeros((0, 3072), np.uint8), b"labels": []}, "one label for each"),
    ],
)
def test_wrong_shapes_and_labels_are_refused(tmp_path, batches, change, match):
    path = write_archive(tmp_path / "cifar.tar", {TEST_BATCH: {**batches[TEST_BATCH], **change}})
    refused(path, match, split="test")


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps([1, 2], protocol=2), pickle.dumps(7)])
def test_a_batch_that_is_no_dictionary_is_refused(tmp_path, content):
    path = write_archive(tmp_path / "cifar.tar", {TEST_BATCH: content})
    refused(path, "truncated, damaged|not an array", split="test")


# --- CIFAR-10: archives that would run code --------------------------------------------------------------------


class Runs:
    """Pickled, this is a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attack(marker):
    return Runs(os.mkdir, str(marker))


def test_the_attack_is_real(tmp_path):
    """The pickle used below does run when nothing holds it back: a marker that stays away proves something."""
    pickle.loads(pickle.dumps({b"data": attack(tmp_path / "marker")}, protocol=2), encoding="bytes")
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("place", [b"data", b"labels", b"anything", "key"])
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_call_in_a_batch_is_refused_and_not_run(tmp_path, batches, place, protocol):
    marker = tmp_path / "marker"
    key, value = (attack(marker), 1) if place == "key" else (place, attack(marker))
    last = TRAIN_BATCHES[-1]
    batches[last] = pickle.dumps({**batches[last], key: value}, protocol=protocol)
    refused(
        write_archive(tmp_path / "cifar.tar.gz", batches),
        r"asks for (posix|nt)\.mkdir.*could run code",
    )
    assert not marker.exists()


@pytest.mark.parametrize(
    "value",
    [
        Runs(eval, "1"),
        Runs(getattr, 1, "real"),
        Runs(bytearray, 3),
        Runs(__import__, "os"),
        np.array([None]),
        np.dtype("O"),
        np.float64(1),
        Path("a"),
    ],
    # The same in every process, so that the tests can run side by side.
    ids=["eval", "getattr", "bytearray", "import", "array", "dtype", "scalar", "path"],
)
def test_names_that_a_batch_does_not_need_are_refused(tmp_path, batches, value):
    path = write_archive(tmp_path / "cifar.tar", {TEST_BATCH: {**batches[TEST_BATCH], b"extra": value}})
    refused(path, "its pickle (asks for|holds an array that is not made of bytes|builds)", split="test")


OBJECT_DTYPE = b"cnumpy\ndtype\nU\x01OK\x00K\x01\x87R"
BYTE_DTYPE = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R"
ARRAY = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
BYTE_STATE = b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"


@pytest.mark.parametrize(
    "opcodes",
    [
        # Objects forged from raw bytes: an object type whose flags say that it holds plain bytes.
        ARRAY + b"(K\x01K\x01\x85" + OBJECT_DTYPE + BYTE_STATE + b"\x89U\x08AAAAAAAAtb",
        # The array's class called directly, with a buffer of the pickle's choice.
        b"cnumpy\nndarray\nK\x01\x85\x81",
        b"cnumpy\nndarray\nK\x01\x85R",
        # A shape that its content does not fill.
        ARRAY + b"(K\x01K\x09\x85" + BYTE_DTYPE + BYTE_STATE + b"\x89U\x08AAAAAAAAtb",
        # Another class in the array's place.
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\ndtype\nK\x00\x85U\x01b\x87R",
        # An array's first shape chosen freely.
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85U\x01b\x87R",
        # A type's state changed to something unusual.
        BYTE_DTYPE + b"(K\x03U\x01|NNNK\x09K\x09K\x3ftb",
        # Any codec by name.
        b"c_codecs\nencode\nX\x01\x00\x00\x00aU\x03hex\x86R",
        # Attributes set on the functions that a batch may call.
        b"cnumpy\ndtype\n}U\x08__code__Nsb",
        b"cnumpy\nndarray\n}U\x01aNsb",
    ],
)
def test_misuse_of_the_names_a_batch_may_use_is_refused(tmp_path, batches, opcodes):
    path = write_archive(tmp_path / "cifar.tar", {TEST_BATCH: batch_with_extra(batches[TEST_BATCH], opcodes)})
    refused(path, "its pickle|damaged", split="test")


def test_the_misuse_cases_are_well_formed(tmp_path, batches):
    """The same batch with a harmless array in that place is read, so the cases above fail for what they do."""
    harmless = ARRAY + b"(K\x01K\x08\x85" + BYTE_DTYPE + BYTE_STATE + b"\x89U\x08AAAAAAAAtb"
    path = write_archive(tmp_path / "cifar.tar", {TEST_BATCH: batch_with_extra(batches[TEST_BATCH], harmless)})
    assert data.load("cifar10", "test", path=path).labels.tolist() == batches[TEST_BATCH][b"labels"]


def batch_with_extra(batch, opcodes):
    """A good batch with one entry more, made by these opcodes."""
    good = python2_batch(batch[b"data"], batch[b"labels"])
    return good.removesuffix(b"u.") + b"U\x05extra" + opcodes + b"u."


@pytest.mark.parametrize(
    "name",
    [
        "cifar-10-batches-py/data_batch_6",
        "elsewhere/data_batch_1",
        "../../data_batch_1",
        "/data_batch_1",
        "cifar-10-batches-py/data_batch_1/more",
    ],
)
def test_members_that_paddle_would_also_unpickle_are_refused(tmp_path, batches, name):
    """Paddle reads every member with "data_batch" in its name, so a batch in a wrong place is not overlooked."""
    marker = tmp_path / "marker"
    path = write_archive(tmp_path / "cifar.tar", {**batches, name: {b"data": attack(marker)}})
    refused(path, "is doubled or does not belong there")
    assert not marker.exists()


def test_doubled_and_linked_members_are_refused(tmp_path, batches):
    marker = tmp_path / "marker"
    double = [*batches.items(), (TRAIN_BATCHES[0], {b"data": attack(marker)})]
    refused(write_archive(tmp_path / "double.tar", double), "is doubled")
    del batches[TRAIN_BATCHES[0]]
    members = {"payload": {b"data": attack(marker)}, **batches}
    for kind, target in ((tarfile.SYMTYPE, "../payload"), (tarfile.LNKTYPE, "payload")):
        path = write_archive(tmp_path / "link.tar", members, links=[(TRAIN_BATCHES[0], kind, target)])
        refused(path, "is a link")
    assert not marker.exists()


def test_a_batch_that_claims_to_be_huge_is_refused_unread(tmp_path, batches, monkeypatch):
    monkeypatch.setattr(cifar10, "_LARGEST_BATCH", 1000)
    refused(write_archive(tmp_path / "cifar.tar", batches), "too large")


def test_nothing_is_unpacked(tmp_path, batches):
    place = tmp_path / "alone"
    place.mkdir()
    path = write_archive(
        place / "cifar.tar",
        {**batches, "../escaped": b"x", "cifar-10-batches-py/readme.html": b"x"},
    )
    data.load("cifar10", path=path)
    assert list(tmp_path.iterdir()) == [place]
    assert list(place.iterdir()) == [path]


# --- CIFAR-10: Paddle's cache and download ---------------------------------------------------------------------


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
    monkeypatch.setattr(cifar, "CIFAR10_MD5", hashlib.md5(content).hexdigest())
    monkeypatch.setattr(paddle.dataset.common, "DATA_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    thread = threading.Thread(target=state.serve_forever, daemon=True)
    thread.start()
    yield state
    state.shutdown()
    state.server_close()
    thread.join()


def test_paddle_downloads_once(server, batches):
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
    for part in (
        "path (not given)",
        "MOBILENET_DATA (not set)",
        str(server.cached),
        "http://127.0.0.1:",
    ):
        assert part in text
    assert "load('cifar10', path=" in text
    assert "load('fashion_mnist')" in text


# --- a folder of pictures --------------------------------------------------------------------------------------


def save(path, image, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **settings)
    return path


@pytest.fixture
def pets(tmp_path):
    """Ten pictures of each of two classes, told apart by their green."""
    root = tmp_path / "pets"
    for number in range(10):
        save(root / "cat" / f"{number}.png", Image.new("RGB", (40, 30), (255, 10 * number, 0)))
        save(root / "dog" / f"{number}.png", Image.new("RGB", (30, 40), (0, 10 * number, 255)))
    return root


def only_picture(root, split="train"):
    """The picture of class "a", where "b" is only there to make two classes."""
    if not (root / "test").exists():
        for name in ("train/b/1.png", "test/a/1.png", "test/b/1.png"):
            save(root / name, Image.new("RGB", (4, 4)))
    return data.load("folder", split, path=root).images[0]


def test_a_folder_is_split_by_class_without_overlap(pets):
    train, test = (
        data.load("folder", "train", path=pets),
        data.load("folder", "test", path=str(pets)),
    )
    assert train.classes == test.classes == ("cat", "dog")
    assert train.images.shape == (16, 3, 32, 32)
    assert train.images.dtype == np.uint8
    assert np.bincount(train.labels).tolist() == [8, 8]
    assert np.bincount(test.labels).tolist() == [2, 2]
    assert (train.images[train.labels == 0, 0] == 255).all()
    assert (train.images[train.labels == 1, 2] == 255).all()
    for label in (0, 1):
        greens = [s.images[s.labels == label, 1, 0, 0].tolist() for s in (train, test)]
        assert sorted(greens[0] + greens[1]) == list(range(0, 100, 10))
    assert data.load("folder", "test", path=pets).images.tobytes() == test.images.tobytes()
    assert test.source == "folder pets, test part, 20% of each class for test, seed 0: 4 pictures in 2 classes"


def test_a_folder_split_does_not_change_with_other_classes(pets):
    before = data.load("folder", "test", path=pets)
    save(pets / "ant" / "1.png", Image.new("RGB", (4, 4)))
    save(pets / "ant" / "2.png", Image.new("RGB", (4, 4)))
    after = data.load("folder", "test", path=pets)
    assert after.classes == ("ant", "cat", "dog")
    assert (after.images[after.labels > 0] == before.images).all()


def test_a_folder_with_its_own_split(tmp_path):
    for split, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            for number in range(count):
                save(tmp_path / split / name / f"{number}.jpg", Image.new("RGB", (9, 9)))
    assert len(data.load("folder", "train", path=tmp_path)) == 6
    test = data.load("folder", "test", path=tmp_path, size=16)
    assert test.images.shape == (2, 3, 16, 16)
    assert f"folder {tmp_path.name}, test/ folder: 2 pictures" in test.source


def test_clutter_is_skipped_and_other_files_are_counted(pets):
    (pets / ".DS_Store").write_bytes(b"x")
    (pets / "cat" / "Thumbs.db").write_bytes(b"x")
    (pets / "cat" / ".hidden.png").write_bytes(b"x")
    (pets / ".ipynb_checkpoints").mkdir()
    (pets / "dog" / ".ipynb_checkpoints").mkdir()
    images = data.load("folder", path=pets)
    assert len(images) == 16
    assert "skipped" not in images.source
    (pets / "labels.csv").write_bytes(b"x")
    (pets / "dog" / "notes.txt").write_bytes(b"x")
    assert data.load("folder", path=pets).source.endswith("2 files that are not pictures skipped")


@pytest.mark.parametrize(
    ("mode", "colour", "expected", "name"),
    [
        ("RGB", (250, 20, 30), (250, 20, 30), "a.png"),
        ("RGB", (250, 20, 30), (250, 20, 30), "a.JPEG"),
        ("L", 77, (77, 77, 77), "a.jpg"),
        ("1", 1, (255, 255, 255), "a.png"),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0), "a.jpg"),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0), "a.tiff"),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255), "a.png"),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0), "a.webp"),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204), "a.png"),
        ("LA", (0, 0), (255, 255, 255), "a.png"),
        ("I;16", 65535, (255, 255, 255), "a.png"),
        ("I;16", 128 * 257, (128, 128, 128), "a.png"),
        ("I;16", 128 * 257, (128, 128, 128), "a.tif"),
        ("I", 3 * 257, (3, 3, 3), "a.tif"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, colour, expected, name):
    path = tmp_path / "train" / "a" / name
    save(
        path,
        Image.new(mode, (50, 50), colour),
        **({"lossless": True} if name.endswith("webp") else {}),
    )
    picture = only_picture(tmp_path).astype(int)
    tolerance = 3 if name.lower().endswith(("jpg", "jpeg")) else 0
    assert np.abs(picture - np.array(expected).reshape(3, 1, 1)).max() <= tolerance


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 0, 200, 0])
    image.paste(1, (0, 0, 8, 4))
    save(tmp_path / "train/a/1.gif", image, transparency=0)
    picture = only_picture(tmp_path)
    assert picture[:, 2, 16].tolist() == [0, 200, 0]
    assert picture[:, -2, 16].tolist() == [255, 255, 255]


@pytest.mark.parametrize("extent", [(1, 1), (1, 500), (500, 1), (3000, 5)])
def test_odd_extents_fill_the_square(tmp_path, extent):
    save(tmp_path / "train/a/1.png", Image.new("RGB", extent, (9, 99, 199)))
    assert (only_picture(tmp_path) == np.array([9, 99, 199]).reshape(3, 1, 1)).all()


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_the_centre_is_kept_and_shapes_are_not_squeezed(tmp_path, name):
    image = Image.new("RGB", (1800, 600), (255, 0, 0))
    image.paste((0, 0, 255), (600, 0, 1200, 600))  # the middle third, a square
    save(tmp_path / "train/a" / name, image)
    picture = only_picture(tmp_path).astype(int)
    assert np.abs(picture[:, :, 2:-2] - np.array([0, 0, 255]).reshape(3, 1, 1)).max() <= 4


def test_a_jpeg_is_decoded_in_all_the_detail_that_is_asked_for(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 255
    for name in ("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"):
        save(tmp_path / name, Image.fromarray(stripes), quality=98)
    picture = data.load("folder", path=tmp_path, size=256).images[0].astype(int)
    assert np.abs(picture - stripes.transpose(2, 0, 1)).max() < 20


def test_exif_orientation_turns_the_picture_upright(tmp_path):
    image = Image.new("RGB", (64, 64), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 32, 64))  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    save(tmp_path / "train/a/1.jpg", image, exif=exif, quality=95)
    picture = only_picture(tmp_path)
    assert picture[:, :14].min() > 240
    assert picture[:, 18:].max() < 15


# --- folders that are refused ----------------------------------------------------------------------------------


def folder_refused(root, *parts, kind=data.FolderError):
    with pytest.raises(kind) as caught:
        data.load("folder", path=root)
    for part in parts:
        assert part in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    folder_refused(tmp_path / "gone", str(tmp_path / "gone"), "Expected two or more", kind=FileNotFoundError)


def test_a_folder_without_classes(tmp_path):
    save(tmp_path / "1.png", Image.new("RGB", (4, 4)))
    folder_refused(tmp_path, str(tmp_path), "no sub-folders", "pets/cat/1.jpg")
    save(tmp_path / "cat" / "1.png", Image.new("RGB", (4, 4)))
    folder_refused(tmp_path, "only the sub-folder cat/")


def test_an_empty_class_folder_is_named(pets):
    (pets / "fox").mkdir()
    (pets / "fox" / "movie.mp4").write_bytes(b"x")
    folder_refused(pets, str(pets / "fox"), "has no pictures (1 other files)", "remove the folder", ".jpg")


def test_a_folder_inside_a_class_is_named(pets):
    save(pets / "cat" / "more" / "1.png", Image.new("RGB", (4, 4)))
    folder_refused(pets, str(pets / "cat"), "a folder inside: more/")


def test_a_class_with_one_picture_cannot_be_split(pets):
    save(pets / "fox" / "one.png", Image.new("RGB", (4, 4)))
    folder_refused(pets, str(pets / "fox"), "one.png", "two or more")


def test_train_and_test_must_have_the_same_classes(tmp_path):
    for name in ("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/B/1.png"):
        save(tmp_path / name, Image.new("RGB", (4, 4)))
    folder_refused(tmp_path, "the same class folders", "B, b")


def test_train_and_test_beside_other_folders(tmp_path):
    for name in ("train/a/1.png", "test/a/1.png", "val/a/1.png"):
        save(tmp_path / name, Image.new("RGB", (4, 4)))
    folder_refused(tmp_path, str(tmp_path), "other folders beside train/ and test/: val")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        b"\xff\xd8\xff\xe0 cut",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    ],
)
def test_an_unreadable_picture_is_named(pets, content):
    (pets / "dog" / "broken.jpg").write_bytes(content)
    (pets / "dog" / "broken.jpeg").write_bytes(content)  # two, so that one is in the training part
    (pets / "dog" / "broken.png").write_bytes(content)
    folder_refused(
        pets,
        str(pets / "dog" / "broken."),
        "cannot be read as a picture",
        "remove it from the folder",
    )


def test_no_other_program_is_started_to_read_a_picture(tmp_path, monkeypatch):
    """Pillow would call Ghostscript for this file, whatever its ending says."""
    path = save(tmp_path / "drawing.eps", Image.new("RGB", (8, 8)))
    path = path.replace(save(tmp_path / "train/a/1.png", Image.new("RGB", (8, 8))))
    with Image.open(path) as image:
        assert image.format == "EPS"
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript was called"))
    with pytest.raises(data.FolderError, match=r"1\.png cannot be read as a picture"):
        only_picture(tmp_path)


def test_a_truncated_picture_is_named(pets):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("cut.jpg", "cut.png"):
        path = save(pets / "cat" / name, Image.fromarray(noise))
        path.write_bytes(path.read_bytes()[:2000])
    folder_refused(pets, str(pets / "cat" / "cut."), "cannot be read as a picture")


def test_a_picture_of_floating_point_numbers_is_named(tmp_path):
    save(tmp_path / "train/a/1.tif", Image.new("F", (4, 4), 0.5))
    with pytest.raises(data.FolderError, match=r"1\.tif.*floating-point"):
        only_picture(tmp_path)


@pytest.mark.parametrize("extent", [(12_000, 9_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_unread(tmp_path, extent):
    """108 million pixels are below the limit at which Pillow itself raises; 3,600 million are above it."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *extent, 8, 2, 0, 0, 0))
    path = tmp_path / "train" / "a" / "1.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    with pytest.raises(data.FolderError, match=r"1\.png has too many pixels.*limit is 100 million"):
        only_picture(tmp_path)


def test_a_folder_larger_than_memory_is_refused_before_reading(pets, monkeypatch):
    monkeypatch.setattr(folders, "MOST_BYTES", 16 * 3 * 32 * 32 - 1)
    folder_refused(pets, "16 pictures of 32×32", kind=ValueError)
