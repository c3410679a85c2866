"""Photos that were erased: who ordered it, when and why. Stations read what is announced from its start once more,
because there is another feed, of these.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("hub_blob", sa.Column("erased_at", sa.String(), nullable=True))
    for name in ("erased_by", "erased_why"):
        op.add_column("hub_blob", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE meta SET value = '' WHERE key = 'hub_cursor'")
