"""What events say of units, and units of each other: the rule of two docks (sync.md §2.4). No database here."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inspect_station.core import wire
from inspect_station.core.records import Event, EventType, Inspection, Kind, upgrade
from inspect_station.core.wire import Status
from inspect_station.hub.intake import Voided
from inspect_station.store.connection import Row

ON_NO_LINE = frozenset({EventType.CLAIM_OPENED, EventType.INSPECTION_VOIDED})
"""What puts no unit on a line: a claim has none yet, and what is taken back was told before."""
CONSUMES_NOTHING = frozenset({Kind.WRONG_ITEM, Kind.EMPTY_BOX})
_NOW, _NEVER = 1 << 61, 1 << 62
"""Later than the row of any event that is kept; later than that."""

Line = tuple[str, str, int]
"""Seller, RMA, number of its line."""


class Told(NamedTuple):
    """What a station hears of an event."""

    status: Status
    code: str = ""


class NotYours(Exception):
    """The unit belongs to another tenant."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that stands on the line of an RMA, as far as another one may contradict it."""

    station: str
    serial: str
    grade: str | None
    disposition: str | None


class Shown(NamedTuple):
    """A revision of a unit, as reports read it."""

    unit: Inspection
    event: str
    """The id of the event that told it."""
    station: str


class Judged(NamedTuple):
    """What an event comes to."""

    told: Told
    subject: str = ""
    """The unit that it is about."""
    revision: int = 0
    shown: tuple[Shown, ...] = ()
    """The revisions that can be read now; an undoing of what has not come yet is shown once that comes."""


@dataclass(slots=True)
class _Story:
    """All that was heard of one unit."""

    said: set[int] = field(default_factory=set)
    """Revisions that some event has told."""
    voids: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Undoings by revision: the line, and the station that sent it."""
    shown: dict[int, Shown] = field(default_factory=dict)
    others: bool = False
    """Another tenant has it."""


class Units:
    """Units of one tenant that a request speaks of, and those that stand on the lines of these."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self._stories: defaultdict[str, _Story] = defaultdict(_Story)
        self._standing: defaultdict[Line, dict[str, Unit]] = defaultdict(dict)
        self._where: dict[str, Line] = {}
        self._since: dict[str, int] = {}
        """The number of the row of the event that first put a unit on a line."""
        self._announced: dict[Line, int] = {}

    # ── What is known ────────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, rows: Iterable[Row]) -> None:
        """Events about these units: tenant, station, subject, revision, type, code, line and number of the row."""
        for row in rows:
            story = self._stories[row["subject"]]
            story.others |= row["tenant"] != self._tenant
            story.said.add(row["revision"])
            if row["type"] not in ON_NO_LINE:
                self._since[row["subject"]] = min(row["at"], self._since.get(row["subject"], _NEVER))
            if row["type"] == EventType.INSPECTION_VOIDED and row["code"] != "revision_twice":
                story.voids[row["revision"]] = (row["line"], row["station"])

    def shown(self, rows: Iterable[Row]) -> None:
        """Their revisions as they are kept: body, event, station."""
        for row in rows:
            self._show(Shown(upgrade(wire.parse(row["body"])), row["event_id"], row["station"]))

    def lines(self) -> set[Line]:
        """The lines on which they stand."""
        return set(self._where.values())

    def standing(self, rows: Iterable[Row], announced: Iterable[Row]) -> None:
        """All units on their lines, those of the request aside, with when each came there; how many were announced."""
        for row in rows:
            if row["id"] not in self._stories:
                unit = Unit(row["station"], row["serial"], row["grade"], row["disposition"])
                self._standing[row["seller"], row["number"], row["no"]][row["id"]] = unit
                self._since[row["id"]] = row["since"] or _NEVER
        for row in announced:
            self._announced[row["seller"], row["number"], row["no"]] = row["quantity"]

    # ── What is new ──────────────────────────────────────────────────────────────────────────────────────────────────

    def judged(self, event: Event, said: Inspection | Voided | None, line: str, station: str) -> Judged:
        """What an event says, and what is made of it; nothing is changed yet. Raises NotYours, ValueError."""
        if said is None:
            return Judged(Told(Status.ACCEPTED))
        subject = said.id if isinstance(said, Inspection) else said.inspection
        story = self._stories[subject]
        if story.others:
            raise NotYours
        if said.revision in story.said:
            return Judged(Told(Status.CONFLICT, "revision_twice"), subject, said.revision)
        if isinstance(said, Voided):
            before = story.shown.get(said.revision - 1)
            undone = (_void(before.unit, line, station),) if before else ()
            return Judged(Told(Status.ACCEPTED), subject, said.revision, undone)
        void = story.voids.get(said.revision + 1)
        shown = (Shown(said, event.id, station), *([_void(said, *void)] if void else []))
        return Judged(self._weighed(said, station), subject, said.revision, shown)

    def keep(self, event: Event, judged: Judged, line: str, station: str) -> None:
        """From now on this is known, too."""
        if not judged.subject:
            return
        story = self._stories[judged.subject]
        story.said.add(judged.revision)
        if event.type not in ON_NO_LINE:
            self._since.setdefault(judged.subject, _NOW + len(self._since))
        if event.type == EventType.INSPECTION_VOIDED and judged.told.code != "revision_twice":
            story.voids[judged.revision] = (line, station)
        for shown in judged.shown:
            self._show(shown)

    def newest(self, subject: str) -> int:
        """The revision that counts."""
        return max(self._stories[subject].shown)

    def _show(self, shown: Shown) -> None:
        story = self._stories[shown.unit.id]
        story.shown[shown.unit.revision] = shown
        if shown.unit.revision != max(story.shown):
            return
        if (left := self._where.pop(shown.unit.id, None)) is not None:
            del self._standing[left][shown.unit.id]
        unit = shown.unit
        if unit.line is not None and unit.voided_at is None and unit.kind not in CONSUMES_NOTHING:
            on = self._where[unit.id] = (unit.seller, unit.rma, unit.line.no)
            self._standing[on][unit.id] = _of(unit, shown.station)

    def _weighed(self, unit: Inspection, station: str) -> Told:
        if unit.line is None or not unit.rma or unit.kind in CONSUMES_NOTHING:
            return Told(Status.ACCEPTED)
        on = (unit.seller, unit.rma, unit.line.no)
        mine = self._since.get(unit.id, _NEVER)
        earlier = [
            each for id, each in self._standing[on].items() if id != unit.id and self._since.get(id, _NEVER) < mine
        ]
        quantity = max(unit.line.quantity, self._announced.get(on, 0))
        return _CLASHES[clash(_of(unit, station), earlier, quantity)]


_CLASHES = {
    "": Told(Status.ACCEPTED),
    "duplicate_scan": Told(Status.ACCEPTED, "duplicate_scan"),
    "line_conflict": Told(Status.CONFLICT, "line_conflict"),
}


def clash(unit: Unit, earlier: Sequence[Unit], quantity: int) -> str:
    """What a unit and those that stand on its line make of each other (sync.md §2.4, design.md §7).

    Two with one serial are one parcel inspected twice. Without a serial nobody can tell, until there are more units
    than were announced, from more than one dock: a dock knows its own extra units. Then the same grade and
    disposition twice is a harmless ``duplicate_scan``, anything else a ``line_conflict``; empty where all is well.
    """
    against = [each for each in earlier if unit.serial and each.serial == unit.serial]
    if not against and len(earlier) >= quantity:
        against = [each for each in earlier if not (unit.serial and each.serial)]
        if all(each.station == unit.station for each in against):
            against = []
    if not against:
        return ""
    agree = any((each.grade, each.disposition) == (unit.grade, unit.disposition) for each in against)
    return "duplicate_scan" if agree else "line_conflict"


def _of(unit: Inspection, station: str) -> Unit:
    return Unit(station, unit.serial, unit.grade, unit.disposition)


def _void(unit: Inspection, line: str, station: str) -> Shown:
    """The revision after this one, as an event that undoes it says."""
    event = Event(**wire.parse(line))
    void = Voided.model_validate(wire.cleaned(event.body))
    return Shown(
        unit.but(revision=void.revision, voided_at=event.occurred_at, void_reason=void.reason), event.id, station
    )
