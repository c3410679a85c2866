"""The desk, always ready for a scan; signing in is the same page, asking for a badge."""

from collections.abc import Mapping, Sequence

from textual.content import Content

from inspect_station.core.records import Inspection
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import Arrived, Collected, Desk
from inspect_station.station import Station
from inspect_station.tui.paper import CALM, DIM, FATES, INKS, LOOK, OK, ROUTES, Paper, Part, ink, stack
from inspect_station.tui.scene import AtDesk, Scene, SignIn, is_claim, overdue, waiting

CURSOR = ink("▌", CALM)
AT_HUB = {
    "waiting": ("✓", msg("saved here"), DIM),
    "accepted": ("✓✓", msg("received by hub"), OK),
    "parked": ("▲", msg("needs attention: F4 shows why"), LOOK),
    "superseded": ("✘", msg("does not count: another dock's result does"), LOOK),
}
"""Whether the hub has a unit: sign, words, ink (sync.md §2.5)."""
WAITING_LINES = 4
CARD_LINES = 2


def head(paper: Paper, station: Station) -> Part:
    """Program, station, operator, time."""
    now = station.clock()
    name = station.operator.name if station.operator else paper.say(msg("nobody is signed in"))
    left = ink("inspect-station", "bold") + ink(f" · {station.config.station.name}   ") + ink(name, "bold")
    right = ink(f"{paper.voice.long_day(now.astimezone(paper.voice.zone).date())}  {paper.voice.time(now)}", DIM)
    return Part(paper.spread(left, right), "head")


def parts(paper: Paper, scene: Scene, station: Station, height: int) -> list[Part]:
    """The desk in ``height`` lines."""
    match scene.place:
        case SignIn() as place:
            return [head(paper, station), *_sign_in(paper, place, station.welcome)]
        case AtDesk() as place:
            return [head(paper, station), *_desk(paper, scene, place, height)]
    return []


def _sign_in(paper: Paper, place: SignIn, welcome: Sequence[Message]) -> list[Part]:
    box = Part(ink("•" * len(place.typed)) + CURSOR, "box", paper.say(msg("Scan your badge")))
    unit = getattr(place.behind, "inspection", None)
    found: list[Part] = [box]
    lines = [paper.hang(ink("  › ", CALM), ink(paper.say(each))) for each in welcome]
    if lines and place.handed_over is None:
        found.append(Part(stack([ink(""), *lines])))
    if unit is not None:
        said = msg("{lpn} stays open behind this: sign in to go on", lpn=unit.lpn)
        found.append(Part(ink(f"  ▶ {paper.say(said)}", CALM)))
    if place.handed_over is not None:
        found.append(Part(paper.rule(msg("Handed over to the next shift"))))
        lines = [
            paper.hang(ink(f" {each.sign} ", LOOK) + ink(f"{each.lpn}  ", "bold"), ink(paper.say(each.text)))
            for each in place.handed_over
        ]
        found.append(Part(stack(lines or [ink(f"  {paper.say(msg('nothing: the bench is clear'))}", OK)])))
    return found


def _desk(paper: Paper, scene: Scene, place: AtDesk, height: int) -> list[Part]:
    title = paper.say(msg("Scan RMA, EAN, tracking, serial or our label"))
    box = Part(ink(place.typed, "bold") + CURSOR, "box", title)
    at_hub = scene.desk.at_hub
    today = Part(stack(_today(paper, scene.desk)))
    waits = [Part(paper.rule(msg("Waiting for you"))), Part(stack(_waiting(paper, scene, place)))]
    used = 1 + 3 + CARD_LINES + today.height + 1 + WAITING_LINES + 1
    last = _last(paper, scene.desk, max(2, min(8, height - used)))
    return [box, _card(paper, place, at_hub), today, *waits, Part(paper.rule(msg("Last units"))), Part(stack(last))]


def _card(paper: Paper, place: AtDesk, at_hub: Mapping[str, str]) -> Part:
    """The unit just finished, or found again: what it is, where it goes, and whether the hub has it."""
    unit = place.card
    if unit is None:
        blank = stack([ink(""), ink(f" {paper.say(msg('Ready.'))}", DIM)])
        return Part(blank, "card")
    price = paper.voice.money(unit.price) if unit.price else ""
    fate = "   ".join(text for text in (paper.graded(unit), price) if text)
    sign = ink(" ▶ ", CALM) if place.found else ink(" ✔ ", OK)
    top = paper.spread(sign + ink(f"{unit.lpn}  ", "bold") + ink(paper.title(unit)), ink(fate, "bold"))
    if unit.voided_at is not None or unit.disposition is None:
        return Part(stack([top, ink(f" {paper.say(msg('taken back'))}", LOOK)]), "card")
    if at_hub.get(unit.id) == "superseded":
        return Part(stack([top, ink(f"    {paper.say(AT_HUB['superseded'][1])}", LOOK)]), "card")
    style = f"{FATES.get(unit.disposition, LOOK)} reverse"
    where = ink(" ") + ink(f" {paper.say(msg('Put it in:'))} {paper.place(unit.disposition)} ", style)
    # Only a receipt for the unit's newest record says that the hub has it.
    tick, word, tone = AT_HUB[at_hub[unit.id]] if unit.id in at_hub else ("", None, DIM)
    again = f"{tick} {paper.say(word)}" if word else ""
    if place.found and is_claim(unit):
        again, tone = paper.say(msg("F12 matches it to its RMA")), DIM
    elif place.found and at_hub.get(unit.id) != "parked":
        does = _collects(place.collected) if place.collected else msg("F2 reopens it, F3 prints its label")
        again, tone = paper.say(does), DIM
    hint = ink(again, tone)
    return Part(stack([top, paper.spread(ink("  ") + where, hint)]), "card")


def _collects(batch: Collected) -> Message:
    """What Enter does with a unit that belongs into a batch."""
    if batch.inside:
        return msg("Enter: in batch {number}", number=batch.number)
    if batch.number:
        return msg("Enter: into batch {number}", number=batch.number)
    return msg("Enter: into a new batch")


def _today(paper: Paper, desk: Desk) -> list[Content]:
    counts = [(paper.say(msgn("{n} unit", "{n} units", n=desk.units)), "bold")]
    counts += [
        (f"{n} {paper.say(word)}", "") for kind, word in ROUTES.items() if (n := desk.by_disposition.get(kind, 0))
    ]
    if desk.defective:
        counts.append((paper.say(msgn("{n} defective", "{n} defective", n=desk.defective)), ""))
    if desk.average_s is not None:
        minutes, seconds = divmod(round(desk.average_s), 60)
        counts.append((paper.say(msg("{time} on average", time=f"{minutes}:{seconds:02}")), DIM))
    body = Content("   ").join(ink(text, style) for text, style in counts)
    return paper.hang(ink(f" {paper.say(msg('Today'))}  ", DIM), body).split("\n")


def _waiting(paper: Paper, scene: Scene, place: AtDesk) -> list[Content]:
    listed = waiting(scene)
    late = _late(paper, scene.desk)
    room = WAITING_LINES - len(late)
    shown = room if len(listed) <= room else room - 1
    first = max(0, place.picked - shown)
    lines: list[Content] = []
    for number, each in enumerate(listed[first : first + shown], start=first + 1):
        chosen = number == place.picked
        lead = ink(" ▸ " if chosen else "   ", CALM)
        if isinstance(each, Arrived):
            text = ink("▶ ", CALM) + ink(paper.say(_parcel_title(each)), "reverse" if chosen else "")
            hint = paper.say(msg("scan its next article"))
        else:
            text = ink(f"{each.sign} ", LOOK) + ink(f"{each.lpn}  ", "bold")
            text += ink(paper.say(each.text), "reverse" if chosen else "")
            hint = paper.say(msg("scan it, or ↓ Enter")) if each.draft and number == 1 else ""
        if lead.cell_length + text.cell_length + len(hint) + 2 > paper.width:
            hint = ""
        line = (lead + text).truncate(paper.width, ellipsis=True)
        lines.append(paper.spread(line, ink(hint, DIM)) if hint else line)
    if len(listed) > shown:
        more = msgn("{n} more: F4", "{n} more: F4", n=len(listed) - shown)
        lines.append(ink(f"   … {paper.say(more)}", DIM))
    lines = [*lines, *late] or [ink(f"   {paper.say(msg('Nothing waits.'))}", DIM)]
    return lines + [ink("")] * (WAITING_LINES - len(lines))


def _parcel_title(arrived: Arrived) -> Message:
    """An open parcel in one line."""
    lines = arrived.lines
    total = sum(line.line.quantity for line in lines)
    done = total - sum(line.open for line in lines)
    return msg(
        "parcel {rma}: {done} of {total} units done",
        rma=arrived.parcel.rmas[-1][1] if arrived.parcel.rmas else "?",
        done=done,
        total=total,
    )


def _late(paper: Paper, desk: Desk) -> list[Content]:
    """How much is over its time."""
    hint = ink(paper.say(msg("F4 shows")), DIM)
    return [paper.spread(ink("   ! ", LOOK) + ink(paper.say(said)), hint) for said in overdue(desk)]


def _last(paper: Paper, desk: Desk, count: int) -> list[Content]:
    """The last units in columns: the words of the site in full, the title in what is left."""
    units = desk.last[:count]
    grades = [paper.graded(unit) for unit in units]
    fates = [_fate(paper, unit) for unit in units]
    grade = max((len(each) for each in grades), default=0) + 2
    fate = max((len(each) for each in fates), default=0) + 1
    at_hub = desk.at_hub
    mark = 3 if at_hub else 0
    title = max(0, paper.width - 7 - mark - 13 - grade - fate)
    lines = []
    for unit, graded, where in zip(units, grades, fates, strict=True):
        at = paper.voice.time(unit.finished_at) if unit.finished_at else ""
        style = f"{DIM} strike" if unit.voided_at else ""
        sign, _, tone = AT_HUB[at_hub.get(unit.id, "waiting")]
        marks = [ink(sign, tone)] if mark else []
        cells = [
            ink(f" {at}", DIM),
            *marks,
            ink(unit.lpn),
            ink(paper.title(unit), style),
            ink(graded),
            ink(where, "bold"),
        ]
        lines.append(paper.row(cells, [7, *([mark] if mark else []), 13, title, grade, fate]))
    return lines + [ink("")] * (count - len(lines))


def _fate(paper: Paper, unit: Inspection) -> str:
    where = paper.say(ROUTES[unit.disposition]) if unit.disposition else ""
    return f"{where} {paper.voice.money(unit.price)}" if unit.price else where


def lamps(paper: Paper, scene: Scene) -> Part:
    """Saved here and the hub in one line, the printer in another: sign, word and colour each. The scanner only where it
    is gone, the backup only where none is near."""
    saved = msg("last step NOT saved") if scene.unsaved else msg("saved here: all")
    here = _lamp("look" if scene.unsaved else "ok", paper.say(saved))
    offline = scene.states.offline if scene.states is not None else ()
    if offline and not scene.unsaved:
        here = ink("")  # the line of the hub says so, too
    if scene.scanner is not None:
        here += "   " + _lamp("look", paper.say(msg("scanner gone")))
    if scene.backup is not None:
        here += "   " + _lamp("look", paper.say(msg("no backup")))
    if scene.states is None:
        return Part(stack([here, ink("")]), "lamps")
    hub, printer = scene.states.hub, scene.states.printer
    troubled = bool(hub.parked or hub.offline_since)
    said = " · ".join(paper.voice.join(each) for each in offline) or paper.say(hub.said)
    first = (here + "   " if here else here) + _lamp(_tone(troubled, hub.waiting, hub.enrolled), said)
    if hub.clock is not None:
        first += "   " + _lamp("look", paper.say(hub.clock))
    troubled = bool(printer.parked or printer.held or not printer.ready)
    said = paper.say(printer.said)
    if printer.problem is not None and printer.problem != printer.said:
        # A label that is not out goes first: the box must be set aside; then why.
        said = f"{said} · {paper.say(printer.problem)}"
    second = _lamp(_tone(troubled, printer.waiting, True), said)
    return Part(stack([*paper.wrap(first), *paper.wrap(second)]), "lamps")


def _tone(troubled: bool, waiting: int, there: bool) -> str:
    if troubled:
        return "look"
    if not there:
        return ""
    return "info" if waiting else "ok"


def _lamp(tone: str, said: str) -> Content:
    sign = {"look": "▲", "info": "◐", "ok": "●"}.get(tone, "○")
    return ink(f"{sign} ", INKS.get(tone, DIM)) + ink(said)
