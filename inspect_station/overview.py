"""What the desk and F4 show: the day so far, and all that waits."""

import json
from abc import ABC
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from inspect_station.core.batches import Batch
from inspect_station.core.clocks import of_case, of_draft, of_parcel
from inspect_station.core.records import Inspection, Parcel, Role, Standing
from inspect_station.core.view import PAGES
from inspect_station.disputes import Disputing
from inspect_station.manifest import WAYS
from inspect_station.message import msg, msgn
from inspect_station.outbox.sync import why
from inspect_station.outcomes import Desk, Pending, Waiting
from inspect_station.reception import Reception
from inspect_station.store import LabelJob, Reader


class Overview(Reception, Disputing, ABC):
    """What is to be seen at once at a dock; nothing in the store is changed by looking."""

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


def _no(line: Any) -> Any:
    """The number of a line, as units and decisions name theirs."""
    return line["no"] if isinstance(line, dict) else line
