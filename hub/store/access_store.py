"""What a store keeps of how centers reach HQ: their sealed credentials, their quotas, how far Kafka has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol

from hub.protocol.moment import from_us
from hub.store.rows import UNREADABLE, is_count, is_text

OPEN: Final = "open"  # what is noted of a center where the cluster lets in everybody


class StoredAccess(NamedTuple):
    """What a center was given. The defaults are those of one that was given nothing.

    Shapes: `version` is 0 where there is no credential; `rate` is None for the quota of all; `kept` is a digest of what
            Kafka was brought to, '' while that was never done.
    """

    version: int = 0
    sealed: bytes | None = None
    given_at: datetime | None = None
    rate: int | None = None
    kept: str = ""
    kept_at: datetime | None = None


class AccessStore(Protocol):
    """How centers reach HQ, in the same database. Errors: as Store's."""

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """Return whether `owner` sees to it that Kafka has all this, and does till then.

        That spares work and is no safety: two at once do the same, and each change may be made twice.
        """

    async def follow(self, owner: str) -> None:
        """See to it no longer, if `owner` did."""

    async def every(self) -> dict[str, StoredAccess]:
        """Return what each center was given, of those that were given anything. A row that can't be read is none."""

    async def give(self, center: str, sealed: bytes, now: datetime) -> int:
        """Put a credential in the place of the one before; return its number, which none before has had."""

    async def limit(self, center: str, rate: int | None) -> None:
        """Set what a center may write, in bytes a second; None for as much as all."""

    async def keep(self, kept: Mapping[str, str], now: datetime) -> None:
        """Note what Kafka was brought to for these centers."""


def stored_access(
    version: Any, sealed: Any, given_at_us: Any, rate: Any, kept: Any, kept_at_us: Any
) -> StoredAccess | None:
    """Return what a row says, None for one that no release of ours has written."""
    if not (is_count(version) and is_text(kept) and (sealed is None or isinstance(sealed, bytes))):
        return None
    if not (rate is None or is_count(rate)) or (version > 0) != (sealed is not None):
        return None
    try:
        given_at, kept_at = (None if us is None else from_us(us) for us in (given_at_us, kept_at_us))
    except UNREADABLE:
        return None
    return StoredAccess(version, sealed, given_at, rate, kept, kept_at)
