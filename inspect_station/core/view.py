"""The current page as a value: rows, a field, keys, what is due and why. The screen only paints it."""

from collections.abc import Callable
from dataclasses import dataclass

from inspect_station.core import decide
from inspect_station.core.bench import (
    Bench,
    attests,
    check_rows,
    open_rows,
    options,
    path,
    question_of,
    still_wanted,
    undone_page,
)
from inspect_station.core.decide import Decision
from inspect_station.core.grading import mark
from inspect_station.core.photos import due_slots
from inspect_station.core.records import (
    Disposition,
    Grade,
    Inspection,
    Kind,
    Mark,
    Photo,
    Words,
)
from inspect_station.core.rules import Checklist
from inspect_station.message import Message, msg

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
    kind: str = "tick"
    """Of a checklist row: how it is answered (`rules.Step.kind`)."""
    skip: str = "nobody"
    """Who may leave it out: ``nobody``, ``operator`` or ``supervisor``."""


@dataclass(frozen=True)
class Field:
    """A value that is typed now; digits are text until Enter."""

    id: str
    label: Words | Message
    unit: str = ""
    text: bool = False
    """Letters belong to it too."""
    serial: bool = False
    """A serial number: typed by hand it is looked up like one that is scanned."""


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


def not_done_yet(page: str) -> Message:
    """What Enter on the finish page says, and where it leads, while a check page is still open."""
    return msg("not done yet: {page:word}", page=PAGES[page.partition(".")[0]].text)


def view(bench: Bench, inspection: Inspection) -> View:
    """The current page, as a value; the screen only paints it."""
    page = inspection.page
    build = _VIEWS.get(page, _question_view if page.startswith("question.") else _finish_view)
    return build(bench, inspection)


def _common(bench: Bench, inspection: Inspection) -> tuple[Decision, tuple[str, ...]]:
    """The decision as it is going to be, and the photos that are still due."""
    due = due_slots(bench.rules, inspection, decide.decide(bench.rules, bench.seller, inspection))
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
    if not start and inspection.earlier_grades:
        title = msg("Cleaned? Grade again. Before: {grade:data}", grade=f"grade.{inspection.earlier_grades[-1]}")
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
    question = question_of(bench, inspection.page)
    answer = inspection.answer(inspection.page)
    rows = tuple(
        RowView(
            id=f"{inspection.page}.{n}",
            label=question.options[n - 1].label,
            digit=n,
            chosen=answer is not None and answer.value == str(n),
        )
        for n in options(bench, inspection, question)
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


_ENTERED = ("measure", "text", "scan", "serial")
"""Kinds of rows that are answered by entering something."""


def _check_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    rows = tuple(
        RowView(
            id=id,
            label=row.label,
            mark=mark(inspection, inspection.page, row),
            value=answer.value if (answer := inspection.answer(id)) is not None else "",
            unit=row.unit,
            kind=row.kind,
            skip=row.skip,
        )
        for id, row in check_rows(bench, inspection)
    )
    waiting = open_rows(bench, inspection)
    entered = [(id, row) for id, row in waiting if row.kind in _ENTERED]
    field = None
    if entered and all(row.kind != "tick" for _, row in waiting):
        id, row = entered[0]
        serial = row.kind == "serial"
        field = Field(id=id, label=row.label, unit=row.unit, text=row.kind != "measure", serial=serial)
    skippable = any(row.skip != "nobody" for _, row in waiting)
    return View(
        page=inspection.page,
        title=TITLES[inspection.page],
        rows=rows,
        field=field,
        decision=decision,
        due=due,
        keys=_keys(bench, inspection, "all_pass", "toggle", "accept", *(("skip",) if skippable else ())),
        path=path(bench, inspection),
    )


def _finish_view(bench: Bench, inspection: Inspection) -> View:
    decision, due = _common(bench, inspection)
    undone = undone_page(bench, inspection)
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
        wants=(*((not_done_yet(undone),) if undone else ()), *still_wanted(bench, inspection)),
        why=decide.why(bench.rules, _photographed(inspection, due), decision),
        keys=_keys(
            bench,
            inspection,
            "accept",
            *(("toggle",) if rows else ()),
            # Only a label for sale says why.
            *(("edit",) if decision.disposition in (Disposition.CLEARANCE, Disposition.RESTOCK) else ()),
            "override",
            "criteria",
        ),
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
        wants=still_wanted(bench, inspection),
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
