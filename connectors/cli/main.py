"""`connector`: the entry point."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import typer

from connectors.cli import (
    approve,
    check,
    epoch,
    erase,
    fields,
    init,
    join,
    key,
    mapping,
    orphans,
    person,
    preview,
    run,
    service,
    status,
    template,
    witness,
)
from hub.base import command
from hub.base.crash import leave_no_memory
from hub.base.output import print_version

EXAMPLES: Final = """
\b
Examples:
  connector join uz.cohub         become an office by the one file that HQ gave you
  connector init --trust trust.note --center uz --bootstrap hub.example:9092
  connector check                 is everything in place, and does HQ answer?
  connector preview offers.xlsx   what a sheet says; nothing is sent
  connector run                   keep HQ up to date until stopped
  connector install-service       the same, by itself, from each logon on
  connector status                what became of every row
  connector orphans               what HQ has and no sheet names any more

Exit status 0: done; 1: it could not be done, or a person is needed; 2: wrong use of a command or a setting;
4: what was read is newer than this release. A command that has others says so.
"""

app = typer.Typer(
    name="connector",
    help="A co-center's connector: from the office's sheets to HQ, and HQ's answers back to the office.\n" + EXAMPLES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
init.add_to(app)
join.add_to(app)
check.add_to(app)
fields.add_to(app)
template.add_to(app)
app.add_typer(mapping.app, name="mapping")
preview.add_to(app)
run.add_to(app)
service.add_to(app)
status.add_to(app)
approve.add_to(app)
orphans.add_to(app)
app.add_typer(epoch.app, name="epoch")
app.add_typer(key.app, name="key")
app.add_typer(witness.app, name="witness")
erase.add_to(app)
app.add_typer(person.app, name="person")


def _version(wanted: bool) -> None:
    print_version("connector", wanted)


@app.callback()
def _global(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_version),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and end the process with its status."""
    command.have_streams()
    leave_no_memory()
    command.collect_rarely()
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments)))


def run_file(arguments: list[str], _own: Mapping[str, str]) -> int:
    """Run one command of the connector that is one file; return the exit status."""
    leave_no_memory()
    return run_command(arguments)


def run_command(arguments: list[str]) -> int:
    """Run one command; return the exit status. Every error has become one line on stderr."""
    debug = command.is_debugging(os.environ)
    return command.run_command(app, "connector", arguments, debug=debug, tell=lambda exc: _say_error(arguments, exc))


def _say_error(arguments: list[str], exc: BaseException) -> str | None:
    from connectors.cli.speaker import speaker_for

    return speaker_for(arguments, os.environ).error(exc)


if __name__ == "__main__":
    main()
