"""Letters in the order and the forms in which the eye meets them."""

import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, features

from inspect_station import lettering
from inspect_station.fonts import fonts
from inspect_station.lettering import ASCENT, LEADING, draw, in_sight, order, width

TITLES = {
    "one direction": "שלום עולם",
    "a number keeps its own": "שלום 12 עולם",
    "a price": "טלפון: 1,299.50 €",
    "per cent": "50% תוצרת",
    "brackets turn round": "מסך (55) שחור",
    "Latin inside": "מסך Galaxy A55 שחור",
    "Latin first": "Galaxy מסך 14 שחור",
}
SEEN = {
    "one direction": "םלוע םולש",
    "a number keeps its own": "םלוע 12 םולש",
    "a price": "€ 1,299.50 :ןופלט",
    "per cent": "תרצות 50%",
    "brackets turn round": "רוחש (55) ךסמ",
    "Latin inside": "רוחש Galaxy A55 ךסמ",
    "Latin first": "Galaxy רוחש 14 ךסמ",
}


def seen(line: str, *, joins: bool = False) -> str:
    """The line as it stands on paper, from left to right."""
    return "".join(in_sight(piece, joins=joins) if leftwards else piece for piece, leftwards in order(line))


@pytest.mark.parametrize("title", TITLES)
def test_what_runs_to_the_left_is_turned_round(title):
    assert seen(TITLES[title]) == SEEN[title]


@pytest.mark.parametrize("text", ["手机", "Телефон (новый), 50 %", ""])
def test_what_runs_to_the_right_stays(text):
    assert seen(text) == text


def dejavu(engine: ImageFont.Layout) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype("DejaVuSans.ttf", 40, layout_engine=engine)
    except OSError:
        pytest.skip("the font DejaVu Sans is not installed")


@pytest.mark.parametrize("text", ["طقم غسيل الأطباق", "لا إله", "پنجره گچ ژاله", "شاشة (55) بوصة", "هاتف 128"])
def test_arabic_joins_as_another_program_joins_it(text):
    if not features.check("raqm"):
        pytest.skip("Pillow has no Raqm here")

    def drawn(engine: ImageFont.Layout, line: str) -> Image.Image:
        picture = Image.new("L", (500, 80), 255)
        ImageDraw.Draw(picture).text((10, 50), line, font=dejavu(engine), fill=0, anchor="ls")
        # Raqm also moves letters by fractions of a dot: the outlines differ, the shapes do not.
        return picture.filter(ImageFilter.GaussianBlur(3))

    def apart(one: Image.Image, other: Image.Image) -> float:
        return sum(ImageChops.difference(one, other).tobytes()) / sum(255 - grey for grey in one.tobytes())

    theirs = drawn(ImageFont.Layout.RAQM, text)
    assert apart(theirs, drawn(ImageFont.Layout.BASIC, seen(text, joins=True))) < 0.25
    assert apart(theirs, drawn(ImageFont.Layout.BASIC, text)) > 0.5, "as it is stored it would look different"


@pytest.fixture
def fresh() -> Iterator[None]:
    """What is known of fonts is forgotten before and after."""
    caches = (lettering._runs, lettering._face, lettering._font)
    for each in caches:
        each.cache_clear()
    yield
    for each in caches:
        each.cache_clear()


@pytest.fixture
def no_fonts(fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without a single font file."""
    monkeypatch.setattr(lettering, "fonts", lambda bold: ())


def test_without_a_font_arabic_letters_stand_apart_in_their_order(no_fonts):
    assert "العربية" in lettering.lacking()
    assert seen("هاتف 128") == "128 فتاه"
    assert draw("ئ", 40, False, height=48, baseline=38) != draw("ي", 40, False, height=48, baseline=38)
    assert black(draw("هاتف 128", 40, False, height=48, baseline=38)) > 100


@pytest.mark.parametrize("text", ["ไทย", "क", "\U0001f600", "\ue000"])
@pytest.mark.parametrize("bold", [False, True])
def test_a_letter_that_no_font_has_leaves_a_box(no_fonts, text, bold):
    def printed(line: str) -> lettering.Raster:
        return draw(line, 40, bold, height=48, baseline=38)

    boxes = printed("\ue000" * len(text))
    assert printed(text) == boxes
    assert black(boxes) > 60 * len(text)
    assert printed(f"a{text}").width > printed("a").width + 20, "beside what there is"


def test_marks_of_latin_letters_are_lost_only_where_nothing_has_them(no_fonts):
    assert draw("x\u0302", 40, False, height=48, baseline=38) == draw("x", 40, False, height=48, baseline=38)
    assert draw("ř", 40, False, height=48, baseline=38) != draw("r", 40, False, height=48, baseline=38)


def font_of(code: int, folder: Path, name: str, tables: str = "glyf") -> Path:
    """A file with the tables that say which letters a font has: one letter."""
    if code <= 0xFFFF:
        letters = struct.pack(">7H 2H H", 4, 32, 0, 4, 0, 0, 0, code, 0xFFFF, 0)
        letters += struct.pack(">2H 2H 2H", code, 0xFFFF, (7 - code) & 0xFFFF, 1, 0, 0)
    else:
        letters = struct.pack(">HHLLL", 12, 0, 28, 0, 1) + struct.pack(">LLL", code, code, 7)
    cmap = struct.pack(">HHHHL", 0, 1, 3, 10, 12) + letters
    parts = {"cmap": cmap, **dict.fromkeys(tables.split(), b"\0\1\0\0")}
    at = 12 + 16 * len(parts)
    head, body = struct.pack(">LHHHH", 0x10000, len(parts), 0, 0, 0), b""
    for tag, data in parts.items():
        head += struct.pack(">4sLLL", tag.encode().ljust(4), 0, at + len(body), len(data))
        body += data
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(head + body)
    return file


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a machine's fonts go that has none yet."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "nothing"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "nothing")
    return tmp_path / "fonts"


@pytest.mark.parametrize("sign", ["ก", "\U0001f600"])
def test_which_letters_a_font_has_is_read_out_of_its_file(machine, sign):
    file = font_of(ord(sign), machine, "truetype/Some.ttf")
    (font,) = fonts(bold=False)
    assert font.path == file
    assert font.has(sign) and not font.has("ข") and not font.has(chr(ord(sign) + 1)) and not font.has("a")


def test_an_upright_sans_of_the_weight_asked_for_is_taken_first(machine):
    names = ["Some-Italic.ttf", "SomeSans-Bold.ttf", "SomeSans-Regular.ttf", "SomeSerif-Regular.ttf", "Pictures.ttf"]
    for name in names:
        font_of(0xE01, machine, name, "CBDT" if name == "Pictures.ttf" else "glyf")
    plain, bold = ([font.path.name for font in fonts(bold=bold)] for bold in (False, True))
    assert (plain[0], bold[0]) == ("SomeSans-Regular.ttf", "SomeSans-Bold.ttf")
    assert plain[-1] == bold[-1] == "Pictures.ttf"
    assert sorted(plain) == sorted(names)


@pytest.mark.parametrize("content", [b"", b"OTTO", b"\0\1\0\0\0\x09", b"ttcf" + bytes(20), b"no font at all" * 9])
def test_a_file_that_is_no_font_is_passed_over(machine, content):
    machine.mkdir()
    (machine / "Broken.ttf").write_bytes(content)
    font_of(0xE01, machine, "Empty.ttf", "COLR glyf").write_bytes(b"\0\1\0\0\0\1")
    assert fonts(bold=False) == ()


def test_a_font_that_cannot_be_opened_is_passed_over_when_its_letter_is_drawn(fresh, machine):
    font_of(0xE000, machine, "SomeSans.ttf")
    assert fonts(bold=False)[0].has("\ue000")
    box = draw("\ue000", 40, False, height=48, baseline=38)
    assert box == draw("\ue001", 40, False, height=48, baseline=38) and black(box) > 60


@pytest.mark.parametrize("raqm", [True, False], ids=["with Raqm", "without Raqm"])
@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize(
    "text",
    ["手机，电池", "Щёлочь", "Ελληνικά", "טלפון", "שָׁלוֹם", "مع جهاز تحكم", "Ấm Ễ Ép", "j", "\U0001f600 ok", "ქართ"],
)
def test_a_line_is_as_wide_and_high_as_was_said(fresh, monkeypatch, text, bold, raqm):
    if raqm and not lettering.shapes():
        pytest.skip("Pillow has no Raqm here")
    monkeypatch.setattr(lettering, "shapes", lambda: raqm)
    dots = 40
    line = draw(text, dots, bold, height=round(LEADING * dots), baseline=round(ASCENT * dots))
    roomy = draw(text, dots, bold, height=3 * dots, baseline=2 * dots)
    assert line.width == width(text, dots, bold)
    assert black(line) == black(roomy) > 0, "nothing is cut off above or below"
    beside = draw(f"  {text}  ", dots, bold, height=3 * dots, baseline=2 * dots)
    # Raqm moves letters by fractions of a dot.
    assert abs(black(beside) - black(roomy)) <= black(roomy) // 160, "nor on the left or right"


def black(raster: lettering.Raster) -> int:
    return sum(byte.bit_count() for byte in raster.data)
