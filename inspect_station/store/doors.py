"""The two doors to the store, its lock, its journal, its copies.

Settings and their reasons (sync.md §1, §2.2): a commit must survive a power cut, so ``synchronous=EXTRA``;
two writers that both read first must not undo one another, so ``BEGIN IMMEDIATE``; SQLite before 3.51.3 can
lose commits in WAL mode with two connections, so WAL only where that is repaired. With a rollback journal a
reader holds up the commit, so every answer of a reader is complete, and its lock gone, before the next one.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal, Self

from inspect_station.errors import DiskFull, StoreError, StoreLocked
from inspect_station.message import Message, msg
from inspect_station.store import schema
from inspect_station.store.blobs import Blobs, settle
from inspect_station.store.connection import Sqlite
from inspect_station.store.reader import Reader
from inspect_station.store.space import MB
from inspect_station.store.values import Verified
from inspect_station.store.writer import Writer

PATIENCE = 5.0
"""Seconds to wait for another writer."""
ORPHANS_KEPT = timedelta(days=7)
"""A photo without an inspection may belong to one that is being written, or to a mistake worth finding."""
_NOT_COPIED = ("epoch", "block", "next_unit")
"""A copy that is put back must not repeat the events and plates that its original has given out since."""


def journal_mode(version: tuple[int, int, int]) -> Literal["wal", "delete"]:
    """The journal for a version of SQLite: WAL where its reset bug is repaired, by release or backport."""
    backports = ((3, 44, 6), (3, 50, 7))
    repaired = version >= (3, 51, 3) or any(version[:2] == each[:2] and version >= each for each in backports)
    return "wal" if repaired else "delete"


class Store:
    """One folder: ``store.db``, ``blobs/``, ``backups/``, a ballast and a lock. Any thread may use it."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], zone: str) -> None:
        self.folder = folder
        self.file = folder / "store.db"
        self.ballast = folder / "ballast"
        """A file that only takes room; it is deleted when the disk is full."""
        self.blobs = Blobs(folder / "blobs")
        self.epoch = ""
        """Random for each new or restored store."""
        self._clock = clock
        self._zone = zone
        self._lock: int | None = None
        self._turn = threading.Lock()
        self._writing: Sqlite | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], datetime],
        station: str,
        zone: str = "UTC",
        running: bool = False,
        ballast_mb: int = 0,
    ) -> Self:
        """Open the store in `folder`; make it, or bring it to the newest revision, where that is needed.

        ``running``: as the one running station (screens and outbox), which holds the lock and checks the file.
        ``zone`` (an IANA name) goes with every event.
        ``ballast_mb``: the running station keeps so much in reserve, where there is room for it, so that on a full
        disk the unit on the bench can still be finished.
        Raises StoreLocked where another station runs, DiskFull, and StoreError where the file is damaged,
        foreign, newer than this program or not to be written.
        """
        store = cls(folder, clock, zone)
        try:
            store.blobs.folder.mkdir(parents=True, exist_ok=True)
            if running:
                store._lock = _lock(folder, wait=0.5)
            if store._revision() != schema.newest():
                store._upgrade()
            if running:
                store.check()
            with store.read() as reader:
                store.epoch = reader.meta("epoch")
                settled = store.epoch and reader.meta("station") == station
            if not settled:
                with store.write() as writer:
                    store.epoch = writer.meta("epoch") or str(uuid.uuid4())
                    writer.set_meta("epoch", store.epoch)
                    writer.set_meta("station", station)
            if running and ballast_mb:
                store._take_ballast(ballast_mb * MB)
        except OSError as error:
            store.close()
            raise _refused(error, folder) from error
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the file and of the lock."""
        self._hang_up()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── The doors ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Look. Each answer stands for its own moment; only inside `write` do several belong together."""
        with _told(self.file), closing(self._connect()) as connection:
            # Not mode=ro: whoever looks first after a crash has to roll the journal back.
            connection.execute("PRAGMA query_only = 1")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            yield Reader(connection, self._clock)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Change, all or nothing: what was done is on the disk when this returns, and undone where it raises.

        Keep it short, up to 200 rows: others wait. Never write inside a write.
        Raises StoreLocked after `PATIENCE` seconds of waiting, DiskFull, StoreError. After an error of the
        commit itself, look what is there before doing it again. A full disk costs the ballast: then there is room to
        do the step once more.
        """
        if not self._turn.acquire(timeout=PATIENCE):
            raise _busy(self.file)
        try:
            with _told(self.file):
                if self._writing is None:
                    self._writing = self._connect_to_write()
                connection = self._writing
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield Writer(connection, self._clock, self._zone)
                except BaseException:
                    self._roll_back()
                    raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                # Never the same commit again: a second fsync may succeed over data that the first one lost.
                self._hang_up()
                raise _uncertain(error, self.file) from error
        except DiskFull as full:
            if not (freed := self._drop_ballast()):
                raise
            raise DiskFull(full.title, _reserve_freed(freed)) from full
        finally:
            self._turn.release()

    def _connect(self) -> Sqlite:
        return sqlite3.connect(
            self.file, timeout=PATIENCE, isolation_level=None, check_same_thread=False, factory=Sqlite
        )

    def _connect_to_write(self) -> Sqlite:
        connection = self._connect()
        # Without recursive triggers, INSERT OR REPLACE would delete past the triggers that forbid it.
        for setting in ("synchronous = EXTRA", "foreign_keys = 1", "recursive_triggers = 1"):
            connection.execute(f"PRAGMA {setting}")
        wanted = journal_mode(sqlite3.sqlite_version_info)
        try:
            connection.execute(f"PRAGMA journal_mode = {wanted}")
        except sqlite3.OperationalError:
            # Others are connected. A rollback journal will do until the next start, WAL with the bug not.
            if wanted == "delete":
                connection.close()
                raise
        return connection

    def _roll_back(self) -> None:
        if self._writing is not None and self._writing.in_transaction:
            try:
                self._writing.execute("ROLLBACK")
            except sqlite3.Error:
                self._hang_up()

    def _hang_up(self) -> None:
        connection, self._writing = self._writing, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()

    def _take_ballast(self, size: int) -> None:
        """Have a ballast of so many bytes, if as much is free beside it."""
        try:
            found = self.ballast.stat().st_size if self.ballast.exists() else 0
            if found == size or shutil.disk_usage(self.folder).free + found < 2 * size:
                return
            self.ballast.unlink(missing_ok=True)
            with self.ballast.open("xb") as file:
                os.posix_fallocate(file.fileno(), 0, size)
        except OSError:
            # Work goes on without it: not every disk can set room aside.
            with suppress(OSError):
                self.ballast.unlink(missing_ok=True)

    def _drop_ballast(self) -> int:
        """How many bytes that made free."""
        try:
            size = self.ballast.stat().st_size
            self.ballast.unlink()
        except OSError:
            return 0
        return size

    # ── Keeping it ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def journal(self) -> Literal["wal", "delete"]:
        """The journal that this SQLite is trusted with; ``delete`` is worth a remark from the doctor."""
        return journal_mode(sqlite3.sqlite_version_info)

    def check(self) -> None:
        """See that the whole file is sound (about 1 s per GB). Raises StoreError; changes nothing."""
        with _told(self.file), closing(self._connect()) as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            raise _damaged(self.file, "; ".join(found))

    def backup(self, to: Path) -> Verified:
        """Copy the database into the file `to` while work goes on, and verify the copy. Photos are not in it.

        A copy that is put in the place of ``store.db`` begins a new epoch and a new block of plates by itself.
        Raises StoreError, DiskFull; an older file `to` is replaced by a good copy only.
        """
        partial = to.with_name(f"{to.name}.partial")
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            partial.unlink(missing_ok=True)
            with _told(to), closing(self._connect()) as source, closing(sqlite3.connect(partial)) as copy:
                # In steps of 4 MB, between which a commit of the station goes first.
                source.backup(copy, pages=1024, sleep=0.02)
                copy.execute("PRAGMA journal_mode = DELETE")
                copy.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in _NOT_COPIED])
                copy.commit()
            verified = _verified(partial, of=self.file)
            with partial.open("rb") as file:
                os.fsync(file.fileno())
            partial.replace(to)
            settle(to.parent)
        except OSError as error:
            raise _refused(error, to) from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
        return verified

    def begin_epoch(self) -> str:
        """A new epoch, because what was confirmed may be gone."""
        epoch = str(uuid.uuid4())
        with self.write() as writer:
            writer.set_meta("epoch", epoch)
        self.epoch = epoch
        return epoch

    def sweep(self) -> int:
        """Delete photo files older than a week that nothing in the store shows; answer how many."""
        with self.read() as reader:
            return self.blobs.sweep(reader.shows, self._clock() - ORPHANS_KEPT)

    def _revision(self) -> str:
        """The revision on the disk, empty where the store is new. Raises StoreError if not ours."""
        if not self.file.exists() or not self.file.stat().st_size:
            if any(self.blobs.folder.iterdir()):
                raise StoreError(
                    msg("The store {file} is empty or gone, but its photos are there.", file=str(self.file)),
                    msg("Put your newest copy in its place, or begin anew in an empty folder."),
                )
            return ""
        with _told(self.file), closing(self._connect()) as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            revision = schema.revision(connection)
        if application != schema.APPLICATION:
            raise StoreError(
                msg("{file} is not a store of inspect-station. It was left as it is.", file=str(self.file)),
                msg("Give the station a folder of its own in station.toml."),
            )
        if revision > schema.newest():
            raise StoreError(
                msg(
                    "The store {file} has revision {found}, this program {known}. It was left as it is.",
                    file=str(self.file),
                    found=revision,
                    known=schema.newest(),
                ),
                msg("Install the newer inspect-station again: a store does not go back to an older one."),
            )
        return revision

    def _upgrade(self) -> None:
        """Make or migrate the tables: one transaction, after a copy, never under a station that runs."""
        lock = _lock(self.folder, wait=PATIENCE) if self._lock is None else None
        try:
            found = self._revision()
            if found == schema.newest():
                return
            if found:
                at = self._clock().strftime("%Y%m%dT%H%M%SZ")
                self.backup(self.folder / "backups" / f"revision-{found}-{at}.db")
            self._migrate()
        finally:
            if lock is not None:
                os.close(lock)

    def _migrate(self) -> None:
        import sqlalchemy

        engine = sqlalchemy.create_engine("sqlite://", creator=self._connect, poolclass=sqlalchemy.NullPool)
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA synchronous = EXTRA")
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                schema.upgrade(connection)
                connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION}")
                connection.exec_driver_sql(f"PRAGMA user_version = {int(schema.newest())}")
                loose = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
                if loose:
                    raise _damaged(self.file, f"foreign_key_check: {loose[0]}")
                connection.commit()
        except sqlalchemy.exc.DBAPIError as error:
            told = _as_told(error.orig, self.file) if isinstance(error.orig, sqlite3.Error) else None
            if told is None:
                raise
            raise told from error


def verify(path: Path) -> Verified:
    """See that a store or a copy would serve: the file sound, the events a whole chain, no unit untold.

    Reads only, but long: a station that works on this very file waits.
    Raises StoreError that says what was found.
    """
    if not path.is_file():
        raise StoreError(
            msg("There is no store at {file}.", file=str(path)),
            msg("Name the file itself, such as store.db."),
        )
    return _verified(path, of=path)


def _verified(path: Path, *, of: Path) -> Verified:
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with _told(of), closing(sqlite3.connect(uri, uri=True)) as connection:
        found = [row[0] for row in connection.execute("PRAGMA integrity_check(3)")]
        if found == ["ok"]:
            found = list(_contradictions(connection))[:3]
        if found:
            raise _damaged(of, "; ".join(found))
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


# ── The lock ────────────────────────────────────────────────────────────────────────────────────────────────


def _lock(folder: Path, *, wait: float) -> int:
    """Hold the folder until the handle is closed or the process ends, however it ends."""
    handle = os.open(folder / "station.lock", os.O_RDWR | os.O_CREAT, 0o644)
    until = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            holder = os.pread(handle, 20, 0).decode(errors="replace").strip()
            os.close(handle)
            raise StoreLocked(
                msg("A station already runs on {folder} (process {pid}).", folder=str(folder), pid=holder),
                msg("Go on at its screen, or end it there with F9 and start again."),
            ) from error
        with suppress(OSError):  # a full disk must not keep the station from starting
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        return handle


# ── What SQLite says, said to people ────────────────────────────────────────────────────────────────────────


@contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        told = _as_told(error, file)
        if told is None:
            raise
        raise told from error


def _as_told(error: sqlite3.Error, file: Path) -> StoreError | None:
    """The error for people; None for a mistake in this program: a constraint, a wrong statement."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return _full(file)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return _busy(file)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return _damaged(file, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM | sqlite3.SQLITE_IOERR:
            return _unusable(file, str(error))
    return None


def _uncertain(error: sqlite3.Error, file: Path) -> StoreError:
    told = _as_told(error, file)
    if isinstance(told, DiskFull | StoreLocked):
        return told
    return StoreError(
        msg("Perhaps the last step was not saved in {file}: {problem}.", file=str(file), problem=str(error)),
        msg("Scan the unit again to see what was kept before you repeat the step; have the disk checked."),
    )


def _refused(error: OSError, file: Path) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return _full(file)
    return _unusable(file, error.strerror or str(error))


def _full(file: Path) -> DiskFull:
    return DiskFull(
        msg("The disk is full: the last step was not saved in {file}.", file=str(file)),
        msg("Free space on that disk, then do the step again. What was confirmed before is safe."),
    )


def _reserve_freed(size: int) -> Message:
    return msg(
        "{mb} MB kept in reserve are free now: do the step again, finish what is open, then free space on that disk. "
        "What was confirmed before is safe.",
        mb=size // MB,
    )


def _busy(file: Path) -> StoreLocked:
    return StoreLocked(
        msg("{file} was in use for {n} s: the last step was not saved.", file=str(file), n=int(PATIENCE)),
        msg("Wait until the import or upgrade that is running has ended, then do the step again."),
    )


def _damaged(file: Path, found: str) -> StoreError:
    return StoreError(
        msg("The store {file} is damaged: {found}. It was left as it is.", file=str(file), found=found),
        msg(
            "Keep this file: it may still hold units that no copy has. Check your newest copy with "
            "`inspect-station db verify COPY`, put it in this file's place and start again."
        ),
    )


def _unusable(file: Path, problem: str) -> StoreError:
    return StoreError(
        msg("The store cannot use {file}: {problem}.", file=str(file), problem=problem),
        msg("See that the disk is there and that this user may write to it, then start again."),
    )
