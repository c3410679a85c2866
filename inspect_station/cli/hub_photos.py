"""Photos at the hub: `hub photo`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from inspect_station.cli import verb
from inspect_station.cli.hub import HubData, HubDatabase, HubTenant
from inspect_station.cli.verb import AsJson
from inspect_station.message import msg, msgn

if TYPE_CHECKING:
    from inspect_station.hub.album import Which

photo_app = typer.Typer(help="Photos at the hub: list, give back, erase.")

PhotoNames = Annotated[list[str] | None, typer.Argument(metavar="[SHA256]...", help="As `hub photo list` shows them.")]
PhotosOfUnit = Annotated[str, typer.Option("--unit", help="All that the unit with this plate has ever shown.")]
PhotosOfRma = Annotated[str, typer.Option("--rma", help="All that the units of this RMA have ever shown.")]
PhotosOfSeller = Annotated[str, typer.Option("--seller", help="Whose RMA, where several have one of that number.")]


def _which(names: list[str] | None, lpn: str, rma: str, seller: str, tenant: str) -> "Which":
    """The photos that a verb is about, said in one way."""
    from inspect_station.hub.album import Which

    if sum(map(bool, (names, lpn, rma))) != 1:
        raise verb.usage(msg("give hashes of photos, or --unit LPN, or --rma NUMBER"))
    return Which(tuple(name.lower() for name in names or ()), lpn, rma, seller, tenant)


@photo_app.command("list")
def photo_list(
    names: PhotoNames = None,
    unit: PhotosOfUnit = "",
    rma: PhotosOfRma = "",
    seller: PhotosOfSeller = "",
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    tenant: HubTenant = "main",
    as_json: AsJson = False,
) -> None:
    """Photos of a unit or an RMA, and what became of each; of an erased one who ordered that, when and why."""
    from inspect_station.hub import album

    rows = album.listed(data, _which(names, unit, rma, seller, tenant), database=database)
    if as_json:
        verb.write(verb.json_text({"schema": 1, "photos": rows}), None)
        return
    for row in rows:
        told = f"  {row['erased_at']}  {row['erased_by']}  {row['erased_why']}" if row["erased_at"] else ""
        print(f"{row['told_at']}  {row['lpn']}  {row['slot']}  {row['state']}  {row['sha256']}{told}")
    verb.say(msgn("{n} photo", "{n} photos", n=len(rows)))


@photo_app.command("get")
def photo_get(
    to: Annotated[Path, typer.Option("--to", help="A file for the one photo named by its hash, else a folder.")],
    names: PhotoNames = None,
    unit: PhotosOfUnit = "",
    rma: PhotosOfRma = "",
    seller: PhotosOfSeller = "",
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    tenant: HubTenant = "main",
) -> None:
    """Give photos back: one to a file, those of a unit or an RMA into a folder."""
    from inspect_station.hub import album

    found = album.fetch(data, _which(names, unit, rma, seller, tenant), database=database)
    if len(names or []) == 1 and not to.is_dir():
        verb.write(next(iter(found.values())), to)
        return
    try:
        to.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise verb.usage(
            msg("--to {folder}: {problem}", folder=str(to), problem=error.strerror or str(error))
        ) from None
    for name, content in found.items():
        verb.write(content, to / name)


@photo_app.command("erase")
def photo_erase(
    names: PhotoNames = None,
    unit: PhotosOfUnit = "",
    rma: PhotosOfRma = "",
    seller: Annotated[str, typer.Option("--seller", help="Whose RMA; with --older-than, whose photos.")] = "",
    older_than: Annotated[
        int | None,
        typer.Option(
            "--older-than", min=1, max=36_500, help="Days since the hub heard of them: with --seller; needs --yes."
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="With --older-than: do it; else they are only counted.")] = False,
    reason: Annotated[str, typer.Option("--reason", help="Why: it stays, with who and when.")] = "",
    data: HubData = Path("hub-data"),
    database: HubDatabase = "",
    tenant: HubTenant = "main",
) -> None:
    """Erase photos here and on every station, for ever; the facts stand, with the hashes."""
    from inspect_station.hub import album

    if older_than is not None:
        if names or unit or rma or not seller:
            raise verb.usage(msg("--older-than DAYS goes with --seller CODE alone"))
        if not yes:
            count = len(album.over(data, seller, older_than, tenant=tenant, database=database))
            verb.say(msgn("{n} photo would be erased: --yes", "{n} photos would be erased: --yes", n=count))
            return
        why = reason.strip() or f"older than {older_than} days"
        erased = album.erase_over(data, seller, older_than, why=why, tenant=tenant, database=database)
    else:
        which = _which(names, unit, rma, seller, tenant)
        if not reason.strip():
            raise verb.usage(msg("--reason says why: it is needed here"))
        erased = album.erase(data, which, why=reason, database=database)
    verb.say(msgn("{n} photo erased", "{n} photos erased", n=erased.photos))
    if erased.absent:
        verb.say(
            msgn(
                "of {n} more nothing was in {place}: if it had come, look where the hub keeps its photos",
                "of {n} more nothing was in {place}: if they had come, look where the hub keeps its photos",
                n=erased.absent,
                place=erased.place,
            )
        )
