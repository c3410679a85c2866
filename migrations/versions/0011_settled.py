"""How units on one line stand to each other, and what a supervisor has said of those that contradict."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for name in ("standing", "settles"):
        op.add_column("inspection", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.add_column("review", sa.Column("decided", sa.String(), nullable=False, server_default=""))
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TRIGGER inspection_unchanged")
        op.execute(TRIGGER)
    else:
        op.execute(
            "CREATE TRIGGER inspection_settles_unchanged BEFORE UPDATE OF settles ON inspection "
            "FOR EACH ROW EXECUTE FUNCTION stays('an inspection never changes: add a revision')"
        )


TRIGGER = """
    CREATE TRIGGER inspection_unchanged BEFORE UPDATE OF
        id, revision, lpn, parcel, kind, seller, rma, line_no, gtin, serial, title, category, device_class, reason,
        outcome, grade, disposition, price_minor, list_minor, currency, discount, operator, seconds, started_at,
        finished_at, voided_at, event_id, photos, waiting_case, case_due_at, signals, settles, body
    ON inspection
    BEGIN SELECT RAISE(ABORT, 'an inspection never changes: add a revision'); END
"""
