"""The lanes that a worker reads: whose turn it is, where each is read, and what may still be handled.

It knows nothing of Faust. Below it the transport fetches records and moves positions, above it the Intakes say where to
read and take the records. What was fetched is handled only if it is the next of its lane:

* every assignment, revocation and seek is a new *move*, which is counted in the same step of the consumer's loop that
  moves the position, so that nothing fetched earlier is handled afterwards, wherever it was buffered;
* what is fetched after a move is numbered, so that a fetch that was lost on the way is read again, and never skipped.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import structlog
from aiokafka import ConsumerRecord
from aiokafka.errors import IllegalStateError

from hub.protocol.errors import Fatal
from hub.protocol.record import CONTROL_HEADER
from hub.protocol.topics import center_of, topic_in
from hub.worker.ports import LaneHandle
from hub.worker.turns import LITTLE_RECORDS_MAX, Rank, Turns

# Fetched and not yet handled; fetching goes on below both, so at most one poll more is in memory.
RECORDS_AHEAD_MAX = 4000
WEIGHT_AHEAD_MAX = 32 << 20  # about that many bytes of memory, see hub/base/total.py
PAUSED_POLL_S = 0.1  # while a lane is paused polls are this short, so that its resumption is noticed

log = structlog.get_logger(__name__)


class Intakes(Protocol):
    """What the transport serves: the owner of the lanes' positions and the taker of their records."""

    def attach(self, reader: LaneHandle) -> None:
        """Keep the object with which positions are moved. Called once, before anything else."""

    async def assign(self, centers: Sequence[str]) -> dict[str, int | None]:
        """Claim these lanes; return for each the offset to read next in `in.<center>`, None for the earliest."""

    async def revoke(self, centers: Sequence[str]) -> None:
        """Let go of these lanes. Nothing of theirs is being handled now, or will be before the next `assign`."""

    async def ready(self, records: Sequence[ConsumerRecord], before: Collection[str] = ()) -> None:
        """Wait until these may be handled: also until the centers in `before` have been answered.

        It has no turn: assign, revoke and looks go on meanwhile.

        What it raises ends the process.
        """

    async def handle(self, center: str, records: Sequence[ConsumerRecord]) -> None:
        """Take what one fetch brought, in order. Never runs twice at once. What it raises ends the process."""


class Stamp(NamedTuple):
    """Which fetch this is: the `serial`-th, from 1, since the `move`-th move of a position."""

    move: int
    serial: int


@dataclass(slots=True)
class Fetched:
    """What one fetch brought of one lane, in order; never empty. `round`: the assignment that counted it as waiting.

    Shapes: `has_more` tells that the broker had more of the lane when it was asked last.
    Units:  `weight` is about how many bytes of memory the records take.
    """

    center: str
    records: Sequence[ConsumerRecord]
    stamp: Stamp
    round: int = 0
    weight: int = 0
    has_more: bool = False


class Mover(Protocol):
    """Who moves positions: the consumer's thread."""

    async def move(self, positions: Mapping[str, int | None], number: int) -> None:
        """Read these topics from there on (None: the earliest record), and stamp what is fetched with this move.

        Errors: IllegalStateError if a topic is not assigned to this worker any more.
        """

    async def progress(self, topics: Collection[str]) -> dict[str, tuple[Stamp, int]]:
        """Return of each topic the stamp of its newest fetch, and how many records the broker has beyond it, about.

        Topics that are not assigned, or that the broker does not have, are left out.
        Errors: Retriable if the broker does not tell; Fatal if the consumer's thread does not answer.
        """


@dataclass(slots=True)
class _Lane:
    """Where a lane is read: the stamp that its next fetch must carry, and the offset to go back to if it does not."""

    move: int
    serial: int
    next_offset: int | None


def _has_events(records: Sequence[ConsumerRecord]) -> bool:
    """Return whether a fetch has anything but control records; of one that has much it need not be looked at."""
    return len(records) > LITTLE_RECORDS_MAX or any(
        all(name != CONTROL_HEADER for name, _ in record.headers) for record in records
    )


class Lanes:
    """The reading side of the lanes that this worker owns: one gate to `handle`, and the handle for moving positions.

    `_turn` guards the Intakes, and is the only lock of both: assign, revoke, handle and what the Intakes do in a turn
    of their own never overlap. Whether a fetch still counts is asked in the turn in which it is handled. It lives in
    the loop of the app; positions live in the consumer's thread and are reached through `mover`. Rebalances are eager:
    all lanes go, then some come.
    """

    def __init__(self, intakes: Intakes) -> None:
        self.mover: Mover | None = None  # there is one when the consumer has started
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        # Whose records are being handled, or wait for that, and since when (loop time).
        self.in_hand: tuple[str | None, float] = None, 0.0
        self.unread = 0  # records of the lanes that were asked for at the last look, fetched or not
        self._intakes = intakes
        self._turn = asyncio.Lock()
        self._lanes: dict[str, _Lane] = {}  # those that are read now
        self._claimed: list[str] = []  # those that the Intakes hold
        self._moves = itertools.count(1)
        self._rebalances = 0  # begun; an assignment that is not of the newest one comes too late
        self._paused: set[str] = set()
        self._wake = asyncio.Event()
        self._records_ahead = 0
        self._weight_ahead = 0
        self._round = 0  # counts assignments: what a rebalance swallowed must not be counted as waiting
        self._turns = Turns()
        self._closed = False
        intakes.attach(self)

    # -- for the Intakes -------------------------------------------------------------------------------------------

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Return the turn, for what must not overlap with assign, revoke and handle; never asked for inside those."""
        return self._turn

    async def seek(self, center: str, offset: int | None) -> None:
        """Read this lane from `offset` on (None: from the earliest record), from the next fetch.

        May be called inside `handle`, or in a turn. Nothing fetched before the seek reaches `handle` after it. A seek
        on a lane that was just revoked does nothing: its next owner asks SQL.
        Errors: Fatal if the broker does not answer.
        """
        if center not in self._lanes:
            return
        try:
            await self._move({center: offset})
        except IllegalStateError:
            log.info("seek_on_revoked_lane", center=center)

    def pause(self, center: str) -> None:
        """Fetch nothing more of this lane until `resume` or the next assignment. What is fetched still comes."""
        self._paused.add(center)

    def resume(self, center: str) -> None:
        """Fetch this lane again."""
        self._paused.discard(center)
        self._wake.set()

    async def behind(self, centers: Collection[str]) -> set[str]:
        """Return those of these lanes that have records still to be handled: here, on the way, or at the broker.

        Errors: see `Mover.progress`.
        """
        if self.mover is None:
            return set()
        found = await self.mover.progress([topic_in(center) for center in centers])
        behind, self.unread = set(), self._records_ahead
        for center in centers:
            lane, fetched = self._lanes.get(center), found.get(topic_in(center))
            if lane is None or fetched is None:
                continue
            stamp, more = fetched
            self.unread += more
            on_the_way = stamp.move == lane.move and stamp.serial >= lane.serial
            if more or on_the_way or self.in_hand[0] == center:
                behind.add(center)
        return behind

    @property
    def centers(self) -> list[str]:
        """Return the centers whose lanes this worker reads now."""
        return sorted(self._lanes)

    # -- for the transport -----------------------------------------------------------------------------------------

    async def take(self, fetched: Fetched) -> None:
        """Hand what was fetched to the Intakes, or drop it if its lane has moved on since."""
        clock_s = asyncio.get_running_loop().time
        self.in_hand = fetched.center, clock_s()
        began_s = 0.0
        try:
            await self._intakes.ready(fetched.records, self._turns.before(fetched.center, clock_s()))
            async with self._turn:
                began_s = clock_s()
                await self._take(fetched)
        finally:
            self.in_hand = None, 0.0
            if fetched.round == self._round:
                self._turns.handled(fetched.center, len(fetched.records), clock_s() - began_s if began_s else 0.0)
                self._records_ahead -= len(fetched.records)
                self._weight_ahead -= fetched.weight
                self._wake.set()

    async def _take(self, fetched: Fetched) -> None:
        center, records = fetched.center, fetched.records
        lane = self._lanes.get(center)
        if lane is None or lane.move != fetched.stamp.move:
            return
        if lane.serial != fetched.stamp.serial:
            log.warning("fetch_lost_on_the_way", center=center, reread_from=lane.next_offset)
            await self.seek(center, lane.next_offset)
            return
        lane.serial += 1
        lane.next_offset = records[-1].offset + 1
        await self._intakes.handle(center, records)

    def assign(self, centers: Sequence[str]) -> Awaitable[None]:
        """Ask the Intakes where to read these lanes, and go there. One that is overtaken by the next is undone."""
        self._rebalances += 1
        return self._assign(centers, self._rebalances)

    async def _assign(self, centers: Sequence[str], rebalance: int) -> None:
        async with self._turn:
            if rebalance != self._rebalances or self._closed:
                return
            try:
                await self._release()
                self._round += 1
                self._records_ahead = self._weight_ahead = 0
                self._turns.clear()
                self._wake.set()
                self._claimed = list(centers)
                positions = await self._intakes.assign(centers)
                await self._move({center: positions[center] for center in centers})
            except IllegalStateError:
                await self._release()
                raise  # another rebalance has begun; Faust starts over
            except Exception as exc:
                self.fail(exc)
                raise
            log.info("lanes_assigned", lanes=len(centers))

    async def revoke(self) -> None:
        """Stop handling, wait for what is in hand, then tell the Intakes."""
        self._rebalances += 1
        self._lanes.clear()  # from here on nothing is handled that was not begun
        async with self._turn:
            try:
                await self._release()
            except Exception as exc:  # noqa: BLE001 - aiokafka logs what a rebalance listener raises and goes on
                self.fail(exc)

    async def _release(self) -> None:
        self._lanes.clear()
        self._paused.clear()
        released, self._claimed = self._claimed, []
        if released:
            await self._intakes.revoke(released)
            log.info("lanes_revoked", lanes=len(released))

    async def close(self) -> None:
        """Handle nothing further, let what is in hand finish, give the lanes back."""
        self._closed = True
        await self.revoke()

    def fail(self, exc: BaseException) -> None:
        """Make `exc` the reason why the process ends; the first one counts."""
        if not self.failure.done():
            self.failure.set_exception(exc)
            self.failure.exception()  # whoever runs the app raises it; it is not "never retrieved" without one

    async def room(self) -> None:
        """Wait until few enough fetched records wait for `handle`, by number and by weight."""
        while self._records_ahead >= RECORDS_AHEAD_MAX or self._weight_ahead >= WEIGHT_AHEAD_MAX:
            self._wake.clear()
            await self._wake.wait()

    def admit(self, found: Iterable[Fetched]) -> None:
        """Count what was fetched."""
        now_s = asyncio.get_running_loop().time()
        for fetched in found:
            fetched.round = self._round
            records = fetched.records
            self._turns.admitted(
                fetched.center, len(records), now_s, has_events=_has_events(records), has_more=fetched.has_more
            )
            self._records_ahead += len(fetched.records)
            self._weight_ahead += fetched.weight

    def paused(self, topic: str) -> bool:
        """Tell whether this topic is not to be fetched now."""
        return center_of(topic) in self._paused

    def wanted(self, topics: Iterable[str]) -> tuple[dict[str, Rank], int]:
        """Return which of these topics are to be fetched now, each with its rank, and how many records at most."""
        reading = (center_of(topic) for topic in topics if not self.paused(topic))
        centers, records_max = self._turns.next(reading, asyncio.get_running_loop().time())
        return {topic_in(center): self._turns.rank(center) for center in centers}, records_max

    def patience(self, timeout_s: float) -> float:
        """Return how long a poll may last: a moment while lanes are paused, or have to wait for what was fetched."""
        return min(timeout_s, self._turns.patience_s, PAUSED_POLL_S if self._paused else timeout_s)

    async def resumed(self, timeout_s: float) -> None:
        """Wait a moment for a lane to be resumed."""
        self._wake.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()

    async def _move(self, positions: Mapping[str, int | None]) -> None:
        if self.mover is None:
            raise Fatal("a lane was moved before the consumer had started")
        number = next(self._moves)
        self._lanes.update({center: _Lane(number, 1, offset) for center, offset in positions.items()})
        await self.mover.move({topic_in(center): offset for center, offset in positions.items()}, number)
