"""Copies of a store: whether one would serve, and how one is put in the place of a store that is lost or damaged."""

import hashlib
import json
import os
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from inspect_station.errors import NotFound, StoreError
from inspect_station.message import msg
from inspect_station.store import schema
from inspect_station.store.blobs import Blobs, settle
from inspect_station.store.identity import of_its_kind
from inspect_station.store.lock import hold
from inspect_station.store.said import PATIENCE, Damaged, damaged, refused, told
from inspect_station.store.values import Verified
from inspect_station.store.writer import COUNTERS

STORE = "store.db"
NOT_COPIED = ("epoch", "block", *COUNTERS, "place")
"""A copy that is put back must not repeat the events and plates that its original has given out since."""
PHOTOS = "photos"
"""The folder of the pictures beside the copies."""
_BESIDE = ("", "-journal", "-wal", "-shm")
"""What belongs to a database file, by what its name ends with."""


def verify(path: Path, *, own: bool = False) -> Verified:
    """See that a store or a copy would serve: the file sound, the events a whole chain, no unit or batch untold.

    ``own``: the station's own store, in whose place a copy could be put. Reads only, but long: a station that works on
    this very file waits. Raises StoreError that says what was found.
    """
    try:
        there = stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        there = False
    except OSError as error:
        raise refused(error, path) from error
    if not there:
        hint = msg(
            "It is made at the station's first start. If there was one, `inspect-station db restore` puts a copy there."
        )
        if not own:
            hint = msg("Name the file itself, such as store.db.")
        raise StoreError(msg("There is no store at {file}.", file=str(path)), hint)
    if own:
        return verified(path, of=path)
    try:
        if _ours(path):
            return verified(path, of=path)
    except Damaged as error:
        hint = msg(
            "If it is a copy, take another one. If a station or a hub works on it: `db restore COPY` there, of a hub "
            "`hub restore COPY`, puts a copy in its place."
        )
        raise Damaged(error.title, hint) from error
    raise StoreError(
        msg("{file} is not a store of inspect-station. It was left as it is.", file=str(path)),
        msg("Name a copy that `db backup` or `hub backup` has made, or the store.db of a station or a hub."),
    )


def _ours(file: Path) -> bool:
    """Whether a file that may be anybody's began as a store: whatever is damaged in it, a station would know it."""
    uri = f"{file.absolute().as_uri()}?mode=ro"
    with told(file), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        try:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_NOTADB:
                raise
            return False
    return bool(application == schema.APPLICATION)


def verified(path: Path, *, of: Path) -> Verified:
    """The same for a file that is a copy ``of`` another, which is named where something is wrong."""
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with told(of), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if found == ["ok"]:
            found = list(_contradictions(connection))[:3]
        if found:
            raise damaged(of, "; ".join(found))
        station = connection.execute("SELECT value FROM meta WHERE key = 'station'").fetchone()
        inspections, last = connection.execute("SELECT count(*), max(finished_at) FROM inspection").fetchone()
        return Verified(
            station=station[0] if station else "",
            revision=schema.revision(connection),
            inspections=inspections,
            events=connection.execute("SELECT count(*) FROM event").fetchone()[0],
            last_finished_at=datetime.fromisoformat(last) if last else None,
        )


def _contradictions(connection: sqlite3.Connection) -> Iterator[str]:
    if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION:
        yield "not a store of inspect-station"
        return
    epoch, seq, previous = None, 0, ""
    for row in connection.execute("SELECT epoch, seq, sha256, line FROM event ORDER BY epoch, seq"):
        if row[0] != epoch:
            epoch, seq, previous = row[0], 0, ""
        event = json.loads(row[3])
        if row[1] != seq + 1 or event["seq"] != row[1]:
            yield f"event {seq + 1} of {epoch} is missing"
        elif event["prev_sha256"] != previous or hashlib.sha256(row[3].encode()).hexdigest() != row[2]:
            yield f"event {row[1]} of {epoch} was changed"
        seq, previous = row[1], row[2]
    # A hub's units were told by its stations: their events stand among what it received. The first stores knew no hub.
    hub = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'hub_event'").fetchone()
    known = "SELECT id FROM event UNION ALL SELECT id FROM hub_event" if hub else "SELECT id FROM event"
    untold = connection.execute(f"SELECT lpn FROM inspection WHERE event_id NOT IN ({known})")
    yield from (f"{lpn} has no event" for (lpn,) in untold)
    # The first stores knew no batches.
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'batch'").fetchone():
        closed = "SELECT number FROM batch WHERE closed_at IS NOT NULL"
        untold = connection.execute(f"{closed} AND event_id NOT IN (SELECT id FROM event)")
        yield from (f"{number} is closed and has no event" for (number,) in untold)


def make_anew(connection: sqlite3.Connection) -> None:
    """Let a copy begin an epoch and a block of plates of its own at its first start."""
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in NOT_COPIED])
    connection.execute("COMMIT")


@dataclass(frozen=True, slots=True)
class Restored:
    """A copy that stands in its place."""

    copy: Verified
    aside: Path | None
    """Where the store is kept that stood there before; None where there was none."""
    photos_missing: int
    """Pictures that units show and that are neither here nor beside the copy."""


def restore(copy: Path, folder: Path, now: datetime, *, hub: bool = False) -> Restored:
    """Put a copy in the place of the store in ``folder``, and photos that lie beside the copy in theirs.

    What stood there is set aside, never deleted: it may hold units that no copy has. A cut in the middle leaves the old
    store, the new one, or none and the word that it is gone; the same command again ends it.
    Raises StoreError where the copy would not serve, or is a hub's and is to be a station's store (or, as ``hub``, the
    other way round), StoreLocked while a station runs there.
    """
    sound, aside = put_back(copy, folder, now, hub=hub)
    store = folder / STORE
    with told(store), closing(sqlite3.connect(store, isolation_level=None)) as connection:
        missing = _photos_back(connection, Blobs(copy.parent / PHOTOS), Blobs(folder / "blobs"))
    return Restored(sound, aside, missing)


def put_back(copy: Path, folder: Path, now: datetime, *, hub: bool | None = None) -> tuple[Verified, Path | None]:
    """The database alone (see `restore`): what is in the copy, and where what stood there is kept."""
    sound = verify(copy)
    if hub is not None:
        of_its_kind(copy, sound.station, hub=hub)
    partial = folder / f"{STORE}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = hold(folder, wait=PATIENCE, hub=bool(hub))
        try:
            copied(copy, partial)
            with told(partial), closing(sqlite3.connect(partial, isolation_level=None)) as connection:
                connection.execute("PRAGMA synchronous = EXTRA")
                make_anew(connection)
            aside = _set_aside(folder, now)
            partial.rename(folder / STORE)
            settle(folder)
        finally:
            os.close(lock)
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise refused(error, folder) from error
    return sound, aside


def copied(file: Path, to: Path) -> None:
    """Copy a file, and have the bytes on the other disk. Raises OSError."""
    with file.open("rb") as source, to.open("wb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
        target.flush()
        os.fsync(target.fileno())


def _set_aside(folder: Path, now: datetime) -> Path | None:
    """Move the store's files away together: what stands in a journal belongs to its database."""
    aside = folder / "aside" / f"{now:%Y%m%dT%H%M%S%fZ}.db"
    for end in _BESIDE:
        with suppress(FileNotFoundError):
            file = folder / f"{STORE}{end}"
            aside.parent.mkdir(exist_ok=True)
            file.rename(aside.with_name(aside.name + end))
    if not aside.exists():
        return None
    settle(aside.parent)
    return aside


def keep_photos(blobs: Blobs, beside: Path, stop: Callable[[], bool] = lambda: False) -> int:
    """Copy the pictures that are not beside the copies yet; answer how many. Raises OSError.

    A picture never changes, so that it is copied once.
    """
    kept = Blobs(beside / PHOTOS)
    new = 0
    for name in blobs.names():
        if stop():
            break
        to = kept.path(name)
        if to.exists():
            continue
        to.parent.mkdir(parents=True, exist_ok=True)
        partial = to.with_name(f"{name}.tmp")
        copied(blobs.path(name), partial)
        partial.rename(to)
        settle(to.parent)
        new += 1
    return new


def erase_photos(names: Iterable[str], beside: Path) -> None:
    """Delete pictures that nobody is to have any more from beside the copies. Raises StoreError."""
    Blobs(beside / PHOTOS).erase_all(names)


def _photos_back(connection: sqlite3.Connection, beside: Blobs, here: Blobs) -> int:
    """Take what is missing from beside the copy; answer how many are still missing."""
    missing = 0
    for (sha256,) in connection.execute("SELECT DISTINCT sha256 FROM photo WHERE sha256 <> '' AND state <> 'erased'"):
        if here.path(sha256).exists():
            continue
        try:
            here.put(beside.get(sha256))
        except (NotFound, StoreError):
            missing += 1
    return missing
