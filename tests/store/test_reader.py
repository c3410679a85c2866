"""What is found, by every key by which the dock asks."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from inspect_station.core.records import (
    Case,
    Disposition,
    Grade,
    Inspection,
    Kind,
    Line,
    Parcel,
    Photo,
    Product,
    Reason,
    Rma,
    Seller,
)
from inspect_station.message import msg
from inspect_station.store import Store
from inspect_station.store.reader import folded

KETTLE, LAMP = "03700471002479", "05901234123457"
MARK = Reason(code="signal.returns", message=msg("often"), met=False)


def rma(number: str, *lines: Line, seller: str = "lumo", **fields: Any) -> Rma:
    return Rma(seller=seller, number=number, lines=lines or (Line(no=1, gtin=KETTLE),), **fields)


def parcel(id: str, at: datetime, *rmas: Rma, **fields: Any) -> Parcel:
    keys = tuple((each.seller, each.number) for each in rmas)
    return Parcel(id=id, station="DOCK-3", rmas=keys, received_at=at, received_on=at.date(), **fields)


def test_what_was_never_heard_of_is_not_found(store: Store):
    with store.read() as reader:
        assert reader.meta("hub_station_id") == ""
        nothing = (
            reader.seller("lumo"),
            reader.product("lumo", KETTLE),
            reader.rma("lumo", "1"),
            reader.parcel("p"),
            reader.open_parcel(),
            reader.parcel_of("lumo", "1"),
            reader.draft("L7F3K00481C"),
            reader.draft_of(""),
            reader.inspection("L7F3K00481C"),
            reader.last_finished(),
            reader.label(1),
            reader.event("x"),
            reader.playbook("lumo"),
            reader.ruleset("ab" * 32),
        )
        assert nothing == (None,) * len(nothing)
        assert not reader.rmas("1") + reader.rmas_by("") + reader.search(" ")
        assert not reader.lines_of_gtin(KETTLE)
        assert not reader.drafts_of_line("lumo", "1", 1) + reader.with_serial("SN-1", KETTLE)
        assert reader.open_count("lumo", "1", 1) == reader.copies("L7F3K00481C", "hold") == 0


# ── RMAs and their lines ─────────────────────────────────────────────────────────────────────────────────────────────


def test_records_come_back_as_they_went_in(store: Store):
    seller = Seller(code="lumo", name="Maison Lumo", windows={"default": 60})
    product = Product(seller="lumo", gtin=KETTLE, title="Bouilloire 1,7 l", extra={"colour": "rouge"})
    announced = rma("4711-0093", Line(no=1, gtin=KETTLE, delivered_on=date(2026, 10, 2)), order="408-1", country="FR")
    with store.write() as writer:
        writer.put_seller(seller)
        writer.put_product(product)
        writer.put_product(product.but(seller="acme"))
        writer.put_rma(announced)
        writer.put_rma(rma("4711-0093", seller="acme"))
    with store.read() as reader:
        assert reader.sellers() == (seller,)
        assert reader.product("lumo", KETTLE) == product
        assert [each.seller for each in reader.products(KETTLE)] == ["acme", "lumo"]
        assert reader.rma("lumo", "4711-0093") == announced
        assert [each.seller for each in reader.rmas("4711-0093")] == ["acme", "lumo"]


@pytest.mark.parametrize(
    ("code", "found"),
    [
        pytest.param("408-1234567-1234567", ["A"], id="order"),
        pytest.param("1Z999AA10123456784", ["A"], id="tracking"),
        pytest.param("SN-7", ["B"], id="serial of a line"),
        pytest.param("SHARED", ["B", "A"], id="tracking of one, order of another seller's"),
        pytest.param("408-1234567", [], id="a part of an order"),
        pytest.param("A", [], id="an RMA number is asked for otherwise"),
    ],
)
def test_rmas_are_found_by_exactly_their_other_numbers(store: Store, code: str, found: list[str]):
    with store.write() as writer:
        writer.put_rma(rma("A", order="408-1234567-1234567", tracking="1Z999AA10123456784"))
        writer.put_rma(rma("B", Line(no=1, gtin=KETTLE, serial="SN-7"), tracking="SHARED"))
        writer.put_rma(rma("A", seller="other", order="SHARED"))
    with store.read() as reader:
        assert [each.number for each in reader.rmas_by(code)] == found


@pytest.mark.parametrize(
    ("finished", "still"),
    [
        pytest.param([], 2, id="nothing came yet"),
        pytest.param([{}], 1, id="one unit"),
        pytest.param([{}, {}], 0, id="full"),
        pytest.param([{}, {}, {}], 0, id="an extra unit"),
        pytest.param([{"kind": Kind.WRONG_ITEM}], 2, id="a wrong item does not consume it"),
        pytest.param([{"kind": Kind.EMPTY_BOX}], 2, id="an empty box does not consume it"),
        pytest.param([{"kind": Kind.DANGER}], 1, id="a dangerous one is that unit"),
        pytest.param([{"kind": Kind.FORWARD}], 1, id="a forwarded one left"),
        pytest.param([{"line": Line(no=2, gtin=LAMP)}], 2, id="a unit of another line"),
        pytest.param([{"line": None}], 2, id="a unit of no line"),
        pytest.param([{"seller": "other"}], 2, id="a unit of another seller's RMA of that number"),
    ],
)
def test_a_line_is_open_while_units_are_to_come(store: Store, bench, finished, still):
    with store.write() as writer:
        writer.put_rma(rma("4711-0093", Line(no=1, gtin=KETTLE, quantity=2), Line(no=2, gtin=LAMP)))
    for fields in finished:
        bench.finish(store, **{"line": Line(no=1, gtin=KETTLE), **fields})
    with store.read() as reader:
        assert reader.open_count("lumo", "4711-0093", 1) == still
        assert [(each.line.no, each.open) for each in reader.lines_of_gtin(KETTLE)] == ([(1, still)] if still else [])


def test_an_undone_unit_opens_its_line_again(store: Store, bench):
    with store.write() as writer:
        writer.put_rma(rma("4711-0093", Line(no=1, gtin=KETTLE)))
    unit = bench.finish(store, line=Line(no=1, gtin=KETTLE))
    with store.write() as writer:
        assert writer.open_count("lumo", "4711-0093", 1) == 0
        void = unit.but(revision=2, voided_at=bench.clock())
        writer.void(void, bench.event(void, "inspection.voided"))
        assert writer.open_count("lumo", "4711-0093", 1) == 1


def test_a_unit_that_comes_back_from_refurbishing_is_one_unit(store: Store, bench):
    with store.write() as writer:
        writer.put_rma(rma("4711-0093", Line(no=1, gtin=KETTLE, quantity=2)))
    unit = bench.finish(store, line=Line(no=1, gtin=KETTLE))
    with store.write() as writer:
        again = unit.but(revision=3, earlier_grades=(Grade.USED,))
        writer.finish(again, bench.event(again, "inspection.amended"))
        assert writer.units("lumo", "4711-0093") == (again,)
        assert writer.open_count("lumo", "4711-0093", 1) == 1


def test_open_lines_of_an_article_come_from_any_seller_the_oldest_request_first(store: Store):
    on = date(2026, 11, 1)
    with store.write() as writer:
        writer.put_rma(rma("new", Line(no=1, gtin=KETTLE, requested_on=on)))
        writer.put_rma(rma("undated"))
        writer.put_rma(rma("old", Line(no=1, gtin=LAMP), Line(no=2, gtin=KETTLE, requested_on=date(2026, 9, 1))))
        writer.put_rma(rma("delivered", Line(no=1, gtin=KETTLE, delivered_on=date(2026, 10, 1)), seller="acme"))
        writer.put_rma(rma("closed", closed=True))
    with store.read() as reader:
        found = reader.lines_of_gtin(KETTLE)
    assert [(each.rma.seller, each.rma.number, each.line.no) for each in found] == [
        ("lumo", "old", 2),
        ("acme", "delivered", 1),
        ("lumo", "new", 1),
        ("lumo", "undated", 1),
    ]


# ── Parcels ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_parcel_on_the_bench_is_the_one_received_last_and_not_closed(store: Store, bench):
    first = parcel("p1", bench.clock(), rma("A"))
    second = parcel("p2", bench.clock.pass_(hours=1), rma("A"), rma("B"))
    with store.write() as writer:
        writer.save_parcel(second)
        writer.save_parcel(first)
        assert writer.open_parcel() == second
        assert writer.parcel_of("lumo", "A") == second
        closed = second.but(closed_at=bench.clock(), rmas=(("lumo", "B"),))
        writer.save_parcel(closed)
        assert writer.open_parcel() == first
        assert writer.parcel("p2") == closed
        assert writer.parcel_of("lumo", "A") == first
        assert writer.parcel_of("lumo", "B") == closed


def test_units_of_a_parcel_are_counted_from_the_first_scan(store: Store, bench):
    with store.write() as writer:
        writer.save_draft(bench.unit(writer, parcel="p1"))
        assert writer.units_in("p1") == 1
    bench.finish(store, parcel="p1")
    unit = bench.finish(store, parcel="p1")
    with store.write() as writer:
        assert writer.units_in("p1") == 3
        void = unit.but(revision=2, voided_at=bench.clock())
        writer.void(void, bench.event(void, "inspection.voided"))
        assert writer.units_in("p1") == 2
        assert writer.units_in("p2") == 0


KEPT = rma("A", Line(no=1, gtin=KETTLE, quantity=2), Line(no=2, gtin=LAMP))


@pytest.mark.parametrize(
    ("fields", "aside", "finished", "units"),
    [
        pytest.param({}, (), 0, 3, id="opened and never looked into"),
        pytest.param({}, (), 2, 1, id="one unit is still to come"),
        pytest.param({"missing": (("lumo", "A", 2),)}, (), 2, 0, id="the rest was marked as not in the parcel"),
        pytest.param({}, ({"line": KEPT.lines[1]},), 2, 0, id="the unit to come was set aside: it is begun"),
        pytest.param({}, ({"line": KEPT.lines[0]},), 0, 2, id="one of three was set aside"),
        pytest.param({}, ({"line": KEPT.lines[0], "kind": Kind.WRONG_ITEM},), 0, 3, id="a wrong item takes no place"),
        pytest.param({}, ({"line": KEPT.lines[0], "warnings": (MARK,)},), 0, 3, id="one more than announced neither"),
        pytest.param(
            {"closed_at": datetime(2026, 11, 21, tzinfo=UTC)}, (), 0, 0, id="closed: its lines wait elsewhere"
        ),
    ],
)
def test_units_of_an_open_parcel_that_nobody_has_had_on_the_bench(store: Store, bench, fields, aside, finished, units):
    received = parcel("p", datetime(2026, 11, 20, 8, tzinfo=UTC), KEPT, **fields)
    with store.write() as writer:
        writer.put_rma(KEPT)
        writer.save_parcel(received)
        for each in aside:
            writer.save_draft(bench.unit(writer, rma="A", parcel="p", **each))
    for _ in range(finished):
        bench.finish(store, rma="A", parcel="p", line=KEPT.lines[0])
    with store.read() as reader:
        assert reader.awaited() == (((received, units),) if units else ())


def test_parcels_are_awaited_in_the_order_of_their_receipt(store: Store, bench):
    with store.write() as writer:
        writer.put_rma(KEPT)
        for id, hours in (("late", 1), ("early", 3), ("middle", 2)):
            writer.save_parcel(parcel(id, bench.clock() - timedelta(hours=hours), KEPT))
    with store.read() as reader:
        assert [each.id for each, _ in reader.awaited()] == ["early", "middle", "late"]
        assert [each.id for each, _ in reader.awaited(limit=1)] == ["early"]


# ── What a supervisor looks at ───────────────────────────────────────────────────────────────────────────────────────


def test_open_cases_are_listed_by_the_time_they_are_due(store: Store, bench):
    def case(hours: int) -> dict[str, object]:
        return {"case": Case(question="price", due_at=bench.clock() + timedelta(hours=hours))}

    later, over = bench.finish(store, **case(48)), bench.finish(store, **case(-1))
    bench.finish(store)
    void, answered = bench.finish(store, **case(1)), bench.finish(store, **case(2))
    with store.write() as writer:
        taken_back = void.but(revision=2, voided_at=bench.clock())
        writer.void(taken_back, bench.event(taken_back, "inspection.voided"))
        settled = answered.but(revision=2, case=None)
        writer.finish(settled, bench.event(settled, "inspection.amended"))
    with store.read() as reader:
        assert reader.open_cases() == (over, later)
        assert reader.open_cases(limit=1) == (over,)
        assert reader.count_open_cases() == 2
        assert reader.count_open_cases(due_before=bench.clock()) == 1
        assert reader.count_open_cases(due_before=over.case.due_at) == 0, "due now is not late"


def test_units_with_signals_are_found_the_newest_first_and_only_those_that_stand(store: Store, bench):
    old = bench.finish(store, signals=(MARK,))
    since = bench.clock.pass_(days=7, seconds=1) - timedelta(days=7)
    first, second = (
        bench.finish(store, signals=(MARK, MARK), finished_at=bench.clock.pass_(seconds=1)) for _ in range(2)
    )
    bench.finish(store)
    void = bench.finish(store, signals=(MARK,))
    with store.write() as writer:
        taken_back = void.but(revision=2, voided_at=bench.clock())
        writer.void(taken_back, bench.event(taken_back, "inspection.voided"))
    with store.read() as reader:
        assert reader.with_signals(since) == (second, first)
        assert reader.with_signals(since, limit=1) == (second,)
        assert reader.count_with_signals(since) == 2
        assert reader.with_signals(old.finished_at)[-1] == old


def test_a_customers_returns_are_counted_per_seller(store: Store, bench):
    ago = {"R-1": 200, "R-2": 90, "R-3": 3, "R-4": 3, "R-5": 1, "R-6": 0}
    with store.write() as writer:
        for number in ago:
            customer = "somebody else" if number == "R-4" else "c0ffee"
            writer.put_rma(rma(number, Line(no=1, gtin=KETTLE)).but(customer=customer))
        writer.put_rma(rma("R-3", Line(no=1, gtin=KETTLE)).but(seller="nord", customer="c0ffee"))
    now = bench.clock()
    done = {n: bench.finish(store, rma=n, finished_at=now - timedelta(days=days)) for n, days in ago.items()}
    bench.finish(store, rma="R-3", seller="nord")
    with store.write() as writer:
        void = done["R-5"].but(revision=2, voided_at=now)
        writer.void(void, bench.event(void, "inspection.voided"))
    with store.read() as reader:
        found = reader.returns_of("lumo", "c0ffee", now - timedelta(days=180), besides="R-6")
        assert sorted(found) == [now - timedelta(days=90), now - timedelta(days=3)]
        assert len(reader.returns_of("lumo", "c0ffee", now - timedelta(days=3))) == 2, "the first moment counts"
        assert len(reader.returns_of("nord", "c0ffee", now - timedelta(days=180))) == 1
        assert reader.returns_of("lumo", "", now - timedelta(days=180)) == (), "unknown is nobody"


# ── Units ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_draft_is_found_by_all_that_a_scan_can_say(store: Store, bench):
    with store.write() as writer:
        older = bench.unit(writer, serial="SN-1")
        writer.save_draft(older)
        bench.clock.pass_(seconds=1)
        newer = bench.unit(writer, line=Line(no=2, gtin=LAMP))
        writer.save_draft(newer, aside=True)
        assert writer.draft(older.lpn) == older
        assert writer.draft_of("SN-1") == older
        assert writer.draft_of(LAMP) == newer
        assert writer.draft_of("4711-0093") == newer
        assert writer.drafts() == (newer, older)


def test_all_drafts_of_a_line_are_found_in_whatever_parcel(store: Store, bench):
    with store.write() as writer:
        older = bench.unit(writer, parcel="p1")
        other = bench.unit(writer, line=Line(no=2, gtin=LAMP))
        newer = bench.unit(writer, parcel="p2")
        for unit in (older, other, newer):
            bench.clock.pass_(seconds=1)
            writer.save_draft(unit)
        assert writer.drafts_of_line("lumo", "4711-0093", 1) == (newer, older)
        assert writer.drafts_of_line("lumo", "4711-0093", 2) == (other,)
        assert writer.drafts_of_line("acme", "4711-0093", 1) == ()


def test_a_serial_is_found_on_the_bench_and_on_units_that_stand(store: Store, bench):
    first = bench.finish(store, serial="SN-1")
    undone = bench.finish(store, serial="SN-1")
    amended = bench.finish(store, serial="SN-1")
    bench.finish(store, serial="SN-2")
    bench.finish(store, serial="SN-1", line=Line(no=2, gtin=LAMP))
    bench.finish(store, serial="")
    with store.write() as writer:
        void = undone.but(revision=2, voided_at=bench.clock())
        writer.void(void, bench.event(void, "inspection.voided"))
        again = amended.but(revision=2, notes=("seen again",))
        writer.finish(again, bench.event(again, "inspection.amended"))
        draft = bench.unit(writer, serial="SN-1")
        writer.save_draft(draft)
        assert writer.with_serial("SN-1", KETTLE) == (draft, again, first)
        assert writer.with_serial("", KETTLE) == ()
        assert writer.with_serial("SN-3", KETTLE) == ()


def test_the_last_units_are_the_last_commits_even_when_the_clock_went_back(store: Store, bench):
    first = bench.finish(store)
    bench.clock.pass_(hours=-3)
    second = bench.finish(store)
    with store.read() as reader:
        assert reader.last_units(5) == (second, first)
        assert reader.last_units(1) == (second,)
        assert reader.last_finished() == second


def test_an_undo_goes_back_one_unit_more(store: Store, bench):
    first, second = bench.finish(store), bench.finish(store)
    with store.write() as writer:
        void = second.but(revision=2, voided_at=bench.clock())
        writer.void(void, bench.event(void, "inspection.voided"))
        assert writer.last_finished() == first


def test_the_tally_of_a_day(store: Store, bench):
    start = bench.clock()
    bench.finish(store, finished_at=start - timedelta(milliseconds=1))
    bench.finish(store, disposition=Disposition.RESTOCK, grade=Grade.NEW, dwell_ms={"condition": 10_000})
    bench.finish(store, dwell_ms={"condition": 20_000})
    bench.finish(store, disposition=Disposition.RECYCLE, grade=Grade.DEFECTIVE, dwell_ms={"test": 60_000})
    void = bench.finish(store).but(revision=2, voided_at=start)
    with store.write() as writer:
        writer.void(void, bench.event(void, "inspection.voided"))
    bench.finish(store, finished_at=start + timedelta(days=1))
    with store.read() as reader:
        tally = reader.tally(start, start + timedelta(days=1))
        empty = reader.tally(start - timedelta(days=9), start - timedelta(days=8))
    assert tally.units == 3
    assert tally.by_disposition == {Disposition.RESTOCK: 1, Disposition.CLEARANCE: 1, Disposition.RECYCLE: 1}
    assert tally.defective == 1
    assert tally.average_s == 30
    assert (empty.units, empty.by_disposition, empty.average_s) == (0, {}, None)


def test_a_report_counts_what_stands_and_was_finished_in_its_time(store: Store, bench):
    start = bench.clock()
    shown = (Photo(slot="a", sha256="ab" * 32), Photo(slot="b"))
    for n in range(10):
        bench.finish(store, finished_at=start + timedelta(seconds=n // 4), photos=shown if n == 9 else ())
    bench.finish(store, seller="acme", finished_at=start, case=Case(question="price"), price=None)
    void = bench.finish(store).but(revision=2, voided_at=start)
    with store.write() as writer:
        writer.void(void, bench.event(void, "inspection.voided"))
    bench.finish(store, finished_at=start + timedelta(seconds=3))
    with store.read() as reader:
        found = reader.graded(start, start + timedelta(seconds=3))
        only = reader.graded(start, start + timedelta(seconds=3), "acme")
    told = {each.seller: (each.units, each.photos, each.list_minor, each.price_minor, each.waiting) for each in found}
    assert told == {"acme": (1, 0, 39900, 0, 1), "lumo": (10, 1, 10 * 39900, 10 * 29925, 0)}
    assert only == tuple(each for each in found if each.seller == "acme")


# ── Search ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def stocked(store: Store, bench) -> tuple[Store, Inspection, Inspection]:
    with store.write() as writer:
        writer.put_product(Product(seller="lumo", gtin=KETTLE, title="Bouilloire électrique 1,7 l", sku="BOUIL-17"))
        writer.put_product(Product(seller="lumo", gtin=LAMP, title="Lampe 100% LED_blanche"))
        writer.put_rma(rma("4711-0093", order="408-1234567-1234567", tracking="1Z999AA10123456784"))
        writer.put_rma(rma("4711-0094", Line(no=1, gtin=LAMP, serial="SN-LAMP-1")))
        writer.put_rma(rma("4711-0095", closed=True))
        draft = bench.unit(writer, rma="x", serial="SN-DRAFT-2", lpn="L7F3K00481C")
        writer.save_draft(draft)
    unit = bench.finish(store, rma="y", serial="SN-UNIT-3", lpn="L7F3K00466X")
    return store, draft, unit


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("0093", ["4711-0093"], id="end of an RMA number"),
        pytest.param("4711", ["4711-0093", "4711-0094", "4711-0095"], id="begin of RMA numbers, closed ones too"),
        pytest.param(" 1234567-1 ", ["4711-0093"], id="part of an order, with spaces around"),
        pytest.param("1z999aa1", ["4711-0093"], id="tracking in small letters"),
        pytest.param("bouilloire ELECTRIQUE", ["4711-0093"], id="title without its accent; closed RMAs left out"),
        pytest.param("1,7 bouil", ["4711-0093"], id="words of a title in another order"),
        pytest.param("bouil-17", ["4711-0093"], id="SKU"),
        pytest.param("bouilloire lampe", [], id="words of two titles"),
        pytest.param("100%", ["4711-0094"], id="a percent sign is only itself"),
        pytest.param("d_b", ["4711-0094"], id="an underscore is only itself"),
        pytest.param("0%3", [], id="no wildcard"),
        pytest.param("sn-lamp", ["4711-0094"], id="serial of a line"),
        pytest.param("00481", ["L7F3K00481C"], id="plate of a draft"),
        pytest.param("7f3k", ["L7F3K00481C", "L7F3K00466X"], id="plates, the higher first"),
        pytest.param("SN-", ["L7F3K00481C", "L7F3K00466X", "4711-0094"], id="serials, units first"),
        pytest.param("nothing like it", [], id="nothing"),
        pytest.param("\\", [], id="a backslash"),
    ],
)
def test_search_finds_whatever_the_operator_can_still_read(stocked, text: str, found: list[str]):
    store, *_ = stocked
    with store.read() as reader:
        hits = reader.search(text)
    assert [hit.lpn if isinstance(hit, Inspection) else hit.number for hit in hits] == found


def test_a_hit_is_the_draft_where_there_is_one_and_no_more_come_than_asked(stocked):
    store, draft, unit = stocked
    with store.read() as reader:
        assert reader.search("SN-", limit=2) == (draft, unit)
        assert reader.search("SN-", limit=1) == (draft,)


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        pytest.param("Bouilloire Électrique", "bouilloire electrique", id="French"),
        pytest.param("Straße", "strasse", id="German"),
        pytest.param("\ufb01lter ①", "filter 1", id="ligature and sign"),
        pytest.param("ＬＥＤ", "led", id="full width"),
    ],
)
def test_words_are_found_as_people_type_them(written: str, typed: str):
    assert folded(written) == typed
