"""The hub's tables: stations, codes and tokens, what was received, what is parked, and the feed.

The triggers are SQLite's, as in the first revision.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _big(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=False)


def _of_station(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["station"], ["hub_station.id"], name=f"fk_{table}_hub_station", ondelete="CASCADE")


def upgrade() -> None:
    op.create_table(
        "hub_station",
        *_texts("id", "tenant", "name", "made_at"),
        *_texts("seen_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_hub_station"),
        sa.UniqueConstraint("tenant", "name", name="uq_hub_station_tenant_name"),
    )

    op.create_table(
        "hub_code",
        *_texts("sha256", "tenant", "name", "made_at", "ends_at"),
        *_texts("used_at", nullable=True),
        sa.PrimaryKeyConstraint("sha256", name="pk_hub_code"),
    )

    op.create_table(
        "hub_token",
        *_texts("sha256", "station", "made_at"),
        *_texts("used_at", "ends_at", nullable=True),
        sa.PrimaryKeyConstraint("sha256", name="pk_hub_token"),
        _of_station("hub_token"),
    )
    op.create_index("ix_hub_token_station", "hub_token", ["station"])

    op.create_table(
        "hub_epoch",
        *_texts("station", "epoch"),
        *_texts("block", nullable=True),
        _big("contiguous_seq"),
        sa.PrimaryKeyConstraint("station", "epoch", name="pk_hub_epoch"),
        sa.UniqueConstraint("block", name="uq_hub_epoch_block"),
        _of_station("hub_epoch"),
    )

    op.create_table(
        "hub_event",
        *_texts("tenant", "id", "station", "epoch"),
        _big("seq"),
        *_texts("type", "sha256", "line", "received_at", "status", "code", "subject"),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "id", name="pk_hub_event"),
    )
    op.create_index("ix_hub_event_station_epoch_seq", "hub_event", ["station", "epoch", "seq"])
    op.create_index("ix_hub_event_subject_revision", "hub_event", ["subject", "revision"])

    op.create_table(
        "hub_parked",
        sa.Column("id", sa.Integer(), nullable=False),
        *_texts("tenant", "station", "event", "epoch"),
        _big("seq"),
        *_texts("sha256", "code", "detail", "line", "received_at"),
        *_texts("resolved_at", nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_hub_parked"),
        sa.UniqueConstraint("tenant", "event", "sha256", name="uq_hub_parked_tenant_event_sha256"),
    )
    op.create_index("ix_hub_parked_station_epoch_seq", "hub_parked", ["station", "epoch", "seq"])

    op.create_table(
        "hub_change",
        *_texts("tenant", "feed", "key"),
        _big("seq"),
        _big("version"),
        *_texts("op", "body", "published_at"),
        sa.PrimaryKeyConstraint("tenant", "feed", "key", name="pk_hub_change"),
        sa.UniqueConstraint("seq", name="uq_hub_change_seq"),
    )

    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)


TRIGGERS = (
    """
    CREATE TRIGGER hub_event_stays BEFORE DELETE ON hub_event
    BEGIN SELECT RAISE(ABORT, 'what was received is never deleted'); END
    """,
    """
    CREATE TRIGGER hub_event_unchanged BEFORE UPDATE ON hub_event
    BEGIN SELECT RAISE(ABORT, 'what was received never changes'); END
    """,
    """
    CREATE TRIGGER hub_parked_stays BEFORE DELETE ON hub_parked
    BEGIN SELECT RAISE(ABORT, 'a parked line is never deleted'); END
    """,
)
