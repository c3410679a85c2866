"""A hub and what its owner does with it: open it, let stations in, publish lists, look at what is parked, serve."""

import hashlib
import random
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from inspect_station import config, imports
from inspect_station.core.barcode import clean
from inspect_station.core.records import Product, Rma
from inspect_station.errors import NotAllowed, NotFound, Undone
from inspect_station.hub.ledger import Action, Ledger, Unsettled
from inspect_station.imports import Taken
from inspect_station.message import Message, msg
from inspect_station.store import Restored, Store
from inspect_station.store import restore as put_back
from inspect_station.store.said import refused

if TYPE_CHECKING:
    from inspect_station.store.postgres import Postgres

TENANT = "main"
"""The tenant of a hub that serves one house only."""
OWNER = "owner"
"""Who deals with parked records on the hub's own command line."""
NAME = 60
"""Signs of the longest name of a station or a supervisor."""
TRIES = 5
"""How often a step is done that a database took back because of another one."""

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
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

    @classmethod
    def find(cls, data: Path, database: str = "", *, running: bool = False) -> Self:
        """The hub in this folder, or in this database; none is made (see `open`). Raises NotFound, StoreError."""
        if not exists(data, database):
            raise NotFound(
                msg("no hub is in {folder}", folder=str(data)),
                msg("name its folder with --data, or its database with --database"),
            )
        return cls.open(data, database, running=running)

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


def exists(data: Path, database: str = "") -> bool:
    """Whether a hub is in this folder; of one in a database only its address tells. Raises StoreError."""
    try:
        return bool(database) or stat.S_ISREG((data / "store.db").stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise refused(error, data) from error


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
    Raises NotAllowed for a tenant's name that could be no folder, for a supervisor's name, and for none.
    """
    code, name = new_code(), _named(name)
    _check(tenant)
    with Hub.open(data, database) as hub:
        try:
            hub.change(lambda ledger: ledger.add_code(code_hash(code), tenant, name))
        except ValueError as error:
            raise NotAllowed(
                msg(
                    "{name} is a supervisor of this hub (tenant {tenant}): no code was made.", name=name, tenant=tenant
                ),
                msg("Give the station another name."),
            ) from error
    return code


def stations(data: Path, *, database: str = "") -> list[dict[str, Any]]:
    """Each station: tenant, name, seen_at, state (known, revoked), events, parked, photos_missing."""
    with Hub.find(data, database) as hub, hub.read() as ledger:
        return ledger.stations()


def revoke(
    data: Path, name: str, scope: Literal["station", "supervisor"], tenant: str = TENANT, *, database: str = ""
) -> None:
    """Void all tokens of a station or a supervisor, and codes not used yet, at once. Raises NotFound."""
    with Hub.find(data, database) as hub:
        if not hub.change(lambda ledger: ledger.revoke(tenant, clean(name, 60), scope)):
            raise _not_one(
                hub, name, tenant, msg("Take it away with `hub station revoke {name}`.", name=clean(name, 60))
            )


def add_supervisor(data: Path, name: str, tenant: str = TENANT, *, database: str = "") -> str:
    """A token by which a supervisor settles what is parked, over HTTP; it cannot be shown again. Raises NotAllowed."""
    token, name = new_token(), _named(name)
    _check(tenant)
    with Hub.open(data, database) as hub:
        try:
            hub.change(lambda ledger: ledger.add_supervisor(tenant, name, secret_hash(token)))
        except ValueError as error:
            raise _taken(hub, name, tenant) from error
    return token


def rotate(data: Path, name: str, tenant: str = TENANT, *, database: str = "") -> str:
    """A supervisor's new token; those before are void at once. Raises NotFound."""
    token = new_token()
    with Hub.find(data, database) as hub:
        if not hub.change(lambda ledger: ledger.replace_token(tenant, clean(name, 60), secret_hash(token))):
            again = msg(
                "A station changes its token by itself; `hub station {name}` lets it in anew.", name=clean(name, 60)
            )
            raise _not_one(hub, name, tenant, again)
    return token


def tokens(data: Path, *, database: str = "") -> list[dict[str, Any]]:
    """Each token that is good now: tenant, name, scope, made_at, used_at, ends_at; not the token."""
    with Hub.find(data, database) as hub, hub.read() as ledger:
        return ledger.tokens()


def parked(data: Path, *, database: str = "") -> list[dict[str, Any]]:
    """What stations sent and the hub could not take: no, received_at, station, id, code, detail of each."""
    with Hub.find(data, database) as hub, hub.read() as ledger:
        return ledger.parked()


def parked_line(data: Path, no: int, *, database: str = "") -> dict[str, Any]:
    """One parked line: as `parked`, and tenant, line, resolved_at, resolution, note, resolved_by. Raises NotFound."""
    with Hub.find(data, database) as hub, hub.read() as ledger:
        found = ledger.parked_line(no)
    if found is None:
        raise _not_parked(no)
    return found


def settle(data: Path, no: int, action: Action, *, note: str, line: str = "", database: str = "") -> tuple[str, str]:
    """Deal with a parked line (see `Ledger.settle`): what it is at the end, and the code of that.

    Raises NotFound, and NotAllowed where it was dealt with already or cannot be taken so.
    """
    try:
        with Hub.find(data, database) as hub:
            status, code = hub.change(
                lambda ledger: ledger.settle(no, action, note=clean(note, 500), by=OWNER, line=line)
            )
    except Unsettled as error:
        if error.code == "not_found":
            raise _not_parked(no) from error
        if error.code == "already_resolved":
            raise NotAllowed(
                msg("Record {no} was dealt with already.", no=no), msg("See it with `hub parked show {no}`.", no=no)
            ) from error
        problem = f"{error.code}: {error.detail}" if error.detail else error.code
        raise NotAllowed(
            msg("The hub cannot take record {no}: {problem}.", no=no, problem=problem),
            msg("It stays parked. Correct it and give it with --accept-as, or say with --void that it says nothing."),
        ) from error
    return status.value, code


def photos_missing(data: Path, *, database: str = "") -> list[dict[str, Any]]:
    """Photos that units refer to and the hub lacks: told_at, tenant, station, lpn, inspection, slot, sha256, state; the
    first thousand of them."""
    with Hub.find(data, database) as hub, hub.read() as ledger:
        return ledger.photos_missing()


def count_missing(data: Path, *, database: str = "") -> int:
    """How many photos the hub lacks, of all tenants."""
    with Hub.find(data, database) as hub, hub.read() as ledger:
        return int(ledger.figures()["photos_missing"])


def _check(tenant: str) -> None:
    """See that a tenant's name may lead the path of its photos."""
    if not _TENANT.fullmatch(tenant):
        raise NotAllowed(
            msg("A tenant cannot be called “{tenant}”.", tenant=clean(tenant, 60)),
            msg("Use up to forty small letters, digits and hyphens, a letter or digit first."),
        )


def _named(name: str) -> str:
    """A name that somebody may get. Raises NotAllowed."""
    plain = clean(name)
    if not 0 < len(plain) <= NAME:
        raise NotAllowed(
            msg("Nobody can be called “{name}”: nothing was made.", name=clean(name, NAME)),
            msg("A name has 1 to {n} signs, for example DOCK-1.", n=NAME),
        )
    return plain


def _scope(hub: Hub, name: str, tenant: str) -> str:
    with hub.read() as ledger:
        return ledger.scope(tenant, clean(name, NAME))


def _taken(hub: Hub, name: str, tenant: str) -> NotAllowed:
    """Nobody becomes a supervisor by this name: who has it."""
    who = {"name": name, "tenant": tenant}
    if _scope(hub, name, tenant) == "station":
        return NotAllowed(
            msg("{name} is a station of this hub (tenant {tenant}): no token was made.", **who),
            msg("Give the supervisor another name."),
        )
    return NotAllowed(
        msg("{name} is a supervisor of this hub already (tenant {tenant}): no token was made.", **who),
        msg("`hub token rotate {name}` gives another token; or take another name.", name=name),
    )


def _not_one(hub: Hub, name: str, tenant: str, of_a_station: Message) -> NotFound:
    """Nobody of this name is what was asked for; the hint is for who asked for a supervisor and named a station."""
    who = {"name": clean(name, NAME), "tenant": clean(tenant, NAME)}
    match _scope(hub, name, tenant):
        case "station":
            return NotFound(
                msg("{name} is a station of this hub, not a supervisor (tenant {tenant}): nothing was done.", **who),
                of_a_station,
            )
        case "supervisor":
            return NotFound(
                msg("{name} is a supervisor of this hub, not a station (tenant {tenant}): nothing was done.", **who),
                msg("Take the token away with `hub token revoke {name}`.", name=who["name"]),
            )
    return NotFound(
        msg("This hub knows nobody called “{name}” (tenant {tenant}).", **who),
        msg("See who it knows: `hub station list`, `hub token list`."),
    )


def _not_parked(no: int) -> NotFound:
    return NotFound(msg("No record {no} is parked here.", no=no), msg("See which are: `hub parked list`."))


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


def backup(data: Path, to: Path, *, database: str = "") -> None:
    """Copy the tables of a hub on SQLite, while it runs, into a file that is then tried as a store; no photos.

    Raises NotAllowed for one on PostgreSQL, StoreError.
    """
    if database:
        raise NotAllowed(
            msg("A hub on PostgreSQL is copied by PostgreSQL."), msg("Use pg_dump, or what your database has for it.")
        )
    with Hub.find(data) as hub:
        hub.store.backup(to)  # type: ignore[union-attr]


def restore(data: Path, copy: Path, clock: Callable[[], datetime] | None = None, *, database: str = "") -> Restored:
    """Put a copy in the place of a hub's tables, and begin a new epoch; what stood there is set aside. No hub may run
    there. Raises NotAllowed for one on PostgreSQL, StoreLocked, StoreError.
    """
    if database:
        raise NotAllowed(
            msg("A hub on PostgreSQL is put back by PostgreSQL: nothing was changed."),
            msg("Use pg_restore, or what your database has for it, then `hub epoch --new`."),
        )
    clock = clock or (lambda: datetime.now(UTC))
    restored = put_back(copy, data, clock(), hub=True)
    Hub.open(data, clock=clock).close()
    return restored


def epoch(data: Path, *, database: str = "") -> str:
    """The hub's epoch."""
    with Hub.find(data, database) as hub:
        return hub.epoch


def begin_epoch(data: Path, *, database: str = "") -> str:
    """Say that what this hub has confirmed may be gone, because it was restored: a new epoch, which is answered.

    Stations then ask what is still there, and send again what is not. Raises NotFound, StoreLocked while a hub runs in
    the folder on its own store.
    """
    with Hub.find(data, database, running=True) as hub:
        return hub.store.begin_epoch()


def serve(data: Path, *, host: str = "127.0.0.1", port: int = 8787, photos: str = "", database: str = "") -> None:
    """Answer stations until told to stop; then requests in flight are answered, and new ones turned away.

    ``photos`` as `photos.place` reads it; empty = in the folder of the hub. The log goes to stderr, as JSON lines.
    Raises StoreLocked, StoreError, ConfigError; StationError where it cannot listen there.
    """
    from inspect_station.hub.album import keeps
    from inspect_station.hub.app import create_app
    from inspect_station.hub.edge import Limits
    from inspect_station.hub.server import run

    limits = Limits()
    with Hub.open(data, database, running=True) as hub:
        run(create_app(hub, keeps(hub, photos), limits), host, port, limits)
