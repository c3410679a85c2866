"""No question of the dock costs more where the store has more in it: SQLite's own plans and its counted work."""

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspect_station import config as configuration
from inspect_station.core import inspection as life
from inspect_station.core.batches import Ending, Fate
from inspect_station.core.records import Case, Inspection, Kind, Line, Parcel, Product, Reason, Reviewed, Rma, Standing
from inspect_station.demo.build import prepare
from inspect_station.message import msg
from inspect_station.outcomes import Arrived, Finished, Opened
from inspect_station.station import open_station
from inspect_station.store import EventSpec, Reader, Store, Writer
from inspect_station.store import reader as reading

KETTLE, LAMP = "03700471002479", "05901234123457"
SELLER = "lumo"
MARK = Reason(code="signal.returns", message=msg("often"), met=False)

ASKED: dict[str, Callable[[Reader], object]] = {
    "meta": lambda reader: reader.meta("epoch"),
    "seller": lambda reader: reader.seller(SELLER),
    "product": lambda reader: reader.product(SELLER, KETTLE),
    "products": lambda reader: reader.products(KETTLE),
    "rma": lambda reader: reader.rma(SELLER, "R-00007"),
    "rmas": lambda reader: reader.rmas("R-00007"),
    "rmas_by": lambda reader: (reader.rmas_by("408-00007"), reader.rmas_by("SHARED"), reader.rmas_by("SN-SHARED")),
    "lines_of_gtin": lambda reader: (reader.lines_of_gtin(KETTLE), reader.lines_of_gtin(LAMP)),
    "open_lines": lambda reader: reader.open_lines(KETTLE, 50),
    "gtins_of": lambda reader: (reader.gtins_of("LU-1"), reader.gtins_of("SHARED")),
    "open_count": lambda reader: reader.open_count(SELLER, "R-00007", 1),
    "parcel": lambda reader: reader.parcel("p-00007"),
    "open_parcel": lambda reader: reader.open_parcel(),
    "parcel_of": lambda reader: reader.parcel_of(SELLER, "R-00007"),
    "units_in": lambda reader: reader.units_in("p-00007"),
    "awaited": lambda reader: reader.awaited(),
    "draft": lambda reader: reader.draft("L7F3K00481C"),
    "draft_of": lambda reader: (reader.draft_of("R-00007"), reader.draft_of(KETTLE)),
    "drafts_of_line": lambda reader: reader.drafts_of_line(SELLER, "R-00007", 1),
    "drafts": lambda reader: reader.drafts(),
    "inspection": lambda reader: reader.inspection("L7F3K00481C"),
    "history": lambda reader: reader.history("L7F3K00481C"),
    "units": lambda reader: reader.units(SELLER, "R-00007"),
    "with_serial": lambda reader: reader.with_serial("N/A", LAMP),
    "last_units": lambda reader: reader.last_units(8),
    "last_finished": lambda reader: reader.last_finished(),
    "claims": lambda reader: reader.claims(),
    "open_cases": lambda reader: reader.open_cases(),
    "count_open_cases": lambda reader: (reader.count_open_cases(), reader.count_open_cases(reader._clock())),
    "with_signals": lambda reader: reader.with_signals(reader._clock() - timedelta(days=7)),
    "count_with_signals": lambda reader: reader.count_with_signals(reader._clock() - timedelta(days=7)),
    "returns_of": lambda reader: reader.returns_of(SELLER, "c0ffee", reader._clock() - timedelta(days=180)),
    "batch": lambda reader: reader.batch(reader.meta("batch of the test")),
    "open_batch": lambda reader: reader.open_batch(SELLER, "return"),
    "waiting_batches": lambda reader: reader.waiting_batches(),
    "batch_of": lambda reader: reader.batch_of("x"),
    "event_of_batch": lambda reader: reader.event_of_batch("x"),
    "playbook": lambda reader: reader.playbook(SELLER),
    "last_playbook": lambda reader: reader.last_playbook(),
    "ruleset": lambda reader: reader.ruleset("ab" * 32),
    "reviews": lambda reader: reader.reviews(),
    "lpn_of": lambda reader: reader.lpn_of("x"),
    "event_of": lambda reader: reader.event_of("x"),
    "event": lambda reader: reader.event("x"),
    "tally": lambda reader: reader.tally(reader._clock() + timedelta(days=1), reader._clock() + timedelta(days=2)),
    "waiting": lambda reader: reader.waiting(),
    "pending_events": lambda reader: reader.pending_events(20),
    "parked_events": lambda reader: reader.parked_events(),
    "photos": lambda reader: reader.photos("x"),
    "photos_to_send": lambda reader: reader.photos_to_send(20),
    "photos_owed": lambda reader: reader.photos_owed(),
    "photos_parked": lambda reader: reader.photos_parked(),
    "at_hub": lambda reader: reader.at_hub(unit.id for unit in reader.last_units(8)),
    "review": lambda reader: reader.review(SELLER, "R-00001", 1),
    "disputed": lambda reader: reader.disputed(unit.id for unit in reader.last_units(8)),
    "standing_of": lambda reader: reader.standing_of("x"),
    "lost": lambda reader: [reader.lost(_superseded(unit)) for unit in reader.last_units(8)],
    "clock_ahead": lambda reader: reader.clock_ahead(),
    "now": lambda reader: reader.now(),
    "labels": lambda reader: reader.labels("queued", "printing", "parked"),
    "labels_of": lambda reader: reader.labels_of("L7F3K00481C"),
    "label": lambda reader: reader.label(1),
    "next_print_no": lambda reader: reader.next_print_no("L7F3K00481C"),
    "copies": lambda reader: reader.copies("L7F3K00481C", "clearance"),
    "on_box": lambda reader: reader.on_box("L7F3K00481C"),
    "is_of_finished": lambda reader: reader.is_of_finished(1),
    "to_scan_back": lambda reader: reader.to_scan_back(),
    "search": lambda reader: [reader.search(text) for text in ("R-000", "08-0000", "SHARED", "kettle", "zz", "0")],
}
"""What is asked while somebody stands at the bench."""


def _superseded(unit: Inspection) -> Reviewed:
    return Reviewed(station="DOCK-3", lpn=unit.lpn, inspection=unit.id, event="e", standing=Standing.SUPERSEDED)


IN_PEACE = {
    "size": "a copy is tried, a new epoch begins",
    "last_seq": "once, when the store is opened",
    "sellers": "a few dozen, when something came unannounced",
    "batches": "the command line lists the newest, done with or not",
    "batched": "the list of a batch and its end, a page of units at a time",
    "taken_out": "a supervisor looks",
    "playbooks": "once, when the station opens, and when one is activated",
    "playbook_history": "a supervisor looks",
    "graded": "reports: as long as the days that are asked for",
    "known_events": "the outbox: page by page, after the hub was restored",
    "pictures": "page by page, when the store is verified",
    "photos_erased": "the daily sweep, page by page",
    "photos_over": "the lane of photos, a few at a time",
    "days_work": "the outbox, now and then while the hub is not reached",
    "shows": "the sweep of orphaned photos",
}


def test_every_question_is_measured_or_asked_in_peace():
    questions = {name for name, what in vars(Reader).items() if callable(what) and not name.startswith("_")}
    assert questions == ASKED.keys() | IN_PEACE.keys()


def stock(store: Store, bench: Any, n: int) -> Store:
    """So many RMAs of one article; half of them done and closed; one tracking number and serial on all; what stands
    open is the same in every store."""
    with store.write() as writer:
        writer.put_product(Product(seller=SELLER, gtin=KETTLE, title="Kettle 1.7 l"))
        writer.put_product(Product(seller=SELLER, gtin=LAMP, title="Oak desk lamp"))
        for each in range(n):
            on = date(2025, 1, 1) + timedelta(days=each)
            lines = (
                Line(no=1, gtin=KETTLE, serial="SN-SHARED", requested_on=on),
                Line(no=2, gtin=LAMP, requested_on=on),
            )
            order = f"408-{each:05}"
            number = f"R-{each:05}"
            rma = Rma(seller=SELLER, number=number, order=order, tracking="SHARED", customer="c0ffee", lines=lines)
            writer.put_rma(rma.but(closed=each % 4 == 3))
            at = bench.clock() - timedelta(days=1, minutes=n - each)
            parcel = Parcel(
                id=f"p-{each:05}",
                station="DOCK-3",
                rmas=((SELLER, rma.number),),
                received_at=at,
                received_on=at.date(),
                closed_at=None if each < 5 else at,
            )
            writer.save_parcel(parcel)
            if each % 2:
                # The lamps are all done, the oldest kettles are not.
                for line in lines if each > n / 2 else lines[1:]:
                    fields: dict[str, Any] = {"serial": "N/A"}
                    if n - each < 10:
                        fields |= {"case": Case(question="price", due_at=at), "signals": (MARK,)}
                    unit = bench.done(
                        bench.unit(writer, rma=rma.number, line=line, parcel=parcel.id, **fields), finished_at=at
                    )
                    writer.finish(unit, bench.event(unit))
                    collect(writer, bench, unit, last=n - each < 4)
        writer._do("UPDATE event SET state = 'accepted' WHERE seq > 5")
        writer._do("UPDATE photo SET state = 'verified'")
        for kind in (Kind.UNIT, Kind.UNKNOWN):
            writer.save_draft(bench.unit(writer, kind=kind, rma="R-00001", parcel="p-00001"), aside=True)
    return store


def collect(writer: Writer, bench: Any, unit: Inspection, *, last: bool) -> None:
    """Into the open batch, which is closed and done with at its third unit; the last one stays open."""
    batch = writer.open_batch(SELLER, "return") or writer.begin_batch(SELLER, "return", "ana")
    writer.set_meta("batch of the test", batch.number)
    writer.join_batch(batch, unit.id, unit.lpn, "ana")
    if len(batch.units) >= 2 and not last:
        ending = Ending(fate=Fate.RETURNED, on=date(2026, 11, 22), photo="ab", by="ana", at=bench.clock())
        closed = batch.but(closed_at=bench.clock(), sealed_no=writer.next_sealed_no(), revision=1, ending=ending)
        writer.tell_batch(closed, EventSpec("batch.closed", {}, "ana", bench.clock()))


@pytest.fixture
def small(store: Store, bench) -> Store:
    return stock(store, bench, 150)


NEVER_MANY = re.compile(
    r"""SCAN\ (
        (draft|d|seller|review)\b.*                             # set aside; a few dozen merchants; open disputes
        | \S+\ USING\ (COVERING\ )?INDEX\ (ix_parcel_open|ix_inspection_(claim|case)|ix_event_unsent|ix_batch_waiting)
        | CONSTANT\ ROW | \(subquery-\d+\) | few | (m|json_each)\ VIRTUAL\ TABLE.* # of a bounded answer
        | \w+_find\ VIRTUAL\ TABLE\ INDEX\ \S*M\d.*              # a full-text match
    )""",
    re.VERBOSE,
)
PLANNED = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE)")
OF_THE_INDEX = re.compile(r"'main'\.'\w+_find_")
"""What the full-text index asks its own tables."""
NEWEST_FIRST = re.compile(r"ORDER BY rowid DESC LIMIT")
"""From the end of the table until there are enough."""


def whole_tables(connection: sqlite3.Connection, statements: Iterable[str]) -> list[str]:
    """The steps of the plans that go through a table or index of any size."""
    return [
        f"{step}: {statement}"
        for statement in dict.fromkeys(statements)
        if PLANNED.match(statement) and not OF_THE_INDEX.search(statement) and not NEWEST_FIRST.search(statement)
        for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}")
        if step.startswith("SCAN") and not NEVER_MANY.fullmatch(step)
    ]


@pytest.mark.parametrize("name", ASKED)
def test_no_question_reads_a_whole_table(small: Store, name: str):
    with small.read() as reader:
        statements: list[str] = []
        connection = reader._connection
        assert isinstance(connection, sqlite3.Connection)
        connection.set_trace_callback(statements.append)
        ASKED[name](reader)
        connection.set_trace_callback(None)
        assert statements
        assert whole_tables(connection, statements) == []


@pytest.mark.parametrize("asked", ["graded", "tally", "days_work"])
def test_a_report_reads_its_days_from_their_index(small: Store, asked: str):
    """G7 of sync.md §5: not all units."""
    with small.read() as reader:
        span = (reader.now() - timedelta(days=2), reader.now())
        statements: list[str] = []
        connection = reader._connection
        assert isinstance(connection, sqlite3.Connection)
        connection.set_trace_callback(statements.append)
        reader.days_work() if asked == "days_work" else getattr(reader, asked)(*span)
        assert asked != "graded" or sum(each.units for each in reader.graded(*span)) > 50
        connection.set_trace_callback(None)
        (plan,) = {
            tuple(step for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {each}"))
            for each in statements
            if "FROM inspection" in each
        }
    assert any(re.match(r"SEARCH inspection USING INDEX ix_inspection_live \(\(?corrected_at", step) for step in plan)


def test_nothing_that_happens_at_the_bench_reads_a_whole_table(tmp_path: Path, monkeypatch):
    """From the badge to the label, whatever the station asks or writes on the way."""
    statements: list[str] = []
    connect = Store._connect

    def watched(store: Store) -> sqlite3.Connection:
        connection = connect(store)
        connection.set_trace_callback(statements.append)
        return connection

    demo = prepare(tmp_path / "demo")
    parcels = {parcel.title: parcel for parcel in demo.parcels if parcel.kind == "sealed"}
    first, second, *_ = parcels.values()
    monkeypatch.setattr(Store, "_connect", watched)
    with open_station(configuration.load(Path(demo.config))) as station:
        station.scan(demo.badge)
        with station.store.read() as reader:
            rmas = [rma for parcel in (first, second) for rma in reader.rmas(parcel.scans[0])]
        statements.clear()
        for code in (rmas[0].tracking, rmas[0].order, "4006381333931", "NOBODY-KNOWS-IT", "]C1]E0", second.scans[1]):
            station.scan(code)
        arrived = station.scan(rmas[1].number)
        assert isinstance(arrived, Arrived)
        opened = station.scan(second.scans[1], None, arrived.parcel)
        assert isinstance(opened, Opened)
        unit = opened.inspection
        station.scan("SN-0001", unit)
        station.scan(rmas[0].number, unit)
        station.set_aside(unit)
        station.scan(unit.lpn)
        done = station.finish(opened.bench, station.step(opened.bench, unit, life.Digit(1)).inspection)
        assert isinstance(done, Finished)
        station.scan(unit.lpn)
        station.reprint(unit.lpn)
        station.undo()
        station.desk()
        station.outbox.states()
        station.search(rmas[0].number[2:])
    assert any(each.startswith("INSERT INTO inspection") for each in statements)
    with closing(sqlite3.connect(station.store.file)) as connection:
        assert whole_tables(connection, statements) == []


def work(store: Store) -> Iterator[tuple[str, int]]:
    """How many steps SQLite makes for each question, in tens."""
    for name, ask in ASKED.items():
        steps = 0

        def count() -> None:
            nonlocal steps
            steps += 1

        with store.read() as reader:
            connection = reader._connection
            assert isinstance(connection, sqlite3.Connection)
            ask(reader)
            connection.set_progress_handler(count, 10)
            ask(reader)
            connection.set_progress_handler(None, 0)
        yield name, steps


def test_ten_times_the_store_is_not_more_work(small: Store, tmp_path, bench, monkeypatch):
    monkeypatch.setattr(reading, "NEWEST", 100)
    few = dict(work(small))
    with Store.open(tmp_path / "large", clock=bench.clock, station="DOCK-3") as store:
        many = dict(work(stock(store, bench, 1500)))
    # The full-text index is read in larger pieces where it has more of them: half as much again is no growth.
    assert {name: (few[name], many[name]) for name in ASKED if many[name] > 1.5 * few[name] + 20} == {}
    assert few["lines_of_gtin"] > 50, "the work is counted at all"


def test_what_answers_to_one_code_is_no_longer_than_a_list_to_pick_from(small: Store):
    with small.read() as reader:
        lines = reader.lines_of_gtin(KETTLE)
        assert len(lines) == len(reader.rmas_by("SHARED")) == len(reader.rmas_by("SN-SHARED")) == 50
        assert [each.rma.number for each in lines[:4]] == ["R-00000", "R-00001", "R-00002", "R-00004"], "3 is closed"
        assert [each.number for each in reader.rmas_by("SHARED", limit=2)] == ["R-00000", "R-00001"]
        assert len(reader.lines_of_gtin(KETTLE, limit=1000)) == reader.open_lines(KETTLE) == 150 - 37 - 19
        assert reader.open_lines(KETTLE, most=60) == 60
        assert len(reader.with_serial("N/A", LAMP)) == 50
