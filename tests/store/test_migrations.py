"""From nothing, and from every older store, to the tables that the program works with."""

import hashlib
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, inspect
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex

from inspect_station.core.records import Case, Event, Inspection, Kind, Line, Product, Rma, instant
from inspect_station.errors import StoreError, StoreLocked
from inspect_station.resources import resource
from inspect_station.store import EventSpec, LabelSpec, Store, Writer, schema, verify
from inspect_station.store.hub_tables import HubEvent
from inspect_station.store.tables import RmaLine
from tools import crash

METADATA = HubEvent.metadata
"""The station's tables and the hub's: one history makes both."""

GTIN = "03700471002479"

LATER = """
import sqlalchemy as sa
from alembic import op

revision = "9000"
down_revision = "{before}"


def upgrade() -> None:
    op.add_column("parcel", sa.Column("carrier", sa.String()))
    {then}
"""


@pytest.fixture
def later(tmp_path: Path, monkeypatch):
    """A program of the future, which knows one revision more."""

    def install(then: str = "") -> None:
        migrations = tmp_path / "migrations"
        shutil.copytree(resource("migrations"), migrations, ignore=shutil.ignore_patterns("__pycache__"))
        text = LATER.format(before=schema.newest(), then=then)
        (migrations / "versions" / "9000_carrier.py").write_text(text)
        monkeypatch.setattr(schema, "resource", {"migrations": migrations}.__getitem__)

    return install


def columns(folder: Path, table: str) -> list[str]:
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        return [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]


def no_search(name: str | None, kind: str, parents: object) -> bool:
    """The full-text indexes, and the tables that SQLite keeps them in, are no part of the metadata."""
    return not (kind == "table" and name and "_find" in name)


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_from_empty_the_migrations_make_exactly_the_tables(folder: Path):
    with create_engine(f"sqlite:///{folder / 'store.db'}", poolclass=NullPool).connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": no_search})
        assert compare_metadata(context, METADATA) == []


def test_the_index_that_is_not_compared_is_the_one_declared(folder: Path):
    """Alembic passes over an index of an expression."""
    (declared,) = (each for each in RmaLine.metadata.tables["rma_line"].indexes if each.name == "ix_rma_line_open")
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        (made,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'ix_rma_line_open'").fetchone()
    assert made == str(CreateIndex(declared).compile(dialect=sqlite.dialect()))


@pytest.mark.filterwarnings("ignore:.*expression-based index")
def test_every_constraint_has_its_name(folder: Path):
    """Without one, a batch migration could not drop it."""
    found = inspect(create_engine(f"sqlite:///{folder / 'store.db'}", poolclass=NullPool))
    for table in METADATA.tables.values():
        declared = {str(each.name) for each in table.constraints}
        made = {
            each["name"]
            for each in (
                found.get_pk_constraint(table.name),
                *found.get_foreign_keys(table.name),
                *found.get_unique_constraints(table.name),
            )
        }
        assert made == declared
        assert all(name[:3] in ("pk_", "fk_", "uq_") for name in declared)


def test_the_newest_revision_is_known_without_alembic(folder: Path):
    config = Config()
    config.set_main_option("script_location", str(resource("migrations")))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.newest()]
    with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
        assert schema.revision(connection) == schema.newest()
        assert connection.execute("PRAGMA user_version").fetchone()[0] == int(schema.newest())


def test_a_store_of_the_newest_revision_opens_without_the_heavy_libraries(folder: Path):
    program = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from inspect_station.store import Store
with Store.open(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), station="DOCK-3", running=True) as store:
    with store.write() as writer:
        writer.take_lpns(1)
print(sorted({"alembic", "sqlalchemy", "sqlmodel"} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program, folder], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"


def test_an_older_store_is_copied_then_upgraded_and_no_line_is_rewritten(opened, folder: Path, bench, later):
    before = schema.newest()
    with opened() as store:
        units = [bench.finish(store) for _ in range(3)]
        with store.read() as reader:
            lines = reader.pending_events()
    later()
    with opened() as store:
        with store.read() as reader:
            assert reader.pending_events() == lines
            assert reader.last_units(9) == tuple(reversed(units))
            assert reader.meta("epoch") == lines[0].epoch
        bench.finish(store)
    assert "carrier" in columns(folder, "parcel")
    (copy,) = (folder / "backups").iterdir()
    assert (verify(copy).revision, verify(copy).inspections) == (before, 3)


RELEASED = [f"{n:04}" for n in range(1, int(schema.newest()))]
"""Every revision that a store in the field may have."""
FIRST = RELEASED[:3]
"""Those whose tables differ most from today's."""
WAITING = 10_000
"""Events that the hub has not confirmed when the station is upgraded."""


@pytest.fixture
def past(tmp_path: Path, clock, monkeypatch):
    """A store as a program of the past left it, with what a store of today holds, as far as it had a place for it."""

    def left(revision: str, today: Path) -> Path:
        migrations, folder = tmp_path / "then", tmp_path / "old"
        shutil.copytree(resource("migrations"), migrations, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (migrations / "versions").glob("[0-9]*.py"):
            if path.name[:4] > revision:
                path.unlink()
        with monkeypatch.context() as then:
            then.setattr(schema, "resource", {"migrations": migrations}.__getitem__)
            Store.open(folder, clock=clock, station="DOCK-3").close()
        with closing(sqlite3.connect(folder / "store.db", isolation_level=None)) as connection:
            connection.execute("ATTACH ? AS today", (str(today / "store.db"),))
            for (table,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'").fetchall():
                if table != "alembic_version" and "_find" not in table:
                    names = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({table})"))
                    connection.execute(
                        f"INSERT OR REPLACE INTO main.{table} ({names}) SELECT {names} FROM today.{table}"
                    )
            # Where a store lies was not known then.
            connection.execute("DELETE FROM meta WHERE key = 'place'")
        return folder

    return left


@pytest.fixture(scope="session")
def waiting(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of today that has been offline for days."""
    folder = Path(shutil.copytree(made, tmp_path_factory.mktemp("waiting") / "station"))
    at = datetime(2026, 11, 22, 9, tzinfo=UTC)
    with Store.open(folder, clock=lambda: at, station="DOCK-3") as store, store.write() as writer:
        for n in range(WAITING):
            # Signs that another way of writing JSON would write otherwise.
            body = {"parcel": f"p-{n}", "note": "œ\u2028 “…” \\ /", "float": 1e-7, "empty": {}}
            writer.append_event(EventSpec("parcel.received", body, "ana", at))
    return folder


def lines(folder: Path) -> str:
    """A fingerprint of all events, byte by byte, with their states."""
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        rows = connection.execute("SELECT epoch, seq, id, cast(line AS BLOB), sha256, state FROM event ORDER BY seq")
        digest = hashlib.sha256()
        count = 0
        for row in rows:
            digest.update(repr(row).encode())
            count += 1
    return f"{count} {digest.hexdigest()}"


@pytest.mark.parametrize("revision", RELEASED)
def test_every_released_store_is_upgraded_with_a_full_outbox_and_no_line_changes(waiting: Path, past, clock, revision):
    """Fault 56: what waits for the hub goes there as it was written, under the epoch in which it was."""
    folder = past(revision, waiting)
    before = lines(folder)
    assert before.startswith(f"{WAITING} ")
    with Store.open(folder, clock=clock, station="DOCK-3", running=True) as store, store.read() as reader:
        assert reader.waiting().events == WAITING
        assert reader._rows("SELECT version_num FROM alembic_version")[0][0] == schema.newest()
        assert [event.seq for event in reader.pending_events(3)] == [1, 2, 3]
        epoch = reader.meta("epoch")
        assert reader.last_seq(epoch) == WAITING
    assert lines(folder) == before
    (copy,) = (folder / "backups").glob("revision-*")
    assert (verify(copy).revision, verify(copy).events) == (revision, WAITING)


@pytest.mark.parametrize("revision", FIRST[:1])
def test_an_upgrade_that_is_killed_leaves_the_old_store_or_the_new_one(waiting: Path, past, clock, tmp_path, revision):
    """Fault 6: at any moment, also while the copy is made; the next start ends it."""
    old = past(revision, waiting)
    before = lines(old)
    (tmp_path / "measured").mkdir()
    started = time.monotonic()
    working = crash.process(crash.upgrade, str(shutil.copytree(old, tmp_path / "measured" / "station")))
    working.join()
    took = time.monotonic() - started
    assert working.exitcode == 0
    revisions = set()
    for n, part in enumerate((0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0, 2.0)):
        folder = Path(shutil.copytree(old, tmp_path / f"kill-{n}"))
        working = crash.process(crash.upgrade, str(folder))
        time.sleep(part * took)
        working.kill()
        working.join()
        with closing(sqlite3.connect(folder / "store.db")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            found = schema.revision(connection)
            revisions.add(found)
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert found in (revision, schema.newest())
        assert ("playbook" in tables) == (found == schema.newest())
        assert lines(folder) == before
        crash.upgrade(str(folder))
        assert lines(folder) == before
        assert verify(folder / "store.db").revision == schema.newest()
        shutil.rmtree(folder)
    assert revisions == {revision, schema.newest()}, "all kills came too early, or all too late"


@pytest.mark.parametrize("revision", FIRST)
def test_what_an_older_store_knows_is_counted_and_found(store: Store, bench, past, revision: str):
    """Units to come, the search, a customer's returns and the time of a case follow from what was there before."""
    with store.write() as writer:
        writer.put_product(Product(seller="lumo", gtin=GTIN, title="Bouilloire 1,7 l"))
        for number, quantity in (("4711-0001", 1), ("4711-0002", 2), ("4711-0003", 3), ("4711-0004", 4)):
            line = Line(no=1, gtin=GTIN, quantity=quantity, serial=f"SN-{number}")
            customer = "" if number == "4711-0003" else "c0ffee"
            writer.put_rma(Rma(seller="lumo", number=number, order=f"408-{number}", customer=customer, lines=(line,)))
        writer.close_rma("lumo", "4711-0004")
    due_at = bench.clock() + timedelta(hours=48, microseconds=250_000)
    asked = bench.finish(store, rma="4711-0001", line=Line(no=1, gtin=GTIN), case=Case(question="price", due_at=due_at))
    bench.finish(store, rma="4711-0002", line=Line(no=1, gtin=GTIN), serial="SN-4711-0002")
    plate = bench.finish(store, rma="4711-0003", line=Line(no=1, gtin=GTIN), kind=Kind.EMPTY_BOX).lpn
    folder = past(revision, store.folder)
    with Store.open(folder, clock=bench.clock, station="DOCK-3") as again, again.read() as reader:
        assert [reader.open_count("lumo", f"4711-000{n}", 1) for n in (1, 2, 3, 4)] == [0, 1, 3, 0]
        assert [each.rma.number for each in reader.lines_of_gtin(GTIN)] == ["4711-0002", "4711-0003"]
        for text, found in (
            ("08-4711-0003", ["4711-0003"]),
            ("sn-4711-0004", ["4711-0004"]),
            ("bouilloire", ["4711-0002", "4711-0003"]),
            (plate[1:7], []),
        ):
            assert [hit.number for hit in reader.search(text) if isinstance(hit, Rma)] == found
        assert any(hit.lpn == plate for hit in reader.search(plate[:9]) if isinstance(hit, Inspection))
        assert len(reader.returns_of("lumo", "c0ffee", since=bench.clock())) == 2
        assert reader.open_cases() == (asked,)
        filled = reader._rows(
            "SELECT customer, case_due_at, signals FROM inspection i JOIN rma ON rma.number = i.rma ORDER BY i.rowid"
        )
        assert [tuple(row) for row in filled] == [
            ("c0ffee", instant(due_at), 0),
            ("c0ffee", None, 0),
            ("", None, 0),
        ]
        assert reader.playbooks() == ()


def test_what_events_said_of_a_clock_goes_into_their_units(store: Store, bench, past, monkeypatch):
    """Revision 0012: of a unit that was amended, the clock counts by which it was finished; the lines stay."""
    said: list[dict[str, object]] = []
    plain = Writer.append_event

    def as_then(writer: Writer, spec: EventSpec) -> Event:
        """A program of the past put what it knew of the clock into the body of the event alone."""
        unit = {name: value for name, value in spec.body.items() if not name.startswith("clock_")}
        return plain(writer, replace(spec, body={**unit, **said.pop(0)}))

    monkeypatch.setattr(Writer, "append_event", as_then)
    said += [
        {},
        {"clock_ahead_s": 300},
        {"clock_ahead_s": -315_360_000, "clock_suspect": True},
        {"clock_suspect": True},
    ]
    right, fast, behind, unknown = (bench.finish(store) for _ in range(4))
    # Finished by a clock that was five minutes fast; amended, and taken back, by one that was right or an hour behind.
    bench.clock.pass_(hours=20)
    said += [{}, {"clock_ahead_s": -3600}, {"clock_ahead_s": -3600}]
    amended = fast.but(revision=2, text="once more")
    void = amended.but(revision=3, voided_at=bench.clock(), void_reason="undo")
    late = right.but(revision=2, text="once more")
    with store.write() as writer:
        writer.finish(amended, bench.event(amended, "inspection.amended"))
        writer.void(void, EventSpec("inspection.voided", {"inspection": void.id, "revision": 3}, "ana", bench.clock()))
        writer.finish(late, bench.event(late, "inspection.amended"))
    folder = past("0011", store.folder)
    with closing(sqlite3.connect(folder / "store.db")) as connection:
        # Nor did the records of then say anything of it.
        (guard,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 'inspection_unchanged'").fetchone()
        connection.execute("DROP TRIGGER inspection_unchanged")
        connection.execute("UPDATE inspection SET body = json_remove(body, '$.clock_ahead_s', '$.clock_suspect')")
        connection.execute(guard)
        connection.commit()
    before = lines(folder)
    with Store.open(folder, clock=bench.clock, station="DOCK-3") as again, again.read() as reader:
        rows = reader._rows("SELECT id, revision, corrected_at, clock_suspect, body FROM inspection")
        found = {(row["id"], row["revision"]): (row["corrected_at"], bool(row["clock_suspect"])) for row in rows}
        units = [Inspection.model_validate_json(row["body"]) for row in rows]
    at = right.finished_at
    assert at is not None
    five, ten_years = timedelta(minutes=5), timedelta(days=3650)
    assert found == {
        (right.id, 1): (instant(at), False),
        (right.id, 2): (instant(at), False),
        (fast.id, 1): (instant(at - five), False),
        (fast.id, 2): (instant(at - five), False),
        (fast.id, 3): (instant(at - five), False),
        (behind.id, 1): (instant(at + ten_years), True),
        (unknown.id, 1): (instant(at), True),
    }
    assert {(each.id, each.revision): (instant(each.corrected_at), each.clock_suspect) for each in units} == found
    assert lines(folder) == before


@pytest.mark.parametrize("revision", FIRST)
def test_an_upgraded_store_forbids_what_a_new_one_forbids(store: Store, bench, past, revision: str):
    def triggers(folder: Path) -> dict[str, str]:
        with closing(sqlite3.connect(folder / "store.db")) as connection:
            found = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        return dict(found)

    bench.finish(store)
    folder = past(revision, store.folder)
    assert triggers(folder) != triggers(store.folder)
    Store.open(folder, clock=bench.clock, station="DOCK-3").close()
    assert triggers(folder) == triggers(store.folder)


def test_of_labels_printed_before_only_the_newest_of_a_unit_that_stands_is_not_void(store: Store, bench, past):
    def out(lpn: str, number: int) -> None:
        with store.write() as writer:
            (label,) = (each for each in writer.labels_of(lpn) if each.print_no == number)
            assert writer.move_label(label.id, "printing", printer="zebra") and writer.move_label(label.id, "printed")

    copied, undone, slip = bench.finish(store), bench.finish(store), bench.finish(store)
    with store.write() as writer:
        writer.queue_label(LabelSpec(copied.lpn, copied.id, "clearance", 2, {}))
    for unit in (copied, undone, slip):
        out(unit.lpn, 1)
    out(copied.lpn, 2)
    with store.write() as writer:
        for unit in (undone, slip):
            void = unit.but(revision=2, voided_at=bench.clock())
            writer.void(void, bench.event(void, "inspection.voided"))
    bench.clock.pass_(minutes=1)
    with store.write() as writer:
        writer.queue_label(LabelSpec(slip.lpn, slip.id, "hold", 2, {}))
    out(slip.lpn, 2)
    with Store.open(past("0005", store.folder), clock=bench.clock, station="DOCK-3") as again, again.read() as reader:
        voids = [[label.void for label in reader.labels_of(unit.lpn)] for unit in (copied, undone, slip)]
    assert voids == [[True, False], [True], [True, False]]


def test_an_upgrade_that_fails_leaves_the_old_store_whole(opened, folder: Path, bench, later, monkeypatch):
    with opened() as store:
        unit = bench.finish(store)
    later(then='raise RuntimeError("half way")')
    with pytest.raises(RuntimeError, match="half way"):
        opened()
    assert "carrier" not in columns(folder, "parcel")
    monkeypatch.setattr(schema, "resource", resource)
    with opened() as store, store.read() as reader:
        assert reader.last_units(1) == (unit,)


def test_a_new_store_that_fails_half_way_is_made_again(tmp_path: Path, clock, later, monkeypatch):
    later(then='raise RuntimeError("half way")')
    with pytest.raises(RuntimeError, match="half way"):
        Store.open(tmp_path / "new", clock=clock, station="DOCK-3")
    monkeypatch.setattr(schema, "resource", resource)
    with Store.open(tmp_path / "new", clock=clock, station="DOCK-3") as store, store.read() as reader:
        assert reader.meta("station") == "DOCK-3"


def test_no_upgrade_under_a_station_that_runs(opened, folder: Path, later):
    opened(running=True)
    later()
    with pytest.raises(StoreLocked):
        opened(running=True)
    assert "carrier" not in columns(folder, "parcel")


def test_a_newer_store_is_refused_and_left_as_it_is(opened, folder: Path, later, monkeypatch):
    later()
    opened().close()
    monkeypatch.setattr(schema, "resource", resource)
    before = (folder / "store.db").read_bytes()
    with pytest.raises(StoreError, match=f"has revision 9000, this program {schema.newest()}"):
        opened()
    assert (folder / "store.db").read_bytes() == before
