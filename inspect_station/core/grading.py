"""The grade: the best that every observed fact still leaves, the worst of them counts (domain.md §3.2)."""

from collections.abc import Iterator

from inspect_station.core.records import Finding, Grade, Inspection, Kind, Mark, Reason, worst
from inspect_station.core.rules import Rules, Step
from inspect_station.message import Message, msg


def mark(inspection: Inspection, page: str, step: Step) -> Mark:
    """How a row of a checklist stands.

    A photo row is answered by the picture in its slot and by nothing else; one that is owed counts as skipped.
    """
    answer = inspection.answer(f"{page}.{step.id}")
    given = answer.mark if answer is not None else Mark.OPEN
    if step.kind != "photo" or given is Mark.FAIL:
        return given
    picture = next((photo for photo in inspection.photos if photo.slot == step.slot), None)
    if picture is None:
        return Mark.SKIPPED if given is Mark.SKIPPED else Mark.OPEN
    return Mark.PASS if picture.sha256 else Mark.SKIPPED


def failed_steps(rules: Rules, inspection: Inspection) -> Iterator[tuple[str, Step]]:
    """Every checklist row that failed, with its page."""
    latest = {answer.id: answer.mark for answer in inspection.answers}
    failed = {id for id, given in latest.items() if given is Mark.FAIL}
    checklist = rules.checklist(inspection.product) if failed else None
    for page in ("test", "lock", "wipe", "clean", "sterilise"):
        for step in checklist.steps(page) if checklist else ():
            if f"{page}.{step.id}" in failed:
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
        answer = inspection.answer(f"test.{step.id}") if step.kind == "measure" else None
        if answer is None or answer.mark is not Mark.PASS:
            continue  # of a row that was skipped the value is the reason
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
        if last.known is not None:
            found = [floor for floor, reason in floors(rules, inspection) if reason.code not in last.known]
            since = since or any(floor.rank > last.grade.rank for floor in found)
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
