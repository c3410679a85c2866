"""One queue for all that leaves the bench: facts to the hub, labels to the printers; and what the hub announces, back.

The queue is in the store. Here is only its motion: one thread that syncs, one that sends photos, and one for each
printer, as none waits for another; all woken after each local write and by a timer. One row that is parked never blocks
the next.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Literal

from inspect_station.config import DiskLimits, UpstreamSettings
from inspect_station.errors import StationError
from inspect_station.label import Template
from inspect_station.message import Message, msg
from inspect_station.outbox.opened import Elsewhere
from inspect_station.outbox.photos import Photos
from inspect_station.outbox.prints import Press, PrinterState, Prints
from inspect_station.outbox.sync import HubState, Sync, connect
from inspect_station.store import Store, disk_days
from inspect_station.upstream import Upstream

TIMER_S = 30.0
"""Seconds after which each thread looks again without being woken."""
HEARD_S = 5.0
"""While the hub is not to be asked, somebody may call `sync` or enrol the station: so often that is looked for."""
LOOK_S = 1.0
"""Seconds after which a label that another process has queued is found."""
DISK_S = 600.0
"""Seconds for which a guess at how long the disk lasts will do."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class States:
    """All that the lamps show."""

    hub: HubState
    printer: PrinterState
    offline: tuple[tuple[Message, ...], ...] = ()
    """The status line while the hub is not reached, part by part, and what each lists; empty while it is."""
    photos: Message | None = None
    """Why no photo goes to the hub now, although the hub is reached."""
    elsewhere: tuple[Elsewhere, ...] = ()
    """Other docks at which is open what is open here, the newest first."""


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
        limits: DiskLimits | None = None,
        keep_photos_days: int = 0,
    ) -> None:
        self.sync = Sync(
            store,
            settings=settings,
            upstream=upstream,
            clock=clock,
            monotonic=time.monotonic,
            random=random.random,
        )
        self.photos = Photos(
            store,
            settings=settings,
            # A connection of its own: no receipt waits for a photo.
            upstream=connect(store, settings),
            clock=clock,
            monotonic=time.monotonic,
            random=random.random,
            keep_days=keep_photos_days,
        )
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
        self._clock = clock
        self._limits = limits
        self._disk: tuple[float, int | None] = (0.0, None)
        self._notify = notify
        self._shown: States | None = None
        self._stumbled: dict[str, Message] = {}
        """What keeps a thread from its work, such as a store in use."""
        self._to_sync, self._to_show, self._to_watch = threading.Event(), threading.Event(), threading.Event()
        self._newest = 0
        """Of the labels whose printers have been woken."""
        self._to_print = tuple(threading.Event() for _ in self.prints.presses)
        self._stopping = threading.Event()
        self._sync_at = 0.0
        self._threads: tuple[threading.Thread, ...] = ()

    # ── Its threads ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to sync and to print. Only the running station does so: no other process prints meanwhile."""
        self._stopping.clear()
        self.prints.start()
        work: dict[str, Callable[[], tuple[threading.Event, float]]] = {
            "sync": self._sync,
            "photos": self._send_photos,
            "labels": self._watch_labels,
        }
        for press, woken in zip(self.prints.presses, self._to_print, strict=True):
            work[f"print {press.printer.name}"] = partial(self._print, press, woken)
        self._threads = tuple(
            threading.Thread(target=self._run, args=each, name=each[0], daemon=True) for each in work.items()
        )
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: float = 5.0) -> None:
        """End the threads; what they were at is finished, or done again after the next start."""
        self._stopping.set()
        self.wake()
        until = time.monotonic() + patience_s
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        self._threads = ()
        self.sync.close()
        self.photos.close()

    def wake(self) -> None:
        """Something new is in the store."""
        self._to_sync.set()
        self._to_show.set()
        for woken in (*self._to_print, self._to_watch):
            woken.set()

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
        rest = self._sync_at - time.monotonic()
        if rest > 0 and not self.sync.heard_elsewhere():
            return self._stopping, min(rest, HEARD_S)
        # Before the work, not after it: who wakes us while we are at it is not forgotten.
        self._to_sync.clear()
        pause = self.sync.turn()
        # What was confirmed now may have photos.
        self._to_show.set()
        self._sync_at = time.monotonic() + pause
        if pause:
            return self._stopping, min(pause, HEARD_S)
        # Work that was done in between puts off nothing that the hub has to tell.
        return self._to_sync, min(TIMER_S, max(LOOK_S, self.sync.until_pull()))

    def _send_photos(self) -> tuple[threading.Event, float]:
        self._to_show.clear()
        while not self._stopping.is_set() and self.photos.turn():
            pass
        pause = self.photos.rest()
        return (self._stopping, pause) if pause else (self._to_show, TIMER_S)

    def _watch_labels(self) -> tuple[threading.Event, float]:
        """What printers' own threads cannot see in time: a label that gets late while they hang, and one that a verb on
        the command line has queued, before it is late."""
        self._to_watch.clear()
        newest = self.prints.newest()
        if newest > self._newest:
            self._newest = newest
            for woken in self._to_print:
                woken.set()
        return self._to_watch, min(LOOK_S, self.prints.until_late())

    def _print(self, press: Press, woken: threading.Event) -> tuple[threading.Event, float]:
        woken.clear()
        self.prints.park_halfway(press)
        while not self._stopping.is_set() and self.prints.print_once(press):
            pass
        return woken, min(TIMER_S, self.prints.rest(press))

    def join(self) -> None:
        """This station was enrolled: find its hub anew."""
        self.sync.join()
        self.photos.join()
        self.wake()

    def on_bench(self, rmas: Sequence[tuple[str, str]], unit: str, operator: str) -> None:
        """These returns, (seller, number) of each, are open here now, and this unit of them. Never waits."""
        if self.sync.opened.show(rmas, unit, operator):
            self._to_sync.set()

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
            hub = self.sync.state(reader)
            if hub.offline_since is not None and self._limits is not None:
                until, _ = self._disk
                if time.monotonic() >= until:
                    days = disk_days(self._store.folder, self._limits, *reader.days_work())
                    self._disk = (time.monotonic() + DISK_S, days)
        if (stumbled := self._stumbled.get("sync")) is not None:
            hub = replace(hub, said=stumbled)
        stumbled = next((said for what, said in list(self._stumbled.items()) if what.startswith("print ")), None)
        printer = self.prints.state(counts.labels, counts.labels_parked, stumbled)
        photos = self.photos.problem if hub.offline_since is None else None
        offline = hub.offline(self._clock(), self._disk[1])
        return States(hub, printer, offline, photos, self.sync.opened.elsewhere)

    def _tell(self) -> None:
        try:
            states = self.states()
        except StationError:
            return  # the store is busy: the next change tells
        if states != self._shown:
            self._shown = states
            self._notify(states)
