"""`hub`: the entry point. It reads the environment once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from hub.base import command
from hub.base.crash import leave_no_memory
from hub.base.output import print_version
from hub.cli import (
    backup,
    center,
    clock,
    code_list,
    database,
    demo,
    doctor,
    key,
    lane,
    ledger,
    log,
    quarantine,
    republish,
    rules,
    run,
    schema,
    settings,
    show,
    site,
    status,
    web,
)
from hub.cli.audit import group as audit
from hub.cli.options import Settings
from hub.cli.replay import group as replay
from hub.cli.view import group as view

EXAMPLES: Final = """
\b
Examples:
  hub up                                  the broker and the worker on this machine
  hub center add uz --name "…" --country UZ --direction north \\
      --language ru --stream offer --invite uz.cohub
  hub center confirm uz                   let its office in, which has joined by that file
  hub status                              how every center stands
  hub doctor                              is all as it should be, and what to do where it is not
  hub show offer uz:K-12                  one entity as HQ has it
  hub backup /mnt/backups/monday --sealed-by ~/hub.words
  hub demo                                a whole network to look at, then forgotten

Exit status 0: done; 1: it could not be done, or a person is needed; 2: wrong use of a command or a setting;
4: what was read is newer than this release. A command that has others says so.
"""

app = typer.Typer(
    name="hub",
    help="HQ of a network of technology-transfer centers: sealed lanes in, one provable state out.\n" + EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
run.add_to(app)
app.add_typer(audit.app, name="audit")
app.add_typer(center.app, name="center")
app.add_typer(clock.app, name="clock")
app.add_typer(code_list.app, name="code-list")
app.add_typer(key.app, name="key")
app.add_typer(lane.app, name="lane")
app.add_typer(ledger.app, name="ledger")
app.add_typer(log.app, name="log")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(replay.app, name="replay")
app.add_typer(rules.app, name="rules")
app.add_typer(schema.app, name="schema")
app.add_typer(settings.app, name="settings")
app.add_typer(site.app, name="site")
app.add_typer(view.app, name="view")
republish.add_to(app)
database.add_to(app)
backup.add_to(app)
status.add_to(app)
doctor.add_to(app)
web.add_to(app)
show.add_to(app)
demo.add_to(app)


def _version(wanted: bool) -> None:
    print_version("hub", wanted)


@app.callback()
def _global(
    ctx: typer.Context,
    data_dir: Annotated[
        Path | None,
        typer.Option("--data-dir", help="The hub's data directory (or HUB_DATA_DIR). Default: ./hub-data."),
    ] = None,
    version: Annotated[  # noqa: ARG001 -- its callback has done what there is to do
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    if data_dir is not None:
        ctx.obj = ctx.obj.with_data_dir(data_dir)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its status."""
    leave_no_memory()
    command.collect_rarely()
    options = Settings.read(os.environ)
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments), options))


def run_command(arguments: list[str], options: Settings) -> int:
    """Run one command; return the exit status. Every error has become one line on stderr."""
    return command.run_command(app, "hub", arguments, debug=options.debug, obj=options)


if __name__ == "__main__":
    main()
