"""Opening a picture file that anybody may have sent: upright pixels, or a sentence that says why not.

A process of its own decodes it, which has little memory and time, and may write no file: a picture that is too much for
a decoder, or takes it over, ends that process and nothing else. The size in a file's header is looked at before any
of it is decoded; what a file is called means nothing, its bytes say what it is. Pillow is loaded when first used.
"""

import atexit
import os
import struct
import subprocess
import sys
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Timer
from typing import IO, TYPE_CHECKING, Literal

from inspect_station.errors import DeviceError
from inspect_station.message import msg

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 40_000_000
"""A file whose header names more is not opened (sync.md §4, image files)."""
MAX_BYTES = 64 * 1024 * 1024
"""A longer file is not read."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
"""Of the files that a folder of pictures is searched for."""
MEMORY = 1024**3
"""Address space of a process that decodes; the dearest picture that is taken needs three quarters of it."""
CPU_S = 20
"""Processor time that a picture has; the dearest takes a quarter of it on a small machine."""
PATIENCE_S = 60.0
"""After so long its process is ended, whatever it waits for."""


def opened(source: Path | bytes) -> "Image":
    """A picture file as upright RGB; what is transparent is white.

    Raises DeviceError with the file's name and what is wrong with it.
    """
    from PIL import Image

    size, pixels = _decoded(source, "pixels")
    return Image.frombuffer("RGB", size, pixels, "raw", "RGB", 0, 1)


def upright_jpeg(source: Path | bytes) -> bytes:
    """The same as a JPEG without whatever else the file held: position, maker, previews. Raises DeviceError."""
    return _decoded(source, "jpeg")[1]


def check(source: Path | bytes) -> None:
    """Raise DeviceError, as `opened` does, unless it is a picture."""
    _decoded(source, "check")


Wish = Literal["check", "pixels", "jpeg"]
WISHES: tuple[Wish, ...] = ("check", "pixels", "jpeg")
Size = tuple[int, int]


def _decoded(source: Path | bytes, wish: Wish) -> tuple[Size, bytes]:
    name = source.name if isinstance(source, Path) else "picture"
    try:
        return _asked(wish, _read(source))
    except _Unusable as error:
        why = str(error)
    except OSError as error:
        why = error.strerror or str(error)
    raise DeviceError(
        msg("The picture {file} cannot be used: {why}.", file=name, why=why),
        msg("Take another picture; this file was left as it is."),
    )


class _Unusable(Exception):
    """Why a picture is not taken."""


class _Ended(Exception):
    """A process that decodes is no more, or says what none of ours says."""


def _read(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        data = source
    else:
        with source.open("rb") as picture:
            data = picture.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Unusable(f"it is longer than {MAX_BYTES // 1024**2} MB")
    return data


def _looked_at(data: bytes) -> "Image":
    """A picture that may be decoded. Raises _Unusable."""
    import warnings

    from PIL import Image, UnidentifiedImageError

    if not data:
        raise _Unusable("it is empty")
    try:
        with warnings.catch_warnings():
            # Pillow's own limit is higher than ours, and at first only a warning.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            # GIF only to be refused by its name and the number of its pictures.
            image = Image.open(BytesIO(data), formats=("JPEG", "PNG", "WEBP", "GIF"))
    except UnidentifiedImageError:
        raise _Unusable("it is no JPEG, PNG or WebP") from None
    except Image.DecompressionBombError:
        raise _Unusable(f"it has more than {MAX_PIXELS // 1_000_000} million pixels") from None
    if image.width * image.height > MAX_PIXELS:
        raise _Unusable(f"it has more than {MAX_PIXELS // 1_000_000} million pixels")
    if image.format != "MPO" and (frames := getattr(image, "n_frames", 1)) > 1:
        # Which of them was meant nobody can say. (MPO: a telephone's JPEG, with a preview or depth behind the photo.)
        raise _Unusable(f"it is animated: {frames} pictures")
    if image.format == "GIF":
        raise _Unusable("it is no JPEG, PNG or WebP")
    return image


def _upright(image: "Image") -> "Image":
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    # As much again as a picture takes is freed before more is made of it.
    image.close()
    if upright.has_transparency_data:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
    plain = upright.convert("RGB")
    # Comments and profiles would be saved with it.
    plain.info.clear()
    return plain


# ── The process that decodes ─────────────────────────────────────────────────────────────────────────────────────────

_QUESTION = struct.Struct(">BQ")
"""Number of the wish, length of the file that follows."""
_ANSWER = struct.Struct(">BIIQ")
"""1 and the size of the picture, or 0; length of what follows: bytes as wished, or why not."""


class _Decoder:
    """A process that decodes pictures, one after the other."""

    def __init__(self) -> None:
        # The same program, wherever this one was started from. A session of its own: Ctrl+C is not meant for it.
        paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "inspect_station.pictures"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            start_new_session=True,
        )

    def ask(self, wish: Wish, data: bytes) -> tuple[Size, bytes]:
        """What was wished for. Raises _Unusable, and _Ended, after which there is no use in it."""
        into, out = self._process.stdin, self._process.stdout
        assert into
        assert out
        alarm = Timer(PATIENCE_S, self._process.kill)
        alarm.start()
        try:
            into.write(_QUESTION.pack(WISHES.index(wish), len(data)))
            into.write(data)
            into.flush()
            good, width, height, length = _ANSWER.unpack(_all(out, _ANSWER.size))
            if width * height > MAX_PIXELS or length > 3 * MAX_PIXELS:
                raise _Ended
            said = _all(out, length)
        except (OSError, _Ended):
            self.end()
            raise _Ended from None
        finally:
            alarm.cancel()
        if not good:
            # It may have been taken over: what it says may come to a screen.
            raise _Unusable("".join(sign for sign in said.decode(errors="replace") if sign.isprintable())[:200])
        if wish == "pixels" and len(said) != 3 * width * height:
            self.end()
            raise _Ended
        return (width, height), said

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            # What was not written yet cannot be any more.
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        self._process.wait()


_idle: list[_Decoder] = []
"""Decoders that wait for their next picture: as many as were ever needed at once."""


@atexit.register
def _end_idle() -> None:
    while _idle:
        _idle.pop().end()


def _asked(wish: Wish, data: bytes) -> tuple[Size, bytes]:
    while True:
        try:
            decoder, fresh = _idle.pop(), False
        except IndexError:
            decoder, fresh = _Decoder(), True
        try:
            answer = decoder.ask(wish, data)
        except _Unusable:
            _idle.append(decoder)
            raise
        except _Ended:
            # One that waited may have ended before; a fresh one was ended by this picture.
            if fresh:
                raise _Unusable("no decoder gets through it in the memory and time that a picture has") from None
        else:
            _idle.append(decoder)
            return answer


def _all(pipe: IO[bytes], length: int) -> bytes:
    data = pipe.read(length)
    if len(data) < length:
        raise _Ended
    return data


def _limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    # Not every system has this one.
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _limit_time() -> None:
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    most = int(used.ru_utime + used.ru_stime) + CPU_S
    resource.setrlimit(resource.RLIMIT_CPU, (most, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _wished(wish: Wish, data: bytes) -> tuple[Size, bytes]:
    try:
        image = _looked_at(data)
        if wish == "check":
            image.load()
            return image.size, b""
        image = _upright(image)
        if wish == "pixels":
            return image.size, image.tobytes()
        out = BytesIO()
        image.save(out, "JPEG", quality=90)
        return image.size, out.getvalue()
    except _Unusable:
        raise
    except MemoryError:
        raise _Unusable("it takes more memory than a picture has") from None
    except Exception as error:
        # Whatever else a decoder makes of broken bytes: struct.error, SyntaxError, IndexError…
        raise _Unusable(f"it is damaged: {error}") from None


def _serve() -> None:
    """Answer until nobody asks any more."""
    _limit()
    into, out = sys.stdin.buffer, sys.stdout.buffer
    while head := into.read(_QUESTION.size):
        number, length = _QUESTION.unpack(head)
        _limit_time()
        try:
            (width, height), said = _wished(WISHES[number], into.read(length))
            out.write(_ANSWER.pack(1, width, height, len(said)))
        except _Unusable as error:
            said = str(error).encode(errors="replace")
            out.write(_ANSWER.pack(0, 0, 0, len(said)))
        out.write(said)
        out.flush()


if __name__ == "__main__":
    _serve()
