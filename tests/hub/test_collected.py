"""What stations have sent is reported and shown by the hub as by the station, on both databases, tenant by tenant."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from typer.testing import CliRunner, Result

from inspect_station import config
from inspect_station.cli import app
from inspect_station.core import inspection as life
from inspect_station.core.ids import uuid7
from inspect_station.demo import build
from inspect_station.errors import NotFound, StoreError
from inspect_station.hub import Hub, backup, intake, publish, stations
from inspect_station.hub import restore as restore_hub
from inspect_station.hub.ledger import Caller
from inspect_station.outcomes import Arrived, Opened
from inspect_station.resources import resource
from inspect_station.station import open_station
from inspect_station.store import Store, restore
from inspect_station.store.postgres import Postgres


class Site:
    """A station of the demo with one unit, used, with one photo, of RMA ``rma``."""

    def __init__(self, folder: Path) -> None:
        self.demo = build.prepare(folder / "demo")
        self.config = str(self.demo.config)
        parcel = next(each for each in self.demo.parcels if each.kind == "used")
        self.rma = parcel.scans[0]
        with open_station(config.load(Path(self.config)), running=True) as station:
            station.scan(self.demo.badge)
            arrived = station.scan(self.rma)
            assert isinstance(arrived, Arrived)
            unit = station.scan(parcel.scans[1], None, arrived.parcel)
            assert isinstance(unit, Opened)
            step = station.step(unit.bench, unit.inspection, life.Digit(3))
            taken = station.photograph(unit.bench, step.inspection).step
            done = station.step(unit.bench, taken.inspection, life.Accept()).inspection
            station.finish(unit.bench, done)
            self.lpn = done.lpn
            with station.store.read() as reader:
                self.lines = [each.line for each in reader.pending_events()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


class Collecting:
    """A hub that has all of that from the station DOCK-3 of the tenant ``main``, and where it is."""

    def __init__(self, hub: Hub, site: Site) -> None:
        self.site = site
        self.hub = hub
        store: Any = hub.store
        self.database = ""
        if isinstance(store, Postgres):
            self.database = store._address.replace("postgresql:", "postgresql+psycopg:", 1)
        self.at = ["--data", str(store.folder), "--database", self.database]

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["hub", *words, *self.at, "--config", self.site.config])

    def enrol(self) -> None:
        with self.hub.write() as ledger:
            ledger.add_code("c", "main", "DOCK-3")
            ledger.enrol("c", "t", epoch=uuid7(1, bytes(10)), block="")

    def take(self, *lines: str) -> None:
        """What the station sends."""
        with self.hub.read() as ledger:
            caller = ledger.caller("t")
        assert isinstance(caller, Caller)
        receipts = self.hub.change(lambda ledger: ledger.ingest(caller, [intake.read(line) for line in lines]))[0]
        assert {each.status.value for each in receipts} == {"accepted"}


@pytest.fixture
def collecting(opened: Callable[..., Hub], site: Site) -> Collecting:
    made = Collecting(opened(), site)
    made.enrol()
    made.take(*site.lines)
    return made


def _own(site: Site, *words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--config", site.config])


@pytest.mark.parametrize("format", ["json", "csv", "text"])
def test_the_report_of_the_hub_is_that_of_its_station(collecting: Collecting, format: str) -> None:
    own = _own(collecting.site, "report", "daily", "--format", format)
    at_hub = collecting.run("report", "daily", "--format", format)
    assert (own.exit_code, at_hub.exit_code) == (0, 0)
    assert "clearance" in own.stdout
    assert at_hub.stdout.replace("MAIN", "DOCK-3") == own.stdout


def test_a_unit_is_told_of_in_the_same_form(collecting: Collecting) -> None:
    own = json.loads(_own(collecting.site, "show", collecting.site.lpn, "--json").stdout)
    at_hub = json.loads(collecting.run("show", collecting.site.lpn, "--json").stdout)
    assert own.keys() == at_hub.keys()
    # The hub gets no labels; it has what it has, but for photos that are on their way.
    apart = {key for key in own if own[key] != at_hub[key]}
    assert apart == {"labels", "photos", "hub"}
    assert (own["hub"], at_hub["hub"]) == ("waiting", "accepted")
    assert at_hub["station"] == "DOCK-3"


def test_a_photo_is_at_the_hub_once_it_is_verified(collecting: Collecting) -> None:
    def states() -> set[str]:
        body = json.loads(collecting.run("show", collecting.site.lpn, "--json").stdout)
        return {photo["state"] for photo in body["photos"]}

    assert states() == {"photo_missing"}
    assert "not at the hub yet" in collecting.run("show", collecting.site.lpn).stdout
    with collecting.hub.write() as ledger:
        shown = ledger.shown_on("main", lpn=collecting.site.lpn)
        (name,) = (row["sha256"] for row in ledger.photos_shown("main", shown))
        ledger.keep_blob(Caller("s", "main", "DOCK-3", new=False), name, "image/jpeg", 9, "verified")
    assert states() == {"photo_at_hub"}
    with collecting.hub.write() as ledger:
        ledger.begin_erasing("main", [name], by="owner", why="asked")
    assert states() == {"photo_erased"}
    assert "(erased)" in collecting.run("show", collecting.site.lpn).stdout


def test_an_rma_that_was_announced_is_shown_with_its_units(collecting: Collecting) -> None:
    assert collecting.run("show", collecting.site.rma).exit_code != 0
    content = Path(collecting.site.config).with_name("rmas.csv").read_bytes()
    publish(collecting.hub.store.folder, "rmas", content, database=collecting.database)
    shown = collecting.run("show", collecting.site.rma)
    assert shown.exit_code == 0
    assert collecting.site.lpn in shown.stdout


def _event(type: str, body: dict[str, Any], n: int) -> str:
    event = {"id": uuid7(9, bytes([*bytes(9), n])), "epoch": uuid7(8, bytes(10)), "seq": n, "prev_sha256": ""}
    event |= {"type": type, "schema": 1, "occurred_at": "2026-11-22T12:00:00Z", "tz": "UTC", "boot": "b", "mono_ms": 1}
    return json.dumps({**event, "operator": "ana", "body": body})


def _shown(collecting: Collecting, code: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(collecting.run("show", code, "--json").stdout)
    return found


def test_an_rma_is_received_on_the_day_that_the_newest_parcel_tells(collecting: Collecting) -> None:
    content = Path(collecting.site.config).with_name("rmas.csv").read_bytes()
    publish(collecting.hub.store.folder, "rmas", content, database=collecting.database)
    own = json.loads(_own(collecting.site, "show", collecting.site.rma, "--json").stdout)["lines"][0]
    (line,) = _shown(collecting, collecting.site.rma)["lines"]
    assert (line["received"], line["received_on"], line["verdict"]) == (True, own["received_on"], own["verdict"])
    unit = _shown(collecting, collecting.site.lpn)
    told = {"parcel": "p-2", "seller": line["seller"], "rma": collecting.site.rma}
    moment = {"received_at": "2031-02-03T09:00:00+01:00", "received_on": "2031-02-03"}
    collecting.take(
        _event("parcel.received", {**told, **moment, "parcel": "p-3", "received_on": "someday"}, 1),
        _event("parcel.received", {**told, **moment}, 2),
        _event("parcel.received", {**told, "parcel": "p-1", "received_at": "2020-01-01T09:00:00Z"}, 3),
    )
    (line,) = _shown(collecting, collecting.site.rma)["lines"]
    assert line["received_on"] == "2031-02-03"
    assert _shown(collecting, collecting.site.lpn)["received_on"] == unit["received_on"], "it came in its own parcel"


def test_a_unit_is_in_the_batch_whose_closing_names_it(collecting: Collecting) -> None:
    assert _shown(collecting, collecting.site.lpn)["batch"] is None
    with collecting.hub.read() as ledger:
        (id,) = ledger.shown_on("main", lpn=collecting.site.lpn)
    closed = {"id": "b", "number": "B0001-7", "units": ["nobody", {"lpn": collecting.site.lpn, "inspection": id}]}
    collecting.take(_event("batch.closed", closed, 1), _event("batch.closed", {**closed, "revision": 2}, 2))
    assert _shown(collecting, collecting.site.lpn)["batch"] == "B0001-7"
    assert "B0001-7" in collecting.run("show", collecting.site.lpn).stdout


def test_what_was_received_before_is_told_after_the_upgrade(site: Site, tmp_path: Path) -> None:
    """A hub of before kept parcels and batches as lines alone, and read no more of them."""
    with Hub.open(tmp_path / "hub") as hub:
        known = Collecting(hub, site)
        known.enrol()
        known.take(*site.lines)
        with hub.read() as ledger:
            (id,) = ledger.shown_on("main", lpn=site.lpn)
        known.take(
            _event("batch.closed", {"number": "B0001-7", "units": [1, {"inspection": id}, {"inspection": 5}]}, 1),
            _event("batch.closed", {"number": 7, "units": 7}, 2),
            _event("parcel.received", {"parcel": "p", "received_at": "soon"}, 3),
        )
        before = _shown(known, site.lpn)
    with closing(sqlite3.connect(tmp_path / "hub" / "store.db", isolation_level=None)) as connection:
        for statement in (
            "DROP TABLE hub_parcel",
            "DROP TABLE hub_batched",
            *(f"ALTER TABLE hub_blob DROP COLUMN erased_{name}" for name in ("at", "by", "why")),
            f"UPDATE alembic_version SET version_num = '{_before_0014()}'",
            "INSERT INTO meta (key, value) VALUES ('hub_cursor', 'far')",
        ):
            connection.execute(statement)
    with Hub.open(tmp_path / "hub") as hub:
        assert _shown(Collecting(hub, site), site.lpn) == before
        assert before["batch"] == "B0001-7"
        assert before["received_on"]
        with hub.read() as ledger:
            assert ledger.meta("hub_cursor") == "", "stations read what is announced from its start once more"


def _before_0014() -> str:
    setup = Config()
    setup.set_main_option("script_location", str(resource("migrations")))
    found = ScriptDirectory.from_config(setup).get_revision("0014")
    assert found is not None
    return str(found.down_revision)


def test_another_tenant_sees_nothing_of_it(collecting: Collecting) -> None:
    content = Path(collecting.site.config).with_name("rmas.csv").read_bytes()
    publish(collecting.hub.store.folder, "rmas", content, database=collecting.database)
    with collecting.hub.write() as ledger:
        ledger.add_code("o", "other", "DOCK-9")
        ledger.enrol("o", "t-other", epoch=uuid7(9, bytes(10)), block="")
    report = collecting.run("report", "daily", "--format", "json", "--tenant", "other")
    assert json.loads(report.stdout)["units"] == 0
    for code in (collecting.site.lpn, collecting.site.rma):
        refused = collecting.run("show", code, "--tenant", "other")
        assert (refused.exit_code, refused.stdout) != (0, "")
        assert collecting.site.lpn not in refused.stdout


def test_no_hub_is_made_to_look_at_it(site: Site, tmp_path: Path) -> None:
    for words in (["report", "daily"], ["show", site.lpn]):
        refused = CliRunner().invoke(app, ["hub", *words, "--data", str(tmp_path / "typo")])
        assert refused.exception is not None
        assert refused.exit_code != 0
    assert not (tmp_path / "typo").exists()


def test_a_station_is_taken_for_no_hub_and_no_hubs_copy_for_a_station(tmp_path: Path) -> None:
    with Store.open(tmp_path / "station", clock=lambda: datetime.now(UTC), station="DOCK-1") as store:
        store.backup(tmp_path / "station.db")
    Hub.open(tmp_path / "hub").close()
    backup(tmp_path / "hub", tmp_path / "hub.db")
    with pytest.raises(StoreError, match="not a hub's"):
        stations(tmp_path / "station")
    with pytest.raises(StoreError, match="not a hub's"):
        restore_hub(tmp_path / "hub", tmp_path / "station.db")
    with pytest.raises(StoreError, match="not a station's"):
        restore(tmp_path / "hub.db", tmp_path / "station", datetime.now(UTC))
    with (
        Store.open(tmp_path / "station", clock=lambda: datetime.now(UTC), station="DOCK-1") as store,
        store.read() as reader,
    ):
        assert reader.meta("station") == "DOCK-1"


def test_no_verb_that_looks_makes_a_hub_where_there_is_none(tmp_path: Path) -> None:
    looking = ("station list", "token list", "parked list", "photos", "epoch", "epoch --new")
    photos = ("photo list --unit L", "photo get --unit L --to P", "photo erase --unit L --reason no")
    for verb in (*looking, *photos, "photo erase --seller s --older-than 9", f"backup {tmp_path / 'copy.db'}"):
        result = CliRunner().invoke(app, ["hub", *verb.split(), "--data", str(tmp_path / "typo")])
        assert isinstance(result.exception, NotFound), verb
    assert list(tmp_path.iterdir()) == []
