"""Batches: units that leave together, by seller and route; one that is taken out leaves its row behind.

A unit is in one batch at most, and one batch of a seller and route is open at a station at most: two partial indexes
say so. As before, the triggers, which keep a closed batch as it was closed, are SQLite's.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _index(name: str, table: str, *columns: str, where: str, unique: bool = False) -> None:
    only = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    op.create_table(
        "batch",
        *_texts("id", "number", "station", "seller", "route", "opened_at", "opened_by"),
        sa.Column("closed_at", sa.String(), nullable=True),
        *_texts("closed_by"),
        sa.Column("sealed_no", sa.Integer(), nullable=True),
        *_texts("seal"),
        sa.Column("revision", sa.Integer(), nullable=False),
        *_texts("event_id"),
        sa.Column("ending", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
        sa.UniqueConstraint("number", name="uq_batch_number"),
        sa.UniqueConstraint("station", "sealed_no", name="uq_batch_station_sealed_no"),
    )
    _index("uq_batch_open", "batch", "seller", "route", "station", where="closed_at IS NULL", unique=True)
    _index("ix_batch_waiting", "batch", "opened_at", where="ending IS NULL")
    op.create_table(
        "batch_unit",
        sa.Column("id", sa.Integer(), nullable=False),
        *_texts("batch", "inspection", "lpn", "joined_at", "joined_by"),
        sa.Column("property_at", sa.String(), nullable=True),
        *_texts("property_by"),
        sa.Column("left_at", sa.String(), nullable=True),
        *_texts("left_by", "why"),
        sa.PrimaryKeyConstraint("id", name="pk_batch_unit"),
        sa.ForeignKeyConstraint(["batch"], ["batch.id"], name="fk_batch_unit_batch"),
    )
    op.create_index("ix_batch_unit_batch_id", "batch_unit", ["batch", "id"])
    _index("uq_batch_unit_inspection", "batch_unit", "inspection", where="left_at IS NULL", unique=True)

    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)


_CLOSED = "(SELECT closed_at FROM batch WHERE id = {row}.batch) IS NOT NULL"
TRIGGERS = (
    """
    CREATE TRIGGER batch_stays BEFORE DELETE ON batch
    BEGIN SELECT RAISE(ABORT, 'a batch is never deleted'); END
    """,
    """
    CREATE TRIGGER batch_same BEFORE UPDATE OF id, number, station, seller, route, opened_at, opened_by ON batch
    BEGIN SELECT RAISE(ABORT, 'a batch stays what it was opened as'); END
    """,
    """
    CREATE TRIGGER batch_closed BEFORE UPDATE OF closed_at, closed_by, sealed_no, seal ON batch
    WHEN OLD.closed_at IS NOT NULL AND (NEW.closed_at, NEW.closed_by, NEW.sealed_no, NEW.seal)
        IS NOT (OLD.closed_at, OLD.closed_by, OLD.sealed_no, OLD.seal)
    BEGIN SELECT RAISE(ABORT, 'a batch is closed once'); END
    """,
    """
    CREATE TRIGGER batch_unit_stays BEFORE DELETE ON batch_unit
    BEGIN SELECT RAISE(ABORT, 'that a unit was in a batch is never deleted'); END
    """,
    f"""
    CREATE TRIGGER batch_unit_joins BEFORE INSERT ON batch_unit WHEN {_CLOSED.format(row="NEW")}
    BEGIN SELECT RAISE(ABORT, 'a closed batch never changes its units'); END
    """,
    f"""
    CREATE TRIGGER batch_unit_changes BEFORE UPDATE ON batch_unit WHEN {_CLOSED.format(row="OLD")}
    BEGIN SELECT RAISE(ABORT, 'a closed batch never changes its units'); END
    """,
    """
    CREATE TRIGGER batch_unit_same BEFORE UPDATE OF id, batch, inspection, lpn, joined_at, joined_by ON batch_unit
    BEGIN SELECT RAISE(ABORT, 'a unit stays where it was put'); END
    """,
    """
    CREATE TRIGGER batch_unit_left BEFORE UPDATE ON batch_unit WHEN OLD.left_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'what was taken out stays out: it joins anew'); END
    """,
)
