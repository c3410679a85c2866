"""Units that leave together: `batch`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspect_station.cli import verb
from inspect_station.cli.verb import AsJson, ConfigPath, Out
from inspect_station.errors import Exit, NotAllowed
from inspect_station.message import Message, msg

if TYPE_CHECKING:
    from inspect_station.outcomes import BatchSeen, Said
    from inspect_station.station import Station

batch_app = typer.Typer(help="Batches: units that leave together, back to their seller or as waste.")
Badge = Annotated[str, typer.Option("--badge", help="Whose work this is; without it, the badge is asked for.")]


@batch_app.command("list")
def batch_list(
    every: Annotated[bool, typer.Option("--all", help="The newest fifty, also those that are done with.")] = False,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Batches that are open, or of which nobody knows yet what became of them; the oldest first."""
    from inspect_station.account import Account

    with verb.station(verb.load(config)) as station:
        found = station.batches(every=every)
        account = Account(station, verb.voice())
        if as_json:
            verb.write(verb.json_text({"schema": 1, "batches": [account.batch_row(each) for each in found]}), None)
            return
        for each in found:
            print(account.batch_line(each))
    if not found:
        verb.say(msg("no batch waits: the first unit that joins opens one"))


@batch_app.command("show")
def batch_show(
    number: str,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="The list of its units as a PDF of A4 pages, to be signed.")
    ] = False,
    output: Out = None,
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """A batch and what is in it; what was in it for a time, too."""
    from inspect_station.account import Account

    with verb.station(verb.load(config)) as station:
        code = _batch_number(station, number)
        if pdf:
            verb.write(station.batch_list(code), output)
            return
        account, seen = Account(station, verb.voice()), station.batch(code)
        verb.write(verb.json_text(account.batch_json(seen)) if as_json else account.batch_text(seen), output)


@batch_app.command("add")
def batch_add(
    lpns: list[str],
    batch: Annotated[str, typer.Option("--batch", help="Into this one; else the open one of seller and route.")] = "",
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Put finished units into the open batch of their seller and route; where none is open, the first one opens it."""
    from inspect_station.outcomes import Said

    with verb.station(verb.load(config)) as station:
        _work_as(station, badge)
        number = _batch_number(station, batch) if batch else ""
        joined: list[dict[str, str]] = []
        refused = False
        for lpn in lpns:
            seen = station.join(_plate(station, lpn), number)
            if isinstance(seen, Said):
                refused = True
                verb.complain(NotAllowed(seen.title, seen.hint))
                joined.append({"lpn": lpn, "batch": "", "refused": verb.voice().say(seen.title)})
            else:
                joined.append({"lpn": lpn, "batch": seen.batch.number, "refused": ""})
                if seen.said and not as_json:
                    verb.say(seen.said)
    if as_json:
        verb.write(verb.json_text({"schema": 1, "units": joined}), None)
    if refused:
        raise typer.Exit(Exit.SOME_FAILED)


@batch_app.command("remove")
def batch_remove(
    number: str,
    lpn: str,
    why: Annotated[str, typer.Option("--why", help="The reason; it is kept.")],
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Take a unit out of an open batch; that it was in there stays known."""
    with verb.station(verb.load(config)) as station:
        _work_as(station, badge)
        _batch_done(station, station.take_out(_batch_number(station, number), _plate(station, lpn), why), as_json)


@batch_app.command("property")
def batch_property(
    number: str, lpn: str, badge: Badge = "", config: ConfigPath = None, as_json: AsJson = False
) -> None:
    """Say that what was found of a customer's is out of a unit; its slip is queued. Until then its batch stays open."""
    with verb.station(verb.load(config)) as station:
        _work_as(station, badge)
        _batch_done(station, station.property_out(_batch_number(station, number), _plate(station, lpn)), as_json)


@batch_app.command("close")
def batch_close(
    number: str,
    seal: Annotated[str, typer.Option("--seal", help="The number on the seal, where it has one.")] = "",
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The list of its units, as PDF.")] = None,
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Close a batch under the next seal number; its manifest label is queued for the running station."""
    with verb.station(verb.load(config)) as station:
        _work_as(station, badge)
        code = _batch_number(station, number)
        _batch_done(station, station.close_batch(code, seal), as_json)
        if output is None:
            verb.say(msg("list of its units, to be printed and signed: {file}", file=str(station.save_list(code))))
        else:
            verb.write(station.batch_list(code), output)


@batch_app.command("outcome")
def batch_outcome(
    number: str,
    fate: Annotated[str, typer.Argument(help="returned, recycled or destroyed.")],
    photo: Annotated[Path, typer.Option("--photo", help="The proof: a picture of the receipt, or of the batch.")],
    on: Annotated[str, typer.Option("--on", help="The day on which it happened (ISO date); default today.")] = "",
    ground: Annotated[str, typer.Option("--ground", help="Why, where a supervisor has to order it.")] = "",
    badge: Badge = "",
    config: ConfigPath = None,
    as_json: AsJson = False,
) -> None:
    """Note what became of a closed batch. To have it destroyed, to let it go another way than it was collected for, and
    to correct what was noted, a supervisor's badge and PIN are asked for."""
    from inspect_station.core.batches import Fate
    from inspect_station.outcomes import BatchSeen, Said, SupervisorNeeded

    loaded = verb.load(config)
    verb.choice("OUTCOME", fate, [each.value for each in Fate])
    day = verb.date_of("--on", on) if on else None
    picture = verb.bytes_of(photo)
    with verb.station(loaded) as station:
        _work_as(station, badge)
        code = _batch_number(station, number)
        order = station.may_end(code, Fate(fate), day)
        if isinstance(order, Message) and not ground.strip():
            raise NotAllowed(order, msg("say why with --ground; nothing was changed"))
        seen = station.end_batch(code, Fate(fate), on=day, ground=ground, photo=picture)
        if isinstance(seen, SupervisorNeeded):
            verb.say(seen.title)
            hint = msg("nothing was changed; only a supervisor orders this")
            done = seen.then(verb.supervisor(station, "", hint))
            assert isinstance(done, BatchSeen | Said)
            seen = done
        _batch_done(station, seen, as_json)


def _work_as(station: "Station", badge: str) -> None:
    """Sign somebody in by badge, a supervisor with the PIN. Raises NotAllowed."""
    from inspect_station.outcomes import PinNeeded, Said

    voice = verb.voice()
    seen = station.sign_in(station.read(badge or typer.prompt(voice.say(msg("your badge")), hide_input=True)))
    if isinstance(seen, PinNeeded):
        seen = station.enter_pin(seen.operator, typer.prompt("PIN", hide_input=True))
    if isinstance(seen, Said):
        raise NotAllowed(seen.title, seen.hint)


def _batch_number(station: "Station", code: str) -> str:
    """A batch's number as typed or scanned, without that of its print."""
    from inspect_station.core.barcode import ScanKind

    scan = station.read(code)
    if scan.kind is not ScanKind.BATCH:
        raise verb.usage(scan.problem or msg("{code} is no number of a batch", code=code))
    return scan.text


def _plate(station: "Station", code: str) -> str:
    from inspect_station.core.barcode import ScanKind

    scan = station.read(code)
    if scan.kind is not ScanKind.LPN:
        raise verb.usage(scan.problem or msg("{code} is no unit's number", code=code))
    return scan.text


def _batch_done(station: "Station", seen: "BatchSeen | Said", as_json: bool) -> None:
    """Say what came of it; what was refused is an error."""
    from inspect_station.account import Account
    from inspect_station.outcomes import BatchSeen

    if not isinstance(seen, BatchSeen):
        raise NotAllowed(seen.title, seen.hint)
    if as_json:
        verb.write(verb.json_text(Account(station, verb.voice()).batch_json(seen)), None)
    elif seen.said:
        verb.say(seen.said)
