"""What is set, and what works here: `config`, `doctor`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspect_station.cli import paper, playbook, verb
from inspect_station.cli.verb import AsJson, ConfigPath
from inspect_station.errors import Exit
from inspect_station.message import msg, msgn

if TYPE_CHECKING:
    from inspect_station.config import Config
    from inspect_station.station import Station

config_app = typer.Typer(help="Check or show the configuration.")


@config_app.command("check")
def config_check(
    config: ConfigPath = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="Also list rules that no case tries.")] = False,
    cases: Annotated[Path | None, typer.Option("--cases", help="A table of cases to try the site's rules by.")] = None,
) -> None:
    """Name every problem of station.toml at once, with file, line, key and value; then try every seller's playbook."""
    from inspect_station import config as configuration
    from inspect_station import playbooks
    from inspect_station.label import page_problems

    path = configuration.find(config)
    problems = configuration.problems(path)
    for problem in problems:
        verb.told(problem)
    if problems:
        verb.say(msgn("{n} problem in {file}", "{n} problems in {file}", n=len(problems), file=str(path)))
        raise typer.Exit(Exit.BROKEN)
    verb.say(msg("{file} is in order", file=str(path)) if path else msg("the shipped settings are in order"))
    loaded = verb.load(config)
    in_order = [paper.try_template(file) for file in sorted(loaded.station.labels.glob("*.toml"))]
    if all(in_order):
        in_order += [verb.told(problem) for problem in page_problems(loaded)]
    files = playbooks.files(loaded.station.playbooks)
    in_order += [playbook.try_playbook(file, loaded, coverage=coverage) for file in files]
    if cases is not None:
        in_order.append(_try_table(cases, loaded, coverage=coverage))
    if (loaded.station.data / "store.db").exists():
        with verb.station(loaded) as station:
            _tell_versions(station, files)
            in_order += [_in_force(station, seller) for seller in sorted(station.rulebook.trouble)]
    if not all(in_order):
        raise typer.Exit(Exit.BROKEN)


def _try_table(file: Path, loaded: "Config", *, coverage: bool) -> bool:
    """Try the site's rules by a table of cases; whether all come out as expected."""
    from inspect_station import playbooks

    voice = verb.voice()
    table = playbooks.case_table(file, loaded.rules)
    for problem in table.failures:
        verb.told(problem)
    for each in table.untried if coverage else ():
        print(f"{verb.plain(file)}: {voice.say(each)}")
    if table.failures:
        verb.say(msgn("{n} problem in {file}", "{n} problems in {file}", n=len(table.failures), file=str(file)))
        return False
    verb.say(
        msgn(
            "{file}: {n} case came out as expected",
            "{file}: {n} cases came out as expected",
            n=len(table.trials),
            file=str(file),
        )
    )
    return True


def _tell_versions(station: "Station", files: Sequence[Path]) -> None:
    """Which of these playbooks do not count as they stand: nobody has activated them, or another version counts."""
    from inspect_station import playbooks

    for file in files:
        try:
            book = playbooks.opened(file, station.rulebook.site)
        except playbooks.BrokenPlaybook:
            continue  # told before
        counts = station.rulebook.version(book.seller.code)
        if counts and counts != book.sha256:
            verb.say(msg("{file}: not this one, version {version} counts", file=str(file), version=counts[:12]))
        elif not counts:
            verb.say(msg("{file} does not count yet: `playbook activate` lets it", file=str(file)))


def _in_force(station: "Station", seller: str) -> bool:
    """Tell why an activated playbook does not count any more."""
    verb.say(station.rulebook.trouble[seller])
    return False


@config_app.command("show")
def config_show(
    config: ConfigPath = None,
    rules: Annotated[str, typer.Option("--rules", help="Instead: the rules with this hash, as `show` names it.")] = "",
) -> None:
    """The configuration in force, as JSON; or the rules under which a unit was once decided."""
    if rules:
        with verb.station(verb.load(config)) as station, station.store.read() as reader:
            verb.write(verb.json_text(station.rulebook.once(reader, rules)), None)
        return
    shown = verb.load(config).model_dump(mode="json")
    for operator in shown["operators"]:
        operator.update(badge_sha256="…", pin_argon2="…" if operator["pin_argon2"] else "")
    verb.write(verb.json_text(shown), None)


def doctor(config: ConfigPath = None, as_json: AsJson = False) -> None:
    """What works on this machine, what does not, and how to mend it."""
    from inspect_station.doctor import examine

    checks = examine(verb.load(config))
    voice = verb.voice()
    if as_json:
        rows = [
            {"name": each.name, "ok": each.ok, "found": voice.say(each.found), "mend": voice.say(each.mend)}
            for each in checks
        ]
        verb.write(verb.json_text({"schema": 1, "checks": rows}), None)
    else:
        for each in checks:
            sign = {True: "✔", False: "✘", None: "–"}[each.ok]
            print(f"{sign} {each.name:10} {voice.say(each.found)}")
            if not each.ok and each.mend.text:
                print(f"  {'':10} → {voice.say(each.mend)}")
    if any(each.ok is False for each in checks):
        raise typer.Exit(Exit.SOME_FAILED)
