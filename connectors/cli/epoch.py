"""`connector epoch …`: begin a new lane, when this outbox is to go on where another one wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors.cli.office import OfficeFolder, OpenedOffice

app = typer.Typer(help="Epochs: a new one begins a new lane.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `new` a command of its own, though it is the only one."""


@app.command()
def new(
    reason: Annotated[str, typer.Option("--reason", help="Why, in a sentence; it stands in HQ's ledger.")],
    office: OfficeFolder = Path(),
) -> None:
    """Open a new epoch at the next start. Needed only when two machines wrote for one center, or an outbox was lost.

    HQ closes the old lane at what it has; what it has not receipted is said again in the new one.

    Example:

      connector epoch new --reason "The office moved to a new computer"
    """
    from connectors.runtime.lock import FolderLock
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.told import OfficeError

    if not reason.strip():
        raise OfficeError("epoch.no_reason")
    opened = OpenedOffice.open(office)
    with FolderLock(opened.outbox), Outbox(opened.outbox) as outbox:
        outbox.epoch_new(" ".join(reason.split())[:500])
    opened.speaker.tell("epoch.noted")
