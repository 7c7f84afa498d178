"""Folders of images: whatever can be read is read alike, and every refusal names the file."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mobilenet_lib import data
from mobilenet_lib.data import folders

POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"


def save(path, image, **settings):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **settings)
    return path


@pytest.fixture
def pets(tmp_path):
    """Ten images of each of two classes, told apart by their green."""
    root = tmp_path / "pets"
    for number in range(10):
        save(root / "cat" / f"{number}.png", Image.new("RGB", (40, 30), (255, 10 * number, 0)))
        save(root / "dog" / f"{number}.png", Image.new("RGB", (30, 40), (0, 10 * number, 255)))
    return root


def only_image(root, split="train"):
    """The image of class "a", where "b" is only there to make two classes."""
    if not (root / "test").exists():
        for name in ("train/b/1.png", "test/a/1.png", "test/b/1.png"):
            save(root / name, Image.new("RGB", (4, 4)))
    return data.load("folder", split, path=root).images[0]


def test_a_folder_is_split_by_class_without_overlap(pets):
    train, test = data.load("folder", "train", path=pets), data.load("folder", "test", path=str(pets))
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
    assert test.source == "folder pets, test part, 20% of each class for test, seed 0: 4 images in 2 classes"


@pytest.mark.usefixtures("home")
def test_a_folder_in_the_home_folder(pets):
    assert len(data.load("folder", path="~/pets")) == 16


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
    assert f"folder {tmp_path.name}, test/ folder: 2 images" in test.source


def test_clutter_is_skipped_and_other_files_are_counted(pets):
    for name in (".DS_Store", "cat/Thumbs.db", "cat/.hidden.png"):
        (pets / name).write_bytes(b"x")
    (pets / ".ipynb_checkpoints").mkdir()
    (pets / "dog" / ".ipynb_checkpoints").mkdir()
    images = data.load("folder", path=pets)
    assert len(images) == 16
    assert "skipped" not in images.source
    (pets / "labels.csv").write_bytes(b"x")
    (pets / "dog" / "notes.txt").write_bytes(b"x")
    assert data.load("folder", path=pets).source.endswith("2 files that are not images skipped")


@pytest.mark.parametrize(
    ("mode", "colour", "expected", "name"),
    [
        *(("RGB", (250, 20, 30), (250, 20, 30), name) for name in ("a.png", "a.JPEG")),
        *(("CMYK", (0, 255, 255, 0), (255, 0, 0), name) for name in ("a.jpg", "a.tiff")),
        ("L", 77, (77, 77, 77), "a.jpg"),
        ("1", 1, (255, 255, 255), "a.png"),
        ("RGBA", (0, 0, 0, 0), (255, 255, 255), "a.png"),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0), "a.webp"),
        ("RGBA", (255, 0, 0, 51), (255, 204, 204), "a.png"),
        ("LA", (0, 0), (255, 255, 255), "a.png"),
        ("I;16", 65535, (255, 255, 255), "a.png"),
        *(("I;16", 128 * 257, (128, 128, 128), name) for name in ("a.png", "a.tif")),
        ("I", 3 * 257, (3, 3, 3), "a.tif"),
    ],
)
def test_every_mode_becomes_rgb(tmp_path, mode, colour, expected, name):
    path = tmp_path / "train" / "a" / name
    save(path, Image.new(mode, (50, 50), colour), **({"lossless": True} if name.endswith("webp") else {}))
    image = only_image(tmp_path).astype(int)
    tolerance = 3 if name.lower().endswith(("jpg", "jpeg")) else 0
    assert np.abs(image - np.array(expected).reshape(3, 1, 1)).max() <= tolerance


def test_a_palette_with_a_transparent_colour(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 0, 200, 0])
    image.paste(1, (0, 0, 8, 4))
    save(tmp_path / "train/a/1.gif", image, transparency=0)
    image = only_image(tmp_path)
    assert image[:, 2, 16].tolist() == [0, 200, 0]
    assert image[:, -2, 16].tolist() == [255, 255, 255]


@pytest.mark.parametrize("extent", [(1, 1), (1, 500), (500, 1), (3000, 5)])
def test_odd_extents_fill_the_square(tmp_path, extent):
    save(tmp_path / "train/a/1.png", Image.new("RGB", extent, (9, 99, 199)))
    assert (only_image(tmp_path) == np.array([9, 99, 199]).reshape(3, 1, 1)).all()


@pytest.mark.parametrize("name", ["1.png", "1.jpg"])
def test_the_centre_is_kept_and_shapes_are_not_squeezed(tmp_path, name):
    image = Image.new("RGB", (1800, 600), (255, 0, 0))
    image.paste((0, 0, 255), (600, 0, 1200, 600))  # the middle third, a square
    save(tmp_path / "train/a" / name, image)
    image = only_image(tmp_path).astype(int)
    assert np.abs(image[:, :, 2:-2] - np.array([0, 0, 255]).reshape(3, 1, 1)).max() <= 4


def test_a_jpeg_is_decoded_in_all_the_detail_that_is_asked_for(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::8] = stripes[:, 1::8] = stripes[:, 2::8] = stripes[:, 3::8] = 255
    for name in ("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/b/1.jpg"):
        save(tmp_path / name, Image.fromarray(stripes), quality=98)
    image = data.load("folder", path=tmp_path, size=256).images[0].astype(int)
    assert np.abs(image - stripes.transpose(2, 0, 1)).max() < 20


def test_exif_orientation_turns_the_image_upright(tmp_path):
    image = Image.new("RGB", (64, 64), (0, 0, 0))
    image.paste((255, 255, 255), (0, 0, 32, 64))  # the left half is white
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90° clockwise to see it upright
    save(tmp_path / "train/a/1.jpg", image, exif=exif, quality=95)
    image = only_image(tmp_path)
    assert image[:, :14].min() > 240
    assert image[:, 18:].max() < 15


# --- folders that are refused ------------------------------------------------------------------------------------
def folder_refused(root, *parts, kind=data.FolderError):
    with pytest.raises(kind) as caught:
        data.load("folder", path=root)
    for part in parts:
        assert part in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path):
    folder_refused(tmp_path / "gone", str(tmp_path / "gone"), "Expected two or more", kind=FileNotFoundError)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("1.png", ["no sub-folders", "pets/cat/1.jpg"]),
        ("1.png cat/1.png", ["only the sub-folder cat/"]),
        ("a/1.png a/2.png fox/1.mp4", ["fox has no images (1 other files)", "remove the folder", ".jpg"]),
        ("a/1.png a/2.png cat/1.png cat/more/1.png", ["cat has a folder inside: more/"]),
        ("a/1.png a/2.png fox/one.png", ["fox has one image, one.png", "two or more"]),
        ("train/a/1.png train/b/1.png test/a/1.png test/B/1.png", ["the same class folders", "B, b"]),
        ("train/a/1.png test/a/1.png val/a/1.png", ["other folders beside train/ and test/: val"]),
    ],
)
def test_a_folder_with_another_layout_is_named(tmp_path, files, said):
    for name in files.split():
        save(tmp_path / name, Image.new("RGB", (4, 4)), format="PNG")
    folder_refused(tmp_path, str(tmp_path), *said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        *((content, "is not an image that can be read here") for content in (b"", b"not an image", POSTSCRIPT)),
        (b"\xff\xd8\xff\xe0 cut", "is damaged or unusual"),
    ],
)
def test_an_unreadable_image_is_named(pets, content, said):
    for ending in ("jpg", "jpeg", "png"):  # so that one is in the training part
        (pets / "dog" / f"broken.{ending}").write_bytes(content)
    folder_refused(pets, str(pets / "dog" / "broken."), said, "remove it from the folder")


def test_no_other_program_is_started_to_read_an_image(tmp_path, monkeypatch):
    """Pillow would call Ghostscript for this file, whatever its ending says."""
    path = save(tmp_path / "drawing.eps", Image.new("RGB", (8, 8)))
    path = path.replace(save(tmp_path / "train/a/1.png", Image.new("RGB", (8, 8))))
    with Image.open(path) as image:
        assert image.format == "EPS"
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("Ghostscript was called"))
    with pytest.raises(data.FolderError, match=r"1\.png is not an image that can be read here"):
        only_image(tmp_path)


def test_a_truncated_image_is_named(pets):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for name in ("cut.jpg", "cut.png"):
        path = save(pets / "cat" / name, Image.fromarray(noise))
        path.write_bytes(path.read_bytes()[:2000])
    folder_refused(pets, str(pets / "cat" / "cut."), "is damaged or unusual", "remove it from")


def test_an_image_of_floating_point_numbers_is_named(tmp_path):
    save(tmp_path / "train/a/1.tif", Image.new("F", (4, 4), 0.5))
    with pytest.raises(data.FolderError, match=r"1\.tif.*floating-point"):
        only_image(tmp_path)


@pytest.mark.parametrize("extent", [(12_000, 9_000), (60_000, 60_000)])
def test_a_decompression_bomb_is_refused_unread(tmp_path, extent):
    """108 million pixels are below the limit at which Pillow itself raises; 3,600 million are above it."""

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *extent, 8, 2, 0, 0, 0))
    path = tmp_path / "train" / "a" / "1.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""))
    with pytest.raises(data.FolderError, match=r"1\.png has too many pixels.*limit is 100 million"):
        only_image(tmp_path)


def test_a_folder_larger_than_memory_is_refused_before_reading(pets, monkeypatch):
    monkeypatch.setattr(folders, "MOST_BYTES", 16 * 3 * 32 * 32 - 1)
    folder_refused(pets, "16 images of 32×32", kind=ValueError)


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def grey_png(bits: int, values: list[int], *chunks: bytes) -> io.BytesIO:
    """A PNG of as many equal rows as there are values in one. chunks: further parts of the file."""
    row = int("".join(f"{value:0{bits}b}" for value in values), 2).to_bytes(len(values) * bits // 8, "big")
    head = struct.pack(">IIBBBBB", len(values), len(values), bits, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), *chunks, chunk(b"IDAT", zlib.compress((b"\0" + row) * len(values)))]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b""))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("part", [0, 1 / 3, 1])
def test_a_transparent_grey_is_white_whatever_its_bits(bits, part):
    hidden, top = int((2**bits - 1) * part), 2**bits - 1
    values = [hidden] * 4 + [top] * 2 + [0 if hidden else top] * 2
    seen = folders.decode(grey_png(bits, values, chunk(b"tRNS", struct.pack(">H", hidden))), 8, "it")
    assert seen[0, 0].tolist() == [255] * 6 + [0 if hidden else 255] * 2


@pytest.mark.parametrize(
    "notes",
    [
        chunk(b"iCCP", b"profile\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"zTXt", b"note\0\0" + zlib.compress(b"a" * 3_000_000)),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<x/>" * 1_000_000)),
        chunk(b"tEXt", b"note\0" + b"a" * 3_000_000),
        chunk(b"eXIf", b"no notes" * 400_000),
    ],
    ids=["colour profile", "text", "xmp", "plain text", "exif"],
)
def test_a_png_with_megabytes_of_notes_is_read(notes):
    assert folders.decode(grey_png(8, [7] * 8, notes), 8, "it").max() == 7


@pytest.mark.parametrize(
    ("top", "middle", "seen"), [(255, 51, 51), (65535, 13107, 51), (2**31 - 1, 2**29, 64), (4095, 4095, 16)]
)
def test_a_tiff_of_32_bits_takes_the_smallest_range_that_holds_it(top, middle, seen):
    file = io.BytesIO()
    Image.fromarray(np.array([[0, middle], [middle, top]], np.int32)).resize((8, 8), 0).save(file, "TIFF")
    grey = folders.decode(file, 8, "it")[0]
    assert (grey[0, 0], grey[0, 7], grey[7, 7]) == (0, seen, 16 if top == 4095 else 255)
    Image.fromarray(np.full((8, 8), -1, np.int32)).save(file := io.BytesIO(), "TIFF")
    with pytest.raises(data.ImageError, match="32-bit numbers of unknown range"):
        folders.decode(file, 8, "it")


# Each is what stands in a note of EXIF: tag, type, count and value; some are of no type that the tag may have.
NOTES = [(0x0131, 5, 1, 38), (0x0131, 12, 1, 38), (0x010F, 3, 1, 7), (0x9999, 99, 1, 0), (0x8769, 4, 1, 10**6)]


@pytest.mark.parametrize("note", NOTES)
def test_a_photograph_is_turned_whatever_the_other_notes_hold(note):
    entries = struct.pack("<HHIHH", 0x0112, 3, 1, 6, 0) + struct.pack("<HHII", *note)
    exif = b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", 2) + entries + bytes(4) + struct.pack("<II", 3, 2) + bytes(8)
    upside, file = Image.new("RGB", (64, 64), "black"), io.BytesIO()
    upside.paste("white", (0, 0, 32, 64))  # the left half, which is the upper one when it is turned
    upside.save(file, "JPEG", exif=exif)
    seen = folders.decode(file, 32, "it")[0]
    assert seen[:12].min() > 200 > 50 > seen[20:].max()


def test_a_note_that_cannot_be_read_turns_nothing(tmp_path):
    for number, exif in enumerate(
        [b"Exif\0\0", b"Exif\0\0II*\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0\x00" * 9]
    ):
        Image.new("L", (8, 8), 77).save(tmp_path / f"{number}.jpg", exif=exif)
        assert folders.decode(tmp_path / f"{number}.jpg", 8, "it").min() == 77


def test_a_name_is_one_class_however_its_letters_are_written(tmp_path):
    """As macOS and archives write é, and as others do; the order of the classes is the same in both splits."""
    short, long = "caf\u00e9", "cafe\u0301"
    for name in (f"train/{short}/1.png", f"test/{long}/1.png", "train/caff/1.png", "test/caff/1.png"):
        save(tmp_path / name, Image.new("L", (4, 4), 200 if "caff" in name else 100))
    for split in data.SPLITS:
        found = data.load("folder", split, path=tmp_path)
        assert found.classes == ("caff", short)
        assert found.images[found.labels == 1].max() == 100
    for number, name in enumerate((short, long, "caff", "caff")):
        for again in range(2):
            save(tmp_path / "flat" / name / f"{number}{again}.png", Image.new("L", (4, 4), number))
    found = data.load("folder", path=tmp_path / "flat")
    assert found.classes == ("caff", short)
    assert len(found) == 6
