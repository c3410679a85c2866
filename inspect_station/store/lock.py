"""One running station on a folder: a lock that goes with its process, however that ends."""

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

from inspect_station.errors import StoreLocked
from inspect_station.message import msg

_HUB = "hub"
"""Stands behind its process in the lock of a hub: who is turned away hears who is there."""


def hold(folder: Path, *, wait: float, hub: bool = False) -> int:
    """Hold the folder, as a station or a hub, until the handle is closed or the process ends.

    Raises StoreLocked after ``wait`` seconds.
    """
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
            raise _runs(folder, *holder.partition(" ")[::2]) from error
        with suppress(OSError):  # a full disk must not keep the station from starting
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()} {_HUB if hub else ''}\n".encode(), 0)
        return handle


def _runs(folder: Path, pid: str, what: str) -> StoreLocked:
    where = {"folder": str(folder), "pid": pid}
    if what == _HUB:
        return StoreLocked(
            msg("A hub already runs on {folder} (process {pid}): nothing was changed.", **where),
            msg("Stop it (`systemctl stop inspect-station-hub`, or Ctrl+C where it was started), then do this again."),
        )
    return StoreLocked(
        msg("A station already runs on {folder} (process {pid}).", **where),
        msg("Go on at its screen, or end it there with F9 and start again."),
    )
