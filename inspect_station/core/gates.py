"""Gates: what closes every way to resale, and the record of a wipe (domain.md §3.4)."""

from collections.abc import Iterator

from inspect_station.core.grading import failed_steps, grade, mark
from inspect_station.core.records import Disposition, Grade, Inspection, Kind, Mark, Wipe
from inspect_station.core.rules import Checklist, Rules

GATED_PAGES = ("test", "lock", "wipe", "sterilise")
"""Pages whose rows close gates, in the order of the work."""


def gates(rules: Rules, inspection: Inspection) -> tuple[str, ...]:
    """The codes of the gates that are closed (domain.md §3.4): no key and no command leads past them to resale.

    Of what nobody has opened (`unproven`), a defective device is not held by any: it may leave with "data not erased"
    in writing. Of what is held by hand nobody looked for locks.
    """
    closed = [step.gate for _, step in failed_steps(rules, inspection) if step.gate]
    closed += [gate for finding in inspection.findings if (gate := rules.finding(finding.code).gate)]
    if grade(rules, inspection)[0] is not Grade.DEFECTIVE:
        left = unproven(rules, inspection)
        if "account_lock" in closed:
            left = tuple(gate for gate in left if gate != "wipe_unverified")  # what is locked cannot be wiped
        if inspection.held:
            left = tuple(gate for gate in left if gate in ("wipe_unverified", "sterilisation_missing"))
        closed += left
    return tuple(dict.fromkeys(closed))


def unproven(rules: Rules, inspection: Inspection) -> tuple[str, ...]:
    """Gates that nobody has opened: their rows were left out or never answered. Told at the end, when no page can still
    do it, and of what is ours: the customer's is neither unlocked nor wiped.

    Quarantine is for what was seen: a row that leads there closes its gate by failing.
    """
    checklist = rules.checklist(inspection.product)
    ends = inspection.page in ("finish", "done") and inspection.verdict.ours
    if not ends or checklist is None or not opened(rules, inspection):
        return ()
    return tuple(dict.fromkeys(_unproven(rules, inspection, checklist)))


def _unproven(rules: Rules, inspection: Inspection, checklist: Checklist) -> Iterator[str]:
    pages = GATED_PAGES if checklist.sterilise_required else GATED_PAGES[:-1]
    for page in pages:
        for step in checklist.steps(page):
            left = mark(inspection, page, step) in (Mark.OPEN, Mark.SKIPPED)
            if step.gate and left and rules.gate(step.gate).route is not Disposition.QUARANTINE:
                yield step.gate
    if checklist.wipe and not wiped(checklist, inspection):
        yield "wipe_unverified"
    row = inspection.answer("finish.sterilised")
    if row is not None and row.mark is Mark.FAIL:
        yield "sterilisation_missing"


def dead(checklist: Checklist, inspection: Inspection) -> bool:
    """Whether a failed row ended the tests: what cannot be switched on cannot be unlocked or wiped."""
    return any(step.ends and mark(inspection, "test", step) is Mark.FAIL for step in checklist.test)


def erased(rules: Rules, inspection: Inspection) -> bool:
    """Whether nothing of the customer's data is left: no memory, never opened, or a verified wipe."""
    checklist = rules.checklist(inspection.product)
    bearing = checklist is not None and checklist.data_bearing
    return checklist is None or not bearing or not opened(rules, inspection) or wiped(checklist, inspection)


def opened(rules: Rules, inspection: Inspection) -> bool:
    """Whether the article was, or may have been, in use.

    Neither the digit for "sealed" nor a grade that was raised by hand beats what was found.
    """
    if inspection.kind is not Kind.UNIT:
        return False
    looks_new = (grade(rules, seen)[0] is Grade.NEW for seen in (inspection, inspection.but(overrides=())))
    return inspection.chosen is not Grade.NEW or not all(looks_new)


def passed(checklist: Checklist, page: str, inspection: Inspection) -> bool:
    """Whether every row of the page passed; a row left out has not."""
    return all(mark(inspection, page, step) is Mark.PASS for step in checklist.steps(page))


def wiped(checklist: Checklist, inspection: Inspection) -> bool:
    """Whether every row of the wipe passed; where there was data, only with its evidence, the set-up screen."""
    shown = any(photo.slot == "setup_screen" and photo.sha256 for photo in inspection.photos)
    return passed(checklist, "wipe", inspection) and (shown or not checklist.data_bearing)


def wipe_record(rules: Rules, inspection: Inspection, *, site: str = "") -> Wipe | None:
    """The record of a verified wipe at this ``site``; None where nothing was wiped."""
    checklist, product = rules.checklist(inspection.product), inspection.product
    if checklist is None or product is None or not checklist.data_bearing or not wiped(checklist, inspection):
        return None
    evidence = next(photo for photo in inspection.photos if photo.slot == "setup_screen")
    if evidence.at is None:
        return None
    rows = (inspection.answer(f"wipe.{step.id}") for step in checklist.wipe)
    timed = [(row.at, row.by) for row in rows if row is not None and row.at is not None]
    wiped_at, wiped_by = max(timed, default=(evidence.at, evidence.by))
    return Wipe(
        title=product.title,
        maker=product.maker,
        model=product.model,
        serial=inspection.serial,
        property_number=inspection.lpn,
        medium=checklist.medium,
        method=checklist.wipe_method,
        technique=checklist.wipe_technique,
        tool=checklist.wipe_tool,
        tool_version=checklist.wipe_tool_version,
        standard=checklist.wipe_standard,
        revision=checklist.wipe_revision,
        verification=checklist.wipe_verification,
        verified=evidence.sha256,
        wiped_by=wiped_by,
        wiped_at=wiped_at,
        by=evidence.by,
        at=evidence.at,
        station=inspection.station,
        site=site,
    )
