"""Photos that say nothing but what they show, cameras that vanish, and codes held before a camera."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import cv2
import numpy
import pytest
from PIL import Image, ImageDraw, ImageFilter, PngImagePlugin
from pydantic import ValidationError
from zxingcpp import BarcodeFormat, create_barcode

import inspect_station.camera as module
from inspect_station.camera import DeviceCamera, FolderCamera, Shot, camera, look_for_code
from inspect_station.decode import Code, libzbar_present
from inspect_station.devices import CameraSettings
from inspect_station.errors import DeviceError
from inspect_station.message import msg

needs_zbar = pytest.mark.skipif(not libzbar_present(), reason="libzbar0 is not installed")
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


# ── Files that are no photos: see tests/test_pictures.py ────────────────────────────────────────────────────────────


@pytest.mark.parametrize("take", [FolderCamera.grab, FolderCamera.frame], ids=["photo", "frame"])
def test_after_a_bad_picture_comes_the_next(tmp_path, take):
    (tmp_path / "a.jpg").write_bytes(b"")
    drawing("blue").save(tmp_path / "b.png")
    device = FolderCamera(tmp_path)
    with pytest.raises(DeviceError, match=r"a\.jpg.*empty"):
        take(device)
    take(device)


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


# ── Codes held before it ─────────────────────────────────────────────────────────────────────────────────────────────


def code_picture(
    text: str, format: BarcodeFormat = BarcodeFormat.EAN13, size: tuple[int, int] = (640, 480)
) -> Image.Image:
    """A code in the middle of a white picture."""
    code = Image.fromarray(numpy.asarray(create_barcode(text, format).to_image(scale=3)))
    image = Image.new("RGB", size, "white")
    image.paste(code, ((size[0] - code.width) // 2, (size[1] - code.height) // 2))
    return image


def film(path: Path, frames: list[Image.Image]) -> str:
    """A video file of them."""
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (640, 480))
    for frame in frames:
        video.write(cv2.cvtColor(numpy.asarray(frame), cv2.COLOR_RGB2BGR))
    video.release()
    return str(path)


BARE = drawing(size=(640, 480))
EAN = "4006381333931"


class Frames:
    """A camera that has these frames, and then is gone; it tells how many were taken."""

    def __init__(self, *frames: Image.Image) -> None:
        self.left = list(frames)

    def grab(self, slot: str = "") -> Shot:
        raise AssertionError("no photo is taken to look for a code")

    def frame(self) -> Image.Image:
        if not self.left:
            raise DeviceError(msg("gone"), msg("gone"))
        return self.left.pop(0)


def test_a_code_that_a_film_shows_late_is_found(tmp_path):
    device = DeviceCamera(film(tmp_path / "bench.avi", [BARE, BARE, BARE, code_picture(EAN)]))
    assert look_for_code(device, threading.Event()) == Code(EAN, "EAN-13")


def test_a_film_without_a_code_ends_with_the_camera_gone(tmp_path):
    with pytest.raises(DeviceError, match="gives no picture"):
        look_for_code(DeviceCamera(film(tmp_path / "bench.avi", [BARE, BARE])), threading.Event())


def test_a_folder_shows_its_scan_pictures_first(tmp_path):
    code_picture("9780141439518").save(tmp_path / "a.png")
    BARE.save(tmp_path / "scan-1.png")
    code_picture(EAN).save(tmp_path / "scan-2.png")
    assert look_for_code(FolderCamera(tmp_path), threading.Event()) == Code(EAN, "EAN-13")


def test_looking_ends_when_told_to(tmp_path):
    BARE.save(tmp_path / "a.png")
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    assert look_for_code(FolderCamera(tmp_path), stop) is None


@pytest.mark.parametrize(
    ("format", "text", "frames"),
    [
        pytest.param(BarcodeFormat.EAN13, EAN, 1, id="an article's code at once"),
        pytest.param(BarcodeFormat.Code128, "L7F3K00481C/1", 1, id="our label's code at once", marks=needs_zbar),
        pytest.param(BarcodeFormat.QRCode, "https://example.org", 1, id="a QR code at once"),
        pytest.param(
            BarcodeFormat.ITF, "00012345678905", 2, id="a code without a check digit, twice", marks=needs_zbar
        ),
    ],
)
def test_a_doubtful_code_must_be_seen_alike_in_two_frames(format, text, frames):
    device = Frames(*[code_picture(text, format)] * 3)
    found = look_for_code(device, threading.Event())
    assert found is not None
    assert found.text == text
    assert len(device.left) == 3 - frames


@needs_zbar
def test_two_doubtful_codes_of_two_frames_are_none():
    frames = (code_picture(text, BarcodeFormat.ITF) for text in ("00012345678905", "15400141288763"))
    with pytest.raises(DeviceError, match="gone"):
        look_for_code(Frames(*frames), threading.Event())


def test_an_engine_that_crashes_is_a_camera_that_fails(monkeypatch):
    def crash(*arguments: object) -> None:
        raise RuntimeError("engine broke")

    monkeypatch.setattr(module, "climb", crash)
    with pytest.raises(DeviceError, match="engine broke"):
        look_for_code(Frames(BARE), threading.Event())


def test_photos_and_frames_are_never_taken_at_once(tmp_path, monkeypatch):
    """A driver that is read by two threads at once crashes the process."""
    inside = threading.Semaphore(1)

    class Driver:
        def __init__(self, source: object) -> None: ...

        def read(self) -> tuple[bool, object]:
            assert inside.acquire(blocking=False), "read while it was read"
            time.sleep(0.005)
            inside.release()
            return True, numpy.zeros((48, 64, 3), numpy.uint8)

        def grab(self) -> bool:
            return self.read()[0]

    monkeypatch.setattr(cv2, "VideoCapture", Driver)
    device = DeviceCamera(0)
    with ThreadPoolExecutor(2) as pool:
        photos = [pool.submit(device.grab) for _ in range(4)]
        frames = [pool.submit(device.frame) for _ in range(8)]
        assert {photo.result().width for photo in photos} == {frame.result().width for frame in frames} == {64}
