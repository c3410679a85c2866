"""The hub's photos: which ones its units refer to, which ones it has; who may settle what is parked, and how it was.

A reference that the hub has no photo for is found by an index of those alone.
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def upgrade() -> None:
    op.create_table(
        "hub_photo",
        *_texts("tenant", "inspection", "slot", "sha256", "station", "lpn", "told_at"),
        sa.Column("missing", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "inspection", "slot", "sha256", name="pk_hub_photo"),
    )
    op.create_index("ix_hub_photo_tenant_sha256", "hub_photo", ["tenant", "sha256"])
    missing = sa.text("missing")
    op.create_index(
        "ix_hub_photo_tenant_told_at",
        "hub_photo",
        ["tenant", "told_at"],
        sqlite_where=missing,
        postgresql_where=missing,
    )
    _tell_what_units_refer_to()
    op.create_table(
        "hub_blob",
        *_texts("tenant", "sha256", "station", "mime", "state", "judged_at"),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "sha256", name="pk_hub_blob"),
    )
    op.create_index("ix_hub_blob_station_judged_at", "hub_blob", ["station", "judged_at"])
    op.add_column("hub_station", sa.Column("scope", sa.String(), nullable=False, server_default="station"))
    for name in ("resolution", "note", "resolved_by"):
        op.add_column("hub_parked", sa.Column(name, sa.String(), nullable=False, server_default=""))


def _tell_what_units_refer_to() -> None:
    units = op.get_bind().execute(
        sa.text(
            """
            SELECT e.tenant, e.station, e.received_at, i.id, i.lpn, i.body FROM inspection i
            JOIN hub_event e ON e.id = i.event_id AND e.subject = i.id WHERE i.photos > 0 ORDER BY i.id, i.revision
            """
        )
    )
    refer = sa.text(
        """
        INSERT INTO hub_photo (tenant, inspection, slot, sha256, station, lpn, told_at, missing)
        VALUES (:tenant, :id, :slot, :sha256, :station, :lpn, :received_at, true)
        ON CONFLICT (tenant, inspection, slot, sha256) DO NOTHING
        """
    )
    for unit in units.mappings().all():
        for photo in json.loads(unit["body"])["photos"]:
            if len(photo["sha256"]) == 64:
                op.get_bind().execute(refer, {**unit, "slot": photo["slot"], "sha256": photo["sha256"]})
