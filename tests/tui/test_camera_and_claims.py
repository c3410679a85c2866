"""The camera as a scanner, claims that a supervisor matches, and what is said about codes that were put right."""

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from inspect_station.demo.pictures import draw_label
from inspect_station.errors import DeviceError
from inspect_station.message import msg
from inspect_station.tui.scene import AtDesk, Looking, OnParcel, OnUnit, SignIn, Type
from tests.tui.conftest import BADGES, CODES, Dock, Operator


async def until(operator: Operator, true: Callable[[], bool]) -> None:
    """Wait for what happens beside the lane."""
    for _ in range(500):
        await operator.app.settled()
        if true():
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never: {operator.app.scene.over}, {operator.app.scene.banner}")


def over(operator: Operator) -> object:
    """What lies over the page."""
    return operator.app.scene.over


# ── The camera ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_f5_reads_the_code_before_the_camera_as_a_scan(dock: Dock, folder: Path) -> None:
    draw_label(folder / "camera", "ML-4001")
    async with dock() as operator:
        await operator.press("F5")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnParcel))
        assert over(operator) is None
        draw_label(folder / "camera", CODES["lamp"])
        await operator.press("F5")
        await until(operator, lambda: isinstance(operator.app.scene.place, OnUnit))


async def test_a_badge_is_read_by_camera_too(dock: Dock, folder: Path) -> None:
    draw_label(folder / "camera", BADGES["operator"])
    async with dock(who="") as operator:
        assert isinstance(operator.app.scene.place, SignIn)
        await operator.press("F5")
        await until(operator, lambda: isinstance(operator.app.scene.place, AtDesk))


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A camera that sees no code until it is stopped; the list tells how its looks ended."""
    ended: list[str] = []

    def look(camera: object, stop: threading.Event) -> None:
        ended.append("stopped" if stop.wait(10) else "gave up")

    monkeypatch.setattr("inspect_station.camera.look_for_code", look)
    return ended


async def test_esc_stops_the_camera_and_keys_are_keys_again(dock: Dock, blind: list[str]) -> None:
    async with dock() as operator:
        await operator.press("F5")
        assert isinstance(over(operator), Looking)
        assert "camera" in await operator.screen()
        await operator.press("x", "Esc")
        await until(operator, lambda: bool(blind))
        assert over(operator) is None and blind == ["stopped"]
        await operator.scan("ML-4001")
        assert isinstance(operator.app.scene.place, OnParcel)


async def test_a_scan_that_comes_first_stops_the_camera(dock: Dock, blind: list[str]) -> None:
    async with dock() as operator:
        await operator.press("F5")
        await operator.scan("ML-4001")
        await until(operator, lambda: bool(blind))
        assert isinstance(operator.app.scene.place, OnParcel) and over(operator) is None


async def test_looking_twice_stops_the_first_look(dock: Dock, blind: list[str]) -> None:
    async with dock() as operator:
        await operator.press("F5", "Esc", "F5")
        await until(operator, lambda: len(blind) == 1)
        assert isinstance(over(operator), Looking)
        await operator.press("Esc")
        await until(operator, lambda: blind == ["stopped", "stopped"])


async def test_a_look_that_ends_late_does_not_end_the_next_one(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[threading.Event] = []

    def look(camera: object, stop: threading.Event) -> None:
        stop.wait(10)
        time.sleep(0.3)  # a slow camera
        ended.append(stop)

    monkeypatch.setattr("inspect_station.camera.look_for_code", look)
    async with dock() as operator:
        await operator.press("F5", "Esc", "F5")
        second = over(operator)
        assert isinstance(second, Looking)
        await until(operator, lambda: len(ended) == 1)
        await operator.rest()
        assert over(operator) is second and not second.stop.is_set()


async def test_the_program_ends_while_the_camera_looks(dock: Dock, blind: list[str]) -> None:
    async with dock() as operator:
        await operator.press("F5")
    assert blind == ["stopped"]


async def test_a_camera_that_is_gone_says_so_and_the_scanner_goes_on(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(camera: object, stop: object) -> None:
        raise DeviceError(msg("The camera {camera} gives no picture ({why}).", camera="0", why="gone"), msg("cable"))

    monkeypatch.setattr("inspect_station.camera.look_for_code", look)
    async with dock() as operator:
        await operator.press("F5")
        await until(operator, lambda: operator.app.scene.banner is not None)
        assert over(operator) is None
        assert "gives no picture" in await operator.screen()
        await operator.scan("ML-4001")
        assert isinstance(operator.app.scene.place, OnParcel)


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def claim(operator: Operator) -> str:
    """Take in something unannounced; its plate."""
    await operator.scan("SOMETHING-ELSE")
    await operator.press("Enter", "p", "p", "1", "Enter")
    place = operator.app.scene.place
    assert isinstance(place, AtDesk) and place.card is not None
    return place.card.lpn


async def test_a_claim_waits_on_the_desk_until_a_supervisor_matches_it(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await claim(operator)
        await operator.rest()
        assert "waits for its RMA" in await operator.screen()
        await operator.sign_in("supervisor")
        await operator.scan(lpn)
        await operator.press("F12")
        assert isinstance(over(operator), Type)
        await operator.scan("ML-4001")
        assert "ML-4001" in await operator.screen()
        assert not isinstance(operator.app.scene.place, OnParcel), "the scan was an answer"
        await operator.press("1")
        place = operator.app.scene.place
        assert isinstance(place, OnUnit)
        assert (place.inspection.lpn, place.inspection.rma) == (lpn, "ML-4001")
        await operator.press("1")
        assert operator.at_desk
        assert operator.station.show(lpn).rma == "ML-4001"


async def test_a_claim_is_matched_by_a_word_of_the_title_too(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await claim(operator)
        await operator.sign_in("supervisor")
        await operator.scan(lpn)
        await operator.press("F12", *"kettle", "Enter")
        assert "ML-4009" in await operator.screen()


async def test_an_operator_is_told_that_a_supervisor_matches(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await claim(operator)
        await operator.scan(lpn)
        await operator.press("F12")
        await operator.scan("ML-4001")
        await operator.press("1")
        assert "only a supervisor" in await operator.screen()
        assert operator.station.show(lpn).rma == ""


async def test_f12_does_nothing_where_there_is_no_claim(dock: Dock) -> None:
    async with dock() as operator:
        await operator.press("F12")
        assert over(operator) is None
        await operator.start("ML-4001", "lamp")
        await operator.press("1")
        await operator.press("F12")
        assert over(operator) is None


# ── What is said about a code ────────────────────────────────────────────────────────────────────────────────────────

AZERTY = str.maketrans("1234567890-ML", "&é\"'(-è_çà)?L")


async def test_a_scanner_set_to_another_keyboard_is_put_right_and_told_about_once(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan("ML-4001".translate(AZERTY))
        assert isinstance(operator.app.scene.place, OnParcel)
        said = await operator.screen()
        assert "keyboard" in said and "azerty" in said.casefold()
        await operator.scan(CODES["lamp"].translate(AZERTY))
        assert isinstance(operator.app.scene.place, OnUnit)
        assert "keyboard" not in await operator.screen()


async def test_a_code_that_may_have_lost_its_separator_is_used_without_the_doubtful_part_and_said_so(
    dock: Dock,
) -> None:
    async with dock() as operator:
        await operator.start("ML-4009")
        await operator.scan(f"]d201{CODES['kettle'].zfill(14)}10LOT21X9")
        place = operator.app.scene.place
        assert isinstance(place, OnUnit) and place.inspection.serial == ""
        assert "separator" in await operator.screen()
