"""Which revision a database has, and how it gets to the newest: by Alembic, if there is work for it."""

import sqlite3
from typing import TYPE_CHECKING

from inspect_station.resources import resource

if TYPE_CHECKING:
    from sqlalchemy import Connection

APPLICATION = int.from_bytes(b"ISst")
"""Told to SQLite, so that ``file store.db`` and the doors know whose database it is."""


def newest() -> str:
    """The revision this program works with: the number that the last migration's file name begins with."""
    return max(path.name[:4] for path in (resource("migrations") / "versions").glob("[0-9]*.py"))


def revision(connection: sqlite3.Connection) -> str:
    """The revision of a database, read without Alembic; empty where there is none yet."""
    known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone() if known else None
    return str(row[0]) if row else ""


def upgrade(connection: "Connection") -> None:
    """Bring a database, SQLite or PostgreSQL, to the newest revision, in the transaction of `connection`.

    Nothing is committed here. On SQLite, foreign keys must be off: tables may be made anew.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(resource("migrations")).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
