"""Letters in the order and the forms in which the eye meets them."""

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, features

from inspect_station import lettering
from inspect_station.lettering import draw, in_sight, width

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


@pytest.mark.parametrize("title", TITLES)
def test_what_runs_to_the_left_is_turned_round(title):
    assert in_sight(TITLES[title]) == SEEN[title]


@pytest.mark.parametrize("text", ["手机", "Телефон (новый), 50 %", ""])
def test_what_runs_to_the_right_stays(text):
    assert in_sight(text) == text


def dejavu(engine: ImageFont.Layout) -> ImageFont.FreeTypeFont:
    try:
        return ImageFont.truetype(lettering.FONTS[False], 40, layout_engine=engine)
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
    assert apart(theirs, drawn(ImageFont.Layout.BASIC, in_sight(text))) < 0.25
    assert apart(theirs, drawn(ImageFont.Layout.BASIC, text)) > 0.5, "as it is stored it would look different"


def test_without_the_font_arabic_letters_stand_apart_in_their_order(monkeypatch):
    monkeypatch.setattr(lettering, "_font", lambda dots, bold: None)
    assert not lettering.joins_arabic()
    assert in_sight("هاتف 128") == "128 فتاه"
    assert any(draw("هاتف 128", 40, False, height=48, baseline=38).data)


@pytest.mark.parametrize("bold", [False, True])
@pytest.mark.parametrize("text", ["手机，电池", "Щёлочь", "Ελληνικά", "טלפון", "مع جهاز تحكم", "Ép"])
def test_a_line_is_as_wide_and_high_as_was_said(text, bold):
    from inspect_station.label import ASCENT, LEADING

    dots = 40
    line = draw(text, dots, bold, height=round(LEADING * dots), baseline=round(ASCENT * dots))
    roomy = draw(text, dots, bold, height=3 * dots, baseline=2 * dots)
    assert line.width == width(text, dots, bold)
    assert black(line) == black(roomy), "nothing is cut off above or below"


def black(raster: lettering.Raster) -> int:
    return sum(byte.bit_count() for byte in raster.data)
