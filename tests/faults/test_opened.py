"""Real stations and a real hub: what is open at one dock is told at the other, and nobody waits for that."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest

from inspect_station.hub import add_station
from tests.faults.proxy import Exchange, Proxy
from tests.faults.test_on_the_wire import SHORTER, STATION, Station, hang_before, process, serving, site, until

SHORT = {**SHORTER, "upstream.HINT_S": 0.5, "outbox.opened.REST_S": 0.3}

OLDER_HUB = """
import sys, uvicorn
from pathlib import Path
from inspect_station.hub import Hub
from inspect_station.hub.app import create_app
_, _, port, _, data = sys.argv
with Hub.open(Path(data)) as hub:
    app = create_app(hub)
    app.router.routes[:] = [each for each in app.routes if getattr(each, "path", "") != "/v1/opened"]
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="critical")
"""
"""A second process on the store of the first, as it was before there was such a thing."""

Enter = Callable[..., AbstractContextManager[Station]]


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with ExitStack() as stack:
        folder = tmp_path_factory.mktemp("docks") / "hub"
        made = stack.enter_context(Proxy(stack.enter_context(serving(folder))))
        made.hub = folder  # type: ignore[attr-defined]
        yield made


@pytest.fixture(scope="module")
def enter(proxy: Proxy, tmp_path_factory: pytest.TempPathFactory) -> Enter:
    """A station of this name, and its threads."""

    @contextmanager
    def enter(name: str, tenant: str = "main") -> Iterator[Station]:
        folder = tmp_path_factory.mktemp("site") / "site"
        toml = site(folder, f"http://127.0.0.1:{proxy.port}")
        with process(STATION, toml, json.dumps(SHORT)) as running:
            station = Station(running, folder)
            station("enrol", code=add_station(hub_of(proxy), name, tenant))
            station("start")
            yield station

    return enter


def hub_of(proxy: Proxy) -> Path:
    folder: Path = proxy.hub  # type: ignore[attr-defined]
    return folder


@pytest.fixture(scope="module")
def docks(enter: Enter) -> Iterator[tuple[Station, Station]]:
    """Two docks of one house."""
    with enter("DOCK-1") as one, enter("DOCK-3") as three:
        yield one, three


@pytest.fixture(autouse=True)
def _healed(proxy: Proxy) -> Iterator[None]:
    yield
    proxy.heal()


def told(proxy: Proxy) -> int:
    """How often the hub was told what is open."""
    return sum(each.path == "/v1/opened" for each in proxy.heard)


def saved(station: Station) -> None:
    """A unit is finished, and the hub has it."""
    ids = station("save")["ids"]
    until(lambda: station.states(ids) == {"accepted": 1})


def opens(proxy: Proxy, station: Station, rma: str, by: str) -> list[list[str]]:
    """Where else it is, once the hub has answered that it is open here."""
    before = told(proxy)
    station("opens", rma=rma, by=by)
    until(lambda: told(proxy) > before)
    saved(station)  # by the same thread, and so after the answer
    docks: list[list[str]] = station("elsewhere")["docks"]
    return docks


def test_a_return_that_is_open_at_one_dock_is_shown_at_the_other(
    proxy: Proxy, docks: tuple[Station, Station], enter: Enter
) -> None:
    one, three = docks
    assert opens(proxy, three, "R-1", "Ana") == []
    assert opens(proxy, one, "R-1", "Luc") == [["DOCK-3", "Ana"]]
    assert opens(proxy, three, "R-1", "Mia") == [["DOCK-1", "Luc"]], "never itself"
    with enter("DOCK-3", "another-house") as stranger:
        assert opens(proxy, stranger, "R-1", "Eve") == []
        assert opens(proxy, one, "R-1", "Eve") == [["DOCK-3", "Mia"]]
    assert opens(proxy, three, "", "Mia") == []
    assert opens(proxy, one, "R-1", "Luc") == [], "it was left"
    assert opens(proxy, one, "", "Luc") == []


def test_nobody_waits_for_a_hub_that_is_away_and_nothing_is_tried_again(
    proxy: Proxy, docks: tuple[Station, Station]
) -> None:
    one, _ = docks
    proxy.down()
    for n in range(20):
        assert one("opens", rma=f"AWAY-{n}", by="Luc")["ms"] < 50
        assert one("elsewhere")["docks"] == []
    proxy.up()
    one("opens", rma="", by="Luc")
    saved(one)


def test_a_hub_that_hangs_over_the_hint_delays_no_fact_for_long_and_is_no_trouble(
    proxy: Proxy, docks: tuple[Station, Station]
) -> None:
    one, _ = docks
    until(lambda: one("state")["said"] == "everything received by the hub")
    first = len(proxy.heard)
    proxy.fault(hang_before, on="/v1/opened")
    for n in range(5):
        assert one("opens", rma=f"HANGS-{n}", by="Luc")["ms"] < 50
        began = time.monotonic()
        saved(one)
        assert time.monotonic() - began < 5
        state = one("state")
        assert (state["said"], state["offline_s"]) == ("everything received by the hub", None)
    assert proxy.faulty(first), "it was there"


def test_an_older_hub_is_asked_once_and_all_else_goes_on(proxy: Proxy, enter: Enter) -> None:
    with serving(hub_of(proxy), "-c", OLDER_HUB) as older:

        async def to_the_older_one(exchange: Exchange) -> None:
            await exchange.send(await exchange.forward(older))

        with enter("DOCK-5") as five:
            proxy.fault(to_the_older_one, on="/v1/opened")
            before = told(proxy)
            for n in range(5):
                five("opens", rma=f"OLD-{n}", by="Luc")
                saved(five)
                time.sleep(0.4)
            assert told(proxy) - before == 1
            assert five("elsewhere")["docks"] == []
            state = five("state")
            assert (state["said"], state["offline_s"]) == ("everything received by the hub", None)
