"""Text that neither a label's font nor a printer's own can write, drawn as dots.

OpenCV carries letters for Latin, Cyrillic, Greek, Hebrew, Chinese, Japanese and Korean in itself, so that they look the
same on every machine. What it lacks is drawn with the first of the machine's fonts that has it, joined and placed by
Raqm where Pillow has that. A letter that no font has leaves a box: nothing is lost without a trace.
"""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from inspect_station.fonts import STRIKE, Font, fonts

if TYPE_CHECKING:
    from PIL import Image, ImageFont

LEADING = 1.2
"""Height of a line, in sizes of its type: Vera's ascenders and descenders need 1.17."""
ASCENT = 0.94
"""From the top of a line to the foot of its letters, in sizes."""
WEIGHTS = {False: 400, True: 700}
TALLER = 0.92
"""OpenCV's letters are larger than ours of the same size: so much smaller, they look like them."""
ENDONYMS = {
    "العربية": "fonts-dejavu-core",
    "հայերեն": "fonts-dejavu-core",
    "ქართული": "fonts-dejavu-core",
    "ไทย": "fonts-noto-core",
    "हिन्दी": "fonts-noto-core",
    "বাংলা": "fonts-noto-core",
    "தமிழ்": "fonts-noto-core",
    "😀": "fonts-symbola",
}
"""Scripts that OpenCV lacks, as their readers call them, and a Debian package with their letters."""


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


def width(text: str, dots: int, bold: bool) -> int:
    """Dots across a line of letters of so many dots, whatever its direction."""
    return sum(_width(run, dots, bold) for run in _runs(text, bold))


def draw(text: str, dots: int, bold: bool, *, height: int, baseline: int) -> Raster:
    """A line of letters of so many dots, in a raster as wide as the line; the baseline is counted from the top."""
    from PIL import Image

    line = Image.new("L", (max(1, width(text, dots, bold)), height), 255)
    x = 0
    for run in _runs(text, bold):
        picture, rise = _drawn(run, dots, bold)
        # What reaches out of the line is moved into it.
        line.paste(picture, (x, max(0, min(baseline - rise, height - picture.height))))
        x += picture.width
    return Raster.of(line)


def lacking() -> dict[str, str]:
    """Of `ENDONYMS`, the scripts of which some letter would be a box on this machine."""
    return {
        name: package
        for name, package in ENDONYMS.items()
        if any(run.face in ("box", "own") for bold in (False, True) for run in _runs(name, bold))
    }


def shapes() -> bool:
    """Whether letters can be joined and placed as scripts like those of India ask; without it they stand in a row."""
    from PIL import features

    return bool(features.check("raqm"))


# ── Which font has a letter ──────────────────────────────────────────────────────────────────────────────────────────

_Face = Font | Literal["own", "box"]
"""A font file, OpenCV's own letters, or the box that stands for what nothing has."""
JOINERS = re.compile("[\u200c\u200d\ufe00-\ufe0f]")
"""Signs that only say how their neighbours look."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Letters of one face that run one way."""

    face: _Face
    text: str
    """As it is stored; of boxes a sign each."""
    leftwards: bool


@lru_cache(maxsize=512)
def _runs(text: str, bold: bool) -> tuple[_Run, ...]:
    """The line from left to right."""
    return tuple(run for piece, leftwards in order(text) for run in _faced(piece, leftwards, bold))


def _faced(piece: str, leftwards: bool, bold: bool) -> Iterator[_Run]:
    faced: list[tuple[_Face, str]] = []
    for letter in _letters(piece):
        before = faced[-1][0] if faced else "own"
        # Spaces and signs go with the word before them.
        joins = isinstance(before, Font) and not before.coloured and not letter[0].isalnum() and _has(before, letter)
        faced.append((before, letter) if joins else _face(letter, bold))
    runs = [_Run(face, "".join(text for _, text in group), leftwards) for face, group in groupby(faced, lambda e: e[0])]
    yield from reversed(runs) if leftwards else runs


def _letters(text: str) -> list[str]:
    """The text cut before every letter: marks, joiners and what these join stay with theirs."""
    letters: list[str] = []
    for sign in text:
        goes_on = unicodedata.category(sign)[0] == "M" or JOINERS.match(sign) or "\U0001f3fb" <= sign <= "\U0001f3ff"
        if letters and (goes_on or letters[-1][-1] == "\u200d"):
            letters[-1] += sign
        else:
            letters.append(sign)
    return letters


@cache
def _face(letter: str, bold: bool) -> tuple[_Face, str]:
    """What draws a letter, and the text that it then draws: where no font has it, its nearest relation without marks;
    a box, where nothing has that either."""
    bare = JOINERS.sub("", letter)
    if len(bare) == 1 and bare not in _forms() and _own_has(bare):
        return "own", bare
    font = next((font for font in fonts(bold) if _has(font, letter) and _can_draw(font, letter)), None)
    if font is not None:
        return font, letter
    for relation in (bare, unicodedata.normalize("NFKD", bare)):
        base = "".join(sign for sign in relation if unicodedata.category(sign)[0] != "M")
        if base and all(map(_own_has, base)):
            return "own", base
    return "box", letter[0]


def _has(font: Font, letter: str) -> bool:
    return all(map(font.has, JOINERS.sub("", letter)))


def _can_draw(font: Font, letter: str) -> bool:
    """A file may say that it has a letter, and be broken."""
    try:
        _font(font.path, STRIKE).getlength(letter)
    except OSError:
        return False
    return True


@cache
def _own_has(sign: str) -> bool:
    """OpenCV draws a question mark for what it lacks."""
    return sign == "?" or _own_ink(sign) != _own_ink("?")


@cache
def _own_ink(sign: str) -> bytes:
    return _by_opencv(sign, 24, False, 40)[0].tobytes()


# ── Runs in dots ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _width(run: _Run, dots: int, bold: bool) -> int:
    if run.face == "own":
        import cv2

        size = int(dots * TALLER)
        _, _, across, _ = cv2.getTextSize((0, 0), _seen(run), (0, 0), cv2.FontFace("sans"), size, WEIGHTS[bold])
        return int(across) + _edge(dots)
    if run.face == "box":
        return len(run.text) * (_box(dots) + _edge(dots))
    if run.face.coloured:
        return math.ceil(_font(run.face.path, STRIKE).getlength(run.text) * dots / STRIKE)
    left, _, right, _ = _extent(run, run.face, dots)[1]
    return right - left


def _drawn(run: _Run, dots: int, bold: bool) -> "tuple[Image.Image, int]":
    """Grey letters on white, and how far beneath its upper edge they stand."""
    from PIL import Image, ImageDraw

    across = _width(run, dots, bold)
    if run.face == "own":
        return _by_opencv(_seen(run), dots, bold, across)
    if run.face == "box":
        picture = Image.new("L", (across, _box(dots)), 255)
        for n in range(len(run.text)):
            left = n * (_box(dots) + _edge(dots))
            ImageDraw.Draw(picture).rectangle((left, 0, left + _box(dots) - 1, _box(dots) - 1), outline=0)
        return picture, _box(dots)
    if run.face.coloured:
        return _in_colour(run, run.face, across, dots)
    font, (left, top, right, foot) = _extent(run, run.face, dots)
    picture = Image.new("L", (right - left, foot - top), 255)
    ImageDraw.Draw(picture).text((-left, -top), _seen(run), font=font, fill=0, anchor="ls", direction=_direction(run))
    return picture, -top


def _edge(dots: int) -> int:
    """White on the left of what may begin further left than it should, like a j."""
    return max(1, dots // 12)


def _box(dots: int) -> int:
    return max(3, dots * 2 // 3)


def _by_opencv(text: str, dots: int, bold: bool, across: int) -> "tuple[Image.Image, int]":
    import cv2
    import numpy as np
    from PIL import Image

    canvas = np.full((3 * dots, across), 255, np.uint8)
    size = int(dots * TALLER)
    cv2.putText(canvas, text, (_edge(dots), 2 * dots), (0,), cv2.FontFace("sans"), size, WEIGHTS[bold])
    inked = np.flatnonzero(canvas.min(axis=1) < 128)
    top, foot = (int(inked[0]), int(inked[-1]) + 1) if inked.size else (2 * dots, 2 * dots)
    return Image.fromarray(canvas[top:foot]), 2 * dots - top


def _extent(run: _Run, face: Font, dots: int) -> "tuple[ImageFont.FreeTypeFont, tuple[int, int, int, int]]":
    """The font in the size in which the run fits into its line, and the edges of ink and advance around its start."""
    room = int(LEADING * dots) - 1
    for size in range(dots, 0, -1):
        font = _font(face.path, size)
        left, top, right, foot = font.getbbox(_seen(run), anchor="ls", direction=_direction(run))
        ahead = font.getlength(_seen(run), direction=_direction(run))
        if foot - top <= room or size == 1:
            break
    return font, (min(0, math.floor(left)), math.floor(top), max(math.ceil(right), math.ceil(ahead)), math.ceil(foot))


def _in_colour(run: _Run, face: Font, across: int, dots: int) -> "tuple[Image.Image, int]":
    """Grey as dots of black, so that it is seen what it is."""
    from PIL import Image, ImageDraw

    font = _font(face.path, STRIKE)
    large = Image.new("RGBA", (math.ceil(font.getlength(run.text)), math.ceil(LEADING * STRIKE)), "white")
    ImageDraw.Draw(large).text((0, ASCENT * STRIKE), run.text, font=font, anchor="ls", embedded_color=True)
    small = large.resize((across, int(LEADING * dots)), Image.Resampling.LANCZOS)
    return small.convert("1").convert("L"), int(ASCENT * dots)


@lru_cache(maxsize=256)
def _font(path: Path, dots: int) -> "ImageFont.FreeTypeFont":
    from PIL import ImageFont

    return ImageFont.truetype(path, dots, layout_engine=getattr(ImageFont.Layout, "RAQM" if shapes() else "BASIC"))


def _direction(run: _Run) -> str | None:
    """What Raqm is told; without it the text is turned round already."""
    return ("rtl" if run.leftwards else "ltr") if shapes() else None


def _seen(run: _Run) -> str:
    """The run's text as its face takes it."""
    if isinstance(run.face, Font) and shapes():
        return run.text
    bare = JOINERS.sub("", run.text)
    return in_sight(bare, joins=isinstance(run.face, Font)) if run.leftwards else bare


# ── From the order of reading to that of the eye ─────────────────────────────────────────────────────────────────────


def order(text: str) -> list[tuple[str, bool]]:
    """One line in pieces from left to right, each as it is stored and with whether it runs to the left.

    The rules of the Unicode bidirectional algorithm (UAX 9) but for embeddings and pairs of brackets across directions.
    """
    letters = _letters(text)
    levels = _levels("".join(letter[0] for letter in letters))
    levelled = zip(letters, levels, strict=True)
    pieces = [("".join(letter for letter, _ in group), level) for level, group in groupby(levelled, lambda e: e[1])]
    for floor in range(max(levels, default=0), 0, -1):
        pieces = _reversed_from(pieces, floor)
    return [(piece, level % 2 == 1) for piece, level in pieces]


def in_sight(piece: str, *, joins: bool) -> str:
    """A piece that runs to the left as the eye meets it from left to right; ``joins``: its Arabic letters joined."""
    bare = "".join(sign for sign in piece if unicodedata.bidirectional(sign) != "NSM")
    signs = _joined(bare) if joins else list(bare)
    return "".join(_MIRRORED.get(sign, sign) for sign in reversed(signs))


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
