"""`connector key …`: a new seal key beside the old one, taken into use once HQ has it.

keys/seal.key ── key new ──> keys/next.key, <center>.rotation.note ── HQ adds it ── key use ──> keys/seal.key
                                                                      the old one: keys/seal-<id>.old
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from connectors.cli.office import Desk, OfficeFolder, write_private
from connectors.cli.output import line
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.protocol.note import Verifier

NEXT_KEY: Final = "next.key"

app = typer.Typer(help="The seal key: make a new one, take it into use.", no_args_is_help=True)


@app.command()
def new(
    lost: Annotated[
        bool, typer.Option("--lost", help="The present key is lost and can't vouch for the new one.")
    ] = False,
    office: OfficeFolder = Path(),
) -> None:
    """Make a new key beside the present one, and the note that asks HQ to add it. The present one stays in use.

    Examples:

      connector key new

      connector key new --lost
    """
    from connectors.runtime.office import read_key
    from connectors.runtime.settings import SEAL_KEY
    from hub.protocol.control import enrolment, seal_key_name
    from hub.protocol.note import Signer

    desk = Desk.open(office)
    hub, center, present = desk.settings.hub, desk.settings.center, office / SEAL_KEY
    previous = None if lost else read_key(present)
    path = present.with_name(NEXT_KEY)
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            write_private(path, Signer(seal_key_name(hub, center), os.urandom(32)).to_text())
        # A key that is there already was made before: the note is written again, so that it can be sent again.
        key = read_key(path)
        note = office / f"{center}.rotation.note"
        note.write_bytes(enrolment(hub, center, "seal", key, previous))
    except OSError as exc:
        raise UsageError(f"cannot write in {office}: {exc.strerror or exc}") from exc
    line(f"the new key is {key.verifier.to_text()}; the present one stays in use")
    command = f"hub center add-key {center} --enrolment {note.name}" + (" --replaces-lost" if lost else "")
    line(f"1. send {note.name} to HQ, which adds it: {command}")
    line("2. stop the connector, `connector key use`, and start it again")
    line("3. then HQ may revoke the old key")


@app.command()
def use(
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="HQ can't be asked from here whether it has the key.")
    ] = False,
    office: OfficeFolder = Path(),
) -> None:
    """Take the new key into use, if HQ has it as active. The connector must be stopped; the old key is kept.

    What was sealed and has no receipt yet is sealed again by the new key, over the same tree.

    Example:

      connector key use
    """
    from connectors.runtime.lock import FolderLock
    from connectors.runtime.office import read_key
    from connectors.runtime.settings import SEAL_KEY

    desk = Desk.open(office)
    present = office / SEAL_KEY
    path = present.with_name(NEXT_KEY)
    if not path.exists():
        raise UsageError(f"there is no {path}: `connector key new` makes one")
    key = read_key(path).verifier
    with FolderLock(desk.outbox):
        if not unchecked:
            _see_that_hq_has(desk, key)
        if present.exists():
            _keep(present)
        path.replace(present)  # a crash before leaves the old key in use, and its copy; after it the new one
    line(f"{key.to_text()} is in use from the next `connector run` on")


def _keep(present: Path) -> None:
    """Copy the present key to `seal-<id>.old`, where the registry's reader finds it; once, however often."""
    from connectors.runtime.office import read_key

    key = read_key(present)
    old = present.with_name(f"seal-{key.verifier.key_id.hex()}.old")
    if old.exists():
        if read_key(old).verifier == key.verifier:
            return
        old.unlink()  # half of one, from a crash
    write_private(old, key.to_text())


def _see_that_hq_has(desk: Desk, key: Verifier) -> None:
    """Errors: UsageError, if HQ does not have the key as active, or can't be asked."""
    import asyncio

    from connectors.runtime.link import Link
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.registry_reader import read_registry
    from hub.protocol.errors import Retriable

    with Outbox(Path(":memory:")) as nowhere:
        try:
            center = asyncio.run(read_registry(Link(desk.settings, nowhere))).center
        except Retriable as exc:
            raise UsageError(f"HQ can't be asked whether it has the key: {exc}; or use --unchecked") from exc
    found = None if center is None else center.key(key)
    if found is None or not found.active:
        raise UsageError(
            f"HQ does not have {key.to_text()} as an active key of {desk.settings.center} yet: send it "
            f"{desk.settings.center}.rotation.note"
        )
