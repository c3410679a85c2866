"""What is known, and what a picture says: `show`, `decode`, `report`."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspect_station.cli import verb
from inspect_station.cli.verb import AsJson, ConfigPath, Out
from inspect_station.errors import Exit, StationError
from inspect_station.message import msg

if TYPE_CHECKING:
    from inspect_station.reports.daily import Daily
    from inspect_station.station import Station

report_app = typer.Typer(help="Reports of the graded units.")


def show(
    code: str,
    on: Annotated[str, typer.Option("--on", help="Verdict as if received on this day (ISO date).")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """All that is known of a unit (by its LPN), or an RMA's lines with their verdict.

    --on counts where the RMA has not been received yet: a recorded receipt is never set aside.
    """
    loaded = verb.load(config)
    day = verb.date_of("--on", on) if on else None
    with verb.station(loaded) as station:
        verb.write(shown(station, code, day, as_json), None)


def shown(station: "Station", code: str, day: date | None, as_json: bool) -> str:
    """A unit, or an RMA's lines with the verdict of that day."""
    from inspect_station.account import Account
    from inspect_station.core.barcode import ScanKind

    if not code.strip():
        raise verb.usage(msg("CODE is empty: give a unit's LPN or an RMA"))
    account = Account(station, verb.voice())
    scan = station.read(code)
    if scan.kind is ScanKind.LPN:
        unit = station.show(scan.text.partition("/")[0])
        parcel = station.parcel_with(unit)
        return verb.json_text(account.unit_json(unit, parcel)) if as_json else account.unit_text(unit, parcel)
    lines = station.show_rma(code, day)
    receipts = account.receipts(lines)
    body = account.rma_json(code, lines, receipts, day or station.today())
    for (seller, rma), received in receipts.items():
        if day not in (None, received):
            was = verb.voice().full_day(received)
            verb.say(msg("{seller} {rma} was received on {on}: --on does not count", seller=seller, rma=rma, on=was))
    return verb.json_text(body) if as_json else account.rma_text(body)


def decode(files: list[Path], as_json: AsJson = False) -> None:
    """Read the barcodes in pictures; with --json one line a file, "error" where it cannot be used."""
    import time as clock

    from inspect_station.core import barcode
    from inspect_station.decode import decode as read

    failed = False
    for file in files:
        started = clock.perf_counter()
        try:
            codes = read(file)
        except StationError as error:
            failed = True
            verb.complain(error)
            if as_json:
                spent = round((clock.perf_counter() - started) * 1000, 1)
                sentence = verb.voice().say(error.title)
                print(json.dumps({"file": str(file), "codes": [], "error": sentence, "ms": spent}))
            continue
        spent = round((clock.perf_counter() - started) * 1000, 1)
        kinds = [barcode.read(code.text, barcode.Patterns()).kind for code in codes]
        if as_json:
            rows = [
                {"text": code.text, "format": code.format, "kind": kind}
                for code, kind in zip(codes, kinds, strict=True)
            ]
            print(json.dumps({"file": str(file), "codes": rows, "ms": spent}))
            continue
        for code, kind in zip(codes, kinds, strict=True):
            print(f"{verb.plain(file)}: {verb.plain(code.text)}  {code.format}  {kind}")
        if not codes:
            print(f"{verb.plain(file)}: {verb.voice().say(msg('no barcode found'))}")
    if failed:
        raise typer.Exit(Exit.SOME_FAILED)


# ── Reports ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Day = Annotated[str, typer.Option("--date", help="ISO date; default today.")]
FirstDay = Annotated[str, typer.Option("--from", help="First day.")]
LastDay = Annotated[str, typer.Option("--to", help="Last day.")]
OneSeller = Annotated[str, typer.Option("--seller", help="One seller's code.")]
ReportFormat = Annotated[str, typer.Option("--format", help="text, csv or json.")]


@report_app.command("daily")
def report_daily(
    day: Day = "",
    first: FirstDay = "",
    last: LastDay = "",
    seller: OneSeller = "",
    format: ReportFormat = "text",
    output: Out = None,
    config: ConfigPath = None,
) -> None:
    """The day's grading: per seller, grade, disposition and operator."""
    loaded = verb.load(config)
    written = writer(format)
    with verb.station(loaded) as station:
        report = station.daily(*days(station, day, first, last), seller)
    verb.write(written(report), output)


def writer(format: str) -> Callable[["Daily"], str]:
    """What makes a report a text of this format."""
    from inspect_station.reports import write

    writers: dict[str, Callable[[Daily], str]] = {
        "text": lambda report: write.as_text(report, verb.voice()),
        "csv": write.as_csv,
        "json": write.as_json,
    }
    verb.choice("--format", format, writers)
    return writers[format]


def days(station: "Station", day: str, first: str, last: str) -> tuple[date, date]:
    """The first and the last day that are meant."""
    today = station.report_today()
    the_day = verb.date_of("--date", day) if day else None
    begin = verb.date_of("--from", first) if first else the_day or today
    end = verb.date_of("--to", last) if last else the_day or (today if first else begin)
    if end < begin:
        raise verb.usage(msg("--to {last} lies before --from {first}", last=end.isoformat(), first=begin.isoformat()))
    return begin, end
