"""What the hub knows, and all its SQL: stations, facts as they came, what of them contradicts, the feed for stations.

A ledger is a store's writer that also keeps what others send: facts go to ``hub_event``, byte by byte and for ever, and
units beside them into the same ``inspection`` table that a station has, so that reports and `show` read a hub too.
"""

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from inspect_station.core import barcode
from inspect_station.core.records import Inspection, Product, Rma, compact, instant
from inspect_station.core.wire import Receipt, Status
from inspect_station.hub.intake import Arrival, Voided
from inspect_station.hub.units import CONSUMES_NOTHING, ON_NO_LINE, Judged, NotYours, Told, Units
from inspect_station.store import Reader, Writer
from inspect_station.store.writer import revision_row

CODE_LIVES = timedelta(days=7)
"""A one-time code that nobody used in this time is void; ours."""
OVERLAP = timedelta(hours=24)
"""The old token lives so long beside a new one that was never used (sync.md §2.3)."""
RETRY_S = 3600
"""A station that is newer than this hub asks again after so many seconds."""
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
        # Whose row it is waits here, too: the sends of one station never run beside each other.
        self._do("UPDATE hub_station SET seen_at = ? WHERE id = ?", self._now(), caller.station)
        told = self._take(caller, arrivals)
        receipts = [self._receipt(arrival, each) for arrival, each in zip(arrivals, told, strict=True)]
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
    def _receipt(arrival: Arrival, told: Told) -> Receipt:
        after_s = RETRY_S if told.status is Status.RETRY else 0
        return Receipt(id=arrival.id, sha256=arrival.sha256, status=told.status, code=told.code, after_s=after_s)

    def _take(self, caller: Caller, arrivals: Sequence[Arrival]) -> list[Told]:
        """Keep all of them at once; where the tables refuse that, each alone, and park what is refused alone."""
        try:
            while True:
                with suppress(_Overtaken), self._savepoint():
                    return self._keep(caller, arrivals)
        except sqlite3.IntegrityError as error:
            if len(arrivals) > 1:
                return [told for arrival in arrivals for told in self._take(caller, [arrival])]
            self._park(caller, [(arrivals[0], "internal_error", type(error).__name__)])
            return [Told(Status.REJECTED, "internal_error")]

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

    def _keep(self, caller: Caller, arrivals: Sequence[Arrival]) -> list[Told]:
        """What becomes of each, decided on what is known; then all of it is written, table by table.

        Ordered by id, so that two who keep the same facts do not wait for each other.
        """
        known = self._known(caller.tenant, arrivals)
        fresh = [arrival for arrival in arrivals if arrival.id not in known]
        units = self._units(caller.tenant, [arrival.said for arrival in fresh if arrival.said is not None])
        told: dict[int, Told] = {}
        parked: list[tuple[Arrival, str, str]] = []
        events: dict[str, dict[str, Any]] = {}
        revisions: list[dict[str, Any]] = []
        for at in sorted(range(len(arrivals)), key=lambda at: arrivals[at].id):
            arrival, event = arrivals[at], arrivals[at].event
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
                except (ValueError, OverflowError) as error:
                    code, detail = "schema_invalid", type(error).__name__
                else:
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
            self._write(caller.tenant, events, revisions, units)
        return [told[at] for at in range(len(arrivals))]

    def _known(self, tenant: str, arrivals: Sequence[Arrival]) -> dict[str, tuple[str, Told]]:
        """Hash and receipt of those that are kept already."""
        rows = self._rows(
            """
            SELECT id, sha256, status, code FROM hub_event
            WHERE tenant = ?1 AND id IN (SELECT value FROM json_each(?2))
            """,
            tenant,
            compact([arrival.id for arrival in arrivals]),
        )
        return {row["id"]: (row["sha256"], Told(Status(row["status"]), row["code"])) for row in rows}

    def _units(self, tenant: str, said: Sequence[Inspection | Voided]) -> Units:
        """What is known of these units and of the lines they stand on; from here on nobody else adds to it."""
        units = Units(tenant)
        ids = [each.id if isinstance(each, Inspection) else each.inspection for each in said]
        if not ids:
            return units
        self._connection.hold(f"unit {id}" for id in ids)
        units.heard(
            self._rows(
                """
                SELECT tenant, station, subject, revision, type, code, line, rowid AS at FROM hub_event
                WHERE subject IN (SELECT value FROM json_each(?)) ORDER BY rowid
                """,
                compact(ids),
            )
        )
        units.shown(
            self._rows(
                """
                SELECT i.body, i.event_id, e.station FROM inspection i
                JOIN hub_event e ON e.tenant = ?1 AND e.id = i.event_id
                WHERE i.id IN (SELECT value FROM json_each(?2)) ORDER BY i.id, i.revision
                """,
                tenant,
                compact(ids),
            )
        )
        lines = units.lines() | {
            (each.seller, each.rma, each.line.no) for each in said if isinstance(each, Inspection) and each.line
        }
        self._hold_rmas((seller, number) for seller, number, _ in lines)
        those = self._connection.records("rma_line", ("seller", "number", "no"))
        which = compact([{"seller": seller, "number": number, "no": no} for seller, number, no in lines])
        units.standing(
            self._rows(
                f"""
                SELECT line.seller, line.number, line.no, i.id, e.station, i.serial, i.grade, i.disposition,
                    -- The sum keeps PostgreSQL from looking for the least number of all.
                    (SELECT min(f.rowid + 0) FROM hub_event f
                        WHERE f.subject = i.id AND f.type NOT IN ({_ON_NO_LINE})) AS since
                FROM {those} line
                CROSS JOIN inspection i ON i.seller = line.seller AND i.rma = line.number AND i.line_no = line.no
                CROSS JOIN hub_event e ON e.tenant = ? AND e.id = i.event_id AND e.subject = i.id
                -- Said so that no database looks through all that stand.
                WHERE i.current AND coalesce(i.voided_at, '') = '' AND i.kind NOT IN ({_CONSUMES_NOTHING})
                """,
                which,
                tenant,
            ),
            self._rows(
                f"""
                SELECT l.seller, l.number, l.no, l.quantity FROM {those} line
                CROSS JOIN rma_line l ON l.seller = line.seller AND l.number = line.number AND l.no = line.no
                """,
                which,
            ),
        )
        return units

    def _hold_rmas(self, keys: Iterable[tuple[str, str]]) -> None:
        """Nobody else changes what stands on these RMAs, or what is announced of them."""
        self._connection.hold(f"rma {compact(key)}" for key in keys)

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

    def _write(
        self, tenant: str, events: Mapping[str, Mapping[str, Any]], revisions: list[dict[str, Any]], units: Units
    ) -> None:
        kept = self._insert("hub_event", list(events.values()), "id")
        if len(kept) != len(events):
            raise _Overtaken
        # Dealt with at last, after a newer hub or a person has made it possible.
        self._do(
            """
            UPDATE hub_parked SET resolved_at = ?1 WHERE tenant = ?2 AND resolved_at IS NULL
                AND event IN (SELECT value FROM json_each(?3)) AND sha256 IN (SELECT value FROM json_each(?4))
            """,
            self._now(),
            tenant,
            compact(list(events)),
            compact([row["sha256"] for row in events.values()]),
        )
        if not revisions:
            return
        for row in revisions:
            row["current"] = row["revision"] == units.newest(row["id"])
        self._do(
            """
            UPDATE inspection SET current = false
            WHERE current AND id IN (SELECT value FROM json_each(?))
            """,
            compact(sorted({row["id"] for row in revisions if row["current"]})),
        )
        if len(self._insert("inspection", revisions, "id")) != len(revisions):
            raise sqlite3.IntegrityError("a revision is there already")

    def _insert(self, table: str, rows: Sequence[Mapping[str, Any]], answer: str) -> list[Any]:
        """Put in all rows that are not there yet, in one statement; a column of those that were put in."""
        names = tuple(rows[0])
        columns = ", ".join(names)
        put = self._rows(
            f"""
            INSERT INTO {table} ({columns}) SELECT {columns} FROM {self._connection.records(table, names)} AS each
            WHERE true ON CONFLICT DO NOTHING RETURNING {answer}
            """,
            compact(rows),
        )
        return [row[answer] for row in put]

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
            self._insert("hub_parked", rows, "event")

    # ── What is known, what is parked ────────────────────────────────────────────────────────────────────────────────

    def _advance(self, station: str, epoch: str) -> int:
        """Up to which number the events of an epoch have all arrived, parked ones among them."""
        row = self._row("SELECT contiguous_seq FROM hub_epoch WHERE station = ? AND epoch = ?", station, epoch)
        reached = row["contiguous_seq"] if row else 0
        arrived = self._rows(
            """
            SELECT seq FROM hub_event WHERE station = ?1 AND epoch = ?2 AND seq > ?3
            UNION SELECT seq FROM hub_parked WHERE station = ?1 AND epoch = ?2 AND seq > ?3
            ORDER BY seq LIMIT 1000
            """,
            station,
            epoch,
            reached,
        )
        for (seq,) in arrived:
            if seq != reached + 1:
                break
            reached = seq
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
        return version > 0 and self.put_rma(rma, "hub", version)

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


def _named(record: Product | Rma) -> tuple[str, str]:
    """Feed and key by which stations know it."""
    if isinstance(record, Product):
        return "catalogue", compact([record.seller, record.gtin])
    return "rma", compact([record.seller, record.number])


def _feed_key(tenant: str, feed: str, key: str) -> str:
    return f"feed {compact([tenant, feed, key])}"


def _is_block(text: str) -> bool:
    try:
        barcode.next_lpn(text, 1)
    except ValueError:
        return False
    return True
