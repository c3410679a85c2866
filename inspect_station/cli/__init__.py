"""The command line: the only place that prints or exits.

Each module has a family of verbs, their arguments and what they do; here they are put together. Heavy imports happen
inside each verb.
"""

import sys
from typing import NoReturn

import typer

from inspect_station.cli import batch, bench, config, hub, hub_photos, look, paper, playbook, store
from inspect_station.cli.verb import complain
from inspect_station.errors import Exit, StationError

app = typer.Typer(
    name="inspect-station",
    help="Returns inspection at a warehouse dock: scan, grade, test, photograph, label, report.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(bench.run)
app.command()(bench.demo)
app.command()(config.doctor)
app.command()(look.decode)
app.command()(look.show)
app.command()(paper.label)
app.command()(bench.sync)
app.add_typer(config.config_app, name="config")
app.add_typer(store.import_app, name="import")
app.add_typer(look.report_app, name="report")
app.add_typer(store.db_app, name="db")
hub.hub_app.add_typer(hub_photos.photo_app, name="photo")
app.add_typer(hub.hub_app, name="hub")
app.add_typer(paper.sheet_app, name="sheet")
app.add_typer(paper.template_app, name="template")
app.add_typer(playbook.playbook_app, name="playbook")
app.add_typer(batch.batch_app, name="batch")


def main() -> NoReturn:
    """Run the program; a StationError becomes its sentence on stderr and its exit code."""
    try:
        app(standalone_mode=True)
    except StationError as error:
        complain(error)
        sys.exit(error.exit_code)
    sys.exit(Exit.OK)


@app.callback(invoke_without_command=True)
def _default(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        bench.run()
