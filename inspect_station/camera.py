"""The camera at the bench, and the reading of barcodes in pictures.

Every picture, whatever its source, is made anew as a JPEG: nothing of the original file survives but what can be seen
(no place, no time, no maker, no thumbnail). OpenCV, Pillow and the barcode readers are loaded when first used.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from inspect_station.devices import CameraSettings
from inspect_station.errors import DeviceError
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    from cv2 import VideoCapture
    from PIL.Image import Image

MAX_SIDE = 1920
"""Pixels of the longer side of a photo; larger ones are made smaller: about 300 KB."""
QUALITY = 85
"""Of the JPEG."""
MAX_PIXELS = 40_000_000
"""A file whose header names more is not opened (sync.md §4, image files)."""
MAX_BYTES = 64 * 1024 * 1024
"""A longer file is not read."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")

MEASURE_SIDE = 640
"""Sharpness is measured on a picture of this longer side, so that cameras can be compared."""
BLURRED = 40.0
"""Variance of the Laplacian below which a picture is called blurred; ours."""
DARK, BRIGHT = 0.15, 0.95
"""Mean brightness, 0 to 1, outside of which a picture is called dark or overexposed; ours."""
STALE_FRAMES = 4
"""Frames that a driver may have kept since the last picture: they are thrown away."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One photo."""

    jpeg: bytes
    width: int
    height: int
    sharpness: float
    """Variance of the Laplacian at `MEASURE_SIDE`; higher is sharper."""
    exposure: float
    """Mean brightness, 0 black to 1 white."""
    warnings: tuple[Message, ...] = ()
    """What a person should know before the box is closed: blurred, dark, overexposed."""


class Camera(Protocol):
    """Something that takes photos."""

    def grab(self, slot: str = "") -> Shot:
        """Take a photo; ``slot`` says what for. Raises DeviceError."""


def camera(settings: CameraSettings) -> Camera:
    """The camera that a site has set up; it is opened with the first photo.

    Raises DeviceError where the settings name none.
    """
    if settings.kind == "none":
        raise DeviceError(
            msg("No camera is set up."),
            msg("Name one under [camera] in station.toml; until then photos are owed."),
        )
    if settings.kind == "device":
        return DeviceCamera(settings.device)
    return FolderCamera(settings.folder or Path(), settings.fault)


def warm_up() -> None:
    """Load what the first picture needs (half a second), while nobody waits for it."""
    import cv2
    import numpy
    from PIL import Image, ImageOps

    del cv2, numpy, Image, ImageOps


class FolderCamera:
    """Simulated: the pictures of a folder come in name order, again from the first after the last.

    A slot's own pictures, whose names begin with it, are preferred.
    """

    def __init__(self, folder: Path, fault: Literal["", "gone", "blurred", "dark"] = "") -> None:
        self._folder = folder
        self._fault = fault
        self._taken: Counter[str] = Counter()

    def grab(self, slot: str = "") -> Shot:
        """See `Camera.grab`."""
        if self._fault == "gone":
            raise _gone(str(self._folder), "simulated")
        try:
            files = sorted(file for file in self._folder.iterdir() if file.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise _gone(str(self._folder), error.strerror or str(error)) from error
        files = [file for file in files if slot and file.name.startswith(slot)] or files
        if not files:
            raise _gone(str(self._folder), "no pictures")
        turn = self._taken[slot]
        self._taken[slot] += 1
        return _shot(self._faulty(_open(files[turn % len(files)])))

    def _faulty(self, image: "Image") -> "Image":
        from PIL import ImageFilter

        if self._fault == "blurred":
            return image.filter(ImageFilter.GaussianBlur(max(image.size) / 100))
        return image.point(lambda value: value * 0.1) if self._fault == "dark" else image


class DeviceCamera:
    """A camera, by number or path, that stays open between photos; a video file or stream is taken, too."""

    def __init__(self, source: int | str) -> None:
        self._source = source
        self._capture: VideoCapture | None = None

    def grab(self, slot: str = "") -> Shot:
        """See `Camera.grab`; after a failure the next photo opens the camera again."""
        import cv2
        from PIL import Image

        if self._capture is None:
            # Its complaints would be written across the screen.
            cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
            self._capture = cv2.VideoCapture(self._source)
        if isinstance(self._source, int):
            for _ in range(STALE_FRAMES):
                self._capture.grab()
        taken, frame = self._capture.read()
        if not taken:
            self._capture.release()
            self._capture = None
            raise _gone(str(self._source), "no picture")
        return _shot(Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)))


def _gone(name: str, why: str) -> DeviceError:
    return DeviceError(
        msg("The camera {camera} gives no picture ({why}).", camera=name, why=why),
        msg("Check its cable, or go on: the photo is owed and the unit waits on hold."),
    )


# ── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _open(source: Path | bytes) -> "Image":
    """A picture file as upright RGB. Raises DeviceError with the file's name and what is wrong with it."""
    name = source.name if isinstance(source, Path) else "picture"
    try:
        return _upright(_read(source) if isinstance(source, Path) else source)
    except _Unusable as error:
        why = str(error)
    except OSError as error:
        why = error.strerror or str(error)
    except Exception as error:
        # Whatever else a decoder makes of broken bytes: struct.error, SyntaxError, IndexError, MemoryError…
        why = f"it is damaged: {error}"
    raise DeviceError(
        msg("The picture {file} cannot be used: {why}.", file=name, why=why),
        msg("Take another picture; this file was left as it is."),
    )


class _Unusable(Exception):
    """Why a picture is not taken."""


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Unusable(f"it is longer than {MAX_BYTES // 1024**2} MB")
    return data


def _upright(data: bytes) -> "Image":
    """The bytes as RGB; the size in their header is looked at before anything is decoded."""
    import warnings

    from PIL import Image, ImageOps, UnidentifiedImageError

    if not data:
        raise _Unusable("it is empty")
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is higher than ours, and at first only a warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP"))
    except UnidentifiedImageError:
        raise _Unusable("it is no JPEG, PNG or WebP") from None
    except Image.DecompressionBombError:
        raise _Unusable(f"it has more than {MAX_PIXELS // 1_000_000} million pixels") from None
    if image.width * image.height > MAX_PIXELS:
        raise _Unusable(f"it has more than {MAX_PIXELS // 1_000_000} million pixels")
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
    return upright.convert("RGB")


def _shot(image: "Image") -> Shot:
    """The picture as a new JPEG, measured."""
    import numpy
    from PIL import Image

    image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    # A picture made of the pixels alone: comments and profiles would otherwise be carried over.
    bare = Image.frombytes("RGB", image.size, image.tobytes())
    out = BytesIO()
    bare.save(out, "JPEG", quality=QUALITY)
    grey = bare.convert("L")
    grey.thumbnail((MEASURE_SIDE, MEASURE_SIDE))
    exposure = float(numpy.asarray(grey).mean()) / 255
    sharpness = _sharpness(grey)
    return Shot(
        jpeg=out.getvalue(),
        width=bare.width,
        height=bare.height,
        sharpness=sharpness,
        exposure=exposure,
        warnings=tuple(_doubts(sharpness, exposure)),
    )


def _doubts(sharpness: float, exposure: float) -> Iterator[Message]:
    """At most one, the first to be mended: nothing is sharp in the dark."""
    if exposure < DARK:
        yield msg("The photo is dark: give it more light.")
    elif exposure > BRIGHT:
        yield msg("The photo is overexposed: give it less light, or turn the article.")
    elif sharpness < BLURRED:
        yield msg("The photo is blurred: hold still and take it again.")


def _sharpness(grey: "Image") -> float:
    import cv2
    import numpy

    return float(cv2.Laplacian(numpy.asarray(grey), cv2.CV_64F).var())


# ── Barcodes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Code:
    """A barcode in a picture."""

    text: str
    """As encoded; the separator of GS1 elements stays 0x1D."""
    format: str
    """``EAN-13``, ``Code128``, ``QRCode``, ``DataMatrix``…"""


DOUBTFUL = frozenset({"ITF", "EAN-8", "UPC-E", "Codabar", "Code39", "Code93"})
"""Short codes, and those without a check digit of their own: chance makes them out of stripes and text. A Code 93 has
check characters, but stands on no goods."""
RETAIL = frozenset({"EAN-13", "UPC-A"})
"""Where both readers found some of these, only what both found is real: one digit more is another product."""
ENOUGH_LINES = {"EAN-13": 12, "UPC-A": 12, "Code128": 12, "QRCode": 1}
"""Scan lines that must agree for zbar to be believed alone: with fewer it finds EAN-13 codes that nobody printed."""

# Without UPC-A, which zbar then reads as the EAN-13 that it is, as zxing-cpp does.
_ZBAR_NAMES = {
    "EAN13": "EAN-13",
    "EAN8": "EAN-8",
    "UPCE": "UPC-E",
    "I25": "ITF",
    "CODE128": "Code128",
    "CODE39": "Code39",
    "CODE93": "Code93",
    "CODABAR": "Codabar",
    "QRCODE": "QRCode",
}


def decode(source: Path | bytes) -> tuple[Code, ...]:
    """The barcodes in a picture file, each once, in reading order of the first reader that saw it.

    Two readers look (zxing-cpp, and zbar where its library is installed): a doubtful code counts only if both read
    it; where zxing-cpp reads nothing, what zbar reads with enough lines stands. Without zbar, zxing-cpp is believed.
    Raises DeviceError with the file's name and what is wrong with it.
    """
    grey = _open(source).convert("L")
    first = _zxing(grey)
    if not libzbar_present():
        return _once(first)
    second = _zbar(grey)
    agreed = {code for code, _ in second}
    doubtful = DOUBTFUL | (RETAIL if any(code.format in RETAIL for code in agreed.intersection(first)) else frozenset())
    if kept := _once(code for code in first if code.format not in doubtful or code in agreed):
        return kept
    alone = {code for code, lines in second if lines >= ENOUGH_LINES.get(code.format, math.inf)}
    # Two readings of what may be one code are none.
    return tuple(alone) if len(alone) == 1 else ()


@cache
def libzbar_present() -> bool:
    """Whether zbar's library (Debian: libzbar0) is installed; without it one reader looks, not two."""
    try:
        import pyzbar.pyzbar  # noqa: F401
    except ImportError:
        return False
    return True


def _once(codes: Iterable[Code]) -> tuple[Code, ...]:
    return tuple(dict.fromkeys(codes))


def _code(text: str, format: str) -> Code:
    """An EAN-13 that begins with 0 is printed as a UPC-A; its text keeps the 0."""
    return Code(text, "UPC-A" if format == "EAN-13" and text.startswith("0") else format)


def _zxing(grey: "Image") -> list[Code]:
    import zxingcpp

    found = zxingcpp.read_barcodes(grey, text_mode=zxingcpp.TextMode.Plain)
    return [_code(each.text, str(each.format).replace(" ", "")) for each in found if each.text]


def _zbar(grey: "Image") -> list[tuple[Code, int]]:
    """Each code with the number of scan lines that agree on it (1 for QR)."""
    from pyzbar.pyzbar import ZBarSymbol, decode

    found = decode(grey, [ZBarSymbol[name] for name in _ZBAR_NAMES])
    return [(_code(each.data.decode(errors="replace"), _ZBAR_NAMES[each.type]), each.quality) for each in found]
