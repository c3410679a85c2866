"""What a scan or a verb of the station comes to: frozen values with a sentence, for the screen to paint.

What an operator meets in a day (an unknown code, a wrong article, a closed RMA) is one of these, not an exception.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from inspect_station.core import inspection as life
from inspect_station.core.barcode import Scan
from inspect_station.core.batches import Batch, Route
from inspect_station.core.bench import Bench
from inspect_station.core.clocks import Clock
from inspect_station.core.inspection import Step
from inspect_station.core.records import (
    Disposition,
    Inspection,
    Line,
    Operator,
    Parcel,
    Product,
    Reason,
    Review,
    Rma,
    Verdict,
)
from inspect_station.message import Message
from inspect_station.store import UnitAtHub


@dataclass(frozen=True)
class LineSeen:
    """One line of an RMA as it stands now."""

    rma: Rma
    line: Line
    product: Product
    verdict: Verdict
    open: int
    """Units still to come."""
    units: tuple[Inspection, ...] = ()


@dataclass(frozen=True)
class Arrived:
    """A parcel on the bench; its units are scanned next."""

    parcel: Parcel
    lines: tuple[LineSeen, ...]
    said: Message | None = None


@dataclass(frozen=True)
class Opened:
    """A unit on the bench, begun or resumed."""

    inspection: Inspection
    bench: Bench
    said: Message | None = None


class Offer(StrEnum):
    """What Enter would do."""

    WRONG_ITEM = "wrong_item"
    UNKNOWN = "unknown"
    FORWARD = "forward"
    EXTRA_UNIT = "extra_unit"
    SWITCH = "switch"


@dataclass(frozen=True)
class Proposed:
    """Something unusual; Enter accepts, Esc leaves everything as it was."""

    offer: Offer
    said: Message
    scan: Scan
    line: LineSeen | None = None
    product: Product | None = None
    parcel: Parcel | None = None


@dataclass(frozen=True)
class Several:
    """More than one thing answers to the code; the operator picks one."""

    scan: Scan
    lines: tuple[LineSeen, ...]
    total: int = 0
    """How many there are, where these are only the oldest."""
    article: bool = False
    """An article was scanned: its unit begins with the choice, not only its parcel."""


@dataclass(frozen=True)
class Answerable:
    """One answer to a question of the station, and what it leads to."""

    label: Message
    detail: str
    then: Callable[[], "Seen | Finished | Message"]


@dataclass(frozen=True)
class Question:
    """The code can mean several things, and only who holds the article can tell; Enter takes the first answer."""

    said: Message
    answers: tuple[Answerable, ...]


@dataclass(frozen=True)
class BatchSeen:
    """A batch, opened by its barcode or by a unit that joined it."""

    batch: Batch
    seller: str
    """As people call it."""
    blocked: tuple[Reason, ...] = ()
    """What stands against its closing."""
    said: Message | None = None


@dataclass(frozen=True)
class Collected:
    """The batch that a unit is in, or may join."""

    route: Route
    number: str = ""
    """Empty = none is open yet for its seller and route."""
    inside: bool = False
    """It is in there."""


@dataclass(frozen=True)
class Known:
    """A finished unit, found again by its label."""

    inspection: Inspection
    said: Message
    batch: Collected | None = None
    """None where it belongs in none."""


@dataclass(frozen=True)
class LabelSeen:
    """A label that somebody was to scan, or of which nobody knew whether it came out, is on its box."""

    inspection: Inspection
    said: Message


@dataclass(frozen=True)
class ReasonNeeded:
    """The unit has had this label already, or it is none of its own: why does it get it?"""

    lpn: str
    copy: int
    """The number that the new one will bear."""
    kind: str = ""
    """Of a slip or another label than its own."""


@dataclass(frozen=True)
class Printable:
    """What can be printed of a unit: its own label, slips beside it, and what only a supervisor gives it."""

    lpn: str
    own: str
    slips: tuple[str, ...]
    others: tuple[str, ...]


@dataclass(frozen=True)
class Doubtful:
    """A label about which a person is asked, as it looks."""

    id: int
    lpn: str
    lines: tuple[str, ...]
    reason: Message | None
    sent: bool
    """It went to a printer; otherwise it surely did not come out."""
    other: bool = True
    """It may not be needed: the unit may have another label, or is on the bench again."""
    slip: Message | None = None
    """What people call it, if it goes beside the unit's own label: nobody needs it but who asked for it."""


@dataclass(frozen=True)
class Roll:
    """The change of a roll: what waits, and what is wrong with the sizes."""

    said: Message
    held: bool
    waiting: int
    printers: tuple[str, ...] = ()
    problems: tuple[Message, ...] = ()
    tested: str = ""
    """The printer that a test label was sent to since printing is held."""


@dataclass(frozen=True)
class PinNeeded:
    """A supervisor's badge: the PIN is asked."""

    operator: Operator
    said: Message


@dataclass(frozen=True)
class SignedIn:
    """Who works from now on."""

    operator: Operator
    said: Message


@dataclass(frozen=True)
class Given:
    """The scan answers the page that is open (a serial)."""

    given: life.Input


@dataclass(frozen=True)
class Said:
    """Nothing changed; why, and what to do next."""

    title: Message
    hint: Message


@dataclass(frozen=True)
class SupervisorNeeded(Said):
    """Nothing changed, for only a supervisor may do it: with badge and PIN it is done in the supervisor's name."""

    then: Callable[[Operator], "Seen | Message | ReasonNeeded"]
    """Does it, once a supervisor has vouched for it."""


Seen = (
    Arrived
    | Opened
    | Proposed
    | Several
    | Question
    | Known
    | LabelSeen
    | BatchSeen
    | PinNeeded
    | SignedIn
    | Given
    | Said
)


@dataclass(frozen=True)
class Photographed:
    """A photo in its slot, or owed."""

    step: Step
    said: Message
    well: bool
    """False where somebody should look: owed, blurred, dark."""


@dataclass(frozen=True)
class Finished:
    """Units committed to the store, with their labels queued."""

    units: tuple[Inspection, ...]
    said: Message


@dataclass(frozen=True)
class Synced:
    """What came of sending and fetching."""

    sent: int
    waiting: int
    parked: int
    fetched: int
    problem: Message | None
    wait_s: float
    """The hub is not to be asked again within so many seconds; 0 while all is well."""


@dataclass(frozen=True)
class Waiting:
    """One thing that waits for somebody."""

    lpn: str
    sign: str
    text: Message
    draft: str = ""
    """Id of the draft that Enter resumes."""
    label: int = 0
    """Id of a label of which nobody knows whether it came out; `settle_label` takes the answer."""
    parcel: str = ""
    """Id of the open parcel that Enter brings back."""
    batch: str = ""
    """Number of the batch that Enter opens."""
    review: Review | None = None
    """The line on which docks contradict each other; `dispute` says what can be done."""
    clock: Clock | None = None
    """Until when it has to be done."""
    owner: str = ""
    """By whom, as people call them."""


@dataclass(frozen=True)
class Pending:
    """All that waits, in the order in which somebody should look: what is in doubt, then what is due."""

    waiting: tuple[Waiting, ...]
    marked: tuple[Inspection, ...] = ()
    """Units that bear a signal, the newest first; only supervisors see any."""
    cases_left: int = 0
    """Open cases for which there was no room."""
    marked_left: int = 0
    """Marked units for which there was no room."""


@dataclass(frozen=True)
class Desk:
    """All that the desk shows; read in one go."""

    units: int = 0
    by_disposition: Mapping[Disposition, int] = field(default_factory=dict)
    defective: int = 0
    average_s: int | None = None
    last: tuple[Inspection, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    overdue: int = 0
    """Units over time since receipt."""
    cases_overdue: int = 0
    """Cases that a seller has not answered in time."""
    events_waiting: int = 0
    events_refused: int = 0
    """Records that the hub did not take."""
    labels_waiting: int = 0
    labels_parked: int = 0
    photos_owed: int = 0
    photos_parked: int = 0
    at_hub: Mapping[str, UnitAtHub | Literal["superseded"]] = field(default_factory=dict)
    """Whether the hub has said that it has the units in view, by their ids; empty where there is no hub."""
    parcel: Arrived | None = None
    """The parcel that is still open, if any."""
