"""What HQ says on `out.<center>`: receipts and resend requests. Each is a signed note by the hub's receipts key.

    cohub-receipt/v1                      cohub-resend/v1
    <lane origin>                         <lane origin>
    from <sequence>                       from <sequence>
    to <sequence>                         reason <one line>
    root <base64>
    recorded_at <RFC 3339>
    basis <size of the hq lane>
    <sequence> <CODE> <field or -> <parameters>      one line for every event that was not plainly accepted

A receipt's text is the leaf of HQ's log. Source: schemas/PROTOCOL.md, "Receipts".
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from hub.protocol.errors import Malformed
from hub.protocol.moment import read_time, write_time
from hub.protocol.record import SEQUENCE_MAX

RECEIPT: Final = "cohub-receipt/v1"
RESEND: Final = "cohub-resend/v1"
LINE_BYTES_MAX: Final = 200
_BREAKS: Final = re.compile(
    "[\x00-\x20\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ud800-\udfff\ufeff]+"
)
_CODE: Final = re.compile(r"[A-Z][A-Z_]{0,39}")
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,18}")


def one_line(text: str) -> str:
    """Return `text` with every run of spaces, breaks, control and direction characters as one space.

    The set is written out, not asked of Python's Unicode tables: the same text has one line under every version.
    """
    return _BREAKS.sub(" ", text).strip(" ")


def cut_line(text: str) -> str:
    """Return `text` as one line of at most `LINE_BYTES_MAX` bytes; what is longer is cut between two characters."""
    return one_line(text).encode("utf-8", "replace")[:LINE_BYTES_MAX].decode("utf-8", "ignore").rstrip(" ")


def is_line(text: str) -> bool:
    """Return whether `text` is one line as `cut_line` leaves it, and not empty."""
    return bool(text) and cut_line(text) == text


@dataclass(frozen=True, slots=True)
class Decision:
    """One event that was not plainly accepted: its sequence, verdict code, field path ('' if none) and parameters."""

    sequence: int
    code: str
    field: str = ""
    params: str = ""

    def to_text(self) -> str:
        """Return the line, at most 200 bytes of UTF-8, without a newline. Longer parameters are cut."""
        field = one_line(self.field).replace(" ", "_") or "-"
        line = f"{self.sequence} {self.code} {field} {one_line(self.params)}"
        return line.encode("utf-8", "replace")[:LINE_BYTES_MAX].decode("utf-8", "ignore").rstrip(" ")

    @classmethod
    def from_text(cls, line: str) -> Self:
        """Return the decision that a receipt's line tells. Errors: Malformed."""
        parts = line.split(" ", 3)
        if len(parts) < 3 or not _NUMBER.fullmatch(parts[0]) or not _CODE.fullmatch(parts[1]) or not parts[2]:
            raise Malformed(f"receipt line {line[:80]!r}: expected <sequence> <code> <field> <parameters>")
        field = "" if parts[2] == "-" else parts[2]
        return cls(int(parts[0]), parts[1], field, parts[3] if len(parts) > 3 else "")


@dataclass(frozen=True, slots=True)
class Receipt:
    """One commit at HQ: the events `first` to `last` of one lane, all of them decided. `recorded_at` is UTC."""

    origin: str
    first: int
    last: int
    root: bytes
    recorded_at: datetime
    basis: int
    decisions: tuple[Decision, ...] = ()

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        head = (
            f"{RECEIPT}\n{self.origin}\nfrom {self.first}\nto {self.last}\n"
            f"root {base64.b64encode(self.root).decode()}\n"
            f"recorded_at {write_time(self.recorded_at)}\nbasis {self.basis}\n"
        )
        return head + "".join(d.to_text() + "\n" for d in self.decisions)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the receipt in a note's text. Errors: Malformed."""
        lines = _lines(text, RECEIPT, 7)
        written, encoded = _value(lines[5], "recorded_at"), _value(lines[4], "root")
        try:
            recorded_at = read_own_time(written)
            root = base64.b64decode(encoded, validate=True)
        except (Malformed, binascii.Error, ValueError) as exc:
            raise Malformed("receipt: expected root in base64 and recorded_at in RFC 3339") from exc
        receipt = cls(
            lines[1],
            _number(lines[2], "from"),
            _number(lines[3], "to"),
            root,
            recorded_at,
            _number(lines[6], "basis"),
            tuple(Decision.from_text(line) for line in lines[7:]),
        )
        sequences = [d.sequence for d in receipt.decisions]
        inside = all(receipt.first <= s <= receipt.last for s in sequences)
        if not 1 <= receipt.first <= receipt.last or not inside or sequences != sorted(set(sequences)):
            raise Malformed("receipt: expected 1 ≤ from ≤ to, and decisions in order within them")
        if len(root) != 32 or base64.b64encode(root).decode() != encoded:
            raise Malformed("receipt: expected a root of 32 bytes in canonical base64")
        return receipt


@dataclass(frozen=True, slots=True)
class Resend:
    """HQ asks for a lane again, from sequence `first` on."""

    origin: str
    first: int
    reason: str

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        return f"{RESEND}\n{self.origin}\nfrom {self.first}\nreason {cut_line(self.reason)}\n"

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the request in a note's text. Errors: Malformed."""
        lines = _lines(text, RESEND, 4)
        if len(lines) != 4:
            raise Malformed(f"resend request: expected 4 lines, got {len(lines)}")
        first = _number(lines[2], "from")
        if first < 1:
            raise Malformed("resend request: expected a sequence, which begins at 1")
        return cls(lines[1], first, _value(lines[3], "reason"))


def read_answer(text: str) -> Receipt | Resend:
    """Return what a note of `out.<center>` says, by its first line. Errors: Malformed."""
    if text.startswith(RECEIPT + "\n"):
        return Receipt.from_text(text)
    return Resend.from_text(text)


def read_own_time(text: str) -> datetime:
    """Return a time in the one form that cohub writes. Errors: Malformed."""
    moment = read_time(text)
    if write_time(moment) != text:
        raise Malformed(f"expected {write_time(moment)}, got {text[:40]}")
    return moment


def _lines(text: str, kind: str, least: int) -> list[str]:
    lines = text.split("\n")
    if lines.pop() != "" or len(lines) < least or lines[0] != kind:
        raise Malformed(f"expected a text that begins with {kind!r} and has at least {least} lines")
    return lines


def _value(line: str, name: str) -> str:
    head, _, rest = line.partition(" ")
    if head != name:
        raise Malformed(f"expected a line {name!r}, got {line[:60]!r}")
    return rest


def _number(line: str, name: str) -> int:
    return read_number(_value(line, name), name)


def read_number(text: str, name: str) -> int:
    """Return a decimal number of at most 2^63 - 1, written without sign or leading zeros. Errors: Malformed."""
    if not _NUMBER.fullmatch(text) or int(text) > SEQUENCE_MAX:
        raise Malformed(f"{name}: expected a decimal number up to {SEQUENCE_MAX}, got {text[:30]!r}")
    return int(text)
