"""Who this hub is: its name and its private keys, in a data directory that only its owner reads."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hub.protocol.control import HUB, Trust
from hub.protocol.errors import Malformed, UsageError
from hub.protocol.note import Signer, sign_note

KEYS: Final = ("root", "receipts", "hq")


@dataclass(frozen=True, slots=True)
class Identity:
    """A hub's name and the keys it signs with. The root key may be kept elsewhere: only `trust` needs it."""

    hub: str
    receipts: Signer
    hq: Signer

    @property
    def hq_key_name(self) -> str:
        """The name that HQ's own seal key is known by."""
        return f"{self.hub}/hq"


def make_identity(folder: Path, hub: str) -> Identity:
    """Make a hub's keys in `folder`. Errors: UsageError when there is one already, or the name is no name."""
    if not HUB.fullmatch(hub):
        raise UsageError(f"hub name {hub!r}: expected a DNS-like name such as hub.example")
    if (folder / "hub.name").exists():
        raise UsageError(f"{folder} already holds the keys of {(folder / 'hub.name').read_text().strip()}")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    signers = {name: Signer(f"{hub}/{name}", os.urandom(32)) for name in KEYS}
    for name, signer in signers.items():
        write_private(folder / f"{name}.key", signer.to_text() + "\n")
    trust = Trust(hub, signers["root"].verifier, signers["receipts"].verifier)
    (folder / "trust.note").write_bytes(sign_note(trust.to_text(), [signers["root"]]).to_bytes())
    # The name is written last: a folder with it is whole.
    (folder / "hub.name").write_text(hub + "\n", encoding="utf-8")
    return Identity(hub, signers["receipts"], signers["hq"])


def load_identity(folder: Path) -> Identity:
    """Return the hub whose keys are in `folder`. Errors: UsageError with the remedy."""
    try:
        hub = (folder / "hub.name").read_text(encoding="utf-8").strip()
        receipts = Signer.from_text((folder / "receipts.key").read_text(encoding="utf-8"))
        hq = Signer.from_text((folder / "hq.key").read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise UsageError(f"{folder}: there is no hub here yet ({exc.filename} is missing): run `hub up`") from exc
    except (Malformed, UnicodeDecodeError) as exc:
        raise UsageError(f"{folder}: a key file is damaged: {exc}") from exc
    return Identity(hub, receipts, hq)


def write_private(path: Path, text: str) -> None:
    """Write a secret that only its owner can read; never over an existing file."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
