"""What stands between the network and the hub: how much anybody may send, how fast, and what is told of it.

A request is measured before it is read, and read before it is understood. The memory it can take is bounded by the
limits here times the few requests that are let in at once.
"""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inspect_station.core import wire
from inspect_station.core.records import Record
from inspect_station.hub.watch import Watch

_Form = TypeVar("_Form", bound=Record)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a hub takes; ours, of one process each."""

    requests: int = 256
    """At once, of all; more are asked to come back."""
    ingests: int = 16
    """Requests with events that may wait for their turn."""
    ingesting: int = 4
    """Of these, read and written at the same time."""
    photos: int = 8
    """Photos received, or fetched to be looked at, at the same time; two of them are decoded."""
    of_one: int = 4
    """Of one station, with facts or photos at the same time: by slow bodies it keeps out nobody but itself."""
    rate: float = 20.0
    """Requests a second of one station, in the long run. A busy one needs two."""
    burst: float = 200.0
    """Requests that a station which was silent for long may make at once."""
    enrolments: float = 5.0
    """A second, of all strangers together."""
    photo_bytes: int = 20 << 30
    """Of one station in a day: five times what a busy one makes."""
    silence_s: float = 15.0
    """The longest without a single byte of a body."""
    patience_s: float = 60.0
    """The longest that a body may take; a photo's, five times that."""
    drain_s: float = 10.0
    """The longest that requests in flight may take to end when the hub stops."""


class Refused(Exception):
    """A request that is not carried out."""

    def __init__(self, status: int, code: str, title: str = "", *, after_s: int = 0) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.title = title
        self.after_s = after_s


class Buckets:
    """A bucket of tokens for each key, which fills up again at a steady rate."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate = rate
        self.burst = burst
        self._left: dict[str, tuple[float, float]] = {}
        self._turn = threading.Lock()

    def take(self, key: str) -> float:
        """Take one; 0, or the seconds until there is one again."""
        with self._turn:
            now = time.monotonic()
            left, at = self._left.get(key, (self.burst, now))
            left = min(self.burst, left + (now - at) * self.rate)
            if left < 1:
                return (1 - left) / self.rate
            self._left[key] = left - 1, now
            return 0.0


class Traffic:
    """The requests that a hub is answering now."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.closing = False
        """New ones are turned away: the hub stops."""


class Edge:
    """Around the application: every answer says whose it is and is counted, and what breaks is an answer too."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        traffic: Traffic,
        watch: Watch,
        limits: Limits,
        stamp: Callable[[], dict[str, str]],
        problem: Callable[..., Response],
    ) -> None:
        self.app = app
        self.traffic = traffic
        self.watch = watch
        self.limits = limits
        self.stamp = stamp
        self.problem = problem

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; no exception of it leaves here once there is an answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                told = [*self.stamp().items(), *([("connection", "close")] if self._last(status) else [])]
                message["headers"] = [*message["headers"], *((k.encode(), v.encode()) for k, v in told)]
            await send(message)

        self.traffic.in_flight += 1
        try:
            if refused := self._turned_away(scope["path"]):
                await refused(scope, receive, stamped)
            else:
                await self.app(scope, receive, stamped)
        except ClientDisconnect:
            status = status or 499
        except Exception as error:
            self.watch.broken(error)
            if status:
                raise
            await self.problem(500, "internal_error")(scope, receive, stamped)
        finally:
            self.traffic.in_flight -= 1
            route = getattr(scope.get("route"), "path", "")
            caller = scope.get("state", {}).get("caller", "")
            self.watch.request(scope["method"], route, status or 500, time.perf_counter() - started, caller)

    def _turned_away(self, path: str) -> Response | None:
        if path in ("/livez", "/v1/livez", "/metrics"):
            return None
        if self.traffic.closing:
            return self.problem(503, "closing", after_s=5)
        if self.traffic.in_flight > self.limits.requests:
            return self.problem(503, "busy", after_s=2)
        return None

    def _last(self, status: int) -> bool:
        """Whether nothing more is wanted on the connection: the hub stops, or the body was not read to its end."""
        return self.traffic.closing or status in (408, 413)


# ── Requests, read with care ─────────────────────────────────────────────────────────────────────────────────────────


def media_type(request: Request) -> str:
    """What the body is said to be."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def body(request: Request, limit: int, limits: Limits, patience: int = 1) -> bytes:
    """The body as it was sent, given up as soon as it exceeds the limit, stops, or takes too long. Raises Refused."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > limit:
        raise Refused(413, "too_large", f"more than {limit} bytes")
    read = bytearray()
    until = asyncio.get_running_loop().time() + limits.patience_s * patience
    try:
        async with asyncio.timeout(limits.silence_s) as silence:
            async for part in request.stream():
                read += part
                if len(read) > limit:
                    raise Refused(413, "too_large", f"more than {limit} bytes")
                silence.reschedule(min(asyncio.get_running_loop().time() + limits.silence_s, until))
    except TimeoutError as error:
        raise Refused(408, "slow", "the body did not arrive in time") from error
    return bytes(read)


async def form(request: Request, form: type[_Form], limit: int, limits: Limits) -> _Form:
    """The body as what it should be. Raises Refused."""
    if media_type(request) != "application/json":
        raise Refused(415, "media_type", "application/json")
    data = await body(request, limit, limits)
    try:
        found: _Form = form.model_validate(await run_in_threadpool(wire.parse, data))
    except ValueError as error:
        raise Refused(400, "framing", "not what is asked for here") from error
    return found
