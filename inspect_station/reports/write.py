"""Reports as text for people, CSV for spreadsheets, JSON for programs."""

import csv
import io
import json
from collections.abc import Sequence

from inspect_station.core.records import Money
from inspect_station.message import Message, msg, msgn
from inspect_station.reports.daily import Daily, Line
from inspect_station.words import Voice

COLUMNS = (
    "station", "first", "last", "seller", "grade", "disposition", "operator", "units", "photos", "recovered",
    "currency", "waiting_cases", "clock_suspect",
)  # fmt: skip

SCHEMA = 1
"""Version of the JSON form."""


def cell(value: object) -> str:
    """A cell that no spreadsheet runs as a formula: `'` before = + - @ and white space that starts a formula."""
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text


def major(money: Money) -> str:
    """``299.25``: the amount in the major unit, with a point, as in every CSV of ours."""
    from inspect_station.words import minor_digits

    digits = minor_digits(money.currency)
    if digits == 0:
        return str(money.minor)
    return f"{money.minor // 10**digits}.{money.minor % 10**digits:0{digits}d}"


def as_csv(report: Daily) -> str:
    """One row a line of the report; UTF-8, comma, every cell quoted."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in report.lines:
        amount = major(Money(minor=line.recovered, currency=line.currency)) if line.currency else ""
        row = (
            report.station, report.first, report.last, line.seller, line.grade, line.disposition, line.operator,
            line.units, line.photos, amount, line.currency, line.waiting, line.clock_suspect,
        )  # fmt: skip
        writer.writerow([cell(each) for each in row])
    return out.getvalue()


def as_json(report: Daily) -> str:
    """The report with its totals; money in minor units."""
    body = {
        "schema": SCHEMA,
        "station": report.station,
        "first": report.first.isoformat(),
        "last": report.last.isoformat(),
        "units": report.units,
        "photos": report.photos,
        "waiting_cases": report.waiting,
        "clock_suspect": report.clock_suspect,
        "recovered": [money.model_dump() for money in report.recovered],
        "lines": [
            {
                "seller": line.seller,
                "grade": line.grade or None,
                "disposition": line.disposition,
                "operator": line.operator or None,
                "units": line.units,
                "photos": line.photos,
                "recovered": {"minor": line.recovered, "currency": line.currency} if line.currency else None,
                "waiting_cases": line.waiting,
                "clock_suspect": line.clock_suspect,
            }
            for line in report.lines
        ],
    }
    return json.dumps(body, ensure_ascii=False, indent=2) + "\n"


def as_text(report: Daily, voice: Voice) -> str:
    """A table for the terminal, in the reader's language."""
    days = voice.long_day(report.first)
    if report.last != report.first:
        days = f"{days} – {voice.long_day(report.last)}"
    out = [f"{report.station} · {voice.say(msg('daily grading'))} · {days}", ""]
    if not report.lines:
        return "\n".join([*out, voice.say(msg("no unit was finished on this day")), ""])
    head = [
        msg("seller"), msg("grade"), msg("disposition"), msg("operator"), msg("units"), msg("photos"),
        msg("recovered"), msg("waiting"),
    ]  # fmt: skip
    rows = [_text_row(line, voice) for line in report.lines]
    out += _table([voice.say(each) for each in head], rows)
    total = msgn("{n} unit", "{n} units", n=report.units)
    sums = " + ".join(voice.money(money) for money in report.recovered) or "0"
    out += [
        "",
        f"{voice.say(total)} · {voice.say(msgn('{n} photo', '{n} photos', n=report.photos))} · "
        f"{voice.say(msg('value recovered'))} {sums} · "
        f"{voice.say(msgn('{n} case waits', '{n} cases wait', n=report.waiting))}",
        "",
    ]
    if report.clock_suspect:
        doubt = msgn(
            "{n} unit was finished while its station's clock was not to be believed: it may be of another day",
            "{n} units were finished while their stations' clocks were not to be believed: they may be of other days",
            n=report.clock_suspect,
        )
        out += [f"▲ {voice.say(doubt)}", ""]
    return "\n".join(out)


NO_GRADE: Message = msg("no grade")


def _text_row(line: Line, voice: Voice) -> list[str]:
    grade = voice.data(f"grade.{line.grade}") if line.grade else voice.say(NO_GRADE)
    amount = voice.money(Money(minor=line.recovered, currency=line.currency)) if line.currency else "–"
    where = voice.say(DISPOSITIONS[line.disposition])
    return [
        line.seller, grade, where, line.operator or "–", str(line.units), str(line.photos), amount, str(line.waiting),
    ]  # fmt: skip


DISPOSITIONS = {
    "restock": msg("restock"),
    "clearance": msg("clearance"),
    "refurbish": msg("refurbish"),
    "return_to_customer": msg("return to customer"),
    "return_to_seller": msg("return to seller"),
    "recycle": msg("recycle"),
    "destroy": msg("destroy"),
    "donate": msg("donate"),
    "forward": msg("forward"),
    "hold": msg("hold"),
    "quarantine": msg("quarantine"),
}
"""Words for the dispositions; the places they stand for are the site's own data."""

_RIGHT = 4
"""The columns from here on are numbers and stand at the right."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            text.rjust(width) if i >= _RIGHT else text.ljust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(head), "  ".join("─" * width for width in widths), *(line(row) for row in rows)]
