"""Every step and every error as it looks, kept as plain text; and in a wordy language nothing is cut.

Golden files: ``pytest tests/tui/test_screens.py --snapshot-update``, then read the difference.
"""

import asyncio
from collections.abc import Awaitable, Callable
from unittest.mock import patch

import pytest
from rich.cells import cell_len
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from inspect_station.core.records import Words
from inspect_station.errors import DiskFull
from inspect_station.message import Message, msg
from inspect_station.tui.widgets import Block
from inspect_station.words import Voice
from tests.tui.conftest import CODES, IMEI, Dock, Operator

Look = Callable[[str], Awaitable[None]]
Walk = Callable[[Operator, Look], Awaitable[None]]


# ── The ways through the station ─────────────────────────────────────────────────────────────────────────────────────


async def signing_in(operator: Operator, look: Look) -> None:
    await look("nobody signed in")
    await operator.scan("ML-4001")
    await look("scan without a badge")
    await operator.scan("BDG-ZZZZZZZZZZZZZZZZ")
    await look("unknown badge")
    await operator.scan("BDG-2123456789ABCDEF")
    await operator.write("12")
    await look("supervisor's PIN")
    await operator.press("Enter")
    await look("wrong PIN")
    await operator.sign_in()
    await look("empty desk")
    await operator.press("?")
    await look("help at the desk")
    await operator.press("Esc", "F9")
    await look("quitting")
    await operator.press("Esc", "F6")
    await look("change of the roll")


async def sealed_and_opened(operator: Operator, look: Look) -> None:
    await operator.sign_in()
    await operator.write("ML-40")
    await look("typing a code")
    await operator.press("Esc")
    await operator.scan("ML-4001")
    await look("parcel of one line")
    await operator.scan(CODES["lamp"])
    await look("condition")
    await operator.press("?")
    await look("help on a unit")
    await operator.press("Tab")
    await look("help on a unit, second page")
    await operator.press("Esc", "1")
    await look("sealed, at the desk")
    await operator.start("ML-4002", "lamp")
    await operator.press("2")
    await look("finish, opened")
    await operator.press("2")
    await look("what is missing")
    await operator.press("Enter")
    await look("finish, incomplete")
    await operator.press("Esc")
    await operator.start("ML-4009", "kettle")
    await operator.press("Enter")
    await look("first question")
    await operator.press("Enter")
    await look("second question")


async def a_phone(operator: Operator, look: Look) -> None:
    await operator.sign_in()
    await operator.start("NT-4001", "phone")
    await operator.scan(IMEI)
    await look("tests")
    await operator.press("Tab", "Down", "Right")
    await look("tests, second nine, a row failed")
    await operator.press("Right", "Space")
    await look("battery to be measured")
    await operator.press("1", "0", "7", "Enter")
    await look("measure out of range")
    await operator.press("8", "7", "Enter")
    await look("grade after the tests")
    await operator.press("3", "2")
    await look("account locked")
    await operator.press("2", "p")
    await look("photo just taken")
    await operator.press("Space")
    await look("wipe")
    await operator.press("Space")
    await look("finish, photo due")
    await operator.press("Enter")
    await look("finish, photo due, Enter pressed")
    await operator.press("p", "n")
    await look("note")
    await operator.write("box dented")
    await operator.press("Enter")
    await look("finish, used")
    await operator.press("v")
    await look("photos")
    await operator.press("Esc", "f")
    await look("findings")
    await operator.press("Esc", "o")
    await look("another grade")
    await operator.press("1")
    await operator.write("like new")
    await operator.press("Enter")
    await look("only a supervisor raises")


async def not_ours(operator: Operator, look: Look) -> None:
    await operator.sign_in()
    await operator.start("NT-4002", "charger")
    await look("ask the seller")
    await operator.press("1")
    await look("finish, ask the seller")
    await operator.press("Esc")
    await operator.scan("ML-4007")
    await look("parcel not eligible")
    await operator.scan(CODES["lamp"])
    await look("not eligible")
    await operator.press("g")
    await look("criteria of the seller")
    await operator.press("Esc", "h")
    await operator.write("ask Ana")
    await operator.press("Enter")
    await look("held by hand")
    await operator.press("Esc")
    await operator.start("ML-4010", "lamp")
    await operator.press("t")
    await look("postmark")
    await operator.write("31/2")
    await operator.press("Enter")
    await look("postmark is no date")
    await operator.press("t")
    await operator.write("5/11")
    await operator.press("Enter")
    await look("postmark known")


async def odd_parcels(operator: Operator, look: Look) -> None:
    await operator.sign_in()
    await operator.scan("ML-4004")
    await look("parcel of several lines")
    await operator.press("f")
    await look("seen on the carton")
    await operator.press("1", "p")
    await look("carton photographed")
    await operator.press("m")
    await look("which line is missing")
    await operator.press("3")
    await look("line marked as missing")
    await operator.scan(CODES["phone"])
    await look("wrong item proposed")
    await operator.press("Enter")
    await look("wrong item")
    await operator.press("p", "Enter")
    await operator.scan("ML-4004")
    await operator.press("x")
    await look("empty box")
    await operator.press("p", "Enter")
    await operator.scan("PARCEL-WITHOUT-RMA")
    await look("unknown code")
    await operator.press("Enter")
    await look("not announced")
    await operator.press("Esc")
    await operator.scan("ML-4008")
    await look("another site's")
    await operator.press("Esc")
    await operator.scan("ML-4009")
    await operator.press("0")
    await look("danger, at the desk")


async def waiting_and_correcting(operator: Operator, look: Look) -> None:
    await operator.sign_in()
    await operator.start("ML-4003", "vase")
    await operator.press("F7")
    await look("count")
    await operator.press("9", "9", "Enter")
    await look("counted too many")
    await operator.press("F7", "3", "Enter")
    await look("three at once")
    await operator.press("1")
    await look("three saved")
    await operator.start("ML-4005", "vase")
    await operator.press("2", "Esc")
    await look("set aside")
    await operator.press("Down", "Down")
    await look("chosen from what waits")
    await operator.press("F4")
    await look("waiting list")
    await operator.press("Esc", "/")
    await look("search")
    await operator.write("lamp")
    await operator.press("Enter")
    await look("search, found")
    await operator.press("Esc", "/")
    await operator.write("zzz")
    await operator.press("Enter")
    await look("search, nothing found")
    await operator.press("F2")
    await look("undone")
    await operator.scan("ML-4001")
    await look("another RMA while a unit is open")
    await operator.press("Enter", "Esc", "F8")
    await look("handed over")
    await operator.sign_in()
    await operator.start("ML-4001", "lamp")
    await operator.press("1")
    lpn = operator.station.desk().last[0].lpn
    await operator.press("Esc")
    await operator.scan(lpn)
    await look("found again by its label")
    await operator.press("F2")
    await look("reopening")
    await operator.press("Esc", "F3")
    await look("which label")
    await operator.press("Enter")
    await look("reprinted")
    await operator.start("ML-4002", "lamp")
    operator.clock.s += 400
    operator.app.beat()
    await operator.app.settled()
    await look("locked")


async def errors(operator: Operator, look: Look) -> None:
    await operator.sign_in()
    await operator.scan("9" * 129)
    await look("code too long")
    await operator.scan("3760311300166")
    await look("check digit wrong")
    await operator.start("ML-4007", "lamp")
    await operator.press("z")
    await look("a key that does nothing")
    await operator.scan("SOMETHING-ELSE")
    await look("code of something else")
    await operator.press("1")
    with patch.object(operator.station, "_camera", None):
        await operator.press("p")
        await look("camera down")

    def full(*_: object) -> None:
        raise DiskFull(msg("The disk is full: the last step was not saved."), msg("Free space, then do it again."))

    def broken(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    with patch.object(operator.station, "finish", full):
        await operator.press("Enter")
        await look("disk full")
    with patch.object(operator.station, "finish", broken):
        await operator.press("Enter")
        await look("unexpected error")
    with patch.object(operator.station, "keep", full):
        await operator.press("f", "Enter")
        await look("draft not saved")
    await operator.press("Esc")
    await look("after the errors")


async def labels_in_doubt(operator: Operator, look: Look) -> None:
    station = operator.station
    await operator.sign_in()
    await operator.start("ML-4001", "lamp")
    await operator.press("1")
    lpn = station.desk().last[0].lpn
    why = msg("The station stopped while {lpn} was being printed.", lpn=lpn)
    with station.store.write() as writer:
        (job,) = writer.labels("queued")
        writer.move_label(job.id, "printing", printer="labels")
        writer.move_label(job.id, "parked", reason=why)
    await operator.press("Esc", "F4", "Enter")
    await look("did it come out?")
    await operator.press("v")
    await look("the label, large")
    await operator.press("Esc", "2")
    while station.outbox.prints.print_once():
        pass
    await operator.press("Esc")
    await look("to be scanned on its box")
    await operator.scan(f"{lpn}/1")
    await look("a void one is scanned")
    await operator.scan(f"{lpn}/2")
    await look("the new one is scanned")
    await operator.press("F6", "Enter", "Esc")
    await look("held")
    await operator.start("ML-4002", "lamp")
    await operator.press("1", "F6")
    await look("a test label first")
    await operator.press("Enter")
    while operator.app.scene.over is None:  # it comes beside the keys
        await asyncio.sleep(0.01)
    await look("the test label is out")
    await operator.press("Enter")
    await look("printing goes on")


async def _defective(operator: Operator, rma: str, product: str, *, property_: bool = False) -> str:
    """Grade one as defective, for its seller; its plate."""
    await operator.start(rma, product)
    await operator.press("6", "f", "Enter")
    if property_:
        await operator.press("f", "Tab", "Tab", "9")
    await operator.press("p", "Enter")
    return operator.station.desk().last[0].lpn


async def batches(operator: Operator, look: Look) -> None:
    station = operator.station
    await operator.sign_in()
    lamps = [await _defective(operator, f"ML-{number}", "lamp") for number in range(4101, 4109)]
    with_card = await _defective(operator, "ML-4109", "lamp", property_=True)
    await operator.scan(lamps[0])
    await look("it begins a batch")
    await operator.press("Enter")
    await look("the first unit is in")
    (open_,) = station.batches()
    number = open_.batch.number
    await operator.press("Esc")
    await operator.scan(lamps[1])
    await look("it joins the batch")
    await operator.press("Enter")
    for lpn in lamps[2:]:
        await operator.scan(lpn)
    await operator.scan(with_card)
    await look("nine units, one with a customer's property")
    await operator.press("Tab")
    await look("the earlier ones")
    await operator.scan(lamps[0])
    await look("in it already")
    await operator.press("?")
    await look("help in a batch")
    await operator.press("Esc", "c")
    await look("the property keeps it open")
    await operator.press("p")
    await look("is it out?")
    await operator.press("Enter", "t")
    await look("which unit is taken out?")
    await operator.scan(lamps[3])
    await look("why is it taken out?")
    await operator.press("3")
    await look("it is out")
    await operator.press("F2")
    await look("the last one taken out again")
    await operator.press("Esc", "F4")
    await look("F4 lists it")
    await operator.press("Esc")
    await operator.scan(number)
    await operator.press("c")
    await look("the seal")
    await operator.scan(lamps[2])
    await look("a unit is no seal")
    await operator.press("c")
    await operator.scan("77812-A")
    await operator.press("Esc")
    await operator.scan(number)
    await look("closed")
    await operator.press("F3")
    await look("its label again")
    await operator.press("o")
    await look("what became of it?")
    await operator.press("3")
    await look("on what ground?")
    await operator.write("counterfeit")
    await operator.press("Enter")
    await look("when?")
    await operator.write("31/2")
    await operator.press("Enter")
    await look("no such day")
    await operator.press("o", "3")
    await operator.write("counterfeit")
    await operator.press("Enter", "Enter")
    await look("by whose order?")
    await operator.press("Esc", "o", "Enter", "Enter")
    await look("the proof")
    await operator.press("Enter")
    await look("returned")
    await operator.press("v")
    await look("the proof, large")
    await operator.press("Esc", "Esc")
    last = await _defective(operator, "ML-4110", "lamp")
    await operator.scan(last)
    await operator.press("Enter", "F2")
    await look("nothing is in it")
    await operator.press("c")
    await look("c does nothing in an empty one")
    await operator.press("Esc")
    await operator.scan("B7F3K000138")
    await look("another station's batch")


WALKS = (
    signing_in,
    sealed_and_opened,
    a_phone,
    not_ours,
    odd_parcels,
    waiting_and_correcting,
    labels_in_doubt,
    batches,
    errors,
)
NAMES = [walk.__name__.replace("_", " ") for walk in WALKS]


# ── As they look ─────────────────────────────────────────────────────────────────────────────────────────────────────


class ScreenText(SingleFileSnapshotExtension):
    """The screens of one way in a text file, one after the other."""

    _write_mode = WriteMode.TEXT
    file_extension = "txt"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=["80x24", "120x40"])
@pytest.mark.parametrize("walk", WALKS, ids=NAMES)
async def test_screens(dock: Dock, snapshot: SnapshotAssertion, walk: Walk, size: tuple[int, int]) -> None:
    film: list[str] = []
    async with dock(size, who="") as operator:

        async def look(name: str) -> None:
            film.append(f"══ {name} {'═' * (size[0] - len(name) - 4)}\n{await operator.screen()}")

        await walk(operator, look)
    assert "\n".join(film) == snapshot.use_extension(ScreenText)


async def test_training_is_seen_on_every_page(dock: Dock) -> None:
    async with dock(training=True) as operator:
        assert "TRAINING" in (await operator.lines())[0]
        await operator.start("ML-4001", "lamp")
        assert "TRAINING" in (await operator.lines())[0]


# ── Nothing is cut ───────────────────────────────────────────────────────────────────────────────────────────────────


def cut(operator: Operator) -> list[str]:
    """What does not fit where it stands."""
    app = operator.app
    problems = []
    for block in app.query(Block):
        part = block.shown
        if not block.display or part is None or block.styles.layer == "over":
            continue
        inside = block.parent.region if block.parent else app.screen.region  # type: ignore[attr-defined]
        if block.region.bottom > inside.bottom or block.region.right > inside.right:
            problems.append(f"{block} stands outside its page:\n{part.text}")
        lines = part.text.plain.split("\n")
        width, height = block.content_size
        problems += [f"too wide ({width}): {line}" for line in lines if cell_len(line.rstrip()) > width]
        if len(lines) > height:
            problems.append(f"too high ({height}): {part.text}")
        if part.title and cell_len(part.title) > width - 2:
            problems.append(f"title too wide ({width}): {part.title}")
        problems += [f"cut: {line}" for line in lines if "…" in line]
    return problems


@pytest.mark.parametrize("walk", WALKS, ids=NAMES)
async def test_nothing_is_cut_in_french_at_80_columns(dock: Dock, monkeypatch: pytest.MonkeyPatch, walk: Walk) -> None:
    real = Voice.say

    def wordy(self: Voice, what: Message | Words | str) -> str:
        """French is a third longer; what has no translation yet is made so."""
        text = real(self, what)
        if self.locale != "fr" or not isinstance(what, Message) or text != real(Voice("en", self.rules), what):
            return text
        return " ".join([text, *("mot" for _ in range(round(len(text) / 12)))])

    monkeypatch.setattr(Voice, "say", wordy)
    found: dict[str, list[str]] = {}
    async with dock(who="", locale="fr") as operator:

        async def look(name: str) -> None:
            await operator.painted()
            if problems := cut(operator):
                found[name] = problems

        await walk(operator, look)
    assert found == {}
