"""From what was observed to grade, disposition, price; every result carries its reasons.

Pure: the same inspection under the same rules gives the same decision on the station, on the hub and years later.
Eligibility comes before all this and is decided in `policy`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from inspect_station.core.policy import Words
from inspect_station.core.records import (
    Case,
    Disposition,
    Finding,
    Grade,
    Inspection,
    Kind,
    Mark,
    Money,
    Outcome,
    Reason,
    Seller,
    Wipe,
    worst,
)
from inspect_station.core.rules import Checklist, Rules, Step
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


def failed_steps(rules: Rules, inspection: Inspection) -> Iterator[tuple[str, Step]]:
    """Every checklist row that failed, with its page."""
    checklist = rules.checklist(inspection.product)
    for page in ("test", "lock", "wipe", "clean", "sterilise"):
        for step in checklist.steps(page) if checklist else ():
            answer = inspection.answer(f"{page}.{step.id}")
            if answer is not None and answer.mark is Mark.FAIL:
                yield page, step


def step_path(inspection: Inspection, page: str, step: Step) -> str:
    """Where the label of a row stands in the rules, as messages name it."""
    return f"step.{inspection.product.device_class if inspection.product else ''}.{page}.{step.id}"


def floors(rules: Rules, inspection: Inspection) -> tuple[tuple[Grade, Reason], ...]:
    """The best grade that each observed fact leaves, with the fact."""
    return tuple(_floors(rules, inspection))


def _floors(rules: Rules, inspection: Inspection) -> Iterator[tuple[Grade, Reason]]:
    for finding in inspection.findings:
        floor = rules.finding(finding.code).floor
        if floor is not None:
            yield floor, Reason(code=f"finding.{finding.code}", message=_finding(finding), met=False)
    for page, step in failed_steps(rules, inspection):
        if step.floor is not None and page == "test":
            message = msg("{row:data} failed", row=step_path(inspection, page, step))
            yield step.floor, Reason(code=f"{page}.{step.id}", message=message, met=False)
    checklist = rules.checklist(inspection.product)
    for step in checklist.test if checklist else ():
        answer = inspection.answer(f"test.{step.id}")
        if answer is None or step.kind != "measure" or not answer.value:
            continue
        low = [floor for floor in step.floors if float(answer.value) < floor.below]
        if low:
            floor = worst(*(each.grade for each in low))
            message = msg(
                "{row:data} {value} {unit}: below {below}",
                row=step_path(inspection, "test", step),
                value=answer.value,
                unit=step.unit,
                below=f"{max(each.below for each in low):g}",
            )
            yield floor, Reason(code=f"test.{step.id}", message=message, met=False)
    for question in rules.questions:
        answer = inspection.answer(f"question.{question.id}")
        if answer is not None and answer.value.isdecimal():
            grade = question.options[int(answer.value) - 1].grade
            if grade is not None:
                yield (
                    grade,
                    Reason(
                        code=f"question.{question.id}.{answer.value}",
                        message=msg("{option:data}", option=f"question.{question.id}.{answer.value}"),
                    ),
                )


def _finding(finding: Finding) -> Message:
    if finding.note:
        return msg("{finding:data} ({note})", finding=f"finding.{finding.code}", note=finding.note)
    return msg("{finding:data}", finding=f"finding.{finding.code}")


def grade(rules: Rules, inspection: Inspection) -> tuple[Grade | None, tuple[Reason, ...]]:
    """The grade: the worst floor of all that was observed, and a digit never beats a floor (domain.md §3.2).

    None while nothing says a grade, and for kinds that have none. An override by hand stands over both (`step` lets
    only a supervisor raise), until something worse is found than what it stood over.
    """
    if inspection.kind is not Kind.UNIT:
        return None, ()
    result, reasons = _observed(rules, inspection)
    if inspection.overrides:
        last = inspection.overrides[-1]
        since = result is not None and last.over is not None and result.rank > last.over.rank
        if not (since and result is not None and result.rank > last.grade.rank):
            message = msg("changed by hand: {reason}", reason=last.reason)
            return last.grade, (Reason(code="grade.override", message=message),)
    return result, reasons


def _observed(rules: Rules, inspection: Inspection) -> tuple[Grade | None, tuple[Reason, ...]]:
    """The grade by what was pressed and found, before any override."""
    bounds = floors(rules, inspection)
    known = [floor for floor, _ in bounds]
    if inspection.chosen is not None:
        known.append(inspection.chosen)
    if not known:
        return None, ()
    result = worst(*known)
    reasons = tuple(reason for floor, reason in bounds if floor is result)
    if inspection.chosen is not None and inspection.chosen is not result:
        message = msg(
            "pressed {pressed:data}, but what was found leaves at best {result:data}",
            pressed=f"grade.{inspection.chosen}",
            result=f"grade.{result}",
        )
        reasons = (*reasons, Reason(code="grade.floor", message=message, met=False))
    return result, reasons


def gates(rules: Rules, inspection: Inspection) -> tuple[str, ...]:
    """The codes of the gates that are closed (domain.md §3.4): no key and no command leads past them to resale."""
    closed = [step.gate for _, step in failed_steps(rules, inspection) if step.gate]
    closed += [gate for finding in inspection.findings if (gate := rules.finding(finding.code).gate)]
    closed += _undone(rules, inspection, closed)
    return tuple(dict.fromkeys(closed))


def _undone(rules: Rules, inspection: Inspection, closed: list[str]) -> Iterator[str]:
    """Gates that are closed because something was left out; told at the end, when no page can still do it.

    A defective device may leave unwiped, with "data not erased" in writing (domain.md §3.4).
    """
    checklist = rules.checklist(inspection.product)
    if inspection.page not in ("finish", "done") or checklist is None or not _opened(inspection):
        return
    if grade(rules, inspection)[0] is Grade.DEFECTIVE:
        return
    if checklist.wipe and "account_lock" not in closed and not _wiped(checklist, inspection):
        yield "wipe_unverified"
    row = inspection.answer("finish.sterilised")
    if (checklist.sterilise_required and not _passed(checklist, "sterilise", inspection)) or (
        row is not None and row.mark is Mark.FAIL
    ):
        yield "sterilisation_missing"


def dead(checklist: Checklist, inspection: Inspection) -> bool:
    """Whether a failed row ended the tests: what cannot be switched on cannot be unlocked or wiped."""
    return any(
        step.ends and (answer := inspection.answer(f"test.{step.id}")) is not None and answer.mark is Mark.FAIL
        for step in checklist.test
    )


def erased(rules: Rules, inspection: Inspection) -> bool:
    """Whether nothing of the customer's data is left: no memory, never opened, or a verified wipe."""
    checklist = rules.checklist(inspection.product)
    return checklist is None or not checklist.data_bearing or not _opened(inspection) or _wiped(checklist, inspection)


def _opened(inspection: Inspection) -> bool:
    return inspection.kind is Kind.UNIT and inspection.chosen is not Grade.NEW


def _passed(checklist: Checklist, page: str, inspection: Inspection) -> bool:
    answers = [inspection.answer(f"{page}.{step.id}") for step in checklist.steps(page)]
    return all(answer is not None and answer.mark is Mark.PASS for answer in answers)


def _wiped(checklist: Checklist, inspection: Inspection) -> bool:
    """Whether every row of the wipe passed; where there was data, only with its evidence, the set-up screen."""
    shown = any(photo.slot == "setup_screen" and photo.sha256 for photo in inspection.photos)
    return _passed(checklist, "wipe", inspection) and (shown or not checklist.data_bearing)


def due_slots(rules: Rules, inspection: Inspection, decision: Decision) -> tuple[str, ...]:
    """The named photos that are still to be taken, in order (domain.md §3.4).

    One picture may serve several slots; an owed photo is no longer due, it holds the unit instead.
    """
    taken = {photo.slot for photo in inspection.photos}
    covered = taken | {name for slot in taken for name in _serves(rules, slot)}
    asked = list(_asked_slots(rules, inspection, decision))
    served = {name for slot in asked for name in _serves(rules, slot)}
    return tuple(dict.fromkeys(slot for slot in asked if slot not in covered and slot not in served))


def _serves(rules: Rules, slot: str) -> tuple[str, ...]:
    known = rules.photos.slots.get(slot)
    return known.serves if known else ()


def _asked_slots(rules: Rules, inspection: Inspection, decision: Decision) -> Iterator[str]:
    situation = rules.photos.situation
    if any(rules.gate(code).route is Disposition.QUARANTINE for code in decision.gates):
        return  # a hazard is moved first, never photographed first
    if inspection.found("carton_crushed") or inspection.found("carton_wet"):
        yield from situation.get("carton", ())
    match inspection.kind:
        case Kind.WRONG_ITEM:
            yield from situation.get("wrong_item", ())
            return
        case Kind.EMPTY_BOX:
            yield from situation.get("empty_box", ())
            return
        case Kind.UNKNOWN:
            yield from situation.get("unknown", ())
            return
        case Kind.DANGER | Kind.FORWARD:
            return
        case _ if inspection.held:
            return
    if decision.grade is not None:
        yield from rules.photos.grade.get(decision.grade, ())
    if not inspection.verdict.ours:
        yield from situation.get("not_ours", ())
    if set(decision.gates) - {"wipe_unverified"}:
        yield from situation.get("gate", ())
    checklist = rules.checklist(inspection.product)
    if checklist and checklist.data_bearing and _opened(inspection) and _passed(checklist, "wipe", inspection):
        yield from situation.get("wiped", ())


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
        if _passed(checklist, "test", inspection):
            parts.append(msg("tested"))
        if checklist.wipe and _wiped(checklist, inspection):
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
        wipe=_wipe(rules, inspection),
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
        elif checklist is not None and checklist.test and _passed(checklist, "test", inspection):
            codes.append("NO_FAULT_FOUND")
    return tuple(dict.fromkeys(codes))


def _wipe(rules: Rules, inspection: Inspection) -> Wipe | None:
    """The record of a verified wipe; None where nothing was wiped."""
    checklist = rules.checklist(inspection.product)
    if checklist is None or inspection.product is None or not checklist.data_bearing:
        return None
    evidence = next((photo for photo in inspection.photos if photo.slot == "setup_screen" and photo.sha256), None)
    if evidence is None or evidence.at is None or not _passed(checklist, "wipe", inspection):
        return None
    return Wipe(
        title=inspection.product.title,
        serial=inspection.serial,
        medium=checklist.medium,
        method=checklist.wipe_method,
        tool=checklist.wipe_tool,
        standard=checklist.wipe_standard,
        verified=evidence.sha256,
        by=evidence.by,
        at=evidence.at,
        station=inspection.station,
    )
