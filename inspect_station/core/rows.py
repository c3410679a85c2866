"""Rows of rules as data: what a row applies to, and which of several rows counts.

Of the rows of a table that match a return, the one with most conditions counts. Two that match one return equally well
are a mistake of the table, found when it is read (domain.md §2).
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from itertools import product as every_combination
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from inspect_station.core.records import ReasonGroup


class Rule(BaseModel):
    """A frozen piece of configuration; an unknown key is an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def several(value: Any) -> Any:
    """One value where a list is expected."""
    return (value,) if isinstance(value, str) else value


Values = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(several)]
"""What a row may match: one value or a list of them; empty = any."""


class Match(Rule):
    """What a row applies to; a field left out means any."""

    matched: ClassVar[tuple[str, ...]] = (
        "seller",
        "channel",
        "category",
        "device_class",
        "sold_as",
        "fulfilment",
        "reason_group",
    )
    """The traits of a return that rows of this table may name; each is a field of the row."""

    seller: Values = ()
    channel: Values = ()
    category: Values = ()
    device_class: Values = ()
    sold_as: Values = ()
    """``new`` or ``used``."""
    fulfilment: Values = ()
    """``seller`` or ``fba``."""
    reason_group: Annotated[tuple[ReasonGroup, ...], BeforeValidator(several)] = ()

    @property
    def fields(self) -> frozenset[str]:
        """The fields that this row restricts."""
        return frozenset(field for field in self.matched if getattr(self, field))

    @property
    def conditions(self) -> int:
        """How many conditions it has: the row with most of them counts."""
        return len(self.fields)

    def matches(self, traits: Mapping[str, str | frozenset[str]]) -> bool:
        """Whether a return with these traits (field → value, or all of several values) is meant."""
        return all(self.allows(field, traits[field]) for field in self.fields)

    def allows(self, field: str, trait: str | frozenset[str]) -> bool:
        """Whether this one condition holds."""
        values = getattr(self, field)
        return trait in values if isinstance(trait, str) else not trait.isdisjoint(values)


Row = TypeVar("Row", bound=Match)


def winner(rows: Sequence[Row], traits: Mapping[str, str | frozenset[str]]) -> Row | None:
    """The row that counts: of those that match, the first with most conditions; None where none matches."""
    return max((row for row in rows if row.matches(traits)), key=lambda row: row.conditions, default=None)


# ── Rows against each other ──────────────────────────────────────────────────────────────────────────────────────────


def ties(rows: Sequence[Row]) -> list[tuple[Row, Row]]:
    """Pairs of rows between which nothing decides for some return.

    Two rows tie when one return matches both, both have equally many conditions, and no row with more conditions
    matches that return. Exact: one return of each kind that the rows can tell apart is tried, among them one
    with values that no row names.
    """
    found = []
    for one, other in combinations(rows, 2):
        if one.conditions != other.conditions or common_to(one, other) is None:
            continue
        rivals = [row for row in rows if row.conditions > one.conditions and common_to(one, other, row) is not None]
        if any(not any(rival.matches(traits) for rival in rivals) for traits in kinds_of(one, other, among=rivals)):
            found.append((one, other))
    return found


def common_to(*rows: Match) -> dict[str, set[str]] | None:
    """What a return must be to match all these rows; None if none can."""
    common: dict[str, set[str]] = {}
    for row in rows:
        for field in row.fields:
            values = set(getattr(row, field))
            common[field] = common.get(field, values) & values
    return common if all(common.values()) else None


def kinds_of(one: Row, other: Row, *, among: Sequence[Row]) -> Iterator[dict[str, str]]:
    """Traits of every kind of return that both rows match, as far as the rows ``among`` tell kinds apart."""
    common = common_to(one, other)
    if common is None:
        return
    choices = []
    for field in one.matched:
        named = common.get(field) or {value for row in among for value in getattr(row, field)} | {""}
        # Values between which no row distinguishes are one kind: a list of forty articles costs no more than one.
        told_apart = {tuple(value in getattr(row, field) for row in among): value for value in sorted(named)}
        choices.append(tuple(told_apart.values()))
    for values in every_combination(*choices):
        yield dict(zip(one.matched, values, strict=True))
