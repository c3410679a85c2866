"""A parcel on the bench: what its RMAs announce, and whether each line may come back."""

from collections.abc import Mapping

from textual.content import Content

from inspect_station.message import msg, msgn
from inspect_station.outcomes import Arrived, LineSeen
from inspect_station.tui.paper import DIM, INKS, LOOK, OK, Paper, Part, ink, stack


def parts(paper: Paper, arrived: Arrived, sellers: Mapping[str, str], height: int) -> list[Part]:
    """The parcel in ``height`` lines; what does not fit is counted. ``sellers``: names by code."""
    prompt = _prompt(paper, arrived)
    head = _head(paper, arrived, sellers)
    room = height - head.height - prompt.height - 3
    if len(arrived.lines) == 1:
        line = arrived.lines[0]
        box = paper.narrower(2)
        return [head, prompt, Part(stack(_whole(box, arrived, line)), f"box {_tone(paper, line)}", _word(paper, line))]
    return [head, prompt, *_several(paper, arrived, room)]


def _tone(paper: Paper, line: LineSeen) -> str:
    return paper.verdict_word(line.verdict)[1]


def _word(paper: Paper, line: LineSeen) -> str:
    return paper.verdict_word(line.verdict)[0]


def _head(paper: Paper, arrived: Arrived, sellers: Mapping[str, str]) -> Part:
    parcel = arrived.parcel
    numbers = " + ".join(number for _, number in parcel.rmas)
    rma = arrived.lines[0].rma if arrived.lines else None
    left = ink(f"RMA {numbers}", "bold")
    if rma is not None:
        left += ink(f"   {sellers.get(rma.seller, rma.seller)}") + ink(f"   {rma.order or rma.channel}", DIM)
    received = msg("received {on:date} {at:time}", on=parcel.received_on.isoformat(), at=parcel.received_at.isoformat())
    lines = [paper.spread(left, ink(paper.say(received), DIM))]
    for finding in parcel.findings:
        lines.append(ink(f"▲ {paper.say(msg('{what:data}', what=f'finding.{finding.code}'))}", LOOK))
    if parcel.photos:
        lines.append(
            ink(paper.say(msgn("{n} photo of the carton", "{n} photos of the carton", n=len(parcel.photos))), DIM)
        )
    return Part(stack(lines), "head")


def _prompt(paper: Paper, arrived: Arrived) -> Part:
    total = sum(line.line.quantity for line in arrived.lines)
    done = total - sum(line.open for line in arrived.lines)
    count = paper.say(msg("{done} of {total} units done", done=done, total=total))
    box = paper.narrower(2)
    return Part(box.spread(ink(paper.say(msg("Scan the article")), "bold"), ink(count)), "bar big")


def _whole(paper: Paper, arrived: Arrived, line: LineSeen) -> list[Content]:
    product = line.product
    lines = [paper.spread(ink(product.title, "bold"), ink(_count(paper, line)))]
    lines.append(ink("   ".join(each for each in (f"EAN {product.ean}", paper.sort(product)) if each), DIM))
    lines.append(paper.hang(ink(f"{paper.say(msg('Customer says:'))} ", DIM), ink(said_by_customer(paper, line))))
    lines += paper.reasons(line.verdict)
    if _missing(arrived, line):
        lines.append(ink(f"▲ {paper.say(msg('marked as not in the parcel'))}", LOOK))
    return lines


def said_by_customer(paper: Paper, line: LineSeen) -> str:
    """The stated reason, and how it was sold."""
    said = [paper.say(msg("{reason:data}", reason=f"reason.{line.line.reason}"))]
    said.append(paper.say(msg("sold new") if line.line.sold_as == "new" else msg("sold used")))
    if line.line.paid is not None:
        said.append(paper.say(msg("paid {price:money}", price=str(line.line.paid))))
    return " · ".join(said)


def _count(paper: Paper, line: LineSeen) -> str:
    return paper.say(msg("{done} of {total}", done=line.line.quantity - line.open, total=line.line.quantity))


def _missing(arrived: Arrived, line: LineSeen) -> bool:
    return (line.rma.seller, line.rma.number, line.line.no) in arrived.parcel.missing


def _several(paper: Paper, arrived: Arrived, room: int) -> list[Part]:
    """The open lines first, each with its verdict and the first reason."""
    blocks = [_short(paper, arrived, line) for line in sorted(arrived.lines, key=lambda line: not line.open)]
    shown: list[Part] = []
    for block in blocks:
        if room - block.height < 1:
            left = len(blocks) - len(shown)
            shown.append(Part(ink(f" … {paper.say(msgn('{n} more line', '{n} more lines', n=left))}", DIM)))
            break
        room -= block.height
        shown.append(block)
    return shown


def _short(paper: Paper, arrived: Arrived, line: LineSeen) -> Part:
    word, tone = paper.verdict_word(line.verdict)
    style = DIM if not line.open else "bold"
    sign = ink(f" {word}  ", INKS[tone]) if line.open else ink(f" ✔ {paper.say(msg('done'))}  ", OK)
    top = paper.spread(sign + ink(line.product.title, style), ink(_count(paper, line), style))
    lines = [top, ink(f"   EAN {line.product.ean}   {said_by_customer(paper, line)}", DIM)]
    if line.open and line.verdict.reasons:
        lines.append(paper.hang(ink("   "), ink(paper.say(line.verdict.reasons[0].message))))
    if _missing(arrived, line):
        lines.append(ink(f"   ▲ {paper.say(msg('marked as not in the parcel'))}", LOOK))
    return Part(stack(lines))
