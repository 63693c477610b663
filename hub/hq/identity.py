"""Who this hub is: its name and its private keys, in a data directory that only its owner reads.

hub.name                  written last, so a folder with it is whole
trust.note                signed by the root key: it says which keys are in use, and centers pin it
root.key                  may be kept elsewhere: only a new trust note needs it
receipts.key, hq.key, log.key, log-mldsa44.key     the first keys; `<purpose>-<id>.key` those of later rotations
access.key, ca.key        these sign no note: `hub.hq.access_key`, the broker's authority

trust.lock                held while a note takes the place of the one before

A new key's file is there before the trust note that takes it into use. The note is replaced in one step: whoever reads
the folder finds keys and note that belong together, also when the process died between the two. It takes the place of
the very note that it was made from, and is not written over any other: of two commands that change it at once the
second begins again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from hub.base import files
from hub.base.durable import create_private, disk_errors, sync_folder, write
from hub.base.lock import held
from hub.base.shell import command
from hub.protocol.control import HUB
from hub.protocol.errors import Conflict, Fatal, Malformed, NotFound, Retriable, UsageError
from hub.protocol.keys import COSIGNATURE_MLDSA44, ED25519, Signer, Verifier
from hub.protocol.note import sign_note
from hub.protocol.trust import HqKeys, Trust, open_trust

TRUST_FILE: Final = "trust.note"
LOCK: Final = "trust.lock"
ROOT: Final = "root.key"
SIGN_NOTHING: Final = frozenset({"access.key", "ca.key"})  # other keys of the hub in the same folder
FIRST_REASON: Final = "the first keys"
LOG_REASON: Final = "keys for HQ's log"
# Field of Identity → purpose in the trust note, algorithm, and the beginning of the file's name.
KEY_KINDS: Final = {
    "receipts": ("receipts", ED25519, "receipts"),
    "hq": ("hq", ED25519, "hq"),
    "log": ("log", ED25519, "log"),
    "log_long": ("log", COSIGNATURE_MLDSA44, "log-mldsa44"),
}


@dataclass(slots=True)
class Identity:
    """A hub's name and the keys it signs with now.

    A running worker has one of these, and `renew` puts other keys into it when they are rotated: ask it for a key each
    time, and keep none.
    """

    hub: str
    receipts: Signer
    hq: Signer
    log: Signer
    log_long: Signer
    trust: Trust | None = None
    note: bytes = b""  # the trust note's bytes
    folder: Path | None = None

    def hqs(self) -> tuple[Verifier, ...]:
        """Return the keys that the hq lane was ever sealed by."""
        return self.trust.hqs if self.trust is not None and self.trust.hqs else (self.hq.verifier,)

    def logs(self) -> tuple[Verifier, ...]:
        """Return HQ's keys for its log, former ones too: what they have signed stays said."""
        former = self.trust.logs if self.trust is not None else ()
        return tuple({*former, self.log.verifier, self.log_long.verifier})

    def hq_keys(self) -> HqKeys:
        """Return the keys that the hq lane and its receipts may be signed by, former ones with their ends."""
        if self.trust is None:
            return HqKeys(self.hub, self.hqs(), (self.receipts.verifier,))
        return replace(HqKeys.of(self.trust), hqs=self.hqs())

    def renew(self, now: Identity) -> None:
        """Take over what the folder says now, all of it at once."""
        assert now.hub == self.hub
        self.receipts, self.hq, self.log, self.log_long = now.receipts, now.hq, now.log, now.log_long
        self.trust, self.note = now.trust, now.note


def make_identity(folder: Path, hub: str) -> Identity:
    """Make a hub's keys in `folder`. Begun again after an error, it goes on with the keys that were made.

    Errors: Conflict where there are some; UsageError when the name is no name; Fatal where the disk refuses.
    """
    if not HUB.fullmatch(hub):
        raise UsageError(f"hub name {hub!r}: expected a DNS-like name such as hub.example")
    if (folder / "hub.name").exists():
        raise Conflict(f"{folder} already holds the keys of {files.read_text(folder / 'hub.name').strip()}")
    with disk_errors(folder):
        return _make(folder, hub)


def _make(folder: Path, hub: str) -> Identity:
    files.make_folder(folder, files.PRIVATE_FOLDER)
    root = _first_root(folder / ROOT, hub)
    made = {name: _made(folder, hub, name) for name in KEY_KINDS}
    trust = _first_trust(hub, root.verifier, made, FIRST_REASON)
    write(folder / TRUST_FILE, note := sign_note(trust.to_text(), [root]).to_bytes())
    # The name is written last: a folder with it is whole.
    write(folder / "hub.name", f"{hub}\n".encode())
    return Identity(hub, **made, trust=trust, note=note, folder=folder)


def load_identity(folder: Path) -> Identity:
    """Return the hub whose keys are in `folder`; a folder of version 0.1.0 gets its log keys first.

    Errors: NotFound, UsageError, each with the remedy.
    """
    try:
        hub = files.read_text(folder / "hub.name").strip()
        trust = open_trust(note := files.read(folder / TRUST_FILE))
        there = private_keys(folder)
        found = {name: _in_use(folder, trust, there, name) for name in KEY_KINDS}
    except FileNotFoundError as exc:
        raise NotFound(f"{folder}: there is no hub here yet ({exc.filename} is missing): run `hub up`") from exc
    except (Malformed, UnicodeDecodeError) as exc:
        raise UsageError(f"{folder}: a key file is damaged: {exc}") from exc
    if trust.hub != hub:
        raise UsageError(f"{folder}: {TRUST_FILE} is for the hub {trust.hub}, expected {hub}")
    if not trust.serial and (folder / ROOT).exists():
        root = read_root(folder / ROOT, trust.root)
        trust = replace(_first_trust(hub, trust.root, found, LOG_REASON), receipts=trust.receipts)
        try:
            write_trust(folder, note := sign_note(trust.to_text(), [root]).to_bytes(), after=0)
        except Retriable:
            return load_identity(folder)  # another process was faster
    return Identity(hub, **found, trust=trust, note=note, folder=folder)


def read_signer(path: Path) -> Signer:
    """Return a private key. Errors: UsageError where others may read or write it; FileNotFoundError; Malformed."""
    try:
        return Signer.from_text(files.read_private(path).decode("utf-8"))
    except files.ExposedError as exc:
        owner = "chown it to the user that runs the hub, and " if exc.is_foreign else ""
        raise UsageError(f"{path}: {exc.strerror}: {owner}run `{command('chmod', '600', path)}`") from exc
    except files.StrangeFileError as exc:
        raise UsageError(f"{path}: {exc.strerror}") from exc


def read_hq_keys(folder: Path) -> HqKeys:
    """Return the keys that the hq lane and its receipts may be signed by; nothing is changed by it.

    Errors: NotFound, UsageError, each with the remedy.
    """
    try:
        trust = open_trust(files.read(folder / TRUST_FILE))
        if trust.hqs:
            return HqKeys.of(trust)
        # A note of version 1 does not name the key of the hq lane: it is the first of its kind.
        return replace(HqKeys.of(trust), hqs=(read_signer(folder / "hq.key").verifier,))
    except FileNotFoundError as exc:
        raise NotFound(f"{folder}: there is no hub here yet ({exc.filename} is missing): run `hub up`") from exc
    except (OSError, Malformed, UnicodeDecodeError) as exc:
        raise UsageError(f"{folder}: {TRUST_FILE}, by which HQ's words are known, can't be read: {exc}") from exc


def private_keys(folder: Path) -> dict[Verifier, Signer]:
    """Return every private key in `folder` but the root's, by its public half. Errors: Malformed."""
    names = {entry.name for entry in files.entries(folder) if entry.name.endswith(".key")} - {ROOT, *SIGN_NOTHING}
    found = (read_signer(folder / name) for name in sorted(names))
    return {signer.verifier: signer for signer in found}


def read_root(path: Path, expected: Verifier) -> Signer:
    """Return the root key. Errors: UsageError when it is not there, or another."""
    try:
        root = read_signer(path)
    except (OSError, UnicodeDecodeError, Malformed) as exc:
        raise UsageError(f"{path}: expected the root key {expected.to_text()}: {exc}") from exc
    if root.verifier != expected:
        raise UsageError(f"{path}: expected the root key {expected.to_text()}, came {root.verifier.to_text()}")
    return root


def add_key(folder: Path, hub: str, name: str) -> Signer:
    """Make another key for the field `name` of Identity. It is in use once a trust note says so. Errors: Fatal."""
    purpose, algorithm, stem = KEY_KINDS[name]
    key = Signer(f"{hub}/{purpose}", os.urandom(32), algorithm)
    path = folder / f"{stem}-{key.verifier.key_id.hex()}.key"
    with disk_errors(path, "no trust note names the new key, and the keys in use are those before"):
        create_private(path, key.to_text() + "\n")
    return key


def write_trust(folder: Path, note: bytes, after: int) -> None:
    """Replace the trust note with the serial `after`: after a crash the old one or the new one is there.

    Errors: Retriable, if another command has replaced it meanwhile; what that one said would be lost. Fatal where the
        disk refuses: then the message says which note is in force.
    """
    with held(folder / LOCK):
        serial = open_trust(files.read(folder / TRUST_FILE)).serial
        if serial != after:
            raise Retriable(
                f"another command has made trust note {serial} meanwhile, and nothing was written: try again"
            )
        _put_in_force(folder / TRUST_FILE, note)


def _put_in_force(path: Path, note: bytes) -> None:
    try:
        write(path, note)
    except OSError as exc:
        serial = open_trust(note).serial
        if files.read(path) != note:
            raise Fatal(
                f"{path} can't be written: {exc.strerror or exc}; trust note {serial} is not in force, and the one "
                "before it still is"
            ) from exc
        # It has its name, and whoever signs next goes by it: to make it again would make another one. Only whether a
        # power failure now takes it back is open, so the folder is asked once more.
        with disk_errors(path.parent, f"but trust note {serial} is in force: do not make it again; see to the disk"):
            sync_folder(path.parent)


def _in_use(folder: Path, trust: Trust, there: Mapping[Verifier, Signer], name: str) -> Signer:
    purpose, algorithm, stem = KEY_KINDS[name]
    wanted = trust.in_use(purpose, algorithm)
    if wanted is not None:
        signer = there.get(wanted)
        if signer is None:
            raise UsageError(
                f"{folder}: {TRUST_FILE} says that {wanted.to_text()[:120]} is in use, and no key file here has its "
                "private half: put the file back, or rotate that key (`hub key rotate`)"
            )
        return signer
    # A note of version 1 says nothing of this purpose: it is the first key of its kind.
    path = folder / f"{stem}.key"
    return read_signer(path) if path.exists() else _made(folder, trust.hub, name)


def _made(folder: Path, hub: str, name: str) -> Signer:
    """Make the first key of a kind; if another process was faster, it is that one's."""
    purpose, algorithm, stem = KEY_KINDS[name]
    if name == "hq" and (folder / "hub.name").exists():
        raise FileNotFoundError(2, "no such file", str(folder / "hq.key"))  # never made anew: its lane is sealed by it
    path = folder / f"{stem}.key"
    with disk_errors(path), contextlib.suppress(FileExistsError):
        create_private(path, Signer(f"{hub}/{purpose}", os.urandom(32), algorithm).to_text() + "\n")
    return read_signer(path)


def _first_root(path: Path, hub: str) -> Signer:
    """Make the root key, or take the one that a start which was killed has left. Errors: UsageError."""
    with disk_errors(path), contextlib.suppress(FileExistsError):
        create_private(path, Signer(f"{hub}/root", os.urandom(32)).to_text() + "\n")
    try:
        root = read_signer(path)
    except (UnicodeDecodeError, Malformed) as exc:
        raise UsageError(f"{path}: a key file is damaged, and there is no hub here yet: move it away: {exc}") from exc
    if root.name != f"{hub}/root":
        raise UsageError(f"{path.parent} has keys of {root.name.removesuffix('/root')}, half made: move them away")
    return root


def _first_trust(hub: str, root: Verifier, keys: Mapping[str, Signer], reason: str) -> Trust:
    return Trust(
        hub,
        root,
        (keys["receipts"].verifier,),
        (keys["log"].verifier, keys["log_long"].verifier),
        (keys["hq"].verifier,),
        serial=1,
        time=datetime.now(UTC),
        reason=reason,
    )
