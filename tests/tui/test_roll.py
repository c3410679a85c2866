"""F6 at a printer that hangs: the desk goes on; the test label is told about, or that there is no word of it."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from inspect_station import printing
from inspect_station.outbox import prints
from inspect_station.tui.scene import Choose, OnParcel
from tests.tui.conftest import Dock, Operator


@pytest.fixture
def hanging(folder: Path) -> Iterator[None]:
    """Its printer takes a connection, and never reads a byte."""
    with closing(socket.socket()) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        server.bind(("127.0.0.1", 0))
        server.listen()
        path = folder / "station.toml"
        raw = f'kind = "raw"\nhost = "127.0.0.1"\nport = {server.getsockname()[1]}'
        path.write_text(path.read_text().replace('kind = "file"\nfolder = "printed"', raw))
        yield


async def until(operator: Operator, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline, await operator.screen()
        await asyncio.sleep(0.01)


def title(operator: Operator) -> str:
    """What the banner says."""
    banner = operator.app.scene.banner
    return str(banner.title) if banner else ""


def answers(operator: Operator) -> list[str]:
    """What is asked over the page, if anything."""
    over = operator.app.scene.over
    return [str(each.label) for each in over.entries] if isinstance(over, Choose) else []


@pytest.mark.usefixtures("hanging")
@pytest.mark.parametrize("background", [False, True], ids=["the desk alone", "with the queue running"])
async def test_while_a_test_label_is_out_scans_and_keys_go_on_and_there_is_a_word_of_it(
    dock: Dock, monkeypatch: pytest.MonkeyPatch, background: bool
) -> None:
    monkeypatch.setattr(prints, "TEST_S", 1.5)
    async with dock(background=background) as operator:
        await operator.press("F6", "Enter")
        assert operator.station.outbox.states().printer.held
        operator.key("Enter", after=0.4)
        operator.clock.s += 0.3
        operator.app.tick(operator.clock.s)
        await until(operator, lambda: title(operator) == "a test label is sent to labels: scan and work on")
        began = time.monotonic()
        await operator.scan("ML-4001")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnParcel))
        assert time.monotonic() - began < 0.5, "the desk takes a scan at once"
        assert title(operator) != "no word of the test label from labels after 2 seconds"
        await until(operator, lambda: title(operator).startswith("no word of the test label from labels"))
        assert time.monotonic() - began < 3
        assert isinstance(operator.app.scene.place, OnParcel), "and the screen stays where it is"
        assert operator.app.scene.over is None


async def test_a_test_label_that_comes_while_the_operator_works_asks_at_the_next_f6(
    dock: Dock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(printing, "SLOW_S", 1.0)
    path = folder / "station.toml"
    path.write_text(path.read_text().replace('kind = "file"\n', 'kind = "file"\nfault = "slow"\n'))
    async with dock() as operator:
        await operator.press("F6", "Enter")
        operator.key("Enter", after=0.4)
        await operator.start("ML-4001", "lamp")
        await until(operator, lambda: title(operator).startswith("test label sent"))
        assert answers(operator) == [], "no question falls between the operator and the unit"
        await operator.press("1", "F6")
        assert answers(operator) == [
            "print 1 waiting?",
            "print another test label",
            "leave printing held",
        ]
        await operator.press("Enter")
        assert not operator.station.outbox.states().printer.held


async def test_after_a_restart_printing_is_still_held_and_a_test_label_is_still_first(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("1", "F6", "Enter")
    async with dock(background=True) as operator:
        assert "printing is held, 1 label waits: F6 goes on" in await operator.screen()
        await operator.press("F6", "Enter")
        await until(operator, lambda: operator.app.scene.over is not None)
        await operator.press("Enter")
        plate = operator.station.desk().last[0].lpn
        await until(operator, lambda: operator.station.labels_of(plate)[0]["state"] == "printed")
