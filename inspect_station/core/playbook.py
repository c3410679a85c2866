"""A seller's rules as one text: its settings, its rows over the site's, and the cases that prove them (seed 003).

A playbook only adds: rows that are the seller's alone. It never touches another seller's returns, a hazard, a gate or
the ownership gate, and its windows may only lengthen.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from inspect_station.core.barcode import expression
from inspect_station.core.cases import Case
from inspect_station.core.policy import Exclusion, Extension, Policy, PolicyRules
from inspect_station.core.records import Grade, Seller, Words
from inspect_station.core.rows import Match, Rule
from inspect_station.core.rules import Discount, RefundRule, Route, Rules

Name = Annotated[str, Field(min_length=1)]
PerCent = Annotated[int, Field(ge=0, le=100)]


def _pattern(text: str) -> str:
    if text:
        try:
            expression(text)
        except ValueError as error:
            raise ValueError(f"not a regular expression (RE2): {error}") from None
    return text


class SellerSettings(Seller):
    """A seller's settings as somebody writes them: a value that nobody knows is a mistake, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Name
    name: Name
    not_met: Literal["ask", "tell"] = "ask"
    missing_date: Literal["ask", "accept"] = "ask"
    discount_by: Literal["warehouse", "seller"] = "warehouse"
    defective: Literal["return_to_seller", "recycle", "destroy"] = "return_to_seller"
    packaging_damaged: Literal["restock", "clearance"] = "clearance"
    windows: dict[str, int] = Field(default={})
    discounts: dict[Grade, PerCent] = Field(default={})  # type: ignore[assignment] # a Grade is a str
    rma_pattern: Annotated[str, AfterValidator(_pattern)] = ""
    criteria: dict[Grade, Words] = Field(default={})  # type: ignore[assignment]
    pictures: dict[Grade, tuple[Name, ...]] = Field(default={})  # type: ignore[assignment]
    """Reference pictures by grade: files beside the playbook."""
    returns_norm: dict[Annotated[int, Field(gt=0)], Annotated[int, Field(gt=0)]] = Field(default={})

    @model_validator(mode="after")
    def _destroys_with_a_ground(self) -> "SellerSettings":
        if self.defective == "destroy" and not self.destroy_ground:
            raise ValueError("defective = 'destroy' needs destroy_ground: why its goods are destroyed")
        return self

    def plain(self) -> Seller:
        """The record that the rest of the program knows."""
        return Seller(**self.model_dump(mode="json"))


RowOf = TypeVar("RowOf", bound=Match)


class Playbook(Rule):
    """One seller's rules."""

    seller: SellerSettings
    policies: tuple[Policy, ...] = ()
    """Return windows, under the site's ``[policy] rows``; a seller's rule may only lengthen."""
    exclusions: tuple[Exclusion, ...] = ()
    extensions: tuple[Extension, ...] = ()
    routes: tuple[Route, ...] = ()
    discounts: tuple[Discount, ...] = ()
    refunds: tuple[RefundRule, ...] = ()
    cases: tuple[Case, ...] = ()
    """What must come out; a playbook whose cases fail is not activated."""

    @model_validator(mode="before")
    @classmethod
    def _rows_are_the_sellers(cls, data: Any) -> Any:
        """Every row is the seller's, so none needs to say it; one that names another is a mistake."""
        if not isinstance(data, dict) or not isinstance(data.get("seller"), dict):
            return data
        code = data["seller"].get("code")
        owned = dict(data)
        for table in ROWS:
            rows = data.get(table)
            if isinstance(rows, list | tuple) and all(isinstance(row, dict) for row in rows):
                owned[table] = [{"seller": code, **row} for row in rows]
        return owned

    @model_validator(mode="after")
    def _no_row_is_anothers(self) -> "Playbook":
        problems = [
            f"{table}.{row.id}: seller is '{', '.join(row.seller)}' in the playbook of '{self.seller.code}'"
            for table in ROWS
            for row in getattr(self, table)
            if row.seller != (self.seller.code,)
        ]
        if problems:
            raise ValueError("; ".join(problems))
        return self


ROWS = ("policies", "exclusions", "extensions", "routes", "discounts", "refunds")
"""The tables of a playbook whose rows are the seller's."""


def version(text: str) -> str:
    """The fingerprint by which a playbook's text is known."""
    return hashlib.sha256(text.encode()).hexdigest()


def under(rules: Rules, playbooks: Iterable[Playbook]) -> Rules:
    """The site's rules with these sellers' rows added. Raises ValueError with every contradiction."""
    playbooks = tuple(playbooks)

    def added(site: tuple[RowOf, ...], table: str) -> tuple[RowOf, ...]:
        return (*site, *(_named(row, book.seller.code) for book in playbooks for row in getattr(book, table)))

    policy = PolicyRules(
        **{name: getattr(rules.policy, name) for name in PolicyRules.model_fields}
        | {
            "rows": added(rules.policy.rows, "policies"),
            "exclusions": added(rules.policy.exclusions, "exclusions"),
            "extensions": added(rules.policy.extensions, "extensions"),
        }
    )
    own = {
        "routes": added(rules.routes, "routes"),
        "discounts": added(rules.discounts, "discounts"),
        "refunds": added(rules.refunds, "refunds"),
    }
    both = Rules(**{name: getattr(rules, name) for name in Rules.model_fields} | own | {"policy": policy})
    problems = [problem for book in playbooks for problem in too_short(both.policy, book.seller.plain())]
    if problems:
        raise ValueError("; ".join(problems))
    return both


def _named(row: RowOf, seller: str) -> RowOf:
    """A row under a name that no other seller's row has."""
    return row.model_copy(update={"id": f"{seller}:{row.id}"})  # type: ignore[attr-defined]


def too_short(policy: PolicyRules, seller: Seller) -> tuple[str, ...]:
    """What is wrong with a seller's own numbers of days: no such row, or shorter than the policy's (seed 000)."""
    days = {row.id: [each.days for each in row.windows if each.until == "sent"] for row in policy.rows}
    problems = []
    for row, longer in seller.windows.items():
        if row not in days:
            problems.append(f"sellers.{seller.code}.windows.{row}: no row of [policy] has this id")
        elif any(longer < known for known in days[row]):
            problems.append(f"sellers.{seller.code}.windows.{row}: shorter than the policy's {max(days[row])} days")
    return tuple(problems)
