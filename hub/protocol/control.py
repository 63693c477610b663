"""Control records and enrolment: signed notes that are no events and take no sequence number.

A center writes control records on its `in.<center>` topic under the header `cohub-control: <kind>`:

    cohub-presence/v1
    <center>
    origin <the lane it writes, or ->
    time <RFC 3339, the center's clock>
    size <events sealed so far>
    backlog <events queued or not yet receipted>
    version <software name and version>

A new key proves itself (and, on rotation, is vouched for by the one before it) over this text:

    cohub-key/v1
    <hub>
    <center>
    <purpose: seal or witness>
    <the key as a vkey>

Presence is signed by the center's seal key under the name `<hub>/<center>`; a lane's seals are signed under the lane's
origin, and no text of one kind can be read as the other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from hub.protocol.errors import Malformed, Rejected
from hub.protocol.note import Note, Signer, Verifier, sign_note
from hub.protocol.receipt import one_line, read_number, read_own_time
from hub.protocol.record import ID, write_time

PRESENCE: Final = "cohub-presence/v1"
KEY: Final = "cohub-key/v1"
TRUST: Final = "cohub-trust/v1"
PURPOSES: Final = ("seal", "witness")
HUB: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
# A center of such a name would have a key named like one of the hub's own; `hq` is HQ itself, and enrols nowhere.
RESERVED_IDS: Final = frozenset({"root", "log", "receipts", "hq"})


@dataclass(frozen=True, slots=True)
class Presence:
    """A center says that it is there. `time` is by its own clock."""

    center: str
    origin: str
    time: datetime
    size: int
    backlog: int
    version: str

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        return (
            f"{PRESENCE}\n{self.center}\norigin {self.origin or '-'}\ntime {write_time(self.time)}\n"
            f"size {self.size}\nbacklog {self.backlog}\nversion {one_line(self.version)[:100]}\n"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the presence in a note's text. Errors: Malformed."""
        lines = text.split("\n")
        if len(lines) != 8 or lines[7] or lines[0] != PRESENCE or not ID.fullmatch(lines[1]):
            raise Malformed(f"presence: expected 7 lines, the first {PRESENCE!r}, the second a center id")
        values = {}
        for line, name in zip(lines[2:7], ("origin", "time", "size", "backlog", "version"), strict=True):
            head, _, values[name] = line.partition(" ")
            if head != name:
                raise Malformed(f"presence: expected a line {name!r}, got {line[:60]!r}")
        try:
            moment = read_own_time(values["time"])
        except (ValueError, Rejected) as exc:
            raise Malformed("presence: expected an RFC 3339 time in UTC with microseconds") from exc
        origin = "" if values["origin"] == "-" else values["origin"]
        size, backlog = (read_number(values[name], name) for name in ("size", "backlog"))
        return cls(lines[1], origin, moment, size, backlog, values["version"])


def key_text(hub: str, center: str, purpose: str, key: Verifier) -> str:
    """Return the text by which `key` proves itself for one hub, center and purpose."""
    return f"{KEY}\n{hub}\n{center}\n{purpose}\n{key.to_text()}\n"


def seal_key_name(hub: str, center: str) -> str:
    """Return the name under which a center's seal key is registered."""
    return f"{hub}/{center}"


def key_name(hub: str, center: str, purpose: str) -> str:
    """Return the name under which a center's key of this purpose is registered."""
    name = seal_key_name(hub, center)
    return name if purpose == "seal" else f"{name}/{purpose}"


def enrolment(hub: str, center: str, purpose: str, new: Signer, previous: Signer | None = None) -> bytes:
    """Return the note that asks HQ to take `new` as a key of `center`; `previous` vouches for it on rotation."""
    signers = [new] if previous is None else [new, previous]
    return sign_note(key_text(hub, center, purpose, new.verifier), signers).to_bytes()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A key that proved itself: for which hub, center and purpose, and the note that says so."""

    hub: str
    center: str
    purpose: str
    key: Verifier
    note: Note


def open_enrolment(data: bytes) -> Enrolment:
    """Return a key whose own signature under an enrolment is good. Errors: Malformed."""
    note = Note.from_bytes(data)
    lines = note.text.split("\n")
    if len(lines) != 6 or lines[0] != KEY:
        raise Malformed(f"enrolment: expected 5 lines, the first {KEY!r}")
    _, hub, center, purpose, vkey, _ = lines
    if not HUB.fullmatch(hub) or not ID.fullmatch(center) or center in RESERVED_IDS or purpose not in PURPOSES:
        raise Malformed(
            f"enrolment: expected a hub name, a center id that is not reserved and a purpose of {PURPOSES}, "
            f"got {hub[:70]!r}, {center[:70]!r}, {purpose[:20]!r}"
        )
    key = Verifier.from_text(vkey)
    expected = key_name(hub, center, purpose)
    if key.name != expected:
        raise Malformed(f"enrolment: expected a key named {expected}, got {key.name[:80]}")
    note.verify([key])
    return Enrolment(hub, center, purpose, key, note)


@dataclass(frozen=True, slots=True)
class Trust:
    """What a center pins at enrolment: the hub's name, its root key, and the online keys that the root key signed."""

    hub: str
    root: Verifier
    receipts: Verifier

    def to_text(self) -> str:
        """Return the note text, byte for byte as the root key signs it."""
        return f"{TRUST}\n{self.hub}\nroot {self.root.to_text()}\nreceipts {self.receipts.to_text()}\n"


def open_trust(data: bytes, root: Verifier | None = None) -> Trust:
    """Return the hub's keys from a trust note, signed by `root` (or, at first sight, by the root key it names).

    Errors: Malformed.
    """
    note = Note.from_bytes(data)
    lines = note.text.split("\n")
    if len(lines) != 5 or lines[0] != TRUST or not lines[2].startswith("root ") or not lines[3].startswith("receipts "):
        raise Malformed(f"trust file: expected 4 lines, the first {TRUST!r}")
    trust = Trust(lines[1], Verifier.from_text(lines[2][5:]), Verifier.from_text(lines[3][9:]))
    names = (trust.root.name, trust.receipts.name)
    if not HUB.fullmatch(trust.hub) or names != (f"{trust.hub}/root", f"{trust.hub}/receipts"):
        raise Malformed("trust file: expected keys named <hub>/root and <hub>/receipts")
    if trust.root.public == trust.receipts.public:
        raise Malformed("trust file: expected two keys, got one for both uses")
    if root is not None and root.name != trust.root.name:
        raise Malformed(f"trust file: expected the hub of {root.name}, got {trust.hub}")
    note.verify([root or trust.root])
    return trust
