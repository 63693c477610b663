"""The trust note: which keys a hub signs with, signed by its root key. Centers pin it.

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

A note of version 1 (`cohub-trust/v1`, hub, `root`, `receipts`) is what releases before 0.2 wrote: the serial 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from hub.protocol.checkpoint import open_seal
from hub.protocol.control import HUB
from hub.protocol.errors import Malformed
from hub.protocol.head import Checkpoint
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURE_MLDSA44, ED25519, Verifier
from hub.protocol.moment import write_time
from hub.protocol.note import Note
from hub.protocol.receipt import Receipt, one_line, read_number, read_own_time

TRUST_V1: Final = "cohub-trust/v1"
TRUST_V2: Final = "cohub-trust/v2"
TRUST_KEYS_MAX: Final = 1000


def good_at(
    keys: Iterable[Verifier], retired: Iterable[tuple[datetime, Verifier]], moment: datetime
) -> tuple[Verifier, ...]:
    """Return those of `keys` that may have signed something at `moment`, by when some of them were retired."""
    gone = {key for since, key in retired if moment >= since}
    return tuple(key for key in keys if key not in gone)


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
        return good_at(keys, self.retired, moment)

    def in_use(self, purpose: str, algorithm: int = ED25519) -> Verifier | None:
        """Return the key of a purpose that signs what is new, None where the note has no such key."""
        found = [key for key in self.keys()[purpose] if key.algorithm == algorithm]
        return found[-1] if found else None

    def to_text(self) -> str:
        """Return the note text, byte for byte as the root key signs it; that of version 1 where the serial is 0."""
        if not self.serial:
            return f"{TRUST_V1}\n{self.hub}\nroot {self.root.to_text()}\nreceipts {self.receipts[-1].to_text()}\n"
        assert self.time is not None
        lines = [
            TRUST_V2,
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
        if first not in (TRUST_V2, TRUST_V1) or not rest.endswith("\n"):
            raise Malformed(f"trust file: expected a first line {TRUST_V2!r} or {TRUST_V1!r}, got {first[:60]!r}")
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


@dataclass(frozen=True, slots=True)
class HqKeys:
    """The keys that may have signed the hq lane and its receipts, former ones too: who reads either asks here.

    The receipt says when HQ recorded what it is for: a key that was retired later may have signed, one that was retired
    before may not. Who may seal a center's lane the hq lane says (`hub.ledger.keyring`).
    """

    hub: str
    hqs: tuple[Verifier, ...]
    receipts: tuple[Verifier, ...]
    retired: tuple[tuple[datetime, Verifier], ...] = ()

    @classmethod
    def of(cls, trust: Trust) -> HqKeys:
        """Return those of a trust note; one of version 1 names no key of the hq lane."""
        return cls(trust.hub, trust.hqs, trust.receipts, trust.retired)

    def hqs_at(self, moment: datetime) -> tuple[Verifier, ...]:
        """Return the keys that may have sealed the hq lane at `moment`."""
        return good_at(self.hqs, self.retired, moment)

    def signed_receipt(self, note: Note) -> Receipt:
        """Return the receipt that a note is, signed by a key that was good when it was recorded. Errors: Malformed."""
        receipt = Receipt.from_text(note.text)
        note.verify(good_at(self.receipts, self.retired, receipt.recorded_at))
        return receipt

    def sealer(self, seal: Note, origin: str, moment: datetime) -> Verifier:
        """Return the key by which HQ sealed its lane `origin` at `moment`. Errors: Malformed, where none of it has."""
        return seal.verify([key.named(origin) for key in self.hqs_at(moment)])


def seal_of(receipt: Receipt, data: bytes) -> tuple[Checkpoint, Note]:
    """Return the seal over what a receipt is for, its signatures not looked at. Errors: Malformed if it is another."""
    checkpoint, note = open_seal(data)
    if (checkpoint.origin, checkpoint.size, checkpoint.root) != (receipt.origin, receipt.last, receipt.root):
        raise Malformed(f"the seal is over {checkpoint.origin[:80]} of size {checkpoint.size}, or has another root")
    return checkpoint, note


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
    except Malformed as exc:
        raise Malformed("trust file: expected an RFC 3339 time in UTC with microseconds") from exc
