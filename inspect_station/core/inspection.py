"""The life of one inspection: which page is due, what is legal now, what a key does.

``step(bench, inspection, given, by=…, at=…) -> Step`` is pure, so a key paints at once, a draft resumes at the same
question, and a key that turns out to begin a scan can be taken back by keeping the value before it.

Pages: ``condition`` → ``question.<id>``… → ``test`` → ``grade`` → ``lock`` → ``wipe`` → ``sterilise`` → ``finish``;
``claim`` for what nobody announced. Those that a unit does not need are left out.
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from math import isfinite

from stdnum import imei

from inspect_station.core import decide
from inspect_station.core.bench import (
    CHECK_PAGES,
    Bench,
    attests,
    check_rows,
    failed_rows,
    later_questions,
    open_rows,
    options,
    path,
    quarantined,
    question_of,
    rejudged,
    row_rule,
    still_wanted,
    undone_page,
)
from inspect_station.core.gates import opened
from inspect_station.core.grading import failed_steps, floors, step_path
from inspect_station.core.grading import grade as suggested
from inspect_station.core.grading import mark as standing
from inspect_station.core.records import (
    Answer,
    Change,
    Disposition,
    Finding,
    Grade,
    Inspection,
    Kind,
    Line,
    Mark,
    Photo,
    Product,
    Rerouting,
    Rma,
    Role,
)
from inspect_station.core.rules import Step as Row
from inspect_station.core.view import not_done_yet, view
from inspect_station.message import Message, msg

# ── What can be given ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Digit:
    """A digit: a grade, an option or a row, as the page has it."""

    n: int
    offset: int = 0
    """First row of the nine that are numbered now."""


@dataclass(frozen=True)
class Accept:
    """Enter: take what is proposed and go on."""


@dataclass(frozen=True)
class AllPass:
    """Space: all rows of this page pass."""


@dataclass(frozen=True)
class Typed:
    """A measured value, a text or a code, typed and entered."""

    text: str


@dataclass(frozen=True)
class Scanned:
    """A code was scanned that a row of this page waits for."""

    text: str


@dataclass(frozen=True)
class Skipped:
    """A row of this page left out, with the reason."""

    row: str
    reason: str
    role: Role


@dataclass(frozen=True)
class Serial:
    """A serial number or IMEI was scanned."""

    text: str
    before: str = ""
    """The plate of a unit with this serial that was inspected before."""
    sold: str = ""
    """The other RMA under which the article with this serial was sold."""
    opens: bool = True
    """Whether the tests open by it; not by the code on a box, which may be sealed."""


@dataclass(frozen=True)
class Found:
    """A finding from the list."""

    code: str
    note: str = ""


@dataclass(frozen=True)
class Unfound:
    """A finding taken back."""

    code: str


@dataclass(frozen=True)
class Taken:
    """A photo is on disk under its hash, or owed (empty hash) because the camera is down."""

    slot: str
    sha256: str


@dataclass(frozen=True)
class Noted:
    """A remark."""

    text: str


@dataclass(frozen=True)
class Reworded:
    """The sales text, edited."""

    text: str


@dataclass(frozen=True)
class Postmarked:
    """The postmark read from the parcel."""

    on: date


@dataclass(frozen=True)
class Held:
    """Set on hold by hand."""

    reason: str


@dataclass(frozen=True)
class Overridden:
    """Another grade than suggested, with a reason."""

    grade: Grade
    reason: str
    role: Role


@dataclass(frozen=True)
class Counted:
    """Several units of one line at once (F7)."""

    n: int


@dataclass(frozen=True)
class Became:
    """Wrong item, empty box or danger."""

    kind: Kind


@dataclass(frozen=True)
class Back:
    """One page back; answers stay."""


Input = (
    Digit
    | Accept
    | AllPass
    | Typed
    | Scanned
    | Skipped
    | Serial
    | Found
    | Unfound
    | Taken
    | Noted
    | Reworded
    | Postmarked
    | Held
    | Overridden
    | Counted
    | Became
    | Back
)


@dataclass(frozen=True)
class Step:
    """What came of an input."""

    inspection: Inspection
    said: Message | None = None
    """Why nothing, or something else, happened."""
    done: bool = False
    """The unit is complete: commit it now."""
    ask: str = ""
    """What the screen must ask next: ``accessory``."""


def _after(bench: Bench, inspection: Inspection) -> str:
    """The page after the current one."""
    pages = path(bench, inspection)
    if inspection.page in pages:
        return pages[min(pages.index(inspection.page) + 1, len(pages) - 1)]
    # The answer itself took this page off the path: the first page not yet passed is due.
    return next((page for page in pages if page not in inspection.trail), pages[-1])


def _go(inspection: Inspection, page: str, at: datetime) -> Inspection:
    if page == inspection.page:
        return inspection
    trail = (*inspection.trail, inspection.page)
    return _dwelt(inspection, at).but(page=page, trail=trail, shown_at=at)


def _dwelt(inspection: Inspection, at: datetime) -> Inspection:
    if inspection.shown_at is None:
        return inspection
    spent = max(0, round((at - inspection.shown_at).total_seconds() * 1000))
    page = inspection.page
    dwell = {**inspection.dwell_ms, page: inspection.dwell_ms.get(page, 0) + spent}
    return inspection.but(dwell_ms=dwell)


def _forward(bench: Bench, inspection: Inspection, at: datetime) -> Inspection:
    inspection = rejudged(bench, inspection)
    return _go(inspection, _after(bench, inspection), at)


# ── Steps ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Act:
    """One input in its circumstances."""

    bench: Bench
    before: Inspection
    by: str
    at: datetime

    def answered(self, inspection: Inspection, id: str, mark: Mark, value: str = "") -> Inspection:
        kept = tuple(answer for answer in inspection.answers if answer.id != id)
        return inspection.but(answers=(*kept, Answer(id=id, mark=mark, value=value, by=self.by, at=self.at)))

    def found(self, inspection: Inspection, code: str, note: str = "") -> Inspection:
        if any(finding.code == code and finding.note == note for finding in inspection.findings):
            return inspection
        finding = Finding(code=code, note=note, by=self.by, at=self.at)
        return inspection.but(findings=(*inspection.findings, finding))


def step(bench: Bench, inspection: Inspection, given: Input, *, by: str, at: datetime) -> Step:
    """Apply one input; the inspection given is untouched.

    An input that means nothing on this page changes nothing and says why.
    """
    result = _applied(_Act(bench, inspection, by, at), given)
    after = result.inspection
    if after.text and after.text == inspection.text and _told(after) != _told(inspection):
        said = result.said or msg("the text is built again: what it told has changed. e edits it")
        return replace(result, inspection=after.but(text=""), said=said)
    return result


def _told(inspection: Inspection) -> tuple[object, ...]:
    """What the text that says why tells of; an edited one holds as long as that."""
    tried = tuple(
        (answer.id, answer.mark, answer.value)
        for answer in inspection.answers
        if answer.id.startswith(("test.", "wipe."))
    )
    return inspection.findings, inspection.chosen, inspection.overrides, tried


def _applied(act: _Act, given: Input) -> Step:
    bench, inspection, by, at = act.bench, act.before, act.by, act.at
    match given:
        case Digit(n, offset):
            return _digit(act, n, offset)
        case Accept():
            return _accept(act)
        case AllPass():
            return _all_pass(act)
        case Typed(text):
            return _typed(act, text)
        case Scanned(text):
            return _scanned(act, text)
        case Skipped(row, reason, role):
            return _skipped(act, row, reason, role)
        case Serial():
            return _serial(act, given)
        case Found(code, note):
            return Step(rejudged(bench, act.found(inspection, code, note)))
        case Unfound(code) if _proven(bench, inspection, code):
            return Step(
                inspection, msg("{what:data}: change the answer or the row that says so", what=f"finding.{code}")
            )
        case Unfound(code):
            left = tuple(finding for finding in inspection.findings if finding.code != code)
            return Step(rejudged(bench, inspection.but(findings=left)))
        case Taken(slot, sha256):
            kept = tuple(photo for photo in inspection.photos if photo.slot != slot)
            return Step(inspection.but(photos=(*kept, Photo(slot=slot, sha256=sha256, by=by, at=at))))
        case Noted(text):
            return Step(inspection.but(notes=(*inspection.notes, text)))
        case Reworded(text):
            return Step(inspection.but(text=text))
        case Postmarked(on):
            return _postmarked(act, on)
        case Held(reason):
            return Step(_go(inspection.but(held=reason), "finish", at))
        case Overridden(grade, reason, role):
            return _overridden(act, grade, reason, role)
        case Counted(n):
            return _counted(act, n)
        case Became(kind):
            return _became(act, kind)
        case Back():
            return _back(act)


def _proven(bench: Bench, inspection: Inspection, code: str) -> bool:
    """Whether an answer, a failed row or the serial still says what somebody wants to take back."""
    rows = {step.finding for _, step in failed_rows(bench, inspection)}
    answers = {
        question.options[int(answer.value) - 1].finding
        for question in bench.rules.questions
        if (answer := inspection.answer(f"question.{question.id}")) is not None and answer.value.isdecimal()
    }
    return code in rows | answers or (code == "serial_mismatch" and inspection.found(code))


def _digit(act: _Act, n: int, offset: int) -> Step:
    inspection = act.before
    if n == 0:
        return _became(act, Kind.DANGER)
    page = inspection.page
    if page in ("condition", "grade"):
        return _grade_pressed(act, n)
    if page == "claim":
        return _claimed(act, offset + n)
    if page.startswith("question."):
        return _option(act, n)
    rows = view(act.bench, inspection).rows
    index = offset + n - 1
    if not 0 <= index < len(rows):
        return Step(inspection, msg("there is no row {n} here", n=n))
    return _toggled(act, rows[index].id)


def _worked_on(bench: Bench, inspection: Inspection) -> bool:
    """Whether a test, lock or wipe was answered: then it was opened, whatever is pressed now. A serial number alone
    may be read through the box."""
    checklist = bench.rules.checklist(inspection.product)
    rows = [(page, row) for page in ("test", "lock", "wipe") for row in (checklist.steps(page) if checklist else ())]
    answers = [inspection.answer(f"{page}.{row.id}") for page, row in rows if row.kind != "serial"]
    return any(answer is not None and answer.mark is not Mark.OPEN for answer in answers)


def _grade_pressed(act: _Act, n: int) -> Step:
    inspection = act.before
    if n > len(Grade):
        return Step(inspection, msg("{n} is no grade: 1 to 6, or 0 for danger", n=n))
    grade = Grade.by_digit(n)
    if grade is Grade.NEW and _worked_on(act.bench, inspection):
        return Step(inspection, msg("it was opened to be tested: not new any more"))
    if grade is Grade.NEW and inspection.page == "grade":
        return Step(inspection, msg("it was opened before: not new any more"))
    if inspection.count > 1 and grade is not Grade.NEW:
        return Step(
            inspection,
            msg(
                "{n} units at once can only be sealed ones: press 1, or F7 1 for this unit alone",
                n=inspection.count,
            ),
        )
    chosen = inspection.but(chosen=grade, overrides=())
    if grade is Grade.NEW and not opened(act.bench.rules, chosen):
        chosen = act.answered(chosen, "condition.sealed", Mark.PASS)
    chosen = _forward(act.bench, chosen, act.at)
    if grade is Grade.NEW and chosen.page == "finish" and not still_wanted(act.bench, chosen):
        decision = decide.decide(act.bench.rules, act.bench.seller, chosen)
        if decision.grade is Grade.NEW and chosen.verdict.ours:
            return Step(_dwelt(chosen, act.at), done=True)
    return Step(chosen)


def _claimed(act: _Act, n: int) -> Step:
    sellers = act.bench.sellers
    if n == len(sellers) + 1:
        return Step(act.answered(act.before, "claim.seller", Mark.SKIPPED).but(seller=""))
    if not 1 <= n <= len(sellers):
        return Step(act.before, msg("there is no seller {n} here", n=n))
    return Step(
        act.answered(act.before, "claim.seller", Mark.PASS, sellers[n - 1].code).but(seller=sellers[n - 1].code)
    )


def _option(act: _Act, n: int) -> Step:
    inspection = act.before
    question = question_of(act.bench, inspection.page)
    if n not in options(act.bench, inspection, question):
        return Step(inspection, msg("there is no answer {n} here", n=n))
    option = question.options[n - 1]
    answered = act.answered(inspection, inspection.page, Mark.PASS, str(n))
    codes = {each.finding for each in question.options if each.finding}
    left = tuple(each for each in answered.findings if each.code not in codes)
    answered = answered.but(findings=left)
    if inspection.answer("question.hazard") is not None:
        # By questions the answers say the grade: what they said before, and was taken back, must not outlive them.
        answered = answered.but(chosen=None, overrides=())
    if question.id == "hazard" and option.finding:
        return _became(_Act(act.bench, act.found(answered, option.finding), act.by, act.at), Kind.DANGER)
    as_new = question.when == "apparel" and n == 1 and act.bench.seller.apparel_as_new
    if as_new:
        # The seller's rule stands over the floor that the answer has elsewhere.
        answered = act.answered(answered, inspection.page, Mark.PASS)
    if option.grade is Grade.NEW or as_new:
        return _grade_pressed(_Act(act.bench, answered, act.by, act.at), 1)
    if option.finding:
        answered = act.found(answered, option.finding)
    return Step(_forward(act.bench, answered, act.at))


_ANSWERED_ALONE = {Mark.OPEN: Mark.PASS, Mark.PASS: Mark.FAIL, Mark.FAIL: Mark.OPEN, Mark.SKIPPED: Mark.PASS}


def _toggled(act: _Act, row: str) -> Step:
    inspection = act.before
    rule = row_rule(act.bench, inspection, row)
    if rule is not None and rule.kind == "serial":
        return Step(inspection, msg("a serial number is scanned or typed, not ticked"))
    answer = inspection.answer(row)
    was = answer.mark if answer is not None else Mark.OPEN
    now = Mark.OPEN if was is Mark.FAIL else Mark.FAIL
    if rule is not None and rule.kind == "pass_fail":
        now = _ANSWERED_ALONE[was]
    toggled = _marked(act, inspection, row, rule, now)
    if row == "finish.complete" and now is Mark.OPEN:
        lost = ("accessory_missing", "consumable_missing")
        toggled = toggled.but(findings=tuple(each for each in toggled.findings if each.code not in lost))
    ask = "accessory" if row == "finish.complete" and now is Mark.FAIL else ""
    return Step(rejudged(act.bench, toggled), ask=ask)


def _marked(act: _Act, inspection: Inspection, row: str, rule: Row | None, mark: Mark, value: str = "") -> Inspection:
    """The row answered so, and what its failing means found or taken back."""
    answer = inspection.answer(row)
    marked = act.answered(inspection, row, mark, value)
    if mark is Mark.FAIL and row.startswith("wipe."):
        # What was seen before is no evidence of the wipe that comes after.
        marked = marked.but(photos=tuple(photo for photo in marked.photos if photo.slot != "setup_screen"))
    if rule is None or not rule.finding:
        return marked
    if mark is Mark.FAIL:
        return act.found(marked, rule.finding)
    if answer is None or answer.mark is not Mark.FAIL:
        return marked
    still = {step.finding for _, step in failed_steps(act.bench.rules, marked)}
    gone = {rule.finding} - still
    return marked.but(findings=tuple(each for each in marked.findings if each.code not in gone))


def _skipped(act: _Act, row: str, reason: str, role: Role) -> Step:
    inspection = act.before
    rule = dict(check_rows(act.bench, inspection)).get(row)
    if rule is None:
        return Step(inspection, msg("there is no row to skip here"))
    label = step_path(inspection, inspection.page, rule)
    if rule.skip == "nobody":
        return Step(inspection, msg("{row:data}: nobody may skip this", row=label))
    if rule.skip == "supervisor" and role is not Role.SUPERVISOR:
        return Step(inspection, msg("{row:data}: only a supervisor may skip this", row=label))
    if not reason.strip():
        return Step(inspection, msg("{row:data}: why is it skipped?", row=label))
    return _page_done(act, _marked(act, inspection, row, rule, Mark.SKIPPED, reason.strip()))


def _all_pass(act: _Act) -> Step:
    inspection = act.before
    if inspection.page not in CHECK_PAGES and inspection.page != "finish":
        return Step(inspection, msg("Space passes a whole checklist; here is none"))
    if inspection.shown_at is not None:
        shown_ms = (act.at - inspection.shown_at).total_seconds() * 1000
        if 0 <= shown_ms < act.bench.rules.space_guard_ms:
            return Step(inspection, msg("too fast: read the rows first, then press Space again"))
    if inspection.page == "finish":
        return _accept(act)
    return _page_done(act, _rest(act, inspection, Mark.PASS))


def _rest(act: _Act, inspection: Inspection, mark: Mark) -> Inspection:
    """Mark every open tick row of the page; measures and serials are entered, never ticked."""
    for row, rule in check_rows(act.bench, inspection):
        answer = inspection.answer(row)
        if (answer is None or answer.mark is Mark.OPEN) and (mark is Mark.SKIPPED or rule.kind == "tick"):
            inspection = act.answered(inspection, row, mark)
    return inspection


def _page_done(act: _Act, inspection: Inspection) -> Step:
    """Go on when every row is answered; otherwise stay, with the first value to enter in the field, or say what is
    still to be answered."""
    waiting = open_rows(act.bench, inspection)
    if not waiting:
        return Step(_forward(act.bench, inspection, act.at))
    stays = rejudged(act.bench, inspection)
    if any(row.kind == "tick" for _, row in waiting) or view(act.bench, stays).field is not None:
        return Step(stays)
    _, row = waiting[0]
    label = step_path(inspection, inspection.page, row)
    if row.kind == "photo":
        return Step(stays, msg("{row:data}: p takes its picture", row=label))
    return Step(stays, msg("{row:data}: press its digit, once = passes, twice = fails", row=label))


def _accept(act: _Act) -> Step:
    inspection = act.before
    page = inspection.page
    if page == "condition":
        first = act.bench.rules.questions[0]
        asked = act.answered(inspection.but(chosen=None), f"question.{first.id}", Mark.OPEN)
        return Step(_go(asked, f"question.{first.id}", act.at))
    if page == "grade":
        asked = act.answered(inspection, "question.hazard", Mark.OPEN)
        later = tuple(later_questions(act.bench, asked))
        return Step(_go(asked, f"question.{later[0].id}", act.at))
    if page.startswith("question."):
        question = question_of(act.bench, page)
        if question.proposed:
            return _option(act, question.proposed)
        return Step(inspection, msg("answer with a digit: nothing is proposed here"))
    if page in CHECK_PAGES:
        return _accept_checklist(act)
    return _finish(act)


def _accept_checklist(act: _Act) -> Step:
    inspection = act.before
    rows = check_rows(act.bench, inspection)
    failed = [row for _, row in rows if standing(inspection, inspection.page, row) is Mark.FAIL]
    stopped = quarantined(act.bench, inspection)
    if not failed and not stopped:
        if len(open_rows(act.bench, inspection)) == len(rows):
            return Step(inspection, msg("nothing answered yet: Space = all pass, a digit marks what fails"))
        return _page_done(act, inspection)
    gated = any(row.gate for row in failed) and inspection.page != "test"
    ended = any(row.ends for row in failed) or stopped
    rest = Mark.SKIPPED if ended else Mark.PASS
    if gated and inspection.page == "wipe":
        # A row that fails on the wipe page says nothing of the others: only what is attested counts as done.
        rest = Mark.SKIPPED
    return _page_done(act, _rest(act, inspection, rest))


def _typed(act: _Act, text: str) -> Step:
    inspection = act.before
    field = view(act.bench, inspection).field
    rule = row_rule(act.bench, inspection, field.id) if field is not None else None
    if field is None or rule is None:
        return Step(inspection, msg("nothing to enter here"))
    match rule.kind:
        case "serial":
            return _serial(act, Serial(text))
        case "measure":
            return _measured(act, field.id, rule, text)
        case _:
            return _entered(act, field.id, rule, text)


def _measured(act: _Act, id: str, rule: Row, text: str) -> Step:
    inspection = act.before
    value = text.strip().replace(",", ".").removesuffix("%").strip()
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not isfinite(number):
        return Step(inspection, msg("{text} is not a number: type it again", text=text))
    if not ((rule.low is None or rule.low <= number) and (rule.high is None or number <= rule.high)):
        return Step(
            inspection,
            msg(
                "{text} {unit} is outside {low} to {high}: type it again",
                text=text,
                unit=rule.unit,
                low=f"{rule.low:g}" if rule.low is not None else "",
                high=f"{rule.high:g}" if rule.high is not None else "",
            ),
        )
    entered = _marked(act, inspection, id, rule, Mark.PASS, f"{number:g}")
    for floor in rule.floors:
        if floor.finding and number < floor.below:
            entered = act.found(entered, floor.finding)
    return _page_done(act, entered)


def _entered(act: _Act, id: str, rule: Row, text: str) -> Step:
    """A text or a code: it must look as the row wants it."""
    inspection, entered = act.before, text.strip()
    if not entered or not rule.takes(entered):
        label = step_path(inspection, inspection.page, rule)
        return Step(inspection, msg("{text} is not what belongs to “{row:data}”: again", text=entered, row=label))
    return _page_done(act, _marked(act, inspection, id, rule, Mark.PASS, entered))


def _scanned(act: _Act, text: str) -> Step:
    row = next(((id, row) for id, row in open_rows(act.bench, act.before) if row.kind == "scan"), None)
    if row is None:
        return Step(act.before, msg("no row of this page waits for a code"))
    return _entered(act, *row, text)


def _serial(act: _Act, given: Serial) -> Step:
    """A serial scanned: it must be the one sold and never have come back before; then the tests open."""
    inspection = act.before
    serial, before = given.text.strip().upper(), given.before
    checklist = act.bench.rules.checklist(inspection.product)
    if checklist is not None and checklist.serial == "imei" and not imei.is_valid(serial):
        return Step(inspection, msg("{code} is no IMEI: its check digit is wrong. Scan it again", code=serial))
    sold = inspection.line.serial if inspection.line else ""
    same = (not sold or serial.casefold() == sold.casefold()) and not before and not given.sold
    scanned = inspection.but(serial=serial)
    said = None
    if before:
        scanned = act.found(scanned, "serial_mismatch", f"{serial} = {before}")
        said = msg("serial {serial} came back before, as {lpn}: the seller is asked", serial=serial, lpn=before)
    elif given.sold:
        scanned = act.found(scanned, "serial_mismatch", f"{serial} = {given.sold}")
        said = msg("serial {serial} was sold under {rma}: the seller is asked", serial=serial, rma=given.sold)
    elif not same:
        scanned = act.found(scanned, "serial_mismatch", f"{serial} ≠ {sold}")
        said = msg("serial {serial} read, {sold} was sold: the seller is asked", serial=serial, sold=sold)
    else:
        scanned = scanned.but(findings=tuple(each for each in scanned.findings if each.code != "serial_mismatch"))
    for row in checklist.test if checklist and given.opens else ():
        if row.kind == "serial":
            scanned = act.answered(scanned, f"test.{row.id}", Mark.PASS if same else Mark.FAIL, serial)
    scanned = rejudged(act.bench, scanned)
    if inspection.page == "condition" and given.opens and checklist is not None and checklist.test:
        return Step(_go(scanned, "test", act.at), said)
    if inspection.page == "test":
        done = _page_done(_Act(act.bench, scanned, act.by, act.at), scanned)
        return Step(done.inspection, said)
    return Step(scanned, said)


def _postmarked(act: _Act, on: date) -> Step:
    inspection = act.before
    if inspection.line is None:
        return Step(inspection, msg("no RMA line: a postmark changes nothing here"))
    if on > act.bench.received_on:
        return Step(
            inspection,
            msg(
                "postmark {on:date} lies after the receipt on {received:date}: type it again",
                on=on.isoformat(),
                received=act.bench.received_on.isoformat(),
            ),
        )
    delivered = inspection.line.delivered_on
    if delivered is not None and on < delivered:
        return Step(
            inspection,
            msg(
                "postmark {on:date} lies before the delivery on {delivered:date}: type it again",
                on=on.isoformat(),
                delivered=delivered.isoformat(),
            ),
        )
    dated = act.answered(inspection, "condition.postmark", Mark.PASS, on.isoformat())
    return Step(rejudged(act.bench, dated.but(line=inspection.line.but(postmarked_on=on))))


def _overridden(act: _Act, grade: Grade, reason: str, role: Role) -> Step:
    inspection = act.before
    computed, _ = suggested(act.bench.rules, inspection.but(overrides=()))
    if not reason.strip():
        return Step(inspection, msg("another grade needs a reason"))
    if computed is None:
        return Step(inspection, msg("nothing is suggested yet: press the grade itself"))
    if grade is Grade.NEW and opened(act.bench.rules, inspection):
        return Step(inspection, msg("it was opened before: not new any more"))
    if grade.rank < computed.rank and role is not Role.SUPERVISOR:
        return Step(
            inspection,
            msg(
                "only a supervisor may raise {was:data} to {to:data}: ask for a badge",
                was=f"grade.{computed}",
                to=f"grade.{grade}",
            ),
        )
    known = tuple(cause.code for _, cause in floors(act.bench.rules, inspection))
    change = Change(grade=grade, over=computed, known=known, reason=reason.strip(), by=act.by, at=act.at)
    return Step(rejudged(act.bench, inspection.but(overrides=(*inspection.overrides, change))))


def _counted(act: _Act, n: int) -> Step:
    inspection = act.before
    if inspection.page != "condition":
        return Step(inspection, msg("count before grading: F7 works on the first page of a unit"))
    if not 1 <= n <= act.bench.open_units:
        return Step(
            inspection,
            msg("{n} units, but the line has {open} open: count again", n=n, open=act.bench.open_units),
        )
    return Step(inspection.but(count=n))


def _became(act: _Act, kind: Kind) -> Step:
    inspection = act.before
    if kind is Kind.DANGER:
        was = inspection.was if inspection.kind is Kind.DANGER else inspection.kind
        danger = act.found(inspection, "hazard").but(kind=Kind.DANGER, was=was, chosen=None, count=1)
        return Step(_dwelt(danger, act.at), done=True)
    became = inspection.but(kind=kind, chosen=None, count=1, overrides=())
    return Step(_go(became, path(act.bench, became)[0], act.at))


def _back(act: _Act) -> Step:
    inspection = act.before
    if not inspection.trail:
        return Step(inspection, msg("this is the first page: Esc sets the unit aside"))
    page = inspection.trail[-1]
    back = _dwelt(inspection, act.at).but(page=page, trail=inspection.trail[:-1], shown_at=act.at)
    if page in ("condition", "grade"):
        back = back.but(chosen=None, overrides=())
    back = back.but(answers=_asked_again(back.answers, page))
    if back.kind in (Kind.WRONG_ITEM, Kind.EMPTY_BOX):
        back = back.but(kind=Kind.UNIT)
    if inspection.page == "finish":
        back = back.but(held="")
    return Step(rejudged(act.bench, back))


def _asked_again(answers: tuple[Answer, ...], *pages: str) -> tuple[Answer, ...]:
    """Without the rows that nobody answered, because another row had ended their page: it may not end it any more."""
    left_out = tuple(f"{page}." for page in pages)
    return tuple(
        answer
        for answer in answers
        if not (answer.id.startswith(left_out) and answer.mark is Mark.SKIPPED and not answer.value)
    )


def _finish(act: _Act) -> Step:
    inspection = act.before
    undone = undone_page(act.bench, inspection)
    if undone:
        again = inspection.but(answers=_asked_again(inspection.answers, undone))
        return Step(_go(again, undone, act.at), not_done_yet(undone))
    wants = still_wanted(act.bench, inspection)
    if wants:
        return Step(inspection, wants[0])
    for row in attests(act.bench, inspection):
        answer = inspection.answer(row)
        if answer is None or answer.mark is Mark.OPEN:
            inspection = act.answered(inspection, row, Mark.PASS)
    return Step(_dwelt(inspection, act.at), done=True)


# ── Again ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reopened(unit: Inspection, *, by: str) -> Inspection:
    """The draft that a voided unit becomes: same plate, same answers, the decision open again."""
    kind = unit.kind
    if kind is Kind.DANGER:
        kind = unit.was or (Kind.UNIT if unit.line else Kind.DANGER)
    page, trail = "finish", unit.trail
    if kind is Kind.UNKNOWN:
        page, trail = "claim", ()
    elif kind is Kind.UNIT and unit.kind is Kind.DANGER:
        page, trail = "condition", ()
    elif unit.trail and unit.grade is Grade.NEW:
        page, trail = unit.trail[-1], unit.trail[:-1]
    return unit.but(
        # One revision for the void record, the next for what this draft becomes.
        revision=unit.revision + 2,
        kind=kind,
        was=None,
        page=page,
        trail=trail,
        chosen=None if page == "condition" else unit.chosen,
        count=1,
        findings=tuple(finding for finding in unit.findings if finding.code != "hazard"),
        held="",
        grade=None,
        disposition=None,
        price=None,
        list_price=None,
        discount=None,
        reasons=(),
        gates=(),
        route="",
        refund="",
        refund_amount=None,
        refund_means="",
        refund_reasons=(),
        case=None,
        rerouted=(),
        dock=(),
        wipe=None,
        finished_at=None,
        clock_ahead_s=0,
        clock_suspect=False,
        voided_at=None,
        operator=by,
    )


def refurbished(unit: Inspection, *, by: str) -> Inspection:
    """A unit that comes back to the bench is cleaned and graded again; its earlier grades are kept beside the new one.

    Tests, locks and the wipe stay answered: their pages come up only where something failed, or is open. What was
    repaired is tested first. Questions that say a grade are asked anew.
    """
    asked_anew = ("finish.", "question.")
    repaired = unit.grade is Grade.DEFECTIVE and "test" in unit.trail
    answers = tuple(
        answer for answer in unit.answers if not answer.id.startswith(asked_anew) or answer.id == "question.hygiene"
    )
    return reopened(unit, by=by).but(
        answers=_asked_again(answers, *CHECK_PAGES),
        text="",
        earlier_grades=(*unit.earlier_grades, unit.grade) if unit.grade else unit.earlier_grades,
        page="test" if repaired else "grade",
        trail=(),
        chosen=None,
        overrides=(),
        revision=unit.revision + 1,
    )


def matched(unit: Inspection, *, rma: Rma, line: Line, product: Product, parcel: str, by: str) -> Inspection:
    """What nobody had announced is a unit of this line: graded like any other, with the plate and photos it has."""
    return reopened(unit, by=by).but(
        kind=Kind.UNIT,
        was=Kind.UNKNOWN,
        seller=rma.seller,
        rma=rma.number,
        channel=rma.channel,
        fulfilment=rma.fulfilment,
        line=line,
        product=product,
        parcel=parcel,
        page="condition",
        answers=tuple(answer for answer in unit.answers if not answer.id.startswith("claim.")),
        revision=unit.revision + 1,
    )


def rerouted(
    unit: Inspection, disposition: Disposition, *, over: Disposition, reason: str, by: str, at: datetime
) -> Inspection:
    """The next revision of a finished unit, with a supervisor's order; `decide` honours it where nothing forbids it.

    ``over`` is where it goes before the order, by earlier ones, too: the order stands as long as that does.
    """
    order = Rerouting(disposition=disposition, over=over, reason=reason, by=by, at=at)
    return unit.but(revision=unit.revision + 1, rerouted=(*unit.rerouted, order))
