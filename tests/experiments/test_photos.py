"""Whatever file a learner brings becomes what the network was trained on, or a clear message."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from mobilenet_lib import data, widgets
from mobilenet_lib.experiments.shipping import photos
from mobilenet_lib.widgets._photo_form import MOST_BYTES, PhotoForm

CLASSES = data.load("fashion_mnist", "test").classes


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def grey(value, size=(40, 30), mode="L"):
    return Image.new(mode, size, value)


def runtime(images):
    """Scores that say where the light is: class 0 for dark images, class 1 for light ones."""
    middle = images.mean(axis=(1, 2, 3))
    return np.stack([-middle, middle] + [np.full_like(middle, -9.0)] * 8, axis=1)


KINDS = {
    "grey": encoded(grey(200)),
    "colour": encoded(grey((200, 200, 200), mode="RGB"), "JPEG", quality=95),
    "one pixel": encoded(grey(200, (1, 1))),
    "one row": encoded(grey(200, (500, 1))),
    "black and white": encoded(grey(1, mode="1")),
    "palette": encoded(grey((200, 200, 200), mode="RGB").quantize(4), "GIF"),
    "16 bits": encoded(Image.fromarray(np.full((30, 40), 200 * 257, np.uint16))),
    "CMYK": encoded(grey((0, 0, 0, 55), mode="CMYK"), "JPEG", quality=95),
    "transparent on white": encoded(grey((0, 0, 0, 55), mode="RGBA")),
    "grey and transparent": encoded(grey((0, 55), mode="LA")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_photo_becomes_grey_with_a_black_border(kind):
    image = photos.prepare(KINDS[kind])
    assert image.shape == (3, 32, 32)
    assert image.dtype == np.uint8
    inside = image[:, 2:-2, 2:-2]
    assert np.abs(inside.astype(int) - (255 if kind == "black and white" else 200)).max() <= 3
    assert image.sum(dtype=int) == inside.sum(dtype=int), "the border is black"
    assert (image == image[0]).all(), "all colours are equal"


def test_a_training_image_comes_back_as_it_was():
    original = data.load("fashion_mnist", "test").images[0]
    file = encoded(Image.fromarray(original[0, 2:-2, 2:-2]))
    np.testing.assert_array_equal(photos.prepare(file), original)
    np.testing.assert_array_equal(photos.prepare(file, invert=True)[:, 2:-2, 2:-2], 255 - original[:, 2:-2, 2:-2])


def test_a_photograph_is_turned_upright_as_its_exif_says():
    image = Image.new("L", (28, 28))
    image.paste(255, (0, 0, 28, 14))  # light above
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    seen = photos.prepare(encoded(image, exif=exif))[0]
    assert seen[4].max() == 0
    assert seen[27, 2:-2].min() == 255


def test_a_path_is_read_and_a_missing_one_named(home):
    (home / "my.png").write_bytes(KINDS["grey"])
    for path in (home / "my.png", str(home / "my.png"), "~/my.png"):
        assert photos.prepare(path).shape == (3, 32, 32)
    with pytest.raises(FileNotFoundError, match=r"no file .*missing\.png"):
        photos.prepare(home / "missing.png")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "diary.png is empty"),
        (b"Dear diary, today", "diary.png is not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "diary.png is not an image"),
        (KINDS["colour"][:300], "diary.png is damaged"),
        (KINDS["grey"][:60], "diary.png is damaged"),
        (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "floating-point numbers"),
    ],
    ids=["empty", "text", "program", "cut JPEG", "cut PNG", "float"],
)
def test_what_is_no_image_gets_a_message_that_names_it(content, said):
    with pytest.raises(photos.ImageError, match=said) as problem:
        photos.prepare(content, "diary.png")
    assert "diary.png" in str(problem.value)


def test_a_file_beyond_the_limits_is_refused(monkeypatch, tmp_path):
    with pytest.raises(photos.ImageError, match=r"the image has too many pixels.*100 million"):
        photos.prepare(encoded(Image.new("1", (10_001, 10_000))))
    monkeypatch.setattr(photos, "MOST_BYTES", 10)
    (tmp_path / "large.png").write_bytes(KINDS["grey"])
    with pytest.raises(photos.ImageError, match=r"large\.png has 0 MB; the limit"):
        photos.prepare(tmp_path / "large.png")


def test_the_prediction_is_sorted_and_adds_up_to_one():
    prediction = photos.classify(runtime, photos.prepare(KINDS["grey"]), CLASSES, "light")
    assert prediction.classes[0] == CLASSES[1]
    assert sorted(prediction.probabilities, reverse=True) == list(prediction.probabilities)
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert len(prediction.top()) == 3
    _, alt = photos.prediction_figure([prediction])
    assert f"light: {CLASSES[1]} " in alt


def test_huge_scores_are_no_overflow():
    prediction = photos.classify(lambda images: np.array([[5e4, -5e4, 0.0]]), np.zeros((3, 32, 32), np.uint8), "abc")
    assert prediction.probabilities.tolist() == [1, 0, 0]


def test_without_a_reader_three_test_images_are_shown(capsys):
    widgets.try_your_own(runtime, CLASSES, data.load("fashion_mnist", "test"))
    shown = capsys.readouterr().out
    assert "outside" in shown
    assert shown.count("a test image:") == 3


def told(form: PhotoForm, content: dict, *files: bytes) -> str:
    form._receive(content, [memoryview(file) for file in files])
    return form.said


def test_the_form_shows_the_image_and_three_bars_in_words():
    form = PhotoForm(runtime, CLASSES)
    page = told(form, {"name": "shoe.png", "invert": False}, KINDS["grey"])
    assert form.replies == 1
    assert f"{CLASSES[1]}, says the network" in page
    assert len(re.findall(r"<img alt=\"[^\"]*shoe\.png: [^\"]*%", page)) == 1
    assert "outside" in page
    inverted = told(form, {"name": "shoe.png", "invert": True}, KINDS["grey"])
    assert f"{CLASSES[0]}, says the network" in inverted


@pytest.mark.parametrize("files", [(), (b"",), (b"no image",)], ids=["none", "empty", "text"])
def test_the_form_says_what_is_wrong_and_goes_on(files):
    form = PhotoForm(runtime, CLASSES)
    page = told(form, {"name": "<b>x</b>.jpg"}, *files)
    assert "This file cannot be used" in page
    assert "<b>x</b>" not in page, "a file's name is no part of the page"
    assert CLASSES[1] in told(form, {"name": "shoe.png"}, KINDS["grey"])


def test_a_fault_of_the_runtime_is_shown_too():
    def broken(images):
        raise RuntimeError("the runtime is gone")

    page = told(PhotoForm(broken, CLASSES), {"name": "shoe.png"}, KINDS["grey"])
    assert "the runtime is gone" in page


def test_the_page_refuses_more_than_the_connection_takes():
    from tornado.websocket import _default_max_message_size

    assert PhotoForm(runtime, CLASSES).most_bytes == MOST_BYTES < _default_max_message_size
