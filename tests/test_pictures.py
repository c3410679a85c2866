"""Picture files as anybody may send them: a picture, or a sentence that says why not, in bounded memory."""

import errno
import os
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from inspect_station.errors import DeviceError
from inspect_station.pictures import opened


def drawing(colour: str = "white", size: tuple[int, int] = (80, 60)) -> Image.Image:
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).rectangle((size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2), fill="black")
    return image


def saved(format: str, *more: Image.Image) -> bytes:
    """A picture in this format; with more pictures it is animated."""
    out = BytesIO()
    extra = {"save_all": True, "append_images": list(more)} if more else {}
    drawing().save(out, format, **extra)
    return out.getvalue()


def bomb() -> bytes:
    """A few bytes whose header promises 144 million pixels."""
    header = (12_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


RED = drawing("red")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"GTIN,title\n", "no JPEG, PNG or WebP", id="text renamed to .jpg"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG, PNG or WebP", id="SVG renamed to .jpg"),
        pytest.param(b"%PDF-1.7\n", "no JPEG, PNG or WebP", id="PDF renamed to .jpg"),
        pytest.param(saved("TIFF"), "no JPEG, PNG or WebP", id="TIFF"),
        pytest.param(saved("GIF"), "no JPEG, PNG or WebP", id="GIF of one picture"),
        pytest.param(saved("GIF", RED), "it is animated: 2 pictures", id="animated GIF"),
        pytest.param(saved("PNG", RED, drawing("blue")), "it is animated: 3 pictures", id="animated PNG"),
        pytest.param(saved("WEBP", RED), "it is animated: 2 pictures", id="animated WebP"),
        pytest.param(saved("JPEG")[:400], "damaged|[Tt]runcated", id="JPEG cut off"),
        pytest.param(saved("PNG")[:100], "damaged|[Tt]runcated", id="PNG cut off"),
        pytest.param(bomb(), "40 million pixels", id="144 million pixels in 60 bytes"),
    ],
)
def test_a_file_that_is_no_photo_is_named_with_the_reason(tmp_path, data, reason):
    (tmp_path / "photo.jpg").write_bytes(data)
    with pytest.raises(DeviceError, match=rf"photo\.jpg.*({reason})"):
        opened(tmp_path / "photo.jpg")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "MPO"])
def test_what_a_file_is_called_means_nothing(tmp_path, format):
    # MPO: what telephones write as .jpg, with a second picture behind the photo.
    (tmp_path / "photo.jpg").write_bytes(saved(format, *([RED] if format == "MPO" else [])))
    picture = opened(tmp_path / "photo.jpg")
    assert (picture.size, picture.mode) == ((80, 60), "RGB")


def test_a_file_too_long_to_be_a_photo_is_not_read(tmp_path):
    with (tmp_path / "photo.jpg").open("wb") as file:
        file.truncate(65 * 1024 * 1024)
    with pytest.raises(DeviceError, match=r"photo\.jpg.*64 MB"):
        opened(tmp_path / "photo.jpg")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DeviceError, match=r"photo\.jpg.*No such file"):
        opened(tmp_path / "photo.jpg")


def test_a_folder_is_no_picture(tmp_path):
    (tmp_path / "photos").mkdir()
    with pytest.raises(DeviceError, match=r"photos.*directory"):
        opened(tmp_path / "photos")


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    # Root may read every file, whatever its mode.
    def denied(self: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DeviceError, match=r"photo\.jpg.*Permission"):
        opened(tmp_path / "photo.jpg")


def test_a_picture_that_was_taken_sideways_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6
    out = BytesIO()
    drawing().save(out, "JPEG", exif=exif)
    assert opened(out.getvalue()).size == (60, 80)


def test_what_is_transparent_is_white():
    out = BytesIO()
    Image.new("RGBA", (10, 10), (255, 0, 0, 0)).save(out, "PNG")
    assert opened(out.getvalue()).getpixel((5, 5)) == (255, 255, 255)


MOST_MB = 300
MEMORY = """
import re, sys
from pathlib import Path
from inspect_station.decode import decode
from inspect_station.errors import DeviceError
try:
    decode(Path(sys.argv[1]))
except DeviceError as error:
    print(error, re.search(r"VmHWM:\\s+([0-9]+)", Path("/proc/self/status").read_text())[1], sep="|")
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux for the memory")
def test_a_huge_jpeg_costs_no_memory(tmp_path):
    Image.new("L", (12_000, 12_000)).save(tmp_path / "huge.jpg", quality=5)
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "huge.jpg")]
    said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]).stdout
    sentence, kilobytes = said.split("|")
    assert "40 million pixels" in sentence
    assert int(kilobytes) < MOST_MB * 1024


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([saved("JPEG"), saved("PNG"), saved("WEBP"), bomb()]),
    st.integers(0, 400),
    st.binary(min_size=1, max_size=8),
)
def test_broken_bytes_are_a_picture_or_a_device_error(data, place, damage):
    try:
        opened(data[:place] + damage + data[place + len(damage) :])
    except DeviceError as error:
        assert "picture" in str(error)
