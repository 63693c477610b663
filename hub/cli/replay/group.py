"""`hub replay …`: the ledger run again, without a side effect that could be reached."""

from __future__ import annotations

from typing import Final

import typer

from hub.cli.replay import follow, history, rebuild, rejudge, state, to

EXAMPLES: Final = """
\b
Examples:
  hub replay history offer uz:K-12        all events and verdicts of one
  hub replay as-of 2026-03-01 deal        what HQ knew at the end of that day
  hub replay diff 2026-02-28 2026-03-31   what changed between two times
  hub replay follow uz:D-1                a deal's whole story, over all lanes
  hub replay rebuild --jobs 4             does today's state follow?
  hub replay to march.avro --from 2026-03-01 --to 2026-03-31
  hub replay rejudge                      what today's rules would change
"""

app = typer.Typer(
    help="Replay: rebuild the state, look at another time, follow, judge again.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.callback()
def _replay() -> None:
    """Keep `hub replay` a group, however few commands it has."""


follow.add_to(app)
history.add_to(app)
rebuild.add_to(app)
state.add_to(app)
to.add_to(app)
rejudge.add_to(app)
