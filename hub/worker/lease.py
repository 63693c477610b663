"""A task that one of several workers does: whose it is, asked of the store again when half of the lease is over."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, Protocol

from hub.protocol.errors import Retriable

LEASE_S: Final = 6.0


class Leases(Protocol):
    """What keeps whose task it is; see LogStore and TopicStore."""

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """Return whether the task is `owner`'s, and stays so till then."""

    async def follow(self, owner: str) -> None:
        """Give the task up, if it is `owner`'s."""


class Lease:
    """Whether the task is ours. Errors: those of the store."""

    def __init__(self, leases: Leases, owner: str, clock: Callable[[], datetime]) -> None:
        self._leases = leases
        self._owner = owner
        self._clock = clock
        self._until: datetime | None = None

    async def is_ours(self) -> bool:
        """Return whether the task is ours now, and for half a lease at least."""
        now = self._clock()
        if self._until is None or self._until - now < timedelta(seconds=LEASE_S / 2):
            until = now + timedelta(seconds=LEASE_S)
            self._until = until if await self._leases.lead(self._owner, now, until) else None
        return self._until is not None

    async def end(self) -> None:
        """Give it up; where that can't be said, it is over soon by itself."""
        with contextlib.suppress(Retriable):
            await self._leases.follow(self._owner)
