"""Every label, at both resolutions, with short, long, accented and right-to-left texts: drawn by programs that are not
ours (PDFium, a ZPL interpreter), then read by zbar and by zxing-cpp, also blurred, turned and faded."""

import re
from collections.abc import Callable, Mapping
from io import BytesIO
from itertools import combinations

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
import zplkit
import zxingcpp
from PIL import Image, ImageFilter

from inspect_station import lettering
from inspect_station.errors import StationError
from inspect_station.label import Template, render, templates
from inspect_station.resources import resource
from inspect_station.symbols import retail, symbol

LABELS = templates(resource("labels"))
MM = 72 / 25.4

LONG = "Lave-vaisselle encastrable « Cœur d’Été » 14 couverts, façade inox brossé, modèle à œillets ; "
TEXTS = {
    "shortest": "A",
    "longest": LONG * 3,
    "accented": "Cœur d’Été à œillets, 1\u202f299\xa0€",
    "right to left": "شاشة (55) بوصة Galaxy A55 سوداء مع جهاز تحكم عن بعد",
}
CODES = {
    "shortest": {"lpn": "L7F3K00486K", "barcode": "L7F3K00486K/1", "gtin": "96385074", "page": "https://r.example/L7F3K00486K"},
    "longest": {
        "lpn": "L7F3K00486K",
        "barcode": "L7F3K00486K/9999",
        "gtin": "8806095467443",
        "page": "https://returns.example/units/L7F3K00486K?from=clearance&station=DOCK-3&lang=fr",
    },
    "accented": {"lpn": "L7F3K00486K", "barcode": "L7F3K00486K/12", "gtin": "3700471002479", "page": ""},
    "right to left": {
        "lpn": "L7F3K00486K",
        "barcode": "L7F3K00486K/2",
        "gtin": "036000291452",
        "page": "https://r.example/?l=L7F3K00486K",
    },
}  # fmt: skip


NO_UNITS = {"test": {"barcode": "TEST"}, "badge": {"barcode": "BDG-394278679275117692426195"}}
"""Codes on labels that are no unit's."""


def filled(name: str, content: str) -> dict[str, str]:
    """The fields of a label: its codes, and one text everywhere else."""
    template = LABELS[name]
    codes = CODES[content] | NO_UNITS.get(name, {})
    return {field: codes.get(field, TEXTS[content]) for field in template.fields | {"page"}}


def expected(name: str, fields: Mapping[str, str]) -> list[str]:
    """What readers say; a UPC-A is to them an EAN-13 with a zero before it."""
    codes = [(part.kind, fields[part.field]) for part in LABELS[name].barcode if fields[part.field]]
    return sorted(code.zfill(13) if kind == "ean13" and len(code) == 12 else code for kind, code in codes)


def by_pdfium(pdf: bytes, dpi: int) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        picture: Image.Image = document[0].render(scale=dpi / 72, grayscale=True).to_pil()
    return picture


def by_interpreter(zpl: bytes, dpi: int) -> Image.Image:
    # The interpreter's copy of a Zebra's font lacks accents, on which it stops: they are only written, not scanned.
    plain = zpl.decode().encode("ascii", "replace")
    (label,) = zplkit.render(plain, zplkit.Options(dpi=dpi)).labels
    return Image.open(BytesIO(label.png())).convert("L")


def read_by_both(picture: Image.Image) -> tuple[list[str], list[str]]:
    pyzbar = pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    zxing = [each.text.zfill(13) if len(each.text) == 12 else each.text for each in zxingcpp.read_barcodes(picture)]
    return sorted(each.data.decode() for each in pyzbar.decode(picture)), sorted(zxing)


HARM: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    "blurred by 0.08 mm": lambda seen, mm: seen.filter(ImageFilter.GaussianBlur(0.08 * mm)),
    "turned by 5°": lambda seen, mm: seen.rotate(5, Image.Resampling.BICUBIC, expand=True, fillcolor=255),
    "faded by 20 %": lambda seen, mm: seen.point(lambda grey: 26 + round(grey * 0.8)),
}


def seen(picture: Image.Image, name: str, dpi: int) -> tuple[Image.Image, float]:
    """What a camera has of the codes on a label, 12 pixels a millimetre or more, and how many those are."""
    mm = dpi / 25.4
    parts = LABELS[name].barcode
    edges = (
        min(part.at[0] for part in parts) - 2,
        min(part.at[1] for part in parts) - 2,
        max(part.at[0] + part.width for part in parts) + 2,
        max(part.at[1] + part.height for part in parts) + 2,
    )
    left, top, right, foot = (round(edge * mm) for edge in edges)
    cut = picture.crop((max(0, left), max(0, top), min(right, picture.width), min(foot, picture.height)))
    more = 1 if mm > 10 else 2
    return cut.resize((cut.width * more, cut.height * more), Image.Resampling.NEAREST), mm * more


@pytest.mark.parametrize("content", TEXTS)
@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("name", LABELS)
def test_both_readers_read_every_label_also_when_it_is_harmed(name, dpi, content):
    fields = filled(name, content)
    codes = expected(name, fields)
    drawn = {
        "pdf": by_pdfium(render(LABELS[name], fields, dpi=dpi), dpi),
        "zpl": by_interpreter(render(LABELS[name], fields, format="zpl", dpi=dpi), dpi),
    }
    read = {(format, "as printed"): read_by_both(picture) for format, picture in drawn.items()}
    for format, picture in drawn.items():
        for harm, done in HARM.items():
            read[format, harm] = read_by_both(done(*seen(picture, name, dpi)))
    assert read == dict.fromkeys(read, (codes, codes))


@pytest.mark.parametrize("content", TEXTS)
@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("name", LABELS)
def test_nothing_on_a_label_overlaps_or_leaves_it(name, dpi, content):
    with pypdfium2.PdfDocument(render(LABELS[name], filled(name, content), dpi=dpi)) as document:
        page = document[0]
        width, height = page.get_size()
        kinds = [pdfium.FPDF_PAGEOBJ_TEXT, pdfium.FPDF_PAGEOBJ_IMAGE]
        ink = [each.get_bounds() for each in page.get_objects(filter=kinds)]
    for part in LABELS[name].barcode:
        x, y = (side * MM for side in part.at)
        ink.append((x, height - y - part.height * MM, x + part.width * MM, height - y))
    hair = 0.2
    for left, low, right, high in ink:
        assert -hair <= left and -hair <= low and right <= width + hair and high <= height + hair
    for (left, low, right, high), (left2, low2, right2, high2) in combinations(ink, 2):
        across = min(right, right2) - max(left, left2)
        down = min(high, high2) - max(low, low2)
        assert across <= hair or down <= hair


@pytest.mark.parametrize("content", ["shortest", "longest", "accented"])
@pytest.mark.parametrize("name", LABELS)
def test_what_is_cut_ends_in_an_ellipsis(name, content):
    fields = filled(name, content)
    with pypdfium2.PdfDocument(render(LABELS[name], fields)) as document:
        text = re.sub(r"\s+", " ", document[0].get_textpage().get_text_bounded())
    for part in LABELS[name].text:
        if not part.field:
            continue
        value = re.sub(r"\s+", " ", fields[part.field]).strip()
        whole = value in text
        assert whole or any(value[:length].rstrip() + "…" in text for length in range(1, len(value))), part.field


@pytest.mark.parametrize("name", LABELS)
def test_a_script_that_the_printer_lacks_is_drawn_whole_or_with_an_ellipsis(name, monkeypatch):
    lines: list[str] = []
    real = lettering.draw

    def listening(text: str, dots: int, bold: bool, *, height: int, baseline: int) -> lettering.Raster:
        lines.append(text)
        raster = real(text, dots, bold, height=height, baseline=baseline)
        assert any(raster.data)
        return raster

    monkeypatch.setattr(lettering, "draw", listening)
    fields = filled(name, "right to left")
    long = {field: value * 4 if value == TEXTS["right to left"] else value for field, value in fields.items()}
    for given in (fields, long):
        lines.clear()
        zpl = render(LABELS[name], given, format="zpl")
        assert zpl.count(b"^GFA") == len(lines) + (name == "clearance"), "the clearance label's QR code is one, too"
        drawn = " ".join(lines)
        for part in LABELS[name].text:
            if not part.field or not given[part.field].startswith("ش"):
                continue
            assert given[part.field] in drawn or "…" in drawn


def test_the_written_number_is_the_code():
    for content in TEXTS:
        for name, template in LABELS.items():
            fields = filled(name, content)
            with pypdfium2.PdfDocument(render(template, fields)) as document:
                text = document[0].get_textpage().get_text_bounded().split()
            for part in template.barcode:
                if part.kind != "qr":
                    assert fields[part.field] in text, (content, name)


@pytest.mark.parametrize("dpi", [203, 300])
def test_the_ean_keeps_its_size_and_its_quiet_zones(dpi):
    (part,) = LABELS["relabel"].barcode
    dot = 72 / dpi
    with pypdfium2.PdfDocument(render(LABELS["relabel"], filled("relabel", "longest"), dpi=dpi)) as document:
        paths = document[0].get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH])
        edges = sorted(edge / dot for each in paths for edge in each.get_bounds()[::2])
    assert [round(edge) for edge in edges] == pytest.approx(edges, abs=0.02), "whole dots"
    module = (edges[-1] - edges[0]) / 95
    assert 0.8 * 0.33 <= module * 25.4 / dpi <= 2 * 0.33
    assert edges[0] * dot >= part.at[0] * MM + 11 * module * dot - 0.01
    assert edges[-1] * dot <= (part.at[0] + part.width) * MM - 7 * module * dot + 0.01


@pytest.mark.parametrize("dpi", [203, 300])
def test_an_ean_below_80_per_cent_is_refused(dpi):
    narrowest = {203: 113 * 3 * 25.4 / 203, 300: 113 * 4 * 25.4 / 300}[dpi]

    def sticker(width: float) -> Template:
        bars = {"kind": "ean13", "field": "gtin", "at": (0, 0), "width": width, "height": 20}
        return Template.model_validate({"name": "small", "barcode": [bars]})

    picture = by_pdfium(render(sticker(narrowest + 0.1), {"gtin": "8806095467443"}, dpi=dpi), dpi)
    assert read_by_both(picture) == (["8806095467443"], ["8806095467443"])
    with pytest.raises(StationError, match="too long"):
        render(sticker(narrowest - 0.1), {"gtin": "8806095467443"}, dpi=dpi)


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("8806095467444", id="wrong check digit"),
        pytest.param("18806095467440", id="a case of ten"),
        pytest.param("880609546744", id="a digit short"),
        pytest.param("88060954674٤3", id="an Arabic digit"),
        pytest.param("", id="none"),
    ],
)
@pytest.mark.parametrize("format", ["pdf", "zpl"])
def test_what_no_till_could_read_gets_no_sticker(code, format):
    with pytest.raises(StationError, match="cannot be a barcode"):
        render(LABELS["relabel"], {"title": "Lamp", "gtin": code}, format=format)


@pytest.mark.parametrize(
    ("gtin", "digits"),
    [
        pytest.param("08806095467443", "8806095467443", id="EAN-13"),
        pytest.param("00036000291452", "036000291452", id="UPC-A"),
        pytest.param("00000096385074", "96385074", id="EAN-8"),
        pytest.param("18806095467440", "", id="a case has none"),
        pytest.param("08806095467444", "", id="wrong check digit"),
        pytest.param("", "", id="unknown"),
    ],
)
def test_a_product_s_number_says_which_symbol_it_has(gtin, digits):
    assert retail(gtin) == digits


def test_a_qr_code_survives_a_hole():
    # Error correction M mends 15 % of the code words; a hole of 2 % in the middle of the data is far less.
    rows = symbol("qr", "https://returns.example/units/L7F3K00486K").rows
    side = len(rows) + 8
    picture = Image.new("L", (side, side), 255)
    for y, row in enumerate(rows):
        for x, module in enumerate(row):
            if module == "1":
                picture.putpixel((x + 4, y + 4), 0)
    picture.paste(255, (side // 2, side // 2, side // 2 + 5, side // 2 + 5))
    assert read_by_both(picture.resize((side * 6, side * 6), Image.Resampling.NEAREST)) == (
        ["https://returns.example/units/L7F3K00486K"],
        ["https://returns.example/units/L7F3K00486K"],
    )
    (code,) = zxingcpp.read_barcodes(picture.resize((side * 6, side * 6), Image.Resampling.NEAREST))
    assert code.ec_level in ("M", "Q", "H")


@pytest.mark.parametrize("format", ["pdf", "zpl"])
def test_without_a_page_there_is_no_qr_code_and_nothing_else_moves(format):
    fields = filled("clearance", "longest")
    draw = {"pdf": by_pdfium, "zpl": by_interpreter}[format]
    there, gone = (
        draw(render(LABELS["clearance"], each, format=format), 203) for each in (fields, fields | {"page": ""})
    )
    qr = LABELS["clearance"].barcode[0]
    x, y, width, height = (round(side * 203 / 25.4) for side in (*qr.at, qr.width, qr.height))
    assert gone.crop((x, y, x + width, y + height)).getextrema() == (255, 255)
    for picture in (there, gone):
        picture.paste(255, (x, y, x + width, y + height))
    assert there.tobytes() == gone.tobytes()
