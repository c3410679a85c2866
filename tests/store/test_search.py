"""What the search and the counts of a line say, beside a model that looks at everything each time."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inspect_station.core.records import Inspection, Kind, Line, Product, Rma
from inspect_station.store import Reader, Store, Writer
from inspect_station.store import reader as reading
from inspect_station.store.reader import folded

GTINS = ("03700471002479", "05901234123457", "04006381333931")
SELLERS = ("acme", "lumo")
NUMBERS = ("4711-0093", "4711-0094", "AB/1_%")
FOUND = ("rma_find", "rma_line_find", "product_find", "inspection_find")


class Undone(Exception):
    """Ends a transaction without a trace."""


@contextmanager
def for_now(store: Store) -> Iterator[Writer]:
    """A writer whose changes are gone afterwards: hundreds of examples need one store only."""
    try:
        with store.write() as writer:
            yield writer
            raise Undone
    except Undone:
        pass


def like(text: str, part: str) -> bool:
    """Whether the text contains the part, whatever the case of its ASCII letters."""

    def plain(value: str) -> str:
        return "".join(sign.lower() if sign.isascii() else sign for sign in value)

    return plain(part) in plain(text)


@dataclass
class Model:
    """All that was told, as plain values."""

    rmas: dict[tuple[str, str], Rma] = field(default_factory=dict)
    products: dict[tuple[str, str], Product] = field(default_factory=dict)
    units: dict[str, Inspection] = field(default_factory=dict)

    def open(self, rma: Rma, line: Line) -> int:
        came = [
            unit
            for unit in self.units.values()
            if (unit.seller, unit.rma) == (rma.seller, rma.number)
            and unit.line is not None
            and unit.line.no == line.no
            and unit.voided_at is None
            and unit.kind not in (Kind.WRONG_ITEM, Kind.EMPTY_BOX)
        ]
        return 0 if rma.closed else max(0, line.quantity - len(came))

    def hits(self, text: str) -> set[str | tuple[str, str]]:
        part, words = text.strip(), folded(text).split()
        if not words:
            return set()
        units = {unit.lpn for unit in self.units.values() if like(unit.lpn, part) or like(unit.serial, part)}
        return units | {key for key, rma in self.rmas.items() if self.names(rma, part) or self.sold(rma, words)}

    @staticmethod
    def names(rma: Rma, part: str) -> bool:
        serials = [line.serial for line in rma.lines if line.serial]
        return any(like(text, part) for text in (rma.number, rma.order, rma.tracking, *serials))

    def sold(self, rma: Rma, words: list[str]) -> bool:
        for line in rma.lines:
            product = self.products.get((rma.seller, line.gtin))
            if product and self.open(rma, line):
                text = folded(f"{product.title} {product.sku} {product.asin}")
                if all(word in text for word in words):
                    return True
        return False


codes = st.text(st.sampled_from("aAbB12-/%_\"'\\ éÉßİK"), max_size=8)
"""Short and alike, so that parts of one are found in another."""
lines: st.SearchStrategy[list[dict[str, Any]]] = st.lists(
    st.fixed_dictionaries(
        {
            "gtin": st.sampled_from(GTINS),
            "quantity": st.integers(1, 2),
            "serial": codes,
            "requested_on": st.none() | st.dates(date(2026, 1, 1), date(2026, 1, 9)),
        }
    ),
    min_size=1,
    max_size=2,
)
announced = st.tuples(
    st.just("rma"), st.sampled_from(SELLERS), st.sampled_from(NUMBERS), codes, codes, lines, st.booleans()
)
nth = st.integers(0, 9)
"""One of those that are there."""
steps = st.one_of(
    announced,
    st.tuples(st.just("close"), nth),
    st.tuples(st.just("product"), st.sampled_from(SELLERS), st.sampled_from(GTINS), codes, codes),
    st.tuples(st.just("drop"), nth),
    st.tuples(st.just("unit"), nth, st.integers(1, 2), st.sampled_from((Kind.UNIT, Kind.EMPTY_BOX)), codes),
    st.tuples(st.just("void"), nth),
    st.tuples(st.just("moved"), nth, nth, st.integers(1, 2)),
)


def tell(writer: Writer, model: Model, bench: Any, version: int, step: tuple[Any, ...]) -> None:
    """Do one thing to the store and to the model."""
    rmas, products = list(model.rmas.values()), list(model.products.values())
    units = [unit for unit in model.units.values() if unit.voided_at is None]
    match step:
        case ("rma", seller, number, order, tracking, rows, closed):
            numbered = tuple(Line(no=no, **row) for no, row in enumerate(rows, start=1))
            rma = Rma(seller=seller, number=number, order=order, tracking=tracking, lines=numbered, closed=closed)
            assert writer.put_rma(rma, "hub", version)
            model.rmas[seller, number] = rma
        case ("close", n):
            rma = rmas[n % len(rmas)]
            writer.close_rma(rma.seller, rma.number)
            model.rmas[rma.seller, rma.number] = rma.but(closed=True)
        case ("product", seller, gtin, title, sku):
            product = Product(seller=seller, gtin=gtin, title=title, sku=sku)
            assert writer.put_product(product, "hub", version)
            model.products[seller, gtin] = product
        case ("drop", n) if products:
            product = products[n % len(products)]
            writer.drop_product(product.seller, product.gtin)
            del model.products[product.seller, product.gtin]
        case ("unit", n, no, kind, serial):
            rma, line = rmas[n % len(rmas)], Line(no=no, gtin=GTINS[0])
            fields = {"seller": rma.seller, "rma": rma.number, "line": line, "kind": kind, "serial": serial}
            unit = bench.done(bench.unit(writer, **fields))
            writer.finish(unit, bench.event(unit))
            model.units[unit.id] = unit
        case ("void", n) if units:
            unit = units[n % len(units)]
            void = unit.but(revision=unit.revision + 1, voided_at=bench.clock())
            writer.void(void, bench.event(void, "inspection.voided"))
            model.units[unit.id] = void
        case ("moved", n, m, no) if units:
            unit, rma = units[n % len(units)], rmas[m % len(rmas)]
            line = Line(no=no, gtin=GTINS[0])
            moved = unit.but(revision=unit.revision + 1, seller=rma.seller, rma=rma.number, line=line)
            writer.finish(moved, bench.event(moved, "inspection.amended"))
            model.units[unit.id] = moved


def sound(connection: Reader) -> None:
    """Raises sqlite3.DatabaseError where an index is not what its table says."""
    for table in FOUND:
        connection._rows(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")


def names(reader: Reader, text: str, limit: int) -> set[str | tuple[str, str]]:
    hits = reader.search(text, limit)
    assert len(hits) <= limit
    found = {hit.lpn if isinstance(hit, Inspection) else (hit.seller, hit.number) for hit in hits}
    assert len(found) == len(hits), "each once"
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=announced, told=st.lists(steps, max_size=12), texts=st.lists(codes, min_size=1, max_size=4))
def test_whatever_was_told_is_found_and_counted_as_by_looking_at_everything(store: Store, bench, first, told, texts):
    with for_now(store) as writer:
        model = Model()
        for version, step in enumerate([first, *told], start=1):
            tell(writer, model, bench, version, step)
        for rma in model.rmas.values():
            for line in rma.lines:
                assert writer.open_count(rma.seller, rma.number, line.no) == model.open(rma, line)
        for gtin in GTINS:
            open_ = [(rma, line) for rma in model.rmas.values() for line in rma.lines if line.gtin == gtin]
            wanted = [
                (str(line.requested_on or "9"), rma.seller, rma.number, line.no, model.open(rma, line))
                for rma, line in open_
                if model.open(rma, line)
            ]
            found = [
                (str(each.line.requested_on or "9"), each.rma.seller, each.rma.number, each.line.no, each.open)
                for each in writer.lines_of_gtin(gtin)
            ]
            assert found == sorted(wanted)
            assert writer.open_lines(gtin) == len(wanted)
        known = [rma.order for rma in model.rmas.values()] + [product.title for product in model.products.values()]
        for text in (*texts, *(each[1:] for each in known), *(unit.lpn[3:] for unit in model.units.values())):
            assert names(writer, text, 50) == model.hits(text)
            if model.hits(text):
                few = names(writer, text, 1)
                assert len(few) == 1
                assert few <= model.hits(text)
        sound(writer)


def test_of_more_than_is_asked_for_the_newest_are_found(store: Store, bench):
    with for_now(store) as writer:
        for n in range(30):
            writer.put_rma(Rma(seller="lumo", number=f"4711-{n:04}", lines=(Line(no=1, gtin=GTINS[0]),)))
        plates = []
        for _ in range(5):
            unit = bench.done(bench.unit(writer, rma="x", serial="SN-4711-9"))
            writer.finish(unit, bench.event(unit))
            plates.append(unit.lpn)
        hits = writer.search("4711-", limit=8)
        assert {hit.lpn for hit in hits[:5] if isinstance(hit, Inspection)} == set(plates)
        assert [hit.number for hit in hits[5:] if isinstance(hit, Rma)] == ["4711-0027", "4711-0028", "4711-0029"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("90", ["4711-0090"], id="two signs, of a new one"),
        pytest.param("01", [], id="two signs, of an old one"),
        pytest.param("-0001", ["4711-0001"], id="more signs, of an old one"),
        pytest.param("tv", ["4711-0089"], id="a short word of a title"),
        pytest.param("black tv", ["4711-0089"], id="a short word and a long one"),
    ],
)
def test_short_texts_are_looked_for_among_the_newest(store: Store, monkeypatch, text: str, found: list[str]):
    monkeypatch.setattr(reading, "NEWEST", 10)
    with for_now(store) as writer:
        writer.put_product(Product(seller="lumo", gtin=GTINS[1], title="TV 55 black"))
        for n in range(91):
            gtin = GTINS[1] if n == 89 else GTINS[0]
            writer.put_rma(Rma(seller="lumo", number=f"4711-{n:04}", lines=(Line(no=1, gtin=gtin),)))
        assert [hit.number for hit in writer.search(text) if isinstance(hit, Rma)] == found


def test_a_store_that_somebody_vacuums_is_searched_as_before(store: Store):
    """The index names rows by their rowid, which SQLite does not promise to keep."""
    with store.write() as writer:
        for n in range(40):
            writer.put_product(Product(seller="lumo", gtin=f"{n:014}", title=f"Article {n:04}"))
            writer.put_rma(
                Rma(seller="lumo", number=f"4711-{n:04}", lines=(Line(no=1, gtin=f"{n:014}", serial=f"SN{n:04}"),))
            )
        for n in range(0, 40, 2):
            writer.drop_product("lumo", f"{n:014}")
            writer._do("DELETE FROM rma WHERE number = ?", f"4711-{n:04}")
        sound(writer)
    store.close()
    with closing(sqlite3.connect(store.file, isolation_level=None)) as connection:
        connection.execute("VACUUM")
    with store.write() as reader:
        sound(reader)
        for text in ("-0031", "sn0031", "article 0031"):
            assert [hit.number for hit in reader.search(text) if isinstance(hit, Rma)] == ["4711-0031"]
