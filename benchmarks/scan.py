"""How long a scan takes in a store with a million RMAs, beside one with only a demo's, in one run.

From the scan to the painted verdict in a real terminal; the store's part alone; the desk's numbers; searches by
fragments; the start; an import of 10,000 RMAs. Run it with ``uv run python benchmarks/scan.py``; quote the ratios,
machines are noisy. ``--keep DIR`` leaves the stores in DIR, and takes those that are there already.
"""

import argparse
import os
import random
import select
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

from start import Terminal

from inspect_station import config as configuration
from inspect_station.core import inspection as life
from inspect_station.core.records import Inspection, Line, Money, Parcel, Product, Rma, Seller
from inspect_station.demo.build import Demo, prepare
from inspect_station.outcomes import Arrived, Finished, Opened
from inspect_station.station import PAGE, Station, open_station
from inspect_station.store import EventSpec, LabelSpec, Receipt, Writer

SAMPLE = 400
"""RMAs that are in both stores: those that are scanned, of more units than are ever finished here."""
SELLERS, PRODUCTS = 40, 20_000
BEST_SELLER = 0.05
"""Share of the lines that announce one and the same article."""
PARCELS, DRAFTS, UNSENT = 200, 40, 50
"""What stands open at the big dock: cartons, units set aside, records that the hub has not taken yet."""
BATCH = 5000
"""Rows in one commit while a store is built: nobody waits for it."""
STARTS = 5

T = TypeVar("T")

WORDS = (
    ("Nordlys", "Lumo", "Aster", "Kobalt", "Mirelle", "Petit Chêne", "Ondine", "Fjord", "Halo", "Zéphyr"),
    ("kettle", "lamp", "phone", "blender", "chair", "headphones", "router", "shirt", "camera", "speaker", "vase"),
    ("black", "white", "oak", "steel", "blue", "crème", "red", "grey"),
    ("1.7 l", "65 W", "128 GB", "size M", "30 cm", "set of four", "2nd edition", "XL"),
)


# ── What is announced ────────────────────────────────────────────────────────────────────────────────────────────────


class Announced:
    """Invented sellers, articles and RMAs; the n-th one is the same in every run."""

    sellers = tuple(Seller(code=f"s{n:02}", name=f"Seller {n}") for n in range(SELLERS))

    def __init__(self, today: date) -> None:
        self._today = today

    @cached_property
    def products(self) -> tuple[Product, ...]:
        """The n-th article is of seller n modulo their number."""
        chance = random.Random(3)
        return tuple(
            Product(
                seller=self.sellers[n % SELLERS].code,
                gtin=gtin(376_100_000_000 + n),
                title=f"{' '.join(chance.choice(words) for words in WORDS)} no. {n}",
                sku=f"S{n % SELLERS:02}-{n:05}",
                price=Money(minor=1990 + n),
            )
            for n in range(PRODUCTS)
        )

    def rma(self, n: int) -> Rma:
        """Eligible while it is young: every ten RMAs come one day later, until today."""
        chance = random.Random(n)
        first = 0 if chance.random() < BEST_SELLER else chance.randrange(PRODUCTS)
        articles = [first] if n % 10 else [first, (first + SELLERS * chance.randrange(1, 99)) % PRODUCTS]
        requested = self._today - timedelta(days=6 + max(0, n - SAMPLE) // 2000)
        lines = tuple(
            Line(
                no=no,
                gtin=self.products[article].gtin,
                quantity=999 if n < SAMPLE else 1,
                reason="CHANGED_MIND",
                serial=f"SN{chance.randrange(10**10):010}",
                requested_on=requested,
                delivered_on=requested - timedelta(days=14),
                postmarked_on=requested + timedelta(days=2),
                paid=Money(minor=1990),
            )
            for no, article in enumerate(articles, start=1)
        )
        return Rma(
            seller=self.products[first].seller,
            number=f"S{first % SELLERS:02}-{n:07}",
            channel="amazon",
            order=f"{chance.randrange(402, 409)}-{chance.randrange(10**7):07}-{chance.randrange(10**7):07}",
            customer=f"{chance.getrandbits(64):016x}",
            tracking=f"6A{chance.randrange(10**11):011}",
            country="FR",
            lines=lines,
        )


def gtin(twelve: int) -> str:
    """The GTIN-13 that begins with these twelve digits, as fourteen."""
    digits = f"{twelve:012}"
    total = sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(digits))
    return f"0{digits}{-total % 10}"


KINDS: Mapping[str, Callable[[Rma], str]] = {
    "RMA": lambda rma: rma.number,
    "tracking": lambda rma: rma.tracking,
    "order": lambda rma: rma.order,
    "serial": lambda rma: rma.lines[0].serial,
    "RMA, EAN": lambda rma: rma.lines[0].gtin[1:],
}
"""The last one is scanned on the parcel that its RMA opened."""


# ── The stores ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Dock:
    """One of the two: a demo, and what is announced to it beside."""

    demo: Demo
    announced: Announced
    rmas: int

    @classmethod
    def make(cls, folder: Path, announced: Announced, rmas: int, units: int) -> "Dock":
        """Make it, or take the one that is there."""
        built = (folder / "demo.json").exists()
        dock = cls(prepare(folder), announced, rmas)
        if not built:
            with dock.station() as station:
                dock._fill(station, units)
        return dock

    def station(self) -> Station:
        """The station, with somebody signed in."""
        station = open_station(configuration.load(Path(self.demo.config)))
        station.scan(self.demo.badge)
        return station

    def _fill(self, station: Station, units: int) -> None:
        wanted: Iterable[int] = range(self.rmas)
        sellers = self.announced.sellers
        in_batches(station, (lambda writer, each=each: writer.put_seller(each) for each in sellers))
        products = self.announced.products
        if not units:
            known = {line.gtin for n in wanted for line in self.announced.rma(n).lines}
            products = tuple(product for product in products if product.gtin in known)
        in_batches(station, (lambda writer, each=each: writer.put_product(each) for each in products))
        in_batches(station, (lambda writer, n=n: writer.put_rma(self.announced.rma(n)) for n in wanted))
        if units:
            done = sealed(station, self.announced.rma(SAMPLE - 1), Times())
            oldest = range(self.rmas - units, self.rmas)
            in_batches(station, (lambda writer, n=n: self._finish(writer, done, n) for n in oldest))
            middle = range(SAMPLE, SAMPLE + PARCELS)
            in_batches(station, (lambda writer, n=n: self._set_aside(writer, done, n) for n in middle))

    def _finish(self, writer: Writer, done: Inspection, n: int) -> None:
        """A unit like that one, of the n-th RMA; the hub has all but the last."""
        rma = self.announced.rma(n)
        ago = timedelta(minutes=(self.rmas - n) * 2)
        assert done.finished_at
        unit = done.but(
            id=writer.new_id(),
            lpn=writer.take_lpns(1)[0],
            parcel=f"parcel-{n}",
            seller=rma.seller,
            rma=rma.number,
            line=rma.lines[0],
            serial=rma.lines[0].serial if n % 3 == 0 else "",
            started_at=done.started_at - ago,
            finished_at=done.finished_at - ago,
        )
        event = EventSpec("inspection.finished", unit.model_dump(mode="json"), unit.operator, unit.started_at)
        told = writer.finish(unit, event)
        label = writer.queue_label(LabelSpec(unit.lpn, unit.id, "restock", 1, {"barcode": f"{unit.lpn}/1"}))
        writer.move_label(label, "printing", printer="labels")
        writer.move_label(label, "printed")
        if n < self.rmas - UNSENT:
            writer.mark_events([Receipt(told.id, "accepted")])

    def _set_aside(self, writer: Writer, done: Inspection, n: int) -> None:
        """The carton of the n-th RMA, two days ago; of some, a unit that waits."""
        rma = self.announced.rma(n)
        at = done.started_at - timedelta(days=2, minutes=n)
        parcel = Parcel(
            id=writer.new_id(),
            station=done.station,
            rmas=((rma.seller, rma.number),),
            received_at=at,
            received_on=at.date(),
        )
        writer.save_parcel(parcel)
        if n < SAMPLE + DRAFTS:
            unit = done.but(
                id=writer.new_id(),
                lpn=writer.take_lpns(1)[0],
                parcel=parcel.id,
                seller=rma.seller,
                rma=rma.number,
                line=rma.lines[0],
                page="condition",
                finished_at=None,
            )
            writer.save_draft(unit, aside=True)


def in_batches(station: Station, changes: Iterator[Callable[[Writer], object]], rows: int = BATCH) -> None:
    """Do all changes, so many in one commit."""
    while batch := list(islice(changes, rows)):
        with station.store.write() as writer:
            for change in batch:
                change(writer)


# ── Measuring ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Times:
    """Seconds that something took, again and again."""

    def __init__(self, seconds: Iterable[float] = ()) -> None:
        self.seconds = list(seconds)

    def __str__(self) -> str:
        return f"{self.at(0.5) * 1000:8.1f} {self.at(0.99) * 1000:8.1f}"

    def at(self, share: float) -> float:
        """The time that this share of them does not exceed."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def of(self, work: Callable[[], T]) -> T:
        """Do it once more."""
        began = time.perf_counter()
        made = work()
        self.seconds.append(time.perf_counter() - began)
        return made


Table = dict[str, tuple[Times, Times]]


def both() -> tuple[Times, Times]:
    """For the demo's store and the big one."""
    return Times(), Times()


def show(title: str, table: Table) -> None:
    """Print a table in milliseconds."""
    print(f"\n{title:26}    demo p50      p99     big p50      p99   p99 ratio")
    for name, (demo, big) in table.items():
        print(f"{name:26} {demo}    {big}   {big.at(0.99) / demo.at(0.99):9.2f}", flush=True)


class Screen(Terminal):
    """The station in a terminal, signed in, with the desk on it."""

    def __init__(self, dock: Dock) -> None:
        super().__init__(sys.executable, "-m", "inspect_station.cli", "run", "--config", dock.demo.config)
        self.ready = self.until("Scan your badge", seconds=120)
        self.settle()
        self.scan(dock.demo.badge, "Scan RMA")

    def scan(self, code: str, painted: str) -> float:
        """Seconds from the last byte of the code until the text is painted."""
        self.settle()
        self.send(f"{code}\r")
        return self.until(painted, seconds=60)

    def key(self, key: str, painted: str) -> None:
        """Press a key and wait for the text."""
        self.settle()
        self.send(key)
        self.until(painted)

    def settle(self, quiet: float = 0.15) -> None:
        """Wait until nothing more is painted."""
        while select.select([self.fd], [], [], quiet)[0]:
            os.read(self.fd, 65536)


def scan_on(screen: Screen, rma: Rma, kind: str) -> float:
    """Scan one code of the RMA, note the time, and go back to the desk."""
    code = KINDS[kind](rma)
    if kind == "RMA, EAN":
        screen.scan(rma.number, "ACCEPTED")
        took = screen.scan(code, "Condition?")
        screen.key("1", "Scan RMA")
        return took
    took = screen.scan(code, "ACCEPTED")
    screen.key("\x1b", "Scan RMA")
    return took


def sealed(station: Station, rma: Rma, times: Times) -> Inspection:
    """One unit of this RMA, sealed, from the scan to the store; how long its EAN took."""
    arrived = station.scan(rma.number)
    assert isinstance(arrived, Arrived), arrived
    opened = times.of(lambda: station.scan(KINDS["RMA, EAN"](rma), None, arrived.parcel))
    assert isinstance(opened, Opened), opened
    done = station.finish(opened.bench, station.step(opened.bench, opened.inspection, life.Digit(1)).inspection)
    assert isinstance(done, Finished), done
    return done.units[0]


def on_screen(docks: Sequence[Dock], scans: int) -> Table:
    """Scans of every kind in a terminal, one on each store in turn."""
    table: Table = {kind: both() for kind in KINDS}
    screens = [Screen(dock) for dock in docks]
    try:
        for n in range(scans):
            kind = list(KINDS)[n % len(KINDS)]
            rma = docks[0].announced.rma(n % SAMPLE)
            for screen, times in zip(screens, table[kind], strict=True):
                times.seconds.append(scan_on(screen, rma, kind))
    finally:
        for screen in screens:
            screen.close()
    mixed = [Times(seconds for each in table.values() for seconds in each[side].seconds) for side in (0, 1)]
    return {**table, "all of them": (mixed[0], mixed[1])}


def without_screen(docks: Sequence[Dock], scans: int) -> Table:
    """The station's part of a scan, and what the desk asks for after it."""
    table: Table = {kind: both() for kind in KINDS} | {"best-seller's EAN": both(), "the desk's numbers": both()}
    for side, dock in enumerate(docks):
        with dock.station() as station:
            for n in range(scans):
                kind = list(KINDS)[n % len(KINDS)]
                rma = dock.announced.rma(n % SAMPLE)
                if kind == "RMA, EAN":
                    sealed(station, rma, table[kind][side])
                else:
                    table[kind][side].of(partial(station.scan, KINDS[kind](rma)))
                if n % 10 == 0:
                    best = dock.announced.products[0].gtin[1:]
                    table["best-seller's EAN"][side].of(partial(station.scan, best))
                    table["the desk's numbers"][side].of(station.desk)
    return table


def searches(docks: Sequence[Dock], each: int) -> Table:
    """`/` with what somebody can still read of a label."""
    parts: Mapping[str, Callable[[Rma, Product], str]] = {
        "end of an RMA number": lambda rma, _: rma.number[-6:],
        "middle of an order": lambda rma, _: rma.order[6:16],
        "end of a tracking number": lambda rma, _: rma.tracking[-7:],
        "begin of a serial": lambda rma, _: rma.lines[0].serial[:9],
        "three digits of anything": lambda rma, _: rma.order[-3:],
        "two digits of anything": lambda rma, _: rma.order[-2:],
        "two words of a title": lambda _, product: " ".join(product.title.lower().split()[1::-1]),
        "a title's number": lambda _, product: product.title[-9:],
        "nothing like it": lambda rma, _: f"{rma.order[:7]}x",
        "a sign that is nowhere": lambda *_: "ß",
    }
    table: Table = {name: both() for name in parts}
    chance = random.Random(5)
    for side, dock in enumerate(docks):
        with dock.station() as station:
            for name, part in parts.items():
                for _ in range(each):
                    rma = dock.announced.rma(chance.randrange(dock.rmas))
                    text = part(rma, chance.choice(dock.announced.products))
                    table[name][side].of(partial(station.search, text))
    return table


def starts(docks: Sequence[Dock]) -> Table:
    """From the command to the page that asks for the badge."""
    table: Table = {"start → scan-ready": both()}
    for _ in range(STARTS):
        for dock, times in zip(docks, table["start → scan-ready"], strict=True):
            screen = Screen(dock)
            times.seconds.append(screen.ready)
            screen.close()
    return table


def imports(docks: Sequence[Dock], rmas: int = 10_000) -> Table:
    """RMAs that nobody knew yet, in pages as an import writes them."""
    table: Table = {f"import of {rmas} RMAs": both()}
    for dock, times in zip(docks, table[f"import of {rmas} RMAs"], strict=True):
        with dock.station() as station:
            first = 10_000_000 + int(time.time()) % 10_000_000
            news = [dock.announced.rma(n) for n in range(first, first + rmas)]
            times.of(
                partial(in_batches, station, (lambda writer, rma=rma: writer.put_rma(rma) for rma in news), rows=PAGE)
            )
    return table


def run(folder: Path, rmas: int, scans: int) -> None:
    """Build both stores, measure everything and print it."""
    announced = Announced(datetime.now(UTC).date())
    began = time.perf_counter()
    docks = [
        Dock.make(folder / "small", announced, SAMPLE, 0),
        Dock.make(folder / "big", announced, rmas, min(rmas // 10, rmas - SAMPLE - PARCELS)),
    ]
    size = (folder / "big" / "data" / "store.db").stat().st_size
    print(f"built in {time.perf_counter() - began:.0f} s: {rmas} RMAs in {size / 1e6:.0f} MB. All times in ms.")
    show("station.scan, no screen", without_screen(docks, scans))
    show("search", searches(docks, 20))
    show("import", imports(docks))
    show("start", starts(docks))
    show("scan → verdict painted", on_screen(docks, scans))


def main() -> None:
    """Build, measure, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rmas", type=int, default=1_000_000, help="in the big store (default 1,000,000)")
    options.add_argument("--scans", type=int, default=300, help="on each screen (default 300)")
    options.add_argument("--keep", type=Path, help="folder to leave the stores in, or to take them from")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run(given.keep or Path(folder), given.rmas, given.scans)


if __name__ == "__main__":
    main()
