"""Texts that scanners send, and what they look like."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import ean

from inspect_station.core.barcode import (
    GS,
    LOST,
    LPN_LAST,
    LPN_SIGNS,
    Patterns,
    Scan,
    ScanKind,
    clean,
    next_lpn,
    read,
    repairs,
    station_block,
)

PATTERNS = Patterns(rma={"lumo": re.compile(r"RMA-[0-9A-Z]{4}"), "otto": re.compile(r"Z[0-9]{6}")})
BADGE = "BDG-0123456789ABCDEF"
# Check characters worked out by hand from ISO 7064 mod 37,36.
LPN = "L7F3K00481S"
LPN_WITH_Y = "L7Y3K000011"


def look(raw: str) -> Scan:
    return read(raw, PATTERNS)


def full_width(text: str) -> str:
    """As an East Asian input method types it."""
    return "".join(chr(ord(sign) + 0xFEE0) for sign in text)


# --- clean -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        pytest.param("a\x00b\x1bc\x7fd\x9be", "abcde", id="C0, ESC, DEL and C1 are dropped"),
        pytest.param("\x1b]0;title\x07hi", "]0;titlehi", id="a terminal command is only text"),
        pytest.param("user\u202egpj.exe", "usergpj.exe", id="bidi override"),
        pytest.param("\u2066a\u2069\u200e\u061c", "a", id="bidi isolates and marks"),
        pytest.param("zero\u200bwid\u200dth\ufeff", "zerowidth", id="zero-width signs"),
        pytest.param("cafe\u0301", "caf\u00e9", id="NFD becomes NFC"),
        pytest.param("e\u200b\u0301", "\u00e9", id="composed after what was between is gone"),
        pytest.param("two\r\nlines\there", "two lines here", id="line breaks and tabs keep words apart"),
        pytest.param("  outer  ", "outer", id="outer spaces"),
        pytest.param("bad\ud800", "bad", id="a lone surrogate cannot be stored"),
        pytest.param("[/b] [@click=x]", "[/b] [@click=x]", id="markup is text"),
        pytest.param("Größe 38 → 40 €", "Größe 38 → 40 €", id="ordinary text stays"),
    ],
)
def test_clean_text(raw: str, cleaned: str) -> None:
    assert clean(raw) == cleaned


def test_clean_keeps_to_the_callers_limit() -> None:
    assert clean("\x00" * 50 + "abcdef", 3) == "abc"


@given(st.text(st.characters(codec=None, exclude_categories=())))
def test_clean_text_is_safe_to_show_and_to_store(raw: str) -> None:
    cleaned = clean(raw)
    assert not {unicodedata.category(sign) for sign in cleaned} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert clean(cleaned) == cleaned
    cleaned.encode()


# --- read: numbers and forms -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind", "gtin"),
    [
        pytest.param("3700471002479", "gtin", "03700471002479", id="EAN-13"),
        pytest.param("3 700471 002479", "gtin", "03700471002479", id="EAN-13 typed as printed, in groups"),
        pytest.param("73513537", "gtin", "00000073513537", id="EAN-8"),
        pytest.param("036000291452", "gtin", "00036000291452", id="UPC-A"),
        pytest.param("98412345678908", "gtin", "98412345678908", id="GTIN-14 of a case"),
        pytest.param("9780471117094", "gtin", "09780471117094", id="ISBN-13"),
        pytest.param("978-0-471-11709-4", "gtin", "09780471117094", id="ISBN-13 typed with hyphens"),
        pytest.param(full_width("3700471002479"), "gtin", "03700471002479", id="full-width digits"),
        pytest.param("3700471\u200b002479", "gtin", "03700471002479", id="zero-width sign inside"),
        pytest.param("]E03700471002479", "gtin", "03700471002479", id="AIM identifier of EAN-13"),
        pytest.param("]E473513537", "gtin", "00000073513537", id="AIM identifier of EAN-8"),
        pytest.param("]C03700471002479", "gtin", "03700471002479", id="EAN as plain Code 128"),
        pytest.param("]E3370047100247905", "gtin", "03700471002479", id="EAN-13 with a magazine's add-on"),
        pytest.param("3700471002479LC", "gtin", "03700471002479", id="SKU of EAN and suffix (seed 004)"),
        pytest.param("3700471002479-B2", "gtin", "03700471002479", id="SKU of EAN, hyphen and suffix"),
        pytest.param("3700471002478LC", "unknown", "", id="a SKU whose EAN does not hold is only text"),
        pytest.param("12345678901231", "gtin", "12345678901231", id="14 digits with a GTIN's check digit"),
        pytest.param("490154203237518", "imei", "", id="15 digits that hold Luhn"),
        pytest.param("490154203237519", "unknown", "", id="15 digits that do not"),
        pytest.param("106141412345678908", "sscc", "", id="SSCC without identifier"),
        pytest.param("106141412345678907", "unknown", "", id="18 digits that are no SSCC"),
        pytest.param("406-4307814-8186723", "order", "", id="marketplace order (seed 004)"),
        pytest.param("406-4307814-81867234", "unknown", "", id="an order has 3, 7 and 7 digits"),
        pytest.param("B018N3W71U", "asin", "", id="ASIN (seed 004)"),
        pytest.param("b018n3w71u", "asin", "", id="ASIN in small letters"),
        pytest.param("0471117099", "asin", "09780471117094", id="a book's ASIN is its ISBN-10"),
        pytest.param("RR123456785FR", "tracking", "", id="postal tracking"),
        pytest.param("1Z12345E0205271688", "tracking", "", id="UPS tracking"),
        pytest.param("RMA-1A2B", "rma", "", id="RMA by its seller's pattern"),
        pytest.param("rma-1a2b", "rma", "", id="RMA in small letters"),
        pytest.param("RMA-1A2B3", "unknown", "", id="a pattern matches the whole or nothing"),
        pytest.param("4711-0093", "unknown", "", id="an RMA without a pattern: the store decides"),
        pytest.param("7351-3537", "unknown", "", id="an RMA whose digits hold by chance"),
        pytest.param("C02XL0GHJGH5", "unknown", "", id="a bare serial looks like nothing"),
        pytest.param("CMD-FINISH", "command", "", id="command code"),
        pytest.param("cmd-finish", "command", "", id="command code in small letters"),
        pytest.param(BADGE, "badge", "", id="badge"),
        pytest.param(BADGE.lower(), "badge", "", id="badge in small letters"),
        pytest.param(BADGE[:-1], "unknown", "", id="a badge cut short"),
        pytest.param("BDG-0123456789ABCDEU", "unknown", "", id="U is no sign of a badge"),
        pytest.param(LPN, "lpn", "", id="licence plate"),
        pytest.param(LPN.lower(), "lpn", "", id="licence plate in small letters"),
        pytest.param(LPN + "/2", "lpn", "", id="licence plate of a second print"),
        pytest.param("L7F3K00418S", "unknown", "", id="licence plate with swapped digits"),
        pytest.param("", "unknown", "", id="nothing"),
        pytest.param("   ", "unknown", "", id="spaces"),
        pytest.param("https://example.org/x", "unknown", "", id="an address is never opened"),
    ],
)
def test_what_a_code_looks_like(raw: str, kind: str, gtin: str) -> None:
    scan = look(raw)
    assert (scan.kind, scan.gtin, scan.repaired) == (kind, gtin, False)


def test_an_rma_pattern_wins_over_an_order_but_not_over_a_check_digit() -> None:
    patterns = Patterns(rma={"a": re.compile(r"\d{3}-\d{7}-\d{7}"), "b": re.compile(r"\d{13}")})
    assert read("406-4307814-8186723", patterns).kind is ScanKind.RMA
    assert read("3700471002479", patterns).kind is ScanKind.GTIN
    assert read("3700471002478", patterns).kind is ScanKind.RMA


@pytest.mark.parametrize(
    ("raw", "text", "print_no"),
    [(LPN, LPN, None), (LPN.lower(), LPN, None), (LPN + "/1", LPN, 1), (LPN.lower() + "/12", LPN, 12)],
)
def test_a_licence_plate_is_read_without_its_print_number(raw: str, text: str, print_no: int | None) -> None:
    scan = look(raw)
    assert (scan.text, scan.print_no) == (text, print_no)


def test_another_badge_prefix() -> None:
    patterns = Patterns(badge="OP:")
    assert read("op:0123456789abcdef", patterns).text == "OP:0123456789ABCDEF"
    assert read(BADGE, patterns).kind is ScanKind.UNKNOWN


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("3700471002478", "Check digit wrong: 3700471002478 should end in 9."),
        ("73513530", "Check digit wrong: 73513530 should end in 7."),
        ("036000291453", "Check digit wrong: 036000291453 should end in 2."),
        ("98412345678909", "Check digit wrong: 98412345678909 should end in 8."),
        ("L7F3K00481C/3", "The check character of label L7F3K00481C is wrong."),
        ("", "The scan was empty."),
    ],
)
def test_a_misread_code_is_unknown_and_says_why(raw: str, said: str) -> None:
    scan = look(raw)
    assert (scan.kind, scan.gtin) == (ScanKind.UNKNOWN, "")
    assert str(scan.problem).startswith(said)


@pytest.mark.parametrize(
    ("raw", "points"),
    [
        pytest.param("370047\x11", "U+0011", id="ctrl+q"),
        pytest.param("\x1b[20~3700471002479", "U+001B", id="a function key"),
        pytest.param("a\x9b1mb\x7fc\x9b", "U+009B, U+007F", id="C1 and DEL, each named once"),
        pytest.param("3700471\n002479", "U+000A", id="line feed"),
        pytest.param("a\x1d\x00", "U+0000", id="NUL, but not the GS1 separator"),
        pytest.param("RMA-1A2B" + LOST, "U+FFFD", id="a code of which something got lost"),
        pytest.param("\udc80", "U+DC80", id="a byte that is not UTF-8"),
    ],
)
def test_control_characters_are_rejected_and_named(raw: str, points: str) -> None:
    scan = look(raw)
    assert scan.kind is ScanKind.REJECTED
    assert scan.problem is not None
    assert scan.problem.params["points"] == points


@pytest.mark.parametrize(
    ("length", "kind"), [(128, ScanKind.UNKNOWN), (129, ScanKind.REJECTED), (10_000, ScanKind.REJECTED)]
)
def test_a_code_has_at_most_128_characters(length: int, kind: ScanKind) -> None:
    scan = look("x" * length)
    assert (scan.kind, len(scan.text)) == (kind, 128)


# --- read: GS1 -------------------------------------------------------------------------------------------

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
    ],
)
def test_gs1_elements(raw: str, elements: dict[str, str]) -> None:
    scan = look(raw)
    assert scan.elements == elements
    assert (scan.problem, scan.gtin) == (None, elements.get("01", ""))
    assert (scan.lot, scan.serial) == (elements.get("10", ""), elements.get("21", ""))
    kinds = {"01": ScanKind.GTIN, "00": ScanKind.SSCC, "21": ScanKind.SERIAL}
    assert scan.kind is kinds[next(iter(elements))]
    assert scan.text == "".join(f"({ai}){value}" for ai, value in elements.items())


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param("10LOT721S123", id="a serial behind a lot"),
        pytest.param("21S12310LOT7", id="a lot behind a serial"),
        pytest.param("10LOT717301231", id="a date behind a lot"),
        pytest.param("21S123240EXTRA", id="an additional id behind a serial"),
    ],
)
@pytest.mark.parametrize("aim", ["", "]C1", "]d2"])
def test_a_lost_separator_never_merges_two_fields(aim: str, tail: str) -> None:
    scan = look(aim + ARTICLE + tail)
    assert (scan.kind, scan.gtin, scan.lot, scan.serial) == (ScanKind.GTIN, GTIN, "", "")
    assert scan.elements == {"01": GTIN}
    assert "separator" in str(scan.problem)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("]C1010950600013435", id="an article one digit short"),
        pytest.param("]C10109506000134353", id="an article whose check digit is wrong"),
        pytest.param("]C100106141412345678907", id="an SSCC whose check digit is wrong"),
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


# --- read: keyboard layouts ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "kind", "text"),
    [
        pytest.param("\"èàà'è&ààé'èç", "gtin", "3700471002479", id="EAN on AZERTY"),
        pytest.param("\"èàà'è&ààé'èçLC", "gtin", "3700471002479LC", id="SKU on AZERTY"),
        pytest.param("$Eà" + "\"èàà'è&ààé'èç", "gtin", "3700471002479", id="EAN with its AIM identifier on AZERTY"),
        pytest.param("R?Q)&QéB", "rma", "RMA-1A2B", id="RMA on AZERTY"),
        pytest.param("LèF\"Kàà'_&S!é", "lpn", LPN, id="licence plate on AZERTY"),
        pytest.param("BDG)à&é\"'(-è_çQBCDEF", "badge", BADGE, id="badge on AZERTY"),
        pytest.param("C?D)FINISH", "command", "CMD-FINISH", id="command code on AZERTY"),
        pytest.param("L7Z3K000011", "lpn", LPN_WITH_Y, id="licence plate on QWERTZ"),
        pytest.param("L7Z3K000011-2", "lpn", LPN_WITH_Y, id="licence plate with print number on QWERTZ"),
        pytest.param("RMAß1Z2B", "rma", "RMA-1Y2B", id="RMA on QWERTZ"),
    ],
)
def test_a_host_with_another_layout_is_repaired(typed: str, kind: str, text: str) -> None:
    scan = look(typed)
    assert (scan.kind, scan.text, scan.repaired) == (kind, text, True)


@pytest.mark.parametrize(
    "typed",
    [
        pytest.param("\"èàà'è&ààé'è_", id="an EAN that does not hold after repair"),
        pytest.param("Y123456", id="swapped letters alone do not make a seller's RMA number"),
        pytest.param("CHAÎNE-QUAI", id="a word"),
        pytest.param("SN-WAZ-71", id="a serial number"),
    ],
)
def test_what_would_be_chance_is_not_repaired(typed: str) -> None:
    scan = look(typed)
    assert (scan.kind, scan.text, scan.repaired) == (ScanKind.UNKNOWN, typed, False)


@pytest.mark.parametrize(
    ("typed", "layout", "meant"),
    [
        ("&é\"'(-è_çà", 0, "1234567890"),
        ("azqwAZQW,?)", 0, "qwazQWAZmM-"),
        ("zyZYß-", 1, "yzYZ-/"),
    ],
)
def test_layouts(typed: str, layout: int, meant: str) -> None:
    assert repairs(typed)[layout] == meant


# --- read: anything --------------------------------------------------------------------------------------

gtins = st.sampled_from([7, 11, 12, 13]).flatmap(
    lambda size: st.text("0123456789", min_size=size, max_size=size).map(lambda n: n + ean.calc_check_digit(n))
)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=160))
@settings(max_examples=300)
def test_reading_never_fails_and_shows_nothing_unsafe(raw: str) -> None:
    scan = look(raw)
    assert len(scan.text) <= 128 + 40
    assert clean(scan.text) == scan.text
    assert (scan.gtin == "") or (len(scan.gtin) == 14 and ean.is_valid(scan.gtin))
    if any(unicodedata.category(sign) == "Cc" and sign != GS for sign in raw):
        assert scan.kind is ScanKind.REJECTED


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


@given(gtins)
def test_every_gtin_is_read_and_every_wrong_digit_is_noticed(number: str) -> None:
    assert look(number).gtin == number.zfill(14)
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    scan = look(wrong)
    assert scan.gtin == ""
    assert scan.problem is not None
    assert scan.problem.params["digit"] == number[-1]


# --- licence plates --------------------------------------------------------------------------------------


def test_a_number_whose_check_character_is_forbidden_is_skipped() -> None:
    # L7F3K00486 would get an I.
    assert next_lpn("7F3K", 486) == (next_lpn("7F3K", 487)[0], 487)
    assert next_lpn("7F3K", 481) == (LPN, 481)


@pytest.mark.parametrize(
    ("block", "number"),
    [("7F3K", LPN_LAST + 1), ("7F3", 1), ("7F3A", 1), ("7f3k", 1), ("", 1), ("7F3K0", 1)],
    ids=["used up", "too short", "forbidden letter", "small letters", "none", "too long"],
)
def test_no_licence_plate(block: str, number: int) -> None:
    with pytest.raises(ValueError, match="block"):
        next_lpn(block, number)


@given(st.binary(min_size=8, max_size=16), st.integers(0, LPN_LAST - 100), st.integers(1, 10**4))
def test_licence_plates_can_be_read_back_and_typed_on_any_keyboard(entropy: bytes, number: int, print_no: int) -> None:
    lpn, taken = next_lpn(station_block(entropy), number)
    assert taken >= number
    assert not set(lpn) & set("AQZWMIOU")
    scan = look(f"{lpn}/{print_no % 10_000}")
    assert (scan.kind, scan.text, scan.print_no) == (ScanKind.LPN, lpn, print_no % 10_000)


@given(st.integers(0, LPN_LAST - 100), st.integers(0, 10), st.sampled_from(LPN_SIGNS))
def test_one_wrong_character_is_never_another_licence_plate(number: int, place: int, sign: str) -> None:
    lpn, _ = next_lpn("7F3K", number)
    wrong = lpn[:place] + sign + lpn[place + 1 :]
    assert (look(wrong).kind is ScanKind.LPN) == (wrong == lpn)


def test_station_blocks_are_drawn_evenly() -> None:
    blocks = [station_block(n.to_bytes(8)) for n in range(len(LPN_SIGNS) ** 2)]
    assert len(set(blocks)) == len(blocks)
    assert {sign for block in blocks for sign in block[:2]} == set(LPN_SIGNS)
