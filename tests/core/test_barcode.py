"""Texts that scanners send and what they look like; keys with their times and what they are."""

import re
import unicodedata
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stdnum import ean

from inspect_station.core.barcode import (
    GS,
    LOST,
    LPN_LAST,
    LPN_SIGNS,
    Doubled,
    Mode,
    Out,
    Patterns,
    Press,
    Retract,
    Scan,
    ScanKind,
    Scanned,
    Wedge,
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


# --- wedge -----------------------------------------------------------------------------------------------

Keys = Iterable[tuple[float, str]]
Screen = Callable[[Wedge, Keys], list[Out]]
CODE = "RMA-1A2B"


def run(wedge: Wedge, keys: Keys) -> list[Out]:
    """Feed keys at their times; call tick exactly when due, as a screen would, and until all is settled."""
    outs: list[Out] = []
    for at, key in keys:
        while wedge.due is not None and wedge.due < at:
            outs += wedge.tick(wedge.due)
        outs += wedge.feed(at, key)
    while wedge.due is not None:
        outs += wedge.tick(wedge.due)
    return outs


def tardy(wedge: Wedge, keys: Keys) -> list[Out]:
    """The same on a screen too busy to tick before the next key."""
    outs = [out for at, key in keys for out in wedge.feed(at, key)]
    return [*outs, *run(wedge, [])]


def typed(text: str, gap_ms: float, start_ms: float = 0, end: str = "enter") -> list[tuple[float, str]]:
    """Characters at an even gap, then the end as quickly; times in seconds."""
    keys = [*text, end] if end else [*text]
    return [((start_ms + n * gap_ms) / 1000, key) for n, key in enumerate(keys)]


def presses(keys: Iterable[str]) -> list[Out]:
    return [Press(key) for key in keys]


@pytest.mark.parametrize("end", ["enter", "tab"])
@pytest.mark.parametrize(
    ("gap_ms", "outs"),
    [
        pytest.param(5, [Scanned(CODE)], id="5 ms, USB"),
        pytest.param(15, [Scanned(CODE)], id="15 ms"),
        pytest.param(39, [Scanned(CODE)], id="39 ms, just inside the hold"),
        pytest.param(45, [Press("R"), Retract(1), Scanned(CODE)], id="45 ms: the first key has acted"),
        pytest.param(80, [Press("R"), Retract(1), Scanned(CODE)], id="80 ms, slow Bluetooth"),
        pytest.param(145, [Press("R"), Retract(1), Scanned(CODE)], id="145 ms, slower than any"),
        pytest.param(155, presses([*CODE]), id="155 ms is a hand"),
    ],
)
def test_a_scan_is_no_hotkey(gap_ms: float, outs: list[Out], end: str) -> None:
    # At 155 ms the last key, too, is a press.
    expected = [*outs, Press(end)] if outs == presses([*CODE]) else outs
    assert run(Wedge(), typed(CODE, gap_ms, end=end)) == expected


@pytest.mark.parametrize("gap_ms", [180, 250, 400])
@pytest.mark.parametrize("mode", ["keys", "text"])
@pytest.mark.parametrize("screen", [run, tardy])
def test_a_hand_that_types_the_same_text_presses_keys(screen: Screen, mode: Mode, gap_ms: float) -> None:
    wedge = Wedge()
    wedge.mode = mode
    assert screen(wedge, typed(CODE, gap_ms)) == presses([*CODE, "enter"])


@pytest.mark.parametrize("gap_ms", [5, 15, 40])
def test_a_scan_without_its_enter_is_still_no_hotkey(gap_ms: float) -> None:
    outs = run(Wedge(), typed(CODE, gap_ms, end=""))
    assert [out for out in outs if isinstance(out, Scanned)] == [Scanned(CODE)]
    assert outs.count(Press("R")) == sum(out.count for out in outs if isinstance(out, Retract))
    assert len(outs) in (1, 3)


@pytest.mark.parametrize(
    ("keys", "outs"),
    [
        pytest.param([(0, "1")], ["1"], id="one key"),
        pytest.param([(0, "enter")], ["enter"], id="Enter alone"),
        pytest.param([(0, "enter"), (0.05, "enter")], ["enter", "enter"], id="Enter twice"),
        pytest.param([(0, "8"), (0.12, "7"), (0.22, "enter")], ["8", "7", "enter"], id="a quick measure"),
        pytest.param([(0, "8"), (0.02, "7"), (0.05, "enter")], ["8", "7", "enter"], id="a measure in one stroke"),
        pytest.param(
            [(0, "1"), (0.1, "0"), (0.2, "0"), (0.3, "enter")],
            ["1", "0", "0", "enter"],
            id="a measure of three",
        ),
        pytest.param([(0, "3"), (0.17, "enter")], ["3", "enter"], id="Enter 170 ms behind a digit"),
        pytest.param([(0, "3"), (0.03, "enter")], ["3", "enter"], id="Enter while the digit is held"),
        pytest.param([(0, "p"), (0.1, "p"), (0.2, "enter")], ["p", "p", "enter"], id="two photos, quickly"),
        pytest.param(
            [(0, "1"), (0.1, "2"), (0.2, "4"), (0.3, "5")],
            ["1", "2", "4", "5"],
            id="four rows toggled, quickly",
        ),
        pytest.param([(0, "3"), (0.02, "f2"), (0.04, "4")], ["3", "f2", "4"], id="a named key keeps its place"),
        pytest.param([(0, "escape")], ["escape"], id="a named key alone"),
    ],
)
def test_a_hand_never_makes_a_scan(keys: Keys, outs: list[str]) -> None:
    assert run(Wedge(), keys) == presses(outs)


def test_when_a_hands_keys_act() -> None:
    wedge = Wedge(hold_ms=40)
    assert wedge.due is None
    assert wedge.feed(1.0, "enter") == (Press("enter"),)
    assert wedge.due is None
    assert wedge.feed(2.0, "3") == ()
    assert wedge.due == pytest.approx(2.04)
    assert wedge.tick(2.03) == ()
    assert wedge.tick(2.04) == (Press("3"),)
    assert wedge.due == pytest.approx(2.15), "it can still be taken back"
    assert wedge.tick(2.15) == ()
    assert wedge.due is None


def test_a_key_that_comes_before_a_late_tick_settles_what_was_open() -> None:
    wedge = Wedge()
    assert wedge.feed(0.0, "8") == ()
    assert wedge.feed(5.0, "7") == (Press("8"),)
    assert wedge.due == pytest.approx(5.04)
    assert wedge.feed(9.0, "enter") == (Press("7"), Press("enter"))


@pytest.mark.parametrize("before_ms", [90, 100, 149, 160, 200])
@pytest.mark.parametrize("gap_ms", [5, 15, 35])
def test_a_hands_key_just_before_a_scan_stays_a_press(before_ms: float, gap_ms: float) -> None:
    keys = [(0.0, "3"), *typed(CODE, gap_ms, before_ms)]
    assert run(Wedge(), keys) == [Press("3"), Scanned(CODE)]


def test_two_keys_of_a_hand_just_before_a_scan() -> None:
    keys = [(0.0, "8"), (0.12, "7"), *typed(CODE, 5, 220)]
    assert run(Wedge(), keys) == [Press("8"), Press("7"), Scanned(CODE)]


@pytest.mark.parametrize(("before_ms", "gap_ms"), [(60, 5), (75, 15), (75, 40), (100, 80), (140, 80)])
def test_a_key_too_close_to_a_scan_is_seen_as_part_of_it_and_taken_back(before_ms: float, gap_ms: float) -> None:
    keys = [(0.0, "3"), *typed(CODE, gap_ms, before_ms)]
    assert run(Wedge(), keys) == [Press("3"), Retract(1), Scanned("3" + CODE)]


@pytest.mark.parametrize("stall_ms", [60, 80, 140])
def test_a_stall_inside_a_scan_does_not_break_it(stall_ms: float) -> None:
    keys = typed(CODE[:3], 5, end="") + typed(CODE[3:], 5, 10 + stall_ms)
    assert run(Wedge(), keys) == [Scanned(CODE)]


@pytest.mark.parametrize("gap_ms", [5, 15])
def test_two_scans_50_ms_apart(gap_ms: float) -> None:
    first = typed("3700471002479", gap_ms)
    keys = first + typed(CODE, gap_ms, first[-1][0] * 1000 + 50)
    assert run(Wedge(), keys) == [Scanned("3700471002479"), Scanned(CODE)]


@pytest.mark.parametrize(
    ("pause_ms", "again"),
    [(50, Doubled(CODE)), (590, Doubled(CODE)), (610, Scanned(CODE))],
)
def test_the_same_code_at_once_is_a_double_read(pause_ms: float, again: Out) -> None:
    first = typed(CODE, 10)
    keys = first + typed(CODE, 10, first[-1][0] * 1000 + pause_ms)
    assert run(Wedge(), keys) == [Scanned(CODE), again]


def test_a_scanner_left_on_a_label_keeps_being_dropped() -> None:
    keys = [key for n in range(4) for key in typed(CODE, 10, n * 500)]
    assert run(Wedge(), keys) == [Scanned(CODE), *[Doubled(CODE)] * 3]


def test_the_double_window_can_be_set() -> None:
    keys = typed(CODE, 10) + typed(CODE, 10, 400)
    assert run(Wedge(double_ms=200), keys) == [Scanned(CODE), Scanned(CODE)]


@pytest.mark.parametrize(
    ("tail", "outs"),
    [
        pytest.param([(0.001, "enter")], [], id="CR LF"),
        pytest.param([(0.010, "tab"), (0.020, "enter")], [], id="CR, Tab, CR"),
        pytest.param([(0.140, "enter")], [], id="140 ms later"),
        pytest.param([(0.160, "enter")], ["enter"], id="160 ms later is a hand's"),
        pytest.param([(0.060, "p"), (0.120, "enter")], ["p", "enter"], id="a key between: the Enter is a hand's"),
    ],
)
def test_an_enter_right_behind_a_scan_is_swallowed(tail: list[tuple[float, str]], outs: list[str]) -> None:
    scan = typed(CODE, 5)
    keys = scan + [(scan[-1][0] + later, key) for later, key in tail]
    assert run(Wedge(), keys) == [Scanned(CODE), *presses(outs)]


def test_control_characters_and_escape_sequences_stay_in_the_scan_and_are_rejected() -> None:
    with_control = run(Wedge(), typed("AB\x11CD", 5))
    assert with_control == [Scanned("AB\x11CD")]
    keys = [(n * 0.005, key) for n, key in enumerate(["A", "B", "C", "D", "f2", "E", "enter"])]
    with_escape = run(Wedge(), keys)
    assert with_escape == [Scanned("ABCD" + LOST + "E")]
    for out in (*with_control, *with_escape):
        assert isinstance(out, Scanned)
        assert look(out.text).kind is ScanKind.REJECTED


def test_a_gs1_separator_stays_in_the_scan() -> None:
    text = f"]d2{ARTICLE}10LOT7{GS}21S123"
    (out,) = run(Wedge(), typed(text, 8))
    assert isinstance(out, Scanned)
    assert look(out.text).serial == "S123"


def test_a_key_held_down_is_one_unknown_code_not_many_presses() -> None:
    keys = [(0.0, "1"), *[(0.5 + n * 0.033, "1") for n in range(20)]]
    assert run(Wedge(), keys) == [Press("1"), Scanned("1" * 20)]


# --- wedge: text fields ----------------------------------------------------------------------------------


def in_text(wedge: Wedge | None = None) -> Wedge:
    wedge = wedge or Wedge()
    wedge.mode = "text"
    return wedge


@pytest.mark.parametrize("gap_ms", [5, 15, 40, 80])
def test_a_scan_into_a_text_field_is_pulled_out_again(gap_ms: float) -> None:
    assert run(in_text(), typed(CODE, gap_ms)) == [*presses(CODE), Retract(len(CODE)), Scanned(CODE)]


def test_what_a_hand_typed_before_the_scan_stays_in_the_field() -> None:
    keys = typed("ok", 200, end="") + typed(CODE, 10, 400)
    assert run(in_text(), keys) == [*presses("ok" + CODE), Retract(len(CODE)), Scanned(CODE)]


@pytest.mark.parametrize(
    ("text", "gap_ms", "end"),
    [
        pytest.param("scratched", 95, "enter", id="a quick typist"),
        pytest.param("note", 60, "enter", id="a short word in one stroke"),
        pytest.param("----------", 33, "", id="a key held down"),
    ],
)
def test_a_quick_hand_in_a_text_field_is_no_scan(text: str, gap_ms: float, end: str) -> None:
    assert run(in_text(), typed(text, gap_ms, end=end)) == presses([*text, end] if end else text)


def test_a_double_read_into_a_text_field_is_pulled_out_too() -> None:
    keys = typed(CODE, 10) + typed(CODE, 10, 300)
    out = [*presses(CODE), Retract(len(CODE))]
    assert run(in_text(), keys) == [*out, Scanned(CODE), *out, Doubled(CODE)]


def test_a_first_key_that_opens_a_text_field_is_taken_back_with_the_rest() -> None:
    wedge = Wedge()
    outs = [*wedge.feed(0.0, "n"), *wedge.tick(0.04)]
    wedge.mode = "text"
    outs += run(wedge, typed("12345", 60, 60))
    assert outs == [*presses("n12345"), Retract(6), Scanned("n12345")]


def test_only_the_scan_is_taken_back_when_the_focus_moves_to_a_text_field_in_the_middle_of_it() -> None:
    wedge = Wedge()
    outs = [*wedge.feed(0.0, "3"), *wedge.tick(0.04), *wedge.feed(0.12, "R")]
    wedge.mode = "text"
    outs += run(wedge, typed(CODE[1:], 5, 125))
    assert outs == [Press("3"), *presses(CODE), Retract(len(CODE)), Scanned(CODE)]


# --- wedge: with a prefix --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["keys", "text"])
@pytest.mark.parametrize("gap_ms", [1, 80, 200, 450])
def test_with_a_prefix_a_scan_is_certain_at_any_pace(gap_ms: float, mode: Mode) -> None:
    wedge = Wedge(prefix="~")
    wedge.mode = mode
    assert run(wedge, typed("~" + CODE, gap_ms)) == [Scanned(CODE)]


@pytest.mark.parametrize(
    ("prefix", "suffix", "keys", "outs"),
    [
        pytest.param("~", "", typed("123456", 5), presses([*"123456", "enter"]), id="without it, keys are keys"),
        pytest.param("\x02", "\x03", typed(f"\x02{CODE}\x03", 5), [Scanned(CODE)], id="STX and ETX, then Enter"),
        pytest.param("#!", "", typed("##!AB", 5), [Press("#"), Scanned("AB")], id="the prefix begins late"),
        pytest.param("#!", "", typed("#1", 200, end=""), presses("#1"), id="a hand types its first character"),
        pytest.param("~", "", typed("~", 200), presses(["~", "enter"]), id="a hand types it and Enter"),
        pytest.param("~", "", typed("~AB", 5, end=""), [Scanned("AB")], id="silence ends it"),
        pytest.param("~", "^", typed("~AB", 5), [Scanned("AB" + LOST)], id="its suffix is missing: half a code"),
        pytest.param("~", "^", typed("~^", 5), presses(["~", "^", "enter"]), id="nothing between"),
        pytest.param("~", "", typed("1~AB", 5), [Press("1"), Scanned("AB")], id="a key right before it"),
        pytest.param(
            "~", "", typed("~AB", 5) + typed("~AB", 5, 60), [Scanned("AB"), Doubled("AB")], id="a double read"
        ),
    ],
)
def test_with_a_prefix(prefix: str, suffix: str, keys: Keys, outs: list[Out]) -> None:
    assert run(Wedge(prefix=prefix, suffix=suffix), keys) == outs


def test_with_a_prefix_keys_act_at_once() -> None:
    wedge = Wedge(prefix="#!")
    assert wedge.feed(0.00, "1") == (Press("1"),)
    assert wedge.feed(0.01, "f2") == (Press("f2"),)
    assert wedge.feed(0.02, "#") == (), "it may begin a scan"
    assert wedge.feed(0.03, "2") == (Press("#"), Press("2"))
    assert wedge.due is None


# --- wedge: any hand and any scanner ---------------------------------------------------------------------

KEYS = [*"0123456789pfnhox ", "enter", "tab", "escape", "down"]
hand = st.tuples(st.just("hand"), st.sampled_from(KEYS), st.floats(0.160, 0.9))


def scans(least: int) -> st.SearchStrategy[tuple[str, str, float, list[float]]]:
    """A code, the pause before it, and the gap behind each of its characters."""
    gaps = st.one_of(
        st.sampled_from([0.005, 0.015, 0.040, 0.080]).map(lambda gap: [gap] * 30),
        st.lists(st.floats(0.0005, 0.080), min_size=30, max_size=30),
    )
    codes = st.text("0123456789ABCDEFR-/" + GS, min_size=least, max_size=20)
    return st.tuples(st.just("scan"), codes, st.floats(0.160, 0.9), gaps)


def replay(outs: list[Out]) -> list[Out]:
    """What is left when each retract has taken back the presses before it."""
    left: list[Out] = []
    for out in outs:
        if isinstance(out, Retract):
            assert all(isinstance(taken, Press) for taken in left[-out.count :])
            assert out.count <= len(left)
            del left[-out.count :]
        else:
            left.append(out)
    return left


def story_of(
    acts: list[tuple[str, str, float] | tuple[str, str, float, list[float]]],
) -> tuple[Keys, list[Out]]:
    """The keys of a hand and a scanner in turns, and what must come out of them."""
    now, keys, expected = 0.0, [], list[Out]()
    last, last_end = "", -1.0
    for act in acts:
        now += act[2]
        if len(act) == 3:
            keys.append((now, act[1]))
            expected.append(Press(act[1]))
            continue
        code, begin = act[1], now
        for sign, gap in zip(code, act[3], strict=False):
            keys.append((now, sign))
            now += gap
        keys.append((now, "enter"))
        expected.append(Doubled(code) if code == last and begin - last_end < 0.6 else Scanned(code))
        last, last_end = code, now
    return keys, expected


@pytest.mark.parametrize("screen", [run, tardy])
@pytest.mark.parametrize(("mode", "least"), [("keys", 4), ("text", 6)])
@given(data=st.data())
@settings(deadline=None)
def test_hands_and_scans_come_out_as_they_went_in(mode: Mode, least: int, screen: Screen, data: st.DataObject) -> None:
    keys, expected = story_of(data.draw(st.lists(hand | scans(least), max_size=12)))
    wedge = Wedge()
    wedge.mode = mode
    assert replay(screen(wedge, keys)) == expected
    assert wedge.due is None


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.sampled_from([*"~^1A\x1d", "enter", "f2"])), max_size=40),
    st.data(),
)
@settings(deadline=None)
def test_no_key_is_lost_or_invented_whatever_the_timing(steps: list[tuple[float, str]], data: st.DataObject) -> None:
    prefix, suffix, mode = data.draw(st.sampled_from([("", "", "keys"), ("", "", "text"), ("~", "^", "keys")]))
    wedge, now, keys = Wedge(prefix=prefix, suffix=suffix), 0.0, []
    wedge.mode = "text" if mode == "text" else "keys"
    for gap, key in steps:
        now += gap
        keys.append((now, key))
    came_out = ""
    for out in replay(run(wedge, keys)):
        assert not isinstance(out, Retract)
        text = out.key if isinstance(out, Press) else out.text
        came_out += text if len(text) == 1 or not isinstance(out, Press) else {"enter": "", "f2": LOST}[text]
    went_in = "".join({"enter": "", "f2": LOST}.get(key, key) for _, key in keys)
    if prefix:  # prefix and suffix frame the scans; a missing suffix shows as a lost character
        came_out, went_in = (re.sub(f"[~^{LOST}]", "", text) for text in (came_out, went_in))
    assert came_out == went_in
