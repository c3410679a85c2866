"""One queue for all that leaves the bench: facts to the hub, labels to the printers; and what the hub announces, back.

The queue is in the store. Here is only its motion: one thread that syncs, one that prints, both woken after each local
write and by a timer. One row that is parked never blocks the next.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from inspect_station.config import UpstreamSettings
from inspect_station.errors import StationError
from inspect_station.label import Template
from inspect_station.message import Message, msg
from inspect_station.outbox.prints import Press, PrinterState, Prints
from inspect_station.outbox.sync import HubState, Pace, Sync
from inspect_station.store import Store
from inspect_station.upstream import Upstream

TIMER_S = 30.0
"""Seconds after which either thread looks again without being woken."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class States:
    """All that the lamps show."""

    hub: HubState
    printer: PrinterState


class Outbox:
    """Sends, fetches and prints what waits in the store. Any thread may call it.

    ``notify`` is called with every new `States`, from whatever thread brought it about.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: UpstreamSettings,
        upstream: Upstream | None,
        presses: Sequence[Press],
        templates: Mapping[str, Template],
        clock: Callable[[], datetime],
        locale: str = "en",
        scan_back: Literal["never", "after_stall", "always"] = "after_stall",
        notify: Callable[[States], None] = lambda _: None,
        pace: Pace | None = None,
    ) -> None:
        self.sync = Sync(store, settings=settings, upstream=upstream, clock=clock, pace=pace)
        self.prints = Prints(
            store,
            presses=presses,
            templates=templates,
            clock=clock,
            locale=locale,
            scan_back=scan_back,
            tell=self._tell,
        )
        self._store = store
        self._notify = notify
        self._shown: States | None = None
        self._stumbled: dict[str, Message] = {}
        """What keeps a thread from its work, such as a store in use."""
        self._to_sync, self._to_print, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()

    # ── Its threads ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to sync and to print. Only the running station does so: no other process prints meanwhile."""
        self._stopping.clear()
        self.prints.start()
        self._threads = (
            threading.Thread(target=self._run, args=("sync", self._sync), name="sync", daemon=True),
            threading.Thread(target=self._run, args=("print", self._print), name="print", daemon=True),
        )
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = 5.0) -> None:
        """End both threads; what they were at is finished, or done again after the next start."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(patience_s)
        self._threads = ()
        self.sync.close()

    def wake(self) -> None:
        """Something new is in the store."""
        self._to_sync.set()
        self._to_print.set()

    def _run(self, what: str, work: Callable[[], tuple[threading.Event, float]]) -> None:
        """Work, and wait for what the work says, until the end; no failure ends it."""
        while not self._stopping.is_set():
            try:
                woken, pause = work()
                self._stumbled.pop(what, None)
            except StationError as error:
                woken, pause = self._stumble(what, error.title)
            except Exception as error:
                _log.exception("%s failed", what)
                problem = msg("Something failed in the station: {problem}.", problem=type(error).__name__)
                woken, pause = self._stumble(what, problem)
            self._tell()
            woken.wait(pause)

    def _stumble(self, what: str, problem: Message) -> tuple[threading.Event, float]:
        self._stumbled[what] = problem
        return self._stopping, TIMER_S

    def _sync(self) -> tuple[threading.Event, float]:
        # Before the work, not after it: who wakes us while we are at it is not forgotten.
        self._to_sync.clear()
        pause = self.sync.turn()
        return (self._stopping, pause) if pause else (self._to_sync, TIMER_S)

    def _print(self) -> tuple[threading.Event, float]:
        self._to_print.clear()
        self.prints.park_halfway()
        while not self._stopping.is_set() and self.prints.print_once():
            pass
        return self._to_print, min(TIMER_S, self.prints.rest())

    def resume(self) -> None:
        """Go on printing (see `Prints.resume`)."""
        self.prints.resume()
        self.wake()

    def test(self, name: str, draw: Callable[[Press], bytes]) -> str:
        """Print a test label (see `Prints.test`)."""
        try:
            return self.prints.test(name, draw)
        finally:
            self.wake()  # what waited for it

    # ── States ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def states(self) -> States:
        """All that the lamps show, now."""
        with self._store.read() as reader:
            counts = reader.waiting()
        hub = self.sync.state(counts.events, counts.events_parked)
        if (stumbled := self._stumbled.get("sync")) is not None:
            hub = replace(hub, said=stumbled)
        return States(hub, self.prints.state(counts.labels, counts.labels_parked, self._stumbled.get("print")))

    def _tell(self) -> None:
        try:
            states = self.states()
        except StationError:
            return  # the store is busy: the next change tells
        if states != self._shown:
            self._shown = states
            self._notify(states)
