"""What saving a finished unit costs beside the same rows written with plain `sqlite3`, in one run (sync.md §5, G1).

The save path is the last step of an inspection: one commit through `Store.write` with the unit's record, its event for
the hub (a line with its hash, chained to the one before), its label, its photos, and its draft removed. Beside it, with
the same journal and the same ``synchronous``, in a database of the same schema: the very same rows as ready values, one
INSERT after the other. So the ratio is what our own work costs: making the record's JSON, its line and hash, and asking
what is there already. Run it with ``uv run python benchmarks/save.py``; quote the ratio, machines are noisy.

G1 wants at least half of the rate. ``--sync-off`` leaves the disk's syncs out: only the work itself is compared.
"""

import argparse
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from inspect_station.core.records import Disposition, Finding, Grade, Inspection, Line, Money, Photo, Product
from inspect_station.store import EventSpec, LabelSpec, Store
from inspect_station.store.doors import journal_mode

WRITTEN = ("inspection", "event", "label", "photo")
"""Tables in which finishing leaves rows; and the draft goes."""
GOAL = 0.5
ROUND = 25
"""Units saved in one go before it is the other's turn."""


def clock() -> datetime:
    """Now."""
    return datetime.now(UTC)


def drafted(store: Store, n: int) -> Inspection:
    """A unit as it stands before it is finished: eight answers, two photos, saved as a draft."""
    with store.write() as writer:
        unit = Inspection(
            id=writer.new_id(),
            lpn=writer.take_lpns(1)[0],
            station="DOCK-3",
            parcel=f"p-{n}",
            seller="lumo",
            rma=f"4711-{n:06}",
            line=Line(no=1, gtin="03700471002479", reason="CHANGED_MIND", quantity=3),
            product=Product(seller="lumo", gtin="03700471002479", title="Kettle 1.7 l steel", sku="LU-3"),
            operator="ana",
            started_at=clock(),
            findings=(Finding(code="light_traces"),),
            notes=tuple(f"answer {each}" for each in range(8)),
            photos=tuple(
                Photo(slot=slot, sha256=f"{n:062x}{slot_no:02x}", by="ana", at=clock())
                for slot_no, slot in enumerate(("damage", "parts"))
            ),
        )
        writer.save_draft(unit)
    return unit


def finish(store: Store, unit: Inspection) -> None:
    """The save path."""
    done = unit.but(
        grade=Grade.USED,
        disposition=Disposition.CLEARANCE,
        price=Money(minor=29925),
        list_price=Money(minor=39900),
        discount=25,
        finished_at=clock(),
        finished_by="ana",
    )
    with store.write() as writer:
        event = EventSpec("inspection.finished", done.model_dump(mode="json"), "ana", clock())
        number = writer.next_print_no(done.lpn)
        label = LabelSpec(
            done.lpn, done.id, "clearance", number, {"barcode": f"{done.lpn}/{number}", "title": "Kettle"}
        )
        writer.finish(done, event, label)


class Raw:
    """The same rows, as ready values, through one connection of `sqlite3` with the same settings."""

    def __init__(self, folder: Path, like: Path, synchronous: str) -> None:
        self._connection = sqlite3.connect(folder / "store.db", isolation_level=None)
        for setting in (f"synchronous = {synchronous}", "foreign_keys = 1", "recursive_triggers = 1"):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.execute(f"PRAGMA journal_mode = {journal_mode(sqlite3.sqlite_version_info)}")
        with closing(sqlite3.connect(like, isolation_level=None)) as done:
            self._units = [row for (row,) in done.execute("SELECT id FROM inspection ORDER BY rowid")]
            self._rows = {unit: list(self._of(done, unit)) for unit in self._units}

    @staticmethod
    def _of(done: sqlite3.Connection, unit: str) -> Sequence[tuple[str, Sequence[object]]]:
        key = {"inspection": "id = ?1", "label": "inspection = ?1", "photo": "inspection = ?1"}
        key["event"] = "id = (SELECT event_id FROM inspection WHERE id = ?1)"
        statements = []
        for table in WRITTEN:
            for row in done.execute(f"SELECT * FROM {table} WHERE {key[table]}", (unit,)):
                statements.append((f"INSERT OR REPLACE INTO {table} VALUES ({', '.join('?' * len(row))})", row))
        return [*statements, ("DELETE FROM draft WHERE id = ?", (unit,))]

    def save(self, n: int) -> None:
        """The n-th unit, in one commit."""
        self._connection.execute("BEGIN IMMEDIATE")
        for sql, values in self._rows[self._units[n]]:
            self._connection.execute(sql, values)
        self._connection.execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()


def timed(work: Callable[[int], None], units: range) -> list[float]:
    """Seconds for each unit."""
    times = []
    for n in units:
        started = time.perf_counter()
        work(n)
        times.append(time.perf_counter() - started)
    return times


def prepared(folder: Path, units: int) -> tuple[list[Inspection], Path]:
    """Drafts in a store, twice: one to save through our doors, one to write into."""
    with Store.open(folder / "ours", clock=clock, station="DOCK-3") as store:
        drafts = [drafted(store, n) for n in range(units)]
    return drafts, Path(shutil.copytree(folder / "ours", folder / "raw"))


def main() -> int:
    """Save in turns, and print medians and the ratio; 1 where the goal is missed."""
    options = argparse.ArgumentParser(description="The save path beside plain sqlite3.")
    options.add_argument("--units", type=int, default=400)
    options.add_argument("--sync-off", action="store_true", help="compare the work alone, without the disk's syncs")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        drafts, raw_folder = prepared(folder, asked.units)
        # What plain sqlite3 shall write is made by saving the units once, in a copy.
        rehearsal = Path(shutil.copytree(folder / "ours", folder / "rehearsal"))
        with Store.open(rehearsal, clock=clock, station="DOCK-3") as store:
            for unit in drafts:
                finish(store, unit)
        raw = Raw(raw_folder, rehearsal / "store.db", "OFF" if asked.sync_off else "EXTRA")
        with Store.open(folder / "ours", clock=clock, station="DOCK-3", running=True) as store:
            if asked.sync_off:
                with store.write():
                    pass
                assert store._writing is not None
                store._writing.execute("PRAGMA synchronous = OFF")
            ours: list[float] = []
            theirs: list[float] = []
            for start in range(0, asked.units, ROUND):
                units = range(start, min(start + ROUND, asked.units))
                ours += timed(lambda n: finish(store, drafts[n]), units)
                theirs += timed(raw.save, units)
            with store.read() as reader:
                assert reader.size() == (asked.units, asked.units)
        raw.close()
        with closing(sqlite3.connect(raw_folder / "store.db")) as written:
            counts = [written.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in (*WRITTEN, "draft")]
        assert counts == [asked.units, asked.units, asked.units, 2 * asked.units, 0], counts
    ratio = statistics.median(theirs) / statistics.median(ours)
    journal = journal_mode(sqlite3.sqlite_version_info)
    print(f"SQLite {sqlite3.sqlite_version}, journal {journal}, synchronous {'OFF' if asked.sync_off else 'EXTRA'}")
    for name, times in (("saving a finished unit", ours), ("plain sqlite3", theirs)):
        late = sorted(times)[int(len(times) * 0.99) - 1]
        print(f"{name:23} {statistics.median(times) * 1000:.2f} ms  (p99 {late * 1000:.1f} ms)")
    print(f"ratio of the rates      {ratio:.2f}  (goal: at least {GOAL})")
    return int(ratio < GOAL and not asked.sync_off)


if __name__ == "__main__":
    sys.exit(main())
