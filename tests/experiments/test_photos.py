"""Whatever file a learner brings becomes what the network was trained on, or a clear message."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from mobilenet_lib import data, weights, widgets
from mobilenet_lib.experiments.shipping import photos, shipped
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


def thing(value, ground, mode="L", size=(40, 30)):
    """An object of 20 by 10 pixels, left of the middle, on a plain ground."""
    image = Image.new(mode, size, ground)
    image.paste(value, (4, 10, 24, 20))
    return image


SQUARE = encoded(Image.fromarray(np.pad(np.full((20, 20), 200, np.uint8), 5)))
DEEP = np.zeros((30, 40), np.uint16)
DEEP[10:20, 4:24] = 200 * 257
KINDS = {
    "grey": encoded(thing(200, 0)),
    "grey on grey": encoded(thing(200, 60)),
    "white on grey": encoded(thing(255, 180)),
    "colour": encoded(thing((200, 200, 200), (0, 0, 0), "RGB"), "JPEG", quality=95),
    "black and white": encoded(thing(1, 0, "1")),
    "palette": encoded(thing((200, 200, 200), (0, 0, 0), "RGB").quantize(4), "GIF"),
    "16 bits": encoded(Image.fromarray(DEEP)),
    "CMYK": encoded(thing((0, 0, 0, 55), (0, 0, 0, 255), "CMYK"), "JPEG", quality=95),
}
LIGHT_KINDS = {
    "light ground": encoded(thing(30, 240)),
    "black on grey": encoded(thing(10, 60)),
    "transparent shows white": encoded(thing((0, 0, 0, 255), (0, 0, 0, 0), "RGBA")),
    "grey and transparent": encoded(thing((20, 255), (0, 0), "LA")),
}


@pytest.mark.parametrize("kind", [*KINDS, *LIGHT_KINDS])
def test_the_object_of_every_kind_of_photo_fills_a_black_square(kind):
    file, invert = {**KINDS, **LIGHT_KINDS}[kind], kind in LIGHT_KINDS
    assert photos.light_ground(file) == invert
    image = photos.prepare(file, invert=invert)
    assert image.shape == (3, 32, 32)
    assert image.dtype == np.uint8
    assert (image == image[0]).all(), "all colours are equal"
    seen = image[0, 2:-2, 2:-2]
    assert image[0].sum(dtype=int) == seen.sum(dtype=int), "the border is black"
    across, down = seen[14], seen[:, 14]
    assert across.min() > 180, "it reaches both sides"
    assert abs(np.count_nonzero(down > 128) - 14) <= 3, "half as high as wide, and in the middle"
    assert max(down[:4].max(), down[-4:].max()) < 60


def test_a_light_ground_stays_as_it_is_until_it_is_swapped():
    image = photos.prepare(LIGHT_KINDS["light ground"])[0, 2:-2, 2:-2]
    assert image[0].min() > 200
    assert image[14].max() < 60


@pytest.mark.parametrize("size", [(1, 1), (40, 30)])
@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_photo_of_nothing_is_told_so(size, value):
    for look in (photos.prepare, photos.light_ground):
        with pytest.raises(photos.ImageError, match=rf"blank\.png shows nothing: {size[0]}×{size[1]} pixels"):
            look(encoded(grey(value, size)), "blank.png")


def test_specks_of_dust_are_no_part_of_the_object():
    image = thing(200, 0).resize((400, 300), Image.Resampling.NEAREST)  # an object of 200 by 100
    for place in ((390, 5), (2, 290)):
        image.putpixel(place, 255)
    seen = photos.prepare(encoded(image))[0, 2:-2, 2:-2]
    assert seen[14].min() > 150


def test_a_photo_of_one_row_is_prepared_too():
    photo = Image.fromarray(np.linspace(0, 255, 500, dtype=np.uint8)[np.newaxis])
    assert photos.prepare(encoded(photo)).shape == (3, 32, 32)


def test_training_images_are_still_classified_as_before():
    """Cut out and stretched they are not the same bytes; the accuracy stays within what 100 images can tell."""
    test = data.load("fashion_mnist", "test").head(100)
    prepared = [photos.prepare(encoded(Image.fromarray(image[0, 2:-2, 2:-2]))) for image in test.images]
    network = shipped.dynamic(weights.recorded(shipped.NETWORK))
    accuracies = [
        (network(data.normalise(np.stack(images))).argmax(axis=1) == test.labels).mean()
        for images in (list(test.images), prepared)
    ]
    assert accuracies[1] >= accuracies[0] - 0.08


def test_careless_photos_of_test_images_are_classified_after_all():
    test = data.load("fashion_mnist", "test").head(60)
    network = shipped.dynamic(weights.recorded(shipped.NETWORK))
    on_light, on_dark = (photos.careless(test.images, light=light) for light in (True, False))
    assert all(map(photos.light_ground, on_light))
    assert not any(map(photos.light_ground, on_dark))

    def accuracy(files, **how):
        prepared = np.stack([photos.prepare(file, **how) for file in files])
        return (network(data.normalise(prepared)).argmax(axis=1) == test.labels).mean()

    assert min(accuracy(on_light, invert=True), accuracy(on_dark)) > 0.65
    assert max(accuracy(on_light), accuracy(on_light, invert=True, cut=False), accuracy(on_dark, cut=False)) < 0.3


def test_a_photograph_is_turned_upright_as_its_exif_says():
    image = Image.new("L", (28, 28))
    image.paste(255, (4, 4, 24, 14))  # wide above,
    image.paste(255, (12, 14, 16, 24))  # narrow below
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    seen = photos.prepare(encoded(image, exif=exif))[0]
    assert np.count_nonzero(seen[8] > 128) < 10
    assert np.count_nonzero(seen[24] > 128) > 20


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
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", r"diary.png is a HEIC photo.*Most Compatible"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", r"diary.png is a HEIC photo"),
        (b"\0\0\0\x14ftypmsf1\0\0\0\0hevx", r"diary.png is a HEIC photo"),
        (encoded(Image.fromarray(np.ones((4, 4), np.float32)), "TIFF"), "floating-point numbers"),
    ],
    ids=["empty", "text", "program", "cut JPEG", "cut PNG", "HEIC", "HEIC by its second brand", "HEIC, rare", "float"],
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
    prediction = photos.classify(runtime, photos.prepare(SQUARE), CLASSES, "light")
    assert prediction.classes[0] == CLASSES[1]
    assert sorted(prediction.probabilities, reverse=True) == list(prediction.probabilities)
    assert prediction.probabilities.sum() == pytest.approx(1)
    assert len(prediction.top()) == 3
    _, alt = photos.prediction_figure([prediction])
    assert f"light: {CLASSES[1]} " in alt


def test_the_lessons_unusable_files_are_told_apart():
    said = []
    for name, content in photos.UNUSABLE.items():
        with pytest.raises(photos.ImageError, match=name) as problem:
            photos.prepare(content, name)
        said.append(str(problem.value).removeprefix(name))
    assert len(set(said)) == len(photos.UNUSABLE) == 5


def test_the_figure_of_prepared_photos_counts_light_grounds():
    fig, alt = photos.preparation_figure([KINDS["grey"], LIGHT_KINDS["light ground"]])
    assert alt.startswith("2 photos, 1 of them with a light ground")
    assert len(fig.axes) == 6


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
    page = told(form, {"name": "shoe.png", "invert": False}, SQUARE)
    assert form.replies == 1
    assert f"{CLASSES[1]}, says the network" in page
    assert len(re.findall(r"<img alt=\"[^\"]*shoe\.png: [^\"]*%", page)) == 1
    assert "outside" in page
    assert not form.offer


def test_the_form_offers_to_swap_a_light_ground():
    form, file = PhotoForm(runtime, CLASSES), LIGHT_KINDS["light ground"]
    page = told(form, {"name": "shoe.png", "invert": False}, file)
    assert "is lighter than its object" in page
    assert form.offer
    assert "is lighter than its object" not in told(form, {"name": "shoe.png", "invert": True}, file)
    assert not form.offer
    told(form, {"name": "shoe.png", "invert": False}, file)
    told(form, {"name": "diary.txt"}, b"Dear diary")
    assert not form.offer, "nothing to swap in what is no image"


@pytest.mark.parametrize("files", [(), (b"",), (b"no image",)], ids=["none", "empty", "text"])
def test_the_form_says_what_is_wrong_and_goes_on(files):
    form = PhotoForm(runtime, CLASSES)
    page = told(form, {"name": "<b>x</b>.jpg"}, *files)
    assert "This file cannot be used" in page
    assert "<b>x</b>" not in page, "a file's name is no part of the page"
    assert CLASSES[1] in told(form, {"name": "shoe.png"}, SQUARE)


def test_a_fault_of_the_runtime_is_shown_too():
    def broken(images):
        raise RuntimeError("the runtime is gone")

    page = told(PhotoForm(broken, CLASSES), {"name": "shoe.png"}, KINDS["grey"])
    assert "the runtime is gone" in page


def test_the_page_refuses_more_than_the_connection_takes():
    from tornado.websocket import _default_max_message_size

    assert PhotoForm(runtime, CLASSES).most_bytes == MOST_BYTES < _default_max_message_size
