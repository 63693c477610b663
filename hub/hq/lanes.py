"""Letting a lane be read again that HQ has stopped."""

from __future__ import annotations

from dataclasses import dataclass

from hub.hq.folder import HubFolder
from hub.hq.saying import again
from hub.ledger.lane import Status
from hub.protocol.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Resumed:
    """A center whose lane is read. `before` is the status that it had."""

    center: str
    before: str

    @property
    def was_stopped(self) -> bool:
        """Whether it was not being read before."""
        return self.before != Status.READING


async def resume(where: HubFolder, center: str) -> Resumed:
    """Let a parked or forked lane be read again; a running worker goes on within a second.

    Errors: NotFound; Conflict while it waits for something else; Retriable.
    """
    async with where.store() as store:
        before = await again(lambda: store.resume(center))
    if before is None:
        raise NotFound(f"HQ has read nothing of a center {center}; `hub lane list` has what there is")
    if before == Status.WAITING:
        raise Conflict(
            f"the lane of {center} waits for HQ, not for this: `hub lane show {center}` says what for "
            "(a key to add, a center to resume). Where it waits for a key it is read on"
        )
    return Resumed(center, before)
