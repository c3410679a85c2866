"""The lane of photos: aside, restartable, and no file goes before the hub has it for certain."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from inspect_station import config, doctor
from inspect_station.config import UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.records import Disposition, Grade, Inspection, Line, Photo
from inspect_station.outbox.photos import PUT_OFF, TRIES, Photos
from inspect_station.outbox.sync import why
from inspect_station.store import EventSpec, Receipt, Store
from inspect_station.upstream import Credentials, Upstream, _Reply

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SETTINGS = UpstreamSettings(enabled=True, url="https://hub", batch=9, min_wait_s=1, max_wait_s=300, photo_hosts=("s3",))


class Clock:
    """Time that passes when it is told to."""

    now = NOON

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return (self.now - NOON).total_seconds()


class PhotoHub(Upstream):
    """A hub's side of the photos, in memory; ``spoil`` has a say in each answer, and may raise in its place."""

    def __init__(self, mode: str = "hub") -> None:
        super().__init__(SETTINGS, Credentials("https://hub", "s", "t"), "e")
        self.mode = mode
        self.came: dict[str, bytes] = {}
        self.verified: set[str] = set()
        self.erased: set[str] = set()
        self.asked: list[str] = []
        self.spoil: Callable[[str, str, _Reply], _Reply] = lambda method, path, reply: reply
        self.spoil_bytes: Callable[[bytes], bytes] = lambda data: data

    def _request(self, method: str, path: str, *, elsewhere: bool = False, **request: Any) -> _Reply:
        self.asked.append(f"{method} {path.partition('?')[0]}"[:20])
        return self.spoil(method, path, self._reply(method, path, elsewhere, request))

    def _reply(self, method: str, path: str, elsewhere: bool, request: dict[str, Any]) -> _Reply:
        sha256 = next(part for part in path.replace("?", "/").split("/") if len(part) == 64)
        if method == "PUT":
            assert elsewhere is (self.mode == "put")
            self.came[sha256] = self.spoil_bytes(request["content"])
            return _Reply(200, {}, b"")
        if sha256 in self.erased:
            if path.endswith("/complete"):
                return self.say(wire.BlobState, state="verified", erased=True)
            return self.say(wire.BlobPlace, mode="have", erased=True)
        if path.endswith("/complete"):
            if sha256 not in self.came:
                return self.say(wire.Problem, 404, code="not_here")
            if hashlib.sha256(self.came[sha256]).hexdigest() != sha256:
                return self.say(wire.Problem, 422, code="photo_hash_mismatch")
            self.verified.add(sha256)
            return self.say(wire.BlobState, state="verified")
        if sha256 in self.verified:
            return self.say(wire.BlobPlace, mode="have")
        return self.say(wire.BlobPlace, 201, mode=self.mode, url=f"https://s3/{sha256}?sign=1", headers={"x": "y"})

    def say(self, form: type[wire.Said], status: int = 200, **told: Any) -> _Reply:
        said = form(hub_time=NOON, hub_epoch="e", **told).model_dump_json()
        return _Reply(status, {"content-type": "application/json"}, said.encode())


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    Store.open(folder, clock=Clock(), station="DOCK-1").close()
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    with Store.open(shutil.copytree(made, tmp_path / "station"), clock=clock, station="DOCK-1") as opened:
        yield opened


def _finish(store: Store, *shots: bytes, accepted: bool = True) -> list[str]:
    """A unit with these photos; their hashes."""
    hashes = [store.blobs.put(b"\xff\xd8\xff" + shot) for shot in shots]
    with store.write() as writer:
        (lpn,) = writer.take_lpns(1)
        unit = Inspection(
            id=writer.new_id(),
            lpn=lpn,
            station="DOCK-1",
            parcel="",
            seller="lumo",
            rma="R-1",
            line=Line(no=1, gtin="03760311300165"),
            started_at=NOON,
            grade=Grade.USED,
            disposition=Disposition.CLEARANCE,
            finished_at=NOON,
            photos=tuple(Photo(slot=f"s{n}", sha256=sha256, at=NOON) for n, sha256 in enumerate(hashes)),
        )
        event = writer.finish(unit, EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", NOON))
        if accepted:
            writer.mark_events([Receipt(event.id, "accepted")])
    return hashes


def _lane(store: Store, hub: Upstream, clock: Clock, **more: Any) -> Photos:
    given = {"settings": SETTINGS, "join": lambda: None, "random": lambda: 0.5, **more}
    return Photos(store, upstream=hub, clock=clock, monotonic=clock.seconds, **given)


def _all(lane: Photos) -> None:
    for _ in range(50):
        if not lane.turn():
            return
    raise AssertionError("there is no end to it")


def _states(store: Store) -> dict[str, str]:
    with store.read() as reader:
        return {row["sha256"]: row["state"] for row in reader._rows("SELECT sha256, state FROM photo")}


@pytest.mark.parametrize("mode", ["hub", "put"])
def test_photos_are_sent_the_newest_unit_first_and_verified(store: Store, clock: Clock, mode: str) -> None:
    (old,) = _finish(store, b"old")
    clock.now += timedelta(seconds=1)
    new = _finish(store, b"new 1", b"new 2")
    hub = PhotoHub(mode)
    _all(_lane(store, hub, clock))
    assert list(hub.came) == [*reversed(new), old]
    assert _states(store) == dict.fromkeys((old, *new), "verified")
    assert all(store.blobs.path(each).exists() for each in (old, *new)), "for ever, unless the site says otherwise"


def test_no_photo_goes_before_its_unit_is_known_nor_while_any_fact_waits(store: Store, clock: Clock) -> None:
    _finish(store, b"known")
    _finish(store, b"unknown", accepted=False)
    hub = PhotoHub()
    lane = _lane(store, hub, clock)
    assert not lane.turn()
    assert hub.asked == []
    with store.write() as writer:
        writer.mark_events([Receipt(event.id, "suspect") for event in writer.pending_events()])
    _all(lane)
    assert len(hub.came) == 1, "a fact that is parked holds up nobody, and its own photos wait for it"


def test_a_photo_in_two_slots_or_units_is_sent_once(store: Store, clock: Clock) -> None:
    """sync.md §3.2, 52."""
    _finish(store, b"same", b"same")
    _finish(store, b"same")
    hub = PhotoHub()
    _all(_lane(store, hub, clock))
    assert sum(asked.startswith("PUT") for asked in hub.asked) == 1
    with store.read() as reader:
        assert [row["state"] for row in reader._rows("SELECT state FROM photo")] == ["verified"] * 3


def test_what_the_hub_has_already_is_not_sent(store: Store, clock: Clock) -> None:
    (sha256,) = _finish(store, b"there")
    hub = PhotoHub()
    hub.verified.add(sha256)
    _all(_lane(store, hub, clock))
    assert hub.came == {}
    assert _states(store) == {sha256: "verified"}


@pytest.mark.parametrize("at", range(6))
@pytest.mark.parametrize("mode", ["hub", "put"])
@pytest.mark.parametrize("after", [False, True], ids=["before it arrives", "after it arrived"])
def test_a_photo_that_is_interrupted_anywhere_begins_anew_as_a_whole(
    store: Store, clock: Clock, at: int, mode: str, after: bool
) -> None:
    """sync.md §3.2, 50: each of the first requests fails, one after the other."""
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub(mode)
    carry, count = hub._request, [0]

    def broken(method: str, path: str, **request: Any) -> _Reply:
        count[0] += 1
        if count[0] - 1 == at:
            if after:
                carry(method, path, **request)
            raise httpx.WriteError("the line broke")
        return carry(method, path, **request)

    hub._request = broken  # type: ignore[method-assign]
    lane = _lane(store, hub, clock)
    for _ in range(3):
        clock.now += timedelta(minutes=6)
        _all(lane)
    assert _states(store) == {sha256: "verified"}
    assert hub.came[sha256] == store.blobs.get(sha256)


def test_wrong_bytes_are_sent_again_and_a_photo_that_stays_bad_is_parked_and_kept(store: Store, clock: Clock) -> None:
    """sync.md §3.2, 51."""
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub()
    spoilt = [1]
    hub.spoil_bytes = lambda data: data[:-1] if spoilt.pop() else data
    spoilt[:] = [0, 1]
    lane = _lane(store, hub, clock)
    _all(lane)
    assert _states(store) == {sha256: "verified"}

    (bad,) = _finish(store, b"other picture")
    (good,) = _finish(store, b"a good one")
    hub.spoil_bytes = lambda data: data[:-1] if b"other" in data else data
    _all(lane)
    assert sum(asked == "PUT /v1/blobs/" + bad[:6] for asked in hub.asked) == TRIES
    assert _states(store) == {sha256: "verified", bad: "bad", good: "verified"}
    assert store.blobs.path(bad).exists()
    with store.read() as reader:
        (parked,) = reader.photos_parked()
        assert reader.waiting().photos_parked == 1
    assert "kept here" in why(parked.code).text


@pytest.mark.parametrize("status", [403, 404, 500, 503])
def test_a_photo_store_that_refuses_makes_the_lane_wait_and_another_place_is_asked_for(
    store: Store, clock: Clock, status: int
) -> None:
    """sync.md §3.2, 53 and 49: each try has a new address."""
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub("put")
    hub.spoil = lambda method, path, reply: _Reply(status, {}, b"<Error/>") if method == "PUT" else reply
    lane = _lane(store, hub, clock)
    _all(lane)
    assert lane.problem is not None
    assert lane.rest() > 0
    hub.spoil = lambda method, path, reply: reply
    _all(lane)
    assert hub.asked.count(f"POST /v1/blobs/{sha256[:5]}") == 3, "place, place, complete"
    assert (str(lane.problem), lane.rest()) == ("None", 0)


def test_a_photo_that_fails_again_and_again_lets_the_next_one_go(store: Store, clock: Clock) -> None:
    (old,) = _finish(store, b"old")
    clock.now += timedelta(seconds=1)
    (new,) = _finish(store, b"new")
    hub = PhotoHub()
    hub.spoil = lambda method, path, reply: _Reply(500, {}, b"") if new in path else reply
    lane = _lane(store, hub, clock)
    for _ in range(TRIES + 1):
        _all(lane)
    assert _states(store) == {old: "verified", new: "waiting"}
    hub.spoil = lambda method, path, reply: reply
    _all(lane)
    assert _states(store)[new] == "waiting", "it has to wait for its turn"
    clock.now += PUT_OFF
    _all(lane)
    assert _states(store)[new] == "verified"


@pytest.mark.parametrize("photos", [1, 3], ids=["one photo", "three photos"])
@pytest.mark.parametrize(
    "away",
    [httpx.ConnectError("[Errno 111] Connection refused"), httpx.ReadTimeout("timed out"), 403, 404, 500, 503],
    ids=str,
)
def test_a_store_that_is_away_holds_the_lane_and_when_it_is_back_everything_goes(
    store: Store, clock: Clock, away: Exception | int, photos: int
) -> None:
    """sync.md §3.2, 53: nothing is held against a photo that could not arrive."""
    hashes = [sha256 for n in range(photos) for sha256 in _finish(store, b"picture %d" % n)]
    hub = PhotoHub("put")

    def dead(method: str, path: str, reply: _Reply) -> _Reply:
        if method != "PUT":
            return reply
        if isinstance(away, Exception):
            raise away
        return _Reply(away, {}, b"<Error/>")

    hub.spoil = dead
    lane = _lane(store, hub, clock)
    waits = []
    for _ in range(20):
        assert not lane.turn()
        assert lane.problem is not None, "F4 says why"
        assert str(lane.problem).startswith("The photo store "), "not the hub"
        waits.append(lane.rest())
        clock.now += timedelta(seconds=lane.rest())
    assert waits[0] < 2 and 100 < waits[-1] <= SETTINGS.max_wait_s, "it waits longer each time, up to its limit"
    hub.spoil = lambda method, path, reply: reply
    _all(lane)
    assert _states(store) == dict.fromkeys(hashes, "verified")


def test_the_lane_says_why_it_waits_while_a_fact_goes_before_it(store: Store, clock: Clock) -> None:
    _finish(store, b"picture")
    hub = PhotoHub("put")
    hub.spoil = lambda method, path, reply: _Reply(503, {}, b"") if method == "PUT" else reply
    lane = _lane(store, hub, clock)
    _all(lane)
    _finish(store, accepted=False)
    assert not lane.turn()
    assert lane.problem is not None


def test_doctor_says_that_photos_wait(store: Store, clock: Clock) -> None:
    shipped = config.load(None)
    here = shipped.model_copy(
        update={"upstream": SETTINGS, "station": shipped.station.model_copy(update={"data": store.folder})}
    )
    assert "photos" not in {check.name for check in doctor._store(here)}
    _finish(store, b"picture", b"another")
    (check,) = (check for check in doctor._store(here) if check.name == "photos")
    assert (check.ok, str(check.found)) == (None, "2 photos wait for the hub")
    _all(_lane(store, PhotoHub(), clock))
    assert "photos" not in {check.name for check in doctor._store(here)}


def test_a_photo_that_the_hub_still_looks_at_is_asked_about_later(store: Store, clock: Clock) -> None:
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub()
    looking = hub.say(wire.BlobState, 202, state="verifying")
    looking = _Reply(202, {**looking.headers, "retry-after": "30"}, looking.body)
    hub.spoil = lambda method, path, reply: looking if path.endswith("/complete") else reply
    lane = _lane(store, hub, clock)
    _all(lane)
    assert _states(store) == {sha256: "sent"}
    hub.spoil = lambda method, path, reply: reply
    hub.asked.clear()
    clock.now += timedelta(seconds=29)
    _all(lane)
    assert hub.asked == []
    clock.now += timedelta(seconds=1)
    _all(lane)
    assert _states(store) == {sha256: "verified"}
    assert not any(asked.startswith("PUT") for asked in hub.asked)


def test_a_photo_file_that_is_gone_is_shown_and_sent_when_it_is_back(store: Store, clock: Clock) -> None:
    """sync.md §3.2, 54: the event stands."""
    gone, there = _finish(store, b"gone", b"there")
    data = store.blobs.get(gone)
    store.blobs.path(gone).unlink()
    lane = _lane(store, PhotoHub(), clock)
    _all(lane)
    assert _states(store) == {gone: "missing", there: "verified"}
    with store.read() as reader:
        (photo,) = reader.photos_parked()
        assert (photo.code, reader.waiting().events_parked) == ("photo_missing", 0)
    store.blobs.put(data)
    clock.now += timedelta(minutes=10)
    _all(lane)
    assert _states(store) == {gone: "verified", there: "verified"}


def test_a_photo_that_went_before_the_store_was_put_back_is_not_missing(store: Store, clock: Clock) -> None:
    """A copy of the store knows it as waiting; meanwhile the hub had verified it, and its file had gone (worlds 22214
    and 22665)."""
    (gone,) = _finish(store, b"1")
    store.blobs.path(gone).unlink()
    hub = PhotoHub()
    hub.verified.add(gone)
    lane = _lane(store, hub, clock, keep_days=90)
    _all(lane)
    assert _states(store) == {gone: "verified"}
    clock.now += timedelta(days=91)
    _all(lane)
    assert _states(store) == {gone: "deleted"}, "as of any photo that only the hub keeps"


def test_a_photo_file_with_other_bytes_in_it_is_not_sent(store: Store, clock: Clock) -> None:
    (sha256,) = _finish(store, b"picture")
    store.blobs.path(sha256).write_bytes(b"rot")
    hub = PhotoHub()
    _all(_lane(store, hub, clock))
    assert (_states(store), hub.came) == ({sha256: "bad"}, {})


@pytest.mark.parametrize("has_it", [True, False], ids=["the hub has it", "the hub was put back and has lost it"])
def test_a_file_goes_when_its_time_is_over_and_the_hub_says_once_more_that_it_has_it(
    store: Store, clock: Clock, has_it: bool
) -> None:
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub()
    lane = _lane(store, hub, clock, keep_days=30)
    _all(lane)
    clock.now += timedelta(days=29)
    _all(lane)
    assert store.blobs.path(sha256).exists()
    clock.now += timedelta(days=2)
    if not has_it:
        hub.verified.clear()
        hub.came.clear()
    _all(lane)
    assert store.blobs.path(sha256).exists() is not has_it
    assert _states(store) == {sha256: "deleted" if has_it else "verified"}
    assert sha256 in hub.verified


def test_nothing_is_deleted_while_the_hub_is_not_reached(store: Store, clock: Clock) -> None:
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub()
    lane = _lane(store, hub, clock, keep_days=30)
    _all(lane)
    clock.now += timedelta(days=31)
    page = _Reply(200, {"content-type": "text/html"}, b"<html>Log in</html>")
    hub.spoil = lambda method, path, reply: page
    _all(lane)
    assert store.blobs.path(sha256).exists()


@pytest.mark.parametrize("when", ["before it is sent", "while it is sent", "when its time is over"])
def test_a_photo_that_was_erased_at_the_hub_goes_here_at_once(store: Store, clock: Clock, when: str) -> None:
    """sync.md §4; whatever the station keeps otherwise."""
    sha256, other = _finish(store, b"picture", b"another")
    hub = PhotoHub()
    lane = _lane(store, hub, clock, keep_days=30 if when == "when its time is over" else 0)

    def ordered(method: str, path: str, reply: _Reply) -> _Reply:
        if sha256 in path and method == "PUT":
            hub.erased.add(sha256)
        return reply

    match when:
        case "before it is sent":
            hub.erased.add(sha256)
        case "while it is sent":
            hub.spoil = ordered
        case _:
            _all(lane)
            hub.erased.add(sha256)
            clock.now += timedelta(days=31)
    _all(lane)
    assert not store.blobs.path(sha256).exists()
    assert _states(store) == {sha256: "erased", other: "deleted" if when == "when its time is over" else "verified"}
    hub.asked.clear()
    clock.now += timedelta(days=60)
    _all(lane)
    assert not [asked for asked in hub.asked if sha256[:5] in asked], "it is done with it"
    with store.read() as reader:
        assert (reader.waiting().photos, reader.waiting().photos_parked) == (0, 0)
    assert list(store.photos_missing()) == []


def test_a_place_past_the_allowed_ones_gets_nothing_and_is_told(store: Store, clock: Clock) -> None:
    """sync.md §3.2, 67: as a hub in other hands might ask for it."""
    (sha256,) = _finish(store, b"picture")
    hub = PhotoHub("put")

    def elsewhere(method: str, path: str, reply: _Reply) -> _Reply:
        return _Reply(reply.status, reply.headers, reply.body.replace(b"https://s3/", b"http://169.254.169.254/"))

    hub.spoil = elsewhere
    lane = _lane(store, hub, clock)
    _all(lane)
    assert hub.came == {}
    assert _states(store) == {sha256: "waiting"}
    assert lane.problem is not None
    assert lane.problem.params == {"host": "169.254.169.254"}


def test_a_token_that_was_changed_meanwhile_is_taken_up_at_once(store: Store, clock: Clock) -> None:
    (sha256,) = _finish(store, b"picture")
    old, new = PhotoHub(), PhotoHub()
    new.credentials = Credentials("https://hub", "s", "fresh")
    old.spoil = lambda method, path, reply: old.say(wire.Problem, 401, code="station_revoked")
    lane = _lane(store, old, clock, join=lambda: new)
    _all(lane)
    assert _states(store) == {sha256: "verified"}
    assert lane.rest() == 0
