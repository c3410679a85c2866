"""A label template and the fields of a unit → PDF, ZPL or PNG bytes; pure but for reading the templates.

Everything is laid out once, in dots of the print head, and then written in the format asked for: a PDF and a ZPL label
break their lines at the same places, and bars are whole dots wide in both. A template whose parts overlap is refused
when it is read, so that no text can ever run into a barcode.
"""

import math
import re
import threading
import tomllib
import unicodedata
from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from itertools import combinations, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from inspect_station import lettering
from inspect_station.errors import ConfigError, StationError
from inspect_station.lettering import Raster
from inspect_station.message import msg
from inspect_station.symbols import NoSymbol, SymbolKind, symbol

if TYPE_CHECKING:
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

Format = Literal["pdf", "zpl", "png"]

MM = 25.4
POINT = 72
LEADING = 1.2
"""Height of a line, in sizes of its type: Vera's ascenders and descenders need 1.17."""
ASCENT = 0.94
"""From the top of a line to the foot of its letters, in sizes."""
PADDING = 0.8
"""Millimetres left and right of white text in its black box."""
STEP = 0.5
"""Points by which text shrinks until it fits."""

USUAL: Mapping[SymbolKind, str] = {"code128": "L00000000000/99", "ean13": "4006381333931", "qr": "https://" + "x" * 33}
"""What a barcode may have to hold: a plate with the number of its print, an EAN, an address."""

# ── Templates ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _has_english(words: dict[str, str]) -> dict[str, str]:
    if words and "en" not in words:
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
            raise ValueError(f"min is larger than size, {self.size:g}")
        return self

    @property
    def box(self) -> Box:
        """Room for its lines at full size."""
        return Box(*self.at, self.width, self.lines * self.size * LEADING * MM / POINT)


class Barcode(Part):
    """A symbol, as large as whole dots allow, centred in its box with its quiet zones."""

    kind: SymbolKind = "code128"
    """``code128``; ``ean13`` for what tills read: an EAN-13, or the EAN-8 or UPC-A that the number is; ``qr``."""
    field: str = "barcode"
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
        for key, box in boxes:
            if box.x + box.width > width or box.y + box.height > height:
                raise ValueError(
                    f"{key} ends at {box.x + box.width:.1f} × {box.y + box.height:.1f} mm, "
                    f"outside the label of {width:g} × {height:g} mm"
                )
        for (key, box), (other, taken) in combinations(boxes, 2):
            if box.meets(taken):
                raise ValueError(f"{key} and {other} overlap")
        return self

    @property
    def fields(self) -> frozenset[str]:
        """Names of the values that `render` needs; each may be empty, but for the barcodes'."""
        needed = {code.field for code in self.barcode if not code.optional}
        return frozenset(text.field for text in self.text if text.field) | needed


def templates(*folders: Path) -> dict[str, Template]:
    """The templates in the folders' TOML files by name, those of a later folder over those of an earlier one.

    A file's name is its template's. Raises ConfigError with the file and every key that is wrong in it.
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
    """One template. Raises ConfigError with every key that is wrong in it."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        return Template.model_validate({**data, "name": file.stem})
    except ValidationError as error:
        problem = "; ".join(_problem(each["loc"], each["msg"], each["input"]) for each in error.errors())
    except (OSError, ValueError, RecursionError) as error:  # TOML may be nested deeper than Python counts
        problem = str(error)
    raise _unusable(file, problem)


def check(file: Path, known: Collection[str]) -> Template:
    """A template that also names no field but those known, and whose barcodes can be scanned at 203 and 300 dpi.

    Raises ConfigError with every key that is wrong in it.
    """
    template = read(file)
    parts: Sequence[tuple[str, Sequence[Text | Barcode]]] = (("text", template.text), ("barcode", template.barcode))
    problems = [
        f"{kind}.{n}.field = {part.field!r}: no such field; known are {', '.join(sorted(known))}"
        for kind, listed in parts
        for n, part in enumerate(listed, start=1)
        if part.field and part.field not in known
    ]
    for n, barcode in enumerate(template.barcode, start=1):
        try:
            module(barcode, 203), module(barcode, 300)
        except StationError:
            problems.append(
                f"barcode.{n}: a scanner could not read a {barcode.kind} in {barcode.width:g} × {barcode.height:g} mm"
            )
    if problems:
        raise _unusable(file, "; ".join(problems))
    return template


def module(barcode: Barcode, dpi: int) -> float:
    """Millimetres of the narrowest bar with a usual content. Raises StationError where no scanner would read it."""
    return _bars(barcode, "", USUAL[barcode.kind], dpi).module * MM / dpi


def _unusable(file: Path, problem: str) -> ConfigError:
    return ConfigError(
        msg("The label template {file} cannot be used: {problem}", file=str(file), problem=problem),
        msg("Correct the file; a template that works is beside it, or in labels/ of the program."),
    )


def _problem(place: Sequence[str | int], text: str, value: Any) -> str:
    """One mistake: the key (entries of a list counted from 1, as in the file), the value, the reason."""
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    text = text.removeprefix("Value error, ")
    shown = "" if isinstance(value, dict | list | tuple) else f" = {value!r}"
    return f"{key}{shown}: {text}" if key else text


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
    """Letters as dots, in a script that the printer lacks."""

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
    for line in template.line:
        ink.append(_fill(line.box, dpi))
    for barcode in template.barcode:
        if fields.get(barcode.field) or not barcode.optional:
            ink.append(_bars(barcode, template.name, fields[barcode.field], dpi))
    for text in template.text:
        ink.extend(_writing(text, fields, locale, dpi))
    return _Sheet(_dots(template.size[0], dpi), _dots(template.size[1], dpi), tuple(ink))


def _dots(millimetres: float, dpi: int) -> int:
    return round(millimetres * dpi / MM)


def _fill(box: Box, dpi: int) -> _Fill:
    """At least one dot, however thin."""
    x, y = _dots(box.x, dpi), _dots(box.y, dpi)
    return _Fill(x, y, max(1, _dots(box.width, dpi)), max(1, _dots(box.height, dpi)))


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


def _writing(part: Text, fields: Mapping[str, str], locale: str, dpi: int) -> Iterator[_Ink]:
    value = _clean(fields[part.field]) if part.field else ""
    if part.field and not value.strip():
        return
    caption = part.caption.get(locale.partition("_")[0].partition("-")[0], part.caption.get("en", ""))
    text = " ".join(word for word in (_clean(caption), value) if word)
    plain = _printable(text)
    type = _Type(part.bold, dpi, drawn=plain is None)
    padding = PADDING if part.inverse else 0
    size, lines = _fit(part, text if plain is None else plain, (part.width - 2 * padding) * POINT / MM, type)
    box = part.box
    if part.inverse:
        yield _fill(box, dpi)
    # Several lines hang from the top; a single one, which may have shrunk, keeps to the middle of its box.
    slack = box.height * POINT / MM - len(lines) * size * LEADING if part.lines == 1 else 0
    x, width = _dots(box.x + padding, dpi), _dots(box.width - 2 * padding, dpi)
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


def _fit(part: Text, text: str, width: float, type: _Type) -> tuple[float, list[str]]:
    """The largest size at which the text fits, and its lines; at the smallest it is cut with an ellipsis."""
    size = part.size
    while True:
        lines = _wrap(text, width, type, size)
        if len(lines) <= part.lines and all(type.width(line, size) <= width for line in lines):
            return size, lines
        if size <= part.min:
            return size, _cut(lines, part.lines, width, type, size)
        size = max(part.min, size - STEP)


_WIDE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_WORDS = re.compile(rf"( ?)([{_WIDE}]|[^ {_WIDE}]+)")
"""A word with the space before it; of Chinese and its like, which have no spaces, every sign is one."""


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

_LOOKALIKES = str.maketrans(
    {"\u202f": "\xa0", "\u2010": "-", "\u2011": "-", "\u2212": "-", "Ł": "L", "ł": "l", "Đ": "D", "đ": "d", "ı": "i"}
)
"""Signs outside Windows-1252 that have a near relation inside; 202F is the thin space of French prices."""


def _clean(text: str) -> str:
    """The text without control and direction signs, its spaces single, its line ends kept."""
    text = "\n".join(re.sub(r"[ \t]+", " ", line) for line in text.strip().splitlines())
    kept = (sign for sign in unicodedata.normalize("NFC", text) if sign == "\n" or _shows(sign))
    return "".join(kept).translate(_LOOKALIKES)


def _shows(sign: str) -> bool:
    """Half of a pair that stands for one sign is no text, whatever it came out of."""
    return unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _printable(text: str) -> str | None:
    """The text in letters that both our font and a Zebra's own one have (Windows-1252).

    Other Latin letters lose their accents. None where a sign has no relation there: then all of it must be drawn.
    """
    nearest = [_nearest(sign) for sign in text]
    return None if None in nearest else "".join(filter(None, nearest))


def _nearest(sign: str) -> str | None:
    if sign in "\n\xa0" or (sign.isprintable() and _in_font(sign)):
        return sign
    base = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    return base if base and all(_in_font(part) for part in base) else None


def _in_font(sign: str) -> bool:
    try:
        return bool(sign.encode("cp1252"))
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
            # >: starts in set B, and > itself is written >0.
            data = text.replace(">", ">0").translate(_FIELD_DATA)
            return f"^FO{x},{y}^BY{module}^BCN,{height},N,N,N,N^FH^FD>:{data}^FS"
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
