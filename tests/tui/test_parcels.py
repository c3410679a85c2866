"""Every parcel of domain.md §4, from empty desk to empty desk, with exactly its keys."""

from inspect_station.tui.scene import AtDesk
from tests.tui.conftest import CODES, IMEIS, Dock

LAMP, CHARGER, VASE, BUDS = CODES["lamp"], CODES["charger"], CODES["vase"], CODES["buds"]
PHONES = [(CODES["phone"], imei) for imei in IMEIS]
PASSED = "Space 8 7 Enter"

PARCELS = {
    "sealed": ("ML-4101", (LAMP,), "1", "new restock"),
    "opened, no device class": ("ML-4102", (LAMP,), "2 Enter", "opened_packaging clearance"),
    "used, not electronic": ("ML-4103", (LAMP,), "3 f Enter p Enter", "used clearance"),
    "phone, all tests pass": ("NT-4101", PHONES[0], f"{PASSED} 3 Space Space p p Enter", "used clearance"),
    "phone, damaged": ("NT-4102", PHONES[1], f"{PASSED} 4 f Enter Space Space p p Enter", "lightly_damaged clearance"),
    "phone, account locked": ("NT-4103", PHONES[2], f"{PASSED} 3 2 Enter p Enter", "used hold"),
    "phone, dead": ("NT-4104", PHONES[3], "1 Enter p Enter", "defective return_to_seller"),
    "damaged, not electronic": ("ML-4104", (LAMP,), "4 f Enter p p Enter", "lightly_damaged clearance"),
    "defective, not electronic": ("NT-4105", (CHARGER,), "6 f Enter p Enter", "defective return_to_seller"),
    "wrong item": ("ML-4105", (VASE,), "Enter p Enter", "None hold"),
    "empty box": ("ML-4106", (), "x p Enter", "None hold"),
    "unknown code": ("PARCEL-WITHOUT-RMA", (), "Enter p p 2 Enter", "None hold"),
    "danger, from the parcel": ("ML-4107", (), "0", "None quarantine"),
    "danger, from the unit": ("ML-4108", (LAMP,), "0", "None quarantine"),
    "consult, sealed": ("NT-4002", (CHARGER,), "1 p Enter", "new hold"),
    "ineligible, sealed": ("ML-4007", (LAMP,), "1 p Enter", "new hold"),
    "twelve sealed of one line": ("ML-4003", (VASE,), "F7 1 2 Enter 1", "new restock"),
    "another site's": ("ML-4008", (), "Enter", "None forward"),
    "in-ear headphones, sterilised": ("NT-4004", (BUDS,), "3 Space Space Space Space p Enter", "used clearance"),
    "by questions": ("ML-4109", (LAMP,), "Enter Enter 2 5 Enter", "opened_packaging clearance"),
    "top row of an AZERTY keyboard": ("ML-4110", (LAMP,), "é Enter", "opened_packaging clearance"),
}


async def test_every_parcel_goes_from_desk_to_desk(dock: Dock) -> None:
    came_to: dict[str, str] = {}
    async with dock() as operator:
        for name, (rma, articles, keys, _) in PARCELS.items():
            for code in (rma, *articles):
                await operator.scan(code)
            await operator.press(*keys.split())
            place = operator.app.scene.place
            assert isinstance(place, AtDesk), f"{name}:\n{await operator.screen()}"
            assert place.card is not None, name
            kept = operator.station.show(place.card.lpn)
            came_to[name] = f"{kept.grade} {kept.disposition}"
            assert kept.disposition is not None
            where = operator.station.voice().say(operator.station.rules.places[kept.disposition])
            assert where in await operator.screen(), name
        with operator.station.store.read() as reader:
            assert reader.drafts() == ()
    assert came_to == {name: expected for name, (*_, expected) in PARCELS.items()}


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
