"""Signals: what a supervisor should look at (seed 001; domain.md §2, "Fraud"). They decide nothing."""

from collections.abc import Iterable, Iterator, Mapping

from inspect_station.core.bench import Bench, shows_defect
from inspect_station.core.gates import passed
from inspect_station.core.grading import grade
from inspect_station.core.records import Finding, Grade, Inspection, Kind, Mark, Reason, Rma, Seller
from inspect_station.core.rules import Fact, Rules
from inspect_station.message import Message, msg

SHOWN: Mapping[Fact, Message] = {
    "sealed": msg("it was never opened"),
    "fault_free": msg("all tests passed"),
    "used": msg("it was used"),
    "complete": msg("nothing is missing"),
    "as_announced": msg("this is the article that was ordered"),
    "undamaged": msg("no damage was found"),
}
"""The facts in words."""


def norm(rules: Rules, seller: Seller) -> Mapping[int, int]:
    """Days → most returns of one customer within them: the seller's own norm as a whole, else the site's."""
    return seller.returns_norm or rules.signals.returns_norm


def signals(bench: Bench, inspection: Inspection, now: Rma | None = None) -> tuple[Reason, ...]:
    """All marks that the unit bears as it stands now; the same unit in the same history always bears the same.

    ``now`` = its RMA as it is announced by now.
    """
    found = (*_returns(bench, inspection), *_serial(inspection), *_contradiction(bench.rules, inspection))
    return (*found, *_changed(inspection, now))


def withdrawn(inspection: Inspection, now: Rma) -> bool:
    """Whether what was announced when the unit was opened is not announced any more."""
    return now.closed or inspection.line is None or inspection.line.no not in {each.no for each in now.lines}


def _changed(inspection: Inspection, now: Rma | None) -> Iterator[Reason]:
    """It is judged by what was announced when it was opened, whatever has become of that (sync.md §3.2, 43)."""
    was = inspection.line
    if now is None or was is None or inspection.warnings:
        return  # an extra unit is one of an RMA that was closed before
    message = None
    if withdrawn(inspection, now):
        message = msg("RMA {rma} was withdrawn while this was inspected: judged as it was announced", rma=now.number)
    elif now.line(was.no).but(postmarked_on=was.postmarked_on) != was:
        message = msg("RMA {rma} was changed while this was inspected: judged as it was before", rma=now.number)
    if message is not None:
        yield Reason(code="signal.rma_changed", message=message, met=False)


def _returns(bench: Bench, inspection: Inspection) -> Iterator[Reason]:
    """More returns of one customer than the norm: of several spans of time the one that is exceeded most."""
    counts = ((days, bench.history[days] + 1, most) for days, most in _known(bench))
    over = [(days, n, most) for days, n, most in counts if n > most]
    if over:
        days, n, most = max(over, key=lambda span: (span[1] / span[2], -span[0]))
        message = msg("{n} returns of this customer in {days} days, the norm is {norm}", n=n, days=days, norm=most)
        yield Reason(code="signal.returns", message=message, met=False)


def _known(bench: Bench) -> Iterator[tuple[int, int]]:
    """The norm, as far as it is known how many came."""
    return ((days, most) for days, most in norm(bench.rules, bench.seller).items() if days in bench.history)


def _serial(inspection: Inspection) -> Iterator[Reason]:
    for finding in inspection.findings:
        if finding.code == "serial_mismatch":
            message = msg("{what:data}", what="finding.serial_mismatch")
            if finding.note:
                message = msg("{what:data}: {note}", what="finding.serial_mismatch", note=finding.note)
            yield Reason(code="signal.serial", message=message, met=False)
            return


def _contradiction(rules: Rules, inspection: Inspection) -> Iterator[Reason]:
    """The stated reason cannot be true beside what was found; the first fact that says so counts."""
    if inspection.kind is not Kind.UNIT or inspection.line is None:
        return
    stated = inspection.line.reason
    for fact in _facts(rules, inspection):
        if stated in rules.signals.contradicts.get(fact, ()):
            message = msg(
                "the customer said “{reason:data}”, but {fact:word}",
                reason=f"reason.{stated}",
                fact=SHOWN[fact].text,
            )
            yield Reason(code="signal.contradiction", message=message, met=False)
            return


def _facts(rules: Rules, inspection: Inspection) -> Iterator[Fact]:
    """What the bench has shown so far, the surest first."""
    graded, _ = grade(rules, inspection)
    checklist = rules.checklist(inspection.product)
    tested = checklist is not None and checklist.test and passed(checklist, "test", inspection)
    complete = inspection.answer("finish.complete")
    line, product = inspection.line, inspection.product
    if inspection.chosen is Grade.NEW:
        yield "sealed"
    elif (
        tested
        and graded is not Grade.DEFECTIVE
        and not shows_defect(rules, (each.code for each in inspection.findings))
    ):
        yield "fault_free"
    if graded in (Grade.USED, Grade.LIGHT, Grade.HEAVY) and _by_use(rules, inspection):
        yield "used"
    if complete is not None and complete.mark is Mark.PASS and "INCOMPLETE" not in _dock(rules, inspection.findings):
        yield "complete"
    if line is not None and product is not None and line.gtin == product.gtin:
        yield "as_announced"
    if graded in (Grade.NEW, Grade.OPENED) and not inspection.findings:
        yield "undamaged"


def _by_use(rules: Rules, inspection: Inspection) -> bool:
    """Whether it was sold new, and what lowered its grade is neither the carrier's doing nor only something missing."""
    lowering = [finding for finding in inspection.findings if rules.finding(finding.code).floor is not None]
    only_missing = bool(lowering) and all(_dock(rules, [each]) == {"INCOMPLETE"} for each in lowering)
    sold_new = inspection.line is not None and inspection.line.sold_as == "new"
    return sold_new and not only_missing and "TRANSIT_DAMAGE" not in _dock(rules, inspection.findings)


def _dock(rules: Rules, findings: Iterable[Finding]) -> set[str]:
    """As what these findings are reported (domain.md §3.1)."""
    return {code for finding in findings if (code := rules.finding(finding.code).dock)}
