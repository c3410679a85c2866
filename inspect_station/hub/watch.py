"""What can be seen of a running hub: figures for Prometheus, and a log of one JSON object a line.

Neither holds a name, a token, or anything that a station or a stranger wrote: routes are the templates, stations their
ids, and of what broke only the kind and the place.
"""

import json
import logging
import math
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inspect_station.core.wire import Receipt
from inspect_station.errors import StationError

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH"})
_log = logging.getLogger(__name__)


class Watch:
    """The figures of one hub since it was started, and its log."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self._registry = kept = CollectorRegistry()
        self._requests = Counter(
            "hub_requests", "Answers given.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "hub_request_seconds", "From the first byte to the last.", ["route"], registry=self._registry
        )
        self._events = Counter(
            "hub_events", "Receipts given, by what became of the event.", ["status"], registry=self._registry
        )
        self._photos = Counter(
            "hub_photos", "Photos looked at, by what was found.", ["outcome"], registry=self._registry
        )
        self._now = {
            name: Gauge(f"hub_{name}", help, registry=kept)
            for name, help in (
                ("in_flight", "Requests being answered."),
                ("parked", "Lines parked that nobody has dealt with."),
                ("photos_missing", "Photos that units refer to and the hub does not have."),
                ("stations", "Stations that have enrolled and were not revoked."),
            )
        }

    def request(self, method: str, route: str, status: int, seconds: float, caller: str) -> None:
        """An answer was given, to a station with this id or to nobody known."""
        method, route = method if method in _METHODS else "other", route or "unknown"
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        told = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 1), "station": caller}
        _log.log(logging.WARNING if status >= 500 else logging.INFO, "request", extra={"told": told})

    def receipts(self, receipts: list[Receipt]) -> None:
        """Events were received."""
        for receipt in receipts:
            self._events.labels(receipt.status.value).inc()

    def photo(self, outcome: str) -> None:
        """A photo was looked at: ``verified``, or the code of what is wrong with it."""
        self._photos.labels(outcome).inc()

    def broken(self, error: Exception) -> None:
        """Something broke: nobody had foreseen it, or a store is in the way."""
        _log.error("broken", exc_info=error)

    def figures(self, now: "Callable[[], dict[str, int]]") -> bytes:
        """Everything, in Prometheus' text form; ``now`` answers what is so at this moment, as far as it is known."""
        from prometheus_client import generate_latest

        known = now()
        for name, gauge in self._now.items():
            gauge.set(known.get(name, math.nan))
        return generate_latest(self._registry)


class JsonLines(logging.Formatter):
    """Each record as one line of ASCII: no control character of anybody's reaches a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The record."""
        told: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "from": record.name,
            "event": record.getMessage(),
            **getattr(record, "told", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            # Its text may repeat what somebody sent.
            error = record.exc_info[1]
            frames = traceback.extract_tb(error.__traceback__)[-12:]
            told["error"] = type(error).__name__
            if error.__cause__ is not None:
                told["cause"] = type(error.__cause__).__name__
            if isinstance(error, StationError):
                # Our own words of a store and its machine: nobody else's are in them.
                told["said"] = str(error.title)
            told["where"] = [f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno}" for frame in frames]
        return json.dumps(told)


def log_to_stderr() -> None:
    """Let the whole process log so, its web server included."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("uvicorn", "inspect_station"):
        logging.getLogger(name).setLevel(logging.INFO)
