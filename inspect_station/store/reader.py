"""Questions to the store. Records come out; every answer is complete when it is given."""

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from inspect_station.core.batches import PROPERTY, Batch, Ending, Member
from inspect_station.core.clocks import LONGEST_WAIT, HubTime, clock_marks
from inspect_station.core.records import (
    Disposition,
    Grade,
    Inspection,
    Kind,
    Parcel,
    Product,
    Review,
    Reviewed,
    Rma,
    Seller,
    Standing,
    instant,
    upgrade,
)
from inspect_station.message import Message
from inspect_station.store import moments
from inspect_station.store.connection import Connection, Row
from inspect_station.store.values import (
    Graded,
    LabelJob,
    LabelState,
    OpenLine,
    Outgoing,
    PhotoState,
    StoredPhoto,
    StoredPlaybook,
    TakenOut,
    Tally,
    UnitAtHub,
    Waiting,
)

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PAGE = 500
"""Rows read at once: a few milliseconds, during which no commit passes."""

LIVE = "current AND voided_at IS NULL"
"""Units that stand: the newest revision, and not void."""

SEVERAL = 50
"""Rows of one answer where any number may fit: more than anybody picks from."""

NEWEST = 1000
"""Rows of a table that a search looks at: those that the full-text index names, or any for one or two signs."""

AT_HUB = "('accepted', 'duplicate', 'conflict')"
"""States of the events that the hub has said it keeps."""

_DUE = "(not_before IS NULL OR not_before <= ? OR not_before > ?)"
"""Not put off any more."""

SLIP = "(json_extract(fields, '$.barcode') IS lpn)"
"""Labels beside a unit's own: their bars bear the plate without the print's number."""

MAYBE_OUT = f"NOT void AND NOT {SLIP} AND (state IN ('printing', 'printed') OR printer <> '')"
"""Labels that may be on their box, and right: one that was never sent to a printer surely is not."""

OF_PLATE = "lpn <> '' AND lpn = ?"
"""The labels of one plate, said so that the index of those that have a plate is used."""


class Reader:
    """What is known, by every key by which the dock asks. Made by `Store.read`."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock

    def _rows(self, sql: str, *values: object) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def _row(self, sql: str, *values: object) -> Row | None:
        return next(iter(self._rows(sql, *values)), None)

    def meta(self, key: str) -> str:
        """A single fact about this store; empty where it was never set."""
        row = self._row("SELECT value FROM meta WHERE key = ?", key)
        return row["value"] if row else ""

    def size(self) -> tuple[int, int]:
        """How many inspections, revisions included, and how many events there are."""
        row = self._row("SELECT (SELECT count(*) FROM inspection) AS units, (SELECT count(*) FROM event) AS events")
        return (row["units"], row["events"]) if row else (0, 0)

    def last_seq(self, epoch: str) -> int:
        """The number of the last event of an epoch; 0 = none yet."""
        row = self._row("SELECT coalesce(max(seq), 0) AS seq FROM event WHERE epoch = ?", epoch)
        return int(row["seq"]) if row else 0

    def clock_ahead(self) -> timedelta:
        """By how much this station's clock is ahead of its hub's, as far as that is known."""
        said = self.meta("hub_clock")
        if not said:
            return timedelta()
        known = json.loads(said)
        hub = HubTime(**{**known, "at": datetime.fromisoformat(known["at"])})
        return hub.ahead(self._clock(), moments.boot(), moments.mono_ms())

    def now(self) -> datetime:
        """The time by which units are counted: the hub's, as far as that is known, else this station's."""
        now = self._clock()
        return now - timedelta(seconds=clock_marks(now, self.clock_ahead()).get("clock_ahead_s", 0))

    # ── What was announced ──────────────────────────────────────────────────────────────────────────────────

    def seller(self, code: str) -> Seller | None:
        """The seller's settings, as the hub or an import gave them."""
        row = self._row("SELECT body FROM seller WHERE code = ?", code)
        return Seller.model_validate_json(row["body"]) if row else None

    def sellers(self) -> tuple[Seller, ...]:
        """All sellers known to the store, by code."""
        rows = self._rows("SELECT body FROM seller ORDER BY code")
        return tuple(Seller.model_validate_json(row["body"]) for row in rows)

    def product(self, seller: str, gtin: str) -> Product | None:
        """One seller's article."""
        row = self._row("SELECT body FROM product WHERE seller = ? AND gtin = ?", seller, gtin)
        return Product.model_validate_json(row["body"]) if row else None

    def products(self, gtin: str) -> tuple[Product, ...]:
        """The article as each of its sellers describes it."""
        rows = self._rows("SELECT body FROM product WHERE gtin = ? ORDER BY seller", gtin)
        return tuple(Product.model_validate_json(row["body"]) for row in rows)

    def gtins_of(self, code: str, limit: int = SEVERAL) -> tuple[str, ...]:
        """The articles to which any seller gave exactly this SKU, or a marketplace this ASIN."""
        if not code:
            return ()
        rows = self._rows(
            """
            SELECT gtin FROM product WHERE sku <> '' AND sku = ?1
            UNION SELECT gtin FROM product WHERE asin <> '' AND asin = ?1
            ORDER BY gtin LIMIT ?2
            """,
            code,
            limit,
        )
        return tuple(row["gtin"] for row in rows)

    def rma(self, seller: str, number: str) -> Rma | None:
        """One return authorisation."""
        row = self._row("SELECT body, closed FROM rma WHERE seller = ? AND number = ?", seller, number)
        return _rma(row) if row else None

    def rmas(self, number: str, limit: int = SEVERAL) -> tuple[Rma, ...]:
        """Return authorisations of any seller with this number."""
        rows = self._rows("SELECT body, closed FROM rma WHERE number = ? ORDER BY seller LIMIT ?", number, limit)
        return tuple(_rma(row) for row in rows)

    def rmas_by(self, code: str, limit: int = SEVERAL) -> tuple[Rma, ...]:
        """Return authorisations with exactly this order number, tracking number, or serial on a line."""
        if not code:
            return ()
        keys = self._rows(
            """
            SELECT * FROM (SELECT seller, number FROM rma WHERE order_no = ?1 ORDER BY seller, number LIMIT ?2) AS few
            UNION
            SELECT * FROM (SELECT seller, number FROM rma WHERE tracking = ?1 ORDER BY seller, number LIMIT ?2) AS few
            UNION
            SELECT * FROM (SELECT seller, number FROM rma_line WHERE serial <> '' AND serial = upper(?1)
                ORDER BY seller, number LIMIT ?2) AS few
            ORDER BY 1, 2 LIMIT ?2
            """,
            code,
            limit,
        )
        return self._rmas(keys)

    def _rmas(self, keys: Iterable[Iterable[str]]) -> tuple[Rma, ...]:
        return tuple(rma for key in keys if (rma := self.rma(*key)) is not None)

    def lines_of_gtin(self, gtin: str, limit: int = SEVERAL) -> tuple[OpenLine, ...]:
        """Open lines of any seller that announce this article, the oldest request first."""
        rows = self._rows(
            """
            SELECT r.body, r.closed, l.no, l.open FROM rma_line l INDEXED BY ix_rma_line_open
            CROSS JOIN rma r ON r.seller = l.seller AND r.number = l.number
            WHERE l.gtin = ? AND l.open > 0
            ORDER BY coalesce(l.requested_on, l.delivered_on, '9'), l.seller, l.number, l.no LIMIT ?
            """,
            gtin,
            limit,
        )
        found = ((_rma(row), row["no"], row["open"]) for row in rows)
        return tuple(OpenLine(rma, rma.line(no), still) for rma, no, still in found)

    def open_lines(self, gtin: str, most: int = 1000) -> int:
        """How many lines `lines_of_gtin` could find, counted up to `most`."""
        row = self._row(
            "SELECT count(*) AS n FROM (SELECT 1 FROM rma_line WHERE gtin = ? AND open > 0 LIMIT ?) AS few", gtin, most
        )
        return row["n"] if row else 0

    def open_count(self, seller: str, number: str, line_no: int) -> int:
        """Units still to come on a line; 0 where it is full, closed or unknown."""
        row = self._row("SELECT open FROM rma_line WHERE seller = ? AND number = ? AND no = ?", seller, number, line_no)
        return max(0, row["open"]) if row else 0

    # ── What arrived ────────────────────────────────────────────────────────────────────────────────────────

    def parcel(self, id: str) -> Parcel | None:
        """One parcel."""
        return self._parcel("SELECT body FROM parcel WHERE id = ?", id)

    def open_parcel(self) -> Parcel | None:
        """The parcel on the bench: received last and not closed."""
        return self._parcel("SELECT body FROM parcel WHERE closed_at IS NULL ORDER BY received_at DESC LIMIT 1")

    def parcel_of(self, seller: str, number: str) -> Parcel | None:
        """The newest parcel in which this RMA arrived."""
        return self._parcel(
            """
            SELECT body FROM parcel JOIN parcel_rma ON parcel_rma.parcel = parcel.id
            WHERE seller = ? AND number = ? ORDER BY received_at DESC LIMIT 1
            """,
            seller,
            number,
        )

    def _parcel(self, sql: str, *values: object) -> Parcel | None:
        row = self._row(sql, *values)
        return Parcel.model_validate_json(row["body"]) if row else None

    def units_in(self, parcel: str) -> int:
        """How many units of a parcel were begun: finished ones that stand, and drafts."""
        row = self._row(
            f"""
            SELECT (SELECT count(*) FROM inspection WHERE parcel = ?1 AND {LIVE})
                + (SELECT count(*) FROM draft WHERE parcel = ?1) AS n
            """,
            parcel,
        )
        return row["n"] if row else 0

    def awaited(self, limit: int = SEVERAL) -> tuple[tuple[Parcel, int], ...]:
        """Open parcels with how many units of them nobody has had on the bench yet, the one received first first.

        Lines that are marked as not in the parcel are not awaited; of a line, units set aside are not to come any more.
        """
        rows = self._rows(
            """
            SELECT p.body, sum(max(0, l.open - (
                SELECT count(*) FROM draft d WHERE d.rma = l.number AND d.seller = l.seller AND d.line_no = l.no
                    AND json_extract(d.body, '$.kind') = 'unit' AND json_array_length(d.body, '$.warnings') = 0
                    AND NOT EXISTS (SELECT 1 FROM inspection i
                        WHERE i.id = d.id AND i.rma = d.rma AND i.current AND i.voided_at IS NULL)))) AS units
            FROM parcel p INDEXED BY ix_parcel_open
            CROSS JOIN parcel_rma r ON r.parcel = p.id
            CROSS JOIN rma_line l ON l.seller = r.seller AND l.number = r.number AND l.open > 0
            WHERE p.closed_at IS NULL
                AND NOT EXISTS (SELECT 1 FROM json_each(p.body, '$.missing') m
                    WHERE m.value = json_array(l.seller, l.number, l.no))
            GROUP BY p.received_at, p.id ORDER BY p.received_at LIMIT ?
            """,
            limit,
        )
        return tuple((Parcel.model_validate_json(row["body"]), row["units"]) for row in rows if row["units"])

    # ── What is being inspected ─────────────────────────────────────────────────────────────────────────────

    def draft(self, lpn: str) -> Inspection | None:
        """The unfinished inspection of this unit."""
        return self._inspection("SELECT body FROM draft WHERE lpn = ?", lpn)

    def draft_of(self, code: str) -> Inspection | None:
        """The draft worked on last that answers to an RMA number, a GTIN or a serial."""
        if not code:
            return None
        return self._inspection(
            "SELECT body FROM draft WHERE rma = ?1 OR gtin = ?1 OR serial = ?1 "
            "ORDER BY updated_at DESC, id DESC LIMIT 1",
            code,
        )

    def drafts_of_line(self, seller: str, number: str, line_no: int) -> tuple[Inspection, ...]:
        """Units of one line that are set aside or on the bench, in whatever parcel, the one worked on last first.

        Only those that take one of the line's open places: no wrong item, no unit more than announced, none that has
        its place already and only came back to be cleaned.
        """
        drafts = self._inspections(
            """
            SELECT body FROM draft WHERE seller = ? AND rma = ? AND line_no = ?
                AND NOT EXISTS (SELECT 1 FROM inspection i
                    WHERE i.id = draft.id AND i.rma = draft.rma AND i.current AND i.voided_at IS NULL)
            ORDER BY updated_at DESC, id DESC
            """,
            seller,
            number,
            line_no,
        )
        return tuple(draft for draft in drafts if draft.kind is Kind.UNIT and not draft.warnings)

    def drafts(self) -> tuple[Inspection, ...]:
        """All unfinished inspections, the one worked on last first."""
        return self._inspections("SELECT body FROM draft ORDER BY updated_at DESC, id DESC")

    # ── What was inspected ──────────────────────────────────────────────────────────────────────────────────

    def inspection(self, lpn: str) -> Inspection | None:
        """The newest revision of a finished unit; one that is void says so in ``voided_at``."""
        return self._inspection(
            "SELECT body FROM inspection WHERE lpn = ? ORDER BY id DESC, revision DESC LIMIT 1", lpn
        )

    def history(self, lpn: str) -> tuple[Inspection, ...]:
        """All revisions of a unit, the first one first."""
        return self._inspections("SELECT body FROM inspection WHERE lpn = ? ORDER BY id, revision", lpn)

    def units(self, seller: str, number: str) -> tuple[Inspection, ...]:
        """The units of an RMA that stand, in the order in which they were finished."""
        return self._inspections(
            f"SELECT body FROM inspection WHERE seller = ? AND rma = ? AND {LIVE} ORDER BY rowid",
            seller,
            number,
        )

    def with_serial(self, serial: str, gtin: str) -> tuple[Inspection, ...]:
        """Drafts, then finished units that stand, of this article with this serial, the newest first.

        A unit that is reopened without being void is found as both; none is found by an empty serial.
        """
        if not serial:
            return ()
        drafts = self._inspections(
            "SELECT body FROM draft WHERE serial = ? AND gtin = ? ORDER BY updated_at DESC, id DESC", serial, gtin
        )
        units = self._inspections(
            f"SELECT body FROM inspection WHERE serial <> '' AND serial = ? AND gtin = ? AND {LIVE} "
            "ORDER BY rowid DESC LIMIT ?",
            serial,
            gtin,
            SEVERAL,
        )
        return (*drafts, *units)

    def last_units(self, n: int) -> tuple[Inspection, ...]:
        """The units finished last that stand, the newest commit first, whatever the clock said."""
        return self._inspections(f"SELECT body FROM inspection WHERE {LIVE} ORDER BY rowid DESC LIMIT ?", n)

    def claims(self, limit: int = 50) -> tuple[Inspection, ...]:
        """Units that nobody had announced and that are not matched to an RMA yet, the oldest first."""
        return self._inspections(
            f"""
            SELECT body FROM inspection WHERE {LIVE} AND kind = '{Kind.UNKNOWN}'
                AND NOT EXISTS (SELECT 1 FROM draft WHERE draft.id = inspection.id)
            ORDER BY finished_at LIMIT ?
            """,
            limit,
        )

    def last_finished(self) -> Inspection | None:
        """The unit that an undo would take back."""
        return next(iter(self.last_units(1)), None)

    def event_of(self, inspection: str) -> str:
        """Id of the event that told the hub of the newest revision; empty where there is none."""
        row = self._row("SELECT event_id FROM inspection WHERE id = ? ORDER BY revision DESC LIMIT 1", inspection)
        return row["event_id"] if row else ""

    def tally(self, start: datetime, end: datetime) -> Tally:
        """Count the units finished from `start` until before `end`, by corrected time, that stand."""
        rows = self._rows(
            f"""
            SELECT disposition, count(*) AS units,
                count(*) FILTER (WHERE grade = '{Grade.DEFECTIVE}') AS defective,
                sum(seconds) AS seconds
            FROM inspection WHERE {LIVE} AND corrected_at >= ? AND corrected_at < ? GROUP BY disposition
            """,
            instant(start),
            instant(end),
        )
        units = sum(row["units"] for row in rows)
        return Tally(
            units=units,
            by_disposition={Disposition(row["disposition"]): row["units"] for row in rows if row["disposition"]},
            defective=sum(row["defective"] for row in rows),
            average_s=round(sum(row["seconds"] for row in rows) / units) if units else None,
        )

    def days_work(self, days: int = 7) -> tuple[float, float]:
        """Units and photos of an average day in the last so many, those without work left out."""
        row = self._row(
            f"""
            SELECT count(*) AS units, coalesce(sum(photos), 0) AS photos,
                count(DISTINCT substr(corrected_at, 1, 10)) AS n
            FROM inspection WHERE {LIVE} AND corrected_at >= ?
            """,
            instant(self.now() - timedelta(days=days)),
        )
        return (row["units"] / row["n"], row["photos"] / row["n"]) if row and row["n"] else (0.0, 0.0)

    def graded(self, start: datetime, end: datetime, seller: str = "", tenant: str = "") -> tuple[Graded, ...]:
        """The units finished from `start` until before `end` that stand, of one seller or all, by corrected time.

        On a hub: those of one tenant, or all; of one box that several docks have inspected, the unit that counts.
        """
        rows = self._rows(
            f"""
            SELECT seller, grade, disposition, operator, currency, count(*) AS units,
                CAST(sum(photos) AS bigint) AS photos,
                CAST(coalesce(sum(list_minor), 0) AS bigint) AS list_minor,
                CAST(coalesce(sum(price_minor), 0) AS bigint) AS price_minor,
                count(*) FILTER (WHERE waiting_case) AS waiting,
                count(*) FILTER (WHERE clock_suspect) AS clock_suspect
            FROM inspection
            WHERE {LIVE} AND standing = '' AND corrected_at >= ? AND corrected_at < ?
                AND (?3 = '' OR seller = ?3)
                AND (?4 = '' OR EXISTS (SELECT 1 FROM hub_event WHERE tenant = ?4 AND hub_event.id = event_id))
            GROUP BY seller, grade, disposition, operator, currency
            """,
            instant(start),
            instant(end),
            seller,
            tenant,
        )
        return tuple(_made(Graded, row) for row in rows)

    def search(self, text: str, limit: int = 20) -> tuple[Rma | Inspection, ...]:
        """Drafts and units, then RMAs, that contain the text; of more than the limit, the newest.

        By LPN, serial, RMA, order or tracking number; by all words of a title or SKU only RMAs with an open line.
        A text of one or two signs, which every other code contains, is looked for among the newest only.
        """
        code, words = text.strip(), folded(text).split()
        if not words:
            return ()
        drafts = self._rows(
            rf"SELECT lpn FROM draft WHERE lpn {_CONTAINS} OR serial {_CONTAINS} ORDER BY id DESC LIMIT ?",
            _pattern(code),
            _pattern(code),
            limit,
        )
        units = self._containing("inspection", ("lpn", "serial"), [code], "inspection.lpn", limit)
        lpns = sorted({row["lpn"] for row in (*drafts, *units)}, reverse=True)[:limit]
        found = [unit for lpn in lpns if (unit := self.draft(lpn) or self.inspection(lpn)) is not None]
        room = limit - len(found)
        numbers = self._containing("rma", ("number", "order_no", "tracking"), [code], "rma.seller, rma.number", room)
        serials = self._containing("rma_line", ("serial",), [code], "rma_line.seller, rma_line.number", room)
        titles = self._containing(
            "product",
            ("words",),
            words,
            "DISTINCT l.seller, l.number",
            room,
            also="CROSS JOIN rma_line l ON l.gtin = product.gtin AND l.seller = product.seller AND l.open > 0",
        )
        keys = dict.fromkeys((*sorted(map(tuple, (*numbers, *serials))), *map(tuple, titles)))
        return (*found, *self._rmas(islice(keys, room)))

    def _containing(
        self, table: str, columns: Sequence[str], parts: Sequence[str], wanted: str, limit: int, also: str = ""
    ) -> list[Row]:
        """Rows in which each part is contained in one of the columns, the newest first.

        The full-text index names those that have all threes of the parts' signs, nearly always the right ones; it knows
        no shorter parts. So many of them are looked at that the answer takes a few milliseconds.
        """
        threes = dict.fromkeys(part[n : n + 3] for part in parts for n in range(len(part) - 2))
        those, match = self._connection.searched(table, tuple(threes), NEWEST)
        contained = " AND ".join(f"({' OR '.join(f'{table}.{each} {_CONTAINS}' for each in columns)})" for _ in parts)
        return self._rows(
            # The cross join keeps the order of those that are looked at.
            f"""
            SELECT {wanted} FROM ({those}) AS few
            CROSS JOIN {table} ON {table}.rowid = candidate {also} WHERE {contained} LIMIT ?
            """,
            *match,
            *(_pattern(part) for part in parts for _ in columns),
            limit,
        )

    def open_cases(self, limit: int = SEVERAL) -> tuple[Inspection, ...]:
        """Units about which the seller was asked and has not answered, the first due first."""
        return self._inspections(
            f"SELECT body FROM inspection WHERE {LIVE} AND case_due_at IS NOT NULL ORDER BY case_due_at LIMIT ?", limit
        )

    def count_open_cases(self, due_before: datetime | None = None) -> int:
        """How many cases are open, or were due before a time."""
        row = self._row(
            f"""
            SELECT count(*) AS n FROM inspection INDEXED BY ix_inspection_case
            WHERE {LIVE} AND case_due_at IS NOT NULL AND case_due_at < ?
            """,
            instant(due_before) if due_before else "9",
        )
        return row["n"] if row else 0

    def with_signals(self, since: datetime, limit: int = SEVERAL) -> tuple[Inspection, ...]:
        """Units that bear a mark for a supervisor and were finished since, the newest first."""
        return self._inspections(
            f"SELECT body FROM inspection WHERE {LIVE} AND signals > 0 AND finished_at >= ? "
            "ORDER BY finished_at DESC LIMIT ?",
            instant(since),
            limit,
        )

    def count_with_signals(self, since: datetime) -> int:
        """How many units `with_signals` could find."""
        row = self._row(
            f"SELECT count(*) AS n FROM inspection WHERE {LIVE} AND signals > 0 AND finished_at >= ?", instant(since)
        )
        return row["n"] if row else 0

    def returns_of(self, seller: str, customer: str, since: datetime, besides: str = "") -> tuple[datetime, ...]:
        """When this customer's RMAs came back to this seller since, without the RMA `besides`: the last unit of each.

        Counted over the newest thousand of the customer's RMAs: no norm is near it, and a key that stands for many
        (a shop's guests) must not keep the dock waiting.
        """
        if not customer:
            return ()
        rows = self._rows(
            f"""
            SELECT max(finished_at) AS finished_at FROM (
                SELECT number FROM rma WHERE seller = ?1 AND customer = ?2 AND customer <> ''
                ORDER BY rowid DESC LIMIT {NEWEST}) AS few
            CROSS JOIN inspection ON seller = ?1 AND rma = number
            WHERE {LIVE} AND finished_at >= ?3 AND number <> ?4 GROUP BY number
            """,
            seller,
            customer,
            instant(since),
            besides,
        )
        return tuple(datetime.fromisoformat(row["finished_at"]) for row in rows)

    # ── Batches ─────────────────────────────────────────────────────────────────────────────────────────────

    def batch(self, number: str) -> Batch | None:
        """One batch with the units that are in it."""
        return next(iter(self._batches("number = ?", number)), None)

    def open_batch(self, seller: str, route: str) -> Batch | None:
        """The one that units of this seller and route join."""
        return next(iter(self._batches("closed_at IS NULL AND seller = ? AND route = ?", seller, route)), None)

    def waiting_batches(self) -> tuple[Batch, ...]:
        """Those that are open, and those of which nobody knows yet what became of them; the oldest first."""
        return self._batches("ending IS NULL ORDER BY opened_at, id")

    def batches(self, limit: int = SEVERAL) -> tuple[Batch, ...]:
        """The batches opened last, the newest first."""
        return self._batches("true ORDER BY opened_at DESC, id DESC LIMIT ?", limit)

    def batch_of(self, inspection: str) -> str:
        """Number of the batch that the unit is in; empty where it is in none."""
        row = self._row(
            "SELECT number FROM batch_unit JOIN batch ON batch.id = batch_unit.batch "
            "WHERE inspection = ? AND left_at IS NULL",
            inspection,
        )
        return row["number"] if row else ""

    def event_of_batch(self, batch: str) -> str:
        """Id of the event that told the hub of a batch last; empty while it is open."""
        row = self._row("SELECT event_id FROM batch WHERE id = ?", batch)
        return row["event_id"] if row else ""

    def batched(self, batch: str) -> Iterator[Inspection]:
        """The records of the units that are in the batch with this id, in the order in which they joined."""
        after = 0
        while True:
            rows = self._rows(
                f"""
                SELECT u.id, i.body FROM batch_unit u JOIN inspection i ON i.id = u.inspection AND i.current
                WHERE u.batch = ? AND u.id > ? AND u.left_at IS NULL ORDER BY u.id LIMIT {SEVERAL}
                """,
                batch,
                after,
            )
            yield from (upgrade(json.loads(row["body"])) for row in rows)
            if len(rows) < SEVERAL:
                return
            after = rows[-1]["id"]

    def taken_out(self, batch: str) -> tuple[TakenOut, ...]:
        """What was in the batch with this id for a time, the first to leave first."""
        rows = self._rows(
            f"SELECT {_columns(TakenOut)} FROM batch_unit WHERE batch = ? AND left_at IS NOT NULL ORDER BY left_at, id",
            batch,
        )
        return tuple(_made(TakenOut, row) for row in rows)

    def _batches(self, those: str, *values: object) -> tuple[Batch, ...]:
        return tuple(self._batch(row) for row in self._rows(f"SELECT * FROM batch WHERE {those}", *values))

    def _batch(self, row: Row) -> Batch:
        members = self._rows(
            """
            SELECT u.inspection, u.lpn, u.joined_at, u.joined_by, i.rma, i.title, i.serial, i.grade,
                u.property_at IS NULL AND EXISTS (SELECT 1 FROM json_each(i.body, '$.findings') m
                    WHERE json_extract(m.value, '$.code') = ?) AS property_inside
            FROM batch_unit u JOIN inspection i ON i.id = u.inspection AND i.current
            WHERE u.batch = ? AND u.left_at IS NULL ORDER BY u.id
            """,
            PROPERTY,
            row["id"],
        )
        ending = Ending.model_validate_json(row["ending"]) if row["ending"] else None
        disputed = self.disputed(each["inspection"] for each in members) if row["closed_at"] is None else frozenset()
        units = [Member(**each, disputed=each["inspection"] in disputed) for each in members]
        return Batch(**{**dict(row), "units": units, "ending": ending})

    # ── The rules it was decided by ─────────────────────────────────────────────────────────────────────────

    def playbook(self, seller: str) -> StoredPlaybook | None:
        """The seller's rules that count now."""
        return next(iter(self._playbooks("WHERE seller = ? ORDER BY id DESC LIMIT 1", seller)), None)

    def playbooks(self) -> tuple[StoredPlaybook, ...]:
        """The rules that count now of each seller that has its own, by seller."""
        return self._playbooks("WHERE id IN (SELECT max(id) FROM playbook GROUP BY seller) ORDER BY seller")

    def last_playbook(self) -> int:
        """The id of what was activated last; 0 = nothing yet."""
        row = self._row("SELECT coalesce(max(id), 0) AS id FROM playbook")
        return int(row["id"]) if row else 0

    def playbook_history(self, seller: str) -> tuple[StoredPlaybook, ...]:
        """All rules that ever counted for the seller, the newest first."""
        return self._playbooks("WHERE seller = ? ORDER BY id DESC", seller)

    def _playbooks(self, those: str, *values: object) -> tuple[StoredPlaybook, ...]:
        rows = self._rows(f"SELECT {_columns(StoredPlaybook)} FROM playbook {those}", *values)
        return tuple(_made(StoredPlaybook, row) for row in rows)

    def ruleset(self, sha256: str) -> str | None:
        """The rules whose hash begins so, as JSON, under which something was decided; None too where several do."""
        rows = self._rows("SELECT body FROM ruleset WHERE sha256 >= ?1 AND sha256 < ?1 || 'g' LIMIT 2", sha256.lower())
        return rows[0]["body"] if len(rows) == 1 else None

    # ── What goes to the hub ────────────────────────────────────────────────────────────────────────────────

    def waiting(self) -> Waiting:
        """How much is still to be sent, printed or photographed, and how much is parked."""
        counts = {
            (row["what"], row["state"]): row["n"]
            for row in self._rows(
                """
                SELECT CASE WHEN type LIKE 'inspection.%' THEN 'unit' ELSE 'event' END AS what, state,
                    CAST(sum(n) AS integer) AS n FROM (
                    SELECT state, type, count(*) AS n FROM event
                    WHERE state IN ('pending', 'sent', 'rejected', 'conflict', 'suspect') GROUP BY state, type) AS few
                GROUP BY what, state
                UNION ALL SELECT 'photo', state, count(*) FROM photo
                WHERE state IN ('waiting', 'sent', 'owed', 'bad', 'missing') GROUP BY state
                UNION ALL SELECT 'label', state, count(*) FROM label
                WHERE state IN ('queued', 'printing', 'parked') GROUP BY state
                """
            )
        }

        def count(what: str, *states: str) -> int:
            return sum(counts.get((what, state), 0) for state in states)

        return Waiting(
            events=count("event", "pending", "sent") + count("unit", "pending", "sent"),
            units=count("unit", "pending", "sent"),
            events_parked=sum(count(what, "rejected", "conflict", "suspect") for what in ("event", "unit")),
            events_refused=sum(count(what, "rejected", "suspect") for what in ("event", "unit")),
            photos=count("photo", "waiting", "sent"),
            photos_owed=count("photo", "owed"),
            photos_parked=count("photo", "bad", "missing"),
            labels=count("label", "queued", "printing"),
            labels_parked=count("label", "parked"),
        )

    def reviews(self, limit: int = SEVERAL) -> tuple[Review, ...]:
        """Lines on which docks contradict each other, as the hub tells them."""
        rows = self._rows("SELECT body FROM review ORDER BY seller, rma, line LIMIT ?", limit)
        return tuple(Review.model_validate_json(row["body"]) for row in rows)

    def review(self, seller: str, rma: str, line: int) -> tuple[Review, str] | None:
        """What the hub tells of one line, and the event by which a supervisor has decided here; empty = none has."""
        row = self._row("SELECT body, decided FROM review WHERE seller = ? AND rma = ? AND line = ?", seller, rma, line)
        return (Review.model_validate_json(row["body"]), row["decided"]) if row else None

    def lost(self, unit: Reviewed) -> bool:
        """Whether this is a unit of this store that does not count any more."""
        if unit.standing is not Standing.SUPERSEDED:
            return False
        sql = "SELECT 1 FROM inspection WHERE id = ? AND event_id = ? AND current AND voided_at IS NULL"
        return self._row(sql, unit.inspection, unit.event) is not None

    def disputed(self, inspections: Iterable[str]) -> frozenset[str]:
        """Those of these units about which docks contradict each other, while nobody has decided (sync.md §2.4)."""
        rows = self._rows(
            """
            SELECT i.id, v.body, e.state = 'conflict' AND e.code IN ('line_conflict', 'superseded_changed') AS told
            FROM inspection i LEFT JOIN review v ON v.seller = i.seller AND v.rma = i.rma AND v.line = i.line_no
            LEFT JOIN event e ON e.id = i.event_id
            WHERE i.id IN (SELECT value FROM json_each(?)) AND i.current AND i.voided_at IS NULL
                AND i.standing <> 'superseded'
            """,
            json.dumps(list(inspections)),
        )
        # A receipt may say so before the hub has told who says what.
        found = {row["id"] for row in rows if row["told"]}
        reviews = [Review.model_validate_json(row["body"]) for row in rows if row["body"]]
        found |= {unit.inspection for review in reviews if review.open for unit in review.disputed}
        return frozenset(found & {row["id"] for row in rows})

    def standing_of(self, id: str) -> Standing:
        """How a unit's newest revision stands among the others on its line, as the hub says."""
        row = self._row("SELECT standing FROM inspection WHERE id = ? AND current", id)
        return Standing(row["standing"]) if row else Standing.COUNTS

    def pending_events(self, limit: int = 100) -> tuple[Outgoing, ...]:
        """What may be sent now, in the order in which it happened."""
        return self._events(
            f"INDEXED BY ix_event_unsent WHERE state IN ('pending', 'sent', 'suspect') AND {_DUE} "
            "ORDER BY epoch, seq LIMIT ?",
            *self._due(),
            limit,
        )

    def parked_events(self) -> tuple[Outgoing, ...]:
        """What the hub could not take as it is, the oldest first."""
        return self._events("WHERE state IN ('rejected', 'conflict', 'suspect') ORDER BY created_at, epoch, seq")

    def event(self, id: str) -> Outgoing | None:
        """One event, whatever became of it."""
        return next(iter(self._events("WHERE id = ?", id)), None)

    def known_events(self, after: str = "", limit: int = 5000) -> tuple[tuple[str, str], ...]:
        """Id and SHA-256 of events that the hub has said it keeps, parked ones too, by id: to ask it whether it still
        does."""
        rows = self._rows(
            # The plus keeps SQLite from gathering and sorting them all by state: ids are read in order.
            f"SELECT id, sha256 FROM event WHERE (+state IN {AT_HUB} OR +state = 'rejected') AND id > ? "
            "ORDER BY id LIMIT ?",
            after,
            limit,
        )
        return tuple((row["id"], row["sha256"]) for row in rows)

    def lpn_of(self, inspection: str) -> str:
        """The plate of a unit that was finished, or the number of a batch; empty where it is neither."""
        sql = "SELECT lpn FROM inspection WHERE id = ?1 UNION ALL SELECT number FROM batch WHERE id = ?1 LIMIT 1"
        row = self._row(sql, inspection)
        return row["lpn"] if row else ""

    def at_hub(self, inspections: Iterable[str]) -> dict[str, tuple[UnitAtHub, str]]:
        """Whether the hub has the newest record of each of these units, and the code of its receipt.

        A unit without an event of this store was told by another station: this is the hub's own store.
        """
        found: dict[str, tuple[UnitAtHub, str]] = {}
        for id in inspections:
            event = self.event(self.event_of(id))
            match event.state if event else "accepted":
                case "accepted" | "duplicate":
                    found[id] = "accepted", event.code if event else ""
                case "pending" | "sent":
                    found[id] = "waiting", ""
                case _:
                    found[id] = "parked", event.code if event else ""
        return found

    def _events(self, those: str, *values: object) -> tuple[Outgoing, ...]:
        rows = self._rows(f"SELECT {_columns(Outgoing)} FROM event {those}", *values)
        return tuple(_made(Outgoing, row) for row in rows)

    def photos(self, inspection: str) -> tuple[StoredPhoto, ...]:
        """The slots of one inspection, with what became of each picture."""
        return self._photos("inspection = ? ORDER BY slot", inspection)

    def photos_to_send(self, limit: int = 100) -> tuple[StoredPhoto, ...]:
        """Pictures of which the hub knows the unit, or the batch, but not the bytes, the newest first; before them
        those of which it has the bytes and has not said what it makes of them."""
        return (*self._photos_due("sent", limit), *self._photos_due("waiting", limit))[:limit]

    def _photos_due(self, state: PhotoState, limit: int) -> tuple[StoredPhoto, ...]:
        return self._photos(
            f"""
            state = '{state}' AND {_DUE} AND (EXISTS (
                SELECT 1 FROM inspection i JOIN event e ON e.id = i.event_id
                WHERE i.id = photo.inspection AND i.current AND e.state IN {AT_HUB})
            OR EXISTS (
                SELECT 1 FROM batch b JOIN event e ON e.id = b.event_id
                WHERE b.id = photo.inspection AND e.state IN {AT_HUB}))
            ORDER BY inspection DESC, slot DESC LIMIT ?
            """,
            *self._due(),
            limit,
        )

    def _due(self) -> tuple[str, str]:
        """What `_DUE` asks with."""
        now = self._clock()
        return instant(now), instant(now + LONGEST_WAIT)

    def photos_parked(self, limit: int = SEVERAL) -> tuple[StoredPhoto, ...]:
        """Pictures that the hub does not take, or whose file is gone, the newest unit first."""
        either = (
            self._photos("state = ? ORDER BY inspection DESC, slot DESC LIMIT ?", state, limit)
            for state in ("bad", "missing")
        )
        return tuple(islice((photo for photos in either for photo in photos), limit))

    def photos_over(self, before: datetime, limit: int = SEVERAL) -> tuple[str, ...]:
        """Photo files, by SHA-256, that need not stay: the hub has verified them and knows all units that show them,
        every one of them taken before then, and none of these units is on the bench again."""
        rows = self._rows(
            f"""
            SELECT DISTINCT sha256 FROM photo WHERE state = 'verified' AND taken_at < ?1 AND NOT EXISTS (
                SELECT 1 FROM photo other WHERE other.sha256 = photo.sha256 AND NOT (
                    other.state IN ('verified', 'deleted') AND coalesce(other.taken_at, '9') < ?1
                    AND NOT EXISTS (SELECT 1 FROM draft WHERE draft.id = other.inspection)
                    AND EXISTS (SELECT 1 FROM inspection i JOIN event e ON e.id = i.event_id
                        WHERE i.id = other.inspection AND i.current AND e.state IN {AT_HUB})))
            LIMIT ?2
            """,
            instant(before),
            limit,
        )
        return tuple(row["sha256"] for row in rows)

    def photos_owed(self) -> tuple[StoredPhoto, ...]:
        """Slots without a picture, because the camera was down."""
        return self._photos("state = 'owed' ORDER BY inspection, slot")

    def _photos(self, where: str, *values: object) -> tuple[StoredPhoto, ...]:
        rows = self._rows(f"SELECT {_columns(StoredPhoto)} FROM photo WHERE {where}", *values)
        return tuple(_made(StoredPhoto, row) for row in rows)

    def pictures(self) -> Iterator[StoredPhoto]:
        """Every slot with a picture that is to be here, page by page, by inspection."""
        return self._by_pages("sha256 <> '' AND state NOT IN ('deleted', 'erased')")

    def photos_erased(self) -> Iterator[str]:
        """The hashes of pictures that nobody is to have any more, slot by slot."""
        return (photo.sha256 for photo in self._by_pages("state = 'erased'"))

    def _by_pages(self, where: str) -> Iterator[StoredPhoto]:
        last = ("", "")
        while page := self._photos(
            f"{where} AND (inspection, slot) > (?, ?) ORDER BY inspection, slot LIMIT ?", *last, PAGE
        ):
            yield from page
            last = (page[-1].inspection, page[-1].slot)

    def shows(self, sha256: str) -> bool:
        """Whether any inspection, in whatever revision, any draft or parcel has this picture."""
        return bool(
            self._rows("SELECT 1 FROM photo WHERE sha256 = ?", sha256)
            or any(
                self._rows(
                    "SELECT 1 FROM inspection WHERE rowid BETWEEN ?1 AND ?1 + ?2 "
                    "AND photos > 0 AND instr(body, ?3) > 0 LIMIT 1",
                    first,
                    PAGE - 1,
                    sha256,
                )
                # In pages, between which commits pass: a picture that nothing shows is looked for everywhere.
                for first in range(1, self._last_rowid("inspection") + 1, PAGE)
            )
        )

    def _last_rowid(self, table: str) -> int:
        row = self._row(f"SELECT coalesce(max(rowid), 0) AS last FROM {table}")
        return int(row["last"]) if row else 0

    # ── What goes to the printer ────────────────────────────────────────────────────────────────────────────

    def labels(self, *states: LabelState) -> tuple[LabelJob, ...]:
        """Labels in any of these states, in the order in which they were asked for."""
        return self._labels(f"state IN ({', '.join('?' * len(states))}) ORDER BY id", *states)

    def labels_of(self, lpn: str) -> tuple[LabelJob, ...]:
        """All labels of one plate, void copies included."""
        return self._labels(f"{OF_PLATE} ORDER BY id", lpn)

    def label(self, id: int) -> LabelJob | None:
        """One label of the queue."""
        return next(iter(self._labels("id = ?", id)), None)

    def next_print_no(self, lpn: str) -> int:
        """The number of this plate's next label, from 1."""
        row = self._row(f"SELECT coalesce(max(print_no), 0) + 1 AS n FROM label WHERE {OF_PLATE}", lpn)
        return row["n"] if row else 1

    def copies(self, lpn: str, kind: str, *, queued: bool = False) -> int:
        """How many labels of this kind the unit has had: sent to a printer, whatever became of them; and those that
        are ``queued``, where they stay in the queue."""
        out = "(printer <> '' OR state = 'queued')" if queued else "printer <> ''"
        row = self._row(f"SELECT count(*) AS n FROM label WHERE {OF_PLATE} AND kind = ? AND {out}", lpn, kind)
        return row["n"] if row else 0

    def on_box(self, lpn: str) -> LabelJob | None:
        """The label that is on the unit and right, as far as anybody knows: one that is out, else one that may be."""
        where = f"{OF_PLATE} AND {MAYBE_OUT} ORDER BY state = 'printed' DESC, id DESC LIMIT 1"
        return next(iter(self._labels(where, lpn)), None)

    def is_of_finished(self, id: int) -> bool:
        """Whether this label is a finished unit's own, or a batch's: no slip, and of no state that was taken back."""
        sql = f"""
            SELECT 1 FROM label WHERE id = ? AND NOT void AND NOT {SLIP} AND state <> 'cancelled'
            AND (EXISTS (SELECT 1 FROM inspection WHERE inspection.lpn = label.lpn AND {LIVE})
                OR EXISTS (SELECT 1 FROM batch WHERE batch.number = label.lpn))
            AND NOT EXISTS (SELECT 1 FROM draft WHERE draft.lpn = label.lpn)
            """
        return self._row(sql, id) is not None

    def to_scan_back(self) -> tuple[LabelJob, ...]:
        """Labels of finished units, and of batches, that came out and are to be scanned on their boxes."""
        return self._labels(
            f"""
            scan_back = 'wanted' AND state = 'printed' AND NOT void
            AND (EXISTS (SELECT 1 FROM inspection WHERE inspection.lpn = label.lpn AND {LIVE})
                OR EXISTS (SELECT 1 FROM batch WHERE batch.number = label.lpn))
            ORDER BY id LIMIT {SEVERAL}
            """
        )

    def _labels(self, where: str, *values: object) -> tuple[LabelJob, ...]:
        rows = self._rows(f"SELECT {_columns(LabelJob)} FROM label WHERE {where}", *values)
        return tuple(
            _made(
                LabelJob,
                row,
                fields=json.loads(row["fields"]),
                reason=Message(**json.loads(row["reason"])) if row["reason"] else None,
                confirmed=bool(row["confirmed"]),
                void=bool(row["void"]),
            )
            for row in rows
        )

    def _inspection(self, sql: str, *values: object) -> Inspection | None:
        return next(iter(self._inspections(sql, *values)), None)

    def _inspections(self, sql: str, *values: object) -> tuple[Inspection, ...]:
        return tuple(upgrade(json.loads(row["body"])) for row in self._rows(sql, *values))


def folded(text: str) -> str:
    """The text as it is searched: without accents, capitals or other differences that nobody types."""
    spelt = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in spelt if not unicodedata.combining(sign)).casefold()


_CONTAINS = r"LIKE ? ESCAPE '\'"


def _pattern(text: str) -> str:
    literal = re.sub(r"([\\%_])", r"\\\1", text)
    return f"%{literal}%"


def _rma(row: Row) -> Rma:
    return Rma.model_validate_json(row["body"]).but(closed=bool(row["closed"]))


_Value = TypeVar("_Value", bound="DataclassInstance")


@cache
def _columns(value: "type[DataclassInstance]") -> str:
    """A value's fields are the columns it is read from."""
    return ", ".join(field.name for field in fields(value))


@cache
def _times(value: "type[DataclassInstance]") -> tuple[str, ...]:
    return tuple(each.name for each in fields(value) if each.name.endswith("_at") or each.name == "not_before")


def _made(value: type[_Value], row: Row, **changed: object) -> _Value:
    known = {**dict(row), **changed}
    for name in _times(value):
        if known[name] is not None:
            known[name] = datetime.fromisoformat(known[name])
    return value(**known)
