"""What the station does for its store by itself: copies on another disk, told where there is none; orphans swept."""

import os
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from inspect_station import config, upkeep
from inspect_station.config import BackupSettings
from inspect_station.doctor import examine
from inspect_station.errors import DiskFull, StoreError
from inspect_station.message import msg
from inspect_station.store import Store, restore, verify
from inspect_station.upkeep import Upkeep, copies, name_of, trouble

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(tmp_path / "data", clock=clock, station="DOCK 3", running=True) as opened:
        yield opened


@pytest.fixture
def usb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that seems to lie on another disk."""
    folder = tmp_path / "usb"
    folder.mkdir()
    real = Path.stat

    def stat(self: Path, **options: bool) -> os.stat_result | SimpleNamespace:
        found = real(self, **options)
        return SimpleNamespace(st_dev=-1, st_mode=found.st_mode) if self == folder else found

    monkeypatch.setattr(Path, "stat", stat)
    return folder


def settings(to: Path | None, **more: int | bool) -> BackupSettings:
    return BackupSettings.model_validate({"to": to, "every_minutes": 60, "keep": 3, **more})


class Kept:
    """The upkeep of a store, one round at a time, and what it told."""

    def __init__(self, store: Store, to: Path | None, clock: Clock, **more: int | bool) -> None:
        self.told: list[str] = []
        self.upkeep = Upkeep(
            store, settings(to, **more), station="DOCK 3", clock=clock, notify=lambda: self.told.append(self.said)
        )

    @property
    def said(self) -> str:
        return str(self.upkeep.trouble[0]) if self.upkeep.trouble else ""


def test_photos_that_cannot_be_copied_are_told_with_their_folder(store, usb, clock):
    (usb / "photos").write_text("no folder")
    store.blobs.put(b"a picture")
    with pytest.raises(StoreError, match=re.escape(f"could not be copied to {usb}: ")):
        upkeep.back_up(store, settings(usb), "DOCK 3", clock())
    assert len(copies(usb, "DOCK 3")) == 1, "the store itself was"
    clock.now += timedelta(hours=2)
    kept = Kept(store, usb, clock)
    kept.upkeep.round()
    assert f"could not be copied to {usb}" in kept.said


def test_every_hour_a_copy_is_made_and_the_oldest_go(store, usb, clock):
    kept = Kept(store, usb, clock)
    foreign = usb / "DOCK-3-notes.db"
    foreign.write_text("not ours")
    for _ in range(30):
        kept.upkeep.round()
        clock.now += timedelta(minutes=10)
    times = [at for at, _ in copies(usb, "DOCK 3")]
    assert times == [NOON + timedelta(hours=n) for n in (4, 3, 2)]
    assert all(verify(path).station == "DOCK 3" for _, path in copies(usb, "DOCK 3"))
    assert foreign.read_text() == "not ours"
    assert kept.told == []


def test_copies_of_another_station_in_the_same_folder_are_let_alone(store, usb, clock):
    for station in ("DOCK", "DOCK 3-2", "DOCK 31"):
        (usb / name_of(station, NOON - timedelta(days=9))).write_text(station)
    Kept(store, usb, clock, keep=1).upkeep.round()
    assert len(list(usb.glob("*.db"))) == 4
    assert [at for at, _ in copies(usb, "DOCK 3")] == [NOON]


def test_without_a_folder_nothing_is_copied_and_nothing_is_said(store, clock, tmp_path):
    kept = Kept(store, None, clock)
    kept.upkeep.round()
    assert kept.said == ""


def test_a_disk_that_is_not_there_is_told_once_and_nothing_is_written_in_its_place(store, usb, clock):
    kept = Kept(store, usb, clock)
    kept.upkeep.round()
    clock.now += timedelta(hours=2)
    gone = usb.with_name("pulled")
    usb.rename(gone)
    for _ in range(3):
        kept.upkeep.round()
    assert "is not there" in kept.said
    assert not usb.exists(), "a folder made there would fill the wrong disk"
    gone.rename(usb)
    kept.upkeep.round()
    assert kept.said == ""
    assert [bool(each) for each in kept.told] == [True, False]


def test_a_copy_that_somebody_asks_for_is_not_made_in_place_of_a_disk_that_is_not_there(store, tmp_path, clock):
    gone = tmp_path / "not-mounted"
    with pytest.raises(StoreError, match="is not there"):
        upkeep.back_up(store, settings(gone), "DOCK-1", clock())
    assert not gone.exists()


def test_copies_on_the_disk_of_the_store_are_told(store, clock, tmp_path):
    (tmp_path / "beside").mkdir()
    kept = Kept(store, tmp_path / "beside", clock)
    kept.upkeep.round()
    assert "lie on the store's own disk" in kept.said
    assert len(copies(tmp_path / "beside", "DOCK 3")) == 1, "better than none"


def test_a_copy_that_fails_is_told_and_tried_again_later(store, usb, clock, monkeypatch):
    kept = Kept(store, usb, clock)
    tries = []

    def full(*_: object) -> None:
        tries.append(clock())
        raise DiskFull(msg("The disk is full: {file}", file="copy"), msg("Make room."))

    monkeypatch.setattr(Store, "backup", full)
    kept.upkeep.round()
    kept.upkeep.round()
    assert len(tries) == 1, "not every minute"
    assert "disk is full" in kept.said
    monkeypatch.undo()
    kept.upkeep._again_at = 0.0
    kept.upkeep._copy(clock())
    assert kept.upkeep._failed is None


@pytest.mark.parametrize(
    ("age", "word"),
    [
        pytest.param(timedelta(minutes=110), "", id="near enough"),
        pytest.param(timedelta(hours=5), "is 5 hours old", id="old"),
        pytest.param(None, "There is no copy", id="none"),
    ],
)
def test_a_copy_that_is_too_old_is_told(usb, tmp_path, age, word):
    if age is not None:
        (usb / name_of("DOCK 3", NOON - age)).write_text("a copy")
    found = trouble(settings(usb), "DOCK 3", tmp_path, NOON)
    assert found is None if not word else found is not None and word in str(found[0])


def test_photos_are_copied_beside_once_each_unless_a_hub_keeps_them(store, usb, clock):
    sha256 = store.blobs.put(b"a picture")
    Kept(store, usb, clock, photos=False).upkeep.round()
    assert not (usb / "photos").exists()
    clock.now += timedelta(hours=1)
    Kept(store, usb, clock).upkeep.round()
    kept = usb / "photos" / sha256[:2] / sha256
    assert kept.read_bytes() == b"a picture"


def test_what_was_erased_at_the_hub_goes_from_beside_the_copies_too(store, usb, clock):
    erased, other = (store.blobs.put(data) for data in (b"a picture", b"another"))
    with store.write() as writer:
        for n, sha256 in enumerate((erased, other)):
            row = {"inspection": "unit", "slot": f"s{n}", "sha256": sha256, "operator": "ana", "state": "verified"}
            writer._put("photo", ["inspection", "slot"], row)
    Kept(store, usb, clock).upkeep.round()
    beside = [usb / "photos" / sha256[:2] / sha256 for sha256 in (erased, other)]
    assert [path.exists() for path in beside] == [True, True]
    with store.write() as writer:
        writer.erase_photo(erased)
    clock.now += timedelta(days=1)
    Kept(store, usb, clock).upkeep.round()
    assert [path.exists() for path in beside] == [False, True]
    assert [store.blobs.path(sha256).exists() for sha256 in (erased, other)] == [False, True], (
        "nor was it put back here"
    )
    restored = restore(copies(usb, "DOCK 3")[0][1], store.folder.with_name("again"), clock())
    assert restored.photos_missing == 0, "nobody looks for it"


def test_orphan_photos_are_swept_after_a_week_and_what_a_killed_copy_left_after_a_day(store, usb, clock):
    """Fault 4: a cut between the photo and the commit leaves a file that nothing shows."""
    orphan, young = store.blobs.put(b"orphan"), store.blobs.put(b"young")
    week = (NOON - timedelta(days=8)).timestamp()
    os.utime(store.blobs.path(orphan), (week, week))
    os.utime(store.blobs.path(young), (NOON.timestamp(), NOON.timestamp()))
    left = store.folder / "backups" / "copy-killed"
    left.mkdir(parents=True)
    (left / "snapshot.db").write_text("half")
    os.utime(left, (week, week))
    being_made = store.folder / "backups" / "copy-now"
    being_made.mkdir()
    kept = Kept(store, usb, clock)
    kept.upkeep.round()
    assert not store.blobs.path(orphan).exists() and store.blobs.path(young).exists()
    assert not left.exists() and being_made.exists()


def test_a_station_that_closes_does_not_wait_for_its_copy(store, usb, clock, monkeypatch):
    monkeypatch.setattr(upkeep, "FIRST_S", 0.0)
    copying = threading.Event()

    def slow(self: Store, to: Path, pause) -> None:
        copying.set()
        while True:
            pause()

    monkeypatch.setattr(Store, "backup", slow)
    kept = Kept(store, usb, clock)
    kept.upkeep.start()
    assert copying.wait(5)
    started = time.monotonic()
    kept.upkeep.stop()
    assert time.monotonic() - started < 2
    assert "upkeep" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("lines", "ok", "word"),
    [
        pytest.param("", None, "no backup is set up", id="not set up"),
        pytest.param("[backup]\nto = 'nowhere'", False, "is not there", id="no disk"),
        pytest.param("[backup]\nto = 'usb'", False, "There is no copy", id="none yet"),
        pytest.param("[backup]\nto = 'usb'\nevery_minutes = 90", True, "", id="well"),
    ],
)
def test_the_doctor_tells_of_the_copies(tmp_path: Path, usb: Path, lines: str, ok: bool | None, word: str):
    file = tmp_path / "station.toml"
    file.write_text(f"[station]\nname = 'DOCK 3'\ndata = 'data'\n{lines}\n", encoding="utf-8")
    loaded = config.load(file)
    if ok:
        (usb / name_of("DOCK 3", datetime.now(UTC) - timedelta(hours=2))).write_text("a copy")
        word = str(usb)
    (check,) = [check for check in examine(loaded) if check.name == "backup"]
    assert check.ok is ok and word in str(check.found)


def test_a_setting_that_makes_no_sense_is_refused(tmp_path: Path):
    file = tmp_path / "station.toml"
    file.write_text("[backup]\nto = ''\nevery_minutes = 0\nkeep = 0\n", encoding="utf-8")
    assert {problem.key for problem in config.problems(file)} == {"backup.every_minutes", "backup.keep"}
    file.write_text("[backup]\nto = ''\n", encoding="utf-8")
    assert config.load(file).backup.to is None
