"""`connector`: the entry point."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from connectors.cli import (
    approve,
    check,
    epoch,
    erase,
    fields,
    init,
    key,
    mapping,
    orphans,
    person,
    preview,
    run,
    status,
    template,
    witness,
)
from hub.base import command
from hub.base.output import print_version

EXAMPLES: Final = """
\b
Examples:
  connector init --trust trust.note --center uz --bootstrap hub.example:9092
  connector check                 is everything in place, and does HQ answer?
  connector preview offers.xlsx   what a sheet says; nothing is sent
  connector run                   keep HQ up to date until stopped
  connector status                what became of every row
  connector orphans               what HQ has and no sheet names any more
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
check.add_to(app)
fields.add_to(app)
template.add_to(app)
app.add_typer(mapping.app, name="mapping")
preview.add_to(app)
run.add_to(app)
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
    sys.exit(run_command(list(sys.argv[1:] if arguments is None else arguments)))


def run_command(arguments: list[str]) -> int:
    """Run one command; return the exit status. Every error has become one line on stderr."""
    return command.run_command(app, "connector", arguments, debug=command.is_debugging(os.environ))


if __name__ == "__main__":
    main()
