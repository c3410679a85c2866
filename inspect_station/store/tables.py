"""The tables, as SQLModel classes: what Alembic compares a store with.

A class with ``table=True`` validates nothing when it is built, so rows are not records: what is known of a thing
is the JSON of its record in ``body``, and what is searched or reported has a column of its own beside it.
Importing this costs about a second; the doors do so only when a store has to be made or migrated.

Times are texts by `records.instant`, which sort as times do. Flags are booleans, never null.

Beside them stand the full-text indexes of the search, ``rma_find`` and its like, which SQLModel cannot say: revision
0003 makes them, and triggers keep them.
"""

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, MetaData, TextClause, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

NAMES = {
    "pk": "pk_%(table_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}
"""Every constraint has a name, from the first revision: a batch migration cannot drop one without."""


def _partial(name: str | None, *columns: str | TextClause, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


class Row(SQLModel):
    """What all tables share."""

    metadata = MetaData(naming_convention=NAMES)


class Meta(Row, table=True):
    """Single facts about this store: its epoch, its block of LPNs, its hub, the feed's cursor."""

    key: str = Field(primary_key=True)
    value: str


class Seller(Row, table=True):
    """A merchant, from the hub or from an import at this station."""

    code: str = Field(primary_key=True)
    origin: str
    version: int = Field(sa_type=BigInteger)
    body: str


class Product(Row, table=True):
    """An article of one seller."""

    __table_args__ = (
        _partial(None, "sku", "gtin", where="sku <> ''"),
        _partial(None, "asin", "gtin", where="asin <> ''"),
    )

    seller: str = Field(primary_key=True)
    gtin: str = Field(primary_key=True, index=True)
    sku: str
    asin: str
    title: str
    words: str
    """Title, SKU and ASIN folded for the search."""
    origin: str
    version: int = Field(sa_type=BigInteger)
    body: str


class Rma(Row, table=True):
    """A return authorisation; the three numbers it is found by each have an index that answers alone."""

    __table_args__ = (
        Index(None, "number", "seller"),
        Index(None, "order_no", "seller", "number"),
        Index(None, "tracking", "seller", "number"),
        _partial(None, "seller", "customer", where="customer <> ''"),
    )

    seller: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    order_no: str
    tracking: str
    customer: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """An opaque key; empty where none is known."""
    site: str
    closed: bool
    """Closed by a supervisor or the hub; an RMA whose lines are full is closed without it."""
    origin: str
    version: int = Field(sa_type=BigInteger)
    body: str


SINCE = "coalesce(requested_on, delivered_on, '9')"
"""By which the lines of an article are in the order of their requests; undated ones last."""


class RmaLine(Row, table=True):
    """A line of an RMA, to find it by its article or serial."""

    __tablename__ = "rma_line"
    __table_args__ = (
        ForeignKeyConstraint(["seller", "number"], ["rma.seller", "rma.number"], ondelete="CASCADE"),
        _partial(None, "serial", "seller", "number", where="serial <> ''"),
        _partial("ix_rma_line_open", "gtin", text(SINCE), "seller", "number", "no", where="open > 0"),
    )

    seller: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    no: int = Field(primary_key=True)
    gtin: str
    quantity: int
    serial: str
    """In capitals, as scanners and people spell it in either case."""
    requested_on: str | None
    delivered_on: str | None
    open: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Units still to come, less than none where too many came; kept by triggers."""


class Parcel(Row, table=True):
    """A carton that arrived."""

    __table_args__ = (_partial("ix_parcel_open", "received_at", where="closed_at IS NULL"),)

    id: str = Field(primary_key=True)
    received_at: str
    received_on: str
    closed_at: str | None
    body: str


class ParcelRma(Row, table=True):
    """Which RMAs came in which parcel."""

    __tablename__ = "parcel_rma"
    __table_args__ = (
        ForeignKeyConstraint(["parcel"], ["parcel.id"], ondelete="CASCADE"),
        Index(None, "seller", "number"),
    )

    parcel: str = Field(primary_key=True)
    seller: str = Field(primary_key=True)
    number: str = Field(primary_key=True)


class Draft(Row, table=True):
    """An inspection that is not finished: saved at every answer, resumed at the same question."""

    __table_args__ = (Index(None, "rma", "seller", "line_no"),)

    id: str = Field(primary_key=True)
    lpn: str = Field(unique=True)
    parcel: str = Field(index=True)
    seller: str
    rma: str
    line_no: int | None
    gtin: str = Field(index=True)
    serial: str = Field(index=True)
    aside: bool
    updated_at: str
    operator: str
    body: str


_LIVE = "current AND voided_at IS NULL"


class Inspection(Row, table=True):
    """A finished inspection, revision by revision; triggers forbid every change but of ``current``, ``standing``."""

    __table_args__ = (
        Index(None, "lpn", "id", "revision"),
        Index(None, "seller", "rma", "line_no"),
        _partial(None, "serial", "gtin", where="serial <> ''"),
        _partial("ix_inspection_live", "corrected_at", "id", where=_LIVE),
        _partial("ix_inspection_claim", "finished_at", where=f"{_LIVE} AND kind = 'unknown'"),
        _partial("ix_inspection_case", "case_due_at", where=f"{_LIVE} AND case_due_at IS NOT NULL"),
        _partial("ix_inspection_signals", "finished_at", where=f"{_LIVE} AND signals > 0"),
    )

    id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    current: bool
    """Whether this is the newest revision."""
    lpn: str
    parcel: str = Field(index=True)
    kind: str
    seller: str
    rma: str
    line_no: int | None
    gtin: str
    serial: str
    title: str
    category: str
    device_class: str
    reason: str
    """What the customer said."""
    outcome: str
    """What the policy says."""
    grade: str | None
    disposition: str | None
    price_minor: int | None = Field(sa_type=BigInteger)
    list_minor: int | None = Field(sa_type=BigInteger)
    currency: str
    discount: int | None
    operator: str
    seconds: float
    """Time spent on this unit."""
    started_at: str
    finished_at: str
    corrected_at: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """When it was finished by the hub's clock, as far as that was known; reports go by it."""
    clock_suspect: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """The clock that said when it was finished was not to be believed."""
    voided_at: str | None
    event_id: str
    photos: int
    """Pictures that exist; an owed one does not count."""
    waiting_case: bool
    """The seller is asked."""
    case_due_at: str | None
    """Until when the seller may answer."""
    signals: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    """Marks for a supervisor."""
    standing: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """How it stands among the others on its line, as the hub says; it changes as ``current`` does."""
    settles: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Events of other docks over which it counts, with spaces between."""
    body: str


class Photo(Row, table=True):
    """The picture in a slot of an inspection, finished or not, or of a parcel."""

    __table_args__ = (Index(None, "state", "inspection", "slot"),)

    inspection: str = Field(primary_key=True)
    slot: str = Field(primary_key=True)
    sha256: str = Field(index=True)
    taken_at: str | None
    operator: str
    state: str
    code: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Why it is parked."""
    not_before: str | None
    """Not to be tried again earlier."""


class Review(Row, table=True):
    """A line on which docks contradict each other, as the hub tells it."""

    seller: str = Field(primary_key=True)
    rma: str = Field(primary_key=True)
    line: int = Field(primary_key=True)
    version: int = Field(sa_type=BigInteger)
    decided: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """Id of the event by which a supervisor has decided here; the hub has not answered with a newer version yet."""
    body: str


_UNSENT = "state IN ('pending', 'sent', 'suspect')"


class Event(Row, table=True):
    """The outbox: lines for the hub; triggers forbid every change but that of their state."""

    __table_args__ = (
        _partial("ix_event_unsent", "epoch", "seq", where=_UNSENT),
        Index(None, "state", "type"),
    )

    epoch: str = Field(primary_key=True)
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    id: str = Field(unique=True)
    type: str
    line: str
    """The exact text that is sent; no migration rewrites it."""
    sha256: str
    created_at: str
    state: str
    code: str
    """Why the hub could not take it."""
    tries: int
    not_before: str | None
    receipt_at: str | None


class Label(Row, table=True):
    """The print queue and its history; a rising number, because labels come out in the order of finishing."""

    __table_args__ = (
        Index(None, "state", "id"),
        _partial("uq_label_lpn_print_no", "lpn", "print_no", where="lpn <> ''", unique=True),
        _partial("ix_label_scan_back", "id", where="scan_back = 'wanted'"),
    )

    id: int | None = Field(primary_key=True)
    lpn: str
    inspection: str
    kind: str
    print_no: int
    """The n of the barcode ``LPN/n``, by which a void copy is told from the valid one."""
    copy_no: int
    """The n of the words ``copy n``: how many of this kind the unit has had, this one included."""
    operator: str
    """Who asked for it."""
    why: str
    """Why it was asked for again."""
    fields: str
    """What the template needs, as JSON."""
    state: str
    reason: str | None
    """Why it is parked: a `Message` as JSON."""
    created_at: str
    printed_at: str | None
    printer: str
    confirmed: bool
    """The printer itself said that it came out."""
    scan_back: str
    """``wanted`` while the unit is not done until this label has been scanned on it, ``done`` after that."""
    void: bool = Field(default=False, sa_column_kwargs={"server_default": false()})
    """It says what is not so any more, or a newer one of its plate came out; at most one that is out is not void."""


class Batch(Row, table=True):
    """A container of units that leave together; triggers forbid every change of what is closed."""

    __table_args__ = (
        UniqueConstraint("station", "sealed_no"),
        _partial("uq_batch_open", "seller", "route", "station", where="closed_at IS NULL", unique=True),
        _partial("ix_batch_waiting", "opened_at", where="ending IS NULL"),
    )

    id: str = Field(primary_key=True)
    number: str = Field(unique=True)
    station: str
    seller: str
    route: str
    opened_at: str
    opened_by: str
    closed_at: str | None
    closed_by: str
    sealed_no: int | None
    """1, 2, 3… in the order of the station's closings."""
    seal: str
    revision: int
    event_id: str
    """Of the newest event that told the hub; empty while it is open."""
    ending: str | None
    """What became of it and the proof, as JSON."""


class BatchUnit(Row, table=True):
    """A unit's time in a batch: one that is taken out leaves its row behind."""

    __tablename__ = "batch_unit"
    __table_args__ = (
        ForeignKeyConstraint(["batch"], ["batch.id"]),
        Index(None, "batch", "id"),
        _partial("uq_batch_unit_inspection", "inspection", where="left_at IS NULL", unique=True),
    )

    id: int | None = Field(primary_key=True)
    batch: str
    inspection: str
    lpn: str
    joined_at: str
    joined_by: str
    property_at: str | None
    """When somebody took out what of the customer's was in it."""
    property_by: str
    left_at: str | None
    left_by: str
    why: str
    """Why it was taken out."""


class Playbook(Row, table=True):
    """A seller's rules as they were activated, one row each time, for ever; the newest of a seller counts."""

    __table_args__ = (Index(None, "seller", "id"),)

    id: int | None = Field(primary_key=True)
    seller: str
    sha256: str
    body: str
    """The text as it was written."""
    activated_at: str
    activated_by: str


class Ruleset(Row, table=True):
    """The rules and the seller's settings under which something was decided, for ever."""

    sha256: str = Field(primary_key=True)
    """The hash that the inspections keep."""
    body: str
    first_used_at: str
