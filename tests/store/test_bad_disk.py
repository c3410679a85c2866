"""Real errors of a real disk, under the real program: sync, write and space fail, or the disk is read-only."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from inspect_station.store import verify

WORK = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.core.records import Grade, Inspection
from inspect_station.errors import StoreError
from inspect_station.store import EventSpec, Store

clock, told, id = lambda: datetime.now(UTC), [], ""
with Store.open(Path(sys.argv[1]), clock=clock, station="DOCK-3", running=True) as store:
    for _ in range(4):
        try:
            with store.write() as writer:
                id = writer.new_id()
                unit = Inspection(id=id, lpn=writer.take_lpns(1)[0], station="D", parcel="p",
                    started_at=clock(), finished_at=clock(), grade=Grade.USED)
                writer.finish(unit, EventSpec("inspection.finished", {"id": id}, "ana", clock()))
            told.append([id, "saved"])
        except StoreError as error:
            told.append([id, str(error.title)])
print(json.dumps(told))
"""


def strace(*options: str) -> list[str]:
    """The command that lets system calls of a program fail; skips where there is none, or it may not."""
    command = [shutil.which("strace") or "", "-f", "-qq", "-e", "signal=none", *options]
    if not command[0]:
        pytest.skip("strace is not installed")
    if subprocess.run([*command, "-o", os.devnull, "true"], check=False, capture_output=True).returncode:
        pytest.skip("strace may not trace here")
    return command


def run(command: list[str], folder: Path) -> list[tuple[str, str]]:
    ran = subprocess.run([*command, sys.executable, "-c", WORK, folder], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return [(id, said) for id, said in json.loads(ran.stdout)]


@pytest.mark.parametrize(
    ("call", "error", "least"),
    [
        pytest.param("fdatasync", "EIO", 3, id="the disk does not sync"),
        pytest.param("pwrite64", "EIO", 5, id="the disk does not write"),
        pytest.param("pwrite64", "ENOSPC", 5, id="the disk is full"),
        pytest.param("unlink", "EIO", 1, id="the journal stays"),
    ],
)
def test_whatever_call_fails_in_a_commit_the_operator_hears_what_is_true(
    folder: Path, tmp_path: Path, call: str, error: str, least: int
):
    """Faults 7 and 8: what is said to be saved is there, what is said not to be is not; the next step works."""
    log = tmp_path / "calls"
    run(strace("-e", f"trace={call}", "-o", str(log)), Path(shutil.copytree(folder, tmp_path / "counted")))
    count = len(log.read_text().splitlines())
    assert count > least
    # The last two commits of the four: each of their calls once, or some of many.
    failing = range(count, count // 2, -max(1, count // 2 // 4))
    heard = []
    for n in failing:
        place = Path(shutil.copytree(folder, tmp_path / f"fails-{n}"))
        told = run(
            strace("-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={n}", "-o", os.devnull), place
        )
        assert verify(place / "store.db").inspections == sum(
            said == "saved" or "stands there" in said for _, said in told
        )
        with closing(sqlite3.connect(place / "store.db")) as connection:
            kept = {id for (id,) in connection.execute("SELECT id FROM inspection")}
        for id, said in told:
            assert (id in kept) == (said == "saved" or "stands there" in said), said
        heard += [said for _, said in told if said != "saved"]
        assert sum(said != "saved" for _, said in told) <= 1, "after the error work goes on"
    assert heard, "no error was ever heard"
    assert not any("Perhaps" in said for said in heard)


def in_private_mount(script: str, *given: str | Path) -> subprocess.CompletedProcess[str]:
    """A shell with mounts of its own, which end with it; skips where that is not allowed."""
    private = [shutil.which("unshare") or "unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]
    if not shutil.which("unshare") or subprocess.run([*private, "true"], check=False, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here: it needs root or user namespaces")
    return subprocess.run([*private, script, *map(str, given)], check=False, capture_output=True, text=True)


OPEN = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.errors import StoreError
from inspect_station.store import Store
try:
    Store.open(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), station="DOCK-3", running=True).close()
    print("open")
except StoreError as error:
    print(error.title)
    print(error.hint)
"""


def test_on_a_read_only_disk_the_station_does_not_start_and_says_why(folder: Path):
    """Fault 10: as after an error, when the system has mounted the disk anew."""
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec "$2" -c "$3" "$1"'
    ran = in_private_mount(script, "sh", folder, sys.executable, OPEN)
    assert ran.returncode == 0, ran.stderr
    assert f"The store cannot use {folder}" in ran.stdout
    assert "Read-only file system" in ran.stdout
    assert "this user may write to it" in ran.stdout


@pytest.mark.parametrize("what", ["", "blobs", "store.db"])
def test_what_this_user_may_not_write_to_is_named_at_the_start(folder: Path, what: str):
    """Root may write everywhere unless it gives that right up."""
    plain = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    if plain and not shutil.which("setpriv"):
        pytest.skip("root without setpriv may write everywhere")
    (folder / what).chmod(0o555)
    ran = subprocess.run([*plain, sys.executable, "-c", OPEN, folder], check=False, capture_output=True, text=True)
    (folder / what).chmod(0o755)
    assert ran.returncode == 0, ran.stderr
    assert f"The store cannot use {folder / what}: Permission denied" in ran.stdout
    assert "this user may write to it" in ran.stdout


FULL_OF_PHOTOS = """
import json, sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.core.records import Grade, Inspection, Photo
from inspect_station.errors import DiskFull
from inspect_station.store import EventSpec, Store, verify

clock, folder = lambda: datetime.now(UTC), Path(sys.argv[1])
with Store.open(folder, clock=clock, station="D", running=True, ballast_mb=1) as store:
    photos, told = [], ""
    with store.write() as writer:
        unit = Inspection(id=writer.new_id(), lpn=writer.take_lpns(1)[0], station="D", parcel="p", started_at=clock())
        writer.save_draft(unit)
    try:
        while True:
            photos.append(store.blobs.put(len(photos).to_bytes(4, "big") * 50_000))
    except DiskFull as error:
        told = str(error.title)
    unit = unit.but(photos=tuple(Photo(slot=f"extra{n}", sha256=each) for n, each in enumerate(photos)),
        finished_at=clock(), grade=Grade.USED)
    tries = 0
    for tries in (1, 2):
        try:
            with store.write() as writer:
                writer.finish(unit, EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", clock()))
            break
        except DiskFull:
            pass
    with store.read() as reader:
        kept = reader.inspection(unit.lpn)
    whole = all(store.blobs.get(each) for each in photos)
print(json.dumps([told, tries, len(photos), kept == unit, whole, verify(folder / "store.db").inspections]))
"""


def test_a_disk_that_photos_have_filled_takes_the_unit_that_is_on_the_bench(tmp_path: Path):
    """Fault 9, on a file system of 5 MB: no photo is there by half, and the reserve lets the unit be finished."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = 'mount -t tmpfs -o size=5m none "$1" && exec "$2" -c "$3" "$1"'
    ran = in_private_mount(script, "sh", disk, sys.executable, FULL_OF_PHOTOS)
    assert ran.returncode == 0, ran.stderr
    told, tries, photos, same, whole, inspections = json.loads(ran.stdout)
    assert "The disk is full: the photo was not saved" in told
    assert photos > 3 and same and whole and inspections == 1
    assert tries in (1, 2)
