"""Barcodes in pictures: engines and a ruler climb a ladder of preparations until something can be trusted.

zxing-cpp, and zbar where its library is installed, look at the picture as it is, then in even light, larger, sharper,
turned… (`LADDER`). What they say are readings; `trusted` decides what is believed. A wrong code costs more than none:
the ladder stops at the first code that can be trusted, and a place that was read in two ways is not read.

OpenCV, Pillow and the engines are loaded when first used.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from stdnum import ean

from inspect_station.pictures import opened

if TYPE_CHECKING:
    from cv2.typing import MatLike as Grey
    from zxingcpp import Position


@dataclass(frozen=True, slots=True)
class Code:
    """A barcode in a picture."""

    text: str
    """As encoded; the separator of GS1 elements stays 0x1D. A UPC-A has 13 digits, the first of them 0."""
    format: str
    """``EAN-13``, ``Code128``, ``QRCode``, ``DataMatrix``…"""


# ── What is believed ─────────────────────────────────────────────────────────────────────────────────────────────────


class Place(NamedTuple):
    """Where a linear code was read, in pixels of the picture: from the middle of its first bar to that of its last."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def length(self) -> float:
        """In pixels."""
        return math.hypot(self.x1 - self.x0, self.y1 - self.y0)

    def holds(self, other: "Place", near: float) -> bool:
        """Whether the middle of the other lies on this line, or beside it by less than `near` of its length."""
        dx, dy = self.x1 - self.x0, self.y1 - self.y0
        x, y = (other.x0 + other.x1) / 2 - self.x0, (other.y0 + other.y1) / 2 - self.y0
        if not self.length:
            return False
        along, beside = (x * dx + y * dy) / self.length**2, abs(x * dy - y * dx) / self.length**2
        return 0 <= along <= 1 and beside <= near


class Reading(NamedTuple):
    """What one reader made of one look at the picture."""

    code: Code
    place: Place
    reader: str
    """``zxing``, ``zbar``, ``opencv`` or ``ruler``."""
    look: str
    """How the picture was prepared. Sizes of one preparation are one look: their mistakes are the same."""


MATRIX = frozenset({"QRCode", "DataMatrix", "Aztec", "PDF417", "MaxiCode"})
"""Their error correction leaves nothing to chance: one reading is enough."""
RETAIL = frozenset({"EAN-13", "UPC-A"})
RULED = RETAIL | {"EAN-8"}
"""What the ruler reads, too. Of a regular weave one engine makes such a code in two lights; no other reader does."""
TALL = RETAIL | {"ITF"}
"""Nearly as high as wide: an article's and a carton's."""
DOUBTFUL = frozenset({"ITF", "EAN-8", "UPC-E", "Codabar", "Code39", "Code93"})
"""Short codes, and those without a check digit of their own: chance makes them out of stripes and text. A Code 93 has
check characters, but stands on no goods."""
SHORTEST = {"ITF": 8, "Codabar": 8}
"""Signs below which both engines make a code out of a piece of another; none on a carton or a parcel is so short."""
LEAD = 2
"""Witnesses that a linear code must have more than whatever else was read at its place."""


def trusted(readings: Iterable[Reading]) -> tuple[Code, ...]:
    """The codes that can be trusted, each once, in the order in which they were first read.

    A matrix code can. A linear code needs witnesses, a witness being one reader with one look: `LEAD` more than any
    other linear code that was read at the same place; for those that the ruler reads they must be of two readers.
    """
    said: defaultdict[str, list[Reading]] = defaultdict(list)
    for reading in readings:
        said[_heard(reading.code)].append(reading)
    witnesses = {text: len({(each.reader, each.look) for each in alike}) for text, alike in said.items()}
    linear = [alike for alike in said.values() if alike[0].code.format not in MATRIX]

    def stands(alike: list[Reading]) -> bool:
        code = alike[0].code
        if code.format in MATRIX:
            return True
        if len(code.text) < SHORTEST.get(code.format, 1):
            return False
        if code.format in RULED and len({each.reader for each in alike}) < 2:
            return False
        rivals = (witnesses[_heard(other[0].code)] for other in linear if other is not alike and _clash(alike, other))
        return witnesses[_heard(code)] - max(rivals, default=0) >= LEAD

    believed = [alike for alike in said.values() if stands(alike)]
    return tuple(
        next((each.code for each in alike if not each.code.text.isascii()), alike[0].code) for alike in believed
    )


def _heard(code: Code) -> str:
    """The text as both engines tell it: zbar does not know FNC4, by which a Code 128 holds letters beyond ASCII."""
    return "".join(chr(ord(sign) & 0x7F) for sign in code.text) if code.format == "Code128" else code.text


def _clash(some: Sequence[Reading], others: Sequence[Reading]) -> bool:
    """Whether these readings and those, of two texts, can be of one code."""
    # Of codes that are not as high as they are wide, two may stand close above each other.
    near = 0.5 if {some[0].code.format, others[0].code.format} & TALL else 0.15
    return any(a.place.holds(b.place, near) or b.place.holds(a.place, near) for a in some for b in others)


# ── Readers ──────────────────────────────────────────────────────────────────────────────────────────────────────────

# Without UPC-A and UPC-E, whose thirteen digits zbar then tells, as zxing-cpp does.
_ZBAR_NAMES = {
    "EAN13": "EAN-13",
    "EAN8": "EAN-8",
    "I25": "ITF",
    "CODE128": "Code128",
    "CODE39": "Code39",
    "CODE93": "Code93",
    "CODABAR": "Codabar",
    "QRCODE": "QRCode",
}
Seen: TypeAlias = tuple[Code, Place]


def _code(text: str, format: str) -> Code:
    """An EAN-13 that begins with 0 is printed as a UPC-A; its text keeps the 0."""
    return Code(text, "UPC-A" if format == "EAN-13" and text.startswith("0") else format)


@cache
def libzbar_present() -> bool:
    """Whether zbar's library (Debian: libzbar0) is installed; without it one engine looks, not two."""
    try:
        import pyzbar.pyzbar  # noqa: F401
    except ImportError:
        return False
    return True


FORMATS = ("EAN13", "EAN8", "UPCA", "UPCE", "Code128", "Code39", "Code93", "Codabar", "ITF", *sorted(MATRIX))
"""What stands on goods, parcels and our own labels; every further format is one more that chance can make."""


def zxing(view: "Grey") -> list[Seen]:
    """What zxing-cpp reads."""
    import zxingcpp

    formats = zxingcpp.BarcodeFormats([getattr(zxingcpp.BarcodeFormat, name) for name in FORMATS])
    found = zxingcpp.read_barcodes(view, formats, text_mode=zxingcpp.TextMode.Plain)
    return [(_code(one.text, str(one.format).replace(" ", "")), _middle(one.position)) for one in found if one.text]


def _middle(at: "Position") -> Place:
    return Place(
        (at.top_left.x + at.bottom_left.x) / 2,
        (at.top_left.y + at.bottom_left.y) / 2,
        (at.top_right.x + at.bottom_right.x) / 2,
        (at.top_right.y + at.bottom_right.y) / 2,
    )


def zbar(view: "Grey") -> list[Seen]:
    """What zbar reads; nothing where its library is missing."""
    if not libzbar_present():
        return []
    from pyzbar.pyzbar import ZBarSymbol, decode

    seen = []
    for one in decode(view, [ZBarSymbol[name] for name in _ZBAR_NAMES]):
        text = one.data.decode(errors="replace")
        if one.type == "QRCODE" and not text.isascii():
            continue  # zbar guesses the character set, and takes Latin, Japanese and Chinese for each other
        left, top, width, height = one.rect
        x, y = left + width / 2, top + height / 2
        place = {
            "RIGHT": Place(x, top, x, top + height),
            "DOWN": Place(left + width, y, left, y),
            "LEFT": Place(x, top + height, x, top),
        }.get(one.orientation, Place(left, y, left + width, y))
        seen.append((_code(text, _ZBAR_NAMES[one.type]), place))
    return seen


def opencv(view: "Grey") -> list[Seen]:
    """What OpenCV reads of EAN-13 and UPC-A: less than the others, but on its own way (whole areas, not lines)."""
    import cv2

    try:
        _, texts, _, corners = cv2.barcode.BarcodeDetector().detectAndDecodeWithType(view)
    except cv2.error:  # it takes no picture of a few pixels, or finds a code over the edge
        return []
    seen = []
    for text, (low_left, high_left, high_right, low_right) in zip(texts, corners if texts else (), strict=True):
        if len(text) in (12, 13):
            place = Place(*((low_left + high_left) / 2).tolist(), *((low_right + high_right) / 2).tolist())
            seen.append((_code(text.zfill(13), "EAN-13"), place))
    return seen


# ── The ruler ────────────────────────────────────────────────────────────────────────────────────────────────────────

DIGITS = ("3211", "2221", "2122", "1411", "1132", "1231", "1114", "1312", "1213", "3112")
"""Modules of the four elements of each digit, on the left with odd parity (GS1 General Specifications, section 5.2)."""
PARITIES = ("LLLLLL", "LLGLGG", "LLGGLG", "LLGGGL", "LGLLGG", "LGGLLG", "LGGGLL", "LGLGLG", "LGLGGL", "LGGLGL")
"""Of an EAN-13's left half, by its first digit."""
FINE = 6
"""Points measured in a module's width."""
MARGIN = 8
"""Modules looked at on either side of the code, to level the light there as within."""
REACH = 3
"""Modules by which a reader may be wrong about a code's ends."""
MISFIT = 0.7
"""Sum of squares, in modules, by which a digit's four elements may miss its form: even stripes miss all by 0.75."""
ROWS = 5
"""Lines measured across a code."""


def measured(grey: "Grey", place: Place, digits: int) -> str:
    """The digits of the EAN at a place, by the widths of its bars and spaces; "" where they cannot be told.

    The engines tell digits by the distances between like edges, in which 1 and 7, and 2 and 8, differ only by a module
    that thin or fat print takes away: both can misread one print alike. Here the guards, whose elements are all one
    module wide, say how fat the print is, and the widths are put right by it. ``digits`` is 13 or 8.
    """
    import cv2
    import numpy

    half = digits // 2
    modules = 14 * half + 11
    x, y = (place.x1 - place.x0) / modules, (place.y1 - place.y0) / modules
    # A step to the side: the lines lie within a twentieth of the code's length.
    dx, dy = -y * modules / 20 / (ROWS - 1), x * modules / 20 / (ROWS - 1)
    middle = (ROWS - 1) / 2
    grid = numpy.array(
        [
            [x / FINE, dx, place.x0 - MARGIN * x - middle * dx],
            [y / FINE, dy, place.y0 - MARGIN * y - middle * dy],
        ],
        dtype=numpy.float32,
    )
    size = ((modules + 2 * MARGIN) * FINE, ROWS)
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    lines = cv2.warpAffine(grey, grid, size, flags=how, borderMode=cv2.BORDER_REPLICATE).astype(numpy.float32)
    window = 9 * FINE + 1  # holds a bar and a space, wherever it lies: no digit has an element of more than four
    box = numpy.ones((1, window), numpy.uint8)
    light = cv2.blur(cv2.dilate(lines, box), (window, 1))
    dark = cv2.blur(cv2.erode(lines, box), (window, 1))
    found = {_digits(line, half) for line in lines - (light + dark) / 2} - {""}
    return found.pop() if len(found) == 1 else ""


def _digits(line: "Grey", half: int) -> str:
    """What one line across an EAN says, its brightness measured from the threshold between bar and space."""
    import numpy

    modules, elements = 14 * half + 11, 8 * half + 11
    at = numpy.flatnonzero((line[1:] < 0) != (line[:-1] < 0))
    edges = at + line[at] / (line[at] - line[at + 1])
    within = (edges > (MARGIN - REACH) * FINE) & (edges < (MARGIN + modules + REACH) * FINE)
    at, edges = at[within], edges[within]
    if len(edges) != elements + 1 or line[at[0]] < 0:
        return ""
    widths = numpy.diff(edges)
    module = widths.sum() / modules
    centre = 3 + 4 * half
    guards = numpy.r_[widths[:3], widths[centre : centre + 5], widths[-3:]]
    bars = numpy.array([True, False, True, False, True, False, True, False, True, False, True])
    bars[3:8] = [False, True, False, True, False]
    fat = (guards[bars].mean() - guards[~bars].mean()) / 2 / module
    sign = numpy.array([1, -1, 1, -1])
    left = widths[3:centre].reshape(half, 4)
    right = widths[centre + 5 : -3].reshape(half, 4)
    left = 7 * left / left.sum(axis=1, keepdims=True) + fat * sign  # a space comes first
    right = 7 * right / right.sum(axis=1, keepdims=True) - fat * sign
    odd = numpy.array([[int(width) for width in digit] for digit in DIGITS])
    either = numpy.vstack([odd, odd[:, ::-1]])
    off_left, off_right = ((left[:, None] - either) ** 2).sum(axis=2), ((right[:, None] - odd) ** 2).sum(axis=2)
    if max(off_left.min(axis=1).max(), off_right.min(axis=1).max()) > MISFIT:
        return ""
    on_left, on_right = off_left.argmin(axis=1), off_right.argmin(axis=1)
    parity = "".join("LG"[n // 10] for n in on_left)
    if parity not in (PARITIES if half == 6 else ("LLLL",)):
        return ""
    text = f"{PARITIES.index(parity) if half == 6 else ''}{''.join(str(n % 10) for n in (*on_left, *on_right))}"
    return text if ean.is_valid(text) else ""


# ── The ladder ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _as_it_is(grey: "Grey") -> "Grey":
    return grey


def _even(grey: "Grey") -> "Grey":
    """Contrast made alike in sixteen parts of the picture: shadows and glare go, faint bars come."""
    import cv2

    return cv2.createCLAHE(3.0, (4, 4)).apply(grey)


def _sharp(grey: "Grey", sigma: float, amount: float) -> "Grey":
    """Edges that a blur of this size has softened, steeper by this much."""
    import cv2

    return cv2.addWeighted(grey, 1 + amount, cv2.GaussianBlur(grey, (0, 0), sigma), -amount, 0)


VIEW = 700_000
"""Pixels of a dear view. An engine's time for a picture without a code grows with them, up to 0.1 s for so many: rungs,
not a clock, bound the time, and so a picture always reads alike."""
FRAME = 1920 * 1080
"""Pixels of a view that is cheap, or the likeliest to bring a code."""
LONGEST = 20_000
"""Pixels of a view's longer side at most: OpenCV turns no picture of more than 32,767."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to look at a picture."""

    look: str
    """Rungs of one look differ in size only: they make one witness of a reader."""
    readers: tuple[Callable[["Grey"], list[Seen]], ...] = (zxing, zbar)
    prepare: Callable[["Grey"], "Grey"] = _as_it_is
    scale: float = 1.0
    turn: float = 0.0
    """Degrees, anticlockwise."""
    pixels: int = VIEW
    """Most of the view: it is made smaller where it would have more."""


LADDER = (
    Rung("as it is", (zxing,), pixels=FRAME),
    Rung("as it is", (zbar,), pixels=FRAME),
    Rung("even", prepare=_even, pixels=FRAME // 2),
    Rung("even", (zxing, zbar, opencv), prepare=_even, scale=2),
    Rung("sharp", (zxing, opencv), prepare=partial(_sharp, sigma=3, amount=2), scale=3),
    Rung("as it is", scale=2),
    # Both engines read what is turned by up to some 15 degrees from upright or lying.
    Rung("turned left", prepare=_even, scale=1.5, turn=30),
    Rung("turned right", prepare=_even, scale=1.5, turn=-30),
)
"""From the cheap and likely to the dear and unlikely."""
CHEAP = tuple(replace(rung, pixels=VIEW) for rung in LADDER[:3])
"""For frames of a camera: the next frame is a better second chance than a dear rung."""


def decode(source: Path | bytes) -> tuple[Code, ...]:
    """The barcodes in a picture file that can be trusted, each once. Raises DeviceError (see `pictures.opened`)."""
    import numpy

    return climb(numpy.asarray(opened(source).convert("L")))


def climb(grey: "Grey", ladder: Sequence[Rung] = LADDER) -> tuple[Code, ...]:
    """The codes of the first rung that brings trust."""
    readings: list[Reading] = []
    for rung in ladder:
        readings += looked(grey, rung)
        if codes := trusted(readings):
            return codes
    return ()


def looked(grey: "Grey", rung: Rung) -> list[Reading]:
    """What the readers of one rung make of a picture, and the ruler of what they read."""
    import cv2
    import numpy

    cos, sin = math.cos(math.radians(rung.turn)), abs(math.sin(math.radians(rung.turn)))
    high, wide = grey.shape
    across, down = wide * cos + high * sin, wide * sin + high * cos
    scale = min(rung.scale, math.sqrt(rung.pixels / (across * down)), LONGEST / max(across, down))
    width, height = max(1, round(wide * scale)), max(1, round(high * scale))
    how = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA
    view = grey if scale == 1 else cv2.resize(grey, (width, height), interpolation=how)
    back: Grey = numpy.array([[1.0, 0, 0], [0, 1, 0]])
    if rung.turn:
        around = cv2.getRotationMatrix2D((width / 2, height / 2), rung.turn, 1.0)
        size = math.ceil(across * scale), math.ceil(down * scale)
        around[:, 2] += (size[0] - width) / 2, (size[1] - height) / 2
        view = cv2.warpAffine(view, around, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        back = cv2.invertAffineTransform(around)
    view = rung.prepare(view)

    readings = []
    for reader in rung.readers:
        for code, at in reader(view):
            said = [(code, at, reader.__name__), *_second_opinion(view, code, at)]
            for text, there, who in said:
                (x0, x1), (y0, y1) = back @ numpy.array([[there.x0, there.x1], [there.y0, there.y1], [1, 1]]) / scale
                readings.append(Reading(text, Place(x0, y0, x1, y1), who, rung.look))
    return readings


def _second_opinion(view: "Grey", code: Code, at: Place) -> Iterator[tuple[Code, Place, str]]:
    """What the ruler or, where it is silent, zbar makes of the strip in which a linear code was read.

    A strip costs a tenth of the view, so most codes need no second rung.
    """
    if code.format in MATRIX or not at.length:
        return
    digits = (13 if code.format in RETAIL else 8) if code.format in RULED else 0
    if digits and (text := measured(view, at, digits)):
        yield _code(text, "EAN-13" if digits == 13 else "EAN-8"), at, "ruler"
        return
    # An eighth of the code's length is room for its quiet zones.
    beside, above = 8 + abs(at.x1 - at.x0) / 8, 8 + abs(at.y1 - at.y0) / 8
    left, top = max(0, int(min(at.x0, at.x1) - beside)), max(0, int(min(at.y0, at.y1) - above))
    right, bottom = int(max(at.x0, at.x1) + beside), int(max(at.y0, at.y1) + above)
    for other, there in zbar(view[top:bottom, left:right]):
        yield other, Place(there.x0 + left, there.y0 + top, there.x1 + left, there.y1 + top), "zbar"
