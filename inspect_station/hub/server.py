"""The web server around the hub, and how it stops: it says so first, and leaves nobody in the middle."""

import errno
import gc
import os
import socket
import time
from types import FrameType

import uvicorn
from fastapi import FastAPI

from inspect_station.errors import StationError
from inspect_station.hub.edge import Limits, Traffic
from inspect_station.hub.watch import log_to_stderr
from inspect_station.message import msg

LINGER_S = 1.0
"""So long a hub that stops turns new requests away before it hangs up, so that whoever balances its load sees it."""
CYCLES = 50_000
"""Objects that may be made, and not given up, before Python looks for cycles among them: a batch makes 10,000."""
HANG_UP_S = 2
"""So long connections may take to close, when nothing is in flight any more."""


def run(app: FastAPI, host: str, port: int, limits: Limits) -> None:
    """Answer until told to stop (SIGTERM, SIGINT; a second one means at once). The log goes to stderr, as JSON.

    Raises StationError where it cannot listen there.
    """
    log_to_stderr()
    # What is loaded stays. To look through all of it again with each batch takes longer than to read the batch.
    gc.collect()
    gc.freeze()
    gc.set_threshold(CYCLES, *gc.get_threshold()[1:])
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        access_log=False,
        server_header=False,
        log_config=None,
        timeout_graceful_shutdown=HANG_UP_S,
    )
    _Server(config, app.state.traffic, limits).run()


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, traffic: Traffic, limits: Limits) -> None:
        super().__init__(config)
        self.traffic = traffic
        self.limits = limits
        self._since = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Not uvicorn's own: that one raises the signal again when all is done, and the process dies of it.
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit as ended:
            # uvicorn has logged it and gives up, without a way out.
            if not isinstance(error := ended.__context__, OSError):
                raise
            raise StationError(
                msg(
                    "The hub cannot listen at {host}, port {port}: {problem}. It was not started.",
                    host=self.config.host,
                    port=self.config.port,
                    problem=os.strerror(code) if (code := error.errno or 0) > 0 else error.strerror or str(error),
                ),
                msg("Another program has this port, perhaps another hub (`ss -ltnp`): end that one, or choose --port.")
                if error.errno == errno.EADDRINUSE
                else msg("--host is an address of this machine, 0.0.0.0 all of them; a --port below 1024 is for root."),
            ) from error

    async def on_tick(self, counter: int) -> bool:
        if not await super().on_tick(counter):
            return False
        self.traffic.closing = True
        self._since = self._since or time.monotonic()
        waited = time.monotonic() - self._since
        over = waited > self.limits.drain_s or (waited > LINGER_S and not self.traffic.in_flight)
        return self.force_exit or over
