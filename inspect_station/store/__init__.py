"""The station's memory: one SQLite file and the photo files beside it; all SQL lives here.

Two doors, `Store.read` and `Store.write`; through them pass records and the small values below.
"""

from inspect_station.store.blobs import Blobs
from inspect_station.store.copies import Restored, erase_photos, keep_photos, restore, verify
from inspect_station.store.doors import Store
from inspect_station.store.reader import Reader
from inspect_station.store.space import Space, disk_days, space
from inspect_station.store.values import (
    EventSpec,
    Graded,
    LabelJob,
    LabelSpec,
    OpenLine,
    Outgoing,
    Receipt,
    StoredPhoto,
    StoredPlaybook,
    TakenOut,
    Tally,
    UnitAtHub,
    Verified,
    Waiting,
)
from inspect_station.store.writer import Writer

__all__ = [
    "Blobs",
    "EventSpec",
    "Graded",
    "LabelJob",
    "LabelSpec",
    "OpenLine",
    "Outgoing",
    "Reader",
    "Receipt",
    "Restored",
    "Space",
    "Store",
    "StoredPhoto",
    "StoredPlaybook",
    "TakenOut",
    "Tally",
    "UnitAtHub",
    "Verified",
    "Waiting",
    "Writer",
    "disk_days",
    "erase_photos",
    "keep_photos",
    "restore",
    "space",
    "verify",
]
