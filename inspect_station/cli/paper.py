"""What is printed: `label`, `template`, `sheet`."""

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from inspect_station.cli import verb
from inspect_station.cli.verb import ConfigPath, Out
from inspect_station.errors import Exit, StationError
from inspect_station.message import msg, msgn

template_app = typer.Typer(help="Label templates: start one of your own, measure them.")
sheet_app = typer.Typer(help="Sheets to print and scan from.")


def label(
    lpn: str,
    kind: Annotated[
        str, typer.Option("--kind", help="Another kind than the unit's own: relabel, putaway, property…")
    ] = "",
    format: Annotated[str, typer.Option("--format", help="pdf, zpl or png.")] = "pdf",
    output: Out = None,
    config: ConfigPath = None,
) -> None:
    """The unit's own label, to a file or to stdout."""
    loaded = verb.load(config)
    verb.choice("--format", format, ("pdf", "zpl", "png"))
    with verb.station(loaded) as station:
        data = station.draw_label(lpn, kind, cast(Any, format))
    verb.write(data, output)


# ── Templates ────────────────────────────────────────────────────────────────────────────────────────────────────────


@template_app.command("new")
def template_new(
    name: str,
    source: Annotated[str, typer.Option("--from", help="The template it starts as; else the one of its name.")] = "",
    config: ConfigPath = None,
) -> None:
    """Start a template of the site's own as a copy; it stands over the shipped one of the same name."""
    import re

    from inspect_station import label as labels
    from inspect_station import stickers
    from inspect_station.errors import NotFound
    from inspect_station.resources import resource

    folder = verb.load(config).station.labels
    if not re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", name):
        raise verb.usage(msg("{name}: a template's name has small letters, digits, - and _", name=name))
    known = labels.files(resource("labels"), folder)
    kind = source or (name if name in known else "hold")
    if kind not in known:
        raise NotFound(msg("no label template {kind}", kind=kind), msg("known: {kinds}", kinds=", ".join(known)))
    if stickers.NO_UNITS.get(kind) != stickers.NO_UNITS.get(name):
        odd = kind if kind in stickers.NO_UNITS else name
        raise verb.usage(msg("{odd} is no label of a unit: its fields are others, start it from itself", odd=odd))
    target = folder / f"{name}.toml"
    if target.exists():
        raise StationError(
            msg("{file} is there already", file=str(target)),
            msg("edit it, or choose another name; nothing was changed"),
        )
    text = known[kind].read_bytes()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StationError(
            msg("{file} cannot be written: {reason}", file=str(target), reason=error.strerror or str(error)),
            msg("set [station] labels to a folder that can be; nothing was changed"),
        ) from error
    verb.write(text, target)
    verb.say(msg("edit it, then `inspect-station template check {file}`", file=str(target)))


@template_app.command("check")
def template_check(
    files: Annotated[list[Path] | None, typer.Argument(help="Default: all that labels are printed by.")] = None,
    config: ConfigPath = None,
) -> None:
    """Name what is wrong with label templates, by file, key and reason; print the sizes of those in order."""
    from inspect_station import label as labels
    from inspect_station.resources import resource

    folder = verb.load(config).station.labels
    chosen = files or labels.files(resource("labels"), folder).values()
    in_order = [try_template(file) for file in chosen]
    if not all(in_order):
        raise typer.Exit(Exit.BROKEN)


def try_template(file: Path) -> bool:
    from inspect_station import label as labels
    from inspect_station import stickers
    from inspect_station.tomlfile import BrokenConfig

    try:
        template = labels.check(file, stickers.NO_UNITS.get(file.stem, stickers.FIELDS))
    except BrokenConfig as broken:
        for problem in broken.problems:
            verb.told(problem)
        n = len(broken.problems)
        verb.say(msgn("{n} problem in {file}", "{n} problems in {file}", n=n, file=str(file)))
        return False
    print(f"{verb.plain(file)}: {template.size[0]:g} × {template.size[1]:g} mm")
    for n, code in enumerate(template.barcode, start=1):
        modules = ", ".join(f"{labels.module(code, dpi):.3f} mm @ {dpi} dpi" for dpi in (203, 300))
        print(f"  barcode.{n} {code.kind} {code.field}: {code.width:g} × {code.height:g} mm, {modules}")
    for n, text in enumerate(template.text, start=1):
        print(f"  text.{n} {text.field}: {text.width:g} × {text.box.height:.1f} mm, {text.size:g}–{text.min:g} pt")
    return True


# ── Sheets ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@sheet_app.command("commands")
def sheet_commands(
    config: ConfigPath = None,
    locale: Annotated[str, typer.Option("--locale", help="Language: en, fr; default: the station's.")] = "",
    output: Annotated[Path, typer.Option("-o", "--output", help="PDF to write.")] = Path("commands.pdf"),
) -> None:
    """Codes to scan instead of pressing keys, as PDF: grades, digits and actions, for work without a keyboard."""
    from inspect_station.tui.commands import sheet
    from inspect_station.tui.keymap import Keymap
    from inspect_station.words import LOCALES, Voice

    loaded = verb.load(config)
    if locale:
        verb.choice("--locale", locale, LOCALES)
    voice = Voice(locale or loaded.station.locale, loaded.rules, loaded.station.zone)
    verb.write(sheet(Keymap(loaded.keys), loaded.rules.grades, voice), output)


@sheet_app.command("badges")
def sheet_badges(
    count: Annotated[int, typer.Option("--count", help="How many new badges.")] = 1,
    output: Annotated[Path, typer.Option("-o", "--output", help="PDF to write.")] = Path("badges.pdf"),
    config: ConfigPath = None,
) -> None:
    """New random badges as PDF; the line for station.toml of each is printed."""
    from inspect_station.badges import issue

    issued = issue(count, verb.load(config).scanner.badge_prefix)
    verb.write(issued.pdf, output)
    for hashed in issued.hashes:
        print(f'badge_sha256 = "{hashed}"')


@sheet_app.command("badge")
def sheet_badge(
    name: Annotated[str, typer.Argument(help="Whose it is, as it stands on it.")],
    printer: Annotated[str, typer.Option("--printer", help="Print it at once, on this one of [[printers]].")] = "",
    format: Annotated[str, typer.Option("--format", help="pdf, zpl or png, of the file.")] = "pdf",
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.")] = Path("badge.pdf"),
    config: ConfigPath = None,
) -> None:
    """One new badge as a label for the label printer; its lines for station.toml are printed. Its code is kept nowhere
    else."""
    from inspect_station.badges import fingerprint, new_badge
    from inspect_station.label import render, templates
    from inspect_station.printing import printer as device
    from inspect_station.resources import resource

    loaded = verb.load(config)
    verb.choice("--format", format, ("pdf", "zpl", "png"))
    if printer:
        verb.choice("--printer", printer, [each.name for each in loaded.printers])
    named = [each for each in loaded.printers if each.name == printer]
    takes = named if printer else [each for each in (loaded.printer_of("badge"),) if each is not None]
    voice, code = verb.voice(), new_badge(loaded.scanner.badge_prefix)
    fields = {
        "name": name,
        "station": loaded.station.name,
        "date": voice.long_day(datetime.now(voice.zone).date()),
        "barcode": code,
    }
    badge = templates(resource("labels"), loaded.station.labels)["badge"]
    drawn = render(
        badge,
        fields,
        locale=loaded.station.locale,
        format=takes[0].format if printer else cast(Any, format),
        dpi=takes[0].dpi if takes else 203,
    )
    if printer:
        device(takes[0]).send(drawn, job="badge")
        verb.say(msg("badge sent to {printer}", printer=printer))
    else:
        verb.write(drawn, output)
    print(f"name = {json.dumps(name, ensure_ascii=False)}")
    print(f'badge_sha256 = "{fingerprint(code)}"')


@sheet_app.command("pin")
def sheet_pin() -> None:
    """Ask for a supervisor's PIN and print its line for station.toml."""
    from argon2 import PasswordHasher

    pin = typer.prompt("PIN", hide_input=True, confirmation_prompt=True)
    print(f'pin_argon2 = "{PasswordHasher().hash(pin)}"')
