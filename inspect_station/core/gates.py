"""Gates: what closes every way to resale, and the record of a wipe (domain.md §3.4)."""

from collections.abc import Iterator

from inspect_station.core.grading import failed_steps, grade
from inspect_station.core.records import Grade, Inspection, Kind, Mark, Wipe
from inspect_station.core.rules import Checklist, Rules


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
    if inspection.page not in ("finish", "done") or checklist is None or not opened(inspection):
        return
    if grade(rules, inspection)[0] is Grade.DEFECTIVE:
        return
    if checklist.wipe and "account_lock" not in closed and not wiped(checklist, inspection):
        yield "wipe_unverified"
    row = inspection.answer("finish.sterilised")
    if (checklist.sterilise_required and not passed(checklist, "sterilise", inspection)) or (
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
    return checklist is None or not checklist.data_bearing or not opened(inspection) or wiped(checklist, inspection)


def opened(inspection: Inspection) -> bool:
    return inspection.kind is Kind.UNIT and inspection.chosen is not Grade.NEW


def passed(checklist: Checklist, page: str, inspection: Inspection) -> bool:
    answers = [inspection.answer(f"{page}.{step.id}") for step in checklist.steps(page)]
    return all(answer is not None and answer.mark is Mark.PASS for answer in answers)


def wiped(checklist: Checklist, inspection: Inspection) -> bool:
    """Whether every row of the wipe passed; where there was data, only with its evidence, the set-up screen."""
    shown = any(photo.slot == "setup_screen" and photo.sha256 for photo in inspection.photos)
    return passed(checklist, "wipe", inspection) and (shown or not checklist.data_bearing)


def wipe_record(rules: Rules, inspection: Inspection) -> Wipe | None:
    """The record of a verified wipe; None where nothing was wiped."""
    checklist = rules.checklist(inspection.product)
    if checklist is None or inspection.product is None or not checklist.data_bearing:
        return None
    evidence = next((photo for photo in inspection.photos if photo.slot == "setup_screen" and photo.sha256), None)
    if evidence is None or evidence.at is None or not passed(checklist, "wipe", inspection):
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
