"""Photo files: whole or absent, named by what they hold."""

import errno
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspect_station.core.records import Parcel, Photo
from inspect_station.errors import DiskFull, NotFound, StoreError
from inspect_station.store import Blobs, Store

PICTURE = b"\xff\xd8 a picture \xff\xd9"
NAME = hashlib.sha256(PICTURE).hexdigest()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    (tmp_path / "blobs").mkdir()
    return Blobs(tmp_path / "blobs")


def files(blobs: Blobs) -> list[str]:
    return sorted(str(path.relative_to(blobs.folder)) for path in blobs.folder.rglob("*") if path.is_file())


def test_a_picture_is_kept_under_its_hash_and_read_back(blobs: Blobs):
    assert blobs.put(PICTURE) == NAME
    assert files(blobs) == [f"{NAME[:2]}/{NAME}"]
    assert blobs.get(NAME) == PICTURE


def test_the_same_picture_twice_is_one_file_written_once(blobs: Blobs):
    blobs.put(PICTURE)
    before = blobs.path(NAME).stat()
    assert blobs.put(PICTURE) == NAME
    assert blobs.path(NAME).stat().st_ino == before.st_ino
    assert len(files(blobs)) == 1


def test_an_erased_picture_leaves_nothing_not_even_a_part_of_it(blobs: Blobs):
    blobs.put(PICTURE)
    other = blobs.put(b"another")
    blobs.path(NAME).with_name(f"{NAME}.ab12.tmp").write_bytes(PICTURE[:3])
    assert [blobs.erase(NAME), blobs.erase(NAME)] == [True, False]
    assert files(blobs) == [f"{other[:2]}/{other}"]
    with pytest.raises(ValueError, match="SHA-256"):
        blobs.erase("../up")


def test_an_old_orphan_that_is_put_again_is_safe_from_the_sweep(blobs: Blobs):
    blobs.put(PICTURE)
    os.utime(blobs.path(NAME), (0, 0))
    blobs.put(PICTURE)
    assert blobs.sweep(lambda name: False, datetime.now(UTC) - timedelta(days=7)) == 0
    assert blobs.get(NAME) == PICTURE


def test_the_file_is_on_the_disk_before_it_has_its_name_and_the_name_before_put_returns(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch
):
    order: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(handle: int) -> None:
        order.append(f"fsync {Path(f'/proc/self/fd/{handle}').readlink().name}")
        fsync(handle)

    def noted_rename(path: Path, target: Path) -> Path:
        order.append(f"rename {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    blobs.put(PICTURE)
    written = next(at for at, step in enumerate(order) if step.endswith(".tmp"))
    named = order.index(f"rename {NAME}")
    assert written < named < order.index(f"fsync {NAME[:2]}", named)


def test_a_full_disk_is_told_and_leaves_nothing_behind(blobs: Blobs, monkeypatch: pytest.MonkeyPatch):
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull):
        blobs.put(PICTURE)
    assert files(blobs) == []


def test_a_picture_deleted_by_hand_is_not_found(blobs: Blobs):
    blobs.put(PICTURE)
    blobs.path(NAME).unlink()
    with pytest.raises(NotFound) as told:
        blobs.get(NAME)
    assert NAME in str(told.value.title)


def test_a_picture_that_rotted_is_not_passed_on(blobs: Blobs):
    blobs.put(PICTURE)
    blobs.path(NAME).write_bytes(PICTURE[:-1])
    with pytest.raises(StoreError, match="damaged"):
        blobs.get(NAME)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("../../../etc/passwd", id="a way out"),
        pytest.param(NAME.upper(), id="capitals"),
        pytest.param(NAME[:-1], id="too short"),
        pytest.param(NAME + "\n", id="a line feed"),
        pytest.param("", id="nothing"),
    ],
)
def test_only_a_hash_is_a_name(blobs: Blobs, name: str):
    with pytest.raises(ValueError, match="SHA-256"):
        blobs.get(name)


def test_the_sweep_takes_old_orphans_only(store: Store, clock, bench):
    week = timedelta(days=7)
    shown, on_carton, in_void, orphan, young = (store.blobs.put(f"picture {n}".encode()) for n in range(5))
    unfinished = store.blobs.path(orphan).with_name(f"{orphan}.0a1b2c3d.tmp")
    unfinished.write_bytes(b"half a pict")
    unit = bench.finish(store, photos=(Photo(slot="damage", sha256=in_void),))
    with store.write() as writer:
        # The slot was photographed again after an undo: the first picture is evidence still.
        void = unit.but(revision=2, voided_at=clock())
        writer.void(void, bench.event(void, "inspection.voided"))
        writer.save_draft(unit.but(revision=3, photos=(Photo(slot="damage", sha256=shown),)))
        carton = (Photo(slot="carton", sha256=on_carton),)
        writer.save_parcel(
            Parcel(id="p", station="DOCK-3", received_at=clock(), received_on=clock().date(), photos=carton)
        )
    long_ago = (clock() - week - timedelta(hours=1)).timestamp()
    lately = (clock() - week + timedelta(hours=1)).timestamp()
    for path in store.blobs.folder.rglob("*"):
        if path.is_file():
            os.utime(path, (long_ago, lately if path.name == young else long_ago))
    assert store.sweep() == 2
    assert {path.name for path in store.blobs.folder.rglob("*") if path.is_file()} == {
        shown,
        on_carton,
        in_void,
        young,
    }


def test_a_sweep_of_everything(blobs: Blobs):
    blobs.put(PICTURE)
    assert blobs.sweep(lambda name: False, datetime.now(UTC) + timedelta(minutes=1)) == 1
    assert files(blobs) == []
