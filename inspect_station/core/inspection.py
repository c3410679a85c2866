"""The life of one inspection: which page is due, what is legal now, what a key does.

``step(bench, inspection, given, by=…, at=…) -> Step`` is pure, so a key paints at once, a draft resumes at the same
question, and a key that turns out to begin a scan can be taken back by keeping the value before it.

Pages: ``condition`` → ``question.<id>``… → ``test`` → ``grade`` → ``lock`` → ``wipe`` → ``sterilise`` → ``finish``;
``claim`` for what nobody announced. Those that a unit does not need are left out.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime

from stdnum import imei

from inspect_station.core import decide, policy
from inspect_station.core.decide import FINISH_ROWS, Decision
from inspect_station.core.policy import Words
from inspect_station.core.records import (
    Answer,
    Change,
    Finding,
    Grade,
    Inspection,
    Kind,
    Line,
    Mark,
    Outcome,
    Photo,
    Product,
    Reason,
    Rma,
    Role,
    Seller,
    Verdict,
)
from inspect_station.core.rules import Checklist, FindingRule, Question, Rules
from inspect_station.core.rules import Step as Row
from inspect_station.message import Message, msg

CHECK_PAGES = ("test", "lock", "wipe", "sterilise")


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
    """A measured value, typed and entered."""

    text: str


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


# ── What the screen shows ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class RowView:
    """One line of the page: its label, and how it stands."""

    id: str
    label: Words | Message
    digit: int = 0
    """The key that means this row; 0 = its place on the page."""
    mark: Mark = Mark.OPEN
    value: str = ""
    unit: str = ""
    hint: Words | Message | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Field:
    """A value that is typed now; digits are text until Enter."""

    id: str
    label: Words | Message
    unit: str = ""
    text: bool = False
    """Letters belong to it too: a serial number typed by hand."""


@dataclass(frozen=True)
class View:
    """One page, ready to be painted in any language; it decides nothing."""

    page: str
    title: Words | Message
    rows: tuple[RowView, ...] = ()
    proposed: int = 0
    """The option Enter takes, from 1."""
    field: Field | None = None
    decision: Decision | None = None
    due: tuple[str, ...] = ()
    """Photo slots still to be taken."""
    wants: tuple[Message, ...] = ()
    """What is missing before Enter commits."""
    why: tuple[Words | Message, ...] = ()
    keys: tuple[str, ...] = ()
    """Actions that do something now, in the order of the foot of the screen."""
    path: tuple[str, ...] = ()
    """The pages of this unit, for the header."""


# ── Judging ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _opened(inspection: Inspection) -> bool | None:
    """Whether the packaging was opened; None while nobody has looked."""
    sealed = inspection.answer("question.sealed")
    if inspection.chosen is Grade.NEW:
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
    if bench.rma is not None and inspection.line is None:
        reason = Reason(code="line_unknown", message=msg("which line it belongs to is not known"), met=False)
        return Verdict(outcome=Outcome.CONSULT, reasons=(reason,))
    if bench.rma is None or inspection.line is None or inspection.product is None:
        reason = Reason(code="unannounced", message=msg("no RMA announces it: the seller is asked"), met=False)
        return Verdict(outcome=Outcome.CONSULT, reasons=(reason,))
    findings = tuple(finding.code for finding in inspection.findings)
    failed = any(page == "test" and step.floor is Grade.DEFECTIVE for page, step in _failed(bench, inspection))
    verdict = policy.eligibility(
        bench.rules.policy,
        seller=bench.seller,
        rma=bench.rma,
        line=inspection.line,
        product=inspection.product,
        received_on=bench.received_on,
        findings=findings,
        opened=_opened(inspection),
        defect_found=failed or shows_defect(bench.rules, findings),
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
    return verdict.but(seller_accepted=inspection.verdict.seller_accepted)


def _judged(bench: Bench, inspection: Inspection) -> Inspection:
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
    sealed = inspection.chosen is Grade.NEW
    yield "condition"
    if asked:
        yield "question.hazard"
        yield "question.sealed"
    if sealed:
        yield "finish"
        return
    # The questions ask about the hygiene seal in their turn; a digit does not get around it.
    hygiene = [f"question.{each.id}" for each in _later_questions(bench, inspection) if each.when == "hygiene"]
    tested = checklist is not None and checklist.test and inspection.chosen is not Grade.DEFECTIVE
    if hygiene and not asked and inspection.chosen is not None and not tested:
        yield from hygiene
    if tested:
        yield "test"
    if checklist is not None and decide.dead(checklist, inspection):
        yield "finish"
        return
    failed = any(page == "test" and step.floor is Grade.DEFECTIVE for page, step in _failed(bench, inspection))
    if _quarantined(bench, inspection):
        yield "finish"
        return
    if not failed and inspection.chosen is not Grade.DEFECTIVE:
        if asked:
            yield from (f"question.{question.id}" for question in _later_questions(bench, inspection))
        elif tested and (inspection.chosen is None or "grade" in (inspection.page, *inspection.trail)):
            yield "grade"
        if tested and not asked and inspection.chosen is not None:
            yield from hygiene
    if checklist is not None and inspection.verdict.ours and not inspection.held:
        yield from _treatment(bench, inspection, checklist)
    yield "finish"


def _treatment(bench: Bench, inspection: Inspection, checklist: Checklist) -> Iterator[str]:
    """Unlock, wipe, sterilise: only on what is ours to change (the ownership gate)."""
    if inspection.chosen is Grade.DEFECTIVE:
        return
    if checklist.lock:
        yield "lock"
    if any(page == "lock" and step.gate for page, step in _failed(bench, inspection)):
        return
    if checklist.wipe:
        yield "wipe"
    if checklist.sterilise_required:
        yield "sterilise"


def _failed(bench: Bench, inspection: Inspection) -> tuple[tuple[str, Row], ...]:
    return tuple(decide.failed_steps(bench.rules, inspection))


def _quarantined(bench: Bench, inspection: Inspection) -> bool:
    return any(
        bench.rules.gate(step.gate).route.value == "quarantine" for _, step in _failed(bench, inspection) if step.gate
    )


def _later_questions(bench: Bench, inspection: Inspection) -> Iterator[Question]:
    product = inspection.product
    for question in bench.rules.questions:
        match question.when:
            case "opened":
                yield question
            case "hygiene" if product is not None and product.hygiene:
                yield question
            case "apparel" if product is not None and product.category == "apparel":
                yield question


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
    inspection = _judged(bench, inspection)
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
    act = _Act(bench, inspection, by, at)
    match given:
        case Digit(n, offset):
            return _digit(act, n, offset)
        case Accept():
            return _accept(act)
        case AllPass():
            return _all_pass(act)
        case Typed(text):
            return _typed(act, text)
        case Serial():
            return _serial(act, given)
        case Found(code, note):
            return Step(_judged(bench, act.found(inspection, code, note)))
        case Unfound(code) if _proven(bench, inspection, code):
            return Step(
                inspection, msg("{what:data}: change the answer or the row that says so", what=f"finding.{code}")
            )
        case Unfound(code):
            left = tuple(finding for finding in inspection.findings if finding.code != code)
            return Step(_judged(bench, inspection.but(findings=left)))
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
    rows = {step.finding for _, step in _failed(bench, inspection)}
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
    return any(answer is not None and answer.mark in (Mark.PASS, Mark.FAIL) for answer in answers)


def _grade_pressed(act: _Act, n: int) -> Step:
    inspection = act.before
    if n > len(Grade):
        return Step(inspection, msg("{n} is no grade: 1 to 6, or 0 for danger", n=n))
    grade = Grade.by_digit(n)
    if grade is Grade.NEW and _worked_on(act.bench, inspection):
        return Step(inspection, msg("it was opened to be tested: not new any more"))
    if inspection.count > 1 and grade is not Grade.NEW:
        return Step(
            inspection,
            msg(
                "{n} units at once can only be sealed ones: press 1, or F7 1 for this unit alone",
                n=inspection.count,
            ),
        )
    chosen = inspection.but(chosen=grade, overrides=())
    if grade is Grade.NEW:
        chosen = act.answered(chosen, "condition.sealed", Mark.PASS)
    chosen = _forward(act.bench, chosen, act.at)
    if grade is Grade.NEW and chosen.page == "finish" and not _wants(act.bench, chosen):
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


def _question(bench: Bench, page: str) -> Question:
    return next(question for question in bench.rules.questions if f"question.{question.id}" == page)


def _options(bench: Bench, inspection: Inspection, question: Question) -> tuple[int, ...]:
    """Numbers of the options that still make sense: what the tests have shown is not asked again."""
    checklist = bench.rules.checklist(inspection.product)
    tested = checklist is not None and bool(checklist.test)
    return tuple(n for n in range(1, len(question.options) + 1) if not (tested and n in question.only_untested))


def _option(act: _Act, n: int) -> Step:
    inspection = act.before
    question = _question(act.bench, inspection.page)
    if n not in _options(act.bench, inspection, question):
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
    if option.grade is Grade.NEW or as_new:
        return _grade_pressed(_Act(act.bench, answered, act.by, act.at), 1)
    if option.finding:
        answered = act.found(answered, option.finding)
    return Step(_forward(act.bench, answered, act.at))


def _toggled(act: _Act, row: str) -> Step:
    inspection = act.before
    answer = inspection.answer(row)
    known = _row_rule(act.bench, inspection, row)
    if known is not None and known.kind == "serial":
        return Step(inspection, msg("a serial number is scanned or typed, not ticked"))
    failed = answer is None or answer.mark is not Mark.FAIL
    toggled = act.answered(inspection, row, Mark.FAIL if failed else Mark.OPEN)
    step_rule = _row_rule(act.bench, inspection, row)
    if step_rule is not None and step_rule.finding:
        if failed:
            toggled = act.found(toggled, step_rule.finding)
        else:
            still = {step.finding for _, step in decide.failed_steps(act.bench.rules, toggled)}
            gone = {step_rule.finding} - still
            toggled = toggled.but(findings=tuple(each for each in toggled.findings if each.code not in gone))
    if row == "finish.complete" and not failed:
        lost = ("accessory_missing", "consumable_missing")
        toggled = toggled.but(findings=tuple(each for each in toggled.findings if each.code not in lost))
    return Step(_judged(act.bench, toggled), ask="accessory" if row == "finish.complete" and failed else "")


def _row_rule(bench: Bench, inspection: Inspection, row: str) -> Row | None:
    checklist = bench.rules.checklist(inspection.product)
    page, _, id = row.partition(".")
    return next((each for each in checklist.steps(page) if each.id == id), None) if checklist else None


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
    for row, rule in _rows(act.bench, inspection):
        answer = inspection.answer(row)
        if (answer is None or answer.mark is Mark.OPEN) and (mark is Mark.SKIPPED or rule.kind == "tick"):
            inspection = act.answered(inspection, row, mark)
    return inspection


def _rows(bench: Bench, inspection: Inspection) -> tuple[tuple[str, Row], ...]:
    checklist = bench.rules.checklist(inspection.product)
    if checklist is None:
        return ()
    return tuple((f"{inspection.page}.{row.id}", row) for row in checklist.steps(inspection.page))


def _open_rows(bench: Bench, inspection: Inspection) -> tuple[tuple[str, Row], ...]:
    return tuple(
        (id, row)
        for id, row in _rows(bench, inspection)
        if (answer := inspection.answer(id)) is None or answer.mark is Mark.OPEN
    )


def _page_done(act: _Act, inspection: Inspection) -> Step:
    """Go on when every row is answered; otherwise stay, with the first value to enter in the field."""
    if _open_rows(act.bench, inspection):
        return Step(_judged(act.bench, inspection))
    return Step(_forward(act.bench, inspection, act.at))


def _accept(act: _Act) -> Step:
    inspection = act.before
    page = inspection.page
    if page == "condition":
        first = act.bench.rules.questions[0]
        asked = act.answered(inspection.but(chosen=None), f"question.{first.id}", Mark.OPEN)
        return Step(_go(asked, f"question.{first.id}", act.at))
    if page == "grade":
        asked = act.answered(inspection, "question.hazard", Mark.OPEN)
        later = tuple(_later_questions(act.bench, asked))
        return Step(_go(asked, f"question.{later[0].id}", act.at))
    if page.startswith("question."):
        question = _question(act.bench, page)
        if question.proposed:
            return _option(act, question.proposed)
        return Step(inspection, msg("answer with a digit: nothing is proposed here"))
    if page in CHECK_PAGES:
        return _accept_checklist(act)
    return _finish(act)


def _accept_checklist(act: _Act) -> Step:
    inspection = act.before
    rows = _rows(act.bench, inspection)
    failed = [row for id, row in rows if (answer := inspection.answer(id)) is not None and answer.mark is Mark.FAIL]
    if not failed and all(id in {open_id for open_id, _ in _open_rows(act.bench, inspection)} for id, _ in rows):
        return Step(inspection, msg("nothing answered yet: Space = all pass, a digit marks what fails"))
    if not failed:
        return _page_done(act, inspection)
    gated = any(row.gate for row in failed) and inspection.page != "test"
    ended = any(row.ends for row in failed) or _quarantined(act.bench, inspection)
    rest = Mark.SKIPPED if ended else Mark.PASS
    if gated and inspection.page == "wipe":
        # A row that fails on the wipe page says nothing of the others: only what is attested counts as done.
        rest = Mark.SKIPPED
    return _page_done(act, _rest(act, inspection, rest))


def _typed(act: _Act, text: str) -> Step:
    inspection = act.before
    field = view(act.bench, inspection).field
    if field is None:
        return Step(inspection, msg("nothing to enter here"))
    row = _row_rule(act.bench, inspection, field.id)
    if row is None or row.kind == "serial":
        return _serial(act, Serial(text))
    value = text.strip().replace(",", ".").removesuffix("%").strip()
    try:
        number = float(value)
    except ValueError:
        return Step(inspection, msg("{text} is not a number: type it again", text=text))
    if not ((row.low is None or row.low <= number) and (row.high is None or number <= row.high)):
        return Step(
            inspection,
            msg(
                "{text} {unit} is outside {low} to {high}: type it again",
                text=text,
                unit=row.unit,
                low=f"{row.low:g}" if row.low is not None else "",
                high=f"{row.high:g}" if row.high is not None else "",
            ),
        )
    entered = act.answered(inspection, field.id, Mark.PASS, f"{number:g}")
    for floor in row.floors:
        if floor.finding and number < floor.below:
            entered = act.found(entered, floor.finding)
    return _page_done(act, entered)


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
    scanned = _judged(act.bench, scanned)
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
    return Step(_judged(act.bench, dated.but(line=inspection.line.but(postmarked_on=on))))


def _overridden(act: _Act, grade: Grade, reason: str, role: Role) -> Step:
    inspection = act.before
    computed, _ = decide.grade(act.bench.rules, inspection.but(overrides=()))
    if not reason.strip():
        return Step(inspection, msg("another grade needs a reason"))
    if computed is None:
        return Step(inspection, msg("nothing is suggested yet: press the grade itself"))
    if grade.rank < computed.rank and role is not Role.SUPERVISOR:
        return Step(
            inspection,
            msg(
                "only a supervisor may raise {was:data} to {to:data}: ask for a badge",
                was=f"grade.{computed}",
                to=f"grade.{grade}",
            ),
        )
    change = Change(grade=grade, over=computed, reason=reason.strip(), by=act.by, at=act.at)
    return Step(_judged(act.bench, inspection.but(overrides=(*inspection.overrides, change))))


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
    if back.kind in (Kind.WRONG_ITEM, Kind.EMPTY_BOX):
        back = back.but(kind=Kind.UNIT)
    if inspection.page == "finish":
        back = back.but(held="")
    return Step(_judged(act.bench, back))


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


def _wants(bench: Bench, inspection: Inspection) -> tuple[Message, ...]:
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
    if inspection.kind is Kind.UNIT and grade is None and not inspection.held:
        yield msg("no grade yet: 1 to 6, or Enter for the questions")
    if (
        grade is not None
        and not inspection.held
        and rules.grades[grade].needs_finding
        and not any(rules.finding(each.code).floor for each in inspection.findings)
        and not _failed(bench, inspection)
        and not inspection.overrides
    ):
        yield msg("{grade:data} needs a finding that says why: f", grade=f"grade.{grade}")
    for slot in decide.due_slots(rules, inspection, decision):
        yield msg("photo due: {slot:data}  p", slot=f"slot.{slot}")
    complete = inspection.answer("finish.complete")
    lost = inspection.found("accessory_missing") or inspection.found("consumable_missing")
    if complete is not None and complete.mark is Mark.FAIL and not lost:
        yield msg("what is missing? press the digit of “complete” again, or f")


def _finish(act: _Act) -> Step:
    inspection = act.before
    wants = _wants(act.bench, inspection)
    if wants:
        return Step(inspection, wants[0])
    for row in attests(act.bench, inspection):
        answer = inspection.answer(row)
        if answer is None or answer.mark is Mark.OPEN:
            inspection = act.answered(inspection, row, Mark.PASS)
    return Step(_dwelt(inspection, act.at), done=True)


# ── Views ────────────────────────────────────────────────────────────────────────────────────────────────────────────

ROW_LABELS = {
    "finish.clean": msg("clean"),
    "finish.complete": msg("complete: all accessories"),
    "finish.repacked": msg("repacked and sealed"),
    "finish.sterilised": msg("sterilised"),
}

TITLES = {
    "condition": msg("Condition?"),
    "imei": msg("Condition? If it was opened, scan the IMEI"),
    "serial": msg("Condition? If it was opened, scan the serial number"),
    "test": msg("Tests"),
    "grade": msg("Tests passed. Grade?"),
    "lock": msg("Account locks: all must be off before resale"),
    "wipe": msg("Wipe: the customer's data"),
    "sterilise": msg("Sterilise: required for this class"),
    "finish": msg("Finish"),
    "claim": msg("Not announced. Whose is it?"),
}


PAGES = {
    "condition": msg("condition"),
    "question": msg("questions"),
    "test": msg("test"),
    "grade": msg("grade"),
    "lock": msg("lock"),
    "wipe": msg("wipe"),
    "sterilise": msg("sterilise"),
    "finish": msg("finish"),
    "claim": msg("whose"),
}
"""The pages in one word each; all questions are one."""


def view(bench: Bench, inspection: Inspection) -> View:
    """The current page, as a value; the screen only paints it."""
    page = inspection.page
    build = _VIEWS.get(page, _question_view if page.startswith("question.") else _finish_view)
    return build(bench, inspection)


def _common(bench: Bench, inspection: Inspection) -> tuple[Decision, tuple[str, ...]]:
    """The decision as it is going to be, and the photos that are still due."""
    due = decide.due_slots(bench.rules, inspection, decide.decide(bench.rules, bench.seller, inspection))
    return decide.decide(bench.rules, bench.seller, _photographed(inspection, due)), due


def _photographed(inspection: Inspection, due: tuple[str, ...]) -> Inspection:
    """As if the photos that are due were taken: nothing can be committed before, and an owed one is no longer due."""
    return inspection.but(photos=(*inspection.photos, *(Photo(slot=slot, sha256="due") for slot in due)))


_ALWAYS = ("photo", "finding", "note", "hold", "back", "aside", "help")


def _keys(bench: Bench, inspection: Inspection, *keys: str) -> tuple[str, ...]:
    """The keys of a page, without those that would do nothing for this unit."""
    line = inspection.line
    typed = inspection.answer("condition.postmark") is not None
    graded = inspection.kind is Kind.UNIT
    does = {
        "back": bool(inspection.trail),
        "criteria": bool(bench.seller.criteria),
        "count": bench.open_units > 1,
        "postmark": line is not None and (typed or line.postmarked_on is None),
        "edit": graded,
        "override": graded,
        "hold": graded,
    }
    return tuple(key for key in (*keys, *_ALWAYS) if does.get(key, True))


def _condition_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    first = Grade.OPENED if inspection.page == "grade" else Grade.NEW
    rows = tuple(
        RowView(
            id=f"grade.{grade}",
            label=bench.rules.grades[grade].label,
            digit=grade.rank + 1,
            hint=bench.rules.grades[grade].hint,
            chosen=grade is decision.grade,
        )
        for grade in Grade
        if grade.rank >= first.rank
    )
    start = inspection.page == "condition"
    more = ("wrong", "empty", "count", "postmark", "criteria") if start else ()
    checklist = bench.rules.checklist(inspection.product)
    title = TITLES[inspection.page]
    if start and checklist is not None and checklist.serial and not _serial_read(checklist, inspection):
        title = TITLES[checklist.serial]
    return View(
        page=inspection.page,
        title=title,
        rows=rows,
        decision=decision,
        due=due,
        keys=_keys(bench, inspection, "grade", "questions", *more),
        path=path(bench, inspection),
    )


def _serial_read(checklist: Checklist, inspection: Inspection) -> bool:
    """Whether the article's own serial number was read, not only the one on its box."""
    rows = [inspection.answer(f"test.{row.id}") for row in checklist.test if row.kind == "serial"]
    return any(row is not None and row.mark is not Mark.OPEN for row in rows) if rows else bool(inspection.serial)


def _question_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    question = _question(bench, inspection.page)
    answer = inspection.answer(inspection.page)
    rows = tuple(
        RowView(
            id=f"{inspection.page}.{n}",
            label=question.options[n - 1].label,
            digit=n,
            chosen=answer is not None and answer.value == str(n),
        )
        for n in _options(bench, inspection, question)
    )
    return View(
        page=inspection.page,
        title=question.text,
        rows=rows,
        proposed=question.proposed,
        decision=decision,
        due=due,
        keys=_keys(bench, inspection, "option", *(("accept",) if question.proposed else ())),
        path=path(bench, inspection),
    )


def _check_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    answers = {id: inspection.answer(id) for id, _ in _rows(bench, inspection)}
    rows = tuple(
        RowView(
            id=id,
            label=row.label,
            mark=answer.mark if (answer := answers[id]) is not None else Mark.OPEN,
            value=answer.value if answer is not None else "",
            unit=row.unit,
        )
        for id, row in _rows(bench, inspection)
    )
    waiting = _open_rows(bench, inspection)
    field = None
    if waiting and all(row.kind != "tick" for _, row in waiting):
        id, row = waiting[0]
        field = Field(id=id, label=row.label, unit=row.unit, text=row.kind == "serial")
    return View(
        page=inspection.page,
        title=TITLES[inspection.page],
        rows=rows,
        field=field,
        decision=decision,
        due=due,
        keys=_keys(bench, inspection, "all_pass", "toggle", "accept"),
        path=path(bench, inspection),
    )


def _finish_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    rows = tuple(
        RowView(
            id=id,
            label=ROW_LABELS[id],
            mark=answer.mark if (answer := inspection.answer(id)) is not None else Mark.OPEN,
        )
        for id in attests(bench, inspection)
    )
    return View(
        page="finish",
        title=TITLES["finish"],
        rows=rows,
        decision=decision,
        due=due,
        wants=_wants(bench, inspection),
        why=decide.why(bench.rules, _photographed(inspection, due), decision),
        keys=_keys(bench, inspection, "accept", *(("toggle",) if rows else ()), "edit", "override", "criteria"),
        path=path(bench, inspection),
    )


def _claim_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    rows = tuple(
        RowView(id=f"seller.{seller.code}", label={"en": seller.name}, chosen=seller.code == inspection.seller)
        for seller in bench.sellers
    )
    nobody = inspection.answer("claim.seller")
    rows += (RowView(id="seller.", label=msg("not known"), chosen=nobody is not None and not inspection.seller),)
    return View(
        page="claim",
        title=TITLES["claim"],
        rows=rows,
        decision=decision,
        due=due,
        wants=_wants(bench, inspection),
        keys=_keys(bench, inspection, "option", "accept"),
        path=("claim",),
    )


_VIEWS: dict[str, Callable[[Bench, Inspection], View]] = {
    "condition": _condition_view,
    "grade": _condition_view,
    "test": _check_view,
    "lock": _check_view,
    "wipe": _check_view,
    "sterilise": _check_view,
    "finish": _finish_view,
    "claim": _claim_view,
}


def offers(bench: Bench, inspection: Inspection) -> tuple[FindingRule, ...]:
    """What `f` lists: the commonest explanation of the pressed grade first."""
    grade, _ = decide.grade(bench.rules, inspection)
    listed = bench.rules.findings_for(inspection.product)
    return tuple(sorted(listed, key=lambda finding: finding.floor is not grade if grade else False))


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
        case=None,
        dock=(),
        wipe=None,
        finished_at=None,
        voided_at=None,
        operator=by,
    )


def refurbished(unit: Inspection, *, by: str) -> Inspection:
    """A unit that comes back to the bench reopens at cleaning; its earlier grade is kept beside the new one."""
    earlier = (*unit.earlier_grades, unit.grade) if unit.grade else unit.earlier_grades
    rows = tuple(answer for answer in unit.answers if not answer.id.startswith("finish."))
    again = reopened(unit, by=by)
    return again.but(
        answers=rows, earlier_grades=earlier, page="finish", chosen=unit.chosen, revision=unit.revision + 1
    )


def matched(unit: Inspection, *, rma: Rma, line: Line, product: Product, parcel: str, by: str) -> Inspection:
    """What nobody had announced is a unit of this line: graded like any other, with the plate and photos it has."""
    return reopened(unit, by=by).but(
        kind=Kind.UNIT,
        was=Kind.UNKNOWN,
        seller=rma.seller,
        rma=rma.number,
        channel=rma.channel,
        line=line,
        product=product,
        parcel=parcel,
        page="condition",
        answers=tuple(answer for answer in unit.answers if not answer.id.startswith("claim.")),
        revision=unit.revision + 1,
    )
