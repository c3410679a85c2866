"""The hub, and who and what it knows: `hub`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from inspect_station.cli import look, verb
from inspect_station.cli.look import Day, FirstDay, LastDay, OneSeller, ReportFormat
from inspect_station.cli.verb import AsJson, ConfigPath, Out
from inspect_station.errors import Exit
from inspect_station.message import Message, msg, msgn


def _first(word: str) -> type[TyperGroup]:
    """A group of verbs of which one need not be said: `hub station NAME` is `hub station add NAME`."""

    class First(TyperGroup):
        unsaid = word

        def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
            said = args[:1] and (args[0] in self.commands or args[0] in ("-h", "--help"))
            return super().parse_args(ctx, args if said else [self.unsaid, *args])

    return First


hub_app = typer.Typer(help="The hub that collects all stations.")
station_app = typer.Typer(cls=_first("add"), help="Stations: let one in (`hub station NAME`), list, revoke.")
token_app = typer.Typer(help="Tokens of supervisors who settle what is parked over HTTP.")
parked_app = typer.Typer(cls=_first("list"), help="Records that the hub could not take: list, show, resolve.")
hub_report_app = typer.Typer(help="Reports of the units of all stations.")
hub_app.add_typer(hub_report_app, name="report")
hub_app.add_typer(station_app, name="station")
hub_app.add_typer(token_app, name="token")
hub_app.add_typer(parked_app, name="parked")

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
ParkedNo = Annotated[int, typer.Argument(metavar="NO", min=1, max=2**63 - 1, help="As `hub parked` lists it.")]
_VERBS = ("add", "list", "revoke", "rotate")


@contextmanager
def _if_made(data: Path, database: str) -> Iterator[None]:
    """Say it where a hub is made on the way: somebody may have meant another folder."""
    from inspect_station.hub import exists

    there = exists(data, database)
    yield
    if not there:
        verb.say(
            msg("no hub was in {folder}: a new one was made there; --data names another", folder=str(data.resolve()))
        )


@hub_app.command("serve")
def hub_serve(
    host: Annotated[str, typer.Option("--host", help="Address to listen at; 0.0.0.0 = every one.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 = any that is free.")] = 8787,
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


# ── Stations and tokens ──────────────────────────────────────────────────────────────────────────────────────────────


@station_app.command("add")
def hub_station(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Let a station in: prints its one-time enrolment code, once."""
    from inspect_station.hub import add_station

    if name in _VERBS:
        raise verb.usage(msg("{name} is a verb, no name: it stands first, as `hub station {name} …`", name=name))
    with _if_made(data, database):
        print(add_station(data, name, tenant, database=database))
    verb.say(msg("on the station: inspect-station sync --enrol CODE"))


@station_app.command("list")
def hub_stations(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """The stations, when each was last heard, what is kept, parked and missing of it."""
    from inspect_station.hub import stations

    rows = stations(data, database=database)
    if as_json:
        verb.write(verb.json_text({"schema": 1, "stations": rows}), None)
        return
    for row in rows:
        heard = row["seen_at"] or "-"
        print(f"{row['tenant']}  {row['name']}  {row['state']}  {heard}", end="  ")
        print(f"{row['events']} events  {row['parked']} parked  {row['photos_missing']} photos missing")
    verb.say(msgn("{n} station", "{n} stations", n=len(rows)))


@station_app.command("revoke")
def hub_station_revoke(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Void a station's token at once; what it sent stays, and what it has waits there until it is let in again."""
    from inspect_station.hub import revoke

    revoke(data, name, "station", tenant, database=database)
    verb.say(msg("{name} is not known any more; `hub station {name}` lets it in again", name=name))


@token_app.command("add")
def hub_token_add(
    name: str, data: HubData = Path("hub-data"), database: HubDatabase = "", tenant: HubTenant = "main"
) -> None:
    """Let a supervisor settle what is parked, over HTTP: prints the token, once."""
    from inspect_station.hub import add_supervisor

    with _if_made(data, database):
        print(add_supervisor(data, name, tenant, database=database))


@token_app.command("list")
def hub_tokens(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """The tokens that are good now, of stations and supervisors; never the tokens themselves."""
    from inspect_station.hub import tokens

    rows = tokens(data, database=database)
    if as_json:
        verb.write(verb.json_text({"schema": 1, "tokens": rows}), None)
        return
    for row in rows:
        print(f"{row['tenant']}  {row['name']}  {row['scope']}  {row['made_at']}  {row['ends_at'] or '-'}")
    verb.say(msgn("{n} token", "{n} tokens", n=len(rows)))


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
    verb.say(msg("{name} has no token any more", name=name))


# ── Records that it could not take ───────────────────────────────────────────────────────────────────────────────────


@parked_app.command("list")
def hub_parked(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """Records that the hub could not take, with the reason; none is ever deleted."""
    from inspect_station.hub import parked

    rows = parked(data, database=database)
    if as_json:
        verb.write(verb.json_text({"schema": 1, "parked": rows}), None)
        return
    for row in rows:
        print(f"{row['no']}  {row['received_at']}  {row['station']}  {row['id']}  {row['code']}")
    verb.say(msgn("{n} record parked", "{n} records parked", n=len(rows)))


@parked_app.command("show")
def hub_parked_show(
    no: ParkedNo, data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False
) -> None:
    """One parked record, set out to be read and corrected; --json: its bytes as sent, and what became of it."""
    from inspect_station.hub import parked_line

    found = parked_line(data, no, database=database)
    if as_json:
        verb.write(verb.json_text({"schema": 1, **found}), None)
        return
    # In ASCII: what a station sent is not for this terminal to obey.
    print(json.dumps(json.loads(found["line"]), indent=2))
    verb.say(msg("{code}: {detail}", code=found["code"], detail=found["detail"] or "-"))


@parked_app.command("resolve")
def hub_parked_resolve(
    no: ParkedNo,
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
        raise verb.usage(msg("give one of --retry, --accept-as FILE, --void"))
    if not retry and not note.strip():
        raise verb.usage(msg("--note says why: it is needed here"))
    line = ""
    if accept_as is not None:
        try:
            line = json.dumps(json.loads(verb.bytes_of(accept_as)), ensure_ascii=False, separators=(",", ":"))
        except ValueError as error:
            raise verb.usage(msg("{file}: no JSON: {problem}", file=str(accept_as), problem=str(error))) from None
    status, code = settle(
        data, no, "accept_as" if line else "void" if void else "retry", note=note, line=line, database=database
    )
    if as_json:
        verb.write(verb.json_text({"schema": 1, "no": no, "status": status, "code": code}), None)
        return
    verb.say(_settled(no, void=void, duplicate=status == "duplicate", code=code))


def _settled(no: int, *, void: bool, duplicate: bool, code: str) -> Message:
    if void:
        return msg("record {no} is void: it is kept, and nothing is done with it", no=no)
    if duplicate:
        return msg("record {no} was here already: nothing was added", no=no)
    if code:
        return msg("record {no} is taken in, and marked {code}", no=no, code=code)
    return msg("record {no} is taken in", no=no)


# ── What all stations have sent ──────────────────────────────────────────────────────────────────────────────────────


@hub_app.command("photos")
def hub_photos(data: HubData = Path("hub-data"), database: HubDatabase = "", as_json: AsJson = False) -> None:
    """Photos that units refer to and the hub does not have, the longest missing first (1000 at most)."""
    from inspect_station.hub import count_missing, photos_missing

    rows, n = photos_missing(data, database=database), count_missing(data, database=database)
    if as_json:
        verb.write(verb.json_text({"schema": 1, "n": n, "photos_missing": rows}), None)
        return
    for row in rows:
        state = row["state"] or "absent"
        print(f"{row['told_at']}  {row['tenant']}  {row['station']}  {row['lpn']}  {row['slot']}  {state}")
    verb.say(msgn("{n} photo missing", "{n} photos missing", n=n))
    if n > len(rows):
        verb.say(msg("the {n} that are missing longest are listed", n=len(rows)))


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

    loaded = verb.load(config)
    day = verb.date_of("--on", on) if on else None
    with Collected.open(loaded, data, database, tenant) as collected:
        verb.write(look.shown(collected, code, day, as_json), None)


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

    loaded = verb.load(config)
    written = look.writer(format)
    with Collected.open(loaded, data, database, tenant) as collected:
        report = collected.daily(*look.days(collected, day, first, last), seller)
    verb.write(written(report), output)


# ── Its store ────────────────────────────────────────────────────────────────────────────────────────────────────────


@hub_app.command("backup")
def hub_backup(to: Path, data: HubData = Path("hub-data"), database: HubDatabase = "") -> None:
    """Copy the hub's tables into a file, while it runs, and try the copy; photos are files and are copied as such."""
    from inspect_station.hub import backup

    verb.new_file(to)
    backup(data, to, database=database)
    verb.say(msg("backup written and verified: {file}", file=str(to)))


@hub_app.command("restore")
def hub_restore(copy: Path, data: HubData = Path("hub-data"), database: HubDatabase = "") -> None:
    """Put a copy in the place of the hub's tables; what stands there is set aside. Stop the hub first."""
    from inspect_station.hub import restore

    restored = restore(data, copy, database=database)
    verb.say(msg("restored from {file}: {n} inspections", file=str(copy), n=restored.copy.inspections))
    if restored.aside is not None:
        verb.say(msg("what stood there before is kept: {file}", file=str(restored.aside)))
    verb.say(msg("stations will ask what is still there, and send again what is not"))


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
    verb.say(msg("stations will ask what is still there, and send again what is not"))


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

    verb.choice("WHAT", what, ("products", "rmas"))
    try:
        ZoneInfo(zone or "UTC")
    except (KeyError, ValueError, OSError):
        raise verb.usage(msg("--zone {value}: no such time zone, for example Europe/Paris", value=zone)) from None
    content = verb.bytes_of(file)
    with _if_made(data, database):
        taken = publish(data, "products" if what == "products" else "rmas", content, zone, database=database)
    voice = verb.voice()
    for bad in taken.bad:
        print(f"{verb.plain(file)}:{bad.line}: {voice.say(bad.reason)}", file=sys.stderr)
    verb.say(msg("{n} published, {bad} rows left out", n=len(taken.records), bad=len(taken.bad)))
    if taken.bad:
        raise typer.Exit(Exit.SOME_FAILED)
