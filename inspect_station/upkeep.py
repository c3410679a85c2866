"""What the running station does for its store by itself: copies on another disk, and the sweep of photos nothing needs.

A copy counts only once it was put back and opened (`Store.backup`); so whatever bears the name of a copy is a good one.
"""

import logging
import re
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from inspect_station.config import BackupSettings
from inspect_station.errors import StationError, StoreError
from inspect_station.message import Message, msg, msgn
from inspect_station.store import Store, erase_photos, keep_photos
from inspect_station.store.doors import COPYING, STEP_PAUSE_S

FIRST_S, ROUND_S = 20.0, 60.0
"""Seconds from the start to the first round, and from round to round."""
AGAIN_S = 300.0
"""Seconds until a copy that failed is tried again."""
SWEPT_EVERY = timedelta(days=1)
_AT = "%Y%m%dT%H%M%SZ"

_log = logging.getLogger(__name__)

Trouble = tuple[Message, Message]
"""What is wrong, and what to do."""


class _Stopped(Exception):
    """The station closes: the copy is given up."""


# ── The copies on the other disk ─────────────────────────────────────────────────────────────────────────────────────


def name_of(station: str, at: datetime) -> str:
    """The file name of a station's copy of this moment."""
    return f"{_slug(station)}-{at.astimezone(UTC):{_AT}}.db"


def copies(folder: Path, station: str) -> list[tuple[datetime, Path]]:
    """A station's good copies in a folder, with their times, the newest first."""
    dated = "[0-9]" * 8 + "T" + "[0-9]" * 6 + "Z.db"
    found = []
    for path in folder.glob(f"{_slug(station)}-{dated}"):
        with suppress(ValueError):
            found.append((datetime.strptime(path.stem[-16:], _AT).replace(tzinfo=UTC), path))
    return sorted(found, reverse=True)


def _slug(station: str) -> str:
    return re.sub(r"[^\w.-]", "_", station)


def trouble(settings: BackupSettings, station: str, data: Path, now: datetime) -> Trouble | None:
    """Why the store in ``data`` would be lost with its disk; None where a copy is near enough, or none is wanted."""
    to = settings.to
    if to is None:
        return None
    if not to.is_dir():
        return _not_there(to)
    if to.stat().st_dev == data.stat().st_dev:
        return (
            msg("The copies in {folder} lie on the store's own disk.", folder=str(to)),
            msg("Plug the other disk in, or name a folder on one in [backup] of station.toml."),
        )
    newest = next(iter(copies(to, station)), None)
    if newest is None or now - newest[0] > 2 * settings.every:
        since = msg("There is no copy of the store in {folder} yet.", folder=str(to))
        if newest is not None:
            hours = max(1, (now - newest[0]) // timedelta(hours=1))
            since = msgn(
                "The newest copy of the store is {n} hour old.",
                "The newest copy of the store is {n} hours old.",
                n=hours,
            )
        return since, msg("The running station makes one by itself; `inspect-station db backup` makes one now.")
    return None


def _not_there(folder: Path) -> Trouble:
    return (
        msg("No copy of the store can be made: the folder {folder} is not there.", folder=str(folder)),
        msg("Plug its disk in, or make the folder: the station never makes it, so as not to fill the wrong disk."),
    )


def back_up(
    store: Store,
    settings: BackupSettings,
    station: str,
    now: datetime,
    *,
    pause: Callable[[], None] = lambda: time.sleep(STEP_PAUSE_S),
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Make a good copy in the folder that is set, then drop the oldest ones; answer its path.

    Raises StoreError, also where that folder is not there or photos cannot be copied, DiskFull.
    """
    assert settings.to is not None
    if not settings.to.is_dir():
        raise StoreError(*_not_there(settings.to))
    to = settings.to / name_of(station, now)
    store.backup(to, pause)
    for _, old in copies(settings.to, station)[settings.keep :]:
        old.unlink(missing_ok=True)
    if settings.photos:
        try:
            keep_photos(store.blobs, settings.to, stop)
        except OSError as error:
            raise StoreError(
                msg(
                    "The photos could not be copied to {folder}: {problem}.",
                    folder=str(settings.to),
                    problem=error.strerror or str(error),
                ),
                msg("The store itself was. Make room on that disk, or set photos = false in [backup]."),
            ) from error
    return to


# ── By itself ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Upkeep:
    """One thread that copies and sweeps in turn; nobody at the bench waits for it."""

    def __init__(
        self,
        store: Store,
        settings: BackupSettings,
        *,
        station: str,
        clock: Callable[[], datetime],
        notify: Callable[[], None],
    ) -> None:
        """``notify`` is called when `trouble` has changed."""
        self._store = store
        self._settings = settings
        self._station = station
        self._clock = clock
        self._notify = notify
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._again_at = 0.0
        self._failed: Trouble | None = None
        self._swept_at: datetime | None = None
        self.trouble: Trouble | None = None
        """Why no good copy is near; None too until the first round. Any thread may look."""

    def start(self) -> None:
        """Begin with the rounds."""
        self._thread = threading.Thread(target=self._run, name="upkeep", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give up what is being done, within moments."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _run(self) -> None:
        wait = FIRST_S
        while not self._closing.wait(wait):
            wait = ROUND_S
            try:
                self.round()
            except _Stopped:
                return
            except Exception:
                _log.exception("upkeep")

    def round(self) -> None:
        """See what is due, and do it."""
        now = self._clock()
        if self._due(now):
            self._copy(now)
        if self._swept_at is None or now - self._swept_at >= SWEPT_EVERY:
            self._swept_at = now
            self._sweep()
        found = self._failed or trouble(self._settings, self._station, self._store.folder, now)
        if found != self.trouble:
            self.trouble = found
            self._notify()

    def _due(self, now: datetime) -> bool:
        to = self._settings.to
        if to is None or not to.is_dir() or time.monotonic() < self._again_at:
            return False
        newest = next(iter(copies(to, self._station)), None)
        # A copy of the future is of a clock that was wrong.
        return newest is None or not timedelta(0) <= now - newest[0] < self._settings.every

    def _copy(self, now: datetime) -> None:
        try:
            back_up(self._store, self._settings, self._station, now, pause=self._pause, stop=self._closing.is_set)
            self._failed = None
        except StationError as error:
            self._failed, self._again_at = (error.title, error.hint), time.monotonic() + AGAIN_S

    def _pause(self) -> None:
        if self._closing.wait(STEP_PAUSE_S):
            raise _Stopped

    def _sweep(self) -> None:
        self._store.sweep()
        if self._settings.to is not None and self._settings.to.is_dir():
            with self._store.read() as reader:
                erase_photos(reader.photos_erased(), self._settings.to)
        # What a process left that was killed over a copy.
        old = time.time() - SWEPT_EVERY.total_seconds()
        left = [*(self._store.folder / "backups").glob(f"{COPYING}*")]
        if self._settings.to is not None:
            left += [
                *self._settings.to.glob(f"{_slug(self._station)}-*.db.partial"),
                *self._settings.to.glob(f"{COPYING}*"),
            ]
        for path in left:
            with suppress(OSError):
                if path.stat().st_mtime < old:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
