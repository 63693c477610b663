"""`connector key …`: a new key beside the one in use, taken into use once HQ has it.

keys/seal.key ── key new ──> keys/next.key, <center>.rotation.note ── HQ adds it ── key use ──> keys/seal.key
                                                                      the old one: keys/seal-<id>.old

The same for the two other kinds; where there was no key of the kind before, `key new` makes the first one in its place.

    seal                  keys/seal.key            signs every batch
    seal, --long          keys/seal-mldsa44.key    signs every batch beside it (setting `long_seals`)
    witness               keys/witness.key         cosigns HQ's log

`key pin` pins HQ's root key (`connectors.runtime.pin`).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from connectors.cli.office import OfficeFolder, OpenedOffice, write_private
from hub.base import durable, files
from hub.base.shell import command

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
    help="The center's keys: make a new one, take it into use; pin HQ's.\n" + EXAMPLES,
    no_args_is_help=True,
    rich_markup_mode=None,
)


def kind_of(purpose: str, *, long: bool) -> Kind:
    """Return the kind that the options name. Errors: UsageError."""
    if purpose not in ("seal", "witness") or (long and purpose != "seal"):
        from connectors.runtime.told import OfficeError

        raise OfficeError("key.bad_purpose", purpose=purpose)
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
    add = command("hub", "center", "add-key", center, "--enrolment", note.name) + (" --replaces-lost" if lost else "")
    speaker = opened.speaker
    speaker.tell("key.new", key=_short(key.verifier))
    if path != present:
        speaker.tell("key.stays")
        speaker.tell("key.send", note=note.name, command=add)
        speaker.tell("key.then_use", command=f"connector key use{_options(purpose, long=long)}")
        speaker.tell("key.then_revoke")
    elif kind is LONG:
        speaker.tell("key.long_setting")
        speaker.tell("key.long_send", note=note.name, command=add)
    else:
        speaker.tell("key.first", note=note.name, command=add)


def make_key(opened: OpenedOffice, kind: Kind, path: Path, note: Path, *, vouched: bool) -> Signer:
    """Return the key at `path`, made if there is none, and write the note that asks HQ for it. Errors: UsageError."""
    from connectors.runtime.office import read_key
    from connectors.runtime.told import OfficeError, os_reason
    from hub.protocol.control import enrolment, key_name
    from hub.protocol.keys import Signer

    hub, center = opened.settings.hub, opened.settings.center
    # The key before it vouches for it; for the first ML-DSA-44 key it is the other seal key.
    before = kind if path != opened.path / kind.file else SEAL if kind is LONG else None
    previous = read_key(opened.path / before.file, before.algorithm) if vouched and before is not None else None
    try:
        files.make_folder(path.parent, files.PRIVATE_FOLDER, opened.path)
        if files.kind_at(path) is None:
            write_private(path, Signer(key_name(hub, center, kind.purpose), os.urandom(32), kind.algorithm).to_text())
        # A key that is there already was made before: the note is written again, so that it can be sent again.
        key = read_key(path, kind.algorithm)
        durable.write(note, enrolment(hub, center, kind.purpose, key, previous))
    except OSError as exc:
        raise OfficeError("errors.unwritable", path=opened.path, reason=os_reason(exc)) from exc
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
    from connectors.runtime.told import OfficeError
    from hub.base.durable import sync_folder

    opened, kind = OpenedOffice.open(office), kind_of(purpose, long=long)
    present = office / kind.file
    path = present.with_name(kind.next)
    if not path.exists():
        raise OfficeError("key.no_next", path=path, command=f"connector key new{_options(purpose, long=long)}")
    key = read_key(path, kind.algorithm).verifier
    with FolderLock(opened.outbox):
        if not unchecked:
            _see_that_hq_has(opened, key, kind)
        if present.exists():
            _keep(present, kind)
        files.rename(path, present.name)  # a crash before leaves the old key in use, and its copy; after it the new one
        sync_folder(present.parent)
    opened.speaker.tell("key.used", key=_short(key))


@app.command()
def pin(
    root: Annotated[str, typer.Argument(help="HQ's root key, as HQ told it by another way than trust.note.")],
    office: OfficeFolder = Path(),
) -> None:
    """Pin HQ's root key anew, in place of the one pinned before. The connector must be stopped.

    The trust.note in the office must be signed by this very key.

    Example:

      connector key pin hub.example/root+0f5c1a2b+AbCd
    """
    from connectors.runtime.lock import FolderLock
    from connectors.runtime.office import read_trust
    from connectors.runtime.outbox import Outbox
    from connectors.runtime.pin import pin_anew
    from connectors.runtime.settings import TRUST
    from connectors.runtime.told import OfficeError

    opened = OpenedOffice.open(office)
    trust = read_trust(opened.path / TRUST)
    if trust.root.to_text() != root.strip():
        raise OfficeError("errors.pin_mismatch", path=opened.path / TRUST, found=trust.root.to_text())
    with FolderLock(opened.outbox), Outbox(opened.outbox) as outbox:
        pin_anew(opened.path, outbox, trust)
    opened.speaker.tell("key.pinned", key=trust.root.to_text())


def _options(purpose: str, *, long: bool) -> str:
    """Return the options that name a kind of key."""
    return (" --long" if long else "") + (f" --purpose {purpose}" if purpose != "seal" else "")


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
        files.remove(old)  # half of one, from a crash
    write_private(old, key.to_text())


def _see_that_hq_has(opened: OpenedOffice, key: Verifier, kind: Kind) -> None:
    """Errors: UsageError, if HQ does not have the key as active, or can't be asked."""
    import asyncio

    from connectors.cli.log import log_beside
    from connectors.runtime.link import Link
    from connectors.runtime.office import read_key, read_trust
    from connectors.runtime.outbox import IN_MEMORY, Outbox
    from connectors.runtime.registry_reader import read_registry
    from connectors.runtime.settings import TRUST
    from connectors.runtime.told import OfficeError, told_of
    from connectors.runtime.way import https_clients
    from hub.protocol.errors import Retriable

    log_beside()
    seal = opened.path / SEAL.file
    asks = seal if seal.exists() else seal.with_name(SEAL.next)  # the one that was lost signs no session
    with Outbox(IN_MEMORY) as nowhere:
        try:
            trust = read_trust(opened.path / TRUST)
            https = https_clients(opened.settings, lambda: read_key(asks))
            registered = asyncio.run(read_registry(Link(opened.settings, nowhere, https=https), trust)).center
        except Retriable as exc:
            raise OfficeError("key.cannot_ask", reason=told_of(exc)) from exc
    found = None if registered is None else registered.key(key)
    if found is None or not found.active:
        center = opened.settings.center
        raise OfficeError("key.not_at_hq", key=_short(key), center=center, note=f"{center}.{kind.note}")
