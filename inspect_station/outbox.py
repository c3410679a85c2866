"""One queue for all that leaves the bench: facts to the hub, labels to the printers; and what the hub announces, back.

The queue is in the store. Here is only its motion: one thread that syncs, one that prints, both woken after each local
write and by a timer. Towards the hub repeating is safe and is done until there is a receipt; towards a printer it is
not: a label of which nobody knows whether it came out is parked and shown. One that is parked never blocks the next.
"""

import json
import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from math import inf
from typing import Literal

from inspect_station import upstream as hub
from inspect_station.config import LabelPrinter, UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.barcode import clean
from inspect_station.core.records import Product, Rma
from inspect_station.core.wire import Status
from inspect_station.errors import DeviceError, PrintUnknown, StationError
from inspect_station.label import Template, render
from inspect_station.message import Message, msg, msgn
from inspect_station.printing import Printer, printer
from inspect_station.store import LabelJob, Outgoing, Reader, Receipt, Store, Writer
from inspect_station.store.values import EventState
from inspect_station.upstream import Credentials, Delivered, Gone, Kept, Later, Moved, Page, Refusal, Refused, Upstream

SUSPECT_AGAIN = timedelta(hours=1)
"""An event that broke the hub is tried again so much later (sync.md §2.5)."""
STRIKES, STRIKES_ALONE = 3, 5
"""So many failures of one batch halve it, and of one event alone make it suspect (sync.md §2.5)."""
TIMER_S = 30.0
"""Seconds after which either thread looks again without being woken."""
OUT_S = 3.0
"""A label that is not out by then is late: its box may have left the bench (design.md §7)."""
NEVER = datetime.min.replace(tzinfo=UTC)
LONGEST_STALL_S = 30.0
"""Seconds, at most, until a printer that did not answer is tried again."""
MOST_PAGES = 1000
"""Pages of changes read in one go; a hub that sends more goes on at the next."""
MOVES_APART_S = 60.0
"""Two changes of the hub within this time are two hubs behind one address."""
_ROWS = 200
"""Rows in one write: the bench waits for no more."""

_log = logging.getLogger(__name__)


# ── What is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HubState:
    """The lamp of the hub."""

    enrolled: bool
    offline_since: datetime | None
    """When it was first not reached; None while it is."""
    last_contact: datetime | None
    """Since the program was started."""
    waiting: int
    """Facts that the hub has not confirmed."""
    parked: int
    said: Message


@dataclass(frozen=True, slots=True)
class PrinterState:
    """The lamp of the printers."""

    ready: bool
    held: bool
    """Held by hand, for a change of the roll."""
    waiting: int
    parked: int
    """Labels that a person has to look at: late ones, and those of which nobody knows whether they came out."""
    said: Message
    """A label that is not out goes before the reason for it."""
    problem: Message | None = None
    """Why a printer does not print just now."""
    not_out: str = ""
    """The plate whose label is late, the newest of several; empty while printing is held."""


@dataclass(frozen=True, slots=True)
class States:
    """All that the lamps show."""

    hub: HubState
    printer: PrinterState


@dataclass(frozen=True, slots=True)
class Pushed:
    """What came of sending."""

    sent: int
    """Facts that the hub has confirmed."""
    waiting: int
    parked: int
    problem: Message | None = None
    """Why not everything was sent."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What came of fetching."""

    fetched: int
    """Articles and return authorisations that were news."""
    problem: Message | None = None


_WHY = {
    "schema_invalid": msg("The hub cannot read this record. It is kept here and there; call your administrator."),
    "schema_too_new": msg("The hub is older than this station and takes it later. Nothing to do."),
    "id_reuse": msg("The hub has another record under this number. Both are kept; call your administrator."),
    "tenant_mismatch": msg("This unit belongs to somebody else at the hub. Call your administrator."),
    "line_conflict": msg("Another dock has inspected this parcel, with another result. A supervisor decides."),
    "duplicate_scan": msg("Another dock has inspected this parcel too, with the same result. Nothing to do."),
    "revision_twice": msg("The hub has another version of this inspection. Both are kept; a supervisor decides."),
    Refusal.FAILED: msg("The hub fails over this record; the others went on. It is tried again every hour."),
    Refusal.FRAMING: msg(
        "The hub cannot read this line at all. It is tried again every hour; call your administrator."
    ),
    Refusal.TOO_LARGE: msg(
        "This record is too large for the hub. It is tried again every hour; call your administrator."
    ),
}


def why(code: str) -> Message:
    """What the code of a parked or marked event means, and what to do."""
    return _WHY.get(code, msg("The hub did not take this record ({code}). Call your administrator.", code=code))


# ── How much, and when again ─────────────────────────────────────────────────────────────────────────────────────────


class Next(Enum):
    """After a batch that broke something."""

    AGAIN = "again"
    """The same once more, later."""
    SMALLER = "smaller"
    """Half of it, at once: the other half may be well."""
    BLAME = "blame"
    """It was one event alone, often enough."""


@dataclass(slots=True)
class Pace:
    """How many events go at once, and how long to wait after a failure; knows nothing of stores or networks.

    Finds the one event that breaks the hub by halving: sizes grow back once all that was in doubt has passed.
    """

    batch: int
    min_wait_s: float
    max_wait_s: float
    random: Callable[[], float] = random.random
    """From 0 until before 1."""
    size: int = field(init=False)
    wait_s: float = field(init=False, default=0.0)
    """Not to be tried again within so many seconds; 0 while all is well."""
    _doubt: int = field(init=False, default=0)
    _strikes: int = field(init=False, default=0)
    _failures: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.size = self.batch

    def answered(self) -> None:
        """The hub can be reached."""
        self._failures = 0
        self.wait_s = 0.0

    def passed(self, events: int) -> None:
        """So many events need not be sent again."""
        self._strikes = 0
        self._doubt = max(0, self._doubt - events)
        if not self._doubt:
            self.size = self.batch

    def failed(self, asked_s: float | None = None) -> None:
        """Not now. What the hub asks for goes first, else full jitter below a bound that doubles (sync.md §2.5)."""
        bound = min(self.max_wait_s, self.min_wait_s * 2 ** min(self._failures + 1, 30))
        self._failures += 1
        jittered = self.min_wait_s + self.random() * (bound - self.min_wait_s)
        self.wait_s = jittered if asked_s is None else asked_s

    def broke(self, sent: int, *, surely: bool) -> Next:
        """Something broke over a batch of `sent` events; ``surely`` where sending the same again cannot help."""
        self._doubt = sent
        self._strikes += 1
        if not surely and self._strikes < (STRIKES if sent > 1 else STRIKES_ALONE):
            return Next.AGAIN
        self._strikes = self._failures = 0
        if sent == 1:
            return Next.BLAME
        self.size = sent // 2
        return Next.SMALLER


@dataclass(slots=True)
class Press:
    """A printer and what it prints."""

    printer: Printer
    kinds: tuple[str, ...] = ()
    """Kinds of labels that it takes; empty = all."""
    dpi: int = 203
    problem: Message | None = None
    """Why it does not print just now."""
    again_at: float = 0.0
    """By the monotonic clock."""
    printed_at: datetime = NEVER
    """When a label last came out of it in time."""
    stalled: bool = False
    """A label was late, or may be out, since one came out of it: boxes and labels may be out of step."""
    _failures: int = 0

    @classmethod
    def of(cls, settings: LabelPrinter) -> "Press":
        """The printer that a site has set up."""
        return cls(printer(settings), settings.labels, settings.dpi)

    def takes(self, kind: str) -> bool:
        """Whether labels of this kind come out of it."""
        return not self.kinds or kind in self.kinds

    def went_well(self) -> None:
        """It printed."""
        self.problem, self.again_at, self._failures = None, 0.0, 0

    def failed(self, problem: Message) -> None:
        """It did not print, surely; its next label waits."""
        self.problem = problem
        self.again_at = time.monotonic() + min(LONGEST_STALL_S, 2.0**self._failures)
        self._failures += 1


# ── The queue in motion ──────────────────────────────────────────────────────────────────────────────────────────────


class Outbox:
    """Sends, fetches and prints what waits in the store. Any thread may call it; one thing of a kind happens at a time.

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
        self.upstream = upstream
        self._store = store
        self._settings = settings
        self._presses = presses
        self._templates = templates
        self._clock = clock
        self._locale = locale
        self._scan_back = scan_back
        self._notify = notify
        self._pace = pace or Pace(settings.batch, settings.min_wait_s, settings.max_wait_s)
        self._shown: States | None = None
        self._offline_since: datetime | None = None
        self._last_contact: datetime | None = None
        self._trouble: Message | None = None
        """Why the hub is not reached."""
        self._stumbled: dict[str, Message] = {}
        """What keeps a thread from its work, such as a store in use."""
        self._pull_at = 0.0
        self._moved_at = -inf
        self._held = False
        self._resumed_at = NEVER
        self._syncing, self._printing = threading.RLock(), threading.RLock()
        self._to_sync, self._to_print, self._stopping = threading.Event(), threading.Event(), threading.Event()
        self._threads: tuple[threading.Thread, ...] = ()

    # ── Its threads ──────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Begin to sync and to print. Only the running station does so: no other process prints meanwhile."""
        self._stopping.clear()
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
        if self.upstream is not None:
            self.upstream.close()

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
        self._reconnect()
        if self.push_once().problem is None and time.monotonic() >= self._pull_at:
            self.pull_once()
        if self._pace.wait_s:
            # Neither a broken hub nor its Retry-After is hurried by new work.
            return self._stopping, self._pace.wait_s
        return self._to_sync, TIMER_S

    def _reconnect(self) -> None:
        """Where the hub is not reached: another process may have enrolled this station meanwhile."""
        with self._syncing:
            if self.upstream is not None and self._trouble is None:
                return
            found = connect(self._store, self._settings)
            if found is not None:
                if self.upstream is not None:
                    self.upstream.close()
                self.upstream = found

    def _print(self) -> tuple[threading.Event, float]:
        self._to_print.clear()
        self._park_halfway()
        while not self._stopping.is_set() and self.print_once():
            pass
        pause = TIMER_S
        for press in self._presses:
            if press.problem is not None and press.again_at <= time.monotonic():
                # Nothing waits for it: ask it how it is.
                state = press.printer.state()
                press.went_well() if state.ok else press.failed(state.message)
            if press.problem is not None:
                pause = min(pause, max(0.05, press.again_at - time.monotonic()))
        if not self._held:
            with self._store.read() as reader:
                queued = reader.labels("queued")
            # A label that gets late is told in time.
            waited = (self._waited(job) for job in queued if self._press(job.kind) is not None)
            pause = min([pause, *(max(0.05, OUT_S - seconds) for seconds in waited)])
        return self._to_print, pause

    def _park_halfway(self) -> None:
        """Labels that were being printed when the station stopped, or could not say so: they may be out."""
        with self._printing:
            with self._store.read() as reader:
                halfway = reader.labels("printing")
            for job in halfway:
                self._park(job, msg("The station stopped while {lpn} was being printed.", lpn=job.lpn))

    # ── States ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def states(self) -> States:
        """All that the lamps show, now."""
        with self._store.read() as reader:
            counts = reader.waiting()
            moving = reader.labels("queued", "printing", "parked")
        # While the queue is held by hand, everybody knows why nothing comes out.
        not_out = None if self._held else self._not_out(moving)
        problem = next(filter(None, (self._stumbled.get("print"), *(press.problem for press in self._presses))), None)
        return States(
            HubState(
                self.upstream is not None,
                self._offline_since,
                self._last_contact,
                counts.events,
                counts.events_parked,
                self._hub_said(counts.events, counts.events_parked),
            ),
            PrinterState(
                bool(self._presses) and not self._held and not any(press.problem for press in self._presses),
                self._held,
                counts.labels,
                counts.labels_parked,
                self._printer_said(counts.labels, counts.labels_parked, not_out, problem),
                problem,
                not_out.lpn if not_out else "",
            ),
        )

    def _hub_said(self, waiting: int, parked: int) -> Message:
        if (stumbled := self._stumbled.get("sync")) is not None:
            return stumbled
        if self.upstream is None and not self._settings.enabled:
            return msg("no hub: this station works alone")
        if self.upstream is None:
            return msg("not enrolled at the hub: everything waits here")
        if self._trouble is not None:
            return self._trouble
        if parked:
            return msgn("{n} record needs attention", "{n} records need attention", n=parked)
        if waiting:
            return msgn("{n} record waits for the hub", "{n} records wait for the hub", n=waiting)
        return msg("everything received by the hub")

    def _printer_said(self, waiting: int, parked: int, not_out: LabelJob | None, problem: Message | None) -> Message:
        if not self._presses:
            return msg("no printer: labels wait")
        if self._held:
            return msgn(
                "printing is held, {n} label waits: F6 goes on",
                "printing is held, {n} labels wait: F6 goes on",
                n=waiting,
            )
        if not_out is not None:
            return msg("label of {lpn} not out: set the box aside", lpn=not_out.lpn)
        if problem is not None:
            return problem
        if parked:
            return msgn("{n} label needs attention", "{n} labels need attention", n=parked)
        if waiting:
            return msgn("{n} label waits", "{n} labels wait", n=waiting)
        return msg("printer ready")

    def _tell(self) -> None:
        try:
            states = self.states()
        except StationError:
            return  # the store is busy: the next change tells
        if states != self._shown:
            self._shown = states
            self._notify(states)

    # ── Events up ────────────────────────────────────────────────────────────────────────────────────────────────────

    def push_once(self) -> Pushed:
        """Send all that waits, until it is done or cannot go on now."""
        sent, problem = 0, None
        with self._syncing:
            while problem is None and self.upstream is not None and (batch := self._batch()):
                taken, problem = self._send(self.upstream, batch)
                sent += taken
        with self._store.read() as reader:
            counts = reader.waiting()
        return Pushed(sent, counts.events, counts.events_parked, problem)

    def _batch(self) -> Sequence[Outgoing]:
        """What goes next, the oldest first; one that broke the hub before goes alone, after all that is well."""
        with self._store.read() as reader:
            due = reader.pending_events(_ROWS)
        well = [event for event in due if event.state != "suspect"]
        batch: list[Outgoing] = []
        size = 0
        for event in well[: self._pace.size]:
            size += len(event.line.encode()) + 1
            if batch and size > wire.MAX_UNPACKED:
                break
            batch.append(event)
        return batch or due[:1]

    def _send(self, upstream: Upstream, batch: Sequence[Outgoing]) -> tuple[int, Message | None]:
        """Send one batch: how many the hub has confirmed, and why to stop for now."""
        self._mark([Receipt(event.id, "sent") for event in batch if event.state != "suspect"])
        match upstream.deliver([(event.id, event.sha256, event.line) for event in batch]):
            case Delivered(receipts) if receipts:
                self._mark([self._kept(receipt) for receipt in receipts])
                self._pace.passed(len(receipts))
                self._reached()
                return sum(receipt.status in _TAKEN for receipt in receipts), None
            case Delivered():
                return 0, self._later(Later(msg("The hub answered, but not for what was sent.")))
            case Later() as later:
                return 0, self._later(later)
            case Moved(hub_epoch):
                return 0, self._rejoin(upstream, hub_epoch)
            case Refused(Refusal.NOT_KNOWN, message):
                return 0, self._later(Later(message))
            case Refused(code, message):
                return 0, self._broke(upstream, batch, code, message)

    def _broke(self, upstream: Upstream, batch: Sequence[Outgoing], code: Refusal, message: Message) -> Message | None:
        again = batch[0].state == "suspect"
        following = self._pace.broke(len(batch), surely=again or code is not Refusal.FAILED)
        if following is Next.SMALLER:
            return None
        # An event is to blame only if the hub is well without it.
        if following is Next.AGAIN or not upstream.ready():
            return self._later(Later(message))
        _log.warning("event %s is set aside: %s", batch[0].id, code)
        self._mark([Receipt(batch[0].id, "suspect", code, self._clock() + SUSPECT_AGAIN)])
        self._pace.passed(1)
        self._reached()
        return None

    def _kept(self, receipt: wire.Receipt) -> Receipt:
        if receipt.status is Status.RETRY:
            wait = timedelta(seconds=min(max(receipt.after_s, 60), hub.LONGEST_WAIT_S))
            return Receipt(receipt.id, "pending", receipt.code, self._clock() + wait)
        return Receipt(receipt.id, _STATES[receipt.status], clean(receipt.code, 60))

    def _mark(self, receipts: Sequence[Receipt]) -> None:
        if receipts:
            with self._store.write() as writer:
                writer.mark_events(receipts)

    def _rejoin(self, upstream: Upstream, hub_epoch: str) -> Message | None:
        """The hub was restored, or is another one: offer again what it does not have, then go on with it."""
        if time.monotonic() - self._moved_at < MOVES_APART_S:
            return self._later(Later(msg("More than one hub answers.")))
        after = ""
        while lines := self._known(after):
            match upstream.known(lines, hub_epoch):
                case Kept(missing, differs):
                    for at in range(0, len(missing), _ROWS):
                        with self._store.write() as writer:
                            writer.offer_again(missing[at : at + _ROWS])
                    for id in differs:
                        _log.warning("the hub has another record as %s", id)
                case Later() as later:
                    return self._later(later)
                case Refused(_, message):
                    return self._later(Later(message))
                case Moved():
                    return self._later(Later(msg("More than one hub answers.")))
            after = lines[-1][0]
        with self._store.write() as writer:
            writer.set_meta("hub_epoch", hub_epoch)
            writer.set_meta("hub_cursor", "")
        upstream.hub_epoch = hub_epoch
        self._moved_at = time.monotonic()
        return None

    def _known(self, after: str) -> Sequence[tuple[str, str]]:
        with self._store.read() as reader:
            return reader.known_events(after, wire.MAX_KNOWN)

    def _reached(self) -> None:
        self._pace.answered()
        self._last_contact, self._offline_since, self._trouble = self._clock(), None, None

    def _later(self, later: Later) -> Message:
        self._pace.failed(later.after_s)
        self._offline_since = self._offline_since or self._clock()
        self._trouble = later.message
        return later.message

    # ── Changes down ─────────────────────────────────────────────────────────────────────────────────────────────────

    def pull_once(self) -> Pulled:
        """Fetch what the hub announces, until there is no more or it cannot go on now."""
        fetched, problem = 0, None
        self._pull_at = time.monotonic() + TIMER_S
        with self._syncing:
            for _ in range(MOST_PAGES):
                if self.upstream is None or problem is not None:
                    break
                with self._store.read() as reader:
                    cursor = reader.meta("hub_cursor")
                match self.upstream.changes(cursor):
                    case Page() as page:
                        fetched += self._take(page)
                        self._reached()
                        if not page.more:
                            break
                    case Gone() if cursor:
                        with self._store.write() as writer:
                            writer.set_meta("hub_cursor", "")
                    case Gone():
                        problem = self._later(Later(msg("The hub cannot say what it announces.")))
                    case Later() as later:
                        problem = self._later(later)
                    case Refused(_, message):
                        problem = self._later(Later(message))
                    case Moved(hub_epoch):
                        problem = self._rejoin(self.upstream, hub_epoch)
        return Pulled(fetched, problem)

    def _take(self, page: Page) -> int:
        """Keep a page and where it ends, both or nothing; how many of its changes were news."""
        with self._store.write() as writer:
            news = 0
            for change in page.changes:
                try:
                    news += _apply(writer, change)
                except ValueError:
                    _log.warning("a change that cannot be read is passed over: %s %s", change.feed, change.version)
            writer.set_meta("hub_cursor", page.cursor)
        return news

    # ── Labels ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def hold(self) -> None:
        """Print nothing from now on (the roll is changed); the label that is being printed comes out."""
        self._held = True
        self._tell()

    def resume(self) -> None:
        """Go on printing what waits, with printers that did not answer before, too: a person has asked for it.

        Late labels, too, in the order of finishing: their boxes were set aside, so each is to be scanned on its box.
        """
        with self._printing, self._store.write() as writer:
            for job in self._late_in(writer):
                writer.move_label(job.id, "queued", scan_back=self._scan_back != "never")
        self._held, self._resumed_at = False, self._clock()
        for press in self._presses:
            press.again_at = 0.0
        self.wake()
        self._tell()

    def to_come(self) -> int:
        """Labels that `resume` lets come out: those in the queue, and the late ones."""
        with self._store.read() as reader:
            return len(reader.labels("queued")) + len(self._late_in(reader))

    @staticmethod
    def _late_in(reader: Reader) -> list[LabelJob]:
        return [job for job in reader.labels("parked") if job.reason == _late(job.lpn)]

    def print_once(self) -> bool:
        """Print the label whose turn it is, or park it where it is late; False where none has its turn now.

        Labels come out of each printer in the order of finishing. After a stall none comes out by itself: its box is
        not on the bench any more, and it would be stuck to the next one.
        """
        with self._printing:
            turn = self._turn()
            if turn is None:
                return False
            job, press = turn
            if self._waited(job) > OUT_S:
                self._park(job, _late(job.lpn))
            else:
                self._print_label(job, press)
            self._tell()
            return True

    def _turn(self) -> tuple[LabelJob, Press] | None:
        if self._held:
            return None
        with self._store.read() as reader:
            queued = reader.labels("queued")
        now = time.monotonic()
        for job in queued:
            press = self._press(job.kind)
            if press is not None and (press.again_at <= now or self._waited(job) > OUT_S):
                return job, press
        return None

    def _press(self, kind: str) -> Press | None:
        """The printer of a kind of labels: the first that takes it."""
        return next((press for press in self._presses if press.takes(kind)), None)

    def _waited(self, job: LabelJob) -> float:
        """Seconds for which nothing has moved for a label: a queue that its printer works off is no stall."""
        now, press = self._clock(), self._press(job.kind)
        moved = (job.created_at, self._resumed_at, press.printed_at if press else job.created_at)
        # What lies in the future was before somebody set the clock back.
        return min((now - at).total_seconds() if at <= now else inf for at in moved)

    def _not_out(self, moving: Sequence[LabelJob]) -> LabelJob | None:
        """The newest label that is late, whether it is told already or not."""

        def late(job: LabelJob) -> bool:
            if job.state == "parked":
                return job.reason == _late(job.lpn)
            return self._press(job.kind) is not None and self._waited(job) > OUT_S

        return next(filter(late, reversed(moving)), None)

    def _print_label(self, job: LabelJob, press: Press) -> None:
        name = f"{job.lpn or job.id}-{job.kind}-{job.print_no}"
        if job.kind not in self._templates:
            self._park(job, msg("There is no label template {kind}.", kind=job.kind))
            return
        try:
            data = render(
                self._templates[job.kind],
                job.fields,
                locale=self._locale,
                format=press.printer.format,
                dpi=press.dpi,
            )
        except StationError as error:
            self._park(job, error.title)
            return
        # Known on the disk before a byte leaves: after a crash, nobody prints it a second time by mistake.
        with self._store.write() as writer:
            if not writer.move_label(job.id, "printing", printer=press.printer.name):
                return
        self._tell()
        began = self._clock()
        overdue = threading.Timer(max(0.0, OUT_S - self._waited(job)), self._tell)
        overdue.daemon = True
        overdue.start()
        try:
            confirmed = press.printer.send(data, job=name)
        except PrintUnknown as error:
            self._park(job, error.title)
        except DeviceError as error:
            press.failed(error.title)
            self._put_back(job)
        except Exception as error:
            _log.exception("printing %s failed", name)
            problem = type(error).__name__
            self._park(job, msg("It is not known whether {job} was printed ({problem}).", job=name, problem=problem))
        else:
            press.went_well()
            now = self._clock()
            if now - began <= timedelta(seconds=OUT_S):
                press.printed_at = now
            back = self._scan_back == "always" or (self._scan_back == "after_stall" and press.stalled)
            with self._store.write() as writer:
                writer.move_label(job.id, "printed", confirmed=confirmed, scan_back=back and bool(job.lpn))
            press.stalled = False
        finally:
            overdue.cancel()

    def _park(self, job: LabelJob, reason: Message) -> None:
        """Set a label aside with the reason."""
        press = self._press(job.kind)
        if press is not None:
            press.stalled = True
        with self._store.write() as writer:
            writer.move_label(job.id, "parked", reason=reason)

    def _put_back(self, job: LabelJob) -> None:
        """A label that surely did not come out keeps its turn, unless its unit was undone meanwhile."""
        with self._store.write() as writer:
            writer.move_label(job.id, "queued")


def _late(lpn: str) -> Message:
    return msg("label of {lpn} was too late and was not printed: set the box aside; F4 prints it", lpn=lpn)


_TAKEN = (Status.ACCEPTED, Status.DUPLICATE, Status.CONFLICT)
_STATES: Mapping[Status, EventState] = {
    Status.ACCEPTED: "accepted",
    Status.DUPLICATE: "duplicate",
    Status.CONFLICT: "conflict",
    Status.REJECTED: "rejected",
}


def _apply(writer: Writer, change: wire.Change) -> bool:
    """Bring one thing to the hub's newest state; whether that was news. Raises ValueError, having changed nothing."""
    body = wire.cleaned(change.body)
    match change.feed, change.op:
        case "rma", "upsert":
            rma = Rma.model_validate(body)
            if len({line.no for line in rma.lines}) < len(rma.lines):
                raise ValueError("two lines of one number")
            return writer.put_rma(rma, "hub", change.version)
        case "rma", "delete":
            writer.close_rma(*_key(change))
            return True
        case "catalogue", "upsert":
            return writer.put_product(Product.model_validate(body), "hub", change.version)
        case "catalogue", "delete":
            writer.drop_product(*_key(change))
            return True
        case _:
            return False  # of a newer hub


def _key(change: wire.Change) -> tuple[str, str]:
    match json.loads(change.key):
        case [str() as seller, str() as of_seller]:
            return seller, of_seller
    raise ValueError("not a key of this feed")


# ── Belonging to a hub ───────────────────────────────────────────────────────────────────────────────────────────────


def connect(store: Store, settings: UpstreamSettings) -> Upstream | None:
    """The hub that this station is enrolled at; None where it is at none, or is not to speak to it.

    Raises UpstreamError where the credentials cannot be read.
    """
    credentials = Credentials.load(store.folder) if settings.enabled else None
    if credentials is None or credentials.url != settings.url.rstrip("/"):
        # The token goes nowhere but to the hub that gave it.
        return None
    with store.read() as reader:
        return Upstream(settings, credentials, reader.meta("hub_epoch"))


def enrol(store: Store, settings: UpstreamSettings, code: str) -> Message:
    """Enrol this station by a one-time code; afterwards `connect` finds its hub. Raises UpstreamError, StoreError.

    What it finished before is sent then, to a new hub all of it.
    """
    with store.read() as reader:
        epoch, block = reader.meta("epoch"), reader.meta("block")
    granted = hub.enrol(settings, code, epoch=epoch, block=block)
    granted.credentials.save(store.folder)
    with store.write() as writer:
        writer.set_meta("hub_station_id", granted.credentials.station_id)
        if not writer.meta("hub_epoch"):
            # A station of another hub keeps the old epoch: it then sees that it has moved, and offers all again.
            writer.set_meta("hub_epoch", granted.hub_epoch)
        if granted.block != writer.meta("block"):
            writer.set_meta("block", granted.block)
            writer.set_meta("next_unit", "1")
            writer.set_meta("next_batch", "1")
    if block and granted.block != block:
        return msg(
            "Enrolled. Another station has labels that begin with L{old}, as yours did; yours begin with L{new} now.",
            old=block,
            new=granted.block,
        )
    return msg("Enrolled: labels of this station begin with L{block}.", block=granted.block)
