"""The hub over HTTP: who may ask, what is answered to what, and that every answer says who gave it."""

import base64
import gzip
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from inspect_station.core import wire
from inspect_station.core.records import Event, Line, Product, Rma
from inspect_station.errors import DiskFull, StoreLocked
from inspect_station.hub import Hub, add_station, load, parked, publish
from inspect_station.hub.app import create_app
from inspect_station.hub.edge import Limits
from inspect_station.message import msg

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID = "019aab12-0000-7000-8000-00000000{:04}"
EPOCH = ID.format(0)
LAMP = Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp")


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder, made once: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    Hub.open(folder).close()
    return folder


@pytest.fixture
def data(empty: Path, tmp_path: Path) -> Path:
    return shutil.copytree(empty, tmp_path / "hub")


@pytest.fixture
def hub(data: Path, clock: Clock) -> Iterator[Hub]:
    with Hub.open(data, clock=clock) as opened:
        yield opened


@pytest.fixture
def client(hub: Hub) -> TestClient:
    # An error of the hub is an answer of it here too, as it is to a station.
    return TestClient(create_app(hub), raise_server_exceptions=False)


def _line(n: int = 1, type: str = "parcel.received", **body: Any) -> str:
    event = Event(
        id=ID.format(n),
        epoch=EPOCH,
        seq=n,
        prev_sha256="",
        type=type,
        schema=1,
        occurred_at=NOON,
        tz="Europe/Paris",
        boot="b",
        mono_ms=1,
        operator="ana",
        body=body,
    )
    return event.line()


def _enrol(client: TestClient, code: str, **more: str) -> Response:
    answer: Response = client.post("/v1/stations/enrol", json={"code": code, "epoch": EPOCH, "block": "", **more})
    return answer


def _as(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture
def station(client: TestClient, hub: Hub) -> dict[str, str]:
    """The headers of an enrolled station."""
    return _as(_enrol(client, _code(hub)).json()["token"])


def _code(hub: Hub, name: str = "DOCK-1") -> str:
    return add_station(hub.store.folder, name)


def _send(client: TestClient, headers: dict[str, str], body: bytes | str, **more: str) -> Response:
    answer: Response = client.post("/v1/events", content=body, headers={**headers, "content-type": wire.NDJSON, **more})
    return answer


# ── Enrolment and tokens ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_code_lets_in_one_station_once(client: TestClient, hub: Hub) -> None:
    code = _code(hub)
    granted = _enrol(client, code.lower().replace("-", " "))
    assert granted.status_code == 201
    assert len(granted.json()["block"]) == 4
    assert _send(client, _as(granted.json()["token"]), _line()).status_code == 200
    again = _enrol(client, code)
    assert (again.status_code, again.json()["code"]) == (409, "code_used")


def test_a_code_that_nobody_used_for_a_week_is_void(client: TestClient, hub: Hub) -> None:
    code = add_station(hub.store.folder, "DOCK-1")  # by the machine's clock
    hub.clock = lambda: datetime.now(UTC) + timedelta(days=7, minutes=1)
    hub.store._clock = hub.clock
    answer = _enrol(client, code)
    assert (answer.status_code, answer.json()["code"]) == (410, "code_expired")


def test_a_new_code_for_a_name_voids_the_older_one(client: TestClient, hub: Hub) -> None:
    older, newer = _code(hub), _code(hub)
    assert _enrol(client, older).status_code == 401
    assert _enrol(client, newer).status_code == 201


def test_no_secret_is_in_the_hubs_files(client: TestClient, hub: Hub, data: Path) -> None:
    code = _code(hub)
    token = _enrol(client, code).json()["token"]
    kept = b"".join(file.read_bytes() for file in data.rglob("*") if file.is_file())
    assert token.encode() not in kept
    assert code.encode() not in kept
    assert code.replace("-", "").encode() not in kept


def test_the_old_token_lives_until_the_new_one_is_used(client: TestClient, station: dict[str, str]) -> None:
    lost = client.post("/v1/stations/me/token", headers=station).json()["token"]
    new = client.post("/v1/stations/me/token", headers=station).json()["token"]
    assert _send(client, _as(lost), _line()).status_code == 401, "its reply was lost: it was asked for again"
    assert _send(client, station, _line(1)).status_code == 200
    assert _send(client, _as(new), _line(2)).status_code == 200
    assert _send(client, station, _line(3)).status_code == 401


def test_the_old_token_lives_a_day_at_most(client: TestClient, station: dict[str, str], clock: Clock) -> None:
    client.post("/v1/stations/me/token", headers=station)
    clock.now += timedelta(hours=23, minutes=59)
    assert _send(client, station, _line(1)).status_code == 200
    clock.now += timedelta(minutes=2)
    assert _send(client, station, _line(2)).status_code == 401


def test_a_stranger_may_send_little(client: TestClient) -> None:
    answer = client.post("/v1/stations/enrol", json={"code": "x" * 5000, "epoch": EPOCH})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


# ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_line_gets_its_receipt_in_order(client: TestClient, station: dict[str, str]) -> None:
    bad, new = _line(2, "inspection.finished"), _line(4, "weight.measured")
    body = "\n".join([_line(1), bad, _line(1), new, _line(3)])
    answer = _send(client, station, body).json()
    assert [(each["id"], each["status"], each["code"]) for each in answer["receipts"]] == [
        (ID.format(1), "accepted", ""),
        (ID.format(2), "rejected", "schema_invalid"),
        (ID.format(1), "duplicate", ""),
        (ID.format(4), "retry", "schema_too_new"),
        (ID.format(3), "accepted", ""),
    ]
    assert answer["contiguous_seq"] == 3


def test_packed_and_plain_are_the_same(client: TestClient, station: dict[str, str]) -> None:
    assert _send(client, station, gzip.compress(_line().encode()), **{"content-encoding": "gzip"}).status_code == 200
    assert _send(client, station, _line()).json()["receipts"][0]["status"] == "duplicate"


def _stream(total: int) -> Iterator[bytes]:
    for _ in range(total // 65536 + 1):
        yield b" " * 65536


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        pytest.param(b"", {}, 400, "framing", id="nothing"),
        pytest.param(b"{}\n", {}, 400, "framing", id="no id"),
        pytest.param(f"{_line()}\n<html>\n".encode(), {}, 400, "framing", id="one line that is none"),
        pytest.param(f"{_line()}\n\n{_line(2)}\n".encode(), {}, 400, "framing", id="an empty line"),
        pytest.param(b"\xff\xfe", {}, 400, "framing", id="no UTF-8"),
        pytest.param(b"\x1f\x8b", {"content-encoding": "gzip"}, 400, "framing", id="no gzip"),
        pytest.param(
            gzip.compress(bytes(wire.MAX_UNPACKED + 1)), {"content-encoding": "gzip"}, 413, "too_large", id="a bomb"
        ),
        pytest.param("\n".join([_line()] * 201).encode(), {}, 413, "too_large", id="201 events"),
        pytest.param(bytes(wire.MAX_WIRE + 1), {}, 413, "too_large", id="too many bytes, announced"),
        pytest.param(_stream(wire.MAX_WIRE), {}, 413, "too_large", id="too many bytes, in chunks"),
        pytest.param(_line().encode(), {"content-encoding": "br"}, 415, "content_encoding", id="another packing"),
        pytest.param(_line().encode(), {"content-type": "application/json"}, 415, "media_type", id="another type"),
    ],
)
def test_a_request_that_breaks_a_limit_changes_nothing(
    client: TestClient, hub: Hub, station: dict[str, str], body: Any, headers: dict[str, str], status: int, code: str
) -> None:
    answer = _send(client, station, body, **headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    with hub.read() as ledger:
        assert ledger._rows("SELECT * FROM hub_event") == []
        assert ledger.parked() == []


@pytest.mark.parametrize(
    ("error", "status", "retry_after"),
    [
        pytest.param(DiskFull(msg("full"), msg("free some")), 507, None, id="disk full"),
        pytest.param(StoreLocked(msg("in use"), msg("wait")), 503, "2", id="store in use"),
        pytest.param(RuntimeError("a bug"), 500, None, id="a bug"),
    ],
)
def test_what_goes_wrong_inside_is_said_as_a_hub_says_it(
    client: TestClient,
    hub: Hub,
    station: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    status: int,
    retry_after: str | None,
) -> None:
    assert _send(client, station, _line(1)).status_code == 200

    def fail() -> None:
        raise error

    monkeypatch.setattr(hub, "read", fail)
    for answer in (_send(client, station, _line(2)), client.get("/v1/readyz")):
        assert (answer.status_code, answer.headers.get("retry-after")) == (status, retry_after)
        assert answer.json()["hub_epoch"] == hub.epoch
    assert client.get("/v1/livez").status_code == 200


def test_those_that_find_no_place_are_not_all_told_to_come_back_at_once(hub: Hub, station: dict[str, str]) -> None:
    full = TestClient(create_app(hub, limits=Limits(ingests=0)))
    answers = [_send(full, station, _line(1)) for _ in range(30)]
    assert {answer.status_code for answer in answers} == {503}
    waits = {int(answer.headers["retry-after"]) for answer in answers}
    assert min(waits) >= 2
    assert max(waits) <= 30
    assert len(waits) > 5


# ── Changes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _pages(client: TestClient, headers: dict[str, str], cursor: str = "", **params: Any) -> list[dict[str, Any]]:
    pages = []
    while True:
        page = client.get("/v1/changes", headers=headers, params={"cursor": cursor, **params}).json()
        pages.append(page)
        if not page["more"]:
            return pages
        cursor = page["cursor"]


def test_pages_of_changes_leave_nothing_out_and_end(client: TestClient, hub: Hub, station: dict[str, str]) -> None:
    load(hub, [LAMP.but(gtin=f"{n:014}") for n in range(1, 8)])
    pages = _pages(client, station, limit=3)
    assert [len(page["changes"]) for page in pages] == [3, 3, 1]
    assert [each["body"]["gtin"] for page in pages for each in page["changes"]] == [f"{n:014}" for n in range(1, 8)]
    (nothing,) = _pages(client, station, pages[-1]["cursor"])
    assert nothing["changes"] == []


def test_what_changes_while_it_is_read_is_read_in_the_end(
    client: TestClient, hub: Hub, station: dict[str, str]
) -> None:
    load(hub, [LAMP.but(gtin=f"{n:014}") for n in range(1, 6)])
    first = client.get("/v1/changes", headers=station, params={"limit": 2}).json()
    load(hub, [LAMP.but(gtin=f"{1:014}", title="seen, then changed"), LAMP.but(gtin=f"{4:014}", title="not seen yet")])
    rest = _pages(client, station, first["cursor"])
    newest = {each["body"]["gtin"]: each["body"]["title"] for page in [first, *rest] for each in page["changes"]}
    assert newest == {
        f"{1:014}": "seen, then changed",
        f"{2:014}": LAMP.title,
        f"{3:014}": LAMP.title,
        f"{4:014}": "not seen yet",
        f"{5:014}": LAMP.title,
    }


def test_only_the_feeds_that_are_asked_for_are_told(client: TestClient, hub: Hub, station: dict[str, str]) -> None:
    load(hub, [LAMP, Rma(seller="lumo", number="R-1", lines=(Line(no=1, gtin=LAMP.gtin),))])
    (page,) = _pages(client, station, feeds="rma,weather")
    assert [each["feed"] for each in page["changes"]] == ["rma"]
    assert client.get("/v1/changes", headers=station, params={"feeds": "weather"}).status_code == 422


@pytest.mark.parametrize("cursor", ["forged", "%%%", "eA", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "ä"])
def test_a_cursor_that_this_hub_did_not_give_is_gone(client: TestClient, station: dict[str, str], cursor: str) -> None:
    answer = client.get("/v1/changes", headers=station, params={"cursor": cursor})
    assert (answer.status_code, answer.json()["code"]) == (410, "cursor_gone")


def test_a_cursor_of_another_hub_or_of_the_future_is_gone(
    client: TestClient, hub: Hub, station: dict[str, str], tmp_path: Path, clock: Clock
) -> None:
    with Hub.open(tmp_path / "other", clock=clock) as other:
        load(other, [LAMP])
        there = TestClient(create_app(other))
        code = add_station(tmp_path / "other", "DOCK-1")
        foreign = there.get("/v1/changes", headers=_as(_enrol(there, code).json()["token"])).json()["cursor"]
    future = base64.urlsafe_b64encode(f"{hub.epoch} 1".encode()).decode()
    for cursor in (foreign, future):
        assert client.get("/v1/changes", headers=station, params={"cursor": cursor}).status_code == 410


# ── Every answer ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/livez", 200),
        ("GET", "/v1/readyz", 200),
        ("GET", "/v1/nowhere", 404),
        ("GET", "/v1/events", 405),
        ("GET", "/v1/changes", 401),
        ("POST", "/v1/stations/enrol", 415),
    ],
)
def test_every_answer_says_whose_it_is(client: TestClient, hub: Hub, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["hub_epoch"] == hub.epoch
    assert datetime.fromisoformat(answer.json()["hub_time"]) == NOON
    assert answer.headers["hub-epoch"] == hub.epoch
    assert datetime.fromisoformat(answer.headers["hub-time"]) == NOON


def test_a_bad_limit_is_told_as_a_problem(client: TestClient, hub: Hub, station: dict[str, str]) -> None:
    answer = client.get("/v1/changes", headers=station, params={"limit": 10_000})
    assert (answer.status_code, answer.json()["hub_epoch"]) == (422, hub.epoch)


# ── The owner's verbs ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_published_to_every_station(client: TestClient, station: dict[str, str], data: Path) -> None:
    taken = publish(data, "products", b"gtin,seller,title\n3760311300165,lumo,Oak desk lamp\n12,lumo,Broken\n")
    assert len(taken.records) == 1
    assert [bad.line for bad in taken.bad] == [3]
    rows = b"rma,seller,gtin,quantity\nR-1,lumo,3760311300165,2\n"
    publish(data, "rmas", rows)
    publish(data, "rmas", rows)
    (page,) = _pages(client, station)
    assert [(each["feed"], each["body"].get("number", "")) for each in page["changes"]] == [
        ("catalogue", ""),
        ("rma", "R-1"),
    ]


def test_parked_lines_are_listed_without_what_they_hold(
    client: TestClient, station: dict[str, str], data: Path
) -> None:
    _send(client, station, _line(1, "inspection.finished", note="Jane Doe"))
    (row,) = parked(data)
    assert (row["station"], row["id"], row["code"]) == ("DOCK-1", ID.format(1), "schema_invalid")
    assert "Jane" not in json.dumps(row)
