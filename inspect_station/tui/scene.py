"""All that the screen shows, as one frozen value."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Event
from typing import Any, Literal

from inspect_station.core.bench import Bench
from inspect_station.core.records import Disposition, Inspection, Kind, Words
from inspect_station.core.view import View, view
from inspect_station.message import Message, msg, msgn
from inspect_station.outbox import States
from inspect_station.outcomes import Arrived, BatchSeen, Collected, Desk, Waiting
from inspect_station.tui.keymap import Key, Keymap

Said = Message | Words | str

# ── Where the operator is ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class SignIn:
    """Nobody works: the box asks for a badge. What was open waits behind it."""

    behind: "Place"
    handed_over: tuple[Waiting, ...] | None = None
    """Shown after `sign out`; None = the lock after idle minutes, or the start."""
    typed: str = ""


@dataclass(frozen=True)
class AtDesk:
    """Ready for a scan."""

    typed: str = ""
    card: Inspection | None = None
    """The unit that was finished last, or found again by its label."""
    found: bool = False
    """The card was found by its label: F2 reopens it with a reason."""
    picked: int = 0
    """The line of "waiting for you" that ↓ has chosen, from 1."""
    collected: Collected | None = None
    """The batch that the unit found by its label is in, or may join."""


@dataclass(frozen=True)
class OnParcel:
    """A parcel is on the bench; its articles are scanned next."""

    arrived: Arrived


@dataclass(frozen=True)
class OnUnit:
    """A unit is on the bench."""

    inspection: Inspection
    bench: Bench
    typed: str = ""
    """What has been typed into the page's field."""
    offset: int = 0
    """First row of the nine that the digits mean."""
    cursor: int = -1
    """The row that ↑ ↓ stand on; -1 = none."""

    @cached_property
    def view(self) -> View:
        """The page as a value."""
        return view(self.bench, self.inspection)


@dataclass(frozen=True)
class OnBatch:
    """A batch is in view; while it is open, units that are scanned join it."""

    seen: BatchSeen
    first: int = 0
    """The first of the units that are listed, the one that joined last first."""


Place = SignIn | AtDesk | OnParcel | OnUnit | OnBatch


def returns(place: Place) -> tuple[tuple[str, str], ...]:
    """The returns that are open in this place, (seller, number) of each; one that is only looked at is not."""
    match place:
        case OnParcel(Arrived(parcel)) if parcel.id and parcel.closed_at is None:
            return parcel.rmas
        case OnUnit(inspection=unit) if unit.rma:
            return ((unit.seller, unit.rma),)
    return ()


# ── What lies over it ────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Ask:
    """Something unusual is proposed: Enter accepts, Esc leaves everything as it was."""

    said: Message
    accept: "Callable[[Scene], Turn]"


@dataclass(frozen=True)
class Entry:
    """One thing that can be chosen."""

    label: Said
    value: Any
    detail: Said = ""
    sign: str = ""


@dataclass(frozen=True)
class Choose:
    """A list: the first by Enter, any by its digit."""

    title: Message
    entries: tuple[Entry, ...]
    pick: "Callable[[Scene, Any], Turn]"
    notes: tuple[Message, ...] = ()
    """Said above the entries."""
    cursor: int = 0
    label: tuple[Message, tuple[str, ...]] | None = None
    """A printed label that the question is about: what it is called, and its lines."""
    look: "Callable[[Scene], Turn] | None" = None
    """Shows it large."""

    @property
    def offset(self) -> int:
        """First entry of the nine that are numbered: those around the cursor."""
        return self.cursor // 9 * 9


@dataclass(frozen=True)
class Type:
    """A line of text to enter. All letters are text."""

    title: Message
    submit: "Callable[[Scene, str], Turn]"
    hint: Message | None = None
    text: str = ""
    masked: bool = False
    optional: bool = False
    """Enter alone is an answer, too."""
    numeric: bool = False
    """Digits may come from the top row of an AZERTY keyboard."""
    asks_code: bool = False
    """A scan is an answer like any other, not a new parcel."""
    badge: "Callable[[Scene, str], Turn] | None" = None
    """Where a badge is asked for: what a scan comes to, while nobody is signed in by it."""


@dataclass(frozen=True)
class Help:
    """All keys of the place, a page at a time."""

    page: int = 0


@dataclass(frozen=True)
class Writing:
    """The text that says why, edited where it stands on the page."""

    text: str
    at: int
    """The sign that the cursor stands on; behind the last one at the end."""
    was: str
    """What it was before."""


@dataclass(frozen=True)
class Page:
    """Something to read."""

    title: Message
    lines: tuple[tuple[Said, Said], ...]


@dataclass(frozen=True)
class Shot:
    """A picture to look at."""

    title: Message
    sha256: str
    """Empty = owed: it was never taken."""
    caption: Said = ""
    image: bytes = b""
    """The picture itself, where it is no stored photo."""


@dataclass(frozen=True)
class Photos:
    """Large pictures, and the words that come before them, one sheet at a time.

    Tab shows the next, any other key closes them.
    """

    sheets: tuple[Page | Shot, ...]
    index: int = 0
    behind: Choose | None = None
    """What they lie over, and what stands there again once they are closed."""

    @property
    def sheet(self) -> Page | Shot:
        """The one in view."""
        return self.sheets[self.index]


@dataclass(frozen=True)
class Looking:
    """The camera looks for a code; Esc, or a scan that comes first, stops it."""

    stop: Event


Over = Ask | Choose | Type | Writing | Help | Photos | Looking

# ── The whole ────────────────────────────────────────────────────────────────────────────────────────────────────────

Tone = Literal["ok", "info", "look", "bad"]


@dataclass(frozen=True)
class Banner:
    """What happened, what the station did about it, and what to do next."""

    tone: Tone
    title: Message
    hint: Message | None = None


@dataclass(frozen=True)
class Scene:
    """Everything on the screen."""

    place: Place = field(default_factory=lambda: SignIn(AtDesk()))
    over: Over | None = None
    banner: Banner | None = None
    desk: Desk = field(default_factory=Desk)
    states: States | None = None
    """The lamps of hub and printer."""
    scanner: Banner | None = None
    """Why the scanner gives no codes, and what to do."""
    backup: Banner | None = None
    """Why no good copy of the store is near, and what to do."""
    unsaved: bool = False
    """The last step could not be saved."""
    layout_told: bool = False
    """That the scanner's keyboard is not this computer's was said."""
    picture: str = ""
    """SHA-256 of the photo just taken, shown until the next key."""

    @property
    def unit(self) -> OnUnit | None:
        """The unit on the bench, if one is in view."""
        return self.place if isinstance(self.place, OnUnit) else None

    @property
    def writes(self) -> bool:
        """Whether printable keys are text now, not commands."""
        match self.over, self.place:
            case Type() | Writing(), _:
                return True
            case None, SignIn() | AtDesk():
                return True
            case None, OnUnit() as unit:
                return unit.view.field is not None
        return False

    def but(self, **changes: Any) -> "Scene":
        """This scene with some parts changed."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Effect:
    """Something to do in the lane, and what to make of its result."""

    work: Callable[[], Any]
    then: "Callable[[Scene, Any], Turn]"
    busy: Message
    """Said while it takes longer than a moment."""
    beside: bool = False
    """Done beside the lane, which goes on: for what may take long and touches no unit."""


@dataclass(frozen=True)
class Turn:
    """What came of a key: the next scene at once, and what is still to be done."""

    scene: Scene
    effect: Effect | None = None
    quit: bool = False


# ── What can be pressed ──────────────────────────────────────────────────────────────────────────────────────────────


def possible(scene: Scene) -> tuple[str, ...]:
    """Ids of the keys that do something now, in the order of the foot of the screen."""
    match scene.over:
        case Ask():
            return ("yes", "no")
        case Choose(entries=entries, look=look):
            more = (*(("next_nine",) if len(entries) > 9 else ()), *(("look",) if look else ()))
            return (*(("take", "pick") if entries else ()), *more, "close")
        case Type() | Writing():
            return ("submit", "close")
        case Help():
            return ("next", "close")
        case Photos(sheets=sheets):
            return ("next", "close") if len(sheets) > 1 else ("close",)
        case Looking():
            return ("close",)
    match scene.place:
        case SignIn():
            return ("camera", "help", "quit")
        case AtDesk() as desk:
            waits = scene.desk.waiting or scene.desk.parcel
            done = desk.card is not None or bool(scene.desk.last)
            keys = ("undo", "reprint") if done else ()
            waits_ = ("waiting", *(("resume",) if waits else ()))
            return (*keys, *_of_card(desk), *waits_, "camera", "printer", "search", "help", "sign_out", "quit")
        case OnParcel(arrived):
            some = any(line.open for line in arrived.lines)
            missing = ("line_missing",) if some else ()
            keys = ("type", "camera", "empty", "wrong", "danger", "carton", "carton_photo", *missing)
            return (*keys, "help", "to_desk")
        case OnUnit() as unit:
            return _on_unit(unit)
        case OnBatch(seen):
            return _on_batch(seen)


BATCH_PAGE = 6
"""Units of a batch that Tab turns over: so many are shown on the smallest screen, below whatever stands there."""


def _on_batch(seen: BatchSeen) -> tuple[str, ...]:
    batch = seen.batch
    list_ = ("next",) if len(batch.units) > BATCH_PAGE else ()
    if batch.closed_at is not None:
        proof = ("view",) if batch.ending is not None else ()
        return ("outcome", *proof, "reprint", "batch_list", *list_, "camera", "help", "to_desk")
    inside = ("property",) if any(each.property_inside for each in batch.units) else ()
    filled = ("close_batch", "take_out", *inside, "undo", "batch_list") if batch.units else ()
    return (*filled, *list_, "camera", "help", "to_desk")


def _of_card(desk: AtDesk) -> tuple[str, ...]:
    """What is done with the unit that was found by its label; most of it by a supervisor."""
    card = desk.card
    if card is None or card.finished_at is None or card.voided_at is not None:
        return ()
    if is_claim(card):
        return ("match",)
    fixed = card.disposition in (Disposition.QUARANTINE, Disposition.FORWARD)
    collect = ("collect",) if desk.collected else ()
    return (*collect, *(("redirect",) if desk.found and not fixed else ()))


def slot_words(slot: str) -> Message:
    """A photo slot's label."""
    if slot.startswith("extra"):
        return msg("extra {n}", n=slot.removeprefix("extra"))
    return msg("{slot:data}", slot=f"slot.{slot}")


def is_claim(unit: Inspection) -> bool:
    """Whether it came unannounced and still waits for its RMA."""
    return unit.kind is Kind.UNKNOWN and unit.finished_at is not None and unit.voided_at is None


def waiting(scene: Scene) -> tuple[Waiting | Arrived, ...]:
    """What "waiting for you" lists: the open parcel first."""
    parcel = scene.desk.parcel
    return (*((parcel,) if parcel else ()), *scene.desk.waiting)


def overdue(desk: Desk) -> list[Message]:
    """How much is over its time: nothing where nothing is."""
    units = msgn("{n} unit is over time since receipt", "{n} units are over time since receipt", n=desk.overdue)
    cases = msgn(
        "{n} case: the seller has not answered in time",
        "{n} cases: the sellers have not answered in time",
        n=desk.cases_overdue,
    )
    return [said for said in (units, cases) if said.params["n"]]


def helped(keymap: Keymap, scene: Scene) -> list[Key]:
    """The keys that the help lists for where the operator is."""
    place = {OnUnit: "unit", OnParcel: "parcel", OnBatch: "batch"}.get(type(scene.place), "desk")
    return [key for key in keymap.keys if key.place == place and key.id != "up"]


GRADING = ("condition", "question", "grade", "finish")
"""Pages on which a grade is given or seen: a seller's criteria are asked for here."""


def _on_unit(unit: OnUnit) -> tuple[str, ...]:
    view = unit.view
    keys = [key for key in view.keys if key != "criteria"]
    seller = unit.bench.seller
    if (seller.criteria or seller.pictures) and view.page.partition(".")[0] in GRADING:
        keys.insert(keys.index("photo"), "criteria")
    if view.field is not None:
        # Digits are text until Enter.
        keys = [key for key in keys if key not in ("toggle", "all_pass")]
    elif unit.inspection.kind not in (Kind.DANGER, Kind.FORWARD):
        keys.insert(1, "danger")
    if len(view.rows) > 9 and view.field is None:
        keys.insert(2, "next_nine")
    if "toggle" in keys:
        keys += ["down", "up", "mark"]
    if unit.inspection.photos:
        keys.insert(keys.index("photo") + 1, "view")
    if view.page in ("condition", "test"):
        keys.append("camera")
    if unit.inspection.was is Kind.UNKNOWN:
        keys.append("match")
    return tuple(keys)
