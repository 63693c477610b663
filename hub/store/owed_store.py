"""What a store keeps of what HQ has signed beyond it, after it was put back from a copy: see `hub.ledger.owed`."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
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


@value_class
class Begun:
    """What came of a person's word that HQ's log begins anew.

    Shapes: `given_up` receipts were owed, and are no more; `awaited` has by center how many may still be come to by
            themselves: where it has any, nothing was done.
    """

    given_up: int
    awaited: Mapping[str, int]


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

    async def lost(self, centers: Collection[str], why: str | None) -> None:
        """Keep why a worker can't come to what is owed to these centers, which waits for a person; None: it may."""

    async def begin_log(self, size: int, reason: str, now: datetime, *, all_of_it: bool = False) -> Begun:
        """Keep that a person lets HQ's log go on behind this size, and forget all receipts that are owed, together.

        Where some may still be come to by themselves nothing is kept and nothing forgotten, unless `all_of_it`.
        """

    async def log_begun(self) -> int:
        """Return the largest size behind which a person has let HQ's log go on so, 0 where there is none."""

    async def is_unheard(self) -> bool:
        """Return whether it was put back from a backup, and no worker has read yet what HQ had signed beyond that."""

    async def heard(self) -> None:
        """Keep that what there was to find of it is here. Idempotent."""
