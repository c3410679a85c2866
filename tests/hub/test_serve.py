"""`hub serve` as a process: what it tells, how it stops, and how much memory the worst of requests can take."""

import configparser
import gzip
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.hub import add_station, epoch, revoke, stations
from inspect_station.hub.edge import Limits
from inspect_station.hub.server import HANG_UP_S, LINGER_S
from inspect_station.store import EventSpec, Store
from tests import started

EPOCH = uuid7(1, bytes(10))
NDJSON = {"content-type": wire.NDJSON}


class Served:
    """A hub that runs in a process of its own."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.log = data.parent / "log"
        command = [sys.executable, "-m", "inspect_station.cli", "hub", "serve", "--data", str(data), "--port", "0"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen([*command, *options], stderr=log, env={**os.environ, "NO_COLOR": "1"})
        found = None
        until = time.monotonic() + 30
        while found is None and self.process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
            found = re.search(r"127\.0\.0\.1:(\d+)", self.log.read_text())
        assert found is not None, self.log.read_text()
        self.port = int(found[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def enrol(self) -> dict[str, str]:
        code = add_station(self.data, "DOCK-NAME")
        answer = httpx.post(f"{self.url}/v1/stations/enrol", json={"code": code, "epoch": EPOCH})
        return {"authorization": f"Bearer {answer.json()['token']}"}

    def told(self) -> list[dict[str, Any]]:
        """The log, of which each line is one JSON object."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def peak_mb(self) -> float:
        """The most memory that the process ever had."""
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) / 1024


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    hub = Served(tmp_path / "hub")
    yield hub
    if hub.process.poll() is None:
        hub.process.kill()
    hub.process.wait()


def _line(n: int = 1, **changes: Any) -> str:
    event = {"id": uuid7(3, bytes([*bytes(9), n])), "epoch": EPOCH, "seq": n, "prev_sha256": "", "schema": 1}
    event |= {"type": "parcel.received", "occurred_at": "2026-11-22T12:00:00Z", "tz": "UTC", "boot": "b", "mono_ms": 1}
    return json.dumps({**event, "operator": "jane doe", "body": {}, **changes})


def _begin(hub: Served, headers: dict[str, str], body: bytes) -> socket.socket:
    """Send a request up to the middle of its body."""
    connection = socket.create_connection(("127.0.0.1", hub.port), timeout=10)
    lines = ["POST /v1/events HTTP/1.1", "Host: hub", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in {**headers, **NDJSON}.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])
    time.sleep(0.2)
    return connection


def test_a_hub_that_is_told_to_stop_answers_what_it_began_and_turns_away_the_rest(served: Served) -> None:
    headers = served.enrol()
    body = _line().encode()
    with _begin(served, headers, body) as connection:
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.4)
        turned = httpx.get(f"{served.url}/v1/changes", headers=headers)
        ready = httpx.get(f"{served.url}/readyz")
        for answer in (turned, ready):
            assert (answer.status_code, answer.json()["code"]) == (503, "closing")
            assert int(answer.headers["retry-after"]) > 0
            assert answer.json()["hub_epoch"]
        assert httpx.get(f"{served.url}/livez").status_code == 200
        # Longer than it would linger, and then wait to hang up: it is this request that it waits for.
        time.sleep(LINGER_S + HANG_UP_S)
        assert served.process.poll() is None
        connection.sendall(body[len(body) // 2 :])
        done = b"".join(iter(lambda: connection.recv(65536), b""))
    assert done.startswith(b"HTTP/1.1 200")
    assert b'"status":"accepted"' in done
    assert served.process.wait(5) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{served.url}/livez")


def test_a_hub_told_twice_does_not_wait(served: Served) -> None:
    with _begin(served, served.enrol(), _line().encode()):
        served.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(5) is not None


def test_all_that_a_hub_logs_is_json_and_names_nobody(served: Served) -> None:
    headers = served.enrol()
    httpx.post(f"{served.url}/v1/events", headers={**headers, **NDJSON}, content=_line())
    httpx.post(f"{served.url}/v1/opened", headers=headers, json={"rmas": [["s", "R-1"]], "operator": "jane doe"})
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        connection.sendall(b"\x1b]0;owned\x07 HTTP/9\r\n\r\n")
        connection.recv(1000)
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(10)
    told = served.told()
    assert {"request"} < {each["event"] for each in told}
    assert {(each["route"], each["status"]) for each in told if each["event"] == "request"} == {
        ("/v1/stations/enrol", 201),
        ("/v1/events", 200),
        ("/v1/opened", 200),
    }
    text = served.log.read_text()
    token = headers["authorization"].split()[1]
    assert not [secret for secret in (token, "DOCK-NAME", "jane", "owned", "\x1b") if secret in text]


def test_the_worst_of_requests_take_little_memory(served: Served) -> None:
    headers = {**served.enrol(), **NDJSON, "content-encoding": "gzip"}
    httpx.post(f"{served.url}/v1/events", headers=headers, content=gzip.compress(_line().encode()))
    before = served.peak_mb()
    deep = _line(body=None).replace("null", "[" * 100_000 + "]" * 100_000)
    nothings = _line(body=None).replace("null", f"[{'[],' * 80_000}[]]")
    worst = [
        bytes(1 << 27),
        b"[" * (1 << 23),
        b'{"id":"' * (1 << 20),
        "\n".join([nothings] * 30).encode(),
        "\n".join([deep] * 30).encode(),
        _line(body=None).replace("null", "1" * 250_000).encode(),
    ]
    for body in worst:
        answer = httpx.post(f"{served.url}/v1/events", headers=headers, content=gzip.compress(body), timeout=30)
        assert answer.status_code in (400, 413)
    # Of the nothings alone, 5 MB as text, the values would take 170.
    assert served.peak_mb() - before < 100
    assert httpx.get(f"{served.url}/readyz").status_code == 200


def test_a_hub_without_its_keys_does_not_start(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "inspect_station.cli", "hub", "serve", "--data", str(tmp_path / "hub")]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command += ["--photos", "s3://photos"]
    found = subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=60)
    assert found.returncode == 4
    assert "AWS_ACCESS_KEY_ID" in found.stderr


def test_the_unit_for_systemd_starts_what_there_is_and_waits_long_enough() -> None:
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(Path(__file__).parents[2] / "packaging" / "inspect-station-hub.service")
    program, *words = shlex.split(unit["Service"]["ExecStart"])
    assert Path(program).name == "inspect-station"
    command = [sys.executable, "-m", "inspect_station.cli", *words, "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    assert "Run the hub" in shown
    assert int(unit["Service"]["TimeoutStopSec"]) > Limits().drain_s + HANG_UP_S


def _station(folder: Path, url: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A verb at a station whose hub is at this address."""
    (folder / "station.toml").write_text(
        f"[station]\nname = 'DOCK-1'\ndata = 'data'\n[upstream]\nenabled = true\nurl = '{url}'\n"
    )
    return started.run(*words, "--config", str(folder / "station.toml"))


def _hub(verb: str, file: str, data: Path) -> subprocess.CompletedProcess[str]:
    return started.run("hub", verb, file, "--data", str(data))


def _hub_of(done: subprocess.CompletedProcess[str]) -> str:
    return next(str(each["found"]) for each in json.loads(done.stdout)["checks"] if each["name"] == "hub")


def test_a_station_that_moves_to_another_hub_says_so_and_brings_all_it_has(served: Served, tmp_path: Path) -> None:
    station, new = tmp_path / "station", tmp_path / "new" / "hub"
    station.mkdir()
    new.parent.mkdir()
    first = _station(station, served.url, "sync", "--enrol", add_station(served.data, "DOCK-1"))
    assert first.returncode == 0
    with (
        Store.open(station / "data", clock=lambda: datetime.now(UTC), station="DOCK-1") as store,
        store.write() as writer,
    ):
        for n in range(3):
            writer.append_event(EventSpec("parcel.received", {"n": n}, "ana", datetime.now(UTC)))
    assert json.loads(_station(station, served.url, "sync", "--json").stdout)["sent"] == 3
    assert _hub_of(_station(station, served.url, "doctor", "--json")) == f"{served.url} answers"

    other = Served(new)
    try:
        apart = _station(station, other.url, "sync", "--json")
        assert (apart.returncode, "not enrolled" in json.loads(apart.stdout)["problem"]) == (1, True)
        assert "not enrolled there" in _hub_of(_station(station, other.url, "doctor", "--json"))
        code = add_station(new, "DOCK-1")
        moved = _station(station, other.url, "sync", "--enrol", code, "--json")
        told = json.loads(moved.stdout)
        assert (moved.returncode, told["sent"], told["waiting"]) == (0, 3, 0), "in one go"
        assert [each["events"] for each in stations(new)] == [3]

        revoke(new, "DOCK-1", "station")
        looked = _station(station, other.url, "doctor", "--json")
        assert (looked.returncode, "does not know this station any more" in _hub_of(looked)) == (1, True)
    finally:
        other.process.kill()
        other.process.wait()


def test_a_hub_is_copied_while_it_runs_and_put_back_as_a_new_epoch(served: Served, tmp_path: Path) -> None:
    served.enrol()
    copy, was = tmp_path / "copy.db", epoch(served.data)
    assert _hub("backup", str(copy), served.data).returncode == 0
    add_station(served.data, "DOCK-2")
    refused = _hub("restore", str(copy), served.data)
    assert (refused.returncode, "A hub already runs" in refused.stderr, "F9" in refused.stderr) == (4, True, False)
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(20)
    revoke(served.data, "DOCK-NAME", "station")
    put_back = _hub("restore", str(copy), served.data)
    assert (put_back.returncode, "aside" in put_back.stderr) == (0, True)
    assert epoch(served.data) != was, "so stations send again what it lacks"
    assert [(each["name"], each["state"]) for each in stations(served.data)] == [("DOCK-NAME", "known")], "as it was"


@pytest.mark.parametrize(("verb", "tool"), [("backup", "pg_dump"), ("restore", "pg_restore")])
def test_a_hub_on_postgresql_is_copied_and_put_back_by_its_database(tmp_path: Path, verb: str, tool: str) -> None:
    command = [sys.executable, "-m", "inspect_station.cli", "hub", verb, str(tmp_path / "copy.db")]
    address = {"INSPECT_STATION_DATABASE": "postgresql+psycopg:///hub"}
    refused = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path, env={**os.environ, **address}
    )
    assert (refused.returncode, tool in refused.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "said"),
    [
        pytest.param("127.0.0.1", "or choose --port", id="a port that is taken"),
        pytest.param("192.0.2.1", "--host is an address of this machine", id="another machine's address"),
    ],
)
def test_a_hub_that_cannot_listen_says_why_and_a_way_out(tmp_path: Path, host: str, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, "-m", "inspect_station.cli", "hub", "serve", "--data", str(tmp_path / "hub")]
        done = subprocess.run(
            [*command, "--host", host, "--port", str(port)], check=False, capture_output=True, text=True, timeout=60
        )
    title, hint = done.stderr.splitlines()[-2:]
    assert (done.returncode, f"{host}, port {port}: " in title, said in hint) == (1, True, True)


def test_what_is_in_a_hubs_way_stands_in_its_log(served: Served) -> None:
    headers = served.enrol()
    store = served.data / "store.db"
    store.rename(store.with_name("away"))
    store.mkdir()
    assert httpx.get(f"{served.url}/v1/changes", headers=headers).status_code == 503
    (told,) = [each for each in served.told() if each["event"] == "broken"]
    assert (told["error"], told["cause"]) == ("StoreError", "OperationalError")
    assert str(store) in told["said"]
    assert any("doors.py:" in each for each in told["where"])
