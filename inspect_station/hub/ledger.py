"""What the hub knows, and all its SQL: stations, facts as they came, what of them contradicts, the feed for stations.

A ledger is a store's writer that also keeps what others send: facts go to ``hub_event``, byte by byte and for ever, and
units beside them into the same ``inspection`` table that a station has, so that reports and `show` read a hub too.
"""

import re
import secrets
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, NamedTuple

from inspect_station.core import barcode, wire
from inspect_station.core.barcode import clean
from inspect_station.core.records import EventType, Inspection, Parcel, Product, Review, Rma, Settled, compact, instant
from inspect_station.core.wire import Receipt, Status
from inspect_station.hub.intake import Arrival, Misframed, Voided, read
from inspect_station.hub.reviews import review
from inspect_station.hub.units import CONSUMES_NOTHING, ON_NO_LINE, Judged, Line, NotYours, Told, Units
from inspect_station.store import Reader, Writer
from inspect_station.store.connection import Row, Taken
from inspect_station.store.writer import revision_row

CODE_LIVES = timedelta(days=7)
"""A one-time code that nobody used in this time is void; ours."""
UNUSED_LIVES = timedelta(days=30)
"""A new token that was never used is void after this time; the one before it lives on until the new one is used.

Ours. A day for the old one (sync.md §2.3) would lock out a station that lost the answer and then the network for three
days; a day for the new one, a station that wrote it down and then lost the network.
"""
OPENED = timedelta(seconds=wire.OPENED_S)
"""So long a dock that has opened a return is named to others, and no longer kept."""
RETRY_S = 3600
"""A station that is newer than this hub asks again after so many seconds."""
_SHA256 = re.compile(r"[0-9a-f]{64}")
ERASED = ("erasing", "erased")
"""States of a photo that nobody is to have any more: its bytes are being deleted, or are."""
_KEPT = (Status.ACCEPTED, Status.CONFLICT)
_OPEN = "p.resolved_at IS NULL"
Action = Literal["retry", "accept_as", "void"]
"""What a person may do with a parked line."""
_ON_NO_LINE = ", ".join(f"'{each}'" for each in sorted(ON_NO_LINE))
_CONSUMES_NOTHING = ", ".join(f"'{each}'" for each in sorted(CONSUMES_NOTHING))


@dataclass(frozen=True, slots=True)
class Caller:
    """The station whose token was shown."""

    station: str
    tenant: str
    name: str
    new: bool
    """Whether the token was never used before."""
    scope: str = "station"
    """``station``, or ``supervisor``: a person who settles what is parked."""


class Grant(NamedTuple):
    """What a station gets when it enrols."""

    station: str
    block: str
    """Four signs that begin the licence plates of this epoch, and of no other."""


class Place(NamedTuple):
    """A place in the feed: where a cursor stands."""

    xid: int
    """The transaction of a change, where several write at once; else 0."""
    seq: int


START = Place(0, 0)


class _Overtaken(Exception):
    """Another station sent some of these facts while we looked: what it sent counts, and what follows from it."""


class Vanished(Exception):
    """What was kept a moment ago is not here, because another database took over. Nothing is done; send it again."""


class Unsettled(Exception):
    """A parked line was not dealt with: ``not_found``, ``already_resolved``, or the code by which it is refused."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


class Ledger(Writer):
    """Everything that the hub reads and writes, inside one transaction of its store."""

    def __init__(self, door: Reader) -> None:
        super().__init__(door._connection, door._clock, "UTC")

    def _now(self) -> str:
        return instant(self._clock())

    # ── Stations ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def add_code(self, sha256: str, tenant: str, name: str) -> None:
        """Let in one station of this name, once, by the code with this hash; older codes for it are void.

        Raises ValueError where a supervisor has the name.
        """
        if self.scope(tenant, name) not in ("", "station"):
            raise ValueError(f"{name} is taken")
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
        known = self._row("SELECT id, scope FROM hub_station WHERE tenant = ? AND name = ?", row["tenant"], row["name"])
        if known is not None and known["scope"] != "station":
            # A supervisor was given the name after the code was made: no station may have what a supervisor may.
            return "code_unknown"
        self._do("UPDATE hub_code SET used_at = ? WHERE sha256 = ?", now, code)
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
            SELECT s.id, s.tenant, s.name, s.scope, t.used_at FROM hub_token t JOIN hub_station s ON s.id = t.station
            WHERE t.sha256 = ? AND (t.ends_at IS NULL OR t.ends_at > ?)
            """,
            token,
            self._now(),
        )
        return Caller(row["id"], row["tenant"], row["name"], row["used_at"] is None, row["scope"]) if row else None

    def first_used(self, caller: Caller, token: str) -> None:
        """A token is shown for the first time: those before it are void from now on, and it has no end any more."""
        self._do("UPDATE hub_token SET used_at = ?, ends_at = NULL WHERE sha256 = ?", self._now(), token)
        self._do("DELETE FROM hub_token WHERE station = ? AND sha256 <> ?", caller.station, token)

    def rotate(self, caller: Caller, old: str, new: str) -> None:
        """Give out a new token beside the old one; a new one that never arrived is forgotten."""
        self._do("DELETE FROM hub_token WHERE station = ? AND sha256 <> ?", caller.station, old)
        # A hub of an earlier version gave the old one an end.
        self._do("UPDATE hub_token SET ends_at = NULL WHERE sha256 = ?", old)
        self._add_token(caller.station, new, ends_at=instant(self._clock() + UNUSED_LIVES))

    def _add_token(self, station: str, token: str, ends_at: str | None = None) -> None:
        self._do(
            "INSERT INTO hub_token (sha256, station, made_at, ends_at) VALUES (?, ?, ?, ?)",
            token,
            station,
            self._now(),
            ends_at,
        )

    def has_tenant(self, tenant: str) -> bool:
        """Whether a station of this tenant was ever let in."""
        return self._row("SELECT 1 FROM hub_station WHERE tenant = ? AND scope = 'station'", tenant) is not None

    def scope(self, tenant: str, name: str) -> str:
        """What somebody of this name is: ``station``, ``supervisor``; empty where nobody has it."""
        row = self._row("SELECT scope FROM hub_station WHERE tenant = ? AND name = ?", tenant, name)
        return str(row["scope"]) if row else ""

    def revoke(self, tenant: str, name: str, scope: str) -> bool:
        """Void the tokens of a station or a supervisor, and codes not used yet; False where there is none so named.

        What a station has sent stays; with a new code it is the same station again.
        """
        row = self._row("SELECT id FROM hub_station WHERE tenant = ? AND name = ? AND scope = ?", tenant, name, scope)
        unused = scope == "station" and self._do(
            "DELETE FROM hub_code WHERE tenant = ? AND name = ? AND used_at IS NULL", tenant, name
        )
        if row is not None:
            self._do("DELETE FROM hub_token WHERE station = ?", row["id"])
        return row is not None or bool(unused)

    def add_supervisor(self, tenant: str, name: str, token: str) -> None:
        """Let in a supervisor by the token with this hash; raises ValueError where the name is taken."""
        if self.scope(tenant, name):
            raise ValueError(f"{name} is taken")
        id = self.new_id()
        self._do(
            "INSERT INTO hub_station (id, tenant, name, made_at, scope) VALUES (?, ?, ?, ?, 'supervisor')",
            id,
            tenant,
            name,
            self._now(),
        )
        self._add_token(id, token)

    def replace_token(self, tenant: str, name: str, token: str) -> bool:
        """Give a supervisor another token, those before are void at once; False where there is none so named."""
        row = self._row(
            "SELECT id FROM hub_station WHERE tenant = ? AND name = ? AND scope = 'supervisor'", tenant, name
        )
        if row is None:
            return False
        self._do("DELETE FROM hub_token WHERE station = ?", row["id"])
        self._add_token(row["id"], token)
        return True

    def tokens(self) -> list[dict[str, Any]]:
        """All tokens that are good now: whose, for what, since when, until when; nothing of the tokens themselves."""
        rows = self._rows(
            """
            SELECT s.tenant, s.name, s.scope, t.made_at, t.used_at, t.ends_at FROM hub_token t
            JOIN hub_station s ON s.id = t.station WHERE t.ends_at IS NULL OR t.ends_at > ?
            ORDER BY s.tenant, s.scope, s.name, t.made_at
            """,
            self._now(),
        )
        return [dict(row) for row in rows]

    # ── Facts ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def ingest(self, caller: Caller, arrivals: Sequence[Arrival]) -> tuple[list[Receipt], int]:
        """Keep what a station sent; a receipt for each line, and how far its epoch has come without a gap."""
        # Whose row it is waits here, too: the sends of one station never run beside each other.
        self._do("UPDATE hub_station SET seen_at = ? WHERE id = ?", self._now(), caller.station)
        told, unsettled = self._take(caller, arrivals)
        receipts = [self._receipt(arrival, each) for arrival, each in zip(arrivals, told, strict=True)]
        review(self, caller.tenant, unsettled)
        reached = 0
        epochs = dict.fromkeys(
            arrival.epoch
            for arrival, receipt in zip(arrivals, receipts, strict=True)
            if arrival.epoch and receipt.status is not Status.RETRY
        )
        for epoch in epochs:
            reached = self._advance(caller.station, epoch)
        kept = [each for each, receipt in zip(arrivals, receipts, strict=True) if receipt.status in _KEPT]
        self._refer(caller, kept)
        self._tell(caller, kept)
        return receipts, reached

    @staticmethod
    def _receipt(arrival: Arrival, told: Told) -> Receipt:
        after_s = RETRY_S if told.status is Status.RETRY else 0
        return Receipt(id=arrival.id, sha256=arrival.sha256, status=told.status, code=told.code, after_s=after_s)

    def _take(self, caller: Caller, arrivals: Sequence[Arrival]) -> tuple[list[Told], set[Line]]:
        """Keep all of them at once; where the tables refuse that, each alone, and park what is refused alone.

        Also the lines on which units may stand otherwise than before.
        """
        try:
            while True:
                with suppress(_Overtaken), self._savepoint():
                    return self._keep(caller, arrivals)
        except sqlite3.IntegrityError as error:
            if len(arrivals) > 1:
                alone = [self._take(caller, [arrival]) for arrival in arrivals]
                return [each for told, _ in alone for each in told], {on for _, lines in alone for on in lines}
            self._park(caller, [(arrivals[0], "internal_error", type(error).__name__)])
            return [Told(Status.REJECTED, "internal_error")], set()

    @contextmanager
    def _savepoint(self) -> Iterator[None]:
        self._do("SAVEPOINT facts")
        try:
            yield
        except (sqlite3.IntegrityError, _Overtaken):
            self._do("ROLLBACK TO facts")
            self._do("RELEASE facts")
            raise
        self._do("RELEASE facts")

    def _keep(self, caller: Caller, arrivals: Sequence[Arrival]) -> tuple[list[Told], set[Line]]:
        """What becomes of each, decided on what is known; then all of it is written, table by table.

        Ordered by id, so that two who keep the same facts do not wait for each other.
        """
        known, aside = self._known(caller.tenant, arrivals)
        if any(arrival.status is Status.DUPLICATE and arrival.id not in known for arrival in arrivals):
            raise Vanished
        fresh = [arrival for arrival in arrivals if arrival.id not in known]
        units = self._units(caller.tenant, [arrival.said for arrival in fresh if arrival.said is not None])
        numbers = self._counted(caller.station, fresh)
        told: dict[int, Told] = {}
        parked: list[tuple[Arrival, str, str]] = []
        events: dict[str, dict[str, Any]] = {}
        revisions: list[dict[str, Any]] = []
        for at in sorted(range(len(arrivals)), key=lambda at: arrivals[at].id):
            arrival, event = arrivals[at], arrivals[at].event
            # What a person has settled stays so: such a line is not taken by a newer hub either.
            if settled := wire.SETTLED.get(aside.get((arrival.id, arrival.sha256), "")):
                told[at] = Told(Status.DUPLICATE, settled)
                continue
            here = known.get(arrival.id)
            if here is not None and here[0] == arrival.sha256:
                again = Status.CONFLICT if here[1].status is Status.CONFLICT else Status.DUPLICATE
                told[at] = Told(again, here[1].code)
                continue
            if here is None and arrival.status is Status.RETRY:
                told[at] = Told(Status.RETRY, arrival.code)
                continue
            code, detail = ("id_reuse", "") if here is not None else (arrival.code, arrival.detail)
            if here is None and event is not None and arrival.status is Status.ACCEPTED:
                try:
                    judged = units.judged(event, arrival.said, arrival.line, caller.station)
                    rows = [revision_row(shown.unit, shown.event) for shown in judged.shown]
                except NotYours:
                    code, detail = "tenant_mismatch", ""
                except OverflowError:
                    code, detail = "schema_invalid", "a time that the hub's calendar does not have"
                except ValueError as error:
                    code, detail = "schema_invalid", type(error).__name__
                else:
                    if not judged.told.code and (event.epoch, event.seq) in numbers:
                        # The station's store was copied while in use: two of it count on from one number (sync.md
                        # §3.2, 12).
                        judged = judged._replace(told=Told(judged.told.status, "seq_reuse"))
                    numbers.add((event.epoch, event.seq))
                    units.keep(event, judged, arrival.line, caller.station)
                    events[arrival.id] = self._event_row(caller, arrival, judged)
                    revisions += rows
                    told[at] = judged.told
                    known[arrival.id] = (arrival.sha256, judged.told)
                    continue
            told[at] = Told(Status.REJECTED, code)
            parked.append((arrival, code, detail))
        self._park(caller, parked)
        if events:
            self._write(events, revisions, units)
            # Dealt with at last, after a newer hub or a person has made it possible.
            self._unpark(caller.tenant, {(id, row["sha256"]) for id, row in events.items()} & aside.keys())
        return [told[at] for at in range(len(arrivals))], units.unsettled

    def _counted(self, station: str, arrivals: Sequence[Arrival]) -> set[tuple[str, int]]:
        """Epochs and numbers of these events that other events of the station have already."""
        asked: dict[str, list[int]] = {}
        for event in (each.event for each in arrivals if each.event is not None):
            asked.setdefault(event.epoch, []).append(event.seq)
        found = set()
        for epoch, numbers in asked.items():
            last = self._row("SELECT max(seq) AS seq FROM hub_event WHERE station = ? AND epoch = ?", station, epoch)
            if last is None or (last["seq"] or 0) < min(numbers):  # mostly: a station counts on
                continue
            rows = self._rows(
                f"""
                SELECT e.seq FROM {self._connection.records("hub_event", ("seq",))} asked
                CROSS JOIN hub_event e WHERE e.station = ? AND e.epoch = ? AND e.seq = asked.seq
                """,
                compact([{"seq": number} for number in numbers]),
                station,
                epoch,
            )
            found |= {(epoch, row["seq"]) for row in rows}
        return found

    def kept(self, tenant: str, lines: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Of these ids and hashes, the hashes of the lines that are kept to the byte, with their epochs."""
        rows = self._rows(
            "SELECT sha256, epoch FROM hub_event WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))",
            tenant,
            compact([id for id, _ in lines]),
        )
        asked = {sha256 for _, sha256 in lines}
        return {row["sha256"]: row["epoch"] for row in rows if row["sha256"] in asked}

    def _known(
        self, tenant: str, arrivals: Sequence[Arrival]
    ) -> tuple[dict[str, tuple[str, Told]], dict[tuple[str, str], str]]:
        """Hash and receipt of those that are kept already; of those that are parked, by id and hash, how a person has
        settled them, empty where nobody has."""
        rows = self._rows(
            """
            SELECT id, sha256, status, code, NULL AS resolution FROM hub_event
            WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))
            UNION ALL SELECT event, sha256, '', '', resolution FROM hub_parked
            WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2))
            """,
            tenant,
            compact([arrival.id for arrival in arrivals]),
        )
        kept = {row["id"]: (row["sha256"], Told(Status(row["status"]), row["code"])) for row in rows if row["status"]}
        return kept, {(row["id"], row["sha256"]): row["resolution"] for row in rows if not row["status"]}

    def _units(self, tenant: str, said: Sequence[Inspection | Voided | Settled]) -> Units:
        """What is known of these units and of the lines they stand on; from here on nobody else adds to it."""
        units = Units(tenant)
        if not said:
            return units
        ids = [each.inspection for each in said if isinstance(each, Voided)]
        ids += [each.id for each in said if isinstance(each, Inspection)]
        lines = {(each.seller, each.rma, each.line.no) for each in said if isinstance(each, Inspection) and each.line}
        lines |= {(each.seller, each.rma, each.line) for each in said if isinstance(each, Settled)}
        rmas = {(seller, number) for seller, number, _ in lines}
        self._connection.hold([*(f"unit {id}" for id in ids), *map(_rma, rmas)])
        heard = self._rows(
            """
            SELECT tenant, station, subject, revision, type, code, line, rowid AS at FROM hub_event
            WHERE subject IN (SELECT value FROM json_each(?)) ORDER BY rowid
            """,
            compact(ids),
        )
        if heard:
            units.heard(heard)
            units.shown(
                self._rows(
                    """
                    SELECT i.body, i.event_id, e.station, e.rowid AS at FROM inspection i
                    JOIN hub_event e ON e.tenant = ?1 AND e.id = i.event_id
                    WHERE i.id IN (SELECT value FROM json_each(?2)) ORDER BY i.id, i.revision
                    """,
                    tenant,
                    compact(ids),
                )
            )
            lines |= units.lines()
            self._hold_rmas({(seller, number) for seller, number, _ in lines} - rmas)
        units.decided(self.words(tenant, lines))
        those = self._connection.records("rma_line", ("seller", "number", "no"))
        units.standing(
            self._rows(
                f"""
                SELECT line.seller, line.number, line.no, i.id, i.event_id, e.station, i.serial, i.grade, i.disposition,
                    i.settles, e.rowid AS at,
                    -- The sum keeps PostgreSQL from looking for the least number of all.
                    (SELECT min(f.rowid + 0) FROM hub_event f
                        WHERE f.subject = i.id AND f.type NOT IN ({_ON_NO_LINE})) AS since,
                    (SELECT l.quantity FROM rma_line l
                        WHERE l.seller = line.seller AND l.number = line.number AND l.no = line.no) AS announced
                FROM {those} line
                CROSS JOIN inspection i ON i.seller = line.seller AND i.rma = line.number AND i.line_no = line.no
                CROSS JOIN hub_event e ON e.tenant = ? AND e.id = i.event_id AND e.subject = i.id
                -- Said so that no database looks through all that stand.
                WHERE i.current AND coalesce(i.voided_at, '') = '' AND i.kind NOT IN ({_CONSUMES_NOTHING})
                """,
                compact([{"seller": seller, "number": number, "no": no} for seller, number, no in lines]),
                tenant,
            )
        )
        return units

    def words(self, tenant: str, lines: Iterable[Line]) -> list[Row]:
        """What supervisors have said of these lines, in the order in which it came: the event, its row's number."""
        return self._rows(
            """
            SELECT line, rowid AS at FROM hub_event
            -- The sign keeps SQLite from looking through all that the tenant has.
            WHERE +tenant = ? AND subject IN (SELECT value FROM json_each(?)) ORDER BY rowid
            """,
            tenant,
            compact([compact(line) for line in lines]),
        )

    def standing(self, tenant: str) -> list[Row]:
        """Every unit that stands on a line of an RMA, and how: seller, rma, line_no, id, station, serial, standing.

        Of one box at most one counts, whatever docks say of it, and on every line some unit does (sync.md §3.3, I10).
        """
        return self._rows(
            f"""
            SELECT i.seller, i.rma, i.line_no, i.id, e.station, i.serial, i.standing FROM inspection i
            JOIN hub_event e ON e.tenant = ? AND e.id = i.event_id
            WHERE i.current AND i.voided_at IS NULL AND i.rma <> '' AND i.line_no IS NOT NULL
                AND i.kind NOT IN ({_CONSUMES_NOTHING})
            ORDER BY i.seller, i.rma, i.line_no, i.id
            """,
            tenant,
        )

    def in_dispute(self, tenant: str) -> set[Line]:
        """The lines about which somebody still has to decide: nothing final may be told of them to the outside."""
        rows = self._rows(
            "SELECT body FROM hub_change WHERE tenant = ? AND feed = 'decision' AND op = 'upsert'", tenant
        )
        told = (Review.model_validate_json(row["body"]) for row in rows)
        return {(each.seller, each.rma, each.line) for each in told if each.open}

    def _hold_rmas(self, keys: Iterable[tuple[str, str]]) -> None:
        """Nobody else changes what stands on these RMAs, or what is announced of them."""
        self._connection.hold(map(_rma, keys))

    def _event_row(self, caller: Caller, arrival: Arrival, judged: Judged) -> dict[str, Any]:
        event = arrival.event
        assert event is not None
        return {
            "tenant": caller.tenant,
            "id": event.id,
            "station": caller.station,
            "epoch": event.epoch,
            "seq": event.seq,
            "type": event.type,
            "sha256": arrival.sha256,
            "line": arrival.line,
            "received_at": self._now(),
            "status": judged.told.status,
            "code": judged.told.code,
            "subject": judged.subject,
            "revision": judged.revision,
        }

    def _write(self, events: Mapping[str, Mapping[str, Any]], revisions: list[dict[str, Any]], units: Units) -> None:
        try:
            self._connection.add("hub_event", list(events.values()))
        except Taken as taken:
            raise _Overtaken from taken
        if not revisions:
            return
        for row in revisions:
            row["current"] = row["revision"] == units.newest(row["id"])
        if outdated := sorted({row["id"] for row in revisions if row["current"]} & units.kept):
            self._do(
                "UPDATE inspection SET current = false WHERE current AND id IN (SELECT value FROM json_each(?))",
                compact(outdated),
            )
        self._connection.add("inspection", revisions)

    def _unpark(self, tenant: str, lines: Collection[tuple[str, str]]) -> None:
        """These parked lines need nobody's care any more."""
        if lines:
            self._do(
                """
                UPDATE hub_parked SET resolved_at = ?1 WHERE tenant = ?2 AND resolved_at IS NULL
                    AND event IN (SELECT value FROM json_each(?3)) AND sha256 IN (SELECT value FROM json_each(?4))
                """,
                self._now(),
                tenant,
                compact([id for id, _ in lines]),
                compact([sha256 for _, sha256 in lines]),
            )

    def _park(self, caller: Caller, arrivals: Iterable[tuple[Arrival, str, str]]) -> None:
        """Keep lines aside, whole, with code and detail; each once, however often it is sent."""
        rows = [
            {
                "tenant": caller.tenant,
                "station": caller.station,
                "event": arrival.id,
                "epoch": arrival.event.epoch if arrival.event else "",
                "seq": arrival.event.seq if arrival.event else 0,
                "sha256": arrival.sha256,
                "code": code,
                "detail": detail,
                "line": arrival.line,
                "received_at": self._now(),
            }
            for arrival, code, detail in arrivals
        ]
        if rows:
            self._connection.insert("hub_parked", rows)

    # ── What is open where ───────────────────────────────────────────────────────────────────────────────────────────

    def opened(self, caller: Caller, rmas: Iterable[tuple[str, str]], operator: str) -> list[wire.OpenAt]:
        """These returns, (seller, number) of each, are open at a station now and no others; where else they are."""
        now = self._clock()
        keys = sorted({(barcode.clean(seller, 100), barcode.clean(number, 100)) for seller, number in rmas})
        # Of two that open one return at the same time, the second hears of the first.
        returns = (f"opened {compact([caller.tenant, *key])}" for key in keys)
        self._connection.hold([f"opened at {caller.station}", *returns])
        self._do("DELETE FROM hub_opened WHERE station = ?", caller.station)
        if not keys:
            return []
        asked = [{"seller": seller, "rma": number} for seller, number in keys]
        own = {"station": caller.station, "operator": barcode.clean(operator, 60), "told_at": instant(now)}
        self._connection.insert("hub_opened", [{"tenant": caller.tenant, **each, **own} for each in asked])
        rows = self._rows(
            f"""
            SELECT o.seller, o.rma, s.name AS station, o.operator, o.told_at
            FROM {self._connection.records("hub_opened", ("seller", "rma"))} asked
            CROSS JOIN hub_opened o ON o.tenant = ? AND o.seller = asked.seller AND o.rma = asked.rma
            CROSS JOIN hub_station s ON s.id = o.station
            WHERE o.station <> ? AND o.told_at > ? ORDER BY o.told_at DESC, s.name, o.rma LIMIT ?
            """,
            compact(asked),
            caller.tenant,
            caller.station,
            instant(now - OPENED),
            wire.MAX_DOCKS,
        )
        return [
            wire.OpenAt(
                seller=row["seller"],
                rma=row["rma"],
                station=row["station"],
                operator=row["operator"],
                age_s=max(0, int((now - datetime.fromisoformat(row["told_at"])).total_seconds())),
            )
            for row in rows
        ]

    def forget_opened(self) -> None:
        """Who had what open longer ago is nobody's business any more."""
        self._do("DELETE FROM hub_opened WHERE told_at <= ?", instant(self._clock() - OPENED))

    # ── Parcels and batches ──────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self, caller: Caller, arrivals: Iterable[Arrival]) -> None:
        """When RMAs arrived, in which parcels, and which units left in which batches."""
        parcels: dict[tuple[str, ...], dict[str, str]] = {}
        batched: set[tuple[str, str]] = set()
        for arrival in arrivals:
            for parcel in _received(arrival):
                parcels.setdefault((parcel["parcel"], parcel["seller"], parcel["rma"]), parcel)
            batched.update(_batched(arrival))
        whose = {"tenant": caller.tenant}
        if parcels:
            rows = [{**whose, "station": caller.name, **parcels[key]} for key in sorted(parcels)]
            self._connection.insert("hub_parcel", rows)
        if batched:
            rows = [{**whose, "inspection": id, "number": number} for id, number in sorted(batched)]
            self._connection.insert("hub_batched", rows)

    def parcel_told(self, tenant: str, id: str) -> Parcel | None:
        """A parcel as far as events tell of it; None where none does."""
        return self._parcel_told("parcel = ?", tenant, id)

    def parcel_of_told(self, tenant: str, seller: str, number: str) -> Parcel | None:
        """The newest parcel in which this RMA arrived at any station of the tenant."""
        return self._parcel_told("seller = ? AND rma = ?", tenant, seller, number)

    def _parcel_told(self, where: str, tenant: str, *key: str) -> Parcel | None:
        row = self._row(
            f"""
            SELECT parcel, seller, rma, station, received_at, received_on FROM hub_parcel
            WHERE tenant = ? AND {where} ORDER BY received_at DESC, parcel DESC LIMIT 1
            """,
            tenant,
            *key,
        )
        if row is None:
            return None
        return Parcel(
            id=row["parcel"],
            station=row["station"],
            rmas=((row["seller"], row["rma"]),),
            received_at=datetime.fromisoformat(row["received_at"]),
            received_on=date.fromisoformat(row["received_on"]),
        )

    def batch_told(self, tenant: str, inspection: str) -> str:
        """Number of the batch in which a unit left; empty where no closing named it."""
        sql = "SELECT number FROM hub_batched WHERE tenant = ? AND inspection = ? ORDER BY number DESC LIMIT 1"
        row = self._row(sql, tenant, inspection)
        return str(row["number"]) if row else ""

    # ── Photos ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _refer(self, caller: Caller, arrivals: Iterable[Arrival]) -> None:
        """The photos that units show, and the proofs of batches, are missing until the hub has them."""
        now = self._now()
        shown = {
            (owner, slot, sha256): name
            for arrival in arrivals
            for owner, slot, sha256, name in _pictures(arrival)
            if _SHA256.fullmatch(sha256)
        }
        if not shown:
            return
        photos = {sha256 for _, _, sha256 in shown}
        self._hold_photos(caller.tenant, photos)
        rows = self._rows(
            """
            SELECT sha256 FROM hub_blob
            WHERE tenant = ? AND state <> 'refused' AND sha256 IN (SELECT value FROM json_each(?))
            """,
            caller.tenant,
            compact(sorted(photos)),
        )
        here = {row["sha256"] for row in rows}
        self._connection.insert(
            "hub_photo",
            [
                {
                    "tenant": caller.tenant,
                    "inspection": inspection,
                    "slot": slot,
                    "sha256": sha256,
                    "station": caller.station,
                    "lpn": lpn,
                    "told_at": now,
                    "missing": sha256 not in here,
                }
                for (inspection, slot, sha256), lpn in sorted(shown.items())
            ],
        )

    def blob(self, tenant: str, sha256: str) -> str:
        """What was made of this tenant's photo: ``verified``, ``refused``, one of `ERASED`, or empty where it never
        came."""
        row = self._row("SELECT state FROM hub_blob WHERE tenant = ? AND sha256 = ?", tenant, sha256)
        return str(row["state"]) if row else ""

    def keep_blob(self, caller: Caller, sha256: str, mime: str, size: int, state: str) -> str:
        """A photo's bytes were judged; answer its state: what was verified or erased once stays so."""
        self._hold_photos(caller.tenant, [sha256])
        self._do(
            """
            INSERT INTO hub_blob (tenant, sha256, station, mime, size, state, judged_at) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (tenant, sha256) DO UPDATE SET station = excluded.station, mime = excluded.mime,
                size = excluded.size, state = excluded.state, judged_at = excluded.judged_at
            WHERE hub_blob.state = 'refused'
            """,
            caller.tenant,
            sha256,
            caller.station,
            mime,
            size,
            state,
            self._now(),
        )
        if state == "verified":
            self._do("UPDATE hub_photo SET missing = false WHERE tenant = ? AND sha256 = ?", caller.tenant, sha256)
        return self.blob(caller.tenant, sha256)

    def _hold_photos(self, tenant: str, sha256s: Iterable[str]) -> None:
        """Nobody else refers to these photos, or verifies them, until this is done: else one would miss the other."""
        self._connection.hold(f"photo {tenant} {sha256}" for sha256 in sha256s)

    def photo_bytes(self, caller: Caller, since: datetime) -> int:
        """Bytes of photos that a station has sent since then."""
        row = self._row(
            "SELECT coalesce(sum(size), 0) AS size FROM hub_blob WHERE station = ? AND judged_at > ?",
            caller.station,
            instant(since),
        )
        return int(row["size"]) if row else 0

    def photos_missing(self, limit: int = 1000) -> list[dict[str, Any]]:
        """The photos that units refer to and the hub does not have, the longest missing first."""
        rows = self._rows(
            """
            SELECT p.told_at, p.tenant, s.name AS station, p.lpn, p.inspection, p.slot, p.sha256,
                coalesce(b.state, '') AS state
            FROM hub_photo p JOIN hub_station s ON s.id = p.station
            LEFT JOIN hub_blob b ON b.tenant = p.tenant AND b.sha256 = p.sha256
            WHERE p.missing ORDER BY p.tenant, p.told_at, p.inspection, p.slot LIMIT ?
            """,
            limit,
        )
        return [dict(row) for row in rows]

    def photos_shown(self, tenant: str, inspections: Iterable[str]) -> list[dict[str, Any]]:
        """The photos that any revision of these units shows, with what was made of each and, of one that was erased,
        when that was ordered, by whom and why."""
        return self._shown(tenant, "inspection", inspections)

    def photos_named(self, tenant: str, sha256s: Iterable[str]) -> list[dict[str, Any]]:
        """The same of photos by their hashes, wherever units show them, or none does."""
        asked = list(sha256s)
        alone = self._rows(
            """
            SELECT '' AS lpn, '' AS slot, b.sha256, b.judged_at AS told_at, '' AS station, b.state, b.mime, b.size,
                b.erased_at, b.erased_by, b.erased_why
            FROM hub_blob b WHERE b.tenant = ?1 AND b.sha256 IN (SELECT value FROM json_each(?2))
                AND NOT EXISTS (SELECT 1 FROM hub_photo p WHERE p.tenant = b.tenant AND p.sha256 = b.sha256)
            """,
            tenant,
            compact(asked),
        )
        return [*self._shown(tenant, "sha256", asked), *map(dict, alone)]

    def _shown(self, tenant: str, by: Literal["inspection", "sha256"], which: Iterable[str]) -> list[dict[str, Any]]:
        rows = self._rows(
            f"""
            SELECT p.lpn, p.slot, p.sha256, p.told_at, s.name AS station, coalesce(b.state, 'missing') AS state,
                coalesce(b.mime, '') AS mime, coalesce(b.size, 0) AS size,
                b.erased_at, coalesce(b.erased_by, '') AS erased_by, coalesce(b.erased_why, '') AS erased_why
            FROM hub_photo p JOIN hub_station s ON s.id = p.station
            LEFT JOIN hub_blob b ON b.tenant = p.tenant AND b.sha256 = p.sha256
            WHERE p.tenant = ? AND p.{by} IN (SELECT value FROM json_each(?))
            ORDER BY p.lpn, p.slot, p.told_at, p.sha256
            """,
            tenant,
            compact(list(which)),
        )
        return [dict(row) for row in rows]

    def shown_on(self, tenant: str, *, lpn: str = "", rma: str = "", seller: str = "") -> dict[str, str]:
        """Units of a plate, or of an RMA, that this tenant has sent: the seller of each by its id."""
        rows = self._rows(
            f"""
            SELECT DISTINCT i.id, i.seller FROM inspection i JOIN hub_event e ON e.tenant = ?1 AND e.id = i.event_id
            WHERE {"i.lpn" if lpn else "i.rma"} = ?2 AND (?3 = '' OR i.seller = ?3)
            """,
            tenant,
            lpn or rma,
            seller,
        )
        return {row["id"]: row["seller"] for row in rows}

    def photos_heard_before(self, tenant: str, seller: str, before: datetime) -> list[str]:
        """Photos here, by SHA-256, of which the hub heard before then, wherever they are shown, and that no unit of
        another seller shows, nor a batch."""
        rows = self._rows(
            """
            SELECT b.sha256 FROM hub_blob b
            JOIN hub_photo p ON p.tenant = b.tenant AND p.sha256 = b.sha256
            LEFT JOIN inspection i ON i.id = p.inspection AND i.current
            WHERE b.tenant = ?1 AND b.state IN ('verified', 'refused')
            GROUP BY b.sha256 HAVING max(p.told_at) < ?2 AND min(coalesce(i.seller, '')) = ?3
                AND max(coalesce(i.seller, '')) = ?3
            ORDER BY b.sha256
            """,
            tenant,
            instant(before),
            seller,
        )
        return [row["sha256"] for row in rows]

    def begin_erasing(self, tenant: str, sha256s: Sequence[str], *, by: str, why: str) -> None:
        """From here on nobody takes these photos, and every station is told to delete them; their bytes go after that.

        Of one that never came the tombstone keeps it from coming. What was ordered first stays: by whom, when and why.
        """
        self._hold_photos(tenant, sha256s)
        now = self._now()
        for sha256 in sorted(sha256s):
            ordered = self._do(
                """
                INSERT INTO hub_blob
                    (tenant, sha256, station, mime, size, state, judged_at, erased_at, erased_by, erased_why)
                VALUES (?1, ?2, '', '', 0, 'erasing', ?3, ?3, ?4, ?5)
                ON CONFLICT (tenant, sha256) DO UPDATE SET state = excluded.state, erased_at = excluded.erased_at,
                    erased_by = excluded.erased_by, erased_why = excluded.erased_why
                WHERE hub_blob.erased_at IS NULL
                """,
                tenant,
                sha256,
                now,
                by,
                why,
            )
            if ordered:
                self._publish(tenant, "erased", sha256, "{}")
        self._do(
            "UPDATE hub_photo SET missing = false WHERE tenant = ? AND sha256 IN (SELECT value FROM json_each(?))",
            tenant,
            compact(list(sha256s)),
        )

    def erasing(self, tenant: str) -> list[str]:
        """Photos that are to be erased and whose bytes may still be there."""
        sql = "SELECT sha256 FROM hub_blob WHERE tenant = ? AND state = 'erasing' ORDER BY sha256"
        return [row["sha256"] for row in self._rows(sql, tenant)]

    def erased(self, tenant: str, sha256: str) -> None:
        """The bytes of a photo are gone."""
        sql = "UPDATE hub_blob SET state = 'erased' WHERE tenant = ? AND sha256 = ? AND state = 'erasing'"
        self._do(sql, tenant, sha256)

    def count_missing(self, tenant: str) -> int:
        """How many photos of a tenant are missing."""
        row = self._row("SELECT count(*) AS n FROM hub_photo WHERE tenant = ? AND missing", tenant)
        return int(row["n"]) if row else 0

    # ── What is known, what is parked ────────────────────────────────────────────────────────────────────────────────

    def _advance(self, station: str, epoch: str) -> int:
        """Up to which number the events of an epoch have all arrived, parked ones among them."""
        row = self._row(
            """
            WITH known AS (
                SELECT coalesce(max(contiguous_seq), 0) AS reached FROM hub_epoch WHERE station = ?1 AND epoch = ?2
            ), arrived AS (
                SELECT seq FROM hub_event
                WHERE station = ?1 AND epoch = ?2 AND seq > (SELECT reached FROM known)
                UNION SELECT seq FROM hub_parked
                WHERE station = ?1 AND epoch = ?2 AND seq > (SELECT reached FROM known)
                ORDER BY seq LIMIT 1000
            ), counted AS (
                SELECT seq, row_number() OVER (ORDER BY seq) AS no FROM arrived
            )
            INSERT INTO hub_epoch (station, epoch, contiguous_seq)
            SELECT ?1, ?2, (SELECT reached FROM known) + count(*) FROM counted
            WHERE seq = (SELECT reached FROM known) + no
            ON CONFLICT (station, epoch) DO UPDATE SET contiguous_seq = excluded.contiguous_seq
            RETURNING contiguous_seq
            """,
            station,
            epoch,
        )
        return int(row["contiguous_seq"]) if row else 0

    def unknown(self, tenant: str, lines: Iterable[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Of these events, those that are not here, neither kept nor parked, and those that are here otherwise."""
        asked = list(lines)
        here: dict[str, set[str]] = {}
        for row in self._rows(
            """
            SELECT id, sha256 FROM hub_event WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))
            UNION ALL SELECT event, sha256 FROM hub_parked
            WHERE tenant = ?1 AND event IN (SELECT value FROM json_each(?2))
            """,
            tenant,
            compact([id for id, _ in asked]),
        ):
            here.setdefault(row["id"], set()).add(row["sha256"])
        missing = tuple(id for id, _ in asked if id not in here)
        differs = tuple(id for id, sha256 in asked if sha256 not in here.get(id, {sha256}))
        return missing, differs

    def parked(self, tenant: str | None = None, after: int = 0, limit: int = 1 << 31) -> list[dict[str, Any]]:
        """What could not be taken and nobody has dealt with, the oldest first; no field of it is from the line."""
        return self._parked(_OPEN, tenant, after, limit)

    def parked_line(self, no: int, tenant: str | None = None) -> dict[str, Any] | None:
        """One parked line, also one that was dealt with: who sent it, its bytes, what became of it."""
        rows = self._parked("p.id = ?", tenant, 0, 1, no)
        return rows[0] if rows else None

    def _parked(self, where: str, tenant: str | None, after: int, limit: int, *values: object) -> list[dict[str, Any]]:
        line = "" if where == _OPEN else ", p.tenant, p.line, p.resolved_at, p.resolution, p.note, p.resolved_by"
        whose, tenants = ("", ()) if tenant is None else ("AND p.tenant = ?", (tenant,))
        rows = self._rows(
            f"""
            SELECT p.id AS no, p.received_at, s.name AS station, p.event AS id, p.code, p.detail{line}
            FROM hub_parked p JOIN hub_station s ON s.id = p.station
            WHERE {where} AND p.id > ? {whose} ORDER BY p.id LIMIT ?
            """,
            *values,
            after,
            *tenants,
            limit,
        )
        return [dict(row) for row in rows]

    def settle(
        self, no: int, action: Action, *, note: str, by: str, line: str = "", tenant: str | None = None
    ) -> tuple[Status, str]:
        """Deal with a parked line: what it is at the end, and the code of that.

        ``retry``: as this hub is now, it may take it. ``accept_as``: ``line`` says what it was meant to say, under the
        same epoch and number; it is kept in its place. ``void``: it says nothing. The parked line itself stays.
        Raises Unsettled, after which the transaction must be undone.
        """
        found = self.parked_line(no, tenant)
        if found is None:
            raise Unsettled("not_found")
        if found["resolved_at"] is not None:
            raise Unsettled("already_resolved")
        told = Status.REJECTED, "void"
        if action != "void":
            told = self._take_again(no, line if action == "accept_as" else found["line"])
        self._do(
            "UPDATE hub_parked SET resolved_at = ?, resolution = ?, note = ?, resolved_by = ? WHERE id = ?",
            self._now(),
            action,
            note,
            by,
            no,
        )
        return told

    def _take_again(self, no: int, line: str) -> tuple[Status, str]:
        row = self._row(
            """
            SELECT p.station, p.tenant, s.name, s.seen_at, p.epoch, p.seq FROM hub_parked p
            JOIN hub_station s ON s.id = p.station WHERE p.id = ?
            """,
            no,
        )
        assert row is not None
        try:
            arrival = read(line)
        except Misframed as error:
            raise Unsettled("framing", str(error)) from error
        event = arrival.event
        if event is not None and row["epoch"] and (event.epoch, event.seq) != (row["epoch"], row["seq"]):
            raise Unsettled("another_event", f"epoch must be {row['epoch']}, seq {row['seq']}")
        (told,), _ = self.ingest(Caller(row["station"], row["tenant"], row["name"], new=False), [arrival])
        if told.code in wire.SETTLED.values():
            raise Unsettled(told.code)
        if told.status in (Status.REJECTED, Status.RETRY):
            refused = self._row(
                "SELECT detail FROM hub_parked WHERE tenant = ? AND event = ? AND sha256 = ?",
                row["tenant"],
                arrival.id,
                arrival.sha256,
            )
            raise Unsettled(told.code, arrival.detail or (refused["detail"] if refused else ""))
        # It was not the station that spoke.
        self._do("UPDATE hub_station SET seen_at = ? WHERE id = ?", row["seen_at"], row["station"])
        return told.status, told.code

    def figures(self) -> dict[str, int]:
        """How many stations may speak, and how much waits for somebody, of all tenants together."""
        row = self._row(
            f"""
            SELECT (SELECT count(DISTINCT t.station) FROM hub_token t JOIN hub_station s ON s.id = t.station
                    WHERE s.scope = 'station') AS stations,
                (SELECT count(*) FROM hub_parked p WHERE {_OPEN}) AS parked,
                (SELECT count(*) FROM hub_photo WHERE missing) AS photos_missing
            """
        )
        return dict(row) if row else {}

    def stations(self) -> list[dict[str, Any]]:
        """The stations, when each was last heard, whether it may speak, how much of it is kept, and what is missing."""
        rows = self._rows(
            """
            SELECT s.tenant, s.name, s.seen_at,
                CASE WHEN EXISTS (SELECT 1 FROM hub_token t WHERE t.station = s.id) THEN 'known' ELSE 'revoked' END
                    AS state,
                coalesce(e.n, 0) AS events, coalesce(p.n, 0) AS parked, coalesce(o.n, 0) AS photos_missing
            FROM hub_station s
            LEFT JOIN (SELECT station, count(*) AS n FROM hub_event GROUP BY station) AS e ON e.station = s.id
            LEFT JOIN (SELECT station, count(*) AS n FROM hub_parked WHERE resolved_at IS NULL GROUP BY station) AS p
                ON p.station = s.id
            LEFT JOIN (SELECT station, count(*) AS n FROM hub_photo WHERE missing GROUP BY station) AS o
                ON o.station = s.id
            WHERE s.scope = 'station' ORDER BY s.tenant, s.name
            """
        )
        return [dict(row) for row in rows]

    def sender(self, tenant: str, inspection: str) -> str:
        """The name of the station that sent a unit's newest revision; empty where none of this tenant did."""
        row = self._row(
            """
            SELECT s.name FROM inspection i CROSS JOIN hub_event e ON e.tenant = ? AND e.id = i.event_id
            CROSS JOIN hub_station s ON s.id = e.station WHERE i.id = ? AND i.current
            """,
            tenant,
            inspection,
        )
        return str(row["name"]) if row else ""

    def has_told(self, tenant: str, seller: str, number: str) -> bool:
        """Whether the stations of this tenant were told of a return authorisation."""
        sql = "SELECT 1 FROM hub_change WHERE tenant = ? AND feed = 'rma' AND key = ?"
        return self._row(sql, tenant, compact([seller, number])) is not None

    # ── The feed ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def publish(self, tenant: str, records: Sequence[Product | Rma]) -> int:
        """Tell all stations of these articles and return authorisations; how many were news to them."""
        self._hold_rmas(sorted((each.seller, each.number) for each in records if isinstance(each, Rma)))
        self._connection.hold(_feed_key(tenant, *_named(each)) for each in records)
        return sum(
            self.publish_product(tenant, each) if isinstance(each, Product) else self.publish_rma(tenant, each)
            for each in records
        )

    def publish_product(self, tenant: str, product: Product) -> bool:
        """Tell all stations of an article; False where they know it so already."""
        version = self._publish(tenant, *_named(product), product.model_dump_json())
        return version > 0 and self.put_product(product, "hub", version)

    def publish_rma(self, tenant: str, rma: Rma) -> bool:
        """Tell all stations of a return authorisation; False where they know it so already.

        Its lines keep the numbers that stations know them by, whatever their order in the list.
        """
        self._hold_rmas([(rma.seller, rma.number)])
        rma = self.with_known_numbers(rma)
        version = self._publish(tenant, *_named(rma), rma.model_dump_json())
        news = version > 0 and self.put_rma(rma, "hub", version)
        if news:
            # Another quantity may begin a dispute, or end one.
            several = self._rows(
                """
                SELECT line_no FROM inspection
                WHERE seller = ? AND rma = ? AND line_no IS NOT NULL AND current AND voided_at IS NULL
                GROUP BY line_no HAVING count(*) > 1
                """,
                rma.seller,
                rma.number,
            )
            review(self, tenant, [(rma.seller, rma.number, row["line_no"]) for row in several])
        return news

    def withdraw_rma(self, tenant: str, seller: str, number: str) -> bool:
        """Nothing more is expected of a return authorisation: every station closes it. False where that is known."""
        self._hold_rmas([(seller, number)])
        self.close_rma(seller, number)
        return self._publish(tenant, "rma", compact([seller, number]), "{}", op="delete") > 0

    def _publish(self, tenant: str, feed: str, key: str, body: str, op: str = "upsert") -> int:
        """The new version of a thing, 0 where nothing is new."""
        self._connection.hold([_feed_key(tenant, feed, key)])
        row = self._row(
            "SELECT version, op, body FROM hub_change WHERE tenant = ? AND feed = ? AND key = ?", tenant, feed, key
        )
        if row is not None and (row["op"], row["body"]) == (op, body):
            return 0
        # By the clock, so that a hub restored to yesterday does not give out a number a second time.
        version = max(row["version"] + 1 if row else 1, int(self._clock().timestamp() * 1000))
        place = self._row(f"SELECT {self._connection.next_change} AS seq, {self._connection.transaction} AS xid")
        change = {
            "tenant": tenant,
            "feed": feed,
            "key": key,
            **dict(place or ()),
            "version": version,
            "op": op,
            "body": body,
            "published_at": self._now(),
        }
        self._put("hub_change", ["tenant", "feed", "key"], change)
        return version

    def changes(self, tenant: str, feeds: Sequence[str], after: Place, limit: int) -> list[Mapping[str, Any]]:
        """The things of these feeds that changed after this place, in the order of their last change.

        Where several write at once, those that a transaction still running could come before are told later.
        """
        marks = ", ".join("?" * len(feeds))
        return [
            dict(row)
            for row in self._rows(
                f"""
                SELECT xid, seq, feed, key, version, op, body FROM hub_change
                WHERE tenant = ? AND (xid, seq) > (?, ?) AND feed IN ({marks}) AND xid < {self._connection.horizon}
                ORDER BY xid, seq LIMIT ?
                """,
                tenant,
                *after,
                *feeds,
                limit,
            )
        ]

    def last_change(self) -> Place:
        """The place of the newest change."""
        row = self._row("SELECT xid, seq FROM hub_change ORDER BY xid DESC, seq DESC LIMIT 1")
        return Place(row["xid"], row["seq"]) if row else START


def _pictures(arrival: Arrival) -> Iterator[tuple[str, str, str, str]]:
    """Id, slot, SHA-256 and plate or number: of each picture of a unit, and of the one that proves a batch's end."""
    if isinstance(arrival.said, Inspection):
        unit = arrival.said
        yield from ((unit.id, photo.slot, photo.sha256, unit.lpn) for photo in unit.photos)
    elif arrival.event is not None and arrival.event.type == EventType.BATCH_CLOSED:
        # Of a batch the hub keeps the line alone: no more of it is read, and that without trust.
        match arrival.event.body:
            case {"id": str(id), "number": str(no), "revision": int(revision), "ending": {"photo": str(sha256)}}:
                if 0 < revision < wire.MAX_NUMBER:
                    yield clean(id, 100), f"proof{revision}", sha256, clean(no, 100)


def _received(arrival: Arrival) -> Iterator[dict[str, str]]:
    """The RMA that arrived in a parcel, if the event tells of one: of those the hub keeps the line alone, and no more
    of it is read, and that without trust."""
    if arrival.event is None or arrival.event.type != EventType.PARCEL_RECEIVED:
        return
    match arrival.event.body:
        case {
            "parcel": str(parcel),
            "seller": str(seller),
            "rma": str(rma),
            "received_at": str(at),
            "received_on": str(on),
        }:
            with suppress(ValueError, OverflowError):
                told = {"received_at": _moment(at), "received_on": date.fromisoformat(on).isoformat()}
                yield {"parcel": clean(parcel, 100), "seller": clean(seller, 100), "rma": clean(rma, 100), **told}


def _moment(text: str) -> str:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time without its zone")
    return instant(at)


def _batched(arrival: Arrival) -> Iterator[tuple[str, str]]:
    """The units that left in a batch, if the event tells of one, and its number; read as `_received`."""
    if arrival.event is None or arrival.event.type != EventType.BATCH_CLOSED:
        return
    match arrival.event.body:
        case {"number": str(number), "units": list(units)}:
            for unit in units:
                match unit:
                    case {"inspection": str(id)}:
                        yield clean(id, 100), clean(number, 100)


def _named(record: Product | Rma) -> tuple[str, str]:
    """Feed and key by which stations know it."""
    if isinstance(record, Product):
        return "catalogue", compact([record.seller, record.gtin])
    return "rma", compact([record.seller, record.number])


def _feed_key(tenant: str, feed: str, key: str) -> str:
    return f"feed {compact([tenant, feed, key])}"


def _rma(key: tuple[str, str]) -> str:
    return f"rma {compact(key)}"


def _is_block(text: str) -> bool:
    try:
        barcode.next_lpn(text, 1)
    except ValueError:
        return False
    return True
