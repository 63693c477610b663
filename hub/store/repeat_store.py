"""What a store keeps of states that have to go out again, and who publishes HQ's own lane.

Whoever publishes a lane may be stopped for long in the middle of it, while another worker takes the lane over. What it
had read goes out when it goes on, and an old state stands last on a compacted topic. So it says under which term it
sent what (`Store.set_published`); where that is over, what it sent is noted here, and whoever has the lane now sends
its states again.

HQ's own lane is no worker's: whoever has the keeper's lease publishes it, under a term of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, Protocol

from hub.ledger.publication import Publication


class Sent(NamedTuple):
    """States of a lane that went out: those behind `after`, under that term of its center."""

    after: int
    term: int


class Noted(NamedTuple):
    """States of a lane that are to go out again: those behind `after`. `times`: how often that was noted."""

    origin: str
    after: int
    size: int
    times: int


NOTHING_SENT: Final[Mapping[str, Sent]] = MappingProxyType({})


class RepeatStore(Protocol):
    """States that have to go out again. Errors: as Store's."""

    async def begin_hq(self, owner: str) -> int:
        """Return the term under which `owner` publishes HQ's lane from now on; every older one is void."""

    async def noted(self, centers: Collection[str]) -> list[Noted]:
        """Return what is to go out again of the lanes of these centers, the oldest lane first."""

    async def done(self, origin: str, times: int) -> None:
        """It went out again; what was noted once more meanwhile stays."""

    async def states(self, origin: str, after: int, limit: int) -> Publication | None:
        """Return, as they are now, the entities that the next events of a lane changed, about `limit` of these.

        Unlike `Store.publication` it leaves none out that a later event has changed too: an older state of it may have
        gone out. It has no receipts and no events. None where there are no more events.
        """
