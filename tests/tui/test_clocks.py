"""F4: what is due and by whom; and the marks that a supervisor finds there."""

import pytest

from tests.tui.conftest import Dock, Operator

DAY = 24 * 3600


async def shown(operator: Operator, *parts: str) -> list[str]:
    """The lines of the screen that hold all these texts."""
    return [line for line in await operator.lines() if all(part in line for part in parts)]


async def test_what_is_due_first_stands_first_and_enter_opens_it(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4005", "vase")
        await operator.press("2", "Esc")
        await operator.start("ML-4006")
        await operator.press("Esc", "F4")
        assert await shown(operator, "1  ▶ L", "Blown glass vase")
        assert await shown(operator, "10:42 · due in 23 h · Ana B.")
        assert await shown(operator, "2  ▶ parcel ML-4006: 1 unit to come")
        assert await shown(operator, "due in 23 h · DOCK-3")
        await operator.press("2")
        assert await shown(operator, "RMA ML-4006")


async def test_what_is_over_its_time_is_counted_at_the_desk_and_listed_with_how_long(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("2", "Esc")
        operator.clock.s += DAY + 2 * 3600
        await operator.sign_in()
        await operator.press("F3")
        assert await shown(operator, "! 1 unit is over time since receipt", "F4 shows")
        await operator.press("F4")
        assert await shown(operator, "1  ! L")
        assert await shown(operator, "22 Nov · 2 h over · Ana B.")
        await operator.press("Enter")
        assert await shown(operator, "RMA ML-4001")


async def test_a_case_is_the_sellers_and_enter_shows_its_unit(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001")
        await operator.press("x", "p", "Enter", "F4")
        assert await shown(operator, "? L", "Oak desk lamp: empty box")
        assert await shown(operator, "due in 47 h · Maison Lumo")
        await operator.press("2")
        assert await shown(operator, "F2 reopens it")


@pytest.mark.parametrize(("size", "lines"), [((80, 24), 1), ((132, 40), 2)])
async def test_the_sixth_lamp_of_one_customer_in_a_week_is_marked(
    dock: Dock, size: tuple[int, int], lines: int
) -> None:
    often = "6 returns of this customer in 7 days"
    async with dock(size) as operator:
        for n in range(5):
            await operator.start(f"ML-410{n + 1}", "lamp")
            assert not await shown(operator, "▲")
            await operator.press("1")
        await operator.start("ML-4106", "lamp")
        assert len(await shown(operator, "▲ 6 returns of this customer")) == lines
        assert await shown(operator, "ACCEPTED")
        await operator.press("1")
        assert operator.at_desk
        await operator.press("F4")
        assert not await shown(operator, "returns of this customer"), "an operator is not bothered with it"
        await operator.press("Esc")
        await operator.sign_in("supervisor")
        await operator.press("F4")
        assert await shown(operator, often)
        await operator.press("Enter")
        assert await shown(operator, "F2 reopens it")


async def test_a_long_list_says_how_many_more_there_are(dock: Dock, monkeypatch) -> None:
    from inspect_station.store import Reader

    async with dock() as operator:
        for n in range(3):
            await operator.start(f"ML-410{n + 1}")
            await operator.press("x", "p", "Enter")
        whole = Reader.open_cases
        monkeypatch.setattr(Reader, "open_cases", lambda reader: whole(reader, limit=1))
        await operator.press("F4")
        assert await shown(operator, "2 more cases are open, due later")
        assert len(await shown(operator, "due in 47 h")) == 1


async def test_many_that_wait_still_leave_room_for_what_is_late(dock: Dock) -> None:
    async with dock() as operator:
        for n in range(6):
            await operator.start(f"ML-410{n + 1}", "lamp")
            await operator.press("2", "Esc")
        operator.clock.s += DAY
        await operator.sign_in()
        await operator.press("F3")
        assert await shown(operator, "! 6 units are over time since receipt")
        assert await shown(operator, "… 5 more: F4")
        await operator.press("Down")
        assert await shown(operator, " ▸ ▶ parcel ML-4106")
        for n in range(6):
            await operator.press("Down")
            assert await shown(operator, " ▸ ▶ L", "Oak desk lamp"), n
