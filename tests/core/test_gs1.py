"""GS1 strings and Digital Links, as scanners send them: every value exact, none cut, none merged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import ean

from inspect_station.core.barcode import Patterns, Scan, ScanKind, read
from inspect_station.core.gs1 import GS


def look(raw: str) -> Scan:
    return read(raw, Patterns())


ARTICLE = "0109506000134352"
GTIN = "09506000134352"


@pytest.mark.parametrize(
    ("raw", "elements"),
    [
        pytest.param(ARTICLE, {"01": GTIN}, id="an article alone, without symbology"),
        pytest.param("]C1" + ARTICLE, {"01": GTIN}, id="an article in GS1-128"),
        pytest.param(f"]d2{ARTICLE}10LOT7{GS}21S123", {"01": GTIN, "10": "LOT7", "21": "S123"}, id="lot and serial"),
        pytest.param(
            f"]d2{GS}{ARTICLE}21S123{GS}17301231",
            {"01": GTIN, "21": "S123", "17": "301231"},
            id="leading separator, date behind a serial",
        ),
        pytest.param(
            f"{ARTICLE}1730123110LOT7",
            {"01": GTIN, "17": "301231", "10": "LOT7"},
            id="one variable field, last",
        ),
        pytest.param(
            f"(01){GTIN}(10)A21B(21)00042",
            {"01": GTIN, "10": "A21B", "21": "00042"},
            id="typed with brackets; zeros stay",
        ),
        pytest.param(f"]C1{ARTICLE}21(7)X{GS}", {"01": GTIN, "21": "(7)X"}, id="brackets in a serial number stay"),
        pytest.param(f"]C1{ARTICLE}21S10X{GS}", {"01": GTIN, "21": "S10X"}, id="with a separator nothing is in doubt"),
        pytest.param(f"{ARTICLE}21S21X", {"01": GTIN, "21": "S21X"}, id="no element comes twice"),
        pytest.param("]C100106141412345678908", {"00": "106141412345678908"}, id="SSCC"),
        pytest.param("00106141412345678908", {"00": "106141412345678908"}, id="SSCC without symbology"),
        pytest.param("]C121ABC99", {"21": "ABC99"}, id="a serial number alone"),
        pytest.param("(01)09506000134352(21)12310LOT7", {"01": GTIN, "21": "12310LOT7"}, id="brackets leave no doubt"),
        pytest.param(
            f"]d2{ARTICLE}21{'S' * 20}{GS}10AB", {"01": GTIN, "21": "S" * 20, "10": "AB"}, id="longest serial"
        ),
        pytest.param(f"]C1{ARTICLE}3103000123", {"01": GTIN, "3103": "000123"}, id="weight"),
        pytest.param(f"]C1{ARTICLE}17301200", {"01": GTIN, "17": "301200"}, id="day 00 is the end of the month"),
        pytest.param(f"]d2{ARTICLE}240P-7{GS}241Q-8", {"01": GTIN, "240": "P-7", "241": "Q-8"}, id="part numbers"),
        pytest.param(f"]d2{ARTICLE}800826113012{GS}21S1", {"01": GTIN, "8008": "26113012", "21": "S1"}, id="made at"),
    ],
)
def test_gs1_elements(raw: str, elements: dict[str, str]) -> None:
    scan = look(raw)
    assert scan.elements == elements
    assert (scan.problem, scan.gtin) == (None, elements.get("01", ""))
    assert (scan.lot, scan.serial) == (elements.get("10", ""), elements.get("21", ""))
    kinds = {"01": ScanKind.GTIN, "00": ScanKind.SSCC, "21": ScanKind.SERIAL}
    assert scan.kind is kinds[next(iter(elements))]
    assert scan.doubtful == ""
    assert scan.text == "".join(f"({ai}){value}" for ai, value in elements.items())


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param("10LOT721S123", id="a serial behind a lot"),
        pytest.param("21S12310LOT7", id="a lot behind a serial"),
        pytest.param("10LOT717301231", id="a date behind a lot"),
        pytest.param("21S123240EXTRA", id="an additional id behind a serial"),
        pytest.param("10LOT73712", id="a count behind a lot"),
        pytest.param("21S1233103000123", id="a weight behind a serial"),
        pytest.param("10LOT74104012345000009", id="an address behind a lot"),
        pytest.param("10LOT7800826113012", id="a time behind a lot"),
        pytest.param("21S1238008261130", id="a day behind a serial"),
    ],
)
@pytest.mark.parametrize("aim", ["", "]C1", "]d2"])
def test_a_lost_separator_never_merges_two_fields(aim: str, tail: str) -> None:
    scan = look(aim + ARTICLE + tail)
    assert (scan.kind, scan.gtin, scan.lot, scan.serial) == (ScanKind.GTIN, GTIN, "", "")
    assert scan.elements == {"01": GTIN}
    assert "separator" in str(scan.problem)
    assert scan.doubtful == (tail.removeprefix("21") if tail.startswith("21") else "")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("]C1010950600013435", id="an article one digit short"),
        pytest.param("]C10109506000134353", id="an article whose check digit is wrong"),
        pytest.param("]C100106141412345678907", id="an SSCC whose check digit is wrong"),
        pytest.param("]C18006095060001343530102", id="a piece of an article whose check digit is wrong"),
        pytest.param("]C14104012345000008", id="an address whose check digit is wrong"),
        pytest.param(f"]C1{ARTICLE}17300230", id="30 February"),
        pytest.param(f"]C1{ARTICLE}21{'S' * 20}10AB", id="a lost separator behind the longest serial"),
        pytest.param(f"]C1{ARTICLE}10A{GS}{GS}21B", id="two separators"),
        pytest.param(f"]C1{ARTICLE}21S12300106141412345678908", id="a carton behind a serial, together too long"),
        pytest.param("]C1\u0660\u0661095060001343\u0665\u0662", id="digits of another script"),
        pytest.param(f"]C1{ARTICLE}10" + "X" * 21, id="a lot of 21 characters"),
        pytest.param(f"]C1{ARTICLE}10{GS}21S", id="an empty lot"),
        pytest.param(f"]C1{ARTICLE}17301331", id="month 13"),
        pytest.param(f"]C1{ARTICLE}10A{GS}10B", id="two lots"),
        pytest.param(f"]C1{ARTICLE}05123", id="no such identifier"),
        pytest.param(f"]C1{ARTICLE}10L\u00e9", id="a sign that GS1 does not have"),
        pytest.param(f"ABC{GS}DEF", id="a separator in what is no GS1 string"),
        pytest.param(GS, id="a separator alone"),
    ],
)
def test_a_broken_gs1_string_is_unreadable(raw: str) -> None:
    scan = look(raw)
    assert (scan.kind, scan.elements, scan.gtin) == (ScanKind.UNKNOWN, {}, "")
    assert "cannot be read" in str(scan.problem)
    assert GS not in scan.text


def test_a_number_that_only_begins_like_gs1_is_no_gs1_string() -> None:
    assert look("0112345").problem is None
    assert look("00-4711").problem is None


@pytest.mark.parametrize(
    ("raw", "kind", "gtin"),
    [
        pytest.param("]C102095060001343523712", "gtin", GTIN, id="what a parcel contains (02), with its count"),
        pytest.param("]C10010614141234567890802095060001343523712", "sscc", GTIN, id="a parcel and what it contains"),
        pytest.param("]C18006095060001343520102", "gtin", GTIN, id="a piece of an article (8006)"),
        pytest.param("]C18002356938035643809", "serial", "", id="a telephone's own number (8002)"),
        pytest.param("]C18017123456789012345675", "unknown", "", id="a person's service number (8017)"),
    ],
)  # fmt: skip
def test_articles_and_serials_under_other_identifiers(raw: str, kind: str, gtin: str) -> None:
    scan = look(raw)
    assert (scan.kind, scan.gtin, scan.problem) == (kind, gtin, None)


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        pytest.param(f"]C1400PO-77{GS}21S1", {"PO-77", "S1"}, id="customer's order, and a serial without article"),
        pytest.param("]C140212345678901234560", {"12345678901234560"}, id="shipment"),
        pytest.param("]C1401C-9", {"C-9"}, id="consignment"),
        pytest.param(f"]C142022153{GS}9101026837331000039521", {"9101026837331000039521"}, id="USPS"),
    ],
)
def test_numbers_of_parcels_and_orders_are_looked_up(raw: str, keys: set[str]) -> None:
    assert keys < set(look(raw).keys)


def test_the_serial_of_an_article_is_not_looked_up_by_itself() -> None:
    scan = look(f"]d2{ARTICLE}21RMA-4711")
    assert (scan.serial, "RMA-4711" in scan.keys) == ("RMA-4711", False)


# --- Digital Link ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "elements"),
    [
        pytest.param("https://id.gs1.org/01/09506000134352", {"01": GTIN}, id="an article"),
        pytest.param(
            "https://id.gs1.org/01/09506000134352/10/A%2F1/21/00042?17=301231",
            {"01": GTIN, "10": "A/1", "21": "00042", "17": "301231"},
            id="lot, serial and date; zeros and signs stay",
        ),
        pytest.param("]Q1https://brand.example/a/b/01/9506000134352?x=1", {"01": GTIN}, id="any domain and path"),
        pytest.param("HTTP://BRAND.EXAMPLE/01/09506000134352", {"01": GTIN}, id="capitals"),
        pytest.param("https://x.example/00/106141412345678908", {"00": "106141412345678908"}, id="a parcel"),
        pytest.param("https://x.example/01/09506000134352/21/12310LOT", {"01": GTIN, "21": "12310LOT"}, id="no doubt"),
    ],
)
def test_digital_links(raw: str, elements: dict[str, str]) -> None:
    scan = look(raw)
    assert scan.elements == elements
    assert (scan.problem, scan.gtin, scan.serial) == (None, elements.get("01", ""), elements.get("21", ""))
    assert scan.text == "".join(f"({ai}){value}" for ai, value in elements.items())


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("https://x.example/01/09506000134353", id="check digit wrong"),
        pytest.param("https://x.example/01/09506000134352/10/A?10=B", id="two lots"),
        pytest.param("https://x.example/01/09506000134352?10=A&10=B", id="two lots behind the question mark"),
        pytest.param("https://x.example/01/09506000134352/10/", id="an empty lot"),
        pytest.param("https://x.example/product/01", id="no article"),
        pytest.param("https://[x/01/09506000134352", id="no address"),
        pytest.param("ftp://x.example/01/09506000134352", id="not the web"),
        pytest.param("https://x.example/?gtin=09506000134352", id="somebody's own address"),
        pytest.param("https://x.example/01/\u0660\u0669506000134352", id="digits of another script"),
    ],
)
def test_another_address_is_only_text(raw: str) -> None:
    scan = look(raw)
    assert (scan.kind, scan.elements, scan.gtin, scan.problem) == (ScanKind.UNKNOWN, {}, "", None)


# --- anything --------------------------------------------------------------------------------------------

gs1_like = st.lists(
    st.sampled_from(["]C1", "]d2", ARTICLE, "00106141412345678908", "17301231", "10", "21", "37", "8042", GS])
    | st.text("0123456789ABC", max_size=8),
    max_size=7,
).map("".join)


@given(gs1_like)
@settings(max_examples=300)
def test_gs1_values_are_pieces_of_the_code_and_in_its_order(raw: str) -> None:
    rest = raw
    for ai, value in look(raw).elements.items():
        assert GS not in value
        _, found, rest = rest.partition(value)
        assert found, (ai, value)


articles = st.text("0123456789", min_size=13, max_size=13).map(lambda n: n + ean.calc_check_digit(n))
values = st.text("0123456789ABCXYZ-/", min_size=1, max_size=20)


@given(articles, values, values, st.sampled_from(["]C1", "]d2", "]Q3", ""]))
def test_with_separators_every_value_comes_back_exactly(article: str, lot: str, serial: str, aim: str) -> None:
    scan = look(f"{aim}01{article}10{lot}{GS}21{serial}")
    assert (scan.gtin, scan.lot, scan.serial, scan.problem) == (article, lot, serial, None)


@given(articles, values, values)
def test_without_them_no_two_values_are_ever_merged(article: str, lot: str, serial: str) -> None:
    scan = look(f"]C101{article}10{lot}21{serial}")
    assert (scan.lot, scan.serial) == ("", "")
    assert set(scan.elements) <= {"01"}


@given(st.text("0123456789ABC?=&/%.:", max_size=60))
def test_no_address_breaks_the_reading(rest: str) -> None:
    scan = look(f"https://x.example/{rest}")
    assert scan.gtin == "" or ean.is_valid(scan.gtin)
