"""What a decision is looked up by: the customer of a return, the due time of a case, the marks of a unit; and under
which rules it was made: a seller's playbooks, and every set of rules that decided anything.

As before, the triggers are SQLite's. The new columns of ``inspection`` join those that may not change.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _index(name: str, table: str, *columns: str, where: str = "") -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, columns, sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    customer, due_at = SQLITE if on_sqlite else POSTGRESQL

    op.add_column("rma", sa.Column("customer", sa.String(), nullable=False, server_default=""))
    op.execute(f"UPDATE rma SET customer = coalesce({customer}, '')")
    _index("ix_rma_seller_customer", "rma", "seller", "customer", where="customer <> ''")

    op.add_column("inspection", sa.Column("case_due_at", sa.String(), nullable=True))
    op.add_column("inspection", sa.Column("signals", sa.Integer(), nullable=False, server_default="0"))
    op.execute(f"UPDATE inspection SET case_due_at = {due_at} WHERE waiting_case")
    live = "current AND voided_at IS NULL"
    _index("ix_inspection_case", "inspection", "case_due_at", where=f"{live} AND case_due_at IS NOT NULL")
    _index("ix_inspection_signals", "inspection", "finished_at", where=f"{live} AND signals > 0")

    op.create_table(
        "playbook",
        sa.Column("id", sa.Integer(), nullable=False),
        *_texts("seller", "sha256", "body", "activated_at", "activated_by"),
        sa.PrimaryKeyConstraint("id", name="pk_playbook"),
    )
    _index("ix_playbook_seller_id", "playbook", "seller", "id")
    op.create_table(
        "ruleset",
        *_texts("sha256", "body", "first_used_at"),
        sa.PrimaryKeyConstraint("sha256", name="pk_ruleset"),
    )

    if on_sqlite:
        op.execute("DROP TRIGGER inspection_unchanged")
        for trigger in TRIGGERS:
            op.execute(trigger)


SQLITE = (
    "json_extract(body, '$.customer')",
    "strftime('%Y-%m-%dT%H\\:%M\\:%fZ', json_extract(body, '$.case.due_at'))",
)
POSTGRESQL = (
    "body\\:\\:json ->> 'customer'",
    "to_char((body\\:\\:json -> 'case' ->> 'due_at')\\:\\:timestamptz AT TIME ZONE 'UTC', "
    '\'YYYY-MM-DD"T"HH24\\:MI\\:SS.MS"Z"\')',
)
"""The customer's key and the due time as they stand in the records; the time as all times stand in columns."""

TRIGGERS = (
    """
    CREATE TRIGGER inspection_unchanged BEFORE UPDATE OF
        id, revision, lpn, parcel, kind, seller, rma, line_no, gtin, serial, title, category, device_class, reason,
        outcome, grade, disposition, price_minor, list_minor, currency, discount, operator, seconds, started_at,
        finished_at, voided_at, event_id, photos, waiting_case, case_due_at, signals, body
    ON inspection
    BEGIN SELECT RAISE(ABORT, 'an inspection never changes: add a revision'); END
    """,
    """
    CREATE TRIGGER playbook_stays BEFORE DELETE ON playbook
    BEGIN SELECT RAISE(ABORT, 'a playbook is never deleted'); END
    """,
    """
    CREATE TRIGGER playbook_unchanged BEFORE UPDATE ON playbook
    BEGIN SELECT RAISE(ABORT, 'a playbook never changes: activate another'); END
    """,
    """
    CREATE TRIGGER ruleset_stays BEFORE DELETE ON ruleset
    BEGIN SELECT RAISE(ABORT, 'rules that decided something are never deleted'); END
    """,
    """
    CREATE TRIGGER ruleset_unchanged BEFORE UPDATE ON ruleset
    BEGIN SELECT RAISE(ABORT, 'rules that decided something never change'); END
    """,
)
