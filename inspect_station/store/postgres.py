"""A hub's store on PostgreSQL: the same two doors as `doors.Store`, for as many processes as there are.

Nothing is kept in a process but connections. A step is one transaction, READ COMMITTED: what must not interleave is
held by key (`Connection.hold`), and what the database took back is done again by the hub (`errors.Undone`).
"""

import hashlib
import re
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, LiteralString, Self

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from inspect_station.core.records import compact
from inspect_station.errors import DiskFull, StoreError, StoreLocked, Undone
from inspect_station.message import msg
from inspect_station.store import schema
from inspect_station.store.blobs import Blobs
from inspect_station.store.connection import Answer, Taken
from inspect_station.store.reader import Reader
from inspect_station.store.writer import Writer

SCHEME = "postgresql+psycopg://"
"""What the address of such a store begins with: SQLAlchemy's name for PostgreSQL through psycopg."""
NAME = "inspect-station hub"
"""How its connections call themselves in ``pg_stat_activity``."""
OLDEST = 15
"""The oldest PostgreSQL that it was tried with: Debian 12 has it."""
POOL = 16
"""Connections of one process, at most."""
PATIENCE = 5.0
"""Seconds to wait for one of them, or for whoever holds a row."""

_SETTINGS = f"""
SELECT set_config('lock_timeout', '{int(PATIENCE)}s', false),
    set_config('idle_in_transaction_session_timeout', '60s', false),
    set_config('plan_cache_mode', 'force_custom_plan', false),
    set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write')
        THEN 'on' ELSE current_setting('synchronous_commit') END, false)
"""
"""What is confirmed is on the disk, and on that of a synchronous standby where there is one: never less than ``on``.

A plan that was made while the tables were empty is not kept as they grow.
"""

_WHOSE = """
SELECT (SELECT value FROM meta WHERE key = 'epoch'), (SELECT value FROM meta WHERE key = 'cluster'),
    (SELECT concat_ws('/', system_identifier, timeline_id, (SELECT oid FROM pg_database
        WHERE datname = current_database())) FROM pg_control_system(), pg_control_checkpoint())
"""
"""The epoch, in which database it began, and which one this is: a database that was restored from a dump, recovered to
a point in time or failed over to a standby is another one, and may lack what was confirmed."""

_DIALECT = (
    (re.compile(r" INDEXED BY \w+"), ""),
    # SQLite keeps the order of a cross join, so the statements say what is looked at first; PostgreSQL finds out.
    (re.compile(r"CROSS JOIN (\w+(?: (?!ON)\w+)?) ON"), r"JOIN \1 ON"),
    # As an array, which is looked up by an index whatever the planner guesses of its length.
    (
        re.compile(r"IN \(SELECT value FROM json_each\((\?\d*)\)\)"),
        r"= ANY (ARRAY(SELECT json_array_elements_text(\1::json)))",
    ),
    # SQLite compares these letters without regard to case.
    (re.compile(r"LIKE \?"), "ILIKE ?"),
    (re.compile(r"\binstr\("), "strpos("),
    # Keeps SQLite from an index.
    (re.compile(r"(?<=[ (])\+(?=[a-z])"), ""),
)
"""How PostgreSQL says what SQLite's statements say, as far as ours need it."""


@lru_cache(maxsize=1000)
def translated(sql: str) -> str:
    """A statement in PostgreSQL's words. ``?`` counts on from the highest number so far, as in SQLite."""
    for said, otherwise in _DIALECT:
        sql = said.sub(otherwise, sql)
    highest = 0

    def place(mark: re.Match[str]) -> str:
        nonlocal highest
        number = int(mark[1]) if mark[1] else highest + 1
        highest = max(highest, number)
        return f"${number}"

    return re.sub(r"\?(\d*)", place, sql)


class _Row(tuple[Any, ...]):
    """A row by names and numbers, like sqlite3.Row."""

    at: dict[str, int]

    def keys(self) -> list[str]:
        return list(self.at)

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self.at[key] if isinstance(key, str) else key)


def _rows_of(cursor: psycopg.Cursor[Any]) -> Callable[[Sequence[Any]], _Row]:
    at = {column.name: number for number, column in enumerate(cursor.description or ())}

    def row(values: Sequence[Any]) -> _Row:
        made = _Row(values)
        made.at = at
        return made

    return row


_Raw = psycopg.Connection[_Row]


class Connection:
    """PostgreSQL as `store.connection` describes it."""

    next_change = "nextval('hub_change_seq')"
    transaction = "pg_current_xact_id()::text::bigint"
    horizon = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"

    def __init__(self, raw: _Raw, where: str) -> None:
        self._raw = raw
        self._where = where

    def execute(self, sql: str, values: Sequence[object] = (), /) -> Answer:
        with _told(self._where):
            return self._raw.execute(translated(sql), values)

    def executemany(self, sql: str, rows: Iterable[Sequence[object]], /) -> None:
        with _told(self._where):
            self._raw.cursor().executemany(translated(sql), rows)

    def insert(self, table: str, rows: Sequence[Mapping[str, object]]) -> int:
        """In one statement."""
        names = ", ".join(rows[0])
        sql = f"INSERT INTO {table} ({names}) SELECT {names} FROM {self.records(table, rows[0])} AS each "
        return self.execute(f"{sql} WHERE true ON CONFLICT DO NOTHING", (compact(rows),)).rowcount

    def add(self, table: str, rows: Sequence[Mapping[str, object]]) -> None:
        """As PostgreSQL takes in most with least work."""
        columns = sql.SQL(", ").join(map(sql.Identifier, rows[0]))
        copying = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(table), columns)
        with _told(self._where), self._raw.cursor().copy(copying) as copy:
            for row in rows:
                copy.write_row(tuple(row.values()))

    def records(self, table: str, names: Iterable[str]) -> str:
        return f"(SELECT {', '.join(names)} FROM json_populate_recordset(NULL::{table}, ?))"

    def searched(self, table: str, signs: Sequence[str], newest: int) -> tuple[str, tuple[str, ...]]:
        few = "" if signs else f" LIMIT {newest}"
        return f"SELECT rowid AS candidate FROM {table} ORDER BY rowid DESC{few}", ()

    def hold(self, keys: Iterable[str]) -> None:
        """In the order of their numbers, so that no two wait for each other."""
        numbers = sorted({_number(key) for key in keys})
        if numbers:
            self.execute("SELECT count(pg_advisory_xact_lock(key)) FROM unnest(?::bigint[]) AS key", (numbers,))


def _number(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], signed=True)


class Postgres:
    """One database, and a folder for what is no row. Any thread may use it, and any number of processes."""

    def __init__(self, url: str, folder: Path, clock: Callable[[], datetime]) -> None:
        self.folder = folder
        self.blobs = Blobs(folder / "blobs")
        self.epoch = ""
        """Random for each new or restored database; looked up with each new connection."""
        self._address = f"postgresql://{url.removeprefix(SCHEME)}"
        try:
            if not url.startswith(SCHEME):
                raise psycopg.ProgrammingError("another scheme")
            known = conninfo_to_dict(self._address)
        except psycopg.ProgrammingError as error:
            raise StoreError(
                # Not what is wrong with it: that may be the password.
                msg("The address of the hub's database (--database, INSPECT_STATION_DATABASE) cannot be read."),
                msg("Write it like postgresql+psycopg://USER@HOST/DATABASE; a password is best kept in ~/.pgpass."),
            ) from error
        self._where = f"{known.get('host') or 'localhost'}/{known.get('dbname') or known.get('user') or ''}"
        self._clock = clock
        self._free: list[_Raw] = []
        self._turns = threading.Semaphore(POOL)

    @classmethod
    def open(cls, url: str, folder: Path, *, clock: Callable[[], datetime], station: str) -> Self:
        """Open the store in this database; make its tables, or bring them to the newest revision, where needed.

        Several may do so at once. Raises StoreError where it cannot be reached, or is newer than this program.
        """
        store = cls(url, folder, clock)
        with _told(store._where), closing(store._dial()) as raw:
            found = raw.info.server_version // 10000
            if found < OLDEST:
                raise StoreError(
                    msg("{database} is PostgreSQL {found}.", database=store._where, found=found),
                    msg("Use PostgreSQL {oldest} or newer.", oldest=OLDEST),
                )
            revision = _revision(raw)
        if revision != schema.newest():
            store._upgrade(revision)
        with store.write() as writer:
            if writer.meta("station") != station:
                writer.set_meta("station", station)
        return store

    def close(self) -> None:
        """Let go of all connections that nobody uses."""
        while self._free:
            self._free.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ── The doors ────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def read(self) -> Iterator[Reader]:
        """Look (see `doors.Store.read`)."""
        with self._step("BEGIN READ ONLY") as connection:
            yield Reader(connection, self._clock)

    @contextmanager
    def write(self) -> Iterator[Writer]:
        """Change, all or nothing (see `doors.Store.write`).

        Raises Undone where the database took it all back and it may be done again; StoreLocked, DiskFull, StoreError.
        """
        with self._step("BEGIN") as connection:
            yield Writer(connection, self._clock, "UTC")

    @contextmanager
    def _step(self, begin: LiteralString) -> Iterator[Connection]:
        if not self._turns.acquire(timeout=PATIENCE):
            raise _busy(self._where)
        raw = None
        try:
            raw = self._begun(begin)
            yield Connection(raw, self._where)
            try:
                ended = raw.execute("COMMIT").statusmessage
            except psycopg.Error as error:
                raise _uncertain(error, self._where) from error
            if ended != "COMMIT":
                raise RuntimeError("a step went on after a statement of it had failed; all of it was taken back")
        finally:
            if raw is not None:
                self._give_back(raw)
            self._turns.release()

    def _begun(self, begin: LiteralString) -> _Raw:
        """A connection inside a new transaction; one that was lost while nobody used it is replaced."""
        while True:
            try:
                raw = self._free.pop()
            except IndexError:
                raw = self._connect()
                with _told(self._where):
                    raw.execute(begin)
                return raw
            try:
                raw.execute(begin)
            except psycopg.OperationalError:
                raw.close()
            else:
                return raw

    def _give_back(self, raw: _Raw) -> None:
        if raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            with suppress(psycopg.Error):
                raw.execute("ROLLBACK")
        if raw.closed or raw.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            raw.close()
        else:
            self._free.append(raw)

    def _dial(self) -> _Raw:
        try:
            return psycopg.connect(
                self._address,
                autocommit=True,
                row_factory=_rows_of,
                cursor_factory=psycopg.RawCursor,
                **self._how(),
            )
        except psycopg.OperationalError as error:
            busy = _said(error, self._where)
            if isinstance(busy, StoreLocked) and not isinstance(busy, Undone):
                raise busy from error
            # No step was begun, so it may be tried again, as after a failover.
            unreachable = _unreachable(error, self._where)
            raise Undone(unreachable.title, unreachable.hint) from error

    def _how(self) -> dict[str, Any]:
        """What is added to the address."""
        patience = {} if "connect_timeout" in conninfo_to_dict(self._address) else {"connect_timeout": int(PATIENCE)}
        return {"application_name": NAME, **patience}

    def _connect(self) -> _Raw:
        with _told(self._where):
            raw = self._dial()
            try:
                raw.execute(_SETTINGS)
                epoch, began_in, here = _whose(raw)
                self.epoch = epoch if epoch and began_in == here else self._begin_epoch(raw, unless_in=here)
            except BaseException:
                raw.close()
                raise
        return raw

    # ── Keeping it ───────────────────────────────────────────────────────────────────────────────────────────────────

    def begin_epoch(self) -> str:
        """A new epoch, because what was confirmed may be gone; every process learns of it before it answers again."""
        with _told(self._where), closing(self._dial()) as raw:
            self.epoch = self._begin_epoch(raw)
            raw.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()",
                (NAME,),
            )
        return self.epoch

    def _begin_epoch(self, raw: _Raw, unless_in: str = "") -> str:
        with raw.transaction():
            raw.execute("SELECT pg_advisory_xact_lock($1)", (_number("epoch"),))
            epoch, began_in, here = _whose(raw)
            if epoch and began_in == unless_in:
                return epoch
            epoch = str(uuid.uuid4())
            for key, value in (("epoch", epoch), ("cluster", here)):
                raw.execute(
                    "INSERT INTO meta (key, value) VALUES ($1, $2) "
                    "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                    (key, value),
                )
            # Numbers of transactions mean nothing in another cluster. Cursors of the old epoch are void anyway.
            raw.execute("UPDATE hub_change SET xid = 0 WHERE xid > 0")
        return epoch

    def _upgrade(self, found: str) -> None:
        """Make or migrate the tables, in one transaction; whoever comes second finds it done."""
        import sqlalchemy

        if found > schema.newest():
            raise StoreError(
                msg(
                    "The store {file} has revision {found}, this program {known}. It was left as it is.",
                    file=self._where,
                    found=found,
                    known=schema.newest(),
                ),
                msg("Install the newer inspect-station again: a store does not go back to an older one."),
            )
        engine = sqlalchemy.create_engine(
            SCHEME, creator=lambda: psycopg.connect(self._address, **self._how()), poolclass=sqlalchemy.NullPool
        )
        try:
            with engine.connect() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_number('upgrade')})")
                schema.upgrade(connection)
                connection.commit()
        except sqlalchemy.exc.DBAPIError as error:
            if not isinstance(error.orig, psycopg.Error):
                raise
            raise _said(error.orig, self._where) from error


def _whose(raw: _Raw) -> list[str]:
    row = raw.execute(_WHOSE).fetchone()
    assert row is not None
    return [value or "" for value in row]


def _revision(raw: _Raw) -> str:
    known = raw.execute("SELECT to_regclass('alembic_version')").fetchone()
    row = raw.execute("SELECT version_num FROM alembic_version").fetchone() if known and known[0] else None
    return str(row[0]) if row else ""


# ── What PostgreSQL says, said to people ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise _said(error, where) from error


def _said(error: psycopg.Error, where: str) -> Exception:
    """The error for people; a constraint is SQLite's, a mistake in this program itself."""
    state = error.sqlstate or ""
    match error:
        case psycopg.errors.UniqueViolation():
            return Taken(str(error))
        case psycopg.IntegrityError() | psycopg.DataError():
            return sqlite3.IntegrityError(str(error))
        case psycopg.errors.DeadlockDetected() | psycopg.errors.SerializationFailure():
            return Undone(*_taken_back(where))
        case psycopg.errors.DiskFull():
            return DiskFull(
                msg("The disk of the database {database} is full: the last step was not saved.", database=where),
                msg("Make room there. Stations keep what they have and send it again."),
            )
        # Out of locks, memory or connections, or somebody held a row too long.
        case psycopg.OperationalError() if state.startswith("53") or state in ("55P03", "57014"):
            return _busy(where)
        # The session has ended in mid-step: a killed process, a failover.
        case psycopg.OperationalError() if state.startswith(("57P", "08")) or (error.pgconn and _is_bad(error)):
            return Undone(*_taken_back(where))
        case psycopg.OperationalError() | psycopg.InterfaceError() | psycopg.errors.ReadOnlySqlTransaction():
            return _unreachable(error, where)
    return error


def _is_bad(error: psycopg.Error) -> bool:
    return error.pgconn is not None and error.pgconn.status == psycopg.pq.ConnStatus.BAD


def _uncertain(error: psycopg.Error, where: str) -> Exception:
    """Of a commit that was answered with an error it is known what it means; of one without an answer it is not."""
    said = _said(error, where)
    if isinstance(said, Undone) and error.sqlstate is None:
        return _unreachable(error, where)
    return said


def _taken_back(where: str) -> tuple[Any, Any]:
    return (
        msg("The database {database} took the last step back: nothing of it was saved.", database=where),
        msg("Do it again."),
    )


def _busy(where: str) -> StoreLocked:
    return StoreLocked(
        msg("The database {database} was too busy: the last step was not saved.", database=where),
        msg("Do it again; if it stays so, give the database more connections or fewer hubs."),
    )


def _unreachable(error: psycopg.Error, where: str) -> StoreError:
    problem = str(error).strip().splitlines() or [type(error).__name__]
    return StoreError(
        msg("The database {database} cannot be used: {problem}.", database=where, problem=problem[0]),
        msg("See that it runs, takes writes, and lets this user in, then do it again."),
    )
