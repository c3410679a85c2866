"""The command line: the only place that prints or exits. Heavy imports happen inside each verb."""

import json
import logging
import sys
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer
from typer.core import TyperGroup

from inspect_station.errors import Exit, NotAllowed, StationError
from inspect_station.message import Message, msg, msgn

if TYPE_CHECKING:
    from inspect_station.config import Config
    from inspect_station.core.records import Operator
    from inspect_station.outcomes import BatchSeen, Said
    from inspect_station.reports.daily import Daily
    from inspect_station.station import Station
    from inspect_station.tomlfile import Problem
    from inspect_station.words import Voice


def _first(verb: str) -> type[TyperGroup]:
    """A group of verbs of which one need not be said: `hub station NAME` is `hub station add NAME`."""

    class First(TyperGroup):
        unsaid = verb

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            said = args[:1] and (args[0] in self.commands or args[0] in ("-h", "--help"))
            return super().parse_args(ctx, args if said else [self.unsaid, *args])

    return First


app = typer.Typer(
    name="inspect-station",
    help="Returns inspection at a warehouse dock: scan, grade, test, photograph, label, report.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
config_app = typer.Typer(help="Check or show the configuration.")
import_app = typer.Typer(help="Take in lists of products or RMAs (CSV).")
report_app = typer.Typer(help="Reports of the graded units.")
db_app = typer.Typer(help="The store: upgrade, back up, verify, restore.")
hub_app = typer.Typer(help="The hub that collects all stations.")
sheet_app = typer.Typer(help="Sheets to print and scan from.")
template_app = typer.Typer(help="Label templates: start one of your own, measure them.")
batch_app = typer.Typer(help="Batches: units that leave together, back to their seller or as waste.")
playbook_app = typer.Typer(help="Sellers' own rules: try them, let them count, look at them.")
station_app = typer.Typer(cls=_first("add"), help="Stations: let one in (`hub station NAME`), list, revoke.")
token_app = typer.Typer(help="Tokens of supervisors who settle what is parked over HTTP.")
parked_app = typer.Typer(cls=_first("list"), help="Records that the hub could not take: list, show, resolve.")
hub_report_app = typer.Typer(help="Reports of the units of all stations.")
hub_app.add_typer(hub_report_app, name="report")
hub_app.add_typer(station_app, name="station")
hub_app.add_typer(token_app, name="token")
hub_app.add_typer(parked_app, name="parked")
app.add_typer(config_app, name="config")
app.add_typer(import_app, name="import")
app.add_typer(report_app, name="report")
app.add_typer(db_app, name="db")
app.add_typer(hub_app, name="hub")
app.add_typer(sheet_app, name="sheet")
app.add_typer(template_app, name="template")
app.add_typer(playbook_app, name="playbook")
app.add_typer(batch_app, name="batch")

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", help="station.toml; default: ./station.toml, then the user's configuration folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (a contract: versioned).")]
Out = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file instead of stdout.")]


def main() -> NoReturn:
    """Run the program; a StationError becomes its sentence on stderr and its exit code."""
    try:
        app(standalone_mode=True)
    except StationError as error:
        _complain(error)
        sys.exit(error.exit_code)
    sys.exit(Exit.OK)


def _complain(error: StationError) -> None:
    voice = _voice()
    print(voice.say(error.title), file=sys.stderr)
    print(f"→ {voice.say(error.hint)}", file=sys.stderr)


_spoken: list["Voice"] = []


def _voice() -> "Voice":
    from inspect_station.words import Voice

    return _spoken[-1] if _spoken else Voice()


def _say(message: Message) -> None:
    print(_voice().say(message), file=sys.stderr)


def _plain(text: str | Path) -> str:
    """What a file is called, or a code says, as text that no terminal obeys."""
    from inspect_station.core.barcode import clean

    return clean(str(text))


def _load(path: Path | None) -> "Config":
    from inspect_station import config
    from inspect_station.words import Voice

    loaded = config.load(config.find(path))
    _spoken.append(Voice(loaded.station.locale, loaded.rules, loaded.station.zone))
    return loaded


def _station(loaded: "Config", **options: Any) -> "Station":
    from inspect_station.station import open_station

    return open_station(loaded, **options)


def _usage(message: Message) -> typer.BadParameter:
    """A word on the command line that means nothing here."""
    return typer.BadParameter(_voice().say(message))


def _choice(word: str, value: str, known: Collection[str]) -> None:
    """Refuse a word that is none of those known."""
    if value not in known:
        choices = ", ".join(known)
        raise _usage(msg("{word} {value}: must be one of {choices}", word=word, value=value, choices=choices))


def _write(text: str | bytes, output: Path | None) -> None:
    data = text.encode() if isinstance(text, str) else text
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise StationError(
            msg("{file} cannot be written: {reason}", file=str(output), reason=error.strerror or str(error)),
            msg("choose another file with -o; nothing was changed"),
        ) from error
    _say(msg("written: {file}", file=str(output)))


def _json(body: object) -> str:
    return json.dumps(body, ensure_ascii=False, indent=2, default=str) + "\n"


# ── The station ──────────────────────────────────────────────────────────────────────────────────────────────────────


@app.callback(invoke_without_command=True)
def _default(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        run()


@app.command()
def run(
    config: ConfigPath = None,
    training: Annotated[bool, typer.Option("--training", help="Practise on a copy of the demo.")] = False,
) -> None:
    """The station: the screens, the printing and the sending."""
    if training:
        _play(_demo_folder("training"), fresh=False, training=True)
        return
    with _station(_load(config), running=True) as station:
        _screens(station)


def _screens(station: "Station") -> None:
    from inspect_station.tui.app import run as screens

    folder = station.config.station.data
    logging.basicConfig(filename=folder / "station.log", level=logging.WARNING, format="%(asctime)s %(message)s")
    code = screens(station)
    if code:
        raise typer.Exit(code)


def _demo_folder(name: str) -> Path:
    import os

    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "inspect-station" / name


@app.command()
def demo(
    dir: Annotated[Path | None, typer.Option("--dir", help="Folder of the demo.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Make it anew.")] = False,
    no_tui: Annotated[bool, typer.Option("--no-tui", help="Only prepare it.")] = False,
    as_json: AsJson = False,
) -> None:
    """A ready station with sellers, products and RMAs, a simulated camera and printer, and a sheet to scan from."""
    folder = dir or _demo_folder("demo")
    if not no_tui:
        _play(folder, fresh=fresh, training=False)
        return
    from inspect_station.demo.build import prepare

    made = prepare(folder.absolute(), fresh=fresh)
    if as_json:
        _write(_json(made.json()), None)
        return
    _say(msg("demo ready in {folder}", folder=made.dir))
    _say(msg("scan or type from {sheet}; labels come out in {printer}", sheet=made.sheet,
             printer=made.printer_dir))  # fmt: skip


def _play(folder: Path, *, fresh: bool, training: bool) -> None:
    from inspect_station import config
    from inspect_station.demo.build import prepare
    from inspect_station.station import open_station

    made = prepare(folder.absolute(), fresh=fresh)
    said = (
        msg("scan or type from {sheet}; labels come out in {printer}", sheet=made.sheet, printer=made.printer_dir),
        msg("badge of the operator: {badge}  (scan it, or paste it and press Enter)", badge=made.badge),
    )
    for line in said:
        _say(line)
    with open_station(config.load(Path(made.config)), running=True, training=training) as station:
        station.welcome = said
        _screens(station)


@app.command()
def doctor(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """What works on this machine, what does not, and how to mend it."""
    from inspect_station.doctor import examine

    checks = examine(_load(config))
    voice = _voice()
    if as_json:
        rows = [
            {"name": each.name, "ok": each.ok, "found": voice.say(each.found), "mend": voice.say(each.mend)}
            for each in checks
        ]
        _write(_json({"schema": 1, "checks": rows}), None)
    else:
        for each in checks:
            sign = {True: "✔", False: "✘", None: "–"}[each.ok]
            print(f"{sign} {each.name:10} {voice.say(each.found)}")
            if not each.ok and each.mend.text:
                print(f"  {'':10} → {voice.say(each.mend)}")
    if any(each.ok is False for each in checks):
        raise typer.Exit(Exit.SOME_FAILED)


# ── Lists in ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise StationError(
            msg("{file} cannot be read: {reason}", file=str(file), reason=error.strerror or str(error)),
            msg("check the path; nothing was imported"),
        ) from error


def _import(file: Path, config: Path | None, what: str) -> None:
    data = _bytes(file)
    with _station(_load(config)) as station:
        taken = station.import_products(data) if what == "products" else station.import_rmas(data)
    for notice in taken.notices:
        _say(notice)
    voice = _voice()
    for bad in taken.bad:
        print(f"{_plain(file)}:{bad.line}: {voice.say(bad.reason)}", file=sys.stderr)
    if what == "products":
        _say(msg("{n} products taken in, {bad} rows left out", n=len(taken.records), bad=len(taken.bad)))
    else:
        _say(msg("{n} RMAs taken in, {bad} rows left out", n=len(taken.records), bad=len(taken.bad)))
    if taken.bad:
        raise typer.Exit(Exit.SOME_FAILED)


@import_app.command("products")
def import_products(file: Path, config: ConfigPath = None) -> None:
    """Products of one or more sellers: gtin, seller, title and more (see the README)."""
    _import(file, config, "products")


@import_app.command("rmas")
def import_rmas(file: Path, config: ConfigPath = None) -> None:
    """RMAs; several rows with one number are its lines."""
    _import(file, config, "rmas")


# ── Looking ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
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
            _complain(error)
            if as_json:
                spent = round((clock.perf_counter() - started) * 1000, 1)
                sentence = _voice().say(error.title)
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
            print(f"{_plain(file)}: {_plain(code.text)}  {code.format}  {kind}")
        if not codes:
            print(f"{_plain(file)}: {_voice().say(msg('no barcode found'))}")
    if failed:
        raise typer.Exit(Exit.SOME_FAILED)


@app.command()
def show(
    code: str,
    on: Annotated[str, typer.Option("--on", help="Verdict as if received on this day (ISO date).")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """All that is known of a unit (by its LPN), or an RMA's lines with their verdict.

    --on counts where the RMA has not been received yet: a recorded receipt is never set aside.
    """
    loaded = _load(config)
    day = _date("--on", on) if on else None
    with _station(loaded) as station:
        _write(_shown(station, code, day, as_json), None)


def _shown(station: "Station", code: str, day: date | None, as_json: bool) -> str:
    """A unit, or an RMA's lines with the verdict of that day."""
    from inspect_station.account import Account
    from inspect_station.core.barcode import ScanKind

    account = Account(station, _voice())
    scan = station.read(code)
    if scan.kind is ScanKind.LPN:
        unit = station.show(scan.text.partition("/")[0])
        with station.store.read() as reader:
            parcel = reader.parcel(unit.parcel)
        return _json(account.unit_json(unit, parcel)) if as_json else account.unit_text(unit, parcel)
    lines = station.show_rma(code, day)
    receipts = account.receipts(lines)
    body = account.rma_json(code, lines, receipts, day or station.today())
    for (seller, rma), received in receipts.items():
        if day not in (None, received):
            was = _voice().full_day(received)
            _say(msg("{seller} {rma} was received on {on}: --on does not count", seller=seller, rma=rma, on=was))
    return _json(body) if as_json else account.rma_text(body)


def _date(option: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _usage(msg("{column} {value}: a date like 2026-11-22", column=option, value=text)) from None


@app.command()
def label(
    lpn: str,
    kind: Annotated[
        str, typer.Option("--kind", help="Another kind than the unit's own: relabel, putaway, property…")
    ] = "",
    format: Annotated[str, typer.Option("--format", help="pdf, zpl or png.")] = "pdf",
    output: Out = None,
    config: ConfigPath = None,
) -> None:
    """The unit's own label, to a file or to stdout."""
    loaded = _load(config)
    _choice("--format", format, ("pdf", "zpl", "png"))
    with _station(loaded) as station:
        data = station.draw_label(lpn, kind, cast(Any, format))
    _write(data, output)


@template_app.command("new")
def template_new(
    name: str,
    source: Annotated[str, typer.Option("--from", help="The template it starts as; else the one of its name.")] = "",
    config: ConfigPath = None,
) -> None:
    """Start a template of the site's own as a copy; it stands over the shipped one of the same name."""
    import re

    from inspect_station import label as labels
    from inspect_station import stickers
    from inspect_station.errors import NotFound
    from inspect_station.resources import resource

    folder = _load(config).station.labels
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
        raise _usage(msg("{name}: a template's name has small letters, digits, - and _", name=name))
    known = labels.files(resource("labels"), folder)
    kind = source or (name if name in known else "hold")
    if kind not in known:
        raise NotFound(msg("no label template {kind}", kind=kind), msg("known: {kinds}", kinds=", ".join(known)))
    if stickers.NO_UNITS.get(kind) != stickers.NO_UNITS.get(name):
        odd = kind if kind in stickers.NO_UNITS else name
        raise _usage(msg("{odd} is no label of a unit: its fields are others, start it from itself", odd=odd))
    target = folder / f"{name}.toml"
    if target.exists():
        raise StationError(
            msg("{file} is there already", file=str(target)),
            msg("edit it, or choose another name; nothing was changed"),
        )
    text = known[kind].read_bytes()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StationError(
            msg("{file} cannot be written: {reason}", file=str(target), reason=error.strerror or str(error)),
            msg("set [station] labels to a folder that can be; nothing was changed"),
        ) from error
    _write(text, target)
    _say(msg("edit it, then `inspect-station template check {file}`", file=str(target)))


@template_app.command("check")
def template_check(
    files: Annotated[list[Path] | None, typer.Argument(help="Default: all that labels are printed by.")] = None,
    config: ConfigPath = None,
) -> None:
    """Name what is wrong with label templates, by file, key and reason; print the sizes of those in order."""
    from inspect_station import label as labels
    from inspect_station.resources import resource

    folder = _load(config).station.labels
    chosen = files or labels.files(resource("labels"), folder).values()
    in_order = [_try_template(file) for file in chosen]
    if not all(in_order):
        raise typer.Exit(Exit.BROKEN)


def _try_template(file: Path) -> bool:
    from inspect_station import label as labels
    from inspect_station import stickers
    from inspect_station.tomlfile import BrokenConfig

    try:
        template = labels.check(file, stickers.NO_UNITS.get(file.stem, stickers.FIELDS))
    except BrokenConfig as broken:
        for problem in broken.problems:
            _told(problem)
        n = len(broken.problems)
        _say(msgn("{n} problem in {file}", "{n} problems in {file}", n=n, file=str(file)))
        return False
    print(f"{_plain(file)}: {template.size[0]:g} × {template.size[1]:g} mm")
    for n, code in enumerate(template.barcode, start=1):
        modules = ", ".join(f"{labels.module(code, dpi):.3f} mm @ {dpi} dpi" for dpi in (203, 300))
        print(f"  barcode.{n} {code.kind} {code.field}: {code.width:g} × {code.height:g} mm, {modules}")
    for n, text in enumerate(template.text, start=1):
        print(f"  text.{n} {text.field}: {text.width:g} × {text.box.height:.1f} mm, {text.size:g}–{text.min:g} pt")
    return True


# ── Upstream ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@app.command()
def sync(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted.")] = False,
    enrol: Annotated[str, typer.Option("--enrol", help="One-time code: enrol this station first.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Send and fetch now; prints what was sent, what waits and what is parked."""
    import time as clock

    with _station(_load(config)) as station:
        if enrol:
            _say(station.enrol(enrol))
        while True:
            done = station.sync()
            numbers = {"sent": done.sent, "waiting": done.waiting, "parked": done.parked, "fetched": done.fetched}
            if as_json:
                said = _voice().say(done.problem) if done.problem else None
                print(json.dumps({"schema": 1, **numbers, "problem": said}, ensure_ascii=False), flush=True)
            else:
                _say(msg("{sent} sent, {waiting} waiting, {parked} parked, {fetched} fetched", **numbers))
                if done.problem:
                    _say(done.problem)
            if not watch:
                break
            clock.sleep(max(station.config.upstream.min_wait_s, done.wait_s))
    if done.problem:
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
    loaded = _load(config)
    written = _writer(format)
    with _station(loaded) as station:
        report = station.daily(*_days(station, day, first, last), seller)
    _write(written(report), output)


def _writer(format: str) -> Callable[["Daily"], str]:
    """What makes a report a text of this format."""
    from inspect_station.reports import write

    writers: dict[str, Callable[[Daily], str]] = {
        "text": lambda report: write.as_text(report, _voice()),
        "csv": write.as_csv,
        "json": write.as_json,
    }
    _choice("--format", format, writers)
    return writers[format]


def _days(station: "Station", day: str, first: str, last: str) -> tuple[date, date]:
    """The first and the last day that are meant."""
    today = station.report_today()
    the_day = _date("--date", day) if day else None
    begin = _date("--from", first) if first else the_day or today
    end = _date("--to", last) if last else the_day or (today if first else begin)
    if end < begin:
        raise _usage(msg("--to {last} lies before --from {first}", last=end.isoformat(), first=begin.isoformat()))
    return begin, end


# ── The store and the configuration ──────────────────────────────────────────────────────────────────────────────────


@db_app.command("upgrade")
def db_upgrade(config: ConfigPath = None) -> None:
    """Bring the store to this program's version (a copy is kept beside it)."""
    with _station(_load(config)) as station:
        _say(msg("the store in {folder} is up to date", folder=str(station.config.station.data)))


@db_app.command("backup")
def db_backup(
    to: Annotated[Path | None, typer.Argument(help="A file; default: a dated one in the folder of [backup].")] = None,
    config: ConfigPath = None,
) -> None:
    """Copy the store while the station runs, and try the copy: put it back elsewhere, open it, count."""
    from inspect_station import upkeep

    loaded = _load(config)
    if to is None and loaded.backup.to is None:
        raise _usage(msg("name a file, or set [backup] in station.toml"))
    with _station(loaded) as station:
        if to is None:
            to = upkeep.back_up(station.store, loaded.backup, loaded.station.name, station.clock())
        else:
            station.store.backup(to)
    _say(msg("backup written and verified: {file}", file=str(to)))


@db_app.command("restore")
def db_restore(
    copy: Annotated[Path | None, typer.Argument(help="A backup; default: the newest in [backup].")] = None,
    config: ConfigPath = None,
) -> None:
    """Put a backup in the store's place; what stands there is set aside. Close the station first (F9)."""
    from zoneinfo import ZoneInfo

    from inspect_station import upkeep
    from inspect_station.store import restore

    loaded = _load(config)
    if copy is None:
        folder = loaded.backup.to
        known = upkeep.copies(folder, loaded.station.name) if folder else []
        if not known:
            raise _usage(msg("no backup is known: name its file, or set [backup] in station.toml"))
        copy = known[0][1]
    restored = restore(copy, loaded.station.data, datetime.now(UTC))
    with _station(loaded):
        pass
    _say(msg("restored from {file}: {n} inspections", file=str(copy), n=restored.copy.inspections))
    if restored.copy.last_finished_at is not None:
        at = restored.copy.last_finished_at.astimezone(ZoneInfo(loaded.station.zone))
        said = msg(
            "the last of them is of {on:date} {at:time}; what was finished later is not in it",
            on=at.date().isoformat(),
            at=at.isoformat(),
        )
        _say(said)
    if restored.aside is not None:
        _say(msg("what stood there before is kept: {file}", file=str(restored.aside)))
    if restored.photos_missing:
        _say(
            msg("{n} photos are not on this station: the hub or another copy may have them", n=restored.photos_missing)
        )


@db_app.command("verify")
def db_verify(file: Annotated[Path | None, typer.Argument()] = None, config: ConfigPath = None) -> None:
    """Check the store and its photos, or a backup of it."""
    from inspect_station.store import verify

    if file is not None:
        verify(file)
        _say(msg("{file} is sound", file=str(file)))
        return
    loaded = _load(config)
    own = loaded.station.data / "store.db"
    verify(own)
    _say(msg("{file} is sound", file=str(own)))
    with _station(loaded) as station:
        missing = [*station.store.photos_missing()]
    for photo in missing[:20]:
        print(f"photo_missing {photo.inspection} {photo.slot} {photo.sha256}")
    if missing:
        _say(msg("{n} photos are not on this station: the hub or another copy may have them", n=len(missing)))
        raise typer.Exit(Exit.SOME_FAILED)


@config_app.command("check")
def config_check(
    config: ConfigPath = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Also list rules that no case tries.")] = False,
    cases: Annotated[Path | None, typer.Option("--cases", help="A table of cases to try the site's rules by.")] = None,
) -> None:
    """Name every problem of station.toml at once, with file, line, key and value; then try every seller's playbook."""
    from inspect_station import config as configuration
    from inspect_station import playbooks
    from inspect_station.label import page_problems

    path = configuration.find(config)
    problems = configuration.problems(path)
    for problem in problems:
        print(problem.line_text(_voice().say(problem.message)))
    if problems:
        _say(msgn("{n} problem in {file}", "{n} problems in {file}", n=len(problems), file=str(path)))
        raise typer.Exit(Exit.BROKEN)
    _say(msg("{file} is in order", file=str(path)) if path else msg("the shipped settings are in order"))
    loaded = _load(config)
    in_order = [_try_template(file) for file in sorted(loaded.station.labels.glob("*.toml"))]
    if all(in_order):
        in_order += [_told(problem) for problem in page_problems(loaded)]
    files = playbooks.files(loaded.station.playbooks)
    in_order += [_try_playbook(file, loaded, coverage=coverage) for file in files]
    if cases is not None:
        in_order.append(_try_table(cases, loaded, coverage=coverage))
    if (loaded.station.data / "store.db").exists():
        with _station(loaded) as station:
            _tell_versions(station, files)
            in_order += [_in_force(station, seller) for seller in sorted(station.rulebook.trouble)]
    if not all(in_order):
        raise typer.Exit(Exit.BROKEN)


def _told(problem: "Problem") -> bool:
    """Print what is wrong, in its line; never in order."""
    print(problem.line_text(_voice().say(problem.message)))
    return False


def _try_table(file: Path, loaded: "Config", *, coverage: bool) -> bool:
    """Try the site's rules by a table of cases; whether all come out as expected."""
    from inspect_station import playbooks

    voice = _voice()
    table = playbooks.case_table(file, loaded.rules)
    for problem in table.failures:
        print(problem.line_text(voice.say(problem.message)))
    for each in table.untried if coverage else ():
        print(f"{_plain(file)}: {voice.say(each)}")
    if table.failures:
        _say(msgn("{n} problem in {file}", "{n} problems in {file}", n=len(table.failures), file=str(file)))
        return False
    _say(
        msgn(
            "{file}: {n} case came out as expected",
            "{file}: {n} cases came out as expected",
            n=len(table.trials),
            file=str(file),
        )
    )
    return True


def _tell_versions(station: "Station", files: Sequence[Path]) -> None:
    """Which of these playbooks do not count as they stand: nobody has activated them, or another version counts."""
    from inspect_station import playbooks

    for file in files:
        try:
            book = playbooks.opened(file, station.rulebook.site)
        except playbooks.BrokenPlaybook:
            continue  # told before
        counts = station.rulebook.version(book.seller.code)
        if counts and counts != book.sha256:
            _say(msg("{file}: not this one, version {version} counts", file=str(file), version=counts[:12]))
        elif not counts:
            _say(msg("{file} does not count yet: `playbook activate` lets it", file=str(file)))


def _in_force(station: "Station", seller: str) -> bool:
    """Tell why an activated playbook does not count any more."""
    _say(station.rulebook.trouble[seller])
    return False


@config_app.command("show")
def config_show(
    config: ConfigPath = None,
    rules: Annotated[str, typer.Option("--rules", help="Instead: the rules with this hash, as `show` names it.")] = "",
) -> None:
    """The configuration in force, as JSON; or the rules under which a unit was once decided."""
    if rules:
        with _station(_load(config)) as station, station.store.read() as reader:
            _write(_json(station.rulebook.once(reader, rules)), None)
        return
    shown = _load(config).model_dump(mode="json")
    for operator in shown["operators"]:
        operator.update(badge_sha256="…", pin_argon2="…" if operator["pin_argon2"] else "")
    _write(_json(shown), None)


# ── Playbooks ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _try_playbook(file: Path, loaded: "Config", *, coverage: bool) -> bool:
    """Read a playbook and run its cases; whether all is well. What is wrong is printed, a line each."""
    from inspect_station import playbooks

    voice = _voice()
    try:
        book = playbooks.opened(file, loaded.rules)
        playbooks.pictures_of(book)
    except playbooks.BrokenPlaybook as broken:
        problems = broken.problems
        trials: tuple[Any, ...] = ()
    else:
        trials = playbooks.tried(book)
        problems = playbooks.failures(book, trials)
        if coverage:
            untried = playbooks.untried(book, trials)
            for each in untried:
                print(f"{_plain(file)}: {voice.say(each)}")
            if not untried:
                _say(msg("{file}: every row is tried by a case", file=str(file)))
    for problem in problems:
        print(problem.line_text(voice.say(problem.message)))
    if problems:
        _say(msgn("{n} problem in {file}", "{n} problems in {file}", n=len(problems), file=str(file)))
        return False
    _say(
        msgn(
            "{file} is in order: version {version}, {n} case came out as expected",
            "{file} is in order: version {version}, {n} cases came out as expected",
            n=len(trials),
            file=str(file),
            version=book.sha256[:12],
        )
    )
    return True


@playbook_app.command("check")
def playbook_check(
    files: list[Path],
    config: ConfigPath = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Also list its rows that no case tries.")] = False,
) -> None:
    """Try a seller's rules: every mistake with its line, and every case that comes out otherwise than expected."""
    loaded = _load(config)
    in_order = [_try_playbook(file, loaded, coverage=coverage) for file in files]
    if not all(in_order):
        raise typer.Exit(Exit.SOME_FAILED)


@playbook_app.command("activate")
def playbook_activate(
    file: Path,
    badge: Annotated[str, typer.Option("--badge", help="A supervisor's badge; without it, it is asked for.")] = "",
    config: ConfigPath = None,
) -> None:
    """Let a seller's rules count from now on, also in a station that is running. A supervisor's badge and PIN are
    asked for; a playbook whose cases fail is not activated."""
    from inspect_station import playbooks

    loaded = _load(config)
    book = playbooks.opened(file, loaded.rules)
    with _station(loaded) as station:
        hint = msg("nothing was changed; only a supervisor lets rules count")
        supervisor = _supervisor(station, badge, hint)
        _say(station.rulebook.activate(station.store, book, supervisor))


def _supervisor(station: "Station", badge: str, hint: Message) -> "Operator":
    """Whoever vouches, by badge and PIN. Raises NotAllowed with this hint."""
    from inspect_station.outcomes import PinNeeded, Said

    voice = _voice()
    scan = station.read(badge or typer.prompt(voice.say(msg("a supervisor's badge")), hide_input=True))
    seen = station.vouch(scan)
    if isinstance(seen, PinNeeded):
        vouched = station.vouched(seen.operator, typer.prompt("PIN", hide_input=True))
        if not isinstance(vouched, Said):
            return vouched
        seen = vouched
    raise NotAllowed(seen.title, hint)


@playbook_app.command("list")
def playbook_list(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Every seller's rules that count, and all that counted before, the newest first."""
    with _station(_load(config)) as station, station.store.read() as reader:
        current = reader.playbooks()
        history = [each for book in current for each in reader.playbook_history(book.seller)]
    counts = {book.id for book in current}
    if as_json:
        rows = [
            {
                "seller": each.seller,
                "version": each.sha256,
                "counts": each.id in counts,
                "activated_at": each.activated_at.isoformat(),
                "activated_by": each.activated_by,
            }
            for each in history
        ]
        _write(_json({"schema": 1, "playbooks": rows}), None)
        return
    voice = _voice()
    for each in history:
        sign = "✔" if each.id in counts else " "
        at = each.activated_at.astimezone(voice.zone)
        print(f"{sign} {each.seller:12} {each.sha256[:12]}  {at:%Y-%m-%d %H:%M}  {each.activated_by}")
    if not history:
        _say(msg("no seller has a playbook: `playbook activate FILE` lets one count"))


@playbook_app.command("show")
def playbook_show(
    seller: str,
    version: Annotated[str, typer.Option("--version", help="The beginning of an earlier version's hash.")] = "",
    config: ConfigPath = None,
) -> None:
    """The text of a seller's rules, exactly as it was activated."""
    from inspect_station.errors import NotFound

    with _station(_load(config)) as station, station.store.read() as reader:
        history = reader.playbook_history(seller)
    found = next((each for each in history if each.sha256.startswith(version)), None)
    if found is None:
        raise NotFound(
            msg("no playbook of {seller} with version {version}", seller=seller, version=version or "–"),
            msg("`playbook list` names all versions"),
        )
    _write(found.body, None)


# ── Batches ──────────────────────────────────────────────────────────────────────────────────────────────────────────

Badge = Annotated[str, typer.Option("--badge", help="Whose work this is; without it, the badge is asked for.")]


@batch_app.command("list")
def batch_list(
    every: Annotated[bool, typer.Option("--all", help="The newest fifty, also those that are done with.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Batches that are open, or of which nobody knows yet what became of them; the oldest first."""
    from inspect_station.account import Account

    with _station(_load(config)) as station:
        found = station.batches(every=every)
        account = Account(station, _voice())
        if as_json:
            _write(_json({"schema": 1, "batches": [account.batch_row(each) for each in found]}), None)
            return
        for each in found:
            print(account.batch_line(each))
    if not found:
        _say(msg("no batch waits: the first unit that joins opens one"))


@batch_app.command("show")
def batch_show(
    number: str,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="The list of its units as a PDF of A4 pages, to be signed.")
    ] = False,
    output: Out = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """A batch and what is in it; what was in it for a time, too."""
    from inspect_station.account import Account

    with _station(_load(config)) as station:
        code = _batch_number(station, number)
        if pdf:
            _write(station.batch_list(code), output)
            return
        account, seen = Account(station, _voice()), station.batch(code)
        _write(_json(account.batch_json(seen)) if as_json else account.batch_text(seen), output)


@batch_app.command("add")
def batch_add(
    lpns: list[str],
    batch: Annotated[str, typer.Option("--batch", help="Into this one; else the open one of seller and route.")] = "",
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Put finished units into the open batch of their seller and route; where none is open, the first one opens it."""
    from inspect_station.outcomes import Said

    with _station(_load(config)) as station:
        _work_as(station, badge)
        number = _batch_number(station, batch) if batch else ""
        joined: list[dict[str, str]] = []
        refused = False
        for lpn in lpns:
            seen = station.join(_plate(station, lpn), number)
            if isinstance(seen, Said):
                refused = True
                _complain(NotAllowed(seen.title, seen.hint))
                joined.append({"lpn": lpn, "batch": "", "refused": _voice().say(seen.title)})
            else:
                joined.append({"lpn": lpn, "batch": seen.batch.number, "refused": ""})
                if seen.said and not as_json:
                    _say(seen.said)
    if as_json:
        _write(_json({"schema": 1, "units": joined}), None)
    if refused:
        raise typer.Exit(Exit.SOME_FAILED)


@batch_app.command("remove")
def batch_remove(
    number: str,
    lpn: str,
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept.")],
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Take a unit out of an open batch; that it was in there stays known."""
    with _station(_load(config)) as station:
        _work_as(station, badge)
        _batch_done(station, station.take_out(_batch_number(station, number), _plate(station, lpn), why), as_json)


@batch_app.command("property")
def batch_property(
    number: str, lpn: str, badge: Badge = "", config: ConfigPath = None, as_json: AsJson = False
) -> None:
    """Say that what was found of a customer's is out of a unit; its slip is queued. Until then its batch stays open."""
    with _station(_load(config)) as station:
        _work_as(station, badge)
        _batch_done(station, station.property_out(_batch_number(station, number), _plate(station, lpn)), as_json)


@batch_app.command("close")
def batch_close(
    number: str,
    seal: Annotated[str, typer.Option("--seal", help="The number on the seal, where it has one.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The list of its units, as PDF.")] = None,
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Close a batch under the next seal number; its manifest label is queued for the running station."""
    with _station(_load(config)) as station:
        _work_as(station, badge)
        code = _batch_number(station, number)
        _batch_done(station, station.close_batch(code, seal), as_json)
        if output is None:
            _say(msg("list of its units, to be printed and signed: {file}", file=str(station.save_list(code))))
        else:
            _write(station.batch_list(code), output)


@batch_app.command("outcome")
def batch_outcome(
    number: str,
    fate: Annotated[str, typer.Argument(help="returned, recycled or destroyed.")],
    photo: Annotated[Path, typer.Option("--photo", help="The proof: a picture of the receipt, or of the batch.")],
    on: Annotated[str, typer.Option("--on", help="The day on which it happened (ISO date); default today.")] = "",
    ground: Annotated[str, typer.Option("--ground", help="Why, where a supervisor has to order it.")] = "",
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Note what became of a closed batch. To have it destroyed, to let it go another way than it was collected for, and
    to correct what was noted, a supervisor's badge and PIN are asked for."""
    from inspect_station.core.batches import Fate
    from inspect_station.outcomes import BatchSeen, Said, SupervisorNeeded

    loaded = _load(config)
    _choice("OUTCOME", fate, [each.value for each in Fate])
    day = _date("--on", on) if on else None
    picture = _bytes(photo)
    with _station(loaded) as station:
        _work_as(station, badge)
        code = _batch_number(station, number)
        order = station.may_end(code, Fate(fate), day)
        if isinstance(order, Message) and not ground.strip():
            raise NotAllowed(order, msg("say why with --ground; nothing was changed"))
        seen = station.end_batch(code, Fate(fate), on=day, ground=ground, photo=picture)
        if isinstance(seen, SupervisorNeeded):
            _say(seen.title)
            hint = msg("nothing was changed; only a supervisor orders this")
            done = seen.then(_supervisor(station, "", hint))
            assert isinstance(done, BatchSeen | Said)
            seen = done
        _batch_done(station, seen, as_json)


def _work_as(station: "Station", badge: str) -> None:
    """Sign somebody in by badge, a supervisor with the PIN. Raises NotAllowed."""
    from inspect_station.outcomes import PinNeeded, Said

    voice = _voice()
    seen = station.sign_in(station.read(badge or typer.prompt(voice.say(msg("your badge")), hide_input=True)))
    if isinstance(seen, PinNeeded):
        seen = station.enter_pin(seen.operator, typer.prompt("PIN", hide_input=True))
    if isinstance(seen, Said):
        raise NotAllowed(seen.title, seen.hint)


def _batch_number(station: "Station", code: str) -> str:
    """A batch's number as typed or scanned, without that of its print."""
    from inspect_station.core.barcode import ScanKind

    scan = station.read(code)
    if scan.kind is not ScanKind.BATCH:
        raise _usage(scan.problem or msg("{code} is no number of a batch", code=code))
    return scan.text


def _plate(station: "Station", code: str) -> str:
    from inspect_station.core.barcode import ScanKind

    scan = station.read(code)
    if scan.kind is not ScanKind.LPN:
        raise _usage(scan.problem or msg("{code} is no unit's number", code=code))
    return scan.text


def _batch_done(station: "Station", seen: "BatchSeen | Said", as_json: bool) -> None:
    """Say what came of it; what was refused is an error."""
    from inspect_station.account import Account
    from inspect_station.outcomes import BatchSeen

    if not isinstance(seen, BatchSeen):
        raise NotAllowed(seen.title, seen.hint)
    if as_json:
        _write(_json(Account(station, _voice()).batch_json(seen)), None)
    elif seen.said:
        _say(seen.said)


# ── Sheets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@sheet_app.command("commands")
def sheet_commands(
    config: ConfigPath = None,
    locale: Annotated[str, typer.Option("--locale", help="Language: en, fr; default: the station's.")] = "",
    output: Annotated[Path, typer.Option("-o", "--output", help="PDF to write.")] = Path("commands.pdf"),
) -> None:
    """Codes to scan instead of pressing keys, as PDF: grades, digits and actions, for work without a keyboard."""
    from inspect_station.tui.commands import sheet
    from inspect_station.tui.keymap import Keymap
    from inspect_station.words import LOCALES, Voice

    loaded = _load(config)
    if locale:
        _choice("--locale", locale, LOCALES)
    voice = Voice(locale or loaded.station.locale, loaded.rules, loaded.station.zone)
    _write(sheet(Keymap(loaded.keys), loaded.rules.grades, voice), output)


@sheet_app.command("badges")
def sheet_badges(
    count: Annotated[int, typer.Option("--count", help="How many new badges.")] = 1,
    output: Annotated[Path, typer.Option("-o", "--output", help="PDF to write.")] = Path("badges.pdf"),
    config: ConfigPath = None,
) -> None:
    """New random badges as PDF; the line for station.toml of each is printed."""
    from inspect_station.badges import issue

    issued = issue(count, _load(config).scanner.badge_prefix)
    _write(issued.pdf, output)
    for hashed in issued.hashes:
        print(f'badge_sha256 = "{hashed}"')


@sheet_app.command("badge")
def sheet_badge(
    name: Annotated[str, typer.Argument(help="Whose it is, as it stands on it.")],
    printer: Annotated[str, typer.Option("--printer", help="Print it at once, on this one of [[printers]].")] = "",
    format: Annotated[str, typer.Option("--format", help="pdf, zpl or png, of the file.")] = "pdf",
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("badge.pdf"),
    config: ConfigPath = None,
) -> None:
    """One new badge as a label for the label printer; its lines for station.toml are printed. Its code is kept nowhere
    else."""
    from inspect_station.badges import fingerprint, new_badge
    from inspect_station.label import render, templates
    from inspect_station.printing import printer as device
    from inspect_station.resources import resource

    loaded = _load(config)
    _choice("--format", format, ("pdf", "zpl", "png"))
    if printer:
        _choice("--printer", printer, [each.name for each in loaded.printers])
    named = [each for each in loaded.printers if each.name == printer]
    takes = named if printer else [each for each in (loaded.printer_of("badge"),) if each is not None]
    voice, code = _voice(), new_badge(loaded.scanner.badge_prefix)
    fields = {
        "name": name,
        "station": loaded.station.name,
        "date": voice.long_day(datetime.now(voice.zone).date()),
        "barcode": code,
    }
    badge = templates(resource("labels"), loaded.station.labels)["badge"]
    drawn = render(
        badge,
        fields,
        locale=loaded.station.locale,
        format=takes[0].format if printer else cast(Any, format),
        dpi=takes[0].dpi if takes else 203,
    )
    if printer:
        device(takes[0]).send(drawn, job="badge")
        _say(msg("badge sent to {printer}", printer=printer))
    else:
        _write(drawn, output)
    print(f"name = {json.dumps(name, ensure_ascii=False)}")
    print(f'badge_sha256 = "{fingerprint(code)}"')


@sheet_app.command("pin")
def sheet_pin() -> None:
    """Ask for a supervisor's PIN and print its line for station.toml."""
    from argon2 import PasswordHasher

    pin = typer.prompt("PIN", hide_input=True, confirmation_prompt=True)
    print(f'pin_argon2 = "{PasswordHasher().hash(pin)}"')


# ── The hub ──────────────────────────────────────────────────────────────────────────────────────────────────────────

HubData = Annotated[Path, typer.Option("--data", help="Folder of the hub's store.")]
HubDatabase = Annotated[
    str,
    typer.Option(
        "--database",
        envvar="INSPECT_STATION_DATABASE",
        help="PostgreSQL instead of SQLite, for several hubs at once: postgresql+psycopg://USER@HOST/DATABASE.",
    ),
]
HubTenant = Annotated[str, typer.Option("--tenant", help="Whose it is, where one hub serves several houses.")]


@hub_app.command("serve")
def hub_serve(
    host: Annotated[str, typer.Option("--host")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port")] = 8787,
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    photos: Annotated[
        str,
        typer.Option(
            "--photos",
            help="Where photos are kept: a folder, or s3://BUCKET/PREFIX?endpoint=URL&region=NAME with the keys in the "
            "environment; default: in the hub's folder.",
        ),
    ] = "",
) -> None:
    """Run the hub."""
    from inspect_station.hub import serve

    serve(data, host=host, port=port, photos=photos, database=database)


@station_app.command("add")
def hub_station(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Let a station in: prints its one-time enrolment code, once."""
    from inspect_station.hub import add_station

    print(add_station(data, name, tenant, database=database))
    _say(msg("on the station: inspect-station sync --enrol CODE"))


@station_app.command("list")
def hub_stations(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """The stations, when each was last heard, what is kept, parked and missing of it."""
    from inspect_station.hub import stations

    rows = stations(data, database=database)
    if as_json:
        _write(_json({"schema": 1, "stations": rows}), None)
        return
    for row in rows:
        heard = row["seen_at"] or "-"
        print(f"{row['tenant']}  {row['name']}  {row['state']}  {heard}", end="  ")
        print(f"{row['events']} events  {row['parked']} parked  {row['photos_missing']} photos missing")
    _say(msgn("{n} station", "{n} stations", n=len(rows)))


@station_app.command("revoke")
def hub_station_revoke(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Void a station's token at once; what it sent stays, and what it has waits there until it is let in again."""
    from inspect_station.hub import revoke

    revoke(data, name, "station", tenant, database=database)
    _say(msg("{name} is not known any more; `hub station {name}` lets it in again", name=name))


@token_app.command("add")
def hub_token_add(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Let a supervisor settle what is parked, over HTTP: prints the token, once."""
    from inspect_station.hub import add_supervisor

    print(add_supervisor(data, name, tenant, database=database))


@token_app.command("list")
def hub_tokens(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """The tokens that are good now, of stations and supervisors; never the tokens themselves."""
    from inspect_station.hub import tokens

    rows = tokens(data, database=database)
    if as_json:
        _write(_json({"schema": 1, "tokens": rows}), None)
        return
    for row in rows:
        print(f"{row['tenant']}  {row['name']}  {row['scope']}  {row['made_at']}  {row['ends_at'] or '-'}")
    _say(msgn("{n} token", "{n} tokens", n=len(rows)))


@token_app.command("rotate")
def hub_token_rotate(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Give a supervisor a new token, once; the one before is void at once. Stations change theirs by themselves."""
    from inspect_station.hub import rotate

    print(rotate(data, name, tenant, database=database))


@token_app.command("revoke")
def hub_token_revoke(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Void a supervisor's token at once. A station's: `hub station revoke`."""
    from inspect_station.hub import revoke

    revoke(data, name, "supervisor", tenant, database=database)
    _say(msg("{name} has no token any more", name=name))


@parked_app.command("list")
def hub_parked(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """Records that the hub could not take, with the reason; none is ever deleted."""
    from inspect_station.hub import parked

    rows = parked(data, database=database)
    if as_json:
        _write(_json({"schema": 1, "parked": rows}), None)
        return
    for row in rows:
        print(f"{row['no']}  {row['received_at']}  {row['station']}  {row['id']}  {row['code']}")
    _say(msgn("{n} record parked", "{n} records parked", n=len(rows)))


@parked_app.command("show")
def hub_parked_show(
    no: int, data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False
) -> None:
    """One parked record as it was sent; --json tells also what became of it."""
    from inspect_station.hub import parked_line

    found = parked_line(data, no, database=database)
    if as_json:
        _write(_json({"schema": 1, **found}), None)
        return
    # In ASCII: what a station sent is not for this terminal to obey.
    print(json.dumps(json.loads(found["line"]), indent=2))
    _say(msg("{code}: {detail}", code=found["code"], detail=found["detail"] or "-"))


@parked_app.command("resolve")
def hub_parked_resolve(
    no: int,
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    retry: Annotated[bool, typer.Option("--retry", help="This hub may take it as it is.")] = False,
    accept_as: Annotated[
        Path | None, typer.Option("--accept-as", help="File with the record as it was meant to be: one JSON object.")
    ] = None,
    void: Annotated[bool, typer.Option("--void", help="It says nothing: nothing is done with it.")] = False,
    note: Annotated[str, typer.Option("--note", help="Why; needed with --accept-as and --void.")] = "",
    as_json: AsJson = False,
) -> None:
    """Deal with a parked record. The record itself stays, with what was done, when and why."""
    from inspect_station.hub import settle

    if retry + void + (accept_as is not None) != 1:
        raise _usage(msg("give one of --retry, --accept-as FILE, --void"))
    if not retry and not note.strip():
        raise _usage(msg("--note says why: it is needed here"))
    line = ""
    if accept_as is not None:
        try:
            line = json.dumps(json.loads(_bytes(accept_as)), ensure_ascii=False, separators=(",", ":"))
        except ValueError as error:
            raise _usage(msg("{file}: no JSON: {problem}", file=str(accept_as), problem=str(error))) from None
    status, code = settle(
        data, no, "accept_as" if line else "void" if void else "retry", note=note, line=line, database=database
    )
    if as_json:
        _write(_json({"schema": 1, "no": no, "status": status, "code": code}), None)
        return
    _say(msg("record {no} is dealt with: {status} {code}", no=no, status=status, code=code))


@hub_app.command("photos")
def hub_photos(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """Photos that units refer to and the hub does not have, the longest missing first (1000 at most)."""
    from inspect_station.hub import photos_missing

    rows = photos_missing(data, database=database)
    if as_json:
        _write(_json({"schema": 1, "photos_missing": rows}), None)
        return
    for row in rows:
        state = row["state"] or "absent"
        print(f"{row['told_at']}  {row['tenant']}  {row['station']}  {row['lpn']}  {row['slot']}  {state}")
    _say(msgn("{n} photo missing", "{n} photos missing", n=len(rows)))


@hub_app.command("show")
def hub_show(
    code: str,
    on: Annotated[str, typer.Option("--on", help="Verdict as if received on this day (ISO date).")] = "",
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    tenant: HubTenant = "main",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """As `show`, of what all stations have sent."""
    from inspect_station.collected import Collected

    loaded = _load(config)
    day = _date("--on", on) if on else None
    with Collected.open(loaded, data, database, tenant) as collected:
        _write(_shown(collected, code, day, as_json), None)


@hub_report_app.command("daily")
def hub_report_daily(
    day: Day = "",
    first: FirstDay = "",
    last: LastDay = "",
    seller: OneSeller = "",
    format: ReportFormat = "text",
    output: Out = None,
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    tenant: HubTenant = "main",
    config: ConfigPath = None,
) -> None:
    """As `report daily`, of all stations; days begin as in the hub's own station.toml, or in --config."""
    from inspect_station.collected import Collected

    loaded = _load(config)
    written = _writer(format)
    with Collected.open(loaded, data, database, tenant) as collected:
        report = collected.daily(*_days(collected, day, first, last), seller)
    _write(written(report), output)


@hub_app.command("backup")
def hub_backup(to: Path, data: HubData = Path("hub-data"), database: HubDatabase = "") -> None:
    """Copy the hub's tables into a file, while it runs, and try the copy; photos are files and are copied as such."""
    from inspect_station.hub import backup

    backup(data, to, database=database)
    _say(msg("backup written and verified: {file}", file=str(to)))


@hub_app.command("restore")
def hub_restore(copy: Path, data: HubData = Path("hub-data")) -> None:
    """Put a copy in the place of the hub's tables; what stands there is set aside. Stop the hub first."""
    from inspect_station.hub import restore

    restored = restore(data, copy)
    _say(msg("restored from {file}: {n} inspections", file=str(copy), n=restored.copy.inspections))
    if restored.aside is not None:
        _say(msg("what stood there before is kept: {file}", file=str(restored.aside)))
    _say(msg("stations will ask what is still there, and send again what is not"))


@hub_app.command("epoch")
def hub_epoch(
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new one: the hub was restored and may lack records.")
    ] = False,
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
) -> None:
    """The epoch by which stations notice that a hub was restored, and send again what it lacks."""
    from inspect_station.hub import begin_epoch, epoch

    if not new:
        print(epoch(data, database=database))
        return
    print(begin_epoch(data, database=database))
    _say(msg("stations will ask what is still there, and send again what is not"))


@hub_app.command("import")
def hub_import(
    what: str,
    file: Path,
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    zone: Annotated[
        str, typer.Option("--zone", help="Zone in which the RMAs' instants become dates; default: station.toml's.")
    ] = "",
) -> None:
    """Publish products or rmas (CSV) to all stations."""
    from zoneinfo import ZoneInfo

    from inspect_station.hub import publish

    _choice("WHAT", what, ("products", "rmas"))
    try:
        ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError):
        raise _usage(msg("--zone {value}: no such time zone, for example Europe/Paris", value=zone)) from None
    content = _bytes(file)
    taken = publish(data, "products" if what == "products" else "rmas", content, zone, database=database)
    voice = _voice()
    for bad in taken.bad:
        print(f"{_plain(file)}:{bad.line}: {voice.say(bad.reason)}", file=sys.stderr)
    _say(msg("{n} published, {bad} rows left out", n=len(taken.records), bad=len(taken.bad)))
    if taken.bad:
        raise typer.Exit(Exit.SOME_FAILED)


if __name__ == "__main__":
    main()
