"""A scan is never a hotkey, wherever the operator is and whatever it holds: the app, with the times of the keys."""

from collections.abc import Awaitable, Callable

import pytest

from inspect_station.core.barcode import GS
from inspect_station.tui.scene import Ask, AtDesk, Choose, Help, OnParcel, OnUnit, Photos, Scene, Type
from tests.tui.conftest import BADGES, CODES, IMEI, PIN, Dock, Operator

PACES = (0.0, 0.005, 0.015, 0.04, 0.08)
STRANGE = "31560204-pfnhx"
"""A code that nobody knows, of keys that all mean something on a unit."""


def seen(scene: Scene) -> object:
    """What a key could have changed."""
    return scene.place, scene.over


def scans(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every code that the station is asked about from now on."""
    asked: list[str] = []
    real = operator.station.scan

    def scan(text: str, *rest: object) -> object:
        asked.append(text)
        return real(text, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(operator.station, "scan", scan)
    return asked


async def at_desk(operator: Operator) -> None:
    await operator.write("ML")


async def on_parcel(operator: Operator) -> None:
    await operator.scan("ML-4001")


async def on_unit(operator: Operator) -> None:
    await operator.start("NT-4001", "phone")


async def at_measure(operator: Operator) -> None:
    await operator.start("NT-4001", "phone")
    await operator.scan(IMEI)
    await operator.press("Space", "8")


async def in_ask(operator: Operator) -> None:
    await on_unit(operator)
    await operator.scan("ML-4002")
    assert isinstance(operator.app.scene.over, Ask)


async def in_list(operator: Operator) -> None:
    await on_unit(operator)
    await operator.press("f")
    assert isinstance(operator.app.scene.over, Choose)


async def in_note(operator: Operator) -> None:
    await on_unit(operator)
    await operator.press("n", "o")
    assert isinstance(operator.app.scene.over, Type)


async def in_search(operator: Operator) -> None:
    await operator.press("/", "o")
    assert isinstance(operator.app.scene.over, Type)


async def in_pin(operator: Operator) -> None:
    await operator.scan(BADGES["supervisor"])
    await operator.press("2")
    assert isinstance(operator.app.scene.over, Type)


async def in_typed_code(operator: Operator) -> None:
    await on_parcel(operator)
    await operator.press("3")
    assert isinstance(operator.app.scene.over, Type)


async def in_photos(operator: Operator) -> None:
    await on_unit(operator)
    await operator.press("p")
    await operator.painted()
    await operator.press("v")
    await operator.painted()
    assert isinstance(operator.app.scene.over, Photos)


async def in_help(operator: Operator) -> None:
    await on_unit(operator)
    await operator.press("?")
    assert isinstance(operator.app.scene.over, Help)


PLACES = [at_desk, on_parcel, on_unit, at_measure, in_ask, in_list, in_note, in_search, in_pin, in_typed_code]
PLACES += [in_photos, in_help]
places = pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)


@places
async def test_a_scan_leaves_no_trace_of_its_keys_and_reaches_the_station_once(
    dock: Dock, place: Callable[[Operator], Awaitable[None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dock() as operator:
        await place(operator)
        before, units = seen(operator.app.scene), operator.station.desk().units
        asked = scans(operator, monkeypatch)
        for gap in PACES:
            code = f"315\x11{STRANGE}{gap}"
            await operator.scan(code, gap)
            assert seen(operator.app.scene) == before, f"restored, at {gap} s"
            assert asked.pop() == code
        assert "U+0011" in await operator.screen()
        await operator.scan(STRANGE, 0.06)
        assert asked == [STRANGE]
        assert operator.station.desk().units == units


@pytest.mark.parametrize("gap", [0.0, 0.04])
async def test_a_hands_key_just_before_a_scan_acts_and_the_scan_too(dock: Dock, gap: float) -> None:
    async with dock() as operator:
        await on_unit(operator)
        operator.key("f", after=1.0)
        operator.clock.s += 0.1 - gap
        for sign in (*IMEI, "Enter"):
            operator.key(sign, after=gap)
        await operator.rest()
        place = operator.app.scene.place
        assert isinstance(place, OnUnit)
        assert place.inspection.serial == IMEI


async def test_two_scans_within_50_ms(dock: Dock) -> None:
    async with dock() as operator:
        operator.burst("ML-4001")
        operator.clock.s += 0.05 - 1.0
        operator.burst(CODES["lamp"])
        await operator.rest()
        assert isinstance(operator.app.scene.place, OnUnit)


async def test_the_same_text_typed_by_a_hand_presses_keys(dock: Dock) -> None:
    async with dock() as operator:
        await on_unit(operator)
        for sign in "n356":
            operator.key(sign, after=0.2)
        await operator.rest()
        over = operator.app.scene.over
        assert isinstance(over, Type)
        assert over.text == "356"


async def test_digits_in_a_measure_field_stay_when_a_scan_comes(dock: Dock) -> None:
    async with dock() as operator:
        await at_measure(operator)
        await operator.press("7")
        await operator.scan("9\x11" + STRANGE, 0.04)
        unit = operator.app.scene.unit
        assert unit is not None
        assert unit.typed == "87"
        await operator.press("Enter")
        unit = operator.app.scene.unit
        assert unit is not None
        answer = unit.inspection.answer("test.battery")
        assert answer is not None
        assert answer.value == "87"


async def test_an_enter_behind_a_scan_that_comes_while_the_lane_works_is_swallowed(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    import time

    async with dock() as operator:
        await operator.scan("ML-4001")
        real = operator.station.scan

        def late(*args: object) -> object:
            time.sleep(0.15)
            return real(*args)  # type: ignore[arg-type]

        monkeypatch.setattr(operator.station, "scan", late)
        operator.burst(CODES["lamp"])
        operator.key("Enter", after=0.01)
        operator.key("Enter", after=0.12)
        await operator.rest()
        unit = operator.app.scene.unit
        assert unit is not None
        assert unit.inspection.page == "condition", "Enter there would have opened the questions"


CONTROLS = [chr(point) for point in (*range(0x20), 0x7F, 0x80, 0x9B, 0x9F) if chr(point) not in "\t\n\r" + GS]


async def test_a_control_character_rejects_the_scan_wherever_it_stands(dock: Dock) -> None:
    async with dock() as operator:
        await on_unit(operator)
        before = seen(operator.app.scene)
        for n, sign in enumerate(CONTROLS):
            code = "31560204"
            at = (0, 1, 2, 5, 8)[n % 5]
            await operator.scan(code[:at] + sign + code[at:])
            assert seen(operator.app.scene) == before
            banner = operator.app.scene.banner
            assert banner is not None
            assert f"U+{ord(sign):04X}" in operator.station.voice().say(banner.title)


async def test_half_a_code_is_shown_and_used_for_nothing(dock: Dock) -> None:
    async with dock() as operator:
        await on_unit(operator)
        before = seen(operator.app.scene)
        operator.clock.s += 1.0
        for sign in IMEI[:8]:
            operator.key(sign, after=0.015)
        operator.clock.s += 0.2
        operator.app.tick(operator.clock.s)
        await operator.app.settled()
        for sign in (*IMEI[8:], "Enter"):
            operator.key(sign, after=0.015)
        await operator.rest()
        assert seen(operator.app.scene) == before
        assert "U+FFFD" in await operator.screen()


async def test_a_paste_inside_a_scan_is_no_text(dock: Dock) -> None:
    from textual import events

    async with dock() as operator:
        operator.clock.s += 1
        for sign in "ABCD":
            operator.key(sign, after=0.004)
        paste = events.Paste("ML-4001")
        paste.time = operator.clock.s + 0.002
        await operator.app.on_event(paste)
        for sign in ("E", "F", "Enter"):
            operator.key(sign, after=0.004)
        await operator.rest()
        assert operator.app.scene.place == AtDesk()
        assert "U+FFFD" in await operator.screen()


async def test_with_a_prefix_a_scan_is_certain_and_a_scanner_without_it_presses_nothing(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    from inspect_station.core.wedge import Wedge

    async with dock() as operator:
        monkeypatch.setattr(operator.app, "_wedge", Wedge(prefix="\x06]"))
        await operator.scan("\x06]E0ML-4001", 0.3)
        assert isinstance(operator.app.scene.place, OnParcel)
        operator.key("?", after=1.0)
        await operator.rest(0.012)
        assert isinstance(operator.app.scene.over, Help)
        await operator.press("Esc")
        before = seen(operator.app.scene)
        await operator.scan("xpf13")
        assert seen(operator.app.scene) == before
        assert "U+FFFD" in await operator.screen()


async def test_a_supervisors_pin_typed_quickly_is_no_scan(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan(BADGES["supervisor"])
        for sign in (*PIN, "Enter"):
            operator.key(sign, after=0.1)
        await operator.rest()
        assert operator.station.operator is not None
        assert operator.station.operator.code == "sup"


# ── What a review found ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("gap", [0.004, 0.015, 0.04, 0.08])
async def test_a_measure_and_a_pin_are_scanned_from_the_command_sheet_at_any_pace(dock: Dock, gap: float) -> None:
    async with dock() as operator:
        await at_measure(operator)
        await operator.press("backspace")
        for code in ("CMD-8", "CMD-7"):
            await operator.scan(code, gap)
        assert isinstance(operator.app.scene.place, OnUnit)
        assert operator.app.scene.place.typed == "87"
        await operator.scan(BADGES["supervisor"], gap)
        for code in (*(f"CMD-{digit}" for digit in PIN), "CMD-ENTER"):
            await operator.scan(code, gap)
        assert operator.station.by == "sup"


async def test_a_rejected_code_is_no_answer_where_a_code_is_asked_for(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan("SOMETHING-ELSE")
        await operator.press("Enter", "p", "p", "1", "Enter")
        place = operator.app.scene.place
        assert isinstance(place, AtDesk) and place.card is not None
        await operator.scan(place.card.lpn)
        await operator.press("F12")
        await operator.scan("ML-40\x1101")
        assert isinstance(operator.app.scene.over, Type)
        assert "U+0011" in await operator.screen()


async def test_nothing_is_wrong_with_a_number_that_the_store_knows(dock: Dock) -> None:
    async with dock() as operator:
        rows = "rma,seller,gtin,tracking\nML-9001,lumo,3760311300165,1234567890123\n"
        operator.station.import_rmas(rows.encode())
        await operator.scan("1234567890123")
        assert isinstance(operator.app.scene.place, OnParcel)
        assert operator.app.scene.banner is None


async def test_a_double_read_does_not_hide_why_the_first_was_refused(dock: Dock) -> None:
    async with dock() as operator:
        operator.burst("9999\x112222")
        operator.clock.s -= 0.9  # the burst begins a second later: nearly at once
        operator.burst("9999\x112222")
        await operator.rest()
        said = await operator.screen()
        assert "U+0011" in said and "double read" in said


@pytest.mark.parametrize(("pasted", "typed"), [("f1", "1"), ("b", ""), ("8 7x", "87")])
async def test_a_paste_on_a_measure_is_text_and_presses_nothing(dock: Dock, pasted: str, typed: str) -> None:
    async with dock() as operator:
        await at_measure(operator)
        await operator.press("backspace")
        before = operator.app.scene.place
        assert isinstance(before, OnUnit)
        operator.clock.s += 1
        await operator.app._pasted(operator.clock.s, pasted)
        after = operator.app.scene.place
        assert isinstance(after, OnUnit)
        assert (after.typed, after.inspection) == (typed, before.inspection)


async def test_a_code_from_another_scanner_waits_for_the_one_that_is_being_typed(
    dock: Dock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dock() as operator:
        await on_unit(operator)
        before = operator.app.scene.place
        asked = scans(operator, monkeypatch)
        operator.clock.s += 1
        for sign in "31":
            operator.key(sign, after=0.01)
        operator.app.code("SER-123")
        await operator.pilot.pause()
        for sign in "560204":
            operator.key(sign, after=0.01)
        operator.key("Enter", after=0.01)
        await operator.rest()
        await operator.rest()
        assert asked == ["31560204", "SER-123"]
        place = operator.app.scene.place
        assert isinstance(place, OnUnit) and isinstance(before, OnUnit)
        assert place.inspection.chosen is before.inspection.chosen is None
