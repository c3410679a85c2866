"""Facts to the hub, and what the hub announces back.

The queue is in the store, the clock, the chance and the connection are given: a simulator drives the same code as the
station's thread. Repeating is safe and is done until there is a receipt; nothing leaves the queue without one.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from math import inf
from typing import Any

from inspect_station import upstream as hub
from inspect_station.config import UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.barcode import clean
from inspect_station.core.clocks import LONGEST_WAIT, SKEWED
from inspect_station.core.ids import uuid7
from inspect_station.core.records import EventType, Product, Review, Rma, instant
from inspect_station.core.wire import Status
from inspect_station.message import Message, msg, msgn
from inspect_station.outbox.opened import Opened
from inspect_station.store import Outgoing, Reader, Receipt, Store, Writer
from inspect_station.store.values import EventState
from inspect_station.upstream import Credentials, Delivered, Gone, Kept, Later, Moved, Page, Refusal, Refused, Upstream

SUSPECT_AGAIN = LONGEST_WAIT
"""An event that broke the hub is tried again so much later (sync.md §2.5)."""
STRIKES, STRIKES_ALONE = 3, 5
"""So many failures of one batch halve it, and of one event alone make it suspect (sync.md §2.5)."""
PULL_S = 30.0
"""Seconds from one fetching to the next."""
CARE_S = 3600.0
"""Seconds from one look at what is due once a day or month to the next."""
AUDIT = timedelta(hours=24)
"""So often the hub is asked whether it still has what it confirmed,"""
RETENTION = timedelta(days=90)
"""and as far back; receipts are kept so long at least (sync.md §2.2): here for ever."""
TOKEN_LIVES = timedelta(days=30)
"""A station asks for another token after this time (sync.md §2.5)."""
OFFLINE_S = 60
"""A hub that was heard so many seconds ago is not called offline: what is wrong is said instead."""
SEEN_S = 60.0
"""The time of the last contact is written down no more often."""
MOST_PAGES = 1000
"""Pages of changes read in one go, within `PULL_S`; a hub that sends more goes on at the next."""
MOVES_APART_S = 60.0
"""Two changes of the hub within this time are two hubs behind one address."""
_ROWS = 200
"""Rows in one write: the bench waits for no more."""
CLOCK_S = 2.0
"""Our clock beside the hub's is written down anew when it has changed by so much."""

_log = logging.getLogger(__name__)


# ── What is shown ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HubState:
    """The lamp of the hub."""

    enrolled: bool
    offline_since: datetime | None
    """Since when it is not reached; None while it is."""
    last_contact: datetime | None
    waiting: int
    """Facts that the hub has not confirmed."""
    parked: int
    said: Message
    """How it stands with the hub, or why it is not reached."""
    units: int = 0
    """Inspections among what waits."""
    photos: int = 0
    """Photos that wait."""
    clock: Message | None = None
    """That somebody should set this station's clock."""
    locked_out: bool = False
    """Whether the hub is there, and does not know this station: waiting does not help, and ``said`` says what does."""

    def offline(self, now: datetime, disk_days: int | None) -> tuple[tuple[Message, ...], ...]:
        """The status line while the hub is not reached (sync.md §2.5), part by part, and what each lists; empty while
        it is, or was a moment ago.

        ``disk_days``: for how long there is room, where that is known.
        """
        seconds = int((now - self.offline_since).total_seconds()) if self.offline_since else 0
        if seconds < OFFLINE_S or self.locked_out:
            return ()
        waiting = (
            msgn("{n} inspection", "{n} inspections", n=self.units),
            msgn("{n} photo waiting", "{n} photos waiting", n=self.photos),
            msg("all saved on this station"),
        )
        parts = [(msg("OFFLINE {span:span}", span=seconds),), waiting]
        if disk_days is not None:
            year = msg("more than a year of disk")
            parts.append((msgn("{n} day of disk", "{n} days of disk", n=disk_days) if disk_days < 366 else year,))
        if self.last_contact is not None:
            parts.append((msg("last contact {at:moment}", at=instant(self.last_contact)),))
        return tuple(parts)


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
    "superseded_changed": msg(
        "A supervisor had decided that another dock's result counts; this one was changed after that. A supervisor "
        "decides again: F4."
    ),
    "stale_decision": msg(
        "What was decided on has changed meanwhile, so the decision changes nothing. It is kept; F4 shows what stands "
        "there now, a supervisor decides again."
    ),
    "duplicate_scan": msg("Another dock has inspected this parcel too, with the same result. Nothing to do."),
    "revision_twice": msg("The hub has another version of this inspection. Both are kept; a supervisor decides."),
    "seq_reuse": msg("A copy of this station's store was used beside it. Nothing is lost; call your administrator."),
    "clock_out_of_range": msg("The hub cannot believe this record's time. Set the clock; call your administrator."),
    "too_large": msg("The hub takes nothing so large. It is kept here; call your administrator."),
    "voided_at_hub": msg("A supervisor has said at the hub that this record says nothing. Nothing to do."),
    "corrected_at_hub": msg(
        "At the hub a supervisor has put a corrected record in the place of this one. Nothing to do."
    ),
    "internal_error": msg("The hub failed over this record and keeps it aside. Call your administrator."),
    "photo_invalid": msg("The hub cannot read this photo. It is kept here; take it again if the unit is still there."),
    "photo_hash_mismatch": msg(
        "This photo arrives damaged at the hub, each time. It is kept here; call your administrator."
    ),
    "photo_damaged": msg("The file of this photo is damaged here: check the disk. The inspection stands."),
    "photo_missing": msg("The file of this photo is gone from this station. The inspection stands."),
    Refusal.FAILED: msg("The hub fails over this record; the others went on. It is tried again every hour."),
    Refusal.FRAMING: msg(
        "The hub cannot read this line at all. It is tried again every hour; call your administrator."
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
class Portion:
    """How much goes at once over this line: half of what took too long, and one more than what came through."""

    most: int
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.most

    def too_slow(self, of: int) -> None:
        """So much did not come through in time."""
        self.size = max(1, of // 2)

    def in_time(self) -> None:
        """It came through."""
        self.size = min(self.most, self.size + 1)


@dataclass(slots=True)
class Pace:
    """How many events go at once, and how long to wait after a failure; knows nothing of stores or networks.

    Finds the one event that breaks the hub by halving: sizes grow back once all that was in doubt has passed.
    """

    batch: int
    min_wait_s: float
    max_wait_s: float
    random: Callable[[], float]
    """From 0 until before 1."""
    size: int = field(init=False)
    wait_s: float = field(init=False, default=0.0)
    """Not to be tried again within so many seconds; 0 while all is well."""
    _line: Portion = field(init=False)
    _doubt: int = field(init=False, default=0)
    _strikes: int = field(init=False, default=0)
    _failures: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.size = self.batch
        self._line = Portion(self.batch)

    def answered(self) -> None:
        """The hub can be reached."""
        self._failures = 0
        self.wait_s = 0.0

    def passed(self, events: int) -> None:
        """So many events need not be sent again."""
        self._strikes = 0
        self._doubt = max(0, self._doubt - events)
        self._line.in_time()
        if not self._doubt:
            self.size = self._line.size

    def too_slow(self, sent: int) -> None:
        """A batch of so many events did not come through in time."""
        self._line.too_slow(sent)
        self.size = self._line.size

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


# ── The queue in motion ──────────────────────────────────────────────────────────────────────────────────────────────


class Sync:
    """Sends and fetches. Any thread may call it; one thing happens at a time.

    ``monotonic`` is the clock for waiting, in seconds; ``clock`` the one for what is stored; ``random`` gives numbers
    from 0 until before 1; ``join`` finds the hub that this station belongs to, without it `connect`.
    """

    def __init__(
        self,
        store: Store,
        *,
        settings: UpstreamSettings,
        upstream: Upstream | None,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        random: Callable[[], float],
        join: Callable[[], Upstream | None] | None = None,
    ) -> None:
        self.upstream = upstream
        self.opened = Opened(clock, monotonic)
        """What is open on this bench, and where else it is."""
        self._store = store
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._join = join or (lambda: connect(store, settings))
        self._pace = Pace(settings.batch, settings.min_wait_s, settings.max_wait_s, random)
        self._offline_since: datetime | None = None
        self._last_contact: datetime | None = None
        self._trouble: Message | None = None
        self._locked_out = False
        self._heard = ""
        """When the hub was last heard, by any process, as of the last turn."""
        """Why the hub is not reached."""
        self._pull_at = self._care_at = self._seen_at = -inf
        self._page = Portion(_ROWS)
        self._moved_at = -inf
        self._ahead_s: float | None = None
        """By how much our clock was ahead of the hub's when that was last written down."""
        self._working = threading.RLock()

    def turn(self) -> float:
        """Do what is due; the seconds for which new work is not to hurry us, 0 while all is well."""
        self._reconnect()
        if self.push_once().problem is None:
            with self._working:
                if self.upstream is not None:
                    self.opened.tell(self.upstream)
            if self._monotonic() >= self._pull_at:
                self.pull_once()
            if self._trouble is None and self._monotonic() >= self._care_at:
                self.care_once()
        self._heard = self._last_heard()
        return self.wait_s

    def heard_elsewhere(self) -> bool:
        """Whether another process (the verb `sync`) has reached the hub since the last turn: then waiting is over, and
        the next turn asks it."""
        if self._last_heard() == self._heard:
            return False
        self._pull_at = self._monotonic()
        return True

    def _last_heard(self) -> str:
        with self._store.read() as reader:
            return reader.meta("hub_seen_at")

    @property
    def wait_s(self) -> float:
        """The hub is not to be asked again within so many seconds: neither a broken one nor its wish is hurried."""
        return self._pace.wait_s

    def until_pull(self) -> float:
        """Seconds until the hub is asked what it announces."""
        return max(0.0, self._pull_at - self._monotonic())

    def close(self) -> None:
        """Let go of the connection."""
        if self.upstream is not None:
            self.upstream.close()

    def _reconnect(self) -> None:
        """Where the hub is not reached: another process may have enrolled this station meanwhile."""
        with self._working:
            if self.upstream is not None and self._trouble is None:
                return
            self.join()

    def join(self) -> None:
        """Find the hub that this station belongs to now."""
        with self._working:
            found = self._join()
            if found is not None:
                self.close()
                self.upstream = found

    def state(self, reader: Reader) -> HubState:
        """The lamp."""
        counts = reader.waiting()
        last = self._last_contact
        if last is None and (seen := reader.meta("hub_seen_at")):
            last = datetime.fromisoformat(seen)
        return HubState(
            enrolled=self.upstream is not None,
            offline_since=self._offline_since and (last or self._offline_since),
            last_contact=last,
            waiting=counts.events,
            parked=counts.events_parked,
            said=self._said(counts.events, counts.events_parked, counts.photos),
            units=counts.units,
            photos=counts.photos,
            clock=_clock_said(reader.clock_ahead()),
            locked_out=self._locked_out,
        )

    @property
    def apart(self) -> Message | None:
        """Why this station speaks to no hub; None where it is enrolled at one."""
        if self.upstream is not None:
            return None
        if not self._settings.enabled:
            return msg("no hub: this station works alone")
        return msg("not enrolled at the hub: everything waits here")

    def _said(self, waiting: int, parked: int, photos: int) -> Message:
        if (apart := self.apart) is not None:
            return apart
        if self._trouble is not None:
            return self._trouble
        if parked:
            return msgn("{n} record needs attention", "{n} records need attention", n=parked)
        if waiting:
            return msgn("{n} record waits for the hub", "{n} records wait for the hub", n=waiting)
        if photos:
            return msgn("{n} photo waits for the hub", "{n} photos wait for the hub", n=photos)
        return msg("everything received by the hub")

    # ── Events up ────────────────────────────────────────────────────────────────────────────────────────────────────

    def push_once(self) -> Pushed:
        """Send all that waits, until it is done or cannot go on now."""
        sent, problem = 0, None
        with self._working:
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
                if not self._mark([self._kept(receipt) for receipt in receipts], upstream.hub_epoch):
                    return 0, self._later(Later(msg("The hub was changed.")))
                if any(receipt.code == "seq_reuse" for receipt in receipts):
                    self._count_anew(batch)
                if any(receipt.status is Status.CONFLICT for receipt in receipts) or any(
                    event.type in _REVISES for event in batch
                ):
                    # The hub has more to say than its receipt does: who else says what, or that nobody does any more.
                    self._pull_at = self._monotonic()
                self._pace.passed(len(receipts))
                self._reached()
                return sum(receipt.status in _TAKEN for receipt in receipts), None
            case Delivered():
                return 0, self._later(Later(msg("The hub answered, but not for what was sent.")))
            case Later() as later:
                if later.slow:
                    self._pace.too_slow(len(batch))
                return 0, self._later(later)
            case Moved(hub_epoch):
                return 0, self._rejoin(upstream, hub_epoch)
            case Refused(Refusal.NOT_KNOWN as code, message):
                return 0, self._refused(code, message)
            case Refused(code, message):
                return 0, self._broke(upstream, batch, code, message)

    def _broke(self, upstream: Upstream, batch: Sequence[Outgoing], code: Refusal, message: Message) -> Message | None:
        again = batch[0].state == "suspect"
        following = self._pace.broke(len(batch), surely=again or code is not Refusal.FAILED)
        if following is Next.SMALLER:
            return None
        if following is Next.AGAIN:
            return self._later(Later(message))
        # An event is to blame only if the hub is well without it; and an answer that broke does not say whose it is.
        match upstream.ready():
            case Moved(hub_epoch):
                return self._rejoin(upstream, hub_epoch)
            case False:
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

    def _mark(self, receipts: Sequence[Receipt], hub_epoch: str | None = None) -> bool:
        """Note what became of events. False, and nothing is noted, where another process has enrolled this station at
        another hub meanwhile: what the former one confirms counts for nothing."""
        if receipts:
            with self._store.write() as writer:
                if hub_epoch is not None and writer.meta("hub_epoch") not in ("", hub_epoch):
                    return False
                writer.mark_events(receipts)
                for receipt in receipts:
                    if receipt.code == wire.SETTLED["void"]:
                        writer.keep_photos_here(receipt.id)
        return True

    def ask_settled(self) -> None:
        """Send what the hub could not take once more: it says what has become of it, where a person has dealt with it.

        Until then it stays what it is, whatever goes wrong meanwhile.
        """
        with self._working:
            if self.upstream is None:
                return
            with self._store.read() as reader:
                refused = [event for event in reader.parked_events() if event.state == "rejected"]
            for at in range(0, len(refused), self._pace.batch):
                batch = refused[at : at + self._pace.batch]
                match self.upstream.deliver([(event.id, event.sha256, event.line) for event in batch]):
                    case Delivered(receipts):
                        kept = [self._kept(each) for each in receipts if each.status is not Status.RETRY]
                        self._mark(kept, self.upstream.hub_epoch)
                    case Later() | Moved():
                        return  # the next turn finds out what that means

    def _count_anew(self, batch: Sequence[Outgoing]) -> None:
        """The hub has other events under our numbers: this store, or the one beside it, is a copy."""
        with self._store.write() as writer:
            if writer.meta("epoch") == batch[-1].epoch:
                _log.warning("a copy of this store was used: events are counted anew")
                writer.begin_epoch()
                writer.set_meta("copied_at", instant(self._clock()))

    def _rejoin(self, upstream: Upstream, hub_epoch: str) -> Message | None:
        """The hub was restored, or is another one: offer again what it does not have, then go on with it."""
        if self._monotonic() - self._moved_at < MOVES_APART_S:
            return self._later(Later(msg("More than one hub answers.")))
        problem = self._offer_missing(upstream, hub_epoch)
        if problem is not None:
            return problem
        offered = _ROWS
        while offered == _ROWS:
            with self._store.write() as writer:
                offered = writer.offer_photos_again(_ROWS)
        with self._store.write() as writer:
            writer.set_meta("hub_epoch", hub_epoch)
            writer.set_meta("hub_cursor", "")
        upstream.hub_epoch = hub_epoch
        self._moved_at = self._monotonic()
        return None

    def _offer_missing(self, upstream: Upstream, hub_epoch: str, after: str = "") -> Message | None:
        """Ask which of the confirmed events, those with an id after this one, the hub does not have, and offer them
        again."""
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
                case Refused(code, message):
                    return self._refused(code, message)
                case Moved():
                    return self._later(Later(msg("More than one hub answers.")))
            after = lines[-1][0]
        return None

    def _known(self, after: str) -> Sequence[tuple[str, str]]:
        with self._store.read() as reader:
            return reader.known_events(after, wire.MAX_KNOWN)

    def _reached(self) -> None:
        self._pace.answered()
        now = self._clock()
        self._last_contact, self._offline_since, self._trouble, self._locked_out = now, None, None, False
        hub_time = self.upstream.hub_time if self.upstream is not None else None
        ahead_s = (now - hub_time).total_seconds() if hub_time is not None else 0.0
        known = self._ahead_s is not None and abs(ahead_s - self._ahead_s) < CLOCK_S
        if known and self._monotonic() - self._seen_at < SEEN_S:
            return
        with self._store.write() as writer:
            writer.set_meta("hub_seen_at", instant(now))
            if hub_time is not None and not known:
                writer.set_hub_clock(hub_time)
        self._ahead_s, self._seen_at = ahead_s, self._monotonic()

    def _later(self, later: Later) -> Message:
        self._locked_out = False
        self._pace.failed(later.after_s)
        self._offline_since = self._offline_since or self._clock()
        self._trouble = later.message
        return later.message

    def _refused(self, code: Refusal, message: Message) -> Message:
        said = self._later(Later(message))
        self._locked_out = code is Refusal.NOT_KNOWN
        return said

    # ── Once a day, once a month ─────────────────────────────────────────────────────────────────────────────────────

    def care_once(self) -> None:
        """Ask what has become of records that it could not take; once a day, whether the hub still has what it
        confirmed; and have another token before this is old."""
        with self._working:
            if self.upstream is None:
                return
            self.ask_settled()
            now = self._clock()
            self._care_at = self._monotonic() + CARE_S
            with self._store.read() as reader:
                audited = reader.meta("hub_audited_at")
            if _over(audited, now, AUDIT):
                since = max(0, int((now - RETENTION).timestamp() * 1000))
                if self._offer_missing(self.upstream, self.upstream.hub_epoch, uuid7(since, bytes(10))) is not None:
                    return
                with self._store.write() as writer:
                    writer.set_meta("hub_audited_at", instant(now))
            self._renew(self.upstream, now)

    def _renew(self, upstream: Upstream, now: datetime) -> None:
        """Have another token in time. Until it is used the one before is good: a lost answer costs nothing."""
        held = upstream.credentials
        if held is None:
            return
        if not held.since:
            replace(held, since=instant(now)).save(self._store.folder)
        elif not _over(held.since, now, TOKEN_LIVES):
            return
        else:
            token = upstream.new_token()
            if not isinstance(token, str):
                return
            replace(held, token=token, since=instant(now)).save(self._store.folder)
        self.join()

    # ── Changes down ─────────────────────────────────────────────────────────────────────────────────────────────────

    def pull_once(self) -> Pulled:
        """Fetch what the hub announces, until there is no more or it cannot go on now."""
        fetched, problem = 0, None
        self._pull_at = until = self._monotonic() + PULL_S
        seen: set[str] = set()
        with self._working:
            for _ in range(MOST_PAGES):
                if self.upstream is None or problem is not None or self._monotonic() > until:
                    break
                with self._store.read() as reader:
                    cursor = reader.meta("hub_cursor")
                match self.upstream.changes(cursor, self._page.size):
                    case Page() as page if page.more and page.cursor in seen:
                        problem = self._later(Later(msg("The hub announces the same again and again.")))
                    case Page() as page:
                        seen.add(page.cursor)
                        fetched += self._take(page)
                        self._page.in_time()
                        self._reached()
                        if not page.more:
                            break
                    case Gone() if cursor:
                        with self._store.write() as writer:
                            writer.set_meta("hub_cursor", "")
                    case Gone():
                        problem = self._later(Later(msg("The hub cannot say what it announces.")))
                    case Later() as later:
                        if later.slow:
                            self._page.too_slow(self._page.size)
                        problem = self._later(later)
                    case Refused(code, message):
                        problem = self._refused(code, message)
                    case Moved(hub_epoch):
                        problem = self._rejoin(self.upstream, hub_epoch)
        return Pulled(fetched, problem)

    def _take(self, page: Page) -> int:
        """Keep a page and where it ends, both or nothing; how many of its changes were news."""
        for change in page.changes:
            if (change.feed, change.op) == ("erased", "upsert"):
                # The files first, and not while the bench waits for the writer; after a crash in between it is heard
                # once more.
                with suppress(ValueError):
                    self._store.blobs.erase(change.key)
        with self._store.write() as writer:
            news = 0
            for change in page.changes:
                try:
                    news += _apply(writer, change)
                except ValueError:
                    _log.warning("a change that cannot be read is passed over: %s %s", change.feed, change.version)
            writer.set_meta("hub_cursor", page.cursor)
        return news


_REVISES = (EventType.INSPECTION_AMENDED, EventType.INSPECTION_VOIDED)
_TAKEN = (Status.ACCEPTED, Status.DUPLICATE, Status.CONFLICT)
_STATES: Mapping[Status, EventState] = {
    Status.ACCEPTED: "accepted",
    Status.DUPLICATE: "duplicate",
    Status.CONFLICT: "conflict",
    Status.REJECTED: "rejected",
}


def _over(since: str, now: datetime, span: timedelta) -> bool:
    """Whether so much time has passed since then; after a clock that was set back, too."""
    return not since or not timedelta() <= now - datetime.fromisoformat(since) < span


def _clock_said(ahead: timedelta) -> Message | None:
    minutes = round(abs(ahead).total_seconds() / 60)
    if abs(ahead) <= SKEWED:
        return None
    if ahead > timedelta():
        return msg("clock {span:span} fast: set it", span=minutes * 60)
    return msg("clock {span:span} slow: set it", span=minutes * 60)


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
            seller, number = _key(change)
            writer.close_rma(seller, number)
            return True
        case "decision", "upsert":
            return writer.put_review(Review.model_validate(body), change.version)
        case "decision", "delete":
            seller, number, no = _key(change, 3)
            writer.drop_review(seller, number, no)
            return True
        case "catalogue", "upsert":
            return writer.put_product(Product.model_validate(body), "hub", change.version)
        case "catalogue", "delete":
            seller, gtin = _key(change)
            writer.drop_product(seller, gtin)
            return True
        case "erased", "upsert":
            return writer.erase_photo(change.key)
        case _:
            return False  # of a newer hub


def _key(change: wire.Change, parts: int = 2) -> list[Any]:
    """Seller, what it is called there, and of a line its number."""
    key = json.loads(change.key)
    if isinstance(key, list) and len(key) == parts and [type(part) for part in key] == [str, str, int][:parts]:
        return key
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
            writer.use_block(granted.block)
    if block and granted.block != block:
        return msg(
            "Enrolled. Another station has labels that begin with L{old}, as yours did; yours begin with L{new} now.",
            old=block,
            new=granted.block,
        )
    return msg("Enrolled: labels of this station begin with L{block}.", block=granted.block)
