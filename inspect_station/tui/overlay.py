"""What lies over a page: a question, a list, a field, the help."""

from textual.content import Content

from inspect_station.message import msg
from inspect_station.tui.keymap import HELP_PAGE, HIDDEN, PLACES, Key, Keymap
from inspect_station.tui.paper import BAD, CALM, CAP, DIM, INKS, LOOK, OK, Paper, Part, ink, stack
from inspect_station.tui.scene import (
    Ask,
    Banner,
    Choose,
    Entry,
    Help,
    Looking,
    Page,
    Photos,
    Scene,
    Type,
    helped,
    possible,
    returns,
)

ROOMY = 4
"""Entries that may take as many lines as they need; more of them each have one if all need more than `LINES`."""
LINES = 9
"""Lines of entries that stay on the screen."""
LABEL = 48
"""Cells of a label in words."""
LEAST = 14
"""Cells of a label that are always shown: a plate."""

SIGNS = {"ok": "✔", "info": "›", "look": "▲", "bad": "✘"}


def banner(paper: Paper, shown: Banner) -> Part:
    """What happened, what the station did, what to do next."""
    title = paper.hang(ink(f"{SIGNS[shown.tone]} ", INKS[shown.tone]), ink(paper.say(shown.title), "bold"))
    if shown.hint is None:
        return Part(title, f"banner {shown.tone}")
    hint = ink("  → ", CALM) + ink(paper.say(shown.hint))
    if title.cell_length + hint.cell_length <= paper.width and "\n" not in title.plain:
        return Part(title + hint, f"banner {shown.tone}")
    return Part(stack([title, paper.hang(ink("→ ", CALM), ink(paper.say(shown.hint)))]), f"banner {shown.tone}")


def elsewhere(paper: Paper, scene: Scene) -> Content | None:
    """At which other docks the return in view is open, in one line; None where at none, as far as anybody knows."""
    here = returns(scene.place)
    docks: dict[str, str] = {}
    for each in scene.states.elsewhere if scene.states else ():
        if (each.seller, each.rma) in here:
            told = (each.station, each.operator, paper.voice.time(each.at))
            docks.setdefault(each.station, ", ".join(filter(None, told)))
    if not docks:
        return None
    said = paper.say(msg("open at {docks}", docks=" · ".join(docks.values())))
    return (ink("› ", CALM) + ink(said)).truncate(paper.width, ellipsis=True)


def foot(paper: Paper, scene: Scene) -> Part | None:
    """The banner, and below it the hint that the return is open elsewhere, in the two lines that pages leave to it."""
    hint = elsewhere(paper, scene)
    if scene.banner is None:
        return Part(hint, "banner info") if hint else None
    shown = banner(paper, scene.banner)
    if hint is None or shown.height > 1:
        return shown
    return Part(stack([shown.text, hint]), shown.kind)


def part(paper: Paper, scene: Scene, keymap: Keymap) -> Part | None:
    """The overlay; None where nothing lies over the page."""
    match scene.over:
        case Ask(said):
            return Part(stack(paper.wrap(ink(paper.say(said), "bold"))), "ask", paper.say(msg("You decide")))
        case Choose() as choose:
            return _choose(paper, choose)
        case Type() as field:
            return _field(paper, field)
        case Looking():
            said = msg("Hold the code in front of the camera, straight and near. The first that is read counts.")
            return Part(
                stack(paper.wrap(ink(paper.say(said), "bold"))), "ask", paper.say(msg("The camera looks for a code"))
            )
        case Help(page):
            return _help(paper, scene, keymap, page)
        case Photos(sheet=Page(title, lines)) as photos:
            text = [paper.hang(ink(f"{paper.say(lead)}  ", "bold"), ink(paper.say(body))) for lead, body in lines]
            if len(photos.sheets) > 1:
                text.append(_more(paper, photos.index, len(photos.sheets)))
            return Part(stack(text), "page", paper.say(title))
    return None


def _more(paper: Paper, index: int, total: int) -> Content:
    """Which page this is, and that there are others."""
    return ink(paper.say(msg("{n} of {total}: Tab shows the next", n=index + 1, total=total)), DIM)


def _choose(paper: Paper, choose: Choose) -> Part:
    lines: list[Content] = []
    for note in choose.notes:
        lines.append(paper.hang(ink("· ", LOOK), ink(paper.say(note))))
    if choose.label is not None:
        title, body = choose.label
        frame = Paper(paper.voice, paper.rules, min(LABEL, paper.width))
        cut = [ink(line).truncate(frame.width - 4, ellipsis=True) for line in body]
        lines += frame.framed(paper.say(title), cut)
    elif choose.notes and choose.entries:
        lines.append(ink(""))
    shown = choose.entries[choose.offset : choose.offset + 9]

    def entries(*, tight: bool) -> list[Content]:
        at = choose.cursor - choose.offset
        return [_entry(paper, each, n + 1, chosen=n == at, tight=tight) for n, each in enumerate(shown)]

    whole = entries(tight=False)
    needed = sum(len(each.split("\n")) for each in whole)
    lines += entries(tight=True) if len(shown) > ROOMY and needed > LINES else whole
    more = len(choose.entries)
    if more > 9:
        last = min(choose.offset + 9, more)
        count = msg("{first} to {last} of {total}: Tab shows the next", first=choose.offset + 1, last=last, total=more)
        lines.append(ink(paper.say(count), DIM))
    return Part(stack(lines), "choose", paper.say(choose.title))


def _entry(paper: Paper, entry: Entry, digit: int, *, chosen: bool, tight: bool) -> Content:
    """One thing to choose; ``tight``: in one line, the label cut where it must be."""
    lead = ink("▸" if chosen else " ", CALM) + ink(f" {digit} ", CAP) + ink(" ")
    if entry.sign:
        lead += ink(f"{entry.sign} ", {"✔": OK, "✘": BAD}.get(entry.sign, LOOK))
    label = ink(paper.say(entry.label), "bold" if chosen else "")
    detail = ink(paper.say(entry.detail), DIM)
    room = paper.narrower(lead.cell_length)
    if tight:
        label = label.truncate(max(LEAST, room.width - detail.cell_length - 1), ellipsis=True)
    lines = room.spread(label, detail).split("\n")
    return stack([lead + lines[0], *(line.pad_left(lead.cell_length) for line in lines[1:])])


def _field(paper: Paper, field: Type) -> Part:
    shown = "•" * len(field.text) if field.masked else field.text
    # The end of a long text is what is being typed.
    typed = ink(shown[-(paper.width - 2) :], "bold") + ink("▌", CALM)
    lines = [typed]
    if field.hint is not None:
        lines += paper.wrap(ink(paper.say(field.hint), DIM))
    return Part(stack(lines), "type", paper.say(field.title))


def _help(paper: Paper, scene: Scene, keymap: Keymap, page: int) -> Part:
    """The keys of this place with what they do, a page at a time."""
    listed = helped(keymap, scene)
    shown = listed[page * HELP_PAGE : (page + 1) * HELP_PAGE]
    lines = [_help_line(paper, key) for key in shown]
    title = paper.say(PLACES[shown[0].place])
    if len(listed) > HELP_PAGE:
        lines.append(_more(paper, page, -(-len(listed) // HELP_PAGE)))
    return Part(stack(lines), "page", title)


def _help_line(paper: Paper, key: Key) -> Content:
    lead = ink(f"{key.shown(paper.voice):>6}  ", f"bold {CALM}") + ink(f"{paper.say(key.word)}  ", "bold")
    return paper.hang(lead, ink(paper.say(key.tip), DIM), indent=26)


def keys(paper: Paper, keymap: Keymap, scene: Scene) -> Part:
    """The foot: only what does something now."""
    ids = possible(scene)
    range_ = _digits(scene)
    shown: list[Content] = []
    words: set[tuple[str, str]] = set()
    for id in ids:
        key = keymap[id]
        cap = range_ if id in ("grade", "option", "toggle", "pick") else key.shown(paper.voice)
        if id in HIDDEN or (cap, key.word.text) in words:
            continue
        words.add((cap, key.word.text))
        shown.append(ink(cap, f"bold {CALM}") + ink(f" {paper.say(key.word)}"))
    lines: list[Content] = []
    for each in shown:
        if lines and lines[-1].cell_length + each.cell_length + 2 <= paper.width:
            lines[-1] = lines[-1] + "  " + each
        else:
            lines.append(each)
    return Part(stack(lines or [ink("")]), "keys")


def _digits(scene: Scene) -> str:
    """The digits that mean something now: ``2–6``."""
    if isinstance(scene.over, Choose):
        digits = [n + 1 for n in range(len(scene.over.entries[scene.over.offset :][:9]))]
    elif scene.unit is not None:
        rows = scene.unit.view.rows
        digits = [row.digit for row in rows if row.digit] or [n + 1 for n in range(len(rows[scene.unit.offset :][:9]))]
    else:
        digits = []
    return f"{digits[0]}–{digits[-1]}" if len(digits) > 1 else "".join(str(digit) for digit in digits)
