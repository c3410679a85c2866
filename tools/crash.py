"""Kill the running station, as often as asked, at random moments: what it had confirmed is there, nothing is by half.

``uv run python tools/crash.py --kills 1000`` runs the real station (`open_station`, its verbs, its printing), tells of
each step that it confirmed, and sends SIGKILL; ``--screens`` runs the real screens in a pseudo-terminal, typed at by a
scanner and a hand. After each kill the store is opened as the next start opens it, and looked through (sync.md §3: I1,
I5, fault 5). The suite does the same with fewer (``tests/store/test_crash.py``).
"""

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.wedge import Terminal
from inspect_station import config as configuration
from inspect_station.core import inspection as life
from inspect_station.core.records import Line, Rma
from inspect_station.demo.build import Demo, prepare
from inspect_station.demo.goods import product
from inspect_station.errors import StationError
from inspect_station.outcomes import Arrived, Finished, Opened
from inspect_station.station import Station, open_station
from inspect_station.store import Store, verify

RMA = "ML-49999"
LAMP = product("lamp").ean
START_S = 60.0
"""Seconds within which a start must have come so far that it confirms something."""


# ── The process that is killed ───────────────────────────────────────────────────────────────────────────────────────


class Witness:
    """What was confirmed, line by line in a file: it outlives the process that wrote it."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def tell(self, what: str, lpn: str) -> None:
        """One confirmation, as one write."""
        os.write(self._handle, f"{what} {lpn}\n".encode())


def work(config: str, badge: str, told: str) -> None:
    """Inspect units until the process is killed, as an operator would: photo, answer, finish."""
    witness = Witness(Path(told))
    with open_station(configuration.load(Path(config)), running=True) as station:
        station.start(lambda: None)
        station.scan(badge)
        with station.store.read() as reader:
            left = [draft.id for draft in reader.drafts()]
        while True:
            seen = station.resume(left.pop()) if left else begun(station)
            assert isinstance(seen, Opened), seen
            witness.tell("draft", seen.inspection.lpn)
            photographed = station.photograph(seen.bench, seen.inspection)
            witness.tell("draft", seen.inspection.lpn)
            unit = photographed.step.inspection
            if not unit.chosen:
                unit = station.step(seen.bench, unit, life.Digit(1)).inspection
                station.keep(unit)
            finished = station.finish(seen.bench, unit)
            assert isinstance(finished, Finished), finished
            witness.tell("saved", seen.inspection.lpn)


def upgrade(folder: str) -> None:
    """Bring a store to the newest revision, as every start does."""
    Store.open(Path(folder), clock=lambda: datetime.now(UTC), station="DOCK-3").close()


def begun(station: Station) -> object:
    """A new unit of the RMA on the bench."""
    arrived = station.scan(RMA)
    assert isinstance(arrived, Arrived), arrived
    return station.scan(LAMP, None, arrived.parcel)


SCREENS = """
import sys
from pathlib import Path
from inspect_station.cli import main
from inspect_station.outcomes import Finished
from inspect_station.tui.hands.turns import Turns
from tools.crash import Witness

witness, arrive = Witness(Path(sys.argv.pop(1))), Turns.arrive

def told(self, scene, result):
    turn = arrive(self, scene, result)
    if isinstance(result, Finished):
        witness.tell("saved", result.units[0].lpn)
    return turn

Turns.arrive = told
main()
"""
"""The real program; what its screens are given to show is witnessed."""


# ── The one who kills ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Toll:
    """What came of it."""

    kills: int = 0
    confirmed: int = 0
    unconfirmed: int = 0
    """Units that were saved when the process died before it could say so."""
    wrong: list[str] = field(default_factory=list)


def dock(folder: Path) -> Demo:
    """A demo's station with an RMA of which units never run out."""
    demo = prepare(folder / "demo")
    day = datetime.now(UTC).date() - timedelta(days=5)
    line = Line(
        no=1,
        gtin=f"0{LAMP}",
        quantity=1_000_000,
        reason="CHANGED_MIND",
        delivered_on=day,
        requested_on=day,
        postmarked_on=day,
    )
    with open_station(configuration.load(Path(demo.config))) as station, station.store.write() as writer:
        writer.put_rma(Rma(seller="lumo", number=RMA, channel="amazon", lines=(line,)))
    return demo


def campaign(kills: int, folder: Path, *, screens: bool = False, seed: int = 1) -> Toll:
    """Start, kill, look; so many times."""
    chance = random.Random(seed)
    demo, told, toll = dock(folder), folder / "told", Toll()
    killed = _screens if screens else _verbs
    for _ in range(kills):
        before = len(_lines(told))
        killed(demo, told, before, chance)
        toll.kills += 1
        toll.wrong += [f"kill {toll.kills}: {each}" for each in wrong_with(Path(demo.dir) / "data", told, toll)]
    return toll


def _lines(told: Path) -> list[tuple[str, str]]:
    text = told.read_text() if told.exists() else ""
    return [(what, lpn) for what, _, lpn in (line.partition(" ") for line in text.splitlines())]


def _wait(told: Path, before: int, alive: Callable[[], bool]) -> None:
    """Until something was confirmed."""
    end = time.monotonic() + START_S
    while len(_lines(told)) <= before:
        if time.monotonic() > end or not alive():
            raise TimeoutError("the station confirmed nothing")
        time.sleep(0.005)


def process(target: Callable[..., None], *given: str) -> BaseProcess:
    """A new process, started, made out of one that has loaded the program already and has no threads."""
    ways = multiprocessing.get_context("forkserver")
    ways.set_forkserver_preload(["tools.crash", "cv2", "alembic.command", "sqlmodel"])
    started = ways.Process(target=target, args=given)
    started.start()
    return started


def _verbs(demo: Demo, told: Path, before: int, chance: random.Random) -> None:
    working = process(work, demo.config, demo.badge, str(told))
    # One in four dies while it starts.
    if chance.random() < 0.25:
        time.sleep(chance.uniform(0, 0.3))
    else:
        # By what it does, not by time: so a slow machine is killed at the same places.
        _wait(told, before + chance.randrange(10), working.is_alive)
        time.sleep(chance.uniform(0, 0.1))
    working.kill()
    working.join()
    assert working.exitcode == -signal.SIGKILL, "it ended by itself"


def _screens(demo: Demo, told: Path, before: int, chance: random.Random) -> None:
    terminal = Terminal(sys.executable, "-c", SCREENS, str(told), "run", "--config", demo.config)

    def typed(text: str) -> None:
        terminal.type([text], [0.0])
        # A hand between two scans: closer, a key would become a part of the next scan.
        time.sleep(0.5)

    terminal.until("Scan your badge")
    time.sleep(0.5)
    typed(f"{demo.badge}\r")
    terminal.until("Scan RMA")
    time.sleep(0.5)
    until, patience = float("inf"), time.monotonic() + START_S
    while time.monotonic() < until:
        if time.monotonic() > patience:
            raise TimeoutError("the screens confirmed nothing")
        for text in (f"{RMA}\r", f"{LAMP}\r", "1"):
            typed(text)
            if until == float("inf") and len(_lines(told)) > before:
                until = time.monotonic() + chance.uniform(0, 2.0)
            if time.monotonic() > until:
                break
    terminal.close()


def wrong_with(data: Path, told: Path, toll: Toll) -> list[str]:
    """What is not as it was confirmed; the store is opened as the next start opens it."""
    wrong: list[str] = []
    lines = _lines(told)
    saved, drafted = {lpn for what, lpn in lines if what == "saved"}, {lpn for _, lpn in lines}
    try:
        store = Store.open(data, clock=lambda: datetime.now(UTC), station="DOCK-3", running=True)
        with store, store.read() as reader:
            units = reader.last_units(1_000_000)
            told_hub = [each for each in reader.pending_events(1_000_000) if each.type == "inspection.finished"]
            drafts = {each.lpn for each in reader.drafts()}
            labelled = {each.lpn for each in reader.labels("queued", "printing", "printed", "parked")}
            photos = [each for unit in units for each in reader.photos(unit.id)]
        verify(data / "store.db")
    except StationError as error:
        return [str(error)]
    kept = {unit.lpn for unit in units}
    events = {json.loads(each.line)["body"]["lpn"] for each in told_hub}
    wrong += [f"{lpn} was confirmed and is lost" for lpn in saved - kept]
    wrong += [f"the draft {lpn} was confirmed and is lost" for lpn in drafted - kept - drafts]
    wrong += [f"{lpn} stands twice" for lpn in kept if len(kept) < len(units)]
    half = (events ^ kept) | (kept - labelled) | (kept & drafts)
    wrong += [f"{lpn} is saved by half: without its event or label, or with its draft" for lpn in half]
    wrong += [f"photo {each.sha256} is gone" for each in photos if not store.blobs.path(each.sha256).exists()]
    toll.confirmed, toll.unconfirmed = len(saved), len(kept - saved)
    if toll.unconfirmed > toll.kills + 1:
        wrong.append(f"{toll.unconfirmed} units were saved and never confirmed")
    return wrong


def main() -> int:
    """Kill and tell; 1 where anything was lost."""
    options = argparse.ArgumentParser(description="Kill the running station at random moments.")
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--screens", action="store_true", help="the real screens in a pseudo-terminal")
    options.add_argument("--seed", type=int, default=1)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        toll = campaign(asked.kills, Path(folder), screens=asked.screens, seed=asked.seed)
    for each in toll.wrong[:20]:
        print(each)
    print(
        f"{toll.kills} kills, {toll.confirmed} units confirmed, {len(toll.wrong)} wrong, "
        f"{toll.unconfirmed} saved and not yet confirmed"
    )
    return int(bool(toll.wrong))


if __name__ == "__main__":
    sys.exit(main())
