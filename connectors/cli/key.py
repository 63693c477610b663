"""`connector key …`: a new key beside the one in use, taken into use once HQ has it.

keys/seal.key ── key new ──> keys/next.key, <center>.rotation.note ── HQ adds it ── key use ──> keys/seal.key
                                                                      the old one: keys/seal-<id>.old

The same for the two other kinds; where there was no key of the kind before, `key new` makes the first one in its place.

    seal                  keys/seal.key            signs every batch
    seal, --long          keys/seal-mldsa44.key    signs every batch beside it (setting `long_seals`)
    witness               keys/witness.key         cosigns HQ's log
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from connectors.cli.office import OfficeFolder, OpenedOffice, write_private
from hub.base.output import line
from hub.protocol.errors import UsageError

if TYPE_CHECKING:
    from hub.protocol.keys import Signer, Verifier


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of key: its algorithm in a vkey, where it lies, where the next one waits, the end of its note's name."""

    purpose: str
    algorithm: int
    file: str
    next: str
    note: str


# As in hub.protocol.keys and connectors.runtime.settings, which would make `--help` slow.
SEAL: Final = Kind("seal", 0x01, "keys/seal.key", "next.key", "rotation.note")
LONG: Final = Kind("seal", 0x06, "keys/seal-mldsa44.key", "next-mldsa44.key", "long.note")
WITNESS: Final = Kind("witness", 0x04, "keys/witness.key", "next-witness.key", "witness.note")

Purpose = Annotated[str, typer.Option("--purpose", help="seal or witness: what the key is for.")]
Long = Annotated[bool, typer.Option("--long", help="The ML-DSA-44 key that seals beside the other (long_seals).")]

EXAMPLES: Final = """
\b
Examples:
  connector key new                       make one, and the note for HQ
  connector key use                       take it into use, once HQ has it
"""

app = typer.Typer(
    help="The center's keys: make a new one, take it into use.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def kind_of(purpose: str, *, long: bool) -> Kind:
    """Return the kind that the options name. Errors: UsageError."""
    if purpose not in ("seal", "witness") or (long and purpose != "seal"):
        raise UsageError(f"--purpose {purpose}: expected seal or witness; --long is for seals alone")
    return LONG if long else WITNESS if purpose == "witness" else SEAL


@app.command()
def new(
    lost: Annotated[
        bool, typer.Option("--lost", help="The present key is lost and can't vouch for the new one.")
    ] = False,
    purpose: Purpose = "seal",
    long: Long = False,
    office: OfficeFolder = Path(),
) -> None:
    """Make a new key beside the present one, and the note that asks HQ to add it. The present one stays in use.

    Where there is none of its kind yet (the first --long or witness key) it is the one in use at once.

    Examples:

      connector key new

      connector key new --lost

      connector key new --purpose witness

      connector key new --long
    """
    opened, kind = OpenedOffice.open(office), kind_of(purpose, long=long)
    center, present = opened.settings.center, office / kind.file
    path = present if _is_first(opened, kind) and not lost else present.with_name(kind.next)
    note = office / f"{center}.{kind.note}"
    key = make_key(opened, kind, path, note, vouched=not lost)
    add = f"hub center add-key {center} --enrolment {note.name}" + (" --replaces-lost" if lost else "")
    line(f"the new key is {_short(key.verifier)}")
    if path != present:
        line("the present one stays in use")
        line(f"1. send {note.name} to HQ, which adds it: {add}")
        options = (" --long" if long else "") + (f" --purpose {purpose}" if purpose != "seal" else "")
        line(f"2. stop the connector, `connector key use{options}`, and start it again")
        line("3. then HQ may revoke the old key")
    elif kind is LONG:
        line("1. set `long_seals: true` in connector.yaml and start the connector again: every seal has two signatures")
        line(f"2. then send {note.name} to HQ, which adds it: {add}; from then on HQ takes no seal with one alone")
    else:
        line(f"send {note.name} to HQ, which adds it: {add}; the connector uses it from its next start on")


def make_key(opened: OpenedOffice, kind: Kind, path: Path, note: Path, *, vouched: bool) -> Signer:
    """Return the key at `path`, made if there is none, and write the note that asks HQ for it. Errors: UsageError."""
    from connectors.runtime.office import read_key
    from hub.protocol.control import enrolment, key_name
    from hub.protocol.keys import Signer

    hub, center = opened.settings.hub, opened.settings.center
    # The key before it vouches for it; for the first ML-DSA-44 key it is the other seal key.
    before = kind if path != opened.path / kind.file else SEAL if kind is LONG else None
    previous = read_key(opened.path / before.file, before.algorithm) if vouched and before is not None else None
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists():
            write_private(path, Signer(key_name(hub, center, kind.purpose), os.urandom(32), kind.algorithm).to_text())
        # A key that is there already was made before: the note is written again, so that it can be sent again.
        key = read_key(path, kind.algorithm)
        note.write_bytes(enrolment(hub, center, kind.purpose, key, previous))
    except OSError as exc:
        raise UsageError(f"cannot write in {opened.path}: {exc.strerror or exc}") from exc
    return key


@app.command()
def use(
    unchecked: Annotated[
        bool, typer.Option("--unchecked", help="HQ can't be asked from here whether it has the key.")
    ] = False,
    purpose: Purpose = "seal",
    long: Long = False,
    office: OfficeFolder = Path(),
) -> None:
    """Take the new key into use, if HQ has it as active. The connector must be stopped; the old key is kept.

    What was sealed and has no receipt yet is sealed again by the new key, over the same tree.

    Example:

      connector key use
    """
    from connectors.runtime.lock import FolderLock
    from connectors.runtime.office import read_key
    from hub.base.durable import sync_folder

    opened, kind = OpenedOffice.open(office), kind_of(purpose, long=long)
    present = office / kind.file
    path = present.with_name(kind.next)
    if not path.exists():
        options = (" --long" if long else "") + (f" --purpose {purpose}" if purpose != "seal" else "")
        raise UsageError(f"there is no {path}: `connector key new{options}` makes one")
    key = read_key(path, kind.algorithm).verifier
    with FolderLock(opened.outbox):
        if not unchecked:
            _see_that_hq_has(opened, key, kind)
        if present.exists():
            _keep(present, kind)
        path.replace(present)  # a crash before leaves the old key in use, and its copy; after it the new one
        sync_folder(present.parent)
    line(f"{_short(key)} is in use from the next `connector run` on")


def _is_first(opened: OpenedOffice, kind: Kind) -> bool:
    """Return whether the kind's key in use is not there, or was made by `key new` and is still without a next one."""
    return kind is not SEAL and not (opened.path / kind.file).exists()


def _short(key: Verifier) -> str:
    """Return a key as a person can compare it; that of ML-DSA-44 fills a page."""
    text = key.to_text()
    return text if len(text) <= 200 else f"{key.name}+{key.key_id.hex()} (ML-DSA-44)"


def _keep(present: Path, kind: Kind) -> None:
    """Copy the present key to `<its name>-<id>.old`, where the registry's reader finds it; once, however often."""
    from connectors.runtime.office import read_key

    key = read_key(present, kind.algorithm)
    old = present.with_name(f"{present.stem}-{key.verifier.key_id.hex()}.old")
    if old.exists():
        if read_key(old, kind.algorithm).verifier == key.verifier:
            return
        old.unlink()  # half of one, from a crash
    write_private(old, key.to_text())


def _see_that_hq_has(opened: OpenedOffice, key: Verifier, kind: Kind) -> None:
    """Errors: UsageError, if HQ does not have the key as active, or can't be asked."""
    import asyncio

    from connectors.runtime.link import Link
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.registry_reader import read_registry
    from hub.protocol.errors import Retriable

    with Outbox(Path(":memory:")) as nowhere:
        try:
            center = asyncio.run(read_registry(Link(opened.settings, nowhere))).center
        except Retriable as exc:
            raise UsageError(f"HQ can't be asked whether it has the key: {exc}; or use --unchecked") from exc
    found = None if center is None else center.key(key)
    if found is None or not found.active:
        raise UsageError(
            f"HQ does not have {_short(key)} as an active key of {opened.settings.center} yet: send it "
            f"{opened.settings.center}.{kind.note}"
        )
