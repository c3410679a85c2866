"""The verbs of batches: units join by scan and are taken out, a batch is closed under a seal, and it is noted what
became of it. Each is one commit, its event for the hub and its labels with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from inspect_station import manifest, stickers
from inspect_station.core import barcode, batches
from inspect_station.core.barcode import ScanKind
from inspect_station.core.batches import Batch, Ending, Fate
from inspect_station.core.records import Inspection, Operator, Reason, Role, Standing
from inspect_station.errors import NotFound, StationError
from inspect_station.labelling import Labelling
from inspect_station.message import Message, msg
from inspect_station.outcomes import BatchSeen, Collected, ReasonNeeded, Said, SupervisorNeeded
from inspect_station.pictures import upright_jpeg
from inspect_station.store import EventSpec, LabelSpec, Reader, TakenOut, Writer


class Batching(Labelling, ABC):
    """What is done with batches at a dock."""

    @abstractmethod
    def _shoot(self, slot: str) -> tuple[str, Message | None]:
        """Take a picture (`Station._shoot`): its hash, and what is wrong with it. Raises DeviceError."""

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def batch(self, number: str) -> BatchSeen:
        """A batch and what is in it. Raises NotFound."""
        with self.store.read() as reader:
            return self._batch_seen(reader, number)

    def batches(self, *, every: bool = False) -> tuple[BatchSeen, ...]:
        """Batches that are open or of which nobody knows yet what became of them, the oldest first; or the newest of
        all."""
        with self.store.read() as reader:
            found = reader.batches() if every else reader.waiting_batches()
            return tuple(self._as_seen(reader, each) for each in found)

    def batched(self, number: str) -> tuple[tuple[Inspection, ...], tuple[TakenOut, ...]]:
        """The records of a batch's units, and what was taken out of it. Raises NotFound."""
        with self.store.read() as reader:
            batch = self._batch_seen(reader, number).batch
            return tuple(reader.batched(batch.id)), reader.taken_out(batch.id)

    def batch_of(self, inspection: str) -> str:
        """Number of the batch that a unit is in; empty where it is in none."""
        with self.store.read() as reader:
            return reader.batch_of(inspection)

    def _batch_seen(self, reader: Reader, number: str, said: Message | None = None) -> BatchSeen:
        batch = reader.batch(number)
        if batch is None:
            raise NotFound(msg("no batch {number} in this store", number=number), msg("F4 lists those that wait"))
        return self._as_seen(reader, batch, said)

    def _as_seen(self, reader: Reader, batch: Batch, said: Message | None = None) -> BatchSeen:
        blocked = batches.keeps_open(batch) if batch.closed_at is None else ()
        return BatchSeen(batch, self.seller(reader, batch.seller).name or batch.seller, blocked, said)

    @staticmethod
    def _collected(reader: Reader, unit: Inspection) -> Collected | None:
        """The batch that a finished unit is in or may join; None where it joins none."""
        inside = reader.batch_of(unit.id)
        route = batches.route_of(unit)
        if route is None:
            return None
        if inside:
            return Collected(route, inside, inside=True)
        disputed = bool(reader.disputed([unit.id]))
        kept_out = batches.keeps_out(unit, None, disputed=disputed) is not None
        if kept_out or reader.standing_of(unit.id) is Standing.SUPERSEDED:
            return None
        open_ = reader.open_batch(unit.seller, route)
        return Collected(route, open_.number if open_ else "")

    @staticmethod
    def _sealed_in(reader: Reader, unit: Inspection) -> Said | None:
        """Why a unit cannot be changed any more: a closed batch keeps the units that its manifest names."""
        batch = reader.batch(reader.batch_of(unit.id))
        if batch is None or batch.closed_at is None:
            return None
        return Said(
            msg("{lpn} is in {batch}, which is closed", lpn=unit.lpn, batch=batch.number),
            msg("it stays as its manifest names it; what is wrong is settled with the seller"),
        )

    # ── Filling ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def join(self, lpn: str, number: str = "") -> BatchSeen | Said:
        """Put a finished unit into this batch, or into the open one of its seller and route; where none is open, the
        first unit opens it."""
        with self.store.write() as writer:
            unit, batch = writer.inspection(lpn), self._batch_seen(writer, number).batch if number else None
            reopened = writer.draft(lpn) is not None
            if unit is None:
                title = msg("{lpn} is not a unit of this station", lpn=lpn)
                if reopened:
                    title = msg("{lpn} is not finished: it joins no batch", lpn=lpn)
                return Said(title, msg("Esc, then scan its label to see it"))
            if (superseded := self._superseded(writer, unit)) is not None:
                return superseded
            held_by, disputed = writer.batch_of(unit.id), bool(writer.disputed([unit.id]))
            if reason := batches.keeps_out(unit, batch, held_by=held_by, reopened=reopened, disputed=disputed):
                return _refused(reason)
            route = batches.route_of(unit)
            assert route is not None, "what has no route is kept out"
            into = batch or writer.open_batch(unit.seller, route) or writer.begin_batch(unit.seller, route, self.by)
            writer.join_batch(into, unit.id, lpn, self.by)
            return self._batch_seen(writer, into.number, msg("{lpn} is in {batch}", lpn=lpn, batch=into.number))

    def take_out(self, number: str, lpn: str, why: str) -> BatchSeen | Said:
        """Take a unit out of an open batch, with the reason; it may join again."""
        with self.store.write() as writer:
            batch = self._batch_seen(writer, number).batch
            if reason := batches.keeps_in(batch, lpn):
                return _refused(reason)
            if not why.strip():
                return Said(msg("taking {lpn} out needs a reason", lpn=lpn), msg("type why, then Enter"))
            member = batch.member(lpn)
            assert member is not None, "what is not in there is kept"
            writer.leave_batch(member.inspection, by=self.by, why=why.strip())
            return self._batch_seen(writer, number, msg("{lpn} is out of {batch}", lpn=lpn, batch=number))

    def undo_join(self, number: str) -> BatchSeen | Said:
        """Take the unit out again that joined last."""
        with self.store.read() as reader:
            batch = self._batch_seen(reader, number).batch
        if not batch.units:
            return Said(msg("{batch} is empty", batch=number), msg("scan a unit to put it in"))
        return self.take_out(number, batch.units[-1].lpn, "undo")

    def property_out(self, number: str, lpn: str) -> BatchSeen | Said:
        """What of the customer's was found in a unit is out of it; the slip that goes with it is printed."""
        with self.store.write() as writer:
            batch = self._batch_seen(writer, number).batch
            if reason := batches.keeps_in(batch, lpn):
                return _refused(reason)
            member, unit = batch.member(lpn), writer.inspection(lpn)
            assert member is not None and unit is not None, "what is not in there is kept"
            if not member.property_inside:
                return Said(msg("nothing of a customer's is left in {lpn}", lpn=lpn), msg("go on"))
            writer.property_out(member.inspection, self.by)
            why = self.voice(self.config.station.locale).say(stickers.SLIPS["property"])
            self._beside(writer, unit, "property", why=why)
            seen = self._batch_seen(
                writer, number, msg("{lpn}: put what is the customer's aside, with its slip", lpn=lpn)
            )
        self._wake()
        return seen

    # ── Closing ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def close_batch(self, number: str, seal: str = "") -> BatchSeen | Said:
        """Close a batch under the next number of this station's seals, and the one on the seal itself where it has
        one. Its manifest label is queued, and the hub is told, in the same commit."""
        scan = barcode.read(seal, barcode.Patterns())
        if seal and scan.kind in NO_SEAL:
            return Said(msg("{code} is no seal: {batch} stays open", code=scan.text, batch=number), msg("c again"))
        now = self.clock()
        with self.store.write() as writer:
            seen = self._batch_seen(writer, number)
            for reason in batches.keeps_open(seen.batch):
                return _refused(reason)
            sealed_no = writer.next_sealed_no()
            closed = seen.batch.but(
                closed_at=now, closed_by=self.by, sealed_no=sealed_no, seal=barcode.clean(seal), revision=1
            )
            self._tell(writer, closed)
            writer.queue_label(self._manifest(writer, closed))
            said = msg("{batch} is closed, sealed no. {n}: its manifest is queued", batch=number, n=sealed_no)
            seen = self._batch_seen(writer, number, said)
        self._wake()
        return seen

    def _tell(self, writer: Writer, batch: Batch, by: str = "") -> None:
        body = batches.told(batch)
        if batch.revision > 1:
            body["base_event_id"] = writer.event_of_batch(batch.id)
        spec = EventSpec(type="batch.closed", body=body, operator=by or self.by, at=self.clock())
        writer.tell_batch(batch, spec)

    def _manifest(self, reader: Reader, batch: Batch, *, why: str = "") -> LabelSpec:
        copy = reader.copies(batch.number, "manifest") + 1
        print_no = reader.next_print_no(batch.number)
        voice = self.voice(self.config.station.locale)
        seller = self.seller(reader, batch.seller).name or batch.seller
        fields = manifest.fields(batch, seller, voice=voice, print_no=print_no, copy=copy)
        return LabelSpec(batch.number, batch.id, "manifest", print_no, fields, copy, self.by, why)

    def manifest_again(self, number: str, why: str = "") -> Message | ReasonNeeded | Said:
        """The label of a closed batch once more; a copy needs a reason, and the ones before it are void."""
        with self.store.write() as writer:
            batch = self._batch_seen(writer, number).batch
            if batch.closed_at is None:
                return Said(msg("{batch} is open: it has no label yet", batch=number), msg("close it first"))
            copy = writer.copies(number, "manifest") + 1
            if copy > 1 and not why.strip():
                return ReasonNeeded(number, copy)
            writer.cancel_unprinted(number)
            writer.queue_label(self._manifest(writer, batch, why=why.strip()))
        self._wake()
        return msg("label of {lpn} queued", lpn=number)

    def batch_list(self, number: str, locale: str = "") -> bytes:
        """All units of a batch as a PDF of A4 pages, to go with it and to be signed. Raises NotFound."""
        seen = self.batch(number)
        units, _ = self.batched(number)
        voice = self.voice(locale or self.config.station.locale)
        return manifest.pages(seen.batch, seen.seller, units, voice=voice, at=self.clock())

    def save_list(self, number: str) -> Path:
        """The list as a file in the station's folder. Raises NotFound, StationError."""
        file = self.config.station.data / "batches" / f"{number}.pdf"
        data = self.batch_list(number)
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        except OSError as error:
            raise StationError(
                msg("{file} cannot be written: {reason}", file=str(file), reason=error.strerror or str(error)),
                msg("the batch is as it was: see to the disk, then try the list again"),
            ) from error
        return file

    # ── What became of it ────────────────────────────────────────────────────────────────────────────────────────────

    def may_end(self, number: str, fate: Fate, on: date | None = None) -> Said | Message | None:
        """Why this cannot be noted of a batch (`Said`), or why it takes a supervisor and a ground; else None."""
        with self.store.read() as reader:
            batch = self._batch_seen(reader, number).batch
            units = tuple(reader.batched(batch.id))
        reason = self._not_noted(batch, units, fate, on or self.today(), role=Role.SUPERVISOR, ground="–")
        return _refused(reason) if reason else batches.needs_order(batch, fate)

    def _not_noted(
        self, batch: Batch, units: Sequence[Inspection], fate: Fate, on: date, *, role: Role, ground: str
    ) -> Reason | None:
        closed_on = self.today(batch.closed_at) if batch.closed_at else None
        return batches.not_yet(batch, on, self.today(), closed_on) or batches.forbids(
            self.rules, batch, units, fate, role=role, ground=ground
        )

    def end_batch(
        self,
        number: str,
        fate: Fate,
        *,
        on: date | None = None,
        ground: str = "",
        by: Operator | None = None,
        photo: bytes | None = None,
    ) -> BatchSeen | Said:
        """Note what became of a closed batch: when, by whom, and with which proof, ``photo`` or else a picture that the
        camera takes now. The hub is told by the next revision of ``batch.closed``.

        Destroying, another way than it was collected for, and a correction are ordered by a supervisor, ``by``, with a
        ground. Raises DeviceError where there is no picture.
        """
        day, works = on or self.today(), by or self.operator
        role = works.role if works else Role.OPERATOR
        with self.store.read() as reader:
            batch = self._batch_seen(reader, number).batch
            units = tuple(reader.batched(batch.id))
        if reason := self._not_noted(batch, units, fate, day, role=role, ground=ground.strip()):
            if reason.code != "supervisor":
                return _refused(reason)
            return SupervisorNeeded(
                reason.message,
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
                lambda supervisor: self.end_batch(number, fate, on=on, ground=ground, by=supervisor, photo=photo),
            )
        sha256 = self._shoot("proof")[0] if photo is None else self.store.blobs.put(upright_jpeg(photo))
        order = batches.needs_order(batch, fate)
        ending = Ending(
            fate=fate,
            on=day,
            photo=sha256,
            ground=ground.strip() if order else "",
            supervisor=works.code if works and order else "",
            by=self.by or (works.code if works else ""),
            at=self.clock(),
        )
        with self.store.write() as writer:
            now = self._batch_seen(writer, number).batch
            if now.revision != batch.revision:
                return Said(msg("{batch} was changed meanwhile", batch=number), msg("look at it, then try again"))
            self._tell(writer, batch.but(ending=ending, revision=batch.revision + 1), ending.by)
            said = msg("{batch}: {fate:word}", batch=number, fate=manifest.FATES[fate].text)
            seen = self._batch_seen(writer, number, said)
        self._wake()
        return seen

    def batch_hub_state(self, number: str) -> str:
        """``waiting``, ``accepted`` or ``parked``; empty while the batch is open."""
        with self.store.read() as reader:
            event = reader.event(reader.event_of_batch(self._batch_seen(reader, number).batch.id))
        return hub_state(event.state) if event else ""


def hub_state(event: str) -> str:
    """``waiting``, ``accepted`` or ``parked``, for the state of an event."""
    match event:
        case "accepted" | "duplicate":
            return "accepted"
        case "pending" | "sent":
            return "waiting"
        case _:
            return "parked"


NO_SEAL = (ScanKind.LPN, ScanKind.BATCH, ScanKind.BADGE, ScanKind.COMMAND, ScanKind.REJECTED)
"""What may be scanned by mistake while a seal is asked for: a closing is for ever."""

HINTS = {
    "not_finished": msg("Esc, then scan its label to go on with it"),
    "in_another": msg("scan that batch to see it"),
    "empty": msg("scan a unit to put it in"),
    "property": msg("say that it is out (p, or `batch property`): its slip is printed; or take the unit out"),
    "disputed": msg("F4 at the desk shows who says what; what is in a batch already can be taken out"),
    "not_ours": msg("Esc, then scan its label to see it"),
}
"""What to do where a rule refuses."""


def _refused(reason: Reason) -> Said:
    return Said(reason.message, HINTS.get(reason.code, msg("nothing was changed")))
