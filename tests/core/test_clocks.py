"""From receipt to grade, and the seller's time to answer (domain.md §2, "Clocks")."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from inspect_station.core.clocks import Clock, of_case, of_draft, of_parcel
from inspect_station.core.records import Case, Grade, Inspection, Kind, Parcel
from inspect_station.core.rules import Rules

RECEIVED = datetime(2026, 11, 20, 8, 0, tzinfo=UTC)
BEGUN = RECEIVED + timedelta(hours=3)
DUE = RECEIVED + timedelta(hours=24)
SECOND = timedelta(seconds=1)


def parcel(**fields: Any) -> Parcel:
    rmas = (("lumo", "ML-1"), ("lumo", "ML-2"))
    known = {"id": "p", "station": "DOCK-3", "rmas": rmas, "received_at": RECEIVED, "received_on": date(2026, 11, 20)}
    return Parcel(**{**known, **fields})


def unit(**fields: Any) -> Inspection:
    known = {"id": "u", "lpn": "L7F3K00481C", "station": "DOCK-3", "parcel": "p", "seller": "lumo", "rma": "ML-1"}
    return Inspection(**{**known, "operator": "ana", "started_at": BEGUN, **fields})


@pytest.mark.parametrize(
    ("at", "breached"),
    [
        pytest.param(RECEIVED, False, id="at the receipt"),
        pytest.param(DUE - SECOND, False, id="a second before it is due"),
        pytest.param(DUE, False, id="the moment it is due"),
        pytest.param(DUE + SECOND, True, id="a second later"),
    ],
)
def test_a_clock_is_breached_after_the_moment_it_is_due(at: datetime, breached: bool):
    assert Clock("grade", "ML-1", RECEIVED, DUE).breached(at) is breached


def test_units_to_come_are_due_a_day_after_their_parcel_was_received_and_are_the_docks(rules: Rules):
    assert of_parcel(rules, parcel(), 3) == Clock("grade", "ML-2", RECEIVED, DUE, owner="", units=3)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({}, 0, id="all were on the bench"),
        pytest.param({"closed_at": BEGUN}, 2, id="the parcel is closed: its lines wait for another one"),
    ],
)
def test_no_clock_runs_for_a_parcel_that_holds_nothing_more(rules: Rules, fields: dict[str, Any], expected: int):
    assert of_parcel(rules, parcel(**fields), expected) is None


def test_a_unit_set_aside_is_its_operators_and_its_clock_runs_from_the_receipt(rules: Rules):
    assert of_draft(rules, unit(), parcel()) == Clock("grade", "L7F3K00481C", RECEIVED, DUE, owner="ana")


def test_what_came_without_a_parcel_was_received_when_it_was_begun(rules: Rules):
    clock = of_draft(rules, unit(kind=Kind.UNKNOWN, parcel=""), None)
    assert clock is not None
    assert (clock.started_at, clock.due_at) == (BEGUN, BEGUN + timedelta(hours=24))


def test_a_unit_that_came_back_to_be_refurbished_was_graded_before(rules: Rules):
    assert of_draft(rules, unit(earlier_grades=(Grade.USED,)), parcel()) is None


def test_the_hours_are_the_sites(rules: Rules):
    clock = of_parcel(rules.model_copy(update={"grade_hours": 8}), parcel(), 1)
    assert clock is not None
    assert clock.due_at == RECEIVED + timedelta(hours=8)


def test_a_case_is_the_sellers_from_finish_until_it_is_due():
    due_at = BEGUN + timedelta(hours=48)
    asked = unit(finished_at=BEGUN, case=Case(question="price", due_at=due_at))
    assert of_case(asked) == Clock("case", "L7F3K00481C", BEGUN, due_at, owner="lumo")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"finished_at": BEGUN}, id="nothing is asked"),
        pytest.param({"finished_at": BEGUN, "case": Case(question="price")}, id="asked without a time"),
        pytest.param(
            {"finished_at": BEGUN, "voided_at": BEGUN, "case": Case(question="price", due_at=DUE)}, id="taken back"
        ),
    ],
)
def test_no_case_no_clock(fields: dict[str, Any]):
    assert of_case(unit(**fields)) is None
