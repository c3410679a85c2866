"""Labels are read back by programs that are not ours: PDFium, zbar, zxing-cpp, a ZPL interpreter."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
import zplkit
import zplkit.parse
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from inspect_station.errors import ConfigError, StationError
from inspect_station.label import Template, check, read, render, templates
from inspect_station.resources import resource
from inspect_station.stickers import FIELDS, NO_UNITS, SLIPS
from inspect_station.symbols import symbol
from inspect_station.tomlfile import BrokenConfig

LABELS = templates(resource("labels"))
GOLDEN = Path(__file__).parent / "data" / "labels"
MM = 72 / 25.4

PLAIN = {
    "title": "Galaxy A55 128 GB black",
    "ean": "8806095467443",
    "gtin": "8806095467443",
    "sku": "SM-A556B/128",
    "lpn": "L7F3K00486K",
    "barcode": "L7F3K00486K/1",
    "copy": "",
    "seller": "Maison Lumo",
    "rma": "4711-0093",
    "grade": "Used, works",
    "why": "Light traces of use on the frame; tested, reset, cleaned",
    "price": "299,25 EUR",
    "new_price": "new price 399,00 EUR",
    "place": "CLEARANCE trolley C2",
    "deadline": "answer due 24 November 2026",
    "date": "22 November 2026",
    "address": "Returns hall 2\nDock 7\n69000 LYON",
    "printer": "labels",
    "station": "DOCK-3",
    "ground": "counterfeit, seller's order of 3 November",
    "page": "https://returns.example/units/L7F3K00486K",
    "property": "SIM card in the tray",
    "name": "Ana B.",
    "batch": "BDK3T000017",
    "count": "12 units",
    "seal": "sealed no. 12 · seal 77812-A",
}
FRENCH = PLAIN | {
    "title": "Cœur d’Été à œillets",
    "barcode": "L7F3K00486K/2",
    "copy": "copie 2",
    "seller": "Lœwe & Frères",
    "grade": "Légèrement endommagé, fonctionne",
    "why": "Rayure « à l’ongle » ; testé, réinitialisé, nettoyé",
    "price": "1\u202f299,25\xa0€",
    "new_price": "prix neuf 1\u202f399,00\xa0€",
    "place": "Chariot DÉSTOCKAGE C2",
    "deadline": "réponse attendue le 24 novembre 2026",
    "date": "22 novembre 2026",
    "count": "12 unités",
    "seal": "scellé n° 12 · plomb 77812-A",
}
LONG = FRENCH | {
    "title": "Lave-vaisselle encastrable « Cœur d’Été » 14 couverts, façade inox brossé, modèle à œillets, " * 3,
    "seller": "Établissements Lœwenstein & Frères, société à responsabilité limitée",
    "why": "Rayure profonde sur la façade, enfoncement sur le côté gauche, panier à couverts absent ; testé ; " * 3,
    "price": "1234567890" * 4,
    "address": "Boulevard de l’Été, bâtiment des Œillets, escalier C, quatrième étage\n" * 7,
    "rma": "4711-0093-2026-ABCDEFGHIJKLMNOP",
    "ground": "Contrefaçon constatée par l’expert du vendeur, rapport joint au dossier ; ordre écrit. " * 3,
    "property": "Carte SIM, carte mémoire de 128 Go, ticket de caisse et papiers d’identité du client ; " * 3,
    "barcode": "L7F3K00486K/123",
    "copy": "copie 123",
}
BARE = dict.fromkeys(PLAIN, "") | {"barcode": "L7F3K00486K/1", "lpn": "L7F3K00486K", "gtin": "96385074"}
CONTENTS = {"plain": PLAIN, "accented": FRENCH, "too long": LONG, "empty optional fields": BARE}


def bitmap(pdf: bytes, dpi: int) -> Image.Image:
    with pypdfium2.PdfDocument(pdf) as document:
        picture: Image.Image = document[0].render(scale=dpi / 72, grayscale=True).to_pil()
    return picture


def words(pdf: bytes) -> str:
    """The text as another program copies it out of the PDF, in one line."""
    with pypdfium2.PdfDocument(pdf) as document:
        text = document[0].get_textpage().get_text_bounded()
    return re.sub(r"\s+", " ", text)


def codes(name: str, fields: Mapping[str, str]) -> list[str]:
    """What the barcodes of a label say."""
    return sorted(fields[part.field] for part in LABELS[name].barcode if fields[part.field])


def read_by_both(picture: Image.Image) -> tuple[list[str], list[str]]:
    pyzbar = pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    zbar = [each.data.decode() for each in pyzbar.decode(picture)]
    return sorted(zbar), sorted(each.text for each in zxingcpp.read_barcodes(picture))


# ── The barcode ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("name", LABELS)
def test_both_readers_read_the_printed_barcode(name, content, dpi):
    fields = CONTENTS[content]
    picture = bitmap(render(LABELS[name], fields, dpi=dpi), dpi)
    assert read_by_both(picture) == (codes(name, fields), codes(name, fields))


def test_a_label_made_for_203_dpi_can_be_read_off_a_300_dpi_printer():
    pdf = render(LABELS["clearance"], PLAIN, dpi=203)
    assert read_by_both(bitmap(pdf, 300)) == (codes("clearance", PLAIN), codes("clearance", PLAIN))


@pytest.mark.parametrize("format", ["pdf", "zpl"])
@pytest.mark.parametrize(
    "text", ["BDG-394278679275117692426195", "A123456", "A1234567", "123456", "00>00000000", "A12345"]
)
def test_digits_in_pairs_are_read_as_they_were_written(text, format):
    template = beside_bars("sku", "code128")
    data = render(template, {"sku": text}, format=format, dpi=300)
    options = zplkit.Options(dpi=300)
    picture = (
        bitmap(data, 300) if format == "pdf" else Image.open(BytesIO(zplkit.render(data, options).labels[0].png()))
    )
    assert read_by_both(picture.convert("L")) == ([text], [text])
    assert len(symbol("code128", "A" + "12" * 6).rows[0]) < len(symbol("code128", "A" + "BC" * 6).rows[0])


@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("name", sorted(LABELS.keys() - {"relabel"}))
def test_bars_are_whole_dots_wide_and_keep_their_quiet_zones(name, dpi):
    dot = 72 / dpi
    with pypdfium2.PdfDocument(render(LABELS[name], PLAIN, dpi=dpi)) as document:
        page = document[0]
        paths = [each.get_bounds() for each in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH])]
        (part,) = (each for each in LABELS[name].barcode if each.kind == "code128")
        top = page.get_height() - part.at[1] * MM
    bars = sorted((left, right) for left, _, right, upper in paths if abs(upper - top) < dot)
    edges = [edge / dot for bar in bars for edge in bar]
    assert len(bars) > 20
    assert [round(edge) for edge in edges] == pytest.approx(edges, abs=0.02)
    # Every start sign of Code 128 begins with a bar of two modules.
    module = (edges[1] - edges[0]) / 2
    assert module * 25.4 / dpi >= 0.19, "7.5 mil, which handheld scanners read"
    assert bars[0][0] >= part.at[0] * MM + 10 * module * dot - 0.01
    assert bars[-1][1] <= (part.at[0] + part.width) * MM - 10 * module * dot + dot


@pytest.mark.parametrize("name", LABELS)
def test_text_never_runs_into_the_barcode(name):
    same_codes = {part.field: PLAIN[part.field] for part in LABELS[name].barcode}
    empty, full = (bitmap(render(LABELS[name], fields | same_codes), 203) for fields in (BARE, LONG))
    for box in LABELS[name].barcode:
        left, top = (round(edge * 203 / 25.4) + 1 for edge in box.at)
        right, foot = left + round(box.width * 203 / 25.4) - 2, top + round(box.height * 203 / 25.4) - 2
        assert empty.crop((left, top, right, foot)).tobytes() == full.crop((left, top, right, foot)).tobytes()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param("", "cannot be a barcode", id="empty"),
        pytest.param("L7F3K00486É/1", "cannot be a barcode", id="accented"),
        pytest.param("L7F3K\n00486K", "cannot be a barcode", id="control character"),
        pytest.param("L7F3K00486K/1" * 4, "too long", id="bars would be too thin to scan"),
    ],
)
@pytest.mark.parametrize("format", ["pdf", "zpl"])
def test_a_code_that_could_not_be_scanned_is_refused(code, reason, format):
    with pytest.raises(StationError, match=reason):
        render(LABELS["hold"], PLAIN | {"barcode": code}, format=format)


# ── The text ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("content", ["plain", "accented"])
@pytest.mark.parametrize("name", LABELS)
def test_every_field_can_be_read_whole(name, content):
    fields = CONTENTS[content]
    text = words(render(LABELS[name], fields, locale="fr"))
    for field in LABELS[name].fields - {"barcode"}:
        value = fields[field].replace("\u202f", " ").replace("\xa0", " ").replace("\n", " ")
        assert value in text.replace("\xa0", " "), field


SHIPPED = tomllib.loads(resource("station.toml").read_text(encoding="utf-8"))
PLACES = {
    "restock": ["restock"],
    "clearance": ["clearance"],
    "hold": ["hold", "donate", "refurbish"],
    "return": ["return_to_customer", "return_to_seller", "recycle"],
    "destroy": ["destroy"],
    "putaway": ["restock", "clearance"],
    "quarantine": ["quarantine"],
}


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize(("name", "place"), [(name, place) for name in PLACES for place in PLACES[name]])
def test_places_as_shipped_are_not_cut(name, place, locale):
    said = SHIPPED["places"][place][locale]
    assert said in words(render(LABELS[name], PLAIN | {"place": said}))


@pytest.mark.parametrize("locale", ["en", "fr"])
@pytest.mark.parametrize("grade", SHIPPED["grades"])
def test_grades_as_shipped_are_not_cut(grade, locale):
    said = SHIPPED["grades"][grade]["text"][locale]
    assert said in words(render(LABELS["clearance"], PLAIN | {"grade": said}))


@pytest.mark.parametrize("name", LABELS)
def test_what_is_too_long_shrinks_and_ends_in_an_ellipsis(name):
    template = LABELS[name]
    with pypdfium2.PdfDocument(render(template, LONG)) as document:
        page = document[0]
        width, height = page.get_size()
        text = page.get_textpage()
        boxes = [
            text.get_charbox(n, loose=True) for n in range(text.count_chars()) if text.get_text_range(n, 1).strip()
        ]
        shown = text.get_text_bounded()
    assert all(left >= 0 and low >= 0 and right <= width and up <= height for left, low, right, up in boxes)
    if long := {"title", "why", "price", "address", "ground", "property"} & template.fields:
        assert shown.count("…") >= len(long)


def test_text_shrinks_before_it_is_cut():
    template = Template.model_validate(
        {"name": "t", "text": [{"field": "title", "at": (1, 1), "width": 30, "size": 12, "min": 6}]}
    )

    def height(title: str) -> float:
        with pypdfium2.PdfDocument(render(template, {"title": title})) as document:
            _, low, _, high = document[0].get_textpage().get_charbox(0)
        return float(high - low)

    normal, longer, longest = (height(title) for title in ("Phone", "Phone, 128 GB, black", "Phone " * 20))
    assert normal > longer > longest
    assert longest == pytest.approx(normal * 6 / 12, rel=0.05)
    assert "…" not in words(render(template, {"title": "Phone, 128 GB, black"}))


def test_the_clearance_label_shows_what_the_article_costs_new_and_never_what_it_was():
    text = words(render(LABELS["clearance"], PLAIN))
    assert "299,25 EUR" in text
    assert "new price 399,00 EUR" in text
    assert not re.search(r"\bwas\b", text)


@pytest.mark.parametrize("name", sorted(LABELS.keys() - {*NO_UNITS, *SLIPS}))
def test_a_reprint_says_which_copy_it_is(name):
    assert "copie 2" in words(render(LABELS[name], FRENCH, locale="fr"))


@pytest.mark.parametrize(
    ("locale", "banner"), [("en", "HOLD"), ("fr", "ATTENTE"), ("fr_FR", "ATTENTE"), ("de", "HOLD")]
)
def test_captions_are_in_the_readers_language_else_in_english(locale, banner):
    assert banner in words(render(LABELS["hold"], PLAIN, locale=locale))


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        pytest.param("1\u202f299\xa0€ – A\u2011B \u22125", "1 299 € – A-B -5", id="signs that look like others"),
        pytest.param("a\u2003b \u3000c", "a b c", id="every space is one"),
        pytest.param("a\tb\x1b]0;x\x07c\u202e", "a b]0;xc", id="control and direction signs are left out"),
    ],
)
def test_letters_outside_the_font(title, shown):
    assert shown in words(render(LABELS["restock"], PLAIN | {"title": title})).replace("\xa0", " ")


@pytest.mark.parametrize("title", ["Łódź", "Dvořák", "Ấm đun", "A\\&B", "x\u0302"])
def test_what_a_printer_s_font_lacks_or_misreads_is_drawn_as_it_is(title):
    drawn, plain = (render(LABELS["restock"], PLAIN | {"title": each}, format="zpl") for each in (title, "Lodz"))
    assert (drawn.count(b"^GFA"), plain.count(b"^GFA")) == (1, 0)
    marked = [sign for sign in unicodedata.normalize("NFKD", title) if unicodedata.combining(sign)]
    bare = "".join(sign for sign in unicodedata.normalize("NFKD", title) if sign not in marked)
    if marked:  # the backslash makes that the other one is drawn, too
        without = render(LABELS["restock"], PLAIN | {"title": bare + "\\"}, format="zpl")
        assert drawn != without != render(LABELS["restock"], PLAIN | {"title": title + "\\"}, format="zpl")


@pytest.mark.parametrize("text", ["\\&", "a\\\\b", "\\-", "tail\\"])
def test_no_backslash_reaches_an_aligned_text_of_a_zebra(text):
    # ^FB takes \\& for the end of a line, also where ^FH wrote it.
    zpl = render(LABELS["forward"], dict.fromkeys(PLAIN, text) | {"barcode": "L7F3K00486K/1"}, format="zpl")
    aligned = [part for part in zpl.split(b"^FS") if b"^FB" in part]
    assert len(aligned) == 2, "the word on top and the bars in letters"
    assert not any(b"\\" in part or b"_5C" in part for part in aligned)


def test_a_line_end_costs_no_size_where_there_is_but_one_line():
    one, two = (render(LABELS["hold"], PLAIN | {"title": title}) for title in ("Kettle 1.7 l", "Kettle\n1.7 l"))
    assert bitmap(one, 203).tobytes() == bitmap(two, 203).tobytes()


def test_of_too_many_lines_the_shortest_neighbours_join():
    lines = ["Acme Returns, gate 3", "12 rue de la Paix", "75002 Paris", "France"]
    text = words(render(LABELS["forward"], PLAIN | {"address": "\n".join([*lines[:1], "hall 7, dock 2", *lines[1:]])}))
    assert "Acme Returns, gate 3 hall 7, dock 2 12 rue de la Paix 75002 Paris France" in text
    with pypdfium2.PdfDocument(render(LABELS["forward"], PLAIN | {"address": "\n".join(lines)})) as document:
        shown = document[0].get_textpage().get_text_bounded().split("\r\n")
    assert set(lines) <= set(shown)


def test_thai_breaks_between_syllables():
    title = "กาต้มน้ำไฟฟ้าสแตนเลสความจุหนึ่งจุดเจ็ดลิตรพร้อมระบบตัดไฟอัตโนมัติ" * 2
    assert render(LABELS["restock"], PLAIN | {"title": title}, format="zpl").count(b"^GFA") == 2


@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("grade", ["Б/у", "Used"])
def test_letters_in_a_black_box_do_not_reach_out_of_it(grade, dpi):
    def inked(value: str) -> tuple[int, int, int, int] | None:
        template = Template.model_validate(
            {"name": "t", "text": [{"field": "grade", "at": (2, 8.8), "width": 42, "size": 7.5, "inverse": True}]}
        )
        picture = bitmap(render(template, {"grade": value}, dpi=dpi), dpi)
        return picture.point(lambda grey: 255 * (grey < 200)).getbbox()

    assert inked(grade) == inked(".")


def beside_bars(field: str, kind: str, text: Mapping[str, object] = {}) -> Template:
    """Bars, and beneath them their field in letters."""
    bars = {"kind": kind, "field": field, "at": (0, 2), "width": 62, "height": 20}
    letters = {"field": field, "at": (2, 24), "width": 58, "size": 10, **text}
    return Template.model_validate({"name": "t", "barcode": [bars], "text": [letters]})


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        pytest.param("ean13", "04006381333931", "4006381333931", id="a GTIN of 14 digits"),
        pytest.param("ean13", "00000096385074", "96385074", id="an EAN-8 as a GTIN"),
        pytest.param("code128", "A  B", "A  B", id="two spaces"),
        pytest.param("code128", " SKU 1^A_B", " SKU 1^A_B", id="a space before it, and signs of ZPL"),
    ],
)
def test_in_letters_a_code_is_what_its_bars_say(kind, value, code):
    pdf = render(beside_bars("sku", kind), {"sku": value})
    with pypdfium2.PdfDocument(pdf) as document:
        assert document[0].get_textpage().get_text_bounded().split() == code.split()
    assert read_by_both(bitmap(pdf, 300)) == ([code], [code])
    written = code.replace("_", "_5F").replace("^", "_5E").encode()
    assert (
        b"^FH^FD" + written + b"^FS" in render(beside_bars("sku", kind), {"sku": value}, format="zpl").split(b"^FB")[1]
    )


def test_a_code_is_never_cut_in_letters():
    template = beside_bars("sku", "code128", {"width": 12, "size": 8, "min": 8})
    with pytest.raises(StationError, match="no room in letters"):
        render(template, {"sku": "SM-A556B/128"})


@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("name", sorted(LABELS.keys() - {*NO_UNITS, *SLIPS}))
def test_the_number_of_a_print_has_four_digits_at_most(name, dpi):
    pdf = render(LABELS[name], PLAIN | {"barcode": "L7F3K00486K/9999"}, dpi=dpi)
    assert "L7F3K00486K/9999" in read_by_both(bitmap(pdf, dpi))[0]
    with pytest.raises(StationError, match="too long for the label"):
        render(LABELS[name], PLAIN | {"barcode": "L7F3K00486K/10000"}, dpi=dpi)


@pytest.mark.parametrize(("size", "module"), [(84, 0.375), (213, 0.25)])
def test_the_address_of_a_unit_has_large_modules(size, module):
    page = "https://returns.example/units/".ljust(size, "x")
    pdf = render(LABELS["clearance"], PLAIN | {"page": page})
    assert page in read_by_both(bitmap(pdf, 203))[1]
    with pypdfium2.PdfDocument(pdf) as document:
        height = document[0].get_height()
        dots = [each.get_bounds() for each in document[0].get_objects(filter=[pdfium.FPDF_PAGEOBJ_PATH])]
    (qr,) = (part for part in LABELS["clearance"].barcode if part.kind == "qr")
    rows = [up - low for left, low, _, up in dots if left > qr.at[0] * MM and height - low < (qr.at[1] + 17) * MM]
    assert min(rows) == pytest.approx(module * MM, rel=0.02)


def test_a_caption_without_its_value_is_not_printed():
    assert "RMA" in words(render(LABELS["return"], PLAIN))
    assert "RMA" not in words(render(LABELS["return"], PLAIN | {"rma": " "}))


def test_a_missing_field_is_named():
    fields = {field: value for field, value in PLAIN.items() if field != "why"}
    with pytest.raises(StationError, match=r"clearance.*why"):
        render(LABELS["clearance"], fields)


# ── The formats ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_page_is_the_label():
    with pypdfium2.PdfDocument(render(LABELS["restock"], PLAIN)) as document:
        assert len(document) == 1
        assert document[0].get_size() == pytest.approx((62 * MM, 40 * MM), abs=0.01)


def test_the_letters_travel_in_the_pdf():
    pdf = render(LABELS["restock"], PLAIN)
    assert b"/FontFile2" in pdf
    assert b"/Helvetica" not in pdf.replace(b"/BaseFont /Helvetica", b"", 1), "only reportlab's unused default"


@pytest.mark.parametrize("format", ["pdf", "zpl", "png"])
def test_the_same_label_is_the_same_bytes(format):
    assert render(LABELS["hold"], FRENCH, format=format) == render(LABELS["hold"], FRENCH, format=format)


@pytest.mark.parametrize(("dpi", "size"), [(203, (496, 320)), (300, (733, 473))])
def test_the_picture_has_a_pixel_for_each_dot_of_the_print_head(dpi, size):
    png = Image.open(BytesIO(render(LABELS["restock"], PLAIN, format="png", dpi=dpi)))
    assert png.format == "PNG"
    assert png.size == size


ASCII = {name for name in LABELS if name not in ("quarantine", "test")}
"""Templates whose own English words the interpreter's copy of a Zebra's font can draw."""


@pytest.mark.parametrize("dpi", [203, 300])
@pytest.mark.parametrize("name", sorted(ASCII))
def test_a_zpl_interpreter_draws_a_label_that_scans(name, dpi):
    document = zplkit.render(render(LABELS[name], PLAIN, format="zpl", dpi=dpi), zplkit.Options(dpi=dpi))
    (label,) = document.labels
    assert (label.width, label.height) == (round(62 * dpi / 25.4), round(40 * dpi / 25.4))
    picture = Image.open(BytesIO(label.png())).convert("L")
    assert read_by_both(picture) == (codes(name, PLAIN), codes(name, PLAIN))


OF_BATCH = {"barcode": "BDK3T000017/1", "place": "return to the seller", "copy": ""}

AGREED = pytest.mark.parametrize(
    ("name", "fields", "locale"),
    [
        ("clearance", PLAIN, "en"),
        ("relabel", PLAIN, "en"),
        ("hold", FRENCH, "fr"),
        ("manifest", PLAIN | OF_BATCH, "en"),
        ("manifest", FRENCH | OF_BATCH, "fr"),
    ],
    ids=["clearance", "relabel", "hold", "manifest", "manifest, French"],
)


@AGREED
def test_the_zpl_is_as_agreed(name, fields: Mapping[str, str], locale):
    # The bytes that printers have been tested with. Change them on purpose, and look at the result.
    golden = (GOLDEN / f"{name}-{locale}.zpl").read_bytes()
    assert render(LABELS[name], fields, locale=locale, format="zpl") == golden


@AGREED
def test_the_pdf_looks_as_agreed(name, fields: Mapping[str, str], locale):
    # Dot by dot, not byte by byte: how a PDF is compressed differs from one machine to another.
    golden = (GOLDEN / f"{name}-{locale}.pdf").read_bytes()
    drawn, agreed = (bitmap(pdf, 203) for pdf in (render(LABELS[name], fields, locale=locale), golden))
    assert drawn.tobytes() == agreed.tobytes()


def commands(zpl: bytes) -> list[list[bytes]]:
    """Names of the commands that a ZPL parser finds, those of one part of the label together."""
    names = [bytes(each)[:3] for each in zplkit.parse.parse(zpl).elements if each.kind != "before_first_command"]
    parts = " ".join(map(bytes.decode, names)).split(" ^FS")
    return [part.encode().split() for part in parts]


@settings(max_examples=200, deadline=None)
@given(
    st.text(max_size=60) | st.sampled_from(["^XZ~JA", "~HS", "^FS^XZ^XA", "_5EXZ", "\\&", "^CC/", "~CC/", "ع^XZ~JA"])
)
def test_no_title_can_give_the_printer_a_command(title):
    usual = render(LABELS["forward"], PLAIN | {"title": "x"}, format="zpl")
    zpl = render(LABELS["forward"], PLAIN | {"title": f"x{title}"}, format="zpl")
    zpl.decode()
    drawn = [[b"^FO", b"^GF"] if part[:1] == [b"^FT"] else part for part in commands(usual)]
    assert all(part in (plain, dots) for part, plain, dots in zip(commands(zpl), commands(usual), drawn, strict=True))


def test_signs_that_zpl_uses_itself_are_printed_as_they_are():
    zpl = render(LABELS["return"], PLAIN | {"seller": "A^B~C_D"}, format="zpl")
    drawn, plain = (zplkit.render(each).labels[0].png() for each in (zpl, zpl.replace(b"A_5EB_7EC_5FD", b"AB")))
    assert b"A_5EB_7EC_5FD" in zpl
    assert drawn != plain


# ── Other scripts ────────────────────────────────────────────────────────────────────────────────────────────────────

FOREIGN = {
    "Chinese": "手机，屏幕完好",
    "Japanese": "スマホ 動作確認済み",
    "Korean": "휴대폰",
    "Cyrillic": "Телефон, чёрный",
    "Greek": "Κινητό τηλέφωνο",
    "Hebrew": "טלפון נייד 128",
    "Arabic": "هاتف محمول 128",
}


@pytest.mark.parametrize("format", ["pdf", "zpl"])
@pytest.mark.parametrize("script", FOREIGN)
def test_a_script_that_the_font_lacks_is_drawn(script, format):
    def drawn(title: str) -> Image.Image:
        data = render(LABELS["restock"], PLAIN | {"title": title}, format=format)
        if format == "pdf":
            return bitmap(data, 203)
        return Image.open(BytesIO(zplkit.render(data).labels[0].png())).convert("L")

    title, asked = (drawn(text) for text in (FOREIGN[script], re.sub(r"\w", "?", FOREIGN[script])))
    assert title.tobytes() != asked.tobytes(), "not the question marks of letters that are missing"
    box = next(part.box for part in LABELS["restock"].text if part.field == "title")
    left, top, right, foot = (
        round(edge * 203 / 25.4) for edge in (box.x, box.y, box.x + box.width, box.y + box.height)
    )
    inside, outside = title.crop((left, top, right, foot)), title.copy()
    assert inside.getextrema() == (0, 255)
    outside.paste(255, (left, top, right, foot))
    bare = drawn("x")
    bare.paste(255, (left, top, right, foot))
    assert outside.tobytes() == bare.tobytes(), "all else stays as it is"


@pytest.mark.parametrize("format", ["pdf", "zpl"])
def test_a_foreign_script_is_white_in_a_black_box(format):
    data = render(LABELS["clearance"], PLAIN | {"grade": "Б/у, работает"}, format=format)
    picture = (
        bitmap(data, 203) if format == "pdf" else Image.open(BytesIO(zplkit.render(data).labels[0].png())).convert("L")
    )
    box = next(part.box for part in LABELS["clearance"].text if part.field == "grade")
    x, y, width, height = (round(side * 203 / 25.4) for side in (box.x, box.y, box.width, box.height))
    dots = picture.crop((x + 1, y + 1, x + width - 1, y + height - 1)).point(lambda grey: 255 * (grey > 127))
    white = dots.histogram()[255] / (dots.width * dots.height)
    assert 0.03 < white < 0.4


def test_chinese_breaks_between_any_two_signs():
    template = LABELS["restock"]
    title = "手机屏幕完好无损配件齐全包装损坏已更换新包装" * 3
    drawn = {
        label: render(template, PLAIN | {"title": title[:label]}, format="zpl").count(b"^GFA") for label in (5, 60)
    }
    assert drawn == {5: 1, 60: 2}


# ── Templates ────────────────────────────────────────────────────────────────────────────────────────────────────────

TEXT = '[[text]]\nfield = "title"\nat = [1, 1]\nwidth = 30\nsize = 10\n'
BARCODE = "[[barcode]]\nat = [2, 20]\nwidth = 58\nheight = 10\n"


def test_the_kinds_of_label():
    own = {"restock", "clearance", "hold", "return", "destroy", "quarantine", "forward", "manifest"}
    assert set(LABELS) == own | {"relabel", "putaway", "property", "test", "badge"}
    assert all(template.size == (62, 40) for template in LABELS.values())


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        pytest.param(
            TEXT + BARCODE + TEXT.replace("[1, 1]", "[1, 19]"), ["text.2", "barcode.1", "overlap"], id="overlap"
        ),
        pytest.param(TEXT.replace("width = 30", "width = 62"), ["text.1", "outside"], id="text outside the label"),
        pytest.param(BARCODE.replace("[2, 20]", "[2, 35]"), ["barcode.1", "outside"], id="barcode outside the label"),
        pytest.param(TEXT + "sise = 3\n", ["text.1.sise", "3"], id="unknown key"),
        pytest.param(TEXT.replace("10", '"big"'), ["text.1.size", "big"], id="not a number"),
        pytest.param(TEXT.replace("width = 30\n", ""), ["text.1.width"], id="no width"),
        pytest.param(TEXT + "min = 11\n", ["text.1", "min"], id="smallest size above the size"),
        pytest.param(TEXT.replace('field = "title"\n', ""), ["text.1", "field or a caption"], id="nothing to say"),
        pytest.param(TEXT + 'caption = { fr = "Neuf" }\n', ["text.1.caption", "English"], id="no English caption"),
        pytest.param("[[tetx]]\n", ["tetx"], id="unknown part"),
        pytest.param("size = 62 40\n", ["mine.toml:1", "not TOML"], id="not TOML"),
        pytest.param(
            TEXT.replace("width = 30", "width = 0") + BARCODE.replace("height = 10", "height = 1"),
            ["text.1.width", "barcode.1.height"],
            id="two mistakes are both named",
        ),
        pytest.param("size = " + "[" * 5000 + "]" * 5000, ["nested"], id="nested without end"),
        pytest.param(TEXT.replace("30", '"30"'), ["mine.toml:4", "text.1.width", "number"], id="a number in quotes"),
        pytest.param(TEXT.replace("[1, 1]", "[1, true]"), ["text.1.at.2", "number"], id="true is no number"),
        pytest.param(TEXT + "lines = true\n", ["text.1.lines", "whole number"], id="nor a count"),
        pytest.param(TEXT + "lines = 1.0\n", ["text.1.lines", "whole number"], id="a fraction is no count"),
        pytest.param(TEXT + 'bold = "yes"\n', ["text.1.bold", "true or false"], id="a word is not true"),
        pytest.param(TEXT.replace('"title"', "2026-11-22"), ["text.1.field", "text in quotes"], id="a date is no text"),
        pytest.param(TEXT.replace("30", "nan"), ["text.1.width"], id="no number at all"),
        pytest.param('name = "mine"\n' + TEXT, ["mine.toml:1", "name", "unknown key"], id="a name inside the file"),
        pytest.param(TEXT.replace("[[text]]", "[text]"), ["text", "[[text]]"], id="one bracket too few"),
        pytest.param(BARCODE + 'field = ""\n', ["barcode.1.field", "empty"], id="bars of nothing"),
        pytest.param(TEXT + 'caption = { en = " " }\n', ["text.1.caption", "English"], id="an empty caption"),
        pytest.param(
            TEXT.replace("width = 30", "width = 1"), ["text.1.width", "ellipsis", "3.5 mm"], id="no room for a letter"
        ),
        pytest.param(
            TEXT.replace("width = 30", "width = 5") + "inverse = true\nmin = 10\n",
            ["text.1.width", "8.7 mm"],
            id="nor within its black box",
        ),
    ],
)
def test_a_bad_template_names_the_file_the_key_and_the_reason(tmp_path, toml, parts):
    (tmp_path / "mine.toml").write_text(toml)
    with pytest.raises(ConfigError) as caught:
        templates(tmp_path)
    assert all(part in str(caught.value) for part in ["mine.toml", *parts])


@pytest.mark.parametrize(
    ("was", "now", "key"),
    [
        pytest.param('field = "gtin"', 'field = "gtni"', 'text.2.field = "gtni"', id="no such field"),
        pytest.param("width = 58\nheight = 21", "width = 40\nheight = 21", "barcode.1: ", id="below 80 per cent"),
        pytest.param("height = 21", "height = 29", "text.2: overlaps barcode.1", id="overlap"),
        pytest.param("width = 58\nsize = 12", "width = 6\nsize = 12", "text.2.width", id="bars cut in letters"),
        pytest.param('kind = "ean13"', 'kind = "ean14"', 'barcode.1.kind = "ean14"', id="no such barcode"),
    ],
)
def test_a_template_is_checked_for_what_only_printing_would_show(tmp_path, was, now, key):
    shipped = resource("labels") / "relabel.toml"
    known = {"title", "gtin"}
    assert check(shipped, known) == LABELS["relabel"]
    text = shipped.read_text(encoding="utf-8")
    assert was in text
    (tmp_path / "mine.toml").write_text(text.replace(was, now), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check(tmp_path / "mine.toml", known)
    assert "mine.toml" in str(caught.value) and key in str(caught.value)


@pytest.mark.parametrize("name", LABELS)
def test_a_shipped_template_names_no_field_that_a_unit_has_not(name):
    check(resource("labels") / f"{name}.toml", NO_UNITS.get(name, FIELDS))


def test_a_template_may_begin_with_a_byte_order_mark(tmp_path):
    (tmp_path / "mine.toml").write_text(TEXT, encoding="utf-8-sig")
    assert templates(tmp_path)["mine"].text[0].field == "title"


def test_a_template_has_all_its_mistakes_named_in_the_order_of_the_file(tmp_path):
    wrong = TEXT.replace("[1, 1]", "[1, 39]") + TEXT.replace("[1, 1]", "[0, 0]") + BARCODE.replace("[2, 20]", "[2, 1]")
    (tmp_path / "mine.toml").write_text(wrong)
    with pytest.raises(BrokenConfig) as caught:
        read(tmp_path / "mine.toml")
    assert [(each.line, each.key) for each in caught.value.problems] == [(1, "text.1"), (6, "text.2")]


def test_a_folder_without_templates_is_named(tmp_path):
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        templates(tmp_path)
