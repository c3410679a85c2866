"""Alembic's way in: run by `inspect_station.store.schema`, in the transaction of its connection."""

from typing import Any

from alembic import context
from sqlalchemy import String
from sqlalchemy.ext.compiler import compiles

from inspect_station.store.hub_tables import HubEvent


@compiles(String, "postgresql")
def _bytewise(type_: String, compiler: Any, **how: Any) -> str:
    """Texts are compared byte by byte, as SQLite does, whatever the language of the database."""
    return f'{compiler.visit_VARCHAR(type_, **how)} COLLATE "C"'


context.configure(
    connection=context.config.attributes["connection"],
    # One metadata for all: the hub's tables were added to the station's.
    target_metadata=HubEvent.metadata,
    # SQLite alters a table by making it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
