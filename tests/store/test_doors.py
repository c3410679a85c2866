"""The doors: one writer at a time, all or nothing, and a plain word where the file is not what it should be."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
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
        assert reader.meta("block") == "", "not even a plate was taken"


def test_a_reader_cannot_write(store: Store):
    with pytest.raises(StoreError, match="readonly"), store.read() as reader:
        reader._connection.execute("DELETE FROM meta")


def test_a_reader_left_open_holds_up_no_commit(store: Store, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.2)
    for _ in range(3):
        bench.finish(store)
    with store.read() as reader:
        assert len(reader.last_units(3)) == 3
        unit = bench.finish(store)
        assert reader.inspection(unit.lpn) == unit


def test_a_commit_that_cannot_be_is_undone_and_the_next_one_works(store: Store, folder: Path, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.1)
    store.close()  # so that it connects with that patience
    other = sqlite3.connect(folder / "store.db", isolation_level=None)
    other.execute("BEGIN")
    other.execute("SELECT * FROM meta").fetchall()  # a foreign program that reads for minutes
    with pytest.raises(StoreLocked):
        bench.finish(store)
    other.close()
    unit = bench.finish(store)
    with store.read() as reader:
        assert reader.last_units(9) == (unit,)


class Failing(Sqlite):
    """Its disk fails in the commit: before anything of it is there, or after all of it."""

    tried = 0
    after = False

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql != "COMMIT":
            return super().execute(sql, *values)
        self.tried += 1
        if self.after:
            super().execute(sql)
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error


@pytest.mark.parametrize("after", [pytest.param(False, id="before"), pytest.param(True, id="after it was written")])
@pytest.mark.parametrize("what", ["unit", "draft", "label", "news of the hub"])
def test_an_error_of_the_disk_in_a_commit_is_not_tried_again_and_what_is_there_is_told(
    store: Store, bench, after: bool, what: str
):
    """Fault 7: the file is opened anew and read, for the operator shall hear what is true."""
    first = bench.finish(store)
    broken = sqlite3.connect(store.file, isolation_level=None, factory=Failing, check_same_thread=False)
    broken.after = after
    store._writing = broken

    def step() -> None:
        with store.write() as writer:
            match what:
                case "unit":
                    unit = bench.done(bench.unit(writer))
                    writer.finish(unit, bench.event(unit), bench.label(writer, unit))
                case "draft":
                    writer.save_draft(bench.unit(writer))
                case "label":
                    writer.queue_label(bench.label(writer, first))
                case _:
                    writer.mark_photo("0" * 64, "verified")

    with pytest.raises(StoreError) as told:
        step()
    if what == "news of the hub":
        assert "Perhaps the last step was not saved" in str(told.value.title)
    else:
        assert ("the last step stands there" if after else "the last step was not saved") in str(told.value.title)
    assert broken.tried == 1
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        broken.execute("SELECT 1")
    with store.read() as reader:
        assert reader.size()[0] == 1 + (after and what == "unit")
        assert len(reader.drafts()) == (after and what == "draft")
        assert len(reader.labels_of(first.lpn)) == 1 + (after and what == "label")
    bench.finish(store)


def test_a_program_that_holds_the_store_too_long_is_named_as_the_reason(store: Store, folder: Path, bench, monkeypatch):
    monkeypatch.setattr(doors, "PATIENCE", 0.1)
    store.close()  # so that it connects with that patience
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
    assert "db restore" in str(told.value.hint)
    assert file.read_bytes() == damaged
    with pytest.raises(StoreError, match="is damaged"):
        verify(file, own=True)


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
