"""What is open on this bench, told to the hub, and where else the same is open: a hint, and no fact (sync.md §2.4).

It is in no queue and no store. Only what is open now is told, once; what the hub does not answer at once is not shown,
and nobody hears of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from inspect_station.core import wire
from inspect_station.core.barcode import clean
from inspect_station.upstream import Later, Upstream

REST_S = 60.0
"""After a hub that did not answer, seconds until it is told anything again,"""
TOO_OLD_S = 3600.0
"""and after one that knows of no such thing: it may be replaced."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another dock at which a return is open."""

    seller: str
    rma: str
    station: str
    operator: str
    """Who works there, by name; empty where nobody said."""
    at: datetime
    """When it was opened there, by our clock."""


@dataclass(frozen=True, slots=True)
class _Bench:
    rmas: tuple[tuple[str, str], ...] = ()
    unit: str = ""
    operator: str = ""


class Opened:
    """What is open here, and where else it is. `show` and `elsewhere` never wait, and any thread may call them."""

    def __init__(self, clock: Callable[[], datetime], monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._bench = self._told = _Bench()
        self._heard: tuple[tuple[float, Elsewhere], ...] = ()
        """What the hub answered last, each until when it is shown."""
        self._rests_until = -inf

    def show(self, rmas: Sequence[tuple[str, str]], unit: str, operator: str) -> bool:
        """From now on these returns are open here, in whose hands, and this unit of them; whether that is news."""
        bench = _Bench(tuple(rmas[: wire.MAX_OPENED]), unit, operator) if rmas else _Bench()
        news, self._bench = bench != self._bench, bench
        if not rmas:
            self._heard = ()
        return news

    @property
    def elsewhere(self) -> tuple[Elsewhere, ...]:
        """Where else is open what is open here, the newest first, as far as the hub has said so."""
        now, rmas = self._monotonic(), self._bench.rmas
        return tuple(each for until, each in self._heard if now < until and (each.seller, each.rma) in rmas)

    def tell(self, upstream: Upstream) -> None:
        """Tell the hub what is open, if that is news to it. One try, and a short one: what is lost is lost."""
        bench, now = self._bench, self._monotonic()
        if bench == self._told or now < self._rests_until:
            return
        self._told = bench
        match upstream.opened(bench.rmas, bench.operator):
            case wire.OpenElsewhere(docks=docks):
                asked = [each for each in docks if (each.seller, each.rma) in bench.rmas]
                self._heard = tuple(map(self._read, asked[: wire.MAX_DOCKS]))
            case None:
                self._rests_until = now + TOO_OLD_S
            case Later(after_s=after_s):
                self._rests_until = now + max(REST_S, after_s or 0.0)
            case _:
                # That the hub is another one, or does not know this station, is found out with the next facts.
                self._rests_until = now + REST_S

    def _read(self, dock: wire.OpenAt) -> tuple[float, Elsewhere]:
        age_s = min(max(dock.age_s, 0), wire.OPENED_S)
        at = self._clock() - timedelta(seconds=age_s)
        told = Elsewhere(dock.seller, dock.rma, clean(dock.station, 40), clean(dock.operator, 40), at)
        return self._monotonic() + wire.OPENED_S - age_s, told
