"""Control records and enrolment: signed notes that are no events and take no sequence number.

A center writes control records on its `in.<center>` topic under the header `cohub-control: <kind>`:

    cohub-presence/v1
    <center>
    origin <the lane it writes, or ->
    time <RFC 3339, the center's clock>
    size <events sealed so far>
    backlog <events queued or not yet receipted>
    version <software name and version>

Once HQ has announced that it reads them (hub/protocol/forms.py), presences of the second form, which say more:

    cohub-presence/v2
    <center>
    origin <the lane it writes, or ->
    time <RFC 3339, the center's clock>
    size <events sealed so far>
    backlog <events queued or not yet receipted>
    oldest <the age of the oldest of these in whole seconds, or ->
    refused <rows of its sheets that the office itself refused>
    ended <why the connector ended, one line of at most 200 bytes, or - while it runs>
    version <software name and version>
    reads <the forms that the center reads from HQ, or ->

A new key proves itself (and, on rotation, is vouched for by the one before it) over this text:

    cohub-key/v1
    <hub>
    <center>
    <purpose: seal or witness>
    <the key as a vkey>

A cosigner's key (0x04, 0x06) signs nothing but checkpoints in lines of its own kind. So its line under this text is of
another kind, with another key id: see `proof_line`. The signature in it is the key's raw one over the text; no text
that begins with `cohub-key/v1` can be read as a message that a cosigner signs (those begin with `cosignature/v1` or
`subtree/v1`), nor the other way round.

Presence is signed by the center's seal key under the name `<hub>/<center>`; a lane's seals are signed under the lane's
origin, and no text of one kind can be read as the other.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from hub.protocol.errors import Malformed
from hub.protocol.forms import announced, read_forms, read_lines, read_reason, write_forms
from hub.protocol.keys import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    Signature,
    Signer,
    Verifier,
    key_id,
)
from hub.protocol.moment import write_time
from hub.protocol.note import Note
from hub.protocol.receipt import cut_line, one_line, read_number, read_own_time
from hub.protocol.record import ID, is_origin

PRESENCE: Final = "cohub-presence/v1"
PRESENCE_V2: Final = "cohub-presence/v2"
VERSION_CHARS_MAX: Final = 100
_NAMES: Final = ("origin", "time", "size", "backlog", "version")
_NAMES_V2: Final = ("origin", "time", "size", "backlog", "oldest", "refused", "ended", "version", "reads")
KEY: Final = "cohub-key/v1"
PURPOSES: Final = ("seal", "witness")
# Which keys a purpose may have. A witness key of 0x01 is one of version 0.1.0, which had no cosignatures: it proves
# itself like any other, and nothing is ever signed by it.
ALGORITHMS: Final[Mapping[str, frozenset[int]]] = {
    "seal": frozenset({ED25519, COSIGNATURE_MLDSA44}),
    "witness": frozenset({COSIGNATURE_ED25519, ED25519}),
}
# C2SP signed-note has no kind of line for a text by ML-DSA-44: 0xff is for kinds that it does not list, and wants a
# longer identifier behind it.
_UNLISTED: Final = 0xFF
_MLDSA44_PROOF: Final = b"cohub-key/v1 ML-DSA-44"
HUB: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
# A center of such a name would have a key named like one of the hub's own; `hq` is HQ itself, and enrols nowhere.
RESERVED_IDS: Final = frozenset({"root", "log", "receipts", "hq"})


def is_center_id(text: str) -> bool:
    """Return whether a center may be called so: its topics, keys and lanes have names that begin with it."""
    return ID.fullmatch(text) is not None and text not in RESERVED_IDS


@dataclass(frozen=True, slots=True)
class More:
    """What only the second form of presence says.

    Shapes: ended is '' while the connector runs.
    Units:  oldest_s is the age of the oldest event that waits for an answer, None where none does.
    """

    oldest_s: int | None
    refused: int
    ended: str = ""
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Presence:
    """A center says that it is there, in the second form where it says `more`. `time` is by its own clock."""

    center: str
    origin: str
    time: datetime
    size: int
    backlog: int
    version: str
    more: More | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """The forms that the center announces to read from HQ."""
        return announced(self.version) if self.more is None else self.more.reads

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        more, version = self.more, one_line(self.version)[:VERSION_CHARS_MAX].rstrip()
        head = f"{self.center}\norigin {self.origin or '-'}\ntime {write_time(self.time)}\n"
        counts = f"size {self.size}\nbacklog {self.backlog}\n"
        if more is None:
            return f"{PRESENCE}\n{head}{counts}version {version}\n"
        oldest = "-" if more.oldest_s is None else more.oldest_s
        return (
            f"{PRESENCE_V2}\n{head}{counts}oldest {oldest}\nrefused {more.refused}\n"
            f"ended {cut_line(more.ended) or '-'}\nversion {version}\nreads {write_forms(more.reads)}\n"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the presence in a note's text, of either form. Errors: Malformed."""
        is_first = not text.startswith(PRESENCE_V2 + "\n")
        names = _NAMES if is_first else _NAMES_V2
        lines = text.split("\n")
        first = PRESENCE if is_first else PRESENCE_V2
        if len(lines) != len(names) + 3 or lines.pop() or lines[0] != first or not ID.fullmatch(lines[1]):
            raise Malformed(f"presence: expected {len(names) + 2} lines, the first {first!r}, the second a center id")
        said = read_lines(lines[2:], names, "presence")
        try:
            moment = read_own_time(said["time"])
        except Malformed as exc:
            raise Malformed("presence: expected an RFC 3339 time in UTC with microseconds") from exc
        origin = "" if said["origin"] == "-" else said["origin"]
        size, backlog = (read_number(said[name], name) for name in ("size", "backlog"))
        more = None if is_first else _read_more(said, lines[1])
        return cls(lines[1], origin, moment, size, backlog, said["version"], more)


def _read_more(said: Mapping[str, str], center: str) -> More:
    """Return what the second form says more; it is strict where the first one is not. Errors: Malformed."""
    origin, version, oldest = said["origin"], said["version"], said["oldest"]
    if origin != "-" and not is_origin(origin, origin.partition("/")[0], center):
        raise Malformed(f"presence: expected a lane of {center}, or -, got {origin[:100]!r}")
    if not 1 <= len(version) <= VERSION_CHARS_MAX or one_line(version) != version:
        raise Malformed(f"presence: expected a version of one line and 1 to {VERSION_CHARS_MAX} characters")
    return More(
        None if oldest == "-" else read_number(oldest, "oldest"),
        read_number(said["refused"], "refused"),
        read_reason(said["ended"], "presence: ended"),
        read_forms(said["reads"]),
    )


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


def proof_line(key: Verifier, signature: bytes) -> Signature:
    """Return the line of an enrolment by which `key` proves itself; `signature` is its raw one over the text.

    A key of 0x01 writes its ordinary line, one of 0x04 the line of the same key as one of 0x01, and one of 0x06 a line
    of the kind 0xff, the identifier `cohub-key/v1 ML-DSA-44` before the key in its id.
    """
    line_id = key.key_id
    if key.algorithm == COSIGNATURE_ED25519:
        line_id = key_id(key.name, key.public, ED25519)
    elif key.algorithm == COSIGNATURE_MLDSA44:
        line_id = key_id(key.name, _MLDSA44_PROOF + key.public, _UNLISTED)
    return Signature(key.name, line_id, signature)


def enrolment(hub: str, center: str, purpose: str, new: Signer, previous: Signer | None = None) -> bytes:
    """Return the note that asks HQ to take `new` as a key of `center`; `previous`, of its purpose, vouches for it."""
    text = key_text(hub, center, purpose, new.verifier)
    signers = [new] if previous is None else [new, previous]
    return Note(text, tuple(proof_line(s.verifier, s.sign(text.encode())) for s in signers)).to_bytes()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A key that proved itself: for which hub, center and purpose, and the note that says so."""

    hub: str
    center: str
    purpose: str
    key: Verifier
    note: Note

    def proof(self, key: Verifier) -> bytes | None:
        """Return the raw signature of `key` over the text, None if it has not signed. Errors: Malformed if not good."""
        wanted = proof_line(key, b"")
        for line in self.note.signatures:
            if (line.name, line.key_id) == (wanted.name, wanted.key_id):
                key.verify(self.note.text.encode(), line.value)
                return line.value
        return None


def open_enrolment(data: bytes) -> Enrolment:
    """Return a key whose own signature under an enrolment is good. Errors: Malformed."""
    note = Note.from_bytes(data)
    lines = note.text.split("\n")
    if len(lines) != 6 or lines[0] != KEY:
        raise Malformed(f"enrolment: expected 5 lines, the first {KEY!r}")
    _, hub, center, purpose, vkey, _ = lines
    if not HUB.fullmatch(hub) or not is_center_id(center) or purpose not in PURPOSES:
        raise Malformed(
            f"enrolment: expected a hub name, a center id that is not reserved and a purpose of {PURPOSES}, "
            f"got {hub[:70]!r}, {center[:70]!r}, {purpose[:20]!r}"
        )
    key = Verifier.from_text(vkey)
    expected = key_name(hub, center, purpose)
    if key.name != expected:
        raise Malformed(f"enrolment: expected a key named {expected}, got {key.name[:80]}")
    if key.algorithm not in ALGORITHMS[purpose]:
        raise Malformed(f"enrolment: {key.algorithm:#04x} is no kind of {purpose} key")
    found = Enrolment(hub, center, purpose, key, note)
    if found.proof(key) is None:
        raise Malformed("enrolment: the key has not signed its own enrolment")
    return found
