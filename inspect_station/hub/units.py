"""What events say of units, and units of each other: the rule of two docks (sync.md §2.4). No database here."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from inspect_station.core import wire
from inspect_station.core.records import Event, EventType, Inspection, Kind, Settled, Standing, compact, upgrade
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


class Stood(NamedTuple):
    """A unit on a line, by the event that says how it is."""

    id: str
    event: str
    unit: Unit
    settles: tuple[str, ...] = ()
    """Events of others over which it counts."""
    at: int = 0
    """The number of the row of its event."""


class Word(NamedTuple):
    """What a supervisor has decided about units that contradict."""

    unit: str
    event: str
    """What that unit said then."""
    others: frozenset[str]
    """The other events that were seen."""
    over: frozenset[str]
    """Those that do not count any more."""
    again: bool
    at: int
    """The number of the row of its event."""


class LinedUp(NamedTuple):
    """How units of one line stand to each other."""

    standing: Mapping[str, Standing]
    """By their ids, all of them."""
    again: str = ""
    """The unit that is to be inspected again."""
    heeded: frozenset[int] = frozenset()
    """The numbers of the words that count; others are stale."""

    @property
    def open(self) -> bool:
        """Somebody still has to do something."""
        return bool(self.again) or Standing.CONTESTED in self.standing.values()


class Shown(NamedTuple):
    """A revision of a unit, as reports read it."""

    unit: Inspection
    event: str
    """The id of the event that told it."""
    station: str
    at: int = 0
    """The number of the event's row."""


class Judged(NamedTuple):
    """What an event comes to."""

    told: Told
    subject: str = ""
    """The unit that it is about."""
    revision: int = 0
    shown: tuple[Shown, ...] = ()
    """The revisions that can be read now; an undoing of what has not come yet is shown once that comes."""
    word: tuple[Line, Word] | None = None


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
        self._standing: defaultdict[Line, dict[str, Stood]] = defaultdict(dict)
        self._words: defaultdict[Line, list[Word]] = defaultdict(list)
        self.unsettled: set[Line] = set()
        """Lines on which units stood, or stand now, otherwise than counting: to be looked at again."""
        self.kept: set[str] = set()
        """Units of which something was heard before."""
        self._told = 0
        self._where: dict[str, Line] = {}
        self._since: dict[str, int] = {}
        """The number of the row of the event that first put a unit on a line."""
        self._announced: dict[Line, int] = {}

    # ── What is known ────────────────────────────────────────────────────────────────────────────────────────────────

    def heard(self, rows: Iterable[Row]) -> None:
        """Events about these units: tenant, station, subject, revision, type, code, line and number of the row."""
        for row in rows:
            self.kept.add(row["subject"])
            story = self._stories[row["subject"]]
            story.others |= row["tenant"] != self._tenant
            story.said.add(row["revision"])
            if row["type"] not in ON_NO_LINE:
                self._since[row["subject"]] = min(row["at"], self._since.get(row["subject"], _NEVER))
            if row["type"] == EventType.INSPECTION_VOIDED and row["code"] != "revision_twice":
                story.voids[row["revision"]] = (row["line"], row["station"])

    def shown(self, rows: Iterable[Row]) -> None:
        """Their revisions as they are kept: body, event, station, number of the event's row."""
        for row in rows:
            self._show(Shown(upgrade(wire.parse(row["body"])), row["event_id"], row["station"], row["at"]))

    def decided(self, rows: Iterable[Row]) -> None:
        """What supervisors have said of these lines: the event's line, the number of its row."""
        for row in rows:
            on, word = word_of(Settled.model_validate(wire.cleaned(wire.parse(row["line"])["body"])), row["at"])
            self._words[on].append(word)

    def lines(self) -> set[Line]:
        """The lines on which they stand."""
        return set(self._where.values())

    def standing(self, rows: Iterable[Row]) -> None:
        """All units on their lines, with when each came there, and how many were announced; none of these new ones.

        On a line where nothing stands it does not matter: the units of one request come from one dock.
        """
        for row in rows:
            if row["announced"] is not None:
                self._announced[row["seller"], row["number"], row["no"]] = row["announced"]
            if row["id"] not in self._stories:
                self._standing[row["seller"], row["number"], row["no"]][row["id"]] = stood(row)
                self._since[row["id"]] = row["since"] or _NEVER

    # ── What is new ──────────────────────────────────────────────────────────────────────────────────────────────────

    def judged(self, event: Event, said: Inspection | Voided | Settled | None, line: str, station: str) -> Judged:
        """What an event says, and what is made of it; nothing is changed yet. Raises NotYours, ValueError."""
        if said is None:
            return Judged(Told(Status.ACCEPTED))
        at = _NOW + self._told
        if isinstance(said, Settled):
            on, word = word_of(said, at)
            heeded = line_up(self._on(on), [*self._words[on], word], self._announced.get(on, 1)).heeded
            told = Told(Status.ACCEPTED) if at in heeded else _STALE
            return Judged(told, compact(on), word=(on, word))
        subject = said.id if isinstance(said, Inspection) else said.inspection
        story = self._stories[subject]
        if story.others:
            raise NotYours
        if said.revision in story.said:
            return Judged(Told(Status.CONFLICT, "revision_twice"), subject, said.revision)
        if isinstance(said, Voided):
            before = story.shown.get(said.revision - 1)
            taken_back = (_void(before.unit, line, station),) if before else ()
            return Judged(Told(Status.ACCEPTED), subject, said.revision, taken_back)
        void = story.voids.get(said.revision + 1)
        shown = Shown(said, event.id, station, at)
        undone = [_void(said, *void)] if void else []
        return Judged(self._weighed(shown), subject, said.revision, (shown, *undone))

    def keep(self, event: Event, judged: Judged, line: str, station: str) -> None:
        """From now on this is known, too."""
        if not judged.subject:
            return
        self._told += 1
        if judged.word is not None:
            on, word = judged.word
            self._words[on].append(word)
            self.unsettled.add(on)
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
        unit = shown.unit
        story = self._stories[unit.id]
        story.shown[unit.revision] = shown
        if unit.revision != max(story.shown):
            return
        if (left := self._where.pop(unit.id, None)) is not None:
            self._look(left, unit)
            del self._standing[left][unit.id]
        if unit.line is not None and unit.voided_at is None and unit.kind not in CONSUMES_NOTHING:
            on = self._where[unit.id] = (unit.seller, unit.rma, unit.line.no)
            self._standing[on][unit.id] = _stood(shown)
            self._look(on, unit)

    def _look(self, on: Line, unit: Inspection) -> None:
        """Whether somebody has to look at a line again, now or after what follows."""
        if on[1] and on not in self.unsettled:
            lined = line_up(self._on(on), self._words[on], self._quantity(on, unit))
            if self._words[on] or any(lined.standing.values()):
                self.unsettled.add(on)

    def _on(self, on: Line) -> list[Stood]:
        """The units on a line in the order in which they came there."""
        return sorted(self._standing[on].values(), key=lambda each: self._since.get(each.id, _NEVER))

    def _quantity(self, on: Line, unit: Inspection) -> int:
        return max(unit.line.quantity if unit.line else 1, self._announced.get(on, 0))

    def _weighed(self, shown: Shown) -> Told:
        unit = shown.unit
        if unit.line is None or not unit.rma or unit.kind in CONSUMES_NOTHING:
            return Told(Status.ACCEPTED)
        on = (unit.seller, unit.rma, unit.line.no)
        units = [*self._standing[on].values(), _stood(shown)]
        units = sorted({each.id: each for each in units}.values(), key=lambda each: self._since.get(each.id, _NEVER))
        lined = line_up(units, self._words[on], self._quantity(on, unit))
        if not lined.open:
            return _TOLD[lined.standing[unit.id]]
        before = {each.event for each in self._stories[unit.id].shown.values()}
        overs = [*(word.over for word in self._words[on]), *(each.settles for each in units)]
        if any(before.intersection(over) for over in overs):
            return Told(Status.CONFLICT, "superseded_changed")
        if unit.settles and shown.at not in lined.heeded:
            return _STALE
        return _TOLD[lined.standing[unit.id]]


_STALE = Told(Status.CONFLICT, "stale_decision")
_TOLD = {
    Standing.COUNTS: Told(Status.ACCEPTED),
    Standing.DUPLICATE: Told(Status.ACCEPTED, "duplicate_scan"),
    Standing.CONTESTED: Told(Status.CONFLICT, "line_conflict"),
    Standing.SUPERSEDED: Told(Status.CONFLICT, "line_conflict"),
}
_CLASHES = {
    "": Standing.COUNTS,
    "duplicate_scan": Standing.DUPLICATE,
    "line_conflict": Standing.CONTESTED,
}


def line_up(units: Sequence[Stood], words: Iterable[Word], quantity: int) -> LinedUp:
    """How units of one line, in the order in which they came there, stand to each other after these words.

    A word counts while every event that was seen is the newest of its unit, and what it chose has not lost already:
    of two words that contradict, the first that the hub heard. So the end is the same in whatever order units, their
    amendments and a word arrive. What was ordered to be inspected again stays so while it is on the bench.
    """
    own = [Word(u.id, u.event, frozenset(u.settles), frozenset(u.settles), False, u.at) for u in units if u.settles]
    words = sorted([*words, *own], key=lambda word: word.at)
    if not words and _plain(units, quantity):
        return LinedUp(dict.fromkeys((each.id for each in units), Standing.COUNTS))
    ids = {each.event: each.id for each in units}
    here = set(ids.values())
    lost: set[str] = set()
    heeded: list[int] = []
    again = ""
    for word in words:
        chosen = ids.get(word.event) == word.unit and word.unit not in lost
        if not word.others <= ids.keys() or not (chosen or (word.again and word.unit not in here)):
            continue
        heeded.append(word.at)
        again = word.unit if word.again else ""
        lost |= {ids[event] for event in word.over - {word.event}}
    left = [each for each in units if each.id not in lost]
    standing = dict.fromkeys(lost, Standing.SUPERSEDED)
    for n, each in enumerate(left):
        standing[each.id] = _CLASHES[clash(each.unit, [one.unit for one in left[:n]], quantity)]
    if again in here and Standing.CONTESTED not in standing.values():
        again = ""
    return LinedUp(standing, again, frozenset(heeded))


def _plain(units: Sequence[Stood], quantity: int) -> bool:
    """No unit of the line can contradict another: told cheaply, because mostly it is so."""
    serials = [each.unit.serial for each in units if each.unit.serial]
    room = len(units) <= quantity or len({each.unit.station for each in units}) == 1
    return room and len(set(serials)) == len(serials)


def word_of(said: Settled, at: int) -> tuple[Line, Word]:
    """A supervisor's word, and the line it is about."""
    others = frozenset(said.based_on) - {said.unit.event}
    word = Word(said.unit.inspection, said.unit.event, others, frozenset(said.over), said.again, at)
    return (said.seller, said.rma, said.line), word


def stood(row: Row) -> Stood:
    """A unit on a line: id, event, station, serial, grade, disposition, what it settles, number of the event's row."""
    unit = Unit(row["station"], row["serial"], row["grade"], row["disposition"])
    return Stood(row["id"], row["event_id"], unit, tuple(filter(None, row["settles"].split(" "))), row["at"])


def _stood(shown: Shown) -> Stood:
    unit = shown.unit
    return Stood(
        unit.id,
        shown.event,
        Unit(shown.station, unit.serial, unit.grade, unit.disposition),
        unit.settles,
        shown.at,
    )


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


def _void(unit: Inspection, line: str, station: str) -> Shown:
    """The revision after this one, as an event that undoes it says."""
    event = Event(**wire.parse(line))
    void = Voided.model_validate(wire.cleaned(event.body))
    return Shown(
        unit.but(revision=void.revision, voided_at=event.occurred_at, void_reason=void.reason), event.id, station
    )
