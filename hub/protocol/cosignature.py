"""C2SP tlog-cosignatures: at this time the cosigner had seen this checkpoint and found it consistent with all before.

Source: C2SP tlog-cosignature (https://c2sp.org/tlog-cosignature). A line's value is the time as eight bytes big-endian
(POSIX seconds), then the raw signature over a message made from the checkpoint's text and that time.

    Ed25519 (0x04)     cosignature/v1           ML-DSA-44 (0x06)     "subtree/v1" 0A 00
                       time <seconds>                                length (1 byte) ‖ the cosigner's name
                       <the text>                                    seconds (8 bytes)
                                                                     length (1 byte) ‖ the log's origin
                                                                     first leaf = 0, size (8 bytes each), root (32)

The second says nothing of extension lines. A reader could take them for signed, so a checkpoint that has any gets no
cosignature of that kind here, neither written nor believed (as filippo.io/torchwood has it).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.head import Checkpoint
from hub.protocol.keys import COSIGNATURE_ED25519, COSIGNATURES, Signature, Signer, Verifier
from hub.protocol.tree import EMPTY_ROOT

TIME_BYTES: Final = 8
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SECONDS_MAX: Final = 2**63 - 1


def cosign(checkpoint_text: str, key: Signer, at: datetime) -> Signature:
    """Return the line by which `key` says that it had found this checkpoint consistent `at` that time.

    Units:  at is aware; its whole seconds count.
    Errors: Malformed when the text is no checkpoint, the key no cosigner's, or the time before 1970.
    """
    seconds = (at - _EPOCH) // timedelta(seconds=1)
    value = key.sign(cosigned_message(checkpoint_text, key.verifier, seconds))
    return Signature(key.name, key.verifier.key_id, seconds.to_bytes(TIME_BYTES, "big") + value)


def verify_cosignature(checkpoint_text: str, key: Verifier, value: bytes) -> None:
    """Check the value of a cosigner's line under this checkpoint. Errors: Malformed when it is not good."""
    seconds = int.from_bytes(value[:TIME_BYTES], "big")
    key.verify(cosigned_message(checkpoint_text, key, seconds), value[TIME_BYTES:])


def cosigned_at(signature: Signature) -> datetime:
    """Return the time in a cosigner's line, in UTC; believe it only of a line that was verified. Errors: Malformed."""
    if len(signature.value) <= TIME_BYTES:
        raise Malformed(f"cosignature by {signature.name[:80]}: expected a time and a signature")
    try:
        return _EPOCH + timedelta(seconds=int.from_bytes(signature.value[:TIME_BYTES], "big"))
    except OverflowError as exc:
        raise Malformed(f"cosignature by {signature.name[:80]}: its time is beyond the year 9999") from exc


def cosigned_message(checkpoint_text: str, key: Verifier, seconds: int) -> bytes:
    """Return the bytes that a cosigner signs. Errors: Malformed."""
    if key.algorithm not in COSIGNATURES:
        raise Malformed(f"key {key.name}+{key.key_id.hex()}: expected a cosigner's (0x04 or 0x06)")
    if not 0 <= seconds <= _SECONDS_MAX:
        raise Malformed(f"cosignature by {key.name}: expected a time from 1970 on, of at most 63 bits")
    said = Checkpoint.from_text(checkpoint_text)
    if said.size == 0 and said.root != EMPTY_ROOT:
        raise Malformed("cosignature: a checkpoint of size 0 has another root than the empty tree")
    if key.algorithm == COSIGNATURE_ED25519:
        return _encoded(f"cosignature/v1\ntime {seconds}\n{checkpoint_text}")
    if said.extensions:
        raise Malformed("cosignature by ML-DSA-44: expected a checkpoint without extension lines, they are not signed")
    return b"".join(
        (
            b"subtree/v1\n\x00",
            _short(key.name, "key name"),
            seconds.to_bytes(8, "big"),
            _short(said.origin, "origin"),
            bytes(8),
            said.size.to_bytes(8, "big"),
            said.root,
        )
    )


def _short(text: str, what: str) -> bytes:
    """Return the text after its length in one byte."""
    data = _encoded(text)
    if not 1 <= len(data) <= 255:
        raise Malformed(f"cosignature by ML-DSA-44: expected the {what} to have 1 to 255 bytes, got {len(data)}")
    return bytes([len(data)]) + data


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as exc:
        raise Malformed("cosignature: expected a text that UTF-8 can hold") from exc
