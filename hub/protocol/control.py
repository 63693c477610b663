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

A cosigner's key (0x04, 0x06) signs nothing but checkpoints in lines of its own kind. So its line under this text is of
another kind, with another key id: see `proof_line`. The signature in it is the key's raw one over the text; no text
that begins with `cohub-key/v1` can be read as a message that a cosigner signs (those begin with `cosignature/v1` or
`subtree/v1`), nor the other way round.

What the hub itself signs with stands in the *trust note*, which the root key signs:

    cohub-trust/v2
    <hub>
    serial <1, 2, …: of two notes the higher one counts>
    time <RFC 3339>
    reason <why it was made, one line, or ->
    root <vkey>
    receipts <vkey>
    log <vkey>
    hq <vkey>
    witness <vkey>
    retired <RFC 3339> <vkey>

There is one line or more of `receipts`, `log` (of its two kinds 0x01 and 0x06 each) and `hq`, and any number of
`witness` and `retired`. Of one purpose and kind the last stands for the key in use; those before it are former keys,
whose signatures stay good. From the time in its `retired` line on nothing new may be signed by a key.

Presence is signed by the center's seal key under the name `<hub>/<center>`; a lane's seals are signed under the lane's
origin, and no text of one kind can be read as the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from hub.protocol.errors import Malformed, Rejected
from hub.protocol.keys import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    ED25519,
    Signature,
    Signer,
    Verifier,
    key_id,
)
from hub.protocol.note import Note
from hub.protocol.receipt import one_line, read_number, read_own_time
from hub.protocol.record import ID, write_time

PRESENCE: Final = "cohub-presence/v1"
KEY: Final = "cohub-key/v1"
TRUST_V1: Final = "cohub-trust/v1"
TRUST: Final = "cohub-trust/v2"
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
TRUST_KEYS_MAX: Final = 1000
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
    if not HUB.fullmatch(hub) or not ID.fullmatch(center) or center in RESERVED_IDS or purpose not in PURPOSES:
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


@dataclass(frozen=True, slots=True)
class Trust:
    """What a center pins at enrolment: the hub's name, its root key, and the online keys that the root key signed.

    Shapes: of each tuple the last key (of `logs`, the last of each algorithm) is in use. `retired` has the time from
            which on a key signs nothing new. A note of version 1 has the serial 0, and nothing but one receipts key.
    """

    hub: str
    root: Verifier
    receipts: tuple[Verifier, ...]
    logs: tuple[Verifier, ...] = ()
    hqs: tuple[Verifier, ...] = ()
    witnesses: tuple[Verifier, ...] = ()
    retired: tuple[tuple[datetime, Verifier], ...] = ()
    serial: int = 0
    time: datetime | None = None
    reason: str = ""

    def keys(self) -> dict[str, tuple[Verifier, ...]]:
        """Return the online keys by purpose, in the order of the note's lines."""
        return {"receipts": self.receipts, "log": self.logs, "hq": self.hqs, "witness": self.witnesses}

    def retired_at(self, key: Verifier) -> datetime | None:
        """Return from when on `key` signs nothing new, None if it may go on."""
        return next((moment for moment, gone in self.retired if gone == key), None)

    def good_at(self, keys: Iterable[Verifier], moment: datetime) -> tuple[Verifier, ...]:
        """Return those of `keys` that may have signed something at `moment`: what was signed earlier stays good."""
        gone = {key for since, key in self.retired if moment >= since}
        return tuple(key for key in keys if key not in gone)

    def hqs_at(self, moment: datetime) -> tuple[Verifier, ...]:
        """Return the keys that may have sealed the hq lane at `moment`."""
        return self.good_at(self.hqs, moment)

    def in_use(self, purpose: str, algorithm: int = ED25519) -> Verifier | None:
        """Return the key of a purpose that new things are signed by, None where there is none."""
        found = [key for key in self.keys()[purpose] if key.algorithm == algorithm]
        return found[-1] if found else None

    def to_text(self) -> str:
        """Return the note text, byte for byte as the root key signs it; that of version 1 where the serial is 0."""
        if not self.serial:
            return f"{TRUST_V1}\n{self.hub}\nroot {self.root.to_text()}\nreceipts {self.receipts[-1].to_text()}\n"
        assert self.time is not None
        lines = [
            TRUST,
            self.hub,
            f"serial {self.serial}",
            f"time {write_time(self.time)}",
            f"reason {one_line(self.reason)[:200] or '-'}",
            f"root {self.root.to_text()}",
            *(f"{purpose} {key.to_text()}" for purpose, keys in self.keys().items() for key in keys),
            *(f"retired {write_time(moment)} {key.to_text()}" for moment, key in self.retired),
        ]
        return "".join(line + "\n" for line in lines)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return what a note's text says, the signature not looked at. Errors: Malformed."""
        first, _, rest = text.partition("\n")
        if first not in (TRUST, TRUST_V1) or not rest.endswith("\n"):
            raise Malformed(f"trust file: expected a first line {TRUST!r} or {TRUST_V1!r}, got {first[:60]!r}")
        lines = rest[:-1].split("\n")
        if first == TRUST_V1:
            if len(lines) != 3:
                raise Malformed(f"trust file: expected 4 lines, got {len(lines) + 1}")
            serial, time, reason = 0, None, ""
        else:
            serial, time, reason = _trust_head(lines)
            lines[1:4] = []
        keys: dict[str, list[Verifier]] = {name: [] for name in ("root", "receipts", "log", "hq", "witness")}
        retired: list[tuple[datetime, Verifier]] = []
        for line in lines[1:]:
            name, _, value = line.partition(" ")
            if name == "retired" and serial:
                moment, _, value = value.partition(" ")
                retired.append((_trust_time(moment), Verifier.from_text(value)))
            elif name in keys and (serial or name in ("root", "receipts")):
                keys[name].append(Verifier.from_text(value))
            else:
                raise Malformed(f"trust file: a line {line[:60]!r} that is not known here")
        if len(keys["root"]) != 1 or not keys["receipts"]:
            raise Malformed("trust file: expected one root key and a receipts key")
        receipts, logs, hqs, witnesses = (tuple(keys[name]) for name in ("receipts", "log", "hq", "witness"))
        root = keys["root"][0]
        trust = cls(lines[0], root, receipts, logs, hqs, witnesses, tuple(retired), serial, time, reason)
        trust.check()
        if trust.to_text() != text:
            raise Malformed("trust file: expected its lines in their order, each in its one form")
        return trust

    def check(self) -> None:
        """Return if the keys are those of a hub: named, of their kinds, no key with two uses. Errors: Malformed."""
        if not HUB.fullmatch(self.hub):
            raise Malformed(f"trust file: expected a hub's name, got {self.hub[:70]!r}")
        kinds = {"log": {ED25519, COSIGNATURE_MLDSA44}, "witness": {COSIGNATURE_ED25519, COSIGNATURE_MLDSA44}}
        every = [("root", self.root), *((purpose, key) for purpose, keys in self.keys().items() for key in keys)]
        for purpose, key in every:
            if key.algorithm not in kinds.get(purpose, {ED25519}):
                raise Malformed(f"trust file: {key.algorithm:#04x} is no kind of {purpose} key")
            if purpose != "witness" and key.name != f"{self.hub}/{purpose}":  # outside witnesses have any name
                raise Malformed(f"trust file: expected a {purpose} key named {self.hub}/{purpose}, got {key.name[:80]}")
        if len(every) > TRUST_KEYS_MAX:
            raise Malformed(f"trust file: expected at most {TRUST_KEYS_MAX} keys, got {len(every)}")
        if len({key.public for _, key in every}) != len(every):
            raise Malformed("trust file: a key has one use, got one for two")
        if self.serial and {key.algorithm for key in self.logs} != kinds["log"]:
            raise Malformed("trust file: expected log keys of both kinds, 0x01 and 0x06")
        if self.serial and not self.hqs:
            raise Malformed("trust file: expected a key of the hq lane")
        gone = [key for _, key in self.retired]
        if len(set(gone)) != len(gone) or not {key for _, key in every[1:]}.issuperset(gone):
            raise Malformed("trust file: expected each retired key once, and among those above")
        for purpose in ("receipts", "log", "hq"):
            if {self.in_use(purpose, algorithm) for algorithm in kinds["log"]} & set(gone):
                raise Malformed(f"trust file: the {purpose} key in use is retired, expected a newer one behind it")


def open_trust(data: bytes, root: Verifier | None = None) -> Trust:
    """Return the hub's keys from a trust note, signed by `root` (or, at first sight, by the root key it names).

    Errors: Malformed.
    """
    note = Note.from_bytes(data)
    trust = Trust.from_text(note.text)
    if root is not None and root.name != trust.root.name:
        raise Malformed(f"trust file: expected the hub of {root.name}, got {trust.hub}")
    note.verify([root or trust.root])
    if root is not None and root != trust.root:
        raise Malformed("trust file: names another root key than the one that is pinned, which is never changed")
    return trust


def _trust_head(lines: list[str]) -> tuple[int, datetime, str]:
    """Return serial, time and reason, which follow the hub's name."""
    values = []
    for line, name in zip(lines[1:4], ("serial", "time", "reason"), strict=False):
        head, _, value = line.partition(" ")
        if head != name:
            raise Malformed(f"trust file: expected a line {name!r}, got {line[:60]!r}")
        values.append(value)
    if len(values) != 3:
        raise Malformed("trust file: expected serial, time and reason behind the hub's name")
    serial = read_number(values[0], "serial")
    if serial < 1:
        raise Malformed("trust file: expected a serial of at least 1")
    return serial, _trust_time(values[1]), "" if values[2] == "-" else values[2]


def _trust_time(text: str) -> datetime:
    try:
        return read_own_time(text)
    except (ValueError, Rejected) as exc:
        raise Malformed("trust file: expected an RFC 3339 time in UTC with microseconds") from exc
