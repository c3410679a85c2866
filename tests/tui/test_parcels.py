"""Every parcel of domain.md §4, from empty desk to empty desk, with exactly its keys."""

import pytest
from tests.tui.conftest import CODES, IMEI, Dock

from inspect_station.tui.scene import AtDesk

PHONE = (CODES["phone"], IMEI)

PARCELS = {
    "sealed": (("ML-4001", CODES["lamp"]), "1", ("new", "restock")),
    "opened, no device class": (("ML-4001", CODES["lamp"]), "2 Enter", ("opened_packaging", "clearance")),
    "used, not electronic": (("ML-4001", CODES["lamp"]), "3 f Enter p Enter", ("used", "clearance")),
    "phone, all tests pass": (("NT-4001", *PHONE), "Space 8 7 Enter 3 Space Space p p Enter", ("used", "clearance")),
    "phone, damaged": (
        ("NT-4001", *PHONE),
        "Space 8 7 Enter 4 f Enter Space Space p p Enter",
        ("lightly_damaged", "clearance"),
    ),
    "phone, account locked": (("NT-4001", *PHONE), "Space 8 7 Enter 3 2 Enter p Enter", ("used", "hold")),
    "phone, dead": (("NT-4001", *PHONE), "1 Enter p Enter", ("defective", "return_to_seller")),
    "damaged, not electronic": (("ML-4001", CODES["lamp"]), "4 f Enter p p Enter", ("lightly_damaged", "clearance")),
    "defective, not electronic": (("NT-4003", CODES["charger"]), "6 f Enter p Enter", ("defective", "return_to_seller")),
    "wrong item": (("ML-4001", CODES["vase"]), "Enter p Enter", (None, "hold")),
    "empty box": (("ML-4001",), "x p Enter", (None, "hold")),
    "unknown code": (("PARCEL-WITHOUT-RMA",), "Enter p p 2 Enter", (None, "hold")),
    "danger, from the parcel": (("ML-4001",), "0", (None, "quarantine")),
    "danger, from the unit": (("ML-4001", CODES["lamp"]), "0", (None, "quarantine")),
    "consult, sealed": (("NT-4002", CODES["charger"]), "1 p Enter", ("new", "hold")),
    "ineligible, sealed": (("ML-4007", CODES["lamp"]), "1 p Enter", ("new", "hold")),
    "twelve sealed of one line": (("ML-4003", CODES["vase"]), "F7 1 2 Enter 1", ("new", "restock")),
    "another site's": (("ML-4008",), "Enter", (None, "forward")),
    "sterilised page of in-ear headphones": (
        ("NT-4004", CODES["buds"]),
        "3 Space Space Space Space p Enter",
        ("used", "clearance"),
    ),
    "by questions": (("ML-4001", CODES["lamp"]), "Enter Enter 2 5 Enter", ("opened_packaging", "clearance")),
    "top row of an AZERTY keyboard": (("ML-4001", CODES["lamp"]), "é Enter", ("opened_packaging", "clearance")),
}


@pytest.mark.parametrize(("scans", "keys", "expected"), PARCELS.values(), ids=PARCELS)
async def test_a_parcel_goes_from_desk_to_desk(
    dock: Dock, scans: tuple[str, ...], keys: str, expected: tuple[str | None, str]
) -> None:
    async with dock() as operator:
        for code in scans:
            await operator.scan(code)
        await operator.press(*keys.split())
        place = operator.app.scene.place
        assert isinstance(place, AtDesk), await operator.screen()
        assert place.card is not None
        with operator.station.store.read() as reader:
            kept = reader.inspection(place.card.lpn)
            assert kept is not None
            assert (kept.grade, kept.disposition) == expected
            assert reader.drafts() == ()
        assert operator.station.voice().say(operator.station.rules.places[kept.disposition]) in await operator.screen()


async def test_twelve_at_once_have_twelve_plates(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4003", "vase")
        await operator.press("F7", "1", "2", "Enter", "1")
        assert operator.station.desk().units == 12
        with operator.station.store.read() as reader:
            assert len({unit.lpn for unit in reader.units("lumo", "ML-4003")}) == 12


async def test_the_next_unit_of_the_line_needs_no_rma(dock: Dock) -> None:
    async with dock() as operator:
        await operator.start("ML-4005", "vase")
        await operator.press("1")
        assert "1 of 2 units done" in await operator.screen()
        await operator.scan(CODES["vase"])
        await operator.press("1")
        assert operator.at_desk
        assert operator.station.desk().units == 2
        assert operator.station.desk().parcel is None
