"""`hub view …`: what the ledger adds up to, kept up to date and asked."""

from __future__ import annotations

from typing import Final

import typer

from hub.cli.view import asking, keeping

EXAMPLES: Final = """
\b
Examples:
  hub view run                            keep all views up to date, until it is stopped
  hub view list                           what there is, and how far behind the ledger it is
  hub view references offer uz:K-12       whom this offer names, and who names it
  hub view contracts --standing disputed  the network's deals, each contract once
  hub view figures --center uz            what a center has done: counts, people, money
  hub view check                          prove all views by building them again
"""

app = typer.Typer(
    help="Views: who names whom, contracts, figures. Derived from the ledger, provable, dropped at will.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)
keeping.add_to(app)
asking.add_to(app)
