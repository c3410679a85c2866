"""The camera at the bench: photos, and barcodes that are held before it.

Every picture, whatever its source, is made anew as a JPEG: nothing of the original file survives but what can be seen
(no place, no time, no maker, no thumbnail). OpenCV, Pillow and the barcode engines are loaded when first used.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from inspect_station.decode import CHEAP, DOUBTFUL, Code, climb
from inspect_station.devices import CameraSettings
from inspect_station.errors import DeviceError
from inspect_station.message import Message, msg
from inspect_station.pictures import SUFFIXES, opened

if TYPE_CHECKING:
    from cv2 import VideoCapture
    from PIL.Image import Image

MAX_SIDE = 1920
"""Pixels of the longer side of a photo; larger ones are made smaller: about 300 KB."""
QUALITY = 85
"""Of the JPEG."""

MEASURE_SIDE = 640
"""Sharpness is measured on a picture of this longer side, so that cameras can be compared."""
BLURRED = 40.0
"""Variance of the Laplacian below which a picture is called blurred; ours."""
DARK, BRIGHT = 0.15, 0.95
"""Mean brightness, 0 to 1, outside of which a picture is called dark or overexposed; ours."""
STALE_FRAMES = 4
"""Frames that a driver may have kept since the last picture: they are thrown away."""
SCAN_SLOT = "scan"
"""Pictures of a folder whose names begin with this are preferred as frames."""
PAUSE = 0.05
"""Seconds between two frames in which codes are looked for: a folder has no frame rate of its own."""


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

    def frame(self) -> "Image":
        """What the camera sees now: upright RGB, of any size, quickly. Raises DeviceError.

        It may be called from another thread than `grab`.
        """


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
        self._one_at_a_time = threading.Lock()

    def grab(self, slot: str = "") -> Shot:
        """See `Camera.grab`."""
        return _shot(self._next(slot))

    def frame(self) -> "Image":
        """See `Camera.frame`."""
        return self._next(SCAN_SLOT)

    def _next(self, slot: str) -> "Image":
        if self._fault == "gone":
            raise _gone(str(self._folder), "simulated")
        try:
            files = sorted(file for file in self._folder.iterdir() if file.suffix.lower() in SUFFIXES)
        except OSError as error:
            raise _gone(str(self._folder), error.strerror or str(error)) from error
        files = [file for file in files if slot and file.name.startswith(slot)] or files
        if not files:
            raise _gone(str(self._folder), "no pictures")
        with self._one_at_a_time:
            turn = self._taken[slot]
            self._taken[slot] += 1
        return self._faulty(opened(files[turn % len(files)]))

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
        self._one_at_a_time = threading.Lock()

    def grab(self, slot: str = "") -> Shot:
        """See `Camera.grab`; after a failure the next photo opens the camera again."""
        # Only a real camera's driver keeps frames; those of a file are all wanted.
        return _shot(self._read(stale=STALE_FRAMES if isinstance(self._source, int) else 0))

    def frame(self) -> "Image":
        """See `Camera.frame`; after a failure the next frame opens the camera again."""
        return self._read(stale=0)

    def _read(self, stale: int) -> "Image":
        import cv2
        from PIL import Image

        with self._one_at_a_time:
            if self._capture is None:
                # Its complaints would be written across the screen.
                cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
                self._capture = cv2.VideoCapture(self._source)
            for _ in range(stale):
                self._capture.grab()
            taken, frame = self._capture.read()
            if not taken:
                self._capture.release()
                self._capture = None
                raise _gone(str(self._source), "no picture")
        return Image.fromarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def _gone(name: str, why: str) -> DeviceError:
    return DeviceError(
        msg("The camera {camera} gives no picture ({why}).", camera=name, why=why),
        msg("Check its cable, or go on: the photo is owed and the unit waits on hold."),
    )


# ── Scanning ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def look_for_code(camera: Camera, stop: threading.Event) -> Code | None:
    """The first code that the camera shows and that can be trusted; None once ``stop`` is set.

    A code of a doubtful format must be seen alike in two frames. Where a frame shows several codes, the first. Raises
    the camera's DeviceError, or one in place of a crash of an engine.
    """
    import numpy

    before: tuple[Code, ...] = ()
    while not stop.is_set():
        grey = numpy.asarray(camera.frame().convert("L"))
        try:
            codes = climb(grey, CHEAP)
        except Exception as error:
            raise DeviceError(
                msg("The picture could not be searched for codes ({why}).", why=str(error)),
                msg("Scan the code with the scanner, or type it."),
            ) from error
        if sure := [code for code in codes if code.format not in DOUBTFUL or code in before]:
            return sure[0]
        before += codes
        stop.wait(PAUSE)
    return None


# ── Pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
