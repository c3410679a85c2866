"""Alembic's way in: run by `inspect_station.store.schema`, in the transaction of its connection."""

from alembic import context

from inspect_station.store.hub_tables import HubEvent

context.configure(
    connection=context.config.attributes["connection"],
    # One metadata for all: the hub's tables were added to the station's.
    target_metadata=HubEvent.metadata,
    # SQLite alters a table by making it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
