"""The hub's memory: each fact once, byte by byte, in whatever order; what contradicts is kept and said."""

import hashlib
import itertools
import json
import random
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspect_station.core.ids import uuid7
from inspect_station.core.records import Disposition, Event, Grade, Inspection, Kind, Line, Product, Rma
from inspect_station.core.wire import Receipt
from inspect_station.hub import Hub, intake
from inspect_station.hub.admin import secret_hash
from inspect_station.hub.ledger import START, Caller, Ledger, Place, Vanished
from inspect_station.hub.units import Unit, clash
from inspect_station.store import Store

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LAMP = "03760311300165"


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def hub(opened: Callable[..., Hub]) -> Hub:
    return opened(clock=Clock())


_numbers = itertools.count(1)


def _id() -> str:
    return uuid7(1_795_000_000_000 + next(_numbers), bytes(10))


class Dock:
    """A station as the hub sees it: what it sends, and under whose name."""

    def __init__(self, hub: Hub, name: str, tenant: str = "main") -> None:
        self.hub = hub
        self.epoch = _id()
        self.seq = 0
        code, token = secret_hash(_id()), secret_hash(_id())
        with hub.write() as ledger:
            ledger.add_code(code, tenant, name)
            granted = ledger.enrol(code, token, epoch=self.epoch, block="")
            assert not isinstance(granted, str)
            caller = ledger.caller(token)
        assert caller is not None
        self.caller: Caller = caller
        self.block = granted.block

    def line(self, type: str, body: dict[str, Any], *, id: str = "", schema: int = 1) -> str:
        """An event, numbered."""
        self.seq += 1
        event = Event(
            id=id or _id(),
            epoch=self.epoch,
            seq=self.seq,
            prev_sha256="",
            type=type,
            schema=schema,
            occurred_at=NOON,
            tz="Europe/Paris",
            boot="b",
            mono_ms=self.seq,
            operator="ana",
            body=body,
        )
        return event.line()

    def finished(self, unit: Inspection, **how: Any) -> str:
        kind = "inspection.finished" if unit.revision == 1 else "inspection.amended"
        return self.line(kind, unit.model_dump(mode="json"), **how)

    def voided(self, unit: Inspection, reason: str = "undo") -> str:
        body = {"inspection": unit.id, "lpn": unit.lpn, "revision": unit.revision + 1, "reason": reason}
        return self.line("inspection.voided", body)

    def send(self, *lines: str) -> list[Receipt]:
        """Send them in one request."""
        return self.sent(*lines)[0]

    def sent(self, *lines: str) -> tuple[list[Receipt], int]:
        with self.hub.write() as ledger:
            arrivals = intake.lines("\n".join(lines).encode(), lambda asked: ledger.kept(self.caller.tenant, asked))
            return ledger.ingest(self.caller, arrivals)

    def told(self, *lines: str) -> list[tuple[str, str]]:
        """Status and code of each."""
        return [(receipt.status.value, receipt.code) for receipt in self.send(*lines)]


def _unit(grade: Grade = Grade.NEW, **changes: Any) -> Inspection:
    id = changes.pop("id", _id())
    unit = Inspection(
        id=id,
        lpn=f"L{id[-6:]}",
        station="DOCK",
        parcel="",
        seller="lumo",
        rma="R-1",
        line=Line(no=1, gtin=LAMP),
        started_at=NOON,
        grade=grade,
        disposition=Disposition.RESTOCK if grade is Grade.NEW else Disposition.CLEARANCE,
        finished_at=NOON,
    )
    return unit.but(**changes)


def _shown(hub: Hub) -> list[dict[str, Any]]:
    """The units as reports read them, the event's id aside."""
    with hub.read() as ledger:
        rows = ledger._rows("SELECT id, revision, current, voided_at, grade, body FROM inspection ORDER BY 1, 2")
    return [dict(row) for row in rows]


def _count(hub: Hub, table: str) -> int:
    with hub.read() as ledger:
        return int(ledger._rows(f"SELECT count(*) AS n FROM {table}")[0]["n"])


# ── Once, and whole ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fact_is_kept_once_however_often_it_is_sent(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    line = dock.finished(_unit())
    assert dock.told(line, line) == [("accepted", ""), ("duplicate", "")]
    assert dock.told(line) == [("duplicate", "")]
    assert _count(hub, "hub_event") == _count(hub, "inspection") == 1


def test_what_is_kept_is_the_line_that_came(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    unit = {**_unit().model_dump(mode="json"), "colour": "rôuge", "text": "two  spaces, <b>"}
    line = dock.line("inspection.finished", unit).replace(",", " ,")
    dock.send(line)
    with hub.read() as ledger:
        assert [row["line"] for row in ledger._rows("SELECT line FROM hub_event")] == [line]


def test_another_body_under_a_known_id_is_parked_and_both_stay(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    id, unit = _id(), _unit()
    first, second = dock.finished(unit, id=id), dock.finished(unit.but(grade=Grade.USED), id=id)
    assert dock.told(first, second, second) == [("accepted", ""), ("rejected", "id_reuse"), ("rejected", "id_reuse")]
    assert dock.told(first) == [("duplicate", "")]
    with hub.read() as ledger:
        assert [row["line"] for row in ledger._rows("SELECT line FROM hub_event")] == [first]
        assert [row["line"] for row in ledger._rows("SELECT line FROM hub_parked")] == [second]


def test_a_line_known_by_its_hash_is_answered_as_before_and_its_epoch_counts(hub: Hub) -> None:
    dock = Dock(hub, "A")
    first, second = (dock.finished(_unit()) for _ in range(2))
    assert dock.sent(first, second)[1] == 2
    receipts, reached = dock.sent(second)
    assert [(each.id, each.sha256, each.status.value) for each in receipts] == [
        (json.loads(second)["id"], hashlib.sha256(second.encode()).hexdigest(), "duplicate")
    ]
    assert reached == 2


def test_another_tenants_hash_says_nothing(hub: Hub) -> None:
    line = Dock(hub, "A").finished(_unit())
    ours, theirs = Dock(hub, "B"), Dock(hub, "C", tenant="other")
    assert ours.told(line) == [("accepted", "")]
    asked = [(json.loads(line)["id"], hashlib.sha256(line.encode()).hexdigest())]
    with hub.read() as ledger:
        assert list(ledger.kept("main", asked)) == [asked[0][1]]
        assert ledger.kept("other", asked) == {}
        assert ledger.kept("main", [(asked[0][0], "0" * 64)]) == {}
    assert theirs.told(line) != [("duplicate", "")]


def test_what_was_known_and_is_gone_is_not_confirmed(hub: Hub) -> None:
    dock = Dock(hub, "A")
    line, new = dock.finished(_unit()), dock.finished(_unit())
    known = intake.lines(f"{line}\n{new}".encode(), lambda asked: {asked[0][1]: dock.epoch})
    with pytest.raises(Vanished), hub.write() as ledger:
        ledger.ingest(dock.caller, known)
    assert dock.told(line, new) == [("accepted", ""), ("accepted", "")]


def test_one_bad_line_among_good_ones_is_parked_alone(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    bad = dock.finished(_unit()).replace('"new"', '"mint"')
    told = dock.told(dock.finished(_unit(rma="R-2")), bad, dock.finished(_unit(rma="R-3")))
    assert told == [("accepted", ""), ("rejected", "schema_invalid"), ("accepted", "")]
    with hub.read() as ledger:
        (row,) = ledger.parked()
    assert (row["station"], row["code"]) == ("DOCK-1", "schema_invalid")


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param({"finished_at": "0001-01-01T00:00:00+14:00"}, id="in UTC, the year 0"),
        pytest.param({"clock_ahead_s": 10**12}, id="corrected, 30,000 years ago"),
        pytest.param({"clock_ahead_s": -(10**30)}, id="corrected, after the end of time"),
    ],
)
def test_what_fits_the_form_but_no_column_is_parked_alone(hub: Hub, odd: dict[str, Any]) -> None:
    dock = Dock(hub, "DOCK-1")
    unit = _unit().model_dump(mode="json") | odd
    told = dock.told(dock.line("inspection.finished", unit), dock.finished(_unit(rma="R-2")))
    assert told == [("rejected", "schema_invalid"), ("accepted", "")]
    assert _count(hub, "inspection") == _count(hub, "hub_event") == 1


def test_a_parked_line_is_settled_once_a_newer_hub_takes_it(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    line = dock.finished(_unit())
    arrival = intake.read(line)
    with hub.write() as ledger:
        ledger._park(dock.caller, [(arrival, "schema_invalid", "")])
    assert dock.told(line) == [("accepted", "")]
    with hub.read() as ledger:
        assert ledger.parked() == []


def test_an_event_of_a_newer_station_is_not_kept_but_put_off(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    (receipt,) = dock.send(dock.line("weight.measured", {}))
    assert (receipt.status.value, receipt.code) == ("retry", "schema_too_new")
    assert receipt.after_s > 0
    assert _count(hub, "hub_event") == _count(hub, "hub_parked") == 0


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM hub_event",
        "UPDATE hub_event SET line = ''",
        "DELETE FROM hub_parked",
        "DELETE FROM inspection",
        "UPDATE inspection SET grade = 'new'",
        "UPDATE inspection SET settles = 'another'",
    ],
)
def test_what_was_received_cannot_be_changed_or_deleted(hub: Hub, sql: str) -> None:
    dock = Dock(hub, "DOCK-1")
    dock.send(dock.finished(_unit()), dock.line("inspection.finished", {}))
    with pytest.raises(sqlite3.IntegrityError), hub.write() as ledger:
        ledger._do(sql)


def test_nothing_is_replaced_or_emptied_past_what_forbids_it(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    dock.send(dock.finished(_unit()))
    on_sqlite = isinstance(hub.store, Store)
    sql = "INSERT OR REPLACE INTO hub_event SELECT * FROM hub_event" if on_sqlite else "TRUNCATE hub_event"
    with pytest.raises(sqlite3.IntegrityError), hub.write() as ledger:
        ledger._do(sql)


def test_a_gap_is_seen_and_closes(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    lines = [dock.line("parcel.received", {}) for _ in range(4)]
    assert dock.sent(lines[0])[1] == 1
    assert dock.sent(lines[2], lines[3])[1] == 1
    assert dock.sent(lines[1])[1] == 4


def test_a_parked_line_leaves_no_gap(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    lines = [dock.line("inspection.finished", {}), dock.line("parcel.received", {})]
    assert dock.sent(*lines)[1] == 2


def test_known_tells_what_is_missing_and_what_differs(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    here, parked = dock.finished(_unit()), dock.line("inspection.finished", {})
    (kept, aside) = dock.send(here, parked)
    stranger = _id()
    with hub.read() as ledger:
        asked = [(kept.id, kept.sha256), (aside.id, aside.sha256), (stranger, "0" * 64), (kept.id, "0" * 64)]
        assert ledger.unknown("main", asked) == ((stranger,), (kept.id,))


# ── Units ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _story(dock: Dock) -> list[str]:
    """A unit is finished, undone, finished again, reopened, finished a third time."""
    first = _unit()
    second = first.but(revision=3, grade=Grade.USED, disposition=Disposition.CLEARANCE)
    third = first.but(revision=5, grade=Grade.HEAVY, disposition=Disposition.HOLD)
    return [
        dock.finished(first),
        dock.voided(first),
        dock.finished(second),
        dock.voided(second, "wrong grade"),
        dock.finished(third),
    ]


def test_the_newest_revision_is_the_one_that_stands(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    for line in _story(dock):
        assert dock.told(line) == [("accepted", "")]
    assert [(row["revision"], row["current"]) for row in _shown(hub)] == [(1, 0), (2, 0), (3, 0), (4, 0), (5, 1)]
    assert [row["grade"] for row in _shown(hub)] == ["new", "new", "used", "used", "heavily_damaged"]
    with hub.read() as ledger:
        tally = ledger.tally(NOON, NOON + timedelta(days=1))
    assert tally.units == 1


def test_an_undone_unit_does_not_stand(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    dock.send(*_story(dock)[:2])
    with hub.read() as ledger:
        assert ledger.tally(NOON, NOON + timedelta(days=1)).units == 0


@pytest.mark.parametrize("seed", range(8))
def test_the_order_in_which_events_come_makes_no_difference(opened: Callable[..., Hub], hub: Hub, seed: int) -> None:
    dock = Dock(hub, "DOCK-1")
    story = _story(dock)
    dock.send(*story)
    shuffled = [*story, *random.Random(seed).sample(story, 3)]
    random.Random(seed).shuffle(shuffled)
    other = opened(clock=Clock())
    elsewhere = Dock(other, "DOCK-1")
    for line in shuffled:
        elsewhere.send(line)
    assert _shown(other) == _shown(hub)


def test_two_versions_of_one_revision_are_both_kept_and_the_first_is_shown(hub: Hub) -> None:
    """A store was copied, and both copies went on."""
    dock, copy = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    unit = _unit()
    other = copy.finished(unit.but(grade=Grade.USED))
    assert dock.told(dock.finished(unit)) == [("accepted", "")]
    assert copy.told(other, other) == [("conflict_recorded", "revision_twice")] * 2
    assert [row["grade"] for row in _shown(hub)] == ["new"]
    assert _count(hub, "hub_event") == 2


# ── Two docks, one line ──────────────────────────────────────────────────────────────────────────────────────────────

_HERE, _THERE = "dock 1", "dock 2"
_RESTOCK, _CLEARANCE = ("new", "restock"), ("used", "clearance")


def _of(station: str, what: tuple[str, str] = _RESTOCK, serial: str = "") -> Unit:
    return Unit(station, serial, *what)


@pytest.mark.parametrize(
    ("unit", "earlier", "quantity", "expected"),
    [
        pytest.param(_of(_HERE), [], 1, "", id="the first of its line"),
        pytest.param(_of(_HERE), [_of(_THERE)], 2, "", id="two docks, two announced"),
        pytest.param(_of(_HERE), [_of(_THERE)], 1, "duplicate_scan", id="one too many, they agree"),
        pytest.param(_of(_HERE), [_of(_THERE, _CLEARANCE)], 1, "line_conflict", id="one too many, they differ"),
        pytest.param(
            _of(_HERE), [_of(_THERE), _of(_THERE, _CLEARANCE)], 2, "duplicate_scan", id="agrees with one of two"
        ),
        pytest.param(_of(_HERE), [_of(_HERE, _CLEARANCE)], 1, "", id="a dock's own extra unit"),
        pytest.param(
            _of(_HERE), [_of(_HERE), _of(_THERE, _CLEARANCE)], 1, "duplicate_scan", id="own extra beside another's"
        ),
        pytest.param(_of(_HERE, serial="S1"), [_of(_THERE, serial="S1")], 5, "duplicate_scan", id="one serial, agree"),
        pytest.param(
            _of(_HERE, serial="S1"), [_of(_THERE, _CLEARANCE, "S1")], 5, "line_conflict", id="one serial, differ"
        ),
        pytest.param(
            _of(_HERE, serial="S1"), [_of(_HERE, _CLEARANCE, "S1")], 5, "line_conflict", id="one serial, one dock"
        ),
        pytest.param(_of(_HERE, serial="S1"), [_of(_THERE, _CLEARANCE, "S2")], 1, "", id="two serials, two units"),
        pytest.param(
            _of(_HERE, serial="S1"), [_of(_THERE, _CLEARANCE)], 1, "line_conflict", id="a serial and none, one too many"
        ),
        pytest.param(_of(_HERE, serial="S1"), [_of(_THERE, _CLEARANCE)], 2, "", id="a serial and none, room for both"),
    ],
)
def test_when_units_of_one_line_contradict(unit: Unit, earlier: Sequence[Unit], quantity: int, expected: str) -> None:
    """sync.md §2.4; design.md §7, "Two docks, one line"."""
    assert clash(unit, earlier, quantity) == expected


def test_the_second_dock_hears_of_the_conflict_and_both_are_kept(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    assert here.told(here.finished(_unit())) == [("accepted", "")]
    second = there.finished(_unit(Grade.USED))
    assert there.told(second) == [("conflict_recorded", "line_conflict")]
    assert there.told(second) == [("conflict_recorded", "line_conflict")], "said again when its receipt was lost"
    assert _count(hub, "inspection") == 2


def _disputes(hub: Hub) -> list[tuple[str, list[tuple[str, str]]]]:
    """What the feed says of lines in dispute: upsert or delete, and who says what."""
    with hub.read() as ledger:
        rows = ledger.changes("main", ["decision"], START, 10)
    told = [(row["op"], json.loads(row["body"]).get("units", [])) for row in rows]
    return [(op, [(unit["station"], unit["grade"]) for unit in units]) for op, units in told]


def test_a_line_in_dispute_is_told_to_all_until_the_units_agree(hub: Hub) -> None:
    """sync.md §2.4: both stations see it, in the order in which the hub heard of the units."""
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    first, second = _unit(), _unit(Grade.USED)
    here.send(here.finished(first))
    assert _disputes(hub) == []
    there.send(there.finished(second))
    assert _disputes(hub) == [("upsert", [("DOCK-1", "new"), ("DOCK-2", "used")])]
    there.send(there.finished(second.but(revision=2, grade=Grade.NEW, disposition=Disposition.RESTOCK)))
    assert _disputes(hub) == [("delete", [])]
    there.send(there.finished(second.but(revision=3, grade=Grade.OPENED)))
    assert _disputes(hub) == [("upsert", [("DOCK-1", "new"), ("DOCK-2", "opened_packaging")])]
    here.send(here.voided(first))
    assert _disputes(hub) == [("delete", [])]


def test_a_number_that_another_event_has_is_told_and_nothing_is_refused(hub: Hub) -> None:
    """sync.md §3.2, 12: two of one store count on, in one request or in two."""
    dock = Dock(hub, "DOCK-1")
    dock.send(dock.finished(_unit(rma="R-1")))
    dock.seq -= 1
    twin = dock.finished(_unit(rma="R-2"))
    dock.seq -= 1
    again = dock.finished(_unit(rma="R-3"))
    assert dock.told(twin, again) == [("accepted", "seq_reuse")] * 2
    assert dock.told(twin) == [("duplicate", "seq_reuse")]
    assert dock.told(dock.finished(_unit(rma="R-4"))) == [("accepted", "")]
    assert _count(hub, "inspection") == 4


def test_the_quantity_that_the_hub_knows_counts_too(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    with hub.write() as ledger:
        ledger.publish_rma("main", Rma(seller="lumo", number="R-1", lines=(Line(no=1, gtin=LAMP, quantity=2),)))
    here.send(here.finished(_unit()))
    assert there.told(there.finished(_unit(Grade.USED))) == [("accepted", "")]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"rma": "R-2"}, id="another RMA"),
        pytest.param({"line": Line(no=2, gtin=LAMP)}, id="another line"),
        pytest.param({"seller": "norden"}, id="another seller's RMA of the same number"),
        pytest.param({"kind": Kind.WRONG_ITEM}, id="a wrong item, which consumes nothing"),
        pytest.param({"kind": Kind.EMPTY_BOX}, id="an empty box, which consumes nothing"),
        pytest.param({"rma": "", "line": None, "kind": Kind.UNKNOWN}, id="an unannounced one"),
    ],
)
def test_what_does_not_stand_on_the_same_line_does_not_contradict(hub: Hub, other: dict[str, Any]) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    here.send(here.finished(_unit(**other)))
    assert there.told(there.finished(_unit(Grade.USED))) == [("accepted", "")]


def test_an_undone_unit_makes_room(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    unit = _unit()
    here.send(here.finished(unit), here.voided(unit))
    assert there.told(there.finished(_unit(Grade.USED))) == [("accepted", "")]


def test_whoever_came_first_may_correct_without_conflict(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    first, second = _unit(), _unit(Grade.USED)
    here.send(here.finished(first))
    there.send(there.finished(second))
    again = here.finished(first.but(revision=3, grade=Grade.LIGHT))
    assert here.told(here.voided(first), again) == [("accepted", "")] * 2
    corrected = there.finished(second.but(revision=3, grade=Grade.LIGHT, disposition=first.disposition))
    assert there.told(there.voided(second), corrected) == [("accepted", ""), ("accepted", "duplicate_scan")]


def test_a_claim_is_on_the_line_only_since_it_was_matched(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    claim = _unit(rma="", line=None, kind=Kind.UNKNOWN)
    here.send(here.line("claim.opened", claim.model_dump(mode="json")))
    assert there.told(there.finished(_unit(Grade.USED))) == [("accepted", "")]
    matched = here.finished(_unit(id=claim.id, revision=2))
    assert here.told(matched) == [("conflict_recorded", "line_conflict")], "the line was full by then"


def test_a_claim_that_was_taken_back_in_between_is_on_the_line_no_sooner(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    claim = _unit(rma="", line=None, kind=Kind.UNKNOWN)
    again = claim.but(revision=3)
    for unit, line in ((claim, "claim.opened"), (again, "claim.opened")):
        here.send(here.line(line, unit.model_dump(mode="json")))
        if unit is claim:
            here.send(here.voided(claim))
    assert there.told(there.finished(_unit(Grade.USED))) == [("accepted", "")]
    matched = here.finished(_unit(id=claim.id, revision=4))
    assert here.told(matched) == [("conflict_recorded", "line_conflict")]


# ── Tenants ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_tenant_can_neither_see_nor_touch_what_is_anothers(hub: Hub) -> None:
    ours, theirs = Dock(hub, "DOCK-1", "main"), Dock(hub, "DOCK-1", "other")
    unit = _unit()
    line = ours.finished(unit)
    (receipt,) = ours.send(line)
    with hub.read() as ledger:
        assert ledger.unknown("other", [(receipt.id, receipt.sha256)]) == ((receipt.id,), ())
    # The same event id is nobody's business; the same unit is refused.
    assert theirs.told(line) == [("rejected", "tenant_mismatch")]
    assert theirs.told(theirs.voided(unit)) == [("rejected", "tenant_mismatch")]
    assert theirs.told(theirs.finished(_unit(Grade.USED))) == [("accepted", "")], "their R-1 is another RMA"
    assert ours.told(line) == [("duplicate", "")]


def test_a_feed_belongs_to_its_tenant(hub: Hub) -> None:
    with hub.write() as ledger:
        ledger.publish_product("main", Product(seller="lumo", gtin=LAMP, title="Lamp"))
    with hub.read() as ledger:
        assert ledger.changes("other", ["catalogue"], START, 10) == []
        assert len(ledger.changes("main", ["catalogue"], START, 10)) == 1


# ── What it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


def _work(dock: Dock, *lines: str) -> int:
    """What SQLite does to take these lines in, in steps of its machine, hundreds of them."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with dock.hub.write() as ledger:
        connection = ledger._connection
        assert isinstance(connection, sqlite3.Connection)
        connection.set_progress_handler(count, 100)
        arrivals = intake.lines("\n".join(lines).encode(), lambda asked: ledger.kept(dock.caller.tenant, asked))
        ledger.ingest(dock.caller, arrivals)
        connection.set_progress_handler(None, 0)
    return steps


def test_a_batch_costs_a_hub_that_holds_much_no_more_than_a_new_one(tmp_path: Path) -> None:
    def spent() -> dict[str, int]:
        units = [_unit(rma=f"R-{_id()}") for _ in range(20)]
        first = [dock.finished(unit) for unit in units]
        again = [dock.finished(unit.but(revision=2, grade=Grade.USED)) for unit in units]
        undone = [dock.voided(unit.but(revision=2)) for unit in units]
        lines = {"new": first, "the same": first, "amended": again, "undone": undone}
        lines["parked"] = [line.replace('"R-', '"S-') for line in first]
        lines["of one line"] = [other.finished(_unit(rma=unit.rma, grade=Grade.USED)) for unit in units]
        return {what: _work(other if what == "of one line" else dock, *each) for what, each in lines.items()}

    with Hub.open(tmp_path, clock=Clock()) as hub:
        dock, other = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
        spent()
        before = spent()
        for _ in range(20):
            dock.send(*(dock.finished(_unit(rma=f"R-{_id()}")) for _ in range(100)))
        after = spent()
    assert min(before.values()) > 5, "it is counted at all"
    assert {what: n for what, n in after.items() if n > 1.3 * before[what]} == {}, before


# ── Stations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _code(ledger: Ledger, name: str = "DOCK-1") -> str:
    code = secret_hash(_id())
    ledger.add_code(code, "main", name)
    return code


def test_no_two_epochs_have_the_same_licence_plates(hub: Hub) -> None:
    with hub.write() as ledger:
        first = ledger.enrol(_code(ledger, "A"), "t1", epoch=_id(), block="B2C3")
        second = ledger.enrol(_code(ledger, "B"), "t2", epoch=_id(), block="B2C3")
        third = ledger.enrol(_code(ledger, "C"), "t3", epoch=_id(), block="AAAA")
    assert not isinstance(first, str)
    assert not isinstance(second, str)
    assert not isinstance(third, str)
    assert first.block == "B2C3", "what a station drew is granted where nobody has it"
    assert len({first.block, second.block, third.block, "AAAA"}) == 4


def test_a_station_that_enrols_again_is_the_same_and_keeps_its_plates(hub: Hub) -> None:
    epoch = _id()
    with hub.write() as ledger:
        first = ledger.enrol(_code(ledger), "t1", epoch=epoch, block="")
        again = ledger.enrol(_code(ledger), "t2", epoch=epoch, block="")
        restored = ledger.enrol(_code(ledger), "t3", epoch=_id(), block="")
        assert not isinstance(first, str)
        assert not isinstance(restored, str)
        assert again == first
        assert restored.station == first.station
        assert restored.block != first.block
        assert [ledger.caller(token) is not None for token in ("t1", "t2", "t3")] == [False, False, True]


# ── The feed ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_feed_holds_the_newest_state_of_each_thing_in_the_order_of_change(hub: Hub) -> None:
    lamp = Product(seller="lumo", gtin=LAMP, title="Lamp")
    rma = Rma(seller="lumo", number="R-1", lines=(Line(no=1, gtin=LAMP),))
    with hub.write() as ledger:
        assert ledger.publish_product("main", lamp)
        assert ledger.publish_rma("main", rma)
    with hub.read() as ledger:
        (before,) = ledger.changes("main", ["catalogue"], START, 10)
    with hub.write() as ledger:
        assert ledger.publish_product("main", lamp.but(title="Desk lamp"))
        assert not ledger.publish_product("main", lamp.but(title="Desk lamp")), "no news"
    with hub.read() as ledger:
        rows = ledger.changes("main", ["rma", "catalogue"], START, 10)
    assert [row["feed"] for row in rows] == ["rma", "catalogue"]
    assert json.loads(rows[1]["body"])["title"] == "Desk lamp"
    assert rows[1]["version"] > before["version"]
    with hub.write() as ledger:
        assert ledger.withdraw_rma("main", "lumo", "R-1")
    with hub.read() as ledger:
        assert ledger.changes("main", ["rma"], Place(rows[-1]["xid"], rows[-1]["seq"]), 10)[0]["op"] == "delete"
        known = ledger.rma("lumo", "R-1")
    assert known is not None
    assert known.closed


def test_a_list_that_is_published_again_keeps_the_numbers_that_stations_know(hub: Hub) -> None:
    lamp, vase = Line(no=1, gtin=LAMP), Line(no=2, gtin="05901234123457")
    with hub.write() as ledger:
        assert ledger.publish_rma("main", Rma(seller="lumo", number="R-1", lines=(lamp, vase)))
        turned = Rma(seller="lumo", number="R-1", lines=(vase.but(no=1), lamp.but(no=2)))
        assert not ledger.publish_rma("main", turned), "no news"
        assert ledger.publish_rma("main", turned.but(lines=(vase.but(no=1, quantity=2), lamp.but(no=2))))
    with hub.read() as ledger:
        (row,) = ledger.changes("main", ["rma"], START, 10)
    assert [(line["no"], line["gtin"], line["quantity"]) for line in json.loads(row["body"])["lines"]] == [
        (1, LAMP, 1),
        (2, "05901234123457", 2),
    ]
