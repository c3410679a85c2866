"""The tables that only a hub fills. They are in every store: one history, and a station's file is no special case.

Everything a station sends belongs to the tenant of its token, so the tenant leads every key that a station can choose.
"""

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, UniqueConstraint
from sqlmodel import Field

from inspect_station.store.tables import Row, _partial


class HubStation(Row, table=True):
    """A station that may speak to this hub, or a supervisor who settles what is parked."""

    __tablename__ = "hub_station"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: str = Field(primary_key=True)
    tenant: str
    name: str
    made_at: str
    seen_at: str | None
    scope: str = Field(default="station", sa_column_kwargs={"server_default": "station"})
    """What its tokens are good for: ``station`` or ``supervisor``."""


class HubCode(Row, table=True):
    """A one-time code with which a station enrols; the code itself is shown once and kept as its hash."""

    __tablename__ = "hub_code"

    sha256: str = Field(primary_key=True)
    tenant: str
    name: str
    """Of the station that it makes, or lets in again."""
    made_at: str
    ends_at: str
    used_at: str | None


class HubToken(Row, table=True):
    """A token by which a station is known, as its hash."""

    __tablename__ = "hub_token"
    __table_args__ = (ForeignKeyConstraint(["station"], ["hub_station.id"], ondelete="CASCADE"),)

    sha256: str = Field(primary_key=True)
    station: str = Field(index=True)
    made_at: str
    used_at: str | None
    """When it was first used: from then on the one before it is void."""
    ends_at: str | None
    """Until when it must be used for the first time, of one that replaces another; both live until then."""


class HubEpoch(Row, table=True):
    """One life of a station's store: its block of licence plates, and how far its events have come without a gap."""

    __tablename__ = "hub_epoch"
    __table_args__ = (ForeignKeyConstraint(["station"], ["hub_station.id"], ondelete="CASCADE"),)

    station: str = Field(primary_key=True)
    epoch: str = Field(primary_key=True)
    block: str | None = Field(unique=True)
    contiguous_seq: int = Field(sa_type=BigInteger)


class HubEvent(Row, table=True):
    """A fact as it was received, for ever; nothing here is changed once it is written."""

    __tablename__ = "hub_event"
    __table_args__ = (
        Index(None, "station", "epoch", "seq"),
        Index(None, "subject", "revision"),
    )

    tenant: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    station: str
    epoch: str
    seq: int = Field(sa_type=BigInteger)
    type: str
    sha256: str
    line: str
    """The exact text that was sent."""
    received_at: str
    status: str
    code: str
    subject: str
    """The inspection that it is about, if any."""
    revision: int
    """Of the inspection."""


class HubParked(Row, table=True):
    """A line that the hub could not take as it is: kept whole, until a person or a newer hub has dealt with it."""

    __tablename__ = "hub_parked"
    __table_args__ = (
        UniqueConstraint("tenant", "event", "sha256"),
        Index(None, "station", "epoch", "seq"),
    )

    id: int | None = Field(primary_key=True)
    tenant: str
    station: str
    event: str
    epoch: str
    seq: int = Field(sa_type=BigInteger)
    sha256: str
    code: str
    detail: str
    line: str
    received_at: str
    resolved_at: str | None
    resolution: str = Field(default="", sa_column_kwargs={"server_default": ""})
    """What a person did with it: ``retry``, ``accept_as`` or ``void``; empty where a newer hub took it by itself."""
    note: str = Field(default="", sa_column_kwargs={"server_default": ""})
    resolved_by: str = Field(default="", sa_column_kwargs={"server_default": ""})


class HubPhoto(Row, table=True):
    """A photo that a unit refers to, in any of its revisions; two slots may show the same one."""

    __tablename__ = "hub_photo"
    __table_args__ = (
        Index(None, "tenant", "sha256"),
        _partial(None, "tenant", "told_at", where="missing"),
    )

    tenant: str = Field(primary_key=True)
    inspection: str = Field(primary_key=True)
    slot: str = Field(primary_key=True)
    sha256: str = Field(primary_key=True)
    station: str
    lpn: str
    told_at: str
    """When the hub heard of it."""
    missing: bool
    """Whether the hub lacks the photo: known by an index of those alone, however many there are."""


class HubBlob(Row, table=True):
    """What the hub made of the bytes of a photo, of one tenant: whether another has the same is nobody's business."""

    __tablename__ = "hub_blob"
    __table_args__ = (Index(None, "station", "judged_at"),)

    tenant: str = Field(primary_key=True)
    sha256: str = Field(primary_key=True)
    station: str
    """Which one sent it."""
    mime: str
    size: int
    """Bytes."""
    state: str
    """``verified``; ``refused``: its hash was right, but it is no picture; ``erasing`` while its bytes are being
    deleted, ``erased`` after that: nobody is to have them again."""
    judged_at: str
    erased_at: str | None
    """When that was ordered; the row stays as the tombstone, and the hash in the facts."""
    erased_by: str = Field(default="", sa_column_kwargs={"server_default": ""})
    erased_why: str = Field(default="", sa_column_kwargs={"server_default": ""})


class HubParcel(Row, table=True):
    """An RMA that arrived in a parcel, as an event told it."""

    __tablename__ = "hub_parcel"
    __table_args__ = (Index(None, "tenant", "seller", "rma"),)

    tenant: str = Field(primary_key=True)
    parcel: str = Field(primary_key=True)
    seller: str = Field(primary_key=True)
    rma: str = Field(primary_key=True)
    station: str
    received_at: str
    received_on: str


class HubBatched(Row, table=True):
    """A unit that left in a batch, as the event of its closing told it."""

    __tablename__ = "hub_batched"

    tenant: str = Field(primary_key=True)
    inspection: str = Field(primary_key=True)
    number: str = Field(primary_key=True)
    """Of the batch."""


class HubOpened(Row, table=True):
    """A return that is open at a dock now: shown to the others for a quarter of an hour, and deleted after it."""

    __tablename__ = "hub_opened"
    __table_args__ = (Index(None, "station"),)

    tenant: str = Field(primary_key=True)
    seller: str = Field(primary_key=True)
    rma: str = Field(primary_key=True)
    station: str = Field(primary_key=True)
    operator: str
    """Whose hands it is in, by name."""
    told_at: str


class HubChange(Row, table=True):
    """The feed for stations: of each thing only its newest state, so that reading from the start is a snapshot."""

    __tablename__ = "hub_change"
    __table_args__ = (Index(None, "xid", "seq"),)

    tenant: str = Field(primary_key=True)
    feed: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    seq: int = Field(unique=True, sa_type=BigInteger)
    """Rises with each change of anything; with ``xid``, where a cursor stands."""
    version: int = Field(sa_type=BigInteger)
    """Rises with each change of this thing."""
    op: str
    body: str
    published_at: str
    xid: int = Field(default=0, sa_type=BigInteger, sa_column_kwargs={"server_default": "0"})
    """The transaction that wrote it, where several write at once (PostgreSQL), else 0."""
