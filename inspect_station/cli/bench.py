"""The station at work: `run`, `demo`, `sync`."""

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspect_station.cli import verb
from inspect_station.cli.verb import AsJson, ConfigPath
from inspect_station.errors import Exit
from inspect_station.message import msg

if TYPE_CHECKING:
    from inspect_station.station import Station


def run(
    config: ConfigPath = None,
    training: Annotated[bool, typer.Option("--training", help="Practise on a copy of the demo.")] = False,
) -> None:
    """The station: the screens, the printing and the sending."""
    if training:
        _play(_demo_folder("training"), fresh=False, training=True)
        return
    with verb.station(verb.load(config), running=True) as station:
        _screens(station)


def _screens(station: "Station") -> None:
    from inspect_station.tui.app import run as screens

    folder = station.config.station.data
    logging.basicConfig(filename=folder / "station.log", level=logging.WARNING, format="%(asctime)s %(message)s")
    code = screens(station)
    if code:
        raise typer.Exit(code)


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
        verb.write(verb.json_text(made.json()), None)
        return
    verb.say(msg("demo ready in {folder}", folder=made.dir))
    verb.say(msg("scan or type from {sheet}; labels come out in {printer}", sheet=made.sheet, printer=made.printer_dir))


def _play(folder: Path, *, fresh: bool, training: bool) -> None:
    from inspect_station import config
    from inspect_station.demo.build import prepare

    made = prepare(folder.absolute(), fresh=fresh)
    said = (
        msg("scan or type from {sheet}; labels come out in {printer}", sheet=made.sheet, printer=made.printer_dir),
        msg("badge of the operator: {badge}  (scan it, or paste it and press Enter)", badge=made.badge),
    )
    for line in said:
        verb.say(line)
    with verb.station(config.load(Path(made.config)), running=True, training=training) as station:
        station.welcome = said
        _screens(station)


def _demo_folder(name: str) -> Path:
    import os

    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "inspect-station" / name


def sync(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until interrupted.")] = False,
    enrol: Annotated[str, typer.Option("--enrol", help="One-time code: enrol this station first.")] = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Send and fetch now; prints what was sent, what waits and what is parked."""
    import time as clock

    with verb.station(verb.load(config)) as station:
        if enrol:
            verb.say(station.enrol(enrol))
        while True:
            done = station.sync()
            numbers = {"sent": done.sent, "waiting": done.waiting, "parked": done.parked, "fetched": done.fetched}
            if as_json:
                said = verb.voice().say(done.problem) if done.problem else None
                print(json.dumps({"schema": 1, **numbers, "problem": said}, ensure_ascii=False), flush=True)
            else:
                verb.say(msg("{sent} sent, {waiting} waiting, {parked} parked, {fetched} fetched", **numbers))
                if done.problem:
                    verb.say(done.problem)
            if not watch:
                break
            clock.sleep(max(station.config.upstream.min_wait_s, done.wait_s))
    if done.problem:
        raise typer.Exit(Exit.SOME_FAILED)
