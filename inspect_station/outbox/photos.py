"""Photos to the hub, aside from the facts: one at a time, the newest unit first, and only while no fact waits.

A photo goes after its unit's event was accepted, and no receipt waits for one. What fails is begun anew as a whole. A
file is deleted here only when the hub has verified it, knows the units that show it, and its time is over; or at once,
when the hub says that it was erased.
"""

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from math import inf

from inspect_station.config import UpstreamSettings
from inspect_station.core import wire
from inspect_station.core.clocks import LONGEST_WAIT
from inspect_station.errors import NotFound, StoreError
from inspect_station.message import Message, msg
from inspect_station.outbox.sync import Pace, connect
from inspect_station.store import Reader, Store, StoredPhoto
from inspect_station.store.values import PhotoState
from inspect_station.upstream import Bad, Later, Moved, Refusal, Refused, Stored, Upstream

TRIES = 3
"""So often the hub may find the same photo bad, or a photo fail before the next one is tried."""
PUT_OFF = LONGEST_WAIT
"""A photo that fails where others arrive is tried again so much later."""
LOOK_S = 5.0
"""Seconds after which the hub is asked again what it makes of a photo, if it does not say."""
FOUND_AGAIN_S = 600.0
"""Seconds from one look for files that were gone, and for those whose time is over, to the next."""
_FEW = 20
_MANY = 200
"""Photos among which one is looked for that has not failed."""
_TYPES = {b"\xff\xd8\xff": "image/jpeg", b"\x89PN": "image/png", b"RIF": "image/webp"}

_log = logging.getLogger(__name__)


class Photos:
    """Sends photos. Any thread may call it; one thing happens at a time. What is given is as in `Sync`.

    ``keep_days``: how long photos stay here after they were taken, at least; 0 = for ever.
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
        keep_days: int = 0,
        join: Callable[[], Upstream | None] | None = None,
    ) -> None:
        self.upstream = upstream
        self.problem: Message | None = None
        """Why no photo goes now."""
        self._store = store
        self._clock = clock
        self._monotonic = monotonic
        self._keep_days = keep_days
        self._join = join or (lambda: connect(store, settings))
        self._pace = Pace(1, settings.min_wait_s, settings.max_wait_s, random)
        self._look_at = -inf
        self._bad: Counter[str] = Counter()
        """By SHA-256: how often the hub has found a photo bad."""
        self._failed: Counter[str] = Counter()
        """By SHA-256: how often a photo has failed, whoever's fault that is."""
        self._passed: set[str] = set()
        """Photos that had failed often enough when another one arrived: if they fail once more it is not the store."""
        self._working = threading.RLock()

    def turn(self) -> bool:
        """Send one photo, if one may go; whether there may be another to send at once."""
        with self._working:
            if self.upstream is None or self.problem is not None:
                self.join()
            if self._monotonic() >= self._look_at:
                self._look_at = self._monotonic() + FOUND_AGAIN_S
                self._look_for_lost()
                if self._keep_days and self.upstream is not None:
                    self._delete_over(self.upstream)
            with self._store.read() as reader:
                if any(event.state != "suspect" for event in reader.pending_events(_FEW)):
                    return False
                photo = self._next(reader)
            if photo is None or self.upstream is None:
                self.problem = None
                return False
            return self._send(self.upstream, photo)

    def rest(self) -> float:
        """Seconds for which nothing is to be sent; 0 while all is well."""
        return self._pace.wait_s

    def close(self) -> None:
        """Let go of the connection."""
        if self.upstream is not None:
            self.upstream.close()

    def join(self) -> None:
        """Find the hub that this station belongs to now."""
        with self._working:
            if (found := self._join()) is not None:
                self.close()
                self.upstream = found

    def _next(self, reader: Reader) -> StoredPhoto | None:
        """The newest that has not failed too often; where all have it is the store or the line, and they begin anew."""
        due = reader.photos_to_send(_MANY if self._failed else 1)
        for photo in due:
            if self._failed[photo.sha256] < TRIES or photo.sha256 in self._passed:
                return photo
        self._failed.clear()
        return next(iter(due), None)

    # ── One photo ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _send(self, upstream: Upstream, photo: StoredPhoto) -> bool:
        """Ask for a place, put the bytes there, ask what became of them; whether to go on with the next."""
        if photo.state == "sent":
            return self._heed(photo, self._arrived(upstream, photo))
        try:
            data = self._store.blobs.get(photo.sha256)
        except NotFound:
            data = b""  # a store that was put back may have been told that the hub has it, and have forgotten that
        except StoreError:
            return self._mark(photo, "bad", "photo_damaged")
        mime = _TYPES.get(data[:3], "image/jpeg")
        place = upstream.place(photo.sha256, len(data) or 1, mime)
        if not isinstance(place, wire.BlobPlace):
            return self._heed(photo, place)
        if place.mode == "have":
            return self._heed(photo, Stored(verified=True, erased=place.erased))
        if not data:
            return self._mark(photo, "missing", "photo_missing")
        failure = upstream.put(place, photo.sha256, data, mime)
        return self._heed(photo, failure or self._arrived(upstream, photo))

    def _arrived(self, upstream: Upstream, photo: StoredPhoto) -> Stored | Bad | Later | Refused | Moved:
        """Ask what became of the bytes."""
        answer = upstream.complete(photo.sha256)
        if isinstance(answer, Stored) and answer.verified:
            self._passed.update(sha256 for sha256, failures in self._failed.items() if failures >= TRIES)
        return answer

    def _heed(self, photo: StoredPhoto, answer: Stored | Bad | Later | Refused | Moved) -> bool:
        match answer:
            case Stored(verified=True, erased=True):
                self._erase(photo.sha256)
                return True
            case Stored(verified=True):
                return self._mark(photo, "verified")
            case Stored(after_s=after_s):
                wait = timedelta(seconds=LOOK_S if after_s is None else max(after_s, 1.0))
                return self._mark(photo, "sent", not_before=self._clock() + wait)
            case Bad(code):
                self._bad[photo.sha256] += 1
                if self._bad[photo.sha256] >= TRIES or code == "too_large":
                    return self._mark(photo, "bad", code)
                # Its bytes may have been spoilt on the way: so often it is begun anew as a whole.
                return self._mark(photo, "waiting")
            case Refused(Refusal.NOT_KNOWN, message) if self._token_changed():
                return True
            case Refused(_, message) | Later(message):
                if photo.sha256 in self._passed:
                    self._forget(photo.sha256)
                    self._mark(photo, "waiting", not_before=self._clock() + PUT_OFF)
                else:
                    # The store may be away, for all photos: the lane waits for it, longer each time.
                    self._failed[photo.sha256] += 1
                self._pace.failed(answer.after_s if isinstance(answer, Later) else None)
                self.problem = message
            case Moved():
                # The other lane finds out what that means, and offers all photos again.
                self._pace.failed()
                self.problem = msg("The hub was changed.")
        return False

    def _forget(self, sha256: str) -> None:
        """What was held against a photo."""
        for counted in (self._bad, self._failed):
            counted.pop(sha256, None)
        self._passed.discard(sha256)

    def _token_changed(self) -> bool:
        held = self.upstream.credentials if self.upstream is not None else None
        self.join()
        now = self.upstream.credentials if self.upstream is not None else None
        return held is not None and now is not None and held.token != now.token

    def _mark(
        self, photo: StoredPhoto, state: PhotoState, code: str = "", *, not_before: datetime | None = None
    ) -> bool:
        if code:
            _log.warning("photo %s: %s", photo.sha256, code)
        with self._store.write() as writer:
            if self.upstream is not None and writer.meta("hub_epoch") not in ("", self.upstream.hub_epoch):
                # Another process has enrolled this station elsewhere: what the former hub has counts for nothing.
                self._pace.failed()
                self.problem = msg("The hub was changed.")
                return False
            writer.mark_photo(photo.sha256, state, code, not_before)
        if state not in ("waiting", "sent"):
            self._forget(photo.sha256)
        self.problem = None
        self._pace.answered()
        return True

    def _erase(self, sha256: str) -> None:
        """Nobody is to have it any more: whatever else is set here, its file goes at once."""
        # The file first: after a crash in between the hub is asked, or says it, once more.
        self._store.blobs.erase(sha256)
        with self._store.write() as writer:
            writer.erase_photo(sha256)
        self._forget(sha256)
        self.problem = None
        self._pace.answered()

    # ── What is gone, and what may go ────────────────────────────────────────────────────────────────────────────────

    def _look_for_lost(self) -> None:
        """Files that somebody has put back."""
        with self._store.read() as reader:
            lost = [photo for photo in reader.photos_parked() if photo.state == "missing"]
        for photo in lost:
            if self._store.blobs.path(photo.sha256).exists():
                with self._store.write() as writer:
                    writer.mark_photo(photo.sha256, "waiting")

    def _delete_over(self, upstream: Upstream) -> None:
        """Delete files whose time is over, each after the hub has said once more that it has it: it may have been put
        back to a time before it had."""
        before = self._clock() - timedelta(days=self._keep_days)
        with self._store.read() as reader:
            over = reader.photos_over(before)
        for sha256 in over:
            path = self._store.blobs.path(sha256)
            # Of one that is gone already the size is not known; it is asked about all the same.
            place = upstream.place(sha256, path.stat().st_size if path.exists() else 1, "image/jpeg")
            if not isinstance(place, wire.BlobPlace):
                return
            if place.erased:
                self._erase(sha256)
                continue
            if place.mode == "have":
                # The file first: after a crash in between it is found over once more.
                path.unlink(missing_ok=True)
            with self._store.write() as writer:
                if place.mode == "have":
                    writer.mark_photo(sha256, "deleted")
                else:
                    writer.offer_photo_again(sha256)
