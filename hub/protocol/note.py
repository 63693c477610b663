"""C2SP signed notes.

Source: C2SP signed-note (https://c2sp.org/signed-note). A note is a text that ends in a newline, an empty line, and
one or more signature lines `— <key name> base64(key id ‖ signature)`. The keys are in `hub.protocol.keys`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from hub.protocol.cosignature import verify_cosignature
from hub.protocol.errors import Malformed
from hub.protocol.keys import (
    COSIGNATURE_ED25519,
    COSIGNATURE_MLDSA44,
    COSIGNATURES,
    ED25519,
    SMALL_ORDER_Y,
    Signature,
    Signer,
    Verifier,
    check_name,
    key_id,
)

__all__ = [
    "COSIGNATURES",
    "COSIGNATURE_ED25519",
    "COSIGNATURE_MLDSA44",
    "ED25519",
    "NOTE_BYTES_MAX",
    "SIGNATURES_MAX",
    "SMALL_ORDER_Y",
    "Note",
    "Signature",
    "Signer",
    "Verifier",
    "check_name",
    "key_id",
    "sign_note",
]

NOTE_BYTES_MAX: Final = 1_000_000
SIGNATURES_MAX: Final = 16
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f]")


@dataclass(frozen=True, slots=True)
class Note:
    """A signed text. `text` ends in a newline; `signatures` are in the order of their lines and not yet verified."""

    text: str
    signatures: tuple[Signature, ...]

    def to_bytes(self) -> bytes:
        """Return the note's exact bytes."""
        return (self.text + "\n" + "".join(s.to_text() for s in self.signatures)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Note:
        """Return the note in `data`, nothing verified. Errors: Malformed."""
        if len(data) > NOTE_BYTES_MAX:
            raise Malformed(f"note of {len(data)} bytes: expected at most {NOTE_BYTES_MAX}")
        try:
            whole = data.decode("utf-8")
        except UnicodeDecodeError as exc:
            raise Malformed("note: expected UTF-8") from exc
        _check_text(whole)
        head, separator, tail = whole.rpartition("\n\n")
        if not separator or not tail.endswith("\n"):
            raise Malformed("note: expected a text, an empty line and signature lines")
        lines = tail[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise Malformed(f"note: expected at most {SIGNATURES_MAX} signatures, got {len(lines)}")
        return cls(head + "\n", tuple(Signature.from_text(line) for line in lines))

    def verify(self, keys: Iterable[Verifier]) -> Verifier:
        """Return the first of `keys` that has signed this note; signatures by unknown keys are passed over.

        A cosigner's key (0x04, 0x06) has signed if the text is a checkpoint and its line a good cosignature of it.
        Errors: Malformed when none has signed it, or when the line of any one of the keys is not good.
        """
        by_line = {(s.name, s.key_id): s.value for s in reversed(self.signatures)}  # the first line of a key counts
        message = self.text.encode()
        first: Verifier | None = None
        for key in keys:
            value = by_line.get((key.name, key.key_id))
            if value is not None:
                if key.algorithm == ED25519:
                    key.verify(message, value)
                else:
                    verify_cosignature(self.text, key, value)
                first = first or key
        if first is None:
            raise Malformed("note: none of the expected keys has signed it")
        return first

    def line_of(self, key: Verifier) -> Signature | None:
        """Return the line of `key`, the first if it has several; nothing is verified."""
        return next((s for s in self.signatures if (s.name, s.key_id) == (key.name, key.key_id)), None)


def sign_note(text: str, signers: Sequence[Signer]) -> Note:
    """Return `text` (which ends in a newline) signed by every one of `signers`, keys of 0x01. Errors: Malformed."""
    if not text.endswith("\n"):
        raise Malformed("note text: expected a newline at its end")
    if not 1 <= len(signers) <= SIGNATURES_MAX:
        raise Malformed(f"note: expected 1 to {SIGNATURES_MAX} signers, got {len(signers)}")
    message = note_message(text)
    return Note(text, tuple(sign_line(message, signer) for signer in signers))


def note_message(text: str) -> bytes:
    """Return the bytes that a key of 0x01 signs, if a note can carry the text. Errors: Malformed."""
    _check_text(text)
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise Malformed("note: expected a text that UTF-8 can hold") from exc


def sign_line(message: bytes, key: Signer) -> Signature:
    """Return the line of one key of 0x01 over a note's text. Errors: Malformed for a cosigner's key."""
    if key.algorithm != ED25519:
        raise Malformed(f"key of {key.name}: a cosigner's key signs checkpoints alone (sign_checkpoint, cosign)")
    return Signature(key.name, key.verifier.key_id, key.sign(message))


def _check_text(text: str) -> None:
    if _CONTROL.search(text):
        raise Malformed("note: control characters are not allowed")
