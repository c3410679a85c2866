"""What a scanner typed: text into a `Scan` (`read`), and keys into presses and scans (`Wedge`).

Nothing here has a clock, a file or a store. `Scan.kind` is what a text *looks like*; only the store knows
what it is.
"""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import pairwise
from math import inf
from typing import Literal

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


# --- wedge -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Press:
    """A key acts now. Keep the value before it: a `Retract` may follow."""

    key: str


@dataclass(frozen=True, slots=True)
class Retract:
    """The last ``count`` presses began a scan: restore the value before them."""

    count: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """A whole code, for `read`."""

    text: str


@dataclass(frozen=True, slots=True)
class Doubled:
    """The same code again at once: dropped, to be shown with a sign."""

    text: str


Out = Press | Retract | Scanned | Doubled

Mode = Literal["keys", "text"]
"""What printable keys are where the focus is: commands, or text."""

_ENDS = ("enter", "tab")
_GAP = 0.150
"""Seconds; keys closer than this may be one scan; an Enter or Tab this soon after a scan is part of it."""
_SLOWEST = 0.090
"""Seconds; scanners type with gaps of 1 to 80 ms."""
_CERTAIN = 0.500
"""Seconds that a burst opened by its prefix waits for the next character: its rest must never act as keys."""
_LEAST: Mapping[Mode, int] = {"keys": 4, "text": 6}
"""Characters of the shortest scan told by timing; see `Wedge`."""

_Run = list[tuple[float, str]]


class Wedge:
    """Tells a scanner that types from a hand: a scan is never a hotkey, a slow hand never a scan.

    Feed it every key with the time at which the terminal gave it, act on what comes out, and call `tick` at
    `due`. What a press does beyond the screen's own value (saving, printing) waits until `due` is None: until
    then a `Retract` can take it back.

    **With a prefix** set on the scanner it is certain: a scan is what stands between prefix and suffix
    (without a suffix: Enter, Tab or silence), and all other keys act at once. A burst whose configured suffix
    never came ends in U+FFFD, which `read` rejects: half a code is no code.

    **Without one** the time between keys decides. In mode ``keys`` (keys are commands) a lone first key is
    held for ``hold_ms``, then acts; keys that follow within 150 ms wait until it is clear what they are. Four
    or more with such gaps, ended by Enter or Tab, are a scan; without an end only at a scanner's pace (90 ms
    on average). Four, not three: ``8`` ``7`` ``Enter`` or ``1`` ``0`` ``0`` ``Enter`` from a quick hand must
    reach the measure field, while no code at the dock has three characters. The price is that a hand's fourth
    key under 150 ms, followed by Enter as quickly, is taken for a scan. In mode ``text`` (all printable keys
    are text) keys act at once, and only six or more with gaps under 90 ms, *and* an Enter or Tab as close,
    are pulled back as a scan: quick typists reach single gaps like that, not seven in a row; a scan into a
    text field without its Enter stays there.

    A hand's key shortly before a scan stays a press if its gap shows it: at least 90 ms, and twice the
    largest gap of the scan. Closer than that it becomes part of the code, which is then unknown: seen, and
    scanned again. A scanner that stalls so long behind its first character, or 150 ms anywhere, is misread:
    that is what the prefix is for. A key held down repeats like a scanner; in mode ``keys`` the repeats are
    one unknown code, not many presses.
    """

    def __init__(self, *, prefix: str = "", suffix: str = "", hold_ms: int = 40, double_ms: int = 600) -> None:
        self.mode: Mode = "keys"
        """May change at any time, as the focus moves."""
        self._prefix = prefix
        self._suffix = suffix
        self._hold = hold_ms / 1000
        self._double = double_ms / 1000
        self._run: _Run = []
        """Keys, with their times, that may still turn out to be (part of) a scan."""
        self._acted = 0
        """How many of them have been pressed already."""
        self._last = ""
        self._ended = -inf
        """Text and end of the last scan, a dropped one included: a scanner that repeats stays dropped."""

    @property
    def due(self) -> float | None:
        """When `tick` must be called if no key comes before; None when nothing is open."""
        if not self._run:
            return None
        return self._run[-1][0] + (self._hold if self._holds_first else self._patience)

    def feed(self, at: float, key: str) -> tuple[Out, ...]:
        """One key and its time in seconds; the times never run backwards.

        ``key`` is one character, or the name of a key: ``enter`` (CR or LF), ``tab``, or any other.
        Characters include control characters, the GS1 separator among them: they belong to the scan, and
        `read` judges. Other named keys pass at once and in order; inside a burst they are a lost character,
        for a hostile code can hold escape sequences.

        From a Textual 8 ``Key`` event: ``at`` is ``event.time`` (monotonic, taken where the terminal is read,
        so a busy screen does not stretch it). CR is named ``enter``, Tab ``tab``; LF is ``ctrl+j``: feed
        ``enter``. 0x1D is ``ctrl+right_square_bracket``, without a ``character`` under the Kitty protocol:
        feed it by that name. Other ``ctrl+`` keys that have a character, and printable keys:
        ``event.character``. All others (Esc and Backspace have a character too): ``event.key``.
        """
        outs = [*self.tick(at)]
        if key in _ENDS:
            if self._run:
                closed = self._settle(at, ended=True)
                outs += closed
                belongs = any(isinstance(out, Scanned | Doubled) for out in closed)
            else:
                belongs = at - self._ended < _GAP
            if not belongs:
                outs.append(Press(key))
        elif self._prefix:
            outs += self._frame(at, key)
        elif len(key) > 1 and len(self._run) < _LEAST[self.mode]:
            outs += [*self._settle(at, ended=False), Press(key)]
        else:
            self._run.append((at, key))
            if self.mode == "text":
                outs += _presses(self._run[self._acted :])
                self._acted = len(self._run)
        return tuple(outs)

    def tick(self, at: float) -> tuple[Out, ...]:
        """What has become clear because no key came until ``at``.

        ``at`` is the `due` for which the timer was set, not the clock at the call: on a busy screen the scan's next
        keys already wait in the queue, with earlier times, and a later ``at`` would cut them off.
        """
        if self.due is None or at < self.due:
            return ()
        if self._holds_first and at < self._run[0][0] + self._patience:
            self._acted = 1
            return tuple(_presses(self._run))
        return tuple(self._settle(self._run[-1][0], ended=False))

    @property
    def _holds_first(self) -> bool:
        return len(self._run) == 1 and self._acted == 0 and not self._prefix

    @property
    def _patience(self) -> float:
        """How long the next key may take and still belong to the run."""
        if self._prefix:
            return _CERTAIN if _text(self._run).startswith(self._prefix) else _GAP
        return _GAP if self.mode == "keys" else _SLOWEST

    def _frame(self, at: float, key: str) -> list[Out]:
        """One key where a prefix is configured: what cannot be part of a prefixed burst acts at once."""
        outs: list[Out] = []
        self._run.append((at, key))
        while self._run and not _agree(_text(self._run), self._prefix):
            outs += _presses([self._run.pop(0)])
        body = _text(self._run)[len(self._prefix) :]
        if self._suffix and body.endswith(self._suffix):
            outs += self._settle(at, ended=True)
        return outs

    def _settle(self, at: float, *, ended: bool) -> list[Out]:
        """Close the run: what was a hand's is pressed, what was a scan comes out as one."""
        run, acted = self._run, self._acted
        self._run, self._acted = [], 0
        start, text = self._framed(run) if self._prefix else self._timed(run, ended)
        outs = _presses(run[acted:start])
        if not text:
            return outs
        if acted > start:
            outs.append(Retract(acted - start))
        doubled = text == self._last and run[start][0] - self._ended < self._double
        self._last, self._ended = text, at
        return [*outs, Doubled(text) if doubled else Scanned(text)]

    def _framed(self, run: _Run) -> tuple[int, str]:
        """Where the scan begins in a run, and its text; the run's length and no text if there is none."""
        text = _text(run)
        body = text.removeprefix(self._prefix)
        if body == text or body in ("", self._suffix):
            return len(run), ""
        if self._suffix:
            body = body.removesuffix(self._suffix) if body.endswith(self._suffix) else body + LOST
        return 0, body

    def _timed(self, run: _Run, ended: bool) -> tuple[int, str]:
        """The same, told by the gaps."""
        least = _LEAST[self.mode]
        gaps = [later - earlier for (earlier, _), (later, _) in pairwise(run)]
        start = next((n for n, gap in enumerate(gaps) if gap < _SLOWEST), len(gaps))
        if start and (len(run) - start < least or min(gaps[:start]) < 2 * max(gaps[start:])):
            start = 0
        burst = gaps[start:]
        pace_tells = self.mode == "keys" and sum(burst) < _SLOWEST * len(burst)
        if len(run) - start < least or not (ended or pace_tells):
            return len(run), ""
        return start, _text(run[start:])


def _presses(run: Iterable[tuple[float, str]]) -> list[Out]:
    return [Press(key) for _, key in run]


def _text(run: Sequence[tuple[float, str]]) -> str:
    """The characters of a run; a named key among them is one that got lost."""
    return "".join(key if len(key) == 1 else LOST for _, key in run)


def _agree(text: str, prefix: str) -> bool:
    return text.startswith(prefix) or prefix.startswith(text)
