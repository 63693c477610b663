"""`hub replay …`: the ledger run again, without a side effect that could be reached."""

from __future__ import annotations

import typer

from hub.cli import replay_follow, replay_history, replay_rebuild, replay_rejudge, replay_state, replay_to

app = typer.Typer(help="Replay: rebuild the state, look at another time, follow, judge again.", no_args_is_help=True)


@app.callback()
def _replay() -> None:
    """Keep `hub replay` a group, however few commands it has."""


replay_follow.add_to(app)
replay_history.add_to(app)
replay_rebuild.add_to(app)
replay_state.add_to(app)
replay_to.add_to(app)
replay_rejudge.add_to(app)
