"""How much the station takes on with the room that is left: sync.md §2.5."""

from pathlib import Path

import pytest

from inspect_station import config
from inspect_station.config import DiskLimits
from inspect_station.errors import StoreError
from inspect_station.store import space
from inspect_station.store.space import judged

LIMITS = DiskLimits(warn_percent=10, photos_mb=1000, inspections_mb=200, ballast_mb=200)
DISK = 50_000_000_000

# what, free MB, per cent, photos, new inspections, a word of what is said
CASES = [
    ("half empty", 25_000, 50, True, True, ""),
    ("just enough", 5_000, 10, True, True, ""),
    ("under ten per cent", 4_999, 9, True, True, "9 % of the disk free"),
    ("just enough for photos", 1_000, 2, True, True, "2 % of the disk free"),
    ("too little for photos", 999, 1, False, True, "999 MB free"),
    ("just enough for a new inspection", 200, 0, False, True, "Photos are owed"),
    ("too little for a new inspection", 199, 0, False, False, "nothing new is begun"),
    ("full", 0, 0, False, False, "Finish what is open"),
]


@pytest.mark.parametrize(
    ("free", "percent", "photos", "inspections", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_the_less_room_the_less_is_taken_on(free, percent, photos, inspections, said):
    found = judged(free * 1_000_000, DISK, LIMITS)
    assert (found.free, found.percent) == (free * 1_000_000, percent)
    assert (found.photos, found.inspections) == (photos, inspections)
    assert (said in str(found.said)) if said else found.said is None


def test_the_shipped_limits_are_those_of_the_written_rule():
    assert config.load().limits == LIMITS


@pytest.mark.parametrize(("megabytes", "enough"), [(0, True), (10**9, False)], ids=["nothing wanted", "a petabyte"])
def test_the_disk_of_the_folder_is_looked_at(tmp_path: Path, megabytes, enough):
    limits = DiskLimits(warn_percent=0, photos_mb=megabytes, inspections_mb=megabytes, ballast_mb=0)
    found = space(tmp_path, limits)
    assert (found.photos, found.inspections) == (enough, enough)
    assert 0 <= found.percent <= 100


def test_a_disk_that_is_gone_is_told(tmp_path: Path):
    with pytest.raises(StoreError, match="gone"):
        space(tmp_path / "gone", LIMITS)
