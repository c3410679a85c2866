"""Two docks, one parcel, from the stations' side: two real stations, a real hub over HTTP, and a supervisor."""

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvicorn

from inspect_station import config
from inspect_station.account import Account
from inspect_station.core.records import Disposition, Grade, Inspection, Operator, Review, Role, Standing
from inspect_station.demo import build, goods
from inspect_station.errors import NotAllowed
from inspect_station.hub import Hub, add_station
from inspect_station.hub.app import create_app
from inspect_station.message import Message
from inspect_station.outcomes import Answerable, BatchSeen, Opened, Question, Said, SupervisorNeeded, Waiting
from inspect_station.station import Station, open_station
from inspect_station.store import EventSpec
from inspect_station.words import Voice

LAMP = goods.product("lamp")
ANA = Operator(code="ana", name="Ana")
EVA = Operator(code="eva", name="Eva", role=Role.SUPERVISOR)


class Clock:
    """A clock that moves a second at every look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture(scope="module")
def docks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Station]]:
    """Two stations of one hub; each test works on a return of its own."""
    with standing_at(("DOCK-1", "DOCK-2"), tmp_path_factory.mktemp("docks")) as stations:
        yield stations


@contextmanager
def standing_at(names: Sequence[str], folder: Path) -> Iterator[list[Station]]:
    """Stations of one hub."""
    demo = build.prepare(folder / "demo", today=datetime(2026, 11, 22, tzinfo=UTC).date())
    loaded = config.load(Path(demo.config))
    clock = Clock()
    with ExitStack() as stack:
        hub = stack.enter_context(Hub.open(folder / "hub", clock=clock))
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        server = uvicorn.Server(uvicorn.Config(create_app(hub), log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(setattr, server, "should_exit", True)
        while not server.started:
            time.sleep(0.01)
        stations = []
        for name in names:
            site = loaded.station.model_copy(update={"data": folder / name, "name": name})
            upstream = loaded.upstream.model_copy(
                update={"enabled": True, "url": f"http://127.0.0.1:{listening.getsockname()[1]}"}
            )
            fresh = loaded.model_copy(update={"station": site, "upstream": upstream, "printers": ()})
            station = stack.enter_context(open_station(fresh, clock=clock))
            station.enrol(add_station(hub.store.folder, name))
            stations.append(station)
        yield stations


def finish(station: Station, rma: str, grade: Grade, to: Disposition) -> Inspection:
    """A finished unit, and its label on the box."""
    with station.store.write() as writer:
        (lpn,) = writer.take_lpns(1)
        unit = Inspection(
            id=writer.new_id(),
            lpn=lpn,
            station=station.config.station.name,
            parcel="",
            seller=LAMP.seller,
            rma=rma,
            line={"no": 1, "gtin": LAMP.ean},
            started_at=station.clock(),
            operator="ana",
            grade=grade,
            disposition=to,
            finished_at=station.clock(),
            finished_by="ana",
        )
        event = EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", station.clock())
        writer.finish(unit, event, station._label(writer, unit, 1))
        writer.move_label(writer.labels_of(lpn)[0].id, "printed")
    return unit


def exchange(*stations: Station) -> None:
    """Each sends what it has and hears what there is, until all have heard all."""
    for station in (*stations, *stations):
        station.operator = ANA
        assert station.sync().problem is None


def lose(docks: list[Station], rma: str) -> Inspection:
    """A unit of the second dock that does not count, because a supervisor has chosen the first's."""
    _, second = disputed(docks, rma)
    docks[0].operator = EVA
    choose(docks[0], "DOCK-1's result counts").then()
    exchange(*docks)
    assert standing(docks[1], second) == "superseded"
    return second


def shown(station: Station) -> list[Waiting]:
    """What F4 shows of disputes."""
    return [each for each in station.pending().waiting if each.review is not None]


def parked(station: Station) -> int:
    """Records that need somebody's attention."""
    with station.store.read() as reader:
        return reader.waiting().events_parked


def said(station: Station, message: Message) -> str:
    return Voice("en", station.rules).say(message)


def choose(station: Station, text: str) -> Answerable:
    """The answer on offer for the only dispute in view."""
    (waits,) = shown(station)
    assert waits.review is not None
    asked = station.dispute(waits.review)
    assert isinstance(asked, Question), asked
    (answer,) = (each for each in asked.answers if text in said(station, each.label))
    return answer


def disputed(docks: list[Station], rma: str) -> tuple[Inspection, Inspection]:
    one, two = docks
    first = finish(one, rma, Grade.NEW, Disposition.RESTOCK)
    second = finish(two, rma, Grade.USED, Disposition.CLEARANCE)
    exchange(one, two)
    for station, own in ((one, first), (two, second)):
        (waits,) = shown(station)
        assert waits.lpn == own.lpn
        text = said(station, waits.text)
        assert "DOCK-1" in text
        assert "DOCK-2" in text
    return first, second


def standing(station: Station, unit: Inspection) -> str:
    with station.store.read() as reader:
        (row,) = reader._rows("SELECT standing FROM inspection WHERE id = ? AND current", unit.id)
    return str(row["standing"])


def test_an_operator_cannot_decide_and_nothing_is_sent(docks: list[Station]) -> None:
    one, two = docks
    disputed(docks, "D-1")
    before = one.desk().events_waiting
    needed = choose(one, "DOCK-1's result counts").then()
    assert isinstance(needed, SupervisorNeeded)
    assert one.desk().events_waiting == before
    needed.then(EVA)
    assert one.desk().events_waiting == before + 1
    exchange(one, two)
    choose(two, "yes").then()


@pytest.mark.parametrize("at", [0, 1])
@pytest.mark.parametrize("pick", [0, 1])
def test_a_supervisor_picks_offline_and_both_docks_hear_it(docks: list[Station], at: int, pick: int) -> None:
    """sync.md §2.4. Before the hub has spoken nothing changes anywhere."""
    units = disputed(docks, f"D-2{at}{pick}")
    decides, loses, wins = docks[at], docks[1 - pick], docks[pick]
    decides.operator = EVA
    result = choose(decides, f"DOCK-{pick + 1}'s result counts").then()
    assert isinstance(result, Message)
    (waits,) = shown(decides)
    assert "the hub has to confirm it" in said(decides, waits.text)
    assert waits.review is not None
    assert isinstance(decides.dispute(waits.review), Said), "not decided twice"
    assert standing(loses, units[1 - pick]) != Standing.SUPERSEDED
    exchange(*docks)
    assert shown(wins) == []
    assert standing(wins, units[pick]) == Standing.COUNTS
    (waits,) = shown(loses)
    assert waits.lpn == units[1 - pick].lpn
    assert f"DOCK-{pick + 1}'s result counts, {units[pick].lpn}" in said(loses, waits.text)
    assert standing(loses, units[1 - pick]) == Standing.SUPERSEDED
    with loses.store.read() as reader:
        assert reader.on_box(units[1 - pick].lpn) is None, "its label is void"
    choose(loses, "yes").then()
    assert shown(loses) == []
    assert [parked(station) for station in docks] == [0, 0]


def test_two_supervisors_offline_contradict_and_the_second_is_told(docks: list[Station]) -> None:
    """sync.md §3.2, 42."""
    one, two = docks
    _, second = disputed(docks, "D-3")
    for station, text in ((one, "DOCK-1's result"), (two, "DOCK-2's result")):
        station.operator = EVA
        choose(station, text).then()
    one.sync()
    assert two.outbox.sync.push_once().parked == 2, "its unit, and what was decided"
    two.sync()
    with two.store.read() as reader:
        assert reader.parked_events() == (), "the hub has told since who counts"
    (waits,) = shown(two)
    assert "DOCK-1's result counts" in said(two, waits.text)
    assert waits.lpn == second.lpn
    choose(two, "yes").then()
    exchange(one, two)
    assert shown(one) == []


def test_a_decision_on_what_has_changed_is_told_and_made_again(docks: list[Station]) -> None:
    """sync.md §3.2, 42: the other dock has graded it anew, which this one has not heard."""
    one, two = docks
    first, _ = disputed(docks, "D-4")
    with one.store.write() as writer:
        again = first.but(revision=2, grade=Grade.HEAVY, disposition=Disposition.HOLD)
        event = EventSpec("inspection.amended", again.model_dump(mode="json"), "ana", one.clock())
        writer.finish(again, event)
    one.sync()
    two.operator = EVA
    choose(two, "DOCK-1's result").then()
    two.outbox.sync.push_once()
    (waits,) = shown(two)
    assert "A supervisor decides" in said(two, waits.text), "asked again, before the news is here too"
    exchange(one, two)
    assert parked(two) > 0
    two.operator = EVA
    choose(two, "DOCK-1's result").then()
    exchange(one, two)
    assert [parked(station) for station in docks] == [0, 0]
    choose(two, "yes").then()


@pytest.mark.parametrize("at", [0, 1], ids=["ordered where the box is", "ordered at the other dock"])
def test_a_supervisor_orders_another_look_and_that_result_counts(docks: list[Station], at: int) -> None:
    rma = f"D-5{at}"
    first, second = disputed(docks, rma)
    one, two = docks
    orders = docks[at]
    orders.operator = EVA
    seen = choose(orders, f"inspect {first.lpn} again at DOCK-1").then()
    if orders is not one:
        assert isinstance(seen, Message)
        exchange(one, two)
        (waits,) = shown(one)
        assert "a supervisor wants" in said(one, waits.text)
        review = waits.review
        assert isinstance(review, Review)
        one.operator = ANA
        seen = one.dispute(review)
    assert isinstance(seen, Opened), "on the bench, in nobody else's name"
    assert seen.inspection.id == first.id
    exchange(two, one, two)
    (waits,) = shown(two)
    assert "inspected again at DOCK-1" in said(two, waits.text)
    with one.store.write() as writer:
        draft = writer.draft(first.lpn)
        assert draft is not None
        done = draft.but(grade=Grade.LIGHT, disposition=Disposition.CLEARANCE, finished_at=one.clock())
        event = EventSpec("inspection.amended", done.model_dump(mode="json"), "ana", one.clock())
        writer.finish(done, event)
    exchange(one, two)
    assert shown(one) == []
    assert standing(one, first) == Standing.COUNTS
    assert standing(two, second) == Standing.SUPERSEDED
    choose(two, "yes").then()
    assert [parked(station) for station in docks] == [0, 0]


def test_a_unit_that_lost_is_out_of_its_batch_and_counts_again_when_the_other_is_undone(docks: list[Station]) -> None:
    one, two = docks
    first, second = disputed(docks, "D-6")
    with two.store.write() as writer:
        batch = writer.begin_batch(LAMP.seller, "return", "ana")
        writer.join_batch(batch, second.id, second.lpn, "ana")
    one.operator = EVA
    choose(one, "DOCK-1's result").then()
    exchange(one, two)
    assert two.batch_of(second.id) == ""
    one.operator = EVA
    assert isinstance(one.reopen(first.lpn, "wrong box"), Opened)
    exchange(one, two)
    assert shown(one) == shown(two) == []
    assert standing(two, second) == Standing.COUNTS


def test_a_unit_that_lost_gets_no_label_and_joins_no_batch(docks: list[Station]) -> None:
    two = docks[1]
    lost = lose(docks, "D-9")
    labels = two.labels_of(lost.lpn)
    for refused in (two.reprint(lost.lpn, "torn"), two.reprint(lost.lpn, kind="putaway"), two.join(lost.lpn)):
        assert isinstance(refused, Said)
        assert said(two, refused.title) == f"{lost.lpn} does not count: another dock's result does"
    assert isinstance(two.printable(lost.lpn), Message)
    with pytest.raises(NotAllowed, match="does not count"):
        two.label(lost.lpn)
    assert two.labels_of(lost.lpn) == labels, "nothing new was printed or is queued"
    assert two.desk(lost).at_hub[lost.id] == "superseded"
    told = Account(two, Voice("en", two.rules))
    assert told.unit_json(lost, None)["standing"] == "superseded"
    assert "does not count: another dock's result does" in told.unit_text(lost, None)
    choose(two, "yes").then()


def sent_back(docks: list[Station], rma: str) -> tuple[Inspection, Inspection]:
    """A unit that the first dock would send back to its seller, and the second would sell."""
    first = finish(docks[0], rma, Grade.DEFECTIVE, Disposition.RETURN_TO_SELLER)
    assert docks[0].desk().at_hub[first.id] == "waiting"
    exchange(docks[0])
    assert docks[0].desk().at_hub[first.id] == "accepted"
    return first, finish(docks[1], rma, Grade.USED, Disposition.CLEARANCE)


def test_both_docks_mark_their_unit_while_nobody_has_decided(docks: list[Station]) -> None:
    """The first one, too, which had its receipt before the other dock contradicted."""
    one, two = docks
    first, second = sent_back(docks, "D-10")
    exchange(two)
    exchange(one)
    assert one.desk(first).at_hub[first.id] == two.desk(second).at_hub[second.id] == "parked"
    assert [station.desk().events_refused for station in docks] == [0, 0], "the hub has kept both"
    one.operator = EVA
    choose(one, "DOCK-1's result").then()
    exchange(*docks)
    assert (one.desk(first).at_hub[first.id], two.desk(second).at_hub[second.id]) == ("accepted", "superseded")
    choose(two, "yes").then()


def test_nothing_in_dispute_joins_a_batch_and_no_batch_with_it_is_closed(docks: list[Station]) -> None:
    """sync.md §2.4: what would leave is held until somebody has decided."""
    one, two = docks
    first, _ = sent_back(docks, "D-11")
    other = finish(one, "D-12", Grade.DEFECTIVE, Disposition.RETURN_TO_SELLER)
    batch = one.join(other.lpn)
    assert isinstance(batch, BatchSeen)
    number = batch.batch.number
    exchange(two, one)
    refused = one.join(first.lpn)
    assert isinstance(refused, Said)
    assert said(one, refused.title) == f"two docks contradict each other about {first.lpn}: it joins no batch"
    finish(two, "D-12", Grade.USED, Disposition.CLEARANCE)
    exchange(two, one)
    (reason,) = one.batch(number).blocked
    assert (reason.code, reason.message.params["lpn"]) == ("disputed", other.lpn)
    assert isinstance(one.close_batch(number), Said)
    assert one.batch(number).batch.closed_at is None
    one.operator = EVA
    for waits in shown(one):
        assert waits.review is not None
        own = next(unit for unit in waits.review.units if unit.station == "DOCK-1")
        one.settle(waits.review, own, over=tuple(unit for unit in waits.review.units if unit != own))
    assert isinstance(one.close_batch(number), Said), "the hub has not confirmed it yet"
    exchange(*docks)
    assert isinstance(one.join(first.lpn), BatchSeen)
    closed = one.close_batch(number)
    assert isinstance(closed, BatchSeen) and closed.batch.closed_at is not None
    for waits in shown(two):
        assert waits.review is not None
        asked = two.dispute(waits.review)
        assert isinstance(asked, Question)
        asked.answers[0].then()


def test_a_receipt_alone_holds_a_unit_before_the_hub_tells_who_contradicts(docks: list[Station]) -> None:
    one, two = docks
    finish(one, "D-13", Grade.USED, Disposition.CLEARANCE)
    second = finish(two, "D-13", Grade.DEFECTIVE, Disposition.RETURN_TO_SELLER)
    exchange(one)
    two.outbox.sync.push_once()
    assert shown(two) == []
    refused = two.join(second.lpn)
    assert isinstance(refused, Said)
    assert "two docks contradict each other" in said(two, refused.title)
    exchange(*docks)
    one.operator = EVA
    choose(one, "DOCK-1's result").then()
    exchange(*docks)
    choose(two, "yes").then()


def test_three_docks_on_one_line_are_all_named_and_one_look_settles_it(tmp_path: Path) -> None:
    """sync.md §3.2, 40."""
    with standing_at(("DOCK-1", "DOCK-2", "DOCK-3"), tmp_path) as docks:
        one, two, three = docks
        finish(one, "D-14", Grade.NEW, Disposition.RESTOCK)
        finish(two, "D-14", Grade.USED, Disposition.CLEARANCE)
        third = finish(three, "D-14", Grade.DEFECTIVE, Disposition.RETURN_TO_SELLER)
        exchange(*docks)
        for station in docks:
            (waits,) = shown(station)
            text = said(station, waits.text)
            assert "at several docks" in text
            assert all(name in text for name in ("DOCK-1", "DOCK-2", "DOCK-3"))
        two.operator = EVA
        choose(two, f"inspect {third.lpn} again at DOCK-3").then()
        exchange(two, three)
        (waits,) = shown(three)
        assert waits.review is not None
        assert isinstance(three.dispute(waits.review), Opened)
        with three.store.write() as writer:
            draft = writer.draft(third.lpn)
            assert draft is not None
            done = draft.but(grade=Grade.LIGHT, disposition=Disposition.CLEARANCE, finished_at=three.clock())
            writer.finish(done, EventSpec("inspection.amended", done.model_dump(mode="json"), "ana", three.clock()))
        exchange(*docks)
        assert shown(three) == []
        for station in (one, two):
            choose(station, "yes").then()
            assert shown(station) == []
        assert [parked(station) for station in docks] == [0, 0, 0]


def test_in_french_a_space_stands_before_the_colon_of_what_a_dock_found(docks: list[Station]) -> None:
    one, two = docks
    first, _ = disputed(docks, "D-15")
    (waits,) = shown(one)
    assert waits.review is not None
    one.operator = EVA.but(locale="fr")
    asked = one.dispute(waits.review)
    assert isinstance(asked, Question)
    one.operator = EVA
    asked.answers[0].then()
    exchange(*docks)
    choose(two, "yes").then()
    assert asked.answers[0].detail.startswith(f"{first.lpn}\N{NO-BREAK SPACE}: ")


def test_the_dock_that_contradicts_hears_at_once_who_says_what_and_what_came_of_its_decision(
    docks: list[Station],
) -> None:
    """Not at the next fetching: the hub has more to say than its receipt does."""
    one, two = docks
    for station in docks:
        station.outbox.sync.turn()
    finish(one, "D-16", Grade.NEW, Disposition.RESTOCK)
    one.outbox.sync.turn()
    finish(two, "D-16", Grade.USED, Disposition.CLEARANCE)
    assert two.outbox.sync.until_pull() > 20
    two.outbox.sync.turn()
    two.operator = EVA
    choose(two, "DOCK-2's result").then()
    two.outbox.sync.turn()
    assert shown(two) == []
    assert len(shown(one)) == 0
    exchange(*docks)
    choose(one, "yes").then()
