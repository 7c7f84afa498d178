"""Sets of images: none lost, none changed, and every step is told in the source."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mobilenet_lib import data
from mobilenet_lib.data import image_sets
from mobilenet_lib.data.bundled import make_fashion_mnist


def image_set(labels, classes=4):
    """Images of 2×2 whose first pixel tells which one it is."""
    labels = np.asarray(labels, np.int64)
    images = np.zeros((len(labels), 3, 2, 2), np.uint8)
    images[:, 0, 0, 0] = np.arange(len(labels))
    return data.ImageSet("made", "train", images, labels, tuple("abcdefgh"[:classes]), "made for a test")


def numbers(images):
    return images.images[:, 0, 0, 0].tolist()


# --- ImageSet ----------------------------------------------------------------------------------------------------
label_lists = st.lists(st.integers(0, 3), min_size=2, max_size=60)


@given(labels=label_lists, seed=st.integers(0, 99), portion=st.floats(0, 1))
def test_sample_gives_each_class_its_turn(labels, seed, portion):
    images = image_set(labels)
    n = max(1, round(portion * len(labels)))
    taken = images.sample(n, seed)
    assert len(taken) == n == len(set(numbers(taken)))
    assert [labels[number] for number in numbers(taken)] == taken.labels.tolist()
    before, after = np.bincount(labels, minlength=4), np.bincount(taken.labels, minlength=4)
    # A class may be behind the largest by more than one only if all of it was taken.
    assert all(after[c] >= after.max() - 1 or after[c] == before[c] for c in range(4))
    assert numbers(images.sample(n, seed)) == numbers(taken)


def test_sample_depends_on_the_seed_and_says_what_it_did():
    images = image_set([0, 1, 2, 3] * 10)
    assert numbers(images.sample(8, seed=0)) != numbers(images.sample(8, seed=1))
    assert images.sample(8, seed=1).source == "made for a test; 8 of them taken with seed 1"


@pytest.mark.parametrize("n", [0, -1, 5])
@pytest.mark.parametrize("method", ["sample", "head"])
def test_more_than_there_are_is_refused(method, n):
    with pytest.raises(ValueError, match=f"Cannot take {n} of 4 images. Take from 1 to 4"):
        getattr(image_set([0, 1, 2, 3]), method)(n)


def test_head_takes_the_first_in_their_order_and_says_so():
    some = image_set([3, 1, 2, 0])
    few = some.head(3)
    assert few.labels.tolist() == [3, 1, 2]
    assert few.source == f"{some.source}; the first 3"
    assert some.head(4) is some


@given(labels=label_lists, seed=st.integers(0, 99), fraction=st.floats(0.01, 0.99))
def test_split_divides_each_class_alike_and_loses_nothing(labels, seed, fraction):
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


def test_split_is_seeded():
    images = image_set([0, 1] * 20)
    assert numbers(images.split(0.5, 0)[1]) == numbers(images.split(0.5, 0)[1])
    assert numbers(images.split(0.5, 0)[1]) != numbers(images.split(0.5, 1)[1])


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 10, float("nan")])
def test_split_refuses_what_is_not_a_fraction(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        image_set([0, 1, 2, 3]).split(fraction)
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


# --- what the networks are fed -----------------------------------------------------------------------------------
def test_normalise_maps_black_to_minus_one_and_white_to_one():
    values = data.normalise(np.array([0, 51, 255], np.uint8).reshape(1, 3, 1, 1))
    assert values.dtype == np.float32
    assert values.ravel().tolist() == [-1.0, np.float32(-0.6), 1.0]
    with pytest.raises(ValueError, match="not float32"):  # nothing is normalised twice
        data.normalise(values)


def test_augment_is_a_shift_and_perhaps_a_mirror_image():
    images = np.random.default_rng(0).integers(1, 256, (40, 3, 8, 8), dtype=np.uint8)
    original = images.copy()
    moved = data.augment(images, np.random.default_rng(1), max_shift=2)
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
    assert {mirrored for *_, mirrored in seen} == {False, True}
    assert {down for down, *_ in seen} == {right for _, right, _ in seen} == {0, 1, 2, 3, 4}


def test_augment_repeats_with_the_same_generator_state():
    images = np.random.default_rng(0).integers(0, 256, (8, 3, 8, 8), dtype=np.uint8)
    first, again, other = (data.augment(images, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


# --- load --------------------------------------------------------------------------------------------------------
def test_load_names_what_it_knows():
    for (*names, path), said in {
        ("cifar", None): r"no data set 'cifar'.*'cifar10', 'fashion_mnist', 'folder'",
        ("fashion_mnist", "validation", None): "no split 'validation'",
        ("folder", None): "needs `path`",
        ("fashion_mnist", "somewhere"): "takes no `path`",
    }.items():
        with pytest.raises(ValueError, match=said):
            data.load(*names, path=path)


def test_only_the_archive_of_cifar10_imports_paddle(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    np.savez(tmp_path / "cifar10.npz", train_images=np.zeros((1, 3, 32, 32), np.uint8), train_labels=np.zeros(1, int))
    code = (
        "import sys; from mobilenet_lib import data; data.load('fashion_mnist');"
        f"data.load('folder', path={str(tmp_path)!r});"
        f"data.load('cifar10', path={str(tmp_path / 'cifar10.npz')!r}); sys.exit('paddle' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the bundled part of Fashion-MNIST ---------------------------------------------------------------------------
@pytest.mark.parametrize(("split", "per_class"), [("train", 600), ("test", 200)])
def test_bundled_images_are_balanced_grey_and_framed_in_black(split, per_class):
    images = data.load("fashion_mnist", split)
    assert (images.images.shape, images.images.dtype) == ((10 * per_class, 3, 32, 32), np.uint8)
    assert images.labels.dtype == np.int64
    assert np.bincount(images.labels).tolist() == [per_class] * 10
    assert len(images.classes) == 10
    assert (images.images == images.images[:, :1]).all()
    frame = images.images.copy()
    frame[:, :, 2:30, 2:30] = 0
    assert not frame.any()
    assert images.images.max() == 255
    assert images.source == "Fashion-MNIST, a part: 6,000 training and 2,000 test images"
    assert data.load("fashion_mnist", split, size=16).images.shape == (10 * per_class, 3, 16, 16)


def test_bundled_classes_are_named_in_the_order_of_their_labels():
    images = data.load("fashion_mnist", "train")
    lit = np.array([(images.images[images.labels == label, 0] > 0).mean() for label in range(10)])
    lit = dict(zip(images.classes, lit, strict=True))
    # Coats fill the image, sandals and trousers leave most of it empty; ankle boots are taller than sneakers.
    assert min(lit, key=lit.get) in {"Sandal", "Trouser"}
    assert max(lit, key=lit.get) in {"Coat", "Pullover", "Shirt"}
    assert lit["Ankle boot"] > 1.3 * lit["Sneaker"]


def test_no_bundled_test_image_is_in_the_training_part():
    train, test = ({image.tobytes() for image in data.load("fashion_mnist", split).images} for split in data.SPLITS)
    assert not train & test


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
    arrays = {"train_images": np.arange(1000, dtype=np.uint8), "train_labels": np.zeros(3, np.uint8)}
    first = make_fashion_mnist.pack(arrays)
    monkeypatch.setattr("time.localtime", lambda *_: pytest.fail("the time of day was asked for"))
    assert make_fashion_mnist.pack(arrays) == first
    with np.load(io.BytesIO(first)) as unpacked:
        assert all((unpacked[name] == array).all() for name, array in arrays.items())


def test_the_maker_refuses_another_file(tmp_path):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(b"something else"))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is not"):
        make_fashion_mnist.read_idx(path, header=16)


def test_the_licence_lies_beside_the_data():
    text = image_sets._FASHION_MNIST.with_name("LICENSE-fashion-mnist").read_text(encoding="utf-8")
    assert "Copyright © 2017 Zalando SE" in text
    assert "Permission is hereby granted, free of charge" in text


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (lambda images: images.resize("32"), "size is '32'; it is the side of an image in pixels, a whole number"),
        (lambda images: images.resize(True), "size is True"),
        (lambda images: images.resize(None), "size is None"),
        (lambda images: data.load("fashion_mnist", size="32"), "size is '32'"),
        (lambda images: data.load("folder", path=".", size=2.5), "size is 2.5"),
        (lambda images: images.sample("3"), "Cannot take '3' of"),
        (lambda images: images.head(2.5), "Cannot take 2.5 of"),
        (lambda images: images.head(True), "Cannot take True of"),
        (lambda images: images.split(None), "fraction is None; it must lie between 0 and 1"),
        (lambda images: images.split("a half"), "fraction is 'a half'"),
        (lambda images: images.split(0.5, seed=None), "seed must be a whole number of at least 0, not None"),
        (lambda images: images.sample(1, seed="a"), "seed must be a whole number of at least 0, not 'a'"),
        (lambda images: data.normalise([1]), "takes bytes .*, not list"),
    ],
)
def test_an_argument_of_another_kind_gets_the_same_sentence(asked, message):
    with pytest.raises(ValueError, match=message):
        asked(data.load("fashion_mnist", "test").head(4))
