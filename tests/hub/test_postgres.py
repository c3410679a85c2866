"""A hub on PostgreSQL: several processes at once lose nothing and decide alike; what breaks is said and leaves no half.

Fault numbers are those of sync.md §3.2.
"""

import inspect
import itertools
import random
import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from fastapi.testclient import TestClient
from sqlalchemy import NullPool, create_engine
from typer.testing import CliRunner

from inspect_station.cli import app
from inspect_station.core import wire
from inspect_station.core.ids import uuid7
from inspect_station.core.records import (
    Disposition,
    Event,
    Grade,
    Inspection,
    Line,
    Product,
    Rma,
    compact,
    instant,
)
from inspect_station.core.wire import Receipt
from inspect_station.errors import StoreError, StoreLocked
from inspect_station.hub import Hub, add_station, begin_epoch, epoch, intake, load
from inspect_station.hub.admin import secret_hash
from inspect_station.hub.app import create_app
from inspect_station.hub.ledger import START, Caller, Ledger, Place
from inspect_station.reports.daily import daily
from inspect_station.resources import resource
from inspect_station.store import Reader, postgres, schema
from inspect_station.store.hub_tables import HubEvent
from inspect_station.store.postgres import translated
from inspect_station.store.writer import revision_row

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
LAMP = "03760311300165"

_numbers = itertools.count(1)


def _id() -> str:
    return uuid7(1_795_000_000_000 + next(_numbers), bytes(10))


class Dock:
    """A station, and the hub that it happens to reach."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.epoch, self.seq = _id(), 0
        code, token = secret_hash(_id()), secret_hash(_id())
        with hub.write() as ledger:
            ledger.add_code(code, "main", name)
            ledger.enrol(code, token, epoch=self.epoch, block="")
            found = ledger.caller(token)
        assert found is not None
        self.caller: Caller = found

    def line(self, type: str, body: dict[str, Any], id: str = "") -> str:
        self.seq += 1
        event = Event(
            id=id or _id(),
            epoch=self.epoch,
            seq=self.seq,
            prev_sha256="",
            type=type,
            schema=1,
            occurred_at=NOON,
            tz="Europe/Paris",
            boot="b",
            mono_ms=self.seq,
            operator="ana",
            body=body,
        )
        return event.line()

    def finished(self, unit: Inspection, id: str = "") -> str:
        return self.line("inspection.finished", unit.model_dump(mode="json"), id)

    def send(self, hub: Hub, *lines: str) -> list[Receipt]:
        arrivals = [intake.read(line) for line in lines]
        return hub.change(lambda ledger: ledger.ingest(self.caller, arrivals))[0]


def _unit(rma: str = "R-1", grade: Grade = Grade.NEW, **changes: Any) -> Inspection:
    id = changes.pop("id", _id())
    unit = Inspection(
        id=id,
        lpn=f"L{id[-6:]}{next(_numbers)}",
        station="DOCK",
        parcel="",
        seller="lumo",
        rma=rma,
        line=Line(no=1, gtin=LAMP),
        started_at=NOON,
        grade=grade,
        disposition=Disposition.RESTOCK if grade is Grade.NEW else Disposition.CLEARANCE,
        finished_at=NOON,
    )
    return unit.but(**changes)


def _rows(hub: Hub, sql: str) -> list[tuple[Any, ...]]:
    with hub.read() as ledger:
        return [tuple(row) for row in ledger._rows(sql)]


def _one(hub: Hub, sql: str) -> Any:
    return _rows(hub, sql)[0][0]


@pytest.fixture
def replica(database: str, tmp_path: Path) -> Iterator[Callable[[], Hub]]:
    """Opens one hub more on the same database."""
    hubs: list[Hub] = []

    def open_() -> Hub:
        hubs.append(Hub.open(tmp_path / "hub", database))
        return hubs[-1]

    yield open_
    for hub in hubs:
        hub.close()


@pytest.fixture
def hub(replica: Callable[[], Hub]) -> Hub:
    return replica()


def _at_once(*steps: Callable[[], object]) -> list[Any]:
    with ThreadPoolExecutor(len(steps)) as pool:
        started = [pool.submit(step) for step in steps]
        return [each.result(timeout=60) for each in started]


# ── The tables ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _engine(server: Any, name: str) -> Any:
    return create_engine("postgresql+psycopg://", creator=lambda: server.connect(name), poolclass=NullPool)


def _ours(name: str | None, kind: str, parents: object) -> bool:
    """SQLite numbers its rows by itself."""
    return not (kind in ("column", "unique_constraint") and name and "rowid" in name)


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_from_empty_the_migrations_make_exactly_the_tables(server: Any, template: str) -> None:
    with _engine(server, template).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": _ours})
        assert compare_metadata(context, HubEvent.metadata) == []


@pytest.mark.parametrize("revision", ["0001", "0002", "0003", "0004", "0005"])
def test_a_database_of_an_older_revision_is_brought_to_the_newest(server: Any, tmp_path: Path, revision: str) -> None:
    name = server.make()
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")))
    with _engine(server, name).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        connection.commit()
    with server.connect(name) as connection:
        rma = Rma(seller="lumo", number="R-1", customer="c7", lines=(Line(no=1, gtin=LAMP, quantity=3),))
        body = rma.model_dump_json().replace("'", "''")
        connection.execute(
            "INSERT INTO rma (seller, number, order_no, tracking, site, closed, origin, version, body) "
            f"VALUES ('lumo', 'R-1', '', '', '', false, 'hub', 1, '{body}')"
        )
        connection.execute(
            "INSERT INTO rma_line (seller, number, no, gtin, quantity, serial) VALUES ('lumo', 'R-1', 1, 'x', 3, 'SN1')"
        )
        if revision > "0001":
            connection.execute("INSERT INTO hub_change VALUES ('main', 'rma', 'k', 41, 7, 'upsert', '{}', '2026')")
    with Hub.open(tmp_path, server.url(name)) as hub:
        assert _rows(hub, "SELECT version_num FROM alembic_version") == [(schema.newest(),)]
        with hub.write() as ledger:
            assert ledger.open_count("lumo", "R-1", 1) == 3
            assert ledger.rmas_by("SN1") == (rma,)
            ledger.publish_product("main", Product(seller="lumo", gtin=LAMP, title="Lamp"))
        expected = [41, 42] if revision > "0001" else [1]
        assert [seq for (seq,) in _rows(hub, "SELECT seq FROM hub_change ORDER BY seq")] == expected


def test_what_events_said_of_a_clock_goes_into_their_units(server: Any, tmp_path: Path) -> None:
    """Revision 0012, of a hub; and a hub of the version before may go on writing beside this one for a while."""
    name = server.make()
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")))
    with _engine(server, name).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0011")
        connection.commit()

    def kept(unit: Inspection, event: str, **marks: object) -> None:
        row = revision_row(unit, event)
        old = {key: value for key, value in row.items() if key not in ("corrected_at", "clock_suspect")}
        body = {key: value for key, value in unit.model_dump(mode="json").items() if not key.startswith("clock_")}
        old["body"] = compact(body)
        line = compact({"id": event, "body": {**body, **marks}})
        sql = "INSERT INTO {0} ({1}) SELECT {1} FROM json_populate_recordset(NULL::{0}, %s)"
        event_row = {"tenant": "main", "id": event, "station": "s", "epoch": "e", "seq": len(line), "line": line}
        event_row |= {"sha256": "", "received_at": "", "status": "accepted", "code": "", "subject": unit.id}
        event_row |= {"type": "inspection.finished", "revision": 1}
        with server.connect(name) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute(sql.format("hub_event", ", ".join(event_row)), (compact([event_row]),))
            connection.execute("SET session_replication_role = origin")
            connection.execute(sql.format("inspection", ", ".join(old)), (compact([old]),))

    plain, slow, beside = (_unit(f"R-{n}") for n in range(3))
    kept(plain, "event-1")
    kept(slow, "event-2", clock_ahead_s=-86_401, clock_suspect=True)
    with Hub.open(tmp_path, server.url(name)) as hub:
        kept(beside, "event-3", clock_ahead_s=-86_401)
        found = _rows(hub, "SELECT id, corrected_at, clock_suspect, body FROM inspection ORDER BY event_id")
        assert [tuple(row)[:3] for row in found] == [
            (plain.id, instant(NOON), False),
            (slow.id, instant(NOON + timedelta(seconds=86_401)), True),
            (beside.id, instant(NOON), False),
        ]
        assert Inspection.model_validate_json(found[1][3]) == slow.but(clock_ahead_s=-86_401, clock_suspect=True)
        for change in ("corrected_at = '2026'", "clock_suspect = false", "body = ''", "finished_at = ''"):
            with pytest.raises(sqlite3.IntegrityError), hub.write() as ledger:
                ledger._do(f"UPDATE inspection SET {change}")


def test_a_partitioned_table_of_facts_serves_as_the_manual_says(server: Any, template: str, tmp_path: Path) -> None:
    manual = (Path(__file__).parents[2] / "docs" / "hub.md").read_text(encoding="utf-8")
    (sql,) = re.findall(r"```sql\n(.*?)```", manual, re.DOTALL)
    name = server.make(template)
    if server.version() < 17:
        pytest.skip("identity columns of partitioned tables need PostgreSQL 17")
    with Hub.open(tmp_path, server.url(name)) as hub:
        dock = Dock(hub, "DOCK-1")
        before = [dock.finished(_unit(f"R-{n}")) for n in range(3)]
        dock.send(hub, *before)
    with server.connect(name) as connection:
        connection.execute(sql)
        bounds = [
            connection.execute("SELECT to_hex((extract(epoch FROM %s::timestamptz) * 1000)::bigint)", (at,)).fetchone()
            for at in ("2026-11-01Z", "2026-12-01Z", "2027-01-01Z")
        ]
    for (bound,) in bounds:
        assert f"'0{bound[:7]}-{bound[7:]}'" in sql
    with Hub.open(tmp_path, server.url(name)) as hub:
        told = [receipt.status.value for receipt in dock.send(hub, *before, dock.finished(_unit("R-0", Grade.USED)))]
        assert told == ["duplicate"] * 3 + ["accepted"], "its own second unit"
        other = Dock(hub, "DOCK-2")
        assert other.send(hub, other.finished(_unit("R-1", Grade.USED)))[0].code == "line_conflict"
        assert _one(hub, "SELECT count(*) FROM ONLY hub_event_2026_11") == 5
        with pytest.raises(sqlite3.IntegrityError), hub.write() as ledger:
            ledger._do("DELETE FROM hub_event")


def test_several_that_start_at_once_make_the_tables_once(server: Any, tmp_path: Path) -> None:
    url = server.url(server.make())
    hubs = _at_once(*[lambda: Hub.open(tmp_path, url)] * 4)
    assert len({hub.epoch for hub in hubs}) == 1
    assert hubs[0].epoch
    for hub in hubs:
        hub.close()


def test_a_database_of_a_newer_program_is_left_alone(server: Any, template: str, tmp_path: Path) -> None:
    name = server.make(template)
    with server.connect(name) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9000'")
    with pytest.raises(StoreError, match="has revision 9000"):
        Hub.open(tmp_path, server.url(name))


def test_texts_are_compared_byte_by_byte_whatever_the_language_of_the_database(hub: Hub) -> None:
    """Of every column of every table; a server may know no language but C, so that an order would prove nothing."""
    found = _rows(
        hub,
        "SELECT DISTINCT data_type, collation_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND data_type IN ('text', 'character varying')",
    )
    assert found == [("character varying", "C")]


@pytest.mark.parametrize(
    ("sqlite", "postgresql"),
    [
        ("a = ? AND b = ? AND c = ?", "a = $1 AND b = $2 AND c = $3"),
        ("a = ?1 AND b = ?2 OR c = ?1", "a = $1 AND b = $2 OR c = $1"),
        ("a > (?, ?) AND b < ? AND (?4 = '' OR c = ?4)", "a > ($1, $2) AND b < $3 AND ($4 = '' OR c = $4)"),
        ("FROM rma r CROSS JOIN rma_line l ON l.no = r.no", "FROM rma r JOIN rma_line l ON l.no = r.no"),
        ("FROM (SELECT 1) CROSS JOIN rma ON true", "FROM (SELECT 1) JOIN rma ON true"),
        ("FROM label INDEXED BY ix_label WHERE a LIKE ?", "FROM label WHERE a ILIKE $1"),
        ("WHERE type LIKE 'inspection.%'", "WHERE type LIKE 'inspection.%'"),
    ],
)
def test_a_statement_in_the_words_of_postgresql(sqlite: str, postgresql: str) -> None:
    assert translated(sqlite) == postgresql


# ── The same answers ─────────────────────────────────────────────────────────────────────────────────────────────────

_ONLY_AT_A_BENCH = {"awaited", "is_of_finished", "lost", "on_box"}
"""A hub has no parcels and prints nothing: only a station asks this."""
_ASKED: dict[str, Any] = {
    "text": "mp 10", "code": "R-7", "number": "R-7", "seller": "lumo", "gtin": LAMP, "serial": "SN-3", "lpn": "L-3",
    "line_no": 1, "n": 3, "since": NOON - timedelta(days=1), "start": NOON - timedelta(days=1),
    "end": NOON + timedelta(days=1), "customer": "c1", "sha256": "ab", "id": "x", "key": "epoch", "parcel": "p",
    "inspection": "x", "kind": "restock", "inspections": ["x"], "batch": "b", "route": "return", "epoch": "e",
    "before": NOON, "rma": "R-7", "line": 1,
}  # fmt: skip


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, each in vars(Reader).items()
        if callable(each) and not name.startswith("_") and name not in _ONLY_AT_A_BENCH
    ),
)
def test_every_question_has_the_same_answer_on_both_databases(filled: tuple[Hub, Hub], name: str) -> None:
    asked = inspect.signature(getattr(Reader, name)).parameters
    values = {key: _ASKED[key] for key, each in asked.items() if key != "self" and each.default is each.empty
              and each.kind is each.POSITIONAL_OR_KEYWORD}  # fmt: skip
    if name == "labels":
        given: Sequence[Any] = ["queued", "parked"]
    elif name == "label":
        given, values = [1], {}
    else:
        given = []
    answers = []
    for hub in filled:
        with hub.read() as ledger:
            answer = getattr(ledger, name)(*given, **values)
            answers.append(list(answer) if inspect.isgenerator(answer) else answer)
    if name == "meta":
        assert all(answers)
    else:
        assert answers[0] == answers[1]


@pytest.fixture(scope="module")
def filled(
    server: Any, template: str, empty: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Hub, Hub]]:
    """A hub on SQLite and one on PostgreSQL that heard the same."""
    at = NOON

    def clock() -> datetime:
        return at

    folder = tmp_path_factory.mktemp("filled")
    import shutil

    shutil.copytree(empty, folder / "sqlite")
    hubs = (
        Hub.open(folder / "sqlite", clock=clock),
        Hub.open(folder / "pg", server.url(server.make(template)), clock=clock),
    )
    rng = random.Random(7)
    records: list[Product | Rma] = [
        Product(seller="lumo", gtin=LAMP, title="Lampe Émile 100", sku="LMP-100"),
        *(
            Rma(seller="lumo", number=f"R-{n}", order=f"O-{n}", customer=f"c{n % 3}",
                lines=(Line(no=1, gtin=LAMP, quantity=1 + n % 2, serial=f"sn-{n}", title="Lamp"),))
            for n in range(20)
        ),
    ]  # fmt: skip
    units = [
        _unit(f"R-{n % 15}", rng.choice(list(Grade)), lpn=f"L-{n}", serial=f"SN-{n}" if n % 2 else "",
              finished_at=NOON - timedelta(minutes=n), operator=rng.choice(["ana", "ben"]))
        for n in range(40)
    ]  # fmt: skip
    story: list[tuple[int, str]] = []
    docks = [Dock(hubs[0], f"DOCK-{n}") for n in range(2)]
    for unit in units:
        dock = rng.randrange(2)
        story.append((dock, docks[dock].finished(unit)))
        if rng.random() < 0.3 and unit.serial != "SN-3":
            body = {"inspection": unit.id, "lpn": unit.lpn, "revision": 2, "reason": "undo"}
            story.append((dock, docks[dock].line("inspection.voided", body)))
            if rng.random() < 0.5:
                again = unit.but(revision=3, grade=Grade.USED)
                story.append((dock, docks[dock].line("inspection.amended", again.model_dump(mode="json"))))
    story.append((0, docks[0].line("inspection.finished", {"not": "a unit"})))
    rng.shuffle(story)
    receipts = []
    for hub in hubs:
        here = docks if hub is hubs[0] else [Dock(hub, f"DOCK-{n}") for n in range(2)]
        load(hub, records)
        told = []
        for at_ in range(0, len(story), 7):
            for number in range(2):
                lines = [line for dock, line in story[at_ : at_ + 7] if dock == number]
                told += here[number].send(hub, *lines) if lines else []
        receipts.append(told)
    assert receipts[0] == receipts[1]
    assert len({receipt.code for receipt in receipts[0]}) > 3
    yield hubs
    for hub in hubs:
        hub.close()


def test_reports_stations_and_what_is_parked_are_the_same_on_both_databases(filled: tuple[Hub, Hub]) -> None:
    day = NOON.date()
    found = []
    for hub in filled:
        with hub.read() as ledger:
            rows = ledger.graded(NOON - timedelta(days=1), NOON + timedelta(days=1))
            report = daily("HUB", day, day, rows)
            lines = ledger._rows("SELECT seller, number, no, open FROM rma_line ORDER BY 1, 2, 3")
            found.append((report, ledger.stations(), ledger.parked(), [tuple(line) for line in lines]))
    assert found[0] == found[1]
    assert len(found[0][2]) == 1
    assert len({line[3] for line in found[0][3]}) > 1, "lines that are full and lines that are not"


def test_the_questions_above_do_find_something(filled: tuple[Hub, Hub]) -> None:
    with filled[1].read() as ledger:
        assert len(ledger.search("SN-1")) > 3
        assert ledger.search("emile")
        assert ledger.tally(NOON - timedelta(days=1), NOON + timedelta(days=1)).units > 20
        assert ledger.with_serial("SN-3", LAMP)
        assert ledger.lines_of_gtin(LAMP)
        assert ledger.returns_of("lumo", "c1", NOON - timedelta(days=1))


# ── Several at once ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_overlapping_sends_through_several_replicas_make_one_row_of_each_fact(
    hub: Hub, replica: Callable[[], Hub]
) -> None:
    """Eight connections, every fact sent by two stations of one copied store and again and again."""
    hubs = [hub, replica(), replica(), replica()]
    docks = [Dock(hub, f"DOCK-{n}") for n in range(8)]
    lines = [docks[0].finished(_unit(f"R-{n}")) for n in range(300)]
    told: list[Counter[str]] = []

    def sender(number: int) -> None:
        rng = random.Random(number)
        mine: Counter[str] = Counter()
        for _ in range(12):
            batch = rng.sample(lines, 60)
            mine.update(receipt.status.value for receipt in docks[number].send(hubs[number % 4], *batch))
        told.append(mine)

    _at_once(*[lambda n=n: sender(n) for n in range(8)])
    total = sum(told, Counter[str]())
    assert sum(total.values()) == 8 * 12 * 60
    assert (
        _one(hub, "SELECT count(*) FROM hub_event") == _one(hub, "SELECT count(*) FROM inspection") == total["accepted"]
    )
    assert total["accepted"] + total["duplicate"] == 8 * 12 * 60
    assert total["accepted"] == 300
    assert _one(hub, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == 0


def test_two_docks_on_the_same_lines_at_once_one_of_each_pair_hears_of_the_conflict(
    hub: Hub, replica: Callable[[], Hub]
) -> None:
    """40. Whatever the order in which the two requests come, they cannot both be the first."""
    other = replica()
    here, there = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    rmas = [f"R-{n}" for n in range(150)]
    mine = [here.finished(_unit(rma)) for rma in rmas]
    theirs = [there.finished(_unit(rma, Grade.USED)) for rma in reversed(rmas)]
    ready = threading.Barrier(2)

    def send(dock: Dock, through: Hub, lines: list[str]) -> list[Receipt]:
        told = []
        for at in range(0, 150, 10):
            ready.wait(20)
            told += dock.send(through, *lines[at : at + 10])
        return told

    first, second = _at_once(lambda: send(here, hub, mine), lambda: send(there, other, theirs))
    statuses = [{a.status.value, b.status.value} for a, b in zip(first, reversed(second), strict=True)]
    assert statuses == [{"accepted", "conflict_recorded"}] * 150


def test_a_unit_and_its_undoing_that_come_at_once_from_two_copies_of_a_store_are_shown_undone(
    hub: Hub, replica: Callable[[], Hub]
) -> None:
    other = replica()
    here, copy = Dock(hub, "DOCK-1"), Dock(hub, "DOCK-2")
    ready = threading.Barrier(2)

    def send(dock: Dock, through: Hub, lines: list[str]) -> None:
        for line in lines:
            ready.wait(20)
            dock.send(through, line)

    units = [_unit(f"R-{n}") for n in range(60)]
    voids = [
        copy.line("inspection.voided", {"inspection": unit.id, "lpn": unit.lpn, "revision": 2, "reason": "x"})
        for unit in units
    ]
    _at_once(lambda: send(here, hub, [here.finished(unit) for unit in units]), lambda: send(copy, other, voids))
    assert _rows(hub, "SELECT count(*) FROM inspection WHERE current AND voided_at IS NOT NULL") == [(60,)]


def test_what_is_announced_while_units_of_it_come_in_is_counted_right(hub: Hub, replica: Callable[[], Hub]) -> None:
    other, dock = replica(), Dock(hub, "DOCK-1")

    def announce(ready: threading.Event, quantity: int) -> None:
        def step(ledger: Ledger) -> None:
            rma = Rma(seller="lumo", number="R-1", lines=(Line(no=1, gtin=LAMP, quantity=quantity),))
            ledger.publish_rma("main", rma)
            ready.set()
            time.sleep(0.05)  # the lines are made and counted anew, and nobody else can see them yet

        other.change(step)

    def inspect_(ready: threading.Event) -> None:
        ready.wait(20)
        dock.send(hub, dock.finished(_unit()))

    for units in range(1, 6):
        ready = threading.Event()
        _at_once(lambda ready=ready, units=units: announce(ready, 50 + units), lambda ready=ready: inspect_(ready))  # type: ignore[misc]
        assert _rows(hub, "SELECT quantity, open FROM rma_line") == [(50 + units, 50)]


def test_the_feed_misses_nothing_under_six_writers_and_versions_rise(hub: Hub, replica: Callable[[], Hub]) -> None:
    """44. Numbers that were given out earlier may be committed later; a reader must not pass them."""
    hubs = [hub, replica(), replica()]
    done = threading.Event()
    rng = random.Random(5)
    pauses = [rng.uniform(0, 0.004) for _ in range(1000)]

    def write(number: int) -> None:
        for n in range(60):
            product = Product(seller=f"s{number}", gtin=f"{n % 40:014}", title=f"{n}")

            def publish(ledger: Ledger, product: Product = product, n: int = n) -> None:
                ledger.publish_product("main", product)
                time.sleep(pauses[number * 60 + n])  # holds the commit up, so that others overtake

            hubs[number % 3].change(publish)

    def read() -> dict[str, list[tuple[int, str]]]:
        seen: dict[str, list[tuple[int, str]]] = {}
        place = START
        while True:
            last_look = done.is_set()
            with hubs[2].read() as ledger:
                rows = ledger.changes("main", ["catalogue"], place, 20)
            for row in rows:
                seen.setdefault(row["key"], []).append((row["version"], row["body"]))
                place = Place(row["xid"], row["seq"])
            if last_look and not rows:
                return seen

    with ThreadPoolExecutor(8) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for writer in [pool.submit(write, number) for number in range(6)]:
            writer.result(timeout=60)
        done.set()
        found = [reader.result(timeout=60) for reader in readers]
    kept = {key: (version, body) for key, version, body in _rows(hub, "SELECT key, version, body FROM hub_change")}
    assert len(kept) == 240
    for seen in found:
        assert {key: versions[-1] for key, versions in seen.items()} == kept
        assert all(versions == sorted(set(versions)) for versions in seen.values())


# ── Restored ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_restored_copy_begins_a_new_epoch_and_tells_its_feed_from_the_start(server: Any, tmp_path: Path) -> None:
    """37. A dump that is put back is another database."""
    name = server.make()
    with Hub.open(tmp_path, server.url(name)) as hub:
        before = hub.epoch
        load(hub, [Product(seller="lumo", gtin=LAMP, title="Lamp")])
        with hub.write() as ledger:  # as if by a cluster that had counted further
            ledger._do("UPDATE hub_change SET xid = xid + 1000000")
    with Hub.open(tmp_path, server.url(name)) as hub:
        assert hub.epoch == before, "started again, it is the same"
    with Hub.open(tmp_path, server.url(server.make(name))) as hub, hub.read() as ledger:
        assert hub.epoch != before
        assert len(ledger.changes("main", ["catalogue"], START, 10)) == 1


def test_a_new_epoch_is_known_to_all_replicas_before_they_answer(hub: Hub, replica: Callable[[], Hub]) -> None:
    other = replica()
    client = TestClient(create_app(hub))
    before = client.get("/v1/readyz").json()["hub_epoch"]
    begun = other.store.begin_epoch()
    assert begun != before
    assert client.get("/v1/readyz").json()["hub_epoch"] == begun


# ── Faults ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_deadlocked_steps_are_done_again(hub: Hub, replica: Callable[[], Hub]) -> None:
    """35. One of the two is taken back by the database; done again, both are there."""
    other = replica()
    with hub.write() as ledger:
        ledger.set_meta("a", "")
        ledger.set_meta("b", "")
    met = threading.Barrier(2)

    def step(keys: str, tried: list[int]) -> Callable[[Ledger], None]:
        def write(ledger: Ledger) -> None:
            tried.append(1)
            for number, key in enumerate(keys):
                ledger._do("UPDATE meta SET value = value || ? WHERE key = ?", keys[0], key)
                if number == 0 and len(tried) == 1:
                    met.wait(20)

        return write

    tries: tuple[list[int], list[int]] = ([], [])
    _at_once(lambda: hub.change(step("ab", tries[0])), lambda: other.change(step("ba", tries[1])))
    assert sorted(len(each) for each in tries) == [1, 2], "no deadlock came about"
    found = dict(_rows(hub, "SELECT key, value FROM meta WHERE key IN ('a', 'b')"))
    assert {key: sorted(value) for key, value in found.items()} == {"a": ["a", "b"], "b": ["a", "b"]}


def test_a_step_that_is_always_taken_back_is_given_up_as_busy(hub: Hub) -> None:
    tried = []

    def step(ledger: Ledger) -> None:
        tried.append(1)
        ledger._do("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = 'serialization_failure'; END $$")

    with pytest.raises(StoreLocked):
        hub.change(step)
    assert len(tried) == 5


def _post(client: TestClient, token: str, *lines: str) -> Any:
    headers = {"authorization": f"Bearer {token}", "content-type": wire.NDJSON}
    return client.post("/v1/events", content="\n".join(lines), headers=headers)


@pytest.fixture
def client(hub: Hub) -> TestClient:
    return TestClient(create_app(hub), raise_server_exceptions=False)


@pytest.fixture
def token(client: TestClient, database: str, tmp_path: Path) -> str:
    code = add_station(tmp_path / "hub", "DOCK-9", database=database)
    granted = client.post("/v1/stations/enrol", json={"code": code, "epoch": _id(), "block": ""})
    assert granted.status_code == 201
    answer: str = granted.json()["token"]
    return answer


@pytest.mark.parametrize(
    ("state", "status"),
    [
        pytest.param("40001", 503, id="serialization failure (35)"),
        pytest.param("40P01", 503, id="deadlock (35)"),
        pytest.param("53300", 503, id="out of connections (34)"),
        pytest.param("55P03", 503, id="a row that somebody holds"),
        pytest.param("57P01", 503, id="shut down (34)"),
        pytest.param("25006", 503, id="a standby that takes no writes (34)"),
        pytest.param("53100", 507, id="disk full (36)"),
    ],
)
def test_what_the_database_cannot_do_is_answered_with_come_back_and_nothing_is_applied(
    hub: Hub, client: TestClient, token: str, state: str, status: int
) -> None:
    """The error arises in the last statement, when everything else is done."""
    with hub.write() as ledger:
        ledger._do(
            f"CREATE OR REPLACE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN RAISE EXCEPTION 'broken' USING ERRCODE = '{state}'; END $$"
        )
        ledger._do("CREATE TRIGGER broken BEFORE INSERT OR UPDATE ON hub_epoch EXECUTE FUNCTION broken()")
    dock = Dock.__new__(Dock)
    dock.epoch, dock.seq = _id(), 0
    line = dock.finished(_unit())
    answer = _post(client, token, line)
    assert answer.status_code == status
    assert status == 507 or int(answer.headers["retry-after"]) > 0
    assert _one(hub, "SELECT count(*) FROM hub_event") == _one(hub, "SELECT count(*) FROM inspection") == 0
    with hub.write() as ledger:
        ledger._do("DROP TRIGGER broken ON hub_epoch")
    assert _post(client, token, line).json()["receipts"][0]["status"] == "accepted"


def test_an_error_that_nobody_expected_is_parked_with_its_line_alone(hub: Hub) -> None:
    dock = Dock(hub, "DOCK-1")
    bad = _unit("R-2")
    with hub.write() as ledger:
        ledger._do(f"ALTER TABLE inspection ADD CONSTRAINT none CHECK (lpn <> '{bad.lpn}')")
    lines = [dock.finished(_unit("R-1")), dock.finished(bad), dock.finished(_unit("R-3"))]
    told = [(receipt.status.value, receipt.code) for receipt in dock.send(hub, *lines)]
    assert told == [("accepted", ""), ("rejected", "internal_error"), ("accepted", "")]
    assert _rows(hub, "SELECT count(*) FROM hub_event") == [(2,)]
    with hub.write() as ledger:
        assert [row["code"] for row in ledger.parked()] == ["internal_error"]
        ledger._do("ALTER TABLE inspection DROP CONSTRAINT none")


def test_a_failed_statement_that_somebody_passed_over_is_not_committed_in_silence(hub: Hub) -> None:
    with pytest.raises(RuntimeError), hub.write() as ledger:
        ledger.set_meta("a", "1")
        with pytest.raises(sqlite3.IntegrityError):
            ledger._do("INSERT INTO meta (key, value) VALUES ('a', '2')")
    assert _rows(hub, "SELECT count(*) FROM meta WHERE key = 'a'") == [(0,)]


def test_what_is_only_looked_at_cannot_be_changed(hub: Hub) -> None:
    with pytest.raises(StoreError), hub.read() as ledger:
        ledger.set_meta("a", "1")


def test_what_is_confirmed_is_on_the_disk_whatever_the_server_is_set_to(
    server: Any, template: str, tmp_path: Path
) -> None:
    name = server.make(template)
    with server.connect() as connection:
        connection.execute(f"ALTER DATABASE {name} SET synchronous_commit = off")
    with Hub.open(tmp_path, server.url(name)) as hub:
        assert _one(hub, "SELECT current_setting('synchronous_commit')") == "on"


def _kill_sessions(server: Any, but: Sequence[int] = ()) -> int:
    with server.connect() as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND pid <> ALL(%s)",
            (postgres.NAME, list(but)),
        ).fetchall()
    return len(rows)


def test_a_session_that_is_ended_in_mid_step_leaves_nothing_and_the_step_is_done_again(server: Any, hub: Hub) -> None:
    """33, 34."""
    tried: list[int] = []

    def step(ledger: Ledger) -> None:
        ledger.set_meta("a", str(len(tried)))
        tried.append(1)
        if len(tried) == 1:
            assert _kill_sessions(server) >= 1
        ledger.set_meta("b", "")

    hub.change(step)
    assert len(tried) == 2
    assert _rows(hub, "SELECT value FROM meta WHERE key = 'a'") == [("1",)]


def test_sessions_that_were_ended_while_nobody_used_them_are_not_noticed(server: Any, hub: Hub) -> None:
    _at_once(*[lambda: _one(hub, "SELECT pg_sleep(0.1)")] * 4)
    assert _kill_sessions(server) >= 4
    assert _one(hub, "SELECT 1") == 1


def test_a_server_without_a_connection_to_spare_is_busy(server: Any, template: str, tmp_path: Path) -> None:
    """34. A connection limit binds only those who are no superusers."""
    name, role = server.make(template), f"inspect_station_{next(_numbers)}"
    with server.connect(name) as connection:
        connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute(f"ALTER DATABASE {name} OWNER TO {role}")
        connection.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}")
        connection.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}")
    try:
        with Hub.open(tmp_path, server.url(name, user=role)) as one:
            # Only now: what opening has hung up the server may still count for a moment.
            with server.connect(name) as connection:
                connection.execute(f"ALTER ROLE {role} CONNECTION LIMIT 1")
            with one.read(), pytest.raises(StoreLocked), one.read():
                pass
    finally:
        with server.connect(name) as connection:
            connection.execute(f"ALTER DATABASE {name} OWNER TO CURRENT_USER")
            connection.execute(f"DROP OWNED BY {role}")
            connection.execute(f"DROP ROLE {role}")


def test_when_all_connections_of_a_process_are_in_use_one_more_is_told_so(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "PATIENCE", 0.05)
    monkeypatch.setattr(hub.store, "_turns", threading.Semaphore(1))
    with hub.read(), pytest.raises(StoreLocked), hub.read():
        pass
    assert _one(hub, "SELECT 1") == 1


@pytest.mark.parametrize("url", ["postgresql+psycopg://nobody@127.0.0.1:1/hub", "postgresql+psycopg:///hub?nonsense=1"])
def test_a_database_that_cannot_be_reached_is_said_so_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError) as told:
        Hub.open(tmp_path, url.replace("nobody@", "nobody:s3cret@"))
    assert "s3cret" not in str(told.value)
    assert "took the last step back" not in str(told.value), "nothing was begun"


# ── From the command line ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_verbs_of_a_hub_work_on_a_database_that_the_environment_names(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSPECT_STATION_DATABASE", database)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "products.csv").write_text("gtin,seller,title\n3760311300165,lumo,Oak desk lamp\n")
    run = CliRunner().invoke

    def said(*words: str) -> str:
        result = run(app, ["hub", *words])
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    assert len(said("station", "DOCK-1").split("-")) == 4
    said("import", "products", "products.csv")
    assert '"parked": []' in said("parked", "--json")
    before = said("epoch")
    assert before == said("epoch")
    begun = said("epoch", "--new")
    assert begun != before
    assert said("epoch") == begun
    with Hub.open(tmp_path / "other", database) as hub, hub.read() as ledger:
        assert ledger.product("lumo", LAMP) is not None
        assert [row["name"] for row in ledger.stations()] == []
        assert hub.epoch == begun
    assert not (tmp_path / "hub-data" / "store.db").exists()


@pytest.mark.parametrize(
    "address", ["postgresql://hub@db/hub", "mysql://db/hub", "hub.db", "postgresql+psycopg://u:p%zz@db"]
)
def test_an_address_of_another_kind_is_named_and_not_shown(tmp_path: Path, address: str) -> None:
    with pytest.raises(StoreError, match="--database, INSPECT_STATION_DATABASE") as told:
        Hub.open(tmp_path, address)
    assert address not in f"{told.value.title}{told.value.hint}"


def test_a_new_epoch_on_sqlite_is_begun_while_no_hub_runs(tmp_path: Path) -> None:
    with Hub.open(tmp_path, running=True) as hub:
        before = hub.epoch
        with pytest.raises(StoreLocked):
            begin_epoch(tmp_path)
    begun = begin_epoch(tmp_path)
    assert begun != before
    assert epoch(tmp_path) == begun
