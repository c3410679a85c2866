"""Keys and scans act in the order in which they came, on the page they were meant for; a scan is never a hotkey."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from inspect_station.tui.scene import AtDesk, Choose, OnParcel, OnUnit, SignIn, Type
from tests.tui.conftest import BADGES, CODES, IMEI, Dock, Operator


def slow(operator: Operator, monkeypatch: pytest.MonkeyPatch, verb: str, seconds: float = 0.15) -> None:
    """Make one verb of the station slow."""
    real: Callable[..., Any] = getattr(operator.station, verb)

    def late(*args: Any, **named: Any) -> Any:
        time.sleep(seconds)
        return real(*args, **named)

    monkeypatch.setattr(operator.station, verb, late)


def watched(owner: object, name: str, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The first argument of every call to a method from now on."""
    real: Callable[..., Any] = getattr(owner, name)
    given: list[Any] = []

    def watching(first: Any, *rest: Any) -> Any:
        given.append(first)
        return real(first, *rest)

    monkeypatch.setattr(owner, name, watching)
    return given


async def test_keys_typed_while_a_scan_is_looked_up_reach_the_page_it_opens(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dock() as operator:
        slow(operator, monkeypatch, "scan")
        operator.burst("ML-4001")
        operator.burst(CODES["lamp"])
        operator.key("1", after=0.3)
        await operator.rest()
        assert operator.at_desk
        assert operator.station.desk().by_disposition == {"restock": 1}


async def test_the_next_parcel_may_be_scanned_while_the_last_is_being_saved(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dock() as operator:
        slow(operator, monkeypatch, "finish")
        await operator.start("ML-4001", "lamp")
        operator.key("1", after=0.4)
        operator.burst("ML-4002")
        operator.burst(CODES["lamp"])
        operator.key("2", after=0.4)
        operator.key("Enter", after=0.3)
        await operator.rest()
        assert operator.station.desk().by_disposition == {"restock": 1, "clearance": 1}


async def test_enter_waits_for_the_photo_before_it(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dock() as operator:
        slow(operator, monkeypatch, "photograph")
        await operator.start("ML-4007", "lamp")
        await operator.press("1")
        operator.key("p", after=0.4)
        operator.key("Enter", after=0.2)
        await operator.rest()
        place = operator.app.scene.place
        assert isinstance(place, AtDesk)
        assert place.card is not None
        assert [photo.slot for photo in place.card.photos] == ["article"]


@pytest.mark.parametrize("gap", [0.001, 0.030, 0.080], ids=["fast scanner", "usual scanner", "slow scanner"])
async def test_a_scan_on_a_grading_page_presses_nothing(dock: Dock, gap: float) -> None:
    # 3 is "used", 5 "heavily damaged", 0 would be quarantine at once.
    async with dock() as operator:
        await operator.start("NT-4001", "phone")
        await operator.scan(IMEI, gap)
        unit = operator.app.scene.unit
        assert unit is not None
        assert (unit.inspection.page, unit.inspection.chosen) == ("test", None)
        assert unit.inspection.serial == IMEI
        assert operator.station.desk().units == 0


async def test_a_press_that_began_a_scan_is_never_saved(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dock() as operator:
        await operator.start("NT-4001", "phone")
        kept = watched(operator.station, "keep", monkeypatch)
        await operator.scan("1" + IMEI, 0.06)
        assert {unit.chosen for unit in kept} <= {None}
        assert operator.station.desk().units == 0


async def test_a_slow_hand_is_not_a_scanner(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("NT-4001", "phone", "phone")
        await operator.scan(IMEI)
        await operator.press("Space")
        for key in ("8", "7", "Enter"):
            operator.key(key, after=0.12)
        await operator.rest()
        unit = operator.app.scene.unit
        assert unit is not None
        answer = unit.inspection.answer("test.battery")
        assert answer is not None
        assert answer.value == "87"


async def test_a_scan_in_a_note_is_pulled_back_out_and_goes_to_the_station_once(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("n")
        await operator.write("dusty ")
        seen = watched(operator.station, "scan", monkeypatch)
        await operator.scan("NOT-OF-THIS-UNIT")
        over = operator.app.scene.over
        assert isinstance(over, Type)
        assert over.text == "dusty "
        assert seen == ["NOT-OF-THIS-UNIT"]
        assert "does not belong to" in await operator.screen()


async def test_an_accepted_scan_closes_the_list_over_the_page(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("NT-4001", "phone")
        await operator.press("f")
        assert isinstance(operator.app.scene.over, Choose)
        await operator.scan(IMEI)
        scene = operator.app.scene
        assert scene.over is None
        unit = scene.unit
        assert unit is not None
        assert unit.inspection.page == "test"


async def test_a_double_read_is_dropped_with_a_sign(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan("ML-4001")
        operator.burst(CODES["lamp"])
        operator.clock.s -= 0.8
        operator.burst(CODES["lamp"])
        await operator.rest()
        assert isinstance(operator.app.scene.place, OnUnit)
        assert "double read" in await operator.screen()


async def test_typing_a_code_at_the_desk_fires_nothing(dock: Dock) -> None:
    async with dock() as operator:
        await operator.write("ML-4001")
        assert operator.at_desk
        await operator.press("Enter")
        assert isinstance(operator.app.scene.place, OnParcel)


async def test_typing_an_article_on_a_parcel_fires_nothing(dock: Dock) -> None:
    # Its 0 must not mean danger, its 1 no grade.
    async with dock() as operator:
        await operator.scan("ML-4001")
        await operator.write(CODES["lamp"])
        await operator.press("Enter")
        unit = operator.app.scene.unit
        assert unit is not None
        assert unit.inspection.page == "condition"


async def test_a_badge_in_the_middle_of_a_unit_changes_who_answers(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("NT-4001", "phone")
        await operator.scan(IMEI)
        await operator.press("3")
        await operator.sign_in("french")
        await operator.press("4")
        unit = operator.app.scene.unit
        assert unit is not None
        by = {answer.by for answer in unit.inspection.answers if answer.id in ("test.pixels", "test.cameras")}
        assert by == {"ana", "luc"}


async def test_hostile_codes_leave_the_station_running(dock: Dock) -> None:
    async with dock() as operator:
        operator.clock.s += 1
        for sign in ("A", "\x11", *"PARCEL", "\x10", "escape", *"[31mC", "enter"):
            operator.key(sign, after=0.004)
        await operator.rest()
        assert "U+0011" in await operator.screen()
        await operator.scan("ML-4001")
        assert isinstance(operator.app.scene.place, OnParcel)


async def test_markup_in_what_was_scanned_is_shown_as_it_is(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan("[/b][@click=app.quit]X")
        assert "[/b][@click=app.quit]X" in await operator.screen()


async def test_keys_of_the_terminal_reach_the_wedge_and_no_binding(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The way through Textual itself: letters, names, and the keys that would quit it or open its palette."""
    async with dock() as operator:
        app = operator.app
        given: list[str] = []
        real = app.key

        def key(at: float, name: str) -> None:
            given.append(name)
            real(at, name)

        monkeypatch.setattr(app, "key", key)
        keys = ["a", "é", "slash", "space", "enter", "ctrl+j", "tab", "backspace", "escape", "f9", "up"]
        keys += ["ctrl+right_square_bracket", "ctrl+q", "ctrl+p", "ctrl+c"]
        await operator.pilot.press(*keys)
        await operator.rest()
        assert given[:7] == ["a", "é", "/", " ", "enter", "enter", "tab"]
        assert given[7] in ("\x7f", "\b")
        assert given[8:] == ["\x1b", "f9", "up", "\x1d", "\x11", "\x10", "\x03"]
        assert app.is_running
        assert len(app.screen_stack) == 1


async def test_pasted_text_goes_to_the_box_and_nowhere_else(dock: Dock) -> None:
    from textual import events

    async with dock() as operator:
        await operator.app.on_event(events.Paste("ML-\x1b4001\n"))
        await operator.app.settled()
        assert operator.app.scene.place == AtDesk(typed="ML-4001")
        await operator.press("Enter")
        await operator.app.on_event(events.Paste("0"))
        await operator.app.settled()
        assert isinstance(operator.app.scene.place, OnParcel)


async def test_five_idle_minutes_lock_the_screen_and_keep_the_unit(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        operator.clock.s += 4 * 60
        operator.app.beat()
        await operator.app.settled()
        assert isinstance(operator.app.scene.place, OnUnit)
        operator.clock.s += 2 * 60
        operator.app.beat()
        await operator.app.settled()
        assert isinstance(operator.app.scene.place, SignIn)
        assert operator.station.operator is None
        await operator.press("1")
        await operator.press("escape")
        await operator.scan(BADGES["french"])
        place = operator.app.scene.place
        assert isinstance(place, OnUnit)
        assert place.inspection.chosen is None


async def test_what_the_lane_was_asked_is_done_before_the_program_ends(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = threading.Event()
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        real = operator.station.keep

        def late(unit: Any) -> None:
            time.sleep(0.2)
            real(unit)
            done.set()

        monkeypatch.setattr(operator.station, "keep", late)
        operator.key("n", after=0.4)
        operator.key("x", after=0.3)
        operator.key("Enter", after=0.3)
        operator.clock.s += 0.3
        operator.app.tick(operator.clock.s)
        await operator.app._inbox.join()
    assert done.is_set()


async def test_a_label_is_printed_behind_the_screens_and_the_lamp_follows(dock: Dock) -> None:
    async with dock(background=True) as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("1")
        printed = operator.station.config.printers[0].folder
        assert printed is not None
        for _ in range(100):
            await operator.app.settled()
            if "printer ready" in await operator.screen() and any(printed.iterdir()):
                break
            time.sleep(0.05)
        assert [file.suffix for file in printed.iterdir()] == [".pdf"]
        assert "printer ready" in await operator.screen()
