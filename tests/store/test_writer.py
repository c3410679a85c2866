"""What is written: once, for ever where it must be, and with all that belongs to it."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspect_station.core import barcode
from inspect_station.core.records import (
    INSPECTION_SCHEMA,
    Case,
    Grade,
    Kind,
    Line,
    Parcel,
    Photo,
    Product,
    Rma,
    Seller,
    instant,
)
from inspect_station.message import msgn
from inspect_station.store import EventSpec, LabelSpec, Receipt, Store, Writer, moments
from inspect_station.store.tables import Row
from inspect_station.store.values import LabelState

# ── Finish, undo, finish again ───────────────────────────────────────────────────────────────────────────────────────


def test_finishing_keeps_the_record_its_event_its_label_and_no_draft(store: Store, bench):
    with store.write() as writer:
        unit = bench.unit(writer, photos=(Photo(slot="damage", sha256="ab" * 32),))
        writer.save_draft(unit)
    with store.write() as writer:
        done = bench.done(unit)
        event = writer.finish(done, bench.event(done), bench.label(writer, done))
    with store.read() as reader:
        assert reader.inspection(unit.lpn) == done
        assert reader.draft(unit.lpn) is None
        (sent,) = reader.pending_events()
        assert (sent.id, sent.line) == (event.id, event.line())
        assert json.loads(sent.line)["body"] == done.model_dump(mode="json")
        assert reader.event_of(unit.id) == event.id
        (label,) = reader.labels("queued")
        assert (label.lpn, label.inspection, label.fields) == (unit.lpn, unit.id, {"barcode": f"{unit.lpn}/1"})
        assert [photo.state for photo in reader.photos(unit.id)] == ["waiting"]


def test_nothing_is_finished_twice(store: Store, bench):
    unit = bench.finish(store)
    with pytest.raises(sqlite3.IntegrityError), store.write() as writer:
        writer.finish(unit, bench.event(unit), bench.label(writer, unit))
    with store.read() as reader:
        assert len(reader.pending_events()) == 1
        assert len(reader.labels_of(unit.lpn)) == 1


def test_an_undone_unit_is_void_its_waiting_label_cancelled_and_it_can_be_finished_again(store: Store, bench):
    unit = bench.finish(store)
    with store.write() as writer:
        void = unit.but(revision=2, voided_at=bench.clock.pass_(minutes=1), void_reason="undo")
        assert writer.void(void, bench.event(void, "inspection.voided")) is False
        writer.save_draft(unit.but(revision=3, grade=None, finished_at=None))
    with store.read() as reader:
        assert reader.inspection(unit.lpn) == void
        assert reader.units("lumo", "4711-0093") == ()
        assert reader.labels("queued") == ()
        assert reader.draft(unit.lpn) is not None
    with store.write() as writer:
        again = bench.done(unit, revision=3, grade=Grade.LIGHT)
        writer.finish(again, bench.event(again, "inspection.amended"), bench.label(writer, again))
    with store.read() as reader:
        assert reader.units("lumo", "4711-0093") == (again,)
        assert reader.history(unit.lpn) == (unit, void, again)
        assert [event.type for event in reader.pending_events()] == [
            "inspection.finished",
            "inspection.voided",
            "inspection.amended",
        ]
        assert [(label.print_no, label.state) for label in reader.labels_of(unit.lpn)] == [
            (1, "cancelled"),
            (2, "queued"),
        ]


@pytest.mark.parametrize(
    ("moves", "out"),
    [
        pytest.param((), False, id="never printed"),
        pytest.param(("printing",), True, id="printing now"),
        pytest.param(("printing", "printed"), True, id="printed"),
        pytest.param(("printing", "parked"), True, id="nobody knows"),
        pytest.param(("parked",), False, id="too late for it, never sent to a printer"),
        pytest.param(("printing", "queued", "parked"), False, id="the printer surely did not print it"),
    ],
)
def test_undo_tells_whether_a_label_may_be_on_the_unit(store: Store, bench, moves, out):
    unit = bench.finish(store)
    with store.write() as writer:
        (label,) = writer.labels("queued")
        for state in moves:
            assert writer.move_label(label.id, state, printer="zebra" if state == "printing" else "")
        void = unit.but(revision=2, voided_at=bench.clock())
        assert writer.void(void, bench.event(void, "inspection.voided")) is out


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        pytest.param({"finished_at": None}, "finish", id="a unit that is not finished"),
        pytest.param({"voided_at": None}, "void", id="a void one that does not say so"),
    ],
)
def test_what_is_not_decided_is_not_kept(store: Store, bench, changes, method):
    with store.write() as writer:
        unit = bench.done(bench.unit(writer)).but(**changes)
        with pytest.raises(ValueError, match="is not"):
            getattr(writer, method)(unit, bench.event(unit))
    with store.read() as reader:
        assert reader.pending_events() == ()


def test_units_counted_together_share_time_and_photos_but_neither_plate_nor_record(store: Store, bench):
    photo = Photo(slot="lot", sha256="cd" * 32)
    with store.write() as writer:
        first = bench.done(bench.unit(writer, count=3, photos=(photo,)))
        more = [first.but(id=writer.new_id(), lpn=lpn) for lpn in writer.take_lpns(2)]
        for unit in (first, *more):
            writer.finish(unit, bench.event(unit), bench.label(writer, unit))
        at_hub(writer)
    with store.read() as reader:
        assert len({unit.lpn for unit in reader.last_units(9)}) == 3
        assert [photo.inspection for photo in reader.photos_to_send()] == sorted(
            (unit.id for unit in (first, *more)), reverse=True
        )
        day = bench.clock() - timedelta(hours=1), bench.clock() + timedelta(hours=1)
        assert reader.tally(*day).average_s == 30  # 90 s on the bench for three


# ── Only ever added to ───────────────────────────────────────────────────────────────────────────────────────────────


def columns(table: str) -> list[str]:
    return [column.name for column in Row.metadata.tables[table].columns]


STATE = {"state", "code", "tries", "not_before", "receipt_at"}
FIXED = [("inspection", name) for name in columns("inspection") if name not in ("current", "standing")] + [
    ("event", name) for name in columns("event") if name not in STATE
]
FIXED += [(table, name) for table in ("playbook", "ruleset") for name in columns(table)]


@pytest.fixture
def told(store: Store, bench) -> Store:
    """A store with a row of each kind that is only ever added to."""
    bench.finish(store)
    with store.write() as writer:
        writer.activate_playbook("lumo", "aa" * 32, "windows = {}", "sup")
        writer.keep_ruleset("bb" * 32, "{}")
    return store


@pytest.mark.parametrize(("table", "column"), FIXED)
def test_no_column_of_a_finished_fact_can_be_changed(told: Store, table: str, column: str):
    with pytest.raises(sqlite3.IntegrityError, match="never change"), told.write() as writer:
        writer._do(f"UPDATE {table} SET {column} = '1'")


@pytest.mark.parametrize("table", ["inspection", "event", "playbook", "ruleset"])
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("DELETE FROM {table}", id="deleted"),
        pytest.param("INSERT OR REPLACE INTO {table} SELECT * FROM {table}", id="replaced"),
    ],
)
def test_no_finished_fact_can_be_lost(told: Store, table: str, statement: str):
    with pytest.raises(sqlite3.IntegrityError, match="never deleted"), told.write() as writer:
        writer._do(statement.format(table=table))


# ── The rules it was decided by ──────────────────────────────────────────────────────────────────────────────────────


def test_the_playbook_activated_last_counts_and_all_are_kept(store: Store, bench):
    texts = {"old": "used = 25", "new": "used = 30"}
    activated = []
    with store.write() as writer:
        for name in ("old", "new", "old"):
            bench.clock.pass_(hours=1)
            assert writer.activate_playbook("lumo", name, texts[name], "sup") is True
            activated.append((name, texts[name], bench.clock(), "sup"))
        bench.clock.pass_(hours=1)
        assert writer.activate_playbook("lumo", "old", texts["old"], "luc") is False, "it counts already"
        assert writer.activate_playbook("nord", "new", texts["new"], "luc") is True
    with store.read() as reader:
        history = reader.playbook_history("lumo")
        assert [(each.sha256, each.body, each.activated_at, each.activated_by) for each in history] == [
            *reversed(activated)
        ]
        assert reader.playbook("lumo") == history[0]
        assert [(each.seller, each.sha256) for each in reader.playbooks()] == [("lumo", "old"), ("nord", "new")]
        assert reader.playbook("plume") is None


def test_rules_that_decided_something_are_kept_once_with_their_first_use(store: Store, bench):
    first = bench.clock()
    for _ in range(2):
        with store.write() as writer:
            writer.keep_ruleset("aa" * 32, '{"cap": 90}')
        bench.clock.pass_(days=1)
    with store.read() as reader:
        assert reader.ruleset("aa" * 32) == '{"cap": 90}'
        kept = [tuple(row) for row in reader._rows("SELECT sha256, first_used_at FROM ruleset")]
        assert kept == [("aa" * 32, instant(first))]


# ── Events ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_events_are_a_chain_without_gaps(opened, bench):
    store = opened()
    with store.write() as writer:
        made = [
            writer.append_event(EventSpec("parcel.received", {"parcel": str(n)}, "ana", bench.clock.pass_(seconds=1)))
            for n in range(4)
        ]
        assert writer.meta("epoch")
    assert [event.seq for event in made] == [1, 2, 3, 4]
    assert [event.prev_sha256 for event in made] == [
        "",
        *(hashlib.sha256(event.line().encode()).hexdigest() for event in made[:3]),
    ]
    assert len({event.id for event in made}) == 4
    assert {event.epoch for event in made} == {store_epoch(store)}
    assert {event.tz for event in made} == {"Europe/Paris"}
    assert len({event.boot for event in made}) == 1
    assert made[0].mono_ms <= made[3].mono_ms
    # Undone with its transaction, a number is given again: there is never a gap.
    with pytest.raises(RuntimeError), store.write() as writer:
        assert writer.append_event(EventSpec("parcel.closed", {}, "ana", bench.clock())).seq == 5
        raise RuntimeError
    with opened().write() as writer:
        assert writer.append_event(EventSpec("parcel.closed", {}, "ana", bench.clock())).seq == 5


def store_epoch(store: Store) -> str:
    with store.read() as reader:
        return reader.meta("epoch")


def test_an_event_that_no_hub_knows_is_a_mistake(store: Store, bench):
    with pytest.raises(ValueError, match=r"parcel\.eaten"), store.write() as writer:
        writer.append_event(EventSpec("parcel.eaten", {}, "ana", bench.clock()))


def test_what_was_sent_counts_and_what_waits_is_left_in_peace_until_its_time(store: Store, bench):
    first, second = bench.finish(store), bench.finish(store)
    with store.write() as writer:
        ids = [event.id for event in writer.pending_events()]
        assert writer.mark_events([Receipt(ids[0], "sent"), Receipt("unknown", "accepted")]) == 1
        later = bench.clock() + timedelta(minutes=5)
        writer.mark_events([Receipt(ids[0], "pending", "schema_too_new", not_before=later)])
        assert [event.id for event in writer.pending_events()] == [ids[1]]
        bench.clock.pass_(minutes=5)
        due = writer.pending_events()
        assert [(event.id, event.tries, event.code) for event in due] == [
            (ids[0], 1, "schema_too_new"),
            (ids[1], 0, ""),
        ]
    assert first != second


def test_what_was_put_off_by_a_clock_that_is_set_back_since_is_due(store: Store, bench):
    bench.finish(store, photos=(Photo(slot="box", sha256="ab" * 32, at=bench.clock()),))
    bench.finish(store)
    with store.write() as writer:
        first, second = (event.id for event in writer.pending_events())
        writer.mark_events([Receipt(first, "accepted")])
        hour = bench.clock() + timedelta(hours=1)
        writer.mark_photo("ab" * 32, "sent", not_before=hour)
        writer.mark_events([Receipt(second, "pending", "schema_too_new", not_before=hour)])
        assert (writer.pending_events(), writer.photos_to_send()) == ((), ())
        bench.clock.pass_(days=-4)
        assert [event.id for event in writer.pending_events()] == [second]
        assert [photo.sha256 for photo in writer.photos_to_send()] == ["ab" * 32]


def test_parked_events_are_kept_shown_and_stop_nobody(store: Store, bench):
    for _ in range(5):
        bench.finish(store)
    with store.write() as writer:
        a, b, c, d, e = (event.id for event in writer.pending_events())
        hour = bench.clock() + timedelta(hours=1)
        writer.mark_events(
            [
                Receipt(a, "rejected", "schema_invalid"),
                Receipt(b, "conflict"),
                Receipt(c, "suspect", "internal_error", not_before=hour),
                Receipt(d, "accepted"),
            ]
        )
        assert [event.id for event in writer.pending_events()] == [e]
        assert [(event.id, event.code) for event in writer.parked_events()] == [
            (a, "schema_invalid"),
            (b, ""),
            (c, "internal_error"),
        ]
        counts = writer.waiting()
        assert (counts.events, counts.units, counts.events_parked) == (1, 1, 3)
        bench.clock.pass_(hours=1)
        assert [event.id for event in writer.pending_events()] == [c, e]  # the suspect is tried again


WITH_THE_HUB = ("accepted", "duplicate", "conflict")
STATES = ("sent", "pending", "suspect", "rejected", *WITH_THE_HUB)


@settings(max_examples=50)
@given(
    st.lists(
        st.sampled_from(["sent", "pending", "suspect", "rejected", "accepted", "duplicate", "conflict"]), min_size=1
    )
)
def test_what_the_hub_has_stays_so_in_whatever_order_receipts_come(receipts_store: Store, states: list[str]):
    class Undo(Exception):
        pass

    with pytest.raises(Undo), receipts_store.write() as writer:
        spec = EventSpec("parcel.closed", {}, "ana", writer._clock())
        event = writer.append_event(spec)
        for state in states:
            writer.mark_events([Receipt(event.id, state)])  # type: ignore[arg-type]
        found = writer.event(event.id)
        assert found is not None
        final = next((state for state in states if state in WITH_THE_HUB), states[-1])
        assert found.state == final
        before = states[: states.index(final) + 1] if final in WITH_THE_HUB else states
        assert found.tries == before.count("sent")
        assert (found.receipt_at is not None) == bool({*before} & {*WITH_THE_HUB, "rejected"})
        raise Undo


@pytest.fixture(scope="module")
def receipts_store(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[Store]:
    """One store for all examples: each takes back what it did."""
    folder = shutil.copytree(made, tmp_path_factory.mktemp("receipts") / "station")
    with Store.open(folder, clock=lambda: datetime(2026, 11, 22, tzinfo=UTC), station="DOCK-3") as store:
        yield store


def test_a_hub_that_was_restored_is_offered_again_what_it_lost(store: Store, bench):
    for _ in range(4):
        bench.finish(store)
    with store.write() as writer:
        lines = {event.id: event.line for event in writer.pending_events()}
        ids = list(lines)
        writer.mark_events([Receipt(id, "accepted") for id in ids[:3]])
        known = writer.known_events(limit=2)
        assert [id for id, _ in known] == sorted(ids[:3])[:2]
        assert [sha for _, sha in known] == [hashlib.sha256(lines[id].encode()).hexdigest() for id, _ in known]
        assert [id for id, _ in writer.known_events(after=known[-1][0])] == sorted(ids[:3])[2:]
        assert writer.offer_again(ids[:2]) == 2
        assert {event.id: event.line for event in writer.pending_events()} == {
            id: lines[id] for id in (*ids[:2], ids[3])
        }


# ── Plates ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_plates_are_well_formed_of_one_block_and_never_given_twice(opened):
    taken: list[str] = []
    for n in (1, 12, 3):
        with opened().write() as writer:
            taken += writer.take_lpns(n)
    assert len(set(taken)) == 16
    assert taken == sorted(taken)
    assert len({lpn[:5] for lpn in taken}) == 1
    assert {barcode.read(lpn, barcode.Patterns()).kind for lpn in taken} == {barcode.ScanKind.LPN}


def test_plates_come_from_the_block_that_the_hub_granted(store: Store):
    with store.write() as writer:
        writer.set_meta("block", "7F3K")
        assert all(lpn.startswith("L7F3K") for lpn in writer.take_lpns(3))


def test_a_block_that_is_used_up_is_followed_by_another(store: Store):
    with store.write() as writer:
        writer.set_meta("block", "7F3K")
        writer.set_meta("next_unit", "99990")
        taken = writer.take_lpns(30)
        assert len(set(taken)) == 30
        assert {lpn[:5] for lpn in taken} == {"L7F3K", taken[-1][:5]}
        assert taken[-1][:5] != "L7F3K"
        assert writer.take_lpns(1)[0] > taken[-1]


# ── Sellers, products, RMAs ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("enrolled", "known", "told", "taken"),
    [
        pytest.param(False, ("local", 0), ("local", 0), True, id="a second import"),
        pytest.param(True, ("local", 0), ("local", 0), True, id="a second import at an enrolled station"),
        pytest.param(True, ("local", 0), ("hub", 1), True, id="the hub over an import"),
        pytest.param(True, ("hub", 1), ("local", 0), False, id="an import over the hub"),
        pytest.param(False, ("hub", 1), ("local", 0), True, id="an import after the station left its hub"),
        pytest.param(True, ("hub", 1), ("hub", 2), True, id="a newer version"),
        pytest.param(True, ("hub", 2), ("hub", 2), False, id="the same version again"),
        pytest.param(True, ("hub", 2), ("hub", 1), False, id="an older version, late"),
    ],
)
@pytest.mark.parametrize("what", ["seller", "product", "rma"])
def test_whose_word_counts(store: Store, what, enrolled, known, told, taken):
    def make(name: str) -> Seller | Product | Rma:
        if what == "seller":
            return Seller(code="lumo", name=name)
        if what == "product":
            return Product(seller="lumo", gtin="03700471002479", title=name)
        return Rma(seller="lumo", number="1", order=name, lines=(Line(no=1, gtin="03700471002479"),))

    with store.write() as writer:
        if enrolled:
            writer.set_meta("hub_station_id", "station-1")
        put = getattr(writer, f"put_{what}")
        assert put(make("before"), *known)
        assert put(make("after"), *told) is taken
    with store.read() as reader:
        kept = {"seller": ["lumo"], "product": ["lumo", "03700471002479"], "rma": ["lumo", "1"]}
        found = getattr(reader, what)(*kept[what])
    assert found == make("after" if taken else "before")


def test_an_rma_brings_its_lines_and_takes_them_along(store: Store):
    def rma(*gtins: str) -> Rma:
        return Rma(seller="lumo", number="1", lines=tuple(Line(no=n, gtin=gtin) for n, gtin in enumerate(gtins, 1)))

    with store.write() as writer:
        writer.put_rma(rma("01", "02"))
        writer.put_rma(rma("02", "03"))
        assert [len(writer.lines_of_gtin(gtin)) for gtin in ("01", "02", "03")] == [0, 1, 1]


@pytest.mark.parametrize("by", ["an import", "the hub", "a supervisor"])
def test_of_a_closed_rma_nothing_is_to_come(store: Store, by: str):
    rma = Rma(seller="lumo", number="1", lines=(Line(no=1, gtin="01", quantity=3),))
    with store.write() as writer:
        writer.put_rma(rma)
        assert writer.open_count("lumo", "1", 1) == 3
        if by == "a supervisor":
            writer.close_rma("lumo", "1")
        else:
            writer.put_rma(rma.but(closed=True), "hub" if by == "the hub" else "local", 1)
        assert writer.open_count("lumo", "1", 1) == 0
        assert writer.lines_of_gtin("01") == ()
        found = writer.rma("lumo", "1")
        assert found is not None
        assert found.closed
        assert [each.closed for each in writer.rmas("1")] == [True]


@pytest.mark.parametrize(
    ("origin", "gtins"),
    [pytest.param("local", ["01", "02"], id="an import"), pytest.param("hub", ["02", "01"], id="the hub: as it says")],
)
def test_a_list_in_another_order_does_not_move_units_to_another_line(store: Store, bench, origin, gtins):
    lines = (Line(no=1, gtin="01"), Line(no=2, gtin="02"))
    with store.write() as writer:
        writer.put_rma(Rma(seller="lumo", number="4711-0093", lines=lines))
    bench.finish(store, line=lines[0])
    again = Rma(
        seller="lumo", number="4711-0093", lines=(lines[1].but(no=1, quantity=2), lines[0].but(no=2, quantity=2))
    )
    with store.write() as writer:
        writer.put_rma(again, origin, 1)
        found = writer.rma("lumo", "4711-0093")
        assert found is not None
        assert [(line.no, line.gtin) for line in found.lines] == list(enumerate(gtins, 1))
        assert [writer.open_count("lumo", "4711-0093", no) for no in (1, 2)] == [1, 2]


@pytest.mark.parametrize("begun", ["draft", "unit"])
def test_a_line_that_a_list_leaves_out_stays_while_somebody_works_on_it(store: Store, bench, begun: str):
    lines = (Line(no=1, gtin="01"), Line(no=2, gtin="02"), Line(no=3, gtin="03"))
    with store.write() as writer:
        writer.put_rma(Rma(seller="lumo", number="4711-0093", lines=lines))
        if begun == "draft":
            writer.save_draft(bench.unit(writer, line=lines[1]))
    if begun == "unit":
        bench.finish(store, line=lines[1])
    with store.write() as writer:
        writer.put_rma(Rma(seller="lumo", number="4711-0093", lines=lines[:1]))
        found = writer.rma("lumo", "4711-0093")
        assert found is not None
        assert found.lines == lines[:2]


@pytest.mark.parametrize(
    ("origin", "closed"), [pytest.param("local", True, id="an import"), pytest.param("hub", False, id="the hub")]
)
def test_who_may_reopen_an_rma(store: Store, origin, closed):
    rma = Rma(seller="lumo", number="1", lines=(Line(no=1, gtin="01"),))
    with store.write() as writer:
        writer.put_rma(rma)
        writer.close_rma("lumo", "1")
        found = writer.rma("lumo", "1")
        assert found is not None
        assert found.closed
        assert writer.lines_of_gtin("01") == ()
        writer.put_rma(rma, origin, 1)
        found = writer.rma("lumo", "1")
        assert found is not None
        assert found.closed is closed


def test_a_withdrawn_product_is_gone(store: Store):
    with store.write() as writer:
        writer.put_product(Product(seller="lumo", gtin="01", title="Kettle"))
        writer.drop_product("lumo", "01")
        assert writer.products("01") == ()


# ── Drafts and photos ────────────────────────────────────────────────────────────────────────────────────────────────


def test_after_a_crash_a_draft_goes_on_at_the_same_question(opened, bench):
    store = opened()
    with store.write() as writer:
        unit = bench.unit(writer, page="condition")
        writer.save_draft(unit)
    answered = unit.but(page="test", trail=("condition",), serial="SN-1")
    with store.write() as writer:
        writer.save_draft(answered)
    store.close()
    with opened().read() as reader:
        assert reader.draft(unit.lpn) == answered
        assert reader.draft_of("SN-1") == answered
        assert reader.drafts() == (answered,)


def test_two_drafts_never_share_a_plate(store: Store, bench):
    with pytest.raises(sqlite3.IntegrityError), store.write() as writer:
        unit = bench.unit(writer)
        writer.save_draft(unit)
        writer.save_draft(unit.but(id=writer.new_id()))


def test_an_owed_photo_is_listed_until_it_is_taken_and_a_verified_one_stays_so(store: Store, bench):
    unit = bench.finish(store, photos=(Photo(slot="damage"), Photo(slot="box", sha256="ab" * 32, at=bench.clock())))
    with store.write() as writer:
        at_hub(writer)
        assert [photo.slot for photo in writer.photos_owed()] == ["damage"]
        assert [photo.slot for photo in writer.photos_to_send()] == ["box"]
        counts = writer.waiting()
        assert (counts.photos, counts.photos_owed) == (1, 1)
        writer.mark_photo("ab" * 32, "verified")
        taken = unit.but(revision=2, photos=(Photo(slot="damage", sha256="cd" * 32), unit.photos[1]))
        writer.finish(taken, bench.event(taken, "inspection.amended"))
        assert writer.photos_owed() == ()
        assert [(photo.slot, photo.state) for photo in writer.photos(unit.id)] == [
            ("box", "verified"),
            ("damage", "waiting"),
        ]


def test_photos_of_a_draft_wait_until_it_is_finished(store: Store, bench):
    with store.write() as writer:
        unit = bench.unit(writer, photos=(Photo(slot="damage", sha256="ab" * 32),))
        writer.save_draft(unit)
        assert writer.photos_to_send() == ()
        done = bench.done(unit)
        writer.finish(done, bench.event(done))
        assert writer.photos_to_send() == (), "and until the hub knows the unit"
        at_hub(writer)
        assert [photo.sha256 for photo in writer.photos_to_send()] == ["ab" * 32]


def at_hub(writer: Writer) -> None:
    """The hub has confirmed all."""
    writer.mark_events([Receipt(event.id, "accepted") for event in writer.pending_events()])


def test_photos_of_a_unit_that_was_amended_wait_until_the_hub_knows_that_too(store: Store, bench):
    unit = bench.finish(store, photos=(Photo(slot="box", sha256="ab" * 32, at=bench.clock()),))
    with store.write() as writer:
        at_hub(writer)
        assert writer.at_hub([unit.id]) == {unit.id: ("accepted", "")}
        again = unit.but(revision=2)
        writer.finish(again, bench.event(again, "inspection.amended"))
        assert writer.at_hub([unit.id]) == {unit.id: ("waiting", "")}, "only a receipt for the newest record counts"
        assert writer.photos_to_send() == ()
        at_hub(writer)
        assert len(writer.photos_to_send()) == 1


def test_what_the_hub_still_looks_at_is_asked_about_first_and_not_before_its_time(store: Store, bench):
    for n in range(2):
        bench.finish(store, photos=(Photo(slot="box", sha256=f"{n}b" * 32, at=bench.clock()),))
    with store.write() as writer:
        at_hub(writer)
        newest, oldest = writer.photos_to_send()
        assert newest.inspection > oldest.inspection
        writer.mark_photo(oldest.sha256, "sent", not_before=bench.clock() + timedelta(seconds=5))
        assert writer.photos_to_send() == (newest,)
        bench.clock.pass_(seconds=5)
        assert [photo.sha256 for photo in writer.photos_to_send()] == [oldest.sha256, newest.sha256]
        assert writer.waiting().photos == 2


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param("waiting", "bad", "bad", id="the hub does not take it"),
        pytest.param("missing", "waiting", "waiting", id="its file is back"),
        pytest.param("verified", "bad", "verified", id="a word that comes late"),
        pytest.param("verified", "waiting", "verified", id="asked once more"),
        pytest.param("verified", "deleted", "deleted", id="its time is over"),
        pytest.param("waiting", "deleted", "waiting", id="deleted too early"),
        pytest.param("deleted", "verified", "deleted", id="deleted stays deleted"),
    ],
)
def test_what_becomes_of_a_photo(store: Store, bench, before, after, expected):
    unit = bench.finish(store, photos=(Photo(slot="box", sha256="ab" * 32, at=bench.clock()),))
    with store.write() as writer:
        writer._do("UPDATE photo SET state = ?", before)
        writer.mark_photo("ab" * 32, after)
        assert [photo.state for photo in writer.photos(unit.id)] == [expected]


@pytest.mark.parametrize("before", ["kept", "waiting", "sent", "verified", "deleted", "bad", "missing"])
def test_what_was_erased_at_the_hub_stays_so(store: Store, bench, before):
    """sync.md §4: in whatever state it was, and whatever is said or done later."""
    shot = Photo(slot="box", sha256="ab" * 32, at=bench.clock())
    unit = bench.finish(store, photos=(shot,))
    with store.write() as writer:
        writer._do("UPDATE photo SET state = ?, code = 'x'", before)
        assert [writer.erase_photo("ab" * 32), writer.erase_photo("ab" * 32)] == [True, False]
        for later in ("waiting", "sent", "verified", "bad", "missing", "deleted"):
            writer.mark_photo("ab" * 32, later)
        writer.offer_photo_again("ab" * 32)
        writer.offer_photos_again(9)
        writer.save_draft(unit)
        (photo,) = writer.photos(unit.id)
        assert (photo.state, photo.code) == ("erased", "")
        assert list(writer.photos_erased()) == ["ab" * 32]


def test_a_photo_file_may_go_when_the_hub_has_it_and_its_units_and_its_time_is_over(store: Store, bench):
    """sync.md §2.3: accepted and verified and retention passed; by every unit that shows it."""
    shot = Photo(slot="box", sha256="ab" * 32, at=bench.clock())
    first = bench.finish(store, photos=(shot,))
    second = bench.finish(store, photos=(shot.but(at=bench.clock() + timedelta(days=1)),))
    with store.write() as writer:
        later = bench.clock() + timedelta(days=2)
        assert writer.photos_over(later) == ()
        writer.mark_photo("ab" * 32, "verified")
        assert writer.photos_over(later) == (), "the hub does not know the units"
        at_hub(writer)
        assert writer.photos_over(bench.clock() + timedelta(hours=1)) == (), "the second one is younger"
        assert writer.photos_over(later) == ("ab" * 32,)
        writer.save_draft(second)
        assert writer.photos_over(later) == (), "a unit is on the bench again"
        writer._do("DELETE FROM draft")
        writer.activate_playbook("lumo", "cd" * 32, "", "ana", {"look.jpg": "ab" * 32})
        assert writer.photos_over(later) == (), "a seller's rules show it"
        assert writer.photos(first.id)[0].state == "verified"


def test_a_picture_of_a_carton_stays_here(store: Store, bench):
    with store.write() as writer:
        shot = Photo(slot="carton", sha256="ab" * 32, at=bench.clock())
        parcel = Parcel(id="p", station="DOCK-3", received_at=bench.clock(), received_on=bench.clock().date())
        writer.save_parcel(parcel.but(photos=(shot,)))
        assert [photo.state for photo in writer.photos("p")] == ["kept"]
        assert writer.waiting().photos == 0


def test_after_the_hub_was_restored_all_pictures_of_units_are_offered_once_more(store: Store, bench):
    for n, state in enumerate(("verified", "sent", "bad", "deleted", "missing")):
        bench.finish(store, photos=(Photo(slot="box", sha256=f"{n}b" * 32, at=bench.clock()),))
        with store.write() as writer:
            writer._do("UPDATE photo SET state = ? WHERE sha256 = ?", state, f"{n}b" * 32)
    with store.write() as writer:
        writer.activate_playbook("lumo", "cd" * 32, "", "ana", {"look.jpg": "ab" * 32})
        proof = {"inspection": writer.begin_batch("lumo", "return", "ana").id, "slot": "proof2", "operator": "ana"}
        writer._put("photo", ["inspection", "slot"], {**proof, "sha256": "ff" * 32, "state": "verified"})
        assert [writer.offer_photos_again(2), writer.offer_photos_again(9)] == [2, 2]
        rows = writer._rows("SELECT state FROM photo ORDER BY sha256")
    states = [row["state"] for row in rows]
    assert states == ["waiting", "waiting", "waiting", "deleted", "missing", "verified", "waiting"]


# ── Clocks ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ahead", "rebooted", "marks"),
    [
        pytest.param({"seconds": 100}, False, {}, id="two minutes are nothing"),
        pytest.param({"minutes": 5}, False, {"clock_ahead_s": 300}, id="five minutes fast"),
        pytest.param({"hours": -1}, False, {"clock_ahead_s": -3600}, id="an hour slow"),
        pytest.param({"days": 3650}, False, {"clock_ahead_s": 315_360_000, "clock_suspect": True}, id="ten years"),
        pytest.param({"days": -3650}, False, {"clock_ahead_s": -315_360_000, "clock_suspect": True}, id="2016"),
        pytest.param({"days": -3650}, True, {"clock_suspect": True}, id="2016 after a new start: before this program"),
        pytest.param({"days": 30}, True, {}, id="a month off: nobody can know"),
    ],
)
def test_an_event_says_how_far_the_clock_was_out(store: Store, bench, monkeypatch, ahead, rebooted, marks):
    """sync.md §2.5: by what the hub said once and the clock that nobody sets; work goes on all the same."""
    boot, mono = ["one"], [1_000_000]
    monkeypatch.setattr(moments, "boot", lambda: boot[0])
    monkeypatch.setattr(moments, "mono_ms", lambda: mono[0])
    with store.write() as writer:
        writer.set_hub_clock(bench.clock())
    bench.clock.pass_(hours=2)
    mono[0] += 2 * 3_600_000
    bench.clock.pass_(**ahead)
    if rebooted:
        boot[0] = "two"
    with store.write() as writer:
        event = writer.append_event(EventSpec("parcel.received", {"parcel": "p"}, "ana", bench.clock()))
    assert event.body == {"parcel": "p", **marks}


# ── Labels ───────────────────────────────────────────────────────────────────────────────────────────────────────────

LEGAL = {
    ("queued", "printing"),
    ("queued", "parked"),
    ("queued", "cancelled"),
    ("printing", "printed"),
    ("printing", "parked"),
    ("printing", "queued"),
    ("parked", "printed"),
    ("parked", "queued"),
    ("parked", "cancelled"),
    # It was being printed when its unit was undone, and came out.
    ("cancelled", "printed"),
}
WAYS: dict[LabelState, tuple[LabelState, ...]] = {
    "queued": (),
    "printing": ("printing",),
    "printed": ("printing", "printed"),
    "parked": ("printing", "parked"),
    "cancelled": ("cancelled",),
}


@pytest.mark.parametrize("now", WAYS)
@pytest.mark.parametrize("then", WAYS)
def test_from_where_a_label_may_go_where(store: Store, now: LabelState, then: LabelState):
    with store.write() as writer:
        label = writer.queue_label(LabelSpec("L7F3K00481C", "", "hold", 1, {}))
        for state in WAYS[now]:
            assert writer.move_label(label, state)
        assert writer.move_label(label, then) is ((now, then) in LEGAL)
        found = writer.label(label)
        assert found is not None
        assert found.state == (then if (now, then) in LEGAL else now)


def test_labels_come_out_in_the_order_of_finishing(store: Store, bench):
    units = [bench.finish(store) for _ in range(3)]
    came: list[str] = []
    with store.write() as writer:
        for label in writer.labels("queued"):
            came.append(label.lpn)
            writer.move_label(label.id, "printing")
            writer.move_label(label.id, "printed", printer="zebra")
        assert came == [unit.lpn for unit in units]
        assert [label.printer for label in writer.labels("printed")] == ["zebra"] * 3
        assert writer.labels("printed")[0].printed_at == bench.clock()


def test_a_parked_label_says_why_in_any_language(store: Store, bench):
    bench.finish(store)
    why = msgn("{n} label stuck", "{n} labels stuck", n=2)
    with store.write() as writer:
        (label,) = writer.labels("queued")
        writer.move_label(label.id, "parked", reason=why)
        (parked,) = writer.labels("parked", "printing")
        assert parked.reason == why
        counts = writer.waiting()
        assert (counts.labels, counts.labels_parked) == (0, 1)
        writer.move_label(label.id, "queued")
        (again,) = writer.labels("queued")
        assert again.reason is None


BEFORE: list[tuple[LabelState, ...]] = [(), ("printing",), ("printing", "parked"), ("parked",)]


@pytest.mark.parametrize("moves", BEFORE, ids=["queued", "being printed", "perhaps out", "too late"])
@pytest.mark.parametrize("verb", ["finish", "void"])
def test_what_has_not_come_out_is_of_no_use_after(store: Store, bench, verb: str, moves: tuple[LabelState, ...]):
    """The slip of a unit that was set aside, and the label of one that was undone, must not follow the valid one."""
    with store.write() as writer:
        unit = bench.unit(writer)
        done = bench.done(unit)
        if verb == "void":
            writer.finish(done, bench.event(done))
        old = writer.queue_label(LabelSpec(unit.lpn, unit.id, "hold", 1, {}))
        other = writer.queue_label(LabelSpec("L7F3K00481C", "", "hold", 1, {}))
        for state in moves:
            assert writer.move_label(old, state, printer="zebra" if state == "printing" else "")
        if verb == "finish":
            writer.finish(done, bench.event(done), LabelSpec(unit.lpn, unit.id, "clearance", 2, {}))
        else:
            void = done.but(revision=2, voided_at=bench.clock())
            writer.void(void, bench.event(void, "inspection.voided"))
        states = {label.id: label.state for label in writer.labels_of(unit.lpn)}
        assert states[old] == "cancelled"
        assert [label.lpn for label in writer.labels("queued")] == [
            "L7F3K00481C",
            *([unit.lpn] if verb == "finish" else []),
        ]
        assert not writer.move_label(old, "queued"), "the printer says that it surely did not print"
        assert writer.move_label(other, "printing")


@pytest.mark.parametrize(
    ("moves", "copies"),
    [
        pytest.param(("printing", "parked", "cancelled"), 1, id="perhaps printed, and replaced"),
        pytest.param((), 0, id="queued"),
        pytest.param(("printing",), 1, id="being printed"),
        pytest.param(("printing", "printed"), 1, id="printed"),
        pytest.param(("printing", "parked"), 1, id="perhaps printed"),
        pytest.param(("printing", "queued"), 0, id="surely not printed, waits again"),
        pytest.param(("parked",), 0, id="too late for it"),
        pytest.param(("cancelled",), 0, id="cancelled"),
    ],
)
def test_a_copy_is_counted_by_what_came_out_of_its_kind(store: Store, moves: tuple[LabelState, ...], copies: int):
    plate = "L7F3K00481C"
    with store.write() as writer:
        slip = writer.queue_label(LabelSpec(plate, "", "hold", 1, {}))
        label = writer.queue_label(LabelSpec(plate, "", "clearance", 2, {}))
        writer.move_label(slip, "printing", printer="zebra")
        writer.move_label(slip, "printed")
        for state in moves:
            assert writer.move_label(label, state, printer="zebra" if state == "printing" else "")
        assert writer.copies(plate, "clearance") == copies
        waits = moves[-1:] in ((), ("queued",))
        assert writer.copies(plate, "clearance", queued=True) == copies + waits
        assert writer.copies(plate, "hold") == 1
        assert writer.copies("L7F3K00482D", "hold") == 0
        assert writer.next_print_no(plate) == 3


def test_of_a_plate_only_the_newest_label_is_scanned_back_and_only_once(store: Store, bench):
    unit = bench.finish(store)
    with store.write() as writer:
        (first,) = writer.labels("queued")
        writer.move_label(first.id, "printing", printer="zebra")
        assert writer.to_scan_back() == ()
        writer.move_label(first.id, "printed", scan_back=True)
        assert [job.code for job in writer.to_scan_back()] == [f"{unit.lpn}/1"]
        second = writer.queue_label(LabelSpec(unit.lpn, unit.id, "clearance", 2, {}))
        assert writer.to_scan_back() == (), "the first is void, the second is not out yet"
        writer.move_label(second, "printing", printer="zebra")
        writer.move_label(second, "printed")
        assert [job.code for job in writer.to_scan_back()] == [f"{unit.lpn}/2"]
        assert not writer.scanned_back(first.id)
        assert writer.scanned_back(second)
        assert not writer.scanned_back(second)
        assert writer.to_scan_back() == ()


def test_no_two_labels_of_a_plate_have_the_same_number(store: Store, bench):
    unit = bench.finish(store)
    with store.write() as writer:
        assert writer.next_print_no(unit.lpn) == 2
    with pytest.raises(sqlite3.IntegrityError), store.write() as writer:
        writer.queue_label(LabelSpec(unit.lpn, unit.id, "clearance", 1, {}))


# ── Columns beside the body ──────────────────────────────────────────────────────────────────────────────────────────


def test_what_reports_need_is_in_columns(store: Store, bench):
    bench.finish(
        store,
        kind=Kind.UNIT,
        line=Line(no=2, gtin="01", reason="DEFECTIVE"),
        product=Product(seller="lumo", gtin="01", title="Phone", category="electronics", device_class="phone"),
        serial="SN-1",
        dwell_ms={"condition": 12_500, "test": 40_000},
        case=Case(question="price"),
        photos=(Photo(slot="a", sha256="ab" * 32), Photo(slot="b")),
    )
    with store.read() as reader:
        (row,) = map(dict, reader._rows("SELECT * FROM inspection"))
    expected = {
        "line_no": 2, "gtin": "01", "reason": "DEFECTIVE", "serial": "SN-1", "title": "Phone",
        "category": "electronics", "device_class": "phone", "grade": "used", "disposition": "clearance",
        "outcome": "eligible", "price_minor": 29925, "list_minor": 39900, "currency": "EUR", "discount": 25,
        "seconds": 52.5, "photos": 1, "waiting_case": 1, "operator": "ana", "finished_at": instant(bench.clock()),
        "started_at": instant(bench.clock() - timedelta(seconds=90)),
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected


def test_the_stored_body_is_read_by_its_version(store: Store, bench):
    unit = bench.finish(store)
    with store.read() as reader:
        body = reader._row("SELECT body FROM inspection WHERE lpn = ?", unit.lpn)
        assert body is not None
        assert json.loads(body["body"])["schema_version"] == INSPECTION_SCHEMA
