"""What every verb shares: its usual options, the settings and the station it works on, what it says and hands over."""

import json
import os
import sys
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspect_station.errors import NotAllowed, StationError
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    from inspect_station.config import Config
    from inspect_station.core.records import Operator
    from inspect_station.station import Station
    from inspect_station.tomlfile import Problem
    from inspect_station.words import Voice

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", help="station.toml; default: ./station.toml, then the user's configuration folder."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON (a contract: versioned).")]
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
"""Days that anybody can mean; next to the ends of the calendar there is no day before or after to reckon with."""
Out = Annotated[Path | None, typer.Option("-o", "--output", help="Write to this file instead of stdout.")]


# ── What it works on ─────────────────────────────────────────────────────────────────────────────────────────────────


def load(path: Path | None) -> "Config":
    """The settings in force; from here on all is said in the station's language. Raises BrokenConfig."""
    from inspect_station import config
    from inspect_station.words import Voice

    loaded = config.load(config.find(path))
    _spoken.append(Voice(loaded.station.locale, loaded.rules, loaded.station.zone))
    return loaded


def station(loaded: "Config", **options: Any) -> "Station":
    """The station with these settings, opened; options as of `open_station`."""
    from inspect_station.station import open_station

    return open_station(loaded, **options)


def bytes_of(file: Path) -> bytes:
    """What is in a file. Raises StationError."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise StationError(
            msg("{file} cannot be read: {reason}", file=str(file), reason=error.strerror or str(error)),
            msg("check the path; nothing was changed"),
        ) from error


def new_file(file: Path) -> None:
    """See that a copy can be written there as a new file, in a folder that is there. Raises NotAllowed.

    It is never written over another one: that may be the only good one.
    """
    try:
        is_folder, taken, has_folder = file.is_dir(), os.path.lexists(file), file.parent.is_dir()
    except PermissionError:
        return  # nor may the copy be written there: that is said with the reason
    if is_folder:
        raise NotAllowed(
            msg("{file} is a folder: nothing was written.", file=str(file)),
            msg("Name a new file, for example {file}.", file=str(file / "copy.db")),
        )
    if taken:
        raise NotAllowed(
            msg("{file} is there already: nothing was written.", file=str(file)),
            msg("Name a new file; or move that one away, if nobody needs it."),
        )
    if not has_folder:
        raise NotAllowed(
            msg("The folder {folder} is not there: nothing was written.", folder=str(file.parent)),
            msg("Plug its disk in, or make the folder: no copy makes it, so as not to fill the wrong disk."),
        )


def supervisor(station: "Station", badge: str, hint: Message) -> "Operator":
    """Whoever vouches, by badge and PIN. Raises NotAllowed with this hint."""
    from inspect_station.outcomes import PinNeeded, Said

    scan = station.read(badge or typer.prompt(voice().say(msg("a supervisor's badge")), hide_input=True))
    seen = station.vouch(scan)
    if isinstance(seen, PinNeeded):
        vouched = station.vouched(seen.operator, typer.prompt("PIN", hide_input=True))
        if not isinstance(vouched, Said):
            return vouched
        seen = vouched
    raise NotAllowed(seen.title, hint)


# ── Words on the command line ────────────────────────────────────────────────────────────────────────────────────────


def usage(message: Message) -> typer.BadParameter:
    """A word on the command line that means nothing here."""
    return typer.BadParameter(voice().say(message))


def choice(word: str, value: str, known: Collection[str]) -> None:
    """Refuse a word that is none of those known."""
    if value not in known:
        choices = ", ".join(known)
        raise usage(msg("{word} {value}: must be one of {choices}", word=word, value=value, choices=choices))


def date_of(option: str, text: str) -> date:
    """The day that an option names. Raises BadParameter."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise usage(msg("{column} {value}: a date like 2026-11-22", column=option, value=text)) from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        first, last = _FIRST_DAY.isoformat(), _LAST_DAY.isoformat()
        raise usage(
            msg("{column} {value}: a day from {first} to {last}", column=option, value=text, first=first, last=last)
        )
    return day


# ── What it says, and what it hands over ─────────────────────────────────────────────────────────────────────────────


def complain(error: StationError) -> None:
    """Say what went wrong, and what to do."""
    say(error.title)
    print(f"→ {voice().say(error.hint)}", file=sys.stderr)


_spoken: list["Voice"] = []


def voice() -> "Voice":
    """The language of the station, once its settings are loaded; English before."""
    from inspect_station.words import Voice

    return _spoken[-1] if _spoken else Voice()


def say(message: Message) -> None:
    """Tell the person at the terminal, on stderr: stdout is for data."""
    print(voice().say(message), file=sys.stderr)


def told(problem: "Problem") -> bool:
    """Print what is wrong, in its line; never in order."""
    print(problem.line_text(voice().say(problem.message)))
    return False


def plain(text: str | Path) -> str:
    """What a file is called, or a code says, as text that no terminal obeys."""
    from inspect_station.core.barcode import clean

    return clean(str(text))


def write(text: str | bytes, output: Path | None) -> None:
    """Data, to a file or to stdout. Raises StationError."""
    data = text.encode() if isinstance(text, str) else text
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as error:
        raise StationError(
            msg("{file} cannot be written: {reason}", file=str(output), reason=error.strerror or str(error)),
            msg("choose another file with -o; nothing was changed"),
        ) from error
    say(msg("written: {file}", file=str(output)))


def json_text(body: object) -> str:
    """JSON as every verb prints it."""
    return json.dumps(body, ensure_ascii=False, indent=2, default=str) + "\n"
