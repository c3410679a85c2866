"""Sellers' own rules: `playbook`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from inspect_station.cli import verb
from inspect_station.cli.verb import AsJson, ConfigPath
from inspect_station.errors import Exit
from inspect_station.message import msg, msgn

if TYPE_CHECKING:
    from inspect_station.config import Config

playbook_app = typer.Typer(help="Sellers' own rules: try them, let them count, look at them.")


@playbook_app.command("check")
def playbook_check(
    files: list[Path],
    config: ConfigPath = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Also list its rows that no case tries.")] = False,
) -> None:
    """Try a seller's rules: every mistake with its line, and every case that comes out otherwise than expected."""
    loaded = verb.load(config)
    in_order = [try_playbook(file, loaded, coverage=coverage) for file in files]
    if not all(in_order):
        raise typer.Exit(Exit.SOME_FAILED)


def try_playbook(file: Path, loaded: "Config", *, coverage: bool) -> bool:
    """Read a playbook and run its cases; whether all is well. What is wrong is printed, a line each."""
    from inspect_station import playbooks

    voice = verb.voice()
    try:
        book = playbooks.opened(file, loaded.rules)
        playbooks.pictures_of(book)
    except playbooks.BrokenPlaybook as broken:
        problems = broken.problems
        trials: tuple[Any, ...] = ()
    else:
        trials = playbooks.tried(book)
        problems = playbooks.failures(book, trials)
        if coverage:
            untried = playbooks.untried(book, trials)
            for each in untried:
                print(f"{verb.plain(file)}: {voice.say(each)}")
            if not untried:
                verb.say(msg("{file}: every row is tried by a case", file=str(file)))
    for problem in problems:
        verb.told(problem)
    if problems:
        verb.say(msgn("{n} problem in {file}", "{n} problems in {file}", n=len(problems), file=str(file)))
        return False
    verb.say(
        msgn(
            "{file} is in order: version {version}, {n} case came out as expected",
            "{file} is in order: version {version}, {n} cases came out as expected",
            n=len(trials),
            file=str(file),
            version=book.sha256[:12],
        )
    )
    return True


@playbook_app.command("activate")
def playbook_activate(
    file: Path,
    badge: Annotated[str, typer.Option("--badge", help="A supervisor's badge; without it, it is asked for.")] = "",
    config: ConfigPath = None,
) -> None:
    """Let a seller's rules count from now on, also in a station that is running. A supervisor's badge and PIN are
    asked for; a playbook whose cases fail is not activated."""
    from inspect_station import playbooks

    loaded = verb.load(config)
    book = playbooks.opened(file, loaded.rules)
    with verb.station(loaded) as station:
        hint = msg("nothing was changed; only a supervisor lets rules count")
        supervisor = verb.supervisor(station, badge, hint)
        verb.say(station.rulebook.activate(station.store, book, supervisor))


@playbook_app.command("list")
def playbook_list(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """Every seller's rules that count, and all that counted before, the newest first."""
    with verb.station(verb.load(config)) as station, station.store.read() as reader:
        current = reader.playbooks()
        history = [each for book in current for each in reader.playbook_history(book.seller)]
    counts = {book.id for book in current}
    if as_json:
        rows = [
            {
                "seller": each.seller,
                "version": each.sha256,
                "counts": each.id in counts,
                "activated_at": each.activated_at.isoformat(),
                "activated_by": each.activated_by,
            }
            for each in history
        ]
        verb.write(verb.json_text({"schema": 1, "playbooks": rows}), None)
        return
    voice = verb.voice()
    for each in history:
        sign = "✔" if each.id in counts else " "
        at = each.activated_at.astimezone(voice.zone)
        print(f"{sign} {each.seller:12} {each.sha256[:12]}  {at:%Y-%m-%d %H:%M}  {each.activated_by}")
    if not history:
        verb.say(msg("no seller has a playbook: `playbook activate FILE` lets one count"))


@playbook_app.command("show")
def playbook_show(
    seller: str,
    version: Annotated[str, typer.Option("--version", help="The beginning of an earlier version's hash.")] = "",
    config: ConfigPath = None,
) -> None:
    """The text of a seller's rules, exactly as it was activated."""
    from inspect_station.errors import NotFound

    with verb.station(verb.load(config)) as station, station.store.read() as reader:
        history = reader.playbook_history(seller)
    found = next((each for each in history if each.sha256.startswith(version)), None)
    if found is None:
        raise NotFound(
            msg("no playbook of {seller} with version {version}", seller=seller, version=version or "–"),
            msg("`playbook list` names all versions"),
        )
    verb.write(found.body, None)
