"""Codes → the black and white modules of their symbols, with what each kind of symbol asks of its print."""

from dataclasses import dataclass
from typing import Literal

from inspect_station.core.gs1 import check_holds
from inspect_station.message import Message, msg

SymbolKind = Literal["code128", "ean13", "qr"]
QR_MOST = 400
"""Bytes; a telephone hardly reads more off a label."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A symbol in modules; all of a row's texts are equally long, 1 = black."""

    text: str
    """What is printed below it: a reader shows the same."""
    rows: tuple[str, ...]
    """One row for bars, as many as columns for a matrix."""
    quiet: tuple[int, int]
    """Modules of white on the left and right; above and below a matrix as on its left."""
    narrowest: float
    """Millimetres of one module, at least."""
    widest: float
    """Millimetres of one module, at most."""

    @property
    def matrix(self) -> bool:
        """Whether it is read in both directions."""
        return len(self.rows) > 1


class NoSymbol(ValueError):
    """This kind of symbol cannot hold the text; says what it can."""

    def __init__(self, hint: Message) -> None:
        super().__init__(str(hint))
        self.hint = hint


def symbol(kind: SymbolKind, text: str) -> Symbol:
    """The symbol of a text. Raises NoSymbol where the kind cannot hold it."""
    match kind:
        case "code128":
            return _code128(text)
        case "ean13":
            return _ean(text)
        case "qr":
            return _qr(text)


def retail(gtin: str) -> str:
    """What a till reads of a GTIN: the digits of its EAN-13, UPC-A or EAN-8; empty for a case's and for none.

    A GTIN of 14 digits says by its leading zeros which of them it is (GS1 General Specifications 3.3).
    """
    digits = gtin.zfill(14)
    if not gtin or len(digits) != 14 or not (digits.isascii() and digits.isdecimal()) or not check_holds(digits):
        return ""
    for zeros, length in (("000000", 8), ("00", 12), ("0", 13)):
        if digits.startswith(zeros):
            return digits[-length:]
    return ""


def pairs(text: str) -> int:
    """How many digits at the end of a Code 128 stand in pairs (set C); fewer than six gain nothing."""
    digits = len(text) - len(text.rstrip("0123456789"))
    return digits - digits % 2 if digits >= 6 else 0


def _code128(text: str) -> Symbol:
    """In set B up to its `pairs`, unlike the library's own choice: ZPL can be told to do the same, so that PDF and ZPL
    bars agree."""
    from barcode.charsets import code128 as table

    if not text or not all(" " <= sign <= "~" for sign in text):
        raise NoSymbol(msg("A barcode needs letters, digits or signs, without accents."))
    single, paired = text[: len(text) - pairs(text)], text[len(text) - pairs(text) :]
    values = [table.START_CODES["B"], *(table.B[sign] for sign in single)]
    if paired:
        values += [table.B["TO_C"], *(int(paired[n : n + 2]) for n in range(0, len(paired), 2))]
    check = (values[0] + sum(place * value for place, value in enumerate(values[1:], start=1))) % 103
    bits: str = "".join(table.CODES[value] for value in (*values, check)) + table.STOP + "11"
    # ISO/IEC 15417: ten modules of white. 7.5 mil is read by every handheld scanner; ours.
    return Symbol(text, (bits,), (10, 10), narrowest=0.19, widest=1.02)


def _ean(text: str) -> Symbol:
    """EAN-13, EAN-8 or UPC-A, as the number is one: 80 to 200 % of 0.33 mm (GS1 General Specifications 5.2)."""
    import barcode

    digits = retail(text)
    # The library corrects a wrong check digit without a word: only what holds may reach it.
    if not digits or text not in (digits, digits.zfill(13), digits.zfill(14)):
        raise NoSymbol(msg("An EAN has 8, 12 or 13 digits, the last of which is the check digit of the others."))
    if len(digits) == 8:
        return Symbol(digits, (barcode.EAN8(digits).build()[0],), (7, 7), narrowest=0.264, widest=0.66)
    # A UPC-A has the bars of the EAN-13 with a zero before it, and asks for nine modules on both sides.
    bars: str = barcode.EAN13(digits.zfill(13)).build()[0]
    return Symbol(digits, (bars,), (11, 7 if len(digits) == 13 else 9), narrowest=0.264, widest=0.66)


def _qr(text: str) -> Symbol:
    """Error correction M: 15 % of it may be gone. A quarter of a millimetre is what telephones read at arm's length."""
    from reportlab.graphics.barcode import qrencoder

    data = text.encode()
    if not 0 < len(data) <= QR_MOST:
        raise NoSymbol(msg("A QR code on a label holds 1 to {most} bytes.", most=QR_MOST))
    code = qrencoder.QRCode(None, qrencoder.QRErrorCorrectLevel.M)
    code.addData(qrencoder.QR8bitByte(data))
    code.make()
    rows = tuple("".join("01"[bool(module)] for module in row) for row in code.modules)
    return Symbol(text, rows, (4, 4), narrowest=0.25, widest=2)
