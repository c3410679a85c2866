"""Two hub processes on one PostgreSQL, killed under load with SIGKILL: what was confirmed is there (sync.md §3.2)."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.core.records import Disposition, Event, Grade, Inspection, Line
from inspect_station.hub import Hub, add_station
from inspect_station.hub.watch import JsonLines
from inspect_station.store import postgres

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SENDERS = 4


def _id(sender: int, n: int) -> str:
    return uuid7(1_795_000_000_000 + n, bytes([sender, *bytes(9)]))


def _line(sender: int, n: int) -> str:
    unit = Inspection(
        id=_id(100 + sender, n),
        lpn=f"L{sender}-{n}",
        station="DOCK",
        parcel="",
        seller="lumo",
        rma=f"R-{sender}-{n}",
        line=Line(no=1, gtin="03760311300165"),
        started_at=NOON,
        grade=Grade.NEW,
        disposition=Disposition.RESTOCK,
        finished_at=NOON,
    )
    event = Event(
        id=_id(sender, n),
        epoch=_id(200, sender),
        seq=n,
        prev_sha256="",
        type="inspection.finished",
        schema=1,
        occurred_at=NOON,
        tz="UTC",
        boot="b",
        mono_ms=n,
        operator="ana",
        body=unit.model_dump(mode="json"),
    )
    return event.line()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


class Replica:
    """`hub serve` as a process."""

    def __init__(self, folder: Path, database: str) -> None:
        self.port = _free_port()
        self.start: Callable[[], subprocess.Popen[bytes]] = lambda: subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from inspect_station.cli import main; main()",
                *("hub", "serve", "--data", str(folder), "--port", str(self.port)),
            ],
            env={**os.environ, "INSPECT_STATION_DATABASE": database},
            stderr=subprocess.DEVNULL,
        )
        self.process = self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ready(self) -> None:
        until = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"{self.url}/v1/readyz").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            assert self.process.poll() is None, "the hub has ended"
            assert time.monotonic() < until, "the hub does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Sender(threading.Thread):
    """A station that sends until it is told to stop, then until all is confirmed; to whichever replica answers."""

    def __init__(self, number: int, token: str, urls: list[str], stop: threading.Event) -> None:
        super().__init__()
        self.number, self.token, self.urls, self.stop = number, token, urls, stop
        self.confirmed: dict[str, str] = {}
        """SHA-256 by id."""
        self.statuses: set[int] = set()
        self.made = 0

    def run(self) -> None:
        rng = random.Random(self.number)
        waiting: dict[str, str] = {}
        until = time.monotonic() + 60
        with httpx.Client(timeout=20) as client:
            while (waiting or not self.stop.is_set()) and time.monotonic() < until:
                while len(waiting) < 20 and not self.stop.is_set():
                    self.made += 1
                    waiting[_id(self.number, self.made)] = _line(self.number, self.made)
                try:
                    answer = client.post(
                        f"{rng.choice(self.urls)}/v1/events",
                        content="\n".join(waiting.values()),
                        headers={"authorization": f"Bearer {self.token}", "content-type": wire.NDJSON},
                    )
                except httpx.TransportError:
                    time.sleep(0.1)
                    continue
                self.statuses.add(answer.status_code)
                if answer.status_code != 200:
                    assert answer.status_code != 503 or int(answer.headers["retry-after"]) > 0
                    time.sleep(0.1)
                    continue
                for receipt in answer.json()["receipts"]:
                    assert receipt["status"] in ("accepted", "duplicate")
                    self.confirmed[receipt["id"]] = receipt["sha256"]
                    del waiting[receipt["id"]]


def test_what_was_confirmed_is_there_whatever_was_killed(own_server: Any, tmp_path: Path) -> None:
    database = own_server.url(own_server.make())
    tokens = []
    with Hub.open(tmp_path / "hub", database):
        replicas = [Replica(tmp_path / "hub", database) for _ in range(2)]
    stop = threading.Event()
    try:
        for replica in replicas:
            replica.ready()
        for number in range(SENDERS):
            code = add_station(tmp_path / "hub", f"DOCK-{number}", database=database)
            granted = httpx.post(
                f"{replicas[0].url}/v1/stations/enrol",
                json={"code": code, "epoch": _id(200, number), "block": ""},
                timeout=20,
            )
            tokens.append(granted.json()["token"])
        urls = [replica.url for replica in replicas]
        senders = [Sender(number, token, urls, stop) for number, token in enumerate(tokens)]
        for sender in senders:
            sender.start()

        def under_load() -> None:
            """Until every sender was confirmed something once more."""
            counts = [len(sender.confirmed) for sender in senders]
            until = time.monotonic() + 30
            while any(len(sender.confirmed) <= count for sender, count in zip(senders, counts, strict=True)):
                assert time.monotonic() < until, "nothing goes on"
                time.sleep(0.05)

        under_load()
        with own_server.connect() as connection:
            (backend,) = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = %s LIMIT 1", (postgres.NAME,)
            ).fetchone()
        os.kill(backend, signal.SIGKILL)  # PostgreSQL then ends all sessions and recovers
        under_load()
        replicas[0].kill()
        under_load()
        replicas[0].process = replicas[0].start()
        replicas[0].ready()
        under_load()
        os.kill(own_server.pid(), signal.SIGKILL)
        time.sleep(0.5)
        assert _start_again(own_server) < 30
        under_load()
    finally:
        stop.set()
        for sender in senders:
            sender.join()
        for replica in replicas:
            replica.kill()
    assert set.union(*(sender.statuses for sender in senders)) <= {200, 503}
    confirmed = {id: sha256 for sender in senders for id, sha256 in sender.confirmed.items()}
    assert len(confirmed) == sum(sender.made for sender in senders) > 200, "all was drained"
    with Hub.open(tmp_path / "hub", database) as hub, hub.read() as ledger:
        assert {row["id"]: row["sha256"] for row in ledger._rows("SELECT id, sha256 FROM hub_event")} == confirmed
        assert ledger._rows("SELECT count(*) AS n FROM inspection")[0]["n"] == len(confirmed)


def _start_again(server: Any) -> float:
    """Seconds until it could be started: orphans of the killed one hold its memory for a moment."""
    began = time.monotonic()
    while True:
        try:
            server.control("start")
        except subprocess.SubprocessError:
            time.sleep(0.3)
            assert time.monotonic() - began < 30
        else:
            return time.monotonic() - began


def test_a_hub_whose_database_is_away_says_come_back_and_lives(
    own_server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """34."""
    from fastapi.testclient import TestClient

    from inspect_station.hub.app import create_app

    with Hub.open(tmp_path / "hub", own_server.url(own_server.make())) as hub:
        client = TestClient(create_app(hub), raise_server_exceptions=False)
        assert client.get("/v1/readyz").status_code == 200
        os.kill(own_server.pid(), signal.SIGKILL)
        time.sleep(0.5)
        answer = client.get("/v1/readyz")
        assert answer.status_code == 503
        (told,) = [json.loads(JsonLines().format(each)) for each in caplog.records if each.message == "broken"]
        assert "The database " in told["said"] and "failed" in told["said"], "the log says what is in the way"
        assert int(answer.headers["retry-after"]) > 0
        assert client.get("/v1/livez").status_code == 200
        _start_again(own_server)
        assert client.get("/v1/readyz").status_code == 200


def test_a_disk_that_is_full_under_the_database_is_507_and_the_rest_goes_on(own_server: Any, tmp_path: Path) -> None:
    """36. The table of facts is on a disk of its own, of 4 MB."""
    from fastapi.testclient import TestClient

    from inspect_station.hub.app import create_app

    disk = own_server.own.pgdata.parent / "tiny"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        name = own_server.make()
        with Hub.open(tmp_path / "hub", own_server.url(name)) as hub:
            space = disk / "space"
            space.mkdir()
            owner = own_server.own.pgdata.stat()
            os.chown(space, owner.st_uid, owner.st_gid)
            with own_server.connect(name) as connection:
                connection.execute(f"CREATE TABLESPACE tiny LOCATION '{space}'")
                connection.execute("ALTER TABLE hub_event SET TABLESPACE tiny")
            client = TestClient(create_app(hub), raise_server_exceptions=False)
            code = add_station(tmp_path / "hub", "DOCK-1", database=own_server.url(name))
            token = client.post("/v1/stations/enrol", json={"code": code, "epoch": _id(1, 1), "block": ""}).json()
            headers = {"authorization": f"Bearer {token['token']}", "content-type": wire.NDJSON}
            confirmed, status = 0, 200
            while status == 200:
                lines = "\n".join(_line(1, confirmed + n) for n in range(1, 101))
                status = client.post("/v1/events", content=lines, headers=headers).status_code
                confirmed += 100 * (status == 200)
                assert confirmed < 10_000, "the disk is not full"
            assert status == 507
            assert client.get("/v1/readyz").status_code == 200
            with hub.read() as ledger:
                assert ledger._rows("SELECT count(*) AS n FROM hub_event")[0]["n"] == confirmed
                assert ledger._rows("SELECT count(*) AS n FROM inspection")[0]["n"] == confirmed
            with own_server.connect(name) as connection:
                connection.execute("ALTER TABLE hub_event SET TABLESPACE pg_default")
                connection.execute("DROP TABLESPACE tiny")
            assert client.post("/v1/events", content=lines, headers=headers).status_code == 200
    finally:
        subprocess.run(["umount", "-l", disk], check=False)
