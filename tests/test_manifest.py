"""The list of a batch's units, read back by programs that are not ours: PDFium, zbar, zxing-cpp."""

import re
from datetime import UTC, date, datetime
from typing import Any

import pypdfium2
import pytest
import zxingcpp

from inspect_station import config, manifest
from inspect_station.core.batches import Batch, Ending, Fate, Member, Route
from inspect_station.core.records import Finding, Grade, Inspection, Line, Product
from inspect_station.words import Voice

NOON = datetime(2026, 11, 22, 11, tzinfo=UTC)
NUMBER = "BDK3T000017"
LONG = "Lave-vaisselle encastrable « Cœur d’Été » 14 couverts, façade inox brossé, modèle à œillets ; " * 3
TITLES = ("Kettle 1.7 l", LONG, "شاشة (55) بوصة سوداء", "電気ケトル 1.7L")


@pytest.fixture(scope="module")
def voices() -> dict[str, Voice]:
    loaded = config.load(None)
    return {locale: Voice(locale, loaded.rules, "Europe/Paris") for locale in ("en", "fr")}


def units(count: int) -> list[Inspection]:
    return [
        Inspection(
            id=str(n),
            lpn=f"L7F3K{n:05}K",
            station="DOCK-3",
            parcel="p",
            seller="lumo",
            rma=f"4711-{n:04}",
            line=Line(no=1, gtin="03760311200010", reason="DEFECTIVE"),
            product=Product(seller="lumo", gtin="03760311200010", title=TITLES[n % len(TITLES)]),
            serial="356938035643809" if n % 3 else "",
            started_at=NOON,
            grade=Grade.DEFECTIVE if n % 5 else Grade.HEAVY,
            findings=(Finding(code="scratch"), Finding(code="chip")),
        )
        for n in range(count)
    ]


def batch(listed: list[Inspection], **changes: Any) -> Batch:
    known: dict[str, Any] = {
        "id": "0191",
        "number": NUMBER,
        "station": "DOCK-3",
        "seller": "lumo",
        "route": Route.RETURN,
        "opened_at": NOON,
        "opened_by": "ana",
        "closed_at": NOON,
        "closed_by": "ana",
        "sealed_no": 12,
        "seal": "77812-A",
        "units": tuple(Member(inspection=each.id, lpn=each.lpn, joined_at=NOON, joined_by="ana") for each in listed),
    }
    return Batch(**(known | changes))


def written(pdf: bytes) -> list[str]:
    """The text of each page, in one line."""
    with pypdfium2.PdfDocument(pdf) as document:
        return [re.sub(r"\s+", " ", page.get_textpage().get_text_bounded()) for page in document]


MOST, MOST_LAST = manifest.MOST, manifest.MOST_LAST


@pytest.mark.parametrize(
    ("count", "pages"),
    [
        pytest.param(0, 1, id="none"),
        pytest.param(1, 1, id="one"),
        pytest.param(MOST_LAST, 1, id="as many as fit above the signatures"),
        pytest.param(MOST_LAST + 1, 2, id="one more"),
        pytest.param(MOST, 2, id="a full page, and the signatures alone"),
        pytest.param(300, 9, id="three hundred"),
    ],
)
def test_every_unit_is_listed_once_and_every_page_says_which_it_is(voices, count, pages):
    listed = units(count)
    text = written(manifest.pages(batch(listed), "Maison Lumo", listed, voice=voices["en"], at=NOON))
    assert len(text) == pages
    for n, page in enumerate(text, start=1):
        assert f"page {n} of {pages}" in page
        assert f"Batch {NUMBER}" in page
        assert "Maison Lumo" in page
        assert "customer says, found" in page
        assert ("Handed over by" in page) == (n == pages)
    plates = re.findall(r"L7F3K\d{5}K", " ".join(text))
    assert plates == [each.lpn for each in listed]
    assert f"Total: {count} unit" in text[-1]


def test_what_is_known_of_a_unit_stands_in_its_row(voices):
    listed = units(3)
    (page,) = written(manifest.pages(batch(listed), "Maison Lumo", listed, voice=voices["en"], at=NOON))
    for part in ("4711-0000", "Kettle 1.7 l", "356938035643809", "heavily damaged", "77812-A", "sealed no. 12"):
        assert part in page
    assert "defective · scratch a nail catches · chip" in page
    assert "2 defective, 1 heavily damaged" in page
    assert page.count("…") == 1, "the long title is cut with an ellipsis"


@pytest.mark.parametrize("locale", ["en", "fr"])
def test_both_readers_read_the_batch_off_every_page(voices, locale):
    pyzbar = pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    listed = units(40)
    pdf = manifest.pages(batch(listed), "Lœwe & Frères", listed, voice=voices[locale], at=NOON)
    with pypdfium2.PdfDocument(pdf) as document:
        for page in document:
            picture = page.render(scale=150 / 72, grayscale=True).to_pil()
            assert [each.text for each in zxingcpp.read_barcodes(picture)] == [NUMBER]
            assert [each.data.decode() for each in pyzbar.decode(picture)] == [NUMBER]


def test_the_bars_are_wide_enough_for_a_hand_scanner(voices):
    listed = units(1)
    pdf = manifest.pages(batch(listed), "Maison Lumo", listed, voice=voices["en"], at=NOON)
    with pypdfium2.PdfDocument(pdf) as document:
        (code,) = zxingcpp.read_barcodes(document[0].render(scale=10, grayscale=True).to_pil())
    wide = (code.position.top_right.x - code.position.top_left.x) / 10 * 25.4 / 72
    modules = 11 * (len(NUMBER) + 2) + 13
    assert wide / modules >= 0.25


def test_an_open_batch_s_list_says_that_it_is_open(voices):
    listed = units(1)
    still = batch(listed, closed_at=None, sealed_no=None, seal="")
    (page,) = written(manifest.pages(still, "Maison Lumo", listed, voice=voices["en"], at=NOON))
    assert "STILL OPEN" in page
    assert "sealed" not in page


def test_what_became_of_it_stands_on_the_last_page(voices):
    listed = units(1)
    ending = Ending(
        fate=Fate.DESTROYED,
        on=date(2026, 11, 21),
        photo="ab",
        ground="counterfeit",
        supervisor="sup",
        by="ana",
        at=NOON,
    )
    done = batch(listed, ending=ending)
    (page,) = written(manifest.pages(done, "Maison Lumo", listed, voice=voices["en"], at=NOON))
    assert "destroyed on 21 Nov" in page
    assert "ground: counterfeit" in page
    assert "ordered by sup" in page


def test_the_same_batch_gives_the_same_bytes(voices):
    listed = units(5)
    made = [manifest.pages(batch(listed), "Maison Lumo", listed, voice=voices["en"], at=NOON) for _ in range(2)]
    assert made[0] == made[1]
