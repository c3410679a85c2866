"""The two doors to the store, its lock, its journal, its copies.

Settings and their reasons (sync.md §1, §2.2): a commit must survive a power cut, so ``synchronous=EXTRA``;
two writers that both read first must not undo one another, so ``BEGIN IMMEDIATE``; SQLite before 3.51.3 can
lose commits in WAL mode with two connections, so WAL only where that is repaired. With a rollback journal a
reader holds up the commit, so every answer of a reader is complete, and its lock gone, before the next one.
"""

import errno
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

from inspect_station.errors import DiskFull, StoreError
from inspect_station.message import msg
from inspect_station.store import schema
from inspect_station.store.blobs import Blobs, settle
from inspect_station.store.connection import Sqlite
from inspect_station.store.copies import STORE, copied, make_anew, put_back, verified
from inspect_station.store.identity import HUB, Mark, of_its_kind, place
from inspect_station.store.lock import hold
from inspect_station.store.reader import Reader
from inspect_station.store.said import (
    PATIENCE,
    after_commit,
    as_told,
    busy,
    damaged,
    refused,
    reserve_freed,
    told,
    unusable,
)
from inspect_station.store.space import MB
from inspect_station.store.values import StoredPhoto, Verified
from inspect_station.store.writer import Writer

ORPHANS_KEPT = timedelta(days=7)
"""A photo without an inspection may belong to one that is being written, or to a mistake worth finding."""
STEP_PAGES, STEP_PAUSE_S = 256, 0.002
"""A copy is read 1 MB at a time: the bench waits for one such step, some milliseconds, and goes first after it."""

COPYING = "copy-"
"""Folders in which copies are made and tried begin so."""

_log = logging.getLogger(__name__)


def journal_mode(version: tuple[int, int, int]) -> Literal["wal", "delete"]:
    """The journal for a version of SQLite: WAL where its reset bug is repaired, by release or backport."""
    backports = ((3, 44, 6), (3, 50, 7))
    repaired = version >= (3, 51, 3) or any(version[:2] == each[:2] and version >= each for each in backports)
    return "wal" if repaired else "delete"


class Store:
    """One folder: ``store.db``, ``blobs/``, ``backups/``, a ballast and a lock. Any thread may use it."""

    def __init__(self, folder: Path, clock: Callable[[], datetime], zone: str) -> None:
        self.folder = folder
        self.file = folder / STORE
        self.ballast = folder / "ballast"
        """A file that only takes room; it is deleted when the disk is full."""
        self.blobs = Blobs(folder / "blobs")
        self._mark = Mark(folder / "store.mark")
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
                store._lock = hold(folder, wait=0.5, hub=station == HUB)
            if store._revision() != schema.newest():
                store._upgrade(hub=station == HUB)
            if running:
                store._writable()
                store.check()
            store._settle(station)
            with store.read() as reader:
                store.epoch = reader.meta("epoch")
            if running and ballast_mb:
                store._take_ballast(ballast_mb * MB)
        except OSError as error:
            store.close()
            raise refused(error, folder) from error
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Let go of the file and of the lock, behind a write that is under way in another thread (a label that is just
        out): SQLite does not bear to be closed in the middle of one."""
        with self._turn:
            self._hang_up()
        self._mark.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _writable(self) -> None:
        """See before work begins that this user may write: on a disk that is read-only every step would fail."""
        for path in (self.folder, self.blobs.folder, self.file):
            if not os.access(path, os.W_OK):
                read_only = os.statvfs(path).f_flag & os.ST_RDONLY
                raise unusable(path, os.strerror(errno.EROFS if read_only else errno.EACCES))

    def _settle(self, station: str) -> None:
        """See that this is the file that worked here last; a new epoch begins where it is a copy, or an earlier one."""
        here = place(self.file)
        with self.read() as reader:
            of_its_kind(self.file, reader.meta("station"), hub=station == HUB)
            known = reader.meta("place") == here and reader.meta("station") == station
            if known and self._astray(reader, here) is None:
                return
        with self.write() as writer:
            if why := self._astray(writer, here):
                # A new store and a copy that was put back are no news; a copy that nobody spoke of is.
                level = logging.WARNING if writer.meta("epoch") else logging.INFO
                writer.begin_epoch()
                _log.log(level, "a new epoch begins: %s", why)
            writer.set_meta("place", here)
            writer.set_meta("station", station)
            epoch = writer.meta("epoch")
        if why:
            self._mark.write(epoch, 0)

    def _astray(self, reader: Reader, here: str) -> str | None:
        """Why events of the store's epoch may have been given out by another file, too; None where none were."""
        epoch, was, marked = reader.meta("epoch"), reader.meta("place"), self._mark.read()
        if not epoch:
            return "the store is new, or a copy that was put back"
        if was and was != here:
            return f"the store was copied: from {was} to {here}"
        if was and marked is not None and marked[1] > reader.last_seq(marked[0]):
            return f"an earlier store was put back: event {marked[1]} of {marked[0]} is not in it"
        return None

    # ── The doors ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Look. Each answer stands for its own moment; only inside `write` do several belong together."""
        with told(self.file), closing(self._connect()) as connection:
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
            raise busy(self.file)
        try:
            with told(self.file):
                if self._writing is None:
                    self._writing = self._connect_to_write()
                connection = self._writing
                connection.execute("BEGIN IMMEDIATE")
                writer = Writer(connection, self._clock, self._zone)
                try:
                    yield writer
                except BaseException:
                    self._roll_back()
                    raise
            try:
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                # Never the same commit again: a second fsync may succeed over data that the first one lost.
                self._hang_up()
                raise after_commit(error, self.file, self._kept(writer)) from error
            if writer.told is not None:
                self._mark.write(writer.told.epoch, writer.told.seq)
        except DiskFull as full:
            if not (freed := self._drop_ballast()):
                raise
            raise DiskFull(full.title, reserve_freed(freed)) from full
        finally:
            self._turn.release()

    def _kept(self, writer: Writer) -> bool | None:
        """Whether a transaction stands in the file, read through a connection that knows nothing of it."""
        if writer.proof is None:
            return None
        try:
            with closing(self._connect()) as connection:
                return connection.execute(*writer.proof).fetchone() is not None
        except sqlite3.Error:
            return None

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
        with told(self.file), closing(self._connect()) as connection:
            found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
        if found != ["ok"]:
            raise damaged(self.file, "; ".join(found))

    def photos_missing(self) -> Iterator[StoredPhoto]:
        """Pictures that units or parcels show and whose files are gone from this disk."""
        with self.read() as reader:
            yield from (photo for photo in reader.pictures() if not self.blobs.path(photo.sha256).is_file())

    def backup(self, to: Path, pause: Callable[[], None] = lambda: time.sleep(STEP_PAUSE_S)) -> Verified:
        """Copy the database into the file `to` while work goes on, and try the copy: put it back into a folder of its
        own, open it there as a store, count. Photos are not in it (`copies.keep_photos`).

        A copy that is put in the place of ``store.db`` begins a new epoch and a new block of plates by itself.
        ``pause`` is called between the steps, and may raise to end it.
        Raises StoreError, DiskFull; an older file `to` is replaced by a good copy only.
        """
        with self._copying(to, pause) as (partial, room):
            sound, _ = put_back(partial, room, self._clock())
            with Store.open(room, clock=self._clock, station=sound.station, zone=self._zone) as restored:
                restored.check()
                with restored.read() as reader:
                    if reader.size() != (sound.inspections, sound.events):
                        raise damaged(to, f"{reader.size()} inspections and events instead of {sound}")
        return sound

    @contextmanager
    def _copying(self, to: Path, pause: Callable[[], None]) -> Iterator[tuple[Path, Path]]:
        """A copy, sound or not, beside its place, and a folder to try it in; it comes into its place at the end."""
        partial = to.with_name(f"{to.name}.partial")
        try:
            to.parent.mkdir(parents=True, exist_ok=True)
            # First beside the store: a slow disk must not keep the bench waiting. Only without room, straight there.
            near = self.folder / "backups"
            near.mkdir(exist_ok=True)
            if shutil.disk_usage(near).free < 2 * self.file.stat().st_size:
                near = to.parent
            with TemporaryDirectory(prefix=COPYING, dir=near) as room:
                snapshot = Path(room) / "snapshot.db"
                with told(to):
                    self._snapshot(snapshot, pause)
                copied(snapshot, partial)
                snapshot.unlink()
                _forget(partial)
                yield partial, Path(room)
            partial.replace(to)
            settle(to.parent)
        except OSError as error:
            raise refused(error, to) from error
        finally:
            with suppress(OSError):
                partial.unlink(missing_ok=True)

    def _snapshot(self, to: Path, pause: Callable[[], None]) -> None:
        # Through the connection that writes, as far as it may be shared: what it writes meanwhile goes into the copy,
        # too. Through another one every commit would begin the copy anew, and that of a big store might never end.
        if self._writing is None:
            with self.write():
                pass
        shared = self._writing if sqlite3.threadsafety == 3 else None
        own = closing(self._connect()) if shared is None else nullcontext(shared)
        with own as source, closing(sqlite3.connect(to, isolation_level=None)) as copy:
            # The copy is synced once, when it is whole, and not under the lock of the last step.
            copy.execute("PRAGMA synchronous = OFF")
            copy.execute("PRAGMA journal_mode = OFF")
            source.backup(copy, pages=STEP_PAGES, progress=lambda *_: pause(), sleep=0.02)
            make_anew(copy)

    def begin_epoch(self) -> str:
        """A new epoch, because what was confirmed may be gone."""
        with self.write() as writer:
            writer.begin_epoch()
            self.epoch = writer.meta("epoch")
        return self.epoch

    def sweep(self) -> int:
        """Delete photo files older than a week that nothing in the store shows; answer how many. Those of erased photos
        go whatever their age: somebody may have put them back."""
        with self.read() as reader:
            self.blobs.erase_all(reader.photos_erased())
            return self.blobs.sweep(reader.shows, self._clock() - ORPHANS_KEPT)

    def _revision(self) -> str:
        """The revision on the disk, empty where the store is new. Raises StoreError if not ours."""
        if not self.file.exists() or not self.file.stat().st_size:
            if any(self.blobs.folder.iterdir()):
                raise StoreError(
                    msg("The store {file} is empty or gone, but its photos are there.", file=str(self.file)),
                    msg("`inspect-station db restore` puts your newest copy in its place."),
                )
            return ""
        with told(self.file), closing(self._connect()) as connection:
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

    def _upgrade(self, *, hub: bool) -> None:
        """Make or migrate the tables: one transaction, after a copy, never under a station that runs."""
        lock = hold(self.folder, wait=PATIENCE, hub=hub) if self._lock is None else None
        try:
            found = self._revision()
            if found == schema.newest():
                return
            if found:
                at = self._clock().strftime("%Y%m%dT%H%M%SZ")
                # Not tried as a store: that would upgrade it.
                with self._copying(self.folder / "backups" / f"revision-{found}-{at}.db", pause=_no_pause) as (copy, _):
                    verified(copy, of=self.file)
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
                    raise damaged(self.file, f"foreign_key_check: {loose[0]}")
                connection.commit()
        except sqlalchemy.exc.DBAPIError as error:
            told = as_told(error.orig, self.file) if isinstance(error.orig, sqlite3.Error) else None
            if told is None:
                raise
            raise told from error


def _no_pause() -> None:
    """Nobody works while the store is upgraded."""


def _forget(file: Path) -> None:
    """Have the next reader ask the disk, not the memory in which what was written may still stand."""
    handle = os.open(file, os.O_RDONLY)
    try:
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
