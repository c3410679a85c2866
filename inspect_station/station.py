"""The verbs of the dock: scan, begin, step, photograph, finish, undo, reprint, set aside, reopen.

A verb takes and returns frozen values; what an operator meets in a day is a value with a sentence (`Said`,
`Proposed`…), not an exception. `open_station` is the one place where real parts are chosen.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from threading import Timer
from typing import TYPE_CHECKING, Self, TypeVar
from zoneinfo import ZoneInfo

from inspect_station import imports, stickers
from inspect_station.badges import fingerprint
from inspect_station.config import Config
from inspect_station.core import barcode, decide
from inspect_station.core import inspection as life
from inspect_station.core.barcode import Scan, ScanKind
from inspect_station.core.inspection import Bench, Step
from inspect_station.core.policy import eligibility
from inspect_station.core.records import (
    Disposition,
    Finding,
    Grade,
    Inspection,
    Kind,
    Line,
    Operator,
    Parcel,
    Photo,
    Product,
    Reason,
    Rma,
    Role,
    Seller,
)
from inspect_station.errors import DeviceError, DiskFull, NotAllowed, NotFound
from inspect_station.label import Format, Template, templates
from inspect_station.message import Message, msg, msgn
from inspect_station.outbox import Outbox, Press, connect, enrol
from inspect_station.outcomes import (
    Answerable,
    Arrived,
    Desk,
    Finished,
    Given,
    Known,
    LineSeen,
    Offer,
    Opened,
    Photographed,
    PinNeeded,
    Proposed,
    Question,
    Said,
    Seen,
    Several,
    SignedIn,
    Synced,
    Waiting,
)
from inspect_station.reports.daily import Daily, daily
from inspect_station.resources import resource
from inspect_station.store import Blobs, EventSpec, LabelJob, LabelSpec, Reader, Store, Writer, space
from inspect_station.words import Voice

if TYPE_CHECKING:
    from inspect_station.camera import Camera

Clock = Callable[[], datetime]


class Station:
    """One dock workstation. Its verbs may be called from one thread at a time (the lane)."""

    def __init__(
        self,
        config: Config,
        store: Store,
        *,
        clock: Clock,
        camera: "Camera | None",
        training: bool = False,
    ) -> None:
        self.config = config
        self.rules = config.rules
        self.store = store
        self.clock = clock
        self.training = training
        self.operator: Operator | None = None
        self._camera = camera
        self._outbox: Outbox | None = None
        self._notify: Callable[[], None] = lambda: None
        self._zone = ZoneInfo(config.station.zone)
        self._starts = time.fromisoformat(config.station.day_starts)
        self._rules_hash = config.rules.sha256
        self._patterns = barcode.Patterns(
            rma={seller.code: re.compile(seller.rma_pattern) for seller in config.sellers if seller.rma_pattern},
            badge=config.scanner.badge_prefix,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, notify: Callable[[], None]) -> None:
        """Begin to print and to send in the background; ``notify`` is called, from any thread, when that changed
        something that the desk shows."""
        self._notify = notify
        self.outbox.start()
        if self._camera is not None:
            from inspect_station.camera import warm_up

            # Behind the first paint, and before the first photo.
            timer = Timer(1.0, warm_up)
            timer.daemon = True
            timer.start()

    def close(self) -> None:
        """Stop printing and sending, let go of the store and its lock; drafts and queues stay for the next start."""
        if self._outbox is not None:
            self._outbox.stop()
        self.store.close()

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
                notify=lambda _: self._notify(),
            )
        return self._outbox

    @cached_property
    def _templates(self) -> Mapping[str, Template]:
        return templates(resource("labels"))

    def _wake(self) -> None:
        if self._outbox is not None:
            self._outbox.wake()

    # ── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def locale(self) -> str:
        """The language of the screen: the operator's, else the station's."""
        return (self.operator.locale if self.operator else "") or self.config.station.locale

    def voice(self, locale: str = "") -> Voice:
        """A voice in the given, else the screen's, language."""
        return Voice(locale or self.locale, self.rules, self.config.station.zone)

    @property
    def by(self) -> str:
        """The code of whoever works now."""
        return self.operator.code if self.operator else ""

    def sign_in(self, scan: Scan) -> PinNeeded | SignedIn | Said:
        """A badge was scanned: an operator is in at once, a supervisor after the PIN."""
        entry = self._badge(scan)
        if entry is None:
            return Said(
                msg("this badge is not known at {station}", station=self.config.station.name),
                msg("a supervisor adds it to the operators in station.toml"),
            )
        operator, pin_hash = entry
        if operator.role is Role.SUPERVISOR and pin_hash:
            return PinNeeded(operator, msg("{name}: type the PIN, then Enter", name=operator.name))
        return self._in(operator)

    def enter_pin(self, operator: Operator, pin: str) -> SignedIn | Said:
        """Check a supervisor's PIN (argon2: a try takes about 0.1 s)."""
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        hashed = next((each.pin_argon2 for each in self.config.operators if each.code == operator.code), "")
        try:
            PasswordHasher().verify(hashed, pin)
        except (VerificationError, InvalidHashError):
            return Said(msg("wrong PIN for {name}", name=operator.name), msg("scan the badge and try again"))
        return self._in(operator)

    def _in(self, operator: Operator) -> SignedIn:
        self.operator = operator
        return SignedIn(operator, msg("signed in: {name}", name=operator.name))

    def _badge(self, scan: Scan) -> tuple[Operator, str] | None:
        hashed = fingerprint(scan.text)
        for each in self.config.operators:
            if each.badge_sha256 == hashed:
                return Operator(code=each.code, name=each.name, role=each.role, locale=each.locale), each.pin_argon2
        return None

    def sign_out(self) -> tuple[Waiting, ...]:
        """Nobody works any more; what is handed over to the next shift."""
        self.operator = None
        return self.desk().waiting

    # ── Scans ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def read(self, raw: str) -> Scan:
        """What a scanned or typed text looks like; the store decides what it is."""
        return barcode.read(raw, self._patterns)

    def scan(self, raw: str, current: Inspection | None = None, on_parcel: Parcel | None = None) -> Seen:
        """Everything that a scan can mean, at the desk, on a parcel or inside a unit.

        A unit that is open takes what its page can use; a badge changes the operator everywhere.
        """
        scan = self.read(raw)
        if scan.kind is ScanKind.REJECTED and scan.problem:
            return Said(scan.problem, msg("nothing was entered: scan again, or type the code"))
        if scan.kind is ScanKind.BADGE:
            return self.sign_in(scan)
        if self.operator is None:
            return Said(msg("nobody is signed in"), msg("scan your badge first"))
        with self.store.read() as reader:
            if current is not None:
                return self._scan_in_unit(reader, scan, current)
            return self._scan_at_desk(reader, scan, on_parcel)

    def _scan_in_unit(self, reader: Reader, scan: Scan, current: Inspection) -> Seen:
        if current.product is not None and scan.gtin and scan.gtin == current.product.gtin:
            return Said(
                msg("{title} is on the bench already", title=current.product.title),
                msg("go on grading; Esc sets it aside"),
            )
        if scan.text.partition("/")[0] == current.lpn:
            return Said(msg("{lpn} is this unit's own label", lpn=current.lpn), msg("go on"))
        rmas = self._rmas(reader, scan)
        lpn = scan.text.partition("/")[0]
        plate = scan.kind is ScanKind.LPN and (reader.draft(lpn) or reader.inspection(lpn))
        if rmas or plate:
            return Proposed(
                Offer.SWITCH,
                msg("{code}: Enter sets {lpn} aside and opens it, Esc stays", code=scan.text, lpn=current.lpn),
                scan,
            )
        checklist = self.rules.checklist(current.product)
        other = scan.gtin or scan.kind in (ScanKind.LPN, ScanKind.TRACKING, ScanKind.ORDER, ScanKind.SSCC, ScanKind.RMA)
        if current.page in ("condition", "test") and checklist and checklist.serial and not other:
            return self._serial(reader, scan.serial or scan.text, current)
        return Said(
            scan.problem or msg("{code} does not belong to {lpn}", code=scan.text, lpn=current.lpn),
            msg("w = wrong item in the box; Esc sets this unit aside first"),
        )

    def _serial(self, reader: Reader, serial: str, current: Inspection) -> Given | Said:
        """A serial is inspected once; one that came back before is asked about (domain.md §5)."""
        gtin = current.product.gtin if current.product else ""
        others = [unit for unit in reader.with_serial(serial, gtin) if unit.lpn != current.lpn]
        now = [unit for unit in others if unit.finished_at is None or unit.rma == current.rma]
        if now:
            return Said(
                msg("serial {serial} is on the bench or inspected already, as {lpn}", serial=serial, lpn=now[0].lpn),
                msg("scan that label to see it; if this is another article, look at its serial again"),
            )
        return Given(life.Serial(serial, others[0].lpn if others else ""))

    def _scan_at_desk(self, reader: Reader, scan: Scan, on_parcel: Parcel | None) -> Seen:
        if scan.kind is ScanKind.LPN:
            return self._lpn(reader, scan)
        rmas = self._rmas(reader, scan)
        if rmas:
            return self._rma(reader, scan, rmas, on_parcel)
        if scan.gtin:
            return self._ean(reader, scan, on_parcel)
        if scan.problem is not None:
            return Said(scan.problem, msg("nothing was entered: scan again, or type the code"))
        draft = reader.draft_of(scan.text)
        if draft is not None:
            return self._opened(reader, draft)
        lines = self._lines_by(reader, scan)
        if len({line.rma.number for line in lines}) == 1:
            return self._rma(reader, scan, (lines[0].rma,), on_parcel)
        if lines:
            return Several(scan, lines)
        return self._unknown(reader, scan)

    def _rmas(self, reader: Reader, scan: Scan) -> tuple[Rma, ...]:
        return reader.rmas(scan.text)

    def _lines_by(self, reader: Reader, scan: Scan) -> tuple[LineSeen, ...]:
        """Lines found by order, tracking or serial; exact matches only."""
        found = [(rma, line) for rma in reader.rmas_by(scan.text) for line in rma.lines]
        return tuple(self._line(reader, rma, line) for rma, line in found)

    def _unknown(self, reader: Reader, scan: Scan) -> Proposed:
        products = reader.products(scan.gtin) if scan.gtin else ()
        if products:
            said = msg(
                "{title}: no open RMA announces it. Enter takes it in as a return without RMA",
                title=products[0].title,
            )
        else:
            said = msg("{code} is not known here. Enter takes it in unannounced", code=scan.text)
        return Proposed(Offer.UNKNOWN, said, scan, product=products[0] if products else None)

    def _lpn(self, reader: Reader, scan: Scan) -> Seen:
        lpn = scan.text.partition("/")[0].upper()
        draft = reader.draft(lpn)
        if draft is not None:
            return self._opened(reader, draft)
        unit = reader.inspection(lpn)
        if unit is None:
            return Said(
                msg("{lpn} is not a unit of this station", lpn=lpn),
                msg("scan the RMA or the product's EAN instead"),
            )
        if unit.disposition is Disposition.REFURBISH and unit.voided_at is None:
            return self._opened(reader, self._back_from_refurbishing(unit))
        where = msg(
            "{lpn}: {place:data}. F3 prints its label again, F2 reopens it with a reason",
            lpn=lpn,
            place=f"place.{unit.disposition}",
        )
        return Known(unit, where)

    def _back_from_refurbishing(self, unit: Inspection) -> Inspection:
        """It reopens at cleaning; the earlier grade is kept beside the new one."""
        earlier = (*unit.earlier_grades, unit.grade) if unit.grade else unit.earlier_grades
        rows = tuple(answer for answer in unit.answers if not answer.id.startswith("finish."))
        again = self._reopened(unit)
        return again.but(answers=rows, earlier_grades=earlier, page="finish", revision=unit.revision + 1)

    def _rma(self, reader: Reader, scan: Scan, rmas: tuple[Rma, ...], on_parcel: Parcel | None) -> Seen:
        if len(rmas) > 1:
            return Several(scan, tuple(self._line(reader, rma, line) for rma in rmas for line in rma.lines[:1]))
        rma = rmas[0]
        if rma.site and rma.site != self.config.station.site:
            forwarded = reader.units(rma.seller, rma.number)
            if forwarded:
                return Known(
                    forwarded[0],
                    msg("{rma} was forwarded already, as {lpn}", rma=rma.number, lpn=forwarded[0].lpn),
                )
            return Proposed(
                Offer.FORWARD,
                msg(
                    "{rma} belongs to site {site}: Enter prints a forwarding slip",
                    rma=rma.number,
                    site=rma.site,
                ),
                scan,
                line=self._line(reader, rma, rma.lines[0]),
            )
        if not self._expected(reader, rma):
            return self._looked_at(reader, rma)
        return self._arrive(reader, rma, on_parcel)

    def _expected(self, reader: Reader, rma: Rma) -> int:
        """Units of the RMA that nobody has had on the bench yet."""
        return sum(
            max(
                0,
                reader.open_count(rma.seller, rma.number, line.no)
                - len(reader.drafts_of_line(rma.seller, rma.number, line.no)),
            )
            for line in rma.lines
        )

    def _looked_at(self, reader: Reader, rma: Rma) -> Arrived:
        """An RMA of which nothing more is expected: it is shown, and nothing is changed."""
        parcel = reader.parcel_of(rma.seller, rma.number) or Parcel(
            id="",
            station=self.config.station.name,
            rmas=((rma.seller, rma.number),),
            received_at=self.clock(),
            received_on=self.today(),
        )
        return self._arrived(reader, parcel)

    def _ean(self, reader: Reader, scan: Scan, on_parcel: Parcel | None) -> Seen:
        """A product: on the parcel's own lines first, then on any open line, the oldest first."""
        parcel = on_parcel or reader.open_parcel()
        if parcel is not None:
            lines = self._parcel_lines(reader, parcel)
            own = [line for line in lines if line.line.gtin == scan.gtin]
            still = [line for line in own if line.open > 0]
            if still:
                return self._open_line(reader, parcel, still[0])
            if own and on_parcel is not None:
                return self._extra_unit(scan, parcel, own[0])
            if on_parcel is not None:
                return self._wrong_item(reader, scan, parcel)
            if any(line.open for line in lines):
                return self._strange(reader, scan, parcel, own)
        return self._elsewhere(reader, scan)

    def _elsewhere(self, reader: Reader, scan: Scan) -> Seen:
        """A product that no open parcel expects: any open line of any seller, else nothing announces it."""
        lines = tuple(self._line(reader, rma, line) for rma, line, _ in reader.lines_of_gtin(scan.gtin))
        if len(lines) > 1:
            return Several(scan, lines)
        if lines:
            return self._pick(reader, lines[0])
        drafts = [draft for draft in reader.drafts() if draft.scanned == scan.text]
        if drafts:
            return self._opened(reader, drafts[0])
        return self._unknown(reader, scan)

    def _strange(self, reader: Reader, scan: Scan, parcel: Parcel, own: Sequence[LineSeen]) -> Question:
        """An article that the carton on the bench does not announce: only the operator knows where it came from."""

        def elsewhere() -> Seen | Finished:
            with self.store.read() as fresh:
                seen = self._elsewhere(fresh, scan)
            # The answer was the consent: what nobody announces is taken in at once.
            return self.accept(seen) if isinstance(seen, Proposed) and seen.offer is Offer.UNKNOWN else seen

        def wrong_item() -> Seen | Finished:
            with self.store.read() as fresh:
                return self.accept(self._wrong_item(fresh, scan, parcel))

        number = parcel.rmas[0][1]
        found = reader.lines_of_gtin(scan.gtin)
        first = msg("it came alone, without RMA")
        if found:
            first = msg("another parcel: RMA {rma}. {before} is closed", rma=found[0].rma.number, before=number)
        answers = [Answerable(first, "", elsewhere)]
        if own:
            extra = self._extra_unit(scan, parcel, own[0])
            answers.append(
                Answerable(msg("one more than announced in {rma}", rma=number), "", lambda: self.accept(extra))
            )
        answers.append(Answerable(msg("wrong item in {rma}", rma=number), "", wrong_item))
        products = reader.products(scan.gtin)
        title = products[0].title if products else scan.text
        said = msg("{title} is not announced in {rma}. Where was it?", title=title, rma=number)
        return Question(said, tuple(answers))

    @staticmethod
    def _extra_unit(scan: Scan, parcel: Parcel, line: LineSeen) -> Proposed:
        return Proposed(
            Offer.EXTRA_UNIT,
            msgn(
                "the {n} announced unit is done. Enter opens an extra unit",
                "all {n} announced units are done. Enter opens an extra unit",
                n=line.line.quantity,
            ),
            scan,
            line=line,
            parcel=parcel,
        )

    def _open_line(self, reader: Reader, parcel: Parcel, line: LineSeen) -> Opened | Question:
        """The next unit of a line. Where one was set aside and others are still to come, it may be either."""
        drafts = reader.drafts_of_line(line.rma.seller, line.rma.number, line.line.no)
        if not drafts:
            return self._begin(reader, parcel, line)
        if line.open <= len(drafts) and len(drafts) == 1:
            return self._opened(reader, drafts[0])

        def resume(draft: Inspection) -> Callable[[], Seen]:
            return lambda: self.resume(draft.id)

        def another() -> Seen:
            with self.store.read() as fresh:
                return self._begin(fresh, parcel, line)

        answers = [Answerable(msg("the one with the slip {lpn}", lpn=draft.lpn), "", resume(draft)) for draft in drafts]
        if line.open > len(drafts):
            answers.append(Answerable(msg("another one"), "", another))
        said = msg("{title}: one was set aside. Which is this?", title=line.product.title)
        return Question(said, tuple(answers))

    def _wrong_item(self, reader: Reader, scan: Scan, parcel: Parcel) -> Proposed:
        products = reader.products(scan.gtin)
        expected = next((line for line in self._parcel_lines(reader, parcel) if line.open), None)
        said = msg(
            "wrong item? {seen} was scanned, {expected} is announced. Enter = wrong item",
            seen=products[0].title if products else scan.text,
            expected=expected.product.title if expected else "?",
        )
        return Proposed(
            Offer.WRONG_ITEM,
            said,
            scan,
            line=expected,
            product=products[0] if products else None,
            parcel=parcel,
        )

    # ── Parcels ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _arrive(self, reader: Reader, rma: Rma, on_parcel: Parcel | None) -> Arrived:
        """The RMA's parcel is on the bench. A second RMA shares the carton until a unit is begun; after that the
        next RMA closes it."""
        key = (rma.seller, rma.number)
        before = on_parcel or reader.open_parcel()
        if before is not None and key in before.rmas:
            return self._arrived(reader, before)
        shares = on_parcel is not None and not reader.units_in(on_parcel.id)
        now = self.clock()
        with self.store.write() as writer:
            if before is not None and not shares:
                self._close_parcel(writer, before)
            if shares and on_parcel is not None:
                parcel = on_parcel.but(rmas=(*on_parcel.rmas, key))
            else:
                parcel = Parcel(
                    id=writer.new_id(),
                    station=self.config.station.name,
                    rmas=(key,),
                    received_at=now,
                    received_on=self.today(now),
                )
            writer.save_parcel(parcel)
            body = {
                "parcel": parcel.id,
                "seller": rma.seller,
                "rma": rma.number,
                "received_at": parcel.received_at.isoformat(),
                "received_on": parcel.received_on.isoformat(),
            }
            self._event(writer, "parcel.received", body)
            said = None
            if shares:
                said = msg("{n} RMAs share this carton", n=len(parcel.rmas))
            return self._arrived(writer, parcel, said)

    def _arrived(self, reader: Reader, parcel: Parcel, said: Message | None = None) -> Arrived:
        lines = self._parcel_lines(reader, parcel)
        if said is None and lines and not any(line.open for line in lines):
            done = sum(len(line.units) for line in lines)
            if not done:
                said = msg("this RMA is closed: nothing more is expected. Scan an article for an extra unit")
                return Arrived(parcel, lines, said)
            said = msgn(
                "closed: {n} unit was inspected. Scan an article for an extra unit",
                "closed: all {n} units were inspected. Scan an article for an extra unit",
                n=done,
            )
        return Arrived(parcel, lines, said)

    def _parcel_lines(self, reader: Reader, parcel: Parcel) -> tuple[LineSeen, ...]:
        rmas = [rma for seller, number in parcel.rmas if (rma := reader.rma(seller, number)) is not None]
        return tuple(self._line(reader, rma, line, parcel) for rma in rmas for line in rma.lines)

    def _line(self, reader: Reader, rma: Rma, line: Line, parcel: Parcel | None = None) -> LineSeen:
        product = reader.product(rma.seller, line.gtin) or Product(
            seller=rma.seller, gtin=line.gtin, title=line.gtin.lstrip("0")
        )
        received = parcel.received_on if parcel else self.today()
        findings = tuple(each.code for each in parcel.findings) if parcel else ()
        verdict = eligibility(
            self.rules.policy,
            seller=self.seller(reader, rma.seller),
            rma=rma,
            line=line,
            product=product,
            received_on=received,
            findings=findings,
            defect_found=life.shows_defect(self.rules, findings),
        )
        units = tuple(unit for unit in reader.units(rma.seller, rma.number) if unit.line and unit.line.no == line.no)
        return LineSeen(rma, line, product, verdict, reader.open_count(rma.seller, rma.number, line.no), units)

    def _close_parcel(self, writer: Writer, parcel: Parcel) -> None:
        """The next RMA closes it: lines not found are marked and stay open."""
        lines = self._parcel_lines(writer, parcel)
        missing = tuple(
            (each.rma.seller, each.rma.number, each.line.no)
            for each in lines
            if each.open > len(writer.drafts_of_line(each.rma.seller, each.rma.number, each.line.no))
        )
        missing = tuple(dict.fromkeys((*parcel.missing, *missing)))
        closed = parcel.but(closed_at=self.clock(), missing=missing)
        writer.save_parcel(closed)
        body = {
            "parcel": closed.id,
            "rmas": [list(key) for key in closed.rmas],
            "missing": [list(key) for key in missing],
            "closed_at": self.clock().isoformat(),
        }
        self._event(writer, "parcel.closed", body)

    def line_missing(self, parcel: Parcel, line: LineSeen) -> Arrived:
        """`m`: this line is not in the parcel; it stays open."""
        key = (line.rma.seller, line.rma.number, line.line.no)
        marked = parcel.missing if key in parcel.missing else (*parcel.missing, key)
        with self.store.write() as writer:
            changed = parcel.but(missing=marked)
            writer.save_parcel(changed)
            return self._arrived(writer, changed, msg("{title}: marked as not in the parcel", title=line.product.title))

    def carton_found(self, parcel: Parcel, code: str) -> Arrived:
        """Something seen on the carton before it was opened; each unit in it carries it too."""
        finding = Finding(code=code, by=self.by, at=self.clock())
        with self.store.write() as writer:
            changed = parcel.but(findings=(*parcel.findings, finding))
            writer.save_parcel(changed)
            return self._arrived(writer, changed, msg("{what:data}: p takes its photo", what=f"finding.{code}"))

    def carton_photo(self, parcel: Parcel) -> Arrived | Said:
        """A picture of the carton as it arrived."""
        try:
            sha256, doubt = self._shoot("carton")
        except DeviceError as error:
            return Said(error.title, error.hint)
        photo = Photo(slot="carton", sha256=sha256, by=self.by, at=self.clock())
        with self.store.write() as writer:
            changed = parcel.but(photos=(*parcel.photos, photo))
            writer.save_parcel(changed)
            return self._arrived(writer, changed, doubt or msg("photo of the carton saved"))

    # ── Units ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def pick(self, line: LineSeen, *, unit: bool) -> Seen:
        """One of several was picked: its unit begins (scanned by EAN) or its parcel opens (by order, tracking)."""
        with self.store.read() as reader:
            if unit:
                return self._pick(reader, line)
            return self._rma(reader, self.read(line.rma.number), (line.rma,), None)

    def _pick(self, reader: Reader, line: LineSeen) -> Seen:
        if line.rma.site and line.rma.site != self.config.station.site:
            return self._rma(reader, self.read(line.rma.number), (line.rma,), None)
        if not self._expected(reader, line.rma):
            drafts = reader.drafts_of_line(line.rma.seller, line.rma.number, line.line.no)
            return self._opened(reader, drafts[0]) if drafts else self._looked_at(reader, line.rma)
        arrived = self._arrive(reader, line.rma, None)
        with self.store.read() as fresh:
            return self._open_line(fresh, arrived.parcel, line)

    def _begin(self, reader: Reader, parcel: Parcel, line: LineSeen, extra: bool = False) -> Opened:
        unit = self._new(parcel, Kind.UNIT).but(
            seller=line.rma.seller,
            rma=line.rma.number,
            channel=line.rma.channel,
            line=line.line,
            product=line.product,
            findings=parcel.findings,
            photos=parcel.photos,
        )
        if extra:
            unit = unit.but(warnings=(EXTRA_UNIT,))
        bench = self._bench(reader, unit)
        unit = unit.but(verdict=life.judge(bench, unit))
        self.keep(unit)
        return Opened(unit, bench)

    def accept(self, proposed: Proposed, current: Inspection | None = None) -> Seen | Finished:
        """Enter on a proposal."""
        match proposed.offer:
            case Offer.SWITCH:
                if current is not None:
                    self.set_aside(current)
                return self.scan(proposed.scan.text)
            case Offer.EXTRA_UNIT if proposed.line and proposed.parcel:
                with self.store.read() as reader:
                    parcel = proposed.parcel
                    if not parcel.id or parcel.closed_at is not None:
                        # It was only looked at: with one more unit in it, it has arrived.
                        parcel = self._arrive(reader, proposed.line.rma, None).parcel
                    return self._begin(reader, parcel, proposed.line, extra=True)
            case Offer.WRONG_ITEM if proposed.parcel:
                return self.begin(Kind.WRONG_ITEM, proposed.parcel, line=proposed.line, proposed=proposed)
            case Offer.FORWARD if proposed.line:
                return self._forward(proposed.line)
        return self.begin(Kind.UNKNOWN, None, proposed=proposed)

    def begin(
        self,
        kind: Kind,
        parcel: Parcel | None,
        *,
        line: LineSeen | None = None,
        proposed: Proposed | None = None,
    ) -> Opened:
        """A unit that is not the announced one: wrong item, empty box, danger, unannounced."""
        with self.store.read() as reader:
            rma = self._announcing(reader, parcel) if parcel else None
            if line is not None:
                rma = line.rma
            lone = parcel is not None and rma is not None and len(rma.lines) == 1
            expected = line.line if line else (rma.lines[0] if rma and lone else None)
            product = proposed.product if proposed else None
            if kind in (Kind.EMPTY_BOX, Kind.DANGER) and rma is not None and expected is not None:
                product = reader.product(rma.seller, expected.gtin)
            unit = self._new(parcel, kind).but(
                seller=rma.seller if rma else (product.seller if product else ""),
                rma=rma.number if rma else "",
                channel=rma.channel if rma else "",
                line=expected,
                product=product,
                scanned=proposed.scan.text if proposed else "",
                page="claim" if kind is Kind.UNKNOWN else "finish",
                findings=parcel.findings if parcel else (),
                photos=parcel.photos if parcel else (),
            )
            bench = self._bench(reader, unit)
            announced = self._line(reader, rma, expected, parcel).product if rma and expected else None
            # The verdict is about what was announced, whatever lies in the box.
            unit = unit.but(verdict=life.judge(bench, unit.but(product=announced)))
        self.keep(unit)
        return Opened(unit, bench)

    def _announcing(self, reader: Reader, parcel: Parcel) -> Rma | None:
        """The RMA that a thing of this parcel is booked on: the first of which something is still to come."""
        rmas = [rma for seller, number in parcel.rmas if (rma := reader.rma(seller, number)) is not None]
        return next((rma for rma in rmas if self._expected(reader, rma)), rmas[0] if rmas else None)

    def _forward(self, line: LineSeen) -> Finished | Opened:
        """An RMA of another site: an LPN and a slip with the address, ungraded."""
        with self.store.read() as reader:
            parcel = self._arrive(reader, line.rma, None).parcel
        unit = self._new(parcel, Kind.FORWARD).but(
            seller=line.rma.seller,
            rma=line.rma.number,
            line=line.line,
            product=line.product,
            site=line.rma.site,
            page="finish",
        )
        with self.store.read() as reader:
            bench = self._bench(reader, unit)
        return self.finish(bench, unit)

    def _new(self, parcel: Parcel | None, kind: Kind) -> Inspection:
        """A new unit with its plate. Raises DiskFull below the floor: what is open can still be finished."""
        room = space(self.config.station.data, self.config.limits)
        if not room.inspections and room.said is not None:
            raise DiskFull(room.said, msg("everything confirmed is safe; a supervisor makes room on the disk"))
        now = self.clock()
        with self.store.write() as writer:
            return Inspection(
                id=writer.new_id(),
                lpn=writer.take_lpns(1)[0],
                station=self.config.station.name,
                parcel=parcel.id if parcel else "",
                kind=kind,
                operator=self.by,
                started_at=now,
                shown_at=now,
                training=self.training,
            )

    def seller(self, reader: Reader, code: str) -> Seller:
        """The seller's settings: station.toml first, then what was imported; an unknown one gets the defaults."""
        configured = next((seller for seller in self.config.sellers if seller.code == code), None)
        return configured or reader.seller(code) or Seller(code=code, name=code)

    def _bench(self, reader: Reader, unit: Inspection) -> Bench:
        rma = reader.rma(unit.seller, unit.rma) if unit.rma else None
        parcel = reader.parcel(unit.parcel) if unit.parcel else None
        open_units = reader.open_count(unit.seller, unit.rma, unit.line.no) if rma and unit.line else 1
        sellers: tuple[Seller, ...] = ()
        if unit.kind is Kind.UNKNOWN:
            known = {each.code: each for each in (*reader.sellers(), *self.config.sellers)}
            sellers = tuple(sorted(known.values(), key=lambda each: (each.code != unit.seller, each.name)))
        return Bench(
            rules=self.rules,
            seller=self.seller(reader, unit.seller),
            received_on=parcel.received_on if parcel else self.today(unit.started_at),
            rma=rma,
            open_units=open_units,
            sellers=sellers,
        )

    def _opened(self, reader: Reader, draft: Inspection) -> Opened:
        """A draft on the bench again, at the same question; what the RMA and the catalogue say now counts."""
        resumed = draft.but(shown_at=self.clock())
        bench = self._bench(reader, resumed)
        if draft.kind is not Kind.UNIT or draft.line is None or bench.rma is None:
            return Opened(resumed, bench)
        lines = {line.no: line for line in bench.rma.lines}
        now = lines.get(draft.line.no, draft.line)
        if draft.answer("condition.postmark") is not None:
            now = now.but(postmarked_on=draft.line.postmarked_on)
        product = reader.product(draft.seller, now.gtin) or draft.product
        fresh = resumed.but(line=now, product=product)
        fresh = fresh.but(verdict=life.judge(bench, fresh))
        said = None
        if (fresh.line, fresh.product) != (draft.line, draft.product):
            said = msg("the RMA or the article was changed meanwhile: look at the verdict again")
        return Opened(fresh, bench, said)

    def resume(self, id: str) -> Seen:
        """An interrupted unit, picked from the desk."""
        with self.store.read() as reader:
            draft = next((each for each in reader.drafts() if each.id == id), None)
            if draft is None:
                return Said(msg("this unit is not waiting any more"), msg("scan its label to see where it is"))
            return self._opened(reader, draft)

    def step(self, bench: Bench, unit: Inspection, given: life.Input) -> Step:
        """A key, now, by whoever works; pure but for the clock. The caller keeps the result with `keep`."""
        return life.step(bench, unit, given, by=self.by, at=self.clock())

    def keep(self, unit: Inspection) -> None:
        """Save the draft: a crash resumes here."""
        with self.store.write() as writer:
            writer.save_draft(unit)

    def photograph(self, bench: Bench, unit: Inspection) -> Photographed:
        """Fill the next empty slot; with the camera down the photo is owed and the unit will be held."""
        decision = decide.decide(self.rules, bench.seller, unit)
        due = decide.due_slots(self.rules, unit, decision)
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
            if self._too_many(writer, unit):
                return self._one_too_many(writer, bench, unit)
            done = decide.finished(
                self.rules,
                bench.seller,
                self._at_todays_price(writer, unit),
                by=self.by,
                at=now,
                rules_hash=self._rules_hash,
            )
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

    def _too_many(self, reader: Reader, unit: Inspection) -> bool:
        """Whether the line has fewer units open than are to be committed, and nobody has said so yet."""
        if unit.kind is not Kind.UNIT or unit.line is None or not unit.rma or unit.warnings:
            return False
        standing = reader.inspection(unit.lpn)
        if standing is not None and standing.voided_at is None:
            return False  # refurbished and back: it has its place on the line already
        return reader.open_count(unit.seller, unit.rma, unit.line.no) < unit.count

    def _one_too_many(self, writer: Writer, bench: Bench, unit: Inspection) -> Opened:
        extra = unit.but(warnings=(EXTRA_UNIT,), count=1, page="finish")
        extra = extra.but(verdict=life.judge(bench, extra))
        writer.save_draft(extra)
        return Opened(extra, bench, msg("not saved: the line was filled meanwhile, this is a unit too many"))

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
        return tuple(done.but(id=writer.new_id(), lpn=lpn) for lpn in (writer.take_lpns(more) if more > 0 else ()))

    def _commit(self, writer: Writer, unit: Inspection) -> None:
        kind = "inspection.finished" if unit.revision == 1 else "inspection.amended"
        body = unit.model_dump(mode="json")
        if unit.kind is Kind.UNKNOWN:
            kind = "claim.opened"
        if unit.revision > 1:
            body["base_event_id"] = writer.event_of(unit.id)
        event = EventSpec(type=kind, body=body, operator=self.by, at=unit.finished_at or self.clock())
        writer.finish(unit, event, self._label(writer, unit, writer.next_print_no(unit.lpn)))

    def _label(self, reader: Reader, unit: Inspection, print_no: int, *, again: bool = False) -> LabelSpec:
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
                copy=reader.copies(unit.lpn, stickers.kind_of(unit)) + (not again),
                on=self.today(),
            ),
        )

    def set_aside(self, unit: Inspection) -> Message:
        """Esc: the unit waits with everything answered so far; a hold slip names it. Nothing is lost."""
        with self.store.write() as writer:
            writer.save_draft(unit, aside=True)
            waiting = unit.but(disposition=Disposition.HOLD)
            writer.queue_label(self._label(writer, waiting, writer.next_print_no(unit.lpn)))
        self._wake()
        return msg("{lpn} set aside: scan its slip, its RMA or its EAN to go on", lpn=unit.lpn)

    # ── Corrections ──────────────────────────────────────────────────────────────────────────────────────────────────

    def undo(self) -> Opened | Said:
        """F2: the last finished unit comes back with the same plate and answers; its record is voided, not erased."""
        with self.store.read() as reader:
            last = reader.last_finished()
        if last is None:
            return Said(msg("nothing to undo: no unit was finished here yet"), msg("scan the next parcel"))
        return self._may_not_reopen(last) or self._void(last, "undo")

    def _may_not_reopen(self, unit: Inspection) -> Said | None:
        """Own units of this shift by whoever finished them; all others by a supervisor (domain.md §4)."""
        supervisor = self.operator is not None and self.operator.role is Role.SUPERVISOR
        finished = unit.finished_at
        if supervisor or (
            finished is not None and unit.finished_by == self.by and finished >= self.day_start(self.clock())
        ):
            return None
        return Said(
            msg("{lpn} was finished by somebody else or on another day", lpn=unit.lpn),
            msg("a supervisor reopens it: scan a supervisor's badge, then the label"),
        )

    def reopen(self, lpn: str, reason: str) -> Opened | Said:
        """Own units of this shift by anyone who finished them; all others by a supervisor."""
        with self.store.read() as reader:
            unit = reader.inspection(lpn)
        if unit is None or unit.voided_at is not None or unit.finished_at is None:
            return Said(msg("{lpn} cannot be reopened: it is not finished", lpn=lpn), msg("scan its label to see it"))
        refused = self._may_not_reopen(unit)
        if refused is not None:
            return refused
        if not reason.strip():
            return Said(msg("reopening needs a reason"), msg("type why, then Enter"))
        return self._void(unit, reason.strip())

    def _void(self, unit: Inspection, reason: str) -> Opened:
        draft = self._reopened(unit)
        voided = unit.but(revision=unit.revision + 1, voided_at=self.clock(), void_reason=reason)
        with self.store.write() as writer:
            body = {
                "inspection": unit.id,
                "lpn": unit.lpn,
                "revision": voided.revision,
                "base_event_id": writer.event_of(unit.id),
                "reason": reason,
            }
            event = EventSpec(type="inspection.voided", body=body, operator=self.by, at=self.clock())
            printed = writer.void(voided, event)
            writer.save_draft(draft)
        said = msg("{lpn} is open again; its queued label is cancelled", lpn=unit.lpn)
        if printed:
            said = msg("{lpn} is open again: destroy its printed label, it is void", lpn=unit.lpn)
        self._wake()
        with self.store.read() as reader:
            return replace(self._opened(reader, draft), said=said)

    def _reopened(self, unit: Inspection) -> Inspection:
        """The draft a finished unit becomes: same plate, same answers, the decision open again."""
        page = unit.trail[-1] if unit.trail and unit.grade is Grade.NEW else "finish"
        if unit.kind is Kind.UNKNOWN:
            page = "claim"
        if unit.kind is Kind.DANGER:
            page = "condition" if unit.line else "finish"
        trail = unit.trail[:-1] if page != "finish" and unit.trail else unit.trail
        return unit.but(
            revision=unit.revision + 2,
            kind=Kind.UNIT if unit.kind is Kind.DANGER and unit.line else unit.kind,
            page=page,
            trail=trail,
            chosen=None if page == "condition" else unit.chosen,
            count=1,
            findings=tuple(finding for finding in unit.findings if finding.code != "hazard"),
            held="",
            grade=None,
            disposition=None,
            price=None,
            list_price=None,
            discount=None,
            reasons=(),
            gates=(),
            case=None,
            dock=(),
            wipe=None,
            finished_at=None,
            voided_at=None,
            operator=self.by,
        )

    def reprint(self, lpn: str = "") -> Message:
        """F3: the label of this, or the last finished, unit once more, marked as a copy."""
        with self.store.write() as writer:
            unit = writer.inspection(lpn) if lpn else writer.last_finished()
            if unit is None or unit.voided_at is not None:
                return msg("nothing to print: no finished unit")
            number = writer.next_print_no(unit.lpn)
            writer.queue_label(self._label(writer, unit, number))
        self._wake()
        return msg("label of {lpn} queued, copy {n}", lpn=unit.lpn, n=number)

    def settle_label(self, id: int, *, came_out: bool) -> Message:
        """Whether a doubtful label came out. Where it did not, a new copy is printed: if the old one turns up after
        all, its number tells that it is void."""
        with self.store.write() as writer:
            job = writer.label(id)
            if job is None or not writer.move_label(id, "printed" if came_out else "cancelled"):
                return msg("this label is settled already")
            unit = writer.inspection(job.lpn)
            if came_out:
                return msg("label of {lpn}: printed", lpn=job.lpn)
            number = writer.next_print_no(job.lpn)
            fields = {**job.fields, "barcode": f"{job.lpn}/{number}"}
            spec = LabelSpec(job.lpn, job.inspection, job.kind, number, fields)
            if unit is not None and unit.id == job.inspection and unit.voided_at is None:
                spec = self._label(writer, unit, number)
            writer.queue_label(spec)
        self._wake()
        return msg("label of {lpn} queued, copy {n}", lpn=job.lpn, n=number)

    # ── Printer and hub ──────────────────────────────────────────────────────────────────────────────────────────────

    def hold_printing(self) -> Message:
        """The roll is changed: nothing is printed until `resume_printing`; labels wait in their order."""
        self.outbox.hold()
        return msg("printing held: change the roll, then print a test label")

    def resume_printing(self) -> Message:
        """Go on printing, and say so where the roll is not the one that the labels are made for."""
        self.outbox.resume()
        for settings in self.config.printers:
            for name, template in self._templates.items():
                size = f"{template.size[0]:g}x{template.size[1]:g}"
                if (not settings.labels or name in settings.labels) and settings.media != size:
                    return msg(
                        "printing goes on, but {printer} has {media} mm labels and “{kind}” is made for {size}",
                        printer=settings.name,
                        media=settings.media,
                        kind=name,
                        size=size,
                    )
        return msg("printing goes on")

    def test_label(self) -> Message:
        """Print a test label, also while the queue is held: it is how a new roll is tried."""
        from inspect_station.label import render
        from inspect_station.printing import printer

        voice = self.voice(self.config.station.locale)
        for settings in self.config.printers:
            fields = {
                "printer": settings.name,
                "station": self.config.station.name,
                "date": voice.long_day(self.today()),
                "barcode": "TEST",
            }
            data = render(
                self._templates["test"], fields, locale=voice.locale, format=settings.format, dpi=settings.dpi
            )
            printer(settings).send(data, job=f"test-{settings.name}")
        return msg("test label sent: the frame must be whole and the barcode must scan")

    def draw_label(self, lpn: str, kind: str, format: Format) -> bytes:
        """The unit's label as a file. Raises NotFound, NotAllowed."""
        from inspect_station.label import render

        spec = self.label(lpn, kind)
        return render(self._templates[spec.kind], spec.fields, locale=self.config.station.locale, format=format)

    def enrol(self, code: str) -> Message:
        """Enrol at the configured hub by a one-time code. Raises UpstreamError."""
        said = enrol(self.store, self.config.upstream, code)
        self.outbox.upstream = connect(self.store, self.config.upstream)
        return said

    def sync(self) -> Synced:
        """Send and fetch now."""
        pushed = self.outbox.push_once()
        pulled = self.outbox.pull_once()
        return Synced(pushed.sent, pushed.waiting, pushed.parked, pulled.fetched, pushed.problem or pulled.problem)

    # ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def search(self, text: str) -> tuple[LineSeen | Inspection, ...]:
        """`/`: RMAs, orders, tracking, serials, plates and titles that contain the text."""
        with self.store.read() as reader:
            hits: list[LineSeen | Inspection] = []
            for hit in reader.search(barcode.clean(text).strip()):
                if isinstance(hit, Inspection):
                    hits.append(hit)
                else:
                    hits += [self._line(reader, hit, line) for line in hit.lines]
            return tuple(hits)

    def desk(self) -> Desk:
        """Everything the desk shows."""
        now = self.clock()
        start = self.day_start(now)
        with self.store.read() as reader:
            tally = reader.tally(start, start + timedelta(days=1))
            counts = reader.waiting()
            parcel = reader.open_parcel()
            arrived = self._arrived(reader, parcel) if parcel else None
            doubtful = tuple(_doubtful(job) for job in reader.labels("parked"))
            drafts = tuple(_waiting(draft) for draft in reader.drafts())
            return Desk(
                units=tally.units,
                by_disposition=tally.by_disposition,
                defective=tally.defective,
                average_s=tally.average_s,
                last=reader.last_units(8),
                waiting=(*doubtful, *drafts),
                overdue=reader.overdue(now - timedelta(hours=self.rules.grade_hours)),
                events_waiting=counts.events,
                events_parked=counts.events_parked,
                labels_waiting=counts.labels,
                labels_parked=counts.labels_parked,
                photos_owed=counts.photos_owed,
                parcel=arrived,
            )

    def show(self, lpn: str) -> Inspection:
        """The newest revision of a unit, or its draft where it is not finished; NotFound where there is none."""
        with self.store.read() as reader:
            unit = reader.draft(lpn.upper()) or reader.inspection(lpn.upper())
        if unit is None:
            raise NotFound(msg("no unit {lpn} in this store", lpn=lpn), msg("check the label, or search by RMA"))
        return unit

    def show_rma(self, number: str, on: date | None = None) -> tuple[LineSeen, ...]:
        """The lines of an RMA with the verdict of that day, where it has not been received yet."""
        with self.store.read() as reader:
            rmas = reader.rmas(number)
            if not rmas:
                raise NotFound(msg("no RMA {number} in this store", number=number), msg("import it, or run `sync`"))
            lines: list[LineSeen] = []
            for rma in rmas:
                parcel = reader.parcel_of(rma.seller, rma.number)
                if parcel is None and on is not None:
                    parcel = Parcel(id="", station="", received_at=self.clock(), received_on=on)
                lines += [self._line(reader, rma, line, parcel) for line in rma.lines]
            return tuple(lines)

    def label(self, lpn: str, kind: str = "") -> LabelSpec:
        """The unit's own label; another kind needs a supervisor, and none says sale where a unit must not be sold."""
        unit = self.show(lpn)
        own = stickers.kind_of(unit)
        if unit.voided_at is not None:
            raise NotAllowed(
                msg("{lpn} is void: it has no label", lpn=lpn), msg("finish it again; then it gets a new one")
            )
        if kind and kind not in self._templates:
            raise NotFound(
                msg("no label template {kind}", kind=kind), msg("known: {kinds}", kinds=", ".join(self._templates))
            )
        supervisor = self.operator is not None and self.operator.role is Role.SUPERVISOR
        if kind and kind != own and kind not in ("restock", "clearance") and not supervisor:
            raise NotAllowed(
                msg("{lpn} has the label “{own}”: another kind needs a supervisor", lpn=lpn, own=own),
                msg("leave --kind out to get its own label"),
            )
        if kind and kind != own and kind in ("restock", "clearance"):
            raise NotAllowed(
                msg(
                    "{lpn} goes to {place:data}: no {kind} label",
                    lpn=lpn,
                    place=f"place.{unit.disposition}",
                    kind=kind,
                ),
                msg("its own label is “{own}”; a gate or the seller's answer comes first", own=own),
            )
        with self.store.read() as reader:
            spec = self._label(reader, unit, max(1, reader.next_print_no(unit.lpn) - 1), again=True)
        return replace(spec, kind=kind or own)

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
        """Take an RMA list in. Raises imports.Unreadable."""
        taken = imports.rmas(data, self.rules.policy)
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
        start, end = self._day_begins(first), self._day_begins(last + timedelta(days=1))
        with self.store.read() as reader:
            units = reader.finished_between(start, end, seller)
            return daily(self.config.station.name, first, last, units)

    def labels_of(self, lpn: str) -> list[dict[str, object]]:
        """Every print of a unit's labels, for `show`."""
        with self.store.read() as reader:
            return [{"kind": job.kind, "print_no": job.print_no, "state": job.state} for job in reader.labels_of(lpn)]

    def hub_state(self, inspection: str) -> str:
        """``waiting``, ``accepted`` or ``parked``."""
        with self.store.read() as reader:
            event = reader.event(reader.event_of(inspection))
        # A unit without an event of this store was told by another station: this is the hub's own store.
        match event.state if event else "accepted":
            case "accepted" | "duplicate":
                return "accepted"
            case "pending" | "sent":
                return "waiting"
            case _:
                return "parked"

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def today(self, at: datetime | None = None) -> date:
        """The civil date at the site."""
        return (at or self.clock()).astimezone(self._zone).date()

    def day_start(self, at: datetime) -> datetime:
        """When the report day that contains this instant began."""
        return self._day_begins(self.report_day(at))

    def report_day(self, at: datetime) -> date:
        """The report day that contains this instant: before the starting hour it is still the day before."""
        local = at.astimezone(self._zone)
        return local.date() if local.time() >= self._starts else local.date() - timedelta(days=1)

    def _day_begins(self, day: date) -> datetime:
        return datetime.combine(day, self._starts, self._zone).astimezone(UTC)

    def _event(self, writer: Writer, type: str, body: Mapping[str, object]) -> None:
        writer.append_event(EventSpec(type=type, body=body, operator=self.by, at=self.clock()))


EXTRA_UNIT = Reason(code="extra_unit", message=msg("more units than the RMA announces"), met=False)

PAGE = 200
"""Rows written in one go: the running station is never kept waiting longer (design.md §3)."""

T = TypeVar("T")


def _pages(records: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(records), PAGE):
        yield records[start : start + PAGE]


def _waiting(draft: Inspection) -> Waiting:
    title = draft.product.title if draft.product else draft.scanned
    page = life.PAGES[draft.page.partition(".")[0]]
    text = msg("{title}, {page:word}", title=title, page=page.text)
    return Waiting(lpn=draft.lpn, sign="▶", text=text, draft=draft.id)


def _doubtful(job: LabelJob) -> Waiting:
    return Waiting(lpn=job.lpn, sign="▲", text=msg("did its label come out?"), label=job.id)


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
    return Station(config, store, clock=clock, camera=device, training=training)
