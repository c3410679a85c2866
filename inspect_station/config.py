"""station.toml → one frozen `Config`, and every mistake in it at once, with file, line, key and value.

A site's file names only what differs from the shipped one and is merged over it: tables key by key, entries of
``[[…]]`` and rows of a checklist by their ``id``, ``code``, ``name`` or ``device_class``. Lines are looked up only when
something is wrong; a good file costs its parsing and its validation.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeGuard, TypeVar
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from inspect_station.core.playbook import SellerSettings, too_short
from inspect_station.core.records import Operator
from inspect_station.core.rows import Rule
from inspect_station.core.rules import Rules
from inspect_station.devices import CameraSettings, PrinterSettings, ScannerPort
from inspect_station.message import Message, msg
from inspect_station.resources import resource
from inspect_station.tomlfile import (
    QUOTED,
    BrokenConfig,
    Place,
    Problem,
    Table,
    TomlFile,
    at,
    keys_at,
    message_of,
    name_of,
    names_of,
    nearest,
    parts_of,
    place_of,
    reach,
    read,
    shown,
)
from inspect_station.words import LOCALES

NAME = "station.toml"

# ── What can be set ──────────────────────────────────────────────────────────────────────────────────────────────────


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("no such time zone, for example Europe/Paris") from None
    return name


def _locale(name: str) -> str:
    if name and name not in LOCALES:
        raise ValueError(f"no such language, known are {', '.join(LOCALES)}")
    return name


def _form(pattern: str, what: str) -> AfterValidator:
    """Text of a certain form, or nothing; whether nothing is enough says the field."""

    def formed(text: str) -> str:
        if text and not re.fullmatch(pattern, text):
            raise ValueError(f"must be {what}")
        return text

    return AfterValidator(formed)


Locale = Annotated[str, AfterValidator(_locale)]
PerCent = Annotated[int, Field(ge=0, le=100)]
Name = Annotated[str, Field(min_length=1)]
Section = TypeVar("Section", bound=BaseModel)


class StationSettings(Rule):
    """This station."""

    name: Name
    site: str = ""
    """This site's code; an RMA meant for another one is forwarded."""
    zone: Annotated[str, AfterValidator(_zone)]
    """The site's time zone: civil dates and the report day are counted in it."""
    locale: Annotated[Locale, Field(min_length=1)]
    day_starts: Annotated[Name, _form(r"([01]\d|2[0-3]):[0-5]\d", "a time of day, HH:MM")]
    """When the report day starts, ``HH:MM`` in the site's zone."""
    data: Path
    """Folder of the store and the photos."""
    keep_photos_days: int = Field(default=0, ge=0)
    """So long after it was taken a photo stays here, and until the hub has verified it; 0 = for ever."""
    playbooks: Path = Path("playbooks")
    """Folder of the sellers' playbooks, which `config check` tries."""
    labels: Path = Path("labels")
    """Folder of the site's own label templates, which stand over the shipped ones."""
    unit_page: Annotated[str, _form(r"https?://\S*\{lpn\}\S*", "an address with {lpn} in it, https://…/{lpn}")] = ""
    """Address of a unit's page, drawn as a QR code on its clearance label; empty = no QR code."""
    idle_lock_minutes: int = Field(gt=0)
    sound: bool = True
    theme: Literal["auto", "dark", "light"] = "auto"
    """Colours of the screen; ``auto`` = as the terminal says."""
    scan_back: Literal["never", "after_stall", "always"] = "after_stall"
    """Which new labels are scanned on their boxes before the unit is done: ``after_stall`` = the first that comes out
    after one was late or in doubt, and each that is printed anew after such a question."""


class OperatorSettings(Operator):
    """Someone who may sign in here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: Name
    name: Name
    locale: Locale = ""
    badge_sha256: Annotated[Name, _form(r"[0-9a-f]{64}", "64 digits of 0-9 a-f")]
    """SHA-256 of the badge's whole code."""
    pin_argon2: Annotated[str, _form(r"\$argon2id?\$.+", "an argon2 hash")] = ""
    """Argon2 hash of a supervisor's PIN."""


class ScannerSettings(ScannerPort):
    """The scanner, and how scans are told from keys."""

    hold_ms: int = Field(ge=0, le=50)
    """The first printable key is held so long before it acts; a hand feels more than 50 ms."""
    double_ms: int = Field(ge=0, le=10_000)
    """The same code again within this time is a double read."""
    badge_prefix: Name


class LabelPrinter(PrinterSettings):
    """A printer and what it prints (`Config.printer_of`)."""

    labels: tuple[str, ...] = ()
    """Kinds of labels (names of templates) that it takes; empty = all."""

    def takes(self, kind: str) -> bool:
        """Whether it prints this kind of label."""
        return not self.labels or kind in self.labels


class UpstreamSettings(Rule):
    """The hub and the pace of sending."""

    enabled: bool = False
    url: Annotated[str, _form(r"https?://\S+", "an address, https://…")] = ""
    batch: int = Field(ge=1, le=200)
    """Events in one request."""
    min_wait_s: float = Field(gt=0)
    """The first wait after a failure."""
    max_wait_s: float = Field(gt=0)
    """The longest wait."""
    photo_hosts: tuple[Name, ...] = ()
    """Hosts besides the hub's own to which it may have photos sent."""


class DiskLimits(Rule):
    """Free disk space below which the station takes less on."""

    warn_percent: PerCent
    photos_mb: int = Field(ge=0)
    """Below: no more photos."""
    inspections_mb: int = Field(ge=0)
    """Below: no new inspection."""
    ballast_mb: int = Field(ge=0)
    """Kept in reserve, so that the open unit can still be finished."""


class BackupSettings(Rule):
    """Copies of the store on another disk."""

    to: Annotated[Path | None, BeforeValidator(lambda folder: folder or None)] = None
    """The folder, which must be there; None = no copies."""
    every_minutes: int = Field(ge=5)
    keep: int = Field(ge=1)
    """So many of the newest copies stay."""
    photos: bool = True
    """Whether the photos are copied, too."""

    @property
    def every(self) -> timedelta:
        """From one copy to the next."""
        return timedelta(minutes=self.every_minutes)


class Site(Rule):
    """A place that an RMA may be meant for."""

    code: Name
    name: Name
    address: tuple[str, ...] = ()
    """Lines of the address on the forward slip."""


class Config(Rule):
    """All settings, parsed and cross-checked once, then trusted. Folders are absolute."""

    station: StationSettings
    operators: tuple[OperatorSettings, ...] = ()
    scanner: ScannerSettings
    camera: CameraSettings
    printers: tuple[LabelPrinter, ...] = ()
    upstream: UpstreamSettings
    limits: DiskLimits
    backup: BackupSettings
    keys: dict[str, str] = Field(default={})
    """Keys that differ from the shipped ones, by the id of what they do."""
    sites: tuple[Site, ...] = ()
    sellers: tuple[Annotated[SellerSettings, AfterValidator(SellerSettings.plain)], ...] = ()
    rules: Rules
    """Everything else in the file: grades, findings, questions, checklists, gates, photos, places, policy…"""
    path: Path | None = None
    """The site's file; None = the shipped defaults alone."""

    def printer_of(self, kind: str) -> LabelPrinter | None:
        """The printer of a kind of labels: the first that names it, else the first that takes all; None = none does."""
        takes = [printer for printer in self.printers if printer.takes(kind)]
        return next((printer for printer in takes if printer.labels), next(iter(takes), None))

    @model_validator(mode="after")
    def _fits_together(self, info: ValidationInfo) -> Self:
        problems = tuple(self._problems(Path((info.context or {}).get("home", ""))))
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems(self, home: Path) -> Iterator[str]:
        """What does not fit together. ``home`` is where relative folders start."""
        badges: dict[str, str] = {}
        for operator in self.operators:
            first = badges.setdefault(operator.badge_sha256, operator.code)
            if first != operator.code:
                yield f"operators.{operator.code}.badge_sha256: '{first}' has the same badge"
            if operator.role == "supervisor" and not operator.pin_argon2:
                yield f"operators.{operator.code}.pin_argon2: a supervisor needs a PIN"
        for printer in self.printers:
            for kind in printer.labels:
                folders = (resource("labels"), home / self.station.labels.expanduser())
                if not any(folder.joinpath(f"{kind}.toml").is_file() for folder in folders):
                    yield f"printers.{printer.name}.labels: no label template '{kind}'"
        if self.upstream.enabled and not self.upstream.url:
            yield "upstream.enabled: nothing can be sent without a url"
        if self.upstream.min_wait_s > self.upstream.max_wait_s:
            yield f"upstream.min_wait_s: longer than max_wait_s, {self.upstream.max_wait_s:g}"
        for seller in self.sellers:
            yield from too_short(self.rules.policy, seller)


# ── Finding and loading ──────────────────────────────────────────────────────────────────────────────────────────────


def find(option: Path | None = None) -> Path | None:
    """The site's file: the one named, else ./station.toml, else the user's; None where there is none."""
    if option is not None:
        return option
    return next((path for path in (Path(NAME), _user_folder("CONFIG", ".config") / NAME) if path.is_file()), None)


def _user_folder(what: str, default: str) -> Path:
    return Path(os.environ.get(f"XDG_{what}_HOME") or Path.home() / default) / "inspect-station"


def load(path: Path | None = None) -> Config:
    """The shipped configuration with the site's file over it; None = the shipped one alone.

    Relative folders start at the file's folder, without a file at the user's data folder.
    Raises BrokenConfig with every problem.
    """
    shipped = read(resource(NAME))
    own = read(path) if path is not None else TomlFile(Path(NAME), "", {})
    home = path.absolute().parent if path else _user_folder("DATA", ".local/share")
    try:
        if next(_misplaced(shipped.data, own.data), None):
            raise BrokenConfig(_diagnose(shipped, own, home))
        config = _validated(merge(shipped.data, own.data), home)
    except ValidationError:
        raise BrokenConfig(_diagnose(shipped, own, home)) from None
    return _at_home(config, home).model_copy(update={"path": path})


def problems(path: Path | None = None) -> list[Problem]:
    """Everything that is wrong with a file; empty = it can be loaded."""
    try:
        load(path)
    except BrokenConfig as broken:
        return list(broken.problems)
    return []


def problem_at(path: Path | None, place: Place, message: Message) -> Problem:
    """A problem that only somebody further up can see, where it stands in the site's file or the shipped one."""
    own = read(path) if path is not None else TomlFile(Path(NAME), "", {})
    return _problem(read(resource(NAME)), own, place, message)


def _validated(document: Mapping[str, Any], home: Path) -> Config:
    """The document as a Config: what is no section of its own belongs to the rules."""
    sections = Config.model_fields.keys() - {"rules", "path"}
    own = {key: value for key, value in document.items() if key in sections}
    rules = {k: v for k, v in document.items() if k not in sections}
    return Config.model_validate({**own, "rules": rules}, context={"home": home})


def _at_home(config: Config, home: Path) -> Config:
    """Relative folders made absolute."""

    def placed(section: Section, field: str) -> Section:
        folder: Path | None = getattr(section, field)
        return section.model_copy(update={field: home / folder.expanduser()}) if folder else section

    return config.model_copy(
        update={
            "station": placed(placed(placed(config.station, "data"), "playbooks"), "labels"),
            "camera": placed(config.camera, "folder"),
            "backup": placed(config.backup, "to"),
            "printers": tuple(placed(printer, "folder") for printer in config.printers),
        }
    )


def merge(base: Table, own: Table) -> Table:
    """A document over another: tables key by key, entries by what they are known by (see the module's head)."""
    merged = dict(base)
    for key, value in own.items():
        below = base.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            merged[key] = merge(below, value)
        elif _all_named(below) and _all_tables(value):
            merged[key] = _merge_entries(below, value)
        else:
            merged[key] = value
    return merged


def _all_named(value: Any) -> TypeGuard[list[Table]]:
    return isinstance(value, list) and bool(value) and all(name_of(entry) for entry in value)


def _all_tables(value: Any) -> TypeGuard[list[Table]]:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)


def _merge_entries(base: list[Table], own: list[Table]) -> list[Table]:
    merged: dict[str | int, Table] = {name_of(entry): entry for entry in base}
    for number, entry in enumerate(own):
        name = name_of(entry) or number
        if entry.get("remove") is True:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name, {}), entry)
    return list(merged.values())


def _misplaced(base: Any, own: Any, place: Place = ()) -> Iterator[tuple[Place, Message]]:
    """What merging would hide: an entry that stands twice, one to be removed that is not there."""
    known = dict(zip((name_of(entry) for entry in base), base, strict=True)) if _all_named(base) else {}
    below = base if isinstance(base, dict) else known
    seen: set[str] = set()
    for part, value in zip(names_of(own), parts_of(own), strict=True):
        here = (*place, part)
        name = name_of(value) if isinstance(own, list) else ""
        if name and name in seen:
            yield here, msg("'{name}' stands there twice", name=name)
        elif name and value.get("remove") is True and name not in known:
            like = nearest(name, known)
            if like:
                yield here, msg("there is no '{name}' to remove; did you mean '{nearest}'?", name=name, nearest=like)
            else:
                yield here, msg("there is no '{name}' to remove", name=name)
        else:
            yield from _misplaced(below.get(name or str(part)), value, here)
        seen.add(name)


def _diagnose(shipped: TomlFile, own: TomlFile, home: Path) -> list[Problem]:
    """Every problem of a file, in its order.

    Some checks come only after others have passed, so what is wrong is taken out and the rest is looked at again,
    until it holds. What is wrong inside of something wrong, or only because it was taken out, is not told.
    """
    found: list[Problem] = []
    told: set[Place] = set()
    gone: set[str] = set()
    data = own.data
    while True:
        wrong = list(_misplaced(shipped.data, data)) or list(_invalid(merge(shipped.data, data), data, home))
        here: set[Place] = set()
        for place, message in sorted(wrong, key=lambda each: len(each[0])):
            if any(place[:depth] in here for depth in range(1, len(place))):
                continue
            if place not in told and gone.isdisjoint(QUOTED.findall(str(message))):
                found.append(_problem(shipped, own, place, message))
            here.add(place)
        told |= here
        left = data
        for removed in filter(None, {reach(data, place) for place in here}):
            if isinstance(at(data, removed), dict):
                gone.add(str(removed[-1]))
            left = _without(left, removed)
        if left == data:
            return sorted(found, key=lambda each: (each.file != own.path, each.line, each.key, str(each)))
        data = left


def _problem(shipped: TomlFile, own: TomlFile, place: Place, message: Message) -> Problem:
    """The problem where it stands: in the site's file unless only the shipped one has the place."""
    file = max((own, shipped), key=lambda file: len(reach(file.data, place)))
    line = file.lines.get(reach(file.data, place), 0)
    return Problem(file.path, line, ".".join(map(str, place)), shown(place, at(file.data, place)), message)


def _without(data: Any, place: Place) -> Any:
    """The data without what stands at a place, nor the list that it leaves empty (an empty list says "none")."""
    kept = []
    for name, value in zip(names_of(data), parts_of(data), strict=True):
        left = value if name != place[0] else _without(value, place[1:]) if place[1:] else []
        if left != [] or left is value:
            kept.append((name, left))
    return dict(kept) if isinstance(data, dict) else [value for _, value in kept]


def _invalid(document: Table, own: Table, home: Path) -> Iterator[tuple[Place, Message]]:
    """What validation says of a document, with the place in it."""
    try:
        _validated(document, home)
    except ValidationError as invalid:
        for error in invalid.errors(include_url=False):
            yield from _said(error, document, own)


def _said(error: ErrorDetails, document: Table, own: Table) -> Iterator[tuple[Place, Message]]:
    path = error["loc"][1:] if error["loc"][:1] == ("rules",) else error["loc"]
    place = place_of(document, path)
    match error["type"]:
        case "value_error":
            for sentence in re.split(r"; (?=[\w.-]+: )", str(error["ctx"]["error"])):
                yield _crossed(sentence, place, own)
        case "extra_forbidden" if len(path) > 1 and str(path[-1]) in _known(("",)):
            known = _known(path)
            here = msg("unknown key here; it stands before the first [table]")
            yield place, message_of(error, known) if nearest(str(path[-1]), known) else here
        case "enum" | "literal_error" if path[-1] == "[key]":
            yield place, _unknown(str(path[-2]), QUOTED.findall(str(error["ctx"]["expected"])))
        case _:
            yield place, message_of(error, _known(path))


def _unknown(word: str, known: list[str]) -> Message:
    """What to say of a name that stands as a key and is none of those known."""
    like = nearest(word, known)
    if like:
        return msg("unknown key; did you mean '{nearest}'?", nearest=like)
    return msg("unknown key; known here are {known}", known=", ".join(known))


def _crossed(sentence: str, place: Place, own: Table) -> tuple[Place, Message]:
    """What a cross-check says, ``place: what is wrong``, with the names that do not fit in quotes.

    It is told where the site's file names one of them, or takes one out; else at the place.
    """
    below, what = sentence.split(": ", 1) if re.match(r"[\w.-]+: ", sentence) else ("", sentence)
    exact = (*place, *below.split(".")) if below else place
    for name in QUOTED.findall(what):
        if reach(own, (*exact, name)) == (*exact, name):
            return (*exact, name), msg("{what}", what=what)
        taken_out = next((each for each in _taken_out(own) if each[-1] == name), None)
        if taken_out:
            return taken_out, msg("{what}", what=sentence)
    return exact, msg("{what}", what=what)


def _taken_out(own: Any, place: Place = ()) -> Iterator[Place]:
    """The places of the entries that a site takes out."""
    for part, value in zip(names_of(own), parts_of(own), strict=True):
        if isinstance(value, dict) and value.get("remove") is True:
            yield (*place, part)
        yield from _taken_out(value, (*place, part))


def _known(path: tuple[str | int, ...]) -> list[str]:
    """The keys that the models know where the last key of a path stands."""
    if len(path) == 1:
        return sorted((Config.model_fields.keys() | Rules.model_fields.keys()) - {"rules", "path"})
    return keys_at(Rules if path[0] in Rules.model_fields else Config, path)
