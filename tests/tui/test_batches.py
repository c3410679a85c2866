"""A batch in view: scans go into it, keys do what the foot says, and what is for ever is asked for."""

import pypdfium2
import zxingcpp

from inspect_station.core.batches import Fate
from inspect_station.tui.scene import Ask, AtDesk, OnBatch, OnParcel, OnUnit, Type
from tests.tui.conftest import BADGES, PIN, Dock, Operator


async def defective(operator: Operator, rma: str) -> str:
    """Grade a lamp as defective, for its seller; its plate."""
    await operator.start(rma, "lamp")
    await operator.press("6", "f", "Enter", "p", "Enter")
    assert operator.at_desk
    return operator.station.desk().last[0].lpn


def inside(operator: Operator) -> list[str]:
    """The units of the batch in view."""
    place = operator.app.scene.place
    assert isinstance(place, OnBatch)
    return [each.lpn for each in place.seen.batch.units]


async def test_one_scan_and_enter_put_a_unit_in_and_each_further_one_takes_a_scan(dock: Dock) -> None:
    async with dock() as operator:
        lamps = [await defective(operator, f"ML-{number}") for number in (4101, 4102, 4103)]
        await operator.scan(lamps[0])
        await operator.press("Enter")
        for lpn in lamps[1:]:
            await operator.scan(lpn)
        assert inside(operator) == lamps


async def test_one_enter_too_many_after_a_unit_is_finished_puts_nothing_anywhere(dock: Dock) -> None:
    async with dock() as operator:
        await defective(operator, "ML-4101")
        await operator.press("Enter", "Enter")
        assert operator.at_desk
        assert operator.station.batches() == ()


async def test_a_plate_is_no_hotkey_although_it_begins_with_one(dock: Dock) -> None:
    async with dock() as operator:
        first, second = [await defective(operator, f"ML-{number}") for number in (4101, 4102)]
        await operator.scan(first)
        await operator.press("Enter")
        for gap in (0.001, 0.030, 0.080):
            await operator.scan(second, gap)
        assert inside(operator) == [first, second]
        assert not (operator.station.config.station.data / "batches").exists()


async def test_an_rma_scanned_over_a_batch_begins_its_parcel_and_the_batch_stays(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan(await defective(operator, "ML-4101"))
        await operator.press("Enter")
        await operator.scan("ML-4102")
        assert isinstance(operator.app.scene.place, OnParcel)
        assert len(operator.station.batches()) == 1


async def test_a_badge_scanned_over_a_batch_changes_the_operator_and_the_batch_stays_in_view(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await defective(operator, "ML-4101")
        second = await defective(operator, "ML-4102")
        await operator.scan(lpn)
        await operator.press("Enter")
        await operator.scan(BADGES["french"])
        await operator.scan(second)
        assert inside(operator) == [lpn, second]
        (seen,) = operator.station.batches()
        assert [each.joined_by for each in seen.batch.units] == ["ana", "luc"]


async def test_a_unit_of_a_closed_batch_shows_it_by_enter_and_another_unit_is_looked_up(dock: Dock) -> None:
    async with dock() as operator:
        first, second = [await defective(operator, f"ML-{number}") for number in (4101, 4102)]
        await operator.scan(first)
        await operator.press("Enter", "c", "Enter", "Esc")
        await operator.scan(first)
        await operator.press("Enter")
        assert inside(operator) == [first]
        await operator.scan(second)
        place = operator.app.scene.place
        assert isinstance(place, AtDesk)
        assert place.card is not None
        assert (place.card.lpn, inside_of(operator)) == (second, [[first]])


def inside_of(operator: Operator) -> list[list[str]]:
    return [[each.lpn for each in seen.batch.units] for seen in operator.station.batches()]


async def test_closing_asks_for_the_seal_and_writes_the_list_that_another_program_reads(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await defective(operator, "ML-4101")
        await operator.scan(lpn)
        await operator.press("Enter", "c")
        assert isinstance(operator.app.scene.over, Type)
        await operator.press("Esc")
        assert operator.station.batches()[0].batch.closed_at is None
        await operator.press("c")
        await operator.scan("77812-A")
        (seen,) = operator.station.batches()
        assert (seen.batch.seal, seen.batch.sealed_no) == ("77812-A", 1)
        file = operator.station.config.station.data / "batches" / f"{seen.batch.number}.pdf"
        banner = operator.app.scene.banner
        assert banner is not None
        assert banner.hint is not None
        assert banner.hint.params["file"] == str(file)
        with pypdfium2.PdfDocument(file) as document:
            (code,) = zxingcpp.read_barcodes(document[0].render(scale=3, grayscale=True).to_pil())
            assert lpn in document[0].get_textpage().get_text_bounded()
        assert code.text == seen.batch.number
        with operator.station.store.read() as reader:
            assert [job.kind for job in reader.labels_of(seen.batch.number)] == ["manifest"]


async def test_a_unit_scanned_while_the_seal_is_asked_for_closes_nothing(dock: Dock) -> None:
    async with dock() as operator:
        first, second = [await defective(operator, f"ML-{number}") for number in (4101, 4102)]
        await operator.scan(first)
        await operator.press("Enter", "c")
        await operator.scan(second)
        (seen,) = operator.station.batches()
        assert seen.batch.closed_at is None
        assert operator.app.scene.banner is not None
        assert operator.app.scene.banner.tone == "look"


async def test_destroying_is_ordered_by_badge_and_pin_and_noted_in_both_names(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan(await defective(operator, "ML-4101"))
        await operator.press("Enter", "c", "Enter", "o", "3")
        await operator.write("counterfeit")
        await operator.press("Enter", "Enter")
        await operator.scan(BADGES["supervisor"])
        await operator.write(PIN)
        await operator.press("Enter")
        assert isinstance(operator.app.scene.over, Ask)
        (waits,) = operator.station.batches()
        assert waits.batch.ending is None, "nothing is noted before there is a picture"
        await operator.press("Enter")
        (seen,) = operator.station.batches(every=True)
        ending = seen.batch.ending
        assert ending is not None
        assert (ending.fate, ending.ground, ending.supervisor, ending.by) == (
            Fate.DESTROYED,
            "counterfeit",
            "sup",
            "ana",
        )
        assert operator.station.by == "ana"
        assert operator.app.scene.picture == ending.photo


async def test_without_a_camera_the_screen_says_so_and_nothing_is_noted(dock: Dock) -> None:
    async with dock() as operator:
        await operator.scan(await defective(operator, "ML-4101"))
        operator.station._camera = None
        await operator.press("Enter", "c", "Enter", "o", "1", "Enter", "Enter")
        assert operator.app.scene.banner is not None
        assert operator.app.scene.banner.tone == "bad"
        assert [seen.batch.ending for seen in operator.station.batches()] == [None]


async def test_the_lock_keeps_the_batch_behind_the_badge(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await defective(operator, "ML-4101")
        await operator.scan(lpn)
        await operator.press("Enter")
        await operator.app._lock()
        await operator.scan(BADGES["french"])
        assert inside(operator) == [lpn]


async def test_a_unit_reopened_at_the_desk_is_out_of_its_batch(dock: Dock) -> None:
    async with dock() as operator:
        lpn = await defective(operator, "ML-4101")
        await operator.scan(lpn)
        await operator.press("Enter", "Esc")
        await operator.scan(lpn)
        await operator.press("F2")
        await operator.write("again")
        await operator.press("Enter")
        assert isinstance(operator.app.scene.place, OnUnit)
        assert inside_of(operator) == [[]]
