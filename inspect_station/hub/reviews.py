"""Two docks, one parcel: which lines somebody has to decide, told to all stations in the feed ``decision``.

A line is in dispute from the receipt that says so (sync.md §2.4) for as long as units on it contradict each other.
Nothing is chosen here, nothing hidden: it is told anew when what stands there changes, and taken back once the units
agree or one of them is void.
"""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inspect_station.core.records import Inspection, Review, Reviewed, compact
from inspect_station.core.wire import Status
from inspect_station.hub.intake import Voided
from inspect_station.hub.units import Unit, clash

if TYPE_CHECKING:
    from inspect_station.hub.ledger import Ledger

FEED = "decision"


def review(ledger: "Ledger", tenant: str, kept: Sequence[tuple[Inspection | Voided, Status]]) -> None:
    """After these were kept: begin a dispute where a receipt says so, and look again at those that they touch."""
    told = ledger._rows("SELECT key FROM hub_change WHERE tenant = ? AND feed = ? AND op = 'upsert'", tenant, FEED)
    disputed = {row["key"] for row in told}
    lines: dict[str, tuple[str, str, int]] = {}
    for said, status in kept if disputed or any(status is Status.CONFLICT for _, status in kept) else ():
        id = said.id if isinstance(said, Inspection) else said.inspection
        # All lines on which it ever stood.
        for row in ledger._rows("SELECT seller, rma, line_no FROM inspection WHERE id = ? AND line_no IS NOT NULL", id):
            line = row["seller"], row["rma"], row["line_no"]
            if row["rma"] and (status is Status.CONFLICT or compact(line) in disputed):
                lines[compact(line)] = line
    for key, line in sorted(lines.items()):
        found = _dispute(ledger, tenant, *line)
        if found is not None:
            ledger._publish(tenant, FEED, key, found.model_dump_json())
        elif key in disputed:
            ledger._publish(tenant, FEED, key, "{}", op="delete")


def _dispute(ledger: "Ledger", tenant: str, seller: str, rma: str, no: int) -> Review | None:
    """What stands on a line, in the order in which the hub heard of it; None where nothing contradicts."""
    rows = ledger._rows(
        """
        SELECT i.lpn, i.serial, i.grade, i.disposition, i.title, i.event_id, i.body, e.station, s.name,
            (SELECT min(f.rowid) FROM hub_event f WHERE f.subject = i.id) AS since
        FROM inspection i JOIN hub_event e ON e.tenant = ? AND e.id = i.event_id
        JOIN hub_station s ON s.id = e.station
        WHERE i.seller = ? AND i.rma = ? AND i.line_no = ? AND i.current AND i.voided_at IS NULL
            AND i.kind NOT IN ('wrong_item', 'empty_box')
        ORDER BY since
        """,
        tenant,
        seller,
        rma,
        no,
    )
    line = ledger._row("SELECT quantity FROM rma_line WHERE seller = ? AND number = ? AND no = ?", seller, rma, no)
    quantity = max([line["quantity"] if line else 1, *(json.loads(row["body"])["line"]["quantity"] for row in rows)])
    units = [Unit(row["station"], row["serial"], row["grade"], row["disposition"]) for row in rows]
    if all(clash(unit, units[:n], quantity) != "line_conflict" for n, unit in enumerate(units)):
        return None
    return Review(
        seller=seller,
        rma=rma,
        line=no,
        title=rows[0]["title"],
        units=tuple(
            Reviewed(
                station=row["name"],
                lpn=row["lpn"],
                grade=row["grade"],
                disposition=row["disposition"],
                event=row["event_id"],
            )
            for row in rows
        ),
    )
