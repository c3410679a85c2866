"""A store on the disk, a clock that is moved by hand, and units to put into it."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from inspect_station.core.records import Disposition, Grade, Inspection, Line, Money, Product
from inspect_station.store import EventSpec, LabelSpec, Store, Writer

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


@dataclass
class Clock:
    """Stands still until somebody moves it."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> datetime:
        self.now += timedelta(**time)
        return self.now


@dataclass
class Bench:
    """Makes units and commits them as the station does."""

    clock: Clock
    units: list[Inspection] = field(default_factory=list)

    def unit(self, writer: Writer, **fields: Any) -> Inspection:
        """A unit that is inspected and not finished yet."""
        line = fields.pop("line", Line(no=1, gtin="03700471002479"))
        known: dict[str, Any] = {
            "id": writer.new_id(),
            "lpn": fields.pop("lpn", None) or writer.take_lpns(1)[0],
            "station": "DOCK-3",
            "parcel": "parcel-1",
            "seller": "lumo",
            "rma": "4711-0093",
            "line": line,
            "product": Product(seller="lumo", gtin=line.gtin, title="Kettle 1.7 l") if line else None,
            "operator": "ana",
            "started_at": self.clock() - timedelta(seconds=90),
        }
        return Inspection(**{**known, **fields})

    def done(self, unit: Inspection, **fields: Any) -> Inspection:
        """The same, decided."""
        decided: dict[str, Any] = {
            "grade": Grade.USED,
            "disposition": Disposition.CLEARANCE,
            "price": Money(minor=29925),
            "list_price": Money(minor=39900),
            "discount": 25,
            "finished_at": self.clock(),
            "finished_by": "ana",
        }
        return unit.but(**{**decided, **fields})

    def event(self, unit: Inspection, kind: str = "inspection.finished") -> EventSpec:
        return EventSpec(type=kind, body=unit.model_dump(mode="json"), operator="ana", at=self.clock())

    def label(self, writer: Writer, unit: Inspection) -> LabelSpec:
        number = writer.next_print_no(unit.lpn)
        return LabelSpec(unit.lpn, unit.id, "clearance", number, {"barcode": f"{unit.lpn}/{number}"})

    def finish(self, store: Store, **fields: Any) -> Inspection:
        """One unit from nothing to finished, in one commit."""
        mine = {name: fields.pop(name) for name in tuple(fields) if name in DECIDED}
        with store.write() as writer:
            unit = self.done(self.unit(writer, **fields), **mine)
            writer.finish(unit, self.event(unit), self.label(writer, unit))
        return unit


DECIDED = {"grade", "disposition", "price", "list_price", "discount", "finished_at", "finished_by", "case"}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bench(clock: Clock) -> Bench:
    return Bench(clock)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new store, made once: the migrations are not what most tests are about."""
    folder = tmp_path_factory.mktemp("made")
    Store.open(folder, clock=Clock(), station="DOCK-3").close()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A folder with a store of its own, opened by nobody."""
    return Path(shutil.copytree(made, tmp_path / "station"))


@pytest.fixture
def opened(folder: Path, clock: Clock) -> Iterator[Callable[..., Store]]:
    """Opens the store in the folder, as often as asked, and closes it afterwards."""
    stores: list[Store] = []

    def open_(**options: Any) -> Store:
        stores.append(Store.open(folder, clock=clock, station="DOCK-3", zone="Europe/Paris", **options))
        return stores[-1]

    yield open_
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[..., Store]) -> Store:
    return opened()
