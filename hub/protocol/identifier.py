"""UUIDv7 for `ce_id`. Source: RFC 9562, section 5.7."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from hub.protocol.errors import Malformed


def uuid7(moment: datetime, chance: bytes) -> str:
    """Return a version 7 UUID: 48 bits of milliseconds, then 74 bits of `chance` (10 bytes, 6 of its bits unused)."""
    if len(chance) != 10:
        raise Malformed(f"uuid7: expected 10 random bytes, got {len(chance)}")
    milliseconds = int(moment.timestamp() * 1000) & 0xFFFF_FFFF_FFFF
    number = (milliseconds << 80) | int.from_bytes(chance, "big")
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    return str(UUID(int=number))
