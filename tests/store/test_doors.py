"""The doors: one writer at a time, all or nothing, and a plain word where the file is not what it should be."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from inspect_station.errors import DiskFull, StoreError, StoreLocked
from inspect_station.store import Store, doors, verify
from inspect_station.store.connection import Sqlite
from inspect_station.store.doors import journal_mode

# ── Journal ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("version", "journal"),
    [
        pytest.param((3, 40, 1), "delete", id="Debian 12"),
        pytest.param((3, 46, 1), "delete", id="Debian 13"),
        pytest.param((3, 44, 5), "delete", id="before the first backport"),
        pytest.param((3, 44, 6), "wal", id="first backport"),
        pytest.param((3, 44, 9), "wal", id="later in the first backport"),
        pytest.param((3, 45, 0), "delete", id="after a backport, not repaired"),
        pytest.param((3, 50, 6), "delete", id="before the second backport"),
        pytest.param((3, 50, 7), "wal", id="second backport"),
        pytest.param((3, 51, 2), "delete", id="last affected release"),
        pytest.param((3, 51, 3), "wal", id="repaired"),
        pytest.param((3, 54, 1), "wal", id="later"),
        pytest.param((4, 0, 0), "wal", id="much later"),
    ],
)
def test_wal_only_where_its_reset_bug_is_repaired(version: tuple[int, int, int], journal: str):
    assert journal_mode(version) == journal


def mode_of(folder: Path) -> str:
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


@pytest.mark.parametrize("trusted", ["wal", "delete"])
def test_the_file_has_the_journal_that_this_sqlite_is_trusted_with(folder, opened, bench, monkeypatch, trusted):
    before = "delete" if trusted == "wal" else "wal"
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        connection.execute(f"PRAGMA journal_mode = {before}")
    monkeypatch.setattr(doors, "journal_mode", lambda version: trusted)
    with opened() as store:
        unit = bench.finish(store)
        assert mode_of(folder) == trusted
        with store.read() as reader:
            assert reader.inspection(unit.lpn) == unit


def test_a_commit_survives_a_power_cut_by_its_settings(store: Store):
    with store.write() as writer:
        ask = writer._connection.execute
        extra, on = 3, 1
        assert ask("PRAGMA synchronous").fetchone()[0] == extra
        assert ask("PRAGMA foreign_keys").fetchone()[0] == on


# ── One transaction ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_raises_inside_a_write_leaves_nothing(store: Store, bench):
    with pytest.raises(RuntimeError), store.write() as writer:
        unit = bench.done(bench.unit(writer))
        writer.finish(unit, bench.event(unit), bench.label(writer, unit))
        raise RuntimeError
    with store.read() as reader:
        assert reader.inspection(unit.lpn) is None
        assert reader.pending_events() == ()
        assert reader.labels("queued") == ()
        assert reader.meta("next_unit") == ""


def test_a_reader_cannot_write(store: Store):
    with pytest.raises(StoreError, match="readonly"), store.read() as reader:
        reader._connection.execute("DELETE FROM meta")


def test_a_reader_left_open_holds_up_no_commit(store: Store, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.2)
    for _ in range(3):
        bench.finish(store)
    with store.read() as reader:
        assert len(reader.last_units(3)) == 3
        rows = reader.finished_between(bench.clock.now, bench.clock.pass_(hours=1))
        next(rows)
        unit = bench.finish(store)
        assert reader.inspection(unit.lpn) == unit


def test_a_commit_that_cannot_be_is_undone_and_the_next_one_works(store: Store, folder: Path, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.1)
    other = sqlite3.connect(folder / "store.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM meta").fetchall()  # a foreign program that reads for minutes
    with pytest.raises(StoreLocked):
        bench.finish(store)
    other.close()
    unit = bench.finish(store)
    with store.read() as reader:
        assert reader.last_units(9) == (unit,)


def test_an_error_of_the_disk_in_a_commit_is_not_tried_again_and_said_to_be_uncertain(store: Store, bench):
    bench.finish(store)
    tried: list[str] = []

    class Failing(Sqlite):
        """Its disk fails in the commit."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if sql == "COMMIT":
                tried.append(sql)
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
                raise error
            return super().execute(sql, *values)

    broken = sqlite3.connect(store.file, isolation_level=None, factory=Failing)
    store._writing = broken
    with pytest.raises(StoreError, match="Perhaps the last step was not saved"):
        bench.finish(store)
    assert tried == ["COMMIT"]
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        broken.execute("SELECT 1")
    bench.finish(store)
    with store.read() as reader:
        assert len(reader.last_units(9)) == 2


def test_a_program_that_holds_the_store_too_long_is_named_as_the_reason(store: Store, folder: Path, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.1)
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreLocked, match="in use"):
            bench.finish(store)
        other.execute("ROLLBACK")


def test_writing_inside_a_write_is_refused_and_does_not_hang(store: Store, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.05)
    with store.write() as writer:
        writer.set_meta("outer", "kept")
        with pytest.raises(StoreLocked):
            bench.finish(store)
    with store.read() as reader:
        assert reader.meta("outer") == "kept"


def test_threads_that_read_and_then_write_lose_nothing(store: Store):
    def count() -> None:
        for _ in range(25):
            with store.write() as writer:
                writer.set_meta("count", str(int(writer.meta("count") or 0) + 1))
            with store.read() as reader:
                assert int(reader.meta("count")) > 0

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(count) for _ in range(4)]:
            done.result()
    with store.read() as reader:
        assert reader.meta("count") == "100"


# ── The running station ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_station_is_refused_with_the_process_that_runs(opened: Callable[..., Store]):
    opened(running=True)
    with pytest.raises(StoreLocked) as told:
        opened(running=True)
    assert f"process {os.getpid()}" in str(told.value.title)


def test_other_verbs_write_while_a_station_runs(opened: Callable[..., Store], bench):
    station, verb = opened(running=True), opened()
    bench.finish(verb)
    bench.finish(station)
    with verb.read() as reader:
        assert len(reader.last_units(9)) == 2


def test_the_lock_goes_with_its_station(opened: Callable[..., Store]):
    opened(running=True).close()
    opened(running=True)


# ── A file that is not what it should be ─────────────────────────────────────────────────────────────────────────────


def flip(file: Path) -> None:
    """Spoil everything behind the first page."""
    data = file.read_bytes()
    file.write_bytes(data[:4096] + bytes(byte ^ 0xFF for byte in data[4096:]))


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def overwrite(file: Path) -> None:
    file.write_bytes(b"not a database at all, only some text\n" * 300)


@pytest.mark.parametrize(
    "harm", [pytest.param(flip, id="bits flipped"), pytest.param(cut, id="cut"), pytest.param(overwrite, id="text")]
)
def test_a_damaged_file_is_told_and_left_as_it_is(opened, folder: Path, harm: Callable[[Path], None]):
    file = folder / "store.db"
    harm(file)
    damaged = file.read_bytes()
    with pytest.raises(StoreError) as told:
        opened(running=True)
    assert "is damaged" in str(told.value.title)
    assert str(file) in str(told.value.title)
    assert "db verify" in str(told.value.hint)
    assert file.read_bytes() == damaged
    with pytest.raises(StoreError, match="is damaged"):
        verify(file)


@pytest.mark.parametrize("left", [pytest.param(b"", id="empty"), pytest.param(None, id="gone")])
def test_a_store_that_vanished_is_not_quietly_begun_anew(opened, folder: Path, left: bytes | None):
    with opened() as store:
        store.blobs.put(b"a picture")
    (folder / "store.db").unlink()
    if left is not None:
        (folder / "store.db").write_bytes(left)
    with pytest.raises(StoreError, match="its photos are there"):
        opened()


def test_the_database_of_another_program_is_left_alone(opened, folder: Path):
    (folder / "store.db").unlink()
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as other:
        other.execute("CREATE TABLE recipes (name)")
    before = (folder / "store.db").read_bytes()
    with pytest.raises(StoreError, match="is not a store of inspect-station"):
        opened()
    assert (folder / "store.db").read_bytes() == before


def test_a_folder_that_cannot_be_is_told(tmp_path: Path, clock):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="cannot use"):
        Store.open(tmp_path / "file" / "station", clock=clock, station="DOCK-3")


# ── A full disk ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_full_store_says_so_and_keeps_what_was_confirmed(store: Store, bench):
    confirmed = [bench.finish(store) for _ in range(3)]
    with store.write() as writer:
        pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
        writer._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DiskFull):
        bench.finish(store, notes=("long " * 20_000,))
    with store.write() as writer:
        writer._connection.execute("PRAGMA max_page_count = 100000")
    confirmed.append(bench.finish(store))
    with store.read() as reader:
        assert reader.last_units(9) == tuple(reversed(confirmed))


FILL = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.core.records import Grade, Inspection
from inspect_station.errors import DiskFull
from inspect_station.store import EventSpec, Store, verify

clock = lambda: datetime.now(UTC)
folder = Path(sys.argv[1])
junk = folder / "junk"
junk.write_bytes(bytes(500_000))
ballast = folder / "ballast"

def finish(store):
    with store.write() as writer:
        unit = Inspection(id=writer.new_id(), lpn=writer.take_lpns(1)[0], station="D", parcel="p",
            started_at=clock(), finished_at=clock(), grade=Grade.USED, notes=("x" * 20_000,))
        writer.finish(unit, EventSpec("inspection.finished", {"lpn": unit.lpn}, "ana", clock()))
    return unit.lpn

def fill(store):
    try:
        while True:
            acked.append(finish(store))
    except DiskFull as error:
        return f"{error.title} {error.hint}"

def reserve():
    return ballast.stat().st_blocks * 512 if ballast.exists() else 0

acked, photo = [], ""
with Store.open(folder, clock=clock, station="D", running=True, ballast_mb=1) as store:
    reserved = reserve()
    told = fill(store)
    # The unit on the bench, for which there was no room.
    saved = finish(store)
    acked.append(saved)
    again = fill(store)
    try:
        store.blobs.put(bytes(1_000_000))
    except DiskFull as error:
        photo = str(error.title)
    # A full disk must not keep the station from starting, nor from being read.
    store.close()
with Store.open(folder, clock=clock, station="D", running=True, ballast_mb=1) as store:
    left = reserve()
    with store.read() as reader:
        kept = [unit.lpn for unit in reader.last_units(10_000)]
    junk.unlink()
    kept_after = finish(store)
print(json.dumps({"acked": acked, "told": told, "again": again, "photo": photo, "reserved": reserved, "left": left,
    "kept": kept[::-1], "after": kept_after, "inspections": verify(folder / "store.db").inspections}))
"""


def test_on_a_disk_that_really_fills_up_nothing_confirmed_is_lost(tmp_path: Path):
    """A file system of 5 MB, mounted in a namespace that ends with the process."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=5m none {disk}"
    private = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*private, mount], check=False, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here: it needs root or user namespaces")
    fill = subprocess.run(
        [*private, f'{mount} && exec "$0" -c "$1" {disk}', sys.executable, FILL],
        check=False,
        capture_output=True,
        text=True,
    )
    assert fill.returncode == 0, fill.stderr
    found = json.loads(fill.stdout)
    assert len(found["acked"]) > 10
    assert found["kept"] == found["acked"]
    assert "The disk is full" in found["told"]
    assert found["reserved"] >= 1_000_000
    assert "1 MB kept in reserve are free now" in found["told"]
    assert "The disk is full" in found["again"]
    assert "reserve" not in found["again"], "it helps once"
    assert found["left"] == 0, "a full disk is not filled further by a new reserve"
    assert "The disk is full" in found["photo"]
    assert found["inspections"] == len(found["acked"]) + 1


def test_only_the_running_station_keeps_a_reserve_and_of_the_size_that_is_set(opened, folder: Path):
    ballast = folder / "ballast"
    opened(ballast_mb=3).close()
    assert not ballast.exists()
    for megabytes in (3, 3, 2):
        opened(running=True, ballast_mb=megabytes).close()
        assert ballast.stat().st_size == megabytes * 1_000_000
    opened(running=True).close()
    assert ballast.exists()


def test_a_disk_that_sets_nothing_aside_is_no_reason_not_to_work(opened, folder: Path, bench, monkeypatch):
    def refused(*_: int) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", refused)
    bench.finish(opened(running=True, ballast_mb=1))
    assert not (folder / "ballast").exists()


# ── Copies ───────────────────────────────────────────────────────────────────────────────────────────────────────────


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


def test_a_failed_copy_keeps_the_one_before(store: Store, bench, tmp_path: Path, monkeypatch):
    bench.finish(store)
    copy = tmp_path / "copy.db"
    store.backup(copy)
    before = copy.read_bytes()

    def unsound(connection: sqlite3.Connection) -> list[str]:
        return ["something is wrong"]

    monkeypatch.setattr(doors, "_contradictions", unsound)
    with pytest.raises(StoreError, match="something is wrong"):
        store.backup(copy)
    assert copy.read_bytes() == before
    assert not list(tmp_path.glob("*.partial"))


def test_verifying_what_is_not_there(tmp_path: Path):
    with pytest.raises(StoreError, match="There is no store"):
        verify(tmp_path / "nothing.db")
    assert not (tmp_path / "nothing.db").exists()
