"""What a scanner sent: text into a `Scan` (`read`).

Nothing here has a clock, a file or a store. `Scan.kind` is what a text *looks like*; only the store knows
what it is.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from stdnum import ean, isbn, luhn, numdb
from stdnum.iso7064 import mod_37_36

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
    seen = (sign for sign in _BREAKS.sub(" ", text) if unicodedata.category(sign) not in _UNSEEN)
    return unicodedata.normalize("NFC", "".join(seen)).strip()[:limit]


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
GS = "\x1d"
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


@dataclass(frozen=True, slots=True)
class Patterns:
    """What a site's own codes look like; compiled once, by the configuration."""

    rma: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """Seller code → expression that a whole RMA number matches, as typed or in capitals."""
    badge: str = "BDG-"


@dataclass(frozen=True, slots=True)
class Scan:
    """One code that was read."""

    text: str
    """As read, cleaned. Our own codes and ASINs in capitals; an LPN without its print number; a GS1 string
    with its identifiers in brackets."""
    kind: ScanKind = ScanKind.UNKNOWN
    gtin: str = ""
    """Fourteen digits whose check digit is right, or empty."""
    serial: str = ""
    lot: str = ""
    print_no: int | None = None
    """Of an LPN label ``LPN/n``: which print it is."""
    elements: Mapping[str, str] = field(default_factory=dict)
    """Of a GS1 string, and of any SSCC: application identifier → value."""
    problem: Message | None = None
    """What is wrong and what to do: a rejected code, a lost separator, a wrong check digit. Of an unknown
    code it is said only where the store does not know the text either: some numbers have no check digit."""
    repaired: bool = False
    """The host's keyboard layout is not the scanner's: the code was put right, the scanner should be set."""


def read(raw: str, patterns: Patterns) -> Scan:
    """What a scanned or typed text looks like. Never raises, whatever the text."""
    if problem := _refusal(raw):
        return Scan(clean(raw[:MOST]), ScanKind.REJECTED, problem=problem)
    text = GS.join(clean(part) for part in raw.translate(_FULL_WIDTH).split(GS))
    scan = _recognise(text, patterns)
    if scan.kind is ScanKind.UNKNOWN:
        for meant in repairs(text):
            repaired = _recognise(meant, patterns)
            if _proves_repair(repaired.kind, text, meant):
                return replace(repaired, repaired=True)
    return scan


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
    if points:
        return msg("This code holds characters that are not text ({points}): not used. Scan it again.", points=points)
    return None


def _recognise(text: str, patterns: Patterns) -> Scan:
    """The strongest evidence first: our own codes, then GS1 and check digits, then forms, then nothing."""
    aim, body = _split_aim(text)
    scan = _own(body, patterns.badge) or _gs1(body, explicit=aim in _AIM_GS1) or _gtin(body)
    return scan or _rma(body, patterns) or _form(body) or _unknown(body)


_AIM = re.compile(r"(\][A-Za-z][0-9A-Za-z])(.+)")
_AIM_GS1 = frozenset({"]C1", "]e0", "]d2", "]Q3", "]J1"})
_AIM_WITH_ADD_ON = "]E3"


def _split_aim(text: str) -> tuple[str, str]:
    """The symbology identifier that some scanners send ahead (ISO/IEC 15424), and the code."""
    match = _AIM.fullmatch(text)
    aim, body = match.groups() if match else ("", text)
    # A magazine's issue number follows the EAN-13; together they can look like an IMEI or an SSCC.
    return aim, body[:13] if aim == _AIM_WITH_ADD_ON else body


def _own(text: str, badge: str) -> Scan | None:
    upper = text.upper()
    if upper.startswith(badge.upper()) and _BADGE.fullmatch(upper[len(badge) :]):
        return Scan(badge + upper[len(badge) :], ScanKind.BADGE)
    if _COMMAND.fullmatch(upper):
        return Scan(upper, ScanKind.COMMAND)
    if (match := _LPN.fullmatch(upper)) and mod_37_36.is_valid(match[1]):
        return Scan(match[1], ScanKind.LPN, print_no=int(match[2]) if match[2] else None)
    return None


def _is_number(text: str, *lengths: int) -> bool:
    return len(text) in lengths and text.isascii() and text.isdigit()


def _check_holds(number: str) -> bool:
    """The GS1 check digit, the same for a GTIN and an SSCC."""
    return ean.calc_check_digit(number[:-1]) == number[-1]


def _digits(text: str) -> str:
    """Digits without the spaces printed between them; in an ISBN without hyphens too."""
    return re.sub("[ -]" if text.startswith(("978", "979")) else " ", "", text)


def _gtin(text: str) -> Scan | None:
    number = _digits(text)
    if _is_number(number, 8, 12, 13, 14) and _check_holds(number):
        return Scan(text, ScanKind.GTIN, gtin=number.zfill(14))
    return None


def _rma(text: str, patterns: Patterns) -> Scan | None:
    for spelling in (text, text.upper()):
        if any(pattern.fullmatch(spelling) for pattern in patterns.rma.values()):
            return Scan(spelling, ScanKind.RMA)
    return None


_ORDER = re.compile(r"[0-9]{3}-[0-9]{7}-[0-9]{7}")
_ASIN = re.compile(r"B0[0-9A-Z]{8}")
_TRACKING = re.compile(r"1Z[0-9A-Z]{16}|[A-Z]{2}[0-9]{9}[A-Z]{2}")
"""UPS, and the postal unions' S10."""
_SKU = re.compile(r"([0-9]{13})(?:[A-Z]|[-_][0-9A-Z])[0-9A-Z]{0,7}")
"""A seller's SKU that is an EAN-13 with a suffix (seed 004)."""


def _form(text: str) -> Scan | None:
    """Codes known by their form, some with a check digit of their own."""
    upper = text.upper()
    if _is_number(text, 18) and _check_holds(text):
        return Scan(text, ScanKind.SSCC, elements={"00": text})
    if _is_number(text, 15) and luhn.is_valid(text):
        return Scan(text, ScanKind.IMEI)
    if _ORDER.fullmatch(text):
        return Scan(text, ScanKind.ORDER)
    if _ASIN.fullmatch(upper):
        return Scan(upper, ScanKind.ASIN)
    if len(upper) == 10 and isbn.is_valid(upper):  # a book's ASIN is its ISBN-10 (seed 004)
        return Scan(upper, ScanKind.ASIN, gtin=isbn.to_isbn13(upper).zfill(14))
    if _TRACKING.fullmatch(upper):
        return Scan(upper, ScanKind.TRACKING)
    if (match := _SKU.fullmatch(upper)) and _check_holds(match[1]):
        return Scan(text, ScanKind.GTIN, gtin=match[1].zfill(14))
    return None


def _unknown(text: str) -> Scan:
    number, label = _digits(text), _LPN.fullmatch(text.upper())
    problem = None
    if not text:
        problem = msg("The scan was empty. Scan again or type the code.")
    elif label:
        problem = msg("The check character of label {code} is wrong. Scan again or type it.", code=label[1])
    elif _is_number(number, 8, 12, 13, 14):
        digit = ean.calc_check_digit(number[:-1])
        problem = msg("Check digit wrong: {code} should end in {digit}. Scan again or type it.", code=text, digit=digit)
    return Scan(text, problem=problem)


# --- GS1 strings -----------------------------------------------------------------------------------------
# The table of application identifiers is stdnum's. Its parser is not used: it takes brackets out of serial
# numbers, cuts a value that is too long in two, and turns numbers into integers without their zeros.

_BRACKETED = re.compile(r"(?:\([0-9]{2,4}\)[^()]+)+")
_FORMAT_PART = re.compile(r"([NXYZ])(\d*)(?:(\.\.)N?(\d+))?")
_FORMAT_SIGNS = {"N": "[0-9]", "X": '[!"%-/0-9:-?A-Z_a-z]', "Y": "[#/0-9A-Z-]", "Z": "[0-9A-Za-z_-]"}
_DATE = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])"


def _gs1(text: str, *, explicit: bool) -> Scan | None:
    """A GS1 element string, or None where the text is not one.

    It is one when the symbology or a separator says so, when the identifiers stand in brackets, or when it
    begins with an article or an SSCC whose check digit holds and can be read to its end.
    """
    if _BRACKETED.fullmatch(text):
        explicit, body = True, re.sub(r"\(([0-9]+)\)", GS + r"\1", text)
    else:
        explicit, body = explicit or GS in text, text
    if not explicit and not text.startswith(("00", "01")):
        return None
    shown = text.replace(GS, "\N{SYMBOL FOR GROUP SEPARATOR}")
    try:
        elements = _elements(body.lstrip(GS))
    except ValueError:
        wrong = msg("GS1 code {code} cannot be read: a length or check digit is wrong. Scan it again.", code=shown)
        return Scan(shown, problem=wrong) if explicit else None
    problem = None
    if GS not in body and (doubtful := _doubtful(elements)):
        del elements[doubtful]
        problem = msg(
            "Code {code} may have lost a separator: ({ai}) is not used. Set the scanner to send GS, or scan "
            "that field by itself.",
            code=shown,
            ai=doubtful,
        )
    else:
        shown = "".join(f"({ai}){value}" for ai, value in elements.items())
    gtin, serial = elements.get("01", ""), elements.get("21", "")
    kinds = {ScanKind.GTIN: gtin, ScanKind.SSCC: elements.get("00"), ScanKind.SERIAL: serial}
    kind = next((kind for kind, value in kinds.items() if value), ScanKind.UNKNOWN)
    return Scan(shown, kind, gtin, serial, elements.get("10", ""), elements=elements, problem=problem)


def _elements(body: str) -> dict[str, str]:
    """The elements of a string without leading FNC1; ValueError unless every one has its exact form.

    A value of variable length goes to the next separator or the end and must fit its form: nothing is cut or
    merged.
    """
    table, rest = numdb.get("gs1_ai"), body
    found: dict[str, str] = {}
    while rest:
        ai, about = table.info(rest)[0]
        if not about:
            raise ValueError(f"no application identifier at {rest!r}")
        rest = rest[len(ai) :]
        if "fnc1" in about:
            value, _, rest = rest.partition(GS)
        else:
            size = int(about["format"][1:])
            value, rest = rest[:size], rest[size:].removeprefix(GS)
        if not re.fullmatch(_value_form(about), value) or found.setdefault(ai, value) != value:
            raise ValueError(f"wrong value in ({ai}): {value!r}")
        if ai in ("00", "01", "02", "03") and not _check_holds(value):
            raise ValueError(f"wrong check digit in ({ai}): {value!r}")
    if not found:
        raise ValueError("no element")
    return found


def _value_form(about: Mapping[str, str]) -> str:
    """The regular expression of a format such as ``N18``, ``X..20``, ``N3+X..9`` or ``N13[+X..17]``."""
    if about["type"] == "date" and about["format"] == "N6":
        return _DATE

    def part(match: re.Match[str]) -> str:
        sign, least, dots, most = match.groups()
        return _FORMAT_SIGNS[sign] + (f"{{{least or 1},{most}}}" if dots else f"{{{least}}}")

    form = about["format"].replace("[", "(?:").replace("]", ")?").replace("+", "")
    return _FORMAT_PART.sub(part, form)


def _doubtful(elements: Mapping[str, str]) -> str:
    """The identifier whose value may have swallowed another element with its lost separator, or empty.

    Without any separator in the string, only the last value can have a variable length. It is doubted where a
    lot, a serial, an additional id or a date that the string does not have yet could begin inside it.
    """
    ai, value = list(elements.items())[-1]
    if "fnc1" not in numdb.get("gs1_ai").info(ai)[0][1]:
        return ""
    followers = [f"{other}." for other in ("10", "21", "240", "241") if other not in elements]
    followers += [f"{other}{_DATE}" for other in ("11", "13", "15", "16", "17") if other not in elements]
    return ai if re.search(f".(?:{'|'.join(followers)})", value) else ""


# --- keyboard layouts ------------------------------------------------------------------------------------

_US = "`1234567890-=qwertyuiop[]\\asdfghjkl;'zxcvbnm,./" + '~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?'
_LAYOUTS = (
    # French. A key that types nothing, or is dead, stands as NUL.
    "²&é\"'(-è_çà)=azertyuiop\0$*qsdfghjklmùwxcvbn,;:!" + "\x001234567890°+AZERTYUIOP\0£µQSDFGHJKLM%WXCVBN?./§",
    # German
    "\x001234567890ß\0qwertzuiopü+#asdfghjklöäyxcvbnm,.-" + "°!\"§$%&/()=?\0QWERTZUIOPÜ*'ASDFGHJKLÖÄYXCVBNM;:_",
)
_MEANT = tuple(
    str.maketrans({typed: key for typed, key in zip(layout, _US, strict=True) if typed != "\0"}) for layout in _LAYOUTS
)


def repairs(raw: str) -> tuple[str, ...]:
    """What a scanner set to a US keyboard meant, if the host is set to French AZERTY, or to German QWERTZ."""
    return tuple(raw.translate(meant) for meant in _MEANT)


def _proves_repair(kind: ScanKind, typed: str, meant: str) -> bool:
    """Whether the repair cannot be chance: a check digit, or a pattern met by more than swapped letters.

    Swapped letters alone make one seller's serial number match another's RMA pattern.
    """
    if kind in (ScanKind.GTIN, ScanKind.LPN):
        return True
    changed = {sign for sign, other in zip(typed, meant, strict=True) if sign != other}
    return kind in (ScanKind.RMA, ScanKind.BADGE, ScanKind.COMMAND) and any(
        not (sign.isascii() and sign.isalpha()) for sign in changed
    )
