"""Which photos a unit needs (domain.md §3.4)."""

from collections.abc import Iterator

from inspect_station.core.decide import Decision
from inspect_station.core.gates import opened, passed
from inspect_station.core.records import Disposition, Inspection, Kind
from inspect_station.core.rules import Rules


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
    if checklist and checklist.data_bearing and opened(inspection) and passed(checklist, "wipe", inspection):
        yield from situation.get("wiped", ())
