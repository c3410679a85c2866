"""When a unit was finished by the hub's clock, as far as that was known, and whether the station's was to be believed.

Until now only the events said how far the clock was out. What they said goes into their units: into the columns, by
which reports count from now on, and into the record, so that the next revision of it says so, too. No line changes.
"""

import json
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("inspection", sa.Column("corrected_at", sa.String(), nullable=False, server_default=""))
    op.add_column("inspection", sa.Column("clock_suspect", sa.Boolean(), nullable=False, server_default=sa.false()))
    on_sqlite = op.get_bind().dialect.name == "sqlite"
    op.execute("DROP TRIGGER inspection_unchanged" if on_sqlite else "ALTER TABLE inspection DISABLE TRIGGER USER")
    op.execute("UPDATE inspection SET corrected_at = finished_at")
    _correct(op.get_bind())
    op.drop_index("ix_inspection_live", table_name="inspection")
    live = sa.text("current AND voided_at IS NULL")
    op.create_index(
        "ix_inspection_live", "inspection", ["corrected_at", "id"], sqlite_where=live, postgresql_where=live
    )
    for statement in [TRIGGER] if on_sqlite else POSTGRESQL:
        op.execute(statement)


def _correct(bind: sa.Connection) -> None:
    """Of what was amended, the event that was there first knows the clock by which the unit was finished."""
    marked: dict[str, dict[int, dict[str, Any]]] = {}
    for id, number, line in bind.execute(MARKED, {"mark": '%"clock_%'}).fetchall():
        body = json.loads(line)["body"]
        # Not of an event that takes it back: that speaks of another moment.
        if (body.get("id"), body.get("revision")) == (id, number):
            marked.setdefault(id, {})[number] = body
    for id, said in marked.items():
        at, marks = "", (0, False)
        for number, finished_at, body in bind.execute(REVISIONS, {"id": id}).fetchall():
            if finished_at != at:
                at, marks = finished_at, _marks(said.get(number, {}))
            ahead_s, suspect = marks
            try:
                corrected = datetime.fromisoformat(at) - timedelta(seconds=ahead_s)
            except OverflowError:
                continue
            row = {
                "id": id,
                "revision": number,
                "corrected_at": corrected.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "suspect": suspect,
                "body": _compact({**json.loads(body), "clock_ahead_s": ahead_s, "clock_suspect": suspect}),
            }
            bind.execute(CORRECTED, row)


def _marks(body: dict[str, Any]) -> tuple[int, bool]:
    """A hub took whatever stood there."""
    ahead_s = body.get("clock_ahead_s")
    return ahead_s if type(ahead_s) is int else 0, body.get("clock_suspect") is True


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


MARKED = sa.text("""
    SELECT i.id, i.revision, e.line FROM (
        SELECT id, line FROM event WHERE line LIKE :mark
        UNION ALL SELECT id, line FROM hub_event WHERE line LIKE :mark) e
    JOIN inspection i ON i.event_id = e.id
""")
REVISIONS = sa.text("SELECT revision, finished_at, body FROM inspection WHERE id = :id ORDER BY revision")
CORRECTED = sa.text("""
    UPDATE inspection SET corrected_at = :corrected_at, clock_suspect = :suspect, body = :body
    WHERE id = :id AND revision = :revision
""")

TRIGGER = """
    CREATE TRIGGER inspection_unchanged BEFORE UPDATE OF
        id, revision, lpn, parcel, kind, seller, rma, line_no, gtin, serial, title, category, device_class, reason,
        outcome, grade, disposition, price_minor, list_minor, currency, discount, operator, seconds, started_at,
        finished_at, corrected_at, clock_suspect, voided_at, event_id, photos, waiting_case, case_due_at, signals,
        settles, body
    ON inspection
    BEGIN SELECT RAISE(ABORT, 'an inspection never changes: add a revision'); END
"""
POSTGRESQL = (
    "ALTER TABLE inspection ENABLE TRIGGER USER",
    "CREATE TRIGGER inspection_corrected_unchanged BEFORE UPDATE OF corrected_at, clock_suspect ON inspection "
    "FOR EACH ROW EXECUTE FUNCTION stays('an inspection never changes: add a revision')",
    # A hub of the version before may write beside this one for a while, and knows nothing of the column.
    """
    CREATE FUNCTION not_corrected() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN NEW.corrected_at = NEW.finished_at; RETURN NEW; END $$
    """,
    "CREATE TRIGGER inspection_not_corrected BEFORE INSERT ON inspection FOR EACH ROW "
    "WHEN (NEW.corrected_at = '') EXECUTE FUNCTION not_corrected()",
)
