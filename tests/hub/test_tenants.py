"""Tenants never cross: every route is called with another house's token on what belongs to the first (sync.md §4)."""

import hashlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response
from PIL import Image
from starlette.routing import Route

from inspect_station.core import wire
from inspect_station.core.records import Disposition, Event, Grade, Inspection, Line, Photo, Product, Rma
from inspect_station.hub import Hub, add_station, add_supervisor, load
from inspect_station.hub.app import create_app

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ID = "019aab12-0000-7000-8000-0000000000{:02}"
LAMP = Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp")


def _picture() -> bytes:
    out = BytesIO()
    Image.new("RGB", (8, 8), "teal").save(out, "PNG")
    return out.getvalue()


PICTURE = _picture()
SHA256 = hashlib.sha256(PICTURE).hexdigest()
UNIT = Inspection(
    id=ID.format(1),
    lpn="LPN-OF-A",
    station="DOCK-A",
    parcel="",
    operator="ana",
    seller="lumo",
    rma="R-OF-A",
    line=Line(no=1, gtin=LAMP.gtin),
    product=LAMP,
    started_at=NOON,
    finished_at=NOON,
    grade=Grade.USED,
    disposition=Disposition.CLEARANCE,
    photos=(Photo(slot="front", sha256=SHA256),),
)


def _line(n: int, type: str, body: dict[str, Any], epoch: int = 90) -> str:
    event = Event(
        id=ID.format(n),
        epoch=ID.format(epoch),
        seq=n,
        prev_sha256="",
        type=type,
        schema=1,
        occurred_at=NOON,
        tz="UTC",
        boot="b",
        mono_ms=1,
        operator="ana",
        body=body,
    )
    return event.line()


FACT = _line(1, "inspection.finished", UNIT.model_dump(mode="json"))
BAD = _line(2, "inspection.finished", {"note": "BODY-OF-A"})
MARKS = ("DOCK-A", "LPN-OF-A", "R-OF-A", "BODY-OF-A", "Oak desk lamp", "ana")
"""None of this may be in any answer to another tenant."""


OPENED = {"rmas": [["lumo", "R-OF-A"]], "operator": "ana"}


class House:
    """One tenant, as its station and its supervisor speak to the hub."""

    def __init__(self, hub: Hub, client: TestClient, tenant: str, dock: str) -> None:
        self.client = client
        self.station, self.second = (
            client.post(
                "/v1/stations/enrol",
                json={"code": add_station(hub.store.folder, name, tenant), "epoch": ID.format(epoch), "block": ""},
            ).json()["token"]
            for name, epoch in ((dock, 90 if tenant == "a" else 91), (f"{dock}-2", 92 if tenant == "a" else 93))
        )
        self.supervisor = add_supervisor(hub.store.folder, f"chief-{tenant}", tenant)

    def ask(self, method: str, path: str, scope: str = "station", **more: Any) -> Response:
        headers = {"authorization": f"Bearer {getattr(self, scope)}", **more.pop("headers", {})}
        answer: Response = self.client.request(method, path, headers=headers, **more)
        return answer


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder, made once: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    Hub.open(folder).close()
    return folder


@pytest.fixture
def hub(empty: Path, tmp_path: Path) -> Iterator[Hub]:
    with Hub.open(shutil.copytree(empty, tmp_path / "hub"), clock=lambda: NOON) as opened:
        yield opened


@pytest.fixture
def client(hub: Hub) -> TestClient:
    return TestClient(create_app(hub), raise_server_exceptions=False)


@pytest.fixture
def houses(hub: Hub, client: TestClient) -> tuple[House, House]:
    """The first has a unit, a photo, a parked line, a list and a return that is open at its second dock; the other has
    nothing."""
    first, other = House(hub, client, "a", "DOCK-A"), House(hub, client, "b", "DOCK-B")
    ndjson = {"content-type": wire.NDJSON}
    receipts = first.ask("POST", "/v1/events", content=f"{FACT}\n{BAD}", headers=ndjson).json()["receipts"]
    assert [each["status"] for each in receipts] == ["accepted", "rejected"]
    sent = first.ask("PUT", f"/v1/blobs/{SHA256}", content=PICTURE, headers={"content-type": "image/png"})
    assert sent.status_code == 200
    assert first.ask("POST", "/v1/opened", "second", json=OPENED).status_code == 200
    load(hub, [LAMP, Rma(seller="lumo", number="R-OF-A", lines=(Line(no=1, gtin=LAMP.gtin),))], "a")
    return first, other


class Case(NamedTuple):
    """One request on what belongs to the first house, and what each house is answered."""

    own: Any
    """Status for the first; for one that always is the same, what of the answer tells the two apart."""
    foreign: Any
    path: str = ""
    scope: str = "station"
    more: dict[str, Any] = {}  # noqa: RUF012
    seen: str = ""
    """Of the answer, a field to compare besides the status."""


JSON = {"content-type": "application/json"}
PNG = {"content-type": "image/png"}
ASKED = {"lines": [[ID.format(1), hashlib.sha256(FACT.encode()).hexdigest()]]}
PLACE = {"size": len(PICTURE), "mime": "image/png"}
CASES = {
    # Sent again, the first hears of its own fact; for another it is a unit that is not its own.
    ("POST", "/v1/events"): Case(
        (200, "duplicate"),
        (200, "rejected"),
        more={"content": FACT, "headers": {"content-type": wire.NDJSON}},
        seen="receipts.0.status",
    ),
    ("POST", "/v1/events/known"): Case((200, []), (200, [ID.format(1)]), more={"json": ASKED}, seen="missing"),
    ("GET", "/v1/changes"): Case((200, "R-OF-A"), (200, None), seen="changes.1.body.number"),
    # Another house's own return of this number is another return.
    ("POST", "/v1/opened"): Case((200, "DOCK-A-2"), (200, None), more={"json": OPENED}, seen="docks.0.station"),
    ("POST", "/v1/stations/me/token"): Case(201, 201),
    ("HEAD", "/v1/blobs/{sha256}"): Case(200, 404, f"/v1/blobs/{SHA256}"),
    ("POST", "/v1/blobs/{sha256}"): Case(
        (200, "have"), (201, "hub"), f"/v1/blobs/{SHA256}", "station", {"json": PLACE}, "mode"
    ),
    # Nobody is spared the sending by what another tenant has.
    ("PUT", "/v1/blobs/{sha256}"): Case(
        415, 415, f"/v1/blobs/{SHA256}", "station", {"content": b"not it", "headers": PNG}
    ),
    ("POST", "/v1/blobs/{sha256}/complete"): Case(200, 404, f"/v1/blobs/{SHA256}/complete"),
    ("GET", "/v1/parked"): Case((200, 1), (200, None), "/v1/parked", "supervisor", {}, "parked.0.no"),
    ("GET", "/v1/parked/{no}"): Case(200, 404, "/v1/parked/1", "supervisor"),
    ("POST", "/v1/parked/{no}/resolve"): Case(
        200, 404, "/v1/parked/1/resolve", "supervisor", {"json": {"action": "void", "note": "tried"}}
    ),
}
OPEN = {
    ("POST", "/v1/stations/enrol"),
    ("GET", "/livez"),
    ("GET", "/readyz"),
    ("GET", "/v1/livez"),
    ("GET", "/v1/readyz"),
    ("GET", "/metrics"),
}
"""For anybody: no token says whose."""


def _at(body: Any, where: str) -> Any:
    for step in where.split("."):
        try:
            body = body[int(step) if isinstance(body, list) else step]
        except (IndexError, KeyError):
            return None
    return body


def test_every_route_is_tried_with_another_tenants_token(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    routes = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert routes == set(CASES) | OPEN, "a new route needs its case"
    # One that the OpenAPI leaves out, or that is no Route (a mount, a socket), would not be looked at.
    answering = {
        (method, route.path) if isinstance(route, Route) else (type(route).__name__, getattr(route, "path", ""))
        for route in cast(FastAPI, client.app).routes
        for method in getattr(route, "methods", None) or [""]
    }
    assert answering - {("GET", "/openapi.json"), ("HEAD", "/openapi.json")} == routes


@pytest.mark.parametrize("route", CASES, ids=" ".join)
def test_a_route_shows_another_tenant_nothing_and_lets_it_change_nothing(
    hub: Hub, houses: tuple[House, House], route: tuple[str, str]
) -> None:
    first, other = houses
    case = CASES[route]
    before = _kept(hub)
    answers = {}
    for house, expected in ((other, case.foreign), (first, case.own)):
        answer = house.ask(route[0], case.path or route[1], case.scope, **case.more)
        told = answer.status_code, _at(answer.json(), case.seen) if case.seen else None
        assert told == (expected if isinstance(expected, tuple) else (expected, None))
        answers[house] = answer
        if house is other:
            assert _kept(hub) == before
            assert not [mark for mark in MARKS if mark in answer.text]


def _kept(hub: Hub) -> dict[str, list[Any]]:
    """All that the hub keeps for the first house."""
    with hub.read() as ledger:
        tables = ("hub_event", "hub_parked", "hub_photo", "hub_blob", "hub_change", "hub_opened")
        kept = {table: ledger._rows(f"SELECT * FROM {table} WHERE tenant = 'a'") for table in tables}
        kept["inspection"] = ledger._rows("SELECT * FROM inspection")
        kept["hub_token"] = ledger._rows(
            "SELECT t.* FROM hub_token t JOIN hub_station s ON s.id = t.station WHERE s.tenant = 'a'"
        )
    return {table: [tuple(row) for row in rows] for table, rows in kept.items()}


@pytest.mark.parametrize(("method", "path"), sorted(OPEN))
def test_what_anybody_may_ask_names_nobody(houses: tuple[House, House], method: str, path: str) -> None:
    answer = houses[0].client.request(method, path)
    assert not [mark for mark in MARKS if mark in answer.text]


@pytest.mark.parametrize("route", CASES, ids=" ".join)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        pytest.param({}, "token_missing", id="no token"),
        pytest.param({"authorization": "Basic YTpi"}, "token_missing", id="another scheme"),
        pytest.param({"authorization": "Bearer "}, "token_missing", id="an empty token"),
        pytest.param({"authorization": "Bearer guess"}, "station_revoked", id="a wrong token"),
    ],
)
def test_nobody_is_answered_without_a_token(
    client: TestClient, route: tuple[str, str], headers: dict[str, str], code: str
) -> None:
    path = (CASES[route].path or route[1]).replace("{no}", "1")
    answer = client.request(route[0], path, headers=headers)
    assert answer.status_code == 401
    # An answer to HEAD cannot say why.
    assert route[0] == "HEAD" or answer.json()["code"] == code


@pytest.mark.parametrize("route", CASES, ids=" ".join)
def test_a_token_is_good_for_its_own_scope_only(houses: tuple[House, House], route: tuple[str, str]) -> None:
    case = CASES[route]
    wrong = "supervisor" if case.scope == "station" else "station"
    answer = houses[0].ask(route[0], case.path or route[1], wrong, **case.more)
    if route == ("POST", "/v1/stations/me/token"):
        assert answer.status_code == 201, "anybody may change his own token"
    else:
        assert answer.status_code == 403
        assert route[0] == "HEAD" or answer.json()["code"] == f"not_{case.scope}"


def test_a_photo_of_one_tenant_is_kept_for_each_that_sends_it(hub: Hub, houses: tuple[House, House]) -> None:
    _, other = houses
    assert other.ask("PUT", f"/v1/blobs/{SHA256}", content=PICTURE, headers=PNG).status_code == 200
    files = [
        path.relative_to(hub.store.folder / "photos")
        for path in (hub.store.folder / "photos").rglob("*")
        if path.is_file()
    ]
    assert sorted(map(str, files)) == [f"{tenant}/{SHA256[:2]}/{SHA256}" for tenant in "ab"]
