"""Batches: units that leave together, back to their seller, to be recycled or to be destroyed (seed 003: at intervals).

Who may join, when one may be closed and what may become of it. A rule answers with the reason why not, or with nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum

from inspect_station.core.gates import erased
from inspect_station.core.records import Disposition, Grade, Inspection, Reason, Record, Role
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg, msgn

PROPERTY = "customer_property"
"""The finding that something of a customer's was in it."""


class Route(StrEnum):
    """Where a batch goes."""

    RETURN = "return"
    RECYCLE = "recycle"
    DESTROY = "destroy"


class Fate(StrEnum):
    """What became of a batch."""

    RETURNED = "returned"
    RECYCLED = "recycled"
    DESTROYED = "destroyed"


ROUTES: Mapping[Disposition, Route] = {
    Disposition.RETURN_TO_SELLER: Route.RETURN,
    Disposition.RECYCLE: Route.RECYCLE,
    Disposition.DESTROY: Route.DESTROY,
}
"""Units that go elsewhere are in no batch."""
USUAL: Mapping[Route, Fate] = {
    Route.RETURN: Fate.RETURNED,
    Route.RECYCLE: Fate.RECYCLED,
    Route.DESTROY: Fate.DESTROYED,
}
"""What a route leads to; destroying takes a supervisor all the same."""


class Member(Record):
    """A unit in a batch, with what a list of them shows."""

    inspection: str
    """Id of its inspection."""
    lpn: str
    joined_at: datetime
    joined_by: str
    rma: str = ""
    title: str = ""
    serial: str = ""
    grade: Grade | None = None
    property_inside: bool = False
    """Something of the customer's was found in it, and nobody has said that it is out."""
    disputed: bool = False
    """Two docks contradict each other about it, and nobody has decided."""


class Ending(Record):
    """What became of a batch, with its proof."""

    fate: Fate
    on: date
    """The day on which it happened."""
    photo: str
    """SHA-256 of the picture that proves it."""
    ground: str = ""
    """Why, where it was destroyed or did not go the way it was collected for."""
    supervisor: str = ""
    """Who ordered that."""
    by: str
    at: datetime


class Batch(Record):
    """A container of units of one seller with one route."""

    id: str
    number: str
    """Our own, and its barcode (`barcode.next_batch`)."""
    station: str
    seller: str
    route: Route
    opened_at: datetime
    opened_by: str
    units: tuple[Member, ...] = ()
    """Those that are in it, in the order in which they joined."""
    closed_at: datetime | None = None
    closed_by: str = ""
    sealed_no: int | None = None
    """1, 2, 3… in the order of this station's closings."""
    seal: str = ""
    """The number on the seal, where it has one of its own."""
    ending: Ending | None = None
    revision: int = 0
    """0 while it is open; then of what the hub is told."""

    def member(self, lpn: str) -> Member | None:
        """The unit with this plate, if it is in here."""
        return next((each for each in self.units if each.lpn == lpn), None)


def told(batch: Batch) -> dict[str, object]:
    """The body of ``batch.closed``: a closed batch as the hub is told of it, at its closing and whenever it is known
    what became of it. The higher revision counts."""
    body = batch.model_dump(mode="json", exclude={"units"})
    return {**body, "units": [{"lpn": each.lpn, "inspection": each.inspection} for each in batch.units]}


def route_of(unit: Inspection) -> Route | None:
    """The route of the batch that a finished unit belongs into; None where it goes another way."""
    if unit.finished_at is None or unit.voided_at is not None or unit.disposition is None:
        return None
    return ROUTES.get(unit.disposition)


def keeps_out(
    unit: Inspection, batch: Batch | None, *, held_by: str = "", reopened: bool = False, disputed: bool = False
) -> Reason | None:
    """Why a unit cannot join this batch, or (None) the open one of its seller and route; None where it can.

    ``held_by`` is the number of the batch that it is in; ``reopened``: somebody is working on it again; ``disputed``:
    two docks contradict each other about it, so nothing leaves (sync.md §2.4).
    """
    return next(_keeping_out(unit, batch, held_by, reopened, disputed), None)


def _keeping_out(
    unit: Inspection, batch: Batch | None, held_by: str, reopened: bool, disputed: bool
) -> Iterator[Reason]:
    lpn = unit.lpn
    if batch is not None and batch.closed_at is not None:
        yield _because("closed", msg("{batch} is closed: nothing joins it any more", batch=batch.number))
    if unit.finished_at is None or reopened:
        yield _because("not_finished", msg("{lpn} is not finished: it joins no batch", lpn=lpn))
    if unit.voided_at is not None:
        yield _because("void", msg("{lpn} is void: it joins no batch", lpn=lpn))
    if held_by and batch is not None and held_by == batch.number:
        yield _because("in_here", msg("{lpn} is in {batch} already", lpn=lpn, batch=held_by))
    if held_by:
        yield _because("in_another", msg("{lpn} is in {batch}", lpn=lpn, batch=held_by))
    if disputed:
        yield _because("disputed", msg("two docks contradict each other about {lpn}: it joins no batch", lpn=lpn))
    if not unit.verdict.ours:
        yield _because(
            "not_ours", msg("{lpn} is still the customer's until the seller accepts it: it joins no batch", lpn=lpn)
        )
    route = route_of(unit)
    if route is None:
        place = f"place.{unit.disposition or Disposition.HOLD}"
        yield _because(
            "elsewhere", msg("{lpn} belongs elsewhere: {place:data}. It joins no batch", lpn=lpn, place=place)
        )
    if batch is not None and unit.seller != batch.seller:
        yield _because("seller", msg("{lpn} is another seller's than {batch}", lpn=lpn, batch=batch.number))
    if batch is not None and route is not batch.route:
        yield _because("route", msg("{lpn} goes another way than {batch}", lpn=lpn, batch=batch.number))


def keeps_in(batch: Batch, lpn: str) -> Reason | None:
    """Why a unit cannot be taken out of a batch; None where it can."""
    if batch.closed_at is not None:
        return _because("closed", msg("{batch} is closed: nothing is taken out any more", batch=batch.number))
    if batch.member(lpn) is None:
        return _because("not_in_here", msg("{lpn} is not in {batch}", lpn=lpn, batch=batch.number))
    return None


def keeps_open(batch: Batch) -> tuple[Reason, ...]:
    """All that stands against closing a batch; empty where it can be closed."""
    return tuple(_keeping_open(batch))


def _keeping_open(batch: Batch) -> Iterator[Reason]:
    if batch.closed_at is not None:
        yield _because("closed", msg("{batch} is closed already", batch=batch.number))
    elif not batch.units:
        yield _because("empty", msg("{batch} is empty", batch=batch.number))
    inside = [each.lpn for each in batch.units if each.property_inside]
    if inside and batch.closed_at is None:
        said = msgn(
            "something of a customer's is still in {lpn}",
            "something of a customer's is still in {n} units: {lpn}…",
            n=len(inside),
            lpn=inside[0],
        )
        yield _because("property", said)
    disputed = [each.lpn for each in batch.units if each.disputed]
    if disputed and batch.closed_at is None:
        said = msgn(
            "two docks contradict each other about {lpn}: a supervisor decides, F4",
            "two docks contradict each other about {n} units, {lpn}…: a supervisor decides, F4",
            n=len(disputed),
            lpn=disputed[0],
        )
        yield _because("disputed", said)


def needs_order(batch: Batch, fate: Fate) -> Message | None:
    """Why this fate takes a supervisor and a ground; None where any operator may note it."""
    if batch.ending is not None:
        return msg("what became of {batch} is noted already: only a supervisor corrects it", batch=batch.number)
    if fate is Fate.DESTROYED:
        return msg("only a supervisor has {batch} destroyed", batch=batch.number)
    if fate is not USUAL[batch.route]:
        return msg("{batch} was collected for another way: only a supervisor changes it", batch=batch.number)
    return None


def not_yet(batch: Batch, on: date, today: date, closed_on: date | None) -> Reason | None:
    """Why nothing can be noted of a batch for this day; None where it can. ``closed_on``: the day of its closing."""
    if closed_on is None:
        return _because("open", msg("{batch} is still open: close it first", batch=batch.number))
    if on > today:
        return _because("future", msg("{on:date} has not come yet", on=on.isoformat()))
    if on < closed_on:
        said = msg("{batch} was closed on {closed:date}", batch=batch.number, closed=closed_on.isoformat())
        return _because("before", said)
    return None


def forbids(
    rules: Rules, batch: Batch, units: Sequence[Inspection], fate: Fate, *, role: Role, ground: str
) -> Reason | None:
    """Why this cannot be noted of a batch with these units; None where it can.

    A customer's data never leaves as waste (domain.md §3.4), whoever orders it.
    """
    if fate is not Fate.RETURNED:
        bearing = next((unit.lpn for unit in units if not erased(rules, unit)), "")
        if bearing:
            return _because("not_erased", msg("data not erased in {lpn}: only back to the seller", lpn=bearing))
    order = needs_order(batch, fate)
    if order is not None and role is not Role.SUPERVISOR:
        return _because("supervisor", order)
    if order is not None and not ground:
        return _because("ground", msg("{batch}: say why, it is kept", batch=batch.number))
    return None


def _because(code: str, message: Message) -> Reason:
    return Reason(code=code, message=message, met=False)
