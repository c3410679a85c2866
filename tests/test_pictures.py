"""Picture files as anybody may send them: a picture, or a sentence that says why not, in bounded memory."""

import errno
import os
import re
import resource
import signal
import sys
import zlib
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from inspect_station import pictures
from inspect_station.errors import DeviceError
from inspect_station.pictures import opened, upright_jpeg


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
        pytest.param(saved("EPS"), "no JPEG, PNG or WebP", id="EPS renamed to .jpg"),
        pytest.param(b"SIMPLE  =                    T".ljust(2880), "no JPEG, PNG or WebP", id="FITS renamed to .jpg"),
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


def test_of_whatever_else_a_file_holds_nothing_is_left():
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (43.0, 36.0, 1.5)})
    exif[0x010F] = "MAKER"
    out = BytesIO()
    drawing().save(out, "JPEG", exif=exif, comment=b"<script>alert(1)</script>")
    polyglot = out.getvalue() + b"PK\x03\x04 archive <html>"
    assert Image.open(BytesIO(polyglot)).getexif().get_ifd(0x8825), "there is a position in it"
    clean = upright_jpeg(polyglot)
    for left in (b"Exif", b"MAKER", b"script", b"PK\x03\x04", b"html"):
        assert left in polyglot
        assert left not in clean
    assert Image.open(BytesIO(clean)).size == (80, 60)


# ── The process that decodes ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def decoder() -> int:
    """The number of the process that decodes the next picture."""
    pictures._end_idle()
    opened(saved("PNG"))
    return pictures._idle[-1]._process.pid


linux = pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the memory")


def most_mb(pid: int) -> int:
    (kilobytes,) = re.findall(r"VmHWM:\s+([0-9]+)", Path(f"/proc/{pid}/status").read_text())
    return int(kilobytes) // 1024


@linux
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_144_million_pixels_cost_no_memory(decoder, format):
    out = BytesIO()
    Image.new("1", (12_000, 12_000)).save(out, format, optimize=True, quality=5)
    assert format == "JPEG" or len(out.getvalue()) < 20_000
    with pytest.raises(DeviceError, match="40 million pixels"):
        opened(out.getvalue())
    assert pictures._idle[-1]._process.pid == decoder
    assert most_mb(decoder) < 60


@linux
def test_the_largest_picture_that_is_taken_stays_within_its_memory(decoder):
    exif = Image.Exif()
    exif[0x0112] = 6
    out = BytesIO()
    Image.new("RGBA", (8000, 5000), (255, 0, 0, 128)).save(out, "PNG", exif=exif, compress_level=1)
    assert opened(out.getvalue()).size == (5000, 8000)
    assert pictures._idle[-1]._process.pid == decoder
    assert 400 < most_mb(decoder) < 0.8 * pictures.MEMORY / 1024**2


@linux
def test_what_takes_too_much_memory_is_refused_and_the_next_picture_is_taken(decoder):
    out = BytesIO()
    Image.new("RGB", (4000, 3000)).save(out, "PNG")
    resource.prlimit(decoder, resource.RLIMIT_AS, (80 * 1024**2,) * 2)
    with pytest.raises(DeviceError, match="more memory than a picture has"):
        opened(out.getvalue())
    assert opened(saved("PNG")).size == (80, 60)
    assert pictures._idle[-1]._process.pid == decoder


@linux
def test_a_decoder_may_write_no_file_and_has_little_memory_and_time(decoder):
    limits = {kind: resource.prlimit(decoder, kind) for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU)}
    assert limits[resource.RLIMIT_AS] == (1024**3, 1024**3)
    assert 0 < limits[resource.RLIMIT_CPU][0] <= 30
    assert resource.prlimit(decoder, resource.RLIMIT_FSIZE) == (0, 0)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["was killed", "does nothing"])
def test_a_decoder_that_ended_while_it_waited_costs_no_picture(decoder, how, monkeypatch):
    os.kill(decoder, how)
    monkeypatch.setattr(pictures, "PATIENCE_S", 5.0 if how == signal.SIGKILL else 2.0)
    assert opened(saved("PNG")).size == (80, 60)
    assert pictures._idle[-1]._process.pid != decoder


def test_a_picture_that_no_decoder_gets_through_is_refused(monkeypatch):
    pictures._end_idle()
    monkeypatch.setattr(pictures, "PATIENCE_S", 0.001)
    with pytest.raises(DeviceError, match="no decoder gets through it"):
        opened(saved("PNG"))
    assert not pictures._idle


@pytest.mark.parametrize(
    "script",
    [
        "out.write(bytes([1]) + (80).to_bytes(4) + (60).to_bytes(4) + (10**12).to_bytes(8))",
        "out.write(bytes([1]) + (80).to_bytes(4) + (60).to_bytes(4) + (5).to_bytes(8) + b'12345')",
        "out.write(bytes([1]) + (10**9).to_bytes(4) * 2 + (5).to_bytes(8) + b'12345')",
        "out.write(b'half an answer')",
        "pass",
    ],
    ids=["a terabyte", "fewer pixels than it says", "too large a picture", "half an answer", "nothing"],
)
def test_a_decoder_that_was_taken_over_is_not_believed(tmp_path, monkeypatch, script):
    pictures._end_idle()
    taken_over = tmp_path / "python"
    taken_over.write_text(
        f"#!{sys.executable}\nimport sys; out = sys.stdout.buffer\nsys.stdin.buffer.read(9)\n{script}\n"
    )
    taken_over.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(taken_over))
    with pytest.raises(DeviceError, match="no decoder gets through it"):
        opened(saved("PNG"))
    assert not pictures._idle


def test_what_a_decoder_that_was_taken_over_says_does_not_reach_the_terminal(tmp_path, monkeypatch):
    pictures._end_idle()
    taken_over = tmp_path / "python"
    said = "out.write(bytes([0]) + bytes(8) + (12).to_bytes(8) + b'a\\x1b]0;x\\x07\\x9b\\nbcd')"
    taken_over.write_text(f"#!{sys.executable}\nimport sys; out = sys.stdout.buffer\n{said}\n")
    taken_over.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(taken_over))
    with pytest.raises(DeviceError, match=r"a\]0;x.bcd") as refused:
        opened(saved("PNG"))
    assert str(refused.value).isprintable()
    pictures._end_idle()


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
