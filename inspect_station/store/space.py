"""How much room is left on the store's disk, and what the station still takes on with it (sync.md §2.5)."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from inspect_station.config import DiskLimits
from inspect_station.errors import StoreError
from inspect_station.message import Message, msg

MB = 1_000_000


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
