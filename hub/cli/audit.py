"""`hub audit …`: what an auditor asks of the ledger."""

from __future__ import annotations

import typer

app = typer.Typer(help="Audit: is this everything, is it unaltered, does today's state follow.", no_args_is_help=True)


@app.callback()
def _audit() -> None:
    """Keep `hub audit` a group, however few commands it has."""
