"""The check pages under the hands: rows that are scanned, typed, photographed, answered alone, or skipped."""

from pathlib import Path

import pytest

from inspect_station.core.records import Disposition, Grade, Inspection, Mark
from inspect_station.tui.scene import AtDesk
from tests.tui.conftest import BADGES, IMEI, PIN, Dock, Operator

ROWS = """
[[checklists]]
device_class = "headphones"
test = [
  { id = "batch", label = "batch code", kind = "scan", pattern = 'C-\\d{3}' },
  { id = "version", label = "version", kind = "text", skip = "operator" },
  { id = "fit", label = "fits both ears", kind = "pass_fail" },
  { id = "face", label = "front", kind = "photo", slot = "label" },
  { id = "range", label = "range", skip = "supervisor" },
]
"""


def unit(operator: Operator) -> Inspection:
    """The unit on the bench."""
    on_bench = operator.app.scene.unit
    assert on_bench is not None
    return on_bench.inspection


def at_desk(operator: Operator) -> Inspection:
    """The unit whose card is shown at the desk."""
    place = operator.app.scene.place
    assert isinstance(place, AtDesk) and place.card is not None
    return place.card


def value(operator: Operator, row: str) -> str:
    answer = unit(operator).answer(row)
    return answer.value if answer else ""


def mark(operator: Operator, row: str) -> Mark:
    answer = unit(operator).answer(row)
    return answer.mark if answer else Mark.OPEN


@pytest.fixture
def richer(folder: Path, dock: Dock) -> Dock:
    """A station whose headphones have every kind of row."""
    path = folder / "station.toml"
    path.write_text(path.read_text(encoding="utf-8") + ROWS, encoding="utf-8")
    return dock


async def test_every_kind_of_row_is_answered_by_what_it_is(richer: Dock) -> None:
    async with richer() as operator:
        await operator.start("NT-4004", "buds")
        await operator.press("3")
        assert "pass or fail?" in await operator.screen()
        await operator.press("Space")
        assert "batch code:" in await operator.screen()
        await operator.scan("C-123")
        assert value(operator, "test.batch") == "C-123"
        await operator.write("sp 2")
        await operator.press("Enter")
        assert value(operator, "test.version") == "sp 2"
        await operator.press("Tab", "1")
        assert mark(operator, "test.fit") is Mark.PASS
        await operator.press("Enter")
        assert unit(operator).page == "test", "the picture is still due"
        await operator.press("p", "Enter")
        assert unit(operator).page == "lock"


async def test_a_code_that_is_not_the_rows_is_not_taken_and_another_return_may_still_be_opened(richer: Dock) -> None:
    async with richer() as operator:
        await operator.start("NT-4004", "buds")
        await operator.press("3")
        await operator.scan("ML-4001")
        assert "Enter sets" in await operator.screen()
        await operator.press("Esc")
        assert mark(operator, "test.batch") is Mark.OPEN


async def test_s_skips_the_first_row_that_may_be_skipped_with_a_reason(richer: Dock) -> None:
    async with richer() as operator:
        await operator.start("NT-4004", "buds")
        await operator.press("3", "s")
        assert "Skip “version”: why?" in await operator.screen()
        await operator.write("no cable")
        await operator.press("Enter")
        answer = unit(operator).answer("test.version")
        assert answer is not None and (answer.mark, answer.value) == (Mark.SKIPPED, "no cable")
        assert "skipped: no cable" in await operator.screen()


async def test_in_a_text_field_enter_without_a_text_asks_why_it_is_skipped(richer: Dock) -> None:
    async with richer() as operator:
        await operator.start("NT-4004", "buds")
        await operator.press("3", "Space")
        await operator.scan("C-123")
        await operator.press("Enter")
        await operator.write("so it is")
        await operator.press("Enter")
        assert mark(operator, "test.version") is Mark.SKIPPED


async def test_a_row_that_nobody_may_skip_says_so(richer: Dock) -> None:
    async with richer() as operator:
        await operator.start("NT-4004", "buds")
        await operator.press("3", "Down", "s")
        assert "nobody may skip this" in await operator.screen()
        assert mark(operator, "test.sides") is Mark.OPEN


async def test_what_only_a_supervisor_may_skip_is_skipped_in_the_supervisors_name(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("NT-4001", "phone")
        await operator.scan(IMEI)
        await operator.press("Tab", "Down", "Down", "Down", "s")
        await operator.write("no card")
        await operator.press("Enter")
        assert mark(operator, "test.sim") is Mark.OPEN
        await operator.scan(BADGES["supervisor"])
        await operator.write(PIN)
        await operator.press("Enter")
        answer = unit(operator).answer("test.sim")
        assert answer is not None and (answer.mark, answer.by) == (Mark.SKIPPED, "sup")
        assert operator.station.by == "ana", "who works stays signed in"


async def test_a_refurbished_article_is_graded_again_with_its_label_a_digit_and_enter(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("3", "1", "p", "Enter")
        card = at_desk(operator)
        assert card.disposition is Disposition.REFURBISH
        await operator.scan(card.lpn)
        assert "Before: used" in await operator.screen()
        await operator.press("2")
        assert "graded before: used" in await operator.screen()
        await operator.press("Enter")
        again = at_desk(operator)
        assert (again.grade, again.earlier_grades) == (Grade.OPENED, (Grade.USED,))
        assert again.disposition is Disposition.CLEARANCE
