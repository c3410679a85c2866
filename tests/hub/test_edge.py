"""How much a hub takes, how fast, and what can be seen of it; a real server on a real socket where time matters."""

import gzip
import json
import logging
import math
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.errors import StoreLocked
from inspect_station.hub import Hub, add_station, add_supervisor, intake
from inspect_station.hub.app import create_app
from inspect_station.hub.edge import Buckets, Limits
from inspect_station.hub.watch import JsonLines
from inspect_station.message import msg

EPOCH = uuid7(1, bytes(10))
NDJSON = {"content-type": wire.NDJSON}


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder, made once: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    Hub.open(folder).close()
    return folder


@pytest.fixture
def hub(empty: Path, tmp_path: Path) -> Iterator[Hub]:
    with Hub.open(shutil.copytree(empty, tmp_path / "hub")) as opened:
        yield opened


def _client(hub: Hub, **limits: Any) -> TestClient:
    return TestClient(create_app(hub, limits=Limits(**limits)), raise_server_exceptions=False)


def _enrol(client: TestClient, hub: Hub, name: str = "DOCK-1") -> dict[str, str]:
    code = add_station(hub.store.folder, name)
    answer = client.post("/v1/stations/enrol", json={"code": code, "epoch": uuid7(2, name.encode().ljust(10)[:10])})
    return {"authorization": f"Bearer {answer.json()['token']}"}


def _line(n: int = 1, **changes: Any) -> str:
    event = {"id": uuid7(3, bytes([*bytes(9), n])), "epoch": EPOCH, "seq": n, "prev_sha256": "", "schema": 1}
    event |= {"type": "parcel.received", "occurred_at": "2026-11-22T12:00:00Z", "tz": "UTC", "boot": "b", "mono_ms": 1}
    return json.dumps({**event, "operator": "ana", "body": {}, **changes})


# ── How much at once ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bucket_fills_up_again_at_its_rate_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    bucket = Buckets(rate=2, burst=3)
    assert [bucket.take("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert bucket.take("b") == 0, "another's is its own"
    now += 0.5
    assert [bucket.take("a"), bucket.take("a")] == [0, 0.5]
    now += 1000
    assert [bucket.take("a") for _ in range(4)] == [0, 0, 0, 0.5]


def test_a_station_that_asks_too_much_is_told_when_to_come_back_and_others_are_answered(hub: Hub) -> None:
    client = _client(hub, rate=0.1, burst=3)
    greedy, other = _enrol(client, hub), _enrol(client, hub, "DOCK-2")
    answers = [client.get("/v1/changes", headers=greedy) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[-1].json()["code"] == "too_many"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 11
    assert client.get("/v1/changes", headers=other).status_code == 200


def test_strangers_who_guess_codes_are_slowed_down(hub: Hub) -> None:
    client = _client(hub, enrolments=0.2)
    guesses = [client.post("/v1/stations/enrol", json={"code": "GUESS", "epoch": EPOCH}) for _ in range(3)]
    assert [answer.status_code for answer in guesses] == [401, 401, 429]
    assert int(guesses[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("limits", "method", "path"),
    [
        pytest.param({"ingests": 0}, "POST", "/v1/events", id="events"),
        pytest.param({"photos": 0}, "PUT", f"/v1/blobs/{'0' * 64}", id="photos"),
        pytest.param({"requests": 0}, "GET", "/v1/changes", id="anything"),
    ],
)
def test_a_hub_that_is_full_asks_to_come_back(hub: Hub, limits: dict[str, int], method: str, path: str) -> None:
    headers = _enrol(_client(hub), hub)
    client = _client(hub, **limits)
    mime = {"content-type": "image/png"} if method == "PUT" else NDJSON
    answer = client.request(method, path, headers={**headers, **mime}, content=_line())
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.json()["hub_epoch"] == hub.epoch
    assert client.get("/livez").status_code == 200


def test_a_hub_is_not_full_any_more_when_its_requests_are_answered(hub: Hub) -> None:
    client = _client(hub, ingests=1, photos=1, requests=1)
    headers = _enrol(client, hub)
    for _ in range(3):
        assert client.post("/v1/events", headers={**headers, **NDJSON}, content=_line()).status_code == 200
        assert client.post("/v1/events", headers={**headers, **NDJSON}, content="{}").status_code == 400
        assert client.post(f"/v1/blobs/{'0' * 64}/complete", headers=headers).status_code == 404


# ── What is in it ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("line", "status"),
    [
        pytest.param(_line(body={"x": "y" * wire.MAX_LINE}), 413, id="an event without end"),
        pytest.param("\n".join([_line(body=[[]] * 60_000)] * 9), 413, id="a million values"),
        pytest.param(_line(body=None).replace("null", "[" * 50_000 + "]" * 50_000), 400, id="50,000 deep"),
        pytest.param(_line(body=None).replace("null", "1" * 5000), 400, id="a number of 5,000 digits"),
        pytest.param(_line(body=None).replace("null", "NaN"), 400, id="NaN"),
        pytest.param(_line(body=None).replace("null", '{"a":1,"a":2}'), 400, id="a key twice"),
        pytest.param(_line(body=None).replace("null", r'"\udc00"'), 400, id="half a surrogate pair"),
        pytest.param(_line(body={"n": 10**400}, type="inspection.finished"), 200, id="10^400, kept aside"),
    ],
)
def test_hostile_json_is_refused_or_kept_aside(hub: Hub, line: str, status: int) -> None:
    client = _client(hub)
    headers = {**_enrol(client, hub), **NDJSON, "content-encoding": "gzip"}
    answer = client.post("/v1/events", headers=headers, content=gzip.compress(line.encode()))
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["receipts"][0]["status"] == "rejected"
    assert client.get("/readyz").status_code == 200


def test_how_much_there_is_to_read_is_known_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "read", lambda *_: pytest.fail("read"))
    for body in (b"[" * (intake.MAX_VALUES + 1), b"x" * (wire.MAX_LINE + 1), b"x\n" * (wire.MAX_EVENTS + 1)):
        with pytest.raises(intake.TooLarge):
            intake.lines(body)


# ── How fast ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _running(hub: Hub, **limits: Any) -> Iterator[int]:
    """The hub on a port of this machine."""
    app = create_app(hub, limits=Limits(**limits))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)


def _head(path: str, length: int, headers: dict[str, str]) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: hub", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in headers.items()), "", ""]).encode()


def _rest(connection: socket.socket) -> bytes:
    """All that comes until the hub hangs up."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize("drips", [False, True], ids=["a body that stops", "a body that drips"])
def test_a_slow_body_is_given_up_and_the_hub_goes_on(hub: Hub, drips: bool) -> None:
    headers = {**_enrol(_client(hub), hub), **NDJSON}
    with (
        _running(hub, silence_s=0.5, patience_s=1.2) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        started = time.monotonic()
        connection.sendall(_head("/v1/events", 1000, headers))
        if drips:
            connection.settimeout(0.1)
            answer = b""
            while not answer and time.monotonic() - started < 10:
                try:
                    connection.sendall(b" ")
                    answer = connection.recv(65536)
                except TimeoutError:
                    continue
            connection.settimeout(10)
            answer += _rest(connection)
        else:
            answer = _rest(connection)
        waited = time.monotonic() - started
        assert answer.startswith(b"HTTP/1.1 408")
        assert b'"code":"slow"' in answer
        assert b"connection: close" in answer
        assert waited > (1.1 if drips else 0.4), "a body that drips has longer"


def test_a_station_that_keeps_many_requests_open_keeps_out_nobody_else(hub: Hub) -> None:
    client = _client(hub)
    greedy, other = ({**_enrol(client, hub, name), **NDJSON} for name in ("DOCK-1", "DOCK-2"))
    with _running(hub, ingests=4, of_one=3) as port, ExitStack() as held:
        for _ in range(3):
            connection = socket.create_connection(("127.0.0.1", port), timeout=10)
            held.enter_context(connection).sendall(_head("/v1/events", 1000, greedy))
        time.sleep(0.3)
        answers = [
            httpx.post(f"http://127.0.0.1:{port}/v1/events", headers=headers, content=_line())
            for headers in (greedy, other)
        ]
    assert [answer.status_code for answer in answers] == [429, 200]
    assert int(answers[0].headers["retry-after"]) > 0


def test_a_body_that_is_slow_but_steady_arrives(hub: Hub) -> None:
    headers = {**_enrol(_client(hub), hub), **NDJSON}
    body = _line().encode()
    with (
        _running(hub, silence_s=0.8, patience_s=30) as port,
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
    ):
        connection.sendall(_head("/v1/events", len(body), headers))
        for at in range(0, len(body), 40):
            connection.sendall(body[at : at + 40])
            time.sleep(0.15)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_client_that_hangs_up_in_the_middle_leaves_nothing_behind(hub: Hub) -> None:
    headers = {**_enrol(_client(hub), hub), **NDJSON}
    with _running(hub, ingests=1) as port:
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(_head("/v1/events", 1000, headers) + b"{")
        for _ in range(50):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                body = _line().encode()
                connection.sendall(_head("/v1/events", len(body), headers) + body)
                answer = connection.recv(65536)
            if answer.startswith(b"HTTP/1.1 200"):
                break
            time.sleep(0.05)
        assert answer.startswith(b"HTTP/1.1 200")


# ── What can be seen ─────────────────────────────────────────────────────────────────────────────────────────────────


def _figures(client: TestClient) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_while_the_store_is_in_the_way_there_are_figures_all_the_same(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _client(hub)
    assert _figures(client)["hub_parked",] == 0

    def away() -> Any:
        raise StoreLocked(msg("away"), msg("wait"))

    monkeypatch.setattr(hub, "read", away)
    found = _figures(client)
    assert math.isnan(found["hub_parked",])
    assert found["hub_in_flight",] == 1
    assert found["hub_requests_total", "GET", "/metrics", "200"] >= 1


def test_the_figures_say_what_happened(hub: Hub) -> None:
    client = _client(hub)
    headers = _enrol(client, hub)
    body = "\n".join([_line(1), _line(1), _line(2, type="inspection.finished"), _line(3, type="weight.measured")])
    client.post("/v1/events", headers={**headers, **NDJSON}, content=body)
    client.put(f"/v1/blobs/{'0' * 64}", headers={**headers, "content-type": "image/jpeg"}, content=b"\xff\xd8\xff")
    client.get("/v1/nowhere")
    client.request("BREW", "/v1/events")
    found = _figures(client)
    for status in ("accepted", "duplicate", "rejected", "retry"):
        assert found["hub_events_total", status] == 1
    assert found["hub_photos_total", "photo_hash_mismatch"] == 1
    assert (found["hub_stations",], found["hub_parked",], found["hub_photos_missing",]) == (1, 1, 0)
    assert found["hub_in_flight",] == 1, "this very request"
    assert found["hub_requests_total", "POST", "/v1/events", "200"] == 1
    assert found["hub_requests_total", "PUT", "/v1/blobs/{sha256}", "422"] == 1
    assert found["hub_request_seconds_count", "/v1/events"] >= 1
    assert found["hub_requests_total", "GET", "unknown", "404"] == 1, "no stranger makes new series"
    assert not [key for key in found if "BREW" in key or "/v1/nowhere" in key]


def test_two_hubs_in_one_process_count_each_for_itself(hub: Hub) -> None:
    one, two = _client(hub), _client(hub)
    one.get("/livez")
    assert ("hub_requests_total", "GET", "/livez", "200") in _figures(one)
    assert ("hub_requests_total", "GET", "/livez", "200") not in _figures(two)


def test_the_log_names_ids_and_codes_and_nothing_that_anybody_wrote(
    hub: Hub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _client(hub)
    with caplog.at_level(logging.INFO):
        headers = _enrol(client, hub, "DOCK-NAME")
        boss = add_supervisor(hub.store.folder, "chief-name")
        client.post("/v1/events", headers={**headers, **NDJSON}, content=_line(operator="jane doe"))
        client.get("/v1/parked", headers={"authorization": f"Bearer {boss}"})
        client.get("/v1/%1B]0;owned%07", headers=headers)

        def fail() -> None:
            raise ValueError("jane doe, 12 elm street \x1b[31m")

        monkeypatch.setattr(hub, "write", fail)
        assert client.post("/v1/events", headers={**headers, **NDJSON}, content=_line(2)).status_code == 500
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith("inspect_station")]
    told = [json.loads(line) for line in lines]
    secrets = (headers["authorization"].split()[1], boss, "DOCK-NAME", "chief-name", "jane", "elm", "owned", "\x1b")
    assert not [(line, secret) for line in lines for secret in secrets if secret in line]
    assert all(line.isascii() and line.isprintable() for line in lines)
    with hub.read() as ledger:
        (row,) = ledger._rows("SELECT id FROM hub_station WHERE scope = 'station'")
    sent = [each for each in told if each.get("route") == "/v1/events"]
    assert [(each["status"], each["station"]) for each in sent] == [(200, row["id"]), (500, row["id"])]
    (broken,) = (each for each in told if "error" in each)
    assert broken["error"] == "ValueError"
    assert any("app.py" in place for place in broken["where"])


def test_a_message_with_control_characters_is_one_line_of_ascii() -> None:
    record = logging.LogRecord("uvicorn", logging.WARNING, "", 0, "a\nb\x1b]52;c;x\x07\x9b%s", ("é\u202e",), None)
    line = JsonLines().format(record)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["event"] == "a\nb\x1b]52;c;x\x07\x9bé\u202e"
