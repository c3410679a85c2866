"""Who joins a batch, when one may be closed, and what may be noted of it: tables of cases."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from inspect_station.core import batches
from inspect_station.core.batches import Batch, Ending, Fate, Member, Route
from inspect_station.core.records import (
    Answer,
    Disposition,
    Grade,
    Inspection,
    Mark,
    Outcome,
    Photo,
    Product,
    Review,
    Reviewed,
    Role,
    Standing,
    Verdict,
)
from inspect_station.core.rules import Rules

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TODAY = date(2026, 11, 22)
ACCEPTED = Verdict(outcome=Outcome.INELIGIBLE, seller_accepted=True)
REFUSED = Verdict(outcome=Outcome.CONSULT)


def unit(**changes: Any) -> Inspection:
    """A finished, defective unit that goes back to its seller."""
    known: dict[str, Any] = {
        "id": "0190",
        "lpn": "LTEST00001X",
        "station": "DOCK-1",
        "parcel": "p",
        "seller": "lumo",
        "product": Product(seller="lumo", gtin="03760311200010", title="Kettle"),
        "started_at": NOON,
        "finished_at": NOON,
        "grade": Grade.DEFECTIVE,
        "disposition": Disposition.RETURN_TO_SELLER,
    }
    return Inspection(**(known | changes))


def member(**changes: Any) -> Member:
    known: dict[str, Any] = {"inspection": "0190", "lpn": "LTEST00001X", "joined_at": NOON, "joined_by": "ana"}
    return Member(**(known | changes))


def batch(**changes: Any) -> Batch:
    """An open batch of the seller, for its return, with one unit."""
    known: dict[str, Any] = {
        "id": "0191",
        "number": "BTEST000019",
        "station": "DOCK-1",
        "seller": "lumo",
        "route": Route.RETURN,
        "opened_at": NOON,
        "opened_by": "ana",
        "units": (member(),),
    }
    return Batch(**(known | changes))


CLOSED = {"closed_at": NOON, "closed_by": "ana", "sealed_no": 1, "revision": 1}
ENDED = CLOSED | {
    "revision": 2,
    "ending": Ending(fate=Fate.RETURNED, on=TODAY, photo="ab", by="ana", at=NOON),
}


@pytest.mark.parametrize(
    ("changes", "into", "about", "why"),
    [
        pytest.param({}, {}, {}, "", id="defective, back to its seller"),
        pytest.param({"grade": Grade.HEAVY}, {}, {}, "", id="not defective, but sent back by the seller's rule"),
        pytest.param({"verdict": ACCEPTED}, {}, {}, "", id="not eligible, but the seller accepted it"),
        pytest.param({"disposition": "recycle"}, {"route": "recycle"}, {}, "", id="for recycling"),
        pytest.param({"disposition": "destroy"}, {"route": "destroy"}, {}, "", id="to be destroyed"),
        pytest.param({"finished_at": None}, {}, {}, "not_finished", id="still on the bench"),
        pytest.param({}, {}, {"reopened": True}, "not_finished", id="on the bench again"),
        pytest.param({"voided_at": NOON}, {}, {}, "void", id="taken back"),
        pytest.param({}, {}, {"held_by": "BTEST000019"}, "in_here", id="in it already"),
        pytest.param({}, {}, {"held_by": "BTEST000027"}, "in_another", id="in another batch"),
        pytest.param({"verdict": REFUSED}, {}, {}, "not_ours", id="still the customer's"),
        pytest.param({}, {}, {"disputed": True}, "disputed", id="another dock contradicts it"),
        pytest.param({"disposition": "hold"}, {}, {}, "elsewhere", id="on hold"),
        pytest.param({"disposition": "quarantine"}, {}, {}, "elsewhere", id="in quarantine"),
        pytest.param({"disposition": "clearance"}, {}, {}, "elsewhere", id="for sale"),
        pytest.param({"disposition": "return_to_customer"}, {}, {}, "elsewhere", id="back to the customer"),
        pytest.param({"disposition": None}, {}, {}, "elsewhere", id="nowhere yet"),
        pytest.param({"seller": "nord"}, {}, {}, "seller", id="another seller's"),
        pytest.param({"disposition": "destroy"}, {}, {}, "route", id="another way"),
        pytest.param({}, CLOSED, {}, "closed", id="the batch is closed"),
    ],
)
def test_who_joins(changes, into, about, why):
    changes = {**changes, "disposition": Disposition(changes["disposition"])} if changes.get("disposition") else changes
    reason = batches.keeps_out(unit(**changes), batch(**into), **about)
    assert (reason.code if reason else "") == why
    assert reason is None or not reason.met


def test_the_seller_s_own_batch_is_not_asked_about_where_none_is_named():
    assert batches.keeps_out(unit(seller="nord", disposition=Disposition.DESTROY), None) is None


@pytest.mark.parametrize("disposition", Disposition)
def test_three_places_of_all_lead_into_a_batch(disposition):
    known = {
        Disposition.RETURN_TO_SELLER: Route.RETURN,
        Disposition.RECYCLE: Route.RECYCLE,
        Disposition.DESTROY: Route.DESTROY,
    }
    assert batches.route_of(unit(disposition=disposition)) == known.get(disposition)


@pytest.mark.parametrize(
    ("changes", "lpn", "why"),
    [
        pytest.param({}, "LTEST00001X", "", id="in an open one"),
        pytest.param({}, "LTEST000020", "not_in_here", id="not in it"),
        pytest.param(CLOSED, "LTEST00001X", "closed", id="in a closed one"),
    ],
)
def test_who_is_taken_out(changes, lpn, why):
    reason = batches.keeps_in(batch(**changes), lpn)
    assert (reason.code if reason else "") == why


INSIDE = {"units": (member(), member(lpn="LTEST000020", property_inside=True))}
DISPUTED = {"units": (member(), member(lpn="LTEST000020", disputed=True))}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({}, [], id="with a unit"),
        pytest.param({"units": ()}, ["empty"], id="empty"),
        pytest.param(INSIDE, ["property"], id="a customer's property in one of two"),
        pytest.param(DISPUTED, ["disputed"], id="two docks contradict each other about one of two"),
        pytest.param(CLOSED, ["closed"], id="closed already"),
        pytest.param(CLOSED | DISPUTED, ["closed"], id="closed before the dispute began"),
        pytest.param(CLOSED | INSIDE, ["closed"], id="closed, whatever is in it"),
    ],
)
def test_what_keeps_a_batch_open(changes, why):
    assert [reason.code for reason in batches.keeps_open(batch(**changes))] == why


@pytest.mark.parametrize("units", [INSIDE, DISPUTED], ids=["property", "dispute"])
def test_the_unit_that_keeps_it_open_is_named(units):
    (reason,) = batches.keeps_open(batch(**units))
    assert reason.message.params["lpn"] == "LTEST000020"


@pytest.mark.parametrize(
    ("changes", "fate", "ordered"),
    [
        pytest.param({}, "returned", False, id="returned as collected"),
        pytest.param({"route": "recycle"}, "recycled", False, id="recycled as collected"),
        pytest.param({"route": "destroy"}, "destroyed", True, id="destroyed as collected"),
        pytest.param({}, "destroyed", True, id="destroyed instead of returned"),
        pytest.param({}, "recycled", True, id="recycled instead of returned"),
        pytest.param({"route": "destroy"}, "returned", True, id="returned instead of destroyed"),
        pytest.param(ENDED, "returned", True, id="noted before"),
    ],
)
def test_what_takes_a_supervisor_and_a_ground(rules: Rules, changes, fate, ordered):
    one = batch(**(CLOSED | changes))
    assert (batches.needs_order(one, Fate(fate)) is not None) == ordered

    def refused(role: Role, ground: str) -> str:
        reason = batches.forbids(rules, one, [unit()], Fate(fate), role=role, ground=ground)
        return reason.code if reason else ""

    assert refused(Role.OPERATOR, "seller's order") == ("supervisor" if ordered else "")
    assert refused(Role.SUPERVISOR, "") == ("ground" if ordered else "")
    assert refused(Role.SUPERVISOR, "seller's order") == ""


def _device(rules: Rules, *, wiped: bool) -> Inspection:
    """A phone that was in use; with every row of the wipe passed and its evidence, or with nothing erased."""
    checklist = next(each for each in rules.checklists if each.device_class == "phone")
    answers = tuple(Answer(id=f"wipe.{row.id}", mark=Mark.PASS, by="ana", at=NOON) for row in checklist.wipe)
    product = Product(seller="lumo", gtin="03760311200010", title="Phone", device_class="phone")
    shown = (Photo(slot="setup_screen", sha256="ab" * 32, by="ana", at=NOON),)
    done = {"answers": answers, "photos": shown} if wiped else {}
    return unit(product=product, chosen=Grade.DEFECTIVE, **done)


@pytest.mark.parametrize("fate", Fate)
@pytest.mark.parametrize("wiped", [True, False], ids=["wiped", "not wiped"])
def test_a_customer_s_data_never_leaves_as_waste_whoever_orders_it(rules: Rules, fate, wiped):
    units = [unit(), _device(rules, wiped=wiped)]
    reason = batches.forbids(rules, batch(**CLOSED), units, fate, role=Role.SUPERVISOR, ground="seller's order")
    forbidden = not wiped and fate is not Fate.RETURNED
    assert (reason.code if reason else "") == ("not_erased" if forbidden else "")


@pytest.mark.parametrize(
    ("on", "closed_on", "why"),
    [
        pytest.param(TODAY, None, "open", id="still open"),
        pytest.param(TODAY, TODAY, "", id="on the day of its closing"),
        pytest.param(date(2026, 11, 21), date(2026, 11, 20), "", id="yesterday, closed before"),
        pytest.param(date(2026, 11, 23), TODAY, "future", id="tomorrow"),
        pytest.param(date(2026, 11, 21), TODAY, "before", id="before it was closed"),
    ],
)
def test_on_which_days_something_can_have_become_of_it(on, closed_on, why):
    reason = batches.not_yet(batch(), on, TODAY, closed_on)
    assert (reason.code if reason else "") == why


def test_what_the_hub_is_told_is_a_contract():
    ending = Ending(
        fate=Fate.DESTROYED, on=TODAY, photo="ab", ground="seller's order", supervisor="sup", by="ana", at=NOON
    )
    assert batches.told(batch(**(CLOSED | {"seal": "77812-A", "revision": 2, "ending": ending}))) == {
        "id": "0191",
        "number": "BTEST000019",
        "revision": 2,
        "station": "DOCK-1",
        "seller": "lumo",
        "route": "return",
        "opened_at": "2026-11-22T12:00:00Z",
        "opened_by": "ana",
        "closed_at": "2026-11-22T12:00:00Z",
        "closed_by": "ana",
        "sealed_no": 1,
        "seal": "77812-A",
        "units": [{"lpn": "LTEST00001X", "inspection": "0190"}],
        "ending": {
            "fate": "destroyed",
            "on": "2026-11-22",
            "photo": "ab",
            "ground": "seller's order",
            "supervisor": "sup",
            "by": "ana",
            "at": "2026-11-22T12:00:00Z",
        },
    }


def reviewed(inspection: str, station: str, serial: str = "", standing: Standing = Standing.COUNTS) -> Reviewed:
    return Reviewed(station=station, lpn="LTEST00001X", inspection=inspection, serial=serial, standing=standing)


CONTESTED, SUPERSEDED = Standing.CONTESTED, Standing.SUPERSEDED


@pytest.mark.parametrize(
    ("units", "quantity", "again", "disputed"),
    [
        pytest.param([("a", "1"), ("b", "2", "", CONTESTED)], 1, "", "ab", id="two docks, one unit"),
        pytest.param(
            [("a", "1", "S1"), ("b", "1", "S2"), ("c", "2", "S2", CONTESTED)],
            3,
            "",
            "bc",
            id="one serial twice; what has another serial is in no dispute",
        ),
        pytest.param(
            [("a", "1"), ("b", "1"), ("c", "2", "", CONTESTED)], 2, "", "abc", id="nobody can tell which are one box"
        ),
        pytest.param(
            [("a", "1"), ("b", "2", "", SUPERSEDED), ("c", "3", "", CONTESTED)], 1, "", "ac", id="one has lost already"
        ),
        pytest.param([("a", "1"), ("b", "2")], 1, "a", "ab", id="to be inspected again"),
        pytest.param([("a", "1"), ("b", "2", "", SUPERSEDED)], 1, "", "", id="decided"),
    ],
)
def test_which_units_of_a_line_are_in_dispute(units, quantity, again, disputed):
    seen = tuple(reviewed(*unit) for unit in units)
    ordered = next((unit for unit in seen if unit.inspection == again), None)
    review = Review(seller="lumo", rma="R-1", line=1, quantity=quantity, units=seen, again=ordered)
    assert "".join(unit.inspection for unit in review.disputed) == disputed
