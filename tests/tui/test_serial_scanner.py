"""A serial scanner and the real app: its codes go to the station from anywhere, and its absence is on the screen."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from inspect_station.tui.hands import Hands
from inspect_station.tui.scene import OnParcel, OnUnit, Scene, SignIn, Turn, Type
from tests.tui.conftest import BADGES, CODES, Dock, Operator


class Cable:
    """A pair of pseudo-terminals: one end is the scanner, the other has the name that the settings know."""

    def __init__(self, link: Path) -> None:
        self.link = link
        self._scanner: int | None = None

    def plug(self) -> None:
        """The device appears."""
        self._scanner, line = os.openpty()
        self.link.symlink_to(os.ttyname(line))
        os.close(line)

    def pull(self) -> None:
        """The device is gone."""
        if self._scanner is not None:
            os.close(self._scanner)
            self.link.unlink()
        self._scanner = None

    def scan(self, code: str) -> None:
        """A code from the scanner."""
        assert self._scanner is not None
        os.write(self._scanner, f"{code}\r\n".encode())


async def until(operator: Operator, met: Callable[[], object]) -> None:
    """Wait until something is so on the screen."""
    async with asyncio.timeout(5):
        while not met():
            await asyncio.sleep(0.01)
    await operator.app.settled()


Serial = Callable[..., AbstractAsyncContextManager[tuple[Operator, Cable]]]


@pytest.fixture
def serial(dock: Dock, folder: Path, tmp_path: Path) -> Serial:
    """``async with serial() as (operator, cable)``: the app with a serial scanner that is listened to."""
    cable = Cable(tmp_path / "usb-scanner")
    file = folder / "station.toml"
    settings = f'\n[scanner]\nkind = "serial"\ndevice = "{cable.link}"\n'
    file.write_text(file.read_text(encoding="utf-8") + settings, encoding="utf-8")

    @asynccontextmanager
    async def listening(*, plugged: bool = True, who: str = "operator") -> AsyncIterator[tuple[Operator, Cable]]:
        if plugged:
            cable.plug()
        async with dock(who=who) as operator:
            operator.station.start(operator.app.notify_changed, operator.app.code)
            if plugged:
                # Nothing of the interface says that it is ready: only its absence is worth a sign.
                await until(
                    operator, lambda: operator.station._scanner and operator.station._scanner.state.name == "ready"
                )
            yield operator, cable
        cable.pull()

    return listening


async def test_a_badge_an_rma_and_an_article_scanned_by_serial_open_the_unit(serial: Serial) -> None:
    async with serial(who="") as (operator, cable):
        cable.scan(BADGES["operator"])
        await until(operator, lambda: not isinstance(operator.app.scene.place, SignIn))
        cable.scan("ML-4001")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnParcel))
        cable.scan(CODES["lamp"])
        await until(operator, lambda: isinstance(operator.app.scene.place, OnUnit))
        await operator.press("1")
        await operator.press("Enter")
        assert operator.at_desk
        assert operator.station.desk().units == 1


async def test_a_scan_by_serial_goes_to_the_station_and_not_into_the_field_that_is_open(serial: Serial) -> None:
    async with serial() as (operator, cable):
        await operator.press("/")
        await operator.write("oak")
        over = operator.app.scene.over
        assert isinstance(over, Type) and over.text == "oak"
        cable.scan("ML-4001")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnParcel))
        assert operator.app.scene.over is None


async def test_what_was_typed_into_the_box_is_no_part_of_a_scan_by_serial(serial: Serial) -> None:
    async with serial() as (operator, cable):
        await operator.write("ML")
        cable.scan("ML-4002")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnParcel))
        place = operator.app.scene.place
        assert isinstance(place, OnParcel)
        assert {line.rma.number for line in place.arrived.lines} == {"ML-4002"}


async def test_a_double_read_by_serial_is_dropped_with_a_sign(serial: Serial) -> None:
    async with serial() as (operator, cable):
        cable.scan("ML-4001")
        cable.scan("ML-4001")
        await until(operator, lambda: "double" in str(getattr(operator.app.scene.banner, "title", "")))
        assert "double read of ML-4001: dropped" in await operator.screen()
        assert isinstance(operator.app.scene.place, OnParcel)


async def test_a_scan_by_serial_presses_no_key(serial: Serial, monkeypatch: pytest.MonkeyPatch) -> None:
    scanned, pressed = [], []
    real = Hands.scanned

    def scan(self: Hands, scene: Scene, text: str) -> Turn:
        scanned.append(text)
        return real(self, scene, text)

    def press(self: Hands, scene: Scene, key: str) -> Turn:
        pressed.append(key)
        return Turn(scene)

    async with serial() as (operator, cable):
        monkeypatch.setattr(Hands, "scanned", scan)
        monkeypatch.setattr(Hands, "press", press)
        codes = ["ML-4001", CODES["lamp"], "123456", "A\x11\x10\x03\x1bB", "1"]
        for code in codes:
            cable.scan(code)
        await until(operator, lambda: len(scanned) == len(codes))
        assert (scanned, pressed) == (codes, [])


async def test_a_scanner_that_is_pulled_stands_on_the_screen_until_it_is_back(serial: Serial) -> None:
    async with serial() as (operator, cable):
        assert "scanner" not in "".join((await operator.lines())[-6:])
        cable.pull()
        await until(operator, lambda: operator.app.scene.scanner)
        gone = await operator.screen()
        assert "▲ scanner gone" in gone
        assert "does not answer" in gone and "doctor" in gone
        cable.plug()
        await until(operator, lambda: not operator.app.scene.scanner)
        back = await operator.screen()
        assert "the scanner is back" in back and "scanner gone" not in back
        cable.scan("ML-4001")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnParcel))


async def test_the_keyboard_works_while_the_scanner_is_gone(serial: Serial) -> None:
    async with serial(plugged=False) as (operator, _):
        await until(operator, lambda: operator.app.scene.scanner)
        await operator.scan("ML-4001")
        assert isinstance(operator.app.scene.place, OnParcel)
        await operator.press("Esc")
        assert "▲ scanner gone" in await operator.screen()
