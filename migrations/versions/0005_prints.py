"""Which copy a label is, who asked for it and why, whether the printer confirmed it, and whether it is to be scanned on
its box before the unit is done.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("label", sa.Column("copy_no", sa.Integer(), nullable=False, server_default="1"))
    for name in ("operator", "why", "scan_back"):
        op.add_column("label", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("label", sa.Column("confirmed", sa.Boolean(), nullable=False, server_default=sa.false()))
    wanted = sa.text("scan_back = 'wanted'")
    op.create_index("ix_label_scan_back", "label", ["id"], sqlite_where=wanted, postgresql_where=wanted)
