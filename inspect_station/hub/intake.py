"""What a station sends, read without trust: bytes into lines, a line into what it says or why it cannot be taken."""

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from inspect_station.core import wire
from inspect_station.core.barcode import clean
from inspect_station.core.records import (
    INSPECTION_SCHEMA,
    SETTLING,
    Event,
    EventType,
    Inspection,
    Record,
    Settled,
    upgrade,
)
from inspect_station.core.wire import Status

SCHEMA = 1
"""The newest form of an event's body that this hub reads, of every type but `SETTLING`."""
MAX_VALUES = 1_000_000
"""JSON values in one request: in memory each takes many times the two bytes that it may have as sent; ours."""
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FITS = 1 << 31
"""Numbers below it fit into a column."""
_EVENT = TypeAdapter(Event)
_UNIT = frozenset({EventType.INSPECTION_FINISHED, EventType.INSPECTION_AMENDED, EventType.CLAIM_OPENED})
_OF_A_UNIT = _UNIT | {EventType.INSPECTION_VOIDED}
_TYPES = frozenset(EventType)
_HEAD = re.compile(rf'\{{"id":"({_ID.pattern})"')
"""How a station writes the begin of a line; one that is written otherwise is read whole."""


class Misframed(ValueError):
    """The request is not what it should be; nothing of it is taken."""


class TooLarge(ValueError):
    """The request exceeds a limit; nothing of it is taken."""


class Voided(Record):
    """The body of ``inspection.voided``: a unit is as if it had not been inspected."""

    inspection: Annotated[str, Field(pattern=_ID.pattern)]
    revision: Annotated[int, Field(gt=1, lt=_FITS)]
    """The one after that which it takes back."""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One line that arrived."""

    id: str
    sha256: str
    line: str
    """Kept exactly as it came."""
    status: Status
    """``accepted`` as far as the line itself goes, else ``rejected`` or ``retry``; ``duplicate`` where it was kept
    before and not read again."""
    code: str = ""
    detail: str = ""
    event: Event | None = None
    """Its envelope, if that can be read."""
    said: Inspection | Voided | Settled | None = None
    """What it says of a unit, if it speaks of one, or of several."""
    epoch: str = ""
    """To which it belongs, if that is known."""


Kept = Callable[[Sequence[tuple[str, str]]], Mapping[str, str]]
"""Of these ids and hashes, the hashes of what is kept already, with its epoch."""


def unpack(data: bytes, encoding: str) -> bytes:
    """The body of a request, unpacked no further than the limit. Raises Misframed, TooLarge."""
    if encoding != "gzip":
        return data
    inflate = zlib.decompressobj(wbits=31)
    try:
        body = inflate.decompress(data, wire.MAX_UNPACKED + 1)
    except zlib.error as error:
        raise Misframed("not gzip") from error
    if len(body) > wire.MAX_UNPACKED:
        raise TooLarge(f"more than {wire.MAX_UNPACKED} bytes unpacked")
    if not inflate.eof or inflate.unused_data:
        raise Misframed("not one whole gzip member")
    return body


def lines(body: bytes, kept: Kept = lambda _: {}) -> list[Arrival]:
    """The lines of a request. Raises Misframed, naming the first line without a readable id, and TooLarge.

    How much there is to read is known before any of it is. A line that is kept to the byte was read when it first
    came, and is not read again.
    """
    if sum(map(body.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise TooLarge(f"more than {MAX_VALUES} values")
    raw = body.removesuffix(b"\n").split(b"\n")
    if len(raw) > wire.MAX_EVENTS:
        raise TooLarge(f"more than {wire.MAX_EVENTS} events")
    if max(map(len, raw)) > wire.MAX_LINE:
        raise TooLarge(f"an event of more than {wire.MAX_LINE} bytes")
    try:
        texts = [each.decode() for each in raw]
    except UnicodeDecodeError as error:
        raise Misframed("not UTF-8") from error
    found = [(head[1], _hash(text)) if (head := _HEAD.match(text)) else ("", "") for text in texts]
    epochs = kept([each for each in found if each[0]])
    return [
        Arrival(id, sha256, text, Status.DUPLICATE, epoch=epochs[sha256])
        if sha256 in epochs
        else read(text, no, sha256)
        for no, (text, (id, sha256)) in enumerate(zip(texts, found, strict=True), start=1)
    ]


def read(line: str, no: int = 1, sha256: str = "") -> Arrival:
    """One line, whose hash is this if it is known. Raises Misframed where it has no id that a receipt could name."""
    try:
        raw = wire.parse(line)
    except ValueError as error:
        raise Misframed(f"line {no}: {error}") from error
    id = raw.get("id") if isinstance(raw, dict) else None
    if not isinstance(id, str) or not _ID.fullmatch(id):
        raise Misframed(f"line {no}: no id")
    sha256 = sha256 or _hash(line)
    event = None
    try:
        event = _event(raw)
        newest = SETTLING if event.type == EventType.INSPECTION_AMENDED else SCHEMA
        if event.type not in _TYPES or event.schema > newest or _version(event) > INSPECTION_SCHEMA:
            return Arrival(id, sha256, line, Status.RETRY, "schema_too_new", event=event, epoch=event.epoch)
        said = _said(event, wire.plain(line))
    except ValueError as error:
        epoch = event.epoch if event else ""
        return Arrival(id, sha256, line, Status.REJECTED, "schema_invalid", _why(error), event=event, epoch=epoch)
    return Arrival(id, sha256, line, Status.ACCEPTED, event=event, said=said, epoch=event.epoch)


def _hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _event(raw: dict[str, Any]) -> Event:
    event = _EVENT.validate_python(raw)
    if event.occurred_at.tzinfo is None:
        raise ValueError("occurred_at: a time without its zone")
    if not (0 < event.seq < wire.MAX_NUMBER and 0 <= event.mono_ms < wire.MAX_NUMBER and event.schema > 0):
        raise ValueError("seq, mono_ms or schema: out of range")
    if not _ID.fullmatch(event.epoch) or max(len(event.type), len(event.operator), len(event.tz)) > 100:
        raise ValueError("epoch, type, operator or tz: not as it should be")
    return event


def _version(event: Event) -> int:
    """The version of the inspection in the body; 0 where the body holds none."""
    version = event.body.get("schema_version", INSPECTION_SCHEMA) if event.type in _UNIT else 0
    if not isinstance(version, int):
        raise ValueError("body.schema_version: not a number")
    return version


def _said(event: Event, plain: bool) -> Inspection | Voided | Settled | None:
    if event.type not in _OF_A_UNIT:
        return None
    body = event.body if plain else wire.cleaned(event.body)
    if event.type == EventType.INSPECTION_VOIDED:
        return Voided.model_validate(body)
    if event.type == EventType.INSPECTION_AMENDED and event.schema == SETTLING:
        word = Settled.model_validate(body)
        named = (word.unit.inspection, word.unit.event, *word.based_on)
        if not all(map(_ID.fullmatch, named)) or not {word.unit.event, *word.over} <= set(word.based_on):
            raise ValueError("body.unit, based_on or over: not as it should be")
        if abs(word.line) >= _FITS or (word.unit.event in word.over and not word.again):
            raise ValueError("body.line or over: out of range")
        return word
    unit = upgrade(body)
    if not _ID.fullmatch(unit.id) or not 0 < unit.revision < _FITS or not 0 < len(unit.lpn) <= 40:
        raise ValueError("body.id, revision or lpn: not as it should be")
    if max(abs(unit.line.no) if unit.line else 0, abs(unit.discount or 0)) >= _FITS:
        raise ValueError("body.line.no or discount: out of range")
    if unit.finished_at is None or unit.voided_at is not None:
        raise ValueError("body.finished_at: not a finished unit")
    if unit.finished_at.tzinfo is None or unit.started_at.tzinfo is None:
        raise ValueError("body.started_at or finished_at: a time without its zone")
    return unit


def _why(error: ValueError) -> str:
    """Where and what, without the value: it may be anybody's data."""
    if isinstance(error, ValidationError):
        first = error.errors(include_input=False, include_url=False)[0]
        return clean(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", 200)
    return clean(str(error), 200)
