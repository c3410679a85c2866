"""The queue of labels under all that a day brings, in any order: finish, undo, print again, send elsewhere, change the
roll, printers that fail in every way, restarts, and people who answer what they are asked."""

import shutil
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, note
from hypothesis import settings as how
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from inspect_station import config
from inspect_station.config import Config
from inspect_station.core import inspection as life
from inspect_station.core.records import Role
from inspect_station.demo import build, goods
from inspect_station.errors import DeviceError, PrintUnknown
from inspect_station.message import msg
from inspect_station.outcomes import Finished, Known, LabelSeen, Opened, Question, Said
from inspect_station.printing import State
from inspect_station.station import Station, open_station
from inspect_station.store import LabelJob

VASE = goods.product("vase").ean
RMA = "ML-40001"
OUT = "out"
SLIP = "putaway"
Fate = Literal["out", "late", "gone", "lost", "in doubt", "undone", "scanned"]


class Clock:
    """A clock that moves a millisecond at every look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


class Paper:
    """A printer whose next labels come to what they are told; it knows what really came out."""

    name = "labels"
    format: Literal["pdf", "zpl"] = "pdf"

    def __init__(self, machine: "Queue") -> None:
        self.machine = machine
        self.fates: list[Fate] = []
        self.sent: list[str] = []
        """Every label that it took, surely or perhaps."""
        self.out: set[str] = set()
        self.wrong: list[BaseException] = []

    def state(self) -> State:
        return State(True, msg("ready"))

    def cancel(self, jobs: Collection[str]) -> None:
        assert not self.out & set(jobs) or self.sent, "only what was sent"

    def send(self, data: bytes, *, job: str) -> bool:
        try:
            return self._sent(job)
        except DeviceError:
            raise
        except BaseException as error:
            self.wrong.append(error)  # the queue takes whatever happens in here for a label in doubt
            raise

    def _sent(self, job: str) -> bool:
        if job.startswith("test-"):
            return True
        fate = self.fates.pop(0) if self.fates else OUT
        note(f"{job}: {fate}")
        if fate == "gone":
            raise DeviceError(msg("the printer is gone"), msg("switch it on"))
        self.machine.is_sent(job)
        self.sent.append(job)
        if fate != "lost":
            self.out.add(job)
        if fate == "late":
            self.machine.clock.at += timedelta(seconds=8)
        if fate == "undone":
            self.machine.undo(again=True)
        if fate == "scanned":
            plate, kind, number = job.split("-")
            self.machine.station.scan(plate if kind == SLIP else f"{plate}/{number}")
        if fate in ("lost", "in doubt"):
            raise PrintUnknown(msg("nobody knows"), msg("look"))
        return True


def _as_it_is(job: LabelJob) -> tuple[int, str, bool, str]:
    return job.id, job.state, job.void, job.scan_back


class Queue(RuleBasedStateMachine):
    ready: Config
    """The station to begin with; each example works on a copy of its store."""
    folder: Path
    badge: str
    number = 0

    @initialize()
    def open_the_dock(self) -> None:
        Queue.number += 1
        data = self.folder / str(Queue.number)
        shutil.copytree(self.ready.station.data, data)
        self.config = self.ready.model_copy(update={"station": self.ready.station.model_copy(update={"data": data})})
        self.clock = Clock()
        self.paper = Paper(self)
        self.before_restart = 0
        """Labels up to this one are printed only after a person was asked."""
        self.since: dict[str, int] = {}
        """By plate: the first number of a label that says what the unit is now."""
        self.station = self.start()
        for _ in range(2):
            self.finish()
        self.works()

    def start(self) -> Station:
        station = open_station(self.config, clock=self.clock, running=True)
        station.scan(self.badge)
        (press,) = station.outbox.prints.presses
        press.printer = self.paper
        station.outbox.prints.start()
        return station

    def teardown(self) -> None:
        if hasattr(self, "station"):
            self.station.close()
            shutil.rmtree(self.config.station.data)

    # ── What is known ────────────────────────────────────────────────────────────────────────────────────────────────

    def jobs(self) -> list[LabelJob]:
        with self.station.store.read() as reader:
            return list(reader.labels("queued", "printing", "printed", "parked", "cancelled"))

    def own(self, plate: str = "") -> list[LabelJob]:
        """All but slips, of one unit or of all."""
        return [job for job in self.jobs() if not job.slip and (not plate or job.lpn == plate)]

    def plates(self) -> list[str]:
        with self.station.store.read() as reader:
            return [unit.lpn for unit in reader.last_units(50)]

    def drafts(self) -> list[str]:
        with self.station.store.read() as reader:
            return [draft.lpn for draft in reader.drafts()]

    def some(self, state: str) -> bool:
        return any(job.state == state for job in self.jobs())

    def is_sent(self, name: str) -> None:
        """What may happen when a label goes to the printer."""
        assert name not in self.paper.sent, f"{name} is printed twice by itself"
        job = next(job for job in self.jobs() if f"{job.lpn}-{job.kind}-{job.print_no}" == name)
        assert not self.station.outbox.prints.facts().held, "while the roll is changed"
        assert not job.void, "what it says is not so"
        earlier = [each for each in self.jobs() if f"{each.lpn}-{each.kind}-{each.print_no}" in self.paper.sent]
        in_order = all(each.id < job.id for each in earlier)
        if job.slip:
            return  # it goes on no box: nobody scans it back
        assert in_order or job.scan_back, f"{name} comes after a newer one, and nobody was asked"
        assert job.id > self.before_restart or job.scan_back, f"{name} waited at a restart, and nobody was asked"

    # ── The dock ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def changed(self, plate: str) -> None:
        """The unit is in a new state: from now on only its newest label is true."""
        self.since[plate] = max(job.print_no for job in self.own(plate))

    def commit(self, unit: Opened) -> None:
        self.clock.at += timedelta(seconds=1)
        step = self.station.step(unit.bench, unit.inspection, life.Digit(1))
        done = self.station.finish(unit.bench, step.inspection)
        assert isinstance(done, Finished)
        self.changed(done.units[0].lpn)

    @precondition(lambda self: len(self.plates()) < 6)
    @rule()
    def finish_one(self) -> None:
        self.finish()

    def finish(self) -> None:
        self.station.scan(RMA)
        seen = self.station.scan(VASE)
        unit = seen.answers[-1].then() if isinstance(seen, Question) else seen  # one is set aside: this is another
        assert isinstance(unit, Opened), unit
        self.commit(unit)

    @rule(again=st.booleans())
    def undo(self, again: bool) -> None:
        unit = self.station.undo()
        if not isinstance(unit, Opened):
            return
        self.changed(unit.inspection.lpn)
        self.since[unit.inspection.lpn] += 1
        if again:
            self.commit(unit)
        else:
            self.station.set_aside(unit.inspection)

    @precondition(lambda self: self.drafts())
    @rule(data=st.data())
    def go_on_with_one_set_aside(self, data: st.DataObject) -> None:
        unit = self.station.scan(data.draw(st.sampled_from(self.drafts())))
        assert isinstance(unit, Opened)
        self.commit(unit)

    @rule(data=st.data())
    def print_again(self, data: st.DataObject) -> None:
        if plates := self.plates():
            self.station.reprint(data.draw(st.sampled_from(plates)), "torn")

    @rule(data=st.data())
    def print_a_slip(self, data: st.DataObject) -> None:
        if plates := self.plates():
            plate = data.draw(st.sampled_from(plates))
            before = [_as_it_is(job) for job in self.own()]
            self.station.reprint(plate, "it needs one", SLIP)
            assert [_as_it_is(job) for job in self.own()] == before

    @rule(data=st.data())
    def send_elsewhere(self, data: st.DataObject) -> None:
        if plates := self.plates():
            plate = data.draw(st.sampled_from(plates))
            places = self.station.destinations(plate)
            if not isinstance(places, Said):
                by = next(each for each in self.config.operators if each.role is Role.SUPERVISOR)
                assert isinstance(self.station.reroute(plate, places[0], "water", by=by), Known)
                self.changed(plate)

    # ── Printers, time and people ────────────────────────────────────────────────────────────────────────────────────

    @precondition(lambda self: self.some("queued"))
    @rule()
    def the_printer_works(self) -> None:
        self.works()

    @precondition(lambda self: self.some("queued"))
    @rule(fate=st.sampled_from(["late", "gone", "lost", "in doubt", "undone", "scanned"]))
    def the_printer_fails(self, fate: Fate) -> None:
        self.works(fate)

    def works(self, *fates: Fate) -> None:
        """It prints what is due; the first labels fare like this."""
        self.paper.fates = list(fates)
        for press in self.station.outbox.prints.presses:
            press.again_at = 0.0
        turns = 0
        while self.station.outbox.prints.print_once():
            turns += 1
            assert turns < 50
        self.paper.fates = []
        for error in self.paper.wrong:
            raise error

    @rule(seconds=st.sampled_from([1, 10]))
    def time_passes(self, seconds: int) -> None:
        self.clock.at += timedelta(seconds=seconds)

    @rule()
    def restart(self) -> None:
        held = self.station.outbox.prints.facts().held
        self.station.close()
        self.station = self.start()
        assert self.station.outbox.prints.facts().held is held
        self.before_restart = 0 if held else max((job.id for job in self.jobs()), default=0)

    @rule()
    def change_the_roll(self) -> None:
        self.station.hold_printing()

    @rule()
    def go_on(self) -> None:
        if self.station.outbox.prints.facts().held:
            self.station.resume_printing()
            assert self.station.outbox.prints.facts().held, "a test label first"
            self.station.test_label("labels")
        self.station.resume_printing()
        assert not self.station.outbox.prints.facts().held

    @precondition(lambda self: self.some("parked"))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """Whoever looks tells the truth: whether it is there, or, of one that was not sent, whether it is needed."""
        job = data.draw(st.sampled_from([job for job in self.jobs() if job.state == "parked"]))
        there = f"{job.lpn}-{job.kind}-{job.print_no}" in self.paper.out
        before = [_as_it_is(each) for each in self.own()]
        self.station.settle_label(job.id, came_out=there if job.printer else data.draw(st.booleans()))
        if job.slip:
            assert [_as_it_is(each) for each in self.own()] == before

    @rule(data=st.data())
    def scan_a_label(self, data: st.DataObject) -> None:
        """One that really is there: if it says what is not so, that is said; it is never the unit's label then."""
        if not self.paper.out:
            return
        name = data.draw(st.sampled_from(sorted(self.paper.out)))
        plate, kind, number = name.split("-")
        if kind == SLIP:
            before = [_as_it_is(job) for job in self.jobs()]
            self.station.scan(plate)
            assert [_as_it_is(job) for job in self.jobs()] == before
            return
        seen = self.station.scan(f"{plate}/{number}")
        if int(number) < self.since.get(plate, 0):
            assert isinstance(seen, Said) and "is void" in str(seen.title), seen
        elif isinstance(seen, LabelSeen | Known):
            (job,) = (each for each in self.jobs() if each.code == f"{plate}/{number}")
            assert job.state == "printed" and not job.void

    # ── What always holds ────────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def every_standing_unit_has_its_label_or_is_asked_about(self) -> None:
        if not hasattr(self, "station"):
            return
        jobs = self.own()
        for plate in self.plates():
            stands = [each for each in jobs if each.lpn == plate and not each.void and each.state != "cancelled"]
            assert stands, f"{plate} has no label, and nobody is asked"
            assert all(each.print_no >= self.since[plate] for each in stands)

    @invariant()
    def at_most_one_label_of_a_unit_is_valid(self) -> None:
        if not hasattr(self, "station"):
            return
        valid = [each.lpn for each in self.own() if each.state == "printed" and not each.void]
        assert len(valid) == len(set(valid))

    @invariant()
    def nothing_is_left_halfway(self) -> None:
        if hasattr(self, "station"):
            assert all(each.state != "printing" for each in self.jobs())


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> tuple[Config, str]:
    """A station with one RMA of many vases, and its operator's badge."""
    folder = tmp_path_factory.mktemp("queue")
    demo = build.prepare(folder / "demo", today=datetime(2026, 11, 22, tzinfo=UTC).date())
    loaded = config.load(Path(demo.config))
    fresh = loaded.model_copy(
        update={
            "station": loaded.station.model_copy(update={"data": folder / "data"}),
            "limits": loaded.limits.model_copy(update={"ballast_mb": 0}),
            "printers": loaded.printers[:1],
        }
    )
    with open_station(fresh, clock=Clock()) as station:
        station.import_products((Path(demo.dir) / "products.csv").read_bytes())
        seller = next(item.seller for item in goods.PRODUCTS if item.ean == VASE)
        station.import_rmas(
            "rma,seller,channel,gtin,quantity,reason,delivered_on,postmarked_on\n"
            f"{RMA},{seller},amazon,{VASE},500,CHANGED_MIND,2026-11-02,2026-11-18\n".encode()
        )
    return fresh, demo.badge


def test_whatever_happens_each_unit_has_one_label_or_a_person_is_asked(
    ready: tuple[Config, str], tmp_path: Path
) -> None:
    Queue.ready, Queue.badge = ready
    Queue.folder = tmp_path
    run_state_machine_as_test(
        Queue,
        settings=how(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
