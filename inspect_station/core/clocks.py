"""Clocks at the dock (domain.md §2, "Clocks"): from receipt to grade, the seller's time to answer a case; and how far
the station's own clock can be believed.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from inspect_station.core.records import Inspection, Parcel
from inspect_station.core.rules import Rules


@dataclass(frozen=True)
class Clock:
    """Something that has to be done in time, and by whom."""

    kind: Literal["grade", "case"]
    subject: str
    """The unit's plate; of units that nobody has had on the bench yet, the number of their RMA."""
    started_at: datetime
    due_at: datetime
    owner: str = ""
    """Code of the operator who has the unit, or of the seller who is asked; empty = the dock."""
    units: int = 1

    def breached(self, now: datetime) -> bool:
        """Whether it should have been done; at the very moment it is due it is still in time."""
        return now > self.due_at


def of_parcel(rules: Rules, parcel: Parcel, expected: int) -> Clock | None:
    """Receipt to grade, for units of an open parcel that nobody has had on the bench yet; None where there are none."""
    if expected <= 0 or parcel.closed_at is not None:
        return None
    due_at = parcel.received_at + timedelta(hours=rules.grade_hours)
    return Clock("grade", parcel.rmas[-1][1] if parcel.rmas else "", parcel.received_at, due_at, units=expected)


def of_draft(rules: Rules, draft: Inspection, parcel: Parcel | None) -> Clock | None:
    """Receipt to grade, for a unit that was begun; what came without a parcel was received when it was begun.

    None for one that came back to be refurbished: it was graded before.
    """
    if draft.earlier_grades:
        return None
    started_at = parcel.received_at if parcel else draft.started_at
    due_at = started_at + timedelta(hours=rules.grade_hours)
    return Clock("grade", draft.lpn, started_at, due_at, owner=draft.operator)


def of_case(unit: Inspection) -> Clock | None:
    """The seller's time to answer; None where nothing is asked."""
    if unit.case is None or unit.case.due_at is None or unit.finished_at is None or unit.voided_at is not None:
        return None
    return Clock("case", unit.lpn, unit.finished_at, unit.case.due_at, owner=unit.seller)


# ── The station's own clock (sync.md §2.5, "Clocks") ─────────────────────────────────────────────────────────────────

LONGEST_WAIT = timedelta(hours=1)
"""Nothing is put off for longer (sync.md §3.2, 23). What seems to be was, by a clock that has been set back since."""
SKEWED = timedelta(minutes=2)
"""From here on somebody should set the station's clock, and events say how far it is out."""
SUSPECT = timedelta(hours=24)
"""From here on what the clock says is no time of an event."""
BUILT = datetime(2026, 11, 1, tzinfo=UTC)
"""No event is older than this program."""


@dataclass(frozen=True)
class HubTime:
    """What the hub's clock said, beside what the station's said and the one that nobody sets."""

    at: datetime
    """The hub's time."""
    ahead_s: float
    """Seconds by which the station's clock was ahead of it."""
    boot: str
    mono_ms: int

    def ahead(self, now: datetime, boot: str, mono_ms: int) -> timedelta:
        """By how much a clock that says ``now`` is ahead of the hub's: within the same boot whatever it was set to
        meanwhile, else by as much as it was then."""
        if boot != self.boot:
            return timedelta(seconds=self.ahead_s)
        return now - self.at - timedelta(milliseconds=mono_ms - self.mono_ms)


def clock_marks(now: datetime, ahead: timedelta) -> dict[str, Any]:
    """What an event's body says of the clock by which it happened; nothing where that is well."""
    marks: dict[str, Any] = {}
    if abs(ahead) > SKEWED:
        marks["clock_ahead_s"] = round(ahead.total_seconds())
    if abs(ahead) > SUSPECT or now < BUILT:
        marks["clock_suspect"] = True
    return marks
