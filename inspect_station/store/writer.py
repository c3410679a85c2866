"""Changes to the store. A writer lives inside one transaction: all of what it did is kept, or nothing."""

import hashlib
import secrets
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from inspect_station.core import barcode
from inspect_station.core.batches import Batch
from inspect_station.core.clocks import clock_marks
from inspect_station.core.ids import uuid7
from inspect_station.core.records import (
    Event,
    EventType,
    Inspection,
    Parcel,
    Photo,
    Product,
    Review,
    Reviewed,
    Rma,
    Seller,
    Standing,
    compact,
    instant,
)
from inspect_station.message import Message
from inspect_station.store import moments
from inspect_station.store.connection import Connection
from inspect_station.store.lines import numbered
from inspect_station.store.reader import AT_HUB, OF_PLATE, SLIP, Reader, folded
from inspect_station.store.values import (
    EventSpec,
    LabelSpec,
    LabelState,
    Origin,
    PhotoState,
    Receipt,
)

_MOVES: Mapping[LabelState, tuple[LabelState, ...]] = {
    "printing": ("queued",),
    "printed": ("printing", "parked", "cancelled"),
    "parked": ("queued", "printing"),
    "queued": ("parked", "printing"),
    "cancelled": ("queued", "parked"),
}
"""From which states a label may come into each. Only a person moves one out of ``parked``; one that surely did not
come out goes from ``printing`` back to the queue, unless it was cancelled meanwhile, and one that was cancelled too
late and did come out is ``printed``."""


COUNTERS = ("next_unit", "next_batch")
"""Of the station's block: the next plate and the next batch."""


class Writer(Reader):
    """What can be changed, beside all that can be asked. Made by `Store.write`."""

    def __init__(self, connection: Connection, clock: Callable[[], datetime], zone: str) -> None:
        super().__init__(connection, clock)
        self._zone = zone
        self.proof: tuple[str, tuple[object, ...]] | None = None
        """A question that has an answer only where this transaction was kept; None where none is known."""
        self.told: Event | None = None
        """The last event that it gave out."""

    def _do(self, sql: str, *values: object) -> int:
        """How many rows were changed."""
        return self._connection.execute(sql, values).rowcount

    def _put(self, table: str, key: Sequence[str], row: Mapping[str, object], where: str = "true") -> bool:
        """Insert the row, or update the one with this key where the condition holds; whether it was taken."""
        changes = ", ".join(f"{name} = excluded.{name}" for name in row if name not in key)
        sql = (
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} WHERE {where}"
        )
        taken = self._do(sql, *row.values()) > 0
        if taken and self.told is None:
            same = " AND ".join(f"{name} IS ?" for name in row)
            self.proof = (f"SELECT 1 FROM {table} WHERE {same}", tuple(row.values()))
        return taken

    def new_id(self) -> str:
        """A UUIDv7 of this moment."""
        return uuid7(int(self._clock().timestamp() * 1000), secrets.token_bytes(10))

    def set_meta(self, key: str, value: str) -> None:
        """Keep a single fact about this store."""
        self._put("meta", ["key"], {"key": key, "value": value})

    def set_hub_clock(self, hub_time: datetime) -> None:
        """Keep what the hub's clock says now, beside this station's."""
        ahead_s = (self._clock() - hub_time).total_seconds()
        said = {"at": instant(hub_time), "ahead_s": ahead_s, "boot": moments.boot(), "mono_ms": moments.mono_ms()}
        self.set_meta("hub_clock", compact(said))

    def begin_epoch(self) -> None:
        """This store is not the only one that counted its events so far, as a copy of it was used: count anew, and give
        out other plates."""
        self.set_meta("epoch", str(uuid.uuid4()))
        self.use_block("")

    def use_block(self, block: str) -> None:
        """Give out plates and batches of this block from now on, from the first; of a new one drawn, where empty."""
        self.set_meta("block", block)
        for each in COUNTERS:
            self.set_meta(each, "1")

    def take_lpns(self, n: int) -> tuple[str, ...]:
        """The next `n` licence plates, never given out again.

        From the station's block; a station without one, or at its end, draws one at random (design.md §7).
        """
        return self._numbers(n, barcode.next_lpn, "next_unit")

    def _numbers(self, n: int, next_: Callable[[str, int], tuple[str, int]], counter: str) -> tuple[str, ...]:
        block, number = self.meta("block"), int(self.meta(counter) or 1)
        taken: list[str] = []
        while len(taken) < n:
            try:
                code, used = next_(block, number)
            except ValueError:
                block, number = barcode.station_block(secrets.token_bytes(16)), 1
                self.use_block(block)
                continue
            taken.append(code)
            number = used + 1
        self.set_meta("block", block)
        self.set_meta(counter, str(number))
        return tuple(taken)

    # ── What was announced ──────────────────────────────────────────────────────────────────────────────────

    def put_seller(self, seller: Seller, origin: Origin = "local", version: int = 0) -> bool:
        """Keep a seller's settings; False where what is known goes before (see `put_product`)."""
        return self._put_told("seller", ["code"], origin, version, code=seller.code, body=seller.model_dump_json())

    def put_product(self, product: Product, origin: Origin = "local", version: int = 0) -> bool:
        """Keep an article; False where what is known goes before.

        The hub's word goes before an import's as long as the station belongs to a hub, and its greater version
        before the smaller.
        """
        return self._put_told(
            "product",
            ["seller", "gtin"],
            origin,
            version,
            seller=product.seller,
            gtin=product.gtin,
            sku=product.sku,
            asin=product.asin,
            title=product.title,
            words=folded(f"{product.title} {product.sku} {product.asin}"),
            body=product.model_dump_json(),
        )

    def put_rma(self, rma: Rma, origin: Origin = "local", version: int = 0) -> bool:
        """Keep an RMA with its lines; False where what is known goes before (see `put_product`).

        An import neither reopens an RMA that was closed nor numbers its known lines anew.
        """
        known = self.rma(rma.seller, rma.number)
        if origin == "local":
            rma = self.with_known_numbers(rma)
        taken = self._put_told(
            "rma",
            ["seller", "number"],
            origin,
            version,
            seller=rma.seller,
            number=rma.number,
            order_no=rma.order,
            tracking=rma.tracking,
            customer=rma.customer,
            site=rma.site,
            closed=rma.closed or (origin == "local" and known is not None and known.closed),
            body=rma.model_dump_json(),
        )
        if taken:
            self._do("DELETE FROM rma_line WHERE seller = ? AND number = ?", rma.seller, rma.number)
            self._connection.executemany(
                "INSERT INTO rma_line (seller, number, no, gtin, quantity, serial, requested_on, delivered_on) "
                "VALUES (?, ?, ?, ?, ?, upper(?), ?, ?)",
                [
                    (
                        rma.seller,
                        rma.number,
                        line.no,
                        line.gtin,
                        line.quantity,
                        line.serial,
                        line.requested_on and line.requested_on.isoformat(),
                        line.delivered_on and line.delivered_on.isoformat(),
                    )
                    for line in rma.lines
                ],
            )
        return taken

    def with_known_numbers(self, rma: Rma) -> Rma:
        """The RMA of a list, with the numbers by which its lines are known here; a list numbers them by its rows."""
        known = self.rma(rma.seller, rma.number)
        if known is None:
            return rma
        begun = self._rows(
            """
            SELECT line_no FROM inspection WHERE seller = ?1 AND rma = ?2
            UNION SELECT line_no FROM draft WHERE seller = ?1 AND rma = ?2
            """,
            rma.seller,
            rma.number,
        )
        return rma.but(lines=numbered(rma.lines, known.lines, begun={row["line_no"] for row in begun}))

    def _put_told(self, table: str, key: Sequence[str], origin: Origin, version: int, **row: object) -> bool:
        mine = "true" if not self.meta("hub_station_id") else f"{table}.origin = 'local'"
        where = mine if origin == "local" else f"{table}.origin = 'local' OR excluded.version > {table}.version"
        return self._put(table, key, {**row, "origin": origin, "version": version}, where)

    def put_review(self, review: Review, version: int) -> bool:
        """Docks contradict each other on a line, or did; False where a newer word on it is known.

        What is decided is kept only where a unit of this store does not count any more: it leaves its open batch, its
        labels are void, and somebody has to be told.
        """
        row = {"seller": review.seller, "rma": review.rma, "line": review.line, "version": version, "decided": ""}
        row["body"] = review.model_dump_json()
        if not self._put("review", ["seller", "rma", "line"], row, "excluded.version > review.version"):
            return False
        self._stand(review.seller, review.rma, review.line, review.units)
        if not review.open:
            self._settled(review.seller, review.rma, review.line)
            if not any(self.lost(unit) for unit in review.units):
                self.forget_review(review.seller, review.rma, review.line)
        return True

    def drop_review(self, seller: str, rma: str, line: int) -> None:
        """Nobody contradicts on this line any more: what the hub recorded as a conflict needs nobody's attention."""
        self.forget_review(seller, rma, line)
        self._stand(seller, rma, line, ())
        self._settled(seller, rma, line)

    def forget_review(self, seller: str, rma: str, line: int) -> None:
        """There is nothing to do about this line any more."""
        self._do("DELETE FROM review WHERE seller = ? AND rma = ? AND line = ?", seller, rma, line)

    def decide_review(self, seller: str, rma: str, line: int, event: str) -> None:
        """A supervisor has decided here, by this event; the hub has the last word."""
        self._do("UPDATE review SET decided = ? WHERE seller = ? AND rma = ? AND line = ?", event, seller, rma, line)

    def _stand(self, seller: str, rma: str, line: int, units: Iterable[Reviewed]) -> None:
        """How this store's units on a line stand, as the hub says; those that it does not name count."""
        told = {unit.event: unit.standing for unit in units}
        rows = self._rows(
            """
            SELECT id, lpn, event_id, standing FROM inspection
            WHERE seller = ? AND rma = ? AND line_no = ? AND current AND voided_at IS NULL
            """,
            seller,
            rma,
            line,
        )
        for row in rows:
            now = told.get(row["event_id"], Standing.COUNTS)
            if now == row["standing"]:
                continue
            self._do("UPDATE inspection SET standing = ? WHERE id = ? AND current", now, row["id"])
            if now is Standing.SUPERSEDED:
                self._cancel_labels(row["lpn"])
                batch = self.batch(self.batch_of(row["id"]))
                if batch is not None and batch.closed_at is None:
                    self.leave_batch(row["id"], by="", why=now)

    def _settled(self, seller: str, rma: str, line: int) -> None:
        """What the hub recorded as a conflict on this line, of units or of decisions, needs nobody's attention."""
        self._do(
            """
            UPDATE event SET state = 'accepted', code = 'line_settled' WHERE state = 'conflict'
                AND code IN ('line_conflict', 'superseded_changed', 'stale_decision') AND (
                    id IN (SELECT event_id FROM inspection WHERE seller = ?1 AND rma = ?2 AND line_no = ?3)
                    OR (json_extract(line, '$.body.seller') = ?1 AND json_extract(line, '$.body.rma') = ?2
                        AND json_extract(line, '$.body.line') = ?3))
            """,
            seller,
            rma,
            line,
        )

    def drop_product(self, seller: str, gtin: str) -> None:
        """The hub has withdrawn this article. Inspections keep what they knew of it."""
        self._do("DELETE FROM product WHERE seller = ? AND gtin = ?", seller, gtin)

    def close_rma(self, seller: str, number: str) -> None:
        """A supervisor or the hub expects nothing more of it."""
        self._do("UPDATE rma SET closed = true WHERE seller = ? AND number = ?", seller, number)

    # ── What arrived, and what is being inspected ───────────────────────────────────────────────────────────

    def save_parcel(self, parcel: Parcel) -> None:
        """Keep a parcel as it is now."""
        row = {
            "id": parcel.id,
            "received_at": instant(parcel.received_at),
            "received_on": parcel.received_on.isoformat(),
            "closed_at": parcel.closed_at and instant(parcel.closed_at),
            "body": parcel.model_dump_json(),
        }
        self._put("parcel", ["id"], row)
        self._do("DELETE FROM parcel_rma WHERE parcel = ?", parcel.id)
        self._connection.executemany(
            "INSERT INTO parcel_rma (parcel, seller, number) VALUES (?, ?, ?)",
            [(parcel.id, seller, number) for seller, number in dict.fromkeys(parcel.rmas)],
        )
        self._keep_photos(parcel.id, parcel.photos, "kept")

    def save_draft(self, unit: Inspection, *, aside: bool = False) -> None:
        """Keep an unfinished inspection and its photos; after a crash it goes on from here."""
        row = {
            "id": unit.id,
            "lpn": unit.lpn,
            "parcel": unit.parcel,
            "seller": unit.seller,
            "rma": unit.rma,
            "line_no": unit.line.no if unit.line else None,
            "gtin": _gtin(unit),
            "serial": unit.serial,
            "aside": aside,
            "updated_at": instant(self._clock()),
            "operator": unit.operator,
            "body": unit.model_dump_json(),
        }
        self._put("draft", ["id"], row)
        self._keep_photos(unit.id, unit.photos)

    def _keep_photos(self, owner: str, photos: Iterable[Photo], state: PhotoState = "waiting") -> None:
        for photo in photos:
            row = {
                "inspection": owner,
                "slot": photo.slot,
                "sha256": photo.sha256,
                "taken_at": photo.at and instant(photo.at),
                "operator": photo.by,
                "state": state if photo.sha256 else "owed",
                "code": "",
                "not_before": None,
            }
            # What the hub said of a picture stays true until the slot shows another one; what stayed here because its
            # unit says nothing goes with what it says next.
            anew = "photo.sha256 <> excluded.sha256 OR (photo.state = 'kept' AND excluded.state = 'waiting')"
            self._put("photo", ["inspection", "slot"], row, anew)

    # ── What was inspected ──────────────────────────────────────────────────────────────────────────────────

    def finish(self, unit: Inspection, event: EventSpec, *labels: LabelSpec) -> Event:
        """Keep a finished unit: its record, the event for the hub, its labels, and no draft any more.

        Labels of it that have not come out are of an earlier state, such as slips of a unit set aside: cancelled.
        A revision that is kept already raises sqlite3.IntegrityError: nothing is finished twice.
        """
        told = self._add_revision(unit, event)
        self._keep_photos(unit.id, unit.photos)
        self._do("DELETE FROM draft WHERE id = ?", unit.id)
        self._cancel_labels(unit.lpn)
        for label in labels:
            self.queue_label(label)
        return told

    def void(self, unit: Inspection, event: EventSpec) -> bool:
        """Keep a unit's next revision, which says that it is void, and cancel its labels that have not come out.

        Answer whether a label may be on the unit already, which must then be destroyed.
        Raises ValueError for a unit that does not say ``voided_at``.
        """
        if unit.voided_at is None:
            raise ValueError(f"{unit.lpn} is not void")
        self._add_revision(unit, event)
        out = self.on_box(unit.lpn)
        self._cancel_labels(unit.lpn)
        return out is not None

    def _cancel_labels(self, lpn: str) -> None:
        """The unit is in another state now: what its labels say is not so any more, also where they are out."""
        self._do(f"UPDATE label SET void = true WHERE {OF_PLATE} AND NOT void", lpn)
        self._cancel(OF_PLATE, lpn)

    def cancel_unprinted(self, lpn: str, slip: str = "") -> None:
        """Cancel a unit's own labels that are not out, or its slips of this kind."""
        if slip:
            self._cancel(f"{OF_PLATE} AND {SLIP} AND kind = ?", lpn, slip)
        else:
            self._cancel(f"{OF_PLATE} AND NOT {SLIP}", lpn)

    def _cancel(self, where: str, *values: str) -> None:
        """One that is being printed too: if it fails, it stays cancelled."""
        self._do(
            f"UPDATE label SET state = 'cancelled' WHERE {where} AND state IN ('queued', 'printing', 'parked')", *values
        )

    def _add_revision(self, unit: Inspection, spec: EventSpec) -> Event:
        if unit.finished_at is None:
            raise ValueError(f"{unit.lpn} is not finished")
        event = self.append_event(spec)
        # Whatever it becomes now, it is not what was put into the batch; out of a closed one, triggers let nothing.
        why = unit.void_reason or next((each.reason for each in reversed(unit.rerouted)), "")
        self.leave_batch(unit.id, by=spec.operator, why=why)
        self._do("UPDATE inspection SET current = false WHERE id = ? AND current", unit.id)
        row = revision_row(unit, event.id)
        self._do(f"INSERT INTO inspection ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())
        return event

    # ── Batches ─────────────────────────────────────────────────────────────────────────────────────────────

    def begin_batch(self, seller: str, route: str, by: str) -> Batch:
        """Open a batch for this seller and route. A second one beside it raises sqlite3.IntegrityError."""
        (number,) = self._numbers(1, barcode.next_batch, "next_batch")
        row = {
            "id": self.new_id(),
            "number": number,
            "station": self.meta("station"),
            "seller": seller,
            "route": route,
            "opened_at": instant(self._clock()),
            "opened_by": by,
            "closed_by": "",
            "seal": "",
            "revision": 0,
            "event_id": "",
        }
        self._do(f"INSERT INTO batch ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", *row.values())
        batch = self.batch(number)
        assert batch is not None
        return batch

    def join_batch(self, batch: Batch, inspection: str, lpn: str, by: str) -> None:
        """Put a unit in. One that is in a batch, or one for a closed batch, raises sqlite3.IntegrityError."""
        self._do(
            "INSERT INTO batch_unit (batch, inspection, lpn, joined_at, joined_by, property_by, left_by, why) "
            "VALUES (?, ?, ?, ?, ?, '', '', '')",
            batch.id,
            inspection,
            lpn,
            instant(self._clock()),
            by,
        )

    def leave_batch(self, inspection: str, *, by: str, why: str) -> bool:
        """Take a unit out of the batch that it is in; False where it is in none. Its time in there stays known.

        Out of a closed one raises sqlite3.IntegrityError.
        """
        return bool(
            self._do(
                "UPDATE batch_unit SET left_at = ?, left_by = ?, why = ? WHERE inspection = ? AND left_at IS NULL",
                instant(self._clock()),
                by,
                why,
                inspection,
            )
        )

    def property_out(self, inspection: str, by: str) -> None:
        """What of the customer's was in a unit in a batch is out of it."""
        self._do(
            "UPDATE batch_unit SET property_at = ?, property_by = ? WHERE inspection = ? AND left_at IS NULL",
            instant(self._clock()),
            by,
            inspection,
        )

    def next_sealed_no(self) -> int:
        """The number of this station's next closing, from 1."""
        station = self.meta("station")
        row = self._row("SELECT coalesce(max(sealed_no), 0) + 1 AS n FROM batch WHERE station = ?", station)
        return row["n"] if row else 1

    def tell_batch(self, batch: Batch, event: EventSpec) -> Event:
        """Keep that a batch is closed, or what became of it, with the event that tells the hub and its proof.

        What was closed stays as it was closed. Raises ValueError for a batch that is open.
        """
        if batch.closed_at is None:
            raise ValueError(f"{batch.number} is open")
        told = self.append_event(event)
        self._do(
            """
            UPDATE batch SET closed_at = ?, closed_by = ?, sealed_no = ?, seal = ?, revision = ?, event_id = ?,
                ending = ? WHERE id = ?
            """,
            instant(batch.closed_at),
            batch.closed_by,
            batch.sealed_no,
            batch.seal,
            batch.revision,
            told.id,
            batch.ending.model_dump_json() if batch.ending else None,
            batch.id,
        )
        if batch.ending is not None:
            proof = Photo(slot=f"proof{batch.revision}", sha256=batch.ending.photo, by=batch.ending.by,
                          at=batch.ending.at)  # fmt: skip
            self._keep_photos(batch.id, (proof,))
        return told

    # ── The rules it was decided by ─────────────────────────────────────────────────────────────────────────

    def activate_playbook(
        self, seller: str, sha256: str, body: str, by: str, pictures: Mapping[str, str] | None = None
    ) -> bool:
        """Let this text be the seller's rules from now on; False where it is so already.

        ``pictures`` are its reference pictures, file name → SHA-256 in the blobs: they are never sent, and never swept.
        """
        for file, picture in (pictures or {}).items():
            row = {"inspection": sha256, "slot": file, "sha256": picture, "operator": by, "state": "verified"}
            self._put("photo", ["inspection", "slot"], row)
        current = self.playbook(seller)
        if current is not None and current.sha256 == sha256:
            return False
        self._do(
            "INSERT INTO playbook (seller, sha256, body, activated_at, activated_by) VALUES (?, ?, ?, ?, ?)",
            seller,
            sha256,
            body,
            instant(self._clock()),
            by,
        )
        return True

    def keep_ruleset(self, sha256: str, body: str) -> None:
        """Keep the rules under which something is decided; known ones are kept already."""
        self._do(
            "INSERT INTO ruleset (sha256, body, first_used_at) VALUES (?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
            sha256,
            body,
            instant(self._clock()),
        )

    # ── What goes to the hub ────────────────────────────────────────────────────────────────────────────────

    def append_event(self, spec: EventSpec) -> Event:
        """Put a fact into the outbox, as the next line of this epoch.

        Raises ValueError for a type that the hub does not know.
        """
        epoch = self.meta("epoch")
        last = self._row("SELECT seq, sha256 FROM event WHERE epoch = ? ORDER BY seq DESC LIMIT 1", epoch)
        event = Event(
            id=self.new_id(),
            epoch=epoch,
            seq=last["seq"] + 1 if last else 1,
            prev_sha256=last["sha256"] if last else "",
            type=EventType(spec.type),
            schema=spec.schema,
            occurred_at=spec.at,
            tz=self._zone,
            boot=moments.boot(),
            mono_ms=moments.mono_ms(),
            operator=spec.operator,
            # A unit tells by itself of the clock by which it was finished, which may have been on another day.
            body={**clock_marks(self._clock(), self.clock_ahead()), **spec.body},
        )
        line = event.line()
        self._do(
            "INSERT INTO event (epoch, seq, id, type, line, sha256, created_at, state, code, tries) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', '', 0)",
            epoch,
            event.seq,
            event.id,
            event.type,
            line,
            hashlib.sha256(line.encode()).hexdigest(),
            instant(self._clock()),
        )
        self.told = event
        self.proof = ("SELECT 1 FROM event WHERE id = ?", (event.id,))
        return event

    def mark_events(self, receipts: Iterable[Receipt]) -> int:
        """Keep what became of events; answer how many were changed.

        What the hub has stays so, whatever is said later; unknown ids change nothing.
        """
        now = instant(self._clock())
        return sum(
            self._do(
                """
                UPDATE event SET state = ?1, code = ?2, not_before = ?3,
                    tries = tries + CASE WHEN ?1 = 'sent' THEN 1 ELSE 0 END,
                    receipt_at = CASE WHEN ?1 IN ('pending', 'sent', 'suspect') THEN receipt_at ELSE ?4 END
                WHERE id = ?5 AND state NOT IN ('accepted', 'duplicate', 'conflict')
                """,
                receipt.state,
                receipt.code,
                receipt.not_before and instant(receipt.not_before),
                now,
                receipt.id,
            )
            for receipt in receipts
        )

    def keep_photos_here(self, event: str) -> None:
        """A person has said at the hub that this event says nothing. If the hub knows its unit by no other, the
        pictures do not go there, unless the unit comes onto the bench again."""
        self._do(
            f"""
            UPDATE photo SET state = 'kept', code = '', not_before = NULL WHERE state IN ('waiting', 'sent', 'bad')
                AND inspection IN (SELECT id FROM inspection WHERE event_id = ?1 AND current)
                AND NOT EXISTS (SELECT 1 FROM inspection i JOIN event e ON e.id = i.event_id
                    WHERE i.id = photo.inspection AND e.id <> ?1 AND e.state IN {AT_HUB})
            """,
            event,
        )

    def offer_again(self, ids: Iterable[str]) -> int:
        """Send these events once more, whatever the hub said before: it was restored and has lost them."""
        return sum(
            self._do("UPDATE event SET state = 'pending', code = '', not_before = NULL WHERE id = ?", id) for id in ids
        )

    def mark_photo(self, sha256: str, state: PhotoState, code: str = "", not_before: datetime | None = None) -> None:
        """What became of a picture on its way to the hub, wherever a unit shows it.

        What the hub has verified stays so, whatever is said later; it may only be deleted here.
        """
        self._do(
            """
            UPDATE photo SET state = ?1, code = ?2, not_before = ?3 WHERE sha256 = ?4
                AND iif(?1 = 'deleted', state = 'verified', state IN ('waiting', 'sent', 'bad', 'missing'))
            """,
            state,
            code,
            not_before and instant(not_before),
            sha256,
        )

    def erase_photo(self, sha256: str) -> bool:
        """Nobody is to have a picture any more, wherever it is shown; its file is deleted first. False where that is
        known, or nothing here shows it."""
        return (
            self._do(
                "UPDATE photo SET state = 'erased', code = '', not_before = NULL "
                "WHERE sha256 = ? AND state <> 'erased'",
                sha256,
            )
            > 0
        )

    def offer_photo_again(self, sha256: str) -> None:
        """The hub says now that it does not have a picture which it had verified."""
        self._do("UPDATE photo SET state = 'waiting' WHERE sha256 = ? AND state = 'verified'", sha256)

    def offer_photos_again(self, limit: int) -> int:
        """Send so many pictures of units and batches once more, as far as their files are here: the hub was restored
        and may have lost them; answer how many. Those that it has cost a question each."""
        return self._do(
            """
            UPDATE photo SET state = 'waiting', code = '', not_before = NULL WHERE (inspection, slot) IN (
                SELECT inspection, slot FROM photo WHERE state IN ('verified', 'sent', 'bad')
                AND (EXISTS (SELECT 1 FROM inspection i WHERE i.id = photo.inspection)
                    OR EXISTS (SELECT 1 FROM batch b WHERE b.id = photo.inspection)) LIMIT ?)
            """,
            limit,
        )

    # ── What goes to the printer ────────────────────────────────────────────────────────────────────────────

    def queue_label(self, label: LabelSpec) -> int:
        """Put a label at the end of the queue; answer its id.

        A second one with the same plate and print number raises sqlite3.IntegrityError: a void copy could no
        longer be told from the valid one. Where the one before was to be scanned on its box, now this one is, unless
        it is a slip.
        """
        waits = not label.slip and self._do(
            f"UPDATE label SET scan_back = '' WHERE {OF_PLATE} AND scan_back = 'wanted'", label.lpn
        )
        row: dict[str, Any] = {
            "lpn": label.lpn,
            "inspection": label.inspection,
            "kind": label.kind,
            "print_no": label.print_no,
            "fields": compact(dict(label.fields)),
            "state": "queued",
            "created_at": instant(self._clock()),
            "printer": "",
            "void": False,
            "copy_no": label.copy_no,
            "operator": label.operator,
            "why": label.why,
            "confirmed": False,
            "scan_back": "wanted" if label.scan_back or waits else "",
        }
        inserted = self._connection.execute(
            f"INSERT INTO label ({', '.join(row)}) VALUES ({', '.join('?' * len(row))}) RETURNING id",
            tuple(row.values()),
        )
        number = int(inserted.fetchone()["id"])
        if self.told is None:
            self.proof = (
                "SELECT 1 FROM label WHERE id = ? AND print_no = ? AND lpn = ?",
                (number, label.print_no, label.lpn),
            )
        return number

    def move_label(
        self,
        id: int,
        state: LabelState,
        *,
        reason: Message | None = None,
        printer: str = "",
        confirmed: bool = False,
        scan_back: bool = False,
    ) -> bool:
        """Bring a label into another state; False where it has left the state that this is reached from.

        ``queued`` → ``printing`` → ``printed``, or ``parked`` with a reason; a person sends it from there back
        to the queue, says that it did come out, or cancels it. What is queued has no printer; a slip is never to be
        scanned back. With a unit's own label that came out, all earlier ones of its plate are void.
        """
        came_from = _MOVES[state]
        moved = bool(
            self._do(
                f"""
                UPDATE label SET state = ?1, reason = ?2,
                    printer = CASE WHEN ?1 = 'queued' THEN '' ELSE coalesce(nullif(?3, ''), printer) END,
                    printed_at = CASE WHEN ?1 = 'printed' THEN ?4 ELSE printed_at END, confirmed = ?6,
                    scan_back =
                        CASE WHEN ?7 AND scan_back = '' AND state <> 'cancelled' AND NOT {SLIP} THEN 'wanted'
                            ELSE scan_back END
                WHERE id = ?5 AND state IN ({", ".join(f"'{each}'" for each in came_from)})
                """,
                state,
                compact({"text": reason.text, "params": dict(reason.params), "plural": reason.plural})
                if reason
                else None,
                printer,
                instant(self._clock()),
                id,
                confirmed,
                scan_back,
            )
        )
        if moved and state == "printed" and (job := self.label(id)) is not None and not job.slip:
            out = f"SELECT max(print_no) FROM label WHERE {OF_PLATE} AND NOT {SLIP} AND state = 'printed' AND NOT void"
            sql = f"UPDATE label SET void = true WHERE {OF_PLATE} AND NOT {SLIP} AND NOT void AND print_no < ({out})"
            self._do(sql, job.lpn, job.lpn)
        return moved

    def not_printed(self, id: int) -> None:
        """The printer surely did not print it: it keeps its turn, unless it was cancelled meanwhile."""
        if not self.move_label(id, "queued"):
            self._do("UPDATE label SET printer = '' WHERE id = ? AND state = 'cancelled'", id)

    def scanned_back(self, id: int) -> bool:
        """The label was scanned on its box; False where nobody waited for that."""
        return bool(self._do("UPDATE label SET scan_back = 'done' WHERE id = ? AND scan_back = 'wanted'", id))


def revision_row(unit: Inspection, event_id: str) -> dict[str, Any]:
    """The row of a finished unit's revision, as the newest one, told by this event.

    Raises ValueError, OverflowError for a time that no text can hold.
    """
    assert unit.finished_at is not None
    spent = sum(unit.dwell_ms.values()) / 1000 or (unit.finished_at - unit.started_at).total_seconds()
    return {
        "id": unit.id,
        "revision": unit.revision,
        "current": True,
        "lpn": unit.lpn,
        "parcel": unit.parcel,
        "kind": unit.kind,
        "seller": unit.seller,
        "rma": unit.rma,
        "line_no": unit.line.no if unit.line else None,
        "gtin": _gtin(unit),
        "serial": unit.serial,
        "title": unit.product.title if unit.product else unit.scanned,
        "category": unit.product.category if unit.product else "",
        "device_class": unit.product.device_class if unit.product else "",
        "reason": unit.line.reason if unit.line else "",
        "outcome": unit.verdict.outcome,
        "grade": unit.grade,
        "disposition": unit.disposition,
        "price_minor": unit.price.minor if unit.price else None,
        "list_minor": unit.list_price.minor if unit.list_price else None,
        "currency": next((money.currency for money in (unit.price, unit.list_price) if money), ""),
        "discount": unit.discount,
        "operator": unit.finished_by or unit.operator,
        # Units that were counted together share the time.
        "seconds": spent / max(1, unit.count),
        "started_at": instant(unit.started_at),
        "finished_at": instant(unit.finished_at),
        "corrected_at": instant(unit.corrected_at),
        "clock_suspect": unit.clock_suspect,
        "voided_at": unit.voided_at and instant(unit.voided_at),
        "event_id": event_id,
        "photos": sum(1 for photo in unit.photos if photo.sha256),
        "waiting_case": unit.case is not None,
        "case_due_at": instant(unit.case.due_at) if unit.case and unit.case.due_at else None,
        "signals": len(unit.signals),
        "settles": " ".join(unit.settles),
        "body": unit.model_dump_json(),
    }


def _gtin(unit: Inspection) -> str:
    if unit.product is not None:
        return unit.product.gtin
    return unit.line.gtin if unit.line else ""
