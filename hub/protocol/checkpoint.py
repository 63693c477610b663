"""Signed C2SP tlog-checkpoints: the seal of a lane, and HQ's word on its log.

Source: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint). A key of 0x01 signs the checkpoint as any note; a
cosigner's key (0x04, 0x06) cosigns it at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from hub.protocol.cosignature import cosign
from hub.protocol.errors import Malformed
from hub.protocol.head import SIZE_MAX, Checkpoint
from hub.protocol.note import COSIGNATURES, SIGNATURES_MAX, Note, Signature, Signer, note_message, sign_line
from hub.protocol.tree import Edge

__all__ = ["SIZE_MAX", "Checkpoint", "open_checkpoint", "open_seal", "seal", "sign_checkpoint"]


def sign_checkpoint(checkpoint: Checkpoint, keys: Sequence[Signer], at: datetime) -> bytes:
    """Return the checkpoint as a note, with one line of every key in their order; cosigners say that it is `at`.

    Units:  at is aware; its whole seconds count.
    Errors: Malformed, as `cosign` and `sign_note`.
    """
    return _signed(checkpoint.to_text(), keys, at)


def open_checkpoint(data: bytes) -> tuple[Checkpoint, Note]:
    """Return what a checkpoint says and the note that says it, with nothing verified yet. Errors: Malformed."""
    note = Note.from_bytes(data)
    return Checkpoint.from_text(note.text), note


def seal(
    origin: str,
    edge: Edge,
    key: Signer,
    extensions: tuple[str, ...] = (),
    long_key: Signer | None = None,
    at: datetime | None = None,
) -> bytes:
    """Return the seal of a whole lane: its checkpoint as a note, signed by the center's key under the lane's origin.

    `long_key`, the center's ML-DSA-44 key, cosigns it `at` that time, under the same name.
    """
    text = Checkpoint(origin, edge.size, edge.root, extensions).to_text()
    keys = [key.named(origin)] if long_key is None else [key.named(origin), long_key.named(origin)]
    return _signed(text, keys, at)


open_seal = open_checkpoint


def _signed(text: str, keys: Sequence[Signer], at: datetime | None) -> bytes:
    if not 1 <= len(keys) <= SIGNATURES_MAX:
        raise Malformed(f"checkpoint: expected 1 to {SIGNATURES_MAX} keys, got {len(keys)}")
    message = note_message(text)
    lines: list[Signature] = []
    for key in keys:
        if key.algorithm not in COSIGNATURES:
            lines.append(sign_line(message, key))
        elif at is None:
            raise Malformed(f"checkpoint: {key.name} is a cosigner, which needs a time")
        else:
            lines.append(cosign(text, key, at))
    return Note(text, tuple(lines)).to_bytes()
