"""What is advised to pay back, and how; never more than was paid for what came back (domain.md §2, "State").

The full amount is the rule. Less, or nothing, means that the seller is asked, unless the seller has set a percentage.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from inspect_station.core.policy import held_days
from inspect_station.core.records import Disposition, Inspection, Kind, Money, Outcome, Reason, ReasonGroup
from inspect_station.core.rows import winner
from inspect_station.core.rules import RefundRule, Rules
from inspect_station.message import msg

ABOUT_THE_RETURN = frozenset({"eligibility", "gate", "wrong_item", "empty_box", "claim", "heavy_damage"})
"""Questions to the seller that decide about the refund, too; one about the price of resale does not."""


@dataclass(frozen=True)
class Refund:
    """The advice to whoever pays."""

    advice: str = "ask"
    """``full``, ``partial``, ``refuse``, or ``ask`` the seller."""
    amount: Money | None = None
    means: str = ""
    percent: int = 100
    """Of what was paid for this unit."""
    reasons: tuple[Reason, ...] = ()


def half_up(minor: int, per_cent: int) -> int:
    """``per_cent`` of an amount in minor units, rounded half up.

    >>> half_up(39900, 75)
    29925
    """
    return (minor * per_cent + 50) // 100


def advise(
    rules: Rules,
    inspection: Inspection,
    traits: Mapping[str, str | frozenset[str]],
    *,
    to: Disposition,
    case: str,
) -> Refund:
    """The advice for a unit that goes ``to`` somewhere, with the question that the seller is asked, if any."""
    refused = inspection.verdict.outcome is Outcome.INELIGIBLE and to is Disposition.RETURN_TO_CUSTOMER
    if inspection.kind is Kind.UNIT and not inspection.verdict.ours and refused:
        return Refund("refuse", percent=0, reasons=(_because("conditions_not_met"),))
    ours = inspection.kind is Kind.UNIT and inspection.verdict.ours
    # Nobody keeps both the article and the money, and nobody pays for what nobody has looked at.
    if not ours or to is Disposition.RETURN_TO_CUSTOMER or not traits["grade"]:
        return Refund(reasons=(_because("asked"),))
    row = _row(rules, inspection, traits)
    set_by_seller = row.percent < 100
    if case in ABOUT_THE_RETURN and not (case == "heavy_damage" and set_by_seller):
        return Refund(reasons=(_because("asked"),))
    lost = missing_shares(inspection)
    less = bool(lost) or set_by_seller or not (row.shipping or inspection.fulfilment == "fba")
    if less and _not_the_customers_doing(inspection, traits):
        return Refund(reasons=(_because("asked_less"),))
    if _unvalued(inspection):
        return Refund(reasons=(_because("asked_part"),))
    came_back = 100 - min(sum(lost.values()), 100)
    if not came_back:
        return Refund(reasons=(_because("asked"),))  # nothing is refused that no seller has refused
    percent = half_up(row.percent, came_back)
    advice = "full" if not _keeps_some(row, lost) else "partial" if row.percent else "refuse"
    reasons = tuple(_reasons(row, inspection, lost))
    return Refund(advice, _amount(inspection, row, came_back), row.means if row.percent else "", percent, reasons)


def _keeps_some(row: RefundRule, lost: Mapping[str, int]) -> bool:
    """Whether a part of what was paid for the goods is kept."""
    return row.percent < 100 or bool(lost)


def _not_the_customers_doing(inspection: Inspection, traits: Mapping[str, str | frozenset[str]]) -> bool:
    """Whether less than all must be asked for: it may be a defect, never arrived, or was at our bench since it came."""
    unclear = inspection.verdict.possible_defect or "reason" in inspection.verdict.ask
    never_had = traits["reason_group"] == ReasonGroup.UNDELIVERED
    return unclear or never_had or bool(inspection.earlier_grades)


def missing_shares(inspection: Inspection) -> Mapping[str, int]:
    """The parts of a kit that are missing, with their share of its value in per cent."""
    product = inspection.product
    gone = {finding.note for finding in inspection.findings if finding.code == "accessory_missing"}
    return {part: share for part, share in product.shares.items() if part in gone} if product else {}


def _unvalued(inspection: Inspection) -> bool:
    """Whether a part of a kit is missing of which nobody knows what it is worth."""
    product = inspection.product
    gone = {finding.note for finding in inspection.findings if finding.code == "accessory_missing"}
    return product is not None and any(part in gone and part not in product.shares for part in product.components)


def _row(rules: Rules, inspection: Inspection, traits: Mapping[str, str | frozenset[str]]) -> RefundRule:
    held = held_days(inspection.line, inspection.received_on) if inspection.line and inspection.received_on else None
    rows = [row for row in rules.refunds if not row.held_over or (held is not None and held > row.held_over)]
    # The first of equals wins: the longer time, and of two findings that were both made the higher percentage.
    row = winner(sorted(rows, key=lambda row: (-row.held_over, -row.percent)), traits)
    assert row is not None, "Rules has a refund row without any condition"
    return row


def _amount(inspection: Inspection, row: RefundRule, came_back: int) -> Money | None:
    """The unit's part of what was paid for the line, rounded down, so that all units together never exceed it."""
    line = inspection.line
    if line is None or line.paid is None:
        return None
    minor = (line.paid.minor // line.quantity * came_back * row.percent + 5_000) // 10_000
    shipped = line.shipping_paid
    if (
        shipped is not None
        and _pays_shipping(row, inspection)
        and row.percent
        and shipped.currency == line.paid.currency
    ):
        minor += shipped.minor // line.quantity
    return Money(minor=minor, currency=line.paid.currency)


def _pays_shipping(row: RefundRule, inspection: Inspection) -> bool:
    return row.shipping and inspection.fulfilment != "fba"


def _reasons(row: RefundRule, inspection: Inspection, lost: Mapping[str, int]) -> Iterator[Reason]:
    if row.percent < 100:
        message = msg("{percent} % of what was paid, as the seller has set", percent=row.percent)
        yield Reason(code=f"refund.{row.id}", message=message, met=False)
    if lost:
        message = msg(
            "{percent} % of the kit's value did not come back: {parts}",
            percent=min(sum(lost.values()), 100),
            parts=", ".join(lost),
        )
        yield Reason(code="refund.kit", message=message, met=False)
    if row.percent == 100 and not lost:
        yield Reason(code=f"refund.{row.id}", message=msg("all that was paid for what came back"))
    if inspection.fulfilment == "fba":
        yield Reason(code="refund.no_shipping", message=msg("FBA: without shipping"))
    elif not row.shipping:
        yield Reason(code="refund.no_shipping", message=msg("without shipping"))


_BECAUSE = {
    "conditions_not_met": msg("the conditions are not met"),
    "asked": msg("the seller is asked before anything is paid back"),
    "asked_part": msg("a part of the kit is missing, and its share of the value is not known: the seller is asked"),
    "asked_less": msg("less than all, though it may not be the customer's doing: the seller is asked"),
}


def _because(code: str) -> Reason:
    return Reason(code=f"refund.{code}", message=_BECAUSE[code], met=False)
