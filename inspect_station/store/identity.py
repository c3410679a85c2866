"""By what a store sees that it is not the file that worked here last: copied elsewhere, or put back from earlier.

Two files with one epoch would give out the same numbers and plates for different units (sync.md §2.1). So each store
keeps where it lies, and a mark beside it the last event that it gave out; where either does not fit any more, a new
epoch begins. What both miss, such as a disk cloned block by block, the hub sees: two events with one number.
"""

import os
from contextlib import suppress
from pathlib import Path

from inspect_station.errors import StoreError
from inspect_station.message import msg

HUB = "HUB"
"""What a hub's store is called in the place of a station's name."""
_WIDTH = 64
"""Bytes of a mark: always as many, so that a full disk has room for the next one."""


def place(file: Path) -> str:
    """Where a file lies, by its file system and its number there: a copy has another, a file that was moved or is seen
    from inside a container the same."""
    return f"{os.statvfs(file).f_fsid:x}-{file.stat().st_ino}"


def of_its_kind(file: Path, station: str, *, hub: bool) -> None:
    """See that a file that is named after this station is the store of a hub, or of a station; a new one is either.

    Raises StoreError where it is the other one.
    """
    if station and (station == HUB) != hub:
        said = msg("{file} is a hub's store, not a station's.", file=str(file))
        if hub:
            said = msg("{file} is a station's store ({station}), not a hub's.", file=str(file), station=station)
        raise StoreError(said, msg("Nothing was changed; name another file or folder."))


class Mark:
    """The file ``store.mark``: epoch and number of the last event that this folder's store gave out.

    Written after each commit and not forced to the disk: after a power cut it may lag behind, never run ahead.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._handle: int | None = None

    def read(self) -> tuple[str, int] | None:
        """None where there is no mark, or only half of one."""
        try:
            epoch, seq = self.file.read_text("ascii").split()
            return epoch, int(seq)
        except (OSError, ValueError):
            return None

    def write(self, epoch: str, seq: int) -> None:
        """Note what was given out. Where that fails, work goes on without."""
        with suppress(OSError):
            if self._handle is None:
                self._handle = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o644)
            os.pwrite(self._handle, f"{epoch} {seq}".ljust(_WIDTH - 1).encode() + b"\n", 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
