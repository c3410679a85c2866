"""Two docks, one parcel: what a person does about units that contradict each other (sync.md §2.4).

What is decided here is a fact like any other: it is kept and sent when the hub can be reached, and the hub, which knows
what stood there, has the last word. Until it has spoken nothing changes at any dock.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial, reduce

from inspect_station.core.records import (
    SETTLING,
    EventType,
    Inspection,
    Operator,
    Review,
    Reviewed,
    Role,
    Settled,
    Standing,
)
from inspect_station.dock import Dock
from inspect_station.message import Message, msg
from inspect_station.outcomes import Answerable, Opened, Question, Said, SupervisorNeeded, Waiting
from inspect_station.store import EventSpec, Reader


class Disputing(Dock, ABC):
    """What is done about disputes at a dock."""

    @abstractmethod
    def _wake(self) -> None:
        """Tell the outbox that there is something to do (`Station._wake`)."""

    @abstractmethod
    def _void(self, unit: Inspection, reason: str, by: str, settles: tuple[str, ...] | None = None) -> Opened | Said:
        """Reopen a finished unit (`Station._void`); ``settles`` = the events over which its next result counts."""

    def dispute(self, review: Review) -> Question | Said | Opened:
        """What can be done about a line that F4 shows."""
        with self.store.read() as reader:
            known = reader.review(review.seller, review.rma, review.line)
            if known is None or known[0] != review:
                return _CHANGED
            state = event.state if known[1] and (event := reader.event(known[1])) is not None else ""
            lost = next((unit for unit in review.units if reader.lost(unit)), None)
            here = reader.inspection(review.again.lpn) if review.again else None
        if not review.open:
            assert lost is not None  # else it would not be kept (`Writer.put_review`)
            return Question(
                msg("{lpn} does not count: is its label destroyed?", lpn=lost.lpn),
                (
                    Answerable(
                        msg("yes: done"), self.voice().say(self._counts(review)), lambda: self._done(review, lost)
                    ),
                ),
            )
        if state and state != "conflict":
            return Said(msg("it is decided here"), msg("the hub has not confirmed it yet; Esc"))
        if review.again is not None and here is not None and here.voided_at is None:
            return self._on_the_bench(review, review.again, here, self.by)
        return Question(msg("RMA {rma}: which result counts?", rma=review.rma), tuple(self._choices(review)))

    def _choices(self, review: Review) -> Iterator[Answerable]:
        voice = self.voice()
        left = [unit for unit in review.units if unit.standing is not Standing.SUPERSEDED]
        for unit in left:
            said = voice.say(_found(unit))
            over = tuple(each for each in review.rivals(unit) if each in left)
            if over or len(left) == 1:
                label = msg("{dock}'s result counts", dock=unit.station)
                found = voice.say(msg("{lpn}: {found}", lpn=unit.lpn, found=said))
                yield Answerable(label, found, partial(self.settle, review, unit, over=over))
            else:
                rest = next(each for each in left if each is not unit)
                label = msg("{lpn} of {dock} is one too many", lpn=unit.lpn, dock=unit.station)
                yield Answerable(label, said, partial(self.settle, review, rest, over=(unit,)))
        for unit in left:
            label = msg("inspect {lpn} again at {dock}", lpn=unit.lpn, dock=unit.station)
            hint = voice.say(msg("if the box is there"))
            yield Answerable(label, hint, partial(self.settle, review, unit, again=True))

    def settle(
        self,
        review: Review,
        unit: Reviewed,
        *,
        over: tuple[Reviewed, ...] = (),
        again: bool = False,
        by: Operator | None = None,
    ) -> Message | Opened | Said:
        """A supervisor decides: this unit counts and those do not any more, or it is inspected ``again``.

        ``by``, else whoever works. Where the box is here it comes onto the bench at once.
        """
        by = by or self.operator
        if by is None or by.role is not Role.SUPERVISOR:
            return SupervisorNeeded(
                msg("only a supervisor decides which result counts"),
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
                lambda supervisor: self.settle(review, unit, over=over, again=again, by=supervisor),
            )
        left = [each for each in review.units if each.standing is not Standing.SUPERSEDED]
        said = Settled(
            seller=review.seller,
            rma=review.rma,
            line=review.line,
            lpn=unit.lpn,
            unit=unit,
            based_on=tuple(each.event for each in left),
            over=tuple(each.event for each in over),
            again=again,
        )
        with self.store.write() as writer:
            known = writer.review(review.seller, review.rma, review.line)
            if known is None or known[0] != review:
                return _CHANGED
            body = said.model_dump(mode="json")
            event = writer.append_event(
                EventSpec(EventType.INSPECTION_AMENDED, body, by.code, self.clock(), schema=SETTLING)
            )
            writer.decide_review(review.seller, review.rma, review.line, event.id)
            here = writer.inspection(unit.lpn) if again else None
        self._wake()
        if here is not None and here.id == unit.inspection and here.voided_at is None:
            return self._on_the_bench(review, unit, here, by.code)
        if again:
            return msg("{dock} inspects {lpn} again", dock=unit.station, lpn=unit.lpn)
        return msg("decided: all docks hear it from the hub")

    def _on_the_bench(self, review: Review, unit: Reviewed, here: Inspection, by: str) -> Opened | Said:
        rivals = review.rivals(unit)
        reason = self.voice(self.config.station.locale).say(msg("docks contradict each other: inspected again"))
        return self._void(here, reason, by, tuple(each.event for each in rivals))

    def _done(self, review: Review, lost: Reviewed) -> Message:
        """Somebody has taken the losing unit's label off its box."""
        with self.store.write() as writer:
            writer.forget_review(review.seller, review.rma, review.line)
        return msg("{lpn} is settled", lpn=lost.lpn)

    def _disputed(self, reader: Reader, review: Review) -> Waiting:
        """A line on which docks contradict each other, as F4 shows it."""
        own = next((each.lpn for each in review.units if reader.inspection(each.lpn) is not None), "")
        if not review.open:
            lost = next((each.lpn for each in review.units if reader.lost(each)), own)
            return Waiting(lost, "▲", self._counts(review), review=review)
        known = reader.review(review.seller, review.rma, review.line)
        event = reader.event(known[1]) if known and known[1] else None
        if event is not None and event.state != "conflict":
            text = msg("RMA {rma}: decided here, the hub has to confirm it", rma=review.rma)
        elif review.again is not None:
            text = msg(
                "RMA {rma}: a supervisor wants {lpn} inspected again at {dock}",
                rma=review.rma,
                lpn=review.again.lpn,
                dock=review.again.station,
            )
        else:
            text = self._title(review)
        return Waiting(own, "▲", text, review=review)

    @staticmethod
    def _counts(review: Review) -> Message:
        """Whose result counts: what the losing dock does with its box."""
        unit = next((each for each in review.units if each.standing is Standing.COUNTS), review.units[0])
        return msg(
            "RMA {rma}: {dock}'s result counts, {lpn} {grade:data}, {place:data}. Destroy this label; the box goes "
            "there",
            rma=review.rma,
            dock=unit.station,
            lpn=unit.lpn,
            grade=f"grade.{unit.grade}" if unit.grade else "",
            place=f"place.{unit.disposition}" if unit.disposition else "",
        )

    def _title(self, review: Review) -> Message:
        """Who says what: what counts now, then what contradicts it."""
        counts, contested = Standing.COUNTS, Standing.CONTESTED
        units = sorted(
            review.disputed or review.units, key=lambda each: (each.standing != counts, each.standing != contested)
        )
        voice = self.voice()
        said = [f"{each.station} {each.lpn} {voice.say(_found(each))}" for each in units[:MOST]]
        who = reduce(lambda one, other: voice.say(msg("{one}; {other}", one=one, other=other)), said)
        if len(units) == 2:
            return msg("RMA {rma} at two docks: {who}. A supervisor decides", rma=review.rma, who=who)
        if len(units) > MOST:
            who += "…"
        return msg("RMA {rma} at several docks: {who}. A supervisor decides", rma=review.rma, who=who)


MOST = 4
"""So many units are named in one line of F4; whoever decides sees all."""


def _found(unit: Reviewed) -> Message:
    return msg(
        "{grade:data}, {place:data}",
        grade=f"grade.{unit.grade}" if unit.grade else "",
        place=f"place.{unit.disposition}" if unit.disposition else "",
    )


_CHANGED = Said(msg("what the docks say has changed meanwhile"), msg("F4 shows what stands there now"))
