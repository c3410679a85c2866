"""What is open at which dock: told to the others of the house for a quarter of an hour, and kept no longer."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.hub import Hub
from inspect_station.hub import app as http
from inspect_station.hub.admin import secret_hash
from inspect_station.hub.ledger import Caller

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ONE, OTHER = ("lumo", "R-1"), ("lumo", "R-2")


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def forward(self, s: float) -> None:
        self.now += timedelta(seconds=s)


class House:
    """Docks at one hub."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self.hub = hub
        self.clock = clock
        self._docks: dict[str, Caller] = {}

    def dock(self, name: str) -> Caller:
        """``b:DOCK-1`` is another house's."""
        if name not in self._docks:
            tenant, _, plain = name.rpartition(":")
            code, token = secret_hash(f"code {name}"), secret_hash(f"token-{name}")
            with self.hub.write() as ledger:
                ledger.add_code(code, tenant or "main", plain)
                ledger.enrol(code, token, epoch=uuid7(1 + len(self._docks), bytes(10)), block="")
                found = ledger.caller(token)
            assert found is not None
            self._docks[name] = found
        return self._docks[name]

    def opens(self, name: str, *rmas: tuple[str, str], by: str = "Ana") -> list[tuple[str, str, str, int]]:
        """What the dock hears: station, operator, return and age of each."""
        caller = self.dock(name)
        told = self.hub.change(lambda ledger: ledger.opened(caller, rmas, by))
        return [(each.station, each.operator, each.rma, each.age_s) for each in told]

    def kept(self) -> list[tuple[Any, ...]]:
        with self.hub.read() as ledger:
            return [tuple(row) for row in ledger._rows("SELECT station, rma, operator FROM hub_opened ORDER BY rma")]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(opened: Callable[..., Hub], clock: Clock) -> House:
    return House(opened(clock=clock), clock)


def test_who_opens_a_return_hears_where_it_is_open_already(house: House) -> None:
    assert house.opens("DOCK-3", ONE, by="Ana") == []
    house.clock.forward(65)
    assert house.opens("DOCK-1", ONE, by="Luc") == [("DOCK-3", "Ana", "R-1", 65)]
    assert house.opens("DOCK-3", ONE, by="Ana") == [("DOCK-1", "Luc", "R-1", 0)], "with its unit it hears of the other"


def test_a_dock_never_hears_of_itself(house: House) -> None:
    house.opens("DOCK-3", ONE)
    assert house.opens("DOCK-3", ONE) == house.opens("DOCK-3", ONE, OTHER, by="Luc") == []


@pytest.mark.parametrize(
    "other", [("lumo", "R-2"), ("nord", "R-1"), ("lumo", "r-1")], ids=["another number", "another seller", "other case"]
)
def test_another_return_is_another_return(house: House, other: tuple[str, str]) -> None:
    house.opens("DOCK-3", other)
    assert house.opens("DOCK-1", ONE) == []


def test_another_house_hears_nothing_of_it(house: House) -> None:
    house.opens("b:DOCK-3", ONE)
    assert house.opens("DOCK-1", ONE) == []
    assert house.opens("b:DOCK-1", ONE) == [("DOCK-3", "Ana", "R-1", 0)]


def test_it_runs_out_after_a_quarter_of_an_hour(house: House) -> None:
    house.opens("DOCK-3", ONE)
    house.clock.forward(15 * 60 - 1)
    assert [each[0] for each in house.opens("DOCK-1", ONE)] == ["DOCK-3"]
    house.clock.forward(1)
    assert house.opens("DOCK-2", ONE) == [("DOCK-1", "Ana", "R-1", 1)]


def test_what_is_left_is_told_to_nobody_any_more(house: House) -> None:
    house.opens("DOCK-3", ONE)
    house.opens("DOCK-3")
    assert (house.opens("DOCK-1", ONE), len(house.kept())) == ([], 1)
    house.opens("DOCK-3", ONE)
    house.opens("DOCK-3", OTHER)
    told = {(dock, rma) for dock, _, rma, _ in house.opens("DOCK-2", ONE, OTHER)}
    assert told == {("DOCK-3", "R-2"), ("DOCK-1", "R-1")}, "each by what it said last"


def test_two_returns_in_one_carton_are_both_open(house: House) -> None:
    house.opens("DOCK-3", ONE, OTHER)
    assert house.opens("DOCK-1", OTHER) == [("DOCK-3", "Ana", "R-2", 0)]
    assert {each[2] for each in house.opens("DOCK-2", ONE, OTHER)} == {"R-1", "R-2"}


def test_a_dock_takes_as_many_rows_as_it_has_open_and_no_more(house: House) -> None:
    for n in range(50):
        house.opens("DOCK-3", ("lumo", f"R-{n}"), ("lumo", f"R-{n}"))
    assert [each[1] for each in house.kept()] == ["R-49"]


def test_many_docks_are_not_all_named(house: House) -> None:
    for n in range(wire.MAX_DOCKS + 2):
        house.clock.forward(1)
        house.opens(f"DOCK-{n}", ONE)
    told = house.opens("DOCK-X", ONE)
    assert [each[3] for each in told] == list(range(wire.MAX_DOCKS)), "the newest"


def test_hostile_text_is_cleaned_before_it_is_kept(house: House) -> None:
    house.opens("DOCK-3", ("lu\x1bmo", "R-1\u202e"), by="A\x07na\n" + "x" * 500)
    ((_, _, operator),) = house.kept()
    assert operator == f"Ana {'x' * 56}"
    assert house.opens("DOCK-1", ONE)[0][2] == "R-1"


def test_of_two_that_open_it_at_once_one_hears_of_the_other(house: House) -> None:
    docks = [house.dock(f"DOCK-{n}") for n in range(4)]
    for n in range(10):
        key = [("lumo", f"AT-ONCE-{n}")]
        with ThreadPoolExecutor(len(docks)) as pool:
            told = list(
                pool.map(lambda dock: house.hub.change(lambda ledger: ledger.opened(dock, key, "Ana")), docks)  # noqa: B023
            )
        assert sorted(map(len, told)) == [0, 1, 2, 3], "each hears of those that came before"


def test_names_are_forgotten_by_themselves(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request is needed for it: at night there are none."""
    monkeypatch.setattr(http, "FORGET_S", 0.02)
    house.opens("DOCK-3", ONE)
    with TestClient(http.create_app(house.hub)):
        time.sleep(0.2)
        assert len(house.kept()) == 1
        house.clock.forward(15 * 60)
        until = time.monotonic() + 5
        while house.kept() and time.monotonic() < until:
            time.sleep(0.02)
    assert house.kept() == []


def test_on_postgresql_names_are_in_no_log_of_the_database(database: str, tmp_path: Path) -> None:
    with Hub.open(tmp_path / "hub", database) as hub, hub.read() as ledger:
        (kind,) = ledger._rows("SELECT relpersistence::text AS kind FROM pg_class WHERE relname = 'hub_opened'")
    assert kind["kind"] == "u"


# ── Over HTTP ────────────────────────────────────────────────────────────────────────────────────────────────────────


Asks = Callable[[str, Any], Any]


@pytest.fixture
def asks(house: House) -> Asks:
    """Ask as the dock of this name."""
    client = TestClient(http.create_app(house.hub))

    def ask(name: str, body: Any) -> Any:
        house.dock(name)
        return client.post("/v1/opened", json=body, headers={"authorization": f"Bearer token-{name}"})

    return ask


def test_a_dock_is_told_by_name_who_has_it_open(asks: Asks) -> None:
    asks("D3", {"rmas": [ONE], "operator": "Ana B."})
    told = asks("D1", {"rmas": [ONE], "operator": "Luc", "newer": "field"}).json()
    assert told.pop("hub_epoch")
    assert told.pop("hub_time")
    assert told == {"docks": [{"seller": "lumo", "rma": "R-1", "station": "D3", "operator": "Ana B.", "age_s": 0}]}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({}, 200, id="nothing"),
        pytest.param({"rmas": [["lumo", f"R-{n}"] for n in range(8)]}, 200, id="a full carton"),
        pytest.param({"rmas": [["lumo", f"R-{n}"] for n in range(9)]}, 413, id="too many"),
        pytest.param({"rmas": [["lumo", "R" * 5000]]}, 413, id="too long"),
        pytest.param({"rmas": [["lumo"]]}, 400, id="half a return"),
        pytest.param({"rmas": "R-1"}, 400, id="a text"),
        pytest.param([], 400, id="a list"),
    ],
)
def test_only_what_has_the_form_is_kept(house: House, asks: Asks, body: Any, status: int) -> None:
    assert asks("D3", body).status_code == status
    assert len(house.kept()) == (len(body["rmas"]) if status == 200 and body else 0)
