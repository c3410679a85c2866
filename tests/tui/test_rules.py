"""Rules that a customer can dispute, as the operator sees them: criteria, badges, the text in its place, the refund."""

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from PIL import Image

from inspect_station.core.bench import Bench
from inspect_station.core.records import Disposition, Inspection, Money, Outcome
from inspect_station.core.rules import RefundRule
from inspect_station.tui import unit
from inspect_station.tui.paper import Paper
from inspect_station.tui.scene import AtDesk, OnUnit, Photos, Type, Writing
from inspect_station.tui.widgets import Picture
from tests.tui.conftest import BADGES, CODES, PIN, Dock, Operator

SIZES = pytest.mark.parametrize("size", [(80, 24), (140, 40)], ids=["80×24", "wide"])


def picture(operator: Operator) -> str:
    """A reference picture among the station's files; its name."""
    data = io.BytesIO()
    Image.effect_mandelbrot((64, 48), (-2, -1, 1, 1), 20).convert("RGB").save(data, "PNG")
    return operator.station.blobs.put(data.getvalue())


def with_seller(operator: Operator, **about: object) -> None:
    """The seller of the unit on the bench, with these settings."""
    place = operator.app.scene.unit
    assert place is not None
    bench = replace(place.bench, seller=place.bench.seller.but(**about))
    operator.app.scene = operator.app.scene.but(place=OnUnit(place.inspection, bench))


def inspection(operator: Operator) -> Inspection:
    """The unit on the bench."""
    assert operator.app.scene.unit is not None
    return operator.app.scene.unit.inspection


# ── Criteria ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@SIZES
async def test_criteria_come_first_then_each_picture_with_its_grade_and_what_it_shows(
    dock: Dock, size: tuple[int, int]
) -> None:
    async with dock(size) as operator:
        await operator.start("ML-4001", "lamp")
        with_seller(operator, criteria={"used": "Marks stay."}, pictures={"used": (picture(operator), "0" * 64)})
        await operator.press("g")
        assert "Marks stay." in await operator.screen()
        await operator.press("Tab")
        screen = await operator.screen()
        assert "used: picture 1 of 2" in screen
        assert "Marks stay." in screen, "under the picture"
        drawn = operator.app.query_one("#photo", Picture)
        assert drawn.display
        assert drawn.size.height > size[1] // 3, "large"
        await operator.press("Tab")
        screen = await operator.screen()
        assert "used: picture 2 of 2" in screen
        assert "not on this station's disk" in screen
        await operator.press("Tab")
        assert "Criteria of Maison Lumo" in await operator.screen()
        await operator.press("z")
        assert operator.app.scene.over is None
        assert inspection(operator).chosen is None


async def test_a_photo_that_is_owed_says_so(dock: Dock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("3", "f", "Enter")
        monkeypatch.setattr(operator.station, "_camera", None)
        await operator.press("p", "v")
        assert isinstance(operator.app.scene.over, Photos)
        assert "owed" in await operator.screen()


# ── A supervisor's badge ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("locale", ["en", "fr"])
async def test_a_grade_is_raised_by_a_badge_that_changes_nobody(dock: Dock, locale: str) -> None:
    async with dock(locale=locale) as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("4", "f", "Enter", "o", "3")
        await operator.write("hardly seen")
        await operator.press("Enter")
        assert "hardly seen" in await operator.screen(), "what the supervisor is asked for"
        await operator.scan(BADGES["operator"])
        assert "Ana B." in await operator.screen()
        await operator.scan(BADGES["supervisor"])
        await operator.write(PIN)
        screen = await operator.screen()
        assert PIN not in screen
        assert BADGES["supervisor"] not in screen
        await operator.press("Enter")
        assert [each.by for each in inspection(operator).overrides] == ["sup"]
        assert operator.station.by == "ana"


async def test_the_badge_dialogue_takes_whole_scans_only(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("4", "f", "Enter", "o", "3", "x", "Enter")
        before = operator.app.scene.over
        await operator.scan(CODES["vase"])
        assert operator.app.scene.over == before, "nothing of the code is left in the field"
        await operator.press("Esc")
        assert operator.app.scene.over is None
        assert not inspection(operator).overrides


# ── Sent elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


@SIZES
async def test_f12_sends_a_finished_unit_elsewhere(dock: Dock, size: tuple[int, int]) -> None:
    async with dock(size) as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("2", "Enter")
        lpn = operator.station.desk().last[0].lpn
        assert "send elsewhere" not in await operator.screen(), "only with its label in the hand"
        await operator.scan(lpn)
        assert "F12 send elsewhere" in await operator.screen()
        await operator.press("F12")
        screen = await operator.screen()
        assert "SELLER pallet" in screen
        assert "RESTOCK shelf" not in screen
        await operator.press("Esc")
        assert operator.station.show(lpn).revision == 1
        await operator.press("F12", "1")
        assert isinstance(operator.app.scene.over, Type)
        await operator.write("not sold")
        await operator.press("Enter")
        await operator.scan(BADGES["supervisor"])
        await operator.write(PIN)
        await operator.press("Enter")
        now = operator.station.show(lpn)
        assert now.rerouted[-1].reason == "not sold"
        place = operator.app.scene.place
        assert isinstance(place, AtDesk)
        assert place.card == now
        words = operator.station.rules.places[now.disposition or Disposition.HOLD]["en"]
        assert words in await operator.screen()


# ── The text that says why ───────────────────────────────────────────────────────────────────────────────────────────


async def row_of(operator: Operator, text: str) -> int:
    return next(n for n, line in enumerate(await operator.lines()) if text in line)


@SIZES
@pytest.mark.parametrize("locale", ["en", "fr"])
async def test_the_cursor_stands_in_the_text_on_its_own_page(dock: Dock, size: tuple[int, int], locale: str) -> None:
    async with dock(size, locale=locale) as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("3", "f", "Enter")
        start = {"en": "Why:", "fr": "Pourquoi"}[locale]
        before = await row_of(operator, start)
        await operator.press("e")
        assert await row_of(operator, start) == before, "it stays where it was"
        await operator.press("home")
        await operator.write("Zz ")
        assert "Zz " in (await operator.lines())[before]
        await operator.press("end", "left", "delete", "Enter")
        text = inspection(operator).text
        assert text.startswith("Zz ")
        assert operator.app.scene.over is None


async def test_a_scanner_writes_nothing_into_the_text(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("3", "f", "Enter", "e", "x")
        before = operator.app.scene.over
        assert isinstance(before, Writing)
        await operator.scan(CODES["lamp"])
        assert operator.app.scene.over == before
        await operator.press("Esc")
        assert inspection(operator).text == ""


async def test_text_is_pasted_at_the_cursor(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("3", "f", "Enter", "e", "home")
        operator.app.scene = operator.app.hands.pasted(operator.app.scene, "as new: ")
        await operator.press("Enter")
        assert inspection(operator).text.startswith("as new:")


def test_a_long_text_keeps_every_sign_and_its_cursor_in_view(at_finish: Callable[..., list[str]]) -> None:
    text = " ".join(f"w{n}" for n in range(40)) + " " + "x" * 60
    for at in (0, 37, 38, 80, len(text)):
        lines = at_finish(writing=Writing(text, at, ""))
        assert len(lines) <= 22
        word = text[at : at + 3].strip() or text[-5:]
        assert any(word in line for line in lines), at


# ── The refund ───────────────────────────────────────────────────────────────────────────────────────────────────────

Changed = Callable[[Bench, Inspection], tuple[Bench, Inspection]]


@pytest.fixture
async def at_finish(dock: Dock) -> Callable[..., list[str]]:
    """A used lamp at its finish page, painted at 80 × 24 after a change of its bench and record."""
    async with dock() as operator:
        await operator.start("ML-4001", "lamp")
        await operator.press("3", "f", "Enter", "p")
        place = operator.app.scene.unit
        station = operator.station
    assert place is not None

    def painted(change: Changed | None = None, writing: Writing | None = None, width: int = 78) -> list[str]:
        bench, inspected = change(place.bench, place.inspection) if change else (place.bench, place.inspection)
        paper = Paper(station.voice("en"), bench.rules, width)
        parts = unit.parts(paper, OnUnit(inspected, bench), "Ana B.", 22, writing)
        return [line for part in parts for line in part.text.plain.split("\n")]

    return painted


def as_it_is(bench: Bench, inspected: Inspection) -> tuple[Bench, Inspection]:
    return bench, inspected


def unpaid(bench: Bench, inspected: Inspection) -> tuple[Bench, Inspection]:
    assert inspected.line is not None
    return bench, inspected.but(line=inspected.line.but(paid=None))


def by_fba(bench: Bench, inspected: Inspection) -> tuple[Bench, Inspection]:
    assert inspected.line is not None
    shipping = Money(minor=490, currency="EUR")
    return bench, inspected.but(fulfilment="fba", line=inspected.line.but(shipping_paid=shipping))


def in_part(bench: Bench, inspected: Inspection) -> tuple[Bench, Inspection]:
    row = RefundRule(id="used", source="ours", seller=("lumo",), grade=("used",), percent=85, means="credit")
    return replace(bench, rules=bench.rules.model_copy(update={"refunds": (*bench.rules.refunds, row)})), inspected


def refused(bench: Bench, inspected: Inspection) -> tuple[Bench, Inspection]:
    verdict = inspected.verdict.but(outcome=Outcome.INELIGIBLE)
    return replace(bench, seller=bench.seller.but(not_met="tell")), inspected.but(verdict=verdict)


def consulted(bench: Bench, inspected: Inspection) -> tuple[Bench, Inspection]:
    return bench, inspected.but(verdict=inspected.verdict.but(outcome=Outcome.CONSULT))


REFUNDS: dict[str, tuple[Changed, str]] = {
    "all of what was paid": (as_it_is, "refund advice: full, €49.00, original payment"),
    "the amount is not known": (unpaid, "refund advice: full, original payment"),
    "FBA": (by_fba, "refund advice: full, €49.00, original payment · FBA: without shipping"),
    # 49.00 × 85 / 100 = 41.65
    "a seller's percentage": (
        in_part,
        "refund advice: partial, 85 %: €41.65, store credit · 85 % of what was paid, as the seller has set",
    ),
    "the conditions are not met, the customer is told": (
        refused,
        "refund advice: refuse · the conditions are not met",
    ),
    "the seller is asked": (consulted, "refund advice: ask the seller"),
}


@pytest.mark.parametrize(("change", "said"), REFUNDS.values(), ids=REFUNDS)
def test_the_refund_that_is_advised(at_finish: Callable[..., list[str]], change: Changed, said: str) -> None:
    text = " ".join(line[35:].strip() for line in at_finish(change, width=160))
    assert said in text
    assert sum("refund advice" in line for line in at_finish(change)) == 1, "it has room at 80 × 24, too"


def test_the_row_that_sends_it_there_is_named(at_finish: Callable[..., list[str]]) -> None:
    text = "\n".join(at_finish(width=118))
    assert "rule " in text
    assert " · " in text.split("rule ", 1)[1]
