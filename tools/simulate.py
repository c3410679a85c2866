"""Stations, their hub and the network between them in a world made from a number: the same number, the same world.

    python tools/simulate.py --seeds 10000           # as many worlds as asked for, from 0; says which fail
    python tools/simulate.py --from 4711 --seeds 1 --tell   # one of them, told step by step
    python tools/simulate.py --bugs                  # plant each known bug, and see that it is found
    python tools/simulate.py --backlog 10000         # what saving costs while so many units wait

What runs is the real engine (`outbox.sync`, `outbox.photos`), real stores, the real client's reading of answers and the
real ledger of a hub; clocks, chance, the network and the ends of processes are given to them. Between them the network
loses, cuts, repeats, delays and swaps; hub and station die between any two writes, and are put back from copies.
Everything that was shown, asked and answered is kept, and `Check` holds it against what is on the disks
(sync.md §3.3, I1 to I15).

What saving costs is counted in steps of SQLite's machine, which are the same on every computer, and what hub and other
programs say holds signs (`RUDE`) that no terminal may be sent.
"""

import argparse
import gzip
import hashlib
import json
import logging
import random
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from inspect_station import config
from inspect_station.account import Account
from inspect_station.collected import Collected
from inspect_station.config import Config, UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.clocks import clock_marks
from inspect_station.core.records import (
    SETTLING,
    Disposition,
    Grade,
    Inspection,
    Line,
    Operator,
    Photo,
    Product,
    Rma,
    Role,
    Settled,
    Standing,
)
from inspect_station.errors import NotFound
from inspect_station.hub import Hub, intake
from inspect_station.hub.admin import secret_hash
from inspect_station.hub.app import _cursor, _read_cursor
from inspect_station.hub.ledger import Caller, Ledger, Place
from inspect_station.hub.units import LinedUp
from inspect_station.message import Message
from inspect_station.outbox import sync as outbox_sync
from inspect_station.outbox.photos import Photos
from inspect_station.outbox.sync import Next, Pace, Sync
from inspect_station.outcomes import Said
from inspect_station.station import Station
from inspect_station.store import EventSpec, Reader, Receipt, Store, Writer, copies, moments
from inspect_station.upstream import Credentials, Delivered, Upstream, _Reply
from inspect_station.words import Voice

ANA = Operator(code="ana", name="Ana", role=Role.OPERATOR)
START = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
LAMP = Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp")
URL, PHOTO_HOST = "https://hub.sim", "photos.sim"
SETTINGS = UpstreamSettings(enabled=True, url=URL, batch=4, min_wait_s=1, max_wait_s=300, photo_hosts=(PHOTO_HOST,))
STEPS = 40
ROUNDS = 60
"""So often, ten minutes apart, the healed world is given a turn: what is not delivered then is starved."""
KEPT = ("accepted", "duplicate", "conflict")
RUDE = "\x1b\x07\x08\x00\x7f\x9b\u202e\u2066\u200b"
"""Signs that a terminal obeys, or that turn its text around. What is fit to be shown has none of them left."""
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069]")
"""Signs of that kind; a line feed stands between the rows of our own."""
FREE = {"order", "channel", "tracking", "title", "station", "note"}
"""What is free text of somebody else in what the hub announces, and in what other programs say of a unit."""
A_CLOCK, A_UNIT = 30, 10
"""Steps of SQLite by which saves may differ: one that says how far the clock is out; each unit of its line."""


class Violation(AssertionError):
    """Something that was promised is not so."""


class Crash(BaseException):
    """The process is gone, here."""


# ── The disk ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class Disk(Store):
    """A store whose process may die at any of its writes, before the commit or right after it."""

    fuse: tuple[int, bool] | None = None
    """Writes until the end, and whether that one is still committed."""
    _looking: sqlite3.Connection | None = None
    _saved: tuple[sqlite3.Connection | None, str] = None, ""
    _step: Callable[[], None] | None = None
    """What is called at each step of SQLite's machine."""

    @contextmanager
    def counted(self) -> Iterator[Counter[str]]:
        """How many steps SQLite makes for what is asked and written meanwhile: ``steps``."""
        made: Counter[str] = Counter()

        def step() -> None:
            made["steps"] += 1

        self._step = step
        try:
            yield made
        finally:
            self._step = None

    @contextmanager
    def _counting(self, connection: Any) -> Iterator[None]:
        if self._step is None:
            yield
            return
        # A new connection reads what tables there are first; that is no part of what is asked.
        connection.execute("SELECT 1 FROM meta").fetchone()
        connection.set_progress_handler(self._step, 1)
        try:
            yield
        finally:
            connection.set_progress_handler(None, 0)

    def again(self, block: str) -> bool:
        """Whether a unit was saved by the connection at hand before, with a plate of this block. The first one costs
        more: the search looks what it has, or a block is drawn."""
        known, self._saved = self._saved, (self._writing, block)
        return known == self._saved

    @property
    def busy(self) -> bool:
        """Whether somebody is writing: who wants to write now has to wait."""
        return self._turn.locked()

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """By one connection for all: reading the tables' definitions anew each time is most of a world's time."""
        if self._looking is None:
            self._looking = self._connect()
        with self._counting(self._looking):
            yield Reader(self._looking, self._clock)

    def close(self) -> None:
        if self._looking is not None:
            self._looking.close()
            self._looking = None
        super().close()

    @contextmanager
    def write(self) -> Iterator[Writer]:
        left, committed = self.fuse or (0, False)
        ends = self.fuse is not None and left == 0
        if self.fuse is not None:
            self.fuse = None if ends else (left - 1, committed)
        with super().write() as writer:
            with self._counting(writer._connection):
                yield writer
            if ends and not committed:
                raise Crash
        if ends:
            raise Crash


# ── The hub ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def rude(said: Any) -> Any:
    """What is said, with signs in its free texts that no terminal may be sent."""
    match said:
        case str():
            return f"{said[:1]}{RUDE}{said[1:]}"
        case dict():
            return {
                key: rude(each) if key in FREE or isinstance(each, dict | list) else each for key, each in said.items()
            }
        case list():
            return [rude(each) if isinstance(each, dict | list) else each for each in said]
        case _:
            return said


class SimHub:
    """A real ledger behind the routes that stations use, and a store of photos."""

    def __init__(self, folder: Path, world: "World") -> None:
        self.folder, self.world = folder, world
        self.up = True
        self.photos: dict[str, bytes] = {}
        """Bytes that came, by the hash they should have."""
        self.verified: set[str] = set()
        self.kept: tuple[dict[str, bytes], set[str]] | None = None
        """Yesterday's photos."""
        self.restored = 0
        self.poison: set[str] = set()
        """Ids of events over which this hub breaks."""
        self.hub = self._open()

    def _open(self) -> Hub:
        return Hub(Disk.open(self.folder, clock=self.world.now, station="HUB"), self.world.now)

    def reopen(self) -> None:
        self.hub.close()
        self.hub = self._open()

    def backup(self) -> None:
        self.hub.store.backup(self.folder / "yesterday.db")
        self.kept = dict(self.photos), set(self.verified)

    def restore(self) -> None:
        """Everything since the copy is gone."""
        assert self.kept is not None
        self.hub.close()
        shutil.copy(self.folder / "yesterday.db", self.folder / "store.db")
        self.photos, self.verified = dict(self.kept[0]), set(self.kept[1])
        self.hub = self._open()
        self.restored += 1

    def answer(self, method: str, path: str, token: str, request: dict[str, Any]) -> _Reply:
        """What the hub says; raises Crash where it dies over it."""
        with self.hub.read() as ledger:
            caller = ledger.caller(secret_hash(token))
        if caller is None:
            return self._say(wire.Problem, 401, code="station_revoked")
        if caller.new:
            with self.hub.write() as ledger:
                ledger.first_used(caller, secret_hash(token))
        match method, path.split("/")[2:]:
            case "GET", ["readyz"]:
                return self._say(wire.Said)
            case "POST", ["events"]:
                return self.events(caller, request["content"])
            case "POST", ["events", "known"]:
                with self.hub.read() as ledger:
                    missing, differs = ledger.unknown(caller.tenant, request["json"]["lines"])
                return self._say(wire.Known, missing=missing, differs=differs)
            case "GET", ["changes"]:
                return self._changes(caller, request["params"])
            case "POST", ["stations", "me", "token"]:
                fresh = self.world.chance.randbytes(16).hex()
                with self.hub.write() as ledger:
                    ledger.rotate(caller, secret_hash(token), secret_hash(fresh))
                return self._say(wire.Token, 201, token=fresh)
            case "POST", ["blobs", sha256]:
                return self._place(sha256)
            case "PUT", ["blobs", sha256]:
                self.photos[sha256] = request["content"]
                return self._say(wire.Said, 201)
            case "POST", ["blobs", sha256, "complete"]:
                return self._judge(sha256)
        raise AssertionError(f"{method} {path}")

    def read(self, content: bytes) -> list[intake.Arrival]:
        """The events of a request."""
        return intake.lines(intake.unpack(content, "gzip"))

    def events(self, caller: Caller, content: bytes) -> _Reply:
        try:
            arrivals = self.read(content)
        except intake.Misframed:
            return self._say(wire.Problem, 400, code="framing")
        if self.poison & {arrival.id for arrival in arrivals}:
            return _Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
        with self.hub.write() as ledger:
            receipts, reached = ledger.ingest(caller, arrivals)
        # Why it keeps something aside a station only shows.
        told = [each.but(code=rude(each.code)) if each.status == "rejected" else each for each in receipts]
        return self._say(wire.Receipts, receipts=told, contiguous_seq=reached)

    def _changes(self, caller: Caller, params: dict[str, str]) -> _Reply:
        after = _read_cursor(params["cursor"], self.hub.epoch)
        with self.hub.read() as ledger:
            if after is None or after > ledger.last_change():
                return self._say(wire.Problem, 410, code="cursor_gone")
            rows = ledger.changes(caller.tenant, wire.FEEDS, after, 3)
        changes = [
            wire.Change(row["feed"], row["key"], row["version"], row["op"], 1, rude(json.loads(row["body"])))
            for row in rows[:2]
        ]
        reached = Place(rows[:2][-1]["xid"], rows[:2][-1]["seq"]) if rows else after
        return self._say(
            wire.Changes,
            since=params["cursor"],
            changes=changes,
            cursor=_cursor(self.hub.epoch, reached),
            more=len(rows) > 2,
        )

    def _place(self, sha256: str) -> _Reply:
        if sha256 in self.verified:
            return self._say(wire.BlobPlace, mode="have")
        if self.world.chance.random() < 0.5:
            return self._say(wire.BlobPlace, 201, mode="hub")
        return self._say(wire.BlobPlace, 201, mode="put", url=f"https://{PHOTO_HOST}/{sha256}", headers={"x-sum": "1"})

    def _judge(self, sha256: str) -> _Reply:
        if sha256 not in self.photos:
            return self._say(wire.Problem, 404, code="not_here")
        if self.world.chance.random() < 0.3 and not self.world.healed:
            return self._say(wire.BlobState, 202, state="verifying")
        if hashlib.sha256(self.photos[sha256]).hexdigest() != sha256:
            del self.photos[sha256]
            return self._say(wire.Problem, 422, code=rude("photo_hash_mismatch"))
        self.verified.add(sha256)
        return self._say(wire.BlobState, state="verified")

    def _say(self, form: type[wire.Said], status: int = 200, **told: Any) -> _Reply:
        said = form(hub_time=self.world.now(), hub_epoch=self.hub.epoch, **told)
        return _Reply(status, {"content-type": "application/json"}, said.model_dump_json().encode())

    def publish(self, number: int) -> None:
        rma = Rma(
            seller="lumo",
            number=f"R-{number}",
            order=self.world.chance.randbytes(3).hex(),
            lines=(Line(no=1, gtin=LAMP.gtin, quantity=self.world.chance.randint(1, 3)),),
        )
        with self.hub.write() as ledger:
            ledger.publish_rma("main", rma)

    def withdraw(self, number: int) -> None:
        with self.hub.write() as ledger:
            if ledger.rma("lumo", f"R-{number}") is not None:
                ledger.withdraw_rma("main", "lumo", f"R-{number}")


# ── The network ──────────────────────────────────────────────────────────────────────────────────────────────────────

ROUGH = (
    *("lost", "silent", "cut", "half", "twice", "late", "stale", "portal", "moved"),
    *("500 before", "500 after", "502", "503", "429", "507", "400", "413"),
    *("fewer", "foreign", "other bytes", "shuffled", "swapped", "spoilt"),
)
"""What may become of a request or of its answer."""


class Link(Upstream):
    """The real client; its requests go through the world's network."""

    def __init__(self, station: "SimStation", credentials: Credentials, hub_epoch: str) -> None:
        super().__init__(SETTINGS, credentials, hub_epoch, monotonic=station.world.monotonic, clock=station.clock)
        self.station = station

    def _request(self, method: str, path: str, *, elsewhere: bool = False, **request: Any) -> _Reply:
        return self.station.world.carry(self, method, path, elsewhere, request)


class World:
    """One world: who is in it, what time it is, and what happened."""

    def __init__(self, seed: int, folder: Path, made: Path, tell: Callable[[str], None] = lambda _: None) -> None:
        self.chance = random.Random(seed)
        self.tell = tell
        self.seconds = 0.0
        self.weather = "fair"
        self.healed = False
        self.in_flight: list[tuple[float, str, str, str, dict[str, Any]]] = []
        self.machine: SimStation | None = None
        self.stale: dict[str, _Reply] = {}
        self.meanwhile: Callable[[], None] = lambda: None
        """What else happens while a request is on its way."""
        shutil.copytree(made, folder, dirs_exist_ok=True)
        self.hub = SimHub(folder / "hub", self)
        self.stations = [SimStation(self, folder, n) for n in range(1, self.chance.randint(1, 3) + 1)]
        self.check = Check(self)
        self.units = 0

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def close(self) -> None:
        for station in self.stations:
            station.store.close()
        self.hub.hub.close()

    # ── Requests ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def carry(self, link: Link, method: str, path: str, elsewhere: bool, request: dict[str, Any]) -> _Reply:
        """A request and its answer, or what the network makes of them. Raises httpx errors as the client does."""
        self.check.on_its_way(link.station, path)
        self.meanwhile()
        self.seconds += self.chance.random()
        fate = ""
        if self.weather == "rough" and self.chance.random() < 0.5:
            fate = self.chance.choice(ROUGH)
        if self.weather in ("down", "portal", "503"):
            fate = {"down": "lost"}.get(self.weather, self.weather)
        if not self.hub.up:
            fate = "lost"
        assert link.credentials is not None
        reply = self._fated(fate, method, path, link.credentials.token, elsewhere, request)
        self.tell(f"    {link.station.name} {method} {path[:30]} {fate}: {reply.status}")
        if path == "/v1/events":
            self.check.heard(link, request["content"], reply)
        return reply

    def _fated(self, fate: str, method: str, path: str, token: str, elsewhere: bool, request: dict[str, Any]) -> _Reply:
        def ask() -> _Reply:
            return self._arrive(method, path, token, elsewhere, request)

        page = _Reply(200, {"content-type": "text/html"}, b"<html>Log in</html>")
        match fate:
            case "lost":
                raise httpx.ConnectError("lost")
            case "silent":
                ask()
                self.seconds += 15
                raise httpx.ReadTimeout("silent")
            case "cut":
                ask()
                raise httpx.RemoteProtocolError("cut")
            case "late":
                self.in_flight.append(
                    (
                        self.seconds + self.chance.choice((20, 400, 5000)),
                        method,
                        path,
                        token,
                        {**request, "e": elsewhere},
                    )
                )
                self.seconds += 15
                raise httpx.ReadTimeout("late")
            case "portal":
                return page
            case "moved":
                return _Reply(302, {"location": "http://login"}, b"")
            case "500 before" | "502":
                return _Reply(int(fate[:3]), {"content-type": "text/plain"}, b"Error")
            case "503" | "429" | "507":
                wait = self.chance.choice(("7", "1000000000", "soon", "Fri, 31 Dec 9999 23:59:59 GMT", "0"))
                said = self.hub._say(wire.Problem, int(fate), code="busy")
                return replace(said, headers={**said.headers, "retry-after": wait})
            case "400":
                return _Reply(400, {"content-type": "text/html"}, b"Bad Request")
            case "413":
                return _Reply(413, {"content-type": "text/html"}, b"Request Entity Too Large")
            case "spoilt" if method == "PUT":
                request = {**request, "content": request["content"][:-1] + b"?"}
                return ask() if elsewhere else self._arrive(method, path, token, elsewhere, request)
            case "stale" if path in self.stale:
                ask()
                return self.stale[path]
        reply = ask()
        if fate == "twice":
            reply = ask()
        if fate == "500 after":
            return _Reply(500, {"content-type": "text/plain"}, b"Error")
        if fate == "half":
            return replace(reply, body=reply.body[: len(reply.body) // 2])
        if reply.status == 200:
            self.stale[path] = reply
        if path == "/v1/events" and reply.status == 200:
            return replace(reply, body=self._altered(fate, reply.body))
        return reply

    def _altered(self, fate: str, body: bytes) -> bytes:
        told = json.loads(body)
        receipts = told["receipts"]
        match fate:
            case "fewer":
                receipts = [each for each in receipts if self.chance.random() < 0.5]
            case "foreign":
                receipts = [{**each, "id": str(uuid.UUID(bytes=self.chance.randbytes(16)))} for each in receipts]
            case "other bytes":
                receipts = [{**each, "sha256": each["sha256"][::-1]} for each in receipts]
            case "shuffled":
                self.chance.shuffle(receipts)
                receipts = receipts + receipts[:1]
            case "swapped":
                # Each answer under its neighbour's number.
                ids = [each["id"] for each in receipts]
                receipts = [{**each, "id": id} for each, id in zip(receipts, ids[1:] + ids[:1], strict=True)]
        return json.dumps({**told, "receipts": receipts}).encode()

    def _arrive(self, method: str, path: str, token: str, elsewhere: bool, request: dict[str, Any]) -> _Reply:
        if elsewhere:
            sha256 = path.rpartition("/")[2]
            assert "authorization" not in request.get("headers", {})
            self.hub.photos[sha256] = request["content"]
            return _Reply(200, {}, b"")
        try:
            return self.hub.answer(method, path, token, request)
        except Crash:
            self.tell("    the hub dies over it")
            self.hub.reopen()
            raise httpx.ReadError("the hub died") from None

    def flush(self, everything: bool = False) -> None:
        """What was late arrives now; its answer goes nowhere."""
        late, self.in_flight = self.in_flight, []
        for at, method, path, token, request in late:
            if not everything and (at > self.seconds or not self.hub.up):
                self.in_flight.append((at, method, path, token, request))
                continue
            with suppress(httpx.HTTPError):
                self._arrive(method, path, token, request.pop("e"), request)

    # ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self) -> None:
        """One thing happens."""
        station = self.chance.choice(self.stations)
        (what,) = self.chance.choices(list(HAPPENS), list(HAPPENS.values()))
        self.tell(f"{self.seconds:9.0f} {station.name} {what}")
        self.flush()
        getattr(self, f"_{what}")(station)
        self.check.after(station)

    def _finish(self, station: "SimStation") -> None:
        for _ in range(self.chance.randint(1, 3)):
            station.finish()

    def _amend(self, station: "SimStation") -> None:
        station.amend()

    def _void(self, station: "SimStation") -> None:
        station.void()

    def _decide(self, station: "SimStation") -> None:
        station.decide()

    def _odd(self, station: "SimStation") -> None:
        """Something that the hub refuses, puts off or breaks over."""
        match self.chance.randrange(3):
            case 0:
                station.append("inspection.finished", {"id": "none"})
            case 1:
                station.append("batch.closed", {}, schema=2)
            case _ if not self.hub.poison:
                id = station.append("batch.closed", {})
                self.hub.poison.add(id)

    def _sync(self, station: "SimStation") -> None:
        station.sync_turn()

    def _photo(self, station: "SimStation") -> None:
        station.photo_turn()

    def _dies(self, station: "SimStation") -> None:
        """At one of the writes of what it does next, or between two."""
        if self.chance.random() < 0.3:
            self._published(station)
            self.seconds += 31
        station.store.fuse = (self.chance.randrange(5), self.chance.random() < 0.5)
        for work in self.chance.choice(
            ((station.finish,), (station.sync_turn,), (station.sync_turn, station.photo_turn))
        ):
            work()
        station.restart()

    def _hub_dies(self, station: "SimStation") -> None:
        assert isinstance(self.hub.hub.store, Disk)
        self.hub.hub.store.fuse = (self.chance.randrange(2), self.chance.random() < 0.5)
        station.sync_turn()
        self.hub.reopen()

    def _hub_stops(self, _: "SimStation") -> None:
        self.hub.up = not self.hub.up

    def _hub_copied(self, _: "SimStation") -> None:
        self.hub.backup()

    def _hub_restored(self, _: "SimStation") -> None:
        if self.hub.kept is not None:
            self.hub.restore()

    def _copied(self, station: "SimStation") -> None:
        station.backup(raw=self.chance.random() < 0.3)

    def _restored(self, station: "SimStation") -> None:
        station.restore()

    def _published(self, _: "SimStation") -> None:
        for _ in range(3):
            self.hub.publish(self.chance.randrange(6))

    def _withdrawn(self, _: "SimStation") -> None:
        self.hub.withdraw(self.chance.randrange(6))

    def _weather(self, _: "SimStation") -> None:
        self.weather = self.chance.choice(("fair", "fair", "rough", "rough", "rough", "down", "portal", "503"))

    def _time(self, _: "SimStation") -> None:
        self.seconds += self.chance.choice((1, 30, 300, 300, 3700, 3700, 90_000, 32 * 86_400))

    def _clock(self, station: "SimStation") -> None:
        station.skew_s = self.chance.choice((0.0, 0.0, -3600.0, 300.0, 400_000.0))

    def _file_gone(self, station: "SimStation") -> None:
        station.lose_a_file()

    def _revoked(self, station: "SimStation") -> None:
        with self.hub.hub.write() as ledger:
            ledger._do("DELETE FROM hub_token WHERE station = ?", station.id)

    # ── The end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def heal(self) -> None:
        """The network is well, all are up, and who was locked out is let in again."""
        self.tell("healed")
        self.weather, self.healed, self.hub.up = "fair", True, True
        self.hub.hub.store.fuse = None  # type: ignore[attr-defined]
        self.flush(everything=True)
        for station in self.stations:
            station.let_in()
            station.due_s = station.photo_due_s = 0.0
        for _ in range(ROUNDS):
            for station in self.stations:
                for _ in range(12):
                    station.sync_turn()
                    if station.due_s <= self.seconds:
                        break
                    self.seconds = station.due_s
                for _ in range(8):
                    self.seconds = max(self.seconds, station.photo_due_s)
                    if not station.photo_turn():
                        break
                self.check.after(station)
            if all(station.settled() for station in self.stations):
                return
            self.seconds += 600
        raise Violation("I13: something is not delivered although all is well")


HAPPENS = {
    "finish": 20,
    "amend": 4,
    "void": 2,
    "decide": 4,
    "odd": 4,
    "sync": 30,
    "photo": 14,
    "dies": 9,
    "hub_dies": 5,
    "hub_stops": 2,
    "hub_copied": 2,
    "hub_restored": 2,
    "copied": 3,
    "restored": 3,
    "published": 5,
    "withdrawn": 1,
    "weather": 8,
    "time": 10,
    "clock": 1,
    "file_gone": 1,
    "revoked": 1,
}
"""How often each thing happens."""


@cache
def site() -> Config:
    """The shipped configuration, for what is said and how."""
    shipped = config.load()
    return shipped.model_copy(update={"upstream": SETTINGS})


@cache
def voice() -> Voice:
    """How people are spoken to."""
    return Voice(rules=site().rules)


# ── A station ────────────────────────────────────────────────────────────────────────────────────────────────────────


class SimStation:
    """One station: its disk, its machine, and the engine on it."""

    def __init__(self, world: World, folder: Path, n: int) -> None:
        self.world, self.name = world, f"DOCK-{n}"
        self.folder = folder / self.name
        self.skew_s = 0.0
        self.boots = 0
        self.saving = False
        """A key was pressed, and "saved" is not shown yet."""
        self.copy: tuple[bool, set[str]] | None = None
        """Whether there is a copy of the store, made raw or not, and the events in it."""
        self.due_s = self.photo_due_s = 0.0
        self.id = Credentials.load(self.folder).station_id  # type: ignore[union-attr]
        self._open()

    def clock(self) -> datetime:
        return self.world.now() + timedelta(seconds=self.skew_s)

    def _open(self) -> None:
        self.world.machine = self
        self.boots += 1
        self.store = Disk.open(self.folder, clock=self.clock, station=self.name, zone="Europe/Paris")
        given: dict[str, Any] = {
            "settings": SETTINGS,
            "clock": self.clock,
            "monotonic": self.world.monotonic,
            "random": self.world.chance.random,
            "join": self.join,
        }
        self.sync = Sync(self.store, upstream=self.join(), **given)
        self.photos = Photos(self.store, upstream=self.join(), keep_days=1, **given)

    def join(self) -> Upstream | None:
        credentials = Credentials.load(self.folder)
        assert credentials is not None
        with self.store.read() as reader:
            return Link(self, credentials, reader.meta("hub_epoch"))

    def restart(self) -> None:
        self.store.close()
        self._open()

    @contextmanager
    def _alive(self) -> Iterator[None]:
        self.world.machine = self
        try:
            yield
        except Crash:
            self.world.tell(f"    {self.name} dies")
            self.restart()

    # ── At the bench ─────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _saves(self, photos: int) -> Iterator[None]:
        """From the key to what is shown: what it costs."""
        self.saving = True
        try:
            with self.store.counted() as made:
                yield
        finally:
            self.saving = False
        self.world.check.cost(self, photos, made["steps"])

    def finish(self) -> None:
        """A unit with its photos; shown as saved when the write is over."""
        chance, at = self.world.chance, self.clock()
        self.world.units += 1
        with self._alive():
            shots = [
                self.store.blobs.put(b"\xff\xd8\xff" + chance.randbytes(9)) for _ in range(chance.choice((0, 0, 1, 2)))
            ]
            rma, grade = f"R-{chance.randrange(6)}", chance.choice((Grade.NEW, Grade.USED))
            photos = tuple(Photo(slot=f"s{n}", sha256=sha256, at=at) for n, sha256 in enumerate(shots))
            with self._saves(len(photos)):
                with self.store.write() as writer:
                    unit, event = self._finished(writer, rma, grade, photos)
                self.world.check.saved(self, unit, event)

    def _finished(self, writer: Writer, rma: str, grade: Grade, photos: tuple[Photo, ...]) -> tuple[Inspection, str]:
        """A unit, and the id of its event; every other line is as a program writes it that cleans nothing."""
        (lpn,) = writer.take_lpns(1)
        at = self.clock()
        unit = Inspection(
            id=writer.new_id(),
            lpn=lpn,
            station=self.name,
            parcel="",
            seller="lumo",
            rma=rma,
            line=Line(no=1, gtin=LAMP.gtin),
            product=LAMP,
            operator="ana",
            started_at=at,
            grade=grade,
            disposition=Disposition.RESTOCK,
            finished_at=at,
            finished_by="ana",
            photos=photos,
        ).but(**clock_marks(at, writer.clock_ahead()))
        body = unit.model_dump(mode="json")
        told = rude(body) if self.world.units % 2 else body
        return unit, writer.finish(unit, EventSpec("inspection.finished", told, "ana", at)).id

    def pile(self, n: int) -> None:
        """So many units and photos that wait for the hub."""
        for first in range(0, n, 500):
            with self.store.write() as writer:
                for each in range(first, min(first + 500, n)):
                    sha256 = hashlib.sha256(b"%d" % each).hexdigest()
                    self._finished(writer, f"X-{each}", Grade.NEW, (Photo(slot="s", sha256=sha256, at=self.clock()),))

    def _one(self) -> Inspection | None:
        units = [unit for unit, _ in self.world.check.shown[self.name].values()]
        if not units:
            return None
        picked = self.world.chance.choice(units)
        with self.store.read() as reader:
            unit = reader.inspection(picked.lpn)
        return unit if unit is not None and unit.id == picked.id and unit.voided_at is None else None

    def amend(self) -> None:
        if (unit := self._one()) is None:
            return
        again = unit.but(revision=unit.revision + 1, note=self.world.chance.randbytes(2).hex())
        with self._alive():
            with self.store.write() as writer:
                body = again.model_dump(mode="json")
                event = writer.finish(again, EventSpec("inspection.amended", body, "ana", self.clock()))
            self.world.check.saved(self, again, event.id)

    def void(self) -> None:
        if (unit := self._one()) is None:
            return
        gone = unit.but(revision=unit.revision + 1, voided_at=self.clock(), void_reason="undone")
        body = {"inspection": gone.id, "revision": gone.revision, "reason": "undone", "lpn": gone.lpn}
        with self._alive(), self.store.write() as writer:
            writer.void(gone, EventSpec("inspection.voided", body, "ana", self.clock()))

    def decide(self) -> None:
        """A supervisor picks one of those that contradict each other, as this dock has heard of them, or orders another
        look."""
        with self.store.read() as reader:
            reviews = [each for each in reader.reviews() if each.open]
        if not reviews:
            return
        review = self.world.chance.choice(reviews)
        left = [each for each in review.units if each.standing is not Standing.SUPERSEDED]
        unit, again = self.world.chance.choice(left), self.world.chance.random() < 0.2
        over = () if again else tuple(each.event for each in review.rivals(unit) if each in left)
        seen = tuple(each.event for each in left)
        said = Settled(
            seller=review.seller, rma=review.rma, line=review.line, unit=unit, based_on=seen, over=over, again=again
        )
        self.append("inspection.amended", said.model_dump(mode="json"), SETTLING)

    def append(self, type: str, body: dict[str, Any], schema: int = 1) -> str:
        with self.store.write() as writer:
            return writer.append_event(EventSpec(type, body, "ana", self.clock(), schema)).id

    def lose_a_file(self) -> None:
        files = sorted(path for path in self.store.blobs.folder.glob("??/*") if path.is_file())
        if files:
            path = self.world.chance.choice(files)
            path.unlink()
            self.world.check.by_hand.add((self.name, path.name))

    # ── The engine's turns ───────────────────────────────────────────────────────────────────────────────────────────

    def sync_turn(self) -> None:
        if self.world.seconds >= self.due_s:
            with self._alive():
                self.due_s = self.world.seconds + self.sync.turn()

    def photo_turn(self) -> bool:
        """Whether there may be another photo to send."""
        more = False
        if self.world.seconds >= self.photo_due_s:
            with self._alive():
                more = self.photos.turn()
                self.photo_due_s = self.world.seconds + self.photos.rest()
        return more

    # ── Copies ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def events(self) -> dict[str, Any]:
        with self.store.read() as reader:
            return {row["id"]: row for row in reader._rows("SELECT id, epoch, seq, sha256, state, code FROM event")}

    # ── What people see ──────────────────────────────────────────────────────────────────────────────────────────────

    def lamp(self) -> tuple[Message, ...]:
        """How it stands with the hub."""
        with self.store.read() as reader:
            hub = self.sync.state(reader)
        said = (hub.said, hub.clock, self.photos.problem)
        return *filter(None, said), *(each for part in hub.offline(self.clock(), 9) for each in part)

    def shown(self) -> Iterator[str]:
        """What the desk, accounts of units and returns, and answers to a scan say."""
        desk = Station(site(), self.store, clock=self.clock, camera=None, scanner=None)
        account = Account(desk, voice())
        for each in desk.desk().waiting:
            yield f"{each.lpn} {voice().say(each.text)}"
        with self.store.read() as reader:
            units, rmas = reader.last_units(1), [row["number"] for row in reader._rows("SELECT number FROM rma")]
        for unit in units:
            yield account.unit_text(unit, None)
        for number in (*rmas[:1], rude("R-9")):
            try:
                yield account.rma_text(account.rma_json(number, desk.show_rma(number), {}, desk.today()))
            except NotFound as none:
                yield voice().say(none.title)
        seen = desk.scan(rude("SCANNED"))
        assert isinstance(seen, Said)
        yield voice().say(seen.title)

    def painted(self) -> Iterator[str]:
        """Records whose texts the screens paint as they are."""
        with self.store.read() as reader:
            for table in ("rma", "review", "inspection"):
                yield from (row["body"] for row in reader._rows(f"SELECT body FROM {table}"))
            yield from (row["code"] for row in reader._rows("SELECT DISTINCT code FROM event"))
            yield from (row["code"] for row in reader._rows("SELECT DISTINCT code FROM photo"))

    def backup(self, raw: bool) -> None:
        to = self.folder / "copy.db"
        if raw:
            self.store._hang_up()
            shutil.copy(self.store.file, to)
        else:
            self.store.backup(to)
        self.copy = raw, set(self.events())

    def restore(self) -> None:
        """The disk died; what is put back is a copy. What was made since is gone here, and not by our fault."""
        if self.copy is None:
            return
        raw, kept = self.copy
        self.world.check.disk_died(self, kept, raw)
        self.store.close()
        shutil.copy(self.folder / "copy.db", self.store.file)
        self._open()
        # What was confirmed to the copy the hub may have lost since: both find out when they meet.
        self.world.check.before[self.name] = {id: row["state"] for id, row in self.events().items()}

    def let_in(self) -> None:
        """Enrolled again by a person where the hub does not know the token any more."""
        credentials = Credentials.load(self.folder)
        assert credentials is not None
        with self.world.hub.hub.write() as ledger:
            if ledger.caller(secret_hash(credentials.token)) is not None:
                return
            fresh = self.world.chance.randbytes(16).hex()
            ledger._do("DELETE FROM hub_token WHERE station = ?", self.id)
            ledger._add_token(self.id, secret_hash(fresh))
        replace(credentials, token=fresh).save(self.folder)

    def settled(self) -> bool:
        """Nothing is on its way any more, but what the hub puts off or breaks over."""
        with self.store.read() as reader:
            on_their_way = [
                event.id
                for event in (*reader.pending_events(500), *reader.parked_events())
                if event.state in ("pending", "sent", "suspect") and event.id not in self.world.hub.poison
            ]
            cursor, photos = reader.meta("hub_cursor"), reader.photos_to_send(1)
            waits = reader._rows("SELECT 1 FROM photo WHERE state IN ('waiting', 'sent') LIMIT 1")
            put_off = reader._rows(
                "SELECT 1 FROM event WHERE state IN ('pending', 'sent') AND code <> 'schema_too_new' LIMIT 1"
            )
        with self.world.hub.hub.read() as ledger:
            last = ledger.last_change()
        odd = bool(self.world.hub.poison) or any(row["state"] == "rejected" for row in self.events().values())
        return (
            not on_their_way
            and not put_off
            and not photos
            and (odd or not waits)
            and (_read_cursor(cursor, self.world.hub.hub.epoch) == last)
        )


# ── The checker ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Check:
    """Holds what happened against what is on the disks (sync.md §3.3)."""

    world: World
    shown: dict[str, dict[str, tuple[Inspection, str]]] = field(init=False)
    """By station and event: what was shown as saved."""
    receipts: set[tuple[str, str, str]] = field(default_factory=set)
    """Station, event and status of each receipt that rightly came."""
    made: dict[str, str] = field(default_factory=dict)
    """Id → SHA-256 of all events that any station ever had."""
    lost: set[str] = field(default_factory=set)
    """Events that died with a disk."""
    raw: set[str] = field(default_factory=set)
    """Epochs of stores that were put back, or used twice, past all care."""
    by_hand: set[tuple[str, str]] = field(default_factory=set)
    """Station and file of photos that somebody deleted."""
    before: dict[str, dict[str, str]] = field(default_factory=dict)
    gone: set[tuple[str, str]] = field(default_factory=set)
    least: dict[tuple[int, str], int] = field(default_factory=dict)
    """The fewest steps that a save of its kind took."""
    trouble: dict[str, tuple[Message | None, Message | None]] = field(default_factory=dict)
    """By station: what it said last of why hub or photo store are not reached."""

    def __post_init__(self) -> None:
        self.shown = {station.name: {} for station in self.world.stations}

    def saved(self, station: SimStation, unit: Inspection, event: str) -> None:
        self.shown[station.name][event] = unit, event

    def on_its_way(self, station: SimStation, path: str) -> None:
        """A request leaves: who saves now does not wait for its answer."""
        if station.saving:
            raise Violation(f"I14: {path} is asked between a key and what it saves")
        if station.store.busy:
            raise Violation(f"I14: who saves now waits for the answer to {path}")

    def cost(self, station: SimStation, photos: int, steps: int) -> None:
        """A unit was saved: that is as much work as ever, whatever waits and however it stands with the hub.

        What it may cost more for are its photos, and a return that is known: what is open of it is counted anew.
        """
        unit, _ = next(reversed(self.shown[station.name].values()))
        if not station.store.again(unit.lpn[:5]):
            return
        with station.store.read() as reader:
            rma = reader.rma(unit.seller, unit.rma)
            announced = "no" if rma is None else "closed" if rma.closed else "open"
            on_line = len(reader.units(unit.seller, unit.rma)) if rma is not None else 0
        kind = photos, announced
        least = self.least[kind] = min(steps, self.least.get(kind, steps))
        if steps > least + A_CLOCK + A_UNIT * on_line:
            raise Violation(f"I14: saving {unit.lpn} is {steps} steps, another of its kind {least}")

    def fit(self, texts: Iterable[str], where: str) -> None:
        """Text on its way to a terminal."""
        for text in texts:
            if found := OBEYED.search(text):
                raise Violation(f"I15: {where} shows U+{ord(found[0]):04X} in {text[:60]!r}")

    def heard(self, link: Link, content: bytes, reply: _Reply) -> None:
        """An answer came to the client. Which receipts in it are worth something is judged here anew."""
        if reply.status != 200 or reply.headers.get("content-type") != "application/json":
            return
        with suppress(ValueError):
            told = json.loads(reply.body)
            if told["hub_epoch"] != link.hub_epoch:
                return
            sent = {}
            for line in gzip.decompress(content).decode().split("\n")[:-1]:
                sent[json.loads(line)["id"]] = hashlib.sha256(line.encode()).hexdigest()
            for receipt in told["receipts"]:
                if sent.get(receipt["id"]) == receipt["sha256"]:
                    self.receipts.add((link.station.name, receipt["id"], receipt["status"]))

    def disk_died(self, station: SimStation, kept: set[str], raw: bool) -> None:
        for id, row in station.events().items():
            self.made[id] = row["sha256"]
            if id not in kept:
                self.lost.add(id)
            if raw:
                self.raw.add(row["epoch"])
        self.shown[station.name] = {id: each for id, each in self.shown[station.name].items() if id in kept}

    # ── After each thing that happened ───────────────────────────────────────────────────────────────────────────────

    def after(self, station: SimStation) -> None:
        """States moved only forward, what is confirmed now is at the hub now, and nobody else made what is there."""
        now = station.events()
        self.made.update({id: row["sha256"] for id, row in now.items()})
        at_hub = self._at_hub()
        self._of_nobody(at_hub)
        before = self.before.get(station.name, {})
        for id, row in now.items():
            was, state = before.get(id, "pending"), row["state"]
            if was == state:
                continue
            if was == "conflict" and row["code"] == "line_settled":
                continue  # the docks agree by now
            if was in (*KEPT, "rejected") and not self.world.hub.restored:
                raise Violation(f"I7: {id} went from {was} to {state}")
            if was == "sent" and state == "pending" and row["code"] != "schema_too_new" and not self.world.hub.restored:
                raise Violation(f"I7: {id} went back, and nobody said why")
            if state in KEPT:
                said = "conflict_recorded" if row["code"] == "line_settled" or state == "conflict" else state
                if (station.name, id, said) not in self.receipts:
                    raise Violation(f"I7: {id} is {state} without a receipt for it")
                if at_hub.get(id) != row["sha256"]:
                    raise Violation(f"I2: {id} is {state}, and the hub does not have it so")
            if state == "rejected" and (station.name, id, "rejected") not in self.receipts:
                raise Violation(f"I7: {id} is parked without a receipt")
        self.before[station.name] = {id: row["state"] for id, row in now.items()}
        gone = before.keys() - now.keys()
        if gone:
            raise Violation(f"I3: {gone.pop()} left the outbox")
        self._files(station)
        self._lamp(station)

    def _lamp(self, station: SimStation) -> None:
        """I15: how it stands with the hub, whenever that is another story."""
        trouble = station.sync._trouble, station.photos.problem
        if trouble != self.trouble.get(station.name):
            self.trouble[station.name] = trouble
            self.fit(map(voice().say, station.lamp()), f"the lamp of {station.name}")

    def _at_hub(self) -> dict[str, str]:
        with self.world.hub.hub.read() as ledger:
            return dict(map(tuple, ledger._rows("SELECT id, sha256 FROM hub_event")))

    def _of_nobody(self, at_hub: dict[str, str]) -> None:
        if unknown := at_hub.keys() - self.made.keys():
            raise Violation(f"I4: the hub has {min(unknown)}, which nobody made")

    def _files(self, station: SimStation) -> None:
        with station.store.read() as reader:
            rows = reader._rows("SELECT DISTINCT sha256 FROM photo WHERE sha256 <> ''")
        for row in rows:
            key = station.name, row["sha256"]
            if key in self.gone or key in self.by_hand or station.store.blobs.path(row["sha256"]).exists():
                continue
            self.gone.add(key)
            if row["sha256"] not in self.world.hub.verified:
                raise Violation(f"I12: photo {row['sha256'][:8]} was deleted before the hub had verified it")

    # ── At the end ───────────────────────────────────────────────────────────────────────────────────────────────────

    def at_the_end(self) -> None:
        """All that was promised, once the world was healed and everything delivered."""
        at_hub = self._at_hub()
        with self.world.hub.hub.read() as ledger:
            parked = {(row["event"], row["sha256"]) for row in ledger._rows("SELECT event, sha256 FROM hub_parked")}
        for station in self.world.stations:
            events = station.events()
            self.made |= {id: row["sha256"] for id, row in events.items()}
            self._shown(station)
            self._station(station, events, at_hub, parked)
            self._feed(station)
            self._photos(station)
        self._shown_by_hub()
        self._hub(at_hub)
        if self.world.hub.restored == 0 and self.world.chance.random() < 0.4:
            self._any_order()

    def _shown(self, station: SimStation) -> None:
        """I15: what people see at a station."""
        if self.world.units % 3 == 0:  # to build a desk takes a while
            self.fit(station.shown(), station.name)
        self.fit(map(voice().say, station.lamp()), f"the lamp of {station.name}")
        self.fit((text for body in station.painted() for text in _texts(body)), station.name)

    def _shown_by_hub(self) -> None:
        """I15: what people see of units and of what is parked at the hub."""
        hub = self.world.hub.hub
        with hub.read() as ledger:
            bodies = [row["body"] for row in ledger._rows("SELECT body FROM inspection WHERE current")]
            parked = [row["detail"] for row in ledger._rows("SELECT detail FROM hub_parked")]
        if self.world.units % 3 == 0:
            account = Account(Collected(site(), hub, "main"), voice())
            self.fit((account.unit_text(Inspection.model_validate_json(body), None) for body in bodies[-1:]), "the hub")
        self.fit((*parked, *(text for body in bodies for text in _texts(body))), "the hub")

    def _station(
        self, station: SimStation, events: dict[str, Any], at_hub: dict[str, str], parked: set[tuple[str, str]]
    ) -> None:
        with station.store.read() as reader:
            rows = reader._rows("SELECT id, revision, event_id, corrected_at, clock_suspect FROM inspection")
            photos = {(row["inspection"], row["slot"]) for row in reader._rows("SELECT inspection, slot FROM photo")}
        here = {row["event_id"]: row for row in rows}
        for id, (unit, _) in self.shown[station.name].items():
            if id not in here:
                raise Violation(f"I1: {unit.lpn} was shown as saved and is gone")
            if not {(unit.id, photo.slot) for photo in unit.photos} <= photos:
                raise Violation(f"I5: {unit.lpn} has lost photos")
        if len(here) != len(rows) or not here.keys() <= events.keys():
            raise Violation("I5: an inspection without its event")
        with self.world.hub.hub.read() as ledger:
            there = ledger._rows("SELECT event_id, corrected_at, clock_suspect FROM inspection")
        for row in there:
            mine = here.get(row["event_id"], row)
            if (mine["corrected_at"], mine["clock_suspect"]) != (row["corrected_at"], row["clock_suspect"]):
                raise Violation(f"two reports: {mine['id']} counts at another time at the hub")
        with station.store.read() as reader:
            lines = reader._rows("SELECT line, sha256 FROM event")
        if any(hashlib.sha256(row["line"].encode()).hexdigest() != row["sha256"] for row in lines):
            raise Violation("I6: a line was changed")
        for id, row in events.items():
            match row["state"]:
                case "accepted" | "duplicate" | "conflict":
                    well = at_hub.get(id) == row["sha256"]
                case "rejected":
                    well = (id, row["sha256"]) in parked
                case "suspect":
                    well = id in self.world.hub.poison
                case _:
                    well = row["code"] == "schema_too_new"
            if not well:
                raise Violation(f"I3: {id} is {row['state']}, and that is not so")

    def _feed(self, station: SimStation) -> None:
        with self.world.hub.hub.read() as ledger:
            told = ledger._rows("SELECT key, version, op, body FROM hub_change WHERE feed = 'rma'")
        with station.store.read() as reader:
            known = {
                json.dumps([row["seller"], row["number"]], separators=(",", ":")): row
                for row in reader._rows("SELECT seller, number, version, closed, body FROM rma")
            }
        for row in told:
            mine = known.get(row["key"])
            if mine is None:
                if row["op"] == "delete":
                    continue
                raise Violation(f"I11: {row['key']} never came down")
            if row["op"] == "delete":
                well = bool(mine["closed"])
            else:
                well = mine["version"] > row["version"] or mine["body"] == row["body"]
                well = well and (self.world.hub.restored > 0 or mine["version"] == row["version"])
            if not well:
                raise Violation(f"I11: {row['key']} is not as the hub tells it")

    def _photos(self, station: SimStation) -> None:
        with station.store.read() as reader:
            rows = reader._rows("SELECT sha256, state FROM photo WHERE sha256 <> ''")
        for row in rows:
            key = station.name, row["sha256"]
            match row["state"]:
                case "verified":
                    well = row["sha256"] in self.world.hub.verified
                case "deleted":
                    well = row["sha256"] in self.world.hub.verified or self.world.hub.restored > 0
                case "missing":
                    well = key in self.by_hand or (key in self.gone and self.world.hub.restored > 0)
                case _:
                    well = True
            if not well:
                raise Violation(f"I12: photo {row['sha256'][:8]} is {row['state']}, and that is not so")

    def _hub(self, at_hub: dict[str, str]) -> None:
        self._of_nobody(at_hub)
        if any(self.made[id] != sha256 for id, sha256 in at_hub.items()):
            raise Violation("I6: the hub has other bytes")
        with self.world.hub.hub.read() as ledger:
            events = ledger._rows("SELECT id, station, epoch, seq, type, code, subject, revision FROM hub_event")
            aside = ledger._rows("SELECT station, epoch, seq FROM hub_parked WHERE seq > 0")
            reached = {(r["station"], r["epoch"]): r["contiguous_seq"] for r in ledger._rows("SELECT * FROM hub_epoch")}
            units = ledger._rows("SELECT id, revision, current FROM inspection")
        numbers = Counter((row["station"], row["epoch"], row["seq"]) for row in events)
        for (_, epoch, seq), n in numbers.items():
            if n > 1 and epoch not in self.raw:
                raise Violation(f"I8: number {seq} of {epoch} was given out {n} times")
        arrived = {*numbers, *((row["station"], row["epoch"], row["seq"]) for row in aside)}
        for station, epoch in {(station, epoch) for station, epoch, _ in arrived}:
            n = 0
            while (station, epoch, n + 1) in arrived:
                n += 1
            if reached.get((station, epoch)) != n:
                raise Violation(f"I8: the hub says {reached.get((station, epoch))} of {epoch} arrived, not {n}")
        told = {(row["subject"], row["revision"]) for row in events if row["subject"] and row["revision"]}
        here = Counter((row["id"], row["revision"]) for row in units)
        if any(n > 1 for n in here.values()) or not here.keys() <= told:
            raise Violation("I4: a unit stands twice")
        finished = {
            (row["subject"], row["revision"])
            for row in events
            # What a supervisor says is of a line, not of a unit.
            if row["type"] in ("inspection.finished", "inspection.amended") and row["revision"]
        }
        if not finished <= here.keys():
            raise Violation("I10: a unit is hidden")
        if any(n != 1 for n in Counter(row["id"] for row in units if row["current"]).values()):
            raise Violation("I10: more than one revision counts")
        self._lines()

    def _lines(self) -> None:
        """On each line one box counts, or those that one dock had; what contradicts it is held until it is settled."""
        with self.world.hub.hub.read() as ledger:
            standing, held = ledger.standing("main"), ledger.in_dispute("main")
            quantities = {
                tuple(row): row[3] for row in ledger._rows("SELECT seller, number, no, quantity FROM rma_line")
            }
            told = ledger._rows("SELECT key, op, body FROM hub_change WHERE feed = 'decision'")
        lines: dict[tuple[str, str, int], list[Any]] = {}
        for row in standing:
            lines.setdefault((row["seller"], row["rma"], row["line_no"]), []).append(row)
        quantity = {key[:3]: n for key, n in quantities.items()}
        for line, units in lines.items():
            counted = [row for row in units if row["standing"] == Standing.COUNTS]
            if not counted:
                raise Violation(f"I10: nothing counts on {line}")
            if len(counted) > quantity.get(line, 1) and len({row["station"] for row in counted}) > 1:
                raise Violation(f"I10: {len(counted)} count on {line}, from several docks")
            if any(row["standing"] == Standing.CONTESTED for row in units) and line not in held:
                raise Violation(f"I10: {line} is in dispute and not held")
        if not held <= lines.keys():
            raise Violation("I10: something is held where nothing stands")
        for station in self.world.stations:
            with station.store.read() as reader:
                known = {(each.seller, each.rma, each.line): each.model_dump_json() for each in reader.reviews(1000)}
            for row in told:
                line = tuple(json.loads(row["key"]))
                if line in held and known.get(line) != row["body"]:
                    raise Violation(f"I11: {station.name} does not know of the dispute on {line}")

    def _any_order(self) -> None:
        """I9: the same events in another order, some of them twice, come to the same."""
        with self.world.hub.hub.read() as ledger:
            lines = ledger._rows("SELECT station, line, code FROM hub_event ORDER BY sha256")
            units = set(map(tuple, ledger._rows("SELECT id, revision, current, body FROM inspection")))
        if any(row["code"] == "revision_twice" for row in lines):
            return
        with self.world.hub.hub.store.write() as writer:
            ledger = Ledger(writer)
            for table in ("hub_event_stays", "inspection_stays"):
                ledger._do(f"DROP TRIGGER {table}")
            ledger._do("DELETE FROM hub_event")
            ledger._do("DELETE FROM inspection")
            for row in (*lines, *lines[::3]):
                caller = Caller(row["station"], "main", "", new=False)
                ledger.ingest(caller, intake.lines(row["line"].encode()))
            again = set(map(tuple, ledger._rows("SELECT id, revision, current, body FROM inspection")))
        if again != units:
            raise Violation("I9: another order comes to something else")


def _texts(body: str) -> Iterator[str]:
    """The texts of a record; of what is none, or holds nothing but plain text, the whole of it."""
    if not body.startswith("{") or (body.isprintable() and "\\" not in body):
        yield body
        return
    parts: list[Any] = [json.loads(body)]
    while parts:
        match parts.pop():
            case str() as text:
                yield text
            case dict() as each:
                parts += each.values()
            case list() as each:
                parts += each


# ── Running it ───────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def seeded(chance: random.Random, machine: Callable[[], SimStation | None]) -> Iterator[None]:
    """Chance, and the clock that nobody sets, are the world's."""

    def mono_ms() -> int:
        station = machine()
        return int(station.world.seconds * 1000) if station else 0

    def boot() -> str:
        station = machine()
        return f"{station.name}-{station.boots}" if station else ""

    with (
        patch("secrets.token_bytes", chance.randbytes),
        patch("uuid.uuid4", lambda: uuid.UUID(bytes=chance.randbytes(16), version=4)),
        patch.object(moments, "boot", boot),
        patch.object(moments, "mono_ms", mono_ms),
    ):
        yield


def prepare(folder: Path) -> Path:
    """Three stations that are enrolled at a hub, made once: making tables takes longer than a world."""
    chance = random.Random(0)
    with seeded(chance, lambda: None), Hub.open(folder / "hub", clock=lambda: START) as hub:
        for n in (1, 2, 3):
            name, token = f"DOCK-{n}", chance.randbytes(16).hex()
            with Store.open(folder / name, clock=lambda: START, station=name) as store:
                with hub.write() as ledger:
                    ledger.add_code(name, "main", name)
                    with store.read() as reader:
                        epoch = reader.meta("epoch")
                    granted = ledger.enrol(name, secret_hash(token), epoch=epoch, block="")
                assert not isinstance(granted, str)
                Credentials(URL, granted.station, token).save(store.folder)
                with store.write() as writer:
                    writer.set_meta("hub_station_id", granted.station)
                    writer.set_meta("hub_epoch", hub.epoch)
                    writer.set_meta("block", granted.block)
                    # The search's own housekeeping comes with one unit in sixteen: not here, where work is counted.
                    for rest, rank in (("automerge", 0), ("crisismerge", 10_000)):
                        writer._do("INSERT INTO inspection_find (inspection_find, rank) VALUES (?, ?)", rest, rank)
    return folder


def run(seed: int, made: Path, tell: Callable[[str], None] = lambda _: None, steps: int = STEPS) -> None:
    """One world from its beginning to its end. Raises Violation."""
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=base)))
        found: list[World] = []
        chance = random.Random(seed + 1_000_000)
        stack.enter_context(seeded(chance, lambda: found[0].machine if found else None))
        world = World(seed, folder, made, tell)
        found.append(world)
        stack.callback(world.close)
        for _ in range(steps):
            world.step()
        world.heal()
        world.check.at_the_end()


# ── Bugs that are planted to see them found ──────────────────────────────────────────────────────────────────────────


def _deliver(link: Upstream, lines: Any) -> Any:
    """The answer to events, as it came."""
    body = gzip.compress("".join(f"{line}\n" for _, _, line in lines).encode())
    return link._ask_patiently("POST", "/v1/events", content=body)


def _any_200(link: Upstream, lines: Any) -> Any:
    reply = _deliver(link, lines)
    if not isinstance(reply, _Reply) or reply.status != 200:
        return link._answer(wire.Receipts, reply)
    accepted = (wire.Receipt(id=id, sha256=sha256, status=wire.Status.ACCEPTED) for id, sha256, _ in lines)
    return Delivered(tuple(accepted))


def _by_place(link: Upstream, lines: Any) -> Any:
    found = link._answer(wire.Receipts, _deliver(link, lines))
    if not isinstance(found, wire.Receipts):
        return found
    by_place = zip(found.receipts, lines, strict=False)
    return Delivered(tuple(receipt.but(id=id, sha256=sha256) for receipt, (id, sha256, _) in by_place))


def _anew_each_time(read: Any) -> Any:
    def read_(hub: SimHub, content: bytes) -> Any:
        with hub.hub.read() as ledger:
            known = {row["id"] for row in ledger._rows("SELECT id FROM hub_event")}
        for arrival in read(hub, content):
            if arrival.id not in known or arrival.event is None:
                yield arrival
                continue
            id = str(uuid.UUID(bytes=hub.world.chance.randbytes(16)))
            yield replace(arrival, id=id, event=replace(arrival.event, id=id))

    return lambda hub, content: list(read_(hub, content))


def _dropped_on_400(broke: Any) -> Any:
    def broke_(sync: Sync, link: Upstream, batch: Any, code: Any, message: Any) -> Any:
        if code == "framing":
            with sync._store.write() as writer:
                writer._do("DROP TRIGGER IF EXISTS event_stays")
                for event in batch:
                    writer._do("DELETE FROM event WHERE id = ?", event.id)
            return None
        return broke(sync, link, batch, code, message)

    return broke_


def _cursor_first(take: Any) -> Any:
    def take_(sync: Sync, page: Any) -> Any:
        with sync._store.write() as writer:
            writer.set_meta("hub_cursor", page.cursor)
        return take(sync, page)

    return take_


def _deleted_when_sent(put: Any) -> Any:
    def put_(link: Link, place: Any, sha256: str, data: bytes, mime: str) -> Any:
        failure = put(link, place, sha256, data, mime)
        if failure is None:
            link.station.store.blobs.path(sha256).unlink(missing_ok=True)
        return failure

    return put_


def _retry_is_accepted(kept: Any) -> Any:
    def kept_(sync: Sync, receipt: wire.Receipt) -> Receipt:
        return Receipt(receipt.id, "accepted") if receipt.status == "retry" else kept(sync, receipt)

    return kept_


def _with_its_epoch(station: SimStation, raw: bool) -> None:
    with patch.object(copies, "NOT_COPIED", ()):
        station.store.backup(station.folder / "copy.db")
    station.copy = False, set(station.events())


def _before_commit(hub: SimHub, caller: Caller, content: bytes) -> _Reply:
    arrivals = intake.lines(intake.unpack(content, "gzip"))
    if hub.poison & {arrival.id for arrival in arrivals}:
        return _Reply(500, {"content-type": "text/plain"}, b"Internal Server Error")
    said: _Reply | None = None
    try:
        with hub.hub.write() as ledger:
            receipts, reached = ledger.ingest(caller, arrivals)
            said = hub._say(wire.Receipts, receipts=receipts, contiguous_seq=reached)
    except Crash:
        if said is None:
            raise
        hub.reopen()
    assert said is not None
    return said


def _again_for_ever(pace: Pace, sent: int, *, surely: bool) -> Next:
    return Next.AGAIN


def _said_before_saved(finish: Any) -> Any:
    """Not in the engine, but what I1 is about: the screen says saved while the write may still fail."""

    def finish_(station: SimStation) -> None:
        store = station.store
        if store.fuse is not None and store.fuse[0] == 0:
            store.fuse = (0, False)
            before = station.events()
            finish(station)
            assert before.keys() == station.events().keys()
            unit = Inspection.model_construct(id="", lpn="said too early", photos=())
            station.world.check.saved(station, unit, "never written")
        else:
            finish(station)

    return finish_


def _all_count(units: Any, words: Any, quantity: int) -> LinedUp:
    return LinedUp({each.id: Standing.COUNTS for each in units})


def _counts_what_waits(finish: Any) -> Any:
    def finish_(writer: Writer, *told: Any) -> Any:
        writer.waiting()
        return finish(writer, *told)

    return finish_


def _sends_first(saved: Any) -> Any:
    def saved_(check: Check, station: SimStation, unit: Inspection, event: str) -> None:
        station.sync.turn()
        saved(check, station, unit, event)

    return saved_


def _asked_while_writing(deliver: Any) -> Any:
    def deliver_(link: Link, lines: Any) -> Any:
        with link.station.store.write():
            return deliver(link, lines)

    return deliver_


def _taken_as_it_came(apply: Any) -> Any:
    def apply_(writer: Writer, change: wire.Change) -> Any:
        with patch.object(wire, "cleaned", lambda body: body):
            return apply(writer, change)

    return apply_


BUGS: dict[str, Callable[[], Any]] = {
    "the station takes any 200 for a receipt": lambda: patch.object(Upstream, "deliver", _any_200),
    "the hub forgets what it has": lambda: patch.object(SimHub, "read", _anew_each_time(SimHub.read)),
    "a receipt counts for whatever stands in its place": lambda: patch.object(Upstream, "deliver", _by_place),
    "the station drops what is answered by 400": lambda: patch.object(Sync, "_broke", _dropped_on_400(Sync._broke)),
    "the cursor is written before its page": lambda: patch.object(Sync, "_take", _cursor_first(Sync._take)),
    "a photo is deleted when it was sent": lambda: patch.object(Link, "put", _deleted_when_sent(Upstream.put)),
    "a store that was put back counts on": lambda: patch.object(SimStation, "backup", _with_its_epoch),
    "what the hub puts off counts as accepted": lambda: patch.object(Sync, "_kept", _retry_is_accepted(Sync._kept)),
    "the hub answers before its commit": lambda: patch.object(SimHub, "events", _before_commit),
    "one event that breaks the hub holds up all": lambda: patch.object(Pace, "broke", _again_for_ever),
    "units that contradict each other all count": lambda: patch("inspect_station.hub.reviews.line_up", _all_count),
    "a save counts what waits for the hub": lambda: patch.object(Writer, "finish", _counts_what_waits(Writer.finish)),
    "a save waits until it was sent": lambda: patch.object(Check, "saved", _sends_first(Check.saved)),
    "the hub is asked in the middle of a write": lambda: patch.object(
        Link, "deliver", _asked_while_writing(Upstream.deliver)
    ),
    "what the hub announces is kept as it came": lambda: patch.object(
        outbox_sync, "_apply", _taken_as_it_came(outbox_sync._apply)
    ),
    "what stations send is kept as it came": lambda: patch.object(wire, "plain", lambda line: True),
    "sentences hold what they were given as it is": lambda: patch("inspect_station.words.clean", lambda text: text),
    "saved is shown before it is": lambda: patch.object(SimStation, "finish", _said_before_saved(SimStation.finish)),
}
"""Each by its name: what makes it."""


def found(bug: str, made: Path, seeds: Iterable[int]) -> tuple[int, Violation] | None:
    """The first of these worlds in which the planted bug shows, and how; None where it never does."""
    with BUGS[bug]():
        for seed in seeds:
            try:
                run(seed, made)
            except Violation as violation:
                return seed, violation
    return None


def backlog(made: Path, n: int, tell: Callable[[str], None] = lambda _: None) -> None:
    """Units that are saved with nothing waiting, then with `n` units and as many photos, however it stands with the
    hub: each as much work as ever. Raises Violation."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        found: list[World] = []
        stack.enter_context(seeded(random.Random(n), lambda: found[0].machine if found else None))
        world = World(0, folder, made, tell)
        found.append(world)
        stack.callback(world.close)
        station, least = world.stations[0], world.check.least

        def saves() -> None:
            for _ in range(8):
                station.finish()

        saves()
        quiet = dict(least)
        station.sync_turn()
        station.pile(n)
        for weather in ("down", "portal", "503", "rough"):
            world.weather = weather
            saves()
            world.seconds += 4000
            station.sync_turn()
            saves()
        # The hub takes them, and somebody saves while it answers.
        asked = iter(range(40))

        def meanwhile() -> None:
            if next(asked, None) is None:
                world.weather = "down"
            elif not station.saving:
                station.finish()

        world.weather, world.meanwhile = "fair", meanwhile
        world.seconds += 4000
        station.sync_turn()
        assert next(asked, None) is None, "the hub was not asked"
        for (photos, _), steps in sorted(quiet.items()):
            tell(f"saving a unit with {photos} photos: {steps} steps, with {n} waiting {least[photos, 'no']}")


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Stations, their hub and the network, in worlds made from numbers.")
    parser.add_argument("--seeds", type=int, default=200, help="how many worlds")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one's number")
    parser.add_argument("--steps", type=int, default=STEPS, help="how much happens in each before all is healed")
    parser.add_argument("--tell", action="store_true", help="tell each world step by step")
    parser.add_argument("--bugs", action="store_true", help="plant each known bug instead, and see that it is found")
    parser.add_argument("--backlog", type=int, default=0, help="what saving costs while so many units wait, instead")
    asked = parser.parse_args(words)
    seeds = range(asked.first, asked.first + asked.seeds)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        made = prepare(Path(folder))
        begun = time.monotonic()
        if asked.backlog:
            backlog(made, asked.backlog, print)
            return 0
        if asked.bugs:
            for bug in BUGS:
                shown = found(bug, made, seeds)
                failed += shown is None
                print(f"{bug}: " + ("NOT FOUND" if shown is None else f"world {shown[0]}, {shown[1]}"), flush=True)
            return 1 if failed else 0
        for seed in seeds:
            try:
                run(seed, made, print if asked.tell else lambda _: None, asked.steps)
            except Violation as violation:
                failed += 1
                print(f"world {seed}: {violation}", flush=True)
        spent = time.monotonic() - begun
    print(f"{asked.seeds} worlds, {failed} failed, {spent / max(1, asked.seeds) * 1000:.0f} ms each")
    return 1 if failed else 0


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    raise SystemExit(main(sys.argv[1:]))
