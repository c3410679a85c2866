"""What leaves the bench: over real HTTP to a real hub, through hubs that misbehave, and to printers."""

import gzip
import hashlib
import json
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from PIL import Image

from inspect_station import outbox as outboxes
from inspect_station.config import LabelPrinter, UpstreamSettings
from inspect_station.core import batches, wire
from inspect_station.core.records import Disposition, Grade, Inspection, Line, Photo, Product, Rma
from inspect_station.errors import DeviceError, PrintUnknown, UpstreamError
from inspect_station.hub import Hub, add_station, intake, load
from inspect_station.hub.app import create_app
from inspect_station.label import Template
from inspect_station.message import Message, msg
from inspect_station.outbox import Outbox, States, prints, sync
from inspect_station.outbox.prints import Press
from inspect_station.outbox.sync import (
    STRIKES,
    STRIKES_ALONE,
    HubState,
    Next,
    Pace,
    Pulled,
    Pushed,
    connect,
    enrol,
    why,
)
from inspect_station.printing import State
from inspect_station.store import EventSpec, LabelSpec, Receipt, Store, Writer
from inspect_station.upstream import Credentials, Delivered, Later, Moved, Refusal, Refused, Upstream, _Reply
from inspect_station.words import Voice

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LAMP = Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp")


_made: list[Outbox] = []


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    """Nothing stays open."""
    yield
    while _made:
        _made.pop().stop()


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's and a hub's folder, made once: making their tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty")
    Store.open(folder / "station", clock=Clock(), station="DOCK-1").close()
    Hub.open(folder / "hub").close()
    return folder


@pytest.fixture
def store(empty: Path, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    folder = shutil.copytree(empty / "station", tmp_path / "station")
    with Store.open(folder, clock=clock, station="DOCK-1", zone="Europe/Paris") as opened:
        yield opened


@pytest.fixture
def hub(empty: Path, tmp_path: Path, clock: Clock) -> Iterator[Hub]:
    with Hub.open(shutil.copytree(empty / "hub", tmp_path / "hub"), clock=clock) as opened:
        yield opened


def _finish(store: Store, rma: str = "R-1", label: str = "", photos: tuple[Photo, ...] = ()) -> str:
    """Finish one unit, with a label of this kind; its licence plate."""
    with store.write() as writer:
        (lpn,) = writer.take_lpns(1)
        unit = Inspection(
            id=writer.new_id(),
            lpn=lpn,
            station="DOCK-1",
            parcel="",
            seller="lumo",
            rma=rma,
            line=Line(no=1, gtin=LAMP.gtin),
            product=LAMP,
            operator="ana",
            started_at=NOON - timedelta(minutes=2),
            grade=Grade.NEW,
            disposition=Disposition.RESTOCK,
            finished_at=NOON,
            finished_by="ana",
            photos=photos,
        )
        event = EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", NOON)
        writer.finish(unit, event, *([LabelSpec(lpn, unit.id, label, 1, {"title": lpn})] if label else []))
    return lpn


def _settings(url: str, batch: int = 100) -> UpstreamSettings:
    return UpstreamSettings(enabled=True, url=url, batch=batch, min_wait_s=1, max_wait_s=300)


def _outbox(store: Store, upstream: Upstream | None, clock: Clock, *presses: Press, **more: Any) -> Outbox:
    kept = more.pop("settings", _settings("http://hub"))
    made = Outbox(store, settings=kept, upstream=upstream, presses=presses, templates=TEMPLATES, clock=clock, **more)
    _made.append(made)
    return made


def _states(store: Store) -> Counter[str]:
    """How many events are in each state."""
    with store.read() as reader:
        return Counter(row["state"] for row in reader._rows("SELECT state FROM event"))


# ── How much, and when again ─────────────────────────────────────────────────────────────────────────────────────────


def _pace(chance: float = 0.5, batch: int = 100) -> Pace:
    return Pace(batch, 1, 300, random=lambda: chance)


def test_waits_grow_from_one_second_to_five_minutes_and_no_further() -> None:
    pace = _pace(chance=0.999999)
    waits = []
    for _ in range(40):
        pace.failed()
        waits.append(pace.wait_s)
    assert waits[0] == pytest.approx(2, abs=0.01)
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(300, abs=0.01)


def test_waits_are_spread_over_all_they_may_be() -> None:
    """A thousand stations that come back at once must not all ask in the same second."""
    for chance, expected in [(0.0, 1.0), (0.5, 150.5)]:
        pace = _pace(chance)
        for _ in range(20):
            pace.failed()
        assert pace.wait_s == pytest.approx(expected)


def test_what_the_hub_asks_for_goes_first() -> None:
    pace = _pace()
    pace.failed(3600.0)
    assert pace.wait_s == 3600
    pace.answered()
    assert pace.wait_s == 0


def test_a_batch_that_fails_three_times_is_halved_and_one_event_five_times_blamed() -> None:
    pace = _pace()
    told: list[Next] = []
    while not told or told[-1] is not Next.BLAME:
        told.append(pace.broke(min(4, pace.size), surely=False))
    batch = [Next.AGAIN] * (STRIKES - 1) + [Next.SMALLER]
    assert (STRIKES, STRIKES_ALONE) == (3, 5)
    assert told == [*batch, *batch, *[Next.AGAIN] * (STRIKES_ALONE - 1), Next.BLAME]


def test_what_surely_fails_again_is_not_repeated() -> None:
    pace = _pace()
    assert [pace.broke(n, surely=True) for n in (4, 2, 1)] == [Next.SMALLER, Next.SMALLER, Next.BLAME]


def test_what_does_not_come_through_in_time_is_halved_and_grows_back_one_by_one() -> None:
    pace = _pace()
    sizes = []
    for _ in range(8):
        pace.too_slow(pace.size)
        sizes.append(pace.size)
    assert sizes == [50, 25, 12, 6, 3, 1, 1, 1]
    for _ in range(99):
        pace.passed(pace.size)
    assert pace.size == 100
    pace.passed(100)
    assert pace.size == 100


@pytest.mark.parametrize("poison", range(0, 100, 7))
def test_one_poisonous_event_of_a_hundred_is_found_and_the_others_pass(poison: int) -> None:
    pace = _pace()
    queue, passed, requests = list(range(100)), [], 0
    while queue:
        batch = queue[: pace.size]
        requests += 1
        if poison not in batch:
            pace.passed(len(batch))
            passed += batch
            queue = queue[len(batch) :]
        elif pace.broke(len(batch), surely=False) is Next.BLAME:
            assert batch == [poison]
            pace.passed(1)
            queue = queue[1:]
    assert sorted([*passed, poison]) == list(range(100))
    assert requests < 60
    assert pace.size == 100


# ── To a real hub, over HTTP ─────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _serving(app: Any, port: int = 0) -> Iterator[str]:
    """The application over real HTTP on this machine; its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()


Web = Callable[[Any], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def web() -> Iterator[Web]:
    """One server for many tests: it takes longer to start and stop one than most tests do."""
    served: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await served[-1](scope, receive, send)

    with _serving(app) as url:

        @contextmanager
        def web(app: Any) -> Iterator[str]:
            served.append(app)
            yield url
            served.pop()

        yield web


def _enrolled(store: Store, hub: Hub, url: str, clock: Clock, batch: int = 100) -> Outbox:
    enrol(store, _settings(url), add_station(hub.store.folder, "DOCK-1"))
    return _outbox(store, connect(store, _settings(url)), clock, settings=_settings(url, batch))


def _at_hub(hub: Hub) -> list[tuple[str, str, str]]:
    with hub.read() as ledger:
        return [tuple(row) for row in ledger._rows("SELECT id, sha256, line FROM hub_event ORDER BY id")]


def _here(store: Store) -> list[tuple[str, str, str]]:
    with store.read() as reader:
        return [tuple(row) for row in reader._rows("SELECT id, sha256, line FROM event ORDER BY id")]


def test_all_that_was_finished_is_at_the_hub_once_and_what_it_announces_comes_down(
    tmp_path: Path, store: Store, clock: Clock
) -> None:
    plates = [_finish(store, f"R-{n}") for n in range(7)]
    with Hub.open(tmp_path / "hub", clock=clock) as hub, _serving(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock, batch=3)
        assert outbox.sync.push_once().sent == 7
        assert outbox.sync.push_once().sent == 0

        rma = Rma(seller="lumo", number="R-100", lines=(Line(no=1, gtin=LAMP.gtin, quantity=2),))
        load(hub, [LAMP, rma])
        assert outbox.sync.pull_once().fetched == 2
        assert outbox.sync.pull_once().fetched == 0
        with store.read() as reader:
            assert reader.rma("lumo", "R-100") == rma
            assert reader.product("lumo", LAMP.gtin) == LAMP
    assert _states(store) == {"accepted": 7}
    # The hub is started again, at the same address.
    with Hub.open(tmp_path / "hub", clock=clock) as hub, _serving(create_app(hub), int(url.rpartition(":")[2])):
        plates.append(_finish(store, "R-8"))
        assert outbox.sync.push_once().sent == 1
        assert _at_hub(hub) == _here(store)
        for id, sha256, line in _at_hub(hub):
            assert hashlib.sha256(line.encode()).hexdigest() == sha256, id
        with hub.read() as ledger:
            assert [len(ledger.history(plate)) for plate in plates] == [1] * 8


def test_photos_follow_their_unit_to_a_real_hub_and_what_is_no_picture_is_parked(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    pictures = []
    for shade in (60, 200):
        file = BytesIO()
        Image.new("RGB", (64, 48), (shade, 90, 30)).save(file, "JPEG")
        pictures.append(store.blobs.put(file.getvalue()))
    pictures.append(store.blobs.put(b"\xff\xd8\xff no picture"))
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.photos.join()
        shots = tuple(Photo(slot=f"s{n}", sha256=sha256, at=NOON) for n, sha256 in enumerate(pictures))
        plate = _finish(store, photos=shots)
        assert not outbox.photos.turn(), "its unit goes first"
        outbox.sync.push_once()
        while outbox.photos.turn():
            pass
        with hub.read() as ledger:
            missing = [(row["lpn"], row["sha256"]) for row in ledger.photos_missing()]
    assert missing == [(plate, pictures[2])]
    with store.read() as reader:
        rows = reader._rows("SELECT slot, state, code FROM photo ORDER BY slot")
    assert [tuple(row) for row in rows] == [
        ("s0", "verified", ""),
        ("s1", "verified", ""),
        ("s2", "bad", "photo_invalid"),
    ]


def test_the_proof_of_a_batch_s_end_follows_to_a_real_hub_and_is_missed_until_it_is_there(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    file = BytesIO()
    Image.new("RGB", (64, 48), (60, 90, 30)).save(file, "JPEG")
    proof = store.blobs.put(file.getvalue())
    plate = _finish(store)

    def tell(writer: Writer, batch: batches.Batch) -> None:
        writer.tell_batch(batch, EventSpec("batch.closed", batches.told(batch), "ana", NOON))

    def missing() -> list[tuple[str, str, str]]:
        with hub.read() as ledger:
            return [(row["lpn"], row["slot"], row["sha256"]) for row in ledger.photos_missing()]

    with store.write() as writer:
        batch = writer.begin_batch("lumo", "return", "ana")
        unit = writer.inspection(plate)
        assert unit is not None
        writer.join_batch(batch, unit.id, plate, "ana")
        batch = batch.but(units=(batches.Member(inspection=unit.id, lpn=plate, joined_at=NOON, joined_by="ana"),))
        batch = batch.but(closed_at=NOON, closed_by="ana", sealed_no=1, revision=1)
        tell(writer, batch)
    ending = batches.Ending(fate=batches.Fate.RETURNED, on=NOON.date(), photo=proof, by="ana", at=NOON)
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.photos.join()
        outbox.sync.push_once()
        with store.write() as writer:
            tell(writer, batch.but(ending=ending, revision=2))
        assert not outbox.photos.turn(), "its event goes first"
        outbox.sync.push_once()
        assert missing() == [(batch.number, "proof2", proof)]
        while outbox.photos.turn():
            pass
        assert missing() == []
    with store.read() as reader:
        assert [each.state for each in reader.photos(batch.id)] == ["verified"]
        assert reader.lpn_of(batch.id) == batch.number, "what is wrong with it can be said"


@pytest.mark.parametrize(
    "ending", [None, "x", {"photo": 1}, {"photo": "no hash"}, {"photo": "ab" * 32}], ids=lambda each: str(each)[:20]
)
def test_whatever_a_batch_s_event_holds_the_hub_takes_it(hub: Hub, store: Store, clock: Clock, ending: Any) -> None:
    with store.write() as writer:
        for revision in (1, "2", 10**30, -1, None):
            body = {"id": "b\0", "number": "B" * 5000, "revision": revision, "ending": ending}
            writer.append_event(EventSpec("batch.closed", body, "ana", NOON))
    add_station(hub.store.folder, "DOCK-1")
    with store.read() as reader, hub.write() as ledger:
        lines = [each.line for each in reader.pending_events()]
        ledger.add_code("c" * 64, "main", "DOCK-2")
        ledger.enrol("c" * 64, "t" * 64, epoch=json.loads(lines[0])["epoch"], block="")
        caller = ledger.caller("t" * 64)
        assert caller is not None
        receipts, _ = ledger.ingest(caller, [intake.read(line) for line in lines])
        assert {each.status for each in receipts} <= {"accepted", "rejected"}


def test_a_withdrawn_rma_is_closed_and_a_changed_one_is_taken_over(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    rma = Rma(seller="lumo", number="R-1", lines=(Line(no=1, gtin=LAMP.gtin),))
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        load(hub, [rma])
        outbox.sync.pull_once()
        load(hub, [rma.but(order="O-7")])
        outbox.sync.pull_once()
        with store.read() as reader:
            assert reader.rma("lumo", "R-1") == rma.but(order="O-7")
        with hub.write() as ledger:
            ledger.withdraw_rma("main", "lumo", "R-1")
        outbox.sync.pull_once()
        with store.read() as reader:
            assert reader.rma("lumo", "R-1") == rma.but(order="O-7", closed=True)


def test_two_docks_on_one_line_both_arrive_and_the_second_hears_of_it(
    tmp_path: Path, store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    _finish(store)
    with (
        Store.open(tmp_path / "second", clock=clock, station="DOCK-2") as second,
        web(create_app(hub)) as url,
    ):
        with second.write() as writer:
            (lpn,) = writer.take_lpns(1)
            unit = Inspection(
                id=writer.new_id(),
                lpn=lpn,
                station="DOCK-2",
                parcel="",
                seller="lumo",
                rma="R-1",
                line=Line(no=1, gtin=LAMP.gtin),
                started_at=NOON,
                grade=Grade.USED,
                disposition=Disposition.CLEARANCE,
                finished_at=NOON,
            )
            writer.finish(unit, EventSpec("inspection.finished", unit.model_dump(mode="json"), "bo", NOON))
        _enrolled(store, hub, url, clock).sync.push_once()
        enrol(second, _settings(url), add_station(hub.store.folder, "DOCK-2"))
        there = _outbox(second, connect(second, _settings(url)), clock)
        assert there.sync.push_once() == Pushed(sent=1, waiting=0, parked=1)
        with second.read() as reader:
            (event,) = reader.parked_events()
        assert (event.state, event.code) == ("conflict", "line_conflict")
        assert "Another dock" in why(event.code).text
        assert len(_at_hub(hub)) == 2


def _amend(store: Store, plate: str, **changes: Any) -> None:
    with store.write() as writer:
        unit = writer.inspection(plate)
        assert unit is not None
        again = unit.but(revision=unit.revision + 1, **changes)
        writer.finish(again, EventSpec("inspection.amended", again.model_dump(mode="json"), "ana", NOON))


@pytest.mark.parametrize("end", ["the one agrees", "the other agrees", "the one is undone"])
def test_two_docks_on_one_parcel_both_see_it_until_they_agree(
    tmp_path: Path, store: Store, hub: Hub, clock: Clock, web: Web, end: str
) -> None:
    """sync.md §2.4: a review is told in the feed, to both, and taken back; nothing needs attention after that."""
    with Store.open(tmp_path / "second", clock=clock, station="DOCK-2") as second, web(create_app(hub)) as url:
        first = _enrolled(store, hub, url, clock)
        enrol(second, _settings(url), add_station(hub.store.folder, "DOCK-2"))
        there = _outbox(second, connect(second, _settings(url)), clock)
        mine, other = _finish(store), _finish(second)
        _amend(second, other, grade=Grade.USED, disposition=Disposition.CLEARANCE)

        def both() -> list[list[tuple[str, str, Grade | None]]]:
            seen = []
            for outbox, at in ((first, store), (there, second), (first, store)):
                clock.now += timedelta(seconds=1)
                assert outbox.sync.push_once().problem is None
                assert outbox.sync.pull_once().problem is None
                with at.read() as reader:
                    reviews = reader.reviews()
                seen.append([(unit.station, unit.lpn, unit.grade) for each in reviews for unit in each.units])
            return seen[1:]

        expected = [("DOCK-1", mine, Grade.NEW), ("DOCK-2", other, Grade.USED)]
        assert both() == [expected, expected]
        assert there.states().hub.parked == 1
        match end:
            case "the one agrees":
                _amend(store, mine, grade=Grade.USED, disposition=Disposition.CLEARANCE)
            case "the other agrees":
                _amend(second, other, grade=Grade.NEW, disposition=Disposition.RESTOCK)
            case _:
                with store.write() as writer:
                    unit = writer.inspection(mine)
                    assert unit is not None
                    body = {"inspection": unit.id, "revision": 2, "reason": "wrong box", "lpn": mine}
                    void = unit.but(revision=2, voided_at=NOON)
                    writer.void(void, EventSpec("inspection.voided", body, "ana", NOON))
        both()
        assert both() == [[], []]
        assert there.states().hub.parked == first.states().hub.parked == 0


def _copy(file: Path, to: Path) -> None:
    """A copy of a store as its backup makes it: without the epoch, so that it begins a new one."""
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
        copy.execute("DELETE FROM meta WHERE key = 'epoch'")
        copy.commit()


def test_a_hub_that_was_restored_to_yesterday_gets_everything_again(tmp_path: Path, store: Store, clock: Clock) -> None:
    with Hub.open(tmp_path / "hub", clock=clock) as hub, _serving(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock, batch=2)
        _finish(store, "R-1")
        outbox.sync.push_once()
        _copy(tmp_path / "hub" / "store.db", tmp_path / "yesterday.db")
        for n in range(2, 7):
            _finish(store, f"R-{n}")
        assert outbox.sync.push_once().sent == 5
        load(hub, [LAMP])
        outbox.sync.pull_once()
    clock.now += timedelta(hours=1)
    (tmp_path / "yesterday.db").replace(tmp_path / "hub" / "store.db")
    with Hub.open(tmp_path / "hub", clock=clock) as hub, _serving(create_app(hub), int(url.rpartition(":")[2])):
        load(hub, [LAMP.but(title="Oak desk lamp, dimmable")])
        assert outbox.sync.pull_once().fetched == 1
        assert outbox.sync.push_once().sent == 5
        assert _at_hub(hub) == _here(store)
        with store.read() as reader:
            assert reader.products(LAMP.gtin)[0].title == "Oak desk lamp, dimmable"


def test_a_revoked_token_stops_the_sending_and_enrolling_again_drains_it(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        with hub.write() as ledger:
            ledger._do("DELETE FROM hub_token")
        _finish(store)
        pushed = outbox.sync.push_once()
        assert (pushed.sent, pushed.waiting) == (0, 1)
        assert pushed.problem is not None
        assert "enrol it again" in pushed.problem.text
        outbox = _enrolled(store, hub, url, clock)
        assert outbox.sync.push_once().sent == 1


# ── Through a network that fails ─────────────────────────────────────────────────────────────────────────────────────


class Fault:
    """An application between station and hub; what it does with one request is told beforehand."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.mode = ""
        self.poison = b"\0"
        self.seen = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/events":
            await self.app(scope, receive, send)
            return
        self.seen += 1
        body = b""
        while (message := await receive()).get("type") == "http.request":
            body += message["body"]
            if not message.get("more_body"):
                break
        if self.poison in gzip.decompress(body):
            await self._say(send, 500, b"poisoned", b"text/plain")
            return
        answers = [await self._ask(scope, body) for _ in range({"lost request": 0, "twice": 2}.get(self.mode, 1))]
        match self.mode:
            case "lost request" | "error after commit":
                await self._say(send, 500, b"Internal Server Error", b"text/plain")
            case "portal":
                await self._say(send, 200, b"<html>Log in</html>", b"text/html")
            case "half":
                await self._say(send, 200, answers[0][: len(answers[0]) // 2], said=len(answers[0]))
            case "nothing":
                await self._say(send, 200, b"", said=len(answers[0]))
            case "fewer receipts":
                told = json.loads(answers[0])
                told["receipts"] = told["receipts"][::2]
                await self._say(send, 200, json.dumps(told).encode())
            case "foreign ids":
                told = json.loads(answers[0])
                for receipt in told["receipts"]:
                    receipt["id"] = receipt["id"][::-1]
                await self._say(send, 200, json.dumps(told).encode())
            case _:
                await self._say(send, 200, answers[-1])

    async def _ask(self, scope: Any, body: bytes) -> bytes:
        heard: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            heard.append(message)

        await self.app(scope, receive, send)
        return b"".join(message.get("body", b"") for message in heard)

    @staticmethod
    async def _say(send: Any, status: int, body: bytes, kind: bytes = b"application/json", said: int = -1) -> None:
        length = str(said if said >= 0 else len(body)).encode()
        headers = [(b"content-type", kind), (b"content-length", length)]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize(
    ("mode", "confirmed"),
    [
        ("lost request", 0),
        ("error after commit", 0),
        ("portal", 0),
        ("half", 0),
        ("nothing", 0),
        ("foreign ids", 0),
        ("fewer receipts", 2),
        ("twice", 4),
    ],
)
def test_whatever_the_network_does_each_fact_arrives_once(
    store: Store, hub: Hub, clock: Clock, mode: str, confirmed: int, web: Web
) -> None:
    """sync.md §3.2, 17 to 27: only a named receipt counts; the rest waits, is sent again and is there once."""
    fault = Fault(create_app(hub))
    with web(fault) as url:
        outbox = _enrolled(store, hub, url, clock)
        for n in range(4):
            _finish(store, f"R-{n}")
        fault.mode = mode
        with outbox.sync._working:
            batch = outbox.sync._batch()
            assert outbox.sync.upstream is not None
            outbox.sync._send(outbox.sync.upstream, batch)
        with store.read() as reader:
            assert reader.waiting().events == 4 - confirmed
        fault.mode = ""
        assert outbox.sync.push_once().sent == 4 - confirmed
        assert _at_hub(hub) == _here(store)
        assert set(_states(store)) <= {"accepted", "duplicate"}


def test_an_event_that_breaks_the_hub_is_set_aside_and_tried_again_later(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    fault = Fault(create_app(hub))
    with web(fault) as url:
        outbox = _enrolled(store, hub, url, clock, batch=8)
        plates = [_finish(store, f"R-{n}") for n in range(12)]
        fault.poison = plates[5].encode()
        for _ in range(40):
            if outbox.sync.push_once().problem is None:
                break
        assert _states(store) == {"accepted": 11, "suspect": 1}
        with store.read() as reader:
            (event,) = reader.parked_events()
        assert plates[5] in event.line
        assert "every hour" in why(event.code).text

        before = fault.seen
        _finish(store, "R-12")
        assert outbox.sync.push_once() == Pushed(sent=1, waiting=0, parked=1)
        assert fault.seen == before + 1, "it is left alone for an hour"
        clock.now += timedelta(minutes=61)
        _finish(store, "R-13")
        before = fault.seen
        assert outbox.sync.push_once().sent == 1
        assert fault.seen == before + 2, "it is tried alone, after the others"
        assert _states(store) == {"accepted": 13, "suspect": 1}
        fault.poison = b"\0"
        clock.now += timedelta(minutes=61)
        assert outbox.sync.push_once().sent == 1
        assert _at_hub(hub) == _here(store)


def test_no_event_is_blamed_for_a_hub_that_is_not_well(store: Store, clock: Clock) -> None:
    class Broken(Upstream):
        def _request(self, method: str, path: str, **request: object) -> _Reply:
            return _Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")

    for n in range(3):
        _finish(store, f"R-{n}")
    outbox = _outbox(store, Broken(_settings("http://hub"), Credentials("http://hub", "s", "t"), "e"), clock)
    for _ in range(40):
        assert outbox.sync.push_once().problem is not None
    assert _states(store) == {"sent": 3} or _states(store) == {"sent": 1, "pending": 2}


class Broken(Upstream):
    """A hub that fails over every event and says of itself what it was told to say."""

    def __init__(self, said: bytes) -> None:
        super().__init__(_settings("http://hub"), Credentials("http://hub", "s", "t"), "e")
        self.said = said

    def _request(self, method: str, path: str, **request: object) -> _Reply:
        if path == "/v1/readyz":
            return _Reply(200, {"content-type": "application/json"}, self.said)
        if path == "/v1/events/known":
            said = wire.Known(hub_time=NOON, hub_epoch="restored", missing=(), differs=())
            return _Reply(200, {"content-type": "application/json"}, said.model_dump_json().encode())
        return _Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")


def test_a_hub_that_was_restored_is_recognised_although_each_event_breaks_it(store: Store, clock: Clock) -> None:
    """What broke does not say whose it is; a world of tools/simulate.py was stuck here for ever."""
    _finish(store)
    said = wire.Said(hub_time=NOON, hub_epoch="restored").model_dump_json().encode()
    outbox = _outbox(store, Broken(said), clock)
    for _ in range(20):
        outbox.sync.push_once()
    with store.read() as reader:
        assert reader.meta("hub_epoch") == "restored"
    assert _states(store) == {"suspect": 1}, "that hub is well, and so the event is to blame"


def test_what_a_restored_hub_had_kept_aside_is_offered_again(
    tmp_path: Path, store: Store, clock: Clock, hub: Hub, web: Web
) -> None:
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        with store.write() as writer:
            writer.append_event(EventSpec("inspection.finished", {"id": "none"}, "ana", NOON))
        outbox.sync.push_once()
        assert _states(store) == {"rejected": 1}
        with hub.write() as ledger:
            ledger._do("DROP TRIGGER hub_parked_stays")
            ledger._do("DELETE FROM hub_parked")
        hub.store.begin_epoch()
        outbox.sync.push_once()
        outbox.sync.pull_once()
        outbox.sync.push_once()
        assert _states(store) == {"rejected": 1}
        with hub.read() as ledger:
            assert len(ledger.parked()) == 1


def test_every_night_the_hub_is_asked_whether_it_still_has_what_it_confirmed(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    """A hub that lost events and does not know it: nothing else would ever tell."""
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        for n in range(3):
            _finish(store, f"R-{n}")
        outbox.sync.turn()
        with hub.write() as ledger:
            ledger._do("DROP TRIGGER hub_event_stays")
            ledger._do("DELETE FROM hub_event WHERE seq = 2")
            ledger._do("DROP TRIGGER inspection_stays")
            ledger._do("DELETE FROM inspection WHERE rma = 'R-1'")
        for hours, there in ((0, 2), (23, 2), (25, 3)):
            clock.now = NOON + timedelta(hours=hours)
            outbox.sync.care_once()
            outbox.sync.push_once()
            assert len(_at_hub(hub)) == there, hours
        assert _at_hub(hub) == _here(store)


@pytest.mark.parametrize(
    ("action", "state", "code", "photo"),
    [
        pytest.param("void", "duplicate", "voided_at_hub", "kept", id="it says nothing"),
        pytest.param("accept_as", "duplicate", "corrected_at_hub", "waiting", id="another stands in its place"),
        pytest.param("retry", "duplicate", "", "waiting", id="a newer hub takes it"),
        pytest.param(None, "rejected", "schema_invalid", "waiting", id="nobody has dealt with it"),
    ],
)
def test_what_a_supervisor_has_settled_needs_nobodys_attention_any_more(
    store: Store, hub: Hub, clock: Clock, web: Web, monkeypatch: pytest.MonkeyPatch,
    action: Any, state: str, code: str, photo: str,
) -> None:  # fmt: skip
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        with monkeypatch.context() as older:
            older.setattr(intake, "_said", lambda event, plain: intake.Voided.model_validate({}))
            _finish(store, photos=(Photo(slot="front", sha256="ab" * 32, at=NOON),))
            assert outbox.sync.push_once() == Pushed(sent=0, waiting=0, parked=1)
            if action != "retry":
                outbox.sync.ask_settled()
                assert _told(store) == [("rejected", "schema_invalid")], "and nothing is said of it meanwhile"
        if action is not None:
            with hub.write() as ledger:
                (found,) = ledger.parked()
                line = ledger.parked_line(found["no"])["line"]  # type: ignore[index]
                corrected = f"{line} " if action == "accept_as" else ""
                ledger.settle(found["no"], action, note="a slip", by="chief", line=corrected)
        else:
            monkeypatch.setattr(intake, "_said", lambda event, plain: intake.Voided.model_validate({}))
        assert _told(store) == [("rejected", "schema_invalid")]
        clock.now += timedelta(hours=1)
        outbox.sync.care_once()
        assert _told(store) == [(state, code)]
        with store.read() as reader:
            assert reader.waiting().events_parked == (action is None)
            (kept,) = reader._rows("SELECT state FROM photo")
            assert kept["state"] == photo
            assert len(reader.photos_to_send()) == (photo == "waiting" and action is not None)


def _told(store: Store) -> list[tuple[str, str]]:
    with store.read() as reader:
        return [(row["state"], row["code"]) for row in reader._rows("SELECT state, code FROM event ORDER BY seq")]


@pytest.mark.parametrize("wrong", ["no answer", "it breaks the hub", "too old", "restored"])
def test_a_record_that_needs_attention_stays_so_whatever_goes_wrong_with_asking(
    store: Store, clock: Clock, wrong: str
) -> None:
    _finish(store)
    with store.write() as writer:
        (event,) = writer.pending_events()
        writer.mark_events([Receipt(event.id, "rejected", "schema_invalid")])
    asked = []

    class Wrong(Upstream):
        def deliver(self, lines: Any) -> Any:
            asked.append(lines)
            receipt = wire.Receipt(id=event.id, sha256=event.sha256, status=wire.Status.RETRY, code="schema_too_new")
            return {
                "no answer": Later(msg("lost")),
                "it breaks the hub": Refused(Refusal.FAILED, msg("broken")),
                "too old": Delivered((receipt,)),
                "restored": Moved("f"),
            }[wrong]

    outbox = _outbox(store, Wrong(_settings("http://hub"), Credentials("http://hub", "s", "t"), "e"), clock)
    outbox.sync.ask_settled()
    assert len(asked) == 1
    assert _told(store) == [("rejected", "schema_invalid")]


def test_a_station_changes_its_token_after_thirty_days(store: Store, hub: Hub, clock: Clock, web: Web) -> None:
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        held = []
        for days in (0, 29, 31, 32, 62):
            clock.now = NOON + timedelta(days=days)
            _finish(store)
            assert outbox.sync.push_once().problem is None
            outbox.sync.care_once()
            credentials = Credentials.load(store.folder)
            assert credentials is not None
            held.append(credentials.token)
        assert [held.index(token) for token in held] == [0, 0, 2, 2, 4]
        _finish(store)
        assert outbox.sync.push_once().sent == 1
        with hub.read() as ledger:
            assert len(ledger._rows("SELECT 1 FROM hub_token")) == 1, "those before are void"


def test_an_answer_with_a_new_token_that_is_lost_costs_nothing(
    store: Store, hub: Hub, clock: Clock, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sync.md §3.2, 55: the hub has given it out, and the old one still works; the next try has another."""
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.sync.turn()
        clock.now += timedelta(days=31)
        ask = Upstream._ask

        def lost(self: Upstream, method: str, path: str, **request: object) -> Any:
            answer = ask(self, method, path, **request)
            return Later(msg("lost")) if path.endswith("/token") else answer

        monkeypatch.setattr(Upstream, "_ask", lost)
        outbox.sync.care_once()
        monkeypatch.undo()
        before = Credentials.load(store.folder)
        _finish(store)
        assert outbox.sync.push_once() == Pushed(sent=1, waiting=0, parked=0)
        clock.now += timedelta(hours=1)
        outbox.sync.care_once()
        after = Credentials.load(store.folder)
        assert before is not None
        assert after is not None
        assert before.token != after.token
        _finish(store)
        assert outbox.sync.push_once() == Pushed(sent=1, waiting=0, parked=0)


def test_a_copy_of_a_store_that_is_used_beside_it_is_found_out_and_counts_anew(
    tmp_path: Path, store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    """sync.md §3.2, 12: cloned in a way that the store itself cannot see (a disk block by block); nothing is lost,
    and both are told apart."""
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        _finish(store, "R-1")
        outbox.sync.push_once()
        shutil.copytree(store.folder, tmp_path / "copy", ignore=shutil.ignore_patterns("lock*"))
        with closing(sqlite3.connect(tmp_path / "copy" / "store.db", isolation_level=None)) as clone:
            clone.execute("DELETE FROM meta WHERE key = 'place'")
        with Store.open(tmp_path / "copy", clock=clock, station="DOCK-1", zone="Europe/Paris") as copy:
            twin = _outbox(copy, connect(copy, _settings(url)), clock)
            _finish(store, "R-2")
            outbox.sync.push_once()
            _finish(copy, "R-3")
            assert twin.sync.push_once() == Pushed(sent=1, waiting=0, parked=0)
            _finish(copy, "R-4")
            assert twin.sync.push_once() == Pushed(sent=1, waiting=0, parked=0)
            with store.read() as here, copy.read() as there:
                assert here.meta("copied_at") == ""
                assert there.meta("copied_at") != ""
                assert here.meta("epoch") != there.meta("epoch")
                assert here.meta("block") != there.meta("block"), "the next plate of the one is not the other's"
    assert len(_at_hub(hub)) == 4


def test_a_clock_that_is_wrong_is_told_as_soon_as_the_hub_was_heard(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        _finish(store)
        outbox.sync.push_once()
        assert outbox.states().hub.clock is None
        hub.clock = lambda: clock.now - timedelta(minutes=5)
        _finish(store)
        outbox.sync.push_once()
        assert str(outbox.states().hub.clock) == "clock 300 fast: set it"
        with store.write() as writer:
            assert writer.append_event(EventSpec("parcel.received", {}, "ana", NOON)).body == {"clock_ahead_s": 300}
        assert outbox.sync.push_once().sent == 1, "work goes on"


def test_the_status_line_of_a_station_that_is_on_its_own(store: Store, hub: Hub, clock: Clock, web: Web) -> None:
    """sync.md §2.5, last point; the last contact is known after a new start, too."""
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.sync.push_once()
        _finish(store)
        outbox.sync.push_once()
    assert outbox.states().offline == ()
    outbox = _outbox(store, connect(store, _settings(url)), clock, settings=_settings(url))
    shot = Photo(slot="box", sha256="ab" * 32, at=NOON)
    clock.now += timedelta(days=2, hours=3, minutes=4)
    for n in range(2):
        _finish(store, f"R-1{n}", photos=(shot,))
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
    outbox.sync.upstream = Upstream(_settings(gone), Credentials(gone, "s", "t"), hub.epoch)
    assert outbox.sync.push_once().problem is not None
    voice = Voice("en", zone="Europe/Paris")
    assert [voice.join(each) for each in outbox.states().offline] == [
        "OFFLINE 2 d 3 h",
        "2 inspections, 2 photos waiting, all saved on this station",
        "last contact Sun 13:00",
    ]


def test_a_station_that_is_locked_out_says_so_however_long_it_is(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    """That it is offline would send people to look at the network."""
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.sync.push_once()
        with hub.write() as ledger:
            ledger._do("DELETE FROM hub_token")
        assert outbox.sync.pull_once().problem is not None
        clock.now += timedelta(days=2)
        states = outbox.states()
        assert (states.offline, "enrol it again" in states.hub.said.text) == ((), True)
    assert outbox.sync.pull_once().problem is not None
    assert outbox.states().offline, "now it is not there at all"


@pytest.mark.parametrize(("days", "said"), [(365, "365 days of disk"), (57_684, "more than a year of disk")])
def test_of_years_of_room_no_days_are_counted(days: int, said: str) -> None:
    state = HubState(True, NOON - timedelta(hours=1), None, waiting=0, parked=0, said=Message(""))
    voice = Voice("en")
    assert said in [voice.join(each) for each in state.offline(NOON, days)]


def test_a_hub_that_another_process_has_reached_is_asked_at_once(
    store: Store, hub: Hub, clock: Clock, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspect_station.outbox.HEARD_S", 0.05)
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.sync.turn()
        with hub.write() as ledger:
            ledger._do("DELETE FROM hub_token")
        outbox.sync._pull_at = 0.0
        monkeypatch.setattr(Pace, "failed", lambda pace, _=None: setattr(pace, "wait_s", 300.0))
        outbox.start()
        try:
            until = time.monotonic() + 10
            while not outbox.states().hub.locked_out and time.monotonic() < until:
                time.sleep(0.02)
            assert outbox.states().hub.locked_out, "it waits for five minutes now"
            clock.now += timedelta(minutes=2)
            _enrolled(store, hub, url, clock).sync.turn()
            until = time.monotonic() + 10
            while outbox.states().hub.locked_out and time.monotonic() < until:
                time.sleep(0.02)
            assert not outbox.states().hub.locked_out
        finally:
            outbox.stop()


# ── Against a model ──────────────────────────────────────────────────────────────────────────────────────────────────


class Loopback(Upstream):
    """The real client, its wire cut: requests are answered by a real ledger, and answers are spoilt on the way."""

    def __init__(self, hub: Hub, caller: Any) -> None:
        super().__init__(_settings("http://hub"), Credentials("http://hub", caller.station, "t"), hub.epoch)
        self.hub, self.caller = hub, caller
        self.spoil: Callable[[bytes], bytes | None] = lambda answer: answer
        self.lost = False

    def _request(self, method: str, path: str, **request: Any) -> _Reply:
        if path == "/v1/readyz":
            return self._reply(wire.Said)
        assert path == "/v1/events"
        if self.lost:
            raise httpx.ConnectError("lost")
        arrivals = intake.lines(gzip.decompress(request["content"]))
        with self.hub.write() as ledger:
            receipts, reached = ledger.ingest(self.caller, arrivals)
        answer = self.spoil(self._reply(wire.Receipts, receipts=receipts, contiguous_seq=reached).body)
        if answer is None:
            raise httpx.ReadError("lost")
        return _Reply(200, {"content-type": "application/json"}, answer)

    def _reply(self, form: type[wire.Said], **told: Any) -> _Reply:
        said = form(hub_time=NOON, hub_epoch=self.hub.epoch, **told)
        return _Reply(200, {"content-type": "application/json"}, said.model_dump_json().encode())


def _without(share: float, seed: int) -> Callable[[bytes], bytes]:
    """Some receipts are gone, the others in another order, one of them twice."""

    def spoil(answer: bytes) -> bytes:
        chance = random.Random(seed)
        told = json.loads(answer)
        kept = [each for each in told["receipts"] if chance.random() >= share]
        chance.shuffle(kept)
        told["receipts"] = kept + kept[:1]
        return json.dumps(told).encode()

    return spoil


FINAL = {"accepted", "duplicate", "conflict"}


class Motion(RuleBasedStateMachine):
    """Units are finished, sent, answered and lost in any order; sync.md §3.3, I1 to I4 and I7."""

    empty: Path

    @initialize()
    def begin(self) -> None:
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.clock = Clock()
        shutil.copytree(self.empty, folder, dirs_exist_ok=True)
        self.store = self.stack.enter_context(Store.open(folder / "station", clock=self.clock, station="DOCK-1"))
        self.hub = self.stack.enter_context(Hub.open(folder / "hub", clock=self.clock))
        with self.hub.write() as ledger:
            ledger.add_code("code", "main", "DOCK-1")
            ledger.enrol("code", "token", epoch="e", block="")
            caller = ledger.caller("token")
        self.upstream = Loopback(self.hub, caller)
        self.restart()
        self.saved: list[str] = []
        self.before: dict[str, str] = {}

    @rule()
    def restart(self) -> None:
        self.outbox = _outbox(self.store, self.upstream, self.clock)

    @rule(units=st.integers(1, 3))
    def finish(self, units: int) -> None:
        self.saved += [_finish(self.store, f"R-{len(self.saved)}-{n}") for n in range(units)]

    @rule()
    def finish_what_the_hub_refuses(self) -> None:
        with self.store.write() as writer:
            writer.append_event(EventSpec("inspection.finished", {"id": "none"}, "ana", NOON))

    @rule()
    def finish_what_the_hub_puts_off(self) -> None:
        with self.store.write() as writer:
            writer.append_event(EventSpec("batch.closed", {}, "ana", NOON, schema=2))

    @rule()
    def the_request_is_lost(self) -> None:
        self.upstream.lost = True
        self.outbox.sync.push_once()
        self.upstream.lost = False

    @rule(at=st.floats(0, 1))
    def the_answer_is_cut(self, at: float) -> None:
        self._push(lambda answer: answer[: int(at * (len(answer) - 1))])

    @rule()
    def the_answer_is_lost(self) -> None:
        self._push(lambda _: None)

    @rule(share=st.floats(0, 1), seed=st.integers(0, 99))
    def some_receipts_are_lost(self, share: float, seed: int) -> None:
        self._push(_without(share, seed))

    @rule()
    def all_is_well(self) -> None:
        self._push(lambda answer: answer)

    def _push(self, spoil: Callable[[bytes], bytes | None]) -> None:
        self.upstream.spoil = spoil
        self.outbox.sync.push_once()

    @rule()
    def an_hour_passes(self) -> None:
        self.clock.now += timedelta(hours=1)

    def _events(self) -> Mapping[str, Any]:
        with self.store.read() as reader:
            return {row["id"]: row for row in reader._rows("SELECT id, sha256, state, code FROM event")}

    @invariant()
    def nothing_that_was_saved_is_gone(self) -> None:
        with self.store.read() as reader:
            assert all(reader.inspection(plate) for plate in self.saved)
            counts = reader.waiting()
        states = Counter(row["state"] for row in self._events().values())
        settled = states["accepted"] + states["duplicate"]
        assert settled + counts.events + counts.events_parked == sum(states.values())

    @invariant()
    def what_was_confirmed_is_at_the_hub_with_the_same_bytes(self) -> None:
        there = {id: sha256 for id, sha256, _ in _at_hub(self.hub)}
        for id, row in self._events().items():
            if row["state"] in FINAL:
                assert there[id] == row["sha256"]
        assert there.keys() <= self._events().keys()

    @invariant()
    def one_event_is_one_unit_at_the_hub(self) -> None:
        with self.hub.read() as ledger:
            events = ledger._rows("SELECT count(*) AS n FROM hub_event WHERE subject <> ''")[0]["n"]
            assert ledger._rows("SELECT count(*) AS n FROM inspection")[0]["n"] == events

    @invariant()
    def states_move_only_forward(self) -> None:
        now = self._events()
        for id, before in self.before.items():
            if before in FINAL or before == "rejected":
                assert now[id]["state"] == before
            elif before == "sent" and now[id]["state"] == "pending":
                assert now[id]["code"] == "schema_too_new", "only the hub may put it off"
        self.before = {id: row["state"] for id, row in now.items()}

    def teardown(self) -> None:
        if not hasattr(self, "stack"):
            return
        with self.stack:
            self.all_is_well()
            states = Counter(row["state"] for row in self._events().values())
            assert states["sent"] == 0, "all was delivered once the network healed"
            assert len(_at_hub(self.hub)) == len(self.saved)


def test_whatever_happens_in_whatever_order_nothing_is_lost_or_doubled(empty: Path) -> None:
    Motion.empty = empty
    run_state_machine_as_test(
        Motion,
        settings=how(
            max_examples=25,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


# ── What the hub announces, read without trust ───────────────────────────────────────────────────────────────────────


class Announcing(Upstream):
    """A hub that says what it was told to say."""

    def __init__(self, *changes: Any, more: bool = False, circle: int = 1 << 30) -> None:
        super().__init__(_settings("http://hub"), Credentials("http://hub", "s", "t"), "e")
        self.told, self.more, self.circle, self.asked = changes, more, circle, 0

    def _request(self, method: str, path: str, **request: Any) -> _Reply:
        self.asked += 1
        params = request["params"]
        assert isinstance(params, dict)
        page = {
            "since": params["cursor"],
            "changes": self.told,
            "cursor": f"c{self.asked % self.circle}",
            "more": self.more,
        }
        body = json.dumps({"hub_time": "2026-11-22T12:00:00Z", "hub_epoch": "e", **page})
        return _Reply(200, {"content-type": "application/json"}, body.encode())


LINE = {"no": 1, "gtin": LAMP.gtin}
RMA = {"seller": "lumo", "number": "R-1", "lines": [LINE]}


def _change(body: Any, feed: str = "rma", op: str = "upsert", key: str = '["lumo","R-1"]', **more: Any) -> Any:
    return {"feed": feed, "key": key, "version": 1, "op": op, "schema": 1, "body": body, **more}


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(_change({}), id="an RMA without anything"),
        pytest.param(_change({**RMA, "lines": [{"no": 1, "gtin": "1", "quantity": 10**30}]}), id="10^30 units"),
        pytest.param(_change({**RMA, "lines": [LINE, LINE]}), id="two lines of one number"),
        pytest.param(_change({"title": []}, "catalogue"), id="an article without a title"),
        pytest.param(_change({}, op="delete", key="R-1"), id="a key that is none"),
        pytest.param(_change({}, op="delete", key='["lumo"]'), id="half a key"),
        pytest.param(_change({}, "weather"), id="a feed of a newer hub"),
        pytest.param(_change({}, "erased", key="../store.db"), id="an erased photo that is none"),
        pytest.param(_change({}, op="rename"), id="something that a newer hub does"),
    ],
)
def test_a_change_that_cannot_be_read_is_passed_over_and_the_next_is_taken(
    store: Store, clock: Clock, bad: Any
) -> None:
    outbox = _outbox(store, Announcing(bad, _change({**RMA, "number": "R-2"})), clock)
    assert outbox.sync.pull_once() == Pulled(fetched=1)
    with store.read() as reader:
        assert reader.rma("lumo", "R-1") is None
        assert reader.rma("lumo", "R-2") is not None
        assert reader.meta("hub_cursor") == "c1"


def test_an_older_version_does_not_overwrite_a_newer_one(store: Store, clock: Clock) -> None:
    _outbox(store, Announcing(_change({**RMA, "order": "new"}, version=2)), clock).sync.pull_once()
    assert _outbox(store, Announcing(_change({**RMA, "order": "old"}, version=1)), clock).sync.pull_once().fetched == 0
    with store.read() as reader:
        rma = reader.rma("lumo", "R-1")
    assert rma is not None
    assert rma.order == "new"


def test_what_the_hub_announces_is_fit_for_a_screen(store: Store, clock: Clock) -> None:
    _outbox(store, Announcing(_change({**RMA, "order": "\x1b]0;pwned\x07A\u202eB"})), clock).sync.pull_once()
    with store.read() as reader:
        rma = reader.rma("lumo", "R-1")
    assert rma is not None
    assert rma.order == "]0;pwnedAB"


def test_pages_without_end_end(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync, "MOST_PAGES", 5)
    upstream = Announcing(more=True)
    _outbox(store, upstream, clock).sync.pull_once()
    assert upstream.asked == 5


def test_fetching_gives_way_to_sending_after_a_while(store: Store, clock: Clock) -> None:
    upstream = Announcing(more=True)
    outbox = _outbox(store, upstream, clock)
    # Each page takes ten seconds.
    outbox.sync._monotonic = lambda: upstream.asked * 10.0
    assert outbox.sync.pull_once().problem is None
    assert upstream.asked * 10.0 == sync.PULL_S + 10


def test_work_in_between_does_not_put_off_what_the_hub_announces(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That another dock contradicts is heard within `PULL_S`, however much is done here."""
    now = [1000.0]
    outbox = _outbox(store, Announcing(), clock)
    monkeypatch.setattr(outbox.sync, "_monotonic", lambda: now[0])
    monkeypatch.setattr(outbox.sync, "care_once", lambda: None)
    assert outbox._sync() == (outbox._to_sync, sync.PULL_S)
    now[0] += 20
    assert outbox._sync() == (outbox._to_sync, sync.PULL_S - 20)
    now[0] += 10
    assert outbox._sync() == (outbox._to_sync, sync.PULL_S)


def test_pages_in_a_circle_end_where_it_closes(store: Store, clock: Clock) -> None:
    upstream = Announcing(more=True, circle=3)
    pulled = _outbox(store, upstream, clock).sync.pull_once()
    assert upstream.asked == 4
    assert pulled.problem is not None
    assert "again and again" in pulled.problem.text


# ── Labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────

TEMPLATES = {
    kind: Template.model_validate(
        {"name": kind, "text": [{"at": [2, 2], "field": "title", "width": 58, "size": 10, "lines": 1}]}
    )
    for kind in ("restock", "hold")
}
GONE = DeviceError(msg("the printer is gone"), msg("switch it on"))
UNKNOWN = PrintUnknown(msg("nobody knows"), msg("look"))


class Paper:
    """A printer that does what it was told, label by label; and prints after that."""

    def __init__(self, name: str, *outcomes: Exception | None) -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.jobs: list[str] = []
        self.called_back: list[str] = []
        self.printing = threading.Event()
        self.well = True

    format: Literal["pdf", "zpl"] = "pdf"

    def state(self) -> State:
        return State(self.well, msg("ready") if self.well else GONE.title)

    def send(self, data: bytes, *, job: str) -> bool:
        assert data.startswith(b"%PDF")
        self.printing.set()
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if outcome is not None:
            raise outcome
        self.jobs.append(job)
        return True

    def cancel(self, jobs: Collection[str]) -> None:
        self.called_back += jobs


def _print_all(outbox: Outbox) -> int:
    printed = 0
    while outbox.prints.print_once():
        printed += 1
        assert printed < 50
    return printed


def _undo(store: Store, plate: str) -> bool:
    """Undo the unit; whether a label may be on it already."""
    with store.write() as writer:
        unit = writer.inspection(plate)
        assert unit is not None
        void = unit.but(revision=unit.revision + 1, voided_at=NOON)
        return writer.void(void, EventSpec("inspection.voided", {"lpn": plate}, "ana", NOON))


def _finish_again(store: Store, plate: str) -> None:
    with store.write() as writer:
        unit = writer.inspection(plate)
        assert unit is not None
        again = unit.but(revision=unit.revision + 1, voided_at=None)
        event = EventSpec("inspection.amended", again.model_dump(mode="json"), "ana", NOON)
        number = writer.next_print_no(plate)
        writer.finish(again, event, LabelSpec(plate, unit.id, "restock", number, {"title": plate}))


def _labels(store: Store) -> list[str]:
    with store.read() as reader:
        return [row["state"] for row in reader._rows("SELECT state FROM label ORDER BY id")]


def test_labels_come_out_in_the_order_of_finishing_named_after_their_unit(store: Store, clock: Clock) -> None:
    plates = [_finish(store, label="restock") for _ in range(3)]
    paper = Paper("labels")
    _print_all(_outbox(store, None, clock, Press(paper)))
    assert paper.jobs == [f"{plate}-restock-1" for plate in plates]
    assert _labels(store) == ["printed"] * 3


def test_a_label_goes_to_the_first_printer_that_takes_its_kind(store: Store, clock: Clock) -> None:
    one, other = _finish(store, label="hold"), _finish(store, label="restock")
    small, large = Paper("small"), Paper("large")
    _print_all(_outbox(store, None, clock, Press(small, ("restock",)), Press(large)))
    assert small.jobs == [f"{other}-restock-1"]
    assert large.jobs == [f"{one}-hold-1"]


def test_a_printer_that_names_what_it_prints_goes_before_one_that_takes_all(store: Store, clock: Clock) -> None:
    """The shipped printer takes all, and stands before whatever a site adds."""
    one, other = _finish(store, label="hold"), _finish(store, label="restock")
    shipped, slips = Paper("labels"), Paper("slips")
    _print_all(_outbox(store, None, clock, Press(shipped), Press(slips, ("hold",))))
    assert (shipped.jobs, slips.jobs) == ([f"{other}-restock-1"], [f"{one}-hold-1"])


def test_a_late_slip_is_told_as_a_slip_and_no_box_is_set_aside_for_it(store: Store, clock: Clock) -> None:
    plate = _finish(store)
    with store.write() as writer:
        unit = writer.inspection(plate)
        assert unit is not None
        writer.queue_label(LabelSpec(plate, unit.id, "hold", 1, {"title": plate, "barcode": plate}))
    outbox = _outbox(store, None, clock, Press(Paper("labels")))
    clock.now += timedelta(seconds=4)
    told = f"a slip of {plate} not out: look at the printer"
    assert _said(outbox) == told
    _print_all(outbox)
    assert (_labels(store), _said(outbox)) == (["parked"], told)
    with store.read() as reader:
        (job,) = reader.labels("parked")
    assert "F4 prints it" in str(job.reason) and "box" not in str(job.reason)
    outbox.resume()
    _print_all(outbox)
    assert _labels(store) == ["printed"]


def test_a_label_that_no_printer_takes_is_told(store: Store, clock: Clock) -> None:
    plate = _finish(store, label="restock")
    outbox = _outbox(store, None, clock, Press(Paper("slips"), ("hold",)))
    assert _print_all(outbox) == 0
    state = outbox.states().printer
    assert not state.ready
    assert str(state.said) == f"no printer takes “restock”, label of {plate}: add it to one's labels in station.toml"


def test_a_label_that_surely_did_not_come_out_waits_and_is_printed_first(store: Store, clock: Clock) -> None:
    plates = [_finish(store, label="restock") for _ in range(2)]
    paper = Paper("labels", GONE)
    press = Press(paper)
    outbox = _outbox(store, None, clock, press)
    assert _print_all(outbox) == 1
    assert _labels(store) == ["queued", "queued"], "nothing overtakes it"
    assert outbox.states().printer.said == GONE.title
    press.again_at = 0
    _print_all(outbox)
    assert paper.jobs == [f"{plate}-restock-1" for plate in plates]
    assert outbox.states().printer.ready


def test_a_label_whose_unit_was_undone_while_it_was_printing_never_comes_out_later(store: Store, clock: Clock) -> None:
    """Void, it would lie beside the valid one, and one of the two would be stuck to the box."""
    plate = _finish(store, label="restock")

    class Slow(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            if not self.jobs and self.outcomes:
                _undo(store, plate)
                _finish_again(store, plate)
            return super().send(data, job=job)

    paper = Slow("labels", GONE)
    press = Press(paper)
    outbox = _outbox(store, None, clock, press)
    assert outbox.prints.print_once()
    assert _labels(store) == ["cancelled", "queued"]
    press.again_at = 0
    _print_all(outbox)
    assert paper.jobs == [f"{plate}-restock-2"]
    assert _labels(store) == ["cancelled", "printed"]


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        pytest.param(None, "printed", id="it came out all the same"),
        pytest.param(GONE, "cancelled", id="it did not come out"),
        pytest.param(UNKNOWN, "cancelled", id="nobody knows: it is void either way"),
    ],
)
def test_what_becomes_of_a_label_whose_unit_is_undone_while_it_is_printing(
    store: Store, clock: Clock, outcome: Exception | None, state: str
) -> None:
    plate = _finish(store, label="restock")
    told: list[bool] = []

    class Slow(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            told.append(_undo(store, plate))
            return super().send(data, job=job)

    outbox = _outbox(store, None, clock, Press(Slow("labels", outcome)))
    _print_all(outbox)
    assert told == [True], "the operator is asked to destroy it"
    assert _labels(store) == [state]
    assert outbox.states().printer.parked == outbox.states().printer.waiting == 0


def test_a_printer_that_does_not_print_is_tried_again_after_ever_longer_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    press, pauses = Press(Paper("labels")), []
    for _ in range(8):
        press.failed(GONE.title)
        pauses.append(press.again_at - now)
        now = press.again_at
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    press.went_well()
    press.failed(GONE.title)
    assert press.again_at - now == 1


def test_one_printer_that_is_gone_does_not_hold_up_another(store: Store, clock: Clock) -> None:
    for kind in ("hold", "restock"):
        _finish(store, label=kind)
    well = Paper("labels")
    _print_all(_outbox(store, None, clock, Press(Paper("slips", GONE), ("hold",)), Press(well)))
    assert len(well.jobs) == 1


@pytest.mark.parametrize("outcome", [UNKNOWN, OSError("cable"), RuntimeError("a bug")])
def test_a_label_that_may_be_out_is_parked_with_its_reason_and_never_repeated(
    store: Store, clock: Clock, outcome: Exception
) -> None:
    _finish(store, label="restock")
    second = _finish(store, label="restock")
    paper = Paper("labels", outcome)
    press = Press(paper)
    outbox = _outbox(store, None, clock, press)
    assert _print_all(outbox) == 1
    assert _labels(store) == ["parked", "queued"], "what broke it may last: the next is not sent into it at once"
    assert outbox.states().printer.problem is not None
    press.again_at = 0
    _print_all(outbox)
    _print_all(outbox)
    assert _labels(store) == ["parked", "printed"]
    assert paper.jobs == [f"{second}-restock-1"]
    with store.read() as reader:
        assert reader.labels("parked")[0].reason is not None
    assert outbox.states().printer.parked == 1


def test_a_label_that_cannot_be_drawn_is_parked_and_the_next_comes_out(store: Store, clock: Clock) -> None:
    with store.write() as writer:
        writer.queue_label(LabelSpec("LX", "i", "banner", 1, {}))
        writer.queue_label(LabelSpec("LY", "i", "restock", 1, {}))  # its title is missing
    plate = _finish(store, label="restock")
    paper = Paper("labels")
    _print_all(_outbox(store, None, clock, Press(paper)))
    assert paper.jobs == [f"{plate}-restock-1"]
    assert _labels(store) == ["parked", "parked", "printed"]


def test_nothing_is_printed_while_the_roll_is_changed(store: Store, clock: Clock) -> None:
    _finish(store, label="restock")
    outbox = _outbox(store, None, clock, Press(Paper("labels")))
    outbox.prints.hold()
    assert not outbox.prints.print_once()
    assert outbox.states().printer.held
    outbox.resume()
    assert outbox.prints.print_once()


def test_a_label_without_a_printer_waits(store: Store, clock: Clock) -> None:
    _finish(store, label="restock")
    outbox = _outbox(store, None, clock)
    assert not outbox.prints.print_once()
    assert _labels(store) == ["queued"]


# ── Labels that are late: design.md §7 ───────────────────────────────────────────────────────────────────────────────


def _said(outbox: Outbox) -> str:
    return str(outbox.states().printer.said)


def test_a_label_that_is_not_out_within_three_seconds_is_not_printed_by_itself_any_more(
    store: Store, clock: Clock
) -> None:
    plates = [_finish(store, label="restock") for _ in range(2)]
    paper = Paper("labels", GONE)
    press = Press(paper)
    outbox = _outbox(store, None, clock, press)
    assert _print_all(outbox) == 1
    clock.now += timedelta(seconds=3)
    press.again_at = 0
    paper.outcomes = [GONE]
    assert _print_all(outbox) == 1
    assert _labels(store) == ["queued", "queued"], "three seconds are not over"
    clock.now += timedelta(seconds=0.1)
    assert _said(outbox) == f"label of {plates[1]} not out: set the box aside"
    assert outbox.states().printer.problem == GONE.title
    press.again_at = 0
    _print_all(outbox)
    assert _labels(store) == ["parked", "parked"]
    assert paper.jobs == [], "although the printer is back"
    assert _said(outbox) == f"label of {plates[1]} not out: set the box aside"
    with store.read() as reader:
        late = reader.labels("parked")
    assert [str(job.reason) for job in late] == [
        f"label of {plate} was too late and was not printed: set the box aside; F4 prints it" for plate in plates
    ]
    assert [job.printer for job in late] == ["", ""], "nobody need ask whether it came out"
    on_time = _finish(store, label="restock")
    _print_all(outbox)
    assert paper.jobs == [f"{on_time}-restock-1"]


@pytest.mark.parametrize("seconds", [0.5, 2.9])
def test_twelve_labels_at_once_come_out_however_long_they_wait_for_each_other(
    store: Store, clock: Clock, seconds: float
) -> None:
    class Slow(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            clock.now += timedelta(seconds=seconds)
            return super().send(data, job=job)

    plates = [_finish(store, label="restock") for _ in range(12)]
    paper = Slow("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    _print_all(outbox)
    assert paper.jobs == [f"{plate}-restock-1" for plate in plates]
    assert _said(outbox) == "printer ready"


def test_what_waits_behind_a_label_that_takes_too_long_is_late_too(store: Store, clock: Clock) -> None:
    said: list[str] = []
    finished: list[str] = []

    class Slow(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            if not self.jobs:
                clock.now += timedelta(seconds=8)
                said.append(_said(outbox))
                finished.append(_finish(store, label="restock"))
                clock.now += timedelta(seconds=1)
            return super().send(data, job=job)

    slow, waiting = (_finish(store, label="restock") for _ in range(2))
    paper = Slow("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    _print_all(outbox)
    assert said == [f"label of {waiting} not out: set the box aside"]
    assert paper.jobs == [f"{slow}-restock-1", f"{finished[0]}-restock-1"], "the last one is one second old"
    assert _labels(store) == ["printed", "parked", "printed"]


def test_after_a_restart_nothing_that_waited_is_printed_by_itself(store: Store, clock: Clock) -> None:
    _finish(store, label="restock")
    clock.now += timedelta(minutes=1)
    paper = Paper("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.start()
    _until(lambda: _labels(store) == ["parked"])
    outbox.stop()
    assert paper.jobs == []


def test_what_waited_for_a_change_of_the_roll_is_printed_in_order_when_a_person_goes_on(
    store: Store, clock: Clock
) -> None:
    paper = Paper("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.prints.hold()
    plates = []
    for _ in range(3):
        plates.append(_finish(store, label="restock"))
        clock.now += timedelta(minutes=1)
        assert not outbox.prints.print_once()
    assert _said(outbox) == "printing is held, 3 labels wait: F6 goes on"
    assert outbox.states().printer.not_out == "", "no box need be set aside"
    outbox.resume()
    _print_all(outbox)
    assert paper.jobs == [f"{plate}-restock-1" for plate in plates]


@pytest.mark.parametrize(("scan_back", "expected"), [("never", ["", ""]), ("after_stall", ["wanted", "wanted"])])
def test_labels_that_were_late_over_an_empty_roll_come_out_in_order_when_a_person_goes_on(
    store: Store, clock: Clock, scan_back: Literal["never", "after_stall"], expected: list[str]
) -> None:
    paper = Paper("labels", GONE)
    press = Press(paper)
    outbox = _outbox(store, None, clock, press, scan_back=scan_back)
    plates = [_finish(store, label="restock") for _ in range(2)]
    assert _print_all(outbox) == 1
    clock.now += timedelta(seconds=10)
    press.again_at = 0
    _print_all(outbox)
    assert _labels(store) == ["parked", "parked"]
    outbox.prints.hold()
    plates.append(_finish(store, label="restock"))
    clock.now += timedelta(minutes=2)
    assert outbox.prints.to_come() == 3
    outbox.resume()
    _print_all(outbox)
    assert paper.jobs == [f"{plate}-restock-1" for plate in plates]
    with store.read() as reader:
        assert [job.scan_back for job in reader.labels("printed")][:2] == expected


def test_going_on_prints_nothing_that_may_be_out_already(store: Store, clock: Clock) -> None:
    _finish(store, label="restock")
    paper = Paper("labels", UNKNOWN)
    outbox = _outbox(store, None, clock, Press(paper))
    _print_all(outbox)
    outbox.prints.hold()
    assert outbox.prints.to_come() == 0
    outbox.resume()
    _print_all(outbox)
    assert paper.jobs == []
    assert _labels(store) == ["parked"]


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_is_set_does_not_bring_a_late_label_back(store: Store, clock: Clock, hours: int) -> None:
    paper = Paper("labels")
    press = Press(paper)
    outbox = _outbox(store, None, clock, press)
    _finish(store, label="restock")
    _print_all(outbox)
    _finish(store, label="restock")
    clock.now += timedelta(hours=hours)
    on_time = _finish(store, label="restock")
    _print_all(outbox)
    assert _labels(store) == ["printed", "parked", "printed"]
    assert paper.jobs[1:] == [f"{on_time}-restock-1"]


def test_while_it_runs_a_late_label_is_told_by_itself_and_the_printer_asked_until_it_is_back(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "OUT_S", 0.6)
    monkeypatch.setattr(prints, "LONGEST_STALL_S", 0.05)
    clock_now = datetime.now
    monkeypatch.setattr(clock.__class__, "__call__", lambda self: clock_now(UTC))
    paper = Paper("labels", *[GONE] * 100)
    paper.well = False
    told: list[States] = []
    outbox = _outbox(store, None, clock, Press(paper), notify=told.append)
    outbox.start()
    plate = _finish(store, label="restock")
    outbox.wake()
    _until(lambda: bool(told) and str(told[-1].printer.said) == f"label of {plate} not out: set the box aside")
    _until(lambda: _labels(store) == ["parked"])
    assert not outbox.states().printer.ready
    paper.well = True
    _until(lambda: outbox.states().printer.ready)
    assert paper.jobs == []
    outbox.stop()


def test_a_label_that_nobody_prints_is_told_while_its_printer_is_still_silent(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "OUT_S", 0.05)
    told: list[States] = []
    over = threading.Event()

    class Silent(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            clock.now += timedelta(seconds=1)
            assert over.wait(5)
            return True

    outbox = _outbox(store, None, clock, Press(Silent("labels")), notify=told.append)
    outbox.start()
    plate = _finish(store, label="restock")
    outbox.wake()
    _until(lambda: bool(told) and str(told[-1].printer.said) == f"label of {plate} not out: set the box aside")
    over.set()
    _until(lambda: _labels(store) == ["printed"])
    _until(lambda: str(told[-1].printer.said) == "printer ready")
    outbox.stop()


@pytest.mark.parametrize(
    ("scan_back", "expected"),
    [("never", ["", "", ""]), ("after_stall", ["", "wanted", ""]), ("always", ["", "wanted", "wanted"])],
)
def test_the_first_label_after_a_stall_is_to_be_scanned_on_its_box(
    store: Store, clock: Clock, scan_back: Literal["never", "after_stall", "always"], expected: list[str]
) -> None:
    for _ in range(3):
        _finish(store, label="restock")
    press = Press(Paper("labels", UNKNOWN))
    outbox = _outbox(store, None, clock, press, scan_back=scan_back)
    _print_all(outbox)
    press.again_at = 0
    _print_all(outbox)
    with store.read() as reader:
        jobs = reader.labels("parked", "printed")
    assert [job.state for job in jobs] == ["parked", "printed", "printed"]
    assert [job.scan_back for job in jobs] == expected


def _wanted(store: Store) -> list[tuple[str, str]]:
    """Each label in its order: its state, and whether it is to be scanned on its box."""
    with store.read() as reader:
        jobs = reader.labels("queued", "printing", "printed", "parked", "cancelled")
    return [(job.state, job.scan_back) for job in jobs]


def test_a_label_that_came_out_late_is_to_be_scanned_on_its_box_and_so_is_the_next(store: Store, clock: Clock) -> None:
    class Late(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            clock.now += timedelta(seconds=8 if not self.jobs else 0)
            return super().send(data, job=job)

    outbox = _outbox(store, None, clock, Press(Late("labels")))
    for _ in range(3):
        _finish(store, label="restock")
        _print_all(outbox)
    assert _wanted(store) == [("printed", "wanted"), ("printed", "wanted"), ("printed", "")]


def test_that_boxes_and_labels_are_out_of_step_outlives_a_restart(store: Store, clock: Clock) -> None:
    _finish(store, label="restock")
    _print_all(_outbox(store, None, clock, Press(Paper("labels", UNKNOWN))))
    after = _outbox(store, None, clock, Press(Paper("labels")))
    for _ in range(2):
        _finish(store, label="restock")
        _print_all(after)
    assert _wanted(store) == [("parked", ""), ("printed", "wanted"), ("printed", "")]


def test_a_slip_does_not_bring_boxes_and_labels_back_into_step(store: Store, clock: Clock) -> None:
    press = Press(Paper("labels", UNKNOWN))
    outbox = _outbox(store, None, clock, press)
    _finish(store, label="restock")
    _print_all(outbox)
    press.again_at = 0
    with store.write() as writer:
        writer.queue_label(LabelSpec("", "i", "restock", 0, {"title": "a slip without a plate"}))
        (lpn,) = writer.take_lpns(1)
        writer.queue_label(LabelSpec(lpn, "i", "hold", 1, {"title": "of a unit that is not finished"}))
    _finish(store, label="restock")
    _print_all(outbox)
    assert _wanted(store) == [("parked", ""), ("printed", ""), ("printed", ""), ("printed", "wanted")]


def test_a_label_that_was_undone_while_it_came_out_leaves_the_scan_to_the_next(store: Store, clock: Clock) -> None:
    plates: list[str] = []

    class Slow(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            if plates and not self.jobs:
                _undo(store, plates[0])
                _finish_again(store, plates[0])
            return super().send(data, job=job)

    press = Press(Slow("labels", UNKNOWN))
    outbox = _outbox(store, None, clock, press)
    _finish(store, label="restock")
    _print_all(outbox)
    press.again_at = 0
    plates.append(_finish(store, label="restock"))
    _print_all(outbox)
    assert _wanted(store) == [("parked", ""), ("printed", ""), ("printed", "wanted")]
    with store.read() as reader:
        assert [job.code for job in reader.to_scan_back()] == [f"{plates[0]}/2"]


def test_a_hold_outlives_a_restart_and_so_does_the_test_label(store: Store, clock: Clock) -> None:
    paper = Paper("labels")
    _outbox(store, None, clock, Press(paper)).prints.hold()
    plate = _finish(store, label="restock")
    after = _outbox(store, None, clock, Press(paper))
    after.start()
    after.stop()
    assert after.states().printer.held
    assert _labels(store) == ["queued"], "the question that ends the hold asks about it"
    assert paper.jobs == []
    after.test("labels", lambda press: b"%PDF")
    assert paper.jobs == ["test-labels"]
    again = _outbox(store, None, clock, Press(paper))
    assert again.prints.facts().tested == "labels"
    again.prints.hold()
    assert again.prints.facts().tested == "", "another roll"
    again.resume()
    _print_all(again)
    assert paper.jobs[1:] == [f"{plate}-restock-1"]


def test_a_label_that_was_queued_just_before_a_restart_asks_too(store: Store, clock: Clock) -> None:
    plate = _finish(store, label="restock")
    clock.now += timedelta(seconds=1)
    paper = Paper("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.start()
    _until(lambda: _labels(store) == ["parked"])
    assert _said(outbox) == f"label of {plate} not out: set the box aside"
    on_time = _finish(store, label="restock")
    outbox.wake()
    _until(lambda: paper.jobs == [f"{on_time}-restock-1"])
    outbox.stop()


def test_going_on_does_not_wait_for_a_printer_that_hangs(store: Store, clock: Clock) -> None:
    over = threading.Event()

    class Hanging(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            self.printing.set()
            return over.wait(5)

    paper = Hanging("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.start()
    _finish(store, label="restock")
    outbox.wake()
    assert paper.printing.wait(5)
    began = time.monotonic()
    outbox.prints.hold()
    outbox.resume()
    assert time.monotonic() - began < 1
    assert _labels(store) == ["printing"]
    over.set()
    outbox.stop()


def test_a_printer_that_hangs_delays_no_label_of_another(store: Store, clock: Clock) -> None:
    over = threading.Event()

    class Hanging(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            self.printing.set()
            over.wait(5)
            return super().send(data, job=job)

    hanging, well = Hanging("slips"), Paper("labels")
    outbox = _outbox(store, None, clock, Press(hanging, ("hold",)), Press(well))
    outbox.start()
    try:
        slow = _finish(store, label="hold")
        outbox.wake()
        assert hanging.printing.wait(5)
        plates = [_finish(store, label="restock") for _ in range(3)]
        outbox.wake()
        _until(lambda: well.jobs == [f"{plate}-restock-1" for plate in plates])
        _until(lambda: _labels(store) == ["printing", *["printed"] * 3])
    finally:
        over.set()
    _until(lambda: hanging.jobs == [f"{slow}-hold-1"])
    outbox.stop()


def test_a_label_that_gets_late_behind_one_that_hangs_is_told_in_time(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "OUT_S", 0.3)
    clock_now = datetime.now
    monkeypatch.setattr(clock.__class__, "__call__", lambda self: clock_now(UTC))
    over = threading.Event()

    class Hanging(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            self.printing.set()
            return over.wait(5)

    told: list[States] = []
    paper = Hanging("labels")
    outbox = _outbox(store, None, clock, Press(paper), notify=told.append)
    outbox.start()
    first = _finish(store, label="restock")
    outbox.wake()
    assert paper.printing.wait(5)
    _until(lambda: bool(told) and told[-1].printer.not_out == first)
    second = _finish(store, label="restock")
    outbox.wake()
    _until(lambda: told[-1].printer.not_out == second)
    assert _labels(store) == ["printing", "queued"], "and the printer hangs still"
    over.set()
    outbox.stop()


def test_a_label_that_another_process_has_queued_comes_out_before_it_is_late(store: Store, clock: Clock) -> None:
    """Such as `batch close` on the command line, while the station runs."""
    paper = Paper("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.start()
    _finish(store, label="restock")
    outbox.wake()
    _until(lambda: _labels(store) == ["printed"])
    _finish(store, label="restock")
    _until(lambda: _labels(store) == ["printed", "printed"])
    outbox.stop()


def test_printers_that_hang_do_not_keep_the_station_from_its_end_one_after_the_other(
    store: Store, clock: Clock
) -> None:
    over = threading.Event()

    class Hanging(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            self.printing.set()
            return over.wait(5)

    papers = Hanging("slips"), Hanging("labels")
    outbox = _outbox(store, None, clock, Press(papers[0], ("hold",)), Press(papers[1]))
    outbox.start()
    for kind in ("hold", "restock"):
        _finish(store, label=kind)
    outbox.wake()
    assert all(paper.printing.wait(5) for paper in papers)
    began = time.monotonic()
    outbox.stop(0.3)
    assert time.monotonic() - began < 0.55
    over.set()


def test_a_test_label_never_mixes_with_another_and_is_told_where_it_does_not_come(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "TEST_S", 0.4)
    sending: list[str] = []
    over = threading.Event()

    class One(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            sending.append(job)
            assert len(sending) == 1, "two at once"
            self.printing.set()
            over.wait(5)
            sending.clear()
            self.jobs.append(job)
            return True

    paper = One("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.start()
    _finish(store, label="restock")
    outbox.wake()
    assert paper.printing.wait(5)
    with pytest.raises(DeviceError, match="at another label"):
        outbox.test("labels", lambda press: b"%PDF")
    over.set()
    _until(lambda: _labels(store) == ["printed"])
    over.clear()
    began = time.monotonic()
    with pytest.raises(DeviceError, match="no word of the test label"):
        outbox.test("labels", lambda press: b"%PDF")
    assert time.monotonic() - began < 2
    other = _finish(store, label="restock")
    outbox.wake()
    time.sleep(0.2)
    assert sending == ["test-labels"], "a label waits until the test label is through"
    over.set()
    _until(lambda: paper.jobs[1:] == ["test-labels", f"{other}-restock-1"])
    outbox.stop()


def test_a_label_that_was_given_up_is_called_back_before_the_one_instead_of_it(store: Store, clock: Clock) -> None:
    plate = _finish(store, label="restock")
    paper = Paper("labels", UNKNOWN)
    press = Press(paper)
    outbox = _outbox(store, None, clock, press)
    _print_all(outbox)
    with store.write() as writer:
        assert writer.move_label(1, "cancelled")
        writer.queue_label(LabelSpec(plate, "i", "restock", 2, {"title": plate}))
    press.again_at = 0
    _print_all(outbox)
    assert paper.called_back == [f"{plate}-restock-1"]
    assert paper.jobs == [f"{plate}-restock-2"]


def test_whether_the_printer_confirmed_a_label_is_kept(store: Store, clock: Clock) -> None:
    class Mute(Paper):
        def send(self, data: bytes, *, job: str) -> bool:
            super().send(data, job=job)
            return False

    _finish(store, label="restock")
    _finish(store, label="hold")
    _print_all(_outbox(store, None, clock, Press(Mute("mute"), ("restock",)), Press(Paper("labels"))))
    with store.read() as reader:
        assert [(job.printer, job.confirmed) for job in reader.labels("printed")] == [("mute", False), ("labels", True)]


WELL = b"\x02014,0,0,0312,000,0,0,0,000,0,0,0\x03\r\n\x02001,0,0,0,1,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"
"""A printer's answer to ~HS: it lacks nothing, and nothing is left to print (ZPL II programming guide)."""
EMPTY = WELL.replace(b"014,0,0", b"014,1,1")
"""Out of labels, and paused by that."""


@contextmanager
def _zebra(answers: Callable[[], bytes]) -> Iterator[tuple[Press, list[bytes]]]:
    """A label printer behind a real socket that answers ~HS; what it printed."""
    printed: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                label = b""
                while heard := connection.recv(65536):
                    label += heard.replace(b"~HS\r\n", b"")
                    for _ in range(heard.count(b"~HS")):
                        connection.sendall(answers())
                if label:
                    printed.append(label)

    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        threading.Thread(target=serve, daemon=True).start()
        yield Press.of(LabelPrinter(name="labels", kind="raw", host="127.0.0.1", port=port, format="zpl")), printed


def test_over_an_empty_roll_labels_wait_under_a_sentence_and_come_out_once_in_order(store: Store, clock: Clock) -> None:
    roll = [EMPTY]
    with _zebra(lambda: roll[0]) as (press, printed):
        outbox = _outbox(store, None, clock, press)
        plates = [_finish(store, label="restock") for _ in range(2)]
        assert _print_all(outbox) == 1
        state = outbox.states().printer
        assert (state.ready, state.waiting) == (False, 2)
        assert str(state.problem) == "printer labels: no labels left: put in a new roll"
        assert printed == [], "a printer that is out of labels is sent none"
        roll[0] = WELL
        press.again_at = 0
        _print_all(outbox)
        assert outbox.states().printer.ready
        _until(lambda: len(printed) == 2)
        assert [[plate.encode() in label for plate in plates] for label in printed] == [[True, False], [False, True]]
    with store.read() as reader:
        assert [job.confirmed for job in reader.labels("printed")] == [True, True]


KILLED = """
import sys, time
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.config import LabelPrinter, UpstreamSettings
from inspect_station.label import templates
from inspect_station.outbox import Outbox
from inspect_station.outbox.prints import Press
from inspect_station.resources import resource
from inspect_station.store import LabelSpec, Store

clock = lambda: datetime.now(UTC)
with Store.open(Path(sys.argv[1]), clock=clock, station="DOCK-1", running=True) as store:
    title = dict.fromkeys(("title", "seller", "place", "date", "copy", "grade", "why", "sku", "ean", "rma"), "x")
    press = Press.of(LabelPrinter(name="labels", kind="raw", host="127.0.0.1", port=int(sys.argv[2]), format="zpl"))
    outbox = Outbox(
        store, settings=UpstreamSettings(enabled=False, url="http://hub", batch=1, min_wait_s=1, max_wait_s=2),
        upstream=None, presses=[press], templates=templates(resource("labels")), clock=clock,
    )
    outbox.start()
    if sys.argv[3]:
        lpn = sys.argv[3]
        with store.write() as writer:
            writer.queue_label(LabelSpec(lpn, "i", "restock", 1, {**title, "lpn": lpn, "barcode": lpn + "/1"}))
        outbox.wake()
    print("up", flush=True)
    time.sleep(60)
"""
"""A station that prints a label, where it is told one, until it is killed."""


@pytest.mark.parametrize("times", [1, 3], ids=["killed once", "killed again and again"])
def test_killed_between_sending_and_the_receipt_nothing_prints_twice_by_itself(
    empty: Path, tmp_path: Path, times: int
) -> None:
    """A real process, a real socket, SIGKILL: the printer has the label, and the station never heard so."""
    folder = shutil.copytree(empty / "station", tmp_path / "killed")
    lpn = "L7F3K00481C"
    got: list[bytes] = []

    def station(port: int, label: str = "") -> subprocess.Popen[str]:
        words = [sys.executable, "-c", KILLED, str(folder), str(port), label]
        process = stack.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        stack.callback(process.kill)
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        return process

    with ExitStack() as stack, closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(20)
        port = server.getsockname()[1]
        process = station(port, lpn)
        server.accept()[0].close()  # it does not bear to be asked how it is
        connection, _ = server.accept()
        with connection:
            connection.settimeout(5)
            heard = b""
            while b"^XZ" not in heard:
                more = connection.recv(4096)
                assert more, heard
                heard += more
            got.append(heard)
            process.kill()
            process.wait()
        for _ in range(times - 1):
            process = station(port)
            time.sleep(0.3)
            process.kill()
            process.wait()
        station(port)
        _until(lambda: _labels_at(folder) == [("parked", f"The station stopped while {lpn} was being printed.")])
        server.settimeout(0.5)
        with pytest.raises(TimeoutError):
            server.accept()
    assert b"".join(got).count(b"^XZ") == 1


def _labels_at(folder: Path) -> list[tuple[str, str]]:
    """States and reasons of the labels of a store that another process works on."""
    with closing(sqlite3.connect(f"file:{folder / 'store.db'}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT state, reason FROM label ORDER BY id").fetchall()
    return [(state, str(Message(**json.loads(reason))) if reason else "") for state, reason in rows]


def test_a_site_s_printer_becomes_a_press(tmp_path: Path) -> None:
    press = Press.of(LabelPrinter(name="slips", kind="file", folder=tmp_path, labels=("hold",), dpi=300))
    assert (press.printer.name, press.dpi) == ("slips", 300)
    assert [press.takes(kind) for kind in ("hold", "restock")] == [True, False]


# ── Its threads ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 5
    while not true():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_while_it_runs_what_is_finished_leaves_by_itself_and_the_lamps_are_told(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    told: list[States] = []
    paper = Paper("labels")
    with web(create_app(hub)) as url:
        enrol(store, _settings(url), add_station(hub.store.folder, "DOCK-1"))
        upstream = connect(store, _settings(url))
        outbox = _outbox(store, upstream, clock, Press(paper), notify=told.append)
        outbox.start()
        try:
            for n in range(5):
                _finish(store, f"R-{n}", label="restock")
                outbox.wake()
            _until(lambda: len(_at_hub(hub)) == 5 and _labels(store) == ["printed"] * 5)
            _until(lambda: bool(told) and told[-1].hub.waiting == 0 and told[-1].printer.waiting == 0)
        finally:
            outbox.stop()
    assert told[-1].hub.enrolled
    assert told[-1].hub.offline_since is None
    assert told[-1].hub.last_contact == NOON
    assert len(told) == len([states for at, states in enumerate(told) if at == 0 or states != told[at - 1]])


def test_while_it_runs_photos_follow_by_themselves(store: Store, hub: Hub, clock: Clock, web: Web) -> None:
    file = BytesIO()
    Image.new("RGB", (64, 48), (60, 90, 30)).save(file, "JPEG")
    shot = Photo(slot="box", sha256=store.blobs.put(file.getvalue()), at=NOON)
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        outbox.start()
        try:
            plate = _finish(store, photos=(shot,))
            outbox.wake()
            _until(lambda: outbox.states().hub.photos == 0)
        finally:
            outbox.stop()
    with store.read() as reader:
        unit = reader.inspection(plate)
        assert unit is not None
        assert [photo.state for photo in reader.photos(unit.id)] == ["verified"]


def test_who_wakes_it_while_it_works_is_not_forgotten(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = _outbox(store, None, clock)
    rounds: list[int] = []

    def push_once() -> Pushed:
        rounds.append(1)
        if len(rounds) == 1:
            outbox.wake()
        return Pushed(0, 0, 0)

    monkeypatch.setattr(outbox.sync, "push_once", push_once)
    outbox.start()
    _until(lambda: len(rounds) == 2)


def test_a_label_that_was_being_printed_when_the_station_died_is_parked(store: Store, clock: Clock) -> None:
    _finish(store, label="restock")
    with store.write() as writer:
        writer.move_label(1, "printing", printer="labels")
    paper = Paper("labels")
    outbox = _outbox(store, None, clock, Press(paper))
    outbox.start()
    _until(lambda: _labels(store) == ["parked"])
    outbox.stop()
    assert paper.jobs == []


def test_a_printer_that_is_back_is_shown_as_ready_although_nothing_waits(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prints, "LONGEST_STALL_S", 0.01)
    paper = Paper("labels")
    press = Press(paper)
    press.failed(GONE.title)
    outbox = _outbox(store, None, clock, press)
    outbox.start()
    _until(lambda: press.problem is None)
    outbox.stop()


def test_no_failure_ends_a_thread(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "TIMER_S", 0.01)
    outbox = _outbox(store, None, clock, Press(Paper("labels")))
    monkeypatch.setattr(outbox.sync, "push_once", lambda: 1 / 0)
    outbox.start()
    _until(lambda: "ZeroDivisionError" in str(outbox.states().hub.said))
    assert all(thread.is_alive() for thread in outbox._threads)
    monkeypatch.undo()
    _until(lambda: "ZeroDivisionError" not in str(outbox.states().hub.said))
    outbox.stop()


def test_new_work_does_not_hurry_a_hub_that_asked_to_wait(store: Store, clock: Clock) -> None:
    class Busy(Upstream):
        asked = 0

        def _request(self, method: str, path: str, **request: object) -> _Reply:
            self.asked += 1
            said = wire.Problem(hub_time=NOON, hub_epoch="e", code="busy").model_dump_json().encode()
            return _Reply(503, {"content-type": "application/json", "retry-after": "60"}, said)

    upstream = Busy(_settings("http://hub"), Credentials("http://hub", "s", "t"), "e")
    outbox = _outbox(store, upstream, clock)
    outbox.start()
    _until(lambda: upstream.asked == 1)
    for _ in range(5):
        _finish(store)
        outbox.wake()
        time.sleep(0.01)
    assert upstream.asked == 1
    assert outbox.states().hub.offline_since == NOON
    outbox.stop()


# ── Belonging to a hub ───────────────────────────────────────────────────────────────────────────────────────────────


def test_enrolling_grants_licence_plates_and_keeps_the_ones_it_drew_if_nobody_has_them(
    store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    first = _finish(store)
    with web(create_app(hub)) as url:
        said = enrol(store, _settings(url), add_station(hub.store.folder, "DOCK-1"))
    assert first[1:5] in str(said)
    second = _finish(store)
    assert second[:5] == first[:5]
    assert second != first


def test_a_clash_of_licence_plates_is_told_at_enrolment(
    tmp_path: Path, store: Store, hub: Hub, clock: Clock, web: Web
) -> None:
    with Store.open(tmp_path / "other", clock=clock, station="DOCK-2") as other, web(create_app(hub)) as url:
        plate = _finish(store)
        with other.write() as writer:
            writer.set_meta("block", plate[1:5])
        enrol(store, _settings(url), add_station(hub.store.folder, "DOCK-1"))
        said = enrol(other, _settings(url), add_station(hub.store.folder, "DOCK-2"))
        assert "Another station has labels" in said.text
        assert _finish(other)[1:5] != plate[1:5]


def test_a_station_that_moves_to_another_hub_offers_it_everything(
    tmp_path: Path, store: Store, hub: Hub, clock: Clock
) -> None:
    for n in range(3):
        _finish(store, f"R-{n}")
    with _serving(create_app(hub)) as url:
        _enrolled(store, hub, url, clock).sync.push_once()
    with Hub.open(tmp_path / "new", clock=clock) as new, _serving(create_app(new)) as url:
        assert connect(store, _settings(url)) is None, "the token of the one is not shown to the other"
        outbox = _enrolled(store, new, url, clock)
        _finish(store, "R-3")
        outbox.sync.push_once()
        outbox.sync.push_once()
        assert _at_hub(new) == _here(store)


def test_what_the_former_hub_confirms_after_another_process_has_enrolled_this_station_elsewhere_counts_for_nothing(
    tmp_path: Path, store: Store, hub: Hub, clock: Clock
) -> None:
    with Hub.open(tmp_path / "new", clock=clock) as new:
        with _serving(create_app(hub)) as old_url, _serving(create_app(new)) as url:
            running = _enrolled(store, hub, old_url, clock)
            _finish(store, "R-0")
            running.sync.push_once()
            verb = _enrolled(store, new, url, clock)
            verb.sync.pull_once()
            verb.sync.push_once()
            assert _at_hub(new) == _here(store)
            _finish(store, "R-1")
            assert running.sync.push_once().sent == 0
            assert "changed" in str(running.states().hub.said)
            verb.sync.push_once()
        assert _at_hub(new) == _here(store)


def test_a_station_that_another_process_enrols_sends_without_being_started_anew(
    store: Store, hub: Hub, clock: Clock, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outboxes, "TIMER_S", 0.05)
    with web(create_app(hub)) as url:
        outbox = _outbox(store, None, clock, settings=_settings(url))
        outbox.start()
        _finish(store)
        outbox.wake()
        _until(lambda: "not enrolled" in str(outbox.states().hub.said))
        enrol(store, _settings(url), add_station(hub.store.folder, "DOCK-1"))
        _until(lambda: _at_hub(hub) == _here(store) and outbox.states().hub.waiting == 0)
        assert outbox.states().hub.enrolled
        outbox.stop()


def test_a_station_that_is_enrolled_again_uses_its_new_token(store: Store, hub: Hub, clock: Clock, web: Web) -> None:
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        enrol(store, _settings(url), add_station(hub.store.folder, "DOCK-1"))
        _finish(store)
        outbox._sync()
        assert "enrol it again" in str(outbox.states().hub.said)
        outbox.sync.turn()
        assert _at_hub(hub) == _here(store)


def test_nothing_is_called_received_while_a_photo_waits(store: Store, hub: Hub, clock: Clock, web: Web) -> None:
    with web(create_app(hub)) as url:
        outbox = _enrolled(store, hub, url, clock)
        _finish(store, "R-1")
        outbox.sync.push_once()
        assert "everything received" in str(outbox.states().hub.said)
        _finish(store, "R-2", photos=(Photo(slot="state", sha256=store.blobs.put(b"picture"), by="ana", at=NOON),))
        outbox.sync.push_once()
        assert "photo" in str(outbox.states().hub.said)


def test_a_station_without_a_hub_keeps_everything(store: Store, clock: Clock) -> None:
    _finish(store)
    outbox = _outbox(store, connect(store, _settings("http://hub")), clock)
    assert outbox.sync.push_once() == Pushed(sent=0, waiting=1, parked=0)
    assert outbox.sync.pull_once() == Pulled(fetched=0)
    assert not outbox.states().hub.enrolled


def test_a_code_that_does_not_fit_changes_nothing(store: Store, hub: Hub, web: Web) -> None:
    with web(create_app(hub)) as url:
        with pytest.raises(UpstreamError, match="does not know this code"):
            enrol(store, _settings(url), "ABCD-EFGH-JKMN-PQRS")
        assert connect(store, _settings(url)) is None
    with store.read() as reader:
        assert reader.meta("hub_station_id") == ""


@pytest.mark.parametrize(
    "code", ["schema_invalid", "id_reuse", "tenant_mismatch", "line_conflict", "revision_twice", "hub_failed", "other"]
)
def test_every_code_has_its_sentence(code: str) -> None:
    assert str(why(code)).endswith((".", "hour."))
