"""`hub audit …`: what an auditor asks of the ledger."""

from __future__ import annotations

from typing import Final

import typer

from hub.cli.audit import check, export, verify

EXAMPLES: Final = """
\b
Examples:
  hub audit verify --jobs 4               the whole ledger and HQ's log
  hub audit export --deal uz:D-1          what proves a deal, as one zip
  hub audit check evidence-deal-uz_D-1.zip --trust trust.note
"""

app = typer.Typer(
    help="Audit: is this everything, is it unaltered, does today's state follow.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _audit() -> None:
    """Keep `hub audit` a group, however few commands it has."""


verify.add_to(app)
export.add_to(app)
check.add_to(app)
