"""The verbs of the bench: step, photograph, finish, set aside, undo, reopen, reprint; and what the desk and lists show.

A verb takes and returns frozen values; what an operator meets in a day is a value with a sentence (`Said`,
`Proposed`…), not an exception. `open_station` is the one place where real parts are chosen.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from threading import Event, Timer
from typing import TYPE_CHECKING, Any, Self, TypeVar

from inspect_station import imports, stickers
from inspect_station.config import Config, LabelPrinter
from inspect_station.core import barcode, decide
from inspect_station.core import inspection as life
from inspect_station.core.batches import Batch
from inspect_station.core.bench import Bench, judge
from inspect_station.core.clocks import clock_marks, of_case, of_draft, of_parcel
from inspect_station.core.inspection import Step
from inspect_station.core.photos import due_slots
from inspect_station.core.records import (
    Disposition,
    Inspection,
    Kind,
    Operator,
    Parcel,
    Photo,
    Product,
    Rma,
    Role,
    Standing,
)
from inspect_station.core.signals import signals, withdrawn
from inspect_station.core.view import PAGES
from inspect_station.core.wire import SETTLED
from inspect_station.disputes import Disputing
from inspect_station.dock import Clock
from inspect_station.errors import DeviceError, NotAllowed, NotFound
from inspect_station.label import Format, Template, templates
from inspect_station.manifest import WAYS
from inspect_station.message import Message, msg, msgn
from inspect_station.outbox import Outbox
from inspect_station.outbox.prints import Press
from inspect_station.outbox.sync import Pulled, connect, enrol, why
from inspect_station.outcomes import (
    Arrived,
    Desk,
    Doubtful,
    Finished,
    Known,
    LineSeen,
    Opened,
    Pending,
    Photographed,
    Printable,
    ReasonNeeded,
    Roll,
    Said,
    Several,
    SupervisorNeeded,
    Synced,
    Waiting,
)
from inspect_station.printing import sizes_of
from inspect_station.reception import EXTRA_UNIT, Reception
from inspect_station.reports.daily import Daily, daily
from inspect_station.resources import resource
from inspect_station.store import Blobs, EventSpec, LabelJob, LabelSpec, Reader, Store, UnitAtHub, Writer, space
from inspect_station.upkeep import Upkeep
from inspect_station.words import Voice

if TYPE_CHECKING:
    from inspect_station.camera import Camera
    from inspect_station.scanners import Scanner


class Station(Reception, Disputing):
    """All verbs of one dock workstation; from one thread at a time (the lane)."""

    photo_gone = msg("not on this station's disk any more")
    """Of a picture that nobody owes, and that is not here."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        clock: Clock,
        camera: "Camera | None",
        scanner: "Scanner | None",
        training: bool = False,
    ) -> None:
        super().__init__(config, store, clock=clock, training=training)
        self._camera = camera
        self._scanner = scanner
        self._outbox: Outbox | None = None
        self._upkeep: Upkeep | None = None
        self._notify: Callable[[], None] = lambda: None
        self._stop_looking = Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, notify: Callable[[], None], code: Callable[[str], None] = lambda _: None) -> None:
        """Begin to print and to send in the background, and to listen to a scanner that does not type.

        Called from any thread: ``notify`` when something that the desk shows has changed, ``code`` with each code.
        """
        self._notify = notify
        self.outbox.start()
        self._upkeep = Upkeep(
            self.store, self.config.backup, station=self.config.station.name, clock=self.clock, notify=notify
        )
        self._upkeep.start()
        if self._scanner is not None:
            self._scanner.start(code, notify)
        # Behind the first paint, and before the first photo.
        timer = Timer(1.0, self._warm_up)
        timer.daemon = True
        timer.start()

    def _warm_up(self) -> None:
        """Load what the first GS1 code and the first picture need, while nobody waits for it."""
        barcode.read("]C101", barcode.Patterns())
        if self._camera is not None:
            from inspect_station.camera import warm_up

            warm_up()

    def close(self) -> None:
        """Stop printing and sending, let go of the store and its lock; drafts and queues stay for the next start."""
        self.stop_looking()
        if self._scanner is not None:
            self._scanner.stop()
        if self._outbox is not None:
            self._outbox.stop()
        if self._upkeep is not None:
            self._upkeep.stop()
        self.store.close()

    @property
    def scanner_trouble(self) -> Said | None:
        """Why the scanner gives no codes; None where all is well, and for one that types. Any thread may ask."""
        state = self._scanner.state if self._scanner is not None else None
        return Said(*state.trouble) if state and state.trouble else None

    @property
    def backup_trouble(self) -> Said | None:
        """Why no good copy of the store is near; None where one is, or none is wanted. Any thread may ask."""
        found = self._upkeep.trouble if self._upkeep is not None else None
        return Said(*found) if found else None

    @property
    def outbox(self) -> Outbox:
        """All that leaves the bench; made when it is first needed, as looking at a unit needs no printer."""
        if self._outbox is None:
            self._outbox = Outbox(
                self.store,
                settings=self.config.upstream,
                upstream=connect(self.store, self.config.upstream),
                presses=[Press.of(settings) for settings in self.config.printers],
                templates=self._templates,
                clock=self.clock,
                locale=self.config.station.locale,
                scan_back=self.config.station.scan_back,
                notify=lambda _: self._notify(),
                limits=self.config.limits,
                keep_photos_days=self.config.station.keep_photos_days,
            )
        return self._outbox

    @cached_property
    def _templates(self) -> Mapping[str, Template]:
        return templates(resource("labels"), self.config.station.labels)

    def _wake(self) -> None:
        if self._outbox is not None:
            self._outbox.wake()

    def on_bench(self, rmas: Sequence[tuple[str, str]], unit: str = "") -> None:
        """What is in view now: these returns, (seller, number) of each, and this unit of them. Other docks are told,
        and the outbox's states say where else they are open. Never waits; any thread may call this."""
        if self._outbox is not None:
            self._outbox.on_bench(rmas, unit, self.operator.name if self.operator else "")

    def step(self, bench: Bench, unit: Inspection, given: life.Input, *, by: Operator | None = None) -> Step:
        """A key, now, by whoever works, or by a supervisor who vouched for it; pure but for the clock.

        The caller keeps the result with `keep`.
        """
        return life.step(bench, unit, given, by=by.code if by else self.by, at=self.clock())

    def photograph(self, bench: Bench, unit: Inspection) -> Photographed:
        """Fill the next empty slot; with the camera down the photo is owed and the unit will be held."""
        decision = decide.decide(bench.rules, bench.seller, unit)
        due = due_slots(bench.rules, unit, decision)
        extra = sum(photo.slot.startswith("extra") for photo in unit.photos) + 1
        owed = [photo.slot for photo in unit.photos if not photo.sha256]
        slot = (*due, *owed, f"extra{extra}")[0]
        try:
            sha256, doubt = self._shoot(slot)
        except DeviceError as error:
            if not due:
                return Photographed(Step(unit), error.title, well=False)
            step = self.step(bench, unit, life.Taken(slot, ""))
            self.keep(step.inspection)
            said = msg(
                "camera down, photo owed: {slot:data}. The unit goes on hold until it is taken", slot=f"slot.{slot}"
            )
            return Photographed(step, said, well=False)
        step = self.step(bench, unit, life.Taken(slot, sha256))
        self.keep(step.inspection)
        said = doubt or msg("photo saved: {slot:data}", slot=f"slot.{slot}")
        return Photographed(step, said, well=doubt is None)

    def _shoot(self, slot: str) -> tuple[str, Message | None]:
        """The picture's hash, and what is wrong with it where something is."""
        if self._camera is None:
            raise DeviceError(
                msg("No camera is set up."),
                msg("set [camera] in station.toml; `inspect-station doctor` lists devices"),
            )
        room = space(self.config.station.data, self.config.limits)
        if not room.photos and room.said is not None:
            raise DeviceError(room.said, msg("make room on the disk; the photo is owed until then"))
        shot = self._camera.grab(slot)
        return self.store.blobs.put(shot.jpeg), next(iter(shot.warnings), None)

    def look(self, stop: Event) -> str | Said | None:
        """Read a code with the camera; None where ``stop`` was set. Beside the lane: it may take long."""
        from inspect_station.camera import look_for_code

        self.stop_looking()
        self._stop_looking = stop
        if self._camera is None:
            return Said(
                msg("No camera is set up."),
                msg("set [camera] in station.toml; `inspect-station doctor` lists devices"),
            )
        giving_up = Timer(LOOK_S, stop.set)
        giving_up.daemon = True
        giving_up.start()
        try:
            code = look_for_code(self._camera, stop)
        except DeviceError as error:
            return Said(error.title, error.hint)
        finally:
            in_time = giving_up.is_alive()
            giving_up.cancel()
        if code is not None:
            return code.text
        return (
            None
            if in_time
            else Said(
                msg("the camera saw no code in {n} seconds", n=LOOK_S),
                msg("F5 tries again: closer, straight, with more light; or type the code"),
            )
        )

    def stop_looking(self) -> None:
        """The camera need not look for a code any more."""
        self._stop_looking.set()

    def carton_photo(self, parcel: Parcel) -> Arrived | Said:
        """A picture of the carton as it arrived."""
        try:
            sha256, doubt = self._shoot("carton")
        except DeviceError as error:
            return Said(error.title, error.hint)
        photo = Photo(slot="carton", sha256=sha256, by=self.by, at=self.clock())
        with self.store.write() as writer:
            parcel = writer.parcel(parcel.id) or parcel
            changed = parcel.but(photos=(*parcel.photos, photo))
            writer.save_parcel(changed)
            return self._arrived(writer, changed, doubt or msg("photo of the carton saved"))

    @property
    def blobs(self) -> Blobs:
        """The photo files."""
        return self.store.blobs

    def finish(self, bench: Bench, unit: Inspection) -> Finished | Opened:
        """Commit the unit, its upstream record and its label together; "saved" is true when this returns.

        Comes back `Opened` where the line was filled meanwhile: then it is a unit too many, and a person decides.
        """
        if self.operator is None:
            raise NotAllowed(msg("nobody is signed in: {lpn} is kept, not saved", lpn=unit.lpn), msg("scan your badge"))
        now = self.clock()
        with self.store.write() as writer:
            if (before := self._finished_before(writer, unit)) is not None:
                return before
            if self._too_many(writer, unit):
                return self._one_too_many(writer, unit)
            done = decide.finished(
                bench.rules,
                bench.seller,
                self._at_todays_price(writer, unit).but(
                    signals=signals(bench, unit, writer.rma(unit.seller, unit.rma))
                ),
                by=self.by,
                at=now,
                rules_hash=self.rulebook.kept(writer, bench.ruleset),
                site=self.config.station.site,
            ).but(**clock_marks(now, writer.clock_ahead()))
            units = (done, *self._copies(writer, done))
            for each in units:
                self._commit(writer, each)
            parcel = writer.parcel(unit.parcel) if unit.parcel else None
            if parcel is not None and parcel.closed_at is None:
                lines = self._parcel_lines(writer, parcel)
                if not any(line.open for line in lines) and unit.kind is not Kind.EMPTY_BOX:
                    self._close_parcel(writer, parcel)
        self._wake()
        if len(units) > 1:
            said = msg("{n} units saved, {first} to {last}", n=len(units), first=units[0].lpn, last=units[-1].lpn)
        else:
            said = msg("{lpn} saved: {place:data}", lpn=done.lpn, place=f"place.{done.disposition}")
        return Finished(units, said)

    @staticmethod
    def _finished_before(reader: Reader, unit: Inspection) -> Finished | None:
        """The unit as it was kept, where its disk failed while it was saved and yet it stands in the store."""
        kept = reader.inspection(unit.lpn)
        if kept is None or (kept.id, kept.revision) != (unit.id, unit.revision) or reader.draft(unit.lpn) is not None:
            return None
        return Finished(
            (kept,), msg("{lpn} was saved already: {place:data}", lpn=kept.lpn, place=f"place.{kept.disposition}")
        )

    def _too_many(self, reader: Reader, unit: Inspection) -> bool:
        """Whether the line has fewer units open than are to be committed, and nobody has said so yet."""
        if unit.kind is not Kind.UNIT or unit.line is None or not unit.rma or unit.warnings:
            return False
        standing = reader.inspection(unit.lpn)
        if standing is not None and standing.voided_at is None and standing.rma == unit.rma:
            return False  # refurbished and back: it has its place on the line already
        rma = reader.rma(unit.seller, unit.rma)
        if rma is not None and withdrawn(unit, rma):
            # It was announced when it was opened, and is finished as that (sync.md §3.2, 43).
            there = [each for each in reader.units(unit.seller, unit.rma) if each.line and each.line.no == unit.line.no]
            return unit.line.quantity - len(there) < unit.count
        return reader.open_count(unit.seller, unit.rma, unit.line.no) < unit.count

    def _one_too_many(self, writer: Writer, unit: Inspection) -> Opened:
        still = writer.open_count(unit.seller, unit.rma, unit.line.no) if unit.line else 0
        if still > 0:
            said = msgn(
                "not saved: {n} unit of the line is open now. Count again",
                "not saved: {n} units of the line are open now. Count again",
                n=still,
            )
            again = unit.but(count=1, chosen=None, page="condition", trail=())
        else:
            said = msg("not saved: the line was filled meanwhile, this is a unit too many")
            again = unit.but(warnings=(EXTRA_UNIT,), count=1, page="finish")
        fresh = self._bench(writer, again)
        again = again.but(verdict=judge(fresh, again))
        writer.save_draft(again)
        return Opened(again, fresh, said)

    @staticmethod
    def _at_todays_price(reader: Reader, unit: Inspection) -> Inspection:
        """The catalogue's price at finish is the list price (domain.md §3.5)."""
        current = reader.product(unit.seller, unit.product.gtin) if unit.product else None
        if current is None or unit.product is None or current.price is None:
            return unit
        return unit.but(product=unit.product.but(price=current.price, min_price=current.min_price))

    def _copies(self, writer: Writer, done: Inspection) -> tuple[Inspection, ...]:
        """The other units of a count, each with its own plate and record."""
        more = done.count - 1
        return tuple(
            done.but(id=writer.new_id(), lpn=lpn, revision=1, earlier_grades=())
            for lpn in (writer.take_lpns(more) if more > 0 else ())
        )

    def _commit(self, writer: Writer, unit: Inspection, *, by: str = "", at: datetime | None = None) -> None:
        kind = "inspection.finished" if unit.revision == 1 else "inspection.amended"
        body = unit.model_dump(mode="json")
        if unit.kind is Kind.UNKNOWN:
            kind = "claim.opened"
        if unit.revision > 1:
            body["base_event_id"] = writer.event_of(unit.id)
        event = EventSpec(type=kind, body=body, operator=by or self.by, at=at or unit.finished_at or self.clock())
        writer.finish(unit, event, self._label(writer, unit, writer.next_print_no(unit.lpn)))

    def _label(self, reader: Reader, unit: Inspection, print_no: int, *, copy: int = 0, why: str = "") -> LabelSpec:
        """The unit's label; ``copy`` = its number among those of its kind, by default the next after those sent."""
        copy = copy or reader.copies(unit.lpn, stickers.kind_of(unit)) + 1
        voice = Voice(self.config.station.locale, self.rules, self.config.station.zone)
        seller = self.seller(reader, unit.seller)
        return LabelSpec(
            lpn=unit.lpn,
            inspection=unit.id,
            kind=stickers.kind_of(unit),
            print_no=print_no,
            fields=stickers.fields(
                unit,
                voice=voice,
                rules=self.rules,
                seller=seller,
                sites=self.config.sites,
                print_no=print_no,
                copy=copy,
                on=self.today(),
                page=self.config.station.unit_page,
            ),
            copy_no=copy,
            operator=self.by,
            why=why,
        )

    def _beside(self, writer: Writer, unit: Inspection, kind: str, *, why: str, by: str = "") -> LabelSpec:
        """A slip, or a label of another kind than the unit's own, which stays valid. One of its kind that is not out
        yet does not come after it any more."""
        writer.cancel_unprinted(unit.lpn, kind)
        copy = writer.copies(unit.lpn, kind) + 1
        spec = self._label(writer, unit, writer.next_print_no(unit.lpn), copy=copy, why=why)
        spec = replace(_as_slip(spec, kind), operator=by or self.by)
        writer.queue_label(spec)
        return spec

    def _again(self, writer: Writer, unit: Inspection, *, why: str = "", scan_back: bool = False) -> LabelSpec:
        """One more of a unit's own labels. What of the earlier ones is not out yet does not come after it any more."""
        writer.cancel_unprinted(unit.lpn)
        copy = writer.copies(unit.lpn, stickers.kind_of(unit)) + 1
        spec = self._label(writer, unit, writer.next_print_no(unit.lpn), copy=copy, why=why)
        spec = replace(spec, scan_back=scan_back)
        writer.queue_label(spec)
        return spec

    def set_aside(self, unit: Inspection) -> Message:
        """Esc: the unit waits with everything answered so far; a hold slip names it. Nothing is lost."""
        with self.store.write() as writer:
            writer.save_draft(unit, aside=True)
            self._again(writer, unit.but(disposition=Disposition.HOLD))
        self._wake()
        return msg("{lpn} set aside: scan its slip, its RMA or its EAN to go on", lpn=unit.lpn)

    # ── Corrections ──────────────────────────────────────────────────────────────────────────────────────────────────

    def undo(self) -> Opened | Said:
        """F2: the last finished unit comes back with the same plate and answers; its record is voided, not erased."""
        with self.store.read() as reader:
            last = reader.last_finished()
        if last is None:
            return Said(msg("nothing to undo: no unit was finished here yet"), msg("scan the next parcel"))
        return self._reopened(last, "undo", self.operator)

    def _reopened(self, unit: Inspection, reason: str, by: Operator | None) -> Opened | Said:
        """Own units of this shift by whoever finished them; all others by a supervisor (domain.md §4)."""
        finished = unit.finished_at
        own = finished is not None and unit.finished_by == self.by and finished >= self.day_start(self.clock())
        own = own and not unit.rerouted  # a supervisor's order is taken back by one
        if not own and not _supervises(by):
            return SupervisorNeeded(
                msg("{lpn} was finished by somebody else or on another day", lpn=unit.lpn),
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
                lambda supervisor: self._reopened(unit, reason, supervisor),
            )
        return self._void(unit, reason, by.code if by else "")

    def reopen(self, lpn: str, reason: str) -> Opened | Said:
        """Own units of this shift by anyone who finished them; all others by a supervisor."""
        with self.store.read() as reader:
            unit = reader.inspection(lpn)
        if unit is None or unit.voided_at is not None or unit.finished_at is None:
            return Said(msg("{lpn} cannot be reopened: it is not finished", lpn=lpn), msg("scan its label to see it"))
        if not reason.strip():
            return Said(msg("reopening needs a reason"), msg("type why, then Enter"))
        return self._reopened(unit, reason.strip(), self.operator)

    def _void(self, unit: Inspection, reason: str, by: str, settles: tuple[str, ...] | None = None) -> Opened | Said:
        draft = life.reopened(unit, by=self.by)
        if settles is not None:
            draft = draft.but(settles=settles)
        voided = unit.but(revision=unit.revision + 1, voided_at=self.clock(), void_reason=reason)
        with self.store.write() as writer:
            if writer.draft(unit.lpn) is not None:
                return Said(
                    msg("{lpn} is being worked on again: nothing was taken back", lpn=unit.lpn),
                    msg("scan its label to go on with it"),
                )
            if (sealed := self._sealed_in(writer, unit)) is not None:
                return sealed
            body = {
                "inspection": unit.id,
                "lpn": unit.lpn,
                "revision": voided.revision,
                "base_event_id": writer.event_of(unit.id),
                "reason": reason,
            }
            event = EventSpec(type="inspection.voided", body=body, operator=by, at=self.clock())
            printed = writer.void(voided, event)
            writer.save_draft(draft)
        said = msg("{lpn} is open again; its queued label is cancelled", lpn=unit.lpn)
        if printed:
            said = msg("{lpn} is open again: destroy its printed label, it is void", lpn=unit.lpn)
        self._wake()
        with self.store.read() as reader:
            return replace(self._opened(reader, draft), said=said)

    def claimants(self, text: str) -> Several | Said:
        """Lines that an unannounced unit may belong to: by RMA, order, tracking or serial number, by EAN, or by what
        the search finds."""
        scan = self.read(text)
        with self.store.read() as reader:
            rmas = (*self._rmas(reader, scan), *self._rmas_by(reader, scan))
            lines = [each for rma in rmas for each in self._lines_of(reader, rma)]
            for gtin in scan.articles:
                lines += [self._line(reader, each.rma, each.line) for each in reader.lines_of_gtin(gtin)]
        lines = lines or [hit for hit in self.search(text) if isinstance(hit, LineSeen)]
        unique = {(each.rma.seller, each.rma.number, each.line.no): each for each in lines}
        if unique:
            return Several(scan, tuple(unique.values()))
        return Said(
            msg("nothing announced answers to {code}", code=scan.text),
            msg("try another number, or a word of the title; the unit stays on hold"),
        )

    def match(self, lpn: str, line: LineSeen, *, by: Operator | None = None) -> Opened | Said:
        """What came unannounced is a unit of this line: it comes onto the bench to be graded, under the same plate.

        The parcel counts as received when the unit was; a supervisor decides: ``by``, else whoever works.
        """
        by = by or self.operator
        if by is None or not _supervises(by):
            return SupervisorNeeded(
                msg("only a supervisor matches {lpn} to an RMA", lpn=lpn),
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
                lambda supervisor: self.match(lpn, line, by=supervisor),
            )
        if not self._here(line.rma):
            return Said(
                msg("{rma} belongs to site {site}", rma=line.rma.number, site=line.rma.site),
                msg("scan it at the desk: Enter prints a forwarding slip"),
            )
        with self.store.write() as writer:
            unit = writer.inspection(lpn)
            before = writer.draft(lpn)
            wrongly = before is not None and before.was is Kind.UNKNOWN and before.kind is Kind.UNIT
            if unit is None or unit.voided_at is not None or unit.kind is not Kind.UNKNOWN or (before and not wrongly):
                return Said(msg("{lpn} does not wait for its RMA", lpn=lpn), msg("scan its label to see where it is"))
            if before is not None:
                self._not_in(writer, before)
            parcel = self._received(writer, line.rma, unit.started_at)
            draft = life.matched(
                unit, rma=line.rma, line=line.line, product=line.product, parcel=parcel.id, by=by.code
            ).but(shown_at=self.clock())
            if self._to_come(writer, line) <= 0:
                draft = draft.but(warnings=(EXTRA_UNIT,))
            bench = self._bench(writer, draft)
            draft = draft.but(verdict=judge(bench, draft))
            writer.save_draft(draft)
            self._close_parcel(writer, parcel)
        return Opened(draft, bench, msg("{lpn} belongs to {rma}: grade it", lpn=lpn, rma=line.rma.number))

    def _not_in(self, writer: Writer, before: Inspection) -> None:
        """A wrong match is taken back: its parcel did not hold that line after all."""
        parcel = writer.parcel(before.parcel)
        if parcel is None or before.line is None:
            return
        key = (before.seller, before.rma, before.line.no)
        writer.save_parcel(parcel.but(missing=tuple(dict.fromkeys((*parcel.missing, key)))))
        body = {
            "parcel": parcel.id,
            "rmas": [list(each) for each in parcel.rmas],
            "missing": [list(key)],
            "closed_at": self.clock().isoformat(),
        }
        self._event(writer, "parcel.closed", body)

    def destinations(self, lpn: str) -> tuple[Disposition, ...] | Said:
        """Where a finished unit may be sent instead of where it goes (`reroute`)."""
        with self.store.read() as reader:
            unit = self._standing(reader, lpn)
            if isinstance(unit, Said):
                return unit
            return self._destinations(reader, unit) or self._nowhere_else(unit)

    def reroute(self, lpn: str, disposition: Disposition, reason: str, *, by: Operator | None = None) -> Known | Said:
        """Another place than the rules gave, by a supervisor with a reason; destroying needs a ground.

        A new revision with a label of its own; the earlier label is void. What closes a way to the rules closes it to
        supervisors, too: whose the article is, the gates, data that is not erased.
        """
        by = by or self.operator
        if by is None or not _supervises(by):
            return SupervisorNeeded(
                msg("only a supervisor sends {lpn} elsewhere", lpn=lpn),
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
                lambda supervisor: self.reroute(lpn, disposition, reason, by=supervisor),
            )
        if not reason.strip():
            return Said(msg("sending {lpn} elsewhere needs a reason", lpn=lpn), msg("type why, then Enter"))
        now = self.clock()
        with self.store.write() as writer:
            unit = self._standing(writer, lpn)
            if isinstance(unit, Said):
                return unit
            if disposition not in self._destinations(writer, unit):
                return self._nowhere_else(unit, disposition)
            bench = self._bench(writer, unit)
            plain = decide.decide(bench.rules, bench.seller, unit)
            ordered = life.rerouted(
                unit, disposition, over=plain.disposition, reason=reason.strip(), by=by.code, at=now
            )
            # Its time on the bench, and the day it counts for, stay as they were.
            done = decide.finished(
                bench.rules,
                bench.seller,
                ordered,
                by=unit.finished_by,
                at=unit.finished_at or now,
                rules_hash=self.rulebook.kept(writer, bench.ruleset),
                site=self.config.station.site,
            )
            out = writer.on_box(lpn) is not None
            waiting = [job for job in writer.labels("queued", "parked") if job.lpn == lpn and not job.printer]
            self._commit(writer, done, by=by.code, at=now)
            for job in waiting:
                # A slip that is as true of it now is still needed, and nobody would ask for it once more.
                if job.slip and stickers.refused(done, job.kind) is None:
                    self._beside(writer, done, job.kind, why=job.why, by=job.operator)
        self._wake()
        place = f"place.{disposition}"
        said = msg("{lpn} goes there now: {place:data}. A new label is queued", lpn=lpn, place=place)
        if out:
            said = msg("{lpn} goes there now: {place:data}. Destroy its old label, it is void", lpn=lpn, place=place)
        return Known(done, said)

    def _standing(self, reader: Reader, lpn: str) -> Inspection | Said:
        """The finished unit that nobody is working on and no closed batch holds, or why there is none."""
        unit = reader.inspection(lpn)
        if unit is None or unit.finished_at is None or unit.voided_at is not None:
            return Said(
                msg("{lpn} cannot be sent elsewhere: it is not finished", lpn=lpn), msg("scan its label to see it")
            )
        if unit.kind is Kind.UNKNOWN:
            return Said(msg("{lpn} waits for its RMA: it stays on hold", lpn=lpn), msg("F12 matches it to its RMA"))
        if reader.draft(lpn) is not None:
            return Said(
                msg("{lpn} is being worked on again: it goes where its grading sends it", lpn=lpn),
                msg("scan its label to go on with it"),
            )
        return self._sealed_in(reader, unit) or unit

    def _destinations(self, reader: Reader, unit: Inspection) -> tuple[Disposition, ...]:
        bench = self._bench(reader, unit)
        possible = decide.possible_dispositions(bench.rules, bench.seller, unit)
        return tuple(each for each in possible if each is not unit.disposition)

    @staticmethod
    def _nowhere_else(unit: Inspection, wanted: Disposition | None = None) -> Said:
        """Why a unit cannot go there, or anywhere else."""
        title = msg("{lpn} cannot be sent elsewhere", lpn=unit.lpn)
        if wanted is not None:
            title = msg("{lpn} cannot go there: {place:data}", lpn=unit.lpn, place=f"place.{wanted}")
        if wanted is unit.disposition:
            return Said(title, msg("it goes there already"))
        if unit.disposition in (Disposition.QUARANTINE, Disposition.FORWARD):
            return Said(title, msg("a hazard and another site's return stay what they are"))
        if not unit.verdict.ours:
            return Said(title, msg("it is still the customer's until the seller accepts it"))
        if unit.gates:
            return Said(title, msg("{gate:data}: closed to resale, for everybody", gate=f"gate.{unit.gates[0]}"))
        return Said(title, msg("its grade, an owed photo or data not erased forbid it: F12 lists what is possible"))

    def printable(self, lpn: str = "") -> Printable | Message:
        """F3: what can be printed of this, or the last finished, unit."""
        with self.store.read() as reader:
            unit = self._with_label(reader, lpn)
            superseded = self._superseded(reader, unit) if unit else None
        if unit is None:
            return NOTHING_TO_PRINT
        if superseded is not None:
            return superseded.title
        own = stickers.kind_of(unit)
        allowed = [kind for kind in self._templates if kind != own and stickers.refused(unit, kind) is None]
        slips = tuple(kind for kind in stickers.SLIPS if kind in allowed)
        others = tuple(kind for kind in allowed if kind not in stickers.SLIPS and kind not in stickers.NO_UNITS)
        return Printable(unit.lpn, own, slips, others)

    @staticmethod
    def _with_label(reader: Reader, lpn: str) -> Inspection | None:
        unit = reader.inspection(lpn) if lpn else reader.last_finished()
        return None if unit is None or unit.voided_at is not None else unit

    def reprint(
        self, lpn: str = "", why: str = "", kind: str = "", *, by: Operator | None = None
    ) -> Message | ReasonNeeded | Said:
        """F3: the label of this, or the last finished, unit once more, or a slip beside it (`printable`).

        A copy needs a reason, which is kept with who asked for it; the unit's own labels before it are void. A label
        of another kind than its own needs a reason and a supervisor: ``by``, else whoever works.
        """
        by = by or self.operator
        with self.store.write() as writer:
            unit = self._with_label(writer, lpn)
            if unit is None:
                return NOTHING_TO_PRINT
            if (superseded := self._superseded(writer, unit)) is not None:
                return superseded
            own = stickers.kind_of(unit)
            kind = kind or own
            refused = stickers.refused(unit, kind)
            if refused is not None or kind not in self._templates or kind in stickers.NO_UNITS:
                return Said(refused or msg("no label template {kind}", kind=kind), msg("F3 lists what can be printed"))
            copy = writer.copies(unit.lpn, kind) + 1
            another = kind != own and kind not in stickers.SLIPS
            if (copy > 1 or another) and not why.strip():
                return ReasonNeeded(unit.lpn, copy, "" if kind == own else kind)
            if another and not _supervises(by):
                return SupervisorNeeded(
                    msg("only a supervisor gives {lpn} another label than its own", lpn=unit.lpn),
                    msg("scan a supervisor's badge; Esc leaves everything as it was"),
                    lambda supervisor: self.reprint(lpn, why, kind, by=supervisor),
                )
            if kind == own:
                spec = self._again(writer, unit, why=why.strip())
            else:
                first = stickers.SLIPS.get(kind)
                reason = why.strip() or (self.voice(self.config.station.locale).say(first) if first else "")
                spec = self._beside(writer, unit, kind, why=reason, by=by.code if by else "")
        self._wake()
        return _queued(spec)

    def doubtful(self, id: int) -> Doubtful | None:
        """A parked label as it looks, for whoever is asked about it; None where it is settled already."""
        with self.store.read() as reader:
            job = reader.label(id)
            if job is None or job.state != "parked":
                return None
            other = reader.on_box(job.lpn) is not None or reader.draft(job.lpn) is not None
        slip = stickers.called(job.kind) if job.slip else None
        return Doubtful(id, job.lpn, stickers.preview(job.fields), job.reason, bool(job.printer), other, slip)

    def picture_of_label(self, id: int) -> bytes:
        """A label of the queue as a PNG. Raises NotFound, and StationError where it cannot be drawn."""
        from inspect_station.label import render

        with self.store.read() as reader:
            job = reader.label(id)
        if job is None or job.kind not in self._templates:
            raise NotFound(msg("there is no such label"), msg("F4 lists what waits"))
        return render(self._templates[job.kind], job.fields, locale=self.config.station.locale, format="png")

    def settle_label(self, id: int, *, came_out: bool) -> Message:
        """Whether a doubtful label came out. Where it did not, a new one is printed: if the old one turns up after
        all, its number tells that it is void."""
        with self.store.write() as writer:
            job = writer.label(id)
            if job is None or job.state != "parked":
                return msg("this label is settled already")
            unit = writer.inspection(job.lpn)
            if came_out and job.printer:
                writer.move_label(id, "printed")
                return msg("label of {lpn}: printed", lpn=job.lpn)
            batch = writer.batch(job.lpn)
            if came_out:
                # What never left the queue cannot be on the box: an earlier one is, given up though it may have been.
                # Of the unit's own label a slip says nothing.
                earlier = writer.on_box(job.lpn) if not job.slip else None
                stands = unit is not None and unit.voided_at is None and writer.draft(job.lpn) is None
                if earlier is None and not job.slip and (stands or batch is not None):
                    return msg("no label of {lpn} has come out yet: it still waits to be printed", lpn=job.lpn)
                writer.move_label(id, "cancelled")
                if earlier is not None:
                    writer.move_label(earlier.id, "printed")
                return msg("label of {lpn}: not needed", lpn=job.lpn)
            writer.move_label(id, "cancelled")
            back = self.config.station.scan_back != "never"
            voice = self.voice(self.config.station.locale)
            why = voice.say(job.reason) if job.reason else ""
            if unit is not None and unit.id == job.inspection and unit.voided_at is None:
                if job.slip:
                    spec = self._beside(writer, unit, job.kind, why=why)
                else:
                    spec = self._again(writer, unit, why=why, scan_back=back)
            else:
                # A batch's, or the slip of a unit that is still graded: as it was, under a new number.
                number = writer.next_print_no(job.lpn)
                copy = writer.copies(job.lpn, job.kind) + 1
                fields = {**job.fields, **stickers.copied(voice, job.lpn, number, copy)}
                back = back and batch is not None
                spec = LabelSpec(job.lpn, job.inspection, job.kind, number, fields, copy, self.by, why, back)
                writer.queue_label(spec)
        self._wake()
        return _queued(spec)

    # ── Printer and hub ──────────────────────────────────────────────────────────────────────────────────────────────

    def roll(self) -> Roll:
        """How the change of a roll stands."""
        facts = self.outbox.prints.facts()
        names = tuple(each.name for each in self.config.printers)
        said = msg("labels are printed as they come")
        if facts.held and facts.tested:
            said = msg("test label sent: the frame must be whole and the barcode must scan")
        elif facts.held:
            said = msg("printing is held: put the new roll in, then a test label")
        tested = next((each for each in self.config.printers if each.name == facts.tested), None)
        problems = tuple(self._misfits(tested, facts.found)) if tested else ()
        return Roll(said, facts.held, self.outbox.prints.to_come(), names, problems, facts.tested)

    def hold_printing(self) -> Roll:
        """The roll is changed: nothing is printed until `resume_printing`, also after a restart; labels wait in their
        order."""
        self.outbox.prints.hold()
        return self.roll()

    def resume_printing(self) -> Message:
        """Go on printing what waits, in its order, late labels too; after a change of the roll not without a test
        label."""
        facts = self.outbox.prints.facts()
        if facts.held and not facts.tested and self.config.printers:
            return msg("printing stays held: a test label first")
        self.outbox.resume()
        return msg("printing goes on")

    def test_label(self, name: str) -> Roll:
        """Print a test label on one printer, also while the queue is held: it is how a new roll is tried. With it comes
        what does not fit: the roll, the profile and the templates.

        Beside the lane: it may take seconds. Raises NotFound, DeviceError.
        """
        from inspect_station.label import render

        voice = self.voice(self.config.station.locale)
        fields = {
            "printer": name,
            "station": self.config.station.name,
            "date": voice.long_day(self.today()),
            "barcode": "TEST",
        }

        def draw(press: Press) -> bytes:
            format_, dpi = press.printer.format, press.dpi
            return render(self._templates["test"], fields, locale=voice.locale, format=format_, dpi=dpi)

        found = self.outbox.test(name, draw)
        settings = next(each for each in self.config.printers if each.name == name)
        said = msg("test label sent: the frame must be whole and the barcode must scan")
        return replace(self.roll(), said=said, problems=tuple(self._misfits(settings, found)))

    def _misfits(self, settings: LabelPrinter, found: str) -> Iterator[Message]:
        """What does not go together: the roll that the printer finds, its profile, and what it is to print."""
        sizes = sizes_of(found)
        if not sizes:
            yield msg(
                "{printer} cannot say which roll is in it: are its labels {media} mm, as station.toml says?",
                printer=settings.name,
                media=settings.media,
            )
        elif settings.media not in sizes:
            yield msg(
                "{printer} says that {found} mm labels are in it; its profile in station.toml says {media}",
                printer=settings.name,
                found=", ".join(sizes),
                media=settings.media,
            )
        others: dict[str, list[str]] = {}
        for name, template in self._templates.items():
            size_ = f"{template.size[0]:g}x{template.size[1]:g}"
            if self.config.printer_of(name) == settings and settings.media != size_:
                others.setdefault(size_, []).append(name)
        for size_, names in others.items():
            yield msg(
                "{printer} has {media} mm labels, but these are made for {size}: {kinds}",
                printer=settings.name,
                media=settings.media,
                size=size_,
                kinds=", ".join(names),
            )

    def draw_label(self, lpn: str, kind: str, format: Format) -> bytes:
        """The unit's label as a file, in the dots of the printer that takes its kind. Raises NotFound, NotAllowed."""
        from inspect_station.label import render

        spec = self.label(lpn, kind)
        printer = self.config.printer_of(spec.kind)
        template, locale = self._templates[spec.kind], self.config.station.locale
        return render(template, spec.fields, locale=locale, format=format, dpi=printer.dpi if printer else 203)

    def enrol(self, code: str) -> Message:
        """Enrol at the configured hub by a one-time code. Raises UpstreamError."""
        said = enrol(self.store, self.config.upstream, code)
        self.outbox.join()
        return said

    def sync(self) -> Synced:
        """Send and fetch now."""
        sync = self.outbox.sync
        pushed = sync.push_once()
        # What the hub asked for when it was sent something is not undone by asking it something else.
        pulled = sync.pull_once() if pushed.problem is None else Pulled(0, pushed.problem)
        problem = pulled.problem or sync.apart
        if problem is None:
            sync.ask_settled()
        # Where the hub was found to be another one meanwhile, what it lacks waits again.
        last = sync.push_once() if problem is None else replace(pushed, sent=0)
        problem = problem or last.problem
        while problem is None and self.outbox.photos.turn():
            pass
        return Synced(pushed.sent + last.sent, last.waiting, last.parked, pulled.fetched, problem, sync.wait_s)

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def sign_out(self) -> tuple[Waiting, ...]:
        """Nobody works any more; what is handed over to the next shift."""
        self.operator = None
        return self.desk().waiting

    def search(self, text: str) -> tuple[LineSeen | Inspection, ...]:
        """`/`: RMAs, orders, tracking, serials, plates and titles that contain the text."""
        with self.store.read() as reader:
            hits: list[LineSeen | Inspection] = []
            for hit in reader.search(barcode.clean(text).strip()):
                if isinstance(hit, Inspection):
                    hits.append(hit)
                else:
                    hits += self._lines_of(reader, hit)
            return tuple(hits)

    def desk(self, card: Inspection | None = None) -> Desk:
        """Everything the desk shows; ``card`` = the unit that stands in view on it."""
        now = self.clock()
        with self.store.read() as reader:
            day = self.report_day(reader.now())
            self.rulebook.refresh(reader)
            self._learn_patterns(reader)
            tally = reader.tally(self._day_begins(day), self._day_begins(day + timedelta(days=1)))
            counts = reader.waiting()
            parcel = reader.open_parcel()
            arrived = self._arrived(reader, parcel) if parcel else None
            doubtful = tuple(_doubtful(job) for job in reader.labels("parked"))
            doubtful += tuple(_to_scan(job) for job in reader.to_scan_back())
            doubtful += tuple(self._not_taken(reader))
            drafts = reader.drafts()
            claims = tuple(_claimed(unit) for unit in reader.claims())
            last = reader.last_units(8)
            seen = (*last, *((card,) if card else ())) if self.config.upstream.enabled else ()
            late = (each.clock for each in self._to_grade(reader, drafts) if each.clock and each.clock.breached(now))
            return Desk(
                units=tally.units,
                by_disposition=tally.by_disposition,
                defective=tally.defective,
                average_s=tally.average_s,
                last=last,
                waiting=(*self._outgrown(), *doubtful, *(_waiting(draft) for draft in drafts), *claims),
                overdue=sum(clock.units for clock in late),
                cases_overdue=reader.count_open_cases(due_before=now),
                events_waiting=counts.events,
                events_refused=counts.events_refused,
                labels_waiting=counts.labels,
                labels_parked=counts.labels_parked,
                photos_owed=counts.photos_owed,
                photos_parked=counts.photos_parked,
                at_hub={
                    **{id: state for id, (state, _) in reader.at_hub(unit.id for unit in seen).items()},
                    # The first of two docks has its receipt; that the other one contradicts it was heard since.
                    **dict.fromkeys(reader.disputed(unit.id for unit in seen), "parked"),
                    **{unit.id: "superseded" for unit in seen if reader.standing_of(unit.id) is Standing.SUPERSEDED},
                },
                parcel=arrived,
            )

    def _not_taken(self, reader: Reader) -> Iterator[Waiting]:
        """What the hub did not take: of which unit, why, and what to do."""
        if (at := reader.meta("copied_at")) and self.clock() - datetime.fromisoformat(at) < MARKED:
            yield Waiting("", "▲", why("seq_reuse"))
        reviews = reader.reviews()
        disputed = {unit.event for review in reviews for unit in review.units}
        lines = {(review.seller, review.rma, review.line) for review in reviews}
        for review in reviews:
            yield self._disputed(reader, review)
        for event in reader.parked_events():
            body = json.loads(event.line)["body"]
            decided = event.code == "stale_decision" and (body["seller"], body["rma"], _no(body["line"])) in lines
            if decided or event.id in disputed:
                continue  # it is said above, with what the other dock says
            yield Waiting(body.get("lpn") or body.get("number", ""), "▲", why(event.code))
        for photo in reader.photos_parked():
            yield Waiting(reader.lpn_of(photo.inspection), "▲", why(photo.code))

    def _outgrown(self) -> Iterator[Waiting]:
        """Playbooks that do not count any more: the sellers' units are held until a supervisor has mended them."""
        for trouble in self.rulebook.trouble.values():
            yield Waiting(lpn="", sign="▲", text=trouble)

    def pending(self) -> Pending:
        """F4: all that waits. What is in doubt comes first, then what is due, the longest breached first; units that
        bear a signal are listed for supervisors alone."""
        now = self.clock()
        with self.store.read() as reader:
            doubtful = [_doubtful(job) for job in reader.labels("parked")]
            doubtful += [_to_scan(job) for job in reader.to_scan_back()]
            doubtful += self._not_taken(reader)
            drafts = reader.drafts()
            begun = {draft.lpn for draft in drafts}
            asked = reader.open_cases()
            cases = [self._asked(reader, unit) for unit in asked if unit.lpn not in begun]
            known = {unit.lpn for unit in asked}
            claims = [_claimed(unit) for unit in reader.claims() if unit.lpn not in known]
            waits = [*self._to_grade(reader, drafts), *cases, *claims]
            timed = sorted((each.clock.due_at, n) for n, each in enumerate(waits) if each.clock)
            others = [each for each in waits if each.clock is None]
            marked: tuple[Inspection, ...] = ()
            marked_left = 0
            if self.operator is not None and self.operator.role is Role.SUPERVISOR:
                marked = reader.with_signals(now - MARKED)
                marked_left = reader.count_with_signals(now - MARKED) - len(marked)
            batches = (self._collecting(reader, each) for each in reader.waiting_batches())
            return Pending(
                waiting=(*self._outgrown(), *doubtful, *(waits[n] for _, n in timed), *others, *batches),
                marked=marked,
                cases_left=reader.count_open_cases() - len(asked),
                marked_left=marked_left,
            )

    def _to_grade(self, reader: Reader, drafts: Iterable[Inspection]) -> Iterator[Waiting]:
        """Units that were begun, and those of open parcels that nobody has had on the bench yet."""
        names = {each.code: each.name for each in self.config.operators}
        parcels: dict[str, Parcel | None] = {"": None}
        for draft in drafts:
            if draft.parcel not in parcels:
                parcels[draft.parcel] = reader.parcel(draft.parcel)
            clock = of_draft(self.rules, draft, parcels[draft.parcel])
            yield replace(_waiting(draft), clock=clock, owner=names.get(draft.operator, draft.operator))
        for parcel, expected in reader.awaited():
            clock = of_parcel(self.rules, parcel, expected)
            text = msgn(
                "parcel {rma}: {n} unit to come",
                "parcel {rma}: {n} units to come",
                n=expected,
                rma=parcel.rmas[-1][1],
            )
            yield Waiting("", "▶", text, parcel=parcel.id, clock=clock, owner=self.config.station.name)

    def _collecting(self, reader: Reader, batch: Batch) -> Waiting:
        """A batch that is filled, or of which nobody knows yet what became of it."""
        seller = self.seller(reader, batch.seller).name or batch.seller
        text = msgn(
            "batch of {seller}, {way:word}: {n} unit",
            "batch of {seller}, {way:word}: {n} units",
            n=len(batch.units),
            seller=seller,
            way=WAYS[batch.route].text,
        )
        if batch.closed_at is not None:
            text = msg("batch of {seller}, closed: what became of it?", seller=seller)
        return Waiting(batch.number, "▢" if batch.closed_at is None else "▣", text, batch=batch.number)

    def _asked(self, reader: Reader, unit: Inspection) -> Waiting:
        """A unit about which the seller is asked."""
        title = unit.product.title if unit.product else unit.scanned
        asked = unit.case.question if unit.case else ""
        text = msg("{title}: {what:word}", title=title, what=QUESTIONS[asked].text if asked in QUESTIONS else asked)
        owner = self.seller(reader, unit.seller).name or self.config.station.name
        return Waiting(unit.lpn, "?", text, clock=of_case(unit), owner=owner)

    def show(self, lpn: str) -> Inspection:
        """The newest revision of a unit, or its draft where it is not finished; NotFound where there is none."""
        with self.store.read() as reader:
            unit = reader.draft(lpn.upper()) or reader.inspection(lpn.upper())
        if unit is None:
            raise NotFound(msg("no unit {lpn} in this store", lpn=lpn), msg("check the label, or search by RMA"))
        return unit

    def parcel_with(self, unit: Inspection) -> Parcel | None:
        """The parcel that a unit came in, where it is known."""
        with self.store.read() as reader:
            return reader.parcel(unit.parcel)

    def parcel_of(self, reader: Reader, seller: str, number: str) -> Parcel | None:
        """The newest parcel in which this RMA arrived."""
        return reader.parcel_of(seller, number)

    def show_rma(self, number: str, on: date | None = None) -> tuple[LineSeen, ...]:
        """The lines of an RMA with the verdict of that day, where it has not been received yet."""
        with self.store.read() as reader:
            rmas = reader.rmas(number)
            if not rmas:
                raise NotFound(msg("no RMA {number} in this store", number=number), msg("import it, or run `sync`"))
            lines: list[LineSeen] = []
            for rma in rmas:
                parcel = self.parcel_of(reader, rma.seller, rma.number)
                if parcel is None and on is not None:
                    parcel = Parcel(id="", station="", received_at=self.clock(), received_on=on)
                lines += self._lines_of(reader, rma, parcel)
            return tuple(lines)

    def label(self, lpn: str, kind: str = "") -> LabelSpec:
        """The unit's own label, or a slip that it may need besides.

        Another kind needs a supervisor, and none says sale where a unit must not be sold. Raises NotFound, NotAllowed.
        """
        unit = self.show(lpn)
        own = stickers.kind_of(unit)
        if unit.voided_at is not None:
            raise NotAllowed(
                msg("{lpn} is void: it has no label", lpn=lpn), msg("finish it again; then it gets a new one")
            )
        with self.store.read() as reader:
            superseded = self._superseded(reader, unit)
        if superseded is not None:
            raise NotAllowed(superseded.title, superseded.hint)
        of_units = [each for each in self._templates if each not in stickers.NO_UNITS]
        if kind and kind not in of_units:
            raise NotFound(msg("no label template {kind}", kind=kind), msg("known: {kinds}", kinds=", ".join(of_units)))
        hint = msg("leave --kind out to get its own label")
        if reason := stickers.refused(unit, kind):
            raise NotAllowed(reason, hint)
        if kind and kind != own and kind not in stickers.SLIPS and not _supervises(self.operator):
            raise NotAllowed(
                msg("{lpn} has the label “{own}”: another kind needs a supervisor", lpn=lpn, own=own), hint
            )
        with self.store.read() as reader:
            copy = max(1, reader.copies(unit.lpn, own, queued=True))
            number = max((job.print_no for job in reader.labels_of(unit.lpn) if not job.slip), default=1)
            spec = self._label(reader, unit, number, copy=copy)
        return spec if kind in ("", own) else _as_slip(spec, kind)

    # ── Lists in, reports out ────────────────────────────────────────────────────────────────────────────────────────

    def import_products(self, data: bytes) -> imports.Taken[Product]:
        """Take a product list in; unknown sellers get the default settings. Raises imports.Unreadable."""
        taken = imports.products(data, [checklist.device_class for checklist in self.rules.checklists])
        for page in _pages(taken.records):
            with self.store.write() as writer:
                self._know_sellers(writer, {product.seller for product in page})
                for product in page:
                    writer.put_product(product)
        return taken

    def import_rmas(self, data: bytes) -> imports.Taken[Rma]:
        """Take an RMA list in; its dates become civil dates of the site. Raises imports.Unreadable."""
        taken = imports.rmas(data, self.rules.policy, self.config.station.zone)
        for page in _pages(taken.records):
            with self.store.write() as writer:
                self._know_sellers(writer, {rma.seller for rma in page})
                for rma in page:
                    writer.put_rma(rma)
        return taken

    def _know_sellers(self, writer: Writer, codes: Iterable[str]) -> None:
        for code in codes:
            if writer.seller(code) is None:
                writer.put_seller(self.seller(writer, code))

    def daily(self, first: date, last: date, seller: str = "") -> Daily:
        """The grading of these days; a day starts at the configured hour in the site's zone."""
        return self._daily(self.config.station.name, first, last, seller)

    def _daily(self, name: str, first: date, last: date, seller: str, tenant: str = "") -> Daily:
        start, end = self._day_begins(first), self._day_begins(last + timedelta(days=1))
        with self.store.read() as reader:
            return daily(name, first, last, reader.finished_between(start, end, seller, tenant))

    def station_of(self, unit: Inspection) -> str:
        """Where a unit was inspected."""
        return unit.station

    def labels_of(self, lpn: str) -> list[dict[str, object]]:
        """Every print of a unit's labels, for `show`; ``void``: it is destroyed where it turns up."""
        with self.store.read() as reader:
            return [
                {
                    "kind": job.kind,
                    "print_no": job.print_no,
                    "state": job.state,
                    "confirmed": job.confirmed,
                    "void": job.void or job.state == "cancelled",
                    "barcode": job.lpn if job.slip else job.code,
                    "copy": job.copy_no,
                    "by": job.operator,
                    "why": job.why,
                }
                for job in reader.labels_of(lpn)
            ]

    def photos_let_go(self, inspection: str) -> dict[str, str]:
        """Photos of a unit, by SHA-256, whose files are rightly not here: ``photo_at_hub``, deleted because the hub
        keeps them (`keep_photos_days`); ``photo_erased``, nobody is to have them."""
        gone = {"deleted": "photo_at_hub", "erased": "photo_erased"}
        with self.store.read() as reader:
            return {each.sha256: gone[each.state] for each in reader.photos(inspection) if each.state in gone}

    def hub_state(self, inspection: str) -> tuple[UnitAtHub, Message | None]:
        """Whether the hub has said that it has a unit's newest record; of one that is parked, why, and of one that was,
        what became of it."""
        with self.store.read() as reader:
            state, code = reader.at_hub([inspection])[inspection]
        return state, why(code) if state == "parked" or code in SETTLED.values() else None


MARKED = timedelta(days=7)
"""So long a supervisor finds among what waits the units that bear a signal, and that the store was copied."""

QUESTIONS = {
    "eligibility": msg("conditions"),
    "price": msg("price"),
    "gate": msg("gate"),
    "wrong_item": msg("wrong item"),
    "empty_box": msg("empty box"),
    "heavy_damage": msg("damage"),
    "claim": msg("not announced"),
}
"""What a seller is asked about."""

LOOK_S = 30
"""Seconds that the camera looks for a code, unless somebody stops it."""

PAGE = 200
"""Rows written in one go: the running station is never kept waiting longer (design.md §3)."""

T = TypeVar("T")


def _pages(records: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(records), PAGE):
        yield records[start : start + PAGE]


def _supervises(operator: Operator | None) -> bool:
    return operator is not None and operator.role is Role.SUPERVISOR


def _waiting(draft: Inspection) -> Waiting:
    title = draft.product.title if draft.product else draft.scanned
    page = PAGES[draft.page.partition(".")[0]]
    text = msg("{title}, {page:word}", title=title, page=page.text)
    return Waiting(lpn=draft.lpn, sign="▶", text=text, draft=draft.id)


def _claimed(unit: Inspection) -> Waiting:
    """An unannounced unit that waits for its RMA; its label opens it."""
    text = msg("{code}: not announced, waits for its RMA", code=unit.product.title if unit.product else unit.scanned)
    return Waiting(lpn=unit.lpn, sign="?", text=text)


def _doubtful(job: LabelJob) -> Waiting:
    text = job.reason or msg("did its label come out?")
    return Waiting(lpn=job.lpn, sign="▲", text=text, label=job.id)


def _to_scan(job: LabelJob) -> Waiting:
    """A box that is done when its new label has been scanned on it."""
    return Waiting(lpn=job.lpn, sign="▲", text=msg("scan its new label, /{n}, on the box", n=job.print_no))


NOTHING_TO_PRINT = msg("nothing to print: no finished unit")


def _as_slip(spec: LabelSpec, kind: str) -> LabelSpec:
    """A unit's label as one of another kind. Its bars bear the plate alone: it is no print of the unit's own label."""
    return replace(spec, kind=kind, fields={**spec.fields, "barcode": spec.lpn})


def _no(line: Any) -> Any:
    """The number of a line, as units and decisions name theirs."""
    return line["no"] if isinstance(line, dict) else line


def _queued(spec: LabelSpec) -> Message:
    if spec.copy_no == 1:
        return msg("label of {lpn} queued", lpn=spec.lpn)
    return msg("label of {lpn} queued, copy {n}", lpn=spec.lpn, n=spec.copy_no)


def open_station(
    config: Config, *, clock: Clock | None = None, running: bool = False, training: bool = False
) -> Station:
    """Build the station from its parts; the one place where real devices are chosen.

    ``running`` takes the lock of the running station (screens and outbox); other verbs share the store.
    Raises StoreLocked, StoreError.
    """
    clock = clock or (lambda: datetime.now(UTC))
    store = Store.open(
        config.station.data,
        clock=clock,
        station=config.station.name,
        zone=config.station.zone,
        running=running,
        ballast_mb=config.limits.ballast_mb,
    )
    device = None
    if running and config.camera.kind != "none":
        from inspect_station.camera import camera

        device = camera(config.camera)
    listening = None
    if running and config.scanner.kind != "keyboard":
        from inspect_station.scanners import scanner

        listening = scanner(config.scanner)
    return Station(config, store, clock=clock, camera=device, scanner=listening, training=training)
