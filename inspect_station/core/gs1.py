"""GS1 strings: the elements of what a GS1 barcode or a GS1 Digital Link holds, none of them cut or merged.

What an element may hold (its length, signs, date and check digit) is asked of biip. Where one ends is not: its
`GS1Message` takes what fits and begins the next element in the rest, so that a value that lost its separator, or
is too long, is cut in two without a word; and it keeps the last of two values.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlsplit

from stdnum import ean

GS = "\x1d"
"""FNC1 between two elements."""


def check_holds(number: str) -> bool:
    """The GS1 check digit at the end of ASCII digits: of a GTIN, an SSCC and the other GS1 keys alike."""
    return ean.calc_check_digit(number[:-1]) == number[-1]


def elements(body: str) -> tuple[dict[str, str], str]:
    """The elements of a string without leading FNC1: application identifier → value; and the one that is in doubt.

    A value of variable length goes to the next separator or the end. Where the string has no separator at all,
    only the last can have a variable length: it is in doubt when another element could begin inside it, because the
    separator between them may have been lost. Raises ValueError unless every element has its exact form.
    """
    from biip import ParseError
    from biip.gs1_application_identifiers import GS1ApplicationIdentifier
    from biip.gs1_element_strings import GS1ElementString

    found: list[tuple[str, str]] = []
    rest, form = body, ""
    try:
        while rest:
            identifier = GS1ApplicationIdentifier.extract(rest)
            form = identifier.format
            if identifier.separator_required:
                element, _, rest = rest.partition(GS)
            else:
                size = len(identifier.ai) + int(form.rpartition("N")[2])
                element, rest = rest[:size], rest[size:].removeprefix(GS)
            GS1ElementString.parse(element)
            found.append((identifier.ai, element[len(identifier.ai) :]))
    except ParseError as error:
        raise ValueError(str(error)) from None
    proven = _proven(found)
    open_ended = ".." in form and GS not in body
    return proven, found[-1][0] if open_ended and _may_hold_another(proven) else ""


def link(text: str) -> dict[str, str] | None:
    """The elements of a GS1 Digital Link of any domain, which is never opened; None where the text is none."""
    from biip import ParseError
    from biip.gs1_digital_link_uris import GS1DigitalLinkURI

    try:
        uri = GS1DigitalLinkURI.parse(text)
        # Its parser keeps the last of two values: they are looked at here.
        asked = [(key, value) for key, value in parse_qsl(urlsplit(text).query) if key.isdecimal()]
        parsed = [(each.ai.ai, each.value) for each in uri.element_strings]
        known = {ai for ai, _ in parsed}
        return _proven([*parsed, *(pair for pair in asked if pair[0] in known)])
    except (ParseError, ValueError):
        return None


_CHECKED: Mapping[str, int] = {
    **{"00": 18, "01": 14, "02": 14, "03": 14, "253": 13, "255": 13, "402": 17},
    **dict.fromkeys(("410", "411", "412", "413", "414", "415", "416", "417"), 13),
    **{"8003": 14, "8006": 14, "8017": 18, "8018": 18},
}
"""Digits at the start of a value of which the last is a check digit (GS1 General Specifications, section 3)."""


def _proven(found: Iterable[tuple[str, str]]) -> dict[str, str]:
    proven: dict[str, str] = {}
    for ai, value in found:
        if not value.isascii() or proven.setdefault(ai, value) != value:
            raise ValueError(f"two values, or a foreign digit, in ({ai}): {value!r}")
        if ai in _CHECKED and not check_holds(value[: _CHECKED[ai]]):
            raise ValueError(f"wrong check digit in ({ai}): {value!r}")
    if not proven:
        raise ValueError("no element")
    return proven


_DATE = r"[0-9]{2}(?:0[1-9]|1[0-2])(?:[0-2][0-9]|3[01])"
_FOLLOWERS: Mapping[str, str] = {
    **dict.fromkeys(("10", "21", "22", "235", "240", "241", "250", "251", "400"), "."),
    **dict.fromkeys(("11", "12", "13", "15", "16", "17"), _DATE),
    **dict.fromkeys(("30", "37"), "[0-9]{1,8}$"),
    **dict.fromkeys(("410", "411", "412", "413", "414"), "[0-9]{13}"),
    **{"00": "[0-9]{18}", "01": "[0-9]{14}", "02": "[0-9]{14}", "8008": _DATE, "3[1-6][0-9]{2}": "[0-9]{6}"},
}
"""Elements that stand beside others on articles and parcels, and how each begins. Not a company's own (90 to 99): two
digits that may begin anything would put two serials of three in doubt."""


def _may_hold_another(found: Mapping[str, str]) -> bool:
    """Whether an element that the string does not have yet could begin inside the last value."""
    value = list(found.values())[-1]
    followers = (f"{ai}{start}" for ai, start in _FOLLOWERS.items() if ai not in found)
    return re.search(f".(?:{'|'.join(followers)})", value) is not None
