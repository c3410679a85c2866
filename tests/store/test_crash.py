"""What the dock was told is saved is there, whenever the process dies; and processes do not undo one another."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from inspect_station.store import Store, verify

STATION = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.core.records import Disposition, Grade, Inspection, Photo
from inspect_station.store import EventSpec, LabelSpec, Store

clock = lambda: datetime.now(UTC)
with Store.open(Path(sys.argv[1]), clock=clock, station="DOCK-3", running=True) as store:
    print("open", flush=True)
    while True:
        photo = store.blobs.put(clock().isoformat().encode() * 1000)
        with store.write() as writer:
            unit = Inspection(id=writer.new_id(), lpn=writer.take_lpns(1)[0], station="DOCK-3", parcel="p",
                started_at=clock(), photos=(Photo(slot="damage", sha256=photo),))
            writer.save_draft(unit)
        unit = unit.but(finished_at=clock(), grade=Grade.LIGHT, disposition=Disposition.CLEARANCE)
        with store.write() as writer:
            event = EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", clock())
            label = LabelSpec(unit.lpn, unit.id, "clearance", 1, {"barcode": f"{unit.lpn}/1"})
            writer.finish(unit, event, label)
        print(unit.lpn, flush=True)
"""

COUNTER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.store import Store

with Store.open(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), station="DOCK-3") as store:
    print("open", flush=True)
    sys.stdin.readline()
    for _ in range(200):
        with store.write() as writer:
            writer.set_meta("count", str(int(writer.meta("count") or 0) + 1))
"""


def test_whenever_the_process_is_killed_every_saved_unit_is_there_and_none_by_half(folder: Path, opened):
    chance = random.Random(20261122)
    acked: list[str] = []
    for _ in range(10):
        # Each start is as the running station: the lock of the one that was killed must be gone.
        with subprocess.Popen([sys.executable, "-c", STATION, folder], stdout=subprocess.PIPE, text=True) as station:
            assert station.stdout is not None
            assert station.stdout.readline() == "open\n"
            time.sleep(chance.uniform(0, 0.15))
            station.send_signal(signal.SIGKILL)
            # A line that is cut was not shown to anybody.
            acked += [line.strip() for line in station.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        assert station.returncode == -signal.SIGKILL
    assert len(acked) > 10, "the station was too slow to show anything"

    store = opened(running=True)
    with store.read() as reader:
        units = reader.last_units(100_000)
        events = reader.pending_events(100_000)
        labels = reader.labels("queued")
        drafts = reader.drafts()
        photos = [photo for unit in units for photo in reader.photos(unit.id)]
    saved = {unit.lpn for unit in units}
    assert not set(acked) - saved
    assert len(saved) == len(units)
    assert {unit.id for unit in units} == {label.inspection for label in labels}
    assert len(labels) == len(events) == len(units)
    assert len(saved) <= len(acked) + 10, "at most one unit per kill may be saved and not shown"
    assert not {draft.lpn for draft in drafts} & saved
    assert all(store.blobs.get(photo.sha256) for photo in photos)
    assert len(photos) == len(units)
    assert verify(folder / "store.db").inspections == len(units)


def test_two_processes_that_count_lose_nothing(folder: Path, opened: Callable[..., Store]):
    counters = [
        subprocess.Popen(
            [sys.executable, "-c", COUNTER, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for counter in counters:
        assert counter.stdout is not None
        assert counter.stdout.readline() == "open\n"
    for counter in counters:
        assert counter.stdin is not None
        counter.stdin.write("go\n")
        counter.stdin.flush()
    for counter in counters:
        counter.communicate(timeout=60)
        assert counter.returncode == 0
    with opened().read() as reader:
        assert reader.meta("count") == "400"
