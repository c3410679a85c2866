"""Texts that scanners send, and what they look like."""

import time
import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
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
    expression,
    next_batch,
    next_lpn,
    read,
    station_block,
)

PATTERNS = Patterns(rma={"lumo": expression(r"RMA-[0-9A-Z]{4}"), "otto": expression(r"Z[0-9]{6}")})
BADGE = "BDG-0123456789ABCDEF"
# Check characters worked out by hand from ISO 7064 mod 37,36.
LPN = "L7F3K00481S"
BATCH = "B7F3K000138"
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
        pytest.param("04252614", "gtin", "00042100005264", id="UPC-E"),
        pytest.param("]E004252614", "gtin", "00042100005264", id="UPC-E with its AIM identifier"),
        pytest.param("]E0425261", "gtin", "00042100005264", id="UPC-E, the scanner leaves out the system and check"),
        pytest.param("]E04252614", "gtin", "00042100005264", id="UPC-E, the scanner leaves out the system"),
        pytest.param("425261", "unknown", "", id="six digits may be anything"),
        pytest.param("4252614", "unknown", "", id="seven digits may be anything"),
        pytest.param("]E404252614", "unknown", "", id="a UPC-E that claims to be an EAN-8"),
        pytest.param("]E073513537", "unknown", "", id="an EAN-8 that claims to be a UPC"),
        pytest.param("0 425261 4", "gtin", "00042100005264", id="UPC-E typed as printed, in groups"),
        pytest.param("]E0042100005264", "gtin", "00042100005264", id="UPC-A with its AIM identifier"),
        pytest.param("0-471-11709-9", "asin", "09780471117094", id="ISBN-10 typed with hyphens"),
        pytest.param("080442957X", "asin", "09780804429573", id="ISBN-10 whose check digit is X"),
        pytest.param("0-471-11709-8", "unknown", "", id="an ISBN-10 that does not hold"),
        pytest.param("04-711-170-99", "unknown", "", id="ten digits in groups that no ISBN has"),
        pytest.param("490154203237518", "imei", "", id="15 digits that hold Luhn"),
        pytest.param("49-015420-323751-8", "imei", "", id="IMEI in the groups of its standard"),
        pytest.param("490154 20 323751 8", "imei", "", id="IMEI in the groups of the older standard"),
        pytest.param("490-1542-0323-7518", "unknown", "", id="15 digits in groups that no IMEI has"),
        pytest.param("4901542032375101", "unknown", "", id="IMEISV has no check digit"),
        pytest.param("490154203237519", "unknown", "", id="15 digits that do not"),
        pytest.param("106141412345678908", "sscc", "", id="SSCC without identifier"),
        pytest.param("106141412345678907", "unknown", "", id="18 digits that are no SSCC"),
        pytest.param("406-4307814-8186723", "order", "", id="marketplace order (seed 004)"),
        pytest.param("406-4307814-81867234", "unknown", "", id="an order has 3, 7 and 7 digits"),
        pytest.param("B018N3W71U", "asin", "", id="ASIN (seed 004)"),
        pytest.param("b018n3w71u", "asin", "", id="ASIN in small letters"),
        pytest.param("0471117099", "asin", "09780471117094", id="a book's ASIN is its ISBN-10"),
        pytest.param("RR123456785FR", "tracking", "", id="postal tracking"),
        pytest.param("RR 123 456 785 FR", "tracking", "", id="postal tracking typed as printed"),
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
        pytest.param(BATCH, "batch", "", id="batch"),
        pytest.param(BATCH.lower() + "/2", "batch", "", id="batch in small letters, its label printed again"),
        pytest.param("L7F3K00418S", "unknown", "", id="licence plate with swapped digits"),
        pytest.param("", "unknown", "", id="nothing"),
        pytest.param("   ", "unknown", "", id="spaces"),
        pytest.param("https://example.org/x", "unknown", "", id="an address is never opened"),
    ],
)
def test_what_a_code_looks_like(raw: str, kind: str, gtin: str) -> None:
    scan = look(raw)
    assert (scan.kind, scan.gtin, scan.repaired) == (kind, gtin, "")


def test_an_rma_pattern_wins_over_an_order_but_not_over_a_check_digit() -> None:
    patterns = Patterns(rma={"a": expression(r"\d{3}-\d{7}-\d{7}"), "b": expression(r"\d{13}")})
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
        ("01234560", "Check digit wrong: 01234560 should end in 5."),
        ("04252611", "Check digit wrong: 04252611 should end in 0/4."),
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
        pytest.param("\udc80", "U+DC80", id="a byte that is not UTF-8"),
    ],
)
def test_control_characters_are_rejected_and_named(raw: str, points: str) -> None:
    scan = look(raw)
    assert scan.kind is ScanKind.REJECTED
    assert scan.problem is not None
    assert scan.problem.params["points"] == points


@pytest.mark.parametrize("raw", ["RMA-1A2B" + LOST, LOST + "1A2B", LOST])
def test_a_part_of_a_code_is_no_code_and_says_what_may_help(raw: str) -> None:
    scan = look(raw)
    assert scan.kind is ScanKind.REJECTED and not scan.keys
    assert "prefix" in str(scan.problem)


@pytest.mark.parametrize(
    ("length", "kind"), [(128, ScanKind.UNKNOWN), (129, ScanKind.REJECTED), (10_000, ScanKind.REJECTED)]
)
def test_a_code_has_at_most_128_characters(length: int, kind: ScanKind) -> None:
    scan = look("x" * length)
    assert (scan.kind, len(scan.text)) == (kind, 128)


# --- read: several meanings --------------------------------------------------------------------------------


# Expanded by hand from the table for UPC-E in the GS1 General Specifications.
@pytest.mark.parametrize(
    ("raw", "articles"),
    [
        pytest.param("01234565", ("00012345000065", "00000001234565"), id="an EAN-8 of 0 is a shop's own"),
        pytest.param("10127582", ("00000010127582", "00101275000082"), id="UPC-E of system 1 is rare"),
        pytest.param("]E001234565", ("00012345000065",), id="the symbology says UPC-E"),
        pytest.param("]E00425261", ("00004252000061", "00042100005264"), id="the system or the check digit left out"),
        pytest.param("]E401234565", ("00000001234565",), id="the symbology says EAN-8"),
        pytest.param("73513537", ("00000073513537",), id="an EAN-8 alone"),
        pytest.param("04252614", ("00042100005264",), id="a UPC-E alone"),
        pytest.param("RMA-1A2B", (), id="no article"),
    ],
)
def test_eight_digits_may_name_two_articles(raw: str, articles: tuple[str, ...]) -> None:
    scan = look(raw)
    assert scan.articles == articles
    assert (scan.gtin, *scan.also)[: len(articles)] == articles


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        pytest.param("3700471002479", ("3700471002479",), id="a GTIN may be a parcel number as well"),
        pytest.param("]E03700471002479", ("3700471002479",), id="without the AIM identifier"),
        pytest.param("sn-4711", ("sn-4711", "SN-4711"), id="in capitals"),
        pytest.param(
            "1z 12345e 0205271688",
            ("1z 12345e 0205271688", "1Z 12345E 0205271688", "1Z12345E0205271688"),
            id="in groups",
        ),
        pytest.param("rma-1a2b", ("rma-1a2b", "RMA-1A2B"), id="RMA by its seller's pattern"),
        pytest.param(LPN + "/2", (LPN + "/2", LPN), id="licence plate of a second print"),
        pytest.param("106141412345678908", ("106141412345678908", "00106141412345678908"), id="SSCC"),
        pytest.param(
            "]C100106141412345678908",
            ("00106141412345678908", "(00)106141412345678908", "106141412345678908"),
            id="SSCC with its identifier",
        ),
        pytest.param("4901542032375101", ("4901542032375101", "490154203237518"), id="IMEISV: the IMEI of it"),
        pytest.param("49-015420-323751-8", ("49-015420-323751-8", "490154203237518"), id="IMEI in groups"),
        pytest.param("", (), id="nothing"),
        pytest.param("370047\x11", (), id="rejected"),
    ],
)
def test_spellings_under_which_a_store_may_know_a_code(raw: str, keys: tuple[str, ...]) -> None:
    assert look(raw).keys == keys


# --- patterns of sites and hubs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [r"(a+)+b", r"(a|a)*b", r"(a|aa)+b", r"(.*a){20}b", r"(x+x+)+y", r"(?:(?:.{1,30}){1,30})z"],
)
def test_no_pattern_takes_more_than_linear_time(pattern: str) -> None:
    patterns = Patterns(rma={"evil": expression(pattern)})
    began = time.perf_counter()
    assert read("a" * 128, patterns).kind is ScanKind.UNKNOWN
    # Going back over 128 signs would take longer than the universe has existed.
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        pytest.param("([", "missing", id="no pattern"),
        pytest.param(r"(a)\1", "invalid escape", id="a back reference"),
        pytest.param(r"(?=RMA)", "invalid perl", id="look-ahead"),
        pytest.param(r"((a{100}){100}){100}", "repetition", id="too large"),
        pytest.param("\ud800", "surrogate", id="no text"),
    ],
)
def test_what_cannot_be_matched_in_linear_time_is_refused_with_its_reason(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        expression(pattern)


# --- read: anything --------------------------------------------------------------------------------------

gtins = st.sampled_from([7, 11, 12, 13]).flatmap(
    lambda size: st.text("0123456789", min_size=size, max_size=size).map(lambda n: n + ean.calc_check_digit(n))
)


@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=160))
@example("\x1d¿")
@settings(max_examples=300)
def test_reading_never_fails_and_shows_nothing_unsafe(raw: str) -> None:
    scan = look(raw)
    assert len(scan.text) <= 128 + 40
    assert clean(scan.text) == scan.text
    assert (scan.gtin == "") or (len(scan.gtin) == 14 and ean.is_valid(scan.gtin))
    assert all(len(article) == 14 and ean.is_valid(article) for article in scan.articles)
    assert len(scan.articles) == len(set(scan.articles))
    assert len(scan.keys) == len(set(scan.keys)) <= 16
    assert all(key and GS not in key for key in scan.keys)
    if GS not in raw:
        assert bool(scan.keys) == (scan.kind is not ScanKind.REJECTED and scan.text != "")
    if any(unicodedata.category(sign) == "Cc" and sign != GS for sign in raw):
        assert scan.kind is ScanKind.REJECTED


@given(gtins)
def test_every_gtin_is_read_and_every_wrong_digit_is_noticed(number: str) -> None:
    assert number.zfill(14) in look(number).articles
    wrong = number[:-1] + str((int(number[-1]) + 1) % 10)
    scan = look(wrong)
    assert wrong.zfill(14) not in scan.articles
    if not scan.gtin:  # a wrong EAN-8 may be a right UPC-E
        assert scan.problem is not None
        assert number[-1] in str(scan.problem.params["digit"]).split("/")


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


OURS = pytest.mark.parametrize(
    ("next_", "kind"), [(next_lpn, ScanKind.LPN), (next_batch, ScanKind.BATCH)], ids=["plate", "batch"]
)


@OURS
@given(st.binary(min_size=8, max_size=16), st.integers(0, LPN_LAST - 100), st.integers(1, 10**4))
def test_our_numbers_can_be_read_back_and_typed_on_any_keyboard(
    next_: Callable[[str, int], tuple[str, int]], kind: ScanKind, entropy: bytes, number: int, print_no: int
) -> None:
    code, taken = next_(station_block(entropy), number)
    assert taken >= number
    assert not set(code) & set("AQZWMIOU")
    scan = look(f"{code}/{print_no % 10_000}")
    assert (scan.kind, scan.text, scan.print_no) == (kind, code, print_no % 10_000)


@OURS
@given(st.integers(0, LPN_LAST - 100), st.integers(0, 10), st.sampled_from(LPN_SIGNS))
def test_one_wrong_character_is_never_another_of_our_numbers(
    next_: Callable[[str, int], tuple[str, int]], kind: ScanKind, number: int, place: int, sign: str
) -> None:
    code, _ = next_("7F3K", number)
    wrong = code[:place] + sign + code[place + 1 :]
    found = look(wrong).kind
    assert (found if found in (ScanKind.LPN, ScanKind.BATCH) else None) == (kind if wrong == code else None)


def test_station_blocks_are_drawn_evenly() -> None:
    blocks = [station_block(n.to_bytes(8)) for n in range(len(LPN_SIGNS) ** 2)]
    assert len(set(blocks)) == len(blocks)
    assert {sign for block in blocks for sign in block[:2]} == set(LPN_SIGNS)
