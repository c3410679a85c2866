"""Scans and parcels: what a code means, whose carton it is, and which unit comes onto the bench."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from inspect_station.config import Config
from inspect_station.core import barcode
from inspect_station.core import inspection as life
from inspect_station.core.barcode import Scan, ScanKind
from inspect_station.core.inspection import Bench
from inspect_station.core.policy import eligibility
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
from inspect_station.dock import Clock, Dock
from inspect_station.errors import DiskFull
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import (
    Answerable,
    Arrived,
    Finished,
    Given,
    Known,
    LineSeen,
    Offer,
    Opened,
    Proposed,
    Question,
    Said,
    Seen,
    Several,
)
from inspect_station.store import Reader, Store, Writer, space

if TYPE_CHECKING:
    pass


class Reception(Dock, ABC):
    """Everything from the scan to the unit on the bench."""

    def __init__(self, config: Config, store: Store, *, clock: Clock, training: bool = False) -> None:
        super().__init__(config, store, clock=clock, training=training)
        self._patterns = barcode.Patterns(
            rma={seller.code: re.compile(seller.rma_pattern) for seller in config.sellers if seller.rma_pattern},
            badge=config.scanner.badge_prefix,
        )

    @abstractmethod
    def finish(self, bench: Bench, unit: Inspection) -> Finished | Opened:
        """Commit the unit (`Station.finish`): what is only forwarded needs no bench."""

    @abstractmethod
    def set_aside(self, unit: Inspection) -> Message:
        """Let the unit wait (`Station.set_aside`): another one comes first."""

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
        serial = serial.upper()
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
            return self._opened(reader, life.refurbished(unit, by=self.by))
        where = msg(
            "{lpn}: {place:data}. F3 prints its label again, F2 reopens it with a reason",
            lpn=lpn,
            place=f"place.{unit.disposition}",
        )
        return Known(unit, where)

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
                return self._open_line(reader, parcel, still)
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
            return Several(scan, lines)
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
            Answerable(label or msg("one of RMA {rma}", rma=line.rma.number), "", another(line)) for line in room
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
            if shares and held is not None:
                parcel = held.but(rmas=(*held.rmas, key))
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

    def pick(self, line: LineSeen, *, unit: bool) -> Seen:
        """One of several was picked: its unit begins (scanned by EAN) or its parcel opens (by order, tracking)."""
        with self.store.read() as reader:
            if unit:
                return self._pick(reader, line)
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
        done_now = self.finish(bench, unit)
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

    def keep(self, unit: Inspection) -> None:
        """Save the draft: a crash resumes here."""
        with self.store.write() as writer:
            writer.save_draft(unit)

    def resume(self, id: str) -> Seen:
        """An interrupted unit, picked from the desk."""
        with self.store.read() as reader:
            draft = next((each for each in reader.drafts() if each.id == id), None)
            if draft is None:
                return Said(msg("this unit is not waiting any more"), msg("scan its label to see where it is"))
            return self._opened(reader, draft)


EXTRA_UNIT = Reason(code="extra_unit", message=msg("more units than the RMA announces"), met=False)
