"""The main job, end to end: every parcel of the demo from typed scan to screen, store, label, hub and report.

Nothing is simulated but the camera and the printer that the demo itself brings: real screens, a real store, PDF labels
read back by a second program, a real hub over HTTP.
"""

import csv
import io
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual import events

from inspect_station import config, hub
from inspect_station.core.records import Disposition, Inspection, Kind
from inspect_station.demo import build, goods
from inspect_station.demo.build import Demo
from inspect_station.reports import write
from inspect_station.station import Station, open_station
from inspect_station.store import verify
from inspect_station.tui.app import StationApp
from inspect_station.tui.scene import AtDesk

NAMES = {"Enter": "enter", "Space": "space", "F2": "f2", "F7": "f7", "Esc": "escape"}


class Clock:
    """A clock that moves a millisecond at every look, and with every key (`Hands`)."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC).replace(microsecond=0)
        self._turn = threading.Lock()

    def __call__(self) -> datetime:
        with self._turn:
            self.at += timedelta(milliseconds=1)
            return self.at


class Hands:
    """A scanner and ten fingers in front of the app: scans come in bursts of 8 ms, keys 400 ms apart."""

    def __init__(self, app: StationApp, clock: Clock) -> None:
        self.app = app
        self.clock = clock
        self.now = 1000.0

    async def _key(self, name: str, gap: float) -> None:
        self.now += gap
        event = events.Key(name, " " if name == "space" else name if len(name) == 1 else None)
        event.time = self.now
        await self.app.on_event(event)

    async def scan(self, text: str) -> None:
        """A code, ended by Enter, as a scanner types it."""
        self.now += 1.0
        for sign in text:
            await self._key(sign, 0.008)
        await self._key("enter", 0.008)
        await self.app.settled()

    async def press(self, key: str) -> None:
        """One key, and long enough for nothing to follow it."""
        # Long enough after the page was shown for Space to count.
        self.clock.at += timedelta(milliseconds=400)
        await self._key(NAMES.get(key, key), 0.4)
        self.now += 0.2
        self.app.tick(self.now)
        await self.app.settled()


@asynccontextmanager
async def at_the_desk(station: Station, badge: str, size: tuple[int, int] = (80, 24)) -> AsyncIterator[Hands]:
    """The app, signed in."""
    holder: list[Hands] = []
    app = StationApp(station, now=lambda: holder[0].now if holder else 1000.0)
    assert isinstance(station.clock, Clock)
    holder.append(Hands(app, station.clock))
    async with app.run_test(size=size):
        await holder[0].scan(badge)
        yield holder[0]


@contextmanager
def running_hub(data: Path) -> Iterator[str]:
    """A hub on a free port of this machine, in a thread."""
    import uvicorn

    from inspect_station.hub.app import create_app

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with hub.Hub.open(data, running=True) as opened:
        server = uvicorn.Server(uvicorn.Config(create_app(opened), host="127.0.0.1", port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        deadline = time.monotonic() + 10
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.02)
        assert server.started
        yield f"http://127.0.0.1:{port}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A fresh demo."""
    return build.prepare(tmp_path_factory.mktemp("main-job") / "demo")


def pressed(parcel: build.Parcel) -> tuple[int, int, int]:
    """Scans, presses of `p`, other presses (domain.md §4: S, P, K)."""
    photos = sum(key == "p" for key in parcel.keys)
    return len(parcel.scans), len(parcel.keys) - photos, photos


# kind, S, K, P: the budgets of domain.md §4
BUDGETS = {
    "sealed": (2, 1, 0),
    "opened": (2, 2, 0),
    "used": (2, 4, 1),
    "phone": (3, 8, 2),
    "phone, damaged": (3, 10, 2),
    "phone, account locked": (3, 8, 1),
    "phone, dead": (3, 3, 1),
    "damaged": (2, 5, 2),
    "defective": (2, 4, 1),
    "wrong item": (2, 2, 1),
    "empty box": (1, 2, 1),
    "unknown code": (1, 3, 2),
    "danger": (1, 1, 0),
    "consult": (2, 2, 1),
    "ineligible": (2, 2, 1),
    "next unit of the line": (1, 1, 0),
    "twelve sealed of one line": (2, 5, 0),
}


@pytest.mark.parametrize("kind", BUDGETS)
def test_a_parcel_takes_no_more_keys_than_its_budget(demo, kind):
    parcels = [parcel for parcel in demo.parcels if parcel.kind == kind]
    assert parcels, f"no parcel of kind {kind} in the demo"
    for parcel in parcels:
        counted = pressed(parcel)
        assert all(n <= most for n, most in zip(counted, BUDGETS[kind], strict=True)), (parcel, counted)


# kind, article, RMA line, keys after rma · ean (· imei), grade, disposition, K of domain.md §4 "by questions"
BY_QUESTIONS = [
    ("sealed", "charger", "Enter Enter 1", "new", "restock", 3),
    ("opened", "lamp", "Enter Enter 2 5 Enter", "opened_packaging", "clearance", 6),
    ("used", "lamp", "Enter Enter 2 4 p Enter", "used", "clearance", 7),
    ("phone", "phone", "Space 8 7 Enter Enter 4 p Space Space p Enter", "used", "clearance", 9),
    ("damaged", "chair", "Enter Enter 2 3 f Enter p p Enter", "lightly_damaged", "clearance", 8),
    ("defective", "lamp", "Enter Enter 2 1 p Enter", "defective", "return_to_seller", 6),
]


def _rma(number: str, item: goods.Goods, today: datetime, **more: str) -> bytes:
    row = {
        "rma": number,
        "seller": item.seller,
        "channel": "amazon",
        "gtin": item.ean,
        "reason": "CHANGED_MIND",
        "delivered_on": (today - timedelta(20)).date().isoformat(),
        "postmarked_on": (today - timedelta(4)).date().isoformat(),
        **more,
    }
    return f"{','.join(row)}\n{','.join(row.values())}\n".encode()


async def test_the_path_by_questions_works_and_is_within_its_budget(tmp_path):
    made = build.prepare(tmp_path / "demo")
    clock = Clock()
    with open_station(config.load(Path(made.config)), clock=clock, running=True) as station:
        async with at_the_desk(station, made.badge) as hands:
            for n, (kind, key, words, grade, disposition, most) in enumerate(BY_QUESTIONS):
                item = goods.product(key)
                serial = "356938035643809" if item.device_class else ""
                station.import_rmas(_rma(f"Q-{n}", item, clock.at, serial=serial))
                for code in (f"Q-{n}", item.ean, serial):
                    if code:
                        await hands.scan(code)
                for word in words.split():
                    await hands.press(word)
                with station.store.read() as reader:
                    unit = reader.last_finished()
                assert isinstance(hands.app.scene.place, AtDesk), (kind, hands.app.scene.banner)
                assert unit is not None and unit.rma == f"Q-{n}", kind
                assert (unit.grade, unit.disposition) == (grade, disposition), kind
                assert sum(word != "p" for word in words.split()) <= most, kind


def decoded(pdf: Path) -> set[str]:
    """What zbar reads from the rendered label."""
    import pypdfium2
    from pyzbar import pyzbar

    page = pypdfium2.PdfDocument(pdf)[0]
    image = page.render(scale=203 / 72).to_pil()
    return {code.data.decode() for code in pyzbar.decode(image)}


async def test_every_parcel_kind_from_scan_to_hub_label_and_report(tmp_path):
    pytest.importorskip("pyzbar.pyzbar", reason="libzbar0 is not installed", exc_type=ImportError)
    made = build.prepare(tmp_path / "demo")
    with running_hub(tmp_path / "hub") as url:
        with Path(made.config).open("a", encoding="utf-8") as file:
            file.write(f'\n[upstream]\nenabled = true\nurl = "{url}"\n')
        code = hub.add_station(tmp_path / "hub", "DOCK-3")
        clock = Clock()
        with open_station(config.load(Path(made.config)), clock=clock, running=True) as station:
            station.enrol(code)
            units = await _played(station, made)
            first = station.sync()
            assert (first.waiting, first.parked, first.problem) == (0, 0, None)
            assert station.sync().sent == 0, "a second push sends nothing"
            _labels_say_what_was_decided(station, made, units)
            await _the_hub_has_each_once(station, tmp_path / "hub", units)
            _the_report_counts_each_once(station, units)


async def _played(station: Station, made: Demo) -> list[Inspection]:
    """Play every parcel of the demo; the units that it left."""
    units: list[Inspection] = []
    wrong: list[str] = []
    async with at_the_desk(station, made.badge) as hands:
        for parcel in made.parcels:
            before = len(units)
            for scan in parcel.scans:
                await hands.scan(scan)
            for key in parcel.keys:
                await hands.press(key)
            while station.outbox.prints.print_once():
                pass  # as the printing thread does behind the screens
            with station.store.read() as reader:
                units = list(reversed(reader.last_units(1000)))
            new = units[before:]
            expected = (parcel.expect["grade"], parcel.expect["disposition"])
            got = {(unit.grade, unit.disposition) for unit in new}
            if not isinstance(hands.app.scene.place, AtDesk) or got != {expected}:
                place = type(hands.app.scene.place).__name__
                wrong.append(f"{parcel.kind} {parcel.title}: {got or place}, expected {expected}")
                await hands.press("Esc")
                await hands.press("Esc")
    assert not wrong, "\n".join(wrong)
    kinds = Counter(unit.kind for unit in units)
    assert {Kind.UNIT, Kind.WRONG_ITEM, Kind.EMPTY_BOX, Kind.UNKNOWN, Kind.DANGER, Kind.FORWARD} == set(kinds)
    assert len(units) == sum(12 if parcel.kind.startswith("twelve") else 1 for parcel in made.parcels)
    return units


def _labels_say_what_was_decided(station: Station, made: Demo, units: list[Inspection]) -> None:
    printed = {file.stem: file for file in Path(made.printer_dir).glob("*.pdf")}
    for unit in units:
        (job,) = station.labels_of(unit.lpn)
        assert job["state"] == "printed"
        name = f"{unit.lpn}-{job['kind']}-1"
        assert decoded(printed[name]) == {f"{unit.lpn}/1"}, name
        if unit.disposition in (Disposition.RESTOCK, Disposition.CLEARANCE):
            assert job["kind"] == unit.disposition
        else:
            assert job["kind"] not in ("restock", "clearance")


async def _the_hub_has_each_once(station: Station, data: Path, units: list[Inspection]) -> None:
    with station.store.read() as reader:
        sent = {event.id: event for event in (reader.event(reader.event_of(unit.id)) for unit in units) if event}
    assert len(sent) == len(units)
    assert {event.state for event in sent.values()} == {"accepted"}
    import sqlite3

    with sqlite3.connect(f"file:{data / 'store.db'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT id, sha256, line FROM hub_event").fetchall()
    assert verify(data / "store.db").inspections == len(units), "the hub's store is sound, and can be backed up"
    received = {id: (sha256, line) for id, sha256, line in rows}
    assert len(rows) == len(received)
    for id, event in sent.items():
        assert received[id] == (event.sha256, event.line), "the hub holds the station's bytes"
    types = Counter(json.loads(line)["type"] for _, line in received.values())
    assert types["inspection.finished"] + types["claim.opened"] == len(units)
    assert types["parcel.received"] > 50


def _the_report_counts_each_once(station: Station, units: list[Inspection]) -> None:
    day = station.report_day(station.clock())
    report = station.daily(day - timedelta(1), day)
    rows = list(csv.DictReader(io.StringIO(write.as_csv(report))))
    assert sum(int(row["units"]) for row in rows) == len(units)
    counted: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counted[row["grade"], row["disposition"]] += int(row["units"])
    assert counted == Counter((unit.grade or "", str(unit.disposition)) for unit in units)
    recovered = sum(round(float(row["recovered"] or 0) * 100) for row in rows)
    restocked = sum(unit.list_price.minor for unit in units if unit.disposition == "restock" and unit.list_price)
    cleared = sum(unit.price.minor for unit in units if unit.disposition == "clearance" and unit.price)
    assert recovered == restocked + cleared
