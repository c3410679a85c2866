"""A network that fails: an HTTP proxy on 127.0.0.1, between a real station and a real hub, that is told what to do.

A fault is an async function that is given one `Exchange`, and may ask the hub, alter, cut, delay or withhold what it
answers. What happened to whom is counted, so that a test can show that the fault was there.
"""

import asyncio
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Self

END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    """Without its query."""
    head: bytes
    body: bytes

    @property
    def whole(self) -> bytes:
        """The bytes of it."""
        return self.head + self.body


@dataclass(frozen=True, slots=True)
class Heard:
    """One request that the proxy has seen."""

    at: float
    """By `time.monotonic`."""
    path: str
    faulty: bool


@dataclass
class Exchange:
    """One request on its way to the hub, and its answer on the way back."""

    proxy: "Proxy"
    asked: Asked
    _writer: asyncio.StreamWriter
    over: bool = False
    """The connection is not used any more."""

    async def forward(self, port: int = 0, whole: bytes = b"") -> bytes:
        """Let it, or another request, through to the hub, or to another; the whole answer, head and body."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.proxy.hub_port)
        try:
            writer.write(whole or self.asked.whole)
            await writer.drain()
            head = await reader.readuntil(END)
            return head + await reader.readexactly(_length(head))
        finally:
            writer.close()

    async def send(self, data: bytes) -> None:
        """Say this to the station."""
        self._writer.write(data)
        await self._writer.drain()

    async def slowly(self, data: bytes, rate: float, slice: int = 1) -> None:
        """Say this, so many bytes a second, a few at a time; until the station has had enough, or all is healed."""
        for at in range(0, len(data), slice):
            if await self.pause(slice / rate):
                break
            await self.send(data[at : at + slice])
        else:
            return
        self.hang_up()

    async def pause(self, seconds: float) -> bool:
        """Do nothing for a while; whether all was healed meanwhile."""
        return await self.proxy._pause(seconds)

    def hang_up(self) -> None:
        """End the connection after what was said."""
        self.over = True

    def reset(self) -> None:
        """Break the connection off, as a machine does that knows nothing of it."""
        self._writer.get_extra_info("socket").setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        self.over = True


Fault = Callable[[Exchange], Awaitable[None]]


def answer(body: bytes, status: str = "200 OK", kind: str = "application/json", **headers: str) -> bytes:
    """An answer in which everything is right."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + END + body


def parted(whole: bytes) -> tuple[bytes, bytes]:
    """Head, with the empty line that ends it, and body."""
    at = whole.index(END) + len(END)
    return whole[:at], whole[at:]


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


@dataclass
class Proxy:
    """Listens on a port of its own, which stays the same while it is down and up again. Any thread may use it."""

    hub_port: int
    rate: float = 0.0
    """Bytes a second, each way, of the line between station and proxy; 0 for no limit."""
    heard: list[Heard] = field(default_factory=list)
    port: int = 0
    _fault: Fault | None = None
    _on: str = ""
    _left: float = 0
    _tls: ssl.SSLContext | None = None

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._healed = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._thread.start()
        self.up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.heal()
        self.down()
        self._do(self._finished())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # ── What it is told ──────────────────────────────────────────────────────────────────────────────────────────────

    def up(self, tls: ssl.SSLContext | None = None) -> None:
        """Listen."""
        self._do(self._listen(tls))

    def down(self) -> None:
        """Refuse connections, and drop those that there are."""
        self._do(self._deafen())

    def fault(self, fault: Fault, *, on: str = "/v1/events", times: float = float("inf")) -> None:
        """From now on do this to requests to that path, or to any, so many times at most."""
        self._loop.call_soon_threadsafe(self._healed.clear)
        self._on, self._left, self._fault = on, times, fault

    def heal(self) -> None:
        """From now on let everything through; what is held back is dropped."""
        self._fault = None
        self._loop.call_soon_threadsafe(self._healed.set)

    def faulty(self, since: int = 0) -> int:
        """How many requests a fault has met, after the first so many that were heard."""
        return sum(each.faulty for each in self.heard[since:])

    # ── What it does ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self, tls: ssl.SSLContext | None) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=tls, limit=1 << 22)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _deafen(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in tuple(self._writers):
            writer.transport.abort()

    async def _finished(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pause(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._healed.wait(), seconds)
            return True
        return False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while await self._one(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # whoever hangs up first
        finally:
            self._writers.discard(writer)
            with suppress(OSError):
                writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request; whether another may follow."""
        head = await reader.readuntil(END)
        body = await reader.readexactly(_length(head))
        method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
        exchange = Exchange(self, Asked(method, target.partition("?")[0], head, body), writer)
        fault = self._due(exchange.asked.path)
        self.heard.append(Heard(time.monotonic(), exchange.asked.path, fault is not None))
        await self._carry(len(head) + len(body))
        if fault is not None:
            await fault(exchange)
        else:
            whole = await exchange.forward()
            await self._carry(len(whole))
            await exchange.send(whole)
        return not exchange.over

    async def _carry(self, size: int) -> None:
        """The time that so many bytes take."""
        if self.rate:
            await asyncio.sleep(size / self.rate)

    def _due(self, path: str) -> Fault | None:
        if self._fault is None or self._on not in (path, "") or self._left <= 0:
            return None
        self._left -= 1
        return self._fault
