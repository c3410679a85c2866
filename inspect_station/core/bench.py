"""A unit on the bench as far as it is known: its verdict now, the pages it goes through, what is still missing."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

from inspect_station.core import decide, policy
from inspect_station.core.decide import FINISH_ROWS
from inspect_station.core.gates import dead, opened
from inspect_station.core.grading import failed_steps, grade, mark
from inspect_station.core.photos import due_slots
from inspect_station.core.records import (
    Disposition,
    Grade,
    Inspection,
    Kind,
    Mark,
    Outcome,
    Reason,
    Rma,
    Seller,
    Verdict,
)
from inspect_station.core.rules import Checklist, FindingRule, Question, Rules
from inspect_station.core.rules import Step as Row
from inspect_station.message import Message, msg


@dataclass(frozen=True)
class Bench:
    """Everything a unit is judged against; none of it changes while the unit is on the bench."""

    rules: Rules
    seller: Seller
    received_on: date
    rma: Rma | None = None
    open_units: int = 1
    """Units of the line still open, this one included."""
    sellers: tuple[Seller, ...] = ()
    """Who an unannounced article may belong to, likeliest first."""
    ruleset: str = ""
    """What decides here, in one line: the versions of the rules and the seller's settings. Its hash is kept."""
    doubt: Message | None = None
    """Why the seller's own rules cannot be used, so that a person decides; None where they can."""
    history: Mapping[int, int] = field(default_factory=dict)
    """Days → other RMAs of this customer that came back to this seller within them."""


CHECK_PAGES = ("test", "lock", "wipe", "sterilise")


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _opened(rules: Rules, inspection: Inspection) -> bool | None:
    """Whether the packaging was opened; None while nobody has looked."""
    sealed = inspection.answer("question.sealed")
    if inspection.chosen is Grade.NEW and not opened(rules, inspection):
        return False
    looked = inspection.chosen is not None or "test" in (inspection.page, *inspection.trail)
    return True if looked or (sealed is not None and sealed.value == "2") else None


def shows_defect(rules: Rules, findings: Iterable[str]) -> bool:
    """Whether something found at the dock may be a defect, whatever the customer stated."""
    return any(rules.finding(code).possible_defect for code in findings)


def judge(bench: Bench, inspection: Inspection) -> Verdict:
    """The verdict as it stands with what has been found so far.

    Opened software, a broken hygiene seal or a serial that was never sold here change it while grading.
    """
    if inspection.kind is Kind.FORWARD:
        reason = Reason(code="other_site", message=msg("another site's return: it is not judged here"), met=False)
        return Verdict(outcome=Outcome.CONSULT, reasons=(reason,))
    if bench.rma is not None and inspection.line is None:
        reason = Reason(code="line_unknown", message=msg("which line it belongs to is not known"), met=False)
        return Verdict(outcome=Outcome.CONSULT, reasons=(reason,))
    if bench.rma is None or inspection.line is None or inspection.product is None:
        reason = Reason(code="unannounced", message=msg("no RMA announces it: the seller is asked"), met=False)
        return Verdict(outcome=Outcome.CONSULT, reasons=(reason,))
    findings = tuple(finding.code for finding in inspection.findings)
    # By tests and findings or by hand: what is graded defective may be so, whatever the customer stated.
    graded = {grade(bench.rules, seen)[0] for seen in (inspection, inspection.but(overrides=()))}
    verdict = policy.eligibility(
        bench.rules.policy,
        seller=bench.seller,
        rma=bench.rma,
        line=policy.believed(inspection.line, bench.received_on),
        product=inspection.product,
        received_on=bench.received_on,
        findings=findings,
        opened=_opened(bench.rules, inspection),
        defect_found=Grade.DEFECTIVE in graded or shows_defect(bench.rules, findings),
    )
    if inspection.found("serial_mismatch"):
        reason = Reason(
            code="serial_mismatch",
            message=msg(
                "serial {serial} is not the one sold to this customer ({sold})",
                serial=inspection.serial or "?",
                sold=inspection.line.serial or "?",
            ),
            met=False,
        )
        verdict = verdict.but(outcome=Outcome.CONSULT, reasons=(reason, *verdict.reasons))
    extra = next((warning for warning in inspection.warnings if warning.code == "extra_unit"), None)
    if extra is not None:
        verdict = verdict.but(outcome=Outcome.CONSULT, reasons=(extra, *verdict.reasons))
    return doubted(verdict, bench.doubt).but(seller_accepted=inspection.verdict.seller_accepted)


def doubted(verdict: Verdict, doubt: Message | None) -> Verdict:
    """The verdict where the seller's own rules cannot be used: a person decides."""
    if doubt is None:
        return verdict
    reason = Reason(code="playbook", message=doubt, met=False)
    return verdict.but(outcome=Outcome.CONSULT, reasons=(reason, *verdict.reasons))


def rejudged(bench: Bench, inspection: Inspection) -> Inspection:
    if inspection.kind is not Kind.UNIT:
        return inspection
    return inspection.but(verdict=judge(bench, inspection))


# ── The way through the pages ────────────────────────────────────────────────────────────────────────────────────────


def path(bench: Bench, inspection: Inspection) -> tuple[str, ...]:
    """The pages this unit goes through, as far as is known now."""
    if inspection.kind is Kind.UNKNOWN:
        return ("claim",)
    if inspection.kind is not Kind.UNIT:
        return ("finish",)
    return tuple(_path(bench, inspection))


def _path(bench: Bench, inspection: Inspection) -> Iterator[str]:
    checklist = bench.rules.checklist(inspection.product)
    asked = inspection.answer("question.hazard") is not None
    been = (inspection.page, *inspection.trail)
    again = bool(inspection.earlier_grades)
    if not again:
        yield "condition"
        if asked:
            yield "question.hazard"
            yield "question.sealed"
    stopped = quarantined(bench, inspection)
    if not opened(bench.rules, inspection) or (stopped and "test" not in been):
        yield "finish"
        return
    # The questions ask about the hygiene seal in their turn; a digit does not get around it.
    hygiene = [f"question.{each.id}" for each in later_questions(bench, inspection) if each.when == "hygiene"]
    hopeless = inspection.chosen is Grade.DEFECTIVE and grade(bench.rules, inspection)[0] is Grade.DEFECTIVE
    tested = checklist is not None and bool(checklist.test) and not hopeless
    if hygiene and not asked and inspection.chosen is not None and not tested and not again:
        yield from hygiene
    if tested and not (again and "test" not in been and settled(bench, inspection, "test")):
        yield "test"
    if checklist is not None and dead(checklist, inspection):
        yield "finish"
        return
    failed = any(page == "test" and step.floor is Grade.DEFECTIVE for page, step in failed_rows(bench, inspection))
    if stopped:
        yield "finish"
        return
    if not failed and (again or inspection.chosen is not Grade.DEFECTIVE):
        if asked:
            yield from (f"question.{question.id}" for question in later_questions(bench, inspection))
        elif (tested or again) and (inspection.chosen is None or "grade" in been):
            yield "grade"
        unasked = inspection.answer("question.hygiene") is None or "question.hygiene" in been
        if (tested or again) and not asked and (not again or unasked) and inspection.chosen is not None:
            yield from hygiene
    if checklist is not None and not hopeless and inspection.verdict.ours and not inspection.held:
        for page in _treatment(bench, inspection, checklist):
            if not (again and page not in been and settled(bench, inspection, page)):
                yield page
    yield "finish"


def _treatment(bench: Bench, inspection: Inspection, checklist: Checklist) -> Iterator[str]:
    """Unlock, wipe, sterilise: only on what is ours to change (the ownership gate)."""
    if checklist.lock:
        yield "lock"
    if any(mark(inspection, "lock", step) in (Mark.FAIL, Mark.SKIPPED) for step in checklist.lock):
        return  # what is locked, or may be, is not wiped
    if checklist.wipe:
        yield "wipe"
    if checklist.sterilise_required:
        yield "sterilise"


def failed_rows(bench: Bench, inspection: Inspection) -> tuple[tuple[str, Row], ...]:
    return tuple(failed_steps(bench.rules, inspection))


def quarantined(bench: Bench, inspection: Inspection) -> bool:
    """Whether something seen sends it to quarantine: then it is moved, not worked on."""
    codes = {step.gate for _, step in failed_rows(bench, inspection)}
    codes |= {bench.rules.finding(finding.code).gate for finding in inspection.findings}
    return any(bench.rules.gate(code).route is Disposition.QUARANTINE for code in codes if code)


def settled(bench: Bench, inspection: Inspection, page: str) -> bool:
    """Whether nothing is left to do on a check page: no row open, none failed."""
    rows = page_rows(bench, inspection, page)
    return all(mark(inspection, page, row) in (Mark.PASS, Mark.SKIPPED) for _, row in rows)


def undone_page(bench: Bench, inspection: Inspection) -> str:
    """The first check page on its way that has open rows although it was left, or never reached; empty = none.

    What is found or typed at the end may change the way: a return that becomes ours is unlocked and wiped after all.
    """
    if inspection.kind is not Kind.UNIT or inspection.held or quarantined(bench, inspection):
        return ""
    return next((page for page in path(bench, inspection) if _undone(bench, inspection, page)), "")


def _undone(bench: Bench, inspection: Inspection, page: str) -> bool:
    if page.startswith("question."):
        answer = inspection.answer(page)
        later = {f"question.{each.id}" for each in later_questions(bench, inspection)}
        return page in later and (answer is None or not answer.value)
    if page not in CHECK_PAGES:
        return False
    rows = page_rows(bench, inspection, page)
    ended = any(mark(inspection, page, row) is Mark.FAIL and (row.ends or row.gate) for _, row in rows)
    left = (a for id, _ in rows if (a := inspection.answer(id)) is not None and a.mark is Mark.SKIPPED and not a.value)
    return bool(open_rows(bench, inspection.but(page=page))) or (not ended and any(left))


def later_questions(bench: Bench, inspection: Inspection) -> Iterator[Question]:
    product = inspection.product
    for question in bench.rules.questions:
        match question.when:
            case "opened":
                yield question
            case "hygiene" if product is not None and product.hygiene:
                yield question
            case "apparel" if product is not None and product.category == "apparel":
                yield question


def question_of(bench: Bench, page: str) -> Question:
    return next(question for question in bench.rules.questions if f"question.{question.id}" == page)


def options(bench: Bench, inspection: Inspection, question: Question) -> tuple[int, ...]:
    """Numbers of the options that still make sense: what the tests have shown is not asked again."""
    checklist = bench.rules.checklist(inspection.product)
    tested = checklist is not None and bool(checklist.test)
    return tuple(n for n in range(1, len(question.options) + 1) if not (tested and n in question.only_untested))


def row_rule(bench: Bench, inspection: Inspection, row: str) -> Row | None:
    checklist = bench.rules.checklist(inspection.product)
    page, _, id = row.partition(".")
    return next((each for each in checklist.steps(page) if each.id == id), None) if checklist else None


def page_rows(bench: Bench, inspection: Inspection, page: str) -> tuple[tuple[str, Row], ...]:
    checklist = bench.rules.checklist(inspection.product)
    return tuple((f"{page}.{row.id}", row) for row in checklist.steps(page)) if checklist else ()


def check_rows(bench: Bench, inspection: Inspection) -> tuple[tuple[str, Row], ...]:
    """The rows of the page that is due."""
    return page_rows(bench, inspection, inspection.page)


def open_rows(bench: Bench, inspection: Inspection) -> tuple[tuple[str, Row], ...]:
    """Those of them that nobody has answered yet."""
    page = inspection.page
    return tuple((id, row) for id, row in check_rows(bench, inspection) if mark(inspection, page, row) is Mark.OPEN)


def awaited_scan(rules: Rules, inspection: Inspection) -> Row | None:
    """The first open row of this page that waits for a code, if any."""
    checklist = rules.checklist(inspection.product)
    rows = checklist.steps(inspection.page) if checklist else ()
    return next(
        (row for row in rows if row.kind == "scan" and mark(inspection, inspection.page, row) is Mark.OPEN), None
    )


def attests(bench: Bench, inspection: Inspection) -> tuple[str, ...]:
    """The rows of the finish page: only for what will be sold again, and only on what is ours to change."""
    decision = decide.decide(bench.rules, bench.seller, inspection)
    if inspection.kind is not Kind.UNIT or not inspection.verdict.ours or inspection.held:
        return ()
    if decision.grade in (None, Grade.NEW, Grade.DEFECTIVE) or set(decision.gates) - {
        "wipe_unverified",
        "sterilisation_missing",
    }:
        return ()
    checklist = bench.rules.checklist(inspection.product)
    light = checklist is not None and checklist.sterilise and not checklist.sterilise_required
    return tuple(f"finish.{row}" for row in FINISH_ROWS if row != "sterilised" or light)


def still_wanted(bench: Bench, inspection: Inspection) -> tuple[Message, ...]:
    """What is missing before the unit may be committed."""
    return tuple(_missing(bench, inspection))


def _missing(bench: Bench, inspection: Inspection) -> Iterator[Message]:
    rules = bench.rules
    decision = decide.decide(rules, bench.seller, inspection)
    grade = decision.grade
    if inspection.kind is Kind.UNKNOWN and not inspection.seller and inspection.answer("claim.seller") is None:
        yield msg("whose is it? press the digit")
    if inspection.kind is Kind.UNIT and inspection.count > 1 and grade not in (None, Grade.NEW):
        yield msg("{n} units at once can only be sealed ones: b, then F7 1 for this unit alone", n=inspection.count)
    if inspection.kind is Kind.UNIT and grade is None and not inspection.held and not quarantined(bench, inspection):
        yield msg("no grade yet: 1 to 6, or Enter for the questions")
    if (
        grade is not None
        and not inspection.held
        and rules.grades[grade].needs_finding
        and not any(rules.finding(each.code).floor for each in inspection.findings)
        and not failed_rows(bench, inspection)
        and not inspection.overrides
    ):
        yield msg("{grade:data} needs a finding that says why: f", grade=f"grade.{grade}")
    for slot in due_slots(rules, inspection, decision):
        yield msg("photo due: {slot:data}  p", slot=f"slot.{slot}")
    complete = inspection.answer("finish.complete")
    lost = inspection.found("accessory_missing") or inspection.found("consumable_missing")
    if complete is not None and complete.mark is Mark.FAIL and not lost:
        yield msg("what is missing? press the digit of “complete” again, or f")


def offers(bench: Bench, inspection: Inspection) -> tuple[FindingRule, ...]:
    """What `f` lists: the commonest explanation of the pressed grade first."""
    graded, _ = grade(bench.rules, inspection)
    listed = bench.rules.findings_for(inspection.product)
    return tuple(sorted(listed, key=lambda finding: finding.floor is not graded if graded else False))


def accessories(bench: Bench, inspection: Inspection) -> tuple[tuple[str, str], ...]:
    """What can be missing from the box: (finding code, name); a kit's components count as essential."""
    product = inspection.product
    if product is None:
        return ()
    checklist = bench.rules.checklist(product)
    named = [
        ("accessory_missing" if each.essential else "consumable_missing", each.name) for each in product.accessories
    ]
    named += [("accessory_missing", name) for name in product.components]
    if not named and checklist is not None:
        named = [("accessory_missing", name) for name in checklist.accessories]
    return tuple(named or [("accessory_missing", "")])
