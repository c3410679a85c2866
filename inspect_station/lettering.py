"""Text in scripts that neither a label's font nor a printer's own has, drawn as dots.

OpenCV carries letters for Latin, Cyrillic, Greek, Hebrew, Chinese, Japanese and Korean in itself. Arabic letters join,
which it does not do: they are taken from DejaVu Sans where the machine has that font.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageFont

FONTS = {False: "DejaVuSans.ttf", True: "DejaVuSans-Bold.ttf"}
WEIGHTS = {False: 400, True: 700}
TALLER = 0.92
"""OpenCV's capitals with accents need more height than ours: so much smaller, they fit into the same line."""


@dataclass(frozen=True, slots=True)
class Raster:
    """Black dots on white: rows from the top, each of whole bytes, the leftmost dot in the highest bit, 1 = black."""

    width: int
    height: int
    data: bytes

    @property
    def stride(self) -> int:
        """Bytes in a row."""
        return (self.width + 7) // 8

    @classmethod
    def of(cls, picture: "Image.Image") -> "Raster":
        """A grey picture, parted in the middle."""
        ink = picture.point(lambda grey: 255 if grey < 128 else 0).convert("1")
        return cls(picture.width, picture.height, ink.tobytes())

    @classmethod
    def of_modules(cls, rows: tuple[str, ...], module: int) -> "Raster":
        """Square modules, 1 = black, each so many dots wide and high."""
        width = len(rows[0]) * module
        wide = ("".join(sign * module for sign in row).ljust(-(-width // 8) * 8, "0") for row in rows)
        data = b"".join(int(row, 2).to_bytes(len(row) // 8, "big") * module for row in wide)
        return cls(width, len(rows) * module, data)


def joins_arabic() -> bool:
    """Whether the machine has the font with the joined forms of Arabic letters."""
    return _font(12, False) is not None


def width(text: str, dots: int, bold: bool) -> int:
    """Dots across a line of letters of so many dots, whatever its direction."""
    font = _joining(text, dots, bold)
    if font is not None:
        return round(font.getlength(in_sight(text)))
    import cv2

    size = int(dots * TALLER)
    _, _, across, _ = cv2.getTextSize((0, 0), in_sight(text), (0, 0), cv2.FontFace("sans"), size, WEIGHTS[bold])
    return int(across)


def draw(text: str, dots: int, bold: bool, *, height: int, baseline: int) -> Raster:
    """A line of letters of so many dots, in a raster as wide as the line; the baseline is counted from the top."""
    from PIL import Image, ImageDraw

    seen = in_sight(text)
    across = max(1, width(text, dots, bold))
    font = _joining(text, dots, bold)
    if font is not None:
        picture = Image.new("L", (across, height), 255)
        ImageDraw.Draw(picture).text((0, baseline), seen, font=font, fill=0, anchor="ls")
        return Raster.of(picture)
    import cv2
    import numpy as np

    canvas = np.full((height, across), 255, np.uint8)
    cv2.putText(canvas, seen, (0, baseline), (0,), cv2.FontFace("sans"), int(dots * TALLER), WEIGHTS[bold])
    return Raster.of(Image.fromarray(canvas))


def _joining(text: str, dots: int, bold: bool) -> "ImageFont.FreeTypeFont | None":
    """The font with the joined forms, where the text has letters that join, and the machine has it."""
    return _font(dots, bold) if any(sign in _forms() for sign in text) else None


@cache
def _font(dots: int, bold: bool) -> "ImageFont.FreeTypeFont | None":
    from PIL import ImageFont

    try:
        # Letters come joined and in the order of the eye: the same on machines with and without Raqm.
        return ImageFont.truetype(FONTS[bold], dots, layout_engine=ImageFont.Layout.BASIC)
    except OSError:
        return None


# ── From the order of reading to that of the eye ─────────────────────────────────────────────────────────────────────


def in_sight(text: str) -> str:
    """One line as the eye meets it from left to right, its Arabic letters joined where there is a font for that.

    The rules of the Unicode bidirectional algorithm (UAX 9) but for embeddings and pairs of brackets across directions.
    """
    bare = "".join(sign for sign in text if unicodedata.bidirectional(sign) != "NSM")
    levels = _levels(bare)
    if not any(levels):
        return bare
    joined = _joined(bare) if joins_arabic() else list(bare)
    # A pair of letters that became one sign left an empty one behind.
    signs = [(sign, level) for sign, level in zip(joined, levels, strict=True) if sign]
    for floor in range(max(levels), 0, -1):
        signs = _reversed_from(signs, floor)
    return "".join(_MIRRORED.get(sign, sign) if level % 2 else sign for sign, level in signs)


_MIRRORED = dict(zip("()[]{}<>«»‹›", ")(][}{><»«›‹", strict=True))


def _levels(text: str) -> list[int]:
    """Odd for what runs to the left, even for what runs to the right; 0 alone where nothing runs to the left."""
    classes = [unicodedata.bidirectional(sign) for sign in text]
    strong = [each for each in classes if each in ("L", "R", "AL")]
    base = int(bool(strong) and strong[0] != "L")
    # A separator between two digits belongs to the number; so does a sign of money or of per cent beside one.
    for n, each in enumerate(classes):
        around = classes[n - 1 : n] + classes[n + 1 : n + 2]
        if (each in ("CS", "ES") and around == ["EN", "EN"]) or (each == "ET" and "EN" in around):
            classes[n] = "EN"
    kinds: list[str] = []
    last = "R" if base else "L"
    for each in classes:
        if each in ("L", "R", "AL"):
            last = "L" if each == "L" else "R"
            kinds.append(last)
        elif each in ("EN", "AN"):
            kinds.append("N" if last == "R" or each == "AN" else "L")
        else:
            kinds.append("")
    # Between two of one direction signs go with them (a number counts as running to the left); else with the line.
    anchors = [-1, *(n for n, kind in enumerate(kinds) if kind), len(kinds)]
    line = "R" if base else "L"
    for before, after in pairwise(anchors):
        left, right = (line if not 0 <= n < len(kinds) else "R" if kinds[n] in "RN" else "L" for n in (before, after))
        kinds[before + 1 : after] = [left if left == right else line] * (after - before - 1)
    return [{"R": 1, "N": 2, "L": 2 * base}[kind] for kind in kinds]


def _reversed_from(signs: list[tuple[str, int]], floor: int) -> list[tuple[str, int]]:
    """Every run of this level or a higher one turned round."""
    turned: list[tuple[str, int]] = []
    run: list[tuple[str, int]] = []
    for each in signs:
        if each[1] >= floor:
            run.append(each)
        else:
            turned += [*reversed(run), each]
            run = []
    return [*turned, *reversed(run)]


@cache
def _forms() -> dict[str, dict[str, str]]:
    """Arabic letters, and lam with alef, → their isolated, initial, medial and final forms, out of Unicode's tables."""
    forms: dict[str, dict[str, str]] = {}
    for code in (*range(0xFB50, 0xFBFF), *range(0xFE80, 0xFEFD)):
        form, *letters = unicodedata.decomposition(chr(code)).split() or [""]
        if form:
            letter = "".join(chr(int(each, 16)) for each in letters)
            forms.setdefault(letter, {}).setdefault(form.strip("<>"), chr(code))
    return {letter: each for letter, each in forms.items() if len(letter) == 1 or letter[0] == "\u0644"}


def _joined(text: str) -> list[str]:
    """The letters in the forms that their neighbours ask for; the second of a pair that became one sign is empty."""
    forms = _forms()
    letters = list(text)
    for n, pair in enumerate(map("".join, pairwise(text))):
        if pair in forms and len(pair) == 2:
            letters[n : n + 2] = [pair, ""]
    filled = [n for n, letter in enumerate(letters) if letter]
    joined = list(letters)
    for place, n in enumerate(filled):
        own = forms.get(letters[n])
        if own is None:
            continue
        before = forms.get(letters[filled[place - 1]], {}) if place else {}
        after = forms.get(letters[filled[place + 1]], {}) if place + 1 < len(filled) else {}
        from_before = "initial" in before and "final" in own
        to_after = "initial" in own and "final" in after
        form = {(True, True): "medial", (True, False): "final", (False, True): "initial"}.get(
            (from_before, to_after), "isolated"
        )
        joined[n] = own.get(form, letters[n])
    return joined
