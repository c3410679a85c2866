"""Opening a picture file that anybody may have sent: upright pixels, or a sentence that says why not.

The size in a file's header is looked at before anything is decoded, so that memory stays bounded; what a file is
called means nothing, its bytes say what it is. Pillow is loaded when first used.
"""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

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


def opened(source: Path | bytes) -> "Image":
    """A picture file as upright RGB; what is transparent is white.

    Raises DeviceError with the file's name and what is wrong with it.
    """
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


def upright_jpeg(source: Path | bytes) -> bytes:
    """The same as a JPEG without whatever else the file held: position, maker, previews. Raises DeviceError."""
    out = BytesIO()
    opened(source).save(out, "JPEG", quality=90)
    return out.getvalue()


class _Unusable(Exception):
    """Why a picture is not taken."""


def _read(file: Path) -> bytes:
    with file.open("rb") as picture:
        data = picture.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _Unusable(f"it is longer than {MAX_BYTES // 1024**2} MB")
    return data


def _upright(data: bytes) -> "Image":
    import warnings

    from PIL import Image, ImageOps, UnidentifiedImageError

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
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright.convert("RGBA"))
    return upright.convert("RGB")
