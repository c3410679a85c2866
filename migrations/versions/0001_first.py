"""The station's tables.

The triggers are SQLite's. A later revision that makes ``inspection`` or ``event`` anew (batch mode) has to
create their triggers again, with new columns among those that may not change: they go with the old table.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _texts(*names: str, nullable: bool = False) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=nullable) for name in names]


def _number(name: str, *, big: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger() if big else sa.Integer(), nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean(), nullable=False)


def _index(name: str, table: str, *columns: str, where: str = "", unique: bool = False) -> None:
    only = sa.text(where) if where else None
    op.create_index(name, table, columns, unique=unique, sqlite_where=only, postgresql_where=only)


def upgrade() -> None:
    op.create_table("meta", *_texts("key", "value"), sa.PrimaryKeyConstraint("key", name="pk_meta"))

    op.create_table(
        "seller",
        *_texts("code", "origin"),
        _number("version", big=True),
        *_texts("body"),
        sa.PrimaryKeyConstraint("code", name="pk_seller"),
    )

    op.create_table(
        "product",
        *_texts("seller", "gtin", "sku", "asin", "title", "words", "origin"),
        _number("version", big=True),
        *_texts("body"),
        sa.PrimaryKeyConstraint("seller", "gtin", name="pk_product"),
    )
    _index("ix_product_gtin", "product", "gtin")
    _index("ix_product_words_seller_gtin", "product", "words", "seller", "gtin")

    op.create_table(
        "rma",
        *_texts("seller", "number", "order_no", "tracking", "site"),
        _flag("closed"),
        *_texts("origin"),
        _number("version", big=True),
        *_texts("body"),
        sa.PrimaryKeyConstraint("seller", "number", name="pk_rma"),
    )
    _index("ix_rma_number_seller", "rma", "number", "seller")
    _index("ix_rma_order_no_seller_number", "rma", "order_no", "seller", "number")
    _index("ix_rma_tracking_seller_number", "rma", "tracking", "seller", "number")

    op.create_table(
        "rma_line",
        *_texts("seller", "number"),
        _number("no"),
        *_texts("gtin"),
        _number("quantity"),
        *_texts("serial"),
        *_texts("requested_on", "delivered_on", nullable=True),
        sa.PrimaryKeyConstraint("seller", "number", "no", name="pk_rma_line"),
        sa.ForeignKeyConstraint(
            ["seller", "number"], ["rma.seller", "rma.number"], name="fk_rma_line_rma", ondelete="CASCADE"
        ),
    )
    _index("ix_rma_line_gtin", "rma_line", "gtin")
    _index("ix_rma_line_serial_seller_number", "rma_line", "serial", "seller", "number", where="serial <> ''")

    op.create_table(
        "parcel",
        *_texts("id", "received_at", "received_on"),
        *_texts("closed_at", nullable=True),
        *_texts("body"),
        sa.PrimaryKeyConstraint("id", name="pk_parcel"),
    )
    _index("ix_parcel_open", "parcel", "received_at", where="closed_at IS NULL")

    op.create_table(
        "parcel_rma",
        *_texts("parcel", "seller", "number"),
        sa.PrimaryKeyConstraint("parcel", "seller", "number", name="pk_parcel_rma"),
        sa.ForeignKeyConstraint(["parcel"], ["parcel.id"], name="fk_parcel_rma_parcel", ondelete="CASCADE"),
    )
    _index("ix_parcel_rma_seller_number", "parcel_rma", "seller", "number")

    op.create_table(
        "draft",
        *_texts("id", "lpn", "parcel", "seller", "rma"),
        _number("line_no", nullable=True),
        *_texts("gtin", "serial"),
        _flag("aside"),
        *_texts("updated_at", "operator", "body"),
        sa.PrimaryKeyConstraint("id", name="pk_draft"),
        sa.UniqueConstraint("lpn", name="uq_draft_lpn"),
    )

    op.create_table(
        "inspection",
        *_texts("id"),
        _number("revision"),
        _flag("current"),
        *_texts("lpn", "parcel", "kind", "seller", "rma"),
        _number("line_no", nullable=True),
        *_texts("gtin", "serial", "title", "category", "device_class", "reason", "outcome"),
        *_texts("grade", "disposition", nullable=True),
        _number("price_minor", big=True, nullable=True),
        _number("list_minor", big=True, nullable=True),
        *_texts("currency"),
        _number("discount", nullable=True),
        *_texts("operator"),
        sa.Column("seconds", sa.Float(), nullable=False),
        *_texts("started_at", "finished_at"),
        *_texts("voided_at", nullable=True),
        *_texts("event_id"),
        _number("photos"),
        _flag("waiting_case"),
        *_texts("body"),
        sa.PrimaryKeyConstraint("id", "revision", name="pk_inspection"),
    )
    _index("ix_inspection_lpn_id_revision", "inspection", "lpn", "id", "revision")
    _index("ix_inspection_parcel", "inspection", "parcel")
    _index("ix_inspection_seller_rma_line_no", "inspection", "seller", "rma", "line_no")
    _index("ix_inspection_serial_lpn", "inspection", "serial", "lpn", where="serial <> ''")
    _index("ix_inspection_live", "inspection", "finished_at", "id", where="current AND voided_at IS NULL")

    op.create_table(
        "photo",
        *_texts("inspection", "slot", "sha256"),
        *_texts("taken_at", nullable=True),
        *_texts("operator", "state"),
        sa.PrimaryKeyConstraint("inspection", "slot", name="pk_photo"),
    )
    _index("ix_photo_sha256", "photo", "sha256")
    _index("ix_photo_state_inspection_slot", "photo", "state", "inspection", "slot")

    op.create_table(
        "event",
        *_texts("epoch"),
        _number("seq", big=True),
        *_texts("id", "type", "line", "sha256", "created_at", "state", "code"),
        _number("tries"),
        *_texts("not_before", "receipt_at", nullable=True),
        sa.PrimaryKeyConstraint("epoch", "seq", name="pk_event"),
        sa.UniqueConstraint("id", name="uq_event_id"),
    )
    _index("ix_event_state_type", "event", "state", "type")
    _index("ix_event_unsent", "event", "epoch", "seq", where="state IN ('pending', 'sent', 'suspect')")

    op.create_table(
        "label",
        _number("id"),
        *_texts("lpn", "inspection", "kind"),
        _number("print_no"),
        *_texts("fields", "state"),
        *_texts("reason", nullable=True),
        *_texts("created_at"),
        *_texts("printed_at", nullable=True),
        *_texts("printer"),
        sa.PrimaryKeyConstraint("id", name="pk_label"),
    )
    _index("ix_label_state_id", "label", "state", "id")
    _index("uq_label_lpn_print_no", "label", "lpn", "print_no", where="lpn <> ''", unique=True)

    if op.get_bind().dialect.name == "sqlite":
        for trigger in TRIGGERS:
            op.execute(trigger)


TRIGGERS = (
    """
    CREATE TRIGGER inspection_stays BEFORE DELETE ON inspection
    BEGIN SELECT RAISE(ABORT, 'an inspection is never deleted'); END
    """,
    """
    CREATE TRIGGER inspection_unchanged BEFORE UPDATE OF
        id, revision, lpn, parcel, kind, seller, rma, line_no, gtin, serial, title, category, device_class, reason,
        outcome, grade, disposition, price_minor, list_minor, currency, discount, operator, seconds, started_at,
        finished_at, voided_at, event_id, photos, waiting_case, body
    ON inspection
    BEGIN SELECT RAISE(ABORT, 'an inspection never changes: add a revision'); END
    """,
    """
    CREATE TRIGGER event_stays BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'an event is never deleted'); END
    """,
    """
    CREATE TRIGGER event_unchanged BEFORE UPDATE OF epoch, seq, id, type, line, sha256, created_at ON event
    BEGIN SELECT RAISE(ABORT, 'an event never changes, only its state'); END
    """,
)
