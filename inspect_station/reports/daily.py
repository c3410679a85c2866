"""The day's grading: per seller, grade, disposition and operator."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from inspect_station.core.records import Disposition, Money


class Graded(Protocol):
    """Current, not voided units of the day that agree in all that is no number, as the store lists them."""

    @property
    def seller(self) -> str: ...
    @property
    def grade(self) -> str | None: ...
    @property
    def disposition(self) -> str | None: ...
    @property
    def operator(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def units(self) -> int: ...
    @property
    def photos(self) -> int: ...
    @property
    def list_minor(self) -> int: ...
    @property
    def price_minor(self) -> int: ...
    @property
    def waiting(self) -> int: ...
    @property
    def clock_suspect(self) -> int: ...


@dataclass(frozen=True)
class Line:
    """All units that agree in seller, grade, disposition, operator and currency."""

    seller: str
    grade: str
    """Empty = no grade (wrong item, empty box, unannounced, hazard)."""
    disposition: str
    operator: str
    currency: str
    units: int = 0
    photos: int = 0
    recovered: int = 0
    """Value recovered in the currency's minor unit."""
    waiting: int = 0
    """Units whose case waits for the seller."""
    clock_suspect: int = 0
    """Units that were finished while the station's clock was not to be believed."""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What the line is grouped by."""
        return self.seller, self.grade, self.disposition, self.operator, self.currency


@dataclass(frozen=True)
class Daily:
    """The report of one or more days at one station or hub."""

    station: str
    first: date
    last: date
    lines: tuple[Line, ...]

    @property
    def units(self) -> int:
        """Units in the report."""
        return sum(line.units for line in self.lines)

    @property
    def photos(self) -> int:
        """Photos of these units."""
        return sum(line.photos for line in self.lines)

    @property
    def waiting(self) -> int:
        """Units whose case waits for the seller."""
        return sum(line.waiting for line in self.lines)

    @property
    def clock_suspect(self) -> int:
        """Units that were finished while the station's clock was not to be believed."""
        return sum(line.clock_suspect for line in self.lines)

    @property
    def recovered(self) -> tuple[Money, ...]:
        """Value recovered by currency; never summed across currencies."""
        currencies = sorted({line.currency for line in self.lines if line.currency})
        return tuple(
            Money(minor=sum(line.recovered for line in self.lines if line.currency == each), currency=each)
            for each in currencies
        )


def recovered(units: Graded) -> int:
    """Restock at list, clearance at its price, 0 for the rest (domain.md §3.5), in minor units."""
    match units.disposition:
        case Disposition.RESTOCK:
            return units.list_minor
        case Disposition.CLEARANCE:
            return units.price_minor
        case _:
            return 0


def daily(station: str, first: date, last: date, graded: Iterable[Graded], operators: str = "pseudonym") -> Daily:
    """Group the units; ``operators`` is ``off``, ``pseudonym`` (the code) or ``name`` (as the caller maps it)."""
    groups: dict[tuple[str, str, str, str, str], Line] = {}
    for units in graded:
        empty = Line(
            seller=units.seller,
            grade=units.grade or "",
            disposition=units.disposition or Disposition.HOLD,
            operator="" if operators == "off" else units.operator,
            currency=units.currency,
        )
        so_far = groups.get(empty.key, empty)
        groups[empty.key] = Line(
            *empty.key,
            units=so_far.units + units.units,
            photos=so_far.photos + units.photos,
            recovered=so_far.recovered + recovered(units),
            waiting=so_far.waiting + units.waiting,
            clock_suspect=so_far.clock_suspect + units.clock_suspect,
        )
    return Daily(station, first, last, tuple(groups[key] for key in sorted(groups)))
