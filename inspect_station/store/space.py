"""How much room is left on the store's disk, and what the station still takes on with it (sync.md §2.5)."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from inspect_station.config import DiskLimits
from inspect_station.errors import StoreError
from inspect_station.message import Message, msg

MB = 1_000_000
PHOTO_KB, UNIT_KB = 300, 20
"""What a photo and a unit without its photos take up (sync.md §2.6)."""


@dataclass(frozen=True, slots=True)
class Space:
    """The free part of a disk, judged by the site's limits."""

    free: int
    """Bytes."""
    percent: int
    photos: bool
    """Whether photos are still taken."""
    inspections: bool
    """Whether new inspections are still begun; one that is open can be finished all the same."""
    said: Message | None
    """What is short; None where nothing is."""


def space(folder: Path, limits: DiskLimits) -> Space:
    """Look at the disk of a folder. Raises StoreError where it cannot be asked."""
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        raise StoreError(
            msg("The disk of {folder} cannot be asked: {problem}.", folder=str(folder), problem=error.strerror or ""),
            msg("See that the disk is there, then start again."),
        ) from error
    return judged(usage.free, usage.total, limits)


def judged(free: int, total: int, limits: DiskLimits) -> Space:
    """What so many free bytes of a disk allow."""
    percent = free * 100 // total if total else 0
    photos, inspections = free >= limits.photos_mb * MB, free >= limits.inspections_mb * MB
    said = None
    if not inspections:
        said = msg("disk full: {mb} MB free. Finish what is open, then make room; nothing new is begun", mb=free // MB)
    elif not photos:
        said = msg("disk nearly full: {mb} MB free. Photos are owed until there is room", mb=free // MB)
    elif percent < limits.warn_percent:
        said = msg("{percent} % of the disk free: make room soon", percent=percent)
    return Space(free, percent, photos, inspections, said)


def disk_days(folder: Path, limits: DiskLimits, units: float, photos: float) -> int | None:
    """For how many days of so many units and photos there is room, before photos are owed; None where no day is known
    or the disk cannot be asked."""
    a_day = (photos * PHOTO_KB + units * UNIT_KB) * 1000
    try:
        room = shutil.disk_usage(folder).free - limits.photos_mb * MB
    except OSError:
        return None
    return max(0, int(room / a_day)) if a_day else None
