"""The dock situations of domain.md §4 and the errors of a day, as verbs of the station on a real store."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from itertools import count, islice
from pathlib import Path
from threading import Event, Timer
from typing import Any

import pypdfium2
import pytest
import zxingcpp
from PIL import Image
from stdnum import ean

from inspect_station import config, printing, stickers
from inspect_station.camera import FolderCamera
from inspect_station.core import decide
from inspect_station.core import inspection as life
from inspect_station.core.barcode import ScanKind
from inspect_station.core.photos import due_slots
from inspect_station.core.records import Disposition, Grade, Inspection, Kind, Mark, Money, Operator, Role, Seller
from inspect_station.core.view import view
from inspect_station.demo import build, goods
from inspect_station.demo.build import Demo
from inspect_station.errors import (
    DeviceError,
    DiskFull,
    NotAllowed,
    NotFound,
    PrintUnknown,
    StoreError,
    StoreLocked,
)
from inspect_station.message import Message, msg
from inspect_station.outcomes import (
    Arrived,
    Finished,
    Given,
    Known,
    LabelSeen,
    Offer,
    Opened,
    PinNeeded,
    Printable,
    Proposed,
    Question,
    ReasonNeeded,
    Said,
    Several,
    SignedIn,
    SupervisorNeeded,
)
from inspect_station.station import Station, open_station
from inspect_station.store import EventSpec, Receipt
from inspect_station.store.connection import Sqlite
from inspect_station.upstream import Credentials, Upstream

IMEI = "356938035643809"
LAMP, VASE, CHAIR, SHIRT, PHONE = (goods.product(key).ean for key in ("lamp", "vase", "chair", "shirt", "phone"))


class Clock:
    """A clock that moves a millisecond at every look, and a second at every key."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A demo made once; each test works on a station of its own beside it."""
    return build.prepare(tmp_path_factory.mktemp("station") / "demo", today=datetime(2026, 11, 22, tzinfo=UTC).date())


@pytest.fixture(scope="module")
def loaded(template: Demo) -> config.Config:
    """The demo's configuration."""
    return config.load(Path(template.config))


@pytest.fixture
def station(template: Demo, loaded: config.Config, tmp_path: Path) -> Iterator[Station]:
    """The demo's station on an empty store, the operator signed in; RMAs are imported by the tests."""
    fresh = loaded.model_copy(
        update={
            "station": loaded.station.model_copy(update={"data": tmp_path / "data"}),
            "printers": tuple(each.model_copy(update={"folder": tmp_path / "printed"}) for each in loaded.printers),
        }
    )
    with open_station(fresh, clock=Clock(), running=True) as opened:
        opened.import_products((Path(template.dir) / "products.csv").read_bytes())
        assert isinstance(opened.scan(template.badge), SignedIn)
        yield opened


def announce(station: Station, number: str, *lines: tuple[str, int], **more: str) -> None:
    """Import one RMA with these (EAN, quantity) lines, of the seller of the first article."""
    seller = next(item.seller for item in goods.PRODUCTS if item.ean == lines[0][0])
    header = ["rma", "seller", "channel", "gtin", "quantity", "reason", "delivered_on", "postmarked_on", *more]
    fixed = ["CHANGED_MIND", "2026-11-02", "2026-11-18", *more.values()]
    rows = [[number, seller, "amazon", ean, str(quantity), *fixed] for ean, quantity in lines]
    taken = station.import_rmas("\n".join(",".join(row) for row in [header, *rows]).encode())
    assert not taken.bad


def opened(station: Station, *codes: str) -> Opened:
    """Scan the codes one after the other; the last one opens a unit."""
    seen = None
    for code in codes:
        parcel = seen.parcel if isinstance(seen, Arrived) else None
        seen = station.scan(code, None, parcel)
    assert isinstance(seen, Opened), seen
    return seen


def press(station: Station, unit: Opened, *given: life.Input) -> life.Step:
    """The inputs in turn; the draft is kept after each, as the screens do."""
    step = life.Step(unit.inspection)
    for each in given:
        assert isinstance(station.clock, Clock)
        station.clock.at += timedelta(seconds=1)
        step = station.step(unit.bench, step.inspection, each)
        station.keep(step.inspection)
    return step


def committed(station: Station, unit: Opened, inspection: Inspection) -> Inspection:
    """The first unit that finishing commits."""
    done = station.finish(unit.bench, inspection)
    assert isinstance(done, Finished), done
    return done.units[0]


def sealed(station: Station, *codes: str) -> Inspection:
    """A sealed unit, finished."""
    unit = opened(station, *codes)
    step = press(station, unit, life.Digit(1))
    assert step.done, step.said
    return committed(station, unit, step.inspection)


def text(said: Message) -> str:
    return str(said)


def wrong_item(station: Station) -> Opened:
    """A vase in the box of a lamp, on the bench."""
    announce(station, "ML-40001", (LAMP, 1))
    arrived = station.scan("ML-40001")
    assert isinstance(arrived, Arrived)
    proposed = station.scan(VASE, None, arrived.parcel)
    assert isinstance(proposed, Proposed)
    wrong = station.accept(proposed)
    assert isinstance(wrong, Opened)
    return wrong


# ── Parcels ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_next_rma_closes_the_parcel_and_lines_not_found_stay_open(station):
    announce(station, "ML-40001", (LAMP, 1), (VASE, 1))
    announce(station, "ML-40002", (CHAIR, 1))
    sealed(station, "ML-40001", LAMP)
    station.scan("ML-40002")
    with station.store.read() as reader:
        first = reader.parcel_of("lumo", "ML-40001")
        assert first is not None and first.closed_at is not None
        assert first.missing == (("lumo", "ML-40001", 2),)
        assert reader.open_count("lumo", "ML-40001", 2) == 1
    assert isinstance(station.scan("ML-40001"), Arrived), "it can still come"


def test_two_rmas_scanned_before_the_first_article_share_the_carton(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1))
    first = station.scan("ML-40001")
    assert isinstance(first, Arrived)
    both = station.scan("ML-40002", None, first.parcel)
    assert isinstance(both, Arrived)
    assert [rma for _, rma in both.parcel.rmas] == ["ML-40001", "ML-40002"]
    unit = station.scan(VASE, None, both.parcel)
    assert isinstance(unit, Opened) and unit.inspection.rma == "ML-40002"
    assert unit.inspection.parcel == both.parcel.id


def test_a_crushed_carton_is_noted_and_photographed_before_it_is_opened(station):
    announce(station, "ML-40001", (LAMP, 1))
    arrived = station.scan("ML-40001")
    assert isinstance(arrived, Arrived)
    noted = station.carton_found(arrived.parcel, "carton_crushed")
    photographed = station.carton_photo(noted.parcel)
    assert isinstance(photographed, Arrived)
    unit = station.scan(LAMP, None, photographed.parcel)
    assert isinstance(unit, Opened)
    assert unit.inspection.found("carton_crushed")
    assert station.rules.finding("carton_crushed").dock == "TRANSIT_DAMAGE"
    step = press(station, unit, life.Digit(1))
    assert step.done, "the carton's photo is there already"


def test_m_marks_a_line_that_is_not_in_the_parcel(station):
    announce(station, "ML-40001", (LAMP, 1), (VASE, 1))
    arrived = station.scan("ML-40001")
    assert isinstance(arrived, Arrived)
    marked = station.line_missing(arrived.parcel, arrived.lines[1])
    assert marked.parcel.missing == (("lumo", "ML-40001", 2),)


def test_an_ean_with_several_open_rmas_is_asked_the_oldest_first(station):
    announce(station, "ML-40002", (LAMP, 1), requested_on="2026-11-10")
    announce(station, "ML-40001", (LAMP, 1), requested_on="2026-11-05")
    seen = station.scan(LAMP)
    assert isinstance(seen, Several)
    assert [line.rma.number for line in seen.lines] == ["ML-40001", "ML-40002"]
    picked = station.pick(seen.lines[1], unit=True)
    assert isinstance(picked, Opened) and picked.inspection.rma == "ML-40002"


def test_an_rma_of_another_site_is_forwarded_with_its_address_and_not_graded(station):
    announce(station, "ML-40001", (LAMP, 1), site="LYS2")
    seen = station.scan("ML-40001")
    assert isinstance(seen, Proposed) and seen.offer is Offer.FORWARD
    done = station.accept(seen)
    assert isinstance(done, Finished)
    (unit,) = done.units
    assert (unit.grade, unit.disposition) == (None, Disposition.FORWARD)
    with station.store.read() as reader:
        (job,) = reader.labels_of(unit.lpn)
    assert job.kind == "forward"
    assert "69000 LYON" in job.fields["address"]


def test_a_closed_rma_shows_its_units_and_offers_an_extra_one(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    again = station.scan("ML-40001")
    assert isinstance(again, Arrived) and again.said is not None
    assert [seen.lpn for seen in again.lines[0].units] == [unit.lpn]
    offer = station.scan(LAMP, None, again.parcel)
    assert isinstance(offer, Proposed) and offer.offer is Offer.EXTRA_UNIT
    extra = station.accept(offer)
    assert isinstance(extra, Opened)
    assert extra.inspection.verdict.outcome == "consult", "more came back than was sold: a person decides"


def test_an_unreadable_label_is_found_by_order_tracking_and_title(station):
    announce(station, "ML-40001", (LAMP, 1), order="402-1234567-7654321", tracking="6A00000000042")
    for code in ("402-1234567-7654321", "6A00000000042"):
        seen = station.scan(code)
        assert isinstance(seen, Arrived), code
    for part in ("1234567", "0000042", "oak desk", "ML-4000"):
        assert station.search(part), part


def test_nothing_announced_is_taken_in_as_a_claim(station):
    seen = station.scan("SOMETHING-ELSE")
    assert isinstance(seen, Proposed) and seen.offer is Offer.UNKNOWN
    claim = station.accept(seen)
    assert isinstance(claim, Opened)
    assert len(claim.bench.sellers) == len(goods.SELLERS)
    unit = claim.inspection
    for _ in range(2):
        unit = station.photograph(claim.bench, unit).step.inspection
    step = station.step(claim.bench, unit, life.Digit(2))
    held = committed(station, claim, station.step(claim.bench, step.inspection, life.Accept()).inspection)
    assert held.seller and held.disposition is Disposition.HOLD and held.case is not None
    with station.store.read() as reader:
        event = reader.event(reader.event_of(held.id))
    assert event is not None and event.type == "claim.opened"


# ── Interrupted ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_unit_set_aside_is_found_again_by_its_plate_its_rma_or_its_ean(station):
    announce(station, "NT-40001", (PHONE, 1))
    unit = opened(station, "NT-40001", PHONE)
    step = press(station, unit, life.Serial("356938035643809"))
    station.set_aside(step.inspection)
    lpn = step.inspection.lpn
    for way in ((lpn,), (f"{lpn}/1",), (PHONE,), ("NT-40001", PHONE), ("356938035643809",)):
        again = opened(station, *way)
        assert again.inspection.lpn == lpn, way
        assert again.inspection.page == "test", way
    with station.store.read() as reader:
        assert [job.kind for job in reader.labels_of(lpn)] == ["hold"]


def test_finishing_after_setting_aside_prints_a_label_with_a_new_number(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    station.set_aside(unit.inspection)
    again = opened(station, unit.inspection.lpn)
    step = press(station, again, life.Digit(1))
    station.finish(again.bench, step.inspection)
    with station.store.read() as reader:
        assert [(job.kind, job.print_no) for job in reader.labels_of(unit.inspection.lpn)] == [
            ("hold", 1),
            ("restock", 2),
        ]


KILLED = """
import os, signal, sys
from pathlib import Path
from threading import Timer
from inspect_station import config, stickers
from inspect_station.camera import FolderCamera
from inspect_station.core import inspection as life
from inspect_station.station import Arrived, open_station
station = open_station(config.load(Path(sys.argv[1])), running=True)
station.scan(sys.argv[2])
arrived = station.scan(sys.argv[3])
unit = station.scan(sys.argv[4], None, arrived.parcel)
step = station.step(unit.bench, unit.inspection, life.Serial("356938035643809"))
station.keep(step.inspection)
print(step.inspection.lpn, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_kill_minus_nine_resumes_at_the_same_question(tmp_path):
    made = build.prepare(tmp_path / "demo")
    parcel = next(each for each in made.parcels if each.kind == "phone")
    command = [sys.executable, "-c", textwrap.dedent(KILLED), made.config, made.badge, *parcel.scans[:2]]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with open_station(config.load(Path(made.config)), running=True) as station:
        assert isinstance(station.scan(made.badge), SignedIn)
        (waiting,) = station.desk().waiting
        assert waiting.lpn == killed.stdout.strip()
        again = station.resume(waiting.draft)
        assert isinstance(again, Opened)
        assert again.inspection.page == "test"
        assert again.inspection.serial == "356938035643809"


# ── Corrections ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_undo_returns_the_last_unit_as_a_draft_and_erases_nothing(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    undone = station.undo()
    assert isinstance(undone, Opened)
    assert undone.inspection.lpn == unit.lpn
    assert undone.inspection.page == "condition"
    with station.store.read() as reader:
        assert [each.revision for each in reader.history(unit.lpn)] == [1, 2]
        assert reader.history(unit.lpn)[-1].voided_at is not None
        assert [job.state for job in reader.labels_of(unit.lpn)] == ["cancelled"]
        assert reader.open_count("lumo", "ML-40001", 1) == 1
        types = [event.type for event in reader.pending_events()]
    assert types[-1] == "inspection.voided"
    step = press(station, undone, life.Digit(2), life.Accept())
    again = committed(station, undone, step.inspection)
    assert (again.lpn, again.revision, again.grade) == (unit.lpn, 3, Grade.OPENED)
    with station.store.read() as reader:
        assert reader.tally(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)).units == 1
        assert reader.pending_events()[-1].type == "inspection.amended"


def test_undo_after_printing_says_that_the_label_is_void(station):
    announce(station, "ML-40001", (LAMP, 1))
    sealed(station, "ML-40001", LAMP)
    assert station.outbox.prints.print_once()
    undone = station.undo()
    assert isinstance(undone, Opened) and undone.said is not None
    assert "destroy" in text(undone.said)


def test_undo_with_nothing_finished_says_so(station):
    assert isinstance(station.undo(), Said)


def test_a_finished_unit_is_known_and_reopened_by_its_operator_with_a_reason(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    assert isinstance(station.scan(unit.lpn), Known)
    assert isinstance(station.reopen(unit.lpn, "  "), Said), "a reason is needed"
    assert isinstance(station.reopen(unit.lpn, "scratch overlooked"), Opened)


def test_somebody_elses_unit_is_reopened_by_a_supervisor_only(station, template):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    station.scan(template.badges["operateur"])
    assert isinstance(station.reopen(unit.lpn, "why"), Said)
    asked = station.scan(template.badges["supervisor"])
    assert isinstance(asked, PinNeeded)
    assert isinstance(station.enter_pin(asked.operator, "0000"), Said)
    assert station.by == "op2", "a wrong PIN signs nobody in"
    assert isinstance(station.enter_pin(asked.operator, build.PIN), SignedIn)
    assert station.operator is not None and station.operator.role is Role.SUPERVISOR
    assert isinstance(station.reopen(unit.lpn, "why"), Opened)


def test_a_refurbished_unit_is_graded_again_and_both_grades_are_kept(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(3), life.Digit(1))
    taken = station.photograph(unit.bench, step.inspection).step.inspection
    dirty = committed(station, unit, station.step(unit.bench, taken, life.Accept()).inspection)
    assert dirty.disposition is Disposition.REFURBISH
    back = opened(station, dirty.lpn)
    assert back.inspection.page == "grade"
    again = committed(station, back, press(station, back, life.Digit(3), life.Accept()).inspection)
    assert (again.lpn, again.disposition, again.revision) == (dirty.lpn, Disposition.CLEARANCE, 2)
    assert again.earlier_grades == (Grade.USED,)


def test_a_badge_in_the_middle_of_a_unit_changes_the_operator_and_each_answer_keeps_its_own(station, template):
    announce(station, "NT-40001", (PHONE, 1))
    unit = opened(station, "NT-40001", PHONE)
    first = press(station, unit, life.Serial("356938035643809"), life.Digit(2)).inspection
    assert isinstance(station.scan(template.badges["operateur"], first), SignedIn)
    assert station.locale == "fr"
    second = station.step(unit.bench, first, life.Digit(3)).inspection
    by = {answer.id: answer.by for answer in second.answers}
    assert (by["test.touch"], by["test.pixels"]) == ("op1", "op2")


def test_signing_out_leaves_a_hand_over_list(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    station.set_aside(unit.inspection)
    assert [each.lpn for each in station.sign_out()] == [unit.inspection.lpn]
    assert isinstance(station.scan("ML-40001"), Said), "nobody works: nothing is scanned"


def test_twelve_sealed_units_get_twelve_plates_labels_and_records(station):
    announce(station, "AP-40001", (SHIRT, 12))
    unit = opened(station, "AP-40001", SHIRT)
    step = press(station, unit, life.Counted(12), life.Digit(1))
    done = station.finish(unit.bench, step.inspection)
    assert isinstance(done, Finished)
    assert len({each.lpn for each in done.units}) == len({each.id for each in done.units}) == 12
    with station.store.read() as reader:
        assert reader.waiting().labels == 12
        assert reader.open_count("plume", "AP-40001", 1) == 0


# ── Two things that look alike ───────────────────────────────────────────────────────────────────────────────────────


def test_a_unit_set_aside_is_one_unit_also_after_its_parcel_was_closed(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1))
    aside = opened(station, "ML-40001", LAMP)
    station.set_aside(aside.inspection)
    station.scan("ML-40002")
    with station.store.read() as reader:
        closed = reader.parcel_of("lumo", "ML-40001")
    assert closed is not None and closed.closed_at is not None
    assert closed.missing == (), "it is here, only not finished"
    seen = station.scan("ML-40001")
    assert isinstance(seen, Arrived)
    again = station.scan(LAMP, None, seen.parcel)
    assert isinstance(again, Opened) and again.inspection.lpn == aside.inspection.lpn


def test_the_second_unit_of_a_line_is_not_taken_for_the_one_set_aside(station):
    announce(station, "ML-40001", (VASE, 2))
    first = opened(station, "ML-40001", VASE)
    station.set_aside(first.inspection)
    asked = station.scan(VASE)
    assert isinstance(asked, Question), "only the operator knows which one it is"
    assert first.inspection.lpn in text(asked.answers[0].label)
    resumed = asked.answers[0].then()
    assert isinstance(resumed, Opened) and resumed.inspection.lpn == first.inspection.lpn
    second = asked.answers[1].then()
    assert isinstance(second, Opened) and second.inspection.lpn != first.inspection.lpn


def test_an_article_that_the_open_carton_does_not_announce_is_asked_about(station):
    announce(station, "ML-40001", (LAMP, 1), (VASE, 1))
    announce(station, "ML-40002", (CHAIR, 1))
    sealed(station, "ML-40001", LAMP)
    asked = station.scan(CHAIR)
    assert isinstance(asked, Question)
    wrong = asked.answers[-1].then()
    assert isinstance(wrong, Opened) and wrong.inspection.kind is Kind.WRONG_ITEM
    assert wrong.inspection.rma == "ML-40001"
    other = asked.answers[0].then()
    assert isinstance(other, Opened) and other.inspection.rma == "ML-40002"


def test_a_line_that_was_filled_meanwhile_takes_no_unit_too_many(station):
    announce(station, "ML-40001", (VASE, 2))
    first = opened(station, "ML-40001", VASE)
    station.set_aside(first.inspection)
    asked = station.scan(VASE)
    assert isinstance(asked, Question)
    twins = asked.answers[1].then()
    assert isinstance(twins, Opened)
    both = press(station, twins, life.Counted(2), life.Digit(1))
    station.finish(twins.bench, both.inspection)
    resumed = station.resume(first.inspection.id)
    assert isinstance(resumed, Opened)
    refused = station.finish(resumed.bench, press(station, resumed, life.Digit(1)).inspection)
    assert isinstance(refused, Opened)
    assert refused.inspection.verdict.outcome == "consult"
    with station.store.read() as reader:
        assert len(reader.units("lumo", "ML-40001")) == 2


def test_a_finished_rma_that_is_only_looked_at_changes_nothing(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1), (CHAIR, 1))
    sealed(station, "ML-40001", LAMP)
    sealed(station, "ML-40002", VASE)
    with station.store.read() as reader:
        before = len(reader.pending_events(1000))
    station.scan("ML-40001")
    with station.store.read() as reader:
        assert len(reader.pending_events(1000)) == before
        parcel = reader.open_parcel()
    assert parcel is not None and parcel.rmas == (("lumo", "ML-40002"),), "the carton on the bench stays open"


def test_an_rma_closed_from_above_shows_that_and_takes_only_extra_units(station):
    announce(station, "ML-40001", (LAMP, 1))
    with station.store.write() as writer:
        writer.close_rma("lumo", "ML-40001")
    seen = station.scan("ML-40001")
    assert isinstance(seen, Arrived) and seen.said is not None
    offer = station.scan(LAMP, None, seen.parcel)
    assert isinstance(offer, Proposed) and offer.offer is Offer.EXTRA_UNIT


def test_the_same_serial_twice_in_one_return_is_refused_and_later_asked_about(station):
    announce(station, "NT-40001", (PHONE, 2))
    first = opened(station, "NT-40001", PHONE)
    step = press(station, first, life.Serial(IMEI), life.Digit(1), life.Accept())
    done = committed(station, first, station.photograph(first.bench, step.inspection).step.inspection)
    second = opened(station, PHONE)
    refused = station.scan(IMEI, second.inspection)
    assert isinstance(refused, Said) and done.lpn in text(refused.title)
    announce(station, "NT-40002", (PHONE, 1))
    later = opened(station, "NT-40002", PHONE)
    given = station.scan(IMEI, later.inspection)
    assert isinstance(given, Given)
    assert station.step(later.bench, later.inspection, given.given).inspection.verdict.outcome == "consult"


def test_only_a_serial_counts_as_a_serial(station):
    announce(station, "NT-40001", (PHONE, 1))
    unit = opened(station, "NT-40001", PHONE)
    assert isinstance(station.scan("402-1234567-7654321", unit.inspection), Said)
    assert isinstance(station.scan("1Z999AA10123456784", unit.inspection), Question), "it looks like a tracking number"
    given = station.scan("356938035643808", unit.inspection)
    assert isinstance(given, Given)
    step = station.step(unit.bench, unit.inspection, given.given)
    assert step.inspection == unit.inspection and step.said is not None, "its check digit is wrong"


def test_a_closed_parcel_on_the_screen_takes_no_further_rma(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1), (CHAIR, 1))
    announce(station, "ML-40003", (CHAIR, 1))
    sealed(station, "ML-40001", LAMP)
    sealed(station, "ML-40002", VASE)
    looked_at = station.scan("ML-40001")
    assert isinstance(looked_at, Arrived)
    third = station.scan("ML-40003", None, looked_at.parcel)
    assert isinstance(third, Arrived) and third.parcel.rmas == (("lumo", "ML-40003"),)
    with station.store.read() as reader:
        closed = [event for event in reader.pending_events(1000) if event.type == "parcel.closed"]
        second = reader.parcel_of("lumo", "ML-40002")
    assert len(closed) == 2, "ML-40001 when it was full, ML-40002 by the next RMA"
    assert second is not None and second.closed_at is not None


def test_a_wrong_item_set_aside_is_not_taken_for_the_right_article(station):
    wrong = wrong_item(station)
    station.set_aside(wrong.inspection)
    right = station.scan(LAMP)
    assert isinstance(right, Opened) and right.inspection.lpn != wrong.inspection.lpn


def test_an_article_that_two_rmas_of_the_carton_announce_is_asked_about(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (LAMP, 1))
    first = station.scan("ML-40001")
    assert isinstance(first, Arrived)
    both = station.scan("ML-40002", None, first.parcel)
    assert isinstance(both, Arrived)
    asked = station.scan(LAMP, None, both.parcel)
    assert isinstance(asked, Question) and len(asked.answers) == 2
    second = asked.answers[1].then()
    assert isinstance(second, Opened) and second.inspection.rma == "ML-40002"


def test_an_extra_unit_set_aside_is_offered_again(station):
    announce(station, "ML-40001", (LAMP, 1))
    sealed(station, "ML-40001", LAMP)
    seen = station.scan("ML-40001")
    assert isinstance(seen, Arrived)
    offer = station.scan(LAMP, None, seen.parcel)
    assert isinstance(offer, Proposed)
    extra = station.accept(offer)
    assert isinstance(extra, Opened)
    station.set_aside(extra.inspection)
    asked = station.scan(LAMP)
    assert isinstance(asked, Question) and extra.inspection.lpn in text(asked.answers[0].label)


def test_another_sites_article_is_never_graded_here(station):
    announce(station, "ML-40001", (LAMP, 2), site="LYS2")
    seen = station.scan("ML-40001")
    assert isinstance(seen, Proposed)
    assert isinstance(station.accept(seen), Finished)
    assert isinstance(station.accept(seen), Known), "one slip for one carton"
    assert not isinstance(station.scan(LAMP), Opened)


def test_what_was_tested_is_not_new_any_more_by_any_way(station):
    announce(station, "NT-40001", (PHONE, 1))
    unit = opened(station, "NT-40001", PHONE)
    tested = press(station, unit, life.Serial(IMEI), life.AllPass(), life.Typed("90"), life.Back(), life.Back())
    assert tested.inspection.page == "condition"
    pressed = station.step(unit.bench, tested.inspection, life.Digit(1))
    assert not pressed.done and pressed.said is not None and pressed.inspection.chosen is None


def test_an_undone_danger_is_again_what_it_was(station):
    wrong = wrong_item(station)
    committed(station, wrong, press(station, wrong, life.Digit(0)).inspection)
    undone = station.undo()
    assert isinstance(undone, Opened)
    assert undone.inspection.kind is Kind.WRONG_ITEM and undone.inspection.page == "finish"
    assert undone.inspection.product is not None and "vase" in undone.inspection.product.title


def test_units_counted_after_an_undo_are_first_records_of_their_own(station):
    announce(station, "AP-40001", (SHIRT, 5))
    sealed(station, "AP-40001", SHIRT)
    undone = station.undo()
    assert isinstance(undone, Opened)
    step = press(station, undone, life.Counted(3), life.Digit(1))
    done = station.finish(undone.bench, step.inspection)
    assert isinstance(done, Finished)
    assert [unit.revision for unit in done.units] == [3, 1, 1]
    with station.store.read() as reader:
        types = [event.type for event in reader.pending_events(1000)][-4:]
    assert sorted(types[-3:]) == ["inspection.amended", "inspection.finished", "inspection.finished"]


def test_a_count_that_fits_no_more_is_asked_again_and_nobody_is_suspected(station):
    announce(station, "AP-40001", (SHIRT, 3))
    unit = opened(station, "AP-40001", SHIRT)
    counted = press(station, unit, life.Counted(3))
    station.set_aside(counted.inspection)
    asked = station.scan(SHIRT)
    assert isinstance(asked, Question)
    other = asked.answers[-1].then()
    assert isinstance(other, Opened)
    committed(station, other, press(station, other, life.Digit(1)).inspection)
    again = station.resume(unit.inspection.id)
    assert isinstance(again, Opened)
    refused = station.finish(again.bench, press(station, again, life.Digit(1)).inspection)
    assert isinstance(refused, Opened)
    assert (refused.inspection.count, refused.inspection.page, refused.inspection.warnings) == (1, "condition", ())
    assert refused.bench.open_units == 2


def test_a_row_left_unclean_before_a_change_of_mind_sends_no_sealed_unit_to_cleaning(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(2), life.Digit(1), life.Back(), life.Digit(1))
    assert committed(station, unit, step.inspection).disposition is Disposition.RESTOCK


# ── Corrections that must not open a gate ────────────────────────────────────────────────────────────────────────────


def test_after_an_undo_the_new_answer_counts_not_the_old_grade(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    by_questions = press(station, unit, life.Accept(), life.Accept(), life.Digit(1))
    assert by_questions.done
    committed(station, unit, by_questions.inspection)
    undone = station.undo()
    assert isinstance(undone, Opened) and undone.inspection.page == "question.sealed"
    again = press(station, undone, life.Digit(2), life.Digit(5), life.Accept())
    assert committed(station, undone, again.inspection).grade is Grade.OPENED


def test_an_undone_danger_is_no_danger_and_judged_like_any_other(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    committed(station, unit, press(station, unit, life.Digit(0)).inspection)
    undone = station.undo()
    assert isinstance(undone, Opened) and not undone.inspection.found("hazard")
    assert committed(station, undone, press(station, undone, life.Digit(1)).inspection).disposition == "restock"


def test_a_hazard_that_was_found_is_never_sold(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Found("hazard"), life.Digit(2), life.Accept())
    assert committed(station, unit, step.inspection).disposition is Disposition.QUARANTINE


def test_another_operator_or_day_is_not_undone_without_a_supervisor(station, template):
    announce(station, "ML-40001", (LAMP, 1))
    sealed(station, "ML-40001", LAMP)
    station.scan(template.badges["operateur"])
    assert isinstance(station.undo(), Said)
    station.scan(template.badge)
    clock = station.clock
    assert isinstance(clock, Clock)
    clock.at += timedelta(days=1)
    assert isinstance(station.undo(), Said)


def test_a_hold_by_hand_can_be_taken_back(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Held("customer called"), life.Back(), life.Digit(1))
    assert committed(station, unit, step.inspection).disposition == "restock"


def test_an_owed_photo_can_be_taken_later(station):
    camera = station._camera

    class Gone:
        def grab(self, slot: str = "") -> None:
            raise DeviceError(msg("The camera does not answer."), msg("check its cable"))

    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(3))
    station._camera = Gone()
    owed = station.photograph(unit.bench, step.inspection).step.inspection
    station._camera = camera
    taken = station.photograph(unit.bench, owed).step.inspection
    assert [(photo.slot, bool(photo.sha256)) for photo in taken.photos] == [("state", True)]
    done = committed(station, unit, station.step(unit.bench, taken, life.Accept()).inspection)
    assert done.disposition is Disposition.CLEARANCE


def test_a_changed_rma_reaches_the_unit_that_was_set_aside(station):
    announce(station, "ML-40001", (LAMP, 1), requested_on="2026-08-01")
    with station.store.write() as writer:
        rma = writer.rma("lumo", "ML-40001")
        assert rma is not None
        late = rma.lines[0].but(delivered_on=datetime(2026, 8, 1, tzinfo=UTC).date())
        writer.put_rma(rma.but(lines=(late,)))
    unit = opened(station, "ML-40001", LAMP)
    assert unit.inspection.verdict.outcome == "ineligible"
    station.set_aside(unit.inspection)
    with station.store.write() as writer:
        writer.put_rma(rma)
    again = opened(station, unit.inspection.lpn)
    assert again.inspection.verdict.outcome == "eligible" and again.said is not None


def test_the_price_is_the_catalogues_at_finish(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    with station.store.write() as writer:
        lamp = writer.product("lumo", f"0{LAMP}")
        assert lamp is not None
        writer.put_product(lamp.but(price=Money(minor=5900)))
    done = committed(station, unit, press(station, unit, life.Digit(2), life.Accept()).inspection)
    assert done.list_price == Money(minor=5900)
    assert done.price == Money(minor=5310), "domain 3.3: 10 %"


def test_nothing_is_finished_while_nobody_is_signed_in(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(1))
    station.sign_out()
    with pytest.raises(NotAllowed):
        station.finish(unit.bench, step.inspection)


def test_a_wiped_phone_carries_the_record_of_its_wipe(station):
    announce(station, "NT-40001", (PHONE, 1), serial=IMEI)
    unit = opened(station, "NT-40001", PHONE)
    step = press(
        station,
        unit,
        life.Serial(IMEI),
        life.AllPass(),
        life.Typed("87"),
        life.Digit(3),
        life.AllPass(),
        life.AllPass(),
    )
    inspection = step.inspection
    for _ in range(2):
        inspection = station.photograph(unit.bench, inspection).step.inspection
    done = committed(station, unit, station.step(unit.bench, inspection, life.Accept()).inspection)
    assert done.wipe is not None
    assert (done.wipe.serial, done.wipe.method, done.wipe.by) == (IMEI, "clear", "op1")
    assert "800-88" in done.wipe.standard
    assert done.wipe.verified == next(photo.sha256 for photo in done.photos if photo.slot == "setup_screen")


def test_what_was_found_at_the_dock_is_kept_apart_from_what_was_stated(station):
    announce(station, "ML-40001", (LAMP, 1), requested_on="2026-11-16", defect_reported_on="2026-11-10")
    with station.store.write() as writer:
        rma = writer.rma("lumo", "ML-40001")
        assert rma is not None
        writer.put_rma(rma.but(lines=(rma.lines[0].but(reason="DEFECTIVE"),)))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(6), life.Found("does_not_work"))
    taken = station.photograph(unit.bench, step.inspection).step.inspection
    done = committed(station, unit, station.step(unit.bench, taken, life.Accept()).inspection)
    assert "CONFIRMED" in done.dock


# ── What goes wrong in a day ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("3760311300160", ("3760311300160", "check digit")),
        ("RMA\x1b[31m", ("1B",)),
        ("A" * 200, ("200",)),
        ("LTEST00001B", ("LTEST00001B",)),
    ],
    ids=["bad check digit", "control characters", "too long", "not our plate"],
)
def test_a_code_that_cannot_be_used_is_named_and_nothing_happens(station, code, words):
    seen = station.scan(code)
    assert isinstance(seen, Said | Proposed), seen
    said = text(seen.title if isinstance(seen, Said) else seen.said)
    assert all(word.casefold() in said.casefold() for word in words), said
    assert station.desk().units == 0


def test_a_unit_that_is_inspected_already_says_where_it_is(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    seen = station.scan(unit.lpn)
    assert isinstance(seen, Known)
    assert unit.lpn in text(seen.said)


def test_a_wrong_item_names_both_articles(station):
    announce(station, "ML-40001", (LAMP, 1))
    arrived = station.scan("ML-40001")
    assert isinstance(arrived, Arrived)
    seen = station.scan(VASE, None, arrived.parcel)
    assert isinstance(seen, Proposed) and seen.offer is Offer.WRONG_ITEM
    assert "vase" in text(seen.said) and "lamp" in text(seen.said)
    unit = station.accept(seen)
    assert isinstance(unit, Opened) and unit.inspection.kind is Kind.WRONG_ITEM


def test_with_the_camera_gone_the_photo_is_owed_and_the_unit_held(station):
    class Gone:
        def grab(self, slot: str = "") -> None:
            raise DeviceError(msg("The camera does not answer."), msg("check its cable"))

    station._camera = Gone()
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(3))
    owed = station.photograph(unit.bench, step.inspection)
    assert "owed" in text(owed.said) and not owed.well
    held = committed(station, unit, station.step(unit.bench, owed.step.inspection, life.Accept()).inspection)
    assert held.disposition is Disposition.HOLD
    assert station.desk().photos_owed == 1


def test_with_the_printer_gone_the_label_waits_and_the_lamp_says_why(station):
    printer = station.config.printers[0].model_copy(update={"fault": "gone"})
    station.config = station.config.model_copy(update={"printers": (printer,)})
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    station.outbox.prints.print_once()
    assert station.labels_of(unit.lpn)[0]["state"] == "queued"
    assert not station.outbox.states().printer.ready


def test_an_unknown_print_outcome_is_parked_and_never_repeated_by_itself(station):
    printer = station.config.printers[0].model_copy(update={"fault": "unknown"})
    station.config = station.config.model_copy(update={"printers": (printer,)})
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    station.outbox.prints.print_once()
    station.outbox.prints.print_once()
    assert station.labels_of(unit.lpn)[0]["state"] == "parked"
    assert station.desk().labels_parked == 1


def test_with_the_hub_down_everything_waits_counted(station):
    upstream = station.config.upstream.model_copy(update={"enabled": True, "url": "http://127.0.0.1:9"})
    station.config = station.config.model_copy(update={"upstream": upstream})
    Credentials("http://127.0.0.1:9", "st-1", "token").save(station.config.station.data)
    announce(station, "ML-40001", (LAMP, 1))
    sealed(station, "ML-40001", LAMP)
    done = station.sync()
    assert done.sent == 0 and done.waiting > 0 and done.problem is not None
    assert station.desk().events_waiting == done.waiting


def test_a_record_that_the_hub_refused_stands_on_the_desk_with_its_reason(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    with station.store.write() as writer:
        writer.mark_events([Receipt(writer.event_of(unit.id), "rejected", "schema_invalid")])
    (parked,) = station.desk().waiting
    assert parked.lpn == unit.lpn
    assert "cannot read this record" in text(parked.text)
    assert station.hub_state(unit.id)[0] == "parked"
    with station.store.write() as writer:
        writer.mark_events([Receipt(writer.event_of(unit.id), "duplicate", "voided_at_hub")])
    assert station.desk().waiting == (), "a supervisor has settled it"
    state, became = station.hub_state(unit.id)
    assert state == "accepted"
    assert "says nothing" in text(became)


def test_a_second_station_on_the_same_store_is_refused(station):
    with pytest.raises(StoreLocked) as refused:
        open_station(station.config, running=True)
    assert str(os.getpid()) in text(refused.value.title) + text(refused.value.hint)


def test_saving_is_as_much_work_whatever_waits_and_asks_nobody(station, monkeypatch):
    """I14, with the station itself; tools/simulate.py tries it in other worlds."""
    numbers = count(40_001)

    def asked(*_: object, **__: object) -> None:
        pytest.fail("the network is asked between the key and what it saves")

    def steps() -> int:
        """Of SQLite's machine, for one unit; the least of a few, for now and then the search tidies up."""
        counted = []
        for number in islice(numbers, 4):
            announce(station, f"ML-{number}", (LAMP, 1))
            unit = opened(station, f"ML-{number}", LAMP)
            step = press(station, unit, life.Digit(1))
            made = 0

            def step_made() -> None:
                nonlocal made
                made += 1

            station.store._writing.set_progress_handler(step_made, 1)
            committed(station, unit, step.inspection)
            station.store._writing.set_progress_handler(None, 0)
            counted.append(made)
        return min(counted)

    for function in ("turn", "push_once", "pull_once"):
        monkeypatch.setattr(f"inspect_station.outbox.sync.Sync.{function}", asked)
    monkeypatch.setattr(Upstream, "_request", asked)
    steps()  # what the first saves look up is known after them
    few = steps()
    with station.store.write() as writer:
        for _ in range(2000):
            writer.append_event(EventSpec("parcel.closed", {}, "ana", station.clock()))
    many = steps()
    assert few > 500, "the work is counted at all"
    assert abs(many - few) < 20


def test_a_full_disk_says_so_and_loses_nothing_that_was_confirmed(station, monkeypatch):
    announce(station, "ML-40001", (LAMP, 1), (VASE, 1))
    unit = sealed(station, "ML-40001", LAMP)
    other = opened(station, VASE)

    def full(*_: object, **__: object) -> None:
        import sqlite3

        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    monkeypatch.setattr("inspect_station.store.writer.Writer.finish", full)
    with pytest.raises(DiskFull) as error:
        station.finish(other.bench, press(station, other, life.Digit(1)).inspection)
    assert error.value.hint.text
    monkeypatch.undo()
    assert station.show(unit.lpn).grade is Grade.NEW
    assert station.desk().waiting[0].lpn == other.inspection.lpn, "the open unit is kept"


def _with_limits(station: Station, **limits: int) -> None:
    changed = station.config.limits.model_copy(update=limits)
    station.config = station.config.model_copy(update={"limits": changed})


def test_below_the_first_floor_of_the_disk_photos_are_owed_and_work_goes_on(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(3))
    _with_limits(station, photos_mb=10**9)
    owed = station.photograph(unit.bench, step.inspection)
    assert not owed.well and not owed.step.inspection.photos[0].sha256
    done = committed(station, unit, station.step(unit.bench, owed.step.inspection, life.Accept()).inspection)
    assert done.disposition is Disposition.HOLD


def test_below_the_last_floor_nothing_new_is_begun_and_the_open_unit_is_finished(station):
    announce(station, "ML-40001", (LAMP, 1), (VASE, 1))
    unit = opened(station, "ML-40001", LAMP)
    _with_limits(station, inspections_mb=10**9)
    assert committed(station, unit, press(station, unit, life.Digit(1)).inspection).disposition == "restock"
    with pytest.raises(DiskFull) as refused:
        station.scan(VASE)
    assert refused.value.hint.text


def test_no_restock_label_for_a_unit_that_must_not_be_sold(station):
    announce(station, "ML-40001", (LAMP, 1))
    arrived = station.scan("ML-40001")
    assert isinstance(arrived, Arrived)
    danger = station.begin(Kind.DANGER, arrived.parcel)
    unit = committed(station, danger, press(station, danger, life.Digit(0)).inspection)
    for kind in ("restock", "clearance"):
        with pytest.raises(NotAllowed):
            station.draw_label(unit.lpn, kind, "pdf")
    assert station.draw_label(unit.lpn, "", "pdf").startswith(b"%PDF")


def codes_on(png: bytes) -> list[str]:
    """What a second program reads off a label."""
    return sorted(each.text for each in zxingcpp.read_barcodes(Image.open(BytesIO(png))))


def words_on(pdf: bytes) -> str:
    with pypdfium2.PdfDocument(pdf) as document:
        return " ".join(document[0].get_textpage().get_text_bounded().split())


def test_a_unit_for_sale_gets_an_ean_sticker_with_nothing_of_ours_on_it(station):
    unit = opened_lamp(station)
    assert codes_on(station.draw_label(unit.lpn, "relabel", "png")) == [LAMP]
    words = words_on(station.draw_label(unit.lpn, "relabel", "pdf"))
    assert LAMP in words and "lamp" in words.lower()
    assert unit.lpn not in words and unit.rma not in words


@pytest.mark.parametrize("make", ["sealed", "opened"])
def test_a_unit_for_sale_gets_a_put_away_slip(station, make):
    if make == "opened":
        unit = opened_lamp(station)
    else:
        announce(station, "ML-40001", (LAMP, 1))
        unit = sealed(station, "ML-40001", LAMP)
    assert codes_on(station.draw_label(unit.lpn, "putaway", "png")) == [unit.lpn], "no print of its own label"
    words = words_on(station.draw_label(unit.lpn, "putaway", "pdf"))
    assert station.rules.places[unit.disposition]["en"] in words and LAMP in words


def card_left(station: Station) -> Inspection:
    announce(station, "ML-40001", (LAMP, 1))
    found = life.Found("customer_property", "SIM card in the tray")
    return with_photos(station, opened(station, "ML-40001", LAMP), life.Digit(2), found)


def test_what_a_customer_left_gets_a_slip_that_says_what_it_is_and_whose(station):
    unit = card_left(station)
    assert codes_on(station.draw_label(unit.lpn, "property", "png")) == [unit.lpn]
    words = words_on(station.draw_label(unit.lpn, "property", "pdf"))
    assert all(each in words for each in ("SIM card in the tray", unit.lpn, "ML-40001", "Maison Lumo"))


def test_a_card_found_at_a_row_of_the_wipe_is_named_by_its_row(station):
    announce(station, "NT-40001", (PHONE, 1))
    unit = opened(station, "NT-40001", PHONE)
    tests = (life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Digit(3), life.AllPass())
    at_wipe = press(station, unit, *tests).inspection
    assert at_wipe.page == "wipe"
    left = press(station, replace(unit, inspection=at_wipe), life.Digit(1)).inspection
    assert "SIM out" in words_on(station.draw_label(left.lpn, "property", "pdf")), "also before it is finished"


@pytest.mark.parametrize(
    ("make", "kind", "why"),
    [
        pytest.param("hazard", "relabel", "quarantine", id="no sticker on a hazard"),
        pytest.param("late_lamp", "relabel", "hold", id="no sticker on what is the customer's"),
        pytest.param("broken_lamp", "putaway", "hold", id="nothing is put away that waits"),
        pytest.param("opened_lamp", "property", "nothing of a customer's", id="no slip for nothing"),
    ],
)
@pytest.mark.parametrize("by", ["operator", "supervisor"])
def test_a_slip_that_makes_no_sense_is_refused_whoever_asks(station, template, make, kind, why, by):
    unit = globals()[make](station)
    if by == "supervisor":
        supervise(station, template)
    with pytest.raises(NotAllowed, match=why):
        station.draw_label(unit.lpn, kind, "pdf")


def test_what_is_destroyed_bears_the_ground_and_nothing_else_a_destroy_label(station, template):
    unit = opened_lamp(station)
    supervise(station, template)
    with pytest.raises(NotAllowed):
        station.draw_label(unit.lpn, "destroy", "pdf")
    station.clock.at += timedelta(hours=2)
    assert isinstance(station.reroute(unit.lpn, Disposition.DESTROY, "recall 17 of the maker"), Known)
    words = words_on(station.draw_label(unit.lpn, "", "pdf"))
    assert "DESTROY" in words and "recall 17 of the maker" in words


@pytest.mark.parametrize("page", ["", "https://returns.example/u/{lpn}"])
def test_a_clearance_label_leads_to_the_units_page_where_there_is_one(station, page):
    changed = station.config.station.model_copy(update={"unit_page": page})
    station.config = station.config.model_copy(update={"station": changed})
    unit = opened_lamp(station)
    expected = [f"{unit.lpn}/1", *([f"https://returns.example/u/{unit.lpn}"] if page else [])]
    assert codes_on(station.draw_label(unit.lpn, "", "png")) == sorted(expected)


def test_a_label_in_a_file_has_the_dots_of_the_printer_that_would_print_it(station):
    (printer,) = station.config.printers
    fine = printer.model_copy(update={"name": "fine", "labels": ("relabel",), "dpi": 300})
    station.config = station.config.model_copy(update={"printers": (fine, printer)})
    unit = opened_lamp(station)
    sizes = [Image.open(BytesIO(station.draw_label(unit.lpn, kind, "png"))).size for kind in ("relabel", "")]
    assert sizes == [(733, 473), (496, 320)]


@pytest.mark.parametrize("kind", ["manifest", "badge", "test"])
def test_what_is_no_label_of_a_unit_is_not_drawn_for_one_not_even_for_a_supervisor(station, template, kind):
    unit = opened_lamp(station)
    supervise(station, template)
    with pytest.raises(NotFound, match="no label template"):
        station.label(unit.lpn, kind)


def prints_of(station: Station, lpn: str) -> list[tuple[str, int, str]]:
    with station.store.read() as reader:
        return [(job.kind, job.print_no, job.state) for job in reader.labels_of(lpn)]


def test_what_can_be_printed_of_a_unit(station, template):
    unit = opened_lamp(station)
    assert station.printable() == Printable(
        unit.lpn, "clearance", ("relabel", "putaway"), ("forward", "hold", "quarantine", "return")
    )


def test_what_a_customer_left_can_get_its_slip_by_key(station):
    seen = station.printable(card_left(station).lpn)
    assert isinstance(seen, Printable) and "property" in seen.slips


@pytest.mark.parametrize("make", ["hazard", "broken_lamp"])
def test_a_unit_that_is_not_for_sale_is_offered_no_label_that_says_so(station, make):
    seen = station.printable(globals()[make](station).lpn)
    assert isinstance(seen, Printable) and seen.slips == ()
    assert not {"restock", "clearance", "destroy"} & set(seen.others)


def test_a_slip_waits_beside_the_units_own_label_and_neither_cancels_the_other(station):
    unit = opened_lamp(station)
    assert text(station.reprint(unit.lpn, kind="relabel")) == f"label of {unit.lpn} queued"
    assert prints_of(station, unit.lpn) == [("clearance", 1, "queued"), ("relabel", 2, "queued")]
    assert text(station.reprint(unit.lpn, kind="relabel")) == f"label of {unit.lpn} queued", "none is out: no copy"
    station.reprint(unit.lpn)
    assert prints_of(station, unit.lpn) == [
        ("clearance", 1, "cancelled"),
        ("relabel", 2, "cancelled"),
        ("relabel", 3, "queued"),
        ("clearance", 4, "queued"),
    ]
    assert station.outbox.prints.print_once() and station.outbox.prints.print_once()
    assert isinstance(station.scan(f"{unit.lpn}/4"), Known)
    assert codes_on(station.draw_label(unit.lpn, "", "png")) == [f"{unit.lpn}/4"], "in a file, too"
    station.reprint(unit.lpn, kind="putaway")
    assert station.outbox.prints.print_once()
    assert isinstance(station.scan(f"{unit.lpn}/4"), Known), "no slip makes it void"
    assert codes_on(station.draw_label(unit.lpn, "", "png")) == [f"{unit.lpn}/4"]


def test_a_slip_is_never_to_be_scanned_back(station):
    settings = station.config.station.model_copy(update={"scan_back": "always"})
    station.config = station.config.model_copy(update={"station": settings})
    unit = opened_lamp(station)
    assert station.outbox.prints.print_once()
    waits = [str(each.text) for each in station.desk().waiting]
    assert waits == ["scan its new label, /1, on the box"]
    station.reprint(unit.lpn, kind="relabel")
    assert station.outbox.prints.print_once()
    assert [str(each.text) for each in station.desk().waiting] == waits
    assert isinstance(station.scan(f"{unit.lpn}/1"), LabelSeen)
    assert station.desk().waiting == ()


def parked(station: Station, lpn: str, kind: str, printer: str = "") -> int:
    """A label of this kind is late, or in doubt at this printer."""
    with station.store.write() as writer:
        job = next(each for each in reversed(writer.labels_of(lpn)) if each.kind == kind)
        if printer:
            writer.move_label(job.id, "printing", printer=printer)
        writer.move_label(job.id, "parked", reason=msg("nobody knows"))
        return job.id


def test_what_is_said_of_a_slip_says_nothing_of_the_unit_s_own_label(station):
    """That a late slip is not needed is no word on whether the own label, which is in doubt, came out."""
    unit = opened_lamp(station)
    parked(station, unit.lpn, "clearance", "labels")
    station.reprint(unit.lpn, kind="putaway")
    late = parked(station, unit.lpn, "putaway")
    seen = station.doubtful(late)
    assert seen is not None and (str(seen.slip), seen.sent) == ("put-away slip", False)
    station.settle_label(late, came_out=True)
    assert prints_of(station, unit.lpn) == [("clearance", 1, "parked"), ("putaway", 2, "cancelled")]


def test_a_slip_that_waits_is_printed_although_a_supervisor_sends_the_unit_elsewhere(station, template):
    """The bag with what a customer left needs its slip wherever the unit goes; a shelf's slip does not."""
    unit = card_left(station)
    station.reprint(unit.lpn, kind="property")
    announce(station, "ML-40002", (VASE, 1))
    sale = sealed(station, "ML-40002", VASE)
    station.reprint(sale.lpn, kind="putaway")
    supervise(station, template)
    for each in (unit, sale):
        others = station.destinations(each.lpn)
        assert not isinstance(others, Said)
        to = next(to for to in others if to not in (Disposition.RESTOCK, Disposition.CLEARANCE))
        assert isinstance(station.reroute(each.lpn, to, "because"), Known)
    waits = [(kind, state) for kind, _, state in prints_of(station, unit.lpn) if kind == "property"]
    assert waits == [("property", "cancelled"), ("property", "queued")]
    assert [state for kind, _, state in prints_of(station, sale.lpn) if kind == "putaway"] == ["cancelled"]


def test_a_label_s_account_says_whether_it_is_void_and_what_its_bars_say(station):
    unit = opened_lamp(station)
    station.reprint(unit.lpn, kind="putaway")
    print_all(station)
    station.reprint(unit.lpn, "torn")
    print_all(station)
    told = [(each["kind"], each["barcode"], each["void"]) for each in station.labels_of(unit.lpn)]
    assert told == [
        ("clearance", f"{unit.lpn}/1", True),
        ("putaway", unit.lpn, False),
        ("clearance", f"{unit.lpn}/3", False),
    ]


def test_a_slip_that_came_out_late_is_printed_again_as_a_slip(station):
    unit = opened_lamp(station)
    assert station.outbox.prints.print_once()
    station.reprint(unit.lpn, kind="putaway")
    with station.store.read() as reader:
        (job,) = reader.labels("queued")
    with station.store.write() as writer:
        writer.move_label(job.id, "parked", reason=msg("too late"))
    assert text(station.settle_label(job.id, came_out=False)) == f"label of {unit.lpn} queued"
    assert prints_of(station, unit.lpn) == [
        ("clearance", 1, "printed"),
        ("putaway", 2, "cancelled"),
        ("putaway", 3, "queued"),
    ]
    with station.store.read() as reader:
        (again,) = reader.labels("queued")
    assert again.fields["barcode"] == unit.lpn and again.scan_back == ""


@pytest.mark.parametrize("kind", ["restock", "destroy", "property", "test", "badge", "nonsense"])
def test_what_a_unit_cannot_have_is_not_printed_for_anybody(station, template, kind):
    unit = opened_lamp(station)
    supervise(station, template)
    assert isinstance(station.reprint(unit.lpn, "because", kind), Said)
    assert prints_of(station, unit.lpn) == [("clearance", 1, "queued")]


def test_an_undone_unit_takes_its_slips_with_it(station):
    unit = opened_lamp(station)
    station.reprint(unit.lpn, kind="relabel")
    station.undo()
    assert {state for _, _, state in prints_of(station, unit.lpn)} == {"cancelled"}
    assert text(station.reprint(unit.lpn, kind="relabel")) == "nothing to print: no finished unit"


def test_only_an_address_has_lines_and_an_ean_is_what_a_till_reads(station):
    unit = opened_lamp(station)
    assert unit.product is not None
    product = unit.product.but(title="Oak\r\nlamp\u2028tall", gtin_as_given=f"0{LAMP}")
    with station.store.read() as reader:
        seller = station.seller(reader, unit.seller)
    fields = stickers.fields(
        unit.but(product=product, site="LYON"),
        voice=station.voice("en"),
        rules=station.rules,
        seller=seller,
        sites=[config.Site(code="LYON", name="Lyon", address=("Hall 2", "69000 LYON"))],
        print_no=1,
        copy=1,
        on=station.today(),
    )
    assert fields["title"] == "Oak lamp tall"
    assert fields["ean"] == fields["gtin"] == LAMP
    assert fields["address"] == "Hall 2\n69000 LYON"


def test_a_units_fields_are_those_that_templates_may_name(station):
    assert set(station.label(opened_lamp(station).lpn).fields) == stickers.FIELDS


def test_a_sites_own_template_stands_over_the_shipped_one(station, tmp_path):
    (tmp_path / "labels").mkdir()
    own = '[[text]]\nfield = "lpn"\nat = [2, 2]\nwidth = 50\nsize = 9\ncaption = { en = "OURS" }\n'
    (tmp_path / "labels" / "clearance.toml").write_text(own)
    changed = station.config.station.model_copy(update={"labels": tmp_path / "labels"})
    station.config = station.config.model_copy(update={"station": changed})
    station.__dict__.pop("_templates", None)  # read once, when a station is opened
    unit = opened_lamp(station)
    assert words_on(station.draw_label(unit.lpn, "", "pdf")) == f"OURS {unit.lpn}"


def test_an_unknown_plate_or_rma_is_not_found(station):
    with pytest.raises(NotFound):
        station.show("LTEST00001B")
    with pytest.raises(NotFound):
        station.show_rma("NOPE")


def test_show_on_a_day_says_what_the_verdict_would_be(station):
    announce(station, "ML-40001", (LAMP, 1), postmarked_on="")
    inside = station.show_rma("ML-40001", datetime(2026, 12, 2, tzinfo=UTC).date())
    after = station.show_rma("ML-40001", datetime(2026, 12, 3, tzinfo=UTC).date())
    assert inside[0].verdict.outcome == "eligible", "000: day 30 of 30"
    assert after[0].verdict.outcome == "ineligible", "000: day 31 of 30"


def with_printer(station: Station, **settings: object) -> None:
    printer = station.config.printers[0].model_copy(update=settings)
    station.config = station.config.model_copy(update={"printers": (printer,)})


def test_a_roll_change_holds_the_queue_and_a_test_label_tries_the_roll(station):
    announce(station, "ML-40001", (LAMP, 1))
    assert station.hold_printing().held
    unit = sealed(station, "ML-40001", LAMP)
    assert not station.outbox.prints.print_once()
    with_printer(station, labels=("restock",))
    tried = station.test_label("labels")
    assert (tried.held, tried.waiting, tried.tested) == (True, 1, "labels")
    assert [text(each) for each in tried.problems] == [
        "labels cannot say which roll is in it: are its labels 62x40 mm, as station.toml says?"
    ]
    printed = [file.name for file in Path(str(station.config.printers[0].folder)).iterdir()]
    assert printed == ["test-labels.pdf"]
    station.resume_printing()
    assert station.outbox.prints.print_once()
    assert station.labels_of(unit.lpn)[0]["state"] == "printed"


@pytest.mark.parametrize(
    ("labels", "profile", "found", "said"),
    [
        pytest.param(("restock", "hold"), "62x40", "62x40", [], id="all is well"),
        pytest.param(("restock",), "62x40", "om_label_62x40mm", [], id="all is well, in IPP's words"),
        pytest.param(("restock",), "62x40", "continuous", [("62x40", "?")], id="the printer does not know its roll"),
        pytest.param(
            ("restock", "hold"), "100x50", "100x50", [("62x40", "restock"), ("62x40", "hold")], id="wrong profile"
        ),
        pytest.param(("restock",), "62x40", "om_label_100x50mm", [("100x50", "62x40")], id="wrong roll"),
    ],
)
def test_a_new_roll_is_compared_with_the_profile_and_the_templates(station, monkeypatch, labels, profile, found, said):
    with_printer(station, labels=labels, media=profile)
    state = printing.State(True, msg("ready"), found)
    monkeypatch.setattr(printing.FilePrinter, "state", lambda self: state)
    problems = station.test_label("labels").problems
    assert len(problems) == min(1, len(said))
    for words in said:
        assert all(word in text(problems[0]) for word in words)


def labels(station: Station, lpn: str) -> list[tuple[object, ...]]:
    """Each print of a unit's labels: number, kind, copy, and whether the words on it say the same."""
    with station.store.read() as reader:
        jobs = reader.labels_of(lpn)
    for job in jobs:
        assert job.fields["barcode"] == f"{lpn}/{job.print_no}"
        assert job.fields["copy"] == (f"copy {job.copy_no}" if job.copy_no > 1 else "")
    return [(job.print_no, job.kind, job.copy_no) for job in jobs]


def print_all(station: Station) -> None:
    while station.outbox.prints.print_once():
        pass


def test_one_that_is_printed_again_before_it_is_out_comes_out_once(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    assert text(station.reprint()) == f"label of {unit.lpn} queued"
    assert text(station.reprint()) == f"label of {unit.lpn} queued", "none is out: no copy, no reason"
    print_all(station)
    with station.store.read() as reader:
        assert [(job.print_no, job.state) for job in reader.labels_of(unit.lpn)] == [
            (1, "cancelled"),
            (2, "cancelled"),
            (3, "printed"),
        ]
    assert isinstance(station.scan(f"{unit.lpn}/3"), Known)


def test_a_copy_that_was_never_sent_does_not_void_the_label_on_the_box(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    print_all(station)
    station.reprint(unit.lpn, "torn")
    with station.store.write() as writer:
        (_, copy) = writer.labels_of(unit.lpn)
        assert writer.move_label(copy.id, "printing") and writer.move_label(copy.id, "parked")
    assert text(station.settle_label(copy.id, came_out=True)) == f"label of {unit.lpn}: not needed"
    assert isinstance(station.scan(f"{unit.lpn}/1"), Known), "the label on the box is still the valid one"


def test_a_copy_needs_a_reason_and_is_kept_with_who_asked_and_why(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    print_all(station)
    assert station.reprint() == ReasonNeeded(unit.lpn, 2)
    assert station.reprint(unit.lpn, "  ") == ReasonNeeded(unit.lpn, 2)
    assert text(station.reprint(unit.lpn, "torn")) == f"label of {unit.lpn} queued, copy 2"
    print_all(station)
    assert station.reprint() == ReasonNeeded(unit.lpn, 3)
    assert text(station.reprint(unit.lpn, "lost")) == f"label of {unit.lpn} queued, copy 3"
    assert labels(station, unit.lpn) == [(1, "restock", 1), (2, "restock", 2), (3, "restock", 3)]
    journal = [(each["copy"], each["by"], each["why"]) for each in station.labels_of(unit.lpn)]
    assert station.operator is not None
    by = station.operator.code
    assert journal == [(1, by, ""), (2, by, "torn"), (3, by, "lost")]


def test_the_first_label_of_another_kind_is_no_copy(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    lpn = unit.inspection.lpn
    station.set_aside(unit.inspection)
    print_all(station)
    station.set_aside(opened(station, lpn).inspection)
    print_all(station)
    again = opened(station, lpn)
    committed(station, again, press(station, again, life.Digit(1)).inspection)
    print_all(station)
    assert text(station.reprint(lpn, "torn")).endswith("copy 2")
    assert labels(station, lpn) == [(1, "hold", 1), (2, "hold", 2), (3, "restock", 1), (4, "restock", 2)]


def test_a_label_that_never_came_out_is_printed_without_a_reason_and_is_no_copy(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    station.clock.at += timedelta(minutes=1)
    print_all(station)
    (late,) = station.desk().waiting
    asked = station.doubtful(late.label)
    assert asked is not None and not asked.sent
    assert text(station.settle_label(late.label, came_out=False)) == f"label of {unit.lpn} queued"
    assert labels(station, unit.lpn)[1:] == [(2, "restock", 1)]


def test_a_void_copy_says_so_when_it_is_scanned_and_which_one_is_valid(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1))
    unit = sealed(station, "ML-40001", LAMP)
    print_all(station)
    assert isinstance(station.scan(f"{unit.lpn}/1"), Known)
    station.reprint(unit.lpn, "torn")
    assert isinstance(station.scan(f"{unit.lpn}/1"), Known), "the new one is not out yet"
    print_all(station)
    other = opened(station, "ML-40002", VASE)
    for current in (None, other.inspection):
        void = station.scan(f"{unit.lpn}/1", current)
        assert isinstance(void, Said)
        assert text(void.title) == f"{unit.lpn}/1 is void: there is a newer label"
        assert text(void.hint) == f"destroy it; valid is {unit.lpn}/2"
    assert isinstance(station.scan(f"{unit.lpn}/2"), Known)
    assert isinstance(station.scan(unit.lpn), Known), "typed without its number"


def void(station: Station, code: str) -> tuple[str, str]:
    """What is said of a void label, and what to do."""
    seen = station.scan(code)
    assert isinstance(seen, Said), seen
    return text(seen.title), text(seen.hint)


def test_a_label_is_void_as_soon_as_its_unit_goes_elsewhere_though_the_new_one_is_not_out(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    print_all(station)
    station.hold_printing()
    supervisor = next(each for each in station.config.operators if each.role is Role.SUPERVISOR)
    elsewhere = station.destinations(unit.lpn)
    assert not isinstance(elsewhere, Said)
    assert isinstance(station.reroute(unit.lpn, elsewhere[0], "water in it", by=supervisor), Known)
    assert void(station, f"{unit.lpn}/1") == (
        f"{unit.lpn}/1 is void: it was taken back",
        f"destroy it; {unit.lpn}/2 takes its place: F4 if it is not out yet",
    )
    station.outbox.resume()
    print_all(station)
    assert void(station, f"{unit.lpn}/1")[1] == f"destroy it; valid is {unit.lpn}/2"


def test_a_label_is_void_as_soon_as_its_unit_is_undone_also_when_it_is_finished_again(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    print_all(station)
    again = station.undo()
    assert isinstance(again, Opened)
    assert void(station, f"{unit.lpn}/1")[1] == f"destroy it; type {unit.lpn} to go on with the unit"
    assert isinstance(station.scan(unit.lpn), Opened)
    committed(station, again, press(station, again, life.Digit(1)).inspection)
    assert void(station, f"{unit.lpn}/1")[1].startswith(f"destroy it; {unit.lpn}/2 takes its place")
    with station.store.read() as reader:
        assert [(job.state, job.void) for job in reader.labels_of(unit.lpn)] == [("printed", True), ("queued", False)]


def test_a_number_that_was_never_printed_is_no_plain_plate(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    print_all(station)
    assert (
        void(station, f"{unit.lpn}/9")[0]
        == f"{unit.lpn}/9 was never printed here: {unit.lpn} has no label of this number"
    )
    assert isinstance(station.scan(f"{unit.lpn}/1"), Known)


def test_a_label_that_is_scanned_while_its_printer_is_still_asked_is_out(station):
    """And not asked about, nor to be scanned again."""
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    seen: list[object] = []

    class Following(printing.FilePrinter):
        def send(self, data: bytes, *, job: str) -> bool:
            super().send(data, job=job)
            seen.append(station.scan(f"{unit.lpn}/1"))
            raise PrintUnknown(msg("nobody knows"), msg("look"))

    station.outbox.prints.presses[0].printer = Following(station.config.printers[0])
    print_all(station)
    assert isinstance(seen[0], LabelSeen)
    assert station.labels_of(unit.lpn)[0]["state"] == "printed"
    assert station.desk().waiting == ()


def test_printing_does_not_go_on_after_a_change_of_the_roll_without_a_test_label(station):
    announce(station, "ML-40001", (LAMP, 1))
    station.hold_printing()
    sealed(station, "ML-40001", LAMP)
    assert text(station.resume_printing()) == "printing stays held: a test label first"
    assert not station.outbox.prints.print_once()
    station.test_label("labels")
    assert text(station.resume_printing()) == "printing goes on"
    assert station.outbox.prints.print_once()


def test_a_late_label_is_not_given_up_while_no_other_can_be_on_the_box(station):
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    station.clock.at += timedelta(minutes=1)
    print_all(station)
    (late,) = station.desk().waiting
    asked = station.doubtful(late.label)
    assert asked is not None and not asked.other
    assert "still waits" in text(station.settle_label(late.label, came_out=True))
    assert station.labels_of(unit.lpn)[0]["state"] == "parked"


def test_a_doubtful_label_that_was_on_the_box_all_the_time_counts_again_when_the_copy_is_not_needed(station):
    unit = doubted(station)
    station.reprint(unit.lpn, "lost")
    assert void(station, f"{unit.lpn}/1")[1].startswith(f"destroy it; {unit.lpn}/2 takes its place")
    station.clock.at += timedelta(minutes=1)
    print_all(station)
    (copy,) = station.desk().waiting
    asked = station.doubtful(copy.label)
    assert asked is not None and asked.other and not asked.sent
    assert text(station.settle_label(copy.label, came_out=True)) == f"label of {unit.lpn}: not needed"
    assert isinstance(station.scan(f"{unit.lpn}/1"), Known)


def test_a_copy_of_a_doubtful_label_answers_the_question_and_only_it_comes_out(station):
    unit = doubted(station)
    folder = Path(str(station.config.printers[0].folder))
    station.reprint(unit.lpn, "lost")
    print_all(station)
    print_all(station)
    assert sorted(file.name for file in folder.iterdir()) == [f"{unit.lpn}-restock-{n}.pdf" for n in (1, 2)]
    assert [text(each.text) for each in station.desk().waiting] == ["scan its new label, /2, on the box"]
    assert void(station, f"{unit.lpn}/1")[1] == f"destroy it; valid is {unit.lpn}/2"
    assert isinstance(station.scan(f"{unit.lpn}/2"), LabelSeen)


def doubted(station: Station) -> Inspection:
    """A unit of whose label nobody knows whether it came out; the printer is well again."""
    printer = station.config.printers[0]
    announce(station, "ML-40001", (LAMP, 1))
    unit = sealed(station, "ML-40001", LAMP)
    with_printer(station, fault="unknown")
    print_all(station)
    station.config = station.config.model_copy(update={"printers": (printer,)})
    station._outbox = None
    return unit


def test_a_doubtful_label_that_is_scanned_has_come_out(station):
    unit = doubted(station)
    seen = station.scan(f"{unit.lpn}/1")
    assert isinstance(seen, LabelSeen)
    assert station.labels_of(unit.lpn)[0]["state"] == "printed"
    assert station.desk().waiting == ()


def test_a_doubtful_label_is_shown_as_it_looks(station):
    unit = doubted(station)
    (waiting,) = station.desk().waiting
    asked = station.doubtful(waiting.label)
    assert asked is not None and asked.sent
    assert unit.product is not None
    assert asked.lines[0] == unit.product.title
    assert asked.lines[-1] == f"{unit.lpn}/1"
    with Image.open(BytesIO(station.picture_of_label(waiting.label))) as picture:
        read = {code.text for code in zxingcpp.read_barcodes(picture)}
    assert f"{unit.lpn}/1" in read


def test_one_that_turns_up_after_all_is_void(station):
    unit = doubted(station)
    (waiting,) = station.desk().waiting
    station.settle_label(waiting.label, came_out=False)
    void = station.scan(f"{unit.lpn}/1")
    assert isinstance(void, Said) and "void" in text(void.title)
    print_all(station)
    void = station.scan(f"{unit.lpn}/1")
    assert isinstance(void, Said) and text(void.hint) == f"destroy it; valid is {unit.lpn}/2"


@pytest.mark.parametrize("scan_back", ["never", "after_stall", "always"])
def test_after_a_stall_a_unit_is_done_when_its_new_label_is_scanned(station, scan_back):
    settings = station.config.station.model_copy(update={"scan_back": scan_back})
    station.config = station.config.model_copy(update={"station": settings})
    unit = doubted(station)
    (waiting,) = station.desk().waiting
    station.settle_label(waiting.label, came_out=False)
    print_all(station)
    if scan_back == "never":
        assert station.desk().waiting == ()
        return
    for listed in (station.desk().waiting, station.pending().waiting):
        assert [text(each.text) for each in listed] == ["scan its new label, /2, on the box"]
    assert isinstance(station.scan(unit.lpn), Known), "the plate alone proves nothing"
    assert station.desk().waiting != ()
    station.reprint(unit.lpn, "torn")
    print_all(station)
    assert [text(each.text) for each in station.desk().waiting] == ["scan its new label, /3, on the box"], (
        "the one that counts"
    )
    assert isinstance(station.scan(f"{unit.lpn}/3"), LabelSeen)
    assert station.desk().waiting == ()
    announce(station, "ML-40002", (VASE, 1))
    after = sealed(station, "ML-40002", VASE)
    print_all(station)
    assert [each.lpn for each in station.desk().waiting] == ([after.lpn] if scan_back == "always" else [])


def test_a_unit_that_is_undone_need_not_be_scanned_any_more(station):
    doubted(station)
    (waiting,) = station.desk().waiting
    station.settle_label(waiting.label, came_out=False)
    print_all(station)
    assert len(station.desk().waiting) == 1
    assert isinstance(station.undo(), Opened)
    assert [each.label for each in station.desk().waiting if not each.draft] == []


def test_each_kind_of_label_comes_out_of_its_own_printer(station, tmp_path):
    first = station.config.printers[0]
    slips = first.model_copy(update={"name": "slips", "folder": tmp_path / "slips", "labels": ("hold",)})
    rest = first.model_copy(update={"name": "rest", "folder": tmp_path / "rest", "format": "zpl"})
    station.config = station.config.model_copy(update={"printers": (slips, rest)})
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    station.set_aside(unit.inspection)
    print_all(station)
    again = opened(station, unit.inspection.lpn)
    committed(station, again, press(station, again, life.Digit(1)).inspection)
    print_all(station)
    lpn = unit.inspection.lpn
    assert [file.name for file in (tmp_path / "slips").iterdir()] == [f"{lpn}-hold-1.pdf"]
    assert [file.name for file in (tmp_path / "rest").iterdir()] == [f"{lpn}-restock-2.zpl"]


def test_the_doctor_names_what_is_missing_and_how_to_mend_it(station):
    from inspect_station.doctor import examine

    bare = station.config.model_copy(update={"operators": (), "printers": ()})
    checks = {check.name: check for check in examine(bare)}
    assert checks["operators"].ok is False and checks["operators"].mend.text
    assert checks["printer"].ok is False
    assert checks["store"].ok is True
    assert checks["camera"].ok is True


# ── What a code means ────────────────────────────────────────────────────────────────────────────────────────────────

GS = "\x1d"
TWELVE = "036000291452"
"""Twelve digits with an article's check digit, as a tracking or serial number may have."""


@pytest.mark.parametrize(
    ("number", "scanned"),
    [
        ("ML-40001", "ml-40001"),
        ("402-1234567-7654321", "402-1234567-7654321"),
        ("6A00000000042", "6a00000000042"),
        (TWELVE, TWELVE),
        (TWELVE[:-1] + "3", TWELVE[:-1] + "3"),
        ("12345670", "12345670"),
    ],
    ids=["RMA in small letters", "order", "tracking in small letters", "looks like a UPC", "UPC with a wrong digit",
         "looks like an EAN-8"],
)  # fmt: skip
@pytest.mark.parametrize("column", ["order", "tracking", "serial", "rma"])
def test_a_number_that_the_store_knows_is_what_the_store_knows_it_as(station, column, number, scanned):
    more = {column: number} if column != "rma" else {}
    announce(station, number if column == "rma" else "ML-40009", (LAMP, 1), **more)
    seen = station.scan(scanned)
    assert isinstance(seen, Arrived), seen
    assert seen.lines[0].rma.number == (number if column == "rma" else "ML-40009")


@pytest.mark.parametrize("code", ["B0CK3L5QXZ", "LU-LAMP", "lu-lamp"], ids=["ASIN", "SKU", "SKU in small letters"])
def test_an_article_is_known_by_its_sku_and_asin_too(station, code):
    station.import_products(f"gtin,seller,title,sku,asin\n{LAMP},lumo,Oak desk lamp,LU-LAMP,B0CK3L5QXZ\n".encode())
    announce(station, "ML-40001", (LAMP, 1))
    unit = station.scan(code)
    assert isinstance(unit, Opened) and unit.inspection.rma == "ML-40001"
    again = station.scan(code, unit.inspection)
    assert isinstance(again, Said) and "on the bench" in text(again.title)


@pytest.mark.parametrize(
    "code",
    ["LTEST00001B", f"]d201{PHONE.zfill(14)}21{GS}10", "B0CK3L5QXZ"],
    ids=["a label of ours with a wrong sign", "a GS1 string that cannot be read", "another article's ASIN"],
)
def test_what_is_surely_no_serial_is_not_taken_for_one(station, code):
    station.import_products(f"gtin,seller,title,asin\n{LAMP},lumo,Oak desk lamp,B0CK3L5QXZ\n".encode())
    announce(station, "NT-40001", (PHONE, 1))
    unit = opened(station, "NT-40001", PHONE)
    assert isinstance(station.scan(code, unit.inspection), Said)


def test_digits_that_are_an_article_and_a_number_of_a_return_are_asked_about(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1), tracking=LAMP)
    asked = station.scan(LAMP)
    assert isinstance(asked, Question)
    assert [text(answer.label) for answer in asked.answers] == ["the return ML-40002", "the article Oak desk lamp"]
    as_number, as_article = (answer.then() for answer in asked.answers)
    assert isinstance(as_number, Arrived) and as_number.lines[0].line.gtin.endswith(VASE)
    assert isinstance(as_article, Opened | Question)


def test_on_its_parcel_an_article_is_an_article(station):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1), tracking=LAMP)
    assert opened(station, "ML-40001", LAMP).inspection.rma == "ML-40001"


def test_the_same_number_at_two_sellers_is_asked_about(station):
    announce(station, "7000123", (LAMP, 1))
    announce(station, "NT-40001", (PHONE, 1), order="7000123")
    seen = station.scan("7000123")
    assert isinstance(seen, Several)
    assert {line.rma.number for line in seen.lines} == {"7000123", "NT-40001"}


def test_one_code_with_article_and_serial_opens_the_very_line_and_keeps_the_serial(station):
    announce(station, "NT-40001", (PHONE, 1), serial="490154203237518")
    announce(station, "NT-40002", (PHONE, 1), serial=IMEI)
    unit = station.scan(f"]d201{PHONE.zfill(14)}21{IMEI}")
    assert isinstance(unit, Opened), unit
    assert unit.inspection.rma == "NT-40002" and unit.inspection.serial == IMEI
    assert unit.inspection.page == "condition", "it may stand on a box that is still sealed"
    assert unit.inspection.verdict.outcome == "eligible"
    assert press(station, unit, life.Digit(1)).done


def test_a_serial_on_the_box_that_was_not_sold_to_this_customer_is_seen_at_once(station):
    announce(station, "NT-40001", (PHONE, 1), serial=IMEI)
    arrived = station.scan("NT-40001")
    assert isinstance(arrived, Arrived)
    unit = station.scan(f"]d201{PHONE.zfill(14)}21490154203237518", None, arrived.parcel)
    assert isinstance(unit, Opened) and unit.said is not None
    assert unit.inspection.found("serial_mismatch") and unit.inspection.verdict.outcome == "consult"


def test_a_serial_that_looks_like_an_article_is_believed_where_it_was_sold_and_asked_about_elsewhere(station):
    laptop = goods.product("laptop").ean
    announce(station, "NT-40001", (laptop, 1), serial=TWELVE)
    sold = opened(station, "NT-40001", laptop)
    given = station.scan(TWELVE, sold.inspection)
    assert isinstance(given, Given) and given.given == life.Serial(TWELVE)
    station.set_aside(sold.inspection)
    announce(station, "NT-40002", (laptop, 1))
    unknown = opened(station, "NT-40002", laptop)
    other = "614141000036"
    asked = station.scan(other, unknown.inspection)
    assert isinstance(asked, Question)
    yes, no = (answer.then() for answer in asked.answers)
    assert isinstance(no, Said)
    assert isinstance(yes, Given) and yes.given == life.Serial(other)


def test_a_serial_that_was_sold_to_somebody_else_is_asked_about(station):
    announce(station, "NT-40001", (PHONE, 1), serial=IMEI)
    announce(station, "NT-40002", (PHONE, 1))
    unit = opened(station, "NT-40002", PHONE)
    given = station.scan(IMEI, unit.inspection)
    assert isinstance(given, Given)
    step = station.step(unit.bench, unit.inspection, given.given)
    assert step.said is not None and "NT-40001" in text(step.said)
    assert step.inspection.found("serial_mismatch") and step.inspection.verdict.outcome == "consult"


def test_an_article_without_tests_has_its_serial_compared_all_the_same(station):
    announce(station, "ML-40001", (LAMP, 1), serial="LAMP-0042")
    unit = opened(station, "ML-40001", LAMP)
    given = station.scan("lamp-0042", unit.inspection)
    assert isinstance(given, Given)
    step = station.step(unit.bench, unit.inspection, given.given)
    assert step.inspection.serial == "LAMP-0042" and step.inspection.verdict.outcome == "eligible"
    other = station.scan("LAMP-0043", unit.inspection)
    assert isinstance(other, Given)
    step = station.step(unit.bench, unit.inspection, other.given)
    assert step.inspection.found("serial_mismatch") and step.inspection.verdict.outcome == "consult"


@pytest.mark.parametrize("code", ["JJD000390007777777", "1001"], ids=["tracking number", "a shop's order number"])
def test_a_number_that_the_store_knows_is_no_serial(station, code):
    announce(station, "NT-40001", (PHONE, 1))
    announce(station, "NT-40003", (goods.product("laptop").ean, 1), tracking="6A00000000001")
    announce(station, "ML-40002", (LAMP, 1), tracking="JJD000390007777777", order="1001")
    for unit in (opened(station, "NT-40001", PHONE), opened(station, "NT-40003", goods.product("laptop").ean)):
        offer = station.scan(code, unit.inspection)
        assert isinstance(offer, Proposed) and offer.offer is Offer.SWITCH
        assert isinstance(station.scan("6a00000000001", unit.inspection), Said | Proposed)


def test_the_serial_in_a_code_is_not_forgotten_when_several_answer_to_it(station):
    announce(station, "NT-40001", (PHONE, 1))
    announce(station, "NT-40002", (PHONE, 1), serial="490154203237518")
    several = station.scan(f"]d201{PHONE.zfill(14)}21{IMEI}")
    assert isinstance(several, Several)
    line = next(line for line in several.lines if line.rma.number == "NT-40002")
    unit = station.pick(line, unit=several.article, scan=several.scan)
    assert isinstance(unit, Opened) and unit.inspection.found("serial_mismatch")


def test_the_serial_in_a_code_tells_two_lines_of_one_article_apart(station):
    laptop = goods.product("laptop").ean
    announce(station, "NT-40001", (laptop, 1), serial="SN-A")
    header = "rma,seller,gtin,serial,delivered_on,postmarked_on"
    rows = [f"NT-40001,nord,{laptop},{serial},2026-11-02,2026-11-18" for serial in ("SN-A", "SN-B")]
    station.import_rmas("\n".join([header, *rows]).encode())
    arrived = station.scan("NT-40001")
    assert isinstance(arrived, Arrived)
    unit = station.scan(f"]d201{laptop.zfill(14)}21SN-B{GS}", None, arrived.parcel)
    assert isinstance(unit, Opened) and unit.inspection.line is not None
    assert (unit.inspection.serial, unit.inspection.line.serial) == ("SN-B", "SN-B")
    station.set_aside(unit.inspection)
    resumed = station.scan(f"]d201{laptop.zfill(14)}21SN-B{GS}", None, arrived.parcel)
    assert isinstance(resumed, Opened) and resumed.inspection.lpn == unit.inspection.lpn
    asked = station.scan(laptop, None, arrived.parcel)
    assert isinstance(asked, Question) and [each.detail for each in asked.answers][-1] == "SN-A"


def test_a_serial_that_came_back_before_is_found_under_its_open_rma(station):
    announce(station, "NT-40001", (PHONE, 1), serial=IMEI)
    code = f"]d201{PHONE.zfill(14)}21{IMEI}"
    first = station.scan(code)
    assert isinstance(first, Opened)
    committed(station, first, press(station, first, life.Digit(1)).inspection)
    announce(station, "NT-40002", (PHONE, 1))
    announce(station, "NT-40005", (PHONE, 1), serial=IMEI)
    unit = station.scan(code)
    assert isinstance(unit, Opened) and unit.inspection.rma == "NT-40005"
    assert unit.inspection.verdict.outcome == "consult", "it came back before"


def test_a_cartons_own_label_is_the_parcel_not_the_article_in_it(station):
    sscc = "003456789012345675"[:18]
    sscc = sscc[:17] + ean.calc_check_digit(sscc[:17])
    announce(station, "ML-40001", (VASE, 1))
    announce(station, "ML-40003", (VASE, 1), tracking=sscc)
    seen = station.scan(f"]C100{sscc}02{VASE.zfill(14)}3701")
    assert isinstance(seen, Arrived) and seen.lines[0].rma.number == "ML-40003"


@pytest.mark.parametrize("sold", ["SN-ABC8", "sn-abc8"], ids=["capitals", "small letters"])
@pytest.mark.parametrize("scanned", ["SN-ABC8", "sn-abc8"], ids=["scanned in capitals", "scanned in small letters"])
def test_a_serial_is_the_same_in_capitals_and_small_letters(station, sold, scanned):
    laptop = goods.product("laptop").ean
    announce(station, "NT-40001", (laptop, 1), serial=sold)
    announce(station, "NT-40002", (laptop, 1))
    unit = opened(station, "NT-40002", laptop)
    given = station.scan(scanned, unit.inspection)
    assert isinstance(given, Given) and given.given == life.Serial("SN-ABC8", sold="NT-40001")
    station.set_aside(unit.inspection)
    assert isinstance(station.scan(scanned), Arrived)


def test_a_stray_scan_does_not_take_a_serials_place(station):
    laptop = goods.product("laptop").ean
    announce(station, "NT-40001", (laptop, 1))
    unit = opened(station, "NT-40001", laptop)
    given = station.scan("PF0ABC12", unit.inspection)
    assert isinstance(given, Given)
    read = press(station, unit, given.given).inspection
    asked = station.scan("CHARGER-45W-77", read)
    assert isinstance(asked, Question)
    stays, other = (each.then() for each in asked.answers)
    assert isinstance(stays, Said) and isinstance(other, Given)
    assert isinstance(station.scan("PF0ABC12", read), Given), "the same again is no question"


def test_a_sellers_broad_pattern_keeps_no_serial_out(station):
    laptop = goods.product("laptop").ean
    with station.store.write() as writer:
        writer.put_seller(Seller(code="late", name="late", rma_pattern="[A-Z0-9]{7,12}"))
    station.desk()
    announce(station, "NT-40001", (laptop, 1))
    unit = opened(station, "NT-40001", laptop)
    asked = station.scan("PF0ABC12", unit.inspection)
    assert isinstance(asked, Question)
    assert isinstance(asked.answers[0].then(), Given)


@pytest.mark.parametrize("code", ["ML-40001", "6A00000000042"], ids=["its RMA", "its tracking number"])
def test_the_cartons_own_number_changes_nothing_on_a_unit(station, code):
    announce(station, "ML-40001", (LAMP, 1), tracking="6A00000000042")
    unit = opened(station, "ML-40001", LAMP)
    said = station.scan(code, unit.inspection)
    assert isinstance(said, Said) and "ML-40001" in text(said.title)


@pytest.mark.parametrize("code", ["ML-40002", "6A00000000042"], ids=["RMA", "tracking number"])
def test_another_cartons_number_offers_to_set_the_unit_aside(station, code):
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1), tracking="6A00000000042")
    unit = opened(station, "ML-40001", LAMP)
    offer = station.scan(code, unit.inspection)
    assert isinstance(offer, Proposed) and offer.offer is Offer.SWITCH
    assert isinstance(station.accept(offer, unit.inspection), Arrived)


def test_an_rma_of_a_known_form_that_nobody_announced_names_its_seller(station):
    seen = station.scan("NT-49999")
    assert isinstance(seen, Proposed) and seen.offer is Offer.UNKNOWN
    claim = station.accept(seen)
    assert isinstance(claim, Opened) and claim.inspection.seller == "nord"


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def claimed(station: Station, code: str = "SOMETHING-ELSE") -> Inspection:
    """An unannounced unit, on hold."""
    seen = station.scan(code)
    assert isinstance(seen, Proposed)
    claim = station.accept(seen)
    assert isinstance(claim, Opened)
    unit = claim.inspection
    for _ in range(2):
        unit = station.photograph(claim.bench, unit).step.inspection
    return committed(station, claim, press(station, replace(claim, inspection=unit), life.Digit(2)).inspection)


def supervise(station: Station, template: Demo) -> None:
    asked = station.scan(template.badges["supervisor"])
    assert isinstance(asked, PinNeeded)
    assert isinstance(station.enter_pin(asked.operator, build.PIN), SignedIn)


@pytest.mark.parametrize(
    "by",
    ["ML-40001", "402-1234567-7654321", "6A00000000042", "SN-77", LAMP, "oak desk"],
    ids=["RMA", "order", "tracking", "serial", "EAN", "title"],
)
def test_a_claim_is_matched_by_a_supervisor_and_graded_under_its_own_plate(station, template, by):
    claim = claimed(station)
    assert claim.lpn in {each.lpn for each in station.desk().waiting}
    station.clock.at += timedelta(days=3)
    announce(station, "ML-40001", (LAMP, 1), order="402-1234567-7654321", tracking="6A00000000042", serial="SN-77")
    supervise(station, template)
    found = station.claimants(by)
    assert isinstance(found, Several)
    matched = station.match(claim.lpn, found.lines[0])
    assert isinstance(matched, Opened), matched
    assert matched.bench.received_on.isoformat() == "2026-11-22", "it arrived when it was taken in"
    assert claim.lpn not in {each.lpn for each in station.desk().waiting if not each.draft}
    step = press(station, matched, life.Digit(1))
    assert step.done
    unit = committed(station, matched, step.inspection)
    assert (unit.lpn, unit.rma, unit.disposition) == (claim.lpn, "ML-40001", Disposition.RESTOCK)
    with station.store.read() as reader:
        assert reader.open_count("lumo", "ML-40001", 1) == 0
        assert [each.kind for each in reader.history(claim.lpn)] == [Kind.UNKNOWN, Kind.UNIT]
        event = reader.event(reader.event_of(unit.id))
        kinds = [each.type for each in reader.pending_events(100)]
    assert event is not None and event.type == "inspection.amended"
    assert kinds.count("parcel.received") == kinds.count("parcel.closed") == 1
    assert not station.desk().waiting


def test_while_a_matched_claim_waits_its_place_on_the_line_is_taken(station, template):
    claim = claimed(station)
    announce(station, "ML-40001", (LAMP, 1))
    supervise(station, template)
    found = station.claimants("ML-40001")
    assert isinstance(found, Several)
    matched = station.match(claim.lpn, found.lines[0])
    assert isinstance(matched, Opened)
    station.set_aside(matched.inspection)
    resumed = station.scan(LAMP)
    assert isinstance(resumed, Opened) and resumed.inspection.lpn == claim.lpn


def test_a_wrong_match_is_mended_by_matching_again(station, template):
    claim = claimed(station)
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (VASE, 1))
    supervise(station, template)
    lines = [station.claimants(number).lines[0] for number in ("ML-40001", "ML-40002")]
    wrong = station.match(claim.lpn, lines[0])
    assert isinstance(wrong, Opened)
    press(station, wrong, life.Digit(4))
    right = station.match(claim.lpn, lines[1])
    assert isinstance(right, Opened) and right.inspection.rma == "ML-40002" and right.inspection.chosen is None
    with station.store.read() as reader:
        assert reader.open_count("lumo", "ML-40001", 1) == 1
        first = reader.parcel_of("lumo", "ML-40001")
    assert first is not None and first.missing == (("lumo", "ML-40001", 1),)
    assert isinstance(station.scan("ML-40001"), Arrived), "it is still expected"


def test_undo_takes_no_matched_claim_from_under_the_hands(station, template):
    claim = claimed(station)
    announce(station, "ML-40001", (LAMP, 1))
    supervise(station, template)
    matched = station.match(claim.lpn, station.claimants("ML-40001").lines[0])
    assert isinstance(matched, Opened)
    press(station, matched, life.Digit(4), life.Found("scratch_deep"))
    for undone in (station.undo(), station.reopen(claim.lpn, "why")):
        assert isinstance(undone, Said) and claim.lpn in text(undone.title)
    assert station.show(claim.lpn).found("scratch_deep")


def test_a_matched_claims_time_on_the_bench_counts_from_its_match(station, template):
    claim = claimed(station)
    station.clock.at += timedelta(days=3)
    announce(station, "ML-40001", (LAMP, 1))
    supervise(station, template)
    matched = station.match(claim.lpn, station.claimants("ML-40001").lines[0])
    assert isinstance(matched, Opened)
    station.clock.at += timedelta(seconds=40)
    unit = committed(station, matched, press(station, matched, life.Digit(1)).inspection)
    assert 40_000 <= unit.dwell_ms["condition"] < 60_000


def test_an_announced_article_whose_like_waits_as_a_claim_is_said_so(station, template):
    claim = claimed(station, LAMP)
    announce(station, "ML-40001", (LAMP, 1))
    unit = station.scan(LAMP)
    assert isinstance(unit, Opened) and unit.said is not None and claim.lpn in text(unit.said)


def test_a_claim_on_a_full_line_is_one_unit_more_and_said_so(station, template):
    claim = claimed(station)
    announce(station, "ML-40001", (LAMP, 1))
    sealed(station, "ML-40001", LAMP)
    supervise(station, template)
    found = station.claimants("ML-40001")
    assert isinstance(found, Several)
    matched = station.match(claim.lpn, found.lines[0])
    assert isinstance(matched, Opened) and [each.code for each in matched.inspection.warnings] == ["extra_unit"]


def test_an_undone_match_is_a_unit_of_the_rma_not_a_claim_again(station, template):
    claim = claimed(station)
    announce(station, "ML-40001", (LAMP, 1))
    supervise(station, template)
    found = station.claimants("ML-40001")
    assert isinstance(found, Several)
    matched = station.match(claim.lpn, found.lines[0])
    assert isinstance(matched, Opened)
    committed(station, matched, press(station, matched, life.Digit(1)).inspection)
    undone = station.undo()
    assert isinstance(undone, Opened) and undone.inspection.rma == "ML-40001" and undone.inspection.revision == 4
    assert press(station, undone, life.Digit(1)).done


def test_only_a_supervisor_matches_and_only_a_claim_of_this_site(station, template):
    claim = claimed(station)
    announce(station, "ML-40001", (LAMP, 1))
    announce(station, "ML-40002", (LAMP, 1), site="LYS2")
    here, there = (station.claimants(number) for number in ("ML-40001", "ML-40002"))
    assert isinstance(here, Several) and isinstance(there, Several)
    refused = station.match(claim.lpn, here.lines[0])
    assert isinstance(refused, Said) and "supervisor" in text(refused.title)
    supervise(station, template)
    elsewhere = station.match(claim.lpn, there.lines[0])
    assert isinstance(elsewhere, Said) and "LYS2" in text(elsewhere.title)
    finished = sealed(station, "ML-40001", LAMP)
    no_claim = station.match(finished.lpn, here.lines[0])
    assert isinstance(no_claim, Said) and finished.lpn in text(no_claim.title)


def test_nothing_answers_to_a_number_that_nobody_announced(station):
    said = station.claimants("NOWHERE-1")
    assert isinstance(said, Said) and "NOWHERE-1" in text(said.title)


# ── Codes by camera ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_camera_reads_the_code_that_is_held_before_it(station, template):
    announce(station, template.parcels[0].scans[0], (LAMP, 1))
    code = station.look(Event())
    assert code == template.parcels[0].scans[0]
    assert isinstance(station.scan(code), Arrived)


def test_looking_ends_when_somebody_stops_it_and_says_when_it_saw_nothing(station, template, tmp_path, monkeypatch):
    for picture in (Path(template.dir) / "camera").glob("state*"):
        (tmp_path / picture.name).write_bytes(picture.read_bytes())
    monkeypatch.setattr(station, "_camera", FolderCamera(tmp_path))
    stop = Event()
    Timer(0.3, stop.set).start()
    assert station.look(stop) is None
    Timer(0.3, station.stop_looking).start()
    assert station.look(Event()) is None
    monkeypatch.setattr("inspect_station.station.LOOK_S", 0.3)
    said = station.look(Event())
    assert isinstance(said, Said) and "no code" in text(said.title)


def test_without_a_camera_looking_says_how_to_set_one_up(station, monkeypatch):
    monkeypatch.setattr(station, "_camera", None)
    said = station.look(Event())
    assert isinstance(said, Said) and "station.toml" in text(said.hint)
    monkeypatch.setattr(station, "_camera", FolderCamera(Path("absent")))
    assert isinstance(station.look(Event()), Said)


def test_what_an_imported_sellers_rmas_look_like_is_known_too_and_no_pattern_breaks_or_stalls_the_station(station):
    station.import_products(
        b"gtin,seller,title\n3760311300165,late,Lamp\n3760311300165,bad,Lamp\n3760311300165,slow,Lamp\n"
    )
    with station.store.write() as writer:
        for code, form in (("late", r"LT-\d{5}"), ("bad", "("), ("slow", "(a+)+$")):
            writer.put_seller(Seller(code=code, name=code, rma_pattern=form))
    station.desk()
    assert station.read("LT-00001").kind is ScanKind.RMA
    claim = station.accept(station.scan("LT-00001"))
    assert isinstance(claim, Opened) and claim.inspection.seller == "late"
    assert station.read("a" * 100 + "!").kind is ScanKind.UNKNOWN


# ── A finished unit, sent elsewhere ──────────────────────────────────────────────────────────────────────────────────


def with_photos(station: Station, unit: Opened, *given: life.Input) -> Inspection:
    """The unit after these inputs, with every photo that is due, finished by as many Enters as it takes."""
    step = press(station, unit, *given)
    for _ in range(3):
        while slots := due_slots(
            station.rules, step.inspection, decide.decide(station.rules, unit.bench.seller, step.inspection)
        ):
            step = press(station, replace(unit, inspection=step.inspection), life.Taken(slots[0], "a" * 64))
        step = press(station, replace(unit, inspection=step.inspection), life.Accept())
        if step.done:
            return committed(station, unit, step.inspection)
    raise AssertionError(step.said)


def opened_lamp(station: Station) -> Inspection:
    """Opened, no trace of use: sold apart at −10 % of 49.00."""
    announce(station, "ML-40001", (LAMP, 1))
    return with_photos(station, opened(station, "ML-40001", LAMP), life.Digit(2))


def broken_lamp(station: Station) -> Inspection:
    """Heavily damaged: on hold, the seller is asked."""
    announce(station, "ML-40001", (LAMP, 1))
    return with_photos(station, opened(station, "ML-40001", LAMP), life.Digit(5), life.Found("crack"))


def dead_phone(station: Station) -> Inspection:
    """It cannot be switched on: nothing on it was erased."""
    announce(station, "NT-40001", (PHONE, 1))
    return with_photos(station, opened(station, "NT-40001", PHONE), life.Serial(IMEI), life.Digit(1))


def locked_phone(station: Station) -> Inspection:
    """All tests pass, used; the customer's account is still on it."""
    announce(station, "NT-40001", (PHONE, 1))
    tests = (life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Digit(3))
    return with_photos(station, opened(station, "NT-40001", PHONE), *tests, life.Digit(2), life.Accept())


def late_lamp(station: Station) -> Inspection:
    """Sealed, and returned long after the window: still the customer's."""
    late = "rma,seller,channel,gtin,quantity,reason,delivered_on,postmarked_on\n"
    late += f"ML-40009,lumo,amazon,{LAMP},1,CHANGED_MIND,2026-07-01,2026-11-18"
    assert not station.import_rmas(late.encode()).bad
    return with_photos(station, opened(station, "ML-40009", LAMP), life.Digit(1))


def hazard(station: Station) -> Inspection:
    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    return committed(station, unit, press(station, unit, life.Digit(0)).inspection)


POSSIBLE = {
    "opened, ours": (opened_lamp, Disposition.DONATE),
    "opened, back to the seller": (opened_lamp, Disposition.RETURN_TO_SELLER),
    "opened, held": (opened_lamp, Disposition.HOLD),
    "opened, with a ground": (opened_lamp, Disposition.DESTROY),
    "heavily damaged, sold apart": (broken_lamp, Disposition.CLEARANCE),
    "heavily damaged, recycled": (broken_lamp, Disposition.RECYCLE),
    "dead with data, held": (dead_phone, Disposition.HOLD),
    "locked, back to the seller": (locked_phone, Disposition.RETURN_TO_SELLER),
    "the customer's, sent back": (late_lamp, Disposition.RETURN_TO_CUSTOMER),
}


@pytest.mark.parametrize(("make", "to"), POSSIBLE.values(), ids=POSSIBLE)
def test_a_supervisor_sends_a_finished_unit_elsewhere(station, template, make, to):
    unit = make(station)
    assert unit.disposition is not to
    supervise(station, template)
    assert to in station.destinations(unit.lpn)
    station.clock.at += timedelta(hours=2)
    known = station.reroute(unit.lpn, to, " because ")
    assert isinstance(known, Known), known
    now = station.show(unit.lpn)
    assert now == known.inspection
    assert (now.disposition, now.revision, now.grade) == (to, 2, unit.grade)
    orders = [(each.disposition, each.over, each.reason, each.by) for each in now.rerouted]
    assert orders == [(to, unit.disposition, "because", "sup")]
    assert (now.finished_at, now.finished_by) == (unit.finished_at, unit.finished_by), "it was graded then, by her"
    with station.store.read() as reader:
        jobs = [(job.print_no, job.state) for job in reader.labels_of(unit.lpn)]
        event = json.loads(reader.pending_events(100)[-1].line)
    assert jobs == [(1, "cancelled"), (2, "queued")]
    assert (event["type"], event["operator"]) == ("inspection.amended", "sup")
    assert event["body"]["base_event_id"]
    assert event["occurred_at"] > unit.finished_at.isoformat()[:19]


REFUSED = {
    "opened goods do not go back to stock": (opened_lamp, Disposition.RESTOCK, "grade"),
    "where it goes already": (opened_lamp, Disposition.CLEARANCE, "already"),
    "quarantine is no choice": (opened_lamp, Disposition.QUARANTINE, "grade"),
    "nor is another site": (opened_lamp, Disposition.FORWARD, "grade"),
    "data that is not erased is not recycled": (dead_phone, Disposition.RECYCLE, "data not erased"),
    "nor destroyed": (dead_phone, Disposition.DESTROY, "data not erased"),
    "nor sold": (dead_phone, Disposition.CLEARANCE, "data not erased"),
    "a locked phone is not sold": (locked_phone, Disposition.CLEARANCE, "closed to resale"),
    "nor given away": (locked_phone, Disposition.DONATE, "closed to resale"),
    "what is the customer's is not restocked": (late_lamp, Disposition.RESTOCK, "customer's"),
    "nor sold apart": (late_lamp, Disposition.CLEARANCE, "customer's"),
    "nor destroyed, whatever the ground": (late_lamp, Disposition.DESTROY, "customer's"),
    "a hazard stays one": (hazard, Disposition.HOLD, "hazard"),
}


@pytest.mark.parametrize(("make", "to", "why"), REFUSED.values(), ids=REFUSED)
def test_what_closes_a_way_to_the_rules_closes_it_to_a_supervisor(station, template, make, to, why):
    unit = make(station)
    supervise(station, template)
    refused = station.reroute(unit.lpn, to, "because")
    assert isinstance(refused, Said)
    assert why in text(refused.hint)
    assert station.show(unit.lpn) == unit


def test_what_goes_to_clearance_is_priced_as_its_grade_says(station, template):
    unit = broken_lamp(station)
    assert unit.disposition is Disposition.HOLD
    supervise(station, template)
    known = station.reroute(unit.lpn, Disposition.CLEARANCE, "the seller said so")
    assert isinstance(known, Known)
    assert (known.inspection.price, known.inspection.discount) == (Money(minor=1960, currency="EUR"), 60)
    assert known.inspection.case is not None, "only the seller closes it; until then nothing is paid back"


def test_what_was_printed_is_void_when_a_unit_goes_elsewhere(station, template):
    unit = opened_lamp(station)
    assert station.outbox.prints.print_once()
    supervise(station, template)
    known = station.reroute(unit.lpn, Disposition.DONATE, "because")
    assert isinstance(known, Known) and "Destroy its old label" in text(known.said)


def test_a_unit_sent_elsewhere_can_be_sent_elsewhere_again(station, template):
    unit = opened_lamp(station)
    supervise(station, template)
    for to in (Disposition.DONATE, Disposition.HOLD, Disposition.CLEARANCE):
        assert isinstance(station.reroute(unit.lpn, to, "because"), Known)
        assert station.show(unit.lpn).disposition is to
    now = station.show(unit.lpn)
    assert (now.revision, now.price) == (4, unit.price)
    assert [each.over for each in now.rerouted] == [Disposition.CLEARANCE, Disposition.DONATE, Disposition.HOLD]
    with station.store.read() as reader:
        assert reader.tally(datetime(2026, 11, 22, tzinfo=UTC), datetime(2026, 11, 23, tzinfo=UTC)).units == 1


def test_an_operator_alone_sends_nothing_elsewhere_and_a_supervisor_who_vouches_does(station, template):
    unit = opened_lamp(station)
    refused = station.reroute(unit.lpn, Disposition.DONATE, "because")
    assert isinstance(refused, SupervisorNeeded)
    assert station.show(unit.lpn) == unit
    asked = station.vouch(station.read(template.badges["supervisor"]))
    assert isinstance(asked, PinNeeded)
    assert isinstance(station.vouched(asked.operator, "0000"), Said)
    supervisor = station.vouched(asked.operator, build.PIN)
    assert isinstance(supervisor, Operator)
    assert isinstance(refused.then(supervisor), Known)
    assert station.by == unit.finished_by, "the operator stays signed in"
    assert station.show(unit.lpn).rerouted[-1].by == supervisor.code


def test_only_a_supervisors_badge_vouches(station, template):
    for badge in (template.badge, "BDG-0000000000000000", LAMP):
        assert isinstance(station.vouch(station.read(badge)), Said)


def test_what_is_not_finished_waits_for_its_rma_or_has_no_reason_goes_nowhere_else(station, template):
    unit = opened_lamp(station)
    supervise(station, template)
    assert isinstance(station.reroute(unit.lpn, Disposition.DONATE, "  "), Said)
    assert isinstance(station.reroute("L000000000", Disposition.DONATE, "because"), Said)
    undone = station.undo()
    assert isinstance(undone, Opened)
    assert isinstance(station.destinations(unit.lpn), Said)
    assert isinstance(station.reroute(unit.lpn, Disposition.DONATE, "because"), Said)
    claim = claimed(station, VASE)
    refused = station.reroute(claim.lpn, Disposition.RETURN_TO_CUSTOMER, "because")
    assert isinstance(refused, Said) and claim.lpn in text(refused.title)


# ── Clocks and signals ───────────────────────────────────────────────────────────────────────────────────────────────


def waiting_texts(station: Station) -> list[tuple[str, str]]:
    """What F4 lists: of each the plate, and since when and for whom it waits."""
    return [(each.lpn, f"{each.clock.kind} {each.owner}" if each.clock else "") for each in station.pending().waiting]


def test_what_waits_is_in_the_order_in_which_it_is_due(station: Station) -> None:
    clock = station.clock
    assert isinstance(clock, Clock)
    announce(station, "ML-50001", (LAMP, 1))
    asked = opened(station, "ML-50001", LAMP)
    step = press(station, asked, life.Became(Kind.EMPTY_BOX), life.Taken("empty_box", "ab" * 32), life.Accept())
    case = committed(station, asked, step.inspection)
    assert case.case is not None
    clock.at += timedelta(hours=30)
    announce(station, "ML-50002", (LAMP, 2))
    aside = opened(station, "ML-50002", LAMP)
    station.set_aside(aside.inspection)
    name = station.operator.name if station.operator else ""
    with station.store.read() as reader:
        seller = station.seller(reader, case.seller).name
    dock = station.config.station.name
    assert waiting_texts(station) == [
        (case.lpn, f"case {seller}"),
        (aside.inspection.lpn, f"grade {name}"),
        ("", f"grade {dock}"),
    ]
    assert (station.desk().overdue, station.desk().cases_overdue) == (0, 0)
    clock.at += timedelta(hours=24, seconds=1)
    assert (station.desk().overdue, station.desk().cases_overdue) == (2, 1)
    parcel = station.pending().waiting[-1].parcel
    assert isinstance(station.look_into(parcel), Arrived)
    assert isinstance(station.look_into("gone"), Said)


def test_a_clock_stops_when_its_unit_is_finished_or_said_to_be_missing(station: Station) -> None:
    announce(station, "ML-50003", (LAMP, 1), (VASE, 1))
    unit = opened(station, "ML-50003", LAMP)
    step = press(station, unit, life.Digit(1))
    committed(station, unit, step.inspection)
    ((_, waits),) = waiting_texts(station)
    assert waits.startswith("grade")
    arrived = station.scan("ML-50003")
    assert isinstance(arrived, Arrived)
    station.line_missing(arrived.parcel, next(line for line in arrived.lines if line.open))
    assert station.pending().waiting == ()


def test_one_return_too_many_is_marked_kept_and_shown_to_supervisors_alone(station: Station) -> None:
    most = station.rules.signals.returns_norm[7]
    units = []
    for n in range(most + 1):
        announce(station, f"ML-5100{n}", (LAMP, 1), customer="one and the same")
        units.append(sealed(station, f"ML-5100{n}", LAMP))
    assert [bool(unit.signals) for unit in units] == [False] * most + [True]
    assert units[-1].disposition is Disposition.RESTOCK, "it refuses nothing"
    assert units[-1].signals[0].message.params == {"n": most + 1, "days": 7, "norm": most}
    assert station.show(units[-1].lpn).signals == units[-1].signals
    assert station.pending().marked == ()
    assert station.operator is not None
    station.operator = station.operator.but(role=Role.SUPERVISOR)
    assert station.pending().marked == (units[-1],)
    # Another customer, and the same one at another seller, are somebody else.
    announce(station, "ML-51100", (LAMP, 1), customer="another")
    announce(station, "ML-51101", (PHONE, 1), customer="one and the same")
    assert sealed(station, "ML-51100", LAMP).signals == ()
    assert sealed(station, "ML-51101", PHONE).signals == ()


def test_what_is_taken_back_is_no_return_and_an_old_one_leaves_the_week(station: Station) -> None:
    clock = station.clock
    assert isinstance(clock, Clock)
    most = station.rules.signals.returns_norm[7]
    for n in range(most):
        announce(station, f"ML-5200{n}", (LAMP, 1), customer="one and the same")
        sealed(station, f"ML-5200{n}", LAMP)
    back = station.undo()
    assert isinstance(back, Opened)
    assert back.bench.history[7] == most - 1, "the unit itself is not counted twice"
    clock.at += timedelta(days=8)
    announce(station, "ML-52009", (LAMP, 1), customer="one and the same")
    assert opened(station, "ML-52009", LAMP).bench.history == {7: 0, 30: most - 1, 90: most - 1, 180: most - 1}


# ── What a supervisor's order, or what was left out, must not bring about ────────────────────────────────────────────


def going_on(station: Station, unit: Opened, *given: life.Input) -> Opened:
    """The unit after these inputs, still on the bench."""
    return Opened(press(station, unit, *given).inspection, unit.bench)


def label_says(station: Station, lpn: str) -> str:
    with station.store.read() as reader:
        return reader.labels_of(lpn)[-1].fields["why"]


def test_an_order_ends_when_its_unit_is_reopened(station: Station, template: Demo) -> None:
    unit = late_lamp(station)
    supervise(station, template)
    station.reroute(unit.lpn, Disposition.RETURN_TO_CUSTOMER, "late")
    again = station.undo()
    assert isinstance(again, Opened)
    done = with_photos(station, again, life.Digit(6), life.Found("does_not_work"))
    assert (done.disposition, done.rerouted) == (Disposition.HOLD, ()), "a possible defect is never refused by itself"
    assert done.case is not None


def test_only_a_supervisor_takes_a_supervisors_order_back(station: Station, template: Demo) -> None:
    unit, operator = opened_lamp(station), station.operator
    supervise(station, template)
    station.reroute(unit.lpn, Disposition.DONATE, "given away")
    station.operator = operator
    assert isinstance(station.reopen(unit.lpn, "a mistake"), SupervisorNeeded)


def test_tests_left_out_because_a_row_ended_them_are_asked_again(station: Station) -> None:
    announce(station, "NT-60001", (PHONE, 1))
    unit = going_on(station, opened(station, "NT-60001", PHONE), life.Serial(IMEI), life.Digit(1), life.Accept())
    assert unit.inspection.page == "finish"
    unit = going_on(station, unit, life.Back(), life.Digit(1))
    assert [answer.mark for answer in unit.inspection.answers if answer.mark is Mark.SKIPPED] == []
    unit = going_on(station, unit, life.AllPass())
    assert unit.inspection.page == "test", "the battery is still to be measured"


def test_a_repaired_phone_is_tested_whole(station: Station, template: Demo) -> None:
    unit = dead_phone(station)
    supervise(station, template)
    station.reroute(unit.lpn, Disposition.REFURBISH, "new battery")
    back = station.scan(unit.lpn)
    assert isinstance(back, Opened)
    again = going_on(station, back, life.Digit(1), life.AllPass())
    assert again.inspection.page == "test"
    assert again.inspection.answer("test.touch") is not None
    assert not any(answer.mark is Mark.SKIPPED for answer in again.inspection.answers)


def test_moving_a_box_does_not_pay_the_customer(station: Station, template: Demo) -> None:
    asked = broken_lamp(station)
    announce(station, "ML-60007", (LAMP, 1))
    opened_one = with_photos(station, opened(station, "ML-60007", LAMP), life.Digit(2))
    supervise(station, template)
    back = station.reroute(opened_one.lpn, Disposition.RETURN_TO_CUSTOMER, "wants it back")
    assert isinstance(back, Known)
    assert back.inspection.refund == "ask", "nobody keeps both"
    away = station.reroute(asked.lpn, Disposition.DONATE, "a mistake")
    assert isinstance(away, Known)
    assert (asked.refund, away.inspection.refund) == ("ask", "ask")
    here = station.reroute(asked.lpn, Disposition.HOLD, "back again")
    assert isinstance(here, Known)
    assert here.inspection.case is not None
    assert here.inspection.case.question == "heavy_damage"


def test_data_not_erased_stays_in_writing(station: Station, template: Demo) -> None:
    unit = dead_phone(station)
    supervise(station, template)
    station.reroute(unit.lpn, Disposition.HOLD, "wait")
    station.reroute(unit.lpn, Disposition.RETURN_TO_SELLER, "weekly box")
    assert "data not erased" in label_says(station, unit.lpn)


def test_what_was_held_unseen_is_not_sold_by_an_order(station: Station, template: Demo) -> None:
    announce(station, "ML-60002", (LAMP, 1))
    unit = opened(station, "ML-60002", LAMP)
    held = with_photos(station, unit, life.Digit(4), life.Found("scratch"), life.Held("mud all over"))
    supervise(station, template)
    possible = station.destinations(held.lpn)
    assert isinstance(possible, tuple)
    assert not set(possible) & {Disposition.CLEARANCE, Disposition.DONATE, Disposition.RESTOCK}


def test_a_worse_fact_found_after_a_raise_counts(station: Station) -> None:
    announce(station, "ML-60003", (LAMP, 1))
    unit = opened(station, "ML-60003", LAMP)
    raised = life.Overridden(Grade.USED, "only the film is cracked", Role.SUPERVISOR)
    done = with_photos(station, unit, life.Digit(5), life.Found("crack"), raised, life.Found("deep_dent"))
    assert done.grade is Grade.HEAVY


def test_nothing_opened_is_raised_to_new(station: Station) -> None:
    announce(station, "ML-60004", (LAMP, 1))
    unit = opened(station, "ML-60004", LAMP)
    said = press(station, unit, life.Digit(2), life.Overridden(Grade.NEW, "looks new", Role.SUPERVISOR)).said
    assert said is not None
    assert "not new any more" in said.text


def test_an_edited_text_holds_as_long_as_what_it_tells(station: Station) -> None:
    announce(station, "ML-60005", (LAMP, 1))
    unit = opened(station, "ML-60005", LAMP)
    worded = going_on(station, unit, life.Digit(2), life.Reworded("like new, never used"))
    assert worded.inspection.text
    done = with_photos(station, worded, life.Back(), life.Digit(4), life.Found("scratch"))
    assert done.text == ""
    assert "scratch" in label_says(station, done.lpn)


def test_an_earlier_picture_proves_no_later_wipe(station: Station) -> None:
    announce(station, "NT-60006", (PHONE, 1))
    unit = opened(station, "NT-60006", PHONE)
    given = (life.Serial(IMEI), life.AllPass(), life.Typed("87"), life.Digit(3), life.AllPass(), life.AllPass())
    with_photos(station, going_on(station, unit, *given))
    again = station.undo()
    assert isinstance(again, Opened)
    again = going_on(station, again, life.Back())
    assert again.inspection.page == "wipe"
    # It turns out not to have been wiped; then it is, and that is to be shown.
    again = going_on(station, again, life.Digit(5), life.Digit(5), life.AllPass())
    assert "setup_screen" in view(again.bench, again.inspection).due


def test_rows_left_out_are_asked_again_on_every_way_to_the_end(station: Station) -> None:
    announce(station, "NT-60008", (PHONE, 1))
    unit = opened(station, "NT-60008", PHONE)
    swollen = going_on(station, unit, life.Digit(3), life.Found("battery_swollen"), life.Accept())
    assert swollen.inspection.page == "finish"
    again = going_on(station, swollen, life.Unfound("battery_swollen"), life.Accept())
    assert again.inspection.page == "test"
    assert not any(answer.mark is Mark.SKIPPED for answer in again.inspection.answers)


def test_a_danger_pressed_by_mistake_leaves_no_test_out(station: Station) -> None:
    announce(station, "NT-60009", (PHONE, 1))
    unit = opened(station, "NT-60009", PHONE)
    dead = going_on(station, unit, life.Serial(IMEI), life.Digit(1), life.Accept(), life.Digit(0))
    committed(station, unit, dead.inspection)
    back = station.undo()
    assert isinstance(back, Opened)
    again = going_on(station, back, life.Serial(IMEI), life.Digit(1), life.AllPass(), life.Digit(3), life.AllPass())
    done = going_on(station, again, life.AllPass(), life.Taken("setup_screen", "a" * 64), life.Accept())
    assert done.inspection.page == "test", "the sixteen others were never tried"


def cream(station: Station) -> Opened:
    code = goods.product("cream").ean
    announce(station, "AP-60010", (code, 1))
    return opened(station, "AP-60010", code)


def test_the_hygiene_question_is_asked_on_every_way_to_the_end(station: Station) -> None:
    unit = cream(station)
    held = press(station, unit, life.Digit(3), life.Held("later"), life.Accept())
    assert held.done
    committed(station, unit, held.inspection)
    back = station.undo()
    assert isinstance(back, Opened)
    step = press(station, back, life.Taken("state", "a" * 64), life.Accept())
    assert (step.inspection.page, step.done) == ("question.hygiene", False)


def test_a_sealed_article_that_turns_out_opened_is_asked_about(station: Station) -> None:
    unit = cream(station)
    crushed = going_on(station, unit, life.Found("carton_crushed"), life.Digit(1), life.Found("scratch"))
    seen = going_on(station, crushed, *(life.Taken(slot, "a" * 64) for slot in ("carton", "damage", "whole")))
    assert going_on(station, seen, life.Accept()).inspection.page == "question.hygiene"


def test_what_was_tested_or_cracked_is_not_raised_to_new(station: Station) -> None:
    announce(station, "ML-60011", (LAMP, 1))
    unit = opened(station, "ML-60011", LAMP)
    raised = life.Overridden(Grade.NEW, "looks new", Role.SUPERVISOR)
    said = press(station, unit, life.Found("crack"), life.Digit(1), raised).said
    assert said is not None
    assert "not new any more" in said.text


def test_what_the_seller_was_asked_stays_asked_over_two_steps(station: Station, template: Demo) -> None:
    unit = broken_lamp(station)
    supervise(station, template)
    moved = station.reroute(unit.lpn, Disposition.REFURBISH, "film off")
    assert isinstance(moved, Known)
    assert moved.inspection.case is not None, "it is still a question"
    back = station.scan(unit.lpn)
    assert isinstance(back, Opened)
    done = with_photos(station, back, life.Unfound("crack"), life.Digit(3))
    assert (done.grade, done.disposition, done.refund) == (Grade.USED, Disposition.CLEARANCE, "ask")


def test_an_edited_text_does_not_outlive_the_tests_it_tells_of(station: Station) -> None:
    announce(station, "NT-60012", (PHONE, 1))
    unit = opened(station, "NT-60012", PHONE)
    given = (life.Serial(IMEI), life.AllPass(), life.Typed("95"), life.Digit(3), life.AllPass(), life.AllPass())
    told = going_on(station, unit, *given, life.Reworded("tested, battery 95 %"))
    assert told.inspection.page == "finish"
    back = going_on(station, told, life.Back(), life.Digit(5))
    assert back.inspection.text == ""


# ── A disk that fails ────────────────────────────────────────────────────────────────────────────────────────────────


def test_finishing_again_what_stands_in_the_store_says_so_and_saves_nothing_twice(station, monkeypatch):
    """The disk reported an error in the commit, and yet the unit is there: Enter once more."""

    class Failing(Sqlite):
        """Its disk fails when all of the commit is written."""

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            done = super().execute(sql, *values)
            if sql == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
                raise error
            return done

    announce(station, "ML-40001", (LAMP, 1))
    unit = opened(station, "ML-40001", LAMP)
    step = press(station, unit, life.Digit(1))
    station.store._hang_up()
    station.store._writing = sqlite3.connect(
        station.store.file, isolation_level=None, factory=Failing, check_same_thread=False
    )
    with pytest.raises(StoreError, match="but the last step stands there"):
        station.finish(unit.bench, step.inspection)
    with station.store.read() as reader:
        before = reader.size()
    again = station.finish(unit.bench, step.inspection)
    assert isinstance(again, Finished)
    assert again.units[0].lpn == unit.inspection.lpn and "was saved already" in text(again.said)
    with station.store.read() as reader:
        assert reader.size() == before
        assert reader.open_count("lumo", "ML-40001", 1) == 0
        assert len(reader.labels_of(unit.inspection.lpn)) == 1


# ── The RMA changes while its unit is on the bench (sync.md §3.2, 43) ────────────────────────────────────────────────


@pytest.mark.parametrize("resumed", [False, True], ids=["on the bench", "set aside in between"])
@pytest.mark.parametrize(
    ("change", "mark"),
    [
        pytest.param("withdrawn", "was withdrawn", id="withdrawn"),
        pytest.param("line gone", "was withdrawn", id="its line is gone"),
        pytest.param("changed", "was changed", id="another reason and price"),
        pytest.param("same", "", id="told anew as it was"),
    ],
)
def test_a_unit_is_finished_on_the_rma_as_it_was_opened_and_marked(
    station: Station, change: str, mark: str, resumed: bool
) -> None:
    announce(station, "ML-4301", (LAMP, 1), (VASE, 1))
    unit = opened(station, "ML-4301", LAMP)
    step = press(station, unit, life.Digit(1))
    with station.store.write() as writer:
        rma = writer.rma("lumo", "ML-4301")
        assert rma is not None
        lamp, vase = rma.lines
        match change:
            case "withdrawn":
                writer.close_rma("lumo", "ML-4301")
            case "line gone":
                assert writer.put_rma(rma.but(lines=(vase,)), "hub", 9)
            case "changed":
                other = lamp.but(reason="DEFECTIVE", paid=Money(minor=100, currency="EUR"))
                assert writer.put_rma(rma.but(lines=(other, vase)), "hub", 9)
            case _:
                writer.put_rma(rma, "hub", 9)
    inspection = step.inspection
    if resumed:
        station.set_aside(inspection)
        back = station.resume(inspection.id)
        assert isinstance(back, Opened)
        unit, inspection = back, back.inspection
    done = station.finish(unit.bench, inspection)
    assert isinstance(done, Finished), done
    (finished,) = done.units
    assert finished.line == unit.inspection.line
    assert finished.line is not None
    assert finished.line.reason == ("DEFECTIVE" if resumed and change == "changed" else "CHANGED_MIND")
    assert (finished.grade, finished.disposition) == (Grade.NEW, Disposition.RESTOCK)
    if resumed and change == "changed":
        mark = ""  # opened anew, on what is announced by then, and shown so
    marks = [reason.message.text for reason in finished.signals if reason.code == "signal.rma_changed"]
    assert len(marks) == bool(mark)
    assert all(mark in text for text in marks)
