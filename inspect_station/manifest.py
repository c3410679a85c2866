"""What goes with a batch: the fields of its label, and the list of its units on A4 pages, to be signed."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache

from inspect_station.core.batches import Batch, Fate, Route
from inspect_station.core.records import Inspection
from inspect_station.label import Barcode, Line, Template, Text, pages_of
from inspect_station.message import Message, msg, msgn
from inspect_station.stickers import copied
from inspect_station.words import Voice

WAYS: Mapping[Route, Message] = {
    Route.RETURN: msg("return to the seller"),
    Route.RECYCLE: msg("recycling"),
    Route.DESTROY: msg("destruction"),
}
"""What a batch is collected for."""

FATES: Mapping[Fate, Message] = {
    Fate.RETURNED: msg("returned to the seller"),
    Fate.RECYCLED: msg("recycled"),
    Fate.DESTROYED: msg("destroyed"),
}
"""What became of a batch."""


def fields(batch: Batch, seller: str, *, voice: Voice, print_no: int, copy: int) -> dict[str, str]:
    """Every field of a closed batch's label; ``seller`` as people call it."""
    return {
        "batch": batch.number,
        **copied(voice, batch.number, print_no, copy),
        "seller": seller,
        "place": voice.say(WAYS[batch.route]),
        "count": voice.say(_count(batch)),
        "seal": _seal(batch, voice),
        "date": voice.long_day(batch.closed_at.astimezone(voice.zone).date()) if batch.closed_at else "",
    }


def _count(batch: Batch) -> Message:
    return msgn("{n} unit", "{n} units", n=len(batch.units))


def _seal(batch: Batch, voice: Voice) -> str:
    """Our number of the closing, and the one on the seal itself where it has one."""
    if batch.sealed_no is None:
        return ""
    if batch.seal:
        return voice.say(msg("sealed no. {n} · seal {seal}", n=batch.sealed_no, seal=batch.seal))
    return voice.say(msg("sealed no. {n}", n=batch.sealed_no))


# ── The list ─────────────────────────────────────────────────────────────────────────────────────────────────────────

WIDTH, HEIGHT = 210.0, 297.0
LEFT, RIGHT = 12.0, 198.0
TABLE = 52.0
"""Where the headings of the table begin, in millimetres from the upper edge."""
ROW = 6.4
"""From one row to the next: two lines of small type."""
FOOT = 287.0
CLOSING = 46.0
"""Room for totals and signatures, under the last row."""
MOST, MOST_LAST = (int((FOOT - 3 - room - TABLE - 7) // ROW) for room in (0, CLOSING))
"""Rows of a page, and of the last one."""
COLUMNS: Mapping[str, tuple[float, Message | None]] = {
    "no": (7, None),
    "lpn": (24, msg("unit")),
    "rma": (26, msg("RMA")),
    "title": (51, msg("article")),
    "serial": (28, msg("serial")),
    "grade": (18, msg("grade")),
    "reason": (32, msg("customer says, found")),
}
"""Millimetres of each column and its heading, from the left."""
GAP = 1.2


def pages(batch: Batch, seller: str, units: Sequence[Inspection], *, voice: Voice, at: datetime) -> bytes:
    """The units of a batch as PDF: each page with its barcode, the headings and its number; totals and lines to sign on
    the last. ``at``: when this was written."""
    rows = [_row(no, unit, voice) for no, unit in enumerate(units, start=1)]
    chunks = [rows[first : first + MOST] for first in range(0, len(rows), MOST)] or [[]]
    if len(chunks[-1]) > MOST_LAST:
        chunks.append([])
    head = _head(batch, seller, voice, at)
    closing = _closing(batch, units, voice)
    sheets = []
    for n, chunk in enumerate(chunks, start=1):
        last = n == len(chunks)
        said = {**head, "page": voice.say(msg("page {n} of {total}", n=n, total=len(chunks)))}
        for place, row in enumerate(chunk):
            said |= {f"{column}{place}": text for column, text in row.items()}
        sheets.append((_sheet(len(chunk), last), said | (closing if last else {})))
    return pages_of(sheets, dpi=300)


def _row(no: int, unit: Inspection, voice: Voice) -> dict[str, str]:
    stated = voice.data(f"reason.{unit.line.reason}") if unit.line else ""
    found = [voice.data(f"finding.{finding.code}") for finding in unit.findings]
    return {
        "no": str(no),
        "lpn": unit.lpn,
        "rma": unit.rma,
        "title": unit.product.title if unit.product else unit.scanned,
        "serial": unit.serial,
        "grade": voice.data(f"grade.{unit.grade}") if unit.grade else "",
        "reason": " · ".join(filter(None, [stated, *dict.fromkeys(found)])),
    }


def _head(batch: Batch, seller: str, voice: Voice, at: datetime) -> dict[str, str]:
    def day(moment: datetime) -> str:
        return voice.long_day(moment.astimezone(voice.zone).date())

    closed = voice.say(msg("STILL OPEN: more may join"))
    if batch.closed_at is not None:
        closed = voice.say(msg("closed on {on}", on=day(batch.closed_at)))
    headings = {column: voice.say(heading) if heading else "" for column, (_, heading) in COLUMNS.items()}
    return {
        "barcode": batch.number,
        "batch": voice.say(msg("Batch {number}", number=batch.number)),
        "seller": seller,
        "way": voice.say(msg("collected for: {way:word}", way=WAYS[batch.route].text)),
        "closed": " · ".join(filter(None, [closed, _seal(batch, voice)])),
        "count": voice.say(_count(batch)),
        "written": voice.say(
            msg("{station}, written on {on} at {time}", station=batch.station, on=day(at), time=voice.time(at))
        ),
        **headings,
    }


def _closing(batch: Batch, units: Sequence[Inspection], voice: Voice) -> dict[str, str]:
    grades = Counter(voice.data(f"grade.{unit.grade}") if unit.grade else voice.say(msg("no grade")) for unit in units)
    by_grade = ", ".join(f"{n} {grade}" for grade, n in grades.most_common())
    ended = ""
    if batch.ending is not None:
        fate = FATES[batch.ending.fate].text
        known = [voice.say(msg("{fate:word} on {on:date}", fate=fate, on=batch.ending.on.isoformat()))]
        if batch.ending.ground:
            known.append(voice.say(msg("ground: {ground}", ground=batch.ending.ground)))
        if batch.ending.supervisor:
            known.append(voice.say(msg("ordered by {who}", who=batch.ending.supervisor)))
        ended = " · ".join(known)
    return {
        "total": voice.say(msg("Total: {count}", count=voice.say(_count(batch)))),
        "grades": by_grade,
        "ended": ended,
        "given": voice.say(msg("Handed over by (name, date, signature)")),
        "taken": voice.say(msg("Taken over by (name, date, signature)")),
    }


@cache
def _sheet(rows: int, last: bool) -> Template:
    """A page with so many rows."""
    return Template(
        name="manifest",
        size=(WIDTH, HEIGHT),
        text=(*_texts_above(), *_cells(rows), *(_texts_below(TABLE + 9 + rows * ROW) if last else ()), *_foot()),
        barcode=(Barcode(at=(118, 10), width=80, height=14),),
        line=tuple(_lines(rows, last)),
    )


def _texts_above() -> Iterator[Text]:
    yield Text(at=(LEFT, 10), width=104, field="batch", size=18, min=10, bold=True)
    yield Text(at=(118, 24.5), width=80, field="barcode", size=10, align="centre", bold=True)
    yield Text(at=(LEFT, 19.5), width=104, field="seller", size=13, min=8, bold=True)
    yield Text(at=(LEFT, 30), width=120, field="way", size=11, min=8, bold=True)
    yield Text(at=(LEFT, 36), width=150, field="closed", size=10, min=7)
    yield Text(at=(164, 36), width=34, field="count", size=12, min=8, bold=True, align="right")
    yield Text(at=(LEFT, 42), width=186, field="written", size=7.5, min=6)
    for column, left, width in _columns():
        if COLUMNS[column][1]:
            yield Text(at=(left, TABLE), width=width, field=column, size=7.5, min=6, bold=True)


def _columns() -> Iterator[tuple[str, float, float]]:
    """Each column with its left edge and the width of its text."""
    left = LEFT
    for column, (width, _) in COLUMNS.items():
        yield column, left, width - GAP
        left += width


def _cells(rows: int) -> Iterator[Text]:
    for place in range(rows):
        top = TABLE + 5.6 + place * ROW
        for column, left, width in _columns():
            if column == "no":
                yield Text(at=(left, top), width=width, field=f"no{place}", size=6, min=5, align="right")
            else:
                bold = column == "lpn"
                yield Text(at=(left, top), width=width, field=f"{column}{place}", size=6.5, min=6, lines=2, bold=bold)


def _texts_below(top: float) -> Iterator[Text]:
    yield Text(at=(LEFT, top), width=50, field="total", size=10, min=7, bold=True)
    yield Text(at=(LEFT + 52, top), width=134, field="grades", size=9, min=6)
    yield Text(at=(LEFT, top + 6), width=186, field="ended", size=8.5, min=6, lines=2)
    yield Text(at=(LEFT, top + 32), width=84, field="given", size=7, min=5.5)
    yield Text(at=(LEFT + 100, top + 32), width=86, field="taken", size=7, min=5.5)


def _foot() -> Iterator[Text]:
    yield Text(at=(RIGHT - 60, FOOT), width=60, field="page", size=8, min=6, align="right")


def _lines(rows: int, last: bool) -> Iterator[Line]:
    yield Line(at=(LEFT, TABLE + 4.6), size=(RIGHT - LEFT, 0.4))
    for place in range(1, rows + 1):
        yield Line(at=(LEFT, TABLE + 5.2 + place * ROW), size=(RIGHT - LEFT, 0.1))
    if last:
        top = TABLE + 9 + rows * ROW + 31
        yield Line(at=(LEFT, top), size=(84, 0.25))
        yield Line(at=(LEFT + 100, top), size=(86, 0.25))
