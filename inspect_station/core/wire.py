"""What station and hub say to each other: the forms of their requests and answers, and the limits of both.

Both ends read these forms from bytes that a stranger may have sent; fields of a newer version are ignored.
"""

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic.dataclasses import dataclass
from pydantic_core import from_json, to_json

from inspect_station.core.barcode import clean
from inspect_station.core.records import Record, compact

MAX_EVENTS = 200
"""Events in one request."""
MAX_WIRE = 1 << 20
"""Bytes of a request as it travels."""
MAX_UNPACKED = 8 << 20
"""Bytes of a request, or of an answer, unpacked."""
MAX_LINE = 256 << 10
"""Bytes of one event."""
MAX_KNOWN = 5000
"""Ids in one question about what is known."""
MAX_DEPTH = 200
"""Lists and objects within each other, so that whoever walks through them comes back; ours."""
MAX_CHANGES = 500
"""Changes in one page."""
FEEDS = ("rma", "catalogue", "decision", "erased")
"""What a hub of this version announces, and a station of this version takes in; ``erased`` names photos, by SHA-256,
that nobody is to have any more."""
MAX_NUMBER = 1 << 53
"""Whole numbers up to here are the same for every reader of JSON, and fit into a column."""

OPENED_S = 900
"""Seconds for which it is told that a return is open at a dock (sync.md §2.4)."""
MAX_OPENED = 8
"""Returns that one dock has open: so many share a carton."""
MAX_DOCKS = 8
"""Docks named at which they are open, too."""

MAX_PHOTO = 8 << 20
"""Bytes of one photo."""
PHOTO_TYPES = ("image/jpeg", "image/png", "image/webp")
"""What a photo may be; its first bytes have to say the same."""

NDJSON = "application/x-ndjson"
"""One event a line, each exactly as it was stored; what separates two is a line feed, and nothing else."""


class Status(StrEnum):
    """What became of one event at the hub."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    """It was there already, with the same hash."""
    CONFLICT = "conflict_recorded"
    """It is kept, beside another that says something else of the same thing; a person decides."""
    REJECTED = "rejected"
    """It is kept aside, whole: the code says why."""
    RETRY = "retry"
    """Not now: this hub is too old for it. The station keeps it and sends it again."""


SETTLED = {"void": "voided_at_hub", "accept_as": "corrected_at_hub"}
"""What a person did with a line that was ``rejected``, and the code that a receipt for it bears from then on, with
``duplicate``: the line is there to the byte, and nobody has to look any more."""


class Said(Record):
    """What every answer carries, so that it is known who answers: a captive portal does not know the epoch."""

    hub_time: datetime
    hub_epoch: str
    """Random for each new or restored hub: what it had confirmed before, it may not have any more."""


class Problem(Said):
    """Why a request was not carried out; nothing of it was."""

    code: str
    title: str = ""


class Receipt(Record):
    """What became of one event."""

    id: str
    sha256: str
    """Of the line that the hub received: a receipt for other bytes than ours is none."""
    status: Status
    code: str = ""
    after_s: int = 0
    """With ``retry``: seconds to wait."""


class Receipts(Said):
    """The answer to events, one receipt for each, in their order."""

    receipts: tuple[Receipt, ...]
    contiguous_seq: int = 0
    """All events of the last line's epoch up to this number have arrived."""


class Enrol(Record):
    """A station asks to be known."""

    code: str
    """Shown once by `hub station add`."""
    epoch: str
    block: str = ""
    """The block of licence plates that the station drew for itself."""


class Enrolled(Said):
    """A station is known from now on."""

    station_id: str
    token: str
    block: str
    """The block of licence plates that is this epoch's alone."""


class Token(Said):
    """A new token; the one before lives until this is used, which it must be within 30 days."""

    token: str


class Ask(Record):
    """Which of these events are there?"""

    lines: tuple[tuple[str, str], ...]
    """Id and SHA-256 of each."""


class Known(Said):
    """Events asked about that are not there, or are there with another hash."""

    missing: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()


class Opened(Record):
    """What is open at the station that says so, instead of what it said before; a hint, and no fact."""

    rmas: tuple[tuple[str, str], ...] = ()
    """Seller and number of each return, `MAX_OPENED` at most; none = nothing is open there any more."""
    operator: str = ""
    """Who works there, as people say it."""


class OpenAt(Record):
    """One dock at which a return is open."""

    seller: str
    rma: str
    station: str
    """Its name."""
    operator: str
    age_s: int
    """Seconds since it was opened there: no clock of anybody else's has to be right."""


class OpenElsewhere(Said):
    """Where else the returns are open that the station has open, the newest first."""

    docks: tuple[OpenAt, ...]


class BlobAsk(Record):
    """May this photo be sent? It is named by the SHA-256 of its bytes in the path ``/v1/blobs/{sha256}``."""

    size: int
    """Bytes, exactly: a place is given for so many and no others."""
    mime: str
    """One of `PHOTO_TYPES`."""


class BlobPlace(Said):
    """Where the bytes of a photo go."""

    mode: Literal["have", "put", "hub"]
    """``have``: nowhere, the hub has it (200). ``put``: by PUT to ``url`` with exactly ``headers`` and without the
    station's token, where 412 means that it is there already; then ``complete``. ``hub``: by PUT to the path that was
    asked, with the token and the photo's type as Content-Type; then ``complete`` (both 201)."""
    url: str = ""
    """Good for a few minutes; refused later, ask again."""
    headers: Mapping[str, str] = {}
    erased: bool = False
    """With ``have``: it was erased. Nobody takes it any more; a station of before is done with it all the same."""


class BlobState(Said):
    """What the hub makes of the bytes that it was sent; bad ones are a `Problem` (422) and may be sent again."""

    state: Literal["verified", "verifying"]
    """``verified`` (200): its hash and picture are good, the hub keeps it. ``verifying`` (202): ask ``complete`` again
    after Retry-After."""
    erased: bool = False
    """With ``verified``: it was erased, and its bytes were not kept."""


class ParkedLine(Record):
    """What the hub could not take as it is; no field of this is from the line itself."""

    no: int
    """By which it is called at this hub."""
    received_at: datetime
    station: str
    """Its name."""
    id: str
    """Of the event; several lines may claim the same."""
    code: str
    """Why it was not taken."""
    detail: str


class Parked(Said):
    """A page of what is parked and nobody has dealt with, the oldest first."""

    parked: tuple[ParkedLine, ...]
    more: bool
    """Whether there is a next page, after the last ``no`` of this."""
    photos_missing: int
    """Photos that units refer to and the hub does not have."""


class ParkedWhole(Said):
    """One parked line with its bytes, and what became of it."""

    parked: ParkedLine
    line: str
    resolved_at: datetime | None
    resolution: str
    note: str
    resolved_by: str


class Resolve(Record):
    """A supervisor deals with a parked line."""

    action: Literal["retry", "accept_as", "void"]
    """``retry``: as the hub is now, it may take it. ``accept_as``: ``line`` says what it was meant to say. ``void``: it
    says nothing."""
    note: str = ""
    """Why; only ``retry`` goes without."""
    line: str = ""
    """With ``accept_as``: the whole event, under the same epoch and number."""


class Resolved(Said):
    """What became of a parked line."""

    no: int
    status: Status
    code: str = ""


@dataclass(frozen=True)
class Change:
    """The newest state of one thing that the hub keeps for its stations."""

    feed: str
    """One of `FEEDS`; a station passes over others."""
    key: str
    """What it is known by within its feed."""
    version: int
    """Rises with each change of this thing."""
    op: str
    """``upsert``, or ``delete``: it is not announced any more."""
    schema: int
    body: dict[str, Any]


class Changes(Said):
    """A page of changes."""

    since: str | None = None
    """The cursor that was asked with: an answer to another question, such as a proxy may keep, is none to this. The
    first hubs did not say it."""
    changes: tuple[Change, ...]
    cursor: str
    """Where the next page begins; opaque."""
    more: bool
    """Whether there is a next page now."""


def parse(text: str | bytes) -> Any:
    """The value of a JSON text, if any reader would read the same out of it and could write it again.

    Raises ValueError for anything else: repeated keys, NaN and infinities, lone surrogates, nesting without end.
    """
    text = text if isinstance(text, str) else text.decode()
    value, same = _quick(text)
    if same:
        return value
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    text.encode()
    if "\\u" in text:  # as which alone half a pair of surrogates may still stand
        compact(value).encode()
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper(value, MAX_DEPTH):
        raise ValueError("nested too deeply")
    return value


def _quick(text: str) -> tuple[Any, bool]:
    """The value of a JSON text, and whether that text is the only one it is written as, without a doubt.

    What comes back to the byte has nothing twice and no number that is none; anything else wants a closer look.
    """
    try:
        raw = text.encode()
        value = from_json(raw, allow_inf_nan=False)
        return value, to_json(value) == raw and text.count("[") + text.count("{") <= MAX_DEPTH
    except ValueError:
        return None, False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number that is none")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_float=_finite, parse_constant=_finite)


def _deeper(value: Any, depth: int) -> bool:
    """Whether it is nested deeper than this; found without recursion."""
    level = [value]
    for _ in range(depth):
        level = [part for each in level for part in _parts(each)]
    return any(isinstance(each, dict | list) for each in level)


def _parts(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def plain(text: str) -> bool:
    """Whether the text of a JSON object surely is as `cleaned` would leave it: told by a look at the text alone.

    What is printable and in NFC as a whole is so in each part; without escapes, each part is what it looks like.
    """
    return (
        text.startswith("{")
        and text.isprintable()
        and not ("\\" in text or '" ' in text or ' "' in text)
        and (text.isascii() or unicodedata.is_normalized("NFC", text))
        and not (_LARGE.search(text) or _NEXT.search(text) or _FIRST.search(text))
    )


# A number that may lie beyond `MAX_NUMBER`, in an object, next in a list, first in a list: three that begin with one
# sign each are several times as fast as one that begins with any of them.
_LARGE, _NEXT, _FIRST = (re.compile(rf"{sign}[ -]*[0-9](?:[0-9]{{15}}|[0-9.]*[eE])") for sign in (":", ",", r"\["))


def cleaned(value: Any) -> Any:
    """A JSON value with every text in it fit for a screen. Raises ValueError for a number beyond `MAX_NUMBER`."""
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(key): cleaned(each) for key, each in value.items()}
        case list():
            return [cleaned(each) for each in value]
        case int() | float() if abs(value) > MAX_NUMBER:
            raise ValueError("a number out of range")
        case _:
            return value
