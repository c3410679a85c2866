"""Copies: made while work goes on, counted only once they were tried, put back without repeating anything."""

import errno
import json
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from inspect_station.core.records import Photo
from inspect_station.errors import NotFound, StoreError, StoreLocked
from inspect_station.store import EventSpec, Store, copies, doors, keep_photos, restore, verify
from inspect_station.store.said import unusable


def test_a_copy_is_verified_and_says_what_is_in_it(store: Store, bench, tmp_path: Path):
    units = [bench.finish(store, finished_at=bench.clock.pass_(minutes=1)) for _ in range(3)]
    verified = store.backup(tmp_path / "usb" / "copy.db")
    assert verified == verify(tmp_path / "usb" / "copy.db")
    assert (verified.station, verified.inspections, verified.events) == ("DOCK-3", 3, 3)
    assert verified.last_finished_at == units[-1].finished_at
    assert sorted(path.name for path in (tmp_path / "usb").iterdir()) == ["copy.db"]


def test_a_copy_is_made_while_units_are_finished(store: Store, bench, tmp_path: Path):
    for _ in range(20):
        bench.finish(store, notes=("x" * 50_000,))
    stop = threading.Event()
    finished: list[str] = []

    def work() -> None:
        while not stop.is_set():
            finished.append(bench.finish(store).lpn)
            stop.wait(0.02)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        verified = store.backup(tmp_path / "copy.db")
    finally:
        stop.set()
        worker.join()
    assert 20 <= verified.inspections <= 20 + len(finished)
    with store.read() as reader:
        assert len(reader.last_units(1000)) == 20 + len(finished)


def test_a_copy_that_is_put_back_repeats_neither_events_nor_plates(opened, folder: Path, bench):
    with opened() as store:
        before = bench.finish(store)
        store.backup(folder / "copy.db")
        lost = bench.finish(store)
        with store.read() as reader:
            old = reader.pending_events()
    shutil.copy(folder / "copy.db", folder / "store.db")
    with opened(running=True) as store:
        with store.read() as reader:
            assert reader.inspection(before.lpn) == before
        after = bench.finish(store)
        assert after.lpn not in (before.lpn, lost.lpn)
        assert after.lpn[:5] != lost.lpn[:5]
        with store.read() as reader:
            mine = [event for event in reader.pending_events() if event.epoch != old[0].epoch]
        assert [(event.seq, json.loads(event.line)["prev_sha256"]) for event in mine] == [(1, "")]
    verify(folder / "store.db")


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param("DELETE FROM event WHERE seq = 2", "event 2 of .* is missing", id="an event is gone"),
        pytest.param(
            "UPDATE event SET line = replace(line, 'ana', 'bob') WHERE seq = 2",
            "event 2 of .* was changed",
            id="a line was changed",
        ),
        pytest.param("DELETE FROM event WHERE seq = 3", "has no event", id="a unit was never told"),
    ],
)
def test_a_copy_that_contradicts_itself_does_not_pass(store: Store, folder: Path, bench, change: str, found: str):
    for _ in range(3):
        bench.finish(store)
    store.close()
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        connection.executescript("DROP TRIGGER event_stays; DROP TRIGGER event_unchanged;")
        connection.execute(change)
    with pytest.raises(StoreError, match=found):
        verify(folder / "store.db")


def test_a_closed_batch_of_which_the_hub_was_never_told_is_found(store: Store, folder: Path, bench):
    unit = bench.finish(store)
    with store.write() as writer:
        batch = writer.begin_batch("lumo", "return", "ana")
        writer.join_batch(batch, unit.id, unit.lpn, "ana")
    verify(folder / "store.db")  # an open one is told when it is closed
    with store.write() as writer:
        shut = batch.but(closed_at=bench.clock(), closed_by="ana", sealed_no=1, revision=1)
        writer.tell_batch(shut, EventSpec("batch.closed", {"number": batch.number}, "ana", bench.clock()))
    verify(folder / "store.db")
    store.close()
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        connection.executescript("DROP TRIGGER event_stays; DELETE FROM event WHERE type = 'batch.closed'")
    with pytest.raises(StoreError, match=f"{batch.number} is closed and has no event"):
        verify(folder / "store.db")


def test_a_failed_copy_keeps_the_one_before(store: Store, bench, tmp_path: Path, monkeypatch):
    bench.finish(store)
    copy = tmp_path / "copy.db"
    store.backup(copy)
    before = copy.read_bytes()

    def unsound(connection: sqlite3.Connection) -> list[str]:
        return ["something is wrong"]

    monkeypatch.setattr(copies, "_contradictions", unsound)
    with pytest.raises(StoreError, match="something is wrong"):
        store.backup(copy)
    assert copy.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_a_store_that_its_station_finds_damaged_is_put_back_from_a_copy(store: Store, folder: Path):
    store.close()
    (folder / "store.db").write_bytes(b"not a database, but it was" * 200)
    for own, hint in ((True, "puts a copy in its place"), (False, "Name a copy")):
        with pytest.raises(StoreError) as told:
            verify(folder / "store.db", own=own)
        assert hint in str(told.value.hint)


def test_verifying_what_nobody_may_look_at(tmp_path: Path, monkeypatch):
    def forbidden(self: Path, **options: bool) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    with pytest.raises(StoreError, match=r"copy\.db: Permission denied"):
        verify(tmp_path / "copy.db")


def test_verifying_what_is_not_there(tmp_path: Path):
    with pytest.raises(StoreError, match="There is no store"):
        verify(tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()


def test_a_copy_is_opened_as_a_store_before_it_counts(store: Store, bench, tmp_path: Path, monkeypatch):
    """A copy in which each page is well may still not serve: one that cannot be opened does not count."""
    bench.finish(store)
    real = Store.open.__func__  # type: ignore[attr-defined]
    opened: list[Path] = []

    def refuses(cls: type[Store], /, folder: Path, **options: object) -> Store:
        opened.append(folder)
        assert (folder / "store.db").is_file()
        raise unusable(folder, "as if it were broken")

    monkeypatch.setattr(Store, "open", classmethod(refuses))
    with pytest.raises(StoreError, match="as if it were broken"):
        store.backup(tmp_path / "copy.db")
    monkeypatch.setattr(Store, "open", classmethod(real))
    assert opened
    assert not (tmp_path / "copy.db").exists()
    assert not list((store.folder / "backups").iterdir()), "nothing of it is left"


def test_a_disk_that_changes_what_is_written_makes_no_copy(store: Store, bench, tmp_path: Path, monkeypatch):
    for _ in range(20):
        bench.finish(store)

    def copied(file: Path, to: Path) -> None:
        data = bytearray(file.read_bytes())
        data[len(data) // 2 : len(data) // 2 + 8000] = bytes(8000)
        to.write_bytes(data)

    monkeypatch.setattr(doors, "copied", copied)
    with pytest.raises(StoreError, match="is damaged"):
        store.backup(tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_copy_goes_on_while_commits_come_and_has_what_they_wrote(
    opened, bench, tmp_path: Path, monkeypatch, journal: str
):
    """Each commit of another connection would begin it anew, and that of a big store might never end."""
    monkeypatch.setattr(doors, "journal_mode", lambda version: journal)
    store = opened()
    for _ in range(60):
        bench.finish(store, notes=("x" * 60_000,))
    pauses = 0

    def pause() -> None:
        nonlocal pauses
        pauses += 1
        assert pauses < 500, "it began anew again and again"
        bench.finish(store, notes=("y" * 1000,))

    verified = store.backup(tmp_path / "copy.db", pause)
    megabytes = store.file.stat().st_size / 1e6
    assert 3 < pauses < 3 * megabytes
    assert verified.inspections >= 60 + pauses - 1


def test_no_commit_waits_long_for_a_copy(store: Store, bench, tmp_path: Path):
    """Under 50 ms on an idle machine; here machines are noisy, so beside the same commits without a copy."""
    for _ in range(200):
        bench.finish(store, notes=("x" * 60_000,))

    def slowest(until: Callable[[], bool]) -> float:
        times: list[float] = []
        while not until() or len(times) < 20:
            started = time.perf_counter()
            bench.finish(store)
            times.append(time.perf_counter() - started)
            time.sleep(0.005)
        return sorted(times)[int(len(times) * 0.95)]

    copying = threading.Thread(target=lambda: store.backup(tmp_path / "copy.db"))
    copying.start()
    during = slowest(lambda: not copying.is_alive())
    copying.join()
    ends = time.monotonic() + 0.5
    alone = slowest(lambda: time.monotonic() > ends)
    assert during < 3 * alone + 0.05, f"{during * 1000:.0f} ms, alone {alone * 1000:.0f} ms"


def test_a_copy_that_is_given_up_leaves_nothing(store: Store, bench, tmp_path: Path):
    bench.finish(store)

    class Closing(Exception):
        pass

    def pause() -> None:
        raise Closing

    with pytest.raises(Closing):
        store.backup(tmp_path / "usb" / "copy.db", pause)
    assert not list((tmp_path / "usb").iterdir())
    assert not list((store.folder / "backups").iterdir())
    bench.finish(store)


# ── Put back ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_damaged_store_is_set_aside_and_the_copy_takes_its_place(opened, folder: Path, bench, tmp_path: Path):
    """Fault 11: noticed at the start; the copy begins a new epoch; the damaged file stays, for it may hold more."""
    with opened(running=True) as store:
        before = bench.finish(store)
        store.backup(tmp_path / "copy.db")
        lost = bench.finish(store)
        with store.read() as reader:
            old = reader.meta("epoch")
    file = folder / "store.db"
    data = file.read_bytes()
    file.write_bytes(data[:8192] + bytes(byte ^ 0xFF for byte in data[8192:]))
    damaged = file.read_bytes()
    with pytest.raises(StoreError, match="is damaged") as told:
        opened(running=True)
    assert "inspect-station db restore" in str(told.value.hint)

    restored = restore(tmp_path / "copy.db", folder, bench.clock())
    assert restored.aside is not None and restored.aside.read_bytes() == damaged
    assert restored.copy.inspections == 1
    with opened(running=True) as store:
        after = bench.finish(store)
        with store.read() as reader:
            assert reader.inspection(before.lpn) == before
            assert reader.meta("epoch") != old
            assert [(event.epoch == old, event.seq) for event in reader.pending_events()] in (
                [(True, 1), (False, 1)],
                [(False, 1), (True, 1)],
            )
    assert after.lpn not in (before.lpn, lost.lpn) and after.lpn[:5] != lost.lpn[:5]


def test_a_copy_that_would_not_serve_is_not_put_back(opened, folder: Path, bench, tmp_path: Path):
    with opened() as store:
        unit = bench.finish(store)
    (tmp_path / "copy.db").write_bytes((folder / "store.db").read_bytes()[:9000])
    with pytest.raises(StoreError, match="is damaged"):
        restore(tmp_path / "copy.db", folder, bench.clock())
    with opened() as store, store.read() as reader:
        assert reader.inspection(unit.lpn) == unit
    assert not (folder / "aside").exists()


def test_nothing_is_put_back_under_a_station_that_runs(opened, folder: Path, bench, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(copies, "PATIENCE", 0.05)
    store = opened(running=True)
    store.backup(tmp_path / "copy.db")
    with pytest.raises(StoreLocked):
        restore(tmp_path / "copy.db", folder, bench.clock())


def test_the_journal_of_the_old_store_never_meets_the_new_one(opened, folder: Path, bench, tmp_path: Path):
    """A hot journal belongs to its database: beside another one it would be rolled back into it."""
    with opened() as store:
        bench.finish(store)
        store.backup(tmp_path / "copy.db")
    for end in ("-journal", "-wal", "-shm"):
        (folder / f"store.db{end}").write_bytes(b"of the old one")
    restored = restore(tmp_path / "copy.db", folder, bench.clock())
    assert restored.aside is not None
    assert sorted(path.name for path in folder.glob("store.db*")) == ["store.db"]
    assert len(list((folder / "aside").glob(f"{restored.aside.name}*"))) == 4
    assert verify(folder / "store.db").inspections == 1


def test_photos_beside_a_copy_come_back_with_it_and_those_that_are_nowhere_are_counted(
    opened, folder: Path, bench, tmp_path: Path
):
    with opened() as store:
        kept, lost = store.blobs.put(b"a picture"), store.blobs.put(b"another")
        photos = tuple(Photo(slot=slot, sha256=sha256) for slot, sha256 in (("damage", kept), ("parts", lost)))
        bench.finish(store, photos=photos)
        assert keep_photos(store.blobs, tmp_path / "usb") == 2
        assert keep_photos(store.blobs, tmp_path / "usb") == 0, "each once"
        store.backup(tmp_path / "usb" / "copy.db")
    (tmp_path / "usb" / "photos" / lost[:2] / lost).unlink()
    shutil.rmtree(folder)
    restored = restore(tmp_path / "usb" / "copy.db", folder, bench.clock())
    assert (restored.aside, restored.photos_missing) == (None, 1)
    with opened(running=True) as store:
        assert store.blobs.get(kept) == b"a picture"
        with pytest.raises(NotFound):
            store.blobs.get(lost)


# ── Copies that nobody said were copies ──────────────────────────────────────────────────────────────────────────────


def epoch_of(store: Store) -> str:
    with store.read() as reader:
        return reader.meta("epoch")


def test_a_store_that_stays_where_it_is_keeps_its_epoch(opened, folder: Path, bench, clock, tmp_path: Path):
    epochs = set()
    for running in (True, False, True):
        with opened(running=running) as store:
            bench.finish(store)
            epochs.add(epoch_of(store))
    moved = folder.rename(tmp_path / "elsewhere")
    with Store.open(moved, clock=clock, station="DOCK-3", running=True) as store:
        epochs.add(epoch_of(store))
    assert len(epochs) == 1, "a folder that was moved is no copy"


@pytest.mark.parametrize("whole", [pytest.param(True, id="the folder"), pytest.param(False, id="store.db alone")])
def test_a_copy_that_works_beside_its_original_repeats_nothing(opened, folder: Path, clock, bench, tmp_path, whole):
    """Faults 12 and 13: by a plain cp, without anybody saying so."""
    original = opened(running=True)
    bench.finish(original)
    other = tmp_path / "other"
    if whole:
        shutil.copytree(folder, other)
    else:
        other.mkdir()
        shutil.copy(folder / "store.db", other / "store.db")
    with Store.open(other, clock=clock, station="DOCK-3", running=True) as copy:
        mine = [bench.finish(store) for store in (original, copy, original, copy)]
        assert epoch_of(copy) != epoch_of(original)
        assert len({unit.lpn for unit in mine}) == 4
        with original.read() as first, copy.read() as second:
            numbers = [(event.epoch, event.seq) for event in (*first.pending_events(), *second.pending_events())]
        # The first unit's event is in both: the same event, which the hub takes once.
        assert len(set(numbers)) == len(numbers) - 1
    assert verify(other / "store.db").inspections == 3


def test_an_earlier_store_that_was_written_over_the_newer_one_begins_anew(opened, folder: Path, bench, tmp_path: Path):
    """Fault 13: its place is the same, even its number on the disk; but more was given out than it knows."""
    with opened() as store:
        bench.finish(store)
        first = epoch_of(store)
    shutil.copy(folder / "store.db", tmp_path / "plain-copy.db")
    with opened() as store:
        lost = bench.finish(store)
        assert epoch_of(store) == first
    number = (folder / "store.db").stat().st_ino
    shutil.copy(tmp_path / "plain-copy.db", folder / "store.db")
    assert (folder / "store.db").stat().st_ino == number
    with opened(running=True) as store:
        second = epoch_of(store)
        assert second != first
    for _ in range(2):
        with opened(running=True) as store:
            assert epoch_of(store) == second, "once is enough"
            assert bench.finish(store).lpn[:5] != lost.lpn[:5]


@pytest.mark.parametrize("left", [b"", b"half of a ma", b"\xff\xfe"])
def test_a_mark_that_a_power_cut_has_spoilt_is_no_reason_to_begin_anew(opened, folder: Path, bench, left: bytes):
    with opened() as store:
        bench.finish(store)
        epoch = epoch_of(store)
    assert (folder / "store.mark").read_text().split() == [epoch, "1"]
    (folder / "store.mark").write_bytes(left)
    with opened() as store:
        bench.finish(store)
        assert epoch_of(store) == epoch
    assert (folder / "store.mark").read_text().split() == [epoch, "2"]


def test_a_store_of_an_earlier_program_takes_its_place_and_keeps_its_epoch(opened, folder: Path, bench):
    with opened() as store:
        bench.finish(store)
        epoch = epoch_of(store)
        with store.write() as writer:
            writer._do("DELETE FROM meta WHERE key = 'place'")
    with opened() as store:
        assert epoch_of(store) == epoch
