"""C2SP tlog-proofs: one text that proves, with no network, that something is in a log that others have witnessed.

Source: C2SP tlog-proof (https://c2sp.org/tlog-proof):

    c2sp.org/tlog-proof@v1
    extra <base64>                 left out where there is none; nothing vouches for it
    index <of the leaf, from 0>
    <base64 of a hash>             one line for every hash of the inclusion path, lowest first
                                   (an empty line)
    <the checkpoint's note, byte for byte, with whatever cosignatures it carries>
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from hub.protocol.checkpoint import Checkpoint, open_checkpoint
from hub.protocol.errors import Malformed
from hub.protocol.head import read_size
from hub.protocol.keys import Verifier, read_base64
from hub.protocol.note import NOTE_BYTES_MAX
from hub.protocol.tree import HASH_BYTES, verify_inclusion

HEADER: Final = "c2sp.org/tlog-proof@v1"
PATH_MAX: Final = 63  # of a tree of 2^63 leaves
EXTRA_BYTES_MAX: Final = 40_000  # so that its line is one that readers with a limit of 64 KiB a line still take


@dataclass(frozen=True, slots=True)
class TlogProof:
    """That a leaf stands at `index` in the log that `checkpoint` (a note's bytes) describes; `extra` is anybody's."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def to_text(self) -> str:
        """Return the proof's text; in a file its ending is `.tlog-proof`. Errors: Malformed."""
        if self.extra is not None and len(self.extra) > EXTRA_BYTES_MAX:
            raise Malformed(f"tlog-proof: expected at most {EXTRA_BYTES_MAX} bytes extra, got {len(self.extra)}")
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {base64.b64encode(self.extra).decode()}")
        lines += [f"index {self.index}", *(base64.b64encode(step).decode() for step in self.path), "", ""]
        try:
            return "\n".join(lines) + self.checkpoint.decode()
        except UnicodeDecodeError as exc:
            raise Malformed("tlog-proof: expected a checkpoint in UTF-8") from exc

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the proof in a text, nothing verified. Errors: Malformed."""
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if lines.pop(0) != HEADER or not lines or not separator:
            raise Malformed(f"tlog-proof: expected {HEADER!r}, an index, a path, an empty line and a checkpoint")
        extra = None
        if lines[0].startswith("extra "):
            extra = read_base64(lines.pop(0)[6:], "tlog-proof's extra data")
            if len(extra) > EXTRA_BYTES_MAX:
                raise Malformed(f"tlog-proof: expected at most {EXTRA_BYTES_MAX} bytes extra, got {len(extra)}")
        if not lines or not lines[0].startswith("index "):
            raise Malformed("tlog-proof: expected a line 'index <number>'")
        index = read_size(lines.pop(0)[6:], "tlog-proof's index")
        if len(lines) > PATH_MAX:
            raise Malformed(f"tlog-proof: expected a path of at most {PATH_MAX} hashes, got {len(lines)}")
        path = tuple(read_base64(line, "tlog-proof's path") for line in lines)
        if any(len(step) != HASH_BYTES for step in path):
            raise Malformed(f"tlog-proof: expected hashes of {HASH_BYTES} bytes")
        try:
            data = checkpoint.encode()
        except UnicodeEncodeError as exc:
            raise Malformed("tlog-proof: expected a text that UTF-8 can hold") from exc
        if len(data) > NOTE_BYTES_MAX:
            raise Malformed(f"tlog-proof: expected a checkpoint of at most {NOTE_BYTES_MAX} bytes, got {len(data)}")
        return cls(index, path, data, extra)

    def verify(self, leaf: bytes, log_keys: Sequence[Verifier]) -> Checkpoint:
        """Return the checkpoint, if a key of the log has signed it and `leaf` (a leaf hash) stands in its tree.

        Shapes: log_keys are keys named as the log's origin; the line of each that has signed must be good. Give only
        those that you still believe in: when Ed25519 is broken, the key of ML-DSA-44 alone.
        Errors: Malformed when anything does not hold.
        """
        checkpoint, note = open_checkpoint(self.checkpoint)
        key = note.verify(log_keys)
        if key.name != checkpoint.origin:
            raise Malformed(f"tlog-proof: {key.name} has signed a checkpoint of {checkpoint.origin[:80]!r}")
        verify_inclusion(leaf, self.index, checkpoint.size, self.path, checkpoint.root)
        return checkpoint
