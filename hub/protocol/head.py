"""The text of a C2SP tlog-checkpoint: what a seal says of a lane, and what HQ says of its log.

Source: C2SP tlog-checkpoint (https://c2sp.org/tlog-checkpoint): origin, size in decimal, root in base64, then any
number of extension lines; each line ends in a newline. Who signs it, and how, is `checkpoint`'s and `cosignature`'s.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Final

from hub.protocol.errors import Malformed
from hub.protocol.keys import read_base64
from hub.protocol.tree import HASH_BYTES

_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
SIZE_MAX: Final = 2**63 - 1  # what every database and language counts to


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
        root = read_base64(encoded, "checkpoint's root")
        if len(root) != HASH_BYTES:
            raise Malformed(f"checkpoint: expected a root of {HASH_BYTES} bytes, got {len(root)}")
        return cls(origin, read_size(size, "checkpoint"), root, tuple(extensions))


def read_size(text: str, what: str) -> int:
    """Return a size or index: decimal, no sign, no zero in front, at most `SIZE_MAX`. Errors: Malformed."""
    if not _SIZE.fullmatch(text) or int(text) > SIZE_MAX:
        raise Malformed(f"{what}: expected a decimal number up to {SIZE_MAX}, got {text[:30]!r}")
    return int(text)
