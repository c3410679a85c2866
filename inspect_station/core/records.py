"""The nouns of the trade as frozen, validated values; one JSON form for the row, the outbox and the hub.

Times end in ``_at`` (aware, UTC), dates in ``_on`` (civil dates in the site's zone), money is integer minor units
with a currency, ids are UUIDv7 texts made at the station.
"""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.dataclasses import dataclass

from inspect_station.message import Message

INSPECTION_SCHEMA = 1
"""Version of `Inspection`'s JSON form; older ones are brought up to it by `upgrade`."""


class Record(BaseModel):
    """A frozen value; unknown fields of a newer version are ignored, never fatal."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    def but(self, **changes: Any) -> Self:
        """This value with some fields changed; the changes are trusted, not validated again."""
        return self.model_copy(update=changes)


def _words(value: Any) -> Any:
    return {"en": value} if isinstance(value, str) else value


Words = Annotated[Mapping[str, str], BeforeValidator(_words)]
"""A site's own text by language, English at least: ``{ en = "used", fr = "utilisé" }`` or just ``"used"``."""


class Money(Record):
    """An amount in the currency's minor unit (cents)."""

    minor: int
    currency: str = "EUR"

    def __str__(self) -> str:
        return f"{self.minor} {self.currency}"


class Grade(StrEnum):
    """The six conditions (seed 003), best first."""

    NEW = "new"
    OPENED = "opened_packaging"
    USED = "used"
    LIGHT = "lightly_damaged"
    HEAVY = "heavily_damaged"
    DEFECTIVE = "defective"

    @property
    def rank(self) -> int:
        """0 for the best; a higher rank is a worse grade."""
        return tuple(Grade).index(self)

    @classmethod
    def by_digit(cls, digit: int) -> "Grade":
        """The grade behind key 1…6."""
        return tuple(cls)[digit - 1]


def worst(*grades: Grade) -> Grade:
    """The worst of the grades."""
    return max(grades, key=lambda grade: grade.rank)


class Outcome(StrEnum):
    """What the policy says about a return."""

    ELIGIBLE = "eligible"
    INELIGIBLE = "ineligible"
    CONSULT = "consult"


class Disposition(StrEnum):
    """Where a unit goes."""

    RESTOCK = "restock"
    CLEARANCE = "clearance"
    REFURBISH = "refurbish"
    RETURN_TO_CUSTOMER = "return_to_customer"
    RETURN_TO_SELLER = "return_to_seller"
    RECYCLE = "recycle"
    DESTROY = "destroy"
    DONATE = "donate"
    FORWARD = "forward"
    HOLD = "hold"
    QUARANTINE = "quarantine"


class Kind(StrEnum):
    """What kind of thing was found in the parcel."""

    UNIT = "unit"
    WRONG_ITEM = "wrong_item"
    EMPTY_BOX = "empty_box"
    UNKNOWN = "unknown"
    DANGER = "danger"
    FORWARD = "forward"


class ReasonGroup(StrEnum):
    """Kinds of reasons, as far as a rule or a report tells them apart (seed 000)."""

    DEFECT = "defect"
    DAMAGE = "damage"
    WRONG = "wrong"
    """Not what was ordered, or not all of it, whoever's mistake it was."""
    DESCRIPTION = "description"
    DISSATISFIED = "dissatisfied"
    SHIPPING = "shipping"
    UNDELIVERED = "undelivered"
    """Never reached the customer: no window runs."""
    NONE = "none"
    """Not known: whoever has the parcel in hand is asked for it."""


class Role(StrEnum):
    """What an operator may do."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"


class Operator(Record):
    """Someone who works at the station; the badge's text and PIN are kept as hashes only."""

    code: str
    name: str
    role: Role = Role.OPERATOR
    locale: str = ""
    """Language of the screen for this operator; empty = the station's."""


class Seller(Record):
    """A merchant whose returns are handled here, with the settings that are the seller's to choose."""

    code: str
    name: str
    not_met: str = "ask"
    """Conditions not met: ``ask`` the seller each time, or ``tell`` the customer at once (seed 003)."""
    missing_date: str = "ask"
    """A date that matters is not known and cannot be inferred: ``ask`` the seller, or ``accept`` (domain.md §2)."""
    discount_by: str = "warehouse"
    """``warehouse`` or ``seller`` (from a photo; the unit waits on hold) (seed 003)."""
    defective: str = "return_to_seller"
    """``return_to_seller``, ``recycle`` or ``destroy`` (needs a ground and a supervisor) (seed 003)."""
    packaging_damaged: str = "clearance"
    """Sealed goods in a damaged packaging: ``restock`` or ``clearance``."""
    apparel_as_new: bool = False
    """Unworn, tagged and rebagged apparel may be new."""
    windows: dict[str, int] = {}
    """Longer return windows in days by policy id; never shorter than the policy's own (seed 000, 001)."""
    discounts: dict[str, int] = {}
    """Discount in per cent by grade, where it differs from the site's."""
    rma_pattern: str = ""
    """Regular expression of this seller's RMA numbers; empty = known by the store only."""
    criteria: dict[str, Words] = {}
    """The seller's own written criteria by grade, shown on `g`."""
    pictures: dict[str, tuple[str, ...]] = {}
    """SHA-256 of the seller's reference pictures by grade, shown on `g`."""
    destroy_ground: str = ""
    """Why defective goods are destroyed; without a ground none are (seed 003, ours)."""
    returns_norm: dict[int, int] = {}
    """Days → most RMAs of one customer that come back within them before a supervisor looks (seed 001)."""


class Accessory(Record):
    """Something that belongs to the product."""

    name: str
    essential: bool = True
    """False = consumable: missing costs a discount only."""


class Product(Record):
    """An article of one seller; known by (seller, gtin)."""

    seller: str
    gtin: str
    """Fourteen digits."""
    gtin_as_given: str = ""
    sku: str = ""
    title: str
    category: str = "general"
    device_class: str = ""
    """Empty, or one of the configured checklists' classes."""
    price: Money | None = None
    """Catalogue price of a new one."""
    min_price: Money | None = None
    accessories: tuple[Accessory, ...] = ()
    hygiene: bool = False
    hazard: str = ""
    weight_g: int | None = None
    asin: str = ""
    maker: str = ""
    model: str = ""
    components: tuple[str, ...] = ()
    """Of a kit: each part's name; a missing part is an essential accessory missing."""
    shares: dict[str, int] = {}
    """Of a kit: the part's share of the value in per cent, by its name, where it is known."""
    extra: dict[str, str] = {}
    """Columns of the import that we do not know, kept aside."""

    @property
    def ean(self) -> str:
        """The GTIN as people know it: as given, else without leading zeros of the 14-digit form."""
        return self.gtin_as_given or self.gtin.removeprefix("0")


class Line(Record):
    """One article announced by an RMA. A missing date is unknown, never assumed."""

    no: int
    gtin: str
    quantity: int = 1
    reason: str = "NO_REASON"
    sold_as: str = "new"
    serial: str = ""
    requested_on: date | None = None
    delivered_on: date | None = None
    latest_estimated_on: date | None = None
    defect_reported_on: date | None = None
    postmarked_on: date | None = None
    paid: Money | None = None
    """Paid for the whole line, without shipping."""
    shipping_paid: Money | None = None
    """Paid for sending the line."""


class Rma(Record):
    """A return authorisation; known by (seller, number)."""

    seller: str
    number: str
    channel: str = ""
    order: str = ""
    customer: str = ""
    """An opaque key; never a name."""
    site: str = ""
    """The site it is meant for; empty = this one."""
    tracking: str = ""
    country: str = ""
    fulfilment: str = "seller"
    """``seller`` or ``fba``."""
    closed: bool = False
    lines: tuple[Line, ...]
    extra: dict[str, str] = {}

    def line(self, no: int) -> Line:
        """The line with this number."""
        return next(line for line in self.lines if line.no == no)


class Parcel(Record):
    """What arrived: one carton, one or more RMAs."""

    id: str
    station: str
    rmas: tuple[tuple[str, str], ...] = ()
    """(seller, number) of each RMA found in the carton."""
    received_at: datetime
    received_on: date
    missing: tuple[tuple[str, str, int], ...] = ()
    """Lines marked as not in the parcel: (seller, number, line); they stay open."""
    findings: tuple["Finding", ...] = ()
    """Seen on the carton before it was opened; each unit in it carries them too."""
    photos: tuple["Photo", ...] = ()
    closed_at: datetime | None = None


class Reason(Record):
    """Why something was decided; ``code`` is stable, the message is for people."""

    code: str
    message: Message
    met: bool = True
    """Whether the rule named by the code was met."""


class Verdict(Record):
    """Eligibility of one line on one day, with the rules met and failed."""

    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    """In the order in which they are said; the first decides."""
    policy: str = ""
    """Id of the policy row that applied."""
    possible_defect: bool = False
    ask: tuple[str, ...] = ()
    """What the screen may ask for: ``postmarked_on``, ``reason``."""
    seller_accepted: bool = False
    """The seller has accepted although the policy alone would not."""

    @property
    def ours(self) -> bool:
        """Whether the article may be treated as the seller's: the ownership gate is open."""
        return self.outcome is Outcome.ELIGIBLE or self.seller_accepted


class Mark(StrEnum):
    """The state of one row of a checklist."""

    OPEN = ""
    PASS = "pass"
    FAIL = "fail"
    SKIPPED = "skipped"


class Answer(Record):
    """One answer to a question or a checklist row, with who gave it and when."""

    id: str
    """``<page>.<row>``, for example ``test.power`` or ``question.sealed``."""
    mark: Mark = Mark.OPEN
    value: str = ""
    """What was measured, scanned or typed."""
    by: str = ""
    at: datetime | None = None


class Finding(Record):
    """One observed fact."""

    code: str
    note: str = ""
    by: str = ""
    at: datetime | None = None


class Photo(Record):
    """A picture in its slot. Two slots may show the same picture: the slot is the identity, not the hash."""

    slot: str
    sha256: str = ""
    """Empty = owed: the camera was down."""
    by: str = ""
    at: datetime | None = None


class Case(Record):
    """A question put to the seller about one unit."""

    question: str
    """eligibility, price, gate, wrong_item, empty_box, heavy_damage, claim."""
    proposal: str = ""
    default: str = ""
    due_at: datetime | None = None


class Wipe(Record):
    """What is kept of a wipe (domain.md §3.4): who erased what, how, and how it was seen to be done.

    The fields of the certificate of sanitization of NIST SP 800-88 (Rev. 1 appendix G), as far as a dock knows them.
    """

    title: str
    maker: str = ""
    model: str = ""
    serial: str
    """Serial number or IMEI of the device."""
    property_number: str = ""
    """Our licence plate."""
    medium: str
    method: str
    """clear, purge or destroy."""
    technique: str = ""
    tool: str
    tool_version: str = ""
    standard: str
    revision: str = ""
    """Of the standard."""
    verification: str = ""
    """How it was seen to be done."""
    verified: str
    """SHA-256 of the picture of the set-up screen."""
    wiped_by: str = ""
    wiped_at: datetime | None = None
    """When the last row of the wipe was answered."""
    by: str
    """Who verified it: took the picture."""
    at: datetime
    station: str
    site: str = ""


class Change(Record):
    """A grade that was lowered or raised by hand."""

    grade: Grade
    over: Grade | None = None
    """What it stood over: something worse found later counts all the same."""
    known: tuple[str, ...] | None = None
    """Codes of the facts that were known then: what is found later counts all the same, if it is worse than the grade
    given. None in records of the first version."""
    reason: str
    by: str
    at: datetime


class Rerouting(Record):
    """Another place than the rules gave, ordered by a supervisor."""

    disposition: Disposition
    over: Disposition
    """Where it was to go before."""
    reason: str
    by: str
    at: datetime


class Inspection(Record):
    """Everything established about one unit: the draft on the screen and the finished record alike."""

    schema_version: int = INSPECTION_SCHEMA
    id: str
    revision: int = 1
    lpn: str
    station: str
    parcel: str
    kind: Kind = Kind.UNIT
    was: Kind | None = None
    """What it was before it turned out to be dangerous, or before its RMA was found."""
    seller: str = ""
    rma: str = ""
    line: Line | None = None
    product: Product | None = None
    """As known when the unit was scanned: price and title are frozen here."""
    channel: str = ""
    fulfilment: str = "seller"
    """``seller`` or ``fba``."""
    received_on: date | None = None
    """Civil date on which its parcel arrived; None in records of the first version."""
    site: str = ""
    """The other site it belongs to; empty = this one."""
    scanned: str = ""
    """The code that was read, where nothing is known by it."""
    serial: str = ""
    count: int = 1
    """Units committed together (F7)."""
    operator: str = ""
    started_at: datetime
    page: str = "condition"
    trail: tuple[str, ...] = ()
    """Pages left behind, for `b`."""
    shown_at: datetime | None = None
    dwell_ms: dict[str, int] = {}
    """Milliseconds spent on each page."""
    verdict: Verdict = Verdict(outcome=Outcome.ELIGIBLE)
    answers: tuple[Answer, ...] = ()
    findings: tuple[Finding, ...] = ()
    photos: tuple[Photo, ...] = ()
    notes: tuple[str, ...] = ()
    chosen: Grade | None = None
    """The grade the operator pressed, before floors."""
    overrides: tuple[Change, ...] = ()
    rerouted: tuple[Rerouting, ...] = ()
    earlier_grades: tuple[Grade, ...] = ()
    """Grades before refurbishing; each is kept."""
    held: str = ""
    """Reason given with `h`, empty if not held by hand."""
    text: str = ""
    """The sales text that says why, where the operator has written one."""
    # Established at finish, by decide:
    grade: Grade | None = None
    disposition: Disposition | None = None
    price: Money | None = None
    list_price: Money | None = None
    discount: int | None = None
    reasons: tuple[Reason, ...] = ()
    gates: tuple[str, ...] = ()
    route: str = ""
    """Id of the row of routes that sent it there; empty = no row did: a gate, a hazard, a hand."""
    refund: str = ""
    """Advice: ``full``, ``partial``, ``refuse``, or ``ask`` the seller."""
    refund_amount: Money | None = None
    """Never more than was paid for what came back; None where it is not known, or nothing is advised."""
    refund_means: str = ""
    """``original``, ``credit``, ``exchange`` or ``repair``."""
    refund_reasons: tuple[Reason, ...] = ()
    case: Case | None = None
    dock: tuple[str, ...] = ()
    """What was found at the dock, in the codes of domain.md §3.1, apart from the stated reason."""
    wipe: Wipe | None = None
    finished_at: datetime | None = None
    finished_by: str = ""
    clock_ahead_s: int = 0
    """Seconds by which the clock that said `finished_at` was ahead of the hub's, as far as that was known then and is
    worth correcting (`clocks.clock_marks`)."""
    clock_suspect: bool = False
    """That clock was not to be believed."""
    voided_at: datetime | None = None
    void_reason: str = ""
    rules_hash: str = ""
    training: bool = False
    warnings: tuple[Reason, ...] = ()
    """Said beside the verdict; they decide nothing."""
    signals: tuple[Reason, ...] = ()
    """Marks for a supervisor (seed 001: fraud); they decide nothing either."""
    settles: tuple[str, ...] = ()
    """Events of other docks over which this one counts: a supervisor had it inspected again (sync.md §2.4)."""

    def answer(self, id: str) -> Answer | None:
        """The latest answer to this row, if any."""
        return next((answer for answer in reversed(self.answers) if answer.id == id), None)

    def found(self, code: str) -> bool:
        """Whether this finding was made."""
        return any(finding.code == code for finding in self.findings)

    @property
    def corrected_at(self) -> datetime:
        """When it was finished, by the hub's clock as far as that was known: the day it counts for (sync.md §2.5).

        Raises ValueError for a unit that is not finished, OverflowError for a time that there is none of.
        """
        if self.finished_at is None:
            raise ValueError(f"{self.lpn} is not finished")
        return self.finished_at - timedelta(seconds=self.clock_ahead_s)


class Standing(StrEnum):
    """How a unit stands among the others on its line (sync.md §2.4); empty = it counts."""

    COUNTS = ""
    DUPLICATE = "duplicate"
    """Another dock found the same: one of the two is enough."""
    CONTESTED = "contested"
    """It contradicts what counts, and nobody has decided yet."""
    SUPERSEDED = "superseded"
    """A supervisor has decided that another one counts; it is kept."""


class Reviewed(Record):
    """A unit on a line that is in dispute."""

    station: str
    """The name of the dock that inspected it."""
    lpn: str
    grade: Grade | None = None
    disposition: Disposition | None = None
    event: str = ""
    """Id of the event that says so."""
    inspection: str = ""
    serial: str = ""
    standing: Standing = Standing.COUNTS


class Review(Record):
    """A line of an RMA on which docks contradict each other: somebody has to decide, or has (sync.md §2.4)."""

    seller: str
    rma: str
    line: int
    title: str = ""
    quantity: int = 1
    """As announced."""
    units: tuple[Reviewed, ...]
    """In the order in which the hub heard of them: the first one counts until somebody has decided."""
    open: bool = True
    """Nobody has decided yet, or what was ordered is not done."""
    again: Reviewed | None = None
    """The unit that a supervisor has ordered to be inspected again."""

    def rivals(self, unit: Reviewed) -> tuple[Reviewed, ...]:
        """Those that can only be the same box as this one; none where that cannot be known."""
        others = [each for each in self.units if each.inspection != unit.inspection]
        same = [each for each in others if unit.serial and each.serial == unit.serial]
        if not same and self.quantity == 1:
            same = [each for each in others if each.station != unit.station]
        return tuple(same)

    @property
    def disputed(self) -> tuple[Reviewed, ...]:
        """The units about which nobody has decided: what contradicts, and what each of them can be the same box as."""
        left = [each for each in self.units if each.standing is not Standing.SUPERSEDED]
        again = self.again.inspection if self.again else ""
        doubted = [each for each in left if each.standing is Standing.CONTESTED or each.inspection == again]
        ids = {one.inspection for each in doubted for one in (each, *(self.rivals(each) or left))}
        return tuple(each for each in left if each.inspection in ids)


class Settled(Record):
    """The body of an ``inspection.amended`` of form `SETTLING`: a supervisor's word on units that contradict."""

    seller: str
    rma: str
    line: int
    lpn: str = ""
    unit: Reviewed
    """The one that was chosen, as it stood on the screen."""
    based_on: tuple[str, ...]
    """The events that were seen. Where one of them is not current any more, the word is stale and changes nothing."""
    over: tuple[str, ...] = ()
    """Those of them that do not count any more."""
    again: bool = False
    """The unit is to be inspected once more, and that result counts."""
    reason: str = ""


SETTLING = 2
"""The form of an ``inspection.amended`` that names units instead of holding one."""


class EventType(StrEnum):
    """All that a station tells the hub."""

    PARCEL_RECEIVED = "parcel.received"
    PARCEL_CLOSED = "parcel.closed"
    INSPECTION_FINISHED = "inspection.finished"
    INSPECTION_AMENDED = "inspection.amended"
    INSPECTION_VOIDED = "inspection.voided"
    CLAIM_OPENED = "claim.opened"
    BATCH_CLOSED = "batch.closed"


@dataclass(frozen=True)
class Event:
    """One fact for the hub, in the order of its keys; frozen by the golden file tests/data/event.ndjson.

    A dataclass, because pydantic's models have a method where the envelope has the field ``schema``.
    """

    id: str
    """Also the key by which the hub knows a repetition, for ever."""
    epoch: str
    """Random for each new or restored store."""
    seq: int
    """1, 2, 3… within the epoch without a gap; finds gaps, orders nothing."""
    prev_sha256: str
    """SHA-256 of the epoch's previous line; empty for the first."""
    type: str
    schema: int
    """Version of the body's form for this type."""
    occurred_at: datetime
    tz: str
    """The site's zone, an IANA name."""
    boot: str
    mono_ms: int
    """Milliseconds on the clock of this boot, which nobody sets: the hub corrects `occurred_at` by it."""
    operator: str
    body: dict[str, Any]

    def line(self) -> str:
        """The exact text that is kept and sent, without its line feed.

        Split a file of lines at ``\\n`` alone: a body may hold other separators that `str.splitlines` obeys.
        """
        return compact({**vars(self), "occurred_at": instant(self.occurred_at)})


def compact(value: Any) -> str:
    """JSON without spaces; NaN and infinities raise ValueError, for no reader need accept them."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def instant(at: datetime) -> str:
    """A time in UTC to the millisecond, always as long as any other: such texts sort as the times do."""
    if at.tzinfo is None:
        raise ValueError(f"a time without its zone: {at}")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def upgrade(body: dict[str, Any]) -> Inspection:
    """Read an inspection of any version ever stored.

    Raises ValueError for a version newer than this program.
    """
    version = body.get("schema_version", INSPECTION_SCHEMA)
    if version > INSPECTION_SCHEMA:
        raise ValueError(f"inspection schema {version} is newer than {INSPECTION_SCHEMA}")
    return Inspection.model_validate(body)
