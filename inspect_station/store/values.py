"""What passes through the doors of the store beside the records themselves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from inspect_station.core.records import Disposition, Line, Rma
from inspect_station.message import Message

Origin = Literal["hub", "local"]
"""Who says so: the hub, or an import at this station."""

EventState = Literal["pending", "sent", "accepted", "duplicate", "rejected", "conflict", "suspect"]
"""``pending`` and ``sent`` are on their way; ``accepted``, ``duplicate`` and ``conflict`` are with the hub;
``rejected``, ``conflict`` and ``suspect`` are parked: a person should look (sync.md §2.2, §2.5)."""

PhotoState = Literal["owed", "kept", "waiting", "sent", "verified", "deleted", "erased", "bad", "missing"]
"""``owed``: the camera was down; ``kept``: of a carton, it stays here; ``waiting`` for the hub; ``sent``: the hub looks
at it; ``verified`` by it; ``deleted`` here after that, when its time was over; ``erased``: the hub said that nobody is
to have it. Parked, so that a person looks: ``bad``, the hub does not take it; ``missing``, its file is gone."""

UnitAtHub = Literal["waiting", "accepted", "parked"]
"""Whether the hub has a unit's newest record, with a receipt for it."""

ScanBack = Literal["", "wanted", "done"]
"""Whether a label is to be scanned on its box before the unit is done."""
LabelState = Literal["queued", "printing", "printed", "parked", "cancelled"]
"""``parked``: it may have come out, or it is too late for it, and nothing prints it again without a person;
``cancelled``: its unit was undone or finished anew, or a person said so."""


class OpenLine(NamedTuple):
    """A line of an RMA of which units are still to come."""

    rma: Rma
    line: Line
    open: int


@dataclass(frozen=True, slots=True)
class EventSpec:
    """A fact to tell the hub; `Writer.append_event` makes the event of it."""

    type: str
    """One of `EventType`."""
    body: Mapping[str, Any]
    """JSON values only."""
    operator: str
    at: datetime
    schema: int = 1


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event in the outbox."""

    id: str
    epoch: str
    seq: int
    type: str
    line: str
    """Sent exactly as it stands, in UTF-8, with one line feed after it."""
    sha256: str
    state: EventState
    code: str
    tries: int
    not_before: datetime | None
    created_at: datetime
    receipt_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an event."""

    id: str
    state: EventState
    code: str = ""
    not_before: datetime | None = None
    """Not to be sent again earlier."""


@dataclass(frozen=True, slots=True)
class LabelSpec:
    """A label to print."""

    lpn: str
    inspection: str
    kind: str
    """Name of the template."""
    print_no: int
    """From `Reader.next_print_no`; no two labels of one plate share a number."""
    fields: Mapping[str, str]
    copy_no: int = 1
    """The n of the words "copy n" on label and screen."""
    operator: str = ""
    """Who asked for it."""
    why: str = ""
    """Why it was asked for again."""
    scan_back: bool = False
    """The unit is done only when this label has been scanned on it."""

    @property
    def slip(self) -> bool:
        """Its bars bear the plate without the print's number: it takes nothing from the unit's own label."""
        return self.fields.get("barcode") == self.lpn


@dataclass(frozen=True, slots=True)
class LabelJob:
    """A label in the queue, or in its history."""

    id: int
    lpn: str
    inspection: str
    kind: str
    print_no: int
    fields: Mapping[str, str]
    state: LabelState
    reason: Message | None
    """Why it is parked."""
    created_at: datetime
    printed_at: datetime | None
    printer: str
    """Where it was sent last; empty = nowhere, so that it surely did not come out."""
    copy_no: int = 1
    """The n of the words "copy n" on label and screen."""
    operator: str = ""
    why: str = ""
    """Why it was asked for again."""
    confirmed: bool = False
    """The printer itself said that it came out."""
    scan_back: ScanBack = ""
    void: bool = False
    """It says what is not so any more, or a newer one came out: where it turns up, it is destroyed."""

    @property
    def code(self) -> str:
        """What its barcode says, unless it is a slip."""
        return f"{self.lpn}/{self.print_no}"

    @property
    def slip(self) -> bool:
        """It came beside the unit's own label."""
        return self.fields.get("barcode") == self.lpn


@dataclass(frozen=True, slots=True)
class StoredPhoto:
    """The picture in one slot of one inspection."""

    inspection: str
    slot: str
    sha256: str
    """Empty while owed."""
    state: PhotoState
    taken_at: datetime | None
    operator: str
    code: str = ""
    """Why it is parked."""
    not_before: datetime | None = None
    """Not to be tried again earlier."""


@dataclass(frozen=True, slots=True)
class TakenOut:
    """A unit that was in a batch for a time."""

    inspection: str
    lpn: str
    joined_at: datetime
    joined_by: str
    left_at: datetime
    left_by: str
    why: str


@dataclass(frozen=True, slots=True)
class Tally:
    """The units finished in some span of time; only those that stand."""

    units: int
    by_disposition: Mapping[Disposition, int]
    defective: int
    average_s: int | None
    """Mean seconds spent on a unit; None without units."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How much waits, and for what."""

    events: int
    """Not yet with the hub and not parked."""
    units: int
    """Inspections among these events."""
    events_parked: int
    events_refused: int
    """Of the parked ones, those that the hub did not take; it keeps the others."""
    photos: int
    photos_owed: int
    photos_parked: int
    labels: int
    labels_parked: int


@dataclass(frozen=True, slots=True)
class Graded:
    """Finished units that agree in seller, grade, disposition, operator and currency, as reports count them."""

    seller: str
    grade: str | None
    disposition: str | None
    operator: str
    currency: str
    units: int
    photos: int
    list_minor: int
    """Of all of them, in the currency's minor unit; 0 for those without."""
    price_minor: int
    waiting: int
    """Units whose case waits for the seller."""
    clock_suspect: int
    """Units that were finished while the station's clock was not to be believed."""


@dataclass(frozen=True, slots=True)
class StoredPlaybook:
    """A seller's rules as somebody activated them."""

    id: int
    """Rises with each activation."""
    seller: str
    sha256: str
    body: str
    """The text as it was written."""
    activated_at: datetime
    activated_by: str


@dataclass(frozen=True, slots=True)
class Verified:
    """A store, or a copy of one, in which everything holds together."""

    station: str
    revision: str
    inspections: int
    """Revisions included."""
    events: int
    last_finished_at: datetime | None
