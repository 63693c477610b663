"""The hq lane as HQ itself knows it: read from the ledger, verified, and folded on as it grows; no other row counts.

What does not verify stops HQ: to go on would be to believe whoever has edited the database. `Fatal` says what is wrong
and what to do. What only looks as if it were of the lane (rows behind its last seal, edited entities) is not read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from hub.domain.entity import Entity
from hub.domain.hq_lane import HqLane, HqStretch, hq_readers
from hub.hq.identity import Identity, load_identity
from hub.ledger.witness import Witnesses
from hub.protocol.errors import Fatal, Malformed, UsageError
from hub.protocol.schema import Schema
from hub.protocol.trust import HqKeys
from hub.store.rows import UNREADABLE
from hub.store.store import HqRows, Store

REMEDY: Final = (
    "HQ reads nothing and signs nothing before this is mended: `hub audit verify` says which rows are damaged; put the "
    "database back as it was last copied, or find who has edited it"
)


class OwnLane:
    """Follows the hq lane of one store."""

    def __init__(self, store: Store, identity: Identity, released: Mapping[str, Schema]) -> None:
        self._store = store
        self._identity = identity
        self._readers = hq_readers(released)
        self._lane = HqLane()
        self._known: tuple[int, Witnesses | None] = 0, None

    async def read(self) -> HqLane:
        """Return the lane as the ledger has it now. Errors: Fatal where it does not verify, or went back."""
        # Two who read at once each go on from what they began with; of two answers the longer one stays.
        lane = self._lane
        while True:
            rows = await self._store.hq_lane(lane.size)
            lane = _follow(lane, rows, self._verified)
            if lane.size == rows.size:
                break
        if lane.size > self._lane.size:
            self._lane = lane
        return lane

    async def entity(self, stream: str, key: str) -> Entity | None:
        """Return one entity of HQ's as the sealed lane makes it. Errors: as `read`."""
        return (await self.read()).entities.get((stream, f"hq:{key}"))

    async def witnesses(self) -> Witnesses:
        """Return who may cosign HQ's log now. Errors: as `read`."""
        size, known = self._known
        lane = await self.read()
        if size != lane.size or known is None:
            known = Witnesses.of(lane.registry())
            self._known = lane.size, known
        return known

    def _verified(self, lane: HqLane, stretches: Sequence[HqStretch]) -> HqLane:
        keys = self._identity.hq_keys()
        try:
            return lane.taken(stretches, keys, self._readers)
        except Malformed:
            # Keys are rotated beside a running worker, and what the new ones sign may come before they are taken over.
            fresh = self._newest_keys()
            if fresh is None or fresh == keys:
                raise
            return lane.taken(stretches, fresh, self._readers)

    def _newest_keys(self) -> HqKeys | None:
        folder = self._identity.folder
        try:
            return None if folder is None else load_identity(folder).hq_keys()
        except UsageError:
            return None


Verified = Callable[[HqLane, Sequence[HqStretch]], HqLane]  # the lane behind some stretches. Errors: Malformed


def read_lane(page: Callable[[int], HqRows], keys: HqKeys, released: Mapping[str, Schema]) -> HqLane:
    """Return the lane as a database has it, verified. Errors: Fatal where it is not what HQ has sealed.

    Shapes: `page` returns the rows behind a sequence, all of one moment.
    """
    readers = hq_readers(released)
    lane = HqLane()
    while True:
        try:
            rows = page(lane.size)
        except (*UNREADABLE, MemoryError) as exc:  # a number where bytes should be asks for so many
            raise _stopped(f"its rows cannot be read: {exc}") from exc
        lane = _follow(lane, rows, lambda before, stretches: before.taken(stretches, keys, readers))
        if lane.size == rows.size:
            return lane


class FollowedLane:
    """The hq lane as a database has it, read on from where it was, by whoever holds no key of HQ's: for `Reads`.

    `keys` returns the public keys that it may be signed by, as they are now: after a rotation there are more.
    """

    def __init__(self, keys: Callable[[], HqKeys], released: Mapping[str, Schema]) -> None:
        self._keys = keys
        self._readers = hq_readers(released)
        self._lane = HqLane()

    def __call__(self, page: Callable[[int], HqRows]) -> HqLane:
        """Return the lane as it is now. Errors: Fatal where it does not verify, or went back."""
        lane, keys = self._lane, self._keys()
        while True:
            try:
                rows = page(lane.size)
            except (*UNREADABLE, MemoryError) as exc:
                raise _stopped(f"its rows cannot be read: {exc}") from exc
            lane = _follow(lane, rows, lambda before, stretches: before.taken(stretches, keys, self._readers))
            self._lane = lane
            if lane.size == rows.size:
                return lane


def _follow(lane: HqLane, rows: HqRows, verified: Verified) -> HqLane:
    """Return the lane behind one more page. Errors: Fatal."""
    if len(rows.origins) > 1 or (lane.origin and rows.origins != (lane.origin,)):
        raise _stopped(f"the database has the lanes {', '.join(rows.origins)[:300] or 'none'}, expected one")
    if rows.size < lane.size:
        raise _stopped(f"it went back: HQ has read {lane.size} events of it, and {rows.size} are left")
    if rows.named > rows.size:
        raise _stopped(f"a receipt was judged under its size {rows.named}, and {rows.size} events of it are left")
    try:
        found = verified(lane, rows.stretches)
    except Malformed as exc:
        raise _stopped(str(exc)) from exc
    except UNREADABLE as exc:  # a column that holds what no release of ours writes there
        raise _stopped(f"its rows cannot be read: {exc}") from exc
    if found.origin and rows.origins != (found.origin,):
        raise _stopped(f"the database calls it {rows.origins[0][:100]}, and HQ has sealed it as {found.origin}")
    if found.newer:
        raise Fatal(
            f"the hq lane has events that a newer release wrote ({', '.join(found.newer)[:200]}), "
            "and this one can't read them: update cohub here"
        )
    if not rows.stretches and found.size != rows.size:
        raise _stopped(f"it has {rows.size} events by its own row, and receipts for {found.size} alone")
    return found


def _stopped(why: str) -> Fatal:
    return Fatal(f"the hq lane is not what HQ has sealed: {why}. {REMEDY}")
