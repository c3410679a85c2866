"""Photos that say nothing but what they show, cameras that vanish, and barcodes in real pictures."""

import csv
import sys
import zlib
from collections import defaultdict
from io import BytesIO
from pathlib import Path

import cv2
import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin
from pydantic import ValidationError

import inspect_station.camera as module
from inspect_station.camera import Code, DeviceCamera, FolderCamera, camera, decode, libzbar_present
from inspect_station.devices import CameraSettings
from inspect_station.errors import DeviceError
from inspect_station.label import render, templates
from inspect_station.resources import resource

SECRET = b"48.8584 N 2.2945 E"


def drawing(colour: str = "white", size: tuple[int, int] = (800, 600)) -> Image.Image:
    """A sharp picture, with its colour in the corners."""
    image = Image.new("RGB", size, colour)
    pen = ImageDraw.Draw(image)
    for x in range(size[0] // 4, size[0] * 3 // 4, 24):
        pen.rectangle((x, size[1] // 4, x + 11, size[1] * 3 // 4), fill="black")
    return image


def corner(jpeg: bytes) -> str:
    """Which of red, green and blue the upper left corner is."""
    pixel = Image.open(BytesIO(jpeg)).getpixel((5, 5))
    assert isinstance(pixel, tuple)
    return ("red", "green", "blue")[max(range(3), key=lambda n: pixel[n])]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, colour in (("b.png", "lime"), ("a.jpg", "red"), ("damage-1.webp", "blue")):
        drawing(colour).save(tmp_path / name)
    (tmp_path / "0-notes.txt").write_text("no picture")
    return tmp_path


# ── Which camera ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param({"kind": "folder"}, "needs folder", id="folder without a folder"),
        pytest.param({"kind": "device", "fault": "gone"}, "fail", id="a real camera told to fail"),
        pytest.param({"kind": "webcam"}, "kind", id="unknown kind"),
    ],
)
def test_settings_that_cannot_work_are_refused(given, reason):
    with pytest.raises(ValidationError, match=reason):
        CameraSettings.model_validate(given)


def test_the_camera_is_the_one_set_up(pictures):
    assert isinstance(camera(CameraSettings(kind="folder", folder=pictures)), FolderCamera)
    assert isinstance(camera(CameraSettings(kind="device", device=0)), DeviceCamera)
    with pytest.raises(DeviceError, match="No camera"):
        camera(CameraSettings(kind="none"))


# ── A folder of pictures ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folders_pictures_come_in_name_order_again_and_again(pictures):
    device = FolderCamera(pictures)
    assert [corner(device.grab().jpeg) for _ in range(4)] == ["red", "green", "blue", "red"]


def test_a_slot_prefers_the_pictures_named_after_it(pictures):
    device = FolderCamera(pictures)
    assert [corner(device.grab("damage").jpeg) for _ in range(2)] == ["blue", "blue"]
    assert corner(device.grab("state").jpeg) == "red", "no picture of its own: any"


@pytest.mark.parametrize(
    ("fault", "warning"), [("", None), ("blurred", "blurred"), ("dark", "dark")], ids=["none", "blurred", "dark"]
)
def test_a_simulated_camera_takes_bad_photos_when_told_to(pictures, fault, warning):
    said = [str(message) for message in FolderCamera(pictures, fault).grab("b").warnings]
    assert len(said) == (1 if warning else 0)
    assert all(str(warning) in message for message in said)


@pytest.mark.parametrize("problem", ["told to be gone", "no such folder", "no pictures"])
def test_a_folder_without_pictures_is_a_camera_that_is_gone(tmp_path, problem):
    device = {
        "told to be gone": FolderCamera(tmp_path, "gone"),
        "no such folder": FolderCamera(tmp_path / "absent"),
        "no pictures": FolderCamera(tmp_path),
    }[problem]
    with pytest.raises(DeviceError, match="gives no picture"):
        device.grab()


# ── What a photo is ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_but_the_picture_survives(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    drawing().save(tmp_path / "a.jpg", exif=exif, comment=SECRET, icc_profile=b"profile " + SECRET)
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", SECRET.decode())
    drawing().save(tmp_path / "b.png", pnginfo=info, exif=exif)
    drawing().save(tmp_path / "c.webp", exif=exif, xmp=SECRET)
    assert all(SECRET in file.read_bytes() for file in tmp_path.iterdir() if file.suffix != ".png")
    device = FolderCamera(tmp_path)
    for _ in range(3):
        shot = device.grab()
        again = Image.open(BytesIO(shot.jpeg))
        assert again.format == "JPEG"
        assert SECRET not in shot.jpeg
        assert not again.getexif()
        assert again.info.keys() <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_picture_that_was_taken_sideways_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    drawing(size=(800, 600)).save(tmp_path / "a.jpg", exif=exif)
    shot = FolderCamera(tmp_path).grab()
    assert (shot.width, shot.height) == (600, 800)


def test_a_large_picture_becomes_smaller_and_a_small_one_stays(tmp_path):
    drawing(size=(4000, 3000)).save(tmp_path / "a.jpg")
    drawing(size=(640, 480)).save(tmp_path / "b.jpg")
    device = FolderCamera(tmp_path)
    large, small = device.grab(), device.grab()
    assert (large.width, large.height) == (1920, 1440)
    assert (small.width, small.height) == (640, 480)
    assert Image.open(BytesIO(large.jpeg)).size == (1920, 1440)


def test_a_photo_full_of_detail_is_about_300_kb(tmp_path):
    noise = numpy.random.default_rng(1).integers(0, 255, (270, 480, 3), dtype=numpy.uint8)
    Image.fromarray(noise).resize((1920, 1080)).save(tmp_path / "a.png")
    assert 100_000 < len(FolderCamera(tmp_path).grab().jpeg) < 900_000


def test_what_is_transparent_is_shown_on_white(tmp_path):
    Image.new("RGBA", (100, 100), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert FolderCamera(tmp_path).grab().exposure > 0.99


@pytest.mark.parametrize(
    ("picture", "warning"),
    [
        pytest.param(drawing("gray"), "", id="good"),
        pytest.param(drawing("gray").filter(ImageFilter.GaussianBlur(9)), "blurred", id="blurred"),
        pytest.param(drawing("#0a0a0a"), "dark", id="dark"),
        pytest.param(Image.new("RGB", (800, 600), "white"), "overexposed", id="overexposed"),
    ],
)
def test_a_photo_says_what_is_wrong_with_it(tmp_path, picture, warning):
    picture.save(tmp_path / "a.png")
    said = [str(message) for message in FolderCamera(tmp_path).grab().warnings]
    assert [warning in message for message in said] == ([True] if warning else [])


# ── Files that are no photos ─────────────────────────────────────────────────────────────────────────────────────────


def bomb() -> bytes:
    """A few bytes whose header promises 144 million pixels."""
    header = (12_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg() -> bytes:
    out = BytesIO()
    drawing().save(out, "JPEG")
    return out.getvalue()


def gif() -> bytes:
    out = BytesIO()
    drawing().save(out, "GIF")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"GTIN,title\n", "no JPEG", id="text renamed to .jpg"),
        pytest.param(gif(), "no JPEG", id="GIF renamed to .jpg"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG", id="SVG renamed to .jpg"),
        pytest.param(jpeg()[:2000], "damaged|truncated", id="cut off"),
        pytest.param(bomb(), "40 million pixels", id="144 million pixels in 60 bytes"),
    ],
)
@pytest.mark.parametrize("read", [lambda file: FolderCamera(file.parent).grab(), decode], ids=["camera", "decode"])
def test_a_file_that_is_no_photo_is_named_with_the_reason(tmp_path, data, reason, read):
    (tmp_path / "photo.jpg").write_bytes(data)
    with pytest.raises(DeviceError, match=rf"photo\.jpg.*({reason})"):
        read(tmp_path / "photo.jpg")


def test_a_file_too_long_to_be_a_photo_is_not_read(tmp_path):
    with (tmp_path / "photo.jpg").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(DeviceError, match=r"photo\.jpg.*64 MB"):
        decode(tmp_path / "photo.jpg")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DeviceError, match=r"photo\.jpg.*No such file"):
        decode(tmp_path / "photo.jpg")


def test_after_a_bad_picture_comes_the_next(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"")
    drawing("blue").save(tmp_path / "b.jpg")
    device = FolderCamera(tmp_path)
    with pytest.raises(DeviceError):
        device.grab()
    assert corner(device.grab().jpeg) == "blue"


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([jpeg(), bomb()]), st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_broken_bytes_are_a_picture_or_a_device_error(data, place, damage):
    try:
        decode(data[:place] + damage + data[place + len(damage) :])
    except DeviceError as error:
        assert "picture" in str(error)


# ── A device ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_device_gives_one_frame_after_the_other_and_then_is_gone(tmp_path):
    for n, colour in enumerate(("red", "lime", "blue")):
        drawing(colour).save(tmp_path / f"frame-{n}.png")
    device = DeviceCamera(str(tmp_path / "frame-%d.png"))
    assert [corner(device.grab().jpeg) for _ in range(3)] == ["red", "green", "blue"]
    with pytest.raises(DeviceError, match=r"frame-%d\.png"):
        device.grab()
    assert corner(device.grab().jpeg) == "red", "opened again"


def test_a_video_file_is_a_camera(tmp_path):
    path = str(tmp_path / "bench.avi")
    video = cv2.VideoWriter(path, cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    assert video.isOpened()
    for _ in range(3):
        video.write(cv2.cvtColor(numpy.asarray(drawing("red", (640, 480))), cv2.COLOR_RGB2BGR))
    video.release()
    shot = DeviceCamera(path).grab("damage")
    assert (shot.width, shot.height, corner(shot.jpeg)) == (640, 480, "red")


def test_a_camera_that_is_not_there_is_named_and_writes_nothing_on_the_screen(capfd):
    with pytest.raises(DeviceError, match="97"):
        DeviceCamera(97).grab()
    assert capfd.readouterr() == ("", "")


# ── Barcodes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

needs_zbar = pytest.mark.skipif(not libzbar_present(), reason="libzbar0 is not installed")
FIELDS = dict.fromkeys(("copy", "title", "why", "place", "seller", "deadline", "date"), "")
PLATE = Code("L7F3K00481C/1", "Code128")


def png(image: Image.Image) -> bytes:
    out = BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="module")
def label() -> bytes:
    fields = FIELDS | {"lpn": "L7F3K00481C", "barcode": PLATE.text}
    return render(templates(resource("labels"))["hold"], fields, format="png", dpi=300)


def test_our_own_label_is_read(label, tmp_path):
    (tmp_path / "label.png").write_bytes(label)
    assert decode(label) == decode(tmp_path / "label.png") == (PLATE,)


def test_a_code_that_stands_twice_is_told_once(label):
    once = Image.open(BytesIO(label)).convert("L")
    twice = Image.new("L", (once.width, once.height * 2))
    twice.paste(once, (0, 0))
    twice.paste(once, (0, once.height))
    assert decode(png(twice)) == (PLATE,)


@pytest.mark.parametrize(
    ("zxing", "zbar", "read"),
    [
        pytest.param(["Code128 A"], [], ["Code128 A"], id="a safe code counts by itself"),
        pytest.param(["ITF 123456"], [], [], id="a doubtful code does not"),
        pytest.param(["ITF 123456"], ["ITF 123456 9"], ["ITF 123456"], id="unless both read it"),
        pytest.param(["EAN-8 96385074"], ["EAN-8 12345670 9"], [], id="two readings of a doubtful code are none"),
        pytest.param(
            ["EAN-13 4006381333931", "EAN-13 7034759003930"],
            ["EAN-13 4006381333931 20"],
            ["EAN-13 4006381333931"],
            id="beside an EAN that both read, one that only one read is a mistake",
        ),
        pytest.param([], ["EAN-13 4006381333931 20"], ["EAN-13 4006381333931"], id="zbar alone, on many lines"),
        pytest.param([], ["EAN-13 4006381333931 6"], [], id="zbar alone, on few lines"),
        pytest.param([], ["ITF 123456 90"], [], id="zbar alone, a doubtful code"),
        pytest.param(
            [], ["EAN-13 4006381333931 20", "EAN-13 8882412014989 37"], [], id="zbar alone, two readings of one code"
        ),
        pytest.param(
            ["Codabar A12B"],
            ["EAN-13 4006381333931 20"],
            ["EAN-13 4006381333931"],
            id="a doubtful code hides no safe one",
        ),
    ],
)
def test_who_is_believed(monkeypatch, zxing, zbar, read):
    def code(words: str) -> Code:
        format, text = words.split(" ")[:2]
        return Code(text, format)

    monkeypatch.setattr(module, "libzbar_present", lambda: True)
    monkeypatch.setattr(module, "_zxing", lambda grey: [code(each) for each in zxing])
    monkeypatch.setattr(module, "_zbar", lambda grey: [(code(each), int(each.split(" ")[2])) for each in zbar])
    assert decode(jpeg()) == tuple(code(each) for each in read)


def test_without_libzbar_one_reader_is_enough(monkeypatch, label):
    monkeypatch.setitem(sys.modules, "pyzbar.pyzbar", None)
    libzbar_present.cache_clear()
    try:
        assert not libzbar_present()
        assert decode(label) == (PLATE,)
    finally:
        libzbar_present.cache_clear()


@needs_zbar
def test_readers_write_nothing_on_the_screen(capfd, label):
    noise = numpy.random.default_rng(1).integers(0, 255, (400, 400), dtype=numpy.uint8)
    decode(label)
    decode(png(Image.fromarray(noise)))
    assert capfd.readouterr() == ("", "")


# ── Real pictures ────────────────────────────────────────────────────────────────────────────────────────────────────

SHARED = Path(__file__).parents[2] / "shared" / "barcodes"
real = pytest.mark.skipif(not SHARED.is_dir(), reason="the pictures are in ../shared/barcodes, beside some checkouts")


@pytest.fixture(scope="module")
def read_and_expected() -> dict[str, tuple[set[str], set[str]]]:
    """By picture: texts read and texts in it, spaces at the ends of lines left out."""

    def trimmed(text: str) -> str:
        return "\n".join(line.strip() for line in text.strip().splitlines())

    expected: defaultdict[str, set[str]] = defaultdict(set)
    with (SHARED / "expected.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            expected[row["path"]] |= {trimmed(row["text"])} - {""}
    return {path: ({trimmed(code.text) for code in decode(SHARED / path)}, texts) for path, texts in expected.items()}


@real
@needs_zbar
@pytest.mark.parametrize(
    ("folder", "share"),
    [
        ("code128", 1.0),
        ("ean8", 1.0),
        ("itf", 1.0),
        ("datamatrix", 0.9),
        ("qrcode", 0.9),
        ("ean13", 0.7),
        ("upca", 0.65),
    ],
)
def test_real_codes_are_read(read_and_expected, folder, share):
    pictures = {path: both for path, both in read_and_expected.items() if path.startswith(f"{folder}-")}
    whole = [path for path, (read, texts) in pictures.items() if texts <= read]
    assert len(whole) >= share * len(pictures) > 0


@real
@needs_zbar
def test_where_there_is_no_code_none_is_read(read_and_expected):
    empty = {path: read for path, (read, texts) in read_and_expected.items() if not texts}
    assert len(empty) > 20
    assert not any(empty.values())


@real
@needs_zbar
def test_a_product_is_hardly_ever_taken_for_another(read_and_expected):
    # What both readers get wrong together, or zbar on many lines, needs a better picture; they are three in 200.
    wrong = [path for path, (read, texts) in read_and_expected.items() if read - texts]
    assert len(wrong) <= 3
