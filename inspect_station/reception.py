"""Scans and parcels: what a code means, whose carton it is, and which unit comes onto the bench."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from stdnum import imei

from inspect_station.batching import Batching
from inspect_station.config import Config
from inspect_station.core import barcode
from inspect_station.core import inspection as life
from inspect_station.core.barcode import Scan, ScanKind
from inspect_station.core.bench import Bench, awaited_scan, doubted, judge, shows_defect
from inspect_station.core.policy import believed, eligibility
from inspect_station.core.records import (
    Disposition,
    Finding,
    Inspection,
    Kind,
    Line,
    Parcel,
    Product,
    Reason,
    Rma,
    Seller,
)
from inspect_station.core.signals import norm
from inspect_station.dock import Clock
from inspect_station.errors import DiskFull
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import (
    Answerable,
    Arrived,
    Finished,
    Given,
    Known,
    LabelSeen,
    LineSeen,
    Offer,
    Opened,
    Proposed,
    Question,
    Said,
    Seen,
    Several,
)
from inspect_station.store import LabelJob, Reader, Store, Writer, space

log = logging.getLogger(__name__)


class Reception(Batching, ABC):
    """Everything from the scan to the unit on the bench."""

    def __init__(self, config: Config, store: Store, *, clock: Clock, training: bool = False) -> None:
        super().__init__(config, store, clock=clock, training=training)
        self._forms: Mapping[str, str] = {}
        self._patterns = barcode.Patterns(badge=config.scanner.badge_prefix)
        with store.read() as reader:
            self.rulebook.refresh(reader)
            self._learn_patterns(reader)

    @abstractmethod
    def finish(self, bench: Bench, unit: Inspection) -> Finished | Opened:
        """Commit the unit (`Station.finish`): what is only forwarded needs no bench."""

    @abstractmethod
    def set_aside(self, unit: Inspection) -> Message:
        """Let the unit wait (`Station.set_aside`): another one comes first."""

    # ── Scans ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _learn_patterns(self, reader: Reader) -> None:
        """What RMA numbers look like, from the settings, an import or the hub; one that is no pattern is left out."""
        sellers = self.rulebook.sellers(reader)
        forms = {each.code: each.rma_pattern for each in sellers if each.rma_pattern}
        if forms == self._forms:
            return
        known: dict[str, barcode.Expression] = {}
        for code, form in forms.items():
            try:
                known[code] = barcode.expression(form)
            except ValueError as error:
                log.warning("rma_pattern of seller %s: %s", code, error)
        self._forms, self._patterns = forms, replace(self._patterns, rma=known)

    def read(self, raw: str) -> Scan:
        """What a scanned or typed text looks like; the store decides what it is."""
        return barcode.read(raw, self._patterns)

    def scan(
        self, raw: str, current: Inspection | None = None, on_parcel: Parcel | None = None, in_batch: str = ""
    ) -> Seen:
        """Everything that a scan can mean, at the desk, on a parcel, inside a unit or a batch.

        A unit that is open takes what its page can use; a unit scanned into the open batch ``in_batch`` joins it; a
        badge changes the operator everywhere.
        """
        scan = self.read(raw)
        if scan.kind is ScanKind.REJECTED and scan.problem:
            return Said(scan.problem, msg("nothing was entered: scan again, or type the code"))
        if scan.kind is ScanKind.BADGE:
            return self.sign_in(scan)
        if self.operator is None:
            return Said(msg("nobody is signed in"), msg("scan your badge first"))
        told = self._label_seen(scan.text, scan.print_no) if scan.print_no is not None else None
        if told is not None and (isinstance(told, Said) or not in_batch):
            return told
        if in_batch and scan.kind is ScanKind.LPN:
            return self.join(scan.text, in_batch)
        with self.store.read() as reader:
            self.rulebook.refresh(reader)
            if current is not None:
                return self._scan_in_unit(reader, scan, current)
            seen = self._scan_at_desk(reader, scan, on_parcel)
            return self._with_claims(reader, self._with_serial(reader, scan, seen))

    def _label_seen(self, lpn: str, print_no: int) -> LabelSeen | Said | None:
        """What the number on a label tells: that it is void, or on the box for which somebody waited. None: nothing."""
        with self.store.read() as reader:
            all_ = reader.labels_of(lpn)
            unit = reader.inspection(lpn)
            open_ = reader.draft(lpn) is not None
        jobs = {job.print_no: job for job in all_ if not job.slip}
        job = jobs.get(print_no)
        if job is None and all_ and all(print_no != each.print_no for each in all_):
            return Said(
                msg(
                    "{code} was never printed here: {lpn} has no label of this number",
                    code=f"{lpn}/{print_no}",
                    lpn=lpn,
                ),
                msg("scan it again; if the label itself says so, set the box aside and call a supervisor"),
            )
        if job is None:
            return None
        if job.void or job.state == "cancelled":
            return _void(job, jobs.values())
        doubted = job.state == "printing" or (job.state == "parked" and job.printer != "")
        if not doubted and not (job.scan_back == "wanted" and job.state == "printed"):
            return None
        with self.store.write() as writer:
            # Whoever scans it has it in hand: it is out, whatever its printer still says.
            settled = doubted and writer.move_label(job.id, "printed")
            settled = writer.scanned_back(job.id) or settled
        if not settled or unit is None or unit.voided_at is not None or open_:
            return None
        return LabelSeen(unit, msg("{code} is on its box: done", code=job.code))

    def _with_serial(self, reader: Reader, scan: Scan, seen: Seen) -> Seen:
        """An article whose code also holds its serial number: one scan for both, also when a question comes first."""
        if isinstance(seen, Question) and (scan.serial or scan.doubtful):
            answers = (replace(each, then=partial(self._serial_then, scan, each.then)) for each in seen.answers)
            return replace(seen, answers=tuple(answers))
        if not isinstance(seen, Opened) or seen.inspection.serial:
            return seen
        unit, product = seen.inspection, seen.inspection.product
        serial = self._serial_in(scan, unit)
        if not serial or product is None or product.gtin not in scan.articles:
            return seen
        read = self._serial(reader, serial, unit, opens=False)
        if isinstance(read, Said):
            return replace(seen, said=read.title)
        step = life.step(seen.bench, unit, read.given, by=self.by, at=self.clock())
        self.keep(step.inspection)
        return Opened(step.inspection, seen.bench, step.said or seen.said)

    def _serial_then(self, scan: Scan, then: Callable[[], Seen | Finished | Message]) -> Seen | Finished | Message:
        seen = then()
        with self.store.read() as reader:
            return seen if isinstance(seen, Finished | Message) else self._with_serial(reader, scan, seen)

    @staticmethod
    def _with_claims(reader: Reader, seen: Seen) -> Seen:
        """A unit whose article waits as a claim already: it may be the very same."""
        if not isinstance(seen, Opened) or seen.said is not None or seen.inspection.product is None:
            return seen
        gtin = seen.inspection.product.gtin
        waits = next((each for each in reader.claims() if each.product and each.product.gtin == gtin), None)
        if waits is None:
            return seen
        said = msg(
            "one that nobody announced waits as {lpn}: if it is this one, a supervisor matches it", lpn=waits.lpn
        )
        return replace(seen, said=said)

    def _serial_in(self, scan: Scan, unit: Inspection) -> str:
        """The serial number that the code holds beside the article, where one is looked for. One that may have
        swallowed what follows it is believed where it was sold, or proves itself by its check digit."""
        sold = unit.line.serial if unit.line else ""
        checklist = self.rules.checklist(unit.product)
        if not sold and not (checklist and checklist.serial):
            return ""
        sure = scan.doubtful.casefold() == sold.casefold()
        sure = sure or (checklist is not None and checklist.serial == "imei" and imei.is_valid(scan.doubtful))
        return scan.serial or (scan.doubtful if sure else "")

    def _scan_in_unit(self, reader: Reader, scan: Scan, current: Inspection) -> Seen:
        sold = current.line.serial if current.line else ""
        checklist = self.rules.checklist(current.product)
        wanted = current.page in ("condition", "test") and bool(sold or (checklist and checklist.serial))
        keys = {key.casefold() for key in scan.keys}
        if wanted and sold and sold.casefold() in keys:
            return self._serial(reader, sold, current)
        row = awaited_scan(self.rules, current)
        if row is not None and row.takes(scan.text) and (row.pattern or not self._names_another(reader, scan, current)):
            return Given(life.Scanned(scan.text))
        articles = self._articles(reader, scan)
        if current.product is not None and current.product.gtin in (*scan.articles, *articles):
            if wanted and (serial := self._serial_in(scan, current)):
                # Article and serial in one code: it may stand on a box that is still sealed.
                return self._serial(reader, serial, current, opens=current.page == "test")
            return Said(
                msg("{title} is on the bench already", title=current.product.title),
                msg("go on grading; Esc sets it aside"),
            )
        if scan.text == current.lpn:
            return Said(msg("{lpn} is this unit's own label", lpn=current.lpn), msg("go on"))
        if scan.kind is ScanKind.BATCH and reader.batch(scan.text) is not None:
            return Said(
                msg("{batch} is a batch: {lpn} joins one when it is finished", batch=scan.text, lpn=current.lpn),
                msg("go on grading; Esc sets it aside"),
            )
        switch = Proposed(
            Offer.SWITCH,
            msg("{code}: Enter sets {lpn} aside and opens it, Esc stays", code=scan.text, lpn=current.lpn),
            scan,
        )
        rmas_by = self._rmas_by(reader, scan)
        named = (rma for rma in rmas_by if {rma.order.casefold(), rma.tracking.casefold()} & keys)
        rmas = self._rmas(reader, scan) or tuple(named)
        plate = scan.kind is ScanKind.LPN and (reader.draft(scan.text) or reader.inspection(scan.text))
        if rmas or plate:
            return self._own_parcel(rmas, current) or switch
        # A label of ours or a GS1 string that was read wrongly is no serial number; digits may be one.
        garbled = scan.problem is not None and not scan.text.isdecimal()
        serials = {line.serial.casefold() for rma in rmas_by for line in rma.lines if line.serial}
        if wanted and serials & keys:
            return self._another(current, scan.text) or self._serial(reader, scan.text, current)
        looks_else = bool(scan.gtin) or scan.kind in (ScanKind.RMA, ScanKind.TRACKING)
        if wanted and not looks_else and not articles and not garbled and scan.kind not in NO_SERIAL:
            serial = scan.serial or scan.text
            return self._another(current, serial) or self._serial(reader, serial, current)
        if rmas_by:
            return self._own_parcel(rmas_by, current) or switch
        stranger = msg("{code} does not belong to {lpn}", code=scan.text, lpn=current.lpn)
        hint = msg("w = wrong item in the box; Esc sets this unit aside first")
        if wanted and looks_else and not scan.elements and not articles:
            # One number in ten ends in a digit that makes an article code of it; RMAs may look like anything.
            answers = (
                Answerable(msg("the serial number of the article"), "", partial(self._as_serial, scan.text, current)),
                Answerable(msg("something else"), "", lambda: Said(stranger, hint)),
            )
            return Question(msg("{code}: what is it?", code=scan.text), answers)
        return Said(scan.problem or stranger, hint)

    def _names_another(self, reader: Reader, scan: Scan, current: Inspection) -> bool:
        """Whether a code is a return's number or another unit's plate: no answer where any code will do."""
        return (scan.kind is ScanKind.LPN and scan.text != current.lpn) or bool(self._rmas(reader, scan))

    @staticmethod
    def _own_parcel(rmas: Sequence[Rma], current: Inspection) -> Said | None:
        """The carton's own number, scanned once more, changes nothing."""
        if (current.seller, current.rma) not in {(rma.seller, rma.number) for rma in rmas}:
            return None
        return Said(msg("{rma} is on the bench already", rma=current.rma), msg("go on grading; Esc sets it aside"))

    def _another(self, current: Inspection, serial: str) -> Question | None:
        """Whether another serial number was read before: a stray scan must not take its place."""
        serial = serial.upper()
        if not current.serial or current.serial == serial:
            return None
        stays = Said(msg("serial {serial} stays", serial=current.serial), msg("go on grading; Esc sets it aside"))
        answers = (
            Answerable(msg("{serial} stays", serial=current.serial), "", lambda: stays),
            Answerable(
                msg("{serial} stands on the article", serial=serial), "", partial(self._as_serial, serial, current)
            ),
        )
        return Question(msg("another serial number was read before. Which is right?"), answers)

    def _as_serial(self, text: str, current: Inspection) -> Seen:
        with self.store.read() as reader:
            return self._serial(reader, text, current)

    def _serial(self, reader: Reader, serial: str, current: Inspection, *, opens: bool = True) -> Given | Said:
        """A serial is inspected once; one that came back before is asked about (domain.md §5)."""
        serial = serial.upper()
        gtin = current.product.gtin if current.product else ""
        others = [unit for unit in reader.with_serial(serial, gtin) if unit.lpn != current.lpn]
        now = [unit for unit in others if unit.finished_at is None or unit.rma == current.rma]
        if now:
            return Said(
                msg("serial {serial} is on the bench or inspected already, as {lpn}", serial=serial, lpn=now[0].lpn),
                msg("scan that label to see it; if this is another article, look at its serial again"),
            )
        return Given(
            life.Serial(serial, others[0].lpn if others else "", self._sold_elsewhere(reader, serial, current), opens)
        )

    @staticmethod
    def _sold_elsewhere(reader: Reader, serial: str, current: Inspection) -> str:
        """The other RMA under which exactly this article was sold, where this one does not say what was."""
        if current.line is None or current.line.serial or current.product is None:
            return ""
        sold = (
            rma.number
            for rma in reader.rmas_by(serial)
            if (rma.seller, rma.number) != (current.seller, current.rma)
            and any(line.gtin == current.product.gtin and line.serial.upper() == serial for line in rma.lines)
        )
        return next(sold, "")

    def _scan_at_desk(self, reader: Reader, scan: Scan, on_parcel: Parcel | None) -> Seen:
        """What the store knows the code as. Where that is more than one thing, one question."""
        if scan.kind is ScanKind.LPN:
            return self._lpn(reader, scan)
        if scan.kind is ScanKind.BATCH and reader.batch(scan.text) is not None:
            return self._batch_seen(reader, scan.text)
        articles = self._articles(reader, scan)
        numbers = self._rmas(reader, scan)
        rmas = tuple({(rma.seller, rma.number): rma for rma in (*numbers, *self._rmas_by(reader, scan))}.values())
        if scan.elements and rmas:
            # A code that says what it holds names the parcel; its article is only what is inside.
            return self._rma(reader, scan, rmas, on_parcel)
        parcel = on_parcel or reader.open_parcel()
        if parcel is not None:
            announced = {each.line.gtin for each in self._parcel_lines(reader, parcel) if each.open}
            own = [gtin for gtin in articles if gtin in announced]
            if len(own) == 1:
                return self._ean(reader, replace(scan, gtin=own[0]), on_parcel)
        if scan.gtin and scan.elements:
            sold = self._sold(reader, scan) if on_parcel is None else None
            return self._pick(reader, sold) if sold else self._ean(reader, scan, on_parcel)
        if not numbers and not articles and (draft := self._draft_of(reader, scan)) is not None:
            return self._opened(reader, draft)
        if len(articles) > 1 or (articles and rmas):
            return self._which(reader, scan, rmas, articles, on_parcel)
        if rmas:
            return self._rma(reader, scan, rmas, on_parcel)
        if articles or scan.gtin:
            return self._ean(reader, replace(scan, gtin=(*articles, scan.gtin)[0]), on_parcel)
        if scan.problem is not None:
            return Said(scan.problem, msg("nothing was entered: scan again, or type the code"))
        if scan.kind is ScanKind.BATCH:
            return Said(msg("no batch {number} in this store", number=scan.text), msg("F4 lists those that wait"))
        return self._unknown(reader, scan)

    def _sold(self, reader: Reader, scan: Scan) -> LineSeen | None:
        """The open line of exactly this article with exactly this serial."""
        serial = scan.serial or scan.doubtful
        for rma in reader.rmas_by(serial):
            for line in rma.lines:
                if line.gtin == scan.gtin and line.serial.casefold() == serial.casefold():
                    seen = self._line(reader, rma, line)
                    if seen.open:
                        return seen
        return None

    @staticmethod
    def _rmas(reader: Reader, scan: Scan) -> tuple[Rma, ...]:
        """RMAs with this number; the first spelling that the store knows counts."""
        return next((found for key in scan.keys if (found := reader.rmas(key))), ())

    @staticmethod
    def _rmas_by(reader: Reader, scan: Scan) -> tuple[Rma, ...]:
        """RMAs with this order, tracking or serial number; exact matches only."""
        return next((found for key in scan.keys if (found := reader.rmas_by(key))), ())

    @staticmethod
    def _draft_of(reader: Reader, scan: Scan) -> Inspection | None:
        return next((found for key in scan.keys if (found := reader.draft_of(key)) is not None), None)

    @staticmethod
    def _articles(reader: Reader, scan: Scan) -> tuple[str, ...]:
        """Of the articles that the code may name, those that the store knows; else those that a seller calls so."""
        known = tuple(gtin for gtin in scan.articles if reader.products(gtin) or reader.open_lines(gtin, most=1))
        return known or next((found for key in scan.keys if (found := reader.gtins_of(key))), ())

    def _which(
        self, reader: Reader, scan: Scan, rmas: Sequence[Rma], articles: Sequence[str], on_parcel: Parcel | None
    ) -> Question:
        """The same digits name an article and a return, or two articles: only who holds the box can tell."""

        def article(gtin: str) -> Callable[[], Seen]:
            def then() -> Seen:
                with self.store.read() as fresh:
                    return self._ean(fresh, replace(scan, gtin=gtin), on_parcel)

            return then

        def rma(chosen: Rma) -> Callable[[], Seen]:
            def then() -> Seen:
                with self.store.read() as fresh:
                    return self._rma(fresh, scan, (chosen,), on_parcel)

            return then

        answers = [Answerable(msg("the return {rma}", rma=each.number), each.seller, rma(each)) for each in rmas]
        for gtin in articles:
            products = reader.products(gtin)
            title = products[0].title if products else gtin.lstrip("0")
            answers.append(Answerable(msg("the article {title}", title=title), "", article(gtin)))
        return Question(msg("{code} means more than one thing. Which?", code=scan.text), tuple(answers))

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
        lpn = scan.text
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
            return self._opened(reader, life.refurbished(unit, by=self.by))
        where = msg(
            "{lpn}: {place:data}. F3 prints its label again, F2 reopens it with a reason",
            lpn=lpn,
            place=f"place.{unit.disposition}",
        )
        return Known(unit, where, self._collected(reader, unit))

    def _rma(self, reader: Reader, scan: Scan, rmas: tuple[Rma, ...], on_parcel: Parcel | None) -> Seen:
        if len(rmas) > 1:
            return Several(scan, tuple(self._line(reader, rma, line) for rma in rmas for line in rma.lines[:1]))
        rma = rmas[0]
        if not self._here(rma):
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
            still = [line for line in own if line.open > 0 and self._here(line.rma)]
            if still:
                serial = (scan.serial or scan.doubtful).casefold()
                begun = [each for each in self._drafts_of_gtin(reader, scan) if each.serial.casefold() == serial != ""]
                if begun:
                    return self._opened(reader, begun[0])
                sold = [line for line in still if line.line.serial.casefold() == serial != ""]
                return self._open_line(reader, parcel, sold or still)
            extras = [draft for draft in self._drafts_of_gtin(reader, scan) if draft.warnings]
            if own and (on_parcel is not None or extras):
                extra = self._extra_unit(scan, parcel, own[0])
                if not extras:
                    return extra
                more = Answerable(
                    msg("one more than announced in {rma}", rma=own[0].rma.number), "", partial(self.accept, extra)
                )
                said = msg("{title}: one was set aside. Which is this?", title=own[0].product.title)
                return Question(said, (*self._resuming(extras), more))
            if on_parcel is not None:
                return self._wrong_item(reader, scan, parcel)
            if any(line.open for line in lines):
                return self._strange(reader, scan, parcel, own)
        return self._elsewhere(reader, scan)

    def _elsewhere(self, reader: Reader, scan: Scan) -> Seen:
        """A product that no open parcel expects: any open line of any seller, else nothing announces it."""
        lines = tuple(self._line(reader, rma, line) for rma, line, _ in reader.lines_of_gtin(scan.gtin))
        if len(lines) > 1:
            return Several(scan, lines, reader.open_lines(scan.gtin), article=True)
        if lines:
            return self._pick(reader, lines[0])
        drafts = self._drafts_of_gtin(reader, scan)
        if len(drafts) == 1:
            return self._opened(reader, drafts[0])
        if drafts:
            return Question(msg("several were set aside. Which is this?"), tuple(self._resuming(drafts)))
        return self._unknown(reader, scan)

    @staticmethod
    def _drafts_of_gtin(reader: Reader, scan: Scan) -> list[Inspection]:
        """Units set aside that answer to this article's code."""
        return [
            draft
            for draft in reader.drafts()
            if draft.scanned == scan.text or (draft.product is not None and draft.product.gtin == scan.gtin)
        ]

    def _here(self, rma: Rma) -> bool:
        """Whether the RMA is meant for this site."""
        return not rma.site or rma.site == self.config.station.site

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

        expected = next((each for each in self._parcel_lines(reader, parcel) if each.open), None)
        number = expected.rma.number if expected else parcel.rmas[0][1]
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

    def _open_line(self, reader: Reader, parcel: Parcel, lines: Sequence[LineSeen]) -> Opened | Question:
        """The next unit of an article. Where one was set aside and others are still to come, it may be either; where
        several lines announce it, only the operator knows whose it is."""
        drafts = [
            draft for line in lines for draft in reader.drafts_of_line(line.rma.seller, line.rma.number, line.line.no)
        ]
        room = [line for line in lines if self._to_come(reader, line) > 0]
        if not drafts and len(lines) == 1:
            return self._begin(reader, parcel, lines[0])
        if not room and len(drafts) == 1:
            return self._opened(reader, drafts[0])

        def another(line: LineSeen) -> Callable[[], Seen]:
            def begin() -> Seen:
                with self.store.read() as fresh:
                    if self._to_come(fresh, line) <= 0:
                        return self._looked_at(fresh, line.rma)
                    return self._begin(fresh, fresh.parcel(parcel.id) or parcel, line)

            return begin

        label = msg("another one") if drafts and len(room) == 1 else None
        answers = [*self._resuming(drafts)]
        answers += [
            Answerable(label or msg("one of RMA {rma}", rma=line.rma.number), line.line.serial, another(line))
            for line in room
        ]
        title = lines[0].product.title
        said = msg("{title}: one was set aside. Which is this?", title=title)
        if not drafts:
            said = msg("{title} is announced more than once. Whose is this?", title=title)
        return Question(said, tuple(answers))

    def _resuming(self, drafts: Iterable[Inspection]) -> Iterator[Answerable]:
        """One answer for each unit that was set aside."""
        for draft in drafts:
            label = msg("the one with the slip {lpn}", lpn=draft.lpn)
            yield Answerable(label, "", partial(self.resume, draft.id))

    @staticmethod
    def _to_come(reader: Reader, line: LineSeen) -> int:
        """Units of the line that nobody has had on the bench yet."""
        number = line.line.no
        drafts = reader.drafts_of_line(line.rma.seller, line.rma.number, number)
        return reader.open_count(line.rma.seller, line.rma.number, number) - len(drafts)

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
        held = reader.parcel(on_parcel.id) if on_parcel is not None and on_parcel.id else None
        if held is not None and held.closed_at is not None:
            held = None  # closed meanwhile: it takes nothing any more
        before = held or reader.open_parcel()
        if before is not None and key in before.rmas:
            return self._arrived(reader, before)
        shares = held is not None and not reader.units_in(held.id)
        now = self.clock()
        with self.store.write() as writer:
            if before is not None and not shares:
                self._close_parcel(writer, before)
            if held is None or not shares:
                return self._arrived(writer, self._received(writer, rma, now))
            parcel = held.but(rmas=(*held.rmas, key))
            self._told(writer, parcel, rma)
            return self._arrived(writer, parcel, msg("{n} RMAs share this carton", n=len(parcel.rmas)))

    def _received(self, writer: Writer, rma: Rma, at: datetime) -> Parcel:
        """A new parcel of this RMA."""
        parcel = Parcel(
            id=writer.new_id(),
            station=self.config.station.name,
            rmas=((rma.seller, rma.number),),
            received_at=at,
            received_on=self.today(at),
        )
        self._told(writer, parcel, rma)
        return parcel

    def _told(self, writer: Writer, parcel: Parcel, rma: Rma) -> None:
        """Keep the parcel, and tell that this RMA arrived in it."""
        writer.save_parcel(parcel)
        body = {
            "parcel": parcel.id,
            "seller": rma.seller,
            "rma": rma.number,
            "received_at": parcel.received_at.isoformat(),
            "received_on": parcel.received_on.isoformat(),
        }
        self._event(writer, "parcel.received", body)

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
        return tuple(each for rma in rmas for each in self._lines_of(reader, rma, parcel))

    def _lines_of(self, reader: Reader, rma: Rma, parcel: Parcel | None = None) -> tuple[LineSeen, ...]:
        """All lines of an RMA."""
        units = reader.units(rma.seller, rma.number)
        return tuple(self._line(reader, rma, line, parcel, units) for line in rma.lines)

    def _line(
        self,
        reader: Reader,
        rma: Rma,
        line: Line,
        parcel: Parcel | None = None,
        units: Sequence[Inspection] | None = None,
    ) -> LineSeen:
        """One line as it stands now; ``units`` are those of its RMA, where they were read already."""
        product = reader.product(rma.seller, line.gtin) or Product(
            seller=rma.seller, gtin=line.gtin, title=line.gtin.lstrip("0")
        )
        received = parcel.received_on if parcel else self.today()
        findings = tuple(each.code for each in parcel.findings) if parcel else ()
        verdict = eligibility(
            self.rulebook.rules(rma.seller).policy,
            seller=self.seller(reader, rma.seller),
            rma=rma,
            # What is only asked about, as if received on some day, keeps its recorded postmark (design.md §7).
            line=believed(line, received) if parcel and parcel.id else line,
            product=product,
            received_on=received,
            findings=findings,
            defect_found=shows_defect(self.rules, findings),
        )
        verdict = doubted(verdict, self.rulebook.trouble.get(rma.seller))
        units = reader.units(rma.seller, rma.number) if units is None else units
        own = tuple(unit for unit in units if unit.line and unit.line.no == line.no)
        return LineSeen(rma, line, product, verdict, reader.open_count(rma.seller, rma.number, line.no), own)

    def _close_parcel(self, writer: Writer, parcel: Parcel) -> None:
        """The next RMA closes it: lines not found are marked and stay open."""
        parcel = writer.parcel(parcel.id) or parcel
        if parcel.closed_at is not None:
            return
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
        with self.store.write() as writer:
            parcel = writer.parcel(parcel.id) or parcel
            marked = parcel.missing if key in parcel.missing else (*parcel.missing, key)
            changed = parcel.but(missing=marked)
            writer.save_parcel(changed)
            return self._arrived(writer, changed, msg("{title}: marked as not in the parcel", title=line.product.title))

    def carton_found(self, parcel: Parcel, code: str) -> Arrived:
        """Something seen on the carton before it was opened; each unit in it carries it too."""
        finding = Finding(code=code, by=self.by, at=self.clock())
        with self.store.write() as writer:
            parcel = writer.parcel(parcel.id) or parcel
            changed = parcel.but(findings=(*parcel.findings, finding))
            writer.save_parcel(changed)
            return self._arrived(writer, changed, msg("{what:data}: p takes its photo", what=f"finding.{code}"))

    # ── Units ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def pick(self, line: LineSeen, *, unit: bool, scan: Scan | None = None) -> Seen:
        """One of several was picked: its unit begins (scanned by EAN) or its parcel opens (by order, tracking).

        ``scan`` is the code that several answered to: it may hold a serial number, too.
        """
        with self.store.read() as reader:
            if unit:
                seen = self._pick(reader, line)
                return self._with_claims(reader, self._with_serial(reader, scan, seen) if scan else seen)
            return self._rma(reader, self.read(line.rma.number), (line.rma,), None)

    def _pick(self, reader: Reader, line: LineSeen) -> Seen:
        if not self._here(line.rma):
            return self._rma(reader, self.read(line.rma.number), (line.rma,), None)
        drafts = reader.drafts_of_line(line.rma.seller, line.rma.number, line.line.no)
        if self._to_come(reader, line) <= 0:
            # What is still open of it was set aside, in the parcel in which it came.
            return self._opened(reader, drafts[0]) if drafts else self._looked_at(reader, line.rma)
        arrived = self._arrive(reader, line.rma, None)
        with self.store.read() as fresh:
            return self._open_line(fresh, arrived.parcel, [line])

    def _begin(self, reader: Reader, parcel: Parcel, line: LineSeen, extra: bool = False) -> Opened:
        unit = self._new(parcel, Kind.UNIT).but(
            seller=line.rma.seller,
            rma=line.rma.number,
            channel=line.rma.channel,
            fulfilment=line.rma.fulfilment,
            line=line.line,
            product=line.product,
            findings=parcel.findings,
            photos=parcel.photos,
        )
        if extra:
            unit = unit.but(warnings=(EXTRA_UNIT,))
        bench = self._bench(reader, unit)
        unit = unit.but(verdict=judge(bench, unit))
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
            owner = product.seller if product else self._pattern_of(proposed.scan) if proposed else ""
            if kind in (Kind.EMPTY_BOX, Kind.DANGER) and rma is not None and expected is not None:
                product = reader.product(rma.seller, expected.gtin)
            unit = self._new(parcel, kind).but(
                seller=rma.seller if rma else owner,
                rma=rma.number if rma else "",
                channel=rma.channel if rma else "",
                fulfilment=rma.fulfilment if rma else "seller",
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
            unit = unit.but(verdict=judge(bench, unit.but(product=announced)))
        self.keep(unit)
        return Opened(unit, bench)

    def _pattern_of(self, scan: Scan) -> str:
        """The one seller whose RMA numbers look like this; empty where none does, or several do."""
        sellers = [seller for seller, form in self._patterns.rma.items() if any(map(form.fullmatch, scan.keys))]
        return sellers[0] if len(sellers) == 1 else ""

    def _announcing(self, reader: Reader, parcel: Parcel) -> Rma | None:
        """The RMA that a thing of this parcel is booked on: the first of which something is still to come."""
        rmas = [rma for seller, number in parcel.rmas if (rma := reader.rma(seller, number)) is not None]
        return next((rma for rma in rmas if self._expected(reader, rma)), rmas[0] if rmas else None)

    def _forward(self, line: LineSeen) -> Finished | Opened | Known:
        """An RMA of another site: an LPN and a slip with the address, ungraded."""
        with self.store.read() as reader:
            done = reader.units(line.rma.seller, line.rma.number)
            if done:
                return Known(
                    done[0], msg("{rma} was forwarded already, as {lpn}", rma=line.rma.number, lpn=done[0].lpn)
                )
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
        done_now = self.finish(bench, unit.but(verdict=judge(bench, unit)))
        with self.store.write() as writer:
            self._close_parcel(writer, parcel)
        return done_now

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
                received_on=parcel.received_on if parcel else self.today(now),
                kind=kind,
                operator=self.by,
                started_at=now,
                shown_at=now,
                training=self.training,
            )

    def _bench(self, reader: Reader, unit: Inspection) -> Bench:
        rma = reader.rma(unit.seller, unit.rma) if unit.rma else None
        parcel = reader.parcel(unit.parcel) if unit.parcel else None
        open_units = reader.open_count(unit.seller, unit.rma, unit.line.no) if rma and unit.line else 1
        sellers: tuple[Seller, ...] = ()
        if unit.kind is Kind.UNKNOWN:
            known = self.rulebook.sellers(reader)
            sellers = tuple(sorted(known, key=lambda each: (each.code != unit.seller, each.name)))
        seller = self.seller(reader, unit.seller)
        return Bench(
            rules=self.rulebook.rules(seller.code),
            seller=seller,
            ruleset=self.rulebook.ruleset(seller),
            doubt=self.rulebook.trouble.get(seller.code),
            received_on=parcel.received_on if parcel else self.today(unit.started_at),
            rma=rma,
            open_units=open_units,
            sellers=sellers,
            history=self._history(reader, rma, seller, unit) if rma else {},
        )

    def _history(self, reader: Reader, rma: Rma, seller: Seller, unit: Inspection) -> Mapping[int, int]:
        """How often this customer sends something back to this seller (seed 001); empty where no customer is known."""
        spans = norm(self.rules, seller)
        if not rma.customer or not spans:
            return {}
        now = self.clock()
        times = reader.returns_of(rma.seller, rma.customer, now - timedelta(max(spans)), besides=rma.number)
        return {days: sum(at >= now - timedelta(days) for at in times) for days in spans}

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
        fresh = fresh.but(verdict=judge(bench, fresh))
        said = None
        if (fresh.line, fresh.product) != (draft.line, draft.product):
            said = msg("the RMA or the article was changed meanwhile: look at the verdict again")
        return Opened(fresh, bench, said)

    def keep(self, unit: Inspection) -> None:
        """Save the draft: a crash resumes here."""
        with self.store.write() as writer:
            writer.save_draft(unit)

    def look_into(self, id: str) -> Arrived | Said:
        """An open parcel, picked from what waits."""
        with self.store.read() as reader:
            parcel = reader.parcel(id)
            if parcel is None or parcel.closed_at is not None:
                return Said(msg("this parcel is closed"), msg("scan its RMA to see what came in it"))
            return self._arrived(reader, parcel)

    def resume(self, id: str) -> Seen:
        """An interrupted unit, picked from the desk."""
        with self.store.read() as reader:
            draft = next((each for each in reader.drafts() if each.id == id), None)
            if draft is None:
                return Said(msg("this unit is not waiting any more"), msg("scan its label to see where it is"))
            return self._opened(reader, draft)


NO_SERIAL = (ScanKind.LPN, ScanKind.ORDER, ScanKind.SSCC)
"""What is surely no serial number."""

EXTRA_UNIT = Reason(code="extra_unit", message=msg("more units than the RMA announces"), met=False)


def _void(job: LabelJob, labels: Iterable[LabelJob]) -> Said:
    """A label that is to be destroyed, and what counts instead of it."""
    stand = [each for each in labels if not each.void and each.state != "cancelled" and each.print_no > job.print_no]
    if any(each.state == "printed" for each in stand):
        return Said(
            msg("{code} is void: there is a newer label", code=job.code),
            msg("destroy it; valid is {code}", code=stand[-1].code),
        )
    title = msg("{code} is void: it was taken back", code=job.code)
    if stand:
        return Said(title, msg("destroy it; {code} takes its place: F4 if it is not out yet", code=stand[-1].code))
    return Said(title, msg("destroy it; type {lpn} to go on with the unit", lpn=job.lpn))
