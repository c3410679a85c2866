"""The power fails at any moment of saving: faults 1 to 4 of sync.md §3.2, on images of what the disk may then hold.

``uv run python tools/powercut.py --images 100000`` looks at more of them.
"""

from pathlib import Path

import pytest

from inspect_station.store import blobs
from tools.powercut import campaign, record

IMAGES = 1000
"""Of each journal."""


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_after_a_power_cut_all_that_was_shown_is_there_and_nothing_by_half(tmp_path: Path, journal):
    disk = record(tmp_path / "station", journal, units=25)
    assert {op.what for op in disk.ops} >= {"write", "sync", "sync folder", "create", "rename", "delete", "shown"}
    assert campaign(disk, IMAGES, tmp_path / "image") == {"fine": IMAGES}


@pytest.mark.parametrize(
    ("journal", "synchronous", "found"),
    [
        pytest.param("wal", "NORMAL", {"lost"}, id="WAL without a sync in the commit"),
        pytest.param("delete", "FULL", {"lost"}, id="a journal whose end is not synced"),
        pytest.param("delete", "OFF", {"lost", "corrupt"}, id="no sync at all"),
    ],
)
def test_these_images_find_a_store_that_syncs_too_little(tmp_path: Path, journal, synchronous, found):
    disk = record(tmp_path / "station", journal, units=10, synchronous=synchronous)
    assert campaign(disk, 300, tmp_path / "image").keys() - {"fine"} == found


def test_these_images_find_a_photo_whose_name_is_not_on_the_disk_yet(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(blobs, "settle", lambda folder: None)
    disk = record(tmp_path / "station", "delete", units=10)
    assert campaign(disk, 300, tmp_path / "image").keys() - {"fine"} == {"photo"}


def test_a_wal_is_copied_into_the_database_in_the_middle_of_the_run(tmp_path: Path):
    """Fault 3: otherwise no image would be of a checkpoint."""
    disk = record(tmp_path / "station", "wal", units=25)
    database = disk.begun_with[str(tmp_path / "station" / "store.db")]
    copied = [n for n, op in enumerate(disk.ops) if op.what == "write" and op.file == database]
    last = max(n for n, op in enumerate(disk.ops) if op.what == "shown")
    assert sum(n < last for n in copied) > 50
