"""From what was observed to grade, disposition, price; every result carries its reasons.

Pure: the same inspection under the same rules gives the same decision on the station, on the hub and years later.
Eligibility comes before all this and is decided in `policy`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inspect_station.core.gates import dead, erased, gates, passed, wipe_record, wiped
from inspect_station.core.grading import grade
from inspect_station.core.records import (
    Case,
    Disposition,
    Grade,
    Inspection,
    Kind,
    Mark,
    Money,
    Outcome,
    Reason,
    Seller,
)
from inspect_station.core.rows import Words
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg

RESALE = frozenset({Disposition.RESTOCK, Disposition.CLEARANCE, Disposition.DONATE})
"""Dispositions that a closed gate forbids."""


CLOSED_TO_OTHERS = frozenset(
    {Disposition.HOLD, Disposition.RETURN_TO_CUSTOMER, Disposition.FORWARD, Disposition.QUARANTINE}
)
"""All that is possible while the article is still the customer's (the ownership gate)."""


FINISH_ROWS = ("clean", "complete", "repacked", "sterilised")


@dataclass(frozen=True)
class Decision:
    """What becomes of a unit and why."""

    grade: Grade | None
    disposition: Disposition
    reasons: tuple[Reason, ...]
    gates: tuple[str, ...] = ()
    discount: int | None = None
    list_price: Money | None = None
    price: Money | None = None
    refund: str = ""
    case: str = ""
    """The question put to the seller; empty = nothing to ask."""


def half_up(minor: int, per_cent: int) -> int:
    """``minor`` reduced by ``per_cent``, rounded half up, in minor units.

    >>> half_up(39900, 25)
    29925
    """
    return (minor * (100 - per_cent) + 50) // 100


def discounted(list_price: Money, per_cent: int, minimum: Money | None) -> Money:
    """The price after the discount, never below the minimum of the product (domain.md §3.5)."""
    minor = half_up(list_price.minor, per_cent)
    if minimum is not None and minimum.currency == list_price.currency:
        minor = max(minor, minimum.minor)
    return Money(minor=minor, currency=list_price.currency)


def decide(rules: Rules, seller: Seller, inspection: Inspection) -> Decision:
    """All decisions about a unit as it stands now, complete or not.

    The order is the order of harm: danger first, then whose the article is, then the gates, then the route of the
    grade and the seller's wishes (domain.md §2, §3).
    """
    graded, why = grade(rules, inspection)
    closed = gates(rules, inspection)
    decision = Decision(grade=graded, disposition=Disposition.HOLD, reasons=why, gates=closed, refund="full")
    return _route(rules, seller, inspection, decision)


def _because(decision: Decision, to: Disposition, code: str, message: Message, case: str = "") -> Decision:
    reason = Reason(code=code, message=message, met=to in RESALE)
    return replace(
        decision,
        disposition=to,
        reasons=(reason, *decision.reasons),
        case=case,
        refund="ask" if case else decision.refund,
    )


def _route(rules: Rules, seller: Seller, inspection: Inspection, decision: Decision) -> Decision:
    quarantined = [code for code in decision.gates if rules.gate(code).route is Disposition.QUARANTINE]
    if inspection.kind is Kind.DANGER or quarantined or inspection.found("hazard"):
        message = msg("heat, smell, leak or swelling: move it to the quarantine box first")
        return _because(decision, Disposition.QUARANTINE, "route.hazard", message)
    match inspection.kind:
        case Kind.FORWARD:
            message = msg("this RMA belongs to another site: forward it ungraded")
            return _because(decision, Disposition.FORWARD, "route.forward", message)
        case Kind.WRONG_ITEM:
            message = msg("not the product that was announced: the seller decides")
            return _because(decision, Disposition.HOLD, "route.wrong_item", message, "wrong_item")
        case Kind.EMPTY_BOX:
            message = msg("nothing in the box: the seller decides")
            return _because(decision, Disposition.HOLD, "route.empty_box", message, "empty_box")
        case Kind.UNKNOWN:
            message = msg("not announced to us: held until it is matched")
            return _because(decision, Disposition.HOLD, "route.unknown", message, "claim")
    if inspection.held:
        message = msg("held by hand: {reason}", reason=inspection.held)
        return _because(decision, Disposition.HOLD, "route.held", message)
    if not inspection.verdict.ours:
        return _not_ours(seller, inspection, decision)
    for code in decision.gates:
        gate = rules.gate(code)
        message = msg("{gate:data}: closed to resale", gate=f"gate.{code}")
        return _because(decision, gate.route, f"gate.{code}", message, "gate" if gate.case else "")
    if any(not photo.sha256 for photo in inspection.photos):
        message = msg("a photo is owed: held until it is taken")
        return _because(decision, Disposition.HOLD, "route.photo_owed", message)
    return _ours(rules, seller, inspection, decision)


def _not_ours(seller: Seller, inspection: Inspection, decision: Decision) -> Decision:
    """Conditions not met: tell the customer at once or ask the seller, as the seller has set (seed 003)."""
    if inspection.verdict.outcome is Outcome.INELIGIBLE and seller.not_met == "tell":
        message = msg("the conditions are not met: back to the customer")
        return replace(_because(decision, Disposition.RETURN_TO_CUSTOMER, "route.ineligible", message), refund="refuse")
    message = msg("still the customer's: the seller is asked before anything else is done")
    return _because(decision, Disposition.HOLD, "route.not_ours", message, "eligibility")


def _ours(rules: Rules, seller: Seller, inspection: Inspection, decision: Decision) -> Decision:
    if decision.grade is None:
        return _because(decision, Disposition.HOLD, "route.no_grade", msg("not graded yet"))
    if decision.grade is Grade.DEFECTIVE:
        return _defective(rules, seller, inspection, decision)
    if inspection.found("hygiene_seal_broken"):
        message = msg("hygiene seal broken: not resellable")
        return _because(decision, Disposition.RETURN_TO_SELLER, "route.hygiene", message)
    rule = rules.grades[decision.grade]
    undone = [row for row in ("clean", "repacked") if _row_failed(inspection, row)]
    if decision.grade is Grade.NEW:
        undone = []  # what was never opened is neither cleaned nor repacked
    if undone:
        message = msg("not yet {what:word}: back to the bench", what=undone[0])
        return _because(decision, Disposition.REFURBISH, f"route.{undone[0]}", message)
    priced = _priced(rules, seller, inspection, decision)
    if rule.case:
        message = msg("{grade:data}: the seller decides from the photos", grade=f"grade.{decision.grade}")
        return _because(priced, rule.route, f"route.{rule.case}", message, rule.case)
    to = rule.route
    if to is Disposition.RESTOCK and inspection.found("packaging_damaged") and seller.packaging_damaged != "restock":
        to = Disposition.CLEARANCE
        priced = _priced(rules, seller, inspection, decision, as_grade=Grade.OPENED)
        message = msg("sealed, but the packaging is damaged: {seller} sells it apart", seller=seller.name)
        return _because(priced, to, "route.packaging", message)
    if to is Disposition.CLEARANCE and priced.price is None:
        message = msg("no list price is known for {ean}: the seller is asked", ean=_ean(inspection))
        return _because(priced, Disposition.HOLD, "route.no_price", message, "price")
    if to is Disposition.CLEARANCE and seller.discount_by == "seller":
        message = msg("{seller} sets the discount from the photo", seller=seller.name)
        return _because(priced, Disposition.HOLD, "route.discount_by_seller", message, "price")
    if to is Disposition.RESTOCK:
        return _because(priced, to, "route.new", msg("unopened counts as new: back to stock"))
    message = msg(
        "{grade:data}: sold apart at −{percent} %",
        grade=f"grade.{decision.grade}",
        percent=priced.discount or 0,
    )
    return _because(priced, to, "route.grade", message)


def _row_failed(inspection: Inspection, row: str) -> bool:
    answer = inspection.answer(f"finish.{row}")
    return answer is not None and answer.mark is Mark.FAIL


def _ean(inspection: Inspection) -> str:
    return inspection.product.ean if inspection.product else inspection.scanned


def _defective(rules: Rules, seller: Seller, inspection: Inspection, decision: Decision) -> Decision:
    """Back to the seller at intervals, or destroyed with a ground and a supervisor (seed 003)."""
    to = Disposition.RECYCLE if seller.defective == "recycle" else Disposition.RETURN_TO_SELLER
    if erased(rules, inspection):
        return _because(decision, to, "route.defective", msg("defective: collected for {seller}", seller=seller.name))
    message = msg("defective, data not erased: collected for {seller}", seller=seller.name)
    return _because(decision, Disposition.RETURN_TO_SELLER, "route.defective_not_erased", message)


def _priced(
    rules: Rules, seller: Seller, inspection: Inspection, decision: Decision, *, as_grade: Grade | None = None
) -> Decision:
    """List price, discount and price, in the minor unit (domain.md §3.5)."""
    graded = as_grade or decision.grade
    product = inspection.product
    if graded is None or product is None or product.price is None:
        return decision
    percent = seller.discounts.get(graded, rules.grades[graded].discount)
    percent += sum(rules.finding(finding.code).points for finding in inspection.findings)
    percent = min(percent, rules.pricing.cap)
    return replace(
        decision,
        discount=percent,
        list_price=product.price,
        price=discounted(product.price, percent, product.min_price),
    )


def why(rules: Rules, inspection: Inspection, decision: Decision) -> tuple[Words | Message, ...]:
    """The parts of the text that says why a unit is sold apart (seed 003), in the order of the label."""
    if inspection.text:
        return ({"en": inspection.text},)
    parts: list[Words | Message] = []
    rated = [rules.finding(finding.code) for finding in inspection.findings]
    seen = [finding.label for finding in rated if finding.floor is not None or finding.points]
    if not seen and decision.grade is not None and rules.grades[decision.grade].default_finding:
        seen = [rules.finding(rules.grades[decision.grade].default_finding).label]
    parts += seen
    checklist = rules.checklist(inspection.product)
    if checklist is not None and checklist.test and not dead(checklist, inspection):
        if passed(checklist, "test", inspection):
            parts.append(msg("tested"))
        if checklist.wipe and wiped(checklist, inspection):
            parts.append(msg("reset"))
    if decision.grade not in (None, Grade.NEW) and decision.disposition in RESALE:
        parts.append(msg("cleaned"))
    if not erased(rules, inspection):
        parts.append(msg("DATA NOT ERASED"))
    return tuple(parts)


def finished(
    rules: Rules, seller: Seller, inspection: Inspection, *, by: str, at: datetime, rules_hash: str
) -> Inspection:
    """The inspection with its decision written into it, as it will be stored and sent."""
    decision = decide(rules, seller, inspection)
    case = None
    if decision.case:
        case = Case(
            question=decision.case,
            proposal=decision.disposition,
            default=Disposition.HOLD,
            due_at=at + timedelta(hours=rules.case_hours),
        )
    resold = decision.disposition in RESALE or decision.case in ("price", "heavy_damage")
    return inspection.but(
        dock=dock_codes(rules, inspection, decision),
        wipe=wipe_record(rules, inspection),
        grade=decision.grade,
        disposition=decision.disposition,
        price=decision.price if resold else None,
        list_price=decision.list_price,
        discount=decision.discount if resold else None,
        reasons=decision.reasons,
        gates=decision.gates,
        refund=decision.refund,
        case=case,
        finished_at=at,
        finished_by=by,
        rules_hash=rules_hash,
        page="done",
        shown_at=None,
    )


_KIND_CODES = {Kind.WRONG_ITEM: "WRONG_ITEM", Kind.EMPTY_BOX: "EMPTY_BOX", Kind.DANGER: "HAZARD"}


def dock_codes(rules: Rules, inspection: Inspection, decision: Decision) -> tuple[str, ...]:
    """What was found at the dock (domain.md §3.1): never mixed with what the customer stated."""
    codes = [code for finding in inspection.findings if (code := rules.finding(finding.code).dock)]
    if inspection.kind in _KIND_CODES:
        codes.append(_KIND_CODES[inspection.kind])
    stated_defect = inspection.line is not None and rules.policy.stated(inspection.line.reason).group == "defect"
    checklist = rules.checklist(inspection.product)
    if stated_defect and inspection.kind is Kind.UNIT:
        if decision.grade is Grade.DEFECTIVE:
            codes.append("CONFIRMED")
        elif checklist is not None and checklist.test and passed(checklist, "test", inspection):
            codes.append("NO_FAULT_FOUND")
    return tuple(dict.fromkeys(codes))
