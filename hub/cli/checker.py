"""`cohub-check`: `hub audit check` as a program of its own, for whoever has nothing of cohub but this one file.

`make checker` packs it with what it imports (`deploy/checker`), so nothing here may reach a database or a network.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import typer

from hub.base import command
from hub.cli.audit import check
from hub.evidence import check as _check  # noqa: F401 -- a library that can't be loaded shows before anything is checked
from hub.evidence import page as _page  # noqa: F401
from hub.evidence.checkers import Checkers

PROGRAM = "cohub-check"
HELP = """Check an evidence bundle with HQ's root key alone: no network, nothing installed.

Exit status 0 only where all of it holds, 1 where something does not, 2 for wrong use, 3 where the checker itself can't
be run, 4 where the bundle is newer than the checker: take that of the release that made it, or of a later one.

Examples: python3 cohub-check-….pyz evidence-deal-uz_D-1.zip --root hub.example/root+1a2b3c4d+AbC… --html result.html
"""


def run(arguments: list[str], own: Mapping[str, str]) -> int:
    """Check a bundle; return the exit status. Shapes: `own` is the SHA-256 of the checker's file by its name."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command(PROGRAM, help=HELP)(check.check)
    return command.run_command(app, PROGRAM, arguments, debug=command.is_debugging(os.environ), obj=Checkers(own))
