"""Which photos a unit needs (domain.md §3.4)."""

from collections.abc import Iterator

from inspect_station.core.decide import Decision
from inspect_station.core.gates import opened, passed
from inspect_station.core.grading import failed_steps, mark
from inspect_station.core.records import Disposition, Inspection, Kind, Mark
from inspect_station.core.rules import Rules


def due_slots(rules: Rules, inspection: Inspection, decision: Decision) -> tuple[str, ...]:
    """The named photos that are still to be taken, in order (domain.md §3.4).

    Those that rows of the page wait for come first. One picture may serve several slots, but a row has its own; an
    owed photo is no longer due, it holds the unit instead.
    """
    if any(rules.gate(code).route is Disposition.QUARANTINE for code in decision.gates):
        return ()  # a hazard is moved first, never photographed first
    rows = tuple(_row_slots(rules, inspection))
    taken = {photo.slot for photo in inspection.photos}
    covered = taken | {name for slot in taken for name in _serves(rules, slot)}
    asked = list(_asked_slots(rules, inspection, decision))
    served = {name for slot in asked for name in _serves(rules, slot)}
    return tuple(dict.fromkeys((*rows, *(slot for slot in asked if slot not in covered and slot not in served))))


def _row_slots(rules: Rules, inspection: Inspection) -> Iterator[str]:
    """The slots by which open rows of this page are passed."""
    checklist = rules.checklist(inspection.product)
    for step in checklist.steps(inspection.page) if checklist else ():
        if step.kind == "photo" and mark(inspection, inspection.page, step) is Mark.OPEN:
            yield step.slot


def _serves(rules: Rules, slot: str) -> tuple[str, ...]:
    known = rules.photos.slots.get(slot)
    return known.serves if known else ()


def _asked_slots(rules: Rules, inspection: Inspection, decision: Decision) -> Iterator[str]:
    situation = rules.photos.situation
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
    # A wipe that only lacks its evidence asks for that; one that failed is shown like any other gate.
    failed = {step.gate for _, step in failed_steps(rules, inspection)}
    if any(code in failed or code != "wipe_unverified" for code in decision.gates):
        yield from situation.get("gate", ())
    checklist = rules.checklist(inspection.product)
    if checklist and checklist.data_bearing and opened(rules, inspection) and passed(checklist, "wipe", inspection):
        yield from situation.get("wiped", ())
