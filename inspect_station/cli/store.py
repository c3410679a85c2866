"""What is kept: lists taken in with `import`; `db` upgrades, copies, puts back and verifies."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from inspect_station.cli import verb
from inspect_station.cli.verb import ConfigPath
from inspect_station.errors import Exit
from inspect_station.message import msg

import_app = typer.Typer(help="Take in lists of products or RMAs (CSV).")
db_app = typer.Typer(help="The store: upgrade, back up, verify, restore.")


# ── Lists in ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@import_app.command("products")
def import_products(file: Path, config: ConfigPath = None) -> None:
    """Products of one or more sellers: gtin, seller, title and more (see the README)."""
    _import(file, config, "products")


@import_app.command("rmas")
def import_rmas(file: Path, config: ConfigPath = None) -> None:
    """RMAs; several rows with one number are its lines."""
    _import(file, config, "rmas")


def _import(file: Path, config: Path | None, what: str) -> None:
    data = verb.bytes_of(file)
    with verb.station(verb.load(config)) as station:
        taken = station.import_products(data) if what == "products" else station.import_rmas(data)
    for notice in taken.notices:
        verb.say(notice)
    voice = verb.voice()
    for bad in taken.bad:
        print(f"{verb.plain(file)}:{bad.line}: {voice.say(bad.reason)}", file=sys.stderr)
    if what == "products":
        verb.say(msg("{n} products taken in, {bad} rows left out", n=len(taken.records), bad=len(taken.bad)))
    else:
        verb.say(msg("{n} RMAs taken in, {bad} rows left out", n=len(taken.records), bad=len(taken.bad)))
    if taken.bad:
        raise typer.Exit(Exit.SOME_FAILED)


# ── The store ────────────────────────────────────────────────────────────────────────────────────────────────────────


@db_app.command("upgrade")
def db_upgrade(config: ConfigPath = None) -> None:
    """Bring the store to this program's version (a copy is kept beside it)."""
    with verb.station(verb.load(config)) as station:
        verb.say(msg("the store in {folder} is up to date", folder=str(station.config.station.data)))


@db_app.command("backup")
def db_backup(
    to: Annotated[Path | None, typer.Argument(help="A file; default: a dated one in the folder of [backup].")] = None,
    config: ConfigPath = None,
) -> None:
    """Copy the store while the station runs, and try the copy: put it back elsewhere, open it, count."""
    from inspect_station import upkeep

    loaded = verb.load(config)
    if to is None and loaded.backup.to is None:
        raise verb.usage(msg("name a file, or set [backup] in station.toml"))
    if to is not None:
        verb.new_file(to)
    with verb.station(loaded) as station:
        if to is None:
            to = upkeep.back_up(station.store, loaded.backup, loaded.station.name, station.clock())
        else:
            station.store.backup(to)
    verb.say(msg("backup written and verified: {file}", file=str(to)))


@db_app.command("restore")
def db_restore(
    copy: Annotated[Path | None, typer.Argument(help="A backup; default: the newest in [backup].")] = None,
    config: ConfigPath = None,
) -> None:
    """Put a backup in the store's place; what stands there is set aside. Close the station first (F9)."""
    from zoneinfo import ZoneInfo

    from inspect_station import upkeep
    from inspect_station.store import restore

    loaded = verb.load(config)
    if copy is None:
        folder = loaded.backup.to
        known = upkeep.copies(folder, loaded.station.name) if folder else []
        if not known:
            raise verb.usage(msg("no backup is known: name its file, or set [backup] in station.toml"))
        copy = known[0][1]
    restored = restore(copy, loaded.station.data, datetime.now(UTC))
    with verb.station(loaded):
        pass
    verb.say(msg("restored from {file}: {n} inspections", file=str(copy), n=restored.copy.inspections))
    if restored.copy.last_finished_at is not None:
        at = restored.copy.last_finished_at.astimezone(ZoneInfo(loaded.station.zone))
        said = msg(
            "the last of them is of {on:date} {at:time}; what was finished later is not in it",
            on=at.date().isoformat(),
            at=at.isoformat(),
        )
        verb.say(said)
    if restored.aside is not None:
        verb.say(msg("what stood there before is kept: {file}", file=str(restored.aside)))
    if restored.photos_missing:
        verb.say(
            msg("{n} photos are not on this station: the hub or another copy may have them", n=restored.photos_missing)
        )


@db_app.command("verify")
def db_verify(file: Annotated[Path | None, typer.Argument()] = None, config: ConfigPath = None) -> None:
    """Check the store and its photos, or a backup of it."""
    from inspect_station.store import verify

    if file is not None:
        verify(file)
        verb.say(msg("{file} is sound", file=str(file)))
        return
    loaded = verb.load(config)
    own = loaded.station.data / "store.db"
    verify(own, own=True)
    verb.say(msg("{file} is sound", file=str(own)))
    with verb.station(loaded) as station:
        missing = [*station.store.photos_missing()]
    for photo in missing[:20]:
        print(f"photo_missing {photo.inspection} {photo.slot} {photo.sha256}")
    if missing:
        verb.say(msg("{n} photos are not on this station: the hub or another copy may have them", n=len(missing)))
        raise typer.Exit(Exit.SOME_FAILED)
