"""Photos that were erased: who ordered it, when and why. And what events tell of parcels and batches, beside the units.

Stations read what is announced from its start once more, because there is another feed, of erased photos.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def upgrade() -> None:
    op.add_column("hub_blob", sa.Column("erased_at", sa.String(), nullable=True))
    for name in ("erased_by", "erased_why"):
        op.add_column("hub_blob", sa.Column(name, sa.String(), nullable=False, server_default=""))
    op.execute("UPDATE meta SET value = '' WHERE key = 'hub_cursor'")
    op.create_table(
        "hub_parcel",
        *_texts("tenant", "parcel", "seller", "rma", "station", "received_at", "received_on"),
        sa.PrimaryKeyConstraint("tenant", "parcel", "seller", "rma", name="pk_hub_parcel"),
    )
    op.create_index("ix_hub_parcel_tenant_seller_rma", "hub_parcel", ["tenant", "seller", "rma"])
    op.create_table(
        "hub_batched",
        *_texts("tenant", "inspection", "number"),
        sa.PrimaryKeyConstraint("tenant", "inspection", "number", name="pk_hub_batched"),
    )
    _tell("parcel.received", _RECEIVED)
    _tell("batch.closed", _BATCHED)


def _tell(type: str, statement: str) -> None:
    """What was received before is told now, as far as it can be read: nobody has read it until now."""
    page = sa.text(
        """
        SELECT e.tenant, e.id, s.name AS station, e.line FROM hub_event e JOIN hub_station s ON s.id = e.station
        WHERE e.type = :type AND (e.tenant, e.id) > (:tenant, :id) ORDER BY e.tenant, e.id LIMIT 1000
        """
    )
    last = {"tenant": "", "id": ""}
    while rows := op.get_bind().execute(page, {"type": type, **last}).mappings().all():
        for row in rows:
            for found in _found(json.loads(row["line"])["body"]):
                if all(text.isprintable() and len(text) <= 100 for text in found.values()):
                    whose = {"tenant": row["tenant"], "station": row["station"]}
                    op.get_bind().execute(sa.text(statement), {**whose, **found})
        last = {"tenant": rows[-1]["tenant"], "id": rows[-1]["id"]}


def _found(body: object) -> Iterator[dict[str, str]]:
    match body:
        case {
            "parcel": str(parcel),
            "seller": str(seller),
            "rma": str(rma),
            "received_at": str(at),
            "received_on": str(on),
        }:
            with suppress(ValueError, OverflowError):
                moment = datetime.fromisoformat(at)
                if moment.tzinfo is not None:
                    text = moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
                    times = {"at": text, "on": date.fromisoformat(on).isoformat()}
                    yield {"parcel": parcel, "seller": seller, "rma": rma, **times}
        case {"number": str(number), "units": list(units)}:
            for unit in units:
                match unit:
                    case {"inspection": str(id)}:
                        yield {"inspection": id, "number": number}


_RECEIVED = """
    INSERT INTO hub_parcel (tenant, parcel, seller, rma, station, received_at, received_on)
    VALUES (:tenant, :parcel, :seller, :rma, :station, :at, :on) ON CONFLICT DO NOTHING
"""
_BATCHED = """
    INSERT INTO hub_batched (tenant, inspection, number) VALUES (:tenant, :inspection, :number) ON CONFLICT DO NOTHING
"""
