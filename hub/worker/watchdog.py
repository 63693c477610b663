"""The watchdog: a lane that nobody reads, though its group has it read here, ends the process.

Its *read* position stands still under lag, or another worker has claimed it and is gone: one that stood still for so
long that the group gave its lanes to others, and whose claim came only then. A worker that lives gets it by the group.

Faust and aiokafka have more ways to stop reading than tasks that die, and a reader that has stopped looks like one that
has nothing to read. What tells them apart is the broker, which has more. A lane that waits for HQ, or was parked, is no
stall but a state that `hub status` shows; nor is a broker that is away one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import UTC, datetime
from typing import Final

import structlog

from hub.protocol.errors import Fatal, Retriable

LOOKS_PER_STALL: Final = 12

log = structlog.get_logger(__name__)


class Watchdog:
    """Looks at the lanes every few seconds. Run it as a task of the process's supervisor.

    `positions` returns the next offset of each lane that reads, `overtaken` the lanes that another worker has claimed;
    `behind` those of these lanes that have records still to be handled, and raises Retriable when the broker does not
    say.
    """

    def __init__(
        self,
        positions: Callable[[], Mapping[str, int | None]],
        overtaken: Callable[[], Collection[str]],
        behind: Callable[[Collection[str]], Awaitable[set[str]]],
        stall_s: float,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._positions = positions
        self._overtaken = overtaken
        self._behind = behind
        self._stall_s = stall_s
        self._clock_s = clock_s
        self._since: dict[str, tuple[int | None, float]] = {}  # position, and since when it stands still under lag
        self._overtaken_since: dict[str, float] = {}
        # What the last look has found: whether the broker told, the lanes behind, and since when there are any.
        self.is_told: bool | None = None
        self.behind: frozenset[str] = frozenset()
        self.behind_since: datetime | None = None

    async def run(self) -> None:
        """Look for ever. Errors: see `look`."""
        while True:
            await asyncio.sleep(self._stall_s / LOOKS_PER_STALL)
            await self.look()

    async def look(self) -> None:
        """Compare with the last look. Errors: Fatal if a lane was overtaken, or stood still under lag, for too long."""
        positions, overtaken = dict(self._positions()), set(self._overtaken())
        try:
            behind = await self._behind(positions.keys() | overtaken)
        except Retriable as exc:
            log.info("lag_unknown", error=str(exc))
            self.is_told = False
            self._since.clear()  # without knowing of a lag there is no stall
            self._overtaken_since.clear()  # and without a broker nobody hears what the group has come to
            return
        self.is_told, self.behind = True, frozenset(behind)
        self.behind_since = (self.behind_since or datetime.now(UTC)) if behind else None
        now = self._clock_s()
        self._overtaken_since = {center: self._overtaken_since.get(center, now) for center in overtaken}
        for center, since in sorted(self._overtaken_since.items()):
            if now - since >= self._stall_s:
                raise Fatal(
                    f"the lane of {center} was taken over by another worker {now - since:.0f} s ago, and the group "
                    "still has it read here; ending, to be started again"
                )
        before, self._since = self._since, {}
        for center in sorted(behind & positions.keys()):
            position = positions[center]
            known = before.get(center)
            since = known[1] if known is not None and known[0] == position else now
            if now - since >= self._stall_s:
                where = "its beginning" if position is None else f"offset {position}"
                raise Fatal(
                    f"the lane of {center} has stood at {where} for {now - since:.0f} s though the broker has more; "
                    "ending, to be started again"
                )
            self._since[center] = position, since
