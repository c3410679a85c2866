"""A unit on the bench: identity and verdict, the page's rows, and at the end where it goes and why."""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from rich.cells import cell_len
from textual.content import Content

from inspect_station.core.bench import CHECK_PAGES
from inspect_station.core.decide import Decision
from inspect_station.core.records import Disposition, Kind, Mark
from inspect_station.core.refund import Refund
from inspect_station.core.signals import signals
from inspect_station.core.view import PAGES, ROW_LABELS, View
from inspect_station.message import msg
from inspect_station.tui.paper import BAD, CALM, CAP, DIM, INKS, KINDS, LOOK, OK, ROUTES, Paper, Part, ink, stack
from inspect_station.tui.scene import OnUnit, Writing, slot_words

MARKS = {
    Mark.OPEN: ("○", DIM),
    Mark.PASS: ("✔", OK),
    Mark.FAIL: ("✘", BAD),
    Mark.SKIPPED: ("–", DIM),
}

MEANS = {
    "original": msg("original payment"),
    "credit": msg("store credit"),
    "exchange": msg("exchange"),
    "repair": msg("repair"),
}

HOW = {
    "pass_fail": msg("pass or fail?"),
    "scan": msg("scan it"),
    "text": msg("type it"),
    "photo": msg("take its picture"),
}
"""How an open row is answered that Space does not pass."""

SHELVED = (Disposition.RESTOCK, Disposition.CLEARANCE)
FRAMES = {Disposition.RESTOCK: "ok", Disposition.CLEARANCE: "ok", Disposition.QUARANTINE: "bad"}
LABEL = 34
"""Cells of the label's preview."""
BANNER = 2
"""Lines kept free for a banner."""
PRICE_LINES = 2
"""Lines that a price may take, above a text that is being written."""
CURSOR = "reverse"
MOST = 18
"""Rows of a page that are shown at once: two columns of nine."""


def parts(paper: Paper, unit: OnUnit, operator: str, height: int, writing: Writing | None = None) -> list[Part]:
    """The page that is due, in ``height`` lines; with the text that is being written on it."""
    view = unit.view
    head = _head(paper, unit, view, operator)
    if view.page in CHECK_PAGES or view.page in ("grade", "finish"):
        head = Part(stack([head.text, _verdict(paper, unit), *_signals(paper, unit)[:1]]), "head")
    if view.page == "finish":
        return [head, *_finish(paper, unit, view, height - head.height, writing)]
    prompt = _prompt(paper, unit, view)
    rows = _rows(paper, unit, view)
    below = [*_gates(paper, view.decision), *_due(paper, unit, view)]
    room = height - BANNER - sum(part.height for part in (head, prompt, *below)) - len(rows)
    boxed: list[Part] = []
    if view.page not in (*CHECK_PAGES, "grade"):
        boxed = [_identity(paper, unit, room)]
        room -= boxed[0].height + 2
    # Air between the answers where there is room for it, and for a banner.
    if room >= len(rows) and any(row.digit for row in view.rows):
        rows = [line for row in rows for line in (row, ink(""))]
    return [head, *boxed, prompt, *([Part(stack(rows), "rows")] if rows else []), *below]


# ── The same on every page ───────────────────────────────────────────────────────────────────────────────────────────


def _head(paper: Paper, unit: OnUnit, view: View, operator: str) -> Part:
    inspection = unit.inspection
    left = ink(inspection.lpn, "bold")
    if inspection.rma:
        left += ink(f"   RMA {inspection.rma}")
    if unit.bench.seller.name:
        left += ink(f"   {unit.bench.seller.name}")
    right = [operator]
    if inspection.line is not None and not inspection.earlier_grades:
        quantity = inspection.line.quantity
        number = max(1, quantity - unit.bench.open_units + 1)
        right.insert(0, paper.say(msg("unit {n} of {total}", n=number, total=max(quantity, number))))
    if inspection.count > 1:
        right.insert(0, paper.say(msg("{n} AT ONCE", n=inspection.count)))
    first = paper.spread(left, ink("   ".join(right), DIM))
    return Part(stack([first, paper.spread(ink(paper.title(inspection), "bold"), _path(paper, view))]), "head")


def _path(paper: Paper, view: View) -> Content:
    """``test ▸ LOCK ▸ wipe``: where this unit is on its way."""
    pages = list(dict.fromkeys(page.partition(".")[0] for page in view.path))
    here = view.page.partition(".")[0]
    if len(pages) < 2:
        return ink("")
    words = [
        ink(paper.say(PAGES[page]).upper(), f"bold {CALM}") if page == here else ink(paper.say(PAGES[page]), DIM)
        for page in pages
        if page in PAGES
    ]
    return ink(" ▸ ", DIM).join(words)


def _word(paper: Paper, unit: OnUnit) -> tuple[str, str]:
    """The verdict, or what the unit is instead of the one announced; and its tone."""
    inspection = unit.inspection
    if inspection.kind in KINDS:
        return f"▲ {paper.say(KINDS[inspection.kind]).upper()}", "look"
    return paper.verdict_word(inspection.verdict)


def _reason(paper: Paper, unit: OnUnit) -> Content:
    line = unit.inspection.line
    if line is None:
        return ink("")
    reason = paper.say(msg("{reason:data}", reason=f"reason.{line.reason}"))
    return ink(f"{paper.say(msg('Customer says:'))} ", DIM) + ink(reason)


def _verdict(paper: Paper, unit: OnUnit) -> Content:
    """The verdict in one line."""
    word, tone = _word(paper, unit)
    serial = ink(f"S/N {unit.inspection.serial}" if unit.inspection.serial else "", DIM)
    return paper.spread(ink(f"{word}   ", INKS[tone]) + _reason(paper, unit), serial)


def _identity(paper: Paper, unit: OnUnit, room: int) -> Part:
    """The verdict in a box with all its reasons: where grading begins."""
    inspection = unit.inspection
    box = paper.narrower(2)
    word, tone = _word(paper, unit)
    product, line = inspection.product, inspection.line
    facts = [f"EAN {product.ean}", paper.sort(product)] if product else [inspection.scanned]
    if inspection.serial:
        facts.append(f"S/N {inspection.serial}")
    sold = []
    if line is not None:
        sold.append(paper.say(msg("sold new") if line.sold_as == "new" else msg("sold used")))
        if line.paid is not None:
            sold.append(paper.say(msg("paid {price:money}", price=str(line.paid))))
    lines = box.spread(ink("   ".join(facts)), ink(" · ".join(sold))).split("\n")
    if line is not None:
        lines += box.wrap(_reason(paper, unit))
    said = [] if inspection.kind in KINDS and inspection.rma else box.reasons(inspection.verdict)
    if "postmarked_on" in inspection.verdict.ask:
        said.append(ink(f"▲ {paper.say(msg('t: type the postmark'))}", LOOK))
    said += [
        box.hang(ink("▲ ", LOOK), ink(paper.say(warning.message)))
        for warning in inspection.warnings
        if warning not in inspection.verdict.reasons
    ]
    said += _signals(box, unit)
    lines += [line for each in said for line in each.split("\n")]
    if len(lines) > room - 2 >= 3:
        # The answers below must stay in view; the finish page says all of it again.
        lines = [*lines[: room - 3], ink("…", DIM)]
    return Part(stack(lines), f"box {tone}", word)


def _signals(paper: Paper, unit: OnUnit) -> list[Content]:
    """What a supervisor will look at, a line each; it changes nothing for the operator."""
    return [
        (ink("▲ ", LOOK) + ink(paper.say(each.message))).truncate(paper.width, ellipsis=True)
        for each in signals(unit.bench, unit.inspection)
    ]


def _prompt(paper: Paper, unit: OnUnit, view: View) -> Part:
    """What to do next, as one bar."""
    if view.field is not None:
        label = f"{paper.say(view.field.label)}: "
        typed = ink(f"{label}{unit.typed}▌ {view.field.unit}".rstrip(), "bold")
        return Part(paper.narrower(2).spread(typed, ink(paper.say(msg("type it, then Enter")))), "bar")
    right = ""
    decision = view.decision
    if view.page in CHECK_PAGES:
        right = paper.say(msg("Space = all pass, a digit = fails"))
    elif view.proposed:
        right = paper.say(msg("Enter = {n}", n=view.proposed))
    elif decision is not None and decision.grade is not None:
        right = paper.say(msg("suggested: {grade:data}", grade=f"grade.{decision.grade}"))
    title = ink(paper.say(view.title), "bold")
    box = paper.narrower(2)
    # The foot says it too: beside a long title it is left out.
    fits = title.cell_length + len(right) + 2 <= box.width
    return Part(box.spread(title, ink(right if fits else "")), "bar")


def _gates(paper: Paper, decision: Decision | None) -> list[Part]:
    if decision is None or not decision.gates:
        return []
    lines = [
        paper.hang(
            ink(f" ■ {paper.say(msg('GATE'))} ", BAD),
            ink(
                paper.say(
                    msg("{gate:data}: cannot be sold", gate=f"gate.{code}"),
                )
            ),
        )
        for code in decision.gates
    ]
    where = ink(f"   → {paper.place(decision.disposition)}", "bold")
    return [Part(stack([*lines, where]), "gates")]


def _due(paper: Paper, unit: OnUnit, view: View) -> list[Part]:
    """Photos taken and still due, findings and notes: one line each, where there are any."""
    lines: list[Content] = []
    photos = [
        ink(f"{'✔' if photo.sha256 else '▲'} ", OK if photo.sha256 else LOOK)
        + ink(slot(paper, photo.slot) + ("" if photo.sha256 else f" ({paper.say(msg('owed'))})"))
        for photo in unit.inspection.photos
    ]
    photos += [ink("○ ", LOOK) + ink(slot(paper, name)) for name in view.due]
    if photos:
        label = paper.say(msg("Photos"))
        lines.append(paper.hang(ink(f" {label}  ", DIM), Content("   ").join(photos)))
    found = [
        paper.say(msg("{what:data}", what=f"finding.{finding.code}")) + (f" ({finding.note})" if finding.note else "")
        for finding in unit.inspection.findings
    ]
    if found:
        lines.append(paper.hang(ink(f" {paper.say(msg('Found'))}  ", DIM), ink(", ".join(found))))
    return [Part(stack(lines), "due")] if lines else []


def slot(paper: Paper, name: str) -> str:
    """A photo slot's label."""
    return paper.say(slot_words(name))


# ── Rows ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(paper: Paper, unit: OnUnit, view: View) -> list[Content]:
    if any(row.digit for row in view.rows):
        return [_option(paper, unit, view, index) for index in range(len(view.rows))]
    first = unit.offset // MOST * MOST
    shown = range(first, min(first + MOST, len(view.rows)))
    if len(view.rows) <= 9:
        return [_check(paper, unit, view, index) for index in shown]
    half = Paper(paper.voice, paper.rules, (paper.width - 1) // 2)
    return _two_columns([_check(half, unit, view, index) for index in shown], 9, half.width)


def _two_columns(cells: Sequence[Content], rows: int, width: int) -> list[Content]:
    """The first ``rows`` cells in the left column, the others in the right one."""
    return [
        line
        for n in range(rows)
        for line in _beside(
            cells[n].split("\n") if n < len(cells) else [],
            cells[n + rows].split("\n") if n + rows < len(cells) else [],
            width,
        )
    ]


def _beside(left: Sequence[Content], right: Sequence[Content], width: int) -> list[Content]:
    """Two texts side by side; the right one begins behind ``width`` cells."""
    return [
        (start.pad_right(max(0, width - start.cell_length)) + " " + end).rstrip()
        for start, end in zip_longest(left, right, fillvalue=ink(""))
    ]


def _option(paper: Paper, unit: OnUnit, view: View, index: int) -> Content:
    """A grade or an answer: one digit takes it."""
    row = view.rows[index]
    proposed = row.digit == view.proposed or row.chosen
    lead = ink(" ▸" if proposed else "  ", CALM) + ink(f" {row.digit} ", CAP) + ink("  ")
    label = ink(paper.say(row.label), "bold underline" if index == unit.cursor else "bold")
    if row.hint is None:
        return paper.hang(lead, label)
    widest = max(len(paper.say(each.label)) for each in view.rows)
    gap = " " * (widest + 3 - label.cell_length)
    return paper.hang(lead + label + gap, ink(paper.say(row.hint), DIM))


def _check(paper: Paper, unit: OnUnit, view: View, index: int) -> Content:
    """A row of a checklist, or a seller: its digit, its sign, its label."""
    row = view.rows[index]
    active = unit.offset <= index < unit.offset + 9 and view.field is None
    digit = ink(f" {index % 9 + 1} ", CAP if active else DIM)
    if view.page == "claim":
        sign, style = ("●", OK) if row.chosen else ("○", DIM)
    else:
        sign, style = MARKS[row.mark]
    lead = ink("▸" if index == unit.cursor else " ", CALM) + digit + ink(f" {sign} ", style)
    label = ink(paper.say(row.label), BAD if row.mark is Mark.FAIL else "")
    if row.mark is Mark.SKIPPED and row.value:
        label += ink(f"  {paper.say(msg('skipped: {reason}', reason=row.value))}", LOOK)
    elif row.value and row.value != unit.inspection.serial:
        label += ink(f"  {row.value} {row.unit}".rstrip(), "bold")
    elif row.mark is Mark.OPEN and row.kind in HOW:
        label += ink(f"  {paper.say(HOW[row.kind])}", DIM)
    if row.mark is Mark.FAIL:
        label += ink(f"  {paper.say(msg('FAILS'))}", BAD)
    return paper.hang(lead, label)


# ── Finish ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _finish(paper: Paper, unit: OnUnit, view: View, height: int, writing: Writing | None) -> list[Part]:
    """What Enter does, where the unit goes, its label and why, what is attested; in ``height`` lines."""
    decision = view.decision
    if decision is None:
        return []
    first = [_last_word(paper, view, writing), _put_in(paper, decision)]
    below = _gates(paper, decision)
    if view.rows:
        half = Paper(paper.voice, paper.rules, (paper.width - 1) // 2)
        cells = [_check(half, unit, view, index) for index in range(len(view.rows))]
        below.append(Part(stack(_two_columns(cells, (len(cells) + 1) // 2, half.width)), "rows"))
    below += _due(paper, unit, view)
    label = _label(paper, unit, decision)
    room = height - BANNER - sum(part.height for part in (*first, *below)) - 2
    room = max(room, len(label))
    facts: list[Content] = []
    for fact in _facts(paper.narrower(LABEL + 1), unit, view, decision, writing, room):
        # The most important stands first; what has no room is in the record.
        if len(facts) + len(fact) <= room:
            facts += fact
    return [*first, Part(stack(_beside(label, facts, LABEL)), "finish"), *below]


def _put_in(paper: Paper, decision: Decision) -> Part:
    box = paper.narrower(2)
    where = ink(f"{paper.say(msg('Put it in:'))} ") + ink(paper.place(decision.disposition), "bold")
    route = paper.say(ROUTES[decision.disposition])
    if decision.grade is not None:
        route = f"{paper.grade(decision.grade)} ▸ {route}"
    return Part(box.spread(where, ink(route)), f"prompt {FRAMES.get(decision.disposition, 'look')}")


def _last_word(paper: Paper, view: View, writing: Writing | None) -> Part:
    """What Enter does, or what is missing before it does."""
    if writing is not None:
        said = msg("Enter keeps the text, Esc leaves the old one; emptied, it is built again")
        return Part(stack(paper.narrower(2).wrap(ink(paper.say(said), "bold"))), "bar")
    if view.wants:
        wants = [paper.say(want) for want in view.wants]
        return Part(stack(paper.narrower(2).hang(ink("▲ ", "bold"), ink(want, "bold")) for want in wants), "bar look")
    return Part(ink(paper.say(msg("Enter: save and print")), "bold"), "bar")


def _facts(
    paper: Paper, unit: OnUnit, view: View, decision: Decision, writing: Writing | None, room: int
) -> Iterator[list[Content]]:
    """Price, why, refund, reasons, rule: the most important first; a text that is being written has ``room`` lines."""
    if decision.price is not None and decision.disposition in SHELVED:
        listed = msg(
            "new price {price:money}, −{percent} %", price=str(decision.list_price), percent=decision.discount or 0
        )
        if decision.disposition is Disposition.RESTOCK:
            listed = msg("list price")
        price = ink(paper.voice.money(decision.price), "bold")
        yield paper.wrap(price + ink(f"  ({paper.say(listed)})", DIM))
    why = paper.voice.join(view.why)
    if writing is not None:
        yield _written(paper, writing, room - PRICE_LINES)
    elif why:
        yield paper.hang(ink(f"{paper.say(msg('Why:'))} ", DIM), ink(why)).split("\n")
    yield paper.wrap(_refund(paper, decision.refund))
    earlier = unit.inspection.earlier_grades
    if earlier:
        yield paper.wrap(ink(paper.say(msg("graded before: {grades}", grades=", ".join(map(paper.grade, earlier))))))
    verdict = unit.inspection.verdict
    judged = unit.inspection.kind is Kind.UNIT
    for reason in paper.reasons(verdict) if judged and not verdict.ours else ():
        yield reason.split("\n")
    for cause in decision.reasons:
        yield paper.hang(ink("· ", DIM), ink(paper.say(cause.message))).split("\n")
    rules = [id for id in (verdict.policy if judged else "", decision.route) if id]
    if rules:
        yield paper.wrap(ink(paper.say(msg("rule {id}", id=" · ".join(rules))), DIM))


def _written(paper: Paper, writing: Writing, room: int) -> list[Content]:
    """The text that is being written, with its cursor; of a long one the ``room`` lines around the cursor."""
    lead = ink(f"{paper.say(msg('Why:'))} ", DIM)
    lines: list[Content] = []
    here = begun = 0
    for line in _broken(writing.text, paper.width - lead.cell_length - 1):
        at = writing.at - begun
        begun += len(line)
        if 0 <= at < len(line) or (at == len(line) and begun == len(writing.text)):
            here = len(lines)
            under = line[at : at + 1] or " "
            lines.append(ink(line[:at]) + ink(under, CURSOR) + ink(line[at + 1 :]))
        else:
            lines.append(ink(line))
    first = max(0, min(here - room + 1, len(lines) - room))
    shown = lines[first : first + max(1, room)]
    return [lead + shown[0], *(line.pad_left(lead.cell_length) for line in shown[1:])]


def _broken(text: str, width: int) -> list[str]:
    """The text in lines of this width that keep every sign; one space may stand behind a line."""
    lines = [""]
    for word in re.findall(rf"\S{{1,{width}}}\s?|\s", text):
        if lines[-1] and cell_len(lines[-1] + word.rstrip()) > width:
            lines.append("")
        lines[-1] += word
    return lines


def _refund(paper: Paper, refund: Refund) -> Content:
    """The advice to whoever pays: how much and by what means, and why where it is not simply all."""
    means = MEANS[refund.means].text if refund.means in MEANS else ""
    amount = str(refund.amount) if refund.amount is not None else ""
    match refund.advice:
        case "full" if amount:
            said = msg("refund advice: full, {price:money}, {means:word}", price=amount, means=means)
        case "full":
            said = msg("refund advice: full, {means:word}", means=means)
        case "partial" if amount:
            said = msg(
                "refund advice: partial, {percent} %: {price:money}, {means:word}",
                percent=refund.percent,
                price=amount,
                means=means,
            )
        case "partial":
            said = msg("refund advice: partial, {percent} %, {means:word}", percent=refund.percent, means=means)
        case "refuse":
            said = msg("refund advice: refuse")
        case _:
            said = msg("refund advice: ask the seller")
    # That all is paid, and that the seller is asked, the advice itself says.
    why = [each for each in refund.reasons if each.code == "refund.no_shipping"]
    why = [each for each in refund.reasons if not each.met and each.code != "refund.asked"][:1] + why
    return Content("").join([ink(paper.say(said)), *(ink(f" · {paper.say(each.message)}", DIM) for each in why)])


def _label(paper: Paper, unit: OnUnit, decision: Decision) -> list[Content]:
    """The label as it will come out, in words."""
    inner = Paper(paper.voice, paper.rules, LABEL - 4)
    inspection = unit.inspection
    body: list[Content] = [ink(paper.title(inspection), "bold").truncate(inner.width, ellipsis=True)]
    if decision.grade is not None:
        body += inner.wrap(ink(paper.say(paper.rules.grades[decision.grade].text)))
    elif inspection.kind in KINDS:
        body += inner.wrap(ink(paper.say(KINDS[inspection.kind])))
    if decision.price is not None and decision.disposition in SHELVED:
        body.append(ink(paper.voice.money(decision.price), "bold"))
    else:
        body += inner.wrap(ink(paper.place(decision.disposition), "bold"))
    body.append(ink("▐▌▐█▐▌█▐▌▐█  ") + ink(inspection.lpn))
    title = paper.say(msg("label: {kind:word}", kind=ROUTES[decision.disposition].text))
    return Paper(paper.voice, paper.rules, LABEL).framed(title, body)


# ── Beside the page, on wide terminals ───────────────────────────────────────────────────────────────────────────────


def history(paper: Paper, unit: OnUnit) -> Part:
    """Everything answered so far, the newest first, with who and when."""
    lines: list[Content] = []
    inspection = unit.inspection
    for signal in signals(unit.bench, inspection):
        lines += paper.hang(ink("▲ ", LOOK), ink(paper.say(signal.message))).split("\n")
    for note in inspection.notes:
        lines += paper.hang(ink("✎ ", CALM), ink(note)).split("\n")
    for answer in reversed(inspection.answers):
        label = _answer(paper, unit, answer.id)
        if not label or answer.mark is Mark.OPEN:
            continue
        sign, style = MARKS[answer.mark]
        by = f"  {answer.by}" if answer.by != inspection.operator else ""
        at = f"{by}  {paper.voice.time(answer.at)}" if answer.at else ""
        value = f" {answer.value}" if answer.value and not answer.id.startswith(("question.", "claim.")) else ""
        lines += paper.hang(ink(f"{sign} ", style), ink(label + value) + ink(at, DIM)).split("\n")
    return Part(stack(lines), "history", paper.say(msg("Answers")))


def _answer(paper: Paper, unit: OnUnit, id: str) -> str:
    page, _, row = id.partition(".")
    if page == "question":
        answer = unit.inspection.answer(id)
        return (
            paper.say(msg("{option:data}", option=f"question.{row}.{answer.value}")) if answer and answer.value else ""
        )
    if page == "claim":
        return unit.bench.seller.name
    if id == "condition.sealed":
        return paper.say(msg("sealed"))
    if id == "condition.postmark":
        return paper.say(msg("postmark"))
    if page == "finish":
        return paper.say(ROW_LABELS[id]) if id in ROW_LABELS else ""
    device_class = unit.inspection.product.device_class if unit.inspection.product else ""
    return paper.say(msg("{row:data}", row=f"step.{device_class}.{page}.{row}"))
