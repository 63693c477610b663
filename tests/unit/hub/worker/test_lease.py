"""A lease: one of several has a task, asks again when half of it is over, and leaves it to others at its end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hub.protocol.errors import Retriable
from hub.worker.lease import LEASE_S, Lease

START = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Kept:
    """Whose the task is. Implements Leases."""

    def __init__(self) -> None:
        self.owner, self.until, self.asked, self.is_away = "", START, 0, False

    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        self.asked += 1
        if owner != self.owner and self.until > now:
            return False
        self.owner, self.until = owner, until
        return True

    async def follow(self, owner: str) -> None:
        if self.is_away:
            raise Retriable("the database is busy")
        if owner == self.owner:
            self.until = START


async def test_task_is_one_workers_until_its_lease_is_over() -> None:
    """Asked of the store once for half a lease; another one has it when the first says nothing any more."""
    kept, now = Kept(), START
    first, second = Lease(kept, "a", lambda: now), Lease(kept, "b", lambda: now)
    assert await first.is_ours()
    assert not await second.is_ours()
    now += timedelta(seconds=LEASE_S / 2)
    assert await first.is_ours()
    assert kept.asked == 2
    now += timedelta(seconds=LEASE_S)
    assert await second.is_ours()
    assert not await first.is_ours()


async def test_lease_that_is_given_up_is_free_and_one_that_cannot_be_is_over_soon() -> None:
    """A store that is away at the end of a worker does not keep it from ending."""
    kept, now = Kept(), START
    first, second = Lease(kept, "a", lambda: now), Lease(kept, "b", lambda: now)
    assert await first.is_ours()
    await first.end()
    assert await second.is_ours()
    kept.is_away = True
    await second.end()
    now += timedelta(seconds=LEASE_S)
    assert await first.is_ours()
