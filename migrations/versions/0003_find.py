"""Found fast among a million: how many units a line still expects, and a search by parts of codes and titles.

Both follow from other tables and are kept by triggers, so that no way of writing can forget them. As in the first
revision the triggers are SQLite's, and go with a table that a later revision makes anew; such a revision also has to
give each search its table's rows again: ``INSERT INTO rma_find(rma_find) VALUES ('rebuild')``.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

SEARCHED = {
    "rma": ("number", "order_no", "tracking"),
    "rma_line": ("serial",),
    "product": ("words",),
    "inspection": ("lpn", "serial"),
}


def _index(name: str, table: str, *columns: str, where: str = "") -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, [sa.text(each) for each in columns], sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    op.add_column("rma_line", sa.Column("open", sa.Integer(), nullable=False, server_default="0"))
    op.execute(f"UPDATE rma_line SET open = {OPEN}, serial = upper(serial)")
    op.drop_index("ix_rma_line_gtin", "rma_line")
    op.drop_index("ix_product_words_seller_gtin", "product")
    requested = "coalesce(requested_on, delivered_on, '9')"
    _index("ix_product_sku_gtin", "product", "sku", "gtin", where="sku <> ''")
    _index("ix_product_asin_gtin", "product", "asin", "gtin", where="asin <> ''")
    _index("ix_rma_line_open", "rma_line", "gtin", requested, "seller", "number", "no", where="open > 0")

    op.drop_index("ix_inspection_serial_lpn", "inspection")
    _index("ix_inspection_serial_gtin", "inspection", "serial", "gtin", where="serial <> ''")
    _index(
        "ix_inspection_claim", "inspection", "finished_at", where="current AND voided_at IS NULL AND kind = 'unknown'"
    )
    _index("ix_draft_rma_seller_line_no", "draft", "rma", "seller", "line_no")
    _index("ix_draft_gtin", "draft", "gtin")
    _index("ix_draft_serial", "draft", "serial")
    _index("ix_draft_parcel", "draft", "parcel")

    if op.get_bind().dialect.name == "sqlite":
        for trigger in COUNTING:
            op.execute(trigger)
        for table, columns in SEARCHED.items():
            _search(table, columns)


OPEN = """
    (SELECT CASE WHEN rma.closed THEN 0 ELSE rma_line.quantity - (
        SELECT count(*) FROM inspection
        WHERE inspection.seller = rma_line.seller AND inspection.rma = rma_line.number
            AND inspection.line_no = rma_line.no AND inspection.current AND inspection.voided_at IS NULL
            AND inspection.kind NOT IN ('wrong_item', 'empty_box')) END
    FROM rma WHERE rma.seller = rma_line.seller AND rma.number = rma_line.number)
"""
"""Units still to come on a line: none where its RMA was closed; a wrong item and an empty box do not consume it
(design.md §7). Below zero where more came than were announced."""

COUNTING = (
    f"""
    CREATE TRIGGER rma_line_counted AFTER INSERT ON rma_line
    BEGIN UPDATE rma_line SET open = {OPEN} WHERE rowid = new.rowid; END
    """,
    f"""
    CREATE TRIGGER rma_line_closed AFTER UPDATE OF closed ON rma WHEN old.closed <> new.closed
    BEGIN UPDATE rma_line SET open = {OPEN} WHERE seller = new.seller AND number = new.number; END
    """,
    f"""
    CREATE TRIGGER rma_line_came AFTER INSERT ON inspection WHEN new.line_no IS NOT NULL
    BEGIN UPDATE rma_line SET open = {OPEN} WHERE seller = new.seller AND number = new.rma AND no = new.line_no; END
    """,
    f"""
    CREATE TRIGGER rma_line_came_back AFTER UPDATE OF current ON inspection
    WHEN new.line_no IS NOT NULL AND old.current <> new.current
    BEGIN UPDATE rma_line SET open = {OPEN} WHERE seller = new.seller AND number = new.rma AND no = new.line_no; END
    """,
)


def _search(table: str, columns: tuple[str, ...]) -> None:
    """A full-text index of every three signs that follow one another in these columns.

    It says only which rows may hold a text (no positions, a third of the size); the reader looks at those.
    """
    names = ", ".join(columns)

    def values(row: str) -> str:
        return ", ".join(f"{row}.{column}" for column in columns)

    add = f"INSERT INTO {table}_find (rowid, {names}) VALUES (new.rowid, {values('new')})"
    drop = f"INSERT INTO {table}_find ({table}_find, rowid, {names}) VALUES ('delete', old.rowid, {values('old')})"
    changed = " OR ".join(f"old.{column} <> new.{column}" for column in columns)
    for statement in (
        f"CREATE VIRTUAL TABLE {table}_find USING fts5({names}, content = '{table}', content_rowid = 'rowid', "
        "tokenize = 'trigram', detail = 'none', columnsize = 0)",
        f"INSERT INTO {table}_find ({table}_find) VALUES ('rebuild')",
        f"CREATE TRIGGER {table}_find_added AFTER INSERT ON {table} BEGIN {add}; END",
        f"CREATE TRIGGER {table}_find_dropped AFTER DELETE ON {table} BEGIN {drop}; END",
        f"CREATE TRIGGER {table}_find_changed AFTER UPDATE OF {names} ON {table} WHEN {changed} "
        f"BEGIN {drop}; {add}; END",
    ):
        op.execute(statement)
