"""What a witness tells HQ: a cosignature on a checkpoint of HQ's log, or that something about the log is wrong.

Both are control records on `in.<center>` (see `hub.protocol.control`), of the kinds `cosignature` and `alarm`. A
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

COSIGNATURE_KIND: Final = "cosignature"
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
