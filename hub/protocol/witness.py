"""What a witness tells HQ: a cosignature on a checkpoint of HQ's log, or that something about the log is wrong.

What HQ has signed and its database does not have any more, since it was put back from a copy, a center *lends* it:
receipts, byte for byte, and the leaves of its log with a checkpoint (`lent_log`). HQ's own signatures are on them.

All are control records on `in.<center>` (see `hub.protocol.control`), of the kinds `cosignature`, `alarm`, `receipt`
and `log`. A
cosignature is a note of the checkpoint's text with the one line of the center's witness key (C2SP tlog-cosignature).
An alarm is a note signed by the center's seal key as presence is:

    cohub-alarm/v1
    <center>
    time <RFC 3339, the center's clock>
    size <of the newest checkpoint that the witness stands by>
    reason <one line, or - : there is no reason any more>

Source: schemas/PROTOCOL.md, "Witnesses".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from hub.protocol.checkpoint import Checkpoint
from hub.protocol.control import key_name
from hub.protocol.cosignature import cosign, cosigned_at
from hub.protocol.errors import Malformed
from hub.protocol.moment import write_time
from hub.protocol.note import Note, Signature, Signer
from hub.protocol.receipt import one_line, read_number, read_own_time
from hub.protocol.record import ID
from hub.protocol.tree import HASH_BYTES

COSIGNATURE_KIND: Final = "cosignature"
LENT_RECEIPT_KIND: Final = "receipt"
LENT_LOG_KIND: Final = "log"
LENT_LOG: Final = b"cohub-log/v1"
LENT_LEAVES_MAX: Final = 4_096  # of one record, 128 KiB
ALARM_KIND: Final = "alarm"
ALARM: Final = "cohub-alarm/v1"
REASON_BYTES_MAX: Final = 500

AFTER_HEADER: Final = "cohub-after"
LEAVES_HEADER: Final = "cohub-leaves"


def log_origin(hub: str) -> str:
    """Return the origin of HQ's log, which is also the name of its keys."""
    return f"{hub}/log"


def witness_key_name(hub: str, center: str) -> str:
    """Return the name under which a center's witness key is registered and signs."""
    return key_name(hub, center, "witness")


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with one witness's line under it, nothing verified yet but the forms. `at` is the line's time."""

    checkpoint: Checkpoint
    note: Note
    line: Signature
    at: datetime


def cosigned_note(checkpoint_text: str, key: Signer, at: datetime) -> bytes:
    """Return the note by which a witness says that it found this checkpoint consistent `at` that time."""
    return Note(checkpoint_text, (cosign(checkpoint_text, key, at),)).to_bytes()


def open_cosigned(data: bytes) -> Cosigned:
    """Return what a cosignature record says. Errors: Malformed."""
    note = Note.from_bytes(data)
    if len(note.signatures) != 1:
        raise Malformed(f"cosignature: expected one signature line, got {len(note.signatures)}")
    (line,) = note.signatures
    return Cosigned(Checkpoint.from_text(note.text), note, line, cosigned_at(line))


@dataclass(frozen=True, slots=True)
class LentLog:
    """Leaves of HQ's log behind `after` of them, in order, and a checkpoint of HQ's that they lead towards."""

    after: int
    leaves: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """Return the record's value: a line with both numbers, the leaves, the note."""
        return b"%s %d %d\n%s%s" % (LENT_LOG, self.after, len(self.leaves), b"".join(self.leaves), self.note)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Return what was lent, nothing of it verified. Errors: Malformed."""
        line, _, rest = data.partition(b"\n")
        words = line.decode("ascii", "replace").split(" ")
        if len(words) != 3 or words[0] != LENT_LOG.decode():
            raise Malformed(f"a lent log: expected a line {LENT_LOG.decode()} <after> <leaves>")
        after, count = read_number(words[1], "after"), read_number(words[2], "leaves")
        end = count * HASH_BYTES
        if not 1 <= count <= LENT_LEAVES_MAX or len(rest) <= end:
            raise Malformed(f"a lent log: expected at most {LENT_LEAVES_MAX} leaves and a note behind them")
        leaves = tuple(rest[at : at + HASH_BYTES] for at in range(0, end, HASH_BYTES))
        return cls(after, leaves, rest[end:])


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a center's witness has against HQ's log; `reason` is empty when it has nothing against it any more."""

    center: str
    time: datetime
    size: int
    reason: str

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed. A long reason is cut."""
        reason = one_line(self.reason).encode("utf-8", "replace")[:REASON_BYTES_MAX].decode("utf-8", "ignore")
        return (
            f"{ALARM}\n{self.center}\ntime {write_time(self.time)}\nsize {self.size}\nreason {reason.strip() or '-'}\n"
        )

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the alarm in a note's text. Errors: Malformed."""
        lines = text.split("\n")
        if len(lines) != 6 or lines[5] or lines[0] != ALARM or not ID.fullmatch(lines[1]):
            raise Malformed(f"alarm: expected 5 lines, the first {ALARM!r}, the second a center id")
        values = {}
        for line, name in zip(lines[2:5], ("time", "size", "reason"), strict=True):
            head, _, values[name] = line.partition(" ")
            if head != name:
                raise Malformed(f"alarm: expected a line {name!r}, got {line[:60]!r}")
        try:
            moment = read_own_time(values["time"])
        except Malformed as exc:
            raise Malformed("alarm: expected an RFC 3339 time in UTC with microseconds") from exc
        if not values["reason"]:
            raise Malformed("alarm: expected a reason, or -")
        reason = "" if values["reason"] == "-" else values["reason"]
        return cls(lines[1], moment, read_number(values["size"], "size"), reason)
