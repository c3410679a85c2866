"""What a scanner sent: text into a `Scan` (`read`).

Nothing here has a clock, a file or a store. `Scan.kind` is what a text *looks like*; only the store knows
what it is.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from stdnum import isbn, luhn
from stdnum.iso7064 import mod_37_36

from inspect_station.core import carriers, gs1, layouts
from inspect_station.message import Message, msg

# --- text from outside -----------------------------------------------------------------------------------

_BREAKS = re.compile(r"[\t-\r\x85\u2028\u2029]+")
_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
"""Unicode categories never shown: controls; bidi, zero-width and other format signs; lone surrogates."""


def clean(text: str, limit: int | None = None) -> str:
    """Text from outside (scan, CSV, hub, note), fit for a terminal, a label and UTF-8.

    Controls (C0, C1, DEL), bidi and zero-width signs and lone surrogates are dropped; line breaks and tabs
    become one space, so that words stay apart; the rest is NFC without outer spaces, cut at ``limit``
    characters.
    """
    if not text.isprintable():  # as nearly every text is; one that is has none of these signs
        text = "".join(sign for sign in _BREAKS.sub(" ", text) if unicodedata.category(sign) not in _UNSEEN)
    return unicodedata.normalize("NFC", text).strip()[:limit]


# --- our own numbers -------------------------------------------------------------------------------------

LPN_SIGNS = "0123456789BCDEFGHJKLNPRSTVXY"
"""Signs of an LPN: no A Q Z W M (they move between keyboards), no I O U (they are misread)."""
LPN_LAST = 99_999
COMMAND = "CMD-"
"""Prefix of the printed command codes; the rest is the command's id."""

_BLOCK = re.compile(rf"[{LPN_SIGNS}]{{4}}")
_LPN = re.compile(rf"(L[{LPN_SIGNS}]{{4}}[0-9]{{5}}[{LPN_SIGNS}])(?:/([0-9]{{1,4}}))?")
_COMMAND = re.compile(rf"{COMMAND}[A-Z0-9][A-Z0-9-]*")
_BADGE = re.compile(r"[0-9A-HJKMNP-TV-Z]{16}")
"""80 bits in Crockford's base32."""


def next_lpn(block: str, number: int) -> tuple[str, int]:
    """The first licence plate of a station block numbered ``number`` or above, and its number.

    The check character (ISO 7064 mod 37,36) may fall on any letter; numbers where it falls on one that an LPN
    must not hold are skipped, about two in nine. Raises ValueError when the block is used up, or is none.
    """
    if not _BLOCK.fullmatch(block):
        raise ValueError(f"not a station block: {block!r}")
    for candidate in range(number, LPN_LAST + 1):
        stem = f"L{block}{candidate:05}"
        lpn = stem + mod_37_36.calc_check_digit(stem)
        if _LPN.fullmatch(lpn):
            return lpn, candidate
    raise ValueError(f"no licence plate left in block {block!r} from {number}")


def station_block(random_bytes: bytes) -> str:
    """Four LPN signs for a station without a hub; eight random bytes or more make every block as likely."""
    number, signs = int.from_bytes(random_bytes), []
    for _ in range(4):
        number, sign = divmod(number, len(LPN_SIGNS))
        signs.append(LPN_SIGNS[sign])
    return "".join(signs)


# --- reading ---------------------------------------------------------------------------------------------

MOST = 128
"""Longest code that is read, in characters."""
GS = gs1.GS
"""FNC1 between two GS1 elements."""
LOST = "\N{REPLACEMENT CHARACTER}"
"""Stands where something of a code did not come through; such a code is rejected."""


class ScanKind(StrEnum):
    """What a text looks like; a lookup in the store decides (an RMA number may look like nothing at all)."""

    RMA = "rma"
    GTIN = "gtin"
    LPN = "lpn"
    BADGE = "badge"
    IMEI = "imei"
    SERIAL = "serial"
    """A GS1 string with a serial number and no article."""
    SSCC = "sscc"
    TRACKING = "tracking"
    ORDER = "order"
    ASIN = "asin"
    COMMAND = "command"
    UNKNOWN = "unknown"
    REJECTED = "rejected"
    """Nothing may be done with it: too long, or with characters that no code holds."""


class Expression(Protocol):
    """A compiled regular expression."""

    def fullmatch(self, text: str, /) -> object | None:
        """Something true where the whole text matches."""


def expression(pattern: str) -> Expression:
    """A site's or a hub's regular expression, in RE2's syntax: no pattern can take more than linear time.

    Raises ValueError, with the reason in English, for what is no pattern and for what needs going back (look-around,
    back references).
    """
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Expression = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(error.args[0].decode()) from None
    return compiled


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a site's own codes look like; compiled once."""

    rma: Mapping[str, Expression] = field(default_factory=dict)
    """Seller code → expression that a whole RMA number matches, as typed or in capitals (`expression`)."""
    badge: str = "BDG-"


@dataclass(frozen=True, slots=True)
class Scan:
    """One code that was read: the strongest reading, and what else the store may know it as.

    Ask the store for `keys` as RMA, tracking, order and serial number, whatever the kind: a check digit holds by
    chance for one number in ten. Ask it for `articles` as articles. What answers more than once is one question.
    """

    text: str
    """As read, cleaned. Our own codes and ASINs in capitals, an IMEI without signs between its digits; an LPN
    without its print number; a GS1 string with its identifiers in brackets."""
    kind: ScanKind = ScanKind.UNKNOWN
    gtin: str = ""
    """Fourteen digits whose check digit is right, or empty."""
    also: tuple[str, ...] = ()
    """Other articles that the same digits name: eight may be an EAN-8 and a UPC-E."""
    keys: tuple[str, ...] = ()
    """Spellings for exact lookups, the text as scanned first: in capitals, without spaces, and the number that a
    carrier has wrapped into its bars. Empty where nothing may be looked up."""
    serial: str = ""
    lot: str = ""
    doubtful: str = ""
    """A GS1 serial number that may have swallowed what follows it: only good where it equals one that is known."""
    print_no: int | None = None
    """Of an LPN label ``LPN/n``: which print it is."""
    elements: Mapping[str, str] = field(default_factory=dict)
    """Of a GS1 string or Digital Link, and of any SSCC: application identifier → value."""
    problem: Message | None = None
    """What is wrong and what to do: a rejected code, a lost separator, a wrong check digit. Of an unknown
    code it is said only where the store does not know the text either: some numbers have no check digit."""
    repaired: str = ""
    """The keyboard layout of the host where it is not the scanner's (`layouts`): the code was put right, the
    scanner should be set."""

    @property
    def articles(self) -> tuple[str, ...]:
        """Every article that the code may name, the strongest first."""
        return tuple(filter(None, (self.gtin, *self.also)))


def read(raw: str, patterns: Patterns) -> Scan:
    """What a scanned or typed text looks like. Never raises, whatever the text."""
    if problem := _refusal(raw):
        return Scan(clean(raw[:MOST]), ScanKind.REJECTED, problem=problem)
    text = GS.join(clean(part) for part in raw.translate(_FULL_WIDTH).split(GS))
    scan = _look(text, patterns)
    return _meant(text, scan, patterns) if scan.kind is ScanKind.UNKNOWN else scan


_FULL_WIDTH = {0x3000: " ", **{0xFF01 + n: chr(0x21 + n) for n in range(94)}}
"""An East Asian input method on the host types full-width ASCII."""


def _refusal(raw: str) -> Message | None:
    if len(raw) > MOST:
        return msg(
            "This code has {n} characters; at most {most} are read. Scan another code on the label.",
            n=len(raw),
            most=MOST,
        )
    foreign = [sign for sign in raw if unicodedata.category(sign) in ("Cc", "Cs") or sign == LOST]
    points = ", ".join(dict.fromkeys(f"U+{ord(sign):04X}" for sign in foreign if sign != GS))
    if points == "U+FFFD":
        return msg(
            "A part of this code did not come through (U+FFFD): not used. Scan it again; if that comes often, set the "
            "scanner to send a prefix."
        )
    if points:
        return msg("This code holds characters that are not text ({points}): not used. Scan it again.", points=points)
    return None


def _look(text: str, patterns: Patterns) -> Scan:
    aim, body = _split_aim(text)
    scan = _recognise(aim, body, patterns)
    return replace(scan, keys=tuple(dict.fromkeys(key for key in _keys(body, scan) if key and GS not in key)))


def _recognise(aim: str, body: str, patterns: Patterns) -> Scan:
    """The strongest evidence first: our own codes, then GS1 and check digits, then forms, then nothing."""
    scan = _own(body, patterns.badge) or _link(body) or _gs1(body, explicit=aim in _AIM_GS1) or _gtin(aim, body)
    return scan or _rma(body, patterns) or _form(body) or _unknown(body)


_AIM = re.compile(r"(\][A-Za-z][0-9A-Za-z])(.+)")
_AIM_GS1 = frozenset({"]C1", "]e0", "]d2", "]Q3", "]J1"})
_AIM_UPC, _AIM_WITH_ADD_ON, _AIM_EAN_8 = "]E0", "]E3", "]E4"


def _split_aim(text: str) -> tuple[str, str]:
    """The symbology identifier that some scanners send ahead (ISO/IEC 15424), and the code."""
    match = _AIM.fullmatch(text)
    aim, body = match.groups() if match else ("", text)
    # A magazine's issue number follows the EAN-13; together they can look like an IMEI or an SSCC.
    return aim, body[:13] if aim == _AIM_WITH_ADD_ON else body


def _keys(body: str, scan: Scan) -> Iterator[str]:
    """Spellings under which a store may know the code, with repetitions."""
    if GS in body and not scan.elements:
        return
    bare = _capitals(body).replace(" ", "")
    yield from (body, scan.text, _capitals(body), bare, *carriers.numbers(bare))
    if sscc := scan.elements.get("00"):
        yield from (sscc, f"00{sscc}")
    yield from (scan.elements.get(ai, "") for ai in _SHIPMENT)
    # USPS numbers begin with the identifier (91 to 95) under which they stand in the bars.
    yield from (f"{ai}{value}" for ai, value in scan.elements.items() if ai in _USPS)
    if not scan.gtin:  # the serial of a known article says nothing about another's
        yield scan.serial
    if _is_number(bare, 16):  # an IMEI with its software version instead of its check digit (3GPP TS 23.003)
        yield bare[:14] + luhn.calc_check_digit(bare[:14])


_SHIPMENT = ("400", "401", "402")
"""Customer's order, consignment, shipment."""
_USPS = ("91", "92", "93", "94", "95")


def _own(text: str, badge: str) -> Scan | None:
    upper = _capitals(text)
    if upper.startswith(badge.upper()) and _BADGE.fullmatch(upper[len(badge) :]):
        return Scan(badge + upper[len(badge) :], ScanKind.BADGE)
    if _COMMAND.fullmatch(upper):
        return Scan(upper, ScanKind.COMMAND)
    if (match := _LPN.fullmatch(upper)) and mod_37_36.is_valid(match[1]):
        return Scan(match[1], ScanKind.LPN, print_no=int(match[2]) if match[2] else None)
    return None


def _capitals(text: str) -> str:
    """The text in capitals; not where it holds other signs than a code: ß would become SS."""
    return text.upper() if text.isascii() else text


def _is_number(text: str, *lengths: int) -> bool:
    return len(text) in lengths and text.isascii() and text.isdigit()


def _digits(text: str) -> str:
    """Digits without the spaces printed between them; in an ISBN without hyphens too."""
    return re.sub("[ -]" if text.startswith(("978", "979")) else " ", "", text)


# --- articles --------------------------------------------------------------------------------------------


def _gtin(aim: str, text: str) -> Scan | None:
    articles = tuple(dict.fromkeys(_articles(aim, _digits(text))))
    return Scan(text, ScanKind.GTIN, gtin=articles[0], also=articles[1:]) if articles else None


def _articles(aim: str, number: str) -> list[str]:
    """Every article that a number names, as fourteen digits, the likelier first.

    Eight digits may hold both as an EAN-8 and as a UPC-E. An EAN-8 that begins with 0 is a shop's own (GS1 General
    Specifications, section 1.4): then the UPC-E is likelier.
    """
    whole = _is_number(number, 8, 12, 13, 14) and gs1.check_holds(number)
    found = [number.zfill(14)] if whole and (len(number) != 8 or aim != _AIM_UPC) else []
    short = [] if aim == _AIM_EAN_8 else _expanded(number, without_check=aim == _AIM_UPC)
    return short + found if number.startswith("0") else found + short


def _expanded(number: str, *, without_check: bool) -> list[str]:
    """What a UPC-E stands for.

    Eight digits are its number system (0 or 1), six digits and the check digit of what it stands for. A scanner that
    is set to leave out one or both sends seven or six: taken only where the symbology is known.
    """
    if not _is_number(number, *((8, 7, 6) if without_check else (8,))) or (len(number) == 8 and number[0] not in "01"):
        return []
    from biip import ParseError
    from biip.upc import Upc

    found = []
    for whole in (f"0{number}", number) if len(number) == 7 else (number,):
        try:
            found.append(Upc.parse(whole).as_gtin_14())
        except ParseError:
            continue
    return found


def _rma(text: str, patterns: Patterns) -> Scan | None:
    for spelling in dict.fromkeys((text, _capitals(text))):
        if any(pattern.fullmatch(spelling) for pattern in patterns.rma.values()):
            return Scan(spelling, ScanKind.RMA)
    return None


_ORDER = re.compile(r"[0-9]{3}-[0-9]{7}-[0-9]{7}")
_ASIN = re.compile(r"B0[0-9A-Z]{8}")
_SKU = re.compile(r"([0-9]{13})(?:[A-Z]|[-_][0-9A-Z])[0-9A-Z]{0,7}")
"""A seller's SKU that is an EAN-13 with a suffix (seed 004)."""


_IMEI = re.compile(r"[0-9]{2}[ /-]?[0-9]{4}[ /-]?[0-9]{2}[ /-]?[0-9]{6}[ /-]?[0-9]")
"""As phones show it (3GPP TS 23.003), with or without signs between its groups."""
_ISBN_10 = re.compile(r"(?=.{13}$)(?:[0-9]+[ -]){3}[0-9X]")
"""Printed in its four groups."""


def _form(text: str) -> Scan | None:
    """Codes known by their form, some with a check digit of their own."""
    upper = _capitals(text)
    bare = upper.replace(" ", "")
    if _is_number(bare, 18) and gs1.check_holds(bare):
        return Scan(text, ScanKind.SSCC, elements={"00": bare})
    if _IMEI.fullmatch(text) and luhn.is_valid(imei := re.sub("[ /-]", "", text)):
        return Scan(imei, ScanKind.IMEI)
    if _ORDER.fullmatch(text):
        return Scan(text, ScanKind.ORDER)
    if _ASIN.fullmatch(upper):
        return Scan(upper, ScanKind.ASIN)
    # A book's ASIN is its ISBN-10 (seed 004).
    if (len(upper) == 10 or _ISBN_10.fullmatch(upper)) and isbn.is_valid(upper):
        return Scan(isbn.compact(upper), ScanKind.ASIN, gtin=isbn.to_isbn13(upper).replace("-", "").zfill(14))
    if carriers.looks_like_one(bare):
        return Scan(upper, ScanKind.TRACKING)
    if (match := _SKU.fullmatch(upper)) and gs1.check_holds(match[1]):
        return Scan(text, ScanKind.GTIN, gtin=match[1].zfill(14))
    return None


def _unknown(text: str) -> Scan:
    number, label = _digits(text), _LPN.fullmatch(_capitals(text))
    problem = None
    if not text:
        problem = msg("The scan was empty. Scan again or type the code.")
    elif label:
        problem = msg("The check character of label {code} is wrong. Scan again or type it.", code=label[1])
    elif _is_number(number, 8, 12, 13, 14):
        digit = "/".join(digit for digit in "0123456789" if _articles("", number[:-1] + digit))
        problem = msg("Check digit wrong: {code} should end in {digit}. Scan again or type it.", code=text, digit=digit)
    return Scan(text, problem=problem)


# --- GS1 -------------------------------------------------------------------------------------------------

_BRACKETED = re.compile(r"(?:\([0-9]{2,4}\)[^()]+)+")
_SHORTEST = 16
"""Characters of the shortest string that is GS1 by itself: 01 and an article."""


def _link(text: str) -> Scan | None:
    """A GS1 Digital Link; another address is only text."""
    if not text[:8].lower().startswith(("http://", "https://")):
        return None
    found = gs1.link(text)
    return _meaning(_shown(found), found) if found else None


def _gs1(text: str, *, explicit: bool) -> Scan | None:
    """A GS1 element string, or None where the text is not one.

    It is one when the symbology or a separator says so, when the identifiers stand in brackets, or when it
    begins with an article or an SSCC whose check digit holds and can be read to its end.
    """
    if _BRACKETED.fullmatch(text):
        explicit, body = True, re.sub(r"\(([0-9]+)\)", GS + r"\1", text).removeprefix(GS)
        body += GS  # brackets say where each value ends: none is in doubt
    else:
        explicit, body = explicit or GS in text, text
    if not explicit and (len(text) < _SHORTEST or not text.startswith(("00", "01"))):
        return None
    shown = text.replace(GS, "\N{SYMBOL FOR GROUP SEPARATOR}")
    try:
        found, doubtful = gs1.elements(body.lstrip(GS))
    except ValueError:
        found, doubtful = {}, ""
    scan = _meaning(_shown(found), found)
    if explicit and scan.kind is ScanKind.UNKNOWN and carriers.looks_like_one(text):
        return Scan(text, ScanKind.TRACKING)  # some carriers' bars say GS1, and hold their own numbers
    if not found:
        wrong = msg("GS1 code {code} cannot be read: a length or check digit is wrong. Scan it again.", code=shown)
        return Scan(shown, problem=wrong) if explicit else None
    if not doubtful:
        return scan
    value = found.pop(doubtful)
    problem = msg(
        "Code {code} may have lost a separator: ({ai}) is not used. Set the scanner to send GS, or scan "
        "that field by itself.",
        code=shown,
        ai=doubtful,
    )
    return replace(_meaning(shown, found), problem=problem, doubtful=value if doubtful in _SERIALS else "")


_SERIALS = ("21", "8002")
"""Serial number; a telephone's electronic serial number."""


def _shown(elements: Mapping[str, str]) -> str:
    return "".join(f"({ai}){value}" for ai, value in elements.items())


def _meaning(text: str, elements: Mapping[str, str]) -> Scan:
    """An article, also as a piece of itself (8006) or as what a parcel contains (02), else what has a number."""
    sscc, serial = elements.get("00", ""), next((elements[ai] for ai in _SERIALS if ai in elements), "")
    gtin = elements.get("01", "") or elements.get("8006", "")[:14] or elements.get("02", "")
    kinds = {ScanKind.SSCC: sscc, ScanKind.GTIN: gtin, ScanKind.SERIAL: serial}
    kind = next((kind for kind, value in kinds.items() if value), ScanKind.UNKNOWN)
    return Scan(text, kind, gtin, serial=serial, lot=elements.get("10", ""), elements=elements)


# --- keyboard layouts ------------------------------------------------------------------------------------

_CODE = re.compile(r"[0-9A-Za-z\x1d $%()+./:#_\]-]+")
"""Signs that codes at a dock hold: what a wrong layout would make of the others is not looked at."""


def _meant(text: str, unknown: Scan, patterns: Patterns) -> Scan:
    """The code as it was meant, if the host's keyboard layout is not the scanner's and one reading is proven.

    Proven is a check digit, or a form that is met by more than swapped letters: those alone make one seller's serial
    number match another's RMA pattern. Two layouts that prove different codes prove none. What was typed stays the
    first key. Where nothing is proven, but no barcode holds what was typed, the store is asked for each meaning.
    """
    meanings = [(layout, meant) for layout, meant in layouts.meanings(text) if _CODE.fullmatch(meant)]
    found: dict[tuple[ScanKind, str], Scan] = {}
    for layout, meant in meanings:
        swapped = all(
            sign.isascii() and sign.isalpha() for sign, other in zip(text, meant, strict=True) if sign != other
        )
        scan = _look(meant, Patterns(badge=patterns.badge) if swapped else patterns)
        if scan.kind in (ScanKind.GTIN, ScanKind.LPN) or (scan.kind is not ScanKind.UNKNOWN and not swapped):
            found.setdefault((scan.kind, scan.text), replace(scan, repaired=layout))
    if len(found) == 1:
        (scan,) = found.values()
        return replace(scan, keys=tuple(dict.fromkeys((*unknown.keys, *scan.keys))))
    if text.isascii():
        return unknown
    return replace(
        unknown, keys=tuple(dict.fromkeys((*unknown.keys, *(meant for _, meant in meanings if GS not in meant))))
    )
