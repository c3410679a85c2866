"""What works on this machine, what does not, and how to mend it. Nothing here changes anything."""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from inspect_station.config import Config
from inspect_station.devices import ScannerPort
from inspect_station.errors import StationError, unreached
from inspect_station.message import Message, msg, msgn

if TYPE_CHECKING:
    import httpx

    from inspect_station.core.wire import Said

NOTHING = Message("")
SKEW_S = 120
"""A clock further off than this is told (sync.md §2.5)."""


@dataclass(frozen=True)
class Check:
    """One thing looked at."""

    name: str
    ok: bool | None
    """None = not set up, or works with less."""
    found: Message
    mend: Message = NOTHING


def examine(config: Config) -> tuple[Check, ...]:
    """Look at everything the station needs; a look takes two seconds at most."""
    looks: tuple[Callable[[Config], Iterator[Check]], ...] = (
        _settings,
        _store,
        _disk,
        _backup,
        _scanner,
        _zbar,
        _labels,
        _letters,
        _camera,
        _printers,
        _upstream,
    )
    return tuple(check for look in looks for check in look(config))


def _settings(config: Config) -> Iterator[Check]:
    fine = msg("{file} is in order", file=str(config.path)) if config.path else msg("the shipped settings are in order")
    yield Check("config", True, fine)
    if not config.operators:
        yield Check(
            "operators",
            False,
            msg("nobody can sign in: no operator is set up"),
            msg("`inspect-station sheet badges` prints badges; their lines go into [[operators]] of station.toml"),
        )
    else:
        yield Check("operators", True, msg("{n} operators", n=len(config.operators)))


def _store(config: Config) -> Iterator[Check]:
    from inspect_station.rulebook import Rulebook
    from inspect_station.store import Store

    try:
        with Store.open(
            config.station.data,
            clock=lambda: datetime.now(UTC),
            station=config.station.name,
            zone=config.station.zone,
        ) as store:
            store.check()
            with store.read() as reader:
                waiting = reader.waiting()
                rulebook = Rulebook(config)
                rulebook.refresh(reader)
                counting = reader.playbooks()
    except StationError as error:
        yield Check("store", False, error.title, error.hint)
        return
    yield Check("store", True, msg("sound: {folder}", folder=str(config.station.data)))
    for book in counting:
        trouble = rulebook.trouble.get(book.seller)
        counts = msg("{seller}: version {version} counts", seller=book.seller, version=book.sha256[:12])
        mend = msg("`inspect-station playbook check` on its file tells the lines; then activate it again")
        yield Check("playbook", trouble is None, trouble or counts, NOTHING if trouble is None else mend)
    version = sqlite3.sqlite_version
    if store.journal == "delete":
        yield Check(
            "sqlite",
            None,
            msg("{version} has the WAL reset bug: the slower, safe journal is used", version=version),
            msg("nothing to do; SQLite 3.51.3 or newer is faster"),
        )
    else:
        yield Check("sqlite", True, msg("{version}, write-ahead journal", version=version))
    parked = waiting.events_parked + waiting.labels_parked
    if parked:
        found = msg("{n} records or labels are parked", n=parked)
        yield Check("parked", False, found, msg("F4 at the desk shows them"))
    if waiting.photos and config.upstream.enabled:
        found = msgn("{n} photo waits for the hub", "{n} photos wait for the hub", n=waiting.photos)
        yield Check("photos", None, found, msg("F4 at the desk says why, if they wait for long"))


def _disk(config: Config) -> Iterator[Check]:
    from inspect_station.store import space

    try:
        room = space(config.station.data, config.limits)
    except StationError as error:
        yield Check("disk", False, error.title, error.hint)
        return
    found = msg("{percent} % free, {mb} MB", percent=room.percent, mb=room.free // 1_000_000)
    if room.said is None:
        yield Check("disk", True, found)
    else:
        yield Check("disk", None if room.photos else False, found, room.said)


def _backup(config: Config) -> Iterator[Check]:
    from inspect_station import upkeep

    if config.backup.to is None:
        mend = msg("name a folder on another disk in [backup] of station.toml")
        yield Check("backup", None, msg("no backup is set up: the store is lost with its disk"), mend)
        return
    name = config.station.name
    found = upkeep.trouble(config.backup, name, config.station.data, datetime.now(UTC))
    if found is not None:
        yield Check("backup", False, *found)
        return
    at, file = upkeep.copies(config.backup.to, name)[0]
    on = at.astimezone(ZoneInfo(config.station.zone)).date().isoformat()
    yield Check("backup", True, msg("{file}, of {on:date} {at:time}", file=str(file), on=on, at=at.isoformat()))


def _scanner(config: Config) -> Iterator[Check]:
    if config.scanner.kind != "keyboard":
        yield from _scanner_port(config.scanner)
    elif config.scanner.prefix:
        yield Check("scanner", True, msg("prefix set: a scan is certain"))
    else:
        yield Check(
            "scanner",
            None,
            msg("no prefix: scans are told from keys by their timing"),
            msg("set the scanner to send a prefix and name it in [scanner]; see docs/setup.md"),
        )


def _scanner_port(settings: ScannerPort) -> Iterator[Check]:
    """Whether the device can be opened; where it cannot, what is there instead."""
    from inspect_station.scanners import present, probe

    state = probe(settings)
    if state.trouble is None:
        yield Check("scanner", True, msg("{device} can be opened", device=settings.device))
        return
    found, mend = state.trouble
    if state.name == "gone":
        mend = msg("plug it in, or name the right device in [scanner] of station.toml")
    elif state.name == "held":
        mend = msg("as it should be while the station runs; otherwise close that program (often ModemManager)")
    yield Check("scanner", None if state.name == "held" else False, found, mend)
    if state.name == "gone":
        there = ", ".join(present(settings.kind))
        found = (
            msg("devices that may be the scanner: {devices}", devices=there) if there else msg("no such device here")
        )
        yield Check("devices", None, found)


def _zbar(config: Config) -> Iterator[Check]:
    from inspect_station.decode import libzbar_present

    if libzbar_present():
        yield Check("zbar", True, msg("libzbar is there: pictures are decoded by two engines"))
    else:
        yield Check(
            "zbar",
            None,
            msg("libzbar is missing: pictures are decoded by one engine"),
            msg("sudo apt-get install libzbar0"),
        )


def _labels(config: Config) -> Iterator[Check]:
    from inspect_station.label import page_problems

    try:
        problems = list(page_problems(config))
    except StationError as error:
        yield Check("templates", False, error.title, error.hint)
        return
    for problem in problems:
        yield Check(
            "templates",
            False,
            problem.message,
            msg("shorten [station] unit_page, or give it more room: `inspect-station template new clearance`"),
        )
    if not problems:
        yield Check("templates", True, msg("the label templates can be used"))


def _letters(config: Config) -> Iterator[Check]:
    from inspect_station.lettering import lacking, shapes

    if missing := lacking():
        yield Check(
            "letters",
            None,
            msg("no font has all letters of {scripts}: on labels a box stands for each", scripts=", ".join(missing)),
            msg("sudo apt-get install {packages}", packages=" ".join(sorted(set(missing.values())))),
        )
    else:
        yield Check("letters", True, msg("the fonts have what labels in other scripts need"))
    if not shapes():
        yield Check(
            "shaping",
            None,
            msg("libfribidi is missing: on labels the letters of Indian scripts stand unjoined"),
            msg("sudo apt-get install libfribidi0"),
        )


def _camera(config: Config) -> Iterator[Check]:
    if config.camera.kind == "none":
        found = msg("no camera is set up: photos will be owed")
        yield Check("camera", None, found, msg("set [camera] in station.toml"))
        return
    from inspect_station.camera import camera

    try:
        shot = camera(config.camera).grab()
    except StationError as error:
        yield Check("camera", False, error.title, error.hint)
    else:
        yield Check("camera", True, msg("{width} × {height} pixels", width=shot.width, height=shot.height))


def _printers(config: Config) -> Iterator[Check]:
    if not config.printers:
        yield Check("printer", False, msg("no printer is set up: labels wait"), msg("add [[printers]] to station.toml"))
        return
    from inspect_station.label import files
    from inspect_station.printing import printer
    from inspect_station.resources import resource

    kinds = files(resource("labels"), config.station.labels)
    used = {each.name: kind for kind in kinds if (each := config.printer_of(kind)) is not None}
    lost = ", ".join(kind for kind in kinds if config.printer_of(kind) is None)
    if lost:
        hint = msg("add them to the labels of one of [[printers]], or let one take all: labels = []")
        yield Check("printer", False, msg("no printer takes these labels: {kinds}", kinds=lost), hint)
    for settings in config.printers:
        if settings.name not in used:
            yield Check(
                "printer",
                False,
                msg("nothing comes out of {printer}: others take all labels before it", printer=settings.name),
                msg("name what it prints in its labels, or take the other out with remove = true"),
            )
        state = printer(settings).state()
        yield Check(
            f"{settings.name}",
            state.ok,
            state.message,
            NOTHING if state.ok else msg("check power, paper and cable; labels wait and are printed then"),
        )


def _upstream(config: Config) -> Iterator[Check]:
    if not config.upstream.enabled:
        yield Check("hub", None, msg("no hub is set up: everything stays here"), msg("set [upstream] in station.toml"))
        return
    import httpx

    url = config.upstream.url
    try:
        answer = httpx.get(f"{url.rstrip('/')}/v1/livez", timeout=2, follow_redirects=False)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield _silent(url, error)
        return
    if (said := _said(answer)) is None:
        yield _no_hub(url, answer.status_code)
        return
    yield _enrolled(config)
    skew = round((datetime.now(UTC) - said.hub_time).total_seconds())
    if abs(skew) > SKEW_S:
        yield Check(
            "clock",
            False,
            msg("this clock is {n} s away from the hub's", n=skew),
            msg("switch network time on: timedatectl set-ntp true"),
        )
    else:
        yield Check("clock", True, msg("{n} s away from the hub's", n=skew))


def _silent(url: str, error: Exception) -> Check:
    return Check(
        "hub",
        False,
        msg(
            "{url} does not answer: {reason:word}",
            url=url,
            reason=unreached(error) or str(error) or type(error).__name__,
        ),
        msg("work goes on; check the network, then `inspect-station sync`"),
    )


def _said(answer: "httpx.Response") -> "Said | None":
    """What every answer of a hub says; None where something else answered."""
    from inspect_station.core import wire

    try:
        said = wire.Said.model_validate(wire.parse(answer.content))
    except ValueError:
        return None
    return said if said.hub_time.tzinfo else None


def _no_hub(url: str, status: int) -> Check:
    if status >= 500:  # a proxy whose hub is away
        return Check(
            "hub",
            False,
            msg("No hub answers at {url} (HTTP {status}).", url=url, status=status),
            msg("Work goes on. What stands before the hub does not reach it: see that the hub runs."),
        )
    return Check(
        "hub",
        False,
        msg("Something answers at {url}, but it is not a hub.", url=url),
        msg("Work goes on. Check url under [upstream] in station.toml, and that no login page stands in between."),
    )


def _enrolled(config: Config) -> Check:
    """Whether the hub, which answers, knows this station."""
    import httpx

    from inspect_station.upstream import Credentials

    url = config.upstream.url
    again = msg("ask for a code at the hub (`hub station NAME`), then `inspect-station sync --enrol CODE`")
    try:
        held = Credentials.load(config.station.data)
    except StationError as error:
        return Check("hub", False, error.title, error.hint)
    if held is None or held.url != url.rstrip("/"):
        return Check("hub", False, msg("{url} answers, but this station is not enrolled there", url=url), again)
    try:
        answer = httpx.get(
            f"{held.url}/v1/changes",
            params={"feeds": "rma", "limit": "1"},
            headers={"authorization": f"Bearer {held.token}"},
            timeout=2,
            follow_redirects=False,
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return _silent(url, error)
    if _said(answer) is None:
        return _no_hub(url, answer.status_code)
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        return Check("hub", False, msg("{url} answers, but does not know this station any more", url=url), again)
    if answer.status_code != httpx.codes.OK:
        found = msg("{url} answers, but serves nobody now (HTTP {status})", url=url, status=answer.status_code)
        return Check("hub", False, found, msg("work goes on; the hub's log says what is in its way"))
    return Check("hub", True, msg("{url} answers", url=url))
