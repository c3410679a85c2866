"""What became of a photo on its way to the hub: why it is parked, when it is tried again, and which never leave; and
the lines on which docks contradict each other.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("photo", sa.Column("code", sa.String(), nullable=False, server_default=""))
    op.add_column("photo", sa.Column("not_before", sa.String(), nullable=True))
    op.execute("UPDATE photo SET state = 'bad', code = 'photo_invalid' WHERE state = 'refused'")
    op.execute("UPDATE photo SET state = 'kept' WHERE state = 'waiting' AND inspection IN (SELECT id FROM parcel)")
    op.create_table(
        "review",
        *(sa.Column(name, sa.String(), nullable=False) for name in ("seller", "rma")),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("seller", "rma", "line", name="pk_review"),
    )
