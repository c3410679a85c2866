"""What the hub costs the bench, and how fast what has waited arrives.

Three questions, each answered beside its own measure in the same run; quote the ratios, machines are noisy:

- saving a unit while 10,000 others wait, with the hub away and with the hub taking them, beside a store at rest;
- three days of one station (5,760 events) over a line of 10 Mbit/s, beside a line without a limit;
- many stations that come back at once after three days, beside plain inserts of the same lines in the same batches.

Run it with ``uv run python benchmarks/sync.py``. ``--only stations --stations 1000 --events 5760 --hubs 2`` is the full
size of the last one, on a PostgreSQL that two hubs share (half an hour on two cores); by default it is smaller, one hub
on SQLite, and the time is reckoned from the events per second.
"""

import argparse
import asyncio
import gzip
import hashlib
import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from psycopg.conninfo import conninfo_to_dict

from inspect_station import config
from inspect_station.core.ids import uuid7
from inspect_station.hub import Hub, add_station
from inspect_station.hub.admin import TENANT, code_hash, new_code, new_token, secret_hash
from inspect_station.outbox.sync import Pace
from inspect_station.station import open_station
from tests.faults.proxy import Proxy
from tests.faults.station import finish

THREE_DAYS = 5760
"""Events of one station: 240 an hour, eight hours a day (sync.md §2.6)."""
LONG_AGO_MS = 1_795_000_000_000
"""When those who return sent last."""
LINE = 10_000_000 / 8
"""Bytes a second of 10 Mbit/s."""
BACKLOG, ROUNDS, SAVES = 10_000, 6, 100
STATION = Path(__file__).parents[1] / "tests" / "faults" / "station.py"


# ── Processes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def process(*words: str | Path) -> Iterator[subprocess.Popen[str]]:
    """A program that runs until the end of the block."""
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen([sys.executable, *map(str, words)], text=True, **pipes) as running:
        try:
            yield running
        finally:
            running.send_signal(signal.SIGCONT)
            running.terminate()
            with suppress(subprocess.TimeoutExpired):
                running.wait(10)
            running.kill()


@dataclass(frozen=True)
class Served:
    """A hub in a process of its own."""

    port: int
    pid: int

    def busy(self) -> float:
        """Seconds of processor that it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def serving(data: Path, database: str = "") -> Iterator[Served]:
    """Run a hub."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    where = ("--database", database) if database else ()
    with process("-m", "inspect_station.cli", "hub", "serve", "--port", str(port), "--data", data, *where) as running:
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with suppress(httpx.HTTPError):
                if httpx.get(f"http://127.0.0.1:{port}/v1/livez").is_success:
                    break
            time.sleep(0.05)
        yield Served(port, running.pid)


class Station:
    """A station in a process of its own (see tests/faults/station.py)."""

    def __init__(self, running: subprocess.Popen[str], site: Path) -> None:
        self._running = running
        self.name = site.name
        self.file = site / "data" / "store.db"
        self._heard()

    def __call__(self, do: str, **how: Any) -> dict[str, Any]:
        assert self._running.stdin is not None
        self._running.stdin.write(f"{json.dumps({'do': do, **how})}\n")
        self._running.stdin.flush()
        return self._heard()

    def _heard(self) -> dict[str, Any]:
        assert self._running.stdout is not None
        told: dict[str, Any] = json.loads(self._running.stdout.readline())
        return told

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Within this block it runs; else it is held, so that it takes nothing from what it is compared with."""
        os.kill(self._running.pid, signal.SIGCONT)
        yield
        os.kill(self._running.pid, signal.SIGSTOP)


@contextmanager
def station(folder: Path, name: str, url: str) -> Iterator[Station]:
    """A station of this hub, with the settings as they are shipped; it neither sends nor fetches yet."""
    site = folder / name
    site.mkdir()
    toml = site / "station.toml"
    upstream = f'[upstream]\nenabled = true\nurl = "{url}"\n'
    toml.write_text(f'printers = []\n[station]\nname = "{name}"\n{upstream}[limits]\nballast_mb = 0\n')
    with process(STATION, toml) as running:
        yield Station(running, site)


# ── Saving while others wait ─────────────────────────────────────────────────────────────────────────────────────────


def saves(folder: Path) -> None:
    """Milliseconds to save one unit, three stations in turn."""
    hub = folder / "hub-1"
    with serving(hub) as served, Proxy(served.port) as proxy:
        url = f"http://127.0.0.1:{proxy.port}"
        with ExitStack() as stack:
            rest, away, busy = (stack.enter_context(station(folder, name, url)) for name in ("REST", "AWAY", "BUSY"))
            for each in (away, busy):
                each("enrol", code=add_station(hub, each.name))
                each("prepare", n=BACKLOG)
            proxy.down()
            three = {"at rest": rest, "hub away": away, "hub taking them": busy}
            spent: dict[str, list[float]] = {name: [] for name in three}
            away("start")
            busy("start")
            left: list[int] = []
            for each in three.values():
                with each.awake():
                    each("save", n=20)
            for _ in range(ROUNDS):
                for name, each in three.items():
                    if each is busy:
                        proxy.up()
                    with each.awake():
                        spent[name] += each("save", n=SAVES, gap=0.02)["ms"]
                        if each is busy:
                            left.append(each("state")["waiting"])
                            proxy.down()
    print(f"save, ms                    median     p99     most   over 50 ms   p99 × rest   ({ROUNDS * SAVES} each)")
    for name, each in spent.items():
        ms = sorted(each)
        ratio = p99(each) / p99(spent["at rest"])
        over = sum(one > 50 for one in ms)
        print(f"  {name:24} {statistics.median(ms):8.1f} {p99(each):8.1f} {ms[-1]:8.1f} {over:10} {ratio:12.2f}")
    print(f"  waiting at the one whose hub takes them, round by round: {left}")


def p99(values: list[float]) -> float:
    """All but one of a hundred are no larger."""
    return sorted(values)[int(len(values) * 0.99) - 1]


# ── Three days over a thin line ──────────────────────────────────────────────────────────────────────────────────────


def drain(folder: Path) -> None:
    """Seconds until the hub has all, and how long saving took meanwhile."""
    seconds: dict[str, float] = {}
    hub = folder / "hub-2"
    with serving(hub) as served:
        for name, rate in (("10 Mbit/s", LINE), ("no limit", 0.0)):
            with Proxy(served.port, rate) as proxy, station(folder, name[:2], f"http://127.0.0.1:{proxy.port}") as one:
                one("enrol", code=add_station(hub, name))
                one("prepare", n=THREE_DAYS)
                began = time.perf_counter()
                one("start")
                while one("state")["waiting"]:
                    time.sleep(0.1)
                seconds[name] = time.perf_counter() - began
                lost(one.file, hub)
    for name, each in seconds.items():
        print(f"{THREE_DAYS} events over {name:10} {each:6.1f} s   {THREE_DAYS / each:6.0f} events/s   "
              f"× {each / seconds['no limit']:.2f}")  # fmt: skip


def lost(station: Path, hub: Path) -> None:
    """See that none is."""
    with closing(sqlite3.connect(station)) as here, closing(sqlite3.connect(hub / "store.db")) as there:
        ours = set(here.execute("SELECT id, sha256 FROM event"))
        assert ours <= set(there.execute("SELECT id, sha256 FROM hub_event")), "events were lost"


# ── A thousand stations ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Returning:
    """One station that comes back: its events as bytes, the real pace, and nothing else that would cost time here."""

    token: str
    epoch: str
    line: str
    """An event as a station writes it, with marks for what differs from one to the next."""
    events: int
    pace: Pace = field(default_factory=lambda: Pace(100, 1, 300, random.random))
    seq: int = 0
    told: Counter[str] = field(default_factory=Counter)
    """What the hub answered, and how often."""
    arrived: list[tuple[float, int]] = field(default_factory=list)
    """When each batch was confirmed, and how many events were in it."""

    def batch(self) -> tuple[bytes, int]:
        """The next request, and how many events are in it."""
        n = min(self.pace.size, self.events - self.seq)
        body = gzip.compress("".join(self._line(self.seq + k + 1) for k in range(n)).encode(), 6, mtime=0)
        head = (
            "POST /v1/events HTTP/1.1\r\nhost: hub\r\ncontent-type: application/x-ndjson\r\ncontent-encoding: gzip\r\n"
            f"authorization: Bearer {self.token}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body, n

    def _line(self, seq: int) -> str:
        at = LONG_AGO_MS + seq * 15_000
        line = self.line.replace("@event", uuid7(at, random.randbytes(10))).replace("@epoch", self.epoch)
        line = line.replace("@unit", uuid7(at, random.randbytes(10)))
        return line.replace('"@seq"', str(seq)).replace("@lpn", f"L{self.epoch[:4]}{seq:06}") + "\n"

    async def come_back(self, port: int) -> None:
        """Send all, as `Sync` does: one request at a time, waiting as long as the hub asks or jitter says."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while self.seq < self.events:
            request, n = self.batch()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:-2])
            body = await reader.readexactly(int(fields["content-length"]))
            status = head[9:12].decode()
            self.told[status] += 1
            if status == "200":
                assert body.count(b'"status":"accepted"') == n, body[:500]
                self.seq += n
                self.arrived.append((time.perf_counter(), n))
                self.pace.passed(n)
                self.pace.answered()
            else:
                assert status == "503", body
                self.pace.failed(float(fields["retry-after"]))
                # A hub does not keep a connection for those who only wait.
                writer.close()
                await asyncio.sleep(self.pace.wait_s)
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()


def pattern(folder: Path) -> str:
    """The line of a real event, with marks."""
    (folder / "pattern").mkdir()
    toml = folder / "pattern" / "station.toml"
    toml.write_text('printers = []\n[station]\ndata = "data"\n')
    with open_station(config.load(toml)) as one, one.store.write() as writer:
        finish(writer, 1, datetime.now(UTC))
        (event,) = writer.pending_events()
    told = json.loads(event.line)
    told |= {"id": "@event", "epoch": "@epoch", "seq": "@seq", "prev_sha256": hashlib.sha256(b"").hexdigest()}
    # Each of an RMA of its own: of one RMA, a thousand docks would have found the same parcel.
    told["body"] |= {"id": "@unit", "lpn": "@lpn", "rma": "R-@unit"}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)


def enrolled(hub: Path, database: str, line: str, stations: int, events: int) -> list[Returning]:
    """So many stations that the hub knows."""
    made = []
    with Hub.open(hub, database) as opened:
        for at in range(0, stations, 100):
            with opened.write() as ledger:
                for n in range(at, min(at + 100, stations)):
                    code, token, epoch = code_hash(new_code()), new_token(), str(uuid.uuid4())
                    ledger.add_code(code, TENANT, f"D{n}")
                    ledger.enrol(code, secret_hash(token), epoch=epoch, block="")
                    made.append(Returning(token, epoch, line, events))
    return made


def plain(file: Path, returning: Returning, batches: int) -> float:
    """Events per second of nothing but an insert, as safe on the disk: no reading, no checks, no units."""
    rows = []
    for _ in range(batches):
        request, _ = returning.batch()
        texts = gzip.decompress(request[request.index(b"\r\n\r\n") + 4 :]).decode().splitlines()
        rows.append([(json.loads(text)["id"], hashlib.sha256(text.encode()).hexdigest(), text) for text in texts])
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("CREATE TABLE event (id TEXT PRIMARY KEY, sha256 TEXT, line TEXT) WITHOUT ROWID")
        began = time.perf_counter()
        for each in rows:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany("INSERT INTO event VALUES (?, ?, ?) ON CONFLICT DO NOTHING", each)
            connection.execute("COMMIT")
        return batches * len(rows[0]) / (time.perf_counter() - began)


@contextmanager
def database() -> Iterator[tuple[str, Callable[[], float]]]:
    """A PostgreSQL of our own: its address, and the seconds of processor that it has used."""
    from hub import started, used  # the benchmark beside this one

    with started() as (at, server):
        host = conninfo_to_dict(at)["host"]
        yield f"postgresql+psycopg:///postgres?user=postgres&host={host}", lambda: used(server)


def come_back(folder: Path, stations: int, events: int, hubs: int) -> None:
    """All at once, to one hub on SQLite or several on PostgreSQL; every event is there afterwards, once."""
    line = pattern(folder)
    with ExitStack() as stack:
        at, database_busy = stack.enter_context(database()) if hubs > 1 else ("", lambda: 0.0)
        first, *_ = folders = [folder / f"hub-3-{n}" for n in range(hubs)]
        served = [stack.enter_context(serving(each, at)) for each in folders]
        all_of_them = enrolled(first, at, line, stations, events)

        async def at_once() -> None:
            each_its_hub = zip(all_of_them, itertools.cycle(served), strict=False)
            await asyncio.gather(*(each.come_back(hub.port) for each, hub in each_its_hub))

        def work() -> float:
            return sum(each.busy() for each in served) + database_busy()

        beside = [plain(folder / "before.db", Returning("", "e" * 36, line, 10**9), 50)]
        began, busy, asking = time.perf_counter(), work(), time.process_time()
        asyncio.run(at_once())
        spent, busy, asking = time.perf_counter() - began, work() - busy, time.process_time() - asking
        beside.append(plain(folder / "after.db", Returning("", "e" * 36, line, 10**9), 50))
        with Hub.open(first, at) as hub, hub.read() as ledger:
            ((whole,),) = ledger._rows("SELECT count(*) FROM hub_event")
            ((seqs,),) = ledger._rows("SELECT count(*) FROM (SELECT DISTINCT epoch, seq FROM hub_event) AS each")
            ((reached,),) = ledger._rows("SELECT count(*) FROM hub_epoch WHERE contiguous_seq = ?", events)
    assert (whole, seqs, reached) == (stations * events, stations * events, stations), "events were lost"
    told = sum((each.told for each in all_of_them), Counter[str]())
    whole, full = stations * events, 1000 * THREE_DAYS
    # Of the last ones, each waits for its time to come back, and the hub for them: at full size that is nothing.
    arrived = sorted(each for one in all_of_them for each in one.arrived)
    most = arrived[: max(1, len(arrived) * 2 // 3)]
    rate, inserts = sum(n for _, n in most) / (most[-1][0] - began), statistics.mean(beside)
    where = f"{hubs} hubs on PostgreSQL" if hubs > 1 else "a hub on SQLite"
    print(f"{stations} stations with {events} events each, at once, to {where}: {spent:.0f} s, 0 lost; {dict(told)}")
    print(
        f"  {rate:.0f} events/s until two thirds were in; "
        f"plain inserts of such lines {inserts:.0f}, in batches of 100: × {rate / inserts:.2f}"
    )
    print(
        f"  that took {busy / whole * 1e6:.0f} µs of processor an event, those who asked {asking / busy:.2f} × as much"
    )
    print(f"  1,000 stations after three days, {full} events: {full / rate / 60:.0f} min at this rate, "
          f"{full * busy / whole / 60:.0f} min of one core")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=50, help="how many come back at once")
    parser.add_argument("--events", type=int, default=400, help="events that wait at each of them")
    parser.add_argument("--hubs", type=int, default=1, help="hubs that they come back to; several share a PostgreSQL")
    parser.add_argument("--only", choices=("saves", "drain", "stations"), help="one of the three")
    given = parser.parse_args()
    parts: dict[str, Callable[[Path], None]] = {
        "saves": saves,
        "drain": drain,
        "stations": lambda folder: come_back(folder, given.stations, given.events, given.hubs),
    }
    for name, part in parts.items():
        if given.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                part(Path(folder))
