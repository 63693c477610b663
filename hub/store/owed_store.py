"""What a store keeps of what HQ has signed beyond it, after it was put back from a copy: see `hub.ledger.owed`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from hub.protocol.value import value_class


@value_class
class KeptReceipt:
    """A receipt that was found on a topic of HQ's: its center, its lane and last event, its note."""

    center: str
    origin: str
    last: int
    note: bytes


class OwedStore(Protocol):
    """Part of a Store. Errors: as there."""

    async def keep(self, receipts: Sequence[KeptReceipt]) -> None:
        """Keep receipts in this order; one that is kept already stays where it is."""

    async def owed(self, centers: Collection[str] | None = None) -> list[KeptReceipt]:
        """Return those of these centers, or all, that the ledger has not come to, in their order."""

    async def forget(self, origins: Collection[str] | None = None) -> int:
        """Forget those of these lanes, or all, and return how many the ledger had not come to."""

    async def sizes(self, centers: Collection[str]) -> dict[str, int]:
        """Return by origin how much the ledger has of every lane of these centers."""

    async def begin_log(self, size: int, reason: str, now: datetime) -> None:
        """Keep that a person lets HQ's log go on behind this size without the receipts that can't be had again."""

    async def log_begun(self) -> int:
        """Return the largest size behind which a person has let HQ's log go on so, 0 where there is none."""
