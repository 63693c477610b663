"""What a store keeps of HQ's topics: how far the broker has them, and what is being said again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from hub.ledger.derived import Again, Partition, Reach
from hub.ledger.step import KnownEntity


class StatesPage(NamedTuple):
    """Entities, each with its record's value, up to the id `last`; None: there are none behind.

    `missing` counts those whose rows can't be read.
    """

    found: list[KnownEntity]
    last: str | None
    missing: int


class TopicStore(Protocol):
    """HQ's topics in the same database: what the keeper asks and writes. Errors: as Store's."""

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """Return whether `owner` keeps the topics, and does till then; nobody else is asked for that long.

        That spares work and is no safety: what two keepers say is the same, and readers pass over what they have.
        """

    async def follow(self, owner: str) -> None:
        """Keep the topics no longer, if `owner` did."""

    async def reaches(self) -> dict[Partition, Reach]:
        """Return what was acknowledged of every partition that anything was said on."""

    async def acknowledged(self, reaches: Mapping[Partition, Reach]) -> None:
        """Note how far these partitions reach. What was noted never goes back but by `forget`."""

    async def forget(self, reaches: Mapping[Partition, Reach]) -> None:
        """Note where these partitions stand now, whatever was noted before."""

    async def ask(self, topics: Mapping[str, Collection[int]], why: str, now: datetime) -> None:
        """Have these topics said again from the beginning: of each these partitions, none of them for all.

        What is being said again already begins anew, with the partitions of both.
        """

    async def agains(self) -> list[Again]:
        """Return every topic that is being said again, or was; the one that was asked for first in front."""

    async def begin_anew(self, now: datetime) -> list[str]:
        """Have said again from their beginning what somebody has edited so that it can't be read; return which.

        `agains` passes it over.
        """

    async def advance(self, again: Again) -> bool:
        """Note how far this is; return whether it is still what was asked for last."""

    async def states(self, stream: str, after: str, limit: int) -> StatesPage:
        """Return up to `limit` entities of a stream behind an id in their order."""
