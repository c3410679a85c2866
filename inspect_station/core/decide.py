"""From what was observed to disposition, price and refund; every result carries its reasons.

Pure: the same inspection under the same rules gives the same decision on the station, on the hub and years later.
Eligibility comes before all this and is decided in `policy`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache

from inspect_station.core.gates import dead, erased, gates, passed, unproven, wipe_record, wiped
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
    ReasonGroup,
    Seller,
    Words,
)
from inspect_station.core.refund import ABOUT_THE_RETURN, Refund, advise, missing_shares
from inspect_station.core.rows import winner
from inspect_station.core.rules import CLOSED_TO_OTHERS, Discount, FindingRule, Route, Rules
from inspect_station.message import Message, msg

RESALE = frozenset({Disposition.RESTOCK, Disposition.CLEARANCE, Disposition.DONATE})
"""Dispositions that a closed gate forbids."""


LEAVES_AS_WASTE = frozenset({Disposition.RECYCLE, Disposition.DESTROY, Disposition.DONATE})
"""Dispositions that put a memory with data into strangers' hands (domain.md §3.4)."""

FINISH_ROWS = ("clean", "complete", "repacked", "sterilised")


@dataclass(frozen=True)
class Decision:
    """What becomes of a unit and why."""

    grade: Grade | None
    disposition: Disposition
    reasons: tuple[Reason, ...]
    gates: tuple[str, ...] = ()
    route: str = ""
    """Id of the row that sends it there; empty = no row: a gate, a hazard, a hand."""
    discount: int | None = None
    list_price: Money | None = None
    price: Money | None = None
    case: str = ""
    """The question put to the seller; empty = nothing to ask."""
    refund: Refund = field(default_factory=Refund)


def discounted(list_price: Money, per_cent: int, minimum: Money | None, round_to: int = 1) -> Money:
    """The price after the discount, a multiple of ``round_to`` minor units rounded half up, and never below the minimum
    of the product (domain.md §3.5)."""
    minor = (list_price.minor * (100 - per_cent) + 50 * round_to) // (100 * round_to) * round_to
    # Coarse rounding neither raises a price above the list's nor gives the article away.
    minor = min(max(minor, min(round_to, list_price.minor) if per_cent < 100 else 0), list_price.minor)
    if minimum is not None and minimum.currency == list_price.currency:
        minor = max(minor, minimum.minor)
    return Money(minor=minor, currency=list_price.currency)


def traits(rules: Rules, inspection: Inspection) -> Mapping[str, str | frozenset[str]]:
    """What rows of routes, discounts and refunds may ask about a unit."""
    product, line = inspection.product, inspection.line
    stated = rules.policy.stated(line.reason) if line else None
    return {
        "seller": inspection.seller,
        "channel": inspection.channel,
        "category": product.category if product else "",
        "device_class": product.device_class if product else "",
        "gtin": product.gtin if product else "",
        "sold_as": line.sold_as if line else "",
        "fulfilment": inspection.fulfilment,
        "reason_group": stated.group if stated else ReasonGroup.NONE,
        "at_fault": stated.at_fault if stated else "",
        "grade": grade(rules, inspection)[0] or "",
        "finding": frozenset(finding.code for finding in inspection.findings),
    }


@dataclass(frozen=True)
class _Unit:
    """What is decided about, and by what."""

    rules: Rules
    seller: Seller
    inspection: Inspection
    known: Mapping[str, str | frozenset[str]]


def decide(rules: Rules, seller: Seller, inspection: Inspection) -> Decision:
    """All decisions about a unit as it stands now, complete or not.

    The order is the order of harm: danger first, then whose the article is, then the gates, then the rows of the routes
    and the seller's wishes (domain.md §2, §3). A supervisor's order stands over the rows, never over what is before.
    """
    graded, why = grade(rules, inspection)
    closed = gates(rules, inspection)
    unit = _Unit(rules, seller, inspection, traits(rules, inspection))
    decision = Decision(grade=graded, disposition=Disposition.HOLD, reasons=why, gates=closed)
    plain = _route(unit, decision)
    decision = _rerouted(unit, plain)
    # Where the box is put says nothing about the money: what the seller is asked stays asked.
    asked = _asked_somewhere(unit, plain)
    case = asked if asked in ABOUT_THE_RETURN else plain.case or asked
    refund = advise(rules, inspection, _as_it_came(unit), to=decision.disposition, case=case)
    return replace(decision, refund=refund)


def _asked_somewhere(unit: _Unit, plain: Decision) -> str:
    """What the seller is asked about the unit as it came, whatever else holds it: an owed photo, a hand, the wash."""
    if unit.inspection.kind is not Kind.UNIT or not unit.inspection.verdict.ours or plain.grade is None:
        return ""
    row = _row(replace(unit, known=_as_it_came(unit)))
    return row.case if row else ""


def _as_it_came(unit: _Unit) -> Mapping[str, str | frozenset[str]]:
    """The traits by which the customer is paid: what happened at our bench since is not the customer's doing."""
    earlier = unit.inspection.earlier_grades
    return {**unit.known, "grade": earlier[0]} if earlier else unit.known


def _because(decision: Decision, to: Disposition, code: str, message: Message, case: str = "") -> Decision:
    reason = Reason(code=code, message=message, met=to in RESALE)
    return replace(decision, disposition=to, reasons=(reason, *decision.reasons), case=case)


def _route(unit: _Unit, decision: Decision) -> Decision:
    quarantined = [code for code in decision.gates if unit.rules.gate(code).route is Disposition.QUARANTINE]
    if unit.inspection.kind is Kind.DANGER or quarantined or unit.inspection.found("hazard"):
        message = msg("heat, smell, leak or swelling: move it to the quarantine box first")
        return _because(decision, Disposition.QUARANTINE, "route.hazard", message)
    match unit.inspection.kind:
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
    if unit.inspection.held:
        message = msg("held by hand: {reason}", reason=unit.inspection.held)
        return _because(decision, Disposition.HOLD, "route.held", message)
    if not unit.inspection.verdict.ours:
        return _not_ours(unit, decision)
    # Of several the one counts that asks the seller, then one that holds: one more must not make it easier to leave.
    closed = [unit.rules.gate(code) for code in decision.gates]
    gate = min(closed, key=lambda gate: (not gate.case, gate.route is not Disposition.HOLD), default=None)
    if gate is not None:
        message = msg("{gate:data}: closed to resale", gate=f"gate.{gate.code}")
        return _because(decision, gate.route, f"gate.{gate.code}", message, "gate" if gate.case else "")
    if _owes_photo(unit.inspection):
        return _because(decision, Disposition.HOLD, "route.photo_owed", PHOTO_OWED)
    return _ours(unit, decision)


PHOTO_OWED = msg("a photo is owed: held until it is taken")


def _owes_photo(inspection: Inspection) -> bool:
    """Whether the camera was down when a photo was due."""
    return any(not photo.sha256 for photo in inspection.photos)


@lru_cache(maxsize=256)
def _wishes(
    seller: str, not_met: str, discount_by: str, defective: str, packaging: str, ground: str, weee: tuple[str, ...]
) -> tuple[Route, ...]:
    """A seller's settings as the rows that they are short for (seed 003)."""
    rows = []
    if not_met == "tell":
        rows.append(
            Route(
                id="not_met",
                source="003",
                seller=(seller,),
                outcome=(Outcome.INELIGIBLE,),
                to=Disposition.RETURN_TO_CUSTOMER,
            )
        )
    if discount_by == "seller":
        apart = (Grade.OPENED, Grade.USED, Grade.LIGHT)
        asked = Route(id="discount_by", source="003", seller=(seller,), grade=apart, to=Disposition.HOLD, case="price")
        rows.append(asked)
    if packaging == "restock" or discount_by == "seller":
        damaged = Route(
            id="packaging_damaged",
            source="ours",
            seller=(seller,),
            grade=(Grade.NEW,),
            finding=("packaging_damaged",),
            to=Disposition.RESTOCK if packaging == "restock" else Disposition.HOLD,
            case="" if packaging == "restock" else "price",
            as_grade=None if packaging == "restock" else Grade.OPENED,
        )
        rows.append(damaged)
    if defective == "recycle" and weee:
        recycled = Route(
            id="recycle",
            source="003",
            seller=(seller,),
            grade=(Grade.DEFECTIVE,),
            category=weee,
            to=Disposition.RECYCLE,
        )
        rows.append(recycled)
    if defective == "destroy" and ground:
        destroyed = Route(
            id="destroy",
            source="003",
            seller=(seller,),
            grade=(Grade.DEFECTIVE,),
            to=Disposition.DESTROY,
            ground=ground,
        )
        rows.append(destroyed)
    return tuple(rows)


@lru_cache(maxsize=256)
def _own_discounts(seller: str, discounts: tuple[tuple[str, int], ...]) -> tuple[Discount, ...]:
    return tuple(
        Discount(id=f"discounts.{grade}", source="003", seller=(seller,), grade=(Grade(grade),), percent=percent)
        for grade, percent in discounts
    )


def _row(unit: _Unit) -> Route | None:
    """The row that counts; a row of the tables goes before a setting that says as much."""
    wishes = _wishes(
        unit.seller.code,
        unit.seller.not_met,
        unit.seller.discount_by,
        unit.seller.defective,
        unit.seller.packaging_damaged,
        unit.seller.destroy_ground,
        unit.rules.weee,
    )
    outcome = Outcome.ELIGIBLE if unit.inspection.verdict.ours else unit.inspection.verdict.outcome
    return winner([row for row in (*unit.rules.routes, *wishes) if outcome in row.outcome], unit.known)


def _not_ours(unit: _Unit, decision: Decision) -> Decision:
    """Conditions not met: tell the customer at once or ask the seller, as the seller has set (seed 003)."""
    row = _row(unit)
    back = row is not None and row.to is Disposition.RETURN_TO_CUSTOMER
    if back and _owes_photo(unit.inspection):
        return _because(decision, Disposition.HOLD, "route.photo_owed", PHOTO_OWED)
    # What never reached the customer cannot go back there, and what is not what was sold must not.
    stays = unit.known["reason_group"] == ReasonGroup.UNDELIVERED
    stays = stays or any(unit.rules.gate(code).case for code in decision.gates)
    if row is not None and back and not stays:
        message = msg("the conditions are not met: back to the customer")
        return replace(_because(decision, row.to, f"route.{row.id}", message, row.case), route=row.id)
    message = msg("still the customer's: the seller is asked before anything else is done")
    case = (row.case if row else "") or "eligibility"
    # The tables cannot send elsewhere what is not ours; what the gate would let through by a new rule is held.
    held = _because(decision, Disposition.HOLD, "route.not_ours", message, case)
    return replace(held, route=row.id if row else "")


def _ours(unit: _Unit, decision: Decision) -> Decision:
    if decision.grade is None:
        return _because(decision, Disposition.HOLD, "route.no_grade", msg("not graded yet"))
    undone = [row for row in ("clean", "repacked") if _row_failed(unit.inspection, row)]
    if undone and decision.grade not in (Grade.NEW, Grade.DEFECTIVE):
        # What was never opened, or is not sold again, is neither cleaned nor repacked.
        message = msg("not yet {what:word}: back to the bench", what=undone[0])
        return _because(decision, Disposition.REFURBISH, f"route.{undone[0]}", message)
    row = _row(unit)
    assert row is not None, "Rules has a route for every grade"
    if row.to in RESALE | LEAVES_AS_WASTE and not erased(unit.rules, unit.inspection):
        message = msg("data not erased: only back to {seller}, in writing", seller=unit.seller.name)
        return _because(decision, Disposition.RETURN_TO_SELLER, "route.not_erased", message)
    if row.to is Disposition.DESTROY:
        message = msg(
            "{grade:data}: to be destroyed ({ground}): held until a supervisor orders it",
            grade=f"grade.{decision.grade}",
            ground=row.ground,
        )
        return replace(_because(decision, Disposition.HOLD, f"route.{row.id}", message, row.case), route=row.id)
    left = unproven(unit.rules, unit.inspection)
    if row.to in RESALE and left:
        # A defective one is held by no gate, but sold or given away only where none would be closed.
        message = msg("{gate:data}: closed to resale", gate=f"gate.{left[0]}")
        return _because(decision, Disposition.RETURN_TO_SELLER, f"gate.{left[0]}", message)
    sold = row.to in RESALE or bool(row.case)
    priced = _priced(unit, decision, row.as_grade) if sold else decision
    if row.to is Disposition.CLEARANCE and priced.price is None:
        message = msg("no list price is known for {ean}: the seller is asked", ean=_ean(unit.inspection))
        return _because(priced, Disposition.HOLD, "route.no_price", message, "price")
    message = _said(unit, row, priced)
    return replace(_because(priced, row.to, f"route.{row.id}", message, row.case), route=row.id)


def _said(unit: _Unit, row: Route, priced: Decision) -> Message:
    """Why a row sends a unit where it does."""
    graded = f"grade.{priced.grade}"
    if row.case == "price":
        return msg("{seller} sets the discount from the photo", seller=unit.seller.name)
    if row.case:
        return msg("{grade:data}: the seller decides from the photos", grade=graded)
    match row.to:
        case Disposition.RESTOCK if priced.grade is Grade.NEW:
            return msg("unopened counts as new: back to stock")
        case Disposition.CLEARANCE if priced.grade is Grade.NEW and unit.inspection.found("packaging_damaged"):
            return msg("sealed, but the packaging is damaged: {seller} sells it apart", seller=unit.seller.name)
        case Disposition.CLEARANCE:
            return msg("{grade:data}: sold apart at −{percent} %", grade=graded, percent=priced.discount or 0)
        case Disposition.RETURN_TO_SELLER | Disposition.RECYCLE if priced.grade is Grade.DEFECTIVE:
            if not erased(unit.rules, unit.inspection):
                return msg("defective, data not erased: collected for {seller}", seller=unit.seller.name)
            return msg("defective: collected for {seller}", seller=unit.seller.name)
    return msg("{grade:data}: {place:data}", grade=graded, place=f"place.{row.to}")


def possible_dispositions(rules: Rules, seller: Seller, inspection: Inspection) -> tuple[Disposition, ...]:
    """Where a supervisor may send a finished unit: the ownership gate and the other gates hold for everybody.

    Quarantine and the way to another site are no choices; used goods never go back to stock.
    """
    plain = decide(rules, seller, inspection.but(rerouted=()))
    if inspection.kind is Kind.DANGER or plain.disposition in (Disposition.QUARANTINE, Disposition.FORWARD):
        return ()
    possible = set(CLOSED_TO_OTHERS) - {Disposition.QUARANTINE, Disposition.FORWARD}
    stated = rules.policy.stated(inspection.line.reason).group if inspection.line else None
    suspect = any(rules.gate(code).case for code in plain.gates)
    if _owes_photo(inspection) or stated is ReasonGroup.UNDELIVERED:
        # The evidence of a dispute first; and what never reached the customer cannot go back there.
        possible.discard(Disposition.RETURN_TO_CUSTOMER)
    if inspection.kind is Kind.UNIT and inspection.verdict.ours and plain.grade is not None:
        possible |= {Disposition.RETURN_TO_SELLER, Disposition.REFURBISH}
        if erased(rules, inspection) and not suspect and not _owes_photo(inspection):
            possible |= LEAVES_AS_WASTE - RESALE
        looked_at = not inspection.held and not _owes_photo(inspection)
        if looked_at and not plain.gates and not unproven(rules, inspection):
            possible |= _resale(rules, inspection, plain)
    return tuple(each for each in Disposition if each in possible)


def _resale(rules: Rules, inspection: Inspection, plain: Decision) -> set[Disposition]:
    """The ways of selling or giving away that the grade leaves, where no gate is closed."""
    ways = set()
    if plain.grade is Grade.NEW:
        ways.add(Disposition.RESTOCK)
    if plain.grade is not Grade.DEFECTIVE and inspection.product is not None and inspection.product.price is not None:
        ways.add(Disposition.CLEARANCE)
    if erased(rules, inspection):
        ways.add(Disposition.DONATE)
    return ways


def _rerouted(unit: _Unit, plain: Decision) -> Decision:
    """A supervisor's order, as long as what it stood over is still decided and nothing forbids it now."""
    decision = plain
    for order in unit.inspection.rerouted:
        if order.over is not decision.disposition:
            continue
        if order.disposition not in possible_dispositions(unit.rules, unit.seller, unit.inspection):
            continue
        if order.disposition in RESALE:
            decision = _priced(unit, decision, None)
        # Where the seller is asked about the return itself, another place does not answer it.
        case = plain.case if order.disposition is Disposition.HOLD or plain.case in ABOUT_THE_RETURN else ""
        message = msg("ordered by a supervisor: {reason}", reason=order.reason)
        decision = replace(_because(decision, order.disposition, "route.ordered", message, case), route="")
        if order.disposition is Disposition.RETURN_TO_SELLER and not erased(unit.rules, unit.inspection):
            message = msg("data not erased: only back to {seller}, in writing", seller=unit.seller.name)
            decision = _because(decision, order.disposition, "route.not_erased", message)
    return decision


LOST = frozenset({"accessory_missing", "consumable_missing"})
"""Findings whose note names what is missing."""


def _tells(rule: FindingRule, graded: Grade | None) -> bool:
    """Whether a finding belongs on the label; not where a supervisor has graded better than it allows."""
    if rule.floor is None:
        return rule.points > 0
    return graded is None or rule.floor.rank <= graded.rank


def _cleaned(inspection: Inspection) -> bool:
    """Whether it is attested, or will be by Enter on this page."""
    answer = inspection.answer("finish.clean")
    attested = answer is not None and answer.mark is Mark.PASS
    return attested or (inspection.page == "finish" and not inspection.held and not _row_failed(inspection, "clean"))


def _row_failed(inspection: Inspection, row: str) -> bool:
    answer = inspection.answer(f"finish.{row}")
    return answer is not None and answer.mark is Mark.FAIL


def _ean(inspection: Inspection) -> str:
    return inspection.product.ean if inspection.product else inspection.scanned


def _priced(unit: _Unit, decision: Decision, as_grade: Grade | None) -> Decision:
    """List price, discount and price, in the minor unit (domain.md §3.5)."""
    graded = as_grade or decision.grade
    product = unit.inspection.product
    if graded is None or product is None or product.price is None:
        return decision
    own = _own_discounts(unit.seller.code, tuple(sorted(unit.seller.discounts.items())))
    rows, known = (*unit.rules.discounts, *own), {**unit.known, "grade": graded}
    off = winner([row for row in rows if row.percent is not None], known)
    rounded = winner([row for row in rows if row.round_to is not None], known)
    percent = unit.rules.grades[graded].discount if off is None or off.percent is None else off.percent
    percent += sum(unit.rules.finding(finding.code).points for finding in unit.inspection.findings)
    percent += sum(missing_shares(unit.inspection).values())
    percent = min(percent, unit.rules.pricing.cap)
    return replace(
        decision,
        discount=percent,
        list_price=product.price,
        price=discounted(product.price, percent, product.min_price, rounded.round_to or 1 if rounded else 1),
    )


def why(rules: Rules, inspection: Inspection, decision: Decision) -> tuple[Words | Message, ...]:
    """The parts of the text that says why a unit is sold apart (seed 003), in the order of the label."""
    if inspection.text:
        return ({"en": inspection.text},)
    parts: list[Words | Message] = []
    seen: list[Words | Message] = [
        msg("missing: {what}", what=finding.note) if finding.code in LOST and finding.note else rule.label
        for finding in inspection.findings
        if _tells(rule := rules.finding(finding.code), decision.grade)
    ]
    if not seen and decision.grade is not None and rules.grades[decision.grade].default_finding:
        seen = [rules.finding(rules.grades[decision.grade].default_finding).label]
    parts += seen
    checklist = rules.checklist(inspection.product)
    if checklist is not None and checklist.test and not dead(checklist, inspection):
        if passed(checklist, "test", inspection):
            parts.append(msg("tested"))
        if checklist.wipe and wiped(checklist, inspection):
            parts.append(msg("reset"))
    if decision.grade not in (None, Grade.NEW) and decision.disposition in RESALE and _cleaned(inspection):
        parts.append(msg("cleaned"))
    if not erased(rules, inspection):
        parts.append(msg("DATA NOT ERASED"))
    return tuple(parts)


def finished(
    rules: Rules,
    seller: Seller,
    inspection: Inspection,
    *,
    by: str,
    at: datetime,
    rules_hash: str,
    site: str = "",
) -> Inspection:
    """The inspection with its decision written into it, as it will be stored and sent; ``site`` is where it stood."""
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
        wipe=wipe_record(rules, inspection, site=site),
        grade=decision.grade,
        disposition=decision.disposition,
        price=decision.price if resold else None,
        list_price=decision.list_price,
        discount=decision.discount if resold else None,
        reasons=decision.reasons,
        gates=decision.gates,
        route=decision.route,
        refund=decision.refund.advice,
        refund_amount=decision.refund.amount,
        refund_means=decision.refund.means,
        refund_reasons=decision.refund.reasons,
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
