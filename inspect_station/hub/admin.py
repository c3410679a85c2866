"""A hub and what its owner does with it: open it, let stations in, publish lists, look at what is parked, serve."""

import hashlib
import random
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from inspect_station import config, imports
from inspect_station.core.barcode import clean
from inspect_station.core.records import Product, Rma
from inspect_station.errors import Undone
from inspect_station.hub.ledger import Ledger
from inspect_station.imports import Taken
from inspect_station.store import Store

if TYPE_CHECKING:
    from inspect_station.store.postgres import Postgres

TENANT = "main"
"""The tenant of a hub that serves one house only."""
TRIES = 5
"""How often a step is done that a database took back because of another one."""

_T = TypeVar("_T")


class Hub:
    """One hub: its store, behind the same two doors, and its clock. Any thread may use it."""

    def __init__(self, store: "Store | Postgres", clock: Callable[[], datetime]) -> None:
        self.store = store
        self.clock = clock

    @classmethod
    def open(
        cls, data: Path, database: str = "", *, clock: Callable[[], datetime] | None = None, running: bool = False
    ) -> Self:
        """The hub in this folder, made where there is none. ``running``: as the one that answers stations.

        ``database``, an address like ``postgresql+psycopg://USER@HOST/DATABASE``, keeps its tables there: then any
        number of processes may answer stations. Raises StoreLocked, StoreError.
        """
        clock = clock or (lambda: datetime.now(UTC))
        if not database:
            return cls(Store.open(data, clock=clock, station="HUB", running=running), clock)
        from inspect_station.store.postgres import Postgres

        return cls(Postgres.open(database, data, clock=clock, station="HUB"), clock)

    @property
    def epoch(self) -> str:
        """Random for each new or restored store: stations see by it that what was confirmed may be gone."""
        return self.store.epoch

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store."""
        self.store.close()

    @contextmanager
    def read(self) -> Iterator[Ledger]:
        """Look (see `Store.read`)."""
        with self.store.read() as reader:
            yield Ledger(reader)

    @contextmanager
    def write(self) -> Iterator[Ledger]:
        """Change, all or nothing (see `Store.write`)."""
        with self.store.write() as writer:
            yield Ledger(writer)

    def change(self, step: Callable[[Ledger], _T]) -> _T:
        """Do a step, all or nothing; again, where the database took it back because of another one.

        Raises StoreLocked where that happened `TRIES` times, DiskFull, StoreError.
        """
        for tried in range(1, TRIES):
            try:
                with self.write() as ledger:
                    return step(ledger)
            except Undone:
                time.sleep(random.uniform(0.005, 0.05) * tried)
        with self.write() as ledger:
            return step(ledger)


# ── Secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base32: no two signs are mistaken for each other when a code is read out."""


def new_code() -> str:
    """A one-time code of 80 random bits, in groups that can be read out."""
    signs = "".join(secrets.choice(_SIGNS) for _ in range(16))
    return "-".join(signs[at : at + 4] for at in range(0, 16, 4))


def code_hash(code: str) -> str:
    """What is kept of a code; how it was typed makes no difference."""
    return secret_hash("".join(sign for sign in code.upper() if sign in _SIGNS))


def new_token() -> str:
    """A station's token: 256 random bits."""
    return secrets.token_urlsafe(32)


def secret_hash(secret: str) -> str:
    """What is kept of a secret that nobody could guess: SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


# ── Verbs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def add_station(data: Path, name: str, tenant: str = TENANT, *, database: str = "") -> str:
    """A code that lets in one station of this name, once, within a week; it cannot be shown again.

    For a name that is known, it lets that station in again, and its older token is void from then on.
    """
    code = new_code()
    with Hub.open(data, database) as hub:
        hub.change(lambda ledger: ledger.add_code(code_hash(code), tenant, clean(name, 60)))
    return code


def parked(data: Path, *, database: str = "") -> list[dict[str, Any]]:
    """What stations sent and the hub could not take: received_at, station, id, code, detail of each."""
    with Hub.open(data, database) as hub, hub.read() as ledger:
        return ledger.parked()


def publish(
    data: Path, what: Literal["products", "rmas"], content: bytes, zone: str = "", *, database: str = ""
) -> Taken[Product] | Taken[Rma]:
    """Read a list (see `imports`) and tell all stations of what is in it.

    What stations know is judged by the hub's own station.toml, where it has one, else by the shipped one. ``zone`` is
    that of the site the RMAs are meant for, without it the configured one; stations take the dates as they are told.
    Raises imports.Unreadable, ConfigError.
    """
    loaded = config.load(config.find())
    rules = loaded.rules
    taken: Taken[Product] | Taken[Rma]
    if what == "products":
        taken = imports.products(content, [checklist.device_class for checklist in rules.checklists])
    else:
        taken = imports.rmas(content, rules.policy, zone or loaded.station.zone)
    with Hub.open(data, database) as hub:
        load(hub, taken.records)
    return taken


def load(hub: Hub, records: Sequence[Product | Rma], tenant: str = TENANT) -> int:
    """Tell all stations of these articles and return authorisations; answer how many were news to them."""
    parts = [records[at : at + 100] for at in range(0, len(records), 100)]
    return sum(hub.change(lambda ledger, part=part: ledger.publish(tenant, part)) for part in parts)  # type: ignore[misc]


def epoch(data: Path, *, database: str = "") -> str:
    """The hub's epoch."""
    with Hub.open(data, database) as hub:
        return hub.epoch


def begin_epoch(data: Path, *, database: str = "") -> str:
    """Say that what this hub has confirmed may be gone, because it was restored: a new epoch, which is answered.

    Stations then ask what is still there, and send again what is not. Raises StoreLocked while a hub runs in the
    folder on its own store.
    """
    with Hub.open(data, database, running=True) as hub:
        return hub.store.begin_epoch()


def serve(data: Path, *, host: str = "127.0.0.1", port: int = 8787, database: str = "") -> None:
    """Answer stations until interrupted; uvicorn says on stderr where it listens. Raises StoreLocked, StoreError."""
    import uvicorn

    from inspect_station.hub.app import create_app

    with Hub.open(data, database, running=True) as hub:
        uvicorn.run(
            create_app(hub), host=host, port=port, access_log=False, server_header=False, timeout_graceful_shutdown=10
        )
