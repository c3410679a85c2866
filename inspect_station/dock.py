"""Where the station stands and who works there: configuration, store, clock, operator, languages, days."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from inspect_station.badges import fingerprint
from inspect_station.config import Config
from inspect_station.core.barcode import Scan, ScanKind
from inspect_station.core.records import (
    Inspection,
    Operator,
    Role,
    Seller,
    Standing,
)
from inspect_station.core.rules import Rules
from inspect_station.message import Message, msg
from inspect_station.outcomes import (
    PinNeeded,
    Said,
    SignedIn,
)
from inspect_station.rulebook import Rulebook
from inspect_station.store import EventSpec, Reader, Store, Writer
from inspect_station.words import Voice

Clock = Callable[[], datetime]


class Dock:
    """One dock workstation: what every verb stands on."""

    def __init__(self, config: Config, store: Store, *, clock: Clock, training: bool = False) -> None:
        self.config = config
        self.rulebook = Rulebook(config)
        self.store = store
        self.clock = clock
        self.training = training
        self.operator: Operator | None = None
        self.welcome: tuple[Message, ...] = ()
        """Said on the sign-in page: where a demo's codes are."""
        self._zone = ZoneInfo(config.station.zone)
        self._starts = time.fromisoformat(config.station.day_starts)

    @property
    def rules(self) -> Rules:
        """The site's rules, with the labels of every playbook; a unit is decided by its bench's."""
        return self.rulebook.spoken

    @staticmethod
    def _superseded(reader: Reader, unit: Inspection) -> Said | None:
        """Why nothing is to be done with a unit any more: a supervisor has decided that another dock's counts."""
        if reader.standing_of(unit.id) is not Standing.SUPERSEDED:
            return None
        return Said(
            msg("{lpn} does not count: another dock's result does", lpn=unit.lpn),
            msg("destroy its label; the other dock's says where the box goes"),
        )

    # ── Who ──────────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def locale(self) -> str:
        """The language of the screen: the operator's, else the station's."""
        return (self.operator.locale if self.operator else "") or self.config.station.locale

    def voice(self, locale: str = "") -> Voice:
        """A voice in the given, else the screen's, language."""
        return Voice(locale or self.locale, self.rules, self.config.station.zone)

    @property
    def by(self) -> str:
        """The code of whoever works now."""
        return self.operator.code if self.operator else ""

    def sign_in(self, scan: Scan) -> PinNeeded | SignedIn | Said:
        """A badge was scanned: an operator is in at once, a supervisor after the PIN."""
        entry = self._badge(scan)
        if entry is None:
            return self._unknown_badge()
        operator, pin_hash = entry
        if operator.role is Role.SUPERVISOR and pin_hash:
            return PinNeeded(operator, msg("{name}: type the PIN, then Enter", name=operator.name))
        return self._in(operator)

    def enter_pin(self, operator: Operator, pin: str) -> SignedIn | Said:
        """Check a supervisor's PIN (argon2: a try takes about 0.1 s); from then on the supervisor works here."""
        return self._wrong_pin(operator, pin) or self._in(operator)

    def vouch(self, scan: Scan) -> PinNeeded | Said:
        """A badge was scanned where only a supervisor may go on; whoever works stays signed in."""
        if scan.kind is not ScanKind.BADGE:
            return Said(
                msg("that is no badge"),  # it may be a PIN: never shown
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
            )
        entry = self._badge(scan)
        if entry is None:
            return self._unknown_badge()
        operator, _ = entry
        if operator.role is not Role.SUPERVISOR:
            return Said(
                msg("{name} is no supervisor", name=operator.name),
                msg("scan a supervisor's badge; Esc leaves everything as it was"),
            )
        return PinNeeded(operator, msg("{name}: type the PIN, then Enter", name=operator.name))

    def vouched(self, operator: Operator, pin: str) -> Operator | Said:
        """The supervisor, where the PIN is right; whoever works stays signed in."""
        return self._wrong_pin(operator, pin) or operator

    def _wrong_pin(self, operator: Operator, pin: str) -> Said | None:
        from argon2 import PasswordHasher
        from argon2.exceptions import InvalidHashError, VerificationError

        hashed = next((each.pin_argon2 for each in self.config.operators if each.code == operator.code), "")
        try:
            PasswordHasher().verify(hashed, pin)
        except (VerificationError, InvalidHashError):
            return Said(msg("wrong PIN for {name}", name=operator.name), msg("scan the badge and try again"))
        return None

    def _in(self, operator: Operator) -> SignedIn:
        self.operator = operator
        return SignedIn(operator, msg("signed in: {name}", name=operator.name))

    def _unknown_badge(self) -> Said:
        return Said(
            msg("this badge is not known at {station}", station=self.config.station.name),
            msg("a supervisor adds it to the operators in station.toml"),
        )

    def _badge(self, scan: Scan) -> tuple[Operator, str] | None:
        hashed = fingerprint(scan.text)
        for each in self.config.operators:
            if each.badge_sha256 == hashed:
                return Operator(code=each.code, name=each.name, role=each.role, locale=each.locale), each.pin_argon2
        return None

    def seller(self, reader: Reader, code: str) -> Seller:
        """The seller's settings; an unknown one gets the defaults."""
        return self.rulebook.seller(reader, code)

    # ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def today(self, at: datetime | None = None) -> date:
        """The civil date at the site."""
        return (at or self.clock()).astimezone(self._zone).date()

    def day_start(self, at: datetime) -> datetime:
        """When the report day that contains this instant began."""
        return self._day_begins(self.report_day(at))

    def report_today(self) -> date:
        """The report day that it is now, by the hub's clock as far as that is known."""
        with self.store.read() as reader:
            return self.report_day(reader.now())

    def report_day(self, at: datetime) -> date:
        """The report day that contains this instant: before the starting hour it is still the day before.

        By instants, for in the night of summer time the hands of the clock pass an hour twice, or never.
        """
        day = at.astimezone(self._zone).date()
        return day if at >= self._day_begins(day) else day - timedelta(days=1)

    def _day_begins(self, day: date) -> datetime:
        return datetime.combine(day, self._starts, self._zone).astimezone(UTC)

    def _event(self, writer: Writer, type: str, body: Mapping[str, object]) -> None:
        writer.append_event(EventSpec(type=type, body=body, operator=self.by, at=self.clock()))


def supervises(operator: Operator | None) -> bool:
    """Whether there is somebody, and that is a supervisor."""
    return operator is not None and operator.role is Role.SUPERVISOR
