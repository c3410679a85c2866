"""What is open at which dock, for a quarter of an hour."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    # May be lost in a crash, and so names of people are in no log of the database either.
    prefixes = ["UNLOGGED"] if op.get_bind().dialect.name == "postgresql" else []
    columns = [sa.Column(name, sa.String(), nullable=False) for name in ("tenant", "seller", "rma", "station")]
    op.create_table(
        "hub_opened",
        *columns,
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("told_at", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "seller", "rma", "station", name="pk_hub_opened"),
        prefixes=prefixes,
    )
    op.create_index("ix_hub_opened_station", "hub_opened", ["station"])
