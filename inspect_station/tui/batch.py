"""A batch: whose it is, where it goes, what is in it, what stands against closing it or what became of it."""

from collections.abc import Iterator, Mapping

from textual.content import Content

from inspect_station.core.batches import Batch, Member
from inspect_station.manifest import FATES, WAYS
from inspect_station.message import Message, msg, msgn
from inspect_station.outcomes import BatchSeen
from inspect_station.tui.paper import DIM, LOOK, OK, Paper, Part, ink, stack
from inspect_station.tui.scene import BATCH_PAGE, OnBatch


def parts(paper: Paper, place: OnBatch, names: Mapping[str, str], height: int) -> list[Part]:
    """The batch in ``height`` lines; of its units, the one that joined last comes first. ``names``: operators by
    code."""
    above = [_head(paper, place.seen), _prompt(paper, place.seen.batch), *_notes(paper, place.seen, names)]
    room = height - sum(part.height for part in above) - 3
    return [*above, Part(stack(_units(paper, place, max(BATCH_PAGE + 1, room))), "rows")]


def _head(paper: Paper, seen: BatchSeen) -> Part:
    batch, voice = seen.batch, paper.voice
    opened = batch.opened_at.astimezone(voice.zone)
    on, at = voice.day(opened.date()), voice.time(opened)
    since = msg("opened {on} {time}", on=on, time=at)
    if batch.closed_at is None:
        since = msg("open since {on} {time}", on=on, time=at)
    left = ink(paper.say(msg("Batch {number}", number=batch.number)), "bold") + ink(f"   {seen.seller}")
    way = msg("collected for: {way:word}", way=WAYS[batch.route].text)
    return Part(stack([paper.spread(left, ink(paper.say(since), DIM)), ink(paper.say(way), "bold")]), "head")


def _prompt(paper: Paper, batch: Batch) -> Part:
    said, kind = msg("Scan the units into it"), "bar big"
    if batch.ending is not None:
        fate, on = FATES[batch.ending.fate].text, batch.ending.on.isoformat()
        said = msg("{fate:word} on {on:date}", fate=fate, on=on)
    elif batch.closed_at is not None:
        said, kind = msg("Closed: what became of it?"), "bar look big"
    count = msgn("{n} unit", "{n} units", n=len(batch.units))
    box = paper.narrower(2)
    return Part(box.spread(ink(paper.say(said), "bold"), ink(paper.say(count), "bold")), kind)


def _notes(paper: Paper, seen: BatchSeen, names: Mapping[str, str]) -> list[Part]:
    """What stands against its closing; how it was closed; what became of it."""
    lines = [paper.hang(ink("▲ ", LOOK), ink(paper.say(each))) for each in _blocking(seen)]
    lines += [paper.hang(ink("· ", DIM), ink(paper.say(each))) for each in _known(paper, seen.batch, names)]
    return [Part(stack(lines))] if lines else []


def _blocking(seen: BatchSeen) -> Iterator[Message]:
    yield from (each.message for each in seen.blocked if each.code != "empty")


def _known(paper: Paper, batch: Batch, names: Mapping[str, str]) -> Iterator[Message]:
    voice = paper.voice
    if batch.closed_at is not None:
        closed = batch.closed_at.astimezone(voice.zone)
        yield msg(
            "closed on {on} at {time} by {who}, sealed no. {n}",
            on=voice.long_day(closed.date()),
            time=voice.time(closed),
            who=names.get(batch.closed_by, batch.closed_by),
            n=batch.sealed_no or 0,
        )
    if batch.seal:
        yield msg("number on the seal: {seal}", seal=batch.seal)
    if batch.ending is not None:
        by, supervisor = (names.get(code, code) for code in (batch.ending.by, batch.ending.supervisor))
        yield msg("noted by {who}, with a picture as proof", who=by)
        if supervisor:
            yield msg("ordered by {who}: {ground}", who=supervisor, ground=batch.ending.ground)


def _units(paper: Paper, place: OnBatch, room: int) -> list[Content]:
    """The newest first, a line each, from the one that Tab has turned to."""
    units = place.seen.batch.units[::-1]
    if not units:
        empty = msg("Nothing is in it: scan the label of a unit that goes this way.")
        return [paper.hang(ink(" "), ink(paper.say(empty), DIM))]
    shown = units[place.first :][: room if len(units) <= room else room - 1]
    lines = [_unit(paper, each) for each in shown]
    if len(shown) < len(units):
        first, last = place.first + 1, place.first + len(shown)
        more = msg("{first} to {last} of {total}: Tab shows the next", first=first, last=last, total=len(units))
        lines.append(ink(f" {paper.say(more)}", DIM))
    return lines


def _unit(paper: Paper, unit: Member) -> Content:
    voice = paper.voice
    sign = ink(" ▲ ", LOOK) if unit.property_inside or unit.disputed else ink(" ✔ ", OK)
    grade = paper.grade(unit.grade) if unit.grade else paper.say(msg("not graded"))
    cells = [ink(voice.time(unit.joined_at), DIM), ink(unit.lpn, "bold"), ink(unit.title), ink(grade), ink(unit.rma)]
    widths = [8, 13, 0, len(grade) + 2, max(len(unit.rma), 8) + 1]
    widths[2] = max(8, paper.width - 3 - sum(widths))
    return sign + paper.row(cells, widths)
