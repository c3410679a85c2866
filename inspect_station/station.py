"""The verbs of the bench: step, photograph, finish, set aside, undo, reopen, match, reroute; lists in, reports out.

A verb takes and returns frozen values; what an operator meets in a day is a value with a sentence (`Said`,
`Proposed`…), not an exception. `open_station` is the one place where real parts are chosen.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from threading import Event, Timer
from typing import TYPE_CHECKING, Self, TypeVar

from inspect_station import imports, stickers
from inspect_station.config import Config
from inspect_station.core import barcode, decide
from inspect_station.core import inspection as life
from inspect_station.core.bench import Bench, judge
from inspect_station.core.clocks import clock_marks
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
)
from inspect_station.core.signals import signals, withdrawn
from inspect_station.core.wire import SETTLED
from inspect_station.dock import Clock, supervises
from inspect_station.errors import DeviceError, NotAllowed, NotFound
from inspect_station.message import Message, msg, msgn
from inspect_station.outbox import Outbox
from inspect_station.outbox.prints import Press
from inspect_station.outbox.sync import Pulled, connect, enrol, why
from inspect_station.outcomes import (
    Arrived,
    Finished,
    Known,
    LineSeen,
    Opened,
    Photographed,
    Said,
    Several,
    SupervisorNeeded,
    Synced,
    Waiting,
)
from inspect_station.overview import Overview
from inspect_station.reception import EXTRA_UNIT
from inspect_station.reports.daily import Daily, daily
from inspect_station.store import Blobs, EventSpec, Reader, Store, UnitAtHub, Writer, space
from inspect_station.upkeep import Upkeep

if TYPE_CHECKING:
    from inspect_station.camera import Camera
    from inspect_station.scanners import Scanner


class Station(Overview):
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
        if not own and not supervises(by):
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
        if by is None or not supervises(by):
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
        if by is None or not supervises(by):
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

    # ── Hub ──────────────────────────────────────────────────────────────────────────────────────────────────────────

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
            return daily(name, first, last, reader.graded(start, end, seller, tenant))

    def station_of(self, unit: Inspection) -> str:
        """Where a unit was inspected."""
        return unit.station

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


LOOK_S = 30
"""Seconds that the camera looks for a code, unless somebody stops it."""

PAGE = 200
"""Rows written in one go: the running station is never kept waiting longer (design.md §3)."""

T = TypeVar("T")


def _pages(records: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(records), PAGE):
        yield records[start : start + PAGE]


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
