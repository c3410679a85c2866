"""The line that says at which other dock a return is open: calm, in its place, and soon gone."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from inspect_station.core.ids import uuid7
from inspect_station.hub import Hub, add_station
from inspect_station.hub.admin import secret_hash
from inspect_station.hub.app import create_app
from inspect_station.hub.ledger import Caller
from inspect_station.message import msg
from inspect_station.outbox import States
from inspect_station.outbox.opened import Elsewhere, Opened
from inspect_station.tui.scene import Banner
from tests.tui.conftest import CODES, IMEI, Dock, Operator

MORNING = datetime(2026, 11, 22, 9, 40, tzinfo=UTC)
"""At the dock it is 10:40."""


class Other:
    """Another dock of the house, and the hub between."""

    def __init__(self, hub: Hub, url: str) -> None:
        self.hub, self.url = hub, url

    def opens(self, *rmas: tuple[str, str], at: str = "DOCK-7", by: str = "Mia K.") -> None:
        caller = self._caller(at)
        self.hub.change(lambda ledger: ledger.opened(caller, rmas, by))

    def _caller(self, name: str) -> Caller:
        token = secret_hash(f"token {name}")
        with self.hub.write() as ledger:
            if (found := ledger.caller(token)) is None:
                ledger.add_code(secret_hash(f"code {name}"), "main", name)
                ledger.enrol(secret_hash(f"code {name}"), token, epoch=uuid7(len(name), bytes(10)), block="")
                found = ledger.caller(token)
        assert found is not None
        return found

    def heard(self) -> list[tuple[str, str]]:
        """What is open at the station under test, as the hub knows it."""
        with self.hub.read() as ledger:
            rows = ledger._rows(
                "SELECT o.rma, o.operator FROM hub_opened o JOIN hub_station s ON s.id = o.station "
                "WHERE s.name = 'DOCK-3' ORDER BY o.rma"
            )
        return [tuple(row) for row in rows]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Other]:
    with Hub.open(tmp_path / "hub", clock=lambda: MORNING) as hub:
        config = uvicorn.Config(create_app(hub), host="127.0.0.1", port=0, log_level="critical", lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        yield Other(hub, f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
        server.should_exit = True
        thread.join()


Open = Callable[..., Any]


@pytest.fixture
def at_hub(dock: Dock, folder: Path, other: Other) -> Open:
    """As `dock`, enrolled at the hub as DOCK-3, with its threads."""

    @asynccontextmanager
    async def opened_dock(**how: Any) -> Any:
        toml = folder / "station.toml"
        told = f'[upstream]\nenabled = true\nurl = "{other.url}"\n'
        toml.write_text(toml.read_text(encoding="utf-8") + told, encoding="utf-8")
        async with dock(**how) as operator:
            operator.station.enrol(add_station(other.hub.store.folder, "DOCK-3"))
            operator.station.start(operator.app.notify_changed)
            yield operator

    return opened_dock


async def until(true: Callable[[], object], operator: Operator) -> None:
    """Wait for what threads bring about."""
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, await operator.screen()
        await asyncio.sleep(0.02)


async def hinted(operator: Operator) -> str:
    """The line, once it is there."""

    async def found() -> str:
        return next((line.strip() for line in await operator.lines() if "DOCK-7" in line), "")

    end = time.monotonic() + 20
    while not (line := await found()):
        assert time.monotonic() < end, await operator.screen()
        await asyncio.sleep(0.02)
    return line


@pytest.mark.parametrize(
    ("locale", "who", "line"),
    [
        ("en", "operator", "▌ › open at DOCK-7, Mia K., 10:42"),
        ("fr", "french", "▌ › ouvert à DOCK-7, Mia K., 10:42"),
    ],
)
async def test_parcel_and_unit_say_where_else_they_are_open(
    at_hub: Open, other: Other, locale: str, who: str, line: str
) -> None:
    async with at_hub(locale=locale, who=who) as operator:
        other.opens(("lumo", "ML-4001"))
        await operator.start("ML-4001")
        assert await hinted(operator) == line
        await operator.start("ML-4001", "lamp")
        assert await hinted(operator) == line
        await operator.press("Enter")
        assert await hinted(operator) == line, "on its other pages, too"


async def test_the_hub_knows_what_is_open_here_until_it_is_left(at_hub: Open, other: Other) -> None:
    async with at_hub() as operator:
        await operator.start("ML-4001")
        await until(lambda: other.heard() == [("ML-4001", "Ana B.")], operator)
        await operator.press("Esc")
        await until(lambda: other.heard() == [], operator)
        await operator.start("ML-4001", "lamp")
        await until(lambda: other.heard() == [("ML-4001", "Ana B.")], operator)
        await operator.press("1")
        assert operator.at_desk
        await until(lambda: other.heard() == [], operator)
        await operator.start("ML-4001")
        await operator.rest(1)
        assert "ML-4001" in await operator.screen()
        assert other.heard() == [], "it is closed, and only looked at"


async def test_two_returns_in_one_carton_are_told_together(at_hub: Open, other: Other) -> None:
    async with at_hub() as operator:
        other.opens(("lumo", "ML-4002"))
        await operator.start("ML-4001")
        await operator.start("ML-4002")
        await until(lambda: len(other.heard()) == 2, operator)
        assert "DOCK-7" in await hinted(operator)


@pytest.mark.parametrize(
    ("rma", "seller", "codes", "keys"),
    [
        ("ML-4004", "lumo", [], ""),
        ("ML-4004", "lumo", [CODES["vase"]], ""),
        ("ML-4006", "lumo", [CODES["picnic"]], "4"),
        ("NT-4001", "nord", [CODES["phone"]], ""),
        ("NT-4001", "nord", [CODES["phone"], IMEI], "3"),
    ],
    ids=["three lines", "an article", "where it goes", "a phone", "its tests"],
)
async def test_nothing_moves_when_it_appears_and_nothing_stays_when_it_is_over(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, rma: str, seller: str, codes: list[str], keys: str
) -> None:
    async with dock() as operator:

        async def heard(*docks: Elsewhere) -> list[str]:
            monkeypatch.setattr(Opened, "elsewhere", docks)
            operator.app.notify_changed()
            await until(lambda: getattr(operator.app.scene.states, "elsewhere", None) == docks, operator)
            return await operator.lines()

        await operator.start(rma)
        for code in codes:
            await operator.scan(code)
        await operator.press(*keys)
        before = await heard()
        after = await heard(Elsewhere(seller, rma, "DOCK-7", "Mia K.", MORNING))
        changed = [(one, two) for one, two in zip(before, after, strict=True) if one != two]
        assert [(one.strip(), "DOCK-7" in two) for one, two in changed] == [("", True)], "it takes one empty line"
        assert await heard() == before


async def test_what_comes_while_the_desk_is_read_is_shown_too(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    told = (Elsewhere("lumo", "ML-4001", "DOCK-7", "Mia K.", MORNING),)
    async with dock() as operator:
        await operator.start("ML-4001")
        read, reading, on = operator.station.outbox.states, threading.Event(), threading.Event()

        def slowly() -> States:
            found = read()
            reading.set()
            on.wait(10)
            return found

        monkeypatch.setattr(operator.station.outbox, "states", slowly)
        operator.app.notify_changed()
        await asyncio.to_thread(reading.wait, 10)
        monkeypatch.setattr(Opened, "elsewhere", told)
        operator.app.notify_changed()
        await operator.painted()
        on.set()
        assert "Mia K." in await hinted(operator)


async def test_beside_a_banner_there_is_one_line_for_it(at_hub: Open, other: Other) -> None:
    async with at_hub() as operator:
        other.opens(("lumo", "ML-4001"))
        await operator.start("ML-4001")
        await hinted(operator)
        scene = operator.app.scene
        operator.app._show(scene.but(banner=Banner("look", msg("wrong finger"))))
        shown = await operator.lines()
        (at,) = (n for n, line in enumerate(shown) if "wrong finger" in line)
        assert "DOCK-7" in shown[at + 1]
        operator.app._show(scene.but(banner=Banner("look", msg("x" * 60), msg("y" * 60))))
        assert "DOCK-7" not in await operator.screen()
        operator.app._show(scene.but(banner=None))
        assert "DOCK-7" in await operator.screen()


async def test_each_dock_stands_there_once_and_the_line_is_one(at_hub: Open, other: Other) -> None:
    async with at_hub() as operator:
        for n in range(6):
            other.opens(("lumo", "ML-4001"), ("lumo", "ML-4002"), at=f"DOCK-7{n}", by="Maximiliane K.")
        await operator.start("ML-4001")
        await operator.start("ML-4002")
        await until(lambda: len(other.heard()) == 2, operator)
        line = await hinted(operator)
        assert line.count("DOCK-71,") == 1
        assert len(line) <= 80
        assert line.endswith("…")


async def test_while_nobody_is_signed_in_it_is_not_shown_and_the_unit_stays_open(at_hub: Open, other: Other) -> None:
    async with at_hub() as operator:
        other.opens(("lumo", "ML-4001"))
        await operator.start("ML-4001", "lamp")
        await hinted(operator)
        operator.clock.s += 3600
        operator.app.beat()
        await operator.app.settled()
        assert "DOCK-7" not in await operator.screen()
        await operator.rest(1)
        assert other.heard() == [("ML-4001", "Ana B.")]
        await operator.sign_in("french")
        await until(lambda: other.heard() == [("ML-4001", "Luc D.")], operator)


async def test_what_another_station_calls_itself_is_text(at_hub: Open, other: Other) -> None:
    async with at_hub() as operator:
        other.opens(("lumo", "ML-4001"), by="[b]Mia[/b] {at} \x1b[31m[@click=app.quit]")
        await operator.start("ML-4001")
        assert "[b]Mia[/b] {at} [31m[@click=app.quit]" in await hinted(operator)
