"""`connector approve`: let a file be taken though much of it changed at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from connectors.cli.office import OfficeFolder, OpenedOffice
from hub.base.output import line


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(approve)


def approve(
    file: Annotated[
        str | None, typer.Argument(help="The file's name; without one, those that wait are listed.")
    ] = None,
    office: OfficeFolder = Path(),
) -> None:
    """Approve a file that waits because many of its rows changed or vanished at once.

    The approval is for the content that waited: if the file changes again, it waits again.

    Examples:

      connector approve                list what waits

      connector approve offers.xlsx    take it as it is now
    """
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.told import OfficeError

    opened = OpenedOffice.open(office)
    with Outbox(opened.existing_outbox(), beside=True) as outbox:
        waiting = outbox.rows.waiting()
        if file is None:
            for name in waiting:
                line(name)
            if not waiting:
                opened.speaker.tell("approve.none")
            return
        if not outbox.rows.approve(file):
            if waiting:
                raise OfficeError("approve.others", file=file, waiting=", ".join(waiting))
            raise OfficeError("approve.not_waiting", file=file)
    opened.speaker.tell("approve.done", file=file)
