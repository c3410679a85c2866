"""A label template and the fields of a unit → PDF, ZPL or PNG bytes; pure but for reading the templates.

Everything is laid out once, in dots of the print head, and then written in the format asked for: a PDF and a ZPL label
break their lines at the same places, and bars are whole dots wide in both. A template whose parts overlap is refused
when it is read, so that no text can ever run into a barcode.
"""

import json
import math
import re
import threading
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import combinations, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from inspect_station import lettering, tomlfile
from inspect_station.config import Config, problem_at
from inspect_station.errors import ConfigError, StationError
from inspect_station.lettering import ASCENT, LEADING, Raster
from inspect_station.message import Message, msg
from inspect_station.resources import resource
from inspect_station.symbols import QR_MOST, NoSymbol, SymbolKind, pairs, symbol
from inspect_station.tomlfile import BrokenConfig, Problem, TomlFile

if TYPE_CHECKING:
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

Format = Literal["pdf", "zpl", "png"]

MM = 25.4
POINT = 72
PADDING = 0.8
"""Millimetres left and right of white text in its black box."""
STEP = 0.5
"""Points by which text shrinks until it fits."""

LEAST = 2
"""A text has room for so many sizes of its smallest type: a letter and an ellipsis."""
DPI = (203, 300)
"""Print heads that every template must suit."""

PLATE = "L0000000000"
USUAL: Mapping[SymbolKind, str] = {"code128": f"{PLATE}/999", "ean13": "4006381333931", "qr": "https://" + "x" * 72}
"""What a barcode may have to hold: a plate with the number of its print, an EAN, an address."""

# ── Templates ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _has_english(words: dict[str, str]) -> dict[str, str]:
    if words and not words.get("en", "").strip():
        raise ValueError("needs an English text, en")
    return words


Millimetres = Annotated[float, Field(ge=0, le=1000)]
Captions = Annotated[dict[str, str], AfterValidator(_has_english)]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a part stands: millimetres from the left and upper edges, and its size."""

    x: float
    y: float
    width: float
    height: float

    def meets(self, other: "Box") -> bool:
        """Whether the two share more than an edge."""
        hair = 0.01
        return (
            self.x + self.width > other.x + hair
            and other.x + other.width > self.x + hair
            and self.y + self.height > other.y + hair
            and other.y + other.height > self.y + hair
        )


class Part(BaseModel):
    """Something on a label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    at: tuple[Millimetres, Millimetres]
    """Millimetres from the left and upper edges of the label to those of the part."""


class Text(Part):
    """A caption, a field, or both; an empty field draws nothing, not even its caption."""

    field: str = ""
    caption: Captions = {}
    """Fixed words by language, before the field."""
    width: Annotated[float, Field(gt=0, le=1000)]
    """Millimetres."""
    size: Annotated[float, Field(ge=4, le=200)]
    """Points."""
    min: Annotated[float, Field(ge=4)] = 5
    """Too long text shrinks to so many points, then it is cut with an ellipsis."""
    lines: Annotated[int, Field(ge=1, le=20)] = 1
    bold: bool = False
    align: Literal["left", "centre", "right"] = "left"
    inverse: bool = False
    """White on a black box."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.field and not self.caption:
            raise ValueError("needs a field or a caption")
        if self.min > self.size:
            raise ValueError(f"min: is larger than size, {self.size:g}")
        least = LEAST * self.min * MM / POINT + 2 * self.padding
        if self.width < least:
            raise ValueError(f"width: letters of {self.min:g} points and an ellipsis need {least:.1f} mm")
        return self

    @property
    def padding(self) -> float:
        """Millimetres left and right of its letters."""
        return PADDING if self.inverse else 0

    @property
    def box(self) -> Box:
        """Room for its lines at full size."""
        return Box(*self.at, self.width, self.lines * self.size * LEADING * MM / POINT)


class Barcode(Part):
    """A symbol, as large as whole dots allow, centred in its box with its quiet zones."""

    kind: SymbolKind = "code128"
    """``code128``; ``ean13`` for what tills read: an EAN-13, or the EAN-8 or UPC-A that the number is; ``qr``."""
    field: Annotated[str, Field(min_length=1)] = "barcode"
    optional: bool = False
    """An empty field draws nothing; otherwise it is a mistake."""
    width: Annotated[float, Field(gt=0, le=1000)]
    """Millimetres, quiet zones included."""
    height: Annotated[float, Field(ge=4, le=1000)]
    """Millimetres."""

    @property
    def box(self) -> Box:
        """The bars and their quiet zones."""
        return Box(*self.at, self.width, self.height)


class Line(Part):
    """A black line or rectangle."""

    size: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]]
    """Width and height in millimetres."""

    @property
    def box(self) -> Box:
        """All of it."""
        return Box(*self.at, *self.size)


class Template(BaseModel):
    """One kind of label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size: tuple[Annotated[float, Field(gt=0, le=1000)], Annotated[float, Field(gt=0, le=1000)]] = (62, 40)
    """Width and height in millimetres."""
    text: tuple[Text, ...] = ()
    barcode: tuple[Barcode, ...] = ()
    line: tuple[Line, ...] = ()

    @model_validator(mode="after")
    def _nothing_overlaps(self) -> Self:
        kinds: Sequence[tuple[str, Sequence[Text | Barcode | Line]]] = (
            ("text", self.text),
            ("barcode", self.barcode),
            ("line", self.line),
        )
        boxes = [(f"{kind}.{n}", part.box) for kind, parts in kinds for n, part in enumerate(parts, start=1)]
        width, height = self.size
        problems = [
            f"{key}: ends at {box.x + box.width:.1f} × {box.y + box.height:.1f} mm, "
            f"outside the label of {width:g} × {height:g} mm"
            for key, box in boxes
            if box.x + box.width > width or box.y + box.height > height
        ]
        problems += [
            f"{key}: overlaps {other}" for (key, box), (other, taken) in combinations(boxes, 2) if box.meets(taken)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def fields(self) -> frozenset[str]:
        """Names of the values that `render` needs; each may be empty, but for the barcodes'."""
        needed = {code.field for code in self.barcode if not code.optional}
        return frozenset(text.field for text in self.text if text.field) | needed


def templates(*folders: Path) -> dict[str, Template]:
    """The templates in the folders' TOML files by name, those of a later folder over those of an earlier one.

    A file's name is its template's. Raises BrokenConfig with the file and every key that is wrong in it.
    """
    return {name: read(file) for name, file in files(*folders).items()}


def files(*folders: Path) -> dict[str, Path]:
    """The files that `templates` reads, by name. Raises ConfigError where there is none."""
    found = {file.stem: file for folder in folders for file in sorted(folder.glob("*.toml"))}
    if not found:
        raise ConfigError(
            msg("There are no label templates in {folder}.", folder=", ".join(map(str, folders))),
            msg("Put the *.toml files of labels/ there, or install the program again."),
        )
    return found


def read(file: Path) -> Template:
    """One template. Raises BrokenConfig with every key that is wrong in it."""
    return _valid(_opened(file))


def check(file: Path, known: Collection[str]) -> Template:
    """A template that also names no field but those known, and whose barcodes can be scanned at 203 and 300 dpi, with
    room for what they say in letters.

    Raises BrokenConfig with every key that is wrong in it.
    """
    opened = _opened(file)
    template = _valid(opened)
    parts: Sequence[tuple[str, Sequence[Text | Barcode]]] = (("text", template.text), ("barcode", template.barcode))
    problems = [
        _problem(opened, (kind, n, "field"), msg("no such field; known are {known}", known=", ".join(sorted(known))))
        for kind, listed in parts
        for n, part in enumerate(listed, start=1)
        if part.field and part.field not in known
    ]
    for n, barcode in enumerate(template.barcode, start=1):
        try:
            for dpi in DPI:
                module(barcode, dpi)
        except StationError:
            said = msg(
                "a scanner could not read a {kind} in {width} × {height} mm",
                kind=barcode.kind,
                width=f"{barcode.width:g}",
                height=f"{barcode.height:g}",
            )
            problems.append(_problem(opened, ("barcode", n), said))
    codes = {barcode.field: USUAL[barcode.kind] for barcode in template.barcode if barcode.kind != "qr"}
    for n, text in enumerate(template.text, start=1):
        try:
            if text.field in codes:
                list(_writing(text, codes[text.field], "en", DPI[0], whole=True))
        except StationError as error:
            problems.append(_problem(opened, ("text", n, "width"), error.title))
    if problems:
        raise BrokenConfig(sorted(problems, key=lambda each: each.line), MEND)
    return template


def module(barcode: Barcode, dpi: int) -> float:
    """Millimetres of the narrowest bar with a usual content. Raises StationError where no scanner would read it."""
    return _bars(barcode, "", USUAL[barcode.kind], dpi).module * MM / dpi


def longest(barcode: Barcode, dpis: Collection[int] = DPI) -> int:
    """How many bytes a QR code has room for, so that a telephone can read it off any of these print heads."""

    def too_long(size: int) -> bool:
        try:
            for dpi in dpis:
                _bars(barcode, "", "x" * size, dpi)
        except StationError:
            return True
        return False

    return bisect_left(range(1, QR_MOST + 1), True, key=too_long)


def page_problems(config: Config) -> Iterator[Problem]:
    """Where `[station] unit_page` is longer than a label has room for: every such label would be refused when it is
    printed. Raises BrokenConfig where a template cannot be used."""
    page = config.station.unit_page.replace("{lpn}", PLATE)
    dpis = {*DPI, *(printer.dpi for printer in config.printers)}
    for name, file in files(resource("labels"), config.station.labels).items():
        for barcode in read(file).barcode:
            if barcode.field == "page" and len(page.encode()) > (most := longest(barcode, dpis)):
                said = msg(
                    "{size} bytes with a plate in it: the barcode of the label “{label}” ({file}) has room for {most}",
                    size=len(page.encode()),
                    label=name,
                    file=str(file),
                    most=most,
                )
                yield problem_at(config.path, ("station", "unit_page"), said)


MEND = msg("Correct the file; a template that works is beside it, or in labels/ of the program.")


def _opened(file: Path) -> TomlFile:
    try:
        return tomlfile.read(file)
    except BrokenConfig as broken:
        raise BrokenConfig(broken.problems, MEND) from None


def _valid(file: TomlFile) -> Template:
    """The template in a file, whose values are of exactly the kind that their key asks for."""
    problems = []
    if "name" in file.data:
        problems.append(_problem(file, ("name",), msg("unknown key: a template is called as its file is")))
    try:
        # As JSON, in which a list is a list: a number in quotes is none, true is no number.
        text = json.dumps({**file.data, "name": file.path.stem}, default=lambda date: [str(date)])
        template = Template.model_validate_json(text, strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False):
            problems += _said(file, each)
    if problems:
        raise BrokenConfig(sorted(problems, key=lambda each: each.line), MEND)
    return template


def _said(file: TomlFile, error: ErrorDetails) -> Iterator[Problem]:
    """One mistake, or several that only the whole shows (``key: what``), where it stands."""
    place = tomlfile.place_of(file.data, error["loc"])
    if error["type"] == "value_error":
        for sentence in str(error["ctx"]["error"]).split("; "):
            below, _, what = sentence.rpartition(": ")
            path = (int(part) if part.isdecimal() else part for part in below.split(".") if part)
            yield _problem(file, (*place, *path), msg("{what}", what=what))
    elif error["type"] == "tuple_type" and isinstance(error["input"], dict):
        said = msg("must be written [[{key}]]: there may be several", key=str(error["loc"][-1]))
        yield _problem(file, place, said)
    else:
        known = [key for key in tomlfile.keys_at(Template, error["loc"]) if key != "name"]
        yield _problem(file, place, tomlfile.message_of(error, known))


def _problem(file: TomlFile, place: tomlfile.Place, said: Message) -> Problem:
    line = file.lines.get(tomlfile.reach(file.data, place), 0)
    value = tomlfile.at(file.data, place)
    shown = "" if isinstance(value, dict | list) else tomlfile.shown(place, value)
    return Problem(file.path, line, ".".join(map(str, place)), shown, said)


# ── Layout, in dots of the print head ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Fill:
    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class _Writing:
    x: int
    baseline: int
    width: int
    text: str
    points: float
    bold: bool
    align: Literal["left", "centre", "right"]
    white: bool


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Letters as dots, for the printer lacks some of them."""

    x: int
    y: int
    raster: Raster
    white: bool


@dataclass(frozen=True, slots=True)
class _Bars:
    x: int
    y: int
    module: int
    height: int
    """Of each row."""
    kind: SymbolKind
    text: str
    rows: tuple[str, ...]


_Ink = _Fill | _Writing | _Drawn | _Bars


@dataclass(frozen=True, slots=True)
class _Sheet:
    width: int
    height: int
    ink: tuple[_Ink, ...]


def _lay_out(template: Template, fields: Mapping[str, str], locale: str, dpi: int) -> _Sheet:
    missing = sorted(template.fields - fields.keys())
    if missing:
        raise StationError(
            msg("The label “{label}” lacks the value {field}.", label=template.name, field=", ".join(missing)),
            msg("Give it a value, which may be empty, or take it out of the template."),
        )
    ink: list[_Ink] = []
    codes: dict[str, str] = {}
    for line in template.line:
        ink.append(_fill(line.box, dpi))
    for barcode in template.barcode:
        if fields.get(barcode.field) or not barcode.optional:
            bars = _bars(barcode, template.name, fields[barcode.field], dpi)
            ink.append(bars)
            if bars.kind != "qr":
                codes[barcode.field] = bars.text
    for text in template.text:
        # In letters a code is what its bars say, sign by sign, whatever form the field has.
        whole = text.field in codes
        value = codes[text.field] if whole else _clean(fields[text.field]) if text.field else ""
        if value.strip() or not text.field:
            ink.extend(_writing(text, value, locale, dpi, whole=whole))
    return _Sheet(_dots(template.size[0], dpi), _dots(template.size[1], dpi), tuple(ink))


def _dots(millimetres: float, dpi: int) -> int:
    return round(millimetres * dpi / MM)


def _fill(box: Box, dpi: int) -> _Fill:
    """From edge to edge, as what stands in it is counted, too; at least one dot, however thin."""
    x, y = _dots(box.x, dpi), _dots(box.y, dpi)
    right, foot = _dots(box.x + box.width, dpi), _dots(box.y + box.height, dpi)
    return _Fill(x, y, max(1, right - x), max(1, foot - y))


def _bars(part: Barcode, label: str, text: str, dpi: int) -> _Bars:
    try:
        code = symbol(part.kind, text)
    except NoSymbol as unfit:
        raise StationError(
            msg("“{text}” cannot be a barcode on the label “{label}”.", text=text, label=label), unfit.hint
        ) from None
    left, right = code.quiet
    across = left + len(code.rows[0]) + right
    width, height = _dots(part.width, dpi), _dots(part.height, dpi)
    room = min(width, height) if code.matrix else width
    module = min(room // across, math.floor(code.widest * dpi / MM))
    if module * MM / dpi < code.narrowest:
        raise StationError(
            msg("The barcode “{text}” is too long for the label “{label}”.", text=text, label=label),
            msg("Use a wider label: a scanner could not read bars so thin."),
        )
    x, y = _dots(part.at[0], dpi) + (width - across * module) // 2 + left * module, _dots(part.at[1], dpi)
    if not code.matrix:
        return _Bars(x, y, module, height, part.kind, code.text, code.rows)
    y += (height - across * module) // 2 + left * module
    return _Bars(x, y, module, module, part.kind, code.text, code.rows)


def _writing(part: Text, value: str, locale: str, dpi: int, *, whole: bool = False) -> Iterator[_Ink]:
    """A caption with its value, which is cut where it has no room, or refused where it must stand there ``whole``."""
    caption = part.caption.get(locale.partition("_")[0].partition("-")[0], part.caption.get("en", ""))
    text = " ".join(word for word in (_clean(caption), value) if word)
    plain = _printable(text)
    type = _Type(part.bold, dpi, drawn=plain is None)
    size, lines = _fit(
        part, text if plain is None else plain, (part.width - 2 * part.padding) * POINT / MM, type, whole
    )
    box = part.box
    if part.inverse:
        yield _fill(box, dpi)
    # Several lines hang from the top; a single one, which may have shrunk, keeps to the middle of its box.
    slack = box.height * POINT / MM - len(lines) * size * LEADING if part.lines == 1 else 0
    x = _dots(box.x + part.padding, dpi)
    width = _dots(box.x + box.width - part.padding, dpi) - x
    for n, line in enumerate(lines):
        top = box.y + (slack / 2 + n * LEADING * size) * MM / POINT
        baseline = _dots(top + ASCENT * size * MM / POINT, dpi)
        if type.drawn:
            y, foot = _dots(top, dpi), _dots(top + LEADING * size * MM / POINT, dpi)
            raster = lettering.draw(line, type.dots(size), part.bold, height=foot - y, baseline=baseline - y)
            free = width - raster.width
            shift = {"left": 0, "centre": free // 2, "right": free}[part.align]
            yield _Drawn(x + shift, y, raster, part.inverse)
        else:
            yield _Writing(
                x=x,
                baseline=baseline,
                width=width,
                text=line,
                points=size,
                bold=part.bold,
                align=part.align,
                white=part.inverse,
            )


@dataclass(frozen=True, slots=True)
class _Type:
    """What a text is set in: our font, or letters drawn as dots."""

    bold: bool
    dpi: int
    drawn: bool

    def dots(self, points: float) -> int:
        return math.floor(points * self.dpi / POINT)

    def width(self, text: str, points: float) -> float:
        """Points across."""
        if self.drawn:
            return lettering.width(text, self.dots(points), self.bold) * POINT / self.dpi
        return _width(text, self.bold, points)


def _fit(part: Text, text: str, width: float, type: _Type, whole: bool) -> tuple[float, list[str]]:
    """The largest size at which the text fits, and its lines. At the smallest it is cut with an ellipsis, or refused
    where the ``whole`` of it must stand in one line."""
    text = text if whole else _folded(text, part.lines)
    size = part.size
    while True:
        lines = [text] if whole else _wrap(text, width, type, size)
        if len(lines) <= part.lines and all(type.width(line, size) <= width for line in lines):
            return size, lines
        if size <= part.min:
            break
        size = max(part.min, size - STEP)
    if whole:
        raise StationError(
            msg("“{text}” has no room in letters: they would not say what the bars say", text=text),
            msg("Give this text more width in its template, or a smaller min."),
        )
    return size, _cut(lines, part.lines, width, type, size)


def _folded(text: str, most: int) -> str:
    """The text with no more line ends of its own than there is room for: of its lines, the shortest neighbours join."""
    lines = text.split("\n")
    while len(lines) > most:
        n = min(range(len(lines) - 1), key=lambda n: len(lines[n]) + len(lines[n + 1]))
        lines[n : n + 2] = [f"{lines[n]} {lines[n + 1]}"]
    return "\n".join(lines)


_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_THAI = r"\u0e01-\u0eff"
_SYLLABLE = r"[\u0e40-\u0e44\u0ec0-\u0ec4]?[\u0e01-\u0eff][\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebc\u0ec6-\u0ece]*"
_WORDS = re.compile(rf"( ?)([{_WIDE}]|{_SYLLABLE}|[^ {_WIDE}{_THAI}]+)")
"""A word with the space before it; of Chinese and its like, which have no spaces, every sign is one; of Thai and Lao,
every consonant with its vowels."""


def _wrap(text: str, width: float, type: _Type, size: float) -> list[str]:
    """Lines broken between words and at line ends; a word that is too long has a line of its own."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for space, word in _WORDS.findall(paragraph):
            longer = line + space + word if line else word
            if line and type.width(longer, size) > width:
                lines.append(line)
                longer = word
            line = longer
        if line:
            lines.append(line)
    return lines


def _cut(lines: list[str], most: int, width: float, type: _Type, size: float) -> list[str]:
    kept = lines[:most]
    if len(lines) > most:
        kept[-1] += " " + " ".join(lines[most:])
    return [_ellipsis(line, width, type, size) for line in kept]


def _ellipsis(line: str, width: float, type: _Type, size: float) -> str:
    if type.width(line, size) <= width:
        return line
    longest = bisect_right(range(1, len(line)), width, key=lambda end: type.width(line[:end] + "…", size))
    return line[:longest].rstrip() + "…"


# ── Letters ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_LOOKALIKES = str.maketrans({"\u202f": "\xa0", "\u2010": "-", "\u2011": "-", "\u2212": "-"})
"""Signs outside Windows-1252 that look like one inside; 202F is the thin space of French prices."""


_SPACES = re.compile(r"[ \t\u1680\u2000-\u200a\u205f\u3000]+")


def _clean(text: str) -> str:
    """The text without control and direction signs, its spaces single, its line ends kept."""
    text = "\n".join(_SPACES.sub(" ", line) for line in text.strip().splitlines())
    return "".join(sign for sign in unicodedata.normalize("NFC", text) if sign in "\n\u200c\u200d" or _shows(sign))


def _shows(sign: str) -> bool:
    """Half of a pair that stands for one sign is no text, whatever it came out of."""
    return unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _printable(text: str) -> str | None:
    """The text in letters that both our font and a Zebra's own one have (Windows-1252); None where all of it must be
    drawn. So must a backslash: in a text with an alignment a Zebra takes it, and what follows, for a command (^FB)."""
    alike = lettering.JOINERS.sub("", text).translate(_LOOKALIKES)
    return alike if all(sign in "\n\xa0" or (sign != "\\" and _in_font(sign)) for sign in alike) else None


def _in_font(sign: str) -> bool:
    try:
        return sign.isprintable() and bool(sign.encode("cp1252"))
    except UnicodeEncodeError:
        return False


@cache
def _font(bold: bool) -> str:
    """The name of our font, made known to reportlab, which ships it; its letters travel inside the PDF."""
    from reportlab.pdfbase.pdfmetrics import registerFont
    from reportlab.pdfbase.ttfonts import TTFont

    name = "VeraBd" if bold else "Vera"
    registerFont(TTFont(name, f"{name}.ttf"))
    return name


def _width(text: str, bold: bool, points: float) -> float:
    """Points across."""
    from reportlab.pdfbase.pdfmetrics import stringWidth

    return float(stringWidth(text, _font(bold), points))


# ── Formats ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def render(
    template: Template, fields: Mapping[str, str], *, locale: str = "en", format: Format = "pdf", dpi: int = 203
) -> bytes:
    """One label. The same template, fields and dpi always give the same bytes.

    ``dpi`` is the print head's: bars are whole dots wide. Raises StationError for a missing field, and for a barcode
    that is empty, has accents or is too long for its box.
    """
    sheet = _lay_out(template, fields, locale, dpi)
    if format == "zpl":
        return _zpl(sheet, dpi)
    pdf = _pdf([sheet], template.size, dpi)
    return _png(pdf, dpi) if format == "png" else pdf


def pages_of(pages: Sequence[tuple[Template, Mapping[str, str]]], *, locale: str = "en", dpi: int) -> bytes:
    """Several pages of one size as one PDF, each laid out like a label. Raises StationError as `render` does."""
    sheets = [_lay_out(template, fields, locale, dpi) for template, fields in pages]
    return _pdf(sheets, pages[0][0].size, dpi)


def _pdf(sheets: Sequence[_Sheet], size: tuple[float, float], dpi: int) -> bytes:
    from reportlab.pdfgen.canvas import Canvas

    out = BytesIO()
    width, height = (side * POINT / MM for side in size)
    canvas = Canvas(out, pagesize=(width, height), pageCompression=1, invariant=1)
    for sheet in sheets:
        for ink in sheet.ink:
            canvas.setFillGray(1 if isinstance(ink, _Writing) and ink.white else 0)
            _draw(canvas, ink, height, POINT / dpi)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def _draw(canvas: "Canvas", ink: _Ink, top: float, dot: float) -> None:
    """PDF counts upwards from the lower edge, in points."""

    def rectangle(x: int, y: int, width: int, height: int) -> None:
        canvas.rect(x * dot, top - (y + height) * dot, width * dot, height * dot, stroke=0, fill=1)

    match ink:
        case _Fill(x, y, width, height):
            rectangle(x, y, width, height)
        case _Bars(rows=rows, x=x, y=y, module=module, height=height):
            for n, row in enumerate(rows):
                left = x
                for black, run in groupby(row):
                    width = module * len(list(run))
                    if black == "1":
                        rectangle(left, y + n * height, width, height)
                    left += width
        case _Drawn(x, y, raster, white):
            canvas.drawImage(_image(raster, white), x * dot, top - (y + raster.height) * dot,
                             raster.width * dot, raster.height * dot)  # fmt: skip
        case _Writing():
            canvas.setFont(_font(ink.bold), ink.points)
            room = ink.width * dot - _width(ink.text, ink.bold, ink.points)
            shift = {"left": 0.0, "centre": room / 2, "right": room}[ink.align]
            canvas.drawString(ink.x * dot + shift, top - ink.baseline * dot, ink.text)


def _image(raster: Raster, white: bool) -> "ImageReader":
    """Black on white, or white on black: it fills its box, in which nothing else stands."""
    from PIL import Image
    from reportlab.lib.utils import ImageReader

    ink = Image.frombytes("1", (raster.width, raster.height), raster.data)
    return ImageReader(ink if white else ink.point(lambda dot: 255 - dot))


_ONE_PDF = threading.Lock()
"""PDFium is not thread-safe, and the screens' preview is drawn beside the outbox's labels."""


def _png(pdf: bytes, dpi: int) -> bytes:
    import pypdfium2

    out = BytesIO()
    with _ONE_PDF, pypdfium2.PdfDocument(pdf) as document:
        document[0].render(scale=dpi / POINT, grayscale=True).to_pil().save(out, "PNG", optimize=True)
    return out.getvalue()


_FIELD_DATA = str.maketrans({sign: f"_{ord(sign):02X}" for sign in "_^~\\"})
"""^FH escapes: no product title can give the printer a command."""


def _zpl(sheet: _Sheet, dpi: int) -> bytes:
    """Text and bars as the printer's own, in UTF-8; its font 0 is narrower than ours, so what fits in PDF fits."""
    commands = ["^XA", "^CI28", f"^PW{sheet.width}", f"^LL{sheet.height}", "^LH0,0"]
    commands += [_command(ink, dpi) for ink in sheet.ink]
    return "\n".join([*commands, "^XZ", ""]).encode()


def _command(ink: _Ink, dpi: int) -> str:
    match ink:
        case _Fill(x, y, width, height):
            return f"^FO{x},{y}^GB{width},{height},{min(width, height)}^FS"
        case _Bars(x, y, module, height, "code128", text, _):
            # >: starts in set B, >5 goes on in set C, and > itself is written >0.
            single = len(text) - pairs(text)
            data = text[:single].replace(">", ">0").translate(_FIELD_DATA)
            paired = f">5{text[single:]}" if pairs(text) else ""
            return f"^FO{x},{y}^BY{module}^BCN,{height},N,N,N,N^FH^FD>:{data}{paired}^FS"
        case _Bars(x, y, module, height, "ean13", text, _):
            # The printer counts the check digit itself. A UPC-A is the EAN-13 with a zero before it.
            command, data = ("^B8N", text) if len(text) == 8 else ("^BEN", text.zfill(13))
            return f"^FO{x},{y}^BY{module}{command},{height},N,N^FD{data[:-1]}^FS"
        case _Bars(x, y, module, _, _, _, rows):
            # As dots: a printer would choose another size and mask than the PDF has, and sets ^BQ ten dots lower.
            return _dotted(x, y, Raster.of_modules(rows, module))
        case _Drawn(x, y, raster, white):
            return _dotted(x, y, raster, reverse=white)
        case _Writing():
            height = math.floor(ink.points * dpi / POINT)
            justified = {"left": "L", "centre": "C", "right": "R"}[ink.align]
            reverse = "^FR" if ink.white else ""
            data = ink.text.translate(_FIELD_DATA)
            return f"^FT{ink.x},{ink.baseline}^A0N,{height}{reverse}^FB{ink.width},1,0,{justified}^FH^FD{data}^FS"


def _dotted(x: int, y: int, raster: Raster, *, reverse: bool = False) -> str:
    total = len(raster.data)
    return f"^FO{x},{y}{'^FR' * reverse}^GFA,{total},{total},{raster.stride},{raster.data.hex().upper()}^FS"
