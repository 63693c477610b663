"""C2SP tlog-checkpoints: what a seal says of a lane, and later what HQ says of its log.

Source: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint): origin, size in decimal, root in base64, then any
number of extension lines; each line ends in a newline.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.note import Note, Signer, sign_note
from hub.protocol.tree import HASH_BYTES, Edge

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_SIZE_MAX: Final = 2**63 - 1  # what every database and language counts to


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's origin, size (leaves) and root (32 bytes), with optional extension lines (no newline in them)."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def to_text(self) -> str:
        """Return the note text, byte for byte as it is signed."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(line + "\n" for line in lines)

    @classmethod
    def from_text(cls, text: str) -> Checkpoint:
        """Return the checkpoint in a note's text. Errors: Malformed."""
        lines = text.split("\n")
        if len(lines) < 4 or lines.pop() != "" or not all(lines):
            raise Malformed("checkpoint: expected origin, size and root, one a line")
        origin, size, encoded, *extensions = lines
        if not _SIZE.fullmatch(size) or int(size) > _SIZE_MAX:
            raise Malformed(f"checkpoint: expected a decimal size up to {_SIZE_MAX}, got {size[:30]!r}")
        try:
            root = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise Malformed("checkpoint: expected the root in base64") from exc
        if len(root) != HASH_BYTES or base64.b64encode(root).decode() != encoded:
            raise Malformed(f"checkpoint: expected a root of {HASH_BYTES} bytes in canonical base64")
        return cls(origin, int(size), root, tuple(extensions))


def seal(origin: str, edge: Edge, key: Signer, extensions: tuple[str, ...] = ()) -> bytes:
    """Return the seal of a whole lane: its checkpoint as a note, signed by the center's key under the lane's origin."""
    text = Checkpoint(origin, edge.size, edge.root, extensions).to_text()
    return sign_note(text, [key.named(origin)]).to_bytes()


def open_seal(data: bytes) -> tuple[Checkpoint, Note]:
    """Return what a seal says and the note that says it, with nothing verified yet. Errors: Malformed."""
    note = Note.from_bytes(data)
    return Checkpoint.from_text(note.text), note
