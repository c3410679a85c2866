"""Two docks, one parcel: how units of one line stand, kept beside them and told to all stations in the feed
``decision``.

A line is in dispute for as long as units on it contradict each other and no supervisor's word settles that (sync.md
§2.4). Nothing is chosen here, nothing hidden: it is told anew when what stands there changes, and taken back once the
units agree or one of them is void. What was settled stays told: the losing dock has to hear what counts.
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from inspect_station.core import wire
from inspect_station.core.records import Review, Reviewed, Settled, Standing, compact
from inspect_station.hub.units import CONSUMES_NOTHING, ON_NO_LINE, Line, line_up, stood, word_of

if TYPE_CHECKING:
    from inspect_station.hub.ledger import Ledger

FEED = "decision"
_ON_NO_LINE = ", ".join(f"'{each}'" for each in sorted(ON_NO_LINE))
_CONSUMES_NOTHING = ", ".join(f"'{each}'" for each in sorted(CONSUMES_NOTHING))


def review(ledger: "Ledger", tenant: str, lines: Iterable[Line]) -> None:
    """Look again at these lines: mark how their units stand, and tell the stations what is news to them."""
    for line in sorted(lines):
        found = _looked_at(ledger, tenant, line)
        if found is not None:
            ledger._publish(tenant, FEED, compact(line), found.model_dump_json())
        elif ledger._row(
            "SELECT 1 FROM hub_change WHERE tenant = ? AND feed = ? AND key = ?", tenant, FEED, compact(line)
        ):
            ledger._publish(tenant, FEED, compact(line), "{}", op="delete")


def _looked_at(ledger: "Ledger", tenant: str, line: Line) -> Review | None:
    """What stands on a line, in the order in which the hub heard of it; None where there is nothing to tell."""
    seller, rma, no = line
    rows = ledger._rows(
        f"""
        SELECT i.id, i.revision, i.lpn, i.serial, i.grade, i.disposition, i.title, i.event_id, i.settles, i.standing,
            i.body, e.station, e.rowid AS at, s.name, (SELECT min(f.rowid + 0) FROM hub_event f
                WHERE f.subject = i.id AND f.type NOT IN ({_ON_NO_LINE})) AS since
        FROM inspection i JOIN hub_event e ON e.tenant = ? AND e.id = i.event_id
        JOIN hub_station s ON s.id = e.station
        WHERE i.seller = ? AND i.rma = ? AND i.line_no = ? AND i.current AND i.voided_at IS NULL
            AND i.kind NOT IN ({_CONSUMES_NOTHING})
        ORDER BY since
        """,
        tenant,
        *line,
    )
    if not rows:
        return None
    announced = ledger._row("SELECT quantity FROM rma_line WHERE seller = ? AND number = ? AND no = ?", *line)
    quantity = max([announced["quantity"] if announced else 1, *(_quantity(row["body"]) for row in rows)])
    said = [
        (Settled.model_validate(wire.cleaned(wire.parse(row["line"])["body"])), row["at"])
        for row in ledger.words(tenant, [line])
    ]
    lined = line_up([stood(row) for row in rows], [word_of(*each)[1] for each in said], quantity)
    for row in rows:
        if (now := lined.standing[row["id"]]) != row["standing"]:
            ledger._do(
                "UPDATE inspection SET standing = ? WHERE id = ? AND revision = ?", now, row["id"], row["revision"]
            )
    if not lined.open and Standing.SUPERSEDED not in lined.standing.values():
        return None
    return Review(
        seller=seller,
        rma=rma,
        line=no,
        title=rows[0]["title"],
        quantity=quantity,
        units=tuple(
            Reviewed(
                station=row["name"],
                lpn=row["lpn"],
                grade=row["grade"],
                disposition=row["disposition"],
                event=row["event_id"],
                inspection=row["id"],
                serial=row["serial"],
                standing=lined.standing[row["id"]],
            )
            for row in rows
        ),
        open=lined.open,
        again=next(
            (word.unit for word, at in reversed(said) if word.again and word.unit.inspection == lined.again), None
        ),
    )


def _quantity(body: str) -> int:
    return int(json.loads(body)["line"]["quantity"])
