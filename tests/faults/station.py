"""A real station in a process of its own, with the threads it has under its screens; told what to do line by line.

``python tests/faults/station.py station.toml '{"upstream.SILENCE_S": 0.5}'``: waits are as short as the second word
says, so that a test need not wait as long as a person would. Each line of stdin is a command as JSON, each line of
stdout what came of it.
"""

import json
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

from inspect_station import config
from inspect_station.core.records import Disposition, Grade, Inspection, Line, Operator, Product
from inspect_station.station import Station, open_station
from inspect_station.store import EventSpec, Writer

LAMP = Product(seller="lumo", gtin="03760311300165", title="Oak desk lamp")


class Clock:
    """The time, which may be put forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def finish(writer: Writer, n: int, at: datetime, **more: Any) -> str:
    """Finish one unit of an RMA of its own; the id of its event."""
    (lpn,) = writer.take_lpns(1)
    unit = Inspection(
        id=writer.new_id(),
        lpn=lpn,
        station="DOCK-1",
        parcel="",
        seller="lumo",
        rma=f"R-{n}",
        line=Line(no=1, gtin=LAMP.gtin),
        product=LAMP,
        operator="ana",
        started_at=at - timedelta(minutes=2),
        grade=Grade.NEW,
        disposition=Disposition.RESTOCK,
        finished_at=at,
        finished_by="ana",
    )
    body = {**unit.model_dump(mode="json"), **more.pop("body", {})}
    return writer.finish(unit, EventSpec("inspection.finished", body, "ana", at, **more)).id


class Bench:
    """One hand at the station."""

    def __init__(self, station: Station, clock: Clock) -> None:
        self.station = station
        self.clock = clock
        with station.store.read() as reader:
            self.done = reader.waiting().events

    def save(self, n: int = 1, gap: float = 0.0, **more: Any) -> dict[str, Any]:
        """Finish some units; their events' ids, and the milliseconds that each took to be saved."""
        ids, ms = [], []
        for _ in range(n):
            self.done += 1
            began = time.perf_counter()
            with self.station.store.write() as writer:
                ids.append(finish(writer, self.done, self.clock(), **more))
            ms.append((time.perf_counter() - began) * 1000)
            self.station.outbox.wake()
            time.sleep(gap)
        return {"ids": ids, "ms": ms}

    def prepare(self, n: int) -> dict[str, Any]:
        """So many units that wait, in few commits."""
        for at in range(0, n, 500):
            with self.station.store.write() as writer:
                for each in range(at, min(at + 500, n)):
                    finish(writer, self.done + each + 1, self.clock())
        self.done += n
        return {}

    def start(self) -> dict[str, Any]:
        """Begin to send and to fetch."""
        self.station.start(lambda: None)
        return {}

    def forward(self, s: float) -> dict[str, Any]:
        """Put the clock forward."""
        self.clock.ahead += timedelta(seconds=s)
        self.station.outbox.wake()
        return {}

    def enrol(self, code: str) -> dict[str, Any]:
        """Enrol at the hub of station.toml."""
        return {"said": self.station.enrol(code).text}

    def opens(self, *, rma: str, by: str) -> dict[str, Any]:
        """Somebody has this return on the bench, or nothing; the milliseconds for which that held up the bench."""
        self.station.operator = Operator(code=by.lower(), name=by)
        began = time.perf_counter()
        self.station.on_bench([("lumo", rma)] if rma else [])
        return {"ms": (time.perf_counter() - began) * 1000}

    def elsewhere(self) -> dict[str, Any]:
        """Where else is open what is open here."""
        return {"docks": [[each.station, each.operator] for each in self.station.outbox.states().elsewhere]}

    def state(self) -> dict[str, Any]:
        """What the lamp of the hub shows, and what is known here of what the hub announces."""
        hub = self.station.outbox.states().hub
        with self.station.store.read() as reader:
            rma = reader.rma("lumo", "FROM-HUB")
        said = {"waiting": hub.waiting, "parked": hub.parked, "said": hub.said.text, "order": rma and rma.order}
        return {**said, "offline_s": hub.offline_since and (self.clock() - hub.offline_since).total_seconds()}


def main(toml: str, constants: str = "{}") -> None:
    for name, value in json.loads(constants).items():
        module, _, constant = name.rpartition(".")
        assert hasattr(import_module(f"inspect_station.{module}"), constant), name
        setattr(import_module(f"inspect_station.{module}"), constant, value)
    clock = Clock()
    with open_station(config.load(Path(toml)), clock=clock, running=True) as station:
        bench = Bench(station, clock)
        print("{}", flush=True)
        for line in sys.stdin:
            asked = json.loads(line)
            print(json.dumps(getattr(bench, asked.pop("do"))(**asked)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
