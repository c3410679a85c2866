"""A hub on PostgreSQL, for several processes at once.

The feed is read by the transaction that wrote a change: numbers given out by several at once become visible in another
order (sync.md §1). And PostgreSQL gets what the revisions before left to SQLite: what is never changed, what is
counted, and the number of a row, which says what was committed first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("hub_change", sa.Column("xid", sa.BigInteger(), nullable=False, server_default="0"))
    op.create_index("ix_hub_change_xid_seq", "hub_change", ["xid", "seq"])
    bind = op.get_bind()
    if bind.dialect.name == "postgresql":
        for statement in (*NUMBERED, *KEPT, *COUNTING):
            bind.exec_driver_sql(statement)


NUMBERED = (
    "CREATE SEQUENCE hub_change_seq OWNED BY hub_change.seq",
    "SELECT setval('hub_change_seq', coalesce(max(seq), 0) + 1, false) FROM hub_change",
    *(
        f"ALTER TABLE {table} ADD COLUMN rowid bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT uq_{table}_rowid UNIQUE"
        for table in ("rma", "rma_line", "product", "inspection")
    ),
    "ALTER TABLE hub_event ADD COLUMN rowid bigint GENERATED ALWAYS AS IDENTITY",
)

_STAYS = {
    "inspection": "an inspection is never deleted",
    "event": "an event is never deleted",
    "playbook": "a playbook is never deleted",
    "ruleset": "rules that decided something are never deleted",
    "hub_event": "what was received is never deleted",
    "hub_parked": "a parked line is never deleted",
}
_UNCHANGED = {
    "inspection": (
        "an inspection never changes: add a revision",
        "id, revision, lpn, parcel, kind, seller, rma, line_no, gtin, serial, title, category, device_class, reason, "
        "outcome, grade, disposition, price_minor, list_minor, currency, discount, operator, seconds, started_at, "
        "finished_at, voided_at, event_id, photos, waiting_case, case_due_at, signals, body, rowid",
    ),
    "event": ("an event never changes, only its state", "epoch, seq, id, type, line, sha256, created_at"),
    "playbook": ("a playbook never changes: activate another", ""),
    "ruleset": ("rules that decided something never change", ""),
    "hub_event": ("what was received never changes", ""),
}

KEPT = (
    """
    CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END $$
    """,
    *(
        f"CREATE TRIGGER {table}_stays BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION stays('{said}')"
        for table, said in _STAYS.items()
    ),
    *(
        f"CREATE TRIGGER {table}_not_emptied BEFORE TRUNCATE ON {table} EXECUTE FUNCTION stays('{said}')"
        for table, said in _STAYS.items()
    ),
    *(
        f"CREATE TRIGGER {table}_unchanged BEFORE UPDATE {f'OF {columns}' if columns else ''} ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION stays('{said}')"
        for table, (said, columns) in _UNCHANGED.items()
    ),
)

OPEN = """
    (SELECT CASE WHEN rma.closed THEN 0 ELSE rma_line.quantity - (
        SELECT count(*) FROM inspection
        WHERE inspection.seller = rma_line.seller AND inspection.rma = rma_line.number
            AND inspection.line_no = rma_line.no AND inspection.current AND inspection.voided_at IS NULL
            AND inspection.kind NOT IN ('wrong_item', 'empty_box')) END
    FROM rma WHERE rma.seller = rma_line.seller AND rma.number = rma_line.number)
"""
"""Units still to come on a line, as revision 0003 counts them."""


def _counts(name: str, on: str, those: str, referencing: str) -> tuple[str, str]:
    """Once for all rows of a statement, not for each."""
    return (
        f"""
        CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN UPDATE rma_line SET open = {OPEN} WHERE (seller, number, no) IN ({those}); RETURN NULL; END $$
        """,
        f"CREATE TRIGGER {name} AFTER {on} REFERENCING {referencing} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
    )


COUNTING = (
    f"UPDATE rma_line SET open = {OPEN}",
    *_counts(
        "rma_line_counted", "INSERT ON rma_line", "SELECT seller, number, no FROM new_rows", "NEW TABLE AS new_rows"
    ),
    *_counts(
        "rma_line_closed",
        "UPDATE ON rma",
        "SELECT l.seller, l.number, l.no FROM new_rows n JOIN old_rows o USING (seller, number) "
        "JOIN rma_line l USING (seller, number) WHERE n.closed <> o.closed",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
    *_counts(
        "rma_line_came",
        "INSERT ON inspection",
        "SELECT seller, rma, line_no FROM new_rows WHERE line_no IS NOT NULL",
        "NEW TABLE AS new_rows",
    ),
    *_counts(
        "rma_line_came_back",
        "UPDATE ON inspection",
        "SELECT n.seller, n.rma, n.line_no FROM new_rows n JOIN old_rows o USING (id, revision) "
        "WHERE n.line_no IS NOT NULL AND n.current <> o.current",
        "OLD TABLE AS old_rows NEW TABLE AS new_rows",
    ),
)
