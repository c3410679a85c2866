"""What stations of every form have written is taken by this hub, whole (fault 57).

tests/data/ages holds lines of real stations, one file for each form that the record of a unit has had: a unit that
came, was finished, taken back, finished again and, once that could be done, sent elsewhere; and one that nobody had
announced. The last was written while the clock was an hour behind. When the record gets another form, lines of the one
before join them.
"""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from inspect_station.core.ids import uuid7
from inspect_station.core.records import Inspection, instant
from inspect_station.hub import Hub, intake
from inspect_station.hub.ledger import Caller

AGES = sorted((Path(__file__).parents[1] / "data" / "ages").glob("[0-9]-*.ndjson"))


@pytest.fixture
def station(opened: Callable[..., Hub]) -> tuple[Hub, Caller]:
    hub = opened()
    with hub.write() as ledger:
        ledger.add_code("c", "main", "DOCK-3")
        ledger.enrol("c", "t", epoch=uuid7(1, bytes(10)), block="")
        caller = ledger.caller("t")
    assert caller is not None
    return hub, caller


@pytest.mark.parametrize("order", [1, -1], ids=["in order", "backwards"])
@pytest.mark.parametrize("age", AGES, ids=lambda path: path.stem)
def test_what_a_station_of_any_age_wrote_is_taken(station: tuple[Hub, Caller], age: Path, order: int) -> None:
    hub, caller = station
    body = age.read_bytes()
    lines = body.decode().removesuffix("\n").split("\n")
    events = [json.loads(line) for line in lines]

    def send() -> tuple[list[str], int]:
        arrivals = intake.lines("\n".join(lines[::order]).encode())
        receipts, reached = hub.change(lambda ledger: ledger.ingest(caller, arrivals))
        return [receipt.status.value for receipt in receipts], reached

    assert send() == (["accepted"] * len(lines), len(lines))
    assert send() == (["duplicate"] * len(lines), len(lines))
    with hub.read() as ledger:
        kept = ledger._rows("SELECT line FROM hub_event ORDER BY seq")
        rows = ledger._rows("SELECT body, corrected_at FROM inspection WHERE current ORDER BY body")
        unit, claim = (Inspection.model_validate_json(row["body"]) for row in rows)
        at = [instant(each.corrected_at) for each in (unit, claim)]
        assert ledger.parked("main") == []
    assert "".join(f"{row['line']}\n" for row in kept).encode() == body, "to the byte"
    said = [each["body"] for each in events if each["type"] in ("inspection.amended", "claim.opened")]
    newest, last = said[-2], said[-1]
    assert (unit.id, unit.revision, unit.grade, unit.disposition) == tuple(
        newest[name] for name in ("id", "revision", "grade", "disposition")
    )
    assert (claim.id, claim.kind, claim.lpn) == (last["id"], "unknown", last["lpn"])
    behind = timedelta(hours=1) if age.stem == "6-settles" else timedelta()
    assert [row["corrected_at"] for row in rows] == at
    assert [each.corrected_at - each.finished_at for each in (unit, claim) if each.finished_at] == [behind, behind]


def test_each_age_has_a_form_of_its_own() -> None:
    """A field of a unit's record that those before it lack."""
    known: set[str] = set()
    for age in AGES:
        here = {name for line in age.read_bytes().splitlines() for name in _names(json.loads(line)["body"])}
        assert here - known, age.name
        known |= here
    assert len(AGES) == 6
    assert known >= {"dock", "wipe", "was", "refund_means", "over", "settles"}


def _names(value: object) -> set[str]:
    if isinstance(value, dict):
        return {*value, *(name for each in value.values() for name in _names(each))}
    return {name for each in value for name in _names(each)} if isinstance(value, list) else set()
