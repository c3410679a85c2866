"""What the hub knows, and all its SQL: stations, facts as they came, what of them contradicts, the feed for stations.

A ledger is a store's writer that also keeps what others send: facts go to ``hub_event``, byte by byte and for ever, and
units beside them into the same ``inspection`` table that a station has, so that reports and `show` read a hub too.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from inspect_station.core import barcode, wire
from inspect_station.core.records import Event, EventType, Inspection, Kind, Product, Rma, compact, instant
from inspect_station.core.wire import Receipt, Status
from inspect_station.hub.intake import Arrival, Voided
from inspect_station.store import EventSpec, Reader, Writer

CODE_LIVES = timedelta(days=7)
"""A one-time code that nobody used in this time is void; ours."""
OVERLAP = timedelta(hours=24)
"""The old token lives so long beside a new one that was never used (sync.md §2.3)."""
RETRY_S = 3600
"""A station that is newer than this hub asks again after so many seconds."""
_ON_NO_LINE = f"'{EventType.CLAIM_OPENED}', '{EventType.INSPECTION_VOIDED}'"
"""What puts no unit on a line: a claim has none yet, and what is taken back was told before."""
_CONSUMES_NOTHING = f"'{Kind.WRONG_ITEM}', '{Kind.EMPTY_BOX}'"


@dataclass(frozen=True, slots=True)
class Caller:
    """The station whose token was shown."""

    station: str
    tenant: str
    name: str
    new: bool
    """Whether the token was never used before."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit that stands on the line of an RMA, as far as another one may contradict it."""

    station: str
    serial: str
    grade: str | None
    disposition: str | None


class Grant(NamedTuple):
    """What a station gets when it enrols."""

    station: str
    block: str
    """Four signs that begin the licence plates of this epoch, and of no other."""


class _Told(NamedTuple):
    status: Status
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Received(EventSpec):
    """An event that was made elsewhere."""

    event: Event


class _NotYours(Exception):
    """The unit belongs to another tenant."""


class Ledger(Writer):
    """Everything that the hub reads and writes, inside one transaction of its store."""

    def __init__(self, door: Reader) -> None:
        super().__init__(door._connection, door._clock, "UTC")

    def _now(self) -> str:
        return instant(self._clock())

    # ── Stations ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def add_code(self, sha256: str, tenant: str, name: str) -> None:
        """Let in one station of this name, once, by the code with this hash; older codes for it are void."""
        now = self._clock()
        self._do("DELETE FROM hub_code WHERE tenant = ? AND name = ? AND used_at IS NULL", tenant, name)
        self._do(
            "INSERT INTO hub_code (sha256, tenant, name, made_at, ends_at) VALUES (?, ?, ?, ?, ?)",
            sha256,
            tenant,
            name,
            instant(now),
            instant(now + CODE_LIVES),
        )

    def enrol(self, code: str, token: str, *, epoch: str, block: str) -> Grant | str:
        """Use a one-time code up; the code of the reason where that is not possible. Both secrets are hashes.

        A station of that name which was known before is the same station: its older tokens are void.
        """
        now = self._now()
        row = self._row("SELECT tenant, name, ends_at, used_at FROM hub_code WHERE sha256 = ?", code)
        if row is None:
            return "code_unknown"
        if row["used_at"] is not None:
            return "code_used"
        if row["ends_at"] <= now:
            return "code_expired"
        self._do("UPDATE hub_code SET used_at = ? WHERE sha256 = ?", now, code)
        known = self._row("SELECT id FROM hub_station WHERE tenant = ? AND name = ?", row["tenant"], row["name"])
        station = known["id"] if known else self.new_id()
        if known is None:
            self._do(
                "INSERT INTO hub_station (id, tenant, name, made_at) VALUES (?, ?, ?, ?)",
                station,
                row["tenant"],
                row["name"],
                now,
            )
        self._do("DELETE FROM hub_token WHERE station = ?", station)
        self._add_token(station, token)
        return Grant(station, self._grant(station, epoch, block))

    def _grant(self, station: str, epoch: str, wanted: str) -> str:
        """The block of this epoch: the one it has, else the one it drew itself if nobody has that, else another."""
        row = self._row("SELECT block FROM hub_epoch WHERE station = ? AND epoch = ?", station, epoch)
        if row is not None and row["block"] is not None:
            return str(row["block"])
        block = wanted if _is_block(wanted) else barcode.station_block(secrets.token_bytes(16))
        while self._row("SELECT 1 FROM hub_epoch WHERE block = ?", block) is not None:
            block = barcode.station_block(secrets.token_bytes(16))
        self._do(
            """
            INSERT INTO hub_epoch (station, epoch, block, contiguous_seq) VALUES (?, ?, ?, 0)
            ON CONFLICT (station, epoch) DO UPDATE SET block = excluded.block
            """,
            station,
            epoch,
            block,
        )
        return block

    def caller(self, token: str) -> Caller | None:
        """Whose token this is (its hash); None for one that is not valid, or not any more."""
        row = self._row(
            """
            SELECT s.id, s.tenant, s.name, t.used_at FROM hub_token t JOIN hub_station s ON s.id = t.station
            WHERE t.sha256 = ? AND (t.ends_at IS NULL OR t.ends_at > ?)
            """,
            token,
            self._now(),
        )
        return Caller(row["id"], row["tenant"], row["name"], row["used_at"] is None) if row else None

    def first_used(self, caller: Caller, token: str) -> None:
        """A token is shown for the first time: those before it are void from now on."""
        self._do("UPDATE hub_token SET used_at = ? WHERE sha256 = ?", self._now(), token)
        self._do("DELETE FROM hub_token WHERE station = ? AND sha256 <> ?", caller.station, token)

    def rotate(self, caller: Caller, old: str, new: str) -> None:
        """Give out a new token beside the old one; a new one that never arrived is forgotten."""
        self._do("DELETE FROM hub_token WHERE station = ? AND sha256 <> ?", caller.station, old)
        self._do("UPDATE hub_token SET ends_at = ? WHERE sha256 = ?", instant(self._clock() + OVERLAP), old)
        self._add_token(caller.station, new)

    def _add_token(self, station: str, token: str) -> None:
        self._do("INSERT INTO hub_token (sha256, station, made_at) VALUES (?, ?, ?)", token, station, self._now())

    # ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def ingest(self, caller: Caller, arrivals: Sequence[Arrival]) -> tuple[list[Receipt], int]:
        """Keep what a station sent; a receipt for each line, and how far its epoch has come without a gap."""
        self._do("UPDATE hub_station SET seen_at = ? WHERE id = ?", self._now(), caller.station)
        receipts = [self._receipt(arrival, self._take(caller, arrival)) for arrival in arrivals]
        from inspect_station.hub.reviews import review

        told = [(arrival.said, receipt.status) for arrival, receipt in zip(arrivals, receipts, strict=True)]
        kept = [(said, status) for said, status in told if said is not None]
        review(self, caller.tenant, [each for each in kept if each[1] in (Status.ACCEPTED, Status.CONFLICT)])
        reached = 0
        epochs = dict.fromkeys(
            arrival.event.epoch
            for arrival, receipt in zip(arrivals, receipts, strict=True)
            if arrival.event is not None and receipt.status is not Status.RETRY
        )
        for epoch in epochs:
            reached = self._advance(caller.station, epoch)
        return receipts, reached

    @staticmethod
    def _receipt(arrival: Arrival, told: _Told) -> Receipt:
        after_s = RETRY_S if told.status is Status.RETRY else 0
        return Receipt(id=arrival.id, sha256=arrival.sha256, status=told.status, code=told.code, after_s=after_s)

    def _take(self, caller: Caller, arrival: Arrival) -> _Told:
        known = self._row(
            "SELECT sha256, status, code FROM hub_event WHERE tenant = ? AND id = ?",
            caller.tenant,
            arrival.id,
        )
        if known is not None and known["sha256"] == arrival.sha256:
            again = Status.CONFLICT if known["status"] == Status.CONFLICT else Status.DUPLICATE
            return _Told(again, known["code"])
        if known is not None:
            return self._park(caller, arrival, "id_reuse")
        if arrival.status is Status.RETRY:
            return _Told(Status.RETRY, arrival.code)
        if arrival.event is None or arrival.status is Status.REJECTED:
            return self._park(caller, arrival, arrival.code, arrival.detail)
        self._do("SAVEPOINT fact")
        try:
            told = self._keep(caller, arrival, arrival.event)
        except (ValueError, OverflowError, sqlite3.IntegrityError, _NotYours) as error:
            # It is more than the tables can hold: what it did is undone, and it alone.
            self._do("ROLLBACK TO fact")
            code = {_NotYours: "tenant_mismatch", sqlite3.IntegrityError: "internal_error"}
            told = self._park(caller, arrival, code.get(type(error), "schema_invalid"), type(error).__name__)
        self._do("RELEASE fact")
        return told

    def _park(self, caller: Caller, arrival: Arrival, code: str, detail: str = "") -> _Told:
        """Keep a line aside, whole; once, however often it is sent."""
        self._do(
            """
            INSERT INTO hub_parked (tenant, station, event, epoch, seq, sha256, code, detail, line, received_at)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, event, sha256) DO NOTHING
            """,
            caller.tenant,
            caller.station,
            arrival.id,
            arrival.event.epoch if arrival.event else "",
            arrival.event.seq if arrival.event else 0,
            arrival.sha256,
            code,
            detail,
            arrival.line,
            self._now(),
        )
        return _Told(Status.REJECTED, code)

    def _keep(self, caller: Caller, arrival: Arrival, event: Event) -> _Told:
        """Keep a fact, and what it says of a unit."""
        told, subject, revision = _Told(Status.ACCEPTED), "", 0
        match arrival.said:
            case Inspection() as unit:
                subject, revision = unit.id, unit.revision
                told = self._weigh(caller, unit)
            case Voided() as void:
                subject, revision = void.inspection, void.revision
                told = self._twice(caller, subject, revision)
        twin = "SELECT 1 FROM hub_event WHERE station = ? AND epoch = ? AND seq = ?"
        if not told.code and self._row(twin, caller.station, event.epoch, event.seq):
            # The station's store was copied while in use: two of it count on from one number (sync.md §3.2, 12).
            told = _Told(told.status, "seq_reuse")
        self._do(
            """
            INSERT INTO hub_event (tenant, id, station, epoch, seq, type, sha256, line, received_at, status, code,
                subject, revision)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            caller.tenant,
            event.id,
            caller.station,
            event.epoch,
            event.seq,
            event.type,
            arrival.sha256,
            arrival.line,
            self._now(),
            told.status,
            told.code,
            subject,
            revision,
        )
        # Dealt with at last, after a newer hub or a person has made it possible.
        self._do(
            "UPDATE hub_parked SET resolved_at = ? WHERE tenant = ? AND event = ? AND sha256 = ?",
            self._now(),
            caller.tenant,
            event.id,
            arrival.sha256,
        )
        if told.code != "revision_twice":
            self._show(caller, event, arrival.said)
        return told

    def _twice(self, caller: Caller, subject: str, revision: int) -> _Told:
        """Whether another event has said this revision of the unit already. Raises _NotYours."""
        if self._row("SELECT 1 FROM hub_event WHERE subject = ? AND tenant <> ?", subject, caller.tenant):
            raise _NotYours
        said = self._row("SELECT 1 FROM hub_event WHERE subject = ? AND revision = ?", subject, revision)
        return _Told(Status.CONFLICT, "revision_twice") if said else _Told(Status.ACCEPTED)

    def _weigh(self, caller: Caller, unit: Inspection) -> _Told:
        told = self._twice(caller, unit.id, unit.revision)
        if told.code or unit.line is None or not unit.rma or unit.kind in (Kind.WRONG_ITEM, Kind.EMPTY_BOX):
            return told
        earlier = self._standing(caller.tenant, unit)
        announced = self._row(
            "SELECT quantity FROM rma_line WHERE seller = ? AND number = ? AND no = ?",
            unit.seller,
            unit.rma,
            unit.line.no,
        )
        quantity = max(unit.line.quantity, announced["quantity"] if announced else 0)
        mine = Unit(caller.station, unit.serial, unit.grade, unit.disposition)
        return _CLASHES[clash(mine, earlier, quantity)]

    def _standing(self, tenant: str, unit: Inspection) -> list[Unit]:
        """The units on this one's line that stand, and of which the hub heard before it heard of this one; as long as
        a unit was a claim, it was on no line."""
        assert unit.line is not None
        rows = self._rows(
            f"""
            SELECT e.station, i.serial, i.grade, i.disposition FROM inspection i
            JOIN hub_event e ON e.tenant = ?1 AND e.id = i.event_id AND e.subject = i.id
            WHERE i.seller = ?2 AND i.rma = ?3 AND i.line_no = ?4 AND i.id <> ?5
                AND i.current AND i.voided_at IS NULL AND i.kind NOT IN ({_CONSUMES_NOTHING})
                AND (SELECT min(f.received_at || f.id) FROM hub_event f
                    WHERE f.subject = i.id AND f.type NOT IN ({_ON_NO_LINE}))
                    < coalesce((SELECT min(f.received_at || f.id) FROM hub_event f
                    WHERE f.subject = ?5 AND f.type NOT IN ({_ON_NO_LINE})), '~')
            """,
            tenant,
            unit.seller,
            unit.rma,
            unit.line.no,
            unit.id,
        )
        return [Unit(**row) for row in map(dict[str, Any], rows)]

    # ── Units, as reports read them ──────────────────────────────────────────────────────────────────────────────────

    def append_event(self, spec: EventSpec) -> Event:
        """Here events are received, not made: the one that tells of the unit."""
        if not isinstance(spec, _Received):
            raise TypeError("a hub makes no events of its own")
        return spec.event

    def _show(self, caller: Caller, event: Event, said: Inspection | Voided | None) -> None:
        """Bring the unit's revisions to what all events about it say, in whatever order these came."""
        match said:
            case Inspection() as unit:
                self._add(unit, event)
                following = self._row(
                    "SELECT line FROM hub_event WHERE subject = ? AND revision = ? AND type = 'inspection.voided'",
                    unit.id,
                    unit.revision + 1,
                )
                if following is not None:
                    void = _event(following["line"])
                    self._add(_void(unit, Voided.model_validate(void.body), void.occurred_at), void)
            case Voided() as void:
                before = self._inspection(
                    "SELECT body FROM inspection WHERE id = ? AND revision = ?", void.inspection, void.revision - 1
                )
                # Where that revision has not come yet, it brings this one with it.
                if before is not None:
                    self._add(_void(before, void, event.occurred_at), event)

    def _add(self, unit: Inspection, event: Event) -> None:
        spec = _Received(type=event.type, body={}, operator=event.operator, at=event.occurred_at, event=event)
        self._add_revision(unit, spec)
        self._do(
            """
            UPDATE inspection SET current = revision = (SELECT max(revision) FROM inspection WHERE id = ?1)
            WHERE id = ?1
            """,
            unit.id,
        )

    # ── What is known, what is parked ────────────────────────────────────────────────────────────────────────────────

    def _advance(self, station: str, epoch: str) -> int:
        """Up to which number the events of an epoch have all arrived, parked ones among them."""
        row = self._row("SELECT contiguous_seq FROM hub_epoch WHERE station = ? AND epoch = ?", station, epoch)
        reached = row["contiguous_seq"] if row else 0
        arrived = self._connection.execute(
            """
            SELECT seq FROM hub_event WHERE station = ?1 AND epoch = ?2 AND seq > ?3
            UNION SELECT seq FROM hub_parked WHERE station = ?1 AND epoch = ?2 AND seq > ?3
            ORDER BY seq LIMIT 1000
            """,
            (station, epoch, reached),
        )
        for (seq,) in arrived:
            if seq != reached + 1:
                break
            reached = seq
        arrived.close()
        self._do(
            """
            INSERT INTO hub_epoch (station, epoch, contiguous_seq) VALUES (?, ?, ?)
            ON CONFLICT (station, epoch) DO UPDATE SET contiguous_seq = excluded.contiguous_seq
            """,
            station,
            epoch,
            reached,
        )
        return int(reached)

    def unknown(self, tenant: str, lines: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of these events, those that are not here, neither kept nor parked, and those that are here otherwise."""
        missing, differs = [], []
        for id, sha256 in lines:
            here = self._rows(
                """
                SELECT sha256 FROM hub_event WHERE tenant = ?1 AND id = ?2
                UNION ALL SELECT sha256 FROM hub_parked WHERE tenant = ?1 AND event = ?2
                """,
                tenant,
                id,
            )
            if not here:
                missing.append(id)
            elif sha256 not in {row["sha256"] for row in here}:
                differs.append(id)
        return tuple(missing), tuple(differs)

    def parked(self) -> list[dict[str, Any]]:
        """What could not be taken and nobody has dealt with, the oldest first; no field of it is from the line."""
        rows = self._rows(
            """
            SELECT p.received_at, s.name AS station, p.event AS id, p.code, p.detail
            FROM hub_parked p JOIN hub_station s ON s.id = p.station WHERE p.resolved_at IS NULL ORDER BY p.id
            """
        )
        return [dict(row) for row in rows]

    def stations(self) -> list[dict[str, Any]]:
        """The stations, when each was last heard, and how many events of each are kept."""
        rows = self._rows(
            """
            SELECT s.tenant, s.name, s.seen_at, (SELECT count(*) FROM hub_event e WHERE e.station = s.id) AS events
            FROM hub_station s ORDER BY s.tenant, s.name
            """
        )
        return [dict(row) for row in rows]

    # ── The feed ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def publish_product(self, tenant: str, product: Product) -> bool:
        """Tell all stations of an article; False where they know it so already."""
        key = compact([product.seller, product.gtin])
        version = self._publish(tenant, "catalogue", key, product.model_dump_json())
        return version > 0 and self.put_product(product, "hub", version)

    def publish_rma(self, tenant: str, rma: Rma) -> bool:
        """Tell all stations of a return authorisation; False where they know it so already.

        Its lines keep the numbers that stations know them by, whatever their order in the list.
        """
        rma = self.with_known_numbers(rma)
        version = self._publish(tenant, "rma", compact([rma.seller, rma.number]), rma.model_dump_json())
        return version > 0 and self.put_rma(rma, "hub", version)

    def withdraw_rma(self, tenant: str, seller: str, number: str) -> bool:
        """Nothing more is expected of a return authorisation: every station closes it. False where that is known."""
        self.close_rma(seller, number)
        return self._publish(tenant, "rma", compact([seller, number]), "{}", op="delete") > 0

    def _publish(self, tenant: str, feed: str, key: str, body: str, op: str = "upsert") -> int:
        """The new version of a thing, 0 where nothing is new."""
        row = self._row(
            "SELECT version, op, body FROM hub_change WHERE tenant = ? AND feed = ? AND key = ?", tenant, feed, key
        )
        if row is not None and (row["op"], row["body"]) == (op, body):
            return 0
        # By the clock, so that a hub restored to yesterday does not give out a number a second time.
        version = max(row["version"] + 1 if row else 1, int(self._clock().timestamp() * 1000))
        # One writer at a time gives out the numbers, so a reader who has seen one has been offered all before it.
        last = self._row("SELECT coalesce(max(seq), 0) AS seq FROM hub_change")
        change = {
            "tenant": tenant,
            "feed": feed,
            "key": key,
            "seq": (last["seq"] if last else 0) + 1,
            "version": version,
            "op": op,
            "body": body,
            "published_at": self._now(),
        }
        self._put("hub_change", ["tenant", "feed", "key"], change)
        return version

    def changes(self, tenant: str, feeds: Sequence[str], after: int, limit: int) -> list[Mapping[str, Any]]:
        """The things of these feeds that changed after this number, in the order of their last change."""
        marks = ", ".join("?" * len(feeds))
        return [
            dict(row)
            for row in self._rows(
                f"""
                SELECT seq, feed, key, version, op, body FROM hub_change
                WHERE tenant = ? AND seq > ? AND feed IN ({marks}) ORDER BY seq LIMIT ?
                """,
                tenant,
                after,
                *feeds,
                limit,
            )
        ]

    def last_change(self) -> int:
        """The number of the newest change."""
        row = self._row("SELECT coalesce(max(seq), 0) AS seq FROM hub_change")
        return int(row["seq"]) if row else 0


# ── The rule of two docks ────────────────────────────────────────────────────────────────────────────────────────────


_CLASHES = {
    "": _Told(Status.ACCEPTED),
    "duplicate_scan": _Told(Status.ACCEPTED, "duplicate_scan"),
    "line_conflict": _Told(Status.CONFLICT, "line_conflict"),
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


def _void(unit: Inspection, void: Voided, at: datetime) -> Inspection:
    return unit.but(revision=void.revision, voided_at=at, void_reason=void.reason)


def _event(line: str) -> Event:
    return Event(**wire.parse(line))


def _is_block(text: str) -> bool:
    try:
        barcode.next_lpn(text, 1)
    except ValueError:
        return False
    return True
