"""Batches as verbs of a station on a real store: joining by scan, closing, what became of them; also interrupted."""

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from PIL import Image

from inspect_station import config
from inspect_station.camera import FolderCamera
from inspect_station.config import LabelPrinter
from inspect_station.core.batches import Batch, Fate, Route
from inspect_station.core.records import (
    Disposition,
    Finding,
    Grade,
    Inspection,
    Line,
    Operator,
    Outcome,
    Product,
    Role,
    Verdict,
)
from inspect_station.errors import DeviceError, NotFound
from inspect_station.hub import Hub, intake
from inspect_station.message import Message, msg
from inspect_station.outbox.prints import Facts
from inspect_station.outcomes import BatchSeen, Known, Opened, ReasonNeeded, Said, SupervisorNeeded
from inspect_station.station import Station, open_station
from inspect_station.store import EventSpec, Receipt, Store, Writer, verify

ANA = Operator(code="ana", name="Ana B.")
SUP = Operator(code="sup", name="Sara", role=Role.SUPERVISOR)
TODAY = date(2026, 11, 22)


SHIPPED = cache(partial(config.load, None))


class Clock:
    """A clock that moves a second at every look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 22, 9, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store, made once."""
    folder = tmp_path_factory.mktemp("empty") / "data"
    with Store.open(folder, clock=Clock(), station="DOCK-3") as store, store.write() as writer:
        writer.set_meta("block", "DK3T")
    return folder


def settled(data: Path, pictures: Path) -> config.Config:
    """The shipped settings, with the store in this folder and pictures in the camera."""
    pictures.mkdir(exist_ok=True)
    Image.new("RGB", (320, 240), "teal").save(pictures / "a.png")
    shipped = SHIPPED()
    return shipped.model_copy(
        update={
            "station": shipped.station.model_copy(update={"name": "DOCK-3", "data": data, "zone": "Europe/Paris"}),
            "limits": shipped.limits.model_copy(update={"ballast_mb": 0}),
            "camera": shipped.camera.model_copy(update={"kind": "folder", "folder": pictures}),
        }
    )


@pytest.fixture
def station(empty: Path, tmp_path: Path) -> Iterator[Station]:
    """A station with nothing in its store, Ana signed in."""
    data = Path(shutil.copytree(empty, tmp_path / "data"))
    with open_station(settled(data, tmp_path / "camera"), clock=Clock(), running=True) as opened:
        opened.operator = ANA
        yield opened


def finished(station: Station, **changes: Any) -> Inspection:
    """A finished unit as the bench leaves it: defective, back to its seller, unless told otherwise."""
    with station.store.write() as writer:
        known: dict[str, Any] = {
            "id": writer.new_id(),
            "lpn": writer.take_lpns(1)[0],
            "station": "DOCK-3",
            "parcel": "p",
            "seller": "lumo",
            "rma": "ML-4001",
            "line": Line(no=1, gtin="03760311300165", reason="DEFECTIVE"),
            "product": Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp"),
            "chosen": Grade.DEFECTIVE,
            "grade": Grade.DEFECTIVE,
            "disposition": Disposition.RETURN_TO_SELLER,
            "route": "defective",
            "findings": (Finding(code="dead_on_arrival"),),
            "operator": "ana",
            "started_at": station.clock(),
            "finished_at": station.clock(),
            "finished_by": "ana",
        }
        unit = Inspection(**(known | changes))
        event = EventSpec("inspection.finished", unit.model_dump(mode="json"), "ana", station.clock())
        writer.finish(unit, event)
    return unit


def joined(station: Station, lpn: str, number: str = "") -> Batch:
    seen = station.join(lpn, number)
    assert isinstance(seen, BatchSeen), seen
    return seen.batch


def closed(station: Station, *units: Inspection, seal: str = "") -> Batch:
    """A closed batch with these units."""
    number = [joined(station, unit.lpn) for unit in units or (finished(station),)][-1].number
    seen = station.close_batch(number, seal)
    assert isinstance(seen, BatchSeen), seen
    return seen.batch


def said(seen: object) -> str:
    """Why nothing was done."""
    assert isinstance(seen, Said), seen
    return str(seen.title)


def told(station: Station) -> list[dict[str, Any]]:
    """The bodies of all that the hub is told of batches."""
    with station.store.read() as reader:
        return [json.loads(each.line)["body"] for each in reader.pending_events() if each.type == "batch.closed"]


def photo() -> bytes:
    out = BytesIO()
    Image.new("RGB", (40, 30), "white").save(out, "PNG")
    return out.getvalue()


# ── Joining ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_first_unit_of_a_seller_and_route_opens_their_batch_and_the_next_joins_it(station):
    first = joined(station, finished(station).lpn)
    assert (first.seller, first.route, first.opened_by, first.station) == ("lumo", Route.RETURN, "ana", "DOCK-3")
    second = finished(station)
    assert joined(station, second.lpn).number == first.number
    waste = joined(station, finished(station, disposition=Disposition.RECYCLE).lpn)
    other = joined(station, finished(station, seller="nord").lpn)
    assert len({first.number, waste.number, other.number}) == 3
    assert [each.lpn for each in station.batch(first.number).batch.units][-1] == second.lpn


def test_a_scan_of_its_label_offers_the_batch_and_one_into_an_open_batch_joins_at_once(station):
    one, two = finished(station), finished(station)
    seen = station.scan(one.lpn)
    assert isinstance(seen, Known)
    assert seen.batch is not None
    assert (seen.batch.number, seen.batch.inside) == ("", False)
    number = joined(station, one.lpn).number
    again = station.scan(one.lpn)
    assert isinstance(again, Known)
    assert again.batch is not None
    assert (again.batch.number, again.batch.inside) == (number, True)
    offered = station.scan(two.lpn)
    assert isinstance(offered, Known)
    assert offered.batch is not None
    assert (offered.batch.number, offered.batch.inside) == (number, False)
    into = station.scan(two.lpn, None, None, number)
    assert isinstance(into, BatchSeen)
    assert [each.lpn for each in into.batch.units] == [one.lpn, two.lpn]


@pytest.mark.parametrize("suffix", ["", "/1"], ids=["typed", "scanned off its label"])
def test_the_batch_s_own_barcode_opens_it(station, suffix):
    batch = closed(station)
    seen = station.scan(batch.number + suffix)
    assert isinstance(seen, BatchSeen)
    assert seen.batch == batch


def test_a_void_copy_of_its_label_says_so(station):
    batch = closed(station)
    with station.store.write() as writer:
        (first,) = writer.labels_of(batch.number)
        writer.move_label(first.id, "printing", printer="labels")
        writer.move_label(first.id, "printed")
    assert isinstance(station.manifest_again(batch.number), ReasonNeeded)
    assert isinstance(station.manifest_again(batch.number, "torn"), Message)
    with station.store.write() as writer:
        _, second = writer.labels_of(batch.number)
        writer.move_label(second.id, "printing", printer="labels")
        writer.move_label(second.id, "printed")
    assert "void" in said(station.scan(f"{batch.number}/1"))
    assert isinstance(station.scan(f"{batch.number}/2"), BatchSeen)
    assert (second.copy_no, second.why, second.fields["barcode"]) == (2, "torn", f"{batch.number}/2")


def test_a_manifest_that_comes_out_after_a_stall_is_scanned_on_its_batch(station):
    batch = closed(station)
    with station.store.write() as writer:
        (label,) = writer.labels_of(batch.number)
        writer.move_label(label.id, "printing", printer="labels")
        writer.move_label(label.id, "printed", scan_back=True)
    assert [each.lpn for each in station.desk().waiting] == [batch.number]
    assert isinstance(station.scan(f"{batch.number}/1"), BatchSeen)
    assert station.desk().waiting == ()


def late(station: Station, number: str) -> int:
    """The label of a batch was not printed in time."""
    with station.store.write() as writer:
        label = writer.labels_of(number)[-1]
        writer.move_label(label.id, "parked", reason=msg("too late"))
    return label.id


def test_a_manifest_that_never_came_out_is_not_settled_by_saying_that_it_is_there(station):
    batch = closed(station)
    label = late(station, batch.number)
    seen = station.doubtful(label)
    assert seen is not None and not seen.other, "there is none that it could have"
    assert seen.lines[-4:] == ("lumo", "1 unit", "sealed no. 1", f"{batch.number}/1")
    assert "still waits" in str(station.settle_label(label, came_out=True))
    with station.store.read() as reader:
        assert [each.state for each in reader.labels_of(batch.number)] == ["parked"]


def test_a_manifest_printed_after_all_is_scanned_on_its_batch(station):
    batch = closed(station)
    station.settle_label(late(station, batch.number), came_out=False)
    with station.store.read() as reader:
        states = [(each.print_no, each.state, each.scan_back) for each in reader.labels_of(batch.number)]
    assert states == [(1, "cancelled", ""), (2, "queued", "wanted")]


def test_the_first_label_after_a_stall_is_scanned_back_also_if_it_is_a_manifest(station, tmp_path):
    paper = LabelPrinter(name="labels", kind="file", folder=tmp_path / "labels")
    station.config = station.config.model_copy(update={"printers": (paper,)})
    with station.store.write() as writer:
        Facts(stalled=("labels",)).keep(writer)
    batch = closed(station)
    at = station.clock()
    station.outbox.prints._clock = lambda: at
    assert station.outbox.prints.print_once()
    assert [each.lpn for each in station.desk().waiting] == [batch.number]
    assert station.outbox.prints.facts().stalled == ()
    assert isinstance(station.scan(f"{batch.number}/1"), BatchSeen)
    assert station.desk().waiting == ()


def test_what_the_hub_does_not_take_of_a_batch_is_named(station):
    batch = closed(station)
    station.end_batch(batch.number, Fate.RETURNED)
    with station.store.write() as writer:
        events = [each for each in writer.pending_events() if each.type == "batch.closed"]
        writer.mark_events([Receipt(events[0].id, "rejected", "schema_invalid"), Receipt(events[1].id, "accepted")])
        (proof,) = writer.photos_to_send()
        writer.mark_photo(proof.sha256, "bad", "photo_invalid")
    assert [each.lpn for each in station.pending().waiting] == [batch.number, batch.number]


def test_a_batch_of_another_station_is_not_known_here(station):
    assert "no batch" in said(station.scan("B7F3K000138"))
    with pytest.raises(NotFound):
        station.batch("B7F3K000138")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"verdict": Verdict(outcome=Outcome.CONSULT)}, "still the customer's", id="not ours"),
        pytest.param({"disposition": Disposition.HOLD}, "belongs elsewhere", id="on hold"),
        pytest.param({"disposition": Disposition.QUARANTINE}, "belongs elsewhere", id="in quarantine"),
        pytest.param({"seller": "nord"}, "another seller's", id="another seller's"),
        pytest.param({"disposition": Disposition.DESTROY}, "another way", id="another way"),
    ],
)
def test_what_does_not_belong_into_it_is_refused_with_the_reason_and_changes_nothing(station, changes, why):
    before = joined(station, finished(station).lpn)
    unit = finished(station, **changes)
    assert why in said(station.scan(unit.lpn, None, None, before.number))
    assert station.batch(before.number).batch == before


def test_what_no_batch_takes_is_not_offered_one(station):
    seen = station.scan(finished(station, disposition=Disposition.HOLD).lpn)
    assert isinstance(seen, Known)
    assert seen.batch is None


def test_a_plate_that_nobody_gave_out_joins_nothing(station):
    assert "not a unit" in said(station.join("L7F3K00481S"))


# ── Taking out ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_unit_taken_out_leaves_its_trace_and_may_join_again(station):
    unit = finished(station)
    number = joined(station, unit.lpn).number
    assert "reason" in said(station.take_out(number, unit.lpn, "  "))
    assert isinstance(station.take_out(number, unit.lpn, "put in by mistake"), BatchSeen)
    _, out = station.batched(number)
    assert [(each.lpn, each.left_by, each.why) for each in out] == [(unit.lpn, "ana", "put in by mistake")]
    assert joined(station, unit.lpn).number == number
    assert len(station.batched(number)[1]) == 1


def test_undo_takes_out_what_joined_last(station):
    first, second = finished(station), finished(station)
    number = joined(station, first.lpn).number
    joined(station, second.lpn)
    seen = station.undo_join(number)
    assert isinstance(seen, BatchSeen)
    assert [each.lpn for each in seen.batch.units] == [first.lpn]
    station.undo_join(number)
    assert "empty" in said(station.undo_join(number))


def test_a_unit_that_is_reopened_is_out_of_its_batch_in_the_same_commit(station):
    unit = finished(station)
    number = joined(station, unit.lpn).number
    assert isinstance(station.reopen(unit.lpn, "wrong serial"), Opened)
    units, out = station.batched(number)
    assert (units, [each.why for each in out]) == ((), ["wrong serial"])
    assert "not finished" in said(station.join(unit.lpn, number))


def test_a_unit_that_a_supervisor_sends_elsewhere_is_out_of_its_batch(station):
    unit = finished(station)
    number = joined(station, unit.lpn).number
    assert isinstance(station.reroute(unit.lpn, Disposition.RECYCLE, "seller wants none back", by=SUP), Known)
    units, out = station.batched(number)
    assert (units, [each.why for each in out]) == ((), ["seller wants none back"])
    assert joined(station, unit.lpn).route is Route.RECYCLE


def test_what_is_in_a_closed_batch_is_neither_reopened_nor_sent_elsewhere(station):
    unit = finished(station)
    batch = closed(station, unit)
    assert "closed" in said(station.undo())
    assert "closed" in said(station.reopen(unit.lpn, "wrong serial"))
    assert "closed" in said(station.reroute(unit.lpn, Disposition.RECYCLE, "no", by=SUP))
    assert "closed" in said(station.destinations(unit.lpn))
    assert "closed" in said(station.take_out(batch.number, unit.lpn, "no"))
    assert "closed" in said(station.join(finished(station).lpn, batch.number))
    assert station.batch(batch.number).batch == batch
    with station.store.read() as reader:
        assert len(reader.history(unit.lpn)) == 1


# ── Property ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_customer_s_property_keeps_a_batch_open_until_it_is_out_with_its_slip(station):
    unit = finished(station, findings=(Finding(code="dead_on_arrival"), Finding(code="customer_property", note="SIM")))
    number = joined(station, unit.lpn).number
    assert unit.lpn in said(station.close_batch(number))
    assert [reason.code for reason in station.batch(number).blocked] == ["property"]
    assert isinstance(station.property_out(number, unit.lpn), BatchSeen)
    assert "nothing of a customer's" in said(station.property_out(number, unit.lpn))
    with station.store.read() as reader:
        (slip,) = reader.labels("queued")
    assert (slip.kind, slip.fields["property"], slip.fields["lpn"]) == ("property", "SIM", unit.lpn)
    assert isinstance(station.close_batch(number), BatchSeen)


def test_what_was_out_once_is_looked_at_again_when_the_unit_joins_again(station):
    unit = finished(station, findings=(Finding(code="customer_property"),))
    number = joined(station, unit.lpn).number
    station.property_out(number, unit.lpn)
    station.take_out(number, unit.lpn, "looked at again")
    joined(station, unit.lpn)
    assert unit.lpn in said(station.close_batch(number))


# ── Closing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_closing_seals_it_queues_its_manifest_and_tells_the_hub_at_once(station):
    units = [finished(station) for _ in range(3)]
    batch = closed(station, *units, seal=" 77812-A ")
    assert (batch.sealed_no, batch.seal, batch.closed_by, batch.revision) == (1, "77812-A", "ana", 1)
    with station.store.read() as reader:
        (label,) = reader.labels("queued")
    assert (label.lpn, label.kind, label.fields["barcode"]) == (batch.number, "manifest", f"{batch.number}/1")
    assert label.fields["count"] == "3 units"
    assert "77812-A" in label.fields["seal"]
    (body,) = told(station)
    assert body["units"] == [{"lpn": unit.lpn, "inspection": unit.id} for unit in units]
    assert (body["number"], body["seller"], body["route"], body["seal"]) == (batch.number, "lumo", "return", "77812-A")
    assert body["ending"] is None
    assert "closed already" in said(station.close_batch(batch.number))
    assert closed(station).sealed_no == 2


def test_an_empty_one_is_not_closed(station):
    unit = finished(station)
    number = joined(station, unit.lpn).number
    station.take_out(number, unit.lpn, "undo")
    assert "empty" in said(station.close_batch(number))


@pytest.mark.parametrize(
    "code", ["L7F3K00481S", "B7F3K000138", "BDG-0123456789ABCDEF", "CMD-ENTER", "7" * 200],
    ids=["a unit", "a batch", "a badge", "a command", "endless"],
)  # fmt: skip
def test_a_scan_that_is_no_seal_closes_nothing(station, code):
    number = joined(station, finished(station).lpn).number
    assert "no seal" in said(station.close_batch(number, code))
    assert station.batch(number).batch.closed_at is None


def test_the_next_unit_after_a_closing_opens_another(station):
    batch = closed(station)
    assert joined(station, finished(station).lpn).number != batch.number


# ── What became of it ────────────────────────────────────────────────────────────────────────────────────────────────


def test_returned_with_a_picture_is_told_as_the_next_revision(station):
    batch = closed(station)
    seen = station.end_batch(batch.number, Fate.RETURNED, on=TODAY)
    assert isinstance(seen, BatchSeen)
    ending = seen.batch.ending
    assert ending is not None
    assert (ending.fate, ending.on, ending.by, ending.supervisor) == (Fate.RETURNED, TODAY, "ana", "")
    assert station.blobs.path(ending.photo).read_bytes().startswith(b"\xff\xd8")
    first, second = told(station)
    assert (first["revision"], second["revision"]) == (1, 2)
    assert second["ending"]["photo"] == ending.photo
    assert second["units"] == first["units"]
    with station.store.read() as reader:
        events = [each for each in reader.pending_events() if each.type == "batch.closed"]
        assert second["base_event_id"] == events[0].id
        assert reader.photos_to_send() == (), "the hub does not know of it yet"
        assert reader.waiting_batches() == ()
    with station.store.write() as writer:
        writer.mark_events([Receipt(each.id, "accepted") for each in events])
        assert [each.sha256 for each in writer.photos_to_send()] == [ending.photo]


def test_destroying_takes_a_supervisor_and_a_ground(station):
    batch = closed(station, finished(station, disposition=Disposition.DESTROY))
    asked = station.end_batch(batch.number, Fate.DESTROYED, ground="counterfeit")
    assert isinstance(asked, SupervisorNeeded)
    assert "say why" in said(station.end_batch(batch.number, Fate.DESTROYED, by=SUP))
    assert len(told(station)) == 1
    done = asked.then(SUP)
    assert isinstance(done, BatchSeen)
    ending = done.batch.ending
    assert ending is not None
    assert (ending.fate, ending.ground, ending.supervisor, ending.by) == ("destroyed", "counterfeit", "sup", "ana")


def test_a_correction_is_a_supervisor_s_and_the_first_word_stays_known(station):
    batch = closed(station)
    station.end_batch(batch.number, Fate.RETURNED)
    assert isinstance(station.end_batch(batch.number, Fate.RECYCLED, ground="a slip"), SupervisorNeeded)
    assert isinstance(station.end_batch(batch.number, Fate.RECYCLED, ground="a slip", by=SUP), BatchSeen)
    assert [(each["revision"], (each["ending"] or {}).get("fate")) for each in told(station)] == [
        (1, None),
        (2, "returned"),
        (3, "recycled"),
    ]
    with station.store.read() as reader:
        assert len(reader.photos(batch.id)) == 2


def test_without_a_camera_nothing_is_noted(station):
    batch = closed(station)
    station._camera = FolderCamera(Path("/nowhere"), "gone")
    with pytest.raises(DeviceError):
        station.end_batch(batch.number, Fate.RETURNED)
    assert station.batch(batch.number).batch == batch
    assert isinstance(station.end_batch(batch.number, Fate.RETURNED, photo=photo()), BatchSeen)


def test_a_file_that_is_no_picture_is_no_proof(station):
    batch = closed(station)
    with pytest.raises(DeviceError):
        station.end_batch(batch.number, Fate.RETURNED, photo=b"%PDF-1.4")
    assert station.batch(batch.number).batch == batch


def test_f4_lists_what_is_filled_and_what_nobody_knows_the_end_of(station):
    open_ = joined(station, finished(station, seller="nord").lpn)
    batch = closed(station)
    assert [each.batch for each in station.pending().waiting if each.batch] == [open_.number, batch.number]
    station.end_batch(batch.number, Fate.RETURNED)
    assert [each.batch for each in station.pending().waiting if each.batch] == [open_.number]
    assert [each.batch.number for each in station.batches(every=True)] == [batch.number, open_.number]


def test_the_hub_takes_a_batch_and_its_end(station, tmp_path):
    batch = closed(station)
    station.end_batch(batch.number, Fate.RETURNED)
    with station.store.read() as reader:
        lines = [each.line for each in reader.pending_events()]
    with Hub.open(tmp_path / "hub") as hub:
        with hub.write() as ledger:
            ledger.add_code("c" * 64, "main", "DOCK-3")
            granted = ledger.enrol("c" * 64, "t" * 64, epoch=json.loads(lines[0])["epoch"], block="")
            caller = ledger.caller("t" * 64)
            assert caller is not None
            assert not isinstance(granted, str)
            receipts, _ = ledger.ingest(caller, [intake.read(line) for line in lines])
        assert [(each.status, each.code) for each in receipts] == [("accepted", "")] * 3
        with hub.read() as ledger:
            kept = ledger._rows("SELECT line FROM hub_event WHERE type = 'batch.closed' ORDER BY seq")
    assert [json.loads(row["line"])["body"]["revision"] for row in kept] == [1, 2]


# ── Interrupted ──────────────────────────────────────────────────────────────────────────────────────────────────────


def everything(station: Station) -> list[str]:
    """All that the store holds of batches, events, labels and pictures."""
    with closing(sqlite3.connect(station.store.file)) as connection:
        tables = ("batch", "batch_unit", "event", "label", "photo", "meta")
        return [str(connection.execute(f"SELECT * FROM {table}").fetchall()) for table in tables]


@pytest.mark.parametrize("verb", ["join", "take out", "property", "close", "outcome"])
def test_a_step_that_breaks_anywhere_leaves_all_as_it_was(station, monkeypatch, verb):
    """At every single change that the verb makes, in turn, the machine fails: nothing of it is kept."""
    with_property = finished(station, findings=(Finding(code="customer_property"),))
    open_ = joined(station, with_property.lpn)
    done = closed(station, finished(station, seller="nord"))
    fresh = finished(station, disposition=Disposition.RECYCLE)
    if verb == "close":
        station.property_out(open_.number, with_property.lpn)
    verbs = {
        "join": lambda: station.join(fresh.lpn),
        "take out": lambda: station.take_out(open_.number, with_property.lpn, "missing"),
        "property": lambda: station.property_out(open_.number, with_property.lpn),
        "close": lambda: station.close_batch(open_.number, "77812"),
        "outcome": lambda: station.end_batch(done.number, Fate.RETURNED, photo=photo()),
    }
    before = everything(station)
    real_do, real_queue = Writer._do, Writer.queue_label

    class Failed(Exception):
        pass

    for failing in range(1, 30):
        calls = 0

        def counted(real: Any, at: int = failing) -> Any:
            def do(self: Writer, *values: Any) -> Any:
                nonlocal calls
                calls += 1
                if calls == at:
                    raise Failed
                return real(self, *values)

            return do

        with monkeypatch.context() as broken:
            broken.setattr(Writer, "_do", counted(real_do))
            broken.setattr(Writer, "queue_label", counted(real_queue))
            try:
                assert isinstance(verbs[verb](), BatchSeen)
            except Failed:
                assert everything(station) == before
                continue
        break
    assert failing > 1
    assert everything(station) != before


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests import test_batching as t
from inspect_station.station import open_station
from inspect_station.store import Writer
with open_station(t.settled(Path(sys.argv[2]), Path(sys.argv[3])), clock=t.Clock(), running=True) as station:
    station.operator = t.ANA
    number = t.joined(station, t.finished(station).lpn).number
    print(number, flush=True)
    Writer.queue_label = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    station.close_batch(number)
"""


def test_kill_minus_nine_within_the_closing_leaves_the_batch_open_and_it_is_closed_after_all(empty, tmp_path):
    data = Path(shutil.copytree(empty, tmp_path / "data"))
    root = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", textwrap.dedent(KILLED), root, str(data), str(tmp_path / "camera")]
    killed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    number = killed.stdout.strip()
    with open_station(settled(data, tmp_path / "camera"), clock=Clock(), running=True) as station:
        station.operator = ANA
        assert station.batch(number).batch.closed_at is None
        assert told(station) == []
        assert isinstance(station.close_batch(number), BatchSeen)
        assert len(told(station)) == 1
    verify(data / "store.db")


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM batch",
        "DELETE FROM batch_unit",
        "UPDATE batch SET seller = 'nord'",
        "UPDATE batch SET closed_at = NULL",
        "UPDATE batch SET seal = 'another'",
        "UPDATE batch_unit SET left_at = '2026', left_by = 'x'",
        "UPDATE batch_unit SET batch = 'x'",
        "INSERT INTO batch_unit (batch, inspection, lpn, joined_at, joined_by, property_by, left_by, why) "
        "SELECT id, 'x', 'x', 'x', 'x', '', '', '' FROM batch",
    ],
)
def test_what_is_closed_cannot_be_changed_not_even_by_hand(station, sql):
    closed(station)
    with (
        closing(sqlite3.connect(station.store.file)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=r"batch|unit"),
    ):
        connection.execute(sql)


# ── Any order of everything ──────────────────────────────────────────────────────────────────────────────────────────


class Dockwork(RuleBasedStateMachine):
    """Units of two sellers and three routes join, are taken out, reopened and finished again; batches are closed."""

    empty: Path
    work: Path
    count = 0

    @initialize()
    def begin(self) -> None:
        Dockwork.count += 1
        folder = self.work / str(Dockwork.count)
        shutil.copytree(self.empty, folder / "data")
        self.station = open_station(settled(folder / "data", folder / "camera"), clock=Clock(), running=True)
        self.station.operator = ANA
        self.units: dict[str, Inspection] = {}
        self.where: dict[str, str] = {}
        """The model: in which batch each unit is."""
        self.sealed: dict[str, list[str]] = {}
        self.batches: dict[str, list[str]] = {}

    def teardown(self) -> None:
        if hasattr(self, "station"):
            self.station.close()

    @rule(
        seller=st.sampled_from(["lumo", "nord"]),
        to=st.sampled_from([Disposition.RETURN_TO_SELLER, Disposition.RECYCLE, Disposition.HOLD]),
    )
    def finish(self, seller: str, to: Disposition) -> None:
        unit = finished(self.station, seller=seller, disposition=to)
        self.units[unit.lpn] = unit

    @precondition(lambda self: self.units)
    @rule(data=st.data())
    def join(self, data: st.DataObject) -> None:
        lpn = data.draw(st.sampled_from(sorted(self.units)))
        into = data.draw(st.sampled_from(["", *sorted(self.batches)]))
        seen = self.station.join(lpn, into)
        unit = self.units[lpn]
        if isinstance(seen, BatchSeen):
            assert lpn not in self.where
            assert unit.voided_at is None
            assert unit.disposition is not Disposition.HOLD
            assert seen.batch.number not in self.sealed
            assert seen.batch.seller == unit.seller
            assert into in ("", seen.batch.number)
            self.where[lpn] = seen.batch.number
            self.batches.setdefault(seen.batch.number, []).append(lpn)
        elif not into:
            assert lpn in self.where or unit.voided_at or unit.disposition is Disposition.HOLD

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def take_out(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.batches)))
        lpn = data.draw(st.sampled_from(sorted(self.units)))
        seen = self.station.take_out(number, lpn, "because")
        may = self.where.get(lpn) == number and number not in self.sealed
        assert isinstance(seen, BatchSeen) == may
        if may:
            self._out(lpn)

    def _out(self, lpn: str) -> None:
        number = self.where.pop(lpn, "")
        if number:
            self.batches[number].remove(lpn)

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.batches)))
        seen = self.station.close_batch(number)
        may = bool(self.batches[number]) and number not in self.sealed
        assert isinstance(seen, BatchSeen) == may
        if may:
            self.sealed[number] = list(self.batches[number])

    @precondition(lambda self: self.units)
    @rule(data=st.data())
    def reopen(self, data: st.DataObject) -> None:
        lpn = data.draw(st.sampled_from(sorted(self.units)))
        seen = self.station.reopen(lpn, "look again")
        may = self.units[lpn].voided_at is None and self.where.get(lpn) not in self.sealed
        assert isinstance(seen, Opened) == may
        if may:
            self._out(lpn)
            self.units[lpn] = self.units[lpn].but(voided_at=self.station.clock())

    @precondition(lambda self: any(unit.voided_at for unit in self.units.values()))
    @rule(data=st.data(), to=st.sampled_from([Disposition.RETURN_TO_SELLER, Disposition.HOLD]))
    def finish_again(self, data: st.DataObject, to: Disposition) -> None:
        lpn = data.draw(st.sampled_from(sorted(lpn for lpn, unit in self.units.items() if unit.voided_at)))
        now = self.station.clock()
        with self.station.store.write() as writer:
            draft = writer.draft(lpn)
            assert draft is not None
            unit = draft.but(disposition=to, grade=Grade.DEFECTIVE, finished_at=now, finished_by="ana", voided_at=None)
            writer.finish(unit, EventSpec("inspection.amended", unit.model_dump(mode="json"), "ana", now))
        self.units[lpn] = unit

    @invariant()
    def every_unit_is_where_the_model_says_and_closed_batches_stay(self) -> None:
        if not hasattr(self, "station"):
            return
        with self.station.store.read() as reader:
            for number, lpns in self.batches.items():
                batch = reader.batch(number)
                assert batch is not None
                assert [each.lpn for each in batch.units] == lpns
                assert (batch.closed_at is not None) == (number in self.sealed)
            for lpn, unit in self.units.items():
                assert reader.batch_of(unit.id) == self.where.get(lpn, "")
            open_ = [(each.seller, each.route) for each in reader.batches() if each.closed_at is None]
        assert len(open_) == len(set(open_))
        assert all(self.batches[number] == lpns for number, lpns in self.sealed.items())


def test_in_whatever_order_a_unit_is_in_one_batch_at_most_and_a_closed_one_never_changes(empty, tmp_path):
    Dockwork.empty, Dockwork.work, Dockwork.count = empty, tmp_path, 0
    run_state_machine_as_test(
        Dockwork,
        settings=settings(
            max_examples=12,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
