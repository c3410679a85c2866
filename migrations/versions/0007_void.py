"""Which labels are void is a fact of its own: those of an earlier state of a unit, and all before one that is out."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("label", sa.Column("void", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.execute(
        "UPDATE label SET void = true WHERE lpn <> '' AND print_no < "
        "(SELECT max(newer.print_no) FROM label AS newer WHERE newer.lpn = label.lpn AND newer.state = 'printed')"
    )
    # The unit was undone: nothing that was printed for it before is true.
    op.execute(
        "UPDATE label SET void = true WHERE lpn <> '' AND EXISTS (SELECT 1 FROM inspection "
        "WHERE inspection.lpn = label.lpn AND inspection.current AND inspection.voided_at IS NOT NULL "
        "AND inspection.voided_at >= label.created_at)"
    )
