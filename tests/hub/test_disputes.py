"""Two docks, one parcel: what a supervisor's word does, and that the end does not depend on what comes when."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inspect_station.core.records import SETTLING, Disposition, Grade, Inspection, Line, Review, Settled
from inspect_station.hub import Hub
from inspect_station.hub.ledger import START
from tests.hub.test_ledger import NOON, Clock, Dock, _count, _unit


@pytest.fixture
def hub(opened: Callable[..., Hub]) -> Hub:
    return opened(clock=Clock())


class Told:
    """What the hub makes of the line R-1/1."""

    def __init__(self, hub: Hub, tenant: str = "main") -> None:
        with hub.read() as ledger:
            changes = ledger.changes(tenant, ["decision"], START, 500)
            self.rows = ledger.standing(tenant)
            self.held = ledger.in_dispute(tenant)
        told = [change for change in changes if json.loads(change["key"]) == ["lumo", "R-1", 1]]
        self.op = told[0]["op"] if told else ""
        self.review = Review.model_validate_json(told[0]["body"]) if self.op == "upsert" else None

    def standing(self, *units: Inspection) -> list[str]:
        by_id = {row["id"]: row["standing"] for row in self.rows}
        return [by_id.get(unit.id, "gone") for unit in units]

    @property
    def open(self) -> bool:
        return self.review is not None and self.review.open


def word(dock: Dock, review: Review, chosen: Inspection, *, again: bool = False, **how: Any) -> str:
    """What a supervisor at a dock says on what a review shows."""
    (unit,) = (each for each in review.units if each.inspection == chosen.id)
    left = [each for each in review.units if each.standing != "superseded"]
    over = () if again else tuple(each.event for each in review.rivals(unit) if each in left)
    said = Settled(
        seller=review.seller,
        rma=review.rma,
        line=review.line,
        lpn=unit.lpn,
        unit=unit,
        based_on=tuple(each.event for each in left),
        over=over,
        again=again,
    )
    body = said.model_dump(mode="json") | how
    return dock.line("inspection.amended", body, schema=SETTLING)


def dispute(hub: Hub, **more: Any) -> tuple[Dock, Dock, Inspection, Inspection, Review]:
    """Two docks that contradict each other on one parcel, and what the hub says of that."""
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    first, second = _unit(**more), _unit(Grade.USED, **more)
    here.send(here.finished(first))
    assert there.told(there.finished(second)) == [("conflict_recorded", "line_conflict")]
    told = Told(hub)
    assert told.review is not None
    assert told.held == {("lumo", "R-1", 1)}
    assert told.standing(first, second) == ["", "contested"], "the first that the hub heard of counts"
    return here, there, first, second, told.review


@pytest.mark.parametrize("more", [{}, {"serial": "S1", "line": Line(no=1, gtin="03760311300165", quantity=5)}])
@pytest.mark.parametrize("pick", [0, 1], ids=["the first counts", "the second counts"])
@pytest.mark.parametrize("at", [0, 1, 2], ids=["said at the first dock", "said at the second", "said at a third"])
def test_what_a_supervisor_picks_counts_and_the_other_is_kept(
    hub: Hub, more: dict[str, Any], pick: int, at: int
) -> None:
    here, there, *units, review = dispute(hub, **more)
    dock = (here, there, Dock(hub, "DOCK-3"))[at]
    line = word(dock, review, units[pick])
    assert dock.told(line, line) == [("accepted", ""), ("duplicate", "")]
    told = Told(hub)
    expected = ["superseded", "superseded"]
    expected[pick] = ""
    assert told.standing(*units) == expected
    assert told.held == set()
    assert told.review is not None, "the losing dock has to hear it"
    assert [unit.lpn for unit in told.review.units] == [unit.lpn for unit in units]
    assert _count(hub, "inspection") == 2
    with hub.read() as ledger:
        (reported,) = ledger.graded(NOON - timedelta(days=1), NOON + timedelta(days=1))
    assert (reported.units, reported.grade) == (1, units[pick].grade), "one box is one unit in the report"


def test_a_word_on_what_has_changed_is_kept_and_changes_nothing(hub: Hub) -> None:
    """sync.md §3.2, 42: a decision crosses a new inspection."""
    here, there, first, second, review = dispute(hub)
    again = first.but(revision=2, grade=Grade.LIGHT)
    here.send(here.finished(again))
    line = word(there, review, second)
    assert there.told(line, line) == [("conflict_recorded", "stale_decision")] * 2
    assert Told(hub).standing(first, second) == ["", "contested"]
    assert Told(hub).held
    assert _count(hub, "hub_event") == 4
    told = Told(hub).review
    assert told is not None
    assert there.told(word(there, told, second)) == [("accepted", "")], "what stands there now can be decided on"
    assert Told(hub).standing(first, second) == ["superseded", ""]


@pytest.mark.parametrize("pick", [0, 1])
def test_of_two_words_that_contradict_the_first_that_the_hub_hears_counts(hub: Hub, pick: int) -> None:
    here, there, *units, review = dispute(hub)
    wins, loses = units[pick], units[1 - pick]
    assert here.told(word(here, review, wins)) == [("accepted", "")]
    assert there.told(word(there, review, loses)) == [("conflict_recorded", "stale_decision")]
    assert there.told(word(there, review, wins)) == [("accepted", "")], "the same once more is no contradiction"
    assert Told(hub).standing(wins, loses) == ["", "superseded"]


@pytest.mark.parametrize("pick", [0, 1])
@pytest.mark.parametrize("reopened", [False, True])
def test_to_change_a_superseded_inspection_is_a_conflict(hub: Hub, pick: int, reopened: bool) -> None:
    """sync.md §3.2, 41; whichever of the two came first."""
    here, there, *units, review = dispute(hub)
    docks = (here, there)
    here.send(word(here, review, units[pick]))
    loser, dock = units[1 - pick], docks[1 - pick]
    if reopened:
        dock.send(dock.voided(loser))
        assert not Told(hub).open
    changed = loser.but(revision=3 if reopened else 2, grade=Grade.HEAVY, disposition=Disposition.HOLD)
    assert dock.told(dock.finished(changed)) == [("conflict_recorded", "superseded_changed")]
    assert Told(hub).open
    assert Counter(Told(hub).standing(*units)) == Counter(["", "contested"])
    agreed = loser.but(revision=5, grade=units[pick].grade, disposition=units[pick].disposition)
    assert dock.told(dock.finished(agreed))[0][0] == "accepted"
    assert not Told(hub).open


def test_what_is_inspected_again_counts_and_is_held_until_then(hub: Hub) -> None:
    here, there, first, second, review = dispute(hub)
    assert here.told(word(here, review, second, again=True)) == [("accepted", "")]
    told = Told(hub)
    assert told.open
    assert told.review is not None
    assert told.review.again is not None
    assert told.review.again.inspection == second.id
    there.send(there.voided(second))
    assert Told(hub).held == {("lumo", "R-1", 1)}, "still held while the box is on the bench"
    (event,) = (unit.event for unit in review.units if unit.inspection == first.id)
    result = second.but(revision=3, grade=Grade.LIGHT, settles=(event,))
    assert there.told(there.finished(result)) == [("accepted", "")]
    assert Told(hub).standing(first, second) == ["superseded", ""]
    assert not Told(hub).held


def test_what_was_inspected_again_over_something_that_has_changed_is_a_stale_decision(hub: Hub) -> None:
    here, there, first, second, review = dispute(hub)
    here.send(word(here, review, second, again=True), here.finished(first.but(revision=2, grade=Grade.HEAVY)))
    (event,) = (unit.event for unit in review.units if unit.inspection == first.id)
    result = second.but(revision=2, grade=Grade.LIGHT, settles=(event,))
    assert there.told(there.finished(result)) == [("conflict_recorded", "stale_decision")]
    assert Told(hub).open


def test_whom_nobody_contradicts_any_more_counts_again(hub: Hub) -> None:
    _, there, first, second, review = dispute(hub)
    there.send(word(there, review, second))
    there.send(there.voided(second))
    assert Told(hub).standing(first, second) == ["", "gone"]
    assert Told(hub).op == "delete"


def test_three_docks_and_one_word(hub: Hub) -> None:
    _, there, first, second, _ = dispute(hub)
    third, dock = _unit(Grade.HEAVY), Dock(hub, "DOCK-3")
    assert dock.told(dock.finished(third)) == [("conflict_recorded", "line_conflict")]
    review = Told(hub).review
    assert review is not None
    assert there.told(word(there, review, third)) == [("accepted", "")]
    assert Told(hub).standing(first, second, third) == ["superseded", "superseded", ""]


def test_of_three_on_a_line_of_two_the_one_too_many_is_named(hub: Hub) -> None:
    line = Line(no=1, gtin="03760311300165", quantity=2)
    docks = [Dock(hub, f"DOCK-{n}") for n in (1, 2, 3)]
    units = [_unit(line=line), _unit(line=line), _unit(Grade.USED, line=line)]
    for dock, unit in zip(docks, units, strict=True):
        dock.send(dock.finished(unit))
    review = Told(hub).review
    assert review is not None
    first, second, _ = review.units
    assert review.rivals(first) == (), "nobody can know which is the same box"
    over = (second.event,)
    assert docks[2].told(word(docks[2], review, units[0], over=over)) == [("accepted", "")]
    assert Told(hub).standing(*units) == ["", "superseded", ""]
    assert not Told(hub).open


def test_those_that_agree_are_no_dispute_but_one_of_them_counts(hub: Hub) -> None:
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    first, second = _unit(), _unit()
    here.send(here.finished(first))
    assert there.told(there.finished(second)) == [("accepted", "duplicate_scan")]
    assert Told(hub).standing(first, second) == ["", "duplicate"]
    assert Told(hub).op == ""
    here.send(here.finished(first.but(revision=2, grade=Grade.HEAVY)))
    assert Told(hub).standing(first, second) == ["", "contested"], "the first has changed: now they contradict"
    assert Told(hub).open


def test_a_word_that_comes_before_what_it_is_about_counts_once_that_is_here(
    opened: Callable[..., Hub], hub: Hub
) -> None:
    """A hub was put back to yesterday, and the dock of the supervisor is the first to come back."""
    here, there, first, second, review = dispute(hub)
    said = word(here, review, second)
    with hub.read() as ledger:
        lines = [row["line"] for row in ledger._rows("SELECT line FROM hub_event ORDER BY rowid")]
    restored = opened(clock=Clock())
    here, there = Dock(restored, "DOCK-1"), Dock(restored, "DOCK-2")
    assert here.told(said) == [("conflict_recorded", "stale_decision")]
    assert Told(restored).op == ""
    here.send(lines[0])
    there.send(lines[1])
    assert Told(restored).standing(first, second) == ["superseded", ""]
    assert not Told(restored).open


def test_another_tenants_word_changes_nothing(hub: Hub) -> None:
    *_, first, second, review = dispute(hub)
    stranger = Dock(hub, "DOCK-1", "other")
    assert stranger.told(word(stranger, review, second)) == [("conflict_recorded", "stale_decision")]
    assert Told(hub).standing(first, second) == ["", "contested"]
    assert Told(hub, "other").rows == []


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param({"based_on": []}, id="based on nothing"),
        pytest.param({"over": ["00000000-0000-0000-0000-000000000000"]}, id="over what was not seen"),
        pytest.param({"line": 1 << 40}, id="a line that fits no column"),
        pytest.param({"based_on": ["x"]}, id="no event"),
        pytest.param({"unit": {}}, id="no unit"),
    ],
)
def test_a_word_that_cannot_be_read_is_parked(hub: Hub, broken: dict[str, Any]) -> None:
    here, _, first, second, review = dispute(hub)
    assert here.told(word(here, review, first, **broken)) == [("rejected", "schema_invalid")]
    assert Told(hub).standing(first, second) == ["", "contested"]


# ── In whatever order ────────────────────────────────────────────────────────────────────────────────────────────────


def check(hub: Hub) -> None:
    """I10 of sync.md §3.3, for a line of one, without serials."""
    told = Told(hub)
    counted = [row for row in told.rows if row["standing"] == ""]
    assert len(counted) == min(1, len(told.rows)), "one counts, as soon as there is any"
    contested = any(row["standing"] == "contested" for row in told.rows)
    if contested:
        assert told.held == {("lumo", "R-1", 1)}
    elif told.held:
        assert told.review is not None
        assert told.review.again is not None
    if told.review is not None:
        assert {unit.inspection for unit in told.review.units} == {row["id"] for row in told.rows}, "none is hidden"


class Docks(RuleBasedStateMachine):
    """Three docks inspect one parcel, offline and not; supervisors decide on what their dock has heard so far."""

    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.folder = Path(self.stack.enter_context(TemporaryDirectory()))
        self.hub, self.docks = self.fresh("hub")
        self.mine: dict[int, Inspection] = {}
        self.bench: dict[int, Inspection] = {}
        self.heard: dict[int, Review | None] = dict.fromkeys(range(3))
        self.waits: dict[int, list[str]] = {n: [] for n in range(3)}
        self.sent: list[tuple[int, str]] = []
        self.words: set[str] = set()

    def fresh(self, name: str) -> tuple[Hub, list[Dock]]:
        folder = shutil.copytree(self.empty, self.folder / name)
        hub = self.stack.enter_context(Hub.open(folder, clock=Clock()))
        return hub, [Dock(hub, f"DOCK-{n}") for n in range(3)]

    def teardown(self) -> None:
        for n in range(3):
            self.deliver(n, 99)
        check(self.hub)
        self._others_orders()
        self.stack.close()

    dock = st.integers(0, 2)
    grade = st.sampled_from([Grade.NEW, Grade.USED, Grade.HEAVY])

    def _tell(self, n: int, unit: Inspection) -> None:
        self.waits[n].append(self.docks[n].finished(unit))
        if unit.settles:
            self.words.add(self.waits[n][-1])
        self.mine[n] = unit

    @initialize(listens=st.lists(st.booleans(), min_size=3, max_size=3))
    def contradict(self, listens: list[bool]) -> None:
        """Two docks have said something already, and some have heard of it."""
        for n, grade in ((0, Grade.NEW), (1, Grade.USED)):
            self._tell(n, _unit(grade))
            self.deliver(n, 1)
        for n, listened in enumerate(listens):
            if listened:
                self.listen(n)

    @rule(n=dock, grade=grade)
    def inspect(self, n: int, grade: Grade) -> None:
        """Finish it, or what is on the bench again."""
        if n in self.bench:
            unit = self.bench.pop(n)
            self._tell(n, unit.but(grade=grade))
        elif n not in self.mine:
            self._tell(n, _unit(grade))

    @rule(n=dock, grade=grade)
    def amend(self, n: int, grade: Grade) -> None:
        if n in self.mine and n not in self.bench:
            self._tell(n, self.mine[n].but(revision=self.mine[n].revision + 1, grade=grade))

    @rule(n=dock)
    def reopen(self, n: int) -> None:
        if n in self.mine and n not in self.bench:
            self.waits[n].append(self.docks[n].voided(self.mine[n]))
            settles: tuple[str, ...] = ()
            review = self.heard[n]
            if review and review.again and review.again.inspection == self.mine[n].id:
                settles = tuple(each.event for each in review.rivals(review.again))
            self.bench[n] = self.mine[n].but(revision=self.mine[n].revision + 2, settles=settles)

    @rule(n=dock, pick=st.integers(0, 2), again=st.booleans())
    @precondition(lambda self: any(self.heard.values()))
    def decide(self, n: int, pick: int, again: bool) -> None:
        review = self.heard[n]
        if review is None or not review.open:
            return
        left = [each for each in review.units if each.standing != "superseded"]
        chosen = left[pick % len(left)]
        self.waits[n].append(word(self.docks[n], review, _unit(id=chosen.inspection), again=again))
        self.words.add(self.waits[n][-1])

    @rule(n=dock, how_many=st.integers(1, 3), twice=st.booleans())
    def deliver(self, n: int, how_many: int, twice: bool = False) -> None:
        lines, self.waits[n] = self.waits[n][:how_many], self.waits[n][how_many:]
        for _ in range(1 + twice if lines else 0):
            self.docks[n].send(*lines)
        self.sent += [(n, line) for line in lines]

    @rule(n=dock)
    def listen(self, n: int) -> None:
        self.heard[n] = Told(self.hub).review

    @invariant()
    def one_counts(self) -> None:
        check(self.hub)

    def _others_orders(self) -> None:
        """The same facts in other orders, the supervisors' words in theirs: the same is decided, or open."""
        here = Told(self.hub)
        lost = {row["id"] for row in here.rows if row["standing"] == "superseded"}
        for seed in range(2):
            plain = [each for each in self.sent if each[1] not in self.words]
            said = [each for each in self.sent if each[1] in self.words]
            chance = random.Random(seed)
            chance.shuffle(plain)
            for each in plain:
                said.insert(chance.randint(0, len(said)), each)
            hub, docks = self.fresh(f"other-{seed}")
            for n, line in said:
                docks[n].send(line)
            check(hub)
            there = Told(hub)
            assert {row["id"] for row in there.rows if row["standing"] == "superseded"} == lost
            assert there.open == here.open


def test_in_any_order_the_same_is_decided(empty: Path) -> None:
    """sync.md §3.2, 40 to 42; §3.3, I9 and I10."""
    Docks.empty = empty
    how = settings(
        max_examples=12,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        derandomize=True,
    )
    run_state_machine_as_test(Docks, settings=how)
