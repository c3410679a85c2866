"""Parcel numbers: which texts look like one, and what a carrier's barcode holds around the number that people know.

A store knows a parcel by what the seller or the carrier's site calls its number; the bars on the parcel often hold
a postcode and a service too.
"""

import re
from collections.abc import Callable, Iterator
from itertools import cycle

from stdnum.iso7064 import mod_37_36

from inspect_station.core.gs1 import check_holds

_PLAIN = re.compile(r"1Z[0-9A-Z]{16}|[A-Z]{2}[0-9]{9}[A-Z]{2}")
"""UPS, and the postal unions' S10."""

_USPS = r"9[1-5](?:[0-9]{20}|[0-9]{24})"
_Proof = Callable[[re.Match[str]], bool]


def _number_holds(match: re.Match[str]) -> bool:
    return check_holds(match["number"])


def _label_holds(match: re.Match[str]) -> bool:
    """DPD's check character over the whole line; the bars are without it, and begin with a % instead."""
    return match[0].startswith("%") or mod_37_36.is_valid(match[0])


def _weights_hold(match: re.Match[str]) -> bool:
    """FedEx: digits weighted 1, 3, 7 from the right, modulo 11, then 10."""
    *digits, check = (int(digit) for digit in match["number"])
    weighted = sum(digit * weight for digit, weight in zip(reversed(digits), cycle((1, 3, 7)), strict=False))
    return weighted % 11 % 10 == check


_WRAPPED: tuple[tuple[re.Pattern[str], _Proof], ...] = tuple(
    (re.compile(pattern), proof)
    for pattern, proof in (
        # USPS Publication 199 (IMpb): 420 and the addressee's ZIP or ZIP+4, then the number of 22 or 26 digits.
        (rf"(?:420[0-9]{{5}})?(?P<number>{_USPS})", _number_holds),
        (rf"420[0-9]{{9}}(?P<number>{_USPS})", _number_holds),
        # DPD parcel label specification 2.4: % or nothing, postcode (7), number (14), service (3), country (3), and
        # in print a check character.
        ("%[0-9A-Z]{7}(?P<number>[0-9]{14})[0-9]{6}", _label_holds),
        ("[0-9A-Z]{7}(?P<number>[0-9]{14})[0-9]{6}[0-9A-Z]", _label_holds),
        # FedEx Express and Ground, 34 digits: the number is the last 14, known by 12 where it begins with two zeros;
        # FedEx Ground 96, 22 digits: the last 15 (github.com/jkeen/tracking_number_data, couriers/fedex.json).
        ("(?:100|96[0-9])[0-9]{17}(?P<number>[0-9]{14})", _weights_hold),
        ("(?:100|96[0-9])[0-9]{17}00(?P<number>[0-9]{12})", _weights_hold),
        ("96[0-9]{5}(?P<number>[0-9]{15})", _number_holds),
    )
)


def numbers(text: str) -> Iterator[str]:
    """The parcel numbers that a text in capitals, without spaces, holds in the form of a carrier's barcode."""
    for pattern, proof in _WRAPPED:
        match = pattern.fullmatch(text)
        if match and proof(match):
            yield match["number"]


def looks_like_one(text: str) -> bool:
    """Whether a text in capitals, without spaces, has the form of a parcel number or of a carrier's barcode."""
    return _PLAIN.fullmatch(text) is not None or any(numbers(text))
