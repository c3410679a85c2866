"""Reports count a unit on the day on which it was finished by the hub's clock, here and at the hub (fault 48).

Each case is a real station on a clock that somebody sets, beside one that nobody sets, and a hub that takes what it
sends, on both databases.
"""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from inspect_station import config
from inspect_station.account import Account
from inspect_station.collected import Collected
from inspect_station.config import Config
from inspect_station.core import inspection as life
from inspect_station.core.ids import uuid7
from inspect_station.core.records import Inspection, Operator, Role
from inspect_station.demo import build, goods
from inspect_station.demo.build import Demo
from inspect_station.hub import Hub, intake
from inspect_station.hub.ledger import Caller
from inspect_station.outcomes import Arrived, Finished, Known, Opened, SignedIn
from inspect_station.reports.daily import Daily
from inspect_station.station import Station, open_station
from inspect_station.store import moments
from inspect_station.words import Voice

LAMP = goods.product("lamp").ean
EVA = Operator(code="eva", name="Eva", role=Role.SUPERVISOR)


@dataclass
class Time:
    """The time as it is, which the hub knows, and what the station makes of it."""

    now: datetime
    ahead: timedelta = timedelta()
    """By how much somebody has set the station's clock wrong."""
    boot: str = "first"
    up_s: float = 1000.0
    """How long the station's machine has been running, which nobody sets."""

    def __call__(self) -> datetime:
        return self.now + self.ahead

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)
        self.up_s += timedelta(**time).total_seconds()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    return build.prepare(tmp_path_factory.mktemp("clocks") / "demo", today=date(2026, 11, 22))


@pytest.fixture(scope="module")
def stocked(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a station that knows the demo's articles, made once."""
    loaded = config.load(Path(demo.config))
    folder = tmp_path_factory.mktemp("stocked") / "station"
    fresh = loaded.model_copy(update={"station": loaded.station.model_copy(update={"data": folder})})
    with open_station(fresh) as station:
        station.import_products((Path(demo.dir) / "products.csv").read_bytes())
    return folder


@dataclass
class Site:
    """A station in Paris, and the hub that hears of it."""

    time: Time
    loaded: Config
    station: Station
    hub: Hub
    caller: Caller
    sent: int = 0
    units: list[Inspection] = field(default_factory=list)

    def hear(self) -> None:
        """The hub answers something: its time is known."""
        with self.station.store.write() as writer:
            writer.set_hub_clock(self.time.now)

    def opened(self) -> Opened:
        """A lamp on the bench."""
        number = f"ML-{40001 + len(self.units)}"
        rows = ["rma,seller,channel,gtin,quantity,reason", f"{number},lumo,amazon,{LAMP},1,CHANGED_MIND"]
        assert not self.station.import_rmas("\n".join(rows).encode()).bad
        arrived = self.station.scan(number)
        assert isinstance(arrived, Arrived)
        unit = self.station.scan(LAMP, None, arrived.parcel)
        assert isinstance(unit, Opened)
        return unit

    def finish(self, unit: Opened | None = None) -> Inspection:
        """It is sealed, and done."""
        unit = unit or self.opened()
        step = self.station.step(unit.bench, unit.inspection, life.Digit(1))
        done = self.station.finish(unit.bench, step.inspection)
        assert isinstance(done, Finished)
        self.units += done.units
        return done.units[0]

    def send(self) -> None:
        """The hub takes all that it has not got yet."""
        with self.station.store.read() as reader:
            lines = [each.line for each in reader.pending_events(1000)][self.sent :]
        self.sent += len(lines)
        arrivals = [intake.read(line) for line in lines]
        receipts = self.hub.change(lambda ledger: ledger.ingest(self.caller, arrivals))[0]
        assert {each.status.value for each in receipts} <= {"accepted"}

    def report(self, first: date, last: date | None = None) -> Daily:
        """The same at the station and at the hub, or it fails."""
        own = self.station.daily(first, last or first)
        at_hub = Collected(self.loaded, self.hub, "main").daily(first, last or first)
        assert replace(at_hub, station=own.station) == own
        return own

    def day_of_the_only_one(self, *near: date) -> date:
        """The one day, of all the years that clocks here say, on whose report the unit stands."""
        whole = self.report(date(1969, 12, 31), date(2040, 1, 1))
        assert whole.units == len(self.units) == 1
        (day,) = (each for each in near if self.report(each).units)
        return day


@pytest.fixture
def site(
    opened: Callable[..., Hub], demo: Demo, stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Site]]:
    """Opens the site at a moment; days begin at 04:00 in Paris, unless said otherwise."""
    stations: list[Station] = []

    def begin(now: datetime, day_starts: str = "04:00") -> Site:
        time = Time(now)
        monkeypatch.setattr(moments, "boot", lambda: time.boot)
        monkeypatch.setattr(moments, "mono_ms", lambda: int(time.up_s * 1000))
        loaded = config.load(Path(demo.config))
        here = loaded.station.model_copy(
            update={"data": shutil.copytree(stocked, tmp_path / "station"), "day_starts": day_starts}
        )
        loaded = loaded.model_copy(update={"station": here, "printers": ()})
        station = open_station(loaded, clock=time)
        stations.append(station)
        assert isinstance(station.scan(demo.badge), SignedIn)
        hub = opened(clock=lambda: time.now)
        with hub.write() as ledger:
            ledger.add_code("c", "main", "DOCK-3")
            ledger.enrol("c", "t", epoch=uuid7(1, bytes(10)), block="")
            caller = ledger.caller("t")
        assert caller is not None
        return Site(time, loaded, station, hub, caller)

    yield begin
    for station in stations:
        station.close()


# ── One unit, and a clock ────────────────────────────────────────────────────────────────────────────────────────────

DAY = date(2026, 12, 3)
MORNING = datetime(2026, 12, 3, 3, 30, tzinfo=UTC)
"""04:30 in Paris: the report day DAY is half an hour old."""
BEFORE, NEXT = DAY - timedelta(days=1), DAY + timedelta(days=1)
FAR = (date(1970, 1, 1), BEFORE, DAY, NEXT, date(2036, 11, 30))
TO_1970 = datetime(1970, 1, 1, 12, tzinfo=UTC) - MORNING
TEN_YEARS = timedelta(days=3650)
HOUR = timedelta(hours=1)
IN_1970 = FAR[0]


@pytest.mark.parametrize(
    ("ahead", "heard", "rebooted", "counts_on", "suspect"),
    [
        pytest.param(timedelta(), "before", False, DAY, False, id="a clock that is right"),
        pytest.param(-HOUR, "before", False, DAY, False, id="an hour behind since the hub was heard"),
        pytest.param(-HOUR, "while wrong", False, DAY, False, id="an hour behind when the hub was heard"),
        pytest.param(-HOUR, "while wrong", True, DAY, False, id="an hour behind, and still after a new start"),
        pytest.param(-HOUR, "never", False, BEFORE, False, id="an hour behind, and nobody knows: as the clock said"),
        pytest.param(-HOUR, "before", True, BEFORE, False, id="an hour behind since a new start: nobody knows"),
        pytest.param(24 * HOUR, "before", False, DAY, False, id="a day ahead, to the second"),
        pytest.param(24.01 * HOUR, "before", False, DAY, True, id="more than a day ahead"),
        pytest.param(TEN_YEARS, "before", False, DAY, True, id="ten years ahead since the hub was heard"),
        pytest.param(TEN_YEARS, "while wrong", True, DAY, True, id="ten years ahead, and still after a new start"),
        pytest.param(TEN_YEARS, "never", False, date(2036, 11, 30), False, id="ten years ahead, and nobody knows"),
        pytest.param(TO_1970, "before", False, DAY, True, id="1970 since the hub was heard"),
        pytest.param(TO_1970, "while wrong", False, DAY, True, id="1970 when the hub was heard"),
        pytest.param(TO_1970, "never", False, IN_1970, True, id="1970, and nobody knows: older than this program"),
        pytest.param(TO_1970, "before", True, IN_1970, True, id="1970 after a new start: older than this program"),
    ],
)
def test_a_unit_counts_on_the_day_by_the_hubs_clock(
    site: Callable[..., Site], ahead: timedelta, heard: str, rebooted: bool, counts_on: date, suspect: bool
) -> None:
    here = site(MORNING - timedelta(minutes=10))
    if heard == "while wrong":
        here.time.ahead = ahead
    if heard != "never":
        here.hear()
    here.time.pass_(minutes=10)
    here.time.ahead = ahead
    if rebooted:
        here.time.boot, here.time.up_s = "second", 1.0
    unit = here.finish()
    assert unit.finished_at == MORNING + ahead, "what the clock said stays what is told"
    here.send()
    assert here.day_of_the_only_one(*FAR) == counts_on
    report = here.report(counts_on)
    assert report.clock_suspect == suspect
    if counts_on == DAY:
        assert here.station.desk().units == 1, "the desk counts the same day"
        assert here.station.report_today() == DAY


def test_a_unit_tells_both_times_where_they_differ(site: Callable[..., Site]) -> None:
    here = site(MORNING)
    here.hear()
    right = here.finish()
    here.time.ahead = TEN_YEARS
    wrong = here.finish()
    here.send()
    at_hub = Collected(here.loaded, here.hub, "main")
    for station in (here.station, at_hub):
        account = Account(station, Voice("en", station.rules, "Europe/Paris"))
        seen = station.show(wrong.lpn)
        text, body = account.unit_text(seen, None), account.unit_json(seen, None)
        assert re.search(r"^finished +30 Nov 2036 04:30 ", text, re.MULTILINE)
        assert re.search(r"^by the hub's clock +3 Dec 2026 04:30$", text, re.MULTILINE)
        assert body["saved_at"][:10] == "2036-11-30"
        assert (body["corrected_at"][:10], body["clock_suspect"]) == ("2026-12-03", True)
        assert "by the hub's clock" not in account.unit_text(station.show(right.lpn), None)


@pytest.mark.parametrize(
    ("ahead_s", "counts_on"),
    [
        pytest.param(-119, BEFORE, id="two minutes are taken as they are"),
        pytest.param(-121, DAY, id="from there on they are corrected"),
    ],
)
def test_where_correcting_begins(site: Callable[..., Site], ahead_s: int, counts_on: date) -> None:
    here = site(MORNING - timedelta(minutes=30))
    here.hear()
    here.time.ahead = timedelta(seconds=ahead_s)
    here.time.pass_(seconds=60)
    here.finish()
    here.send()
    assert here.day_of_the_only_one(*FAR) == counts_on


@pytest.mark.parametrize(
    ("step", "suspect"),
    [
        pytest.param(timedelta(hours=3), False, id="three hours on"),
        pytest.param(-HOUR, False, id="an hour back"),
        pytest.param(TEN_YEARS, True, id="ten years on"),
        pytest.param(TO_1970, True, id="to 1970"),
    ],
)
def test_a_step_in_the_middle_of_an_inspection(site: Callable[..., Site], step: timedelta, suspect: bool) -> None:
    here = site(MORNING)
    here.hear()
    unit = here.opened()
    here.time.ahead = step
    here.time.pass_(seconds=40)
    before = here.finish(unit)
    here.time.ahead = timedelta()
    here.time.pass_(seconds=40)
    after = here.finish()
    here.send()
    report = here.report(DAY)
    assert (report.units, report.clock_suspect) == (2, suspect)
    assert len({before.id, after.id}) == 2
    with here.station.store.read() as reader:
        assert [each.id for each in reader.last_units(2)] == [after.id, before.id], "in the order of the commits"


@pytest.mark.parametrize(
    ("then", "now"),
    [
        pytest.param(TEN_YEARS, timedelta(), id="finished by a wrong clock, changed by a right one"),
        pytest.param(timedelta(), TEN_YEARS, id="finished by a right clock, changed by a wrong one"),
    ],
)
def test_what_is_changed_later_stays_on_its_day(site: Callable[..., Site], then: timedelta, now: timedelta) -> None:
    here = site(MORNING)
    here.time.ahead = then
    here.hear()
    unit = here.finish()
    here.time.ahead = now
    here.time.pass_(hours=40)
    here.hear()
    elsewhere = here.station.destinations(unit.lpn)
    assert isinstance(elsewhere, tuple)
    assert isinstance(here.station.reroute(unit.lpn, elsewhere[0], "because", by=EVA), Known)
    here.send()
    assert here.day_of_the_only_one(*FAR) == DAY
    assert here.report(DAY).clock_suspect == (then > timedelta())


def test_what_is_opened_again_and_finished_by_a_right_clock_is_not_in_doubt_any_more(
    site: Callable[..., Site],
) -> None:
    here = site(MORNING)
    here.time.ahead = TEN_YEARS
    here.hear()
    here.finish()
    again = here.station.undo()
    assert isinstance(again, Opened)
    here.time.ahead = timedelta()
    here.time.pass_(minutes=1)
    here.units.clear()
    here.finish(again)
    here.send()
    assert here.day_of_the_only_one(*FAR) == DAY
    assert here.report(DAY).clock_suspect == 0


# ── Days that are longer, or shorter ─────────────────────────────────────────────────────────────────────────────────

SPRING, AUTUMN = date(2027, 3, 28), date(2027, 10, 31)
"""In Paris 02:00 becomes 03:00 at 01:00 UTC; 03:00 becomes 02:00 at 01:00 UTC."""
LEAP = date(2026, 12, 31)
"""A day that might end with 23:59:60 UTC, which is one hour after midnight in Paris."""


BEFORE_SPRING, BEFORE_AUTUMN = SPRING - timedelta(days=1), AUTUMN - timedelta(days=1)


def utc(day: date, text: str) -> datetime:
    return datetime.fromisoformat(f"{day}T{text}Z")


@pytest.mark.parametrize(
    ("day_starts", "at", "ahead", "counts_on"),
    [
        pytest.param("04:00", utc(SPRING, "01:59:59"), 0, BEFORE_SPRING, id="spring: a second before 04:00"),
        pytest.param(
            "04:00", utc(SPRING, "02:00:00"), 0, SPRING, id="spring: at 04:00, an hour earlier than the day before"
        ),
        pytest.param("04:00", utc(SPRING, "01:30:00"), 1, BEFORE_SPRING, id="spring: put forward by hand, too"),
        pytest.param(
            "02:30", utc(SPRING, "00:59:59"), 0, BEFORE_SPRING, id="spring: a second before the hour left out"
        ),
        pytest.param(
            "02:30", utc(SPRING, "01:15:00"), 0, BEFORE_SPRING, id="spring: 03:15, before 02:30 would have been"
        ),
        pytest.param("02:30", utc(SPRING, "01:30:00"), 0, SPRING, id="spring: when 02:30 would have been"),
        pytest.param("04:00", utc(AUTUMN, "02:59:59"), 0, BEFORE_AUTUMN, id="autumn: a second before 04:00"),
        pytest.param(
            "04:00", utc(AUTUMN, "03:00:00"), 0, AUTUMN, id="autumn: at 04:00, an hour later than the day before"
        ),
        pytest.param("04:00", utc(AUTUMN, "03:15:00"), -1, AUTUMN, id="autumn: put back by hand, too"),
        pytest.param("02:30", utc(AUTUMN, "00:29:59"), 0, BEFORE_AUTUMN, id="autumn: before the first 02:30"),
        pytest.param("02:30", utc(AUTUMN, "00:30:00"), 0, AUTUMN, id="autumn: at the first 02:30"),
        pytest.param("02:30", utc(AUTUMN, "01:15:00"), 0, AUTUMN, id="autumn: 02:15 for the second time"),
    ],
)
def test_the_nights_of_summer_time(
    site: Callable[..., Site], day_starts: str, at: datetime, ahead: int, counts_on: date
) -> None:
    here = site(at - timedelta(minutes=5), day_starts)
    here.hear()
    here.time.ahead = ahead * HOUR
    here.time.pass_(minutes=5)
    here.finish()
    here.send()
    days = [counts_on + timedelta(days=n) for n in (-1, 0, 1)]
    assert here.day_of_the_only_one(*days) == counts_on
    assert here.station.report_today() == counts_on
    assert here.station.desk().units == 1


def test_a_leap_second(site: Callable[..., Site]) -> None:
    """The clock says its last second twice: the station's, and the hub's, or one of them a second later."""
    here = site(utc(LEAP, "23:59:00"), day_starts="01:00")
    here.hear()
    here.time.pass_(seconds=59.5)
    here.finish()
    here.time.up_s += 1
    here.finish()
    here.time.ahead = timedelta(seconds=1)
    here.time.pass_(seconds=0.7)
    here.finish()
    here.send()
    assert (here.report(LEAP).units, here.report(LEAP + timedelta(days=1)).units) == (2, 1)
    assert here.report(LEAP, LEAP + timedelta(days=1)).clock_suspect == 0
    with here.station.store.read() as reader:
        assert [each.id for each in reversed(reader.last_units(3))] == [each.id for each in here.units]
        told = [json.loads(each.line) for each in reader.pending_events(99) if '"inspection.finished"' in each.line]
    assert told[0]["occurred_at"] == told[1]["occurred_at"] == "2026-12-31T23:59:59.500Z"
    assert told[1]["mono_ms"] - told[0]["mono_ms"] == 1000
    assert len({each["id"] for each in told}) == len({each.lpn for each in here.units}) == 3
    assert all(each["body"]["clock_ahead_s"] == 0 for each in told)


def test_a_line_that_says_23_59_60_is_kept_aside(site: Callable[..., Site]) -> None:
    """No clock of ours says so; what does is not lost."""
    here = site(MORNING)
    here.finish()
    with here.station.store.read() as reader:
        line = reader.pending_events(99)[-1].line
    said = json.loads(line)["occurred_at"]
    arrival = intake.read(line.replace(f'"occurred_at":"{said}"', '"occurred_at":"2026-12-31T23:59:60.000Z"'))
    (receipt,), _ = here.hub.change(lambda ledger: ledger.ingest(here.caller, [arrival]))
    assert (receipt.status.value, receipt.code) == ("rejected", "schema_invalid")
    with here.hub.read() as ledger:
        assert [each["id"] for each in ledger.parked("main")] == [arrival.id]
